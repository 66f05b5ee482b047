/* Sessions with KCL's daemon that go wrong. */
#include "krig.h"

/* ---- block ---- */

static void a_record_that_blocks_is_tried_for_ever_and_never_passed(void)
{
    struct session s;
    session_initialized(&s, 1);
    s.said = WEIR_RETRY;
    daemon_gives(&s, "1:a 90:b 3:c");
    vworld_run(&s.rig.world, 3600000);
    CHECK_STR(said(&s), "checkpoint 1");
    daemon_answers(&s, "1", NULL);
    vworld_run(&s.rig.world, 3600000);
    CHECK_STR(said(&s), "-");
    CHECK(vsink_times(&s.rig.sinks[0], "90") > 100);
    s.said = WEIR_OK;
    vworld_run(&s.rig.world, 60000);
    CHECK_STR(said(&s), "checkpoint 3");
    daemon_answers(&s, "3", NULL);
    CHECK_STR(said(&s), "status processRecords");
    session_done(&s);
}

/* Poison can't be tried again: the shard is held, and said to be. */
static void poison_holds_the_shard_where_it_blocks(void)
{
    static const char *const poison[] = {"!2", "?2"};
    for (size_t i = 0; i < 2; i++) {
        struct session s;
        char records[32];
        session_initialized(&s, 1);
        snprintf(records, sizeof records, "1:a %s 3:c", poison[i]);
        daemon_gives(&s, records);
        CHECK_STR(said(&s), "checkpoint 1");
        CHECK(strstr(s.last, "W0812") != NULL);
        daemon_answers(&s, "1", NULL);
        CHECK_STR(said(&s), "-");
        CHECK_STR(vsink_story(&s.rig.sinks[0]), "1 3"); /* neighbours are delivered */
        vworld_run(&s.rig.world, 3600000);
        CHECK_STR(said(&s), "-");
        kcl_stop(s.kcl);
        session_ended(&s, KCL_FAILED, NULL);
        session_done(&s);
    }
}

static void poison_goes_where_on_poison_says(void)
{
    struct session s;
    session_begin(&s, 1);
    s.rig.config.on_poison = ROUTE_DROP;
    session_start(&s);
    daemon_says(&s, INITIALIZE);
    CHECK_STR(said(&s), "status initialize");
    daemon_gives(&s, "1:a ?2 !3");
    CHECK_STR(said(&s), "checkpoint 3");
    daemon_answers(&s, "3", NULL);
    CHECK_STR(said(&s), "status processRecords");
    CHECK_INT(rig_counts(&s.rig, 0).dropped, 2);
    session_done(&s);
}

/* ---- ends that nobody wished ---- */

static void F70_the_daemons_death_cancels_everything(void)
{
    static const char *const sessions[] = {"", "1:a", "1:a 90:b"};
    for (size_t i = 0; i < 3; i++)
        for (int error = 0; error < 2; error++) {
            struct session s;
            session_initialized(&s, 1);
            if (i > 0)
                daemon_gives(&s, sessions[i]);
            if (i == 1)
                CHECK_STR(said(&s), "checkpoint 1");
            kcl_eof(s.kcl, error ? EIO : 0);
            session_ended(&s, KCL_FAILED, "W1005");
            vworld_run(&s.rig.world, 60000);
            session_done(&s);
        }
}

static void a_daemon_that_reads_no_more_is_gone(void)
{
    struct session s;
    session_initialized(&s, 1);
    s.write_error = -EPIPE;
    daemon_gives(&s, "1:a");
    session_ended(&s, KCL_FAILED, "W1005");
    session_done(&s);
}

static void the_loop_guard_refuses_before_anything_is_delivered(void)
{
    struct session s;
    session_initialized(&s, 1);
    s.refuse = true;
    daemon_gives(&s, "1:a");
    session_ended(&s, KCL_REFUSED, "W0310");
    CHECK_STR(vsink_story(&s.rig.sinks[0]), "");
    session_done(&s);
}

