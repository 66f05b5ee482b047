/* on_exhausted, on_poison, dead letters, the fold. */
#include "rig.h"
#include "router/parts.h"

static int32_t fail_2(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return strcmp(seen->sequence, "2") == 0 ? WEIR_FAIL : WEIR_OK;
}

static int32_t say_arg(struct vsink *sink, const struct vseen *seen)
{
    (void)seen;
    return *(const int32_t *)sink->arg;
}

/* The letter as `arg` says, everything else fails at "2". */
static int32_t hold(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return VSINK_HOLD;
}

static void fail_goes_to_block_and_nothing_passes_it(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.sinks[0].script = fail_2;
    rig.sinks[0].reason = "bad record";
    rig_start(&rig);
    const struct rig_answer *answer = rig_run(&rig, "1:x 2:x 3:y 4:x", 0);
    CHECK(!answer->complete && !answer->sink_down && !answer->unreadable);
    CHECK_INT(answer->unfinished, 2);
    CHECK_STR(answer->lowest, "2");
    CHECK_STR(answer->sink, "a");
    CHECK_STR(answer->reason, "bad record");
    CHECK_STR(vsink_story(&rig.sinks[0]), "1 3 2");
    CHECK_INT(rig_counts(&rig, 0).returned, 2);
    rig_done(&rig);
}

static void fail_goes_to_drop(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.routes[0].on_exhausted = ROUTE_DROP;
    rig.sinks[0].script = fail_2;
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:x 2:x 3:x", 0)->complete);
    CHECK_INT(rig_counts(&rig, 0).dropped, 1);
    CHECK_INT(rig_counts(&rig, 0).delivered, 2);
    rig_done(&rig);
}

static void F22_fail_goes_to_the_store_whole(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.routes[0].on_exhausted = ROUTE_DEAD;
    rig.sinks[0].script = fail_2;
    rig.sinks[0].reason = "bad\nrecord";
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:x 2:x 3:x", 0)->complete);
    CHECK_INT(rig_counts(&rig, 0).dead, 1);
    CHECK_INT(rig.world.letter_count, 1);
    CHECK(vworld_stored(&rig.world, "a", "2"));
    CHECK_STR(rig.world.letters[0].reason, "bad?record");
    CHECK(strstr(rig.world.letters[0].record, "\"SequenceNumber\":\"2\"") != NULL);
    rig_done(&rig);
}

static void nothing_of_the_item_passes_before_the_letter_is_stored(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.routes[0].on_exhausted = ROUTE_DEAD;
    rig.sinks[0].script = fail_2;
    rig.world.hold_puts = true;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "2:x 3:x", 0);
    vworld_run(&rig.world, 1000);
    CHECK(!rig.answers[number].came);
    CHECK_STR(vsink_story(&rig.sinks[0]), "2");
    vworld_store(&rig.world, 0);
    CHECK(rig_wait(&rig, number)->complete);
    CHECK_STR(vsink_story(&rig.sinks[0]), "2 3");
    rig_done(&rig);
}

