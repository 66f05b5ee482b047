#include "source/streams_api.h"

#include "unit.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ARN          "arn:aws:dynamodb:eu-west-1:123456789012:table/Products/stream/2026-11-23T01:02:03.004"

/* ---- errors ---- */

static void faults_are_told_apart(void)
{
    static const struct {
        enum aws_outcome outcome;
        const char *type;
        enum streams_fault fault;
    } rows[] = {
        {AWS_OK, "", STREAMS_OK},
        {AWS_THROTTLED, "LimitExceededException", STREAMS_THROTTLED},
        {AWS_ERROR, "com.amazonaws.dynamodb.v20120810#LimitExceededException", STREAMS_THROTTLED},
        {AWS_ERROR, "ThrottlingException", STREAMS_THROTTLED},
        {AWS_ERROR, "ProvisionedThroughputExceededException", STREAMS_THROTTLED},
        {AWS_ERROR, "RequestLimitExceeded:http://internal.amazon.com/", STREAMS_THROTTLED},
        {AWS_ERROR, "ExpiredIteratorException", STREAMS_EXPIRED},
        {AWS_INVALID, "x.y#ExpiredIteratorException", STREAMS_EXPIRED},
        {AWS_ERROR, "TrimmedDataAccessException", STREAMS_TRIMMED},
        {AWS_MISSING, "ResourceNotFoundException", STREAMS_NOT_FOUND},
        {AWS_ERROR, "a#ResourceNotFoundException", STREAMS_NOT_FOUND},
        {AWS_DENIED, "AccessDeniedException", STREAMS_DENIED},
        {AWS_DENIED, "NoCredentials", STREAMS_DENIED},
        {AWS_INVALID, "ValidationException", STREAMS_INVALID},
        {AWS_ERROR, "SomethingNewException", STREAMS_INVALID},
        {AWS_CONDITION, "ConditionalCheckFailedException", STREAMS_INVALID},
        {AWS_UNAVAILABLE, "InternalServerError", STREAMS_UNAVAILABLE},
        {AWS_UNAVAILABLE, "NoConnection", STREAMS_UNAVAILABLE},
        {AWS_AMBIGUOUS, "Timeout", STREAMS_UNAVAILABLE},
        {AWS_ABORTED, "Aborted", STREAMS_ABORTED},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        CHECK_INT(streams_fault_of(rows[i].outcome, str_of(rows[i].type)), rows[i].fault);
}

/* ---- bodies ---- */

static void bodies_are_as_the_service_wants_them(void)
{
    struct buf out;
    buf_init(&out, 4096);
    CHECK_INT(streams_body_list(&out, STR_NONE, STR_NONE), 0);
    buf_putc(&out, '\n');
    CHECK_INT(streams_body_list(&out, STR("T"), STR("a")), 0);
    buf_putc(&out, '\n');
    CHECK_INT(streams_body_list(&out, STR_NONE, STR("a")), 0);
    buf_putc(&out, '\n');
    CHECK_INT(streams_body_describe(&out, STR("a"), STR_NONE, STR_NONE), 0);
    buf_putc(&out, '\n');
    CHECK_INT(streams_body_describe(&out, STR("a"), STR("s"), STR("p\"")), 0);
    buf_putc(&out, '\n');
    CHECK_INT(streams_body_records(&out, STR("i\n\"\xff"), 1000), 0);
    CHECK_STR(buf_cstr(&out), "{}\n"
                              "{\"TableName\":\"T\",\"ExclusiveStartStreamArn\":\"a\"}\n"
                              "{\"ExclusiveStartStreamArn\":\"a\"}\n"
                              "{\"StreamArn\":\"a\"}\n"
                              "{\"StreamArn\":\"a\",\"ExclusiveStartShardId\":\"s\","
                              "\"ShardFilter\":{\"Type\":\"CHILD_SHARDS\",\"ShardId\":\"p\\\"\"}}\n"
                              "{\"ShardIterator\":\"i\\n\\\"\\ufffd\",\"Limit\":1000}");
    buf_done(&out);
}

static void an_iterator_is_asked_for_by_number_or_time(void)
{
    struct buf out;
    buf_init(&out, 4096);
    streams_body_iterator(&out, STR("a"), STR("s"), "TRIM_HORIZON", STR("1"), 5);
    streams_body_iterator(&out, STR("a"), STR("s"), "AFTER_SEQUENCE_NUMBER", STR("17"), 5);
    CHECK_INT(
        streams_body_iterator(&out, STR("a"), STR("s"), "AT_TIMESTAMP", STR("1"), 1767225600009999),
        0);
    CHECK_STR(buf_cstr(&out),
              "{\"StreamArn\":\"a\",\"ShardId\":\"s\",\"ShardIteratorType\":\"TRIM_HORIZON\"}"
              "{\"StreamArn\":\"a\",\"ShardId\":\"s\",\"ShardIteratorType\":"
              "\"AFTER_SEQUENCE_NUMBER\",\"SequenceNumber\":\"17\"}"
              "{\"StreamArn\":\"a\",\"ShardId\":\"s\",\"ShardIteratorType\":\"AT_TIMESTAMP\","
              "\"Timestamp\":1767225600.009}");
    buf_done(&out);
    buf_init(&out, 16);
    CHECK_INT(streams_body_describe(&out, STR(ARN), STR_NONE, STR_NONE), -ENOMEM);
    buf_done(&out);
}

/* ---- answers ---- */

static const char describe_answer[] =
    "{\"StreamDescription\":{\"StreamArn\":\"" ARN "\",\"StreamLabel\":\"2026\","
    "\"StreamStatus\":\"ENABLED\",\"StreamViewType\":\"NEW_AND_OLD_IMAGES\",\"TableName\":"
    "\"Products\",\"New\":[1,{}],\"KeySchema\":[{\"AttributeName\":\"id\"}],\"Shards\":["
    "{\"ShardId\":\"shardId-00000001767225600000-aaaa\",\"SequenceNumberRange\":"
    "{\"StartingSequenceNumber\":\"100\",\"EndingSequenceNumber\":\"200\"}},"
    "{\"ShardId\":\"shardId-00000001767229200000-bbbb\",\"ParentShardId\":"
    "\"shardId-00000001767225600000-aaaa\",\"SequenceNumberRange\":"
    "{\"StartingSequenceNumber\":\"300\",\"EndingSequenceNumber\":null}}],"
    "\"LastEvaluatedShardId\":\"shardId-00000001767229200000-bbbb\"}} \n";

static void a_description_is_read(void)
{
    struct stream_page page;
    struct arena arena;
    struct err err;
    arena_init(&arena, 1024);

    CHECK_INT(streams_parse_describe(str_of(describe_answer), &arena, &page, &err), 0);

    CHECK(str_is(page.arn, ARN));
    CHECK(str_is(page.table, "Products"));
    CHECK(str_is(page.status, "ENABLED"));
    CHECK(str_is(page.view_type, "NEW_AND_OLD_IMAGES"));
    CHECK(str_is(page.last_shard, "shardId-00000001767229200000-bbbb"));
    CHECK_INT(page.shard_count, 2);
    CHECK(str_is(page.shards[0].id, "shardId-00000001767225600000-aaaa"));
    CHECK_INT(page.shards[0].parent.len, 0);
    CHECK(str_is(page.shards[0].first_sequence, "100"));
    CHECK(str_is(page.shards[0].last_sequence, "200"));
    CHECK(str_eq(page.shards[1].parent, page.shards[0].id));
    CHECK_INT(page.shards[1].last_sequence.len, 0);
    arena_done(&arena);
}

static void F10_a_disabled_stream_without_shards_is_an_answer(void)
{
    struct stream_page page;
    struct arena arena;
    arena_init(&arena, 256);
    CHECK_INT(streams_parse_describe(STR("{\"StreamDescription\":{\"StreamArn\":\"a\","
                                         "\"StreamStatus\":\"DISABLED\"}}"),
                                     &arena, &page, NULL),
              0);
    CHECK(str_is(page.status, "DISABLED"));
    CHECK_INT(page.shard_count, 0);
    arena_done(&arena);
}

static void lists_tables_and_iterators_are_read(void)
{
    struct arena arena;
    struct stream_name *names = NULL;
    size_t count = 0;
    weir_str last, arn, view, iterator;
    bool enabled = false;
    arena_init(&arena, 256);
    CHECK_INT(streams_parse_list(STR("{\"Streams\":[{\"StreamArn\":\"a\",\"TableName\":\"T\","
                                     "\"StreamLabel\":\"l\"},{\"StreamArn\":\"b\"}],"
                                     "\"LastEvaluatedStreamArn\":\"b\"}"),
                                 &arena, &names, &count, &last, NULL),
              0);
    CHECK_INT(count, 2);
    CHECK(str_is(names[0].arn, "a") && str_is(names[0].table, "T") && str_is(names[0].label, "l"));
    CHECK(str_is(names[1].arn, "b") && names[1].table.len == 0);
    CHECK(str_is(last, "b"));
    CHECK_INT(streams_parse_list(STR("{}"), &arena, &names, &count, &last, NULL), 0);
    CHECK_INT(count, 0);
    CHECK_INT(last.len, 0);
    CHECK_INT(streams_parse_table(STR("{\"Table\":{\"LatestStreamArn\":\"a\","
                                      "\"StreamSpecification\":{\"StreamEnabled\":true,"
                                      "\"StreamViewType\":\"NEW_IMAGE\"}}}"),
                                  &arena, &arn, &enabled, &view, NULL),
              0);
    CHECK(str_is(arn, "a") && enabled && str_is(view, "NEW_IMAGE"));
    CHECK_INT(streams_parse_table(STR("{\"Table\":{}}"), &arena, &arn, &enabled, &view, NULL), 0);
    CHECK(arn.len == 0 && !enabled && view.len == 0);
    CHECK_INT(
        streams_parse_iterator(STR("{\"ShardIterator\":\"x\\u0041\"}"), &arena, &iterator, NULL),
        0);
    CHECK(str_is(iterator, "xA"));
    arena_done(&arena);
}

/* What a broken or hostile server may send: each is refused, with the reason, and writes nothing.
 */
static void F82_answers_of_other_types_are_refused(void)
{
    static const char *const rows[] = {
        "",
        " ",
        "null",
        "[]",
        "{",
        "{}",
        "{}}",
        "{} x",
        "\"StreamDescription\"",
        "{\"StreamDescription\":7}",
        "{\"StreamDescription\":[]}",
        "{\"StreamDescription\":null}",
        "{\"streamdescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"ENABLED\"}}",
        "{\"StreamDescription\":{\"StreamStatus\":\"ENABLED\"}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\"}}",
        "{\"StreamDescription\":{\"StreamArn\":\"\",\"StreamStatus\":\"ENABLED\"}}",
        "{\"StreamDescription\":{\"StreamArn\":7,\"StreamStatus\":\"ENABLED\"}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\\u0000b\",\"StreamStatus\":\"ENABLED\"}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":{}}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"E\",\"Shards\":{}}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"E\",\"Shards\":[7]}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"E\",\"Shards\":[{}]}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"E\",\"Shards\":[null]}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"E\",\"Shards\":"
        "[{\"ShardId\":{}}]}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"E\",\"Shards\":"
        "[{\"ShardId\":\"s\",\"ParentShardId\":1}]}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"E\",\"Shards\":"
        "[{\"ShardId\":\"s\",\"SequenceNumberRange\":[]}]}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"E\",\"Shards\":"
        "[{\"ShardId\":\"s\",\"SequenceNumberRange\":{\"EndingSequenceNumber\":5}}]}}",
        "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"E\","
        "\"LastEvaluatedShardId\":true}}",
    };
    struct arena arena;
    arena_init(&arena, 256);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct stream_page page = {.shard_count = 99};
        struct stream_name *names = NULL;
        size_t count = 99;
        bool enabled = true;
        weir_str a = STR("kept"), b = STR("kept");
        struct err err = {0};
        CHECK_INT(streams_parse_describe(str_of(rows[i]), &arena, &page, &err), -EBADMSG);
        CHECK(err.msg[0] != '\0');
        CHECK_INT(page.shard_count, 99);
        CHECK_INT(streams_parse_table(str_of(rows[i]), &arena, &a, &enabled, &b, &err), -EBADMSG);
        CHECK_INT(streams_parse_iterator(str_of(rows[i]), &arena, &a, &err), -EBADMSG);
        CHECK(str_is(a, "kept") && str_is(b, "kept") && enabled);
        if (streams_parse_list(str_of(rows[i]), &arena, &names, &count, &a, &err) < 0)
            CHECK_INT(count, 99);
    }
    arena_done(&arena);
}

