/* DynamoDB numbers as decimal text: exact, never through a double. */
#ifndef WEIR_UTIL_DECIMAL_H
#define WEIR_UTIL_DECIMAL_H
#include "util/buf.h"

enum { DECIMAL_DIGITS_MAX = 38, DECIMAL_CANONICAL_MAX = 48 };

/* A parsed number: sign * 0.d1d2d3... * 10^exponent, no leading or trailing zero digit; zero has
 * digit_count 0, negative false and exponent 0. */
struct decimal {
    bool negative;
    uint8_t digit_count;
    int16_t exponent;
    char digits[DECIMAL_DIGITS_MAX]; /* '0'..'9' */
};

/* Grammar: [+-] digits [. digits] [(e|E) [+-] digits], at least one digit; up to 38 significant
 * digits; magnitude 1e-130 up to 9.99..e125 or zero. Leading zeros are fine ("0010.00", "1E+1").
 * 0, or -EINVAL (not a number) or -ERANGE (beyond DynamoDB's range). Linear, bounded memory, for
 * any input length. */
int decimal_parse(weir_str text, struct decimal *out);
int decimal_cmp(const struct decimal *a, const struct decimal *b); /* <0, 0, >0 */
/* Both as numbers when both parse; otherwise equal only when the bytes are. */
bool decimal_text_equal(weir_str a, weir_str b);
/* One spelling per value ("1.25e3" style of our own), for keys and hashes. Writes at most
 * DECIMAL_CANONICAL_MAX bytes, returns the length. */
size_t decimal_canonical(const struct decimal *value, char out[DECIMAL_CANONICAL_MAX]);
/* a - b written plainly ("+2.5", "-0.01", "0") into out; false, and nothing written, when that
 * would need more than 38 digits, zeros included. */
bool decimal_difference(const struct decimal *a, const struct decimal *b, struct buf *out);
#endif
