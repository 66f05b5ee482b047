/* Where sinks begin, and how they go on: D8, D9, progress per sink. */
#include "prig.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS };

static size_t stream_of(struct prig *prig, unsigned partitions)
{
    return streams_model_create(&prig->model, "Products", partitions, prig_unix_ms(prig));
}

static void check_sink(struct prig *prig, size_t sink, size_t expected, size_t repeated)
{
    size_t repeats;
    CHECK_INT(prig_got(prig, sink, &repeats), expected);
    CHECK_INT(repeats, repeated);
}

/* One process: starts, runs, stops as TERM does. */
static void process(struct prig *prig, int64_t ms)
{
    prig_start(prig);
    prig_run(prig, ms);
    prig_stop(prig, 0);
    prig_end(prig);
}

static void a_clean_restart_gives_no_record_again(void)
{
    struct prig prig;
    prig_init(&prig, 2);
    size_t stream = stream_of(&prig, 3);
    for (int i = 0; i < 5; i++) {
        prig_write(&prig, stream, 300, 20);
        process(&prig, 100 + 150 * i);
    }
    process(&prig, 20000);
    for (size_t i = 0; i < 2; i++) {
        check_sink(&prig, i, 1500, 0);
        CHECK(prig_in_order(&prig, i));
    }
    prig_done(&prig);
}

static void F70_a_crash_repeats_only_what_was_not_stored_yet(void)
{
    struct prig prig;
    size_t repeats;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 500, 20);
    prig_start(&prig);
    prig_run(&prig, 7000); /* stored */
    prig_write(&prig, stream, 80, 20);
    prig_run(&prig, 2000); /* delivered, not stored */
    prig_crash(&prig);
    process(&prig, 10000);
    CHECK_INT(prig_got(&prig, 0, &repeats), 580);
    CHECK_INT(repeats, 80);
    prig_done(&prig);
}

static void F16_latest_is_resolved_and_stored_before_anything_is_read(void)
{
    static const bool without[] = {false, true}; /* AT_TIMESTAMP, as on DynamoDB Local */
    for (size_t i = 0; i < 2; i++) {
        struct prig prig;
        prig_init(&prig, 1);
        prig.model.no_timestamp = without[i];
        prig.config.start = POLL_LATEST;
        size_t stream = stream_of(&prig, 2);
        prig_write(&prig, stream, 200, 20);
        prig_run(&prig, 5 * MINUTE_MS);
        prig.latency_ms = 400;
        prig_start(&prig);
        while (!prig_row(&prig, 0, stream, 0))
            prig_run(&prig, 10);
        CHECK_INT(prig.model.calls[MODEL_RECORDS], 0);
        CHECK_STR(prig_row(&prig, 0, stream, 0)->start.ptr, "AT_TIMESTAMP");
        CHECK_STR(
            vdisk_row(&prig.disk, STATE_STREAM, "", prig.model.streams[stream].arn, "")->start.ptr,
            "LATEST");
        prig_run(&prig, 1000);
        prig_crash(&prig);
        prig_write(&prig, stream, 50, 20);
        prig_run(&prig, 10 * MINUTE_MS); /* away, and records came meanwhile */
        process(&prig, 20000);
        check_sink(&prig, 0, 50, 0);
        CHECK_INT(prig_lines(&prig, "W0801"), 0); /* both were asked by time, and told no */
        prig_done(&prig);
    }
}

