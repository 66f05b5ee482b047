/* SEMANTICS 2.1 and 2.2 as a mapping plays them: batches, windows, lanes, filters, checkpoints. */
#include "erig.h"
#include "util/alloc.h"

#include <stdlib.h>

static void a_batch_has_batch_size_records(void)
{
    struct erig rig;
    erig_init(&rig);
    rig.options.batch_size = 3;
    erig_start(&rig);
    erig_offer(&rig, 1, 8, 8, 0);
    erig_run(&rig, 10);
    CHECK_STR(rig.invoked, "1-3 4-6 7-8 ");
    CHECK_STR(rig.decisions, "done(3) done(3) done(2) ");
    CHECK_INT(rig.counts.delivered, 8);
    CHECK(esm_delivery_idle(rig.delivery));
    erig_done(&rig);
}

static void the_window_is_waited_for_unless_the_batch_is_whole(void)
{
    struct erig rig;
    erig_init(&rig);
    rig.options.batch_size = 4;
    rig.options.window_ms = 5000;
    erig_start(&rig);
    erig_offer(&rig, 1, 2, 8, 0);
    erig_run(&rig, 3000);
    erig_offer(&rig, 3, 3, 8, 0);
    CHECK_STR(rig.invoked, "");
    erig_run(&rig, 2000); /* the window began with the first record */
    CHECK_STR(rig.invoked, "+5000:1-3 ");
    erig_offer(&rig, 4, 7, 8, 0); /* whole at once */
    erig_run(&rig, 1);
    CHECK_STR(rig.invoked, "+5000:1-3 4-7 ");
    erig_offer(&rig, 8, 8, 8, 0);
    esm_delivery_end(rig.delivery); /* the shard has ended: nothing more can come */
    erig_run(&rig, 1);
    CHECK_STR(rig.invoked, "+5000:1-3 4-7 +1:8 ");
    erig_done(&rig);
}

/* "the next window begins as soon as the previous function invocation completes" */
static void the_next_window_begins_when_the_function_is_done(void)
{
    struct erig rig;
    erig_init(&rig);
    rig.options.window_ms = 1000;
    rig.takes_ms = 3000;
    erig_start(&rig);
    erig_offer(&rig, 1, 1, 8, 0);
    erig_run(&rig, 2000);
    erig_offer(&rig, 2, 3, 8, 0); /* while the first one runs */
    erig_run(&rig, 3500);
    CHECK_STR(rig.invoked, "+1000:1 +4000:2-3 ");
    erig_done(&rig);
}

static void a_payload_has_6_mb_at_most(void)
{
    struct erig rig;
    erig_init(&rig);
    rig.padding = 100000;
    rig.options.window_ms = 1000;
    erig_start(&rig);
    erig_offer(&rig, 1, 50, 8, 0);
    erig_run(&rig, 500);
    CHECK_STR(rig.invoked, "");
    erig_offer(&rig, 51, 99, 8, 0); /* no batch size is reached, but the bytes are */
    erig_run(&rig, 1);
    CHECK_STR(rig.invoked, "+500:1-62 ");
    erig_run(&rig, 1000);
    CHECK_STR(rig.invoked, "+500:1-62 +1000:63-99 ");
    CHECK(rig.most_bytes > 6200000 && rig.most_bytes < ESM_PAYLOAD_BYTES_MAX + 100);
    erig_done(&rig);
}

static void lanes_run_side_by_side_and_keep_the_order_of_an_item(void)
{
    struct erig rig;
    erig_init(&rig);
    rig.options.batch_size = 1;
    rig.options.lanes = 10;
    rig.takes_ms = 100;
    erig_start(&rig);
    erig_offer(&rig, 1, 12, 4, 0); /* items 0 to 3, three changes each */
    erig_run(&rig, 2000);
    CHECK_INT(rig.counts.delivered, 12);
    CHECK(rig.most_open > 1 && rig.most_open <= 4);
    long last[4] = {0};
    char *at = rig.invoked;
    for (int i = 0; i < 12; i++) {
        char *colon = strchr(at, ':'), *space = strchr(at, ' ');
        long number = strtol(colon && colon < space ? colon + 1 : at, NULL, 10);
        CHECK(number > last[number % 4]);
        last[number % 4] = number;
        at = space + 1;
    }
    erig_done(&rig);
}

/* A lane that fails holds up only its own items; the checkpoint waits for it. */
static void a_failing_lane_leaves_the_others_alone(void)
{
    static const char *const script[] = {"error", "ok", "ok", "ok", "error", "ok", NULL};
    struct erig rig;
    erig_init(&rig);
    rig.options.lanes = 10;
    rig.options.batch_size = 1;
    rig.script = script;
    erig_start(&rig);
    erig_offer(&rig, 1, 2, 1, 0); /* one item */
    erig_run(&rig, 1);
    CHECK_STR(rig.decisions, "retry1 ");
    CHECK_INT(esm_delivery_checkpoint(rig.delivery).len, 0);
    erig_offer(&rig, 11, 13, 100, 0); /* others */
    erig_run(&rig, 1);
    CHECK_INT(rig.counts.delivered >= 1, 1);
    CHECK_INT(esm_delivery_checkpoint(rig.delivery).len, 0); /* not beyond what failed */
    erig_run(&rig, 60000);
    CHECK_INT(rig.counts.delivered, 5);
    CHECK(str_is(esm_delivery_checkpoint(rig.delivery), "13"));
    erig_done(&rig);
}

