/* What happens around the processes: writes, shards that turn over, streams made anew, stops,
 * crashes, and owners that lose the state. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

static bool over(const struct sim_actors *actors)
{
    return actors->until_ms && actors->sim->now_ms >= actors->until_ms;
}

/* From a tenth of the mean to about twice of it. */
static void again(struct sim_actors *actors, struct timer *timer, int64_t mean_ms)
{
    if (mean_ms > 0)
        sim_arm(actors->sim, timer,
                mean_ms / 10 + (int64_t)sim_below(actors->sim, (uint64_t)mean_ms * 2));
}

/* ---- writes ---- */

static size_t some_stream(struct sim *sim)
{
    size_t open[SIM_STREAMS], count = 0;
    for (size_t i = 0; i < sim->model.count; i++)
        if (sim->model.streams[i].state == MODEL_ENABLED)
            open[count++] = i;
    return count ? open[sim_below(sim, count)] : SIZE_MAX;
}

static void write_one(struct sim_actors *actors)
{
    struct sim *sim = actors->sim;
    size_t stream = some_stream(sim);
    struct model_write write = {.item = (uint32_t)sim_below(sim, actors->items),
                                .remove = sim_below(sim, 100) < actors->remove_percent,
                                .poison = sim_below(sim, 100) < actors->poison_percent,
                                .padding = (size_t)sim_below(sim, actors->padding + 1)};
    if (stream != SIZE_MAX && sim->truth_count < actors->most_records)
        sim_write(sim, stream, &write);
}

static void on_write(struct timer *timer)
{
    struct sim_actors *actors =
        (struct sim_actors *)((char *)timer - offsetof(struct sim_actors, write));
    struct sim *sim = actors->sim;
    size_t count = sim_below(sim, 100) < actors->burst_percent ? 5 + sim_below(sim, 60) : 1;
    if (over(actors))
        return;
    if (sim->model.digits < 28 && sim_below(sim, 50) == 0)
        sim->model.digits++; /* longer numbers are higher ones */
    while (count--)
        write_one(actors);
    again(actors, timer, actors->write_every_ms);
}

/* ---- shards ---- */

struct orphans { /* children that come later than their parent's end */
    struct timer timer;
    struct sim *sim;
    size_t stream, parent;
    unsigned children;
};

/* A list may tell of a child before its parent, but not for long: a parent that it keeps from
 * telling of was trimmed, to all that a reader can know. */
enum { PARENT_LAG_MS = 5000 };

static void lag(struct sim *sim, int64_t lag_ms, size_t stream, size_t first)
{
    struct model_stream *one = &sim->model.streams[stream];
    for (size_t i = first; i < one->count; i++) {
        struct model_shard *shard = &one->shards[i];
        int64_t soonest_ms = one->shards[shard->parent].listed_ms - PARENT_LAG_MS;
        if (lag_ms && sim_below(sim, 2))
            shard->listed_ms += (int64_t)sim_below(sim, (uint64_t)lag_ms);
        if (shard->listed_ms < soonest_ms)
            shard->listed_ms = soonest_ms;
    }
}

static void on_adopt(struct timer *timer)
{
    struct orphans *orphans = (struct orphans *)((char *)timer - offsetof(struct orphans, timer));
    struct sim *sim = orphans->sim;
    if (sim->model.streams[orphans->stream].state == MODEL_ENABLED)
        lag(sim, 0, orphans->stream,
            streams_model_adopt(&sim->model, orphans->stream, orphans->parent, orphans->children,
                                sim_unix_ms(sim)));
    sim_trace(sim, "children of %s come",
              sim->model.streams[orphans->stream].shards[orphans->parent].id);
    free(orphans);
}

static void orphan(struct sim_actors *actors, size_t stream, size_t parent, unsigned children)
{
    struct orphans *orphans = calloc(1, sizeof *orphans);
    CHECK_FATAL(orphans != NULL);
    *orphans = (struct orphans){.timer.fire = on_adopt,
                                .sim = actors->sim,
                                .stream = stream,
                                .parent = parent,
                                .children = children};
    sim_arm(actors->sim, &orphans->timer,
            1 + (int64_t)sim_below(actors->sim, (uint64_t)actors->orphan_ms));
}

