/* How the http sink heeds Retry-After, also that of a server which an earlier process asked. */
#include <weir/test.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOOK  "{\"url\":\"https://example.com/hook/s3cret\"}"
#define OTHER "{\"url\":\"https://example.com/other\"}"

static weir_test_batch *change(weir_test *test, const char *keys)
{
    return weir_test_change(test, keys, NULL, "{\"a\":1}");
}

/* The server asks to wait for so many seconds. */
static void told_to_wait(weir_test *test, const char *headers)
{
    weir_test_batch *first = change(test, "{\"id\":\"first\"}");
    weir_test_answer_with(test, 429, headers, "");
    WEIR_TEST_INT(weir_test_outcome(first, 0), WEIR_DOWN);
}

static weir_test *next_process(const char *options, const char *value, const char *without)
{
    const char *const values[] = {"retry_after", value, NULL};
    const weir_test_setup setup = {.struct_size = sizeof setup,
                                   .plugin = PLUGIN,
                                   .options = options,
                                   .without = without,
                                   .values = values};
    return weir_test_open_with(&setup);
}

/* Whether a sink that finds `value` sends a record after `ms` and not before. */
static void waits(const char *options, const char *value, const char *without, int64_t ms)
{
    weir_test *test = next_process(options, value, without);
    if (ms > 0)
        weir_test_advance(test, ms - 1);
    weir_test_batch *batch = change(test, "{\"id\":\"k\"}");
    if (ms > 0) {
        WEIR_TEST_INT(weir_test_calls(test), 0);
        weir_test_advance(test, 1);
    }
    WEIR_TEST_INT(weir_test_calls(test), 1);
    weir_test_answer(test, 200, "");
    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_OK);
    WEIR_TEST_INT(weir_test_metric(test, "waits_total", "retry_after"), ms > 0);
    weir_test_close(test);
}

static void retry_after_holds_all_requests(void)
{
    weir_test *test = weir_test_open(PLUGIN, HOOK);
    told_to_wait(test, "Retry-After: 5");
    weir_test_batch *second = change(test, "{\"id\":\"second\"}");
    weir_test_advance(test, 4999);
    WEIR_TEST_INT(weir_test_calls(test), 1);
    weir_test_advance(test, 1);
    WEIR_TEST_INT(weir_test_calls(test), 2);
    weir_test_answer(test, 200, "");
    WEIR_TEST_INT(weir_test_outcome(second, 0), WEIR_OK);
    weir_test_close(test);
}

/* Else a long wait would use up the attempts of records that were never sent. */
static void what_waits_until_its_deadline_was_not_tried(void)
{
    weir_test *test = weir_test_open(PLUGIN, HOOK);
    told_to_wait(test, "Retry-After: 600");
    weir_test_batch *second = change(test, "{\"id\":\"second\"}");
    weir_test_advance(test, 30000);
    WEIR_TEST_INT(weir_test_calls(test), 1);
    WEIR_TEST_INT(weir_test_outcome(second, 0), WEIR_DOWN);
    WEIR_TEST_STR(weir_test_reason(second, 0), "the server asked to wait");
    weir_test_close(test);

    test = weir_test_open(PLUGIN, HOOK); /* one that was sent may have been stored */
    second = change(test, "{\"id\":\"second\"}");
    weir_test_advance(test, 9999);
    weir_test_cancel(second);
    WEIR_TEST_INT(weir_test_outcome(second, 0), WEIR_RETRY);
    weir_test_close(test);
}

/* Who looks at a dead letter learns what to change. */
static void what_never_had_its_turn_says_so(void)
{
    weir_test *test =
        weir_test_open(PLUGIN, "{\"url\":\"https://example.com/\",\"rate\":1,\"concurrency\":1}");
    weir_test_batch *first = change(test, "{\"id\":\"first\"}");
    weir_test_batch *second = change(test, "{\"id\":\"second\"}");
    WEIR_TEST_INT(weir_test_calls(test), 1);
    weir_test_cancel(second);
    WEIR_TEST_INT(weir_test_outcome(second, 0), WEIR_RETRY);
    WEIR_TEST_STR(weir_test_reason(second, 0),
                  "its turn did not come in time: see rate, and the sink's batch_records, "
                  "concurrency and timeout");
    weir_test_cancel(first);
    WEIR_TEST_INT(weir_test_outcome(first, 0), WEIR_RETRY);
    WEIR_TEST_STR(weir_test_reason(first, 0), "cancelled");
    weir_test_close(test);
}

