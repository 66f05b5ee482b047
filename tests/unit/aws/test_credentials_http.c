/* Credentials on the real loop, from a server as strict as the real ones: a call succeeds only when
 * it is signed by keys which that server gave out. */
#include "aws/aws.h"
#include "loop/loop.h"

#include "child.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VARIABLES = 8, TEXT_BYTES = 512 };

#define STS       "AWS_ENDPOINT_URL_STS=http://127.0.0.1:%PORT/"
#define BOX       "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:%PORT/container?id=1"
#define BOX_TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%FOLDER/token"
#define INSTANCE  "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:%PORT"
#define WEB       "AWS_WEB_IDENTITY_TOKEN_FILE=%FOLDER/token"
#define BASE      "[base]\naws_access_key_id = BASE\naws_secret_access_key = base-secret\n"
#define IDENTITY  "eyJhbGciOiJub25lIn0.e30.x_-\n"

static const struct {
    const char *env[4], *token, *file;
    const char *says; /* NULL: the call is taken */
} rows[] = {
    {{BOX, BOX_TOKEN}, "container-token\n", NULL, NULL},
    {{BOX, BOX_TOKEN}, "another", NULL, "status 403, AccessDenied"},
    {{BOX}, NULL, NULL, "status 403, AccessDenied"},
    {{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:%PORT/nothing"}, NULL, NULL, "404"},
    {{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/"}, NULL, NULL, "endpoint: "},
    {{INSTANCE}, NULL, NULL, NULL},
    {{"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:%PORT/x"}, NULL, NULL, "status 400"},
    {{"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1"}, NULL, NULL, "instance metadata: "},
    {{WEB, "AWS_ROLE_ARN=arn:aws:iam::1:role/r", STS}, IDENTITY, NULL, NULL},
    {{WEB, "AWS_ROLE_ARN=r", STS}, "eyJ.other", NULL, "status 400, InvalidIdentityToken"},
    {{STS},
     NULL,
     BASE "[default]\nrole_arn = ROLE\nsource_profile = base\nexternal_id = external id/1\n",
     NULL},
    {{STS},
     NULL,
     BASE "[mid]\nrole_arn = ROLE\nsource_profile = base\nexternal_id = external id/1\n"
          "[default]\nrole_arn = SECONDROLE\nsource_profile = mid\nexternal_id = external id/1\n",
     NULL},
    {{STS, INSTANCE},
     NULL,
     "[default]\nrole_arn = ROLE\ncredential_source = Ec2InstanceMetadata\n"
     "external_id = external id/1\n",
     NULL},
    {{STS},
     NULL,
     BASE "[default]\nrole_arn = ROLE\nsource_profile = base\n",
     "status 403, AccessDenied"},
    {{STS},
     NULL,
     "[base]\naws_access_key_id = BASE\naws_secret_access_key = wrong\n"
     "[default]\nrole_arn = ROLE\nsource_profile = base\n",
     "status 403, SignatureDoesNotMatch"},
};

struct fixture {
    struct child server;
    char folder[32], file[64], token[64];
    char texts[VARIABLES][TEXT_BYTES], *env[VARIABLES + 1];
    size_t count;
};

static void set_env(struct fixture *f, const char *text)
{
    char *out = f->texts[f->count];
    size_t len = 0;
    for (; *text && len < TEXT_BYTES; len = strlen(out)) {
        if (strncmp(text, "%PORT", 5) == 0) {
            snprintf(out + len, TEXT_BYTES - len, "%d", f->server.port);
            text += 5;
        } else if (strncmp(text, "%FOLDER", 7) == 0) {
            snprintf(out + len, TEXT_BYTES - len, "%s", f->folder);
            text += 7;
        } else {
            snprintf(out + len, TEXT_BYTES - len, "%c", *text++);
        }
    }
    f->env[f->count++] = out;
    f->env[f->count] = NULL;
}

static void put_file(const char *path, const char *text)
{
    FILE *file = text ? fopen(path, "w") : NULL;
    CHECK(file != NULL || !text);
    if (file) {
        fputs(text, file);
        fclose(file);
    }
}

struct result {
    int done;
    enum aws_outcome outcome;
    char message[800];
};

static void on_done(struct aws_call *call)
{
    struct result *result = call->arg;
    result->done++;
    result->outcome = call->outcome;
    snprintf(result->message, sizeof result->message, "%.*s", STR_ARG(call->error_message));
}

static void call_once(struct fixture *f, struct result *result)
{
    struct loop_config loop_config = {0};
    struct loop *loop = NULL;
    struct world world = {0};
    struct aws_client *client = NULL;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/queue", f->server.port);
    struct aws_config config = {.region = "eu-west-1", .environ_block = f->env};
    struct aws_call call = {.service = "sqs",
                            .target = "AmazonSQS.SendMessage",
                            .body = STR("{}"),
                            .endpoint = str_of(url),
                            .timeout_ms = 5000,
                            .max_attempts = 1,
                            .done = on_done,
                            .arg = result};
    *result = (struct result){0};
    CHECK_INT(loop_new(&loop_config, &loop, NULL), 0);
    loop_world(loop, &world);
    CHECK_INT(aws_client_new(&world, &config, &client, NULL), 0);
    CHECK_INT(aws_call_start(client, &call), 0);
    loop_run(loop);
    aws_client_free(client);
    CHECK_INT(loop_free(loop), 0);
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.folder = "/tmp/weir-creds-XXXXXX"};
    CHECK_FATAL(mkdtemp(f->folder) != NULL);
    snprintf(f->file, sizeof f->file, "%s/credentials", f->folder);
    snprintf(f->token, sizeof f->token, "%s/token", f->folder);
    f->server = child_start((const char *[]){"python3", FAKES "/serve_credentials.py", NULL});
}

static void end(struct fixture *f)
{
    child_stop(&f->server);
    rmdir(f->folder);
}

static void F55_each_source_gives_keys_that_are_taken(void)
{
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct result result;
        f.count = 0;
        set_env(&f, "HOME=/nonexistent");
        set_env(&f, "AWS_SHARED_CREDENTIALS_FILE=%FOLDER/credentials");
        for (size_t j = 0; j < 4 && rows[i].env[j]; j++)
            set_env(&f, rows[i].env[j]);
        bool instance = false;
        for (size_t j = 0; j < f.count; j++)
            instance |= strstr(f.texts[j], "AWS_EC2_METADATA") != NULL;
        if (!instance)
            set_env(&f, "AWS_EC2_METADATA_DISABLED=true");
        put_file(f.token, rows[i].token);
        put_file(f.file, rows[i].file);
        call_once(&f, &result);
        CHECK_INT(result.done, 1);
        CHECK_INT(result.outcome, rows[i].says ? AWS_DENIED : AWS_OK);
        CHECK(!rows[i].says || strstr(result.message, rows[i].says) != NULL);
        if (result.outcome != (rows[i].says ? AWS_DENIED : AWS_OK) ||
            (rows[i].says && !strstr(result.message, rows[i].says)))
            printf("\n    row %zu: %s", i, result.message);
        unlink(f.token);
        unlink(f.file);
    }
    end(&f);
}

struct stopper {
    struct timer timer;
    struct loop *loop;
};

static void stop(struct timer *timer)
{
    loop_stop(((struct stopper *)timer)->loop);
}

/* The loop ends whatever a freed client's refresh was at: its transfer, its pause, its thread. */
static void a_client_and_its_loop_go_in_the_middle_of_a_refresh(void)
{
    static const struct {
        const char *variable;
        int after_ms;
    } ends[] = {
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:%PORT/hang", 50},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/", 20},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:%PORT/hang", 0},
    };
    struct fixture f;
    begin(&f);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct result result = {0};
        struct loop_config loop_config = {0};
        struct loop *loop = NULL;
        struct world world = {0};
        struct aws_client *client = NULL;
        f.count = 0;
        set_env(&f, "HOME=/nonexistent");
        set_env(&f, ends[i].variable);
        struct aws_config config = {.region = "eu-west-1", .environ_block = f.env};
        struct aws_call call = {.service = "sqs", .done = on_done, .arg = &result};
        struct stopper stopper = {.timer.fire = stop};
        CHECK_INT(loop_new(&loop_config, &loop, NULL), 0);
        stopper.loop = loop;
        loop_world(loop, &world);
        CHECK_INT(aws_client_new(&world, &config, &client, NULL), 0);
        CHECK_INT(aws_call_start(client, &call), 0);
        CHECK_INT(world.clock.arm(world.clock.ctx, &stopper.timer, ends[i].after_ms), 0);
        loop_run(loop);
        aws_call_abort(client, &call);
        CHECK_INT(world.clock.arm(world.clock.ctx, &stopper.timer, 0), 0);
        loop_run(loop);
        CHECK_INT(result.done, 1);
        aws_client_free(client);
        CHECK_INT(loop_free(loop), 0);
    }
    end(&f);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(F55_each_source_gives_keys_that_are_taken),
    TEST(a_client_and_its_loop_go_in_the_middle_of_a_refresh),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_credentials_http", tests);
}
