/* The scenarios of a round. Each opens two sinks, does something to them in the order that the seed
 * says, and looks whether every record was completed, once, with an outcome. */
#include "kit/check_parts.h"
#include "kit/guard.h"

#include <stdio.h>

enum { TURNS = 40, GRACE_MS = 2000, THREADS_MS = 4000, IDLE_LOOKS = 3 };

static const char *const ANSWERS[] = {"{}", "{\"Failed\":[],\"Successful\":[]}",
                                      "{\"UnprocessedItems\":{}}", "{\"a\":[1,{\"b\":null}]}"};
static const struct {
    int32_t status;
    const char *body;
} ERRORS[] = {{400, "{\"__type\":\"x#ValidationException\",\"message\":\"no\"}"},
              {400, "{\"__type\":\"ThrottlingException\"}"},
              {400, "{\"__type\":\"AccessDeniedException\"}"},
              {400, "{\"__type\":\"ResourceNotFoundException\"}"},
              {500, "<html>"},
              {200, "{\"cut\":"},
              {200, ""},
              {413, ""},
              {WEIR_TEST_LOST, NULL},
              {WEIR_TEST_NO_CONNECTION, NULL}};

static weir_test *some_sink(struct check *check)
{
    return check->sinks[hostile_random(&check->hostile, CHECK_SINKS)];
}

static void open_sinks(struct check *check)
{
    guard_doing(check->scenario, check->request->seed);
    for (size_t i = 0; i < CHECK_SINKS; i++) {
        check->sinks[i] = weir_test_open(check->request->path, check->options);
        check->sinks[i]->guarded = true;
        if (check->sinks[i]->instance)
            guard_watch(check->sinks[i]->instance);
    }
    /* The paths that the sink asks for: what records should hold to be wanted. */
    weir_instance *instance = check->sinks[0]->instance;
    check->hostile.names = instance ? instance->subscription.attributes : NULL;
}

static void close_sinks(struct check *check)
{
    size_t first = hostile_random(&check->hostile, CHECK_SINKS);
    for (size_t i = 0; i < CHECK_SINKS; i++) {
        weir_test *test = check->sinks[(first + i) % CHECK_SINKS];
        check->records += test->given;
        check->calls += weir_test_calls(test);
        if ((first + i) % CHECK_SINKS == 0)
            check->hostile.names = NULL; /* they were its */
        kit_close(test);
    }
    check->sinks[0] = check->sinks[1] = NULL;
}

static weir_test_batch *give(struct check *check, weir_test *test, size_t count, bool is_hostile)
{
    struct buf *out = &check->text;
    buf_reset(out);
    buf_puts(out, "{\"Records\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        if (is_hostile)
            hostile_record(&check->hostile, out);
        else
            hostile_ordinary(&check->hostile, 12, out);
    }
    buf_puts(out, "]}");
    if (out->failed)
        kit_out_of_memory();
    return weir_test_give_bytes(test, out->ptr, out->len);
}

static void answer(struct check *check, weir_test *test, bool with_errors)
{
    size_t i = hostile_random(&check->hostile, sizeof ERRORS / sizeof *ERRORS);
    size_t k = hostile_random(&check->hostile, sizeof ANSWERS / sizeof *ANSWERS);
    if (with_errors && hostile_random(&check->hostile, 3) > 0)
        weir_test_answer(test, ERRORS[i].status, ERRORS[i].body);
    else
        weir_test_answer(test, 200, ANSWERS[k]);
}

/* Lets a sink end what it has: answers its calls, lets time go by, waits for its threads. */
static void finish(struct check *check, weir_test *test, bool with_errors)
{
    for (int idle = 0; idle < TURNS && (kit_open_records(test) || kit_open_calls(test));) {
        size_t open = kit_open_records(test);
        while (kit_open_calls(test))
            answer(check, test, with_errors);
        weir_test_advance(test, 250);
        idle = kit_open_records(test) < open ? 0 : idle + 1;
    }
    int64_t until_ms = kit_real_ms() + THREADS_MS;
    /* Looked at several times: a list of threads misses some while others end. */
    for (int idle = 0; idle < IDLE_LOOKS && kit_open_records(test) && kit_real_ms() < until_ms;) {
        size_t open = kit_open_records(test);
        uint64_t given = test->given;
        bool threads = kit_footprint().threads > check->threads;
        weir_test_settle(test);
        check_begin(check, "waiting for %zu records (%s)", open, check->scenario);
        while (kit_open_calls(test))
            answer(check, test, with_errors);
        bool moved = kit_open_records(test) != open || test->given != given;
        idle = threads || moved ? 0 : idle + 1;
        if (moved)
            until_ms = kit_real_ms() + THREADS_MS;
        kit_world_wait(&test->world, threads ? 20 : 2);
    }
}

static void fail(struct check *check, const char *name, const char *help, const char *what)
{
    if (!check->failed)
        check_fail(check, name, help, "%s (%s, seed %llu)", what, check->scenario,
                   (unsigned long long)check->request->seed);
    check->failed = true;
}

static void look_at_promises(struct check *check, weir_test *test)
{
    char text[200];
    if (weir_test_ignored(test) > kit_bad_outcomes(test)) {
        snprintf(text, sizeof text,
                 "%llu completions were for records completed before, or not given",
                 (unsigned long long)(weir_test_ignored(test) - kit_bad_outcomes(test)));
        fail(check, "completion", "Complete each record of a delivery exactly once.", text);
    }
    if (kit_bad_outcomes(test) > 0)
        fail(check, "completion", "Use WEIR_OK, _SKIP, _RETRY, _FAIL or _DOWN.",
             "an outcome was none of WEIR_OK to WEIR_DOWN");
    if (test->order_breaches > 0)
        fail(check, "order",
             "With WEIR_P_KEEPS_ORDER a lane ends at its first record that is not OK.",
             "a record was completed OK after an earlier one of its lane that was not");
    if (test->longest_call_ms >= CHECK_BLOCKED_MS) {
        snprintf(text, sizeof text, "%s took %lld ms", test->longest_call,
                 (long long)test->longest_call_ms);
        fail(check, "blocking",
             "Use weir.work/1 or a thread for what waits; all sinks stand still.", text);
    }
}

