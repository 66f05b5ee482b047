/* Polling through splits, rotations, and lists that are late, paged or wrong. */
#include "prig.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS };

static size_t stream_of(struct prig *prig, unsigned partitions)
{
    return streams_model_create(&prig->model, "Products", partitions, prig_unix_ms(prig));
}

static size_t total(const struct prig *prig, size_t stream)
{
    const struct model_stream *of = &prig->model.streams[stream];
    size_t count = 0;
    for (size_t i = 0; i < of->count; i++)
        count += of->shards[i].count;
    return count;
}

/* Everything that the streams hold arrived once, in order, at every sink. */
static void check_all(struct prig *prig)
{
    size_t repeats, expected = 0;
    for (size_t i = 0; i < prig->model.count; i++)
        expected += total(prig, i);
    for (size_t i = 0; i < prig->rig.count; i++) {
        CHECK_INT(prig_got(prig, i, &repeats), expected);
        CHECK_INT(repeats, 0);
        CHECK(prig_in_order(prig, i));
    }
}

static void B01_B12_F06_records_of_a_closed_shards_last_page_are_delivered(void)
{
    static const enum model_end ends[] = {MODEL_END_NULL, MODEL_END_ABSENT, MODEL_END_EMPTY};
    for (size_t i = 0; i < 3; i++) { /* B12: null, absent, "" */
        struct prig prig;
        prig_init(&prig, 1);
        prig.model.end = ends[i];
        size_t stream = stream_of(&prig, 1);
        prig_write(&prig, stream, 5, 2);
        streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
        prig_write(&prig, stream, 3, 2);
        prig_start(&prig);
        prig_run(&prig, 5000);
        check_all(&prig);
        prig_stop(&prig, 0);
        CHECK(prig_row(&prig, 0, stream, 0)->done);
        CHECK(prig_row(&prig, 0, stream, 0)->read_to_end);
        CHECK(!prig_row(&prig, 0, stream, 1)->done);
        prig_done(&prig);
    }
}

