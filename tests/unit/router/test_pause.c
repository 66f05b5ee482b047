/* A sink that an operator pauses: it gets nothing new, loses nothing, and nobody else waits. */
#include "rig.h"

#include "router/exchange.h"

static int32_t down(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_DOWN;
}

static int32_t retry_once(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return seen->attempt == 1 ? WEIR_RETRY : WEIR_OK;
}

static void it_gets_nothing_while_it_is_paused_and_then_all_in_order(void)
{
    static const enum route_order orders[] = {ROUTE_ITEM, ROUTE_SHARD, ROUTE_NONE};
    for (size_t i = 0; i < 6; i++) {
        struct rig rig;
        struct rig_flow flows[2] = {0};
        rig_init(&rig, 2, false);
        rig.routes[0].order = orders[i / 2];
        if (i % 2)
            rig_sync(&rig, 0);
        rig_start(&rig);
        CHECK(router_pause(rig.router, 0, true));
        CHECK(!router_pause(rig.router, 0, true));
        rig_flow(&rig, &flows[0], "1:a 2:b", 3, NULL, false);
        rig_flow(&rig, &flows[1], "3:a 4:b", 3, NULL, false);
        vworld_run(&rig.world, 7200000);
        CHECK_INT(rig.sinks[0].count, 0);
        CHECK_INT(rig_counts(&rig, 0).pending, 4);
        CHECK(rig_counts(&rig, 0).paused_since_ms > 0);
        CHECK(!flows[0].answer.came && !flows[1].answer.came);
        CHECK_INT(flows[0].sinks_done & flows[1].sinks_done, 2); /* the other one has finished */
        CHECK(!router_trouble(rig.router).down);
        CHECK(router_pause(rig.router, 0, false));
        CHECK(!router_pause(rig.router, 0, false));
        vworld_settle(&rig.world);
        CHECK_INT(rig.sinks[0].count, 4);
        CHECK(strstr(vsink_story(&rig.sinks[0]), "1") < strstr(vsink_story(&rig.sinks[0]), "3"));
        CHECK(flows[0].answer.complete && flows[1].answer.complete);
        CHECK_INT(rig_counts(&rig, 0).delivered, 4);
        CHECK_INT(rig_counts(&rig, 0).paused_since_ms, 0);
        rig_done(&rig);
    }
}

static void what_is_out_comes_to_its_end(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_init(&rig, 1, false);
    rig.routes[0].concurrency = 1;
    rig.routes[0].batch_records = 2;
    rig.sinks[0].delay_ms = 500;
    rig_start(&rig);
    rig_flow(&rig, &flow, "1:a 2:b 3:a 4:b", 1, NULL, false);
    vworld_run(&rig.world, 100);
    CHECK(router_pause(rig.router, 0, true));
    vworld_run(&rig.world, 10000);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2");
    CHECK_INT(rig_counts(&rig, 0).delivered, 2);
    CHECK_STR(rig_frontier(&flow, 0), "2");
    CHECK(router_pause(rig.router, 0, false));
    vworld_run(&rig.world, 10000);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 2 3 4");
    CHECK(flow.answer.complete);
    rig_done(&rig);
}

static void one_that_comes_back_waits_and_its_attempts_are_not_counted_up(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_init(&rig, 1, false);
    rig.sinks[0].delay_ms = 500;
    rig.sinks[0].script = retry_once;
    rig_start(&rig);
    rig_flow(&rig, &flow, "1:a 2:a", 1, NULL, false);
    vworld_run(&rig.world, 100);
    CHECK(router_pause(rig.router, 0, true));
    vworld_run(&rig.world, 3600000);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1");
    CHECK_INT(rig_counts(&rig, 0).retries, 1);
    CHECK(router_pause(rig.router, 0, false));
    vworld_run(&rig.world, 10000);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 1 2 2");
    CHECK(flow.answer.complete);
    rig_done(&rig);
}

/* Not probed, and no trouble that a watch would end the process for. */
static void one_that_is_down_is_not_probed_while_it_is_paused(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_init(&rig, 1, false);
    rig.sinks[0].script = down;
    rig_start(&rig);
    rig_flow(&rig, &flow, "1:a", 1, NULL, false);
    vworld_settle(&rig.world);
    CHECK(!rig_counts(&rig, 0).up);
    CHECK(router_trouble(rig.router).down != NULL);
    CHECK(router_pause(rig.router, 0, true));
    CHECK(!router_trouble(rig.router).down);
    size_t before = rig.sinks[0].count;
    vworld_run(&rig.world, 3600000);
    CHECK_INT(rig.sinks[0].count, before);
    rig.sinks[0].script = NULL;
    CHECK(router_pause(rig.router, 0, false));
    vworld_run(&rig.world, 60000);
    CHECK(flow.answer.complete);
    CHECK(rig_counts(&rig, 0).up);
    rig_done(&rig);
}

