#include "streamsd_model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TABLE_ARN  "arn:aws:dynamodb:eu-west-1:123456789012:table/Products"
#define LABEL      "2026-11-01T00:00:00.000"
#define STREAM_ARN TABLE_ARN "/stream/" LABEL

/* ---- the page ---- */

static const struct kind {
    char letter;
    unsigned len;
} kinds[] = {{'#', 21}, {'@', 16}, {'%', 10}, {'$', 5}};

static const struct kind *kind_at(const char *text)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        unsigned len = 0;
        while (len < kinds[i].len && text[len] == kinds[i].letter)
            len++;
        if (len == kinds[i].len)
            return &kinds[i];
    }
    return NULL;
}

static char *load_text(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(PAGE_BYTES * 16);
    *len = file && text ? fread(text, 1, PAGE_BYTES * 16 - 32, file) : 0;
    if (*len)
        memset(text + *len, 0, 32);
    else
        perror(path);
    if (file)
        fclose(file);
    return text;
}

int model_load(struct model *model, const char *page_path)
{
    size_t len;
    model->text = load_text(page_path, &len);
    model->marks = malloc(len / 5 * sizeof *model->marks + 1);
    if (!len || !model->marks)
        return -1;
    for (uint32_t at = 0; at < len && model->lines < PAGE_RECORDS; at++) {
        const struct kind *kind = kind_at(model->text + at);
        if (kind) {
            model->marks[model->mark_count++] = (struct mark){at, kind->letter};
            at += kind->len - 1;
        } else if (model->text[at] == '\n') {
            model->lines++;
            model->line_at[model->lines] = at + 1;
            model->first_mark[model->lines] = (uint32_t)model->mark_count;
        }
    }
    if (model->lines == 0)
        fprintf(stderr, "%s: no line\n", page_path);
    return model->lines ? 0 : -1;
}

/* ---- time ---- */

int64_t model_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The shards' records come evenly spread over time. */
static int64_t available_us(const struct model *model, size_t shard, uint64_t place)
{
    if (model->rate <= 0)
        return model->start_us;
    double phase = (double)shard / (double)model->shards;
    return model->start_us + (int64_t)(((double)place + phase) * 1e6 / model->rate);
}

static uint64_t available(const struct model *model, size_t shard)
{
    if (model->rate <= 0)
        return model->records;
    int64_t past_us = model_now_us() - available_us(model, shard, 0);
    uint64_t count = past_us < 0 ? 0 : (uint64_t)((double)past_us * model->rate / 1e6) + 1;
    while (count && available_us(model, shard, count - 1) > model_now_us())
        count--; /* rounding */
    return count < model->records ? count : model->records;
}

/* ---- answers ---- */

static void put(struct answer *answer, const char *text, size_t len)
{
    if (answer->len + len + 1 > answer->room) {
        answer->room = (answer->len + len + 1) * 2;
        answer->text = realloc(answer->text, answer->room);
        if (!answer->text)
            abort();
    }
    memcpy(answer->text + answer->len, text, len);
    answer->len += len;
    answer->text[answer->len] = '\0';
}

static void print(struct answer *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void print(struct answer *answer, const char *format, ...)
{
    char text[1024];
    va_list values;
    va_start(values, format);
    int len = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    put(answer, text, (size_t)len);
}

static void refuse(struct answer *answer, const char *type)
{
    answer->len = 0;
    answer->status = 400;
    print(answer, "{\"__type\":\"com.amazonaws.dynamodb.v20120810#%s\",\"message\":\"no\"}", type);
}

/* The text of a member, up to the next quote; clients of AWS escape nothing in what is asked here.
 */
static bool member(const char *body, const char *name, char *out, size_t room)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    const char *at = strstr(body, quoted);
    if (!at)
        return false;
    at += strlen(quoted);
    at += strspn(at, " :");
    if (*at == '"')
        at++;
    size_t len = strcspn(at, "\",}");
    if (len >= room)
        return false;
    memcpy(out, at, len);
    out[len] = '\0';
    return true;
}

