/* What a reload changes of a poll that runs. */
#include "source/poll_parts.h"
#include "util/alloc.h"

#include <errno.h>

/* ---- some go ---- */

static void leave_track(struct track *track, size_t sink)
{
    uint64_t bit = UINT64_C(1) << sink;
    struct reader *shared = track->reader, *alone = track->catch_up;
    track->apart &= ~bit;
    if (alone && alone->sinks & bit && !alone->closing)
        catch_up_close(alone);
    if (!shared || !(shared->sinks & bit))
        return;
    shared->sinks &= ~bit;
    shared->gated &= ~bit;
    pages_let_go(shared, sink);
}

static void for_tracks(const struct poll *poll, uint64_t sinks,
                       void (*act)(struct track *track, size_t sink))
{
    for (; sinks; sinks &= sinks - 1)
        for (struct stream *stream = poll->streams; stream; stream = stream->next)
            for (struct track *track = stream->tracks; track; track = track->next)
                act(track, (size_t)__builtin_ctzll(sinks));
}

/* What waited for them alone goes on. */
static void go_on(struct track *track)
{
    struct reader *shared = track->reader;
    if (!shared || shared->closing)
        return;
    if (shared->held == HELD_GAP && !gap_holds(track, shared->sinks))
        reader_resume(shared);
    else
        reader_again(shared);
}

void poll_remove_sinks(struct poll *poll, uint64_t sinks)
{
    sinks &= poll->sinks;
    for_tracks(poll, sinks, track_fold_sink);
    poll->removed |= sinks;
    poll->sinks &= ~sinks; /* nothing is folded for them any more: they will not be apart */
    for_tracks(poll, sinks, leave_track);
    poll->detached &= ~sinks;
    poll->coming &= ~sinks;
    poll->beginning &= ~sinks;
    poll->required &= ~sinks;
    for (struct stream *stream = sinks ? poll->streams : NULL; stream; stream = stream->next) {
        for (struct track *track = stream->tracks; track; track = track->next)
            go_on(track);
        stream_turn(stream);
    }
}

/* ---- what is stored of those that come ---- */

static void on_over(struct post *post)
{
    struct look_up *look_up = (struct look_up *)((char *)post - offsetof(struct look_up, over));
    struct poll *poll = (struct poll *)((char *)look_up - offsetof(struct poll, look_up));
    void (*ready)(void *arg, int status) = look_up->ready;
    look_up->ready = NULL;
    look_up->posted = false;
    ready(look_up->arg, look_up->status);
    poll_settle(poll);
}

static void end_look_up(struct poll *poll, int status)
{
    struct look_up *look_up = &poll->look_up;
    look_up->status = status;
    look_up->posted = true;
    look_up->over.run = on_over;
    poll->clock->post(poll->clock->ctx, &look_up->over);
}

static void forget_rows(struct poll *poll)
{
    arena_reset(&poll->look_up.arena);
    poll->look_up.found = false;
    poll->look_up.rows = NULL;
    poll->look_up.row_count = 0;
}

static void on_looked_up(struct store_load *load, int status)
{
    struct poll *poll = load->arg;
    struct look_up *look_up = &poll->look_up;
    poll->loading = false;
    forget_rows(poll);
    if (!poll_reading(poll))
        status = -ECANCELED;
    if (status == 0)
        status = state_rows_keep(&look_up->arena, load->rows, load->count, &look_up->rows);
    look_up->found = status == 0;
    look_up->row_count = look_up->found ? load->count : 0;
    end_look_up(poll, status);
}

static bool is_dirty(const struct mark *mark)
{
    return mark->now != mark->saved;
}

/* Removed sinks may be those that come: what is stored must be all that they finished. */
static bool removed_are_stored(const struct poll *poll)
{
    for (const struct stream *stream = poll->removed ? poll->streams : NULL; stream;
         stream = stream->next)
        for (const struct track *track = stream->tracks; track; track = track->next)
            for (uint64_t left = poll->removed; left; left &= left - 1) {
                size_t sink = (size_t)__builtin_ctzll(left);
                if (is_dirty(&track->sinks[sink].mark) ||
                    (track->gaps && is_dirty(&track->gaps[sink].mark)))
                    return false;
            }
    return true;
}

static int grow(void **list, size_t bytes, size_t count, size_t places)
{
    if (!*list || places <= count)
        return 0;
    char *more = mem_realloc(*list, places * bytes);
    if (!more)
        return -ENOMEM;
    memset(more + count * bytes, 0, (places - count) * bytes);
    *list = more;
    return 0;
}

