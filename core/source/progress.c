/* How far each sink is on a shard: only what is finished without a hole behind it counts. */
#include "source/poll_parts.h"
#include "util/alloc.h"

struct track *track_new(struct stream *stream, struct shard *shard)
{
    struct poll *poll = stream->poll;
    struct track *track = mem_zalloc(1, sizeof *track);
    struct progress *sinks = mem_zalloc(poll->room, sizeof *sinks);
    if (!track || !sinks) {
        mem_free(track);
        mem_free(sinks);
        return NULL;
    }
    *track = (struct track){.poll = poll,
                            .stream = stream,
                            .shard = shard,
                            .sinks = sinks,
                            .fresh = true,
                            .apart = poll->detached,
                            .opened_ms = poll_now(poll),
                            .next = stream->tracks};
    stream->tracks = track;
    shard->reader = track;
    return track;
}

void track_free(struct track *track)
{
    struct track **list = &track->stream->tracks;
    while (*list != track)
        list = &(*list)->next;
    *list = track->next;
    track->shard->reader = NULL;
    if (track->reader)
        reader_free(track->reader);
    if (track->catch_up)
        reader_free(track->catch_up);
    if (track->asking)
        discovery_forget_asker(track->stream->discovery, track);
    for (size_t i = 0; i < track->poll->sink_count; i++)
        mem_free(track->sinks[i].finished);
    mem_free(track->sinks);
    mem_free(track->gaps);
    mem_free(track);
}

struct gap *track_gap(struct track *track, size_t sink)
{
    if (!track->gaps)
        track->gaps = mem_zalloc(track->poll->room, sizeof *track->gaps);
    return track->gaps ? &track->gaps[sink] : NULL;
}

/* ---- gates ---- */

uint64_t track_gates(const struct track *track)
{
    const struct stream *stream = track->stream;
    const struct shard *parent = lineage_parent(stream->lineage, track->shard);
    uint64_t done = UINT64_MAX;
    if (parent) {
        const struct track *above = parent->reader; /* NULL: it was finished long ago */
        done = above ? above->done : UINT64_MAX;
    } else if (stream->predecessor) {
        done = stream_done(stream->predecessor);
    }
    return track->poll->sinks & ~done;
}

static void open_gates_of(struct reader *reader)
{
    uint64_t open = reader->gated & ~track_gates(reader->track);
    if (!open)
        return;
    reader->gated &= ~open;
    pages_open_gates(reader, open);
}

/* ---- fold ---- */

static void finish_sink(struct track *track, size_t sink)
{
    struct progress *progress = &track->sinks[sink];
    if (progress->done)
        return;
    progress->done = true;
    progress->mark.now++;
    track->done |= UINT64_C(1) << sink;
}

struct place {
    weir_str at;
    int64_t record_us;
};

static void forget_finished(struct progress *progress)
{
    size_t kept = 0;
    for (size_t i = 0; i < progress->finished_count; i++)
        if (sequence_cmp(sequence_str(&progress->finished[i].last),
                         sequence_str(&progress->position)) > 0)
            progress->finished[kept++] = progress->finished[i];
    progress->finished_count = kept;
    if (kept > 0)
        return;
    mem_free(progress->finished);
    progress->finished = NULL;
}

static void set_position(struct progress *progress, const struct place *place)
{
    weir_str at = place->at;
    if (at.len == 0 || at.len > SEQUENCE_DIGITS_MAX ||
        (progress->position.len && sequence_cmp(at, sequence_str(&progress->position)) <= 0))
        return;
    sequence_set(&progress->position, at);
    progress->record_us = place->record_us;
    progress->told = TOLD_NOTHING;
    progress->quiet = false;
    progress->mark.now++;
    forget_finished(progress);
}

/* The last place up to which the sink has finished every page of the reader. */
static bool fold_pages(const struct reader *reader, size_t sink, struct place *place)
{
    for (const struct page *page = reader->first; page; page = page->next) {
        bool whole = page->whole >> sink & 1;
        if (!whole) {
            if (!page->flow)
                return false; /* gathered, or given back unfinished */
            weir_str inside = flow_frontier(page->flow, sink, &whole);
            if (inside.len)
                *place = (struct place){inside, page->first_us};
            if (!whole)
                return false;
        }
        if (page->last.len)
            *place = (struct place){sequence_str(&page->last), page->last_us};
    }
    return true;
}

static bool fold_reader(const struct reader *reader, size_t sink)
{
    struct place place = {STR_NONE, 0};
    bool all = fold_pages(reader, sink, &place);
    set_position(&reader->track->sinks[sink], &place);
    return all;
}

/* What it has read alone comes before what the shared reader has for it. */
static bool fold_readers(const struct track *track, size_t sink)
{
    const struct reader *alone = track->catch_up;
    bool own = alone && !alone->closing && alone->sinks >> sink & 1;
    if (own && !fold_reader(alone, sink))
        return false;
    if (track->apart >> sink & 1)
        return own && alone->at_end;
    return (!track->reader || fold_reader(track->reader, sink)) && track->read_to_end;
}

static bool fold_one(struct track *track, size_t sink)
{
    if (track->sinks[sink].done || !(track->poll->sinks >> sink & 1))
        return false;
    /* Also of an empty shard, whose children would otherwise pass what is before it. */
    if (!fold_readers(track, sink) || track_gates(track) >> sink & 1)
        return false;
    finish_sink(track, sink);
    return true;
}

static bool fold_all(struct track *track)
{
    bool news = false;
    for (size_t i = 0; i < track->poll->sink_count; i++)
        news = fold_one(track, i) || news;
    return news;
}

/* Few readers are ever gated: children of a shard that some sink has not finished. What was read
 * to its end behind such a gate may be finished with it, and so on down the line. */
static void open_gates(struct poll *poll)
{
    bool news;
    do {
        news = false;
        for (struct stream *stream = poll->streams; stream; stream = stream->next)
            for (struct track *track = stream->tracks; track; track = track->next) {
                if (track->reader && track->reader->gated)
                    open_gates_of(track->reader);
                if (track->read_to_end && poll->sinks & ~track->done && fold_all(track)) {
                    stream_turn(stream);
                    news = true;
                }
            }
    } while (news);
}

void track_fold_sink(struct track *track, size_t sink)
{
    if (fold_one(track, sink)) {
        open_gates(track->poll);
        stream_turn(track->stream);
    }
}

void track_fold(struct track *track)
{
    if (fold_all(track)) {
        open_gates(track->poll);
        stream_turn(track->stream);
    }
}

void track_finish(struct track *track, uint64_t sinks)
{
    for (size_t i = 0; i < track->poll->sink_count; i++)
        if (sinks >> i & 1)
            finish_sink(track, i);
    open_gates(track->poll);
    stream_turn(track->stream);
}

bool track_is_for_nobody(const struct track *track)
{
    return (track->poll->required & ~track->done & ~track->apart) == 0;
}

/* Nobody who is waited for has finished it: there are no others to be apart from. */
static bool is_for_all(const struct track *track)
{
    uint64_t required = track->poll->required;
    return required && !(required & track->done);
}

void track_together(struct track *track)
{
    if (track_is_for_nobody(track) && is_for_all(track) && !track->reader && !track->catch_up &&
        !track->read_to_end)
        track->apart &= track_gates(track) & track->poll->required;
}

bool track_is_over(const struct track *track)
{
    return track_is_for_nobody(track) && !is_for_all(track);
}
