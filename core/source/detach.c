/* A sink that holds up reading for too long is detached, shard by shard: the others go on, its
 * positions stay, and it reads alone from there (catch_up.c). Without that one broken sink would
 * cost all of them what is trimmed in the meantime (D4). */
#include "source/poll_parts.h"
#include "util/alloc.h"

#include <inttypes.h>

enum {
    FULL_S = 10, /* a sink must have held up reading for so many seconds more than not */
    FULL_S_MAX = 120,
    DOWN_MS = 30000, /* a sink that is down for so long gives back what it has under way alone */
    LOOK_MS = 60000,
    HALF_MS = RETENTION_MS / 2,
    MOST_MS = RETENTION_MS / 10 * 8
};

bool progress_knows(const struct progress *progress, weir_str at)
{
    for (size_t i = 0; at.len && i < progress->finished_count; i++)
        if (sequence_cmp(at, sequence_str(&progress->finished[i].first)) >= 0 &&
            sequence_cmp(at, sequence_str(&progress->finished[i].last)) <= 0)
            return true;
    return false;
}

/* ---- how old is what waits? ---- */

static int64_t older(int64_t one_us, int64_t other_us)
{
    return !one_us || (other_us && other_us < one_us) ? other_us : one_us;
}

static int64_t apart_since_us(const struct track *track, size_t sink)
{
    const struct progress *progress = &track->sinks[sink];
    const struct reader *shared = track->reader, *alone = track->catch_up;
    int64_t us = alone && alone->sinks >> sink & 1 ? pages_oldest_us(alone, sink) : 0;
    if (us)
        return us;
    if (shared && progress->position.len && shared->cursor.len &&
        sequence_cmp(sequence_str(&progress->position), sequence_str(&shared->cursor)) >= 0)
        return 0;
    if (!progress->waits_us && !progress->position.len)
        return 0;
    return progress->waits_us > progress->record_us ? progress->waits_us : progress->record_us;
}

static int64_t waits_since_us(const struct track *track, size_t sink)
{
    int64_t us = 0;
    if (track->done >> sink & 1)
        return 0;
    if (track->apart >> sink & 1)
        return apart_since_us(track, sink);
    if (track->catch_up && track->catch_up->sinks >> sink & 1)
        us = pages_oldest_us(track->catch_up, sink);
    return us || !track->reader ? us : pages_oldest_us(track->reader, sink);
}

static int64_t oldest_us(const struct poll *poll, size_t sink)
{
    int64_t us = 0;
    for (const struct stream *stream = poll->streams; stream; stream = stream->next)
        for (const struct track *track = stream->tracks; track; track = track->next)
            us = older(us, waits_since_us(track, sink));
    return us;
}

static int64_t age_ms(const struct poll *poll, int64_t us)
{
    return us ? (poll->clock->wall_us(poll->clock->ctx) - us) / 1000 : 0;
}

/* ---- detaching ---- */

void detach_track(struct track *track, size_t sink)
{
    struct progress *progress = &track->sinks[sink];
    uint64_t bit = UINT64_C(1) << sink;
    struct reader *shared = track->reader, *alone = track->catch_up;
    track_fold_sink(track, sink);
    if (progress->done || track->apart & bit)
        return;
    progress->waits_us = waits_since_us(track, sink);
    if (alone && alone->sinks & bit && !alone->closing && alone->held == HELD_NOT)
        catch_up_close(alone);
    else if (alone && alone->sinks & bit)
        alone->met = false; /* it reads on from the position when it may */
    track->apart |= bit;
    track->poll->detached |= bit;
    if (!shared)
        return;
    shared->sinks &= ~bit;
    shared->gated &= ~bit;
    pages_let_go(shared, sink);
    reader_again(shared);
}

static void detach(struct poll *poll, size_t sink)
{
    poll->watches[sink].full_s = 0;
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        for (struct track *track = stream->tracks; track; track = track->next)
            detach_track(track, sink);
    poll_log(poll, WEIR_LOG_ERROR, "W0814",
             "sink %s is detached: reading waited for it, and a record that it has not got is "
             "%" PRId64 " minutes old (max_hold); the others go on, it reads on from its positions "
             "when it is up",
             router_sink_name(poll->config.router, sink),
             age_ms(poll, poll->watches[sink].oldest_us) / 60000);
    poll_pump(poll);
}

