#include "render.h"

enum { DIGITS_MAX = 48 }; /* of the aligned numbers; wider differences tell a person nothing */

struct number {
    bool negative;
    int exponent; /* of the last digit */
    int count;
    char digits[DIGITS_MAX]; /* 0 to 9, most significant first */
};

/* Plain spelling only ("-12.50"): DynamoDB sends no other, and the delta is a courtesy. */
static bool parse(weir_str text, struct number *out)
{
    bool point = false;
    *out = (struct number){0};
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '-' && i == 0) {
            out->negative = true;
        } else if (c == '.' && !point) {
            point = true;
        } else if (c >= '0' && c <= '9' && out->count < DIGITS_MAX) {
            out->digits[out->count++] = (char)(c - '0');
            out->exponent -= point;
        } else {
            return false;
        }
    }
    return out->count > 0;
}

/* Lowers the exponent to `exponent` with zeros behind, then right-aligns in DIGITS_MAX digits. */
static bool align(struct number *n, int exponent)
{
    int zeros = n->exponent - exponent;
    if (n->count + zeros > DIGITS_MAX)
        return false;
    int pad = DIGITS_MAX - n->count - zeros;
    memmove(n->digits + pad, n->digits, (size_t)n->count);
    memset(n->digits, 0, (size_t)pad);
    memset(n->digits + DIGITS_MAX - zeros, 0, (size_t)zeros);
    n->exponent = exponent;
    return true;
}

/* |a| + |b|, or |a| - |b| where |a| >= |b|. False: a digit too many. */
static bool combine(const struct number *a, const struct number *b, int sign, struct number *out)
{
    int carry = 0;
    for (int i = DIGITS_MAX - 1; i >= 0; i--) {
        int digit = a->digits[i] + sign * b->digits[i] + carry;
        carry = digit > 9 ? 1 : digit < 0 ? -1 : 0;
        out->digits[i] = (char)(digit - 10 * carry);
    }
    return carry == 0;
}

static void put_plainly(weir_buf *out, const struct number *n)
{
    int first = 0, end = DIGITS_MAX, point = DIGITS_MAX + n->exponent;
    while (end > point && n->digits[end - 1] == 0)
        end--;
    while (first < point - 1 && n->digits[first] == 0)
        first++;
    put_char(out, n->negative ? '-' : '+');
    for (int i = first; i < end; i++) {
        if (i == point)
            put_char(out, '.');
        put_char(out, (char)('0' + n->digits[i]));
    }
}

void put_delta(weir_buf *out, weir_str was, weir_str now)
{
    struct number a, b, difference;
    if (!parse(now, &a) || !parse(was, &b))
        return;
    int exponent = a.exponent < b.exponent ? a.exponent : b.exponent;
    if (exponent <= -DIGITS_MAX || !align(&a, exponent) || !align(&b, exponent))
        return;
    b.negative = !b.negative;
    bool swap = memcmp(a.digits, b.digits, DIGITS_MAX) < 0;
    const struct number *more = swap ? &b : &a, *less = swap ? &a : &b;
    difference.negative = more->negative;
    difference.exponent = exponent;
    if (combine(more, less, a.negative == b.negative ? 1 : -1, &difference))
        put_plainly(out, &difference);
}
