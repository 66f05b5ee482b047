#include "source/follow.h"

#include "source/discovery.h"
#include "streams_rig.h"
#include "unit.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

#define ONE   RIG_ARN("2026-11-20T00:00:00.000")
#define TWO   RIG_ARN("2026-11-21T00:00:00.000")
#define THREE RIG_ARN("2026-11-22T00:00:00.000")

/* ---- one lookup ---- */

static void on_lookup(struct stream_lookup *lookup)
{
    *(bool *)lookup->arg = true;
}

static struct stream_lookup look_up(struct rig *rig, bool list)
{
    bool done = false;
    struct stream_lookup lookup = {
        .table = STR("Products"), .list = list, .done = on_lookup, .arg = &done};
    CHECK_INT(stream_lookup_start(rig->client, &lookup), 0);
    CHECK(!done);
    vworld_until(&rig->v, &done, 120000);
    CHECK(done);
    lookup.arg = NULL;
    return lookup;
}

static void a_table_tells_of_its_stream(void)
{
    struct rig rig;
    rig_init(&rig, 1);
    rig.table_arn = TWO;
    struct stream_lookup lookup = look_up(&rig, false);
    CHECK_INT(lookup.fault, STREAMS_OK);
    CHECK_STR(lookup.arn, TWO);
    CHECK_STR(lookup.view_type, "NEW_AND_OLD_IMAGES");
    CHECK(lookup.enabled && !lookup.by_list);
    CHECK_INT(rig.list_calls, 0);
    rig_done(&rig);
}

static bool hook_deny(struct rig *rig, const char *target, weir_str body, struct rig_answer *answer)
{
    (void)body;
    switch (rig->hook_count) {
    case 1:
        return strcmp(target, "DescribeTable") == 0 &&
               rig_error(answer, 400, "AccessDeniedException");
    case 2:
        return rig_error(answer, 400, "AccessDeniedException");
    case 3:
        return rig_error(answer, 400, "UnrecognizedClientException");
    case 4:
        return rig_error(answer, 400, "ValidationException");
    case 5:
        answer->result = HTTP_UNREACHABLE;
        return true;
    case 6:
        return strcmp(target, "ListStreams") == 0 &&
               rig_error(answer, 400, "AccessDeniedException");
    default:
        return false;
    }
}

static void denied_to_describe_the_list_is_asked(void)
{
    struct rig rig;
    rig_init(&rig, 2);
    rig_stream(&rig, TWO);
    rig_stream(&rig, THREE);
    rig_stream(&rig, ONE);
    rig_stream(&rig, "arn:aws:dynamodb:eu-west-1:1:table/Other/stream/2027-01-01T00:00:00.000");
    rig.hook = hook_deny;
    rig.hook_count = 1;
    struct stream_lookup lookup = look_up(&rig, false);
    CHECK_INT(lookup.fault, STREAMS_OK);
    CHECK_STR(lookup.arn, THREE);
    CHECK(lookup.by_list && lookup.listed);
    rig_done(&rig);
}

