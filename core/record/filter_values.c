/* The values that a pattern allows at one path: the grammar of event-ruler's JsonRuleCompiler. */
#include "record/filter_impl.h"

#include "util/text.h"

enum { NUMBER_DIGITS_MAX = 17 };

static bool copy_text(struct compiler *compiler, weir_str text, weir_str *out)
{
    char *copy = filter_alloc(compiler, text.len + 1, 1);
    if (!copy)
        return false;
    memcpy(copy, text.ptr ? text.ptr : "", text.len);
    *out = (weir_str){copy, text.len};
    return true;
}

static const struct json_value *need_string(struct compiler *compiler,
                                            const struct json_value *value, const char *what)
{
    if (value->kind == JSON_STRING)
        return value;
    filter_refuse(compiler, value, "%s must be a string", what);
    return NULL;
}

/* ---- strings ---- */

static bool set_folded(struct compiler *compiler, weir_str text, enum test_kind kind,
                       struct test *test)
{
    struct fold_char *folded = filter_alloc(compiler, text.len + 1, sizeof *folded);
    size_t at = 0;
    uint32_t code;
    if (!folded)
        return false;
    test->kind = (uint8_t)kind;
    test->folded = folded;
    while (at < text.len) {
        at += utf8_decode(text.ptr + at, text.len - at, &code);
        folded[test->count++] = (struct fold_char){case_lower(code), case_upper(code)};
    }
    return true;
}

/* {"prefix": "x"} and {"prefix": {"equals-ignore-case": "x"}}; suffix alike. */
static bool compile_affix(struct compiler *compiler, const struct json_value *value,
                          enum test_kind kind, enum test_kind folded, struct test *test)
{
    if (value->kind == JSON_OBJECT) {
        const struct json_value *inner = value->first;
        if (value->size != 1 || !str_is(inner->name, "equals-ignore-case"))
            return filter_refuse(compiler, value,
                                 "only \"equals-ignore-case\" can stand inside a prefix or suffix");
        return need_string(compiler, inner, "equals-ignore-case") &&
               set_folded(compiler, inner->text, folded, test);
    }
    test->kind = (uint8_t)kind;
    return need_string(compiler, value, kind == T_PREFIX ? "a prefix" : "a suffix") &&
           copy_text(compiler, value->text, &test->text);
}

/* "\*" is a star, "\\" a backslash; no other escapes, no "**". Writes the parts' text behind each
 * other to `plain`. NULL, or what is wrong. */
static const char *split_wildcard(weir_str text, char *plain, struct wild_part *parts,
                                  uint16_t *count)
{
    parts[0].text = (weir_str){plain, 0};
    *count = 1;
    for (size_t i = 0; i < text.len; i++) {
        struct wild_part *part = &parts[*count - 1];
        char c = text.ptr[i];
        if (c == '*') {
            if (i + 1 < text.len && text.ptr[i + 1] == '*')
                return "consecutive wildcard characters";
            parts[(*count)++].text = (weir_str){part->text.ptr + part->text.len, 0};
            continue;
        }
        if (c == '\\') {
            if (++i == text.len || (text.ptr[i] != '*' && text.ptr[i] != '\\'))
                return "a backslash must stand before '*' or another backslash";
            c = text.ptr[i];
        }
        plain[(size_t)(part->text.ptr - plain) + part->text.len++] = c;
    }
    return NULL;
}

static bool compile_wildcard(struct compiler *compiler, const struct json_value *value,
                             struct test *test)
{
    if (!need_string(compiler, value, "a wildcard"))
        return false;
    size_t stars = 1;
    for (size_t i = 0; i < value->text.len; i++)
        stars += value->text.ptr[i] == '*';
    char *plain = filter_alloc(compiler, value->text.len + 1, 1);
    struct wild_part *parts = filter_alloc(compiler, stars, sizeof *parts);
    if (!plain || !parts)
        return false;
    const char *wrong = split_wildcard(value->text, plain, parts, &test->count);
    if (wrong)
        return filter_refuse(compiler, value, "%s", wrong);
    for (uint16_t i = 0; i < test->count; i++) {
        parts[i].fallback = filter_alloc(compiler, parts[i].text.len + 1, sizeof(uint32_t));
        if (!parts[i].fallback)
            return false;
        wildcard_prepare(&parts[i]);
    }
    test->kind = T_WILDCARD;
    test->parts = parts;
    return true;
}

static bool compile_cidr(struct compiler *compiler, const struct json_value *value,
                         struct test *test)
{
    if (!need_string(compiler, value, "cidr"))
        return false;
    const char *wrong = address_parse_block(value->text, &test->from, &test->to);
    test->kind = T_ADDRESS;
    return !wrong || filter_refuse(compiler, value, "cidr %.*s %s", STR_ARG(value->raw), wrong);
}

