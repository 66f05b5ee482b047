/* Protocol: the package description of KCL's multilang package, and a recorded session of the
 * MultiLangDaemon 1.14 with the DynamoDB Streams adapter 1.6. */
#include "source/kcl_parts.h"

#include "util/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    PADDING_BYTES = 64, /* behind a batch's bytes, as the decoder wants it */
    VALUES_MAX = 400000
};

void kcl_log(const struct kcl *kcl, int level, const char *code, const char *format, ...)
{
    struct err err;
    char msg[500];
    va_list args;
    va_start(args, format);
    vsnprintf(msg, sizeof msg, format, args);
    va_end(args);
    err_set(&err, 0, "%s", msg); /* what others sent may hold control characters */
    kcl->config.log(kcl->config.log_ctx, level, "kcl", code, err.msg);
}

/* ---- the end ---- */

static void on_finish(struct post *post)
{
    struct kcl *kcl = (struct kcl *)((char *)post - offsetof(struct kcl, finish));
    kcl->config.finished(kcl->config.arg, kcl->end);
}

static void finish_when_done(struct kcl *kcl)
{
    struct clock *clock = &kcl->config.world->clock;
    if (!kcl->over || kcl->told || kcl->flow)
        return;
    kcl->told = true;
    clock->post(clock->ctx, &kcl->finish);
}

void kcl_finish(struct kcl *kcl, enum kcl_end how)
{
    struct clock *clock = &kcl->config.world->clock;
    if (kcl->over)
        return;
    kcl->over = true;
    kcl->end = how;
    clock->disarm(clock->ctx, &kcl->again);
    clock->disarm(clock->ctx, &kcl->look);
    if (kcl->flow)
        router_stop(kcl->config.router);
    finish_when_done(kcl);
}

void kcl_broken(struct kcl *kcl, const char *reason)
{
    if (kcl->over)
        return;
    kcl_log(kcl, WEIR_LOG_ERROR, "W1001", "%s; nothing more is acknowledged", reason);
    kcl_finish(kcl, KCL_BROKEN);
}

void kcl_out_of_memory(struct kcl *kcl)
{
    kcl_log(kcl, WEIR_LOG_ERROR, "W1001", "out of memory; nothing more is acknowledged");
    kcl_finish(kcl, KCL_FAILED);
}

/* ---- records ---- */

/* The router tries again what can be; the rest will be no better in another process (poison, a
 * missing image), so that the shard waits for people while the daemon's other shards go on. Only
 * what memory cut short deserves a new process. */
static void on_unfinished(struct kcl *kcl, const struct batch_result *result)
{
    const struct record *lowest = result->lowest;
    weir_str position = lowest ? record_position(lowest) : STR_NONE;
    kcl_log(kcl, WEIR_LOG_ERROR, "W0812",
            "the shard is held: record %.*s can't be finished%s%s: %s", STR_ARG(position),
            result->sink ? " for sink " : "", result->sink ? result->sink : "",
            result->reason ? result->reason : "on_poison is \"block\"");
    if (lowest && !lowest->poison && !lowest->unmet)
        kcl_finish(kcl, KCL_FAILED);
}

static void on_batch(void *arg, const struct batch_result *result)
{
    struct kcl *kcl = arg;
    struct clock *clock = &kcl->config.world->clock;
    clock->disarm(clock->ctx, &kcl->look);
    if (kcl->over || kcl->lost) {
        kcl->answer_next = true;
    } else if (result->complete) {
        kcl->goal = kcl->last;
        kcl->answer_next = true;
    } else {
        kcl_aim_at_frontier(kcl);
        on_unfinished(kcl, result);
    }
    kcl->flow = NULL;
    kcl_advance(kcl);
    finish_when_done(kcl);
}

/* The decoder wants bytes of its own, in a shape that it knows. */
static char *body_of(weir_str records, size_t *len)
{
    static const char head[] = "{\"Records\":";
    size_t head_bytes = sizeof head - 1;
    *len = head_bytes + records.len + 1;
    char *body = mem_alloc(*len + PADDING_BYTES);
    if (!body)
        return NULL;
    memcpy(body, head, head_bytes);
    memcpy(body + head_bytes, records.ptr, records.len);
    body[*len - 1] = '}';
    return body;
}

static int decode(struct kcl *kcl, weir_str records, struct batch **out, struct err *err)
{
    size_t len;
    struct decode_options options = {.max_bytes = KCL_LINE_BYTES_MAX + 64,
                                     .source_arn = kcl->config.stream_arn,
                                     .shard = str_of(kcl->shard)};
    char *body = body_of(records, &len);
    if (!body)
        return err_set(err, -ENOMEM, "out of memory");
    return batch_decode(body, len, kcl->config.plan, &options, out, err);
}

