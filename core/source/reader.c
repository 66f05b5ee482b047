/* Reads one shard, page after page: iterator, GetRecords, and what each error means. */
#include "source/poll_parts.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum {
    BODY_BYTES_MAX = 8 * 1024,
    MISSING_MS = 30000,   /* the stream is not there: asked for again */
    HELD_PAGE_MS = 60000, /* a page that can't be decoded is asked for again, silently */
    BAD_PAGE_MS = 1000,
    CAUGHT_UP_PAGES = 10, /* empty ones in a row, with `once` */
    ONCE_EMPTY_MS = 100,
    THROTTLE_SAID_MS = 600000
};

static struct reader *reader_of_timer(struct timer *timer)
{
    return (struct reader *)((char *)timer - offsetof(struct reader, timer));
}

/* ---- when to go on ---- */

static void on_timer(struct timer *timer)
{
    poll_due(reader_of_timer(timer));
}

static void go_on(struct reader *reader, int64_t delay_ms)
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
        go_on(reader, 0);
}

void reader_hold(struct reader *reader, enum held_why why)
{
    struct poll *poll = reader->track->poll;
    poll->clock->disarm(poll->clock->ctx, &reader->timer);
    if (reader->held == HELD_NOT)
        poll->counts.shards_held++;
    if (why == HELD_GAP && reader->held != HELD_GAP)
        poll->held_by_gap++;
    reader->held = why;
    reader->state = READER_HELD;
}

static void let_go(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    if (reader->held != HELD_NOT)
        poll->counts.shards_held--;
    if (reader->held == HELD_GAP)
        poll->held_by_gap--;
    reader->held = HELD_NOT;
}

static void forget_iterator(struct reader *reader)
{
    mem_free(reader->iterator);
    reader->iterator = NULL;
    reader->iterator_len = 0;
}

/* ---- the end of a shard ---- */

static void end_shard(struct reader *reader)
{
    struct track *track = reader->track;
    struct stream *stream = track->stream;
    forget_iterator(reader);
    reader->state = READER_ENDED;
    pages_flush(reader);
    track->read_to_end = true;
    for (size_t i = 0; i < track->poll->sink_count; i++)
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
    forget_iterator(reader);
    reader->state = READER_ENDED;
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
    forget_iterator(reader);
    reader->cursor.len = 0;
    reader->start = START_TRIM_HORIZON;
    go_on(reader, 0);
}

/* ---- what went wrong ---- */

static void throttled(struct reader *reader, const char *message)
{
    struct poll *poll = reader->track->poll;
    struct stream *stream = reader->track->stream;
    poll->counts.throttled++;
    int64_t delay_ms = pace_throttled(&reader->pace, poll->random);
    if (reader->pace.throttled >= 3 && poll_now(poll) >= stream->throttle_said_ms) {
        stream->throttle_said_ms = poll_now(poll) + THROTTLE_SAID_MS;
        poll_log(poll, WEIR_LOG_WARN, "W0802",
                 "reading shard %.*s is throttled: a shard serves two readers; is there another "
                 "consumer, or an old weir? (%s)",
                 STR_ARG(reader->track->shard->id), message);
    }
    go_on(reader, delay_ms);
}

static void told(void *arg, enum shard_verdict verdict)
{
    struct reader *reader = arg;
    struct poll *poll = reader->track->poll;
    struct stream *stream = reader->track->stream;
    reader->state = READER_IDLE;
    if (!poll_reading(poll))
        return;
    switch (verdict) {
    case VERDICT_LISTED:
        go_on(reader, pace_broken(&reader->pace, poll->random));
        break;
    case VERDICT_NOT_LISTED:
        reader->gone = true;
        gap_found(reader, STR_NONE);
        break;
    case VERDICT_STREAM_MISSING:
        if (stream_replaced(stream)) { /* the table has another: this one will not come back */
            reader->gone = true;
            gap_found(reader, STR_NONE);
            break;
        }
        if (!stream->said_missing)
            poll_log(poll, WEIR_LOG_ERROR, "W0805",
                     "stream %s is not there: its shards are held, nothing counts as done; is "
                     "the region right, was the table deleted?",
                     stream->arn);
        stream->said_missing = true;
        go_on(reader, MISSING_MS);
        break;
    }
}

