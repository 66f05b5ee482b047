/* Once a second: what should move and does not, what was said and is over. */
#include "source/poll_parts.h"

#include <inttypes.h>

enum {
    FULL_SAID_MS = 10000, /* the window was full for so long: worth a line */
    RELOAD_MS = 5000,     /* held by a gap: has somebody accepted it? */
    WATCH_MS = 60000,
    STALLED_MS = 300000
};
static const int64_t QUIET_US = 3600 * INT64_C(1000000);

static void watch_room(struct poll *poll)
{
    if (saver_blocks(poll) && !poll->saver.paused_said) {
        poll->saver.paused_said = true;
        poll_log(poll, WEIR_LOG_ERROR, "W0806",
                 "reading waits: positions could not be stored for a minute");
    }
    if (poll->full_said || !poll->full_since_ms || !poll->due_first ||
        poll_now(poll) - poll->full_since_ms < FULL_SAID_MS || !poll->full_sinks)
        return;
    const char *sink =
        poll->full_sinks == UINT64_MAX
            ? NULL
            : router_sink_name(poll->config.router, (size_t)__builtin_ctzll(poll->full_sinks));
    poll->full_said = true;
    poll_log(poll, WEIR_LOG_WARN, "W0807",
             "reading waits: the window of sink %s has been full for 10 s", sink ? sink : "?");
}

/* Nothing will wake it: a bug, which a restart would hide. */
static void watch_reader(struct poll *poll, struct reader *reader)
{
    int64_t quiet_ms = poll_now(poll) - reader->fresh_ms;
    if (reader->gathered && !reader->window.heap_slot)
        pages_flush(reader); /* its timer could not be armed */
    bool waits = reader->full || reader->timer.heap_slot || reader->state == READER_DUE;
    if (quiet_ms < STALLED_MS || waits || reader_busy(reader) || reader->state == READER_ENDED)
        return;
    reader->fresh_ms = poll_now(poll);
    poll_log(poll, WEIR_LOG_ERROR, "W0809",
             "shard %.*s has not been read for %" PRId64 " s; it is read on from where it was",
             STR_ARG(reader->track->shard->id), quiet_ms / 1000);
    if (reader->state == READER_DOUBTING)
        discovery_forget_asker(reader->track->stream->discovery, reader);
    iterator_forget(reader);
    poll_due(reader);
}

/* Whether records wait for the sink, or nobody has looked whether they do. */
static bool is_behind(const struct track *track, size_t sink, int64_t now_us)
{
    const struct reader *reader = track->reader;
    if (!reader || !(reader->sinks >> sink & 1) || reader->held != HELD_NOT)
        return true;
    int64_t oldest_us = pages_oldest_us(reader, sink);
    return poll_now(track->poll) - reader->fresh_ms >= STATE_BEHIND_US / 1000 ||
           (oldest_us && now_us - oldest_us >= STATE_BEHIND_US);
}

/* Where nothing moves nothing is stored, so that it is noted whether all was read or records wait:
 * for `weir shards`, and, of a shard without a position, so that a start much later knows that it
 * missed nothing before (gap.c). Once; what is caught up again now and then. */
static void watch_quiet(struct track *track)
{
    const struct poll *poll = track->poll;
    const struct reader *reader = track->reader, *alone = track->catch_up;
    int64_t now_us = poll->clock->wall_us(poll->clock->ctx);
    bool quiet = reader && reader->held == HELD_NOT && reader->caught_up && !reader->first &&
                 !reader->peeking;
    for (uint64_t left = poll->sinks & ~track->done; left; left &= left - 1) {
        size_t sink = (size_t)__builtin_ctzll(left);
        struct progress *progress = &track->sinks[sink];
        bool caught_up = quiet && reader->sinks >> sink & 1 && !(alone && alone->sinks >> sink & 1);
        if (caught_up && (progress->told != TOLD_CAUGHT_UP ||
                          reader->quiet_us - progress->record_us >= QUIET_US)) {
            progress->record_us = reader->quiet_us; /* what came since, nobody has seen */
            progress->told = TOLD_CAUGHT_UP;
            progress->quiet = true;
            progress->mark.now++;
        } else if (!caught_up && progress->told != TOLD_BEHIND && progress->position.len &&
                   is_behind(track, sink, now_us)) {
            progress->told = TOLD_BEHIND;
            progress->mark.now++;
        }
    }
}

