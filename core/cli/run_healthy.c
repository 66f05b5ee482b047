/* weir run --require-healthy: no start while something that a sink writes to is out of reach. */
#include "cli/probe.h"
#include "cli/run.h"

static void log_finding(void *arg, const struct finding *finding)
{
    struct run *run = arg;
    char component[128];
    if (finding->state == FINDING_OK)
        return;
    snprintf(component, sizeof component, finding->about ? "sink.%s" : "run",
             finding->about ? finding->about->name : "");
    log_line(run->log, finding->state == FINDING_FAIL ? WEIR_LOG_ERROR : WEIR_LOG_WARN, component,
             "W0314", "%s; %s", finding->text, finding->help);
}

int run_healthy(struct run *run)
{
    struct probe probe;
    int code = probe_open(&probe, run->cli, run->config, log_finding, run);
    if (code == 0) {
        probe_sinks(&probe, run->pipeline.sinks);
        if (probe.fails)
            code = cli_fail(run->cli, EXIT_UNAVAILABLE, "`weir doctor` looks at the rest too.",
                            "not every sink can be reached; nothing was started");
    }
    probe_close(&probe);
    return code;
}
