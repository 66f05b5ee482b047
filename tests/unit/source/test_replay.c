/* The file source over a scripted input. */
#include "rig.h"
#include "router/parts.h"
#include "source/replay.h"

struct prig {
    struct rig rig;
    struct replay *replay;
    struct replay_config config;
    const char *text;
    size_t len, at, chunk;
    long error; /* what a read gives when the text is used up; 0 = end */
    bool finished;
    unsigned reads;
    int32_t said;
};

static long read_text(void *ctx, char *into, size_t len)
{
    struct prig *p = ctx;
    size_t give = p->len - p->at < p->chunk ? p->len - p->at : p->chunk;
    p->reads++;
    if (give == 0)
        return p->error;
    give = give < len ? give : len;
    memcpy(into, p->text + p->at, give);
    p->at += give;
    return (long)give;
}

static void on_finished(void *arg)
{
    struct prig *p = arg;
    CHECK(!p->finished);
    p->finished = true;
}

static int32_t say(struct vsink *sink, const struct vseen *seen)
{
    const struct prig *p = sink->arg;
    return strcmp(seen->sequence, "2") == 0 ? p->said : WEIR_OK;
}

static void prepare(struct prig *p, const char *text, size_t chunk)
{
    *p = (struct prig){.text = text, .len = strlen(text), .chunk = chunk, .said = WEIR_OK};
    rig_init(&p->rig, 1, false);
    p->rig.sinks[0].script = say;
    p->rig.sinks[0].arg = p;
    rig_start(&p->rig);
    p->config = (struct replay_config){.world = &p->rig.world.world,
                                       .router = p->rig.router,
                                       .plan = p->rig.plan,
                                       .read = read_text,
                                       .read_ctx = p,
                                       .in_flight_bytes = 64 << 20,
                                       .queued_records = 10000,
                                       .finished = on_finished,
                                       .arg = p};
}

static void start(struct prig *p)
{
    CHECK_FATAL(replay_new(&p->config, &p->replay) == 0);
}

static const struct replay_result *end_of(struct prig *p)
{
    CHECK(vworld_until(&p->rig.world, &p->finished, 3600000));
    vworld_settle(&p->rig.world);
    return replay_result(p->replay);
}

static void done(struct prig *p)
{
    replay_free(p->replay);
    rig_done(&p->rig);
}

/* `count` records, one a line; number 0 of them broken when `broken`. */
static char *lines(unsigned count, const char *end_of_line, unsigned broken)
{
    size_t size = 512 * (size_t)count + 16, len = 0;
    char *text = malloc(size), one[16];
    CHECK_FATAL(text != NULL);
    text[0] = '\0';
    for (unsigned i = 1; i <= count; i++) {
        snprintf(one, sizeof one, "%u:k%u", i, i % 7);
        char *body = rig_body(one);
        size_t open = strcspn(body, "[") + 1, record = strlen(body) - open - 2;
        if (i == broken)
            record /= 2;
        len += (size_t)snprintf(text + len, size - len, "%.*s%s", (int)record, body + open,
                                end_of_line);
        mem_free(body);
    }
    return text;
}

static void every_record_is_delivered_whatever_the_reads(void)
{
    static const size_t chunks[] = {1, 7, 100, 4096, 1 << 20};
    static const char *const ends[] = {"\n", "\r\n"};
    for (size_t k = 0; k < 2; k++) {
        char *text = lines(30, ends[k], 0);
        for (size_t i = 0; i < 5; i++)
            for (int cut = 0; cut < 2; cut++) {
                struct prig p;
                prepare(&p, text, chunks[i]);
                p.len -= cut ? strlen(ends[k]) : 0; /* no newline at the end */
                start(&p);
                const struct replay_result *result = end_of(&p);
                CHECK(result->complete && result->ended);
                CHECK_INT(result->records, 30);
                CHECK_INT(result->bytes, p.len);
                CHECK_INT(rig_counts(&p.rig, 0).delivered, 30);
                CHECK_STR(result->reason, "");
                done(&p);
            }
        free(text);
    }
}

static void an_empty_input_is_complete(void)
{
    static const char *const texts[] = {"", "\n\n", " \r\n\t "};
    for (size_t i = 0; i < 3; i++) {
        struct prig p;
        prepare(&p, texts[i], 1);
        start(&p);
        CHECK(end_of(&p)->complete);
        done(&p);
    }
}

static void reading_pauses_and_goes_on_when_there_is_room(void)
{
    for (int limit = 0; limit < 2; limit++) {
        char *text = lines(8000, "\n", 0); /* more than one batch */
        struct prig p;
        prepare(&p, text, 1 << 20);
        if (limit)
            p.config.queued_records = 1;
        else
            p.config.in_flight_bytes = 1;
        p.rig.sinks[0].delay_ms = 5;
        start(&p);
        const struct replay_result *result = end_of(&p);
        CHECK(result->complete);
        CHECK_INT(result->records, 8000);
        CHECK(result->batches > 1);
        CHECK_INT(rig_counts(&p.rig, 0).delivered, 8000);
        done(&p);
        free(text);
    }
}

