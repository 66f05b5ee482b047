/* Who owns the pipeline: looking, taking over, beating, giving up. */
#include "state/dynamo_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    RETRY_MS = 1000,          /* after a call that failed */
    DENIED_LIMIT_MS = 120000, /* credentials may come late */
    SAY_AFTER_MS = 2000       /* one beat that fails is not worth a line */
};

static int64_t boot_now(const struct dynamo_store *store)
{
    return world_boot_ms(store->config.world);
}

static int64_t now(const struct dynamo_store *store)
{
    const struct clock *clock = &store->config.world->clock;
    return clock->now_ms(clock->ctx);
}

/* The step to come: at due_ms. */
static void arm(struct dynamo_store *store)
{
    const struct clock *clock = &store->config.world->clock;
    int64_t delay_ms = store->due_ms - now(store);
    if (store->phase != LEASE_LOOKING && store->phase != LEASE_HELD)
        clock->disarm(clock->ctx, &store->timer);
    else if (clock->arm(clock->ctx, &store->timer, delay_ms > 0 ? delay_ms : 0) < 0)
        lease_step_soon(store); /* no memory for a timer: rather too often than never */
}

static void on_step(struct post *post)
{
    struct dynamo_store *store =
        (struct dynamo_store *)((char *)post - offsetof(struct dynamo_store, step_post));
    store->posted = false;
    lease_step(store);
}

void lease_step_soon(struct dynamo_store *store)
{
    const struct clock *clock = &store->config.world->clock;
    store->step_post.run = on_step;
    if (!store->posted)
        clock->post(clock->ctx, &store->step_post);
    store->posted = true;
}

static void due_in(struct dynamo_store *store, int64_t delay_ms)
{
    store->due_ms = now(store) + delay_ms;
}

bool lease_valid(const struct dynamo_store *store)
{
    int64_t trusted_ms = store->config.lease_ms - store->config.lease_ms / 10;
    return store->phase == LEASE_HELD && boot_now(store) - store->confirmed_ms < trusted_ms;
}

/* ---- ends ---- */

static void end_lease(struct dynamo_store *store, const char *reason)
{
    bool told = store->phase == LEASE_OVER;
    store->phase = LEASE_OVER;
    arm(store);
    save_fail(store, -EOWNERDEAD, reason);
    if (!told && !store->released)
        store->owner->changed(store->owner, false, reason);
}

static void lost(struct dynamo_store *store)
{
    char reason[300];
    snprintf(reason, sizeof reason,
             "another process took pipeline %s over, its lease of %" PRId64
             " ms had run out; this one does no more",
             store->config.pipeline, store->config.lease_ms);
    end_lease(store, reason);
}

/* ---- trouble ---- */

static void all_well(struct dynamo_store *store)
{
    if (store->said_trouble)
        dynamo_log(store, WEIR_LOG_INFO, "W0826", "the state table %s answers again",
                   store->config.table);
    store->said_trouble = false;
    store->trouble_ms = 0;
}

/* true: it is no use to ask again. */
static bool hopeless(const struct dynamo_store *store, const struct aws_call *call)
{
    if (store->phase == LEASE_HELD)
        return false; /* it was fine before */
    if (call->outcome == AWS_DENIED)
        return boot_now(store) - store->trouble_ms >= DENIED_LIMIT_MS;
    return call->outcome == AWS_MISSING || call->outcome == AWS_INVALID;
}

static void in_trouble(struct dynamo_store *store, const struct aws_call *call)
{
    char reason[400];
    dynamo_reason(store, call, reason, sizeof reason);
    if (!store->trouble_ms)
        store->trouble_ms = boot_now(store);
    if (hopeless(store, call)) {
        end_lease(store, reason);
        return;
    }
    if (!store->said_trouble &&
        (boot_now(store) - store->trouble_ms >= SAY_AFTER_MS || store->phase != LEASE_HELD)) {
        store->said_trouble = true;
        dynamo_log(store, WEIR_LOG_WARN, "W0821", "%s; asking again%s", reason,
                   store->phase == LEASE_HELD
                       ? ", nothing is given to sinks once the lease has run out"
                       : "");
    }
    due_in(store, RETRY_MS);
}

/* ---- a call on the owner ---- */

static void on_answer(struct aws_call *call);

static void start(struct dynamo_store *store, enum lease_call kind, const char *target)
{
    store->sent_ms = boot_now(store);
    store->open = kind;
    if (store->body.failed ||
        dynamo_start(store, &store->call, target, &store->body, on_answer) < 0) {
        store->open = CALL_NONE;
        due_in(store, RETRY_MS);
    }
}

