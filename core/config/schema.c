#include "config/schema.h"

#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* Every string value may hold an interpolation; a number or boolean may be exactly one. */
#define ANY_INTERPOLATED "{\"$ref\":\"#/$defs/interpolated\"}"
#define ONE_INTERPOLATED "{\"$ref\":\"#/$defs/interpolation\"}"
#define NAME_PATTERN     "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}"

static void put_quoted(struct buf *out, const char *text)
{
    buf_put_json_string(out, str_of(text));
}

static void put_words(struct buf *out, const char *choices)
{
    for (const char *sep = "";; sep = ",", choices++) {
        size_t len = strcspn(choices, "|");
        buf_puts(out, sep);
        buf_put_json_string(out, (weir_str){choices, len});
        choices += len;
        if (!*choices)
            return;
    }
}

static void put_enum(struct buf *out, const char *choices)
{
    buf_puts(out, "{\"enum\":[");
    put_words(out, choices);
    buf_puts(out, "]}," ANY_INTERPOLATED);
}

static void put_one_of(struct buf *out, const char *choices)
{
    buf_puts(out, "\"anyOf\":[");
    put_enum(out, choices);
    buf_puts(out, "]");
}

static void put_integer(struct buf *out, const struct key *key)
{
    buf_puts(out, "\"anyOf\":[{\"type\":\"integer\"");
    if (key->min || key->max)
        buf_printf(out, ",\"minimum\":%" PRId64 ",\"maximum\":%" PRId64, key->min, key->max);
    buf_puts(out, "}," ONE_INTERPOLATED "]");
}

static void put_string(struct buf *out, const struct key *key)
{
    if (key->max)
        buf_printf(out,
                   "\"anyOf\":[{\"type\":\"string\",\"minLength\":%" PRId64
                   ",\"maxLength\":%" PRId64 "}," ANY_INTERPOLATED "]",
                   key->min, key->max);
    else
        buf_printf(out, "\"type\":\"string\",\"minLength\":%" PRId64, key->min);
}

/* An object whose member names are `choices`. */
static void put_urls(struct buf *out, const char *choices)
{
    buf_puts(out, "\"type\":\"object\",\"patternProperties\":{\"^x-\":true},"
                  "\"additionalProperties\":{\"type\":\"string\"},"
                  "\"propertyNames\":{\"anyOf\":[{\"pattern\":\"^x-\"},{\"enum\":[");
    put_words(out, choices);
    buf_puts(out, "]}]}");
}

static void put_lists(struct buf *out, const struct key *key)
{
    buf_puts(out, "\"type\":\"array\",\"minItems\":1,\"items\":");
    if (key->kind == KEY_WORDS) {
        buf_puts(out, "{\"anyOf\":[");
        put_enum(out, key->choices);
        buf_puts(out, "]}");
    } else {
        buf_puts(out, "{\"type\":\"string\",\"minLength\":1}");
    }
}

/* What stands below has a definition of its own, named as the key. */
static void put_nested(struct buf *out, const struct key *key)
{
    char ref[96];
    snprintf(ref, sizeof ref, "{\"$ref\":\"#/$defs/%s\"}", key->name);
    if (key->kind == KEY_LIST) {
        buf_printf(out, "\"type\":\"array\",\"items\":%s", ref);
    } else if (key->kind == KEY_INPUTS) {
        buf_printf(out, "\"anyOf\":[%s,{\"type\":\"array\",\"minItems\":1,\"items\":%s}]", ref,
                   ref);
    } else if (key->kind == KEY_ROUTE) {
        buf_puts(out, "\"anyOf\":[");
        put_enum(out, key->choices);
        buf_printf(out, ",%s]", ref);
    } else {
        buf_printf(out,
                   "\"type\":\"object\",\"patternProperties\":{\"^x-\":true},"
                   "\"propertyNames\":{\"pattern\":\"^(x-.*|" NAME_PATTERN
                   ")$\"},\"additionalProperties\":%s",
                   ref);
    }
}

/* `also`: more that may stand there, each behind a comma. */
static void put_pattern(struct buf *out, const char *pattern, const char *also)
{
    buf_printf(out, "\"anyOf\":[{\"type\":\"string\",\"pattern\":\"%s\"}," ANY_INTERPOLATED "%s]",
               pattern, also);
}

static void put_properties(struct buf *out, const struct key *keys);