/* While nothing is being saved, which points into it. */
static int make_room(struct poll *poll, size_t places)
{
    size_t room = poll->room;
    int rc = grow((void **)&poll->watches, sizeof *poll->watches, room + 1, places + 1);
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        for (struct track *track = stream->tracks; rc == 0 && track; track = track->next) {
            rc = grow((void **)&track->sinks, sizeof *track->sinks, room, places);
            if (rc == 0)
                rc = grow((void **)&track->gaps, sizeof *track->gaps, room, places);
        }
    if (rc == 0 && places > room)
        poll->room = places;
    return rc;
}

static void load(struct poll *poll)
{
    struct store *store = &poll->config.world->store;
    struct look_up *look_up = &poll->look_up;
    look_up->load = (struct store_load){.done = on_looked_up, .arg = poll};
    poll->loading = true;
    int rc = store->load(store->ctx, &look_up->load);
    if (rc == 0)
        return;
    poll->loading = false;
    end_look_up(poll, rc);
}

void look_up_go_on(struct poll *poll)
{
    struct look_up *look_up = &poll->look_up;
    if (!look_up->ready || look_up->posted || poll->loading)
        return;
    if (poll->phase >= POLL_STOPPING) {
        end_look_up(poll, -ECANCELED);
        return;
    }
    if (poll->saver.failing) {
        end_look_up(poll, -EIO);
        return;
    }
    if (poll->saver.busy)
        return;
    if (!removed_are_stored(poll)) {
        saver_want(poll);
        return;
    }
    int rc = make_room(poll, look_up->places);
    if (rc < 0 || poll->phase < POLL_READING) /* then they begin with the others */
        end_look_up(poll, rc);
    else
        load(poll);
}

int poll_look_up(struct poll *poll, size_t places, void (*ready)(void *arg, int status), void *arg)
{
    struct look_up *look_up = &poll->look_up;
    if (poll->phase >= POLL_STOPPING)
        return -ECANCELED;
    if (look_up->ready)
        return -EBUSY;
    look_up->ready = ready;
    look_up->arg = arg;
    look_up->places = places;
    look_up_go_on(poll);
    return 0;
}

/* ---- some come ---- */

static int begin_sinks(struct poll *poll, uint64_t sinks)
{
    const struct look_up *look_up = &poll->look_up;
    int rc = 0;
    for (struct stream *stream = poll->streams; rc == 0 && stream; stream = stream->next) {
        rc = look_up->found ? stream_begin_sinks(stream, sinks, look_up->rows, look_up->row_count)
                            : stream_begin_sinks(stream, sinks, poll->rows, poll->row_count);
        stream_turn(stream);
    }
    return rc;
}

/* Where some of them would begin is not known: what the others read is not to be counted for them.
 */
static void give_up_sinks(struct poll *poll, uint64_t sinks)
{
    poll->detached &= ~sinks;
    poll->coming &= ~sinks;
    poll->beginning &= ~sinks;
    forget_rows(poll);
    poll_end(poll, POLL_GAVE_UP);
}

void poll_add_sinks(struct poll *poll, uint64_t sinks)
{
    sinks &= ~poll->sinks;
    poll->sink_count = router_sink_count(poll->config.router);
    for (uint64_t left = sinks; left; left &= left - 1)
        strangers_keep(
            poll, str_of(router_sink_name(poll->config.router, (size_t)__builtin_ctzll(left))));
    if (sinks && poll_reading(poll)) {
        poll->detached |= sinks;
        poll->coming |= sinks;
        poll->beginning |= sinks;
        if (begin_sinks(poll, sinks) < 0) {
            poll_log(poll, WEIR_LOG_ERROR, "W0828", "out of memory");
            give_up_sinks(poll, sinks);
            return;
        }
        saver_want(poll);
    }
    poll->removed &= ~sinks;
    poll->sinks |= sinks;
    forget_rows(poll);
}

/* What is with the router is waited for as it was asked for when it was given. */
void poll_set_optional(struct poll *poll, uint64_t optional, uint32_t images_needed,
                       const char *images_sink)
{
    poll->config.optional = optional;
    poll->config.images_needed = images_needed;
    poll->config.images_sink = images_sink;
    poll->required = poll->sinks & ~optional;
    if (!poll->required) /* then all are waited for */
        poll->required = poll->sinks;
    if (poll->phase == POLL_READING)
        poll_pump(poll);
}