static int32_t says_nothing(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

/* One sink finished records, the other none yet, when the process was killed: the start of the
 * other is the same as in the life before, also on a server without AT_TIMESTAMP, whose times may
 * be cut to the minute: what the records say decides, not what is known of the server by then. */
static void F16_a_start_at_latest_is_the_same_in_the_next_life(void)
{
    static const struct {
        bool no_timestamp, minute_times;
    } servers[] = {{false, false}, {true, true}, {true, false}};
    for (int64_t into_ms = 0; into_ms < MINUTE_MS; into_ms += 7300)
        for (size_t i = 0; i < 3; i++) {
            struct prig prig;
            prig_init(&prig, 2);
            prig.model.no_timestamp = servers[i].no_timestamp;
            prig.model.minute_times = servers[i].minute_times;
            prig.config.start = POLL_LATEST;
            size_t stream = stream_of(&prig, 1);
            prig_write(&prig, stream, 10, 10);
            prig_run(&prig, 10 * MINUTE_MS + into_ms);
            prig_write(&prig, stream, servers[i].minute_times ? 0 : 10, 10);
            prig_run(&prig, 1000);
            prig.rig.sinks[1].script = says_nothing;
            prig_start(&prig);
            prig_run(&prig, 1000);
            prig_write(&prig, stream, 50, 10);
            prig_run(&prig, 20000);
            prig_crash(&prig);
            prig.rig.sinks[1].count = 0; /* nothing was stored */
            prig.rig.sinks[1].script = NULL;
            process(&prig, 20000);
            check_sink(&prig, 0, 50, 0);
            check_sink(&prig, 1, 50, 0);
            prig_done(&prig);
        }
}

static void shards_closed_at_latest_are_not_read(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.config.start = POLL_LATEST;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 20, 3);
    streams_model_close(&prig.model, stream, 0, 2, prig_unix_ms(&prig));
    prig_run(&prig, 2 * MINUTE_MS);
    prig_start(&prig);
    prig_run(&prig, 5000);
    prig_write(&prig, stream, 20, 3);
    prig_run(&prig, 5000);
    check_sink(&prig, 0, 20, 0);
    CHECK(prig_row(&prig, 0, stream, 0)->done);
    CHECK_INT(prig.model.streams[stream].shards[0].calls, 0);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void at_timestamp_begins_with_the_first_record_from_then_on(void)
{
    static const bool without[] = {false, true};
    for (size_t i = 0; i < 2; i++) {
        struct prig prig;
        prig_init(&prig, 1);
        prig.model.no_timestamp = without[i];
        size_t stream = stream_of(&prig, 2);
        prig_write(&prig, stream, 40, 9);
        prig_run(&prig, 10 * MINUTE_MS);
        prig.config.start = POLL_AT_TIMESTAMP;
        prig.config.start_us = prig_unix_ms(&prig) * 1000;
        prig_run(&prig, 5 * MINUTE_MS);
        prig_write(&prig, stream, 30, 9);
        process(&prig, 10000);
        prig_write(&prig, stream, 30, 9);
        process(&prig, 10000);
        check_sink(&prig, 0, 60, 0);
        CHECK(prig_in_order(&prig, 0));
        prig_done(&prig);
    }
}

static void another_sink(struct prig *prig)
{
    prig->rig.count = 2;
    prig->rig.config.route_count = 2;
}

static void a_new_sink_starts_by_itself_and_pulls_no_other_back(void)
{
    static const struct {
        enum poll_position start;
        size_t got; /* by the new sink */
    } rows[] = {{POLL_TRIM_HORIZON, 150}, {POLL_LATEST, 50}};
    for (size_t i = 0; i < 2; i++) {
        struct prig prig;
        prig_init(&prig, 2);
        prig.rig.count = prig.rig.config.route_count = 1;
        prig.config.start = POLL_TRIM_HORIZON;
        size_t stream = stream_of(&prig, 1);
        prig_write(&prig, stream, 60, 9);
        streams_model_close(&prig.model, stream, 0, 2, prig_unix_ms(&prig));
        prig_write(&prig, stream, 40, 9);
        process(&prig, 10000);
        prig_run(&prig, 10 * MINUTE_MS);
        another_sink(&prig);
        prig.config.start = rows[i].start;
        process(&prig, 10000);
        prig_write(&prig, stream, 50, 9);
        process(&prig, 10000);
        check_sink(&prig, 0, 150, 0);
        check_sink(&prig, 1, rows[i].got, 0);
        CHECK(prig_in_order(&prig, 0));
        CHECK(prig_in_order(&prig, 1));
        prig_done(&prig);
    }
}

static int32_t holds(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

static void a_sink_that_is_not_required_pulls_nobody_back_and_holds_nobody_up(void)
{
    struct prig prig;
    prig_init(&prig, 2);
    prig.rig.routes[1].required = false;
    prig.config.optional = 2;
    prig.rig.sinks[1].script = holds;
    prig.rig.sinks[1].on_cancel = WEIR_RETRY;
    prig.rig.routes[1].timeout_ms = 2 * HOUR_MS;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 500, 9);
    prig_start(&prig);
    prig_run(&prig, 20000);
    check_sink(&prig, 0, 500, 0);
    prig_stop(&prig, 0);
    prig_end(&prig);
    process(&prig, 10000);
    check_sink(&prig, 0, 500, 0);
    prig_done(&prig);
}

static int32_t refuses_its_first(struct vsink *sink, const struct vseen *seen)
{
    const bool *open = sink->arg;
    (void)seen;
    return *open ? WEIR_OK : WEIR_DOWN;
}

static void D8_a_sink_that_is_down_stops_no_other_at_a_split(void)
{
    struct prig prig;
    bool open = false;
    prig_init(&prig, 2);
    prig.rig.sinks[1].script = refuses_its_first;
    prig.rig.sinks[1].arg = &open;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 40, 9);
    prig_start(&prig);
    prig_run(&prig, 1000);
    streams_model_close(&prig.model, stream, 0, 2, prig_unix_ms(&prig));
    prig_write(&prig, stream, 40, 9);
    prig_run(&prig, 20000);
    check_sink(&prig, 0, 80, 0);
    CHECK(prig_row(&prig, 0, stream, 0)->done);
    CHECK(!prig_row(&prig, 1, stream, 0)->done); /* B17: nothing is done that was not taken */
    CHECK_INT(prig_row(&prig, 1, stream, 0)->position.len, 0);
    for (size_t i = 0; i < prig.rig.sinks[1].count; i++) /* nothing of a child while it is gated */
        CHECK(streams_model_number(prig.rig.sinks[1].log[i].sequence,
                                   strlen(prig.rig.sinks[1].log[i].sequence)) <=
              prig.model.streams[stream].shards[0].records[39].number);
    open = true;
    prig_run(&prig, 2 * MINUTE_MS);
    CHECK_INT(prig_got(&prig, 1, NULL), 80);
    CHECK(prig_in_order(&prig, 0));
    prig_stop(&prig, 0);
    CHECK(prig_row(&prig, 1, stream, 0)->done);
    prig_done(&prig);
}

