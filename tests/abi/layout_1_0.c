/* The layout of plugin ABI 1.0 on 64-bit machines, frozen: a line here never changes within
 * major 1. What a later minor appends gets lines of its own, and SIZE becomes "at least". */
#include <weir/ext/aws.h>
#include <weir/ext/envelope.h>
#include <weir/ext/json.h>
#include <weir/ext/kv.h>
#include <weir/ext/metrics.h>
#include <weir/ext/timer.h>
#include <weir/ext/work.h>
#include <weir/plugin.h>

#define AT(type, member, offset)                                                                   \
    _Static_assert(offsetof(type, member) == (offset), #type "." #member)
#define SIZE(type, bytes)   _Static_assert(sizeof(type) == (bytes), "size of " #type)
#define IS(constant, value) _Static_assert((constant) == (value), #constant)

AT(weir_str, ptr, 0);
AT(weir_str, len, 8);
SIZE(weir_str, 16);

AT(weir_option, name, 0);
AT(weir_option, fallback, 8);
AT(weir_option, type, 16);
AT(weir_option, flags, 20);
AT(weir_option, choices, 24);
AT(weir_option, help, 32);
SIZE(weir_option, 40);

AT(weir_subscription, struct_size, 0);
AT(weir_subscription, events, 4);
AT(weir_subscription, images, 8);
AT(weir_subscription, changed_only, 12);
AT(weir_subscription, attributes, 16);
SIZE(weir_subscription, 24);

AT(weir_host, abi, 0);
AT(weir_host, struct_size, 4);
AT(weir_host, log, 8);
AT(weir_host, option_str, 16);
AT(weir_host, option_i64, 24);
AT(weir_host, option_error, 32);
AT(weir_host, subscribe, 40);
AT(weir_host, declare, 48);
AT(weir_host, extension, 56);
AT(weir_host, count, 64);
AT(weir_host, at, 72);
AT(weir_host, remaining_ms, 80);
AT(weir_host, event, 88);
AT(weir_host, created_us, 96);
AT(weir_host, images, 104);
AT(weir_host, lane, 112);
AT(weir_host, field, 120);
AT(weir_host, image, 128);
AT(weir_host, attr, 136);
AT(weir_host, size, 144);
AT(weir_host, entry, 152);
AT(weir_host, type, 160);
AT(weir_host, text, 168);
AT(weir_host, json, 176);
AT(weir_host, equal, 184);
AT(weir_host, token, 192);
AT(weir_host, complete, 200);
AT(weir_host, complete_rest, 208);
AT(weir_host, walk, 216); /* 1.1 */
_Static_assert(sizeof(weir_host) >= 216, "what 1.0 had");
SIZE(weir_host, 224);

AT(weir_entry, value, 0); /* 1.1 */
AT(weir_entry, name, 8);
AT(weir_entry, text, 24);
AT(weir_entry, type, 40);
AT(weir_entry, below, 44);
SIZE(weir_entry, 48);

AT(weir_plugin, abi, 0);
AT(weir_plugin, abi_min, 4);
AT(weir_plugin, struct_size, 8);
AT(weir_plugin, flags, 12);
AT(weir_plugin, name, 16);
AT(weir_plugin, version, 24);
AT(weir_plugin, summary, 32);
AT(weir_plugin, options, 40);
AT(weir_plugin, subscription, 48);
AT(weir_plugin, repeats, 72);
AT(weir_plugin, batch_records, 76);
AT(weir_plugin, open, 80);
AT(weir_plugin, close, 88);
AT(weir_plugin, record, 96);
AT(weir_plugin, deliver, 104);
AT(weir_plugin, flush, 112);
AT(weir_plugin, cancel, 120);
SIZE(weir_plugin, 128);

AT(weir_aws_request, struct_size, 0);
AT(weir_aws_request, concurrency, 4);
AT(weir_aws_request, service, 8);
AT(weir_aws_request, target, 16);
AT(weir_aws_request, json, 24);
AT(weir_aws_request, body, 32);
AT(weir_aws_request, endpoint, 48);
AT(weir_aws_request, region, 64);
AT(weir_aws_request, timeout_ms, 80);
AT(weir_aws_request, token, 88);
AT(weir_aws_request, protocol, 96);
AT(weir_aws_request, header_count, 100);
AT(weir_aws_request, path, 104);
AT(weir_aws_request, headers, 112);
SIZE(weir_aws_request, 120);

AT(weir_aws_header, name, 0);
AT(weir_aws_header, value, 16);
SIZE(weir_aws_header, 32);
IS(WEIR_AWS_JSON, 0);
IS(WEIR_AWS_QUERY, 1);
IS(WEIR_AWS_REST, 2);

AT(weir_aws_response, struct_size, 0);
AT(weir_aws_response, outcome, 4);
AT(weir_aws_response, status, 8);
AT(weir_aws_response, sent, 12);
AT(weir_aws_response, body, 16);
AT(weir_aws_response, error_type, 32);
AT(weir_aws_response, error_message, 48);
AT(weir_aws_response, request_id, 64);
AT(weir_aws_response, headers, 80);
SIZE(weir_aws_response, 96);

AT(weir_aws, revision, 0);
AT(weir_aws, struct_size, 4);
AT(weir_aws, call, 8);
AT(weir_aws, abort, 16);
SIZE(weir_aws, 24);

AT(weir_json, revision, 0);
AT(weir_json, struct_size, 4);
AT(weir_json, parse, 8);
AT(weir_json, free, 16);
AT(weir_json, root, 24);
AT(weir_json, kind, 32);
AT(weir_json, size, 40);
AT(weir_json, entry, 48);
AT(weir_json, member, 56);
AT(weir_json, text, 64);
AT(weir_json, raw, 72);
SIZE(weir_json, 80);

AT(weir_timer, revision, 0);
AT(weir_timer, struct_size, 4);
AT(weir_timer, now_ms, 8);
AT(weir_timer, wall_us, 16);
AT(weir_timer, start, 24);
AT(weir_timer, stop, 32);
SIZE(weir_timer, 40);

AT(weir_work, revision, 0);
AT(weir_work, struct_size, 4);
AT(weir_work, submit, 8);
SIZE(weir_work, 16);

IS(WEIR_ABI(1, 0), 65536);
IS(WEIR_ABI_CURRENT, WEIR_ABI(1, 1));
IS(WEIR_INSERT, 1);
IS(WEIR_MODIFY, 2);
IS(WEIR_REMOVE, 4);
IS(WEIR_KEYS, 1);
IS(WEIR_OLD, 2);
IS(WEIR_NEW, 4);
IS(WEIR_T_NONE, 0);
IS(WEIR_T_S, 1);
IS(WEIR_T_N, 2);
IS(WEIR_T_B, 3);
IS(WEIR_T_BOOL, 4);
IS(WEIR_T_NULL, 5);
IS(WEIR_T_M, 6);
IS(WEIR_T_L, 7);
IS(WEIR_T_SS, 8);
IS(WEIR_T_NS, 9);
IS(WEIR_T_BS, 10);
IS(WEIR_LOG_ERROR, 1);
IS(WEIR_LOG_WARN, 2);
IS(WEIR_LOG_INFO, 3);
IS(WEIR_LOG_DEBUG, 4);
IS(WEIR_OK, 1);
IS(WEIR_SKIP, 2);
IS(WEIR_RETRY, 3);
IS(WEIR_FAIL, 4);
IS(WEIR_DOWN, 5);
IS(WEIR_F_EVENT_ID, 1);
IS(WEIR_F_SEQUENCE, 2);
IS(WEIR_F_IDENTITY, 3);
IS(WEIR_F_STREAM_ARN, 4);
IS(WEIR_F_TABLE, 5);
IS(WEIR_F_SHARD, 6);
IS(WEIR_F_ITEM_KEY, 7);
IS(WEIR_F_TTL_DELETE, 8);
IS(WEIR_F_RAW_JSON, 9);
IS(WEIR_F_EVENT_JSON, 10);
IS(WEIR_F_DEAD_SINK, 11);
IS(WEIR_F_DEAD_REASON, 12);
IS(WEIR_F_DEAD_ATTEMPTS, 13);
IS(WEIR_F_DEAD_JSON, 14);
IS(WEIR_F_EVENT_NAME, 15);
IS(WEIR_O_STRING, 0);
IS(WEIR_O_INT, 1);
IS(WEIR_O_BOOL, 2);
IS(WEIR_O_DURATION_MS, 3);
IS(WEIR_O_ENUM, 4);
IS(WEIR_O_JSON, 5);
IS(WEIR_O_SIZE_BYTES, 6);
IS(WEIR_O_PATH, 7);
IS(WEIR_O_REQUIRED, 1);
IS(WEIR_O_SECRET, 2);
IS(WEIR_P_KEEPS_ORDER, 1);
IS(WEIR_P_ORDER_NONE, 2);
IS(WEIR_R_NONE, 0);
IS(WEIR_R_KEYED, 1);
IS(WEIR_R_NATIVE, 2);
IS(WEIR_D_WRITES_TABLE, 1);
IS(WEIR_D_TARGET, 2);
IS(WEIR_D_IAM, 3);
IS(WEIR_D_ORDER, 4);
IS(WEIR_J_NONE, 0);
IS(WEIR_J_NULL, 1);
IS(WEIR_J_BOOL, 2);
IS(WEIR_J_NUMBER, 3);
IS(WEIR_J_STRING, 4);
IS(WEIR_J_ARRAY, 5);
IS(WEIR_J_OBJECT, 6);

AT(weir_envelope, revision, 0);
AT(weir_envelope, struct_size, 4);
AT(weir_envelope, open, 8);
AT(weir_envelope, record, 16);
AT(weir_envelope, value, 24);
IS(WEIR_B_OPTIONS, 0);
IS(WEIR_B_AWS, 1);
IS(WEIR_B_RAW, 2);
IS(WEIR_B_PLAIN, 3);
IS(WEIR_B_CLOUDEVENTS, 4);
IS(WEIR_B_DEBEZIUM, 5);
IS(WEIR_B_TEMPLATE, 6);

AT(weir_metrics, revision, 0);
AT(weir_metrics, struct_size, 4);
AT(weir_metrics, make, 8);
AT(weir_metrics, add, 16);
AT(weir_metrics, set, 24);
AT(weir_metrics, observe, 32);
IS(WEIR_M_COUNTER, 1);
IS(WEIR_M_GAUGE, 2);
IS(WEIR_M_HISTOGRAM, 3);
IS(WEIR_METRICS_MAX, 32);

AT(weir_kv, revision, 0);
AT(weir_kv, struct_size, 4);
AT(weir_kv, get, 8);
AT(weir_kv, next, 16);
AT(weir_kv, put, 24);
AT(weir_kv, drop, 32);
IS(WEIR_KV_KEYS_MAX, 1024);
IS(WEIR_KV_KEY_BYTES, 256);
IS(WEIR_KV_VALUE_BYTES, 4096);
IS(WEIR_KV_UNDERWAY_MAX, 1024);

/* The handles stay opaque: pointers to them are all that crosses. */
_Static_assert(sizeof(weir_instance *) == 8 && sizeof(size_t) == 8, "a 64-bit ABI");
