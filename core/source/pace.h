/* How long a reader waits before it reads on. Pure: no clock, no calls. */
#ifndef WEIR_SOURCE_PACE_H
#define WEIR_SOURCE_PACE_H
#include "util/seam.h"

enum {
    PACE_FIRST_MS = 250,      /* an event source mapping's base rate: four reads a second */
    PACE_BEHIND_US = 5000000, /* newest record older than this: there is more to catch up with */
    PACE_THROTTLED_MS = 200,  /* first pause bound of a throttled shard, doubled ... */
    PACE_THROTTLED_LAST_MS = 20000,
    PACE_BROKEN_MS = 250, /* the same for a service in trouble */
    PACE_BROKEN_LAST_MS = 30000
};

struct pace {           /* zeroed = nothing read yet */
    int64_t idle_ms;    /* the last pause after an empty page */
    unsigned throttled; /* in a row */
    unsigned broken;    /* in a row */
    unsigned empty;     /* pages in a row */
};

/* After an empty page: 250 ms, doubled up to `most_ms`, a little less each time so that shards
 * spread. */
int64_t pace_empty(struct pace *pace, int64_t most_ms, const struct random *random);
/* After a page of `records` of at most `limit`, the newest `age_us` old (negative = unknown): 0
 * while there may be more at once, else the base rate. */
int64_t pace_data(struct pace *pace, size_t records, size_t limit, int64_t age_us, int64_t most_ms);
/* After a refusal, a failure: exponential with full jitter. */
int64_t pace_throttled(struct pace *pace, const struct random *random);
int64_t pace_broken(struct pace *pace, const struct random *random);
/* Some answer came that was neither. */
void pace_answered(struct pace *pace);
#endif
