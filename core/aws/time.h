/* The times that services write. */
#ifndef WEIR_AWS_TIME_H
#define WEIR_AWS_TIME_H
#include "util/str.h"
#include <stdint.h>

/* "2026-11-22T22:21:14Z", also with a fraction (cut) or an offset. 0 or -EINVAL. */
int parse_iso_time(weir_str text, int64_t *out_unix_s);
/* "Sun, 22 Nov 2026 22:21:14 GMT". 0 or -EINVAL. */
int parse_http_date(weir_str text, int64_t *out_unix_s);
#endif
