#include "plugin/figures.h"

#include "plugin/instance.h"
#include "util/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

enum { NAME_MAX_BYTES = 48, HELP_MAX_BYTES = 200 };

struct series {
    int32_t kind;
    char name[160], label[NAME_MAX_BYTES + 1], value[NAME_MAX_BYTES + 1], help[HELP_MAX_BYTES + 1];
    size_t own_at; /* where NAME begins in `name` */
    int64_t number;
    struct histogram durations;
    int64_t told, told_ms; /* figures_since(): what was there at the last call */
};

struct figures {
    pthread_mutex_t lock; /* of the numbers, and of their count while open() makes more */
    size_t count;
    struct series list[WEIR_METRICS_MAX];
};

/* ---- made in open() ---- */

static bool is_name(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    return len > 0 && len <= NAME_MAX_BYTES && text[0] >= 'a' && text[0] <= 'z' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static bool is_value(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    return len > 0 && len <= NAME_MAX_BYTES &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

static bool is_help(const char *text)
{
    for (const char *c = text; c && *c; c++)
        if (*c < ' ' || *c > '~' || *c == '\\')
            return false;
    return text && *text && strlen(text) <= HELP_MAX_BYTES;
}

/* By what else is in Lambda's log line. */
static bool is_taken(weir_str name)
{
    static const char *const taken[] = {"service", "sink", "function_name", "function_request_id",
                                        NULL};
    return str_is_one_of(name, taken);
}

static bool is_sound(int32_t kind, const char *name, const char *label, const char *value,
                     const char *help)
{
    if (!is_name(name) || !is_help(help) || (label ? !is_name(label) || !is_value(value) : !!value))
        return false;
    if (label && (strcmp(label, "sink") == 0 || strcmp(label, "le") == 0))
        return false;
    weir_str text = str_of(name);
    if (kind == WEIR_M_COUNTER)
        return str_ends(text, STR("_total"));
    if (kind == WEIR_M_HISTOGRAM)
        return str_ends(text, STR("_seconds"));
    return kind == WEIR_M_GAUGE && !str_ends(text, STR("_total")) && !is_taken(text);
}

static struct figures *figures_of(weir_instance *instance)
{
    if (instance->figures)
        return instance->figures;
    struct figures *figures = mem_zalloc(1, sizeof *figures);
    if (figures && pthread_mutex_init(&figures->lock, NULL) != 0) {
        mem_free(figures);
        figures = NULL;
    }
    instance->figures = figures;
    return figures;
}

/* A plugin's name may hold what a metric's may not. */
static void put_name(struct series *series, const char *plugin, const char *name)
{
    size_t own_at =
        (size_t)snprintf(series->name, sizeof series->name, "weir_plugin_%.64s_", plugin);
    for (char *c = series->name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
            *c = '_';
    snprintf(series->name + own_at, sizeof series->name - own_at, "%s", name);
    series->own_at = own_at;
}

/* -EEXIST: the same series; -EINVAL: one of its name that it does not go with. */
static int compare(const struct figures *figures, const struct series *added)
{
    for (size_t i = 0; i < figures->count; i++) {
        const struct series *other = &figures->list[i];
        if (strcmp(other->name, added->name) != 0)
            continue;
        if (other->kind != added->kind || strcmp(other->label, added->label) != 0)
            return -EINVAL;
        if (strcmp(other->value, added->value) == 0)
            return -EEXIST;
    }
    return 0;
}

static int32_t make(weir_instance *instance, int32_t kind, const char *name, const char *label,
                    const char *value, const char *help)
{
    if (!instance || !instance->opening || !is_sound(kind, name, label, value, help))
        return -EINVAL;
    struct figures *figures = figures_of(instance);
    if (!figures)
        return -ENOMEM;
    if (figures->count == WEIR_METRICS_MAX)
        return -ENOSPC;
    struct series *series = &figures->list[figures->count];
    *series = (struct series){.kind = kind};
    put_name(series, instance->plugin->desc.name, name);
    snprintf(series->label, sizeof series->label, "%s", label ? label : "");
    snprintf(series->value, sizeof series->value, "%s", label ? value : "");
    snprintf(series->help, sizeof series->help, "%s", help);
    int rc = compare(figures, series);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&figures->lock); /* a thread of the plugin's may count already */
    figures->count++;
    pthread_mutex_unlock(&figures->lock);
    return (int32_t)figures->count;
}

/* ---- counted ---- */

/* Locked, or NULL. */
static struct series *take(weir_instance *instance, int32_t id, int32_t kind)
{
    struct figures *figures = instance ? instance->figures : NULL;
    if (!figures || id <= 0)
        return NULL;
    pthread_mutex_lock(&figures->lock);
    if ((size_t)id <= figures->count && figures->list[id - 1].kind == kind)
        return &figures->list[id - 1];
    pthread_mutex_unlock(&figures->lock);
    return NULL;
}

static void add(weir_instance *instance, int32_t id, uint64_t count)
{
    struct series *series = take(instance, id, WEIR_M_COUNTER);
    if (!series)
        return;
    uint64_t sum = (uint64_t)series->number + count;
    series->number = count > INT64_MAX || sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
    pthread_mutex_unlock(&instance->figures->lock);
}

static void set(weir_instance *instance, int32_t id, int64_t value)
{
    struct series *series = take(instance, id, WEIR_M_GAUGE);
    if (!series)
        return;
    series->number = value;
    pthread_mutex_unlock(&instance->figures->lock);
}

static void observe(weir_instance *instance, int32_t id, int64_t ms)
{
    struct series *series = take(instance, id, WEIR_M_HISTOGRAM);
    if (!series)
        return;
    histogram_add(&series->durations, ms);
    pthread_mutex_unlock(&instance->figures->lock);
}

const weir_metrics ext_metrics_table = {
    .revision = 1,
    .struct_size = sizeof(weir_metrics),
    .make = make,
    .add = add,
    .set = set,
    .observe = observe,
};

/* ---- read ---- */

size_t figures_count(const struct figures *figures)
{
    return figures ? figures->count : 0;
}

void figures_read(struct figures *figures, size_t i, struct figure *out)
{
    const struct series *series = &figures->list[i];
    pthread_mutex_lock(&figures->lock);
    *out = (struct figure){.kind = series->kind,
                           .name = series->name,
                           .own_name = series->name + series->own_at,
                           .label = series->label[0] ? series->label : NULL,
                           .help = series->help,
                           .value = series->value,
                           .number = series->number,
                           .durations = series->durations};
    pthread_mutex_unlock(&figures->lock);
}

int64_t figures_since(struct figures *figures, size_t i)
{
    struct series *series = &figures->list[i];
    struct figure now;
    figures_read(figures, i, &now);
    if (now.kind == WEIR_M_GAUGE)
        return now.number;
    int64_t count = now.kind == WEIR_M_COUNTER ? now.number : (int64_t)now.durations.count;
    int64_t came = count - series->told, ms = now.durations.sum_ms - series->told_ms;
    series->told = count;
    series->told_ms = now.durations.sum_ms;
    if (now.kind == WEIR_M_COUNTER)
        return came;
    return came > 0 ? ms / came : -1;
}

void figures_free(struct figures *figures)
{
    if (figures)
        pthread_mutex_destroy(&figures->lock);
    mem_free(figures);
}
