/* ApproximateCreationDateTime: seconds, milliseconds or microseconds, told apart by magnitude. */
#ifndef WEIR_RECORD_CREATED_H
#define WEIR_RECORD_CREATED_H
#include <stdint.h>

/* A valid JSON number [p, end): integer, fraction or exponent. *precision: 1 s, 2 ms, 3 us.
 * 0, or -ERANGE (negative, or past the year 5138). Digits below a microsecond are dropped. */
int created_parse(const char *p, const char *end, int64_t *unix_us, uint8_t *precision);
#endif