/* As one that is down: it never holds a batch. */
static void one_that_is_not_required_holds_no_plain_batch(void)
{
    struct rig rig;
    rig_init(&rig, 2, false);
    rig.routes[1].required = false;
    rig_start(&rig);
    CHECK(router_pause(rig.router, 1, true));
    CHECK(rig_run(&rig, "1:a 2:b", 0)->complete);
    CHECK_INT(rig.sinks[1].count, 0);
    CHECK_INT(rig_counts(&rig, 1).dropped, 2);
    rig_done(&rig);
}

static void dead_letters_wait_for_their_sink_as_well(void)
{
    struct rig rig;
    struct rig_flow flow = {0};
    rig_init(&rig, 2, false);
    rig.letters_only[1] = true;
    rig.routes[0].on_exhausted = ROUTE_SINK;
    rig.routes[0].exhausted_sink = 1;
    rig.routes[0].max_attempts = 1;
    rig.sinks[0].script = retry_once;
    rig_start(&rig);
    CHECK(router_pause(rig.router, 1, true));
    rig_flow(&rig, &flow, "1:a", 1, NULL, false);
    vworld_run(&rig.world, 3600000);
    CHECK(!flow.answer.came);
    CHECK_INT(rig.sinks[1].count, 0);
    CHECK(router_pause(rig.router, 1, false));
    vworld_run(&rig.world, 10000);
    CHECK_STR(vsink_story(&rig.sinks[1]), "d1");
    CHECK(flow.answer.complete);
    rig_done(&rig);
}

struct change {
    struct rig rig;
    struct vsink next;
    bool ready;
};

static void on_ready(void *arg, int status, size_t sink)
{
    struct change *change = arg;
    struct route route = change->rig.routes[0];
    (void)sink;
    CHECK_INT(status, 0);
    route.instance = &change->next.instance;
    CHECK_INT(router_replace(change->rig.router, 0, &route), 0);
    change->ready = true;
}

static void a_pause_survives_an_exchange(void)
{
    struct change change = {0};
    struct rig_flow flow = {0};
    rig_init(&change.rig, 1, false);
    vsink_init(&change.next, &change.rig.world, &change.rig.board, false, 0);
    rig_start(&change.rig);
    const struct exchange_config config = {
        .sinks = 1, .wait_ms = 1000, .ready = on_ready, .arg = &change};
    CHECK(router_pause(change.rig.router, 0, true));
    rig_flow(&change.rig, &flow, "1:a 2:a", 1, NULL, false);
    vworld_settle(&change.rig.world);
    CHECK_INT(router_exchange(change.rig.router, &config), 0);
    vworld_run(&change.rig.world, 60000);
    CHECK(change.ready);
    CHECK(rig_counts(&change.rig, 0).paused_since_ms > 0);
    CHECK_INT(change.rig.sinks[0].count + change.next.count, 0);
    CHECK(router_pause(change.rig.router, 0, false));
    vworld_run(&change.rig.world, 1000);
    CHECK_STR(vsink_story(&change.next), "1 2");
    CHECK(flow.answer.complete);
    rig_done(&change.rig);
    vsink_done(&change.next);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"it_gets_nothing_while_it_is_paused_and_then_all_in_order",
         it_gets_nothing_while_it_is_paused_and_then_all_in_order},
        {"what_is_out_comes_to_its_end", what_is_out_comes_to_its_end},
        {"one_that_comes_back_waits_and_its_attempts_are_not_counted_up",
         one_that_comes_back_waits_and_its_attempts_are_not_counted_up},
        {"one_that_is_down_is_not_probed_while_it_is_paused",
         one_that_is_down_is_not_probed_while_it_is_paused},
        {"one_that_is_not_required_holds_no_plain_batch",
         one_that_is_not_required_holds_no_plain_batch},
        {"dead_letters_wait_for_their_sink_as_well", dead_letters_wait_for_their_sink_as_well},
        {"a_pause_survives_an_exchange", a_pause_survives_an_exchange},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, pause", tests);
}
