/* The kafka sink, with a cluster that librdkafka plays in the sink's own process
 * (test.mock.num.brokers). */
#include <weir/test.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 60000 };

#define MOCK "\"brokers\":\"mock\",\"topic\":\"prices\""

static weir_test_batch *change(weir_test *test, const char *image)
{
    weir_test_batch *batch = weir_test_change(test, "{\"id\":\"p1\"}", NULL, image);
    WEIR_TEST(weir_test_wait(batch, WAIT_MS));
    return batch;
}

static void records_are_stored(void)
{
    weir_test *test =
        weir_test_open(PLUGIN, "{" MOCK ",\"properties\":{\"test.mock.num.brokers\":1}}");
    WEIR_TEST(weir_test_refused(test) == NULL);
    for (int i = 0; i < 3; i++)
        WEIR_TEST_INT(weir_test_outcome(change(test, "{\"price\":1}"), 0), WEIR_OK);
    WEIR_TEST_STR(weir_test_declared(test, WEIR_D_TARGET), "topic prices");
    weir_test_close(test);
}

static void a_record_that_is_too_large_fails(void)
{
    weir_test *test =
        weir_test_open(PLUGIN, "{" MOCK ",\"body\":\"plain\",\"properties\":"
                               "{\"test.mock.num.brokers\":1,\"message.max.bytes\":1000}}");
    char image[2200];
    memset(image, 'x', sizeof image);
    memcpy(image, "{\"a\":\"", 6);
    memcpy(image + 2100, "\"}", 3);
    weir_test_batch *batch = change(test, image);
    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_FAIL);
    WEIR_TEST_HAS(weir_test_reason(batch, 0), "Message size too large");
    WEIR_TEST_INT(weir_test_outcome(change(test, "{\"a\":1}"), 0), WEIR_OK);
    weir_test_close(test);
}

static void without_a_server_the_sink_is_held(void)
{
    weir_test *test = weir_test_open(
        PLUGIN, "{\"brokers\":\"127.0.0.1:1\",\"topic\":\"prices\",\"delivery_timeout\":\"1s\"}");
    weir_test_batch *batch = change(test, "{\"price\":1}");
    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_DOWN);
    WEIR_TEST_HAS(weir_test_reason(batch, 0), "timed out");
    WEIR_TEST_HAS(weir_test_log(test), "librdkafka: ");
    weir_test_close(test);
}

static void options_are_checked(void)
{
    static const struct {
        const char *options, *problem;
    } rows[] = {
        {"{\"topic\":\"t\"}", "brokers"},
        {"{\"brokers\":\"b\"}", "topic"},
        {"{" MOCK ",\"delivery_timeout\":\"10ms\"}", "must be 1s to 10m"},
        {"{" MOCK ",\"properties\":[]}", "must be an object"},
        {"{" MOCK ",\"properties\":{\"nonsense\":1}}", "nonsense: No such configuration property"},
        {"{" MOCK ",\"properties\":{\"compression.type\":\"x\"}}", "compression.type: "},
        {"{" MOCK ",\"properties\":{\"compression.type\":{}}}", "must be a text, a number"},
        {"{" MOCK ",\"properties\":{\"acks\":\"1\"}}", "acks: is weir's own to set"},
        {"{" MOCK ",\"properties\":{\"enable.idempotence\":false}}", "is weir's own to set"},
        {"{" MOCK ",\"properties\":{\"sasl.password\":\"x\"}}", "belongs under \"secrets"},
        {"{" MOCK ",\"secrets\":{\"sasl.mechanism\":7,\"nonsense\":\"hidden\"}}",
         "nonsense: is no"},
        {"{" MOCK ",\"body\":\"plain\",\"raw\":true}", "only body aws"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weir_test *test = weir_test_open(PLUGIN, rows[i].options);
        WEIR_TEST_HAS(weir_test_refused(test), rows[i].problem);
        WEIR_TEST(!weir_test_refused(test) || !strstr(weir_test_refused(test), "hidden"));
        weir_test_close(test);
    }
}

/* What librdkafka finds out only with all of them in hand. */
static void options_that_do_not_go_together_hold_the_sink(void)
{
    weir_test *test = weir_test_open(PLUGIN, "{" MOCK ",\"properties\":{\"max.in.flight\":1000}}");
    WEIR_TEST(weir_test_refused(test) == NULL);
    weir_test_batch *batch = change(test, "{\"price\":1}");
    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_DOWN);
    WEIR_TEST_HAS(weir_test_reason(batch, 0), "max.in.flight");
    weir_test_close(test);
}

static const weir_test_case cases[] = {
    {"records_are_stored", records_are_stored},
    {"a_record_that_is_too_large_fails", a_record_that_is_too_large_fails},
    {"without_a_server_the_sink_is_held", without_a_server_the_sink_is_held},
    {"options_are_checked", options_are_checked},
    {"options_that_do_not_go_together_hold_the_sink",
     options_that_do_not_go_together_hold_the_sink},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return weir_test_main(argc, argv, cases);
}
