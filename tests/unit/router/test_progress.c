/* Progress per sink: what the polling source sees of a batch. */
#include "rig.h"

static int32_t hold(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

static int32_t always_retry(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_RETRY;
}

static int32_t always_fail(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_FAIL;
}

static int32_t always_down(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_DOWN;
}

/* Says WEIR_OK of the record that a plugin holds. */
static void say_ok(struct vsink *sink, const char *sequence)
{
    for (size_t i = 0; i < sink->count; i++)
        if (sink->log[i].outcome == VSINK_HOLD && strcmp(sink->log[i].sequence, sequence) == 0)
            vsink_say(sink, i, WEIR_OK);
    vworld_settle(sink->world);
}

static void rig_polling(struct rig *rig, size_t count)
{
    rig_init(rig, count, false);
    rig->config.blocks_for_ever = true;
}

/* ---- the frontier ---- */

static void the_frontier_is_behind_the_first_unfinished_record(void)
{
    static const struct {
        const char *say, *frontier;
    } steps[] = {{"20", "-"}, {"40", "-"}, {"10", "20"}, {"50", "20"}, {"30", "50"}, {"60", "60$"}};
    struct rig rig;
    struct rig_flow flow = {0};
    rig_polling(&rig, 2);
    rig.sinks[0].script = hold;
    rig.sinks[1].script = hold;
    rig_start(&rig);
    rig_flow(&rig, &flow, "10:a 20:b 30:c 40:d 50:e 60:f", 3, NULL, false);
    vworld_settle(&rig.world);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        CHECK_INT(flow.sinks_done, 0);
        say_ok(&rig.sinks[0], steps[i].say);
        CHECK_STR(rig_frontier(&flow, 0), steps[i].frontier);
        CHECK_STR(rig_frontier(&flow, 1), "-"); /* each by itself */
    }
    CHECK_INT(flow.sinks_done, 1);
    CHECK(!flow.answer.came);
    vsink_say_all(&rig.sinks[1], WEIR_OK);
    vworld_settle(&rig.world);
    CHECK_INT(flow.sinks_done, 3);
    CHECK(flow.answer.came && flow.answer.complete);
    rig_done(&rig);
}

static void poison_bars_everyones_frontier_until_its_letter_is_stored(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_polling(&rig, 2);
    rig.config.on_poison = ROUTE_DEAD;
    rig.world.hold_puts = true;
    rig_start(&rig);
    rig_flow(&rig, &flow, "1:a !2:b 3:c ! 5:d", 3, NULL, false);
    vworld_settle(&rig.world);
    CHECK_STR(rig_frontier(&flow, 0), "1");
    CHECK_STR(rig_frontier(&flow, 1), "1");
    CHECK_INT(flow.sinks_done, 0);
    vworld_store(&rig.world, 0);
    vworld_settle(&rig.world);
    CHECK(flow.answer.came && flow.answer.complete);
    CHECK_INT(flow.sinks_done, 3);
    CHECK_INT(rig_counts(&rig, 1).dead, 2);
    rig_done(&rig);
}

static void what_matched_nobody_is_finished_at_once(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_polling(&rig, 2);
    rig.letters_only[0] = rig.letters_only[1] = true;
    rig_start(&rig);
    rig_flow(&rig, &flow, "1:a 2:b", 3, NULL, false);
    CHECK_STR(rig_frontier(&flow, 0), "2$");
    vworld_settle(&rig.world);
    CHECK(flow.answer.came && flow.answer.complete && flow.sinks_done == 3);
    CHECK_INT(rig_counts(&rig, 0).filtered, 2);
    rig_flow(&rig, &flow, "", 3, NULL, false);
    CHECK_STR(rig_frontier(&flow, 1), "-$"); /* no record, no position */
    vworld_settle(&rig.world);
    CHECK(flow.answer.came && flow.sinks_done == 3);
    rig_done(&rig);
}

/* ---- who takes part, and from where ---- */

static void for_other_sinks_the_batch_does_not_exist(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_polling(&rig, 3);
    rig.config.on_poison = ROUTE_DROP;
    rig_start(&rig);
    rig_flow(&rig, &flow, "1:a 2:b !3:c", 5, NULL, false);
    vworld_settle(&rig.world);
    CHECK(flow.answer.complete);
    CHECK_INT(flow.sinks_done, 5);
    CHECK_INT(rig_counts(&rig, 1).read, 0);
    CHECK_INT(rig.sinks[1].count, 0);
    CHECK_INT(rig_counts(&rig, 2).delivered, 2);
    CHECK_INT(rig_counts(&rig, 2).dropped, 1);
    rig_done(&rig);
}

