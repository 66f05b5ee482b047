/* Sessions with KCL's daemon: what it says, what is answered, and above all what is not. */
#include "krig.h"

/* ---- the ordinary course ---- */

static void a_batch_is_answered_when_it_is_delivered_and_checkpointed(void)
{
    struct session s;
    session_initialized(&s, 2);
    daemon_gives(&s, "1:a 2:b 3:a");
    CHECK_STR(vsink_story(&s.rig.sinks[0]), "1 2 3");
    CHECK_STR(vsink_story(&s.rig.sinks[1]), "1 2 3");
    CHECK_STR(said(&s), "checkpoint 3");
    CHECK_STR(said(&s), "-"); /* not before the checkpoint is stored */
    daemon_answers(&s, "3", NULL);
    CHECK_STR(said(&s), "status processRecords");
    daemon_gives(&s, "0000000000000000004:a");
    CHECK_STR(said(&s), "checkpoint 0000000000000000004"); /* as the daemon wrote it */
    daemon_answers(&s, "0000000000000000004", NULL);
    CHECK_STR(said(&s), "status processRecords");
    daemon_gives(&s, "");
    CHECK_STR(said(&s), "status processRecords");
    CHECK_INT(kcl_record_count(s.kcl), 4);
    daemon_says(&s, "{\"action\":\"shutdown\",\"reason\":\"TERMINATE\"}");
    CHECK_STR(said(&s), "checkpoint end");
    daemon_answers(&s, NULL, NULL);
    CHECK_STR(said(&s), "status shutdown");
    kcl_eof(s.kcl, 0);
    session_ended(&s, KCL_ENDED, NULL);
    session_done(&s);
}

static void a_recorded_session_is_played_to_its_end(void)
{
    struct session s = {0};
    unsigned long len;
    bool open = false;
    char *file = unit_file(TEST_DATA "/kcl/session.jsonl", &len);
    for (char *line = file, *end; (end = strchr(line, '\n')); line = end + 1) {
        static const char daemon[] = "{\"from\":\"daemon\",\"line\":";
        static const char child[] = "{\"from\":\"child\",\"line\":";
        *end = '\0';
        end[-1] = '\0'; /* the outer brace */
        bool first = strstr(line, "initialize") && strncmp(line, daemon, sizeof daemon - 1) == 0;
        if (first && open)
            session_done(&s);
        if (first) {
            session_begin(&s, 1);
            session_start(&s);
            open = true;
        }
        if (strncmp(line, daemon, sizeof daemon - 1) == 0) {
            daemon_says(&s, line + sizeof daemon - 1);
            continue;
        }
        CHECK_FATAL(strncmp(line, child, sizeof child - 1) == 0 && s.read < s.wrote);
        CHECK_STR(s.lines[s.read++], line + sizeof child - 1);
    }
    CHECK_INT(s.errors + s.warnings, 0);
    session_done(&s);
    mem_free(file);
}

static void lines_may_come_in_pieces_and_several_at_once(void)
{
    static const char text[] = INITIALIZE "\r\n{\"action\":\"processRecords\",\"records\":[]}\n";
    for (size_t piece = 1; piece < sizeof text; piece += piece < 8 ? 1 : 37) {
        struct session s;
        session_begin(&s, 1);
        session_start(&s);
        for (size_t at = 0; at < sizeof text - 1; at += piece)
            session_feed(&s, text + at,
                         sizeof text - 1 - at < piece ? sizeof text - 1 - at : piece);
        CHECK_STR(said(&s), "status initialize");
        CHECK_STR(said(&s), "status processRecords");
        session_done(&s);
    }
}

static void a_graceful_end_checkpoints_once_more(void)
{
    struct session s;
    session_initialized(&s, 1);
    daemon_gives(&s, "1:a");
    CHECK_STR(said(&s), "checkpoint 1");
    daemon_answers(&s, "1", NULL);
    CHECK_STR(said(&s), "status processRecords");
    daemon_says(&s, "{\"action\":\"shutdownRequested\"}");
    CHECK_STR(said(&s), "checkpoint 1");
    daemon_answers(&s, "1", NULL);
    CHECK_STR(said(&s), "status shutdownRequested");
    daemon_says(&s, "{\"action\":\"leaseLost\"}");
    CHECK_STR(said(&s), "status leaseLost");
    kcl_eof(s.kcl, 0);
    session_ended(&s, KCL_ENDED, NULL);
    CHECK_INT(s.errors, 0);
    session_done(&s);
}

static void a_graceful_end_before_any_record_checkpoints_nothing(void)
{
    struct session s;
    session_initialized(&s, 1);
    daemon_says(&s, "{\"action\":\"shutdownRequested\"}");
    CHECK_STR(said(&s), "status shutdownRequested");
    session_done(&s);
}

/* ---- checkpoints that fail ---- */

