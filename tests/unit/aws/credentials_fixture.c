#include "credentials_fixture.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_log(void *ctx, int level, const char *msg)
{
    struct fixture *f = ctx;
    (void)level;
    f->logged++;
    snprintf(f->log, sizeof f->log, "%s", msg);
}

static void fill_in(const struct fixture *f, const char *text, char *out, size_t bytes)
{
    size_t len = 0;
    out[0] = '\0';
    for (; *text; text++)
        len += (size_t)(*text == '@' ? snprintf(out + len, bytes - len, "%s", f->folder)
                                     : snprintf(out + len, bytes - len, "%c", *text));
    CHECK_FATAL(len < bytes);
}

void set_env(struct fixture *f, const char *text)
{
    CHECK_FATAL(f->env_count + 1 < COUNT(f->env));
    fill_in(f, text, f->variables[f->env_count], sizeof f->variables[0]);
    f->env[f->env_count] = f->variables[f->env_count];
    f->env_count++;
}

static void write_text(struct fixture *f, const char *path, const char *text)
{
    char filled[4096];
    FILE *file = fopen(path, "w");
    CHECK_FATAL(file != NULL);
    fill_in(f, text, filled, sizeof filled);
    fputs(filled, file);
    fclose(file);
}

void write_credentials(struct fixture *f, const char *text)
{
    write_text(f, f->credentials_path, text);
}

void write_token(struct fixture *f, const char *text)
{
    write_text(f, f->token_path, text);
}

void begin(struct fixture *f, const struct scripted *script, size_t count, const char *text)
{
    *f = (struct fixture){.folder = "/tmp/weir-creds-XXXXXX"};
    CHECK_FATAL(mkdtemp(f->folder) != NULL);
    snprintf(f->credentials_path, sizeof f->credentials_path, "%s/credentials", f->folder);
    snprintf(f->token_path, sizeof f->token_path, "%s/token", f->folder);
    set_env(f, "AWS_SHARED_CREDENTIALS_FILE=@/credentials");
    set_env(f, "HOME=/nonexistent");
    set_env(f, "AWS_EC2_METADATA_DISABLED=true");
    if (text)
        write_credentials(f, text);
    f->config = (struct aws_config){.region = "eu-west-1", .log = on_log, .log_ctx = f};
    fake_init(&f->fake, script, count);
}

void make_client(struct fixture *f)
{
    f->config.environ_block = f->env;
    CHECK_INT(aws_client_new(&f->fake.world, &f->config, &f->client, NULL), 0);
    CHECK_FATAL(f->client != NULL);
}

void end(struct fixture *f)
{
    aws_client_free(f->client);
    fake_done(&f->fake);
    unlink(f->credentials_path);
    unlink(f->token_path);
    rmdir(f->folder);
}

static void on_done(struct aws_call *call)
{
    struct result *result = call->arg;
    result->done++;
    result->attempts = call->attempts;
    result->outcome = call->outcome;
    snprintf(result->type, sizeof result->type, "%.*s", STR_ARG(call->error_type));
    snprintf(result->message, sizeof result->message, "%.*s", STR_ARG(call->error_message));
}

struct aws_call simple_call(struct result *result)
{
    *result = (struct result){0};
    return (struct aws_call){.service = "sqs",
                             .target = "AmazonSQS.SendMessage",
                             .body = STR("{}"),
                             .max_attempts = 1,
                             .done = on_done,
                             .arg = result};
}

void run(struct fixture *f, struct result *result)
{
    struct aws_call call = simple_call(result);
    CHECK_INT(aws_call_start(f->client, &call), 0);
    fake_run(&f->fake, 1000);
    CHECK_INT(result->done, 1);
}

bool signed_by(const struct fixture *f, const char *access_key)
{
    char expected[64];
    snprintf(expected, sizeof expected, "Credential=%s/", access_key);
    return strstr(fake_header(&f->fake, "Authorization"), expected) != NULL;
}
