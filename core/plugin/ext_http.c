/* weir.http/1: requests of plugins to servers that are not AWS. */
#include "plugin/calls.h"
#include "plugin/ext.h"
#include "plugin/instance.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum {
    TIMEOUT_MS = 5000,
    HEADERS_MAX = 64,
    HEAD_BYTES_MAX = 64 << 10,
    ANSWER_BYTES_MAX = 1 << 20,
    RETRY_AFTER_MAX_S = 24 * 3600
};

struct request {
    struct plugin_call base;
    struct http_call http;
    weir_http_done done;
    void *arg;
    char *head; /* method, URL and headers, copied; each NUL-terminated */
    struct http_header *headers;
};

/* ---- what an answer means for a record ---- */

static int32_t status_outcome(int status)
{
    switch (status) {
    case 408:
    case 409:
    case 425:
        return WEIR_RETRY;
    case 401: /* the sink as a whole is not wanted there: its records are not to blame */
    case 403:
    case 404:
    case 405:
    case 407:
    case 410:
    case 429:
        return WEIR_DOWN;
    default:
        return status >= 200 && status < 300   ? WEIR_OK
               : status >= 400 && status < 500 ? WEIR_FAIL
                                               : WEIR_DOWN;
    }
}

static int32_t outcome_of(const struct http_call *http)
{
    switch (http->result) {
    case HTTP_DONE:
        return status_outcome(http->status);
    case HTTP_UNREACHABLE:
    case HTTP_INVALID:
        return WEIR_DOWN;
    default:
        return WEIR_RETRY;
    }
}

/* Retry-After in seconds; dates are not read (RFC 9110 allows both, servers that throttle send
 * seconds). */
static int64_t retry_after_ms(const struct http_call *http)
{
    weir_str text = http->result == HTTP_DONE ? http_answer_header(http, "Retry-After") : STR_NONE;
    int64_t seconds = 0;
    if (text.len == 0 || text.len > 9)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        seconds = seconds * 10 + (text.ptr[i] - '0');
    }
    return (seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S) * 1000;
}

static void report(struct plugin_call *base, bool dropped)
{
    struct request *request = (struct request *)base;
    const struct http_call *http = &request->http;
    char reason[200];
    if (dropped)
        snprintf(reason, sizeof reason, "aborted before it was sent");
    else if (http->result == HTTP_DONE)
        snprintf(reason, sizeof reason, "the server answered with status %d", http->status);
    else
        snprintf(reason, sizeof reason, "%s", http->reason);
    const weir_http_response response = {
        .struct_size = sizeof response,
        .outcome = dropped ? WEIR_RETRY : outcome_of(http),
        .status = !dropped && http->result == HTTP_DONE ? http->status : 0,
        .sent = !dropped && http->result != HTTP_UNREACHABLE && http->result != HTTP_INVALID,
        .retry_after_ms = dropped ? -1 : retry_after_ms(http),
        .body = !dropped && http->result == HTTP_DONE ? buf_str(&http->answer) : STR_NONE,
        .reason = str_of(reason),
    };
    request->done(request->arg, &response);
}

/* ---- the transport ---- */

static void on_done(struct http_call *http)
{
    struct request *request = http->arg;
    if (http->result == HTTP_AMBIGUOUS || http->result == HTTP_TIMEOUT)
        plugin_call_ambiguous(&request->base);
    plugin_call_ended(&request->base);
}

static int start(void *ctx, struct plugin_call *base)
{
    struct world *world = ctx;
    return world->transport.start(world->transport.ctx, &((struct request *)base)->http);
}

static void abort_open(void *ctx, struct plugin_call *base)
{
    struct world *world = ctx;
    world->transport.abort(world->transport.ctx, &((struct request *)base)->http);
}

static void clear(struct plugin_call *base)
{
    struct request *request = (struct request *)base;
    mem_free(request->head);
    mem_free(request->headers);
    buf_done(&request->http.answer);
    buf_done(&request->http.answer_headers);
}

static const struct plugin_calls_kind kind = {
    .call_bytes = sizeof(struct request),
    .start = start,
    .abort = abort_open,
    .report = report,
    .clear = clear,
};

/* ---- the request ---- */

