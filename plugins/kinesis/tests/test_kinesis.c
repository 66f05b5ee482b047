/* The kinesis sink: what is sent, and what each answer means for the records. */
#include "fakehost.h"
#include "unit.h"

#include "util/alloc.h"

#include <stdio.h>

#define STREAM "{\"stream\":\"prices\"}"

static struct fake fake;

static void open_with(const char *options)
{
    CHECK_INT(fake_open(&fake, fake_load("kinesis"), options), 0);
}

/* [...] with `count` MODIFYs, each of an item of its own, `padding` bytes larger. */
static char *records(size_t count, size_t padding)
{
    char *out = mem_alloc(count * (padding + 192) + 8);
    size_t len = 0;
    out[len++] = '[';
    for (size_t i = 0; i < count; i++) {
        len += (size_t)snprintf(out + len, 192,
                                "%s{\"eventID\":\"e%zu\",\"eventName\":\"MODIFY\",\"dynamodb\":{"
                                "\"Keys\":{\"id\":{\"S\":\"k%zu",
                                i ? "," : "", i, i);
        memset(out + len, 'x', padding);
        len += padding;
        len += (size_t)snprintf(out + len, 64, "\"}},\"SequenceNumber\":\"%zu\"}}", 1000 + i);
    }
    memcpy(out + len, "]", 2);
    return out;
}

static void a_record_is_data_and_a_partition_key_of_its_item(void)
{
    char *one = records(1, 0);
    open_with("{\"stream\":\"prices\",\"body\":\"plain\"}");
    fake_deliver(&fake, one);
    CHECK_STR(fake.calls[0].service, "kinesis");
    CHECK_STR(fake.calls[0].target, "Kinesis_20131202.PutRecords");
    CHECK_STR(fake.calls[0].json, "1.1");
    CHECK(strstr(fake.calls[0].body, "{\"StreamName\":\"prices\",\"Records\":[{\"Data\":\"ey") !=
          NULL);
    fake_answer(&fake, 0, WEIR_OK, 200,
                "{\"Records\":[{\"SequenceNumber\":\"1\",\"ShardId\":\"s\"}]}");
    fake_deliver(&fake, one); /* the same item, the same key */
    const char *first = strstr(fake.calls[0].body, "PartitionKey"),
               *second = strstr(fake.calls[1].body, "PartitionKey");
    CHECK_FATAL(first && second);
    CHECK_STR(first, second);
    CHECK_INT(strspn(first + strlen("PartitionKey\":\""), "0123456789abcdef"), 64);
    fake_answer(&fake, 1, WEIR_OK, 200, "{\"Records\":[{\"SequenceNumber\":\"2\"}]}");
    fake_close(&fake);
    mem_free(one);
}

static void an_arn_tells_the_region_and_the_permission(void)
{
    static const struct {
        const char *options, *region, *iam, *target;
    } rows[] = {
        {"{\"stream\":\"arn:aws:kinesis:eu-west-1:1:stream/p\"}", "eu-west-1",
         "kinesis:PutRecords arn:aws:kinesis:eu-west-1:1:stream/p",
         "stream arn:aws:kinesis:eu-west-1:1:stream/p"},
        {"{\"stream\":\"arn:aws:kinesis:eu-west-1:1:stream/p\",\"region\":\"us-east-1\"}",
         "us-east-1", "kinesis:PutRecords arn:aws:kinesis:eu-west-1:1:stream/p",
         "stream arn:aws:kinesis:eu-west-1:1:stream/p"},
        {STREAM, "", "kinesis:PutRecords arn:aws:kinesis:*:*:stream/prices", "stream prices"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *one = records(1, 0);
        open_with(rows[i].options);
        CHECK_STR(fake.declared[WEIR_D_IAM], rows[i].iam);
        CHECK_STR(fake.declared[WEIR_D_TARGET], rows[i].target);
        fake_deliver(&fake, one);
        CHECK_STR(fake.calls[0].region, rows[i].region);
        fake_answer(&fake, 0, WEIR_OK, 200, "{\"Records\":[{\"SequenceNumber\":\"1\"}]}");
        fake_close(&fake);
        mem_free(one);
    }
}

static size_t entries_of(const char *body)
{
    size_t count = 0;
    for (const char *at = body; (at = strstr(at, "\"PartitionKey\"")) != NULL; at++)
        count++;
    return count;
}

static void calls_hold_500_records_and_5_MiB(void)
{
    char *many = records(1200, 0), *large = records(12, 900 * 1024);
    open_with("{\"stream\":\"prices\",\"concurrency\":64}");
    fake_deliver(&fake, many);
    CHECK_INT(fake.call_count, 3);
    CHECK_INT(entries_of(fake.calls[0].body), 500);
    CHECK_INT(entries_of(fake.calls[2].body), 200);
    fake_answer_all(&fake, "{}");
    fake_deliver(&fake, large);
    CHECK_INT(fake.call_count, 6);
    CHECK_INT(entries_of(fake.calls[3].body), 5);
    fake_answer_all(&fake, "{}");
    fake_close(&fake);
    mem_free(many);
    mem_free(large);
}

static void F40_F47_records_are_judged_one_by_one(void)
{
    char *three = records(3, 0);
    open_with(STREAM);
    struct fake_delivery *delivery = fake_deliver(&fake, three);
    fake_answer(
        &fake, 0, WEIR_OK, 200,
        "{\"FailedRecordCount\":2,\"Records\":[{\"SequenceNumber\":\"1\",\"ShardId\":\"s\"},"
        "{\"ErrorCode\":\"ProvisionedThroughputExceededException\",\"ErrorMessage\":\"Rate\"},"
        "{\"ErrorCode\":\"InternalFailure\",\"ErrorMessage\":\"no\"}]}");
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    CHECK_INT(fake_outcome(delivery, 1), WEIR_RETRY);
    CHECK_STR(fake_reason(delivery, 1), "ProvisionedThroughputExceededException: Rate");
    CHECK_INT(fake_outcome(delivery, 2), WEIR_RETRY);
    fake_close(&fake);
    mem_free(three);
}

static void F40_F50_an_odd_answer_acknowledges_nothing(void)
{
    static const char *const answers[] = {
        "{}",
        "{\"Records\":[]}",
        "{\"Records\":{}}",
        "{\"Records\":[{\"SequenceNumber\":\"1\"}]}",
        "{\"Records\":[{},{}]}",
        "{\"Records\":[null,1]}",
        "{\"Records\":[{\"SequenceNumber\":\"1\"},{\"SequenceNumber\":\"2\"},{}]}",
    };
    char *two = records(2, 0);
    open_with(STREAM);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct fake_delivery *delivery = fake_deliver(&fake, two);
        fake_answer(&fake, i, WEIR_OK, 200, answers[i]);
        CHECK_INT(fake_outcomes(delivery, WEIR_RETRY), 2);
    }
    fake_close(&fake);
    mem_free(two);
}

