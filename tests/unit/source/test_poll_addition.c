/* Sinks come and go while the poll runs, as a reload has it: none of them misses a record, gets one
 * twice or out of order, and nobody waits for those that come. */
#include "prig.h"

#include "router/exchange.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS, SINKS = 3, PLANS = 4096 };

struct change { /* what a reload brings */
    uint64_t comes, goes, optional;
    bool exchanging, done;
    int status; /* of looking up */
};

struct stage {
    struct prig prig;
    struct change change;
    uint64_t here; /* the sinks that there are */
    struct match_plan *plans[PLANS];
    size_t plan_count;
    uint64_t dice;
};

/* Who is not here matches nothing: what is decoded with this plan is not for it. */
static const struct match_plan *plan_of(struct stage *stage, uint64_t here)
{
    struct rig *rig = &stage->prig.rig;
    struct match_sink sinks[SINKS];
    struct err err = {0};
    CHECK_FATAL(stage->plan_count < PLANS);
    struct match_plan **plan = &stage->plans[stage->plan_count++];
    for (size_t i = 0; i < SINKS; i++)
        sinks[i] = (struct match_sink){&rig->rules[i], here >> i & 1};
    CHECK_FATAL(match_plan_new(sinks, SINKS, plan, &err) == 0);
    return *plan;
}

static struct prig *stage_init(struct stage *stage, size_t sinks)
{
    struct prig *prig = &stage->prig;
    *stage = (struct stage){.here = (UINT64_C(1) << sinks) - 1, .dice = 88172645463325252};
    prig_init(prig, SINKS);
    prig->rig.config.route_count = sinks;
    prig->rig.config.places = SINKS;
    prig->config.batch_size = 10;
    prig->config.parallelization_factor = 2;
    prig->latency_ms = 40;
    streams_model_create(&prig->model, "Products", 3, prig_unix_ms(prig));
    return prig;
}

static void stage_start(struct stage *stage)
{
    prig_start(&stage->prig);
    fetch_inline_set_plan(stage->prig.fetch, plan_of(stage, stage->here));
}

static void stage_done(struct stage *stage)
{
    prig_done(&stage->prig);
    for (size_t i = 0; i < stage->plan_count; i++)
        match_plan_free(stage->plans[i]);
}

static void take_over(void *arg, int status, size_t sink)
{
    struct stage *stage = arg;
    struct prig *prig = &stage->prig;
    struct router *router = prig->rig.router;
    struct change *change = &stage->change;
    (void)sink;
    CHECK_INT(status, 0);
    CHECK_INT(router_make_room(router, SINKS), 0);
    for (size_t i = 0; i < SINKS; i++)
        if (change->comes >> i & 1) {
            prig->rig.routes[i].required = !(change->optional >> i & 1);
            CHECK_INT(router_add(router, i, &prig->rig.routes[i]), 0);
        }
    router_remove(router, change->goes);
    stage->here = (stage->here | change->comes) & ~change->goes;
    fetch_inline_set_plan(prig->fetch, plan_of(stage, stage->here));
    poll_remove_sinks(prig->poll, change->goes);
    poll_add_sinks(prig->poll, stage->here);
    poll_set_optional(prig->poll, change->optional, 0, NULL);
    change->done = true;
}

static void looked_up(void *arg, int status)
{
    struct stage *stage = arg;
    struct change *change = &stage->change;
    const struct exchange_config config = {
        .sinks = change->goes, .wait_ms = 1000, .ready = take_over, .arg = stage};
    change->status = status;
    change->exchanging = status == 0;
    if (status == 0)
        CHECK_INT(router_exchange(stage->prig.rig.router, &config), 0);
    else
        change->done = true;
}

static int begin_change(struct stage *stage, uint64_t comes, uint64_t goes)
{
    stage->change =
        (struct change){.comes = comes, .goes = goes, .optional = stage->change.optional};
    return poll_look_up(stage->prig.poll, SINKS, looked_up, stage);
}

