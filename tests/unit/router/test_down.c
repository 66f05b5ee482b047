/* A sink that is down: held, probed, up again. */
#include "rig.h"

static int32_t say_arg(struct vsink *sink, const struct vseen *seen)
{
    (void)seen;
    return *(const int32_t *)sink->arg;
}

static int32_t down_for_1(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return strcmp(seen->sequence, "1") == 0 ? WEIR_DOWN : WEIR_OK;
}

static void a_sink_that_is_down_is_probed_from_1_to_30_s(void)
{
    static const int64_t expected[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct rig rig;
    int32_t said = WEIR_DOWN;
    for (int sync = 0; sync < 2; sync++) {
        rig_init(&rig, 1, false);
        if (sync)
            rig_sync(&rig, 0);
        rig.routes[0].max_attempts = 1;
        rig.sinks[0].script = say_arg;
        rig.sinks[0].arg = &said;
        said = WEIR_DOWN;
        rig_start(&rig);
        size_t number = rig_submit(&rig, "1:x 2:y 3:z", 0);
        vworld_settle(&rig.world);
        CHECK(!rig_counts(&rig, 0).up);
        size_t before = rig.sinks[0].count;
        CHECK_INT(before, sync ? 1 : 3); /* the first delivery; then one record a probe */
        for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
            vworld_run(&rig.world, expected[i] - 1);
            CHECK_INT(rig.sinks[0].count, before + i);
            vworld_run(&rig.world, 1);
            CHECK_INT(rig.sinks[0].count, before + i + 1);
        }
        CHECK_INT(rig_counts(&rig, 0).retries, 0); /* not counted */
        said = WEIR_OK;
        CHECK(rig_wait(&rig, number)->complete);
        CHECK(rig_counts(&rig, 0).up);
        said = WEIR_DOWN; /* the next time from 1 s again */
        number = rig_submit(&rig, "4:x", 0);
        vworld_settle(&rig.world);
        before = rig.sinks[0].count;
        vworld_run(&rig.world, 1000);
        CHECK_INT(rig.sinks[0].count, before + 1);
        said = WEIR_OK;
        CHECK(rig_wait(&rig, number)->complete);
        rig_done(&rig);
    }
}

static void a_record_that_alone_gets_down_is_retried_and_given_up(void)
{
    for (int order = 0; order < 2; order++) {
        struct rig rig;
        rig_init(&rig, 1, false);
        rig.routes[0].on_exhausted = ROUTE_DEAD;
        rig.routes[0].order = order ? ROUTE_NONE : ROUTE_ITEM;
        rig.routes[0].batch_records = 1;
        rig.routes[0].concurrency = 1;
        rig.sinks[0].script = down_for_1;
        rig_start(&rig);
        const struct rig_answer *answer = rig_run(&rig, "1:x 2:y 3:z", 0);
        CHECK(answer->complete);
        CHECK(vworld_stored(&rig.world, "a", "1"));
        CHECK_INT(rig_counts(&rig, 0).retries, 3);
        CHECK_INT(rig_counts(&rig, 0).delivered, 2);
        CHECK(rig_counts(&rig, 0).up);
        rig_done(&rig);
    }
}

/* Whether the first probe's answer was lost: that shows nothing of the records that got `down`. */
static int32_t down_but_for_a_lost_answer(struct vsink *sink, const struct vseen *seen)
{
    (void)seen;
    return sink->count == 4 ? WEIR_RETRY : WEIR_DOWN;
}

static void a_lost_answer_does_not_count_against_what_got_down_before(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.routes[0].max_attempts = 3;
    rig.sinks[0].script = down_but_for_a_lost_answer;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:x 2:y 3:z", 0);
    vworld_run(&rig.world, 600000);
    CHECK_INT(rig_counts(&rig, 0).retries, 1);
    CHECK_INT(rig_counts(&rig, 0).dead, 0);
    CHECK(!rig_counts(&rig, 0).up);
    CHECK(rig.sinks[0].count < 50); /* it is probed, and no more */
    rig.sinks[0].script = NULL;
    CHECK(rig_wait(&rig, number)->complete);
    rig_done(&rig);
}

