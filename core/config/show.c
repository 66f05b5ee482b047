#include "config/show.h"

#include "config/keys.h"
#include "plugin/options.h"
#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

enum { PATH_BYTES = 512, ORIGINS_MAX_BYTES = 4 << 20 };

struct showing {
    const struct config *config;
    const struct plugin_search *plugins;
    enum show_form form;
    struct buf *out, origins;
    unsigned depth;
    bool first;        /* of the object being written */
    bool opaque;       /* no table says which values are secrets */
    const char *trail; /* of the value just written: its origin, as a comment behind the comma */
    char origin[PATH_BYTES], path[PATH_BYTES];
};

/* ---- secrets and origins ---- */

static bool holds(weir_str text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (strncasecmp(text.ptr + i, word, len) == 0)
            return true;
    return false;
}

/* By how it was written: from a file, or from a variable with such a name. */
static bool looks_secret(weir_str raw)
{
    static const char *const words[] = {"SECRET",     "TOKEN", "PASSWORD", "PASSWD",
                                        "CREDENTIAL", "_KEY",  "${file:"};
    for (size_t i = 0; i < sizeof words / sizeof *words && holds(raw, "${"); i++)
        if (holds(raw, words[i]))
            return true;
    return false;
}

static void say_origin(struct showing *show, const struct json_value *value)
{
    weir_str text = show->config->text;
    const char *at = value ? value->raw.ptr : NULL;
    if (!value) {
        snprintf(show->origin, sizeof show->origin, "default");
    } else if (text.ptr && at >= text.ptr && at < text.ptr + text.len && show->config->path) {
        struct json_place place = json_place(text, (size_t)(at - text.ptr));
        snprintf(show->origin, sizeof show->origin, "%s:%u:%u", show->config->path, place.line,
                 place.column);
    } else {
        snprintf(show->origin, sizeof show->origin, "command line");
    }
    if (value && value->kind == JSON_STRING && holds(value->raw, "${")) {
        struct buf as;
        buf_init(&as, 128);
        buf_put_visible(&as, value->raw, 60);
        size_t len = strlen(show->origin);
        snprintf(show->origin + len, sizeof show->origin - len, ", %s", buf_cstr(&as));
        buf_done(&as);
    }
}

/* ---- writing ---- */

static bool commented(const struct showing *show)
{
    return show->form == SHOW_COMMENTED;
}

/* Behind a member: the comma comes only when another one does, and before the comment. */
static void end_line(struct showing *show, bool more)
{
    if (more)
        buf_putc(show->out, ',');
    if (!commented(show))
        return;
    if (show->trail) {
        buf_puts(show->out, "  // ");
        buf_put_visible(show->out, str_of(show->trail), PATH_BYTES);
    }
    buf_putc(show->out, '\n');
    show->trail = NULL;
}

static void begin_member(struct showing *show, const char *name)
{
    if (!show->first)
        end_line(show, true);
    show->first = false;
    if (commented(show))
        buf_printf(show->out, "%*s", (int)(show->depth * 2), "");
    buf_put_json_string(show->out, str_of(name));
    buf_puts(show->out, commented(show) ? ": " : ":");
}

static void begin_object(struct showing *show)
{
    buf_puts(show->out, commented(show) ? "{\n" : "{");
    show->depth++;
    show->first = true;
}

static void end_object(struct showing *show)
{
    show->depth--;
    if (!show->first)
        end_line(show, false);
    if (commented(show))
        buf_printf(show->out, "%*s", (int)(show->depth * 2), "");
    buf_putc(show->out, '}');
    show->first = false;
}

/* The path of a member below the present one; give the result back to leave(). */
static size_t enter(struct showing *show, const char *name)
{
    size_t len = strlen(show->path);
    snprintf(show->path + len, sizeof show->path - len, "%s%s", len ? "." : "", name);
    return len;
}

static void leave(struct showing *show, size_t len)
{
    show->path[len] = '\0';
}

static void note_origin(struct showing *show, const struct json_value *value)
{
    say_origin(show, value);
    if (commented(show)) {
        show->trail = show->origin;
        return;
    }
    buf_puts(&show->origins, show->origins.len ? "," : "");
    buf_put_json_string(&show->origins, str_of(show->path));
    buf_putc(&show->origins, ':');
    buf_put_json_string(&show->origins, str_of(show->origin));
}

/* Any depth of arrays and objects, each text in it judged by itself. */
static bool any_secret(const struct json_value *value, bool opaque)
{
    if (value->kind == JSON_STRING)
        return looks_secret(value->raw) || (opaque && holds(value->raw, "${"));
    return (value->kind == JSON_ARRAY || value->kind == JSON_OBJECT) && looks_secret(value->raw);
}

/* In a configuration a dollar is written "$$". */
static void put_text(struct showing *show, weir_str text)
{
    struct buf doubled;
    buf_init(&doubled, ORIGINS_MAX_BYTES);
    for (size_t i = 0; i < text.len; i++) {
        buf_putc(&doubled, text.ptr[i]);
        if (text.ptr[i] == '$' && commented(show))
            buf_putc(&doubled, '$');
    }
    buf_put_json_string(show->out, buf_str(&doubled));
    buf_done(&doubled);
}

static void put_value(struct showing *show, const struct json_value *value, bool secret)
{
    if (secret || any_secret(value, show->opaque))
        buf_puts(show->out, "\"***\"");
    else if (value->kind == JSON_STRING)
        put_text(show, value->text);
    else
        option_json_write(value, show->out);
}

