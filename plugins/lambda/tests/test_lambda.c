/* The lambda sink: what is sent, and what each answer means for the records. */
#include "fakehost.h"
#include "unit.h"

#include <stdio.h>

#define OPEN "{\"function\":\"prices\"}"
#define RECORD(item, sequence)                                                                     \
    "{\"eventID\":\"e" sequence "\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"" item                 \
    "\"}},\"SequenceNumber\":\"" sequence "\"}}"
#define FOUR       "[" RECORD("a", "1") "," RECORD("b", "2") "," RECORD("c", "3") "," RECORD("d", "4") "]"
#define FAILED(id) "{\"batchItemFailures\":[{\"itemIdentifier\":\"" id "\"}]}"
#define UNHANDLED  "X-Amz-Function-Error: Unhandled\r\n"

static struct fake fake;

static void open_with(const char *options)
{
    CHECK_INT(fake_open(&fake, fake_load("lambda"), options), 0);
}

/* The outcomes of a delivery, one letter each: ok, retry, fail, down, '.' for none yet. */
static const char *outcomes(const struct fake_delivery *delivery)
{
    static char text[32];
    size_t count = fake_count(delivery), i = 0;
    for (; i < count && i + 1 < sizeof text; i++) {
        int outcome = fake_outcome(delivery, i);
        text[i] = outcome == WEIR_OK      ? 'o'
                  : outcome == WEIR_RETRY ? 'r'
                  : outcome == WEIR_FAIL  ? 'f'
                  : outcome == WEIR_DOWN  ? 'd'
                                          : '.';
    }
    text[i] = '\0';
    return text;
}

static void an_invocation_is_an_event_of_the_function(void)
{
    open_with(
        "{\"function\":\"arn:aws:lambda:eu-west-1:1:function:prices\",\"qualifier\":\"a$b\"}");
    CHECK_STR(fake.declared[WEIR_D_TARGET],
              "function arn:aws:lambda:eu-west-1:1:function:prices:a$b");
    CHECK_STR(fake.declared[WEIR_D_IAM],
              "lambda:InvokeFunction arn:aws:lambda:eu-west-1:1:function:prices:a$b");
    CHECK_STR(fake.declared[WEIR_D_ORDER], "");
    struct fake_delivery *delivery =
        fake_deliver(&fake, "[" RECORD("a", "1") "," RECORD("b", "2") "]");
    CHECK_STR(fake.calls[0].service, "lambda");
    CHECK_STR(fake.calls[0].region, "eu-west-1");
    CHECK_INT(fake.calls[0].protocol, WEIR_AWS_REST);
    CHECK_STR(fake.calls[0].path, "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3A"
                                  "function%3Aprices/invocations?Qualifier=a%24b");
    CHECK_STR(fake.calls[0].headers, "X-Amz-Invocation-Type: RequestResponse\n");
    CHECK_STR(fake.calls[0].body, "{\"Records\":[" RECORD("a", "1") "," RECORD("b", "2") "]}");
    fake_answer(&fake, 0, WEIR_OK, 200, "null");
    CHECK_STR(outcomes(delivery), "oo");
    fake_close(&fake);
}

static void event_is_done_when_lambda_has_it(void)
{
    open_with("{\"function\":\"prices\",\"invocation_type\":\"Event\"}");
    CHECK_STR(fake.declared[WEIR_D_ORDER], "none");
    CHECK_STR(fake.declared[WEIR_D_IAM],
              "lambda:InvokeFunction arn:aws:lambda:*:*:function:prices");
    struct fake_delivery *delivery = fake_deliver(&fake, FOUR);
    CHECK_STR(fake.calls[0].headers, "X-Amz-Invocation-Type: Event\n");
    fake_answer(&fake, 0, WEIR_OK, 202, "");
    CHECK_STR(outcomes(delivery), "oooo");
    delivery = fake_deliver(&fake, FOUR); /* from something else than Lambda */
    fake_answer(&fake, 1, WEIR_OK, 200, "{}");
    CHECK_STR(outcomes(delivery), "rrrr");
    fake_close(&fake);
}

