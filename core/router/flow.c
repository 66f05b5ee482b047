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

/* In the place of the last one where it fits, since a record may be tried again for ever. */
void item_note(struct item *item, const char *reason)
{
    enum { NOTE_MOST = NOTE_UNIT * 8 };
    if (!reason) {
        item->why = NULL;
        item->why_room = 0;
        return;
    }
    size_t len = strnlen(reason, NOTE_MOST - 1), room = (size_t)item->why_room * NOTE_UNIT;
    char *note = room > len ? (char *)(uintptr_t)item->why : NULL;
    if (!note) {
        room = (len / NOTE_UNIT + 1) * NOTE_UNIT;
        note = arena_alloc(&item->flow->arena, room, 1);
    }
    item->why = note;
    item->why_room = note ? (uint8_t)(room / NOTE_UNIT) : 0;
    if (!note)
        return;
    memmove(note, reason, len);
    note[len] = '\0';
}

enum { FLOW_CHUNK_BYTES = 16384 };

/* ---- begin ---- */

static void on_deadline(struct timer *timer)
{
    struct flow *flow = (struct flow *)((char *)timer - offsetof(struct flow, deadline_timer));
    flow->overdue = true;
    flow_changed(flow);
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
    flow->last_sequence = batch->last_sequence;
    flow->slim_below = UINT32_MAX;
    return flow;
}

static void unpin(struct flow *flow)
{
    for (size_t i = 0; flow->pinning; i++)
        share_unpin(flow, i);
    flow->router->pinned_bytes -= flow->pinned_bytes;
    flow->router->letter_bytes -= flow->letter_bytes;
    flow->pinned_bytes = flow->letter_bytes = 0;
}

static void drop_batches(struct flow *flow)
{
    batch_unref(flow->batch);
    exchange_drop_copies(flow);
    for (size_t i = 0; i < flow->copy_count; i++)
        batch_unref(flow->copies[i]);
    flow->batch = NULL;
    flow->copy_count = 0;
}

static void flow_free(struct flow *flow)
{
    struct router *router = flow->router;
    unpin(flow);
    drop_batches(flow);
    arena_reset(&flow->arena);
    flow->next = router->spare;
    router->spare = flow;
}

static void list_flow(struct flow_list *list, struct flow *flow)
{
    flow->next = NULL;
    flow->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = flow;
    list->last = flow;
}

static void unlist_flow(struct flow_list *list, struct flow *flow)
{
    *(flow->prev ? &flow->prev->next : &list->first) = flow->next;
    *(flow->next ? &flow->next->prev : &list->last) = flow->prev;
}

static uint64_t wanted_by(const struct flow *flow, const struct record *record)
{
    return (record->matched | record->unmet) & flow->sinks;
}

static size_t count_items(const struct flow *flow)
{
    size_t count = 0;
    for (size_t i = 0; i < flow->batch->record_count; i++) {
        const struct record *record = flow->batch->records[i];
        count += record->poison ? 1 : (size_t)__builtin_popcountll(wanted_by(flow, record));
    }
    return count;
}

void item_start(struct item *item)
{
    const struct record *record = item->record;
    if (!(record->unmet >> item->sink->index & 1)) {
        sink_accept(item->sink, item);
        return;
    }
    item->sink->queued++;
    item->state = ITEM_OPEN;
    item_exhaust(item, "the record lacks an image that this sink needs; set the stream's view type "
                       "to NEW_AND_OLD_IMAGES");
}

static bool was_finished(const struct flow *flow, const struct sink *sink,
                         const struct record *record)
{
    const struct flow_options *options = &flow->options;
    return options->is_finished &&
           options->is_finished(options->arg, sink->index, record_position(record));
}