static void F81_huge_answers_are_linear_and_bounded(void)
{
    struct arena arena;
    struct stream_page page;
    struct buf answer;
    struct err err = {0};
    arena_init(&arena, 4096);
    buf_init(&answer, 8 << 20);
    buf_puts(&answer, "{\"StreamDescription\":{\"StreamArn\":\"a\",\"StreamStatus\":\"ENABLED\","
                      "\"Shards\":[{\"ShardId\":\"s0\"}");
    for (int i = 1; i < 20000; i++)
        buf_printf(&answer, ",{\"ShardId\":\"s%d\",\"ParentShardId\":\"s%d\"}", i, i - 1);
    buf_puts(&answer, "]}}");
    CHECK_INT(streams_parse_describe(buf_str(&answer), &arena, &page, &err), 0);
    CHECK_INT(page.shard_count, 20000);
    CHECK(str_is(page.shards[19999].parent, "s19998"));

    buf_reset(&answer);
    buf_puts(&answer, "{\"ShardIterator\":\"");
    for (int i = 0; i < 20000; i++)
        buf_putc(&answer, 'x');
    buf_puts(&answer, "\"}");
    weir_str iterator;
    CHECK_INT(streams_parse_iterator(buf_str(&answer), &arena, &iterator, &err), -EBADMSG);
    CHECK_STR(err.msg, "ShardIterator in the answer has 20000 bytes");
    buf_done(&answer);
    arena_done(&arena);
}

