/* Sessions with KCL's daemon: what it says, what is answered, and above all what is not. */
#include "rig.h"
#include "source/kcl.h"

enum { LINES = 64, LINE_BYTES = 300 };

struct session {
    struct rig rig;
    struct kcl *kcl;
    struct kcl_config config;
    char lines[LINES][LINE_BYTES]; /* what was written to the daemon */
    size_t wrote, read;
    int write_error; /* of the next writes */
    bool finished, refuse;
    enum kcl_end end;
    char shard[64];
    unsigned warnings, errors;
    char last[600]; /* logged as warning or error */
    int32_t said;   /* of records with a key that begins with 'x' */
};

static int on_write(void *ctx, const char *line, size_t len)
{
    struct session *s = ctx;
    CHECK(!s->finished);
    if (s->write_error)
        return s->write_error;
    CHECK_FATAL(s->wrote < LINES && len < LINE_BYTES && len > 0 && line[len - 1] == '\n');
    CHECK(memchr(line, '\n', len) == line + len - 1);
    memcpy(s->lines[s->wrote], line, len - 1);
    s->lines[s->wrote++][len - 1] = '\0';
    return 0;
}

static void on_finished(void *arg, enum kcl_end end)
{
    struct session *s = arg;
    CHECK(!s->finished);
    s->finished = true;
    s->end = end;
}

static void on_began(void *ctx, weir_str shard)
{
    struct session *s = ctx;
    snprintf(s->shard, sizeof s->shard, "%.*s", (int)shard.len, shard.ptr);
}

static void on_log(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    struct session *s = ctx;
    if (level > WEIR_LOG_WARN)
        return;
    CHECK(code != NULL);
    *(level == WEIR_LOG_ERROR ? &s->errors : &s->warnings) += 1;
    snprintf(s->last, sizeof s->last, "%s %s %s", component, code ? code : "", msg);
}

static bool admit(void *ctx, const struct batch *batch, struct err *err)
{
    const struct session *s = ctx;
    CHECK(str_is(batch->source_arn, RIG_ARN));
    CHECK(str_is(batch->shard, s->shard));
    if (s->refuse)
        err_set(err, -EPERM, "an endless loop");
    return !s->refuse;
}

/* The key of a record tells what is said of it, lane and all. */
static int32_t say(struct vsink *sink, const struct vseen *seen)
{
    const struct session *s = sink->arg;
    return strlen(seen->sequence) > 1 && seen->sequence[0] == '9' ? s->said : WEIR_OK;
}

static void begin(struct session *s, size_t sinks)
{
    *s = (struct session){.said = VSINK_HOLD};
    rig_init(&s->rig, sinks, false);
    s->rig.config.blocks_for_ever = true;
    for (size_t i = 0; i < sinks; i++) {
        s->rig.sinks[i].script = say;
        s->rig.sinks[i].arg = s;
        s->rig.sinks[i].on_cancel = WEIR_RETRY;
    }
}

static void start(struct session *s)
{
    rig_start(&s->rig);
    s->config = (struct kcl_config){.world = &s->rig.world.world,
                                    .router = s->rig.router,
                                    .plan = s->rig.plan,
                                    .stream_arn = STR(RIG_ARN),
                                    .admit = admit,
                                    .admit_ctx = s,
                                    .write = on_write,
                                    .write_ctx = s,
                                    .began = on_began,
                                    .began_ctx = s,
                                    .log = on_log,
                                    .log_ctx = s,
                                    .finished = on_finished,
                                    .arg = s};
    CHECK_FATAL(kcl_new(&s->config, &s->kcl) == 0);
}

static void done(struct session *s)
{
    kcl_eof(s->kcl, 0);
    router_stop(s->rig.router);
    vworld_run(&s->rig.world, 60000);
    CHECK(s->finished);
    CHECK_INT(s->read, s->wrote); /* nothing was said that the test does not know of */
    kcl_free(s->kcl);
    rig_done(&s->rig);
}

