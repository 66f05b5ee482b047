#include "util/buf.h"
#include "util/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max_bytes = max_bytes};
}

void buf_done(struct buf *buf)
{
    mem_free(buf->ptr);
    buf_init(buf, buf->max_bytes);
}

char *buf_take(struct buf *buf)
{
    char *bytes = buf->ptr;
    buf_init(buf, buf->max_bytes);
    return bytes;
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->failed = buf->full = false;
}

static int fail(struct buf *buf, int code)
{
    buf->failed = true;
    buf->full = code == -EMSGSIZE;
    return code;
}

int buf_error(const struct buf *buf)
{
    return !buf->failed ? 0 : buf->full ? -EMSGSIZE : -ENOMEM;
}

int buf_reserve(struct buf *buf, size_t more_bytes)
{
    if (buf->failed)
        return -ENOMEM;
    if (buf->len > buf->max_bytes || more_bytes > buf->max_bytes - buf->len)
        return fail(buf, -EMSGSIZE);
    size_t want = buf->len + more_bytes;
    if (want <= buf->cap)
        return 0;
    size_t cap = buf->cap < 256 ? 256 : buf->cap;
    while (cap < want)
        cap = cap > SIZE_MAX / 2 ? want : cap * 2;
    if (cap > buf->max_bytes)
        cap = want > buf->max_bytes ? want : buf->max_bytes;
    char *grown = mem_realloc(buf->ptr, cap);
    if (!grown)
        return fail(buf, -ENOMEM);
    buf->ptr = grown;
    buf->cap = cap;
    return 0;
}

int buf_put(struct buf *buf, const void *bytes, size_t len)
{
    int rc = buf_reserve(buf, len);
    if (rc < 0)
        return rc;
    if (len)
        memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    return 0;
}

int buf_putc(struct buf *buf, char c)
{
    return buf_put(buf, &c, 1);
}

int buf_puts(struct buf *buf, const char *text)
{
    return buf_put(buf, text, strlen(text));
}

int buf_put_str(struct buf *buf, weir_str text)
{
    return buf_put(buf, text.ptr, text.len);
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    int rc = len < 0 ? fail(buf, -EINVAL) : buf_reserve(buf, (size_t)len + 1);
    if (rc == 0) {
        vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return rc;
}

int buf_put_i64(struct buf *buf, int64_t value)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRId64, value);
    return buf_put(buf, digits, (size_t)len);
}

const char *buf_cstr(struct buf *buf)
{
    if (buf_reserve(buf, 1) < 0)
        return "";
    buf->ptr[buf->len] = '\0';
    return buf->ptr;
}
