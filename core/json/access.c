#include "json/json.h"

#include "util/decimal.h"

#include <errno.h>

const struct json_value *json_member(const struct json_value *object, weir_str name)
{
    if (!object || object->kind != JSON_OBJECT)
        return NULL;
    const struct json_value *entry = object->first;
    while (entry && !str_eq(entry->name, name))
        entry = entry->next;
    return entry;
}

const struct json_value *json_member0(const struct json_value *object, const char *name)
{
    return json_member(object, str_of(name));
}

const struct json_value *json_at(const struct json_value *array, size_t index)
{
    const struct json_value *entry = array ? array->first : NULL;
    while (entry && index-- > 0)
        entry = entry->next;
    return entry;
}

weir_str json_text(const struct json_value *value, const char *name)
{
    const struct json_value *member = json_member0(value, name);
    return member && member->kind == JSON_STRING ? member->text : STR_NONE;
}

int json_i64(const struct json_value *value, int64_t *out)
{
    enum { I64_DIGITS = 19 };
    struct decimal number;
    if (!value || value->kind != JSON_NUMBER)
        return -EINVAL;
    int rc = decimal_parse(value->text, &number);
    if (rc < 0)
        return rc;
    if (number.digit_count > number.exponent)
        return number.digit_count == 0 ? (*out = 0, 0) : -EINVAL;
    if (number.exponent > I64_DIGITS)
        return -ERANGE;
    int64_t sum = 0; /* kept negative: the range below zero is the larger one */
    for (int i = 0; i < number.exponent; i++) {
        int digit = i < number.digit_count ? number.digits[i] - '0' : 0;
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_sub_overflow(sum, digit, &sum))
            return -ERANGE;
    }
    if (!number.negative && sum == INT64_MIN)
        return -ERANGE;
    *out = number.negative ? sum : -sum;
    return 0;
}

struct json_place json_place(weir_str text, size_t offset)
{
    if (offset > text.len)
        offset = text.len;
    struct json_place place = {.line = 1};
    size_t begin = 0;
    for (size_t i = 0; i < offset; i++)
        if (text.ptr[i] == '\n') {
            place.line++;
            begin = i + 1;
        }
    size_t end = offset;
    while (end < text.len && text.ptr[end] != '\n')
        end++;
    if (end > begin && end > offset && text.ptr[end - 1] == '\r')
        end--;
    place.column = (unsigned)(offset - begin) + 1;
    place.line_text = (weir_str){text.ptr ? text.ptr + begin : NULL, end - begin};
    return place;
}
