/* Where each sink begins on each shard of a stream: from what is stored, else as configured, and
 * then stored before anything is read (D9). */
#include "source/poll_parts.h"

#include <errno.h>

struct beginning {
    struct stream *stream;
    struct poll *poll;
    const struct state_row *rows;
    size_t row_count;
    uint64_t sinks;       /* that begin */
    bool late;            /* while the others read already */
    uint64_t known;       /* sinks that have rows of this stream */
    bool had_predecessor; /* the table was followed before: everything of this stream is new */
    int64_t now_us;
};

static bool row_is(const struct state_row *row, enum state_kind kind, const struct stream *stream)
{
    return row->kind == kind && str_is(row->stream, stream->arn);
}

static size_t sink_named(const struct beginning *begin, weir_str name)
{
    const struct poll *poll = begin->poll;
    for (size_t i = 0; i < poll->sink_count; i++)
        if (begin->sinks >> i & 1 && str_is(name, router_sink_name(poll->config.router, i)))
            return i;
    return SIZE_MAX;
}

static bool has_row(const struct progress *progress)
{
    return progress->mark.now > 0;
}

static enum start_kind kind_of(weir_str start)
{
    return str_is(start, "AT_TIMESTAMP") || str_is(start, "LATEST") ? START_AT_TIMESTAMP
                                                                    : START_TRIM_HORIZON;
}

/* ---- what is stored ---- */

/* One that was found, but that nobody has begun; or, `late`, one that all who are there have
 * finished, so long ago that nothing is kept of it. */
static struct track *begun_track(const struct beginning *begin, struct shard *shard)
{
    struct track *track = track_new(begin->stream, shard);
    if (!track || !begin->late)
        return track;
    if (shard->state == SHARD_READ || shard->state == SHARD_GONE) {
        track->done = begin->poll->sinks & ~begin->sinks;
        track->read_to_end = true;
        for (size_t i = 0; i < begin->poll->sink_count; i++)
            track->sinks[i].done = track->done >> i & 1;
    } else {
        progress_begin_later(track);
    }
    return track;
}

static struct track *restored_track(const struct beginning *begin, const struct state_row *row)
{
    struct stream *stream = begin->stream;
    struct shard *shard = lineage_find(stream->lineage, row->shard);
    if (!shard && lineage_restore(stream->lineage, row->shard, row->parent, begin->late) == 0)
        shard = lineage_find(stream->lineage, row->shard);
    if (!shard || shard->reader)
        return shard ? shard->reader : NULL;
    struct track *track = begun_track(begin, shard);
    if (track)
        track->fresh = false;
    return track;
}

static int restore_position(struct beginning *begin, const struct state_row *row)
{
    size_t sink = sink_named(begin, row->sink);
    if (sink == SIZE_MAX)
        return 0;
    struct track *track = restored_track(begin, row);
    if (!track)
        return -ENOMEM;
    struct progress *progress = &track->sinks[sink];
    begin->known |= UINT64_C(1) << sink;
    if (has_row(progress)) /* it was here before, and what is in memory is what is stored */
        return 0;
    *progress = (struct progress){.start = kind_of(row->start),
                                  .start_us = row->start_us,
                                  .done = row->done,
                                  .record_us = row->record_us,
                                  .mark.now = 1,
                                  .mark.saved = 1};
    progress->skipping = progress->start == START_AT_TIMESTAMP && !row->done;
    sequence_set(&progress->position, row->position);
    if (!progress->position.len && !progress->record_us)
        progress->record_us = row->updated_us;
    /* No record is made at the microsecond in which its position is stored. */
    progress->quiet = progress->position.len && row->record_us == row->updated_us;
    if (row->done)
        track->done |= UINT64_C(1) << sink;
    return 0;
}

static int restore_gap(struct beginning *begin, const struct state_row *row)
{
    size_t sink = sink_named(begin, row->sink);
    const struct shard *shard = lineage_find(begin->stream->lineage, row->shard);
    struct track *track = shard ? shard->reader : NULL;
    if (sink == SIZE_MAX || !track)
        return 0;
    struct gap *gap = track_gap(track, sink);
    if (!gap)
        return -ENOMEM;
    if (gap->mark.now) /* as above */
        return 0;
    *gap = (struct gap){.state = row->done ? GAP_ACCEPTED : GAP_OPEN, .found_us = row->start_us};
    sequence_set(&gap->after, row->position);
    sequence_set(&gap->first, row->first_available);
    return 0;
}

