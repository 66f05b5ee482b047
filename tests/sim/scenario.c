#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static bool in_child;
static unsigned failures_before;

struct sim *scene_begin(unsigned partitions)
{
    int status = 0;
    if (in_child) /* a fatal check has ended the scenario */
        _exit(1);
    pid_t pid = fork();
    CHECK_FATAL(pid >= 0);
    if (pid > 0) {
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return NULL;
    }
    in_child = true;
    failures_before = CU_get_number_of_failures();
    alarm(100);
    struct sim *sim = calloc(1, sizeof *sim);
    CHECK_FATAL(sim != NULL);
    sim_init(sim, 1, getenv("SIM_TRACE") != NULL);
    sim->keeps_lines = true;
    streams_model_create(&sim->model, "Products", partitions, sim_unix_ms(sim));
    sim->config.tables[0] = "Products";
    sim_add(sim, SIM_SCRIPTED, "s");
    return sim;
}

void scene_end(struct sim *sim)
{
    if (sim->complaints == 0)
        sim_done(sim);
    sim_print_failures(failures_before);
    _exit(CU_get_number_of_failures() > failures_before);
}

struct model_stream *scene_stream(struct sim *sim, size_t stream)
{
    return &sim->model.streams[stream];
}

struct model_shard *scene_shard(struct sim *sim, size_t stream, size_t shard)
{
    return &sim->model.streams[stream].shards[shard];
}

void scene_write(struct sim *sim, size_t stream, unsigned count, unsigned items)
{
    for (unsigned i = 0; i < count; i++)
        sim_put(sim, stream, i % items);
}

size_t scene_close(struct sim *sim, size_t stream, size_t shard, unsigned children)
{
    return streams_model_close(&sim->model, stream, shard, children, sim_unix_ms(sim));
}

void scene_all(struct sim *sim, int64_t ms)
{
    if (!sim_until(sim, sim_all_finished, ms))
        sim_check_end(sim);
}

void scene_given_once(struct sim *sim)
{
    CHECK_INT(sim->sinks[0].given_count, sim->truth_count);
    CHECK_INT(sim->sinks[0].repeats, 0);
}

void scene_close_down(struct sim *sim)
{
    if (!sim->processes[0].alive)
        sim_start(sim, 0);
    sim_run(sim, 5 * MINUTE_MS); /* what a crash let go is given again, and folded */
    scene_all(sim, 10 * MINUTE_MS);
    CHECK_INT(sim_end_life(sim, 0, 10 * MINUTE_MS), 0);
    uint64_t given = sim->sinks[0].given_count;
    sim_start(sim, 0);
    sim_run(sim, 5 * MINUTE_MS);
    CHECK_INT(sim_end_life(sim, 0, 10 * MINUTE_MS), 0);
    CHECK_INT(sim->sinks[0].given_count, given);
    sim_check_end(sim);
}

bool scene_logged(const struct sim *sim, const char *text)
{
    return strstr(sim->lines.ptr ? sim->lines.ptr : "", text) != NULL;
}
