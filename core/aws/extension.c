/* weir.aws/1: calls of plugins. Each is tried once; each instance has its own queue and limit. */
#include "aws/aws.h"

#include "aws/internal.h"
#include "plugin/calls.h"
#include "plugin/instance.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum { TIMEOUT_MS = 5000, ANSWER_BYTES = 1 << 20 };

struct ext_call {
    struct plugin_call base;
    struct aws_call call;
    struct http_header headers[AWS_CALL_HEADERS_MAX];
    weir_aws_done done;
    void *arg;
    char service[33], target[97], json[9], region[33];
    char endpoint[513];
};

static void report(struct plugin_call *base, bool dropped)
{
    struct ext_call *call = (struct ext_call *)base;
    struct aws_call *aws = &call->call;
    if (dropped) {
        aws->outcome = AWS_ABORTED;
        aws->error_type = STR("Aborted");
        aws->error_message = STR("aborted before it was sent");
        aws->answer = aws->answer_headers = STR_NONE;
    }
    const weir_aws_response response = {
        .struct_size = sizeof response,
        .outcome = aws_record_outcome(aws->outcome),
        .status = aws->status,
        .sent = aws->sent,
        .body = aws->answer,
        .error_type = aws->error_type,
        .error_message = aws->error_message,
        .request_id = aws->request_id,
        .headers = aws->answer_headers,
    };
    call->done(call->arg, &response);
}

static void on_call_done(struct aws_call *aws)
{
    struct ext_call *call = aws->arg;
    if (aws->outcome == AWS_AMBIGUOUS)
        plugin_call_ambiguous(&call->base);
    plugin_call_ended(&call->base);
}

static int start(void *ctx, struct plugin_call *base)
{
    return aws_call_start(ctx, &((struct ext_call *)base)->call);
}

static void abort_open(void *ctx, struct plugin_call *base)
{
    aws_call_abort(ctx, &((struct ext_call *)base)->call);
}

static const struct plugin_calls_kind kind = {
    .call_bytes = sizeof(struct ext_call),
    .start = start,
    .abort = abort_open,
    .report = report,
};

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
    return 0;
}

static bool is_printable(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

static bool is_header(const weir_aws_header *header)
{
    for (size_t i = 0; i < header->name.len; i++)
        if (strchr("\t ()<>@,;:\\\"/[]?={}", header->name.ptr[i]))
            return false;
    return header->name.len > 0 && is_printable(header->name) && is_printable(header->value);
}

/* What came with revision 2. */
static int fill_more(struct ext_call *call, const weir_aws_request *request)
{
    weir_str path = str_of(request->path);
    bool rest = request->protocol == WEIR_AWS_REST;
    if (request->protocol < WEIR_AWS_JSON || request->protocol > WEIR_AWS_REST ||
        request->header_count > AWS_CALL_HEADERS_MAX)
        return -EINVAL;
    if (rest && (path.len == 0 || path.ptr[0] != '/' || !is_printable(path) ||
                 memchr(path.ptr, ' ', path.len) || memchr(path.ptr, '#', path.len)))
        return -EINVAL;
    for (uint32_t i = 0; i < request->header_count; i++) {
        if (!is_header(&request->headers[i]))
            return -EINVAL;
        call->headers[i] =
            (struct http_header){request->headers[i].name, request->headers[i].value};
    }
    call->call.protocol = (enum aws_protocol)request->protocol;
    call->call.path = request->path;
    call->call.headers = call->headers;
    call->call.header_count = request->header_count;
    return 0;
}

static int32_t ext_call_start(weir_instance *instance, const weir_aws_request *request,
                              weir_aws_done done, void *arg, uint64_t *call_id)
{
    struct plugin_calls *calls = instance->aws;
    if (!calls || !plugin_calls_ctx(calls) || plugin_calls_closing(calls))
        return -ENOTSUP;
    if (!request || !done || !WEIR_HAS(request, token))
        return -EINVAL;
    struct ext_call *call = (struct ext_call *)plugin_calls_take(calls);
    if (!call)
        return -ENOMEM;
    int rc = fill(call, request);
    if (rc == 0 && WEIR_HAS(request, headers))
        rc = fill_more(call, request);
    if (rc < 0) {
        plugin_calls_give_back(calls, &call->base);
        return rc;
    }
    call->done = done;
    call->arg = arg;
    plugin_calls_bound(calls, request->concurrency);
    uint64_t id = plugin_calls_ask(calls, &call->base, request->token);
    if (call_id)
        *call_id = id;
    return 0;
}

static void ext_call_abort(weir_instance *instance, uint64_t call_id)
{
    if (instance->aws)
        plugin_calls_abort(instance->aws, call_id);
}

const weir_aws aws_extension = {
    .revision = 2,
    .struct_size = sizeof(weir_aws),
    .call = ext_call_start,
    .abort = ext_call_abort,
};

/* ---- the host's side ---- */

void *aws_extension_attach(struct aws_client *client, weir_instance *instance)
{
    (void)instance; /* found again by instance->aws */
    return plugin_calls_new(&kind, client ? &aws_client_world(client)->clock : NULL, client);
}

void aws_extension_detach(void *attached)
{
    plugin_calls_close(attached);
}

void aws_extension_revoke(void *attached, uint64_t token)
{
    if (attached)
        plugin_calls_revoke(attached, token);
}
