/* Syntax: RFC 9112, without what a client of an admin server has no need of: no folded lines, no
 * bare LF, no transfer codings, no absolute form. */
#include "admin/request.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

enum {
    BAD_REQUEST = -400,
    NOT_ALLOWED = -405,
    TOO_LARGE = -413,
    HEAD_TOO_LARGE = -431,
    NOT_IMPLEMENTED = -501,
    BAD_VERSION = -505,
    LENGTH_DIGITS_MAX = 9
};

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* The line at *at without its end; moves behind it. False: there is none. */
static bool next_line(weir_str text, size_t *at, weir_str *out)
{
    for (size_t i = *at; i + 1 < text.len; i++)
        if (text.ptr[i] == '\r' && text.ptr[i + 1] == '\n') {
            *out = (weir_str){text.ptr + *at, i - *at};
            *at = i + 2;
            return true;
        }
    return false;
}

/* ---- the first line ---- */

static bool read_method(weir_str name, enum admin_method *out)
{
    static const char *const names[] = {
        [ADMIN_GET] = "GET", [ADMIN_HEAD] = "HEAD", [ADMIN_POST] = "POST"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_is(name, names[i])) {
            *out = (enum admin_method)i;
            return true;
        }
    return false;
}

static bool read_target(weir_str target, struct admin_request *out)
{
    const char *mark = target.len ? memchr(target.ptr, '?', target.len) : NULL;
    size_t path_len = mark ? (size_t)(mark - target.ptr) : target.len;
    if (target.len == 0 || target.ptr[0] != '/')
        return false;
    for (size_t i = 0; i < target.len; i++)
        if (target.ptr[i] <= ' ' || target.ptr[i] > '~' || target.ptr[i] == '#')
            return false;
    out->path = (weir_str){target.ptr, path_len};
    if (mark)
        out->query = (weir_str){mark + 1, target.len - path_len - 1};
    return true;
}

static int read_first(weir_str line, struct admin_request *out)
{
    const char *first = line.len ? memchr(line.ptr, ' ', line.len) : NULL;
    size_t rest = first ? line.len - (size_t)(first - line.ptr) - 1 : 0;
    const char *second = rest ? memchr(first + 1, ' ', rest) : NULL;
    if (!second)
        return BAD_REQUEST;
    weir_str method = {line.ptr, (size_t)(first - line.ptr)};
    weir_str target = {first + 1, (size_t)(second - first) - 1};
    weir_str version = {second + 1, rest - target.len - 1};
    if (method.len == 0 || version.len != 8 || !str_starts(version, STR("HTTP/")))
        return BAD_REQUEST;
    for (size_t i = 0; i < method.len; i++)
        if (!is_token(method.ptr[i]))
            return BAD_REQUEST;
    if (!str_is(version, "HTTP/1.1") && !str_is(version, "HTTP/1.0"))
        return BAD_VERSION;
    if (!read_target(target, out))
        return BAD_REQUEST;
    return read_method(method, &out->method) ? 0 : NOT_ALLOWED;
}

/* ---- the others ---- */

static bool is_named(weir_str name, const char *wanted)
{
    return name.len == strlen(wanted) && strncasecmp(name.ptr, wanted, name.len) == 0;
}

static int read_length(weir_str value, size_t *out)
{
    size_t length = 0;
    if (value.len == 0 || value.len > LENGTH_DIGITS_MAX)
        return value.len ? TOO_LARGE : BAD_REQUEST;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return BAD_REQUEST;
        length = length * 10 + (size_t)(value.ptr[i] - '0');
    }
    *out = length;
    return length > ADMIN_REQUEST_BYTES ? TOO_LARGE : 0;
}

struct seen {
    bool host, length;
};

static int read_known(weir_str name, weir_str value, struct seen *seen, struct admin_request *out)
{
    if (is_named(name, "host")) {
        if (seen->host)
            return BAD_REQUEST;
        seen->host = out->has_host = true;
        out->host = value;
    } else if (is_named(name, "content-length")) {
        if (seen->length)
            return BAD_REQUEST;
        seen->length = true;
        return read_length(value, &out->body_bytes);
    } else if (is_named(name, "transfer-encoding")) {
        return NOT_IMPLEMENTED;
    } else if (is_named(name, "origin")) {
        out->origin = value;
    } else if (is_named(name, "sec-fetch-site")) {
        out->site = value;
    } else if (is_named(name, "authorization")) {
        out->authorization = value;
    }
    return 0;
}

