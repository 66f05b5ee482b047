/* Giving up on a record: it is stored elsewhere, whole and with the reason, before it counts as
 * finished. */
#include "router/parts.h"

#include "record/event_json.h"
#include "router/letter_json.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct stored_letter { /* in the flow's arena while the store has it, or could not take it yet */
    struct store_put put;
    struct item *item;
    struct timer timer;
    int64_t delay_ms;
    struct stored_letter *next, **at; /* in flow->delayed; at NULL: it is not */
};

enum { PUT_AGAIN_FIRST_MS = 1000, PUT_AGAIN_LAST_MS = 30000 };

static const char *pipeline_of(const struct router *router)
{
    return router->config.pipeline ? router->config.pipeline : "";
}

/* The dead letter as one line of JSON. */
static void write_letter(struct buf *out, const struct dead_letter *letter, bool poison,
                         bool pointer)
{
    buf_putc(out, '{');
    letter_put_members(out, letter);
    if (pointer)
        buf_put_flag_member(out, "pointer", true);
    letter_put_record(out, letter, !poison);
    buf_putc(out, '}');
}

static weir_str note_str(const char *note, const char *otherwise)
{
    return str_of(note ? note : otherwise);
}

/* The views that the record gives; it may have been copied since. */
static void point_at_record(struct dead_letter *letter, const struct item *item)
{
    const struct record *record = item->record;
    letter->stream_arn = record->origin->stream_arn;
    letter->shard = record->batch->shard;
    letter->sequence = record_position(record);
    letter->event_id = record_field(record, WEIR_F_EVENT_ID);
    letter->record = record->poison ? record->raw : record_field(record, WEIR_F_EVENT_JSON);
}

static struct dead_letter letter_of(const struct item *item, const char *reason)
{
    const struct record *record = item->record;
    const struct router *router = item->flow->router;
    struct clock *clock = router->clock;
    int64_t now_us = clock->wall_us(clock->ctx);
    struct dead_letter letter = {
        .pipeline = str_of(pipeline_of(router)),
        .sink = str_of(item->sink ? item->sink->route.name : ""),
        .reason = note_str(flow_note(item->flow, reason), "the plugin gave no reason"),
        .code = record->poison ? STR("Poison") : STR("GaveUp"),
        .attempts = item->attempts,
        .first_us = item->first_us ? item->first_us : now_us,
        .last_us = now_us,
    };
    point_at_record(&letter, item);
    return letter;
}

/* ---- the record that was given up on: finished, or stuck ---- */

static void poison_finish(struct item *item, bool dropped)
{
    struct router *router = item->flow->router;
    for (size_t i = 0; i < router->sink_count; i++) {
        struct sink_counts *counts = &router->sinks[i].counts;
        if (!share_has(item->flow, i, item->index))
            continue;
        *(dropped ? &counts->dropped : &counts->dead) += 1;
        counts->pending--;
    }
    share_finished(item);
    item->state = ITEM_FINISHED;
}

static void origin_finished(struct item *item)
{
    if (item->state == ITEM_RETURNED)
        return; /* its source was not willing to wait */
    if (item->sink)
        item_finish(item, &item->sink->counts.dead);
    else
        poison_finish(item, false);
}

void origin_stuck(struct item *item, const char *reason)
{
    if (item->state == ITEM_RETURNED)
        return;
    if (item->sink) {
        item_stick(item, reason);
        return;
    }
    share_stuck(item);
    item->state = ITEM_STUCK;
    item_note(item, reason);
}

void dead_letter_finished(struct item *letter)
{
    origin_finished(as_letter(letter)->origin);
}

void dead_letter_stuck(struct item *letter, const char *reason)
{
    origin_stuck(as_letter(letter)->origin, reason);
}

/* From here on the item waits for its letter, and no longer counts as held by its own sink. */
static void leave(struct item *item)
{
    if (item->sink)
        share_unhold(item);
    flow_put_back(item);
    item->state = ITEM_LEAVING;
}

/* ---- to the local store ---- */

static int put(struct stored_letter *stored)
{
    struct flow *flow = stored->item->flow;
    const struct store *store = &flow->router->config.world->store;
    int rc = store->dead_put ? store->dead_put(store->ctx, &stored->put) : -ENOSYS;
    flow->puts += rc == 0;
    return rc;
}

static void put_later(struct stored_letter *stored);

