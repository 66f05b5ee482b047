#include "config/keys.h"

#include "config/endpoint.h"
#include "config/file.h"
#include "config/interpolate.h"
#include "config/tree.h"
#include "config/units.h"
#include "plugin/options.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { KNOWN_MAX = 40, SHOWN_VALUE_MAX = 60 };

void *apply_alloc(struct apply *apply, size_t count, size_t bytes)
{
    size_t size = 0;
    void *piece = NULL;
    if (!__builtin_mul_overflow(count ? count : 1, bytes, &size))
        piece = arena_alloc(&apply->config->arena, size, _Alignof(max_align_t));
    if (piece)
        memset(piece, 0, size);
    else
        apply->no_memory = true;
    return piece;
}

const char *apply_format(struct apply *apply, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *kept = arena_text(&apply->config->arena, str_of(text));
    if (!kept)
        apply->no_memory = true;
    return kept ? kept : "";
}

const char *const *split_choices(struct apply *apply, const char *choices)
{
    size_t count = 1;
    for (const char *c = choices; *c; c++)
        count += *c == '|';
    const char **names = apply_alloc(apply, count + 1, sizeof(char *));
    for (size_t i = 0; names && i < count; i++) {
        size_t len = strcspn(choices, "|");
        names[i] = arena_text(&apply->config->arena, (weir_str){choices, len});
        apply->no_memory = apply->no_memory || !names[i];
        choices += len + 1;
    }
    return names;
}

bool name_ok(weir_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-' || (c == '.' && i > 0);
        if (!good)
            return false;
    }
    return name.len >= 1 && name.len <= 64;
}

/* ---- reports ---- */

/* What a value is, as written: never what an interpolation made of it, which may be a secret. */
static const char *shown(struct apply *apply, const struct json_value *value)
{
    weir_str raw = value->raw;
    const char *cut = raw.len > SHOWN_VALUE_MAX ? "..." : "";
    if (raw.len > SHOWN_VALUE_MAX)
        raw.len = SHOWN_VALUE_MAX;
    switch (value->kind) {
    case JSON_NUMBER:
        return apply_format(apply, "the number %.*s%s", STR_ARG(raw), cut);
    case JSON_STRING:
        return apply_format(apply, "%.*s%s", STR_ARG(raw), cut);
    case JSON_ARRAY:
        return "a list";
    case JSON_OBJECT:
        return "an object";
    default:
        return apply_format(apply, "%.*s", STR_ARG(raw));
    }
}

void apply_wrong_type(struct apply *apply, const struct json_value *value, const char *wanted,
                      const char *help)
{
    const char *got = shown(apply, value);
    struct diag *diag;
    if (value->name.ptr)
        diag = diag_error(apply->diags, "W0107", diag_value_of(value), "\"%.*s\" wants %s, got %s",
                          STR_ARG(value->name), wanted, got);
    else
        diag = diag_error(apply->diags, "W0107", diag_value_of(value), "this must be %s, not %s",
                          wanted, got);
    if (help)
        diag_help(apply->diags, diag, "%s", help);
}

static const char *quoted_list(struct apply *apply, const char *const *names)
{
    const char *list = "";
    for (size_t i = 0; names && names[i]; i++)
        list = apply_format(apply, "%s%s\"%s\"", list, i ? ", " : "", names[i]);
    return list;
}

static void suggest(struct apply *apply, struct diag *diag, weir_str word, const char *const *names,
                    const char *otherwise)
{
    const char *near = names ? nearest_name(word, names) : NULL;
    if (near) {
        diag_help(apply->diags, diag, "did you mean \"%s\"?", near);
        diag_replace(apply->diags, diag, apply_format(apply, "\"%s\"", near));
    } else if (names && names[0]) {
        diag_help(apply->diags, diag, "%s %s.", otherwise, quoted_list(apply, names));
    }
}

void apply_unknown(struct apply *apply, const struct json_value *member, const char *where,
                   const char *const *known)
{
    struct diag *diag = diag_error(apply->diags, "W0101", diag_name_of(member),
                                   "unknown key \"%.*s\" in %s", STR_ARG(member->name), where);
    static const char *const credentials[] = {
        "access_key_id",         "secret_access_key", "session_token", "aws_access_key_id",
        "aws_secret_access_key", "aws_session_token", "credentials",   NULL};
    for (size_t i = 0; credentials[i]; i++)
        if (str_is(member->name, credentials[i])) {
            diag_hide_line(diag);
            diag_help(apply->diags, diag,
                      "credentials come from the environment, a profile or the role, "
                      "never from this file.");
            return;
        }
    suggest(apply, diag, member->name, known, "known keys:");
}

