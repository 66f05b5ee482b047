#include "aws/crc32.h"

enum { BLOCK_BYTES = 16, FOLD_BYTES_MIN = 64 };

void crc32_init(struct crc32 *crc)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? (value >> 1) ^ 0xedb88320u : value >> 1;
        crc->table[0][i] = value;
    }
    for (int slice = 1; slice < 8; slice++)
        for (int i = 0; i < 256; i++) {
            uint32_t value = crc->table[slice - 1][i];
            crc->table[slice][i] = (value >> 8) ^ crc->table[0][value & 255];
        }
    crc->fold = NULL;
#ifdef WEIR_CRC_FOLD
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
        crc->fold = crc32_fold;
#endif
}

/* By the table, eight bytes at a time. */
uint32_t crc32_of(const struct crc32 *crc, const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;
    uint32_t value = 0xffffffffu;
    if (crc->fold && len >= FOLD_BYTES_MIN) {
        size_t folded = len - len % BLOCK_BYTES;
        value = crc->fold(at, folded, value);
        at += folded;
        len -= folded;
    }
    for (; len >= 8; len -= 8, at += 8) {
        uint32_t low = value ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                                (uint32_t)at[3] << 24);
        value = crc->table[7][low & 255] ^ crc->table[6][low >> 8 & 255] ^
                crc->table[5][low >> 16 & 255] ^ crc->table[4][low >> 24] ^ crc->table[3][at[4]] ^
                crc->table[2][at[5]] ^ crc->table[1][at[6]] ^ crc->table[0][at[7]];
    }
    for (; len; len--, at++)
        value = (value >> 8) ^ crc->table[0][(value ^ *at) & 255];
    return ~value;
}