static void on_put_again(struct timer *timer)
{
    struct stored_letter *stored =
        (struct stored_letter *)((char *)timer - offsetof(struct stored_letter, timer));
    *stored->at = stored->next;
    if (stored->next)
        stored->next->at = stored->at;
    stored->at = NULL;
    if (stored->item->state != ITEM_LEAVING)
        return; /* given back in the meantime */
    point_at_record(&stored->put.letter, stored->item);
    if (stored->put.letter.record.len == 0 || put(stored) < 0)
        put_later(stored);
}

/* Where nobody delivers the record again, its letter is put again until it is stored. */
static void put_later(struct stored_letter *stored)
{
    struct flow *flow = stored->item->flow;
    struct clock *clock = flow->router->clock;
    int64_t delay_ms = stored->delay_ms ? stored->delay_ms : PUT_AGAIN_FIRST_MS;
    stored->timer.fire = on_put_again;
    if (!flow->router->config.blocks_for_ever) {
        origin_stuck(stored->item, "its dead letter could not be stored");
        return;
    }
    if (clock->arm(clock->ctx, &stored->timer, delay_ms) < 0) {
        item_starve(stored->item, stored->put.letter.reason.ptr);
        return;
    }
    stored->delay_ms = 2 * delay_ms < PUT_AGAIN_LAST_MS ? 2 * delay_ms : PUT_AGAIN_LAST_MS;
    stored->next = flow->delayed;
    stored->at = &flow->delayed;
    if (stored->next)
        stored->next->at = &stored->next;
    flow->delayed = stored;
    flow_changed(flow);
}

void dead_forget_delayed(struct flow *flow)
{
    struct clock *clock = flow->router->clock;
    for (struct stored_letter *stored = flow->delayed; stored; stored = stored->next)
        clock->disarm(clock->ctx, &stored->timer);
    flow->delayed = NULL;
}

static void on_stored(struct store_put *done, int status)
{
    struct stored_letter *stored = done->arg;
    struct item *item = stored->item;
    struct flow *flow = item->flow;
    flow->puts--;
    if (flow->ended) {
        flow_orphan_gone(flow); /* it may have outlived the router */
        return;
    }
    flow_changed(flow);
    if (status == 0) {
        origin_finished(item);
        return;
    }
    if (stored->delay_ms == 0)
        router_log(flow->router, WEIR_LOG_ERROR, item->sink, "W0508",
                   "the dead letter could not be stored: %s", strerror(-status));
    if (item->state == ITEM_LEAVING)
        put_later(stored);
}

static void to_store(struct item *item, const char *reason)
{
    struct flow *flow = item->flow;
    struct stored_letter *stored =
        arena_alloc(&flow->arena, sizeof *stored, _Alignof(struct stored_letter));
    if (!stored) {
        item_starve(item, reason);
        return;
    }
    *stored = (struct stored_letter){.item = item,
                                     .put = {.letter = letter_of(item, reason), .done = on_stored}};
    stored->put.arg = stored;
    if (stored->put.letter.record.len == 0) {
        item_starve(item, reason); /* never a letter without its record */
        return;
    }
    int rc = put(stored);
    if (rc == -ENOMEM)
        item_starve(item, reason);
    else if (rc < 0)
        origin_stuck(item, "there is no local store for dead letters here");
    else
        leave(item);
}

/* ---- to another sink ---- */

static weir_str arena_copy(struct arena *arena, weir_str text)
{
    const char *copy = arena_text(arena, text);
    return (weir_str){copy, copy ? text.len : 0};
}

static struct dead_info *info_of(const struct item *item, const char *reason, bool pointer)
{
    enum { LETTER_BYTES_MAX = 64 << 20 }; /* six times a 6 MiB record, escaped */
    struct arena *arena = &item->flow->arena;
    struct dead_letter letter = letter_of(item, reason);
    if (letter.record.len == 0)
        return NULL;
    char attempts[16];
    snprintf(attempts, sizeof attempts, "%" PRIu32, item->attempts);
    struct buf json, record;
    buf_init(&json, LETTER_BYTES_MAX);
    buf_init(&record, LETTER_BYTES_MAX);
    if (pointer) {
        event_json_put_pointer(&record, item->record);
        letter.record = buf_str(&record);
    }
    write_letter(&json, &letter, item->record->poison != NULL, pointer);
    struct dead_info *info = arena_alloc(arena, sizeof *info, _Alignof(struct dead_info));
    if (info)
        *info = (struct dead_info){.sink = letter.sink,
                                   .reason = letter.reason,
                                   .attempts = arena_copy(arena, str_of(attempts)),
                                   .json = arena_copy(arena, buf_str(&json)),
                                   .pointer = pointer};
    bool whole = info && !json.failed && !record.failed && info->json.ptr && info->attempts.ptr;
    buf_done(&json);
    buf_done(&record);
    return whole ? info : NULL;
}

