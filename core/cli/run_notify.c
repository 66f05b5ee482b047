/* weir run as a service: what its manager hears of it. */
#include "cli/crash.h"
#include "cli/run.h"
#include "config/load.h"
#include "observe/notify.h"

#include <string.h>

static const char *variable(const struct run *run, const char *name)
{
    return env_get(run->cli->environ_block, name);
}

void run_notify(struct run *run, const char *state)
{
    int rc = notify_send(variable(run, "NOTIFY_SOCKET"), state);
    if (rc < 0)
        log_line(run->log, WEIR_LOG_WARN, "run", "W0707", "can't tell the service manager: %s",
                 strerror(-rc));
}

/* Sent by the loop, so it says that the loop turns; and only when the thread that watches over
 * plugins has looked since the last time, so it says that, too. */
static void on_alive(struct timer *timer)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, alive));
    const struct clock *clock = &run->pipeline.world.clock;
    uint64_t looks = watchdog_looks(run->watchdog);
    if (!run->watchdog || looks != run->looks_told) {
        run->looks_told = looks;
        run_notify(run, "WATCHDOG=1");
    }
    clock->arm(clock->ctx, timer, run->alive_ms);
}

/* The first turn of the loop: configuration, plugins and store are open, the source has begun. */
static void on_first_turn(struct timer *timer)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, alive));
    const struct clock *clock = &run->pipeline.world.clock;
    run_notify(run, run->signals ? "STOPPING=1" : "READY=1");
    run->alive_ms =
        notify_watchdog_ms(variable(run, "WATCHDOG_USEC"), variable(run, "WATCHDOG_PID"));
    run->alive.fire = on_alive;
    if (run->alive_ms > 0)
        clock->arm(clock->ctx, timer, run->alive_ms);
}

void run_notify_begin(struct run *run)
{
    const struct clock *clock = &run->pipeline.world.clock;
    if (!variable(run, "NOTIFY_SOCKET"))
        return;
    run->alive.fire = on_first_turn;
    clock->arm(clock->ctx, &run->alive, 0);
}

void run_notify_end(struct run *run)
{
    const struct clock *clock = &run->pipeline.world.clock;
    clock->disarm(clock->ctx, &run->alive);
}
