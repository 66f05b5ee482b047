/* One sink: what waits for it, what is with its plugin, and whether it is up. */
#include "router/parts.h"

#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>

static void on_probe_timer(struct timer *timer)
{
    struct sink *sink = (struct sink *)((char *)timer - offsetof(struct sink, probe_timer));
    sink_pump(sink);
}

int sink_init(struct sink *sink, struct router *router, const struct route *route, size_t index)
{
    const weir_plugin *plugin = &route->instance->plugin->desc;
    *sink = (struct sink){.router = router,
                          .route = *route,
                          .index = index,
                          .keeps_order = (plugin->flags & WEIR_P_KEEPS_ORDER) && !plugin->record,
                          .probe_delay_ms = PROBE_FIRST_MS,
                          .probe_timer = {.fire = on_probe_timer},
                          .counts = {.up = true}};
    if (route->concurrency == 0 || route->batch_records == 0 || route->max_attempts < 1)
        return -EINVAL;
    return 0;
}

void sink_done(struct sink *sink)
{
    struct clock *clock = sink->router->clock;
    clock->disarm(clock->ctx, &sink->probe_timer);
    lanes_done(sink);
    memory_done(&sink->memory);
}

/* ---- what waits ---- */

static uint64_t lane_key(const struct sink *sink, const struct record *record)
{
    if (sink->route.order == ROUTE_ITEM)
        return record->item_hash;
    uint64_t hash =
        hash_bytes(HASH_SEED, record->origin->stream_arn.ptr, record->origin->stream_arn.len);
    return hash_bytes(hash, record->batch->shard.ptr, record->batch->shard.len);
}

/* The record itself and a dead letter about it are two things, so are letters of two sinks. */
static bool same_errand(const struct item *a, const struct item *b)
{
    if (!a->letter || !b->letter)
        return !a->letter && !b->letter;
    return as_letter(a)->origin->sink == as_letter(b)->origin->sink;
}

/* The item of an ended flow with which a plugin still holds this very record. */
static struct item *revoked_item(const struct sink *sink, const struct item *wanted)
{
    const struct record *record = wanted->record;
    weir_str position = record_position(record);
    if (position.len == 0)
        return NULL; /* nothing to know it by */
    for (struct item *item = sink->revoked; item; item = item->next)
        if (!item->waiter && same_errand(item, wanted) &&
            str_eq(record_position(item->record), position) &&
            str_eq(item->record->origin->stream_arn, record->origin->stream_arn))
            return item;
    return NULL;
}

static void wait_behind(struct item *item, struct item *holder)
{
    item->state = ITEM_BEHIND;
    item->behind = holder;
    holder->waiter = item;
}

/* Its lane, so that the next of its order unit would find it there, is what it lacks: until it has
 * it, or is back with its source, nothing new is taken, of whatever lane. */
static void bar(struct sink *sink, struct item *item)
{
    item->bars = true;
    sink->bars++;
    item_starve(item, NULL);
}

struct lane *sink_lane_of(struct sink *sink, const struct item *item)
{
    return lane_get(sink, lane_key(sink, item->record));
}

static void take_in(struct item *item, struct lane *lane)
{
    struct sink *sink = item->sink;
    struct item *holder = sink->revoked ? revoked_item(sink, item) : NULL;
    item->lane = lane;
    if (lane)
        list_append(&lane->items, item);
    if (lane && lane->blocked) {
        item_stick(item, STUCK_BEHIND);
        return;
    }
    item->state = ITEM_QUEUED;
    if (holder)
        wait_behind(item, holder);
    if (lane)
        lane_settle(lane);
    else if (!holder)
        list_append(&sink->queue, item);
}

void sink_accept(struct sink *sink, struct item *item)
{
    bool ordered = sink->route.order != ROUTE_NONE, barred = sink->bars > 0 && !item->letter;
    struct lane *lane = ordered && !barred ? sink_lane_of(sink, item) : NULL;
    item->state = ITEM_OPEN; /* in no list yet */
    sink->queued++;
    sink->letters += item->letter;
    if (ordered && !lane && !item->letter) /* letters have no order */
        bar(sink, item);
    else
        take_in(item, lane);
}