static void not_found(struct reader *reader)
{
    struct stream *stream = reader->track->stream;
    forget_iterator(reader);
    reader->state = READER_DOUBTING;
    if (discovery_ask(stream->discovery, reader->track->shard->id, told, reader) < 0)
        go_on(reader, pace_broken(&reader->pace, reader->track->poll->random));
}

static void refused(struct reader *reader, const char *what, const char *message)
{
    struct poll *poll = reader->track->poll;
    int64_t delay_ms = pace_broken(&reader->pace, poll->random);
    if (reader->pace.broken == 1 || delay_ms > PACE_BROKEN_LAST_MS / 2)
        poll_log(poll, WEIR_LOG_ERROR, "W0801", "%s of shard %.*s is refused, trying again: %s",
                 what, STR_ARG(reader->track->shard->id), message);
    forget_iterator(reader);
    go_on(reader, delay_ms);
}

static void failed(struct reader *reader, enum streams_fault fault, const char *what,
                   const char *message)
{
    struct poll *poll = reader->track->poll;
    poll->counts.errors++;
    poll_heard(poll, fault, what, message);
    switch (fault) {
    case STREAMS_THROTTLED:
        throttled(reader, message);
        break;
    case STREAMS_EXPIRED: /* the next one begins behind the last record taken (F1) */
        poll->counts.expired++;
        forget_iterator(reader);
        go_on(reader, reader->expired++ ? pace_broken(&reader->pace, poll->random) : 0);
        break;
    case STREAMS_TRIMMED:
        forget_iterator(reader);
        gap_begin(reader);
        break;
    case STREAMS_NOT_FOUND:
        not_found(reader);
        break;
    case STREAMS_INVALID:
        refused(reader, what, message);
        break;
    case STREAMS_DENIED:
    case STREAMS_UNAVAILABLE:
    case STREAMS_ABORTED:
    case STREAMS_OK:
        go_on(reader, pace_broken(&reader->pace, poll->random));
        break;
    }
}

/* ---- iterator ---- */

static bool at_timestamp(const struct reader *reader)
{
    return !reader->cursor.len && reader->start == START_AT_TIMESTAMP && !reader->peeking &&
           !reader->track->stream->no_at_timestamp;
}

static int iterator_body(struct reader *reader)
{
    weir_str arn = str_of(reader->track->stream->arn), shard = reader->track->shard->id;
    buf_reset(&reader->body);
    if (reader->cursor.len && !reader->peeking)
        return streams_body_iterator(&reader->body, arn, shard, "AFTER_SEQUENCE_NUMBER",
                                     sequence_str(&reader->cursor), 0);
    if (at_timestamp(reader))
        return streams_body_iterator(&reader->body, arn, shard, "AT_TIMESTAMP", STR_NONE,
                                     reader->start_us);
    return streams_body_iterator(&reader->body, arn, shard, "TRIM_HORIZON", STR_NONE, 0);
}

static void no_at_timestamp(struct reader *reader, const char *message)
{
    struct stream *stream = reader->track->stream;
    if (!stream->no_at_timestamp)
        poll_log(reader->track->poll, WEIR_LOG_INFO, NULL,
                 "%s: no start by time here (%s); reading from the horizon, skipping what is older",
                 stream->arn, message);
    stream->no_at_timestamp = true;
    go_on(reader, 0);
}

static int keep_iterator(struct reader *reader, weir_str iterator)
{
    char *copy = mem_dup0(iterator.ptr, iterator.len);
    if (!copy)
        return -ENOMEM;
    mem_free(reader->iterator);
    reader->iterator = copy;
    reader->iterator_len = iterator.len;
    return 0;
}

static enum streams_fault take_iterator(struct reader *reader, char *message, size_t room)
{
    struct arena arena;
    struct err err = {0};
    weir_str iterator = STR_NONE;
    arena_init(&arena, 1024);
    int rc = streams_parse_iterator(reader->call.answer, &arena, &iterator, &err);
    if (rc == 0)
        rc = keep_iterator(reader, iterator);
    if (rc < 0)
        snprintf(message, room, "%.*s", (int)room - 1, err.msg[0] ? err.msg : "out of memory");
    arena_done(&arena);
    return rc < 0 ? STREAMS_UNAVAILABLE : STREAMS_OK;
}

