#include "source/pace.h"

int64_t pace_empty(struct pace *pace, int64_t most_ms, const struct random *random)
{
    int64_t next_ms = pace->idle_ms ? pace->idle_ms * 2 : PACE_FIRST_MS;
    pace_answered(pace);
    pace->empty++;
    pace->idle_ms = next_ms < most_ms ? next_ms : most_ms;
    uint64_t tenth = (uint64_t)pace->idle_ms / 10 + 1;
    return pace->idle_ms - (int64_t)(random->next(random->ctx) % tenth);
}

int64_t pace_data(struct pace *pace, size_t records, size_t limit, int64_t age_us, int64_t most_ms)
{
    pace_answered(pace);
    pace->empty = 0;
    pace->idle_ms = 0;
    if (records >= limit || age_us < 0 || age_us > PACE_BEHIND_US)
        return 0;
    return most_ms < PACE_FIRST_MS ? most_ms : PACE_FIRST_MS;
}

static int64_t back_off(unsigned failures, int64_t first_ms, int64_t last_ms,
                        const struct random *random)
{
    int64_t bound_ms = first_ms;
    while (--failures > 0 && bound_ms < last_ms)
        bound_ms *= 2;
    if (bound_ms > last_ms)
        bound_ms = last_ms;
    return 1 + (int64_t)(random->next(random->ctx) % (uint64_t)bound_ms);
}

int64_t pace_throttled(struct pace *pace, const struct random *random)
{
    return back_off(++pace->throttled, PACE_THROTTLED_MS, PACE_THROTTLED_LAST_MS, random);
}

int64_t pace_broken(struct pace *pace, const struct random *random)
{
    return back_off(++pace->broken, PACE_BROKEN_MS, PACE_BROKEN_LAST_MS, random);
}

void pace_answered(struct pace *pace)
{
    pace->throttled = 0;
    pace->broken = 0;
}
