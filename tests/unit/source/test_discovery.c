#include "unit.h"
#include "util/alloc.h"
#include "watch.h"

#include <stdio.h>

#define ARN RIG_ARN("2026-11-23T01:02:03.004")

/* ---- sweeps ---- */

static void the_first_sweep_tells_of_the_stream(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 1);
    rig_shards(rig_stream(&rig, ARN), "a b");
    watch_start(&rig, &watch, &rig.streams[0]);
    CHECK_INT(discovery_state(watch.discovery), STREAM_UNKNOWN);
    CHECK(!discovery_swept(watch.discovery));
    CHECK(!discovery_settled(watch.discovery));

    vworld_run(&rig.v, 100);

    CHECK_INT(watch.changes, 1);
    CHECK_STR(watch.order, "a b");
    CHECK_INT(discovery_state(watch.discovery), STREAM_OPEN);
    CHECK(discovery_swept(watch.discovery));
    CHECK(discovery_settled(watch.discovery));
    CHECK(str_is(discovery_table(watch.discovery), "Products"));
    CHECK(str_is(discovery_view_type(watch.discovery), "NEW_AND_OLD_IMAGES"));

    vworld_run(&rig.v, 600000); /* nothing changes: nothing is told, and little is asked */
    CHECK_INT(watch.changes, 1);
    CHECK(rig.calls >= 10 && rig.calls <= 13);
    CHECK_INT(discovery_calls(watch.discovery), rig.calls);
    CHECK_INT(rig.line_count, 0);
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static void B3_shards_made_later_are_found_within_a_sweep(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 2);
    rig_shards(rig_stream(&rig, ARN), "a");
    watch_start(&rig, &watch, &rig.streams[0]);
    vworld_run(&rig.v, 1000);
    rig_shards(&rig.streams[0], "b c<z");
    vworld_run(&rig.v, 60000);
    CHECK_STR(watch.order, "a b c");
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static bool hook_empty_page(struct rig *rig, const char *target, weir_str body,
                            struct rig_answer *answer)
{
    char after[64];
    (void)target;
    if (rig->hook_count ||
        strcmp(rig_member(body, "ExclusiveStartShardId", after, sizeof after), "s99") != 0)
        return false;
    rig->hook_count++; /* nothing on this page, and yet there are more */
    buf_printf(&answer->body,
               "{\"StreamDescription\":{\"StreamArn\":\"%s\",\"StreamStatus\":\"ENABLED\","
               "\"Shards\":[],\"LastEvaluatedShardId\":\"s149\"}}",
               ARN);
    return true;
}

static void B4_all_pages_are_asked_for_an_empty_one_too(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 3);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    for (int i = 0; i < 250; i++) {
        char text[32];
        snprintf(text, sizeof text, i % 2 ? "s%d<s%d" : "s%d!", i, i - 1);
        rig_shards(stream, text);
    }
    rig.hook = hook_empty_page;
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 1500);
    CHECK_INT(rig.hook_count, 1);
    CHECK(discovery_swept(watch.discovery));
    CHECK(lineage_find(watch.lineage, STR("s249")) != NULL);
    vworld_run(&rig.v, 60000);
    for (int i = 0; i < 250; i++)
        CHECK(lineage_find(watch.lineage, str_of(stream->shards[i].id)) != NULL);
    CHECK_INT(lineage_count(watch.lineage, SHARD_READ), 125);
    CHECK_INT(lineage_count(watch.lineage, SHARD_READING), 125);
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static void calls_keep_to_the_budget(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 4);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    for (int i = 0; i < 2000; i++) {
        char text[32];
        snprintf(text, sizeof text, i < 1000 ? "s%d!" : "s%d<s%d", i, i - 1000);
        rig_shards(stream, text);
    }
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 60000);
    CHECK_INT(lineage_count(watch.lineage, SHARD_READING), 1000);
    CHECK(rig_most_calls(&rig, 1000) <= 6);
    CHECK_INT(rig.most_open, 1);
    watch_end(&rig, &watch);
    rig_done(&rig);
}

/* Cursors that repeat, at once or in a circle: the sweep ends, what it told is kept, and nothing is
 * concluded from what it lacks. */
static bool hook_circle(struct rig *rig, const char *target, weir_str body,
                        struct rig_answer *answer)
{
    char after[64];
    int at = 0;
    (void)target;
    if (rig->hook_count == 0)
        return false;
    rig_member(body, "ExclusiveStartShardId", after, sizeof after);
    sscanf(after, "s%d", &at);
    buf_printf(&answer->body,
               "{\"StreamDescription\":{\"StreamArn\":\"%s\",\"StreamStatus\":\"ENABLED\","
               "\"Shards\":[{\"ShardId\":\"b\",\"ParentShardId\":\"a\"}],"
               "\"LastEvaluatedShardId\":\"s%d\"}}",
               ARN, at + 1 < 3 + rig->hook_count ? at + 1 : 3);
    return true;
}

