#include "config/schema.h"

#include "config/units.h"

#include <stdio.h>

enum { PATH_MAX_BYTES = 200 };

/* What stands between a key's name and the names below it. */
static const char *below(const struct key *key)
{
    return key->kind == KEY_SECTIONS                            ? ".NAME."
           : key->kind == KEY_LIST                              ? "[]."
           : key->kind == KEY_INPUTS                            ? "."
           : key->kind == KEY_ROUTE || key->kind == KEY_SECTION ? "."
                                                                : NULL;
}

/* It calls itself as deep as the tables go. */
static int each(const struct key *keys, const char *prefix, key_visit visit, void *ctx)
{
    int rc = 0;
    for (const struct key *key = keys; key->name && rc == 0; key++) {
        char path[PATH_MAX_BYTES];
        snprintf(path, sizeof path, "%s%s", prefix, key->name);
        rc = visit(ctx, path, key);
        if (rc != 0 || !below(key))
            continue;
        snprintf(path, sizeof path, "%s%s%s", prefix, key->name, below(key));
        rc = each(key->section, path, visit, ctx);
    }
    return rc;
}

int keys_each(key_visit visit, void *ctx)
{
    return each(config_keys, "", visit, ctx);
}

static void put_choices(struct buf *out, const char *choices, const char *last)
{
    while (*choices) {
        size_t len = strcspn(choices, "|");
        const char *rest = choices + len + (choices[len] == '|');
        buf_printf(out, "\"%.*s\"%s", (int)len, choices,
                   !*rest              ? ""
                   : strchr(rest, '|') ? ", "
                                       : last);
        choices = rest;
    }
}

static void put_range(const struct key *key, struct buf *out)
{
    char min[24], max[24];
    if (!key->max)
        return;
    if (key->kind == KEY_DURATION) {
        duration_show(key->min, min);
        duration_show(key->max, max);
    } else if (key->kind == KEY_SIZE) {
        size_show(key->min, min);
        size_show(key->max, max);
    } else {
        snprintf(min, sizeof min, "%lld", (long long)key->min);
        snprintf(max, sizeof max, "%lld", (long long)key->max);
    }
    buf_printf(out, ", %s to %s", min, max);
}

void key_type_text(const struct key *key, struct buf *out)
{
    static const char *const names[] = {
        [KEY_STRING] = "text",
        [KEY_PATH] = "path",
        [KEY_PATHS] = "list of paths",
        [KEY_URL] = "URL",
        [KEY_SECRET] = "text by ${...}",
        [KEY_BOOL] = "true or false",
        [KEY_INT] = "whole number",
        [KEY_DURATION] = "duration",
        [KEY_SIZE] = "size",
        [KEY_TIME] = "time",
        [KEY_STRINGS] = "list of texts",
        [KEY_SECTION] = "object",
        [KEY_OBJECT] = "object",
        [KEY_NAME] = "name",
        [KEY_AUTO] = "true, false or \"auto\"",
        [KEY_URLS] = "object: service to URL",
        [KEY_SECTIONS] = "object: name to object",
        [KEY_LIST] = "list of objects",
        [KEY_INPUTS] = "object, or a list of objects",
        [KEY_COUNTS] = "object: sink to whole number",
        [KEY_LEVELS] = "object: component to level",
    };
    if (key->kind == KEY_WORDS)
        buf_puts(out, "list of some of ");
    if (key->choices && key->kind != KEY_URLS && key->kind != KEY_LEVELS)
        put_choices(out, key->choices, key->kind == KEY_ROUTE ? ", " : " or ");
    else
        buf_puts(out, names[key->kind]);
    if (key->kind == KEY_ROUTE)
        buf_puts(out, " or an object");
    if (key->kind == KEY_INT || key->kind == KEY_DURATION || key->kind == KEY_SIZE)
        put_range(key, out);
    if (key->kind == KEY_STRING && key->max)
        buf_printf(out, " of %lld characters", (long long)key->max);
}

const char *option_type_text(const weir_option *option)
{
    static const char *const names[] = {
        [WEIR_O_STRING] = "text",        [WEIR_O_INT] = "whole number",
        [WEIR_O_BOOL] = "true or false", [WEIR_O_DURATION_MS] = "duration",
        [WEIR_O_ENUM] = "choice",        [WEIR_O_JSON] = "JSON",
        [WEIR_O_SIZE_BYTES] = "size",    [WEIR_O_PATH] = "path",
    };
    return option->type >= WEIR_O_STRING && option->type <= WEIR_O_PATH ? names[option->type] : "?";
}
