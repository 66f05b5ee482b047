#define _GNU_SOURCE /* explicit_bzero, memmem */
#include "plugin/options.h"

#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>

/* ---- JSON text of a tree ---- */

static int write_open(const struct json_value *value, bool member, struct buf *out)
{
    if (member) {
        buf_put_json_string(out, value->name);
        buf_putc(out, ':');
    }
    if (value->kind == JSON_OBJECT)
        return buf_putc(out, '{');
    if (value->kind == JSON_ARRAY)
        return buf_putc(out, '[');
    return value->kind == JSON_STRING ? buf_put_json_string(out, value->text)
                                      : buf_put_str(out, value->text);
}

int option_json_write(const struct json_value *value, struct buf *out)
{
    const struct json_value *parents[JSON_DEPTH_MAX + 1];
    struct json_value root = *value;
    size_t depth = 0;
    root.next = NULL;
    for (const struct json_value *at = &root; at;) {
        bool container = at->kind == JSON_OBJECT || at->kind == JSON_ARRAY;
        write_open(at, depth > 0 && parents[depth - 1]->kind == JSON_OBJECT, out);
        if (container && at->first && depth <= JSON_DEPTH_MAX) {
            parents[depth++] = at;
            at = at->first;
            continue;
        }
        if (container)
            buf_putc(out, at->kind == JSON_OBJECT ? '}' : ']');
        while (!at->next && depth > 0) {
            at = parents[--depth];
            buf_putc(out, at->kind == JSON_OBJECT ? '}' : ']');
        }
        if (at->next)
            buf_putc(out, ',');
        at = at->next;
    }
    return out->failed ? -ENOMEM : 0;
}

/* ---- a sink's options ---- */

struct reading {
    const char *sink;
    const struct json_value *options;
    option_problem_cb report;
    void *arg;
    unsigned problems;
};

static void report(struct reading *reading, const struct option_problem *problem)
{
    reading->problems++;
    if (reading->report)
        reading->report(reading->arg, problem);
}

static size_t table_size(const weir_option *table)
{
    size_t count = 0;
    while (table && table[count].name)
        count++;
    return count;
}