static void D8_an_empty_shard_lets_nothing_pass_what_is_before_it(void)
{
    struct prig prig;
    bool open = false;
    prig_init(&prig, 2);
    prig.rig.sinks[1].script = refuses_its_first;
    prig.rig.sinks[1].arg = &open;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 20, 5);
    prig_start(&prig);
    prig_run(&prig, 1000);
    size_t empty = streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
    prig_run(&prig, 5000);
    streams_model_close(&prig.model, stream, empty, 1, prig_unix_ms(&prig));
    prig_write(&prig, stream, 20, 5);
    prig_run(&prig, 20000);
    check_sink(&prig, 0, 40, 0);
    CHECK(prig_row(&prig, 0, stream, empty)->done);
    CHECK(!prig_row(&prig, 1, stream, empty)->done);
    prig_crash(&prig);
    open = true;
    process(&prig, 2 * MINUTE_MS);
    CHECK_INT(prig_got(&prig, 1, NULL), 40);
    CHECK(prig_in_order(&prig, 0));
    CHECK(prig_row(&prig, 1, stream, empty)->done);
    prig_done(&prig);
}

static void a_sink_of_dead_letters_has_no_positions(void)
{
    struct prig prig;
    prig_init(&prig, 2);
    prig.rig.letters_only[1] = true;
    prig.config.letters_only = 2;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 20, 5);
    streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
    process(&prig, 20000);
    check_sink(&prig, 0, 20, 0);
    CHECK(prig_row(&prig, 0, stream, 0)->done);
    CHECK(!prig_row(&prig, 1, stream, 0));
    CHECK(prig.disk.saves <= 4); /* nothing is stored again and again */
    prig_done(&prig);
}

static void after_a_crash_a_sink_that_was_behind_goes_on_from_its_own_position(void)
{
    struct prig prig;
    bool open = false;
    prig_init(&prig, 2);
    prig.rig.sinks[1].script = refuses_its_first;
    prig.rig.sinks[1].arg = &open;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 40, 9);
    prig_start(&prig);
    prig_run(&prig, 20000);
    CHECK_INT(prig_row(&prig, 1, stream, 0)->position.len, 0);
    prig_crash(&prig);
    open = true;
    process(&prig, 20000);
    check_sink(&prig, 0, 40, 0); /* was finished: skipped */
    CHECK_INT(prig_got(&prig, 1, NULL), 40);
    prig_done(&prig);
}

static void filtered_records_move_the_position(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.rig.rules[0].events = WEIR_REMOVE;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 40, 9);
    streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
    prig_write(&prig, stream, 40, 9);
    process(&prig, 5000);
    check_sink(&prig, 0, 0, 0);
    CHECK(prig_row(&prig, 0, stream, 0)->done);
    const struct model_shard *last = &prig.model.streams[stream].shards[1];
    weir_str position = prig_row(&prig, 0, stream, 1)->position;
    CHECK_INT(streams_model_number(position.ptr, position.len), last->records[39].number);
    prig_done(&prig);
}

