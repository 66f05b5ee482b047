/* The eventbridge sink: each record as one event on an event bus. */
#include "shared/body.h"
#include "shared/sender.h"

#include <errno.h>

enum { KIB = 1024, DETAIL_TYPE_MAX = 128, TIME_BYTES = 14 /* as EventBridge counts */ };

struct eventbridge {
    struct sender sender;
    struct body body;
    weir_str bus, source, detail_type;
};

/* ---- calls ---- */

static void begin(void *self, weir_buf *out)
{
    (void)self;
    put_text(out, "{\"Entries\":[");
}

/* `template` with {event} and {table} replaced. */
static void put_filled(const weir_host *host, const weir_record *record, weir_str template,
                       weir_buf *out)
{
    static const weir_str event = {"{event}", 7}, table = {"{table}", 7};
    for (size_t i = 0; i < template.len;) {
        weir_str rest = weir_view(template.ptr + i, template.len - i);
        if (str_starts_with(rest, event)) {
            weir_str name = host->field(record, WEIR_F_EVENT_NAME);
            put(out, name.len > 0 ? name : WEIR_STR("OTHER"));
            i += event.len;
        } else if (str_starts_with(rest, table)) {
            put(out, host->field(record, WEIR_F_TABLE));
            i += table.len;
        } else {
            put_char(out, template.ptr[i++]);
        }
    }
}

static void put_detail_type(struct eventbridge *bridge, const weir_record *record, weir_buf *out,
                            size_t *bytes)
{
    weir_buf *text = &bridge->sender.scratch;
    weir_buf_clear(text);
    put_filled(bridge->sender.host, record, bridge->detail_type, text);
    if (text->len > DETAIL_TYPE_MAX)
        text->len = DETAIL_TYPE_MAX;
    *bytes += text->len;
    weir_buf_json_string(out, weir_buf_view(text));
}

static void put_stream(const struct eventbridge *bridge, const weir_record *record, weir_buf *out,
                       size_t *bytes)
{
    weir_str arn = bridge->sender.host->field(record, WEIR_F_STREAM_ARN);
    if (arn.len == 0)
        return;
    put_text(out, ",\"Resources\":[");
    weir_buf_json_string(out, arn);
    put_char(out, ']');
    *bytes += arn.len;
}

static bool put_event(void *self, struct call *call, const struct message *message,
                      struct entry *entry, size_t *bytes)
{
    struct eventbridge *bridge = self;
    const weir_record *record = message->record;
    weir_buf *out = &call->body;
    int32_t precision;
    int64_t created_us = bridge->sender.host->created_us(record, &precision);
    (void)entry;
    weir_buf_clear(&bridge->sender.scratch);
    if (!put_body(&bridge->body, record, &bridge->sender.scratch))
        return false;
    put_text(out, call->count > 0 ? ",{\"Detail\":" : "{\"Detail\":");
    weir_buf_json_string(out, weir_buf_view(&bridge->sender.scratch));
    *bytes = bridge->sender.scratch.len + bridge->source.len;
    out->failed |= bridge->sender.scratch.failed;
    put_text(out, ",\"DetailType\":");
    put_detail_type(bridge, record, out, bytes);
    put_text(out, ",\"Source\":");
    weir_buf_json_string(out, bridge->source);
    put_text(out, ",\"EventBusName\":");
    weir_buf_json_string(out, bridge->bus);
    put_stream(bridge, record, out, bytes);
    if (precision != 0) {
        put_text(out, ",\"Time\":");
        put_int(out, floor_seconds(created_us), 1);
        *bytes += TIME_BYTES;
    }
    put_char(out, '}');
    out->failed |= bridge->sender.scratch.failed;
    return true;
}

