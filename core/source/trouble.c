/* What each error of the source means for the shard that was being read. */
#include "source/poll_parts.h"

#include <errno.h>

enum {
    MISSING_MS = 30000,   /* the stream is not there: asked for again */
    HELD_PAGE_MS = 60000, /* a page that can't be decoded is asked for again, silently */
    BAD_PAGE_MS = 1000,
    THROTTLE_SAID_MS = 600000,
    THROTTLED_ROW = 3,   /* worth saying: so many refusals in a row, */
    THROTTLED_OFTEN = 10 /* or so many in between */
};

static void throttled(struct reader *reader, const char *message)
{
    struct poll *poll = reader->track->poll;
    struct stream *stream = reader->track->stream;
    poll->counts.throttled++;
    int64_t delay_ms = pace_throttled(&reader->pace, poll->random);
    reader->throttles++;
    if ((reader->pace.throttled >= THROTTLED_ROW || reader->throttles >= THROTTLED_OFTEN) &&
        poll_now(poll) >= stream->throttle_said_ms) {
        reader->throttles = 0;
        stream->throttle_said_ms = poll_now(poll) + THROTTLE_SAID_MS;
        poll_log(poll, WEIR_LOG_WARN, "W0802",
                 "reading shard %.*s is throttled: a shard serves two readers; is there another "
                 "consumer, or an old weir? (%s)",
                 STR_ARG(reader->track->shard->id), message);
    }
    reader_go_on(reader, delay_ms);
}

static void told(void *arg, enum shard_verdict verdict)
{
    struct reader *reader = arg;
    struct poll *poll = reader->track->poll;
    struct stream *stream = reader->track->stream;
    reader->state = reader->held == HELD_RECORD ? READER_HELD : READER_IDLE;
    if (!poll_reading(poll) || reader->held == HELD_RECORD)
        return;
    switch (verdict) {
    case VERDICT_LISTED:
        reader_go_on(reader, pace_broken(&reader->pace, poll->random));
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
        reader->fresh_ms = poll_now(poll); /* known, and said: no bug of ours (watch.c) */
        reader_go_on(reader, MISSING_MS);
        break;
    }
}

static void not_found(struct reader *reader)
{
    struct stream *stream = reader->track->stream;
    iterator_forget(reader);
    reader->state = READER_DOUBTING;
    if (discovery_ask(stream->discovery, reader->track->shard->id, told, reader) < 0)
        reader_go_on(reader, pace_broken(&reader->pace, reader->track->poll->random));
}

static void refused(struct reader *reader, const char *what, const char *message)
{
    struct poll *poll = reader->track->poll;
    int64_t delay_ms = pace_broken(&reader->pace, poll->random);
    if (reader->pace.broken == 1 || delay_ms > PACE_BROKEN_LAST_MS / 2)
        poll_log(poll, WEIR_LOG_ERROR, "W0801", "%s of shard %.*s is refused, trying again: %s",
                 what, STR_ARG(reader->track->shard->id), message);
    iterator_forget(reader);
    reader_go_on(reader, delay_ms);
}

void reader_failed(struct reader *reader, enum streams_fault fault, const char *what,
                   const char *message)
{
    struct poll *poll = reader->track->poll;
    enum poll_op op = strcmp(what, "GetRecords") == 0 ? POLL_GET_RECORDS : POLL_GET_ITERATOR;
    poll->counts.errors++;
    reader->track->stream->faults[op][fault]++;
    poll_heard(poll, fault, what, message);
    switch (fault) {
    case STREAMS_THROTTLED:
        throttled(reader, message);
        break;
    case STREAMS_EXPIRED: /* the next one begins behind the last record taken (F1) */
        poll->counts.expired++;
        iterator_forget(reader);
        reader_go_on(reader, reader->expired++ ? pace_broken(&reader->pace, poll->random) : 0);
        break;
    case STREAMS_TRIMMED:
        iterator_forget(reader);
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
        reader_go_on(reader, pace_broken(&reader->pace, poll->random));
        break;
    }
}

void reader_bad_page(struct reader *reader)
{
    struct poll *poll = reader->track->poll;
    const struct fetch *fetch = &reader->fetch;
    poll->counts.errors++;
    reader->track->stream->faults[POLL_GET_RECORDS][STREAMS_UNAVAILABLE]++;
    if (fetch->decode_status == -ENOMEM) {
        reader_go_on(reader, pace_broken(&reader->pace, poll->random));
        return;
    }
    if (fetch->decode_status == -EMSGSIZE && reader->limit > 1) {
        reader->limit = (reader->limit + 1) / 2; /* fewer records make a smaller page */
        reader_go_on(reader, BAD_PAGE_MS);
        return;
    }
    if (reader->bad_pages++ < PAGE_TRIES) {
        reader_go_on(reader, BAD_PAGE_MS);
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