static struct filter *only(const char *pattern)
{
    struct arena arena;
    struct json_error error;
    struct filter_note notes[4];
    struct filter *filter = NULL;
    size_t count = 0;
    arena_init(&arena, 4096);
    CHECK_INT(
        filter_new(json_parse(&arena, str_of(pattern), 0, 0, &error), &filter, notes, 4, &count),
        0);
    arena_done(&arena);
    return filter;
}

static void filtered_records_advance_the_checkpoint_and_invoke_nothing(void)
{
    struct erig rig;
    struct filter *filter = only("{\"Filters\":[{\"Pattern\":\"{\\\"eventName\\\":"
                                 "[\\\"MODIFY\\\"]}\"}]}");
    erig_init(&rig);
    rig.options.filter = filter;
    erig_start(&rig);
    erig_offer(&rig, 2, 2, 8, 0); /* an INSERT: all filtered */
    erig_run(&rig, 1000);
    CHECK_STR(rig.invoked, "");
    CHECK(str_is(esm_delivery_checkpoint(rig.delivery), "2"));
    erig_offer(&rig, 3, 6, 8, 0);
    erig_run(&rig, 1);
    CHECK_STR(rig.invoked, "+1000:3-5 "); /* 3 and 5 */
    CHECK_INT(rig.counts.delivered, 2);
    CHECK_INT(rig.counts.filtered, 3);
    CHECK(str_is(esm_delivery_checkpoint(rig.delivery), "6"));
    erig_done(&rig);
    filter_free(filter);
}

/* "With a window, the filter runs before the record joins the batch": it does not begin one. */
static void filtered_records_open_no_window(void)
{
    struct erig rig;
    struct filter *filter = only("{\"eventName\":[\"MODIFY\"]}");
    erig_init(&rig);
    rig.options.filter = filter;
    rig.options.window_ms = 1000;
    rig.options.batch_size = 2;
    erig_start(&rig);
    erig_offer(&rig, 2, 2, 8, 0);
    erig_run(&rig, 900);
    erig_offer(&rig, 3, 4, 8, 0); /* 4 does not fill the batch */
    erig_run(&rig, 900);
    CHECK_STR(rig.invoked, "");
    erig_run(&rig, 100);
    CHECK_STR(rig.invoked, "+1900:3 ");
    erig_done(&rig);
    filter_free(filter);
}

static void a_full_delivery_says_so_and_when_there_is_room(void)
{
    struct erig rig;
    erig_init(&rig);
    rig.options.batch_size = 2;
    rig.takes_ms = 100;
    erig_start(&rig);
    erig_offer(&rig, 1, 3, 8, 0);
    CHECK(!esm_delivery_full(rig.delivery));
    erig_offer(&rig, 4, 4, 8, 0);
    CHECK(esm_delivery_full(rig.delivery));
    erig_run(&rig, 100);
    CHECK_INT(rig.moved, 1);
    CHECK(!esm_delivery_full(rig.delivery));
    CHECK(!esm_delivery_idle(rig.delivery));
    erig_run(&rig, 100);
    CHECK(esm_delivery_idle(rig.delivery));
    erig_done(&rig);
}

static void stopped_it_takes_the_open_answer_and_begins_nothing(void)
{
    struct erig rig;
    erig_init(&rig);
    rig.options.batch_size = 1;
    rig.takes_ms = 100;
    erig_start(&rig);
    erig_offer(&rig, 1, 2, 8, 0);
    esm_delivery_stop(rig.delivery);
    CHECK(esm_delivery_open(rig.delivery));
    erig_run(&rig, 1000);
    CHECK_STR(rig.invoked, "1 ");
    CHECK_STR(rig.decisions, "done(1) ");
    CHECK(!esm_delivery_open(rig.delivery));
    CHECK(str_is(esm_delivery_checkpoint(rig.delivery), "1"));
    erig_done(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"a_batch_has_batch_size_records", a_batch_has_batch_size_records},
        {"the_window_is_waited_for_unless_the_batch_is_whole",
         the_window_is_waited_for_unless_the_batch_is_whole},
        {"the_next_window_begins_when_the_function_is_done",
         the_next_window_begins_when_the_function_is_done},
        {"a_payload_has_6_mb_at_most", a_payload_has_6_mb_at_most},
        {"lanes_run_side_by_side_and_keep_the_order_of_an_item",
         lanes_run_side_by_side_and_keep_the_order_of_an_item},
        {"a_failing_lane_leaves_the_others_alone", a_failing_lane_leaves_the_others_alone},
        {"filtered_records_advance_the_checkpoint_and_invoke_nothing",
         filtered_records_advance_the_checkpoint_and_invoke_nothing},
        {"filtered_records_open_no_window", filtered_records_open_no_window},
        {"a_full_delivery_says_so_and_when_there_is_room",
         a_full_delivery_says_so_and_when_there_is_room},
        {"stopped_it_takes_the_open_answer_and_begins_nothing",
         stopped_it_takes_the_open_answer_and_begins_nothing},
        {0}};
    return unit_main(argc, argv, "esm delivery", tests);
}
