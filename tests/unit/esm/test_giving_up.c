/* SEMANTICS 2.3 and 2.4: what a mapping repeats, cuts and gives up, and the document it sends. */
#include "erig.h"
#include "util/alloc.h"

#include <stdio.h>

struct row {
    const char *name;
    const char *script[8];
    int records;
    int64_t retries;     /* maximum_retry_attempts */
    bool bisect, silent; /* silent: without ReportBatchItemFailures */
    const char *invoked, *decisions;
    size_t documents;
};

static const struct row rows[] = {
    /* ---- 2.3 ---- */
    {"success", {"ok"}, 4, 1, false, false, "1-4 ", "done(4) ", 0},
    {"an error fails the whole batch",
     {"error", "ok"},
     4,
     1,
     false,
     false,
     "1-4 +200:1-4 ",
     "retry1 done(4) ",
     0},
    {"an identifier that is not in the batch fails it as a whole",
     {"9", "ok"},
     4,
     1,
     false,
     false,
     "1-4 +200:1-4 ",
     "retry1 done(4) ",
     0},
    {"a bad answer fails it as a whole",
     {"{\"batchItemFailures\":[{\"itemIdentifier\":\"\"}]}", "ok"},
     4,
     1,
     false,
     false,
     "1-4 +200:1-4 ",
     "retry1 done(4) ",
     0},
    {"what comes before the reported record is done, the rest comes again",
     {"3", "ok"},
     4,
     1,
     false,
     false,
     "1-4 +200:3-4 ",
     "retry1(2) done(2) ",
     0},
    {"the lowest of several is the checkpoint",
     {"{\"batchItemFailures\":[{\"itemIdentifier\":\"4\"},{\"itemIdentifier\":\"2\"}]}", "ok"},
     4,
     1,
     false,
     false,
     "1-4 +200:2-4 ",
     "retry1(1) done(3) ",
     0},
    {"the first record reported: nothing is done",
     {"1", "ok"},
     4,
     1,
     false,
     false,
     "1-4 +200:1-4 ",
     "retry1 done(4) ",
     0},
    {"partial and bisect: cut there, not counted, only the rest comes again",
     {"3", "ok"},
     4,
     0,
     true,
     false,
     "1-4 3-4 ",
     "cut(2) done(2) ",
     0},
    {"partial and bisect at the first record: in halves, as on an error",
     {"1", "ok"},
     4,
     0,
     true,
     false,
     "1-4 1-2 3-4 ",
     "split done(2) done(2) ",
     0},
    {"a list nobody asked for is ignored", {"3"}, 4, 1, false, true, "1-4 ", "done(4) ", 0},
    /* ---- 2.4 ---- */
    {"1 retry: invoked 2 times",
     {"error"},
     4,
     1,
     false,
     false,
     "1-4 +200:1-4 ",
     "retry1 given-up ",
     1},
    {"3 retries: invoked 4 times",
     {"error"},
     4,
     3,
     false,
     false,
     "1-4 +200:1-4 +400:1-4 +800:1-4 ",
     "retry1 retry2 retry3 given-up ",
     1},
    {"0 retries: invoked once", {"error"}, 4, 0, false, false, "1-4 ", "given-up ", 1},
    {"retries go on counting over partial progress",
     {"2", "3", "4"},
     4,
     2,
     false,
     false,
     "1-4 +200:2-4 +200:3-4 ",
     "retry1(1) retry2(1) given-up(1) ",
     1},
    {"a split is no retry: one bad record is given up alone",
     {"error", "error", "error", "ok", "ok"},
     4,
     0,
     true,
     false,
     "1-4 1-2 1 2 3-4 ",
     "split split given-up done(1) done(2) ",
     1},
    {"a single record has all its retries after the splits",
     {"error", "error", "error", "error", "ok"},
     2,
     1,
     true,
     false,
     "1-2 1 +200:1 2 +200:2 ",
     "split retry1 given-up retry1 done(1) ",
     1},
    {"what does not run is not counted",
     {"busy", "busy", "error", "busy", "error"},
     2,
     1,
     false,
     false,
     "1-2 +200:1-2 +400:1-2 +200:1-2 +200:1-2 ",
     "again again retry1 again given-up ",
     1},
};

static void play(const struct row *row)
{
    struct erig rig;
    erig_init(&rig);
    rig.script = row->script;
    rig.options.retries = row->retries;
    rig.options.bisect = row->bisect;
    rig.options.report_failures = !row->silent;
    erig_start(&rig);
    erig_offer(&rig, 1, row->records, row->records, 0);
    erig_run(&rig, 60000);
    if (strcmp(rig.invoked, row->invoked) != 0 || strcmp(rig.decisions, row->decisions) != 0)
        printf("    in: %s\n", row->name);
    CHECK_STR(rig.invoked, row->invoked);
    CHECK_STR(rig.decisions, row->decisions);
    CHECK_INT(rig.document_count, row->documents);
    CHECK(esm_delivery_idle(rig.delivery));
    CHECK_INT(rig.counts.delivered + rig.counts.given_up, row->records);
    erig_done(&rig);
}

