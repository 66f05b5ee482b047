#include "client_fixture.h"
#include "unit.h"

#include <stdio.h>

/* ---- retries ---- */

static const struct scripted invalid = {HTTP_DONE, 400, NULL,
                                        "{\"__type\":\"x#ValidationException\"}", 0};
static const struct scripted lost = {HTTP_AMBIGUOUS, 0, NULL, NULL, 0};

static void the_standard_mode_tries_four_times_and_waits_longer_each_time(void)
{
    const struct scripted script[] = {down, down, down, down, fine};
    struct fixture f;
    struct result result;
    begin(&f, script, COUNT(script));
    f.fake.random = UINT64_MAX / 2; /* of no special remainder */
    struct aws_call call = put_item(&result);
    call.max_attempts = 0;
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_UNAVAILABLE);
    CHECK_INT(result.attempts, 4);
    CHECK(f.fake.now_ms <= 25 + 50 + 100);
    end(&f);

    begin(&f, script, COUNT(script));
    call = put_item(&result);
    call.service = "sqs";
    call.max_attempts = 0;
    run(&f, &call);
    CHECK_INT(result.attempts, 3);
    end(&f);
}

static void F31_throttling_waits_a_second_at_most_at_first(void)
{
    const struct scripted script[] = {slow_down, slow_down, fine};
    struct fixture f;
    struct result result;
    begin(&f, script, COUNT(script));
    f.fake.random = 1000 * 2001 + 1000; /* the most for 1001 values and for 2001 */
    struct aws_call call = put_item(&result);
    call.max_attempts = 0;
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK_INT(result.attempts, 3);
    CHECK(f.fake.now_ms > 0 && f.fake.now_ms <= 3000);
    end(&f);
}

static void only_what_may_be_tried_again_is(void)
{
    static const struct {
        const struct scripted *first;
        int attempts;
    } rows[] = {{&down, 2}, {&slow_down, 2}, {&lost, 2}, {&invalid, 1}, {&fine, 1}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct scripted script[] = {*rows[i].first, fine};
        struct fixture f;
        struct result result;
        begin(&f, script, 2);
        struct aws_call call = put_item(&result);
        call.max_attempts = 0;
        run(&f, &call);
        CHECK_INT(result.attempts, rows[i].attempts);
        end(&f);
    }
}

static void a_lost_answer_stays_sent_and_counted_when_a_retry_finds_no_connection(void)
{
    const struct scripted script[] = {lost, {HTTP_UNREACHABLE, 0, NULL, NULL, 0}};
    struct fixture f;
    struct result result;
    begin(&f, script, 2);
    struct aws_call call = put_item(&result);
    call.max_attempts = 2;
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_UNAVAILABLE);
    CHECK(result.sent);
    CHECK_INT(aws_ambiguous_count(f.client), 1);
    end(&f);
}

static void F4_the_retry_quota_bounds_retries_of_a_service_in_trouble(void)
{
    const struct scripted script[] = {down};
    struct fixture f;
    int attempts = 0;
    begin(&f, script, 1);
    for (int i = 0; i < 100; i++) {
        struct result result;
        struct aws_call call = put_item(&result);
        call.max_attempts = 0;
        run(&f, &call);
        attempts += result.attempts;
    }
    CHECK_INT(attempts, 100 + 500 / 14);
    end(&f);
}

static void a_server_can_ask_for_a_longer_wait_but_not_for_ever(void)
{
    const struct scripted script[] = {{HTTP_DONE, 503, "x-amz-retry-after: 1500\r\n", "", 0},
                                      {HTTP_DONE, 503, "x-amz-retry-after: 999999999\r\n", "", 0},
                                      fine};
    struct fixture f;
    struct result result;
    begin(&f, script, COUNT(script));
    struct aws_call call = put_item(&result);
    call.max_attempts = 0;
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK_INT(f.fake.now_ms, 1500 + 5000);
    end(&f);
}

