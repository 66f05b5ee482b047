#include "source/fetch.h"

#include "source/streams_api.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

enum {
    ITERATOR_BYTES_MAX = 16 * 1024, /* of a body: iterators are some hundred bytes */
    ANSWER_BYTES_MAX = 16 << 20     /* 1 MB of data a page, as JSON with base64 and both images */
};

struct open_fetch {
    struct aws_call call;
    struct fetch *fetch;
    struct fetch_inline *in;
    struct buf body;
    struct open_fetch *next; /* spare ones */
};

struct fetch_inline {
    struct aws_client *client;
    _Atomic(const struct match_plan *) plan;
    struct open_fetch *spare;
};

static void keep_text(char *into, size_t room, weir_str text)
{
    size_t len = text.len < room - 1 ? text.len : room - 1;
    if (len)
        memcpy(into, text.ptr, len);
    into[len] = '\0';
}

/* The page is decoded where it was received. */
static void decode(struct fetch *fetch, const struct match_plan *plan, struct buf *answer)
{
    size_t len = answer->len;
    struct err err = {0};
    struct decode_options options = {
        .max_bytes = ANSWER_BYTES_MAX, .source_arn = fetch->stream_arn, .shard = fetch->shard};
    int rc = batch_decode(buf_take(answer), len, plan, &options, &fetch->batch, &err);
    if (rc == 0 && fetch->batch->shape != SHAPE_GETRECORDS) {
        batch_unref(fetch->batch);
        fetch->batch = NULL;
        rc = err_set(&err, -EBADMSG, "the answer has another shape than GetRecords'");
    }
    if (rc == 0)
        return;
    fetch->outcome = AWS_AMBIGUOUS;
    fetch->decode_status = rc;
    keep_text(fetch->message, sizeof fetch->message,
              rc == -ENOMEM ? STR("out of memory") : str_of(err.msg));
}

static void on_done(struct aws_call *call)
{
    struct open_fetch *open = call->arg;
    struct fetch *fetch = open->fetch;
    struct fetch_inline *in = open->in;
    fetch->outcome = call->outcome;
    fetch->answer_bytes = call->answer.len;
    keep_text(fetch->error_type, sizeof fetch->error_type, call->error_type);
    keep_text(fetch->message, sizeof fetch->message, call->error_message);
    if (call->outcome == AWS_OK)
        decode(fetch, in->plan, call->answer_buf);
    open->next = in->spare;
    in->spare = open;
    fetch->done(fetch);
}

static struct open_fetch *take(struct fetch_inline *in)
{
    struct open_fetch *open = in->spare;
    if (open)
        in->spare = open->next;
    else if ((open = mem_zalloc(1, sizeof *open)))
        buf_init(&open->body, ITERATOR_BYTES_MAX);
    return open;
}

static int start(void *ctx, struct fetch *fetch)
{
    struct fetch_inline *in = ctx;
    struct open_fetch *open = take(in);
    if (!open)
        return -ENOMEM;
    buf_reset(&open->body);
    fetch->batch = NULL;
    fetch->decode_status = 0;
    fetch->answer_bytes = 0;
    fetch->error_type[0] = fetch->message[0] = '\0';
    fetch->impl = open;
    open->fetch = fetch;
    open->in = in;
    int rc = streams_body_records(&open->body, fetch->iterator, fetch->limit);
    open->call = (struct aws_call){.service = "dynamodb_streams",
                                   .target = "DynamoDBStreams_20120810.GetRecords",
                                   .json = "1.0",
                                   .body = buf_str(&open->body),
                                   .region = fetch->region,
                                   .timeout_ms = fetch->timeout_ms,
                                   .max_answer_bytes = ANSWER_BYTES_MAX,
                                   .max_attempts = 1,
                                   .raw_answer = true,
                                   .done = on_done,
                                   .arg = open};
    if (rc == 0)
        rc = aws_call_start(in->client, &open->call);
    if (rc == 0)
        return 0;
    open->next = in->spare;
    in->spare = open;
    return rc;
}

static void abort_fetch(void *ctx, struct fetch *fetch)
{
    struct fetch_inline *in = ctx;
    struct open_fetch *open = fetch->impl;
    aws_call_abort(in->client, &open->call);
}

int fetch_inline_new(struct aws_client *client, const struct match_plan *plan,
                     struct fetch_inline **out)
{
    struct fetch_inline *in = mem_zalloc(1, sizeof *in);
    if (!in)
        return -ENOMEM;
    *in = (struct fetch_inline){.client = client};
    atomic_init(&in->plan, plan);
    *out = in;
    return 0;
}

void fetch_inline_set_plan(struct fetch_inline *in, const struct match_plan *plan)
{
    atomic_store(&in->plan, plan);
}

void fetch_inline_free(struct fetch_inline *in)
{
    if (!in)
        return;
    while (in->spare) {
        struct open_fetch *open = in->spare;
        in->spare = open->next;
        buf_done(&open->body);
        mem_free(open);
    }
    mem_free(in);
}

void fetch_inline_seam(struct fetch_inline *in, struct fetcher *out)
{
    *out = (struct fetcher){.ctx = in, .start = start, .abort = abort_fetch};
}
