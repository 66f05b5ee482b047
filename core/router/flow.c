/* One batch in the router: taken apart for the sinks, and folded into one answer for its source. */
#include "router/parts.h"

#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>

const char *flow_note(struct flow *flow, const char *reason)
{
    if (!reason)
        return NULL;
    size_t len = strlen(reason);
    char *copy = arena_alloc(&flow->arena, len + 1, 1);
    if (copy)
        memcpy(copy, reason, len + 1);
    return copy;
}

enum { FLOW_CHUNK_BYTES = 16384 };

/* ---- begin ---- */

static void on_deadline(struct timer *timer)
{
    struct flow *flow = (struct flow *)((char *)timer - offsetof(struct flow, deadline_timer));
    flow->overdue = true;
    router_kick(flow->router);
}

static struct flow *flow_new(struct router *router, struct batch *batch)
{
    struct flow *flow = router->spare;
    if (flow)
        router->spare = flow->next;
    else if ((flow = mem_zalloc(1, sizeof *flow)))
        arena_init(&flow->arena, FLOW_CHUNK_BYTES);
    if (!flow)
        return NULL;
    *flow = (struct flow){
        .router = router, .arena = flow->arena, .deadline_timer = {.fire = on_deadline}};
    flow->batch = batch_ref(batch);
    return flow;
}

static void unpin(struct flow *flow)
{
    flow->router->pinned_bytes -= flow->pinned_bytes;
    flow->pinned_bytes = 0;
}

static void flow_free(struct flow *flow)
{
    struct router *router = flow->router;
    unpin(flow);
    batch_unref(flow->batch);
    arena_reset(&flow->arena);
    flow->next = router->spare;
    router->spare = flow;
}

static size_t count_items(const struct flow *flow)
{
    size_t count = 0;
    for (size_t i = 0; i < flow->batch->record_count; i++) {
        const struct record *record = flow->batch->records[i];
        count += record->poison ? 1 : (size_t)__builtin_popcountll(record->matched | record->unmet);
    }
    return count;
}

static void begin_item(struct item *item)
{
    struct sink *sink = item->sink;
    struct flow *flow = item->flow;
    const struct record *record = item->record;
    struct memory_fact fact =
        memory_find(&sink->memory, record->stream_arn, record_position(record));
    if (fact.finished) {
        sink->counts.duplicate++;
        item->state = ITEM_FINISHED;
        return;
    }
    if (!sink->route.required && sink->queued >= sink->route.queue_records) {
        sink->counts.dropped++;
        item->state = ITEM_FINISHED;
        return;
    }
    /* with `block` the mapping bounds the attempts, and each redelivery deserves at least one */
    item->attempts = sink->route.on_exhausted == ROUTE_BLOCK ? 0 : fact.attempts;
    item->down_epoch = fact.down_epoch;
    sink->counts.pending++;
    flow->holds[sink->index]++;
    if (!(record->unmet >> sink->index & 1)) {
        sink_accept(sink, item);
        return;
    }
    sink->queued++;
    item->state = ITEM_OPEN;
    item_exhaust(item, "the record lacks an image that this sink needs; set the stream's view type "
                       "to NEW_AND_OLD_IMAGES");
}

static void begin_record(struct flow *flow, const struct record *record)
{
    if (record->poison) {
        struct item *item = &flow->items[flow->item_count++];
        *item = (struct item){.record = record, .flow = flow};
        flow->poison_items++;
        poison_begin(item);
        return;
    }
    for (uint64_t wanted = record->matched | record->unmet; wanted; wanted &= wanted - 1) {
        struct item *item = &flow->items[flow->item_count++];
        *item = (struct item){
            .record = record, .flow = flow, .sink = &flow->router->sinks[__builtin_ctzll(wanted)]};
        begin_item(item);
    }
}

static void count_read(struct router *router, const struct batch *batch)
{
    size_t poison = 0;
    for (size_t i = 0; i < batch->record_count; i++)
        poison += batch->records[i]->poison != NULL;
    for (size_t i = 0; i < router->sink_count; i++) {
        struct sink_counts *counts = &router->sinks[i].counts;
        counts->read += batch->read_count;
        counts->filtered += batch->read_count - poison - batch->matched_count[i];
        counts->pending += poison;
    }
}

