/* The lambda sink: records as events of a function, as an event source mapping gives them. */
#include "shared/body.h"
#include "shared/form.h"
#include "shared/sender.h"

#include <errno.h>

enum { KIB = 1024, MIB = 1024 * KIB, BATCH_MAX = 1000, INVOCATION_MS = 15 * 60 * 1000 };
/* Lambda's quotas for a payload, and what it has beside the records: {"Records":[]}. */
enum { SYNC_BYTES = 6 * MIB, ASYNC_BYTES = MIB, FRAME_BYTES = 14 };

struct lambda {
    struct sender sender;
    struct body body;
    weir_aws_header type;
    weir_str function, qualifier;
    bool async, fails, named; /* as the options invocation_type, on_function_error, item_failures */
};

/* ---- calls ---- */

static void begin(void *self, weir_buf *out)
{
    (void)self;
    put_text(out, "{\"Records\":[");
}

static bool put_event(void *self, struct call *call, const struct message *message,
                      struct entry *entry, size_t *bytes)
{
    struct lambda *lambda = self;
    size_t before = call->body.len;
    (void)entry;
    if (call->count > 0)
        put_char(&call->body, ',');
    if (!put_body(&lambda->body, message->record, &call->body))
        return false;
    *bytes = call->body.len - before;
    return true;
}

/* ---- answers ---- */

/* The function failed as a whole: which record was it? Each is sent alone, so that the others are
 * not tried as often as the bad one. */
static void function_failed(const struct lambda *lambda, struct call *call, weir_str error,
                            const weir_json_node *answer)
{
    const weir_json *json = call->sender->json;
    weir_str type = json->text(json->member(answer, "errorType"));
    if (call->count > 1)
        entries_again_alone(call);
    else
        entry_give_error(&call->entries[0], lambda->fails ? WEIR_FAIL : WEIR_RETRY,
                         type.len > 0 ? type : error,
                         json->text(json->member(answer, "errorMessage")));
}

/* The place of the record that `id` names, by its sequence number or, as in Pipes, by its event id;
 * call->count: none of this call's. */
static size_t place_of(const struct call *call, weir_str id)
{
    const weir_host *host = call->sender->host;
    for (size_t i = 0; i < call->count && id.len > 0; i++) {
        const struct message *message = call->entries[i].message;
        if (message && (weir_equal(id, host->field(message->record, WEIR_F_SEQUENCE)) ||
                        weir_equal(id, host->field(message->record, WEIR_F_EVENT_ID))))
            return i;
    }
    return call->count;
}

/* A mapping repeats all from the lowest sequence number on that is named, so a function may name
 * that one alone, or stop at the first record that fails: done is what is before each of those
 * named, in the event and by number. */
static bool is_done(const struct lambda *lambda, const struct call *call, size_t place)
{
    const weir_host *host = lambda->sender.host;
    const struct message *message = call->entries[place].message;
    for (size_t i = 0; i < call->count && message && !lambda->named; i++)
        if (call->entries[i].outcome == WEIR_RETRY &&
            (i < place ||
             !number_less(host->field(message->record, WEIR_F_SEQUENCE),
                          host->field(call->entries[i].message->record, WEIR_F_SEQUENCE))))
            return false;
    return true;
}

/* {"batchItemFailures":[{"itemIdentifier":"..."}]}: those are retried. */
static void read_failures(const struct lambda *lambda, struct call *call,
                          const weir_json_node *failures)
{
    const weir_json *json = call->sender->json;
    for (size_t i = 0; i < json->size(failures); i++) {
        const weir_json_node *node = json->entry(failures, i, NULL);
        size_t place = place_of(call, json->text(json->member(node, "itemIdentifier")));
        if (place == call->count) { /* as Lambda takes it: the answer is not to be trusted */
            entries_give_all(call, WEIR_RETRY, "batchItemFailures names what was not sent");
            return;
        }
        entry_give(&call->entries[place], WEIR_RETRY, "named in batchItemFailures");
    }
    for (size_t i = 0; i < call->count; i++)
        if (call->entries[i].outcome == 0 && !is_done(lambda, call, i))
            call->entries[i].again = AGAIN; /* without those that failed */
    for (size_t i = 0; i < call->count; i++)
        if (call->entries[i].outcome == 0 && call->entries[i].again == AGAIN_NO)
            entry_give(&call->entries[i], WEIR_OK, "");
}

