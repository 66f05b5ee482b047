#include "kit/kit.h"

#include "kit/guard.h"
#include "util/alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char DEFAULT_ARN[] =
    "arn:aws:dynamodb:us-east-1:123456789012:table/Products/stream/2026-01-01T00:00:00.000";

void kit_out_of_memory(void)
{
    fprintf(stderr, "weir-test: out of memory\n");
    abort();
}

int64_t kit_real_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t kit_real_ms(void)
{
    return kit_real_ns() / 1000000;
}

void kit_called(weir_test *test, const char *function, int64_t since_ms)
{
    int64_t took_ms = kit_real_ms() - since_ms;
    if (took_ms <= test->longest_call_ms)
        return;
    test->longest_call_ms = took_ms;
    test->longest_call = function;
}

const char *kit_text(weir_test *test, weir_str text)
{
    char *copy = arena_alloc(&test->arena, text.len + 1, 1);
    if (!copy)
        kit_out_of_memory();
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

int kit_load(const char *path, weir_plugin *out, struct err *err)
{
    plugin_entry_fn entry = NULL;
    char with_folder[4096]; /* a bare name would be looked for where libraries are */
    if (!strchr(path, '/')) {
        snprintf(with_folder, sizeof with_folder, "./%s", path);
        path = with_folder;
    }
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle)
        return err_set(err, -ENOEXEC, "%s", dlerror());
    void *symbol = dlsym(handle, "weir_plugin_entry");
    dlclose(handle); /* only the count: it stays */
    if (!symbol)
        return err_set(err, -ENOEXEC, "%s: no symbol weir_plugin_entry", path);
    memcpy(&entry, &symbol, sizeof entry);
    return plugin_read_descriptor(entry, path, out, err);
}

/* ---- log and refusals ---- */

static void on_log(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    static const char *const names[] = {"?", "error", "warn", "info", "debug"};
    weir_test *test = ctx;
    (void)sink;
    if (test->quiet)
        return;
    pthread_mutex_lock(&test->log_lock);
    buf_printf(&test->log, "%s: ", names[level]);
    buf_put_str(&test->log, msg);
    buf_putc(&test->log, '\n');
    pthread_mutex_unlock(&test->log_lock);
}

static void on_problem(void *arg, const struct option_problem *problem)
{
    weir_test *test = arg;
    buf_printf(&test->refused, "%s%s%s\n", problem->msg, problem->help[0] ? "; help: " : "",
               problem->help);
}

static int refuse(weir_test *test, const char *why)
{
    buf_printf(&test->refused, "%s\n", why);
    return -EINVAL;
}

/* ---- open ---- */

/* What the sink wants, as its subscription is after open(). */
static int make_plan(weir_test *test, struct err *err)
{
    const weir_subscription *wants = &test->instance->subscription;
    test->rule = (struct match_rule){.events = wants->events, .images = wants->images};
    if (wants->struct_size == 0)
        test->rule.optional_images = WEIR_OLD | WEIR_NEW;
    if (wants->changed_only)
        test->rule.changed = wants->attributes;
    else
        test->rule.present = wants->attributes;
    test->wants = (struct match_sink){&test->rule, 1};
    return match_plan_new(&test->wants, 1, &test->plan, err);
}

static void gather_declared(weir_test *test, int32_t what)
{
    const weir_instance *sink = test->instance;
    char **list = what == WEIR_D_WRITES_TABLE ? sink->tables
                  : what == WEIR_D_IAM        ? sink->iam
                                              : NULL;
    buf_reset(&test->declared);
    for (char **at = list; at && *at; at++)
        buf_printf(&test->declared, "%s%s", at == list ? "" : ",", *at);
    if (what == WEIR_D_TARGET && sink->target)
        buf_puts(&test->declared, sink->target);
    if (what == WEIR_D_ORDER && sink->order)
        buf_puts(&test->declared, sink->order);
}