static void a_stop_while_paused_or_busy_finishes_what_is_under_way(void)
{
    char *text = lines(8000, "\n", 0);
    for (int64_t after_ms = 0; after_ms < 40; after_ms += 7) {
        struct prig p;
        prepare(&p, text, 1 << 16);
        p.config.queued_records = 100;
        p.rig.sinks[0].delay_ms = 5;
        start(&p);
        vworld_run(&p.rig.world, after_ms);
        replay_stop(p.replay);
        const struct replay_result *result = end_of(&p);
        CHECK(!result->complete);
        CHECK_STR(result->reason, "");
        CHECK_INT(rig_counts(&p.rig, 0).delivered, result->records);
        done(&p);
    }
    free(text);
}

static void a_stop_that_cuts_batches_short_says_so(void)
{
    char *text = lines(5, "\n", 0);
    struct prig p;
    prepare(&p, text, 1 << 16);
    p.said = VSINK_HOLD;
    start(&p);
    vworld_run(&p.rig.world, 100);
    replay_stop(p.replay);
    vworld_run(&p.rig.world, 100);
    CHECK(!p.finished);
    router_stop(p.rig.router);
    CHECK(strstr(end_of(&p)->reason, "stopped before") != NULL);
    done(&p);
    free(text);
}

static void a_read_error_is_told(void)
{
    char *text = lines(5, "\n", 0);
    struct prig p;
    prepare(&p, text, 1 << 16);
    p.error = -EIO;
    start(&p);
    const struct replay_result *result = end_of(&p);
    CHECK(!result->complete && !result->ended);
    CHECK(strstr(result->reason, "can't read the input") != NULL);
    done(&p);
    free(text);
}

static void a_poison_line_is_one_record(void)
{
    for (unsigned broken = 1; broken <= 5; broken++)
        for (int drop = 0; drop < 2; drop++) {
            char *text = lines(5, "\n", broken);
            struct prig p;
            prepare(&p, text, 1 << 16);
            p.rig.router->config.on_poison = drop ? ROUTE_DROP : ROUTE_DEAD;
            start(&p);
            const struct replay_result *result = end_of(&p);
            CHECK(result->complete);
            CHECK_INT(result->records, 5);
            CHECK_INT(rig_counts(&p.rig, 0).delivered, 4);
            CHECK_INT(rig_counts(&p.rig, 0).dead, drop ? 0 : 1);
            done(&p);
            free(text);
        }
}

static void what_is_not_delivered_is_told(void)
{
    char *text = lines(5, "\n", 0);
    struct prig p;
    prepare(&p, text, 1 << 16);
    p.said = WEIR_FAIL;
    p.rig.sinks[0].reason = "no such table";
    start(&p);
    const struct replay_result *result = end_of(&p);
    CHECK(!result->complete);
    CHECK_STR(result->reason,
              "1 records are not delivered, the first is 2 at sink a: no such table");
    done(&p);
    free(text);
}

static void a_document_without_an_end_is_refused_not_swallowed(void)
{
    size_t len = 17u << 20;
    char *text = malloc(len + 1);
    CHECK_FATAL(text != NULL);
    memset(text, 'x', len);
    memcpy(text, "{\"a\":\"", 6);
    text[len] = '\0';
    struct prig p;
    prepare(&p, text, 1 << 20);
    start(&p);
    CHECK(strstr(end_of(&p)->reason, "16 MiB") != NULL);
    done(&p);
    free(text);
}

static void F72_any_allocation_may_fail(void)
{
    bool failed = true;
    char *text = lines(12, "\n", 0);
    for (uint64_t k = 1; failed && k < 1000; k++) {
        struct prig p;
        prepare(&p, text, 1 << 16);
        mem_fail_at(k);
        uint64_t before = mem_calls();
        int rc = replay_new(&p.config, &p.replay);
        if (rc == 0)
            vworld_until(&p.rig.world, &p.finished, 3600000);
        failed = mem_calls() - before >= k;
        mem_fail_at(0);
        if (rc == 0) {
            const struct replay_result *result = end_of(&p);
            CHECK(!result->complete || rig_counts(&p.rig, 0).delivered == 12);
            CHECK(result->complete || result->reason[0] != '\0');
            replay_free(p.replay);
        }
        rig_done(&p.rig);
    }
    CHECK(!failed);
    free(text);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"every_record_is_delivered_whatever_the_reads",
         every_record_is_delivered_whatever_the_reads},
        {"an_empty_input_is_complete", an_empty_input_is_complete},
        {"reading_pauses_and_goes_on_when_there_is_room",
         reading_pauses_and_goes_on_when_there_is_room},
        {"a_stop_while_paused_or_busy_finishes_what_is_under_way",
         a_stop_while_paused_or_busy_finishes_what_is_under_way},
        {"a_stop_that_cuts_batches_short_says_so", a_stop_that_cuts_batches_short_says_so},
        {"a_read_error_is_told", a_read_error_is_told},
        {"a_poison_line_is_one_record", a_poison_line_is_one_record},
        {"what_is_not_delivered_is_told", what_is_not_delivered_is_told},
        {"a_document_without_an_end_is_refused_not_swallowed",
         a_document_without_an_end_is_refused_not_swallowed},
        {"F72_any_allocation_may_fail", F72_any_allocation_may_fail},
        {NULL, NULL}};
    return unit_main(argc, argv, "source, replay", tests);
}