bool sink_take_starved(struct item *item)
{
    struct sink *sink = item->sink;
    struct lane *lane = lane_get(sink, lane_key(sink, item->record));
    if (!lane)
        return false;
    item_unstarve(item);
    take_in(item, lane);
    return true;
}

void sink_requeue(struct item *item, int64_t delay_ms)
{
    struct sink *sink = item->sink;
    flow_put_back(item);
    if (item->lane && item->lane->blocked) {
        item_stick(item, STUCK_BEHIND);
        return;
    }
    item->state = ITEM_QUEUED;
    if (!item->lane && delay_ms < 0) {
        list_append(&sink->queue, item);
        return;
    }
    if (!item->lane) {
        item->lane = lane_single(sink);
        if (!item->lane) {
            list_append(&sink->queue, item); /* too early a retry is better than none */
            return;
        }
        list_append(&item->lane->items, item);
    }
    if (delay_ms >= 0)
        lane_wait(item->lane, delay_ms);
    lane_settle(item->lane);
}

void sink_stop_waiting(struct item *item)
{
    if (item->behind)
        item->behind->waiter = NULL;
    item->behind = NULL;
}

void sink_detach(struct item *item)
{
    struct lane *lane = item->lane;
    struct sink *sink = item->sink;
    sink->queued--;
    if (item->letter) {
        sink->letters--;
        sink->letter_bytes -= as_letter(item)->dead->json.len;
    }
    if (lane) {
        list_remove(&lane->items, item);
        item->lane = NULL;
        lane_settle(lane);
    } else if (item->state == ITEM_QUEUED) {
        list_remove(&sink->queue, item);
    }
    sink_stop_waiting(item);
}

/* ---- deliveries ---- */

static bool too_old(const struct sink *sink, const struct item *item)
{
    struct clock *clock = sink->router->clock;
    int64_t limit_ms = sink->route.max_record_age_ms;
    if (limit_ms == 0 || item->record->precision == 0 || item->letter)
        return false; /* a letter tells of an old record, it is not old itself */
    if (sink->router->config.blocks_for_ever && sink->route.on_exhausted == ROUTE_BLOCK)
        return false; /* it is never given up */
    return (clock->wall_us(clock->ctx) - item->record->created_us) / 1000 > limit_ms;
}

/* What a delivery under assembly goes on with. */
struct filling {
    struct item *last; /* taken last, from a lane whose run goes on (a plugin that keeps order) */
    struct flow *flow; /* a delivery holds records of one batch, since a record may be read until
                          the last one of its delivery is completed; NULL: nothing taken yet */
    size_t count, most;
};

static size_t most_beside(const struct item *item)
{
    return item->together ? (size_t)1 << (item->together - 1) : SIZE_MAX;
}

static bool may_take(const struct item *item, const struct filling *filling)
{
    return item && item->state == ITEM_QUEUED && (!filling->flow || item->flow == filling->flow) &&
           filling->count < filling->most && filling->count < most_beside(item);
}

/* At the deadline nothing is started, even when its timer could not fire yet because a plugin's
 * record() takes its time. */
static bool out_of_time(const struct item *item)
{
    struct flow *flow = item->flow;
    struct clock *clock = flow->router->clock;
    if (!flow->overdue && flow->deadline_ms && clock->now_ms(clock->ctx) >= flow->deadline_ms) {
        flow->overdue = true;
        flow_changed(flow);
    }
    return flow->overdue;
}

/* Who is next. A sink that is down is probed, where there is a choice, by a record that did not
 * itself get `down` since the last sign of life: if that one passes, it was the record's fault. */
static struct item *candidate(const struct sink *sink)
{
    enum { LOOK_AT = 16 };
    struct item *first = sink->ready_first ? sink->ready_first->items.first : sink->queue.first;
    const uint32_t suspect = sink->up_epoch + 1;
    if (!sink->down || !first || first->down_epoch != suspect)
        return first;
    int looked = 0;
    for (const struct lane *lane = sink->ready_first; lane && looked < LOOK_AT; looked++) {
        if (lane->items.first->down_epoch != suspect)
            return lane->items.first;
        lane = lane->next_ready;
    }
    for (struct item *item = sink->queue.first; item && looked < 2 * LOOK_AT; looked++) {
        if (item->down_epoch != suspect)
            return item;
        item = item->next;
    }
    return first;
}

