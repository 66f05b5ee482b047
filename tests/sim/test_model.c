/* The model of DynamoDB Streams does what SEMANTICS says the service does. */
#include "streams_model.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START 1767225600000LL /* unix ms */

struct bench {
    struct streams_model model;
    struct model_answer answer;
    char body[1 << 17];
    size_t stream;
    int64_t now_ms;
};

static void begin(struct bench *bench, unsigned partitions)
{
    memset(bench, 0, sizeof *bench);
    streams_model_init(&bench->model);
    bench->now_ms = START;
    bench->stream = streams_model_create(&bench->model, "Products", partitions, START);
}

static void end(struct bench *bench)
{
    streams_model_done(&bench->model);
}

static struct model_stream *stream_of(struct bench *bench)
{
    return &bench->model.streams[bench->stream];
}

static const char *ask(struct bench *bench, const char *target, const char *request)
{
    size_t len = 0;
    streams_model_answer(&bench->model, target, request, strlen(request), bench->now_ms,
                         &bench->answer);
    for (size_t i = 0; i < bench->answer.piece_count; i++) {
        CHECK_FATAL(len + bench->answer.pieces[i].len < sizeof bench->body);
        memcpy(bench->body + len, bench->answer.pieces[i].ptr, bench->answer.pieces[i].len);
        len += bench->answer.pieces[i].len;
    }
    CHECK_INT(len, bench->answer.bytes);
    bench->body[len] = '\0';
    return bench->body;
}

/* The text of "name":"..." in the last answer; "" = none. In static memory. */
static const char *said(struct bench *bench, const char *name)
{
    static char text[8][600];
    static unsigned turn;
    char pattern[64], *out = text[turn++ % 8];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
    const char *at = strstr(bench->body, pattern);
    out[0] = '\0';
    if (at) {
        at += strlen(pattern);
        snprintf(out, 600, "%.*s", (int)strcspn(at, "\""), at);
    }
    return out;
}

static const char *iterator(struct bench *bench, size_t shard, const char *type, const char *more)
{
    char request[1024];
    snprintf(request, sizeof request,
             "{\"StreamArn\":\"%s\",\"ShardId\":\"%s\",\"ShardIteratorType\":\"%s\"%s}",
             stream_of(bench)->arn, stream_of(bench)->shards[shard].id, type, more);
    ask(bench, MODEL_STREAMS "GetShardIterator", request);
    return said(bench, "ShardIterator");
}

static size_t get(struct bench *bench, const char *token, int limit)
{
    char request[1024];
    snprintf(request, sizeof request, "{ \"ShardIterator\" : \"%s\", \"Limit\":%d}", token, limit);
    ask(bench, MODEL_STREAMS "GetRecords", request);
    return bench->answer.record_count;
}

static size_t put(struct bench *bench, uint32_t item)
{
    return streams_model_write(&bench->model, bench->stream, &(struct model_write){.item = item},
                               bench->now_ms);
}

static const char *sequence(struct bench *bench, size_t shard, size_t record)
{
    static char text[MODEL_SEQUENCE_ROOM];
    streams_model_sequence(&bench->model, &stream_of(bench)->shards[shard].records[record], text);
    return text;
}

static const char *describe(struct bench *bench, const char *more)
{
    char request[1024];
    snprintf(request, sizeof request, "{\"StreamArn\":\"%s\"%s}", stream_of(bench)->arn, more);
    return ask(bench, MODEL_STREAMS "DescribeStream", request);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        count++;
    return count;
}

static void pages_follow_one_another(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    begin(bench, 1);
    for (unsigned i = 0; i < 25; i++)
        put(bench, i % 3);
    const char *token = iterator(bench, 0, "TRIM_HORIZON", "");
    CHECK_INT(get(bench, token, 10), 10);
    CHECK(strstr(bench->body, sequence(bench, 0, 0)) != NULL);
    CHECK_INT(count_of(bench->body, "\"eventName\":\"INSERT\""), 3);
    CHECK_INT(count_of(bench->body, "\"eventName\":\"MODIFY\""), 7);
    token = said(bench, "NextShardIterator");
    CHECK_INT(get(bench, token, 10), 10);
    CHECK_INT(get(bench, token, 10), 10); /* the same iterator gives the same page */
    CHECK_INT(get(bench, said(bench, "NextShardIterator"), 10), 5);
    CHECK_INT(get(bench, said(bench, "NextShardIterator"), 10), 0);
    put(bench, 1);
    CHECK_INT(get(bench, said(bench, "NextShardIterator"), 10), 1);
    end(bench);
    free(bench);
}

