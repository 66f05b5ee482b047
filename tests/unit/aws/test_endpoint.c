#include "aws/endpoint.h"

#include "unit.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

static const char profile_text[] =
    "[profile plain]\nendpoint_url = http://localhost:1\n"
    "[profile both]\nservices = local\nendpoint_url = http://localhost:1\n"
    "[profile flags]\nuse_fips_endpoint = true\n"
    "use_dualstack_endpoint = TRUE\n"
    "[profile ignoring]\nendpoint_url = http://localhost:1\n"
    "ignore_configured_endpoint_urls = true\n"
    "[services local]\ndynamodb =\n  endpoint_url = http://localhost:2\n"
    "eventbridge =\n  endpoint_url = http://localhost:3/\n";

static int resolve(const struct aws_config *config, const char *profile, const char *service,
                   const char *url, const char *region, struct endpoint **out, struct err *err)
{
    struct profiles *profiles;
    CHECK_INT(profiles_parse(str_of(profile_text), STR_NONE, &profiles, NULL), 0);
    struct endpoint_settings settings = {config, profiles, profile, config->region};
    int rc = endpoint_new(&settings, service, str_of(url), str_of(region), out, err);
    profiles_free(profiles);
    return rc;
}

/* Expected values are botocore's. */
static const struct {
    const char *service, *region, *env, *url;
} public_hosts[] = {
    {"dynamodb", "eu-west-1", NULL, "https://dynamodb.eu-west-1.amazonaws.com/"},
    {"dynamodb_streams", "eu-west-1", NULL, "https://streams.dynamodb.eu-west-1.amazonaws.com/"},
    {"sqs", "eu-west-1", NULL, "https://sqs.eu-west-1.amazonaws.com/"},
    {"events", "eu-west-1", NULL, "https://events.eu-west-1.amazonaws.com/"},
    {"dynamodb", "cn-north-1", NULL, "https://dynamodb.cn-north-1.amazonaws.com.cn/"},
    {"dynamodb", "us-gov-west-1", NULL, "https://dynamodb.us-gov-west-1.amazonaws.com/"},
    {"dynamodb", "us-iso-east-1", NULL, "https://dynamodb.us-iso-east-1.c2s.ic.gov/"},
    {"dynamodb", "eusc-de-east-1", NULL, "https://dynamodb.eusc-de-east-1.amazonaws.eu/"},
    {"dynamodb", "eu-west-1", "AWS_USE_FIPS_ENDPOINT=true",
     "https://dynamodb-fips.eu-west-1.amazonaws.com/"},
    {"dynamodb_streams", "eu-west-1", "AWS_USE_FIPS_ENDPOINT=true",
     "https://streams.dynamodb-fips.eu-west-1.amazonaws.com/"},
    {"dynamodb", "us-gov-west-1", "AWS_USE_FIPS_ENDPOINT=true",
     "https://dynamodb-fips.us-gov-west-1.amazonaws.com/"},
    {"dynamodb_streams", "us-gov-west-1", "AWS_USE_FIPS_ENDPOINT=true",
     "https://streams.dynamodb.us-gov-west-1.amazonaws.com/"},
    {"sqs", "us-gov-west-1", "AWS_USE_FIPS_ENDPOINT=true",
     "https://sqs.us-gov-west-1.amazonaws.com/"},
    {"sqs", "us-iso-east-1", "AWS_USE_FIPS_ENDPOINT=true", "https://sqs.us-iso-east-1.c2s.ic.gov/"},
    {"lambda", "us-gov-west-1", "AWS_USE_FIPS_ENDPOINT=true",
     "https://lambda-fips.us-gov-west-1.amazonaws.com/"},
    {"dynamodb", "eu-west-1", "AWS_USE_DUALSTACK_ENDPOINT=true",
     "https://dynamodb.eu-west-1.api.aws/"},
    {"sqs", "cn-north-1", "AWS_USE_DUALSTACK_ENDPOINT=true",
     "https://sqs.cn-north-1.api.amazonwebservices.com.cn/"},
    {"dynamodb", "eusc-de-east-1", "AWS_USE_DUALSTACK_ENDPOINT=true",
     "https://dynamodb.eusc-de-east-1.api.amazonwebservices.eu/"},
};

static void public_hosts_follow_region_partition_and_flags(void)
{
    for (size_t i = 0; i < sizeof public_hosts / sizeof *public_hosts; i++) {
        char *env[] = {(char *)public_hosts[i].env, NULL};
        struct aws_config config = {.region = public_hosts[i].region, .environ_block = env};
        struct endpoint *endpoint = NULL;
        CHECK_INT(resolve(&config, "default", public_hosts[i].service, NULL, NULL, &endpoint, NULL),
                  0);
        if (endpoint) {
            CHECK_STR(endpoint->url, public_hosts[i].url);
            CHECK_STR(endpoint->region, public_hosts[i].region);
            CHECK(str_is(endpoint->path, "/"));
            CHECK(str_starts(str_of(endpoint->url + 8), endpoint->host));
        }
        endpoint_free(endpoint);
    }
}