static void look(struct dynamo_store *store)
{
    buf_reset(&store->body);
    items_put_get_owner(&store->body, &store->place);
    start(store, CALL_LOOK, "DynamoDB_20120810.GetItem");
}

static void change(struct dynamo_store *store, enum lease_call kind, enum items_change change)
{
    buf_reset(&store->body);
    items_put_change(&store->body, &store->place, change, &store->self, &store->seen.owner);
    start(store, kind, "DynamoDB_20120810.UpdateItem");
}

static void take(struct dynamo_store *store)
{
    bool first = !store->seen.owner.found;
    store->self.fence = first ? 1 : store->seen.owner.fence + 1;
    store->self.beat = 0;
    change(store, CALL_TAKE, first ? OWNER_FIRST : OWNER_TAKE);
}

static void beat(struct dynamo_store *store)
{
    store->self.beat++;
    change(store, CALL_BEAT, OWNER_BEAT);
}

/* ---- looking ---- */

static void copy_text(char *out, size_t room, weir_str text)
{
    size_t len = text.len < room - 1 ? text.len : room - 1;
    if (len)
        memcpy(out, text.ptr, len);
    out[len] = '\0';
}

static void remember(struct dynamo_store *store, const struct items_owner *owner)
{
    struct dynamo_seen *seen = &store->seen;
    bool same = seen->any && seen->owner.found == owner->found &&
                seen->owner.fence == owner->fence && seen->owner.beat == owner->beat &&
                str_eq(seen->owner.holder, owner->holder);
    if (same)
        return;
    *seen = (struct dynamo_seen){.owner = *owner, .since_ms = boot_now(store), .any = true};
    copy_text(seen->holder, sizeof seen->holder, owner->holder);
    copy_text(seen->who, sizeof seen->who, owner->who);
    seen->owner.holder = str_of(seen->holder);
    seen->owner.who = str_of(seen->who);
}

static void wait_for_owner(struct dynamo_store *store)
{
    const struct random *random = &store->config.world->random;
    int64_t left_ms = store->config.lease_ms - (boot_now(store) - store->seen.since_ms);
    int64_t jitter_ms = (int64_t)(random->next(random->ctx) % 200);
    if (!store->said_standby)
        dynamo_log(store, WEIR_LOG_INFO, "W0830",
                   "standing by: pipeline %s belongs to %s; taking over when it has been silent "
                   "for %" PRId64 " ms",
                   store->config.pipeline, store->seen.who[0] ? store->seen.who : "another process",
                   store->config.lease_ms);
    store->said_standby = true;
    due_in(store, (left_ms < store->config.beat_ms ? left_ms : store->config.beat_ms) + jitter_ms);
}

static void looked(struct dynamo_store *store, const struct items_owner *owner)
{
    remember(store, owner);
    if (owner->format > ITEMS_FORMAT) {
        char reason[300];
        snprintf(reason, sizeof reason,
                 "the state table %s was written by a newer weir (its format is %" PRId64
                 ", this one reads %d). Run that weir, or name another state.table",
                 store->config.table, owner->format, ITEMS_FORMAT);
        end_lease(store, reason);
    } else if (owner->found && str_eq(owner->holder, store->self.holder)) {
        store->self.fence = owner->fence; /* we took it, and the answer was lost */
        store->self.beat = owner->beat;
        store->phase = LEASE_HELD;
        store->confirmed_ms =
            boot_now(store) - store->config.lease_ms; /* by the beat that follows */
        due_in(store, 0);
    } else if (!owner->found || str_is(owner->holder, ITEMS_FREE) ||
               boot_now(store) - store->seen.since_ms >= store->config.lease_ms) {
        take(store);
    } else {
        wait_for_owner(store);
    }
}

static void on_look(struct dynamo_store *store, const struct aws_call *call)
{
    struct arena arena;
    struct items_owner owner;
    struct err err = {0};
    if (call->outcome == AWS_ABORTED)
        return; /* released meanwhile */
    if (call->outcome != AWS_OK) {
        in_trouble(store, call);
        return;
    }
    all_well(store);
    arena_init(&arena, 4096);
    int rc = items_read_owner(call->answer, &arena, &owner, &err);
    if (rc == 0)
        looked(store, &owner);
    else if (rc == -ENOMEM)
        due_in(store, RETRY_MS);
    else
        end_lease(store, err.msg);
    arena_done(&arena);
}

/* ---- holding ---- */

