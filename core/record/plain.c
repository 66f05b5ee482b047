#include "record/plain.h"

#include "util/text.h"

struct plain plain_of(weir_str raw, bool escaped)
{
    return (struct plain){.at = raw.ptr, .end = raw.ptr + raw.len, .escaped = escaped};
}

/* An escape is 2 bytes, \uXXXX 6, a surrogate pair 12. */
static size_t escape_bytes(const struct plain *plain)
{
    size_t left = (size_t)(plain->end - plain->at);
    if (left < 6 || plain->at[1] != 'u')
        return left < 2 ? left : 2;
    bool surrogate = (plain->at[2] | 0x20) == 'd' && (unsigned char)plain->at[3] >= '8';
    return surrogate && left >= 12 ? 12 : 6;
}

int plain_next(struct plain *plain)
{
    if (plain->used < plain->have)
        return (unsigned char)plain->piece[plain->used++];
    if (plain->at >= plain->end)
        return -1;
    if (!plain->escaped || *plain->at != '\\')
        return (unsigned char)*plain->at++;
    char whole[12];
    size_t bytes = escape_bytes(plain);
    plain->have = (uint8_t)json_unescape((weir_str){plain->at, bytes}, whole);
    memcpy(plain->piece, whole,
           plain->have < sizeof plain->piece ? plain->have : sizeof plain->piece);
    plain->at += bytes;
    plain->used = 0;
    return plain_next(plain);
}

bool plain_equal(weir_str a, bool a_escaped, weir_str b, bool b_escaped)
{
    if (a_escaped == b_escaped && str_eq(a, b))
        return true;
    if (!a_escaped && !b_escaped)
        return false;
    struct plain left = plain_of(a, a_escaped), right = plain_of(b, b_escaped);
    int c;
    do {
        c = plain_next(&left);
        if (c != plain_next(&right))
            return false;
    } while (c >= 0);
    return true;
}

uint64_t plain_hash(uint64_t seed, weir_str raw, bool escaped)
{
    if (!escaped)
        return hash_bytes(seed, raw.ptr, raw.len);
    struct plain walk = plain_of(raw, true);
    int c;
    while ((c = plain_next(&walk)) >= 0) {
        char byte = (char)c;
        seed = hash_bytes(seed, &byte, 1);
    }
    return seed;
}
