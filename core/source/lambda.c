/* Protocol: Runtime API 2018-06-01, as AWS's "Using the Lambda runtime API" page describes it. */
#include "source/lambda.h"

#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>

enum {
    EVENT_BYTES_MAX =
        32 << 20, /* Lambda's own limit is 6 MB; the decoder's is 6 MiB and some slack */
    ANSWER_BYTES_MAX = 256 << 10, /* of what we post: 32 KiB of reasons, escaped */
    REPORT_TIMEOUT_MS = 10000,    /* of a response or error post */
    IDLE_STALE_MS = 5000 /* pooled connections to others are not trusted after a gap this long */
};

struct lambda {
    struct lambda_config config;
    struct http_call call; /* next, response or error: one at a time */
    struct http_header headers[2];
    struct buf url, body;
    char *request_id;
    int64_t answered_ms, began_ms;
    uint64_t invocations;
    size_t records;    /* of this invocation's event */
    int64_t oldest_us; /* of them that some sink wanted */
};

/* What one invocation came to. */
struct verdict {
    bool error;
    const char *type; /* of an error */
    weir_str message; /* of an error; or the identifier of the lowest unfinished record, or none */
};

static void log_line_(const struct lambda *lambda, int level, const char *code, const char *msg)
{
    if (lambda->config.log)
        lambda->config.log(lambda->config.log_ctx, level, "lambda", code, msg);
}

static void finish(struct lambda *lambda, int exit_code, const char *code, const char *msg)
{
    log_line_(lambda, WEIR_LOG_ERROR, code, msg);
    lambda->config.finished(lambda->config.arg, exit_code);
}

static void on_next(struct http_call *call);

static int64_t now_ms(const struct lambda *lambda)
{
    struct clock *clock = &lambda->config.world->clock;
    return clock->now_ms(clock->ctx);
}

static void prepare(struct lambda *lambda, const char *method, const char *path,
                    void (*done)(struct http_call *))
{
    struct http_call *call = &lambda->call;
    buf_reset(&lambda->url);
    buf_printf(&lambda->url, "http://%s/2018-06-01/runtime/%s", lambda->config.api, path);
    buf_done(&call->answer);
    buf_done(&call->answer_headers);
    *call = (struct http_call){
        .method = method, .url = buf_cstr(&lambda->url), .done = done, .arg = lambda};
    buf_init(&call->answer, EVENT_BYTES_MAX);
    buf_init(&call->answer_headers, 64 << 10);
}

/* Nothing that memory cut short is ever sent: half an answer might be taken for success. */
static void start(struct lambda *lambda, const struct buf *body)
{
    const struct transport *transport = &lambda->config.world->transport;
    if (lambda->url.failed || (body && body->failed) ||
        transport->start(transport->ctx, &lambda->call) < 0)
        finish(lambda, 1, "W0602", "can't talk to the Runtime API: out of memory");
}

/* No timeout: the environment may be frozen in this call for hours. */
static void ask_next(struct lambda *lambda)
{
    prepare(lambda, "GET", "invocation/next", on_next);
    lambda->call.max_answer_bytes = EVENT_BYTES_MAX;
    start(lambda, NULL);
}

/* ---- answers ---- */

static void on_reported(struct http_call *call);

static void post(struct lambda *lambda, const char *path, const char *error_type,
                 void (*done)(struct http_call *))
{
    prepare(lambda, "POST", path, done);
    lambda->headers[0] = (struct http_header){STR("Content-Type"), STR("application/json")};
    lambda->headers[1] =
        (struct http_header){STR("Lambda-Runtime-Function-Error-Type"), str_of(error_type)};
    lambda->call.headers = lambda->headers;
    lambda->call.header_count = error_type ? 2 : 1;
    lambda->call.body = buf_str(&lambda->body);
    lambda->call.timeout_ms = REPORT_TIMEOUT_MS;
    start(lambda, &lambda->body);
}

static void write_error(struct buf *body, const char *type, weir_str message)
{
    buf_reset(body);
    buf_puts(body, "{\"errorMessage\":");
    buf_put_json_string(body, message);
    buf_puts(body, ",\"errorType\":");
    buf_put_json_string(body, str_of(type));
    buf_puts(body, ",\"stackTrace\":[]}");
}

static void tell_outcome(struct lambda *lambda, const struct verdict *verdict)
{
    struct lambda_outcome outcome = {
        .records = lambda->records,
        .batch_item_failures = !verdict->error && verdict->message.len > 0,
        .latency_ms = now_ms(lambda) - lambda->began_ms,
        .oldest_us = lambda->oldest_us,
        .error = verdict->error,
        .cold_start = lambda->invocations == 1,
    };
    if (lambda->config.ending)
        lambda->config.ending(lambda->config.ending_ctx, &outcome);
}

