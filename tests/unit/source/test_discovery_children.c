#include "unit.h"
#include "watch.h"

#include <stdio.h>

#define ARN RIG_ARN("2026-11-23T01:02:03.004")

/* ---- the children of a shard that ended ---- */

static void B6_B7_children_are_asked_for_at_once(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 10);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    rig_shards(stream, "a x");
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 10000);
    rig_shards(stream, "b<a! c<a d<b");
    watch_close(&watch, "a");
    CHECK(!discovery_settled(watch.discovery));
    vworld_run(&rig.v, 1000);
    CHECK(strstr(watch.order, "a x ") && strlen(watch.order) == strlen("a x b c d"));
    CHECK_INT(stream->children_calls, 2); /* of a, and of b */
    CHECK_INT(stream->describes, 1);
    CHECK(discovery_settled(watch.discovery));
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static void B7_a_child_that_appears_late_is_found(void)
{
    for (int filter = FILTER_WORKS; filter <= FILTER_REFUSED; filter++) {
        struct rig rig;
        struct watch watch;
        rig_init(&rig, 11);
        rig.filter = (enum rig_filter)filter;
        struct rig_stream *stream = rig_stream(&rig, ARN);
        rig_shards(stream, "a b<a");
        rig_shard(stream, "b")->hidden = true;
        watch_start(&rig, &watch, stream);
        vworld_run(&rig.v, 10000);
        watch_close(&watch, "a");
        vworld_run(&rig.v, 30000);
        CHECK_STR(watch.order, "a");
        CHECK(!discovery_settled(watch.discovery));
        CHECK(stream->describes >= 5 && stream->describes <= 9); /* 1, 2, 4, 8, 16 s apart */
        rig_shard(stream, "b")->hidden = false;
        vworld_run(&rig.v, 31000);
        CHECK_STR(watch.order, "a b");
        CHECK(discovery_settled(watch.discovery));
        watch_end(&rig, &watch);
        rig_done(&rig);
    }
}

static void B13_a_leaf_read_before_a_restart_gets_its_child(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 12);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    rig_shards(stream, "a! b<a");
    rig_shard(stream, "b")->hidden = true;
    watch_start(&rig, &watch, stream);
    CHECK_INT(lineage_restore(watch.lineage, STR("a"), STR_NONE, true), 0);
    vworld_run(&rig.v, 5000); /* nobody asked for its children in this life */
    CHECK(stream->describes >= 3);
    CHECK(!discovery_settled(watch.discovery));
    rig_shard(stream, "b")->hidden = false;
    vworld_run(&rig.v, 8000);
    CHECK_STR(watch.order, "b");
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static void a_filter_that_is_ignored_is_asked_for_once(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 13);
    rig.filter = FILTER_IGNORED; /* as DynamoDB Local does */
    struct rig_stream *stream = rig_stream(&rig, ARN);
    rig_shards(stream, "a");
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 10000);
    rig_shards(stream, "b<a x");
    watch_close(&watch, "a");
    vworld_run(&rig.v, 1000);
    CHECK(strstr(watch.order, "b") != NULL);
    CHECK_INT(stream->children_calls, 1);
    rig_shards(stream, "c<b");
    watch_close(&watch, "b");
    vworld_run(&rig.v, 1000);
    CHECK(strstr(watch.order, "c") != NULL);
    CHECK_INT(stream->children_calls, 1);
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static void many_ended_shards_share_a_sweep(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 14);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    char text[32];
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "p%d", i);
        rig_shards(stream, text);
    }
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 10000);
    size_t before = rig.calls;
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "c%d<p%d", i, i);
        rig_shards(stream, text);
    }
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "p%d", i);
        watch_close(&watch, text);
        watch_close(&watch, text); /* asked twice, by mistake */
    }
    vworld_run(&rig.v, 4000);
    CHECK_INT(lineage_count(watch.lineage, SHARD_READING), 50);
    CHECK(rig.calls - before <= 12);
    CHECK(discovery_settled(watch.discovery));
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static void B15_two_streams_rotate_at_once(void)
{
    struct rig rig;
    struct watch one, two;
    rig_init(&rig, 15);
    struct rig_stream *first = rig_stream(&rig, ARN);
    struct rig_stream *second = rig_stream(&rig, RIG_ARN("2026-11-23T05:00:00.000"));
    rig_shards(first, "a");
    rig_shards(second, "b");
    watch_start(&rig, &one, first);
    watch_start(&rig, &two, second);
    vworld_run(&rig.v, 20000);
    rig_shards(first, "a1<a a2<a");
    rig_shards(second, "b1<b b2<b");
    watch_close(&one, "a");
    watch_close(&two, "b");
    vworld_run(&rig.v, 500);
    CHECK_INT(lineage_count(one.lineage, SHARD_READING), 2);
    CHECK_INT(lineage_count(two.lineage, SHARD_READING), 2);
    watch_end(&rig, &one);
    watch_end(&rig, &two);
    rig_done(&rig);
}

