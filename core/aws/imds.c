#include "aws/chain.h"

#include "aws/document.h"

#include <errno.h>
#include <strings.h>

/* The metadata service of an EC2 instance, version 2 only: a session token first, then the role's
 * name, then its credentials. Version 1 answers whoever can make this machine send a GET. */

enum { ATTEMPTS = 3, TIMEOUT_MS = 1000, ROLE_BYTES_MAX = 128 };

#define STALE_US (10ll * 60 * 1000000)

static const char token_path[] = "/latest/api/token";
static const char roles_path[] = "/latest/meta-data/iam/security-credentials/";
static const char who[] = "the instance metadata service";
static const char *const hosts[] = {"169.254.169.254", "fd00:ec2::254", NULL};

/* The environment before the profile. */
static weir_str setting(const struct credential_fetch *fetch, const char *variable, const char *key)
{
    const struct endpoint_settings *settings = &fetch->chain->settings;
    weir_str value = str_of(env_text(settings->config->environ_block, variable));
    if (value.len || !settings->profiles)
        return value;
    return profiles_get(settings->profiles, settings->profile, key);
}

static bool is_word(weir_str text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

static int base_url(struct credential_fetch *fetch, weir_str *out)
{
    weir_str url =
        setting(fetch, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    weir_str mode = setting(fetch, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                            "ec2_metadata_service_endpoint_mode");
    if (mode.len && !is_word(mode, "ipv4") && !is_word(mode, "ipv6"))
        return err_set(&fetch->err, -EINVAL,
                       "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6");
    if (!url.len)
        url = is_word(mode, "ipv6") ? STR("http://[fd00:ec2::254]") : STR("http://169.254.169.254");
    if (url.ptr[url.len - 1] == '/')
        url.len--;
    *out = url;
    return endpoint_check_credentials(url, hosts, fetch->chain->settings.config->allow_http,
                                      &fetch->err);
}

/* Begins a request for base + path + role; the session token, once there is one, goes with it. */
static int begin_request(struct credential_fetch *fetch, const char *method, const char *path,
                         weir_str role, weir_str token)
{
    weir_str base = STR_NONE;
    int rc = base_url(fetch, &base);
    if (rc < 0)
        return rc;
    fetch_reset(fetch);
    buf_put_str(&fetch->url, base);
    buf_puts(&fetch->url, path);
    buf_put_str(&fetch->url, role);
    buf_put_str(&fetch->secret, token);
    if (token.len)
        fetch_header(fetch, "X-aws-ec2-metadata-token", buf_str(&fetch->secret));
    fetch->http.method = method;
    fetch->http.timeout_ms = fetch->http.connect_timeout_ms = TIMEOUT_MS;
    fetch->attempts_max = ATTEMPTS;
    return 0;
}

static int check_code(const struct json_value *root, struct err *err)
{
    if (str_is(json_text(root, "Code"), "Success"))
        return 0;
    return err_set(err, -EINVAL, "%s has no credentials: its \"Code\" is not \"Success\"", who);
}

/* When the service can't renew them it gives out expired keys, which AWS then goes on to accept. */
static void extend(struct credential_fetch *fetch)
{
    const struct clock *clock = &fetch->chain->world->clock;
    int64_t now_us = clock->wall_us(clock->ctx);
    if (fetch->got.expires_us > now_us)
        return;
    fetch->got.expires_us = now_us + STALE_US;
    chain_log(fetch->chain, WEIR_LOG_WARN,
              "AWS credentials (instance metadata): expired ones were given out; they are used on, "
              "and asked for again in a few minutes");
}

static void credentials_answered(struct credential_fetch *fetch)
{
    static const struct document_shape shape = {who, "Token", true, check_code};
    int rc;
    if (fetch_answered(fetch))
        rc = document_read(buf_str(&fetch->http.answer), &shape, &fetch->got, &fetch->err);
    else
        rc = fetch_refused(fetch, who, STR_NONE);
    if (rc == 0) {
        fetch_correct_expiry(fetch);
        extend(fetch);
    }
    fetch_done(fetch, rc);
}

static bool role_name(weir_str answer, weir_str *out)
{
    const char *newline = answer.len ? memchr(answer.ptr, '\n', answer.len) : NULL;
    weir_str name = {answer.ptr, newline ? (size_t)(newline - answer.ptr) : answer.len};
    if (name.len && name.ptr[name.len - 1] == '\r')
        name.len--;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr("+=,.@_-", c))))
            return false;
    }
    *out = name;
    return name.len > 0 && name.len <= ROLE_BYTES_MAX && !str_is(name, ".") && !str_is(name, "..");
}

