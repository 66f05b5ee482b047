/* Gaps of sinks that have no position on a shard yet: only the time tells that records may be
 * missing (D10, F02). */
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

static struct state_row *gap_row(struct prig *prig, size_t sink, size_t shard)
{
    const struct model_stream *of = &prig->model.streams[0];
    return (struct state_row *)vdisk_row(&prig->disk, STATE_GAP, prig->rig.routes[sink].name,
                                         of->arn, of->shards[shard].id);
}

static int32_t says_nothing(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

/* A process that read, finished nothing, and was killed. */
static size_t killed_before_the_first_position(struct prig *prig, size_t sinks)
{
    prig_init(prig, sinks);
    size_t stream = stream_of(prig, 1);
    prig_write(prig, stream, 30, 30);
    prig->rig.sinks[0].script = says_nothing;
    prig_start(prig);
    prig_run(prig, 20000);
    prig_crash(prig);
    CHECK_INT(prig_row(prig, 0, stream, 0)->position.len, 0);
    prig->rig.sinks[0].count = 0; /* what it was given then was not stored */
    prig->rig.sinks[0].script = NULL;
    return stream;
}

static void F02_a_day_away_without_any_position_is_a_gap(void)
{
    static const bool on[] = {true, false}, quiet[] = {false, true};
    for (size_t i = 0; i < 4; i++) {
        struct prig prig;
        size_t stream = killed_before_the_first_position(&prig, 1);
        prig_run(&prig, 25 * HOUR_MS);
        if (!quiet[i / 2])
            prig_write(&prig, stream, 10, 10);
        prig.config.on_gap_continue = on[i % 2];
        prig_start(&prig);
        prig_run(&prig, MINUTE_MS);
        CHECK_INT(prig_lines(&prig, "W0803"), 1);
        CHECK_INT(poll_counts(prig.poll).gaps, 1);
        CHECK_FATAL(gap_row(&prig, 0, 0) != NULL);
        CHECK_INT(gap_row(&prig, 0, 0)->position.len, 0);
        CHECK_INT(gap_row(&prig, 0, 0)->first_available.len == 0, quiet[i / 2]);
        if (!on[i % 2]) {
            check_sink(&prig, 0, 0, 0);
            CHECK_INT(poll_counts(prig.poll).shards_held, 1);
            gap_row(&prig, 0, 0)->done = true;
        }
        prig_run(&prig, MINUTE_MS);
        check_sink(&prig, 0, quiet[i / 2] ? 0 : 10, 0);
        prig_stop(&prig, 0);
        prig_end(&prig);
        prig_start(&prig); /* said once */
        prig_run(&prig, MINUTE_MS);
        CHECK_INT(prig_lines(&prig, "W0803"), 1);
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

static void F02_a_gap_without_a_position_is_accepted_while_down_and_the_next_one_is_another(void)
{
    struct prig prig;
    size_t stream = killed_before_the_first_position(&prig, 1);
    prig_run(&prig, 25 * HOUR_MS);
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    CHECK_INT(poll_counts(prig.poll).shards_held, 1);
    prig_stop(&prig, 0);
    prig_end(&prig);
    gap_row(&prig, 0, 0)->done = true;
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    CHECK_INT(prig_lines(&prig, "W0803"), 1);
    CHECK_INT(poll_counts(prig.poll).shards_held, 0);
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig_write(&prig, stream, 10, 10);
    prig_run(&prig, 25 * HOUR_MS);
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    CHECK_INT(prig_lines(&prig, "W0803"), 2);
    CHECK_INT(poll_counts(prig.poll).shards_held, 1);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

/* One is far, the other never began: the gap of the one is not the other's. */
static void F02_the_sinks_with_positions_are_asked_by_those(void)
{
    struct prig prig;
    size_t stream = killed_before_the_first_position(&prig, 2);
    CHECK(prig_row(&prig, 1, stream, 0)->position.len > 0);
    prig.config.on_gap_continue = true;
    prig_write(&prig, stream, 10, 10);
    prig_run(&prig, 25 * HOUR_MS);
    prig_write(&prig, stream, 10, 10);
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    CHECK_INT(prig_lines(&prig, "W0803"), 2); /* each its own */
    CHECK_INT(gap_row(&prig, 0, 0)->position.len, 0);
    CHECK(gap_row(&prig, 1, 0)->position.len > 0);
    check_sink(&prig, 0, 10, 0);
    check_sink(&prig, 1, 40, 0);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void no_position_is_no_gap_where_nothing_can_be_missing(void)
{
    static const struct {
        int64_t running_ms, away_ms;
        bool old; /* the stream was there for days before the first start */
        enum poll_position start;
    } rows[] = {{MINUTE_MS, 20 * HOUR_MS, false, POLL_TRIM_HORIZON},
                {MINUTE_MS, 20 * HOUR_MS, true, POLL_TRIM_HORIZON},
                {MINUTE_MS, 20 * HOUR_MS, true, POLL_LATEST},
                {30 * HOUR_MS, MINUTE_MS, false, POLL_TRIM_HORIZON},
                {60 * HOUR_MS, 20 * HOUR_MS, true, POLL_TRIM_HORIZON},
                {60 * HOUR_MS, 20 * HOUR_MS, true, POLL_LATEST}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct prig prig;
        prig_init(&prig, 2);
        prig.config.start = rows[i].start;
        size_t stream = stream_of(&prig, 2);
        if (rows[i].old)
            prig_run(&prig, 72 * HOUR_MS);
        prig_start(&prig);
        prig_run(&prig, rows[i].running_ms);
        prig_crash(&prig);
        prig_run(&prig, rows[i].away_ms);
        prig_write(&prig, stream, 10, 10);
        prig_start(&prig);
        prig_run(&prig, MINUTE_MS);
        CHECK_INT(prig_lines(&prig, "W0803"), 0);
        check_sink(&prig, 0, 10, 0);
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

/* A stream answers that a number of more than a day ago was trimmed, also where nothing came behind
 * it. What was seen to be quiet until less than a day ago has lost nothing. */
static void F2_a_quiet_shard_with_an_old_position_is_no_gap_after_a_restart(void)
{
    static const struct {
        int64_t quiet_ms, away_ms;
        size_t written; /* while away, an hour before the end */
        int gaps;
        bool crash;
    } rows[] = {{30 * HOUR_MS, MINUTE_MS, 0, 0, false},    {30 * HOUR_MS, 20 * HOUR_MS, 0, 0, true},
                {60 * HOUR_MS, 20 * HOUR_MS, 7, 0, true},  {26 * HOUR_MS, 2 * HOUR_MS, 7, 0, false},
                {30 * HOUR_MS, 26 * HOUR_MS, 0, 1, false}, {30 * HOUR_MS, 26 * HOUR_MS, 7, 1, true},
                {MINUTE_MS, 26 * HOUR_MS, 7, 1, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct prig prig;
        prig_init(&prig, 2);
        size_t stream = stream_of(&prig, 1);
        prig_write(&prig, stream, 10, 10);
        prig_start(&prig);
        prig_run(&prig, rows[i].quiet_ms);
        if (rows[i].crash)
            prig_crash(&prig);
        else {
            prig_stop(&prig, 0);
            prig_end(&prig);
        }
        prig_run(&prig, rows[i].away_ms - HOUR_MS * (rows[i].written > 0));
        prig_write(&prig, stream, rows[i].written, 10);
        prig_run(&prig, HOUR_MS * (rows[i].written > 0));
        prig_start(&prig);
        prig_run(&prig, MINUTE_MS);
        CHECK_INT(prig_lines(&prig, "W0803"), 2 * rows[i].gaps); /* of each sink */
        CHECK_INT(poll_counts(prig.poll).shards_held, rows[i].gaps);
        if (!rows[i].gaps) {
            prig_write(&prig, stream, 10, 10);
            prig_run(&prig, MINUTE_MS);
            check_sink(&prig, 0, 20 + rows[i].written, 0);
            check_sink(&prig, 1, 20 + rows[i].written, 0);
        }
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

static const char *no_page(void *ctx, const struct model_call *call)
{
    (void)ctx;
    return call->kind == MODEL_RECORDS ? "InternalServerError" : NULL;
}

/* It was caught up when the source ceased to answer: what came since nobody has seen. */
static void F2_a_shard_that_gives_no_page_was_not_seen_to_be_quiet(void)
{
    static const bool crashes[] = {false, true};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) {
        struct prig prig;
        prig_init(&prig, 1);
        size_t stream = stream_of(&prig, 1);
        prig_write(&prig, stream, 10, 10);
        prig_start(&prig);
        prig_run(&prig, 5 * MINUTE_MS);
        prig.model.fault = no_page;
        prig_run(&prig, MINUTE_MS);
        prig_write(&prig, stream, 7, 10);
        prig_run(&prig, 25 * HOUR_MS);
        if (crashes[i]) {
            prig_crash(&prig);
            prig_start(&prig);
        }
        prig.model.fault = NULL;
        prig_run(&prig, 5 * MINUTE_MS);
        CHECK_INT(prig_lines(&prig, "W0803"), 1);
        CHECK_INT(poll_counts(prig.poll).shards_held, 1);
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

/* The shards that came and went meanwhile are listed, but what they held is not all there. */
static void F02_a_shard_that_came_while_away_for_a_day_may_be_trimmed(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.config.on_gap_continue = true;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 10, 10);
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    prig_stop(&prig, 0);
    prig_end(&prig);
    streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
    prig_write(&prig, stream, 10, 10);
    prig_run(&prig, 25 * HOUR_MS);
    prig_write(&prig, stream, 10, 10);
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    check_sink(&prig, 0, 20, 0);
    CHECK(gap_row(&prig, 0, 1) != NULL);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(F02_a_day_away_without_any_position_is_a_gap),
    TEST(F02_a_gap_without_a_position_is_accepted_while_down_and_the_next_one_is_another),
    TEST(F02_the_sinks_with_positions_are_asked_by_those),
    TEST(no_position_is_no_gap_where_nothing_can_be_missing),
    TEST(F2_a_quiet_shard_with_an_old_position_is_no_gap_after_a_restart),
    TEST(F2_a_shard_that_gives_no_page_was_not_seen_to_be_quiet),
    TEST(F02_a_shard_that_came_while_away_for_a_day_may_be_trimmed),
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_gap", tests);
}