/* ---- numbers ---- */

static bool number_of(const struct json_value *value, struct decimal *out)
{
    return decimal_parse(value->text, out) == 0 && out->digit_count <= NUMBER_DIGITS_MAX;
}

static bool need_number(struct compiler *compiler, const struct json_value *value,
                        struct decimal *out)
{
    if (value->kind != JSON_NUMBER)
        return filter_refuse(compiler, value, "a numeric operator needs a number behind it");
    return number_of(value, out) ||
           filter_refuse(compiler, value, "a number of more than %d digits can't be compared",
                         NUMBER_DIGITS_MAX);
}

static bool set_operator(struct compiler *compiler, const struct json_value *operator,
                         const struct json_value * number, bool second, struct test *test)
{
    weir_str text = operator->kind == JSON_STRING ? operator->text : STR_NONE;
    bool equal = str_is(text, "="), above = str_is(text, ">") || str_is(text, ">=");
    bool below = str_is(text, "<") || str_is(text, "<=");
    if (!(second ? below : equal || above || below))
        return filter_refuse(compiler, operator, second
                                                     ? "the second numeric operator must be < or <="
                                                     : "numeric operators are = < <= > >=");
    if (!number)
        return filter_refuse(compiler, operator, "a numeric operator needs a number behind it");
    if (equal || above) {
        test->has_low = true;
        test->low_open = !equal && text.len == 1;
        if (!need_number(compiler, number, &test->low))
            return false;
    }
    if (equal || below) {
        test->has_high = true;
        test->high_open = !equal && text.len == 1;
        if (!need_number(compiler, number, &test->high))
            return false;
    }
    return true;
}

/* [op, number] or [">" or ">=", low, "<" or "<=", high] */
static bool compile_numeric(struct compiler *compiler, const struct json_value *value,
                            struct test *test)
{
    if (value->kind != JSON_ARRAY || value->size == 0)
        return filter_refuse(compiler, value,
                             "numeric takes an array such as [\">\", 0, \"<=\", 5]");
    const struct json_value *item = value->first;
    test->kind = T_RANGE;
    if (!set_operator(compiler, item, item->next, false, test))
        return false;
    item = item->next->next;
    if (!item)
        return true;
    if (test->has_high)
        return filter_refuse(compiler, item, "too many elements in a numeric expression");
    if (!set_operator(compiler, item, item->next, true, test))
        return false;
    if (item->next->next)
        return filter_refuse(compiler, item->next->next,
                             "too many elements in a numeric expression");
    return decimal_cmp(&test->low, &test->high) < 0 ||
           filter_refuse(compiler, value,
                         "the bottom of a numeric range must be less than its top");
}

/* ---- anything-but ---- */

static bool compile_excluded(struct compiler *compiler, const struct json_value *value,
                             weir_str operator, struct test * test)
{
    if (str_is(operator, "prefix") || str_is(operator, "suffix")) {
        if (value->kind != JSON_STRING || value->text.len == 0)
            return filter_refuse(
                compiler, value,
                "anything-but %.6s needs a string that is not empty", operator.ptr);
        bool prefix = str_is(operator, "prefix");
        return compile_affix(compiler, value, prefix ? T_PREFIX : T_SUFFIX,
                             prefix ? T_PREFIX_FOLDED : T_SUFFIX_FOLDED, test);
    }
    if (str_is(operator, "wildcard"))
        return compile_wildcard(compiler, value, test);
    if (operator.len> 0)
        return need_string(compiler, value, "equals-ignore-case") &&
               set_folded(compiler, value->text, T_FOLDED, test);
    if (value->kind == JSON_NUMBER) {
        test->kind = T_NUMBER;
        test->comparable = true;
        return need_number(compiler, value, &test->low);
    }
    if (value->kind != JSON_STRING)
        return filter_refuse(compiler, value, "anything-but takes strings or numbers");
    test->kind = T_TEXT;
    return copy_text(compiler, value->text, &test->text);
}

static bool known_exclusion(weir_str operator)
{
    return str_is(operator, "prefix") || str_is(operator, "suffix") ||
           str_is(operator, "wildcard") || str_is(operator, "equals-ignore-case");
}

