#include "aws/endpoint.h"

#include "util/alloc.h"
#include "util/buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

/* ---- is it allowed? ---- */

struct url_parts {
    bool https;
    weir_str authority, host, port, path; /* host without brackets */
};

static int split_url(weir_str url, bool query, struct url_parts *out, struct err *err)
{
    struct url_parts parts = {.https = str_starts(url, STR("https://"))};
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= ' ' || url.ptr[i] >= 127 || strchr("\\\"<>^`{|}", url.ptr[i]))
            return err_set(err, -EINVAL, "endpoint holds a character that no URL may hold");
    if (!parts.https && !str_starts(url, STR("http://")))
        return err_set(err, -EINVAL, "endpoint %.*s: not http:// or https://", STR_ARG(url));
    size_t start = parts.https ? 8 : 7, end = start;
    while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?' && url.ptr[end] != '#')
        end++;
    parts.authority = (weir_str){url.ptr + start, end - start};
    parts.path = (weir_str){url.ptr + end, url.len - end};
    if (memchr(parts.authority.ptr, '@', parts.authority.len))
        return err_set(err, -EINVAL, "endpoint holds a user name; credentials don't belong there");
    if (!query && (memchr(parts.path.ptr, '?', parts.path.len) ||
                   memchr(parts.path.ptr, '#', parts.path.len)))
        return err_set(err, -EINVAL, "endpoint %.*s: a query or fragment has no place there",
                       STR_ARG(url));
    *out = parts;
    return 0;
}

static int split_authority(struct url_parts *parts, struct err *err)
{
    weir_str all = parts->authority;
    if (all.len == 0)
        return err_set(err, -EINVAL, "endpoint names no host");
    bool bracket = all.ptr[0] == '[';
    const char *close = bracket ? memchr(all.ptr, ']', all.len) : NULL;
    const char *from = close ? close : all.ptr;
    const char *colon = memchr(from, ':', (size_t)(all.ptr + all.len - from));
    const char *end = colon ? colon : all.ptr + all.len;
    if (bracket && (!close || end != close + 1))
        return err_set(err, -EINVAL, "endpoint host %.*s is not understood", STR_ARG(all));
    parts->host = bracket ? (weir_str){all.ptr + 1, (size_t)(close - all.ptr) - 1}
                          : (weir_str){all.ptr, (size_t)(end - all.ptr)};
    if (colon)
        parts->port = (weir_str){colon + 1, (size_t)(all.ptr + all.len - colon) - 1};
    bool port_ok = !colon || (parts->port.len > 0 && parts->port.len <= 5);
    for (size_t i = 0; i < parts->port.len; i++)
        port_ok = port_ok && parts->port.ptr[i] >= '0' && parts->port.ptr[i] <= '9';
    if (!parts->host.len || !port_ok)
        return err_set(err, -EINVAL, "endpoint %.*s: no host, or not a port", STR_ARG(all));
    return 0;
}

enum host_kind { HOST_NAME, HOST_ADDRESS, HOST_LOOPBACK, HOST_LINK_LOCAL };

static enum host_kind kind_of_v4(uint32_t address)
{
    if (address >> 24 == 127)
        return HOST_LOOPBACK;
    return address >> 16 == 0xa9fe || address == 0 ? HOST_LINK_LOCAL : HOST_ADDRESS;
}

static enum host_kind kind_of_v6(const unsigned char *bytes)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char metadata[8] = {0xfd, 0x00, 0x0e, 0xc2}; /* fd00:ec2::/64 */
    static const unsigned char one[16] = {[15] = 1};
    if (memcmp(bytes, one, 16) == 0)
        return HOST_LOOPBACK;
    if (memcmp(bytes, mapped, 12) == 0)
        return kind_of_v4((uint32_t)bytes[12] << 24 | (uint32_t)bytes[13] << 16 |
                          (uint32_t)bytes[14] << 8 | bytes[15]);
    if ((bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) || memcmp(bytes, metadata, 8) == 0)
        return HOST_LINK_LOCAL;
    return HOST_ADDRESS;
}

/* An address has many spellings (2852039166, 0xa9.0xfe.43518): they are read as the resolver does.
 */
static enum host_kind kind_of_host(weir_str host)
{
    char text[256];
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *info;
    enum host_kind kind = HOST_NAME;
    if (host.len == 0 || host.len >= sizeof text)
        return HOST_NAME;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    if (strcasecmp(text, "localhost") == 0)
        return HOST_LOOPBACK;
    if (getaddrinfo(text, NULL, &hints, &info) != 0)
        return HOST_NAME;
    if (info->ai_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, info->ai_addr, sizeof v4);
        kind = kind_of_v4(ntohl(v4.sin_addr.s_addr));
    } else if (info->ai_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, info->ai_addr, sizeof v6);
        kind = kind_of_v6(v6.sin6_addr.s6_addr);
    }
    freeaddrinfo(info);
    return kind;
}

