#include "json/scan.h"

#include "util/text.h"

#include <stddef.h>

static const char *failed(struct json_scan_error *error, const char *at, const char *reason)
{
    *error = (struct json_scan_error){at, reason};
    return NULL;
}

/* Four hex digits at `at`, or -1. */
static int32_t scan_hex4(const char *at, const char *end)
{
    int32_t value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* `at` is a backslash. Returns what follows the escape. */
static const char *scan_escape(const char *at, const char *end, struct json_scan_error *error)
{
    if (end - at < 2)
        return failed(error, at, "unfinished string");
    if (at[1] != 'u')
        return at[1] && strchr("\"\\/bfnrt", at[1])
                   ? at + 2
                   : failed(error, at, "unknown escape in a string");
    int32_t unit = scan_hex4(at + 2, end);
    if (unit < 0)
        return failed(error, at, "\\u needs four hex digits");
    if (unit < 0xd800 || unit > 0xdfff)
        return at + 6;
    bool paired = unit < 0xdc00 && end - at >= 12 && at[6] == '\\' && at[7] == 'u';
    int32_t low = paired ? scan_hex4(at + 8, end) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return failed(error, at, "half of a surrogate pair in a string");
    return at + 12;
}

/* The first byte at or behind `at` that does not stand for itself, or one a few bytes before it.
 * Eight bytes at a time: the high bit of each byte of `hits` says that it is a quote, a backslash,
 * a control character or not ASCII; the lowest such bit is never wrong, those above it may be. */
static inline const char *skip_plain(const char *at, const char *end)
{
    const uint64_t ones = 0x0101010101010101ull, highs = ones * 0x80;
    uint64_t word;
    for (; end - at >= (ptrdiff_t)sizeof word; at += sizeof word) {
        memcpy(&word, at, sizeof word);
        uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
        uint64_t hits = (((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
                         ((word - ones * ' ') & ~word) | word) &
                        highs;
        if (hits && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
            return at + __builtin_ctzll(hits) / 8;
        if (hits)
            break;
    }
    return at;
}

const char *json_scan_string(const char *at, const char *end, bool *escaped,
                             struct json_scan_error *error)
{
    bool seen = false;
    for (at = skip_plain(at, end); at < end && *at != '"';) {
        unsigned char c = (unsigned char)*at;
        uint32_t code;
        if (c == '\\') {
            seen = true;
            at = scan_escape(at, end, error);
            if (!at)
                return NULL;
            at = skip_plain(at, end);
        } else if (c < ' ') {
            return failed(error, at, "control character in a string, write it as \\u00XX");
        } else if (c < 0x80) {
            at++;
        } else {
            size_t used = utf8_decode(at, (size_t)(end - at), &code);
            if (used == 0)
                return failed(error, at, "invalid UTF-8 in a string");
            at += used;
        }
    }
    if (at == end)
        return failed(error, at, "unfinished string");
    *escaped = seen;
    return at;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

const char *json_scan_number(const char *at, const char *end, struct json_scan_error *error)
{
    const char *first = at;
    if (*at == '-')
        first = ++at;
    at = skip_digits(at, end);
    if (at == first)
        return failed(error, at, "a number needs a digit here");
    if (*first == '0' && at - first > 1)
        return failed(error, first, "a number can't begin with 0");
    if (at < end && *at == '.') {
        first = at + 1;
        at = skip_digits(first, end);
        if (at == first)
            return failed(error, at, "a number needs a digit behind its point");
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        first = at + 1;
        if (first < end && (*first == '+' || *first == '-'))
            first++;
        at = skip_digits(first, end);
        if (at == first)
            return failed(error, at, "a number needs a digit in its exponent");
    }
    return at;
}
