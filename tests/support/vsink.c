#include "vsink.h"

#include "unit.h"
#include "util/alloc.h"

#include <stdio.h>
#include <stdlib.h>

struct saying { /* an outcome that is said later */
    struct timer timer;
    struct vsink *sink;
    uint64_t token;
    size_t index;
    int32_t outcome;
};

static weir_str reason_of(const struct vsink *sink, int32_t outcome)
{
    return outcome != WEIR_OK && sink->reason ? str_of(sink->reason) : STR_NONE;
}

static struct vseen *note(struct vsink *sink, const struct weir_record *entry, uint64_t token,
                          size_t index)
{
    weir_str sequence = record_position(entry->rec);
    if (sink->count == sink->room) {
        sink->room = sink->room * 2 + 64;
        sink->log = realloc(sink->log, sink->room * sizeof *sink->log);
        CHECK_FATAL(sink->log != NULL);
    }
    struct vseen *seen = &sink->log[sink->count];
    *seen = (struct vseen){.at_ms = sink->world->now_ms,
                           .token = token,
                           .index = index,
                           .lane = entry->lane,
                           .outcome = VSINK_HOLD,
                           .dead = entry->dead != NULL};
    snprintf(seen->sequence, sizeof seen->sequence, "%.*s", (int)sequence.len,
             sequence.ptr ? sequence.ptr : "");
    if (entry->dead)
        snprintf(seen->dead_sink, sizeof seen->dead_sink, "%.*s", STR_ARG(entry->dead->sink));
    size_t last = sink->count;
    while (last > 0 &&
           (sink->log[last - 1].dead || strcmp(sink->log[last - 1].sequence, seen->sequence) != 0))
        last--;
    seen->attempt = last > 0 ? sink->log[last - 1].attempt + 1 : 1;
    sink->count++;
    return seen;
}

static void on_saying(struct timer *timer)
{
    struct saying *saying = (struct saying *)((char *)timer - offsetof(struct saying, timer));
    struct vsink *sink = saying->sink;
    delivery_complete(sink->board, &sink->instance, saying->token, saying->index, saying->outcome,
                      reason_of(sink, saying->outcome));
    free(saying);
}

static void say_later(struct vsink *sink, const struct vseen *seen, int64_t delay_ms)
{
    struct clock *clock = &sink->world->world.clock;
    struct saying *saying = calloc(1, sizeof *saying);
    CHECK_FATAL(saying != NULL);
    *saying = (struct saying){.timer = {.fire = on_saying},
                              .sink = sink,
                              .token = seen->token,
                              .index = seen->index,
                              .outcome = seen->outcome};
    if (clock->arm(clock->ctx, &saying->timer, delay_ms) < 0)
        free(saying);
}

static int32_t record(void *self, const weir_record *entry)
{
    struct vsink *sink = self;
    struct vseen *seen = note(sink, entry, 0, 0);
    sink->world->now_ms += sink->blocks_ms;
    seen->outcome = sink->script ? sink->script(sink, seen) : WEIR_OK;
    return seen->outcome;
}

static void deliver(void *self, weir_delivery *delivery)
{
    struct vsink *sink = self;
    size_t first = sink->count, count = delivery->count;
    uint64_t token = delivery->token;
    sink->deliveries++;
    if (sink->on_deliver) {
        sink->on_deliver(sink, delivery);
        return;
    }
    for (size_t i = 0; i < count; i++)
        note(sink, &delivery->entries[i], token, i);
    for (size_t i = first; i < first + count; i++) {
        struct vseen *seen = &sink->log[i];
        seen->outcome = sink->script ? sink->script(sink, seen) : WEIR_OK;
        if (seen->outcome == VSINK_HOLD)
            continue;
        if (sink->delay_ms > 0)
            say_later(sink, seen, sink->delay_ms);
        else
            vsink_say(sink, i, seen->outcome);
    }
}

static void cancel(void *self, uint64_t token)
{
    struct vsink *sink = self;
    sink->cancels++;
    for (size_t i = 0; i < sink->count; i++)
        if (sink->log[i].token == token)
            sink->log[i].revoked = true;
    if (sink->on_cancel != VSINK_HOLD)
        delivery_complete_rest(sink->board, &sink->instance, token, sink->on_cancel,
                               reason_of(sink, sink->on_cancel));
}

static void flush(void *self, int64_t deadline_ms)
{
    (void)deadline_ms;
    ((struct vsink *)self)->flushes++;
}

void vsink_init(struct vsink *sink, struct vworld *world, struct delivery_board *board, bool sync,
                uint32_t flags)
{
    *sink = (struct vsink){.world = world, .board = board, .on_cancel = WEIR_RETRY};
    sink->plugin.desc = (weir_plugin){.abi = WEIR_ABI_CURRENT,
                                      .struct_size = sizeof(weir_plugin),
                                      .flags = flags,
                                      .name = "scripted",
                                      .record = sync ? record : NULL,
                                      .deliver = sync ? NULL : deliver,
                                      .flush = flush,
                                      .cancel = cancel};
    sink->instance.plugin = &sink->plugin;
    sink->instance.self = sink;
    sink->instance.services.board = board;
}

void vsink_done(struct vsink *sink)
{
    free(sink->log);
}

void vsink_say(struct vsink *sink, size_t i, int32_t outcome)
{
    struct vseen *seen = &sink->log[i];
    seen->outcome = outcome;
    delivery_complete(sink->board, &sink->instance, seen->token, seen->index, outcome,
                      reason_of(sink, outcome));
}

void vsink_say_all(struct vsink *sink, int32_t outcome)
{
    for (size_t i = 0; i < sink->count; i++)
        if (sink->log[i].outcome == VSINK_HOLD)
            vsink_say(sink, i, outcome);
}

unsigned vsink_times(const struct vsink *sink, const char *sequence)
{
    unsigned times = 0;
    for (size_t i = 0; i < sink->count; i++)
        times += !sink->log[i].dead && strcmp(sink->log[i].sequence, sequence) == 0;
    return times;
}

const char *vsink_story(const struct vsink *sink)
{
    static char story[4096];
    size_t len = 0;
    story[0] = '\0';
    for (size_t i = 0; i < sink->count && len + 64 < sizeof story; i++)
        len += (size_t)snprintf(story + len, sizeof story - len, "%s%s%s", i ? " " : "",
                                sink->log[i].dead ? "d" : "", sink->log[i].sequence);
    return story;
}