static int open_sink(weir_test *test, const weir_test_setup *setup)
{
    struct err err = {0};
    struct json_error error;
    const char *options = kit_text(test, str_of(setup->options ? setup->options : "{}"));
    const struct json_value *root =
        json_parse(&test->arena, str_of(options), JSON_COMMENTS, 0, &error);
    if (!root || root->kind != JSON_OBJECT)
        return refuse(test, root ? "the options are no JSON object" : error.msg);
    int rc = kit_load(setup->plugin, &test->plugin.desc, &err);
    if (rc < 0)
        return refuse(test, err.msg);
    struct instance_services services = {.ctx = test,
                                         .log = on_log,
                                         .world = &test->world.world,
                                         .board = &test->board,
                                         .kv = test->keeper.kv,
                                         .without = setup->without,
                                         .aws_table = &kit_aws_table};
    rc = instance_new(&test->plugin, "test", root, &services, on_problem, test, &test->instance,
                      &err);
    if (rc == 0)
        rc = make_plan(test, &err);
    if (rc < 0)
        return refuse(test, err.msg);
    const char *order = test->instance->order;
    test->whole_batches = test->plugin.desc.flags & (WEIR_P_KEEPS_ORDER | WEIR_P_ORDER_NONE) ||
                          (order && strcmp(order, "none") == 0);
    return 0;
}

static void on_completion(void *ctx, struct weir_record *entry, int32_t outcome, const char *reason,
                          bool last)
{
    struct kit_item *item = entry->item;
    weir_test_batch *batch = item->batch;
    (void)ctx;
    item->outcome = outcome;
    item->reason = reason ? mem_dup0(reason, strlen(reason)) : NULL;
    batch->open--;
    weir_test *test = batch->test;
    const struct kit_item *before = item->before;
    if (outcome == WEIR_OK && test->plugin.desc.flags & WEIR_P_KEEPS_ORDER && before &&
        before->token == item->token &&
        (before->outcome == WEIR_RETRY || before->outcome == WEIR_FAIL ||
         before->outcome == WEIR_DOWN))
        test->order_breaches++;
    if (!last)
        return;
    test->world.world.clock.disarm(&test->world, &batch->deadline);
    delivery_free(batch->delivery);
    batch->delivery = NULL;
    guard_end(batch->guard);
    batch->guard = NULL;
}

weir_test *weir_test_open_with(const weir_test_setup *given)
{
    weir_test_setup setup = {0};
    memcpy(&setup, given, given->struct_size < sizeof setup ? given->struct_size : sizeof setup);
    weir_test *test = mem_zalloc(1, sizeof *test);
    if (!test)
        kit_out_of_memory();
    arena_init(&test->arena, 1024);
    kit_world_init(&test->world);
    kit_http_init(test);
    kit_keeper_init(test, setup.values);
    pthread_mutex_init(&test->log_lock, NULL);
    buf_init(&test->log, KIT_TEXT_BYTES_MAX);
    buf_init(&test->refused, KIT_TEXT_BYTES_MAX);
    buf_init(&test->declared, KIT_TEXT_BYTES_MAX);
    buf_init(&test->scratch, KIT_TEXT_BYTES_MAX);
    if (board_init(&test->board, &test->world.world.clock) < 0)
        kit_out_of_memory();
    test->board.on_completion = on_completion;
    test->board.ctx = test;
    test->stream_arn = kit_text(test, str_of(setup.stream_arn ? setup.stream_arn : DEFAULT_ARN));
    open_sink(test, &setup);
    return test;
}

weir_test *weir_test_open(const char *plugin, const char *options)
{
    weir_test_setup setup = {.struct_size = sizeof setup, .plugin = plugin, .options = options};
    return weir_test_open_with(&setup);
}

/* ---- what it shows ---- */

const char *weir_test_refused(const weir_test *test)
{
    return test->refused.len > 0 ? test->refused.ptr : NULL;
}

const weir_plugin *weir_test_plugin(const weir_test *test)
{
    return &test->plugin.desc;
}

