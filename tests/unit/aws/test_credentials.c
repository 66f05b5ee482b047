#include "aws/aws.h"
#include "aws/process.h"

#include "credentials_fixture.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

static const struct scripted fine = {HTTP_DONE, 200, NULL, "{}", 0};
static const struct scripted expired = {HTTP_DONE, 400, NULL,
                                        "{\"__type\":\"x#ExpiredTokenException\"}", 0};

static void the_environment_comes_first_and_an_empty_token_is_none(void)
{
    struct fixture f;
    struct result result;
    begin(&f, &fine, 1, "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
    set_env(&f, "AWS_ACCESS_KEY_ID=ENV");
    set_env(&f, "AWS_SECRET_ACCESS_KEY=secret");
    set_env(&f, "AWS_SESSION_TOKEN=");
    make_client(&f);
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK(signed_by(&f, "ENV"));
    CHECK_STR(fake_header(&f.fake, "X-Amz-Security-Token"), "");
    CHECK_INT(f.fake.works_run, 0);
    end(&f);
}

static void a_profile_gives_keys_and_token(void)
{
    struct fixture f;
    struct result result;
    begin(&f, &fine, 1,
          "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n"
          "[other]\naws_access_key_id = OTHER\naws_secret_access_key = s\n"
          "aws_session_token = tok/en+=\n");
    set_env(&f, "AWS_PROFILE=other");
    set_env(&f, "AWS_ACCESS_KEY_ID="); /* empty: not set */
    make_client(&f);
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK(signed_by(&f, "OTHER"));
    CHECK_STR(fake_header(&f.fake, "X-Amz-Security-Token"), "tok/en+=");
    run(&f, &result);
    CHECK_INT(f.fake.works_run, 1); /* read once */
    end(&f);
}

static void without_credentials_the_reason_names_the_remedy(void)
{
    struct fixture f;
    struct result result;
    begin(&f, &fine, 1, NULL);
    make_client(&f);
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_DENIED);
    CHECK_STR(result.type, "NoCredentials");
    CHECK(strstr(result.message, "set AWS_ACCESS_KEY_ID") != NULL);
    CHECK_INT(f.fake.started, 0);
    CHECK_INT(f.logged, 1);

    fake_run(&f.fake, 0);
    run(&f, &result); /* within the pause: not asked again */
    CHECK_INT(result.outcome, AWS_DENIED);
    CHECK_INT(f.fake.works_run, 1);

    write_credentials(&f, "[default]\naws_access_key_id = LATE\naws_secret_access_key = s\n");
    f.fake.now_ms += 2000;
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK(signed_by(&f, "LATE"));
    end(&f);
}

static void F55_many_waiting_calls_share_one_refresh(void)
{
    enum { N = 20 };
    struct fixture f;
    static struct result results[N];
    static struct aws_call calls[N];
    begin(&f, &fine, 1, "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
    make_client(&f);
    f.fake.hold_works = true;
    for (int i = 0; i < N; i++) {
        calls[i] = simple_call(&results[i]);
        CHECK_INT(aws_call_start(f.client, &calls[i]), 0);
    }
    fake_run(&f.fake, 1000);
    CHECK_INT(f.fake.started, 0);
    aws_call_abort(f.client, &calls[3]);
    fake_run(&f.fake, 1000);
    CHECK_INT(results[3].outcome, AWS_ABORTED);

    fake_run_works(&f.fake);
    fake_run(&f.fake, 1000);
    CHECK_INT(f.fake.works_run, 1);
    CHECK_INT(f.fake.started, N - 1);
    for (int i = 0; i < N; i++)
        CHECK_INT(results[i].done, 1);
    end(&f);
}

/* credential_process that prints what a file holds: the key is the file's first word. */
static void write_process(struct fixture *f, const char *key, const char *expiration)
{
    char text[512];
    snprintf(text, sizeof text,
             "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"%s\","
             "\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"%s\"}'\n",
             key, expiration);
    write_credentials(f, text);
}

static void F55_keys_are_renewed_early_and_the_old_ones_kept_meanwhile(void)
{
    struct fixture f;
    struct result result;
    begin(&f, &fine, 1, NULL);
    write_process(&f, "FIRST", "2026-01-01T01:00:00Z");
    make_client(&f);
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK(signed_by(&f, "FIRST"));
    CHECK_STR(fake_header(&f.fake, "X-Amz-Security-Token"), "t");

    write_process(&f, "SECOND", "2026-01-01T02:00:00Z");
    f.fake.now_ms = 44 * 60000;
    run(&f, &result);
    CHECK_INT(f.fake.works_run, 1); /* not due yet */
    f.fake.now_ms = 46 * 60000;
    f.fake.hold_works = true;
    run(&f, &result); /* goes out with the old ones while the refresh runs */
    CHECK(signed_by(&f, "FIRST"));
    fake_run_works(&f.fake);
    run(&f, &result);
    CHECK(signed_by(&f, "SECOND"));
    CHECK_INT(f.fake.works_run, 2);
    end(&f);
}

static void F55_old_keys_serve_while_they_last_when_a_refresh_fails(void)
{
    struct fixture f;
    struct result result;
    begin(&f, &fine, 1, NULL);
    write_process(&f, "FIRST", "2026-01-01T01:00:00Z");
    make_client(&f);
    run(&f, &result);
    write_credentials(&f, "[default]\ncredential_process = exit 3\n");
    f.fake.now_ms = 50 * 60000;
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK(signed_by(&f, "FIRST"));
    CHECK(strstr(f.log, "credential_process ended with status 3") != NULL);
    f.fake.now_ms = 61 * 60000;
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_DENIED);
    CHECK_STR(result.type, "NoCredentials");
    end(&f);
}

