/* What a reload changes of a poll that runs. */
#include "source/poll_parts.h"

static void leave_track(struct track *track, size_t sink)
{
    uint64_t bit = UINT64_C(1) << sink;
    struct reader *shared = track->reader, *alone = track->catch_up;
    track_fold_sink(track, sink);
    track->apart &= ~bit;
    if (alone && alone->sinks & bit && !alone->closing)
        catch_up_close(alone);
    if (!shared || !(shared->sinks & bit))
        return;
    shared->sinks &= ~bit;
    shared->gated &= ~bit;
    pages_let_go(shared, sink);
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
    for (uint64_t left = sinks; left; left &= left - 1)
        for (struct stream *stream = poll->streams; stream; stream = stream->next)
            for (struct track *track = stream->tracks; track; track = track->next)
                leave_track(track, (size_t)__builtin_ctzll(left));
    poll->removed |= sinks;
    poll->sinks &= ~sinks;
    poll->detached &= ~sinks;
    poll->required &= ~sinks;
    for (struct stream *stream = sinks ? poll->streams : NULL; stream; stream = stream->next) {
        for (struct track *track = stream->tracks; track; track = track->next)
            go_on(track);
        stream_turn(stream);
    }
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
