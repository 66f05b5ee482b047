#include "aws/role.h"

#include "aws/sigv4.h"

#include <errno.h>

enum { ATTEMPTS = 3, TIMEOUT_MS = 5000, CONNECT_MS = 3000, AUTHORIZATION_BYTES = 8192 };

static void assume(struct credential_fetch *fetch);

static void source_done(struct credential_fetch *fetch, int status)
{
    struct err why = fetch->err;
    fetch->done = fetch->plan->done;
    if (status == -ENOENT)
        status = err_set(&fetch->err, -EINVAL, "credential_source of a role: %.400s", why.msg);
    if (status < 0)
        fetch_done(fetch, status);
    else
        assume(fetch);
}

void role_plan_run(struct credential_fetch *fetch)
{
    struct role_plan *plan = fetch->plan;
    if (!plan) {
        fetch_done(fetch, 0);
        return;
    }
    plan->done = fetch->done;
    if (plan->source) {
        fetch->done = source_done;
        plan->source->start(fetch);
    } else {
        assume(fetch);
    }
}

/* ---- the answer ---- */

static bool blames_clock(weir_str code)
{
    return str_is(code, "SignatureDoesNotMatch") || str_is(code, "RequestExpired") ||
           str_is(code, "InvalidSignatureException") || str_is(code, "RequestTimeTooSkewed");
}

static bool is_passing(const struct credential_fetch *fetch)
{
    weir_str code, message;
    sts_read_error(buf_str(&fetch->http.answer), &code, &message);
    return str_is(code, "IDPCommunicationError") || str_starts(code, STR("Throttling")) ||
           str_starts(code, STR("RequestTimeout"));
}

static int explain(struct credential_fetch *fetch, weir_str code, weir_str message)
{
    int rc = fetch_refused(fetch, "STS", code);
    struct err plain = fetch->err;
    if (message.len)
        err_set(&fetch->err, rc, "%.200s: %.*s", plain.msg,
                message.len > 250 ? 250 : (int)message.len, message.ptr);
    return rc;
}

static void answered(struct credential_fetch *fetch)
{
    struct role_plan *plan = fetch->plan;
    struct credentials got = {0};
    weir_str code, message;
    int rc;
    if (fetch_answered(fetch)) {
        rc = sts_read_answer(buf_str(&fetch->http.answer), &got, &fetch->err);
    } else {
        sts_read_error(buf_str(&fetch->http.answer), &code, &message);
        if (fetch->http.result == HTTP_DONE && blames_clock(code) && fetch->skew_us &&
            !plan->signed_again) {
            plan->signed_again = true;
            assume(fetch);
            return;
        }
        rc = explain(fetch, code, message);
    }
    if (rc < 0) {
        fetch_done(fetch, rc);
        return;
    }
    credentials_done(&fetch->got);
    fetch->got = got;
    fetch_correct_expiry(fetch);
    wipe_free(plan->token);
    plan->token = NULL;
    role_done(&plan->roles[--plan->count]);
    assume(fetch);
}

/* ---- the request ---- */

/* Appends Authorization to the headers; its text is in `secret` behind the body. */
static int sign(struct credential_fetch *fetch, weir_str body, int64_t unix_s)
{
    struct sigv4 sigv4;
    struct sigv4_scope scope = {unix_s, fetch->sts->region, fetch->sts->signing_service};
    struct sigv4_request request = {
        STR("POST"), fetch->sts->path, STR_NONE, fetch->headers, fetch->http.header_count, body,
        true};
    int rc = sigv4_init(&sigv4);
    if (rc < 0)
        return rc;
    size_t at = fetch->secret.len;
    rc = sigv4_sign(&sigv4, &fetch->got, &scope, &request, &fetch->secret);
    sigv4_done(&sigv4);
    fetch_header(fetch, "Authorization",
                 (weir_str){fetch->secret.ptr + at, fetch->secret.len - at});
    return rc;
}

/* The time that is signed lies behind the body, too: all of it must stay where it is. */
static int put_signature(struct credential_fetch *fetch, size_t body_len)
{
    const struct clock *clock = &fetch->chain->world->clock;
    int64_t unix_s = (clock->wall_us(clock->ctx) + fetch->skew_us) / 1000000;
    char time[SIGV4_TIME_BYTES];
    if (buf_reserve(&fetch->secret, sizeof time + AUTHORIZATION_BYTES) < 0)
        return -ENOMEM;
    sigv4_time(unix_s, time);
    buf_put(&fetch->secret, time, sizeof time - 1);
    fetch_header(fetch, "X-Amz-Date",
                 (weir_str){fetch->secret.ptr + body_len, fetch->secret.len - body_len});
    if (fetch->got.session_token)
        fetch_header(fetch, "X-Amz-Security-Token", str_of(fetch->got.session_token));
    return sign(fetch, (weir_str){fetch->secret.ptr, body_len}, unix_s);
}

static int prepare(struct credential_fetch *fetch)
{
    const struct role_plan *plan = fetch->plan;
    endpoint_free(fetch->sts);
    fetch->sts = NULL;
    int rc =
        endpoint_new(&fetch->chain->settings, "sts", STR_NONE, STR_NONE, &fetch->sts, &fetch->err);
    if (rc < 0)
        return rc;
    fetch_reset(fetch);
    buf_puts(&fetch->url, fetch->sts->url);
    sts_put_request(&fetch->secret, &plan->roles[plan->count - 1], plan->token);
    size_t body_len = fetch->secret.len;
    fetch_header(fetch, "Host", fetch->sts->host);
    fetch_header(fetch, "Content-Type", STR("application/x-www-form-urlencoded; charset=utf-8"));
    if (!plan->token)
        rc = put_signature(fetch, body_len);
    fetch->http.body = (weir_str){fetch->secret.ptr, body_len};
    return rc < 0 ? err_set(&fetch->err, rc, "the call of STS can't be made: %s", strerror(-rc))
                  : 0;
}

/* The innermost role that is left; with none left, that was it. */
static void assume(struct credential_fetch *fetch)
{
    int rc = fetch->plan->count ? prepare(fetch) : 0;
    if (rc < 0 || fetch->plan->count == 0) {
        fetch_done(fetch, rc);
        return;
    }
    fetch->http.method = "POST";
    fetch->http.timeout_ms = TIMEOUT_MS;
    fetch->http.connect_timeout_ms = CONNECT_MS;
    fetch->attempts_max = ATTEMPTS;
    fetch->patient = true;
    fetch->again = is_passing;
    fetch_send(fetch, answered);
}
