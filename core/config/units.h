/* Durations, sizes and points in time as people write them in a configuration. */
#ifndef WEIR_CONFIG_UNITS_H
#define WEIR_CONFIG_UNITS_H
#include "util/str.h"
#include <stdint.h>

/* "250ms", "5s", "15m", "24h", "7d": whole numbers with one unit. 0, -EINVAL, -ERANGE. */
int duration_parse(weir_str text, int64_t *out_ms);
/* "512B", "64KiB", "8MiB", "1GiB". 0, -EINVAL, -ERANGE. */
int size_parse(weir_str text, int64_t *out_bytes);
/* "2026-11-22T22:21:14Z", optionally with a fraction of up to 6 digits. 0 or -EINVAL. */
int timestamp_parse(weir_str text, int64_t *out_us);
/* The shortest exact way to write a duration, for messages: "24h". `out` holds at least 24 bytes.
 */
void duration_show(int64_t ms, char out[24]);
void size_show(int64_t bytes, char out[24]);
#endif
