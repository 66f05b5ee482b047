/* weir run with a source of kind "kcl": one process per shard, started by KCL's daemon. */
#include "cli/run.h"

#include "source/kcl.h"
#include "util/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,
    PROTOCOL_FD_MIN = 10,
    WRITE_LIMIT_MS =
        60000, /* the daemon waits for our lines: a pipe that stays full is no daemon */
    LEAVE_LOOK_MS = 200
};

struct kcl_run {
    struct run *run;
    struct kcl *kcl;
    struct work work;
    long got;           /* of the last read */
    struct timer leave; /* the source has finished; sinks that are not required go on, */
    int64_t leave_ms;   /* but not beyond this */
    char bytes[READ_BYTES];
};

/* ---- descriptors ---- */

int run_kcl_claim(struct run *run)
{
    fflush(run->cli->out);
    run->protocol_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, PROTOCOL_FD_MIN);
    if (run->protocol_fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return err_set(&run->err, -errno, "can't move the protocol away from descriptor 1: %s",
                       strerror(errno));
    return 0;
}

static int write_line(void *ctx, const char *line, size_t len)
{
    const struct run *run = ctx;
    while (len > 0) {
        struct pollfd pipe = {.fd = run->protocol_fd, .events = POLLOUT};
        ssize_t done = write(run->protocol_fd, line, len);
        if (done < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (done < 0 && errno == EAGAIN && poll(&pipe, 1, WRITE_LIMIT_MS) == 0)
            return -ETIMEDOUT;
        if (done > 0) {
            line += done;
            len -= (size_t)done;
        }
    }
    return 0;
}

static void read_more(struct kcl_run *state);

static void run_read(struct work *work)
{
    struct kcl_run *state = (struct kcl_run *)((char *)work - offsetof(struct kcl_run, work));
    state->got = input_read(&state->run->input, state->bytes, sizeof state->bytes);
}

static void on_read(struct work *work)
{
    struct kcl_run *state = (struct kcl_run *)((char *)work - offsetof(struct kcl_run, work));
    if (state->got > 0) {
        kcl_feed(state->kcl, state->bytes, (size_t)state->got);
        read_more(state);
    } else if (state->got != -ECANCELED) {
        kcl_eof(state->kcl, (int)-state->got);
    }
}

static void read_more(struct kcl_run *state)
{
    const struct worker *worker = &state->run->pipeline.world.worker;
    state->work = (struct work){.run = run_read, .done = on_read};
    int rc = worker->submit(worker->ctx, &state->work);
    if (rc < 0)
        kcl_eof(state->kcl, -rc);
}

/* ---- the end ---- */

static void on_leave(struct timer *timer)
{
    struct kcl_run *state = (struct kcl_run *)((char *)timer - offsetof(struct kcl_run, leave));
    struct run *run = state->run;
    const struct clock *clock = &run->pipeline.world.clock;
    if (!router_idle(run->pipeline.router) && run_now_ms(run) < state->leave_ms) {
        clock->arm(clock->ctx, timer, LEAVE_LOOK_MS);
        return;
    }
    router_stop(run->pipeline.router);
    loop_stop(run->pipeline.loop);
}

static void on_finished(void *arg, enum kcl_end end)
{
    static const int codes[] = {[KCL_ENDED] = EXIT_DONE,
                                [KCL_BROKEN] = EXIT_SOFTWARE,
                                [KCL_FAILED] = EXIT_TEMPFAIL,
                                [KCL_REFUSED] = EXIT_CONFIG};
    struct kcl_run *state = arg;
    struct run *run = state->run;
    const struct clock *clock = &run->pipeline.world.clock;
    int64_t grace_ms = end == KCL_ENDED && !run->signals ? run->config->shutdown_grace_ms : 0;
    if (run->exit_code == 0)
        run->exit_code = codes[end];
    input_call_off(&run->input);
    run_unwatch(run);
    state->leave_ms = run_now_ms(run) + grace_ms;
    state->leave.fire = on_leave;
    clock->arm(clock->ctx, &state->leave, 0);
}

static void stop_kcl(struct run *run)
{
    kcl_stop(run->kcl->kcl);
}

/* The frontier is the daemon's to keep. */
static void hurry_kcl(struct run *run)
{
    kcl_hurry(run->kcl->kcl);
}

/* ---- start ---- */

/* The processes of all shards log to one place: the daemon's. */
static void on_began(void *ctx, weir_str shard)
{
    struct run *run = ctx;
    log_set_context(run->log, "shard", shard);
}

static int open_kcl(struct run *run)
{
    struct pipeline *pipeline = &run->pipeline;
    const char *const *streams = run->config->poll.streams;
    struct kcl_config config = {.world = &pipeline->world,
                                .router = pipeline->router,
                                .plan = pipeline->sinks->plan,
                                .stream_arn = str_of(streams ? streams[0] : NULL),
                                .admit = pipeline_admit,
                                .admit_ctx = pipeline,
                                .write = write_line,
                                .write_ctx = run,
                                .began = on_began,
                                .began_ctx = run,
                                .log = run_log,
                                .log_ctx = run,
                                .finished = on_finished};
    run->kcl = mem_zalloc(1, sizeof *run->kcl);
    if (!run->kcl)
        return -ENOMEM;
    run->kcl->run = run;
    config.arg = run->kcl;
    return kcl_new(&config, &run->kcl->kcl);
}

static void change_kcl(struct run *run)
{
    kcl_set_plan(run->kcl->kcl, run->pipeline.sinks->plan);
}

int run_kcl(struct run *run)
{
    static const struct run_source source = {stop_kcl, hurry_kcl, .changed = change_kcl};
    if (run->cli->dry_run)
        return cli_fail(run->cli, EXIT_USAGE, "play records from a file: --from FILE",
                        "--dry-run would checkpoint records that no sink got");
    if (open_kcl(run) < 0 || input_open(&run->input, NULL) < 0)
        return cli_fail(run->cli, EXIT_SOFTWARE, NULL, "out of memory or descriptors");
    run_watch(run, &source);
    read_more(run->kcl);
    loop_run(run->pipeline.loop);
    return run->exit_code;
}

void run_kcl_end(struct run *run)
{
    if (!run->kcl)
        return;
    kcl_free(run->kcl->kcl);
    mem_free(run->kcl);
}

const struct read_counts *run_kcl_read(const struct run *run)
{
    return run->kcl && run->kcl->kcl ? kcl_read(run->kcl->kcl) : NULL;
}
