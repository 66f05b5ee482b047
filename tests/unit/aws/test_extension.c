#include "aws/aws.h"

#include "fake_world.h"
#include "plugin/instance.h"
#include "unit.h"
#include <weir/util.h>

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
    weir_instance instance;
};

static void begin(struct fixture *f, const struct scripted *script, size_t count)
{
    *f = (struct fixture){.config = {.environ_block = environment}};
    fake_init(&f->fake, script, count);
    CHECK_INT(aws_client_new(&f->fake.world, &f->config, &f->client, NULL), 0);
    CHECK_FATAL(f->client != NULL);
    f->instance.services.world = &f->fake.world;
    f->instance.aws = aws_extension_attach(f->client, &f->instance);
    CHECK_FATAL(f->instance.aws != NULL);
}

static void end(struct fixture *f)
{
    aws_extension_detach(f->instance.aws);
    fake_run(&f->fake, 1000);
    aws_client_free(f->client);
    fake_done(&f->fake);
}

struct result {
    int done, outcome, status, sent;
    char type[64], body[64], function_error[32];
};

static void on_done(void *arg, const weir_aws_response *response)
{
    struct result *result = arg;
    result->done++;
    result->outcome = response->outcome;
    result->status = response->status;
    result->sent = response->sent;
    CHECK_INT(response->struct_size, sizeof *response);
    snprintf(result->type, sizeof result->type, "%.*s", STR_ARG(response->error_type));
    snprintf(result->function_error, sizeof result->function_error, "%.*s",
             STR_ARG(weir_header(response->headers, "x-amz-function-error")));
    snprintf(result->body, sizeof result->body, "%.*s", STR_ARG(response->body));
}

static int start(struct fixture *f, struct result *result, uint64_t token, uint64_t *id)
{
    /* Everything but the body is copied: these are gone when the request is sent. */
    char service[] = "sqs", target[] = "AmazonSQS.SendMessageBatch", json[] = "1.0";
    weir_aws_request request = {.struct_size = sizeof request,
                                .service = service,
                                .target = target,
                                .json = json,
                                .body = STR("{}"),
                                .token = token};
    *result = (struct result){0};
    int rc = aws_extension.call(&f->instance, &request, on_done, result, id);
    memset(service, 'x', sizeof service - 1);
    memset(target, 'x', sizeof target - 1);
    return rc;
}

static const struct {
    struct scripted script;
    int outcome;
    const char *type;
} outcomes[] = {
    {{HTTP_DONE, 200, NULL, "{}", 0}, WEIR_OK, ""},
    {{HTTP_AMBIGUOUS, 0, NULL, NULL, 0}, WEIR_RETRY, "AnswerLost"},
    {{HTTP_TIMEOUT, 0, NULL, NULL, 0}, WEIR_RETRY, "Timeout"},
    {{HTTP_UNREACHABLE, 0, NULL, NULL, 0}, WEIR_DOWN, "NoConnection"},
    {{HTTP_DONE, 503, NULL, "", 0}, WEIR_DOWN, "ServerError"},
    {{HTTP_DONE, 400, NULL, "{\"__type\":\"a#ThrottlingException\"}", 0},
     WEIR_DOWN,
     "ThrottlingException"},
    {{HTTP_DONE, 400, NULL, "{\"__type\":\"a#AccessDeniedException\"}", 0},
     WEIR_DOWN,
     "AccessDeniedException"},
    {{HTTP_DONE, 400, NULL, "{\"__type\":\"a#ResourceNotFoundException\"}", 0},
     WEIR_DOWN,
     "ResourceNotFoundException"},
    {{HTTP_DONE, 400, NULL, "{\"__type\":\"a#TransactionConflictException\"}", 0},
     WEIR_RETRY,
     "TransactionConflictException"},
    {{HTTP_DONE, 400, NULL, "{\"__type\":\"a#ValidationException\"}", 0},
     WEIR_FAIL,
     "ValidationException"},
    {{HTTP_DONE, 400, NULL, "{\"__type\":\"a#ConditionalCheckFailedException\"}", 0},
     WEIR_FAIL,
     "ConditionalCheckFailedException"},
    {{HTTP_DONE, 400, NULL, "{\"__type\":\"a#SomethingNewException\"}", 0},
     WEIR_RETRY,
     "SomethingNewException"},
};