static void one_sink_down_does_not_delay_another(void)
{
    struct rig rig;
    int32_t said = WEIR_DOWN;
    rig_init(&rig, 2, false);
    rig.sinks[0].script = say_arg;
    rig.sinks[0].arg = &said;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:x 2:x 3:x", 0);
    vworld_settle(&rig.world);
    CHECK_STR(vsink_story(&rig.sinks[1]), "1 2 3");
    said = WEIR_OK;
    CHECK(rig_wait(&rig, number)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 1 2 3");
    rig_done(&rig);
}

/* ---- in Lambda ---- */

static void invocations_end_when_only_a_sink_that_is_down_is_left(void)
{
    struct rig rig;
    int32_t said = WEIR_DOWN;
    rig_init(&rig, 2, true);
    rig.sinks[0].script = say_arg;
    rig.sinks[0].arg = &said;
    rig.sinks[0].reason = "access denied";
    rig.sinks[1].delay_ms = 700;
    rig_start(&rig);
    const struct rig_answer *answer = rig_run(&rig, "1:x 2:y", 60000);
    CHECK(!answer->complete && answer->sink_down);
    CHECK_INT(answer->at_ms, 1700); /* when the other had finished, no probe later */
    CHECK_INT(answer->unfinished, 2);
    CHECK_STR(answer->sink, "a");
    CHECK_STR(answer->reason, "access denied");
    CHECK_INT(rig.sinks[1].count, 2);
    CHECK(!timers_first(&rig.world.timers)); /* the environment may be frozen now */
    answer = rig_run(&rig, "1:x 2:y", 60000);
    CHECK(!answer->complete && answer->sink_down);
    CHECK_INT(rig.sinks[1].count, 2); /* finished there: not given again */
    CHECK_INT(rig_counts(&rig, 1).duplicate, 2);
    CHECK_INT(rig.sinks[0].count, 3); /* each invocation probes */
    said = WEIR_OK;
    CHECK(rig_run(&rig, "1:x 2:y", 60000)->complete);
    CHECK(rig_counts(&rig, 0).up);
    rig_done(&rig);
}

/* One record at which the server breaks must not keep the others of its batch from the sink for
 * ever, and it must run out of attempts. */
static void a_record_that_alone_gets_down_is_given_up_over_invocations(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig.routes[0].on_exhausted = ROUTE_DROP;
    rig.routes[0].concurrency = 1;
    rig.routes[0].batch_records = 1;
    rig.sinks[0].script = down_for_1;
    rig_start(&rig);
    bool complete = false;
    int invocations = 0;
    while (!complete && invocations++ < 10)
        complete = rig_run(&rig, "1:x 2:y 3:z", 60000)->complete;
    CHECK(complete);
    CHECK(invocations <= 5);
    CHECK_INT(rig_counts(&rig, 0).dropped, 1);
    CHECK_INT(rig_counts(&rig, 0).delivered, 2);
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"a_sink_that_is_down_is_probed_from_1_to_30_s",
         a_sink_that_is_down_is_probed_from_1_to_30_s},
        {"a_record_that_alone_gets_down_is_retried_and_given_up",
         a_record_that_alone_gets_down_is_retried_and_given_up},
        {"a_lost_answer_does_not_count_against_what_got_down_before",
         a_lost_answer_does_not_count_against_what_got_down_before},
        {"one_sink_down_does_not_delay_another", one_sink_down_does_not_delay_another},
        {"invocations_end_when_only_a_sink_that_is_down_is_left",
         invocations_end_when_only_a_sink_that_is_down_is_left},
        {"a_record_that_alone_gets_down_is_given_up_over_invocations",
         a_record_that_alone_gets_down_is_given_up_over_invocations},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, down", tests);
}
