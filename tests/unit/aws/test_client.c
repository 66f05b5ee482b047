#include "aws/aws.h"

#include "fake_world.h"
#include "unit.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char *environment[] = {(char *)"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
                              (char *)"AWS_SECRET_ACCESS_KEY=secret",
                              (char *)"AWS_REGION=eu-west-1", (char *)"HOME=/nonexistent", NULL};

struct fixture {
    struct fake_world fake;
    struct aws_client *client;
    struct aws_config config;
};

static void begin(struct fixture *f, const struct scripted *script, size_t count)
{
    *f = (struct fixture){.config = {.environ_block = environment}};
    fake_init(&f->fake, script, count);
    CHECK_INT(aws_client_new(&f->fake.world, &f->config, &f->client, NULL), 0);
    CHECK_FATAL(f->client != NULL);
}

static void end(struct fixture *f)
{
    aws_client_free(f->client);
    fake_done(&f->fake);
}

struct result { /* copied in done(), where the views are valid */
    int done, status, attempts;
    enum aws_outcome outcome;
    bool sent;
    char type[64], message[256], answer[256], request_id[64];
};

static void copy(char *out, size_t bytes, weir_str text)
{
    size_t len = text.len < bytes - 1 ? text.len : bytes - 1;
    if (len)
        memcpy(out, text.ptr, len);
    out[len] = '\0';
}

static void on_done(struct aws_call *call)
{
    struct result *result = call->arg;
    result->done++;
    result->status = call->status;
    result->attempts = call->attempts;
    result->outcome = call->outcome;
    result->sent = call->sent;
    copy(result->type, sizeof result->type, call->error_type);
    copy(result->message, sizeof result->message, call->error_message);
    copy(result->answer, sizeof result->answer, call->answer);
    copy(result->request_id, sizeof result->request_id, call->request_id);
}

static struct aws_call put_item(struct result *result)
{
    *result = (struct result){0};
    return (struct aws_call){.service = "dynamodb",
                             .target = "DynamoDB_20120810.PutItem",
                             .json = "1.0",
                             .body = STR("{}"),
                             .timeout_ms = 5000,
                             .max_attempts = 1,
                             .done = on_done,
                             .arg = result};
}

static void run(struct fixture *f, struct aws_call *call)
{
    struct result *result = call->arg;
    CHECK_INT(aws_call_start(f->client, call), 0);
    CHECK_INT(result->done, 0);
    fake_run(&f->fake, 600000);
    CHECK_INT(result->done, 1);
}

static void a_call_is_signed_sent_and_answered(void)
{
    static const struct scripted script[] = {
        {HTTP_DONE, 200, "x-amzn-RequestId: REQ1\r\n", "{\"a\":1}", 5}};
    struct fixture f;
    struct result result;
    begin(&f, script, 1);
    struct aws_call call = put_item(&result);
    CHECK_INT(aws_client_set_trace(f.client, STR("Root=1-2-3")), 0);
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK_INT(result.attempts, 1);
    CHECK(result.sent);
    CHECK_STR(result.answer, "{\"a\":1}");
    CHECK_STR(result.request_id, "REQ1");
    CHECK_STR(f.fake.last_url, "https://dynamodb.eu-west-1.amazonaws.com/");
    CHECK_STR(fake_header(&f.fake, "Host"), "dynamodb.eu-west-1.amazonaws.com");
    CHECK_STR(fake_header(&f.fake, "X-Amz-Date"), "20260101T000000Z");
    CHECK_STR(fake_header(&f.fake, "X-Amz-Target"), "DynamoDB_20120810.PutItem");
    CHECK_STR(fake_header(&f.fake, "Content-Type"), "application/x-amz-json-1.0");
    CHECK_STR(fake_header(&f.fake, "X-Amzn-Trace-Id"), "Root=1-2-3");
    CHECK_STR(fake_header(&f.fake, "X-Amz-Security-Token"), "");
    CHECK(strstr(fake_header(&f.fake, "Authorization"),
                 "SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=") != NULL);
    end(&f);
}