static void F55_keys_that_are_refused_as_expired_are_fetched_again_once(void)
{
    const struct scripted script[] = {expired, fine, expired, expired};
    struct fixture f;
    struct result result;
    begin(&f, script, COUNT(script),
          "[default]\naws_access_key_id = A\naws_secret_access_key = s\n");
    make_client(&f);
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK_INT(result.attempts, 2);
    CHECK_INT(f.fake.works_run, 2);
    run(&f, &result); /* refused twice: that is the answer */
    CHECK_INT(result.outcome, AWS_DENIED);
    CHECK_INT(result.attempts, 2);
    CHECK_STR(result.type, "ExpiredTokenException");
    end(&f);
}

static void a_client_freed_during_a_refresh_goes_when_the_refresh_ends(void)
{
    struct fixture f;
    struct result result;
    begin(&f, &fine, 1, "[default]\naws_access_key_id = A\naws_secret_access_key = s\n");
    make_client(&f);
    f.fake.hold_works = true;
    struct aws_call call = simple_call(&result);
    CHECK_INT(aws_call_start(f.client, &call), 0);
    aws_call_abort(f.client, &call);
    fake_run(&f.fake, 10);
    CHECK_INT(result.outcome, AWS_ABORTED);
    aws_client_free(f.client);
    f.client = NULL;
    fake_run_works(&f.fake);
    end(&f);
}

static void region_comes_from_config_environment_or_profile(void)
{
    static const struct {
        const char *config, *aws_region, *default_region, *expected;
    } rows[] = {
        {"c", "a", "d", "c"}, {NULL, "a", "d", "a"},   {"", "a", NULL, "a"},
        {NULL, "", "d", "d"}, {NULL, NULL, NULL, "p"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        char text[64];
        begin(&f, &fine, 1, "[default]\nregion = p\n");
        f.config.region = rows[i].config;
        if (rows[i].aws_region) {
            snprintf(text, sizeof text, "AWS_REGION=%s", rows[i].aws_region);
            set_env(&f, text);
        }
        if (rows[i].default_region) {
            snprintf(text, sizeof text, "AWS_DEFAULT_REGION=%s", rows[i].default_region);
            set_env(&f, text);
        }
        make_client(&f);
        CHECK_STR(aws_region(f.client), rows[i].expected);
        end(&f);
    }
}

static void in_lambda_no_file_is_read(void)
{
    struct fixture f;
    struct result result;
    begin(&f, &fine, 1,
          "[default]\nregion = p\naws_access_key_id = A\naws_secret_access_key = s\n");
    f.config.lambda = true;
    make_client(&f);
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_DENIED);
    CHECK_INT(f.fake.works_run, 0);
    end(&f);
}

/* ---- credential_process ---- */

