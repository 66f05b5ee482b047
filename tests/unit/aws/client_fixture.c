#include "client_fixture.h"

#include "unit.h"

char *fixture_environment[] = {(char *)"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
                               (char *)"AWS_SECRET_ACCESS_KEY=secret",
                               (char *)"AWS_REGION=eu-west-1", (char *)"HOME=/nonexistent", NULL};

void begin(struct fixture *f, const struct scripted *script, size_t count)
{
    *f = (struct fixture){.config = {.environ_block = fixture_environment}};
    fake_init(&f->fake, script, count);
    CHECK_INT(aws_client_new(&f->fake.world, &f->config, &f->client, NULL), 0);
    CHECK_FATAL(f->client != NULL);
}

void end(struct fixture *f)
{
    aws_client_free(f->client);
    fake_done(&f->fake);
}

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

struct aws_call put_item(struct result *result)
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

void run(struct fixture *f, struct aws_call *call)
{
    struct result *result = call->arg;
    CHECK_INT(aws_call_start(f->client, call), 0);
    CHECK_INT(result->done, 0);
    fake_run(&f->fake, 600000);
    CHECK_INT(result->done, 1);
}

const struct scripted down = {HTTP_DONE, 500, NULL, "", 0};
const struct scripted fine = {HTTP_DONE, 200, NULL, "{}", 0};
const struct scripted slow_down = {HTTP_DONE, 400, NULL, "{\"__type\":\"x#ThrottlingException\"}",
                                   0};
