/* The polling source as a whole. */
#include "prig.h"

static void records_of_all_shards_arrive_in_order_and_positions_are_stored(void)
{
    struct prig prig;
    size_t repeats;
    prig_init(&prig, 2);
    size_t stream = streams_model_create(&prig.model, "Products", 3, prig_unix_ms(&prig));
    prig_write(&prig, stream, 1000, 17);
    prig_start(&prig);
    prig_run(&prig, 3000);
    prig_write(&prig, stream, 500, 17);
    prig_run(&prig, 3000);
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(prig_got(&prig, i, &repeats), 1500);
        CHECK_INT(repeats, 0);
        CHECK(prig_in_order(&prig, i));
    }
    prig_stop(&prig, 0);
    for (size_t shard = 0; shard < 3; shard++) {
        const struct state_row *row = prig_row(&prig, 0, stream, shard);
        CHECK_FATAL(row != NULL);
        const struct model_shard *of = &prig.model.streams[stream].shards[shard];
        CHECK_INT(streams_model_number(row->position.ptr, row->position.len),
                  of->records[of->count - 1].number);
        CHECK(!row->done);
    }
    prig_done(&prig);
}

static void a_thousand_idle_shards_cost_one_call_a_second_each_and_few_at_once(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    streams_model_create(&prig.model, "Products", 1000, prig_unix_ms(&prig));
    prig_start(&prig);
    prig_run(&prig, 30000);
    uint64_t before = prig.model.calls[MODEL_RECORDS];
    prig_run(&prig, 60000);
    uint64_t calls = prig.model.calls[MODEL_RECORDS] - before;
    CHECK(calls >= 55 * 1000 && calls <= 66 * 1000);
    CHECK(prig.most_open <= 128 + 4); /* discovery's */
    CHECK_INT(prig_lines(&prig, "W0809"), 0);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void idle_shards_are_asked_as_often_of_a_service_far_away(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.latency_ms = 500; /* 32 at once would ask 64 times a second */
    streams_model_create(&prig.model, "Products", 200, prig_unix_ms(&prig));
    prig_start(&prig);
    prig_run(&prig, 60000);
    uint64_t before = prig.model.calls[MODEL_RECORDS];
    prig_run(&prig, 60000);
    CHECK(prig.model.calls[MODEL_RECORDS] - before >= 60 * 120);
    CHECK(prig.most_open <= 128 + 4);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void D3_few_large_pages_are_received_at_once(void)
{
    struct prig prig;
    size_t repeats;
    prig_init(&prig, 1);
    prig.config.batch_size = 1000;
    size_t stream = streams_model_create(&prig.model, "Products", 100, prig_unix_ms(&prig));
    prig_write(&prig, stream, 6000, 4000);
    prig_start(&prig);
    prig_run(&prig, 30000);
    CHECK_INT(prig_got(&prig, 0, &repeats), 6000);
    CHECK_INT(prig.most_large, 32);
    /* behind an empty page a small one is asked for, then large ones again */
    prig.most_large = 0;
    prig_write(&prig, stream, 15000, 4000);
    prig_run(&prig, 30000);
    CHECK_INT(prig_got(&prig, 0, &repeats), 21000);
    CHECK_INT(repeats, 0);
    CHECK(prig.most_large > 0 && prig.most_large <= 32);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static int32_t says_nothing(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

static void a_sink_that_is_blocked_does_not_slow_the_others_up_to_the_window(void)
{
    int64_t took_ms[2];
    for (int blocked = 0; blocked < 2; blocked++) {
        struct prig prig;
        prig_init(&prig, 2);
        prig.rig.sinks[0].delay_ms = 20;
        if (blocked)
            prig.rig.sinks[1].script = says_nothing;
        prig.rig.routes[1].timeout_ms = 3600000;
        size_t stream = streams_model_create(&prig.model, "Products", 1, prig_unix_ms(&prig));
        prig_write(&prig, stream, 5000, 3000);
        prig_start(&prig);
        int64_t begin_ms = prig.rig.world.now_ms;
        while (prig_got(&prig, 0, NULL) < 5000 && prig.rig.world.now_ms < begin_ms + 600000)
            prig_run(&prig, 10);
        took_ms[blocked] = prig.rig.world.now_ms - begin_ms;
        CHECK_INT(prig_got(&prig, 0, NULL), 5000);
        prig.rig.sinks[1].script = NULL;
        vsink_say_all(&prig.rig.sinks[1], WEIR_OK);
        prig_run(&prig, 60000);
        CHECK_INT(prig_got(&prig, 1, NULL), 5000);
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
    CHECK(took_ms[1] <= took_ms[0] * 105 / 100);
}

static void D3_a_full_window_holds_reading_and_is_said_once(void)
{
    struct prig prig;
    prig_init(&prig, 2);
    prig.rig.config.queued_records = 500;
    prig.rig.sinks[1].script = says_nothing;
    prig.rig.routes[1].timeout_ms = 3600000;
    size_t stream = streams_model_create(&prig.model, "Products", 20, prig_unix_ms(&prig));
    prig_write(&prig, stream, 5000, 3000);
    prig_start(&prig);
    prig_run(&prig, 60000);
    CHECK_INT(prig_lines(&prig, "W0807"), 1);
    CHECK(router_queued(prig.rig.router) < 500 + 36 * 100);
    CHECK(prig_got(&prig, 0, NULL) < 5000);
    uint64_t calls = prig.model.calls[MODEL_RECORDS];
    prig_run(&prig, 60000);
    CHECK_INT(prig.model.calls[MODEL_RECORDS], calls);
    prig.rig.sinks[1].script = NULL;
    vsink_say_all(&prig.rig.sinks[1], WEIR_OK);
    prig_run(&prig, 60000);
    CHECK_INT(prig_got(&prig, 0, NULL), 5000);
    CHECK_INT(prig_got(&prig, 1, NULL), 5000);
    CHECK_INT(prig_lines(&prig, "W0824 reading goes on"), 1);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

/* One allocation of a running poll fails, each in its turn. */
static void F72_memory_that_runs_out_anywhere_loses_nothing(void)
{
    for (uint64_t n = 1; n < 700; n += 1 + n / 40) {
        struct prig prig;
        prig_init(&prig, 2);
        prig.config.batch_size = 10;
        prig.config.batching_window_ms = n % 2 ? 100 : 0;
        prig.config.parallelization_factor = 4;
        size_t stream = streams_model_create(&prig.model, "Products", 2, prig_unix_ms(&prig));
        prig_write(&prig, stream, 60, 7);
        streams_model_close(&prig.model, stream, 0, 2, prig_unix_ms(&prig));
        prig_write(&prig, stream, 60, 7);
        prig_start(&prig);
        prig_run(&prig, (int64_t)n % 40);
        mem_fail_at(n);
        prig_run(&prig, 20000);
        mem_fail_at(0);
        prig_run(&prig, 60000);
        if (prig.finished) { /* too early to go on: says so, and the next start does it */
            prig_end(&prig);
            prig_start(&prig);
            prig_run(&prig, 60000);
        }
        for (size_t i = 0; i < 2; i++) {
            size_t repeats;
            CHECK_INT(prig_got(&prig, i, &repeats), 120);
            CHECK_INT(repeats, 0);
            CHECK(prig_in_order(&prig, i));
        }
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

static void B18_a_record_that_blocks_holds_its_shard_and_loses_no_other(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.rig.config.on_poison = ROUTE_BLOCK;
    size_t stream = streams_model_create(&prig.model, "Products", 1, prig_unix_ms(&prig));
    struct model_write poison = {.item = 3, .poison = true};
    prig_write(&prig, stream, 10, 5);
    streams_model_write(&prig.model, stream, &poison, prig_unix_ms(&prig));
    prig_write(&prig, stream, 10, 5);
    prig_start(&prig);
    prig_run(&prig, 600000);
    CHECK_INT(prig_lines(&prig, "W0812"), 1);
    CHECK_INT(poll_counts(prig.poll).shards_held, 1);
    size_t repeats;
    prig_got(&prig, 0, &repeats);
    CHECK_INT(repeats, 0);
    weir_str position = prig_row(&prig, 0, stream, 0)->position;
    CHECK_INT(streams_model_number(position.ptr, position.len),
              prig.model.streams[stream].shards[0].records[9].number);
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig.rig.config.on_poison = ROUTE_DEAD;
    prig_start(&prig);
    prig_run(&prig, 60000);
    CHECK_INT(prig_got(&prig, 0, NULL), 20);
    CHECK_INT(prig.disk.letter_count, 1);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void F15_creation_times_in_no_order_change_nothing(void)
{
    struct prig prig;
    size_t repeats;
    prig_init(&prig, 2);
    size_t stream = streams_model_create(&prig.model, "Products", 2, prig_unix_ms(&prig));
    for (int i = 0; i < 300; i++) {
        struct model_write write = {.item = (uint32_t)i % 5,
                                    .created_ms = prig_unix_ms(&prig) - (i * 7919) % 50000};
        streams_model_write(&prig.model, stream, &write, prig_unix_ms(&prig));
    }
    prig_start(&prig);
    prig_run(&prig, 10000);
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(prig_got(&prig, i, &repeats), 300);
        CHECK_INT(repeats, 0);
        CHECK(prig_in_order(&prig, i));
    }
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static bool refuses(void *ctx, const struct batch *batch, struct err *err)
{
    (void)ctx;
    (void)batch;
    err_set(err, -EPERM, "sink a writes to table Products: an endless loop");
    return false;
}

static void F38_a_loop_ends_the_run_before_a_record_of_it_is_delivered(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.config.admit = refuses;
    size_t stream = streams_model_create(&prig.model, "Products", 2, prig_unix_ms(&prig));
    prig_write(&prig, stream, 30, 5);
    prig_start(&prig);
    CHECK(vworld_until(&prig.rig.world, &prig.finished, 60000));
    CHECK_INT(prig.exit_code, 78);
    CHECK_INT(prig_lines(&prig, "W0310"), 1);
    CHECK_INT(prig_got(&prig, 0, NULL), 0);
    prig_done(&prig);
}

static void F78_after_hours_of_suspension_reading_goes_on(void)
{
    struct prig prig;
    size_t repeats;
    prig_init(&prig, 2);
    size_t stream = streams_model_create(&prig.model, "Products", 3, prig_unix_ms(&prig));
    prig_start(&prig);
    for (int i = 0; i < 5; i++) {
        prig_write(&prig, stream, 250, 9);
        prig_run(&prig, 100 + 37 * i);
        prig.rig.world.now_ms += 3 * 3600000; /* every timer is late, every iterator expired */
    }
    prig_run(&prig, 60000);
    CHECK(poll_counts(prig.poll).expired > 0);
    for (size_t i = 0; i < 2; i++) {
        prig_got(&prig, i, &repeats);
        CHECK_INT(prig_got(&prig, i, NULL), 1250);
        CHECK(prig_in_order(&prig, i));
    }
    prig_stop(&prig, 0);
    prig_done(&prig);
}

/* Children that are listed much too late: once they could be missing, it is said, and the list is
 * asked for at that moment, whatever was planned. */
static void a_stream_without_a_shard_to_read_is_said_and_listed_at_once(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = streams_model_create(&prig.model, "Products", 1, prig_unix_ms(&prig));
    const struct model_stream *of = &prig.model.streams[stream];
    prig_write(&prig, stream, 10, 5);
    prig_start(&prig);
    prig_run(&prig, 5000);
    streams_model_close(&prig.model, stream, 0, 2, prig_unix_ms(&prig));
    for (size_t i = 1; i < of->count; i++)
        of->shards[i].listed_ms = prig_unix_ms(&prig) + 20 * 60000;
    prig_write(&prig, stream, 10, 5);
    prig_run(&prig, 270000);
    CHECK_INT(prig_lines(&prig, "W0809"), 0);
    uint64_t before = of->describes, quiet = 0;
    int64_t asked_ms = -1;
    for (int i = 0; i < 180000 && prig_lines(&prig, "W0809") == 0; i++) {
        quiet = of->describes == before ? quiet + 1 : 0; /* ms without a list */
        before = of->describes;
        prig_run(&prig, 1);
    }
    CHECK_INT(prig_lines(&prig, "W0809"), 1);
    for (int i = 0; i < 1000 && asked_ms < 0; i++) {
        if (of->describes > before)
            asked_ms = i;
        prig_run(&prig, 1);
    }
    CHECK(quiet > 1000 && asked_ms >= 0 && asked_ms <= 200);
    prig_run(&prig, 20 * 60000);
    CHECK_INT(prig_got(&prig, 0, NULL), 20);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static const struct unit_test tests[] = {
    {"a_stream_without_a_shard_to_read_is_said_and_listed_at_once",
     a_stream_without_a_shard_to_read_is_said_and_listed_at_once},
    {"records_of_all_shards_arrive_in_order_and_positions_are_stored",
     records_of_all_shards_arrive_in_order_and_positions_are_stored},
    {"a_thousand_idle_shards_cost_one_call_a_second_each_and_few_at_once",
     a_thousand_idle_shards_cost_one_call_a_second_each_and_few_at_once},
    {"a_sink_that_is_blocked_does_not_slow_the_others_up_to_the_window",
     a_sink_that_is_blocked_does_not_slow_the_others_up_to_the_window},
    {"idle_shards_are_asked_as_often_of_a_service_far_away",
     idle_shards_are_asked_as_often_of_a_service_far_away},
    {"D3_few_large_pages_are_received_at_once", D3_few_large_pages_are_received_at_once},
    {"D3_a_full_window_holds_reading_and_is_said_once",
     D3_a_full_window_holds_reading_and_is_said_once},
    {"B18_a_record_that_blocks_holds_its_shard_and_loses_no_other",
     B18_a_record_that_blocks_holds_its_shard_and_loses_no_other},
    {"F15_creation_times_in_no_order_change_nothing",
     F15_creation_times_in_no_order_change_nothing},
    {"F38_a_loop_ends_the_run_before_a_record_of_it_is_delivered",
     F38_a_loop_ends_the_run_before_a_record_of_it_is_delivered},
    {"F78_after_hours_of_suspension_reading_goes_on",
     F78_after_hours_of_suspension_reading_goes_on},
    {"F72_memory_that_runs_out_anywhere_loses_nothing",
     F72_memory_that_runs_out_anywhere_loses_nothing},
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll", tests);
}
