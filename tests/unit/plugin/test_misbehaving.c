/* F64, F69 and kin: what the board makes of plugins that do not keep to the contract. */
#include "support.h"

#include "util/alloc.h"

#include <stdio.h>

/* Delivers one event of `count` records and drains; what was completed is in the notes. */
static void one_delivery(struct rig *rig, unsigned count)
{
    struct buf event;
    buf_init(&event, 1 << 20);
    rig_deliver(rig, rig_event(count, &event));
    rig_drain(rig);
    buf_done(&event);
}

static void F64_the_first_of_two_completions_counts(void)
{
    struct rig rig;
    rig_init(&rig, "double", "{\"first\":\"ok\"}");
    one_delivery(&rig, 2);
    CHECK_STR(notes_text(&rig.notes), "0 1 first\n1 1 first last\n");
    CHECK(board_ignored(&rig.board) >= 2);
    rig_done(&rig);

    rig_init(&rig, "double", "{\"first\":\"fail\"}");
    one_delivery(&rig, 2);
    CHECK_STR(notes_text(&rig.notes), "0 4 first\n1 4 first last\n");
    rig_done(&rig);
}

static void F64_a_delivery_never_completed_stays_open(void)
{
    struct rig rig;
    rig_init(&rig, "never", NULL);
    one_delivery(&rig, 2);
    CHECK_STR(notes_text(&rig.notes), "");
    rig.plugin->desc.cancel(rig.instance->self, rig.delivery->token);
    rig_drain(&rig);
    CHECK_INT(rig.ended, 0);
    delivery_complete_rest(&rig.board, rig.delivery->instance, rig.delivery->token, WEIR_RETRY,
                           STR("the test ends"));
    rig_drain(&rig);
    CHECK_INT(rig.ended, 1);
    rig_done(&rig);
}

static void F64_completions_after_cancel_come_through_once(void)
{
    struct rig rig;
    rig_init(&rig, "late", "{\"after\":\"100ms\"}");
    one_delivery(&rig, 2);
    rig.plugin->desc.cancel(rig.instance->self, rig.delivery->token);
    still_advance(&rig.still, 99);
    rig_drain(&rig);
    CHECK_STR(notes_text(&rig.notes), "");
    still_advance(&rig.still, 1);
    rig_drain(&rig);
    CHECK_STR(notes_text(&rig.notes), "0 1 late\n1 1 late last\n");
    rig_done(&rig);
}

static void F64_lies_end_every_record_exactly_once(void)
{
    for (int seed = 1; seed <= 50; seed++) {
        struct rig rig;
        char options[40];
        snprintf(options, sizeof options, "{\"seed\":%d}", seed);
        rig_init(&rig, "liar", options);
        for (unsigned round = 1; round <= 20; round++) {
            buf_reset(&rig.notes.text);
            one_delivery(&rig, 1 + round % 4);
            unsigned lines = 0, wrong = 0;
            for (const char *line = notes_text(&rig.notes); *line; line = strchr(line, '\n') + 1) {
                wrong += line[2] != '0' + WEIR_OK && line[2] != '0' + WEIR_RETRY;
                lines++;
            }
            CHECK_INT(lines, 1 + round % 4);
            CHECK_INT(wrong, 0); /* garbage is RETRY */
            CHECK_INT(rig.ended, round);
        }
        CHECK(board_ignored(&rig.board) > 0);
        rig_done(&rig);
    }
}

static void F69_threads_read_and_complete_at_once(void)
{
    struct rig rig;
    rig_init(&rig, "thread", "{\"threads\":4}");
    struct buf event;
    buf_init(&event, 1 << 20);
    rig_event(50, &event);
    for (unsigned round = 0; round < 5; round++)
        rig_deliver(&rig, buf_cstr(&event));
    instance_flush(rig.instance, 1000); /* joins its threads */
    board_drain(&rig.board);
    CHECK_INT(rig.ended, 5);
    unsigned finished = 0;
    for (const char *line = notes_text(&rig.notes); *line; line = strchr(line, '\n') + 1)
        finished += strstr(line, " 1 e") != NULL;
    CHECK_INT(finished, 250);
    buf_done(&event);
    rig.still.posts = NULL; /* posted by the threads, drained above */
    rig_done(&rig);
}

