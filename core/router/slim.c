/* What is left of a batch after a while is copied out of it, so that one record that waits does not
 * pin a page of megabytes (D5). Finished records are not looked at again: only their positions
 * are kept. */
#include "router/parts.h"

#include "util/alloc.h"

/* ---- how old ---- */

static void set_timer(struct router *router);

static void on_age(struct timer *timer)
{
    struct router *router = (struct router *)((char *)timer - offsetof(struct router, age_timer));
    struct clock *clock = router->clock;
    int64_t now_ms = clock->now_ms(clock->ctx);
    struct flow *flow = router->young;
    for (; flow && now_ms - flow->begun_ms >= HELD_LONG_MS; flow = flow->next) {
        flow->old = true;
        flow_changed(flow);
    }
    router->young = flow;
    set_timer(router);
}

static void set_timer(struct router *router)
{
    struct clock *clock = router->clock;
    struct timer *timer = &router->age_timer;
    timer->fire = on_age;
    if (!router->young)
        clock->disarm(clock->ctx, timer);
    else if (timer->heap_slot == 0)
        clock->arm(clock->ctx, timer,
                   router->young->begun_ms + HELD_LONG_MS - clock->now_ms(clock->ctx));
}

void slim_begin(struct flow *flow)
{
    struct router *router = flow->router;
    struct clock *clock = router->clock;
    flow->begun_ms = clock->now_ms(clock->ctx);
    if (router->config.invocations)
        return;
    if (!router->young)
        router->young = flow;
    set_timer(router);
}

void slim_end(struct flow *flow)
{
    struct router *router = flow->router;
    if (router->young != flow)
        return;
    router->young = flow->next;
    set_timer(router);
}

void flow_put_back(struct item *item)
{
    if (item->letter)
        return;
    item->flow->put_back += !item->put_back;
    item->put_back = true;
    flow_changed(item->flow);
}

/* ---- the copies ---- */

static bool waits(const struct item *item)
{
    return item->state != ITEM_FINISHED && item->state != ITEM_RETURNED;
}

/* Copies whose sum would not be far below the page are not worth their while. */
static bool worth_it(const struct flow *flow)
{
    enum { COPY_BYTES = 2560 }; /* of a batch, its arena's first chunk, and nodes */
    const struct record *last = NULL;
    size_t bytes = 0;
    for (size_t i = 0; i < flow->item_count; i++) {
        const struct item *item = &flow->items[i];
        if (!waits(item) || item->record == last)
            continue;
        last = item->record;
        bytes += 2 * last->raw.len + COPY_BYTES;
    }
    return bytes <= flow->pinned_bytes / 2;
}

static weir_str keep(struct flow *flow, weir_str text)
{
    char *copy = arena_alloc(&flow->arena, text.len + 1, 1);
    if (copy && text.len)
        memcpy(copy, text.ptr, text.len);
    return (weir_str){copy, copy ? text.len : 0};
}

static bool keep_positions(struct flow *flow, struct kept *kept)
{
    const struct batch *batch = flow->batch;
    for (size_t i = 0; i < batch->record_count; i++) {
        kept[i].index = batch->records[i]->index;
        kept[i].position = keep(flow, record_position(batch->records[i]));
        if (!kept[i].position.ptr)
            return false;
    }
    return true;
}

/* One for each record that somebody waits for. */
static bool copy_records(const struct flow *flow, struct batch **copies, size_t *count)
{
    const struct record *last = NULL;
    for (size_t i = 0; i < flow->item_count; i++) {
        const struct item *item = &flow->items[i];
        if (!waits(item) || item->record == last)
            continue;
        last = item->record;
        if (record_copy(item->record, NULL, &copies[*count]) < 0)
            return false;
        (*count)++;
    }
    return true;
}

static void repin(struct flow *flow, size_t bytes)
{
    struct router *router = flow->router;
    const size_t less = flow->pinned_bytes - bytes; /* wraps, rightly, should it be more */
    for (size_t i = 0; i < router->sink_count; i++)
        if (flow->pinning >> i & 1)
            router->sinks[i].pinned_bytes -= less;
    router->pinned_bytes -= less;
    if (flow->answered)
        router->background_bytes -= less;
    flow->pinned_bytes = bytes;
}

static void use_copies(struct flow *flow)
{
    const struct record *last = NULL;
    size_t used = 0, bytes = flow->item_count * sizeof *flow->items;
    for (size_t i = 0; i < flow->item_count; i++) {
        struct item *item = &flow->items[i];
        const struct record *record = item->record;
        if (waits(item)) {
            used += record != last;
            last = record;
        }
        item->record = waits(item) ? flow->copies[used - 1]->records[0] : NULL;
    }
    for (struct letter *letter = flow->letters; letter; letter = letter->next)
        letter->item.record = letter->origin->record;
    for (size_t i = 0; i < flow->copy_count; i++)
        bytes += batch_pinned_bytes(flow->copies[i]);
    for (size_t i = 0; i < flow->kept_count; i++)
        bytes += sizeof flow->kept[i] + flow->kept[i].position.len;
    batch_unref(flow->batch);
    flow->batch = NULL;
    repin(flow, bytes);
}

static bool slim(struct flow *flow)
{
    size_t copied = 0, records = flow->batch->record_count;
    struct batch **copies =
        arena_alloc(&flow->arena, flow->waiting * sizeof *copies, _Alignof(struct batch *));
    struct kept *kept = arena_alloc(&flow->arena, records * sizeof *kept, _Alignof(struct kept));
    weir_str last_sequence = keep(flow, flow->last_sequence);
    weir_str stream_arn = keep(flow, flow->batch->records[0]->origin->stream_arn);
    if (!copies || !kept || !last_sequence.ptr || !stream_arn.ptr || !keep_positions(flow, kept))
        return false;
    if (!copy_records(flow, copies, &copied)) {
        while (copied > 0)
            batch_unref(copies[--copied]);
        return false;
    }
    flow->copies = copies;
    flow->copy_count = copied;
    flow->kept = kept;
    flow->kept_count = records;
    flow->kept_stream_arn = stream_arn;
    flow->last_sequence = last_sequence;
    use_copies(flow);
    return true;
}

void flow_try_slim(struct flow *flow)
{
    bool due = flow->old || flow->put_back >= flow->waiting;
    if (!due || !flow->batch || flow->waiting == 0 || flow->waiting >= flow->slim_below ||
        flow->open_deliveries > 0 || flow->puts > 0 || flow->router->config.invocations)
        return;
    if (!worth_it(flow) || !slim(flow))
        flow->slim_below = flow->waiting / 2 + 1;
}
