/* A day and a bit of stream time: shards that live for hours, trimming, iterators that expire,
 * sinks that are down for hours. */
#include "scenario.h"

static void F2_F7_F68_a_day_of_a_table(void)
{
    struct sim *sim = scene_begin(3);
    if (!sim)
        return;
    static struct sim_actors actors; /* stays in place until the child ends */
    struct sim_sink *history = sim_add(sim, SIM_TABLE, "history");
    struct sim_sink *lazy = sim_add(sim, SIM_SCRIPTED, "lazy");
    sim->config.idle_poll_ms = 5000;
    sim->config.on_gap_continue = true;
    lazy->down[lazy->down_count++] = (struct sim_window){4 * HOUR_MS, 9 * HOUR_MS};
    history->down[history->down_count++] = (struct sim_window){HOUR_MS, 3 * HOUR_MS};
    sim->net = (struct sim_net){.latency_ms = 60,
                                .lose_percent = 1,
                                .error_percent = 1,
                                .throttle_percent = 2,
                                .unprocessed_percent = 5};
    actors = (struct sim_actors){.until_ms = 26 * HOUR_MS,
                                 .write_every_ms = 45 * SECOND_MS,
                                 .most_records = 3000,
                                 .items = 40,
                                 .burst_percent = 2,
                                 .remove_percent = 5,
                                 .shard_life_ms = HOUR_MS,
                                 .list_lag_ms = 20 * SECOND_MS,
                                 .stop_every_ms = 6 * HOUR_MS,
                                 .crash_every = 30000};
    sim->heal_at_ms = actors.until_ms;
    sim_act(sim, &actors);
    sim_start(sim, 0);
    sim_run(sim, 26 * HOUR_MS + MINUTE_MS);
    scene_all(sim, 2 * HOUR_MS);
    CHECK(sim->truth_count >= 2000);
    CHECK(scene_stream(sim, 0)->shards[0].forgotten || scene_stream(sim, 0)->count > 10);
    scene_close_down(sim);
    scene_end(sim);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F2_F7_F68_a_day_of_a_table", F2_F7_F68_a_day_of_a_table}, {NULL, NULL}};
    return unit_main(argc, argv, "sim_day", tests);
}
