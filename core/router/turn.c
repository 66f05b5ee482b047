/* The router's turn: what changed is looked at, what can be started is, what has ended is told. Its
 * work is proportional to the batches that changed, not to those that are in it. */
#include "router/parts.h"

void flow_changed(struct flow *flow)
{
    struct router *router = flow->router;
    if (flow->changed_at || flow->ended)
        return;
    flow->next_changed = NULL;
    flow->changed_at = router->changed_end;
    *router->changed_end = flow;
    router->changed_end = &flow->next_changed;
    router->changed_count++;
    router_kick(router);
}

void flow_unchanged(struct flow *flow)
{
    struct router *router = flow->router;
    if (!flow->changed_at)
        return;
    *flow->changed_at = flow->next_changed;
    if (flow->next_changed)
        flow->next_changed->changed_at = flow->changed_at;
    else
        router->changed_end = flow->changed_at;
    flow->changed_at = NULL;
    router->changed_count--;
}

/* ---- is it over? ---- */

/* Whether a sink may still do something for this plain batch's records. */
static bool still_working(const struct flow *flow, const struct sink *sink)
{
    bool invocations = flow->router->config.invocations;
    if (flow->shares[sink->index].holds == 0)
        return false;
    bool idle = sink->down || sink->halted_since_ms;
    return !idle || sink->open_count > sink->hung || (sink->route.required && !invocations);
}

bool flow_cut_short(const struct flow *flow)
{
    return flow->overdue || flow->router->stopping;
}

static bool plain_over(const struct flow *flow)
{
    const struct router *router = flow->router;
    for (size_t i = 0; i < router->sink_count; i++)
        if (still_working(flow, &router->sinks[i]))
            return false;
    return flow->puts == 0;
}

static bool any_live(const struct flow *flow, uint64_t sinks)
{
    for (; sinks; sinks &= sinks - 1)
        if (flow->shares[__builtin_ctzll(sinks)].live > 0)
            return true;
    return false;
}

/* ---- the turn ---- */

static void tell_sinks(struct flow *flow)
{
    for (uint64_t left = flow->sinks & ~flow->told; left; left &= left - 1) {
        size_t sink = (size_t)__builtin_ctzll(left);
        if (flow->shares[sink].unfinished > 0)
            continue;
        flow->told |= UINT64_C(1) << sink;
        if (flow->options.sink_done)
            flow->options.sink_done(flow->options.arg, flow, sink);
    }
}

static void settle_by_sink(struct flow *flow)
{
    tell_sinks(flow);
    if (!flow->answered && any_live(flow, flow->awaited)) {
        flow_try_slim(flow);
        return;
    }
    if (!flow->answered && any_live(flow, flow->sinks)) {
        flow_trim(flow);
        tell_sinks(flow);
    }
    if (!any_live(flow, flow->sinks))
        flow_end(flow);
    else if (!flow->answered)
        flow_answer(flow);
    else
        flow_try_slim(flow);
}

static void settle(struct flow *flow)
{
    if (flow_cut_short(flow) || (!flow->by_sink && plain_over(flow)))
        flow_end(flow);
    else if (flow->by_sink)
        settle_by_sink(flow);
    else
        flow_try_slim(flow);
}

static void look_at_all(struct router *router)
{
    for (struct flow *flow = router->flows.first; flow; flow = flow->next)
        if (router->stopping || !flow->by_sink)
            flow_changed(flow);
    router->sink_changed = false;
}

static void end_cut_short(struct router *router)
{
    for (struct flow *flow = router->changed, *next; flow; flow = next) {
        next = flow->next_changed;
        if (flow_cut_short(flow))
            flow_end(flow);
    }
}

static void settle_changed(struct router *router)
{
    if (router->sink_changed)
        look_at_all(router);
    /* what changes in the meantime has kicked */
    for (size_t left = router->changed_count; left > 0 && router->changed; left--) {
        struct flow *flow = router->changed;
        flow_unchanged(flow);
        settle(flow);
    }
}

static void on_kick(struct post *post)
{
    struct router *router = (struct router *)((char *)post - offsetof(struct router, kick));
    router->kicked = false;
    if (router->stopping)
        look_at_all(router);
    end_cut_short(router); /* first: nothing is started for them any more */
    for (size_t i = 0; i < router->sink_count; i++)
        sink_pump(&router->sinks[i]);
    settle_changed(router);
    starved_look_again(router);
    exchange_look(router);
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
