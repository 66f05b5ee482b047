/* The sns sink: what is sent, and what each answer means for the records. */
#include "fakehost.h"
#include "unit.h"

#include <stdio.h>

#define TOPIC "arn:aws:sns:eu-west-1:123456789012:prices"
#define OPEN  "{\"topic_arn\":\"" TOPIC "\"}"
#define FIFO  "{\"topic_arn\":\"" TOPIC ".fifo\"}"
#define RECORD(item, sequence)                                                                     \
    "{\"eventID\":\"e" sequence "\",\"eventName\":\"MODIFY\",\"dynamodb\":{\"Keys\":{\"id\":{"     \
    "\"S\":\"" item "\"}},\"SequenceNumber\":\"" sequence "\"}}"
/* As weir.aws/1 gives it: what came as XML is JSON. */
#define ANSWER(stored, failed)                                                                     \
    "{\"PublishBatchResponse\":{\"PublishBatchResult\":{\"Successful\":" stored                    \
    ",\"Failed\":" failed "},\"ResponseMetadata\":{\"RequestId\":\"r\"}}}"

static struct fake fake;

static void open_with(const char *options)
{
    CHECK_INT(fake_open(&fake, fake_load("sns"), options), 0);
}

static void check_has(const char *text, const char *part)
{
    CHECK(strstr(text, part) != NULL);
    if (!strstr(text, part))
        printf("\n    %s\n    lacks %s", text, part);
}

static void a_message_is_a_form(void)
{
    open_with(OPEN);
    CHECK_STR(fake.declared[WEIR_D_TARGET], "topic " TOPIC);
    CHECK_STR(fake.declared[WEIR_D_IAM], "sns:Publish " TOPIC);
    CHECK_STR(fake.declared[WEIR_D_ORDER], "none");
    struct fake_delivery *delivery = fake_deliver(&fake, RECORD("k", "5"));
    CHECK_STR(fake.calls[0].service, "sns");
    CHECK_STR(fake.calls[0].region, "eu-west-1");
    CHECK_INT(fake.calls[0].protocol, WEIR_AWS_QUERY);
#define ENTRY     "&PublishBatchRequestEntries.member.1."
#define ATTRIBUTE ENTRY "MessageAttributes.entry."
    CHECK_STR(fake.calls[0].body,
              "Action=PublishBatch&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A"
              "123456789012%3Aprices" ENTRY "Id=1-0" ENTRY
              "Message=%7B%22eventID%22%3A%22e5%22%2C%22eventName%22%3A%22MODIFY%22%2C%22dynamodb"
              "%22%3A%7B%22Keys%22%3A%7B%22id%22%3A%7B%22S%22%3A%22k%22%7D%7D%2C"
              "%22SequenceNumber%22%3A%225%22%7D%7D" ATTRIBUTE "1.Name=eventID" ATTRIBUTE
              "1.Value.DataType=String" ATTRIBUTE "1.Value.StringValue=e5" ATTRIBUTE
              "2.Name=eventName" ATTRIBUTE "2.Value.DataType=String" ATTRIBUTE
              "2.Value.StringValue=MODIFY" ATTRIBUTE "3.Name=table" ATTRIBUTE
              "3.Value.DataType=String" ATTRIBUTE "3.Value.StringValue=Products" ATTRIBUTE
              "4.Name=sequence" ATTRIBUTE "4.Value.DataType=String" ATTRIBUTE
              "4.Value.StringValue=5");
    fake_answer(&fake, 0, WEIR_OK, 200, ANSWER("[{\"Id\":\"1-0\",\"MessageId\":\"m\"}]", "\"\""));
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    fake_close(&fake);
}

static void attributes_can_be_left_out(void)
{
    open_with("{\"topic_arn\":\"" TOPIC "\",\"attributes\":false}");
    fake_deliver(&fake, RECORD("k", "5"));
    CHECK(strstr(fake.calls[0].body, "MessageAttributes") == NULL);
    fake_answer_all(&fake, "{}");
    fake_close(&fake);
}

static void calls_hold_ten_messages(void)
{
    char records[4096] = "[";
    size_t len = 1;
    for (int i = 0; i < 23; i++)
        len += (size_t)snprintf(
            records + len, sizeof records - len,
            "%s{\"eventID\":\"%d\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"%d\"}}}}", i ? "," : "",
            i, i);
    snprintf(records + len, sizeof records - len, "]");
    open_with(OPEN);
    fake_deliver(&fake, records);
    CHECK_INT(fake.call_count, 3);
    check_has(fake.calls[0].body, ENTRY "Id=1-0");
    check_has(fake.calls[0].body, "&PublishBatchRequestEntries.member.10.Id=1-9");
    CHECK(strstr(fake.calls[0].body, "member.11.") == NULL);
    check_has(fake.calls[2].body, "&PublishBatchRequestEntries.member.3.Id=3-2");
    fake_answer_all(&fake, "{}");
    fake_close(&fake);
}

