/* Reads one shard, page after page. */
#include "source/poll_parts.h"
#include "util/alloc.h"

#include <errno.h>

enum {
    BODY_BYTES_MAX = 8 * 1024,
    CAUGHT_UP_PAGES = 10, /* empty ones in a row, with `once` */
    ONCE_EMPTY_MS = 100
};

/* ---- where to begin ---- */

/* Behind the lowest position of those that are waited for. Where one has no position yet, from the
 * earliest start of all, which is before every position; each sink skips what it has. */
static void choose_start(struct reader *reader)
{
    const struct track *track = reader->track;
    uint64_t those = reader->sinks & track->poll->required;
    const struct sequence *lowest = NULL;
    bool horizon = false, timed = false, some_without = false;
    reader->cursor.len = 0;
    for (size_t i = 0; i < track->poll->sink_count; i++) {
        const struct progress *progress = &track->sinks[i];
        if (!((those ? those : reader->sinks) >> i & 1))
            continue;
        some_without = some_without || !progress->position.len;
        if (progress->position.len &&
            (!lowest || sequence_cmp(sequence_str(&progress->position), sequence_str(lowest)) < 0))
            lowest = &progress->position;
        if (progress->start == START_AT_TIMESTAMP) {
            reader->start_us = timed && reader->start_us < progress->start_us ? reader->start_us
                                                                              : progress->start_us;
            timed = true;
        } else {
            horizon = true;
        }
    }
    reader->start = timed && !horizon ? START_AT_TIMESTAMP : START_TRIM_HORIZON;
    if (lowest)
        reader->cursor = *lowest;
    reader->rewind = lowest && some_without;
}

/* ---- when to go on ---- */

static void on_timer(struct timer *timer)
{
    poll_due((struct reader *)((char *)timer - offsetof(struct reader, timer)));
}

void reader_go_on(struct reader *reader, int64_t delay_ms)
{
    struct poll *poll = reader->track->poll;
    reader->state = READER_IDLE;
    if (!poll_reading(poll))
        return;
    reader->full = pages_full(reader);
    if (reader->full)
        return;
    if (delay_ms <= 0 || poll->clock->arm(poll->clock->ctx, &reader->timer, delay_ms) < 0)
        poll_due(reader);
}

void reader_again(struct reader *reader)
{
    if (reader->state == READER_IDLE && reader->full && !pages_full(reader))
        reader_go_on(reader, 0);
}

void reader_hold(struct reader *reader, enum held_why why)
{
    struct poll *poll = reader->track->poll;
    poll->clock->disarm(poll->clock->ctx, &reader->timer);
    if (reader->held == HELD_NOT && !reader->alone)
        poll->counts.shards_held++;
    if (why == HELD_GAP && reader->held != HELD_GAP)
        poll->held_by_gap++;
    reader->held = why;
    if (!reader_busy(reader) && reader->state != READER_DOUBTING)
        reader->state = READER_HELD;
}

static void let_go(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    if (reader->held != HELD_NOT && !reader->alone)
        poll->counts.shards_held--;
    if (reader->held == HELD_GAP)
        poll->held_by_gap--;
    reader->held = HELD_NOT;
}

/* ---- the end of a shard ---- */

/* It read for one sink: what the others, and the children, wait for is not its matter. */
static void end_alone(struct reader *reader)
{
    reader->at_end = true;
    track_fold(reader->track);
    stream_turn(reader->track->stream);
}

static void end_shard(struct reader *reader)
{
    struct track *track = reader->track;
    struct stream *stream = track->stream;
    iterator_forget(reader);
    reader->state = READER_ENDED;
    pages_flush(reader);
    if (reader->alone) {
        end_alone(reader);
        return;
    }
    track->read_to_end = true;
    for (size_t i = 0; i < track->poll->sink_count; i++)
        if (track->poll->sinks >> i & 1) /* others have no rows */
            track->sinks[i].mark.now++;
    lineage_read_to_end(stream->lineage, track->shard);
    discovery_want_children(stream->discovery, track->shard->id);
    track_fold(track);
    stream_turn(stream);
}

/* A shard that is listed no more will never be read: its children are next. */
static void give_up_shard(struct reader *reader)
{
    struct track *track = reader->track;
    iterator_forget(reader);
    reader->state = READER_ENDED;
    if (reader->alone) {
        end_alone(reader);
        return;
    }
    track->read_to_end = true;
    lineage_gone(track->stream->lineage, track->shard);
    track_fold(track);
    stream_turn(track->stream);
}

void reader_resume(struct reader *reader)
{
    let_go(reader);
    reader->peeking = false;
    if (reader->gone) {
        give_up_shard(reader);
        return;
    }
    iterator_forget(reader);
    gap_none_before_now(reader);
    if (reader->anew) {
        choose_start(reader);
    } else {
        reader->cursor.len = 0;
        reader->rewind = false;
        reader->start = START_TRIM_HORIZON;
    }
    reader->anew = false;
    reader_go_on(reader, 0);
}

