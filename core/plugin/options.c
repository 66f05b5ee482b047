#include "plugin/options.h"

#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { OPTIONS_MAX = 200, CHOICES_MAX = 64 };

/* ---- units ---- */

struct unit {
    const char *name;
    int64_t factor;
};

static bool digits_parse(weir_str text, size_t *at, int64_t *out)
{
    int64_t value = 0;
    size_t start = *at;
    for (; *at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9'; (*at)++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text.ptr[*at] - '0', &value))
            return false;
    *out = value;
    return *at > start;
}

static bool unit_parse(weir_str text, const struct unit *units, int64_t *out)
{
    int64_t value;
    size_t at = 0;
    if (!digits_parse(text, &at, &value))
        return false;
    for (; units->name; units++)
        if (str_is((weir_str){text.ptr + at, text.len - at}, units->name))
            return !__builtin_mul_overflow(value, units->factor, out);
    return false;
}

bool duration_parse(weir_str text, int64_t *out_ms)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};
    return unit_parse(text, units, out_ms);
}

bool size_parse(weir_str text, int64_t *out_bytes)
{
    static const struct unit units[] = {
        {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};
    return unit_parse(text, units, out_bytes);
}

/* A string that was interpolated is still a string: "12" for a number, "true" for a boolean. */
static bool integer_parse(weir_str text, int64_t *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t at = negative;
    int64_t value;
    if (!digits_parse(text, &at, &value) || at != text.len)
        return false;
    *out = negative ? -value : value;
    return true;
}

/* ---- problems ---- */

__attribute__((format(printf, 3, 4))) static void say(char *out, size_t room, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, room, format, args);
    va_end(args);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
}

static const char *type_wanted(int32_t type)
{
    static const char *const names[] = {
        [WEIR_O_STRING] = "a string",         [WEIR_O_INT] = "a whole number",
        [WEIR_O_BOOL] = "true or false",      [WEIR_O_DURATION_MS] = "a duration",
        [WEIR_O_ENUM] = "one of its choices", [WEIR_O_JSON] = "a JSON value",
        [WEIR_O_SIZE_BYTES] = "a size",       [WEIR_O_PATH] = "a path"};
    return names[type];
}