static void answer(struct lambda *lambda, const struct verdict *verdict)
{
    char path[300];
    tell_outcome(lambda, verdict);
    snprintf(path, sizeof path, "invocation/%s/%s", lambda->request_id,
             verdict->error ? "error" : "response");
    if (verdict->error) {
        write_error(&lambda->body, verdict->type, verdict->message);
    } else {
        buf_reset(&lambda->body);
        buf_puts(&lambda->body,
                 "{\"statusCode\":200,\"body\":\"\\\"Successfully processed stream records\\\"\","
                 "\"batchItemFailures\":[");
        if (verdict->message.len) {
            buf_puts(&lambda->body, "{\"itemIdentifier\":");
            buf_put_json_string(&lambda->body, verdict->message);
            buf_putc(&lambda->body, '}');
        }
        buf_puts(&lambda->body, "]}");
    }
    post(lambda, path, verdict->error ? verdict->type : NULL, on_reported);
}

static void answer_error(struct lambda *lambda, const char *type, const char *message)
{
    log_line_(lambda, WEIR_LOG_ERROR, "W0603", message);
    answer(lambda, &(struct verdict){.error = true, .type = type, .message = str_of(message)});
}

/* 4xx, 413 too: the Runtime API has closed the invocation as failed, and would refuse a second
 * report with 403 (brefphp/bref#1483). 5xx: the container is in a state that only a restart mends.
 */
static void on_reported(struct http_call *call)
{
    struct lambda *lambda = call->arg;
    char msg[240];
    lambda->answered_ms = now_ms(lambda);
    if (call->result != HTTP_DONE || call->status >= 500) {
        snprintf(msg, sizeof msg, "the Runtime API did not take the answer: %s (status %d)",
                 call->result == HTTP_DONE ? "server error" : call->reason, call->status);
        finish(lambda, 1, "W0602", msg);
        return;
    }
    if (call->status >= 400) {
        snprintf(msg, sizeof msg,
                 "the Runtime API refused the answer with status %d; the batch will come again",
                 call->status);
        log_line_(lambda, WEIR_LOG_WARN, "W0604", msg);
    }
    if (router_hung(lambda->config.router)) /* else every invocation here would fail from now on */
        finish(lambda, 1, "W0606",
               "a plugin hangs; this environment ends, so that a new one takes over");
    else
        ask_next(lambda);
}

static void on_batch(void *arg, const struct batch_result *result)
{
    struct lambda *lambda = arg;
    char msg[400];
    if (result->complete) {
        answer(lambda, &(struct verdict){0});
        return;
    }
    weir_str identifier = record_identifier(result->lowest);
    snprintf(msg, sizeof msg, "%zu records are not delivered, the first is %.*s%s%s: %s",
             result->unfinished, (int)(identifier.len > 64 ? 64 : identifier.len),
             identifier.ptr ? identifier.ptr : "", result->sink ? " at sink " : "",
             result->sink ? result->sink : "", result->reason ? result->reason : "given up");
    /* Without ReportBatchItemFailures in the mapping a partial answer is ignored and the records
     * would vanish: only an error brings them back. With a sink down the error makes the alarm. */
    bool partial = lambda->config.report_batch_item_failures && !result->lowest_unreadable &&
                   !result->sink_down && identifier.len > 0;
    if (!partial) {
        answer_error(lambda, result->sink_down ? "Weir.SinkDown" : "Weir.NotDelivered", msg);
        return;
    }
    log_line_(lambda, WEIR_LOG_WARN, "W0605", msg);
    answer(lambda, &(struct verdict){.message = identifier});
}

/* ---- an invocation ---- */

/* The margin: what is configured, or a tenth of the time where that is less. */
static int64_t work_until_ms(const struct lambda *lambda, weir_str deadline_epoch_ms)
{
    struct clock *clock = &lambda->config.world->clock;
    int64_t deadline_ms = 0;
    for (size_t i = 0; i < deadline_epoch_ms.len && i < 15; i++) {
        char c = deadline_epoch_ms.ptr[i];
        if (c < '0' || c > '9')
            return 0;
        deadline_ms = deadline_ms * 10 + (c - '0');
    }
    if (deadline_ms == 0)
        return 0;
    int64_t left_ms = deadline_ms - clock->wall_us(clock->ctx) / 1000;
    if (left_ms < 0)
        left_ms = 0;
    int64_t margin_ms = lambda->config.deadline_margin_ms;
    if (margin_ms > left_ms / 10)
        margin_ms = left_ms / 10;
    return clock->now_ms(clock->ctx) + left_ms - margin_ms;
}

static int take_request_id(struct lambda *lambda, weir_str id)
{
    mem_free(lambda->request_id);
    lambda->request_id = NULL;
    if (id.len == 0 || id.len > 128)
        return -EBADMSG;
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] <= ' ' || id.ptr[i] >= 127 || id.ptr[i] == '/' || id.ptr[i] == '?' ||
            id.ptr[i] == '#')
            return -EBADMSG;
    lambda->request_id = mem_dup0(id.ptr, id.len);
    return lambda->request_id ? 0 : -ENOMEM;
}

