/* Gaps, the state that positions are stored in, and stopping: D10, F02, F18, F71, F73. */
#include "prig.h"

#include <errno.h>

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS };

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

static struct state_row *gap_row(struct prig *prig, size_t sink, size_t shard)
{
    const struct model_stream *of = &prig->model.streams[0];
    return (struct state_row *)vdisk_row(&prig->disk, STATE_GAP, prig->rig.routes[sink].name,
                                         of->arn, of->shards[shard].id);
}

static uint64_t number(weir_str sequence)
{
    return streams_model_number(sequence.ptr, sequence.len);
}

/* 30 records are read and stored; the next 20 are trimmed; 10 are there. */
static size_t with_a_gap(struct prig *prig)
{
    prig_init(prig, 1);
    size_t stream = stream_of(prig, 1);
    prig_write(prig, stream, 30, 5);
    prig_start(prig);
    prig_run(prig, 10000);
    prig_stop(prig, 0);
    prig_end(prig);
    prig_write(prig, stream, 30, 5);
    streams_model_trim(&prig->model, stream, 0, 50);
    return stream;
}

static void F02_a_gap_holds_its_shard_until_it_is_accepted(void)
{
    struct prig prig;
    size_t stream = with_a_gap(&prig);
    const struct model_record *records = prig.model.streams[stream].shards[0].records;
    prig_start(&prig);
    prig_run(&prig, 10 * MINUTE_MS);
    check_sink(&prig, 0, 30, 0);
    CHECK_INT(prig_lines(&prig, "W0803"), 1);
    CHECK_INT(poll_counts(prig.poll).gaps, 1);
    CHECK_INT(poll_counts(prig.poll).shards_held, 1);
    struct state_row *gap = gap_row(&prig, 0, 0);
    CHECK_FATAL(gap != NULL);
    CHECK(!gap->done);
    CHECK_INT(number(gap->position), records[29].number);
    CHECK_INT(number(gap->first_available), records[50].number);
    gap->done = true; /* weir shards accept-gap */
    prig_run(&prig, 20000);
    check_sink(&prig, 0, 40, 0);
    CHECK_INT(poll_counts(prig.poll).shards_held, 0);
    prig_stop(&prig, 0);
    CHECK_INT(number(prig_row(&prig, 0, stream, 0)->position), records[59].number);
    prig_done(&prig);
}

