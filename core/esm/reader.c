/* Reads one shard for its delivery. What an error means is SEMANTICS 2.6's: an expired iterator is
 * renewed behind the last record taken; trimmed records are said and passed over, as a mapping
 * would; a shard that is not found is asked for. */
#include "esm/mapping_parts.h"
#include "util/alloc.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

enum {
    CALL_MS = 15000,
    BODY_BYTES_MAX = 8 << 10,
    PAGE_RECORDS_MAX = 1000,
    PAGE_RECORDS_MIN = 100,
    IDLE_MS = 1000,
    ONCE_EMPTY_MS = 100
};

static void forget_iterator(struct esm_reader *reader)
{
    mem_free(reader->iterator);
    reader->iterator = NULL;
    reader->iterator_len = 0;
}

static int keep_iterator(struct esm_reader *reader, weir_str iterator)
{
    char *copy = mem_dup0(iterator.ptr, iterator.len);
    if (!copy)
        return -ENOMEM;
    mem_free(reader->iterator);
    reader->iterator = copy;
    reader->iterator_len = iterator.len;
    return 0;
}

static weir_str cursor_of(const struct esm_reader *reader)
{
    return (weir_str){reader->cursor, reader->cursor_len};
}

/* ---- errors ---- */

static void end_shard(struct esm_reader *reader)
{
    forget_iterator(reader);
    reader->state = READER_ENDED;
    esm_delivery_end(reader->delivery);
    mapping_turn(reader->mapping);
}

static void on_verdict(void *arg, enum shard_verdict verdict)
{
    struct esm_reader *reader = arg;
    struct esm_mapping *mapping = reader->mapping;
    reader->state = READER_RESTS;
    if (mapping->phase != MAPPING_RUNNING) {
        mapping_turn(mapping);
    } else if (verdict == VERDICT_NOT_LISTED) {
        mapping_say(mapping, "shard %.*s was trimmed behind %.*s", STR_ARG(reader->shard->id),
                    STR_ARG(cursor_of(reader)));
        reader->gone = true;
        end_shard(reader);
    } else if (verdict == VERDICT_STREAM_MISSING) {
        mapping_say(mapping, "the stream is gone");
        mapping_end(mapping, ESM_UNAVAILABLE);
    } else {
        esm_reader_go_on(reader, pace_broken(&reader->pace, &mapping->config.world->random));
    }
}

static void trimmed(struct esm_reader *reader)
{
    mapping_say(reader->mapping,
                "shard %.*s: what came behind %.*s is trimmed; reading on from the oldest record",
                STR_ARG(reader->shard->id),
                STR_ARG(reader->cursor_len ? cursor_of(reader) : STR("its start")));
    reader->cursor_len = 0;
    reader->latest = false;
    forget_iterator(reader);
    esm_reader_go_on(reader, 0);
}

static void failed(struct esm_reader *reader, enum streams_fault fault, const char *what,
                   const char *message)
{
    struct esm_mapping *mapping = reader->mapping;
    const struct random *random = &mapping->config.world->random;
    int64_t delay_ms;
    mapping_heard(mapping, fault, what, message);
    if (mapping->phase != MAPPING_RUNNING)
        return;
    switch (fault) {
    case STREAMS_THROTTLED:
        esm_reader_go_on(reader, pace_throttled(&reader->pace, random));
        break;
    case STREAMS_EXPIRED:
        forget_iterator(reader);
        delay_ms = pace_broken(&reader->pace, random);
        esm_reader_go_on(reader, reader->pace.broken > 1 ? delay_ms : 0);
        break;
    case STREAMS_TRIMMED:
        trimmed(reader);
        break;
    case STREAMS_NOT_FOUND:
        forget_iterator(reader);
        reader->state = READER_DOUBTING;
        if (discovery_ask(mapping->discovery, reader->shard->id, on_verdict, reader) < 0)
            esm_reader_go_on(reader, pace_broken(&reader->pace, random));
        break;
    default:
        esm_reader_go_on(reader, pace_broken(&reader->pace, random));
        break;
    }
}

/* ---- iterators ---- */

static int iterator_body(struct esm_reader *reader)
{
    weir_str arn = str_of(reader->mapping->arn), shard = reader->shard->id;
    buf_reset(&reader->body);
    if (reader->cursor_len)
        return streams_body_iterator(&reader->body, arn, shard, "AFTER_SEQUENCE_NUMBER",
                                     cursor_of(reader), 0);
    return streams_body_iterator(&reader->body, arn, shard,
                                 reader->latest ? "LATEST" : "TRIM_HORIZON", STR_NONE, 0);
}

