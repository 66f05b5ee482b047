/* The primitives of the one strict pass: RFC 8259, UTF-8, no look behind the end. The bytes end in
 * at least SCAN_PADDING zero bytes; a zero byte is never valid JSON, so that nothing here has to
 * compare with the end: a blind 32-byte load stays inside the padding, and every loop stops there.
 */
#ifndef WEIR_RECORD_SCAN_H
#define WEIR_RECORD_SCAN_H
#include "util/str.h"
#include <stdint.h>
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { SCAN_PADDING = 64, SCAN_DEPTH_MAX = 128 };

/* Every scan_ function takes the place to read from and returns the place behind what it read, or
 * NULL with the reason and the place of the fault stored here. */
struct scan {
    const char *reason; /* static text */
    const char *at;
};

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Not inline, so that the hot paths hold a call and not the stores. Returns NULL. */
const char *scan_fail(struct scan *scan, const char *at, const char *reason);
/* `p` stands on a byte of a string that is not plain ASCII: returns behind one escape (sets
 * *escaped) or behind a run of valid UTF-8; anything else fails. */
const char *scan_special(struct scan *scan, const char *p, uint32_t *escaped);
const char *scan_number(struct scan *scan, const char *p);
/* Validates one value of any kind, `depth` levels deep already, at its first byte. */
const char *scan_skip(struct scan *scan, const char *p, unsigned depth);

/* The first byte from `p` on that is a quote, a backslash, a control character or not ASCII. */
static inline const char *scan_plain(const char *p)
{
#if defined(__SSE2__)
    for (;; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                   _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
        hit = _mm_or_si128(hit, _mm_cmplt_epi8(x, _mm_set1_epi8(' ')));
        uint32_t mask = (uint32_t)_mm_movemask_epi8(hit);
        if (likely(mask != 0))
            return p + __builtin_ctz(mask);
    }
#elif defined(__aarch64__)
    for (;; p += 16) {
        int8x16_t x = vld1q_s8((const int8_t *)p);
        uint8x16_t hit = vorrq_u8(vceqq_s8(x, vdupq_n_s8('"')), vceqq_s8(x, vdupq_n_s8('\\')));
        hit = vorrq_u8(hit, vcltq_s8(x, vdupq_n_s8(' ')));
        /* four bits a byte: NEON has no movemask */
        uint64_t mask =
            vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(hit), 4)), 0);
        if (likely(mask != 0))
            return p + (__builtin_ctzll(mask) >> 2);
    }
#else
    while ((signed char)*p >= ' ' && *p != '"' && *p != '\\')
        p++;
    return p;
#endif
}

/* `p` behind the opening quote; returns the closing quote, not behind it. *escaped is only ever
 * set. */
static inline const char *scan_text(struct scan *scan, const char *p, uint32_t *escaped)
{
    for (;;) {
        p = scan_plain(p);
        if (likely(*p == '"'))
            return p;
        p = scan_special(scan, p, escaped);
        if (!p)
            return NULL;
    }
}

static inline const char *scan_space(const char *p)
{
    if (likely((unsigned char)*p > ' '))
        return p;
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
        p++;
    return p;
}

static inline const char *scan_literal(struct scan *scan, const char *p)
{
    if (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0)
        return p + 4;
    return memcmp(p, "false", 5) == 0 ? p + 5 : scan_fail(scan, p, "not a JSON value");
}

/* `p` behind a member's name's closing quote: returns the first byte of its value. */
static inline const char *scan_colon(struct scan *scan, const char *p)
{
    p = scan_space(p);
    return likely(*p == ':') ? scan_space(p + 1) : scan_fail(scan, p, "expected ':'");
}

static inline uint64_t scan_load64(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint32_t scan_load32(const char *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

/* Does `text`, of 1 to 32 bytes, stand at p? `mask` holds `len` low ones. Reads 32 bytes of both.
 */
static inline bool scan_same32(const char *p, const char *text, uint32_t mask)
{
#if defined(__AVX2__)
    __m256i equal = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(const void *)p),
                                      _mm256_loadu_si256((const __m256i *)(const void *)text));
    return (~(uint32_t)_mm256_movemask_epi8(equal) & mask) == 0;
#elif defined(__SSE2__)
    __m128i low = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p),
                                 _mm_loadu_si128((const __m128i *)(const void *)text));
    __m128i high = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 16)),
                                  _mm_loadu_si128((const __m128i *)(const void *)(text + 16)));
    uint32_t same = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
    return (same & mask) == mask;
#else
    return memcmp(p, text, (size_t)__builtin_popcount(mask)) == 0;
#endif
}

/* Does `text`, of at least one byte, stand at p? It holds no zero byte, so that the padding ends
 * this too. */