static void F02_a_held_gap_is_held_over_a_restart_and_accepted_while_down(void)
{
    struct prig prig;
    with_a_gap(&prig);
    for (int i = 0; i < 2; i++) {
        prig_start(&prig);
        prig_run(&prig, 20000);
        CHECK_INT(poll_counts(prig.poll).shards_held, 1);
        prig_stop(&prig, 0);
        prig_end(&prig);
    }
    check_sink(&prig, 0, 30, 0);
    gap_row(&prig, 0, 0)->done = true;
    prig_start(&prig);
    prig_run(&prig, 20000);
    check_sink(&prig, 0, 40, 0);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

struct lost { /* the answers of saves */
    bool on;
};

static void lose_answers(void *ctx, enum vstore_op op, struct vfault *fault)
{
    const struct lost *lost = ctx;
    if (op == VSTORE_SAVE && lost->on) {
        fault->status = -EIO;
        fault->written = SIZE_MAX;
    }
}

/* weir shards accept-gap ran between a save whose answer was lost and its repetition. */
static void D10_a_gap_accepted_while_it_is_being_stored_stays_accepted(void)
{
    struct prig prig;
    struct lost lost = {true};
    with_a_gap(&prig);
    prig_start(&prig);
    prig.store.plan = lose_answers;
    prig.store.ctx = &lost;
    for (int i = 0; i < 1000 && !gap_row(&prig, 0, 0); i++)
        prig_run(&prig, 10);
    CHECK_FATAL(gap_row(&prig, 0, 0) != NULL);
    gap_row(&prig, 0, 0)->done = true;
    prig_run(&prig, 20000);
    lost.on = false;
    prig_run(&prig, MINUTE_MS);
    CHECK(gap_row(&prig, 0, 0)->done);
    check_sink(&prig, 0, 40, 0);
    CHECK_INT(poll_counts(prig.poll).shards_held, 0);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

/* That an earlier gap was accepted says nothing of the next one. */
static void D10_what_was_accepted_is_that_gap_and_no_later_one(void)
{
    struct prig prig;
    size_t stream = with_a_gap(&prig);
    prig_start(&prig);
    prig_run(&prig, 20000);
    struct state_row *gap = gap_row(&prig, 0, 0);
    CHECK_FATAL(gap != NULL);
    gap->done = true;
    prig_run(&prig, 20000);
    check_sink(&prig, 0, 40, 0);
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig_write(&prig, stream, 20, 5);
    streams_model_trim(&prig.model, stream, 0, 70);
    prig_start(&prig);
    for (int i = 0; i < 1000 && poll_counts(prig.poll).gaps == 0; i++)
        prig_run(&prig, 1);
    CHECK_INT(poll_counts(prig.poll).gaps, 1);
    prig_run(&prig, 10 * MINUTE_MS);
    CHECK_INT(poll_counts(prig.poll).shards_held, 1);
    check_sink(&prig, 0, 40, 0);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B10_on_gap_continue_says_the_range_and_reads_on(void)
{
    struct prig prig;
    size_t stream = with_a_gap(&prig);
    prig.config.on_gap_continue = true;
    prig_start(&prig);
    prig_run(&prig, 20000);
    check_sink(&prig, 0, 40, 0);
    CHECK_INT(prig_lines(&prig, "W0803"), 1);
    CHECK(gap_row(&prig, 0, 0)->done);
    CHECK_INT(number(gap_row(&prig, 0, 0)->first_available),
              prig.model.streams[stream].shards[0].records[50].number);
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig_start(&prig); /* it is told once */
    prig_run(&prig, 20000);
    CHECK_INT(prig_lines(&prig, "W0803"), 1);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void D10_once_ends_with_65_at_a_gap(void)
{
    struct prig prig;
    with_a_gap(&prig);
    prig.config.once = true;
    prig_start(&prig);
    CHECK(vworld_until(&prig.rig.world, &prig.finished, 10 * MINUTE_MS));
    CHECK_INT(prig.exit_code, 65);
    prig_done(&prig);
}

static void F02_records_trimmed_while_a_sink_held_them_up_are_a_gap_behind_the_last_one_read(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.config.on_gap_continue = true;
    prig.config.batch_size = 10;
    prig.rig.sinks[0].delay_ms = 40 * MINUTE_MS;
    prig.rig.routes[0].timeout_ms = 2 * HOUR_MS;
    prig.rig.routes[0].batch_records = 100;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 60, 60);
    prig_start(&prig);
    prig_run(&prig, 5000);
    CHECK_INT(poll_counts(prig.poll).records, 20);
    streams_model_trim(&prig.model, stream, 0, 30);
    prig_run(&prig, 4 * HOUR_MS);
    check_sink(&prig, 0, 50, 0);
    const struct model_record *records = prig.model.streams[stream].shards[0].records;
    CHECK_FATAL(gap_row(&prig, 0, 0) != NULL);
    CHECK_INT(number(gap_row(&prig, 0, 0)->position), records[19].number);
    CHECK_INT(number(gap_row(&prig, 0, 0)->first_available), records[30].number);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B20_a_shard_that_is_gone_is_a_gap_and_then_its_children(void)
{
    static const bool on[] = {true, false};
    for (size_t i = 0; i < 2; i++) {
        struct prig prig;
        size_t stream = with_a_gap(&prig);
        prig.config.on_gap_continue = on[i];
        streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
        prig.model.streams[stream].shards[0].forgotten = true;
        prig.model.streams[stream].shards[0].hidden = true;
        prig_write(&prig, stream, 25, 5);
        prig_start(&prig);
        prig_run(&prig, MINUTE_MS);
        CHECK_INT(prig_lines(&prig, "W0803"), 1);
        CHECK_FATAL(gap_row(&prig, 0, 0) != NULL);
        CHECK_INT(gap_row(&prig, 0, 0)->first_available.len, 0);
        if (!on[i]) {
            check_sink(&prig, 0, 30, 0);
            gap_row(&prig, 0, 0)->done = true;
            prig_run(&prig, MINUTE_MS);
        }
        check_sink(&prig, 0, 55, 0);
        prig_stop(&prig, 0);
        CHECK(prig_row(&prig, 0, stream, 0)->done);
        prig_done(&prig);
    }
}

static void a_day_away_is_a_gap_not_a_silence(void)
{
    struct prig prig;
    prig_init(&prig, 2);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 30, 5);
    prig_start(&prig);
    prig_run(&prig, 10000);
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig_write(&prig, stream, 30, 5);
    prig_run(&prig, 25 * HOUR_MS);
    prig_write(&prig, stream, 10, 5);
    prig.config.on_gap_continue = true;
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    check_sink(&prig, 0, 40, 0);
    check_sink(&prig, 1, 40, 0);
    CHECK_INT(prig_lines(&prig, "W0803"), 2); /* one a sink */
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void F02_a_quiet_shard_that_was_trimmed_is_said_at_once(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 30, 5);
    prig_start(&prig);
    prig_run(&prig, 10000);
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig_write(&prig, stream, 5, 5);
    prig_run(&prig, 25 * HOUR_MS);
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    CHECK_INT(prig_lines(&prig, "W0803"), 1);
    CHECK_INT(poll_counts(prig.poll).shards_held, 1);
    CHECK_INT(gap_row(&prig, 0, 0)->first_available.len, 0);
    gap_row(&prig, 0, 0)->done = true;
    prig_run(&prig, 10000);
    prig_write(&prig, stream, 5, 5);
    prig_run(&prig, 10000);
    check_sink(&prig, 0, 35, 0);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

/* As `weir shards` judges it. */
static bool told_caught_up(struct prig *prig, size_t sink)
{
    const struct state_row *row = prig_row(prig, sink, 0, 0);
    const struct state_row *stream =
        vdisk_row(&prig->disk, STATE_STREAM, "", prig->model.streams[0].arn, "");
    CHECK_FATAL(row && stream);
    CHECK(prig_unix_ms(prig) * 1000 - stream->updated_us < STATE_FOLLOWED_US);
    return row->updated_us - row->record_us < STATE_BEHIND_US;
}

static int32_t b_is_down(struct vsink *sink, const struct vseen *seen)
{
    (void)seen;
    return sink->arg ? WEIR_DOWN : WEIR_OK;
}

static void what_is_stored_tells_a_quiet_shard_from_one_that_a_sink_is_behind_on(void)
{
    struct prig prig;
    bool down = true;
    prig_init(&prig, 2);
    prig.rig.sinks[1].script = b_is_down;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 5, 5);
    prig_run(&prig, HOUR_MS); /* what is old when it is read */
    prig_start(&prig);
    prig_run(&prig, 10000);
    CHECK(!told_caught_up(&prig, 0) && !told_caught_up(&prig, 1));
    prig_run(&prig, 3 * MINUTE_MS);
    CHECK(told_caught_up(&prig, 0) && told_caught_up(&prig, 1));
    uint64_t saves = prig.disk.saves;
    prig_run(&prig, HOUR_MS);
    CHECK(told_caught_up(&prig, 0) && prig.disk.saves - saves <= 65); /* one a minute */
    prig.rig.sinks[1].arg = &down;
    prig_write(&prig, stream, 5, 5);
    prig_run(&prig, 3 * MINUTE_MS);
    CHECK(told_caught_up(&prig, 0) && !told_caught_up(&prig, 1));
    prig.rig.sinks[1].arg = NULL;
    prig_run(&prig, 5 * MINUTE_MS);
    CHECK(told_caught_up(&prig, 0) && told_caught_up(&prig, 1));
    check_sink(&prig, 0, 10, 0);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

/* ---- the store ---- */

struct refusing {
    bool on;
    int status;
    size_t written;
};

static void refuse_saves(void *ctx, enum vstore_op op, struct vfault *fault)
{
    const struct refusing *refusing = ctx;
    if (op == VSTORE_SAVE && refusing->on) {
        fault->status = refusing->status;
        fault->written = refusing->written;
    }
}

static void F73_positions_that_cant_be_stored_pause_reading_and_acknowledge_nothing(void)
{
    static const struct refusing rows[] = {
        {true, -ENOSPC, 0}, {true, -EIO, SIZE_MAX}, {true, -EROFS, 0}, {true, -EIO, 1}};
    for (size_t i = 0; i < 4; i++) {
        struct prig prig;
        struct refusing refusing = rows[i];
        prig_init(&prig, 1);
        size_t stream = stream_of(&prig, 1);
        prig_start(&prig);
        prig_write(&prig, stream, 10, 5);
        prig_run(&prig, 7000);
        prig.store.plan = refuse_saves;
        prig.store.ctx = &refusing;
        for (int k = 0; k < 5 * 60; k++) {
            prig_write(&prig, stream, 1, 5);
            prig_run(&prig, 1000);
        }
        CHECK_INT(prig_lines(&prig, "W0806"), 2); /* at once, and when reading waits */
        size_t got = prig_got(&prig, 0, NULL);
        CHECK(got >= 60 && got < 90); /* about a minute's */
        refusing.on = false;
        prig_run(&prig, MINUTE_MS);
        check_sink(&prig, 0, 310, 0);
        prig_stop(&prig, 0);
        CHECK_INT(number(prig_row(&prig, 0, stream, 0)->position),
                  prig.model.streams[stream].shards[0].records[309].number);
        prig_done(&prig);
    }
}

static void F73_a_stop_that_cant_store_says_so_with_75(void)
{
    struct prig prig;
    struct refusing refusing = {true, -ENOSPC, 0};
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_start(&prig);
    prig_write(&prig, stream, 10, 5);
    prig_run(&prig, 2000);
    prig.store.plan = refuse_saves;
    prig.store.ctx = &refusing;
    prig_stop(&prig, 75);
    prig_done(&prig);
}

static void F18_a_process_that_lost_the_state_stores_and_delivers_nothing_more(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_start(&prig);
    prig_write(&prig, stream, 10, 5);
    prig_run(&prig, 7000);
    uint64_t saves = prig.disk.saves;
    vstore_lose(&prig.store, 5000);
    prig_write(&prig, stream, 10, 5);
    prig_run(&prig, 4000);
    check_sink(&prig, 0, 10, 0);
    CHECK(vworld_until(&prig.rig.world, &prig.finished, MINUTE_MS));
    CHECK_INT(prig.exit_code, 75);
    CHECK_INT(prig_lines(&prig, "W0808"), 1);
    check_sink(&prig, 0, 10, 0);
    CHECK_INT(prig.disk.saves, saves);
    prig_done(&prig);
}

static void a_state_that_cant_be_read_starts_nothing(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 10, 5);
    prig_start(&prig);
    prig.store.script[VSTORE_LOAD].status = -EIO;
    CHECK(vworld_until(&prig.rig.world, &prig.finished, MINUTE_MS));
    CHECK_INT(prig.exit_code, 75);
    check_sink(&prig, 0, 0, 0);
    prig_done(&prig);
}

/* ---- stopping ---- */

static void F71_a_stop_finishes_what_is_under_way_and_stores_it(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.rig.sinks[0].delay_ms = 3000;
    size_t stream = stream_of(&prig, 2);
    prig_write(&prig, stream, 100, 50);
    prig_start(&prig);
    prig_run(&prig, 500);
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    check_sink(&prig, 0, 100, 0);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static int32_t holds_item_3(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return strcmp(seen->sequence + strlen(seen->sequence) - 1, "3") == 0 ? VSINK_HOLD : WEIR_OK;
}

static void F71_a_stop_that_takes_too_long_stores_how_far_it_got(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.rig.sinks[0].script = holds_item_3;
    prig.rig.sinks[0].on_cancel = WEIR_RETRY;
    prig.rig.routes[0].timeout_ms = HOUR_MS;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 9, 9);
    prig_start(&prig);
    prig_run(&prig, 1000);
    poll_stop(prig.poll);
    prig_run(&prig, 25000);
    CHECK(!prig.finished);
    router_stop(prig.rig.router);
    poll_hurry(prig.poll);
    CHECK(vworld_until(&prig.rig.world, &prig.finished, MINUTE_MS));
    CHECK_INT(prig.exit_code, 75);
    const struct model_shard *shard = &prig.model.streams[stream].shards[0];
    uint64_t position = number(prig_row(&prig, 0, stream, 0)->position);
    CHECK(position < shard->records[8].number);
    CHECK(position >= shard->records[0].number);
    prig_end(&prig);
    prig.rig.sinks[0].script = NULL;
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    CHECK_INT(prig_got(&prig, 0, NULL), 9);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void a_stop_at_any_moment_is_clean(void)
{
    for (int64_t at_ms = 0; at_ms < 60; at_ms++) {
        struct prig prig;
        prig_init(&prig, 2);
        size_t stream = stream_of(&prig, 3);
        prig_write(&prig, stream, 500, 50);
        streams_model_close(&prig.model, stream, 1, 2, prig_unix_ms(&prig));
        prig_write(&prig, stream, 100, 50);
        prig_start(&prig);
        prig_run(&prig, at_ms);
        prig_stop(&prig, 0);
        prig_end(&prig);
        prig_start(&prig);
        prig_run(&prig, 20000);
        check_sink(&prig, 0, 600, 0);
        check_sink(&prig, 1, 600, 0);
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(F02_a_gap_holds_its_shard_until_it_is_accepted),
    TEST(F02_a_held_gap_is_held_over_a_restart_and_accepted_while_down),
    TEST(D10_a_gap_accepted_while_it_is_being_stored_stays_accepted),
    TEST(D10_what_was_accepted_is_that_gap_and_no_later_one),
    TEST(B10_on_gap_continue_says_the_range_and_reads_on),
    TEST(D10_once_ends_with_65_at_a_gap),
    TEST(F02_records_trimmed_while_a_sink_held_them_up_are_a_gap_behind_the_last_one_read),
    TEST(B20_a_shard_that_is_gone_is_a_gap_and_then_its_children),
    TEST(F02_a_quiet_shard_that_was_trimmed_is_said_at_once),
    TEST(a_day_away_is_a_gap_not_a_silence),
    TEST(what_is_stored_tells_a_quiet_shard_from_one_that_a_sink_is_behind_on),
    TEST(F73_positions_that_cant_be_stored_pause_reading_and_acknowledge_nothing),
    TEST(F73_a_stop_that_cant_store_says_so_with_75),
    TEST(F18_a_process_that_lost_the_state_stores_and_delivers_nothing_more),
    TEST(a_state_that_cant_be_read_starts_nothing),
    TEST(F71_a_stop_finishes_what_is_under_way_and_stores_it),
    TEST(F71_a_stop_that_takes_too_long_stores_how_far_it_got),
    TEST(a_stop_at_any_moment_is_clean),
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_state", tests);
}
