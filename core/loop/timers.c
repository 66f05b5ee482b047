#include "loop/timers.h"

#include "util/alloc.h"

#include <errno.h>

static bool before(const struct timer *a, const struct timer *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void place(struct timers *timers, size_t slot, struct timer *timer)
{
    timers->heap[slot] = timer;
    timer->heap_slot = slot + 1;
}

static void sift_up(struct timers *timers, size_t slot, struct timer *timer)
{
    while (slot > 0 && before(timer, timers->heap[(slot - 1) / 2])) {
        place(timers, slot, timers->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    place(timers, slot, timer);
}

static void sift_down(struct timers *timers, size_t slot, struct timer *timer)
{
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child + 1 < timers->count && before(timers->heap[child + 1], timers->heap[child]))
            child++;
        if (child >= timers->count || !before(timers->heap[child], timer))
            break;
        place(timers, slot, timers->heap[child]);
        slot = child;
    }
    place(timers, slot, timer);
}

static int make_room(struct timers *timers)
{
    if (timers->count < timers->capacity)
        return 0;
    size_t capacity = timers->capacity ? timers->capacity * 2 : 16;
    struct timer **grown = mem_realloc(timers->heap, capacity * sizeof(struct timer *));
    if (!grown)
        return -ENOMEM;
    timers->heap = grown;
    timers->capacity = capacity;
    return 0;
}

int timers_arm(struct timers *timers, struct timer *timer, int64_t at_ms)
{
    /* An armed timer has its place already, so that arming it again can't fail. */
    if (timer->heap_slot == 0 && make_room(timers) < 0)
        return -ENOMEM;
    timers_disarm(timers, timer);
    timer->at_ms = at_ms;
    timer->order = timers->armed++;
    sift_up(timers, timers->count++, timer);
    return 0;
}

void timers_disarm(struct timers *timers, struct timer *timer)
{
    if (timer->heap_slot == 0)
        return;
    size_t slot = timer->heap_slot - 1;
    struct timer *last = timers->heap[--timers->count];
    timer->heap_slot = 0;
    if (last == timer)
        return;
    if (slot > 0 && before(last, timers->heap[(slot - 1) / 2]))
        sift_up(timers, slot, last);
    else
        sift_down(timers, slot, last);
}

struct timer *timers_first(const struct timers *timers)
{
    return timers->count ? timers->heap[0] : NULL;
}

void timers_fire(struct timers *timers, int64_t now_ms)
{
    uint64_t limit = timers->armed;
    for (;;) {
        struct timer *timer = timers_first(timers);
        if (!timer || timer->at_ms > now_ms || timer->order >= limit)
            return;
        timers_disarm(timers, timer);
        timer->fire(timer);
    }
}

void timers_done(struct timers *timers)
{
    for (size_t i = 0; i < timers->count; i++)
        timers->heap[i]->heap_slot = 0;
    mem_free(timers->heap);
    *timers = (struct timers){.armed = timers->armed};
}
