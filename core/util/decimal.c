#include "util/decimal.h"

#include <errno.h>
#include <stdio.h>

/* DynamoDB's magnitudes are 1e-130 to 9.99..e125; `exponent` counts from before the first digit. */
enum { EXPONENT_MIN = -129, EXPONENT_MAX = 126 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

/* The [+-]digits behind an 'e', saturated far beyond what the length of any text can outweigh. */
static const char *scan_exponent(const char *at, const char *end, int64_t *out)
{
    const int64_t saturated = INT64_MAX / 16;
    bool negative = at < end && *at == '-';
    int64_t exponent = 0;
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (at == end || !is_digit(*at))
        return NULL;
    for (; at < end && is_digit(*at); at++)
        if (exponent < saturated)
            exponent = exponent * 10 + (*at - '0');
    *out = negative ? -exponent : exponent;
    return at;
}

struct spelling {
    const char *whole, *point; /* [whole, point) are the digits before the point */
    const char *fraction, *fraction_end;
    int64_t exponent;
    bool negative;
};

static int scan_spelling(weir_str text, struct spelling *out)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    struct spelling s = {.negative = text.len > 0 && *at == '-'};
    if (text.len > 0 && (*at == '-' || *at == '+'))
        at++;
    s.whole = at;
    s.point = at = skip_digits(at, end);
    if (s.point == s.whole)
        return -EINVAL;
    s.fraction = s.fraction_end = at;
    if (at < end && *at == '.') {
        s.fraction = at + 1;
        s.fraction_end = at = skip_digits(at + 1, end);
        if (s.fraction == s.fraction_end)
            return -EINVAL;
    }
    if (at < end && (*at == 'e' || *at == 'E'))
        at = scan_exponent(at + 1, end, &s.exponent);
    if (at != end)
        return -EINVAL;
    *out = s;
    return 0;
}

/* Takes the significant digits out of [at, end) into value->digits. Zeros are only counted until a
 * digit follows them, so trailing zeros never take room. False when there are more than 38. */
static bool take_digits(struct decimal *value, const char *at, const char *end, int64_t *zeros)
{
    for (; at < end; at++) {
        if (*at == '0') {
            ++*zeros;
            continue;
        }
        if (value->digit_count == 0)
            *zeros = 0;
        if (*zeros >= DECIMAL_DIGITS_MAX - value->digit_count)
            return false;
        memset(value->digits + value->digit_count, '0', (size_t)*zeros);
        value->digit_count = (uint8_t)(value->digit_count + *zeros);
        value->digits[value->digit_count++] = *at;
        *zeros = 0;
    }
    return true;
}

static int64_t leading_zeros(const char *at, const char *end)
{
    const char *first = at;
    while (at < end && *at == '0')
        at++;
    return at - first;
}

int decimal_parse(weir_str text, struct decimal *out)
{
    struct spelling s;
    struct decimal value = {0};
    int64_t zeros = 0;
    int rc = scan_spelling(text, &s);
    if (rc < 0)
        return rc;
    if (!take_digits(&value, s.whole, s.point, &zeros) ||
        !take_digits(&value, s.fraction, s.fraction_end, &zeros))
        return -ERANGE;
    if (value.digit_count > 0) {
        int64_t skipped = leading_zeros(s.whole, s.point);
        int64_t exponent = s.exponent + (s.point - s.whole) - skipped;
        if (skipped == s.point - s.whole)
            exponent -= leading_zeros(s.fraction, s.fraction_end);
        if (exponent < EXPONENT_MIN || exponent > EXPONENT_MAX)
            return -ERANGE;
        value.exponent = (int16_t)exponent;
        value.negative = s.negative;
    }
    *out = value;
    return 0;
}

static int sign_of(const struct decimal *value)
{
    return value->digit_count == 0 ? 0 : value->negative ? -1 : 1;
}

static int cmp_magnitude(const struct decimal *a, const struct decimal *b)
{
    if (a->exponent != b->exponent)
        return a->exponent < b->exponent ? -1 : 1;
    uint8_t common = a->digit_count < b->digit_count ? a->digit_count : b->digit_count;
    int order = memcmp(a->digits, b->digits, common);
    return order != 0 ? order : a->digit_count - b->digit_count;
}

int decimal_cmp(const struct decimal *a, const struct decimal *b)
{
    int sign = sign_of(a);
    if (sign != sign_of(b))
        return sign - sign_of(b);
    return sign == 0 ? 0 : sign * cmp_magnitude(a, b);
}

bool decimal_text_equal(weir_str a, weir_str b)
{
    struct decimal x, y;
    if (str_eq(a, b))
        return true;
    return decimal_parse(a, &x) == 0 && decimal_parse(b, &y) == 0 && decimal_cmp(&x, &y) == 0;
}

size_t decimal_canonical(const struct decimal *value, char out[DECIMAL_CANONICAL_MAX])
{
    char *at = out;
    char exponent[8];
    if (value->digit_count == 0) {
        *at = '0';
        return 1;
    }
    if (value->negative)
        *at++ = '-';
    *at++ = value->digits[0];
    if (value->digit_count > 1) {
        *at++ = '.';
        memcpy(at, value->digits + 1, value->digit_count - 1u);
        at += value->digit_count - 1;
    }
    int len = snprintf(exponent, sizeof exponent, "e%d", value->exponent - 1);
    memcpy(at, exponent, (size_t)len);
    return (size_t)(at - out) + (size_t)len;
}

/* ---- difference: both aligned in one row of decimal places ---- */

enum {
    PLACES_BELOW = -EXPONENT_MIN + DECIMAL_DIGITS_MAX,
    PLACES = EXPONENT_MAX + 1 + PLACES_BELOW
};

/* Adds sign * value into the row; row[PLACES_BELOW + n] is the digit of 10^n. */
static void add_into(int row[PLACES], const struct decimal *value, int sign)
{
    int place = PLACES_BELOW + value->exponent - 1;
    if (value->negative)
        sign = -sign;
    for (int i = 0; i < value->digit_count; i++)
        row[place - i] += sign * (value->digits[i] - '0');
}

/* Makes every place 0..9 by borrowing upwards; returns the borrow left at the top (-1: negative).
 */
static int settle(int row[PLACES])
{
    int carry = 0;
    for (int i = 0; i < PLACES; i++) {
        int sum = row[i] + carry + 20;
        row[i] = sum % 10;
        carry = sum / 10 - 2;
    }
    return carry;
}

bool decimal_difference(const struct decimal *a, const struct decimal *b, struct buf *out)
{
    int row[PLACES] = {0};
    bool negative = decimal_cmp(a, b) < 0;
    add_into(row, a, negative ? -1 : 1);
    add_into(row, b, negative ? 1 : -1);
    if (settle(row) != 0)
        return false;
    int low = 0, high = PLACES - 1;
    while (low < PLACES_BELOW && row[low] == 0)
        low++;
    while (high > PLACES_BELOW && row[high] == 0)
        high--;
    if (high - low + 1 > DECIMAL_DIGITS_MAX)
        return false;
    char text[DECIMAL_DIGITS_MAX + 2];
    size_t len = 0;
    if (decimal_cmp(a, b) != 0)
        text[len++] = negative ? '-' : '+';
    for (int i = high; i >= low; i--) {
        if (i == PLACES_BELOW - 1)
            text[len++] = '.';
        text[len++] = (char)('0' + row[i]);
    }
    return buf_put(out, text, len) == 0;
}
