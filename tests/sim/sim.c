/* The course of events: virtual time, the processes' steps, what surrounds them. */
#include "sim.h"

#include <CUnit/TestRun.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUSY_STEPS = 200000 /* steps without time moving on: a loop that never ends */ };

/* ---- random, trace, complaints ---- */

uint64_t sim_random(struct sim *sim)
{
    uint64_t z = sim->random += 0x9e3779b97f4a7c15ull; /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

uint64_t sim_below(struct sim *sim, uint64_t limit)
{
    return limit ? sim_random(sim) % limit : 0;
}

bool sim_healed(const struct sim *sim)
{
    return sim->heal_at_ms && sim->now_ms >= sim->heal_at_ms;
}

bool sim_chance(struct sim *sim, unsigned percent)
{
    return percent && sim_below(sim, 100) < percent && !sim_healed(sim);
}

bool sim_within(const struct sim *sim, const struct sim_window *windows, size_t count)
{
    for (size_t i = 0; i < count && !sim_healed(sim); i++)
        if (sim->now_ms >= windows[i].from_ms && sim->now_ms < windows[i].to_ms)
            return true;
    return false;
}

static void put_place(struct sim *sim)
{
    printf("\n%10lld.%03d #%llu ", (long long)(sim->now_ms / 1000), (int)(sim->now_ms % 1000),
           (unsigned long long)sim->steps);
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    va_list list;
    if (!sim->trace)
        return;
    put_place(sim);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
}

void sim_complain(struct sim *sim, const char *format, ...)
{
    va_list list;
    if (sim->complaints++ > 20)
        return;
    printf("\n    seed %llu at", (unsigned long long)sim->seed);
    put_place(sim);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    CU_FAIL("the simulator found a fault");
}

void sim_print_failures(unsigned before)
{
    for (CU_pFailureRecord one = CU_get_failure_list(); one; one = one->pNext)
        if (before > 0)
            before--;
        else
            printf("\n    %s:%u: %s", one->strFileName, one->uiLineNumber, one->strCondition);
}

int64_t sim_unix_ms(const struct sim *sim)
{
    return SIM_START_MS + sim->now_ms;
}

void sim_arm(struct sim *sim, struct timer *timer, int64_t delay_ms)
{
    CHECK_FATAL(timers_arm(&sim->timers, timer, sim->now_ms + (delay_ms > 0 ? delay_ms : 0)) == 0);
}

/* Room for so many timers, so that it is not these that lack memory. */
void sim_reserve(struct timers *timers)
{
    enum { TIMERS = 2048 };
    struct timer *list = calloc(TIMERS, sizeof *list);
    CHECK_FATAL(list != NULL);
    for (size_t i = 0; i < TIMERS; i++)
        CHECK_FATAL(timers_arm(timers, &list[i], 1) == 0);
    for (size_t i = 0; i < TIMERS; i++)
        timers_disarm(timers, &list[i]);
    free(list);
}

/* ---- steps ---- */

/* Runs `what` as (part of) the process; a crash in it comes back here. */
static void guarded(struct sim *sim, struct sim_process *process, void (*what)(void *), void *arg)
{
    sim->running = process;
    if (setjmp(sim->bury) == 0)
        what(arg);
    else
        sim_bury(process);
    sim->running = NULL;
}

/* One allocation of the step fails, now and then. */
static void starve(struct sim_process *process)
{
    struct sim *sim = process->sim;
    if (!sim->starve_every || sim_healed(sim) || !process->poll ||
        sim_below(sim, sim->starve_every) > 0)
        return;
    uint64_t nth = 1 + sim_below(sim, 4);
    sim->starves_at = mem_calls() + nth;
    mem_fail_at(nth);
}

static void end_starving(struct sim *sim, struct sim_process *process)
{
    if (sim->starves_at && mem_calls() >= sim->starves_at) {
        process->starved = true;
        sim->starved++;
        sim_trace(sim, "memory was lacking");
    }
    sim->starves_at = 0;
    mem_fail_at(0);
}

static void run_process_step(void *arg)
{
    struct sim_process *process = arg;
    process->stepped = false;
    starve(process);
    vworld_until(process->world, &process->stepped, 0);
}

static void run_timer(void *arg)
{
    struct timer *timer = arg;
    timer->fire(timer);
}

static bool due_now(const struct sim *sim, const struct sim_process *process)
{
    const struct vworld *world = process->world;
    const struct timer *first;
    if (!process->alive || process->paused)
        return false;
    first = timers_first(&world->timers);
    return world->posts || world->works || (first && first->at_ms <= sim->now_ms);
}

static void count_step(struct sim *sim)
{
    sim->steps++;
    if (sim->now_ms != sim->last_step_ms) {
        sim->last_step_ms = sim->now_ms;
        sim->steps_at_now = 0;
    }
    if (++sim->steps_at_now == BUSY_STEPS)
        sim_complain(sim, "busy: %d steps without time moving on", BUSY_STEPS);
}

static bool step_process(struct sim *sim, struct sim_process *process)
{
    if (!due_now(sim, process))
        return false;
    count_step(sim);
    guarded(sim, process, run_process_step, process);
    end_starving(sim, process);
    sim_perhaps_tidy(process);
    return true;
}

/* One thing that happens now; false = nothing is left for this millisecond. */
static bool step(struct sim *sim)
{
    struct timer *first;
    for (size_t i = 0; i < SIM_PROCESSES; i++)
        if (step_process(sim, &sim->processes[i]))
            return true;
    first = timers_first(&sim->timers);
    if (!first || first->at_ms > sim->now_ms)
        return false;
    timers_disarm(&sim->timers, first);
    count_step(sim);
    /* What reaches into a process says so itself, by sim_net_tell. */
    run_timer(first);
    return true;
}

static int64_t next_ms(const struct sim *sim)
{
    const struct timer *first = timers_first(&sim->timers);
    int64_t at_ms = first ? first->at_ms : INT64_MAX;
    for (size_t i = 0; i < SIM_PROCESSES; i++) {
        const struct sim_process *process = &sim->processes[i];
        if (!process->alive && process->restart_at_ms && process->restart_at_ms < at_ms)
            at_ms = process->restart_at_ms;
        if (!process->alive || process->paused)
            continue;
        first = timers_first(&process->world->timers);
        if (first && first->at_ms < at_ms)
            at_ms = first->at_ms;
    }
    return at_ms;
}

static void set_now(struct sim *sim, int64_t now_ms)
{
    if (now_ms > sim->now_ms)
        sim->now_ms = now_ms;
    for (size_t i = 0; i < SIM_PROCESSES; i++) {
        struct sim_process *process = &sim->processes[i];
        if (process->alive && process->world->now_ms < sim->now_ms)
            process->world->now_ms = sim->now_ms;
        if (!process->alive && process->restart_at_ms && process->restart_at_ms <= sim->now_ms)
            sim_start(sim, i);
    }
}

static bool over(const struct sim *sim)
{
    return sim->complaints > 0;
}

bool sim_until(struct sim *sim, bool (*come)(struct sim *sim), int64_t ms)
{
    int64_t end_ms = sim->now_ms + ms;
    while (!over(sim)) {
        if (come && come(sim))
            return true;
        if (step(sim))
            continue;
        int64_t at_ms = next_ms(sim);
        sim_check_busy(sim);
        if (at_ms > end_ms) {
            set_now(sim, end_ms);
            break;
        }
        set_now(sim, at_ms);
    }
    return come && come(sim);
}

void sim_run(struct sim *sim, int64_t ms)
{
    sim_until(sim, NULL, ms);
}

void sim_in_process(struct sim_process *process, void (*what)(void *), void *arg)
{
    guarded(process->sim, process, what, arg);
}

/* ---- life ---- */

struct sim_sink *sim_add(struct sim *sim, enum sim_kind kind, const char *name)
{
    CHECK_FATAL(sim->sink_count < SIM_SINKS);
    struct sim_sink *sink = &sim->sinks[sim->sink_count];
    *sink = (struct sim_sink){.sim = sim, .index = sim->sink_count++, .kind = kind};
    snprintf(sink->name, sizeof sink->name, "%s", name);
    sink->route =
        (struct route){.name = sink->name,
                       .required = true,
                       .order = kind == SIM_SCRIPTED || kind == SIM_FIFO ? ROUTE_ITEM : ROUTE_NONE,
                       .on_exhausted = ROUTE_DEAD,
                       .max_attempts = 5,
                       .base_ms = 100,
                       .cap_ms = 10000,
                       .timeout_ms = 30000,
                       .concurrency = 4,
                       .batch_records = kind == SIM_TABLE ? 25 : 10,
                       .queue_records = 10000};
    sink->events = kind == SIM_TABLE ? WEIR_MODIFY : 0;
    return sink;
}

void sim_init(struct sim *sim, uint64_t seed, bool trace)
{
    *sim = (struct sim){.seed = seed, .random = seed * 0x2545f4914f6cdd1dull + 1, .trace = trace};
    streams_model_init(&sim->model);
    sim_reserve(&sim->timers);
    sim->now_ms = 1000;
    sim->net.latency_ms = 20;
    sim->config = (struct sim_config){.batch_size = 100,
                                      .parallelization_factor = 1,
                                      .idle_poll_ms = 1000,
                                      .store_every_ms = 1000,
                                      .on_poison = ROUTE_DEAD,
                                      .in_flight_bytes = 64 << 20,
                                      .queued_records = 10000};
    sim->disk.changed = sim_row_written;
    sim->disk.ctx = sim;
    for (size_t i = 0; i < SIM_PROCESSES; i++)
        sim->processes[i].sim = sim;
}

void sim_done(struct sim *sim)
{
    for (size_t i = 0; i < SIM_PROCESSES; i++)
        if (sim->processes[i].alive)
            sim_crash(sim, i);
    sim_net_done(sim);
    timers_done(&sim->timers);
    streams_model_done(&sim->model);
    vdisk_done(&sim->disk);
    for (size_t i = 0; i < sim->sink_count; i++) {
        struct sim_sink *sink = &sim->sinks[i];
        free(sink->marks);
        free(sink->last);
        for (size_t k = 0; k < SIM_STREAMS; k++)
            free(sink->progress[k]);
    }
    for (size_t i = 0; i < SIM_STREAMS; i++)
        free(sim->last_of_item[i]);
    free(sim->truth);
    free(sim->lines.ptr);
}

/* ---- writes ---- */

/* The same for all streams of a table. */
static uint32_t lane_of(const struct sim *sim, size_t stream, uint32_t item)
{
    uint32_t table = 0;
    while (strcmp(sim->model.streams[table].table, sim->model.streams[stream].table) != 0)
        table++;
    return item * SIM_STREAMS + table;
}

size_t sim_write(struct sim *sim, size_t stream, const struct model_write *write)
{
    size_t shard = streams_model_write(&sim->model, stream, write, sim_unix_ms(sim));
    if (shard == SIZE_MAX)
        return SIZE_MAX;
    if (sim->truth_count == sim->truth_room) {
        sim->truth_room = sim->truth_room * 2 + 256;
        sim->truth = realloc(sim->truth, sim->truth_room * sizeof *sim->truth);
        CHECK_FATAL(sim->truth != NULL);
    }
    if (write->item >= sim->item_room[stream]) {
        size_t room = (size_t)write->item * 2 + 16, old = sim->item_room[stream];
        uint32_t *list = realloc(sim->last_of_item[stream], room * sizeof *list);
        CHECK_FATAL(list != NULL);
        memset(list + old, 0, (room - old) * sizeof *list);
        sim->last_of_item[stream] = list;
        sim->item_room[stream] = room;
    }
    const struct model_shard *one = &sim->model.streams[stream].shards[shard];
    const struct model_record *record = &one->records[one->count - 1];
    size_t index = sim->truth_count++;
    sim->truth[index] = (struct sim_truth){.number = record->number,
                                           .at_ms = record->at_ms,
                                           .stream = (uint32_t)stream,
                                           .shard = (uint32_t)shard,
                                           .record = (uint32_t)(one->count - 1),
                                           .item = record->item,
                                           .lane = lane_of(sim, stream, record->item),
                                           .version = record->version,
                                           .before = sim->last_of_item[stream][write->item],
                                           .event = record->event,
                                           .poison = record->poison};
    sim->last_of_item[stream][write->item] = (uint32_t)index + 1;
    sim_trace(sim, "write %zu (%llu): %c p%u v%u in %zu %s", index,
              (unsigned long long)record->number, record->event, record->item, record->version,
              stream, one->id);
    return index;
}

void sim_put(struct sim *sim, size_t stream, uint32_t item)
{
    sim_write(sim, stream, &(struct model_write){.item = item});
}
