#include "streams_rig.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the model ---- */

const char *rig_member(weir_str body, const char *name, char *out, size_t bytes)
{
    char quoted[64];
    char text[4096];
    out[0] = '\0';
    CHECK_FATAL(body.len < sizeof text);
    memcpy(text, body.ptr, body.len);
    text[body.len] = '\0';
    snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
    const char *at = strstr(text, quoted);
    if (at) {
        at += strlen(quoted);
        size_t len = strcspn(at, "\"");
        CHECK_FATAL(len < bytes);
        memcpy(out, at, len);
        out[len] = '\0';
    }
    return out;
}

bool rig_error(struct rig_answer *answer, int status, const char *type)
{
    answer->status = status;
    buf_printf(&answer->body,
               "{\"__type\":\"com.amazonaws.dynamodb.v20120810#%s\",\"message\":"
               "\"because\"}",
               type);
    return true;
}

static void put_shard(struct buf *out, const struct rig_shard *shard, const char **comma)
{
    buf_printf(out, "%s{\"ShardId\":\"%s\"", *comma, shard->id);
    if (shard->parent[0])
        buf_printf(out, ",\"ParentShardId\":\"%s\"", shard->parent);
    buf_printf(out, ",\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\"%s}}",
               shard->closed ? ",\"EndingSequenceNumber\":\"9\"" : "");
    *comma = ",";
}

static void put_head(struct buf *out, const struct rig_stream *stream)
{
    buf_printf(out,
               "{\"StreamDescription\":{\"StreamArn\":\"%s\",\"TableName\":\"Products\","
               "\"StreamStatus\":\"%s\",\"StreamViewType\":\"NEW_AND_OLD_IMAGES\",\"Shards\":[",
               stream->arn, stream->status);
}

static void put_children(struct buf *out, const struct rig_stream *stream, const char *parent)
{
    const char *comma = "";
    put_head(out, stream);
    for (size_t i = 0; i < stream->count; i++)
        if (!stream->shards[i].hidden && strcmp(stream->shards[i].parent, parent) == 0)
            put_shard(out, &stream->shards[i], &comma);
    buf_puts(out, "]}}");
}

static void put_page(struct buf *out, const struct rig_stream *stream, const char *after)
{
    const char *comma = "", *last = "";
    size_t i = 0, page = stream->page ? stream->page : 100;
    put_head(out, stream);
    while (*after && i < stream->count && strcmp(stream->shards[i].id, after) != 0)
        i++;
    for (i += *after != '\0'; i < stream->count && page > 0; i++)
        if (!stream->shards[i].hidden) {
            put_shard(out, &stream->shards[i], &comma);
            last = stream->shards[i].id;
            page--;
        }
    bool more = false;
    for (; i < stream->count; i++)
        more |= !stream->shards[i].hidden;
    if (more)
        buf_printf(out, "],\"LastEvaluatedShardId\":\"%s\"}}", last);
    else
        buf_puts(out, "]}}");
}

static void describe(struct rig *rig, weir_str body, struct rig_answer *answer)
{
    char arn[160], after[64], parent[64], type[32];
    struct rig_stream *stream = NULL;
    rig_member(body, "StreamArn", arn, sizeof arn);
    rig_member(body, "ExclusiveStartShardId", after, sizeof after);
    rig_member(body, "ShardId", parent, sizeof parent);
    rig_member(body, "Type", type, sizeof type);
    for (size_t i = 0; i < rig->stream_count; i++)
        if (strcmp(rig->streams[i].arn, arn) == 0)
            stream = &rig->streams[i];
    if (!stream || stream->missing) {
        rig_error(answer, 400, "ResourceNotFoundException");
        return;
    }
    stream->describes += !parent[0];
    stream->children_calls += parent[0] != '\0';
    if (parent[0] && rig->filter == FILTER_REFUSED)
        rig_error(answer, 400, "ValidationException");
    else if (parent[0] && rig->filter == FILTER_WORKS)
        put_children(&answer->body, stream, parent);
    else
        put_page(&answer->body, stream, after);
}

