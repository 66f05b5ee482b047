/* The polling source's life: the state is taken, loaded, streams are read, and at the end the last
 * positions are stored. */
#include "source/poll_parts.h"
#include "util/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    ROOM_MS = 20, /* looks for room again */
    TROUBLE_SAID_MS = 10000,
    QUIET_MS = 10000, /* with `once`: children of a closed shard may still appear */
    SAVE_TRIES = 5,   /* of the last positions */
    ROWS_BYTES = 64 * 1024
};

int64_t poll_now(const struct poll *poll)
{
    return poll->clock->now_ms(poll->clock->ctx);
}

void poll_log(const struct poll *poll, int level, const char *code, const char *format, ...)
{
    char line[1024];
    va_list args;
    if (!poll->config.log)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    poll->config.log(poll->config.log_ctx, level, "source", code, line);
}

bool poll_reading(const struct poll *poll)
{
    return poll->phase == POLL_READING;
}

/* ---- those that are due ---- */

void poll_due(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    if (reader->state == READER_DUE)
        return;
    reader->state = READER_DUE;
    if (reader->listed)
        return;
    reader->listed = true;
    reader->next_due = NULL;
    if (poll->due_last)
        poll->due_last->next_due = reader;
    else
        poll->due_first = reader;
    poll->due_last = reader;
    poll_pump(poll);
}

void poll_undue(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    struct reader *before = NULL, *at = reader->listed ? poll->due_first : NULL;
    reader->listed = false;
    while (at && at != reader) {
        before = at;
        at = at->next_due;
    }
    if (!at)
        return;
    *(before ? &before->next_due : &poll->due_first) = reader->next_due;
    if (poll->due_last == reader)
        poll->due_last = before;
    if (reader->state == READER_DUE)
        reader->state = READER_IDLE;
}

static bool may_read(struct poll *poll)
{
    const struct store *store = &poll->config.world->store;
    return !saver_blocks(poll) && (!store->owned || store->owned(store->ctx));
}

/* The sinks without which it can't be read now; those of dead letters are everyone's. */
static uint64_t missing_room(const struct reader *reader, uint64_t full)
{
    const struct track *track = reader->track;
    return full &
           (reader->alone ? reader->sinks : (reader->sinks & ~track->done) | ~track->poll->sinks);
}

static void say_full(struct poll *poll, uint64_t full)
{
    poll->full_sinks = full;
    if (full) {
        if (!poll->full_since_ms)
            poll->full_since_ms = poll_now(poll);
        return;
    }
    if (poll->full_said)
        poll_log(poll, WEIR_LOG_INFO, "W0824", "reading goes on: there is room again");
    poll->full_said = false;
    poll->full_since_ms = 0;
}

static bool may_call(const struct poll *poll, const struct reader *reader)
{
    if (poll->calls >= CALLS_MAX)
        return false;
    if (!reader->iterator)
        return poll->asking < ASKS_MAX;
    return poll->paging < PAGES_MAX || !reader_pages(reader);
}

/* The first that is due and whose sinks have room, where it may make its call now. *waits_for:
 * sinks that stop others. */
static struct reader *next_reader(struct poll *poll, uint64_t *waits_for, bool *waits)
{
    bool all;
    size_t fullest;
    uint64_t full = router_full(poll->config.router, &all, &fullest);
    *waits_for = 0;
    *waits = false;
    for (struct reader *reader = poll->due_first; reader; reader = reader->next_due) {
        uint64_t missing = missing_room(reader, full);
        if (all && !missing)
            missing = fullest == SIZE_MAX ? UINT64_MAX : UINT64_C(1) << fullest;
        if (!missing && (!reader->alone || catch_up_may_read(reader)))
            return may_call(poll, reader) ? reader : NULL;
        *waits = true;
        if (!reader->alone)
            *waits_for |= missing;
    }
    return NULL;
}

static void on_pump(struct post *post)
{
    struct poll *poll = (struct poll *)((char *)post - offsetof(struct poll, pump));
    uint64_t waits_for = 0;
    bool waits = false;
    poll->pump_posted = false;
    if (!poll_reading(poll) || !poll->due_first)
        return;
    if (!may_read(poll)) {
        poll->clock->arm(poll->clock->ctx, &poll->room_timer, TICK_MS);
        return;
    }
    while (poll_reading(poll) && poll->due_first) {
        struct reader *reader = next_reader(poll, &waits_for, &waits);
        if (!reader)
            break;
        bool due = reader->state == READER_DUE;
        poll_undue(reader);
        if (due)
            reader_turn(reader);
    }
    if (!poll_reading(poll))
        return;
    if (waits)
        poll->clock->arm(poll->clock->ctx, &poll->room_timer, waits_for ? ROOM_MS : TICK_MS);
    say_full(poll, waits_for);
}