static void both_flags_can_come_from_the_profile(void)
{
    char *env[] = {NULL};
    struct aws_config config = {.region = "us-gov-west-1", .environ_block = env};
    struct endpoint *endpoint = NULL;
    CHECK_INT(resolve(&config, "flags", "dynamodb_streams", NULL, NULL, &endpoint, NULL), 0);
    CHECK_FATAL(endpoint != NULL);
    CHECK_STR(endpoint->url, "https://streams.dynamodb-fips.us-gov-west-1.api.aws/");
    CHECK_STR(endpoint->signing_service, "dynamodb");
    endpoint_free(endpoint);
}

static const struct {
    const char *service, *override, *config_service, *config_all, *env_service, *env_all, *profile,
        *url;
} orders[] = {
    {"dynamodb", "http://localhost:9/q", "http://localhost:8", "http://localhost:7",
     "http://localhost:6", "http://localhost:5", "both", "http://localhost:9/q"},
    {"dynamodb", NULL, "http://localhost:8", "http://localhost:7", "http://localhost:6",
     "http://localhost:5", "both", "http://localhost:8/"},
    {"dynamodb", NULL, NULL, "http://localhost:7", "http://localhost:6", "http://localhost:5",
     "both", "http://localhost:7/"},
    {"dynamodb", NULL, NULL, NULL, "http://localhost:6", "http://localhost:5", "both",
     "http://localhost:6/"},
    {"dynamodb", NULL, NULL, NULL, NULL, "http://localhost:5", "both", "http://localhost:5/"},
    {"dynamodb", NULL, NULL, NULL, NULL, NULL, "both", "http://localhost:2/"},
    {"events", NULL, NULL, NULL, NULL, NULL, "both", "http://localhost:3/"},
    {"sqs", NULL, NULL, NULL, NULL, NULL, "both", "http://localhost:1/"},
    {"dynamodb", NULL, NULL, NULL, NULL, NULL, "plain", "http://localhost:1/"},
    {"dynamodb", NULL, NULL, NULL, NULL, NULL, "ignoring",
     "https://dynamodb.eu-west-1.amazonaws.com/"},
    {"dynamodb", NULL, NULL, "http://localhost:7", NULL, NULL, "ignoring", "http://localhost:7/"},
};

static void the_nearest_setting_names_the_endpoint(void)
{
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        char service_variable[80], all_variable[80];
        char *env[3] = {0};
        size_t set = 0;
        struct aws_endpoint own = {orders[i].service, orders[i].config_service};
        struct aws_config config = {.region = "eu-west-1",
                                    .endpoint_url = orders[i].config_all,
                                    .endpoints = &own,
                                    .endpoint_count = orders[i].config_service ? 1 : 0,
                                    .environ_block = env};
        struct endpoint *endpoint = NULL;
        if (orders[i].env_service) {
            snprintf(service_variable, sizeof service_variable, "AWS_ENDPOINT_URL_DYNAMODB=%s",
                     orders[i].env_service);
            env[set++] = service_variable;
        }
        if (orders[i].env_all) {
            snprintf(all_variable, sizeof all_variable, "AWS_ENDPOINT_URL=%s", orders[i].env_all);
            env[set++] = all_variable;
        }
        CHECK_INT(resolve(&config, orders[i].profile, orders[i].service, orders[i].override, NULL,
                          &endpoint, NULL),
                  0);
        CHECK_FATAL(endpoint != NULL);
        CHECK_STR(endpoint->url, orders[i].url);
        endpoint_free(endpoint);
    }
}

static void the_environment_can_be_told_to_keep_out(void)
{
    char *env[] = {(char *)"AWS_ENDPOINT_URL=http://localhost:5",
                   (char *)"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", NULL};
    struct aws_config config = {.region = "eu-west-1", .environ_block = env};
    struct endpoint *endpoint = NULL;
    CHECK_INT(resolve(&config, "plain", "sqs", NULL, NULL, &endpoint, NULL), 0);
    CHECK_FATAL(endpoint != NULL);
    CHECK_STR(endpoint->url, "https://sqs.eu-west-1.amazonaws.com/");
    endpoint_free(endpoint);
}