static void F40_F50_each_answer_means_one_thing(void)
{
    static const struct {
        const char *item_failures, *answer, *outcomes;
        int more_calls;
    } rows[] = {
        /* all is done */
        {"from_first", "null", "oooo", 0},
        {"from_first", "{}", "oooo", 0},
        {"from_first", "\"fine\"", "oooo", 0},
        {"from_first", "{\"batchItemFailures\":[]}", "oooo", 0},
        {"from_first", "{\"batchItemFailures\":null}", "oooo", 0},
        /* in part: what is behind the first one named goes once more, without it */
        {"from_first", FAILED("4"), "ooor", 0},
        {"from_first", FAILED("e4"), "ooor", 0},
        {"from_first", FAILED("2"), "or..", 1},
        {"from_first", FAILED("1"), "r...", 1},
        {"from_first",
         "{\"batchItemFailures\":[{\"itemIdentifier\":\"4\"},{\"itemIdentifier\":\"3\"}]}", "oorr",
         0},
        {"named", FAILED("2"), "oroo", 0},
        {"named", "{\"batchItemFailures\":[{\"itemIdentifier\":\"4\"},{\"itemIdentifier\":\"2\"}]}",
         "oror", 0},
        {"named", "{\"batchItemFailures\":[{\"itemIdentifier\":\"4\"},{\"itemIdentifier\":\"4\"}]}",
         "ooor", 0},
        /* nothing that could be trusted */
        {"named", FAILED("5"), "rrrr", 0},
        {"from_first", FAILED(""), "rrrr", 0},
        {"from_first", "{\"batchItemFailures\":[{\"itemIdentifier\":null}]}", "rrrr", 0},
        {"from_first", "{\"batchItemFailures\":[{\"id\":\"2\"}]}", "rrrr", 0},
        {"from_first",
         "{\"batchItemFailures\":[{\"itemIdentifier\":\"2\"},{\"itemIdentifier\":\"9\"}]}", "rrrr",
         0},
        {"from_first", "{\"batchItemFailures\":[3]}", "rrrr", 0},
        {"from_first", "{\"batchItemFailures\":{\"itemIdentifier\":\"2\"}}", "rrrr", 0},
        {"from_first", "{\"batchItemFailures\":\"2\"}", "rrrr", 0},
        {"from_first", "{\"batchItemFailures\":true}", "rrrr", 0},
        {"from_first", "", "rrrr", 0},
        {"from_first", "<html>", "rrrr", 0},
        {"from_first", "{\"batchItemFailures\":[", "rrrr", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char options[128];
        snprintf(options, sizeof options, "{\"function\":\"prices\",\"item_failures\":\"%s\"}",
                 rows[i].item_failures);
        open_with(options);
        struct fake_delivery *delivery = fake_deliver(&fake, FOUR);
        fake_answer(&fake, 0, WEIR_OK, 200, rows[i].answer);
        CHECK_STR(outcomes(delivery), rows[i].outcomes);
        CHECK_INT(fake.call_count, 1 + rows[i].more_calls);
        fake_answer_all(&fake, "null");
        CHECK_INT(fake_outcomes(delivery, 0), 0);
        fake_close(&fake);
    }
}

/* A function that dealt with all names the lowest number, as weir itself does: what has a higher
 * one may have failed, too, though it stands before it. */
static void F40_a_higher_number_is_not_done_wherever_it_stands(void)
{
    open_with(OPEN);
    struct fake_delivery *delivery =
        fake_deliver(&fake, "[" RECORD("a", "0009") "," RECORD("b", "226") "," RECORD(
                                "c", "0219") "," RECORD("d", "0010") "," RECORD("e", "1000") "]");
    fake_answer(&fake, 0, WEIR_OK, 200, FAILED("0219"));
    CHECK_STR(outcomes(delivery), "o.r..");
    CHECK_STR(fake.calls[1].body, "{\"Records\":[" RECORD("b", "226") "," RECORD(
                                      "d", "0010") "," RECORD("e", "1000") "]}");
    fake_answer(&fake, 1, WEIR_OK, 200, "null");
    CHECK_STR(outcomes(delivery), "ooroo");
    fake_close(&fake);
}

static void F40_what_is_behind_a_failure_comes_in_its_order(void)
{
    open_with(OPEN);
    struct fake_delivery *delivery = fake_deliver(&fake, FOUR);
    fake_answer(&fake, 0, WEIR_OK, 200, FAILED("2"));
    CHECK_STR(fake.calls[1].body, "{\"Records\":[" RECORD("c", "3") "," RECORD("d", "4") "]}");
    fake_answer(&fake, 1, WEIR_OK, 200, FAILED("3"));
    CHECK_STR(fake.calls[2].body, "{\"Records\":[" RECORD("d", "4") "]}");
    CHECK_STR(outcomes(delivery), "orr.");
    fake_answer(&fake, 2, WEIR_OK, 200, FAILED("4"));
    CHECK_STR(outcomes(delivery), "orrr");
    CHECK_INT(fake.call_count, 3);
    fake_close(&fake);
}

static void F40_a_function_error_is_told_of_one_record(void)
{
    static const char error[] = "{\"errorMessage\":\"no\",\"errorType\":\"Boom\"}";
    for (int fails = 0; fails < 2; fails++) {
        open_with(fails ? "{\"function\":\"prices\",\"on_function_error\":\"fail\"}" : OPEN);
        struct fake_delivery *delivery = fake_deliver(&fake, FOUR);
        fake_answer_headers(&fake, 0, WEIR_OK, 200, UNHANDLED, error);
        CHECK_INT(fake.call_count, 5);
        CHECK_STR(fake.calls[1].body, "{\"Records\":[" RECORD("a", "1") "]}");
        CHECK_STR(fake.calls[4].body, "{\"Records\":[" RECORD("d", "4") "]}");
        for (size_t i = 1; i < 5; i++)
            fake_answer_headers(&fake, i, WEIR_OK, 200, i == 2 ? UNHANDLED : "",
                                i == 2 ? error : "null");
        CHECK_STR(outcomes(delivery), fails ? "ofoo" : "oroo");
        CHECK_STR(fake_reason(delivery, 1), "Boom: no");
        fake_close(&fake);
    }
}

static void F40_an_error_without_its_header_is_one(void)
{
    open_with(OPEN);
    struct fake_delivery *delivery = fake_deliver(&fake, RECORD("a", "1"));
    fake_answer(&fake, 0, WEIR_OK, 200,
                "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"Task timed out\"}");
    CHECK_STR(outcomes(delivery), "r");
    CHECK_STR(fake_reason(delivery, 0), "Sandbox.Timedout: Task timed out");
    fake_close(&fake);
}

static void F36_whole_calls_hold_the_sink_or_fail_the_record(void)
{
    static const struct {
        int told, status;
        const char *type;
        int outcome;
    } rows[] = {
        {WEIR_DOWN, 429, "TooManyRequestsException", WEIR_DOWN},
        {WEIR_DOWN, 404, "ResourceNotFoundException", WEIR_DOWN},
        {WEIR_DOWN, 502, "EC2ThrottledException", WEIR_DOWN},
        {WEIR_RETRY, 409, "ResourceConflictException", WEIR_DOWN},
        {WEIR_RETRY, 409, "SnapStartNotReadyException", WEIR_DOWN},
        {WEIR_RETRY, 408, "EFSMountTimeoutException", WEIR_DOWN},
        {WEIR_RETRY, 403, "S3FilesMountFailureException", WEIR_DOWN},
        {WEIR_RETRY, 400, "RecursiveInvocationException", WEIR_FAIL},
        {WEIR_FAIL, 413, "RequestTooLargeException", WEIR_FAIL},
        {WEIR_RETRY, 0, "AnswerLost", WEIR_RETRY},
    };
    open_with(OPEN);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_delivery *delivery = fake_deliver(&fake, RECORD("a", "1"));
        fake_answer_error(&fake, i, rows[i].told, rows[i].status, rows[i].type, "m", "");
        CHECK_INT(fake_outcome(delivery, 0), rows[i].outcome);
    }
    fake_close(&fake);
}