static void restore_stream(struct beginning *begin)
{
    struct stream *stream = begin->stream;
    for (size_t i = 0; i < begin->row_count; i++) {
        const struct state_row *row = &begin->rows[i];
        if (row_is(row, STATE_STREAM, stream)) {
            stream->known = true;
            stream->start = kind_of(row->start);
            stream->latest = str_is(row->start, "LATEST");
            stream->start_us = row->start_us;
        } else if (row->kind == STATE_STREAM && *stream->table &&
                   str_is(row->table, stream->table)) {
            begin->had_predecessor = true;
        }
        if (row_is(row, STATE_POSITION, stream) && sink_named(begin, row->sink) == SIZE_MAX)
            stream->missed = true;
    }
}

static int restore(struct beginning *begin)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < begin->row_count; i++)
        if (row_is(&begin->rows[i], STATE_POSITION, begin->stream))
            rc = restore_position(begin, &begin->rows[i]);
    for (size_t i = 0; rc == 0 && i < begin->row_count; i++)
        if (row_is(&begin->rows[i], STATE_GAP, begin->stream))
            rc = restore_gap(begin, &begin->rows[i]);
    return rc;
}

/* ---- what is new ---- */

static void choose_stream_start(const struct beginning *begin)
{
    struct stream *stream = begin->stream;
    const struct poll_config *config = &begin->poll->config;
    if (stream->known)
        return;
    stream->mark.now++;
    if (config->start == POLL_TRIM_HORIZON || begin->had_predecessor)
        return;
    stream->start = START_AT_TIMESTAMP;
    stream->latest = config->start == POLL_LATEST;
    /* records carry the second that they were made in */
    stream->start_us = stream->latest ? begin->now_us / 1000000 * 1000000 : config->start_us;
}

/* A sink that is new here reads nothing that the others have finished. */
static void behind_the_others(const struct track *track, struct progress *progress)
{
    const struct poll *poll = track->poll;
    const struct sequence *lowest = NULL;
    for (size_t i = 0; i < poll->sink_count; i++) {
        const struct sequence *other = &track->sinks[i].position;
        if (!(poll->required >> i & 1) || &track->sinks[i] == progress || !other->len)
            continue;
        if (!lowest || sequence_cmp(sequence_str(other), sequence_str(lowest)) < 0)
            lowest = other;
    }
    if (!lowest)
        return;
    progress->position = *lowest;
    progress->record_us = 0;
}

/* What was read by now was made before now. */
static void behind_what_was_read(const struct track *track, struct progress *progress)
{
    if (!track->reader || !track->reader->cursor.len)
        return;
    progress->position = track->reader->cursor;
    progress->record_us = 0;
}

/* All of a shard that came while somebody followed its stream is to be read. */
static int64_t made_us(const struct track *track)
{
    const struct poll *poll = track->poll;
    return track->shard->created_ms > 0 ? track->shard->created_ms * 1000
                                        : poll->clock->wall_us(poll->clock->ctx);
}

static void begin_sink(const struct beginning *begin, struct track *track, size_t sink)
{
    const struct poll_config *config = &begin->poll->config;
    struct progress *progress = &track->sinks[sink];
    bool known = (begin->late || begin->stream->known) && begin->known >> sink & 1;
    progress->mark.now++;
    progress->record_us = begin->now_us; /* what is trimmed by now was not asked for */
    if (known || (begin->had_predecessor && !begin->stream->known)) {
        progress->start = START_TRIM_HORIZON;
        progress->record_us = made_us(track);
    } else if (!track->shard->listed || (config->start == POLL_LATEST && track->shard->closed)) {
        progress->done = true;
        track->done |= UINT64_C(1) << sink;
    } else if (config->start != POLL_TRIM_HORIZON) {
        progress->start = START_AT_TIMESTAMP;
        progress->skipping = true;
        progress->start_us =
            config->start == POLL_LATEST ? begin->now_us / 1000000 * 1000000 : config->start_us;
        if (!begin->late)
            behind_the_others(track, progress);
        else if (config->start == POLL_LATEST)
            behind_what_was_read(track, progress);
    }
}

static void begin_sinks(const struct beginning *begin, struct track *track)
{
    for (size_t i = 0; i < begin->poll->sink_count; i++)
        if (begin->sinks >> i & 1 && !has_row(&track->sinks[i]))
            begin_sink(begin, track, i);
}