int apply_choice(struct apply *apply, const struct json_value *value, const char *choices)
{
    const char *const *names = split_choices(apply, choices);
    if (value->kind != JSON_STRING) {
        apply_wrong_type(apply, value, apply_format(apply, "one of %s", quoted_list(apply, names)),
                         NULL);
        return -1;
    }
    for (int i = 0; names && names[i]; i++)
        if (str_is(value->text, names[i]))
            return i;
    struct diag *diag =
        diag_error(apply->diags, "W0105", diag_value_of(value), "\"%.*s\" can't be %s",
                   STR_ARG(value->name), shown(apply, value));
    suggest(apply, diag, value->text, names, "it is one of");
    return -1;
}

const char *apply_string(struct apply *apply, const struct json_value *value)
{
    if (value->kind != JSON_STRING) {
        bool scalar =
            value->kind == JSON_NUMBER || value->kind == JSON_TRUE || value->kind == JSON_FALSE;
        apply_wrong_type(apply, value, "text",
                         scalar ? apply_format(apply, "write \"%.*s\".", STR_ARG(value->raw))
                                : NULL);
        return NULL;
    }
    if (memchr(value->text.ptr ? value->text.ptr : "", '\0', value->text.len)) {
        diag_error(apply->diags, "W0105", diag_value_of(value), "text may not hold U+0000");
        return NULL;
    }
    const char *text = arena_text(&apply->config->arena, value->text);
    apply->no_memory = apply->no_memory || !text;
    return text;
}

const char *const *apply_strings(struct apply *apply, const struct json_value *value)
{
    if (value->kind != JSON_ARRAY) {
        apply_wrong_type(apply, value, "a list",
                         value->kind == JSON_STRING && value->raw.len && value->raw.ptr[0] == '"'
                             ? apply_format(apply, "write [%.*s].", STR_ARG(value->raw))
                             : NULL);
        return NULL;
    }
    if (value->size == 0) {
        diag_error(apply->diags, "W0105", diag_value_of(value), "\"%.*s\" is an empty list",
                   STR_ARG(value->name));
        return NULL;
    }
    const char **list = apply_alloc(apply, (size_t)value->size + 1, sizeof(char *));
    size_t count = 0;
    for (const struct json_value *entry = value->first; entry && list; entry = entry->next) {
        const char *text = apply_string(apply, entry);
        if (text && !*text)
            diag_error(apply->diags, "W0105", diag_value_of(entry), "an empty text in \"%.*s\"",
                       STR_ARG(value->name));
        if (text)
            list[count++] = text;
    }
    return list;
}

/* ---- one value by its kind ---- */

static const char *show_bound(const struct key *key, int64_t value, char out[24])
{
    if (key->kind == KEY_DURATION)
        duration_show(value, out);
    else if (key->kind == KEY_SIZE)
        size_show(value, out);
    else
        snprintf(out, 24, "%" PRId64, value);
    return out;
}

static bool in_range(struct apply *apply, const struct key *key, const struct json_value *value,
                     int64_t number)
{
    char min[24], max[24];
    bool bounded = key->min != 0 || key->max != 0;
    if (!bounded || (number >= key->min && number <= key->max))
        return true;
    diag_error(apply->diags, "W0105", diag_value_of(value), "\"%s\" must be %s to %s, got %s",
               key->name, show_bound(key, key->min, min), show_bound(key, key->max, max),
               shown(apply, value));
    return false;
}

static const char *quantity_name(enum key_kind kind)
{
    return kind == KEY_INT        ? "a whole number"
           : kind == KEY_TIME     ? "a time"
           : kind == KEY_DURATION ? "a duration"
                                  : "a size";
}

static void wrong_quantity(struct apply *apply, const struct key *key,
                           const struct json_value *value)
{
    bool number = value->kind == JSON_NUMBER && value->raw.len < 12;
    if (interpolated_whole(value))
        apply_wrong_type(apply, value, quantity_name(key->kind), "what it stands for is none.");
    else if (key->kind == KEY_INT)
        apply_wrong_type(apply, value, "a whole number",
                         value->kind == JSON_STRING ? "write it without quotes." : NULL);
    else if (key->kind == KEY_TIME)
        apply_wrong_type(apply, value, "a time", "write it as \"2026-01-15T10:00:00Z\".");
    else if (key->kind == KEY_DURATION)
        apply_wrong_type(apply, value, "a duration",
                         number ? apply_format(apply, "write \"%.*ss\" or \"%.*sms\".",
                                               STR_ARG(value->raw), STR_ARG(value->raw))
                                : "write a whole number and one of ms, s, m, h, as in \"250ms\".");
    else
        apply_wrong_type(apply, value, "a size",
                         "write a whole number and one of B, KiB, MiB, GiB, as in \"8MiB\".");
}