static void sequence_numbers_place_iterators(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    char more[128];
    begin(bench, 1);
    for (unsigned i = 0; i < 10; i++) {
        bench->model.digits = (uint8_t)(21 + i * 2);
        bench->model.number_step = 5;
        put(bench, i);
    }
    CHECK_INT(strlen(sequence(bench, 0, 9)), 39);
    snprintf(more, sizeof more, ",\"SequenceNumber\":\"%s\"", sequence(bench, 0, 3));
    CHECK_INT(get(bench, iterator(bench, 0, "AFTER_SEQUENCE_NUMBER", more), 100), 6);
    CHECK_INT(get(bench, iterator(bench, 0, "AT_SEQUENCE_NUMBER", more), 100), 7);
    CHECK_INT(get(bench, iterator(bench, 0, "LATEST", ""), 100), 0);
    iterator(bench, 0, "AFTER_SEQUENCE_NUMBER", "");
    CHECK_STR(bench->answer.error, "ValidationException");
    iterator(bench, 0, "AFTER_SEQUENCE_NUMBER", ",\"SequenceNumber\":\"100000000000000000001\"");
    CHECK_STR(bench->answer.error, "ValidationException");
    iterator(bench, 0, "BEGINNING", "");
    CHECK_STR(bench->answer.error, "ValidationException");
    end(bench);
    free(bench);
}

static void time_places_iterators(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    begin(bench, 1);
    for (unsigned i = 0; i < 10; i++, bench->now_ms += 1000)
        put(bench, i);
    CHECK_INT(get(bench, iterator(bench, 0, "AT_TIMESTAMP", ",\"Timestamp\":1767225604"), 100), 6);
    CHECK_INT(get(bench, iterator(bench, 0, "AT_TIMESTAMP", ",\"Timestamp\":5"), 100), 10);
    iterator(bench, 0, "AT_TIMESTAMP", ",\"Timestamp\":1767225700.5");
    CHECK_STR(bench->answer.error, "ValidationException"); /* in the future */
    bench->model.no_timestamp = true;
    iterator(bench, 0, "AT_TIMESTAMP", ",\"Timestamp\":1767225604");
    CHECK_STR(bench->answer.error, "ValidationException");
    end(bench);
    free(bench);
}

static void iterators_and_records_grow_old(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    char more[128];
    begin(bench, 1);
    for (unsigned i = 0; i < 10; i++, bench->now_ms += 3600000)
        put(bench, i);
    const char *token = iterator(bench, 0, "TRIM_HORIZON", "");
    bench->now_ms += 900000;
    CHECK_INT(get(bench, token, 100), 10);
    bench->now_ms += 1;
    get(bench, token, 100);
    CHECK_STR(bench->answer.error, "ExpiredIteratorException");
    snprintf(more, sizeof more, ",\"SequenceNumber\":\"%s\"", sequence(bench, 0, 2));
    token = iterator(bench, 0, "TRIM_HORIZON", "");
    bench->now_ms = START + 28 * 3600000LL + 1;
    iterator(bench, 0, "AFTER_SEQUENCE_NUMBER", more);
    CHECK_STR(bench->answer.error, "TrimmedDataAccessException");
    bench->model.iterator_ms = 1LL << 40;
    get(bench, token, 100);
    CHECK_STR(bench->answer.error, "TrimmedDataAccessException");
    CHECK_INT(get(bench, iterator(bench, 0, "TRIM_HORIZON", ""), 100), 5);
    CHECK_INT(stream_of(bench)->shards[0].trimmed_told, 2);
    end(bench);
    free(bench);
}