/* No byte that would end a line or a header: what a plugin passes on may be hostile. */
static bool is_line(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || (unsigned char)text.ptr[i] > 0x7e)
            return false;
    return true;
}

static bool is_token(weir_str text) /* RFC 9110, 5.6.2 */
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter && !strchr("!#$%&'*+-.^_`|~", c))
            return false;
    }
    return text.len > 0;
}

static size_t head_bytes(const weir_http_request *asked)
{
    size_t bytes = strlen(asked->method) + strlen(asked->url) + 2;
    if (!is_token(str_of(asked->method)) || !is_line(str_of(asked->url)) ||
        asked->header_count > HEADERS_MAX)
        return 0;
    for (size_t i = 0; i < asked->header_count; i++) {
        const weir_http_header *header = &asked->headers[i];
        if (!is_token(header->name) || !is_line(header->value) ||
            header->value.len > HEAD_BYTES_MAX)
            return 0;
        bytes += header->name.len + header->value.len + 2;
    }
    return bytes <= HEAD_BYTES_MAX ? bytes : 0;
}

static weir_str keep(char **at, weir_str text)
{
    weir_str kept = {*at, text.len};
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    (*at)[text.len] = '\0';
    *at += text.len + 1;
    return kept;
}

static int fill(struct request *request, const weir_http_request *asked)
{
    size_t bytes = head_bytes(asked);
    if (bytes == 0)
        return -EINVAL;
    char *head = mem_realloc(request->head, bytes);
    request->head = head ? head : request->head;
    struct http_header *headers =
        mem_realloc(request->headers, (asked->header_count + 1) * sizeof *headers);
    request->headers = headers ? headers : request->headers;
    if (!head || !headers)
        return -ENOMEM;
    struct http_call *http = &request->http;
    buf_done(&http->answer);
    buf_done(&http->answer_headers);
    /* the status says what became of the records: small servers close instead of counting */
    *http = (struct http_call){.max_answer_bytes = ANSWER_BYTES_MAX, .until_closed = true};
    buf_init(&http->answer, ANSWER_BYTES_MAX + 64);
    buf_init(&http->answer_headers, HEAD_BYTES_MAX);
    http->method = keep(&head, str_of(asked->method)).ptr;
    http->url = keep(&head, str_of(asked->url)).ptr;
    for (size_t i = 0; i < asked->header_count; i++) {
        headers[i].name = keep(&head, asked->headers[i].name);
        headers[i].value = keep(&head, asked->headers[i].value);
    }
    http->headers = headers;
    http->header_count = asked->header_count;
    http->body = asked->body;
    http->timeout_ms = asked->timeout_ms > 0 ? asked->timeout_ms : TIMEOUT_MS;
    http->done = on_done;
    http->arg = request;
    return 0;
}

/* ---- the plugin's side ---- */

static int32_t ext_http_call(weir_instance *instance, const weir_http_request *asked,
                             weir_http_done done, void *arg, uint64_t *request_id)
{
    struct plugin_calls *calls = instance->http;
    if (!calls || plugin_calls_closing(calls))
        return -ENOTSUP;
    if (!asked || !done || !WEIR_HAS(asked, token) || !asked->method || !asked->url)
        return -EINVAL;
    struct request *request = (struct request *)plugin_calls_take(calls);
    if (!request)
        return -ENOMEM;
    int rc = fill(request, asked);
    if (rc < 0) {
        plugin_calls_give_back(calls, &request->base);
        return rc;
    }
    request->done = done;
    request->arg = arg;
    plugin_calls_bound(calls, asked->concurrency);
    uint64_t id = plugin_calls_ask(calls, &request->base, asked->token);
    if (request_id)
        *request_id = id;
    return 0;
}

static void ext_http_abort(weir_instance *instance, uint64_t request_id)
{
    if (instance->http)
        plugin_calls_abort(instance->http, request_id);
}

const weir_http ext_http_table = {
    .revision = 1,
    .struct_size = sizeof(weir_http),
    .call = ext_http_call,
    .abort = ext_http_abort,
};

struct plugin_calls *ext_http_new(struct world *world)
{
    return plugin_calls_new(&kind, &world->clock, world);
}
