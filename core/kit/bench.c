#include "kit/bench.h"

#include "kit/hostile.h"
#include "kit/kit.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 100, TURNS = 200, THREAD_WAIT_MS = 20000 };

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static weir_test_batch *give(weir_test *test, struct hostile *hostile, uint64_t count,
                             struct buf *text)
{
    buf_reset(text);
    buf_putc(text, '[');
    for (uint64_t i = 0; i < count; i++) {
        if (i > 0)
            buf_putc(text, ',');
        hostile_ordinary(hostile, 1000, text);
    }
    buf_putc(text, ']');
    if (text->failed)
        kit_out_of_memory();
    return weir_test_give_bytes(test, text->ptr, text->len);
}

/* Answers and waits until the batch is done. False when it does not end. */
static bool finish(weir_test *test, weir_test_batch *batch)
{
    int64_t since_ns = kit_real_ns();
    for (int turn = 0; turn < TURNS && batch->batch; turn++) {
        while (kit_open_calls(test))
            weir_test_answer(test, 200, "{}");
        if (batch->batch && kit_world_timer(&test->world, test->world.now_ms + 1000))
            weir_test_settle(test);
    }
    if (batch->batch)
        weir_test_wait(batch, THREAD_WAIT_MS);
    test->busy_ns += kit_real_ns() - since_ns;
    return batch->batch == NULL;
}

static int run_batches(weir_test *test, const struct bench_request *request, double *costs,
                       struct bench_result *out, struct err *err)
{
    struct buf text;
    struct hostile hostile = {.state = request->seed,
                              .names = test->instance->subscription.attributes,
                              .key = "product_id"}; /* as the bundled sinks expect it */
    int rc = 0;
    uint64_t number = 0;
    buf_init(&text, KIT_TEXT_BYTES_MAX);
    for (uint64_t left = request->records; left > 0 && rc == 0;) {
        uint64_t count = left < BATCH ? left : BATCH, given = test->given;
        int64_t busy_ns = test->busy_ns;
        weir_test_batch *batch = give(test, &hostile, count, &text);
        if (!finish(test, batch))
            rc = err_set(err, -ETIMEDOUT, "%zu records were not completed", kit_open_records(test));
        uint64_t went = test->given - given;
        costs[number++] = went ? (double)(test->busy_ns - busy_ns) / (double)went : 0;
        out->not_ok += went - weir_test_outcomes(batch, WEIR_OK);
        out->calls += weir_test_calls(test);
        kit_forget(test);
        left -= count;
    }
    buf_done(&text);
    if (rc < 0)
        return rc;
    qsort(costs, number, sizeof *costs, by_size);
    out->records = request->records;
    out->given = test->given;
    out->total_ns = test->busy_ns;
    out->p50_ns = costs[number / 2];
    out->p99_ns = costs[number * 99 / 100];
    return 0;
}

int bench_run(const struct bench_request *request, struct bench_result *out, struct err *err)
{
    *out = (struct bench_result){0};
    double *costs = mem_zalloc(request->records / BATCH + 2, sizeof *costs);
    if (!costs)
        return err_set(err, -ENOMEM, "out of memory");
    weir_test *test = weir_test_open(request->plugin, request->options);
    const char *refused = weir_test_refused(test);
    int rc = 0;
    test->quiet = true;
    if (refused)
        rc = err_set(err, -EINVAL, "%.*s", (int)strcspn(refused, "\n"), refused);
    else
        rc = run_batches(test, request, costs, out, err);
    if (rc == 0) {
        snprintf(out->name, sizeof out->name, "%s", test->plugin.desc.name);
        weir_test_flush(test, 1000);
    }
    mem_free(costs);
    kit_close(test);
    return rc;
}