static void a_throttled_checkpoint_is_tried_again_with_growing_pauses(void)
{
    static const char *const errors[] = {"ThrottlingException",
                                         "KinesisClientLibDependencyException"};
    for (size_t i = 0; i < 2; i++) {
        struct session s;
        session_initialized(&s, 1);
        daemon_gives(&s, "1:a");
        int64_t began = s.rig.world.now_ms;
        for (int n = 0; n < 10; n++) {
            CHECK_STR(said(&s), "checkpoint 1");
            daemon_answers(&s, "1", errors[i]);
            CHECK_STR(said(&s), "-");
            for (int wait = 0; wait < 31 && s.read == s.wrote; wait++)
                vworld_run(&s.rig.world, 1000);
        }
        CHECK(s.rig.world.now_ms - began > 60000);
        CHECK_INT(s.warnings, 10);
        CHECK_STR(said(&s), "checkpoint 1");
        daemon_answers(&s, "1", NULL);
        CHECK_STR(said(&s), "status processRecords");
        CHECK_STR(vsink_story(&s.rig.sinks[0]), "1");
        session_done(&s);
    }
}

static void a_checkpoint_refused_for_good_ends_without_a_status(void)
{
    static const char *const errors[] = {"InvalidStateException", "IllegalArgumentException",
                                         "KinesisClientLibNonRetryableException",
                                         "NullPointerException", ""};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        for (int at_end = 0; at_end < 2; at_end++) {
            struct session s;
            session_initialized(&s, 1);
            if (at_end)
                daemon_says(&s, "{\"action\":\"shardEnded\"}");
            else
                daemon_gives(&s, "1:a");
            CHECK_STR(said(&s), at_end ? "checkpoint end" : "checkpoint 1");
            daemon_answers(&s, at_end ? NULL : "1", errors[i]);
            session_ended(&s, KCL_FAILED, "W1002");
            session_done(&s);
        }
}

static void F18_a_lease_that_is_lost_ends_all_checkpoints(void)
{
    struct session s;
    session_initialized(&s, 1);
    daemon_gives(&s, "1:a");
    CHECK_STR(said(&s), "checkpoint 1");
    daemon_answers(&s, "1", "ShutdownException");
    CHECK_STR(said(&s), "status processRecords"); /* acknowledges nothing */
    daemon_gives(&s, "2:a");
    CHECK_STR(said(&s), "status processRecords");
    CHECK_STR(vsink_story(&s.rig.sinks[0]), "1"); /* the other worker delivers it */
    daemon_says(&s, "{\"action\":\"shutdownRequested\"}");
    CHECK_STR(said(&s), "status shutdownRequested");
    daemon_says(&s, "{\"action\":\"shutdown\",\"reason\":\"ZOMBIE\"}");
    CHECK_STR(said(&s), "status shutdown");
    kcl_eof(s.kcl, 0);
    session_ended(&s, KCL_ENDED, NULL);
    session_done(&s);
}

static void F18_an_end_behind_records_that_were_not_delivered_is_never_checkpointed(void)
{
    static const char *const ends[] = {"{\"action\":\"shutdown\",\"reason\":\"TERMINATE\"}",
                                       "{\"action\":\"shardEnded\"}"};
    for (size_t i = 0; i < 2; i++) {
        struct session s;
        session_initialized(&s, 1);
        daemon_gives(&s, "1:a");
        CHECK_STR(said(&s), "checkpoint 1");
        daemon_answers(&s, "1", "ShutdownException");
        CHECK_STR(said(&s), "status processRecords");
        daemon_says(&s, ends[i]);
        session_ended(&s, KCL_FAILED, "W1002");
        session_done(&s);
    }
}

static void leases_lost_while_idle_are_answered(void)
{
    static const char *const rows[][2] = {
        {"{\"action\":\"shutdown\",\"reason\":\"ZOMBIE\"}", "status shutdown"},
        {"{\"action\":\"leaseLost\"}", "status leaseLost"}};
    for (size_t i = 0; i < 2; i++) {
        struct session s;
        session_initialized(&s, 1);
        daemon_says(&s, rows[i][0]);
        CHECK_STR(said(&s), rows[i][1]);
        kcl_eof(s.kcl, 0);
        session_ended(&s, KCL_ENDED, NULL);
        session_done(&s);
    }
}

/* ---- batches that take long ---- */

static void F18_a_lease_lost_in_the_middle_cancels_what_is_open(void)
{
    struct session s;
    session_initialized(&s, 1);
    daemon_gives(&s, "1:a 92:b 3:c");
    CHECK_STR(said(&s), "-");
    vworld_run(&s.rig.world, 2000);
    CHECK_STR(said(&s), "-"); /* a status would let the daemon go on */
    daemon_says(&s, "{\"action\":\"leaseLost\"}");
    CHECK_STR(said(&s), "status leaseLost");
    CHECK(s.rig.sinks[0].cancels > 0);
    CHECK_INT(rig_counts(&s.rig, 0).returned, 1);
    daemon_answers(&s, "1", NULL); /* one that crossed it */
    kcl_eof(s.kcl, 0);
    session_ended(&s, KCL_ENDED, NULL);
    session_done(&s);
}

