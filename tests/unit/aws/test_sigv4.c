#include "aws/sigv4.h"

#include "unit.h"
#include "util/alloc.h"

#include <errno.h>

/* Expected values were made with botocore's signer. The published suite:
 * tests/integration/sigv4_suite.py */
static const struct vector {
    int64_t unix_s;
    const char *time, *region, *service, *host, *target, *token, *body, *signature;
} vectors[] = {
    {1795386074, "20261122T222114Z", "eu-west-1", "dynamodb", "dynamodb.eu-west-1.amazonaws.com",
     "DynamoDB_20120810.PutItem", NULL, "{\"TableName\":\"PriceHistory\"}",
     "116d5b1c6a199a4db9c9c55c2905a557ed18890e3aa6ea96c9f97eaf43ebfb4a"},
    {1798761599, "20261231T235959Z", "us-east-1", "sqs", "127.0.0.1:8000",
     "AmazonSQS.SendMessageBatch", "token+/=", "{}",
     "80b00e79cacd848caac6a775da5bb9944561adfe82f51155977183e395d986fb"},
    {1709164800, "20240229T000000Z", "cn-north-1", "dynamodb",
     "streams.dynamodb.cn-north-1.amazonaws.com.cn", "DynamoDBStreams_20120810.GetRecords", "T",
     "{\"ShardIterator\":\"x\"}",
     "924305160e4a483549f6c1a2e414d9dd33e040ce3075a2294ab980ac82ae3b98"},
};

static const char *signature_of(struct buf *authorization)
{
    const char *at = strstr(buf_cstr(authorization), "Signature=");
    return at ? at + strlen("Signature=") : "";
}

static int sign_vector(struct sigv4 *sigv4, const struct vector *row, struct buf *out)
{
    struct credentials credentials;
    struct http_header headers[5] = {
        {STR("Host"), str_of(row->host)},
        {STR("Content-Type"), STR("application/x-amz-json-1.0")},
        {STR("X-Amz-Date"), str_of(row->time)},
        {STR("X-Amz-Target"), str_of(row->target)},
        {STR("X-Amz-Security-Token"), str_of(row->token)},
    };
    struct sigv4_scope scope = {row->unix_s, row->region, row->service};
    struct sigv4_request request = {.method = STR("POST"),
                                    .path = STR("/"),
                                    .headers = headers,
                                    .header_count = row->token ? 5 : 4,
                                    .body = str_of(row->body),
                                    .normalize = true};
    CHECK_INT(credentials_set(&credentials, STR("AKIDEXAMPLE"),
                              STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), str_of(row->token)),
              0);
    buf_init(out, 4096);
    int rc = sigv4_sign(sigv4, &credentials, &scope, &request, out);
    credentials_done(&credentials);
    return rc;
}

static void signatures_are_those_of_botocore(void)
{
    struct sigv4 sigv4;
    CHECK_INT(sigv4_init(&sigv4), 0);
    for (int round = 0; round < 2; round++) /* the second with the day's key from the cache */
        for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
            struct buf out;
            char time[SIGV4_TIME_BYTES];
            CHECK_INT(sign_vector(&sigv4, &vectors[i], &out), 0);
            CHECK_STR(signature_of(&out), vectors[i].signature);
            sigv4_time(vectors[i].unix_s, time);
            CHECK_STR(time, vectors[i].time);
            buf_done(&out);
        }
    sigv4_done(&sigv4);
}

static void path_and_query_are_normalised(void)
{
    struct sigv4 sigv4;
    struct credentials credentials;
    struct buf out;
    struct http_header headers[] = {{STR("host"), STR("lambda.us-east-1.amazonaws.com")},
                                    {STR("x-amz-date"), STR("20240229T000000Z")}};
    struct sigv4_scope scope = {1709164800, "us-east-1", "lambda"};
    struct sigv4_request request = {.method = STR("GET"),
                                    .path = STR("/a%20b/./x/..//c"),
                                    .query = STR("b=2&a=1&a=0"),
                                    .headers = headers,
                                    .header_count = 2,
                                    .normalize = true};
    CHECK_INT(sigv4_init(&sigv4), 0);
    CHECK_INT(credentials_set(&credentials, STR("AKIDEXAMPLE"),
                              STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), STR_NONE),
              0);
    buf_init(&out, 4096);
    CHECK_INT(sigv4_sign(&sigv4, &credentials, &scope, &request, &out), 0);
    CHECK_STR(signature_of(&out),
              "2f217c1322ead002150065aca9a574e73d450018fa709840889989137a0575f3");
    buf_done(&out);
    credentials_done(&credentials);
    sigv4_done(&sigv4);
}

static const struct path_case {
    const char *path, *normalised, *raw;
} paths[] = {
    {"", "/", "/"},
    {"/", "/", "/"},
    {"//", "/", "//"},
    {"/a/", "/a/", "/a/"},
    {"/a/..", "/", "/a/.."},
    {"/../../a", "/a", "/../../a"},
    {"/.", "/", "/."},
    {"/a/./b/../c", "/a/c", "/a/./b/../c"},
    {"/a b", "/a%20b", "/a%20b"},
    {"/%41", "/%2541", "/%2541"},
};