void poll_pump(struct poll *poll)
{
    if (poll->pump_posted || !poll->due_first)
        return;
    poll->pump_posted = true;
    poll->pump.run = on_pump;
    poll->clock->post(poll->clock->ctx, &poll->pump);
}

static void on_room(struct timer *timer)
{
    poll_pump((struct poll *)((char *)timer - offsetof(struct poll, room_timer)));
}

/* ---- how the source answers ---- */

static void out_of_order(struct poll *poll, enum streams_fault fault, const char *what,
                         const char *message)
{
    int64_t now_ms = poll_now(poll);
    if (!poll->trouble_since_ms) {
        poll->trouble_since_ms = now_ms;
        poll_log(poll, WEIR_LOG_WARN, fault == STREAMS_DENIED ? "W0811" : "W0801",
                 "%s failed, trying again: %s", what, message);
    }
    if (fault != STREAMS_DENIED)
        return;
    if (!poll->denied_since_ms)
        poll->denied_since_ms = now_ms;
    if (!poll->answered && now_ms - poll->denied_since_ms >= DENIED_MS) {
        poll_log(poll, WEIR_LOG_ERROR, "W0811",
                 "refused for 2 minutes, giving up: %s: %s; the role needs "
                 "dynamodb:DescribeTable, DescribeStream, GetShardIterator and GetRecords",
                 what, message);
        poll_end(poll, POLL_REFUSED);
    }
}

void poll_heard(struct poll *poll, enum streams_fault fault, const char *what, const char *message)
{
    if (fault == STREAMS_DENIED || fault == STREAMS_UNAVAILABLE) {
        out_of_order(poll, fault, what, message);
        return;
    }
    if (fault == STREAMS_ABORTED)
        return;
    if (poll->trouble_since_ms && poll_now(poll) - poll->trouble_since_ms >= TROUBLE_SAID_MS)
        poll_log(poll, WEIR_LOG_INFO, "W0825", "the source answers again, after %" PRId64 " s",
                 (poll_now(poll) - poll->trouble_since_ms) / 1000);
    poll->trouble_since_ms = 0;
    poll->denied_since_ms = 0;
    poll->answered = true;
}

/* ---- the end ---- */

static void on_finish(struct post *post)
{
    struct poll *poll = (struct poll *)((char *)post - offsetof(struct poll, finish));
    poll->phase = POLL_FINISHED;
    poll->config.finished(poll->config.arg, poll->exit_code);
}

static void finish(struct poll *poll)
{
    if (poll->finish_posted)
        return;
    poll->finish_posted = true;
    poll->finish.run = on_finish;
    poll->clock->post(poll->clock->ctx, &poll->finish);
}

static void on_released(void *arg)
{
    finish(arg);
}

static void release(struct poll *poll)
{
    struct store *store = &poll->config.world->store;
    poll->phase = POLL_RELEASING;
    poll->clock->disarm(poll->clock->ctx, &poll->saver.timer);
    poll->clock->disarm(poll->clock->ctx, &poll->tick);
    if (poll->acquired && store->release)
        store->release(store->ctx, on_released, poll);
    else
        finish(poll);
}

static bool streams_stopped(const struct poll *poll)
{
    for (const struct stream *stream = poll->streams; stream; stream = stream->next)
        if (!stream->stopped || stream->turning)
            return false;
    return true;
}

static bool nothing_open(const struct poll *poll)
{
    return poll->calls == 0 && poll->pages_open == 0 && !poll->loading && !poll->pump_posted &&
           !poll->saver.busy && !poll->look_up.posted && tables_stopped(poll) &&
           streams_stopped(poll);
}

static void store_last(struct poll *poll)
{
    if (poll->lost || saver_clean(poll)) {
        poll->counts.stored = !poll->lost;
        if (!poll->saver.busy)
            release(poll);
    } else if (poll->saver.failures >= (poll->hurried ? 1 : SAVE_TRIES)) {
        poll_log(poll, WEIR_LOG_ERROR, "W0806",
                 "the last positions are not stored; the next start repeats what was delivered "
                 "since");
        poll->exit_code = POLL_GAVE_UP;
        release(poll);
    } else if (poll->phase == POLL_STOPPING) {
        poll->phase = POLL_SAVING;
        poll->saver.failures = 0;
        saver_want(poll);
    }
}

static bool once_over(struct poll *poll);