static void a_closed_shard_ends_with_its_last_page(void)
{
    static const struct {
        enum model_end end;
        const char *written; /* NULL: not at all */
    } rows[] = {{MODEL_END_NULL, "\"NextShardIterator\":null"},
                {MODEL_END_EMPTY, "\"NextShardIterator\":\"\""},
                {MODEL_END_ABSENT, NULL}};
    for (size_t i = 0; i < 3; i++) {
        struct bench *bench = calloc(1, sizeof *bench);
        begin(bench, 1);
        bench->model.end = rows[i].end;
        for (unsigned k = 0; k < 5; k++)
            put(bench, k);
        size_t child = streams_model_close(&bench->model, bench->stream, 0, 2, bench->now_ms + 1);
        CHECK_INT(get(bench, iterator(bench, 0, "TRIM_HORIZON", ""), 100), 5);
        CHECK(rows[i].written ? strstr(bench->body, rows[i].written) != NULL
                              : strstr(bench->body, "NextShardIterator") == NULL);
        bench->model.end_late = true;
        CHECK_INT(get(bench, iterator(bench, 0, "TRIM_HORIZON", ""), 100), 5);
        CHECK_INT(get(bench, said(bench, "NextShardIterator"), 100), 0);
        CHECK_STR(said(bench, "NextShardIterator"), "");
        CHECK_INT(child, 1);
        for (unsigned k = 0; k < 50; k++)
            CHECK(put(bench, k) >= child); /* both children take what was its */
        CHECK(stream_of(bench)->shards[1].count > 0 && stream_of(bench)->shards[2].count > 0);
        end(bench);
        free(bench);
    }
}

static void empty_pages_move_on(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    begin(bench, 1);
    put(bench, 1);
    bench->model.empty_pages = 500;
    const char *token = iterator(bench, 0, "TRIM_HORIZON", "");
    for (unsigned i = 0; i < 500; i++) {
        CHECK_INT(get(bench, token, 100), 0);
        CHECK(strcmp(token, said(bench, "NextShardIterator")) != 0);
        token = said(bench, "NextShardIterator");
    }
    CHECK_INT(get(bench, token, 100), 1);
    end(bench);
    free(bench);
}

static void lists_come_in_pages(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    char more[128] = "";
    size_t shards = 0, pages = 0;
    begin(bench, 250);
    bench->model.describe_empty_at = 2;
    bench->model.trailing_cursor = true;
    do {
        shards += count_of(describe(bench, more), "\"ShardId\"");
        snprintf(more, sizeof more, ",\"ExclusiveStartShardId\":\"%s\"",
                 said(bench, "LastEvaluatedShardId"));
        pages++;
    } while (said(bench, "LastEvaluatedShardId")[0]);
    CHECK_INT(shards, 250);
    CHECK_INT(pages, 5); /* 100, none, 100, 50, none */
    bench->model.describe_empty_at = 0;
    bench->model.repeat_cursor = 1;
    describe(bench, "");
    snprintf(more, sizeof more, ",\"ExclusiveStartShardId\":\"%s\"",
             said(bench, "LastEvaluatedShardId"));
    describe(bench, more);
    CHECK(strstr(more, said(bench, "LastEvaluatedShardId")) != NULL);
    describe(bench, more);
    CHECK(strstr(more, said(bench, "LastEvaluatedShardId")) == NULL);
    end(bench);
    free(bench);
}

static void children_are_listed_as_told(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    char more[128];
    begin(bench, 3);
    size_t child = streams_model_close(&bench->model, bench->stream, 1, 2, bench->now_ms);
    struct model_shard *shards = stream_of(bench)->shards;
    shards[1].end_listed_ms = bench->now_ms + 1000;
    shards[child + 1].listed_ms = bench->now_ms + 500;
    snprintf(more, sizeof more, ",\"ShardFilter\":{\"Type\":\"CHILD_SHARDS\",\"ShardId\":\"%s\"}",
             shards[1].id);
    CHECK_INT(count_of(describe(bench, more), "\"ShardId\""), 1);
    CHECK_INT(count_of(describe(bench, ""), "Ending"), 0);
    bench->now_ms += 1000;
    CHECK_INT(count_of(describe(bench, more), "\"ParentShardId\""), 2);
    CHECK_INT(count_of(describe(bench, ""), "Ending"), 1);
    CHECK_INT(count_of(bench->body, "\"ShardId\""), 5);
    bench->model.filter = MODEL_FILTER_IGNORED;
    CHECK_INT(count_of(describe(bench, more), "\"ShardId\""), 5);
    bench->model.filter = MODEL_FILTER_PARENT;
    CHECK_INT(count_of(describe(bench, more), "\"ShardId\""), 1);
    CHECK_STR(said(bench, "ShardId"), shards[1].id);
    bench->model.filter = MODEL_FILTER_REFUSED;
    describe(bench, more);
    CHECK_STR(bench->answer.error, "ValidationException");
    bench->now_ms += 86400000;
    CHECK_INT(count_of(describe(bench, ""), "\"ShardId\""), 4); /* the closed one is gone ... */
    CHECK_INT(count_of(bench->body, shards[1].id), 2); /* ... and still named as a parent */
    iterator(bench, 1, "TRIM_HORIZON", "");
    CHECK_STR(bench->answer.error, "ResourceNotFoundException");
    end(bench);
    free(bench);
}