static void B02_a_child_is_read_from_its_horizon_also_after_latest(void)
{
    struct prig prig;
    size_t repeats;
    prig_init(&prig, 1);
    prig.config.start = POLL_LATEST;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 10, 3);
    prig_run(&prig, 2000);
    prig_start(&prig);
    prig_run(&prig, 3000);
    prig_write(&prig, stream, 4, 3);
    size_t child = streams_model_close(&prig.model, stream, 0, 2, prig_unix_ms(&prig));
    prig_write(&prig, stream, 6, 3);
    prig.model.streams[stream].shards[child].listed_ms = prig_unix_ms(&prig) + 20000;
    prig.model.streams[stream].shards[child + 1].listed_ms = prig_unix_ms(&prig) + 20000;
    prig_run(&prig, MINUTE_MS);
    CHECK_INT(prig_got(&prig, 0, &repeats), 10); /* none of the ten before */
    CHECK_INT(repeats, 0);
    CHECK(prig_in_order(&prig, 0));
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B03_shards_made_later_are_found(void)
{
    struct prig prig;
    prig_init(&prig, 2);
    size_t stream = stream_of(&prig, 2), shard = 0;
    prig_start(&prig);
    for (int i = 0; i < 20; i++) {
        prig_write(&prig, stream, 7, 5);
        prig_run(&prig, 1500);
        shard = streams_model_leaf(&prig.model, stream, (uint32_t)i % 5);
        streams_model_close(&prig.model, stream, shard, 1 + (unsigned)i % 2, prig_unix_ms(&prig));
    }
    prig_write(&prig, stream, 7, 5);
    prig_run(&prig, 10000);
    check_all(&prig);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B04_lists_of_many_pages_are_read_whole(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.model.describe_empty_at = 2;
    size_t stream = stream_of(&prig, 250);
    prig_write(&prig, stream, 2000, 1000);
    prig_start(&prig);
    prig_run(&prig, 30000);
    check_all(&prig);
    CHECK(prig.most_open <= 128 + 4);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B06_a_child_that_closed_before_its_parent_was_read_is_not_skipped(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    for (int i = 0; i < 4; i++) {
        prig_write(&prig, stream, 6, 4);
        size_t shard = streams_model_leaf(&prig.model, stream, 0);
        streams_model_close(&prig.model, stream, shard, 1, prig_unix_ms(&prig));
    }
    prig_write(&prig, stream, 6, 4);
    prig_start(&prig);
    prig_run(&prig, 20000);
    check_all(&prig);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B07_a_child_that_is_listed_late_is_found(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_start(&prig);
    prig_write(&prig, stream, 6, 4);
    prig_run(&prig, 3000);
    size_t child = streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
    prig.model.streams[stream].shards[child].listed_ms = prig_unix_ms(&prig) + 30000;
    prig_write(&prig, stream, 6, 4);
    prig_run(&prig, 2 * MINUTE_MS);
    check_all(&prig);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B08_a_child_does_not_wait_for_a_parent_that_is_gone(void)
{
    struct prig prig;
    size_t repeats;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 6, 4);
    streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
    prig_write(&prig, stream, 5, 4);
    prig.model.streams[stream].shards[0].hidden = true;
    prig.model.streams[stream].shards[0].forgotten = true;
    prig_start(&prig);
    prig_run(&prig, 20000);
    CHECK_INT(prig_got(&prig, 0, &repeats), 5);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static const char *tell_of_no_shards(void *ctx, const struct model_call *call)
{
    const bool *silent = ctx;
    return *silent && call->kind == MODEL_DESCRIBE ? "InternalServerError" : NULL;
}

/* It was looked for at once and in vain; then nothing was told for longer than it is waited for. */
static void B08_a_parent_that_is_listed_late_is_looked_for_at_the_end_too(void)
{
    struct prig prig;
    bool silent = false;
    prig_init(&prig, 1);
    prig.model.fault = tell_of_no_shards;
    prig.model.ctx = &silent;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 6, 4);
    prig_start(&prig);
    prig_run(&prig, 3000);
    size_t parent = streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
    prig_write(&prig, stream, 6, 4);
    streams_model_close(&prig.model, stream, parent, 1, prig_unix_ms(&prig));
    prig_write(&prig, stream, 6, 4);
    prig.model.streams[stream].shards[parent].listed_ms = prig_unix_ms(&prig) + 9000;
    prig_run(&prig, 8000);
    silent = true;
    prig_run(&prig, 20000);
    silent = false;
    prig_run(&prig, 2 * MINUTE_MS);
    check_all(&prig);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static int32_t slow_b(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return seen->attempt < 4 ? WEIR_RETRY : WEIR_OK;
}

static void B09_order_per_item_holds_while_a_sink_lags_behind_a_split(void)
{
    struct prig prig;
    prig_init(&prig, 2);
    prig.rig.sinks[1].script = slow_b;
    prig.rig.routes[1].max_attempts = 100;
    size_t stream = stream_of(&prig, 1);
    prig_start(&prig);
    for (int i = 0; i < 6; i++) {
        prig_write(&prig, stream, 12, 3);
        prig_run(&prig, 700);
        size_t shard = streams_model_leaf(&prig.model, stream, (uint32_t)i % 3);
        streams_model_close(&prig.model, stream, shard, 2, prig_unix_ms(&prig));
    }
    prig_write(&prig, stream, 12, 3);
    prig_run(&prig, 5 * MINUTE_MS);
    CHECK_INT(prig_got(&prig, 0, NULL), total(&prig, stream));
    CHECK_INT(prig_got(&prig, 1, NULL), total(&prig, stream));
    CHECK(prig_in_order(&prig, 0));
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B11_a_stream_made_anew_is_read_whatever_was_stored_of_the_old(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t old = stream_of(&prig, 1);
    prig_write(&prig, old, 20, 4);
    prig_start(&prig);
    prig_run(&prig, 3000);
    streams_model_disable(&prig.model, old, prig_unix_ms(&prig));
    prig_run(&prig, 1000);
    stream_of(&prig, 1);
    prig_write(&prig, 1, 15, 4);
    prig_run(&prig, 3 * MINUTE_MS);
    check_all(&prig);
    prig_stop(&prig, 0);
    CHECK(vdisk_row(&prig.disk, STATE_STREAM, "", prig.model.streams[old].arn, "")->read_to_end);
    prig_done(&prig);
}

static void F11_the_old_stream_is_read_to_its_end_before_the_new_one_also_after_a_restart(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t old = stream_of(&prig, 1);
    prig_write(&prig, old, 20, 4);
    prig_start(&prig);
    prig_run(&prig, 2000);
    prig_stop(&prig, 0);
    prig_end(&prig);
    prig_write(&prig, old, 20, 4);
    streams_model_disable(&prig.model, old, prig_unix_ms(&prig));
    prig_run(&prig, 1000);
    stream_of(&prig, 2);
    prig_write(&prig, 1, 15, 4);
    prig_start(&prig);
    prig_run(&prig, 3 * MINUTE_MS);
    check_all(&prig);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B13_lists_that_contradict_themselves_lose_nothing(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 10, 4);
    prig_start(&prig);
    prig_run(&prig, 2000);
    /* the children are listed, their parent still as open */
    streams_model_close(&prig.model, stream, 0, 2, prig_unix_ms(&prig));
    prig.model.streams[stream].shards[0].end_listed_ms = prig_unix_ms(&prig) + MINUTE_MS;
    prig_write(&prig, stream, 10, 4);
    prig_run(&prig, 5000);
    /* a closed leaf without a child */
    size_t leaf = streams_model_leaf(&prig.model, stream, 1);
    size_t child = streams_model_close(&prig.model, stream, leaf, 1, prig_unix_ms(&prig));
    prig.model.streams[stream].shards[child].listed_ms = prig_unix_ms(&prig) + MINUTE_MS;
    prig_write(&prig, stream, 10, 4);
    prig_run(&prig, 4 * MINUTE_MS);
    check_all(&prig);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B14_finished_shards_are_remembered_over_restarts(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 1);
    for (int i = 0; i < 5; i++) {
        prig_write(&prig, stream, 6, 4);
        prig_start(&prig);
        prig_run(&prig, 8000);
        prig_stop(&prig, 0);
        prig_end(&prig);
        size_t shard = streams_model_leaf(&prig.model, stream, 0);
        streams_model_close(&prig.model, stream, shard, 1, prig_unix_ms(&prig));
        prig_run(&prig, 4 * HOUR_MS);
    }
    prig_start(&prig);
    prig_run(&prig, 20000);
    check_all(&prig);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void B15_two_streams_rotate_side_by_side(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t first = stream_of(&prig, 1);
    size_t second = streams_model_create(&prig.model, "Orders", 1, prig_unix_ms(&prig));
    prig.tables[1] = "Orders";
    prig_start(&prig);
    for (int i = 0; i < 6; i++) {
        prig_write(&prig, first, 5, 3);
        prig_write(&prig, second, 5, 3);
        prig_run(&prig, 3000);
        streams_model_close(&prig.model, first, streams_model_leaf(&prig.model, first, 0), 1,
                            prig_unix_ms(&prig));
        streams_model_close(&prig.model, second, streams_model_leaf(&prig.model, second, 0), 2,
                            prig_unix_ms(&prig));
    }
    prig_run(&prig, 20000);
    CHECK_INT(prig_got(&prig, 0, NULL), total(&prig, first) + total(&prig, second));
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void F10_a_disabled_stream_is_drained_and_the_end_is_said(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    size_t stream = stream_of(&prig, 2);
    prig.streams[0] = prig.model.streams[stream].arn;
    prig.config.streams = prig.streams;
    prig.config.tables = NULL;
    prig_write(&prig, stream, 30, 5);
    prig_start(&prig);
    prig_run(&prig, 1000);
    prig_write(&prig, stream, 30, 5);
    streams_model_disable(&prig.model, stream, prig_unix_ms(&prig));
    CHECK(vworld_until(&prig.rig.world, &prig.finished, 10 * MINUTE_MS));
    CHECK_INT(prig.exit_code, 0);
    check_all(&prig);
    CHECK(vdisk_row(&prig.disk, STATE_STREAM, "", prig.streams[0], "")->read_to_end);
    prig_end(&prig);
    prig_start(&prig); /* and again: nothing is left to read */
    CHECK(vworld_until(&prig.rig.world, &prig.finished, 10 * MINUTE_MS));
    CHECK_INT(prig.exit_code, 0);
    check_all(&prig);
    prig_done(&prig);
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(B01_B12_F06_records_of_a_closed_shards_last_page_are_delivered),
    TEST(B02_a_child_is_read_from_its_horizon_also_after_latest),
    TEST(B03_shards_made_later_are_found),
    TEST(B04_lists_of_many_pages_are_read_whole),
    TEST(B06_a_child_that_closed_before_its_parent_was_read_is_not_skipped),
    TEST(B07_a_child_that_is_listed_late_is_found),
    TEST(B08_a_child_does_not_wait_for_a_parent_that_is_gone),
    TEST(B08_a_parent_that_is_listed_late_is_looked_for_at_the_end_too),
    TEST(B09_order_per_item_holds_while_a_sink_lags_behind_a_split),
    TEST(B11_a_stream_made_anew_is_read_whatever_was_stored_of_the_old),
    TEST(F11_the_old_stream_is_read_to_its_end_before_the_new_one_also_after_a_restart),
    TEST(B13_lists_that_contradict_themselves_lose_nothing),
    TEST(B14_finished_shards_are_remembered_over_restarts),
    TEST(B15_two_streams_rotate_side_by_side),
    TEST(F10_a_disabled_stream_is_drained_and_the_end_is_said),
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_shards", tests);
}