static void on_iterator(struct aws_call *call)
{
    struct esm_reader *reader = call->arg;
    enum streams_fault fault = streams_fault_of(call->outcome, call->error_type);
    char message[240];
    reader->state = READER_RESTS;
    if (reader->mapping->phase != MAPPING_RUNNING) {
        mapping_turn(reader->mapping);
        return;
    }
    snprintf(message, sizeof message, "%.*s: %.*s", STR_ARG(call->error_type),
             STR_ARG(call->error_message));
    if (fault == STREAMS_OK) {
        struct arena arena;
        struct err err = {0};
        weir_str iterator = STR_NONE;
        arena_init(&arena, 1024);
        int rc = streams_parse_iterator(call->answer, &arena, &iterator, &err);
        if (rc == 0)
            rc = keep_iterator(reader, iterator);
        snprintf(message, sizeof message, "%s", err.msg);
        arena_done(&arena);
        fault = rc < 0 ? STREAMS_UNAVAILABLE : STREAMS_OK;
    }
    if (fault == STREAMS_OK)
        esm_reader_go_on(reader, 0);
    else
        failed(reader, fault, "GetShardIterator", message);
}

static void ask_iterator(struct esm_reader *reader)
{
    struct esm_mapping *mapping = reader->mapping;
    int rc = iterator_body(reader);
    reader->call = (struct aws_call){.service = "dynamodb_streams",
                                     .target = "DynamoDBStreams_20120810.GetShardIterator",
                                     .json = "1.0",
                                     .body = buf_str(&reader->body),
                                     .region = mapping->region,
                                     .timeout_ms = CALL_MS,
                                     .max_attempts = 1,
                                     .done = on_iterator,
                                     .arg = reader};
    reader->state = READER_ASKING;
    if (rc == 0)
        rc = aws_call_start(mapping->config.aws, &reader->call);
    if (rc < 0) {
        reader->state = READER_RESTS;
        failed(reader, STREAMS_UNAVAILABLE, "GetShardIterator", "it can't be started");
    }
}

/* ---- pages ---- */

static int64_t age_us(const struct esm_reader *reader, const struct batch *batch)
{
    const struct clock *clock = &reader->mapping->config.world->clock;
    const struct record *last =
        batch->record_count ? batch->records[batch->record_count - 1] : NULL;
    if (!last || last->created_us <= 0)
        return -1;
    int64_t us = clock->wall_us(clock->ctx) - last->created_us;
    return us > 0 ? us : 0; /* its clock may be ahead */
}

static int64_t pause_after(struct esm_reader *reader, const struct batch *batch)
{
    const struct esm_mapping *mapping = reader->mapping;
    if (batch->read_count > 0)
        return pace_data(&reader->pace, batch->read_count, (size_t)reader->fetch.limit,
                         age_us(reader, batch), IDLE_MS);
    int64_t pause_ms = pace_empty(&reader->pace, IDLE_MS, &mapping->config.world->random);
    return mapping->config.once && pause_ms > ONCE_EMPTY_MS ? ONCE_EMPTY_MS : pause_ms;
}

static void take_page(struct esm_reader *reader, const struct batch *batch)
{
    struct esm_mapping *mapping = reader->mapping;
    bool ends = batch->next_iterator.len == 0;
    int64_t pause_ms = pause_after(reader, batch);
    if ((!ends && keep_iterator(reader, batch->next_iterator) < 0) ||
        esm_delivery_offer(reader->delivery, batch) < 0) { /* nothing of it was taken */
        forget_iterator(reader);
        esm_reader_go_on(reader, pace_broken(&reader->pace, &mapping->config.world->random));
        return;
    }
    if (batch->last_sequence.len && batch->last_sequence.len <= sizeof reader->cursor) {
        reader->cursor_len = batch->last_sequence.len;
        memcpy(reader->cursor, batch->last_sequence.ptr, reader->cursor_len);
        mapping->quiet_since_ms = mapping_now(mapping);
    }
    if (ends) /* the page is taken first */
        end_shard(reader);
    else
        esm_reader_go_on(reader, pause_ms);
    if (esm_reader_rests(reader))
        mapping_turn(mapping);
}

static void on_page(struct fetch *fetch)
{
    struct esm_reader *reader = fetch->arg;
    struct esm_mapping *mapping = reader->mapping;
    enum streams_fault fault = streams_fault_of(fetch->outcome, str_of(fetch->error_type));
    reader->state = READER_RESTS;
    if (mapping->phase != MAPPING_RUNNING) {
        mapping_turn(mapping);
    } else if (fetch->decode_status < 0 || fault != STREAMS_OK) {
        failed(reader, fetch->decode_status < 0 ? STREAMS_UNAVAILABLE : fault, "GetRecords",
               fetch->message);
    } else {
        mapping_heard(mapping, STREAMS_OK, NULL, NULL);
        take_page(reader, fetch->batch);
    }
    batch_unref(fetch->batch);
    fetch->batch = NULL;
}

static int page_records(const struct esm_mapping *mapping)
{
    int64_t size = mapping->config.options.batch_size;
    return (int)(size > PAGE_RECORDS_MAX   ? PAGE_RECORDS_MAX
                 : size < PAGE_RECORDS_MIN ? PAGE_RECORDS_MIN
                                           : size);
}

