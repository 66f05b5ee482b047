/* weir run as the Lambda runtime: what surrounds the invocations. */
#include "cli/run.h"

#include "cli/footprint.h"
#include "observe/emf.h"
#include "source/lambda.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdlib.h>

enum { TRACE_BYTES = 512, EMF_BYTES_MAX = (MATCH_SINKS_MAX + 1) * EMF_LINE_BYTES };

struct sink_mark { /* a sink's counters when the invocation began */
    uint64_t delivered, failed;
    uint64_t deliveries;
    int64_t busy_ms; /* over its deliveries */
};

struct lambda_run {
    struct run *run;
    struct lambda *lambda;
    struct sink_mark marks[MATCH_SINKS_MAX];
    char request_id[130];
    /* In the environment, by turns: what a thread may still be reading is left alone. */
    char trace[2][TRACE_BYTES];
};

/* ---- each invocation ---- */

/* For whoever in a plugin looks for the trace there, as AWS's own libraries do. putenv and not
 * setenv, which would leak each value. The variable is put there before any thread runs, so that
 * the environment itself never moves. */
static void set_trace_variable(struct lambda_run *self, weir_str trace)
{
    char *next = self->trace[lambda_invocation_count(self->lambda) % 2];
    bool fits = trace.len < TRACE_BYTES - 32 && !memchr(trace.ptr ? trace.ptr : "", 0, trace.len);
    snprintf(next, TRACE_BYTES, "_X_AMZN_TRACE_ID=%.*s", fits ? (int)trace.len : 0, trace.ptr);
    putenv(next);
}

static uint64_t failed_of(const struct sink_counts *counts)
{
    return counts->returned + counts->dead + counts->dropped;
}

static void on_began(void *ctx, const struct lambda_invocation *invocation)
{
    struct lambda_run *self = ctx;
    struct run *run = self->run;
    bool cold = lambda_invocation_count(self->lambda) == 1;
    log_set_context(run->log, "function_request_id", invocation->request_id);
    log_set_context(run->log, "function_arn", invocation->function_arn);
    log_set_context(run->log, "xray_trace_id", invocation->trace_id);
    log_set_context(run->log, "cold_start", cold ? STR("true") : STR("false"));
    aws_client_set_trace(run->pipeline.aws, invocation->trace_id);
    set_trace_variable(self, invocation->trace_id);
    snprintf(self->request_id, sizeof self->request_id, "%.*s", (int)invocation->request_id.len,
             invocation->request_id.ptr);
    for (size_t i = 0; i < router_sink_count(run->pipeline.router); i++) {
        struct sink_counts counts = router_counts(run->pipeline.router, i);
        struct sink_view view = router_view(run->pipeline.router, i);
        self->marks[i] = (struct sink_mark){counts.delivered + counts.skipped, failed_of(&counts),
                                            view.seconds.count, view.seconds.sum_ms};
    }
}

/* In whole milliseconds, rounded up: a delivery takes some time. */
static int64_t latency_of(const struct sink_mark *mark, struct sink_view view)
{
    int64_t deliveries = (int64_t)(view.seconds.count - mark->deliveries);
    int64_t busy_ms = view.seconds.sum_ms - mark->busy_ms;
    return deliveries > 0 ? (busy_ms + deliveries - 1) / deliveries : -1;
}

/* A document has a value per name: a label's value becomes a part of it. */
static void read_figures(const weir_instance *instance, struct emf_sink *sink)
{
    static const char *const units[] = {
        [WEIR_M_COUNTER] = "Count", [WEIR_M_GAUGE] = "None", [WEIR_M_HISTOGRAM] = "Milliseconds"};
    sink->figure_count = figures_count(instance->figures);
    for (size_t i = 0; i < sink->figure_count; i++) {
        struct emf_figure *to = &sink->figures[i];
        struct figure figure;
        figures_read(instance->figures, i, &figure);
        snprintf(to->name, sizeof to->name, "%s%s%s", figure.own_name, figure.label ? "_" : "",
                 figure.value);
        to->unit = units[figure.kind];
        to->value = figures_since(instance->figures, i);
        if (figure.kind == WEIR_M_HISTOGRAM && to->value < 0)
            to->value = EMF_NONE;
    }
}