/* An object with names of one's own: anything in it, or values of one kind. */
static void put_named(struct buf *out, const struct key *key)
{
    buf_puts(out, "\"type\":\"object\"");
    if (key->kind == KEY_OBJECT)
        return;
    buf_puts(out, ",\"patternProperties\":{\"^x-\":true},\"additionalProperties\":{");
    if (key->kind == KEY_COUNTS) {
        buf_puts(out, "\"type\":\"integer\",\"minimum\":0}");
        return;
    }
    buf_puts(out, "\"enum\":[");
    put_enum(out, key->choices);
    buf_puts(out, "]}");
}

static void put_type(struct buf *out, const struct key *key)
{
    switch (key->kind) {
    case KEY_STRING:
    case KEY_PATH:
    case KEY_URL:
    case KEY_SECRET:
        put_string(out, key);
        break;
    case KEY_NAME:
        put_pattern(out, "^" NAME_PATTERN "$", "");
        break;
    case KEY_PATHS:
    case KEY_STRINGS:
    case KEY_WORDS:
        put_lists(out, key);
        break;
    case KEY_BOOL:
        buf_puts(out, "\"anyOf\":[{\"type\":\"boolean\"}," ONE_INTERPOLATED "]");
        break;
    case KEY_AUTO:
        buf_puts(out, "\"anyOf\":[{\"enum\":[true,false,\"auto\"]}," ANY_INTERPOLATED "]");
        break;
    case KEY_INT:
        put_integer(out, key);
        break;
    case KEY_DURATION:
        put_pattern(out, "^[0-9]+(ms|s|m|h)$", "");
        break;
    case KEY_SIZE:
        put_pattern(out, "^[0-9]+(B|KiB|MiB|GiB)$", "");
        break;
    case KEY_TIME:
        put_pattern(out, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?Z$",
                    "");
        break;
    case KEY_ENUM:
    case KEY_CHOICE:
    case KEY_SWITCH:
        put_one_of(out, key->choices);
        break;
    case KEY_SECTION:
        put_properties(out, key->section);
        break;
    case KEY_URLS:
        put_urls(out, key->choices);
        break;
    case KEY_ROUTE:
    case KEY_SECTIONS:
    case KEY_LIST:
    case KEY_INPUTS:
        put_nested(out, key);
        break;
    case KEY_OBJECT:
    case KEY_COUNTS:
    case KEY_LEVELS:
        put_named(out, key);
        break;
    }
}

static void put_default(struct buf *out, const struct key *key)
{
    if (!key->fallback)
        return;
    bool bare = key->kind == KEY_INT || key->kind == KEY_BOOL;
    buf_puts(out, ",\"default\":");
    if (bare)
        buf_puts(out, key->fallback);
    else
        put_quoted(out, key->fallback);
}

/* What an object says about its members. It calls itself as deep as the tables go. */
static void put_properties(struct buf *out, const struct key *keys)
{
    bool any = false;
    buf_puts(out, "\"type\":\"object\",\"properties\":{");
    for (const struct key *key = keys; key->name; key++) {
        buf_puts(out, key == keys ? "" : ",");
        put_quoted(out, key->name);
        buf_puts(out, ":{\"description\":");
        put_quoted(out, key->help);
        buf_puts(out, ",");
        put_type(out, key);
        put_default(out, key);
        buf_puts(out, "}");
    }
    buf_puts(out, "},\"patternProperties\":{\"^x-\":true},\"additionalProperties\":false");
    for (const struct key *key = keys; key->name; key++)
        if (key->required) {
            buf_puts(out, any ? "," : ",\"required\":[");
            put_quoted(out, key->name);
            any = true;
        }
    buf_puts(out, any ? "]" : "");
}

/* ---- definitions ---- */

struct writing {
    struct buf *out;
    const weir_plugin *const *plugins;
    size_t plugin_count;
};

/* The options of a sink are those of the plugin that it names. */
static void put_choice_of_plugin(const struct writing *writing)
{
    struct buf *out = writing->out;
    buf_puts(out, ",\"allOf\":[true");
    for (size_t i = 0; i < writing->plugin_count; i++) {
        const weir_plugin *plugin = writing->plugins[i];
        bool needs = false;
        for (const weir_option *o = plugin->options; o && o->name; o++)
            needs = needs || (o->flags & WEIR_O_REQUIRED);
        buf_puts(out, ",{\"if\":{\"properties\":{\"plugin\":{\"const\":");
        put_quoted(out, plugin->name);
        buf_puts(out, "}},\"required\":[\"plugin\"]},\"then\":{\"properties\":{\"config\":"
                      "{\"$ref\":\"#/$defs/plugin.");
        buf_puts(out, plugin->name); /* a plugin's name is one of a file: the loader saw to it */
        buf_printf(out, "\"}}%s}}", needs ? ",\"required\":[\"config\"]" : "");
    }
    buf_puts(out, "]");
}