static void AWS_MAX_ATTEMPTS_counts_for_the_standard_mode_only(void)
{
    const struct scripted script[] = {down};
    char *env[COUNT(fixture_environment) + 1];
    struct fixture f;
    struct result result;
    memcpy(env, fixture_environment, sizeof fixture_environment);
    env[COUNT(fixture_environment) - 1] = (char *)"AWS_MAX_ATTEMPTS=2";
    env[COUNT(fixture_environment)] = NULL;
    f = (struct fixture){.config = {.environ_block = env}};
    fake_init(&f.fake, script, 1);
    CHECK_INT(aws_client_new(&f.fake.world, &f.config, &f.client, NULL), 0);
    struct aws_call call = put_item(&result);
    call.max_attempts = 0;
    run(&f, &call);
    CHECK_INT(result.attempts, 2);
    call = put_item(&result);
    run(&f, &call);
    CHECK_INT(result.attempts, 1);
    end(&f);
}

/* ---- the clock ---- */

#define SKEWED(status, date, type)                                                                 \
    {                                                                                              \
        HTTP_DONE, status, "Date: Thu, 01 Jan 2026 " date " GMT\r\n", "{\"__type\":\"" type "\"}", \
            2000                                                                                   \
    }

static void F56_a_wrong_clock_is_learned_and_the_call_signed_again(void)
{
    static const struct scripted script[] = {SKEWED(403, "00:05:01", "RequestTimeTooSkewed"),
                                             SKEWED(200, "00:05:03", "ok")};
    struct fixture f;
    struct result result;
    begin(&f, script, 2);
    struct aws_call call = put_item(&result);
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK_INT(result.attempts, 2);
    CHECK_STR(fake_header(&f.fake, "X-Amz-Date"), "20260101T000502Z");

    f.fake.now_ms = 60000;
    call = put_item(&result);
    run(&f, &call);
    CHECK_STR(fake_header(&f.fake, "X-Amz-Date"), "20260101T000600Z");
    end(&f);
}

static const struct {
    const char *name;
    struct scripted script;
    int attempts;
} skews[] = {
    {"below what matters", SKEWED(400, "00:02:01", "InvalidSignatureException"), 1},
    {"above it", SKEWED(400, "00:05:01", "InvalidSignatureException"), 2},
    {"behind", SKEWED(400, "00:00:01", "InvalidSignatureException"), 1},
    {"another error", SKEWED(400, "00:05:01", "AccessDeniedException"), 1},
    {"no date", {HTTP_DONE, 403, NULL, "{\"__type\":\"RequestTimeTooSkewed\"}", 2000}, 1},
    {"no such date",
     {HTTP_DONE, 403, "Date: yesterday\r\n", "{\"__type\":\"RequestTimeTooSkewed\"}", 2000},
     1},
    {"from a cache",
     {HTTP_DONE, 403, "Date: Thu, 01 Jan 2026 00:05:01 GMT\r\nAge: 17280\r\n",
      "{\"__type\":\"RequestTimeTooSkewed\"}", 2000},
     1},
    {"too late to tell",
     {HTTP_DONE, 403, "Date: Thu, 01 Jan 2026 00:05:01 GMT\r\n",
      "{\"__type\":\"RequestTimeTooSkewed\"}", 16 * 60 * 1000},
     1},
};

static void F56_a_clock_is_corrected_only_on_evidence(void)
{
    for (size_t i = 0; i < COUNT(skews); i++) {
        struct fixture f;
        struct result result;
        begin(&f, &skews[i].script, 1);
        struct aws_call call = put_item(&result);
        CHECK_INT(aws_call_start(f.client, &call), 0);
        fake_run(&f.fake, 3600000);
        if (result.attempts != skews[i].attempts)
            printf("\n    %s", skews[i].name);
        CHECK_INT(result.attempts, skews[i].attempts);
        CHECK_INT(result.outcome, AWS_DENIED);
        end(&f);
    }
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(the_standard_mode_tries_four_times_and_waits_longer_each_time),
    TEST(F31_throttling_waits_a_second_at_most_at_first),
    TEST(only_what_may_be_tried_again_is),
    TEST(a_lost_answer_stays_sent_and_counted_when_a_retry_finds_no_connection),
    TEST(F4_the_retry_quota_bounds_retries_of_a_service_in_trouble),
    TEST(a_server_can_ask_for_a_longer_wait_but_not_for_ever),
    TEST(AWS_MAX_ATTEMPTS_counts_for_the_standard_mode_only),
    TEST(F56_a_wrong_clock_is_learned_and_the_call_signed_again),
    TEST(F56_a_clock_is_corrected_only_on_evidence),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_client_retry", tests);
}
