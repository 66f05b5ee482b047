#include "aws/fetch.h"

#include "aws/chain.h"
#include "aws/retry.h"
#include "aws/time.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum {
    ANSWER_BYTES_MAX = 64 * 1024,
    ANSWER_BYTES_FIRST = 16 * 1024, /* had at once, so that no secret is copied by growing */
    URL_BYTES_MAX = 4096,
    SECRET_BYTES_MAX = 256 * 1024,
    TOKEN_BYTES_MAX = 64 * 1024,
    SKEW_MATTERS_US = 4 * 60 * 1000000
};

static void forget(struct buf *buf)
{
    wipe(buf->ptr, buf->cap);
    buf_done(buf);
}

void fetch_reset(struct credential_fetch *fetch)
{
    forget(&fetch->http.answer);
    forget(&fetch->secret);
    buf_done(&fetch->http.answer_headers);
    buf_done(&fetch->url);
    fetch->http = (struct http_call){.arg = fetch};
    fetch->attempts = fetch->attempts_max = 0;
    fetch->patient = false;
    fetch->again = NULL;
}

void fetch_init(struct credential_fetch *fetch, struct credential_chain *chain)
{
    *fetch = (struct credential_fetch){.chain = chain};
    buf_init(&fetch->url, URL_BYTES_MAX);
    buf_init(&fetch->secret, SECRET_BYTES_MAX);
}

void fetch_done(struct credential_fetch *fetch, int status)
{
    fetch->phase = FETCH_IDLE;
    fetch_reset(fetch);
    fetch->done(fetch, fetch->cancelled ? -ECANCELED : status);
}

void fetch_cancel(struct credential_fetch *fetch)
{
    const struct world *world = fetch->chain->world;
    fetch->cancelled = true;
    if (fetch->phase == FETCH_SENDING) {
        world->transport.abort(world->transport.ctx, &fetch->http);
    } else if (fetch->phase == FETCH_SLEEPING) {
        world->clock.disarm(world->clock.ctx, &fetch->timer);
        fetch_done(fetch, -ECANCELED);
    }
}

/* ---- what blocks ---- */

static struct credential_fetch *fetch_of(struct work *work)
{
    return (struct credential_fetch *)((char *)work - offsetof(struct credential_fetch, work));
}

static void work_run(struct work *work)
{
    struct credential_fetch *fetch = fetch_of(work);
    fetch->status = fetch->blocking(fetch);
}

static void work_done(struct work *work)
{
    struct credential_fetch *fetch = fetch_of(work);
    fetch->phase = FETCH_IDLE;
    if (fetch->status < 0 || fetch->cancelled)
        fetch_done(fetch, fetch->status);
    else
        fetch->next(fetch);
}

void fetch_work(struct credential_fetch *fetch, int (*blocking)(struct credential_fetch *fetch),
                void (*next)(struct credential_fetch *fetch))
{
    const struct worker *worker = &fetch->chain->world->worker;
    fetch->work = (struct work){.run = work_run, .done = work_done};
    fetch->blocking = blocking;
    fetch->next = next;
    fetch->phase = FETCH_WORKING;
    int rc = worker->submit ? worker->submit(worker->ctx, &fetch->work) : -ENOENT;
    if (rc < 0)
        fetch_done(fetch, err_set(&fetch->err, rc, "no thread to read files with"));
}

/* ---- one exchange ---- */

static void on_http(struct http_call *http);

static void send_request(struct credential_fetch *fetch)
{
    const struct transport *transport = &fetch->chain->world->transport;
    struct http_call *http = &fetch->http;
    http->done = on_http;
    fetch->phase = FETCH_SENDING;
    fetch->attempts++;
    int rc = buf_reserve(&http->answer, ANSWER_BYTES_FIRST);
    if (rc == 0)
        rc = transport->start(transport->ctx, http);
    if (rc < 0)
        fetch_done(fetch, err_set(&fetch->err, rc, "can't be sent: %s", strerror(-rc)));
}

static void wake(struct timer *timer)
{
    send_request(
        (struct credential_fetch *)((char *)timer - offsetof(struct credential_fetch, timer)));
}

/* The server's own clock, where it tells: expiry times are by that clock, and ours may be wrong. */
static void learn_skew(struct credential_fetch *fetch)
{
    const struct clock *clock = &fetch->chain->world->clock;
    int64_t date_s, skew_us = 0;
    if (parse_http_date(http_answer_header(&fetch->http, "Date"), &date_s) == 0)
        skew_us = date_s * 1000000 - clock->wall_us(clock->ctx);
    bool matters = skew_us > SKEW_MATTERS_US || skew_us < -SKEW_MATTERS_US;
    fetch->skew_us = matters ? skew_us : 0;
}

