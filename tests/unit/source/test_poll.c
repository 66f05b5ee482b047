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

static const struct unit_test tests[] = {
    {"records_of_all_shards_arrive_in_order_and_positions_are_stored",
     records_of_all_shards_arrive_in_order_and_positions_are_stored},
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll", tests);
}