static void list(struct rig *rig, struct rig_answer *answer)
{
    const char *comma = "";
    rig->list_calls++;
    buf_puts(&answer->body, "{\"Streams\":[");
    for (size_t i = rig->stream_count; i-- > 0;) /* in no order that means anything */
        if (!rig->streams[i].missing && !rig->streams[i].unlisted) {
            buf_printf(&answer->body,
                       "%s{\"StreamArn\":\"%s\",\"TableName\":\"Products\",\"StreamLabel\":\"x\"}",
                       comma, rig->streams[i].arn);
            comma = ",";
        }
    buf_puts(&answer->body, "]}");
}

static void describe_table(struct rig *rig, struct rig_answer *answer)
{
    rig->table_calls++;
    if (rig->table_missing) {
        rig_error(answer, 400, "ResourceNotFoundException");
        return;
    }
    buf_puts(&answer->body, "{\"Table\":{\"TableName\":\"Products\"");
    if (rig->table_arn)
        buf_printf(&answer->body, ",\"LatestStreamArn\":\"%s\"", rig->table_arn);
    if (rig->table_arn && rig->table_enabled)
        buf_puts(&answer->body, ",\"StreamSpecification\":{\"StreamEnabled\":true,"
                                "\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"}");
    buf_puts(&answer->body, "}}");
}

/* ---- the transport ---- */

static const char *target_of(const struct http_call *call)
{
    static char target[64];
    target[0] = '\0';
    for (size_t i = 0; i < call->header_count; i++)
        if (str_is(call->headers[i].name, "X-Amz-Target")) {
            weir_str value = call->headers[i].value;
            const char *dot = memchr(value.ptr, '.', value.len);
            snprintf(target, sizeof target, "%.*s", (int)(value.ptr + value.len - dot - 1),
                     dot + 1);
        }
    return target;
}

static void answer_call(struct rig *rig, struct http_call *call)
{
    static const char padding[64];
    struct rig_answer answer = {.result = HTTP_DONE, .status = 200};
    const char *target = target_of(call);
    buf_init(&answer.body, 8 << 20);
    if (!rig->hook || !rig->hook(rig, target, call->body, &answer)) {
        if (strcmp(target, "DescribeStream") == 0)
            describe(rig, call->body, &answer);
        else if (strcmp(target, "ListStreams") == 0)
            list(rig, &answer);
        else
            describe_table(rig, &answer);
    }
    call->result = answer.result;
    call->status = answer.status;
    buf_reset(&call->answer);
    buf_reset(&call->answer_headers);
    call->answer.max_bytes = call->answer_headers.max_bytes = 8 << 20;
    if (answer.body.failed || buf_put_str(&call->answer, buf_str(&answer.body)) < 0 ||
        buf_put(&call->answer, padding, sizeof padding) < 0)
        call->result = answer.result = HTTP_AMBIGUOUS; /* out of memory */
    else
        call->answer.len -= sizeof padding;
    if (answer.result != HTTP_DONE)
        snprintf(call->reason, sizeof call->reason, "scripted");
    buf_done(&answer.body);
}

static void on_time(struct timer *timer)
{
    struct rig_open *open = (struct rig_open *)timer;
    struct http_call *call = open->call;
    open->call = NULL;
    open->rig->open_now--;
    if (open->aborted)
        call->result = HTTP_ABORTED;
    else
        answer_call(open->rig, call);
    call->done(call);
}

static int start(void *ctx, struct http_call *call)
{
    struct rig *rig = ctx;
    size_t slot = 0;
    while (slot < RIG_OPEN && rig->open[slot].call)
        slot++;
    CHECK_FATAL(slot < RIG_OPEN && rig->calls < RIG_CALLS);
    rig->times[rig->calls++] = rig->v.now_ms;
    rig->open[slot] = (struct rig_open){.timer = {.fire = on_time}, .rig = rig, .call = call};
    rig->open_now++;
    if (rig->open_now > rig->most_open)
        rig->most_open = rig->open_now;
    const struct clock *clock = &rig->v.world.clock;
    return clock->arm(clock->ctx, &rig->open[slot].timer, rig->latency_ms);
}

