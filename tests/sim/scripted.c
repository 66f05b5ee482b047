/* Scripted sinks: a plugin within the process, and what it has stored, which outlives it. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

struct pending { /* a record with the plugin, of which something will be said */
    struct timer timer;
    struct sim_scripted *scripted;
    struct pending *next;
    uint64_t token;
    size_t index;
    uint32_t truth;
    int32_t outcome;
    bool store; /* the record gets into the sink before that is said */
    bool hangs, cancelled;
    bool dead; /* a dead letter about it, of `about` */
    struct sim_sink *about;
};

struct sim_scripted {
    struct plugin plugin;
    weir_instance instance;
    struct sim_process *process;
    struct sim_sink *sink;
    struct pending *pending;
    struct sim_lanes lanes;
};

/* ---- what it says ---- */

static bool poisoned(const struct sim_sink *sink, uint32_t truth)
{
    return sink->poison_every && !sim_healed(sink->sim) &&
           (truth * 2654435761u >> 8) % sink->poison_every == 0;
}

static void decide(struct sim_sink *sink, struct pending *one)
{
    struct sim *sim = sink->sim;
    one->outcome = WEIR_OK;
    one->store = true;
    if (sim_within(sim, sink->down, sink->down_count)) {
        one->outcome = WEIR_DOWN;
        one->store = false;
    } else if (one->dead) {
        if (sim_chance(sim, sink->retry_percent))
            one->outcome = WEIR_RETRY;
    } else if (poisoned(sink, one->truth)) {
        one->outcome = WEIR_FAIL;
        one->store = false;
    } else if (sim_chance(sim, sink->retry_percent)) {
        one->outcome = WEIR_RETRY;
        one->store = sim_below(sim, 2) == 0; /* stored, but the answer was lost */
    } else if (sim_chance(sim, sink->hang_percent)) {
        one->hangs = true;
    }
}

/* The record gets into the sink: durable from here on. */
static void carry_out(struct pending *one)
{
    struct sim_scripted *scripted = one->scripted;
    struct sim_sink *sink = scripted->sink;
    if (!one->store)
        return;
    one->store = false;
    if (!one->dead) {
        sim_stored(sink, one->truth);
        return;
    }
    sim_lettered(sink->sim, one->about, one->truth);
    sink->letters++;
}

static void say(struct pending *one, int32_t outcome)
{
    struct sim_scripted *scripted = one->scripted;
    struct sim_sink *sink = scripted->sink;
    struct pending **link = &scripted->pending;
    weir_str reason = outcome == WEIR_OK ? STR_NONE : STR("scripted");
    while (*link != one)
        link = &(*link)->next;
    *link = one->next;
    if (!one->dead) {
        if (outcome != WEIR_OK)
            sink->marks[one->truth] |= MARK_REFUSED;
        else if (!one->cancelled)
            sim_said(&scripted->lanes, one->truth);
        sim_let_go(sink, &scripted->lanes, one->truth);
    }
    sim_trace(sink->sim, "%s says %d of %u%s", sink->name, outcome, one->truth,
              one->dead ? " (letter)" : "");
    delivery_complete(scripted->process->board, &scripted->instance, one->token, one->index,
                      outcome, reason);
    free(one);
}

static void on_timer(struct timer *timer)
{
    struct pending *one = (struct pending *)((char *)timer - offsetof(struct pending, timer));
    struct sim *sim = one->scripted->process->sim;
    carry_out(one);
    sim_crash_point(sim); /* stored, and nobody was told */
    say(one, one->outcome);
}

/* ---- what it is given ---- */

static void note_letter(struct sim_sink *sink, struct pending *one, const struct weir_record *entry)
{
    one->dead = true;
    if (entry->dead->sink.len)
        one->about = sim_sink_named(sink->sim, entry->dead->sink);
}

static void take(struct sim_scripted *scripted, const struct weir_record *entry, uint64_t token,
                 size_t index)
{
    struct sim *sim = scripted->process->sim;
    struct sim_sink *sink = scripted->sink;
    uint32_t truth = sim_find_sequence(sim, record_position(entry->rec));
    struct pending *one = calloc(1, sizeof *one);
    struct clock *clock = &scripted->process->world->world.clock;
    CHECK_FATAL(one != NULL && truth != SIM_NO_TRUTH);
    *one = (struct pending){.timer.fire = on_timer,
                            .scripted = scripted,
                            .token = token,
                            .index = index,
                            .truth = truth,
                            .next = scripted->pending};
    if (entry->dead)
        note_letter(sink, one, entry);
    else
        sim_given(scripted->process, sink, &scripted->lanes, truth);
    scripted->pending = one;
    decide(sink, one);
    sim_trace(sim, "%s is given %u%s: will say %d%s", sink->name, truth,
              one->dead ? " (letter)" : "", one->outcome, one->hangs ? ", hangs" : "");
    int64_t slow_ms = sim_healed(sim) ? sink->slow_ms / 10 : sink->slow_ms;
    if (!one->hangs)
        clock->arm(clock->ctx, &one->timer, (int64_t)sim_below(sim, (uint64_t)slow_ms + 1));
}

