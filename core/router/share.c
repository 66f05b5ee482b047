/* A sink's part in a batch: what of it is finished, how far, and who has room for more. */
#include "router/parts.h"

#include "util/text.h"

static uint64_t bit(size_t sink)
{
    return UINT64_C(1) << sink;
}

/* ---- what is finished ---- */

/* Records up to the first one above `position`. One without a position is as its neighbours. */
static uint32_t index_behind(const struct batch *batch, weir_str position)
{
    uint32_t behind = 0;
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct record *record = batch->records[i];
        weir_str at = record_position(record);
        if (at.len == 0)
            continue;
        if (sequence_cmp(at, position) > 0)
            break;
        behind = record->index + 1;
    }
    return behind;
}

void shares_begin(struct flow *flow, const weir_str *finished_to)
{
    const struct router *router = flow->router;
    memset(flow->shares, 0, router->room * sizeof *flow->shares);
    for (size_t i = 0; finished_to && i < router->sink_count; i++)
        if (flow->sinks & bit(i) && finished_to[i].len)
            flow->shares[i].finished_below = index_behind(flow->batch, finished_to[i]);
}

bool share_has(const struct flow *flow, size_t sink, uint32_t index)
{
    return flow->sinks & ~flow->released & bit(sink) && index >= flow->shares[sink].finished_below;
}

static void change(struct item *item, int live, int unfinished)
{
    struct flow *flow = item->flow;
    size_t first = item->sink ? item->sink->index : 0;
    size_t end = item->sink ? first + 1 : flow->router->sink_count;
    if (item->letter)
        return; /* it is its origin that counts */
    flow->waiting += (uint32_t)unfinished;
    if (unfinished < 0)
        flow->put_back -= item->put_back;
    for (size_t i = first; i < end; i++)
        if (item->sink || share_has(flow, i, item->index)) {
            struct share *share = &flow->shares[i];
            share->live += (uint32_t)live;
            share->unfinished += (uint32_t)unfinished;
            if (share->unfinished == 0)
                share_unpin(flow, i);
        }
    flow_changed(flow);
}

void share_add(struct item *item)
{
    change(item, 1, 1);
}

void share_stuck(struct item *item)
{
    change(item, -1, 0);
}

void share_finished(struct item *item)
{
    change(item, -1, -1);
}

void share_hold(struct item *item)
{
    item->flow->shares[item->sink->index].holds++;
}

void share_unhold(struct item *item)
{
    item->flow->shares[item->sink->index].holds--;
    flow_changed(item->flow);
}

void share_unpin(struct flow *flow, size_t sink)
{
    if (!(flow->pinning & bit(sink)))
        return;
    flow->pinning &= ~bit(sink);
    flow->router->sinks[sink].pinned_bytes -= flow->pinned_bytes;
}

/* ---- how far ---- */

static struct kept kept_at(const struct flow *flow, size_t i)
{
    if (!flow->batch)
        return flow->kept[i];
    const struct record *record = flow->batch->records[i];
    return (struct kept){.position = record_position(record), .index = record->index};
}