static int check_parts(weir_str url, bool allow_http, struct url_parts *parts, struct err *err)
{
    int rc = split_url(url, false, parts, err);
    if (rc == 0)
        rc = split_authority(parts, err);
    if (rc < 0)
        return rc;
    enum host_kind kind = kind_of_host(parts->host);
    if (kind == HOST_LINK_LOCAL)
        return err_set(err, -EINVAL, "endpoint %.*s is a link-local address, where no service is",
                       STR_ARG(url));
    if (!parts->https && kind != HOST_LOOPBACK && !allow_http)
        return err_set(err, -EINVAL,
                       "endpoint %.*s is not encrypted: use https, or set aws.allow_http",
                       STR_ARG(url));
    return 0;
}

int endpoint_check(weir_str url, bool allow_http, struct err *err)
{
    struct url_parts parts = {0};
    return check_parts(url, allow_http, &parts, err);
}

int endpoint_check_credentials(weir_str url, const char *const *addresses, bool allow_http,
                               struct err *err)
{
    struct url_parts parts = {0};
    int rc = split_url(url, true, &parts, err);
    if (rc == 0)
        rc = split_authority(&parts, err);
    if (rc < 0)
        return rc;
    for (; *addresses; addresses++)
        if (str_is(parts.host, *addresses))
            return 0;
    enum host_kind kind = kind_of_host(parts.host);
    if (kind == HOST_LOOPBACK || (kind != HOST_LINK_LOCAL && (parts.https || allow_http)))
        return 0;
    return err_set(err, -EINVAL, "credentials are not fetched from %.*s: neither https nor local",
                   STR_ARG(parts.host));
}

/* ---- where is it? ---- */

