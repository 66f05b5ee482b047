#include "cli/meter.h"

#include "source/replay.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IN_PLACE_MS = 200, LINE_MS = 2000, SURE_MS = 500, TEXT_MAX_BYTES = 256 };

static void put_left(struct buf *out, uint64_t bytes, int64_t total_bytes, int64_t elapsed_ms)
{
    double done = (double)bytes / (double)total_bytes;
    if (total_bytes <= 0 || bytes == 0)
        return;
    buf_printf(out, ", %d%%", (int)(done > 1 ? 100 : done * 100));
    if (elapsed_ms < SURE_MS)
        return;
    int64_t left_s = done >= 1 ? 0 : (int64_t)((double)elapsed_ms * (1 - done) / done / 1000 + 0.5);
    if (left_s >= 120)
        buf_printf(out, ", %" PRId64 " min left", (left_s + 30) / 60);
    else
        buf_printf(out, ", %" PRId64 " s left", left_s);
}

void meter_text(uint64_t records, uint64_t bytes, int64_t total_bytes, int64_t elapsed_ms,
                struct buf *out)
{
    buf_printf(out, "%" PRIu64 " record%s", records, records == 1 ? "" : "s");
    if (elapsed_ms > 0)
        buf_printf(out, ", %.0f/s", (double)records * 1000 / (double)elapsed_ms);
    put_left(out, bytes, total_bytes, elapsed_ms);
}

/* The cursor goes back to the beginning, so that a log line begins there; no escape sequence is
 * needed, so NO_COLOR and TERM=dumb have nothing to forbid. */
static void rewrite(struct meter *meter, weir_str text)
{
    FILE *to = meter->run->cli->err;
    size_t blanks = meter->width > text.len ? meter->width - text.len : 0;
    fprintf(to, "\r%.*s%*s\r", STR_ARG(text), (int)blanks, "");
    fflush(to);
    meter->width = text.len;
}

static void show(struct timer *timer)
{
    struct meter *meter = (struct meter *)((char *)timer - offsetof(struct meter, timer));
    struct run *run = meter->run;
    const struct clock *clock = &run->pipeline.world.clock;
    const struct replay_result *result = replay_result(run->replay);
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    meter_text(result->records, result->bytes, meter->total_bytes,
               run_now_ms(run) - run->started_ms, &text);
    if (meter->in_place) {
        rewrite(meter, buf_str(&text));
    } else {
        buf_putc(&text, '\n');
        cli_write(run->cli->err, &text);
    }
    buf_done(&text);
    clock->arm(clock->ctx, timer, meter->in_place ? IN_PLACE_MS : LINE_MS);
}

static bool a_sink_prints(const struct run *run)
{
    for (size_t i = 0; i < run->pipeline.sinks->count; i++) {
        const weir_instance *instance = run->pipeline.sinks->sinks[i].instance;
        const char *target = instance ? instance->target : NULL;
        if (target && strcmp(target, "standard output") == 0 && !run->cli->dry_run)
            return true;
    }
    return false;
}

void meter_begin(struct meter *meter, struct run *run)
{
    const struct clock *clock = &run->pipeline.world.clock;
    const char *term = env_get(run->cli->environ_block, "TERM");
    bool terminal = isatty(STDERR_FILENO) && fileno(run->cli->err) == STDERR_FILENO;
    struct stat file;
    *meter = (struct meter){.timer.fire = show, .run = run};
    meter->in_place = terminal && term && strcmp(term, "dumb") != 0;
    if (fstat(run->input.fd, &file) == 0 && S_ISREG(file.st_mode))
        meter->total_bytes = (int64_t)file.st_size;
    bool same_terminal = terminal && isatty(STDOUT_FILENO) && a_sink_prints(run);
    if (!run->cli->quiet && !run->cli->demo && !same_terminal)
        clock->arm(clock->ctx, &meter->timer, meter->in_place ? IN_PLACE_MS : LINE_MS);
}

void meter_end(struct meter *meter)
{
    const struct clock *clock = &meter->run->pipeline.world.clock;
    clock->disarm(clock->ctx, &meter->timer);
    if (meter->width)
        rewrite(meter, STR_NONE);
}
