#include "util/histogram.h"

static const int64_t bounds_ms[HISTOGRAM_BUCKETS] = {1,   2,    5,    10,   20,    50,    100,  200,
                                                     500, 1000, 2000, 5000, 10000, 30000, 60000};

int64_t histogram_bound_ms(size_t bucket)
{
    return bounds_ms[bucket];
}

void histogram_add(struct histogram *histogram, int64_t ms)
{
    size_t bucket = 0;
    if (ms < 0)
        ms = 0;
    while (bucket < HISTOGRAM_BUCKETS && ms > bounds_ms[bucket])
        bucket++;
    histogram->buckets[bucket]++;
    histogram->count++;
    histogram->sum_ms = ms < INT64_MAX - histogram->sum_ms ? histogram->sum_ms + ms : INT64_MAX;
}
