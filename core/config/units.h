/* Points in time as people write them in a configuration, and units shown to them. (Durations and
 * sizes are read by plugin/options.h, so that weir's keys and plugins' options agree.) */
#ifndef WEIR_CONFIG_UNITS_H
#define WEIR_CONFIG_UNITS_H
#include "util/str.h"
#include <stdint.h>

/* "2026-11-22T22:21:14Z", optionally with a fraction of up to 6 digits. 0 or -EINVAL. */
int timestamp_parse(weir_str text, int64_t *out_us);
/* The shortest exact way to write a duration, for messages: "24h". `out` holds at least 24 bytes.
 */
void duration_show(int64_t ms, char out[24]);
void size_show(int64_t bytes, char out[24]);
#endif
