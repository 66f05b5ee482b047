/* Warnings about patterns that AWS accepts and that can never match a DynamoDB record, or always
 * do. Recorded on AWS: `numeric` does not see N, which is a JSON string; `exists` sees leaves only,
 * and an attribute is an object by its type. */
#include "record/filter_impl.h"

enum { STEPS_MAX = 64 };

struct place {
    weir_str step[STEPS_MAX];
    size_t count;
    weir_str name;
};

static bool place_of_node(const struct filter *filter, int32_t node, struct place *place)
{
    size_t count = 0;
    for (int32_t at = node; at != 0; at = filter->nodes[at].parent)
        count++;
    if (count > STEPS_MAX)
        return false;
    place->count = count;
    place->name = filter->nodes[node].name;
    for (int32_t at = node; at != 0; at = filter->nodes[at].parent)
        place->step[--count] = filter->nodes[at].step;
    return true;
}

enum leaf_type { OF_NUMBERS, OF_OTHERS, NO_LEAF, NO_TYPE, BELOW_LEAF };

/* Goes down an image: name, type, and for M name, type again, for L a type again. */
static enum leaf_type type_at(const struct place *place)
{
    static const char *const leaves[] = {"S", "B", "BOOL", "NULL", "SS", "BS", NULL};
    static const char *const numbers[] = {"N", "NS", NULL};
    bool name_next = true;
    for (size_t i = 2; i < place->count; i++) {
        weir_str step = place->step[i];
        bool last = i + 1 == place->count;
        if (name_next) {
            name_next = false;
            continue;
        }
        if (str_is_one_of(step, numbers))
            return last ? OF_NUMBERS : BELOW_LEAF;
        if (str_is_one_of(step, leaves))
            return last ? OF_OTHERS : BELOW_LEAF;
        if (!str_is(step, "M") && !str_is(step, "L"))
            return NO_TYPE;
        name_next = str_is(step, "M");
    }
    return NO_LEAF;
}

/* The value that `name` has in a match expression, or NULL. */
static const struct json_value *expression(const struct json_value *value, const char *name)
{
    return value->kind == JSON_OBJECT ? json_member0(value, name) : NULL;
}

static bool holds_number(const struct json_value *value)
{
    if (value && value->kind == JSON_ARRAY)
        value = value->first;
    return value && value->kind == JSON_NUMBER;
}

static void advise_number(struct compiler *compiler, const struct place *place,
                          const struct json_value *value)
{
    static const char help[] =
        "AWS evaluates it so too; use strings such as \"100\", or match.changed";
    int len = place->name.len > 90 ? 90 : (int)place->name.len;
    if (expression(value, "numeric"))
        filter_warn(compiler, value, help, "numeric never matches %.*s: an N is a JSON string", len,
                    place->name.ptr);
    else if (value->kind == JSON_NUMBER)
        filter_warn(compiler, value, help, "a number never matches %.*s: an N is a JSON string",
                    len, place->name.ptr);
    else if (holds_number(expression(value, "anything-but")))
        filter_warn(compiler, value, help,
                    "anything-but a number always matches %.*s: an N is a JSON string", len,
                    place->name.ptr);
}

static void advise_object(struct compiler *compiler, const struct place *place,
                          const struct json_value *value)
{
    static const char help[] = "name the type below it: {\"N\": [...]} or {\"S\": [...]}";
    const struct json_value *exists = expression(value, "exists");
    int len = place->name.len > 90 ? 90 : (int)place->name.len;
    if (exists)
        filter_warn(compiler, value, help,
                    "exists sees leaves only, and %.*s is an object: %s matches", len,
                    place->name.ptr, exists->kind == JSON_TRUE ? "true never" : "false always");
    else
        filter_warn(compiler, value, help, "this never matches: %.*s is an object", len,
                    place->name.ptr);
}

void filter_advise(struct compiler *compiler, int32_t node, const struct json_value *array)
{
    static const char *const images[] = {"Keys", "NewImage", "OldImage", NULL};
    struct place place;
    if (!place_of_node(compiler->filter, node, &place) || place.count < 2 ||
        !str_is(place.step[0], "dynamodb") || !str_is_one_of(place.step[1], images))
        return;
    enum leaf_type type = type_at(&place);
    int len = place.name.len > 90 ? 90 : (int)place.name.len;
    if (type == NO_TYPE || type == BELOW_LEAF) {
        filter_warn(compiler, array, "the types are S N B BOOL NULL M L SS NS BS",
                    "this never matches: %.*s is no way through DynamoDB's types", len,
                    place.name.ptr);
        return;
    }
    for (const struct json_value *value = array->first; value; value = value->next) {
        if (type == NO_LEAF)
            advise_object(compiler, &place, value);
        else if (type == OF_NUMBERS)
            advise_number(compiler, &place, value);
    }
}