static void F9_cursors_that_go_in_circles_end_the_sweep(void)
{
    for (int length = 1; length <= 7; length++) {
        struct rig rig;
        struct watch watch;
        rig_init(&rig, 5);
        rig_shards(rig_stream(&rig, ARN), "b<a");
        rig.hook = hook_circle;
        rig.hook_count = length;
        watch_start(&rig, &watch, &rig.streams[0]);
        vworld_run(&rig.v, 120000);
        int64_t since_ms;
        CHECK(!discovery_swept(watch.discovery));
        CHECK_INT(discovery_trouble(watch.discovery, &since_ms), STREAMS_UNAVAILABLE);
        CHECK(since_ms < rig.v.now_ms - 100000);
        CHECK(lineage_find(watch.lineage, STR("b")) != NULL);
        CHECK_STR(watch.order, ""); /* its parent may be on the page that never came */
        CHECK_INT(rig_lines(&rig, "W0904"), 1);
        CHECK(rig.calls > 10 && rig.calls < 500);

        rig.hook_count = 0; /* healed */
        vworld_run(&rig.v, 31000);
        CHECK_STR(watch.order, "b");
        CHECK_INT(discovery_trouble(watch.discovery, &since_ms), STREAMS_OK);
        CHECK_INT(rig_lines(&rig, "W0903"), 1);
        watch_end(&rig, &watch);
        rig_done(&rig);
    }
}

static bool hook_refuse_page(struct rig *rig, const char *target, weir_str body,
                             struct rig_answer *answer)
{
    char after[64];
    (void)target;
    if (rig->hook_count >= 2 || !rig_member(body, "ExclusiveStartShardId", after, sizeof after)[0])
        return false;
    return rig_error(answer, 400,
                     rig->hook_count++ ? "ValidationException" : "ResourceNotFoundException");
}

static void F9_a_refused_page_begins_the_sweep_anew(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 6);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    rig_shards(stream, "a b c d");
    stream->page = 2;
    rig.hook = hook_refuse_page;
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 30000);
    CHECK_INT(rig.hook_count, 2);
    CHECK_INT(discovery_state(watch.discovery), STREAM_OPEN);
    CHECK_INT(rig_lines(&rig, "W0901"), 0);
    CHECK_STR(watch.order, "a b c d");
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static bool hook_garbage(struct rig *rig, const char *target, weir_str body,
                         struct rig_answer *answer)
{
    static const char *const texts[] = {
        "{}", "[]", "{\"StreamDescription\":[]}",
        ("{\"StreamDescription\":{\"StreamArn\":\"arn:other\",\"StreamStatus\":\"ENABLED\","
         "\"Shards\":[{\"ShardId\":\"alien\"}]}}"),
        "{\"StreamDescription\":{\"StreamArn\":7}}"};
    (void)target;
    (void)body;
    if (rig->hook_count >= 10)
        return false;
    buf_puts(&answer->body, texts[rig->hook_count++ % 5]);
    return true;
}

static void F82_answers_that_are_none_are_asked_again(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 7);
    rig_shards(rig_stream(&rig, ARN), "a");
    rig.hook = hook_garbage;
    watch_start(&rig, &watch, &rig.streams[0]);
    vworld_run(&rig.v, 300000);
    CHECK_STR(watch.order, "a");
    CHECK(lineage_find(watch.lineage, STR("alien")) == NULL);
    CHECK_INT(rig_lines(&rig, "W0902"), 1);
    CHECK_INT(rig_lines(&rig, "W0903"), 1);
    watch_end(&rig, &watch);
    rig_done(&rig);
}

/* ---- trouble ---- */

static void F4_F12_trouble_is_waited_out_with_growing_pauses(void)
{
    static const struct {
        int hook;
        enum streams_fault fault;
    } rows[] = {{1, STREAMS_THROTTLED},
                {2, STREAMS_UNAVAILABLE},
                {3, STREAMS_UNAVAILABLE},
                {4, STREAMS_DENIED}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        struct watch watch;
        int64_t since_ms;
        rig_init(&rig, 8);
        rig_shards(rig_stream(&rig, ARN), "a");
        rig.hook = watch_faults;
        rig.hook_count = rows[i].hook;
        watch_start(&rig, &watch, &rig.streams[0]);
        vworld_run(&rig.v, 600000); /* ten minutes */
        CHECK_INT(discovery_trouble(watch.discovery, &since_ms), rows[i].fault);
        CHECK(since_ms < 2000);
        CHECK(rig.calls > 20 && rig.calls < 120);
        CHECK_INT(rig_lines(&rig, "W0902"), 1);
        CHECK_INT(watch.changes, 0);
        CHECK_INT(discovery_state(watch.discovery), STREAM_UNKNOWN);

        rig.hook_count = 0;
        vworld_run(&rig.v, 31000);
        CHECK_STR(watch.order, "a");
        CHECK_INT(discovery_trouble(watch.discovery, &since_ms), STREAMS_OK);
        CHECK_INT(rig_lines(&rig, "W0903"), 1);
        CHECK_INT(rig.line_count, 2);
        watch_end(&rig, &watch);
        rig_done(&rig);
    }
}

