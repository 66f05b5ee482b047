/* Small helpers for plugins in C and C++: literals, formatted logging, a growing buffer with a JSON
 * string writer. Header only; uses the C library alone. */
#ifndef WEIR_UTIL_H
#define WEIR_UTIL_H
#include <weir/plugin.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __cplusplus
extern "C" {
#endif

static inline weir_str weir_view(const char *ptr, size_t len)
{
    weir_str view;
    view.ptr = ptr;
    view.len = len;
    return view;
}

/* A string literal, an optional NUL-terminated string, and nothing. */
#define WEIR_STR(literal) weir_view("" literal, sizeof(literal) - 1)
#define WEIR_NONE         weir_view("", 0)
static inline weir_str weir_cstr(const char *text)
{
    return weir_view(text ? text : "", text ? strlen(text) : 0);
}

/* For printf's %.*s: at most 4096 bytes, and never a NULL pointer. */
#define WEIR_ARG(view) (int)((view).len < 4096 ? (view).len : 4096), ((view).ptr ? (view).ptr : "")

static inline int weir_equal(weir_str a, weir_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The value of a header in lines "Name: value", in any case of letters, without blanks around it; len
 * 0: there is none. */
static inline weir_str weir_header(weir_str lines, const char *name)
{
    size_t name_len = strlen(name);
    while (lines.len > 0) {
        const char *end = (const char *)memchr(lines.ptr, '\n', lines.len);
        size_t len = end ? (size_t)(end - lines.ptr) : lines.len, i = 0;
        while (i < name_len && i < len && (lines.ptr[i] | 32) == (name[i] | 32))
            i++;
        if (i == name_len && i < len && lines.ptr[i] == ':') {
            for (i++; i < len && (lines.ptr[i] == ' ' || lines.ptr[i] == '\t');)
                i++;
            while (len > i && (unsigned char)lines.ptr[len - 1] <= ' ')
                len--;
            return weir_view(lines.ptr + i, len - i);
        }
        len += end != NULL;
        lines = weir_view(lines.ptr + len, lines.len - len);
    }
    return WEIR_NONE;
}

/* Logs one line of at most 1023 bytes. [any] */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static inline void
weir_logf(const weir_host *host, weir_instance *instance, int32_t level, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (len < 0)
        return;
    host->log(instance, level,
              weir_view(line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1));
}

/* A buffer that grows; zeroed it is empty. When memory runs out `failed` is set, stays set, and the
 * content is not to be used. */
typedef struct weir_buf {
    char *ptr;
    size_t len, cap;
    int failed;
} weir_buf;

static inline void weir_buf_free(weir_buf *buf)
{
    free(buf->ptr);
    memset(buf, 0, sizeof *buf);
}

static inline void weir_buf_clear(weir_buf *buf) /* keeps the memory */
{
    buf->len = 0;
    buf->failed = 0;
}

static inline weir_str weir_buf_view(const weir_buf *buf)
{
    return weir_view(buf->ptr, buf->len);
}

/* Makes room for `more` bytes behind len. 1, or 0 when there is none. */
static inline int weir_buf_room(weir_buf *buf, size_t more)
{
    if (buf->failed || more > (size_t)-1 / 2 - buf->len) {
        buf->failed = 1;
        return 0;
    }
    if (buf->cap - buf->len >= more)
        return 1;
    size_t cap = buf->cap ? buf->cap : 256;
    while (cap - buf->len < more)
        cap *= 2;
    char *grown = (char *)realloc(buf->ptr, cap);
    if (!grown) {
        buf->failed = 1;
        return 0;
    }
    buf->ptr = grown;
    buf->cap = cap;
    return 1;
}

static inline void weir_buf_put(weir_buf *buf, weir_str text)
{
    if (text.len == 0 || !weir_buf_room(buf, text.len))
        return;
    memcpy(buf->ptr + buf->len, text.ptr, text.len);
    buf->len += text.len;
}

static inline void weir_buf_puts(weir_buf *buf, const char *text)
{
    weir_buf_put(buf, weir_cstr(text));
}

/* Decodes one character of UTF-8 at text.ptr and says how many bytes it took; U+FFFD and 1 where
 * the bytes are no valid character. */
static inline uint32_t weir_utf8_next(weir_str text, size_t *out_bytes)
{
    const unsigned char *s = (const unsigned char *)text.ptr;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t bytes = s[0] < 0x80   ? 1
                   : s[0] < 0xc2 ? 0
                   : s[0] < 0xe0 ? 2
                   : s[0] < 0xf0 ? 3
                   : s[0] < 0xf5 ? 4
                                 : 0;
    uint32_t point = s[0];
    *out_bytes = 1;
    if (bytes == 1)
        return point;
    if (bytes == 0 || bytes > text.len)
        return 0xfffd;
    point &= 0xffu >> (bytes + 1);
    for (size_t i = 1; i < bytes; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0xfffd;
        point = point << 6 | (s[i] & 0x3fu);
    }
    if (point < least[bytes] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return 0xfffd;
    *out_bytes = bytes;
    return point;
}

static inline void weir_buf_put_unit(weir_buf *buf, uint32_t unit) /* \uXXXX */
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\',
                    'u',
                    digits[unit >> 12 & 15],
                    digits[unit >> 8 & 15],
                    digits[unit >> 4 & 15],
                    digits[unit & 15]};
    weir_buf_put(buf, weir_view(text, sizeof text));
}

/* Appends UTF-8 text as a JSON string with its quotes, in printable ASCII only: everything else is
 * \uXXXX (pairs above U+FFFF; U+FFFD for invalid bytes), so that hostile text stays one line, moves
 * no cursor and passes where only some characters are allowed. */
static inline void weir_buf_json_string(weir_buf *buf, weir_str text)
{
    weir_buf_put(buf, weir_view("\"", 1));
    while (text.len > 0 && !buf->failed) {
        size_t bytes, plain = 0;
        while (plain < text.len && text.ptr[plain] >= ' ' && text.ptr[plain] <= '~' &&
               text.ptr[plain] != '"' && text.ptr[plain] != '\\')
            plain++;
        weir_buf_put(buf, weir_view(text.ptr, plain));
        text = weir_view(text.ptr + plain, text.len - plain);
        if (text.len == 0)
            break;
        uint32_t point = weir_utf8_next(text, &bytes);
        text = weir_view(text.ptr + bytes, text.len - bytes);
        if (point == '"' || point == '\\') {
            weir_buf_put(buf, point == '"' ? WEIR_STR("\\\"") : WEIR_STR("\\\\"));
        } else if (point > 0xffff) {
            weir_buf_put_unit(buf, 0xd800 + ((point - 0x10000) >> 10));
            weir_buf_put_unit(buf, 0xdc00 + ((point - 0x10000) & 0x3ff));
        } else {
            weir_buf_put_unit(buf, point);
        }
    }
    weir_buf_put(buf, weir_view("\"", 1));
}

#ifdef __cplusplus
}
#endif
#endif
