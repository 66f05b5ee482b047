/* What the poller shows of itself: it only looks, and changes nothing. */
#include "source/poll_parts.h"

enum { QUIET_MS = 10000 }; /* a page that came so lately counts as now */

const char *poll_op_name(enum poll_op op)
{
    static const char *const names[POLL_OPS] = {[POLL_GET_RECORDS] = "GetRecords",
                                                [POLL_GET_ITERATOR] = "GetShardIterator",
                                                [POLL_DESCRIBE] = "DescribeStream"};
    return names[op];
}

/* ---- one shard ---- */

enum look { LOOK_WAITING, LOOK_READING, LOOK_HELD, LOOK_ENDED };

static enum look look_at(const struct track *track)
{
    const struct reader *reader = track->reader;
    if (!reader)
        return LOOK_WAITING;
    return reader->held != HELD_NOT        ? LOOK_HELD
           : reader->state == READER_ENDED ? LOOK_ENDED
                                           : LOOK_READING;
}

static const char *held_by(const struct track *track)
{
    static const char *const whys[] = {
        [HELD_NOT] = NULL,
        [HELD_GAP] = "records were trimmed before they were read; accept the gap, or set on_gap",
        [HELD_PAGE] = "GetRecords answers with what is no page",
        [HELD_RECORD] =
            "a record can't be finished: it is poison, or lacks an image, and is to block",
    };
    return track->reader ? whys[track->reader->held] : NULL;
}

/* When the oldest record was made that a required sink has not finished; 0 = none is known. */
static int64_t oldest_us(const struct track *track)
{
    int64_t oldest = 0;
    for (uint64_t left = track->poll->required; left; left &= left - 1) {
        size_t sink = (size_t)__builtin_ctzll(left);
        bool apart = track->apart >> sink & 1;
        int64_t us = apart ? track->sinks[sink].waits_us : pages_oldest_us(track->reader, sink);
        if (us && (!oldest || us < oldest))
            oldest = us;
    }
    return oldest;
}

static int64_t newest_us(const struct track *track)
{
    int64_t newest = 0;
    for (size_t i = 0; i < track->poll->sink_count; i++)
        if (track->sinks[i].position.len && track->sinks[i].record_us > newest)
            newest = track->sinks[i].record_us;
    return newest;
}

static int64_t lag_ms(const struct track *track)
{
    const struct poll *poll = track->poll;
    const struct reader *reader = track->reader;
    int64_t now_us = poll->clock->wall_us(poll->clock->ctx), made_us = 0, lag = -1;
    if (!reader)
        return -1;
    int64_t quiet_ms = poll_now(poll) - reader->fresh_ms;
    made_us = oldest_us(track);
    if (!made_us && reader->pace.empty == 0 && !reader->caught_up)
        made_us = newest_us(track); /* the next page may begin right behind it */
    if (made_us)
        lag = now_us > made_us ? (now_us - made_us) / 1000 : 0;
    else if (reader->pace.empty > 0 || reader->caught_up || reader->state == READER_ENDED)
        lag = 0;
    if (reader->state != READER_ENDED && quiet_ms > QUIET_MS && quiet_ms > lag)
        lag = quiet_ms; /* nobody knows what was written since */
    return lag;
}

static void find_behind(const struct track *track, struct poll_shard *shard)
{
    const struct poll *poll = track->poll;
    for (uint64_t left = poll->required & ~track->done; left; left &= left - 1) {
        size_t sink = (size_t)__builtin_ctzll(left);
        weir_str position = sequence_str(&track->sinks[sink].position);
        if (shard->behind && (!shard->position.len ||
                              (position.len && sequence_cmp(position, shard->position) >= 0)))
            continue;
        shard->behind = router_sink_name(poll->config.router, sink);
        shard->position = position;
    }
}

/* The table by which it was found, else the one that its ARN names. */
static weir_str table_of(const struct stream *stream)
{
    weir_str region, table = STR("?"), label;
    if (stream->table && *stream->table)
        return str_of(stream->table);
    streams_arn_parts(str_of(stream->arn), &region, &table, &label);
    return table;
}

static const char *const look_names[] = {[LOOK_WAITING] = "waiting",
                                         [LOOK_READING] = "reading",
                                         [LOOK_HELD] = "held",
                                         [LOOK_ENDED] = "ended"};

/* What is finished is not shown: only what is read, or waits to be. */
static bool is_over(const struct track *track)
{
    return !track->reader && (track->read_to_end || track_is_over(track));
}

