/* Order, retries, back-off, timeouts. */
#include "rig.h"

/* ---- what the sinks say ---- */

static int32_t first_2_fails_once(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return strcmp(seen->sequence, "2") == 0 && seen->attempt == 1 ? WEIR_RETRY : WEIR_OK;
}

static int32_t all_retry(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_RETRY;
}

static int32_t hold(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

/* As a sink that keeps order does: from the first record that fails on, the rest of its lane too.
 */
static int32_t run_breaks_at_2(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return seen->attempt == 1 && strcmp(seen->sequence, "1") != 0 ? WEIR_RETRY : WEIR_OK;
}

static int32_t garbage_once(struct vsink *sink, const struct vseen *seen)
{
    static const int32_t said[] = {0, -1, 6, 77};
    (void)sink;
    return seen->attempt <= 4 ? said[seen->attempt - 1] : WEIR_OK;
}

/* ---- order ---- */

static void one_record_of_an_item_at_a_time(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.sinks[0].script = first_2_fails_once;
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:x 2:x 3:y 4:x 5:y", 0)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 3 2 5 2 4");
    CHECK_INT(rig_counts(&rig, 0).delivered, 5);
    CHECK_INT(rig_counts(&rig, 0).retries, 1);
    rig_done(&rig);
}

static void order_shard_is_one_lane(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.routes[0].order = ROUTE_SHARD;
    rig.sinks[0].script = first_2_fails_once;
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:a 2:b 3:c", 0)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 2 3");
    rig_done(&rig);
}

static void order_none_goes_on_past_a_retry(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.routes[0].order = ROUTE_NONE;
    rig.routes[0].batch_records = 2;
    rig.routes[0].concurrency = 1;
    rig.sinks[0].script = first_2_fails_once;
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:a 2:a 3:a 4:a", 0)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 3 4 2");
    rig_done(&rig);
}

static void order_none_lanes_are_all_different(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.routes[0].order = ROUTE_NONE;
    rig.sinks[0].script = hold;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:a 2:a", 0);
    vworld_settle(&rig.world);
    vsink_say_all(&rig.sinks[0], WEIR_RETRY);
    vworld_run(&rig.world, 1000);
    CHECK_INT(rig.sinks[0].count, 4);
    CHECK(rig.sinks[0].log[2].lane != rig.sinks[0].log[3].lane);
    vsink_say_all(&rig.sinks[0], WEIR_OK);
    CHECK(rig_wait(&rig, number)->complete);
    rig_done(&rig);
}

static void several_batches_share_a_lane(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.sinks[0].script = first_2_fails_once;
    rig_start(&rig);
    size_t first = rig_submit(&rig, "1:x 2:x", 0), second = rig_submit(&rig, "3:x 4:y", 0);
    CHECK(rig_wait(&rig, first)->complete);
    CHECK(rig_wait(&rig, second)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 4 2 2 3");
    rig_done(&rig);
}

/* A record may be read until the last record of its delivery is completed, so that a delivery that
 * held records of two batches would have to keep both alive. */
static void a_delivery_holds_records_of_one_batch(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.sinks[0].script = hold;
    rig.routes[0].order = ROUTE_NONE;
    rig_start(&rig);
    rig_submit(&rig, "1:x 2:y", 0);
    rig_submit(&rig, "3:z", 0);
    vworld_settle(&rig.world);
    CHECK_INT(rig.sinks[0].deliveries, 2);
    vsink_say_all(&rig.sinks[0], WEIR_OK);
    CHECK(rig_wait(&rig, 1)->complete);
    vworld_settle(&rig.world);
    rig_done(&rig);
}

/* ---- sinks that keep order inside a delivery ---- */

static void keeps_order_gets_runs_and_counts_the_first_that_failed(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig_flags(&rig, 0, WEIR_P_KEEPS_ORDER);
    rig.sinks[0].script = run_breaks_at_2;
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:x 2:x 3:x 4:x", 0)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 3 4 2 3 4");
    CHECK_INT(rig.sinks[0].deliveries, 2);
    CHECK_INT(rig_counts(&rig, 0).retries, 1);
    CHECK_INT(rig_counts(&rig, 0).order_breaches, 0);
    rig_done(&rig);
}