static void the_frontier_of_a_long_batch_is_checkpointed(void)
{
    struct session s;
    session_begin(&s, 2);
    s.rig.routes[0].timeout_ms = s.rig.routes[1].timeout_ms = 3600000;
    session_start(&s);
    daemon_says(&s, INITIALIZE);
    CHECK_STR(said(&s), "status initialize");
    s.rig.sinks[1].script = NULL; /* takes everything */
    daemon_gives(&s, "1:a 2:b 90:c 91:d");
    vworld_run(&s.rig.world, 9000);
    CHECK_STR(said(&s), "-");
    vworld_run(&s.rig.world, 2000);
    CHECK_STR(said(&s), "checkpoint 2"); /* sink b is further, sink a is not */
    vworld_run(&s.rig.world, 30000);
    CHECK_STR(said(&s), "-"); /* one at a time */
    daemon_answers(&s, "2", NULL);
    vworld_run(&s.rig.world, 30000);
    CHECK_STR(said(&s), "-");               /* no news */
    vsink_say(&s.rig.sinks[0], 3, WEIR_OK); /* 91: not next to the frontier */
    vworld_run(&s.rig.world, 30000);
    CHECK_STR(said(&s), "-");
    vsink_say(&s.rig.sinks[0], 2, WEIR_OK);
    vworld_settle(&s.rig.world);
    CHECK_STR(said(&s), "checkpoint 91");
    daemon_answers(&s, "91", NULL);
    CHECK_STR(said(&s), "status processRecords");
    session_done(&s);
}

static void F18_the_checkpoint_of_a_long_batch_finds_out_that_the_lease_is_lost(void)
{
    struct session s;
    session_begin(&s, 1);
    s.rig.routes[0].timeout_ms = 3600000;
    session_start(&s);
    daemon_says(&s, INITIALIZE);
    CHECK_STR(said(&s), "status initialize");
    daemon_gives(&s, "1:a 90:c 91:d");
    vworld_run(&s.rig.world, 11000);
    CHECK_STR(said(&s), "checkpoint 1");
    daemon_answers(&s, "1", "ShutdownException");
    CHECK_STR(said(&s), "status processRecords");
    CHECK(s.rig.sinks[0].cancels > 0);
    daemon_says(&s, "{\"action\":\"shutdown\",\"reason\":\"ZOMBIE\"}");
    CHECK_STR(said(&s), "status shutdown");
    session_done(&s);
}

/* The batch was complete while the answer to an earlier checkpoint was still to come. */
static void the_end_of_a_batch_waits_for_a_checkpoint_under_way(void)
{
    static const char *const answers[] = {NULL, "ThrottlingException"};
    for (size_t i = 0; i < 2; i++) {
        struct session s;
        session_begin(&s, 1);
        s.rig.routes[0].timeout_ms = 3600000;
        session_start(&s);
        daemon_says(&s, INITIALIZE);
        CHECK_STR(said(&s), "status initialize");
        daemon_gives(&s, "1:a 90:c");
        vworld_run(&s.rig.world, 11000);
        CHECK_STR(said(&s), "checkpoint 1");
        vsink_say_all(&s.rig.sinks[0], WEIR_OK);
        vworld_settle(&s.rig.world);
        CHECK_STR(said(&s), "-");
        daemon_answers(&s, "1", answers[i]);
        vworld_run(&s.rig.world, 1000);
        CHECK_STR(said(&s), "checkpoint 90");
        daemon_answers(&s, "90", NULL);
        CHECK_STR(said(&s), "status processRecords");
        session_done(&s);
    }
}

static void a_sink_that_is_not_required_holds_nothing_up(void)
{
    struct session s;
    session_begin(&s, 2);
    s.rig.routes[1].required = false;
    s.rig.routes[1].timeout_ms = 3600000;
    session_start(&s);
    daemon_says(&s, INITIALIZE);
    CHECK_STR(said(&s), "status initialize");
    s.rig.sinks[0].script = NULL;
    daemon_gives(&s, "1:a 90:b");
    CHECK_STR(said(&s), "checkpoint 90");
    daemon_answers(&s, "90", NULL);
    CHECK_STR(said(&s), "status processRecords");
    session_done(&s);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
#define T(name) {#name, name}
        T(a_batch_is_answered_when_it_is_delivered_and_checkpointed),
        T(a_recorded_session_is_played_to_its_end),
        T(lines_may_come_in_pieces_and_several_at_once),
        T(a_graceful_end_checkpoints_once_more),
        T(a_graceful_end_before_any_record_checkpoints_nothing),
        T(a_throttled_checkpoint_is_tried_again_with_growing_pauses),
        T(a_checkpoint_refused_for_good_ends_without_a_status),
        T(F18_a_lease_that_is_lost_ends_all_checkpoints),
        T(F18_an_end_behind_records_that_were_not_delivered_is_never_checkpointed),
        T(leases_lost_while_idle_are_answered),
        T(F18_a_lease_lost_in_the_middle_cancels_what_is_open),
        T(the_frontier_of_a_long_batch_is_checkpointed),
        T(F18_the_checkpoint_of_a_long_batch_finds_out_that_the_lease_is_lost),
        T(the_end_of_a_batch_waits_for_a_checkpoint_under_way),
        T(a_sink_that_is_not_required_holds_nothing_up),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "source.kcl", tests);
}
