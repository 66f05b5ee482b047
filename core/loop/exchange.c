#include "loop/internal.h"

#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

enum {
    ANSWER_PADDING = 64,    /* zero bytes behind an answer, for the SIMD scanner */
    ANSWER_BYTES = 1 << 20, /* when the call sets no limit */
    ANSWER_HEADER_BYTES = 64 * 1024,
    REQUEST_HEADER_BYTES = 256 * 1024,
    URL_BYTES = 64 * 1024
};

/* ---- what libcurl calls while a transfer runs ---- */

static size_t max_answer(const struct http_call *call)
{
    return call->max_answer_bytes ? call->max_answer_bytes : ANSWER_BYTES;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    struct buf *answer = &exchange->call->answer;
    size_t len = size * count;
    if (len > max_answer(exchange->call) - answer->len) {
        exchange->too_large = true;
        return 0; /* libcurl gives up */
    }
    if (buf_put(answer, bytes, len) < 0) {
        exchange->out_of_memory = true;
        return 0;
    }
    return len;
}

/* A declared length gets exactly the memory it needs: growing by doubling would take twice as much
 * for the largest events. */
static bool reserve_answer(struct exchange *exchange)
{
    struct buf *answer = &exchange->call->answer;
    if ((uint64_t)exchange->content_length > max_answer(exchange->call)) {
        exchange->too_large = true;
        return false;
    }
    size_t limit = answer->max_bytes;
    answer->max_bytes = (size_t)exchange->content_length + ANSWER_PADDING;
    exchange->out_of_memory = buf_reserve(answer, answer->max_bytes) < 0;
    answer->max_bytes = limit;
    return !exchange->out_of_memory;
}

static bool parse_length(weir_str value, int64_t *out)
{
    int64_t length = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9' || i == 18)
            return false;
        length = length * 10 + (value.ptr[i] - '0');
    }
    *out = length;
    return value.len > 0;
}

static weir_str header_value(weir_str line, const char *name)
{
    size_t len = strlen(name);
    if (line.len <= len || line.ptr[len] != ':' || strncasecmp(line.ptr, name, len) != 0)
        return STR_NONE;
    weir_str value = {line.ptr + len + 1, line.len - len - 1};
    while (value.len && (*value.ptr == ' ' || *value.ptr == '\t'))
        value = (weir_str){value.ptr + 1, value.len - 1};
    while (value.len && strchr("\r\n \t", value.ptr[value.len - 1]))
        value.len--;
    return value;
}

/* How the answer ends. Two different lengths are how answers are smuggled: libcurl takes the last.
 */
static void note_framing(struct exchange *exchange, weir_str line)
{
    weir_str length = header_value(line, "Content-Length");
    weir_str encoding = header_value(line, "Transfer-Encoding");
    int64_t bytes;
    if (length.ptr) {
        if (!parse_length(length, &bytes) ||
            (exchange->content_length >= 0 && exchange->content_length != bytes))
            exchange->bad_length = true;
        else
            exchange->content_length = bytes;
    }
    if (encoding.len == 7 && strncasecmp(encoding.ptr, "chunked", 7) == 0)
        exchange->chunked = true;
}

static void begin_answer(struct exchange *exchange)
{
    exchange->content_length = -1;
    exchange->headers_ended = exchange->chunked = exchange->bad_length = false;
    exchange->call->answer.len = 0;
    exchange->call->answer_headers.len = 0;
}

static bool end_headers(struct exchange *exchange)
{
    exchange->headers_ended = true;
    if (exchange->content_length >= 0 && !exchange->chunked)
        return reserve_answer(exchange);
    return true;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;
    weir_str line = {bytes, size * count};
    bool blank = line.len == 0 || line.ptr[0] == '\r' || line.ptr[0] == '\n';
    if (exchange->headers_ended && exchange->chunked && !str_starts(line, STR("HTTP/")))
        return line.len; /* a trailer */
    if (str_starts(line, STR("HTTP/"))) {
        begin_answer(exchange); /* also after a 100 */
    } else if (blank) {
        if (!end_headers(exchange))
            return 0;
    } else {
        note_framing(exchange, line);
        if (buf_put_str(&exchange->call->answer_headers, line) < 0) {
            exchange->too_large = true;
            return 0;
        }
    }
    return line.len;
}

