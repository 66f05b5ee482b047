/* weir run: starting and ending it, and the pipeline over a file. */
#include "cli/run.h"

#include "cli/crash.h"
#include "cli/meter.h"
#include "cli/reload.h"
#include "cli/run_admin.h"
#include "source/replay.h"
#include "state/sqlite.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

int64_t run_now_ms(const struct run *run)
{
    const struct clock *clock = &run->pipeline.world.clock;
    return clock->now_ms(clock->ctx);
}

void run_log(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    struct run *run = ctx;
    log_text(run->log, level, component, code, str_of(msg));
}

/* ---- what could not be started ---- */

void run_problem_text(struct run *run, struct buf *out)
{
    if (run->diags.errors > 0)
        diags_print(&run->diags, "nothing was started", out);
    else
        buf_puts(out, run->err.msg[0] ? run->err.msg : "out of memory");
}

static int show_problem(struct run *run)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    if (run->diags.errors == 0)
        buf_puts(&text, "weir: ");
    run_problem_text(run, &text);
    if (text.len && text.ptr[text.len - 1] != '\n')
        buf_putc(&text, '\n');
    cli_write(run->cli->err, &text);
    buf_done(&text);
    return run->pipeline.state_failed ? EXIT_CANTCREATE : EXIT_CONFIG;
}

static int refuse(struct run *run, const char *lambda_type)
{
    return run->cli->lambda ? run_lambda_init_error(run, lambda_type) : show_problem(run);
}

/* ---- file ---- */

static void stop_file(struct run *run)
{
    input_call_off(&run->input);
    replay_stop(run->replay);
}

/* What is stored stays stored; the next run starts from the beginning. */
static void hurry_file(struct run *run)
{
    stop_file(run);
    router_stop(run->pipeline.router);
}

static void change_file(struct run *run)
{
    replay_set_plan(run->replay, run->pipeline.sinks->plan);
}

static void on_replayed(void *arg)
{
    struct run *run = arg;
    router_stop(run->pipeline.router);
    loop_stop(run->pipeline.loop);
}

static void print_sink(struct run *run, struct buf *out, size_t index)
{
    struct sink_counts counts = router_counts(run->pipeline.router, index);
    buf_printf(out, "  %-12s %s %" PRIu64 ", filtered %" PRIu64 ", dead %" PRIu64,
               router_sink_name(run->pipeline.router, index),
               run->cli->dry_run ? "would deliver" : "delivered", counts.delivered, counts.filtered,
               counts.dead);
    const struct {
        const char *name;
        uint64_t count;
    } rare[] = {{"skipped", counts.skipped},
                {"duplicate", counts.duplicate},
                {"dropped", counts.dropped},
                {"not delivered", counts.returned},
                {"dead without images", counts.pointers},
                {"retries", counts.retries}};
    for (size_t i = 0; i < sizeof rare / sizeof *rare; i++)
        if (rare[i].count)
            buf_printf(out, ", %s %" PRIu64, rare[i].name, rare[i].count);
    buf_putc(out, '\n');
}

void run_print_sinks(struct run *run, struct buf *out)
{
    for (size_t i = 0; i < router_sink_count(run->pipeline.router); i++)
        if (!router_sink_gone(run->pipeline.router, i))
            print_sink(run, out, i);
    if (router_poison_count(run->pipeline.router))
        buf_printf(out, "  %" PRIu64 " records could not be decoded\n",
                   router_poison_count(run->pipeline.router));
#ifdef WEIR_SQLITE
    if (run->pipeline.state && sqlite_store_letters(run->pipeline.state))
        buf_printf(out, "  dead letters: %s\n", sqlite_store_path(run->pipeline.state));
#endif
}

/* It may quote a plugin, and that a record. */
static void put_reason(struct buf *out, const char *reason)
{
    buf_puts(out, "not complete: ");
    buf_put_visible(out, str_of(reason), strlen(reason));
    buf_putc(out, '\n');
}

static void print_summary(struct run *run)
{
    struct buf out;
    const struct replay_result *result = replay_result(run->replay);
    double seconds = (double)(run_now_ms(run) - run->started_ms) / 1000;
    buf_init(&out, 1 << 20);
    buf_printf(&out, "%" PRIu64 " records in, %" PRIu64 " bytes, %.2f s\n", result->records,
               result->bytes, seconds);
    run_print_sinks(run, &out);
    if (result->reason[0])
        put_reason(&out, result->reason);
    cli_write(run->cli->err, &out);
    buf_done(&out);
}

bool run_all_delivered(const struct run *run)
{
    for (size_t i = 0; i < run->pipeline.sinks->count; i++) {
        struct sink_counts counts = router_counts(run->pipeline.router, i);
        if (run->pipeline.sinks->sinks[i].config->required && counts.dead + counts.dropped > 0)
            return false;
    }
    return true;
}

