/* A sink that reads a shard alone, from its own position, until it meets the reader of the others.
 *
 * The order holds: it gets a shard only once it has finished the parent, what it reads alone is
 * with the router before anything of the shared reader is, and its progress is counted over its own
 * pages first. Records that both readers take are left out of the shared one's pages for it. */
#include "source/poll_parts.h"

enum { ALONE_PAGES_MAX = 8 /* under way for all such sinks: the others keep their room */ };

static size_t sink_of(const struct reader *alone)
{
    return (size_t)__builtin_ctzll(alone->sinks);
}

static bool reads_for(const struct reader *alone, size_t sink)
{
    return alone && !alone->closing && alone->sinks >> sink & 1;
}

static bool is_up(const struct poll *poll, size_t sink)
{
    struct sink_counts counts = router_counts(poll->config.router, sink);
    return counts.up && !counts.hung_since_ms && !counts.paused_since_ms;
}

/* A sink that is down gets one page, with which the router sees whether it is up again. */
bool catch_up_may_read(const struct reader *alone)
{
    const struct poll *poll = alone->track->poll;
    size_t sink = sink_of(alone);
    return is_up(poll, sink) ? poll->alone_pages < ALONE_PAGES_MAX
                             : poll->watches[sink].alone_pages == 0;
}

void catch_up_count(const struct reader *reader, int change)
{
    struct poll *poll = reader->track->poll;
    if (!reader->alone)
        return;
    poll->alone_pages += (size_t)change;
    poll->watches[sink_of(reader)].alone_pages += (size_t)change;
}

/* ---- together again ---- */

static void join(struct track *track, size_t sink)
{
    uint64_t bit = UINT64_C(1) << sink;
    track->reader->sinks |= bit;
    track->apart &= ~bit;
    track->sinks[sink].waits_us = 0;
    track_fold_sink(track, sink);
}

/* Its pages are all with the router: what the shared reader takes from now on comes behind them. */
void catch_up_met(struct reader *alone)
{
    struct track *track = alone->track;
    const struct clock *clock = track->poll->clock;
    const struct reader *shared = track->reader;
    if (!shared || alone->gathered || !shared->cursor.len || !alone->cursor.len ||
        shared->unmatched & alone->sinks ||
        sequence_cmp(sequence_str(&alone->cursor), sequence_str(&shared->cursor)) < 0)
        return;
    alone->met = true;
    clock->disarm(clock->ctx, &alone->timer);
    iterator_forget(alone);
    alone->state = READER_ENDED;
    join(track, sink_of(alone));
    stream_turn(track->stream);
}

/* The shared reader has taken something that it has not got, or can't tell. */
static bool lacks(const struct track *track, size_t sink)
{
    const struct reader *shared = track->reader;
    const struct sequence *position = &track->sinks[sink].position;
    if (!shared || !shared->cursor.len)
        return !shared;
    return !position->len ||
           sequence_cmp(sequence_str(position), sequence_str(&shared->cursor)) < 0;
}

/* The shared reader, which has taken nothing yet, began where it would begin itself. */
static bool begins_alike(const struct track *track, size_t sink)
{
    const struct reader *shared = track->reader;
    const struct progress *progress = &track->sinks[sink];
    if (progress->position.len || shared->batch_number > 0 || shared->peeking)
        return false;
    return shared->start == START_TRIM_HORIZON ||
           (progress->start == START_AT_TIMESTAMP && shared->start_us <= progress->start_us);
}

/* It lacks nothing of what the shared reader has taken. */
static bool has_all(const struct track *track, size_t sink)
{
    const struct reader *shared = track->reader;
    return shared && !lacks(track, sink) && (shared->cursor.len || begins_alike(track, sink));
}

/* ---- opening and closing ---- */

static bool is_open(const struct track *track)
{
    return track->reader || track->catch_up || track->read_to_end;
}

/* A sink that is down reads one shard alone, and one that has something for it: with that the
 * router sees whether it is up again. */
static bool may_open(const struct track *track, size_t sink)
{
    const struct poll *poll = track->poll;
    return is_up(poll, sink) || (!poll->watches[sink].probing && lacks(track, sink));
}