static void change(struct stage *stage, uint64_t comes, uint64_t goes)
{
    CHECK_INT(begin_change(stage, comes, goes), 0);
    CHECK(vworld_until(&stage->prig.rig.world, &stage->change.done, MINUTE_MS));
    CHECK_INT(stage->change.status, 0);
}

/* ---- load ---- */

static uint64_t below(struct stage *stage, uint64_t limit)
{
    stage->dice ^= stage->dice << 13;
    stage->dice ^= stage->dice >> 7;
    stage->dice ^= stage->dice << 17;
    return stage->dice % limit;
}

static size_t written(const struct prig *prig)
{
    const struct model_stream *stream = &prig->model.streams[0];
    size_t total = 0;
    for (size_t i = 0; i < stream->count; i++)
        total += stream->shards[i].count;
    return total;
}

static void write_for(struct prig *prig, int64_t ms)
{
    for (; ms > 0; ms -= SECOND_MS) {
        prig_write(prig, 0, 20, 7);
        prig_run(prig, SECOND_MS);
    }
}

/* An open shard gets two children. */
static void split_one(struct stage *stage)
{
    struct prig *prig = &stage->prig;
    const struct model_stream *stream = &prig->model.streams[0];
    for (size_t i = below(stage, stream->count), n = 0; n < stream->count; i++, n++)
        if (!stream->shards[i % stream->count].closed_ms) {
            streams_model_close(&prig->model, 0, (uint32_t)(i % stream->count), 2,
                                prig_unix_ms(prig));
            return;
        }
}

static void check_whole(struct prig *prig, size_t sink, size_t records)
{
    size_t repeats;
    CHECK_INT(prig_got(prig, sink, &repeats), records);
    CHECK_INT(repeats, 0);
    CHECK(prig_in_order(prig, sink));
}

static void check_positions(struct prig *prig, size_t sink)
{
    const struct model_stream *stream = &prig->model.streams[0];
    for (size_t i = 0; i < stream->count; i++) {
        const struct state_row *row = prig_row(prig, sink, 0, i);
        const struct model_shard *shard = &stream->shards[i];
        CHECK_FATAL(row != NULL);
        CHECK_INT(row->done, shard->closed_ms != 0);
        if (shard->count)
            CHECK_INT(streams_model_number(row->position.ptr, row->position.len),
                      shard->records[shard->count - 1].number);
    }
}

/* ---- one comes ---- */

/* Of shards that were read to their end, are being read, or come later. */
static void D9_one_that_is_new_begins_at_the_horizon_and_holds_up_nobody(void)
{
    struct stage stage;
    struct prig *prig = stage_init(&stage, 2);
    stage_start(&stage);
    write_for(prig, 30 * SECOND_MS);
    streams_model_close(&prig->model, 0, 0, 2, prig_unix_ms(prig));
    write_for(prig, 2 * MINUTE_MS); /* nothing is kept of the first shard by now */
    streams_model_close(&prig->model, 0, 1, 2, prig_unix_ms(prig));
    prig->rig.sinks[2].delay_ms = 500;
    prig_write(prig, 0, 50, 7);
    change(&stage, 4, 0);
    CHECK(poll_sink(prig->poll, 2).detached && poll_sink(prig->poll, 2).coming);
    write_for(prig, 3 * SECOND_MS);
    prig_run(prig, 2 * SECOND_MS);
    check_whole(prig, 0, written(prig)); /* the slow one is far behind */
    CHECK(prig_got(prig, 2, NULL) < written(prig) / 2);
    prig->rig.sinks[2].delay_ms = 0;
    write_for(prig, 2 * MINUTE_MS);
    CHECK(!poll_sink(prig->poll, 2).detached && !poll_sink(prig->poll, 2).coming);
    CHECK_INT(prig_lines(prig, "W0822 sink c has caught up and reads with the others"), 1);
    split_one(&stage);
    write_for(prig, 30 * SECOND_MS);
    prig_stop(prig, 0);
    for (size_t i = 0; i < SINKS; i++) {
        check_whole(prig, i, written(prig));
        check_positions(prig, i);
    }
    stage_done(&stage);
}

