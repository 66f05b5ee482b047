/* A growable byte buffer with a ceiling. */
#ifndef WEIR_UTIL_BUF_H
#define WEIR_UTIL_BUF_H
#include "util/str.h"
#include <stdint.h>

struct buf {
    char *ptr;
    size_t len, cap, max_bytes;
    bool failed; /* an append did not fit or memory ran out: content is incomplete. Sticky until
                    reset */
    bool full;   /* failed, because of max_bytes */
};

void buf_init(struct buf *buf, size_t max_bytes); /* no allocation yet */
void buf_done(struct buf *buf);                   /* frees; the buffer is as after buf_init */
char *buf_take(struct buf *buf); /* its memory, for mem_free; the buffer is as after buf_init */
void buf_reset(struct buf *buf); /* length 0, memory kept, `failed` cleared */

/* All appends return 0, or -ENOMEM / -EMSGSIZE and set `failed`. */
int buf_reserve(struct buf *buf, size_t more_bytes); /* room for `more_bytes` behind len */
int buf_put(struct buf *buf, const void *bytes, size_t len);
int buf_putc(struct buf *buf, char c);
int buf_puts(struct buf *buf, const char *text);
int buf_put_str(struct buf *buf, weir_str text);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_put_i64(struct buf *buf, int64_t value);

static inline weir_str buf_str(const struct buf *buf)
{
    return (weir_str){buf->ptr, buf->len};
}

/* What the first append that failed returned; 0 when none has. */
int buf_error(const struct buf *buf);
const char *buf_cstr(struct buf *buf); /* NUL behind the content; "" when memory ran out */
#endif