static void retry_after_outlives_the_process(void)
{
    weir_test *test = weir_test_open(PLUGIN, HOOK);
    told_to_wait(test, "Retry-After: 20");
    const char *value = weir_test_value(test, "retry_after");
    WEIR_TEST(value != NULL && strlen(value) < 120);
    WEIR_TEST(value && !strstr(value, "s3cret"));
    waits(HOOK, value ? value : "", NULL, 20000); /* the clock of a test begins anew */
    waits(OTHER, value ? value : "", NULL, 0);    /* another server said nothing */
    waits(HOOK, value ? value : "", "weir.kv/1", 0);
    weir_test_close(test);
}

static void what_is_kept_must_make_sense(void)
{
    weir_test *test = weir_test_open(PLUGIN, HOOK);
    char text[200];
    told_to_wait(test, "Retry-After: 86400");
    const char *value = weir_test_value(test, "retry_after");
    const char *server = value ? strchr(value, ' ') : NULL;
    WEIR_TEST(server != NULL);
    long long until_us = value ? strtoll(value, NULL, 10) : 0;
    server = server ? server : " ";

    waits(HOOK, value ? value : "", NULL, 86400000);
    static const long long off_us[] = {1000000, -86400000000, -99999999999999};
    for (size_t i = 0; i < sizeof off_us / sizeof *off_us; i++) { /* too far, now, long ago */
        snprintf(text, sizeof text, "%lld%s", until_us + off_us[i], server);
        waits(HOOK, text, NULL, 0);
    }
    snprintf(text, sizeof text, "%lld", until_us);
    waits(HOOK, text, NULL, 0);
    snprintf(text, sizeof text, "99999999999999999999999%s", server);
    waits(HOOK, text, NULL, 0);
    waits(HOOK, "", NULL, 0);
    waits(HOOK, server, NULL, 0);
    memset(text, '9', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    waits(HOOK, text, NULL, 0);
    weir_test_close(test);
}

static void short_waits_are_not_kept_and_later_ones_replace(void)
{
    weir_test *test = weir_test_open(PLUGIN, HOOK);
    told_to_wait(test, "Retry-After: 1");
    WEIR_TEST(weir_test_value(test, "retry_after") == NULL);
    weir_test_advance(test, 1000);
    told_to_wait(test, "Retry-After: 10");
    const char *first = weir_test_value(test, "retry_after");
    weir_test_advance(test, 10000);
    told_to_wait(test, "Retry-After: 30");
    const char *second = weir_test_value(test, "retry_after");
    WEIR_TEST(first && second && strcmp(first, second) < 0);
    weir_test_close(test);
}

static void what_can_not_be_kept_is_said_once(void)
{
    weir_test *test = weir_test_open(PLUGIN, HOOK);
    for (int i = 0; i < 3; i++) {
        weir_test_refuse_value(test, i < 2 ? -28 : 0);
        told_to_wait(test, "Retry-After: 10");
        WEIR_TEST((weir_test_value(test, "retry_after") == NULL) == (i < 2));
        weir_test_advance(test, 10000);
    }
    WEIR_TEST_STR(weir_test_log(test), "warn: Retry-After would not outlive a restart: it can't be "
                                       "stored: No space left on device\n");
    weir_test_close(test);
}

static const weir_test_case cases[] = {
    {"retry_after_holds_all_requests", retry_after_holds_all_requests},
    {"what_waits_until_its_deadline_was_not_tried", what_waits_until_its_deadline_was_not_tried},
    {"what_never_had_its_turn_says_so", what_never_had_its_turn_says_so},
    {"retry_after_outlives_the_process", retry_after_outlives_the_process},
    {"what_is_kept_must_make_sense", what_is_kept_must_make_sense},
    {"short_waits_are_not_kept_and_later_ones_replace",
     short_waits_are_not_kept_and_later_ones_replace},
    {"what_can_not_be_kept_is_said_once", what_can_not_be_kept_is_said_once},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return weir_test_main(argc, argv, cases);
}
