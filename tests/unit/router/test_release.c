/* Progress per sink: what is given back, what memory it takes, and for how long. */
#include "rig.h"

#include <time.h>

static int32_t hold(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
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

/* ---- release ---- */

static void a_released_sink_gives_back_what_it_has_not_finished(void)
{
    struct rig rig;
    struct rig_flow flow = {0}, again = {0};
    rig_polling(&rig, 2);
    rig.sinks[0].script = hold;
    rig.sinks[0].on_cancel = WEIR_RETRY;
    rig.config.on_poison = ROUTE_DEAD;
    rig.world.hold_puts = true;
    rig_start(&rig);
    rig_flow(&rig, &flow, "1:a 2:b 3:b 4:c !5:x", 3, NULL, false);
    vworld_settle(&rig.world);
    say_ok(&rig.sinks[0], "1");
    say_ok(&rig.sinks[0], "4");
    CHECK_STR(rig_frontier(&flow, 0), "1");
    flow_release(flow.flow, 1);
    CHECK(!flow.answer.came);
    CHECK_STR(rig_frontier(&flow, 0), "1"); /* it does not move any more */
    CHECK_INT(rig_counts(&rig, 0).returned, 3);
    CHECK_INT(rig_counts(&rig, 0).pending, 0);
    vworld_store(&rig.world, 0);
    vworld_settle(&rig.world);
    CHECK(flow.answer.came && flow.answer.complete);
    CHECK_INT(flow.sinks_done, 2);
    /* it reads them again: what it has finished behind its frontier is not given to it again */
    rig.sinks[0].script = NULL;
    rig_flow(&rig, &again, "2:b 3:b 4:c", 1, NULL, false);
    vworld_settle(&rig.world);
    CHECK(again.answer.complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 4 2 3");
    CHECK_INT(rig_counts(&rig, 0).duplicate, 1);
    rig_done(&rig);
}

/* A plugin that does not let go keeps the memory, and what it says in the end is heard. */
static void what_a_plugin_holds_of_a_released_record_is_not_given_twice(void)
{
    for (int ended = 0; ended < 2; ended++) {
        struct rig rig;
        struct rig_flow flow = {0}, again = {0};
        rig_polling(&rig, 2);
        rig.sinks[0].script = hold;
        rig.sinks[0].on_cancel = VSINK_HOLD;
        rig.sinks[1].script = ended ? NULL : hold;
        rig_start(&rig);
        rig_flow(&rig, &flow, "1:a 2:b", 3, NULL, false);
        vworld_settle(&rig.world);
        flow_release(flow.flow, 1);
        vworld_settle(&rig.world);
        CHECK(flow.answer.came == ended);
        rig_flow(&rig, &again, "1:a 2:b", 1, NULL, false);
        vworld_run(&rig.world, 1500);
        CHECK_INT(rig.sinks[0].count, 2);
        vsink_say_all(&rig.sinks[0], WEIR_OK);
        vworld_settle(&rig.world);
        CHECK(again.answer.complete);
        CHECK_INT(rig.sinks[0].count, 2);
        vsink_say_all(&rig.sinks[1], WEIR_OK);
        vworld_settle(&rig.world);
        CHECK(flow.answer.complete);
        CHECK_INT(router_pinned_bytes(rig.router), 0);
        rig_done(&rig);
    }
}

static void a_letter_about_what_was_released_changes_nothing(void)
{
    for (int to_sink = 0; to_sink < 2; to_sink++) {
        struct rig rig;
        struct rig_flow flow = {0};
        rig_polling(&rig, 3);
        rig.sinks[0].script = always_fail;
        rig.routes[0].on_exhausted = to_sink ? ROUTE_SINK : ROUTE_DEAD;
        rig.routes[0].exhausted_sink = 1;
        rig.letters_only[1] = true;
        rig.sinks[1].script = rig.sinks[2].script = hold;
        rig.world.hold_puts = true;
        rig_start(&rig);
        rig_flow(&rig, &flow, "1:a", 7, NULL, false);
        vworld_settle(&rig.world);
        flow_release(flow.flow, 1);
        CHECK_INT(rig_counts(&rig, 0).returned, 1);
        vsink_say_all(&rig.sinks[1], WEIR_OK);
        vworld_store(&rig.world, 0);
        vworld_settle(&rig.world);
        CHECK_INT(rig_counts(&rig, 0).dead, 0);
        vsink_say_all(&rig.sinks[2], WEIR_OK);
        vworld_settle(&rig.world);
        CHECK(flow.answer.complete);
        rig_done(&rig);
    }
}

/* ---- memory ---- */

static const char *many_records(unsigned from, unsigned count)
{
    static char text[4096];
    size_t len = 0;
    for (unsigned i = from; i < from + count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%u:k%u ", i, i);
    return text;
}

static int32_t fifty_is_held(struct vsink *sink, const struct vseen *seen)
{
    if (strcmp(seen->sequence, "50") != 0)
        return WEIR_OK;
    return *(int32_t *)sink->arg;
}

static void one_record_that_waits_does_not_pin_its_page(void)
{
    static const int32_t outcomes[] = {WEIR_RETRY, WEIR_DOWN, WEIR_FAIL};
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        for (int gated = 0; gated < 2; gated++) {
            struct rig rig;
            struct rig_flow flow = {0};
            int32_t outcome = outcomes[i];
            rig_polling(&rig, 2);
            rig.sinks[1].arg = &outcome;
            rig.sinks[1].script = fifty_is_held;
            rig.routes[1].max_attempts = 1000;
            rig.routes[1].base_ms = 60000;
            rig.routes[1].cap_ms = 60000;
            if (outcome == WEIR_FAIL)
                rig.routes[1].on_exhausted = ROUTE_DEAD;
            rig.world.store_status = -ENOSPC;
            rig_start(&rig);
            const struct flow_options options = {.gated = gated ? 2 : 0};
            rig_flow(&rig, &flow, many_records(1, 200), 3, &options, false);
            size_t page = router_pinned_bytes(rig.router);
            vworld_run(&rig.world, 2000);
            CHECK(!gated ||
                  router_pinned_bytes(rig.router) == page); /* all of it is still needed */
            if (gated)
                flow_open_gates(flow.flow, 2);
            vworld_run(&rig.world, 5000);
            CHECK(!flow.answer.came);
            CHECK_STR(rig_frontier(&flow, 1), "49");
            CHECK_STR(rig_frontier(&flow, 0), "200$");
            CHECK(router_pinned_bytes(rig.router) < page / 2);
            outcome = WEIR_OK;
            rig.world.store_status = 0;
            vworld_run(&rig.world, 120000);
            CHECK(flow.answer.came && flow.answer.complete && flow.sinks_done == 3);
            CHECK_INT(router_pinned_bytes(rig.router), 0);
            CHECK_INT(rig.world.letter_count, outcomes[i] == WEIR_FAIL);
            if (rig.world.letter_count)
                CHECK(strstr(rig.world.letters[0].record, "\"SequenceNumber\":\"50\"") != NULL);
            rig_done(&rig);
        }
}

/* Its plugin may read every record of the delivery until the last one is completed. */
static void a_page_stays_while_a_plugin_may_read_it(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    int32_t outcome = VSINK_HOLD;
    rig_polling(&rig, 1);
    rig.sinks[0].arg = &outcome;
    rig.sinks[0].script = fifty_is_held;
    rig.routes[0].timeout_ms = 600000;
    rig_start(&rig);
    rig_flow(&rig, &flow, many_records(1, 200), 1, NULL, false);
    size_t page = router_pinned_bytes(rig.router);
    vworld_run(&rig.world, 60000);
    CHECK_INT(router_pinned_bytes(rig.router), page);
    vsink_say_all(&rig.sinks[0], WEIR_OK);
    vworld_settle(&rig.world);
    CHECK(flow.answer.complete);
    rig_done(&rig);
}

static void a_slimmed_batch_remembers_what_a_released_sink_had_finished(void)
{
    struct rig rig;
    struct rig_flow flow = {0}, again = {0};
    int32_t outcome = WEIR_RETRY;
    rig_polling(&rig, 2);
    rig.sinks[1].arg = &outcome;
    rig.sinks[1].script = fifty_is_held;
    rig_start(&rig);
    rig_flow(&rig, &flow, many_records(1, 200), 3, NULL, false);
    size_t page = router_pinned_bytes(rig.router);
    vworld_run(&rig.world, 10000);
    CHECK(router_pinned_bytes(rig.router) < page / 2);
    flow_release(flow.flow, 2);
    vworld_settle(&rig.world);
    CHECK(flow.answer.complete);
    outcome = WEIR_OK;
    rig_flow(&rig, &again, many_records(50, 151), 2, NULL, false);
    vworld_settle(&rig.world);
    CHECK(again.answer.complete);
    CHECK_INT(rig_counts(&rig, 1).duplicate, 150);
    CHECK_INT(vsink_times(&rig.sinks[1], "51"), 1);
    rig_done(&rig);
}

/* A full disk: the letter is put until it is stored, the record stays unfinished, no attempt more
 * is made. */
static void F70_a_letter_is_put_again_until_it_is_stored(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_polling(&rig, 1);
    rig.sinks[0].script = always_fail;
    rig.routes[0].on_exhausted = ROUTE_DEAD;
    rig.config.on_poison = ROUTE_DEAD;
    rig.world.store_status = -ENOSPC;
    rig_start(&rig);
    rig_flow(&rig, &flow, "1:a !2:b", 1, NULL, false);
    vworld_run(&rig.world, 600000);
    CHECK(!flow.answer.came);
    CHECK_STR(rig_frontier(&flow, 0), "-");
    CHECK_INT(rig.errors, 4); /* given up and not stored, of two records: each said once */
    rig.world.store_status = 0;
    vworld_run(&rig.world, 31000);
    CHECK(flow.answer.complete);
    CHECK_INT(rig.world.letter_count, 2);
    CHECK_INT(rig.sinks[0].count, 1);
    rig_flow(&rig, &flow, "3:a !4:b", 1, NULL, false);
    rig.world.store_status = -ENOSPC;
    vworld_settle(&rig.world);
    router_stop(rig.router); /* while they wait to be put again */
    vworld_settle(&rig.world);
    CHECK(flow.answer.came && flow.answer.unfinished == 2);
    rig_done(&rig);
}

/* Giving up must never wait for the queue that it is to empty. */
static void letters_take_nobodys_place_in_a_queue(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_polling(&rig, 2);
    rig.sinks[0].script = always_fail;
    rig.routes[0].on_exhausted = ROUTE_SINK;
    rig.routes[0].exhausted_sink = 1;
    rig.routes[1].queue_records = 3;
    rig.letters_only[1] = true;
    rig.sinks[1].script = hold;
    rig_start(&rig);
    rig_flow(&rig, &flow, "1:a 2:b 3:c 4:d 5:e", 3, NULL, false);
    vworld_settle(&rig.world);
    CHECK_INT(rig.sinks[1].count, 5);
    CHECK(router_has_room(rig.router, NULL));
    vsink_say_all(&rig.sinks[1], WEIR_OK);
    vworld_settle(&rig.world);
    CHECK(flow.answer.complete);
    CHECK_INT(rig_counts(&rig, 0).dead, 5);
    CHECK_INT(router_pinned_bytes(rig.router), 0);
    rig_done(&rig);
}

/* ---- how long ---- */

static void since_when_a_sink_is_down_or_hangs_is_told(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_polling(&rig, 2);
    rig.sinks[0].script = hold;
    rig.sinks[0].on_cancel = VSINK_HOLD;
    rig.sinks[1].script = always_down;
    rig.routes[1].required = false;
    rig_start(&rig);
    int64_t began_ms = rig.world.now_ms;
    rig_flow(&rig, &flow, "1:a", 3, NULL, false);
    vworld_run(&rig.world, 400000);
    struct sink_counts a = rig_counts(&rig, 0), b = rig_counts(&rig, 1);
    CHECK(a.required && !b.required);
    CHECK_INT(a.hung_since_ms, began_ms + 5000 + 2000); /* its timeout, and the grace */
    CHECK_INT(a.down_since_ms, a.hung_since_ms);
    CHECK(b.down_since_ms > 0 && b.down_since_ms <= began_ms + 1 && b.hung_since_ms == 0);
    struct router_trouble trouble = router_trouble(rig.router);
    CHECK_STR(trouble.down, "a");
    CHECK_STR(trouble.hung, "a");
    CHECK_INT(trouble.hung_ms, rig.world.now_ms - a.hung_since_ms);
    CHECK_INT(trouble.down_ms, rig.world.now_ms - a.down_since_ms);
    vsink_say_all(&rig.sinks[0], WEIR_OK);
    vworld_settle(&rig.world);
    a = rig_counts(&rig, 0);
    CHECK(a.hung_since_ms == 0 && a.down_since_ms == 0);
    trouble = router_trouble(rig.router);
    CHECK(!trouble.down && !trouble.hung); /* b is down, but nothing waits for it */
    router_stop(rig.router);
    vworld_settle(&rig.world);
    rig_done(&rig);
}

/* Two that take turns are never down for long. */
static void each_sink_is_timed_by_itself(void)
{
    struct rig rig;
    struct rig_flow flows[2] = {0};
    rig_polling(&rig, 2);
    rig.sinks[0].script = always_down;
    rig_start(&rig);
    rig_flow(&rig, &flows[0], "1:a", 1, NULL, false);
    vworld_run(&rig.world, 60000);
    CHECK(router_trouble(rig.router).down_ms >= 59000);
    rig.sinks[1].script = always_down;
    rig_flow(&rig, &flows[1], "1:a", 2, NULL, false);
    vworld_run(&rig.world, 1000);
    rig.sinks[0].script = NULL;
    vworld_run(&rig.world, 31000);
    CHECK_STR(router_trouble(rig.router).down, "b");
    CHECK(router_trouble(rig.router).down_ms < 33000);
    rig.sinks[1].script = NULL;
    vworld_run(&rig.world, 31000);
    CHECK(!router_trouble(rig.router).down);
    rig_done(&rig);
}

/* 2,000 shards with two batches each: what one completion costs must not grow with them. */
static void a_turn_costs_what_changed_not_what_is_in_it(void)
{
    enum { MANY = 4000 };
    static struct rig_flow flows[MANY];
    struct rig rig;
    double seconds[2];
    rig_polling(&rig, 2);
    rig.routes[0].concurrency = MANY;
    rig.routes[0].timeout_ms = 3600000;
    rig.sinks[0].script = hold;
    rig_start(&rig);
    for (unsigned i = 0; i < MANY; i++) {
        char record[32];
        snprintf(record, sizeof record, "%u:k%u", i + 1, i);
        memset(&flows[i], 0, sizeof flows[i]);
        rig_flow(&rig, &flows[i], record, 3, NULL, false);
    }
    vworld_settle(&rig.world);
    rig.world.after_step = NULL;
    for (int half = 0; half < 2; half++) { /* with all of them in it, and with few */
        clock_t began = clock();
        for (size_t i = half ? MANY - 500 : 0; i < (half ? MANY : 500); i++) {
            vsink_say(&rig.sinks[0], i, WEIR_OK);
            vworld_settle(&rig.world);
            CHECK(flows[i].answer.came);
        }
        seconds[half] = (double)(clock() - began) / CLOCKS_PER_SEC;
        for (size_t i = 500; half == 0 && i < MANY - 500; i++)
            vsink_say(&rig.sinks[0], i, WEIR_OK);
        vworld_settle(&rig.world);
    }
    CHECK(seconds[0] < 10 * seconds[1] + 0.05); /* it would be a hundred times as much */
    printf(" %.1f and %.1f ms", seconds[0] * 1000, seconds[1] * 1000);
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"a_released_sink_gives_back_what_it_has_not_finished",
         a_released_sink_gives_back_what_it_has_not_finished},
        {"what_a_plugin_holds_of_a_released_record_is_not_given_twice",
         what_a_plugin_holds_of_a_released_record_is_not_given_twice},
        {"a_letter_about_what_was_released_changes_nothing",
         a_letter_about_what_was_released_changes_nothing},
        {"one_record_that_waits_does_not_pin_its_page",
         one_record_that_waits_does_not_pin_its_page},
        {"a_page_stays_while_a_plugin_may_read_it", a_page_stays_while_a_plugin_may_read_it},
        {"a_slimmed_batch_remembers_what_a_released_sink_had_finished",
         a_slimmed_batch_remembers_what_a_released_sink_had_finished},
        {"F70_a_letter_is_put_again_until_it_is_stored",
         F70_a_letter_is_put_again_until_it_is_stored},
        {"letters_take_nobodys_place_in_a_queue", letters_take_nobodys_place_in_a_queue},
        {"a_turn_costs_what_changed_not_what_is_in_it",
         a_turn_costs_what_changed_not_what_is_in_it},
        {"each_sink_is_timed_by_itself", each_sink_is_timed_by_itself},
        {"since_when_a_sink_is_down_or_hangs_is_told", since_when_a_sink_is_down_or_hangs_is_told},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, release", tests);
}