static void feed(struct session *s, const char *text, size_t len)
{
    char *copy = mem_alloc(len + 1); /* so that a read behind the end is seen */
    CHECK_FATAL(copy != NULL);
    memcpy(copy, text, len);
    kcl_feed(s->kcl, copy, len);
    mem_free(copy);
    vworld_settle(&s->rig.world);
}

static void daemon_says(struct session *s, const char *line)
{
    struct buf text;
    buf_init(&text, 64 << 20);
    buf_puts(&text, line);
    buf_putc(&text, '\n');
    feed(s, text.ptr, text.len);
    buf_done(&text);
}

/* One record of rig_body as the daemon gives it. */
static void put_record(struct buf *out, const char *word)
{
    char number[64];
    const char *digits = word + (*word == '!') + (*word == '?');
    snprintf(number, sizeof number, "%.*s", (int)strcspn(digits, ":"), digits);
    char *body = rig_body(*word == '?' ? word + 1 : word);
    size_t open = strcspn(body, "[") + 1;
    buf_puts(out, "{\"data\":\"");
    if (*word == '?')
        buf_puts(out, "no base64!");
    else
        buf_put_base64(out, (weir_str){body + open, strlen(body) - open - 2});
    buf_printf(out,
               "\",\"partitionKey\":null,\"sequenceNumber\":\"%s\","
               "\"approximateArrivalTimestamp\":1795386720000,\"subSequenceNumber\":null,"
               "\"action\":\"record\"}",
               number);
    mem_free(body);
}

/* "1:a 2:b" as rig_body; "?3" is no base64. */
static void put_batch(struct buf *out, const char *records)
{
    char word[64];
    buf_puts(out, "{\"action\":\"processRecords\",\"records\":[");
    for (const char *at = records; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)len, at);
        if (at != records)
            buf_putc(out, ',');
        put_record(out, word);
        at += len;
    }
    buf_puts(out, "],\"millisBehindLatest\":null}\n");
    CHECK_FATAL(!out->failed);
}

static void daemon_gives(struct session *s, const char *records)
{
    struct buf line;
    buf_init(&line, 16 << 20);
    put_batch(&line, records);
    feed(s, line.ptr, line.len);
    buf_done(&line);
}

/* The next line that was written to the daemon, shortened: "status initialize", "checkpoint 2",
 * "checkpoint end"; "-" when there is none. */
static const char *said(struct session *s)
{
    static char text[LINE_BYTES];
    char word[LINE_BYTES];
    if (s->read == s->wrote)
        return "-";
    const char *line = s->lines[s->read++];
    if (sscanf(line, "{\"action\":\"status\",\"responseFor\":\"%[a-zA-Z]\"}", word) == 1)
        snprintf(text, sizeof text, "status %s", word);
    else if (sscanf(line, "{\"action\":\"checkpoint\",\"sequenceNumber\":\"%[0-9]\"}", word) == 1)
        snprintf(text, sizeof text, "checkpoint %s", word);
    else if (strcmp(line, "{\"action\":\"checkpoint\"}") == 0)
        snprintf(text, sizeof text, "checkpoint end");
    else
        snprintf(text, sizeof text, "%s", line);
    return text;
}

static void daemon_answers(struct session *s, const char *number, const char *error)
{
    char line[400];
    snprintf(line, sizeof line,
             "{\"action\":\"checkpoint\",\"sequenceNumber\":%s%s%s,\"subSequenceNumber\":null,"
             "\"error\":%s%s%s}",
             number ? "\"" : "", number ? number : "null", number ? "\"" : "", error ? "\"" : "",
             error ? error : "null", error ? "\"" : "");
    daemon_says(s, line);
}

#define INITIALIZE                                                                                 \
    "{\"action\":\"initialize\",\"shardId\":\"shardId-1\",\"sequenceNumber\":\"TRIM_HORIZON\","    \
    "\"subSequenceNumber\":0}"

static void initialized(struct session *s, size_t sinks)
{
    begin(s, sinks);
    start(s);
    daemon_says(s, INITIALIZE);
    CHECK_STR(said(s), "status initialize");
    CHECK_STR(s->shard, "shardId-1");
}