static bool compile_anything_but(struct compiler *compiler, const struct json_value *value,
                                 struct test *test)
{
    weir_str operator= STR_NONE;
    if (value->kind == JSON_OBJECT) {
        if (value->size != 1 || !known_exclusion(value->first->name))
            return filter_refuse(compiler, value,
                                 "anything-but can hold one of prefix, suffix, "
                                 "wildcard, equals-ignore-case");
        value = value->first;
        operator= value->name;
    }
    bool list = value->kind == JSON_ARRAY;
    size_t count = list ? value->size : 1;
    struct test *excluded = filter_alloc(compiler, count, sizeof *excluded);
    struct tests *none_of = filter_alloc(compiler, 1, sizeof *none_of);
    if (!excluded || !none_of)
        return false;
    if (count == 0)
        return filter_refuse(compiler, value, "anything-but needs at least one value");
    const struct json_value *item = list ? value->first : value;
    for (size_t i = 0; i < count; i++, item = item->next) {
        if (!compile_excluded(compiler, item, operator, & excluded[i]))
            return false;
        if (excluded[i].kind != excluded[0].kind)
            return filter_refuse(compiler, item, "anything-but takes strings or numbers, not both");
        if (!list)
            break;
    }
    *none_of = (struct tests){.test = excluded, .count = count, .has_value_test = true};
    test->kind = T_NONE_OF;
    test->none_of = none_of;
    return true;
}

/* ---- all of them ---- */

static bool compile_exists(struct compiler *compiler, const struct json_value *value,
                           struct test *test)
{
    test->kind = value->kind == JSON_TRUE ? T_EXISTS : T_ABSENT;
    return value->kind == JSON_TRUE || value->kind == JSON_FALSE ||
           filter_refuse(compiler, value, "exists takes true or false");
}

static bool compile_exactly(struct compiler *compiler, const struct json_value *value,
                            struct test *test)
{
    test->kind = T_TEXT;
    return need_string(compiler, value, "exactly") && copy_text(compiler, value->text, &test->text);
}

static bool compile_expression(struct compiler *compiler, const struct json_value *object,
                               struct test *test)
{
    const struct json_value *value = object->first;
    if (!value)
        return filter_refuse(compiler, object, "a match expression is empty");
    weir_str name = value->name;
    if (object->size != 1)
        return filter_refuse(compiler, object, "only one key is allowed in a match expression");
    if (str_is(name, "prefix"))
        return compile_affix(compiler, value, T_PREFIX, T_PREFIX_FOLDED, test);
    if (str_is(name, "suffix"))
        return compile_affix(compiler, value, T_SUFFIX, T_SUFFIX_FOLDED, test);
    if (str_is(name, "equals-ignore-case"))
        return need_string(compiler, value, "equals-ignore-case") &&
               set_folded(compiler, value->text, T_FOLDED, test);
    if (str_is(name, "wildcard"))
        return compile_wildcard(compiler, value, test);
    if (str_is(name, "cidr"))
        return compile_cidr(compiler, value, test);
    if (str_is(name, "numeric"))
        return compile_numeric(compiler, value, test);
    if (str_is(name, "anything-but"))
        return compile_anything_but(compiler, value, test);
    if (str_is(name, "exists"))
        return compile_exists(compiler, value, test);
    if (str_is(name, "exactly"))
        return compile_exactly(compiler, value, test);
    return filter_refuse(compiler, value, "unknown match type");
}

static bool compile_value(struct compiler *compiler, const struct json_value *value,
                          struct test *test)
{
    switch (value->kind) {
    case JSON_OBJECT:
        return compile_expression(compiler, value, test);
    case JSON_STRING:
        test->kind = address_parse(value->text, &test->from) ? T_ADDRESS : T_TEXT;
        test->to = test->from;
        return copy_text(compiler, value->text, &test->text);
    case JSON_NUMBER:
        test->kind = T_NUMBER;
        test->comparable = number_of(value, &test->low);
        return copy_text(compiler, value->text, &test->text);
    case JSON_ARRAY:
        return filter_refuse(
            compiler, value,
            "an allowed value must be a string, number, true, false, null or object");
    default:
        test->kind = T_RAW;
        return copy_text(compiler, value->text, &test->text);
    }
}

const struct tests *filter_compile_values(struct compiler *compiler, const struct json_value *array)
{
    struct tests *tests = filter_alloc(compiler, 1, sizeof *tests);
    struct test *test = filter_alloc(compiler, array->size, sizeof *test);
    if (array->size == 0)
        filter_refuse(compiler, array, "an empty array allows nothing");
    if (!tests || !test || array->size == 0)
        return NULL;
    *tests = (struct tests){.test = test, .count = array->size};
    for (const struct json_value *value = array->first; value; value = value->next, test++) {
        if (!compile_value(compiler, value, test))
            return NULL;
        if (test->kind == T_ABSENT)
            tests->may_be_absent = true;
        else
            tests->has_value_test = true;
    }
    return tests;
}
