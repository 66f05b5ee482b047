/* The API calls of the model. */
#include "streams_model_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

static void add_piece(struct model_answer *out, const char *ptr, size_t len)
{
    out->pieces[out->piece_count++] = (struct model_piece){ptr, len};
    out->bytes += len;
}

static void say_head(struct streams_model *model, struct model_answer *out)
{
    out->status = 200;
    add_piece(out, model->head.ptr, model->head.len);
}

static void say_error(struct streams_model *model, const char *name, const char *message,
                      struct model_answer *out)
{
    const char *space =
        strcmp(name, "ThrottlingException") == 0 ? "com.amazon.coral.availability"
        : strcmp(name, "ValidationException") == 0 || strcmp(name, "AccessDeniedException") == 0
            ? "com.amazon.coral.service"
            : "com.amazonaws.dynamodb.v20120810";
    model->head.len = 0;
    model_text_printf(&model->head, "{\"__type\":\"%s#%s\",\"message\":\"%s\"}", space, name,
                      message);
    out->status = strcmp(name, "InternalServerError") == 0  ? 500
                  : strcmp(name, "ServiceUnavailable") == 0 ? 503
                                                            : 400;
    out->error = name;
    out->record_count = 0;
    add_piece(out, model->head.ptr, model->head.len);
}

/* A fault of the script takes the place of the answer. */
static bool faulty(struct streams_model *model, struct model_answer *out)
{
    const char *error = model->fault ? model->fault(model->ctx, &out->call) : NULL;
    if (error)
        say_error(model, error, "scripted", out);
    return error != NULL;
}

static bool stream_there(const struct streams_model *model, size_t stream, int64_t now_ms)
{
    if (stream == SIZE_MAX || model->streams[stream].state == MODEL_DELETED)
        return false;
    return model->streams[stream].state != MODEL_DISABLED ||
           now_ms - model->streams[stream].disabled_ms <= model->retention_ms;
}

#define NO_STREAM "Requested resource not found: Stream not found"
#define NO_SHARD  "Requested resource not found: Shard does not exist"

/* ---- iterators: "<arn>|1|<hex: stream shard place hops birth check>" ---- */

struct iterator {
    unsigned stream, shard, hops;
    unsigned long long place, birth_ms;
};

static unsigned check_of(const struct iterator *it)
{
    unsigned long long mix = it->place * 1000003 + it->birth_ms * 31 + it->shard * 131071u +
                             it->stream * 257u + it->hops;
    return (unsigned)(mix ^ mix >> 17) & 0xffff;
}

static void put_iterator(struct streams_model *model, struct iterator it)
{
    model_text_printf(&model->head,
                      "%s|1|AAAAAA%04x%08x%010llx%04x%012llx%04x==", model->streams[it.stream].arn,
                      it.stream, it.shard, it.place, it.hops, it.birth_ms, check_of(&it));
}

static bool read_iterator(struct span token, struct iterator *it)
{
    enum { TAIL = 4 + 8 + 10 + 4 + 12 + 4 + 2 };
    char hex[TAIL + 1];
    unsigned check;
    if (token.len <= TAIL)
        return false;
    memcpy(hex, token.ptr + token.len - TAIL, TAIL);
    hex[TAIL] = '\0';
    return sscanf(hex, "%4x%8x%10llx%4x%12llx%4x==", &it->stream, &it->shard, &it->place, &it->hops,
                  &it->birth_ms, &check) == 6 &&
           check == check_of(it);
}

/* ---- GetShardIterator ---- */

/* Where a sequence number says; an error's name, or NULL. */
static const char *place_of_number(const struct streams_model *model,
                                   const struct model_shard *shard, struct span sequence,
                                   bool after, size_t *place)
{
    uint64_t number = streams_model_number(sequence.ptr, sequence.len);
    if (number < shard->first_number || number > model->number ||
        (shard->last_number && number > shard->last_number))
        return "ValidationException";
    *place = streams_model_find_record(shard, after ? number + 1 : number);
    uint64_t oldest = shard->first < shard->count ? shard->records[shard->first].number
                      : shard->count              ? shard->records[shard->count - 1].number + 1
                                                  : 0;
    return shard->first > 0 && number < oldest ? "TrimmedDataAccessException" : NULL;
}