/* begin_request() forgets the last request; what it takes over from there must be kept aside. */
static int request_role(struct credential_fetch *fetch, weir_str role, weir_str token)
{
    struct buf kept;
    char name[ROLE_BYTES_MAX];
    buf_init(&kept, 64 * 1024);
    memcpy(name, role.ptr ? role.ptr : "", role.len);
    buf_put_str(&kept, token);
    int rc = kept.failed ? err_set(&fetch->err, -ENOMEM, "out of memory")
                         : begin_request(fetch, "GET", roles_path, (weir_str){name, role.len},
                                         buf_str(&kept));
    wipe(kept.ptr, kept.cap);
    buf_done(&kept);
    return rc;
}

static void role_answered(struct credential_fetch *fetch)
{
    weir_str role;
    int rc;
    if (fetch->http.result == HTTP_DONE && fetch->http.status == 404)
        rc = err_set(&fetch->err, -ENOENT, "the instance has no role");
    else if (!fetch_answered(fetch))
        rc = fetch_refused(fetch, who, STR_NONE);
    else if (!role_name(buf_str(&fetch->http.answer), &role))
        rc = err_set(&fetch->err, -EINVAL, "%s did not name a role", who);
    else
        rc = request_role(fetch, role, buf_str(&fetch->secret));
    if (rc < 0)
        fetch_done(fetch, rc);
    else
        fetch_send(fetch, credentials_answered);
}

static bool is_token(weir_str token)
{
    for (size_t i = 0; i < token.len; i++)
        if (token.ptr[i] <= ' ' || token.ptr[i] >= 127)
            return false;
    return token.len > 0;
}

/* Where there is no answer there is no instance, or a container one network hop too far away; a
 * refusal is how the service is switched off. */
static int no_token(struct credential_fetch *fetch)
{
    struct err why;
    int rc = fetch_refused(fetch, who, STR_NONE);
    if (fetch->http.result == HTTP_TIMEOUT) {
        why = fetch->err;
        err_set(&fetch->err, -EIO, "%.300s (in a container, the instance's hop limit must be 2)",
                why.msg);
    }
    bool there = fetch->http.result == HTTP_DONE && fetch->http.status >= 500;
    return rc == -ECANCELED || there ? rc : -ENOENT;
}

static void token_answered(struct credential_fetch *fetch)
{
    weir_str token = buf_str(&fetch->http.answer);
    int rc;
    if (!fetch_answered(fetch))
        rc = no_token(fetch);
    else if (!is_token(token))
        rc = err_set(&fetch->err, -EINVAL, "%s did not give a session token", who);
    else
        rc = request_role(fetch, STR_NONE, token);
    if (rc < 0)
        fetch_done(fetch, rc);
    else
        fetch_send(fetch, role_answered);
}

static void imds_start(struct credential_fetch *fetch)
{
    int rc;
    if (env_true(fetch->chain->settings.config->environ_block, "AWS_EC2_METADATA_DISABLED"))
        rc = err_set(&fetch->err, -ENOENT, "switched off by AWS_EC2_METADATA_DISABLED");
    else
        rc = begin_request(fetch, "PUT", token_path, STR_NONE, STR_NONE);
    if (rc < 0) {
        fetch_done(fetch, rc);
        return;
    }
    fetch_header(fetch, "X-aws-ec2-metadata-token-ttl-seconds", STR("21600"));
    fetch_send(fetch, token_answered);
}

const struct credential_provider provider_imds = {"instance metadata", imds_start};
