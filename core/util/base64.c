#include "util/text.h"

#include <limits.h>

/* The sixth of 24 bits that a character stands for, plus one; 0 = none. */
static const uint8_t sextets[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64};

static int sextet(char c)
{
    return sextets[(unsigned char)c] - 1;
}

/* The group that ends in `pads` (1 or 2) signs of padding: its 3 - pads bytes, or -1. Strict: the
 * bits that padding leaves over are zero, so that one content has one spelling. */
static long padded_group(const char *text, size_t pads, char *out)
{
    int a = sextet(text[0]), b = sextet(text[1]), c = pads == 1 ? sextet(text[2]) : 0;
    if ((a | b | c) < 0)
        return -1;
    uint32_t group = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6;
    if ((group & (pads == 1 ? 0xffu : 0xffffu)) != 0)
        return -1;
    out[0] = (char)(group >> 16);
    if (pads == 1)
        out[1] = (char)(group >> 8);
    return 3 - (long)pads;
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
    size_t whole = text.len - (pads ? 4 : 0);
    for (size_t i = 0; i < whole; i += 4) {
        int a = sextet(text.ptr[i]), b = sextet(text.ptr[i + 1]);
        int c = sextet(text.ptr[i + 2]), d = sextet(text.ptr[i + 3]);
        if ((a | b | c | d) < 0)
            return -1;
        uint32_t group = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
        out[written++] = (char)(group >> 16);
        out[written++] = (char)(group >> 8);
        out[written++] = (char)group;
    }
    long last = pads ? padded_group(text.ptr + whole, pads, out + written) : 0;
    return last < 0 ? -1 : written + last;
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
