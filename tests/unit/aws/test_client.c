#include "client_fixture.h"
#include "unit.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

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

static void a_get_is_signed_with_its_path_and_query(void)
{
    static const struct scripted script[] = {{HTTP_DONE, 200, NULL, "{}", 5}};
    struct fixture f;
    struct result result;
    begin(&f, script, 1);
    struct aws_call call = put_item(&result);
    call.service = "lambda";
    call.body = STR_NONE;
    call.protocol = AWS_REST;
    call.get = true;
    call.path = "/2015-03-31/event-source-mappings/?FunctionName=a%3Ab";
    run(&f, &call);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK(str_starts(str_of(f.fake.requests),
                     STR("GET https://lambda.eu-west-1.amazonaws.com/2015-03-31/"
                         "event-source-mappings/?FunctionName=a%3Ab\n")));
    CHECK_STR(fake_header(&f.fake, "X-Amz-Target"), "");
    CHECK(strstr(fake_header(&f.fake, "Authorization"), "/eu-west-1/lambda/aws4_request") != NULL);
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

static void F31_F36_F57_every_failure_has_its_outcome(void)
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
    struct aws_config config = {.environ_block = fixture_environment,
                                .endpoint_url = "http://example.com"};
    fake_init(&fake, &fine, 1);
    CHECK_INT(aws_client_new(&fake.world, &config, &client, &err), -EINVAL);
    CHECK(strstr(err.msg, "not encrypted") != NULL);
    config = (struct aws_config){
        .environ_block = fixture_environment, .endpoints = &plain, .endpoint_count = 1};
    CHECK_INT(aws_client_new(&fake.world, &config, &client, &err), -EINVAL);
    config = (struct aws_config){.environ_block = fixture_environment, .profile = "nosuch"};
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
        struct fixture f = {.config = {.environ_block = fixture_environment}};
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
    TEST(a_get_is_signed_with_its_path_and_query),
    TEST(F31_F36_F57_every_failure_has_its_outcome),
    TEST(a_raw_answer_is_only_looked_at_from_outside),
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
