/* A virtual process: the program's parts put together as the program does it, on the simulated
 * seams. */
#include "sim.h"

#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>

enum { GAVE_UP = 75 /* the exit code */, SECOND_MS = 1000 };

static char *const environment[] = {
    (char *)"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", (char *)"AWS_SECRET_ACCESS_KEY=secret",
    (char *)"AWS_REGION=eu-west-1", (char *)"HOME=/nonexistent", NULL};

/* ---- logs ---- */

static void heed_line(struct sim_process *process, int level, const char *component,
                      const char *code, const char *msg)
{
    struct sim *sim = process->sim;
    sim_trace(sim, "log %d %s %s: %s", level, component, code ? code : "", msg);
    if (sim->keeps_lines) {
        model_text_put(&sim->lines, code ? code : "", code ? strlen(code) : 0);
        model_text_put(&sim->lines, " ", 1);
        model_text_put(&sim->lines, msg, strlen(msg));
        model_text_put(&sim->lines, "\n", 1);
    }
    sim->detached += code && strcmp(code, "W0814") == 0;
    if (level > WEIR_LOG_ERROR)
        return;
    sim->errors_logged++;
    snprintf(sim->last_error, sizeof sim->last_error, "%s: %s", component, msg);
}

static void on_log(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    heed_line(ctx, level, component, code, msg);
}

static void on_aws_log(void *ctx, int level, const char *msg)
{
    heed_line(ctx, level, "aws", NULL, msg);
}

static void on_plugin_log(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    struct sim_process *process = ctx;
    if (process->sim->trace)
        sim_trace(process->sim, "log %d sink.%s: %.*s", level, sink, STR_ARG(msg));
}

/* ---- sinks ---- */

