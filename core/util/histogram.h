/* Durations counted by their length, for metrics: fixed buckets, cheap to add to. */
#ifndef WEIR_UTIL_HISTOGRAM_H
#define WEIR_UTIL_HISTOGRAM_H
#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 15 };

struct histogram {                           /* zeroed = empty */
    uint64_t buckets[HISTOGRAM_BUCKETS + 1]; /* each its own; the last holds what is longer */
    uint64_t count;
    int64_t sum_ms;
};

/* The longest duration of a bucket below the last, in ms. */
int64_t histogram_bound_ms(size_t bucket);
void histogram_add(struct histogram *histogram, int64_t ms); /* below 0 counts as 0 */
#endif