/* Out of memory; perhaps nothing else will happen that tries again. */
static void try_later(struct sink *sink)
{
    struct clock *clock = sink->router->clock;
    if (sink->probe_timer.heap_slot == 0)
        clock->arm(clock->ctx, &sink->probe_timer, PROBE_FIRST_MS);
}

/* Hands out the next item that may go to the plugin, already ITEM_OPEN, or NULL. */
static struct item *next_item(struct sink *sink, struct filling *filling)
{
    struct item *item = filling->last ? filling->last->next : NULL;
    bool goes_on = may_take(item, filling);
    if (!goes_on)
        item = candidate(sink);
    if (!may_take(item, filling) || out_of_time(item))
        return NULL;
    if (sink->completes && !exchange_complete(item)) {
        try_later(sink);
        return NULL;
    }
    if (!item->lane)
        list_remove(&sink->queue, item);
    else if (!goes_on)
        lane_take_ready(item->lane);
    if (item->lane)
        item->lane->open++;
    item->state = ITEM_OPEN;
    return item;
}

static struct item *next_deliverable(struct sink *sink, struct filling *filling)
{
    struct item *item;
    struct clock *clock = sink->router->clock;
    while ((item = next_item(sink, filling)) && too_old(sink, item)) {
        if (item->lane)
            item->lane->open--;
        filling->last = NULL;
        item_exhaust(item, "the record is older than max_record_age");
    }
    if (!item)
        return NULL;
    filling->flow = item->flow;
    filling->count++;
    filling->most = filling->most < most_beside(item) ? filling->most : most_beside(item);
    filling->last = sink->keeps_order && item->lane ? item : NULL;
    if (item->first_us == 0)
        item->first_us = clock->wall_us(clock->ctx);
    return item;
}

static int64_t enter_plugin(struct sink *sink, const struct item *item)
{
    struct router_call *call = &sink->router->call;
    struct clock *clock = sink->router->clock;
    weir_str position = record_position(item->record);
    /* before `sink`: a watchdog that sees the call must not see the time of an earlier one */
    int64_t now_ms = clock->now_ms(clock->ctx);
    atomic_store_explicit(&call->since_ms, now_ms, memory_order_relaxed);
    atomic_store_explicit(&call->sequence, position.ptr, memory_order_relaxed);
    atomic_store_explicit(&call->sequence_len, position.len, memory_order_relaxed);
    atomic_store_explicit(&call->sink, sink->route.name, memory_order_release);
    return now_ms;
}

static void leave_plugin(struct sink *sink)
{
    atomic_store_explicit(&sink->router->call.sink, NULL, memory_order_release);
}

static void fill_entry(struct weir_record *entry, struct item *item)
{
    bool ordered = item->lane && !item->lane->single;
    *entry = (struct weir_record){.rec = item->record,
                                  .lane = ordered ? item->lane->key : (uint64_t)(uintptr_t)item,
                                  .dead = item->letter ? as_letter(item)->dead : NULL,
                                  .item = item};
}

/* One call of record() has ended at now_ms, which is when the next begins: one look at the clock
 * for both. */
static void record_ended(struct sink *sink, int64_t now_ms)
{
    if (sink->entered_ms)
        histogram_add(&sink->seconds, now_ms - sink->entered_ms);
    sink->entered_ms = 0;
}

/* A plugin with record(): one after the other, each outcome at once. */
static bool deliver_sync(struct sink *sink)
{
    struct filling filling = {.most = 1};
    struct item *item = next_deliverable(sink, &filling);
    if (!item)
        return false;
    struct weir_record entry;
    fill_entry(&entry, item);
    int64_t now_ms = enter_plugin(sink, item);
    record_ended(sink, now_ms);
    sink->entered_ms = now_ms;
    int32_t outcome = sink->route.instance->plugin->desc.record(sink->route.instance->self, &entry);
    leave_plugin(sink);
    if (outcome < WEIR_OK || outcome > WEIR_DOWN)
        outcome = WEIR_RETRY;
    if (traced(item->flow))
        trace_record(item->flow, sink, now_ms, outcome);
    outcome_apply(item, outcome, NULL, false);
    return true;
}

