#include "router/exchange.h"

#include "router/parts.h"
#include "util/alloc.h"

#include <assert.h>
#include <errno.h>

enum { LET_GO_MS = CANCEL_GRACE_MS + 500 /* when the grace is over, its sink counts as hung */ };

struct exchange {
    struct router *router;
    struct exchange_config config;
    struct timer timer;
    bool cancelled, over;
};

static bool takes_part(const struct exchange *exchange, size_t sink)
{
    return exchange->config.sinks >> sink & 1;
}

static void pause(const struct exchange *exchange, bool paused)
{
    struct router *router = exchange->router;
    for (size_t i = 0; i < router->sink_count; i++)
        if (takes_part(exchange, i))
            router->sinks[i].paused = paused || router->sinks[i].gone;
}

/* The first one whose plugin still has something; sink_count when there is none. */
static size_t holder(const struct exchange *exchange)
{
    const struct router *router = exchange->router;
    size_t i = 0;
    while (i < router->sink_count && !(takes_part(exchange, i) && router->sinks[i].open_count > 0))
        i++;
    return i;
}

static void finish(struct exchange *exchange, int status, size_t sink)
{
    struct router *router = exchange->router;
    struct clock *clock = router->clock;
    clock->disarm(clock->ctx, &exchange->timer);
    exchange->over = true;
    exchange->config.ready(exchange->config.arg, status, sink);
    pause(exchange, false);
    router->exchange = NULL;
    mem_free(exchange);
    router_kick(router);
}

void exchange_look(struct router *router)
{
    struct exchange *exchange = router->exchange;
    if (!exchange || exchange->over)
        return;
    if (router->stopping)
        finish(exchange, -ECANCELED, 0);
    else if (holder(exchange) == router->sink_count)
        finish(exchange, 0, 0);
}

/* What comes back because of the cancelling is no attempt of the records. */
static void cancel_delivery(weir_delivery *delivery)
{
    for (size_t i = 0; i < delivery->count; i++) {
        struct item *item = delivery->entries[i].item;
        if (!delivery->entries[i].done && item->state == ITEM_OPEN && !item->orphan)
            item->split = true;
    }
    sink_revoke(delivery);
}

static void cancel(struct exchange *exchange)
{
    struct router *router = exchange->router;
    for (size_t i = 0; i < router->sink_count; i++)
        for (weir_delivery *delivery = takes_part(exchange, i) ? router->sinks[i].open_first : NULL,
                           *next;
             delivery; delivery = next) {
            next = delivery->next;
            cancel_delivery(delivery);
        }
}

static void on_timer(struct timer *timer)
{
    struct exchange *exchange =
        (struct exchange *)((char *)timer - offsetof(struct exchange, timer));
    struct router *router = exchange->router;
    struct clock *clock = router->clock;
    size_t kept_by = holder(exchange);
    if (kept_by == router->sink_count) {
        exchange_look(router); /* the last one was let go since the last turn */
        return;
    }
    if (exchange->cancelled) {
        finish(exchange, -EBUSY, kept_by);
        return;
    }
    exchange->cancelled = true;
    cancel(exchange);
    clock->arm(clock->ctx, &exchange->timer, LET_GO_MS);
    router_kick(router);
}

int router_exchange(struct router *router, const struct exchange_config *config)
{
    struct clock *clock = router->clock;
    if (router->exchange)
        return -EBUSY;
    struct exchange *exchange = mem_zalloc(1, sizeof *exchange);
    if (!exchange)
        return -ENOMEM;
    exchange->router = router;
    exchange->config = *config;
    exchange->timer.fire = on_timer;
    if (clock->arm(clock->ctx, &exchange->timer, config->wait_ms) < 0) {
        mem_free(exchange);
        return -ENOMEM;
    }
    router->exchange = exchange;
    pause(exchange, true);
    router_kick(router); /* there may be nothing to wait for */
    return 0;
}

void router_exchange_stop(struct router *router)
{
    if (router->exchange && !router->exchange->over)
        finish(router->exchange, -ECANCELED, 0);
}

void exchange_forget(struct router *router)
{
    struct clock *clock = router->clock;
    if (!router->exchange)
        return;
    clock->disarm(clock->ctx, &router->exchange->timer);
    mem_free(router->exchange);
    router->exchange = NULL;
}

/* ---- images ---- */

struct completion { /* a record decoded again; in its flow's arena */
    struct completion *next;
    struct batch *copy;
};