static const struct service {
    const char *name, *signing, *variable;
    bool fips_is_plain_in_gov; /* the host that everyone uses there is the FIPS one */
} services[] = {
    {"dynamodb", "dynamodb", "AWS_ENDPOINT_URL_DYNAMODB", false},
    {"dynamodb_streams", "dynamodb", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS", true},
    {"sqs", "sqs", "AWS_ENDPOINT_URL_SQS", true},
    {"sns", "sns", "AWS_ENDPOINT_URL_SNS", true},
    {"events", "events", "AWS_ENDPOINT_URL_EVENTBRIDGE", true},
    {"kinesis", "kinesis", "AWS_ENDPOINT_URL_KINESIS", true},
    {"lambda", "lambda", "AWS_ENDPOINT_URL_LAMBDA", false},
    {"sts", "sts", "AWS_ENDPOINT_URL_STS", true},
};

static const struct partition {
    const char *prefix, *suffix, *dual_stack_suffix;
} partitions[] = {
    {"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"us-gov-", "amazonaws.com", "api.aws"},
    {"us-iso-", "c2s.ic.gov", "api.aws"},
    {"us-isob-", "sc2s.sgov.gov", "api.aws"},
    {"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"", "amazonaws.com", "api.aws"},
};

static const struct service *find_service(const char *name)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (strcmp(services[i].name, name) == 0)
            return &services[i];
    return NULL;
}

static weir_str from_profile(const struct endpoint_settings *settings, const char *key)
{
    return settings->profiles ? profiles_get(settings->profiles, settings->profile, key) : STR_NONE;
}

static bool flag(const struct endpoint_settings *settings, const char *variable, const char *key)
{
    weir_str value = from_profile(settings, key);
    if (env_text(settings->config->environ_block, variable))
        return env_true(settings->config->environ_block, variable);
    return value.len == 4 && strncasecmp(value.ptr, "true", 4) == 0;
}

static weir_str service_from_profile(const struct endpoint_settings *settings, const char *service)
{
    char section[256];
    weir_str name = from_profile(settings, "services");
    if (!name.len || name.len >= sizeof section)
        return STR_NONE;
    memcpy(section, name.ptr, name.len);
    section[name.len] = '\0';
    return profiles_service(settings->profiles, section,
                            strcmp(service, "events") == 0 ? "eventbridge" : service,
                            "endpoint_url");
}

static weir_str first_of(weir_str a, weir_str b)
{
    return a.len ? a : b;
}

static weir_str configured_url(const struct endpoint_settings *settings, const char *name)
{
    const struct aws_config *config = settings->config;
    const struct service *service = find_service(name);
    weir_str url = STR_NONE;
    for (size_t i = 0; i < config->endpoint_count; i++)
        if (strcmp(config->endpoints[i].service, name) == 0)
            url = str_of(config->endpoints[i].url);
    url = first_of(url, str_of(config->endpoint_url));
    if (url.len ||
        flag(settings, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls"))
        return url;
    if (service)
        url = str_of(env_text(config->environ_block, service->variable));
    url = first_of(url, str_of(env_text(config->environ_block, "AWS_ENDPOINT_URL")));
    url = first_of(url, service_from_profile(settings, name));
    return first_of(url, from_profile(settings, "endpoint_url"));
}

static bool valid_region(const char *region)
{
    size_t len = strlen(region);
    for (size_t i = 0; i < len; i++)
        if (!((region[i] >= 'a' && region[i] <= 'z') || (region[i] >= '0' && region[i] <= '9') ||
              region[i] == '-'))
            return false;
    return len > 0 && len <= 32;
}

static int put_public_url(const struct endpoint_settings *settings, const char *name,
                          const char *region, struct buf *out)
{
    const struct service *service = find_service(name);
    bool fips = flag(settings, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
    bool dual = flag(settings, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
    const struct partition *partition = partitions;
    while (strncmp(region, partition->prefix, strlen(partition->prefix)) != 0)
        partition++;
    bool plain_fips = service && service->fips_is_plain_in_gov && !dual &&
                      (strncmp(region, "us-gov-", 7) == 0 ||
                       (strcmp(name, "sqs") == 0 && strncmp(region, "us-iso-", 7) == 0));
    const char *dash_fips = fips && !plain_fips ? "-fips" : "";
    if (service && strcmp(name, "dynamodb_streams") == 0)
        buf_printf(out, "https://streams.dynamodb%s", dash_fips);
    else
        buf_printf(out, "https://%s%s", name, dash_fips);
    return buf_printf(out, ".%s.%s", region,
                      dual ? partition->dual_stack_suffix : partition->suffix);
}

/* ---- the object ---- */

static char *dup_str(weir_str text)
{
    return mem_dup0(text.ptr, text.len);
}

void endpoint_free(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    mem_free(endpoint->service);
    mem_free(endpoint->wanted_url);
    mem_free(endpoint->wanted_region);
    mem_free(endpoint->url);
    mem_free(endpoint->region);
    mem_free(endpoint);
}

/* libcurl leaves the scheme's own port out of Host; what is signed must be what is sent. */
static void set_views(struct endpoint *endpoint, const struct url_parts *parts)
{
    bool own_port = str_is(parts->port, parts->https ? "443" : "80");
    endpoint->host = parts->authority;
    if (own_port)
        endpoint->host.len -= parts->port.len + 1;
    endpoint->path = parts->path;
}

static int set_url(struct endpoint *endpoint, const struct endpoint_settings *settings,
                   weir_str wanted, struct err *err)
{
    struct buf url;
    struct url_parts parts = {0};
    buf_init(&url, 4096);
    weir_str configured = first_of(wanted, configured_url(settings, endpoint->service));
    if (configured.len)
        buf_put_str(&url, configured);
    else
        put_public_url(settings, endpoint->service, endpoint->region, &url);
    if (url.failed) {
        buf_done(&url);
        return err_set(err, -EINVAL, "endpoint of %s is too long", endpoint->service);
    }
    int rc = check_parts(buf_str(&url), settings->config->allow_http, &parts, err);
    if (rc == 0) {
        if (parts.path.len == 0)
            buf_putc(&url, '/');
        endpoint->url = dup_str(buf_str(&url));
        if (!endpoint->url || check_parts(str_of(endpoint->url), true, &parts, NULL) < 0)
            rc = err_set(err, -ENOMEM, "out of memory");
        else
            set_views(endpoint, &parts);
    }
    buf_done(&url);
    return rc;
}

static bool valid_service(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 32 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

int endpoint_new(const struct endpoint_settings *settings, const char *service, weir_str url,
                 weir_str region, struct endpoint **out, struct err *err)
{
    if (!valid_service(service))
        return err_set(err, -EINVAL, "%.40s is not the name of a service", service);
    struct endpoint *endpoint = mem_zalloc(1, sizeof *endpoint);
    if (!endpoint)
        return err_set(err, -ENOMEM, "out of memory");
    endpoint->service = dup_str(str_of(service));
    endpoint->wanted_url = dup_str(url);
    endpoint->wanted_region = dup_str(region);
    endpoint->region = dup_str(region.len ? region : str_of(settings->region));
    int rc = 0;
    if (!endpoint->service || !endpoint->wanted_url || !endpoint->wanted_region ||
        !endpoint->region)
        rc = err_set(err, -ENOMEM, "out of memory");
    else if (!endpoint->region[0])
        rc = err_set(err, -EINVAL, "no AWS region is known: set aws.region or AWS_REGION");
    else if (!valid_region(endpoint->region))
        rc = err_set(err, -EINVAL, "%.40s is not an AWS region", endpoint->region);
    else
        rc = set_url(endpoint, settings, url, err);
    if (rc < 0) {
        endpoint_free(endpoint);
        return rc;
    }
    const struct service *known = find_service(service);
    endpoint->signing_service = known ? known->signing : endpoint->service;
    *out = endpoint;
    return 0;
}

bool endpoint_is(const struct endpoint *endpoint, const char *service, weir_str url,
                 weir_str region)
{
    return strcmp(endpoint->service, service) == 0 && str_is(url, endpoint->wanted_url) &&
           str_is(region, endpoint->wanted_region);
}