static int submit(struct kcl *kcl, struct batch *batch, struct err *err)
{
    struct clock *clock = &kcl->config.world->clock;
    struct flow_options options = {.sinks = UINT64_MAX, .done = on_batch, .arg = kcl};
    kcl->records += batch->read_count;
    read_counts_add(&kcl->read, batch);
    if (kcl->config.admit && !kcl->config.admit(kcl->config.admit_ctx, batch, err))
        return -EPERM;
    kcl->last = kcl_mark_of(batch->last_sequence);
    if (router_submit_flow(kcl->config.router, batch, &options, &kcl->flow) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    return clock->arm(clock->ctx, &kcl->look, KCL_LOOK_MS) < 0
               ? err_set(err, -ENOMEM, "out of memory")
               : 0;
}

static void on_records(struct kcl *kcl, const struct json_value *message)
{
    struct err err = {0};
    struct batch *batch = NULL;
    const struct json_value *records = json_member0(message, "records");
    if (!records || records->kind != JSON_ARRAY) {
        kcl_broken(kcl, "processRecords without an array of records");
        return;
    }
    if (kcl->lost || records->size == 0) {
        kcl->answer_next = true;
        kcl_advance(kcl);
        return;
    }
    int rc = decode(kcl, records->raw, &batch, &err);
    if (batch)
        rc = submit(kcl, batch, &err);
    batch_unref(batch);
    if (rc == 0)
        return;
    if (rc == -ENOMEM) {
        kcl_out_of_memory(kcl);
    } else if (rc == -EPERM) {
        kcl_log(kcl, WEIR_LOG_ERROR, "W0310", "%s", err.msg);
        kcl_finish(kcl, KCL_REFUSED);
    } else {
        kcl_broken(kcl, err.msg);
    }
}

/* ---- the shard's life ---- */

static void on_initialize(struct kcl *kcl, const struct json_value *message)
{
    weir_str shard = json_text(message, "shardId");
    if (shard.len == 0 || shard.len > 256) {
        kcl_broken(kcl, "initialize without a shardId");
        return;
    }
    kcl->shard = mem_dup0(shard.ptr, shard.len);
    if (!kcl->shard) {
        kcl_out_of_memory(kcl);
        return;
    }
    if (kcl->config.began)
        kcl->config.began(kcl->config.began_ctx, str_of(kcl->shard));
    weir_str from = json_text(message, "sequenceNumber");
    kcl_log(kcl, WEIR_LOG_INFO, "W1006", "shard %s from %.*s", kcl->shard,
            (int)(from.len > 64 ? 64 : from.len), from.ptr ? from.ptr : "");
    kcl->answer_next = true;
    kcl_advance(kcl);
}

/* The shard was read to its end, and all of it is finished: only now it counts as done, and its
 * children begin. */
static void on_shard_ended(struct kcl *kcl, const struct json_value *message)
{
    (void)message;
    if (kcl->lost) {
        kcl_log(kcl, WEIR_LOG_ERROR, "W1002",
                "the shard ended after its lease was lost; its end can't be checkpointed");
        kcl_finish(kcl, KCL_FAILED);
        return;
    }
    kcl->goodbye = true;
    kcl->goal = (struct mark){.set = true, .end = true};
    kcl->answer_next = true;
    kcl_advance(kcl);
}

static void on_lease_lost(struct kcl *kcl, const struct json_value *message)
{
    (void)message;
    kcl_log(kcl, WEIR_LOG_INFO, "W1004", "the lease of the shard went to another worker");
    kcl->goodbye = true;
    kcl->asked = (struct mark){0};
    kcl_lose(kcl);
}

/* The daemon is about to end; everything it gave is finished, and checkpointed once more. */
static void on_shutdown_requested(struct kcl *kcl, const struct json_value *message)
{
    (void)message;
    kcl->goodbye = true;
    if (!kcl->lost && kcl->stored.set)
        kcl->goal = kcl->stored;
    kcl->answer_next = true;
    kcl_advance(kcl);
}

static void on_shutdown(struct kcl *kcl, const struct json_value *message)
{
    weir_str reason = json_text(message, "reason");
    if (str_is(reason, "TERMINATE"))
        on_shard_ended(kcl, message);
    else if (str_is(reason, "ZOMBIE"))
        on_lease_lost(kcl, message);
    else
        kcl_broken(kcl, "shutdown for a reason other than TERMINATE and ZOMBIE");
}

/* ---- lines from the daemon ---- */

static const struct action {
    const char *name;
    void (*run)(struct kcl *kcl, const struct json_value *message);
} actions[] = {
    {"initialize", on_initialize},  {"processRecords", on_records},
    {"shutdown", on_shutdown},      {"leaseLost", on_lease_lost},
    {"shardEnded", on_shard_ended}, {"shutdownRequested", on_shutdown_requested},
};

/* The daemon waits for each `status` before it goes on; only a lost lease need not wait. */
static const char *out_of_turn(const struct kcl *kcl, const struct action *action,
                               const struct json_value *message)
{
    bool lost = action->run == on_lease_lost || str_is(json_text(message, "reason"), "ZOMBIE");
    if ((action->run == on_initialize) != !kcl->shard)
        return kcl->shard ? "initialize came twice" : "a session begins with initialize";
    if (kcl->action && !lost)
        return "the daemon did not wait for the status of its last action";
    return NULL;
}

static void take_action(struct kcl *kcl, const struct json_value *message)
{
    char reason[160];
    weir_str name = json_text(message, "action");
    if (str_is(name, "checkpoint")) {
        kcl_on_checkpoint(kcl, message);
        return;
    }
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (!str_is(name, actions[i].name))
            continue;
        const char *problem = out_of_turn(kcl, &actions[i], message);
        if (problem) {
            kcl_broken(kcl, problem);
            return;
        }
        kcl->action = actions[i].name;
        actions[i].run(kcl, message);
        return;
    }
    snprintf(reason, sizeof reason,
             "the daemon asks for \"%.*s\", which this version does not know",
             (int)(name.len > 40 ? 40 : name.len), name.ptr ? name.ptr : "");
    kcl_broken(kcl, reason);
}

