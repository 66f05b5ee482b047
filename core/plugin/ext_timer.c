#include "plugin/ext.h"

#include "plugin/instance.h"
#include "util/alloc.h"

#include <errno.h>

enum { TIMERS_MAX = 1 << 20 };

struct ext_timer {
    struct timer timer;
    struct ext_timers *owner;
    void (*fire)(void *arg); /* NULL: the slot is free */
    void *arg;
    uint32_t slot, generation; /* an id names both, so that a stale one never stops another timer */
    struct ext_timer *next_free;
};

struct ext_timers {
    struct clock *clock;
    struct ext_timer **slots; /* kept until the instance ends: the clock may hold a pointer */
    uint32_t count, room;
    struct ext_timer *free_list;
};

struct ext_timers *ext_timers_new(struct world *world)
{
    struct ext_timers *timers = mem_zalloc(1, sizeof *timers);
    if (timers)
        timers->clock = world ? &world->clock : NULL;
    return timers;
}

static void release(struct ext_timer *slot)
{
    slot->fire = NULL;
    slot->generation++;
    slot->next_free = slot->owner->free_list;
    slot->owner->free_list = slot;
}

void ext_timers_free(struct ext_timers *timers)
{
    for (uint32_t i = 0; timers && i < timers->count; i++) {
        if (timers->slots[i]->fire)
            timers->clock->disarm(timers->clock->ctx, &timers->slots[i]->timer);
        mem_free(timers->slots[i]);
    }
    if (timers)
        mem_free(timers->slots);
    mem_free(timers);
}

static void on_timer(struct timer *timer)
{
    struct ext_timer *slot =
        (struct ext_timer *)((char *)timer - offsetof(struct ext_timer, timer));
    void (*fire)(void *) = slot->fire;
    void *arg = slot->arg;
    release(slot); /* first: fire() may start another timer or end the instance */
    fire(arg);
}

static struct ext_timer *new_slot(struct ext_timers *timers)
{
    if (timers->count == timers->room) {
        uint32_t room = timers->room ? timers->room * 2 : 8;
        struct ext_timer **grown =
            room > TIMERS_MAX ? NULL : mem_realloc(timers->slots, room * sizeof(void *));
        if (!grown)
            return NULL;
        timers->slots = grown;
        timers->room = room;
    }
    struct ext_timer *slot = mem_zalloc(1, sizeof *slot);
    if (!slot)
        return NULL;
    slot->owner = timers;
    slot->slot = timers->count;
    slot->generation = 1;
    slot->timer.fire = on_timer;
    timers->slots[timers->count++] = slot;
    return slot;
}

static int64_t timer_now_ms(weir_instance *instance)
{
    struct clock *clock = instance ? instance->timers->clock : NULL;
    return clock ? clock->now_ms(clock->ctx) : 0;
}

static int64_t timer_wall_us(weir_instance *instance)
{
    struct clock *clock = instance ? instance->timers->clock : NULL;
    return clock ? clock->wall_us(clock->ctx) : 0;
}

static uint64_t timer_start(weir_instance *instance, int64_t delay_ms, void (*fire)(void *arg),
                            void *arg)
{
    struct ext_timers *timers = instance ? instance->timers : NULL;
    if (!timers || !timers->clock || !fire)
        return 0;
    struct ext_timer *slot = timers->free_list;
    if (slot)
        timers->free_list = slot->next_free;
    else
        slot = new_slot(timers);
    if (!slot)
        return 0;
    slot->fire = fire;
    slot->arg = arg;
    if (timers->clock->arm(timers->clock->ctx, &slot->timer, delay_ms < 0 ? 0 : delay_ms) < 0) {
        release(slot);
        return 0;
    }
    return (uint64_t)slot->generation << 32 | (slot->slot + 1);
}

static void timer_stop(weir_instance *instance, uint64_t id)
{
    struct ext_timers *timers = instance ? instance->timers : NULL;
    uint32_t index = (uint32_t)id - 1;
    struct ext_timer *slot = timers && index < timers->count ? timers->slots[index] : NULL;
    if (!slot || !slot->fire || slot->generation != (uint32_t)(id >> 32))
        return;
    timers->clock->disarm(timers->clock->ctx, &slot->timer);
    release(slot);
}

const weir_timer ext_timer_table = {
    .revision = 1,
    .struct_size = sizeof(weir_timer),
    .now_ms = timer_now_ms,
    .wall_us = timer_wall_us,
    .start = timer_start,
    .stop = timer_stop,
};