static void read_answer(void *self, struct call *call, const weir_json_node *answer)
{
    const struct lambda *lambda = self;
    const weir_json *json = call->sender->json;
    weir_str error = weir_header(call->response->headers, "x-amz-function-error");
    const weir_json_node *failures = json->member(answer, "batchItemFailures");
    int32_t wanted = lambda->async ? 202 : 200;
    if (error.len == 0 && json->member(answer, "errorMessage")) /* an emulator's, without header */
        error = json->text(json->member(answer, "errorType"));
    if (call->response->status != wanted)
        entries_give_all(call, WEIR_RETRY, "the answer has another status than Lambda's");
    else if (lambda->async)
        entries_give_all(call, WEIR_OK, "");
    else if (error.len > 0)
        function_failed(lambda, call, error, answer);
    else if (!answer)
        entries_give_all(call, WEIR_RETRY, "the function's answer is not JSON");
    else if (json->kind(failures) > WEIR_J_NULL && json->kind(failures) != WEIR_J_ARRAY)
        entries_give_all(call, WEIR_RETRY, "batchItemFailures is not a list");
    else
        read_failures(lambda, call, failures);
}

/* What its owner has to put right, or time: mounts, keys, networks, a version being made. */
static int32_t judge(weir_str code)
{
    static const char *const down[] = {
        "SnapStart", "EFS", "S3Files", "KMS", "EC2", "ResourceConflict", "NoPublishedVersion"};
    for (size_t i = 0; i < sizeof down / sizeof down[0]; i++)
        if (str_starts_with(code, weir_cstr(down[i])))
            return WEIR_DOWN;
    return str_starts_with(code, WEIR_STR("RecursiveInvocation")) ? WEIR_FAIL : 0;
}

static const struct sender_kind invoke = {
    .service = "lambda",
    .protocol = WEIR_AWS_REST,
    .entries_max = BATCH_MAX,
    .body_end = "]}",
    .too_large_key = "max_payload_bytes",
    .begin = begin,
    .put = put_event,
    .read = read_answer,
    .judge = judge,
};

/* ---- the plugin ---- */

static int read_limits(struct lambda *lambda)
{
    struct sender *sender = &lambda->sender;
    int64_t batch = 0, bytes = 0;
    sender->host->option_i64(sender->instance, "batch", &batch);
    if (batch < 1 || batch > BATCH_MAX)
        return sender_refuse(sender, "batch", "must be 1 to 1000");
    if (sender_read_bytes(sender, "max_payload_bytes", lambda->async ? ASYNC_BYTES : SYNC_BYTES,
                          "must be 1KiB to 6MiB, for Event 1MiB: Lambda takes no more", &bytes) < 0)
        return -EINVAL;
    sender->entry_bytes_max = sender->call_bytes_max = bytes - FRAME_BYTES;
    sender->entries_max = (size_t)batch;
    return 0;
}

static bool is_name(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || text.ptr[i] == '/')
            return false;
    return text.len > 0 && text.len <= 256;
}

/* What every call has: the path and the kind of invocation. */
static void prepare(struct lambda *lambda)
{
    struct sender *sender = &lambda->sender;
    put_text(&sender->path, "/2015-03-31/functions/");
    put_encoded(&sender->path, lambda->function);
    put_text(&sender->path, "/invocations");
    if (lambda->qualifier.len > 0) {
        put_text(&sender->path, "?Qualifier=");
        put_encoded(&sender->path, lambda->qualifier);
    }
    lambda->type.name = WEIR_STR("X-Amz-Invocation-Type");
    lambda->type.value = lambda->async ? WEIR_STR("Event") : WEIR_STR("RequestResponse");
    sender->headers = &lambda->type;
    sender->header_count = 1;
    sender->timeout_ms = INVOCATION_MS; /* the delivery's own limit comes before that */
}