static void every_row(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        play(&rows[i]);
}

/* The checkpoint moves on and the next batch is delivered. */
static void after_giving_up_the_next_batch_comes(void)
{
    static const char *const script[] = {"error", "error", "ok", NULL};
    struct erig rig;
    erig_init(&rig);
    rig.script = script;
    rig.options.retries = 1;
    rig.options.batch_size = 2;
    erig_start(&rig);
    erig_offer(&rig, 1, 4, 4, 0);
    erig_run(&rig, 100);
    CHECK_INT(esm_delivery_checkpoint(rig.delivery).len, 0);
    erig_run(&rig, 100);
    CHECK_STR(rig.invoked, "1-2 +200:1-2 3-4 ");
    CHECK_STR(rig.decisions, "retry1 given-up done(2) ");
    CHECK(str_is(esm_delivery_checkpoint(rig.delivery), "4"));
    erig_done(&rig);
}

/* Default settings: one bad record blocks its shard up to a day. */
static void without_a_bound_a_bad_record_blocks_for_a_day(void)
{
    static const char *const script[] = {"error", NULL};
    struct erig rig;
    erig_init(&rig);
    rig.script = script;
    erig_start(&rig);
    erig_offer(&rig, 1, 1, 1, 0);
    while (rig.v.now_ms < ESM_RETENTION_MS - 60000) {
        erig_run(&rig, 60000);
        erig_clear(&rig);
    }
    CHECK_INT(rig.document_count, 0);
    CHECK(rig.counts.invocations > 8000); /* every 10 s in the end */
    erig_run(&rig, 120000);
    CHECK_FATAL(rig.document_count == 1);
    CHECK(strstr(rig.documents[0], "\"condition\":\"RecordAgeExceeded\"") != NULL);
    erig_done(&rig);
}

static void records_above_the_age_are_given_up_and_their_neighbours_are_not(void)
{
    static const char *const script[] = {"error", "ok", NULL};
    struct erig rig;
    erig_init(&rig);
    rig.script = script;
    rig.options.record_age_ms = 60000;
    erig_start(&rig);
    erig_offer(&rig, 1, 2, 8, 61000); /* too old before anything runs */
    erig_run(&rig, 1);
    CHECK_STR(rig.invoked, "");
    CHECK_FATAL(rig.document_count == 1);
    CHECK(strstr(rig.documents[0], "\"approximateInvokeCount\":0}") != NULL);
    erig_done(&rig);

    erig_init(&rig);
    rig.script = script;
    rig.options.record_age_ms = 60000;
    rig.options.window_ms = 1000;
    erig_start(&rig);
    erig_offer(&rig, 1, 2, 8, 58500);
    erig_offer(&rig, 3, 4, 8, 0);
    erig_run(&rig, 1100); /* 1 to 4 fail, at an age of 59 s */
    CHECK_STR(rig.decisions, "retry1 ");
    erig_run(&rig, 5000);
    CHECK_STR(rig.invoked, "+1000:1-4 +200:1-4 ");
    erig_done(&rig);
}

/* 1 and 2 grow too old between two tries; 3 and 4 go on alone. */
static void records_grow_too_old_between_two_tries(void)
{
    static const char *const script[] = {"error", "error", "error", "ok", NULL};
    struct erig rig;
    erig_init(&rig);
    rig.script = script;
    rig.options.record_age_ms = 60000;
    rig.options.window_ms = 100;
    erig_start(&rig);
    erig_offer(&rig, 1, 2, 8, 59000);
    erig_offer(&rig, 3, 4, 8, 0);
    erig_run(&rig, 10000);
    CHECK_STR(rig.invoked, "+100:1-4 +200:1-4 +400:1-4 +800:3-4 ");
    CHECK_FATAL(rig.document_count == 1);
    CHECK(strstr(rig.documents[0], "\"condition\":\"RecordAgeExceeded\","
                                   "\"approximateInvokeCount\":3}") != NULL);
    CHECK(strstr(rig.documents[0], "responseContext") == NULL);
    CHECK(strstr(rig.documents[0], "\"batchSize\":2") != NULL);
    CHECK_INT(rig.counts.delivered, 2);
    erig_done(&rig);
}

