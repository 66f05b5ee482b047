/* The http sink: records as the body of a request to a web server of your own, one or many in each,
 * signed as the Standard Webhooks specification 1.0 says, at a bounded rate. */
#include "http.h"

#include <errno.h>

enum { MIB = 1024 * 1024, BATCH_MAX = 500, RATE_MAX = 100000, HEADERS_MAX = 32 };

/* ---- the body: the record alone, or a list ---- */

static void begin(void *self, weir_buf *out)
{
    const struct webhook *hook = self;
    put_text(out, hook->batch > 1 ? "[" : "");
}

static bool put_entry(void *self, struct call *call, const struct message *message,
                      struct entry *entry, size_t *bytes)
{
    struct webhook *hook = self;
    size_t before = call->body.len;
    (void)entry;
    put_text(&call->body, call->count > 0 ? "," : "");
    bool made = put_body(&hook->body, message->record, &call->body);
    *bytes = call->body.len - before;
    return made;
}

/* ---- the request ---- */

static void answered(void *arg, const weir_http_response *response)
{
    struct call *call = arg;
    struct webhook *hook = (struct webhook *)call->sender;
    if (response->retry_after_ms > 0)
        pace_wait(&hook->pace, response->retry_after_ms);
    call_answered(call, response->outcome, response->reason, WEIR_NONE, response->body);
}

static int send_request(void *self, struct call *call)
{
    struct webhook *hook = self;
    weir_http_header headers[HEADERS_MAX + 5];
    struct signature signature;
    size_t count = hook->header_count;
    put_text(&call->body, hook->batch > 1 ? "]" : "");
    if (call->body.failed)
        return -ENOMEM;
    if (count > 0)
        memcpy(headers, hook->headers, count * sizeof headers[0]);
    headers[count++] = (weir_http_header){WEIR_STR("Content-Type"), WEIR_STR("application/json")};
    if (hook->authorization.len > 0)
        headers[count++] = (weir_http_header){WEIR_STR("Authorization"), hook->authorization};
    if (hook->secret.len > 0) {
        if (!sign(hook, call, &signature))
            return -ENOMEM;
        headers[count++] = (weir_http_header){WEIR_STR("webhook-id"), weir_cstr(signature.id)};
        headers[count++] =
            (weir_http_header){WEIR_STR("webhook-timestamp"), weir_cstr(signature.timestamp)};
        headers[count++] =
            (weir_http_header){WEIR_STR("webhook-signature"), weir_cstr(signature.value)};
    }
    const weir_http_request request = {
        .struct_size = sizeof request,
        .concurrency = (int32_t)hook->sender.concurrency,
        .method = hook->put ? "PUT" : "POST",
        .url = hook->url.ptr,
        .headers = headers,
        .header_count = count,
        .body = weir_buf_view(&call->body),
        .timeout_ms = hook->timeout_ms,
        .token = call_token(call),
    };
    return hook->http->call(hook->sender.instance, &request, answered, call, &call->id);
}

static void abort_request(void *self, struct call *call)
{
    struct webhook *hook = self;
    hook->http->abort(hook->sender.instance, call->id);
}

static bool may_send(void *self)
{
    struct webhook *hook = self;
    return pace_may_send(&hook->pace);
}

static const struct sender_kind requests = {
    .entries_max = BATCH_MAX,
    .body_end = "",
    .too_large_key = "max_request_bytes",
    .begin = begin,
    .put = put_entry,
    .send = send_request,
    .abort = abort_request,
    .may_send = may_send,
};

/* ---- options ---- */

/* {"Authorization": "Bearer ${file:token}"}: text members only. */
static int read_headers(struct webhook *hook)
{
    struct sender *sender = &hook->sender;
    weir_str text = WEIR_NONE;
    const weir_json *json = sender->host->extension(sender->instance, WEIR_EXT_JSON);
    if (!sender->host->option_str(sender->instance, "headers", &text))
        return 0;
    hook->headers_json = json ? json->parse(text) : NULL;
    const weir_json_node *root = hook->headers_json ? json->root(hook->headers_json) : NULL;
    hook->json = json;
    if (!root || json->kind(root) != WEIR_J_OBJECT || json->size(root) > HEADERS_MAX)
        return sender_refuse(sender, "headers", "must be an object of at most 32 texts");
    hook->headers = calloc(json->size(root) + 1, sizeof hook->headers[0]);
    if (!hook->headers)
        return -ENOMEM;
    for (size_t i = 0; i < json->size(root); i++) {
        weir_str name;
        const weir_json_node *value = json->entry(root, i, &name);
        if (json->kind(value) != WEIR_J_STRING)
            return sender_refuse(sender, "headers", "must be an object of at most 32 texts");
        hook->headers[hook->header_count++] = (weir_http_header){name, json->text(value)};
    }
    return 0;
}