/* Every confirmed write of the owner. */
static void confirmed(struct dynamo_store *store)
{
    all_well(store);
    store->phase = LEASE_HELD;
    store->confirmed_ms = store->sent_ms;
    due_in(store, store->config.beat_ms - (boot_now(store) - store->sent_ms));
    if (!store->told && !store->released) {
        store->told = true;
        store->owner->changed(store->owner, true, "");
    }
}

static void on_take(struct dynamo_store *store, const struct aws_call *call)
{
    if (call->outcome == AWS_OK)
        confirmed(store);
    else if (call->outcome == AWS_CONDITION)
        due_in(store, 0); /* somebody was faster: look who */
    else
        in_trouble(store, call);
}

static void on_beat(struct dynamo_store *store, const struct aws_call *call)
{
    if (call->outcome == AWS_OK)
        confirmed(store);
    else if (call->outcome == AWS_CONDITION)
        lost(store);
    else
        in_trouble(store, call);
}

static void on_save(struct dynamo_store *store, const struct aws_call *call)
{
    char reason[200];
    if (call->outcome == AWS_OK) {
        confirmed(store);
        save_answered(store, 0, "");
    } else if (call->outcome == AWS_CONFLICT && items_owner_refused(call->answer)) {
        lost(store);
    } else if (call->outcome == AWS_CONFLICT &&
               items_rows_refused(call->answer, store->refused, store->chunk)) {
        all_well(store); /* the others once more, without these */
    } else {
        dynamo_reason(store, call, reason, sizeof reason);
        if (call->outcome != AWS_CONFLICT && call->outcome != AWS_INVALID)
            in_trouble(store, call);
        save_answered(store, call->outcome == AWS_INVALID ? -EINVAL : -EIO, reason);
    }
}

static void on_answer(struct aws_call *call)
{
    struct dynamo_store *store = call->arg;
    enum lease_call kind = store->open;
    store->open = CALL_NONE;
    switch (kind) {
    case CALL_LOOK:
        on_look(store, call);
        break;
    case CALL_TAKE:
        on_take(store, call);
        break;
    case CALL_BEAT:
        on_beat(store, call);
        break;
    case CALL_SAVE:
        on_save(store, call);
        break;
    case CALL_FREE: /* where it failed, the lease runs out */
        store->phase = LEASE_OVER;
        break;
    case CALL_NONE:
        break;
    }
    lease_step(store);
}

/* ---- what is due ---- */

static void on_released(struct post *post)
{
    struct dynamo_store *store =
        (struct dynamo_store *)((char *)post - offsetof(struct dynamo_store, release_post));
    void (*released)(void *arg) = store->released;
    released(store->released_arg);
}

static void give_up(struct dynamo_store *store)
{
    const struct clock *clock = &store->config.world->clock;
    if (store->phase == LEASE_HELD)
        change(store, CALL_FREE, OWNER_FREE);
    if (store->open != CALL_NONE)
        return;
    store->phase = LEASE_OVER;
    arm(store);
    if (!store->releasing) {
        store->releasing = true;
        store->release_post.run = on_released;
        clock->post(clock->ctx, &store->release_post);
    }
}

static void save_chunk(struct dynamo_store *store)
{
    store->self.beat++;
    buf_reset(&store->body);
    if (save_put_next(store) < 0) {
        save_answered(store, -ENOMEM, "out of memory");
        return;
    }
    start(store, CALL_SAVE, "DynamoDB_20120810.TransactWriteItems");
    if (store->open == CALL_NONE)
        save_answered(store, -ENOMEM, "the call could not be started");
}

void lease_step(struct dynamo_store *store)
{
    if (store->open != CALL_NONE)
        return;
    if (store->save && store->phase == LEASE_HELD)
        save_chunk(store);
    else if (store->save)
        save_fail(store, -EOWNERDEAD, "the pipeline belongs to another process");
    if (store->open != CALL_NONE)
        return;
    if (store->released)
        give_up(store);
    else if (store->phase == LEASE_LOOKING && now(store) >= store->due_ms)
        look(store);
    else if (store->phase == LEASE_HELD && now(store) >= store->due_ms)
        beat(store);
    if (store->open == CALL_NONE)
        arm(store);
}

static void on_timer(struct timer *timer)
{
    lease_step((struct dynamo_store *)((char *)timer - offsetof(struct dynamo_store, timer)));
}

void lease_acquire(struct dynamo_store *store)
{
    store->timer.fire = on_timer;
    store->phase = LEASE_LOOKING;
    due_in(store, 0);
    arm(store);
}
