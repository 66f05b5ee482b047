/* Shards that are held, and what else then must not happen to the others. */
#include "prig.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS, SHARDS = 4 };

static size_t stream_of(struct prig *prig, unsigned partitions)
{
    return streams_model_create(&prig->model, "Products", partitions, prig_unix_ms(prig));
}

static int32_t says_nothing(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

static bool is_of_shard(const struct prig *prig, const char *sequence, size_t shard)
{
    const struct model_shard *of = &prig->model.streams[0].shards[shard];
    uint64_t number = streams_model_number(sequence, strlen(sequence));
    size_t at = streams_model_find_record(of, number);
    return at < of->count && of->records[at].number == number;
}

/* Sink 0 needs an image that the records lack and gives nothing up, sink 1 is slow. */
static void without_images(struct prig *prig)
{
    prig_init(prig, 2);
    prig->rig.rules[0].images = WEIR_OLD;
    prig->rig.routes[0].on_exhausted = ROUTE_BLOCK;
    prig->config.batch_size = 10;
}

static void say_ok_of_shard(struct prig *prig, size_t shard)
{
    struct vsink *sink = &prig->rig.sinks[1];
    for (size_t i = 0; i < sink->count; i++)
        if (sink->log[i].outcome == VSINK_HOLD && is_of_shard(prig, sink->log[i].sequence, shard))
            vsink_say(sink, i, WEIR_OK);
}

static void a_shard_held_while_it_waits_for_room_takes_no_other_with_it(void)
{
    for (size_t held = 0; held < SHARDS; held++) {
        struct prig prig;
        without_images(&prig);
        prig.config.parallelization_factor = 10;
        prig.rig.config.queued_records = 80;
        prig.rig.routes[1].timeout_ms = 10 * HOUR_MS;
        prig.rig.routes[1].concurrency = 1000;
        prig.rig.sinks[1].script = says_nothing;
        size_t stream = stream_of(&prig, SHARDS);
        prig.model.streams[stream].view = "NEW_IMAGE";
        uint32_t item = 1000; /* the first that the shard takes: INSERTs need no old image */
        while (streams_model_leaf(&prig.model, stream, item) != held)
            item++;
        for (int i = 0; i < 2; i++) {
            struct model_write write = {.item = item};
            streams_model_write(&prig.model, stream, &write, prig_unix_ms(&prig));
        }
        for (struct model_write other = {.item = 0}; other.item < 400; other.item++)
            if (streams_model_leaf(&prig.model, stream, other.item) != held)
                streams_model_write(&prig.model, stream, &other, prig_unix_ms(&prig));
        prig_start(&prig);
        prig_run(&prig, 5000);
        say_ok_of_shard(&prig, held);
        prig_run(&prig, 100);
        say_ok_of_shard(&prig, held);
        prig_run(&prig, 2 * MINUTE_MS);
        prig.rig.sinks[1].script = NULL;
        vsink_say_all(&prig.rig.sinks[1], WEIR_OK);
        prig_run(&prig, 10 * MINUTE_MS);
        size_t expected = 0;
        for (size_t i = 0; i < SHARDS; i++)
            expected += prig.model.streams[stream].shards[i].count;
        CHECK_INT(prig_got(&prig, 1, NULL), expected);
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

/* Sink 0 gives up on the first item's records; memory runs out while their letters are made. */
struct refusal {
    uint64_t lane, fail_at;
    unsigned refused;
};

static int32_t refuses_one_item(struct vsink *sink, const struct vseen *seen)
{
    struct refusal *refusal = sink->arg;
    if (refusal->lane == 0)
        refusal->lane = seen->lane;
    if (seen->lane != refusal->lane)
        return WEIR_OK;
    if (refusal->refused++ == 0)
        mem_fail_at(refusal->fail_at);
    return WEIR_FAIL;
}

static void F72_a_letter_without_memory_holds_its_item_alone(void)
{
    for (uint64_t n = 1; n < 30; n++) {
        struct refusal refusal = {.fail_at = n};
        size_t repeats;
        struct prig prig;
        prig_init(&prig, 2);
        prig.rig.sinks[0].script = refuses_one_item;
        prig.rig.sinks[0].arg = &refusal;
        prig.config.parallelization_factor = 4;
        prig.config.batch_size = 10;
        prig_write(&prig, stream_of(&prig, 1), 60, 7);
        prig_start(&prig);
        prig_run(&prig, 5 * MINUTE_MS);
        mem_fail_at(0);
        prig_run(&prig, MINUTE_MS);
        for (size_t i = 0; i < 2; i++) {
            CHECK_INT(prig_got(&prig, i, &repeats), 60);
            CHECK_INT(repeats, 0);
            CHECK(prig_in_order(&prig, i));
        }
        CHECK_INT(prig.disk.letter_count, 9);
        CHECK_INT(prig_lines(&prig, "W0812"), 0);
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

static void a_record_without_the_image_that_blocks_holds_its_shard_and_repeats_no_other(void)
{
    struct prig prig;
    size_t repeats;
    without_images(&prig);
    size_t stream = stream_of(&prig, 1);
    prig.model.streams[stream].view = "NEW_IMAGE";
    prig.config.batch_size = 100;
    prig_write(&prig, stream, 20, 19); /* the last one is no INSERT */
    for (struct model_write other = {.item = 100}; other.item < 110; other.item++)
        streams_model_write(&prig.model, stream, &other, prig_unix_ms(&prig));
    prig_start(&prig);
    prig_run(&prig, 10 * MINUTE_MS);
    CHECK_INT(prig_lines(&prig, "W0812"), 1);
    CHECK_INT(poll_counts(prig.poll).shards_held, 1);
    CHECK_INT(prig_got(&prig, 0, &repeats), 29);
    CHECK_INT(repeats, 0);
    CHECK_INT(prig_got(&prig, 1, &repeats), 30);
    CHECK_INT(repeats, 0);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

/* What a child's page has waits for the parent, which is held: the stop gives it back, and it is
 * not finished by that. */
static void what_waits_for_a_held_parent_is_read_again_by_the_next_start(void)
{
    struct prig prig;
    struct model_write poison = {.item = 3, .poison = true};
    size_t repeats;
    prig_init(&prig, 2);
    prig.rig.config.on_poison = ROUTE_BLOCK;
    size_t stream = stream_of(&prig, 1);
    prig_write(&prig, stream, 10, 5);
    streams_model_write(&prig.model, stream, &poison, prig_unix_ms(&prig));
    streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
    prig_write(&prig, stream, 10, 5);
    prig_start(&prig);
    prig_run(&prig, 10 * MINUTE_MS);
    CHECK_INT(poll_counts(prig.poll).shards_held, 1);
    CHECK_INT(prig_got(&prig, 0, NULL), 10);
    CHECK_INT(router_counts(prig.rig.router, 0).pending, 10); /* they wait behind the gate */
    prig_stop(&prig, 0);
    for (size_t i = 0; i < 2; i++)
        CHECK_INT(prig_row(&prig, i, stream, 1)->position.len, 0);
    prig_end(&prig);
    prig.rig.config.on_poison = ROUTE_DEAD;
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(prig_got(&prig, i, &repeats), 20);
        CHECK_INT(repeats, 0);
        CHECK(prig_in_order(&prig, i));
    }
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(a_shard_held_while_it_waits_for_room_takes_no_other_with_it),
    TEST(F72_a_letter_without_memory_holds_its_item_alone),
    TEST(a_record_without_the_image_that_blocks_holds_its_shard_and_repeats_no_other),
    TEST(what_waits_for_a_held_parent_is_read_again_by_the_next_start),
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_hold", tests);
}
