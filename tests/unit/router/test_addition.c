/* A sink comes, or comes back, while the records of the others are in every state that there is. */
#include "rig.h"

#include "router/exchange.h"

struct addition {
    struct rig rig;
    uint64_t comes, goes; /* bit i: sink i */
    size_t room;
    bool letters_to_it; /* sink 1 gives up to the last of those that come */
    bool ready;
};

static int32_t hold(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
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
    struct addition *addition = arg;
    struct rig *rig = &addition->rig;
    size_t last = 0;
    (void)sink;
    CHECK_INT(status, 0);
    addition->ready = true;
    CHECK_INT(router_make_room(rig->router, addition->room), 0);
    for (size_t i = 0; i < rig->count; i++)
        if (addition->comes >> i & 1) {
            CHECK_INT(router_add(rig->router, i, &rig->routes[i]), 0);
            CHECK_INT(router_add(rig->router, i, &rig->routes[i]), -EINVAL); /* taken */
            last = i;
        }
    if (addition->letters_to_it) {
        rig->routes[1].on_exhausted = ROUTE_SINK;
        rig->routes[1].exhausted_sink = last;
        CHECK_INT(router_replace(rig->router, 1, &rig->routes[1]), 0);
    }
    router_remove(rig->router, addition->goes);
}

/* Of `count` sinks the first two are there from the start. */
static void addition_init(struct addition *addition, size_t count)
{
    *addition = (struct addition){.room = count};
    rig_init(&addition->rig, count, false);
    addition->rig.config.blocks_for_ever = true;
    addition->rig.config.route_count = 2;
    addition->rig.config.places = count;
}

static void exchange(struct addition *addition, uint64_t comes, uint64_t goes)
{
    uint64_t others = goes | (addition->letters_to_it ? 2 : 0);
    const struct exchange_config config = {
        .sinks = others, .wait_ms = 30000, .ready = on_ready, .arg = addition};
    addition->comes = comes;
    addition->goes = goes;
    addition->ready = false;
    CHECK_INT(router_exchange(addition->rig.router, &config), 0);
    vworld_run(&addition->rig.world, 33000);
    CHECK(addition->ready);
}

/* By what sink 0 does as the third comes. */
static void what_was_submitted_before_is_not_for_it(void)
{
    static int32_t (*const scripts[])(struct vsink *, const struct vseen *) = {NULL, hold, down,
                                                                               fail};
    for (size_t i = 0; i < 2 * sizeof scripts / sizeof *scripts; i++) {
        struct addition addition;
        struct rig_flow before = {0}, behind = {0};
        size_t plain = 0;
        addition_init(&addition, 3);
        struct rig *rig = &addition.rig;
        rig->sinks[0].script = scripts[i / 2];
        rig->routes[0].timeout_ms = 600000;
        rig_start(rig);
        if (i % 2)
            plain = rig_submit(rig, "1:a 2:b !3 4:a", 0);
        else
            rig_flow(rig, &before, "1:a 2:b !3 4:a", 3, NULL, false);
        vworld_run(&rig->world, 300);
        exchange(&addition, 4, 0);
        CHECK_INT(router_sink_count(rig->router), 3);
        CHECK_INT(rig_counts(rig, 2).read, 0);
        rig_flow(rig, &behind, "5:a 6:b", 4, NULL, false);
        vworld_settle(&rig->world);
        CHECK(behind.answer.complete); /* its lanes are its own */
        CHECK_INT(rig_counts(rig, 2).delivered, 2);
        rig->sinks[0].script = NULL;
        vsink_say_all(&rig->sinks[0], WEIR_OK);
        vworld_run(&rig->world, 120000);
        CHECK_INT(vsink_times(&rig->sinks[2], "1"), 0);
        CHECK_INT(rig_counts(rig, 0).pending, 0);
        CHECK(i % 2 ? rig->answers[plain].came : before.answer.came);
        size_t later = rig_submit(rig, "7:a 8:b", 0);
        vworld_run(&rig->world, 100);
        CHECK(rig->answers[later].complete);
        CHECK_INT(vsink_times(&rig->sinks[2], "7"), 1);
        router_stop(rig->router); /* poison blocks here */
        vworld_run(&rig->world, 100);
        rig_done(rig);
    }
}