static void take_line(struct kcl *kcl, weir_str line)
{
    struct json_error error;
    char reason[240];
    const struct json_value *message = json_parse(&kcl->arena, line, 0, VALUES_MAX, &error);
    if (!message || message->kind != JSON_OBJECT) {
        snprintf(reason, sizeof reason,
                 "the daemon sent a line of %zu bytes that is no message: %s", line.len,
                 message ? "no JSON object" : error.msg);
        kcl_broken(kcl, reason);
    } else {
        take_action(kcl, message);
    }
    arena_reset(&kcl->arena);
}

void kcl_feed(struct kcl *kcl, const char *bytes, size_t len)
{
    size_t begun = 0;
    if (kcl->over || len == 0)
        return;
    if (buf_put(&kcl->text, bytes, len) < 0) {
        kcl_broken(kcl, "the daemon sent a line of more than 16 MiB, or memory ran out");
        return;
    }
    while (!kcl->over) {
        const char *from = kcl->text.ptr + begun;
        size_t left = kcl->text.len - begun, seen = begun ? 0 : kcl->searched;
        const char *newline = memchr(from + seen, '\n', left - seen);
        if (!newline)
            break;
        size_t line_bytes = (size_t)(newline - from);
        begun += line_bytes + 1;
        take_line(kcl, (weir_str){from, line_bytes});
    }
    if (begun)
        memmove(kcl->text.ptr, kcl->text.ptr + begun, kcl->text.len - begun);
    kcl->text.len -= begun;
    kcl->searched = kcl->text.len;
}

void kcl_eof(struct kcl *kcl, int error)
{
    if (kcl->over)
        return;
    if (kcl->goodbye && !kcl->action && error == 0) {
        kcl_finish(kcl, KCL_ENDED);
        return;
    }
    kcl_log(kcl, WEIR_LOG_ERROR, "W1005",
            "the KCL daemon is gone%s%s; nothing more is acknowledged", error ? ": " : "",
            error ? strerror(error) : "");
    kcl_finish(kcl, KCL_FAILED);
}

/* ---- life ---- */

int kcl_new(const struct kcl_config *config, struct kcl **out)
{
    struct kcl *kcl = mem_zalloc(1, sizeof *kcl);
    if (!kcl)
        return -ENOMEM;
    kcl->config = *config;
    kcl->finish.run = on_finish;
    kcl_checkpoint_begin(kcl);
    buf_init(&kcl->text, KCL_LINE_BYTES_MAX);
    buf_init(&kcl->line, 1024);
    arena_init(&kcl->arena, 64 * 1024);
    *out = kcl;
    return 0;
}

void kcl_set_plan(struct kcl *kcl, const struct match_plan *plan)
{
    kcl->config.plan = plan;
}

void kcl_free(struct kcl *kcl)
{
    if (!kcl)
        return;
    buf_done(&kcl->text);
    buf_done(&kcl->line);
    arena_done(&kcl->arena);
    mem_free(kcl->shard);
    mem_free(kcl);
}

void kcl_stop(struct kcl *kcl)
{
    kcl->stopping = true;
    kcl_advance(kcl);
}

void kcl_hurry(struct kcl *kcl)
{
    if (kcl->over)
        return;
    if (!kcl->asked.set && (kcl_aim_at_frontier(kcl) || kcl->goal.set))
        kcl_send_checkpoint(kcl, &kcl->goal);
    kcl_finish(kcl, KCL_FAILED);
}

uint64_t kcl_record_count(const struct kcl *kcl)
{
    return kcl->records;
}

const struct read_counts *kcl_read(const struct kcl *kcl)
{
    return &kcl->read;
}
