/* The Lambda source against a scripted Runtime API. */
#include "rig.h"
#include "router/parts.h"
#include "source/lambda.h"

#define SUCCESS                                                                                    \
    "{\"statusCode\":200,\"body\":\"\\\"Successfully processed stream records\\\"\","              \
    "\"batchItemFailures\":[]}"

struct lrig {
    struct rig rig;
    struct lambda *lambda;
    struct lambda_config config;
    bool finished, refuse;
    int exit_code, said, outcomes;
    struct lambda_outcome outcome;
};

static int32_t say(struct vsink *sink, const struct vseen *seen)
{
    const struct lrig *l = sink->arg;
    return strcmp(seen->sequence, "2") == 0 ? l->said : WEIR_OK;
}

static void on_finished(void *arg, int exit_code)
{
    struct lrig *l = arg;
    l->finished = true;
    l->exit_code = exit_code;
}

static bool admit(void *ctx, const struct batch *batch, struct err *err)
{
    (void)batch;
    if (((struct lrig *)ctx)->refuse)
        err_set(err, -EPERM, "an endless loop");
    return !((struct lrig *)ctx)->refuse;
}

static void begin_with(struct lrig *l, bool partial,
                       void (*ending)(void *ctx, const struct lambda_outcome *outcome))
{
    struct err err;
    *l = (struct lrig){.said = WEIR_OK};
    rig_init(&l->rig, 1, true);
    l->rig.routes[0].max_attempts = 1;
    l->rig.sinks[0].script = say;
    l->rig.sinks[0].arg = l;
    rig_start(&l->rig);
    l->config = (struct lambda_config){.world = &l->rig.world.world,
                                       .api = "127.0.0.1:9001",
                                       .router = l->rig.router,
                                       .plan = l->rig.plan,
                                       .report_batch_item_failures = partial,
                                       .deadline_margin_ms = 500,
                                       .admit = admit,
                                       .admit_ctx = l,
                                       .ending = ending,
                                       .ending_ctx = l,
                                       .finished = on_finished,
                                       .arg = l};
    CHECK_FATAL(lambda_new(&l->config, &l->lambda, &err) == 0);
    lambda_start(l->lambda);
}

static void begin(struct lrig *l, bool partial)
{
    begin_with(l, partial, NULL);
}

static void end(struct lrig *l)
{
    if (l->rig.world.call) { /* the container is taken down while it asks */
        vworld_answer(&l->rig.world, HTTP_ABORTED, 0, NULL, NULL);
        CHECK(l->finished);
    }
    lambda_free(l->lambda);
    rig_done(&l->rig);
}

/* While it asks, the environment may be frozen: a timer would be overdue after that. */
static void check_asks(const struct lrig *l)
{
    CHECK_INT(l->rig.world.timers.count, 0);
    CHECK_FATAL(l->rig.world.call != NULL);
    CHECK_STR(l->rig.world.call->url, "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next");
    CHECK_STR(l->rig.world.call->method, "GET");
    CHECK_INT(l->rig.world.call->timeout_ms, 0);
}

/* Answers `next` with an event; `left_ms` until the deadline, 0 = no header. */
static void give_body(struct lrig *l, const char *body, int64_t left_ms)
{
    char headers[256];
    size_t len =
        (size_t)snprintf(headers, sizeof headers, "lambda-runtime-aws-request-id: id-%u\r\n",
                         (unsigned)lambda_invocation_count(l->lambda) + 1);
    if (left_ms)
        snprintf(headers + len, sizeof headers - len, "Lambda-Runtime-Deadline-Ms: %lld\r\n",
                 (long long)(l->rig.world.wall_us / 1000 + l->rig.world.now_ms + left_ms));
    check_asks(l);
    vworld_answer(&l->rig.world, HTTP_DONE, 200, headers, body);
}

static void give(struct lrig *l, const char *records, int64_t left_ms)
{
    char *body = rig_body(records);
    give_body(l, body, left_ms);
    mem_free(body);
}

/* Runs until an answer is posted. */
static const struct http_call *posted(struct lrig *l, const char *id, bool error)
{
    char url[128];
    for (int i = 0; i < 100000 && !l->rig.world.call; i++)
        vworld_run(&l->rig.world, 10);
    const struct http_call *call = l->rig.world.call;
    CHECK_FATAL(call != NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:9001/2018-06-01/runtime/invocation/%s/%s", id,
             error ? "error" : "response");
    CHECK_STR(call->url, url);
    CHECK_STR(call->method, "POST");
    CHECK(call->timeout_ms > 0);
    return call;
}

static const char *body_of(const struct http_call *call)
{
    static char body[4096];
    snprintf(body, sizeof body, "%.*s", (int)call->body.len, call->body.ptr);
    return body;
}