static void a_letter_that_is_not_stored_acknowledges_nothing(void)
{
    static const struct {
        int refuse, status;
    } rows[] = {{0, -ENOSPC}, {0, -EROFS}, {-ENOSYS, 0}, {-ENOMEM, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        rig_init(&rig, 1, false);
        rig.routes[0].on_exhausted = ROUTE_DEAD;
        rig.sinks[0].script = fail_2;
        rig.world.refuse_put = rows[i].refuse;
        rig.world.store_status = rows[i].status;
        rig_start(&rig);
        const struct rig_answer *answer = rig_run(&rig, "1:x 2:x 3:x 4:y", 0);
        CHECK(!answer->complete);
        CHECK_INT(answer->unfinished, 2);
        CHECK_STR(answer->lowest, "2");
        CHECK_INT(rig_counts(&rig, 0).dead, 0);
        rig_done(&rig);
    }
}

static void attempts_run_out_after_as_many_as_configured(void)
{
    struct rig rig;
    int32_t said = WEIR_RETRY;
    rig_init(&rig, 1, false);
    rig.routes[0].on_exhausted = ROUTE_DEAD;
    rig.sinks[0].script = say_arg;
    rig.sinks[0].arg = &said;
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:x", 0)->complete);
    CHECK_INT(rig.sinks[0].count, 3);
    CHECK_INT(rig.world.letters[0].attempts, 3);
    rig_done(&rig);
}

static void the_attempt_that_failed_for_good_counts(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.routes[0].on_exhausted = ROUTE_DEAD;
    rig.sinks[0].script = fail_2;
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:x 2:x", 0)->complete);
    CHECK_INT(rig.world.letters[0].attempts, 1);
    rig_done(&rig);
}

static int32_t retry_then_fail(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return seen->attempt < 3 ? WEIR_RETRY : WEIR_FAIL;
}

static void attempts_before_the_one_that_failed_for_good_count_too(void)
{
    struct rig rig;
    rig_init(&rig, 1, false);
    rig.routes[0].on_exhausted = ROUTE_DEAD;
    rig.routes[0].max_attempts = 9;
    rig.sinks[0].script = retry_then_fail;
    rig_start(&rig);
    CHECK(rig_run(&rig, "1:x", 0)->complete);
    CHECK_INT(rig.world.letters[0].attempts, 3);
    CHECK_INT(rig_counts(&rig, 0).retries, 2);
    rig_done(&rig);
}

/* Sink a gives up on record 2, sink b takes dead letters and says `said`. */
static void letter_rig(struct rig *rig, int32_t *said)
{
    rig_init(rig, 2, false);
    rig->routes[0].on_exhausted = ROUTE_SINK;
    rig->routes[0].exhausted_sink = 1;
    rig->letters_only[1] = true;
    rig->sinks[0].script = fail_2;
    rig->sinks[0].reason = "no good";
    rig->sinks[1].script = say_arg;
    rig->sinks[1].arg = said;
    rig_start(rig);
}

static void a_dead_letter_sink_that_says_ok_finishes_the_record(void)
{
    struct rig rig;
    int32_t said = WEIR_OK;
    letter_rig(&rig, &said);
    CHECK(rig_run(&rig, "1:x 2:x 3:x", 0)->complete);
    CHECK_STR(vsink_story(&rig.sinks[1]), "d2");
    CHECK_STR(rig.sinks[1].log[0].dead_sink, "a");
    CHECK_INT(rig_counts(&rig, 0).dead, 1);
    CHECK_INT(rig_counts(&rig, 1).delivered, 1);
    rig_done(&rig);
}

static void a_dead_letter_sink_that_says_skip_or_fail_does_not(void)
{
    static const int32_t rows[] = {WEIR_SKIP, WEIR_FAIL, WEIR_RETRY};
    for (size_t i = 0; i < 3; i++) {
        struct rig rig;
        int32_t said = rows[i];
        letter_rig(&rig, &said);
        const struct rig_answer *answer = rig_run(&rig, "1:x 2:x 3:x", 0);
        CHECK(!answer->complete);
        CHECK_STR(answer->lowest, "2");
        CHECK_INT(answer->unfinished, 2);
        CHECK_INT(rig.sinks[1].count, said == WEIR_RETRY ? 3 : 1);
        CHECK_INT(rig_counts(&rig, 1).skipped, 0);
        CHECK_INT(rig_counts(&rig, 0).dead, 0);
        rig_done(&rig);
    }
}

/* Refuses what has its images. */
static int32_t take_pointers(struct vsink *sink, const struct vseen *seen)
{
    int *refusals = sink->arg;
    (void)seen;
    return (*refusals)-- > 0 ? WEIR_FAIL : WEIR_OK;
}

static void F41_a_refused_letter_goes_once_more_without_its_images(void)
{
    static const struct {
        bool pointer;
        int refusals;
        const char *story;
        bool complete;
        int pointers;
    } rows[] = {{false, 1, "d2", false, 0},
                {true, 0, "d2", true, 0},
                {true, 1, "d2 d2", true, 1},
                {true, 2, "d2 d2", false, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        int32_t unused = WEIR_OK;
        int refusals = rows[i].refusals;
        letter_rig(&rig, &unused);
        rig.router->sinks[0].route.oversize_pointer = rows[i].pointer;
        rig.sinks[1].script = take_pointers;
        rig.sinks[1].arg = &refusals;
        CHECK_INT(rig_run(&rig, "1:x 2:x 3:x", 0)->complete, rows[i].complete);
        CHECK_STR(vsink_story(&rig.sinks[1]), rows[i].story);
        CHECK_INT(rig_counts(&rig, 0).pointers, rows[i].pointers);
        CHECK_INT(rig_counts(&rig, 0).dead, rows[i].complete);
        rig_done(&rig);
    }
}

/* Letters of several records share a lane of their sink: each record hears of its own. */
static void a_stuck_letter_sticks_those_behind_it_and_their_records(void)
{
    struct rig rig;
    int32_t said = WEIR_FAIL;
    letter_rig(&rig, &said);
    rig.router->sinks[1].route.order = ROUTE_SHARD;
    rig.router->sinks[0].route.order = ROUTE_NONE;
    rig.sinks[0].script = say_arg;
    rig.sinks[0].arg = &said;
    const struct rig_answer *answer = rig_run(&rig, "1:x 2:y 3:z", 0);
    CHECK_INT(answer->unfinished, 3);
    CHECK_STR(answer->lowest, "1");
    rig_done(&rig);
}

static void a_dead_letter_sink_may_give_up_into_the_store(void)
{
    struct rig rig;
    int32_t said = WEIR_FAIL;
    letter_rig(&rig, &said);
    rig.router->sinks[1].route.on_exhausted = ROUTE_DEAD;
    CHECK(rig_run(&rig, "1:x 2:x 3:x", 0)->complete);
    CHECK(vworld_stored(&rig.world, "b", "2"));
    CHECK_INT(rig_counts(&rig, 0).dead, 1);
    CHECK_INT(rig_counts(&rig, 1).dead, 1);
    rig_done(&rig);
}

/* Memory was lacking for the letter's own letter, where nobody delivers the record again. */
static void a_dead_letter_that_starved_is_tried_again(void)
{
    struct rig rig;
    int32_t said = WEIR_FAIL;
    letter_rig(&rig, &said);
    rig.router->config.blocks_for_ever = true;
    rig.router->sinks[1].route.on_exhausted = ROUTE_DEAD;
    rig.world.refuse_put = -ENOMEM;
    size_t number = rig_submit(&rig, "2:x", 0);
    vworld_run(&rig.world, 10000);
    CHECK(!rig.answers[number].came);
    rig.world.refuse_put = 0;
    vworld_run(&rig.world, 2000);
    CHECK(rig.answers[number].came && rig.answers[number].complete);
    CHECK(vworld_stored(&rig.world, "b", "2"));
    CHECK_INT(rig.router->starved, 0);
    rig_done(&rig);
}

static void a_dead_letter_sink_that_is_down_is_waited_for(void)
{
    struct rig rig;
    int32_t said = WEIR_DOWN;
    letter_rig(&rig, &said);
    size_t number = rig_submit(&rig, "2:x", 0);
    vworld_run(&rig.world, 100000);
    CHECK(!rig.answers[number].came);
    said = WEIR_OK;
    CHECK(rig_wait(&rig, number)->complete);
    rig_done(&rig);
}

/* max_record_age is about records; a letter of an old record must still arrive. */
static void records_too_old_become_letters_and_letters_are_never_too_old(void)
{
    struct rig rig;
    int32_t said = WEIR_OK;
    letter_rig(&rig, &said);
    rig.router->sinks[0].route.max_record_age_ms = rig.router->sinks[1].route.max_record_age_ms =
        60000;
    rig.world.wall_us += 3600ll * 1000000;
    CHECK(rig_run(&rig, "1:x", 0)->complete);
    CHECK_INT(rig.sinks[0].count, 0);
    CHECK_STR(vsink_story(&rig.sinks[1]), "d1");
    rig_done(&rig);
}

/* ---- poison ---- */

static void F22_poison_goes_where_on_poison_says(void)
{
    static const struct {
        enum route_exhausted where;
        bool complete;
        unsigned dead, dropped, returned;
    } rows[] = {{ROUTE_BLOCK, false, 0, 0, 1},
                {ROUTE_DROP, true, 0, 1, 0},
                {ROUTE_DEAD, true, 1, 0, 0},
                {ROUTE_SINK, true, 1, 0, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        rig_init(&rig, 3, false);
        rig.config.on_poison = rows[i].where;
        rig.config.poison_sink = 2;
        rig.letters_only[2] = true;
        rig_start(&rig);
        const struct rig_answer *answer = rig_run(&rig, "1:x !2:x 3:x", 0);
        CHECK(answer->complete == rows[i].complete);
        for (size_t k = 0; k < 2; k++) { /* for every sink */
            CHECK_INT(rig_counts(&rig, k).delivered, 2);
            CHECK_INT(rig_counts(&rig, k).dead, rows[i].dead);
            CHECK_INT(rig_counts(&rig, k).dropped, rows[i].dropped);
            CHECK_INT(rig_counts(&rig, k).returned, rows[i].returned);
        }
        if (!rows[i].complete)
            CHECK_STR(answer->lowest, "2");
        if (rows[i].where == ROUTE_DEAD)
            CHECK(vworld_stored(&rig.world, "", "2"));
        if (rows[i].where == ROUTE_SINK)
            CHECK_STR(vsink_story(&rig.sinks[2]), "d2");
        CHECK_INT(router_poison_count(rig.router), 1);
        rig_done(&rig);
    }
}

static void poison_without_a_position_can_not_be_folded(void)
{
    struct rig rig;
    rig_init(&rig, 1, true);
    rig_start(&rig);
    const struct rig_answer *answer = rig_run(&rig, "1:x ! 3:x", 0);
    CHECK(!answer->complete);
    CHECK(answer->unreadable);
    CHECK_INT(answer->unfinished, 1);
    rig_done(&rig);
}

/* ---- images ---- */

static void unmet_images_fail_and_are_never_skipped(void)
{
    for (int drop = 0; drop < 2; drop++) {
        struct rig rig;
        rig_init(&rig, 2, false);
        rig.rules[0].images = WEIR_OLD | WEIR_NEW; /* the records have only the new one */
        rig.routes[0].on_exhausted = drop ? ROUTE_DROP : ROUTE_BLOCK;
        rig_start(&rig);
        const struct rig_answer *answer = rig_run(&rig, "1:x 2:y", 0);
        CHECK(answer->complete == (drop == 1));
        CHECK_INT(rig.sinks[0].count, 0);
        CHECK_INT(rig_counts(&rig, 0).dropped, drop ? 2 : 0);
        CHECK_INT(rig_counts(&rig, 1).delivered, 2);
        if (!drop) {
            CHECK_STR(answer->lowest, "1");
            CHECK(strstr(answer->reason, "NEW_AND_OLD_IMAGES") != NULL);
        }
        rig_done(&rig);
    }
}

/* ---- the fold ---- */

static void F21_fold_is_the_lowest_as_a_number(void)
{
    static const struct {
        const char *records, *lowest;
    } rows[] = {
        {"1000000000000000000000:a 999999999999999999999:b", "999999999999999999999"},
        {"999999999999999999999:a 1000000000000000000000:b", "999999999999999999999"},
        {"000000000000000000000000100:a 99:b", "99"},
        {"00000000000000000000000098:a 99:b", "00000000000000000000000098"},
        {"18446744073709551617:a 2:b", "2"},
    };
    int32_t said = WEIR_FAIL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        rig_init(&rig, 1, true);
        rig.sinks[0].script = say_arg;
        rig.sinks[0].arg = &said;
        rig_start(&rig);
        CHECK_STR(rig_run(&rig, rows[i].records, 0)->lowest, rows[i].lowest);
        rig_done(&rig);
    }
}

static int32_t fail_3_and_7(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    return strcmp(seen->sequence, "3") == 0 || strcmp(seen->sequence, "7") == 0 ? WEIR_FAIL
                                                                                : WEIR_OK;
}

static void B18_of_two_failures_the_first_is_reported(void)
{
    struct rig rig;
    rig_init(&rig, 2, true);
    rig.sinks[1].script = fail_3_and_7;
    rig_start(&rig);
    const struct rig_answer *answer = rig_run(&rig, "1:a 2:b 3:c 4:d 5:e 6:f 7:g 8:h", 0);
    CHECK_STR(answer->lowest, "3");
    CHECK_STR(answer->sink, "b");
    CHECK_INT(answer->unfinished, 2);
    rig_done(&rig);
}

/* ---- sinks that are not required ---- */

static void F68_a_sink_that_is_not_required_holds_nothing_when_it_fails(void)
{
    static const int32_t rows[] = {WEIR_FAIL, WEIR_RETRY, WEIR_DOWN, VSINK_HOLD};
    for (size_t i = 0; i < 4; i++) {
        struct rig rig;
        int32_t said = rows[i];
        rig_init(&rig, 2, false);
        rig.routes[1].required = false;
        rig.sinks[1].script = say_arg;
        rig.sinks[1].arg = &said;
        rig.sinks[1].on_cancel = VSINK_HOLD;
        rig_start(&rig);
        const struct rig_answer *answer = rig_run(&rig, "1:x 2:x", 0);
        CHECK(answer->complete);
        CHECK(answer->at_ms <= 1000 + 7000); /* at worst its time limit and the grace */
        CHECK_INT(rig_counts(&rig, 1).dropped, 2);
        CHECK_INT(rig_counts(&rig, 1).returned, 0);
        if (said == VSINK_HOLD)
            vsink_say_all(&rig.sinks[1], WEIR_OK);
        router_stop(rig.router);
        vworld_settle(&rig.world);
        rig_done(&rig);
    }
}

static void F68_a_full_queue_drops_what_is_not_required(void)
{
    struct rig rig;
    rig_init(&rig, 2, false);
    rig.routes[1].required = false;
    rig.routes[1].queue_records = 2;
    rig.sinks[1].script = hold;
    rig_start(&rig);
    size_t number = rig_submit(&rig, "1:a 2:b 3:c 4:d", 0);
    vworld_settle(&rig.world);
    CHECK_INT(rig_counts(&rig, 1).dropped, 2);
    vsink_say_all(&rig.sinks[1], WEIR_OK);
    CHECK(rig_wait(&rig, number)->complete);
    CHECK_INT(rig_counts(&rig, 1).delivered, 2);
    rig_done(&rig);
}

/* A plugin that can't say which record failed. */
static void all_or_nothing(struct vsink *sink, weir_delivery *delivery)
{
    bool bad = false;
    unsigned *deliveries = sink->arg;
    for (size_t i = 0; i < delivery->count; i++)
        bad = bad || str_is(record_position(delivery->entries[i].rec), "37");
    ++*deliveries;
    delivery_complete_rest(sink->board, &sink->instance, delivery->token,
                           bad ? WEIR_RETRY : WEIR_OK, str_of(bad ? "one of these is bad" : NULL));
}

static void bisect_finds_the_record_that_fails_its_whole_delivery(void)
{
    for (int bisect = 0; bisect < 2; bisect++) {
        struct rig rig;
        struct buf records;
        unsigned deliveries = 0;
        buf_init(&records, 1 << 16);
        rig_init(&rig, 1, false);
        rig.config.bisect = bisect;
        rig.routes[0].on_exhausted = ROUTE_DEAD;
        rig.routes[0].batch_records = 64;
        rig.routes[0].concurrency = 1;
        rig.sinks[0].on_deliver = all_or_nothing;
        rig.sinks[0].arg = &deliveries;
        rig_start(&rig);
        for (int i = 1; i <= 64; i++)
            buf_printf(&records, "%d:k%d ", i, i);
        CHECK(rig_run(&rig, buf_cstr(&records), 0)->complete);
        if (bisect) {
            CHECK_INT(rig.world.letter_count, 1);
            CHECK_STR(rig.world.letters[0].sequence, "37");
            CHECK_INT(rig.world.letters[0].attempts, 3);
            CHECK_INT(rig_counts(&rig, 0).delivered, 63);
        } else {
            CHECK(rig.world.letter_count >= 1);
        }
        CHECK(deliveries < 256);
        buf_done(&records);
        rig_done(&rig);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"bisect_finds_the_record_that_fails_its_whole_delivery",
         bisect_finds_the_record_that_fails_its_whole_delivery},
        {"fail_goes_to_block_and_nothing_passes_it", fail_goes_to_block_and_nothing_passes_it},
        {"fail_goes_to_drop", fail_goes_to_drop},
        {"F22_fail_goes_to_the_store_whole", F22_fail_goes_to_the_store_whole},
        {"nothing_of_the_item_passes_before_the_letter_is_stored",
         nothing_of_the_item_passes_before_the_letter_is_stored},
        {"a_letter_that_is_not_stored_acknowledges_nothing",
         a_letter_that_is_not_stored_acknowledges_nothing},
        {"the_attempt_that_failed_for_good_counts", the_attempt_that_failed_for_good_counts},
        {"F41_a_refused_letter_goes_once_more_without_its_images",
         F41_a_refused_letter_goes_once_more_without_its_images},
        {"attempts_before_the_one_that_failed_for_good_count_too",
         attempts_before_the_one_that_failed_for_good_count_too},
        {"attempts_run_out_after_as_many_as_configured",
         attempts_run_out_after_as_many_as_configured},
        {"a_dead_letter_sink_that_says_ok_finishes_the_record",
         a_dead_letter_sink_that_says_ok_finishes_the_record},
        {"a_dead_letter_sink_that_says_skip_or_fail_does_not",
         a_dead_letter_sink_that_says_skip_or_fail_does_not},
        {"a_stuck_letter_sticks_those_behind_it_and_their_records",
         a_stuck_letter_sticks_those_behind_it_and_their_records},
        {"a_dead_letter_sink_may_give_up_into_the_store",
         a_dead_letter_sink_may_give_up_into_the_store},
        {"a_dead_letter_that_starved_is_tried_again", a_dead_letter_that_starved_is_tried_again},
        {"a_dead_letter_sink_that_is_down_is_waited_for",
         a_dead_letter_sink_that_is_down_is_waited_for},
        {"records_too_old_become_letters_and_letters_are_never_too_old",
         records_too_old_become_letters_and_letters_are_never_too_old},
        {"F22_poison_goes_where_on_poison_says", F22_poison_goes_where_on_poison_says},
        {"poison_without_a_position_can_not_be_folded",
         poison_without_a_position_can_not_be_folded},
        {"unmet_images_fail_and_are_never_skipped", unmet_images_fail_and_are_never_skipped},
        {"F21_fold_is_the_lowest_as_a_number", F21_fold_is_the_lowest_as_a_number},
        {"B18_of_two_failures_the_first_is_reported", B18_of_two_failures_the_first_is_reported},
        {"F68_a_sink_that_is_not_required_holds_nothing_when_it_fails",
         F68_a_sink_that_is_not_required_holds_nothing_when_it_fails},
        {"F68_a_full_queue_drops_what_is_not_required",
         F68_a_full_queue_drops_what_is_not_required},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, giving up", tests);
}
