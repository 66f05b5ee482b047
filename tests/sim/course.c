/* A seed's whole course: what the pipeline looks like, what the world does to it, and what is asked
 * in the end. */
#include "course.h"

#include <stdio.h>

enum { MINUTE_MS = 60000, CALM_MS = 3 * 3600000, SETTLE_MS = 600000 };

/* One of `count` values. */
static int64_t one_of(struct sim *sim, const int64_t *values, size_t count)
{
    return values[sim_below(sim, count)];
}
#define ONE_OF(sim, ...)                                                                           \
    one_of(sim, (const int64_t[]){__VA_ARGS__},                                                    \
           sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* ---- the model's moods ---- */

static void pick_model(struct sim *sim)
{
    struct streams_model *model = &sim->model;
    model->lead = sim_below(sim, 4) ? '1' : '0';
    model->digits = (uint8_t)ONE_OF(sim, 21, 21, 24, 28);
    model->number_step = (unsigned)ONE_OF(sim, 0, 3, 1000);
    model->page_records = (size_t)ONE_OF(sim, 1000, 1000, 50, 7, 1);
    model->describe_page = (size_t)ONE_OF(sim, 100, 100, 3, 1);
    model->end = (enum model_end)sim_below(sim, 3);
    model->end_late = sim_below(sim, 4) == 0;
    model->empty_pages = (unsigned)ONE_OF(sim, 0, 0, 0, 1, 5);
    model->filter = (enum model_filter)ONE_OF(sim, 0, 0, 1, 2, 3);
    model->no_timestamp = sim_below(sim, 2);
    model->minute_times = model->no_timestamp && sim_below(sim, 2); /* as DynamoDB Local */
    model->describe_empty_at = (unsigned)ONE_OF(sim, 0, 0, 1, 2);
    model->trailing_cursor = sim_below(sim, 4) == 0;
    model->repeat_cursor = (unsigned)ONE_OF(sim, 0, 0, 0, 2);
    model->float_times = sim_below(sim, 2);
}

static void pick_streams(struct sim *sim)
{
    static const char *const tables[] = {"Products", "Orders"};
    size_t count = sim_below(sim, 4) ? 1 : 2;
    for (size_t i = 0; i < count; i++) {
        streams_model_create(&sim->model, tables[i], 1 + (unsigned)sim_below(sim, 4),
                             sim_unix_ms(sim));
        sim->config.tables[i] = tables[i];
    }
}

/* ---- sinks ---- */

static void pick_down(struct sim *sim, struct sim_sink *sink)
{
    while (sim_below(sim, 3) == 0 && sink->down_count < SIM_WINDOWS) {
        int64_t from_ms = sim->now_ms + (int64_t)sim_below(sim, 10 * MINUTE_MS);
        sink->down[sink->down_count++] =
            (struct sim_window){from_ms, from_ms + (int64_t)sim_below(sim, 5 * MINUTE_MS)};
    }
}

static void pick_exhausted(struct sim *sim, struct sim_sink *sink, size_t letters)
{
    static const enum route_exhausted kinds[] = {ROUTE_DEAD, ROUTE_DEAD, ROUTE_BLOCK, ROUTE_DROP,
                                                 ROUTE_SINK};
    sink->route.on_exhausted = kinds[sim_below(sim, 5)];
    if (sink->kind != SIM_SCRIPTED && sink->route.on_exhausted == ROUTE_DROP)
        sink->route.on_exhausted = ROUTE_DEAD; /* what a plugin refuses is not seen from here */
    sink->route.exhausted_sink = letters;
    sink->route.max_attempts = ONE_OF(sim, 1, 2, 5, 20);
    sink->route.base_ms = ONE_OF(sim, 10, 100, 1000);
    sink->route.cap_ms = ONE_OF(sim, 1000, 10000, 60000);
}

static void pick_scripted(struct sim *sim, struct sim_sink *sink)
{
    sink->sync = sim_below(sim, 4) == 0;
    sink->route.order = (enum route_order)sim_below(sim, 3);
    sink->route.timeout_ms = ONE_OF(sim, 1000, 5000, 30000);
    sink->route.concurrency = (size_t)ONE_OF(sim, 1, 4, 16);
    sink->route.batch_records = (size_t)ONE_OF(sim, 1, 10, 100);
    sink->events = (uint32_t)ONE_OF(sim, 0, 0, WEIR_MODIFY, WEIR_INSERT | WEIR_REMOVE);
    sink->slow_ms = ONE_OF(sim, 0, 10, 200, 3000);
    sink->retry_percent = (unsigned)ONE_OF(sim, 0, 0, 5, 30);
    sink->poison_every = (unsigned)ONE_OF(sim, 0, 0, 20, 5);
    sink->hang_percent = (unsigned)ONE_OF(sim, 0, 0, 1, 4);
    sink->late_percent = (unsigned)sim_below(sim, 101);
}

static void pick_sinks(struct sim *sim)
{
    size_t count = 1 + sim_below(sim, 3);
    for (size_t i = 0; i < count; i++) {
        char name[16];
        enum sim_kind kind = sim_below(sim, 2) ? SIM_SCRIPTED : (enum sim_kind)sim_below(sim, 4);
        snprintf(name, sizeof name, "sink%c", (char)('a' + i));
        struct sim_sink *sink = sim_add(sim, kind, name);
        if (kind == SIM_SCRIPTED)
            pick_scripted(sim, sink);
        pick_exhausted(sim, sink, count);
        pick_down(sim, sink);
        sink->route.required = i == 0 || sim_below(sim, 5) > 0;
    }
    struct sim_sink *letters = sim_add(sim, SIM_SCRIPTED, "letters");
    letters->letters_only = true;
    letters->route.on_exhausted = sim_below(sim, 2) ? ROUTE_DEAD : ROUTE_BLOCK;
    letters->retry_percent = (unsigned)ONE_OF(sim, 0, 20);
    letters->slow_ms = ONE_OF(sim, 0, 300);
    sim->config.on_poison =
        (enum route_exhausted)ONE_OF(sim, ROUTE_DEAD, ROUTE_DEAD, ROUTE_DROP, ROUTE_SINK);
    sim->config.poison_sink = count;
}

/* ---- faults ---- */

static void pick_window(struct sim *sim, struct sim_window *windows, size_t *count, int64_t most_ms)
{
    while (sim_below(sim, 2) == 0 && *count < SIM_WINDOWS) {
        int64_t from_ms = sim->now_ms + (int64_t)sim_below(sim, 10 * MINUTE_MS);
        windows[(*count)++] =
            (struct sim_window){from_ms, from_ms + (int64_t)sim_below(sim, (uint64_t)most_ms)};
    }
}

static void pick_faults(struct sim *sim)
{
    struct sim_net *net = &sim->net;
    net->latency_ms = ONE_OF(sim, 2, 20, 300, 2000);
    if (sim_below(sim, 5) == 0)
        return; /* a quiet network */
    net->lose_percent = (unsigned)ONE_OF(sim, 0, 1, 5);
    net->hang_percent = (unsigned)ONE_OF(sim, 0, 0, 1);
    net->error_percent = (unsigned)ONE_OF(sim, 0, 2, 10);
    net->throttle_percent = (unsigned)ONE_OF(sim, 0, 2, 20);
    net->garble_percent = (unsigned)ONE_OF(sim, 0, 0, 3);
    net->expire_percent = (unsigned)ONE_OF(sim, 0, 0, 3, 10);
    net->unprocessed_percent = (unsigned)ONE_OF(sim, 0, 10);
    pick_window(sim, net->unreachable, &net->unreachable_count, 3 * MINUTE_MS);
    sim->save_fails_percent = (unsigned)ONE_OF(sim, 0, 0, 10);
    sim->put_fails_percent = (unsigned)ONE_OF(sim, 0, 0, 20);
    sim->store_slow_ms = (unsigned)ONE_OF(sim, 0, 5, 500);
    pick_window(sim, sim->store_fails, &sim->store_fails_count, MINUTE_MS);
}

static void pick_config(struct sim *sim)
{
    struct sim_config *config = &sim->config;
    config->batch_size = ONE_OF(sim, 1, 10, 100, 1000);
    config->batching_window_ms = ONE_OF(sim, 0, 0, 1000, 5000);
    config->parallelization_factor = ONE_OF(sim, 1, 1, 2, 10);
    config->idle_poll_ms = ONE_OF(sim, 250, 1000, 5000);
    config->store_every_ms = ONE_OF(sim, 100, 1000, 5000);
    config->in_flight_bytes = (size_t)ONE_OF(sim, 64 << 20, 64 << 20, 1 << 20);
    config->queued_records = (size_t)ONE_OF(sim, 10000, 10000, 100);
    config->start = sim_below(sim, 4) ? POLL_TRIM_HORIZON : POLL_LATEST;
    config->on_gap_continue = true;
}

/* A sink that is down for longer than the others wait for it: it is detached, and catches up. */
static void pick_detaching(struct sim *sim)
{
    size_t sink = sim_below(sim, sim->sink_count - 1);
    int64_t from_ms = sim->now_ms + (int64_t)sim_below(sim, 2 * MINUTE_MS);
    if (sim_below(sim, 6) > 0 || sim->sink_count < 3)
        return;
    for (size_t i = 0; i < sim->sink_count; i++)
        sim->config.max_hold_ms[i] = ONE_OF(sim, 1000, 20000, MINUTE_MS);
    sim->sinks[sink].route.required = true;
    sim->sinks[sink].down[0] =
        (struct sim_window){from_ms, from_ms + MINUTE_MS + (int64_t)sim_below(sim, 5 * MINUTE_MS)};
    if (sim->sinks[sink].down_count == 0)
        sim->sinks[sink].down_count = 1;
    sim->config.queued_records = (size_t)ONE_OF(sim, 1, 5, 20);
}

static void pick_actors(struct sim *sim, struct sim_actors *actors)
{
    int64_t lasts_ms = ONE_OF(sim, 2, 5, 10) * MINUTE_MS;
    *actors = (struct sim_actors){
        .until_ms = sim->now_ms + lasts_ms,
        .write_every_ms = lasts_ms / ONE_OF(sim, 20, 100, 200),
        .most_records = 500,
        .items = 1 + (unsigned)sim_below(sim, 12),
        .burst_percent = (unsigned)ONE_OF(sim, 0, 5),
        .remove_percent = (unsigned)ONE_OF(sim, 0, 10),
        .poison_percent = (unsigned)ONE_OF(sim, 0, 0, 2),
        .padding = (size_t)ONE_OF(sim, 0, 50, 2000),
        .shard_life_ms = ONE_OF(sim, 0, lasts_ms / 3, lasts_ms / 10),
        .list_lag_ms = ONE_OF(sim, 0, 20000),
        .orphan_ms = ONE_OF(sim, 0, 40000),
        .renew_every_ms = sim_below(sim, 6) == 0 ? lasts_ms / 2 : 0,
        .stop_every_ms = sim_below(sim, 3) == 0 ? lasts_ms / 3 : 0,
        .lose_every_ms = sim_below(sim, 4) == 0 ? lasts_ms / 3 : 0,
        .crash_every = ONE_OF(sim, 0, 50, 300, 2000),
    };
    sim->heal_at_ms = actors->until_ms;
}

/* ---- the course ---- */

static void trace_sinks(struct sim *sim)
{
    for (size_t i = 0; i < sim->sink_count; i++) {
        const struct sim_sink *sink = &sim->sinks[i];
        sim_trace(sim,
                  "%s: kind %d, %srequired, order %d, exhausted %d, %d attempts, timeout %d ms",
                  sink->name, (int)sink->kind, sink->route.required ? "" : "not ",
                  (int)sink->route.order, (int)sink->route.on_exhausted,
                  (int)sink->route.max_attempts, (int)sink->route.timeout_ms);
    }
}

void course_pick(struct course *course)
{
    struct sim *sim = &course->sim;
    pick_model(sim);
    pick_streams(sim);
    pick_sinks(sim);
    pick_faults(sim);
    pick_config(sim);
    pick_actors(sim, &course->actors);
    pick_detaching(sim);
    sim->starve_every = sim_below(sim, 3) ? 0 : (unsigned)ONE_OF(sim, 10, 100);
    course->two = course->actors.lose_every_ms > 0;
    sim->disk.lease_ms = course->two ? 10000 : 0;
    trace_sinks(sim);
}

void course_reload(struct course *course)
{
    static const int64_t times_ms[] = {300, 3000, 20000, MINUTE_MS};
    struct sim *sim = &course->sim;
    course->reloads = (struct sim_reloads){.every_ms = times_ms[sim->seed % 4],
                                           .until_ms = course->actors.until_ms};
    sim->config.start = POLL_TRIM_HORIZON; /* a sink that comes later lacks nothing */
}

static void some_history(struct sim *sim, struct sim_actors *actors)
{
    for (uint64_t count = sim_below(sim, 30); count--;)
        sim_put(sim, sim_below(sim, sim->model.count), (uint32_t)sim_below(sim, actors->items));
}

static void begin_reading(struct sim *sim)
{
    for (size_t i = 0; i < SIM_STREAMS; i++)
        sim->began_ms[i] = INT64_MAX; /* until the store says otherwise */
    sim_start(sim, 0);
}

/* Positions that could not be stored while there were faults are stored by a life in health. */
static bool ended_in_health(const struct sim *sim)
{
    for (size_t i = 0; i < SIM_PROCESSES; i++)
        if (sim->processes[i].stopped_in_health && sim->processes[i].exit_code == 0)
            return true;
    return false;
}

static void check_again(struct sim *sim)
{
    if (!ended_in_health(sim)) {
        sim_start(sim, 0);
        sim_run(sim, SETTLE_MS);
        sim_end_life(sim, 0, SETTLE_MS);
    }
    sim_seal(sim);
    sim_start(sim, 0);
    sim_run(sim, SETTLE_MS);
    sim_end_life(sim, 0, SETTLE_MS);
}

void course_run(struct course *course)
{
    struct sim *sim = &course->sim;
    some_history(sim, &course->actors);
    sim_act(sim, &course->actors);
    if (course->reloads.every_ms)
        sim_act_reloads(sim, &course->reloads);
    begin_reading(sim);
    if (course->two)
        sim_start(sim, 1);
    sim_run(sim, course->actors.until_ms - sim->now_ms + 1);
    sim_trace(sim, "faults end: all must be finished from here on");
    if (course->reloads.every_ms && !sim_until(sim, sim_reloads_settled, CALM_MS))
        sim_complain(sim, "not every sink is back, or caught up");
    if (!sim_until(sim, sim_all_finished, CALM_MS) && sim->complaints == 0)
        sim_check_end(sim);
    for (size_t i = 0; i < SIM_PROCESSES && sim->complaints == 0; i++) {
        sim->processes[i].back_after_ms = 0;
        sim_until(sim, NULL, SETTLE_MS / 10);
        sim_end_life(sim, i, SETTLE_MS);
    }
    if (sim->complaints == 0)
        sim_check_end(sim);
    if (sim->complaints == 0)
        check_again(sim);
}
