/* A table's stream that is disabled and enabled again: each one is read whole, whatever comes in
 * between. What the simulator found first. */
#include "prig.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60000 };

static size_t stream_of(struct prig *prig)
{
    return streams_model_create(&prig->model, "Products", 1, prig_unix_ms(prig));
}

static size_t renew(struct prig *prig, size_t old)
{
    streams_model_disable(&prig->model, old, prig_unix_ms(prig));
    prig_run(prig, SECOND_MS);
    return stream_of(prig);
}

static void check_whole(struct prig *prig, size_t expected)
{
    size_t repeats;
    CHECK_INT(prig_got(prig, 0, &repeats), expected);
    CHECK_INT(repeats, 0);
}

static const char *second_is_not_described(void *ctx, const struct model_call *call)
{
    const bool *hidden = ctx;
    return *hidden && call->kind == MODEL_DESCRIBE && call->stream == 1 ? "InternalServerError"
                                                                        : NULL;
}

/* Only streams newer than the newest stored one are looked for: the rows come in order. */
static void F11_a_crash_between_the_rows_of_two_new_streams_loses_none(void)
{
    bool hidden = true;
    struct prig prig;
    prig_init(&prig, 1);
    prig.model.fault = second_is_not_described;
    prig.model.ctx = &hidden;
    size_t stream = stream_of(&prig);
    prig_write(&prig, stream, 10, 3);
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    prig_stop(&prig, 0);
    prig_end(&prig);
    for (int i = 0; i < 2; i++) {
        stream = renew(&prig, stream);
        prig_run(&prig, SECOND_MS);
        prig_write(&prig, stream, 10, 3);
    }
    prig_start(&prig);
    prig_run(&prig, 3 * MINUTE_MS);
    prig_crash(&prig);
    hidden = false;
    prig_start(&prig);
    prig_run(&prig, 10 * MINUTE_MS);
    check_whole(&prig, 30);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void F11_a_stream_made_while_it_runs_from_latest_is_read_from_its_beginning(void)
{
    struct prig prig;
    prig_init(&prig, 1);
    prig.config.start = POLL_LATEST;
    size_t stream = stream_of(&prig);
    prig_run(&prig, MINUTE_MS);
    prig_start(&prig);
    prig_run(&prig, MINUTE_MS);
    stream = renew(&prig, stream);
    prig_write(&prig, stream, 10, 3);
    prig_run(&prig, 10 * MINUTE_MS); /* it is found a minute later at most */
    check_whole(&prig, 10);
    prig_stop(&prig, 0);
    prig_done(&prig);
}

static void F11_the_last_children_of_a_disabled_stream_may_be_listed_late(void)
{
    for (int64_t late_ms = 0; late_ms <= 30 * SECOND_MS; late_ms += 3 * SECOND_MS) {
        struct prig prig;
        prig_init(&prig, 1);
        size_t stream = stream_of(&prig);
        prig_write(&prig, stream, 10, 3);
        prig_start(&prig);
        prig_run(&prig, MINUTE_MS);
        size_t child = streams_model_close(&prig.model, stream, 0, 1, prig_unix_ms(&prig));
        prig.model.streams[stream].shards[child].listed_ms += late_ms;
        prig_write(&prig, stream, 10, 3);
        size_t next = renew(&prig, stream);
        prig_write(&prig, next, 10, 3);
        prig_run(&prig, 10 * MINUTE_MS);
        check_whole(&prig, 30);
        CHECK(prig_in_order(&prig, 0));
        prig_stop(&prig, 0);
        prig_done(&prig);
    }
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(F11_a_crash_between_the_rows_of_two_new_streams_loses_none),
    TEST(F11_a_stream_made_while_it_runs_from_latest_is_read_from_its_beginning),
    TEST(F11_the_last_children_of_a_disabled_stream_may_be_listed_late),
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_renew", tests);
}
