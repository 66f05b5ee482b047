#include "source/discovery.h"

#include "streams_rig.h"
#include "unit.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

#define ARN RIG_ARN("2026-11-23T01:02:03.004")

/* One stream that is discovered. */
struct watch {
    struct discovery *discovery;
    struct lineage *lineage;
    int changes;
    bool stopped;
    bool read_all; /* each ready shard is read to its end at once when it is closed */
    char order[4096];
    struct rig_stream *stream;
};

static void read_what_is_ready(struct watch *watch)
{
    struct shard *shard;
    while ((shard = lineage_next(watch->lineage))) {
        size_t len = strlen(watch->order);
        snprintf(watch->order + len, sizeof watch->order - len, "%s%.*s", len ? " " : "",
                 STR_ARG(shard->id));
        if (!rig_shard(watch->stream, shard->id.ptr)->closed)
            continue;
        lineage_read_to_end(watch->lineage, shard);
        discovery_want_children(watch->discovery, shard->id);
    }
}

static void on_changed(void *arg)
{
    struct watch *watch = arg;
    watch->changes++;
    if (watch->read_all)
        read_what_is_ready(watch);
}

static void on_stopped(void *arg)
{
    ((struct watch *)arg)->stopped = true;
}

static void watch_start(struct rig *rig, struct watch *watch, struct rig_stream *stream)
{
    *watch = (struct watch){.stream = stream, .read_all = true};
    CHECK_FATAL(lineage_new(&watch->lineage) == 0);
    struct discovery_config config = {.world = &rig->v.world,
                                      .aws = rig->client,
                                      .arn = str_of(stream->arn),
                                      .lineage = watch->lineage,
                                      .changed = on_changed,
                                      .arg = watch,
                                      .log = rig_log,
                                      .log_ctx = rig};
    CHECK_FATAL(discovery_new(&config, &watch->discovery) == 0);
    discovery_start(watch->discovery);
    CHECK_INT(watch->changes, 0);
}

static void watch_end(struct rig *rig, struct watch *watch)
{
    discovery_stop(watch->discovery, on_stopped, watch);
    CHECK(!watch->stopped);
    vworld_until(&rig->v, &watch->stopped, 1000);
    CHECK(watch->stopped);
    discovery_free(watch->discovery);
    lineage_free(watch->lineage);
}

static void close_shard(struct watch *watch, const char *id)
{
    struct shard *shard = lineage_find(watch->lineage, str_of(id));
    CHECK_FATAL(shard != NULL);
    rig_shard(watch->stream, id)->closed = true;
    lineage_read_to_end(watch->lineage, shard);
    discovery_want_children(watch->discovery, str_of(id));
}

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
        "{\"StreamDescription\":{\"StreamArn\":\"arn:other\",\"StreamStatus\":\"ENABLED\","
        "\"Shards\":[{\"ShardId\":\"alien\"}]}}",
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

static bool hook_faults(struct rig *rig, const char *target, weir_str body,
                        struct rig_answer *answer)
{
    (void)target;
    (void)body;
    switch (rig->hook_count) {
    case 1:
        return rig_error(answer, 400, "LimitExceededException");
    case 2:
        return rig_error(answer, 500, "InternalServerError");
    case 3:
        answer->result = HTTP_UNREACHABLE;
        return true;
    case 4:
        return rig_error(answer, 400, "AccessDeniedException");
    default:
        return false;
    }
}

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
        rig.hook = hook_faults;
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
    close_shard(&watch, "a");
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
        close_shard(&watch, "a");
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
    close_shard(&watch, "a");
    vworld_run(&rig.v, 1000);
    CHECK(strstr(watch.order, "b") != NULL);
    CHECK_INT(stream->children_calls, 1);
    rig_shards(stream, "c<b");
    close_shard(&watch, "b");
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
        close_shard(&watch, text);
        close_shard(&watch, text); /* asked twice, by mistake */
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
    close_shard(&one, "a");
    close_shard(&two, "b");
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
    close_shard(&watch, "a");
    vworld_run(&rig.v, 30000);
    CHECK_INT(rig.hook_count, 4);
    CHECK_INT(stream->children_calls, 1);
    CHECK_STR(watch.order, "a b");
    watch_end(&rig, &watch);
    rig_done(&rig);
}