static void F46_failures_of_the_call_mean_what_the_design_says(void)
{
    static const struct {
        const char *type;
        int given, outcome;
    } rows[] = {
        {"ResourceNotFoundException", WEIR_FAIL, WEIR_DOWN},
        {"ProvisionedThroughputExceededException", WEIR_DOWN, WEIR_DOWN},
        {"KMSDisabledException", WEIR_FAIL, WEIR_DOWN},
        {"ServiceUnavailable", WEIR_DOWN, WEIR_DOWN},
        {"Timeout", WEIR_RETRY, WEIR_RETRY},
    };
    char *two = records(2, 0);
    open_with(STREAM);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_delivery *delivery = fake_deliver(&fake, two);
        fake_answer_error(&fake, i, rows[i].given, 400, rows[i].type, "", "");
        CHECK_INT(fake_outcomes(delivery, rows[i].outcome), 2);
    }
    fake_close(&fake);
    mem_free(two);
}

/* A refused call of several is sent again one by one, so that only the bad record fails. */
static void one_bad_record_of_a_refused_call_fails_alone(void)
{
    char *three = records(3, 0);
    open_with("{\"stream\":\"prices\",\"concurrency\":1}");
    struct fake_delivery *delivery = fake_deliver(&fake, three);
    fake_answer_error(&fake, 0, WEIR_FAIL, 400, "ValidationException", "no", "");
    fake_answer(&fake, 1, WEIR_OK, 200, "{\"Records\":[{\"SequenceNumber\":\"1\"}]}");
    fake_answer_error(&fake, 2, WEIR_FAIL, 400, "ValidationException", "no", "");
    fake_answer(&fake, 3, WEIR_OK, 200, "{\"Records\":[{\"SequenceNumber\":\"3\"}]}");
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    CHECK_INT(fake_outcome(delivery, 1), WEIR_FAIL);
    CHECK_INT(fake_outcome(delivery, 2), WEIR_OK);
    fake_close(&fake);
    mem_free(three);
}

static void F41_a_record_beyond_the_limit_fails_before_it_is_sent(void)
{
    char *large = records(2, 4096);
    open_with("{\"stream\":\"prices\",\"max_record_bytes\":\"4KiB\"}");
    struct fake_delivery *delivery = fake_deliver(&fake, large);
    CHECK_INT(fake.call_count, 0);
    CHECK_INT(fake_outcomes(delivery, WEIR_FAIL), 2);
    CHECK(strstr(fake_reason(delivery, 0), "max_record_bytes is 4096") != NULL);
    fake_close(&fake);
    mem_free(large);
}

static void a_cancelled_delivery_is_given_back(void)
{
    char *two = records(2, 0);
    open_with(STREAM);
    struct fake_delivery *delivery = fake_deliver(&fake, two);
    fake_cancel(&fake, delivery);
    CHECK_INT(fake_outcomes(delivery, WEIR_RETRY), 2);
    CHECK(fake.calls[0].aborted);
    fake_answer_all(&fake, "{}");
    fake_close(&fake);
    mem_free(two);
}

static void bad_options_are_refused_by_name(void)
{
    static const struct {
        const char *options, *error;
    } rows[] = {
        {"{\"stream\":\"\"}", "stream: must name a stream"},
        {"{\"stream\":\"p\",\"concurrency\":0}", "concurrency: must be 1 to 64"},
        {"{\"stream\":\"p\",\"max_record_bytes\":\"11MiB\"}",
         "max_record_bytes: must be 1KiB to 10MiB: Kinesis takes no more"},
        {"{\"stream\":\"p\",\"body\":\"plain\",\"raw\":true}",
         "raw: only body aws can be the bytes as received"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_INT(fake_open(&fake, fake_load("kinesis"), rows[i].options), -22);
        CHECK_STR(fake.option_error, rows[i].error);
        fake_close(&fake);
    }
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(a_record_is_data_and_a_partition_key_of_its_item),
        TEST(an_arn_tells_the_region_and_the_permission),
        TEST(calls_hold_500_records_and_5_MiB),
        TEST(F40_F47_records_are_judged_one_by_one),
        TEST(F40_F50_an_odd_answer_acknowledges_nothing),
        TEST(F46_failures_of_the_call_mean_what_the_design_says),
        TEST(one_bad_record_of_a_refused_call_fails_alone),
        TEST(F41_a_record_beyond_the_limit_fails_before_it_is_sent),
        TEST(a_cancelled_delivery_is_given_back),
        TEST(bad_options_are_refused_by_name),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_kinesis", tests);
}