static void every_path_has_one_canonical_form(void)
{
    struct sigv4 sigv4;
    struct http_header host = {STR("host"), STR("h")};
    CHECK_INT(sigv4_init(&sigv4), 0);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        for (int normalize = 0; normalize < 2; normalize++) {
            struct sigv4_request request = {.method = STR("GET"),
                                            .path = str_of(paths[i].path),
                                            .headers = &host,
                                            .header_count = 1,
                                            .normalize = normalize};
            weir_str text;
            char line[64];
            CHECK_INT(sigv4_canonical(&sigv4, &request, &text), 0);
            const char *at = (const char *)memchr(text.ptr, '\n', text.len) + 1;
            size_t len = strcspn(at, "\n");
            memcpy(line, at, len);
            line[len] = '\0';
            CHECK_STR(line, normalize ? paths[i].normalised : paths[i].raw);
        }
    sigv4_done(&sigv4);
}

static void too_many_headers_or_parameters_are_refused(void)
{
    static struct http_header headers[SIGV4_HEADERS_MAX + 1];
    static char query[4 * SIGV4_PARAMS_MAX + 8];
    struct sigv4 sigv4;
    weir_str text;
    for (int i = 0; i <= SIGV4_HEADERS_MAX; i++)
        headers[i] = (struct http_header){STR("x"), STR("y")};
    for (int i = 0; i <= SIGV4_PARAMS_MAX; i++)
        memcpy(query + 4 * i, "a=b&", 4);
    struct sigv4_request request = {.method = STR("GET"), .path = STR("/"), .headers = headers};
    CHECK_INT(sigv4_init(&sigv4), 0);
    request.header_count = SIGV4_HEADERS_MAX + 1;
    CHECK_INT(sigv4_canonical(&sigv4, &request, &text), -E2BIG);
    request.header_count = SIGV4_HEADERS_MAX;
    CHECK_INT(sigv4_canonical(&sigv4, &request, &text), 0);
    request.query = (weir_str){query, 4 * SIGV4_PARAMS_MAX + 3};
    CHECK_INT(sigv4_canonical(&sigv4, &request, &text), -E2BIG);
    sigv4_done(&sigv4);
}

static void two_secrets_never_share_a_derived_key(void)
{
    struct sigv4 sigv4;
    struct buf first, second;
    struct http_header host = {STR("host"), STR("h")};
    struct sigv4_scope scope = {1709164800, "us-east-1", "sqs"};
    struct sigv4_request request = {
        .method = STR("GET"), .path = STR("/"), .headers = &host, .header_count = 1};
    struct credentials old, new;
    CHECK_INT(sigv4_init(&sigv4), 0);
    CHECK_INT(credentials_set(&old, STR("A"), STR("one"), STR_NONE), 0);
    CHECK_INT(credentials_set(&new, STR("A"), STR("two"), STR_NONE), 0);
    new.generation = old.generation + 1;
    buf_init(&first, 4096);
    buf_init(&second, 4096);
    CHECK_INT(sigv4_sign(&sigv4, &old, &scope, &request, &first), 0);
    CHECK_INT(sigv4_sign(&sigv4, &new, &scope, &request, &second), 0);
    CHECK(strcmp(buf_cstr(&first), buf_cstr(&second)) != 0);
    buf_done(&first);
    buf_done(&second);
    credentials_done(&old);
    credentials_done(&new);
    sigv4_done(&sigv4);
}

static void F72_signing_fails_cleanly_without_memory(void)
{
    struct sigv4 sigv4;
    CHECK_INT(sigv4_init(&sigv4), 0);
    for (uint64_t n = 4; n < 6; n++) { /* after the three copies of the credentials */
        struct buf out;
        mem_fail_at(n);
        CHECK_INT(sign_vector(&sigv4, &vectors[1], &out), -ENOMEM);
        mem_fail_at(0);
        buf_done(&out);
    }
    sigv4_done(&sigv4);
}

static void S17_credentials_that_would_break_a_header_are_refused(void)
{
    struct credentials made = {0};
    CHECK_INT(credentials_set(&made, STR("A\r\nX: y"), STR("b"), STR_NONE), -EINVAL);
    CHECK_INT(credentials_set(&made, STR("A"), STR("b\n"), STR_NONE), -EINVAL);
    CHECK_INT(credentials_set(&made, STR("A"), STR("b"), STR("t t")), -EINVAL);
    CHECK_INT(credentials_set(&made, STR(""), STR("b"), STR_NONE), -EINVAL);
    CHECK(!made.access_key);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(signatures_are_those_of_botocore),
    TEST(path_and_query_are_normalised),
    TEST(every_path_has_one_canonical_form),
    TEST(too_many_headers_or_parameters_are_refused),
    TEST(two_secrets_never_share_a_derived_key),
    TEST(F72_signing_fails_cleanly_without_memory),
    TEST(S17_credentials_that_would_break_a_header_are_refused),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "sigv4", tests);
}