/* 0 means never. */
static int64_t now_of(const struct sink *sink)
{
    struct clock *clock = sink->router->clock;
    int64_t now_ms = clock->now_ms(clock->ctx);
    return now_ms > 0 ? now_ms : 1;
}

static void on_hung(struct timer *timer)
{
    weir_delivery *delivery = (weir_delivery *)((char *)timer - offsetof(weir_delivery, timer));
    struct sink *sink = delivery->sink;
    if (sink->hung++ == 0)
        sink->hung_since_ms = now_of(sink);
    delivery->hung = true;
    router_log(sink->router, WEIR_LOG_ERROR, sink, "W0505",
               "the plugin still holds %zu records after cancel; the sink gets nothing more until "
               "they are completed",
               delivery->open);
    sink_down(sink, "the plugin hangs");
    router_kick(sink->router);
}

void sink_revoke(weir_delivery *delivery)
{
    struct sink *sink = delivery->sink;
    struct clock *clock = sink->router->clock;
    const weir_plugin *plugin = &sink->route.instance->plugin->desc;
    if (delivery->revoked)
        return;
    delivery->revoked = true;
    uint64_t token = delivery->token;
    clock->disarm(clock->ctx, &delivery->timer);
    delivery->timer.fire = on_hung;
    clock->arm(clock->ctx, &delivery->timer, CANCEL_GRACE_MS);
    if (plugin->cancel)
        plugin->cancel(sink->route.instance->self, token);
    if (sink->route.revoke)
        sink->route.revoke(sink->route.revoke_arg, token);
}

static void on_timeout(struct timer *timer)
{
    weir_delivery *delivery = (weir_delivery *)((char *)timer - offsetof(weir_delivery, timer));
    struct sink *sink = delivery->sink;
    router_log(sink->router, WEIR_LOG_WARN, sink, "W0504",
               "no answer for %zu records in %lld ms; cancelled", delivery->count,
               (long long)sink->route.timeout_ms);
    sink_revoke(delivery);
}

void sink_delivery_ended(weir_delivery *delivery)
{
    struct sink *sink = delivery->sink;
    struct clock *clock = sink->router->clock;
    clock->disarm(clock->ctx, &delivery->timer);
    histogram_add(&sink->seconds, clock->now_ms(clock->ctx) - delivery->begun_ms);
    if (delivery->prev)
        delivery->prev->next = delivery->next;
    else
        sink->open_first = delivery->next;
    if (delivery->next)
        delivery->next->prev = delivery->prev;
    sink->open_count--;
    if (delivery->hung && --sink->hung == 0)
        sink->hung_since_ms = 0;
    if (sink->down)
        sink->router->sink_changed = true;
    delivery_free(delivery);
}

static void open_delivery(struct sink *sink, weir_delivery *delivery, int64_t now_ms,
                          int64_t deadline_ms)
{
    struct clock *clock = sink->router->clock;
    delivery->sink = sink;
    delivery->begun_ms = now_ms;
    delivery->deadline_ms = deadline_ms;
    delivery->timer.fire = on_timeout;
    clock->arm(clock->ctx, &delivery->timer, sink->route.timeout_ms);
    delivery->next = sink->open_first;
    if (sink->open_first)
        sink->open_first->prev = delivery;
    sink->open_first = delivery;
    sink->open_count++;
    sink->in_flight += delivery->count;
    delivery_open(delivery);
}