static void every_outcome_is_told_in_the_words_of_records_and_tried_once(void)
{
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        struct fixture f;
        struct result result;
        begin(&f, &outcomes[i].script, 1);
        CHECK_INT(start(&f, &result, 0, NULL), 0);
        CHECK_INT(result.done, 0);
        fake_run(&f.fake, 100000);
        CHECK_INT(result.done, 1);
        CHECK_INT(result.outcome, outcomes[i].outcome);
        CHECK_STR(result.type, outcomes[i].type);
        CHECK_INT(f.fake.started, 1);
        CHECK_STR(f.fake.last_url, "https://sqs.eu-west-1.amazonaws.com/");
        end(&f);
    }
}

static const struct scripted slow = {HTTP_DONE, 200, NULL, "{}", 100};
static const struct scripted never = {HTTP_DONE, 200, NULL, "{}", -1};

static void calls_above_the_limit_wait_their_turn(void)
{
    enum { N = 50 };
    static struct result results[N];
    struct fixture f;
    begin(&f, &slow, 1);
    for (int i = 0; i < N; i++)
        CHECK_INT(start(&f, &results[i], 0, NULL), 0);
    fake_run(&f.fake, 50);
    CHECK_INT(f.fake.open_count, 16);
    fake_run(&f.fake, 100000);
    for (int i = 0; i < N; i++)
        CHECK_INT(results[i].done, 1);
    CHECK_INT(f.fake.most_open, 16);
    CHECK_INT(f.fake.now_ms, 400);
    end(&f);
}

static void a_plugin_sets_its_limit_up_to_that_of_the_transport(void)
{
    enum { N = 80 };
    static const int limits[][2] = {{1, 1}, {20, 20}, {1000, 64}};
    for (size_t row = 0; row < COUNT(limits); row++) {
        static struct result results[N];
        struct fixture f;
        begin(&f, &slow, 1);
        for (int i = 0; i < N; i++) {
            weir_aws_request request = {.struct_size = sizeof request,
                                        .service = "sqs",
                                        .concurrency = limits[row][0],
                                        .body = STR("{}")};
            results[i] = (struct result){0};
            CHECK_INT(aws_extension.call(&f.instance, &request, on_done, &results[i], NULL), 0);
        }
        fake_run(&f.fake, 1000000);
        CHECK_INT(f.fake.most_open, limits[row][1]);
        end(&f);
    }
}

static void a_call_can_be_aborted_by_id_sent_or_queued(void)
{
    static struct result results[18];
    uint64_t ids[18];
    struct fixture f;
    begin(&f, &slow, 1);
    for (int i = 0; i < 18; i++)
        CHECK_INT(start(&f, &results[i], 0, &ids[i]), 0);
    aws_extension.abort(&f.instance, ids[0]);
    aws_extension.abort(&f.instance, ids[17]);
    aws_extension.abort(&f.instance, 12345);
    CHECK_INT(results[0].done + results[17].done, 0);
    fake_run(&f.fake, 10000);
    for (int i = 0; i < 18; i++) {
        bool aborted = i == 0 || i == 17;
        CHECK_INT(results[i].done, 1);
        CHECK_INT(results[i].outcome, aborted ? WEIR_RETRY : WEIR_OK);
        CHECK_STR(results[i].type, aborted ? "Aborted" : "");
        CHECK_INT(results[i].sent, i != 17);
    }
    CHECK_INT(f.fake.started, 17);
    aws_extension.abort(&f.instance, ids[0]); /* long gone */
    end(&f);
}

static void F64_revoking_a_delivery_ends_its_calls_only(void)
{
    static struct result results[20];
    struct fixture f;
    begin(&f, &never, 1);
    for (int i = 0; i < 20; i++)
        CHECK_INT(start(&f, &results[i], i % 2 ? 7 : 8, NULL), 0);
    aws_extension_revoke(f.instance.aws, 7);
    aws_extension_revoke(f.instance.aws, 0);
    fake_run(&f.fake, 1000);
    for (int i = 0; i < 20; i++)
        CHECK_INT(results[i].done, i % 2);
    aws_extension_revoke(f.instance.aws, 8);
    fake_run(&f.fake, 1000);
    for (int i = 0; i < 20; i++) {
        CHECK_INT(results[i].done, 1);
        CHECK_STR(results[i].type, "Aborted");
    }
    end(&f);
}

