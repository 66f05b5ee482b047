/* Readiness is tied to progress: what stops it is told, with its name. */
#include "observe/observed.h"
#include "prig.h"

enum { MINUTE_MS = 60000 };

static struct prig *prig_of(size_t sinks)
{
    struct prig *prig = calloc(1, sizeof *prig);
    CHECK_FATAL(prig != NULL);
    prig_init(prig, sinks);
    streams_model_create(&prig->model, "Products", 1, prig_unix_ms(prig));
    return prig;
}

static void done(struct prig *prig)
{
    prig_stop(prig, 0);
    prig_done(prig);
    free(prig);
}

/* What /readyz says, in memory that the next call replaces. */
static const char *says(struct prig *prig)
{
    static char text[4096];
    struct buf out;
    const struct observed observed = {.pipeline = "prices",
                                      .mode = "poll",
                                      .world = &prig->rig.world.world,
                                      .router = prig->rig.router,
                                      .poll = prig->poll};
    buf_init(&out, sizeof text - 1);
    bool ready = ready_put_json(&observed, &out);
    CHECK_INT(ready, strstr(buf_cstr(&out), "\"ready\":true") != NULL);
    snprintf(text, sizeof text, "%s", buf_cstr(&out));
    buf_done(&out);
    return text;
}

static void check_ready(struct prig *prig)
{
    CHECK_STR(says(prig), "{\"ready\":true,\"reasons\":[]}");
}

static void check_not(struct prig *prig, const char *what, const char *name, const char *why)
{
    char wanted[200];
    const char *text = says(prig);
    snprintf(wanted, sizeof wanted, "{\"what\":\"%s\"%s%s%s,\"why\":\"%s", what,
             *name ? ",\"name\":\"" : "", name, *name ? "\"" : "", why);
    if (!strstr(text, wanted))
        CHECK_STR(text, wanted);
}

static void ready_once_the_shards_are_read(void)
{
    struct prig *prig = prig_of(1);
    prig_start(prig);
    check_not(prig, "source", "", "");
    prig_run(prig, 5000);
    check_ready(prig);
    prig_write(prig, 0, 50, 5);
    prig_run(prig, 10 * MINUTE_MS);
    check_ready(prig);
    done(prig);
}

static int32_t is_down(struct vsink *sink, const struct vseen *seen)
{
    (void)sink;
    (void)seen;
    return WEIR_DOWN;
}

static void a_sink_that_is_down_is_named(void)
{
    struct prig *prig = prig_of(2);
    prig->rig.sinks[1].script = is_down;
    prig_start(prig);
    prig_write(prig, 0, 5, 5);
    prig_run(prig, 5000);
    check_not(prig, "sink", "b", "down for ");
    prig->rig.sinks[1].script = NULL;
    prig_run(prig, MINUTE_MS);
    check_ready(prig);
    done(prig);
}

static void D10_a_gap_is_named_with_its_shard(void)
{
    struct prig *prig = prig_of(1);
    prig_start(prig);
    prig_write(prig, 0, 10, 5);
    prig_run(prig, MINUTE_MS);
    prig_stop(prig, 0);
    prig_end(prig);
    prig_write(prig, 0, 10, 5);
    prig_run(prig, 25 * 60 * MINUTE_MS);
    prig_write(prig, 0, 1, 5);
    prig_start(prig);
    prig_run(prig, MINUTE_MS);
    check_not(prig, "shard", prig->model.streams[0].shards[0].id, "held: records were trimmed");
    done(prig);
}

static bool no_answer(struct prig *prig, enum model_kind kind, enum http_result *result,
                      int *status, const char **body)
{
    (void)prig;
    (void)status;
    (void)body;
    if (kind != MODEL_RECORDS && kind != MODEL_ITERATOR)
        return false;
    *result = HTTP_UNREACHABLE;
    return true;
}

static void a_source_that_does_not_answer_is_told(void)
{
    struct prig *prig = prig_of(1);
    prig_start(prig);
    prig_run(prig, 5000);
    prig->cut = no_answer;
    prig_run(prig, 20000);
    check_ready(prig); /* not at once */
    prig_run(prig, 2 * MINUTE_MS);
    check_not(prig, "source", "", "it has not answered for ");
    check_not(prig, "shard", prig->model.streams[0].shards[0].id, "no page came for ");
    prig->cut = NULL;
    prig_run(prig, MINUTE_MS);
    check_ready(prig);
    done(prig);
}

/* Its timers are gone, as after a bug: nothing fails, nothing is logged, and nothing is read. */
static void a_dead_poll_loop_is_not_ready(void)
{
    struct prig *prig = prig_of(1);
    prig_start(prig);
    prig_run(prig, 5000);
    check_ready(prig);
    struct timers timers = prig->rig.world.timers, none = {0};
    prig->rig.world.timers = none;
    prig_run(prig, 2 * MINUTE_MS);
    check_not(prig, "source", "", "the poller has done nothing for 1");
    check_not(prig, "shard", prig->model.streams[0].shards[0].id, "no page came for 1");
    prig->rig.world.timers = timers;
    prig_run(prig, MINUTE_MS);
    check_ready(prig);
    done(prig);
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(ready_once_the_shards_are_read),    TEST(a_sink_that_is_down_is_named),
    TEST(D10_a_gap_is_named_with_its_shard), TEST(a_source_that_does_not_answer_is_told),
    TEST(a_dead_poll_loop_is_not_ready),     {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "ready", tests);
}