static void each_failure_says_what_to_do(void)
{
    static const struct {
        int hook;
        bool missing;
        enum streams_fault fault;
        const char *message;
    } rows[] = {
        {0, true, STREAMS_NOT_FOUND,
         "there is no table Products in region eu-west-1: check name, region and account"},
        {0, false, STREAMS_OK,
         "table Products has no stream: switch it on, with the images that the sinks need"},
        {2, false, STREAMS_DENIED,
         "allow dynamodb:DescribeTable or dynamodb:ListStreams on table Products: because"},
        {3, false, STREAMS_DENIED, "the AWS credentials are refused: because"},
        {4, false, STREAMS_INVALID, "DynamoDB refuses to describe table Products: because"},
        {5, false, STREAMS_UNAVAILABLE, "table Products can't be looked up now: scripted"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        rig_init(&rig, 3);
        rig.table_missing = rows[i].missing;
        rig.hook = hook_deny;
        rig.hook_count = rows[i].hook;
        struct stream_lookup lookup = look_up(&rig, false);
        CHECK_INT(lookup.fault, rows[i].fault);
        CHECK_STR(lookup.message, rows[i].message);
        CHECK_STR(lookup.arn, "");
        rig_done(&rig);
    }
}

static void a_lookup_can_be_aborted(void)
{
    struct rig rig;
    bool done = false;
    struct stream_lookup lookup = {.table = STR("Products"), .done = on_lookup, .arg = &done};
    rig_init(&rig, 4);
    CHECK_INT(stream_lookup_start(rig.client, &lookup), 0);
    stream_lookup_abort(&lookup);
    CHECK(!done);
    vworld_until(&rig.v, &done, 1000);
    CHECK(done);
    CHECK_INT(lookup.fault, STREAMS_ABORTED);
    rig_done(&rig);
}

/* ---- following ---- */

struct tail {
    struct follow *follow;
    char told[512]; /* "2026-11-20 2026-11-21-": the days of the labels; '-' = not enabled */
    int failed;
    int64_t failed_ms;
    char reason[200];
    bool stopped, stop_at_once;
    struct rig *rig;
};

static void on_stopped(void *arg)
{
    ((struct tail *)arg)->stopped = true;
}

static void on_found(void *arg, const struct follow_stream *stream)
{
    struct tail *tail = arg;
    weir_str region, table, label;
    size_t len = strlen(tail->told);
    CHECK_FATAL(streams_arn_parts(stream->arn, &region, &table, &label));
    snprintf(tail->told + len, sizeof tail->told - len, "%s%.10s%s", len ? " " : "", label.ptr,
             stream->enabled ? "" : "-");
    if (tail->stop_at_once)
        follow_stop(tail->follow, on_stopped, tail);
}

static void on_failed(void *arg, int exit_code, const char *reason)
{
    struct tail *tail = arg;
    tail->failed = exit_code;
    tail->failed_ms = tail->rig->v.now_ms;
    snprintf(tail->reason, sizeof tail->reason, "%s", reason);
    if (tail->stop_at_once)
        follow_stop(tail->follow, on_stopped, tail);
}

static void tail_start(struct rig *rig, struct tail *tail, const char *known)
{
    *tail = (struct tail){.rig = rig};
    struct follow_config config = {.world = &rig->v.world,
                                   .aws = rig->client,
                                   .table = STR("Products"),
                                   .known_arn = str_of(known),
                                   .found = on_found,
                                   .failed = on_failed,
                                   .arg = tail,
                                   .log = rig_log,
                                   .log_ctx = rig};
    CHECK_FATAL(follow_new(&config, &tail->follow) == 0);
    follow_start(tail->follow);
    CHECK_STR(tail->told, "");
}

static void tail_end(struct rig *rig, struct tail *tail)
{
    if (!tail->stop_at_once)
        follow_stop(tail->follow, on_stopped, tail);
    vworld_until(&rig->v, &tail->stopped, 1000);
    CHECK(tail->stopped);
    follow_free(tail->follow);
}

static void F11_a_stream_made_anew_is_told_once(void)
{
    struct rig rig;
    struct tail tail;
    rig_init(&rig, 10);
    rig_stream(&rig, ONE);
    rig.table_arn = ONE;
    tail_start(&rig, &tail, "");
    vworld_run(&rig.v, 1000);
    CHECK_STR(tail.told, "2026-11-20");
    CHECK(follow_looked(tail.follow));
    vworld_run(&rig.v, 600000);
    CHECK_STR(tail.told, "2026-11-20");
    CHECK(rig.table_calls >= 10 && rig.table_calls <= 13);
    CHECK_INT(rig.list_calls, 0);
    rig_stream(&rig, TWO);
    rig.table_arn = TWO;
    vworld_run(&rig.v, 61000);
    CHECK_STR(tail.told, "2026-11-20 2026-11-21");
    CHECK_INT(rig.line_count, 0);
    tail_end(&rig, &tail);
    rig_done(&rig);
}

static void F11_streams_replaced_unseen_are_told_in_order(void)
{
    struct rig rig;
    struct tail tail;
    rig_init(&rig, 11);
    rig_stream(&rig, TWO);
    rig_stream(&rig, ONE);
    rig_stream(&rig, THREE);
    rig.table_arn = THREE;
    tail_start(&rig, &tail, ONE); /* stored; the process was away while two came and went */
    vworld_run(&rig.v, 1000);
    CHECK_STR(tail.told, "2026-11-21- 2026-11-22");
    tail_end(&rig, &tail);

    rig.hook = hook_deny;
    rig.hook_count = 6; /* without the list, what the table tells is still told */
    tail_start(&rig, &tail, ONE);
    vworld_run(&rig.v, 1000);
    CHECK_STR(tail.told, "2026-11-22");
    tail_end(&rig, &tail);

    rig.hook_count = 1; /* without the table, the list does it all */
    tail_start(&rig, &tail, ONE);
    vworld_run(&rig.v, 1000);
    CHECK_STR(tail.told, "2026-11-21- 2026-11-22");
    tail_end(&rig, &tail);
    rig_done(&rig);
}

static void B11_an_older_answer_is_no_new_stream(void)
{
    struct rig rig;
    struct tail tail;
    rig_init(&rig, 12);
    rig_stream(&rig, ONE);
    rig_stream(&rig, TWO);
    rig.table_arn = ONE; /* DescribeTable may be late */
    tail_start(&rig, &tail, TWO);
    vworld_run(&rig.v, 200000);
    CHECK_STR(tail.told, "");
    tail_end(&rig, &tail);
    rig_done(&rig);
}

static void F11_looking_hurries_while_a_stream_is_closing(void)
{
    struct rig rig;
    struct tail tail;
    rig_init(&rig, 13);
    rig_stream(&rig, ONE);
    rig.table_arn = ONE;
    tail_start(&rig, &tail, "");
    vworld_run(&rig.v, 30000);
    size_t calls = rig.table_calls;
    rig.table_arn = NULL; /* switched off, not on again yet */
    for (int i = 0; i < 80; i++) {
        follow_look(tail.follow);
        vworld_run(&rig.v, 500);
    }
    CHECK(rig.table_calls - calls >= 5 && rig.table_calls - calls <= 8);
    CHECK_STR(tail.told, "2026-11-20");
    rig_stream(&rig, TWO);
    rig.table_arn = TWO;
    vworld_run(&rig.v, 31000);
    CHECK_STR(tail.told, "2026-11-20 2026-11-21");
    calls = rig.table_calls;
    vworld_run(&rig.v, 120000); /* and then it does not hurry any more */
    CHECK(rig.table_calls - calls <= 3);
    tail_end(&rig, &tail);
    rig_done(&rig);
}

static void a_start_that_is_denied_ends_after_two_minutes(void)
{
    static const struct {
        int hook, exit_code;
        bool missing;
    } rows[] = {{2, 77, false}, {3, 77, false}, {0, 78, true}, {0, 78, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        struct tail tail;
        rig_init(&rig, 14);
        rig.hook = hook_deny;
        rig.hook_count = rows[i].hook;
        rig.table_missing = rows[i].missing;
        tail_start(&rig, &tail, "");
        int64_t began_ms = rig.v.now_ms;
        vworld_run(&rig.v, 115000);
        CHECK_INT(tail.failed, 0);
        CHECK(!follow_looked(tail.follow));
        vworld_run(&rig.v, 60000);
        CHECK_INT(tail.failed, rows[i].exit_code);
        CHECK(tail.failed_ms - began_ms >= 120000);
        CHECK(tail.reason[0] != '\0');
        CHECK_INT(rig_lines(&rig, "W0906"), 2); /* it begins, it ends */
        size_t calls = rig.calls;
        vworld_run(&rig.v, 600000);
        CHECK_INT(rig.calls, calls);
        tail_end(&rig, &tail);
        rig_done(&rig);
    }
}

static void a_name_that_is_none_ends_at_once(void)
{
    struct rig rig;
    struct tail tail;
    rig_init(&rig, 21);
    rig.hook = hook_deny;
    rig.hook_count = 4;
    tail_start(&rig, &tail, "");
    vworld_run(&rig.v, 1000);
    CHECK_INT(tail.failed, 78);
    CHECK_INT(rig.calls, 1);
    CHECK_INT(rig_lines(&rig, "W0906"), 1);
    tail_end(&rig, &tail);
    rig_done(&rig);
}

static void a_permission_given_late_is_no_failure(void)
{
    struct rig rig;
    struct tail tail;
    int64_t since_ms;
    rig_init(&rig, 15);
    rig_stream(&rig, ONE);
    rig.table_arn = ONE;
    rig.hook = hook_deny;
    rig.hook_count = 2;
    tail_start(&rig, &tail, "");
    vworld_run(&rig.v, 90000);
    CHECK_INT(follow_trouble(tail.follow, &since_ms), STREAMS_DENIED);
    rig.hook_count = 0;
    vworld_run(&rig.v, 31000);
    CHECK_STR(tail.told, "2026-11-20");
    CHECK_INT(follow_trouble(tail.follow, &since_ms), STREAMS_OK);
    CHECK_INT(rig_lines(&rig, "W0906"), 1);
    CHECK_INT(rig_lines(&rig, "W0907"), 1);

    rig.hook_count = 2; /* taken away while it runs: it is held and told, nothing ends */
    vworld_run(&rig.v, 3600000);
    CHECK_INT(tail.failed, 0);
    CHECK_INT(follow_trouble(tail.follow, &since_ms), STREAMS_DENIED);
    CHECK_INT(rig.line_count, 3);
    tail_end(&rig, &tail);
    rig_done(&rig);
}

static void F4_an_unreachable_service_is_waited_for(void)
{
    struct rig rig;
    struct tail tail;
    rig_init(&rig, 16);
    rig_stream(&rig, ONE);
    rig.table_arn = ONE;
    rig.hook = hook_deny;
    rig.hook_count = 5;
    tail_start(&rig, &tail, "");
    vworld_run(&rig.v, 1800000);
    CHECK_INT(tail.failed, 0);
    CHECK_INT(rig_lines(&rig, "W0906"), 1);
    rig.hook_count = 0;
    vworld_run(&rig.v, 60000);
    CHECK_STR(tail.told, "2026-11-20");
    tail_end(&rig, &tail);
    rig_done(&rig);
}

static void a_table_deleted_later_ends_nothing(void)
{
    struct rig rig;
    struct tail tail;
    rig_init(&rig, 17);
    rig_stream(&rig, ONE);
    rig.table_arn = ONE;
    tail_start(&rig, &tail, ONE);
    rig.table_missing = true;
    vworld_run(&rig.v, 600000);
    CHECK_INT(tail.failed, 0);
    CHECK_INT(rig_lines(&rig, "W0906"), 1);
    rig.table_missing = false;
    rig_stream(&rig, TWO);
    rig.table_arn = TWO;
    vworld_run(&rig.v, 31000);
    CHECK_STR(tail.told, "2026-11-21");
    tail_end(&rig, &tail);
    rig_done(&rig);
}

static void F10_a_stream_switched_off_is_told_while_it_can_be_read(void)
{
    struct rig rig;
    struct tail tail;
    rig_init(&rig, 18);
    struct rig_stream *stream = rig_stream(&rig, ONE);
    rig.table_arn = ONE;
    rig.table_enabled = false;
    tail_start(&rig, &tail, "");
    vworld_run(&rig.v, 1000);
    CHECK_STR(tail.told, "2026-11-20-");
    tail_end(&rig, &tail);

    stream->unlisted = true; /* days ago */
    tail_start(&rig, &tail, "");
    vworld_run(&rig.v, 160000);
    CHECK_STR(tail.told, "");
    CHECK_INT(tail.failed, 78);
    CHECK_STR(tail.reason, "the stream of table Products is switched off and can't be read any "
                           "more; switch it on");
    tail_end(&rig, &tail);
    rig_done(&rig);
}

static void stopping_is_fine_at_any_moment(void)
{
    for (int ms = 0; ms < 40; ms++) {
        struct rig rig;
        struct tail tail;
        rig_init(&rig, 19);
        rig_stream(&rig, ONE);
        rig_stream(&rig, TWO);
        rig.table_arn = TWO;
        tail_start(&rig, &tail, ONE);
        tail.stop_at_once = ms == 39;
        vworld_run(&rig.v, ms);
        tail_end(&rig, &tail);
        rig_done(&rig);
    }
}

static void F72_memory_that_runs_out_delays_only(void)
{
    for (uint64_t n = 1; n < 60; n++) {
        struct rig rig;
        struct tail tail;
        rig_init(&rig, 20);
        rig_stream(&rig, ONE);
        rig_stream(&rig, TWO);
        rig.table_arn = TWO;
        tail_start(&rig, &tail, ONE);
        mem_fail_at(n);
        vworld_run(&rig.v, 200000);
        mem_fail_at(0);
        CHECK_STR(tail.told, "2026-11-21");
        tail_end(&rig, &tail);
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
        TEST(a_table_tells_of_its_stream),
        TEST(denied_to_describe_the_list_is_asked),
        TEST(each_failure_says_what_to_do),
        TEST(a_lookup_can_be_aborted),
        TEST(F11_a_stream_made_anew_is_told_once),
        TEST(F11_streams_replaced_unseen_are_told_in_order),
        TEST(B11_an_older_answer_is_no_new_stream),
        TEST(F11_looking_hurries_while_a_stream_is_closing),
        TEST(a_start_that_is_denied_ends_after_two_minutes),
        TEST(a_name_that_is_none_ends_at_once),
        TEST(a_permission_given_late_is_no_failure),
        TEST(F4_an_unreachable_service_is_waited_for),
        TEST(a_table_deleted_later_ends_nothing),
        TEST(F10_a_stream_switched_off_is_told_while_it_can_be_read),
        TEST(stopping_is_fine_at_any_moment),
        TEST(F72_memory_that_runs_out_delays_only),
        {NULL, NULL},
    };
#undef TEST
    return unit_main(argc, argv, "source, follow", tests);
}