static void put_metrics(struct lambda_run *self, struct emf_invocation *invocation, struct buf *out)
{
    const struct router *router = self->run->pipeline.router;
    struct buf sinks;
    buf_init(&sinks, EMF_BYTES_MAX);
    for (size_t i = 0; i < router_sink_count(router); i++) {
        struct sink_counts counts = router_counts(router, i);
        struct emf_sink sink = {.name = router_sink_name(router, i),
                                .latency_ms = latency_of(&self->marks[i], router_view(router, i))};
        sink.delivered = counts.delivered + counts.skipped - self->marks[i].delivered;
        sink.failed = failed_of(&counts) - self->marks[i].failed;
        invocation->delivered += sink.delivered;
        invocation->failed += sink.failed;
        if (sink.delivered + sink.failed == 0)
            continue;
        read_figures(router_sink_instance(router, i), &sink);
        emf_put_sink(&sinks, invocation, &sink);
    }
    emf_put_invocation(out, invocation);
    buf_put_str(out, buf_str(&sinks));
    buf_done(&sinks);
}

static void on_ending(void *ctx, const struct lambda_outcome *outcome)
{
    struct lambda_run *self = ctx;
    struct run *run = self->run;
    const struct clock *clock = &run->pipeline.world.clock;
    int64_t wall_us = clock->wall_us(clock->ctx);
    struct emf_invocation invocation = {
        .name_space = run->config->metrics.emf_namespace,
        .wall_ms = wall_us / 1000,
        .function_name = env_get(run->cli->environ_block, "AWS_LAMBDA_FUNCTION_NAME"),
        .request_id = str_of(self->request_id),
        .received = outcome->records,
        .batch_item_failures = outcome->batch_item_failures,
        .latency_ms = outcome->latency_ms,
        .record_age_ms = -1,
        .cold_start = outcome->cold_start,
    };
    if (outcome->cold_start) /* the first connections are open, their TLS agreed on */
        footprint_give_back();
    if (run->config->metrics.emf_off)
        return;
    if (outcome->oldest_us > 0)
        invocation.record_age_ms =
            wall_us > outcome->oldest_us ? (wall_us - outcome->oldest_us) / 1000 : 0;
    struct buf lines;
    buf_init(&lines, EMF_BYTES_MAX);
    put_metrics(self, &invocation, &lines);
    if (!lines.failed)
        log_raw(run->log, buf_str(&lines));
    buf_done(&lines);
}

/* ---- life ---- */

static void on_finished(void *arg, int exit_code)
{
    struct lambda_run *self = arg;
    self->run->exit_code = exit_code;
    loop_stop(self->run->pipeline.loop);
}

static int open_runtime(struct run *run)
{
    struct lambda_run *self = mem_zalloc(1, sizeof *self);
    if (!self)
        return err_set(&run->err, -ENOMEM, "out of memory");
    struct lambda_config config = {
        .world = &run->pipeline.world,
        .api = env_get(run->cli->environ_block, "AWS_LAMBDA_RUNTIME_API"),
        .router = run->pipeline.router,
        .plan = run->pipeline.sinks ? run->pipeline.sinks->plan : NULL,
        .report_batch_item_failures = run->config && run->config->lambda.report_batch_item_failures,
        .deadline_margin_ms = run->config ? run->config->lambda.deadline_margin_ms : 0,
        .admit = pipeline_admit,
        .admit_ctx = &run->pipeline,
        .began = on_began,
        .began_ctx = self,
        .ending = on_ending,
        .ending_ctx = self,
        .log = run_log,
        .log_ctx = run,
        .finished = on_finished,
        .arg = self,
    };
    self->run = run;
    run->lambda = self;
    return lambda_new(&config, &self->lambda, &run->err);
}

static void set_context(struct run *run, const char *key, const char *variable)
{
    const char *value = env_get(run->cli->environ_block, variable);
    log_set_context(run->log, key, value ? str_of(value) : STR_NONE);
}

int run_lambda(struct run *run)
{
    if (open_runtime(run) < 0)
        return run_lambda_init_error(run, "Weir.OutOfMemory");
    set_context(run, "function_name", "AWS_LAMBDA_FUNCTION_NAME");
    set_context(run, "function_memory_size", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE");
    set_trace_variable(run->lambda, STR_NONE);
    footprint_give_back();
    lambda_start(run->lambda->lambda);
    loop_run(run->pipeline.loop);
    return run->exit_code;
}

int run_lambda_init_error(struct run *run, const char *type)
{
    struct buf text;
    buf_init(&text, 32 << 10);
    run_problem_text(run, &text);
    log_text(run->log, WEIR_LOG_ERROR, "lambda", "W0600", buf_str(&text));
    run->exit_code = 1;
    if ((run->lambda && run->lambda->lambda) || (!run->lambda && open_runtime(run) == 0)) {
        lambda_init_error(run->lambda->lambda, type, buf_str(&text));
        loop_run(run->pipeline.loop);
    }
    buf_done(&text);
    return 1;
}

void run_lambda_end(struct run *run)
{
    if (!run->lambda)
        return;
    unsetenv("_X_AMZN_TRACE_ID"); /* it points into what is freed here */
    lambda_free(run->lambda->lambda);
    mem_free(run->lambda);
}
