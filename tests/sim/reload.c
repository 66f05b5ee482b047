/* Another configuration while processes run: sinks come, go and are exchanged, by the same calls as
 * the program's reload (core/cli/reload.c, pipeline.c, run_poll.c). The file is everybody's: a
 * process that starts reads it, one that runs is told of it, and again where it was refused. */
#include "sim.h"

#include "router/exchange.h"
#include "source/fetch.h"

#include <stdlib.h>

enum { WAIT_MS = 30000, TELL_MS = 5000 };

struct retired { /* what was replaced */
    struct retired *next;
    struct sim_instance one;
    struct match_plan *plan;
};

struct sim_reload { /* of a process */
    struct sim_process *process;
    bool busy;
    struct sim_places places; /* as they are to be */
    struct sim_instance fresh[SIM_SINKS];
    uint64_t added, anew, removed; /* sinks */
    struct match_plan *plan;
    struct retired *retired;
    struct sim_lanes left[SIM_SINKS]; /* by those that went */
};

static bool has(uint64_t sinks, size_t sink)
{
    return sinks >> sink & 1;
}

/* ---- what was replaced ---- */

static void retire(struct sim_reload *reload, const struct sim_instance *one,
                   struct match_plan *plan)
{
    struct retired *retired = calloc(1, sizeof *retired);
    CHECK_FATAL(retired != NULL);
    *retired = (struct retired){reload->retired, *one, plan};
    reload->retired = retired;
}

static bool is_idle(const struct retired *retired)
{
    const struct sim_instance *one = &retired->one;
    if (one->scripted)
        return sim_scripted_idle(one->scripted);
    return one->instance && instance_idle(one->instance);
}

static void close_idle(struct sim_reload *reload)
{
    for (struct retired *retired = reload->retired; retired; retired = retired->next)
        if (is_idle(retired))
            sim_close_sink(&retired->one);
}

/* ---- the outcome ---- */

static void refuse(struct sim_reload *reload, const char *why)
{
    struct sim *sim = reload->process->sim;
    sim_trace(sim, "reload refused: %s", why);
    for (size_t i = 0; i < sim->sink_count; i++)
        sim_close_sink(&reload->fresh[i]);
    match_plan_free(reload->plan);
    reload->plan = NULL;
    reload->busy = false;
    sim->reloads_refused++;
}

static uint64_t places_of(const struct sim_places *places, uint64_t sinks)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < places->count; i++)
        bits |= (uint64_t)has(sinks, places->sink[i]) << i;
    return bits;
}

/* One that is exchanged hands on what it was given; what went may come back. */
static void hand_over(struct sim_reload *reload, size_t sink)
{
    struct sim_process *process = reload->process;
    struct sim_instance *old = &process->instances[sink], *fresh = &reload->fresh[sink];
    struct sim_lanes *lanes = &reload->left[sink];
    if (old->scripted)
        sim_scripted_leave(old->scripted, lanes);
    if (fresh->scripted)
        sim_scripted_follow(fresh->scripted, lanes);
    if (old->instance)
        retire(reload, old, NULL);
    *old = *fresh;
    *fresh = (struct sim_instance){.instance = NULL};
}

static void change_router(struct sim_reload *reload)
{
    struct sim_process *process = reload->process;
    const struct sim *sim = process->sim;
    const struct sim_places *places = &reload->places;
    struct router *router = process->router;
    for (int adds = 1; adds >= 0; adds--) /* first: what is changed may give up to them */
        for (size_t i = 0; i < places->count; i++) {
            size_t sink = places->sink[i];
            if (!has(adds ? reload->added : reload->anew, sink))
                continue;
            const struct route route = sim_route(sim, places, sink, &reload->fresh[sink]);
            CHECK_INT(adds ? router_add(router, i, &route) : router_replace(router, i, &route), 0);
        }
    router_set_poison(router, sim->config.on_poison, sim_place_of(places, sim->config.poison_sink));
    router_remove(router, places->gone);
}

static void change_source(struct sim_process *process)
{
    struct poll_config now = {0};
    uint64_t all = (UINT64_C(1) << process->places.count) - 1;
    sim_describe(process, &process->places, &now);
    fetch_inline_set_plan(process->fetch, process->plan);
    poll_remove_sinks(process->poll, now.letters_only);
    poll_add_sinks(process->poll, all & ~now.letters_only);
    poll_set_optional(process->poll, now.optional, now.images_needed, NULL);
}