static curl_socket_t on_open(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct exchange *exchange = ctx;
    (void)purpose;
    exchange->opened = true;
    return http_open_socket(exchange->http, exchange, address);
}

/* The connection stands; the request goes out when this returns. When a reused connection dies
 * after a POST went out, libcurl wants to send it again on another one, silently: then this is
 * called for a second time, and refuses. So it is ours to decide and to count. */
static int on_ready(void *ctx, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct exchange *exchange = ctx;
    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    if (exchange->sent && exchange->once)
        return CURL_PREREQFUNC_ABORT;
    /* What a new TLS connection has waiting are session tickets: only a reused one must be silent.
     */
    if (!exchange->opened && !http_connection_clean(exchange->http, local_port)) {
        exchange->stale = true;
        return CURL_PREREQFUNC_ABORT;
    }
    exchange->sent = true;
    if (exchange->opened)
        http_connected(exchange->http, exchange, local_port);
    return CURL_PREREQFUNC_OK;
}

/* ---- making and reusing ---- */

static void set_options(struct exchange *exchange)
{
    CURL *easy = exchange->easy;
    struct http *http = exchange->http;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->curl_error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* also none from the environment */
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 15L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN,
                     http->max_idle_ms < 1000 ? 1L : (long)(http->max_idle_ms / 1000));
#if LIBCURL_VERSION_NUM >= 0x075700
    /* A name look-up that hangs in its thread must hold up neither an abort nor the exit. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 86400L);
#endif
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, http_close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http);
}

static void report_post(struct post *post);

static struct exchange *exchange_new(struct http *http)
{
    struct exchange *exchange = mem_zalloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->easy = curl_easy_init();
    if (!exchange->easy) {
        mem_free(exchange);
        return NULL;
    }
    exchange->http = http;
    exchange->post.run = report_post;
    buf_init(&exchange->header_text, REQUEST_HEADER_BYTES);
    buf_init(&exchange->url, URL_BYTES);
    set_options(exchange);
    return exchange;
}

void exchange_free(struct exchange *exchange)
{
    curl_easy_cleanup(exchange->easy);
    buf_done(&exchange->header_text);
    buf_done(&exchange->url);
    mem_free(exchange->header_nodes);
    mem_free(exchange);
}

static void open_exchange(struct exchange *exchange, struct http_call *call)
{
    struct http *http = exchange->http;
    exchange->call = call;
    exchange->prev = NULL;
    exchange->next = http->open;
    if (http->open)
        http->open->prev = exchange;
    http->open = exchange;
    http->open_count++;
    exchange->ended = HTTP_DONE;
    call->impl = exchange;
    call->status = 0;
    call->reason[0] = '\0';
    buf_reset(&call->answer);
    call->answer.max_bytes = max_answer(call) + ANSWER_PADDING;
    buf_reset(&call->answer_headers);
    call->answer_headers.max_bytes = ANSWER_HEADER_BYTES;
}

static void close_exchange(struct exchange *exchange)
{
    struct http *http = exchange->http;
    if (exchange->prev)
        exchange->prev->next = exchange->next;
    else
        http->open = exchange->next;
    if (exchange->next)
        exchange->next->prev = exchange->prev;
    http->open_count--;
    exchange->call = NULL;
    exchange->next = http->spare;
    http->spare = exchange;
}

static int launch(struct exchange *exchange)
{
    exchange->opened = exchange->sent = exchange->stale = false;
    exchange->too_large = exchange->out_of_memory = false;
    exchange->curl_error[0] = '\0';
    begin_answer(exchange);
    return curl_multi_add_handle(exchange->http->multi, exchange->easy) == CURLM_OK ? 0 : -ENOMEM;
}

int exchange_start(struct http *http, struct http_call *call)
{
    if (http->loop->closing)
        return -ECANCELED;
    int rc = http_set_up(http);
    if (rc < 0)
        return rc;
    struct exchange *exchange = http->spare;
    if (exchange)
        http->spare = exchange->next;
    else
        exchange = exchange_new(http);
    if (!exchange)
        return -ENOMEM;
    open_exchange(exchange, call);
    rc = exchange_prepare(exchange);
    if (rc == -EINVAL) {
        exchange->ended = HTTP_INVALID;
        loop_post(http->loop, &exchange->post);
        return 0;
    }
    if (rc == 0)
        rc = launch(exchange);
    if (rc < 0)
        close_exchange(exchange);
    return rc;
}

/* ---- the end ---- */

