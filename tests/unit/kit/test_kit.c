/* weir/test.h, tested by itself: plugins that behave and plugins that do not, as an outsider sees
 * them. That a failure is seen is what teeth.c is for. */
#include <weir/ext/aws.h>
#include <weir/test.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define QUEUE   "{\"queue_url\":\"https://sqs.us-east-1.amazonaws.com/123456789012/q\"}"
#define PLUGINS TEST_BUILD "/tests/plugins/"

static const char *const ids[] = {"{\"id\":1}", "{\"id\":2}", "{\"id\":3}", "{\"id\":4}"};

/* A batch of `count` changes; all of one item, or each of another. */
static weir_test_batch *give_changes(weir_test *test, size_t count, int one_item)
{
    char json[8192] = "[";
    for (size_t i = 0; i < count; i++)
        snprintf(
            json + strlen(json), sizeof json - strlen(json), "%s%s", i > 0 ? "," : "",
            weir_test_record(test, ids[one_item ? 0 : i % 4], "{\"price\":1}", "{\"price\":2}"));
    snprintf(json + strlen(json), sizeof json - strlen(json), "]");
    return weir_test_give(test, json);
}

static void records_are_written_as_lambda_gets_them(void)
{
    weir_test *test = weir_test_open(PLUGINS "good.so", NULL);

    const char *made = weir_test_record(
        test, "{\"id\":\"p\\u00e9\"}", "{\"price\":1}",
        "{\"price\":12.50,\"big\":12345678901234567890123456789012345678,\"on\":true,\"no\":null,"
        "\"typed\":{\"SS\":[\"a\"]},\"deep\":{\"list\":[1,{\"b\":\"c\"},[]],\"map\":{}}}");

    WEIR_TEST_HAS(made, "\"Keys\":{\"id\":{\"S\":\"p\\u00e9\"}}");
    WEIR_TEST_HAS(made,
                  "\"price\":{\"N\":\"12.50\"},\"big\":{\"N\":\"123456789012345678901234567890"
                  "12345678\"},\"on\":{\"BOOL\":true},\"no\":{\"NULL\":true},\"typed\":{\"SS\":"
                  "[\"a\"]},\"deep\":{\"M\":{\"list\":{\"L\":[{\"N\":\"1\"},{\"M\":{\"b\":{"
                  "\"S\":\"c\"}}},{\"L\":[]}]},\"map\":{\"M\":{}}}},\"id\":{\"S\":");
    WEIR_TEST_HAS(made, "\"eventName\":\"MODIFY\"");
    WEIR_TEST_HAS(weir_test_record(test, ids[0], NULL, "{}"), "\"INSERT\"");
    WEIR_TEST_HAS(weir_test_record(test, ids[0], "{}", NULL), "\"REMOVE\"");
    WEIR_TEST_INT(weir_test_outcome(weir_test_give(test, made), 0), WEIR_OK);
    weir_test_close(test);
}

static void all_shapes_of_input_are_read(void)
{
    weir_test *test = weir_test_open(PLUGINS "good.so", NULL);
    const char *record = weir_test_record(test, ids[0], NULL, "{\"a\":1}");
    char json[4096];

    snprintf(json, sizeof json, "{\"Records\":[%s]}", record);
    WEIR_TEST_INT(weir_test_count(weir_test_give(test, json)), 1);
    snprintf(json, sizeof json, "%s\n%s\n", record, record);
    weir_test_batch *lines = weir_test_give(test, json);
    snprintf(json, sizeof json, "[%s,{\"eventName\":7}]", record);
    weir_test_batch *poison = weir_test_give(test, json);
    weir_test_batch *file =
        weir_test_give_file(test, TEST_DATA "/samples/lambda-event-100-price-changes.json");

    WEIR_TEST_INT(weir_test_count(lines), 2);
    WEIR_TEST_INT(weir_test_outcomes(lines, WEIR_OK), 2);
    WEIR_TEST_INT(weir_test_outcome(poison, 0), WEIR_OK);
    WEIR_TEST_INT(weir_test_outcome(poison, 1), WEIR_TEST_POISON);
    WEIR_TEST(weir_test_count(file) > 0);
    WEIR_TEST_INT(weir_test_outcomes(file, WEIR_OK), weir_test_count(file));
    weir_test_close(test);
}

