/* A container's endpoint and an instance's metadata service, played by a scripted transport. The
 * clock begins at 2026-01-01T00:00:00Z. */
#include "credentials_fixture.h"
#include "unit.h"

#include <stdio.h>

#define JSON(key, expires)                                                                         \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" key "\",\"SecretAccessKey\":\"sEcReT\","            \
    "\"Token\":\"tOkEn\",\"Expiration\":\"" expires "\"}"
#define HOUR "2026-01-01T01:00:00Z"
#define KEYS                                                                                       \
    {                                                                                              \
        HTTP_DONE, 200, NULL, JSON("KEYS", HOUR), 0                                                \
    }
#define FINE                                                                                       \
    {                                                                                              \
        HTTP_DONE, 200, NULL, "{}", 0                                                              \
    }
#define STATUS(code)                                                                               \
    {                                                                                              \
        HTTP_DONE, code, NULL, "", 0                                                               \
    }
#define TEXT(body)                                                                                 \
    {                                                                                              \
        HTTP_DONE, 200, NULL, body, 0                                                              \
    }
#define CONTAINER "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:81/x?id=1"
#define IMDS_ON   "AWS_EC2_METADATA_DISABLED=false"

struct row {
    const char *name, *env[4];
    struct scripted script[6]; /* result, status, ... of each request, in order */
    const char *says;          /* of the reason; NULL: the call was signed by KEYS */
    const char *seen[4];       /* in the requests, in this order */
    size_t requests;
};

static bool in_order(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count && words[i] && text; i++)
        text = strstr(text, words[i]);
    return text != NULL;
}

static void check_row(const struct row *row)
{
    struct fixture f;
    struct result result;
    size_t count = 0;
    while (count < COUNT(row->script) && (row->script[count].status || row->script[count].result))
        count++;
    begin(&f, row->script, count, NULL);
    f.env[f.env_count = 2] = NULL; /* the metadata service is as the row says */
    for (size_t i = 0; i < COUNT(row->env) && row->env[i]; i++)
        set_env(&f, row->env[i]);
    write_token(&f, "t0.from-File\n");
    make_client(&f);
    struct aws_call call = simple_call(&result);
    CHECK_INT(aws_call_start(f.client, &call), 0);
    fake_run(&f.fake, 30000);
    CHECK_INT(result.done, 1);
    CHECK_INT(result.outcome, row->says ? AWS_DENIED : AWS_OK);
    CHECK(row->says ? strstr(result.message, row->says) != NULL : signed_by(&f, "KEYS"));
    CHECK(in_order(f.fake.requests, row->seen, COUNT(row->seen)));
    CHECK_INT(f.fake.started, row->requests);
    CHECK(!strstr(result.message, "sEcReT") && !strstr(result.message, "tOkEn"));
    CHECK(!strstr(f.log, "sEcReT") && !strstr(f.log, "tOkEn"));
    if (result.done != 1 || result.outcome != (row->says ? AWS_DENIED : AWS_OK) ||
        f.fake.started != row->requests || (row->says && !strstr(result.message, row->says)))
        printf("\n    %s: %s\n    %s", row->name, result.message, f.fake.requests);
    end(&f);
}

/* ---- containers ---- */