static void on_settle(struct post *post)
{
    struct poll *poll = (struct poll *)((char *)post - offsetof(struct poll, settle));
    poll->settle_posted = false;
    if (poll->phase == POLL_STOPPING && poll->pages_open > 0)
        stop_look(poll);
    if ((poll->phase == POLL_STOPPING && nothing_open(poll)) ||
        (poll->phase == POLL_SAVING && !poll->saver.busy))
        store_last(poll);
    else if (poll->phase == POLL_READING && once_over(poll))
        poll_end(poll, poll->held_by_gap          ? POLL_GAP
                       : poll->counts.shards_held ? POLL_GAVE_UP
                                                  : POLL_DONE);
}

void poll_settle(struct poll *poll)
{
    if (poll->settle_posted || poll->phase >= POLL_RELEASING)
        return;
    poll->settle_posted = true;
    poll->settle.run = on_settle;
    poll->clock->post(poll->clock->ctx, &poll->settle);
}

static void stop_calls(struct poll *poll)
{
    poll->clock->disarm(poll->clock->ctx, &poll->tick);
    poll->clock->disarm(poll->clock->ctx, &poll->room_timer);
    poll->due_first = poll->due_last = NULL;
    tables_stop(poll);
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        stream_stop(stream);
}

void poll_end(struct poll *poll, int exit_code)
{
    if (poll->exit_code == 0)
        poll->exit_code = exit_code;
    if (poll->lost) /* nothing may be given to a sink any more */
        router_stop(poll->config.router);
    if (poll->phase >= POLL_STOPPING)
        return;
    poll->phase = POLL_STOPPING;
    stop_calls(poll);
    look_up_go_on(poll);
    poll_settle(poll);
}

void poll_not_opened(struct poll *poll, int rc)
{
    if (rc != -EEXIST)
        poll_log(poll, WEIR_LOG_ERROR, "W0828", "out of memory");
    poll_end(poll, rc == -EEXIST ? POLL_CONFIG : POLL_GAVE_UP);
}

void poll_stop(struct poll *poll)
{
    poll_end(poll, POLL_DONE);
}

void poll_hurry(struct poll *poll)
{
    poll->hurried = true;
    poll_end(poll, POLL_GAVE_UP);
    poll_settle(poll);
}

/* ---- is everything read that was there? (--once) ---- */

static bool reader_rests(const struct reader *reader)
{
    return reader->held != HELD_NOT ||
           (reader->caught_up && !reader->first && reader->state != READER_ENDED);
}

static bool children_may_come(const struct poll *poll, const struct stream *stream)
{
    return !discovery_settled(stream->discovery) &&
           poll_now(poll) - poll->quiet_since_ms < QUIET_MS;
}

static bool stream_rests(const struct poll *poll, const struct stream *stream)
{
    if (stream->phase == STREAM_ENDED)
        return true;
    if (stream->phase != STREAM_RUNNING || stream->turning || stream->left_over ||
        lineage_count(stream->lineage, SHARD_READY) || children_may_come(poll, stream))
        return false;
    for (const struct track *track = stream->tracks; track; track = track->next)
        if ((track->reader && !reader_rests(track->reader)) || catch_up_lasts(track))
            return false;
    return true;
}

static bool all_ended(const struct poll *poll)
{
    for (const struct stream *stream = poll->streams; stream; stream = stream->next)
        if (!stream_over(stream))
            return false;
    return poll->streams && !poll->tables;
}

static bool once_over(struct poll *poll)
{
    if (poll->saver.busy || poll->saver.wanted)
        return false;
    if (all_ended(poll)) {
        poll_log(poll, WEIR_LOG_INFO, "W0909", "every stream has ended; nothing more can come");
        return true;
    }
    if (!poll->config.once || poll->pages_open > 0)
        return false;
    for (const struct table *table = poll->tables; table; table = table->next)
        if (!follow_looked(table->follow)) /* may know of a newer stream, or of none */
            return false;
    for (const struct stream *stream = poll->streams; stream; stream = stream->next)
        if (!stream_rests(poll, stream))
            return false;
    return true;
}

/* ---- start ---- */

static void begin_reading(struct poll *poll)
{
    const char *const *streams = poll->config.streams;
    int rc = 0;
    poll->phase = POLL_READING;
    poll->quiet_since_ms = poll->watched_ms = poll->ticked_ms = poll_now(poll);
    for (; rc == 0 && streams && *streams; streams++) {
        struct stream *stream;
        rc = stream_open(poll, str_of(*streams), STR_NONE, &stream);
    }
    if (rc == 0)
        rc = tables_start(poll);
    if (rc == 0)
        rc = poll->clock->arm(poll->clock->ctx, &poll->tick, TICK_MS);
    saver_start(poll);
    if (rc < 0)
        poll_not_opened(poll, rc);
}

