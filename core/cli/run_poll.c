/* weir run with a source of kind "poll". */
#include "cli/run.h"

#include "source/fetch_threads.h"
#include "source/poll.h"
#include "util/text.h"

#include <inttypes.h>
#include <signal.h>

enum {
    WATCH_MS = 1000,
    DOWN_LIMIT_MS = 120000,   /* with --once: a source or sink that can't be reached */
    SOURCE_CONNECTIONS = 104, /* of the threads; with the router's they are 128 at most (D3) */
    HUNG_LIMIT_MS = 300000    /* only a new process frees a hung plugin (D6) */
};

/* ---- the end ---- */

static void on_finished(void *arg, int exit_code)
{
    struct run *run = arg;
    if (run->exit_code == 0)
        run->exit_code = exit_code;
    router_stop(run->pipeline.router);
    loop_stop(run->pipeline.loop);
}

/* Ends now: what is under way is given back, positions are stored as they are. */
static void hurry(struct run *run, int exit_code)
{
    if (run->exit_code == 0)
        run->exit_code = exit_code;
    router_stop(run->pipeline.router);
    poll_hurry(run->poll);
}

static void on_grace(struct timer *timer)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, grace));
    log_line(run->log, WEIR_LOG_WARN, "run", "W0701",
             "shutdown.grace is over; what is under way is cancelled");
    hurry(run, EXIT_TEMPFAIL);
}

static void on_signal(void *arg, int signum)
{
    struct run *run = arg;
    run_begin_grace(run, signum, on_grace);
    poll_stop(run->poll);
}

/* ---- what only ends by ending ---- */

static bool all_up(const struct run *run)
{
    const struct router *router = run->pipeline.router;
    for (size_t i = 0; i < router_sink_count(router); i++)
        if (!router_counts(router, i).up)
            return false;
    return true;
}

static bool lasts(const struct run *run, bool now, int64_t *since_ms, int64_t limit_ms)
{
    int64_t now_ms = run_now_ms(run);
    *since_ms = !now ? 0 : *since_ms ? *since_ms : now_ms;
    return now && now_ms - *since_ms >= limit_ms;
}

static void on_watch(struct timer *timer)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, watch));
    const struct clock *clock = &run->pipeline.world.clock;
    bool down = !all_up(run);
    if (lasts(run, router_hung(run->pipeline.router), &run->hung_since_ms, HUNG_LIMIT_MS)) {
        log_line(run->log, WEIR_LOG_ERROR, "run", "W0505",
                 "a plugin has kept records for 5 minutes after cancel; only a restart frees it");
        hurry(run, EXIT_SOFTWARE);
    } else if (down && run_reader_gone()) {
        log_line(run->log, WEIR_LOG_ERROR, "run", "W0703",
                 "nobody reads standard output any more; stopping");
        hurry(run, EXIT_NO);
    } else if (lasts(run, down && run->cli->once, &run->down_since_ms, DOWN_LIMIT_MS)) {
        log_line(run->log, WEIR_LOG_ERROR, "run", "W0703",
                 "a sink has been down for 2 minutes; giving up for now");
        hurry(run, EXIT_TEMPFAIL);
    } else {
        clock->arm(clock->ctx, timer, WATCH_MS);
    }
}

static void print_summary(struct run *run)
{
    struct buf out;
    struct poll_counts counts = poll_counts(run->poll);
    buf_init(&out, 1 << 20);
    buf_printf(&out, "%" PRIu64 " records in, %" PRIu64 " bytes, %.2f s\n", counts.records,
               counts.bytes, (double)(run_now_ms(run) - run->started_ms) / 1000);
    run_print_sinks(run, &out);
    if (counts.gaps)
        buf_printf(&out, "  %" PRIu64 " ranges were trimmed before they were read\n", counts.gaps);
    cli_write(run->cli->err, &out);
    buf_done(&out);
}

static void put_count(struct buf *out, const char *what, uint64_t count)
{
    if (count)
        buf_printf(out, ", %s %" PRIu64, what, count);
}

/* What a daemon's log ends with. */
static void log_end(struct run *run)
{
    struct buf out;
    struct poll_counts counts = poll_counts(run->poll);
    buf_init(&out, 1 << 16);
    buf_printf(&out, "stopped: %" PRIu64 " record%s read", counts.records,
               counts.records == 1 ? "" : "s");
    for (size_t i = 0; i < router_sink_count(run->pipeline.router); i++) {
        struct sink_counts sink = router_counts(run->pipeline.router, i);
        buf_printf(&out, "; %s delivered %" PRIu64, router_sink_name(run->pipeline.router, i),
                   sink.delivered);
        put_count(&out, "dead", sink.dead);
        put_count(&out, "dropped", sink.dropped);
        put_count(&out, "given back", sink.returned);
    }
    buf_puts(&out, counts.stored ? "; positions are stored"
                                 : "; positions are not stored: the next start repeats what was "
                                   "delivered since the last stored ones");
    buf_putc(&out, '\0');
    if (!out.failed)
        log_line(run->log, WEIR_LOG_INFO, "run", NULL, "%s", buf_str(&out).ptr);
    buf_done(&out);
}