/* ---- pages ---- */

static int64_t newest_age_us(const struct poll *poll, const struct batch *batch)
{
    const struct record *last =
        batch->record_count ? batch->records[batch->record_count - 1] : NULL;
    if (!last || last->poison || last->created_us <= 0)
        return -1;
    int64_t age_us = poll->clock->wall_us(poll->clock->ctx) - last->created_us;
    return age_us < 0 ? 0 : age_us;
}

static int64_t pause_after(struct reader *reader, const struct batch *batch)
{
    struct poll *poll = reader->track->poll;
    int64_t most_ms = poll->config.idle_poll_ms;
    reader->caught_up = false;
    if (batch->read_count > 0)
        return pace_data(&reader->pace, batch->read_count, (size_t)reader->fetch.limit,
                         newest_age_us(poll, batch), most_ms);
    int64_t pause_ms = pace_empty(&reader->pace, most_ms, poll->random);
    reader->caught_up = reader->pace.empty >= CAUGHT_UP_PAGES;
    reader->quiet_us = poll->clock->wall_us(poll->clock->ctx);
    if (poll->config.once && pause_ms > ONCE_EMPTY_MS)
        pause_ms = ONCE_EMPTY_MS;
    return pause_ms;
}

static void count_read(struct stream *stream, const struct read_counts *read)
{
    for (size_t i = 0; i < READ_EVENTS; i++)
        stream->read.events[i] += read->events[i];
    stream->read.bytes += read->bytes;
}

static void take_page(struct reader *reader, struct batch *batch)
{
    struct poll *poll = reader->track->poll;
    struct err err = {0};
    bool ends = batch->next_iterator.len == 0; /* absent, null or "" (B12) */
    int64_t pause_ms = pause_after(reader, batch);
    if (poll->config.admit && !poll->config.admit(poll->config.admit_ctx, batch, &err)) {
        poll_log(poll, WEIR_LOG_ERROR, "W0310", "%s", err.msg);
        batch_unref(batch);
        poll_end(poll, POLL_CONFIG);
        return;
    }
    struct sequence last;
    sequence_set(&last, batch->last_sequence);
    uint64_t records = batch->read_count, bytes = batch->bytes_len;
    struct read_counts read = {0};
    read_counts_add(&read, batch);
    reader->small = records < SMALL_PAGE_RECORDS && bytes < SMALL_PAGE_BYTES;
    int rc = ends ? 0 : iterator_keep(reader, batch->next_iterator);
    if (rc == 0 && records > 0)
        rc = page_take(reader, batch);
    else
        batch_unref(batch);
    if (rc < 0) { /* nothing of it was taken */
        iterator_forget(reader);
        reader_go_on(reader, pace_broken(&reader->pace, poll->random));
        return;
    }
    if (last.len)
        reader->cursor = last;
    poll->counts.records += records;
    poll->counts.bytes += bytes;
    count_read(reader->track->stream, &read);
    if (records > 0)
        poll->quiet_since_ms = poll_now(poll);
    if (reader->alone && !ends)
        catch_up_met(reader);
    if (reader->met)
        return;
    if (ends) /* the page is taken first (B1) */
        end_shard(reader);
    else
        reader_go_on(reader, pause_ms);
}

/* One page from the horizon, to know where a gap ends. */
static void take_peeked(struct reader *reader, struct batch *batch)
{
    bool ends = batch->next_iterator.len == 0;
    struct sequence first;
    sequence_set(&first, batch->last_sequence); /* of one record */
    int rc = ends ? 0 : iterator_keep(reader, batch->next_iterator);
    batch_unref(batch);
    if (first.len || ends || ++reader->empty_peeks >= CAUGHT_UP_PAGES) {
        reader->empty_peeks = 0;
        iterator_forget(reader);
        gap_found(reader, sequence_str(&first));
    } else {
        if (rc < 0)
            iterator_forget(reader);
        reader_go_on(reader, pace_empty(&reader->pace, PACE_FIRST_MS, reader->track->poll->random));
    }
}

static void on_page(struct fetch *fetch)
{
    struct reader *reader = fetch->arg;
    struct poll *poll = reader->track->poll;
    poll->calls--;
    poll->paging -= reader->paging;
    poll->counts.fetches++;
    catch_up_count(reader, -1);
    reader->unmatched = 0;
    reader->state = READER_IDLE;
    if (!poll_reading(poll) || reader->closing) {
        batch_unref(fetch->batch);
        fetch->batch = NULL;
        poll_settle(poll);
        return;
    }
    if (reader->held == HELD_RECORD) { /* for good */
        batch_unref(fetch->batch);
        fetch->batch = NULL;
        reader->state = READER_HELD;
        return;
    }
    enum streams_fault fault = streams_fault_of(fetch->outcome, str_of(fetch->error_type));
    if (fetch->decode_status < 0) {
        reader_bad_page(reader);
    } else if (fault == STREAMS_OK) {
        struct batch *batch = fetch->batch;
        fetch->batch = NULL;
        let_go(reader);
        reader->bad_pages = reader->expired = 0;
        reader->fresh_ms = poll_now(poll);
        poll_heard(poll, STREAMS_OK, NULL, NULL);
        if (reader->peeking)
            take_peeked(reader, batch);
        else
            take_page(reader, batch);
    } else {
        reader_failed(reader, fault, "GetRecords", fetch->message);
    }
    poll_pump(poll);
}