static void on_loaded(struct store_load *load, int status)
{
    struct poll *poll = load->arg;
    poll->loading = false;
    if (poll->phase != POLL_LOADING) {
        poll_settle(poll);
        return;
    }
    if (status == 0)
        status = state_rows_keep(&poll->rows_arena, load->rows, load->count, &poll->rows);
    if (status == 0) {
        poll->row_count = load->count;
        strangers_find_sinks(poll);
        begin_reading(poll);
        return;
    }
    poll_log(poll, WEIR_LOG_ERROR, "W0806",
             "the stored positions can't be read (%s); nothing is read without them",
             load->reason[0] ? load->reason : strerror(-status));
    poll_end(poll, POLL_GAVE_UP);
}

static void load(struct poll *poll)
{
    struct store *store = &poll->config.world->store;
    poll->phase = POLL_LOADING;
    poll->load = (struct store_load){.done = on_loaded, .arg = poll};
    poll->loading = true;
    int rc = store->load(store->ctx, &poll->load);
    if (rc < 0)
        on_loaded(&poll->load, rc);
}

static void on_owner(struct store_owner *owner, bool owned, const char *reason)
{
    struct poll *poll = owner->arg;
    if (owned) {
        if (poll->phase == POLL_WAITING)
            load(poll);
        return;
    }
    if (poll->phase >= POLL_RELEASING)
        return;
    if (poll->phase == POLL_WAITING)
        poll_log(poll, WEIR_LOG_ERROR, "W0806", "the state can't be had: %s", reason);
    else
        poll_log(poll, WEIR_LOG_ERROR, "W0808",
                 "another process has the state of this pipeline now: nothing more is delivered or "
                 "stored here%s%s",
                 reason && *reason ? ": " : "", reason ? reason : "");
    poll->lost = true;
    poll_end(poll, POLL_GAVE_UP);
}

void poll_start(struct poll *poll)
{
    struct store *store = &poll->config.world->store;
    poll->phase = POLL_WAITING;
    poll->owner = (struct store_owner){.changed = on_owner, .arg = poll};
    int rc = store->acquire(store->ctx, &poll->owner);
    poll->acquired = rc == 0;
    if (rc == 0)
        return;
    poll_log(poll, WEIR_LOG_ERROR, "W0808", "the state can't be taken: %s", strerror(-rc));
    poll_end(poll, POLL_GAVE_UP);
}

static uint64_t low_bits(size_t count)
{
    return count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

int poll_new(const struct poll_config *config, struct poll **out, struct err *err)
{
    const struct store *store = &config->world->store;
    if (!store->acquire || !store->load || !store->save)
        return err_set(err, -EINVAL, "polling needs a state to keep its positions in");
    struct poll *poll = mem_zalloc(1, sizeof *poll);
    if (!poll)
        return err_set(err, -ENOMEM, "out of memory");
    poll->config = *config;
    poll->clock = &config->world->clock;
    poll->random = &config->world->random;
    poll->sink_count = poll->room = router_sink_count(config->router);
    poll->sinks = low_bits(poll->sink_count) & ~config->letters_only;
    poll_set_optional(poll, config->optional, config->images_needed, config->images_sink);
    if (poll->config.parallelization_factor < 1)
        poll->config.parallelization_factor = 1;
    poll->watches = mem_zalloc(poll->sink_count + 1, sizeof *poll->watches);
    if (!poll->watches) {
        mem_free(poll);
        return err_set(err, -ENOMEM, "out of memory");
    }
    poll->tick.fire = poll_tick;
    poll->room_timer.fire = on_room;
    arena_init(&poll->rows_arena, ROWS_BYTES);
    arena_init(&poll->look_up.arena, ROWS_BYTES);
    saver_done(poll);
    poll->looked_ms = poll_now(poll);
    *out = poll;
    return 0;
}

void poll_free(struct poll *poll)
{
    if (!poll)
        return;
    tables_free(poll);
    while (poll->streams) {
        struct stream *stream = poll->streams;
        poll->streams = stream->next;
        stream_free(stream);
    }
    saver_done(poll);
    arena_done(&poll->rows_arena);
    arena_done(&poll->look_up.arena);
    mem_free(poll->watches);
    mem_free(poll);
}

struct poll_counts poll_counts(const struct poll *poll)
{
    struct poll_counts counts = poll->counts;
    counts.shards_reading = poll->readers - counts.shards_held;
    counts.shards_waiting = 0;
    counts.sinks_detached = (size_t)__builtin_popcountll(poll->detached);
    for (const struct stream *stream = poll->streams; stream; stream = stream->next) {
        counts.shards_waiting += lineage_count(stream->lineage, SHARD_WAITING);
        counts.describe_calls += discovery_calls(stream->discovery);
    }
    return counts;
}
