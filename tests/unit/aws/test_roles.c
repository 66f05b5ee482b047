/* Roles assumed at STS, played by a scripted transport. The clock begins at 2026-01-01T00:00:00Z.
 */
#include "credentials_fixture.h"
#include "unit.h"
#include "util/alloc.h"

#include <stdio.h>

#define ANSWER(action, key, expires)                                                               \
    "<" action "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" action "Result>"   \
    "<AssumedRoleUser><Arn>arn:x</Arn></AssumedRoleUser><Credentials><SessionToken>tOkEn/+=</"     \
    "SessionToken><SecretAccessKey>sEcReT</SecretAccessKey><Expiration>" expires "</Expiration>"   \
    "<AccessKeyId>" key "</AccessKeyId></Credentials></" action "Result><ResponseMetadata>"        \
    "<RequestId>1</RequestId></ResponseMetadata></" action "Response>"
#define HOUR "2026-01-01T01:00:00Z"
#define TEXT(body)                                                                                 \
    {                                                                                              \
        HTTP_DONE, 200, NULL, body, 0                                                              \
    }
#define WEB       TEXT(ANSWER("AssumeRoleWithWebIdentity", "KEYS", HOUR))
#define ROLE(key) TEXT(ANSWER("AssumeRole", key, HOUR))
#define FINE      TEXT("{}")
#define ERROR(status, code, message)                                                               \
    {                                                                                              \
        HTTP_DONE, status, NULL,                                                                   \
            "<ErrorResponse><Error><Type>Sender</Type><Code>" code "</Code><Message>" message      \
            "</Message></Error><RequestId>1</RequestId></ErrorResponse>",                          \
            0                                                                                      \
    }
#define TOKEN_FILE "AWS_WEB_IDENTITY_TOKEN_FILE=@/token"
#define ARN        "AWS_ROLE_ARN=arn:aws:iam::1:role/r"
#define BASE       "[base]\naws_access_key_id = BASE\naws_secret_access_key = s\n"

struct row {
    const char *name, *env[3];
    const char *file;
    struct scripted script[5];
    const char *says; /* of the reason; NULL: the last call was signed by KEYS */
    const char *seen[5];
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
    begin(&f, row->script, count, row->file);
    for (size_t i = 0; i < COUNT(row->env) && row->env[i]; i++)
        set_env(&f, row->env[i]);
    write_token(&f, "eyJ.w.T_-\n");
    make_client(&f);
    struct aws_call call = simple_call(&result);
    CHECK_INT(aws_call_start(f.client, &call), 0);
    fake_run(&f.fake, 30000);
    bool good = result.done == 1 && result.outcome == (row->says ? AWS_DENIED : AWS_OK) &&
                (row->says ? strstr(result.message, row->says) != NULL : signed_by(&f, "KEYS")) &&
                in_order(f.fake.requests, row->seen, COUNT(row->seen)) &&
                f.fake.started == row->requests;
    CHECK(good);
    if (!good)
        printf("\n    %s: %s\n    %s", row->name, result.message, f.fake.requests);
    CHECK(!strstr(result.message, "sEcReT") && !strstr(result.message, "tOkEn"));
    CHECK(!strstr(result.message, "eyJ"));
    end(&f);
}

/* ---- web identities ---- */