static void records_finished_before_count_as_duplicate(void)
{
    static const struct {
        const char *records, *finished_to, *given;
        unsigned duplicate;
    } rows[] = {
        {"1:a 2:b 3:c", "2", "3", 2},
        {"9:a 10:b 11:c", "10", "11", 2}, /* as numbers, not as text */
        {"1:a 2:b 3:c", "0003", "", 3},   /* leading zeros */
        {"1:a 2:b 3:c", "", "1 2 3", 0},  /* none */
        {"5:a 6:b 2:c", "5", "6 2", 1},   /* only until the first one above it */
        {"1:a !2:b 3:c", "2", "3", 2},    /* poison was finished as well */
        {"1:a ! 3:c 4:d", "3", "4", 3},   /* and one without a position, as its neighbours */
        {"1:a 2:b ! 3:c", "2", "3", 2},   /* but not the one behind the last finished one */
        {"100:a 200:b", "99", "100 200", 0},
        {"1:a !2:b", "2", "", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        struct rig_flow flow = {0};
        rig_polling(&rig, 2);
        rig.config.on_poison = ROUTE_DROP;
        rig_start(&rig);
        const weir_str finished_to[2] = {STR_NONE, str_of(rows[i].finished_to)};
        const struct flow_options options = {.finished_to = finished_to};
        rig_flow(&rig, &flow, rows[i].records, 3, &options, false);
        vworld_settle(&rig.world);
        CHECK(flow.answer.complete && flow.sinks_done == 3);
        CHECK_STR(vsink_story(&rig.sinks[1]), rows[i].given);
        CHECK_INT(rig_counts(&rig, 1).duplicate, rows[i].duplicate);
        CHECK_INT(rig_counts(&rig, 0).duplicate, 0);
        rig_done(&rig);
    }
}

static void poison_that_all_have_finished_gets_no_second_letter(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_polling(&rig, 2);
    rig.config.on_poison = ROUTE_DEAD;
    rig_start(&rig);
    const weir_str finished_to[2] = {STR("2"), STR("3")};
    const struct flow_options options = {.finished_to = finished_to};
    rig_flow(&rig, &flow, "!1:a !2:b !3:c", 3, &options, false);
    vworld_settle(&rig.world);
    CHECK(flow.answer.complete);
    CHECK_INT(rig.world.letter_count, 1);
    CHECK_INT(rig_counts(&rig, 0).dead, 1);
    CHECK_INT(rig_counts(&rig, 1).duplicate, 3);
    rig_done(&rig);
}

/* ---- gates ---- */

static void a_gated_sink_gets_nothing_before_its_gate_opens(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_polling(&rig, 3);
    rig_start(&rig);
    const struct flow_options options = {.gated = 6};
    rig_flow(&rig, &flow, "1:a 2:b 3:a", 7, &options, false);
    vworld_run(&rig.world, 60000);
    CHECK_INT(flow.sinks_done, 1);
    CHECK_INT(rig.sinks[1].count + rig.sinks[2].count, 0);
    CHECK_INT(rig_counts(&rig, 1).pending, 3);
    flow_open_gates(flow.flow, 2);
    flow_open_gates(flow.flow, 2 | 1); /* an open one stays as it is */
    vworld_settle(&rig.world);
    CHECK_INT(flow.sinks_done, 3);
    CHECK_STR(vsink_story(&rig.sinks[1]), "1 2 3");
    CHECK_INT(rig.sinks[2].count, 0);
    CHECK(!flow.answer.came);
    flow_open_gates(flow.flow, 4);
    vworld_settle(&rig.world);
    CHECK(flow.answer.complete && flow.sinks_done == 7);
    rig_done(&rig);
}

static struct rig_flow *child_of_the_test;

static void open_the_child(struct rig_flow *flow, size_t sink)
{
    (void)flow;
    if (child_of_the_test->flow)
        flow_open_gates(child_of_the_test->flow, UINT64_C(1) << sink);
}

static void a_child_begins_at_each_sink_when_that_sink_is_through_with_the_parent(void)
{
    struct rig rig;
    struct rig_flow parent = {.on_sink_done = open_the_child}, child = {0};
    rig_polling(&rig, 2);
    rig.sinks[1].script = hold;
    rig_start(&rig);
    child_of_the_test = &child;
    const struct flow_options options = {.gated = 3};
    rig_flow(&rig, &parent, "1:a 2:b", 3, NULL, false);
    rig_flow(&rig, &child, "11:x 12:y", 3, &options, false);
    vworld_run(&rig.world, 100);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 11 12");
    CHECK_STR(vsink_story(&rig.sinks[1]), "1 2");
    vsink_say_all(&rig.sinks[1], WEIR_OK);
    vworld_settle(&rig.world);
    CHECK_STR(vsink_story(&rig.sinks[1]), "1 2 11 12");
    vsink_say_all(&rig.sinks[1], WEIR_OK);
    vworld_settle(&rig.world);
    CHECK(parent.answer.complete && child.answer.complete);
    rig_done(&rig);
}

/* ---- sinks that are not required ---- */

static void F68_nothing_waits_for_a_sink_that_is_not_required(void)
{
    for (int kind = 0; kind < 2; kind++) {
        struct rig rig;
        struct rig_flow flow = {0};
        rig_polling(&rig, 2);
        rig.routes[1].required = false;
        rig.sinks[1].script = kind ? always_down : hold;
        rig_start(&rig);
        rig_flow(&rig, &flow, "1:a 2:b", 3, NULL, true);
        vworld_settle(&rig.world);
        CHECK(flow.answer.complete && !flow.ended);
        CHECK_INT(flow.sinks_done, 1);
        rig.sinks[1].script = NULL;
        if (!kind)
            vsink_say_all(&rig.sinks[1], WEIR_OK);
        vworld_run(&rig.world, 1100); /* the first probe */
        CHECK(flow.ended);
        CHECK_INT(flow.late_sinks_done, 2);
        CHECK_INT(rig_counts(&rig, 1).delivered, 2);
        CHECK_INT(rig_counts(&rig, 1).dropped, 0);
        rig_done(&rig);
    }
}

static void a_slow_sink_that_is_not_required_drops_what_its_queue_cant_take(void)
{
    struct rig rig;
    struct rig_flow flows[4] = {0};
    rig_polling(&rig, 2);
    rig.routes[1].required = false;
    rig.routes[1].queue_records = 5;
    rig.sinks[1].script = hold;
    rig_start(&rig);
    for (size_t i = 0; i < 4; i++) {
        rig_flow(&rig, &flows[i], "1:a 2:b 3:c", 3, NULL, i % 2);
        vworld_settle(&rig.world);
        CHECK(flows[i].answer.complete);
    }
    CHECK_INT(rig_counts(&rig, 1).dropped, 7);
    CHECK_INT(rig_counts(&rig, 1).pending, 5);
    CHECK_INT(flows[3].sinks_done, 3); /* all of it was dropped */
    rig.sinks[1].script = NULL;        /* for what waits behind, in the same lanes */
    vsink_say_all(&rig.sinks[1], WEIR_OK);
    vworld_settle(&rig.world);
    CHECK(router_idle(rig.router));
    CHECK_INT(rig_counts(&rig, 1).delivered, 5);
    rig_done(&rig);
}

/* What waits in the background must not take the room of the required ones for ever. */
static void sinks_that_are_not_required_pin_at_most_half(void)
{
    struct rig rig;
    struct rig_flow flows[8] = {0};
    rig_polling(&rig, 2);
    rig.routes[1].required = false;
    rig.routes[1].concurrency = 1;
    rig.sinks[1].script = hold;
    rig.sinks[1].on_cancel = VSINK_HOLD;
    rig_start(&rig);
    struct batch *batch = rig_batch(&rig, "1:a 2:b 3:c 4:d");
    size_t bytes = batch_pinned_bytes(batch) + 1000; /* what the router adds */
    batch_unref(batch);
    router_free(rig.router);
    struct err err;
    rig.config.in_flight_bytes = bytes * 5;
    CHECK_FATAL(router_new(&rig.config, &rig.board, &rig.router, &err) == 0);
    for (size_t i = 0; i < 8; i++) {
        CHECK(router_has_room(rig.router, NULL));
        rig_flow(&rig, &flows[i], "1:a 2:b 3:c 4:d", 3, NULL, true);
        vworld_settle(&rig.world);
        CHECK(flows[i].answer.complete);
    }
    CHECK(router_pinned_bytes(rig.router) <= rig.config.in_flight_bytes / 2);
    CHECK_INT(rig_counts(&rig, 1).dropped, 6 * 4);
    router_stop(rig.router);
    vworld_settle(&rig.world);
    for (size_t i = 0; i < 8; i++)
        CHECK(flows[i].ended);
    rig_done(&rig);
}

static void a_gate_of_a_sink_that_is_not_required_holds_nothing(void)
{
    for (int background = 0; background < 2; background++) {
        struct rig rig;
        struct rig_flow flow = {0};
        rig_polling(&rig, 2);
        rig.routes[1].required = false;
        rig_start(&rig);
        const struct flow_options options = {.gated = 2};
        rig_flow(&rig, &flow, "1:a 2:b", 3, &options, background);
        vworld_settle(&rig.world);
        CHECK(flow.answer.complete);
        CHECK_INT(rig_counts(&rig, 1).dropped, background ? 0 : 2);
        CHECK_INT(flow.sinks_done, background ? 1 : 3);
        if (background)
            flow_open_gates(flow.flow, 2);
        vworld_settle(&rig.world);
        CHECK_INT(rig_counts(&rig, 1).delivered, background ? 2 : 0);
        CHECK(flow.ended == background);
        rig_done(&rig);
    }
}

/* ---- block, for ever ---- */

static void with_block_a_record_is_tried_for_ever_and_bars_only_its_lane(void)
{
    for (int outcome = 0; outcome < 2; outcome++) {
        struct rig rig;
        struct rig_flow flow = {0};
        rig_polling(&rig, 1);
        rig.routes[0].max_attempts = 2;
        rig.routes[0].max_record_age_ms = 1;
        rig.sinks[0].script = outcome ? always_fail : always_retry;
        rig_start(&rig);
        rig_flow(&rig, &flow, "1:a 2:a", 1, NULL, false);
        vworld_run(&rig.world, 3600000);
        CHECK(!flow.answer.came);
        CHECK_INT(rig.errors, 1); /* said once */
        CHECK(vsink_times(&rig.sinks[0], "1") >= 119 && vsink_times(&rig.sinks[0], "1") <= 123);
        CHECK_INT(vsink_times(&rig.sinks[0], "2"), 0);
        CHECK_STR(rig_frontier(&flow, 0), "-");
        rig.sinks[0].script = NULL;
        vworld_run(&rig.world, 30000);
        CHECK(flow.answer.complete);
        rig_done(&rig);
    }
}

static void reasons_of_a_record_tried_for_ever_do_not_pile_up(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_polling(&rig, 1);
    rig.sinks[0].script = always_retry;
    rig.sinks[0].reason = "request 4711 was refused";
    rig_start(&rig);
    rig_flow(&rig, &flow, "1:a", 1, NULL, false);
    vworld_run(&rig.world, 600000);
    uint64_t before = mem_calls();
    for (int i = 0; i < 100; i++) {
        rig.sinks[0].reason = i % 2 ? "no"
                                    : "request 4712 was refused once more, for a reason "
                                      "that takes more than sixty-four characters to tell";
        vworld_run(&rig.world, 3600000);
    }
    CHECK(mem_calls() - before < 100 * 130 * 2); /* the board's copies */
    router_stop(rig.router);
    vworld_settle(&rig.world);
    CHECK_STR(flow.answer.reason, "no");
    rig_done(&rig);
}

/* ---- may_dispatch ---- */

struct permit {
    unsigned asked, allowed; /* so many times it says yes */
};

static bool may(void *ctx)
{
    struct permit *permit = ctx;
    return permit->asked++ < permit->allowed;
}

static void F18_each_dispatch_is_asked_for_and_none_happens_without(void)
{
    for (int sync = 0; sync < 2; sync++) {
        struct rig rig;
        struct rig_flow flow = {0};
        struct permit permit = {.allowed = 2};
        rig_polling(&rig, 1);
        if (sync)
            rig_sync(&rig, 0);
        rig.routes[0].batch_records = 1;
        rig.config.may_dispatch = may;
        rig.config.may_dispatch_ctx = &permit;
        rig_start(&rig);
        rig_flow(&rig, &flow, "1:a 2:b 3:c 4:d", 1, NULL, false);
        vworld_run(&rig.world, 60000);
        CHECK_STR(vsink_story(&rig.sinks[0]), "1 2");
        CHECK_INT(permit.asked, 3); /* not again before it is told to */
        router_resume(rig.router);
        vworld_run(&rig.world, 60000);
        CHECK_INT(permit.asked, 4);
        CHECK_INT(rig.sinks[0].count, 2);
        permit.allowed = 1000;
        router_resume(rig.router);
        vworld_settle(&rig.world);
        CHECK(flow.answer.complete);
        rig_done(&rig);
    }
}

/* ---- room ---- */

static void room_is_what_the_fullest_required_sink_has(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    const char *full = NULL;
    rig_polling(&rig, 3);
    rig.routes[0].required = false;
    rig.routes[2].queue_records = 4;
    for (size_t i = 0; i < 3; i++)
        rig.sinks[i].script = hold;
    rig.config.queued_records = 6;
    rig_start(&rig);
    CHECK(router_has_room(rig.router, NULL));
    rig_flow(&rig, &flow, "1:a 2:b 3:c 4:d", 3, NULL, false);
    CHECK(router_has_room(rig.router, &full));
    struct rig_flow second = {0};
    rig_flow(&rig, &second, "5:a 6:b", 3, NULL, false);
    CHECK(!router_has_room(rig.router, &full));
    CHECK_STR(full, "b");
    vworld_settle(&rig.world);
    say_ok(&rig.sinks[1], "2");
    CHECK(router_has_room(rig.router, &full));
    struct rig_flow third = {0};
    rig_flow(&rig, &third, "7:a 8:b 9:c 10:d", 4, NULL, false);
    CHECK(!router_has_room(rig.router, &full));
    CHECK_STR(full, "c");
    router_stop(rig.router);
    vworld_settle(&rig.world);
    rig_done(&rig);
}

static void a_sink_may_pin_half_of_the_bytes_in_flight(void)
{
    struct rig rig;
    struct rig_flow flows[12] = {0};
    const char *full = NULL;
    rig_polling(&rig, 2);
    rig.sinks[0].script = hold;
    rig_start(&rig);
    struct batch *batch = rig_batch(&rig, "1:a 2:b");
    size_t bytes = batch_pinned_bytes(batch) + 1000; /* what the router adds */
    batch_unref(batch);
    router_free(rig.router);
    struct err err;
    rig.config.in_flight_bytes = bytes * 6;
    CHECK_FATAL(router_new(&rig.config, &rig.board, &rig.router, &err) == 0);
    size_t count = 0;
    for (; count < 12 && router_has_room(rig.router, NULL); count++) {
        rig_flow(&rig, &flows[count], "1:a 2:b", 3, NULL, false);
        vworld_settle(&rig.world);
        CHECK_INT(flows[count].sinks_done, 2);
    }
    CHECK(count > 1 && count < 12);
    CHECK(router_pinned_bytes(rig.router) > bytes);
    CHECK(!router_has_room(rig.router, &full));
    CHECK_STR(full, "a");
    rig.sinks[0].script = NULL;
    vsink_say_all(&rig.sinks[0], WEIR_OK);
    vworld_settle(&rig.world);
    CHECK(router_has_room(rig.router, NULL));
    CHECK_INT(router_pinned_bytes(rig.router), 0);
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"the_frontier_is_behind_the_first_unfinished_record",
         the_frontier_is_behind_the_first_unfinished_record},
        {"poison_bars_everyones_frontier_until_its_letter_is_stored",
         poison_bars_everyones_frontier_until_its_letter_is_stored},
        {"what_matched_nobody_is_finished_at_once", what_matched_nobody_is_finished_at_once},
        {"for_other_sinks_the_batch_does_not_exist", for_other_sinks_the_batch_does_not_exist},
        {"records_finished_before_count_as_duplicate", records_finished_before_count_as_duplicate},
        {"poison_that_all_have_finished_gets_no_second_letter",
         poison_that_all_have_finished_gets_no_second_letter},
        {"a_gated_sink_gets_nothing_before_its_gate_opens",
         a_gated_sink_gets_nothing_before_its_gate_opens},
        {"a_child_begins_at_each_sink_when_that_sink_is_through_with_the_parent",
         a_child_begins_at_each_sink_when_that_sink_is_through_with_the_parent},
        {"F68_nothing_waits_for_a_sink_that_is_not_required",
         F68_nothing_waits_for_a_sink_that_is_not_required},
        {"a_slow_sink_that_is_not_required_drops_what_its_queue_cant_take",
         a_slow_sink_that_is_not_required_drops_what_its_queue_cant_take},
        {"sinks_that_are_not_required_pin_at_most_half",
         sinks_that_are_not_required_pin_at_most_half},
        {"a_gate_of_a_sink_that_is_not_required_holds_nothing",
         a_gate_of_a_sink_that_is_not_required_holds_nothing},
        {"with_block_a_record_is_tried_for_ever_and_bars_only_its_lane",
         with_block_a_record_is_tried_for_ever_and_bars_only_its_lane},
        {"reasons_of_a_record_tried_for_ever_do_not_pile_up",
         reasons_of_a_record_tried_for_ever_do_not_pile_up},
        {"F18_each_dispatch_is_asked_for_and_none_happens_without",
         F18_each_dispatch_is_asked_for_and_none_happens_without},
        {"room_is_what_the_fullest_required_sink_has", room_is_what_the_fullest_required_sink_has},
        {"a_sink_may_pin_half_of_the_bytes_in_flight", a_sink_may_pin_half_of_the_bytes_in_flight},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, progress", tests);
}
