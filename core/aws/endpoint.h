/* Where a service is: config, environment, profile, or the public name. */
#ifndef WEIR_AWS_ENDPOINT_H
#define WEIR_AWS_ENDPOINT_H
#include "aws/aws.h"
#include "aws/profile.h"

struct endpoint {
    struct endpoint *next;
    /* what it was looked up by */
    char *service, *wanted_url, *wanted_region;
    /* what that means */
    char *url;           /* absolute, with a path */
    weir_str host, path; /* views into url; the Host header as libcurl sends it */
    char *region;
    const char *signing_service; /* points into `service` or to a constant */
    int64_t skew_us;             /* the server's clock minus ours */
};

struct endpoint_settings { /* borrowed */
    const struct aws_config *config;
    const struct profiles *profiles; /* or NULL */
    const char *profile;
    const char *region; /* "" when none is known */
};

/* `url` and `region` override the settings where their length is not 0. 0; -EINVAL (err: what is
 * wrong with the region or the URL), -ENOMEM. */
int endpoint_new(const struct endpoint_settings *settings, const char *service, weir_str url,
                 weir_str region, struct endpoint **out, struct err *err);
void endpoint_free(struct endpoint *endpoint);
bool endpoint_is(const struct endpoint *endpoint, const char *service, weir_str url,
                 weir_str region);

/* The rules for endpoints: http or https, no user, no link-local address, no control character;
 * http only to this machine or where allowed. 0, or -EINVAL. */
int endpoint_check(weir_str url, bool allow_http, struct err *err);
/* The rules for where credentials are fetched from: the same, but the link-local `addresses`
 * (NULL-terminated, as they are written) are allowed, and a query is. 0, or -EINVAL. */
int endpoint_check_credentials(weir_str url, const char *const *addresses, bool allow_http,
                               struct err *err);
#endif