int router_submit(struct router *router, struct batch *batch, int64_t deadline_ms,
                  batch_done_cb done, void *arg)
{
    struct clock *clock = router->clock;
    struct flow *flow = flow_new(router, batch);
    if (!flow)
        return -ENOMEM;
    flow->deadline_ms = deadline_ms;
    flow->done = done;
    flow->arg = arg;
    flow->pinned_bytes = batch_pinned_bytes(batch); /* it may grow: give back what was counted */
    router->pinned_bytes += flow->pinned_bytes;
    flow->items = arena_alloc(&flow->arena, (count_items(flow) + 1) * sizeof *flow->items,
                              _Alignof(struct item));
    flow->holds =
        arena_alloc(&flow->arena, (router->sink_count + 1) * sizeof *flow->holds, _Alignof(size_t));
    int64_t left_ms = deadline_ms ? deadline_ms - clock->now_ms(clock->ctx) : 0;
    if (!flow->items || !flow->holds ||
        (deadline_ms && clock->arm(clock->ctx, &flow->deadline_timer, left_ms) < 0)) {
        flow_free(flow);
        return -ENOMEM;
    }
    memset(flow->holds, 0, (router->sink_count + 1) * sizeof *flow->holds);
    struct flow **end = &router->first;
    while (*end)
        end = &(*end)->next;
    flow->next = NULL;
    *end = flow;
    router->flow_count++;
    count_read(router, batch);
    for (size_t i = 0; i < batch->record_count; i++)
        begin_record(flow, batch->records[i]);
    for (size_t i = 0; router->config.invocations && i < router->sink_count; i++)
        sink_wake(&router->sinks[i]);
    router_kick(router);
    return 0;
}

/* ---- is it over? ---- */

/* Whether a sink may still do something for this flow's records. */
static bool still_working(const struct flow *flow, const struct sink *sink)
{
    bool invocations = flow->router->config.invocations;
    if (flow->holds[sink->index] == 0)
        return false;
    return !sink->down || sink->open_count > sink->hung || (sink->route.required && !invocations);
}

static bool flow_cut_short(const struct flow *flow)
{
    return flow->overdue || flow->router->stopping;
}

static bool flow_over(const struct flow *flow)
{
    const struct router *router = flow->router;
    if (flow_cut_short(flow))
        return true;
    for (size_t i = 0; i < router->sink_count; i++)
        if (still_working(flow, &router->sinks[i]))
            return false;
    return flow->holds[router->sink_count] == 0;
}

/* ---- end ---- */

static bool holds_item_of(const weir_delivery *delivery, const struct flow *flow)
{
    for (size_t i = 0; i < delivery->count; i++) {
        const struct item *item = delivery->entries[i].item;
        if (item->flow == flow && item->state == ITEM_OPEN)
            return true;
    }
    return false;
}

static void revoke_open(struct flow *flow)
{
    struct router *router = flow->router;
    for (size_t i = 0; i < router->sink_count; i++)
        for (weir_delivery *delivery = router->sinks[i].open_first, *next; delivery;
             delivery = next) {
            next = delivery->next;
            if (holds_item_of(delivery, flow))
                sink_revoke(delivery);
        }
    board_drain(router->board); /* what was completed before or by the cancelling still counts */
}

static bool counts_against(const struct item *item)
{
    return item->state != ITEM_FINISHED && !item->origin &&
           (!item->sink || item->sink->route.required);
}

static void fold_item(struct batch_result *result, const struct item *item,
                      const struct record **last_counted)
{
    weir_str position = record_position(item->record);
    if (*last_counted != item->record)
        result->unfinished++;
    *last_counted = item->record;
    result->complete = false;
    if (record_identifier(item->record).len == 0 || position.len == 0)
        result->lowest_unreadable = true;
    if (item->sink && item->sink->down)
        result->sink_down = true;
    if (!result->lowest || sequence_cmp(position, record_position(result->lowest)) < 0) {
        result->lowest = item->record;
        result->sink = item->sink ? item->sink->route.name : NULL;
        result->reason = item->why                        ? item->why
                         : item->sink && item->sink->down ? "the sink is down"
                                                          : NULL;
    }
}

static struct batch_result fold(const struct flow *flow)
{
    struct batch_result result = {.complete = true};
    const struct record *last_counted = NULL;
    for (size_t i = 0; i < flow->item_count; i++)
        if (counts_against(&flow->items[i]))
            fold_item(&result, &flow->items[i], &last_counted);
    return result;
}