/* Writes `value` in decimal over `len` bytes, leading zeros included. */
static void digits(char *at, unsigned len, uint64_t value)
{
    while (len--) {
        at[len] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* 4, five digits of the shard, fifteen of the place: it grows within the shard. */
static void sequence(char *at, size_t shard, uint64_t place)
{
    *at = '4';
    digits(at + 1, 5, shard);
    digits(at + 6, 15, place);
}

static void put_record(const struct model *model, size_t shard, uint64_t place,
                       struct answer *answer)
{
    size_t line = place % model->lines;
    uint32_t at = model->line_at[line];
    uint64_t stamp_us = (uint64_t)available_us(model, shard, place);
    put(answer, model->text + at, model->line_at[line + 1] - 1 - at);
    char *record = answer->text + answer->len - (model->line_at[line + 1] - 1 - at);
    for (uint32_t i = model->first_mark[line]; i < model->first_mark[line + 1]; i++) {
        char *spot = record + (model->marks[i].at - at);
        if (model->marks[i].kind == '#')
            sequence(spot, shard, place);
        else if (model->marks[i].kind == '@')
            digits(spot, 16, stamp_us);
        else if (model->marks[i].kind == '%')
            digits(spot, 10, stamp_us / 1000000);
        else
            digits(spot, 5, shard);
    }
}

static void put_iterator(struct answer *answer, const char *name, size_t shard, uint64_t place)
{
    print(answer, "\"%s\":\"" STREAM_ARN "|1|%08zx-%016" PRIx64 "\"", name, shard, place);
}

static void get_records(const struct model *model, const char *body, struct answer *answer)
{
    char iterator[400], limit_text[16] = "1000";
    size_t shard;
    uint64_t place;
    if (!member(body, "ShardIterator", iterator, sizeof iterator) ||
        sscanf(iterator, STREAM_ARN "|1|%zx-%" SCNx64, &shard, &place) != 2 ||
        shard >= model->shards) {
        refuse(answer, "ValidationException");
        return;
    }
    member(body, "Limit", limit_text, sizeof limit_text);
    uint64_t limit = strtoul(limit_text, NULL, 10), end = available(model, shard);
    size_t start = answer->len;
    print(answer, "{\"Records\":[");
    for (; place < end && answer->records < limit && answer->records < PAGE_RECORDS; place++) {
        size_t line = place % model->lines;
        if (answer->len - start + model->line_at[line + 1] - model->line_at[line] > PAGE_BYTES)
            break;
        if (answer->records++)
            put(answer, ",", 1);
        put_record(model, shard, place, answer);
    }
    put(answer, "]", 1);
    if (!model->closed || place < model->records) {
        put(answer, ",", 1);
        put_iterator(answer, "NextShardIterator", shard, place);
    }
    put(answer, "}", 1);
}

static void put_shard_id(struct answer *answer, size_t shard)
{
    print(answer, "\"ShardId\":\"shardId-00000001790000000000-%08zx\"", shard);
}

static bool shard_of(const char *body, const char *name, const struct model *model, size_t *shard)
{
    char id[80];
    return member(body, name, id, sizeof id) &&
           sscanf(id, "shardId-00000001790000000000-%zx", shard) == 1 && *shard < model->shards;
}

static void get_iterator(const struct model *model, const char *body, struct answer *answer)
{
    char type[32], number[32];
    size_t shard;
    uint64_t place = 0;
    if (!shard_of(body, "ShardId", model, &shard) ||
        !member(body, "ShardIteratorType", type, sizeof type)) {
        refuse(answer, "ValidationException");
        return;
    }
    if (strcmp(type, "LATEST") == 0)
        place = available(model, shard);
    if (strstr(type, "SEQUENCE_NUMBER") && member(body, "SequenceNumber", number, sizeof number) &&
        strlen(number) == 21)
        place = strtoull(number + 6, NULL, 10) + (strncmp(type, "AFTER", 5) == 0);
    put(answer, "{", 1);
    put_iterator(answer, "ShardIterator", shard, place);
    put(answer, "}", 1);
}

static void put_range(const struct model *model, size_t shard, struct answer *answer)
{
    char number[22] = {0};
    sequence(number, shard, 0);
    print(answer, ",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"%s\"", number);
    if (model->closed) {
        sequence(number, shard, model->records);
        print(answer, ",\"EndingSequenceNumber\":\"%s\"", number);
    }
    put(answer, "}", 1);
}

static void describe_stream(const struct model *model, const char *body, struct answer *answer)
{
    size_t from = 0, shown = 0, after;
    if (strstr(body, "CHILD_SHARDS"))
        from = model->shards; /* there are none */
    else if (shard_of(body, "ExclusiveStartShardId", model, &after))
        from = after + 1;
    print(answer,
          "{\"StreamDescription\":{\"StreamArn\":\"" STREAM_ARN "\",\"StreamLabel\":\"" LABEL
          "\",\"StreamStatus\":\"ENABLED\",\"StreamViewType\":\"NEW_AND_OLD_IMAGES\","
          "\"TableName\":\"Products\",\"KeySchema\":[{\"AttributeName\":\"product_id\","
          "\"KeyType\":\"HASH\"}],\"Shards\":[");
    for (; from < model->shards && shown < LIST_SHARDS; from++, shown++) {
        put(answer, shown ? ",{" : "{", shown ? 2 : 1);
        put_shard_id(answer, from);
        put_range(model, from, answer);
        put(answer, "}", 1);
    }
    put(answer, "]", 1);
    if (shown && from < model->shards)
        print(answer, ",\"LastEvaluatedShardId\":\"shardId-00000001790000000000-%08zx\"", from - 1);
    put(answer, "}}", 2);
}

void model_answer(const struct model *model, const char *target, const char *body,
                  struct answer *answer)
{
    answer->len = 0;
    answer->records = 0;
    answer->status = 200;
    if (strcmp(target, "GetRecords") == 0)
        get_records(model, body, answer);
    else if (strcmp(target, "GetShardIterator") == 0)
        get_iterator(model, body, answer);
    else if (strcmp(target, "DescribeStream") == 0)
        describe_stream(model, body, answer);
    else if (strcmp(target, "DescribeTable") == 0)
        print(answer, "{\"Table\":{\"TableName\":\"Products\",\"TableStatus\":\"ACTIVE\","
                      "\"TableArn\":\"" TABLE_ARN "\",\"LatestStreamArn\":\"" STREAM_ARN
                      "\",\"LatestStreamLabel\":\"" LABEL
                      "\",\"StreamSpecification\":{\"StreamEnabled\":true,"
                      "\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"}}}");
    else if (strcmp(target, "ListStreams") == 0)
        print(answer, "{\"Streams\":[{\"StreamArn\":\"" STREAM_ARN
                      "\",\"TableName\":\"Products\",\"StreamLabel\":\"" LABEL "\"}]}");
    else
        refuse(answer, "UnknownOperationException");
}