static void detaching_ends_open_calls_and_calls_nobody(void)
{
    static struct result results[20];
    struct fixture f;
    begin(&f, &never, 1);
    for (int i = 0; i < 20; i++)
        CHECK_INT(start(&f, &results[i], 1, NULL), 0);
    end(&f);
    for (int i = 0; i < 20; i++)
        CHECK_INT(results[i].done, 0);
}

static void bad_requests_are_refused(void)
{
    static char long_name[200];
    struct fixture f;
    struct result result = {0};
    begin(&f, &slow, 1);
    memset(long_name, 'a', sizeof long_name - 1);
    weir_aws_request request = {.struct_size = sizeof request, .service = "sqs"};
    CHECK_INT(aws_extension.call(&f.instance, NULL, on_done, &result, NULL), -EINVAL);
    CHECK_INT(aws_extension.call(&f.instance, &request, NULL, &result, NULL), -EINVAL);
    request.struct_size = 8;
    CHECK_INT(aws_extension.call(&f.instance, &request, on_done, &result, NULL), -EINVAL);
    request.struct_size = sizeof request;
    request.service = long_name;
    CHECK_INT(aws_extension.call(&f.instance, &request, on_done, &result, NULL), -EINVAL);
    request.service = NULL;
    CHECK_INT(aws_extension.call(&f.instance, &request, on_done, &result, NULL), -EINVAL);
    end(&f);

    weir_instance checking = {0};
    checking.aws = aws_extension_attach(NULL, &checking);
    request.service = "sqs";
    CHECK_INT(aws_extension.call(&checking, &request, on_done, &result, NULL), -ENOTSUP);
    aws_extension_detach(checking.aws);
    CHECK_INT(result.done, 0);
}

struct chained {
    struct fixture *f;
    int left;
};
static void call_again(void *arg, const weir_aws_response *response)
{
    struct chained *chained = arg;
    weir_aws_request request = {.struct_size = sizeof request, .service = "sqs", .body = STR("{}")};
    CHECK_INT(response->outcome, WEIR_OK);
    if (--chained->left > 0)
        CHECK_INT(aws_extension.call(&chained->f->instance, &request, call_again, chained, NULL),
                  0);
}

static void a_call_can_be_made_from_the_done_of_another(void)
{
    struct fixture f;
    begin(&f, &slow, 1);
    struct chained chained = {&f, 10};
    weir_aws_request request = {.struct_size = sizeof request, .service = "sqs", .body = STR("{}")};
    CHECK_INT(aws_extension.call(&f.instance, &request, call_again, &chained, NULL), 0);
    fake_run(&f.fake, 100000);
    CHECK_INT(chained.left, 0);
    CHECK_INT(f.fake.started, 10);
    end(&f);
}

/* ---- revision 2 ---- */

static struct result ask(const struct scripted *script, const weir_aws_request *request, char *sent,
                         size_t sent_bytes)
{
    struct fixture f;
    struct result result = {0};
    begin(&f, script, 1);
    CHECK_INT(aws_extension.call(&f.instance, request, on_done, &result, NULL), 0);
    fake_run(&f.fake, 100000);
    CHECK_INT(result.done, 1);
    snprintf(sent, sent_bytes, "%s", f.fake.requests);
    end(&f);
    return result;
}