static void take(struct lrig *l, int status)
{
    vworld_answer(&l->rig.world, HTTP_DONE, status, NULL, "{}");
}

static void success_is_answered_and_the_next_one_asked_for(void)
{
    struct lrig l;
    begin(&l, true);
    for (int i = 1; i <= 3; i++) {
        char id[8];
        snprintf(id, sizeof id, "id-%d", i);
        give(&l, i == 2 ? "" : "1:a 2:b", 30000); /* the second has empty Records */
        CHECK_STR(body_of(posted(&l, id, false)), SUCCESS);
        take(&l, 202);
    }
    check_asks(&l);
    CHECK_INT(lambda_invocation_count(l.lambda), 3);
    end(&l);
}

static void F21_a_partial_answer_names_the_lowest_unfinished(void)
{
    struct lrig l;
    begin(&l, true);
    l.said = WEIR_FAIL;
    give(&l, "1:a 2:b 3:c", 30000);
    CHECK_STR(body_of(posted(&l, "id-1", false)),
              "{\"statusCode\":200,\"body\":\"\\\"Successfully processed stream records\\\"\","
              "\"batchItemFailures\":[{\"itemIdentifier\":\"2\"}]}");
    take(&l, 202);
    end(&l);
}

static void F20_without_partial_answers_any_failure_fails_the_invocation(void)
{
    struct lrig l;
    begin(&l, false);
    l.said = WEIR_FAIL;
    give(&l, "1:a 2:b 3:c", 30000);
    const struct http_call *call = posted(&l, "id-1", true);
    CHECK(strstr(body_of(call), "\"errorType\":\"Weir.NotDelivered\"") != NULL);
    CHECK(strstr(body_of(call), "\"stackTrace\":[]") != NULL);
    CHECK_INT(call->header_count, 2);
    take(&l, 202);
    check_asks(&l);
    end(&l);
}

static void failures_that_can_not_be_folded_fail_the_invocation(void)
{
    static const struct {
        const char *records, *type;
        int said;
    } rows[] = {{"1:a ! 3:b", "Weir.NotDelivered", WEIR_OK},
                {"1:a 2:b", "Weir.SinkDown", WEIR_DOWN}};
    for (size_t i = 0; i < 2; i++) {
        struct lrig l;
        begin(&l, true);
        l.said = rows[i].said;
        give(&l, rows[i].records, 30000);
        CHECK(strstr(body_of(posted(&l, "id-1", true)), rows[i].type) != NULL);
        take(&l, 202);
        end(&l);
    }
}

static void events_that_can_not_be_read_are_errors(void)
{
    static const char *const bodies[] = {"", "{", "hello", "{\"Records\":7}", "{\"a\":1}", "null"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct lrig l;
        begin(&l, true);
        give_body(&l, bodies[i], 30000);
        CHECK(strstr(body_of(posted(&l, "id-1", true)), "Weir.BadEvent") != NULL);
        take(&l, 202);
        check_asks(&l);
        end(&l);
    }
}

static void an_event_above_the_decoders_limit_is_an_error(void)
{
    struct lrig l;
    size_t len = 7u << 20;
    char *body = malloc(len + 1);
    CHECK_FATAL(body != NULL);
    memset(body, ' ', len);
    body[len] = '\0';
    begin(&l, true);
    give_body(&l, body, 30000);
    free(body);
    CHECK(strstr(body_of(posted(&l, "id-1", true)), "Weir.BadEvent") != NULL);
    take(&l, 202);
    end(&l);
}

static void a_loop_is_refused(void)
{
    struct lrig l;
    begin(&l, true);
    l.refuse = true;
    give(&l, "1:a", 30000);
    CHECK(strstr(body_of(posted(&l, "id-1", true)), "Weir.Loop") != NULL);
    CHECK_INT(l.rig.sinks[0].count, 0);
    take(&l, 202);
    end(&l);
}

/* ---- the deadline ---- */

