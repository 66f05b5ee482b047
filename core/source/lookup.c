#include "source/discovery.h"

#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TIMEOUT_MS = 10000,
    BODY_BYTES_MAX = 8 * 1024,
    ARENA_BYTES = 4096,
    NAMES_MAX = 1000 /* of one table; it has one stream at a time, and old ones for 24 h */
};

struct stream_lookup_state {
    struct aws_client *aws;
    struct stream_lookup *lookup;
    struct aws_call call;
    struct buf body;
    struct arena arena;
    struct stream_name names[NAMES_MAX];
    size_t name_count;
};

/* ---- ends ---- */

static void finish(struct stream_lookup_state *state)
{
    struct stream_lookup *lookup = state->lookup;
    lookup->state = NULL;
    lookup->names = state->names;
    lookup->name_count = state->name_count;
    lookup->done(lookup); /* may start it again */
    buf_done(&state->body);
    arena_done(&state->arena);
    mem_free(state);
}

/* @a and @b stand for the texts, of which at most 190 bytes are shown. */
static void explain(struct stream_lookup *lookup, const char *format, weir_str a, weir_str b)
{
    struct buf text;
    buf_init(&text, 1024);
    for (; *format; format++)
        if (*format != '@')
            buf_putc(&text, *format);
        else
            buf_put_visible(&text, *++format == 'a' ? a : b, 190);
    snprintf(lookup->message, sizeof lookup->message, "%s", buf_cstr(&text));
    buf_done(&text);
}

static void fail(struct stream_lookup_state *state, enum streams_fault fault)
{
    struct stream_lookup *lookup = state->lookup;
    const struct aws_call *call = &state->call;
    weir_str region = lookup->region.len ? lookup->region : str_of(aws_region(state->aws));
    weir_str what = call->error_message;
    lookup->fault = fault;
    if (fault == STREAMS_NOT_FOUND)
        explain(lookup, "there is no table @a in region @b: check name, region and account",
                lookup->table, region);
    else if (fault == STREAMS_DENIED && str_is(call->error_type, "NoCredentials"))
        explain(lookup, "@b", lookup->table, what); /* says all itself */
    else if (fault == STREAMS_DENIED && state->lookup->by_list)
        explain(lookup, "allow dynamodb:DescribeTable or dynamodb:ListStreams on table @a: @b",
                lookup->table, what);
    else if (fault == STREAMS_DENIED)
        explain(lookup, "the AWS credentials are refused: @b", lookup->table, what);
    else if (fault == STREAMS_INVALID)
        explain(lookup, "DynamoDB refuses to describe table @a: @b", lookup->table, what);
    else
        explain(lookup, "table @a can't be looked up now: @b", lookup->table, what);
    finish(state);
}

static void keep(struct stream_lookup_state *state, weir_str arn, bool enabled, weir_str view_type)
{
    struct stream_lookup *lookup = state->lookup;
    lookup->fault = STREAMS_OK;
    lookup->enabled = enabled;
    snprintf(lookup->arn, sizeof lookup->arn, "%.*s", STR_ARG(arn));
    snprintf(lookup->view_type, sizeof lookup->view_type, "%.*s", STR_ARG(view_type));
    if (arn.len == 0)
        explain(lookup, "table @a has no stream: switch it on, with the images that the sinks need",
                lookup->table, STR_NONE);
}

/* ---- calls ---- */

static int start_call(struct stream_lookup_state *state, const char *service, const char *target,
                      void (*done)(struct aws_call *call))
{
    state->call = (struct aws_call){.service = service,
                                    .target = target,
                                    .json = "1.0",
                                    .body = buf_str(&state->body),
                                    .region = state->lookup->region,
                                    .timeout_ms = TIMEOUT_MS,
                                    .done = done,
                                    .arg = state};
    return aws_call_start(state->aws, &state->call);
}

static enum streams_fault fault_of(const struct aws_call *call)
{
    return streams_fault_of(call->outcome, call->error_type);
}

/* What the answer can't tell is reported like an answer that is none. */
static void unreadable(struct stream_lookup_state *state, const char *why)
{
    state->call.error_message = str_of(why);
    fail(state, STREAMS_UNAVAILABLE);
}

static void on_names(struct aws_call *call);

static int ask_names(struct stream_lookup_state *state, weir_str after)
{
    buf_reset(&state->body);
    int rc = streams_body_list(&state->body, state->lookup->table, after);
    if (rc < 0)
        return rc;
    return start_call(state, "dynamodb_streams", "DynamoDBStreams_20120810.ListStreams", on_names);
}