static const struct row containers[] = {
    {"ECS",
     {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/1?a=b", IMDS_ON},
     {KEYS, FINE},
     NULL,
     {"GET http://169.254.170.2/v2/credentials/1?a=b\n"},
     2},
    {"the relative one comes first",
     {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/r", CONTAINER},
     {KEYS, FINE},
     NULL,
     {"GET http://169.254.170.2/r\n"},
     2},
    {"EKS Pod Identity, its token from a file",
     {"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/v1/credentials",
      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=@/token", "AWS_CONTAINER_AUTHORIZATION_TOKEN=other"},
     {KEYS, FINE},
     NULL,
     {"GET http://169.254.170.23/v1/credentials\n", "Authorization: t0.from-File\n"},
     2},
    {"over IPv6",
     {"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://[fd00:ec2::23]/v1/credentials"},
     {KEYS, FINE},
     NULL,
     {"GET http://[fd00:ec2::23]/v1/credentials\n"},
     2},
    {"a token from the environment",
     {CONTAINER, "AWS_CONTAINER_AUTHORIZATION_TOKEN=Basic abc"},
     {KEYS, FINE},
     NULL,
     {"GET http://127.0.0.1:81/x?id=1\n", "Authorization: Basic abc\n"},
     2},
    {"https to anywhere",
     {"AWS_CONTAINER_CREDENTIALS_FULL_URI=https://creds.example/x"},
     {KEYS, FINE},
     NULL,
     {"GET https://creds.example/x\n"},
     2},
    {"F55 busy twice", {CONTAINER}, {STATUS(500), STATUS(429), KEYS, FINE}, NULL, {NULL}, 4},
    {"F55 slow once",
     {CONTAINER},
     {{HTTP_TIMEOUT, 0, NULL, NULL, 2000}, KEYS, FINE},
     NULL,
     {NULL},
     3},
    {"500 for ever",
     {CONTAINER},
     {STATUS(500)},
     "(container): the container's endpoint answered "
     "with status 500",
     {NULL},
     3},
    {"gone for ever",
     {CONTAINER},
     {{HTTP_UNREACHABLE, 0, NULL, NULL, 0}},
     "the container's endpoint: scripted failure",
     {NULL},
     3},
    {"401", {CONTAINER}, {STATUS(401)}, "status 401", {NULL}, 1},
    {"403 with a code",
     {CONTAINER},
     {{HTTP_DONE, 403, NULL, "{\"code\":\"AccessDenied\",\"message\":\"tOkEn\"}", 0}},
     "status 403, AccessDenied",
     {NULL},
     1},
    {"404", {CONTAINER}, {STATUS(404)}, "status 404", {NULL}, 1},
    {"F57 a redirect is no answer", {CONTAINER}, {STATUS(302)}, "status 302", {NULL}, 1},
    {"cut JSON", {CONTAINER}, {TEXT("{\"AccessKeyId\":\"KEYS\"")}, "one JSON object", {NULL}, 1},
    {"no JSON", {CONTAINER}, {TEXT("<html>")}, "one JSON object", {NULL}, 1},
    {"no keys", {CONTAINER}, {TEXT("{\"Token\":\"tOkEn\"}")}, "missing or malformed", {NULL}, 1},
    {"no time",
     {CONTAINER},
     {TEXT(JSON("KEYS", "soon"))},
     "\"Expiration\" is not a time",
     {NULL},
     1},
    {"expired on arrival",
     {CONTAINER},
     {TEXT(JSON("KEYS", "2025-12-31T23:00:00Z"))},
     "expired already",
     {NULL},
     1},
    {"F56 expired by our wrong clock only",
     {CONTAINER},
     {{HTTP_DONE, 200, "Date: Wed, 31 Dec 2025 22:00:00 GMT\r\n",
       JSON("KEYS", "2025-12-31T23:00:00Z"), 0},
      FINE},
     NULL,
     {NULL},
     2},
    {"no token file",
     {CONTAINER, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=@/none"},
     {FINE},
     "/none: No such file",
     {NULL},
     0},
    {"the credentials file is no token",
     {CONTAINER, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=@"},
     {FINE},
     "can't be read",
     {NULL},
     0},
    {"a token of two lines",
     {CONTAINER, "AWS_CONTAINER_AUTHORIZATION_TOKEN=a\nb"},
     {FINE},
     "holds a control character",
     {NULL},
     0},
};

static void F55_containers(void)
{
    for (size_t i = 0; i < COUNT(containers); i++)
        check_row(&containers[i]);
}

static void S13_containers_name_no_foreign_host(void)
{
    static const char *const refused[] = {
        "RELATIVE_URI=.evil.example/x",
        "RELATIVE_URI=@evil.example/x",
        "RELATIVE_URI=x",
        "FULL_URI=http://creds.example/x",
        "FULL_URI=http://169.254.169.254/x",
        "FULL_URI=http://169.254.170.3/x",
        "FULL_URI=http://169.254.170.2.e.co",
        "FULL_URI=http://169.254.170.2@e.co/",
        "FULL_URI=http://10.0.0.1/x",
        "FULL_URI=file:///etc/passwd",
        "FULL_URI=http://[fd00:ec2::24]/x",
        "FULL_URI=http://u:p@127.0.0.1/x",
        "FULL_URI=http://0/x",
        "FULL_URI=127.0.0.1/x",
        "FULL_URI=https://169.254.169.254/x",
        "FULL_URI=http://127.0.0.1/a b",
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        const struct scripted script[] = {KEYS};
        struct fixture f;
        struct result result;
        char text[128];
        begin(&f, script, 1, NULL);
        f.config.allow_http = true; /* that is for services */
        snprintf(text, sizeof text, "AWS_CONTAINER_CREDENTIALS_%s", refused[i]);
        f.env[f.env_count++] = text; /* with its @ */
        make_client(&f);
        run(&f, &result);
        CHECK_INT(result.outcome, AWS_DENIED);
        CHECK_INT(f.fake.started, 0);
        if (f.fake.started)
            printf("\n    %s", refused[i]);
        end(&f);
    }
}

static void F55_a_container_token_is_read_for_each_refresh(void)
{
    const struct scripted script[] = {TEXT(JSON("FIRST", HOUR)), FINE,
                                      TEXT(JSON("SECOND", "2026-01-01T02:00:00Z")), FINE};
    struct fixture f;
    struct result result;
    begin(&f, script, COUNT(script), NULL);
    set_env(&f, CONTAINER);
    set_env(&f, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=@/token");
    write_token(&f, "one");
    make_client(&f);
    run(&f, &result);
    CHECK(signed_by(&f, "FIRST"));
    write_token(&f, "two");
    f.fake.now_ms = 51 * 60000; /* so late that the call waits for the new keys */
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK(signed_by(&f, "SECOND"));
    CHECK(in_order(f.fake.requests,
                   (const char *[]){"Authorization: one\n", "Authorization: two\n"}, 2));
    end(&f);
}

static void F55_early_calls_use_the_old_keys_and_late_ones_wait(void)
{
    static const struct scripted renewed = {HTTP_DONE, 200, NULL,
                                            JSON("SECOND", "2026-01-01T02:00:00Z"), 500};
    static const struct {
        int minute;
        bool refreshed, waits;
    } rows[] = {{44, false, false},
                {46, true, false},
                {49, true, false},
                {51, true, true},
                {61, true, true}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct scripted script[] = {TEXT(JSON("FIRST", HOUR)), FINE, FINE, FINE};
        struct fixture f;
        struct result result;
        script[rows[i].waits ? 2 : 3] = renewed;
        begin(&f, script, COUNT(script), NULL);
        set_env(&f, CONTAINER);
        make_client(&f);
        run(&f, &result);
        f.fake.now_ms = rows[i].minute * 60000;
        run(&f, &result);
        CHECK_INT(result.outcome, AWS_OK);
        CHECK_INT(f.fake.started, rows[i].refreshed ? 4 : 3);
        CHECK_INT(strstr(f.fake.requests, "Credential=SECOND") != NULL, rows[i].waits);
        end(&f);
    }
}

static void F55_late_in_their_life_old_keys_serve_when_the_refresh_fails(void)
{
    const struct scripted script[] = {TEXT(JSON("FIRST", HOUR)),      FINE, STATUS(404), FINE, FINE,
                                      {HTTP_DONE, 404, NULL, "", 700}};
    struct fixture f;
    struct result result;
    begin(&f, script, COUNT(script), NULL);
    set_env(&f, CONTAINER);
    make_client(&f);
    run(&f, &result);
    f.fake.now_ms = 55 * 60000;
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_OK);
    CHECK(signed_by(&f, "FIRST"));
    CHECK(strstr(f.log, "status 404") != NULL);
    f.fake.now_ms = 56 * 60000;
    run(&f, &result); /* does not wait for the second attempt */
    CHECK_INT(result.outcome, AWS_OK);
    CHECK_INT(f.fake.started, 6);
    CHECK_STR(f.fake.last_url, "http://127.0.0.1:81/x?id=1");
    f.fake.now_ms = 60 * 60000;
    run(&f, &result);
    CHECK_INT(result.outcome, AWS_DENIED);
    end(&f);
}

static void F55_many_waiting_calls_share_one_exchange(void)
{
    enum { N = 50 };
    static struct result results[N];
    static struct aws_call calls[N];
    const struct scripted script[] = {{HTTP_DONE, 200, NULL, JSON("KEYS", HOUR), 900}, FINE};
    struct fixture f;
    begin(&f, script, COUNT(script), NULL);
    set_env(&f, CONTAINER);
    make_client(&f);
    for (int i = 0; i < N; i++) {
        calls[i] = simple_call(&results[i]);
        CHECK_INT(aws_call_start(f.client, &calls[i]), 0);
        fake_run(&f.fake, 10);
    }
    fake_run(&f.fake, 2000);
    CHECK_INT(f.fake.started, N + 1);
    for (int i = 0; i < N; i++)
        CHECK(results[i].done == 1 && results[i].outcome == AWS_OK);
    end(&f);
}

static void a_client_freed_during_an_exchange_leaves_nothing(void)
{
    static const struct scripted scripts[][1] = {{{HTTP_DONE, 200, NULL, "{}", -1}}, {STATUS(500)}};
    for (size_t i = 0; i < COUNT(scripts); i++) {
        struct fixture f;
        struct result result;
        begin(&f, scripts[i], 1, NULL);
        set_env(&f, CONTAINER);
        make_client(&f);
        f.fake.random = 40; /* the pause before the next attempt, ms */
        struct aws_call call = simple_call(&result);
        CHECK_INT(aws_call_start(f.client, &call), 0);
        fake_run(&f.fake, 10); /* the transfer hangs, or the pause has begun */
        aws_call_abort(f.client, &call);
        fake_run(&f.fake, 1);
        CHECK_INT(result.outcome, AWS_ABORTED);
        aws_client_free(f.client);
        f.client = NULL;
        fake_run(&f.fake, 1000);
        CHECK_INT(f.fake.started, 1);
        end(&f);
    }
}

/* ---- instances ---- */

#define TOKEN TEXT("AQAEAtoken==")
#define ROLE  TEXT("my-role")
#define BASE  "http://169.254.169.254/latest/"
#define AT    "AWS_EC2_METADATA_SERVICE_ENDPOINT="
#define MODE  "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE="

static const struct row instances[] = {
    {"token, role, credentials",
     {NULL},
     {TOKEN, ROLE, KEYS, FINE},
     NULL,
     {"PUT " BASE "api/token\nX-aws-ec2-metadata-token-ttl-seconds: 21600\n",
      "GET " BASE "meta-data/iam/security-credentials/\nX-aws-ec2-metadata-token: AQAEAtoken==\n",
      "GET " BASE
      "meta-data/iam/security-credentials/my-role\nX-aws-ec2-metadata-token: AQAEAtoken==\n"},
     4},
    {"over IPv6",
     {MODE "ipv6"},
     {TOKEN, ROLE, KEYS, FINE},
     NULL,
     {"PUT http://[fd00:ec2::254]/latest/api/token\n"},
     4},
    {"elsewhere, which comes before the mode",
     {AT "http://127.0.0.1:1338/", MODE "IPv6"},
     {TOKEN, ROLE, KEYS, FINE},
     NULL,
     {"PUT http://127.0.0.1:1338/latest/api/token\n"},
     4},
    {"another mode", {MODE "ipx"}, {TOKEN}, "neither IPv4 nor IPv6", {NULL}, 0},
    {"S13 elsewhere in the clear",
     {AT "http://imds.example"},
     {TOKEN},
     "neither https nor",
     {NULL},
     0},
    {"S13 another link-local address",
     {AT "http://169.254.1.1"},
     {TOKEN},
     "neither https",
     {NULL},
     0},
    {"off",
     {"AWS_EC2_METADATA_DISABLED=TRUE"},
     {TOKEN},
     "instance metadata: switched off",
     {NULL},
     0},
    {"no instance: asked once",
     {NULL},
     {{HTTP_UNREACHABLE, 0, NULL, NULL, 0}},
     "no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile "
     "(environment: AWS_ACCESS_KEY_ID is not set; web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not "
     "set; profile: there is no AWS profile \"default\"; container: neither "
     "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor _FULL_URI is set; instance metadata: the instance "
     "metadata service: scripted failure)",
     {NULL},
     1},
    {"a hop too far",
     {NULL},
     {{HTTP_TIMEOUT, 0, NULL, NULL, 1000}},
     "hop limit must be 2",
     {NULL},
     1},
    {"no fallback to version 1", {NULL}, {STATUS(403)}, "status 403", {NULL}, 1},
    {"nor where there is no such path", {NULL}, {STATUS(404)}, "status 404", {NULL}, 1},
    {"busy for ever", {NULL}, {STATUS(503)}, "status 503", {NULL}, 3},
    {"busy once each",
     {NULL},
     {STATUS(500), TOKEN, STATUS(503), ROLE, KEYS, FINE},
     NULL,
     {NULL},
     6},
    {"a page instead of a token", {NULL}, {TEXT("<html> no\n")}, "session token", {NULL}, 1},
    {"no role", {NULL}, {TOKEN, STATUS(404)}, "the instance has no role", {NULL}, 2},
    {"the token refused", {NULL}, {TOKEN, STATUS(401)}, "status 401", {NULL}, 2},
    {"an empty list", {NULL}, {TOKEN, TEXT("")}, "did not name a role", {NULL}, 2},
    {"a role that is a path", {NULL}, {TOKEN, TEXT("../x")}, "did not name a role", {NULL}, 2},
    {"the role's slow", {NULL}, {TOKEN, {HTTP_TIMEOUT, 0, NULL, NULL, 1000}}, "1000 ms", {NULL}, 2},
    {"not assumed",
     {NULL},
     {TOKEN, ROLE, TEXT("{\"Code\":\"AssumeRoleUnauthorizedAccess\"}")},
     "not \"Success\"",
     {NULL},
     3},
    {"cut",
     {NULL},
     {TOKEN, ROLE, TEXT("{\"Code\":\"Success\",\"Acc")},
     "one JSON object",
     {NULL},
     3},
    {"the service can't renew them: used on",
     {NULL},
     {TOKEN, ROLE, TEXT(JSON("KEYS", "2025-12-31T23:00:00Z")), FINE},
     NULL,
     {NULL},
     4},
};

static void F55_instances(void)
{
    for (size_t i = 0; i < COUNT(instances); i++)
        check_row(&instances[i]);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(F55_containers),
    TEST(S13_containers_name_no_foreign_host),
    TEST(F55_a_container_token_is_read_for_each_refresh),
    TEST(F55_early_calls_use_the_old_keys_and_late_ones_wait),
    TEST(F55_late_in_their_life_old_keys_serve_when_the_refresh_fails),
    TEST(F55_many_waiting_calls_share_one_exchange),
    TEST(a_client_freed_during_an_exchange_leaves_nothing),
    TEST(F55_instances),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_credential_sources", tests);
}