static void begin_item(struct item *item)
{
    struct sink *sink = item->sink;
    struct flow *flow = item->flow;
    const struct record *record = item->record;
    struct memory_fact fact =
        memory_find(&sink->memory, record->origin->stream_arn, record_position(record));
    item->state = ITEM_FINISHED;
    if (fact.finished || record->index < flow->shares[sink->index].finished_below ||
        was_finished(flow, sink, record)) {
        sink->counts.duplicate++;
        if (flow->by_sink && fact.finished) /* known since flow_release; now this batch knows it */
            memory_drop(&sink->memory, record->origin->stream_arn, record_position(record));
        return;
    }
    if (!sink->route.required && sink->queued >= sink->route.queue_records) {
        sink->counts.dropped++;
        return;
    }
    /* with `block` the mapping bounds the attempts, and each redelivery deserves at least one */
    item->attempts = sink->route.on_exhausted == ROUTE_BLOCK ? 0 : fact.attempts;
    item->down_epoch = fact.down_epoch;
    sink->counts.pending++;
    share_hold(item);
    share_add(item);
    if (!(flow->gated >> sink->index & 1)) {
        item_start(item);
        return;
    }
    sink->queued++;
    item->state = ITEM_GATED;
}

static void begin_poison(struct item *item)
{
    struct flow *flow = item->flow;
    struct router *router = flow->router;
    size_t owners = 0;
    for (size_t i = 0; i < router->sink_count; i++) {
        struct sink_counts *counts = &router->sinks[i].counts;
        bool owns = share_has(flow, i, item->index);
        owners += owns;
        if (flow->sinks >> i & 1)
            *(owns ? &counts->pending : &counts->duplicate) += 1;
    }
    item->state = ITEM_FINISHED;
    if (owners == 0)
        return;
    item->state = ITEM_OPEN;
    share_add(item);
    poison_begin(item);
}

static void begin_record(struct flow *flow, const struct record *record)
{
    if (record->poison) {
        struct item *item = &flow->items[flow->item_count++];
        *item = (struct item){.record = record, .flow = flow, .index = record->index};
        begin_poison(item);
        return;
    }
    for (uint64_t wanted = wanted_by(flow, record); wanted; wanted &= wanted - 1) {
        struct item *item = &flow->items[flow->item_count++];
        *item = (struct item){.record = record,
                              .flow = flow,
                              .sink = &flow->router->sinks[__builtin_ctzll(wanted)],
                              .index = record->index};
        begin_item(item);
    }
}

static void count_read(struct flow *flow)
{
    struct router *router = flow->router;
    const struct batch *batch = flow->batch;
    size_t poison = 0;
    for (size_t i = 0; i < batch->record_count; i++)
        poison += batch->records[i]->poison != NULL;
    for (size_t i = 0; i < router->sink_count; i++) {
        struct sink_counts *counts = &router->sinks[i].counts;
        if (!(flow->sinks >> i & 1))
            continue;
        counts->read += batch->read_count;
        counts->filtered += batch->read_count - poison - batch->matched_count[i];
    }
}

static int reserve(struct flow *flow)
{
    struct router *router = flow->router;
    struct clock *clock = router->clock;
    int64_t left_ms = flow->deadline_ms ? flow->deadline_ms - clock->now_ms(clock->ctx) : 0;
    flow->items = arena_alloc(&flow->arena, (count_items(flow) + 1) * sizeof *flow->items,
                              _Alignof(struct item));
    flow->shares =
        arena_alloc(&flow->arena, router->room * sizeof *flow->shares, _Alignof(struct share));
    if (!flow->items || !flow->shares)
        return -ENOMEM;
    return flow->deadline_ms ? clock->arm(clock->ctx, &flow->deadline_timer, left_ms) : 0;
}

static void pin(struct flow *flow)
{
    struct router *router = flow->router;
    flow->pinned_bytes = batch_pinned_bytes(flow->batch) + flow->item_count * sizeof *flow->items;
    router->pinned_bytes += flow->pinned_bytes;
    for (size_t i = 0; i < router->sink_count; i++)
        if (flow->shares[i].unfinished > 0) {
            flow->pinning |= UINT64_C(1) << i;
            router->sinks[i].pinned_bytes += flow->pinned_bytes;
        }
}

/* The flow knows its sinks and options; it is freed on failure. */
static int begin(struct flow *flow, const weir_str *finished_to)
{
    struct router *router = flow->router;
    if (reserve(flow) < 0) {
        flow_free(flow);
        return -ENOMEM;
    }
    shares_begin(flow, finished_to);
    list_flow(&router->flows, flow);
    router->flow_count++;
    slim_begin(flow);
    trace_begin(flow);
    count_read(flow);
    for (size_t i = 0; i < flow->batch->record_count; i++)
        begin_record(flow, flow->batch->records[i]);
    pin(flow);
    for (size_t i = 0; router->config.invocations && i < router->sink_count; i++)
        sink_wake(&router->sinks[i]);
    flow_changed(flow);
    return 0;
}