/* Seconds, perhaps with a fraction, as milliseconds; -1 = neither. */
static int64_t read_ms(struct span seconds)
{
    enum { DIGITS_MAX = 15 };
    int64_t ms = 0;
    int decimals = -1; /* digits behind the point */
    if (seconds.len == 0 || seconds.len > DIGITS_MAX)
        return -1;
    for (size_t i = 0; i < seconds.len; i++) {
        char c = seconds.ptr[i];
        if (c == '.' && decimals < 0 && i > 0)
            decimals = 0;
        else if (c < '0' || c > '9')
            return -1;
        else if (decimals < 3) {
            ms = ms * 10 + (c - '0');
            decimals += decimals >= 0;
        }
    }
    for (decimals = decimals < 0 ? 0 : decimals; decimals < 3; decimals++)
        ms *= 10;
    return ms;
}

static const char *place_of_time(const struct streams_model *model, const struct model_shard *shard,
                                 struct span json, int64_t now_ms, size_t *place)
{
    struct span raw;
    int64_t ms =
        model->no_timestamp || !request_member(json, "Timestamp", &raw) ? -1 : read_ms(raw);
    if (ms < 0 || ms > now_ms)
        return "ValidationException";
    for (*place = shard->first; *place < shard->count; ++*place)
        if (shard->records[*place].at_ms / 1000 * 1000 >= ms)
            break;
    return NULL;
}

static const char *place_of(struct streams_model *model, const struct model_shard *shard,
                            struct span json, int64_t now_ms, size_t *place)
{
    struct span type = request_text(model, json, "ShardIteratorType");
    struct span sequence = request_text(model, json, "SequenceNumber");
    if (span_is(type, "AFTER_SEQUENCE_NUMBER"))
        return place_of_number(model, shard, sequence, true, place);
    if (span_is(type, "AT_SEQUENCE_NUMBER"))
        return place_of_number(model, shard, sequence, false, place);
    if (span_is(type, "AT_TIMESTAMP"))
        return place_of_time(model, shard, json, now_ms, place);
    *place = span_is(type, "LATEST") ? shard->count : shard->first;
    return span_is(type, "LATEST") || span_is(type, "TRIM_HORIZON") ? NULL : "ValidationException";
}

static void answer_iterator(struct streams_model *model, struct span json, struct model_answer *out)
{
    int64_t now_ms = out->call.now_ms;
    struct span arn = request_text(model, json, "StreamArn");
    struct span id = request_text(model, json, "ShardId");
    size_t stream = streams_model_find_stream(model, arn.ptr, arn.len), place = 0, shard;
    out->call.stream = stream;
    out->call.shard = stream == SIZE_MAX
                          ? SIZE_MAX
                          : streams_model_find_shard(&model->streams[stream], id.ptr, id.len);
    shard = out->call.shard;
    if (faulty(model, out))
        return;
    if (!stream_there(model, stream, now_ms)) {
        say_error(model, "ResourceNotFoundException", NO_STREAM, out);
        return;
    }
    if (shard != SIZE_MAX)
        streams_model_age(model, stream, shard, now_ms);
    if (shard == SIZE_MAX || model->streams[stream].shards[shard].forgotten) {
        say_error(model, "ResourceNotFoundException", NO_SHARD, out);
        return;
    }
    struct model_shard *one = &model->streams[stream].shards[shard];
    const char *error = place_of(model, one, json, now_ms, &place);
    if (error) {
        one->trimmed_told += strcmp(error, "TrimmedDataAccessException") == 0;
        say_error(model, error, "Invalid ShardIteratorType, Timestamp or SequenceNumber", out);
        return;
    }
    model_text_printf(&model->head, "{\"ShardIterator\":\"");
    put_iterator(model, (struct iterator){(unsigned)stream, (unsigned)shard, 0, place,
                                          (unsigned long long)now_ms});
    model_text_printf(&model->head, "\"}");
    say_head(model, out);
}

