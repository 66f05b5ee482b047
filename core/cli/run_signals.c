/* What else a run hears of while it runs: HUP, USR1, USR2, and a configuration file that changes.
 */
#include "cli/reload.h"
#include "cli/run.h"
#include "config/file.h"
#include "config/load.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RAISED_MS = 60000,
    LEVELS_MAX = 32,
    LOOK_MS = 100,
    SETTLED_LOOKS = 2 /* 200 ms: editors write in pieces, or write beside and rename */
};

/* ---- log ---- */

void run_log_settings(struct run *run)
{
    const struct config *config = run->config;
    log_set_level(run->log, cli_log_level(run->cli, config->log.level));
    struct log_level levels[LEVELS_MAX];
    size_t count = 0;
    for (; count < config->log.level_count && count < LEVELS_MAX; count++)
        levels[count] = (struct log_level){config->log.levels[count].component,
                                           config->log.levels[count].level};
    log_set_levels(run->log, levels, count);
    log_redact(run->log, config->log.redact); /* out of memory: those before stay in force */
}

/* What must never be seen, wherever a message comes from. */
void run_log_secrets(struct run *run, const struct diags *diags)
{
    static const char *const names[] = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
                                        "AWS_CONTAINER_AUTHORIZATION_TOKEN", NULL};
    for (size_t i = 0; i < diags->secret_count; i++)
        log_hide(run->log, diags->secrets[i]);
    for (const char *const *name = names; *name; name++) {
        const char *value = env_get(run->cli->environ_block, *name);
        if (value)
            log_hide(run->log, str_of(value));
    }
}

/* A core dump would hold every key and token. Handlers that get it through a pipe heed the limit,
 * too: systemd-coredump, apport. */
void run_no_core_dump(const struct run *run)
{
    const char *wanted = env_get(run->cli->environ_block, "WEIR_CORE_DUMPS");
    const struct rlimit none = {0, 0};
    if (!wanted || strcmp(wanted, "1") != 0)
        setrlimit(RLIMIT_CORE, &none);
}

/* Before plugins are loaded: neither they nor what they start get more rights than weir has. A
 * kernel that can't do it is older than any that weir runs on. */
void run_gain_nothing(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* The daemon only: KCL, a file and Lambda run as whoever starts them. */
void run_warn_of_root(struct run *run)
{
    if (!run->cli->lambda && run->config->source == SOURCE_POLL && geteuid() == 0)
        log_line(run->log, WEIR_LOG_WARN, "run", "W0711",
                 "runs as root, which it has no need of; and so does each plugin");
}

/* ---- signals ---- */

static void on_usr2(void *arg, int signum)
{
    struct run *run = arg;
    (void)signum;
    log_raise(run->log, WEIR_LOG_DEBUG, RAISED_MS);
    log_line(run->log, WEIR_LOG_INFO, "run", "W1220", "everything is logged for 60 s");
}

static void on_hup(void *arg, int signum)
{
    struct run *run = arg;
    (void)signum;
    reload_request(run->reload, "HUP", NULL, NULL);
}

static void say_sink(struct run *run, size_t sink)
{
    const struct router *router = run->pipeline.router;
    struct sink_counts counts = router_counts(router, sink);
    char component[96];
    snprintf(component, sizeof component, "sink.%s", router_sink_name(router, sink));
    log_line(run->log, WEIR_LOG_INFO, component, "W1221",
             "status: %s, delivered %" PRIu64 ", waiting %" PRIu64 ", retries %" PRIu64
             ", dead %" PRIu64 ", dropped %" PRIu64,
             counts.paused_since_ms ? "paused"
             : counts.up            ? "up"
                                    : "down",
             counts.delivered, counts.pending, counts.retries, counts.dead, counts.dropped);
}

static void on_usr1(void *arg, int signum)
{
    struct run *run = arg;
    (void)signum;
    struct reload_counts reloads = reload_counts(run->reload);
    log_line(run->log, WEIR_LOG_INFO, "run", "W1221",
             "status: up for %" PRId64 " s, %zu bytes under way, reloads %" PRIu64
             ", refused %" PRIu64,
             (run_now_ms(run) - run->started_ms) / 1000, router_pinned_bytes(run->pipeline.router),
             reloads.succeeded, reloads.refused);
    if (run->source->say_status)
        run->source->say_status(run);
    for (size_t i = 0; i < router_sink_count(run->pipeline.router); i++)
        if (!router_sink_gone(run->pipeline.router, i))
            say_sink(run, i);
}

/* ---- --watch-config ---- */

/* By what a name leads to: that it is written in place, replaced or linked anew is all the same. */
static void look_at(const struct run *run, struct run_seen *seen)
{
    struct stat info;
    *seen = (struct run_seen){.found = false};
    if (!run->config->path || stat(run->config->path, &info) < 0)
        return;
    *seen = (struct run_seen){.found = true,
                              .device = (uint64_t)info.st_dev,
                              .inode = (uint64_t)info.st_ino,
                              .bytes = info.st_size,
                              .seconds = (int64_t)info.st_mtim.tv_sec,
                              .nanoseconds = info.st_mtim.tv_nsec};
}

static bool is_same(const struct run_seen *a, const struct run_seen *b)
{
    return a->found == b->found && a->device == b->device && a->inode == b->inode &&
           a->bytes == b->bytes && a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

static void on_look(struct timer *timer)
{
    struct run *run = (struct run *)((char *)timer - offsetof(struct run, looking));
    const struct clock *clock = &run->pipeline.world.clock;
    struct run_seen now;
    look_at(run, &now);
    if (!is_same(&now, &run->seen)) {
        run->seen = now;
        run->settling = SETTLED_LOOKS;
    } else if (run->settling > 0 && --run->settling == 0 && now.found) {
        reload_request(run->reload, "a change of the file", NULL, NULL);
    }
    clock->arm(clock->ctx, timer, LOOK_MS);
}

/* ---- life ---- */

void run_signals_begin(struct run *run)
{
    const struct clock *clock = &run->pipeline.world.clock;
    struct loop *loop = run->pipeline.loop;
    run->reload = reload_new(run);
    if (!run->reload)
        return;
    loop_on_signal(loop, SIGHUP, on_hup, run);
    loop_on_signal(loop, SIGUSR1, on_usr1, run);
    loop_on_signal(loop, SIGUSR2, on_usr2, run);
    if (!run->cli->watch_config)
        return;
    look_at(run, &run->seen);
    run->looking.fire = on_look;
    clock->arm(clock->ctx, &run->looking, LOOK_MS);
}

void run_signals_end(struct run *run)
{
    const struct clock *clock = &run->pipeline.world.clock;
    clock->disarm(clock->ctx, &run->looking);
}