static int run_file(struct run *run)
{
    static const struct run_source source = {stop_file, hurry_file, .changed = change_file,
                                             .gives_up = true};
    struct replay_config config = {
        .world = &run->pipeline.world,
        .router = run->pipeline.router,
        .plan = run->pipeline.sinks->plan,
        .read = input_read,
        .read_ctx = &run->input,
        .in_flight_bytes = (size_t)run->config->in_flight_bytes,
        .queued_records = (size_t)run->config->queued_records,
        .admit = pipeline_admit,
        .admit_ctx = &run->pipeline,
        .finished = on_replayed,
        .arg = run,
    };
    const char *path = run->config->file_path;
    const struct demo *demo = run->cli->demo;
    int rc = demo ? input_open_text(&run->input, demo->records, demo->pace_ms)
                  : input_open(&run->input, path);
    if (rc < 0)
        return cli_fail(run->cli, EXIT_NO, "name a file with --from FILE, or - for standard input",
                        "can't open %s: %s", path ? path : "standard input", strerror(-rc));
    run->started_ms = run_now_ms(run);
    if (replay_new(&config, &run->replay) < 0)
        return cli_fail(run->cli, EXIT_SOFTWARE, NULL, "out of memory");
    struct meter meter;
    run_watch(run, &source);
    meter_begin(&meter, run);
    loop_run(run->pipeline.loop);
    meter_end(&meter);
    const struct replay_result *result = replay_result(run->replay);
    if (!run->cli->quiet)
        print_summary(run);
    if (run->exit_code != 0)
        return run->exit_code;
    bool stopped_clean = run->signals && result->reason[0] == '\0';
    bool done = result->complete || stopped_clean;
    return done && run_all_delivered(run) ? EXIT_DONE : EXIT_NO;
}

/* ---- all ---- */

static int run_kind(struct run *run)
{
    int log_fd = run->cli->lambda ? STDOUT_FILENO : STDERR_FILENO;
    crash_watch(run->pipeline.router, log_fd);
    if (run->cli->lambda)
        return run_lambda(run);
    const struct clock *clock = &run->pipeline.world.clock;
    run->started_us = clock->wall_us(clock->ctx);
    run->watchdog = watchdog_start(run->pipeline.router, log_fd);
    run_otlp_start(run);
    if (run_admin_start(run) < 0)
        return cli_fail(run->cli, EXIT_CANTCREATE, NULL, "%s", run->err.msg);
    return run->config->source == SOURCE_POLL  ? run_poll(run)
           : run->config->source == SOURCE_KCL ? run_kcl(run)
                                               : run_file(run);
}

static int start(struct run *run)
{
    struct cli *cli = run->cli;
    struct config_request request;
    run_no_core_dump(run);
    run_gain_nothing();
    cli_config_request(cli, &request);
    run->log = cli_log_new(cli, cli_log_level(cli, WEIR_LOG_INFO), NULL, NULL);
    if (!run->log || pipeline_begin(&run->pipeline, cli->lambda, &run->err) < 0)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "%s",
                        run->err.msg[0] ? run->err.msg : "out of memory");
    if (config_load(&request, &run->config, &run->diags) < 0 ||
        (!cli->lambda && config_runnable(run->config, &run->diags) < 0))
        return refuse(run, "Weir.ConfigInvalid");
    if (run->config->source == SOURCE_KCL && run_kcl_claim(run) < 0)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "%s", run->err.msg);
    struct log *log =
        cli_log_new(cli, cli_log_level(cli, run->config->log.level), run->config->log.format, NULL);
    if (log) {
        log_free(run->log);
        run->log = log;
    }
    run_log_settings(run);
    run_log_secrets(run, &run->diags);
    run_warn_of_root(run);
    if (pipeline_open(&run->pipeline, run->config, run->log, cli->dry_run, cli->environ_block,
                      &run->diags, &run->err) < 0)
        return refuse(run, "Weir.SinkInvalid");
    int code = cli->require_healthy && !cli->lambda ? run_healthy(run) : 0;
    return code ? code : run_kind(run);
}

/* The loop finishes what closing set off; then everything is freed in the order of use. */
static int end(struct run *run, int exit_code)
{
    if (run->pipeline.loop) {
        const struct clock *clock = &run->pipeline.world.clock;
        int64_t left_ms = run->signals ? run->grace.at_ms - run_now_ms(run) : INT64_MAX;
        clock->disarm(clock->ctx, &run->grace);
        run_unwatch(run);
        run_otlp_finish(run, left_ms);
    }
    run_admin_end(run);
    run_poll_end(run);
    watchdog_stop(run->watchdog);
    crash_forget();
    if (!pipeline_settle(&run->pipeline) || !reload_idle(run->reload)) {
        log_line(run->log, WEIR_LOG_ERROR, "run", "W0702",
                 "a plugin still works on a pool thread; leaving without it");
        fflush(run->cli->out);
        _exit(exit_code ? exit_code : EXIT_SOFTWARE);
    }
    reload_end(run->reload);
    if (pipeline_close(&run->pipeline) < 0 && exit_code == 0)
        exit_code =
            cli_fail(run->cli, EXIT_SOFTWARE, NULL, "a handle of the event loop was left open");
    run_otlp_end(run);
    run_kcl_end(run);
    run_lambda_end(run);
    replay_free(run->replay);
    input_close(&run->input);
    reload_free(run->reload);
    config_free(run->config);
    diags_done(&run->diags);
    log_free(run->log);
    return exit_code;
}

int verb_run(struct cli *cli)
{
    struct run run = {.cli = cli};
    diags_init(&run.diags);
    return end(&run, start(&run));
}