/* ---- GetRecords ---- */

static size_t page_end(const struct streams_model *model, const struct model_shard *shard,
                       size_t place, int64_t limit)
{
    size_t most = (size_t)limit < model->page_records ? (size_t)limit : model->page_records;
    size_t end = place;
    while (end < shard->count && end - place < most &&
           (end == place ||
            shard->records[end].offset + shard->records[end].len - shard->records[place].offset <=
                model->page_bytes))
        end++;
    return end;
}

static void put_next(struct streams_model *model, const struct iterator *next, bool ended)
{
    model_text_put(&model->head, "]", 1);
    if (!ended) {
        model_text_printf(&model->head, ",\"NextShardIterator\":\"");
        put_iterator(model, *next);
        model_text_put(&model->head, "\"", 1);
    } else if (model->end == MODEL_END_NULL) {
        model_text_printf(&model->head, ",\"NextShardIterator\":null");
    } else if (model->end == MODEL_END_EMPTY) {
        model_text_printf(&model->head, ",\"NextShardIterator\":\"\"");
    }
    model_text_put(&model->head, "}", 1);
}

static void say_page(struct streams_model *model, struct iterator it, int64_t limit,
                     struct model_answer *out)
{
    struct model_shard *shard = &model->streams[it.stream].shards[it.shard];
    size_t place = (size_t)it.place, end = place;
    struct iterator next = it;
    bool hop = it.hops < model->empty_pages;
    if (!hop)
        end = page_end(model, shard, place, limit);
    next.birth_ms = (unsigned long long)out->call.now_ms;
    next.hops = hop ? it.hops + 1 : 0;
    next.place = end;
    put_next(model, &next,
             !hop && shard->closed_ms && end == shard->count && !(model->end_late && end > place));
    out->status = 200;
    out->record_count = end - place;
    add_piece(out, "{\"Records\":[", strlen("{\"Records\":["));
    if (end > place) {
        const struct model_record *first = &shard->records[place], *last = &shard->records[end - 1];
        add_piece(out, shard->text.ptr + first->offset, last->offset + last->len - first->offset);
    }
    add_piece(out, model->head.ptr, model->head.len);
    if (end > shard->served)
        shard->served = end;
}

static void answer_records(struct streams_model *model, struct span json, struct model_answer *out)
{
    struct iterator it;
    struct span token = request_text(model, json, "ShardIterator");
    int64_t now_ms = out->call.now_ms, limit = request_number(json, "Limit", 1000);
    bool known = read_iterator(token, &it) && it.stream < model->count &&
                 it.shard < model->streams[it.stream].count;
    if (known) {
        out->call.stream = it.stream;
        out->call.shard = it.shard;
    }
    if (faulty(model, out))
        return;
    if (!known || limit < 1 || limit > 1000) {
        say_error(model, "ValidationException", "Invalid ShardIterator or Limit", out);
        return;
    }
    struct model_shard *shard = &model->streams[it.stream].shards[it.shard];
    shard->calls++;
    shard->served_ms = now_ms;
    streams_model_age(model, it.stream, it.shard, now_ms);
    if (!stream_there(model, it.stream, now_ms) || shard->forgotten) {
        say_error(model, "ResourceNotFoundException", shard->forgotten ? NO_SHARD : NO_STREAM, out);
    } else if (now_ms - (int64_t)it.birth_ms > model->iterator_ms) {
        say_error(model, "ExpiredIteratorException", "Iterator expired", out);
    } else if (it.place < shard->first) {
        shard->trimmed_told++;
        say_error(model, "TrimmedDataAccessException", "The record was trimmed", out);
    } else {
        say_page(model, it, limit, out);
    }
}

