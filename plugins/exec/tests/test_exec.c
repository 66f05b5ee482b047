/* The exec sink, with a program that does what a record tells it to. */
#include <weir/test.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 60000 };

static char mark[64];

static weir_test *open_sink(const char *more)
{
    char options[1024];
    snprintf(mark, sizeof mark, "/tmp/weir-exec-%ld", (long)getpid());
    unlink(mark);
    snprintf(options, sizeof options,
             "{\"program\":\"%s\",\"args\":[\"%s\"],\"restart_max\":\"20ms\"%s}", NASTY, mark,
             more);
    weir_test *test = weir_test_open(PLUGIN, options);
    WEIR_TEST(weir_test_refused(test) == NULL);
    return test;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What one more process of ours would be: none is left, not even a dead one. */
static void close_sink(weir_test *test)
{
    weir_test_close(test);
    WEIR_TEST(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    unlink(mark);
}

/* Records of different items, one for each word of `deeds`. */
static weir_test_batch *give(weir_test *test, const char *deeds)
{
    char *json = calloc(1, 65536), word[32], keys[32], image[64];
    int item = 0, used = 0;
    for (; sscanf(deeds, " %31s%n", word, &used) == 1; deeds += used, item++) {
        snprintf(keys, sizeof keys, "{\"id\":\"i%d\"}", item);
        snprintf(image, sizeof image, "{\"do\":\"%s\"}", word);
        strncat(json, weir_test_record(test, keys, NULL, image), 60000);
        strncat(json, "\n", 2);
    }
    weir_test_batch *batch = weir_test_give(test, json);
    free(json);
    return batch;
}

static weir_test_batch *give_and_wait(weir_test *test, const char *deeds)
{
    weir_test_batch *batch = give(test, deeds);
    WEIR_TEST(weir_test_wait(batch, WAIT_MS));
    return batch;
}

static void each_answer_is_an_outcome(void)
{
    static const int32_t expected[] = {WEIR_OK,   WEIR_SKIP, WEIR_RETRY, WEIR_RETRY,
                                       WEIR_FAIL, WEIR_DOWN, WEIR_OK};
    weir_test *test = open_sink("");
    weir_test_batch *batch = give_and_wait(test, "ok skip retry later error down ok");
    for (size_t i = 0; i < 7; i++)
        WEIR_TEST_INT(weir_test_outcome(batch, i), expected[i]);
    WEIR_TEST_STR(weir_test_reason(batch, 2), "busy");
    WEIR_TEST_STR(weir_test_reason(batch, 3), "the program wants it again");
    WEIR_TEST_STR(weir_test_reason(batch, 4), "no such \\u001b[2J thing");
    WEIR_TEST_STR(weir_test_reason(batch, 5), "no database");
    WEIR_TEST_HAS(weir_test_declared(test, WEIR_D_TARGET), "program /");
    close_sink(test);
}

static void one_program_serves_all_deliveries(void)
{
    weir_test *test = open_sink(",\"body\":\"plain\"");
    for (int i = 0; i < 3; i++)
        WEIR_TEST_INT(weir_test_outcomes(give_and_wait(test, "ok ok ok ok"), WEIR_OK), 4);
    const char *log = weir_test_log(test), *first = strstr(log, "runs as process");
    WEIR_TEST(first && !strstr(first + 1, "runs as process"));
    close_sink(test);
}

static void a_killed_program_loses_nothing_and_blames_nobody(void)
{
    weir_test *test = open_sink("");
    weir_test_batch *batch = give_and_wait(test, "ok ok ok crash_once ok ok ok ok ok ok");
    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_OK), 10);
    WEIR_TEST_HAS(weir_test_log(test), "was ended by signal 9");
    close_sink(test);
}

static void a_record_that_kills_the_program_is_found(void)
{
    weir_test *test = open_sink("");
    weir_test_batch *batch = give_and_wait(test, "ok ok ok crash ok ok exit ok ok ok");
    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_OK), 8);
    WEIR_TEST_INT(weir_test_outcome(batch, 3), WEIR_RETRY);
    WEIR_TEST_INT(weir_test_outcome(batch, 6), WEIR_RETRY);
    WEIR_TEST_HAS(weir_test_reason(batch, 6), "ended with status 0");
    close_sink(test);
}

