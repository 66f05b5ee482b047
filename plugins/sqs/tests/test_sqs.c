/* What a message is, and what the queue's answers mean. */
#include "queue.h"
#include "unit.h"

#include "util/alloc.h"

#include <stdio.h>

#define URL  "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
#define OPEN "{\"queue_url\":\"" URL "\"}"

static struct fake fake;
static struct queue queue;

static void open_with(const char *options)
{
    CHECK_INT(fake_open(&fake, fake_load("sqs"), options), 0);
}

static void finish(void)
{
    fake_close(&fake);
    queue_free(&queue);
}

static const char record[] = "{\"eventID\":\"e1\",\"eventName\":\"MODIFY\",\"dynamodb\":{\"Keys\":{"
                             "\"id\":{\"S\":\"\xc3\xa9\"}},"
                             "\"SequenceNumber\":\"111\",\"NewImage\":{\"n\":{\"N\":\"1.50\"}}}}";

static void a_message_is_the_record_and_its_attributes(void)
{
    open_with(OPEN);
    CHECK_STR(fake.declared[WEIR_D_TARGET], "queue orders");
    CHECK_STR(fake.declared[WEIR_D_IAM],
              "sqs:SendMessage arn:aws:sqs:eu-west-1:123456789012:orders");
    struct fake_delivery *delivery = fake_deliver(&fake, record);
    CHECK_STR(fake.calls[0].service, "sqs");
    CHECK_STR(fake.calls[0].target, "AmazonSQS.SendMessageBatch");
    CHECK_STR(fake.calls[0].json, "1.0");
    CHECK_STR(fake.calls[0].endpoint, "https://sqs.eu-west-1.amazonaws.com");
    CHECK_STR(fake.calls[0].region, "eu-west-1");
    CHECK_STR(fake.calls[0].body,
              "{\"QueueUrl\":\"" URL "\",\"Entries\":[{\"Id\":\"1-0\",\"MessageBody\":"
              "\"{\\\"eventID\\\":\\\"e1\\\",\\\"eventName\\\":\\\"MODIFY\\\",\\\"dynamodb\\\":{"
              "\\\"Keys\\\":{\\\"id\\\":{\\\"S\\\":\\\"\\\\u00e9\\\"}},"
              "\\\"SequenceNumber\\\":\\\"111\\\",\\\"NewImage\\\":{\\\"n\\\":{\\\"N\\\":\\\"1."
              "50\\\"}}}}\","
              "\"MessageAttributes\":{\"eventID\":{\"DataType\":\"String\",\"StringValue\":\"e1\"},"
              "\"eventName\":{\"DataType\":\"String\",\"StringValue\":\"MODIFY\"},"
              "\"table\":{\"DataType\":\"String\",\"StringValue\":\"Products\"},"
              "\"sequence\":{\"DataType\":\"String\",\"StringValue\":\"111\"}}}]}");
    queue_answer(&queue, &fake, 0);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    finish();
}

static void body_plain_is_untyped(void)
{
    open_with("{\"queue_url\":\"" URL "\",\"body\":\"plain\"}");
    fake_deliver(&fake, record);
    queue_answer(&queue, &fake, 0);
    CHECK_STR(
        queue.messages[0].body,
        "{\"event\":\"MODIFY\",\"event_id\":\"e1\",\"table\":\"Products\",\"sequence\":\"111\","
        "\"keys\":{\"id\":\"\\u00e9\"},\"new\":{\"n\":1.50}}");
    finish();
}

static void a_dead_letter_is_sent_whole(void)
{
    fake.dead_sink = "price";
    fake.dead_json = "{\"reason\": \"no\\u001b\"}";
    open_with("{\"queue_url\":\"" URL ".fifo\"}");
    fake_deliver(&fake, record);
    queue_answer(&queue, &fake, 0);
    CHECK_STR(queue.messages[0].body, "{\"reason\":\"no\\u001b\"}");
    char *once = mem_dup0(queue.messages[0].once, strlen(queue.messages[0].once));
    finish();
    open_with("{\"queue_url\":\"" URL ".fifo\"}");
    fake_deliver(&fake, record);
    queue_answer(&queue, &fake, 0);
    CHECK(strcmp(queue.messages[0].once, once) != 0); /* the record itself is another message */
    mem_free(once);
    finish();
}

static void calls_hold_ten_messages_at_most(void)
{
    char *records = queue_records(0, 27, 27);
    open_with(OPEN);
    struct fake_delivery *delivery = fake_deliver(&fake, records);
    CHECK_INT(fake.call_count, 3);
    CHECK_INT(queue_answer(&queue, &fake, 0), 10);
    CHECK_INT(queue_answer(&queue, &fake, 1), 10);
    CHECK_INT(queue_answer(&queue, &fake, 2), 7);
    CHECK_INT(fake_outcomes(delivery, WEIR_OK), 27);
    finish();
    mem_free(records);
}