/* Nothing waits for it: it begins with what is read next. */
static void help_optional(struct track *track, size_t sink)
{
    if (track->reader)
        join(track, sink);
    else if (track->read_to_end)
        track_finish(track, UINT64_C(1) << sink);
}

static void help_sink(struct track *track, size_t sink)
{
    struct poll *poll = track->poll;
    uint64_t bit = UINT64_C(1) << sink;
    if (!is_open(track) || reads_for(track->catch_up, sink) || track_gates(track) & bit ||
        poll->beginning & bit)
        return;
    bool all = has_all(track, sink), optional = !(poll->required & bit);
    if ((all || optional) && track->reader && track->reader->unmatched & bit)
        return; /* what comes next does not know of it */
    if (optional)
        help_optional(track, sink);
    else if (all)
        join(track, sink);
    else if (!track->catch_up && may_open(track, sink) && reader_open_alone(track, sink) == 0)
        poll->watches[sink].probing = true; /* or at the next look */
}

void catch_up_close(struct reader *alone)
{
    size_t sink = sink_of(alone);
    track_fold_sink(alone->track, sink);
    alone->closing = true;
    poll_undue(alone);
    reader_stop(alone);
    pages_let_go(alone, sink);
}

static bool is_through(const struct reader *alone)
{
    if (reader_busy(alone) || pages_open(alone))
        return false;
    return alone->closing || (alone->state == READER_ENDED && !alone->first);
}

static void help_track(struct track *track)
{
    if (track->catch_up && is_through(track->catch_up))
        reader_free(track->catch_up);
    track->apart &= ~track->done;
    for (uint64_t left = track->apart; left; left &= left - 1)
        help_sink(track, (size_t)__builtin_ctzll(left));
}

/* ---- all of it ---- */

/* By sink: does it read something alone that will bring it records? */
static void look_for_probes(const struct poll *poll)
{
    for (size_t i = 0; i < poll->sink_count; i++)
        poll->watches[i].probing = false;
    for (const struct stream *stream = poll->streams; stream; stream = stream->next)
        for (const struct track *track = stream->tracks; track; track = track->next) {
            const struct reader *alone = track->catch_up;
            if (alone &&
                (alone->first || (alone->held == HELD_NOT && lacks(track, sink_of(alone)))))
                poll->watches[sink_of(alone)].probing = true;
        }
}

/* By sink: shards on which it is apart. Those that nobody reads yet do not count. */
static void count_behind(const struct poll *poll)
{
    for (size_t i = 0; i < poll->sink_count; i++)
        poll->watches[i].behind = 0;
    for (const struct stream *stream = poll->streams; stream; stream = stream->next)
        for (const struct track *track = stream->tracks; track; track = track->next)
            for (uint64_t left = is_open(track) ? track->apart & ~track->done : 0; left;
                 left &= left - 1)
                poll->watches[__builtin_ctzll(left)].behind++;
}

static void attach(struct poll *poll, size_t sink)
{
    uint64_t bit = UINT64_C(1) << sink;
    const char *again = poll->coming & bit ? "" : " again";
    poll->detached &= ~bit;
    poll->coming &= ~bit;
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        for (struct track *track = stream->tracks; track; track = track->next)
            track->apart &= ~bit;
    poll_log(poll, WEIR_LOG_INFO, "W0822", "sink %s has caught up and reads with the others%s",
             router_sink_name(poll->config.router, sink), again);
}

bool catch_up_lasts(const struct track *track)
{
    const struct reader *alone = track->catch_up;
    return is_open(track) && track->apart & ~track->done & ~track_gates(track) &&
           !(alone && alone->held != HELD_NOT);
}

void catch_up_look(struct poll *poll)
{
    if (!poll->detached && !poll->alone_readers)
        return;
    look_for_probes(poll);
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        for (struct track *track = stream->tracks; track; track = track->next)
            help_track(track);
    count_behind(poll);
    for (uint64_t left = poll->detached; left; left &= left - 1) {
        size_t sink = (size_t)__builtin_ctzll(left);
        if (poll->watches[sink].behind == 0)
            attach(poll, sink);
    }
    poll_pump(poll);
}