/* deed, what the reason says, whether its record was answered nevertheless */
static void what_is_no_answer_ends_the_program(void)
{
    static const struct {
        const char *deed, *reason;
        int32_t outcome;
    } rows[] = {
        {"garbage", "is no JSON object: \\u001b[2Jhello", WEIR_RETRY},
        {"unknown", "answers no record that waits", WEIR_RETRY},
        {"both", "exactly one of", WEIR_RETRY},
        {"long", "more than 64 KiB", WEIR_RETRY},
        {"torn", "ended with status 0", WEIR_RETRY},
        {"close_out", "closed its output", WEIR_RETRY},
        {"complain", "ended with status 3, after it said: last words", WEIR_RETRY},
        {"twice", "answers no record that waits", WEIR_OK},
        {"close_in", "closed its output or its input", WEIR_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char deeds[64];
        weir_test *test = open_sink("");
        snprintf(deeds, sizeof deeds, "ok %s", rows[i].deed);
        weir_test_batch *batch = give_and_wait(test, deeds);
        WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_OK);
        WEIR_TEST_INT(weir_test_outcome(batch, 1), rows[i].outcome);
        WEIR_TEST_INT(weir_test_outcomes(give_and_wait(test, "ok ok ok"), WEIR_OK), 3);
        if (rows[i].outcome == WEIR_RETRY)
            WEIR_TEST_HAS(weir_test_reason(batch, 1), rows[i].reason);
        else
            WEIR_TEST_HAS(weir_test_log(test), rows[i].reason);
        close_sink(test);
    }
}

static void a_program_that_hangs_is_replaced(void)
{
    weir_test *test = open_sink(",\"answer_timeout\":\"2s\"");
    weir_test_batch *batch = give_and_wait(test, "ok hang");
    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_OK);
    WEIR_TEST_INT(weir_test_outcome(batch, 1), WEIR_RETRY);
    WEIR_TEST_HAS(weir_test_reason(batch, 1), "gave no answer within 2000 ms");
    WEIR_TEST_INT(weir_test_outcomes(give_and_wait(test, "ok ok"), WEIR_OK), 2);
    close_sink(test);
}

static void a_program_that_never_answers_holds_the_sink(void)
{
    weir_test *test = open_sink("");
    weir_test_batch *batch = give_and_wait(test, "exit exit exit exit");
    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_RETRY), 1); /* it may be the first one's fault */
    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_DOWN), 3);
    close_sink(test);
}

static void what_cannot_be_run_holds_the_sink(void)
{
    static char writable[64];
    static const struct {
        const char *program, *reason;
    } rows[] = {
        {"/nowhere/at/all", "no such file"},
        {"/etc/passwd", "is no program"},
        {"/tmp", "is no program"},
        {writable, "may be changed by others"},
    };
    snprintf(writable, sizeof writable, "/tmp/weir-exec-writable-%ld", (long)getpid());
    FILE *file = fopen(writable, "w");
    WEIR_TEST(file && fclose(file) == 0 && chmod(writable, 0777) == 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char options[128];
        snprintf(options, sizeof options, "{\"program\":\"%s\"}", rows[i].program);
        weir_test *test = weir_test_open(PLUGIN, options);
        weir_test_batch *batch = give_and_wait(test, "ok ok");
        WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_DOWN), 2);
        WEIR_TEST_HAS(weir_test_reason(batch, 0), rows[i].reason);
        close_sink(test);
    }
    /* let through by the option, but no program that the system knows */
    char options[128];
    snprintf(options, sizeof options, "{\"program\":\"%s\",\"insecure\":true}", writable);
    weir_test *test = weir_test_open(PLUGIN, options);
    WEIR_TEST_HAS(weir_test_reason(give_and_wait(test, "ok"), 0), "can't be run");
    close_sink(test);
    unlink(writable);
}

static void nothing_is_inherited_but_what_is_named(void)
{
    setenv("AWS_SECRET_ACCESS_KEY", "hidden", 1);
    setenv("WEIR_EXEC_GIVEN", "7", 1);
    weir_test *test =
        open_sink(",\"pass_env\":[\"WEIR_EXEC_GIVEN\",\"WEIR_EXEC_NONE\"],\"env\":{\"A\":\"b c\"}");
    weir_test_batch *batch = give_and_wait(test, "environment descriptors");
    WEIR_TEST_STR(weir_test_reason(batch, 0), "A=b c;WEIR_EXEC_GIVEN=7;");
    WEIR_TEST_STR(weir_test_reason(batch, 1), "3 open, group 1");
    close_sink(test);
}

static void its_complaints_are_logged_within_bounds(void)
{
    weir_test *test = open_sink("");
    give_and_wait(test, "ok complain");
    WEIR_TEST_HAS(weir_test_log(test), "stderr: one\n");
    WEIR_TEST_HAS(weir_test_log(test), "stderr: \\u001b[2Jtwo\n");
    WEIR_TEST_HAS(weir_test_log(test), "stderr: last words\n");
    WEIR_TEST_INT(weir_test_outcomes(give_and_wait(test, "flood"), WEIR_OK), 1);
    close_sink(test);
}

static void a_flood_is_cut(void)
{
    weir_test *test = open_sink("");
    give_and_wait(test, "flood crash");
    size_t lines = 0;
    for (const char *at = weir_test_log(test); (at = strstr(at, "stderr: line ")); at++)
        lines++;
    WEIR_TEST(lines >= 50 && lines < 2500); /* 50 for each second that it took */
    WEIR_TEST_HAS(weir_test_log(test), "stderr were left out");
    close_sink(test);
}