/* ---- start ---- */

static enum poll_position position_of(const struct config *config)
{
    weir_str start = str_of(config->poll.starting_position);
    return str_is(start, "LATEST")         ? POLL_LATEST
           : str_is(start, "AT_TIMESTAMP") ? POLL_AT_TIMESTAMP
                                           : POLL_TRIM_HORIZON;
}

/* The images without which a record can't be judged, or is of no use to the plugin (F17). */
static uint32_t images_of(const struct built_sink *sink)
{
    uint32_t images = 0;
    for (size_t i = 0; i < sink->rule_count; i++)
        images |= sink->rules[i].changed ? WEIR_OLD | WEIR_NEW : sink->rules[i].images;
    return images & (WEIR_OLD | WEIR_NEW);
}

static void describe_sinks(struct run *run, struct poll_config *config)
{
    const struct sink_set *sinks = run->pipeline.sinks;
    config->max_hold_ms = run->max_hold_ms;
    for (size_t i = 0; i < sinks->count; i++) {
        const struct built_sink *sink = &sinks->sinks[i];
        run->max_hold_ms[i] = sink->config->max_hold_ms;
        if (sink->rule_count == 0)
            config->letters_only |= UINT64_C(1) << i;
        else if (!sink->config->required)
            config->optional |= UINT64_C(1) << i;
        if (!sink->config->required || !images_of(sink))
            continue;
        config->images_needed |= images_of(sink);
        config->images_sink = config->images_sink ? config->images_sink : sink->config->name;
    }
}

static bool is_configured(void *ctx, weir_str sink)
{
    const struct config *config = ctx;
    for (size_t i = 0; i < config->sink_count; i++)
        if (str_is(sink, config->sinks[i].name))
            return true;
    return false;
}

static int open_fetcher(struct run *run, struct fetcher *out)
{
    struct pipeline *pipeline = &run->pipeline;
    size_t loops = (size_t)run->config->poll.loops;
    if (loops == 1) {
        int rc = fetch_inline_new(pipeline->aws, pipeline->sinks->plan, &run->fetch);
        if (rc < 0)
            return err_set(&run->err, rc, "out of memory");
        fetch_inline_seam(run->fetch, out);
        return 0;
    }
    struct fetch_threads_config config = {
        .world = &pipeline->world,
        .aws = pipeline->aws,
        .aws_config = pipeline->aws_config,
        .loop_config = {.max_host_connections = (int)(SOURCE_CONNECTIONS / loops)},
        .plan = pipeline->sinks->plan,
        .threads = loops,
    };
    int rc = fetch_threads_new(&config, &run->fetch_threads, &run->err);
    if (rc == 0)
        fetch_threads_seam(run->fetch_threads, out);
    return rc;
}

static int open_poll(struct run *run)
{
    const struct config *config = run->config;
    struct pipeline *pipeline = &run->pipeline;
    struct poll_config poll = {
        .world = &pipeline->world,
        .router = pipeline->router,
        .aws = pipeline->aws,
        .tables = config->poll.tables,
        .streams = config->poll.streams,
        .start = position_of(config),
        .start_us = config->poll.starting_timestamp_us,
        .batch_size = config->poll.batch_size,
        .batching_window_ms = config->poll.batching_window_ms,
        .parallelization_factor = config->poll.parallelization_factor,
        .idle_poll_ms = config->poll.idle_poll_ms,
        .on_gap_continue = config->poll.on_gap_continue,
        .store_every_ms = config->state.every_ms,
        .down_limit_ms = DOWN_LIMIT_MS,
        .once = run->cli->once,
        .configured = is_configured,
        .configured_ctx = run->config,
        .admit = pipeline_admit,
        .admit_ctx = pipeline,
        .log = run_log,
        .log_ctx = run,
        .finished = on_finished,
        .arg = run,
    };
    describe_sinks(run, &poll);
    int rc = open_fetcher(run, &poll.fetcher);
    return rc < 0 ? rc : poll_new(&poll, &run->poll, &run->err);
}

int run_poll(struct run *run)
{
    const struct clock *clock = &run->pipeline.world.clock;
    if (open_poll(run) < 0)
        return cli_fail(run->cli, EXIT_SOFTWARE, NULL, "%s", run->err.msg);
    run->started_ms = run_now_ms(run);
    loop_on_signal(run->pipeline.loop, SIGINT, on_signal, run);
    loop_on_signal(run->pipeline.loop, SIGTERM, on_signal, run);
    run->watch.fire = on_watch;
    clock->arm(clock->ctx, &run->watch, WATCH_MS);
    poll_start(run->poll);
    loop_run(run->pipeline.loop);
    if (!run->cli->once)
        log_end(run);
    else if (!run->cli->quiet)
        print_summary(run);
    if (run->exit_code == 0 && run->cli->once && !run_all_delivered(run))
        return EXIT_NO;
    return run->exit_code;
}

void run_poll_end(struct run *run)
{
    poll_free(run->poll);
    fetch_inline_free(run->fetch);
    fetch_threads_free(run->fetch_threads);
}