static void letters_of_batches_before_may_go_to_it(void)
{
    struct addition addition;
    struct rig_flow flow = {0};
    addition_init(&addition, 4);
    struct rig *rig = &addition.rig;
    rig->letters_only[3] = true;
    rig->sinks[1].script = hold;
    rig->sinks[1].on_cancel = WEIR_RETRY;
    rig->routes[1].timeout_ms = 600000;
    addition.letters_to_it = true;
    rig_start(rig);
    rig_flow(rig, &flow, "1:a 2:b 3:c", 3, NULL, false);
    vworld_run(&rig->world, 100);
    CHECK(!flow.answer.came);
    exchange(&addition, 4 | 8, 0); /* cancelled records are no attempt: they are given once more */
    vsink_say_all(&rig->sinks[1], WEIR_FAIL);
    vworld_run(&rig->world, 1000);
    CHECK(flow.answer.complete);
    CHECK_INT(rig->sinks[3].count, 3);
    CHECK_INT(rig_counts(rig, 1).dead, 3);
    CHECK_INT(rig->sinks[2].count, 0);
    rig_done(rig);
}

/* Its place, its counts and what it finished out of turn are as they were. */
static void one_that_was_removed_comes_back(void)
{
    struct addition addition;
    struct rig_flow before = {0}, without = {0}, again = {0};
    addition_init(&addition, 2);
    struct rig *rig = &addition.rig;
    rig->sinks[0].script = hold;
    rig->sinks[0].on_cancel = WEIR_RETRY;
    rig->routes[0].timeout_ms = 600000;
    rig->routes[0].batch_records = 1;
    rig_start(rig);
    rig_flow(rig, &before, "1:a 2:b 3:a", 3, NULL, false);
    vworld_run(&rig->world, 100);
    vsink_say(&rig->sinks[0], 1, WEIR_OK); /* record 2 */
    vworld_run(&rig->world, 100);
    exchange(&addition, 0, 1);
    CHECK(router_sink_gone(rig->router, 0));
    CHECK(before.answer.complete);
    rig_flow(rig, &without, "4:a", 3, NULL, false);
    vworld_run(&rig->world, 100);
    CHECK(without.answer.complete);
    size_t given = rig->sinks[0].count;
    rig->sinks[0].script = NULL;
    exchange(&addition, 1, 0);
    CHECK(!router_sink_gone(rig->router, 0));
    CHECK_INT(rig->sinks[0].count, given);
    rig_flow(rig, &again, "1:a 2:b 3:a 4:a", 1, NULL, false);
    vworld_run(&rig->world, 100);
    CHECK(again.answer.complete);
    CHECK_INT(vsink_times(&rig->sinks[0], "2"), 1);
    CHECK_INT(vsink_times(&rig->sinks[0], "4"), 1);
    CHECK_INT(rig_counts(rig, 0).delivered, 4);
    CHECK_INT(rig_counts(rig, 0).duplicate, 1);
    CHECK(rig_counts(rig, 0).required);
    rig_done(rig);
}

static void room_is_there_before_or_nothing_changes(void)
{
    struct addition addition;
    struct rig_flow flow = {0};
    addition_init(&addition, 3);
    struct rig *rig = &addition.rig;
    rig->sinks[0].script = hold;
    rig_start(rig);
    rig_flow(rig, &flow, "1:a", 3, NULL, false);
    vworld_settle(&rig->world);
    CHECK_INT(router_make_room(rig->router, 4), -E2BIG);
    CHECK_INT(router_make_room(rig->router, 2), 0);
    CHECK_INT(router_add(rig->router, 2, &rig->routes[2]), -EINVAL);
    CHECK_INT(router_make_room(rig->router, 3), 0);
    rig->routes[2].concurrency = 0;
    CHECK_INT(router_add(rig->router, 2, &rig->routes[2]), -EINVAL);
    rig->routes[2].concurrency = 1;
    rig->routes[2].on_exhausted = ROUTE_SINK;
    rig->routes[2].exhausted_sink = 2;
    CHECK_INT(router_add(rig->router, 2, &rig->routes[2]), -EINVAL);
    CHECK_INT(router_sink_count(rig->router), 2);
    vsink_say_all(&rig->sinks[0], WEIR_OK);
    vworld_run(&rig->world, 100);
    CHECK(flow.answer.complete);
    rig_done(rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"what_was_submitted_before_is_not_for_it", what_was_submitted_before_is_not_for_it},
        {"letters_of_batches_before_may_go_to_it", letters_of_batches_before_may_go_to_it},
        {"one_that_was_removed_comes_back", one_that_was_removed_comes_back},
        {"room_is_there_before_or_nothing_changes", room_is_there_before_or_nothing_changes},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, a sink more", tests);
}
