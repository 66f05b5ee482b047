/* The effective configuration: read, interpolated, checked; every error at once, with its place. */
#ifndef WEIR_CONFIG_CONFIG_H
#define WEIR_CONFIG_CONFIG_H
#include "json/json.h"
#include "record/filter.h"
#include "util/arena.h"
#include "util/buf.h"
#include <weir/plugin.h>

enum source_kind { SOURCE_NONE, SOURCE_POLL, SOURCE_LAMBDA, SOURCE_KCL, SOURCE_FILE };
enum order_kind { ORDER_DEFAULT, ORDER_ITEM, ORDER_SHARD, ORDER_NONE };
enum exhausted_kind {
    EXHAUSTED_DEFAULT,
    EXHAUSTED_SINK,
    EXHAUSTED_DEAD,
    EXHAUSTED_BLOCK,
    EXHAUSTED_DROP
};

struct config_log_level { /* of a component of the log, and those below it */
    const char *component;
    int level; /* WEIR_LOG_* */
};

struct sink_config {
    const char *name, *plugin;
    const struct json_value *at;      /* its member in the tree, for messages */
    const struct json_value *options; /* "config", an object or NULL; interpolated */
    bool enabled, required, insecure, allow_loop;
    const char *sha256;
    /* match; events 0 = not narrowed */
    uint32_t events;
    const char *const *changed, *const *present; /* NULL-terminated or NULL */
    int ttl;                                     /* 0 any, 1 only, -1 none */
    struct filter *filter;
    /* retry */
    int64_t max_attempts;      /* 8 */
    int64_t base_ms, cap_ms;   /* 100 ms, 20 s */
    int64_t max_record_age_ms; /* 0 = no limit */
    int64_t timeout_ms;        /* 60 s */
    int64_t max_hold_ms;       /* 6 h */
    int64_t concurrency;       /* deliveries in flight; 0 = default (4) */
    int64_t batch_records;     /* records in one delivery; 0 = the plugin's wish, else 100 */
    enum order_kind order;
    enum exhausted_kind on_exhausted;
    const char *exhausted_sink;
    bool oversize_pointer;        /* on_oversize: "pointer" instead of "block" */
    const char *const *only_from; /* NULL-terminated sink names or NULL */
    bool dead_letters_only; /* it is the target of another sink's on_exhausted and has only_from */
};

/* One of the configuration's own tests; what they hold was checked when it was read. */
struct test_config {
    const char *name;
    const struct json_value *at;     /* for messages */
    const struct json_value *input;  /* a record, or a list of them */
    const struct json_value *counts; /* by sink: the records that it gets */
};

struct config {
    const char *path; /* as named by the user; NULL = built in */
    const char *dir;  /* folder that relative paths refer to, absolute */
    const char *name; /* the pipeline */
    enum source_kind source;
    bool in_lambda;        /* loaded by the Lambda runtime: source is SOURCE_LAMBDA */
    const char *file_path; /* source file: path, or "-" */
    const struct json_value *source_at;
    struct {
        const char *const *tables, *const *streams;
        const char *starting_position; /* "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP" */
        int64_t starting_timestamp_us;
        int64_t batch_size, batching_window_ms, parallelization_factor, idle_poll_ms, loops;
        int64_t maximum_retry_attempts, maximum_record_age_ms;
        bool bisect, on_gap_continue;
    } poll;
    enum exhausted_kind on_poison;
    const char *poison_sink;
    struct {
        bool report_batch_item_failures;
        int64_t deadline_margin_ms; /* 500 */
    } lambda;
    struct {
        const char *region, *endpoint_url, *profile;
        const struct aws_endpoint *endpoints;
        size_t endpoint_count;
        bool allow_http;
    } aws;
    struct {
        const char *kind, *path, *table;
        int64_t every_ms, lease_ms;
    } state;
    const char *const *plugin_dirs; /* NULL-terminated, absolute */
    struct sink_config *sinks;      /* enabled and not, in the order written */
    size_t sink_count;
    struct test_config *tests;
    size_t test_count;
    int64_t in_flight_bytes; /* limits.in_flight, 64 MiB */
    int64_t queued_records;  /* limits.queued_records per sink, 10,000 */
    struct {
        int level;
        const char *format; /* "auto", "text", "json" */
        const struct config_log_level *levels;
        size_t level_count;
        const char *const *redact; /* NULL-terminated or NULL */
    } log;
    struct {
        const char *listen; /* as written; NULL = no TCP */
        const char *host;   /* of it, a literal address */
        int port;
        bool loopback, ui, tap, allow_remote, writable;
        const char *token_file; /* NULL = none; with `writable` there is one */
    } admin;
    struct {
        bool prometheus;
        bool emf_off; /* else one set of lines per invocation, in Lambda */
        const char *emf_namespace;
    } metrics;
    struct {
        const char *endpoint; /* NULL: OTEL_EXPORTER_OTLP_ENDPOINT, or off */
        bool allow_http;
        const char *headers; /* "name=value,name=value", values percent-encoded, or NULL */
        int64_t interval_ms, timeout_ms, traces;
    } otlp;
    int64_t shutdown_grace_ms;     /* 25 s */
    const struct json_value *root; /* effective tree */
    struct arena arena;
    weir_str text; /* the file's bytes, owned by the arena */
};
#endif