static int put_definition(void *ctx, const char *path, const struct key *key)
{
    const struct writing *writing = ctx;
    bool nested = key->kind == KEY_SECTIONS || key->kind == KEY_LIST || key->kind == KEY_INPUTS ||
                  key->kind == KEY_ROUTE;
    (void)path;
    if (!nested)
        return 0;
    buf_puts(writing->out, ",");
    put_quoted(writing->out, key->name);
    buf_puts(writing->out, ":{");
    put_properties(writing->out, key->section);
    if (key->section == sink_keys)
        put_choice_of_plugin(writing);
    buf_puts(writing->out, "}");
    return 0;
}

static void put_option_type(struct buf *out, const weir_option *option)
{
    static const char *const patterns[] = {
        [WEIR_O_INT] = "^-?[0-9]+$",
        [WEIR_O_BOOL] = "^(true|false)$",
        [WEIR_O_DURATION_MS] = "^[0-9]+(ms|s|m|h)$",
        [WEIR_O_SIZE_BYTES] = "^[0-9]+(B|KiB|MiB|GiB)$",
    };
    if (option->flags & WEIR_O_SECRET) {
        buf_puts(out, "\"anyOf\":[{\"const\":\"\"}," ANY_INTERPOLATED "]");
    } else if (option->type == WEIR_O_ENUM) {
        put_one_of(out, option->choices);
    } else if (option->type == WEIR_O_STRING || option->type == WEIR_O_PATH) {
        buf_printf(out, "\"type\":\"string\",\"minLength\":%d",
                   option->flags & WEIR_O_REQUIRED ? 1 : 0);
    } else if (option->type != WEIR_O_JSON) {
        put_pattern(out, patterns[option->type],
                    option->type == WEIR_O_INT    ? ",{\"type\":\"integer\"}"
                    : option->type == WEIR_O_BOOL ? ",{\"type\":\"boolean\"}"
                                                  : "");
    }
}

static void put_option(struct buf *out, const weir_option *option)
{
    put_quoted(out, option->name);
    buf_puts(out, ":{");
    put_option_type(out, option);
    bool any = option->type == WEIR_O_JSON && !(option->flags & WEIR_O_SECRET);
    buf_puts(out, any ? "\"description\":" : ",\"description\":");
    put_quoted(out, option->help ? option->help : "");
    if (option->fallback)
        buf_printf(out, ",\"default\":%s", option->fallback);
    buf_puts(out, "}");
}

static void put_plugin(struct buf *out, const weir_plugin *plugin)
{
    bool any = false;
    buf_printf(out, ",\"plugin.%s\":{\"description\":", plugin->name);
    put_quoted(out, plugin->summary ? plugin->summary : "");
    buf_puts(out, ",\"type\":\"object\",\"properties\":{");
    for (const weir_option *option = plugin->options; option && option->name; option++) {
        buf_puts(out, option == plugin->options ? "" : ",");
        put_option(out, option);
    }
    buf_puts(out, "},\"patternProperties\":{\"^x-\":true},\"additionalProperties\":false");
    for (const weir_option *option = plugin->options; option && option->name; option++)
        if (option->flags & WEIR_O_REQUIRED) {
            buf_puts(out, any ? "," : ",\"required\":[");
            put_quoted(out, option->name);
            any = true;
        }
    buf_puts(out, any ? "]}" : "}");
}

int schema_write(const weir_plugin *const *plugins, size_t count, struct buf *out)
{
    struct writing writing = {out, plugins, count};
    buf_puts(out, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
                  "\"title\":\"The configuration of weir\",");
    put_properties(out, config_keys);
    buf_puts(out, ",\"$defs\":{"
                  "\"interpolated\":{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"},"
                  "\"interpolation\":{\"type\":\"string\",\"pattern\":\"^\\\\$\\\\{.*\\\\}$\"}");
    keys_each(put_definition, &writing);
    for (size_t i = 0; i < count; i++)
        put_plugin(out, plugins[i]);
    buf_puts(out, "}}\n");
    return out->failed ? -ENOMEM : 0;
}