static void take_over(struct sim_reload *reload)
{
    struct sim_process *process = reload->process;
    struct sim *sim = process->sim;
    uint64_t changed = reload->added | reload->anew | reload->removed;
    if (router_make_room(process->router, reload->places.count) < 0) {
        refuse(reload, "out of memory");
        return;
    }
    change_router(reload);
    for (size_t i = 0; i < sim->sink_count; i++)
        if (has(changed, i))
            hand_over(reload, i);
    retire(reload, &(struct sim_instance){.instance = NULL}, process->plan);
    process->plan = reload->plan;
    process->places = reload->places;
    reload->plan = NULL;
    change_source(process);
    reload->busy = false;
    sim->came += (uint64_t)__builtin_popcountll(reload->added);
    sim->anew += (uint64_t)__builtin_popcountll(reload->anew);
    sim->went += (uint64_t)__builtin_popcountll(reload->removed);
    sim_trace(sim, "process %zu has reloaded", (size_t)(process - sim->processes));
}

static void on_ready(void *arg, int status, size_t place)
{
    struct sim_reload *reload = arg;
    struct sim *sim = reload->process->sim;
    if (status == -EBUSY)
        sim_complain(sim, "%s keeps its records after cancel",
                     sim->sinks[reload->process->places.sink[place]].name);
    if (status == 0 && !reload->process->stopping)
        take_over(reload);
    else
        refuse(reload, "the process stops");
}

/* ---- the way ---- */

static void exchange(struct sim_reload *reload)
{
    const struct exchange_config config = {
        .sinks = places_of(&reload->process->places, reload->anew | reload->removed),
        .wait_ms = WAIT_MS,
        .ready = on_ready,
        .arg = reload};
    if (router_exchange(reload->process->router, &config) < 0)
        refuse(reload, "out of memory");
}

static void on_looked_up(void *arg, int status)
{
    struct sim_reload *reload = arg;
    if (status == 0 && !reload->process->stopping)
        exchange(reload);
    else
        refuse(reload, status == -ECANCELED ? "the process stops" : "no positions can be had");
}

static void compare(struct sim_reload *reload)
{
    const struct sim_process *process = reload->process;
    const struct sim *sim = process->sim;
    struct sim_places *places = &reload->places;
    *places = process->places;
    reload->added = reload->anew = reload->removed = 0;
    for (size_t i = 0; i < sim->sink_count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        bool wanted = !(sim->disabled & bit), there = process->instances[i].instance != NULL;
        size_t place = sim_place_of(places, i);
        if (wanted && !there)
            reload->added |= bit;
        else if (wanted && process->instances[i].version != sim->sinks[i].version)
            reload->anew |= bit;
        else if (!wanted && there)
            reload->removed |= bit;
        if (wanted && place == places->count)
            places->sink[places->count++] = i;
        if (place < places->count)
            places->gone &= ~(UINT64_C(1) << place);
        if (!wanted && place < places->count)
            places->gone |= UINT64_C(1) << place;
    }
}

static bool lags(struct sim_reload *reload)
{
    compare(reload);
    return reload->added || reload->anew || reload->removed;
}

static void begin(void *arg)
{
    struct sim_reload *reload = arg;
    struct sim_process *process = reload->process;
    struct sim *sim = process->sim;
    sim_trace(sim, "process %zu reloads: sinks %llx come, %llx go, %llx are built anew",
              (size_t)(process - sim->processes), (unsigned long long)reload->added,
              (unsigned long long)reload->removed, (unsigned long long)reload->anew);
    reload->busy = true;
    close_idle(reload);
    for (size_t i = 0; i < sim->sink_count; i++)
        if (has(reload->added | reload->anew, i))
            reload->fresh[i] = sim_open_sink(process, &sim->sinks[i]);
    reload->plan = sim_plan(sim, &reload->places);
    if (!reload->added)
        exchange(reload);
    else if (poll_look_up(process->poll, reload->places.count, on_looked_up, reload) < 0)
        refuse(reload, "the process stops");
}