const char *weir_test_log(const weir_test *test)
{
    weir_test *writer = (weir_test *)(uintptr_t)test; /* only to put a NUL behind the text */
    pthread_mutex_lock(&writer->log_lock);
    const char *log = kit_text(writer, buf_str(&writer->log));
    pthread_mutex_unlock(&writer->log_lock);
    return log;
}

void weir_test_log_clear(weir_test *test)
{
    pthread_mutex_lock(&test->log_lock);
    buf_reset(&test->log);
    pthread_mutex_unlock(&test->log_lock);
}

const char *weir_test_declared(const weir_test *test, int32_t what)
{
    weir_test *writer = (weir_test *)(uintptr_t)test; /* the text is put together in it */
    if (!test->instance)
        return "";
    gather_declared(writer, what);
    return kit_text(writer, buf_str(&writer->declared));
}

uint64_t kit_bad_outcomes(const weir_test *test)
{
    return test->board.bad_outcomes;
}

uint64_t weir_test_ignored(const weir_test *test)
{
    weir_test *locked = (weir_test *)(uintptr_t)test;
    return board_ignored(&locked->board) + kit_bad_outcomes(test);
}

int64_t weir_test_metric(const weir_test *test, const char *name, const char *value)
{
    struct figures *figures = test->instance ? test->instance->figures : NULL;
    struct figure figure;
    for (size_t i = 0; i < figures_count(figures); i++) {
        figures_read(figures, i, &figure);
        if (strcmp(figure.own_name, name) == 0 && strcmp(figure.value, value ? value : "") == 0)
            return figure.kind == WEIR_M_HISTOGRAM ? (int64_t)figure.durations.count
                                                   : figure.number;
    }
    return -1;
}

int64_t weir_test_now_ms(const weir_test *test)
{
    return test->world.now_ms;
}

/* ---- the end ---- */

void weir_test_flush(weir_test *test, int64_t deadline_ms)
{
    int64_t since_ms = kit_real_ms();
    if (test->instance)
        instance_flush(test->instance, deadline_ms);
    kit_called(test, "flush()", since_ms);
    weir_test_settle(test);
}

static void batch_free(weir_test_batch *batch)
{
    if (batch->delivery) { /* never completed */
        batch->test->world.world.clock.disarm(&batch->test->world, &batch->deadline);
        delivery_free(batch->delivery);
    }
    for (size_t i = 0; i < batch->count; i++)
        mem_free(batch->items[i].reason);
    guard_end(batch->guard);
    batch_unref(batch->batch);
    mem_free(batch->items);
    mem_free(batch);
}

void kit_forget(weir_test *test)
{
    while (test->batches) {
        weir_test_batch *batch = test->batches;
        test->batches = batch->next;
        batch_free(batch);
    }
    test->last_batch = NULL;
    kit_calls_free(test);
}

void kit_close(weir_test *test)
{
    if (!test)
        return;
    bool idle = !test->instance || instance_idle(test->instance);
    instance_close(test->instance);
    while (!idle && kit_world_work(&test->world)) /* close() comes behind its work */
        ;
    board_drain(&test->board);
    kit_world_posts(&test->world);
    kit_forget(test);
    board_done(&test->board);
    kv_free(test->keeper.kv);
    match_plan_free(test->plan);
    kit_world_done(&test->world);
    pthread_mutex_destroy(&test->log_lock);
    buf_done(&test->log);
    buf_done(&test->refused);
    buf_done(&test->declared);
    buf_done(&test->scratch);
    arena_done(&test->arena);
    mem_free(test);
}

void weir_test_close(weir_test *test)
{
    char text[120];
    size_t records = test ? kit_open_records(test) : 0, calls = test ? kit_open_calls(test) : 0;
    if (records > 0) {
        snprintf(text, sizeof text, "%zu records are not completed when the sink is closed",
                 records);
        weir_test_failed("weir_test_close", 0, text);
    }
    if (calls > 0) {
        snprintf(text, sizeof text, "%zu calls are not answered when the sink is closed", calls);
        weir_test_failed("weir_test_close", 0, text);
    }
    kit_close(test);
}
