#include "kit/kit.h"

#include "util/text.h"

/* {"N":"12"} and its like: an object with one member that is named as a type is. */
static bool is_typed(const struct json_value *value)
{
    static const char *const types[] = {"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"};
    if (value->kind != JSON_OBJECT || value->size != 1)
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_is(value->first->name, types[i]))
            return true;
    return false;
}

static void put_scalar(struct buf *out, const struct json_value *value)
{
    switch (value->kind) {
    case JSON_NUMBER: /* its digits, whatever they are */
        buf_puts(out, "{\"N\":");
        buf_put_json_string(out, value->text);
        break;
    case JSON_STRING:
        buf_puts(out, "{\"S\":");
        buf_put_str(out, value->raw);
        break;
    case JSON_NULL:
        buf_puts(out, "{\"NULL\":true");
        break;
    default:
        buf_puts(out, "{\"BOOL\":");
        buf_put_str(out, value->raw);
        break;
    }
    buf_putc(out, '}');
}

struct level {
    const struct json_value *at; /* the next one to write */
    bool list;
};

/* Opens a list or a map and returns true, or writes a whole value. */
static bool put_begin(struct buf *out, const struct json_value *value)
{
    if (is_typed(value)) {
        buf_put_str(out, value->raw);
    } else if (value->kind == JSON_OBJECT || value->kind == JSON_ARRAY) {
        buf_puts(out, value->kind == JSON_ARRAY ? "{\"L\":[" : "{\"M\":{");
        return true;
    } else {
        put_scalar(out, value);
    }
    return false;
}

void kit_put_typed(struct buf *out, const struct json_value *object)
{
    struct level levels[JSON_DEPTH_MAX + 1] = {{object->first, false}};
    size_t depth = 1;
    bool first = true;
    while (depth > 0) {
        struct level *level = &levels[depth - 1];
        const struct json_value *value = level->at;
        if (!value) {
            if (--depth > 0)
                buf_puts(out, level->list ? "]}" : "}}");
            first = false;
            continue;
        }
        level->at = value->next;
        if (!first)
            buf_putc(out, ',');
        first = false;
        if (!level->list) {
            buf_put_json_string(out, value->name);
            buf_putc(out, ':');
        }
        if (put_begin(out, value)) {
            levels[depth++] = (struct level){value->first, value->kind == JSON_ARRAY};
            first = true;
        }
    }
}
