/* F1 to F19 and F70 to F74: what a stream, its service and the process's host do to a reader. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- iterators and pages ---- */

struct nth { /* a fault at each n-th call of a kind */
    enum model_kind kind;
    unsigned every, seen, most;
    const char *error;
};

static const char *at_nth(void *ctx, const struct model_call *call)
{
    struct nth *nth = ctx;
    if (call->kind != nth->kind || ++nth->seen % nth->every || nth->most == 0)
        return NULL;
    nth->most--;
    return nth->error;
}

static void F1_iterators_expire_again_and_again(void)
{
    struct nth nth = {MODEL_RECORDS, 3, 0, 40, "ExpiredIteratorException"};
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->model.fault = at_nth;
    sim->model.ctx = &nth;
    sim->model.page_records = 3;
    scene_write(sim, 0, 100, 4);
    sim_start(sim, 0);
    scene_all(sim, 10 * MINUTE_MS);
    CHECK(poll_counts(sim->processes[0].poll).expired > 5);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void F1_F78_the_process_sleeps_for_longer_than_an_iterator_lives(void)
{
    struct sim *sim = scene_begin(2);
    if (!sim)
        return;
    scene_write(sim, 0, 20, 4);
    sim_start(sim, 0);
    for (unsigned i = 0; i < 4; i++) {
        sim_run(sim, 5 * SECOND_MS);
        sim->processes[0].paused = true;
        scene_write(sim, 0, 20, 4);
        sim_run(sim, 16 * MINUTE_MS);
        sim->processes[0].paused = false;
    }
    scene_all(sim, 5 * MINUTE_MS);
    CHECK(poll_counts(sim->processes[0].poll).expired > 0);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void F5_hundreds_of_empty_pages_are_no_end(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->model.empty_pages = 500;
    scene_write(sim, 0, 10, 2);
    scene_close(sim, 0, 0, 1);
    scene_write(sim, 0, 10, 2);
    sim_start(sim, 0);
    scene_all(sim, HOUR_MS);
    scene_given_once(sim);
    scene_end(sim);
}

static void F13_answers_are_lost_and_pages_read_twice(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->net.lose_percent = 30;
    sim->model.page_records = 7;
    sim->heal_at_ms = HOUR_MS;
    scene_write(sim, 0, 200, 4);
    sim_start(sim, 0);
    scene_all(sim, 30 * MINUTE_MS);
    scene_given_once(sim);
    scene_end(sim);
}

static void F14_F15_long_numbers_and_times_that_step_back(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    for (unsigned i = 0; i < 100; i++) {
        sim->model.digits = (uint8_t)(21 + i / 5);
        sim->model.page_records = 7;
        sim_write(sim, 0,
                  &(struct model_write){.item = i % 3,
                                        .created_ms = SIM_START_MS - (int64_t)(i % 7) * 90000});
    }
    sim_start(sim, 0);
    sim_run(sim, 2 * SECOND_MS);
    sim_crash(sim, 0); /* positions of all lengths are compared with the records again */
    sim_start(sim, 0);
    scene_all(sim, 5 * MINUTE_MS);
    scene_close_down(sim);
    scene_end(sim);
}

static void F19_unknown_events_and_members_and_deletions_by_ttl(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    static const char ttl[] = "\"userIdentity\":{\"Type\":\"Service\",\"PrincipalId\":"
                              "\"dynamodb.amazonaws.com\"},\"fresh\":[{\"a\":null}],";
    scene_write(sim, 0, 4, 2);
    sim_write(sim, 0, &(struct model_write){.item = 0, .remove = true, .extra = ttl});
    sim_write(sim, 0, &(struct model_write){.item = 1, .event = "TRANSMOGRIFY"});
    sim_start(sim, 0);
    scene_all(sim, MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

/* ---- a service in trouble ---- */

static const char *first_shard_throttled(void *ctx, const struct model_call *call)
{
    const struct sim *sim = ctx;
    return call->kind == MODEL_RECORDS && call->shard == 0 && sim->now_ms < 10 * MINUTE_MS
               ? "LimitExceededException"
               : NULL;
}

static void F3_F12_one_shard_is_throttled_for_ten_minutes(void)
{
    struct sim *sim = scene_begin(2);
    if (!sim)
        return;
    sim->model.fault = first_shard_throttled;
    sim->model.ctx = sim;
    scene_write(sim, 0, 100, 20);
    sim_start(sim, 0);
    sim_run(sim, 10 * SECOND_MS);
    for (uint32_t i = 0; i < sim->truth_count; i++) /* the other shard goes on */
        CHECK(sim->truth[i].shard == 0 || sim_finished(&sim->sinks[0], i));
    uint64_t before = sim->model.calls[MODEL_RECORDS], other = scene_shard(sim, 0, 1)->calls;
    sim_run(sim, 9 * MINUTE_MS);
    uint64_t calls = sim->model.calls[MODEL_RECORDS] - before;
    calls -= scene_shard(sim, 0, 1)->calls - other;
    CHECK(calls > 20 && calls < 200); /* no faster than every few seconds in the long run */
    CHECK(scene_logged(sim, "W0802"));
    CHECK(poll_counts(sim->processes[0].poll).throttled > 20);
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    scene_end(sim);
}

static void F12_every_third_read_is_throttled(void)
{
    struct nth nth = {MODEL_RECORDS, 3, 0, 1000000, "ProvisionedThroughputExceededException"};
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->model.fault = at_nth;
    sim->model.ctx = &nth;
    sim->model.page_records = 5;
    scene_write(sim, 0, 300, 5);
    sim_start(sim, 0);
    scene_all(sim, 5 * MINUTE_MS);
    CHECK(scene_logged(sim, "W0802"));
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void F4_no_service_for_ten_minutes(void)
{
    struct sim *sim = scene_begin(2);
    if (!sim)
        return;
    sim->net.unreachable[sim->net.unreachable_count++] =
        (struct sim_window){20 * SECOND_MS, 10 * MINUTE_MS};
    scene_write(sim, 0, 20, 5);
    sim_start(sim, 0);
    sim_run(sim, 30 * SECOND_MS);
    uint64_t before = sim->requests;
    scene_write(sim, 0, 20, 5);
    scene_close(sim, 0, 0, 2);
    scene_write(sim, 0, 20, 5);
    sim_run(sim, 9 * MINUTE_MS);
    CHECK(sim->processes[0].alive);
    CHECK(sim->requests - before < 1500); /* no hot loop */
    CHECK(scene_logged(sim, "W0801"));
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void F4_no_service_when_it_starts(void)
{
    struct sim *sim = scene_begin(2);
    if (!sim)
        return;
    sim->net.unreachable[sim->net.unreachable_count++] = (struct sim_window){0, 10 * MINUTE_MS};
    scene_write(sim, 0, 20, 5);
    sim_start(sim, 0);
    sim_run(sim, 9 * MINUTE_MS);
    CHECK(sim->processes[0].alive);
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void F3_idle_shards_are_read_at_the_idle_pace(void)
{
    struct sim *sim = scene_begin(10);
    if (!sim)
        return;
    sim->config.idle_poll_ms = 5000;
    sim_start(sim, 0);
    sim_run(sim, 5 * MINUTE_MS);
    uint64_t before = sim->model.calls[MODEL_RECORDS];
    uint64_t described = sim->model.calls[MODEL_DESCRIBE];
    sim_run(sim, 10 * MINUTE_MS);
    uint64_t calls = sim->model.calls[MODEL_RECORDS] - before;
    CHECK(calls >= 10 * 120 &&
          calls <= 10 * 150); /* ten shards, a read each 5 s or a little less */
    CHECK(sim->model.calls[MODEL_DESCRIBE] - described <= 30);
    scene_write(sim, 0, 1, 1);
    scene_all(sim, 6 * SECOND_MS);
    scene_end(sim);
}

/* ---- streams ---- */

static void F10_a_disabled_stream_is_drained(void)
{
    struct sim *sim = scene_begin(2);
    if (!sim)
        return;
    sim->sinks[0].slow_ms = 100;
    scene_write(sim, 0, 50, 5);
    sim_start(sim, 0);
    sim_run(sim, SECOND_MS);
    scene_write(sim, 0, 50, 5);
    streams_model_disable(&sim->model, 0, sim_unix_ms(sim));
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    sim_run(sim, 5 * MINUTE_MS);
    CHECK(scene_logged(sim, "stream ended"));
    const struct state_row *row =
        vdisk_row(&sim->disk, STATE_STREAM, "", scene_stream(sim, 0)->arn, "");
    CHECK(row && row->read_to_end);
    scene_close_down(sim);
    scene_end(sim);
}

static void F11_several_streams_come_and_go_while_nobody_looks(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    scene_write(sim, 0, 10, 2);
    sim_start(sim, 0);
    scene_all(sim, MINUTE_MS);
    sim_crash(sim, 0);
    for (size_t i = 0; i < 3; i++) {
        streams_model_disable(&sim->model, i, sim_unix_ms(sim));
        streams_model_create(&sim->model, "Products", 1, sim_unix_ms(sim) + 1);
        sim_run(sim, MINUTE_MS);
        scene_write(sim, i + 1, 10, 2);
    }
    for (int64_t in = 1; in < 40; in += 3) { /* a crash after each of its first steps */
        sim_start(sim, 0);
        sim->crash_in = in;
        sim_run(sim, 30 * SECOND_MS);
        sim->crash_in = 0;
        sim_crash(sim, 0);
    }
    sim_start(sim, 0);
    scene_all(sim, 30 * MINUTE_MS);
    scene_close_down(sim);
    scene_end(sim);
}

static void F16_a_crash_before_the_first_position_of_a_start_at_latest(void)
{
    for (int64_t in = 1; in <= 30; in++) {
        struct sim *sim = scene_begin(2);
        if (!sim)
            continue;
        sim->config.start = POLL_LATEST;
        sim->model.no_timestamp = in % 2;
        for (size_t i = 0; i < SIM_STREAMS; i++)
            sim->began_ms[i] = INT64_MAX;
        scene_write(sim, 0, 20, 5);
        sim_run(sim, 10 * MINUTE_MS);
        sim->crash_in = in;
        sim_start(sim, 0);
        for (unsigned i = 0; i < 40; i++) {
            scene_write(sim, 0, 1, 1);
            sim_run(sim, 500);
        }
        sim->crash_in = 0;
        sim->processes[0].restart_at_ms = 0;
        if (!sim->processes[0].alive)
            sim_start(sim, 0);
        scene_all(sim, 5 * MINUTE_MS); /* all but what came before the start that was stored */
        CHECK(sim_count_marks(&sim->sinks[0], MARK_GIVEN) <=
              40); /* and little of what was before */
        scene_close_down(sim);
        scene_end(sim);
    }
}

static const char *tell_of_no_shards(void *ctx, const struct model_call *call)
{
    const bool *silent = ctx;
    return *silent && call->kind == MODEL_DESCRIBE ? "InternalServerError" : NULL;
}

/* The shards of the first stream are told of when there is a second one: all of that is read. */
static void F11_F16_a_stream_is_made_anew_before_a_start_at_latest_is_stored(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    bool silent = true;
    sim->config.start = POLL_LATEST;
    for (size_t i = 0; i < SIM_STREAMS; i++)
        sim->began_ms[i] = INT64_MAX;
    sim->model.fault = tell_of_no_shards;
    sim->model.ctx = &silent;
    sim_start(sim, 0);
    sim_run(sim, 10 * SECOND_MS);
    streams_model_disable(&sim->model, 0, sim_unix_ms(sim));
    streams_model_create(&sim->model, "Products", 1, sim_unix_ms(sim) + 1);
    sim_run(sim, MINUTE_MS); /* it is found */
    scene_write(sim, 1, 20, 5);
    silent = false;
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void F17_a_stream_without_old_images_is_refused_by_name(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim_add(sim, SIM_TABLE, "history");
    scene_stream(sim, 0)->view = "NEW_IMAGE";
    scene_write(sim, 0, 10, 2);
    sim->processes[0].lost = true; /* it may end by itself */
    sim_start(sim, 0);
    sim->processes[0].lost = true;
    sim_run(sim, MINUTE_MS);
    CHECK(!sim->processes[0].alive);
    CHECK_INT(sim->processes[0].exit_code, 78);
    CHECK(scene_logged(sim, "NEW_AND_OLD_IMAGES"));
    CHECK_INT(sim->sinks[0].given_count, 0);
    scene_end(sim);
}

/* ---- two processes ---- */

static void F18_a_paused_process_wakes_up_when_another_has_taken_over(void)
{
    struct sim *sim = scene_begin(2);
    if (!sim)
        return;
    sim->disk.lease_ms = 10 * SECOND_MS;
    sim->sinks[0].slow_ms = 400;
    scene_write(sim, 0, 100, 10);
    sim_start(sim, 0);
    sim_start(sim, 1);
    sim_run(sim, 2 * SECOND_MS);
    CHECK_FATAL(sim->processes[0].store->owns);
    sim->processes[0].paused = sim->processes[0].lost = true;
    sim_run(sim, 10 * SECOND_MS);
    vstore_lose(sim->processes[0].store, 5 * SECOND_MS);
    scene_write(sim, 0, 100, 10);
    sim_run(sim, 50 * SECOND_MS);
    sim->processes[0].paused = false; /* the checks refuse anything that it gives to a sink now */
    scene_all(sim, 10 * MINUTE_MS);
    sim_run(sim, MINUTE_MS);
    CHECK(!sim->processes[0].alive);
    CHECK_INT(sim_end_life(sim, 1, MINUTE_MS), 0);
    sim_start(sim, 0);
    scene_close_down(sim);
    scene_end(sim);
}

/* ---- the process and its store ---- */

static void F70_a_crash_at_each_await(void)
{
    for (int64_t in = 1; in <= 120; in += 7) {
        struct sim *sim = scene_begin(1);
        if (!sim)
            continue;
        sim->config.store_every_ms = 200;
        sim->model.page_records = 10;
        sim->sinks[0].slow_ms = 30;
        sim->crash_every = sim->crash_in = in; /* and again */
        sim->heal_at_ms = 5 * MINUTE_MS;
        scene_write(sim, 0, 60, 5);
        scene_close(sim, 0, 0, 2);
        scene_write(sim, 0, 60, 5);
        sim_start(sim, 0);
        sim_run(sim, 5 * MINUTE_MS);
        if (!sim->processes[0].alive && !sim->processes[0].restart_at_ms)
            sim_start(sim, 0);
        scene_all(sim, 10 * MINUTE_MS);
        CHECK(sim->crashes > 0);
        scene_close_down(sim);
        scene_end(sim);
    }
}

static void F71_a_stop_in_the_middle_of_work_is_clean(void)
{
    for (int64_t ms = 100; ms <= 6000; ms += 450) {
        struct sim *sim = scene_begin(1);
        if (!sim)
            continue;
        sim->sinks[0].slow_ms = 300;
        sim->model.page_records = 10;
        scene_write(sim, 0, 100, 5);
        sim_start(sim, 0);
        sim_run(sim, ms);
        CHECK_INT(sim_end_life(sim, 0, MINUTE_MS), 0);
        sim_start(sim, 0);
        scene_all(sim, 5 * MINUTE_MS);
        scene_given_once(sim); /* also not what was done at the stop */
        scene_close_down(sim);
        scene_end(sim);
    }
}

static void F73_the_store_fails_for_minutes(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->store_fails[sim->store_fails_count++] = (struct sim_window){10 * SECOND_MS, 6 * MINUTE_MS};
    sim_start(sim, 0);
    for (unsigned i = 0; i < 60; i++) {
        scene_write(sim, 0, 5, 5);
        sim_run(sim, 5 * SECOND_MS);
    }
    uint64_t given = sim->sinks[0].given_count;
    CHECK(given < 300); /* reading waits, since nothing that is delivered is remembered */
    CHECK(scene_logged(sim, "W0806"));
    scene_all(sim, 10 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

/* A chain of three shards; then only the middle one's "done" got into the store. */
static void F73_F74_a_save_that_was_cut_off_keeps_parents_first(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim_start(sim, 0);
    scene_write(sim, 0, 10, 1);
    sim_run(sim, 5 * SECOND_MS);
    struct vrow *row = NULL, before = {0};
    for (size_t i = 0; i < sim->disk.row_count; i++)
        if (sim->disk.rows[i].row.kind == STATE_POSITION)
            row = &sim->disk.rows[i];
    CHECK_FATAL(row != NULL);
    before = *row;
    row->text = NULL; /* kept, as what the store fell back to */
    size_t child = scene_close(sim, 0, 0, 1);
    scene_write(sim, 0, 10, 1);
    scene_close(sim, 0, child, 1);
    scene_write(sim, 0, 10, 1);
    scene_all(sim, MINUTE_MS);
    sim_run(sim, 10 * SECOND_MS);
    sim_crash(sim, 0);
    free(row->text);
    *row = before;
    row->row.position = STR_NONE;
    sim->sinks[0].progress[0][0] = (struct sim_progress){0};
    scene_write(sim, 0, 10, 1);
    sim->model.fault = first_shard_throttled;
    sim->model.ctx = sim;
    sim_start(sim, 0);
    sim_run(sim, 20 * MINUTE_MS); /* the checks want one item's changes in order within a life */
    CHECK_INT(sim->sinks[0].given_count, 50);
    scene_close_down(sim);
    scene_end(sim);
}

/* A record whose message could not be built is one to try again: nothing is dropped for that. */
static void F77_memory_is_lacking_where_messages_are_built(void)
{
    struct sim *sim = scene_begin(2);
    if (!sim)
        return;
    struct sim_sink *queue = sim_add(sim, SIM_QUEUE, "queue");
    queue->route.on_exhausted = ROUTE_DROP;
    queue->route.max_attempts = 1000;
    sim->starve_every = 3;
    sim_start(sim, 0);
    for (unsigned i = 0; i < 60; i++) {
        scene_write(sim, 0, 20, 20);
        sim_run(sim, 2 * SECOND_MS);
    }
    sim->starve_every = 0;
    sim_run(sim, 5 * MINUTE_MS);
    if (!sim->processes[0].alive) /* it gave up: who runs it starts it again */
        sim_start(sim, 0);
    scene_all(sim, 5 * MINUTE_MS);
    CHECK(!scene_logged(sim, "no such form"));
    scene_close_down(sim);
    scene_end(sim);
}

static void F77_a_sink_that_is_down_for_hours_pins_little(void)
{
    struct sim *sim = scene_begin(4);
    if (!sim)
        return;
    struct sim_sink *sink = &sim->sinks[0];
    sink->down[sink->down_count++] = (struct sim_window){0, 3 * HOUR_MS};
    sim_add(sim, SIM_SCRIPTED, "other");
    sim->config.in_flight_bytes = 1 << 20;
    sim->config.queued_records = 1000;
    sim_start(sim, 0);
    for (unsigned i = 0; i < 60; i++) {
        scene_write(sim, 0, 100, 20);
        sim_run(sim, 3 * MINUTE_MS);
    }
    CHECK(sim->most_pinned < (4 << 20));
    CHECK(sim->most_queued <= 3000);
    CHECK(scene_logged(sim, "W0807"));
    scene_all(sim, 2 * HOUR_MS);
    CHECK_INT(sim->sinks[1].given_count, 6000);
    scene_close_down(sim);
    scene_end(sim);
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(F1_iterators_expire_again_and_again),
        TEST(F1_F78_the_process_sleeps_for_longer_than_an_iterator_lives),
        TEST(F5_hundreds_of_empty_pages_are_no_end),
        TEST(F13_answers_are_lost_and_pages_read_twice),
        TEST(F14_F15_long_numbers_and_times_that_step_back),
        TEST(F19_unknown_events_and_members_and_deletions_by_ttl),
        TEST(F3_F12_one_shard_is_throttled_for_ten_minutes),
        TEST(F12_every_third_read_is_throttled),
        TEST(F4_no_service_for_ten_minutes),
        TEST(F4_no_service_when_it_starts),
        TEST(F3_idle_shards_are_read_at_the_idle_pace),
        TEST(F10_a_disabled_stream_is_drained),
        TEST(F11_several_streams_come_and_go_while_nobody_looks),
        TEST(F16_a_crash_before_the_first_position_of_a_start_at_latest),
        TEST(F11_F16_a_stream_is_made_anew_before_a_start_at_latest_is_stored),
        TEST(F17_a_stream_without_old_images_is_refused_by_name),
        TEST(F18_a_paused_process_wakes_up_when_another_has_taken_over),
        TEST(F70_a_crash_at_each_await),
        TEST(F71_a_stop_in_the_middle_of_work_is_clean),
        TEST(F73_the_store_fails_for_minutes),
        TEST(F73_F74_a_save_that_was_cut_off_keeps_parents_first),
        TEST(F77_memory_is_lacking_where_messages_are_built),
        TEST(F77_a_sink_that_is_down_for_hours_pins_little),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "sim_source_faults", tests);
}
