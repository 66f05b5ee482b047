/* CRC-32 by carry-less multiplication: compiled for processors that have it, chosen at run time.
 * After "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009),
 * bit-reflected; the constants are powers of x modulo the polynomial, as the paper gives them. */
#include "aws/crc32.h"

#include <smmintrin.h>
#include <wmmintrin.h>

static __m128i load(const unsigned char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* Moves what is in `value` on by the distance that `by` stands for, and adds what is there. */
static __m128i fold(__m128i value, __m128i by, __m128i there)
{
    __m128i low = _mm_clmulepi64_si128(value, by, 0x00);
    __m128i high = _mm_clmulepi64_si128(value, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), there);
}

/* 128 bits to the 32 of the remainder. */
static uint32_t reduce(__m128i value, __m128i by_16)
{
    const __m128i low_words = _mm_setr_epi32(-1, 0, -1, 0);
    const __m128i by_4 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    __m128i part = _mm_clmulepi64_si128(value, by_16, 0x10);
    value = _mm_xor_si128(_mm_srli_si128(value, 8), part);
    part = _mm_srli_si128(value, 4);
    value = _mm_clmulepi64_si128(_mm_and_si128(value, low_words), by_4, 0x00);
    value = _mm_xor_si128(value, part);
    part = _mm_clmulepi64_si128(_mm_and_si128(value, low_words), barrett, 0x10);
    part = _mm_clmulepi64_si128(_mm_and_si128(part, low_words), barrett, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(value, part), 1);
}

uint32_t crc32_fold(const unsigned char *at, size_t len, uint32_t value)
{
    const __m128i by_64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by_16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    __m128i lane[4];
    for (int i = 0; i < 4; i++)
        lane[i] = load(at + 16 * i);
    lane[0] = _mm_xor_si128(lane[0], _mm_cvtsi32_si128((int)value));
    for (at += 64, len -= 64; len >= 64; at += 64, len -= 64)
        for (int i = 0; i < 4; i++)
            lane[i] = fold(lane[i], by_64, load(at + 16 * i));
    __m128i all = lane[0];
    for (int i = 1; i < 4; i++)
        all = fold(all, by_16, lane[i]);
    for (; len >= 16; at += 16, len -= 16)
        all = fold(all, by_16, load(at));
    return reduce(all, by_16);
}
