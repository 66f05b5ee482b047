#include "util/text.h"

#include <limits.h>

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Every group is read before its bytes are written, so `out` may be the text itself. */
long base64_decode(weir_str text, char *out)
{
    size_t pads = 0;
    long written = 0;
    if (text.len % 4 != 0 || text.len > LONG_MAX / 2)
        return -1;
    while (pads < 2 && pads < text.len && text.ptr[text.len - 1 - pads] == '=')
        pads++;
    for (size_t i = 0; i < text.len; i += 4) {
        size_t missing = i + 4 == text.len ? pads : 0;
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            int bits = k < 4 - missing ? sextet(text.ptr[i + k]) : 0;
            if (bits < 0)
                return -1;
            group = group << 6 | (uint32_t)bits;
        }
        /* Strict: the bits that padding leaves over are zero, so one content has one spelling. */
        if (missing > 0 && (group & (missing == 1 ? 0xffu : 0xffffu)) != 0)
            return -1;
        for (size_t k = 0; k < 3 - missing; k++)
            out[written++] = (char)(group >> (16 - 8 * k));
    }
    return written;
}

int buf_put_base64(struct buf *buf, weir_str bytes)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    if (bytes.len > SIZE_MAX / 2)
        return buf_reserve(buf, SIZE_MAX);
    int rc = buf_reserve(buf, (bytes.len + 2) / 3 * 4);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = (uint32_t)at[i] << 16;
        if (have > 1)
            group |= (uint32_t)at[i + 1] << 8;
        if (have > 2)
            group |= at[i + 2];
        for (size_t k = 0; k < 4; k++)
            buf->ptr[buf->len++] = k <= have ? alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
    return 0;
}
