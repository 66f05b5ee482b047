/* A reload's own life, and that of what it replaced. */
#include "cli/reload_parts.h"
#include "router/exchange.h"
#include "util/alloc.h"

#include <stdlib.h>

enum { TICK_MS = 50, KEEP_MS = 300000, TEXT_MAX = 256 << 10 };

static bool is_idle(const struct sink_set *sinks)
{
    for (size_t i = 0; i < sinks->count; i++)
        if (!sinks->sinks[i].borrowed && !instance_idle(sinks->sinks[i].instance))
            return false;
    return true;
}

/* Outside of the router, which has forgotten them. The plan stays. */
static void close_instances(struct sink_set *sinks)
{
    for (size_t i = 0; i < sinks->count; i++) {
        struct built_sink *sink = &sinks->sinks[i];
        if (sink->borrowed)
            continue;
        instance_close(sink->instance);
        plugin_free(sink->plugin);
        sink->borrowed = true;
    }
}

static bool is_open(const struct sink_set *sinks)
{
    for (size_t i = 0; i < sinks->count; i++)
        if (!sinks->sinks[i].borrowed)
            return true;
    return false;
}

static void free_retired(struct reload_retired *retired)
{
    sink_set_close(retired->sinks);
    config_free(retired->config);
    mem_free(retired);
}

static void on_tick(struct timer *timer)
{
    struct reload *reload = (struct reload *)((char *)timer - offsetof(struct reload, tick));
    const struct clock *clock = &reload->run->pipeline.world.clock;
    int64_t now_ms = clock->now_ms(clock->ctx);
    bool waits = false;
    for (struct reload_retired **at = &reload->retired; *at;) {
        struct reload_retired *retired = *at;
        if (is_idle(retired->sinks))
            close_instances(retired->sinks);
        waits = waits || is_open(retired->sinks);
        bool goes = !is_open(retired->sinks) && now_ms - retired->since_ms >= KEEP_MS;
        if (!goes) {
            at = &retired->next;
            continue;
        }
        *at = retired->next;
        free_retired(retired);
    }
    if (waits || reload->retired)
        clock->arm(clock->ctx, timer, waits ? TICK_MS : KEEP_MS);
}

void reload_retire(struct reload *reload, struct config *config, struct sink_set *sinks)
{
    const struct clock *clock = &reload->run->pipeline.world.clock;
    struct reload_retired *retired = reload->spare;
    reload->spare = NULL;
    *retired = (struct reload_retired){.config = config,
                                       .sinks = sinks,
                                       .since_ms = clock->now_ms(clock->ctx),
                                       .next = reload->retired};
    if (config == reload->first)
        retired->config = NULL; /* what was built at the start points into it, to the end */
    reload->retired = retired;
    reload->tick.fire = on_tick;
    clock->arm(clock->ctx, &reload->tick, 0);
}

int reload_prepare(struct reload *reload)
{
    if (!reload->spare)
        reload->spare = mem_zalloc(1, sizeof *reload->spare);
    return reload->spare ? 0 : -1;
}

struct reload *reload_new(struct run *run)
{
    struct reload *reload = mem_zalloc(1, sizeof *reload);
    if (!reload)
        return NULL;
    reload->run = run;
    reload->first = run->config;
    buf_init(&reload->text, TEXT_MAX);
    buf_init(&reload->others, 4096);
    return reload;
}

bool reload_idle(const struct reload *reload)
{
    for (const struct reload_retired *retired = reload ? reload->retired : NULL; retired;
         retired = retired->next)
        if (!is_idle(retired->sinks))
            return false;
    return true;
}

void reload_stop(struct reload *reload)
{
    if (reload)
        router_exchange_stop(reload->run->pipeline.router);
}

void reload_end(struct reload *reload)
{
    if (!reload)
        return;
    const struct clock *clock = &reload->run->pipeline.world.clock;
    clock->disarm(clock->ctx, &reload->tick);
    if (reload->busy || reload->wanted) /* the loop does not turn any more */
        log_line(reload->run->log, WEIR_LOG_ERROR, "reload", "W1213", RELOAD_STOPPING);
    for (struct reload_retired *retired = reload->retired; retired; retired = retired->next)
        close_instances(retired->sinks);
    sink_set_close(reload->set); /* of one that was under way */
    reload->set = NULL;
}

void reload_free(struct reload *reload)
{
    if (!reload)
        return;
    while (reload->retired) {
        struct reload_retired *retired = reload->retired;
        reload->retired = retired->next;
        free_retired(retired);
    }
    if (reload->config)
        diags_done(&reload->diags);
    config_free(reload->config);
    if (reload->run->config != reload->first)
        config_free(reload->first);
    mem_free(reload->spare);
    buf_done(&reload->text);
    buf_done(&reload->others);
    mem_free(reload);
}