/* A plugin with deliver(): a batch, completed later. */
static bool deliver_async(struct sink *sink)
{
    struct clock *clock = sink->router->clock;
    size_t most = sink->down ? 1 : sink->route.batch_records;
    weir_delivery *delivery = delivery_new(sink->router->board, sink->route.instance, most);
    if (!delivery) {
        try_later(sink);
        return false;
    }
    int64_t now_ms = clock->now_ms(clock->ctx), deadline_ms = now_ms + sink->route.timeout_ms;
    struct filling filling = {.most = most};
    struct item *item;
    while ((item = next_deliverable(sink, &filling))) {
        fill_entry(&delivery->entries[delivery->count++], item);
        if (item->flow->deadline_ms && item->flow->deadline_ms < deadline_ms)
            deadline_ms = item->flow->deadline_ms;
    }
    if (!filling.flow) {
        delivery_free(delivery);
        return false;
    }
    filling.flow->open_deliveries++;
    open_delivery(sink, delivery, now_ms, deadline_ms);
    enter_plugin(sink, delivery->entries[0].item);
    sink->route.instance->plugin->desc.deliver(sink->route.instance->self, delivery);
    leave_plugin(sink);
    return true;
}

/* Asked each time anew: whoever was stopped for a while may have lost its right in the meantime. */
static bool may_dispatch(struct router *router)
{
    const struct router_config *config = &router->config;
    if (!router->held && config->may_dispatch)
        router->held = !config->may_dispatch(config->may_dispatch_ctx);
    return !router->held;
}

static bool may_start(const struct sink *sink)
{
    if (sink->router->stopping || sink->paused || sink->halted_since_ms || sink->hung > 0 ||
        (!sink->ready_first && !sink->queue.first))
        return false;
    if (sink->down && (sink->open_count > 0 || sink->probe_timer.heap_slot != 0))
        return false;
    return sink->open_count < sink->route.concurrency && may_dispatch(sink->router);
}

void sink_pump(struct sink *sink)
{
    if (sink->gone)
        return;
    const weir_plugin *plugin = &sink->route.instance->plugin->desc;
    bool started = false;
    while (may_start(sink) && (plugin->record ? deliver_sync(sink) : deliver_async(sink)))
        started = true;
    if (!started)
        return;
    if (sink->entered_ms)
        record_ended(sink, sink->router->clock->now_ms(sink->router->clock->ctx));
    /* nothing more may be given now: a plugin that gathers must not wait for it */
    instance_flush(sink->route.instance, sink->route.timeout_ms);
    router_kick(sink->router);
}

/* ---- up and down ---- */

void sink_down(struct sink *sink, const char *reason)
{
    struct router *router = sink->router;
    struct clock *clock = router->clock;
    if (!sink->down) {
        sink->down_since_ms = now_of(sink);
        router_log(router, WEIR_LOG_ERROR, sink, "W0501", "down, held and probed: %s",
                   reason ? reason : "the plugin gave no reason");
    }
    sink->down = router->sink_changed = true;
    sink->counts.up = false;
    if (sink->probe_timer.heap_slot == 0) {
        clock->arm(clock->ctx, &sink->probe_timer, sink->probe_delay_ms);
        sink->probe_delay_ms =
            sink->probe_delay_ms * 2 > PROBE_LAST_MS ? PROBE_LAST_MS : sink->probe_delay_ms * 2;
    }
}

void sink_alive(struct sink *sink)
{
    struct clock *clock = sink->router->clock;
    if (!sink->down || sink->hung > 0 || sink->counts.order_breaches > sink->forgiven_breaches)
        return; /* one that breaks order stays held: it gets one record at a time */
    sink->down = false;
    sink->down_since_ms = 0;
    sink->counts.up = true;
    sink->probe_delay_ms = PROBE_FIRST_MS;
    clock->disarm(clock->ctx, &sink->probe_timer);
    router_log(sink->router, WEIR_LOG_INFO, sink, "W0502", "up again");
}

void sink_rest(struct sink *sink)
{
    struct clock *clock = sink->router->clock;
    clock->disarm(clock->ctx, &sink->probe_timer);
    sink->probe_delay_ms = PROBE_FIRST_MS;
    for (weir_delivery *delivery = sink->open_first; delivery; delivery = delivery->next)
        clock->disarm(clock->ctx, &delivery->timer);
}

void sink_wake(struct sink *sink)
{
    struct clock *clock = sink->router->clock;
    for (weir_delivery *delivery = sink->open_first; delivery; delivery = delivery->next)
        if (delivery->revoked && !delivery->hung && delivery->timer.heap_slot == 0)
            clock->arm(clock->ctx, &delivery->timer, CANCEL_GRACE_MS);
}
