#include "record/filter_impl.h"

#include <arpa/inet.h>

enum { V4_TEXT_MAX = 15, V6_TEXT_MAX = 45 };

/* Four numbers up to 255; leading zeros are decimal, as in Java, which AWS's matcher is written in.
 */
static bool parse_v4(weir_str text, uint8_t out[4])
{
    size_t at = 0;
    if (text.len > V4_TEXT_MAX)
        return false;
    for (int i = 0; i < 4; i++) {
        unsigned number = 0;
        size_t start = at;
        for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
            number = number * 10 + (unsigned)(text.ptr[at] - '0');
        if (at == start || number > 255)
            return false;
        out[i] = (uint8_t)number;
        if (i < 3 && (at == text.len || text.ptr[at++] != '.'))
            return false;
    }
    return at == text.len;
}

static bool parse_v6(weir_str text, uint8_t out[16])
{
    char copy[V6_TEXT_MAX + 1];
    if (text.len < 2 || text.len > V6_TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!text.ptr[i] || !strchr("0123456789abcdefABCDEF:", text.ptr[i]))
            return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(AF_INET6, copy, out) == 1;
}

bool address_parse(weir_str text, struct address *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct address address = {.len = 4};
    if (!parse_v4(text, address.bytes)) {
        address.len = 16;
        if (!parse_v6(text, address.bytes))
            return false;
        if (memcmp(address.bytes, mapped, sizeof mapped) == 0) { /* ::ffff:1.2.3.4 is 1.2.3.4 */
            memmove(address.bytes, address.bytes + 12, 4);
            memset(address.bytes + 4, 0, 12);
            address.len = 4;
        }
    }
    *out = address;
    return true;
}

static bool parse_bits(weir_str text, unsigned *out)
{
    unsigned bits = 0;
    size_t at = text.len > 1 && *text.ptr == '+';
    if (at == text.len || text.len - at > 4)
        return false;
    for (; at < text.len; at++) {
        if (text.ptr[at] < '0' || text.ptr[at] > '9')
            return false;
        bits = bits * 10 + (unsigned)(text.ptr[at] - '0');
    }
    *out = bits;
    return true;
}

const char *address_parse_block(weir_str text, struct address *from, struct address *to)
{
    struct address address;
    unsigned bits;
    const char *slash = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
    if (!slash)
        return "needs a '/'";
    size_t before = (size_t)(slash - text.ptr);
    if (!address_parse((weir_str){text.ptr, before}, &address))
        return "is not an IP address";
    if (!parse_bits((weir_str){slash + 1, text.len - before - 1}, &bits))
        return "needs a number of bits behind the '/'";
    /* event-ruler refuses the whole length: one address is a plain string there. */
    if (bits >= address.len * 8u)
        return address.len == 4 ? "needs fewer than 32 bits" : "needs fewer than 128 bits";
    *from = *to = address;
    for (unsigned i = bits; i < address.len * 8u; i++) {
        uint8_t bit = (uint8_t)(0x80 >> i % 8);
        from->bytes[i / 8] &= (uint8_t)~bit;
        to->bytes[i / 8] |= bit;
    }
    return NULL;
}

bool address_in(const struct address *address, const struct address *from, const struct address *to)
{
    return address->len == from->len && memcmp(address->bytes, from->bytes, from->len) >= 0 &&
           memcmp(address->bytes, to->bytes, to->len) <= 0;
}
