/* The end of a poll: what is under way is waited for, but for what would never be finished. */
#include "source/poll_parts.h"

enum { LOOK_MS = 100 };

static void close_alone(struct track *track, size_t sink)
{
    struct reader *alone = track->catch_up;
    if (alone && !alone->closing && alone->sinks >> sink & 1)
        catch_up_close(alone);
}

static void give_back(struct poll *poll, size_t sink)
{
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        for (struct track *track = stream->tracks; track; track = track->next) {
            detach_track(track, sink);
            close_alone(track, sink);
        }
}

/* A sink that is paused gets nothing more in this process: what waits for it is read again by the
 * next one, from its position. What its plugin has is awaited. */
static void give_back_paused(struct poll *poll)
{
    bool busy = false;
    for (uint64_t left = poll->required; left; left &= left - 1) {
        size_t sink = (size_t)__builtin_ctzll(left);
        if (!router_counts(poll->config.router, sink).paused_since_ms)
            continue;
        if (router_view(poll->config.router, sink).in_flight)
            busy = true;
        else
            give_back(poll, sink);
    }
    if (busy)
        poll->clock->arm(poll->clock->ctx, &poll->tick, LOOK_MS);
}

/* What only waits for a parent shard that nobody will finish any more. */
static void give_back_gated(struct poll *poll)
{
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        for (const struct track *track = stream->tracks; track; track = track->next)
            if ((track->reader && !pages_only_gated(track->reader)) ||
                (track->catch_up && pages_open(track->catch_up)))
                return;
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        for (const struct track *track = stream->tracks; track; track = track->next)
            if (track->reader)
                pages_release_gated(track->reader);
}

static void on_look(struct timer *timer)
{
    poll_settle((struct poll *)((char *)timer - offsetof(struct poll, tick)));
}

void stop_look(struct poll *poll)
{
    poll->tick.fire = on_look; /* it looks around no more */
    give_back_paused(poll);
    give_back_gated(poll);
}