static inline bool scan_stands(const char *p, const char *text, size_t bytes)
{
    for (; bytes > 32; bytes -= 32, p += 32, text += 32)
        if (!scan_same32(p, text, UINT32_MAX))
            return false;
    return scan_same32(p, text, UINT32_MAX >> (32 - bytes));
}

/* How many bytes, at most `most`, stand alike at a and b. Reads up to 32 beyond. */
static inline size_t scan_common(const char *a, const char *b, size_t most)
{
    for (size_t at = 0; at < most; at += 16) {
#if defined(__SSE2__)
        __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(a + at)),
                                      _mm_loadu_si128((const __m128i *)(const void *)(b + at)));
        uint32_t differ = (uint32_t)_mm_movemask_epi8(same) ^ 0xffff;
        if (differ)
            at += (size_t)__builtin_ctz(differ);
        if (differ)
            return at < most ? at : most;
#else
        for (size_t i = at; i < at + 16 && i < most; i++)
            if (a[i] != b[i])
                return i;
#endif
    }
    return most;
}

/* Is [p, p + len) plainly "-12.34": digits with at most one point inside and a minus before? Up to
 * 30 characters; false may also mean that a closer look is needed. Reads 32 bytes, without a loop,
 * since numbers of ever other lengths make loops end at places hard to foresee. */
static inline bool scan_plain_number(const char *p, size_t len)
{
#if defined(__SSE2__)
    uint32_t digits = 0, points = 0;
    if (len - 1 >= 30)
        return false;
    for (int i = 0; i < 32; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i offset = _mm_sub_epi8(x, _mm_set1_epi8('0'));
        __m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(9)), offset);
        __m128i point = _mm_cmpeq_epi8(x, _mm_set1_epi8('.'));
        digits |= (uint32_t)_mm_movemask_epi8(digit) << i;
        points |= (uint32_t)_mm_movemask_epi8(point) << i;
    }
    uint32_t all = (UINT32_C(1) << len) - 1, minus = *p == '-';
    digits &= all;
    points &= all;
    uint32_t ends = UINT32_C(1) << minus | UINT32_C(1) << (len - 1);
    return (digits | points | minus) == all && !(points & (points - 1)) && (digits & ends) == ends;
#else
    const char *end = p + len, *at = p + (*p == '-');
    bool point = false;
    if (len - 1 >= 30 || *at < '0' || end[-1] < '0')
        return false;
    for (; at < end; at++) {
        if (*at == '.' && !point)
            point = true;
        else if (*at < '0' || *at > '9')
            return false;
    }
    return true;
#endif
}

/* How many digits, up to 32, stand at p. */
static inline uint32_t scan_digits(const char *p)
{
#if defined(__SSE2__)
    uint32_t digits = 0;
    for (int i = 0; i < 32; i += 16) {
        __m128i offset = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i)),
                                      _mm_set1_epi8('0'));
        __m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(offset, _mm_set1_epi8(9)), offset);
        digits |= (uint32_t)_mm_movemask_epi8(digit) << i;
    }
    return digits == UINT32_MAX ? 32 : (uint32_t)__builtin_ctz(~digits);
#else
    uint32_t count = 0;
    while (count < 32 && p[count] >= '0' && p[count] <= '9')
        count++;
    return count;
#endif
}

/* Ten digits, as Lambda writes the seconds. */
static inline bool scan_seconds(const char *p, int64_t *seconds)
{
    int64_t value = 0;
    for (int i = 0; i < 10; i++) {
        unsigned digit = (unsigned)(unsigned char)p[i] - '0';
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    *seconds = value;
    return *p != '0';
}

/* The first 1 to 7 bytes from p on as a number; reads eight. */
static inline uint64_t scan_first_bytes(const char *p, uint32_t len)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return scan_load64(p) << (64 - 8 * len);
#else
    return scan_load64(p) >> (64 - 8 * len);
#endif
}

/* Does `":{"T":"` stand at p, whatever the one-character type T: the way in which nearly every
 * attribute value begins? Then T is p[4] and the text begins at p + 8. */
static inline bool scan_is_scalar(const char *p)
{
    static const char pattern[8] = {'"', ':', '{', '"', 0, '"', ':', '"'};
    static const char relevant[8] = {'\xff', '\xff', '\xff', '\xff', 0, '\xff', '\xff', '\xff'};
    return (scan_load64(p) & scan_load64(relevant)) == scan_load64(pattern);
}

/* Walks text that need not be valid: behind the value that begins at p, or NULL when it does not
 * end (strings by their quotes, objects and arrays by the number of open brackets). */
const char *scan_lenient(const char *p, const char *end);
#endif