static const struct {
    struct scripted script;
    int outcome;
    const char *type, *body;
} query_outcomes[] = {
    {{HTTP_DONE, 200, NULL, "<R><L><member><Id>1&amp;</Id></member></L></R>", 0},
     WEIR_OK,
     "",
     "{\"R\":{\"L\":[{\"Id\":\"1&\"}]}}"},
    {{HTTP_DONE, 200, NULL, "<R><L>", 0}, WEIR_RETRY, "InvalidAnswer", "<R><L>"},
    {{HTTP_DONE, 200, NULL, "{}", 0}, WEIR_RETRY, "InvalidAnswer", "{}"},
    {{HTTP_DONE, 200, NULL, "", 0}, WEIR_RETRY, "InvalidAnswer", ""},
    {{HTTP_DONE, 200, NULL, "<!DOCTYPE R [<!ENTITY e \"x\">]><R>&e;</R>", 0},
     WEIR_RETRY,
     "InvalidAnswer",
     "<!DOCTYPE R [<!ENTITY e \"x\">]><R>&e;</R>"},
    {{HTTP_DONE, 400, NULL,
      "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code></Error></ErrorResponse>",
      0},
     WEIR_DOWN,
     "Throttling",
     NULL},
    {{HTTP_DONE, 404, NULL, "<ErrorResponse><Error><Code>NotFound</Code></Error></ErrorResponse>",
      0},
     WEIR_DOWN,
     "NotFound",
     NULL},
    {{HTTP_DONE, 403, NULL,
      "<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>", 0},
     WEIR_DOWN,
     "AuthorizationError",
     NULL},
    {{HTTP_DONE, 400, NULL,
      "<ErrorResponse><Error><Code>InvalidParameter</Code></Error></ErrorResponse>", 0},
     WEIR_FAIL,
     "InvalidParameter",
     NULL},
    {{HTTP_DONE, 400, NULL,
      "<ErrorResponse><Error><Code>ParameterValueInvalid</Code></Error></ErrorResponse>", 0},
     WEIR_FAIL,
     "ParameterValueInvalid",
     NULL},
    {{HTTP_DONE, 400, NULL, "{\"__type\":\"a#ThrottlingException\"}", 0},
     WEIR_DOWN,
     "ThrottlingException",
     NULL},
    {{HTTP_DONE, 403, NULL, "<html><Error><Code>x</Code></Error></html>", 0},
     WEIR_DOWN,
     "NotFromService",
     NULL},
    {{HTTP_DONE, 502, NULL, "<html>", 0}, WEIR_DOWN, "ServerError", NULL},
};

static void S22_a_query_service_is_sent_a_form_and_its_xml_becomes_json(void)
{
    char sent[4096];
    const weir_aws_request request = {.struct_size = sizeof request,
                                      .service = "sns",
                                      .protocol = WEIR_AWS_QUERY,
                                      .body = STR("Action=PublishBatch")};
    for (size_t i = 0; i < COUNT(query_outcomes); i++) {
        struct result result = ask(&query_outcomes[i].script, &request, sent, sizeof sent);
        CHECK_INT(result.outcome, query_outcomes[i].outcome);
        CHECK_STR(result.type, query_outcomes[i].type);
        if (query_outcomes[i].body)
            CHECK_STR(result.body, query_outcomes[i].body);
    }
    CHECK(strstr(sent, "POST https://sns.eu-west-1.amazonaws.com/\n") != NULL);
    CHECK(strstr(sent, "Content-Type: application/x-www-form-urlencoded\n") != NULL);
    CHECK(strstr(sent, "X-Amz-Target") == NULL);
    CHECK(strstr(sent, "\nAction=PublishBatch\n") != NULL);
}

static const struct {
    struct scripted script;
    int outcome;
    const char *type, *body;
} rest_outcomes[] = {
    {{HTTP_DONE, 202, NULL, "", 0}, WEIR_OK, "", ""},
    {{HTTP_DONE, 204, NULL, "", 0}, WEIR_OK, "", ""},
    {{HTTP_DONE, 200, "X-Amz-Function-Error: Unhandled\r\n", "null", 0}, WEIR_OK, "", "null"},
    {{HTTP_DONE, 302, "Location: /\r\n", "", 0}, WEIR_DOWN, "Redirect", NULL},
    {{HTTP_DONE, 429, "x-amzn-ErrorType: TooManyRequestsException\r\n",
      "{\"Reason\":\"ReservedFunctionConcurrentInvocationLimitExceeded\",\"message\":\"m\"}", 0},
     WEIR_DOWN,
     "TooManyRequestsException",
     NULL},
    {{HTTP_DONE, 413, "x-amzn-ErrorType: RequestTooLargeException\r\n", "{}", 0},
     WEIR_FAIL,
     "RequestTooLargeException",
     NULL},
    {{HTTP_DONE, 400, "x-amzn-ErrorType: InvalidRequestContentException:http://i/\r\n", "{}", 0},
     WEIR_FAIL,
     "InvalidRequestContentException",
     NULL},
    {{HTTP_DONE, 404, "x-amzn-ErrorType: ResourceNotFoundException\r\n", "{}", 0},
     WEIR_DOWN,
     "ResourceNotFoundException",
     NULL},
    {{HTTP_DONE, 500, "x-amzn-ErrorType: ServiceException\r\n", "{}", 0},
     WEIR_DOWN,
     "ServiceException",
     NULL},
};