static void fetch_page(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    const struct track *track = reader->track;
    bool pages = reader_pages(reader);
    int most = pages || reader->limit < SMALL_PAGE_RECORDS ? reader->limit : SMALL_PAGE_RECORDS;
    reader->fetch = (struct fetch){.iterator = {reader->iterator, reader->iterator_len},
                                   .stream_arn = str_of(track->stream->arn),
                                   .shard = track->shard->id,
                                   .region = track->stream->region,
                                   .limit = reader->peeking ? 1 : most,
                                   .timeout_ms = CALL_MS,
                                   .done = on_page,
                                   .arg = reader};
    if (poll->config.fetcher.start(poll->config.fetcher.ctx, &reader->fetch) < 0) {
        reader_failed(reader, STREAMS_UNAVAILABLE, "GetRecords", "it can't be started");
        return;
    }
    reader->state = READER_FETCHING;
    reader->paging = pages;
    poll->calls++;
    poll->paging += pages;
    catch_up_count(reader, 1);
}

bool reader_pages(const struct reader *reader)
{
    return !reader->small && !reader->peeking;
}

void reader_turn(struct reader *reader)
{
    reader->state = READER_IDLE;
    if (reader->iterator)
        fetch_page(reader);
    else
        iterator_ask(reader);
}

/* ---- life ---- */

static struct reader *reader_new(struct track *track)
{
    struct poll *poll = track->poll;
    struct reader *reader = mem_zalloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    int64_t size = poll->config.batch_size;
    *reader = (struct reader){.track = track,
                              .limit = (int)(size < PAGE_RECORDS_MAX ? size : PAGE_RECORDS_MAX),
                              .fresh_ms = poll_now(poll),
                              .timer.fire = on_timer};
    buf_init(&reader->body, BODY_BYTES_MAX);
    return reader;
}

static void begin(struct reader *reader)
{
    const struct track *track = reader->track;
    choose_start(reader);
    if (gap_holds(track, reader->sinks)) {
        poll_log(track->poll, WEIR_LOG_ERROR, "W0803",
                 "shard %.*s is held: a gap was found before and nobody has accepted it; see "
                 "`weir shards`",
                 STR_ARG(track->shard->id));
        reader->anew = true;
        reader_hold(reader, HELD_GAP);
    } else {
        reader->peeking = reader->anew = gap_suspected(reader);
        reader_go_on(reader, 0);
    }
}

int reader_open(struct track *track)
{
    struct reader *reader = reader_new(track);
    if (!reader)
        return -ENOMEM;
    reader->sinks = track->poll->sinks & ~track->done & ~track->apart;
    reader->gated = track_gates(track) & ~track->apart;
    track->reader = reader;
    track->poll->readers++;
    begin(reader);
    return 0;
}

int reader_open_alone(struct track *track, size_t sink)
{
    struct reader *reader = reader_new(track);
    if (!reader)
        return -ENOMEM;
    reader->alone = true;
    reader->sinks = UINT64_C(1) << sink;
    /* As in another life: what it passed over behind its position comes once more. */
    track->sinks[sink].skipping = track->sinks[sink].start == START_AT_TIMESTAMP;
    track->catch_up = reader;
    track->poll->alone_readers++;
    begin(reader);
    return 0;
}

bool reader_busy(const struct reader *reader)
{
    return reader->state == READER_ASKING || reader->state == READER_FETCHING;
}

void reader_stop(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    poll->clock->disarm(poll->clock->ctx, &reader->timer);
    if (reader->state == READER_ASKING)
        aws_call_abort(poll->config.aws, &reader->call);
    else if (reader->state == READER_FETCHING)
        poll->config.fetcher.abort(poll->config.fetcher.ctx, &reader->fetch);
    else if (reader->state == READER_DOUBTING)
        discovery_forget_asker(reader->track->stream->discovery, reader);
    if (!reader_busy(reader) && reader->state != READER_ENDED)
        reader->state = READER_IDLE;
    pages_drop(reader);
}

void reader_free(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    let_go(reader);
    poll_undue(reader);
    poll->clock->disarm(poll->clock->ctx, &reader->timer);
    pages_clear(reader);
    buf_done(&reader->body);
    iterator_forget(reader);
    if (reader->alone) {
        reader->track->catch_up = NULL;
        poll->alone_readers--;
    } else {
        reader->track->reader = NULL;
        poll->readers--;
    }
    mem_free(reader);
}