/* Labels are times of one form: their order as text is their order in time. */
static int by_label(const void *a, const void *b)
{
    weir_str x = ((const struct stream_name *)a)->label, y = ((const struct stream_name *)b)->label;
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static void names_known(struct stream_lookup_state *state, bool listed)
{
    if (state->name_count)
        qsort(state->names, state->name_count, sizeof *state->names, by_label);
    state->lookup->listed = listed;
    if (state->lookup->by_list)
        keep(state, state->name_count ? state->names[state->name_count - 1].arn : STR_NONE, false,
             STR_NONE);
    finish(state);
}

static void add_name(struct stream_lookup_state *state, struct stream_name *name)
{
    weir_str region, table;
    if (state->name_count < NAMES_MAX && name->arn.len < sizeof state->lookup->arn &&
        streams_arn_parts(name->arn, &region, &table, &name->label) &&
        str_eq(table, state->lookup->table))
        state->names[state->name_count++] = *name;
}

static void on_names(struct aws_call *call)
{
    struct stream_lookup_state *state = call->arg;
    struct stream_name *names = NULL;
    size_t count = 0;
    weir_str last = STR_NONE;
    struct err err = {0};
    enum streams_fault fault = fault_of(call);
    if (fault == STREAMS_OK &&
        streams_parse_list(call->answer, &state->arena, &names, &count, &last, &err) < 0) {
        unreadable(state, err.msg);
        return;
    }
    if (fault != STREAMS_OK && (state->lookup->by_list || fault != STREAMS_DENIED)) {
        fail(state, fault);
        return;
    }
    for (size_t i = 0; i < count; i++)
        add_name(state, &names[i]);
    /* A page without a stream behind its cursor would go on for ever. */
    if (last.len == 0 || count == 0 || state->name_count == NAMES_MAX)
        names_known(state, fault == STREAMS_OK);
    else if (ask_names(state, last) < 0)
        unreadable(state, "out of memory");
}

static void on_table(struct aws_call *call)
{
    struct stream_lookup_state *state = call->arg;
    weir_str arn, view_type;
    bool enabled;
    struct err err = {0};
    enum streams_fault fault = fault_of(call);
    if (fault == STREAMS_OK) {
        if (streams_parse_table(call->answer, &state->arena, &arn, &enabled, &view_type, &err) <
            0) {
            unreadable(state, err.msg);
            return;
        }
        if (arn.len >= sizeof state->lookup->arn) {
            unreadable(state, "the ARN of its stream is too long");
            return;
        }
        keep(state, arn, enabled, view_type);
    }
    /* Other refusals than of this one call (keys, clock) would be the same again. */
    state->lookup->by_list =
        fault == STREAMS_DENIED && str_starts(call->error_type, STR("AccessDenied"));
    if (fault != STREAMS_OK && !state->lookup->by_list)
        fail(state, fault);
    else if (!state->lookup->by_list && !state->lookup->list)
        finish(state);
    else if (ask_names(state, STR_NONE) < 0)
        unreadable(state, "out of memory");
}

int stream_lookup_start(struct aws_client *aws, struct stream_lookup *lookup)
{
    struct stream_lookup_state *state = mem_zalloc(1, sizeof *state);
    if (!state)
        return -ENOMEM;
    state->aws = aws;
    state->lookup = lookup;
    buf_init(&state->body, BODY_BYTES_MAX);
    arena_init(&state->arena, ARENA_BYTES);
    lookup->arn[0] = lookup->view_type[0] = lookup->message[0] = '\0';
    lookup->enabled = lookup->by_list = lookup->listed = false;
    lookup->names = NULL;
    lookup->name_count = 0;
    lookup->state = state;
    buf_puts(&state->body, "{\"TableName\":");
    buf_put_json_string(&state->body, lookup->table);
    buf_putc(&state->body, '}');
    int rc = state->body.failed
                 ? -ENOMEM
                 : start_call(state, "dynamodb", "DynamoDB_20120810.DescribeTable", on_table);
    if (rc < 0) {
        lookup->state = NULL;
        buf_done(&state->body);
        arena_done(&state->arena);
        mem_free(state);
    }
    return rc;
}

void stream_lookup_abort(struct stream_lookup *lookup)
{
    if (lookup->state)
        aws_call_abort(lookup->state->aws, &lookup->state->call);
}
