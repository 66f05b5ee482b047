#include "loop/internal.h"

#include "util/alloc.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>

/* ---- what may be sent ---- */

/* A line end inside a header would be sent as a second header. */
static bool no_control(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 127)
            return false;
    return true;
}

static bool is_token(weir_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] <= ' ' || (unsigned char)name.ptr[i] >= 127 ||
            strchr("()<>@,;:\\\"/[]?={}", name.ptr[i]))
            return false;
    return name.len > 0;
}

static bool is_url(const char *url)
{
    if (strncasecmp(url, "https://", 8) != 0 && strncasecmp(url, "http://", 7) != 0)
        return false;
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c >= 127)
            return false;
    return true;
}

static int refuse(struct http_call *call, const char *why)
{
    snprintf(call->reason, sizeof call->reason, "%s", why);
    return -EINVAL;
}

static int check(struct http_call *call)
{
    if (!is_url(call->url))
        return refuse(call, "not a URL with http or https");
    for (size_t i = 0; i < call->header_count; i++) {
        const struct http_header *header = &call->headers[i];
        if (!is_token(header->name))
            return refuse(call, "a header's name holds a forbidden character");
        if (!no_control(header->value))
            return refuse(call, "a header's value holds a control character");
    }
    return 0;
}

/* ---- headers ---- */

static bool has_header(const struct http_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (call->headers[i].name.len == strlen(name) &&
            strncasecmp(call->headers[i].name.ptr, name, strlen(name)) == 0)
            return true;
    return false;
}

static int put_header(struct buf *text, const struct http_header *header)
{
    buf_put_str(text, header->name);
    /* "Name:" would remove the header, "Name;" sends it empty. */
    if (header->value.len == 0) {
        buf_putc(text, ';');
    } else {
        buf_puts(text, ": ");
        buf_put_str(text, header->value);
    }
    return buf_putc(text, '\0');
}

/* Headers that libcurl would send by itself: an Expect costs a round trip, the others say nothing.
 */
static const char *const suppressed[] = {"Expect", "Accept", "Content-Type"};
enum { SUPPRESSED = sizeof suppressed / sizeof *suppressed };

static int reserve_nodes(struct exchange *exchange, size_t count)
{
    if (count <= exchange->header_capacity)
        return 0;
    struct curl_slist *nodes = mem_realloc(exchange->header_nodes, count * sizeof *nodes);
    if (!nodes)
        return -ENOMEM;
    exchange->header_nodes = nodes;
    exchange->header_capacity = count;
    return 0;
}

/* libcurl only reads the list, so it is built in memory that the exchange keeps. */
static int set_headers(struct exchange *exchange)
{
    const struct http_call *call = exchange->call;
    struct buf *text = &exchange->header_text;
    size_t count = 0;
    buf_reset(text);
    if (reserve_nodes(exchange, call->header_count + SUPPRESSED) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < call->header_count; i++, count++)
        put_header(text, &call->headers[i]);
    for (int i = 0; i < SUPPRESSED; i++) {
        if (has_header(call, suppressed[i]))
            continue;
        buf_puts(text, suppressed[i]);
        buf_put(text, ":", 2); /* with its NUL */
        count++;
    }
    if (text->failed)
        return -ENOMEM;
    char *at = text->ptr;
    for (size_t i = 0; i < count; i++) {
        exchange->header_nodes[i] =
            (struct curl_slist){at, i + 1 < count ? &exchange->header_nodes[i + 1] : NULL};
        at += strlen(at) + 1;
    }
    curl_easy_setopt(exchange->easy, CURLOPT_HTTPHEADER, count ? exchange->header_nodes : NULL);
    return 0;
}

/* ---- the rest ---- */

/* Setting a URL makes libcurl copy and free; most calls of a handle go where its last one went. */
static int set_url(struct exchange *exchange)
{
    struct buf *url = &exchange->url;
    const char *wanted = exchange->call->url;
    if (url->len && strcmp(url->ptr, wanted) == 0)
        return 0;
    buf_reset(url);
    buf_put(url, wanted, strlen(wanted) + 1);
    if (!url->failed && curl_easy_setopt(exchange->easy, CURLOPT_URL, wanted) == CURLE_OK)
        return 0;
    buf_reset(url);
    return -ENOMEM;
}

static void set_method(struct exchange *exchange)
{
    const struct http_call *call = exchange->call;
    CURL *easy = exchange->easy;
    bool get = strcmp(call->method, "GET") == 0 && call->body.len == 0;
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
    if (get) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
        /* Not by a read callback: so the head and a body of up to 64 KB are one write, one packet.
         */
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.len ? call->body.ptr : "");
        if (strcmp(call->method, "POST") != 0)
            curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    }
    exchange->once = !get;
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, call->fresh_connection ? 1L : 0L);
}

static long as_long(int64_t value)
{
    return value > LONG_MAX ? LONG_MAX : (long)value;
}

static void set_limits(struct exchange *exchange)
{
    const struct http_call *call = exchange->call;
    bool limited = call->timeout_ms > 0;
    int64_t connect_ms = call->connect_timeout_ms > 0 ? call->connect_timeout_ms : 3000;
    if (!limited) /* the Runtime API's next: libcurl's timer would be overdue after a freeze */
        connect_ms = 0;
    curl_easy_setopt(exchange->easy, CURLOPT_CONNECTTIMEOUT_MS, as_long(connect_ms));
    curl_easy_setopt(exchange->easy, CURLOPT_TIMEOUT_MS, limited ? as_long(call->timeout_ms) : 0L);
    /* The total limit ends most stalls; this one ends those of calls that may take minutes. */
    curl_easy_setopt(exchange->easy, CURLOPT_LOW_SPEED_LIMIT, limited ? 100L : 0L);
    curl_easy_setopt(exchange->easy, CURLOPT_LOW_SPEED_TIME, limited ? 60L : 0L);
}

static int set_ca(struct exchange *exchange)
{
    struct http *http = exchange->http;
    struct http_call *call = exchange->call;
    if (strncasecmp(call->url, "https:", 6) != 0)
        return 0;
    int rc = ca_bundle_find(http, call->reason, sizeof call->reason);
    if (rc == 0)
        curl_easy_setopt(exchange->easy, CURLOPT_CAINFO, http->ca_bundle);
    return rc;
}

int exchange_prepare(struct exchange *exchange)
{
    int rc = check(exchange->call);
    if (rc == 0)
        rc = set_ca(exchange);
    if (rc == 0)
        rc = set_url(exchange);
    if (rc == 0)
        rc = set_headers(exchange);
    if (rc == 0) {
        set_method(exchange);
        set_limits(exchange);
    }
    return rc;
}