static const struct {
    const char *url;
    bool allow_http, ok;
} urls[] = {
    {"https://example.com", false, true},
    {"https://example.com:8443/path", false, true},
    {"http://localhost:8000", false, true},
    {"http://127.0.0.1", false, true},
    {"http://127.9.9.9:1/", false, true},
    {"http://[::1]:8000/", false, true},
    {"http://2130706433/", false, true}, /* 127.0.0.1 */
    {"http://example.com", false, false},
    {"http://example.com", true, true},
    {"http://10.0.0.1:8000", false, false},
    {"http://localhost.example.com", false, false},
    {"https://169.254.169.254/", false, false},
    {"http://169.254.169.254/", true, false},
    {"https://169.254.170.2", true, false},
    {"https://2852039166/", true, false},
    {"https://0xa9.0xfe.0xa9.0xfe/", true, false},
    {"https://0251.0376.0251.0376/", true, false},
    {"https://169.254.43518/", true, false},
    {"https://[::ffff:169.254.169.254]/", true, false},
    {"https://[fe80::1]/", true, false},
    {"https://[fd00:ec2::254]/", true, false},
    {"https://0.0.0.0/", true, false},
    {"ftp://example.com", true, false},
    {"file:///etc/passwd", true, false},
    {"HTTPS://example.com", true, false},
    {"example.com", true, false},
    {"https://", true, false},
    {"https:///path", true, false},
    {"https://user:secret@example.com", true, false},
    {"https://user@example.com", true, false},
    {"https://example.com:port", true, false},
    {"https://example.com:", true, false},
    {"https://example.com:123456", true, false},
    {"https://example.com?x=1", true, false},
    {"https://example.com/a?x=1", true, false},
    {"https://example.com/#f", true, false},
    {"https://exam ple.com", true, false},
    {"https://example.com/\r\nX: y", true, false},
    {"https://ex\xc3\xa4mple.com/", true, false},
    {"https://example.com\\@169.254.169.254/", true, false},
    {"https://[::1/", true, false},
    {"https://[::1]x/", true, false},
};

static void S11_S13_endpoints_are_checked(void)
{
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct err err = {0};
        int rc = endpoint_check(str_of(urls[i].url), urls[i].allow_http, &err);
        if ((rc == 0) != urls[i].ok)
            printf("\n    %s: %d, %s", urls[i].url, rc, err.msg);
        CHECK_INT(rc, urls[i].ok ? 0 : -EINVAL);
        CHECK((rc == 0) == (err.msg[0] == '\0'));
        CHECK(!strstr(err.msg, "secret"));
    }
}

static void the_host_header_leaves_out_the_schemes_own_port(void)
{
    static const char *const rows[][2] = {
        {"https://example.com:443/a", "example.com"}, {"https://example.com:80/", "example.com:80"},
        {"http://localhost:80", "localhost"},         {"http://localhost:8000", "localhost:8000"},
        {"http://[::1]:8000/", "[::1]:8000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *env[] = {NULL};
        struct aws_config config = {.region = "eu-west-1", .environ_block = env};
        struct endpoint *endpoint = NULL;
        CHECK_INT(resolve(&config, "default", "sqs", rows[i][0], NULL, &endpoint, NULL), 0);
        CHECK_FATAL(endpoint != NULL);
        CHECK(str_is(endpoint->host, rows[i][1]));
        endpoint_free(endpoint);
    }
}

static void regions_and_services_are_checked(void)
{
    char *env[] = {NULL};
    struct aws_config config = {.region = "", .environ_block = env};
    struct endpoint *endpoint = NULL;
    struct err err;
    CHECK_INT(resolve(&config, "default", "sqs", NULL, NULL, &endpoint, &err), -EINVAL);
    CHECK_STR(err.msg, "no AWS region is known: set aws.region or AWS_REGION");
    CHECK_INT(resolve(&config, "default", "sqs", NULL, "evil.com/", &endpoint, &err), -EINVAL);
    CHECK_INT(resolve(&config, "default", "SQS!", NULL, "eu-west-1", &endpoint, &err), -EINVAL);
    CHECK_INT(resolve(&config, "default", "firehose", NULL, "eu-west-1", &endpoint, &err), 0);
    CHECK_FATAL(endpoint != NULL);
    CHECK_STR(endpoint->url, "https://firehose.eu-west-1.amazonaws.com/");
    CHECK_STR(endpoint->signing_service, "firehose");
    CHECK(endpoint_is(endpoint, "firehose", STR_NONE, STR("eu-west-1")));
    CHECK(!endpoint_is(endpoint, "firehose", STR_NONE, STR_NONE));
    endpoint_free(endpoint);
}

static void F72_endpoint_new_fails_cleanly_without_memory(void)
{
    char *env[] = {NULL};
    struct aws_config config = {.region = "eu-west-1", .environ_block = env};
    struct endpoint_settings settings = {&config, NULL, "default", "eu-west-1"};
    for (uint64_t n = 1; n <= 6; n++) {
        struct endpoint *endpoint = NULL;
        mem_fail_at(n);
        CHECK(endpoint_new(&settings, "sqs", STR_NONE, STR_NONE, &endpoint, NULL) < 0);
        mem_fail_at(0);
        CHECK(!endpoint);
    }
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(public_hosts_follow_region_partition_and_flags),
    TEST(both_flags_can_come_from_the_profile),
    TEST(the_nearest_setting_names_the_endpoint),
    TEST(the_environment_can_be_told_to_keep_out),
    TEST(S11_S13_endpoints_are_checked),
    TEST(the_host_header_leaves_out_the_schemes_own_port),
    TEST(regions_and_services_are_checked),
    TEST(F72_endpoint_new_fails_cleanly_without_memory),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_endpoint", tests);
}
