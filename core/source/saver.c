/* Stores what has changed, one save at a time, and never says more than what is durable. */
#include "source/poll_parts.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    ARENA_BYTES = 16 * 1024,
    AGAIN_FIRST_MS = 1000,
    AGAIN_LAST_MS = 30000,
    PATIENCE_MS = 60000 /* then nothing more is read until a save works: what a crash would repeat
                           stays bounded */
};

/* ---- what is to be stored ---- */

static bool dirty(const struct mark *mark)
{
    return mark->now != mark->saved;
}

static struct state_row *add_row(struct poll *poll, struct mark *mark)
{
    struct saver *saver = &poll->saver;
    if (saver->count == saver->room) {
        size_t room = saver->room * 2 + 64;
        struct state_row *rows = mem_realloc(saver->rows, room * sizeof *rows);
        if (rows)
            saver->rows = rows;
        struct mark **marks = mem_realloc(saver->marks, room * sizeof *marks);
        if (marks)
            saver->marks = marks;
        if (!rows || !marks)
            return NULL;
        saver->room = room;
    }
    if (mark)
        mark->saving = mark->now;
    saver->marks[saver->count] = mark;
    struct state_row *row = &saver->rows[saver->count++];
    *row = (struct state_row){.updated_us = poll->clock->wall_us(poll->clock->ctx)};
    return row;
}

/* A copy: the original moves on while the save is under way. */
static int put_sequence(struct poll *poll, const struct sequence *sequence, weir_str *out)
{
    char *copy = arena_alloc(&poll->saver.arena, sequence->len + 1u, 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, sequence->digits, sequence->len);
    *out = (weir_str){copy, sequence->len};
    return 0;
}

static int add_stream(struct poll *poll, struct stream *stream)
{
    struct state_row *row = add_row(poll, &stream->mark);
    if (!row)
        return -ENOMEM;
    row->kind = STATE_STREAM;
    row->stream = str_of(stream->arn);
    row->table = str_of(stream->table);
    row->start = stream->latest                        ? STR("LATEST")
                 : stream->start == START_AT_TIMESTAMP ? STR("AT_TIMESTAMP")
                                                       : STR("TRIM_HORIZON");
    row->start_us = stream->start_us;
    row->read_to_end = stream->phase == STREAM_ENDED;
    return 0;
}

static int add_progress(struct poll *poll, struct track *track, size_t sink)
{
    struct progress *progress = &track->sinks[sink];
    struct state_row *row = add_row(poll, &progress->mark);
    if (!row)
        return -ENOMEM;
    row->kind = STATE_POSITION;
    row->sink = str_of(router_sink_name(poll->config.router, sink));
    row->stream = str_of(track->stream->arn);
    row->shard = track->shard->id;
    row->parent = track->shard->parent;
    row->start = progress->start == START_AT_TIMESTAMP ? STR("AT_TIMESTAMP") : STR("TRIM_HORIZON");
    row->start_us = progress->start_us;
    row->read_to_end = track->read_to_end;
    row->done = progress->done;
    row->record_us = progress->record_us;
    if (progress->quiet && progress->told == TOLD_CAUGHT_UP) /* known by that: first_sight.c */
        row->updated_us = row->record_us;
    return put_sequence(poll, &progress->position, &row->position);
}

static int add_gap(struct poll *poll, struct track *track, size_t sink)
{
    struct gap *gap = &track->gaps[sink];
    struct state_row *row = add_row(poll, &gap->mark);
    if (!row)
        return -ENOMEM;
    row->kind = STATE_GAP;
    row->sink = str_of(router_sink_name(poll->config.router, sink));
    row->stream = str_of(track->stream->arn);
    row->shard = track->shard->id;
    row->start_us = gap->found_us;
    row->done = gap->state == GAP_ACCEPTED;
    int rc = put_sequence(poll, &gap->after, &row->position);
    return rc < 0 ? rc : put_sequence(poll, &gap->first, &row->first_available);
}