/* A number or boolean that was written as one interpolation is shown as what it stands for. */
static void put_key_value(struct showing *show, const struct key *key,
                          const struct json_value *value)
{
    bool bare = (key->kind == KEY_INT || key->kind == KEY_BOOL) && value->kind == JSON_STRING;
    if (bare && !looks_secret(value->raw))
        buf_put_str(show->out, value->text);
    else
        put_value(show, value, key->kind == KEY_SECRET);
}

static void put_fallback(struct showing *show, const struct key *key)
{
    if (key->kind == KEY_INT || key->kind == KEY_BOOL)
        buf_puts(show->out, key->fallback);
    else
        buf_put_json_string(show->out, str_of(key->fallback));
}

static void member(struct showing *show, const char *name, const struct json_value *value,
                   bool secret)
{
    size_t len = enter(show, name);
    begin_member(show, name);
    put_value(show, value, secret);
    note_origin(show, value);
    leave(show, len);
}

/* ---- options of a plugin ---- */

static void put_free_options(struct showing *show, const struct json_value *options)
{
    show->opaque = true;
    for (const struct json_value *m = options ? options->first : NULL; m; m = m->next) {
        char name[65];
        snprintf(name, sizeof name, "%.*s", (int)(m->name.len < 64 ? m->name.len : 64),
                 m->name.ptr);
        member(show, name, m, false);
    }
    show->opaque = false;
}

static void put_table_options(struct showing *show, const weir_option *table,
                              const struct json_value *options)
{
    for (const weir_option *o = table; o && o->name; o++) {
        const struct json_value *value = json_member0(options, o->name);
        size_t len = enter(show, o->name);
        if (value) {
            begin_member(show, o->name);
            put_value(show, value, o->flags & WEIR_O_SECRET);
            note_origin(show, value);
        } else if (o->fallback) {
            begin_member(show, o->name);
            buf_puts(show->out, o->fallback);
            note_origin(show, NULL);
        }
        leave(show, len);
    }
}

static void put_options(struct showing *show, const struct json_value *sink)
{
    const struct json_value *named = json_member0(sink, "plugin");
    const struct json_value *options = json_member0(sink, "config");
    struct plugin *plugin = NULL;
    struct err err = {0};
    const char *name = NULL;
    for (size_t i = 0; i < show->config->sink_count; i++)
        if (show->config->sinks[i].at == sink)
            name = show->config->sinks[i].plugin;
    begin_member(show, "config");
    begin_object(show);
    if (named && name && plugin_load(name, show->plugins, &plugin, &err) == 0)
        put_table_options(show, plugin->desc.options, options);
    else
        put_free_options(show, options);
    end_object(show);
    plugin_free(plugin);
}

/* ---- keys ---- */

static void put_keys(struct showing *show, const struct key *keys, const struct json_value *object);

static void put_sinks(struct showing *show, const struct key *key, const struct json_value *sinks)
{
    begin_object(show);
    for (const struct json_value *m = sinks->first; m; m = m->next) {
        char name[65];
        if (str_starts(m->name, STR("x-")))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(m->name.len < 64 ? m->name.len : 64),
                 m->name.ptr);
        size_t len = enter(show, name);
        begin_member(show, name);
        begin_object(show);
        put_keys(show, key->section, m);
        end_object(show);
        leave(show, len);
    }
    end_object(show);
}

/* What is not written and then means nothing: without a source there are no defaults of one. */
static bool unused(const struct key *key)
{
    return key->later || strcmp(key->name, "source") == 0;
}

static void put_key(struct showing *show, const struct key *key, const struct json_value *object)
{
    const struct json_value *value = object ? json_member0(object, key->name) : NULL;
    size_t len = enter(show, key->name);
    if (!value && unused(key)) {
        leave(show, len);
        return;
    }
    if (key->section == sink_keys && value) {
        begin_member(show, key->name);
        put_sinks(show, key, value);
    } else if (key->kind == KEY_SECTION) {
        begin_member(show, key->name);
        begin_object(show);
        put_keys(show, key->section, value);
        end_object(show);
    } else if (strcmp(key->name, "config") == 0 && key->kind == KEY_OBJECT) {
        put_options(show, object);
    } else if (value) {
        begin_member(show, key->name);
        put_key_value(show, key, value);
        note_origin(show, value);
    } else if (key->fallback) {
        begin_member(show, key->name);
        put_fallback(show, key);
        note_origin(show, NULL);
    }
    leave(show, len);
}

/* It calls itself as deep as the tables go. */
static void put_keys(struct showing *show, const struct key *keys, const struct json_value *object)
{
    for (const struct key *key = keys; key->name; key++)
        put_key(show, key, object);
}

int config_show(const struct config *config, const struct plugin_search *plugins,
                enum show_form form, struct buf *out)
{
    struct showing show = {.config = config, .plugins = plugins, .form = form, .out = out};
    buf_init(&show.origins, ORIGINS_MAX_BYTES);
    if (form == SHOW_JSON)
        buf_puts(out, "{\"config\":");
    begin_object(&show);
    put_keys(&show, config_keys, config->root);
    end_object(&show);
    if (form == SHOW_JSON) {
        buf_puts(out, ",\"origins\":{");
        buf_put_str(out, buf_str(&show.origins));
        buf_puts(out, "}}");
    }
    buf_putc(out, '\n');
    bool failed = show.origins.failed;
    buf_done(&show.origins);
    return out->failed || failed ? -ENOMEM : 0;
}