static int read_header(weir_str line, struct seen *seen, struct admin_request *out)
{
    size_t name = 0;
    while (name < line.len && is_token(line.ptr[name]))
        name++;
    if (name == 0 || name == line.len || line.ptr[name] != ':')
        return BAD_REQUEST;
    weir_str value = str_trim((weir_str){line.ptr + name + 1, line.len - name - 1});
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < ' ' ? value.ptr[i] != '\t' : value.ptr[i] == 127)
            return BAD_REQUEST;
    return read_known((weir_str){line.ptr, name}, value, seen, out);
}

int admin_request_parse(const char *bytes, size_t len, struct admin_request *out)
{
    weir_str text = {bytes, len}, line;
    struct admin_request request = {0};
    struct seen seen = {0};
    size_t at = 0;
    int rc;
    if (!next_line(text, &at, &line))
        return len >= ADMIN_REQUEST_BYTES ? HEAD_TOO_LARGE : 0;
    rc = read_first(line, &request);
    for (size_t count = 0; rc == 0; count++) {
        if (!next_line(text, &at, &line))
            return len >= ADMIN_REQUEST_BYTES ? HEAD_TOO_LARGE : 0;
        if (line.len == 0)
            break;
        rc = count == ADMIN_HEADERS_MAX ? HEAD_TOO_LARGE : read_header(line, &seen, &request);
    }
    if (rc == 0 && at + request.body_bytes > ADMIN_REQUEST_BYTES)
        rc = TOO_LARGE;
    if (rc < 0)
        return rc;
    *out = request;
    return (int)at;
}

weir_str admin_query(const struct admin_request *request, const char *name)
{
    weir_str rest = request->query;
    size_t name_len = strlen(name);
    while (rest.len) {
        const char *end = memchr(rest.ptr, '&', rest.len);
        weir_str one = {rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len};
        if (one.len > name_len && one.ptr[name_len] == '=' && memcmp(one.ptr, name, name_len) == 0)
            return (weir_str){one.ptr + name_len + 1, one.len - name_len - 1};
        rest = end ? (weir_str){end + 1, rest.len - one.len - 1} : STR_NONE;
    }
    return STR_NONE;
}

/* ---- who asks ---- */

/* Without the port, and the brackets of an IPv6 address. */
static weir_str host_of(weir_str host)
{
    if (host.len && host.ptr[0] == '[') {
        const char *end = memchr(host.ptr, ']', host.len);
        return end ? (weir_str){host.ptr + 1, (size_t)(end - host.ptr) - 1} : STR_NONE;
    }
    const char *colon = host.len ? memchr(host.ptr, ':', host.len) : NULL;
    return colon ? (weir_str){host.ptr, (size_t)(colon - host.ptr)} : host;
}

bool admin_host_ok(const struct admin_request *request, bool loopback)
{
    static const unsigned char one[16] = {[15] = 1};
    weir_str host = host_of(request->host);
    unsigned char address[16];
    char text[64];
    if (is_named(host, "localhost"))
        return true;
    if (host.len == 0 || host.len >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)host.len, host.ptr);
    if (inet_pton(AF_INET, text, address) == 1)
        return !loopback || address[0] == 127;
    return inet_pton(AF_INET6, text, address) == 1 &&
           (!loopback || memcmp(address, one, sizeof one) == 0);
}

bool admin_origin_ok(const struct admin_request *request)
{
    static const weir_str scheme = {"http://", 7};
    weir_str origin = request->origin;
    if (request->site.len && !str_is(request->site, "same-origin") &&
        !str_is(request->site, "none"))
        return false;
    if (origin.len == 0)
        return true;
    return str_starts(origin, scheme) &&
           str_eq((weir_str){origin.ptr + scheme.len, origin.len - scheme.len}, request->host);
}