static int by_name(struct queue *self, const char *body, void *arg)
{
    (void)self;
    (void)arg;
    return strstr(body, "\"n1;")   ? 1
           : strstr(body, "\"n2;") ? 2
           : strstr(body, "\"n3;") ? 3
           : strstr(body, "\"n4;") ? 4
                                   : 0;
}

static void F40_F47_entries_are_judged_one_by_one(void)
{
    char *records = queue_records(0, 6, 6);
    queue.judge = by_name;
    open_with(OPEN);
    struct fake_delivery *delivery = fake_deliver(&fake, records);
    queue_answer(&queue, &fake, 0);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    CHECK_INT(fake_outcome(delivery, 1), WEIR_RETRY);
    CHECK_STR(fake_reason(delivery, 1), "InternalError: no");
    CHECK_INT(fake_outcome(delivery, 2), WEIR_FAIL);
    CHECK_INT(fake_outcome(delivery, 3), WEIR_RETRY);
    CHECK_STR(fake_reason(delivery, 3), "the answer does not name this message");
    CHECK_INT(fake_outcome(delivery, 4), WEIR_RETRY);
    CHECK_STR(fake_reason(delivery, 4), "the MD5 of the stored body differs");
    CHECK_INT(fake_outcome(delivery, 5), WEIR_OK);
    finish();
    mem_free(records);
}

/* The entries of an answer are matched by Id: another call's, a doubled or an odd one tell nothing.
 */
static void F40_F50_an_odd_answer_acknowledges_nothing(void)
{
    static const char *const answers[] = {
        "",
        "{}",
        "[]",
        "{\"Successful\":{}}",
        "{\"Successful\":[1,null,{}]}",
        "{\"Successful\":[{\"Id\":\"0-0\",\"MD5OfMessageBody\":\"x\"}]}",
        "{\"Successful\":[{\"Id\":\"7-0\"}]}",
        "{\"Successful\":[{\"Id\":\"8-0\",\"MD5OfMessageBody\":"
        "\"d49b9ffea53bd5f37b8e8ba7d20c9b33\"}],"
        "\"Failed\":[{\"Id\":\"8-0\",\"SenderFault\":true,\"Code\":\"x\"}]}"};
    open_with(OPEN);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct fake_delivery *delivery = fake_deliver(&fake, "{\"eventID\":\"e\"}");
        fake_answer(&fake, i, WEIR_OK, 200, answers[i]);
        CHECK_INT(fake_outcome(delivery, 0), WEIR_RETRY);
    }
    finish();
}

static void F46_failures_of_the_call_mean_what_the_design_says(void)
{
    static const struct {
        int given;
        const char *type;
        int outcome;
    } rows[] = {
        {WEIR_DOWN, "RequestThrottled", WEIR_DOWN},
        {WEIR_FAIL, "KmsThrottled", WEIR_DOWN},
        {WEIR_FAIL, "KmsAccessDenied", WEIR_DOWN},
        {WEIR_FAIL, "KmsDisabled", WEIR_DOWN},
        {WEIR_FAIL, "QueueDoesNotExist", WEIR_DOWN},
        {WEIR_FAIL, "AWS.SimpleQueueService.NonExistentQueue", WEIR_DOWN},
        {WEIR_DOWN, "AccessDeniedException", WEIR_DOWN},
        {WEIR_RETRY, "timeout", WEIR_RETRY},
        {WEIR_FAIL, "InvalidMessageContents", WEIR_FAIL},
    };
    open_with(OPEN);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_delivery *delivery = fake_deliver(&fake, record);
        fake_answer_error(&fake, i, rows[i].given, 400, rows[i].type, "m\033", "{}");
        CHECK_INT(fake_outcome(delivery, 0), rows[i].outcome);
        CHECK(strstr(fake_reason(delivery, 0), "m\\u001b") != NULL);
    }
    finish();
}

static void F46_a_throttled_entry_is_retried_and_a_denied_one_means_down(void)
{
    open_with(OPEN);
    struct fake_delivery *one = fake_deliver(&fake, record),
                         *two = fake_deliver(&fake, "{\"eventID\":\"e2\"}");
    fake_answer(&fake, 0, WEIR_OK, 200,
                "{\"Failed\":[{\"Id\":\"1-0\",\"SenderFault\":true,\"Code\":\"KmsThrottled\"}]}");
    fake_answer(
        &fake, 1, WEIR_OK, 200,
        "{\"Failed\":[{\"Id\":\"2-0\",\"SenderFault\":true,\"Code\":\"KmsAccessDenied\"}]}");
    CHECK_INT(fake_outcome(one, 0), WEIR_RETRY);
    CHECK_INT(fake_outcome(two, 0), WEIR_DOWN);
    finish();
}