void progress_begin_later(struct track *track)
{
    const struct poll *poll = track->poll;
    for (size_t i = 0; i < poll->sink_count; i++)
        if (poll->sinks >> i & 1) {
            track->sinks[i].record_us = made_us(track);
            track->sinks[i].mark.now++;
        }
}

/* A save may have been cut off between a child's row and its parent's: nothing is finished behind
 * what is not, or its children would be read at once and the parent's records come after theirs. */
static bool doubt_finished(struct track *track, uint64_t sinks)
{
    const struct poll *poll = track->poll;
    const struct shard *parent = lineage_parent(track->stream->lineage, track->shard);
    const struct track *above = parent ? parent->reader : NULL;
    uint64_t early = above ? track->done & ~above->done & sinks : 0;
    for (size_t i = 0; i < poll->sink_count; i++)
        if (early >> i & 1)
            track->sinks[i].done = false;
    track->done &= ~early;
    return early != 0;
}

static void doubt_all(struct stream *stream, uint64_t sinks)
{
    bool news;
    do {
        news = false;
        for (struct track *track = stream->tracks; track; track = track->next)
            news = doubt_finished(track, sinks) || news;
    } while (news);
}

/* What every sink that is waited for has finished is over; the others do not pull it back. A
 * detached one reads what it lacks alone. */
static int restore_finished(struct stream *stream, struct track *track)
{
    struct poll *poll = stream->poll;
    if (!track_is_over(track))
        return 0;
    uint64_t finished = poll->sinks & ~track->apart;
    for (size_t i = 0; i < poll->sink_count; i++)
        if (finished >> i & 1 && !track->sinks[i].done) {
            track->sinks[i].done = true;
            track->sinks[i].mark.now++;
        }
    track->done |= finished;
    track->read_to_end = true;
    return lineage_restore(stream->lineage, track->shard->id, track->shard->parent, true);
}

int stream_begin(struct stream *stream)
{
    struct poll *poll = stream->poll;
    struct beginning begin = {.stream = stream,
                              .poll = poll,
                              .rows = poll->rows,
                              .row_count = poll->row_count,
                              .sinks = poll->sinks,
                              .now_us = poll->clock->wall_us(poll->clock->ctx)};
    restore_stream(&begin);
    int rc = restore(&begin);
    if (rc < 0)
        return rc;
    if (stream->predecessor) /* the table was followed from there */
        begin.had_predecessor = true;
    choose_stream_start(&begin);
    for (struct shard *shard = lineage_first(stream->lineage); shard; shard = shard->next)
        if (!shard->reader && !track_new(stream, shard))
            return -ENOMEM;
    for (struct track *track = stream->tracks; track; track = track->next)
        begin_sinks(&begin, track);
    doubt_all(stream, poll->required);
    for (struct track *track = stream->tracks; rc == 0 && track; track = track->next)
        rc = restore_finished(stream, track);
    return rc;
}

/* ---- later ---- */

/* What an open call of the others brings may be matched without them. */
static void set_apart(struct track *track, uint64_t sinks)
{
    track->apart |= sinks & ~track->done;
    if (track->reader && track->reader->state == READER_FETCHING)
        track->reader->unmatched |= sinks;
}

static void forget_waiting(struct track *track, uint64_t sinks)
{
    for (; sinks; sinks &= sinks - 1)
        track->sinks[__builtin_ctzll(sinks)].waits_us = 0;
}

int stream_begin_sinks(struct stream *stream, uint64_t sinks, const struct state_row *rows,
                       size_t count)
{
    struct poll *poll = stream->poll;
    struct beginning begin = {.stream = stream,
                              .poll = poll,
                              .rows = rows,
                              .row_count = count,
                              .sinks = sinks,
                              .late = true,
                              .now_us = poll->clock->wall_us(poll->clock->ctx)};
    if (stream->phase != STREAM_STORING && stream->phase != STREAM_RUNNING)
        return 0; /* it begins with them, or has ended */
    int rc = restore(&begin);
    for (struct shard *shard = lineage_first(stream->lineage); rc == 0 && shard;
         shard = shard->next)
        if (!shard->reader && !begun_track(&begin, shard))
            rc = -ENOMEM;
    for (struct track *track = stream->tracks; rc == 0 && track; track = track->next)
        begin_sinks(&begin, track);
    doubt_all(stream, sinks);
    for (struct track *track = stream->tracks; track; track = track->next) {
        forget_waiting(track, sinks);
        set_apart(track, sinks);
    }
    return rc;
}
