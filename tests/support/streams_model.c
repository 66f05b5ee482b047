/* What the model holds and what happens to it; the answers are in streams_model_answer.c. */
#include "streams_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOUR_MS = 3600000 };

/* ---- memory: a test that runs out of it ends ---- */

static void *grown(void *old, size_t count, size_t bytes)
{
    void *memory = realloc(old, count * bytes);
    if (!memory)
        abort();
    return memory;
}

static void model_text_reserve(struct model_text *text, size_t more)
{
    if (text->len + more <= text->cap)
        return;
    text->cap = (text->len + more) * 3 / 2 + 256;
    text->ptr = grown(text->ptr, text->cap, 1);
}

void model_text_put(struct model_text *text, const char *bytes, size_t len)
{
    model_text_reserve(text, len + 1);
    memcpy(text->ptr + text->len, bytes, len);
    text->len += len;
    text->ptr[text->len] = '\0';
}

void model_text_printf(struct model_text *text, const char *format, ...)
{
    va_list list;
    model_text_reserve(text, 1024);
    va_start(list, format);
    int len = vsnprintf(text->ptr + text->len, 1024, format, list);
    va_end(list);
    if (len < 0 || len >= 1024)
        abort();
    text->len += (size_t)len;
}

/* ---- sequence numbers ---- */

void model_sequence_text(const struct streams_model *model, uint64_t number, unsigned digits,
                         char out[MODEL_SEQUENCE_ROOM])
{
    memset(out, '0', digits);
    out[digits] = '\0';
    for (size_t i = digits; number && i-- > 1; number /= 10)
        out[i] = (char)('0' + number % 10);
    out[0] = model->lead;
}

void streams_model_sequence(const struct streams_model *model, const struct model_record *record,
                            char out[MODEL_SEQUENCE_ROOM])
{
    model_sequence_text(model, record->number, record->digits, out);
}

