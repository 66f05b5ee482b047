/* The canonical request of Signature Version 4. */
#include "aws/sigv4.h"

#include "aws/internal.h"
#include "util/text.h"

#include <errno.h>
#include <strings.h>

static void put_encoded(struct buf *out, unsigned char c)
{
    buf_put_percent(out, (weir_str){(const char *)&c, 1});
}

/* ---- path ---- */

/* What is on the wire is encoded once more, a '%' too: so it is for every service but S3. */
static void put_segment(struct buf *out, const char *at, size_t len)
{
    buf_put_percent(out, (weir_str){at, len});
}

static void put_raw_path(struct buf *out, weir_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '/')
            buf_putc(out, '/');
        else
            put_segment(out, path.ptr + i, 1);
    }
}

static void drop_segment(struct buf *out, size_t start)
{
    while (out->len > start && out->ptr[out->len - 1] != '/')
        out->len--;
    if (out->len > start)
        out->len--;
}

/* Each segment is put with its leading slash; a directory at the end keeps its trailing one. */
static void put_normalized_path(struct buf *out, weir_str path)
{
    size_t start = out->len;
    bool trailing = true;
    for (size_t i = 0; i < path.len;) {
        const char *at = path.ptr + i;
        const char *slash = memchr(at, '/', path.len - i);
        size_t len = slash ? (size_t)(slash - at) : path.len - i;
        trailing = slash || len == 0;
        if (len == 2 && memcmp(at, "..", 2) == 0) {
            drop_segment(out, start);
            trailing = true;
        } else if (len == 1 && *at == '.') {
            trailing = true;
        } else if (len) {
            buf_putc(out, '/');
            put_segment(out, at, len);
        }
        i += len + 1;
    }
    if (trailing || out->len == start)
        buf_putc(out, '/');
}

/* ---- query ---- */

struct param {
    size_t name_at, name_len, value_at, value_len; /* in the scratch buffer, encoded */
};

/* Decoded and encoded again, so that every spelling of a character becomes the same one. */
static size_t put_param_text(struct buf *out, weir_str text)
{
    size_t start = out->len;
    while (text.len > 0)
        put_encoded(out, percent_next(&text));
    return out->len - start;
}

static bool param_before(const char *text, const struct param *a, const struct param *b)
{
    int order = str_cmp((weir_str){text + a->name_at, a->name_len},
                        (weir_str){text + b->name_at, b->name_len});
    if (order == 0)
        order = str_cmp((weir_str){text + a->value_at, a->value_len},
                        (weir_str){text + b->value_at, b->value_len});
    return order < 0;
}

static int read_params(struct buf *encoded, weir_str query, struct param *params, size_t *out)
{
    size_t count = 0;
    while (query.len) {
        const char *amp = memchr(query.ptr, '&', query.len);
        size_t len = amp ? (size_t)(amp - query.ptr) : query.len;
        const char *equals = memchr(query.ptr, '=', len);
        size_t name_len = equals ? (size_t)(equals - query.ptr) : len;
        weir_str value = {query.ptr + name_len + 1, equals ? len - name_len - 1 : 0};
        struct param param = {.name_at = encoded->len};
        if (len && count == SIGV4_PARAMS_MAX)
            return -E2BIG;
        param.name_len = put_param_text(encoded, (weir_str){query.ptr, name_len});
        param.value_at = encoded->len;
        param.value_len = put_param_text(encoded, value);
        if (len)
            params[count++] = param;
        size_t step = amp ? len + 1 : len;
        query = (weir_str){query.ptr + step, query.len - step};
    }
    *out = count;
    return encoded->failed ? -ENOMEM : 0;
}

static int put_query(struct buf *out, struct buf *encoded, weir_str query)
{
    struct param params[SIGV4_PARAMS_MAX];
    size_t count;
    if (query.len == 0)
        return 0;
    buf_reset(encoded);
    int rc = read_params(encoded, query, params, &count);
    if (rc < 0)
        return rc;
    for (size_t i = 1; i < count; i++) {
        struct param param = params[i];
        size_t at = i;
        for (; at > 0 && param_before(encoded->ptr, &param, &params[at - 1]); at--)
            params[at] = params[at - 1];
        params[at] = param;
    }
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_putc(out, '&');
        buf_put(out, encoded->ptr + params[i].name_at, params[i].name_len);
        buf_putc(out, '=');
        buf_put(out, encoded->ptr + params[i].value_at, params[i].value_len);
    }
    return 0;
}

/* ---- headers ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void put_lower(struct buf *out, weir_str name)
{
    for (size_t i = 0; i < name.len; i++)
        buf_putc(out,
                 name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] + 32) : name.ptr[i]);
}

static void put_folded(struct buf *out, weir_str value)
{
    bool space = false, begun = false;
    for (size_t i = 0; i < value.len; i++) {
        if (is_space(value.ptr[i])) {
            space = begun;
            continue;
        }
        if (space)
            buf_putc(out, ' ');
        buf_putc(out, value.ptr[i]);
        space = false;
        begun = true;
    }
}

static int compare_names(weir_str a, weir_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = strncasecmp(a.ptr, b.ptr, len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Equal names keep the order in which they are sent: their values are joined in it. */
static int sort_headers(const struct sigv4_request *request, const struct http_header **sorted)
{
    if (request->header_count > SIGV4_HEADERS_MAX)
        return -E2BIG;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        size_t at = i;
        for (; at > 0 && compare_names(header->name, sorted[at - 1]->name) < 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = header;
    }
    return 0;
}

static bool same_name_as_last(const struct http_header **sorted, size_t i)
{
    return i > 0 && compare_names(sorted[i]->name, sorted[i - 1]->name) == 0;
}

static void put_headers(struct buf *out, const struct http_header **sorted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (same_name_as_last(sorted, i)) {
            buf_putc(out, ',');
        } else {
            if (i)
                buf_putc(out, '\n');
            put_lower(out, sorted[i]->name);
            buf_putc(out, ':');
        }
        put_folded(out, sorted[i]->value);
    }
    buf_putc(out, '\n');
}

static void put_names(struct buf *out, const struct http_header **sorted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (same_name_as_last(sorted, i))
            continue;
        if (i)
            buf_putc(out, ';');
        put_lower(out, sorted[i]->name);
    }
}

int canonical_request(struct buf *out, struct buf *scratch, const struct sigv4_request *request,
                      const char *body_hash, weir_str *signed_headers)
{
    const struct http_header *sorted[SIGV4_HEADERS_MAX];
    int rc = sort_headers(request, sorted);
    if (rc < 0)
        return rc;
    buf_reset(out);
    buf_put_str(out, request->method);
    buf_putc(out, '\n');
    if (request->normalize)
        put_normalized_path(out, request->path);
    else if (request->path.len)
        put_raw_path(out, request->path);
    else
        buf_putc(out, '/');
    buf_putc(out, '\n');
    rc = put_query(out, scratch, request->query);
    if (rc < 0)
        return rc;
    buf_putc(out, '\n');
    put_headers(out, sorted, request->header_count);
    buf_putc(out, '\n');
    size_t names_at = out->len;
    put_names(out, sorted, request->header_count);
    size_t names_len = out->len - names_at;
    buf_putc(out, '\n');
    buf_puts(out, body_hash);
    if (out->failed)
        return -ENOMEM;
    *signed_headers = (weir_str){out->ptr + names_at, names_len};
    return 0;
}