static void on_iterator(struct aws_call *call)
{
    struct reader *reader = call->arg;
    struct poll *poll = reader->track->poll;
    char message[240];
    poll->receiving--;
    reader->state = READER_IDLE;
    enum streams_fault fault = streams_fault_of(call->outcome, call->error_type);
    snprintf(message, sizeof message, "%.*s: %.*s", STR_ARG(call->error_type),
             (int)(call->error_message.len > 180 ? 180 : call->error_message.len),
             call->error_message.ptr);
    if (fault == STREAMS_OK)
        fault = take_iterator(reader, message, sizeof message);
    buf_done(&reader->body);
    if (!poll_reading(poll)) {
        poll_settle(poll);
        return;
    }
    if (fault == STREAMS_INVALID && at_timestamp(reader)) {
        no_at_timestamp(reader, message);
    } else if (fault == STREAMS_OK) {
        poll_heard(poll, STREAMS_OK, NULL, NULL);
        poll_due(reader);
    } else {
        failed(reader, fault, "GetShardIterator", message);
    }
    poll_pump(poll);
}

static void ask_iterator(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    int rc = iterator_body(reader);
    reader->call = (struct aws_call){.service = "dynamodb_streams",
                                     .target = "DynamoDBStreams_20120810.GetShardIterator",
                                     .json = "1.0",
                                     .body = buf_str(&reader->body),
                                     .region = reader->track->stream->region,
                                     .timeout_ms = CALL_MS,
                                     .max_attempts = 1,
                                     .done = on_iterator,
                                     .arg = reader};
    if (rc == 0)
        rc = aws_call_start(poll->config.aws, &reader->call);
    if (rc < 0) {
        failed(reader, STREAMS_UNAVAILABLE, "GetShardIterator", "it can't be started");
        return;
    }
    reader->state = READER_ASKING;
    poll->receiving++;
}

/* ---- pages ---- */

static void bad_page(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    const struct fetch *fetch = &reader->fetch;
    poll->counts.errors++;
    if (fetch->decode_status == -ENOMEM) {
        go_on(reader, pace_broken(&reader->pace, poll->random));
        return;
    }
    if (fetch->decode_status == -EMSGSIZE && reader->limit > 1) {
        reader->limit = (reader->limit + 1) / 2; /* fewer records make a smaller page */
        go_on(reader, BAD_PAGE_MS);
        return;
    }
    if (reader->bad_pages++ < PAGE_TRIES) {
        go_on(reader, BAD_PAGE_MS);
        return;
    }
    if (reader->held != HELD_PAGE)
        poll_log(poll, WEIR_LOG_ERROR, "W0804",
                 "shard %.*s is held behind %.*s: GetRecords answered %d times with what is no "
                 "page (%s); it is asked again every minute",
                 STR_ARG(reader->track->shard->id), STR_ARG(sequence_str(&reader->cursor)),
                 PAGE_TRIES + 1, fetch->message);
    reader_hold(reader, HELD_PAGE);
    poll->clock->arm(poll->clock->ctx, &reader->timer, HELD_PAGE_MS);
}

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
    if (poll->config.once && pause_ms > ONCE_EMPTY_MS)
        pause_ms = ONCE_EMPTY_MS;
    return pause_ms;
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
    int rc = ends ? 0 : keep_iterator(reader, batch->next_iterator);
    if (rc == 0 && records > 0)
        rc = page_take(reader, batch);
    else
        batch_unref(batch);
    if (rc < 0) { /* nothing of it was taken */
        forget_iterator(reader);
        go_on(reader, pace_broken(&reader->pace, poll->random));
        return;
    }
    if (last.len)
        reader->cursor = last;
    poll->counts.records += records;
    poll->counts.bytes += bytes;
    if (records > 0)
        poll->quiet_since_ms = poll_now(poll);
    if (ends) /* the page is taken first (B1) */
        end_shard(reader);
    else
        go_on(reader, pause_ms);
}

/* One page from the horizon, to know where a gap ends. */
static void take_peeked(struct reader *reader, struct batch *batch)
{
    bool ends = batch->next_iterator.len == 0;
    struct sequence first;
    sequence_set(&first, batch->last_sequence); /* of one record */
    int rc = ends ? 0 : keep_iterator(reader, batch->next_iterator);
    batch_unref(batch);
    if (first.len || ends) {
        forget_iterator(reader);
        gap_found(reader, sequence_str(&first));
    } else {
        if (rc < 0)
            forget_iterator(reader);
        go_on(reader, pace_empty(&reader->pace, PACE_FIRST_MS, reader->track->poll->random));
    }
}