static void one_bad_message_of_a_refused_call_fails_alone(void)
{
    char *records = queue_records(0, 10, 10);
    open_with(OPEN);
    struct fake_delivery *delivery = fake_deliver(&fake, records);
    fake_answer_error(&fake, 0, WEIR_FAIL, 400, "BatchRequestTooLong", "", "{}");
    for (size_t i = 1; i < fake.call_count; i++) {
        if (strstr(fake.calls[i].body, "n6;"))
            fake_answer_error(&fake, i, WEIR_FAIL, 400, "InvalidMessageContents", "", "{}");
        else
            CHECK_INT(queue_answer(&queue, &fake, i), 1);
    }
    CHECK_INT(fake.call_count, 11);
    CHECK_INT(fake_outcomes(delivery, WEIR_OK), 9);
    CHECK_INT(fake_outcome(delivery, 6), WEIR_FAIL);
    finish();
    mem_free(records);
}

static char *big_record(size_t bytes)
{
    char *out = mem_alloc(bytes + 256), *fill = mem_alloc(bytes + 1);
    memset(fill, 'x', bytes);
    fill[bytes] = '\0';
    snprintf(out, bytes + 256, "{\"eventID\":\"e\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"%s\"}}}}",
             fill);
    mem_free(fill);
    return out;
}

static void F41_sizes_are_known_before_sending(void)
{
    char *too_big = big_record(1024 * 1024), *half = big_record(600 * 1024),
         *small = big_record(10);
    open_with(OPEN);
    struct fake_delivery *first = fake_deliver(&fake, too_big);
    CHECK_INT(fake_outcome(first, 0), WEIR_FAIL);
    CHECK(strstr(fake_reason(first, 0), "too large: the message has 1048") != NULL);
    CHECK(strstr(fake_reason(first, 0), ", max_message_bytes is 1048576") != NULL);
    finish();
    open_with("{\"queue_url\":\"" URL "\",\"concurrency\":1}");
    fake_deliver(&fake, small);
    struct fake_delivery *two[2] = {fake_deliver(&fake, half), fake_deliver(&fake, half)};
    for (size_t i = 0; i < fake.call_count; i++)
        CHECK_INT(queue_answer(&queue, &fake, i), 1); /* together they would be above 1 MiB */
    CHECK_INT(fake.call_count, 3);
    CHECK_INT(fake_outcome(two[1], 0), WEIR_OK);
    finish();
    open_with("{\"queue_url\":\"" URL "\",\"max_message_bytes\":\"256KiB\"}");
    first = fake_deliver(&fake, half);
    CHECK_INT(fake_outcome(first, 0), WEIR_FAIL);
    finish();
    mem_free(too_big);
    mem_free(half);
    mem_free(small);
}

/* NUL, U+FFFE and others are outside XML 1.0: SQS would refuse the message. */
static void F42_only_printable_ascii_is_sent(void)
{
    open_with(OPEN);
    fake_deliver(&fake, "{\"eventID\":\"\\u0000\xef\xbf\xbe\x7f\xe2\x80\xa8\\ud800\\udc00\\u0001\","
                        "\"dynamodb\":{\"Keys\":{\"\xef\xbf\xbf\":{\"S\":\"\\u0000\"}}}}");
    size_t odd = 0, len = strlen(fake.calls[0].body);
    for (size_t i = 0; i < len; i++)
        odd += fake.calls[0].body[i] < ' ' || fake.calls[0].body[i] > '~';
    CHECK_INT(odd, 0);
    queue_answer(&queue, &fake, 0);
    CHECK(strstr(queue.messages[0].body, "\\u0000\\ufffe\\u007f\\u2028") != NULL);
    finish();
}

static void F43_messages_carry_what_to_drop_repeats_by(void)
{
    open_with(OPEN);
    fake_deliver(&fake, record);
    fake_deliver(&fake, record);
    CHECK(strstr(fake.calls[0].body,
                 "\"eventID\":{\"DataType\":\"String\",\"StringValue\":\"e1\"}") != NULL);
    CHECK(strstr(fake.calls[0].body,
                 "\"sequence\":{\"DataType\":\"String\",\"StringValue\":\"111\"}") != NULL);
    while (fake.in_flight > 0)
        queue_answer_all(&queue, &fake);
    finish();
}