/* A stream that is open has an open shard. */
static void watch_stream(struct poll *poll, struct stream *stream)
{
    bool open = false;
    for (struct track *track = stream->tracks; track; track = track->next) {
        open = open || track->reader || track->catch_up;
        if (track->reader && track->reader->held == HELD_NOT)
            watch_reader(poll, track->reader);
        watch_quiet(track);
        if (track->catch_up && track->catch_up->held == HELD_NOT && !track->catch_up->closing)
            watch_reader(poll, track->catch_up);
    }
    if (open || stream->phase != STREAM_RUNNING ||
        discovery_state(stream->discovery) != STREAM_OPEN)
        stream->read_ms = poll_now(poll);
    if (poll_now(poll) - stream->read_ms < STALLED_MS)
        return;
    stream->read_ms = poll_now(poll);
    poll_log(poll, WEIR_LOG_ERROR, "W0809",
             "%s is enabled, but no shard of it could be read for %d minutes: every known one is "
             "finished, and none that follows is listed; the list is asked for once more",
             stream->arn, STALLED_MS / 60000);
    discovery_look(stream->discovery);
}

static void watch_streams(struct poll *poll)
{
    for (struct stream *stream = poll->streams; stream; stream = stream->next) {
        watch_stream(poll, stream);
        if (poll->watched && stream->phase == STREAM_RUNNING)
            stream->mark
                .now++; /* its row says that it is followed, and what its shards' say holds */
        stream_turn(stream);
    }
    if (poll->watched && !poll->streams_judged) {
        poll->streams_judged = true;
        strangers_find_streams(poll);
    }
    poll->watched = true;
}

/* Refused or unreachable from the first call on: no shard is known that could tell. */
static void watch_trouble(struct poll *poll)
{
    int64_t since_ms = poll->trouble_since_ms, now_ms = poll_now(poll);
    for (struct stream *stream = poll->streams; stream; stream = stream->next) {
        int64_t stream_since_ms = 0;
        enum streams_fault fault = discovery_trouble(stream->discovery, &stream_since_ms);
        if (fault == STREAMS_OK)
            continue;
        if (fault == STREAMS_DENIED && !poll->answered && now_ms - stream_since_ms >= DENIED_MS) {
            poll_log(poll, WEIR_LOG_ERROR, "W0811",
                     "dynamodb:DescribeStream is refused for 2 minutes; giving up");
            poll_end(poll, POLL_REFUSED);
            return;
        }
        since_ms = since_ms && since_ms < stream_since_ms ? since_ms : stream_since_ms;
    }
    if (!poll->config.once || !poll->config.down_limit_ms || !since_ms ||
        now_ms - since_ms < poll->config.down_limit_ms)
        return;
    poll_log(poll, WEIR_LOG_ERROR, "W0801", "the source can't be reached; giving up for now");
    poll_end(poll, POLL_GAVE_UP);
}

/* The state is surely ours again, what was held may go; or memory was lacking even for a timer. */
static void watch_owner(struct poll *poll)
{
    const struct store *store = &poll->config.world->store;
    bool owned = !store->owned || store->owned(store->ctx);
    if (owned)
        router_resume(poll->config.router);
}

void poll_tick(struct timer *timer)
{
    struct poll *poll = (struct poll *)((char *)timer - offsetof(struct poll, tick));
    int64_t now_ms = poll_now(poll);
    poll->clock->arm(poll->clock->ctx, &poll->tick, TICK_MS);
    poll->ticked_ms = now_ms;
    watch_room(poll);
    detach_watch(poll);
    watch_owner(poll);
    saver_look(poll);
    look_up_go_on(poll);
    poll_pump(poll);
    tables_look(poll);
    if (poll->held_by_gap && now_ms - poll->reload_ms >= RELOAD_MS) {
        poll->reload_ms = now_ms;
        gaps_reload(poll);
    }
    if (now_ms - poll->watched_ms >= WATCH_MS) {
        poll->watched_ms = now_ms;
        watch_streams(poll);
    }
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        if (stream->left_over)
            stream_turn(stream);
    watch_trouble(poll);
    poll_settle(poll);
}