/* The reload's moment is LATEST, not a later one; it is stored at once. */
static void D9_one_that_is_new_begins_at_LATEST_and_that_is_stored(void)
{
    for (int crash = 0; crash < 2; crash++) {
        struct stage stage;
        struct prig *prig = stage_init(&stage, 2);
        prig->config.start = POLL_LATEST;
        stage_start(&stage);
        prig_run(prig, 2 * SECOND_MS);
        write_for(prig, 30 * SECOND_MS);
        streams_model_close(&prig->model, 0, 0, 2, prig_unix_ms(prig));
        write_for(prig, 30 * SECOND_MS);
        prig_run(prig, 5 * SECOND_MS);
        size_t before = written(prig);
        change(&stage, 4, 0);
        prig_write(prig, 0, 35, 7);
        prig_run(prig, 200);
        if (crash) { /* before the others' positions are stored */
            CHECK(prig_row(prig, 2, 0, 1) != NULL);
            prig_crash(prig);
            prig->rig.config.route_count = SINKS;
            stage_start(&stage);
            prig_run(prig, 5 * SECOND_MS);
        }
        write_for(prig, 30 * SECOND_MS);
        CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
        prig_stop(prig, 0);
        CHECK_INT(prig_got(prig, 2, NULL), written(prig) - before);
        if (!crash)
            check_whole(prig, 2, written(prig) - before);
        CHECK_INT(prig_got(prig, 0, NULL), written(prig));
        stage_done(&stage);
    }
}

