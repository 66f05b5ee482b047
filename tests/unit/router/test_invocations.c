/* Lambda: deadlines, what outlives an invocation, revoked deliveries. */
#include "rig.h"

static int32_t hold(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

static int32_t fail_2(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return strcmp(seen->sequence, "2") == 0 ? WEIR_FAIL : WEIR_OK;
}

static int32_t all_retry(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_RETRY;
}

static void finished_records_are_not_given_again(void)
{
    struct rig rig;
    rig_init(&rig, 2, true);
    rig.sinks[0].script = fail_2;
    rig_start(&rig);
    CHECK_STR(rig_run(&rig, "1:x 2:y 3:z", 60000)->lowest, "2");
    CHECK_STR(rig_run(&rig, "2:y 3:z 4:z", 60000)->lowest, "2");
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 3 2 4");
    CHECK_STR(vsink_story(&rig.sinks[1]), "1 2 3 4");
    CHECK_INT(rig_counts(&rig, 1).duplicate, 2);
    rig.sinks[0].script = NULL;
    CHECK(rig_run(&rig, "2:y 3:z 4:z", 60000)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 3 2 4 2");
    CHECK(rig_run(&rig, "2:y 3:z 4:z", 60000)->complete); /* forgotten: acknowledged, yet here */
    CHECK_INT(vsink_times(&rig.sinks[1], "2"), 2);
    rig_done(&rig);
}

static void B19_attempts_are_counted_over_invocations(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig.routes[0].on_exhausted = ROUTE_DEAD;
    rig.routes[0].max_attempts = 4;
    rig.routes[0].base_ms = rig.routes[0].cap_ms = 1000000; /* one attempt an invocation */
    rig.sinks[0].script = all_retry;
    rig_start(&rig);
    for (int i = 0; i < 3; i++)
        CHECK_STR(rig_run(&rig, "1:x 2:x", 1000)->lowest, "1");
    CHECK_STR(rig_run(&rig, "1:x 2:x", 1000)->lowest, "2");
    CHECK(vworld_stored(&rig.world, "a", "1"));
    CHECK_INT(rig.world.letters[0].attempts, 4);
    rig_done(&rig);
}

static void with_block_each_invocation_has_all_attempts(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig.sinks[0].script = all_retry;
    rig_start(&rig);
    for (unsigned i = 1; i <= 4; i++) {
        CHECK(!rig_run(&rig, "1:x", 60000)->complete);
        CHECK_INT(rig.sinks[0].count, 3 * i);
    }
    rig_done(&rig);
}

static void F23_at_the_deadline_what_is_open_is_cancelled(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig.routes[0].concurrency = 1;
    rig.routes[0].batch_records = 2;
    rig.sinks[0].script = hold;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:x 2:y 3:z", 3000);
    vworld_settle(&rig.world);
    vsink_say(&rig.sinks[0], 0, WEIR_OK);
    const struct rig_answer *answer = rig_wait(&rig, number);
    CHECK_INT(answer->at_ms, 4000);
    CHECK(!answer->complete && !answer->sink_down);
    CHECK_STR(answer->lowest, "2");
    CHECK_INT(answer->unfinished, 2);
    CHECK_INT(rig.sinks[0].cancels, 1);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2"); /* 3 was not started at the last moment */
    CHECK(!timers_first(&rig.world.timers));
    rig_done(&rig);
}

/* What was completed before the deadline, or by cancel itself, still counts in the answer. */
static void what_cancel_completes_counts(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig.sinks[0].script = hold;
    rig.sinks[0].on_cancel = WEIR_OK;
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:x 2:y", 3000)->complete);
    rig_done(&rig);
}

static void a_plugin_that_takes_its_time_gets_nothing_after_the_deadline(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig_sync(&rig, 0);
    rig.sinks[0].blocks_ms = 400;
    rig_start(&rig);
    const struct rig_answer *answer = rig_run(&rig, "1:a 2:b 3:c 4:d 5:e 6:f", 1000);
    CHECK_STR(answer->lowest, "4");
    CHECK_INT(rig.sinks[0].count, 3);
    rig_done(&rig);
}

static void a_deadline_in_the_past_starts_nothing(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig_start(&rig);
    CHECK_STR(rig_run(&rig, "1:a", -10)->lowest, "1");
    CHECK_INT(rig.sinks[0].count, 0);
    rig_done(&rig);
}

/* ---- revoked deliveries ---- */

/* Sink a ignores cancel and still holds 1 (and 2, another item) when the batch has been answered.
 */
static void orphan_rig(struct rig *rig, enum route_order order)
{
    rig_init(rig, 1, true);
    rig->routes[0].order = order;
    rig->sinks[0].script = hold;
    rig->sinks[0].on_cancel = VSINK_HOLD;
    rig_start(rig);
    const struct rig_answer *answer = rig_run(rig, "1:x 2:y", 3000);
    CHECK_STR(answer->lowest, "1");
    CHECK_INT(answer->unfinished, 2);
    CHECK_INT(rig->sinks[0].count, 2);
}

static void a_late_ok_never_changes_the_answer_but_finishes_the_record(void)
{
    struct rig rig;
    orphan_rig(&rig, ROUTE_ITEM);
    vsink_say_all(&rig.sinks[0], WEIR_OK);
    vworld_settle(&rig.world);
    CHECK(!rig.answers[0].complete);
    CHECK_INT(rig_counts(&rig, 0).delivered, 0);
    CHECK_INT(rig_counts(&rig, 0).late, 2);
    CHECK(rig_run(&rig, "1:x 2:y", 3000)->complete);
    CHECK_INT(rig.sinks[0].count, 2);
    CHECK_INT(rig_counts(&rig, 0).duplicate, 2);
    rig_done(&rig);
}

static void a_record_behind_a_revoked_delivery_takes_its_outcome(void)
{
    static const enum route_order orders[] = {ROUTE_ITEM, ROUTE_NONE};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        orphan_rig(&rig, orders[i]);
        rig.sinks[0].script = NULL;
        size_t number = rig_submit(&rig, "1:x 2:y 3:z", 60000);
        vworld_run(&rig.world, 100);
        /* not a second time in parallel; what does not wait for them goes on */
        CHECK_INT(rig.sinks[0].count, 3);
        vsink_say(&rig.sinks[0], 0, WEIR_OK);
        vsink_say(&rig.sinks[0], 1, WEIR_RETRY);
        CHECK(rig_wait(&rig, number)->complete);
        CHECK_INT(vsink_times(&rig.sinks[0], "1"), 1);
        CHECK_INT(vsink_times(&rig.sinks[0], "2"), 2);
        CHECK_INT(rig_counts(&rig, 0).delivered, 3);
        rig_done(&rig);
    }
}

static void a_late_fail_of_a_revoked_delivery_is_a_fail(void)
{
    struct rig rig;
    orphan_rig(&rig, ROUTE_ITEM);
    size_t number = rig_submit(&rig, "1:x", 60000);
    vworld_run(&rig.world, 100);
    vsink_say(&rig.sinks[0], 0, WEIR_FAIL);
    CHECK_STR(rig_wait(&rig, number)->lowest, "1");
    CHECK_INT(rig.sinks[0].count, 2);
    vsink_say(&rig.sinks[0], 1, WEIR_OK);
    vworld_settle(&rig.world);
    rig_done(&rig);
}

/* The grace of 2 s began anew with the next invocation: then the sink is down, and the invocation
 * does not wait for its own deadline. */
static void a_delivery_that_is_never_completed_ends_the_next_invocation_early(void)
{
    struct rig rig;
    orphan_rig(&rig, ROUTE_ITEM);
    const struct rig_answer *answer = rig_run(&rig, "1:x 2:y", 900000);
    CHECK(!answer->complete && answer->sink_down);
    CHECK_INT(answer->at_ms, 4000 + 2000);
    CHECK_INT(rig.sinks[0].count, 2);
    CHECK(!rig_counts(&rig, 0).up);
    answer = rig_run(&rig, "1:x 2:y", 900000);
    CHECK(answer->sink_down);
    CHECK_INT(rig.world.now_ms, 6000); /* at once this time */
    rig.sinks[0].script = NULL;
    vsink_say_all(&rig.sinks[0], WEIR_OK);
    CHECK(rig_run(&rig, "1:x 2:y 3:x", 900000)->complete);
    CHECK(rig_counts(&rig, 0).up);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 3");
    rig_done(&rig);
}

static void records_without_a_position_are_never_taken_for_each_other(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig.routes[0].order = ROUTE_NONE;
    rig.sinks[0].script = hold;
    rig.sinks[0].on_cancel = VSINK_HOLD;
    rig_start(&rig);
    rig_run(&rig, ":x", 1000);
    CHECK_INT(rig.sinks[0].count, 1); /* such a record is sound, see pricehistory's mode text */
    rig.sinks[0].script = all_retry;
    size_t number = rig_submit(&rig, ":y", 30000);
    vworld_settle(&rig.world);
    vsink_say(&rig.sinks[0], 0, WEIR_OK);
    CHECK(!rig_wait(&rig, number)->complete);
    CHECK(rig.sinks[0].count > 1);
    rig_done(&rig);
}

/* Sink b gets records and dead letters of a. A letter about a record that is late in b says nothing
 * of the record itself. */
static void a_late_letter_is_not_taken_for_its_record(void)
{
    struct rig rig;
    rig_init(&rig, 2, true);
    rig.routes[0].on_exhausted = ROUTE_SINK;
    rig.routes[0].exhausted_sink = 1;
    rig.rules[1].events = WEIR_REMOVE; /* at first it sees only letters */
    rig.sinks[0].script = fail_2;
    rig.sinks[1].script = hold;
    rig.sinks[1].on_cancel = VSINK_HOLD;
    rig_start(&rig);
    CHECK_STR(rig_run(&rig, "2:x", 1000)->lowest, "2");
    CHECK_STR(vsink_story(&rig.sinks[1]), "d2");
    struct batch *batch = rig_batch(&rig, "2:x");
    batch_unref(batch);
    match_plan_free(rig.plan); /* the record matches b as well from now on */
    struct match_rule any[2] = {{0}, {0}};
    struct match_sink sinks[2] = {{&any[0], 1}, {&any[1], 1}};
    struct err err;
    CHECK_FATAL(match_plan_new(sinks, 2, &rig.plan, &err) == 0);
    size_t number = rig_submit(&rig, "2:x", 30000);
    vworld_settle(&rig.world);
    vsink_say(&rig.sinks[1], 0, WEIR_OK); /* the letter, late */
    vworld_settle(&rig.world);
    CHECK_INT(vsink_times(&rig.sinks[1], "2"), 1); /* the record was given, and waits */
    CHECK(!rig.answers[number].came);
    vsink_say_all(&rig.sinks[1], WEIR_OK);
    vworld_settle(&rig.world);
    vsink_say_all(&rig.sinks[1], WEIR_OK);
    CHECK(rig_wait(&rig, number)->complete);
    rig_done(&rig);
}

/* Everything that waits behind a stuck record is stuck, also what waits for a late completion. */
static void a_late_outcome_for_a_stuck_record_is_only_remembered(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig_flags(&rig, 0, WEIR_P_KEEPS_ORDER);
    rig.sinks[0].script = hold;
    rig.sinks[0].on_cancel = VSINK_HOLD;
    rig_start(&rig);
    rig_run(&rig, "1:x 2:x", 1000);
    size_t number = rig_submit(&rig, "1:x 2:x", 30000);
    vworld_settle(&rig.world);
    vsink_say(&rig.sinks[0], 0, WEIR_FAIL); /* block: 1 is stuck, 2 behind it */
    vsink_say(&rig.sinks[0], 1, WEIR_RETRY);
    const struct rig_answer *answer = rig_wait(&rig, number);
    CHECK_INT(answer->unfinished, 2);
    CHECK_STR(answer->lowest, "1");
    CHECK(answer->at_ms < 3000);
    CHECK_INT(rig_counts(&rig, 0).order_breaches, 0);
    rig_done(&rig);
}

/* The mapping gave up on 1, which the plugin still holds: its lane stays closed (D6). */
static void nothing_of_a_lane_passes_a_revoked_delivery(void)
{
    struct rig rig;
    orphan_rig(&rig, ROUTE_ITEM);
    rig.sinks[0].script = NULL;
    size_t number = rig_submit(&rig, "3:x 4:z", 30000);
    vworld_run(&rig.world, 100);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 4");
    vsink_say_all(&rig.sinks[0], WEIR_OK);
    CHECK(rig_wait(&rig, number)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 4 3");
    rig_done(&rig);
}

static void a_late_second_outcome_of_a_run_is_no_breach(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig_flags(&rig, 0, WEIR_P_KEEPS_ORDER);
    rig.sinks[0].script = hold;
    rig.sinks[0].on_cancel = VSINK_HOLD;
    rig_start(&rig);
    rig_run(&rig, "1:x 2:x", 1000);
    size_t number = rig_submit(&rig, "1:x 2:x", 30000);
    vworld_settle(&rig.world);
    vsink_say(&rig.sinks[0], 1, WEIR_OK);
    vsink_say(&rig.sinks[0], 0, WEIR_OK);
    CHECK(rig_wait(&rig, number)->complete);
    CHECK_INT(rig_counts(&rig, 0).order_breaches, 0);
    CHECK_INT(rig.sinks[0].count, 2);
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"finished_records_are_not_given_again", finished_records_are_not_given_again},
        {"B19_attempts_are_counted_over_invocations", B19_attempts_are_counted_over_invocations},
        {"with_block_each_invocation_has_all_attempts",
         with_block_each_invocation_has_all_attempts},
        {"F23_at_the_deadline_what_is_open_is_cancelled",
         F23_at_the_deadline_what_is_open_is_cancelled},
        {"what_cancel_completes_counts", what_cancel_completes_counts},
        {"a_plugin_that_takes_its_time_gets_nothing_after_the_deadline",
         a_plugin_that_takes_its_time_gets_nothing_after_the_deadline},
        {"a_deadline_in_the_past_starts_nothing", a_deadline_in_the_past_starts_nothing},
        {"a_late_ok_never_changes_the_answer_but_finishes_the_record",
         a_late_ok_never_changes_the_answer_but_finishes_the_record},
        {"a_record_behind_a_revoked_delivery_takes_its_outcome",
         a_record_behind_a_revoked_delivery_takes_its_outcome},
        {"a_late_fail_of_a_revoked_delivery_is_a_fail",
         a_late_fail_of_a_revoked_delivery_is_a_fail},
        {"a_delivery_that_is_never_completed_ends_the_next_invocation_early",
         a_delivery_that_is_never_completed_ends_the_next_invocation_early},
        {"records_without_a_position_are_never_taken_for_each_other",
         records_without_a_position_are_never_taken_for_each_other},
        {"a_late_letter_is_not_taken_for_its_record", a_late_letter_is_not_taken_for_its_record},
        {"a_late_outcome_for_a_stuck_record_is_only_remembered",
         a_late_outcome_for_a_stuck_record_is_only_remembered},
        {"nothing_of_a_lane_passes_a_revoked_delivery",
         nothing_of_a_lane_passes_a_revoked_delivery},
        {"a_late_second_outcome_of_a_run_is_no_breach",
         a_late_second_outcome_of_a_run_is_no_breach},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, invocations", tests);
}