/* Every prefix of a good answer, and the answer with one byte changed: never a crash, and what is
 * taken is a whole answer. */
static void F49_cut_and_damaged_answers_are_refused_or_whole(void)
{
    size_t len = strlen(describe_answer) - 2; /* without the white space behind it */
    struct arena arena;
    struct stream_page page;
    char text[sizeof describe_answer];
    arena_init(&arena, 4096);
    for (size_t i = 0; i < len; i++)
        CHECK_INT(streams_parse_describe((weir_str){describe_answer, i}, &arena, &page, NULL),
                  -EBADMSG);
    for (size_t i = 0; i < len * 256; i++) {
        memcpy(text, describe_answer, sizeof text);
        text[i / 256] = (char)(i % 256);
        int rc = streams_parse_describe((weir_str){text, len}, &arena, &page, NULL);
        if (rc == 0 && page.shard_count > 0)
            CHECK(page.shards[0].id.len > 0);
        arena_reset(&arena);
    }
    arena_done(&arena);
}

static void F72_memory_that_runs_out_is_told(void)
{
    struct arena arena;
    int rc = -ENOMEM;
    uint64_t n = 0;
    while (rc == -ENOMEM) {
        struct stream_page page = {.shard_count = 99};
        arena_init(&arena, 64);
        mem_fail_at(++n);
        rc = streams_parse_describe(str_of(describe_answer), &arena, &page, NULL);
        mem_fail_at(0);
        CHECK_INT(page.shard_count, rc == 0 ? 2 : 99);
        arena_done(&arena);
    }
    CHECK_INT(rc, 0);
    CHECK(n > 1);
}