/* The place of the first record whose index is not smaller. */
static size_t place_of(const struct flow *flow, uint32_t index)
{
    size_t low = 0, high = flow->batch ? flow->batch->record_count : flow->kept_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kept_at(flow, middle).index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static weir_str position_before(const struct flow *flow, uint32_t index)
{
    for (size_t i = place_of(flow, index); i > 0; i--) {
        weir_str position = kept_at(flow, i - 1).position;
        if (position.len)
            return position;
    }
    return STR_NONE;
}

/* Poison is everyone's. */
static bool bars(const struct item *item, size_t sink)
{
    if (item->state == ITEM_FINISHED)
        return false;
    return item->sink ? item->sink->index == sink
                      : item->index >= item->flow->shares[sink].finished_below;
}

weir_str flow_frontier(const struct flow *flow, size_t sink, bool *whole)
{
    struct share *share = &flow->shares[sink];
    if (whole)
        *whole = share->unfinished == 0;
    if (share->unfinished == 0)
        return flow->last_sequence;
    while (share->looked < flow->item_count) {
        const struct item *item = &flow->items[share->looked];
        if (bars(item, sink))
            return position_before(flow, item->index);
        share->looked++;
    }
    return STR_NONE; /* only poison that flow_release gave back, finished since for the others */
}

/* ---- gates and release ---- */

void flow_open_gates(struct flow *flow, uint64_t sinks)
{
    sinks &= flow->gated;
    flow->gated &= ~sinks;
    for (size_t i = 0; sinks && i < flow->item_count; i++) {
        struct item *item = &flow->items[i];
        if (item->state != ITEM_GATED || !(sinks & bit(item->sink->index)))
            continue;
        item->sink->queued--; /* starting counts it again */
        item_start(item);
    }
    router_kick(flow->router);
}

static void release_poison(struct flow *flow, size_t sink)
{
    struct sink_counts *counts = &flow->router->sinks[sink].counts;
    for (size_t i = 0; i < flow->item_count; i++) {
        const struct item *item = &flow->items[i];
        if (item->sink || item->state == ITEM_FINISHED || !share_has(flow, sink, item->index))
            continue;
        counts->returned++;
        counts->pending--;
        flow->shares[sink].live -= item->state != ITEM_STUCK;
    }
}

static void release_items(struct flow *flow, uint64_t sinks)
{
    for (size_t i = 0; i < flow->item_count; i++) {
        struct item *item = &flow->items[i];
        if (!item->sink || !(sinks & bit(item->sink->index)) || item->state == ITEM_FINISHED ||
            item->state == ITEM_RETURNED)
            continue;
        if (item->state != ITEM_STUCK)
            share_stuck(item);
        if (item->state != ITEM_STUCK && item->state != ITEM_LEAVING)
            share_unhold(item);
        item_release(item);
    }
}

/* What a sink finished behind its frontier is not given to it again when it reads it again. What
 * finished_to left out is its source's to know: it may be under way in another batch. */
static void remember_finished(const struct flow *flow, uint64_t sinks)
{
    for (size_t i = 0; i < flow->item_count; i++) {
        const struct item *item = &flow->items[i];
        const struct share *share = item->sink ? &flow->shares[item->sink->index] : NULL;
        if (!share || !(sinks & bit(item->sink->index)) || item->state != ITEM_FINISHED ||
            item->index < share->finished_below || i < share->looked)
            continue;
        struct kept kept = kept_at(flow, place_of(flow, item->index));
        weir_str stream_arn =
            flow->batch ? item->record->origin->stream_arn : flow->kept_stream_arn;
        memory_put(&item->sink->memory, stream_arn, kept.position,
                   (struct memory_fact){.finished = true});
    }
}

/* Letters about what was given back are of no use, but what a plugin has may be stored. */
static void release_letters(struct flow *flow)
{
    for (struct letter *letter = flow->letters; letter; letter = letter->next) {
        struct item *item = &letter->item;
        if (letter->origin->state != ITEM_RETURNED || item->state == ITEM_FINISHED ||
            item->state == ITEM_RETURNED)
            continue;
        if (item->state != ITEM_STUCK && item->state != ITEM_LEAVING)
            share_unhold(item);
        item_release(item);
    }
}

void flow_release(struct flow *flow, uint64_t sinks)
{
    sinks &= flow->sinks & ~flow->released;
    for (size_t i = 0; i < flow->router->sink_count; i++)
        if (sinks & bit(i))
            flow_frontier(flow, i, NULL); /* as its source knows it, before plugins say more */
    flow_revoke(flow, sinks);
    remember_finished(flow, sinks);
    release_items(flow, sinks);
    release_letters(flow);
    for (size_t i = 0; i < flow->router->sink_count; i++)
        if (sinks & bit(i)) {
            release_poison(flow, i);
            share_unpin(flow, i);
        }
    flow->released |= sinks;
    flow->gated &= ~sinks;
    flow_changed(flow);
}

/* ---- room ---- */

static bool sink_full(const struct sink *sink, const struct router_config *config)
{
    size_t most = sink->route.queue_records;
    if (config->queued_records && (most == 0 || config->queued_records < most))
        most = config->queued_records;
    if (most && sink->queued - sink->letters >= most)
        return true;
    if (sink->letter_bytes > LETTER_RESERVE_BYTES)
        return true;
    return config->in_flight_bytes && sink->pinned_bytes > 0 &&
           sink->pinned_bytes >= config->in_flight_bytes / 2;
}

uint64_t router_full(const struct router *router, bool *all, size_t *fullest)
{
    const struct router_config *config = &router->config;
    size_t letters = router->letter_bytes > LETTER_RESERVE_BYTES
                         ? router->letter_bytes - LETTER_RESERVE_BYTES
                         : 0;
    uint64_t full = 0;
    size_t most = SIZE_MAX;
    for (size_t i = 0; i < router->sink_count; i++) {
        const struct sink *sink = &router->sinks[i];
        if (!sink->route.required)
            continue;
        if (sink_full(sink, config))
            full |= bit(i);
        if (most == SIZE_MAX || sink->pinned_bytes > router->sinks[most].pinned_bytes)
            most = i;
    }
    *all = config->in_flight_bytes && router->pinned_bytes + letters >= config->in_flight_bytes;
    *fullest = most;
    return full;
}

bool router_has_room(const struct router *router, const char **sink)
{
    bool all;
    size_t most;
    uint64_t full = router_full(router, &all, &most);
    if (full)
        most = (size_t)__builtin_ctzll(full);
    if ((full || all) && sink)
        *sink = most == SIZE_MAX ? NULL : router->sinks[most].route.name;
    return !full && !all;
}

void router_resume(struct router *router)
{
    router->held = false;
    router_kick(router);
}
