/* OTLP's JSON, and its sender over a router in virtual time with a scripted collector. */
#include "observe/otlp_send.h"
#include "rig.h"

#include <weir/version.h>

/* ---- the protocol's JSON ---- */

static void ids_are_hex_times_are_text_and_kinds_are_numbers(void)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    const struct otlp_span span = {.trace = {0xabcdef, UINT64_MAX},
                                   .id = 0x1f,
                                   .parent = 2,
                                   .verb = "deliver",
                                   .object = STR("a\"b\n"),
                                   .begun_us = 1700000000000001,
                                   .ended_us = 1700000000500000,
                                   .failed = true};
    otlp_put_span(&span, &out);
    CHECK_STR(buf_cstr(&out),
              "{\"traceId\":\"0000000000abcdefffffffffffffffff\","
              "\"spanId\":\"000000000000001f\",\"parentSpanId\":\"0000000000000002\","
              "\"name\":\"deliver a\\\"b\\n\",\"kind\":5,"
              "\"startTimeUnixNano\":\"1700000000000001000\","
              "\"endTimeUnixNano\":\"1700000000500000000\","
              "\"attributes\":[],\"status\":{\"code\":2}}");
    buf_reset(&out);
    otlp_put_text(&out, "a", STR("\xff\x1b"));
    otlp_put_text(&out, "empty", STR_NONE);
    otlp_put_count(&out, "n", UINT64_MAX);
    CHECK_STR(buf_cstr(&out), "{\"key\":\"a\",\"value\":{\"stringValue\":\"\\ufffd\\u001b\"}},"
                              "{\"key\":\"n\",\"value\":{\"intValue\":\"18446744073709551615\"}}");
    buf_reset(&out);
    otlp_put_traces(STR("{}"), STR("{\"key\":\"k\"}"), &out);
    CHECK_STR(buf_cstr(&out),
              "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"k\"}]},"
              "\"scopeSpans\":[{\"scope\":{\"name\":\"weir\",\"version\":"
              "\"" WEIR_VERSION "\"},\"spans\":[{}]}]}]}");
    buf_done(&out);
}

static void observe(void *ctx, struct observed *out)
{
    struct rig *rig = ctx;
    *out = (struct observed){.pipeline = "p",
                             .mode = "file",
                             .world = &rig->world.world,
                             .router = rig->router,
                             .started_us = 1700000000000000,
                             .loop_lag_ms = -1};
}

static void counts_are_text_and_durations_numbers(void)
{
    static const char *const wanted[] = {
        "\"name\":\"weir_sink_records\",",
        "\"unit\":\"{record}\",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":true,",
        "\"startTimeUnixNano\":\"1700000000000000000\"",
        "\"asInt\":\"2\"",
        "\"name\":\"weir_start_time_seconds\",",
        "\"asDouble\":1700000000}",
        "\"histogram\":{\"aggregationTemporality\":2,\"dataPoints\":[",
        "\"bucketCounts\":[\"1\",\"0\",",
        "\"explicitBounds\":[0.00",
        "\"name\":\"weir_sink_up\"",
    };
    struct rig rig;
    struct observed observed;
    struct buf out;
    rig_init(&rig, 1, false);
    rig_start(&rig);
    rig_run(&rig, "1:a 2:b", 0);
    buf_init(&out, 1 << 20);
    observe(&rig, &observed);
    otlp_put_metrics(&observed, STR_NONE, &out);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!strstr(buf_cstr(&out), wanted[i]))
            CHECK_STR(buf_cstr(&out), wanted[i]);
    CHECK(!strstr(buf_cstr(&out), "_total"));
    CHECK(!strstr(buf_cstr(&out), "weir_loop_lag_seconds")); /* nobody measures it */
    buf_done(&out);
    rig_done(&rig);
}

static uint64_t middle(void *ctx)
{
    return *(const uint64_t *)ctx;
}