uint64_t streams_model_number(const char *sequence, size_t len)
{
    uint64_t number = 0;
    if (len < 21 || len > 40)
        return 0;
    for (size_t i = len - 19; i < len; i++) {
        if (sequence[i] < '0' || sequence[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(sequence[i] - '0');
    }
    return number;
}

static uint64_t next_number(struct streams_model *model)
{
    uint64_t step = 1;
    if (model->number_step > 1)
        step += (model->number * 2654435761u >> 7) % model->number_step;
    return model->number += step;
}

/* ---- finding ---- */

size_t streams_model_find_stream(const struct streams_model *model, const char *arn, size_t len)
{
    for (size_t i = 0; i < model->count; i++)
        if (strlen(model->streams[i].arn) == len && memcmp(model->streams[i].arn, arn, len) == 0)
            return i;
    return SIZE_MAX;
}

/* The hex part of an id is its index, multiplied by an odd number: distinct, scattered, and turned
 * back by the inverse. */
enum { ID_SCATTER = 0x9e3779b1u & 0x7fffffff, ID_DIGITS = 20 };

static uint32_t inverse_of(uint32_t odd)
{
    uint32_t inverse = odd;
    for (int i = 0; i < 5; i++)
        inverse *= 2 - odd * inverse;
    return inverse;
}

size_t streams_model_find_shard(const struct model_stream *stream, const char *id, size_t len)
{
    uint32_t hex = 0;
    if (len != strlen("shardId-") + ID_DIGITS + 1 + 8)
        return SIZE_MAX;
    for (size_t i = len - 8; i < len; i++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, id[i]);
        if (!digit || !id[i])
            return SIZE_MAX;
        hex = hex << 4 | (uint32_t)(digit - digits);
    }
    size_t index = hex * inverse_of(ID_SCATTER);
    if (index >= stream->count || memcmp(stream->shards[index].id, id, len) != 0)
        return SIZE_MAX;
    return index;
}

size_t streams_model_find_record(const struct model_shard *shard, uint64_t number)
{
    size_t low = 0, high = shard->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (shard->records[mid].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static uint32_t hash_of(uint32_t item)
{
    uint32_t hash = item * 2654435761u;
    hash ^= hash >> 15;
    return hash * 2246822519u;
}

/* The place in `leaves` of the shard that takes the hash. */
static size_t leaf_place(const struct model_stream *stream, uint32_t hash)
{
    size_t low = 0, high = stream->leaf_count;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (stream->shards[stream->leaves[mid]].low <= hash)
            low = mid;
        else
            high = mid;
    }
    return low;
}

size_t streams_model_leaf(const struct streams_model *model, size_t stream, uint32_t item)
{
    const struct model_stream *one = &model->streams[stream];
    uint32_t hash = hash_of(item);
    if (one->leaf_count == 0)
        return SIZE_MAX;
    size_t shard = one->leaves[leaf_place(one, hash)];
    return one->shards[shard].low <= hash && hash <= one->shards[shard].high ? shard : SIZE_MAX;
}

/* ---- shards ---- */

static size_t open_shard(struct streams_model *model, struct model_stream *stream, uint32_t parent,
                         uint32_t low, uint32_t high, int64_t now_ms)
{
    if (stream->count == stream->room) {
        stream->room = stream->room * 2 + 16;
        stream->shards = grown(stream->shards, stream->room, sizeof *stream->shards);
    }
    size_t index = stream->count++;
    struct model_shard *shard = &stream->shards[index];
    *shard = (struct model_shard){.parent = parent,
                                  .low = low,
                                  .high = high,
                                  .opened_ms = now_ms,
                                  .listed_ms = now_ms,
                                  .first_number = next_number(model),
                                  .first_digits = model->digits};
    snprintf(shard->id, sizeof shard->id, "shardId-%0*lld-%08x", ID_DIGITS, (long long)now_ms,
             (unsigned)((uint32_t)index * ID_SCATTER));
    if (stream->leaf_count == stream->leaf_room) {
        stream->leaf_room = stream->leaf_room * 2 + 16;
        stream->leaves = grown(stream->leaves, stream->leaf_room, sizeof *stream->leaves);
    }
    size_t place = stream->leaf_count++;
    for (; place > 0 && stream->shards[stream->leaves[place - 1]].low > low; place--)
        stream->leaves[place] = stream->leaves[place - 1];
    stream->leaves[place] = (uint32_t)index;
    return index;
}

static void end_shard(struct streams_model *model, struct model_stream *stream, size_t index,
                      int64_t now_ms)
{
    struct model_shard *shard = &stream->shards[index];
    size_t place = leaf_place(stream, shard->low);
    shard->closed_ms = shard->end_listed_ms = now_ms;
    shard->last_number = next_number(model);
    shard->last_digits = model->digits;
    stream->leaf_count--;
    for (; place < stream->leaf_count; place++)
        stream->leaves[place] = stream->leaves[place + 1];
}

size_t streams_model_adopt(struct streams_model *model, size_t stream, size_t parent,
                           unsigned children, int64_t now_ms)
{
    struct model_stream *one = &model->streams[stream];
    uint32_t low = one->shards[parent].low, high = one->shards[parent].high;
    uint32_t middle = low + (high - low) / 2;
    size_t first = one->count;
    if (children >= 2 && high > low) {
        open_shard(model, one, (uint32_t)parent, low, middle, now_ms);
        open_shard(model, one, (uint32_t)parent, middle + 1, high, now_ms);
    } else if (children) {
        open_shard(model, one, (uint32_t)parent, low, high, now_ms);
    }
    return first;
}

size_t streams_model_close(struct streams_model *model, size_t stream, size_t shard,
                           unsigned children, int64_t now_ms)
{
    end_shard(model, &model->streams[stream], shard, now_ms);
    return streams_model_adopt(model, stream, shard, children, now_ms);
}

/* ---- streams ---- */

size_t streams_model_create(struct streams_model *model, const char *table, unsigned partitions,
                            int64_t now_ms)
{
    struct tm parts;
    time_t seconds = (time_t)(now_ms / 1000);
    if (model->count == model->room) {
        model->room = model->room * 2 + 4;
        model->streams = grown(model->streams, model->room, sizeof *model->streams);
    }
    size_t index = model->count++;
    struct model_stream *stream = &model->streams[index];
    *stream = (struct model_stream){.view = "NEW_AND_OLD_IMAGES", .created_ms = now_ms};
    snprintf(stream->table, sizeof stream->table, "%s", table);
    gmtime_r(&seconds, &parts);
    strftime(stream->label, sizeof stream->label, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(stream->label + strlen(stream->label), 8, ".%03d", (int)(now_ms % 1000));
    snprintf(stream->arn, sizeof stream->arn, "arn:aws:dynamodb:%s:%s:table/%s/stream/%s",
             model->region, model->account, stream->table, stream->label);
    uint32_t width = UINT32_MAX / (partitions ? partitions : 1);
    for (unsigned i = 0; i < partitions; i++)
        open_shard(model, stream, MODEL_NONE, i * width + (i > 0),
                   i + 1 == partitions ? UINT32_MAX : (i + 1) * width, now_ms);
    return index;
}

void streams_model_disable(struct streams_model *model, size_t stream, int64_t now_ms)
{
    struct model_stream *one = &model->streams[stream];
    one->state = MODEL_DISABLED;
    one->disabled_ms = now_ms;
    while (one->leaf_count)
        end_shard(model, one, one->leaves[one->leaf_count - 1], now_ms);
}

void streams_model_delete(struct streams_model *model, size_t stream)
{
    model->streams[stream].state = MODEL_DELETED;
}

/* ---- records ---- */

static void put_image(struct model_text *text, const char *name, uint32_t item, uint32_t version,
                      size_t padding)
{
    model_text_printf(text,
                      "\"%s\":{\"product_id\":{\"S\":\"p%u\"},\"price\":{\"N\":\"%u\"},"
                      "\"name\":{\"S\":\"",
                      name, item, version);
    model_text_reserve(text, padding + 1);
    memset(text->ptr + text->len, 'x', padding);
    text->len += padding;
    model_text_put(text, "\"}},", 4);
}

static void put_record(struct streams_model *model, const struct model_stream *stream,
                       struct model_shard *shard, struct model_record *record,
                       const struct model_write *write, uint32_t version)
{
    char sequence[MODEL_SEQUENCE_ROOM];
    struct model_text *text = &shard->text;
    const char *name = write->event           ? write->event
                       : record->event == 'I' ? "INSERT"
                       : record->event == 'M' ? "MODIFY"
                                              : "REMOVE";
    bool old = record->event != 'I' && strstr(stream->view, "OLD") != NULL;
    bool new = record->event != 'R' && strstr(stream->view, "NEW") != NULL;
    int64_t created_ms = write->created_ms ? write->created_ms : record->at_ms;
    if (model->minute_times)
        created_ms -= created_ms % 60000;
    streams_model_sequence(model, record, sequence);
    model_text_printf(text,
                      "{\"eventID\":\"%032llx\",\"eventName\":\"%.64s\",\"eventVersion\":\"1.1\","
                      "\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"%s\",",
                      (unsigned long long)record->number, name, model->region);
    if (write->extra)
        model_text_put(text, write->extra, strlen(write->extra));
    model_text_printf(text,
                      "\"dynamodb\":{\"ApproximateCreationDateTime\":%lld%s,\"Keys\":{"
                      "\"product_id\":{\"%c\":\"p%u\"}},",
                      (long long)(created_ms / 1000), model->float_times ? ".0" : "",
                      write->poison ? 'N' : 'S', record->item);
    if (new)
        put_image(text, "NewImage", record->item, version, write->padding);
    if (old)
        put_image(text, "OldImage", record->item, version - 1, write->padding);
    model_text_printf(text,
                      "\"SequenceNumber\":\"%s\",\"SizeBytes\":%zu,\"StreamViewType\":\"%s\"}}",
                      sequence, 60 + 2 * write->padding, stream->view);
}

static uint32_t *version_of(struct model_stream *stream, uint32_t item)
{
    if (item >= stream->item_room) {
        size_t room = (size_t)item * 2 + 64;
        stream->versions = grown(stream->versions, room, sizeof *stream->versions);
        memset(stream->versions + stream->item_room, 0,
               (room - stream->item_room) * sizeof *stream->versions);
        stream->item_room = room;
    }
    return &stream->versions[item];
}

size_t streams_model_write(struct streams_model *model, size_t stream,
                           const struct model_write *write, int64_t now_ms)
{
    struct model_stream *one = &model->streams[stream];
    size_t index = streams_model_leaf(model, stream, write->item);
    uint32_t *version = version_of(one, write->item);
    if (index == SIZE_MAX || one->state != MODEL_ENABLED)
        return SIZE_MAX;
    struct model_shard *shard = &one->shards[index];
    if (shard->count == shard->room) {
        shard->room = shard->room * 2 + 8;
        shard->records = grown(shard->records, shard->room, sizeof *shard->records);
    }
    struct model_record *record = &shard->records[shard->count++];
    *record = (struct model_record){
        .number = next_number(model),
        .at_ms = now_ms,
        .item = write->item,
        .digits = model->digits,
        .event = *version == 0   ? 'I'
                 : write->remove ? 'R'
                                 : 'M',
        .poison = write->poison,
    };
    record->version = ++*version;
    if (shard->text.len)
        model_text_put(&shard->text, ",", 1);
    record->offset = shard->text.len;
    put_record(model, one, shard, record, write, *version);
    record->len = shard->text.len - record->offset;
    if (record->event == 'R')
        *version = 0;
    return index;
}

void streams_model_trim(struct streams_model *model, size_t stream, size_t shard, size_t first)
{
    struct model_shard *one = &model->streams[stream].shards[shard];
    if (first > one->first)
        one->first = first < one->count ? first : one->count;
    if (one->first == one->count && one->closed_ms) { /* nobody will ask for its text again */
        free(one->text.ptr);
        one->text = (struct model_text){0};
    }
}

void streams_model_age(struct streams_model *model, size_t stream, size_t shard, int64_t now_ms)
{
    struct model_shard *one = &model->streams[stream].shards[shard];
    int64_t horizon_ms = now_ms - model->retention_ms;
    size_t first = one->first;
    while (first < one->count && one->records[first].at_ms < horizon_ms)
        first++;
    if (first > one->first)
        streams_model_trim(model, stream, shard, first);
    if (one->closed_ms && one->closed_ms < horizon_ms)
        one->hidden = one->forgotten = true;
}

/* ---- life ---- */

void streams_model_init(struct streams_model *model)
{
    *model = (struct streams_model){
        .number = 1000000,
        .region = "eu-west-1",
        .account = "123456789012",
        .retention_ms = 24LL * HOUR_MS,
        .iterator_ms = HOUR_MS / 4,
        .page_records = 1000,
        .page_bytes = 1 << 20,
        .describe_page = 100,
        .digits = 21,
        .lead = '1',
    };
}

void streams_model_done(struct streams_model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        struct model_stream *stream = &model->streams[i];
        for (size_t k = 0; k < stream->count; k++) {
            free(stream->shards[k].records);
            free(stream->shards[k].text.ptr);
        }
        free(stream->shards);
        free(stream->leaves);
        free(stream->versions);
    }
    free(model->streams);
    free(model->head.ptr);
    free(model->scratch.ptr);
}
