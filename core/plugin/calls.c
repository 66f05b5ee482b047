#include "plugin/calls.h"

#include "util/alloc.h"

enum { OPEN_MAX_DEFAULT = 16 };

struct plugin_calls {
    const struct plugin_calls_kind *kind;
    const struct clock *clock;
    void *ctx;
    struct plugin_call *first, *last, *spare;
    uint64_t last_id, ambiguous;
    int open, open_max;
    bool closing; /* the instance is gone: nobody is called back */
};

struct plugin_calls *plugin_calls_new(const struct plugin_calls_kind *kind,
                                      const struct clock *clock, void *ctx)
{
    struct plugin_calls *calls = mem_zalloc(1, sizeof *calls);
    if (!calls)
        return NULL;
    calls->kind = kind;
    calls->clock = clock;
    calls->ctx = ctx;
    calls->open_max = OPEN_MAX_DEFAULT;
    return calls;
}

void *plugin_calls_ctx(const struct plugin_calls *calls)
{
    return calls->ctx;
}

bool plugin_calls_closing(const struct plugin_calls *calls)
{
    return calls->closing;
}

void plugin_calls_bound(struct plugin_calls *calls, int32_t open_max)
{
    if (open_max > 0)
        calls->open_max = open_max < PLUGIN_CALLS_OPEN_MAX ? open_max : PLUGIN_CALLS_OPEN_MAX;
}

static void unlink_call(struct plugin_call *call)
{
    struct plugin_calls *calls = call->calls;
    if (call->prev)
        call->prev->next = call->next;
    else
        calls->first = call->next;
    if (call->next)
        call->next->prev = call->prev;
    else
        calls->last = call->prev;
}

static void free_when_empty(struct plugin_calls *calls)
{
    if (!calls->closing || calls->first)
        return;
    while (calls->spare) {
        struct plugin_call *call = calls->spare;
        calls->spare = call->next;
        if (calls->kind->clear)
            calls->kind->clear(call);
        mem_free(call);
    }
    mem_free(calls);
}

static void start_queued(struct plugin_calls *calls);

static void report(struct plugin_call *call, bool dropped)
{
    struct plugin_calls *calls = call->calls;
    call->phase = PLUGIN_CALL_REPORTING;
    if (!calls->closing)
        calls->kind->report(call, dropped);
    unlink_call(call);
    plugin_calls_give_back(calls, call);
    start_queued(calls);
    free_when_empty(calls);
}

void plugin_call_ended(struct plugin_call *call)
{
    call->calls->open--;
    report(call, false);
}

void plugin_call_ambiguous(struct plugin_call *call)
{
    call->calls->ambiguous++;
}

uint64_t plugin_calls_ambiguous(const struct plugin_calls *calls)
{
    return calls ? calls->ambiguous : 0;
}

static void on_dropped(struct post *post)
{
    report((struct plugin_call *)((char *)post - offsetof(struct plugin_call, post)), true);
}

/* Never from inside the plugin's own call: it is told later. */
static void drop(struct plugin_call *call)
{
    const struct clock *clock = call->calls->clock;
    call->phase = PLUGIN_CALL_DROPPED;
    call->post.run = on_dropped;
    clock->post(clock->ctx, &call->post);
}

static void start_queued(struct plugin_calls *calls)
{
    for (struct plugin_call *call = calls->first; call; call = call->next) {
        if (calls->open >= calls->open_max)
            return;
        if (call->phase != PLUGIN_CALL_QUEUED)
            continue;
        if (calls->kind->start(calls->ctx, call) < 0) {
            drop(call);
            continue;
        }
        call->phase = PLUGIN_CALL_OPEN;
        calls->open++;
    }
}

static void end_one(struct plugin_call *call)
{
    if (call->phase == PLUGIN_CALL_OPEN)
        call->calls->kind->abort(call->calls->ctx, call);
    else if (call->phase == PLUGIN_CALL_QUEUED)
        drop(call);
}

struct plugin_call *plugin_calls_take(struct plugin_calls *calls)
{
    struct plugin_call *call = calls->spare;
    if (call)
        calls->spare = call->next;
    else
        call = mem_zalloc(1, calls->kind->call_bytes);
    return call;
}

void plugin_calls_give_back(struct plugin_calls *calls, struct plugin_call *call)
{
    call->next = calls->spare;
    calls->spare = call;
}

uint64_t plugin_calls_ask(struct plugin_calls *calls, struct plugin_call *call, uint64_t token)
{
    call->calls = calls;
    call->phase = PLUGIN_CALL_QUEUED;
    uint64_t id = call->id = ++calls->last_id;
    call->token = token;
    call->next = NULL;
    call->prev = calls->last;
    if (calls->last)
        calls->last->next = call;
    else
        calls->first = call;
    calls->last = call;
    start_queued(calls);
    return id;
}

void plugin_calls_abort(struct plugin_calls *calls, uint64_t id)
{
    for (struct plugin_call *call = calls->first; call; call = call->next)
        if (call->id == id)
            end_one(call);
}

void plugin_calls_revoke(struct plugin_calls *calls, uint64_t token)
{
    for (struct plugin_call *call = calls->first; token != 0 && call; call = call->next)
        if (call->token == token)
            end_one(call);
}

void plugin_calls_close(struct plugin_calls *calls)
{
    if (!calls)
        return;
    calls->closing = true;
    for (struct plugin_call *call = calls->first; call; call = call->next)
        end_one(call);
    free_when_empty(calls);
}