static void ended_with(struct session *s, enum kcl_end end, const char *code)
{
    vworld_settle(&s->rig.world);
    CHECK(s->finished);
    CHECK_INT(s->end, end);
    if (code)
        CHECK(strstr(s->last, code) != NULL);
    CHECK_STR(said(s), "-");
}

/* ---- the ordinary course ---- */

static void a_batch_is_answered_when_it_is_delivered_and_checkpointed(void)
{
    struct session s;
    initialized(&s, 2);
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
    ended_with(&s, KCL_ENDED, NULL);
    done(&s);
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
            done(&s);
        if (first) {
            begin(&s, 1);
            start(&s);
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
    done(&s);
    mem_free(file);
}

static void lines_may_come_in_pieces_and_several_at_once(void)
{
    static const char text[] = INITIALIZE "\r\n{\"action\":\"processRecords\",\"records\":[]}\n";
    for (size_t piece = 1; piece < sizeof text; piece += piece < 8 ? 1 : 37) {
        struct session s;
        begin(&s, 1);
        start(&s);
        for (size_t at = 0; at < sizeof text - 1; at += piece)
            feed(&s, text + at, sizeof text - 1 - at < piece ? sizeof text - 1 - at : piece);
        CHECK_STR(said(&s), "status initialize");
        CHECK_STR(said(&s), "status processRecords");
        done(&s);
    }
}

static void a_graceful_end_checkpoints_once_more(void)
{
    struct session s;
    initialized(&s, 1);
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
    ended_with(&s, KCL_ENDED, NULL);
    CHECK_INT(s.errors, 0);
    done(&s);
}

static void a_graceful_end_before_any_record_checkpoints_nothing(void)
{
    struct session s;
    initialized(&s, 1);
    daemon_says(&s, "{\"action\":\"shutdownRequested\"}");
    CHECK_STR(said(&s), "status shutdownRequested");
    done(&s);
}

/* ---- checkpoints that fail ---- */

static void a_throttled_checkpoint_is_tried_again_with_growing_pauses(void)
{
    static const char *const errors[] = {"ThrottlingException",
                                         "KinesisClientLibDependencyException"};
    for (size_t i = 0; i < 2; i++) {
        struct session s;
        initialized(&s, 1);
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
        done(&s);
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
            initialized(&s, 1);
            if (at_end)
                daemon_says(&s, "{\"action\":\"shardEnded\"}");
            else
                daemon_gives(&s, "1:a");
            CHECK_STR(said(&s), at_end ? "checkpoint end" : "checkpoint 1");
            daemon_answers(&s, at_end ? NULL : "1", errors[i]);
            ended_with(&s, KCL_FAILED, "W1002");
            done(&s);
        }
}

static void F18_a_lease_that_is_lost_ends_all_checkpoints(void)
{
    struct session s;
    initialized(&s, 1);
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
    ended_with(&s, KCL_ENDED, NULL);
    done(&s);
}

static void F18_an_end_behind_records_that_were_not_delivered_is_never_checkpointed(void)
{
    static const char *const ends[] = {"{\"action\":\"shutdown\",\"reason\":\"TERMINATE\"}",
                                       "{\"action\":\"shardEnded\"}"};
    for (size_t i = 0; i < 2; i++) {
        struct session s;
        initialized(&s, 1);
        daemon_gives(&s, "1:a");
        CHECK_STR(said(&s), "checkpoint 1");
        daemon_answers(&s, "1", "ShutdownException");
        CHECK_STR(said(&s), "status processRecords");
        daemon_says(&s, ends[i]);
        ended_with(&s, KCL_FAILED, "W1002");
        done(&s);
    }
}

static void leases_lost_while_idle_are_answered(void)
{
    static const char *const rows[][2] = {
        {"{\"action\":\"shutdown\",\"reason\":\"ZOMBIE\"}", "status shutdown"},
        {"{\"action\":\"leaseLost\"}", "status leaseLost"}};
    for (size_t i = 0; i < 2; i++) {
        struct session s;
        initialized(&s, 1);
        daemon_says(&s, rows[i][0]);
        CHECK_STR(said(&s), rows[i][1]);
        kcl_eof(s.kcl, 0);
        ended_with(&s, KCL_ENDED, NULL);
        done(&s);
    }
}

/* ---- batches that take long ---- */

static void F18_a_lease_lost_in_the_middle_cancels_what_is_open(void)
{
    struct session s;
    initialized(&s, 1);
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
    ended_with(&s, KCL_ENDED, NULL);
    done(&s);
}

static void the_frontier_of_a_long_batch_is_checkpointed(void)
{
    struct session s;
    begin(&s, 2);
    s.rig.routes[0].timeout_ms = s.rig.routes[1].timeout_ms = 3600000;
    start(&s);
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
    done(&s);
}

static void F18_the_checkpoint_of_a_long_batch_finds_out_that_the_lease_is_lost(void)
{
    struct session s;
    begin(&s, 1);
    s.rig.routes[0].timeout_ms = 3600000;
    start(&s);
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
    done(&s);
}

/* The batch was complete while the answer to an earlier checkpoint was still to come. */
static void the_end_of_a_batch_waits_for_a_checkpoint_under_way(void)
{
    static const char *const answers[] = {NULL, "ThrottlingException"};
    for (size_t i = 0; i < 2; i++) {
        struct session s;
        begin(&s, 1);
        s.rig.routes[0].timeout_ms = 3600000;
        start(&s);
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
        done(&s);
    }
}

static void a_sink_that_is_not_required_holds_nothing_up(void)
{
    struct session s;
    begin(&s, 2);
    s.rig.routes[1].required = false;
    s.rig.routes[1].timeout_ms = 3600000;
    start(&s);
    daemon_says(&s, INITIALIZE);
    CHECK_STR(said(&s), "status initialize");
    s.rig.sinks[0].script = NULL;
    daemon_gives(&s, "1:a 90:b");
    CHECK_STR(said(&s), "checkpoint 90");
    daemon_answers(&s, "90", NULL);
    CHECK_STR(said(&s), "status processRecords");
    done(&s);
}

/* ---- block ---- */

static void a_record_that_blocks_is_tried_for_ever_and_never_passed(void)
{
    struct session s;
    initialized(&s, 1);
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
    done(&s);
}

/* Poison can't be tried again: the shard is held, and said to be. */
static void poison_holds_the_shard_where_it_blocks(void)
{
    static const char *const poison[] = {"!2", "?2"};
    for (size_t i = 0; i < 2; i++) {
        struct session s;
        char records[32];
        initialized(&s, 1);
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
        ended_with(&s, KCL_FAILED, NULL);
        done(&s);
    }
}

static void poison_goes_where_on_poison_says(void)
{
    struct session s;
    begin(&s, 1);
    s.rig.config.on_poison = ROUTE_DROP;
    start(&s);
    daemon_says(&s, INITIALIZE);
    CHECK_STR(said(&s), "status initialize");
    daemon_gives(&s, "1:a ?2 !3");
    CHECK_STR(said(&s), "checkpoint 3");
    daemon_answers(&s, "3", NULL);
    CHECK_STR(said(&s), "status processRecords");
    CHECK_INT(rig_counts(&s.rig, 0).dropped, 2);
    done(&s);
}

/* ---- ends that nobody wished ---- */

static void F70_the_daemons_death_cancels_everything(void)
{
    static const char *const sessions[] = {"", "1:a", "1:a 90:b"};
    for (size_t i = 0; i < 3; i++)
        for (int error = 0; error < 2; error++) {
            struct session s;
            initialized(&s, 1);
            if (i > 0)
                daemon_gives(&s, sessions[i]);
            if (i == 1)
                CHECK_STR(said(&s), "checkpoint 1");
            kcl_eof(s.kcl, error ? EIO : 0);
            ended_with(&s, KCL_FAILED, "W1005");
            vworld_run(&s.rig.world, 60000);
            done(&s);
        }
}

static void a_daemon_that_reads_no_more_is_gone(void)
{
    struct session s;
    initialized(&s, 1);
    s.write_error = -EPIPE;
    daemon_gives(&s, "1:a");
    ended_with(&s, KCL_FAILED, "W1005");
    done(&s);
}

static void the_loop_guard_refuses_before_anything_is_delivered(void)
{
    struct session s;
    initialized(&s, 1);
    s.refuse = true;
    daemon_gives(&s, "1:a");
    ended_with(&s, KCL_REFUSED, "W0310");
    CHECK_STR(vsink_story(&s.rig.sinks[0]), "");
    done(&s);
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
        begin(&s, 1);
        start(&s);
        if (rows[i].initialized) {
            daemon_says(&s, INITIALIZE);
            CHECK_STR(said(&s), "status initialize");
        }
        daemon_says(&s, rows[i].line);
        ended_with(&s, KCL_BROKEN, "W1001");
        if (!strstr(s.last, rows[i].reason))
            CHECK_STR(s.last, rows[i].reason);
        daemon_says(&s, INITIALIZE); /* too late */
        CHECK_STR(said(&s), "-");
        done(&s);
    }
}

