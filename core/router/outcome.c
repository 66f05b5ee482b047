/* What an outcome does to a record: finished, tried again, given up, or its sink is held. */
#include "router/parts.h"

#include <inttypes.h>

void item_finish(struct item *item, uint64_t *counter)
{
    struct sink *sink = item->sink;
    const struct sink_counts *counts = &sink->counts;
    item_unstarve(item);
    (*counter)++;
    sink->counts.pending--;
    item_observe(item,
                 counter == &counts->delivered ? RECORD_DELIVERED
                 : counter == &counts->skipped ? RECORD_SKIPPED
                 : counter == &counts->dead    ? RECORD_DEAD
                                               : RECORD_DROPPED,
                 item->why);
    if (item->state != ITEM_LEAVING)
        share_unhold(item);
    share_finished(item);
    sink_detach(item);
    item->state = ITEM_FINISHED;
    if (item->letter)
        dead_letter_finished(item);
    router_kick(sink->router);
}

/* Behind a stuck record nothing of the same lane may pass in this batch. */
static void stick_lane(struct lane *lane, const struct item *cause)
{
    lane->blocked = true;
    for (struct item *item = lane->items.first; item; item = item->next)
        if (item != cause && (item->state == ITEM_QUEUED || item->state == ITEM_BEHIND)) {
            sink_stop_waiting(item);
            item->state = ITEM_STUCK;
            item->why = STUCK_BEHIND;
            item->why_room = 0;
            share_unhold(item);
            share_stuck(item);
            if (item->letter)
                dead_letter_stuck(item, STUCK_BEHIND);
        }
    lane_settle(lane);
}

void item_stick(struct item *item, const char *reason)
{
    if (item->state == ITEM_QUEUED && !item->lane)
        list_remove(&item->sink->queue, item);
    if (item->state != ITEM_LEAVING)
        share_unhold(item);
    share_stuck(item);
    item->state = ITEM_STUCK;
    item_note(item, reason);
    if (item->lane && !item->lane->blocked && !item->lane->single)
        stick_lane(item->lane, item);
    else if (item->lane)
        lane_settle(item->lane);
    if (item->letter)
        dead_letter_stuck(item, reason);
    router_kick(item->sink->router);
}

void item_exhaust(struct item *item, const char *reason)
{
    struct sink *sink = item->sink;
    weir_str position = record_position(item->record);
    sink_note_error(sink, reason);
    bool blocks = sink->router->config.blocks_for_ever && sink->route.on_exhausted == ROUTE_BLOCK;
    if (!item->blocked)
        router_log(sink->router, WEIR_LOG_ERROR, sink, "W0503",
                   "%s record %.*s after %" PRIu32 " attempts: %s",
                   blocks ? "blocked by" : "gave up on",
                   (int)(position.len > SEQUENCE_SHOWN ? SEQUENCE_SHOWN : position.len),
                   position.ptr, item->attempts, reason ? reason : "the plugin gave no reason");
    item->blocked = blocks;
    dead_begin(item, reason);
}

static void fail(struct item *item, const char *reason)
{
    item->attempts++; /* the log and the dead letter count this one too */
    if (dead_letter_shrink(item, reason))
        sink_requeue(item, -1);
    else
        item_exhaust(item, reason);
}

/* Exponential back-off with full jitter. */
static int64_t retry_delay_ms(const struct sink *sink, uint32_t attempts)
{
    const struct random *random = &sink->router->config.world->random;
    int64_t most = sink->route.base_ms;
    for (uint32_t n = 1; n < attempts && most < sink->route.cap_ms; n++)
        most *= 2;
    if (most > sink->route.cap_ms)
        most = sink->route.cap_ms;
    return most <= 0 ? 0 : (int64_t)(random->next(random->ctx) % (uint64_t)(most + 1));
}

static enum retry_reason reason_of(const struct item *item, bool revoked)
{
    return item->split ? RETRY_SPLIT : revoked ? RETRY_TIMEOUT : RETRY_ASKED;
}

static void retry(struct item *item, const char *reason, enum retry_reason cause)
{
    struct sink *sink = item->sink;
    struct clock *clock = sink->router->clock;
    /* held back behind an earlier record of its lane: it was not attempted itself */
    bool held_back = item->lane && item->prev, split = item->split;
    item->split = false;
    if (!held_back) {
        item->attempts += !split;
        sink->counts.retries++;
        sink->retry_reasons[cause]++;
        item_note(item, reason);
        sink_note_error(sink, reason);
        item_observe(item, RECORD_RETRIED, reason);
        if (!split && item->attempts >= (uint64_t)sink->route.max_attempts) {
            item_exhaust(item, reason ? reason : "no attempts left");
            return;
        }
    }
    int64_t delay_ms = held_back ? -1 : retry_delay_ms(sink, item->attempts);
    int64_t deadline_ms = item->flow->deadline_ms;
    if (deadline_ms && delay_ms >= 0 && clock->now_ms(clock->ctx) + delay_ms >= deadline_ms)
        item_stick(item, reason ? reason : "no time left to try again");
    else
        sink_requeue(item, delay_ms);
}

/* The sink itself is down; but if it was done with another record since this one last got `down`,
 * then it is this record that the sink can't stand, and it must not hold the sink for ever. One
 * that is to be tried again shows nothing: its answer may have been lost. */
