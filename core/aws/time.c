#include "aws/time.h"

#include <errno.h>

/* Days since 1970-01-01 of the proleptic Gregorian calendar, counted from a year that begins in
 * March. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year % 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct fields {
    int year, month, day, hour, minute, second;
};

static int unix_time(const struct fields *at, int64_t *out)
{
    if (at->year < 1970 || at->month < 1 || at->month > 12 || at->day < 1 || at->day > 31 ||
        at->hour > 23 || at->minute > 59 || at->second > 60)
        return -EINVAL;
    int of_day = at->hour * 3600 + at->minute * 60 + at->second;
    *out = days_of(at->year, at->month, at->day) * 86400 + of_day;
    return 0;
}

/* Reads as `pattern` says: a digit class letter takes one digit into its field, '?' takes anything,
 * everything else stands for itself. */
static bool match(weir_str text, const char *pattern, struct fields *out)
{
    struct fields at = {0};
    size_t len = strlen(pattern);
    if (text.len < len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text.ptr[i];
        static const char classes[] = "YNDhms";
        int *const targets[] = {&at.year, &at.month, &at.day, &at.hour, &at.minute, &at.second};
        const char *class = strchr(classes, pattern[i]);
        if (class && c >= '0' && c <= '9')
            *targets[class - classes] = *targets[class - classes] * 10 + (c - '0');
        else if (class || (pattern[i] != '?' && pattern[i] != c))
            return false;
    }
    *out = at;
    return true;
}

static int parse_offset(weir_str text, int64_t *out_s)
{
    struct fields at;
    if (str_is(text, "Z") || str_is(text, "z")) {
        *out_s = 0;
        return 0;
    }
    if ((text.len != 6 && text.len != 5) || (text.ptr[0] != '+' && text.ptr[0] != '-') ||
        !match(text, text.len == 6 ? "?hh:mm" : "?hhmm", &at))
        return -EINVAL;
    int offset_s = at.hour * 3600 + at.minute * 60;
    *out_s = text.ptr[0] == '-' ? -offset_s : offset_s;
    return 0;
}

int parse_iso_time(weir_str text, int64_t *out_unix_s)
{
    struct fields at;
    int64_t unix_s, offset_s;
    size_t end = 19;
    if (!match(text, "YYYY-NN-DD?hh:mm:ss", &at) || unix_time(&at, &unix_s) < 0)
        return -EINVAL;
    if (end < text.len && text.ptr[end] == '.')
        for (end++; end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9'; end++)
            ;
    if (parse_offset((weir_str){text.ptr + end, text.len - end}, &offset_s) < 0)
        return -EINVAL;
    *out_unix_s = unix_s - offset_s;
    return 0;
}

int parse_http_date(weir_str text, int64_t *out_unix_s)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct fields at;
    if (text.len != 29 || !match(text, "???, DD ??? YYYY hh:mm:ss GMT", &at))
        return -EINVAL;
    for (at.month = 1; at.month <= 12; at.month++)
        if (memcmp(months[at.month - 1], text.ptr + 8, 3) == 0)
            return unix_time(&at, out_unix_s);
    return -EINVAL;
}