static void on_page(struct fetch *fetch)
{
    struct reader *reader = fetch->arg;
    struct poll *poll = reader->track->poll;
    poll->receiving--;
    poll->counts.fetches++;
    reader->state = READER_IDLE;
    if (!poll_reading(poll)) {
        batch_unref(fetch->batch);
        fetch->batch = NULL;
        poll_settle(poll);
        return;
    }
    enum streams_fault fault = streams_fault_of(fetch->outcome, str_of(fetch->error_type));
    if (fetch->decode_status < 0) {
        bad_page(reader);
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
        failed(reader, fault, "GetRecords", fetch->message);
    }
    poll_pump(poll);
}

static void fetch_page(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    const struct track *track = reader->track;
    reader->fetch = (struct fetch){.iterator = {reader->iterator, reader->iterator_len},
                                   .stream_arn = str_of(track->stream->arn),
                                   .shard = track->shard->id,
                                   .region = track->stream->region,
                                   .limit = reader->peeking ? 1 : reader->limit,
                                   .timeout_ms = CALL_MS,
                                   .done = on_page,
                                   .arg = reader};
    if (poll->config.fetcher.start(poll->config.fetcher.ctx, &reader->fetch) < 0) {
        failed(reader, STREAMS_UNAVAILABLE, "GetRecords", "it can't be started");
        return;
    }
    reader->state = READER_FETCHING;
    poll->receiving++;
}

void reader_turn(struct reader *reader)
{
    reader->state = READER_IDLE;
    if (reader->iterator)
        fetch_page(reader);
    else
        ask_iterator(reader);
}

/* ---- life ---- */

/* Behind the lowest position of those that are waited for. Where one has no position yet, from its
 * start; and where starts and positions can't be compared, from the horizon: each sink skips what
 * it has. */
static void choose_start(struct reader *reader)
{
    const struct track *track = reader->track;
    uint64_t those = reader->sinks & track->poll->required;
    const struct sequence *lowest = NULL;
    bool horizon = false, timed = false;
    for (size_t i = 0; i < track->poll->sink_count; i++) {
        const struct progress *progress = &track->sinks[i];
        if (!((those ? those : reader->sinks) >> i & 1))
            continue;
        if (progress->position.len) {
            if (!lowest ||
                sequence_cmp(sequence_str(&progress->position), sequence_str(lowest)) < 0)
                lowest = &progress->position;
        } else if (progress->start == START_AT_TIMESTAMP) {
            reader->start_us = timed && reader->start_us < progress->start_us ? reader->start_us
                                                                              : progress->start_us;
            timed = true;
        } else {
            horizon = true;
        }
    }
    reader->start = timed && !horizon && !lowest ? START_AT_TIMESTAMP : START_TRIM_HORIZON;
    if (lowest && !timed && !horizon)
        reader->cursor = *lowest;
}

int reader_open(struct track *track)
{
    struct poll *poll = track->poll;
    struct reader *reader = mem_zalloc(1, sizeof *reader);
    if (!reader)
        return -ENOMEM;
    int64_t size = poll->config.batch_size;
    *reader = (struct reader){.track = track,
                              .sinks = poll->sinks & ~track->done,
                              .limit = (int)(size < PAGE_RECORDS_MAX ? size : PAGE_RECORDS_MAX),
                              .fresh_ms = poll_now(poll),
                              .timer.fire = on_timer};
    buf_init(&reader->body, BODY_BYTES_MAX);
    reader->gated = track_gates(track);
    choose_start(reader);
    track->reader = reader;
    poll->readers++;
    if (gap_holds(track, reader->sinks)) {
        poll_log(poll, WEIR_LOG_ERROR, "W0803",
                 "shard %.*s is held: a gap was found before and nobody has accepted it; see "
                 "`weir shards`",
                 STR_ARG(track->shard->id));
        reader_hold(reader, HELD_GAP);
    } else {
        go_on(reader, 0);
    }
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
    poll->clock->disarm(poll->clock->ctx, &reader->timer);
    pages_drop(reader);
    while (reader->first) { /* given back unfinished */
        struct page *page = reader->first;
        reader->first = page->next;
        batch_unref(page->batch);
        mem_free(page);
    }
    buf_done(&reader->body);
    forget_iterator(reader);
    reader->track->reader = NULL;
    poll->readers--;
    mem_free(reader);
}