/* Its own sink counts it from now on. */
static void count_bytes(struct letter *letter, const struct dead_info *info)
{
    struct flow *flow = letter->item.flow;
    letter->dead = info;
    letter->item.sink->letter_bytes += info->json.len;
    flow->letter_bytes += info->json.len; /* in its arena: until the batch ends */
    flow->router->letter_bytes += info->json.len;
}

static void to_sink(struct item *item, size_t target, const char *reason)
{
    struct flow *flow = item->flow;
    struct sink *sink = &flow->router->sinks[target];
    struct letter *letter = arena_alloc(&flow->arena, sizeof *letter, _Alignof(struct letter));
    struct dead_info *info = letter ? info_of(item, reason, false) : NULL;
    if (!info) {
        item_starve(item, reason);
        return;
    }
    *letter = (struct letter){.item = {.record = item->record,
                                       .flow = flow,
                                       .sink = sink,
                                       .index = item->index,
                                       .letter = true},
                              .origin = item,
                              .next = flow->letters};
    flow->letters = letter;
    count_bytes(letter, info);
    share_hold(&letter->item);
    sink->counts.read++;
    sink->counts.pending++;
    leave(item);
    sink_accept(sink, &letter->item);
    router_kick(flow->router);
}

/* A sink that refuses a letter for good may take it without the images, where the route allows it.
 */
bool dead_letter_shrink(struct item *item, const char *reason)
{
    struct letter *letter = item->letter ? (struct letter *)item : NULL;
    const struct item *origin = letter ? letter->origin : NULL;
    if (!origin || !origin->sink || !origin->sink->route.oversize_pointer ||
        letter->dead->pointer || item->record->poison)
        return false;
    struct dead_info *info = info_of(origin, letter->dead->reason.ptr, true);
    if (!info)
        return false;
    item->sink->letter_bytes -= letter->dead->json.len;
    count_bytes(letter, info);
    origin->sink->counts.pointers++;
    router_log(item->flow->router, WEIR_LOG_WARN, item->sink, "W0509",
               "a dead letter was refused and goes without its images (on_oversize): %s",
               reason ? reason : "the plugin gave no reason");
    return true;
}

/* Where nobody delivers it again it is tried again, and what is behind it in its lane waits. An
 * image that it lacks will not come. */
static void block(struct item *item, const char *reason)
{
    const struct sink *sink = item->sink;
    int64_t pause_ms = sink->route.cap_ms > BLOCKED_MS ? sink->route.cap_ms : BLOCKED_MS;
    if (!item->flow->router->config.blocks_for_ever || item->record->unmet >> sink->index & 1) {
        item_stick(item, reason);
        return;
    }
    item_note(item, reason);
    sink_requeue(item, pause_ms);
}

void dead_begin(struct item *item, const char *reason)
{
    struct sink *sink = item->sink;
    switch (sink->route.on_exhausted) {
    case ROUTE_DROP:
        item_finish(item, &sink->counts.dropped);
        return;
    case ROUTE_DEAD:
        to_store(item, reason);
        return;
    case ROUTE_SINK:
        to_sink(item, sink->route.exhausted_sink, reason);
        return;
    case ROUTE_BLOCK:
        block(item, reason ? reason : "the plugin gave no reason");
    }
}

void poison_again(struct item *item)
{
    struct router *router = item->flow->router;
    char reason[200];
    snprintf(reason, sizeof reason, "poison: %s at byte %" PRIu32, item->record->poison,
             item->record->poison_offset);
    switch (router->config.on_poison) {
    case ROUTE_DROP:
        poison_finish(item, true);
        return;
    case ROUTE_DEAD:
        to_store(item, reason);
        return;
    case ROUTE_SINK:
        to_sink(item, router->config.poison_sink, reason);
        return;
    case ROUTE_BLOCK:
        origin_stuck(item, reason);
    }
}

void dead_begin_again(struct item *item, const char *reason)
{
    item->state = ITEM_OPEN; /* in no list yet */
    if (!item->sink) {
        poison_again(item);
        return;
    }
    share_hold(item); /* its sink has it again */
    dead_begin(item, reason);
}

void poison_begin(struct item *item)
{
    struct router *router = item->flow->router;
    router_log(router, WEIR_LOG_ERROR, NULL, "W0507",
               "record %" PRIu32 " of the batch can't be decoded: %s at byte %" PRIu32,
               item->record->index, item->record->poison, item->record->poison_offset);
    router->poison_count++;
    poison_again(item);
}