/* ---- DescribeStream ---- */

#define PHANTOM                                                                                    \
    "shardId-99999999999999999999-" /* a cursor that is no shard: behind an empty page */

static bool visible(const struct streams_model *model, const struct model_shard *shard,
                    int64_t now_ms)
{
    return !shard->hidden && shard->listed_ms <= now_ms &&
           !(shard->closed_ms && shard->closed_ms < now_ms - model->retention_ms);
}

static void put_shard(struct streams_model *model, const struct model_stream *stream, size_t index,
                      int64_t now_ms)
{
    char sequence[MODEL_SEQUENCE_ROOM];
    const struct model_shard *shard = &stream->shards[index];
    model_sequence_text(model, shard->first_number, shard->first_digits, sequence);
    model_text_printf(
        &model->head,
        "{\"ShardId\":\"%s\",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"%s\"", shard->id,
        sequence);
    if (shard->closed_ms && shard->end_listed_ms <= now_ms) {
        model_sequence_text(model, shard->last_number, shard->last_digits, sequence);
        model_text_printf(&model->head, ",\"EndingSequenceNumber\":\"%s\"", sequence);
    }
    model_text_put(&model->head, "}", 1);
    if (shard->parent != MODEL_NONE)
        model_text_printf(&model->head, ",\"ParentShardId\":\"%s\"",
                          stream->shards[shard->parent].id);
    model_text_put(&model->head, "},", 2);
}

/* Where the list goes on; false = there is no such cursor. */
static bool cursor_place(const struct model_stream *stream, struct span cursor, size_t *place)
{
    *place = 0;
    if (cursor.len == 0)
        return true;
    if (cursor.len == strlen(PHANTOM) + 8 && memcmp(cursor.ptr, PHANTOM, strlen(PHANTOM)) == 0) {
        char hex[9] = {0};
        memcpy(hex, cursor.ptr + strlen(PHANTOM), 8);
        *place = strtoul(hex, NULL, 16);
        return true;
    }
    *place = streams_model_find_shard(stream, cursor.ptr, cursor.len) + 1;
    return *place > 0;
}

static bool empty_page_due(const struct streams_model *model, const struct model_stream *stream,
                           size_t place, int64_t now_ms)
{
    size_t before = 0;
    if (model->describe_empty_at == 0)
        return false;
    for (size_t i = 0; i < place; i++)
        before += visible(model, &stream->shards[i], now_ms);
    return before / model->describe_page + 1 == model->describe_empty_at;
}

struct listing {
    size_t place, parent, limit; /* parent SIZE_MAX: all */
    struct span cursor;          /* as asked */
    bool phantom;
};

/* Children of one shard: never paged, there are two at most. */
static bool wanted(const struct streams_model *model, const struct model_stream *stream, size_t i,
                   size_t parent, int64_t now_ms)
{
    if (!visible(model, &stream->shards[i], now_ms))
        return false;
    if (parent == SIZE_MAX || model->filter == MODEL_FILTER_IGNORED)
        return true;
    return model->filter == MODEL_FILTER_PARENT ? i == parent : stream->shards[i].parent == parent;
}

/* Puts the page's shards; the cursor to give with it, in *last: SIZE_MAX = none. */
static void put_shards(struct streams_model *model, const struct model_stream *stream,
                       const struct listing *listing, int64_t now_ms, size_t *last)
{
    size_t count = 0, i = listing->place, shown = SIZE_MAX;
    *last = SIZE_MAX;
    for (; i < stream->count && count < listing->limit; i++)
        if (wanted(model, stream, i, listing->parent, now_ms)) {
            put_shard(model, stream, i, now_ms);
            shown = i;
            count++;
        }
    if (count)
        model->head.len--; /* the last comma */
    bool more = false;
    for (; i < stream->count && !more; i++)
        more = wanted(model, stream, i, listing->parent, now_ms);
    if (more || (model->trailing_cursor && listing->parent == SIZE_MAX))
        *last = shown;
}

