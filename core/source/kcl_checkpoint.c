/* How far the sinks are, told to KCL; and `status`, which waits for that. */
#include "source/kcl_parts.h"

#include <errno.h>

enum { AGAIN_FIRST_MS = 250, AGAIN_LAST_MS = 30000 };

/* ---- lines to the daemon ---- */

static void send_line(struct kcl *kcl)
{
    struct buf *line = &kcl->line;
    buf_puts(line, "}\n");
    if (line->failed) {
        kcl_out_of_memory(kcl);
        return;
    }
    int rc = kcl->config.write(kcl->config.write_ctx, line->ptr, line->len);
    if (rc == 0 || kcl->over)
        return;
    kcl_log(kcl, WEIR_LOG_ERROR, "W1005", "can't write to the KCL daemon: %s", strerror(-rc));
    kcl_finish(kcl, KCL_FAILED);
}

static void send_status(struct kcl *kcl)
{
    buf_reset(&kcl->line);
    buf_printf(&kcl->line, "{\"action\":\"status\",\"responseFor\":\"%s\"", kcl->action);
    kcl->action = NULL;
    kcl->answer_next = false;
    send_line(kcl);
}

void kcl_send_checkpoint(struct kcl *kcl, const struct mark *mark)
{
    buf_reset(&kcl->line);
    buf_puts(&kcl->line, "{\"action\":\"checkpoint\"");
    if (!mark->end)
        buf_printf(&kcl->line, ",\"sequenceNumber\":\"%s\"", mark->number);
    send_line(kcl);
}

/* ---- checkpoints ---- */

struct mark kcl_mark_of(weir_str number)
{
    struct mark mark = {.set = true, .end = !sequence_valid(number)};
    if (!mark.end && number.ptr)
        memcpy(mark.number, number.ptr, number.len);
    return mark;
}

static bool same_mark(const struct mark *a, const struct mark *b)
{
    return a->set == b->set && a->end == b->end && strcmp(a->number, b->number) == 0;
}

void kcl_advance(struct kcl *kcl)
{
    if (kcl->over || kcl->asked.set || kcl->again.heap_slot)
        return;
    if (kcl->goal.set) {
        kcl->asked = kcl->goal;
        kcl_send_checkpoint(kcl, &kcl->asked);
        return;
    }
    if (kcl->answer_next)
        send_status(kcl);
    if (kcl->stopping && !kcl->flow)
        kcl_finish(kcl, kcl->action ? KCL_FAILED : KCL_ENDED);
}

static void on_again(struct timer *timer)
{
    kcl_advance((struct kcl *)((char *)timer - offsetof(struct kcl, again)));
}

/* How far all required sinks are in the batch that is in the router. */
static weir_str frontier(const struct kcl *kcl)
{
    weir_str lowest = STR_NONE;
    for (size_t i = 0; i < router_sink_count(kcl->config.router); i++) {
        bool whole = false;
        weir_str position = flow_frontier(kcl->flow, i, &whole);
        if (whole || !router_counts(kcl->config.router, i).required)
            continue;
        if (position.len == 0)
            return STR_NONE;
        if (lowest.len == 0 || sequence_cmp(position, lowest) < 0)
            lowest = position;
    }
    return lowest;
}

bool kcl_aim_at_frontier(struct kcl *kcl)
{
    weir_str number = kcl->flow && !kcl->lost ? frontier(kcl) : STR_NONE;
    if (!sequence_valid(number))
        return false;
    struct mark mark = kcl_mark_of(number);
    if (same_mark(&mark, &kcl->stored) || same_mark(&mark, &kcl->asked))
        return false;
    kcl->goal = mark;
    return true;
}

/* A batch may take long: a sink is down, or a record blocks it. What is finished should not be
 * delivered again when the lease moves. */
static void on_look(struct timer *timer)
{
    struct kcl *kcl = (struct kcl *)((char *)timer - offsetof(struct kcl, look));
    struct clock *clock = &kcl->config.world->clock;
    if (!kcl->flow)
        return;
    if (kcl_aim_at_frontier(kcl))
        kcl_advance(kcl);
    if (!kcl->over)
        clock->arm(clock->ctx, &kcl->look, KCL_LOOK_MS);
}

void kcl_lose(struct kcl *kcl)
{
    struct clock *clock = &kcl->config.world->clock;
    kcl->lost = true;
    kcl->goal = (struct mark){0};
    clock->disarm(clock->ctx, &kcl->again);
    router_stop(kcl->config.router);
    kcl->answer_next = !kcl->flow;
    kcl_advance(kcl);
}

static void try_again(struct kcl *kcl, weir_str why)
{
    const struct random *random = &kcl->config.world->random;
    struct clock *clock = &kcl->config.world->clock;
    kcl->again_ms = kcl->again_ms ? 2 * kcl->again_ms : AGAIN_FIRST_MS;
    if (kcl->again_ms > AGAIN_LAST_MS)
        kcl->again_ms = AGAIN_LAST_MS;
    int64_t delay_ms =
        kcl->again_ms / 2 + (int64_t)(random->next(random->ctx) % (uint64_t)kcl->again_ms) / 2;
    kcl_log(kcl, WEIR_LOG_WARN, "W1003", "the checkpoint was not stored: %.*s; again in %lld ms",
            STR_ARG(why), (long long)delay_ms);
    if (!kcl->goal.set)
        kcl->goal = kcl->asked;
    kcl->asked = (struct mark){0};
    if (clock->arm(clock->ctx, &kcl->again, delay_ms) < 0)
        kcl_out_of_memory(kcl);
}

static void refused(struct kcl *kcl, weir_str why)
{
    if (str_is(why, "ThrottlingException") ||
        str_is(why, "KinesisClientLibDependencyException")) { /* the lease table does not answer */
        try_again(kcl, why);
        return;
    }
    kcl->asked = (struct mark){0};
    if (str_is(why, "ShutdownException")) {
        kcl_log(kcl, WEIR_LOG_WARN, "W1004",
                "the lease of the shard is another worker's; what is under way is cancelled");
        kcl_lose(kcl);
        return;
    }
    kcl_log(kcl, WEIR_LOG_ERROR, "W1002", "the checkpoint was refused: %.*s", STR_ARG(why));
    kcl_finish(kcl, KCL_FAILED);
}

void kcl_on_checkpoint(struct kcl *kcl, const struct json_value *message)
{
    const struct json_value *error = json_member0(message, "error");
    weir_str number = json_text(message, "sequenceNumber");
    if (kcl->lost)
        return;
    if (!kcl->asked.set) {
        kcl_broken(kcl, "the daemon answers a checkpoint that was not asked for");
        return;
    }
    if (number.len && !kcl->asked.end && !str_is(number, kcl->asked.number)) {
        kcl_broken(kcl, "the daemon answers another checkpoint than the one asked for");
        return;
    }
    if (error && error->kind != JSON_NULL) {
        refused(kcl, error->kind == JSON_STRING ? error->text : error->raw);
        return;
    }
    kcl->again_ms = 0;
    kcl->stored = kcl->asked;
    kcl->asked = (struct mark){0};
    if (same_mark(&kcl->goal, &kcl->stored))
        kcl->goal = (struct mark){0};
    kcl_advance(kcl);
}

void kcl_checkpoint_begin(struct kcl *kcl)
{
    kcl->again.fire = on_again;
    kcl->look.fire = on_look;
}
