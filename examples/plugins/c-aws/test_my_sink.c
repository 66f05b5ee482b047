#include <weir/test.h>

#include <stddef.h>

static void a_record_is_one_message(void)
{
    weir_test *test = weir_test_open(PLUGIN, NULL);
    weir_test_answer(test, 200, "{\"MessageId\":\"1\"}");

    weir_test_batch *batch = weir_test_change(test, "{\"id\":1}", NULL, "{\"price\":12.50}");

    const weir_test_call *call = weir_test_call_at(test, 0);
    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_OK);
    WEIR_TEST_STR(call->target, "AmazonSQS.SendMessage");
    WEIR_TEST_HAS(call->body, "\\\"price\\\":{\\\"N\\\":\\\"12.50\\\"}");
    weir_test_close(test);
}

static void errors_are_told_apart(void)
{
    static const struct {
        int32_t status;
        const char *body;
        int32_t outcome;
    } rows[] = {
        {400, "{\"__type\":\"com.amazonaws.sqs#InvalidMessageContents\"}", WEIR_FAIL},
        {400, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\"}", WEIR_DOWN},
        {503, "", WEIR_DOWN},
        {WEIR_TEST_LOST, NULL, WEIR_RETRY},
        {WEIR_TEST_NO_CONNECTION, NULL, WEIR_DOWN},
    };
    weir_test *test = weir_test_open(PLUGIN, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weir_test_batch *batch = weir_test_change(test, "{\"id\":1}", NULL, "{}");
        weir_test_answer(test, rows[i].status, rows[i].body);
        WEIR_TEST_INT(weir_test_outcome(batch, 0), rows[i].outcome);
    }
    weir_test_close(test);
}

static void the_deadline_ends_the_call(void)
{
    weir_test *test = weir_test_open(PLUGIN, NULL);
    weir_test_batch *batch = weir_test_change(test, "{\"id\":1}", NULL, "{}");

    weir_test_advance(test, 60000);

    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_RETRY);
    weir_test_close(test);
}

static const weir_test_case cases[] = {
    {"a_record_is_one_message", a_record_is_one_message},
    {"errors_are_told_apart", errors_are_told_apart},
    {"the_deadline_ends_the_call", the_deadline_ends_the_call},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return weir_test_main(argc, argv, cases);
}