static void the_daemon_waits_for_each_status(void)
{
    static const char *const lines[] = {
        "{\"action\":\"processRecords\",\"records\":[]}", "{\"action\":\"shardEnded\"}",
        "{\"action\":\"shutdown\",\"reason\":\"TERMINATE\"}", "{\"action\":\"shutdownRequested\"}"};
    for (size_t i = 0; i < 4; i++) {
        struct session s;
        initialized(&s, 1);
        daemon_gives(&s, "1:a 90:b");
        daemon_says(&s, lines[i]);
        ended_with(&s, KCL_BROKEN, "did not wait");
        done(&s);
    }
}

static void the_answer_is_to_what_was_asked(void)
{
    struct session s;
    initialized(&s, 1);
    daemon_gives(&s, "1:a");
    CHECK_STR(said(&s), "checkpoint 1");
    daemon_answers(&s, "2", NULL);
    ended_with(&s, KCL_BROKEN, "another checkpoint");
    done(&s);
}

static void a_line_has_a_ceiling(void)
{
    size_t len = KCL_LINE_BYTES_MAX / 4;
    char *blanks = mem_alloc(len);
    CHECK_FATAL(blanks != NULL);
    memset(blanks, ' ', len);
    for (int too_long = 0; too_long < 2; too_long++) {
        struct session s;
        initialized(&s, 1);
        for (int i = 0; i < 3; i++)
            kcl_feed(s.kcl, blanks, len);
        if (too_long) {
            kcl_feed(s.kcl, blanks, len);
            kcl_feed(s.kcl, blanks, 1);
            ended_with(&s, KCL_BROKEN, "16 MiB");
        } else {
            daemon_gives(&s, "1:a");
            CHECK_STR(said(&s), "checkpoint 1");
        }
        done(&s);
    }
    mem_free(blanks);
}