static void streams_are_disabled_and_made_anew(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    begin(bench, 2);
    put(bench, 1);
    ask(bench, MODEL_TABLES "DescribeTable", "{\"TableName\":\"Products\"}");
    CHECK_STR(said(bench, "LatestStreamArn"), stream_of(bench)->arn);
    CHECK_STR(stream_of(bench)->label, "2026-01-01T00:00:00.000");
    streams_model_disable(&bench->model, bench->stream, bench->now_ms);
    CHECK_INT(count_of(describe(bench, ""), "Ending"), 2);
    CHECK_STR(said(bench, "StreamStatus"), "DISABLED");
    CHECK(put(bench, 1) == SIZE_MAX);
    bench->now_ms += 5000;
    size_t second = streams_model_create(&bench->model, "Products", 1, bench->now_ms);
    ask(bench, MODEL_TABLES "DescribeTable", "{\"TableName\":\"Products\"}");
    CHECK_STR(said(bench, "LatestStreamArn"), bench->model.streams[second].arn);
    CHECK_STR(said(bench, "StreamViewType"), "NEW_AND_OLD_IMAGES");
    ask(bench, MODEL_STREAMS "ListStreams", "{\"TableName\":\"Products\"}");
    CHECK_INT(count_of(bench->body, "StreamArn"), 2);
    bench->now_ms += 86400001;
    describe(bench, "");
    CHECK_STR(bench->answer.error, "ResourceNotFoundException");
    streams_model_delete(&bench->model, second);
    ask(bench, MODEL_TABLES "DescribeTable", "{\"TableName\":\"Products\"}");
    CHECK_INT(bench->answer.status, 200);
    CHECK_STR(said(bench, "LatestStreamArn"), "");
    ask(bench, MODEL_TABLES "DescribeTable", "{\"TableName\":\"Other\"}");
    CHECK_STR(bench->answer.error, "ResourceNotFoundException");
    end(bench);
    free(bench);
}

static const char *throttle(void *ctx, const struct model_call *call)
{
    unsigned *left = ctx;
    CHECK_INT(call->shard, 0);
    return call->kind == MODEL_RECORDS && *left && (*left)-- ? "LimitExceededException" : NULL;
}

static void faults_take_the_place_of_answers(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    unsigned left = 1;
    begin(bench, 1);
    put(bench, 1);
    bench->model.fault = throttle;
    bench->model.ctx = &left;
    const char *token = iterator(bench, 0, "TRIM_HORIZON", "");
    CHECK_INT(get(bench, token, 10), 0);
    CHECK_INT(bench->answer.status, 400);
    CHECK_STR(said(bench, "__type"), "com.amazonaws.dynamodb.v20120810#LimitExceededException");
    CHECK_INT(get(bench, token, 10), 1);
    bench->model.fault = NULL;
    CHECK_INT(get(bench, "nonsense", 10), 0);
    CHECK_STR(bench->answer.error, "ValidationException");
    CHECK_INT(get(bench, token, 1001), 0);
    CHECK_STR(bench->answer.error, "ValidationException");
    end(bench);
    free(bench);
}

static void pages_have_a_size(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    begin(bench, 1);
    bench->model.page_bytes = 5000;
    for (unsigned i = 0; i < 10; i++)
        streams_model_write(&bench->model, 0, &(struct model_write){.item = i, .padding = 1500},
                            bench->now_ms);
    CHECK_INT(get(bench, iterator(bench, 0, "TRIM_HORIZON", ""), 1000), 2);
    bench->model.page_bytes = 1;
    CHECK_INT(get(bench, said(bench, "NextShardIterator"), 1000), 1);
    end(bench);
    free(bench);
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(pages_follow_one_another),
        TEST(sequence_numbers_place_iterators),
        TEST(time_places_iterators),
        TEST(iterators_and_records_grow_old),
        TEST(a_closed_shard_ends_with_its_last_page),
        TEST(empty_pages_move_on),
        TEST(lists_come_in_pages),
        TEST(children_are_listed_as_told),
        TEST(streams_are_disabled_and_made_anew),
        TEST(faults_take_the_place_of_answers),
        TEST(pages_have_a_size),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "streams_model", tests);
}