static const struct {
    const char *name;
    struct scripted script;
    enum aws_outcome outcome;
    const char *type;
    int sent;
} outcomes[] = {
    {"ok", {HTTP_DONE, 200, NULL, "{}", 0}, AWS_OK, "", 1},
    {"ok with checksum", {HTTP_DONE, 200, "x-amz-crc32: 2745614147\r\n", "{}", 0}, AWS_OK, "", 1},
    {"F49 wrong checksum",
     {HTTP_DONE, 200, "x-amz-crc32: 2745614148\r\n", "{}", 0},
     AWS_AMBIGUOUS,
     "ChecksumMismatch",
     1},
    {"F49 checksum of an error",
     {HTTP_DONE, 400, "x-amz-crc32: 1\r\n", "{}", 0},
     AWS_AMBIGUOUS,
     "ChecksumMismatch",
     1},
    {"F49 empty 200", {HTTP_DONE, 200, NULL, "", 0}, AWS_AMBIGUOUS, "InvalidAnswer", 1},
    {"F49 half an object", {HTTP_DONE, 200, NULL, "{\"a\":", 0}, AWS_AMBIGUOUS, "InvalidAnswer", 1},
    {"F50 two objects", {HTTP_DONE, 200, NULL, "{}{}", 0}, AWS_AMBIGUOUS, "InvalidAnswer", 1},
    {"F50 a page", {HTTP_DONE, 200, NULL, "<html>", 0}, AWS_AMBIGUOUS, "InvalidAnswer", 1},
    {"F50 an array", {HTTP_DONE, 200, NULL, "[]", 0}, AWS_AMBIGUOUS, "InvalidAnswer", 1},
    {"F48 answer lost", {HTTP_AMBIGUOUS, 0, NULL, NULL, 0}, AWS_AMBIGUOUS, "AnswerLost", 1},
    {"F51 timeout", {HTTP_TIMEOUT, 0, NULL, NULL, 0}, AWS_AMBIGUOUS, "Timeout", 1},
    {"F52 too large", {HTTP_TOO_LARGE, 200, NULL, NULL, 0}, AWS_AMBIGUOUS, "AnswerTooLarge", 1},
    {"F53 no connection", {HTTP_UNREACHABLE, 0, NULL, NULL, 0}, AWS_UNAVAILABLE, "NoConnection", 0},
    {"F54 not sendable", {HTTP_INVALID, 0, NULL, NULL, 0}, AWS_UNAVAILABLE, "NotSendable", 0},
    {"F57 redirect",
     {HTTP_DONE, 307, "Location: http://169.254.169.254/\r\n", "", 0},
     AWS_UNAVAILABLE,
     "Redirect",
     1},
    {"F31 throttled",
     {HTTP_DONE, 400, NULL,
      "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException\","
      "\"message\":\"slow down\"}",
      0},
     AWS_THROTTLED,
     "ProvisionedThroughputExceededException",
     1},
    {"F31 ThrottlingException",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"com.amazon.coral.availability#ThrottlingException\"}",
      0},
     AWS_THROTTLED,
     "ThrottlingException",
     1},
    {"F33 conflict",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"x#TransactionConflictException\"}", 0},
     AWS_CONFLICT,
     "TransactionConflictException",
     1},
    {"F34 condition",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"x#ConditionalCheckFailedException\",\"Message\":\"m\"}",
      0},
     AWS_CONDITION,
     "ConditionalCheckFailedException",
     1},
    {"F35 validation",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"x#ValidationException\"}", 0},
     AWS_INVALID,
     "ValidationException",
     1},
    {"F36 missing",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"x#ResourceNotFoundException\"}", 0},
     AWS_MISSING,
     "ResourceNotFoundException",
     1},
    {"F36 denied",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"x#AccessDeniedException\"}", 0},
     AWS_DENIED,
     "AccessDeniedException",
     1},
    {"F37 item collection",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"x#ItemCollectionSizeLimitExceededException\"}", 0},
     AWS_INVALID,
     "ItemCollectionSizeLimitExceededException",
     1},
    {"F37 replicated write",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"x#ReplicatedWriteConflictException\"}", 0},
     AWS_CONFLICT,
     "ReplicatedWriteConflictException",
     1},
    {"F46 kms throttled",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"com.amazonaws.sqs#KmsThrottled\"}", 0},
     AWS_THROTTLED,
     "KmsThrottled",
     1},
    {"F46 kms disabled",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"com.amazonaws.sqs#KmsDisabled\"}", 0},
     AWS_DENIED,
     "KmsDisabled",
     1},
    {"F46 no queue",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\"}", 0},
     AWS_MISSING,
     "QueueDoesNotExist",
     1},
    {"type in a header",
     {HTTP_DONE, 400, "x-amzn-ErrorType: SlowDown:http://internal/\r\n", "{}", 0},
     AWS_THROTTLED,
     "SlowDown",
     1},
    {"iterator",
     {HTTP_DONE, 400, NULL, "{\"__type\":\"x#ExpiredIteratorException\"}", 0},
     AWS_ERROR,
     "ExpiredIteratorException",
     1},
    {"500", {HTTP_DONE, 500, NULL, "", 0}, AWS_UNAVAILABLE, "ServerError", 1},
    {"503 page", {HTTP_DONE, 503, NULL, "<html>", 0}, AWS_UNAVAILABLE, "ServerError", 1},
    {"429", {HTTP_DONE, 429, NULL, "", 0}, AWS_THROTTLED, "NotFromService", 1},
    {"413", {HTTP_DONE, 413, NULL, "", 0}, AWS_INVALID, "NotFromService", 1},
    {"404 page of a proxy",
     {HTTP_DONE, 404, NULL, "<html>", 0},
     AWS_UNAVAILABLE,
     "NotFromService",
     1},
    {"403 page", {HTTP_DONE, 403, NULL, "", 0}, AWS_DENIED, "NotFromService", 1},
    {"201", {HTTP_DONE, 201, NULL, "{}", 0}, AWS_UNAVAILABLE, "NotFromService", 1},
};

