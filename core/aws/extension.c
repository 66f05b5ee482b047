/* weir.aws/1: calls of plugins. Each is tried once; each instance has its own queue and limit. */
#include "aws/aws.h"

#include "aws/internal.h"
#include "plugin/instance.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum {
    CONCURRENCY = 16,
    CONCURRENCY_MAX = 64, /* the transport's connections to one host */
    TIMEOUT_MS = 5000,
    ANSWER_BYTES = 1 << 20
};

enum ext_phase {
    EXT_QUEUED,
    EXT_OPEN,
    EXT_ABORTED,  /* from the queue; its post is under way */
    EXT_REPORTING /* inside done() */
};

struct ext_call {
    struct aws_call call;
    struct attached *attached;
    struct ext_call *next, *prev; /* all of the instance, in the order called; `next`: spare ones */
    enum ext_phase phase;
    struct post post;
    uint64_t id, token;
    weir_aws_done done;
    void *arg;
    char service[33], target[97], json[9], region[33];
    char endpoint[513];
};

struct attached {
    struct aws_client *client; /* NULL for `weir check`: nothing can be called */
    const struct clock *clock;
    struct ext_call *first, *last, *spare;
    uint64_t last_id;
    int open, concurrency;
    bool closing; /* the instance is gone: nobody is called back */
};

/* What each outcome means for a record. A plugin may know better. */
static int32_t record_outcome(enum aws_outcome outcome)
{
    switch (outcome) {
    case AWS_OK:
        return WEIR_OK;
    case AWS_INVALID:
    case AWS_CONDITION:
        return WEIR_FAIL;
    case AWS_THROTTLED:
    case AWS_UNAVAILABLE:
    case AWS_DENIED:
    case AWS_MISSING:
        return WEIR_DOWN;
    case AWS_AMBIGUOUS:
    case AWS_CONFLICT:
    case AWS_ERROR:
    case AWS_ABORTED:
        break;
    }
    return WEIR_RETRY;
}

static void start_queued(struct attached *attached);

static void unlink_call(struct ext_call *call)
{
    struct attached *attached = call->attached;
    if (call->prev)
        call->prev->next = call->next;
    else
        attached->first = call->next;
    if (call->next)
        call->next->prev = call->prev;
    else
        attached->last = call->prev;
}

static void free_when_empty(struct attached *attached)
{
    if (!attached->closing || attached->first)
        return;
    while (attached->spare) {
        struct ext_call *call = attached->spare;
        attached->spare = call->next;
        mem_free(call);
    }
    mem_free(attached);
}

static void report(struct ext_call *call)
{
    struct attached *attached = call->attached;
    const struct aws_call *aws = &call->call;
    const weir_aws_response response = {
        .struct_size = sizeof response,
        .outcome = record_outcome(aws->outcome),
        .status = aws->status,
        .sent = aws->sent,
        .body = aws->answer,
        .error_type = aws->error_type,
        .error_message = aws->error_message,
        .request_id = aws->request_id,
    };
    call->phase = EXT_REPORTING;
    if (!attached->closing)
        call->done(call->arg, &response);
    unlink_call(call);
    call->next = attached->spare;
    attached->spare = call;
    start_queued(attached);
    free_when_empty(attached);
}

static void on_call_done(struct aws_call *aws)
{
    struct ext_call *call = aws->arg;
    call->attached->open--;
    report(call);
}

static void on_aborted(struct post *post)
{
    struct ext_call *call = (struct ext_call *)((char *)post - offsetof(struct ext_call, post));
    call->call.outcome = AWS_ABORTED;
    call->call.error_type = STR("Aborted");
    call->call.error_message = STR("aborted before it was sent");
    report(call);
}

static void end_queued(struct ext_call *call)
{
    const struct clock *clock = call->attached->clock;
    call->phase = EXT_ABORTED;
    call->post.run = on_aborted;
    clock->post(clock->ctx, &call->post);
}

static void start_queued(struct attached *attached)
{
    for (struct ext_call *call = attached->first; call; call = call->next) {
        if (attached->open >= attached->concurrency)
            return;
        if (call->phase != EXT_QUEUED)
            continue;
        if (aws_call_start(attached->client, &call->call) < 0) {
            end_queued(call);
            continue;
        }
        call->phase = EXT_OPEN;
        attached->open++;
    }
}