static void a_window_fills_batches_and_ends_them(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.config.batching_window_ms = 10000;
    prig.rig.routes[0].batch_records = 100;
    size_t stream = stream_of(&prig, 1);
    prig_start(&prig);
    for (int i = 0; i < 8; i++) {
        prig_write(&prig, stream, 10, 100);
        prig_run(&prig, 1000);
    }
    check_sink(&prig, 0, 0, 0);
    prig_run(&prig, 4000);
    check_sink(&prig, 0, 80, 0);
    prig_write(&prig, stream, 100, 100); /* full: at once */
    prig_run(&prig, 1500);
    check_sink(&prig, 0, 180, 0);
    prig_write(&prig, stream, 10, 100);
    prig_run(&prig, 1500);
    prig_stop(&prig, 0); /* what waited is not lost: the next start reads it */
    prig_end(&prig);
    process(&prig, 15000);
    check_sink(&prig, 0, 190, 0);
    prig_done(&prig);
}

static void batches_of_a_shard_are_bounded_by_the_factor(void)
{
    for (int64_t factor = 1; factor <= 10; factor += 3) {
        struct prig prig;
        prig_init(&prig, 1);
        prig.config.batch_size = 10;
        prig.config.parallelization_factor = factor;
        prig.rig.sinks[0].delay_ms = 5000;
        prig.rig.routes[0].timeout_ms = 60000;
        prig.rig.routes[0].concurrency = 50;
        size_t stream = stream_of(&prig, 1);
        prig_write(&prig, stream, 400, 400);
        prig_start(&prig);
        prig_run(&prig, 3000);
        CHECK_INT(poll_counts(prig.poll).records, (factor + 1) * 10);
        prig_run(&prig, 10 * MINUTE_MS);
        check_sink(&prig, 0, 400, 0);
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

static void once_reads_what_is_there_and_ends(void)
{
    struct prig prig;
    prig_init(&prig, 2);
    prig.config.once = true;
    size_t stream = stream_of(&prig, 2);
    prig_write(&prig, stream, 300, 20);
    streams_model_close(&prig.model, stream, 0, 2, prig_unix_ms(&prig));
    prig_write(&prig, stream, 300, 20);
    prig_start(&prig);
    CHECK(vworld_until(&prig.rig.world, &prig.finished, 2 * MINUTE_MS));
    CHECK_INT(prig.exit_code, 0);
    check_sink(&prig, 0, 600, 0);
    check_sink(&prig, 1, 600, 0);
    prig_done(&prig);
}

static bool b_is_only_disabled(void *ctx, weir_str sink)
{
    (void)ctx;
    return !str_is(sink, "c");
}

/* Of three sinks one is disabled and one taken out of the configuration. */
static void D9_positions_of_a_sink_outlive_its_removal_by_a_week(void)
{
    struct prig prig;
    prig_init(&prig, 3);
    prig.config.configured = b_is_only_disabled;
    size_t stream = streams_model_create(&prig.model, "Products", 2, prig_unix_ms(&prig));
    prig_write(&prig, stream, 30, 30);
    prig_start(&prig);
    prig_run(&prig, 10000);
    prig_stop(&prig, 0);
    prig_end(&prig);
    CHECK_INT(prig_lines(&prig, "W0813"), 0);
    CHECK(prig_row(&prig, 2, stream, 0) && prig_row(&prig, 2, stream, 1));
    prig.rig.count = 1;
    prig.rig.config.route_count = 1;
    for (int day = 0; day < 6; day++) {
        prig_start(&prig);
        prig_run(&prig, 24 * 3600000);
        prig_stop(&prig, 0);
        prig_end(&prig);
        CHECK(prig_row(&prig, 1, stream, 0) && prig_row(&prig, 2, stream, 0));
    }
    CHECK_INT(prig_lines(&prig, "W0813"), 6);
    prig_run(&prig, 25 * 3600000);
    prig_start(&prig);
    prig_run(&prig, 10000);
    CHECK(prig_row(&prig, 0, stream, 0) && prig_row(&prig, 1, stream, 0));
    CHECK(!prig_row(&prig, 2, stream, 0) && !prig_row(&prig, 2, stream, 1));
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig.rig.count = 3;
    prig_done(&prig);
}

static bool only_a(void *ctx, weir_str sink)
{
    (void)ctx;
    return str_is(sink, "a");
}

/* However many names there are: each row of 21 is another sink's. */
static void D9_rows_of_any_number_of_removed_sinks_go(void)
{
    struct prig prig;
    char names[RIG_SINKS * 3][8];
    size_t renamed = 0;
    prig_init(&prig, RIG_SINKS);
    prig.config.configured = only_a;
    size_t stream = streams_model_create(&prig.model, "Products", 3, prig_unix_ms(&prig));
    prig_write(&prig, stream, 30, 30);
    prig_start(&prig);
    prig_run(&prig, 10000);
    prig_stop(&prig, 0);
    prig_end(&prig);
    for (size_t i = 0; i < prig.disk.row_count; i++) {
        struct state_row *row = &prig.disk.rows[i].row;
        if (row->kind != STATE_POSITION || str_is(row->sink, "a"))
            continue;
        snprintf(names[renamed], sizeof names[renamed], "s%zu", renamed);
        row->sink = str_of(names[renamed++]);
    }
    CHECK_INT(renamed, (RIG_SINKS - 1) * 3);
    prig.rig.count = 1;
    prig.rig.config.route_count = 1;
    prig_run(&prig, INT64_C(8) * 24 * 3600000);
    prig.config.on_gap_continue = true;
    prig_start(&prig);
    prig_run(&prig, 10000);
    CHECK_INT(prig_lines(&prig, "W0813"), 17); /* the others in one line */
    CHECK_INT(prig.disk.row_count, 4 + 3);     /* the stream, its shards for "a", and their gaps */
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig.rig.count = RIG_SINKS;
    prig_done(&prig);
}

static const struct state_row *stream_row(struct prig *prig, size_t stream)
{
    return vdisk_row(&prig->disk, STATE_STREAM, "", prig->model.streams[stream].arn, "");
}

/* "Orders" is taken out of the configuration; "Products" gets another stream. */
static void rows_of_a_stream_go_a_week_after_it_was_followed_last(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.tables[1] = "Orders";
    prig.config.on_gap_continue = true;
    size_t products = streams_model_create(&prig.model, "Products", 1, prig_unix_ms(&prig));
    size_t orders = streams_model_create(&prig.model, "Orders", 1, prig_unix_ms(&prig));
    prig_write(&prig, products, 30, 30);
    prig_write(&prig, orders, 30, 30);
    prig_start(&prig);
    prig_run(&prig, 5 * MINUTE_MS);
    int64_t followed_us = stream_row(&prig, products)->updated_us;
    CHECK(prig_unix_ms(&prig) * 1000 - followed_us <= 65000000); /* renewed */
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig.tables[1] = NULL;
    for (int day = 0; day < 6; day++) {
        prig_start(&prig);
        prig_run(&prig, 24 * 3600000);
        prig_stop(&prig, 0);
        prig_end(&prig);
        CHECK(stream_row(&prig, orders) && prig_row(&prig, 0, orders, 0));
    }
    prig_run(&prig, 25 * 3600000);
    prig_start(&prig);
    prig_run(&prig, 50000); /* it is not known at once which streams are followed */
    CHECK(stream_row(&prig, orders) && prig_row(&prig, 0, orders, 0));
    prig_run(&prig, 2 * MINUTE_MS);
    CHECK(!stream_row(&prig, orders) && !prig_row(&prig, 0, orders, 0));
    CHECK(stream_row(&prig, products) && prig_row(&prig, 0, products, 0));
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(a_clean_restart_gives_no_record_again),
    TEST(F70_a_crash_repeats_only_what_was_not_stored_yet),
    TEST(F16_latest_is_resolved_and_stored_before_anything_is_read),
    TEST(F16_a_start_at_latest_is_the_same_in_the_next_life),
    TEST(shards_closed_at_latest_are_not_read),
    TEST(at_timestamp_begins_with_the_first_record_from_then_on),
    TEST(a_new_sink_starts_by_itself_and_pulls_no_other_back),
    TEST(a_sink_that_is_not_required_pulls_nobody_back_and_holds_nobody_up),
    TEST(D8_a_sink_that_is_down_stops_no_other_at_a_split),
    TEST(D8_an_empty_shard_lets_nothing_pass_what_is_before_it),
    TEST(a_sink_of_dead_letters_has_no_positions),
    TEST(after_a_crash_a_sink_that_was_behind_goes_on_from_its_own_position),
    TEST(filtered_records_move_the_position),
    TEST(a_window_fills_batches_and_ends_them),
    TEST(batches_of_a_shard_are_bounded_by_the_factor),
    TEST(once_reads_what_is_there_and_ends),
    TEST(D9_positions_of_a_sink_outlive_its_removal_by_a_week),
    TEST(D9_rows_of_any_number_of_removed_sinks_go),
    TEST(rows_of_a_stream_go_a_week_after_it_was_followed_last),
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_start", tests);
}