static void F84_S14_the_queue_is_the_configured_one(void)
{
    static const struct {
        const char *url, *endpoint, *region, *iam;
    } rows[] = {
        {"http://127.0.0.1:9324/000000000000/q.fifo", "http://127.0.0.1:9324", "",
         "sqs:SendMessage arn:aws:sqs:*:000000000000:q.fifo"},
        {"https://eu-central-1.queue.amazonaws.com/1/q", "https://eu-central-1.queue.amazonaws.com",
         "eu-central-1", "sqs:SendMessage arn:aws:sqs:eu-central-1:1:q"},
        {"https://sqs.cn-north-1.amazonaws.com.cn/1/q", "https://sqs.cn-north-1.amazonaws.com.cn",
         "cn-north-1", "sqs:SendMessage arn:aws:sqs:cn-north-1:1:q"},
        {"https://vpce-1-2.sqs.us-east-2.vpce.amazonaws.com/1/q",
         "https://vpce-1-2.sqs.us-east-2.vpce.amazonaws.com", "us-east-2",
         "sqs:SendMessage arn:aws:sqs:us-east-2:1:q"},
        {"http://localhost:4566/q", "http://localhost:4566", "",
         "sqs:SendMessage arn:aws:sqs:*:*:q"},
        {"https://sqs.eu-west-1.amazonaws.com.evil.example/1/q",
         "https://sqs.eu-west-1.amazonaws.com.evil.example", "",
         "sqs:SendMessage arn:aws:sqs:*:1:q"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char options[256];
        snprintf(options, sizeof options, "{\"queue_url\":\"%s\"}", rows[i].url);
        open_with(options);
        CHECK_STR(fake.declared[WEIR_D_IAM], rows[i].iam);
        fake_deliver(
            &fake,
            "{\"eventID\":\"http://evil/\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"../../x\"}}}}");
        CHECK_STR(fake.calls[0].endpoint, rows[i].endpoint);
        CHECK_STR(fake.calls[0].region, rows[i].region);
        queue_answer_all(&queue, &fake);
        finish();
    }
}

static void bad_options_are_refused_by_name(void)
{
    static const struct {
        const char *options, *error;
    } rows[] = {
        {"{\"queue_url\":\"orders\"}", "queue_url: must begin with https:// (or http://)"},
        {"{\"queue_url\":\"file:///etc/passwd\"}",
         "queue_url: must begin with https:// (or http://)"},
        {"{\"queue_url\":\"https:///q\"}", "queue_url: must name a host, and no user"},
        {"{\"queue_url\":\"https://a@b/q\"}", "queue_url: must name a host, and no user"},
        {"{\"queue_url\":\"https://b\"}", "queue_url: must end with the queue's name: "
                                          "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"},
        {"{\"queue_url\":\"https://b/q?x=1\"}", "queue_url: must end with the queue's name: "
                                                "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"},
        {"{\"queue_url\":\"https://b/q\\nX: y\"}",
         "queue_url: must not hold blanks, quotes or characters beyond ASCII"},
        {"{\"queue_url\":\"" URL "\",\"concurrency\":65}", "concurrency: must be 1 to 64"},
        {"{\"queue_url\":\"" URL "\",\"max_message_bytes\":\"2MiB\"}",
         "max_message_bytes: must be 1KiB to 1MiB: SQS takes no more"},
        {"{\"queue_url\":\"" URL "\",\"body\":\"plain\",\"raw\":true}",
         "raw: only body aws can be the bytes as received"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_INT(fake_open(&fake, fake_load("sqs"), rows[i].options), -22);
        CHECK_STR(fake.option_error, rows[i].error);
        fake_close(&fake);
    }
}

static void a_call_that_can_not_be_made_loses_nothing(void)
{
    open_with(OPEN);
    fake.refuse_calls = 1;
    fake.refuse_with = -12;
    struct fake_delivery *delivery = fake_deliver(&fake, record);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_RETRY);
    fake.refuse_calls = 1;
    fake.refuse_with = -22;
    delivery = fake_deliver(&fake, record);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_DOWN);
    finish();
    fake.no_aws = true;
    open_with(OPEN);
    delivery = fake_deliver(&fake, record);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_DOWN);
    finish();
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(a_message_is_the_record_and_its_attributes),
        TEST(body_plain_is_untyped),
        TEST(a_dead_letter_is_sent_whole),
        TEST(calls_hold_ten_messages_at_most),
        TEST(F40_F47_entries_are_judged_one_by_one),
        TEST(F40_F50_an_odd_answer_acknowledges_nothing),
        TEST(F46_failures_of_the_call_mean_what_the_design_says),
        TEST(F46_a_throttled_entry_is_retried_and_a_denied_one_means_down),
        TEST(one_bad_message_of_a_refused_call_fails_alone),
        TEST(F41_sizes_are_known_before_sending),
        TEST(F42_only_printable_ascii_is_sent),
        TEST(F43_messages_carry_what_to_drop_repeats_by),
        TEST(F84_S14_the_queue_is_the_configured_one),
        TEST(bad_options_are_refused_by_name),
        TEST(a_call_that_can_not_be_made_loses_nothing),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_sqs", tests);
}