static void every_failure_has_its_outcome(void)
{
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        struct fixture f;
        struct result result;
        begin(&f, &outcomes[i].script, 1);
        struct aws_call call = put_item(&result);
        run(&f, &call);
        if (result.outcome != outcomes[i].outcome)
            printf("\n    %s: outcome %d", outcomes[i].name, (int)result.outcome);
        CHECK_INT(result.outcome, outcomes[i].outcome);
        CHECK_STR(result.type, outcomes[i].type);
        CHECK_INT(result.sent, outcomes[i].sent);
        CHECK((result.outcome == AWS_OK) == (result.message[0] == '\0'));
        CHECK_INT(aws_ambiguous_count(f.client), result.outcome == AWS_AMBIGUOUS);
        end(&f);
    }
}

static void a_raw_answer_is_only_looked_at_from_outside(void)
{
    static const struct scripted whole = {HTTP_DONE, 200, NULL, " {\"Records\":[tru]} \n", 0};
    static const struct scripted cut = {HTTP_DONE, 200, NULL, "{\"Records\":[", 0};
    struct fixture f;
    struct result result;
    begin(&f, &whole, 1);
    struct aws_call call = put_item(&result);
    call.raw_answer = true;
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_OK);
    end(&f);
    begin(&f, &cut, 1);
    call = put_item(&result);
    call.raw_answer = true;
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_AMBIGUOUS);
    end(&f);
}

/* ---- retries ---- */

static const struct scripted down = {HTTP_DONE, 500, NULL, "", 0};
static const struct scripted fine = {HTTP_DONE, 200, NULL, "{}", 0};
static const struct scripted slow_down = {HTTP_DONE, 400, NULL,
                                          "{\"__type\":\"x#ThrottlingException\"}", 0};
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
    char *env[COUNT(environment) + 1];
    struct fixture f;
    struct result result;
    memcpy(env, environment, sizeof environment);
    env[COUNT(environment) - 1] = (char *)"AWS_MAX_ATTEMPTS=2";
    env[COUNT(environment)] = NULL;
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

/* ---- aborting and failing to start ---- */

static void an_open_call_can_be_aborted_in_every_phase(void)
{
    static const struct scripted never = {HTTP_DONE, 200, NULL, "{}", -1};
    struct fixture f;
    struct result result;
    begin(&f, &never, 1);
    struct aws_call call = put_item(&result);
    CHECK_INT(aws_call_start(f.client, &call), 0);
    aws_call_abort(f.client, &call);
    CHECK_INT(result.done, 0);
    fake_run(&f.fake, 10);
    CHECK_INT(result.done, 1);
    CHECK_INT(result.outcome, AWS_ABORTED);
    CHECK_STR(result.type, "Aborted");
    aws_call_abort(f.client, &call); /* too late: nothing happens */
    end(&f);

    begin(&f, &slow_down, 1); /* while it sleeps before the second attempt */
    f.fake.random = 900;
    call = put_item(&result);
    call.max_attempts = 0;
    CHECK_INT(aws_call_start(f.client, &call), 0);
    fake_run(&f.fake, 10);
    aws_call_abort(f.client, &call);
    CHECK_INT(result.done, 0);
    fake_run(&f.fake, 10000);
    CHECK_INT(result.done, 1);
    CHECK_INT(result.outcome, AWS_ABORTED);
    CHECK_INT(f.fake.started, 1);
    end(&f);
}