static bool read_quantity(enum key_kind kind, const struct json_value *value, int64_t *out)
{
    if (kind == KEY_INT)
        return value->kind == JSON_NUMBER && json_i64(value, out) == 0;
    if (value->kind != JSON_STRING)
        return false;
    if (kind == KEY_TIME)
        return timestamp_parse(value->text, out) == 0;
    return kind == KEY_DURATION ? duration_parse(value->text, out) : size_parse(value->text, out);
}

static void set_quantity(struct apply *apply, const struct key *key, const struct json_value *value,
                         int64_t *out)
{
    int64_t number = 0;
    if (!read_quantity(key->kind, value, &number))
        wrong_quantity(apply, key, value);
    else if (in_range(apply, key, value, number) && out)
        *out = number;
}

/* A secret comes from the environment or a file (FAULTS S16). */
static bool written_out(struct apply *apply, const struct key *key, const struct json_value *value)
{
    for (size_t i = 0; i + 1 < value->raw.len; i++)
        if (value->raw.ptr[i] == '$' && value->raw.ptr[i + 1] == '{')
            return false;
    struct diag *diag = diag_error(apply->diags, "W0108", diag_value_of(value),
                                   "the secret \"%s\" is written in the config", key->name);
    diag_hide_line(diag);
    diag_help(apply->diags, diag, "write \"${NAME}\" or \"${file:PATH}\".");
    return true;
}

static void set_string(struct apply *apply, const struct key *key, const struct json_value *value,
                       const char **out)
{
    const char *text = apply_string(apply, value);
    if (!text || (key->kind == KEY_SECRET && written_out(apply, key, value)))
        return;
    int64_t len = (int64_t)strlen(text);
    if (len < key->min || (key->max && len > key->max)) {
        if (key->max)
            diag_error(apply->diags, "W0105", diag_value_of(value),
                       "\"%s\" must have %" PRId64 " characters", key->name, key->max);
        else
            diag_error(apply->diags, "W0105", diag_value_of(value), "\"%s\" is empty", key->name);
        return;
    }
    if (key->kind == KEY_PATH && *text && strcmp(text, "-") != 0)
        text = path_in(&apply->config->arena, apply->config->dir, str_of(text));
    apply->no_memory = apply->no_memory || !text;
    if (out)
        *out = text;
}

static void set_paths(struct apply *apply, const struct json_value *value, const char *const **out)
{
    const char *const *list = apply_strings(apply, value);
    if (!list)
        return;
    const char **absolute = apply_alloc(apply, (size_t)value->size + 1, sizeof(char *));
    for (size_t i = 0; absolute && list[i]; i++) {
        absolute[i] = path_in(&apply->config->arena, apply->config->dir, str_of(list[i]));
        apply->no_memory = apply->no_memory || !absolute[i];
    }
    *out = absolute;
}

static void set_bool(struct apply *apply, const struct json_value *value, bool *out)
{
    bool text =
        value->kind == JSON_STRING && (str_is(value->text, "true") || str_is(value->text, "false"));
    if (value->kind != JSON_TRUE && value->kind != JSON_FALSE)
        apply_wrong_type(apply, value, "true or false", text ? "write it without quotes." : NULL);
    else if (out)
        *out = value->kind == JSON_TRUE;
}

static void set_word(struct apply *apply, const char *choices, int choice, const char **out)
{
    const char *const *words = split_choices(apply, choices);
    if (words)
        *out = words[choice];
}

static void set_choice(struct apply *apply, const struct key *key, const struct json_value *value,
                       void *out)
{
    int choice = apply_choice(apply, value, key->choices);
    if (choice < 0 || !out)
        return;
    if (key->kind == KEY_ENUM)
        *(int *)out = choice + 1;
    else if (key->kind == KEY_SWITCH)
        *(bool *)out = choice == 1;
    else
        set_word(apply, key->choices, choice, out);
}