static void the_document_of_a_failed_function(void)
{
    static const char *const script[] = {"error", NULL};
    struct erig rig;
    erig_init(&rig);
    rig.v.wall_us = INT64_C(1785385221123456);
    rig.script = script;
    rig.options.retries = 1;
    erig_start(&rig);
    erig_offer(&rig, 7, 9, 8, 1000);
    erig_run(&rig, 1000);
    CHECK_FATAL(rig.document_count == 1);
    CHECK_STR(rig.documents[0],
              "{\"requestContext\":{\"requestId\":\"request-2\",\"functionArn\":\"" ESM_FUNCTION_ARN
              "\",\"condition\":\"RetryAttemptsExhausted\",\"approximateInvokeCount\":2},"
              "\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"$LATEST\","
              "\"functionError\":\"Unhandled\"},\"version\":\"1.0\","
              "\"timestamp\":\"2026-07-30T04:20:22.323Z\",\"DDBStreamBatchInfo\":{"
              "\"shardId\":\"shardId-1\",\"startSequenceNumber\":\"7\",\"endSequenceNumber\":\"9\","
              "\"approximateArrivalOfFirstRecord\":\"2026-07-30T04:20:21Z\","
              "\"approximateArrivalOfLastRecord\":\"2026-07-30T04:20:21Z\",\"batchSize\":3,"
              "\"streamArn\":\"" ERIG_STREAM "\"}}");
    erig_done(&rig);
}

static void the_document_of_a_partial_failure(void)
{
    static const char *const script[] = {"2", NULL};
    struct erig rig;
    erig_init(&rig);
    rig.script = script;
    rig.options.retries = 3;
    erig_start(&rig);
    erig_offer(&rig, 1, 3, 8, 0);
    erig_run(&rig, 10000);
    CHECK_FATAL(rig.document_count == 1);
    CHECK(strstr(rig.documents[0], "\"approximateInvokeCount\":4}") != NULL);
    CHECK(strstr(rig.documents[0], "\"functionError\":null}") != NULL);
    CHECK(strstr(rig.documents[0], "\"startSequenceNumber\":\"2\",\"endSequenceNumber\":\"3\"") !=
          NULL);
    erig_done(&rig);
}

/* S3's body has the records, and its key tells mapping, shard and time. */
static void the_object_in_s3(void)
{
    static const char *const script[] = {"error", NULL};
    struct erig rig;
    struct buf key;
    struct esm_failure failure = {.shard = STR("shardId-1")};
    erig_init(&rig);
    rig.script = script;
    rig.payload = true;
    rig.options.retries = 0;
    erig_start(&rig);
    erig_offer(&rig, 1, 2, 8, 0);
    erig_run(&rig, 1);
    CHECK_FATAL(rig.document_count == 1);
    const char *payload = strstr(rig.documents[0], ",\"payload\":{\"Records\":[{");
    CHECK_FATAL(payload != NULL);
    CHECK(strstr(payload, "\"SequenceNumber\":\"1\"") != NULL);
    CHECK(strstr(payload, "\"SequenceNumber\":\"2\"") != NULL);
    buf_init(&key, 1024);
    esm_failure_put_key(&key, &failure, "mapping", INT64_C(1785385221123456), &rig.v.world.random);
    static const char begin[] = "aws/lambda/mapping/shardId-1/2026/07/30/2026-07-30T04.20.21-";
    CHECK_INT(strncmp(buf_cstr(&key), begin, sizeof begin - 1), 0);
    CHECK_INT(key.len, sizeof begin - 1 + 36);
    buf_done(&key);
    erig_done(&rig);
}

static void a_document_that_cant_be_stored_gives_nothing_up(void)
{
    static const char *const script[] = {"error", NULL};
    struct erig rig;
    erig_init(&rig);
    rig.script = script;
    rig.options.retries = 0;
    rig.refuse = -28;
    erig_start(&rig);
    erig_offer(&rig, 1, 2, 8, 0);
    erig_run(&rig, 10000);
    CHECK_INT(rig.counts.given_up, 0);
    CHECK_INT(esm_delivery_checkpoint(rig.delivery).len, 0);
    CHECK_INT(rig.counts.invocations, 1);
    erig_done(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"every_row", every_row},
        {"after_giving_up_the_next_batch_comes", after_giving_up_the_next_batch_comes},
        {"without_a_bound_a_bad_record_blocks_for_a_day",
         without_a_bound_a_bad_record_blocks_for_a_day},
        {"records_above_the_age_are_given_up_and_their_neighbours_are_not",
         records_above_the_age_are_given_up_and_their_neighbours_are_not},
        {"records_grow_too_old_between_two_tries", records_grow_too_old_between_two_tries},
        {"the_document_of_a_failed_function", the_document_of_a_failed_function},
        {"the_document_of_a_partial_failure", the_document_of_a_partial_failure},
        {"the_object_in_s3", the_object_in_s3},
        {"a_document_that_cant_be_stored_gives_nothing_up",
         a_document_that_cant_be_stored_gives_nothing_up},
        {0}};
    return unit_main(argc, argv, "esm giving up", tests);
}