static void put_cursor(struct streams_model *model, const struct model_stream *stream,
                       const struct listing *listing, size_t last)
{
    if (listing->phantom) {
        model_text_printf(&model->head, ",\"LastEvaluatedShardId\":\"" PHANTOM "%08x\"",
                          (unsigned)listing->place);
    } else if (last != SIZE_MAX && model->repeat_cursor && listing->cursor.len) {
        model->repeat_cursor--;
        model_text_printf(&model->head, ",\"LastEvaluatedShardId\":\"%.*s\"",
                          (int)listing->cursor.len, listing->cursor.ptr);
    } else if (last != SIZE_MAX) {
        model_text_printf(&model->head, ",\"LastEvaluatedShardId\":\"%s\"",
                          stream->shards[last].id);
    }
}

static bool read_listing(struct streams_model *model, const struct model_stream *stream,
                         struct span json, int64_t now_ms, struct listing *out)
{
    struct span filter = {"", 0};
    int64_t limit = request_number(json, "Limit", 100);
    *out = (struct listing){.parent = SIZE_MAX, .limit = model->describe_page};
    out->cursor = request_text(model, json, "ExclusiveStartShardId");
    if (limit > 0 && (size_t)limit < out->limit)
        out->limit = (size_t)limit;
    if (!cursor_place(stream, out->cursor, &out->place))
        return false;
    if (request_member(json, "ShardFilter", &filter)) {
        struct span parent = request_text(model, filter, "ShardId");
        out->parent = streams_model_find_shard(stream, parent.ptr, parent.len);
        if (model->filter == MODEL_FILTER_REFUSED || out->parent == SIZE_MAX ||
            !span_is(request_text(model, filter, "Type"), "CHILD_SHARDS"))
            return false;
    }
    bool behind =
        out->cursor.len > strlen(PHANTOM) && memcmp(out->cursor.ptr, PHANTOM, strlen(PHANTOM)) == 0;
    out->phantom =
        out->parent == SIZE_MAX && !behind && empty_page_due(model, stream, out->place, now_ms);
    return true;
}

static void answer_describe(struct streams_model *model, struct span json, struct model_answer *out)
{
    struct listing listing;
    size_t last = SIZE_MAX;
    int64_t now_ms = out->call.now_ms;
    struct span arn = request_text(model, json, "StreamArn");
    size_t index = out->call.stream = streams_model_find_stream(model, arn.ptr, arn.len);
    if (faulty(model, out))
        return;
    if (!stream_there(model, index, now_ms)) {
        say_error(model, "ResourceNotFoundException", NO_STREAM, out);
        return;
    }
    struct model_stream *stream = &model->streams[index];
    stream->describes++;
    if (!read_listing(model, stream, json, now_ms, &listing)) {
        say_error(model, "ValidationException", "Invalid ExclusiveStartShardId or ShardFilter",
                  out);
        return;
    }
    model_text_printf(&model->head,
                      "{\"StreamDescription\":{\"StreamArn\":\"%s\",\"StreamLabel\":\"%s\","
                      "\"StreamStatus\":\"%s\",\"StreamViewType\":\"%s\",\"TableName\":\"%s\","
                      "\"Shards\":[",
                      stream->arn, stream->label,
                      stream->state == MODEL_ENABLED ? "ENABLED" : "DISABLED", stream->view,
                      stream->table);
    if (!listing.phantom)
        put_shards(model, stream, &listing, now_ms, &last);
    model_text_put(&model->head, "]", 1);
    put_cursor(model, stream, &listing, last);
    model_text_put(&model->head, "}}", 2);
    say_head(model, out);
}

/* ---- DescribeTable, ListStreams ---- */