static int read_options(struct webhook *hook)
{
    struct sender *sender = &hook->sender;
    const weir_host *host = sender->host;
    int64_t method = 0, rate = 0;
    host->option_str(sender->instance, "url", &hook->url);
    host->option_i64(sender->instance, "method", &method);
    host->option_i64(sender->instance, "batch", &hook->batch);
    host->option_i64(sender->instance, "rate", &rate);
    host->option_i64(sender->instance, "request_timeout", &hook->timeout_ms);
    host->option_i64(sender->instance, "max_request_bytes", &sender->call_bytes_max);
    host->option_str(sender->instance, "secret", &hook->secret);
    host->option_str(sender->instance, "authorization", &hook->authorization);
    sender->entry_bytes_max = sender->call_bytes_max;
    hook->put = method == 1;
    if (!str_starts_with(hook->url, WEIR_STR("https://")) &&
        !str_starts_with(hook->url, WEIR_STR("http://")))
        return sender_refuse(sender, "url", "must begin with https:// (or http://)");
    if (hook->batch < 1 || hook->batch > BATCH_MAX)
        return sender_refuse(sender, "batch", "must be 1 to 500");
    if (rate < 0 || rate > RATE_MAX)
        return sender_refuse(sender, "rate", "must be 0 (no bound) to 100000");
    if (sender->call_bytes_max < 1024 || sender->call_bytes_max > 16 * MIB)
        return sender_refuse(sender, "max_request_bytes", "must be 1KiB to 16MiB");
    if (!key_of_secret(hook->secret, &hook->key))
        return sender_refuse(sender, "secret", "whsec_ must be followed by base64");
    sender->entries_max = (size_t)hook->batch;
    pace_open(&hook->pace, sender, rate, hook->url);
    int rc = sender_read_concurrency(sender);
    return rc < 0 ? rc : read_headers(hook);
}

/* The scheme and host alone: paths of webhooks often hold a secret. */
static void declare(const struct webhook *hook)
{
    weir_str url = hook->url;
    const char *host = strstr(url.ptr, "://") + 3;
    const char *at = strpbrk(host, "/?#");
    weir_str origin = weir_view(url.ptr, at ? (size_t)(at - url.ptr) : url.len);
    const char *user = memchr(origin.ptr, '@', origin.len);
    if (user)
        origin = weir_view(user + 1, origin.len - (size_t)(user + 1 - origin.ptr));
    weir_buf text = {0};
    put_text(&text, "server ");
    put_visible(&text, origin, 160);
    hook->sender.host->declare(hook->sender.instance, WEIR_D_TARGET, weir_buf_view(&text));
    weir_buf_free(&text);
}

/* What waits as the server said was not tried: that is the server's affair, not the records'. */
static void http_cancel(void *self, uint64_t token)
{
    struct webhook *hook = self;
    if (pace_waits(&hook->pace))
        sender_give_back(&hook->sender, token, WEIR_DOWN, "the server asked to wait");
    else if (hook->pace.rate > 0)
        sender_give_back(&hook->sender, token, WEIR_RETRY,
                         "its turn did not come in time: see rate, and the sink's batch_records, "
                         "concurrency and timeout");
    sender_cancel(self, token);
}

static void webhook_free(struct webhook *hook)
{
    if (hook->json)
        hook->json->free(hook->headers_json);
    weir_buf_free(&hook->key);
    free(hook->headers);
}

static void http_close(void *self)
{
    struct webhook *hook = self;
    webhook_free(hook);
    sender_close(self);
}

static int32_t http_open(const weir_host *host, weir_instance *instance, void **self)
{
    struct webhook *hook = calloc(1, sizeof *hook);
    if (!hook)
        return -ENOMEM;
    int rc = sender_open(&hook->sender, &requests, host, instance);
    if (rc == 0)
        rc = read_options(hook);
    if (rc == 0)
        rc = body_open(&hook->body, host, instance);
    if (rc < 0) {
        webhook_free(hook);
        free(hook);
        return rc;
    }
    hook->http = host->extension(instance, WEIR_EXT_HTTP);
    if (!hook->http || !hook->pace.timer)
        hook->sender.unable = "this host has no weir.http/1 or weir.timer/1";
    declare(hook);
    *self = hook;
    return 0;
}

static const weir_option options[] = {
    {"url", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL, "Where the requests go."},
    {"method", "\"POST\"", WEIR_O_ENUM, 0, "POST|PUT", "Method of the requests."},
    BODY_OPTIONS,
    {"batch", "1", WEIR_O_INT, 0, NULL,
     "Records in a request, 1 to 500: 1 sends the record itself, more a JSON list."},
    {"authorization", NULL, WEIR_O_STRING, WEIR_O_SECRET, NULL,
     "Value of the Authorization header, for instance Bearer and a token."},
    {"headers", NULL, WEIR_O_JSON, 0, NULL, "An object of further headers, none of them secret."},
    {"secret", NULL, WEIR_O_STRING, WEIR_O_SECRET, NULL,
     "Signs each request (Standard Webhooks, HMAC-SHA256): whsec_ and base64, or plain text."},
    {"rate", "0", WEIR_O_INT, 0, NULL, "Requests a second at most; 0 = no bound."},
    {"concurrency", "4", WEIR_O_INT, 0, NULL, "Requests in flight at once, 1 to 64."},
    {"request_timeout", "\"10s\"", WEIR_O_DURATION_MS, 0, NULL, "Of one request, whole."},
    {"max_request_bytes", "\"1MiB\"", WEIR_O_SIZE_BYTES, 0, NULL,
     "What the server takes in one request; a larger record fails before it is sent."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .name = "http",
    .version = "1.0.0",
    .summary = "Sends records to a web server of your own (webhook).",
    .options = options,
    .repeats = WEIR_R_KEYED,
    .open = http_open,
    .close = http_close,
    .deliver = sender_deliver,
    .cancel = http_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