static bool worth_another(const struct credential_fetch *fetch)
{
    const struct http_call *http = &fetch->http;
    if (fetch->cancelled || fetch->attempts >= fetch->attempts_max)
        return false;
    if (http->result != HTTP_DONE)
        return fetch->patient && (http->result == HTTP_UNREACHABLE ||
                                  http->result == HTTP_AMBIGUOUS || http->result == HTTP_TIMEOUT);
    return http->status >= 500 || http->status == 429 || (fetch->again && fetch->again(fetch));
}

static void on_http(struct http_call *http)
{
    struct credential_fetch *fetch = http->arg;
    const struct world *world = fetch->chain->world;
    fetch->phase = FETCH_IDLE;
    if (http->result == HTTP_DONE)
        learn_skew(fetch);
    if (worth_another(fetch)) {
        int64_t delay_ms =
            retry_delay_ms(&world->random, fetch->attempts, http->status == 429, false, 0);
        fetch->timer.fire = wake;
        if (world->clock.arm(world->clock.ctx, &fetch->timer, delay_ms) == 0) {
            http->fresh_connection = true;
            fetch->phase = FETCH_SLEEPING;
            return;
        }
    }
    fetch->next(fetch);
}

void fetch_header(struct credential_fetch *fetch, const char *name, weir_str value)
{
    fetch->headers[fetch->http.header_count++] = (struct http_header){str_of(name), value};
}

void fetch_send(struct credential_fetch *fetch, void (*next)(struct credential_fetch *fetch))
{
    struct http_call *http = &fetch->http;
    fetch->next = next;
    http->url = buf_cstr(&fetch->url);
    http->headers = fetch->headers;
    http->max_answer_bytes = ANSWER_BYTES_MAX;
    buf_init(&http->answer, ANSWER_BYTES_MAX);
    if (fetch->url.failed || fetch->secret.failed)
        fetch_done(fetch, err_set(&fetch->err, -EINVAL, "too long a URL or token"));
    else
        send_request(fetch);
}

bool fetch_answered(const struct credential_fetch *fetch)
{
    return fetch->http.result == HTTP_DONE && fetch->http.status == 200;
}

static bool is_code(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.ptr[i] >= 'a' && text.ptr[i] <= 'z') ||
              (text.ptr[i] >= 'A' && text.ptr[i] <= 'Z')))
            return false;
    return text.len > 0 && text.len <= 64;
}

int fetch_refused(struct credential_fetch *fetch, const char *who, weir_str code)
{
    const struct http_call *http = &fetch->http;
    switch (http->result) {
    case HTTP_ABORTED:
        return -ECANCELED;
    case HTTP_DONE:
        return is_code(code)
                   ? err_set(&fetch->err, -EIO, "%s answered with status %d, %.*s", who,
                             http->status, STR_ARG(code))
                   : err_set(&fetch->err, -EIO, "%s answered with status %d", who, http->status);
    case HTTP_TIMEOUT:
        return err_set(&fetch->err, -EIO, "%s gave no answer within %lld ms", who,
                       (long long)http->timeout_ms);
    default:
        return err_set(&fetch->err, -EIO, "%s: %s", who, http->reason);
    }
}

void fetch_correct_expiry(struct credential_fetch *fetch)
{
    if (fetch->got.expires_us)
        fetch->got.expires_us -= fetch->skew_us;
}

/* ---- token files ---- */

static int check_token(char *token, size_t len, const char *path, struct err *err)
{
    while (len && strchr(" \t\r\n", token[len - 1]))
        len--;
    for (size_t i = 0; i < len; i++)
        if (token[i] <= ' ' || token[i] >= 127)
            return err_set(err, -EINVAL, "%.200s does not hold a token", path);
    if (len == 0)
        return err_set(err, -EINVAL, "%.200s is empty", path);
    token[len] = '\0';
    return 0;
}

int token_file_read(const char *path, char **out, struct err *err)
{
    char *token = mem_alloc(TOKEN_BYTES_MAX + 1);
    if (!token)
        return err_set(err, -ENOMEM, "out of memory");
    FILE *file = fopen(path, "rbe");
    int why = errno, rc;
    /* Unbuffered: stdio's own buffer could not be wiped. */
    if (file)
        setvbuf(file, NULL, _IONBF, 0);
    size_t len = file ? fread(token, 1, TOKEN_BYTES_MAX + 1, file) : 0;
    bool failed = file && ferror(file);
    if (file)
        fclose(file);
    if (!file)
        rc = err_set(err, -EINVAL, "%.200s: %s", path, strerror(why));
    else if (failed || len > TOKEN_BYTES_MAX)
        rc = err_set(err, -EINVAL, "%.200s can't be read, or is larger than 64 KiB", path);
    else
        rc = check_token(token, len, path, err);
    if (rc == 0) {
        *out = token;
        return 0;
    }
    wipe(token, len);
    mem_free(token);
    return rc;
}