static void deliver(void *self, weir_delivery *delivery)
{
    struct sim_scripted *scripted = self;
    uint64_t token = delivery->token;
    size_t count = delivery->count;
    sim_crash_point(scripted->process->sim);
    for (size_t i = 0; i < count; i++)
        take(scripted, &delivery->entries[i], token, i);
}

static int32_t record(void *self, const weir_record *entry)
{
    struct sim_scripted *scripted = self;
    struct sim_sink *sink = scripted->sink;
    struct pending one = {.scripted = scripted,
                          .truth = sim_find_sequence(sink->sim, record_position(entry->rec))};
    CHECK_FATAL(one.truth != SIM_NO_TRUTH);
    if (entry->dead)
        note_letter(sink, &one, entry);
    else
        sim_given(scripted->process, sink, &scripted->lanes, one.truth);
    sim_crash_point(sink->sim);
    decide(sink, &one);
    one.hangs = false; /* it is synchronous: that would be the watchdog's */
    carry_out(&one);
    sim_crash_point(sink->sim);
    if (!one.dead) {
        if (one.outcome != WEIR_OK)
            sink->marks[one.truth] |= MARK_REFUSED;
        else
            sim_said(&scripted->lanes, one.truth);
        sim_let_go(sink, &scripted->lanes, one.truth);
    }
    sim_trace(sink->sim, "%s says %d of %u at once", sink->name, one.outcome, one.truth);
    return one.outcome;
}

static void cancel(void *self, uint64_t token)
{
    struct sim_scripted *scripted = self;
    struct sim *sim = scripted->process->sim;
    struct clock *clock = &scripted->process->world->world.clock;
    for (struct pending *one = scripted->pending, *next; one; one = next) {
        next = one->next;
        if (one->token != token)
            continue;
        /* An answer may come all the same, a little later; what hung was perhaps stored. */
        bool late = sim_below(sim, 100) < scripted->sink->late_percent;
        one->cancelled = true;
        one->outcome = late && one->outcome == WEIR_OK ? WEIR_OK : WEIR_RETRY;
        one->store = one->store && (late || sim_below(sim, 2) == 0);
        clock->arm(clock->ctx, &one->timer, late ? (int64_t)sim_below(sim, 1500) : 0);
    }
}

/* ---- life ---- */

struct sim_scripted *sim_scripted_new(struct sim_process *process, struct sim_sink *sink)
{
    struct sim_scripted *scripted = calloc(1, sizeof *scripted);
    CHECK_FATAL(scripted != NULL);
    scripted->process = process;
    scripted->sink = sink;
    scripted->plugin.desc = (weir_plugin){.abi = WEIR_ABI_CURRENT,
                                          .struct_size = sizeof(weir_plugin),
                                          .name = "scripted",
                                          .record = sink->sync ? record : NULL,
                                          .deliver = sink->sync ? NULL : deliver,
                                          .cancel = cancel};
    scripted->instance.plugin = &scripted->plugin;
    scripted->instance.self = scripted;
    scripted->instance.services.board = process->board;
    return scripted;
}

/* As close() after cancel(): what it still holds is forgotten. */
void sim_scripted_free(struct sim_scripted *scripted)
{
    struct clock *clock = &scripted->process->world->world.clock;
    while (scripted->pending) {
        struct pending *one = scripted->pending;
        scripted->pending = one->next;
        clock->disarm(clock->ctx, &one->timer);
        free(one);
    }
    sim_lanes_done(&scripted->lanes);
    free(scripted);
}

weir_instance *sim_scripted_instance(struct sim_scripted *scripted)
{
    return &scripted->instance;
}

bool sim_scripted_idle(const struct sim_scripted *scripted)
{
    return !scripted->pending;
}

void sim_scripted_leave(struct sim_scripted *scripted, struct sim_lanes *lanes)
{
    for (const struct pending *one = scripted->pending; one; one = one->next)
        if (!one->dead)
            sim_complain(scripted->process->sim, "%s goes while record %u is with it",
                         scripted->sink->name, one->truth);
    *lanes = scripted->lanes;
    scripted->lanes = (struct sim_lanes){NULL, NULL, 0, NULL, 0};
}

void sim_scripted_follow(struct sim_scripted *scripted, struct sim_lanes *lanes)
{
    scripted->lanes = *lanes;
    *lanes = (struct sim_lanes){NULL, NULL, 0, NULL, 0};
}
