#include "source/describe.h"

#include <errno.h>
#include <stdio.h>

enum {
    /* DescribeStream takes 10 calls a second, of all who ask: half of them are ours. */
    SPACING_MS = 200,
    BURST = 2,
    TIMEOUT_MS = 10000,
    PAUSE_FIRST_MS = 1000,
    PAUSE_MOST_MS = 30000,
    FAILURES_LOGGED = 3,
    ANSWER_BYTES_MAX = 1 << 20,
    ARENA_BYTES = 16 * 1024,
    BODY_BYTES_MAX = 16 * 1024
};

void describe_init(struct describe *describe, const struct describe_config *config)
{
    *describe = (struct describe){.config = *config};
    buf_init(&describe->body, BODY_BYTES_MAX);
    arena_init(&describe->arena, ARENA_BYTES);
}

void describe_done(struct describe *describe)
{
    buf_done(&describe->body);
    arena_done(&describe->arena);
}

/* ---- small things ---- */

int64_t describe_now(const struct describe *describe)
{
    const struct clock *clock = &describe->config.world->clock;
    return clock->now_ms(clock->ctx);
}

int64_t describe_random(const struct describe *describe, int64_t most)
{
    const struct random *random = &describe->config.world->random;
    return (int64_t)(random->next(random->ctx) % (uint64_t)(most + 1));
}

int64_t describe_backoff(const struct describe *describe, unsigned failures)
{
    int64_t most = PAUSE_FIRST_MS;
    for (unsigned i = 1; i < failures && most < PAUSE_MOST_MS; i++)
        most *= 2;
    return describe_random(describe, most < PAUSE_MOST_MS ? most : PAUSE_MOST_MS);
}

void describe_log(const struct describe *describe, int level, const char *code, const char *what,
                  weir_str detail)
{
    weir_str region, table = STR("?"), label = describe->config.arn;
    char msg[800];
    if (!describe->config.log)
        return;
    streams_arn_parts(describe->config.arn, &region, &table, &label);
    snprintf(msg, sizeof msg, "stream %.*s of table %.*s: %s%s%.*s", STR_ARG(label), STR_ARG(table),
             what, detail.len ? ": " : "", STR_ARG(detail));
    describe->config.log(describe->config.log_ctx, level, "source", code, msg);
}

/* ---- trouble ---- */

void describe_in_trouble(struct describe *describe, enum streams_fault fault)
{
    if (describe->trouble == STREAMS_OK)
        describe->trouble_since_ms = describe_now(describe);
    describe->trouble = fault;
}

static void out_of_trouble(struct describe *describe)
{
    if (describe->logged)
        describe_log(describe, WEIR_LOG_INFO, "W0903", "described again", STR_NONE);
    describe->trouble = STREAMS_OK;
    describe->logged = STREAMS_OK;
    describe->failures = 0;
    describe->hold_until_ms = 0;
}

/* The line comes at once where somebody has to do something, else when it lasts. */
void describe_failed(struct describe *describe, enum streams_fault fault, weir_str reason)
{
    bool at_once = fault == STREAMS_DENIED || fault == STREAMS_INVALID;
    const char *what =
        fault == STREAMS_THROTTLED ? "DescribeStream is throttled; do others ask for it too?"
        : fault == STREAMS_DENIED  ? "dynamodb:DescribeStream is not allowed; it is tried on"
        : fault == STREAMS_INVALID ? "DescribeStream is refused; it is tried on"
                                   : "can't be described now";
    describe_in_trouble(describe, fault);
    describe->faults[fault]++;
    describe->failures++;
    describe->hold_until_ms =
        describe_now(describe) + describe_backoff(describe, describe->failures);
    if (at_once ? describe->logged == fault
                : describe->logged || describe->failures < FAILURES_LOGGED)
        return;
    describe->logged = fault;
    describe_log(describe, at_once ? WEIR_LOG_ERROR : WEIR_LOG_WARN, "W0902", what, reason);
}

/* ---- calls ---- */

static enum streams_fault read_answer(struct describe *describe, struct stream_page *page,
                                      struct err *err)
{
    const struct aws_call *call = &describe->call;
    enum streams_fault fault = streams_fault_of(call->outcome, call->error_type);
    if (fault != STREAMS_OK) {
        err_set(err, -EIO, "%.*s: %.*s", STR_ARG(call->error_type), STR_ARG(call->error_message));
        return fault;
    }
    if (streams_parse_describe(call->answer, &describe->arena, page, err) < 0)
        return STREAMS_UNAVAILABLE;
    if (!str_eq(page->arn, describe->config.arn)) {
        err_set(err, -EBADMSG, "the answer is of another stream");
        return STREAMS_UNAVAILABLE;
    }
    return STREAMS_OK;
}

static void on_answer(struct aws_call *call)
{
    struct describe *describe = call->arg;
    struct stream_page page = {0};
    struct err err = {0};
    enum streams_fault fault = read_answer(describe, &page, &err);
    describe->open = false;
    if (fault == STREAMS_OK)
        out_of_trouble(describe);
    describe->config.done(describe->config.arg, fault, &page, str_of(err.msg));
}

int64_t describe_free_at(const struct describe *describe)
{
    int64_t at_ms = describe->budget_ms - (BURST - 1) * SPACING_MS;
    return at_ms > describe->hold_until_ms ? at_ms : describe->hold_until_ms;
}

int describe_send(struct describe *describe, weir_str after, weir_str children_of)
{
    int64_t now_ms = describe_now(describe);
    int64_t from_ms = describe->budget_ms > now_ms ? describe->budget_ms : now_ms;
    describe->budget_ms = from_ms + SPACING_MS;
    arena_reset(&describe->arena);
    buf_reset(&describe->body);
    int rc = streams_body_describe(&describe->body, describe->config.arn, after, children_of);
    describe->call = (struct aws_call){.service = "dynamodb_streams",
                                       .target = "DynamoDBStreams_20120810.DescribeStream",
                                       .json = "1.0",
                                       .body = buf_str(&describe->body),
                                       .region = streams_region(describe->config.arn),
                                       .timeout_ms = TIMEOUT_MS,
                                       .max_answer_bytes = ANSWER_BYTES_MAX,
                                       .max_attempts = 1, /* the pauses are our own */
                                       .done = on_answer,
                                       .arg = describe};
    if (rc == 0)
        rc = aws_call_start(describe->config.aws, &describe->call);
    if (rc < 0) {
        describe_failed(describe, STREAMS_UNAVAILABLE, str_of(strerror(-rc)));
        return rc;
    }
    describe->open = true;
    describe->calls++;
    return 0;
}

void describe_abort(struct describe *describe)
{
    aws_call_abort(describe->config.aws, &describe->call);
}
