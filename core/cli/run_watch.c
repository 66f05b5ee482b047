/* What surrounds a source that runs, whichever it is: signals, the grace they begin, and the watch
 * over what only ends by ending. */
#include "cli/reload.h"
#include "cli/run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

enum {
    WATCH_MS = 200,
    HUNG_LIMIT_MS = 300000 /* only a new process frees a hung plugin (D6) */
};

void run_hurry(struct run *run, int exit_code)
{
    if (run->exit_code == 0)
        run->exit_code = exit_code;
    run->source->hurry(run);
}

/* ---- signals ---- */

static void on_grace(struct timer *timer)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, grace));
    log_line(run->log, WEIR_LOG_WARN, "run", "W0701",
             "shutdown.grace is over; what is under way is cancelled");
    run_hurry(run, EXIT_TEMPFAIL);
}

static void on_stop_signal(void *arg, int signum)
{
    struct run *run = arg;
    const struct clock *clock = &run->pipeline.world.clock;
    if (run->signals++)
        _exit(128 + signum);
    log_line(run->log, WEIR_LOG_INFO, "run", "W0708",
             "stopping: reading no more, finishing what is under way; again to exit at once");
    run_notify(run, "STOPPING=1");
    reload_stop(run->reload);
    run->grace.fire = on_grace;
    clock->arm(clock->ctx, &run->grace, run->config->shutdown_grace_ms);
    run->source->stop(run);
}

/* ---- the watch ---- */

/* Standard output was closed, by its reader or before the start (see main.c). Under KCL it is no
 * sink's. */
static bool reader_gone(const struct run *run)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    if (run->protocol_fd)
        return false;
    return (fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY ||
           (poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLNVAL)));
}

/* The code to end with; 0 = all goes on. A sink that is not required holds up nobody: it may be
 * down for as long as it likes. */
static int look(const struct run *run)
{
    struct router_trouble trouble = router_trouble(run->pipeline.router);
    if (trouble.hung && trouble.hung_ms >= HUNG_LIMIT_MS) {
        log_line(run->log, WEIR_LOG_ERROR, "run", "W0505",
                 "the plugin of sink %s has kept records for 5 minutes after cancel; only a "
                 "restart frees it",
                 trouble.hung);
        return EXIT_SOFTWARE;
    }
    if (trouble.down && reader_gone(run)) {
        log_line(run->log, WEIR_LOG_ERROR, "run", "W0703",
                 "nobody reads standard output any more; stopping");
        return EXIT_NO;
    }
    if (run->source->gives_up && trouble.down && trouble.down_ms >= RUN_DOWN_LIMIT_MS) {
        log_line(run->log, WEIR_LOG_ERROR, "run", "W0703",
                 "sink %s has been down for 2 minutes; giving up for now", trouble.down);
        return EXIT_TEMPFAIL;
    }
    return 0;
}

static void on_watch(struct timer *timer)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, watch));
    const struct clock *clock = &run->pipeline.world.clock;
    int exit_code = look(run);
    log_flush(run->log);
    if (exit_code)
        run_hurry(run, exit_code);
    else
        clock->arm(clock->ctx, timer, WATCH_MS);
}

void run_watch(struct run *run, const struct run_source *source)
{
    const struct clock *clock = &run->pipeline.world.clock;
    run->source = source;
    run->watch.fire = on_watch;
    clock->arm(clock->ctx, &run->watch, WATCH_MS);
    run_signals_begin(run);
    run_notify_begin(run);
    loop_on_signal(run->pipeline.loop, SIGINT, on_stop_signal, run);
    loop_on_signal(run->pipeline.loop, SIGTERM, on_stop_signal, run);
}

void run_unwatch(struct run *run)
{
    const struct clock *clock = &run->pipeline.world.clock;
    clock->disarm(clock->ctx, &run->watch);
    run_signals_end(run);
    run_notify_end(run);
}