static uint64_t all_sinks(const struct router *router)
{
    uint64_t all = router->sink_count < 64 ? (UINT64_C(1) << router->sink_count) - 1 : UINT64_MAX;
    return all & ~router->gone;
}

int router_submit(struct router *router, struct batch *batch, int64_t deadline_ms,
                  batch_done_cb done, void *arg)
{
    struct flow *flow = flow_new(router, batch);
    if (!flow)
        return -ENOMEM;
    flow->deadline_ms = deadline_ms;
    flow->sinks = all_sinks(router);
    flow->options = (struct flow_options){.done = done, .arg = arg};
    return begin(flow, NULL);
}

int router_submit_flow(struct router *router, struct batch *batch,
                       const struct flow_options *options, struct flow **out)
{
    struct flow *flow = flow_new(router, batch);
    if (!flow)
        return -ENOMEM;
    flow->by_sink = true;
    flow->options = *options;
    flow->options.finished_to = NULL;
    flow->sinks = options->sinks & all_sinks(router);
    flow->gated = options->gated & flow->sinks;
    for (size_t i = 0; i < router->sink_count; i++)
        if (router->sinks[i].route.required)
            flow->awaited |= flow->sinks & UINT64_C(1) << i;
    int rc = begin(flow, options->finished_to);
    if (rc == 0)
        *out = flow;
    return rc;
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

void flow_revoke(struct flow *flow, uint64_t sinks)
{
    struct router *router = flow->router;
    for (size_t i = 0; i < router->sink_count; i++)
        for (weir_delivery *delivery = sinks >> i & 1 ? router->sinks[i].open_first : NULL, *next;
             delivery; delivery = next) {
            next = delivery->next;
            if (holds_item_of(delivery, flow))
                sink_revoke(delivery);
        }
    board_drain(router->board); /* what was completed before or by the cancelling still counts */
}

static bool awaited_poison(const struct item *item)
{
    const struct flow *flow = item->flow;
    for (size_t i = 0; flow->by_sink && i < flow->router->sink_count; i++)
        if (flow->awaited >> i & 1 && share_has(flow, i, item->index))
            return true;
    return !flow->by_sink;
}

static bool counts_against(const struct item *item)
{
    if (item->state == ITEM_FINISHED || item->state == ITEM_RETURNED)
        return false;
    if (!item->sink)
        return awaited_poison(item);
    /* as its source asked: the sink may be another by now */
    return item->flow->by_sink ? item->flow->awaited >> item->sink->index & 1
                               : item->sink->route.required;
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

static uint64_t returned(const struct flow *flow)
{
    uint64_t sinks = 0;
    for (uint64_t left = flow->released; left; left &= left - 1)
        if (flow->shares[__builtin_ctzll(left)].unfinished > 0)
            sinks |= left & -left;
    return sinks;
}

static struct batch_result fold(const struct flow *flow)
{
    struct batch_result result = {.complete = true, .returned = returned(flow)};
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
            memory_drop(memory, item->record->origin->stream_arn, position);
        else if (fact.finished || fact.attempts > 0 || fact.down_epoch > 0)
            memory_put(memory, item->record->origin->stream_arn, position, fact);
    }
}

/* An item that the end of its flow, or flow_release, finds unfinished goes back to the source; what
 * a plugin still holds stays reachable until it is completed. */
void item_release(struct item *item)
{
    struct sink *sink = item->sink;
    bool with_plugin = item->state == ITEM_OPEN;
    *(sink->route.required || item->letter ? &sink->counts.returned : &sink->counts.dropped) += 1;
    sink->counts.pending--;
    item_unstarve(item);
    sink->bars -= item->bars; /* of one that is stuck */
    item->bars = false;
    uint64_t key = 0;
    if (with_plugin && item->lane) {
        item->lane->open--;
        item->lane->closed++; /* until it is completed, also for the batches to come */
        item->closes = !item->lane->single;
        key = item->lane->key;
    }
    sink_detach(item);
    item->state = ITEM_RETURNED;
    item->flow->waiting -= !item->letter;
    item->flow->put_back -= item->put_back;
    if (!with_plugin)
        return;
    item->orphan = true;
    item->lane_key = key;
    item->next = sink->revoked;
    sink->revoked = item;
    item->flow->orphans++;
}

static void release_poison(struct item *item)
{
    struct router *router = item->flow->router;
    item_unstarve(item);
    for (size_t i = 0; i < router->sink_count; i++)
        if (share_has(item->flow, i, item->index)) {
            router->sinks[i].counts.returned++;
            router->sinks[i].counts.pending--;
        }
    item->state = ITEM_RETURNED;
    item->flow->waiting--;
    item->flow->put_back -= item->put_back;
}

static void give_back(struct item *item)
{
    if (item->state == ITEM_FINISHED || item->state == ITEM_RETURNED)
        return;
    if (item->sink)
        item_release(item);
    else
        release_poison(item);
}

static void release(struct flow *flow)
{
    for (size_t i = 0; i < flow->item_count; i++)
        give_back(&flow->items[i]);
    for (struct letter *letter = flow->letters; letter; letter = letter->next)
        give_back(&letter->item);
    dead_forget_delayed(flow);
    flow->orphans += flow->puts; /* the local store still reads from its arena */
}

static bool optional_waits(const struct flow *flow, const struct item *item)
{
    return item->sink && !(flow->awaited >> item->sink->index & 1) &&
           (item->state == ITEM_GATED || item->state == ITEM_QUEUED || item->state == ITEM_BEHIND ||
            item->state == ITEM_STARVED);
}

void flow_trim(struct flow *flow)
{
    const struct router *router = flow->router;
    size_t most = router->config.in_flight_bytes / 2;
    bool too_much = most && router->background_bytes + flow->pinned_bytes > most;
    for (size_t i = 0; i < flow->item_count; i++) {
        struct item *item = &flow->items[i];
        bool for_ever = item->state == ITEM_GATED && !flow->options.ended;
        if ((too_much || for_ever) && optional_waits(flow, item))
            item_finish(item, &item->sink->counts.dropped);
    }
}

void flow_answer(struct flow *flow)
{
    struct batch_result result = fold(flow);
    for (size_t i = 0; i < flow->item_count; i++) /* it must bar its lane no longer */
        if (flow->items[i].state == ITEM_STUCK)
            give_back(&flow->items[i]);
    flow->router->background_bytes += flow->pinned_bytes;
    flow->answered = true;
    trace_batch(flow, result.complete);
    if (!flow->options.ended)
        flow->told = flow->sinks;
    flow->options.done(flow->options.arg, &result);
}

static void leave_router(struct flow *flow)
{
    struct router *router = flow->router;
    flow_unchanged(flow);
    flow->ended = true;
    slim_end(flow);
    unlist_flow(&router->flows, flow);
    list_flow(&router->orphaned, flow);
    router->flow_count--;
    if (flow->answered)
        router->background_bytes -= flow->pinned_bytes;
    if ((router->config.invocations || router->stopping) && router->flow_count == 0)
        for (size_t i = 0; i < router->sink_count; i++)
            sink_rest(&router->sinks[i]);
    if (flow->orphans == 0)
        unpin(flow); /* its owner may look whether there is room again */
}

void flow_end(struct flow *flow)
{
    struct clock *clock = flow->router->clock;
    clock->disarm(clock->ctx, &flow->deadline_timer);
    if (flow_cut_short(flow))
        flow_revoke(flow, UINT64_MAX);
    struct batch_result result = fold(flow);
    if (flow->router->config.invocations)
        remember(flow, result.complete);
    release(flow);
    leave_router(flow);
    flow->orphans++; /* so that it lives while its owner looks at the result */
    if (!flow->answered) {
        trace_batch(flow, result.complete);
        flow->options.done(flow->options.arg, &result);
    }
    if (flow->options.ended)
        flow->options.ended(flow->options.arg, flow);
    flow_orphan_gone(flow);
}

void flow_forget(struct flow *flow)
{
    drop_batches(flow);
    arena_done(&flow->arena);
    mem_free(flow);
}

void flow_orphan_gone(struct flow *flow)
{
    if (--flow->orphans > 0 || !flow->ended)
        return;
    if (!flow->router) {
        flow_forget(flow); /* the store was the last to need it */
        return;
    }
    unlist_flow(&flow->router->orphaned, flow);
    flow_free(flow);
}
