/* How long a reader waits. */
#include "source/pace.h"
#include "unit.h"

static uint64_t counting(void *ctx)
{
    uint64_t *state = ctx;
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 20;
}

static void an_empty_shard_is_asked_ever_less_up_to_the_bound(void)
{
    uint64_t state = 1;
    const struct random random = {&state, counting};
    static const int64_t bounds[] = {250, 500, 1000, 1000, 1000};
    struct pace pace = {0};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        int64_t pause_ms = pace_empty(&pace, 1000, &random);
        CHECK(pause_ms <= bounds[i]);
        CHECK(pause_ms >= bounds[i] * 9 / 10);
    }
    CHECK_INT(pace.empty, 5);
    CHECK_INT(pace_data(&pace, 3, 100, 0, 1000), 250);
    CHECK_INT(pace.empty, 0);
    CHECK(pace_empty(&pace, 1000, &random) <= 250);
}

static void pauses_of_shards_that_began_together_spread(void)
{
    uint64_t state = 7;
    const struct random random = {&state, counting};
    int different = 0;
    int64_t last_ms = 0;
    for (int i = 0; i < 100; i++) {
        struct pace pace = {.idle_ms = 1000};
        int64_t pause_ms = pace_empty(&pace, 1000, &random);
        different += pause_ms != last_ms;
        last_ms = pause_ms;
    }
    CHECK(different > 80);
}

static void nothing_waits_while_there_is_more_to_read(void)
{
    static const struct {
        size_t records, limit;
        int64_t age_us, pause_ms;
    } rows[] = {
        {100, 100, 0, 0},       /* a full page */
        {1, 100, 60000000, 0},  /* far behind, though the page is not full */
        {1, 100, -1, 0},        /* filtered: nobody knows how far behind */
        {99, 100, 100000, 250}, /* at the end */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pace pace = {0};
        CHECK_INT(pace_data(&pace, rows[i].records, rows[i].limit, rows[i].age_us, 1000),
                  rows[i].pause_ms);
    }
}

static void F03_throttling_backs_off_with_full_jitter(void)
{
    uint64_t state = 3;
    const struct random random = {&state, counting};
    int64_t least_ms = INT64_MAX, most_ms = 0, sum_ms = 0;
    for (int run = 0; run < 200; run++) {
        struct pace pace = {0};
        int64_t bound_ms = PACE_THROTTLED_MS;
        for (int i = 0; i < 12; i++) {
            int64_t pause_ms = pace_throttled(&pace, &random);
            CHECK(pause_ms >= 1 && pause_ms <= bound_ms);
            bound_ms =
                bound_ms * 2 < PACE_THROTTLED_LAST_MS ? bound_ms * 2 : PACE_THROTTLED_LAST_MS;
            if (i == 11) {
                least_ms = pause_ms < least_ms ? pause_ms : least_ms;
                most_ms = pause_ms > most_ms ? pause_ms : most_ms;
                sum_ms += pause_ms;
            }
        }
    }
    CHECK(least_ms < PACE_THROTTLED_LAST_MS / 4);
    CHECK(most_ms > PACE_THROTTLED_LAST_MS * 3 / 4);
    CHECK(sum_ms / 200 > PACE_THROTTLED_LAST_MS / 3);
}

static void F04_failures_in_a_row_are_bounded_and_forgotten_by_an_answer(void)
{
    uint64_t state = 5;
    const struct random random = {&state, counting};
    struct pace pace = {0};
    for (int i = 0; i < 10000; i++)
        CHECK(pace_broken(&pace, &random) <= PACE_BROKEN_LAST_MS);
    pace_answered(&pace);
    CHECK(pace_broken(&pace, &random) <= PACE_BROKEN_MS);
}

static const struct unit_test tests[] = {
    {"an_empty_shard_is_asked_ever_less_up_to_the_bound",
     an_empty_shard_is_asked_ever_less_up_to_the_bound},
    {"pauses_of_shards_that_began_together_spread", pauses_of_shards_that_began_together_spread},
    {"nothing_waits_while_there_is_more_to_read", nothing_waits_while_there_is_more_to_read},
    {"F03_throttling_backs_off_with_full_jitter", F03_throttling_backs_off_with_full_jitter},
    {"F04_failures_in_a_row_are_bounded_and_forgotten_by_an_answer",
     F04_failures_in_a_row_are_bounded_and_forgotten_by_an_answer},
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "pace", tests);
}