static int report_unknown(struct reading *reading, const struct option_set *set,
                          const struct json_value *member)
{
    struct option_problem problem = {.at = member, .whole_name = true, .code = "W0101"};
    struct buf all;
    const char **names = mem_zalloc(set->count + 1, sizeof *names);
    if (!names)
        return -ENOMEM;
    buf_init(&all, sizeof problem.help - 24);
    size_t i = 0;
    for (const weir_option *option = set->table; option && option->name; option++, i++) {
        names[i] = option->name;
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    int len = member->name.len > 60 ? 60 : (int)member->name.len;
    const char *nearest = nearest_name(member->name, names);
    snprintf(problem.msg, sizeof problem.msg,
             "unknown key \"%.*s\" in the config of sink \"%.60s\"", len, member->name.ptr,
             reading->sink);
    if (nearest)
        snprintf(problem.help, sizeof problem.help, "did you mean \"%.64s\"?", nearest);
    else if (set->count == 0)
        snprintf(problem.help, sizeof problem.help, "this plugin has no options");
    else
        snprintf(problem.help, sizeof problem.help, "the keys are %s%s", buf_cstr(&all),
                 all.failed ? ", ..." : "");
    report(reading, &problem);
    buf_done(&all);
    mem_free(names);
    return 0;
}

/* A secret comes from the environment or a file, never out of the config itself. */
static bool written_out(const weir_option *option, const struct json_value *value)
{
    bool scalar =
        value->kind != JSON_ARRAY && value->kind != JSON_OBJECT && value->kind != JSON_NULL;
    return (option->flags & WEIR_O_SECRET) && scalar && value->text.len > 0 &&
           !memmem(value->raw.ptr, value->raw.len, "${", 2);
}

static void report_written_out(struct reading *reading, const weir_option *option,
                               const struct json_value *value)
{
    struct option_problem problem = {.at = value, .code = "W0108"};
    snprintf(problem.msg, sizeof problem.msg,
             "the secret \"%.64s\" of sink \"%.60s\" is written in the config", option->name,
             reading->sink);
    snprintf(problem.help, sizeof problem.help, "write \"${NAME}\" or \"${file:PATH}\"");
    report(reading, &problem);
}

static int read_members(struct reading *reading, struct option_set *set)
{
    const struct json_value *member = reading->options ? reading->options->first : NULL;
    for (; member; member = member->next) {
        struct option_problem problem;
        const weir_option *option = set->table;
        while (option && option->name && !str_is(member->name, option->name))
            option++;
        int rc = 0;
        if (option && option->name) {
            struct option_value *value = &set->values[option - set->table];
            mem_free(
                value->text); /* of a duplicate: the last one wins here, the config refuses it */
            *value = (struct option_value){0};
            rc = option_convert(option, member, value, &problem);
            if (rc == -EINVAL)
                report(reading, &problem);
            else if (rc == 0 && written_out(option, member))
                report_written_out(reading, option, member);
        } else if (!str_starts(member->name, STR("x-"))) {
            rc = report_unknown(reading, set, member);
        }
        if (rc == -ENOMEM)
            return rc;
    }
    return 0;
}

static int set_fallback(const weir_option *option, struct option_value *out)
{
    struct arena arena;
    struct json_error error;
    struct option_problem problem;
    arena_init(&arena, 512);
    const struct json_value *value = json_parse(&arena, str_of(option->fallback), 0, 0, &error);
    int rc = value ? option_convert(option, value, out, &problem) : -ENOMEM;
    arena_done(&arena); /* that it fits was checked when the plugin was loaded */
    return rc;
}

static void report_missing(struct reading *reading, const weir_option *option, bool empty)
{
    const struct json_value *member = json_member0(reading->options, option->name);
    struct option_problem problem = {.at = member ? member : reading->options, .code = "W0102"};
    snprintf(problem.msg, sizeof problem.msg, "\"%.64s\" is %s in the config of sink \"%.60s\"",
             option->name, empty ? "empty" : "missing", reading->sink);
    snprintf(problem.help, sizeof problem.help, "%s",
             option->help ? option->help : "it is required");
    report(reading, &problem);
}

static int complete_set(struct reading *reading, struct option_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const weir_option *option = &set->table[i];
        struct option_value *value = &set->values[i];
        bool given = json_member0(reading->options, option->name) != NULL;
        bool text = option->type == WEIR_O_STRING || option->type == WEIR_O_PATH;
        int rc = 0;
        if (!given && option->fallback)
            rc = set_fallback(option, value);
        else if (option->flags & WEIR_O_REQUIRED &&
                 (!given || (text && value->set && !value->text_bytes)))
            report_missing(reading, option, given);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int option_set_new(const weir_option *table, const char *sink, const struct json_value *options,
                   option_problem_cb report_cb, void *arg, struct option_set **out)
{
    struct reading reading = {.sink = sink, .options = options, .report = report_cb, .arg = arg};
    size_t count = table_size(table);
    struct option_set *set = mem_zalloc(1, sizeof *set + count * sizeof set->values[0]);
    if (!set)
        return -ENOMEM;
    set->table = table;
    set->count = count;
    int rc = 0;
    if (options && options->kind != JSON_OBJECT) {
        struct option_problem problem = {.at = options, .code = "W0107"};
        snprintf(problem.msg, sizeof problem.msg, "the config of sink \"%.60s\" must be an object",
                 sink);
        report(&reading, &problem);
    } else {
        rc = read_members(&reading, set);
        if (rc == 0)
            rc = complete_set(&reading, set);
    }
    if (rc == 0 && reading.problems > 0)
        rc = -EINVAL;
    if (rc < 0)
        option_set_free(set);
    else
        *out = set;
    return rc;
}

int option_set_resolve(struct option_set *set, const char *dir)
{
    for (size_t i = 0; i < set->count; i++) {
        struct option_value *value = &set->values[i];
        if (set->table[i].type != WEIR_O_PATH || value->text_bytes == 0 || value->text[0] == '/')
            continue;
        struct buf path;
        buf_init(&path, 64 << 10);
        buf_printf(&path, "%s/%s", dir, value->text);
        char *text = path.failed ? NULL : mem_dup0(path.ptr, path.len);
        size_t bytes = path.len;
        buf_done(&path);
        if (!text)
            return -ENOMEM;
        mem_free(value->text);
        value->text = text;
        value->text_bytes = bytes;
    }
    return 0;
}

void option_set_free(struct option_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++) {
        struct option_value *value = &set->values[i];
        if (value->text && (set->table[i].flags & WEIR_O_SECRET))
            explicit_bzero(value->text, value->text_bytes);
        mem_free(value->text);
    }
    mem_free(set);
}

const struct option_value *option_find(const struct option_set *set, const char *name,
                                       const weir_option **option)
{
    for (size_t i = 0; set && i < set->count; i++) {
        if (strcmp(set->table[i].name, name) != 0)
            continue;
        if (option)
            *option = &set->table[i];
        return &set->values[i];
    }
    return NULL;
}

/* The first secret in `text`, where it starts; NULL when none is left. */
static const char *find_secret(const struct option_set *set, weir_str text, size_t *out_len)
{
    const char *first = NULL;
    for (size_t i = 0; set && i < set->count; i++) {
        const struct option_value *value = &set->values[i];
        if (!(set->table[i].flags & WEIR_O_SECRET) || !value->text_bytes || text.len == 0)
            continue;
        const char *at = memmem(text.ptr, text.len, value->text, value->text_bytes);
        if (at && (!first || at < first || (at == first && value->text_bytes > *out_len))) {
            first = at;
            *out_len = value->text_bytes;
        }
    }
    return first;
}

int option_redact(const struct option_set *set, weir_str text, struct buf *out)
{
    size_t len = 0;
    for (const char *at; (at = find_secret(set, text, &len)) != NULL;) {
        size_t before = (size_t)(at - text.ptr);
        buf_put(out, text.ptr, before);
        buf_puts(out, "***");
        text = (weir_str){at + len, text.len - before - len};
    }
    buf_put_str(out, text);
    return out->failed ? -ENOMEM : 0;
}