/* The rest of a run may still be with the plugin when its first record is due again. */
static void a_run_is_not_given_again_before_all_of_it_came_back(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig_flags(&rig, 0, WEIR_P_KEEPS_ORDER);
    rig.sinks[0].script = hold;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:x 2:x 3:x", 0);
    vworld_settle(&rig.world);
    vsink_say(&rig.sinks[0], 0, WEIR_RETRY);
    vworld_run(&rig.world, 1000);
    CHECK_INT(rig.sinks[0].count, 3);
    vsink_say(&rig.sinks[0], 2, WEIR_RETRY);
    vworld_run(&rig.world, 1000);
    CHECK_INT(rig.sinks[0].count, 3);
    vsink_say(&rig.sinks[0], 1, WEIR_RETRY);
    rig.sinks[0].script = NULL;
    CHECK(rig_wait(&rig, number)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 3 1 2 3");
    CHECK_INT(rig_counts(&rig, 0).retries, 1);
    rig_done(&rig);
}

/* At the deadline of one batch another one goes on. */
static void a_deadline_ends_one_batch_and_no_other(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig_sync(&rig, 0);
    rig.sinks[0].blocks_ms = 60;
    rig_start(&rig);
    size_t first = rig_submit(&rig, "1:a 2:b 3:c", 100), second = rig_submit(&rig, "4:d 5:e", 0);
    CHECK_STR(rig_wait(&rig, first)->lowest, "3");
    CHECK(rig_wait(&rig, second)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 4 5");
    rig_done(&rig);
}

static int32_t skips_2(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return seen->attempt == 1 && strcmp(seen->sequence, "1") == 0 ? WEIR_RETRY : WEIR_OK;
}

static void a_broken_promise_is_counted_and_holds_the_sink(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig_flags(&rig, 0, WEIR_P_KEEPS_ORDER);
    rig.sinks[0].script = skips_2;
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:x 2:x", 0)->complete);
    CHECK_INT(rig_counts(&rig, 0).order_breaches, 1);
    CHECK(!rig_counts(&rig, 0).up);
    CHECK(rig_run(&rig, "3:x 4:x 5:x", 0)->complete); /* one at a time from now on */
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 1 3 4 5");
    CHECK_INT(rig.sinks[0].deliveries, 5);
    rig_done(&rig);
}

/* The later record first, then the earlier one not: the same break, completed the other way
 * round. */
static void a_promise_broken_backwards_is_counted_too(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig_flags(&rig, 0, WEIR_P_KEEPS_ORDER);
    rig.sinks[0].script = hold;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:x 2:x", 0);
    vworld_settle(&rig.world);
    vsink_say(&rig.sinks[0], 1, WEIR_OK);
    vsink_say(&rig.sinks[0], 0, WEIR_RETRY);
    rig.sinks[0].script = NULL;
    CHECK(rig_wait(&rig, number)->complete);
    CHECK_INT(rig_counts(&rig, 0).order_breaches, 1);
    rig_done(&rig);
}

/* In a run whose first record is given up on with `block`, the others can't go on either. */
static void a_run_behind_a_stuck_record_ends(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig_flags(&rig, 0, WEIR_P_KEEPS_ORDER);
    rig.routes[0].max_attempts = 1;
    rig.sinks[0].script = all_retry;
    rig_start(&rig);
    const struct rig_answer *answer = rig_run(&rig, "1:x 2:x 3:y", 0);
    CHECK(!answer->complete);
    CHECK_INT(answer->unfinished, 3);
    CHECK_STR(answer->lowest, "1");
    rig_done(&rig);
}

/* ---- back-off ---- */

static void backoff_has_full_jitter_and_a_cap(void)
{
    int64_t most[8] = {0};
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig rig;
        rig_init(&rig, 1, false);
        rig.world.random = seed;
        rig.routes[0].max_attempts = 8;
        rig.sinks[0].script = all_retry;
        rig_start(&rig);
        CHECK(!rig_run(&rig, "1:x", 0)->complete);
        CHECK_INT(rig.sinks[0].count, 8);
        for (size_t i = 0; i + 1 < rig.sinks[0].count && i < 7; i++) {
            int64_t waited = rig.sinks[0].log[i + 1].at_ms - rig.sinks[0].log[i].at_ms;
            int64_t limit = 100ll << i < 1000 ? 100ll << i : 1000;
            CHECK(waited >= 0 && waited <= limit);
            if (waited > most[i])
                most[i] = waited;
        }
        rig_done(&rig);
    }
    for (size_t i = 0; i < 7; i++) /* it does spread over the whole range */
        CHECK(most[i] > (100 << i < 1000 ? 100 << i : 1000) * 3 / 4);
}

static void no_retry_is_planned_beyond_the_deadline(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig.routes[0].base_ms = rig.routes[0].cap_ms = 100000;
    rig.routes[0].max_attempts = 50;
    rig.sinks[0].script = all_retry;
    rig_start(&rig);
    const struct rig_answer *answer = rig_run(&rig, "1:x 2:x", 300);
    CHECK(!answer->complete);
    CHECK_STR(answer->lowest, "1");
    CHECK_INT(answer->unfinished, 2);
    CHECK(answer->at_ms < 1300); /* not at the deadline: as soon as it is clear */
    CHECK(!answer->sink_down);
    rig_done(&rig);
}

/* ---- what a plugin may say, and when ---- */

static void unknown_outcomes_are_retries(void)
{
    for (int sync = 0; sync < 2; sync++) {
        struct rig rig;
        rig_init(&rig, 1, false);
        if (sync)
            rig_sync(&rig, 0);
        rig.routes[0].max_attempts = 10;
        rig.sinks[0].script = garbage_once;
        rig_start(&rig);
        CHECK(rig_run(&rig, "1:x", 0)->complete);
        CHECK_INT(rig.sinks[0].count, 5);
        CHECK_INT(rig_counts(&rig, 0).retries, 4);
        rig_done(&rig);
    }
}

static void F64_second_late_and_foreign_completions_change_nothing(void)
{
    struct rig rig;
    rig_init(&rig, 2, false);
    rig.sinks[0].script = rig.sinks[1].script = hold;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:x 2:y", 0);
    vworld_settle(&rig.world);
    struct vsink *a = &rig.sinks[0], *b = &rig.sinks[1];
    delivery_complete(&rig.board, &b->instance, a->log[0].token, 0, WEIR_OK, STR_NONE);
    delivery_complete(&rig.board, &a->instance, a->log[0].token, 2, WEIR_OK, STR_NONE);
    delivery_complete(&rig.board, &a->instance, a->log[0].token + 7, 0, WEIR_OK, STR_NONE);
    delivery_complete(&rig.board, &a->instance, 0, 0, WEIR_OK, STR_NONE);
    delivery_complete_rest(&rig.board, &a->instance, ~0ull, WEIR_OK, STR_NONE);
    CHECK_INT(board_ignored(&rig.board), 5);
    vsink_say(a, 0, WEIR_RETRY);
    vsink_say(a, 0, WEIR_OK); /* too late: it said otherwise before */
    CHECK_INT(board_ignored(&rig.board), 6);
    vsink_say(a, 1, WEIR_OK);
    vworld_settle(&rig.world);
    CHECK_INT(rig_counts(&rig, 0).delivered, 1);
    vworld_run(&rig.world, 200);
    CHECK_INT(a->count, 3); /* given again */
    vsink_say_all(a, WEIR_OK);
    vsink_say_all(b, WEIR_OK);
    CHECK(rig_wait(&rig, number)->complete);
    rig_done(&rig);
}

static void a_timeout_cancels_and_counts_as_an_attempt(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.sinks[0].script = hold;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:x", 0);
    vworld_run(&rig.world, 4999);
    CHECK_INT(rig.sinks[0].cancels, 0);
    vworld_run(&rig.world, 1);
    CHECK_INT(rig.sinks[0].cancels, 1);
    CHECK_INT(rig_counts(&rig, 0).retries, 1);
    CHECK_INT(rig_counts(&rig, 0).late, 1);
    rig.sinks[0].script = NULL;
    CHECK(rig_wait(&rig, number)->complete);
    CHECK(rig_counts(&rig, 0).up);
    rig_done(&rig);
}

static void F62_a_plugin_that_ignores_cancel_is_down_after_the_grace(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.sinks[0].script = hold;
    rig.sinks[0].on_cancel = VSINK_HOLD;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:x", 0);
    vworld_run(&rig.world, 6999);
    CHECK(rig_counts(&rig, 0).up);
    vworld_run(&rig.world, 1);
    CHECK(!rig_counts(&rig, 0).up);
    rig_submit(&rig, "2:y", 0);
    vworld_run(&rig.world, 100000);
    CHECK_INT(rig.sinks[0].count, 1); /* it gets nothing more */
    rig.sinks[0].script = NULL;
    vsink_say(&rig.sinks[0], 0, WEIR_OK);
    CHECK(rig_wait(&rig, number)->complete); /* late, but true */
    CHECK(rig_wait(&rig, 1)->complete);
    CHECK(rig_counts(&rig, 0).up);
    rig_done(&rig);
}

/* A plugin that gathers deliveries until flush() would wait for ever if it came only when nothing
 * is queued. */
static void flush_follows_when_nothing_more_may_be_given(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.sinks[0].script = hold;
    rig.routes[0].concurrency = 1;
    rig.routes[0].batch_records = 1;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:x 2:y", 0);
    vworld_settle(&rig.world);
    CHECK_INT(rig.sinks[0].count, 1);
    CHECK_INT(rig.sinks[0].flushes, 1);
    rig.sinks[0].script = NULL;
    vsink_say_all(&rig.sinks[0], WEIR_OK);
    CHECK(rig_wait(&rig, number)->complete);
    rig_done(&rig);
}

/* ---- no memory ---- */

static struct flow_options telling(struct rig_answer *answer,
                                   void (*done)(void *, const struct batch_result *))
{
    return (struct flow_options){.sinks = 1, .done = done, .arg = answer};
}

static void on_flow_done(void *arg, const struct batch_result *result)
{
    struct rig_answer *answer = arg;
    answer->came = true;
    answer->complete = result->complete;
}

/* Of each item nothing was given before what is earlier. */
static bool story_in_order(struct vsink *sink)
{
    for (size_t i = 0; i < sink->count; i++) {
        int number = sink->log[i].sequence[0] - '0';
        for (int earlier = number - 3; earlier > 0; earlier -= 3) {
            char text[2] = {(char)('0' + earlier), '\0'};
            size_t k = 0;
            while (k < i && strcmp(sink->log[k].sequence, text) != 0)
                k++;
            if (k == i)
                return false;
        }
    }
    return true;
}

static void F72_without_memory_for_a_lane_no_later_record_passes(void)
{
    static const char *const texts[] = {"1:a 2:b 3:c", "4:a 5:b 6:c", "7:a 8:b 9:c"};
    size_t stuck = 0;
    for (uint64_t n = 1; n < 40; n++) {
        struct rig rig;
        struct rig_answer answers[3] = {{0}};
        struct batch *batches[3];
        rig_init(&rig, 1, false);
        rig_start(&rig);
        for (size_t i = 0; i < 3; i++)
            batches[i] = rig_batch(&rig, texts[i]);
        mem_fail_at(n);
        size_t given = 0;
        for (; given < 3; given++) {
            struct flow *flow;
            struct flow_options options = telling(&answers[given], on_flow_done);
            if (router_submit_flow(rig.router, batches[given], &options, &flow) < 0)
                break; /* its source gives nothing behind it either */
        }
        mem_fail_at(0);
        vworld_settle(&rig.world);
        for (size_t i = 0; i < given; i++) {
            CHECK(answers[i].came);
            stuck += !answers[i].complete;
        }
        CHECK(story_in_order(&rig.sinks[0]));
        for (size_t i = 0; i < 3; i++)
            batch_unref(batches[i]);
        CHECK(rig_run(&rig, "10:a", 0)->complete); /* nothing bars the way for ever */
        rig_done(&rig);
    }
    CHECK(stuck > 0);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"one_record_of_an_item_at_a_time", one_record_of_an_item_at_a_time},
        {"order_shard_is_one_lane", order_shard_is_one_lane},
        {"order_none_goes_on_past_a_retry", order_none_goes_on_past_a_retry},
        {"order_none_lanes_are_all_different", order_none_lanes_are_all_different},
        {"several_batches_share_a_lane", several_batches_share_a_lane},
        {"a_delivery_holds_records_of_one_batch", a_delivery_holds_records_of_one_batch},
        {"keeps_order_gets_runs_and_counts_the_first_that_failed",
         keeps_order_gets_runs_and_counts_the_first_that_failed},
        {"a_run_is_not_given_again_before_all_of_it_came_back",
         a_run_is_not_given_again_before_all_of_it_came_back},
        {"a_deadline_ends_one_batch_and_no_other", a_deadline_ends_one_batch_and_no_other},
        {"a_broken_promise_is_counted_and_holds_the_sink",
         a_broken_promise_is_counted_and_holds_the_sink},
        {"a_promise_broken_backwards_is_counted_too", a_promise_broken_backwards_is_counted_too},
        {"a_run_behind_a_stuck_record_ends", a_run_behind_a_stuck_record_ends},
        {"backoff_has_full_jitter_and_a_cap", backoff_has_full_jitter_and_a_cap},
        {"no_retry_is_planned_beyond_the_deadline", no_retry_is_planned_beyond_the_deadline},
        {"unknown_outcomes_are_retries", unknown_outcomes_are_retries},
        {"F64_second_late_and_foreign_completions_change_nothing",
         F64_second_late_and_foreign_completions_change_nothing},
        {"a_timeout_cancels_and_counts_as_an_attempt", a_timeout_cancels_and_counts_as_an_attempt},
        {"F62_a_plugin_that_ignores_cancel_is_down_after_the_grace",
         F62_a_plugin_that_ignores_cancel_is_down_after_the_grace},
        {"F72_without_memory_for_a_lane_no_later_record_passes",
         F72_without_memory_for_a_lane_no_later_record_passes},
        {"flush_follows_when_nothing_more_may_be_given",
         flush_follows_when_nothing_more_may_be_given},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, order", tests);
}