/* What follows in a lane comes in a delivery of its own, so it takes several turns. */
static void revoke(struct check *check, weir_test *test)
{
    for (weir_test_batch *batch = test->batches; batch; batch = batch->next)
        weir_test_cancel(batch);
    weir_test_advance(test, GRACE_MS);
    finish(check, test, false);
}

/* Everything must be completed by itself, or at least when it is revoked. */
static void must_finish(struct check *check, weir_test *test, bool with_errors)
{
    char text[200];
    finish(check, test, with_errors);
    size_t open = kit_open_records(test);
    if (open > 0) {
        for (int turn = 0; turn < TURNS && kit_open_records(test); turn++)
            revoke(check, test);
        bool hung = kit_open_records(test) > 0;
        snprintf(text, sizeof text, "%zu of %llu records were %s", open,
                 (unsigned long long)test->given,
                 hung ? "never completed, also not after cancel()"
                      : "completed only when their delivery was revoked");
        fail(
            check, "completion",
            "Complete every record of a delivery, also after an error; cancel() ends what is left.",
            text);
    }
    look_at_promises(check, test);
}

static void must_finish_all(struct check *check, bool with_errors)
{
    for (size_t i = 0; i < CHECK_SINKS && !check->failed; i++)
        must_finish(check, check->sinks[i], with_errors);
}

/* ---- scenarios ---- */

static void ordinary(struct check *check)
{
    for (int i = 0; i < 6; i++) {
        weir_test *test = some_sink(check);
        give(check, test, 1 + hostile_random(&check->hostile, 40), false);
        if (hostile_random(&check->hostile, 2))
            finish(check, test, false);
    }
    must_finish_all(check, false);
}

static void hostile(struct check *check)
{
    for (size_t i = 0; i < CHECK_SINKS; i++)
        give(check, check->sinks[i], 50, true);
    must_finish_all(check, false);
}

static void large(struct check *check)
{
    give(check, some_sink(check), 600, false);
    must_finish_all(check, false);
}

static void errors(struct check *check)
{
    for (int i = 0; i < 4; i++)
        give(check, some_sink(check), 12, false);
    must_finish_all(check, true);
}

static void refused(struct check *check)
{
    weir_test *test = some_sink(check);
    weir_test_refuse_call(test, -12);
    weir_test_refuse_value(test, -28);
    give(check, test, 8, false);
    must_finish_all(check, false);
}

/* Nothing is answered until the deadline has passed; then all has to end. */
static void deadline(struct check *check)
{
    char text[120];
    for (size_t i = 0; i < CHECK_SINKS && !check->failed; i++) {
        weir_test *test = check->sinks[i];
        weir_test_batch *batch = give(check, test, 20, false);
        if (hostile_random(&check->hostile, 2))
            weir_test_cancel(batch);
        weir_test_advance(test, KIT_TIMEOUT_MS + GRACE_MS);
        for (int turn = 0; turn < TURNS && kit_open_records(test); turn++)
            revoke(check, test);
        size_t open = kit_open_records(test);
        snprintf(text, sizeof text, "%zu records of a revoked delivery were not completed", open);
        if (open > 0)
            fail(check, "deadline", "cancel() ends what is open and completes the rest as RETRY.",
                 text);
        look_at_promises(check, test);
    }
}

static void flush_early(struct check *check)
{
    weir_test *test = some_sink(check);
    weir_test_flush(test, 1000); /* with nothing there */
    give(check, test, 20, false);
    weir_test_flush(test, 1000);
    weir_test_flush(test, 0);
    must_finish_all(check, false);
    weir_test_flush(test, 1000);
}

/* As at the end of a daemon whose grace is over: revoked, and closed with the rest open. */
static void close_early(struct check *check)
{
    for (size_t i = 0; i < CHECK_SINKS; i++) {
        weir_test_batch *batch = give(check, check->sinks[i], 10, false);
        if (hostile_random(&check->hostile, 2))
            weir_test_flush(check->sinks[i], 10);
        weir_test_cancel(batch);
        finish(check, check->sinks[i], false);
        look_at_promises(check, check->sinks[i]);
    }
}

static void idle(struct check *check)
{
    if (hostile_random(&check->hostile, 2))
        weir_test_flush(check->sinks[0], 0);
}

static const struct {
    const char *name;
    void (*run)(struct check *check);
} SCENARIOS[] = {{"ordinary records", ordinary},
                 {"hostile records", hostile},
                 {"a large batch", large},
                 {"errors of a service", errors},
                 {"calls refused", refused},
                 {"deadline passed", deadline},
                 {"flush with records open", flush_early},
                 {"close after cancel", close_early},
                 {"open and close", idle}};

void check_scenarios(struct check *check)
{
    for (size_t i = 0; i < sizeof SCENARIOS / sizeof *SCENARIOS && check->failures == 0; i++) {
        check->scenario = SCENARIOS[i].name;
        check->failed = false;
        check_begin(check, "%s, round %u", check->scenario, check->round);
        open_sinks(check);
        SCENARIOS[i].run(check);
        check_begin(check, "closing after %s, round %u", check->scenario, check->round);
        close_sinks(check);
    }
}
