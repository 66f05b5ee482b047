/* Memory ran out for what comes next with a record. Where a mapping or another source delivers it
 * again, its batch ends without it. A source that reads on by itself has nobody behind it: there
 * the record keeps its place, and it is tried again, so that nothing is lost and nothing comes
 * twice. */
#include "router/parts.h"

enum { STARVED_MS = 1000 };

static void on_starved(struct timer *timer);

void starved_look_again(struct router *router)
{
    struct clock *clock = router->clock;
    router->starved_timer.fire = on_starved;
    if (router->starved > 0 && router->starved_timer.heap_slot == 0)
        clock->arm(clock->ctx, &router->starved_timer, STARVED_MS); /* or at the next turn */
}

void item_starve(struct item *item, const char *reason)
{
    struct flow *flow = item->flow;
    struct router *router = flow->router;
    if (!router->config.blocks_for_ever) {
        origin_stuck(item, "out of memory");
        return;
    }
    if (item->state == ITEM_LEAVING && item->sink)
        share_hold(item); /* its sink has it again */
    item->state = ITEM_STARVED;
    item_note(item, reason);
    flow->starved++;
    if (router->starved++ == 0)
        router_log(router, WEIR_LOG_WARN, item->sink, "W0510",
                   "memory ran out: a record waits, and is tried again each second");
    flow_put_back(item);
    starved_look_again(router);
}

void item_unstarve(struct item *item)
{
    if (item->state != ITEM_STARVED)
        return;
    item->state = ITEM_OPEN; /* in no list yet */
    item->flow->starved--;
    item->flow->router->starved--;
    if (item->sink)
        item->sink->bars -= item->bars;
    item->bars = false;
    if (item->flow->router->starved == 0) {
        struct clock *clock = item->flow->router->clock;
        clock->disarm(clock->ctx, &item->flow->router->starved_timer);
    }
}

/* The sinks of which a record still lacks its lane: none behind it may be first. */
static uint64_t feed(struct item *item, uint64_t hungry)
{
    if (item->state != ITEM_STARVED || (item->bars && hungry >> item->sink->index & 1))
        return hungry;
    if (item->bars)
        return sink_take_starved(item) ? hungry : hungry | UINT64_C(1) << item->sink->index;
    item_unstarve(item);
    if (item->sink)
        dead_begin(item, item->why);
    else
        poison_again(item);
    return hungry;
}

static uint64_t feed_flow(struct flow *flow, uint64_t hungry)
{
    for (size_t i = 0; flow->starved > 0 && i < flow->item_count; i++)
        hungry = feed(&flow->items[i], hungry);
    for (struct letter *letter = flow->letters; flow->starved > 0 && letter; letter = letter->next)
        hungry = feed(&letter->item, hungry);
    return hungry;
}

static void on_starved(struct timer *timer)
{
    struct router *router =
        (struct router *)((char *)timer - offsetof(struct router, starved_timer));
    uint64_t hungry = 0;
    for (struct flow *flow = router->flows.first; flow && router->starved > 0; flow = flow->next)
        hungry = feed_flow(flow, hungry);
    starved_look_again(router);
    router_kick(router);
}