static void a_rest_service_is_sent_a_path_and_signed_headers(void)
{
    char sent[4096];
    const weir_aws_header header = {STR("X-Amz-Invocation-Type"), STR("Event")};
    const weir_aws_request request = {
        .struct_size = sizeof request,
        .service = "lambda",
        .protocol = WEIR_AWS_REST,
        .path = "/2015-03-31/functions/arn%3Aaws/invocations?Qualifier=a%24b",
        .headers = &header,
        .header_count = 1,
        .body = STR("{}")};
    for (size_t i = 0; i < COUNT(rest_outcomes); i++) {
        struct result result = ask(&rest_outcomes[i].script, &request, sent, sizeof sent);
        CHECK_INT(result.outcome, rest_outcomes[i].outcome);
        CHECK_STR(result.type, rest_outcomes[i].type);
        if (rest_outcomes[i].body)
            CHECK_STR(result.body, rest_outcomes[i].body);
        CHECK_STR(result.function_error, i == 2 ? "Unhandled" : "");
    }
    CHECK(strstr(sent, "POST https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/"
                       "arn%3Aaws/invocations?Qualifier=a%24b\n") != NULL);
    CHECK(strstr(sent, "Content-Type: application/json\n") != NULL);
    CHECK(strstr(sent, "\nX-Amz-Invocation-Type: Event\n") != NULL);
    CHECK(strstr(sent, "SignedHeaders=content-type;host;x-amz-date;x-amz-invocation-type,") !=
          NULL);
}

static void what_came_with_revision_2_is_checked(void)
{
    static const weir_aws_header good = {{"A-b", 3}, {"v w", 3}}, no_name = {{"", 0}, {"v", 1}},
                                 bad_name = {{"A:", 2}, {"v", 1}},
                                 bad_value = {{"A", 1}, {"v\r\nB: c", 7}};
    static const struct {
        weir_aws_request request;
        int rc;
    } rows[] = {
        {{.protocol = WEIR_AWS_REST, .path = "/a", .headers = &good, .header_count = 1}, 0},
        {{.protocol = WEIR_AWS_REST}, -EINVAL},
        {{.protocol = WEIR_AWS_REST, .path = "a"}, -EINVAL},
        {{.protocol = WEIR_AWS_REST, .path = "/a b"}, -EINVAL},
        {{.protocol = WEIR_AWS_REST, .path = "/a\n"}, -EINVAL},
        {{.protocol = WEIR_AWS_REST, .path = "/a#b"}, -EINVAL},
        {{.protocol = WEIR_AWS_REST, .path = "/\xc3\xa9"}, -EINVAL},
        {{.protocol = 3}, -EINVAL},
        {{.protocol = -1}, -EINVAL},
        {{.headers = &good, .header_count = 5}, -EINVAL},
        {{.headers = &no_name, .header_count = 1}, -EINVAL},
        {{.headers = &bad_name, .header_count = 1}, -EINVAL},
        {{.headers = &bad_value, .header_count = 1}, -EINVAL},
    };
    static const struct scripted fine = {HTTP_DONE, 200, NULL, "{}", 0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        struct result result = {0};
        weir_aws_request request = rows[i].request;
        request.struct_size = sizeof request;
        request.service = "lambda";
        request.body = STR("{}");
        begin(&f, &fine, 1);
        CHECK_INT(aws_extension.call(&f.instance, &request, on_done, &result, NULL), rows[i].rc);
        /* to a plugin of revision 1 the rest of the struct is not there */
        request.struct_size = offsetof(weir_aws_request, protocol);
        CHECK_INT(aws_extension.call(&f.instance, &request, on_done, &result, NULL), 0);
        fake_run(&f.fake, 100000);
        end(&f);
    }
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(every_outcome_is_told_in_the_words_of_records_and_tried_once),
    TEST(calls_above_the_limit_wait_their_turn),
    TEST(a_plugin_sets_its_limit_up_to_that_of_the_transport),
    TEST(a_call_can_be_aborted_by_id_sent_or_queued),
    TEST(F64_revoking_a_delivery_ends_its_calls_only),
    TEST(detaching_ends_open_calls_and_calls_nobody),
    TEST(bad_requests_are_refused),
    TEST(S22_a_query_service_is_sent_a_form_and_its_xml_becomes_json),
    TEST(a_rest_service_is_sent_a_path_and_signed_headers),
    TEST(what_came_with_revision_2_is_checked),
    TEST(a_call_can_be_made_from_the_done_of_another),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_extension", tests);
}