static void set_value(struct apply *apply, const struct key *key, const struct json_value *value,
                      const char *where, char *base)
{
    void *out = key->offset == KEY_NOWHERE ? NULL : base + key->offset;
    if (key->kind == KEY_INT || key->kind == KEY_BOOL)
        value = interpolated_scalar(&apply->config->arena, value);
    if (key->special) {
        key->special(apply, key, value, where, base);
        return;
    }
    switch (key->kind) {
    case KEY_STRING:
    case KEY_PATH:
    case KEY_SECRET:
    case KEY_URL: /* checked by the rules, when allow_http is known */
        set_string(apply, key, value, out);
        break;
    case KEY_PATHS:
        set_paths(apply, value, out);
        break;
    case KEY_STRINGS: {
        const char *const *list = apply_strings(apply, value);
        if (out)
            *(const char *const **)out = list;
        break;
    }
    case KEY_BOOL:
        set_bool(apply, value, out);
        break;
    case KEY_INT:
    case KEY_DURATION:
    case KEY_SIZE:
    case KEY_TIME:
        set_quantity(apply, key, value, out);
        break;
    case KEY_ENUM:
    case KEY_CHOICE:
    case KEY_SWITCH:
        set_choice(apply, key, value, out);
        break;
    case KEY_OBJECT:
        if (value->kind != JSON_OBJECT)
            apply_wrong_type(apply, value, "an object", NULL);
        else if (out)
            *(const struct json_value **)out = value;
        break;
    default: /* a section, or one without its special, which the tables' test finds */
        break;
    }
}

/* ---- a section ---- */

/* Defaults go the same way as what was written, so that they can't differ from it. */
static void set_fallback(struct apply *apply, const struct key *key, const char *where, char *base)
{
    if (!key->fallback)
        return;
    weir_str text = str_of(key->fallback);
    struct json_value value = {
        .kind = JSON_STRING, .raw = text, .text = text, .name = str_of(key->name)};
    if (key->kind == KEY_INT)
        value.kind = JSON_NUMBER;
    else if (key->kind == KEY_BOOL)
        value.kind = str_is(text, "true") ? JSON_TRUE : JSON_FALSE;
    set_value(apply, key, &value, where, base);
}

static const struct key *find_key(const struct key *keys, weir_str name)
{
    while (keys->name && !str_is(name, keys->name))
        keys++;
    return keys->name ? keys : NULL;
}

static void refuse_unknown(struct apply *apply, const struct key *keys,
                           const struct json_value *object, const char *where)
{
    const char *known[KNOWN_MAX + 1];
    size_t count = 0;
    for (const struct key *key = keys; key->name && count < KNOWN_MAX; key++)
        known[count++] = key->name;
    known[count] = NULL;
    for (const struct json_value *member = object->first; member; member = member->next)
        if (!str_starts(member->name, STR("x-")) && !find_key(keys, member->name))
            apply_unknown(apply, member, where, known);
}

/* With `instead` it is the value that has to wait, else the key. */
void apply_later(struct apply *apply, const struct json_value *value, const char *instead)
{
    struct diag *diag = diag_warning(
        apply->diags, "W0403", instead ? diag_value_of(value) : diag_name_of(value),
        "\"%.*s\"%s%.*s is checked, but this release does not use it", STR_ARG(value->name),
        instead ? ": " : "", instead ? (int)value->raw.len : 0, instead ? value->raw.ptr : "");
    if (instead)
        diag_help(apply->diags, diag, "%s", instead);
}

static void apply_key(struct apply *apply, const struct key *key, const struct json_value *object,
                      const char *where, void *base)
{
    const struct json_value *value = object ? json_member0(object, key->name) : NULL;
    if (value && key->later)
        apply_later(apply, value, NULL);
    if (key->kind == KEY_SECTION && (value || !key->required || !object)) {
        bool is_top = apply->config->root == object;
        apply_section(apply, key->section, value,
                      is_top || !object ? key->name
                                        : apply_format(apply, "%s of %s", key->name, where),
                      base);
    } else if (value) {
        set_fallback(apply, key, where, base);
        set_value(apply, key, value, where, base);
    } else if (key->required && object) {
        struct diag *diag = diag_error(
            apply->diags, "W0102", object->name_at ? diag_name_of(object) : diag_value_of(object),
            "\"%s\" is missing in %s", key->name, where);
        diag_help(apply->diags, diag, "%s", key->help);
    } else {
        set_fallback(apply, key, where, base);
    }
}

void apply_section(struct apply *apply, const struct key *keys, const struct json_value *object,
                   const char *where, void *base)
{
    if (object && object->kind != JSON_OBJECT) {
        apply_wrong_type(apply, object, "an object", NULL);
        object = NULL;
    }
    if (object)
        refuse_unknown(apply, keys, object, where);
    for (const struct key *key = keys; key->name; key++)
        apply_key(apply, key, object, where, base);
}
