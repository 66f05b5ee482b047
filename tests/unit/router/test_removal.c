/* A sink is removed while its records are in every state that there is. */
#include "rig.h"

#include "router/exchange.h"

struct removal {
    struct rig rig;
    uint64_t sinks;            /* that go */
    enum route_exhausted then; /* where sink 1 gives up to from then on */
    size_t then_sink;
    bool ready;
    int status;
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
    struct removal *removal = arg;
    struct rig *rig = &removal->rig;
    (void)sink;
    CHECK(!removal->ready);
    removal->ready = true;
    removal->status = status;
    if (status < 0)
        return;
    rig->routes[1].on_exhausted = removal->then;
    rig->routes[1].exhausted_sink = removal->then_sink;
    CHECK_INT(router_replace(rig->router, 1, &rig->routes[1]), 0);
    router_set_poison(rig->router, ROUTE_DEAD, 0);
    router_remove(rig->router, removal->sinks);
    router_remove(rig->router, removal->sinks); /* is no matter */
}

static void removal_init(struct removal *removal, size_t count)
{
    *removal = (struct removal){.sinks = 1, .then = ROUTE_BLOCK, .status = 1};
    rig_init(&removal->rig, count, false);
    removal->rig.config.blocks_for_ever = true;
}

static void removal_begin(struct removal *removal)
{
    const struct exchange_config config = {
        .sinks = removal->sinks | 2, .wait_ms = 30000, .ready = on_ready, .arg = removal};
    CHECK_INT(router_exchange(removal->rig.router, &config), 0);
}

/* Sink 1 gets a later batch whole, the one that is gone nothing of it. */
static void check_goes_on(struct removal *removal)
{
    struct rig *rig = &removal->rig;
    struct rig_flow later = {0};
    size_t given = rig->sinks[0].count;
    struct sink_counts before = rig_counts(rig, 0);
    CHECK(router_sink_gone(rig->router, 0) && !router_sink_gone(rig->router, 1));
    rig->sinks[1].script = NULL;
    rig_flow(rig, &later, "90:a !91 92:b", UINT64_MAX, NULL, false);
    size_t plain = rig_submit(rig, "95:a", 0);
    vworld_settle(&rig->world);
    vworld_store(&rig->world, 0);
    vworld_run(&rig->world, 100);
    CHECK(later.answer.complete);
    CHECK(rig->answers[plain].complete);
    CHECK_INT(vsink_times(&rig->sinks[1], "92"), 1);
    CHECK_INT(rig->sinks[0].count, given);
    CHECK_INT(rig_counts(rig, 0).read, before.read);
    CHECK_INT(rig_counts(rig, 0).pending, 0);
    const char *trouble = router_trouble(rig->router).down;
    CHECK(!trouble || strcmp(trouble, "a") != 0);
}

/* What sink 0 is doing with its records as it goes. */
struct state {
    const char *name;
    int32_t (*script)(struct vsink *sink, const struct vseen *seen);
    enum route_exhausted end;
    bool gated, optional, unordered;
};

static const struct state states[] = {
    {.name = "open, and queued behind", .script = hold},
    {.name = "waits to be tried again", .script = retry},
    {.name = "held down", .script = down},
    {.name = "blocked", .script = fail},
    {.name = "leaves to the store", .script = fail, .end = ROUTE_DEAD},
    {.name = "leaves to a sink", .script = fail, .end = ROUTE_SINK},
    {.name = "gated", .gated = true},
    {.name = "nobody waits for it", .script = down, .optional = true},
    {.name = "gated, and nobody waits", .gated = true, .optional = true},
    {.name = "in no lane", .script = down, .unordered = true},
};