/* ---- what is missing ---- */

struct verdict {
    int told;
    enum shard_verdict verdict;
};

static void on_told(void *arg, enum shard_verdict verdict)
{
    struct verdict *out = arg;
    out->told++;
    out->verdict = verdict;
}

static void B20_a_missing_stream_ends_no_shard(void)
{
    struct rig rig;
    struct watch watch;
    struct verdict verdict = {0};
    int64_t since_ms;
    rig_init(&rig, 17);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    rig_shards(stream, "a b<a");
    watch_start(&rig, &watch, stream);
    vworld_run(&rig.v, 1000);
    CHECK_STR(watch.order, "a");

    stream->missing = true;
    CHECK_INT(discovery_ask(watch.discovery, STR("a"), on_told, &verdict), 0);
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
        discovery_ask(watch.discovery, STR("a"), on_told, &verdict);
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
    struct verdict gone = {0}, there = {0}, silent = {0};
    rig_init(&rig, 18);
    struct rig_stream *stream = rig_stream(&rig, ARN);
    stream->page = 1;
    rig_shards(stream, "a b c");
    watch_start(&rig, &watch, stream);
    watch.read_all = false;
    vworld_run(&rig.v, 100); /* the first two pages are in, the third is not */
    CHECK_INT(stream->describes, 2);

    rig_shard(stream, "a")->hidden = true; /* trimmed behind the sweep's back */
    discovery_ask(watch.discovery, STR("a"), on_told, &gone);
    discovery_ask(watch.discovery, STR("b"), on_told, &there);
    discovery_ask(watch.discovery, STR("b"), on_told, &silent);
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
    struct verdict verdict = {0};
    rig_init(&rig, 19);
    rig_shards(rig_stream(&rig, ARN), "a");
    rig.hook = hook_faults;
    watch_start(&rig, &watch, &rig.streams[0]);
    vworld_run(&rig.v, 1000);
    for (int fault = 1; fault <= 4; fault++) {
        rig.hook_count = fault;
        discovery_ask(watch.discovery, STR("a"), on_told, &verdict);
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
    close_shard(&watch, "a");
    CHECK(!discovery_settled(watch.discovery)); /* not before a sweep begun after that end */
    read_what_is_ready(&watch);
    CHECK_STR(watch.order, "a b");
    vworld_run(&rig.v, 2000);
    CHECK(discovery_settled(watch.discovery));
    CHECK_INT(stream->children_calls, 0);
    unsigned describes = stream->describes;
    vworld_run(&rig.v, 120000); /* nothing more is expected: no hurry */
    CHECK(stream->describes - describes <= 3);
    CHECK_INT(rig_lines(&rig, "W0905"), 1);
    watch_end(&rig, &watch);
    rig_done(&rig);
}

/* ---- life ---- */

static void stopping_aborts_at_any_moment(void)
{
    for (int ms = 0; ms < 300; ms += 3) {
        struct rig rig;
        struct watch watch;
        struct verdict verdict = {0};
        rig_init(&rig, 21);
        struct rig_stream *stream = rig_stream(&rig, ARN);
        stream->page = 1;
        rig_shards(stream, "a! b<a c");
        watch_start(&rig, &watch, stream);
        discovery_ask(watch.discovery, STR("a"), on_told, &verdict);
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
    discovery_stop(watch->discovery, on_stopped, watch);
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
        TEST(stopping_aborts_at_any_moment),
        TEST(stopping_from_a_callback_is_fine),
        TEST(F72_memory_that_runs_out_delays_only),
        {NULL, NULL},
    };
#undef TEST
    return unit_main(argc, argv, "source, discovery", tests);
}
