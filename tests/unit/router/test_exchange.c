/* A sink is exchanged while its records are in every state that there is. */
#include "rig.h"

#include "router/exchange.h"

struct change { /* sink 0 of the rig becomes `next` */
    struct rig rig;
    struct vsink next;
    struct route route;
    bool ready, bad; /* bad: the new route is out of range */
    int status;
    size_t sink;
    unsigned given_before; /* to the old one */
    int64_t ready_ms;
};

static int32_t hold(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

static int32_t retry(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_RETRY;
}

static int32_t down(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_DOWN;
}

static int32_t fail(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_FAIL;
}

static void on_ready(void *arg, int status, size_t sink)
{
    struct change *change = arg;
    CHECK(!change->ready);
    change->ready = true;
    change->status = status;
    change->sink = sink;
    change->ready_ms = change->rig.world.now_ms;
    change->given_before = (unsigned)change->rig.sinks[0].count;
    change->route.concurrency = change->bad ? 0 : change->route.concurrency;
    if (change->bad)
        CHECK_INT(router_replace(change->rig.router, 0, &change->route), -EINVAL);
    else if (status == 0)
        CHECK_INT(router_replace(change->rig.router, 0, &change->route), 0);
}

static void change_init(struct change *change, size_t count)
{
    *change = (struct change){.status = 1};
    rig_init(&change->rig, count, false);
    change->rig.config.blocks_for_ever = true;
    vsink_init(&change->next, &change->rig.world, &change->rig.board, false, 0);
}

static void change_begin(struct change *change, int64_t wait_ms)
{
    const struct exchange_config config = {
        .sinks = 1, .wait_ms = wait_ms, .ready = on_ready, .arg = change};
    change->route = change->rig.routes[0];
    change->route.instance = &change->next.instance;
    CHECK_INT(router_exchange(change->rig.router, &config), 0);
    CHECK(!change->ready); /* never from inside */
}

static void change_done(struct change *change)
{
    rig_done(&change->rig);
    vsink_done(&change->next);
}

/* Nothing of it reaches the old one after the exchange, and all that it had not finished the new
 * one. */
static void check_taken_over(struct change *change, const struct rig_flow *flow, const char *story)
{
    CHECK(change->ready);
    CHECK_INT(change->status, 0);
    CHECK(flow->answer.came && flow->answer.complete);
    CHECK_INT(change->rig.sinks[0].count, change->given_before);
    CHECK_STR(vsink_story(&change->next), story);
    CHECK_INT(rig_counts(&change->rig, 0).pending, 0);
}

static void what_is_queued_goes_to_the_new_one_and_what_is_open_is_waited_for(void)
{
    struct change change;
    struct rig_flow flow = {0};
    change_init(&change, 2);
    change.rig.sinks[0].script = hold;
    change.rig.routes[0].concurrency = 1;
    change.rig.routes[0].batch_records = 2;
    rig_start(&change.rig);
    rig_flow(&change.rig, &flow, "1:a 2:b 3:a 4:c 5:b", 3, NULL, false);
    vworld_settle(&change.rig.world);
    change_begin(&change, 30000);
    vworld_run(&change.rig.world, 4000);
    CHECK(!change.ready);
    CHECK_INT(change.rig.sinks[0].count, 2);
    vsink_say_all(&change.rig.sinks[0], WEIR_OK);
    vworld_settle(&change.rig.world);
    check_taken_over(&change, &flow, "4 3 5"); /* as they would have come: lanes keep their turn */
    CHECK_INT(change.rig.sinks[0].cancels, 0);
    CHECK_INT(rig_counts(&change.rig, 0).delivered, 5);
    CHECK_STR(vsink_story(&change.rig.sinks[1]), "1 2 4 3 5"); /* never held up */
    change_done(&change);
}

/* The cancelling is no attempt: with a bound of one, the record would be given up. */
static void what_is_not_let_go_is_cancelled_and_given_to_the_new_one(void)
{
    struct change change;
    struct rig_flow flow = {0};
    change_init(&change, 1);
    change.rig.sinks[0].script = hold;
    change.rig.sinks[0].on_cancel = WEIR_RETRY;
    change.rig.routes[0].timeout_ms = 600000;
    change.rig.routes[0].base_ms = 0;
    change.rig.routes[0].max_attempts = 1;
    change.rig.routes[0].on_exhausted = ROUTE_DROP;
    rig_start(&change.rig);
    rig_flow(&change.rig, &flow, "1:a 2:b 3:a", 1, NULL, false);
    vworld_settle(&change.rig.world);
    int64_t begun_ms = change.rig.world.now_ms;
    change_begin(&change, 30000);
    vworld_run(&change.rig.world, 32000);
    check_taken_over(&change, &flow, "1 3 2");
    CHECK_INT(change.ready_ms - begun_ms, 30000);
    CHECK_INT(rig_counts(&change.rig, 0).dropped, 0);
    change_done(&change);
}

/* All or nothing: what keeps records can't be exchanged, and goes on as it was. */
static void who_keeps_records_stays(void)
{
    struct change change;
    struct rig_flow flow = {0};
    change_init(&change, 1);
    change.rig.sinks[0].script = hold;
    change.rig.sinks[0].on_cancel = VSINK_HOLD;
    change.rig.routes[0].timeout_ms = 600000;
    rig_start(&change.rig);
    rig_flow(&change.rig, &flow, "1:a 2:b", 1, NULL, false);
    vworld_settle(&change.rig.world);
    change_begin(&change, 1000);
    vworld_run(&change.rig.world, 3600);
    CHECK(change.ready);
    CHECK_INT(change.status, -EBUSY);
    CHECK_INT(change.sink, 0);
    CHECK(!rig_counts(&change.rig, 0).up);
    change.rig.sinks[0].script = NULL;
    vsink_say_all(&change.rig.sinks[0], WEIR_RETRY);
    vworld_run(&change.rig.world, 60000);
    CHECK(flow.answer.complete);
    CHECK_INT(change.next.count, 0);
    change_done(&change);
}

/* The timer that would refuse fires before the turn that sees that nothing is left. */
static void fire_once_let_go(void *ctx)
{
    struct rig *rig = ctx;
    struct timer *timer = timers_first(&rig->world.timers);
    if (router_view(rig->router, 0).deliveries > 0)
        return;
    rig->world.after_step = NULL;
    CHECK_FATAL(timer && timer->at_ms == rig->world.now_ms + 1);
    timers_disarm(&rig->world.timers, timer);
    timer->fire(timer);
}

static void who_lets_go_in_the_last_moment_is_exchanged(void)
{
    struct change change;
    struct rig_flow flow = {0};
    change_init(&change, 1);
    change.rig.sinks[0].script = hold;
    change.rig.sinks[0].on_cancel = VSINK_HOLD;
    change.rig.routes[0].timeout_ms = 600000;
    rig_start(&change.rig);
    rig_flow(&change.rig, &flow, "1:a", 1, NULL, false);
    vworld_settle(&change.rig.world);
    change_begin(&change, 1000);
    vworld_run(&change.rig.world, 3499);
    change.rig.world.after_step = fire_once_let_go;
    vsink_say_all(&change.rig.sinks[0], WEIR_RETRY);
    vworld_run(&change.rig.world, 60000);
    check_taken_over(&change, &flow, "1");
    change_done(&change);
}

static void what_waits_to_be_tried_again_keeps_its_attempts_and_its_place(void)
{
    struct change change;
    struct rig_flow flow = {0};
    change_init(&change, 1);
    change.rig.sinks[0].script = retry;
    change.rig.routes[0].base_ms = change.rig.routes[0].cap_ms = 60000;
    change.rig.routes[0].max_attempts = 2;
    change.rig.routes[0].on_exhausted = ROUTE_DROP;
    rig_start(&change.rig);
    rig_flow(&change.rig, &flow, "1:a 2:a 3:b", 1, NULL, false);
    vworld_settle(&change.rig.world);
    change.next.script = retry;
    change_begin(&change, 30000);
    vworld_settle(&change.rig.world);
    CHECK(change.ready);
    CHECK_INT(change.next.count, 0); /* not its time yet */
    vworld_run(&change.rig.world, 300000);
    CHECK_INT(vsink_times(&change.next, "1"), 1); /* its second attempt was the last */
    CHECK_INT(vsink_times(&change.next, "2"), 2);
    CHECK_INT(rig_counts(&change.rig, 0).dropped, 3);
    CHECK(flow.answer.came);
    change_done(&change);
}

static void a_sink_that_is_held_down_begins_up(void)
{
    struct change change;
    struct rig_flow flow = {0};
    change_init(&change, 1);
    change.rig.sinks[0].script = down;
    rig_start(&change.rig);
    rig_flow(&change.rig, &flow, "1:a 2:a 3:b", 1, NULL, false);
    vworld_run(&change.rig.world, 100);
    CHECK(!rig_counts(&change.rig, 0).up);
    change_begin(&change, 30000);
    vworld_settle(&change.rig.world); /* no probe is waited for */
    CHECK(rig_counts(&change.rig, 0).up);
    check_taken_over(&change, &flow, "1 3 2");
    change_done(&change);
}

/* `down` of the new one is not held against a record that the old one could not take. */
static void what_the_old_one_said_of_itself_is_forgotten(void)
{
    struct change change;
    struct rig_flow flow = {0};
    change_init(&change, 1);
    change.rig.sinks[0].script = down;
    change.rig.routes[0].max_attempts = 1;
    change.rig.routes[0].on_exhausted = ROUTE_DROP;
    rig_start(&change.rig);
    rig_flow(&change.rig, &flow, "1:a", 1, NULL, false);
    vworld_run(&change.rig.world, 100);
    change.next.script = down;
    change_begin(&change, 30000);
    vworld_run(&change.rig.world, 3500);
    CHECK(change.next.count > 1);
    CHECK_INT(rig_counts(&change.rig, 0).dropped, 0);
    change.next.script = NULL;
    vworld_run(&change.rig.world, 60000);
    CHECK(flow.answer.complete);
    change_done(&change);
}

static void dead_letters_go_to_the_new_one(void)
{
    struct change change;
    struct rig_flow flow = {0};
    change_init(&change, 2);
    change.rig.letters_only[0] = true;
    change.rig.sinks[0].script = down;
    change.rig.sinks[1].script = fail;
    change.rig.routes[1].on_exhausted = ROUTE_SINK;
    change.rig.routes[1].exhausted_sink = 0;
    rig_start(&change.rig);
    rig_flow(&change.rig, &flow, "1:a 2:a", 3, NULL, false);
    vworld_run(&change.rig.world, 100);
    CHECK(!flow.answer.came);
    change_begin(&change, 30000);
    vworld_run(&change.rig.world, 100);
    check_taken_over(&change, &flow, "d1 d2");
    CHECK_INT(rig_counts(&change.rig, 1).dead, 2);
    change_done(&change);
}

/* A dead letter about a record of the sink that changes is on its way to another, or to the store:
 * that goes on. */
static void what_was_given_up_stays_given_up(void)
{
    for (int to_store = 0; to_store < 2; to_store++) {
        struct change change;
        struct rig_flow flow = {0};
        change_init(&change, 2);
        change.rig.letters_only[1] = true;
        change.rig.sinks[0].script = fail;
        change.rig.sinks[1].script = hold;
        change.rig.routes[1].timeout_ms = 600000;
        change.rig.routes[0].on_exhausted = to_store ? ROUTE_DEAD : ROUTE_SINK;
        change.rig.routes[0].exhausted_sink = 1;
        change.rig.world.hold_puts = true;
        rig_start(&change.rig);
        rig_flow(&change.rig, &flow, "1:a", 3, NULL, false);
        vworld_settle(&change.rig.world);
        change_begin(&change, 30000);
        vworld_settle(&change.rig.world);
        CHECK(change.ready && change.status == 0);
        vworld_store(&change.rig.world, 0);
        vsink_say_all(&change.rig.sinks[1], WEIR_OK);
        vworld_settle(&change.rig.world);
        CHECK(flow.answer.complete);
        CHECK_INT(rig_counts(&change.rig, 0).dead, 1);
        CHECK_INT(change.next.count, 0);
        change_done(&change);
    }
}

static void with_another_order_the_lanes_are_made_anew(void)
{
    static const struct {
        enum route_order from, to;
        const char *story;
    } rows[] = {
        {ROUTE_ITEM, ROUTE_SHARD, "2 3 4 5"}, {ROUTE_SHARD, ROUTE_ITEM, "2 4 3 5"},
        {ROUTE_NONE, ROUTE_ITEM, "2 4 3 5"},  {ROUTE_ITEM, ROUTE_NONE, "2 3 4 5"},
        {ROUTE_SHARD, ROUTE_NONE, "2 3 4 5"}, {ROUTE_NONE, ROUTE_SHARD, "2 3 4 5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct change change;
        struct rig_flow flow = {0};
        change_init(&change, 1);
        change.rig.sinks[0].script = hold;
        change.rig.routes[0].order = rows[i].from;
        change.rig.routes[0].concurrency = change.rig.routes[0].batch_records = 1;
        rig_start(&change.rig);
        rig_flow(&change.rig, &flow, "1:a 2:b 3:b 4:c 5:b", 1, NULL, false);
        vworld_settle(&change.rig.world);
        change_begin(&change, 30000);
        change.route.order = rows[i].to;
        vsink_say_all(&change.rig.sinks[0], WEIR_OK);
        vworld_settle(&change.rig.world);
        check_taken_over(&change, &flow, rows[i].story);
        change_done(&change);
    }
}

static bool has_new_image;

/* Before the sink says something of it: has it got the new image? */
static void note_image(struct vsink *sink, weir_delivery *delivery)
{
    (void)sink;
    for (size_t i = 0; i < delivery->count; i++)
        has_new_image = has_new_image && delivery->entries[i].rec->image_at[2] != 0;
    for (size_t i = 0; i < delivery->count; i++)
        delivery_complete(delivery->board, delivery->instance, delivery->token, i, WEIR_OK,
                          STR_NONE);
}

/* The old one read no image, so none was built; the new one would take that for an absent one. */
static void images_that_only_the_new_one_reads_are_built_for_it(void)
{
    for (int completes = 0; completes < 2; completes++) {
        struct change change;
        struct rig_flow flow = {0}, later = {0};
        change_init(&change, 1);
        change.rig.sinks[0].script = down;
        rig_start(&change.rig);
        rig_flow(&change.rig, &flow, "1:a 2:b", 1, NULL, false);
        vworld_run(&change.rig.world, 100);
        change.next.on_deliver = note_image;
        has_new_image = true;
        change_begin(&change, 0);
        if (completes)
            router_completes(change.rig.router, 0, WEIR_OLD | WEIR_NEW);
        vworld_settle(&change.rig.world);
        rig_flow(&change.rig, &later, "3:a", 1, NULL, false); /* was decoded before, too */
        vworld_settle(&change.rig.world);
        CHECK(flow.answer.complete && later.answer.complete);
        CHECK_INT(has_new_image, completes);
        change_done(&change);
    }
}

static void only_one_at_a_time_and_none_of_a_router_that_stops(void)
{
    struct change change;
    struct rig_flow flow = {0};
    change_init(&change, 1);
    change.rig.sinks[0].script = hold;
    change.rig.sinks[0].on_cancel = WEIR_RETRY;
    rig_start(&change.rig);
    rig_flow(&change.rig, &flow, "1:a", 1, NULL, false);
    vworld_settle(&change.rig.world);
    change_begin(&change, 30000);
    const struct exchange_config again = {.sinks = 1, .ready = on_ready, .arg = &change};
    CHECK_INT(router_exchange(change.rig.router, &again), -EBUSY);
    router_stop(change.rig.router);
    vworld_settle(&change.rig.world);
    CHECK(change.ready);
    CHECK_INT(change.status, -ECANCELED);
    CHECK(flow.answer.came && !flow.answer.complete);
    change_done(&change);
}

/* Before it was cancelled what the plugin has stays with it; afterwards it comes again. */
static void who_asked_may_want_it_no_more(void)
{
    static const struct {
        int64_t wait_ms, stop_ms;
        const char *story;
        unsigned cancels;
    } rows[] = {{30000, 500, "1 2", 0}, {1000, 2000, "1 2 1", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct change change;
        struct rig_flow flow = {0};
        change_init(&change, 1);
        change.rig.sinks[0].script = hold;
        change.rig.sinks[0].on_cancel = VSINK_HOLD;
        change.rig.routes[0].timeout_ms = 600000;
        change.rig.routes[0].batch_records = 1;
        change.rig.routes[0].max_attempts = 1;
        rig_start(&change.rig);
        router_exchange_stop(change.rig.router); /* there is none */
        rig_flow(&change.rig, &flow, "1:a", 1, NULL, false);
        vworld_settle(&change.rig.world);
        struct rig_flow next = {0};
        change_begin(&change, rows[i].wait_ms);
        rig_flow(&change.rig, &next, "2:b", 1, NULL, false);
        vworld_run(&change.rig.world, rows[i].stop_ms);
        CHECK(!change.ready && change.rig.sinks[0].count == 1);
        router_exchange_stop(change.rig.router);
        CHECK(change.ready);
        CHECK_INT(change.status, -ECANCELED);
        change.rig.sinks[0].script = NULL;
        if (rows[i].cancels)
            vsink_say(&change.rig.sinks[0], 0, WEIR_RETRY);
        vworld_settle(&change.rig.world);
        CHECK(next.answer.complete);
        if (!rows[i].cancels)
            vsink_say(&change.rig.sinks[0], 0, WEIR_OK);
        vworld_run(&change.rig.world, 10000);
        CHECK(flow.answer.complete);
        CHECK_STR(vsink_story(&change.rig.sinks[0]), rows[i].story);
        CHECK_INT(change.rig.sinks[0].cancels, rows[i].cancels);
        CHECK_INT(change.next.count, 0);
        change_done(&change);
    }
}

static void a_bad_route_or_no_memory_changes_nothing(void)
{
    struct change change;
    struct rig_flow flow = {0};
    change_init(&change, 2);
    rig_start(&change.rig);
    const struct exchange_config config = {.sinks = 1, .ready = on_ready, .arg = &change};
    mem_fail_at(1);
    CHECK_INT(router_exchange(change.rig.router, &config), -ENOMEM);
    mem_fail_at(0);
    change_begin(&change, 0);
    change.bad = true;
    vworld_settle(&change.rig.world);
    CHECK(change.ready);
    rig_flow(&change.rig, &flow, "1:a", 3, NULL, false);
    vworld_settle(&change.rig.world);
    CHECK(flow.answer.complete);
    CHECK_STR(vsink_story(&change.rig.sinks[0]), "1");
    change_done(&change);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"what_is_queued_goes_to_the_new_one_and_what_is_open_is_waited_for",
         what_is_queued_goes_to_the_new_one_and_what_is_open_is_waited_for},
        {"what_is_not_let_go_is_cancelled_and_given_to_the_new_one",
         what_is_not_let_go_is_cancelled_and_given_to_the_new_one},
        {"who_keeps_records_stays", who_keeps_records_stays},
        {"who_lets_go_in_the_last_moment_is_exchanged",
         who_lets_go_in_the_last_moment_is_exchanged},
        {"what_waits_to_be_tried_again_keeps_its_attempts_and_its_place",
         what_waits_to_be_tried_again_keeps_its_attempts_and_its_place},
        {"a_sink_that_is_held_down_begins_up", a_sink_that_is_held_down_begins_up},
        {"what_the_old_one_said_of_itself_is_forgotten",
         what_the_old_one_said_of_itself_is_forgotten},
        {"dead_letters_go_to_the_new_one", dead_letters_go_to_the_new_one},
        {"what_was_given_up_stays_given_up", what_was_given_up_stays_given_up},
        {"with_another_order_the_lanes_are_made_anew", with_another_order_the_lanes_are_made_anew},
        {"images_that_only_the_new_one_reads_are_built_for_it",
         images_that_only_the_new_one_reads_are_built_for_it},
        {"only_one_at_a_time_and_none_of_a_router_that_stops",
         only_one_at_a_time_and_none_of_a_router_that_stops},
        {"who_asked_may_want_it_no_more", who_asked_may_want_it_no_more},
        {"a_bad_route_or_no_memory_changes_nothing", a_bad_route_or_no_memory_changes_nothing},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, exchange of a sink", tests);
}