static void run_state(const struct state *state, bool plain, bool background)
{
    struct removal removal;
    struct rig_flow flow = {0};
    removal_init(&removal, 3);
    struct rig *rig = &removal.rig;
    rig->letters_only[2] = true;
    rig->sinks[0].script = state->script;
    rig->sinks[0].on_cancel = WEIR_RETRY;
    rig->sinks[2].script = down;
    rig->routes[0].concurrency = 1;
    rig->routes[0].batch_records = 2;
    rig->routes[0].timeout_ms = 600000;
    rig->routes[0].base_ms = rig->routes[0].cap_ms = 60000;
    rig->routes[0].required = !state->optional;
    rig->routes[0].queue_records = 100;
    rig->routes[0].on_exhausted = state->end;
    rig->routes[0].exhausted_sink = 2;
    rig->routes[0].order = state->unordered ? ROUTE_NONE : ROUTE_ITEM;
    rig->world.hold_puts = true;
    rig_start(rig);
    size_t answer = 0;
    const struct flow_options options = {.gated = state->gated ? 1 : 0};
    if (plain)
        answer = rig_submit(rig, "1:a 2:b 3:a 4:c", 0);
    else
        rig_flow(rig, &flow, "1:a 2:b 3:a 4:c", 7, &options, background);
    vworld_run(&rig->world, 300);
    size_t given = rig->sinks[0].count;
    removal_begin(&removal);
    vworld_run(&rig->world, 31000);
    CHECK(removal.ready && removal.status == 0);
    CHECK_INT(rig->sinks[0].count, given);
    CHECK(plain || flow.answer.complete);
    CHECK_INT(rig_counts(rig, 1).pending, 0);
    CHECK_INT(rig_counts(rig, 1).delivered, 4);
    rig->sinks[2].script = NULL;
    vworld_store(&rig->world, 0);
    vworld_run(&rig->world, 60000);
    CHECK(!plain || rig->answers[answer].complete); /* it waits for the store's answer */
    CHECK_INT(rig_counts(rig, 2).pending, 0);
    check_goes_on(&removal);
    rig_done(rig);
}

static void nothing_waits_for_it_whatever_its_records_are_doing(void)
{
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        unsigned failures = CU_get_number_of_failures();
        run_state(&states[i], false, false);
        run_state(&states[i], false, true);
        if (!states[i].gated)
            run_state(&states[i], true, false);
        if (CU_get_number_of_failures() != failures)
            printf("\n    state: %s", states[i].name);
    }
}

static void who_keeps_records_stays(void)
{
    struct removal removal;
    struct rig_flow flow = {0};
    removal_init(&removal, 2);
    removal.rig.sinks[0].script = hold;
    removal.rig.sinks[0].on_cancel = VSINK_HOLD;
    removal.rig.routes[0].timeout_ms = 600000;
    rig_start(&removal.rig);
    rig_flow(&removal.rig, &flow, "1:a 2:b", 3, NULL, false);
    vworld_settle(&removal.rig.world);
    removal_begin(&removal);
    vworld_run(&removal.rig.world, 33000);
    CHECK(removal.ready);
    CHECK_INT(removal.status, -EBUSY);
    CHECK(!router_sink_gone(removal.rig.router, 0));
    CHECK(!flow.answer.came);
    vsink_say_all(&removal.rig.sinks[0], WEIR_OK);
    vworld_run(&removal.rig.world, 100);
    CHECK(flow.answer.complete);
    rig_done(&removal.rig);
}

