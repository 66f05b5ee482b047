/* weir run with a source of kind "poll". */
#include "cli/run.h"

#include "source/fetch_threads.h"
#include "source/poll.h"

#include <inttypes.h>

enum { SOURCE_CONNECTIONS = 104 }; /* of the threads; with the router's they are 128 at most (D3) */

/* ---- the end ---- */

static void on_finished(void *arg, int exit_code)
{
    struct run *run = arg;
    if (run->exit_code == 0)
        run->exit_code = exit_code;
    router_stop(run->pipeline.router);
    loop_stop(run->pipeline.loop);
}

static void stop_polling(struct run *run)
{
    poll_stop(run->poll);
}

static void hurry_poll(struct run *run)
{
    router_stop(run->pipeline.router);
    poll_hurry(run->poll);
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
        buf_printf(&out, "  %" PRIu64 " range%s trimmed before being read\n", counts.gaps,
                   counts.gaps == 1 ? " was" : "s were");
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
        if (router_sink_gone(run->pipeline.router, i))
            continue;
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
        log_line(run->log, WEIR_LOG_INFO, "run", "W0709", "%s", buf_str(&out).ptr);
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
        if (!sink->config->required || !sink_images_needed(sink))
            continue;
        config->images_needed |= sink_images_needed(sink);
        config->images_sink = config->images_sink ? config->images_sink : sink->config->name;
    }
}

/* A new one of a stream whose view type lacks them would get nothing (F17). */
static bool poll_lacks(const struct run *run, const struct sink_set *set, char *why, size_t bytes)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct built_sink *sink = &set->sinks[i];
        uint32_t needed = sink->gone || sink->borrowed ? 0 : sink_images_needed(sink);
        if (sink->config->required &&
            poll_lacks_images(run->poll, needed, sink->config->name, why, bytes))
            return true;
    }
    return false;
}

static bool takes_records(const struct sink_set *set, size_t index)
{
    return index < set->count && set->sinks[index].rule_count > 0;
}

static int look_up_poll(struct run *run, const struct sink_set *set,
                        void (*ready)(void *arg, int status), void *arg)
{
    bool any = set->count > run->pipeline.sinks->count;
    for (size_t i = 0; i < set->count; i++)
        any = any || (takes_records(set, i) && !takes_records(run->pipeline.sinks, i));
    return any ? poll_look_up(run->poll, set->count, ready, arg) : 1;
}

static void change_poll(struct run *run)
{
    uint64_t sinks = 0;
    struct poll_config now = {0};
    const struct match_plan *plan = run->pipeline.sinks->plan;
    describe_sinks(run, &now);
    if (run->fetch)
        fetch_inline_set_plan(run->fetch, plan);
    if (run->fetch_threads)
        fetch_threads_set_plan(run->fetch_threads, plan);
    poll_remove_sinks(run->poll, now.letters_only);
    for (size_t i = 0; i < run->pipeline.sinks->count; i++)
        sinks |= UINT64_C(1) << i;
    poll_add_sinks(run->poll, sinks & ~now.letters_only);
    poll_set_optional(run->poll, now.optional, now.images_needed, now.images_sink);
}

static void say_poll(struct run *run)
{
    struct poll_counts counts = poll_counts(run->poll);
    log_line(run->log, WEIR_LOG_INFO, "source", "W1221",
             "status: %" PRIu64 " records read, shards: %zu read, %zu waiting, %zu held; throttled "
             "%" PRIu64 ", errors %" PRIu64 ", gaps %" PRIu64,
             counts.records, counts.shards_reading, counts.shards_waiting, counts.shards_held,
             counts.throttled, counts.errors, counts.gaps);
}

static bool is_configured(void *ctx, weir_str sink)
{
    const struct config *config = ((const struct run *)ctx)->config;
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
        .down_limit_ms = RUN_DOWN_LIMIT_MS,
        .once = run->cli->once,
        .configured = is_configured,
        .configured_ctx = run,
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
    static const struct run_source daemon = {stop_polling,           hurry_poll,
                                             .lacks = poll_lacks,    .look_up = look_up_poll,
                                             .changed = change_poll, .say_status = say_poll};
    static const struct run_source once = {stop_polling,           hurry_poll,
                                           .lacks = poll_lacks,    .look_up = look_up_poll,
                                           .changed = change_poll, .say_status = say_poll,
                                           .gives_up = true};
    if (open_poll(run) < 0)
        return cli_fail(run->cli, EXIT_SOFTWARE, NULL, "%s", run->err.msg);
    run->started_ms = run_now_ms(run);
    run_watch(run, run->cli->once ? &once : &daemon);
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