static void a_call_without_an_endpoint_fails_later_and_says_why(void)
{
    struct fixture f;
    struct result result;
    begin(&f, &fine, 1);
    struct aws_call call = put_item(&result);
    call.endpoint = STR("http://169.254.169.254/");
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_UNAVAILABLE);
    CHECK_STR(result.type, "NoEndpoint");
    CHECK(strstr(result.message, "link-local") != NULL);
    CHECK(!result.sent);
    call = put_item(&result);
    call.service = NULL;
    CHECK_INT(aws_call_start(f.client, &call), -EINVAL);
    end(&f);
}

static void a_transport_that_can_not_start_is_an_outcome(void)
{
    struct fixture f;
    struct result result;
    begin(&f, &fine, 1);
    f.fake.fail_start = true;
    struct aws_call call = put_item(&result);
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_UNAVAILABLE);
    CHECK_STR(result.type, "NotSendable");
    end(&f);
}

static void wrong_settings_are_refused_at_once(void)
{
    struct fake_world fake;
    struct aws_client *client = NULL;
    struct err err;
    struct aws_endpoint plain = {"sqs", "http://example.com"};
    struct aws_config config = {.environ_block = environment, .endpoint_url = "http://example.com"};
    fake_init(&fake, &fine, 1);
    CHECK_INT(aws_client_new(&fake.world, &config, &client, &err), -EINVAL);
    CHECK(strstr(err.msg, "not encrypted") != NULL);
    config =
        (struct aws_config){.environ_block = environment, .endpoints = &plain, .endpoint_count = 1};
    CHECK_INT(aws_client_new(&fake.world, &config, &client, &err), -EINVAL);
    config = (struct aws_config){.environ_block = environment, .profile = "nosuch"};
    CHECK_INT(aws_client_new(&fake.world, &config, &client, &err), -EINVAL);
    CHECK_STR(err.msg, "there is no AWS profile \"nosuch\"");
    CHECK(!client);
    fake_done(&fake);
}

static void a_steady_state_call_allocates_nothing(void)
{
    struct fixture f;
    struct result result;
    begin(&f, &fine, 1);
    uint64_t before = 0;
    for (int i = 0; i < 10; i++) {
        struct aws_call call = put_item(&result);
        if (i == 3)
            before = mem_calls();
        run(&f, &call);
    }
    CHECK_INT(mem_calls() - before, 0);
    end(&f);
}

static void F72_every_failing_allocation_leaves_a_clean_client(void)
{
    for (uint64_t n = 1; n < 40; n++) {
        struct fixture f = {.config = {.environ_block = environment}};
        struct result result;
        fake_init(&f.fake, &fine, 1);
        mem_fail_at(n);
        int rc = aws_client_new(&f.fake.world, &f.config, &f.client, NULL);
        if (rc == 0) {
            struct aws_call call = put_item(&result);
            if (aws_call_start(f.client, &call) == 0) {
                fake_run(&f.fake, 1000);
                CHECK_INT(result.done, 1);
            }
        } else {
            CHECK_INT(rc, -ENOMEM);
        }
        mem_fail_at(0);
        end(&f);
    }
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(a_call_is_signed_sent_and_answered),
    TEST(every_failure_has_its_outcome),
    TEST(a_raw_answer_is_only_looked_at_from_outside),
    TEST(the_standard_mode_tries_four_times_and_waits_longer_each_time),
    TEST(F31_throttling_waits_a_second_at_most_at_first),
    TEST(only_what_may_be_tried_again_is),
    TEST(a_lost_answer_stays_sent_and_counted_when_a_retry_finds_no_connection),
    TEST(F4_the_retry_quota_bounds_retries_of_a_service_in_trouble),
    TEST(a_server_can_ask_for_a_longer_wait_but_not_for_ever),
    TEST(AWS_MAX_ATTEMPTS_counts_for_the_standard_mode_only),
    TEST(F56_a_wrong_clock_is_learned_and_the_call_signed_again),
    TEST(F56_a_clock_is_corrected_only_on_evidence),
    TEST(an_open_call_can_be_aborted_in_every_phase),
    TEST(a_call_without_an_endpoint_fails_later_and_says_why),
    TEST(a_transport_that_can_not_start_is_an_outcome),
    TEST(wrong_settings_are_refused_at_once),
    TEST(a_steady_state_call_allocates_nothing),
    TEST(F72_every_failing_allocation_leaves_a_clean_client),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_client", tests);
}