static void down(struct item *item, const char *reason)
{
    struct sink *sink = item->sink;
    if (item->down_epoch && item->down_epoch != sink->up_epoch + 1) {
        retry(item, reason, RETRY_DOWN);
        return;
    }
    item->down_epoch = sink->up_epoch + 1;
    item_note(item, reason);
    sink_note_error(sink, reason);
    item_observe(item, RECORD_SINK_DOWN, reason);
    sink_down(sink, reason);
    sink_requeue(item, -1);
}

static void order_broken(struct sink *sink)
{
    sink->counts.order_breaches++;
    router_log(
        sink->router, WEIR_LOG_ERROR, sink, "W0506",
        "the plugin promised to keep order, then stored a record behind one that it did not store");
    sink_down(sink, "the plugin broke its promise to keep order");
}

/* Of a run of one lane: nothing is stored behind what is not, whatever is completed first. */
static void check_order_kept(struct item *item, int32_t outcome)
{
    bool put_back = outcome == WEIR_RETRY || outcome == WEIR_DOWN;
    if (put_back && item->passed)
        order_broken(item->sink);
    item->passed = false;
    if (outcome != WEIR_OK || !item->lane)
        return;
    for (struct item *earlier = item->prev; earlier && !earlier->passed; earlier = earlier->prev) {
        if (earlier->state != ITEM_OPEN) {
            order_broken(item->sink);
            return;
        }
        earlier->passed = true;
    }
}

void outcome_apply(struct item *item, int32_t outcome, const char *reason, bool revoked)
{
    struct sink *sink = item->sink;
    if (item->lane)
        item->lane->open--;
    /* a dead letter counts as stored only when its sink says `ok` */
    if (item->letter && outcome == WEIR_SKIP) {
        outcome = WEIR_FAIL;
        reason = reason ? reason : "the dead-letter sink skipped it";
    }
    if (outcome != WEIR_DOWN)
        sink_alive(sink);
    sink->up_epoch += outcome == WEIR_OK || outcome == WEIR_SKIP || outcome == WEIR_FAIL;
    if (outcome == WEIR_OK)
        item_finish(item, &sink->counts.delivered);
    else if (outcome == WEIR_SKIP)
        item_finish(item, &sink->counts.skipped);
    else if (outcome == WEIR_FAIL)
        fail(item, reason);
    else if (outcome == WEIR_DOWN)
        down(item, reason);
    else
        retry(item, reason, reason_of(item, revoked));
}

/* The batch that the record came with has been answered: what the plugin says now is true, but only
 * for a later redelivery of the record. */
static void late_outcome(struct item *item, int32_t outcome, const char *reason)
{
    struct sink *sink = item->sink;
    struct item *waiter = item->waiter;
    struct lane *lane = item->closes ? lane_find(sink, item->lane_key) : NULL;
    const struct item *about = item->letter ? as_letter(item)->origin : item; /* as the source
    knows it */
    bool finished = outcome == WEIR_OK || (outcome == WEIR_SKIP && !item->letter);
    for (struct item **at = &sink->revoked; *at; at = &(*at)->next)
        if (*at == item) {
            *at = item->next;
            break;
        }
    if (lane) {
        lane->closed--;
        lane_settle(lane);
    }
    if (finished && about->sink)
        memory_put(&about->sink->memory, item->record->origin->stream_arn,
                   record_position(item->record),
                   (struct memory_fact){.finished = true, .attempts = about->attempts});
    if (waiter) {
        waiter->behind = item->waiter = NULL;
        if (waiter->lane)
            waiter->lane->open++;
        waiter->state = ITEM_OPEN;
        outcome_apply(waiter, outcome, reason, false);
    }
    item->state = ITEM_RETURNED;
    flow_orphan_gone(item->flow);
}

/* Half of what came back as a whole, rounded down to a power of two. */
static void cut_in_two(struct item *item, size_t count)
{
    item->together = 1;
    for (size_t half = count / 2; half > 1; half /= 2)
        item->together++;
    item->split = true;
}

void outcome_on_completion(void *ctx, struct weir_record *entry, int32_t outcome,
                           const char *reason, bool last)
{
    struct router *router = ctx;
    struct item *item = entry->item;
    weir_delivery *delivery = entry->delivery;
    item->sink->in_flight--;
    delivery->outcomes[outcome]++;
    if (last) {
        item->flow->open_deliveries--;
        trace_delivery(item->flow, delivery);
    }
    if (delivery->revoked)
        item->sink->counts.late++;
    if (outcome == WEIR_OK || outcome == WEIR_SKIP)
        delivery->stored = true;
    else if (outcome == WEIR_RETRY && router->config.bisect && !delivery->stored && !item->orphan &&
             delivery->count > 1)
        cut_in_two(item, delivery->count);
    if (!item->orphan && item->sink->keeps_order)
        check_order_kept(item, outcome);
    if (item->orphan)
        late_outcome(item, outcome, reason);
    else
        outcome_apply(item, outcome, reason, delivery->revoked);
    bool hung = last && delivery->hung;
    struct sink *sink = delivery->sink;
    if (last)
        sink_delivery_ended(delivery);
    if (hung && outcome != WEIR_DOWN)
        sink_alive(sink); /* it let go in the end; perhaps nothing comes that would probe it */
    router_kick(router);
}
