#include "util/text.h"

#include <errno.h>

static uint32_t hex4(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c = (unsigned char)at[i];
        value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* One escape behind its backslash; the bytes it took. A surrogate that stands alone can't come from
 * validated text; it becomes U+FFFD so that the result is UTF-8 whatever came. */
static size_t unescape_one(const char *at, size_t len, char *out, size_t *written)
{
    static const char letters[] = "bfnrt\"\\/", meaning[] = "\b\f\n\r\t\"\\/";
    const char *known = len > 0 && *at ? strchr(letters, *at) : NULL;
    *written = 1;
    if (known) {
        *out = meaning[known - letters];
        return 1;
    }
    if (len < 5 || *at != 'u') {
        *out = '\\';
        return 0;
    }
    uint32_t code = hex4(at + 1);
    size_t used = 5;
    if (code >= 0xd800 && code <= 0xdfff) {
        bool pair = code < 0xdc00 && len >= 11 && at[5] == '\\' && at[6] == 'u';
        uint32_t low = pair ? hex4(at + 7) : 0;
        pair = low >= 0xdc00 && low <= 0xdfff;
        code = pair ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
        used = pair ? 11 : 5;
    }
    *written = utf8_encode(code & 0x1fffff, out);
    return used;
}

size_t json_unescape(weir_str raw, char *out)
{
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    char *to = out;
    while (at < end) {
        const char *stop = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((stop ? stop : end) - at);
        size_t written;
        memmove(to, at, plain);
        to += plain;
        at += plain;
        if (!stop)
            break;
        at++;
        at += unescape_one(at, (size_t)(end - at), to, &written);
        to += written;
    }
    return (size_t)(to - out);
}

static int put_unit(struct buf *buf, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {
        '\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
    return buf_put(buf, text, sizeof text);
}

static int put_code(struct buf *buf, uint32_t code)
{
    if (code < 0x10000)
        return put_unit(buf, code);
    put_unit(buf, 0xd800 + ((code - 0x10000) >> 10));
    return put_unit(buf, 0xdc00 + ((code - 0x10000) & 0x3ff));
}

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* The first character of [at, end) that is not plain, escaped; the bytes it took. */
static size_t put_escaped(struct buf *buf, const char *at, const char *end)
{
    static const char known[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    uint32_t code = 0xfffd;
    const char *hit = *at ? strchr(known, *at) : NULL;
    if (hit) {
        buf_putc(buf, '\\');
        buf_putc(buf, letters[hit - known]);
        return 1;
    }
    size_t used = utf8_decode(at, (size_t)(end - at), &code);
    put_code(buf, code);
    return used > 0 ? used : 1;
}

int buf_put_json_string(struct buf *buf, weir_str text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    int rc = buf_putc(buf, '"');
    while (at < end && rc == 0) {
        const char *run = at;
        while (at < end && is_plain(*at))
            at++;
        rc = buf_put(buf, run, (size_t)(at - run));
        if (at < end)
            at += put_escaped(buf, at, end);
    }
    return rc == 0 ? buf_putc(buf, '"') : rc;
}

/* Printable ASCII, also where char has no sign (arm64). */
static bool is_escaped(char c)
{
    return c > ' ' && c <= '~';
}

/* A string of valid JSON from behind its opening quote: its escapes stay as they are. */
static const char *put_string_ascii(struct buf *buf, const char *at, const char *end)
{
    buf_putc(buf, '"');
    while (at < end && *at != '"' && !buf->failed) {
        const char *run = at;
        while (at < end && (is_plain(*at) || (*at == '\\' && end - at > 1 && is_escaped(at[1]))))
            at += *at == '\\' ? 2 : 1;
        buf_put(buf, run, (size_t)(at - run));
        if (at < end && *at != '"')
            at += put_escaped(buf, at, end);
    }
    buf_putc(buf, '"');
    return at < end ? at + 1 : end;
}

int buf_put_json_ascii(struct buf *buf, weir_str json)
{
    const char *at = json.ptr, *end = json.ptr + json.len;
    while (at < end && !buf->failed) {
        if (*at == '"') {
            at = put_string_ascii(buf, at + 1, end);
            continue;
        }
        const char *run = at;
        while (at<end && * at> ' ' && *at <= '~' && *at != '"')
            at++;
        buf_put(buf, run, (size_t)(at - run));
        /* White space; nothing else outside of strings can be below ' ' or above '~'. */
        while (at < end && (*at <= ' ' || *at > '~'))
            at++;
    }
    return buf_reserve(buf, 0);
}

int buf_put_visible(struct buf *buf, weir_str text, size_t max_bytes)
{
    static const char hex[] = "0123456789abcdef";
    size_t shown = text.len < max_bytes ? text.len : max_bytes;
    for (size_t i = 0; i < shown && !buf->failed; i++) {
        char c = text.ptr[i];
        if (c >= ' ' && c <= '~' && c != '\\') {
            buf_putc(buf, c);
            continue;
        }
        buf_putc(buf, '\\');
        if (c == '\\' || c == '\n' || c == '\t') {
            buf_putc(buf, c == '\n' ? 'n' : c == '\t' ? 't' : '\\');
            continue;
        }
        buf_putc(buf, 'x');
        buf_putc(buf, hex[(unsigned char)c >> 4]);
        buf_putc(buf, hex[c & 15]);
    }
    return shown < text.len ? buf_puts(buf, "...") : buf_reserve(buf, 0);
}

int buf_put_percent(struct buf *buf, weir_str text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        const char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
        bool keeps = memchr(plain, c, sizeof plain - 1) != NULL;
        buf_put(buf, keeps ? &text.ptr[i] : escaped, keeps ? 1 : 3);
    }
    return buf->failed ? -ENOMEM : 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

unsigned char percent_next(weir_str *left)
{
    const char *at = left->ptr;
    int high = *at == '%' && left->len > 2 ? hex_value(at[1]) : -1;
    int low = high >= 0 ? hex_value(at[2]) : -1;
    size_t used = low >= 0 ? 3 : 1;
    *left = (weir_str){at + used, left->len - used};
    return (unsigned char)(low >= 0 ? high * 16 + low : *at);
}
