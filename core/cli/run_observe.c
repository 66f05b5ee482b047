/* What a run shows of itself. */
#include "cli/reload.h"
#include "cli/run.h"
#include "observe/observed.h"
#include "observe/otlp_send.h"
#include "plugin/calls.h"
#include "source/replay.h"

static uint64_t ambiguous(void *ctx, size_t sink)
{
    const struct run *run = ctx;
    const weir_instance *instance = run->pipeline.sinks->sinks[sink].instance;
    return instance ? plugin_calls_ambiguous(instance->aws) + plugin_calls_ambiguous(instance->http)
                    : 0;
}

static void observe_reload(const struct run *run, struct observed *out)
{
    const struct reload *reload = run->reload;
    out->reload.last_success_us = run->started_us;
    if (!reload)
        return;
    const struct reload_counts counts = reload_counts(reload);
    const struct reload_outcome last = reload_last(reload);
    out->reload.succeeded = counts.succeeded;
    out->reload.refused = counts.refused;
    if (counts.last_success_us)
        out->reload.last_success_us = counts.last_success_us;
    if (last.result == RELOAD_NONE)
        return;
    out->reload.last_us = last.wall_us;
    out->reload.last_result = reload_result_name(last.result);
    out->reload.last_text = last.text;
}

void run_observe(struct run *run, struct observed *out)
{
    out->pipeline = run->config->name;
    out->mode = run->poll ? "poll" : run->kcl ? "kcl" : "file";
    out->world = &run->pipeline.world;
    out->router = run->pipeline.router;
    out->poll = run->poll;
    out->read = run->replay ? &replay_result(run->replay)->read : run_kcl_read(run);
    out->started_us = run->started_us;
    out->stopping = run->signals > 0;
    observe_reload(run, out);
    out->log_dropped = log_dropped(run->log);
    out->otlp = run->otlp ? otlp_counts(run->otlp) : NULL;
    out->ambiguous = ambiguous;
    out->ctx = run;
}