static void F41_batches_and_sizes_are_bounded(void)
{
    static char record[4096], two[2 * sizeof record + 8];
    int head = snprintf(record, sizeof record, "{\"eventID\":\"");
    memset(record + head, 'x', 1500);
    snprintf(record + head + 1500, 128, "\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}}}}");
    snprintf(two, sizeof two, "[%s,%s]", record, record);
    fake.order_none = true;
    open_with("{\"function\":\"prices\",\"batch\":3}");
    fake_deliver(&fake, FOUR);
    CHECK_INT(fake.call_count, 2);
    fake_answer_all(&fake, "null");
    fake_close(&fake);
    open_with("{\"function\":\"prices\",\"max_payload_bytes\":\"2KiB\"}");
    fake_deliver(&fake, two);
    CHECK_INT(fake.call_count, 2);
    for (size_t i = 0; i < 2; i++)
        CHECK(strlen(fake.calls[i].body) <= 2048);
    fake_answer_all(&fake, "null");
    fake_close(&fake);
    open_with("{\"function\":\"prices\",\"max_payload_bytes\":\"1KiB\"}");
    struct fake_delivery *delivery = fake_deliver(&fake, record);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_FAIL);
    fake_close(&fake);
    fake.order_none = false;
}

static void F64_a_cancelled_record_is_not_sent_again(void)
{
    open_with("{\"function\":\"prices\",\"concurrency\":1}");
    struct fake_delivery *delivery = fake_deliver(&fake, FOUR);
    fake_cancel(&fake, delivery);
    CHECK_STR(outcomes(delivery), "rrrr");
    CHECK(fake.calls[0].aborted);
    fake_answer(&fake, 0, WEIR_OK, 200, FAILED("2")); /* it came all the same */
    CHECK_INT(fake.call_count, 1);
    fake_close(&fake);
}

