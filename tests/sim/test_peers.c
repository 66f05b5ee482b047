/* B1 to B20: ways in which other stream readers have lost or stalled data, played against the whole
 * source. */
#include "scenario.h"

#include <stdio.h>

/* ---- shard ends ---- */

static void last_page(enum model_end end, bool late)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->model.end = end;
    sim->model.end_late = late;
    scene_write(sim, 0, 5, 2);
    scene_close(sim, 0, 0, 1);
    scene_write(sim, 0, 3, 2);
    sim_start(sim, 0);
    scene_all(sim, MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    CHECK(vdisk_row(&sim->disk, STATE_POSITION, "s", scene_stream(sim, 0)->arn,
                    scene_shard(sim, 0, 0)->id)
              ->done);
    scene_end(sim);
}

static void B1_F6_last_page_comes_with_a_null_iterator(void)
{
    last_page(MODEL_END_NULL, false);
}

static void B12_the_next_iterator_is_not_there_at_all(void)
{
    last_page(MODEL_END_ABSENT, false);
}

static void B12_the_next_iterator_is_empty(void)
{
    last_page(MODEL_END_EMPTY, true);
}

static void B2_a_child_is_read_from_its_beginning(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->config.start = POLL_LATEST;
    for (size_t i = 0; i < SIM_STREAMS; i++)
        sim->began_ms[i] = INT64_MAX;
    sim_start(sim, 0);
    sim_run(sim, 10 * SECOND_MS);
    scene_write(sim, 0, 5, 2);
    size_t child = scene_close(sim, 0, 0, 1);
    scene_shard(sim, 0, child)->listed_ms += 30 * SECOND_MS;
    scene_write(sim, 0, 20, 2); /* before anybody can know of the child */
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void B3_F7_shards_that_come_later_are_found(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    size_t shard = 0;
    sim_start(sim, 0);
    for (unsigned i = 0; i < 10; i++) {
        scene_write(sim, 0, 10, 3);
        sim_run(sim, 20 * SECOND_MS);
        shard = scene_close(sim, 0, shard, 1 + i % 2);
    }
    scene_write(sim, 0, 10, 3);
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void B4_F9_a_list_of_three_pages_of_which_one_is_empty(void)
{
    struct sim *sim = scene_begin(250);
    if (!sim)
        return;
    sim->model.describe_empty_at = 2;
    sim->model.trailing_cursor = true;
    scene_write(sim, 0, 1000, 1000);
    sim_start(sim, 0);
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void F9_a_list_whose_cursor_repeats(void)
{
    struct sim *sim = scene_begin(250);
    if (!sim)
        return;
    sim->model.repeat_cursor = 5;
    scene_write(sim, 0, 1000, 1000);
    sim_start(sim, 0);
    scene_all(sim, 10 * MINUTE_MS);
    scene_given_once(sim);
    scene_end(sim);
}

static const char *expire_the_first(void *ctx, const struct model_call *call)
{
    unsigned *left = ctx;
    if (call->kind != MODEL_RECORDS || *left == 0)
        return NULL;
    --*left;
    return "ExpiredIteratorException";
}

static void B5_F1_an_iterator_expires_before_any_record(void)
{
    unsigned left = 3;
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->model.fault = expire_the_first;
    sim->model.ctx = &left;
    scene_write(sim, 0, 20, 2);
    sim_start(sim, 0);
    scene_all(sim, MINUTE_MS);
    CHECK_INT(left, 0);
    scene_given_once(sim);
    scene_end(sim);
}

static void B6_a_child_is_closed_before_its_parent_is_drained(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    size_t shard = 0;
    for (unsigned i = 0; i < 5; i++) {
        scene_write(sim, 0, 150, 2);
        shard = scene_close(sim, 0, shard, 1);
    }
    sim->sinks[0].slow_ms = 200;
    sim_start(sim, 0);
    scene_all(sim, 20 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void children_after(int64_t ms, enum model_filter filter)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->model.filter = filter;
    scene_write(sim, 0, 5, 2);
    sim_start(sim, 0);
    sim_run(sim, 5 * SECOND_MS);
    scene_close(sim, 0, 0, 0);
    sim_run(sim, ms);
    streams_model_adopt(&sim->model, 0, 0, 2, sim_unix_ms(sim));
    scene_write(sim, 0, 20, 5);
    scene_all(sim, 40 * SECOND_MS); /* not only at the next full sweep */
    scene_given_once(sim);
    scene_end(sim);
}

static void B7_children_come_half_a_minute_after_their_parents_end(void)
{
    children_after(30 * SECOND_MS, MODEL_FILTER_HONOURED);
}

static void B7_children_come_late_where_the_filter_is_ignored(void)
{
    children_after(30 * SECOND_MS, MODEL_FILTER_IGNORED);
}

static void B7_children_come_late_where_the_filter_gives_the_parent(void)
{
    children_after(5 * SECOND_MS, MODEL_FILTER_PARENT);
}

static void B7_children_come_late_where_the_filter_is_refused(void)
{
    children_after(30 * SECOND_MS, MODEL_FILTER_REFUSED);
}

static void B8_F8_a_child_whose_parent_was_trimmed_from_the_list(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    scene_close(sim, 0, 0, 2);
    scene_shard(sim, 0, 0)->hidden = scene_shard(sim, 0, 0)->forgotten = true;
    scene_write(sim, 0, 30, 5);
    sim_start(sim, 0);
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void B9_F7_parent_and_child_hold_changes_of_the_same_item(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    struct sim_sink *other = sim_add(sim, SIM_SCRIPTED, "quick");
    sim->sinks[0].slow_ms = 300;
    sim->sinks[0].retry_percent = 20;
    sim->heal_at_ms = 10 * MINUTE_MS;
    scene_write(sim, 0, 60, 2);
    size_t child = scene_close(sim, 0, 0, 2);
    scene_write(sim, 0, 60, 2);
    scene_close(sim, 0, child, 1);
    scene_close(sim, 0, child + 1, 1);
    scene_write(sim, 0, 60, 2);
    sim_start(sim, 0);
    scene_all(sim, 30 * MINUTE_MS); /* the checks look at order and parents all the time */
    CHECK_INT(other->given_count, 180);
    scene_close_down(sim);
    scene_end(sim);
}

/* ---- trimming, streams made anew ---- */

/* Ten records are delivered, ten more are trimmed before anybody reads them, ten are left. */
static struct sim *trimmed_history(bool go_on)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return NULL;
    sim->config.on_gap_continue = go_on;
    scene_write(sim, 0, 10, 2);
    sim_start(sim, 0);
    scene_all(sim, MINUTE_MS);
    CHECK_INT(sim_end_life(sim, 0, MINUTE_MS), 0);
    scene_write(sim, 0, 10, 2);
    sim_run(sim, 20 * HOUR_MS);
    scene_write(sim, 0, 10, 2);
    sim_run(sim, 5 * HOUR_MS);
    sim_start(sim, 0);
    return sim;
}

static void check_gap(struct sim *sim, bool accepted)
{
    char sequence[MODEL_SEQUENCE_ROOM];
    const struct model_shard *shard = scene_shard(sim, 0, 0);
    const struct state_row *row =
        vdisk_row(&sim->disk, STATE_GAP, "s", scene_stream(sim, 0)->arn, shard->id);
    CHECK_FATAL(row != NULL);
    CHECK_INT(row->done, accepted);
    streams_model_sequence(&sim->model, &shard->records[9], sequence);
    CHECK(str_is(row->position, sequence));
    streams_model_sequence(&sim->model, &shard->records[20], sequence);
    CHECK(str_is(row->first_available, sequence));
    CHECK(scene_logged(sim, "W0803"));
}

static void B10_F2_trimmed_records_are_a_gap_that_is_told_and_passed(void)
{
    struct sim *sim = trimmed_history(true);
    if (!sim)
        return;
    scene_all(sim, 5 * MINUTE_MS);
    check_gap(sim, true);
    CHECK_INT(poll_counts(sim->processes[0].poll).gaps, 1);
    CHECK_INT(sim->sinks[0].given_count, 20);
    scene_close_down(sim);
    scene_end(sim);
}

static void B10_F2_trimmed_records_stop_their_shard_until_the_gap_is_accepted(void)
{
    struct sim *sim = trimmed_history(false);
    if (!sim)
        return;
    sim_run(sim, 10 * MINUTE_MS);
    check_gap(sim, false);
    CHECK_INT(sim->sinks[0].given_count, 10);
    CHECK_INT(poll_counts(sim->processes[0].poll).shards_held, 1);
    for (size_t i = 0; i < sim->disk.row_count; i++) /* as `weir shards accept-gap` does */
        if (sim->disk.rows[i].row.kind == STATE_GAP)
            sim->disk.rows[i].row.done = true;
    scene_all(sim, 10 * MINUTE_MS);
    CHECK_INT(sim->sinks[0].given_count, 20);
    scene_end(sim);
}

static void B10_F2_a_shard_that_was_trimmed_as_a_whole(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->config.on_gap_continue = true;
    scene_write(sim, 0, 10, 2);
    sim_start(sim, 0);
    scene_all(sim, MINUTE_MS);
    CHECK_INT(sim_end_life(sim, 0, MINUTE_MS), 0);
    scene_write(sim, 0, 10, 2);
    scene_close(sim, 0, 0, 1);
    sim_run(sim, 20 * HOUR_MS);
    scene_write(sim, 0, 10, 2);
    sim_run(sim, 5 * HOUR_MS);
    sim_start(sim, 0);
    scene_all(sim, 10 * MINUTE_MS);
    CHECK_INT(sim->sinks[0].given_count, 20);
    CHECK(scene_logged(sim, "W0803"));
    scene_close_down(sim);
    scene_end(sim);
}

static void B11_F11_a_stream_made_anew_counts_from_lower_numbers(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->model.digits = 30;
    scene_write(sim, 0, 20, 2);
    sim_start(sim, 0);
    sim_run(sim, 10 * SECOND_MS);
    scene_write(sim, 0, 20, 2);
    streams_model_disable(&sim->model, 0, sim_unix_ms(sim));
    sim->model.digits = 21; /* all of its numbers are lower than any stored position */
    size_t second = streams_model_create(&sim->model, "Products", 2, sim_unix_ms(sim) + 1);
    sim_run(sim, 1);
    scene_write(sim, second, 20, 2);
    scene_all(sim, 15 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

/* ---- lists that contradict themselves ---- */

static void B13_a_closed_shard_without_children_and_an_open_one_with(void)
{
    struct sim *sim = scene_begin(2);
    if (!sim)
        return;
    scene_write(sim, 0, 40, 10);
    sim_start(sim, 0);
    sim_run(sim, 5 * SECOND_MS);
    size_t late = scene_close(sim, 0, 0, 2);
    scene_shard(sim, 0, late)->listed_ms += 45 * SECOND_MS;
    scene_shard(sim, 0, late + 1)->listed_ms += 20 * SECOND_MS;
    scene_close(sim, 0, 1, 1);
    scene_shard(sim, 0, 1)->end_listed_ms += 60 * SECOND_MS;
    scene_write(sim, 0, 40, 10);
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void B14_finished_shards_are_not_read_again_for_days(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    size_t shard = 0;
    sim->config.idle_poll_ms = MINUTE_MS;
    for (unsigned i = 0; i < 24; i++) { /* four days; the process begins anew every few hours */
        sim_start(sim, 0);
        scene_write(sim, 0, 10, 3);
        sim_run(sim, 4 * HOUR_MS);
        shard = scene_close(sim, 0, shard, 1);
        CHECK_INT(sim_end_life(sim, 0, MINUTE_MS), 0);
    }
    sim_start(sim, 0);
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    CHECK(sim->disk.row_count < 20); /* and those of old shards are forgotten in the end */
    scene_close_down(sim);
    scene_end(sim);
}

static void B15_two_streams_turn_over_at_once(void)
{
    struct sim *sim = scene_begin(2);
    if (!sim)
        return;
    streams_model_create(&sim->model, "Orders", 2, sim_unix_ms(sim));
    sim->config.tables[1] = "Orders";
    sim_start(sim, 0);
    for (unsigned i = 0; i < 5; i++) {
        scene_write(sim, 0, 20, 5);
        scene_write(sim, 1, 20, 5);
        sim_run(sim, 10 * SECOND_MS);
        for (size_t stream = 0; stream < 2; stream++)
            for (size_t k = 0; k < 2; k++)
                scene_close(sim, stream, scene_stream(sim, stream)->leaves[k], 1);
    }
    scene_write(sim, 0, 20, 5);
    scene_write(sim, 1, 20, 5);
    scene_all(sim, MINUTE_MS); /* no lag up to the next sweep */
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void B16_a_lease_that_was_lost_is_taken_again(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    scene_write(sim, 0, 10, 2);
    sim_start(sim, 0);
    sim_run(sim, 5 * SECOND_MS);
    sim->processes[0].lost = true;
    sim->processes[0].back_after_ms = SECOND_MS; /* who runs it starts it again */
    vstore_lose(sim->processes[0].store, 3000);
    sim_run(sim, 10 * SECOND_MS);
    scene_write(sim, 0, 10, 2);
    scene_all(sim, 5 * MINUTE_MS);
    scene_given_once(sim);
    sim->processes[0].back_after_ms = 0;
    scene_close_down(sim);
    scene_end(sim);
}

static void B17_no_position_is_stored_before_the_sink_has_the_record(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    struct sim_sink *sink = &sim->sinks[0];
    sink->down[sink->down_count++] = (struct sim_window){0, 10 * MINUTE_MS};
    sim_add(sim, SIM_SCRIPTED, "other");
    scene_write(sim, 0, 50, 5);
    sim_start(sim, 0);
    sim_run(sim, 9 * MINUTE_MS);
    const struct state_row *row = vdisk_row(&sim->disk, STATE_POSITION, "s",
                                            scene_stream(sim, 0)->arn, scene_shard(sim, 0, 0)->id);
    CHECK_FATAL(row != NULL);
    CHECK_INT(row->position.len, 0);
    CHECK_INT(sim->sinks[1].stored_count, 50); /* the other one has long been done */
    scene_all(sim, 5 * MINUTE_MS);
    scene_close_down(sim);
    scene_end(sim);
}

static void B18_what_follows_a_failed_record_is_not_passed_over(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    struct sim_sink *sink = &sim->sinks[0];
    sink->route.on_exhausted = ROUTE_BLOCK;
    sink->poison_every = 4;
    sim->heal_at_ms = 10 * MINUTE_MS;
    scene_write(sim, 0, 40, 5);
    sim_start(sim, 0);
    sim_run(sim, 5 * MINUTE_MS);
    CHECK(sink->stored_count < 40); /* the checks compare each stored position */
    sim_crash(sim, 0);
    sim_start(sim, 0);
    scene_all(sim, 30 * MINUTE_MS);
    scene_close_down(sim);
    scene_end(sim);
}

static void B19_a_record_that_always_fails_becomes_a_dead_letter(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->sinks[0].poison_every = 4;
    scene_write(sim, 0, 40, 5);
    sim_start(sim, 0);
    scene_all(sim, 5 * MINUTE_MS);
    CHECK(sim->disk.letter_count > 0);
    CHECK_INT(sim->disk.letter_count + sim->sinks[0].stored_count, 40);
    scene_close_down(sim);
    scene_end(sim);
}

/* ---- what is not found ---- */

static const char *not_found(void *ctx, const struct model_call *call)
{
    const struct sim *sim = ctx;
    bool reading = call->kind == MODEL_RECORDS || call->kind == MODEL_ITERATOR;
    return reading && sim->now_ms > 10 * SECOND_MS && sim->now_ms < 10 * MINUTE_MS
               ? "ResourceNotFoundException"
               : NULL;
}

static void B20_a_shard_that_is_not_found_but_listed_is_not_done(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    sim->model.fault = not_found;
    sim->model.ctx = sim;
    scene_write(sim, 0, 10, 2);
    sim_start(sim, 0);
    sim_run(sim, 20 * SECOND_MS);
    scene_write(sim, 0, 10, 2);
    sim_run(sim, 9 * MINUTE_MS); /* the checks refuse "done" of an open shard */
    CHECK(sim->sinks[0].given_count < 20);
    scene_all(sim, 10 * MINUTE_MS);
    scene_given_once(sim);
    scene_close_down(sim);
    scene_end(sim);
}

static void B20_F11_a_stream_that_is_not_there_ends_nothing(void)
{
    struct sim *sim = scene_begin(1);
    if (!sim)
        return;
    scene_write(sim, 0, 10, 2);
    sim_start(sim, 0);
    sim_run(sim, 20 * SECOND_MS);
    scene_stream(sim, 0)->state = MODEL_DELETED;
    sim_run(sim, 10 * MINUTE_MS);
    CHECK(scene_logged(sim, "W0901") || scene_logged(sim, "W0902"));
    CHECK(!vdisk_row(&sim->disk, STATE_POSITION, "s", scene_stream(sim, 0)->arn,
                     scene_shard(sim, 0, 0)->id)
               ->done);
    scene_stream(sim, 0)->state = MODEL_ENABLED; /* the wrong account was asked, say */
    scene_write(sim, 0, 10, 2);
    scene_all(sim, 10 * MINUTE_MS);
    scene_given_once(sim);
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
        TEST(B1_F6_last_page_comes_with_a_null_iterator),
        TEST(B12_the_next_iterator_is_not_there_at_all),
        TEST(B12_the_next_iterator_is_empty),
        TEST(B2_a_child_is_read_from_its_beginning),
        TEST(B3_F7_shards_that_come_later_are_found),
        TEST(B4_F9_a_list_of_three_pages_of_which_one_is_empty),
        TEST(F9_a_list_whose_cursor_repeats),
        TEST(B5_F1_an_iterator_expires_before_any_record),
        TEST(B6_a_child_is_closed_before_its_parent_is_drained),
        TEST(B7_children_come_half_a_minute_after_their_parents_end),
        TEST(B7_children_come_late_where_the_filter_is_ignored),
        TEST(B7_children_come_late_where_the_filter_gives_the_parent),
        TEST(B7_children_come_late_where_the_filter_is_refused),
        TEST(B8_F8_a_child_whose_parent_was_trimmed_from_the_list),
        TEST(B9_F7_parent_and_child_hold_changes_of_the_same_item),
        TEST(B10_F2_trimmed_records_are_a_gap_that_is_told_and_passed),
        TEST(B10_F2_trimmed_records_stop_their_shard_until_the_gap_is_accepted),
        TEST(B10_F2_a_shard_that_was_trimmed_as_a_whole),
        TEST(B11_F11_a_stream_made_anew_counts_from_lower_numbers),
        TEST(B13_a_closed_shard_without_children_and_an_open_one_with),
        TEST(B14_finished_shards_are_not_read_again_for_days),
        TEST(B15_two_streams_turn_over_at_once),
        TEST(B16_a_lease_that_was_lost_is_taken_again),
        TEST(B17_no_position_is_stored_before_the_sink_has_the_record),
        TEST(B18_what_follows_a_failed_record_is_not_passed_over),
        TEST(B19_a_record_that_always_fails_becomes_a_dead_letter),
        TEST(B20_a_shard_that_is_not_found_but_listed_is_not_done),
        TEST(B20_F11_a_stream_that_is_not_there_ends_nothing),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "sim_peers", tests);
}