static void the_server_says_when_to_come_again(void)
{
    uint64_t zero = 0;
    const struct random random = {&zero, middle};
    const int64_t now_us = INT64_C(784111777) * 1000000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    const struct {
        unsigned attempts;
        const char *after;
        int64_t wanted_ms;
    } rows[] = {
        {1, "", 500},
        {2, "", 1000},
        {3, "", 2000},
        {9, "", 15000},
        {1, "7", 7000},
        {9, "7", 15000},
        {1, "0", 500},
        {1, "99999999999999999999", 300000},
        {1, "soon", 500},
        {1, "-5", 5000},
        {1, "Sun, 06 Nov 1994 08:49:47 GMT", 10000},
        {1, "Sun, 06 Nov 1994 08:49:00 GMT", 500},
        {1, "Sun, 06 Nov 2094 08:49:00 GMT", 300000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(otlp_pause_ms(&random, rows[i].attempts, str_of(rows[i].after), now_us),
                  rows[i].wanted_ms);
}

/* ---- the sender ---- */

struct scene {
    struct rig rig;
    struct http_call *calls[8]; /* open */
    size_t call_count;
    unsigned started, metrics, traces;
    char last_spans[2 << 20];
    struct otlp *otlp;
    char said[2000]; /* codes */
    bool finished;
};

static int start_call(void *ctx, struct http_call *call)
{
    struct scene *scene = ctx;
    bool traces = strstr(call->url, "/v1/traces") != NULL;
    CHECK_FATAL(scene->call_count < 8);
    scene->calls[scene->call_count++] = call;
    scene->started++;
    *(traces ? &scene->traces : &scene->metrics) += 1;
    CHECK_FATAL(call->body.len < sizeof scene->last_spans || !traces);
    if (traces) {
        memcpy(scene->last_spans, call->body.ptr, call->body.len);
        scene->last_spans[call->body.len] = '\0';
    }
    return 0;
}

static void answer(struct scene *scene, enum http_result result, int status, const char *headers,
                   const char *body)
{
    CHECK_FATAL(scene->call_count > 0);
    struct http_call *call = scene->calls[0];
    memmove(scene->calls, scene->calls + 1, --scene->call_count * sizeof scene->calls[0]);
    call->result = result;
    call->status = status;
    buf_puts(&call->answer, body);
    buf_reserve(&call->answer, 64);
    buf_puts(&call->answer_headers, headers);
    call->done(call);
}

static void abort_call(void *ctx, struct http_call *call)
{
    struct scene *scene = ctx;
    for (size_t i = 0; i < scene->call_count; i++)
        if (scene->calls[i] == call) {
            scene->calls[i] = scene->calls[0];
            scene->calls[0] = call;
            answer(scene, HTTP_ABORTED, 0, "", "");
            return;
        }
    CU_FAIL_FATAL("the call was not open");
}

static void note(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    struct scene *scene = ctx;
    size_t len = strlen(scene->said);
    (void)level;
    (void)msg;
    CHECK_STR(component, "otlp");
    snprintf(scene->said + len, sizeof scene->said - len, "%s ", code);
}

static void open_scene(struct scene *scene, int64_t one_in)
{
    memset(scene, 0, sizeof *scene);
    rig_init(&scene->rig, 2, false);
    rig_sync(&scene->rig, 1);
    rig_start(&scene->rig);
    scene->rig.world.world.transport =
        (struct transport){.ctx = scene, .start = start_call, .abort = abort_call};
    const struct otlp_config config = {.world = &scene->rig.world.world,
                                       .router = scene->rig.router,
                                       .endpoint = "http://c:4318/",
                                       .interval_ms = 60000,
                                       .timeout_ms = 10000,
                                       .trace_one_in = one_in,
                                       .observe = observe,
                                       .ctx = &scene->rig,
                                       .log = note,
                                       .log_ctx = scene};
    CHECK_INT(otlp_new(&config, &scene->otlp), 0);
}

static void on_finished(void *arg)
{
    *(bool *)arg = true;
}

static void close_scene(struct scene *scene)
{
    otlp_free(scene->otlp);
    rig_done(&scene->rig);
}

static void one_batch_is_one_trace(void)
{
    static struct scene scene;
    open_scene(&scene, 1);
    rig_run(&scene.rig, "1:a 2:b", 0);
    CHECK_INT(scene.started, 0);
    vworld_run(&scene.rig.world, 5000);
    CHECK_INT(scene.traces, 1);
    const char *at = scene.last_spans;
    size_t spans = 0, parents = 0;
    for (const char *p = at; (p = strstr(p, "\"spanId\"")); p++)
        spans++;
    for (const char *p = at; (p = strstr(p, "\"parentSpanId\"")); p++)
        parents++;
    CHECK(spans >= 4); /* a batch, a delivery or two of "a", one for each record of "b" */
    CHECK_INT(parents, spans - 1);
    CHECK(strstr(at, "\"name\":\"process Products\"") != NULL);
    CHECK(strstr(at, "\"name\":\"deliver a\"") != NULL);
    CHECK(strstr(at, "\"name\":\"deliver b\"") != NULL);
    CHECK(strstr(at, "error.type") == NULL);
    answer(&scene, HTTP_DONE, 200, "", "{}");
    CHECK_INT(otlp_counts(scene.otlp)->done[OTLP_TRACES], 1);
    CHECK_INT(otlp_counts(scene.otlp)->spans_dropped, 0);
    close_scene(&scene);
}

static void one_batch_in_so_many_is_traced(void)
{
    static struct scene scene;
    open_scene(&scene, 5);
    for (int i = 1; i <= 20; i++) {
        char record[16];
        snprintf(record, sizeof record, "%d:a", i);
        rig_run(&scene.rig, record, 0);
    }
    size_t batches = 0;
    for (int i = 0; i < 2; i++) {
        vworld_run(&scene.rig.world, 5000);
        for (const char *p = scene.last_spans; (p = strstr(p, "process Products")); p++)
            batches++;
        scene.last_spans[0] = '\0';
        if (scene.call_count > 0)
            answer(&scene, HTTP_DONE, 200, "", "{}");
    }
    CHECK_INT(batches, 4);
    close_scene(&scene);
}

/* By OTLP's table: what may pass is sent again, what will not is dropped; and what is said of it.
 */
static void what_may_pass_is_sent_again(void)
{
    const struct {
        enum http_result result;
        int status;
        const char *headers, *body, *said;
        unsigned started_after_ten_s; /* calls in all */
        uint64_t failed, done;
    } rows[] = {
        {HTTP_DONE, 200, "", "{}", "", 1, 0, 1},
        {HTTP_DONE, 204, "", "", "", 1, 0, 1},
        {HTTP_DONE, 200, "", "{\"partialSuccess\":{}}", "", 1, 0, 1},
        {HTTP_DONE, 200, "",
         "{\"partialSuccess\":{\"rejectedDataPoints\":\"3\",\"errorMessage\":\"old\"}}", "W1232 ",
         1, 0, 1},
        {HTTP_DONE, 200, "", "no json", "", 1, 0, 1},
        {HTTP_DONE, 429, "", "", "W1230 ", 2, 0, 0},
        {HTTP_DONE, 503, "Retry-After: 3\r\n", "", "W1230 ", 2, 0, 0},
        {HTTP_DONE, 503, "Retry-After: 30\r\n", "", "W1230 ", 1, 0, 0},
        {HTTP_DONE, 502, "", "", "W1230 ", 2, 0, 0},
        {HTTP_DONE, 504, "", "", "W1230 ", 2, 0, 0},
        {HTTP_DONE, 500, "", "", "W1230 ", 1, 1, 0},
        {HTTP_DONE, 400, "", "bad\x1b[2J", "W1230 ", 1, 1, 0},
        {HTTP_DONE, 401, "", "", "W1230 ", 1, 1, 0},
        {HTTP_DONE, 302, "", "", "W1230 ", 1, 1, 0},
        {HTTP_UNREACHABLE, 0, "", "", "W1230 ", 2, 0, 0},
        {HTTP_AMBIGUOUS, 0, "", "", "W1230 ", 2, 0, 0},
        {HTTP_TIMEOUT, 0, "", "", "W1230 ", 2, 0, 0},
        {HTTP_INVALID, 0, "", "", "W1230 ", 1, 1, 0},
        {HTTP_TOO_LARGE, 0, "", "", "W1230 ", 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct scene scene;
        open_scene(&scene, 0);
        vworld_run(&scene.rig.world, 60000);
        CHECK_INT(scene.metrics, 1);
        answer(&scene, rows[i].result, rows[i].status, rows[i].headers, rows[i].body);
        vworld_run(&scene.rig.world, 10000);
        CHECK_INT(scene.metrics, rows[i].started_after_ten_s);
        CHECK_INT(otlp_counts(scene.otlp)->failed[OTLP_METRICS], rows[i].failed);
        CHECK_INT(otlp_counts(scene.otlp)->done[OTLP_METRICS], rows[i].done);
        CHECK_STR(scene.said, rows[i].said);
        close_scene(&scene);
    }
}

static void it_gives_up_after_a_minute_and_says_when_it_works_again(void)
{
    static struct scene scene;
    open_scene(&scene, 1);
    rig_run(&scene.rig, "1:a", 0);
    vworld_run(&scene.rig.world, 5000);
    for (int i = 0; i < 100 && otlp_counts(scene.otlp)->failed[OTLP_TRACES] == 0; i++) {
        if (scene.call_count > 0)
            answer(&scene, HTTP_UNREACHABLE, 0, "", "");
        vworld_run(&scene.rig.world, 1000);
    }
    CHECK_INT(otlp_counts(scene.otlp)->failed[OTLP_TRACES], 1);
    CHECK(otlp_counts(scene.otlp)->spans_dropped >= 3);
    rig_run(&scene.rig, "2:a", 0);
    for (int i = 0; i < 100 && otlp_counts(scene.otlp)->done[OTLP_TRACES] == 0; i++) {
        if (scene.call_count > 0)
            answer(&scene, HTTP_DONE, 200, "", "{}");
        vworld_run(&scene.rig.world, 1000);
    }
    CHECK_INT(otlp_counts(scene.otlp)->done[OTLP_TRACES], 1);
    CHECK(strstr(scene.said, "W1231") != NULL);
    close_scene(&scene);
}

static void a_silent_collector_costs_spans_not_memory(void)
{
    static struct scene scene;
    open_scene(&scene, 1);
    for (int i = 1; i <= 1500; i++) { /* three spans each */
        char record[16];
        snprintf(record, sizeof record, "%d:a", i);
        scene.rig.answer_count = 0;
        rig_run(&scene.rig, record, 0);
    }
    vworld_run(&scene.rig.world, 5000);
    CHECK_INT(scene.traces, 1); /* and no more while it is open */
    const struct otlp_counts *counts = otlp_counts(scene.otlp);
    CHECK(counts->spans_dropped >= 1500 * 3 - 2 * OTLP_SPANS_MAX);
    CHECK(counts->spans_dropped < 1500 * 3);
    otlp_finish(scene.otlp, 3000, on_finished, &scene.finished);
    CHECK_INT(scene.metrics, 1); /* the last figures */
    vworld_run(&scene.rig.world, 2900);
    CHECK(!scene.finished);
    vworld_run(&scene.rig.world, 200);
    CHECK(scene.finished);
    CHECK_INT(counts->spans_dropped, 1500 * 3);
    CHECK_INT(scene.call_count, 0);
    close_scene(&scene);
}

static void the_end_sends_what_is_left_once(void)
{
    static struct scene scene;
    open_scene(&scene, 1);
    rig_run(&scene.rig, "1:a", 0);
    otlp_finish(scene.otlp, 3000, on_finished, &scene.finished);
    CHECK_INT(scene.metrics, 1);
    CHECK_INT(scene.traces, 1);
    answer(&scene, HTTP_UNREACHABLE, 0, "", "");
    CHECK(!scene.finished);
    answer(&scene, HTTP_DONE, 200, "", "{}");
    vworld_settle(&scene.rig.world);
    CHECK(scene.finished);
    CHECK_INT(scene.started, 2);
    close_scene(&scene);
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(ids_are_hex_times_are_text_and_kinds_are_numbers),
    TEST(counts_are_text_and_durations_numbers),
    TEST(the_server_says_when_to_come_again),
    TEST(one_batch_is_one_trace),
    TEST(one_batch_in_so_many_is_traced),
    TEST(what_may_pass_is_sent_again),
    TEST(it_gives_up_after_a_minute_and_says_when_it_works_again),
    TEST(a_silent_collector_costs_spans_not_memory),
    TEST(the_end_sends_what_is_left_once),
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "otlp", tests);
}