static void fetch_page(struct esm_reader *reader)
{
    struct esm_mapping *mapping = reader->mapping;
    reader->fetch = (struct fetch){.iterator = {reader->iterator, reader->iterator_len},
                                   .stream_arn = str_of(mapping->arn),
                                   .shard = reader->shard->id,
                                   .region = mapping->region,
                                   .limit = page_records(mapping),
                                   .timeout_ms = CALL_MS,
                                   .done = on_page,
                                   .arg = reader};
    reader->state = READER_FETCHING;
    if (mapping->fetcher.start(mapping->fetcher.ctx, &reader->fetch) < 0) {
        reader->state = READER_RESTS;
        failed(reader, STREAMS_UNAVAILABLE, "GetRecords", "it can't be started");
    }
}

/* ---- turns ---- */

static void on_timer(struct timer *timer)
{
    struct esm_reader *reader =
        (struct esm_reader *)((char *)timer - offsetof(struct esm_reader, timer));
    reader->waits = false;
    if (reader->mapping->phase != MAPPING_RUNNING || esm_delivery_full(reader->delivery))
        return; /* goes on when there is room */
    if (reader->iterator)
        fetch_page(reader);
    else
        ask_iterator(reader);
}

void esm_reader_go_on(struct esm_reader *reader, int64_t delay_ms)
{
    const struct clock *clock = &reader->mapping->config.world->clock;
    reader->state = READER_RESTS;
    reader->timer.fire = on_timer;
    reader->waits = clock->arm(clock->ctx, &reader->timer, delay_ms > 0 ? delay_ms : 0) == 0;
}

/* A lane has got on. */
static void on_moved(void *arg)
{
    struct esm_reader *reader = arg;
    mapping_turn(reader->mapping);
    if (reader->mapping->phase == MAPPING_RUNNING && reader->state == READER_RESTS &&
        !reader->waits && !esm_delivery_full(reader->delivery))
        esm_reader_go_on(reader, 0);
}

static void on_told(void *arg, const struct esm_report *report)
{
    const struct esm_mapping *mapping = ((struct esm_reader *)arg)->mapping;
    mapping->config.told(mapping->config.arg, report);
}

static int on_gave_up(void *arg, const struct esm_failure *failure)
{
    const struct esm_reader *reader = arg;
    struct esm_mapping *mapping = reader->mapping;
    int rc = mapping->config.gave_up(mapping->config.arg, failure);
    if (rc < 0)
        mapping_end(mapping, ESM_UNAVAILABLE);
    return rc;
}

bool esm_reader_open(const struct esm_reader *reader)
{
    return reader->state == READER_ASKING || reader->state == READER_FETCHING ||
           esm_delivery_open(reader->delivery);
}

bool esm_reader_rests(const struct esm_reader *reader)
{
    return reader->state == READER_RESTS && reader->pace.empty >= CAUGHT_UP_PAGES &&
           esm_delivery_idle(reader->delivery);
}

/* ---- life ---- */

int esm_reader_new(struct esm_mapping *mapping, struct shard *shard, bool latest)
{
    struct esm_reader *reader = mem_zalloc(1, sizeof *reader);
    if (!reader)
        return -ENOMEM;
    struct esm_delivery_config config = {.clock = &mapping->config.world->clock,
                                         .options = &mapping->config.options,
                                         .function = &mapping->config.function,
                                         .shard = shard->id,
                                         .told = on_told,
                                         .gave_up = on_gave_up,
                                         .moved = on_moved,
                                         .arg = reader,
                                         .counts = &mapping->counts};
    *reader = (struct esm_reader){.mapping = mapping, .shard = shard, .latest = latest};
    buf_init(&reader->body, BODY_BYTES_MAX);
    int rc = esm_delivery_new(&config, &reader->delivery);
    if (rc < 0) {
        mem_free(reader);
        return rc;
    }
    shard->reader = reader;
    reader->next = mapping->readers;
    mapping->readers = reader;
    esm_reader_go_on(reader, 0);
    return 0;
}

void esm_reader_stop(struct esm_reader *reader)
{
    const struct esm_mapping *mapping = reader->mapping;
    const struct clock *clock = &mapping->config.world->clock;
    clock->disarm(clock->ctx, &reader->timer);
    esm_delivery_stop(reader->delivery);
    if (reader->state == READER_ASKING)
        aws_call_abort(mapping->config.aws, &reader->call);
    else if (reader->state == READER_FETCHING)
        mapping->fetcher.abort(mapping->fetcher.ctx, &reader->fetch);
    else if (reader->state == READER_DOUBTING)
        discovery_forget_asker(mapping->discovery, reader);
    if (reader->state == READER_DOUBTING)
        reader->state = READER_RESTS;
}

void esm_reader_free(struct esm_reader *reader)
{
    const struct clock *clock = &reader->mapping->config.world->clock;
    clock->disarm(clock->ctx, &reader->timer);
    reader->shard->reader = NULL;
    esm_delivery_free(reader->delivery);
    forget_iterator(reader);
    buf_done(&reader->body);
    mem_free(reader);
}