static void a_revoked_record_ends_before_it_comes_again(void)
{
    weir_test *test = open_sink(",\"answer_timeout\":\"1h\",\"window\":1");
    weir_test_batch *batch = give(test, "ok hang ok ok");
    weir_test_cancel(batch);
    WEIR_TEST(weir_test_wait(batch, WAIT_MS));
    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_OK) + weir_test_outcomes(batch, WEIR_RETRY), 4);
    WEIR_TEST_INT(weir_test_outcome(batch, 1), WEIR_RETRY);
    WEIR_TEST_INT(weir_test_outcomes(give_and_wait(test, "ok ok"), WEIR_OK), 2);
    close_sink(test);
}

static void a_program_that_will_not_end_is_ended(void)
{
    char options[256];
    snprintf(options, sizeof options,
             "{\"program\":\"%s\",\"args\":[\"x\",\"deaf\"],\"grace\":\"50ms\"}", NASTY);
    weir_test *test = weir_test_open(PLUGIN, options);
    WEIR_TEST_INT(weir_test_outcomes(give_and_wait(test, "ok"), WEIR_OK), 1);
    int64_t began_ms = now_ms();
    close_sink(test);
    WEIR_TEST(now_ms() - began_ms >= 1000); /* TERM was tried */
}

static void large_records_pass_through_a_small_pipe(void)
{
    weir_test *test = open_sink("");
    char *image = malloc(400100), *json = calloc(1, 4 << 20), keys[32];
    for (int i = 0; i < 8; i++) {
        int len = snprintf(image, 100, "{\"text\":\"");
        memset(image + len, 'x', 390000);
        snprintf(image + len + 390000, 8, "\"}");
        snprintf(keys, sizeof keys, "{\"id\":\"i%d\"}", i);
        strncat(json, weir_test_record(test, keys, NULL, image), 400000);
        strncat(json, "\n", 2);
    }
    weir_test_batch *batch = weir_test_give(test, json);
    WEIR_TEST(weir_test_wait(batch, WAIT_MS));
    WEIR_TEST_INT(weir_test_outcomes(batch, WEIR_OK), 8);
    free(image);
    free(json);
    close_sink(test);
}

static void options_are_checked(void)
{
    static const struct {
        const char *options, *problem;
    } rows[] = {
        {"{}", "program"},
        {"{\"program\":\"/x\",\"args\":{}}", "must be a list of texts"},
        {"{\"program\":\"/x\",\"args\":[1]}", "must be a list of texts"},
        {"{\"program\":\"/x\",\"args\":[\"a\\u0000b\"]}", "without NUL"},
        {"{\"program\":\"/x\",\"env\":[]}", "must be an object"},
        {"{\"program\":\"/x\",\"env\":{\"A=B\":\"c\"}}", "must be an object"},
        {"{\"program\":\"/x\",\"pass_env\":[\"\"]}", "must be a list of names"},
        {"{\"program\":\"/x\",\"window\":0}", "must be 1 to 1000"},
        {"{\"program\":\"/x\",\"grace\":\"6s\"}", "must be 0s to 5s"},
        {"{\"program\":\"/x\",\"answer_timeout\":\"0s\"}", "must be 10ms"},
        {"{\"program\":\"/x\",\"restart_max\":\"0s\"}", "must be 1ms"},
        {"{\"program\":\"/x\",\"body\":\"plain\",\"raw\":true}", "only body aws"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weir_test *test = weir_test_open(PLUGIN, rows[i].options);
        WEIR_TEST_HAS(weir_test_refused(test), rows[i].problem);
        weir_test_close(test);
    }
    const weir_test_setup setup = {.struct_size = sizeof setup,
                                   .plugin = PLUGIN,
                                   .options = "{\"program\":\"/x\"}",
                                   .without = "weir.json/1"};
    weir_test *test = weir_test_open_with(&setup);
    WEIR_TEST_HAS(weir_test_log(test), "no weir.json/1");
    weir_test_close(test);
}

#define CASE(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }

static const weir_test_case cases[] = {
    CASE(each_answer_is_an_outcome),
    CASE(one_program_serves_all_deliveries),
    CASE(a_killed_program_loses_nothing_and_blames_nobody),
    CASE(a_record_that_kills_the_program_is_found),
    CASE(what_is_no_answer_ends_the_program),
    CASE(a_program_that_hangs_is_replaced),
    CASE(a_program_that_never_answers_holds_the_sink),
    CASE(what_cannot_be_run_holds_the_sink),
    CASE(nothing_is_inherited_but_what_is_named),
    CASE(its_complaints_are_logged_within_bounds),
    CASE(a_flood_is_cut),
    CASE(a_revoked_record_ends_before_it_comes_again),
    CASE(a_program_that_will_not_end_is_ended),
    CASE(large_records_pass_through_a_small_pipe),
    CASE(options_are_checked),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return weir_test_main(argc, argv, cases);
}