static void lines_that_can_not_be_are_refused_and_never_answered(void)
{
    static const struct {
        bool initialized;
        const char *line, *reason;
    } rows[] = {
        {false, "", "no message"},
        {false, "hello", "no message"},
        {false, "[]", "no JSON object"},
        {false, "{\"action\":\"initialize\"}", "without a shardId"},
        {false, "{\"action\":\"initialize\",\"shardId\":7}", "without a shardId"},
        {false, "{\"action\":\"processRecords\",\"records\":[]}", "begins with initialize"},
        {false, "{\"action\":\"checkpoint\",\"error\":null}", "not asked for"},
        {true, INITIALIZE, "twice"},
        {true, "{}", "does not know"},
        {true, "{\"action\":\"fly\\u0007\"}", "asks for \"fly?\""},
        {true, "{\"action\":[\"initialize\"]}", "does not know"},
        {true, "{\"action\":\"processRecords\"}", "without an array"},
        {true, "{\"action\":\"processRecords\",\"records\":null}", "without an array"},
        {true, "{\"action\":\"processRecords\",\"records\":[1]}", "not stream records"},
        {true, "{\"action\":\"processRecords\",\"records\":[{}]}", "not records"},
        {true, "{\"action\":\"processRecords\",\"records\":[{\"data\":\"e30=\"}]}", "not records"},
        {true, "{\"action\":\"processRecords\",\"records\":[]", "no message"},
        {true, "{\"action\":\"processRecords\",\"records\":[]} {}", "no message"},
        {true, "{\"action\":\"shutdown\"}", "reason other"},
        {true, "{\"action\":\"shutdown\",\"reason\":\"BORED\"}", "reason other"},
        {true, "{\"action\":\"checkpoint\",\"sequenceNumber\":\"1\",\"error\":null}", "not asked"},
        {true, "{\"action\":\"shardEnded\",\"action\":\"leaseLost\"}", "no message"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct session s;
        session_begin(&s, 1);
        session_start(&s);
        if (rows[i].initialized) {
            daemon_says(&s, INITIALIZE);
            CHECK_STR(said(&s), "status initialize");
        }
        daemon_says(&s, rows[i].line);
        session_ended(&s, KCL_BROKEN, "W1001");
        if (!strstr(s.last, rows[i].reason))
            CHECK_STR(s.last, rows[i].reason);
        daemon_says(&s, INITIALIZE); /* too late */
        CHECK_STR(said(&s), "-");
        session_done(&s);
    }
}

static void the_daemon_waits_for_each_status(void)
{
    static const char *const lines[] = {
        "{\"action\":\"processRecords\",\"records\":[]}", "{\"action\":\"shardEnded\"}",
        "{\"action\":\"shutdown\",\"reason\":\"TERMINATE\"}", "{\"action\":\"shutdownRequested\"}"};
    for (size_t i = 0; i < 4; i++) {
        struct session s;
        session_initialized(&s, 1);
        daemon_gives(&s, "1:a 90:b");
        daemon_says(&s, lines[i]);
        session_ended(&s, KCL_BROKEN, "did not wait");
        session_done(&s);
    }
}

static void the_answer_is_to_what_was_asked(void)
{
    struct session s;
    session_initialized(&s, 1);
    daemon_gives(&s, "1:a");
    CHECK_STR(said(&s), "checkpoint 1");
    daemon_answers(&s, "2", NULL);
    session_ended(&s, KCL_BROKEN, "another checkpoint");
    session_done(&s);
}

static void a_line_has_a_ceiling(void)
{
    size_t len = KCL_LINE_BYTES_MAX / 4;
    char *blanks = mem_alloc(len);
    CHECK_FATAL(blanks != NULL);
    memset(blanks, ' ', len);
    for (int too_long = 0; too_long < 2; too_long++) {
        struct session s;
        session_initialized(&s, 1);
        for (int i = 0; i < 3; i++)
            kcl_feed(s.kcl, blanks, len);
        if (too_long) {
            kcl_feed(s.kcl, blanks, len);
            kcl_feed(s.kcl, blanks, 1);
            session_ended(&s, KCL_BROKEN, "16 MiB");
        } else {
            daemon_gives(&s, "1:a");
            CHECK_STR(said(&s), "checkpoint 1");
        }
        session_done(&s);
    }
    mem_free(blanks);
}

/* ---- asked to end ---- */

static void a_stop_finishes_what_is_under_way(void)
{
    struct session s;
    session_initialized(&s, 1);
    daemon_gives(&s, "1:a 90:b");
    kcl_stop(s.kcl);
    vworld_settle(&s.rig.world);
    CHECK(!s.finished);
    vsink_say_all(&s.rig.sinks[0], WEIR_OK);
    vworld_settle(&s.rig.world);
    CHECK_STR(said(&s), "checkpoint 90");
    CHECK(!s.finished);
    daemon_answers(&s, "90", NULL);
    CHECK_STR(said(&s), "status processRecords");
    session_ended(&s, KCL_ENDED, NULL);
    session_done(&s);
}

static void a_stop_while_idle_ends_at_once(void)
{
    struct session s;
    session_initialized(&s, 1);
    kcl_stop(s.kcl);
    session_ended(&s, KCL_ENDED, NULL);
    session_done(&s);
}

static void F71_a_stop_in_a_hurry_leaves_the_frontier_behind(void)
{
    struct session s;
    session_initialized(&s, 1);
    daemon_gives(&s, "1:a 90:b");
    kcl_stop(s.kcl);
    kcl_hurry(s.kcl);
    CHECK_STR(said(&s), "checkpoint 1");
    session_ended(&s, KCL_FAILED, NULL);
    session_done(&s);
}

/* ---- memory ---- */

/* Every allocation on a batch's way fails once. */
static void F72_out_of_memory_is_never_a_false_status(void)
{
    bool failed = true;
    for (uint64_t n = 1; failed && n < 2000; n++) {
        struct session s;
        struct buf line;
        session_initialized(&s, 1);
        buf_init(&line, 16 << 20);
        put_batch(&line, "1:a");
        mem_fail_at(n);
        uint64_t before = mem_calls();
        kcl_feed(s.kcl, line.ptr, line.len);
        vworld_run(&s.rig.world, 1000);
        failed = mem_calls() - before >= n;
        mem_fail_at(0);
        buf_done(&line);
        if (s.wrote > s.read) {
            CHECK_STR(said(&s), "checkpoint 1");
            CHECK_STR(vsink_story(&s.rig.sinks[0]), "1");
        } else {
            CHECK(s.finished && s.end != KCL_ENDED && s.errors > 0);
        }
        session_done(&s);
    }
    CHECK(!failed);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
#define T(name) {#name, name}
        T(a_record_that_blocks_is_tried_for_ever_and_never_passed),
        T(poison_holds_the_shard_where_it_blocks),
        T(poison_goes_where_on_poison_says),
        T(F70_the_daemons_death_cancels_everything),
        T(a_daemon_that_reads_no_more_is_gone),
        T(the_loop_guard_refuses_before_anything_is_delivered),
        T(lines_that_can_not_be_are_refused_and_never_answered),
        T(the_daemon_waits_for_each_status),
        T(the_answer_is_to_what_was_asked),
        T(a_line_has_a_ceiling),
        T(a_stop_finishes_what_is_under_way),
        T(a_stop_while_idle_ends_at_once),
        T(F71_a_stop_in_a_hurry_leaves_the_frontier_behind),
        T(F72_out_of_memory_is_never_a_false_status),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "source.kcl_faults", tests);
}