static int add_track(struct poll *poll, struct track *track)
{
    int rc = 0;
    track_fold(track);
    for (size_t i = 0; rc == 0 && i < poll->sink_count; i++)
        if (dirty(&track->sinks[i].mark) && ((poll->sinks | poll->removed) >> i & 1))
            rc = add_progress(poll, track, i);
    for (size_t i = 0; rc == 0 && track->gaps && i < poll->sink_count; i++)
        if (dirty(&track->gaps[i].mark))
            rc = add_gap(poll, track, i);
    return rc;
}

static int add_erased(struct poll *poll, const struct stream *stream, struct erased *erased)
{
    static const enum state_kind kinds[] = {STATE_POSITION, STATE_GAP};
    erased->saving = true;
    for (size_t i = 0; i < poll->sink_count; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            struct state_row *row = add_row(poll, NULL);
            if (!row)
                return -ENOMEM;
            row->kind = kinds[k];
            row->sink = str_of(router_sink_name(poll->config.router, i));
            row->stream = str_of(stream->arn);
            row->shard = (weir_str){erased->shard, erased->len};
            row->erase = true;
        }
    return 0;
}

/* A stream whose beginning is not decided yet, or was not stored: nothing else of it is. */
static bool has_begun(const struct stream *stream)
{
    return stream->phase == STREAM_STORING || stream->phase == STREAM_RUNNING ||
           stream->phase == STREAM_ENDED;
}

static int add_strangers(struct poll *poll)
{
    strangers_erase(poll);
    for (size_t i = 0; poll->erase_strangers && i < poll->row_count; i++) {
        const struct state_row *old = &poll->rows[i];
        if (!stranger_goes(poll, old))
            continue;
        struct state_row *row = add_row(poll, NULL);
        if (!row)
            return -ENOMEM;
        *row = *old;
        row->erase = true;
    }
    return 0;
}

/* The stream's row comes last: without it the next start begins anew. */
static int collect(struct poll *poll)
{
    int rc = 0;
    poll->saver.count = 0;
    arena_reset(&poll->saver.arena);
    for (struct stream *stream = poll->streams; stream; stream = stream->next) {
        if (!has_begun(stream))
            continue;
        for (struct track *track = stream->tracks; rc == 0 && track; track = track->next)
            rc = add_track(poll, track);
        for (struct erased *erased = stream->erased; rc == 0 && erased; erased = erased->next)
            rc = add_erased(poll, stream, erased);
        if (rc == 0 && dirty(&stream->mark))
            rc = add_stream(poll, stream);
    }
    return rc == 0 ? add_strangers(poll) : rc;
}

/* ---- how it went ---- */

static void forget_erased(struct stream *stream)
{
    struct erased **list = &stream->erased;
    while (*list) {
        struct erased *erased = *list;
        if (erased->saving) {
            *list = erased->next;
            mem_free(erased);
        } else {
            list = &erased->next;
        }
    }
}

static const char *advice(int status)
{
    switch (-status) {
    case ENOSPC:
    case EDQUOT:
        return "make room on the disk of state.path";
    case EROFS:
    case EACCES:
    case EPERM:
        return "make state.path writable";
    case EIO:
        return "check the disk of state.path";
    default:
        return "it is tried again";
    }
}

static void failed(struct poll *poll, int status, const char *reason)
{
    struct saver *saver = &poll->saver;
    int64_t delay_ms = AGAIN_FIRST_MS;
    for (unsigned i = 0; i < saver->failures && delay_ms < AGAIN_LAST_MS; i++)
        delay_ms *= 2;
    saver->failures++;
    saver->wanted = true;
    if (!saver->failing) {
        saver->failing = true;
        saver->failing_since_ms = poll_now(poll);
        poll_log(poll, WEIR_LOG_ERROR, "W0806",
                 "positions can't be stored (%s): %s; records are delivered for a minute more, "
                 "then reading waits",
                 *reason ? reason : strerror(-status), advice(status));
    }
    poll->clock->arm(poll->clock->ctx, &saver->timer,
                     delay_ms < AGAIN_LAST_MS ? delay_ms : AGAIN_LAST_MS);
}

