#include "record/created.h"

#include <errno.h>
#include <stdbool.h>

enum { DIGITS_MAX = 24, SECONDS_DIGITS = 11, MILLIS_DIGITS = 14, MICROS_DIGITS = 17 };

/* 0.d1d2d3... * 10^point, without leading zeros. */
struct number {
    char digit[DIGITS_MAX];
    int count;
    int64_t point;
};

static const char *read_digits(const char *p, const char *end, bool fraction, struct number *out)
{
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        bool leading = out->count == 0 && *p == '0';
        if (!fraction && !leading)
            out->point++;
        if (fraction && leading)
            out->point--;
        if (!leading && out->count < DIGITS_MAX)
            out->digit[out->count++] = *p;
    }
    return p;
}

static int64_t read_exponent(const char *p, const char *end)
{
    bool negative = *p == '-';
    int64_t value = 0;
    for (p += *p == '-' || *p == '+'; p < end; p++)
        if (value < 1000000)
            value = value * 10 + (*p - '0');
    return negative ? -value : value;
}

/* The first `places` digits of the number's value, as if its point stood behind them. */
static int64_t whole(const struct number *number, int64_t places)
{
    int64_t value = 0;
    for (int64_t i = 0; i < places; i++)
        value = value * 10 + (i < number->count ? number->digit[i] - '0' : 0);
    return value;
}

static bool zeros_from(const struct number *number, int64_t at)
{
    for (int64_t i = at < 0 ? 0 : at; i < number->count; i++)
        if (number->digit[i] != '0')
            return false;
    return true;
}

int created_parse(const char *p, const char *end, int64_t *unix_us, uint8_t *precision)
{
    struct number number = {.count = 0};
    if (*p == '-')
        return -ERANGE;
    p = read_digits(p, end, false, &number);
    if (p < end && *p == '.')
        p = read_digits(p + 1, end, true, &number);
    if (p < end)
        number.point += read_exponent(p + 1, end);
    if (number.count == 0 || number.point < -6) {
        *unix_us = 0;
        *precision = 1;
        return 0;
    }
    if (number.point > MICROS_DIGITS)
        return -ERANGE;
    int64_t unit = number.point <= SECONDS_DIGITS ? 6 : number.point <= MILLIS_DIGITS ? 3 : 0;
    int64_t places = number.point + unit; /* digits up to the microseconds */
    *unix_us = whole(&number, places);
    *precision = 3;
    if (unit >= 3 && zeros_from(&number, places - 3))
        *precision = 2;
    if (unit == 6 && zeros_from(&number, places - 6))
        *precision = 1;
    return 0;
}