static void answer_table(struct streams_model *model, struct span json, struct model_answer *out)
{
    struct span name = request_text(model, json, "TableName");
    size_t found = SIZE_MAX, known = SIZE_MAX;
    for (size_t i = 0; i < model->count; i++)
        if (span_is(name, model->streams[i].table)) {
            known = i;
            if (stream_there(model, i, out->call.now_ms))
                found = i;
        }
    out->call.stream = found;
    if (faulty(model, out))
        return;
    if (known == SIZE_MAX) {
        say_error(model, "ResourceNotFoundException", "Requested resource not found", out);
        return;
    }
    model_text_printf(&model->head, "{\"Table\":{\"TableName\":\"%s\",\"TableStatus\":\"ACTIVE\"",
                      model->streams[known].table);
    if (found != SIZE_MAX) {
        const struct model_stream *stream = &model->streams[found];
        model_text_printf(&model->head, ",\"LatestStreamArn\":\"%s\",\"LatestStreamLabel\":\"%s\"",
                          stream->arn, stream->label);
        if (stream->state == MODEL_ENABLED)
            model_text_printf(&model->head,
                              ",\"StreamSpecification\":{\"StreamEnabled\":true,"
                              "\"StreamViewType\":\"%s\"}",
                              stream->view);
    }
    model_text_put(&model->head, "}}", 2);
    say_head(model, out);
}

static void answer_list(struct streams_model *model, struct span json, struct model_answer *out)
{
    struct span table = request_text(model, json, "TableName");
    struct span after = request_text(model, json, "ExclusiveStartStreamArn");
    size_t first = after.len ? streams_model_find_stream(model, after.ptr, after.len) + 1 : 0;
    if (faulty(model, out))
        return;
    bool any = false;
    model_text_printf(&model->head, "{\"Streams\":[");
    for (size_t i = first; i < model->count; i++) {
        const struct model_stream *stream = &model->streams[i];
        if (!stream_there(model, i, out->call.now_ms) ||
            (table.len && !span_is(table, stream->table)))
            continue;
        model_text_printf(&model->head,
                          "%s{\"StreamArn\":\"%s\",\"TableName\":\"%s\",\"StreamLabel\":\"%s\"}",
                          any ? "," : "", stream->arn, stream->table, stream->label);
        any = true;
    }
    model_text_put(&model->head, "]}", 2);
    say_head(model, out);
}

/* ---- all of them ---- */

void streams_model_answer(struct streams_model *model, const char *target, const char *body,
                          size_t body_len, int64_t now_ms, struct model_answer *out)
{
    static const struct {
        const char *target;
        enum model_kind kind;
        void (*answer)(struct streams_model *, struct span, struct model_answer *);
    } calls[] = {
        {MODEL_STREAMS "GetRecords", MODEL_RECORDS, answer_records},
        {MODEL_STREAMS "GetShardIterator", MODEL_ITERATOR, answer_iterator},
        {MODEL_STREAMS "DescribeStream", MODEL_DESCRIBE, answer_describe},
        {MODEL_STREAMS "ListStreams", MODEL_LIST, answer_list},
        {MODEL_TABLES "DescribeTable", MODEL_DESCRIBE_TABLE, answer_table},
    };
    *out = (struct model_answer){.call = {.stream = SIZE_MAX, .shard = SIZE_MAX, .now_ms = now_ms}};
    model->head.len = model->scratch.len = 0;
    /* What is unescaped points into it, so it must not move within a call. */
    model_text_put(&model->scratch, "", 0);
    if (model->scratch.cap < body_len + 64) {
        free(model->scratch.ptr);
        model->scratch = (struct model_text){malloc(body_len + 64), 0, body_len + 64};
        if (!model->scratch.ptr)
            abort();
    }
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (strcmp(target, calls[i].target) == 0) {
            model->calls[calls[i].kind]++;
            out->call.kind = calls[i].kind;
            calls[i].answer(model, (struct span){body, body_len}, out);
            return;
        }
    say_error(model, "UnknownOperationException", "no such operation", out);
}