static void bad_options_are_refused_by_name(void)
{
    static const struct {
        const char *options, *error;
    } rows[] = {
        {"{\"function\":\"\"}", "function: must be a function's name or ARN"},
        {"{\"function\":\"a/../b\"}", "function: must be a function's name or ARN"},
        {"{\"function\":\"f\",\"qualifier\":\"a b\"}", "qualifier: must be an alias or a version"},
        {"{\"function\":\"f\",\"batch\":0}", "batch: must be 1 to 1000"},
        {"{\"function\":\"f\",\"max_payload_bytes\":\"7MiB\"}",
         "max_payload_bytes: must be 1KiB to 6MiB, for Event 1MiB: Lambda takes no more"},
        {"{\"function\":\"f\",\"invocation_type\":\"Event\",\"max_payload_bytes\":\"2MiB\"}",
         "max_payload_bytes: must be 1KiB to 6MiB, for Event 1MiB: Lambda takes no more"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_INT(fake_open(&fake, fake_load("lambda"), rows[i].options), -22);
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
        TEST(an_invocation_is_an_event_of_the_function),
        TEST(event_is_done_when_lambda_has_it),
        TEST(F40_F50_each_answer_means_one_thing),
        TEST(F40_a_higher_number_is_not_done_wherever_it_stands),
        TEST(F40_what_is_behind_a_failure_comes_in_its_order),
        TEST(F40_a_function_error_is_told_of_one_record),
        TEST(F40_an_error_without_its_header_is_one),
        TEST(F36_whole_calls_hold_the_sink_or_fail_the_record),
        TEST(F41_batches_and_sizes_are_bounded),
        TEST(F64_a_cancelled_record_is_not_sent_again),
        TEST(bad_options_are_refused_by_name),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_lambda", tests);
}