static bool hook_every_third(struct rig *rig, const char *target, weir_str body,
                             struct rig_answer *answer)
{
    (void)target;
    (void)body;
    return ++rig->hook_count % 3 == 0 && rig_error(answer, 400, "LimitExceededException");
}

static void F12_single_throttles_are_not_worth_a_line(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 9);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    stream->page = 2;
    rig_shards(stream, "a b c d e f g h i j");
    rig.hook = hook_every_third;
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 60000);
    CHECK_STR(watch.order, "a b c d e f g h i j");
    CHECK_INT(rig.line_count, 0);
    watch_end(&rig, &watch);
    rig_done(&rig);
}

/* ---- life ---- */

static void stopping_aborts_at_any_moment(void)
{
    for (int ms = 0; ms < 300; ms += 3) {
        struct rig rig;
        struct watch watch;
        struct watch_verdict verdict = {0};
        rig_init(&rig, 21);
        struct rig_stream *stream = rig_stream(&rig, ARN);
        stream->page = 1;
        rig_shards(stream, "a! b<a c");
        watch_start(&rig, &watch, stream);
        discovery_ask(watch.discovery, STR("a"), watch_told, &verdict);
        vworld_run(&rig.v, ms);
        int changes = watch.changes;
        watch_end(&rig, &watch);
        CHECK_INT(watch.changes, changes);
        CHECK_INT(verdict.told, 0);
        rig_done(&rig);
    }
}

static void on_changed_stop(void *arg)
{
    struct watch *watch = arg;
    watch->changes++;
    discovery_stop(watch->discovery, watch_stopped, watch);
}

static void stopping_from_a_callback_is_fine(void)
{
    struct rig rig;
    struct watch watch = {0};
    rig_init(&rig, 22);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    stream->page = 1;
    rig_shards(stream, "a b");
    CHECK_FATAL(lineage_new(&watch.lineage) == 0);
    struct discovery_config config = {.world = &rig.v.world,
                                      .aws = rig.client,
                                      .arn = STR(ARN),
                                      .lineage = watch.lineage,
                                      .changed = on_changed_stop,
                                      .arg = &watch};
    CHECK_FATAL(discovery_new(&config, &watch.discovery) == 0);
    discovery_start(watch.discovery);
    CHECK(vworld_until(&rig.v, &watch.stopped, 10000));
    CHECK_INT(watch.changes, 1);
    discovery_free(watch.discovery);
    lineage_free(watch.lineage);
    rig_done(&rig);
}

/* Each allocation fails once: nothing crashes or leaks, and in the end all is found. */
static void F72_memory_that_runs_out_delays_only(void)
{
    for (uint64_t n = 1; n < 120; n++) {
        struct rig rig;
        struct watch watch;
        rig_init(&rig, 23);
        struct rig_stream *stream = rig_stream(&rig, ARN);
        stream->page = 2;
        rig_shards(stream, "a! b<a c");
        watch_start(&rig, &watch, stream);
        mem_fail_at(n);
        vworld_run(&rig.v, 300000);
        mem_fail_at(0);
        CHECK_INT(lineage_count(watch.lineage, SHARD_READING), 2);
        CHECK_INT(lineage_count(watch.lineage, SHARD_READ), 1);
        watch_end(&rig, &watch);
        rig_done(&rig);
    }
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(the_first_sweep_tells_of_the_stream),
        TEST(B3_shards_made_later_are_found_within_a_sweep),
        TEST(B4_all_pages_are_asked_for_an_empty_one_too),
        TEST(calls_keep_to_the_budget),
        TEST(F9_cursors_that_go_in_circles_end_the_sweep),
        TEST(F9_a_refused_page_begins_the_sweep_anew),
        TEST(F82_answers_that_are_none_are_asked_again),
        TEST(F4_F12_trouble_is_waited_out_with_growing_pauses),
        TEST(F12_single_throttles_are_not_worth_a_line),
        TEST(stopping_aborts_at_any_moment),
        TEST(stopping_from_a_callback_is_fine),
        TEST(F72_memory_that_runs_out_delays_only),
        {NULL, NULL},
    };
#undef TEST
    return unit_main(argc, argv, "source, discovery", tests);
}
