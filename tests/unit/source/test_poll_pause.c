/* A sink that an operator pauses, over a stream: nothing is lost or doubled, whatever ends. */
#include "prig.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS };

static void begin(struct prig *prig, unsigned partitions)
{
    prig_init(prig, 2);
    prig->rig.config.queued_records = 60;
    prig->config.parallelization_factor = 10;
    prig->config.batch_size = 10;
    streams_model_create(&prig->model, "Products", partitions, prig_unix_ms(prig));
}

static size_t write_for(struct prig *prig, int64_t ms)
{
    size_t count = 0;
    for (; ms > 0; ms -= 10 * MINUTE_MS, count += 20) {
        prig_write(prig, 0, 20, 7);
        prig_run(prig, 10 * MINUTE_MS);
    }
    return count;
}

static void check_once(struct prig *prig, size_t sink, size_t count)
{
    size_t repeats;
    CHECK_INT(prig_got(prig, sink, &repeats), count);
    CHECK_INT(repeats, 0);
    CHECK(prig_in_order(prig, sink));
}

static void D4_a_paused_sink_holds_reading_then_is_detached_and_catches_up(void)
{
    const int64_t max_hold_ms[] = {6 * HOUR_MS, 6 * HOUR_MS};
    struct prig prig;
    begin(&prig, 2);
    prig.config.max_hold_ms = max_hold_ms;
    prig_start(&prig);
    size_t count = write_for(&prig, HOUR_MS);
    check_once(&prig, 1, count);
    router_pause(prig.rig.router, 1, true);
    count += write_for(&prig, 5 * HOUR_MS);
    CHECK(prig_got(&prig, 0, NULL) < count); /* reading is held */
    CHECK_INT(prig_lines(&prig, "W0814"), 0);
    count += write_for(&prig, 4 * HOUR_MS);
    CHECK_INT(prig_lines(&prig, "W0814"), 1);
    check_once(&prig, 0, count);
    size_t given = prig.rig.sinks[1].count;
    CHECK(given < count);
    streams_model_close(&prig.model, 0, 0, 2, prig_unix_ms(&prig));
    count += write_for(&prig, HOUR_MS);
    CHECK_INT(prig.rig.sinks[1].count, given);
    router_pause(prig.rig.router, 1, false);
    count += write_for(&prig, HOUR_MS);
    CHECK_INT(poll_counts(prig.poll).sinks_detached, 0);
    prig_stop(&prig, 0);
    check_once(&prig, 0, count);
    check_once(&prig, 1, count);
    prig_done(&prig);
}

/* What its plugin has is awaited; the rest is the next process's. */
static void a_stop_does_not_wait_for_a_paused_sink_and_the_next_start_goes_on(void)
{
    for (int detached = 0; detached < 2; detached++) {
        const int64_t max_hold_ms[] = {MINUTE_MS, MINUTE_MS};
        struct prig prig;
        begin(&prig, 3);
        prig.config.max_hold_ms = detached ? max_hold_ms : NULL;
        prig.rig.sinks[1].delay_ms = 2000;
        prig.rig.routes[1].batch_records = 2;
        prig_start(&prig);
        prig_run(&prig, MINUTE_MS);
        prig_write(&prig, 0, 50, 7);
        vworld_run(&prig.rig.world, 2500);
        router_pause(prig.rig.router, 1, true);
        size_t given = prig.rig.sinks[1].count;
        CHECK(given > 0 && given < 50);
        size_t count = 50 + (detached ? write_for(&prig, HOUR_MS) : 0);
        CHECK_INT(poll_counts(prig.poll).sinks_detached, detached);
        int64_t began_ms = prig.rig.world.now_ms;
        prig_stop(&prig, 0);
        CHECK(prig.rig.world.now_ms - began_ms < 5000);
        CHECK_INT(prig.rig.sinks[1].count, given);
        check_once(&prig, 0, count);
        prig_end(&prig);
        prig_start(&prig);
        CHECK_INT(router_counts(prig.rig.router, 1).paused_since_ms, 0);
        prig_run(&prig, 10 * MINUTE_MS);
        check_once(&prig, 0, count);
        size_t repeats;
        CHECK_INT(prig_got(&prig, 1, &repeats), count);
        CHECK(repeats <= 4 * 2); /* what was stored behind a record that was not: see D2 */
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

static const struct unit_test tests[] = {
    {"D4_a_paused_sink_holds_reading_then_is_detached_and_catches_up",
     D4_a_paused_sink_holds_reading_then_is_detached_and_catches_up},
    {"a_stop_does_not_wait_for_a_paused_sink_and_the_next_start_goes_on",
     a_stop_does_not_wait_for_a_paused_sink_and_the_next_start_goes_on},
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_pause", tests);
}