static void note_batch(struct lambda *lambda, const struct batch *batch)
{
    lambda->records = batch->read_count;
    for (size_t i = 0; i < batch->record_count; i++) {
        int64_t created_us = batch->records[i]->created_us;
        if (created_us > 0 && (lambda->oldest_us == 0 || created_us < lambda->oldest_us))
            lambda->oldest_us = created_us;
    }
}

static void invoke(struct lambda *lambda)
{
    struct err err = {0};
    struct batch *batch = NULL;
    struct http_call *call = &lambda->call;
    int64_t deadline_ms =
        work_until_ms(lambda, http_answer_header(call, "Lambda-Runtime-Deadline-Ms"));
    char *bytes = call->answer.ptr;
    size_t len = call->answer.len;
    buf_init(&call->answer,
             EVENT_BYTES_MAX); /* batch_decode takes the bytes, with the transport's padding */
    int rc = batch_decode(bytes, len, lambda->config.plan, NULL, &batch, &err);
    if (rc == 0)
        note_batch(lambda, batch);
    if (rc == 0 && lambda->config.admit &&
        !lambda->config.admit(lambda->config.admit_ctx, batch, &err))
        rc = -EPERM;
    if (rc == 0 &&
        (rc = router_submit(lambda->config.router, batch, deadline_ms, on_batch, lambda)) < 0)
        err_set(&err, rc, "out of memory");
    batch_unref(batch);
    if (rc < 0)
        answer_error(lambda,
                     rc == -EPERM    ? "Weir.Loop"
                     : rc == -ENOMEM ? "Weir.OutOfMemory"
                                     : "Weir.BadEvent",
                     err.msg);
}

static void on_next(struct http_call *call)
{
    struct lambda *lambda = call->arg;
    const struct transport *transport = &lambda->config.world->transport;
    char msg[240];
    if (call->result != HTTP_DONE || call->status != 200) {
        snprintf(msg, sizeof msg, "no next invocation: %s (status %d)",
                 call->result == HTTP_DONE ? "refused" : call->reason, call->status);
        finish(lambda, 1, "W0601", msg);
        return;
    }
    struct lambda_invocation invocation = {
        .request_id = http_answer_header(call, "Lambda-Runtime-Aws-Request-Id"),
        .function_arn = http_answer_header(call, "Lambda-Runtime-Invoked-Function-Arn"),
        .trace_id = http_answer_header(call, "Lambda-Runtime-Trace-Id"),
    };
    if (take_request_id(lambda, invocation.request_id) < 0) {
        finish(lambda, 1, "W0601",
               "the Runtime API gave an invocation without a usable request id");
        return;
    }
    lambda->began_ms = now_ms(lambda);
    lambda->records = 0;
    lambda->oldest_us = 0;
    if (lambda->invocations++ && now_ms(lambda) - lambda->answered_ms > IDLE_STALE_MS)
        transport->forget_connections(transport->ctx);
    if (lambda->config.began)
        lambda->config.began(lambda->config.began_ctx, &invocation);
    invoke(lambda);
}

/* ---- life ---- */

int lambda_new(const struct lambda_config *config, struct lambda **out, struct err *err)
{
    struct lambda *lambda = mem_zalloc(1, sizeof *lambda);
    if (!lambda)
        return err_set(err, -ENOMEM, "out of memory");
    lambda->config = *config;
    buf_init(&lambda->url, 4096);
    buf_init(&lambda->body, ANSWER_BYTES_MAX);
    buf_init(&lambda->call.answer, EVENT_BYTES_MAX);
    buf_init(&lambda->call.answer_headers, 64 << 10);
    *out = lambda;
    return 0;
}

void lambda_free(struct lambda *lambda)
{
    if (!lambda)
        return;
    buf_done(&lambda->url);
    buf_done(&lambda->body);
    buf_done(&lambda->call.answer);
    buf_done(&lambda->call.answer_headers);
    mem_free(lambda->request_id);
    mem_free(lambda);
}

void lambda_start(struct lambda *lambda)
{
    ask_next(lambda);
}

static void on_init_error(struct http_call *call)
{
    struct lambda *lambda = call->arg;
    if (call->result != HTTP_DONE)
        log_line_(lambda, WEIR_LOG_ERROR, "W0602", call->reason);
    lambda->config.finished(lambda->config.arg, 1);
}

void lambda_init_error(struct lambda *lambda, const char *type, weir_str message)
{
    write_error(&lambda->body, type, message);
    post(lambda, "init/error", type, on_init_error);
}

uint64_t lambda_invocation_count(const struct lambda *lambda)
{
    return lambda->invocations;
}
