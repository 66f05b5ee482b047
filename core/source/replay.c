#include "source/replay.h"

#include "source/split.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum {
    READ_BYTES = 256 * 1024,
    BATCH_BYTES = 1 << 20, /* what one batch should hold, so that memory is given back in steps */
    PADDING_BYTES = 64,    /* behind a batch's bytes, as the decoder wants it */
    BATCHES_MAX = 4        /* under way at once */
};

struct replay {
    struct replay_config config;
    struct splitter splitter;
    struct buf text; /* read, not yet cut */
    struct work work;
    long got; /* of the last read */
    bool reading, stopping, failed, told;
    size_t under_way;
    struct post finish;
    struct replay_result result;
};

static void advance(struct replay *replay);

static void run_read(struct work *work)
{
    struct replay *replay = (struct replay *)((char *)work - offsetof(struct replay, work));
    struct buf *text = &replay->text;
    replay->got = replay->config.read(replay->config.read_ctx, text->ptr + text->len, READ_BYTES);
}

static void fail(struct replay *replay, const char *reason)
{
    if (!replay->failed)
        snprintf(replay->result.reason, sizeof replay->result.reason, "%.*s",
                 (int)sizeof replay->result.reason - 1, reason);
    replay->failed = true;
}

static void on_read(struct work *work)
{
    struct replay *replay = (struct replay *)((char *)work - offsetof(struct replay, work));
    char reason[200];
    replay->reading = false;
    if (replay->got > 0) {
        replay->text.len += (size_t)replay->got;
        replay->result.bytes += (uint64_t)replay->got;
    } else if (replay->got == 0) {
        replay->result.ended = true;
    } else if (!replay->stopping) {
        snprintf(reason, sizeof reason, "can't read the input: %s", strerror((int)-replay->got));
        fail(replay, reason);
    }
    advance(replay);
}

static void read_more(struct replay *replay)
{
    const struct worker *worker = &replay->config.world->worker;
    if (buf_reserve(&replay->text, READ_BYTES + PADDING_BYTES) < 0) {
        fail(replay, "a document of the input is larger than 16 MiB, or memory ran out");
        return;
    }
    replay->work = (struct work){.run = run_read, .done = on_read};
    replay->reading = worker->submit(worker->ctx, &replay->work) == 0;
    if (!replay->reading)
        fail(replay, "can't start a thread to read the input");
}

static void on_batch(void *arg, const struct batch_result *result)
{
    struct replay *replay = arg;
    char reason[400];
    replay->under_way--;
    if (!result->complete && !replay->stopping) {
        weir_str position = record_position(result->lowest);
        snprintf(reason, sizeof reason, "%zu records are not delivered, the first is %.*s%s%s: %s",
                 result->unfinished, (int)(position.len > 40 ? 40 : position.len),
                 position.ptr ? position.ptr : "", result->sink ? " at sink " : "",
                 result->sink ? result->sink : "", result->reason ? result->reason : "given up");
        fail(replay, reason);
    } else if (!result->complete) {
        fail(replay, "stopped before every record was delivered");
    }
    advance(replay);
}

/* Takes the first `len` bytes of the text as a batch. */
static void submit(struct replay *replay, size_t len)
{
    struct err err = {0};
    struct batch *batch = NULL;
    struct decode_options options = {
        .max_bytes = REPLAY_LINE_BYTES_MAX, .max_records = UINT32_MAX, .lines = true};
    char *bytes = mem_alloc(len + PADDING_BYTES);
    if (!bytes) {
        fail(replay, "out of memory");
        return;
    }
    memcpy(bytes, replay->text.ptr, len);
    memmove(replay->text.ptr, replay->text.ptr + len, replay->text.len - len);
    replay->text.len -= len;
    int rc = batch_decode(bytes, len, replay->config.plan, &options, &batch, &err);
    if (rc == 0 && replay->config.admit &&
        !replay->config.admit(replay->config.admit_ctx, batch, &err))
        rc = -EPERM;
    if (rc == 0) {
        replay->result.records += batch->read_count;
        replay->result.batches++;
        read_counts_add(&replay->result.read, batch);
        rc = router_submit(replay->config.router, batch, 0, on_batch, replay);
        if (rc == 0)
            replay->under_way++;
        else
            err_set(&err, rc, "out of memory");
    }
    if (rc < 0)
        fail(replay, err.msg);
    batch_unref(batch);
}

static bool only_space(const struct buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        if (text->ptr[i] != ' ' && text->ptr[i] != '\t' && text->ptr[i] != '\r' &&
            text->ptr[i] != '\n')
            return false;
    return true;
}

static bool has_room(const struct replay *replay)
{
    const struct router *router = replay->config.router;
    return replay->under_way < BATCHES_MAX &&
           router_pinned_bytes(router) < replay->config.in_flight_bytes &&
           router_queued(router) < replay->config.queued_records;
}

static void on_finish(struct post *post)
{
    struct replay *replay = (struct replay *)((char *)post - offsetof(struct replay, finish));
    replay->config.finished(replay->config.arg);
}

/* What is next: cut a batch, read on, wait, or finish. */
static void advance(struct replay *replay)
{
    bool done = replay->failed || replay->stopping;
    while (!done && has_room(replay)) {
        size_t whole = split_whole(&replay->splitter, replay->text.ptr, replay->text.len,
                                   BATCH_BYTES, replay->result.ended);
        if (whole == 0 || (replay->result.ended && only_space(&replay->text)))
            break;
        submit(replay, whole);
        done = replay->failed;
    }
    if (!done && !replay->result.ended && !replay->reading && has_room(replay))
        read_more(replay);
    done =
        replay->failed || replay->stopping || (replay->result.ended && only_space(&replay->text));
    if (!done || replay->reading || replay->under_way > 0 || replay->told)
        return;
    struct clock *clock = &replay->config.world->clock;
    replay->told = true;
    replay->result.complete = !replay->failed && replay->result.ended && !replay->stopping;
    clock->post(clock->ctx, &replay->finish);
}

int replay_new(const struct replay_config *config, struct replay **out)
{
    struct replay *replay = mem_zalloc(1, sizeof *replay);
    if (!replay)
        return -ENOMEM;
    replay->config = *config;
    replay->finish.run = on_finish;
    buf_init(&replay->text, REPLAY_LINE_BYTES_MAX + READ_BYTES + PADDING_BYTES);
    *out = replay;
    advance(replay);
    return 0;
}

void replay_set_plan(struct replay *replay, const struct match_plan *plan)
{
    replay->config.plan = plan;
}

void replay_free(struct replay *replay)
{
    if (!replay)
        return;
    buf_done(&replay->text);
    mem_free(replay);
}

void replay_stop(struct replay *replay)
{
    replay->stopping = true;
    advance(replay);
}

const struct replay_result *replay_result(const struct replay *replay)
{
    return &replay->result;
}
