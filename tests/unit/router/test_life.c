/* Stopping and freeing in every state, memory that runs out, memory that is not needed. */
#include "rig.h"
#include "router/memory.h"

static int32_t hold(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

static int32_t by_record(struct vsink *sink, const struct vseen *seen)
{
    static const int32_t says[] = {WEIR_OK,   WEIR_RETRY, WEIR_FAIL,
                                   WEIR_DOWN, VSINK_HOLD, WEIR_SKIP};
    (void)sink;
    return says[strtol(seen->sequence, NULL, 10) % 6];
}

/* Records in a lane behind others, waiting for a retry, open, on their way to the store and to a
 * dead-letter sink, poison, and a sink that is down. */
static void stop_ends_everything_in_every_state(void)
{
    for (int64_t after_ms = 0; after_ms < 9000; after_ms += after_ms < 300 ? 25 : 900)
        for (int invocations = 0; invocations < 2; invocations++) {
            struct rig rig;
            rig_init(&rig, 4, invocations);
            for (size_t i = 0; i < 3; i++)
                rig.sinks[i].script = by_record;
            rig.sinks[3].script = hold;
            rig.sinks[0].on_cancel = rig.sinks[3].on_cancel = VSINK_HOLD;
            rig.routes[0].on_exhausted = ROUTE_DEAD;
            rig.routes[1].on_exhausted = ROUTE_SINK;
            rig.routes[1].exhausted_sink = 3;
            rig.routes[1].order = ROUTE_NONE;
            rig.routes[2].required = false;
            rig.config.on_poison = ROUTE_DEAD;
            rig.letters_only[3] = true;
            rig.world.hold_puts = true;
            rig_start(&rig);
            rig_submit(&rig, "1:a 2:a 3:b 4:c 5:d 6:e !7:f 8:g 9:h 10:i 11:a 12:b", 0);
            rig_submit(&rig, "13:a 14:b 15:c !16:q 18:z", 0);
            vworld_run(&rig.world, after_ms);
            router_stop(rig.router);
            vworld_settle(&rig.world);
            CHECK(router_idle(rig.router));
            for (size_t i = 0; i < 2; i++)
                CHECK(rig.answers[i].came && !rig.answers[i].complete);
            CHECK(!timers_first(&rig.world.timers));
            if (after_ms % 2)
                vsink_say_all(&rig.sinks[0], WEIR_OK);
            vworld_store(&rig.world, 0);
            rig_done(&rig);
        }
}

/* The store still writes when the router is freed: its letter must live until it says so. */
static void a_letter_outlives_the_router(void)
{
    for (int status = 0; status >= -ENOSPC; status -= ENOSPC) {
        struct rig rig;
        rig_init(&rig, 1, false);
        rig.routes[0].on_exhausted = ROUTE_DEAD;
        rig.config.on_poison = ROUTE_DEAD;
        rig.sinks[0].script = by_record;
        rig.world.hold_puts = true;
        rig_start(&rig);
        rig_submit(&rig, "2:a !7:b", 0);
        vworld_settle(&rig.world);
        router_stop(rig.router);
        vworld_settle(&rig.world);
        router_free(rig.router);
        rig.router = NULL;
        rig.world.after_step = NULL;
        vworld_store(&rig.world, status);
        CHECK_INT(rig.world.letter_count, status == 0 ? 2 : 0);
        match_plan_free(rig.plan);
        board_done(&rig.board);
        vsink_done(&rig.sinks[0]);
        vworld_done(&rig.world);
    }
}

/* close() of a plugin completes what it still held; nobody drains the board before the router is
 * freed. */
static void what_is_completed_while_closing_is_heard(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig.sinks[0].script = hold;
    rig.sinks[0].on_cancel = VSINK_HOLD;
    rig_start(&rig);
    CHECK(!rig_run(&rig, "1:a 2:b", 1000)->complete);
    vsink_say_all(&rig.sinks[0], WEIR_OK);
    router_free(rig.router);
    board_drain(&rig.board);
    rig.router = NULL;
    vworld_settle(&rig.world);
    match_plan_free(rig.plan);
    board_done(&rig.board);
    vsink_done(&rig.sinks[0]);
    vworld_done(&rig.world);
}

static void a_delivery_never_completed_is_forgotten_at_the_end(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig.sinks[0].script = hold;
    rig.sinks[0].on_cancel = VSINK_HOLD;
    rig_start(&rig);
    CHECK(!rig_run(&rig, "1:a 2:b", 1000)->complete);
    CHECK(router_pinned_bytes(rig.router) > 0); /* a plugin may still read it */
    rig_done(&rig);
}

struct room {
    struct rig *rig;
    size_t pinned, queued;
    bool came;
};

static void on_room(void *arg, const struct batch_result *result)
{
    struct room *room = arg;
    CHECK(result->complete);
    room->pinned = router_pinned_bytes(room->rig->router);
    room->queued = router_queued(room->rig->router);
    room->came = true;
}

/* A source that waits for room asks when it is told that a batch has ended, and not again. */
static void the_room_of_a_batch_is_free_when_its_source_hears_of_its_end(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig_start(&rig);
    struct room room = {.rig = &rig, .pinned = 1, .queued = 1};
    struct batch *batch = rig_batch(&rig, "1:a 2:b");
    CHECK_INT(router_submit(rig.router, batch, 0, on_room, &room), 0);
    batch_unref(batch);
    CHECK(router_pinned_bytes(rig.router) > 0);
    CHECK(router_queued(rig.router) > 0);
    CHECK(vworld_until(&rig.world, &room.came, 1000));
    CHECK_INT(room.pinned, 0);
    CHECK_INT(room.queued, 0);
    vworld_settle(&rig.world);
    rig_done(&rig);
}

static void an_empty_batch_is_complete(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig_start(&rig);
    CHECK(rig_run(&rig, "", 0)->complete); /* nothing in it */
    CHECK_INT(rig_counts(&rig, 0).read, 0);
    rig_done(&rig);
}

/* ---- the memory of what is finished ---- */

static weir_str number_text(char *text, size_t size, unsigned number)
{
    snprintf(text, size, "%u", number);
    return str_of(text);
}

static void memory_keeps_20000_and_drops_the_oldest(void)
{
    struct memory memory = {0};
    char text[16];
    const weir_str stream = STR("stream");
    const struct memory_fact fact = {.finished = true};
    for (unsigned i = 0; i < MEMORY_ENTRIES_MAX + 100; i++)
        memory_put(&memory, stream, number_text(text, sizeof text, i), fact);
    CHECK_INT(memory.count, MEMORY_ENTRIES_MAX);
    for (unsigned i = 0; i < MEMORY_ENTRIES_MAX + 100; i++)
        CHECK(memory_find(&memory, stream, number_text(text, sizeof text, i)).finished ==
              (i >= 100));
    CHECK(!memory_find(&memory, STR("other"), STR("500")).finished);
    memory_put(&memory, stream, STR("500"), (struct memory_fact){.attempts = 7});
    CHECK_INT(memory_find(&memory, stream, STR("500")).attempts, 7);
    CHECK(!memory_find(&memory, stream, STR("500")).finished);
    memory_drop(&memory, stream, STR("500"));
    memory_drop(&memory, stream, STR("500"));
    memory_put(&memory, stream, STR_NONE, fact);
    CHECK(!memory_find(&memory, stream, STR_NONE).finished);
    CHECK_INT(memory.count, MEMORY_ENTRIES_MAX - 1);
    memory_done(&memory);
}

/* ---- allocation ---- */

static bool lettered(const struct vsink *sink, const char *sequence)
{
    for (size_t i = 0; i < sink->count; i++)
        if (sink->log[i].dead && strcmp(sink->log[i].sequence, sequence) == 0)
            return true;
    return false;
}

/* Sinks a and b give up on these: a into the store, b into sink c. */
static void check_nothing_was_lost(const struct rig *rig, const struct rig_answer *answer)
{
    static const char *const given_up[] = {"1", "2", "3", "4", "8"};
    CHECK(answer->came);
    for (size_t i = 0; answer->complete && i < 5; i++) {
        CHECK(vworld_stored(&rig->world, "a", given_up[i]));
        CHECK(lettered(&rig->sinks[2], given_up[i]));
    }
    for (size_t i = 0; answer->complete && i < 2; i++)
        CHECK(vsink_times(&rig->sinks[i], "6") && vsink_times(&rig->sinks[i], "12"));
    for (size_t i = 0; i < rig->world.letter_count; i++)
        CHECK(rig->world.letters[i].record[0] == '{'); /* whole or not at all */
}

static void F72_any_allocation_may_fail(void)
{
    bool failed_once = true;
    for (uint64_t k = 1; failed_once && k < 2000; k++) {
        struct rig rig;
        rig_init(&rig, 3, true);
        rig.routes[0].on_exhausted = ROUTE_DEAD;
        rig.routes[1].on_exhausted = ROUTE_SINK;
        rig.routes[1].exhausted_sink = 2;
        rig.letters_only[2] = true;
        rig.sinks[0].script = rig.sinks[1].script = by_record;
        rig.sinks[0].on_cancel = rig.sinks[1].on_cancel = WEIR_RETRY;
        rig.sinks[0].reason = rig.sinks[1].reason = "because";
        rig_start(&rig);
        struct batch *batch = rig_batch(&rig, "1:a 2:b 3:b 4:c 6:a 8:d 12:e");
        mem_fail_at(k);
        uint64_t before = mem_calls();
        size_t number = 0;
        int rc = rig_try(&rig, batch, 20000, &number);
        if (rc == 0)
            vworld_until(&rig.world, &rig.answers[number].came, 3600000);
        failed_once = mem_calls() - before >= k;
        mem_fail_at(0);
        batch_unref(batch);
        if (rc == 0)
            check_nothing_was_lost(&rig, &rig.answers[number]);
        else
            CHECK_INT(rc, -ENOMEM);
        vworld_settle(&rig.world);
        rig_done(&rig);
        CHECK(k < 1999);
    }
}

static int32_t fail(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_FAIL;
}

/* A record that came from GetRecords gets Lambda's shape only for its letter. */
static void F72_a_letter_is_never_without_its_record(void)
{
    static const char body[] =
        "{\"NextShardIterator\":\"x\",\"Records\":[{\"eventID\":\"e\",\"eventName\":\"MODIFY\","
        "\"eventVersion\":\"1.1\",\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"r\","
        "\"dynamodb\":{"
        "\"ApproximateCreationDateTime\":1767225600.0,\"Keys\":{\"id\":{\"S\":\"k\"}},"
        "\"SequenceNumber\":\"5\",\"SizeBytes\":9,\"StreamViewType\":\"KEYS_ONLY\"}}]}";
    size_t whole = 0;
    for (uint64_t k = 1; k < 60; k++)
        for (int to_sink = 0; to_sink < 2; to_sink++) {
            struct rig rig;
            struct batch *batch = NULL;
            struct err err;
            size_t number = 0;
            rig_init(&rig, 2, false);
            rig.letters_only[1] = true;
            rig.routes[0].on_exhausted = to_sink ? ROUTE_SINK : ROUTE_DEAD;
            rig.routes[0].exhausted_sink = 1;
            rig.sinks[0].script = fail;
            rig_start(&rig);
            char *bytes = mem_alloc(sizeof body + 64);
            CHECK_FATAL(bytes != NULL);
            memcpy(bytes, body, sizeof body);
            const struct decode_options options = {.source_arn = STR(RIG_ARN)};
            CHECK_FATAL(batch_decode(bytes, sizeof body - 1, rig.plan, &options, &batch, &err) ==
                        0);
            mem_fail_at(k);
            int rc = rig_try(&rig, batch, 0, &number);
            if (rc == 0)
                vworld_until(&rig.world, &rig.answers[number].came, 60000);
            mem_fail_at(0);
            batch_unref(batch);
            vworld_settle(&rig.world);
            bool complete = rc == 0 && rig.answers[number].complete;
            CHECK(!complete || lettered(&rig.sinks[1], "5") || vworld_stored(&rig.world, "a", "5"));
            if (rig.world.letter_count)
                CHECK(strstr(rig.world.letters[0].record, "\"SequenceNumber\":\"5\"") != NULL);
            whole += complete;
            rig_done(&rig);
        }
    CHECK(whole > 20);
}

static void no_allocation_in_steady_state(void)
{
    for (int sync = 0; sync < 2; sync++) {
        struct rig rig;
        uint64_t calls[2] = {0};
        char records[2][2048];
        size_t len[2] = {0};
        rig_init(&rig, 2, false);
        if (sync)
            rig_sync(&rig, 0);
        rig_start(&rig);
        for (unsigned i = 1; i <= 150; i++) /* a few records, and many */
            for (int k = 0; k < 2; k++)
                if (k == 1 || i <= 15)
                    len[k] += (size_t)snprintf(records[k] + len[k], sizeof records[k] - len[k],
                                               "%u:k%u ", i, i % 50);
        for (int round = 0; round < 8; round++)
            for (int k = 0; k < 2; k++) {
                struct batch *batch = rig_batch(&rig, records[k]);
                struct room room = {.rig = &rig};
                uint64_t before = mem_calls();
                CHECK_INT(router_submit(rig.router, batch, 0, on_room, &room), 0);
                CHECK(vworld_until(&rig.world, &room.came, 10000));
                vworld_settle(&rig.world);
                calls[k] = mem_calls() - before;
                batch_unref(batch);
            }
        CHECK_INT(calls[0], 0); /* after some rounds nothing is asked for any more */
        CHECK_INT(calls[1], 0);
        rig_done(&rig);
    }
}

/* The decoder allocates for the batch, not for its records. */
static void decoding_allocates_for_the_batch_not_for_records(void)
{
    struct rig rig;
    uint64_t calls[2];
    rig_init(&rig, 1, false);
    rig_start(&rig);
    for (int many = 0; many < 2; many++) {
        char records[4096];
        size_t len = 0;
        for (unsigned i = 1; i <= (many ? 200 : 20); i++)
            len += (size_t)snprintf(records + len, sizeof records - len, "%u:k ", i);
        char *body = rig_body(records);
        struct batch *batch = NULL;
        struct err err;
        uint64_t before = mem_calls();
        CHECK_INT(batch_decode(body, strlen(body), rig.plan, NULL, &batch, &err), 0);
        calls[many] = mem_calls() - before;
        batch_unref(batch);
    }
    CHECK(calls[1] < calls[0] + 20); /* ten times the records: some doubling, no more */
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"stop_ends_everything_in_every_state", stop_ends_everything_in_every_state},
        {"a_letter_outlives_the_router", a_letter_outlives_the_router},
        {"what_is_completed_while_closing_is_heard", what_is_completed_while_closing_is_heard},
        {"a_delivery_never_completed_is_forgotten_at_the_end",
         a_delivery_never_completed_is_forgotten_at_the_end},
        {"the_room_of_a_batch_is_free_when_its_source_hears_of_its_end",
         the_room_of_a_batch_is_free_when_its_source_hears_of_its_end},
        {"an_empty_batch_is_complete", an_empty_batch_is_complete},
        {"memory_keeps_20000_and_drops_the_oldest", memory_keeps_20000_and_drops_the_oldest},
        {"F72_any_allocation_may_fail", F72_any_allocation_may_fail},
        {"F72_a_letter_is_never_without_its_record", F72_a_letter_is_never_without_its_record},
        {"no_allocation_in_steady_state", no_allocation_in_steady_state},
        {"decoding_allocates_for_the_batch_not_for_records",
         decoding_allocates_for_the_batch_not_for_records},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, life", tests);
}
