/* CRC-32 (IEEE) over answers, as in x-amz-crc32. */
#ifndef WEIR_AWS_CRC32_H
#define WEIR_AWS_CRC32_H
#include <stddef.h>
#include <stdint.h>

struct crc32 {
    uint32_t table[8][256];
    /* Folds whole blocks of 16 bytes, at least four, into `value`; NULL: this processor can't. */
    uint32_t (*fold)(const unsigned char *at, size_t len, uint32_t value);
};
void crc32_init(struct crc32 *crc);
uint32_t crc32_of(const struct crc32 *crc, const char *bytes, size_t len);

#ifdef WEIR_CRC_FOLD
uint32_t crc32_fold(const unsigned char *at, size_t len, uint32_t value);
#endif
#endif
