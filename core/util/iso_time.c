#include "util/text.h"

#include <stdio.h>

enum { US_PER_SECOND = 1000000, SECONDS_PER_DAY = 86400 };

/* Days since 1970-01-01 to a date of the Gregorian calendar, by counting in 400-year cycles of
 * years that begin in March (Hinnant, "chrono-compatible low-level date algorithms"). */
static void civil_of_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468 + 146097; /* from March of the year -400; the caller's clamp keeps it positive */
    int64_t cycle = days / 146097;
    int64_t of_cycle = days % 146097;
    int64_t year_of_cycle =
        (of_cycle - of_cycle / 1460 + of_cycle / 36524 - of_cycle / 146096) / 365;
    int64_t of_year = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    int64_t month_from_march = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * month_from_march + 2) / 5 + 1);
    *month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *year = (int)(year_of_cycle + (cycle - 1) * 400 + (*month <= 2));
}

int buf_put_iso_time(struct buf *buf, int64_t unix_us, int fraction_digits)
{
    const int64_t first_us = -62167219200 * US_PER_SECOND;
    const int64_t last_us = 253402300800 * US_PER_SECOND - 1;
    int year, month, day;
    if (unix_us < first_us)
        unix_us = first_us;
    if (unix_us > last_us)
        unix_us = last_us;
    int64_t seconds = unix_us / US_PER_SECOND;
    int us = (int)(unix_us % US_PER_SECOND);
    if (us < 0) {
        us += US_PER_SECOND;
        seconds--;
    }
    int64_t days = seconds / SECONDS_PER_DAY;
    int second = (int)(seconds % SECONDS_PER_DAY);
    if (second < 0) {
        second += SECONDS_PER_DAY;
        days--;
    }
    civil_of_days(days, &year, &month, &day);
    int rc = buf_printf(buf, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day, second / 3600,
                        second / 60 % 60, second % 60);
    if (rc == 0 && fraction_digits >= 6)
        rc = buf_printf(buf, ".%06d", us);
    else if (rc == 0 && fraction_digits >= 3)
        rc = buf_printf(buf, ".%03d", us / 1000);
    return rc == 0 ? buf_putc(buf, 'Z') : rc;
}