static void F40_F46_entries_are_judged_one_by_one(void)
{
    static const struct {
        const char *code, *sender_fault;
        int outcome;
    } rows[] = {
        {"InternalError", "false", WEIR_RETRY},    {"NeverHeardOfThis", "false", WEIR_RETRY},
        {"InvalidParameter", "true", WEIR_FAIL},   {"Throttling", "true", WEIR_RETRY},
        {"KMSThrottling", "true", WEIR_RETRY},     {"KMSDisabled", "true", WEIR_DOWN},
        {"AuthorizationError", "true", WEIR_DOWN}, {"NotFound", "true", WEIR_DOWN},
    };
    open_with(OPEN);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char answer[512];
        struct fake_delivery *delivery =
            fake_deliver(&fake, "[" RECORD("a", "5") "," RECORD("b", "6") "]");
        snprintf(answer, sizeof answer,
                 ANSWER("[{\"Id\":\"%zu-0\",\"MessageId\":\"m\"}]",
                        "[{\"Id\":\"%zu-1\",\"Code\":\"%s\",\"Message\":\"no\",\"SenderFault\":"
                        "\"%s\"}]"),
                 i + 1, i + 1, rows[i].code, rows[i].sender_fault);
        fake_answer(&fake, i, WEIR_OK, 200, answer);
        CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
        CHECK_INT(fake_outcome(delivery, 1), rows[i].outcome);
    }
    fake_close(&fake);
}

static void F40_F50_an_odd_answer_acknowledges_nothing(void)
{
    static const char *const answers[] = {
        "{}",
        "{\"PublishBatchResponse\":\"\"}",
        ANSWER("\"\"", "\"\""),
        ANSWER("[{\"Id\":\"x\",\"MessageId\":\"m\"}]", "\"\""),
        ANSWER("[{\"Id\":\"1-0\"},{\"Id\":\"1-1\"}]", "\"\""),
        ANSWER("{\"Id\":\"1-0\",\"MessageId\":\"m\"}", "\"\""),
        ANSWER("[{\"Id\":\"1-0\",\"MessageId\":\"m\"},{\"Id\":\"1-0\",\"MessageId\":\"m\"}]",
               "\"\""),
        "{\"Successful\":[{\"Id\":\"1-0\",\"MessageId\":\"m\"}]}",
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        open_with(OPEN);
        struct fake_delivery *delivery =
            fake_deliver(&fake, "[" RECORD("a", "5") "," RECORD("b", "6") "]");
        fake_answer(&fake, 0, WEIR_OK, 200, answers[i]);
        CHECK_INT(fake_outcomes(delivery, WEIR_RETRY), 2);
        fake_close(&fake);
    }
}

static void F41_a_call_refused_as_invalid_is_taken_apart(void)
{
    open_with(OPEN);
    struct fake_delivery *delivery =
        fake_deliver(&fake, "[" RECORD("a", "5") "," RECORD("b", "6") "]");
    fake_answer_error(&fake, 0, WEIR_FAIL, 400, "InvalidParameter", "bad", "");
    CHECK_INT(fake.call_count, 3);
    fake_answer(&fake, 1, WEIR_OK, 200, ANSWER("[{\"Id\":\"2-0\",\"MessageId\":\"m\"}]", "\"\""));
    fake_answer_error(&fake, 2, WEIR_FAIL, 400, "InvalidParameter", "bad", "");
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    CHECK_INT(fake_outcome(delivery, 1), WEIR_FAIL);
    CHECK_STR(fake_reason(delivery, 1), "InvalidParameter: bad");
    fake_close(&fake);
}

static void F41_sizes_are_known_before_sending(void)
{
    static char record[262144 + 4096], options[160];
    int head = snprintf(record, sizeof record, "{\"eventID\":\"");
    memset(record + head, 'x', 150000);
    snprintf(record + head + 150000, 128, "\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}}}}");
    snprintf(options, sizeof options,
             "{\"topic_arn\":\"" TOPIC "\",\"attributes\":false,\"max_message_bytes\":\"100KiB\"}");
    open_with(options);
    struct fake_delivery *delivery = fake_deliver(&fake, record);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_FAIL);
    CHECK_INT(fake.call_count, 0);
    fake_close(&fake);
    snprintf(options, sizeof options, "{\"topic_arn\":\"" TOPIC "\",\"attributes\":false}");
    open_with(options);
    static char two[2 * sizeof record + 8];
    snprintf(two, sizeof two, "[%s,%s]", record, record);
    fake.order_none = true;
    fake_deliver(&fake, two);
    CHECK_INT(fake.call_count, 2); /* 256 KiB are for the whole call */
    fake_answer_all(&fake, "{}");
    fake_close(&fake);
    fake.order_none = false;
}

static void F42_hostile_text_stays_inside_its_parameter(void)
{
    open_with(OPEN);
    fake_deliver(&fake, "{\"eventID\":\"e\\u0000&Id=1-9\\u001b%\xc3\xa9\\\"\",\"eventName\":"
                        "\"A&Action=DeleteTopic\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}}}}");
    for (const char *at = fake.calls[0].body; *at; at++)
        CHECK(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~%&=",
                     *at) != NULL);
    CHECK(strstr(fake.calls[0].body, "&Action=Delete") == NULL);
    CHECK(strstr(fake.calls[0].body, "&Id=") == NULL);
    fake_answer_all(&fake, "{}");
    fake_close(&fake);
}