static void abort_one(struct ext_call *call)
{
    if (call->phase == EXT_OPEN)
        aws_call_abort(call->attached->client, &call->call);
    else if (call->phase == EXT_QUEUED)
        end_queued(call);
}

/* ---- the plugin's side ---- */

static bool copy_text(char *out, size_t out_bytes, weir_str text)
{
    if (text.len >= out_bytes || (text.len && memchr(text.ptr, '\0', text.len)))
        return false;
    if (text.len)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

static int fill(struct ext_call *call, const weir_aws_request *request)
{
    if (!request->service ||
        !copy_text(call->service, sizeof call->service, str_of(request->service)) ||
        !copy_text(call->target, sizeof call->target, str_of(request->target)) ||
        !copy_text(call->json, sizeof call->json, str_of(request->json)) ||
        !copy_text(call->region, sizeof call->region, request->region) ||
        !copy_text(call->endpoint, sizeof call->endpoint, request->endpoint))
        return -EINVAL;
    call->call = (struct aws_call){
        .service = call->service,
        .target = request->target ? call->target : NULL,
        .json = request->json ? call->json : "1.0",
        .body = request->body,
        .endpoint = str_of(call->endpoint),
        .region = str_of(call->region),
        .timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS,
        /* UnprocessedItems give back as much as was sent. */
        .max_answer_bytes = ANSWER_BYTES + 2 * request->body.len,
        .max_attempts = 1,
        .done = on_call_done,
        .arg = call,
    };
    call->token = request->token;
    return 0;
}

static struct ext_call *take_call(struct attached *attached)
{
    struct ext_call *call = attached->spare;
    if (call)
        attached->spare = call->next;
    else
        call = mem_zalloc(1, sizeof *call);
    return call;
}

static void append(struct attached *attached, struct ext_call *call)
{
    call->attached = attached;
    call->phase = EXT_QUEUED;
    call->id = ++attached->last_id;
    call->next = NULL;
    call->prev = attached->last;
    if (attached->last)
        attached->last->next = call;
    else
        attached->first = call;
    attached->last = call;
}

static int32_t ext_call_start(weir_instance *instance, const weir_aws_request *request,
                              weir_aws_done done, void *arg, uint64_t *call_id)
{
    struct attached *attached = instance->aws;
    if (!attached || !attached->client || attached->closing)
        return -ENOTSUP;
    if (!request || !done || !WEIR_HAS(request, token))
        return -EINVAL;
    struct ext_call *call = take_call(attached);
    if (!call)
        return -ENOMEM;
    int rc = fill(call, request);
    if (rc < 0) {
        call->next = attached->spare;
        attached->spare = call;
        return rc;
    }
    call->done = done;
    call->arg = arg;
    if (request->concurrency > 0)
        attached->concurrency =
            request->concurrency < CONCURRENCY_MAX ? request->concurrency : CONCURRENCY_MAX;
    append(attached, call);
    if (call_id)
        *call_id = call->id;
    start_queued(attached);
    return 0;
}

static void ext_call_abort(weir_instance *instance, uint64_t call_id)
{
    struct attached *attached = instance->aws;
    if (!attached)
        return;
    for (struct ext_call *call = attached->first; call; call = call->next)
        if (call->id == call_id)
            abort_one(call);
}

const weir_aws aws_extension = {
    .revision = 1,
    .struct_size = sizeof(weir_aws),
    .call = ext_call_start,
    .abort = ext_call_abort,
};

/* ---- the host's side ---- */

void *aws_extension_attach(struct aws_client *client, weir_instance *instance)
{
    (void)instance; /* found again by instance->aws */
    struct attached *attached = mem_zalloc(1, sizeof *attached);
    if (!attached)
        return NULL;
    attached->client = client;
    attached->clock = client ? &aws_client_world(client)->clock : NULL;
    attached->concurrency = CONCURRENCY;
    return attached;
}

void aws_extension_detach(void *ctx)
{
    struct attached *attached = ctx;
    if (!attached)
        return;
    attached->closing = true;
    for (struct ext_call *call = attached->first; call; call = call->next)
        abort_one(call);
    free_when_empty(attached);
}

void aws_extension_revoke(void *ctx, uint64_t token)
{
    struct attached *attached = ctx;
    if (!attached || token == 0)
        return;
    for (struct ext_call *call = attached->first; call; call = call->next)
        if (call->token == token)
            abort_one(call);
}
