/* The client on the real loop, against a server that verifies signatures. */
#include "aws/aws.h"

#include "child.h"
#include "loop/loop.h"
#include "unit.h"

#include <stdio.h>

static char *environment[] = {
    (char *)"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
    (char *)"AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    (char *)"AWS_REGION=eu-west-1", (char *)"HOME=/nonexistent", NULL};

struct result {
    int done, attempts;
    enum aws_outcome outcome;
    bool sent;
    char type[64];
};

static void on_done(struct aws_call *call)
{
    struct result *result = call->arg;
    result->done++;
    result->attempts = call->attempts;
    result->outcome = call->outcome;
    result->sent = call->sent;
    snprintf(result->type, sizeof result->type, "%.*s", STR_ARG(call->error_type));
    CHECK(call->outcome != AWS_OK || call->request_id.len == 36);
}

static const struct {
    const char *name, *rules;
    int max_attempts;
    enum aws_outcome outcome;
    const char *type;
    int attempts;
} rows[] = {
    {"signed and stored", "[]", 1, AWS_OK, "", 1},
    {"F31 throttled once", "[{\"do\":\"error\",\"type\":\"ThrottlingException\",\"times\":1}]", 0,
     AWS_OK, "", 2},
    {"throttled, tried once", "[{\"do\":\"error\",\"type\":\"ThrottlingException\"}]", 1,
     AWS_THROTTLED, "ThrottlingException", 1},
    {"500", "[{\"do\":\"error\",\"status\":500,\"type\":\"InternalServerError\",\"times\":2}]", 0,
     AWS_OK, "", 3},
    {"F48 reset", "[{\"do\":\"reset\"}]", 1, AWS_AMBIGUOUS, "AnswerLost", 1},
    {"F39 carried out, answer lost", "[{\"do\":\"cut\"}]", 1, AWS_AMBIGUOUS, "AnswerLost", 1},
    {"F49 truncated", "[{\"do\":\"truncate\"}]", 1, AWS_AMBIGUOUS, "AnswerLost", 1},
    {"F51 hang", "[{\"do\":\"hang\",\"ms\":3000}]", 1, AWS_AMBIGUOUS, "Timeout", 1},
    {"F48 reset, tried again", "[{\"do\":\"reset\",\"times\":1}]", 0, AWS_OK, "", 2},
};

static void calls_arrive_signed_and_faults_are_told(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct child server =
            child_start((const char *[]){"python3", FAKES "/serve_aws.py", rows[i].rules, NULL});
        struct loop_config loop_config = {0};
        struct loop *loop = NULL;
        struct world world = {0};
        struct aws_client *client = NULL;
        struct result result = {0};
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
        struct aws_config config = {.endpoint_url = url, .environ_block = environment};
        struct aws_call call = {
            .service = "dynamodb",
            .target = "DynamoDB_20120810.PutItem",
            .body = STR("{\"TableName\":\"PriceHistory\",\"Item\":{\"product_id\":{\"S\":\"p\"},"
                        "\"timestamp\":{\"N\":\"1\"}}}"),
            .timeout_ms = 1000,
            .max_attempts = rows[i].max_attempts,
            .done = on_done,
            .arg = &result};
        CHECK_INT(loop_new(&loop_config, &loop, NULL), 0);
        loop_world(loop, &world);
        CHECK_INT(aws_client_new(&world, &config, &client, NULL), 0);
        CHECK_INT(aws_call_start(client, &call), 0);
        loop_run(loop);
        if (result.outcome != rows[i].outcome || result.attempts != rows[i].attempts)
            printf("\n    %s", rows[i].name);
        CHECK_INT(result.done, 1);
        CHECK_INT(result.outcome, rows[i].outcome);
        CHECK_INT(result.attempts, rows[i].attempts);
        CHECK_STR(result.type, rows[i].type);
        CHECK(result.sent);
        aws_client_free(client);
        CHECK_INT(loop_free(loop), 0);
        child_stop(&server);
    }
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(calls_arrive_signed_and_faults_are_told),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_http", tests);
}