static const struct row identities[] = {
    {"of the environment, unsigned, in the region",
     {TOKEN_FILE, ARN},
     NULL,
     {WEB, FINE},
     NULL,
     {"POST https://sts.eu-west-1.amazonaws.com/\n",
      "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%"
      "2Fr&RoleSessionName=weir-1767225600000&WebIdentityToken=eyJ.w.T_-\n"},
     2},
    {"with a session's name",
     {TOKEN_FILE, ARN, "AWS_ROLE_SESSION_NAME=me"},
     NULL,
     {WEB, FINE},
     NULL,
     {"RoleSessionName=me&"},
     2},
    {"at another endpoint",
     {TOKEN_FILE, ARN, "AWS_ENDPOINT_URL_STS=http://127.0.0.1:82/sts"},
     NULL,
     {WEB, FINE},
     NULL,
     {"POST http://127.0.0.1:82/sts\nHost: 127.0.0.1:82\n"},
     2},
    {"of a profile",
     {"AWS_PROFILE=p"},
     "[p]\nrole_arn = R\nweb_identity_token_file = @/token\nrole_session_name = s\n",
     {WEB, FINE},
     NULL,
     {"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=R&RoleSessionName=s&Web"},
     2},
    {"the environment's before the profile's",
     {TOKEN_FILE, ARN},
     "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n",
     {WEB, FINE},
     NULL,
     {"RoleArn=arn"},
     2},
    {"no role",
     {TOKEN_FILE},
     NULL,
     {WEB},
     "(web identity): AWS_WEB_IDENTITY_TOKEN_FILE is set, but not AWS_ROLE_ARN (before it, "
     "environment: AWS_ACCESS_KEY_ID is not set)",
     {NULL},
     0},
    {"no file", {"AWS_WEB_IDENTITY_TOKEN_FILE=@/x", ARN}, NULL, {WEB}, "/x: No such", {NULL}, 0},
    {"S13 an endpoint in the clear",
     {TOKEN_FILE, ARN, "AWS_ENDPOINT_URL_STS=http://sts.example"},
     NULL,
     {WEB},
     "not encrypted",
     {NULL},
     0},
    {"S13 the metadata address is no STS",
     {TOKEN_FILE, ARN, "AWS_ENDPOINT_URL_STS=http://169.254.169.254"},
     NULL,
     {WEB},
     "link-local",
     {NULL},
     0},
    {"its token has expired",
     {TOKEN_FILE, ARN},
     NULL,
     {ERROR(400, "ExpiredTokenException", "Token expired at 1")},
     "STS answered with status 400, ExpiredTokenException: Token expired at 1",
     {NULL},
     1},
    {"S17 a message that quotes the token",
     {TOKEN_FILE, ARN},
     NULL,
     {ERROR(400, "ValidationError", "Value 'eyJ.w.T_-' at 'webIdentityToken'")},
     "STS answered with status 400, ValidationError",
     {NULL},
     1},
    {"denied",
     {TOKEN_FILE, ARN},
     NULL,
     {ERROR(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")},
     "AccessDenied: Not authorized to perform",
     {NULL},
     1},
    {"F55 the identity provider did not answer at once",
     {TOKEN_FILE, ARN},
     NULL,
     {ERROR(400, "IDPCommunicationError", ""), ERROR(400, "Throttling", "Rate"), WEB, FINE},
     NULL,
     {NULL},
     4},
    {"F55 500, no connection",
     {TOKEN_FILE, ARN},
     NULL,
     {{HTTP_DONE, 500, NULL, "<html>", 0}, {HTTP_UNREACHABLE, 0, NULL, NULL, 0}, WEB, FINE},
     NULL,
     {NULL},
     4},
    {"no answer",
     {TOKEN_FILE, ARN},
     NULL,
     {{HTTP_TIMEOUT, 0, NULL, NULL, 5000}},
     "STS gave no answer within 5000 ms",
     {NULL},
     3},
    {"404 of something else",
     {TOKEN_FILE, ARN},
     NULL,
     {{HTTP_DONE, 404, NULL, "<html>", 0}},
     "STS answered with status 404",
     {NULL},
     1},
    {"no XML", {TOKEN_FILE, ARN}, NULL, {TEXT("{}")}, "one XML document", {NULL}, 1},
    {"cut XML",
     {TOKEN_FILE, ARN},
     NULL,
     {TEXT("<AssumeRoleWithWebIdentityResponse><AssumeRole")},
     "one XML document",
     {NULL},
     1},
    {"other XML", {TOKEN_FILE, ARN}, NULL, {TEXT("<A></A>")}, "Expiration", {NULL}, 1},
    {"no time",
     {TOKEN_FILE, ARN},
     NULL,
     {TEXT(ANSWER("AssumeRole", "KEYS", ""))},
     "Expiration",
     {NULL},
     1},
    {"no key",
     {TOKEN_FILE, ARN},
     NULL,
     {TEXT(ANSWER("AssumeRole", "", HOUR))},
     "missing or malformed",
     {NULL},
     1},
};

static void F55_web_identities(void)
{
    for (size_t i = 0; i < COUNT(identities); i++)
        check_row(&identities[i]);
}

/* ---- roles of profiles ---- */

static const struct row roles[] = {
    {"with a source profile, signed",
     {NULL},
     BASE "[default]\nrole_arn = R\nsource_profile = base\nexternal_id = e/1\n"
          "duration_seconds = 900\nrole_session_name = s\n",
     {ROLE("KEYS"), FINE},
     NULL,
     {"POST https://sts.eu-west-1.amazonaws.com/\n", "X-Amz-Date: 20260101T000000Z\n",
      "Credential=BASE/20260101/eu-west-1/sts/aws4_request, "
      "SignedHeaders=content-type;host;x-amz-date,",
      "Action=AssumeRole&Version=2011-06-15&RoleArn=R&RoleSessionName=s&ExternalId=e%2F1&"
      "DurationSeconds=900\n",
      "X-Amz-Security-Token: tOkEn/+=\n"},
     2},
    {"through two roles",
     {NULL},
     BASE "[mid]\nrole_arn = M\nsource_profile = base\n"
          "[default]\nrole_arn = R\nsource_profile = mid\n",
     {ROLE("MID"), ROLE("KEYS"), FINE},
     NULL,
     {"Credential=BASE/", "RoleArn=M&", "X-Amz-Security-Token: tOkEn/+=\n", "Credential=MID/",
      "RoleArn=R&"},
     3},
    {"with its own keys",
     {NULL},
     "[default]\nrole_arn = R\nsource_profile = default\naws_access_key_id = OWN\n"
     "aws_secret_access_key = s\n",
     {ROLE("KEYS"), FINE},
     NULL,
     {"Credential=OWN/", "RoleArn=R&"},
     2},
    {"with a program's keys",
     {NULL},
     "[base]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"PROC\","
     "\"SecretAccessKey\":\"s\"}'\n[default]\nrole_arn = R\nsource_profile = base\n",
     {ROLE("KEYS"), FINE},
     NULL,
     {"Credential=PROC/"},
     2},
    {"with a web identity at the bottom",
     {NULL},
     "[base]\nrole_arn = B\nweb_identity_token_file = @/token\n"
     "[default]\nrole_arn = R\nsource_profile = base\n",
     {TEXT(ANSWER("AssumeRoleWithWebIdentity", "WEB", HOUR)), ROLE("KEYS"), FINE},
     NULL,
     {"RoleArn=B&", "Credential=WEB/", "RoleArn=R&"},
     3},
    {"with a container's",
     {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/r"},
     "[default]\nrole_arn = R\ncredential_source = EcsContainer\n",
     {TEXT("{\"AccessKeyId\":\"BOX\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}"), ROLE("KEYS"),
      FINE},
     NULL,
     {"GET http://169.254.170.2/r\n", "Credential=BOX/", "RoleArn=R&"},
     3},
    {"with an instance's",
     {"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1"},
     "[default]\nrole_arn = R\ncredential_source = Ec2InstanceMetadata\n",
     {FINE},
     "(profile): credential_source of a role: switched off",
     {NULL},
     0},
    {"with the environment's, which is empty",
     {NULL},
     "[default]\nrole_arn = R\ncredential_source = Environment\n",
     {FINE},
     "credential_source of a role: AWS_ACCESS_KEY_ID is not set",
     {NULL},
     0},
    {"with a container's that is down",
     {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/r"},
     "[default]\nrole_arn = R\ncredential_source = EcsContainer\n",
     {{HTTP_DONE, 500, NULL, "", 0}},
     "(profile): the container's endpoint answered with status 500",
     {NULL},
     3},
    {"denied",
     {NULL},
     BASE "[default]\nrole_arn = R\nsource_profile = base\n",
     {ERROR(403, "AccessDenied", "User: arn:x is not authorized")},
     "STS answered with status 403, AccessDenied: User: arn:x is not authorized",
     {NULL},
     1},
    {"the second one denied",
     {NULL},
     BASE "[mid]\nrole_arn = M\nsource_profile = base\n"
          "[default]\nrole_arn = R\nsource_profile = mid\n",
     {ROLE("MID"), ERROR(403, "AccessDenied", "no")},
     "AccessDenied: no",
     {NULL},
     2},
    {"F56 our clock is wrong",
     {NULL},
     BASE "[default]\nrole_arn = R\nsource_profile = base\n",
     {{HTTP_DONE, 403, "Date: Wed, 31 Dec 2025 22:00:00 GMT\r\n",
       "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>x-amz-security-token:"
       "tOkEn</Message></Error></ErrorResponse>",
       0},
      {HTTP_DONE, 200, "Date: Wed, 31 Dec 2025 22:00:00 GMT\r\n",
       ANSWER("AssumeRole", "KEYS", "2025-12-31T23:00:00Z"), 0},
      FINE},
     NULL,
     {"X-Amz-Date: 20260101T000000Z\n", "X-Amz-Date: 20251231T220000Z\n"},
     3},
    {"S17 a wrong signature is not quoted",
     {NULL},
     BASE "[default]\nrole_arn = R\nsource_profile = base\n",
     {ERROR(403, "SignatureDoesNotMatch", "x-amz-security-token:tOkEn")},
     "status 403, SignatureDoesNotMatch",
     {NULL},
     1},
    {"a circle of two",
     {NULL},
     "[a]\nrole_arn = A\nsource_profile = default\n[default]\nrole_arn = R\nsource_profile = a\n",
     {FINE},
     "source_profile \"default\" leads round in a circle",
     {NULL},
     0},
    {"a circle of one",
     {NULL},
     "[default]\nrole_arn = R\nsource_profile = default\n",
     {FINE},
     "its own source_profile, but has no keys",
     {NULL},
     0},
    {"a longer circle, not at its beginning",
     {NULL},
     "[a]\nrole_arn = A\nsource_profile = b\n[b]\nrole_arn = B\nsource_profile = c\n"
     "[c]\nrole_arn = C\nsource_profile = b\n[default]\nrole_arn = R\nsource_profile = a\n",
     {FINE},
     "source_profile \"b\" leads round",
     {NULL},
     0},
    {"nine roles",
     {NULL},
     "[default]\nrole_arn=R\nsource_profile=1\n[1]\nrole_arn=R\nsource_profile=2\n"
     "[2]\nrole_arn=R\nsource_profile=3\n[3]\nrole_arn=R\nsource_profile=4\n"
     "[4]\nrole_arn=R\nsource_profile=5\n[5]\nrole_arn=R\nsource_profile=6\n"
     "[6]\nrole_arn=R\nsource_profile=7\n[7]\nrole_arn=R\nsource_profile=8\n"
     "[8]\nrole_arn=R\nsource_profile=9\n[9]\naws_access_key_id=A\naws_secret_access_key=s\n",
     {FINE},
     "more than 8 roles",
     {NULL},
     0},
    {"no such source",
     {NULL},
     "[default]\nrole_arn = R\nsource_profile = nobody\n",
     {FINE},
     "profile \"nobody\": it is a source_profile, but there is none",
     {NULL},
     0},
    {"a source without keys",
     {NULL},
     "[a]\nregion = x\n[default]\nrole_arn = R\nsource_profile = a\n",
     {FINE},
     "profile \"a\": it is a source_profile, but has no credentials",
     {NULL},
     0},
    {"nothing to begin with",
     {NULL},
     "[default]\nrole_arn = R\n",
     {FINE},
     "role_arn needs one of",
     {NULL},
     0},
    {"two things to begin with",
     {NULL},
     BASE "[default]\nrole_arn = R\nsource_profile = base\ncredential_source = Environment\n",
     {FINE},
     "role_arn needs one of",
     {NULL},
     0},
    {"an unknown source",
     {NULL},
     "[default]\nrole_arn = R\ncredential_source = environment\n",
     {FINE},
     "credential_source is not Environment",
     {NULL},
     0},
    {"too short",
     {NULL},
     BASE "[default]\nrole_arn = R\nsource_profile = base\nduration_seconds = 899\n",
     {FINE},
     "duration_seconds is not 900 to 43200",
     {NULL},
     0},
    {"too long",
     {NULL},
     BASE "[default]\nrole_arn = R\nsource_profile = base\nduration_seconds = 99999999999999\n",
     {FINE},
     "duration_seconds is not 900",
     {NULL},
     0},
    {"no number",
     {NULL},
     BASE "[default]\nrole_arn = R\nsource_profile = base\nduration_seconds = 1h\n",
     {FINE},
     "duration_seconds is not a number",
     {NULL},
     0},
    {"somebody's device",
     {NULL},
     BASE "[default]\nrole_arn = R\nsource_profile = base\nmfa_serial = arn:m\n",
     {FINE},
     "mfa_serial needs a person: use credential_process",
     {NULL},
     0},
    {"single sign-on",
     {NULL},
     "[default]\nsso_session = x\n",
     {FINE},
     "SSO is read by credential_process",
     {NULL},
     0},
};

static void F55_roles(void)
{
    for (size_t i = 0; i < COUNT(roles); i++)
        check_row(&roles[i]);
}

static void F55_a_web_identity_is_read_for_each_refresh(void)
{
    const struct scripted script[] = {
        TEXT(ANSWER("AssumeRoleWithWebIdentity", "FIRST", HOUR)), FINE,
        TEXT(ANSWER("AssumeRoleWithWebIdentity", "SECOND", "2026-01-01T02:00:00Z")), FINE};
    struct fixture f;
    struct result result;
    begin(&f, script, COUNT(script), NULL);
    set_env(&f, TOKEN_FILE);
    set_env(&f, ARN);
    write_token(&f, "one");
    make_client(&f);
    run(&f, &result);
    CHECK(signed_by(&f, "FIRST"));
    write_token(&f, "two");
    f.fake.now_ms = 51 * 60000;
    run(&f, &result);
    CHECK(signed_by(&f, "SECOND"));
    CHECK(in_order(f.fake.requests,
                   (const char *[]){"WebIdentityToken=one\n", "WebIdentityToken=two\n"}, 2));
    end(&f);
}

static void a_client_freed_while_a_role_is_assumed_leaves_nothing(void)
{
    static const struct scripted hangs[] = {{HTTP_DONE, 200, NULL, "", -1}};
    static const struct scripted busy[] = {{HTTP_DONE, 500, NULL, "", 0}};
    static const struct scripted *const scripts[] = {hangs, busy};
    static const char *const files[] = {
        BASE "[default]\nrole_arn = R\nsource_profile = base\n",
        "[default]\nrole_arn = R\ncredential_source = EcsContainer\n"};
    for (size_t i = 0; i < 4; i++) {
        struct fixture f;
        struct result result;
        begin(&f, scripts[i % 2], 1, files[i / 2]);
        set_env(&f, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/r");
        make_client(&f);
        f.fake.random = 40; /* the pause before the next attempt, ms */
        struct aws_call call = simple_call(&result);
        CHECK_INT(aws_call_start(f.client, &call), 0);
        fake_run(&f.fake, 10);
        CHECK_INT(f.fake.started, 1);
        aws_call_abort(f.client, &call);
        fake_run(&f.fake, 1);
        aws_client_free(f.client);
        f.client = NULL;
        fake_run(&f.fake, 1000);
        CHECK_INT(f.fake.started, 1);
        end(&f);
    }
}

/* Whatever allocation fails, the call ends, nothing leaks, and the next refresh may succeed. */
static void F72_any_allocation_may_fail(void)
{
    static const struct scripted box[] = {
        TEXT("{\"AccessKeyId\":\"BOX\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"}"), ROLE("KEYS"),
        FINE};
    static const struct scripted web[] = {TEXT(ANSWER("AssumeRoleWithWebIdentity", "WEB", HOUR)),
                                          ROLE("KEYS"), FINE};
    static const char *const files[] = {
        "[default]\nrole_arn = R\ncredential_source = EcsContainer\n",
        "[a]\nrole_arn = A\nweb_identity_token_file = @/token\n"
        "[default]\nrole_arn = R\nsource_profile = a\n"};
    for (int way = 0; way < 2; way++) {
        uint64_t failed = 0, n = 1;
        for (bool all = false; !all && n < 500; n++) {
            struct fixture f;
            struct result result;
            begin(&f, way ? web : box, 3, files[way]);
            set_env(&f, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/r");
            write_token(&f, "one");
            make_client(&f);
            struct aws_call call = simple_call(&result);
            uint64_t before = mem_calls();
            mem_fail_at(n);
            int rc = aws_call_start(f.client, &call);
            fake_run(&f.fake, 30000);
            mem_fail_at(0);
            all = mem_calls() - before < n;
            CHECK_INT(result.done, rc == 0);
            CHECK(!all || result.outcome == AWS_OK);
            failed += result.outcome != AWS_OK;
            end(&f);
        }
        CHECK(n < 500 && failed > 10);
    }
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(F55_web_identities),
    TEST(F55_roles),
    TEST(F55_a_web_identity_is_read_for_each_refresh),
    TEST(a_client_freed_while_a_role_is_assumed_leaves_nothing),
    TEST(F72_any_allocation_may_fail),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_roles", tests);
}