static void say_got(const struct json_value *value, bool secret, char *out, size_t room)
{
    static const char *const kinds[] = {
        [JSON_NONE] = "nothing",   [JSON_NULL] = "null",       [JSON_FALSE] = "false",
        [JSON_TRUE] = "true",      [JSON_NUMBER] = "a number", [JSON_STRING] = "a string",
        [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object"};
    int len = value->text.len > 40 ? 40 : (int)value->text.len;
    if (value->kind == JSON_NUMBER && !secret)
        say(out, room, "the number %.*s", len, value->text.ptr);
    else if (value->kind == JSON_STRING && !secret)
        say(out, room, "the string \"%.*s\"", len, value->text.ptr);
    else
        say(out, room, "%s", kinds[value->kind]);
}

static void say_help(const weir_option *option, const struct json_value *value, char *out,
                     size_t room)
{
    bool number =
        value->kind == JSON_NUMBER && !(option->flags & WEIR_O_SECRET) && value->text.len < 19;
    int len = number ? (int)value->text.len : 1;
    const char *digits = number ? value->text.ptr : "5";
    if (option->type == WEIR_O_DURATION_MS)
        say(out, room, "write \"%.*ss\" or \"%.*sms\"", len, digits, len, digits);
    else if (option->type == WEIR_O_SIZE_BYTES)
        say(out, room, "write \"%.*sKiB\" or \"%.*sMiB\"", len, digits, len, digits);
    else if (option->type == WEIR_O_ENUM)
        say(out, room, "write one of: %s", option->choices);
    else
        say(out, room, "%s", option->help ? option->help : "");
}

static int wrong_type(const weir_option *option, const struct json_value *value,
                      struct option_problem *problem)
{
    char got[80];
    say_got(value, option->flags & WEIR_O_SECRET, got, sizeof got);
    *problem = (struct option_problem){.at = value, .code = "W0107"};
    say(problem->msg, sizeof problem->msg, "\"%s\" wants %s, got %s", option->name,
        type_wanted(option->type), got);
    say_help(option, value, problem->help, sizeof problem->help);
    return -EINVAL;
}

/* ---- conversion ---- */

static int set_text(weir_str text, struct option_value *out)
{
    out->text = mem_dup0(text.ptr, text.len);
    out->text_bytes = text.len;
    return out->text ? 0 : -ENOMEM;
}

static int convert_string(const weir_option *option, const struct json_value *value,
                          struct option_value *out, struct option_problem *problem)
{
    if (value->kind != JSON_STRING)
        return wrong_type(option, value, problem);
    if (value->text.len > 0 && memchr(value->text.ptr, 0, value->text.len)) {
        *problem = (struct option_problem){.at = value, .code = "W0105"};
        say(problem->msg, sizeof problem->msg, "\"%s\" may not hold U+0000", option->name);
        return -EINVAL;
    }
    return set_text(value->text, out);
}

/* The index of `word` in "a|b|c", or -1. */
static int choice_index(const char *choices, weir_str word)
{
    int index = 0;
    for (const char *at = choices;; index++) {
        size_t len = strcspn(at, "|");
        if (str_eq((weir_str){at, len}, word))
            return index;
        if (at[len] == '\0')
            return -1;
        at += len + 1;
    }
}

static const char *nearest_choice(weir_str word, char *copy)
{
    const char *names[CHOICES_MAX + 1] = {0};
    for (size_t count = 0; copy && count < CHOICES_MAX; count++) {
        char *bar = strchr(copy, '|');
        names[count] = copy;
        copy = bar ? bar + 1 : NULL;
        if (bar)
            *bar = '\0';
    }
    return nearest_name(word, names);
}

static int wrong_choice(const weir_option *option, const struct json_value *value,
                        struct option_problem *problem)
{
    char *copy = mem_dup0(option->choices, strlen(option->choices));
    if (!copy)
        return -ENOMEM;
    const char *nearest = nearest_choice(value->text, copy);
    bool secret = option->flags & WEIR_O_SECRET;
    int len = value->text.len > 60 ? 60 : (int)value->text.len;
    *problem = (struct option_problem){.at = value, .code = "W0105"};
    if (secret)
        say(problem->msg, sizeof problem->msg, "\"%s\" can't have this value", option->name);
    else
        say(problem->msg, sizeof problem->msg, "\"%s\" can't be \"%.*s\"", option->name, len,
            value->text.ptr);
    if (nearest && !secret)
        say(problem->help, sizeof problem->help, "did you mean \"%s\"? The choices are %s", nearest,
            option->choices);
    else
        say(problem->help, sizeof problem->help, "the choices are %s", option->choices);
    mem_free(copy);
    return -EINVAL;
}

static int convert_enum(const weir_option *option, const struct json_value *value,
                        struct option_value *out, struct option_problem *problem)
{
    if (value->kind != JSON_STRING)
        return wrong_type(option, value, problem);
    int index = choice_index(option->choices, value->text);
    if (index < 0)
        return wrong_choice(option, value, problem);
    out->number = index;
    return set_text(value->text, out);
}

static int convert_number(const weir_option *option, const struct json_value *value,
                          struct option_value *out, struct option_problem *problem)
{
    bool text = value->kind == JSON_STRING, good = false;
    if (option->type == WEIR_O_INT) {
        good = text ? integer_parse(value->text, &out->number)
                    : value->kind == JSON_NUMBER && json_i64(value, &out->number) == 0;
    } else if (option->type == WEIR_O_BOOL) {
        out->number = value->kind == JSON_TRUE || (text && str_is(value->text, "true"));
        good = out->number || value->kind == JSON_FALSE || (text && str_is(value->text, "false"));
    } else if (option->type == WEIR_O_DURATION_MS) {
        good = text && duration_parse(value->text, &out->number);
    } else if (option->type == WEIR_O_SIZE_BYTES) {
        good = text && size_parse(value->text, &out->number);
    }
    return good ? 0 : wrong_type(option, value, problem);
}

static int convert_json(const struct json_value *value, struct option_value *out)
{
    struct buf text;
    buf_init(&text, 16 << 20);
    int rc = option_json_write(value, &text);
    if (rc == 0)
        rc = set_text(buf_str(&text), out);
    buf_done(&text);
    return rc < 0 ? -ENOMEM : 0;
}

int option_convert(const weir_option *option, const struct json_value *value,
                   struct option_value *out, struct option_problem *problem)
{
    struct option_value made = {.set = true};
    int rc;
    if (option->type == WEIR_O_STRING || option->type == WEIR_O_PATH)
        rc = convert_string(option, value, &made, problem);
    else if (option->type == WEIR_O_ENUM)
        rc = convert_enum(option, value, &made, problem);
    else if (option->type == WEIR_O_JSON)
        rc = convert_json(value, &made);
    else
        rc = convert_number(option, value, &made, problem);
    if (rc == 0)
        *out = made;
    return rc;
}

/* ---- the table itself ---- */

static bool fallback_fits(const weir_option *option)
{
    struct arena arena;
    struct json_error error;
    struct option_problem problem;
    struct option_value value = {0};
    arena_init(&arena, 512);
    const struct json_value *json = json_parse(&arena, str_of(option->fallback), 0, 0, &error);
    bool fits = json && option_convert(option, json, &value, &problem) == 0;
    mem_free(value.text);
    arena_done(&arena);
    return fits;
}

static bool choices_fit(const char *choices)
{
    size_t count = 0;
    for (const char *at = choices; at && count < CHOICES_MAX; count++) {
        size_t len = strcspn(at, "|");
        if (len == 0)
            return false;
        if (at[len] == '\0')
            return true;
        at += len + 1;
    }
    return false;
}

const char *option_fault(const weir_option *table, const weir_option *option)
{
    if (option - table >= OPTIONS_MAX)
        return "more than 200 options: the table lacks its end, an entry without a name";
    for (const weir_option *other = table; other < option; other++)
        if (strcmp(other->name, option->name) == 0)
            return "the name is there twice";
    if (option->type < WEIR_O_STRING || option->type > WEIR_O_PATH)
        return "its type is none of WEIR_O_*";
    if (option->type == WEIR_O_ENUM && !choices_fit(option->choices))
        return "an ENUM needs choices, as \"a|b|c\"";
    if ((option->flags & WEIR_O_REQUIRED) && option->fallback)
        return "it can't be required and have a fallback";
    if (option->fallback && !fallback_fits(option))
        return "its fallback is not the JSON text of a value that fits its type";
    return NULL;
}

const char *subscription_fault(const weir_subscription *subscription)
{
    if (subscription->struct_size == 0)
        return NULL;
    if (subscription->struct_size < sizeof *subscription)
        return "its subscription's struct_size is too small";
    if (subscription->events & ~(uint32_t)(WEIR_INSERT | WEIR_MODIFY | WEIR_REMOVE))
        return "its subscription names events other than WEIR_INSERT, WEIR_MODIFY, WEIR_REMOVE";
    if (subscription->images & ~(uint32_t)(WEIR_KEYS | WEIR_OLD | WEIR_NEW))
        return "its subscription names images other than WEIR_KEYS, WEIR_OLD, WEIR_NEW";
    if (subscription->changed_only && (!subscription->attributes || !subscription->attributes[0]))
        return "its subscription wants changes only, but lists no attribute";
    return NULL;
}
