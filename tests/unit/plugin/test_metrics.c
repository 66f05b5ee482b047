/* weir.metrics/1: what can be made, by whom, and what is counted; also from many threads. */
#include "support.h"

#include "plugin/figures.h"
#include "plugin/host.h"
#include "util/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

/* A sink that is being opened. */
static weir_instance *opening(struct rig *rig)
{
    rig_init(rig, "good", NULL);
    rig->instance->opening = true;
    return rig->instance;
}

static int32_t counter(weir_instance *instance, const char *name, const char *label,
                       const char *value)
{
    return ext_metrics_table.make(instance, WEIR_M_COUNTER, name, label, value, "Help.");
}

static void the_table_is_the_hosts(void)
{
    struct rig rig;
    const weir_metrics *table = host_table.extension(opening(&rig), WEIR_EXT_METRICS);
    CHECK(table == &ext_metrics_table);
    CHECK_INT(table->revision, 1);
    CHECK_INT(table->struct_size, sizeof *table);
    rig_done(&rig);
}

static void each_kind_counts_in_its_way(void)
{
    struct rig rig;
    weir_instance *instance = opening(&rig);
    const weir_metrics *m = &ext_metrics_table;
    struct figure figure;
    int32_t total = counter(instance, "x_total", NULL, NULL);
    int32_t gauge = m->make(instance, WEIR_M_GAUGE, "open_files", NULL, NULL, "Files.");
    int32_t took = m->make(instance, WEIR_M_HISTOGRAM, "took_seconds", "why", "a.B-1", "Time.");
    CHECK(total == 1 && gauge == 2 && took == 3);
    instance->opening = false;
    m->add(instance, total, 2);
    m->add(instance, total, 3);
    m->set(instance, gauge, -7);
    m->observe(instance, took, 40);
    m->observe(instance, took, 60);
    CHECK_INT(figures_count(instance->figures), 3);
    figures_read(instance->figures, 0, &figure);
    CHECK_INT(figure.number, 5);
    CHECK_STR(figure.name, "weir_plugin_good_x_total");
    CHECK_STR(figure.own_name, "x_total");
    CHECK(!figure.label);
    figures_read(instance->figures, 1, &figure);
    CHECK_INT(figure.number, -7);
    figures_read(instance->figures, 2, &figure);
    CHECK_INT(figure.durations.count, 2);
    CHECK_INT(figure.durations.sum_ms, 100);
    CHECK_STR(figure.label, "why");
    CHECK_STR(figure.value, "a.B-1");

    CHECK_INT(figures_since(instance->figures, 0), 5);
    m->add(instance, total, 1);
    CHECK_INT(figures_since(instance->figures, 0), 1);
    CHECK_INT(figures_since(instance->figures, 0), 0);
    CHECK_INT(figures_since(instance->figures, 1), -7);
    CHECK_INT(figures_since(instance->figures, 2), 50);
    CHECK_INT(figures_since(instance->figures, 2), -1);
    m->add(instance, total, UINT64_MAX);
    m->add(instance, total, UINT64_MAX);
    figures_read(instance->figures, 0, &figure);
    CHECK(figure.number == INT64_MAX); /* a counter never goes back */
    m->observe(instance, took, INT64_MAX);
    m->observe(instance, took, INT64_MAX);
    figures_read(instance->figures, 2, &figure);
    CHECK_INT(figure.durations.count, 4);
    CHECK(figure.durations.sum_ms == INT64_MAX);
    rig_done(&rig);
}

static void names_are_those_that_prometheus_takes(void)
{
    static const struct {
        int32_t kind;
        const char *name, *label, *value, *help;
    } bad[] = {
        {WEIR_M_COUNTER, "x", NULL, NULL, "h"},
        {WEIR_M_COUNTER, "X_total", NULL, NULL, "h"},
        {WEIR_M_COUNTER, "_total", NULL, NULL, "h"},
        {WEIR_M_COUNTER, "a\n_total", NULL, NULL, "h"},
        {WEIR_M_COUNTER, "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeee_total", NULL, NULL, "h"},
        {WEIR_M_COUNTER, NULL, NULL, NULL, "h"},
        {WEIR_M_COUNTER, "x_total", "sink", "a", "h"},
        {WEIR_M_COUNTER, "x_total", "le", "a", "h"},
        {WEIR_M_COUNTER, "x_total", "L", "a", "h"},
        {WEIR_M_COUNTER, "x_total", "l", "a\"b", "h"},
        {WEIR_M_COUNTER, "x_total", "l", "", "h"},
        {WEIR_M_COUNTER, "x_total", "l", NULL, "h"},
        {WEIR_M_COUNTER, "x_total", NULL, "a", "h"},
        {WEIR_M_COUNTER, "x_total", NULL, NULL, "h\n# TYPE"},
        {WEIR_M_COUNTER, "x_total", NULL, NULL, ""},
        {WEIR_M_COUNTER, "x_total", NULL, NULL, NULL},
        {WEIR_M_GAUGE, "x_total", NULL, NULL, "h"},
        {WEIR_M_GAUGE, "sink", NULL, NULL, "h"},
        {WEIR_M_GAUGE, "service", "l", "a", "h"},
        {WEIR_M_GAUGE, "function_name", NULL, NULL, "h"},
        {WEIR_M_GAUGE, "function_request_id", NULL, NULL, "h"},
        {WEIR_M_HISTOGRAM, "x", NULL, NULL, "h"},
        {0, "x", NULL, NULL, "h"},
        {4, "x", NULL, NULL, "h"},
    };
    struct rig rig;
    weir_instance *instance = opening(&rig);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_INT(ext_metrics_table.make(instance, bad[i].kind, bad[i].name, bad[i].label,
                                         bad[i].value, bad[i].help),
                  -EINVAL);
    CHECK_INT(figures_count(instance->figures), 0);
    rig_done(&rig);
}