/* Where nothing is written it reads with the others at once, instead of beside them. */
static void a_new_one_at_LATEST_polls_no_quiet_shard_alone(void)
{
    struct stage stage;
    struct prig *prig = stage_init(&stage, 1);
    prig->config.start = POLL_LATEST;
    stage_start(&stage);
    prig_run(prig, 2 * SECOND_MS);
    write_for(prig, 10 * SECOND_MS);
    prig_run(prig, MINUTE_MS);
    change(&stage, 2, 0);
    prig_run(prig, 3 * SECOND_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    size_t before = written(prig);
    write_for(prig, 10 * SECOND_MS);
    prig_stop(prig, 0);
    check_whole(prig, 1, written(prig) - before);
    stage_done(&stage);
}

/* It goes on behind its position, on shards that came, or were read to their end, without it. */
static void one_that_comes_back_goes_on_where_it_was(void)
{
    for (int64_t away_ms = 100; away_ms < HOUR_MS; away_ms *= 8) {
        struct stage stage;
        struct prig *prig = stage_init(&stage, 2);
        prig->config.start = POLL_LATEST;
        stage_start(&stage);
        prig_run(prig, 2 * SECOND_MS);
        write_for(prig, 20 * SECOND_MS);
        prig_write(prig, 0, 60, 7);
        change(&stage, 0, 2);
        split_one(&stage);
        prig_write(prig, 0, 60, 7);
        prig_run(prig, away_ms);
        split_one(&stage);
        prig_write(prig, 0, 60, 7);
        change(&stage, 2, 0);
        write_for(prig, MINUTE_MS);
        CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
        prig_stop(prig, 0);
        for (size_t i = 0; i < 2; i++) {
            check_whole(prig, i, written(prig));
            check_positions(prig, i);
        }
        stage_done(&stage);
    }
}

/* As when it is renamed: there is nobody who could be met. */
static void the_only_one_goes_and_another_comes(void)
{
    struct stage stage;
    struct prig *prig = stage_init(&stage, 1);
    stage_start(&stage);
    write_for(prig, 30 * SECOND_MS);
    split_one(&stage);
    write_for(prig, 30 * SECOND_MS);
    change(&stage, 2, 1);
    size_t given = prig->rig.sinks[0].count;
    split_one(&stage);
    write_for(prig, 2 * MINUTE_MS);
    split_one(&stage);
    write_for(prig, MINUTE_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    CHECK_INT(prig->rig.sinks[0].count, given);
    prig_stop(prig, 0);
    check_whole(prig, 1, written(prig));
    check_positions(prig, 1);
    stage_done(&stage);
}

/* What came meanwhile, and is barred by what it reads alone, leaves it the room for that. */
static void the_only_one_needs_its_window_for_what_it_reads_alone(void)
{
    struct stage stage;
    struct prig *prig = stage_init(&stage, 1);
    prig->rig.config.queued_records = 5;
    stage_start(&stage);
    write_for(prig, 30 * SECOND_MS);
    prig->rig.sinks[1].delay_ms = 100;
    change(&stage, 2, 1);
    for (uint32_t shard = 0; shard < 3; shard++)
        streams_model_close(&prig->model, 0, shard, 2, prig_unix_ms(prig));
    write_for(prig, 3 * MINUTE_MS);
    prig->rig.sinks[1].delay_ms = 0;
    prig_run(prig, MINUTE_MS);
    check_whole(prig, 1, written(prig));
    prig_stop(prig, 0);
    stage_done(&stage);
}

/* The table got another stream, which was read to its end before the sink came back. */
static void one_that_comes_back_gets_what_a_stream_of_the_past_holds(void)
{
    for (int restart = 0; restart < 2; restart++) {
        struct stage stage;
        struct prig *prig = stage_init(&stage, 2);
        stage_start(&stage);
        write_for(prig, 10 * SECOND_MS);
        change(&stage, 0, 2);
        write_for(prig, 10 * SECOND_MS);
        streams_model_disable(&prig->model, 0, prig_unix_ms(prig));
        streams_model_create(&prig->model, "Products", 1, prig_unix_ms(prig) + 1);
        prig_run(prig, 10 * MINUTE_MS);
        check_whole(prig, 0, written(prig));
        if (restart) {
            prig_stop(prig, 0);
            prig_end(prig);
            prig->rig.config.route_count = 1;
            stage_start(&stage);
            prig_run(prig, 10 * MINUTE_MS);
        }
        CHECK_INT(prig_lines(prig, "W0908"), 0);
        change(&stage, 2, 0);
        prig_run(prig, 10 * MINUTE_MS);
        check_whole(prig, 1, written(prig));
        if (!restart) /* else it is not known that nobody else may come */
            CHECK_INT(prig_lines(prig, "W0908"), 1);
        prig_stop(prig, 0);
        stage_done(&stage);
    }
}

/* One that nothing waits for begins with what is read next, on shards that are read. */
static void one_that_is_optional_gets_what_is_read_from_then_on(void)
{
    struct stage stage;
    struct prig *prig = stage_init(&stage, 1);
    stage_start(&stage);
    write_for(prig, 30 * SECOND_MS);
    split_one(&stage);
    write_for(prig, 30 * SECOND_MS);
    prig_run(prig, 5 * SECOND_MS);
    size_t before = written(prig);
    stage.change.optional = 2;
    change(&stage, 2, 0);
    prig_run(prig, 3 * SECOND_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    split_one(&stage);
    write_for(prig, 30 * SECOND_MS);
    prig_stop(prig, 0);
    check_whole(prig, 1, written(prig) - before);
    check_whole(prig, 0, written(prig));
    stage_done(&stage);
}

/* ---- when it can't be ---- */

static void who_comes_waits_for_a_state_that_can_be_read(void)
{
    struct stage stage;
    struct prig *prig = stage_init(&stage, 1);
    stage_start(&stage);
    write_for(prig, 10 * SECOND_MS);
    prig->store.script[VSTORE_LOAD] = (struct vfault){.delay_ms = 300, .status = -EIO};
    CHECK_INT(begin_change(&stage, 2, 0), 0);
    CHECK_INT(poll_look_up(prig->poll, SINKS, looked_up, &stage), -EBUSY);
    CHECK(vworld_until(&prig->rig.world, &stage.change.done, MINUTE_MS));
    CHECK_INT(stage.change.status, -EIO);
    prig->store.script[VSTORE_LOAD] = (struct vfault){.refuse = -ENOMEM};
    CHECK_INT(begin_change(&stage, 2, 0), 0);
    CHECK(vworld_until(&prig->rig.world, &stage.change.done, MINUTE_MS));
    CHECK_INT(stage.change.status, -ENOMEM);
    write_for(prig, 10 * SECOND_MS);
    change(&stage, 2, 0);
    write_for(prig, 20 * SECOND_MS);
    prig_stop(prig, 0);
    check_whole(prig, 0, written(prig));
    check_whole(prig, 1, written(prig));
    stage_done(&stage);
}

/* While its state is read, while its beginning is stored, or while it catches up. */
static void stopped_or_killed_while_one_comes(void)
{
    for (int64_t at_ms = 0; at_ms <= 700; at_ms += 50)
        for (int crash = 0; crash < 2; crash++) {
            struct stage stage;
            struct prig *prig = stage_init(&stage, 1);
            stage_start(&stage);
            write_for(prig, 30 * SECOND_MS);
            split_one(&stage);
            write_for(prig, 30 * SECOND_MS);
            prig->store.script[VSTORE_LOAD] = (struct vfault){.delay_ms = 200};
            CHECK_INT(begin_change(&stage, 2, 0), 0);
            prig_run(prig, at_ms);
            if (crash) {
                prig_crash(prig);
            } else {
                prig_stop(prig, 0);
                prig_end(prig);
            }
            CHECK(stage.change.done || stage.change.exchanging);
            prig->rig.config.route_count = 2;
            stage.here = 3;
            stage_start(&stage);
            write_for(prig, MINUTE_MS);
            CHECK_INT(poll_look_up(prig->poll, SINKS, looked_up, &stage), 0);
            prig_stop(prig, 0);
            CHECK_INT(prig_got(prig, 0, NULL), written(prig));
            CHECK_INT(prig_got(prig, 1, NULL), written(prig));
            if (!crash)
                check_whole(prig, 1, written(prig));
            check_positions(prig, 1);
            stage_done(&stage);
        }
}

/* `once` ends when it has caught up as well. */
static void once_waits_for_who_comes(void)
{
    struct stage stage;
    struct prig *prig = stage_init(&stage, 1);
    prig->config.once = true;
    for (int i = 0; i < 10; i++) {
        prig_write(prig, 0, 40, 7);
        prig_run(prig, SECOND_MS);
    }
    prig->rig.sinks[1].delay_ms = 2000;
    stage_start(&stage);
    prig_run(prig, 700);
    change(&stage, 2, 0);
    CHECK(vworld_until(&prig->rig.world, &prig->finished, 10 * MINUTE_MS));
    CHECK_INT(prig->exit_code, 0);
    check_whole(prig, 0, written(prig));
    check_whole(prig, 1, written(prig));
    stage_done(&stage);
}

/* Before the state is taken, and before the shards are known. */
static void one_may_come_before_anything_is_read(void)
{
    for (int64_t at_ms = 0; at_ms < 400; at_ms += 20) {
        struct stage stage;
        struct prig *prig = stage_init(&stage, 1);
        write_for(prig, 10 * SECOND_MS);
        stage_start(&stage);
        prig_run(prig, at_ms);
        change(&stage, 2, 0);
        write_for(prig, 20 * SECOND_MS);
        CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
        prig_stop(prig, 0);
        check_whole(prig, 0, written(prig));
        check_whole(prig, 1, written(prig));
        check_positions(prig, 1);
        stage_done(&stage);
    }
}

/* ---- a thousand times ---- */

static void toss(struct stage *stage)
{
    uint64_t comes = 0, goes = 0, sinks = (1 << SINKS) - 1;
    size_t next = router_sink_count(stage->prig.rig.router); /* places are given in order */
    for (size_t i = 0; i < SINKS && i <= next; i++)
        if (below(stage, 2) && stage->here >> i & 1)
            goes |= UINT64_C(1) << i;
        else if (below(stage, 2) && !(stage->here >> i & 1))
            comes |= UINT64_C(1) << i;
    if (!((stage->here | comes) & ~goes & sinks))
        goes = 0;
    change(stage, comes, goes);
}

static void slow_store(void *ctx, enum vstore_op op, struct vfault *fault)
{
    struct stage *stage = ctx;
    (void)op;
    if (below(stage, 3) == 0)
        fault->delay_ms = (int64_t)below(stage, 400);
}

static void comings_and_goings(uint64_t seed)
{
    struct stage stage;
    struct prig *prig = stage_init(&stage, 1);
    stage.dice ^= seed * 2654435761;
    prig->config.batching_window_ms = (int64_t)below(&stage, 2) * 200;
    stage_start(&stage);
    prig->store.plan = slow_store;
    prig->store.ctx = &stage;
    for (int round = 0; round < 250; round++) {
        for (size_t i = 0; i < SINKS; i++)
            prig->rig.sinks[i].delay_ms = (int64_t)below(&stage, 3) * 30;
        prig_write(prig, 0, below(&stage, 25), 7);
        if (below(&stage, 40) == 0)
            split_one(&stage);
        prig_run(prig, (int64_t)below(&stage, below(&stage, 10) ? 300 : 8000));
        toss(&stage);
    }
    change(&stage, ~stage.here & ((1 << SINKS) - 1), 0);
    write_for(prig, 30 * SECOND_MS);
    prig_run(prig, 5 * MINUTE_MS);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    prig_stop(prig, 0);
    CHECK_INT(prig_lines(prig, "W080"), 0); /* nothing failed, is stalled or trimmed */
    CHECK_INT(prig_lines(prig, "W081"), 0);
    for (size_t i = 0; i < SINKS; i++) {
        check_whole(prig, i, written(prig));
        check_positions(prig, i);
    }
    stage_done(&stage);
}

/* SEED: only this one; SEEDS: so many. */
static void a_thousand_comings_and_goings_under_load(void)
{
    const char *one = getenv("SEED"), *many = getenv("SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 0;
    uint64_t count = one ? 1 : many ? strtoull(many, NULL, 10) : 4;
    for (uint64_t seed = first; seed < first + count; seed++) {
        unsigned failures = CU_get_number_of_failures();
        comings_and_goings(seed);
        if (CU_get_number_of_failures() != failures)
            printf("\n    SEED=%llu", (unsigned long long)seed);
    }
}

static const struct unit_test tests[] = {
    {"D9_one_that_is_new_begins_at_the_horizon_and_holds_up_nobody",
     D9_one_that_is_new_begins_at_the_horizon_and_holds_up_nobody},
    {"D9_one_that_is_new_begins_at_LATEST_and_that_is_stored",
     D9_one_that_is_new_begins_at_LATEST_and_that_is_stored},
    {"a_new_one_at_LATEST_polls_no_quiet_shard_alone",
     a_new_one_at_LATEST_polls_no_quiet_shard_alone},
    {"one_that_comes_back_goes_on_where_it_was", one_that_comes_back_goes_on_where_it_was},
    {"the_only_one_goes_and_another_comes", the_only_one_goes_and_another_comes},
    {"the_only_one_needs_its_window_for_what_it_reads_alone",
     the_only_one_needs_its_window_for_what_it_reads_alone},
    {"one_that_comes_back_gets_what_a_stream_of_the_past_holds",
     one_that_comes_back_gets_what_a_stream_of_the_past_holds},
    {"one_that_is_optional_gets_what_is_read_from_then_on",
     one_that_is_optional_gets_what_is_read_from_then_on},
    {"who_comes_waits_for_a_state_that_can_be_read", who_comes_waits_for_a_state_that_can_be_read},
    {"stopped_or_killed_while_one_comes", stopped_or_killed_while_one_comes},
    {"once_waits_for_who_comes", once_waits_for_who_comes},
    {"one_may_come_before_anything_is_read", one_may_come_before_anything_is_read},
    {"a_thousand_comings_and_goings_under_load", a_thousand_comings_and_goings_under_load},
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_addition", tests);
}