static bool is_due(struct poll *poll, size_t sink)
{
    struct sink_watch *watch = &poll->watches[sink];
    const int64_t *max_hold_ms = poll->config.max_hold_ms;
    uint64_t bit = UINT64_C(1) << sink;
    if (watch->full_s < FULL_S || poll->config.once || !max_hold_ms || !max_hold_ms[sink] ||
        !(poll->required & ~poll->detached & ~bit))
        return false;
    watch->oldest_us = oldest_us(poll, sink);
    return watch->oldest_us && age_ms(poll, watch->oldest_us) >= max_hold_ms[sink];
}

static void count_full(struct poll *poll, size_t sink)
{
    struct sink_watch *watch = &poll->watches[sink];
    bool full = poll->due_first && poll->full_sinks != UINT64_MAX && poll->full_sinks >> sink & 1;
    if (full && watch->full_s < FULL_S_MAX)
        watch->full_s++;
    else if (!full && watch->full_s > 0)
        watch->full_s--;
}

/* ---- what is about to be lost ---- */

static void warn(struct poll *poll, size_t sink)
{
    struct sink_watch *watch = &poll->watches[sink];
    watch->oldest_us = oldest_us(poll, sink);
    int64_t ms = age_ms(poll, watch->oldest_us);
    unsigned level = ms >= MOST_MS ? 2 : ms >= HALF_MS ? 1 : 0;
    if (level > watch->warned)
        poll_log(poll, level == 2 ? WEIR_LOG_ERROR : WEIR_LOG_WARN, level == 2 ? "W0816" : "W0815",
                 "sink %s has not got a record that is %" PRId64 " h old (%s of the 24 h that a "
                 "stream keeps it)%s",
                 router_sink_name(poll->config.router, sink), ms / 3600000,
                 level == 2 ? "80%" : "50%",
                 level == 2 ? "; from then on records are lost for it, if it is restarted or "
                              "detached"
                            : "");
    watch->warned = level;
}

/* What waits for a sink that went down, or was paused, while it caught up would take room from the
 * others. */
static void give_up_alone(struct poll *poll, size_t sink)
{
    struct sink_counts counts = router_counts(poll->config.router, sink);
    int64_t since_ms = counts.up ? counts.paused_since_ms : counts.down_since_ms;
    if (poll->watches[sink].alone_pages <= 1 || !since_ms || poll_now(poll) - since_ms < DOWN_MS)
        return;
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        for (struct track *track = stream->tracks; track; track = track->next)
            if (track->catch_up && !track->catch_up->closing &&
                track->catch_up->sinks >> sink & 1 && track->apart >> sink & 1)
                catch_up_close(track->catch_up);
}

void detach_watch(struct poll *poll)
{
    bool look = poll_now(poll) - poll->looked_ms >= LOOK_MS;
    if (!poll_reading(poll))
        return;
    if (look)
        poll->looked_ms = poll_now(poll);
    for (uint64_t left = poll->required; left; left &= left - 1) {
        size_t sink = (size_t)__builtin_ctzll(left);
        count_full(poll, sink);
        if (is_due(poll, sink))
            detach(poll, sink);
        if (look)
            warn(poll, sink);
        if (poll->detached >> sink & 1)
            give_up_alone(poll, sink);
    }
    catch_up_look(poll);
}

struct poll_sink poll_sink(const struct poll *poll, size_t sink)
{
    const struct sink_watch *watch = &poll->watches[sink];
    return (struct poll_sink){.detached = poll->detached >> sink & 1,
                              .coming = poll->coming >> sink & 1,
                              .shards_behind = poll->detached >> sink & 1 ? watch->behind : 0,
                              .oldest_ms = age_ms(poll, watch->oldest_us),
                              .may_lose = watch->warned == 2};
}