/* Loaded once: the host never unloads a plugin either. */
static struct plugin *plugin_of(enum sim_kind kind)
{
    static struct plugin *loaded[SIM_FIFO + 1];
    static const char *const folders[] = {TEST_BUILD "/plugins", NULL};
    static const char *const names[] = {
        [SIM_TABLE] = "pricehistory", [SIM_QUEUE] = "sqs", [SIM_FIFO] = "sqs"};
    struct plugin_search search = {.dirs = folders, .insecure = true};
    struct err err = {0};
    if (!loaded[kind] && plugin_load(names[kind], &search, &loaded[kind], &err) < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(loaded[kind] != NULL);
    return loaded[kind];
}

static void on_option_problem(void *arg, const struct option_problem *problem)
{
    (void)arg;
    printf("\n    %s", problem->msg);
}

static void *attach_aws(void *ctx, weir_instance *instance)
{
    struct sim_process *process = ctx;
    return aws_extension_attach(process->aws, instance);
}

static void detach_aws(void *ctx, void *attached)
{
    (void)ctx;
    aws_extension_detach(attached);
}

static void revoke_aws(void *arg, uint64_t token)
{
    const weir_instance *instance = arg;
    if (instance->aws)
        aws_extension_revoke(instance->aws, token);
}

static void made_up_options(const struct sim_sink *sink, char *out, size_t room)
{
    if (sink->options)
        snprintf(out, room, "%s", sink->options);
    else if (sink->kind == SIM_TABLE)
        snprintf(out, room, "{\"table\":\"%s\",\"announce\":false}", sink->name);
    else
        snprintf(out, room, "{\"queue_url\":\"https://sqs.eu-west-1.amazonaws.com/1/%s%s\"}",
                 sink->name, sink->kind == SIM_FIFO ? ".fifo" : "");
}

static weir_instance *open_plugin(struct sim_process *process, const struct sim_sink *sink)
{
    char text[512];
    struct err err = {0};
    struct json_error error;
    weir_instance *instance = NULL;
    struct instance_services services = {.ctx = process,
                                         .log = on_plugin_log,
                                         .world = &process->world->world,
                                         .board = process->board,
                                         .aws_table = &aws_extension,
                                         .aws_attach = attach_aws,
                                         .aws_detach = detach_aws};
    made_up_options(sink, text, sizeof text);
    const struct json_value *options = json_parse(process->options, str_of(text), 0, 0, &error);
    struct plugin *plugin = plugin_of(sink->kind);
    if (instance_new(plugin, sink->name, options, &services, on_option_problem, NULL, &instance,
                     &err) < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(instance != NULL);
    return instance;
}

struct sim_instance sim_open_sink(struct sim_process *process, struct sim_sink *sink)
{
    struct sim_instance one = {.version = sink->version};
    if (sink->kind == SIM_SCRIPTED) {
        one.scripted = sim_scripted_new(process, sink);
        one.instance = sim_scripted_instance(one.scripted);
    } else {
        one.instance = open_plugin(process, sink);
    }
    return one;
}

void sim_close_sink(struct sim_instance *one)
{
    if (one->scripted)
        sim_scripted_free(one->scripted);
    else if (one->instance)
        instance_close(one->instance);
    *one = (struct sim_instance){.instance = NULL};
}

size_t sim_place_of(const struct sim_places *places, size_t sink)
{
    size_t place = 0;
    while (place < places->count && places->sink[place] != sink)
        place++;
    return place;
}

struct route sim_route(const struct sim *sim, const struct sim_places *places, size_t sink,
                       const struct sim_instance *one)
{
    struct route route = sim->sinks[sink].route;
    route.instance = one->instance;
    route.revoke = revoke_aws;
    route.revoke_arg = one->instance;
    if (route.on_exhausted == ROUTE_SINK)
        route.exhausted_sink = sim_place_of(places, route.exhausted_sink);
    return route;
}

struct match_plan *sim_plan(const struct sim *sim, const struct sim_places *places)
{
    struct match_rule rules[SIM_SINKS] = {{0}};
    struct match_sink sinks[SIM_SINKS];
    struct match_plan *plan = NULL;
    struct err err = {0};
    for (size_t i = 0; i < places->count; i++) {
        const struct sim_sink *sink = &sim->sinks[places->sink[i]];
        bool takes_none = sink->letters_only || places->gone >> i & 1;
        rules[i] = (struct match_rule){.events = sink->events,
                                       .images = sink->kind == SIM_TABLE ? WEIR_OLD | WEIR_NEW : 0};
        sinks[i] = (struct match_sink){&rules[i], takes_none ? 0 : 1};
    }
    CHECK_FATAL(match_plan_new(sinks, places->count, &plan, &err) == 0);
    return plan;
}

/* In the order of the configuration, without those that it has not got. */
static void open_sinks(struct sim_process *process, struct route *routes)
{
    struct sim *sim = process->sim;
    struct sim_places *places = &process->places;
    for (size_t i = 0; i < sim->sink_count; i++)
        if (!(sim->disabled >> i & 1))
            places->sink[places->count++] = i;
    for (size_t i = 0; i < places->count; i++) {
        size_t sink = places->sink[i];
        process->instances[sink] = sim_open_sink(process, &sim->sinks[sink]);
        routes[i] = sim_route(sim, places, sink, &process->instances[sink]);
    }
    process->plan = sim_plan(sim, places);
}

/* ---- the store ---- */

static void plan_store(void *ctx, enum vstore_op op, struct vfault *fault)
{
    struct sim_process *process = ctx;
    struct sim *sim = process->sim;
    unsigned percent = op == VSTORE_SAVE  ? sim->save_fails_percent
                       : op == VSTORE_PUT ? sim->put_fails_percent
                                          : 0;
    sim_crash_point(sim);
    if (op != VSTORE_SAVE && op != VSTORE_PUT)
        return;
    if (sim->store_slow_ms && !sim_healed(sim)) {
        fault->delay_ms = (int64_t)sim_below(sim, sim->store_slow_ms);
        fault->answer_ms = (int64_t)sim_below(sim, sim->store_slow_ms);
    }
    if (!sim_chance(sim, percent) && !sim_within(sim, sim->store_fails, sim->store_fails_count))
        return;
    fault->status = -5; /* EIO: it is not known what was written */
    fault->written = sim_below(sim, 3) == 0 ? SIZE_MAX : (size_t)sim_below(sim, 4);
}

static bool may_dispatch(void *ctx)
{
    struct sim_process *process = ctx;
    struct store *store = &process->world->world.store;
    return store->owned(store->ctx);
}

/* ---- life ---- */

static void on_finished(void *arg, int exit_code)
{
    struct sim_process *process = arg;
    CHECK(!process->finished); /* once */
    process->finished = true;
    process->exit_code = exit_code;
    sim_trace(process->sim, "process %zu finished with %d",
              (size_t)(process - process->sim->processes), exit_code);
}

static void after_step(void *ctx)
{
    struct sim_process *process = ctx;
    process->stepped = true;
    sim_after_step(process);
}

static void open_world(struct sim_process *process)
{
    struct sim *sim = process->sim;
    struct vworld *world = process->world = calloc(1, sizeof *world);
    process->store = calloc(1, sizeof *process->store);
    process->board = calloc(1, sizeof *process->board);
    process->options = calloc(1, sizeof *process->options);
    CHECK_FATAL(world && process->store && process->board && process->options);
    vworld_init(world, sim_random(sim));
    sim_reserve(&world->timers);
    world->now_ms = sim->now_ms;
    world->wall_us = SIM_START_MS * 1000;
    world->after_step = after_step;
    world->ctx = process;
    sim_net_seam(process, &world->world.transport);
    vstore_init(process->store, &sim->disk, world);
    process->store->plan = plan_store;
    process->store->ctx = process;
    vstore_seam(process->store, &world->world.store);
    arena_init(process->options, 1024);
}

static void open_router(struct sim_process *process, const struct route *routes)
{
    struct sim *sim = process->sim;
    struct err err = {0};
    struct router_config config = {.pipeline = "sim",
                                   .world = &process->world->world,
                                   .routes = routes,
                                   .route_count = process->places.count,
                                   .places = SIM_SINKS,
                                   .on_poison = sim->config.on_poison,
                                   .poison_sink =
                                       sim_place_of(&process->places, sim->config.poison_sink),
                                   .blocks_for_ever = true,
                                   .in_flight_bytes = sim->config.in_flight_bytes,
                                   .queued_records = sim->config.queued_records,
                                   .may_dispatch = may_dispatch,
                                   .may_dispatch_ctx = process,
                                   .log = on_log,
                                   .log_ctx = process};
    if (router_new(&config, process->board, &process->router, &err) < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(process->router != NULL);
}

void sim_describe(struct sim_process *process, const struct sim_places *places,
                  struct poll_config *out)
{
    const struct sim *sim = process->sim;
    for (size_t i = 0; i < places->count; i++) {
        const struct sim_sink *sink = &sim->sinks[places->sink[i]];
        uint64_t bit = UINT64_C(1) << i;
        process->max_hold_ms[i] = sim->config.max_hold_ms[places->sink[i]];
        if (sink->letters_only || places->gone & bit)
            out->letters_only |= bit;
        else if (!sink->route.required)
            out->optional |= bit;
        if (sink->kind == SIM_TABLE && !(places->gone & bit))
            out->images_needed |= WEIR_OLD | WEIR_NEW;
    }
}

static void open_poll(struct sim_process *process)
{
    const struct sim_config *config = &process->sim->config;
    struct err err = {0};
    struct poll_config poll = {.world = &process->world->world,
                               .router = process->router,
                               .aws = process->aws,
                               .tables = config->tables,
                               .streams = config->streams,
                               .start = config->start,
                               .start_us = config->start_us,
                               .batch_size = config->batch_size,
                               .batching_window_ms = config->batching_window_ms,
                               .parallelization_factor = config->parallelization_factor,
                               .idle_poll_ms = config->idle_poll_ms,
                               .on_gap_continue = config->on_gap_continue,
                               .store_every_ms = config->store_every_ms,
                               .once = config->once,
                               .max_hold_ms = process->max_hold_ms,
                               .log = on_log,
                               .log_ctx = process,
                               .finished = on_finished,
                               .arg = process};
    sim_describe(process, &process->places, &poll);
    fetch_inline_seam(process->fetch, &poll.fetcher);
    if (poll_new(&poll, &process->poll, &err) < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(process->poll != NULL);
    poll_start(process->poll);
}

static void open_process(void *arg)
{
    struct sim_process *process = arg;
    struct route routes[SIM_SINKS];
    struct err err = {0};
    struct aws_config aws = {
        .environ_block = (char **)environment, .log = on_aws_log, .log_ctx = process};
    CHECK_FATAL(aws_client_new(&process->world->world, &aws, &process->aws, &err) == 0);
    CHECK_FATAL(board_init(process->board, &process->world->world.clock) == 0);
    open_sinks(process, routes);
    open_router(process, routes);
    CHECK_FATAL(fetch_inline_new(process->aws, process->plan, &process->fetch) == 0);
    open_poll(process);
}

void sim_start(struct sim *sim, size_t index)
{
    struct sim_process *process = &sim->processes[index];
    CHECK_FATAL(!process->alive);
    for (size_t i = 0; i < sim->sink_count; i++) /* outside of the count of blocks */
        if (sim->sinks[i].kind != SIM_SCRIPTED)
            plugin_of(sim->sinks[i].kind);
    *process = (struct sim_process){
        .sim = sim, .life = process->life + 1, .alive = true, .live_before = mem_live()};
    sim_trace(sim, "process %zu begins life %u", index, process->life);
    open_world(process);
    sim_in_process(process, open_process, process);
}

static void stop_poll(void *arg)
{
    struct sim_process *process = arg;
    sim_reload_stop(process);
    poll_stop(process->poll);
}

void sim_stop(struct sim *sim, size_t index)
{
    struct sim_process *process = &sim->processes[index];
    if (!process->alive || process->stopping)
        return;
    sim_trace(sim, "process %zu is asked to stop", index);
    process->stopping = true;
    process->stopped_in_health = sim_healed(sim);
    sim_in_process(process, stop_poll, process);
}

static void stop_router(void *arg)
{
    struct sim_process *process = arg;
    router_stop(process->router);
}

static void free_parts(struct sim_process *process)
{
    struct sim *sim = process->sim;
    poll_free(process->poll);
    for (size_t i = 0; i < sim->sink_count; i++)
        sim_close_sink(&process->instances[i]);
    sim_reload_free(process);
    router_free(process->router);
    process->router = NULL;
    board_drain(process->board);
    fetch_inline_free(process->fetch);
    aws_client_free(process->aws);
    vworld_settle(process->world); /* the board may have been posted */
    board_done(process->board);
    match_plan_free(process->plan);
    arena_done(process->options);
}

static void check_exit(struct sim_process *process)
{
    struct sim *sim = process->sim;
    sim->clean_stops += process->stopping;
    if (process->lost)
        return;
    bool store_fails = sim->save_fails_percent || sim->store_fails_count || sim->store_slow_ms;
    if (process->exit_code == GAVE_UP && store_fails && !process->stopped_in_health)
        return; /* it says that the last positions are not stored */
    if (process->starved && process->exit_code == GAVE_UP)
        return;
    if (process->stopping && process->exit_code != 0)
        sim_complain(sim, "a clean end has the exit code %d (%s)", process->exit_code,
                     sim->last_error);
    if (!process->stopping && !sim->config.once)
        sim_complain(sim, "it ended by itself, with %d (%s)", process->exit_code, sim->last_error);
}

static void tidy(struct sim_process *process)
{
    struct sim *sim = process->sim;
    sim->running = process;
    free_parts(process);
    while (process->store->jobs) /* dead letters on their way outlive the router */
        vworld_run(process->world, 1000);
    sim->running = NULL;
    if (timers_first(&process->world->timers))
        sim_complain(sim, "a timer is armed after the end");
    timers_done(&process->world->timers);
    vstore_done(process->store);
    process->alive = false;
    if (process->alone && sim->lives == process->lives_before && mem_live() != process->live_before)
        sim_complain(sim, "a clean end leaks %lld blocks",
                     (long long)(mem_live() - process->live_before));
    free(process->world);
    free(process->store);
    free(process->board);
    free(process->options);
    check_exit(process);
    if (process->starved && !process->stopping && !process->back_after_ms)
        process->back_after_ms = SECOND_MS; /* who runs it starts it again */
    if (process->back_after_ms)
        process->restart_at_ms = sim->now_ms + process->back_after_ms;
}

/* Sinks that nobody waits for may still hold records when the poll has finished: they are revoked.
 */
void sim_perhaps_tidy(struct sim_process *process)
{
    if (!process->alive || !process->finished)
        return;
    if (!process->revoking) {
        process->revoking = true;
        sim_in_process(process, stop_router, process);
    } else if (router_idle(process->router) && !process->world->posts) {
        tidy(process);
    }
}

/* ---- crashes ---- */

void sim_crash_point(struct sim *sim)
{
    if (sim->crash_in == 0 || !sim->running || sim_healed(sim) || --sim->crash_in > 0)
        return;
    longjmp(sim->bury, 1);
}

void sim_bury(struct sim_process *process)
{
    struct sim *sim = process->sim;
    sim_trace(sim, "CRASH of process %zu", (size_t)(process - sim->processes));
    sim->crashes++;
    if (sim->crash_every && !sim_healed(sim))
        sim->crash_in = 1 + (int64_t)sim_below(sim, (uint64_t)sim->crash_every * 2);
    process->alive = false;
    sim_net_forget(sim, process);
    vstore_crash(process->store);
    process->restart_at_ms = sim->now_ms + 1 + (int64_t)sim_below(sim, 5000);
}

void sim_crash(struct sim *sim, size_t index)
{
    struct sim_process *process = &sim->processes[index];
    if (process->alive)
        sim_bury(process);
    process->restart_at_ms = 0;
}

static bool ended(struct sim *sim)
{
    for (size_t i = 0; i < SIM_PROCESSES; i++)
        if (sim->processes[i].alive && sim->processes[i].stopping)
            return false;
    return true;
}

int sim_end_life(struct sim *sim, size_t index, int64_t ms)
{
    struct sim_process *process = &sim->processes[index];
    sim_stop(sim, index);
    if (sim_until(sim, ended, ms))
        return process->exit_code;
    sim_complain(sim, "no clean end within %lld s", (long long)(ms / 1000));
    return -1;
}
