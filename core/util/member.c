#include "util/text.h"

#include <inttypes.h>

int buf_put_comma(struct buf *buf)
{
    char last = buf->len ? buf->ptr[buf->len - 1] : '{';
    return last == '{' || last == '[' ? 0 : buf_putc(buf, ',');
}

int buf_put_key(struct buf *buf, const char *name)
{
    int rc = buf_put_comma(buf);
    if (rc == 0)
        rc = buf_putc(buf, '"');
    if (rc == 0)
        rc = buf_puts(buf, name);
    return rc == 0 ? buf_puts(buf, "\":") : rc;
}

int buf_put_member(struct buf *buf, const char *name, weir_str text)
{
    int rc = buf_put_key(buf, name);
    return rc == 0 ? buf_put_json_string(buf, text) : rc;
}

int buf_put_text_member(struct buf *buf, const char *name, const char *text)
{
    if (text)
        return buf_put_member(buf, name, str_of(text));
    int rc = buf_put_key(buf, name);
    return rc == 0 ? buf_puts(buf, "null") : rc;
}

int buf_put_number_member(struct buf *buf, const char *name, int64_t number)
{
    int rc = buf_put_key(buf, name);
    return rc == 0 ? buf_put_i64(buf, number) : rc;
}

int buf_put_flag_member(struct buf *buf, const char *name, bool flag)
{
    int rc = buf_put_key(buf, name);
    return rc == 0 ? buf_puts(buf, flag ? "true" : "false") : rc;
}

int buf_put_time_member(struct buf *buf, const char *name, int64_t unix_us)
{
    int rc = buf_put_key(buf, name);
    if (rc == 0)
        rc = buf_putc(buf, '"');
    if (rc == 0)
        rc = buf_put_iso_time(buf, unix_us, 3);
    return rc == 0 ? buf_putc(buf, '"') : rc;
}