static bool lacks(const struct record *record, uint32_t images)
{
    bool lacks_old = images & record->images & WEIR_OLD && !record->image_at[1];
    bool lacks_new = images & record->images & WEIR_NEW && !record->image_at[2];
    return lacks_old || lacks_new;
}

bool exchange_complete(struct item *item)
{
    struct flow *flow = item->flow;
    if (item->record->poison || !lacks(item->record, item->sink->completes))
        return true;
    struct completion *completion =
        arena_alloc(&flow->arena, sizeof *completion, _Alignof(struct completion));
    if (!completion || record_copy(item->record, NULL, &completion->copy) < 0)
        return false;
    completion->next = flow->completions;
    flow->completions = completion;
    item->record = completion->copy->records[0];
    return true;
}

void exchange_drop_copies(struct flow *flow)
{
    for (struct completion *completion = flow->completions; completion;
         completion = completion->next)
        batch_unref(completion->copy);
    flow->completions = NULL;
}

/* ---- the new one ---- */

/* What was known of the old one's health is no news of the new one. */
static void begin_up(struct sink *sink)
{
    struct clock *clock = sink->router->clock;
    clock->disarm(clock->ctx, &sink->probe_timer);
    sink->probe_delay_ms = PROBE_FIRST_MS;
    sink->down = false;
    sink->down_since_ms = 0;
    sink->counts.up = true;
    sink->forgiven_breaches = sink->counts.order_breaches;
    sink->router->sink_changed = true;
}

/* In a lane, or in its sink's queue. One that leaves, or is stuck, still bars what is behind it. */
static bool has_place(const struct item *item)
{
    return item->state == ITEM_QUEUED || item->state == ITEM_LEAVING ||
           ((item->state == ITEM_STUCK || item->state == ITEM_STARVED) && !item->bars);
}

static void take_out(struct item *item)
{
    struct lane *lane = item->lane;
    if (!lane && item->state == ITEM_QUEUED)
        list_remove(&item->sink->queue, item);
    if (!lane)
        return;
    list_remove(&lane->items, item);
    item->lane = NULL;
    lane_settle(lane);
}

static void put_in(struct item *item)
{
    struct sink *sink = item->sink;
    if (item->state == ITEM_QUEUED) {
        sink->queued--; /* both are counted again */
        sink->letters -= item->letter;
        sink_accept(sink, item);
        return;
    }
    struct lane *lane = sink->route.order == ROUTE_NONE ? NULL : sink_lane_of(sink, item);
    if (!lane) /* out of memory: what is behind it may pass it, should it be given back */
        return;
    item->lane = lane;
    list_append(&lane->items, item);
    lane->blocked = lane->blocked || item->state == ITEM_STUCK;
    lane_settle(lane);
}

/* In the order of the stream, as they came in. */
static void for_waiting(struct sink *sink, void (*act)(struct item *item))
{
    for (struct flow *flow = sink->router->flows.first; flow; flow = flow->next) {
        for (size_t i = 0; i < flow->item_count; i++)
            if (flow->items[i].sink == sink && has_place(&flow->items[i]))
                act(&flow->items[i]);
        for (struct letter *letter = flow->letters; letter; letter = letter->next)
            if (letter->item.sink == sink && has_place(&letter->item))
                act(&letter->item);
    }
}

static void forget_down(struct item *item)
{
    item->down_epoch = 0;
}

static bool is_sound(const struct router *router, size_t sink, const struct route *route)
{
    return route->concurrency > 0 && route->batch_records > 0 && route->max_attempts >= 1 &&
           (route->on_exhausted != ROUTE_SINK ||
            (route->exhausted_sink < router->room && route->exhausted_sink != sink));
}

static void take_route(struct sink *sink, const struct route *route)
{
    const weir_plugin *plugin = &route->instance->plugin->desc;
    sink->route = *route;
    sink->keeps_order = (plugin->flags & WEIR_P_KEEPS_ORDER) && !plugin->record;
}

int router_replace(struct router *router, size_t index, const struct route *route)
{
    struct sink *sink = &router->sinks[index];
    assert(sink->paused && sink->open_count == 0 && !sink->revoked);
    if (!is_sound(router, index, route))
        return -EINVAL;
    bool other_lanes = route->order != sink->route.order;
    if (other_lanes)
        for_waiting(sink, take_out);
    take_route(sink, route);
    begin_up(sink);
    if (other_lanes)
        for_waiting(sink, put_in);
    for_waiting(sink, forget_down);
    return 0;
}