static void F23_the_margin_is_500_ms_or_a_tenth(void)
{
    static const struct {
        int64_t left_ms, answered_ms;
    } rows[] = {{60000, 59500}, {5000, 4500}, {3000, 2700}, {100, 90}, {1, 1}, {-5000, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct lrig l;
        begin(&l, true);
        l.said = VSINK_HOLD;
        l.rig.router->sinks[0].route.timeout_ms = 1000000;
        give(&l, "1:a 2:b", rows[i].left_ms);
        int64_t began_ms = l.rig.world.now_ms;
        while (!l.rig.world.call && l.rig.world.now_ms < began_ms + 100000) {
            vworld_settle(&l.rig.world);
            if (!l.rig.world.call)
                vworld_run(&l.rig.world, 1);
        }
        CHECK_INT(l.rig.world.now_ms - began_ms, rows[i].answered_ms);
        posted(&l, "id-1", false);
        take(&l, 202);
        end(&l);
    }
}

static void without_a_deadline_header_it_waits_for_the_sinks(void)
{
    static const char *const headers[] = {
        "Lambda-Runtime-Aws-Request-Id: id-1\r\n",
        "Lambda-Runtime-Aws-Request-Id: id-1\r\nLambda-Runtime-Deadline-Ms: soon\r\n"};
    for (size_t i = 0; i < 2; i++) {
        struct lrig l;
        char *body = rig_body("1:a");
        begin(&l, true);
        l.rig.sinks[0].delay_ms = 3000;
        check_asks(&l);
        vworld_answer(&l.rig.world, HTTP_DONE, 200, headers[i], body);
        mem_free(body);
        CHECK_STR(body_of(posted(&l, "id-1", false)), SUCCESS);
        take(&l, 202);
        end(&l);
    }
}

/* ---- the Runtime API itself ---- */

static void an_unusable_next_ends_the_process(void)
{
    static const struct {
        enum http_result result;
        int status;
        const char *headers;
    } rows[] = {{HTTP_UNREACHABLE, 0, NULL},
                {HTTP_DONE, 500, "Lambda-Runtime-Aws-Request-Id: x\r\n"},
                {HTTP_DONE, 403, "Lambda-Runtime-Aws-Request-Id: x\r\n"},
                {HTTP_TOO_LARGE, 200, NULL},
                {HTTP_DONE, 200, NULL},
                {HTTP_DONE, 200, "Lambda-Runtime-Aws-Request-Id: \r\n"},
                {HTTP_DONE, 200, "Lambda-Runtime-Aws-Request-Id: a/../b\r\n"},
                {HTTP_DONE, 200, "Lambda-Runtime-Aws-Request-Id: a b\r\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct lrig l;
        begin(&l, true);
        vworld_answer(&l.rig.world, rows[i].result, rows[i].status, rows[i].headers, "{}");
        CHECK(l.finished);
        CHECK_INT(l.exit_code, 1);
        CHECK(l.rig.world.call == NULL);
        end(&l);
    }
}

static void a_refused_answer_goes_on_a_broken_api_ends(void)
{
    static const int statuses[] = {400, 403, 413, 500, 503};
    for (size_t i = 0; i < 5; i++) {
        struct lrig l;
        begin(&l, true);
        give(&l, "1:a", 30000);
        posted(&l, "id-1", false);
        take(&l, statuses[i]);
        CHECK(l.finished == (statuses[i] >= 500));
        if (statuses[i] < 500)
            check_asks(&l);
        end(&l);
    }
}

static void pooled_connections_are_dropped_after_a_thaw(void)
{
    struct lrig l;
    begin(&l, true);
    for (int i = 0; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof id, "id-%d", i + 1);
        give(&l, "1:a", 30000);
        posted(&l, id, false);
        take(&l, 202);
        CHECK_INT(l.rig.world.forgotten, i == 2 ? 1 : 0);
        vworld_run(&l.rig.world, i == 1 ? 60000 : 1000);
    }
    end(&l);
}

static void on_ending(void *ctx, const struct lambda_outcome *outcome)
{
    ((struct lrig *)ctx)->outcome = *outcome;
    ((struct lrig *)ctx)->outcomes++;
}

static void an_invocation_is_summed_up_before_its_answer(void)
{
    struct lrig l;
    begin_with(&l, true, on_ending);
    give(&l, "1:a 2:b 3:c", 30000);
    posted(&l, "id-1", false);
    CHECK_INT(l.outcomes, 1);
    CHECK_INT(l.outcome.records, 3);
    CHECK_INT(l.outcome.batch_item_failures, 0);
    CHECK(l.outcome.cold_start && !l.outcome.error);
    take(&l, 202);
    l.said = WEIR_FAIL;
    give(&l, "1:a 2:b", 30000);
    posted(&l, "id-2", false);
    CHECK_INT(l.outcomes, 2);
    CHECK_INT(l.outcome.records, 2);
    CHECK_INT(l.outcome.batch_item_failures, 1);
    CHECK(!l.outcome.cold_start && !l.outcome.error);
    take(&l, 202);
    give_body(&l, "{}", 30000);
    posted(&l, "id-3", true);
    CHECK_INT(l.outcomes, 3);
    CHECK_INT(l.outcome.records, 0);
    CHECK(l.outcome.error);
    take(&l, 202);
    end(&l);
}

/* Only a new process frees a plugin that hangs (D6): with this one the shard would stand still. */
static void F62_an_environment_with_a_plugin_that_hangs_ends(void)
{
    struct lrig l;
    begin(&l, true);
    l.said = VSINK_HOLD;
    l.rig.sinks[0].on_cancel = VSINK_HOLD;
    give(&l, "1:a 2:b", 3000);
    posted(&l, "id-1", false);
    take(&l, 202);
    check_asks(&l); /* it may still complete */
    give(&l, "2:b", 60000);
    CHECK(strstr(body_of(posted(&l, "id-2", true)), "Weir.SinkDown") != NULL);
    take(&l, 202);
    CHECK(l.finished);
    CHECK_INT(l.exit_code, 1);
    end(&l);
}

static void init_errors_are_reported(void)
{
    struct lrig l;
    begin(&l, true);
    struct lambda *other = NULL;
    struct err err;
    CHECK_FATAL(lambda_new(&l.config, &other, &err) == 0);
    vworld_answer(&l.rig.world, HTTP_ABORTED, 0, NULL, NULL);
    l.finished = false;
    lambda_init_error(other, "Weir.ConfigInvalid", STR("no \"sinks\"\n"));
    CHECK_STR(l.rig.world.call->url, "http://127.0.0.1:9001/2018-06-01/runtime/init/error");
    CHECK(strstr(body_of(l.rig.world.call), "no \\\"sinks\\\"") != NULL);
    take(&l, 202);
    CHECK(l.finished);
    CHECK_INT(l.exit_code, 1);
    lambda_free(other);
    end(&l);
}

/* An answer cut off by memory that ran out might be taken for success: then nothing is posted. */
static void F72_no_half_answer_is_ever_posted(void)
{
    bool failed = true;
    for (uint64_t k = 1; failed && k < 400; k++) {
        struct lrig l;
        begin(&l, true);
        l.said = WEIR_FAIL;
        char *body = rig_body("1:a 2:b 3:c");
        mem_fail_at(k);
        uint64_t before = mem_calls();
        give_body(&l, body, 3000);
        for (int i = 0; i < 1000 && !l.rig.world.call && !l.finished; i++)
            vworld_run(&l.rig.world, 10);
        failed = mem_calls() - before >= k;
        mem_fail_at(0);
        mem_free(body);
        CHECK(l.finished || l.rig.world.call);
        if (l.rig.world.call) {
            const struct http_call *call = l.rig.world.call;
            const char *text = body_of(call);
            bool error = strstr(call->url, "/error") != NULL;
            CHECK(error || strstr(call->url, "/response") != NULL);
            CHECK(text[0] == '{' && text[strlen(text) - 1] == '}');
            CHECK(error || strstr(text, "\"itemIdentifier\":\"2\"") != NULL ||
                  strstr(text, "\"itemIdentifier\":\"1\"") != NULL);
        }
        end(&l);
    }
    CHECK(!failed);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"success_is_answered_and_the_next_one_asked_for",
         success_is_answered_and_the_next_one_asked_for},
        {"F21_a_partial_answer_names_the_lowest_unfinished",
         F21_a_partial_answer_names_the_lowest_unfinished},
        {"F20_without_partial_answers_any_failure_fails_the_invocation",
         F20_without_partial_answers_any_failure_fails_the_invocation},
        {"failures_that_can_not_be_folded_fail_the_invocation",
         failures_that_can_not_be_folded_fail_the_invocation},
        {"events_that_can_not_be_read_are_errors", events_that_can_not_be_read_are_errors},
        {"an_event_above_the_decoders_limit_is_an_error",
         an_event_above_the_decoders_limit_is_an_error},
        {"a_loop_is_refused", a_loop_is_refused},
        {"F23_the_margin_is_500_ms_or_a_tenth", F23_the_margin_is_500_ms_or_a_tenth},
        {"without_a_deadline_header_it_waits_for_the_sinks",
         without_a_deadline_header_it_waits_for_the_sinks},
        {"an_unusable_next_ends_the_process", an_unusable_next_ends_the_process},
        {"a_refused_answer_goes_on_a_broken_api_ends", a_refused_answer_goes_on_a_broken_api_ends},
        {"pooled_connections_are_dropped_after_a_thaw",
         pooled_connections_are_dropped_after_a_thaw},
        {"an_invocation_is_summed_up_before_its_answer",
         an_invocation_is_summed_up_before_its_answer},
        {"F62_an_environment_with_a_plugin_that_hangs_ends",
         F62_an_environment_with_a_plugin_that_hangs_ends},
        {"init_errors_are_reported", init_errors_are_reported},
        {"F72_no_half_answer_is_ever_posted", F72_no_half_answer_is_ever_posted},
        {NULL, NULL}};
    return unit_main(argc, argv, "source, lambda", tests);
}
