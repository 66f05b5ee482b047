#include "util/text.h"

/* Bounds of the second byte exclude overlongs, surrogates and what is above U+10FFFF (RFC 3629). */
size_t utf8_decode(const char *bytes, size_t len, uint32_t *code)
{
    const unsigned char *at = (const unsigned char *)bytes;
    unsigned char low = 0x80, high = 0xbf;
    size_t need;
    if (len == 0)
        return 0;
    uint32_t value = at[0];
    if (value < 0x80) {
        *code = value;
        return 1;
    }
    if (value >= 0xc2 && value <= 0xdf) {
        need = 2;
        value &= 0x1f;
    } else if (value >= 0xe0 && value <= 0xef) {
        need = 3;
        low = value == 0xe0 ? 0xa0 : 0x80;
        high = value == 0xed ? 0x9f : 0xbf;
        value &= 0x0f;
    } else if (value >= 0xf0 && value <= 0xf4) {
        need = 4;
        low = value == 0xf0 ? 0x90 : 0x80;
        high = value == 0xf4 ? 0x8f : 0xbf;
        value &= 0x07;
    } else {
        return 0;
    }
    if (len < need)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if (at[i] < low || at[i] > high)
            return 0;
        value = value << 6 | (at[i] & 0x3fu);
        low = 0x80;
        high = 0xbf;
    }
    *code = value;
    return need;
}

size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[len] | code);
    return len;
}

bool utf8_valid(const char *bytes, size_t len)
{
    size_t at = 0;
    uint32_t code;
    while (at < len) {
        uint64_t eight;
        if (len - at >= sizeof eight) {
            memcpy(&eight, bytes + at, sizeof eight);
            if ((eight & 0x8080808080808080ull) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        size_t used = utf8_decode(bytes + at, len - at, &code);
        if (used == 0)
            return false;
        at += used;
    }
    return true;
}
