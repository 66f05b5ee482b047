#include "router/parts.h"

#include "util/alloc.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void router_log(const struct router *router, int level, const struct sink *sink, const char *code,
                const char *format, ...)
{
    char component[128] = "router";
    struct err line; /* err_set's escaping serves here too */
    char text[400];
    va_list args;
    if (!router->config.log)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(&line, 0, "%s", text);
    if (sink)
        snprintf(component, sizeof component, "sink.%s", sink->route.name);
    router->config.log(router->config.log_ctx, level, component, code, line.msg);
}

static int check_routes(const struct router_config *config, struct err *err)
{
    for (size_t i = 0; i < config->route_count; i++) {
        const struct route *route = &config->routes[i];
        if (route->on_exhausted == ROUTE_SINK &&
            (route->exhausted_sink >= config->route_count || route->exhausted_sink == i))
            return err_set(err, -EINVAL, "sink %s: its dead-letter sink is not there", route->name);
    }
    if (config->on_poison == ROUTE_SINK && config->poison_sink >= config->route_count)
        return err_set(err, -EINVAL, "on_poison: its sink is not there");
    return 0;
}

int router_new(const struct router_config *config, struct delivery_board *board,
               struct router **out, struct err *err)
{
    int rc = check_routes(config, err);
    if (rc < 0)
        return rc;
    struct router *router = mem_zalloc(1, sizeof *router);
    if (!router)
        return err_set(err, -ENOMEM, "out of memory");
    router->config = *config;
    router->clock = &config->world->clock;
    router->board = board;
    router->changed_end = &router->changed;
    if (router->config.places < config->route_count)
        router->config.places = config->route_count;
    router->sinks = mem_zalloc(router->config.places, sizeof *router->sinks);
    for (size_t i = 0; router->sinks && i < config->route_count && rc == 0; i++) {
        rc = sink_init(&router->sinks[i], router, &config->routes[i], i);
        router->sink_count = i + 1;
    }
    router->room = router->sink_count;
    if (!router->sinks || rc < 0) {
        router_free(router);
        return err_set(err, rc < 0 ? rc : -ENOMEM,
                       rc < 0 ? "a sink's settings are out of range" : "out of memory");
    }
    board->on_completion = outcome_on_completion;
    board->ctx = router;
    *out = router;
    return 0;
}

static void check_identity(const struct sink_counts *counts)
{
    assert(counts->read == counts->delivered + counts->skipped + counts->duplicate +
                               counts->filtered + counts->dead + counts->dropped +
                               counts->returned + counts->pending);
    (void)counts;
}

static void forget_open(struct sink *sink)
{
    while (sink->open_first)
        sink_delivery_ended(sink->open_first);
}

static void free_flows(struct flow *flow)
{
    for (struct flow *next; flow; flow = next) {
        next = flow->next;
        flow->router = NULL;
        flow->orphans = flow->puts;
        if (flow->puts == 0) /* else the store still reads from it, and frees it in the end */
            flow_forget(flow);
    }
}

void router_free(struct router *router)
{
    if (!router)
        return;
    assert(!router->flows.first && !router->kicked);
    router->kicked = true; /* nothing is posted any more: what is completed now only has its say */
    exchange_forget(router);
    board_drain(router->board);
    for (size_t i = 0; router->sinks && i < router->sink_count; i++) {
        check_identity(&router->sinks[i].counts);
        forget_open(&router->sinks[i]);
        sink_done(&router->sinks[i]);
    }
    free_flows(router->orphaned.first);
    for (struct flow *flow = router->spare; flow; flow = flow->next)
        flow->batch = NULL;
    free_flows(router->spare);
    mem_free(router->sinks);
    mem_free(router);
}

void router_stop(struct router *router)
{
    router->stopping = true;
    router_kick(router);
}

bool router_idle(const struct router *router)
{
    return !router->flows.first && !router->kicked;
}

size_t router_pinned_bytes(const struct router *router)
{
    return router->pinned_bytes + router->letter_bytes;
}

size_t router_queued(const struct router *router)
{
    size_t most = 0;
    for (size_t i = 0; i < router->sink_count; i++)
        if (router->sinks[i].route.required && router->sinks[i].queued > most)
            most = router->sinks[i].queued;
    return most;
}

static void worse(const char **name, int64_t *longest_ms, const struct sink *sink, int64_t since_ms)
{
    struct clock *clock = sink->router->clock;
    int64_t for_ms = clock->now_ms(clock->ctx) - since_ms;
    if (since_ms == 0 || (*name && for_ms <= *longest_ms))
        return;
    *name = sink->route.name;
    *longest_ms = for_ms;
}

struct router_trouble router_trouble(const struct router *router)
{
    struct router_trouble trouble = {0};
    for (size_t i = 0; i < router->sink_count; i++) {
        const struct sink *sink = &router->sinks[i];
        if (!sink->route.required || sink->halted_since_ms)
            continue;
        worse(&trouble.down, &trouble.down_ms, sink, sink->down_since_ms);
        worse(&trouble.hung, &trouble.hung_ms, sink, sink->hung_since_ms);
    }
    return trouble;
}

bool router_pause(struct router *router, size_t index, bool paused)
{
    struct sink *sink = &router->sinks[index];
    int64_t now_ms = router->clock->now_ms(router->clock->ctx);
    if (sink->gone || (sink->halted_since_ms != 0) == paused)
        return false;
    sink->halted_since_ms = !paused ? 0 : now_ms > 0 ? now_ms : 1;
    router->sink_changed = true; /* a batch that only sinks have which are not required is over */
    router_kick(router);
    return true;
}

bool router_hung(const struct router *router)
{
    for (size_t i = 0; i < router->sink_count; i++)
        if (router->sinks[i].hung > 0)
            return true;
    return false;
}

size_t router_sink_count(const struct router *router)
{
    return router->sink_count;
}

bool router_sink_gone(const struct router *router, size_t sink)
{
    return router->sinks[sink].gone;
}

const char *router_sink_name(const struct router *router, size_t sink)
{
    return router->sinks[sink].route.name;
}

weir_instance *router_sink_instance(const struct router *router, size_t sink)
{
    return router->sinks[sink].route.instance;
}

struct sink_counts router_counts(const struct router *router, size_t sink)
{
    const struct sink *one = &router->sinks[sink];
    struct sink_counts counts = one->counts;
    check_identity(&counts);
    counts.required = one->route.required;
    counts.down_since_ms = one->down_since_ms;
    counts.hung_since_ms = one->hung_since_ms;
    counts.paused_since_ms = one->halted_since_ms;
    return counts;
}

uint64_t router_poison_count(const struct router *router)
{
    return router->poison_count;
}

const struct router_call *router_current_call(const struct router *router)
{
    return &router->call;
}