static void report(struct exchange *exchange, enum http_result result)
{
    struct http_call *call = exchange->call;
    call->result = result;
    call->impl = NULL;
    close_exchange(exchange);
    call->done(call);
}

static void report_post(struct post *post)
{
    struct exchange *exchange = (struct exchange *)((char *)post - offsetof(struct exchange, post));
    report(exchange, exchange->ended);
}

void exchange_abort(struct exchange *exchange)
{
    bool posted = exchange->ended != HTTP_DONE;
    exchange->ended = HTTP_ABORTED;
    snprintf(exchange->call->reason, sizeof exchange->call->reason, "aborted");
    if (posted)
        return;
    if (exchange->opened && !exchange->sent)
        http_abandon(exchange->http, exchange);
    curl_multi_remove_handle(exchange->http->multi, exchange->easy);
    loop_post(exchange->http->loop, &exchange->post);
}

static void explain(struct http_call *call, const char *text)
{
    snprintf(call->reason, sizeof call->reason, "%.*s", (int)sizeof call->reason - 1, text);
}

/* libcurl calls an answer whole that was cut inside its headers, or that had no length and was cut
 * anywhere: only an answer that says where it ends, and ends there, counts, unless the caller takes
 * others. */
static enum http_result judge_answer(struct exchange *exchange)
{
    struct http_call *call = exchange->call;
    bool empty = call->status == 204 || call->status == 304;
    if (!exchange->headers_ended)
        explain(call, "the connection was closed inside the answer's headers");
    else if (exchange->bad_length)
        explain(call, "the answer names no clear length");
    else if (exchange->content_length < 0 && !exchange->chunked && !empty && !call->until_closed)
        explain(call, "the answer does not say where it ends");
    else if (buf_reserve(&call->answer, ANSWER_PADDING) < 0)
        explain(call, "out of memory");
    else {
        memset(call->answer.ptr + call->answer.len, 0, ANSWER_PADDING);
        return HTTP_DONE;
    }
    return HTTP_AMBIGUOUS;
}

static enum http_result judge_failure(struct exchange *exchange, CURLcode code)
{
    struct http_call *call = exchange->call;
    const char *text = curl_easy_strerror(code);
    explain(call, exchange->curl_error[0] ? exchange->curl_error : text);
    switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_NOT_BUILT_IN:
        return HTTP_INVALID;
    case CURLE_OPERATION_TIMEDOUT:
        return exchange->sent ? HTTP_TIMEOUT : HTTP_UNREACHABLE;
    case CURLE_ABORTED_BY_CALLBACK: /* on_ready */
        explain(call, "the connection was lost after the request was sent");
        return HTTP_AMBIGUOUS;
    default:
        return exchange->sent ? HTTP_AMBIGUOUS : HTTP_UNREACHABLE;
    }
}

static enum http_result judge(struct exchange *exchange, CURLcode code)
{
    struct http_call *call = exchange->call;
    long status = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
    call->status = (int)status;
    if (exchange->too_large) {
        explain(call, "the answer is larger than allowed");
        return HTTP_TOO_LARGE;
    }
    if (exchange->out_of_memory) {
        explain(call, "out of memory for the answer");
        return HTTP_AMBIGUOUS;
    }
    return code == CURLE_OK ? judge_answer(exchange) : judge_failure(exchange, code);
}

void exchange_finished(struct exchange *exchange, CURLcode code)
{
    if (exchange->opened && !exchange->sent)
        http_abandon(exchange->http, exchange);
    curl_multi_remove_handle(exchange->http->multi, exchange->easy);
    if (exchange->stale && !exchange->sent) {
        curl_easy_setopt(exchange->easy, CURLOPT_FRESH_CONNECT, 1L);
        if (launch(exchange) == 0)
            return;
        code = CURLE_OUT_OF_MEMORY;
    }
    report(exchange, judge(exchange, code));
}