/* ---- one more ---- */

/* Of every batch, since whatever is given up on may become a letter to the new one. */
static int make_shares(struct router *router, struct flow *flow, size_t sinks)
{
    for (; flow; flow = flow->next) {
        struct share *shares =
            arena_alloc(&flow->arena, sinks * sizeof *shares, _Alignof(struct share));
        if (!shares)
            return -ENOMEM;
        memset(shares, 0, sinks * sizeof *shares);
        memcpy(shares, flow->shares, router->room * sizeof *shares);
        flow->shares = shares;
    }
    return 0;
}

int router_make_room(struct router *router, size_t sinks)
{
    if (sinks > router->config.places)
        return -E2BIG;
    if (sinks <= router->room)
        return 0;
    if (make_shares(router, router->flows.first, sinks) < 0 ||
        make_shares(router, router->orphaned.first, sinks) < 0)
        return -ENOMEM;
    router->room = sinks;
    return 0;
}

int router_add(struct router *router, size_t index, const struct route *route)
{
    struct sink *sink = &router->sinks[index];
    bool is_next = index == router->sink_count;
    if (index >= router->room || !is_sound(router, index, route) || (!is_next && !sink->gone))
        return -EINVAL;
    if (is_next) {
        router->sink_count++;
        return sink_init(sink, router, route, index);
    }
    assert(sink->open_count == 0 && !sink->revoked);
    router->gone &= ~(UINT64_C(1) << index);
    sink->gone = sink->paused = false;
    sink->halted_since_ms = 0; /* as behind a start */
    take_route(sink, route);
    begin_up(sink);
    return 0;
}

/* ---- none any more ---- */

/* One that is leaving itself is stored elsewhere already, or will be. */
static bool goes_nowhere(const struct letter *letter)
{
    const struct item *item = &letter->item;
    return item->sink->gone && item->state != ITEM_LEAVING && item->state != ITEM_FINISHED &&
           item->state != ITEM_RETURNED;
}

static void drop_letter(struct item *item)
{
    if (item->state != ITEM_STUCK && item->state != ITEM_LEAVING)
        share_unhold(item);
    item_release(item);
}

/* The letter is given up, and with it one that it is about, to a sink that is gone as well; the
 * record is at the beginning of its end again. */
static void redirect(struct letter *letter)
{
    struct item *origin = letter->origin;
    drop_letter(&letter->item);
    while (origin->letter && origin->sink->gone && origin->state == ITEM_LEAVING) {
        letter = (struct letter *)origin;
        origin = letter->origin;
        drop_letter(&letter->item);
    }
    if (origin->state == ITEM_LEAVING)
        dead_begin_again(origin, letter->dead->reason.ptr);
}

/* New ones are put in front, and go elsewhere. */
static void redirect_letters(struct flow *flow)
{
    for (struct letter *letter = flow->letters; letter; letter = letter->next)
        if (goes_nowhere(letter))
            redirect(letter);
}

void router_let_go(struct router *router, uint64_t sinks)
{
    for (struct flow *flow = sinks ? router->flows.first : NULL; flow; flow = flow->next)
        flow_release(flow, sinks);
}

void router_remove(struct router *router, uint64_t sinks)
{
    sinks &= ~router->gone;
    router->gone |= sinks;
    for (size_t i = 0; i < router->sink_count; i++) {
        struct sink *sink = &router->sinks[i];
        if (!(sinks >> i & 1))
            continue;
        assert(sink->paused && sink->open_count == 0 && !sink->revoked);
        sink->gone = true;
        begin_up(sink);
    }
    router_let_go(router, sinks);
    for (struct flow *flow = sinks ? router->flows.first : NULL; flow; flow = flow->next)
        redirect_letters(flow);
    for (size_t i = 0; i < router->sink_count; i++)
        if (sinks >> i & 1) {
            router->sinks[i].route.instance = NULL;
            router->sinks[i].route.required = false; /* what counts its room, or its health */
        }
}

void router_completes(struct router *router, size_t sink, uint32_t images)
{
    router->sinks[sink].completes |= images;
}

void router_rename(struct router *router, size_t sink, const char *name)
{
    router->sinks[sink].route.name = name;
}

void router_set_poison(struct router *router, enum route_exhausted on_poison, size_t poison_sink)
{
    router->config.on_poison = on_poison;
    router->config.poison_sink = poison_sink;
}
