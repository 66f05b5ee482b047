#include "util/text.h"

bool sequence_valid(weir_str digits)
{
    if (digits.len == 0 || digits.len > SEQUENCE_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
    return true;
}

weir_str sequence_significant(weir_str digits)
{
    while (digits.len > 1 && *digits.ptr == '0') {
        digits.ptr++;
        digits.len--;
    }
    return digits.len > 0 ? digits : STR("0");
}

int sequence_cmp(weir_str a, weir_str b)
{
    a = sequence_significant(a);
    b = sequence_significant(b);
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return memcmp(a.ptr, b.ptr, a.len);
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++)
        seed = (seed ^ at[i]) * 0x100000001b3ull;
    return seed;
}