static void time_stands_still_until_told(void)
{
    weir_test *test = weir_test_open(PLUGINS "good_async.so", "{\"delay\":\"10s\"}");
    weir_test_batch *batch = give_changes(test, 3, 0);

    weir_test_advance(test, 9999);
    WEIR_TEST_INT(weir_test_outcomes(batch, 0), 3);
    weir_test_advance(test, 1);

    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_OK), 3);
    WEIR_TEST_INT(weir_test_now_ms(test), 11000);
    weir_test_close(test);
}

static void records_of_one_item_follow_each_other(void)
{
    weir_test *test = weir_test_open(PLUGINS "good_async.so", "{\"delay\":\"1s\"}");
    weir_test_batch *batch = give_changes(test, 3, 1);

    weir_test_advance(test, 1000);
    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_OK), 1);
    weir_test_advance(test, 1000);
    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_OK), 2);
    weir_test_advance(test, 1000);

    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_OK), 3);
    weir_test_close(test);
}

static void those_behind_a_failed_one_wait(void)
{
    weir_test *test = weir_test_open(PLUGINS "scripted.so", "{\"script\":{\"e1\":[\"retry\"]}}");

    weir_test_batch *batch = give_changes(test, 2, 1);

    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_RETRY);
    WEIR_TEST_INT(weir_test_outcome(batch, 1), WEIR_TEST_WAITS);
    weir_test_close(test);
}

static void the_deadline_revokes(void)
{
    weir_test *test = weir_test_open(PLUGINS "good_async.so", "{\"delay\":\"1h\"}");
    weir_test_batch *passed = give_changes(test, 2, 0);
    weir_test_advance(test, 29999);
    WEIR_TEST_INT(weir_test_outcomes(passed, 0), 2);
    weir_test_advance(test, 1);
    weir_test_batch *told = give_changes(test, 2, 0);
    weir_test_cancel(told);

    WEIR_TEST_INT(weir_test_outcomes(passed, WEIR_RETRY), 2);
    WEIR_TEST_INT(weir_test_outcomes(told, WEIR_RETRY), 2);
    weir_test_close(test);
}

static void F64_second_completions_are_counted_and_change_nothing(void)
{
    weir_test *test = weir_test_open(PLUGINS "double.so", NULL);

    weir_test_batch *batch = give_changes(test, 2, 0);

    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_OK), 2);
    WEIR_TEST_STR(weir_test_reason(batch, 1), "first");
    WEIR_TEST_INT(weir_test_ignored(test), 3);
    weir_test_close(test);
}

static void F69_other_threads_may_complete(void)
{
    weir_test *test = weir_test_open(PLUGINS "thread.so", NULL);
    weir_test_batch *batch = give_changes(test, 4, 0);

    WEIR_TEST(weir_test_wait(batch, 20000));

    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_OK), 4);
    weir_test_flush(test, 1000);
    weir_test_close(test);
}

static void extensions_work_and_may_be_missing(void)
{
    weir_test *test = weir_test_open(PLUGINS "extensions.so", "{\"script\":\"wWtT\"}");
    weir_test_batch *batch = weir_test_change(test, ids[0], NULL, "{}");
    weir_test_advance(test, 100);

    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_OK);
    WEIR_TEST_STR(weir_test_log(test), "info: done 1\ninfo: done 2\ninfo: done 3\ninfo: fired\n"
                                       "info: fired, again\ninfo: fired\n");
    weir_test_log_clear(test);
    WEIR_TEST_STR(weir_test_log(test), "");
    weir_test_close(test);

    const weir_test_setup bare = {.struct_size = sizeof bare,
                                  .plugin = TEST_BUILD "/plugins/sqs.so",
                                  .options = QUEUE,
                                  .without = "weir.aws/1 weir.json/1"};
    test = weir_test_open_with(&bare);
    WEIR_TEST_INT(weir_test_outcome(weir_test_change(test, ids[0], NULL, "{}"), 0), WEIR_DOWN);
    WEIR_TEST_INT(weir_test_calls(test), 0);
    weir_test_close(test);
}