static void good_ones_at_once_and_later(void)
{
    struct rig rig;
    rig_init(&rig, "good", NULL);
    one_delivery(&rig, 2);
    CHECK_STR(notes_text(&rig.notes), "0 1 -\n1 1 - last\n");
    rig_done(&rig);

    rig_init(&rig, "good_async", "{\"delay\":\"7ms\"}");
    one_delivery(&rig, 2);
    one_delivery(&rig, 1);
    rig.plugin->desc.cancel(rig.instance->self, rig.delivery->token);
    rig_drain(&rig);
    CHECK_STR(notes_text(&rig.notes), "0 3 - last\n");
    still_advance(&rig.still, 7);
    rig_drain(&rig);
    CHECK_STR(notes_text(&rig.notes), "0 3 - last\n0 1 -\n1 1 - last\n");
    rig_done(&rig);

    rig_init(&rig, "cpp", NULL);
    one_delivery(&rig, 2);
    CHECK_STR(notes_text(&rig.notes),
              "test 3 e1 from C++\ntest 3 e2 from C++\n0 1 -\n1 2 - last\n");
    rig_done(&rig);

    rig_init(&rig, "noop", NULL);
    one_delivery(&rig, 3);
    CHECK_STR(notes_text(&rig.notes), "0 1 -\n1 1 -\n2 1 - last\n");
    rig_done(&rig);
}

static void the_scripted_sink_follows_its_script(void)
{
    struct rig rig;
    rig_init(
        &rig, "scripted",
        "{\"script\":{\"e1\":[\"retry\",\"garbage\",\"ok\"],\"*\":[\"down\",\"skip\",\"fail\"]}}");
    for (unsigned round = 0; round < 4; round++)
        one_delivery(&rig, 2);
    CHECK_STR(notes_text(&rig.notes),
              "0 3 scripted\n1 5 scripted last\n0 3 scripted\n1 2 scripted last\n"
              "0 1 scripted\n1 4 scripted last\n0 1 scripted\n1 1 scripted last\n");
    rig_done(&rig);
}

static void the_scripted_sink_answers_later_and_logs(void)
{
    struct rig rig;
    struct folder folder;
    char path[640], options[1000];
    folder_make(&folder);
    folder_file(&folder, "log", "", 0, path);
    snprintf(options, sizeof options,
             "{\"async_ms\":20,\"keys\":true,\"log\":\"%s\",\"script\":{\"e2\":[\"never\"]}}",
             path);
    rig_init(&rig, "scripted", options);

    one_delivery(&rig, 2);
    CHECK_STR(notes_text(&rig.notes), "");
    still_advance(&rig.still, 20);
    rig_drain(&rig);
    CHECK_STR(notes_text(&rig.notes), "0 1 scripted\n");
    rig.plugin->desc.cancel(rig.instance->self, rig.delivery->token);
    rig_drain(&rig);
    CHECK_STR(notes_text(&rig.notes), "0 1 scripted\n1 3 cancelled last\n");
    one_delivery(&rig, 1);
    rig.plugin->desc.cancel(rig.instance->self, rig.delivery->token); /* before its time */
    still_advance(&rig.still, 100);
    rig_drain(&rig);
    CHECK_STR(notes_text(&rig.notes), "0 1 scripted\n1 3 cancelled last\n0 3 cancelled last\n");
    char *log = unit_file(path, NULL);
    CHECK(strstr(log, "e1 101 1 ok \"") == log && strstr(log, "\ne2 102 1 never \"") != NULL &&
          strstr(log, "\ne1 101 2 ok \"") != NULL);
    mem_free(log);
    rig_done(&rig);
    folder_remove(&folder);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F64_the_first_of_two_completions_counts", F64_the_first_of_two_completions_counts},
        {"F64_a_delivery_never_completed_stays_open", F64_a_delivery_never_completed_stays_open},
        {"F64_completions_after_cancel_come_through_once",
         F64_completions_after_cancel_come_through_once},
        {"F64_lies_end_every_record_exactly_once", F64_lies_end_every_record_exactly_once},
        {"F69_threads_read_and_complete_at_once", F69_threads_read_and_complete_at_once},
        {"good_ones_at_once_and_later", good_ones_at_once_and_later},
        {"the_scripted_sink_follows_its_script", the_scripted_sink_follows_its_script},
        {"the_scripted_sink_answers_later_and_logs", the_scripted_sink_answers_later_and_logs},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin_misbehaving", tests);
}