void poll_each_shard(const struct poll *poll,
                     void (*each)(void *ctx, const struct poll_shard *shard), void *ctx)
{
    for (const struct stream *stream = poll->streams; stream; stream = stream->next)
        for (const struct track *track = stream->tracks; track; track = track->next) {
            if (is_over(track))
                continue;
            struct poll_shard shard = {
                .stream = str_of(stream->arn),
                .table = table_of(stream),
                .id = track->shard->id,
                .parent = track->shard->parent,
                .state = look_names[look_at(track)],
                .why = held_by(track),
                .lag_ms = lag_ms(track),
                .quiet_ms = track->reader ? poll_now(poll) - track->reader->fresh_ms : -1};
            find_behind(track, &shard);
            each(ctx, &shard);
        }
}

/* ---- one stream ---- */

static const char *stream_look(const struct stream *stream)
{
    if (discovery_state(stream->discovery) == STREAM_MISSING)
        return "missing";
    switch (stream->phase) {
    case STREAM_SWEEPING:
    case STREAM_STORING:
        return "finding shards";
    case STREAM_RUNNING:
        return "running";
    case STREAM_REFUSED:
        return "refused";
    case STREAM_ENDED:
        break;
    }
    return "ended";
}

void poll_each_stream(const struct poll *poll,
                      void (*each)(void *ctx, const struct poll_stream *stream), void *ctx)
{
    for (const struct stream *stream = poll->streams; stream; stream = stream->next) {
        struct poll_stream view = {.arn = str_of(stream->arn),
                                   .table = table_of(stream),
                                   .state = stream_look(stream),
                                   .read = &stream->read,
                                   .gaps = stream->gaps};
        size_t looks[sizeof look_names / sizeof *look_names] = {0};
        int64_t since_ms = 0;
        memcpy(view.faults, stream->faults, sizeof view.faults);
        for (size_t fault = 0; fault < STREAMS_FAULTS; fault++)
            view.faults[POLL_DESCRIBE][fault] =
                discovery_faults(stream->discovery, (enum streams_fault)fault);
        for (const struct track *track = stream->tracks; track; track = track->next)
            if (!is_over(track))
                looks[look_at(track)]++;
        view.waiting = looks[LOOK_WAITING];
        view.reading = looks[LOOK_READING];
        view.held = looks[LOOK_HELD];
        view.ended = looks[LOOK_ENDED];
        view.trouble = discovery_trouble(stream->discovery, &since_ms);
        if (view.trouble != STREAMS_OK)
            view.trouble_ms = poll_now(poll) - since_ms;
        each(ctx, &view);
    }
}

/* ---- is it well? ---- */

static const char *phase_name(const struct poll *poll)
{
    switch (poll->phase) {
    case POLL_NEW:
    case POLL_WAITING:
        return "waiting for the state";
    case POLL_LOADING:
        return "loading the state";
    case POLL_READING:
        return "reading";
    case POLL_STOPPING:
    case POLL_SAVING:
    case POLL_RELEASING:
    case POLL_FINISHED:
        break;
    }
    return "stopping";
}

/* One that could be read and is not; not one that waits for a sink, or for somebody. */
static void find_stalled(const struct poll *poll, const struct reader *reader,
                         struct poll_health *health)
{
    int64_t quiet_ms = poll_now(poll) - reader->fresh_ms;
    bool waits = reader->full || reader->held != HELD_NOT || reader->state == READER_ENDED ||
                 (reader->state == READER_DUE && health->full_ms);
    if (waits || quiet_ms <= health->stalled_ms)
        return;
    health->stalled_ms = quiet_ms;
    health->stalled = reader->track->shard->id;
}

static int64_t since(const struct poll *poll, bool so, int64_t since_ms)
{
    int64_t for_ms = poll_now(poll) - since_ms;
    return !so ? 0 : for_ms > 0 ? for_ms : 1;
}

struct poll_health poll_health(const struct poll *poll)
{
    struct poll_health health = {.phase = phase_name(poll), .reading = poll_reading(poll)};
    bool one = poll->full_sinks && poll->full_sinks != UINT64_MAX;
    if (poll->phase < POLL_READING)
        return health;
    health.swept = poll->streams;
    health.unstored_ms = poll_now(poll) - poll->saver.clean_ms;
    health.failing_ms = since(poll, poll->saver.failing, poll->saver.failing_since_ms);
    health.trouble_ms = since(poll, poll->trouble_since_ms, poll->trouble_since_ms);
    health.full_ms = since(poll, poll->full_since_ms, poll->full_since_ms);
    health.dead_ms = health.reading ? poll_now(poll) - poll->ticked_ms : 0;
    if (one && health.full_ms)
        health.full_of =
            router_sink_name(poll->config.router, (size_t)__builtin_ctzll(poll->full_sinks));
    for (const struct stream *stream = poll->streams; stream; stream = stream->next) {
        health.swept = health.swept && stream->phase >= STREAM_RUNNING;
        for (const struct track *track = stream->tracks; track; track = track->next) {
            if (track->reader)
                find_stalled(poll, track->reader, &health);
            if (track->catch_up && !track->catch_up->closing)
                find_stalled(poll, track->catch_up, &health);
        }
    }
    return health;
}