static void values_are_kept_told_and_may_be_refused(void)
{
    static const char *const before[] = {"count", "xx", "other", "1", NULL};
    const weir_test_setup again = {.struct_size = sizeof again,
                                   .plugin = PLUGINS "extensions.so",
                                   .options = "{\"script\":\"k\"}",
                                   .values = before};
    weir_test *test = weir_test_open(PLUGINS "extensions.so", "{\"script\":\"kdk\"}");
    WEIR_TEST(weir_test_value(test, "count") == NULL);
    weir_test_change(test, ids[0], NULL, "{}");
    WEIR_TEST_STR(weir_test_log(test), "info: status 0, kept x\ninfo: status 0, kept none\n"
                                       "info: status 0, kept x\n");
    WEIR_TEST_STR(weir_test_value(test, "count"), "x");
    weir_test_close(test);

    test = weir_test_open_with(&again);
    WEIR_TEST_STR(weir_test_value(test, "count"), "xx");
    weir_test_refuse_value(test, -28);
    weir_test_change(test, ids[0], NULL, "{}");
    WEIR_TEST_STR(weir_test_log(test), "info: status -28, kept xx\n");
    WEIR_TEST_STR(weir_test_value(test, "count"), "xx");
    weir_test_change(test, ids[0], NULL, "{}");
    WEIR_TEST_STR(weir_test_value(test, "count"), "xxx");
    WEIR_TEST_STR(weir_test_value(test, "other"), "1");
    weir_test_close(test);

    const weir_test_setup bare = {.struct_size = sizeof bare,
                                  .plugin = again.plugin,
                                  .options = again.options,
                                  .without = "weir.kv/1",
                                  .values = before};
    test = weir_test_open_with(&bare);
    weir_test_change(test, ids[0], NULL, "{}");
    WEIR_TEST_STR(weir_test_log(test), "info: nothing is kept here\n");
    WEIR_TEST(weir_test_value(test, "count") == NULL);
    weir_test_close(test);
}

static void calls_are_answered_in_order_as_in_production(void)
{
    static const struct {
        int32_t status;
        const char *body;
        int32_t outcome;
    } rows[] = {
        {200, "{\"Successful\":[],\"Failed\":[]}", WEIR_RETRY}, /* says nothing of our entries */
        {400, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\",\"message\":\"no\"}", WEIR_DOWN},
        {400, "{\"__type\":\"ThrottlingException\"}", WEIR_DOWN},
        {500, "gateway", WEIR_DOWN},
        {WEIR_TEST_LOST, NULL, WEIR_RETRY},
        {WEIR_TEST_NO_CONNECTION, NULL, WEIR_DOWN},
    };
    weir_test *test = weir_test_open(TEST_BUILD "/plugins/sqs.so", QUEUE);
    WEIR_TEST_HAS(weir_test_declared(test, WEIR_D_IAM), "sqs:SendMessage");
    WEIR_TEST_HAS(weir_test_declared(test, WEIR_D_TARGET), "q");

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weir_test_batch *batch = weir_test_change(test, ids[0], NULL, "{\"a\":1}");
        WEIR_TEST_INT(weir_test_calls(test), i + 1);
        WEIR_TEST_INT(weir_test_call_at(test, i)->state, WEIR_TEST_CALL_OPEN);
        weir_test_answer(test, rows[i].status, rows[i].body);
        WEIR_TEST_INT(weir_test_outcome(batch, 0), rows[i].outcome);
        WEIR_TEST_INT(weir_test_call_at(test, i)->state, WEIR_TEST_CALL_ANSWERED);
    }
    WEIR_TEST_STR(weir_test_call_at(test, 0)->target, "AmazonSQS.SendMessageBatch");
    weir_test_batch *aborted = weir_test_change(test, ids[0], NULL, "{\"a\":1}");
    weir_test_cancel(aborted);
    WEIR_TEST_INT(weir_test_outcome(aborted, 0), WEIR_RETRY);
    weir_test_close(test);
}

static void calls_of_every_protocol_are_shown_and_answered(void)
{
    weir_test *test = weir_test_open(TEST_BUILD "/plugins/sns.so",
                                     "{\"topic_arn\":\"arn:aws:sns:eu-west-1:1:prices\"}");
    weir_test_batch *refused = weir_test_change(test, ids[0], NULL, "{\"a\":1}");
    WEIR_TEST_INT(weir_test_call_at(test, 0)->protocol, WEIR_AWS_QUERY);
    WEIR_TEST_HAS(weir_test_call_at(test, 0)->body, "Action=PublishBatch&");
    weir_test_answer(test, 404,
                     "<ErrorResponse><Error><Code>NotFound</Code><Message>Topic &lt;x&gt;</Message>"
                     "</Error></ErrorResponse>");
    WEIR_TEST_INT(weir_test_outcome(refused, 0), WEIR_DOWN);
    WEIR_TEST_STR(weir_test_reason(refused, 0), "NotFound: Topic <x>");
    weir_test_batch *stored = weir_test_change(test, ids[0], NULL, "{\"a\":1}");
    weir_test_answer(test, 200,
                     "<PublishBatchResponse><PublishBatchResult><Successful><member><Id>2-0</Id>"
                     "<MessageId>m</MessageId></member></Successful><Failed/></PublishBatchResult>"
                     "</PublishBatchResponse>");
    WEIR_TEST_INT(weir_test_outcome(stored, 0), WEIR_OK);
    weir_test_close(test);

    test = weir_test_open(TEST_BUILD "/plugins/lambda.so", "{\"function\":\"f\"}");
    weir_test_batch *failed = weir_test_change(test, ids[0], NULL, "{\"a\":1}");
    const weir_test_call *call = weir_test_call_at(test, 0);
    WEIR_TEST_INT(call->protocol, WEIR_AWS_REST);
    WEIR_TEST_STR(call->path, "/2015-03-31/functions/f/invocations");
    WEIR_TEST_STR(call->headers, "X-Amz-Invocation-Type: RequestResponse\n");
    weir_test_answer_with(test, 200, "X-Amz-Function-Error: Unhandled", "{\"errorMessage\":\"m\"}");
    WEIR_TEST_INT(weir_test_outcome(failed, 0), WEIR_RETRY);
    WEIR_TEST_STR(weir_test_reason(failed, 0), "Unhandled: m");
    weir_test_close(test);
}