static void series_are_bounded_and_told_apart(void)
{
    struct rig rig;
    weir_instance *instance = opening(&rig);
    char value[8];
    CHECK_INT(counter(instance, "x_total", "l", "a"), 1);
    CHECK_INT(counter(instance, "x_total", "l", "a"), -EEXIST);
    CHECK_INT(counter(instance, "x_total", "m", "b"), -EINVAL);
    CHECK_INT(counter(instance, "x_total", NULL, NULL), -EINVAL);
    for (int i = 2; i <= WEIR_METRICS_MAX; i++) {
        snprintf(value, sizeof value, "v%d", i);
        CHECK_INT(counter(instance, "x_total", "l", value), i);
    }
    CHECK_INT(counter(instance, "x_total", "l", "more"), -ENOSPC);
    instance->opening = false;
    CHECK_INT(counter(instance, "y_total", NULL, NULL), -EINVAL); /* open() is over */
    CHECK_INT(counter(NULL, "y_total", NULL, NULL), -EINVAL);
    rig_done(&rig);
}

/* FAULTS: a plugin that counts what is not there, or in another way, changes nothing. */
static void misuse_is_ignored(void)
{
    struct rig rig;
    struct figure figure;
    weir_instance *instance = opening(&rig);
    const weir_metrics *m = &ext_metrics_table;
    m->add(instance, 1, 1); /* before there is any */
    int32_t total = counter(instance, "x_total", NULL, NULL);
    static const int32_t ids[] = {0, -1, 2, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        m->add(instance, ids[i], 1);
        m->set(instance, ids[i], 1);
        m->observe(instance, ids[i], 1);
    }
    m->set(instance, total, 9);
    m->observe(instance, total, 9);
    m->add(NULL, total, 1);
    figures_read(instance->figures, 0, &figure);
    CHECK_INT(figure.number, 0);
    rig_done(&rig);
}

static void *count_on(void *arg)
{
    for (int i = 0; i < 5000; i++) {
        ext_metrics_table.add(arg, 1, 1);
        ext_metrics_table.observe(arg, 2, i);
    }
    return NULL;
}

static void threads_lose_nothing(void)
{
    struct rig rig;
    struct figure figure;
    pthread_t threads[3];
    weir_instance *instance = opening(&rig);
    counter(instance, "x_total", NULL, NULL);
    ext_metrics_table.make(instance, WEIR_M_HISTOGRAM, "t_seconds", NULL, NULL, "T.");
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, count_on, instance), 0);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    figures_read(instance->figures, 0, &figure);
    CHECK_INT(figure.number, 15000);
    figures_read(instance->figures, 1, &figure);
    CHECK_INT(figure.durations.count, 15000);
    rig_done(&rig);
}

static void a_thread_may_count_while_open_goes_on(void)
{
    struct rig rig;
    struct figure figure;
    pthread_t thread;
    char name[32];
    weir_instance *instance = opening(&rig);
    counter(instance, "x_total", NULL, NULL);
    ext_metrics_table.make(instance, WEIR_M_HISTOGRAM, "t_seconds", NULL, NULL, "T.");
    CHECK_INT(pthread_create(&thread, NULL, count_on, instance), 0);
    for (int i = 3; i <= WEIR_METRICS_MAX; i++) {
        snprintf(name, sizeof name, "n%d_total", i);
        CHECK_INT(counter(instance, name, NULL, NULL), i);
    }
    pthread_join(thread, NULL);
    figures_read(instance->figures, 0, &figure);
    CHECK_INT(figure.number, 5000);
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"the_table_is_the_hosts", the_table_is_the_hosts},
        {"each_kind_counts_in_its_way", each_kind_counts_in_its_way},
        {"names_are_those_that_prometheus_takes", names_are_those_that_prometheus_takes},
        {"series_are_bounded_and_told_apart", series_are_bounded_and_told_apart},
        {"misuse_is_ignored", misuse_is_ignored},
        {"threads_lose_nothing", threads_lose_nothing},
        {"a_thread_may_count_while_open_goes_on", a_thread_may_count_while_open_goes_on},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin_metrics", tests);
}