/* ---- names ---- */

static void arns_are_taken_apart(void)
{
    static const char *const bad[] = {
        "",
        "arn",
        "arn:aws:dynamodb:eu-west-1:1:table/T",
        "arn:aws:dynamodb:eu-west-1:1:table/T/stream/",
        "arn:aws:dynamodb:eu-west-1:1:table/T/stream/a/b",
        "arn:aws:dynamodb:eu-west-1:1:table//stream/a",
        "arn:aws:dynamodb::1:table/T/stream/a",
        "arn:aws:kinesis:eu-west-1:1:stream/T",
        "arn:aws:dynamodb:eu-west-1:1:table/T/index/a",
        "xarn:aws:dynamodb:eu-west-1:1:table/T/stream/a",
    };
    weir_str region, table, label;
    CHECK(streams_arn_parts(STR(ARN), &region, &table, &label));
    CHECK(str_is(region, "eu-west-1"));
    CHECK(str_is(table, "Products"));
    CHECK(str_is(label, "2026-11-23T01:02:03.004"));
    CHECK(streams_arn_parts(STR("arn:aws-cn:dynamodb:cn-north-1:1:table/a.b_c-d/stream/x"), &region,
                            &table, &label));
    CHECK(str_is(table, "a.b_c-d"));
    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK(!streams_arn_parts(str_of(bad[i]), &region, &table, &label));
    CHECK(str_is(streams_region(STR(ARN)), "eu-west-1"));
    CHECK_INT(streams_region(STR("arn:aws:dynamodb:ddblocal:0:table/T/stream/x")).len, 0);
    CHECK_INT(streams_region(STR("no arn")).len, 0);
}