static void http_calls_are_answered_by_the_same_script(void)
{
    weir_test *test =
        weir_test_open(TEST_BUILD "/plugins/http.so", "{\"url\":\"https://example.com/hook\"}");

    weir_test_batch *stored = weir_test_change(test, ids[0], NULL, "{\"a\":1}");
    weir_test_answer(test, 200, "");
    weir_test_batch *refused = weir_test_change(test, ids[1], NULL, "{\"a\":1}");
    weir_test_answer(test, WEIR_TEST_NO_CONNECTION, NULL);

    const weir_test_call *call = weir_test_call_at(test, 0);
    WEIR_TEST_STR(call->service, "http");
    WEIR_TEST_STR(call->target, "POST");
    WEIR_TEST_STR(call->endpoint, "https://example.com/hook");
    WEIR_TEST_HAS(call->headers, "ontent-");
    WEIR_TEST(call->body_bytes > 0);
    WEIR_TEST_INT(weir_test_outcome(stored, 0), WEIR_OK);
    WEIR_TEST_INT(weir_test_outcome(refused, 0), WEIR_DOWN);
    weir_test_close(test);
}

static void refusals_say_why(void)
{
    static const struct {
        const char *plugin, *options, *why;
    } rows[] = {
        {PLUGINS "good_async.so", "{\"delay\":5}", "delay"},
        {PLUGINS "good_async.so", "{\"dealy\":\"5s\"}", "did you mean \"delay\""},
        {PLUGINS "good_async.so", "[]", "no JSON object"},
        {PLUGINS "good_async.so", "{", "expected"},
        {PLUGINS "openfails.so", "{\"code\":-5}", "could not be opened"},
        {PLUGINS "badabi.so", NULL, "built for plugin ABI"},
        {PLUGINS "noentry.so", NULL, "no symbol weir_plugin_entry"},
        {PLUGINS "absent.so", NULL, "absent.so"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weir_test *test = weir_test_open(rows[i].plugin, rows[i].options);
        WEIR_TEST_HAS(weir_test_refused(test), rows[i].why);
        weir_test_close(test);
    }
}

static const weir_test_case cases[] = {
    {"records_are_written_as_lambda_gets_them", records_are_written_as_lambda_gets_them},
    {"all_shapes_of_input_are_read", all_shapes_of_input_are_read},
    {"time_stands_still_until_told", time_stands_still_until_told},
    {"records_of_one_item_follow_each_other", records_of_one_item_follow_each_other},
    {"those_behind_a_failed_one_wait", those_behind_a_failed_one_wait},
    {"the_deadline_revokes", the_deadline_revokes},
    {"F64_second_completions_are_counted_and_change_nothing",
     F64_second_completions_are_counted_and_change_nothing},
    {"F69_other_threads_may_complete", F69_other_threads_may_complete},
    {"extensions_work_and_may_be_missing", extensions_work_and_may_be_missing},
    {"values_are_kept_told_and_may_be_refused", values_are_kept_told_and_may_be_refused},
    {"calls_are_answered_in_order_as_in_production", calls_are_answered_in_order_as_in_production},
    {"calls_of_every_protocol_are_shown_and_answered",
     calls_of_every_protocol_are_shown_and_answered},
    {"http_calls_are_answered_by_the_same_script", http_calls_are_answered_by_the_same_script},
    {"refusals_say_why", refusals_say_why},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return weir_test_main(argc, argv, cases);
}