/* Sink 0 takes the dead letters of sink 1 and the poison, and goes with some waiting in it. */
static void letters_on_the_way_to_it_go_to_where_the_config_says_now(void)
{
    static const struct {
        enum route_exhausted then;
        int dead, dropped;
    } rows[] = {{ROUTE_DEAD, 2, 0}, {ROUTE_DROP, 0, 2}, {ROUTE_SINK, 2, 0}, {ROUTE_BLOCK, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct removal removal;
        struct rig_flow flow = {0};
        removal_init(&removal, 3);
        struct rig *rig = &removal.rig;
        rig->letters_only[0] = rig->letters_only[2] = true;
        rig->sinks[0].script = down;
        rig->sinks[1].script = fail;
        rig->routes[1].on_exhausted = ROUTE_SINK;
        rig->routes[1].exhausted_sink = 0;
        removal.then = rows[i].then;
        removal.then_sink = 2;
        rig_start(rig);
        rig_flow(rig, &flow, "1:a 2:a 3:b", 2, NULL, false);
        vworld_run(&rig->world, 100);
        CHECK(!flow.answer.came);
        rig->sinks[1].script = NULL;
        removal_begin(&removal);
        vworld_run(&rig->world, 100);
        CHECK(removal.ready && removal.status == 0);
        if (rows[i].then == ROUTE_BLOCK)
            vworld_run(&rig->world, 120000);
        CHECK(flow.answer.complete);
        CHECK_INT(rig_counts(rig, 1).pending, 0);
        CHECK_INT(rig_counts(rig, 0).pending, 0);
        CHECK_INT(
            rig_counts(rig, 1).delivered + rig_counts(rig, 1).dead + rig_counts(rig, 1).dropped, 3);
        CHECK(rig_counts(rig, 1).dead >= (uint64_t)rows[i].dead);
        CHECK(rig_counts(rig, 1).dropped >= (uint64_t)rows[i].dropped);
        CHECK(rows[i].then != ROUTE_DEAD || vworld_stored(&rig->world, "b", "1"));
        CHECK_INT(rig->sinks[2].count, rows[i].then == ROUTE_SINK ? 2 : 0);
        check_goes_on(&removal);
        rig_done(rig);
    }
}

/* A letter about a letter: sink 0 passed on what it could not take. Both go. */
static void letters_about_letters_go_back_to_the_first(void)
{
    struct removal removal;
    struct rig_flow flow = {0};
    removal_init(&removal, 3);
    struct rig *rig = &removal.rig;
    rig->letters_only[0] = rig->letters_only[2] = true;
    rig->sinks[0].script = fail;
    rig->sinks[1].script = fail;
    rig->sinks[2].script = down;
    rig->routes[0].on_exhausted = rig->routes[1].on_exhausted = ROUTE_SINK;
    rig->routes[0].exhausted_sink = 2;
    rig->routes[1].exhausted_sink = 0;
    removal.sinks = 5;
    removal.then = ROUTE_DEAD;
    rig_start(rig);
    rig_flow(rig, &flow, "1:a", 2, NULL, false);
    vworld_run(&rig->world, 100);
    CHECK_INT(rig_counts(rig, 2).pending, 1);
    removal_begin(&removal);
    vworld_run(&rig->world, 100);
    CHECK(removal.ready && removal.status == 0);
    CHECK(flow.answer.complete);
    CHECK(vworld_stored(&rig->world, "b", "1"));
    CHECK_INT(rig_counts(rig, 1).dead, 1);
    check_goes_on(&removal);
    rig_done(rig);
}

static void poison_on_the_way_to_it_goes_to_where_the_config_says_now(void)
{
    struct removal removal;
    struct rig_flow flow = {0};
    removal_init(&removal, 2);
    struct rig *rig = &removal.rig;
    rig->letters_only[0] = true;
    rig->sinks[0].script = down;
    rig->config.on_poison = ROUTE_SINK;
    rig->config.poison_sink = 0;
    removal.then = ROUTE_DEAD;
    rig_start(rig);
    rig_flow(rig, &flow, "1:a !2 3:a", 2, NULL, false);
    vworld_run(&rig->world, 100);
    CHECK(!flow.answer.came);
    removal_begin(&removal);
    vworld_run(&rig->world, 100);
    CHECK(flow.answer.complete);
    CHECK(vworld_stored(&rig->world, "", "2"));
    check_goes_on(&removal);
    rig_done(rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"nothing_waits_for_it_whatever_its_records_are_doing",
         nothing_waits_for_it_whatever_its_records_are_doing},
        {"who_keeps_records_stays", who_keeps_records_stays},
        {"letters_on_the_way_to_it_go_to_where_the_config_says_now",
         letters_on_the_way_to_it_go_to_where_the_config_says_now},
        {"letters_about_letters_go_back_to_the_first", letters_about_letters_go_back_to_the_first},
        {"poison_on_the_way_to_it_goes_to_where_the_config_says_now",
         poison_on_the_way_to_it_goes_to_where_the_config_says_now},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, removal of a sink", tests);
}