/* A policy has to name the qualifier, too. */
static void declare_function(struct lambda *lambda)
{
    weir_buf *name = &lambda->sender.scratch;
    put(name, lambda->function);
    put_text(name, lambda->qualifier.len > 0 ? ":" : "");
    put(name, lambda->qualifier);
    sender_declare(&lambda->sender, "function", "lambda:InvokeFunction",
                   "function:", weir_buf_view(name));
}

static int read_options(void *self)
{
    struct lambda *lambda = self;
    struct sender *sender = &lambda->sender;
    const weir_host *host = sender->host;
    int64_t async = 0, fails = 0, named = 0;
    host->option_str(sender->instance, "function", &lambda->function);
    host->option_str(sender->instance, "qualifier", &lambda->qualifier);
    host->option_i64(sender->instance, "invocation_type", &async);
    host->option_i64(sender->instance, "on_function_error", &fails);
    host->option_i64(sender->instance, "item_failures", &named);
    lambda->async = async != 0;
    lambda->fails = fails != 0;
    lambda->named = named != 0;
    if (!is_name(lambda->function))
        return sender_refuse(sender, "function", "must be a function's name or ARN");
    if (lambda->qualifier.len > 0 && !is_name(lambda->qualifier))
        return sender_refuse(sender, "qualifier", "must be an alias or a version");
    if (read_limits(lambda) < 0)
        return -EINVAL;
    if (sender->region.len == 0)
        sender->region = arn_part(lambda->function, 3);
    prepare(lambda);
    declare_function(lambda);
    if (lambda->async)
        host->declare(sender->instance, WEIR_D_ORDER, WEIR_STR("none"));
    return body_open(&lambda->body, host, sender->instance);
}

static int32_t lambda_open(const weir_host *host, weir_instance *instance, void **self)
{
    return sender_new(&invoke, sizeof(struct lambda), read_options, host, instance, self);
}

static const weir_option options[] = {
    {"function", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL, "Name or ARN of the function."},
    {"qualifier", NULL, WEIR_O_STRING, 0, NULL, "Alias or version; by default $LATEST."},
    {"invocation_type", "\"RequestResponse\"", WEIR_O_ENUM, 0, "RequestResponse|Event",
     "Wait for the function's answer, or leave the event in Lambda's own queue."},
    {"batch", "100", WEIR_O_INT, 0, NULL, "Records in one invocation, 1 to 1000."},
    BODY_OPTIONS,
    {"item_failures", "\"from_first\"", WEIR_O_ENUM, 0, "from_first|named",
     "What a function leaves undone that answers batchItemFailures: all from the first record it "
     "names on, as in an event source mapping, or those that it names."},
    {"on_function_error", "\"retry\"", WEIR_O_ENUM, 0, "retry|fail",
     "What a record is that the function fails at when it gets it alone."},
    {"concurrency", "4", WEIR_O_INT, 0, NULL, "Invocations under way at once, 1 to 64."},
    {"max_payload_bytes", NULL, WEIR_O_SIZE_BYTES, 0, NULL,
     "What an invocation may have; by default Lambda's limit, 6MiB (Event: 1MiB)."},
    {"region", NULL, WEIR_O_STRING, 0, NULL, "Region of the function, where no ARN tells."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .name = "lambda",
    .version = "1.0.0",
    .summary = "Invokes a Lambda function with the records, and takes its batchItemFailures.",
    .options = options,
    .repeats = WEIR_R_KEYED,
    .batch_records = 100,
    .open = lambda_open,
    .close = sender_close,
    .deliver = sender_deliver,
    .cancel = sender_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