/* ---- asked to end ---- */

static void a_stop_finishes_what_is_under_way(void)
{
    struct session s;
    initialized(&s, 1);
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
    ended_with(&s, KCL_ENDED, NULL);
    done(&s);
}

static void a_stop_while_idle_ends_at_once(void)
{
    struct session s;
    initialized(&s, 1);
    kcl_stop(s.kcl);
    ended_with(&s, KCL_ENDED, NULL);
    done(&s);
}

static void F71_a_stop_in_a_hurry_leaves_the_frontier_behind(void)
{
    struct session s;
    initialized(&s, 1);
    daemon_gives(&s, "1:a 90:b");
    kcl_stop(s.kcl);
    kcl_hurry(s.kcl);
    CHECK_STR(said(&s), "checkpoint 1");
    ended_with(&s, KCL_FAILED, NULL);
    done(&s);
}

/* ---- memory ---- */

/* Every allocation on a batch's way fails once. */
static void F72_out_of_memory_is_never_a_false_status(void)
{
    bool failed = true;
    for (uint64_t n = 1; failed && n < 2000; n++) {
        struct session s;
        struct buf line;
        initialized(&s, 1);
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
        done(&s);
    }
    CHECK(!failed);
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
    return unit_main(argc, argv, "source.kcl", tests);
}