static void turn(struct sim_actors *actors, size_t stream)
{
    struct sim *sim = actors->sim;
    struct model_stream *one = &sim->model.streams[stream];
    unsigned children = one->leaf_count < 8 && sim_below(sim, 3) == 0 ? 2 : 1;
    if (one->leaf_count == 0)
        return;
    size_t parent = one->leaves[sim_below(sim, one->leaf_count)];
    sim_trace(sim, "%s ends, %u children", one->shards[parent].id, children);
    if (actors->orphan_ms && sim_below(sim, 3) == 0) {
        streams_model_close(&sim->model, stream, parent, 0, sim_unix_ms(sim));
        orphan(actors, stream, parent, children);
    } else {
        lag(sim, actors->list_lag_ms, stream,
            streams_model_close(&sim->model, stream, parent, children, sim_unix_ms(sim)));
    }
    if (actors->list_lag_ms && sim_below(sim, 2))
        one->shards[parent].end_listed_ms += (int64_t)sim_below(sim, (uint64_t)actors->list_lag_ms);
}

static void on_turn(struct timer *timer)
{
    struct sim_actors *actors =
        (struct sim_actors *)((char *)timer - offsetof(struct sim_actors, turn));
    size_t stream = some_stream(actors->sim);
    if (over(actors))
        return;
    for (uint64_t count = 1 + (sim_below(actors->sim, 5) == 0) * 2; stream != SIZE_MAX && count--;)
        turn(actors, stream);
    again(actors, timer, actors->shard_life_ms);
}

/* ---- streams ---- */

/* Disables one, and enables the table's stream again a little later, under a new name. */
static void on_renew(struct timer *timer)
{
    struct sim_actors *actors =
        (struct sim_actors *)((char *)timer - offsetof(struct sim_actors, renew));
    struct sim *sim = actors->sim;
    size_t stream = some_stream(sim);
    if (over(actors) || stream == SIZE_MAX || sim->model.count == SIM_STREAMS)
        return;
    char table[64];
    snprintf(table, sizeof table, "%s", sim->model.streams[stream].table);
    streams_model_disable(&sim->model, stream, sim_unix_ms(sim));
    sim_trace(sim, "the stream of %s is made anew", table);
    streams_model_create(&sim->model, table, 1 + (unsigned)sim_below(sim, 2), sim_unix_ms(sim) + 1);
    again(actors, timer, actors->renew_every_ms);
}

/* ---- processes ---- */

static void on_stop(struct timer *timer)
{
    struct sim_actors *actors =
        (struct sim_actors *)((char *)timer - offsetof(struct sim_actors, stop));
    struct sim *sim = actors->sim;
    if (over(actors))
        return;
    for (size_t i = 0; i < SIM_PROCESSES; i++) {
        struct sim_process *process = &sim->processes[i];
        if (process->alive && !process->stopping && sim_below(sim, 2)) {
            sim_stop(sim, i);
            process->back_after_ms = 1 + (int64_t)sim_below(sim, 20000);
        }
    }
    again(actors, timer, actors->stop_every_ms);
}

static void on_lose(struct timer *timer)
{
    struct sim_actors *actors =
        (struct sim_actors *)((char *)timer - offsetof(struct sim_actors, lose));
    struct sim *sim = actors->sim;
    if (over(actors))
        return;
    for (size_t i = 0; i < SIM_PROCESSES; i++) {
        struct sim_process *process = &sim->processes[i];
        if (process->alive && process->store->owns && !process->stopping) {
            sim_trace(sim, "process %zu loses the state", i);
            process->lost = true;
            process->back_after_ms = 1 + (int64_t)sim_below(sim, 20000);
            vstore_lose(process->store, (int64_t)sim_below(sim, 10000));
            break;
        }
    }
    again(actors, timer, actors->lose_every_ms);
}

void sim_act(struct sim *sim, struct sim_actors *actors)
{
    actors->sim = sim;
    actors->write.fire = on_write;
    actors->turn.fire = on_turn;
    actors->renew.fire = on_renew;
    actors->stop.fire = on_stop;
    actors->lose.fire = on_lose;
    again(actors, &actors->write, actors->write_every_ms);
    again(actors, &actors->turn, actors->shard_life_ms);
    again(actors, &actors->renew, actors->renew_every_ms);
    again(actors, &actors->stop, actors->stop_every_ms);
    again(actors, &actors->lose, actors->lose_every_ms);
    sim->crash_every = actors->crash_every;
    sim->crash_in =
        actors->crash_every ? 1 + (int64_t)sim_below(sim, (uint64_t)actors->crash_every * 2) : 0;
}