void sim_reload_stop(struct sim_process *process)
{
    if (process->reload && process->reload->busy)
        router_exchange_stop(process->router);
}

void sim_reload_free(struct sim_process *process)
{
    struct sim_reload *reload = process->reload;
    if (!reload)
        return;
    for (size_t i = 0; i < SIM_SINKS; i++) {
        sim_close_sink(&reload->fresh[i]);
        sim_lanes_done(&reload->left[i]);
    }
    match_plan_free(reload->plan);
    while (reload->retired) {
        struct retired *retired = reload->retired;
        reload->retired = retired->next;
        sim_close_sink(&retired->one);
        match_plan_free(retired->plan);
        free(retired);
    }
    free(reload);
    process->reload = NULL;
}

/* ---- who changes the file ---- */

static uint64_t below(struct sim_reloads *reloads, uint64_t limit)
{
    uint64_t z = reloads->random += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) % limit;
}

static bool any_is_left(const struct sim *sim, uint64_t disabled)
{
    for (size_t i = 0; i < sim->sink_count; i++)
        if (!sim->sinks[i].letters_only && !has(disabled, i))
            return true;
    return false;
}

static void change_sink(struct sim_reloads *reloads, struct sim_sink *sink)
{
    struct sim *sim = reloads->sim;
    uint64_t bit = UINT64_C(1) << sink->index;
    if (!sink->letters_only && below(reloads, 3) && any_is_left(sim, sim->disabled ^ bit)) {
        sim->disabled ^= bit;
        return;
    }
    sink->version++;
    sink->route.concurrency = 1 + below(reloads, 8);
    sink->route.batch_records = 1 + below(reloads, sink->kind == SIM_SCRIPTED ? 30 : 10);
    sink->route.max_attempts = 1 + (int64_t)below(reloads, 8);
}

static bool can_reload(const struct sim_process *process)
{
    return process->alive && !process->stopping && !process->finished && !process->lost &&
           !process->paused && process->poll;
}

/* Whether it has not all that the file says. */
static bool tell(struct sim_process *process)
{
    if (!can_reload(process))
        return false;
    if (!process->reload) {
        process->reload = calloc(1, sizeof *process->reload);
        CHECK_FATAL(process->reload != NULL);
        process->reload->process = process;
    }
    if (process->reload->busy)
        return true;
    if (!lags(process->reload))
        return false;
    sim_in_process(process, begin, process->reload);
    return true;
}

static void on_reload(struct timer *timer)
{
    struct sim_reloads *reloads =
        (struct sim_reloads *)((char *)timer - offsetof(struct sim_reloads, timer));
    struct sim *sim = reloads->sim;
    bool ends = sim->now_ms >= reloads->until_ms, waits = false;
    int64_t next_ms = 1 + (int64_t)below(reloads, (uint64_t)reloads->every_ms * 2);
    if (ends)
        sim->disabled = 0;
    for (uint64_t count = below(reloads, 3); !ends && count--;)
        change_sink(reloads, &sim->sinks[below(reloads, sim->sink_count)]);
    for (size_t i = 0; i < SIM_PROCESSES; i++)
        waits = tell(&sim->processes[i]) || waits;
    if (ends)
        next_ms = TELL_MS;
    else if (next_ms > reloads->until_ms - sim->now_ms)
        next_ms = reloads->until_ms - sim->now_ms;
    if (!ends || waits)
        sim_arm(sim, timer, next_ms);
}

bool sim_reloads_settled(struct sim *sim)
{
    for (size_t i = 0; i < SIM_PROCESSES; i++) {
        const struct sim_process *process = &sim->processes[i];
        const struct sim_reload *reload = process->reload;
        if (!can_reload(process))
            continue;
        if (process->places.gone || (reload && reload->busy) ||
            poll_counts(process->poll).sinks_detached > 0)
            return false;
    }
    return true;
}

void sim_act_reloads(struct sim *sim, struct sim_reloads *reloads)
{
    sim->reloads = true;
    reloads->sim = sim;
    reloads->random = sim->seed * 0xd1342543de82ef95ull + 1;
    reloads->timer.fire = on_reload;
    sim_arm(sim, &reloads->timer, (int64_t)below(reloads, (uint64_t)reloads->every_ms));
}
