/* A binary heap of caller-owned timers: first due first, and of those due together the one armed
 * first. */
#ifndef WEIR_LOOP_TIMERS_H
#define WEIR_LOOP_TIMERS_H
#include "util/seam.h"

struct timers { /* zeroed = empty */
    struct timer **heap;
    size_t count, capacity;
    uint64_t armed; /* timers armed so far: the next `order` */
};

int timers_arm(struct timers *timers, struct timer *timer, int64_t at_ms); /* 0 or -ENOMEM */
void timers_disarm(struct timers *timers, struct timer *timer);
struct timer *timers_first(const struct timers *timers); /* NULL when none */
/* Fires what is due at now_ms and was armed before this call: a timer armed again with no delay
 * from its own fire() waits for the next call. */
void timers_fire(struct timers *timers, int64_t now_ms);
void timers_done(struct timers *timers); /* disarms all without a call, frees */
#endif
