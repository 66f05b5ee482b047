/* Where the next page begins: GetShardIterator. */
#include "source/poll_parts.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

void iterator_forget(struct reader *reader)
{
    mem_free(reader->iterator);
    reader->iterator = NULL;
    reader->iterator_len = 0;
}

static bool at_timestamp(const struct reader *reader)
{
    return !reader->cursor.len && reader->start == START_AT_TIMESTAMP && !reader->peeking &&
           !reader->track->stream->no_at_time;
}

static int iterator_body(struct reader *reader)
{
    weir_str arn = str_of(reader->track->stream->arn), shard = reader->track->shard->id;
    buf_reset(&reader->body);
    reader->by_time = at_timestamp(reader);
    if (reader->cursor.len && !reader->peeking)
        return streams_body_iterator(&reader->body, arn, shard, "AFTER_SEQUENCE_NUMBER",
                                     sequence_str(&reader->cursor), 0);
    if (reader->by_time)
        return streams_body_iterator(&reader->body, arn, shard, "AT_TIMESTAMP", STR_NONE,
                                     reader->start_us);
    return streams_body_iterator(&reader->body, arn, shard, "TRIM_HORIZON", STR_NONE, 0);
}

static void no_at_timestamp(struct reader *reader, const char *message)
{
    struct stream *stream = reader->track->stream;
    if (!stream->no_at_time)
        poll_log(reader->track->poll, WEIR_LOG_INFO, "W0823",
                 "%s: no start by time here (%s); reading from the horizon, skipping what is older",
                 stream->arn, message);
    stream->no_at_time = true;
    reader_go_on(reader, 0);
}

int iterator_keep(struct reader *reader, weir_str iterator)
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
        rc = iterator_keep(reader, iterator);
    if (rc < 0)
        snprintf(message, room, "%.*s", (int)room - 1, err.msg[0] ? err.msg : "out of memory");
    arena_done(&arena);
    return rc < 0 ? STREAMS_UNAVAILABLE : STREAMS_OK;
}

/* Nothing is missing behind the lowest position; but some sink needs what is before it. */
static void rewind_reader(struct reader *reader)
{
    reader->rewind = false;
    reader->cursor.len = 0;
    iterator_forget(reader);
}

static void on_iterator(struct aws_call *call)
{
    struct reader *reader = call->arg;
    struct poll *poll = reader->track->poll;
    char message[240];
    poll->calls--;
    poll->asking--;
    reader->state = READER_IDLE;
    enum streams_fault fault = streams_fault_of(call->outcome, call->error_type);
    snprintf(message, sizeof message, "%.*s: %.*s", STR_ARG(call->error_type),
             (int)(call->error_message.len > 180 ? 180 : call->error_message.len),
             call->error_message.ptr);
    if (fault == STREAMS_OK)
        fault = take_iterator(reader, message, sizeof message);
    buf_done(&reader->body);
    if (!poll_reading(poll) || reader->closing) {
        poll_settle(poll);
        return;
    }
    if (reader->held == HELD_RECORD) { /* for good */
        reader->state = READER_HELD;
        return;
    }
    if (fault == STREAMS_INVALID && reader->by_time) { /* others may have been told so before */
        no_at_timestamp(reader, message);
    } else if (fault == STREAMS_OK) {
        poll_heard(poll, STREAMS_OK, NULL, NULL);
        if (reader->rewind && !reader->peeking)
            rewind_reader(reader);
        poll_due(reader);
    } else {
        reader_failed(reader, fault, "GetShardIterator", message);
    }
    poll_pump(poll);
}

void iterator_ask(struct reader *reader)
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
        reader_failed(reader, STREAMS_UNAVAILABLE, "GetShardIterator", "it can't be started");
        return;
    }
    reader->state = READER_ASKING;
    poll->calls++;
    poll->asking++;
}