static void abort_call(void *ctx, struct http_call *call)
{
    struct rig *rig = ctx;
    const struct clock *clock = &rig->v.world.clock;
    for (size_t i = 0; i < RIG_OPEN; i++)
        if (rig->open[i].call == call) {
            rig->open[i].aborted = true;
            clock->arm(clock->ctx, &rig->open[i].timer, 0);
        }
}

static void forget(void *ctx)
{
    (void)ctx;
}

/* ---- setting up ---- */

struct rig_stream *rig_stream(struct rig *rig, const char *arn)
{
    CHECK_FATAL(rig->stream_count < RIG_STREAMS);
    struct rig_stream *stream = &rig->streams[rig->stream_count++];
    *stream = (struct rig_stream){.status = "ENABLED"};
    snprintf(stream->arn, sizeof stream->arn, "%s", arn);
    stream->shards = calloc(RIG_SHARDS, sizeof *stream->shards); /* not counted as a leak */
    CHECK_FATAL(stream->shards != NULL);
    return stream;
}

void rig_shards(struct rig_stream *stream, const char *text)
{
    while (*text) {
        CHECK_FATAL(stream->count < RIG_SHARDS);
        struct rig_shard *shard = &stream->shards[stream->count++];
        size_t len = strcspn(text, " "), id_len = strcspn(text, " <!");
        snprintf(shard->id, sizeof shard->id, "%.*s", (int)id_len, text);
        if (text[id_len] == '<')
            snprintf(shard->parent, sizeof shard->parent, "%.*s",
                     (int)strcspn(text + id_len + 1, " !"), text + id_len + 1);
        shard->closed = text[len - 1] == '!';
        text += len;
        text += *text == ' ';
    }
}

struct rig_shard *rig_shard(struct rig_stream *stream, const char *id)
{
    for (size_t i = 0; i < stream->count; i++)
        if (strcmp(stream->shards[i].id, id) == 0)
            return &stream->shards[i];
    CU_FAIL_FATAL("the stream has no such shard");
    return NULL;
}

void rig_init(struct rig *rig, uint64_t seed)
{
    static char *block[] = {(char *)"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
                            (char *)"AWS_SECRET_ACCESS_KEY=secret", (char *)"AWS_REGION=eu-west-1",
                            (char *)"HOME=/nonexistent", NULL};
    memset(rig, 0, sizeof *rig);
    vworld_init(&rig->v, seed);
    rig->latency_ms = 5;
    rig->table_enabled = true;
    rig->v.world.transport = (struct transport){rig, start, abort_call, forget};
    rig->config = (struct aws_config){.environ_block = block};
    CHECK_FATAL(aws_client_new(&rig->v.world, &rig->config, &rig->client, NULL) == 0);
}

void rig_done(struct rig *rig)
{
    vworld_settle(&rig->v);
    CHECK_INT(rig->open_now, 0);
    aws_client_free(rig->client);
    vworld_done(&rig->v);
    for (size_t i = 0; i < rig->stream_count; i++)
        free(rig->streams[i].shards);
}

void rig_log(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    struct rig *rig = ctx;
    CHECK_STR(component, "source");
    CHECK(level >= WEIR_LOG_ERROR && level <= WEIR_LOG_DEBUG);
    CHECK_FATAL(rig->line_count < RIG_LINES);
    snprintf(rig->lines[rig->line_count++], sizeof *rig->lines, "%s %s", code, msg);
}

int rig_lines(const struct rig *rig, const char *code)
{
    int count = 0;
    for (size_t i = 0; i < rig->line_count; i++)
        count += strncmp(rig->lines[i], code, strlen(code)) == 0;
    return count;
}

int rig_most_calls(const struct rig *rig, int64_t ms)
{
    size_t most = 0;
    for (size_t from = 0, to = 0; to < rig->calls; to++) {
        while (rig->times[to] - rig->times[from] >= ms)
            from++;
        if (to - from + 1 > most)
            most = to - from + 1;
    }
    return (int)most;
}
