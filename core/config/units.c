#include "config/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first: showing takes the first that divides. */
static const struct unit durations[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {0}};
static const struct unit sizes[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {0}};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void quantity_show(int64_t value, const struct unit *units, char out[24])
{
    while (units[1].name && (value == 0 || value % units->factor != 0))
        units++;
    snprintf(out, 24, "%" PRId64 "%s", value / units->factor, units->name);
}

void duration_show(int64_t ms, char out[24])
{
    quantity_show(ms, durations, out);
}

void size_show(int64_t bytes, char out[24])
{
    quantity_show(bytes, sizes, out);
}

/* Days since 1970-01-01 in the Gregorian calendar; years are counted from March, so that the leap
 * day is the last of a year. */
static int64_t day_number(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719468;
}

static int month_days(int64_t year, int64_t month)
{
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 ? 28 + leap : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* Follows `pattern` with one number for each run of '0'; any other byte must match. */
static bool read_fields(const char *text, const char *pattern, int64_t *fields)
{
    for (; *pattern; pattern++, text++) {
        if (*pattern != '0') {
            if (*text != *pattern)
                return false;
            fields++;
            *fields = 0;
            continue;
        }
        if (!is_digit(*text))
            return false;
        *fields = *fields * 10 + (*text - '0');
    }
    return true;
}

int timestamp_parse(weir_str text, int64_t *out_us)
{
    static const char pattern[] = "0000-00-00T00:00:00";
    int64_t f[6] = {0};
    size_t at = sizeof pattern - 1;
    if (text.len <= at || !read_fields(text.ptr, pattern, f))
        return -EINVAL;
    int64_t fraction = 0, scale = 1000000;
    if (text.ptr[at] == '.')
        for (at++; at < text.len && is_digit(text.ptr[at]); at++) {
            scale /= 10;
            fraction += scale * (text.ptr[at] - '0');
        }
    bool valid = at + 1 == text.len && text.ptr[at] == 'Z' && text.ptr[at - 1] != '.' &&
                 scale > 0 && f[0] >= 1970 && f[1] >= 1 && f[1] <= 12 && f[2] >= 1 &&
                 f[2] <= month_days(f[0], f[1]) && f[3] < 24 && f[4] < 60 && f[5] < 60;
    if (!valid)
        return -EINVAL;
    int64_t seconds = day_number(f[0], f[1], f[2]) * 86400 + f[3] * 3600 + f[4] * 60 + f[5];
    *out_us = seconds * 1000000 + fraction;
    return 0;
}