static bool hook_children_fail(struct rig *rig, const char *target, weir_str body,
                               struct rig_answer *answer)
{
    char type[32];
    (void)target;
    if (!rig_member(body, "Type", type, sizeof type)[0] || rig->hook_count >= 4)
        return false;
    rig->hook_count++;
    return rig_error(answer, rig->hook_count % 2 ? 400 : 503,
                     rig->hook_count % 2 ? "ThrottlingException" : "ServiceUnavailable");
}

static void F12_children_are_asked_for_again_after_throttling(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 16);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    rig_shards(stream, "a");
    rig.hook = hook_children_fail;
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 1000);
    rig_shards(stream, "b<a");
    watch_close(&watch, "a");
    vworld_run(&rig.v, 30000);
    CHECK_INT(rig.hook_count, 4);
    CHECK_INT(stream->children_calls, 1);
    CHECK_STR(watch.order, "a b");
    watch_end(&rig, &watch);
    rig_done(&rig);
}

/* ---- what is missing ---- */

static void B20_a_missing_stream_ends_no_shard(void)
{
    struct rig rig;
    struct watch watch;
    struct watch_verdict verdict = {0};
    int64_t since_ms;
    rig_init(&rig, 17);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    rig_shards(stream, "a b<a");
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 1000);
    CHECK_STR(watch.order, "a");

    stream->missing = true;
    CHECK_INT(discovery_ask(watch.discovery, STR("a"), watch_told, &verdict), 0);
    CHECK_INT(verdict.told, 0);
    vworld_run(&rig.v, 1000);
    CHECK_INT(verdict.told, 1);
    CHECK_INT(verdict.verdict, VERDICT_STREAM_MISSING);
    CHECK_INT(discovery_state(watch.discovery), STREAM_MISSING);
    CHECK_INT(discovery_trouble(watch.discovery, &since_ms), STREAMS_NOT_FOUND);
    CHECK_INT(lineage_count(watch.lineage, SHARD_READING), 1);
    CHECK_INT(lineage_count(watch.lineage, SHARD_WAITING), 1);
    CHECK(!discovery_settled(watch.discovery));

    size_t calls = rig.calls;
    for (int i = 0; i < 10; i++) { /* asking often does not hurry it */
        discovery_ask(watch.discovery, STR("a"), watch_told, &verdict);
        vworld_run(&rig.v, 30000);
    }
    CHECK(rig.calls - calls >= 9 && rig.calls - calls <= 12);
    CHECK_INT(rig_lines(&rig, "W0901"), 1);
    CHECK_INT(rig.line_count, 1);

    stream->missing = false;
    vworld_run(&rig.v, 31000);
    CHECK_INT(discovery_state(watch.discovery), STREAM_OPEN);
    CHECK_INT(rig_lines(&rig, "W0903"), 1);
    CHECK_STR(watch.order, "a");
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static void B20_a_verdict_comes_only_from_a_later_sweep(void)
{
    struct rig rig;
    struct watch watch;
    struct watch_verdict gone = {0}, there = {0}, silent = {0};
    rig_init(&rig, 18);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    stream->page = 1;
    rig_shards(stream, "a b c");
    watch_start(&rig, &watch, stream);
    watch.read_all = false;
    vworld_run(&rig.v, 100); /* the first two pages are in, the third is not */
    CHECK_INT(stream->describes, 2);

    rig_shard(stream, "a")->hidden = true; /* trimmed behind the sweep's back */
    discovery_ask(watch.discovery, STR("a"), watch_told, &gone);
    discovery_ask(watch.discovery, STR("b"), watch_told, &there);
    discovery_ask(watch.discovery, STR("b"), watch_told, &silent);
    discovery_forget_asker(watch.discovery, &silent);
    vworld_run(&rig.v, 200);
    CHECK(discovery_swept(watch.discovery));
    CHECK_INT(gone.told + there.told, 0); /* the sweep under way saw `a`: it proves nothing */

    vworld_run(&rig.v, 1500);
    CHECK_INT(gone.told, 1);
    CHECK_INT(gone.verdict, VERDICT_NOT_LISTED);
    CHECK_INT(there.told, 1);
    CHECK_INT(there.verdict, VERDICT_LISTED);
    CHECK_INT(silent.told, 0);
    CHECK_INT(stream->describes, 3 + 2);
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static void B20_a_failing_list_gives_no_verdict(void)
{
    struct rig rig;
    struct watch watch;
    struct watch_verdict verdict = {0};
    rig_init(&rig, 19);
    rig_shards(rig_stream(&rig, ARN), "a");
    rig.hook = watch_faults;
    watch_start(&rig, &watch, &rig.streams[0]);
    vworld_run(&rig.v, 1000);
    for (int fault = 1; fault <= 4; fault++) {
        rig.hook_count = fault;
        discovery_ask(watch.discovery, STR("a"), watch_told, &verdict);
        vworld_run(&rig.v, 120000);
        CHECK_INT(verdict.told, 0);
    }
    rig.hook_count = 0;
    vworld_run(&rig.v, 31000);
    CHECK_INT(verdict.told, 4);
    CHECK_INT(verdict.verdict, VERDICT_LISTED);
    watch_end(&rig, &watch);
    rig_done(&rig);
}

static void F10_a_disabled_stream_is_closing_and_its_lines_end(void)
{
    struct rig rig;
    struct watch watch;
    rig_init(&rig, 20);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    rig_shards(stream, "a b<a");
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 1000);
    stream->status = "DISABLING";
    rig_shard(stream, "b")->closed = true;
    vworld_run(&rig.v, 60000);
    CHECK_INT(discovery_state(watch.discovery), STREAM_CLOSING);
    CHECK_INT(rig_lines(&rig, "W0905"), 1);
    stream->status = "DISABLED";
    watch_close(&watch, "a");
    CHECK(!discovery_settled(watch.discovery)); /* not before a sweep begun after that end */
    watch_read(&watch);
    CHECK_STR(watch.order, "a b");
    int changes = watch.changes;
    vworld_run(&rig.v, 30000);
    CHECK(!discovery_settled(watch.discovery)); /* its list is given a minute: nobody looks later */
    vworld_run(&rig.v, 32000);
    CHECK(discovery_settled(watch.discovery));
    CHECK_INT(watch.changes, changes + 1); /* that it is settled now is told, too */
    CHECK_INT(stream->children_calls, 0);
    unsigned describes = stream->describes;
    vworld_run(&rig.v, 120000); /* nothing more is expected: no hurry */
    CHECK(stream->describes - describes <= 3);
    CHECK_INT(rig_lines(&rig, "W0905"), 1);
    watch_end(&rig, &watch);
    rig_done(&rig);
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(B6_B7_children_are_asked_for_at_once),
        TEST(B7_a_child_that_appears_late_is_found),
        TEST(B13_a_leaf_read_before_a_restart_gets_its_child),
        TEST(a_filter_that_is_ignored_is_asked_for_once),
        TEST(many_ended_shards_share_a_sweep),
        TEST(B15_two_streams_rotate_at_once),
        TEST(F12_children_are_asked_for_again_after_throttling),
        TEST(B20_a_missing_stream_ends_no_shard),
        TEST(B20_a_verdict_comes_only_from_a_later_sweep),
        TEST(B20_a_failing_list_gives_no_verdict),
        TEST(F10_a_disabled_stream_is_closing_and_its_lines_end),
        {NULL, NULL},
    };
#undef TEST
    return unit_main(argc, argv, "source, discovery: children", tests);
}