/* What EventBridge says of an entry (API reference, PutEventsResultEntry). */
static int32_t entry_outcome(weir_str code)
{
    static const char *const bad[] = {"InvalidArgument", "MalformedDetail", "RedactionFailure",
                                      "InvalidAccountIdException", NULL};
    if (code_is_one_of(code, bad))
        return WEIR_FAIL;
    bool denied = str_contains(code, "AccessDenied") || str_contains(code, "NotAuthorized");
    return denied ? WEIR_DOWN : WEIR_RETRY;
}

static int32_t judge(weir_str code)
{
    return weir_equal(code, WEIR_STR("ResourceNotFoundException")) ? WEIR_DOWN : 0;
}

static void read_answer(void *self, struct call *call, const weir_json_node *answer)
{
    (void)self;
    entries_give_list(call, call->sender->json->member(answer, "Entries"), "EventId",
                      entry_outcome);
}

static const struct sender_kind put_events = {
    .service = "events",
    .target = "AWSEvents.PutEvents",
    .json = "1.1",
    .entries_max = 10,
    .body_end = "]}",
    .too_large_key = "max_request_bytes",
    .begin = begin,
    .put = put_event,
    .read = read_answer,
    .judge = judge,
};

/* ---- the plugin ---- */

static int read_options(void *self)
{
    struct eventbridge *bridge = self;
    struct sender *sender = &bridge->sender;
    const weir_host *host = sender->host;
    host->option_str(sender->instance, "bus", &bridge->bus);
    host->option_str(sender->instance, "event_source", &bridge->source);
    host->option_str(sender->instance, "detail_type", &bridge->detail_type);
    if (bridge->bus.len == 0)
        return sender_refuse(sender, "bus", "must name an event bus");
    if (bridge->source.len == 0 || bridge->source.len > 256)
        return sender_refuse(sender, "event_source", "must have 1 to 256 characters");
    if (str_starts_with(bridge->source, WEIR_STR("aws.")))
        return sender_refuse(sender, "event_source",
                             "must not begin with \"aws.\": that is AWS's own");
    if (bridge->detail_type.len == 0 || bridge->detail_type.len > DETAIL_TYPE_MAX)
        return sender_refuse(sender, "detail_type", "must have 1 to 128 characters");
    if (sender_read_bytes(sender, "max_request_bytes", KIB * KIB, "must be 1KiB to 1MiB",
                          &sender->call_bytes_max) < 0)
        return -EINVAL;
    sender->entry_bytes_max = sender->call_bytes_max;
    if (sender->region.len == 0)
        sender->region = arn_part(bridge->bus, 3);
    sender_declare(sender, "event bus", "events:PutEvents", "event-bus/", bridge->bus);
    return body_open(&bridge->body, host, sender->instance);
}

static int32_t eventbridge_open(const weir_host *host, weir_instance *instance, void **self)
{
    return sender_new(&put_events, sizeof(struct eventbridge), read_options, host, instance, self);
}

static const weir_option options[] = {
    {"bus", "\"default\"", WEIR_O_STRING, 0, NULL, "Name or ARN of the event bus."},
    {"event_source", "\"weir\"", WEIR_O_STRING, 0, NULL, "The events' source, for rules to match."},
    {"detail_type", "\"{event}\"", WEIR_O_STRING, 0, NULL,
     "The events' detail-type; {event} and {table} stand for the record's."},
    BODY_OPTIONS,
    {"concurrency", "4", WEIR_O_INT, 0, NULL, "Calls to EventBridge in flight at once, 1 to 64."},
    {"max_request_bytes", "\"256KiB\"", WEIR_O_SIZE_BYTES, 0, NULL,
     "What EventBridge takes in one call; a larger record fails before it is sent."},
    {"region", NULL, WEIR_O_STRING, 0, NULL, "Region of the bus, where no ARN tells."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .flags = WEIR_P_ORDER_NONE,
    .name = "eventbridge",
    .version = "1.0.0",
    .summary = "Puts each record as an event on an EventBridge bus.",
    .options = options,
    .repeats = WEIR_R_KEYED,
    .open = eventbridge_open,
    .close = sender_close,
    .deliver = sender_deliver,
    .cancel = sender_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