static void remember(const struct flow *flow, bool complete)
{
    for (size_t i = 0; i < flow->item_count; i++) {
        const struct item *item = &flow->items[i];
        if (!item->sink)
            continue;
        weir_str position = record_position(item->record);
        struct memory *memory = &item->sink->memory;
        const struct memory_fact fact = {.finished = item->state == ITEM_FINISHED,
                                         .attempts = item->attempts,
                                         .down_epoch = item->down_epoch};
        if (complete)
            memory_drop(memory, item->record->stream_arn, position);
        else if (fact.finished || fact.attempts > 0 || fact.down_epoch > 0)
            memory_put(memory, item->record->stream_arn, position, fact);
    }
}

/* An item that the end of its flow finds unfinished goes back to the source; what a plugin still
 * holds stays reachable until it is completed. */
static void release_item(struct item *item)
{
    struct sink *sink = item->sink;
    if (item->state == ITEM_FINISHED || !sink)
        return;
    *(sink->route.required || item->origin ? &sink->counts.returned : &sink->counts.dropped) += 1;
    sink->counts.pending--;
    bool with_plugin = item->state == ITEM_OPEN;
    if (with_plugin && item->lane) {
        item->lane->open--;
        item->lane->closed++; /* until it is completed, also for the batches to come */
        item->closes = !item->lane->single;
        item->lane_key = item->lane->key;
    }
    sink_detach(item);
    if (!with_plugin)
        return;
    item->orphan = true;
    item->revoked_next = sink->revoked;
    sink->revoked = item;
    item->flow->orphans++;
}

static void release_poison(const struct flow *flow)
{
    struct router *router = flow->router;
    for (size_t i = 0; i < flow->item_count; i++)
        if (!flow->items[i].sink && flow->items[i].state != ITEM_FINISHED)
            for (size_t k = 0; k < router->sink_count; k++) {
                router->sinks[k].counts.returned++;
                router->sinks[k].counts.pending--;
            }
}

static void release(struct flow *flow)
{
    struct router *router = flow->router;
    for (size_t i = 0; i < flow->item_count; i++)
        release_item(&flow->items[i]);
    for (struct item *letter = flow->letters; letter; letter = letter->letter_next)
        release_item(letter);
    if (flow->poison_items)
        release_poison(flow);
    flow->orphans +=
        flow->holds[router->sink_count]; /* the local store still reads from its arena */
}

static void leave_list(struct flow **list, struct flow *flow)
{
    while (*list != flow)
        list = &(*list)->next;
    *list = flow->next;
}

static void flow_end(struct flow *flow)
{
    struct router *router = flow->router;
    struct clock *clock = router->clock;
    clock->disarm(clock->ctx, &flow->deadline_timer);
    if (flow_cut_short(flow))
        revoke_open(flow);
    struct batch_result result = fold(flow);
    if (router->config.invocations)
        remember(flow, result.complete);
    release(flow);
    flow->ended = true;
    leave_list(&router->first, flow);
    flow->next = router->orphaned;
    router->orphaned = flow;
    router->flow_count--;
    if ((router->config.invocations || router->stopping) && router->flow_count == 0)
        for (size_t i = 0; i < router->sink_count; i++)
            sink_rest(&router->sinks[i]);
    if (flow->orphans == 0)
        unpin(flow); /* its owner may look whether there is room again */
    flow->orphans++; /* so that it lives while its owner looks at the result */
    flow->done(flow->arg, &result);
    flow_orphan_gone(flow);
}

void flow_forget(struct flow *flow)
{
    batch_unref(flow->batch);
    arena_done(&flow->arena);
    mem_free(flow);
}

void flow_orphan_gone(struct flow *flow)
{
    if (--flow->orphans > 0)
        return;
    if (!flow->router) {
        flow_forget(flow); /* the store was the last to need it */
        return;
    }
    leave_list(&flow->router->orphaned, flow);
    flow_free(flow);
}

/* ---- the router's turn ---- */

static void end_flows(struct router *router, bool (*over)(const struct flow *flow))
{
    for (struct flow *flow = router->first, *next; flow; flow = next) {
        next = flow->next;
        if (over(flow))
            flow_end(flow);
    }
}

static void on_kick(struct post *post)
{
    struct router *router = (struct router *)((char *)post - offsetof(struct router, kick));
    router->kicked = false;
    end_flows(router, flow_cut_short); /* first: nothing is started for them any more */
    for (size_t i = 0; i < router->sink_count; i++)
        sink_pump(&router->sinks[i]);
    end_flows(router, flow_over);
}

void router_kick(struct router *router)
{
    struct clock *clock = router->clock;
    if (router->kicked)
        return;
    router->kicked = true;
    router->kick.run = on_kick;
    clock->post(clock->ctx, &router->kick);
}