static const struct {
    const char *json, *error; /* a word of it; NULL: fine */
} documents[] = {
    {"{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}", NULL},
    {" {\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":"
     "\"2026-01-01T01:00:00Z\",\"Extra\":{}}\n",
     NULL},
    {"", "one JSON object"},
    {"[]", "one JSON object"},
    {"{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"} secret", "one JSON object"},
    {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}", "Version"},
    {"{\"Version\":2,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}", "Version"},
    {"{\"Version\":1,\"SecretAccessKey\":\"secret\"}", "missing"},
    {"{\"Version\":1,\"AccessKeyId\":7,\"SecretAccessKey\":\"secret\"}", "missing"},
    {"{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"sec ret\"}", "malformed"},
    {"{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"secret\",\"Expiration\":\"soon\"}",
     "Expiration"},
};

static void S17_a_process_document_is_checked_and_never_quoted(void)
{
    for (size_t i = 0; i < COUNT(documents); i++) {
        struct credentials made = {0};
        struct err err = {0};
        char text[256];
        snprintf(text, sizeof text, "%s", documents[i].json); /* it is wiped in place */
        int rc = credential_process_parse(str_of(text), &made, &err);
        CHECK_INT(rc, documents[i].error ? -EINVAL : 0);
        CHECK(!documents[i].error || strstr(err.msg, documents[i].error));
        CHECK(!strstr(err.msg, "secret"));
        credentials_done(&made);
    }
}

static void S18_secrets_of_a_process_are_wiped_behind_it(void)
{
    struct credentials made = {0};
    char text[] = "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"topsecret\","
                  "\"SessionToken\":\"alsosecret\"}";
    CHECK_INT(credential_process_parse((weir_str){text, sizeof text - 1}, &made, NULL), 0);
    CHECK_STR(made.secret_key, "topsecret");
    for (size_t i = 0; i + 6 < sizeof text; i++)
        CHECK(memcmp(text + i, "secret", 6) != 0);
    credentials_done(&made);
    CHECK(!made.secret_key && !made.session_token);
}

static void a_process_is_run_with_limits(void)
{
    struct credentials made = {0};
    struct err err = {0};
    char *env[] = {(char *)"PATH=/usr/bin:/bin", (char *)"KEY=FROMENV", NULL};
    CHECK_INT(credential_process_run(
                  "echo '{\"Version\":1,\"AccessKeyId\":\"'$KEY'\",\"SecretAccessKey\":\"s\\/x\"}'",
                  env, 5000, &made, &err),
              0);
    CHECK_STR(made.access_key, "FROMENV");
    CHECK_STR(made.secret_key, "s/x");
    credentials_done(&made);
    CHECK_INT(credential_process_run("sleep 20", env, 100, &made, &err), -ETIMEDOUT);
    CHECK_INT(credential_process_run("exec >&-; sleep 8", env, 100, &made, &err), -ETIMEDOUT);
    CHECK_INT(credential_process_run("yes", env, 5000, &made, &err), -EINVAL);
    CHECK(strstr(err.msg, "64 KiB") != NULL);
    CHECK_INT(credential_process_run("echo hello; exit 4", env, 5000, &made, &err), -EINVAL);
    CHECK_STR(err.msg, "credential_process ended with status 4");
    CHECK_INT(credential_process_run("kill -9 $$", env, 5000, &made, &err), -EINVAL);
    CHECK(!made.access_key);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(the_environment_comes_first_and_an_empty_token_is_none),
    TEST(a_profile_gives_keys_and_token),
    TEST(without_credentials_the_reason_names_the_remedy),
    TEST(F55_many_waiting_calls_share_one_refresh),
    TEST(F55_keys_are_renewed_early_and_the_old_ones_kept_meanwhile),
    TEST(F55_old_keys_serve_while_they_last_when_a_refresh_fails),
    TEST(F55_keys_that_are_refused_as_expired_are_fetched_again_once),
    TEST(a_client_freed_during_a_refresh_goes_when_the_refresh_ends),
    TEST(region_comes_from_config_environment_or_profile),
    TEST(in_lambda_no_file_is_read),
    TEST(S17_a_process_document_is_checked_and_never_quoted),
    TEST(S18_secrets_of_a_process_are_wiped_behind_it),
    TEST(a_process_is_run_with_limits),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_credentials", tests);
}