static void succeeded(struct poll *poll)
{
    struct saver *saver = &poll->saver;
    for (size_t i = 0; i < saver->count; i++)
        if (saver->marks[i])
            saver->marks[i]->saved = saver->marks[i]->saving;
    poll->beginning &= ~saver->beginning;
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        forget_erased(stream);
    strangers_erased(poll);
    if (saver->failing)
        poll_log(poll, WEIR_LOG_INFO, "W0826", "positions are stored again");
    saver->failing = saver->paused_said = false;
    saver->failures = 0;
    poll->counts.stored_ms = poll_now(poll);
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        stream_stored(stream);
    if (saver->wanted)
        saver_want(poll);
    else
        saver_start(poll);
}

static void on_saved(struct store_save *save, int status)
{
    struct poll *poll = save->arg;
    poll->saver.busy = false;
    if (status == 0) {
        succeeded(poll);
    } else if (status == -EOWNERDEAD) {
        poll->lost = true;
        poll_end(poll, POLL_GAVE_UP);
    } else {
        failed(poll, status, save->reason);
    }
    look_up_go_on(poll);
    poll_pump(poll);
    poll_settle(poll);
}

/* ---- when ---- */

static void save(struct poll *poll)
{
    struct saver *saver = &poll->saver;
    struct store *store = &poll->config.world->store;
    if (saver->busy || poll->lost)
        return;
    saver->wanted = false;
    int rc = collect(poll);
    saver->beginning = poll->beginning;
    if (rc == 0 && saver->count == 0) {
        poll->beginning = 0;
        look_up_go_on(poll);
        for (struct stream *stream = poll->streams; stream; stream = stream->next)
            stream_stored(stream);
        saver_start(poll);
        poll_settle(poll);
        return;
    }
    saver->save = (struct store_save){
        .rows = saver->rows, .count = saver->count, .done = on_saved, .arg = poll};
    saver->busy = true;
    if (rc == 0)
        rc = store->save(store->ctx, &saver->save);
    if (rc < 0) {
        saver->busy = false;
        failed(poll, rc, "");
    }
}

static void on_timer(struct timer *timer)
{
    save((struct poll *)((char *)timer - offsetof(struct poll, saver.timer)));
}

static void save_later(struct poll *poll)
{
    if (poll->phase >= POLL_RELEASING)
        return;
    poll->saver.timer.fire = on_timer;
    poll->clock->arm(poll->clock->ctx, &poll->saver.timer, poll->config.store_every_ms);
}

void saver_start(struct poll *poll)
{
    poll->saver.clean_ms = poll_now(poll); /* nothing waits to be stored now */
    save_later(poll);
}

void saver_look(struct poll *poll)
{
    if (!poll->saver.busy && poll->saver.timer.heap_slot == 0) /* memory was lacking for it */
        save_later(poll);
}

void saver_want(struct poll *poll)
{
    struct saver *saver = &poll->saver;
    bool waits = saver->failing && poll->phase < POLL_SAVING;
    saver->wanted = true;
    if (saver->busy || waits || poll->phase >= POLL_RELEASING)
        return;
    saver->timer.fire = on_timer;
    poll->clock->arm(poll->clock->ctx, &saver->timer, 0);
}

static bool track_clean(const struct track *track)
{
    for (size_t i = 0; i < track->poll->sink_count; i++)
        if (dirty(&track->sinks[i].mark) || (track->gaps && dirty(&track->gaps[i].mark)))
            return false;
    return true;
}

bool saver_clean(struct poll *poll)
{
    if (poll->saver.busy)
        return false;
    for (struct stream *stream = poll->streams; stream; stream = stream->next) {
        if (!has_begun(stream))
            continue;
        if (dirty(&stream->mark))
            return false;
        for (struct track *track = stream->tracks; track; track = track->next) {
            track_fold(track);
            if (!track_clean(track))
                return false;
        }
    }
    return true;
}

bool saver_blocks(const struct poll *poll)
{
    const struct saver *saver = &poll->saver;
    return saver->failing && poll_now(poll) - saver->failing_since_ms >= PATIENCE_MS;
}

void saver_done(struct poll *poll)
{
    struct saver *saver = &poll->saver;
    poll->clock->disarm(poll->clock->ctx, &saver->timer);
    arena_done(&saver->arena);
    mem_free(saver->rows);
    mem_free(saver->marks);
    *saver = (struct saver){0};
    arena_init(&saver->arena, ARENA_BYTES);
}
