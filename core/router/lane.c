/* Lanes and the lists of items in them. */
#include "router/parts.h"

#include "util/alloc.h"

void list_append(struct item_list *list, struct item *item)
{
    item->next = NULL;
    item->prev = list->last;
    if (list->last)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
    list->count++;
}

void list_push(struct item_list *list, struct item *item)
{
    item->prev = NULL;
    item->next = list->first;
    if (list->first)
        list->first->prev = item;
    else
        list->last = item;
    list->first = item;
    list->count++;
}

void list_remove(struct item_list *list, struct item *item)
{
    if (item->prev)
        item->prev->next = item->next;
    else
        list->first = item->next;
    if (item->next)
        item->next->prev = item->prev;
    else
        list->last = item->prev;
    item->next = item->prev = NULL;
    list->count--;
}

/* ---- the map ---- */

static size_t home_of(const struct lane_map *map, uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15ull) >> 20) & (map->capacity - 1);
}

static struct lane **slot_of(const struct lane_map *map, uint64_t key)
{
    size_t at = home_of(map, key);
    while (map->slots[at] && map->slots[at]->key != key)
        at = (at + 1) & (map->capacity - 1);
    return &map->slots[at];
}

static int map_grow(struct lane_map *map)
{
    struct lane_map bigger = {.capacity = map->capacity ? map->capacity * 2 : 64,
                              .count = map->count};
    bigger.slots = mem_zalloc(bigger.capacity, sizeof *bigger.slots);
    if (!bigger.slots)
        return -1;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i])
            *slot_of(&bigger, map->slots[i]->key) = map->slots[i];
    mem_free(map->slots);
    *map = bigger;
    return 0;
}

/* Takes a lane out and closes the gap, so that no probe sequence is broken. */
static void map_remove(struct lane_map *map, uint64_t key)
{
    size_t hole = (size_t)(slot_of(map, key) - map->slots);
    map->slots[hole] = NULL;
    map->count--;
    for (size_t at = (hole + 1) & (map->capacity - 1); map->slots[at];
         at = (at + 1) & (map->capacity - 1)) {
        struct lane *lane = map->slots[at];
        map->slots[at] = NULL;
        *slot_of(map, lane->key) = lane;
    }
}

/* ---- lanes ---- */

static void on_lane_timer(struct timer *timer)
{
    struct lane *lane = (struct lane *)((char *)timer - offsetof(struct lane, timer));
    struct sink *sink = lane->sink;
    lane->waiting = false;
    lane_settle(lane);
    sink_pump(sink);
}

static struct lane *lane_new(struct sink *sink, uint64_t key, bool single)
{
    struct lane *lane = sink->spare_lanes;
    if (lane)
        sink->spare_lanes = lane->next_spare;
    else
        lane = mem_alloc(sizeof *lane);
    if (lane)
        *lane = (struct lane){
            .sink = sink, .key = key, .single = single, .timer = {.fire = on_lane_timer}};
    return lane;
}

struct lane *lane_single(struct sink *sink)
{
    return lane_new(sink, 0, true);
}

struct lane *lane_find(const struct sink *sink, uint64_t key)
{
    return sink->lanes.count ? *slot_of(&sink->lanes, key) : NULL;
}

static size_t orphans_of(const struct sink *sink, uint64_t key)
{
    size_t count = 0;
    for (const struct item *item = sink->revoked; item; item = item->next)
        count += item->closes && item->lane_key == key;
    return count;
}

struct lane *lane_get(struct sink *sink, uint64_t key)
{
    struct lane_map *map = &sink->lanes;
    struct lane *lane = lane_find(sink, key);
    if (lane)
        return lane;
    if (map->count * 2 >= map->capacity && map_grow(map) < 0)
        return NULL;
    lane = lane_new(sink, key, false);
    if (lane) {
        lane->closed = orphans_of(sink, key);
        *slot_of(map, key) = lane;
        map->count++;
    }
    return lane;
}

static void ready_append(struct sink *sink, struct lane *lane)
{
    lane->ready = true;
    lane->next_ready = NULL;
    lane->prev_ready = sink->ready_last;
    if (sink->ready_last)
        sink->ready_last->next_ready = lane;
    else
        sink->ready_first = lane;
    sink->ready_last = lane;
}

static void ready_remove(struct sink *sink, struct lane *lane)
{
    if (lane->prev_ready)
        lane->prev_ready->next_ready = lane->next_ready;
    else
        sink->ready_first = lane->next_ready;
    if (lane->next_ready)
        lane->next_ready->prev_ready = lane->prev_ready;
    else
        sink->ready_last = lane->prev_ready;
    lane->ready = false;
}

void lane_take_ready(struct lane *lane)
{
    ready_remove(lane->sink, lane);
}

static void lane_free(struct lane *lane)
{
    struct sink *sink = lane->sink;
    struct clock *clock = sink->router->clock;
    if (lane->waiting)
        clock->disarm(clock->ctx, &lane->timer);
    if (!lane->single)
        map_remove(&sink->lanes, lane->key);
    lane->next_spare = sink->spare_lanes;
    sink->spare_lanes = lane;
}

void lane_settle(struct lane *lane)
{
    const struct item *head = lane->items.first;
    bool ready = head && head->state == ITEM_QUEUED && lane->open == 0 && lane->closed == 0 &&
                 !lane->waiting && !lane->blocked;
    if (ready && !lane->ready)
        ready_append(lane->sink, lane);
    else if (!ready && lane->ready)
        ready_remove(lane->sink, lane);
    if (!head)
        lane_free(lane);
}

void lane_wait(struct lane *lane, int64_t delay_ms)
{
    struct clock *clock = lane->sink->router->clock;
    if (lane->waiting)
        clock->disarm(clock->ctx, &lane->timer);
    lane->waiting = clock->arm(clock->ctx, &lane->timer, delay_ms) == 0;
}

void lanes_done(struct sink *sink)
{
    mem_free(sink->lanes.slots);
    while (sink->spare_lanes) {
        struct lane *lane = sink->spare_lanes;
        sink->spare_lanes = lane->next_spare;
        mem_free(lane);
    }
}