static void F45_a_fifo_topic_keeps_the_order_of_an_item(void)
{
    open_with(FIFO);
    CHECK_STR(fake.declared[WEIR_D_ORDER], "item");
    struct fake_delivery *delivery =
        fake_deliver(&fake, "[" RECORD("a", "5") "," RECORD("a", "6") "," RECORD("b", "7") "]");
    CHECK_INT(fake.call_count, 1); /* a5 and b7; a6 waits for a5 */
    check_has(fake.calls[0].body, "member.1.MessageGroupId=");
    check_has(fake.calls[0].body, "member.2.MessageDeduplicationId=");
    check_has(fake.calls[0].body, "e7");
    CHECK(strstr(fake.calls[0].body, "e6") == NULL);
    fake_answer(&fake, 0, WEIR_OK, 200,
                ANSWER("[{\"Id\":\"1-1\",\"MessageId\":\"m\"}]",
                       "[{\"Id\":\"1-0\",\"Code\":\"InternalError\",\"SenderFault\":\"false\"}]"));
    CHECK_INT(fake.call_count, 1); /* and is held back with it */
    CHECK_INT(fake_outcome(delivery, 0), WEIR_RETRY);
    CHECK_INT(fake_outcome(delivery, 1), WEIR_RETRY);
    CHECK_INT(fake_outcome(delivery, 2), WEIR_OK);
    CHECK_INT(fake.lane_breaches, 0);
    /* the same record has the same id again */
    const char *first = strstr(fake.calls[0].body, "member.1.MessageDeduplicationId=");
    fake_deliver(&fake, RECORD("a", "5"));
    CHECK(memcmp(strstr(fake.calls[1].body, "member.1.MessageDeduplicationId="), first, 96) == 0);
    fake_answer_all(&fake, "{}");
    fake_close(&fake);
}

static void F46_whole_calls_hold_the_sink_or_are_retried(void)
{
    static const struct {
        int told, status;
        const char *type;
        int outcome;
    } rows[] = {
        {WEIR_DOWN, 404, "NotFound", WEIR_DOWN},
        {WEIR_DOWN, 400, "Throttling", WEIR_DOWN},
        {WEIR_RETRY, 0, "AnswerLost", WEIR_RETRY},
        {WEIR_RETRY, 400, "EndpointDisabled", WEIR_DOWN},
        {WEIR_DOWN, 400, "KMSThrottling", WEIR_DOWN},
    };
    open_with(OPEN);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_delivery *delivery = fake_deliver(&fake, RECORD("a", "5"));
        fake_answer_error(&fake, i, rows[i].told, rows[i].status, rows[i].type, "m", "");
        CHECK_INT(fake_outcome(delivery, 0), rows[i].outcome);
    }
    fake_close(&fake);
}

static void bad_options_are_refused_by_name(void)
{
    static const char arn[] = "topic_arn: must be arn:aws:sns:REGION:ACCOUNT:NAME";
    static const struct {
        const char *options, *error;
    } rows[] = {
        {"{\"topic_arn\":\"\"}", arn},
        {"{\"topic_arn\":\"prices\"}", arn},
        {"{\"topic_arn\":\"arn:aws:sqs:eu-west-1:1:prices\"}", arn},
        {"{\"topic_arn\":\"arn:aws:sns:eu-west-1:1:\"}", arn},
        {"{\"topic_arn\":\"" TOPIC "\",\"max_message_bytes\":\"1MiB\"}",
         "max_message_bytes: must be 1KiB to 256KiB: SNS takes no more"},
        {"{\"topic_arn\":\"" TOPIC "\",\"concurrency\":0}", "concurrency: must be 1 to 64"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_INT(fake_open(&fake, fake_load("sns"), rows[i].options), -22);
        CHECK_STR(fake.option_error, rows[i].error);
        fake_close(&fake);
    }
}

static void an_old_host_is_told_of(void)
{
    fake.old_aws = true;
    open_with(OPEN);
    struct fake_delivery *delivery = fake_deliver(&fake, RECORD("a", "5"));
    CHECK_INT(fake_outcome(delivery, 0), WEIR_DOWN);
    CHECK_STR(fake_reason(delivery, 0), "this host's weir.aws/1 is too old: it speaks JSON alone");
    fake_close(&fake);
    fake.old_aws = false;
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(a_message_is_a_form),
        TEST(attributes_can_be_left_out),
        TEST(calls_hold_ten_messages),
        TEST(F40_F46_entries_are_judged_one_by_one),
        TEST(F40_F50_an_odd_answer_acknowledges_nothing),
        TEST(F41_a_call_refused_as_invalid_is_taken_apart),
        TEST(F41_sizes_are_known_before_sending),
        TEST(F42_hostile_text_stays_inside_its_parameter),
        TEST(F45_a_fifo_topic_keeps_the_order_of_an_item),
        TEST(F46_whole_calls_hold_the_sink_or_are_retried),
        TEST(bad_options_are_refused_by_name),
        TEST(an_old_host_is_told_of),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_sns", tests);
}