static void shard_ids_tell_their_time(void)
{
    static const struct {
        const char *id;
        int64_t ms;
    } rows[] = {
        {"shardId-00000001767225600123-0a1b2c3d", 1767225600123},
        {"shardId-1-x", 1},
        {"shardId-00000001767225600123", 0},
        {"shardId--x", 0},
        {"shardId-", 0},
        {"", 0},
        {"shardId-99999999999999999999999999-x", 0},
        {"shardId-12a-x", 0},
        {"s-1-x", 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        CHECK_INT(streams_shard_ms(str_of(rows[i].id)), rows[i].ms);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"faults_are_told_apart", faults_are_told_apart},
        {"bodies_are_as_the_service_wants_them", bodies_are_as_the_service_wants_them},
        {"an_iterator_is_asked_for_by_number_or_time", an_iterator_is_asked_for_by_number_or_time},
        {"a_description_is_read", a_description_is_read},
        {"F10_a_disabled_stream_without_shards_is_an_answer",
         F10_a_disabled_stream_without_shards_is_an_answer},
        {"lists_tables_and_iterators_are_read", lists_tables_and_iterators_are_read},
        {"F82_answers_of_other_types_are_refused", F82_answers_of_other_types_are_refused},
        {"F81_huge_answers_are_linear_and_bounded", F81_huge_answers_are_linear_and_bounded},
        {"F49_cut_and_damaged_answers_are_refused_or_whole",
         F49_cut_and_damaged_answers_are_refused_or_whole},
        {"F72_memory_that_runs_out_is_told", F72_memory_that_runs_out_is_told},
        {"arns_are_taken_apart", arns_are_taken_apart},
        {"shard_ids_tell_their_time", shard_ids_tell_their_time},
        {0},
    };
    return unit_main(argc, argv, "source, streams api", tests);
}
