#include "config/compare.h"

#include "config/keys.h"
#include "config/tree.h"

#include <stdio.h>

/* ---- trees ---- */

static bool value_same(const struct json_value *a, const struct json_value *b)
{
    return a->kind == b->kind && a->size == b->size && str_eq(a->name, b->name) &&
           str_eq(a->text, b->text);
}

/* In the order written: members in another order count as a difference, which costs an instance
 * and no record. */
static bool tree_same(const struct json_value *a, const struct json_value *b)
{
    struct tree_walk walk_a, walk_b;
    if (!a || !b)
        return a == b;
    /* the walks only read */
    struct json_value *at_a = tree_first(&walk_a, (struct json_value *)(uintptr_t)a);
    struct json_value *at_b = tree_first(&walk_b, (struct json_value *)(uintptr_t)b);
    if (a->kind != b->kind || !str_eq(a->text, b->text))
        return false;
    while (at_a && at_b) {
        if (walk_a.depth != walk_b.depth || !value_same(at_a, at_b))
            return false;
        at_a = tree_next(&walk_a, false);
        at_b = tree_next(&walk_b, false);
    }
    return at_a == at_b; /* both NULL */
}

/* ---- values ---- */

static bool text_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool texts_same(const char *const *a, const char *const *b)
{
    for (; a && b && *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return (!a || !*a) && (!b || !*b);
}

struct side {
    const void *base;
    const struct json_value *object; /* its members as written; may be NULL */
};

static const void *at(const struct side *side, const struct key *key)
{
    return (const char *)side->base + key->offset;
}

static bool stored_same(const struct key *key, const struct side *a, const struct side *b)
{
    const void *one = at(a, key), *other = at(b, key);
    switch (key->kind) {
    case KEY_STRING:
    case KEY_PATH:
    case KEY_URL:
    case KEY_CHOICE:
    case KEY_NAME:
        return text_same(*(const char *const *)one, *(const char *const *)other);
    case KEY_PATHS:
    case KEY_STRINGS:
        return texts_same(*(const char *const *const *)one, *(const char *const *const *)other);
    case KEY_BOOL:
    case KEY_SWITCH:
        return *(const bool *)one == *(const bool *)other;
    case KEY_ENUM:
        return *(const int *)one == *(const int *)other;
    case KEY_INT:
    case KEY_DURATION:
    case KEY_SIZE:
    case KEY_TIME:
        return *(const int64_t *)one == *(const int64_t *)other;
    default:
        return tree_same(json_member0(a->object, key->name), json_member0(b->object, key->name));
    }
}

static bool key_same(const struct key *key, const struct side *a, const struct side *b)
{
    /* what a function of its own reads is stored as it likes */
    if (key->special || key->offset == KEY_NOWHERE)
        return tree_same(json_member0(a->object, key->name), json_member0(b->object, key->name));
    return stored_same(key, a, b);
}

static struct side inside(const struct side *side, const struct key *key)
{
    return (struct side){side->base, json_member0(side->object, key->name)};
}

static bool is_plain_section(const struct key *key)
{
    return key->kind == KEY_SECTION && !key->special;
}

/* Sections are two deep at most, in the tables, not in what is read. */
static bool section_same(const struct key *keys, const struct side *a, const struct side *b)
{
    for (const struct key *key = keys; key->name; key++) {
        bool same = true;
        if (!is_plain_section(key)) {
            same = key_same(key, a, b);
        } else {
            const struct side one = inside(a, key), other = inside(b, key);
            for (const struct key *below = key->section; below->name && same; below++)
                same = is_plain_section(below) ? tree_same(json_member0(one.object, below->name),
                                                           json_member0(other.object, below->name))
                                               : key_same(below, &one, &other);
        }
        if (!same)
            return false;
    }
    return true;
}

bool sink_config_same(const struct sink_config *a, const struct sink_config *b)
{
    const struct side one = {a, a->at}, other = {b, b->at};
    return section_same(sink_keys, &one, &other);
}

bool sink_filter_same(const struct sink_config *a, const struct sink_config *b)
{
    return tree_same(json_member0(json_member0(a->at, "match"), "filter"),
                     json_member0(json_member0(b->at, "match"), "filter"));
}

/* ---- all of it ---- */

struct naming {
    compare_only only;
    struct buf *out;
};

static void name_it(const struct naming *naming, const char *section, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s%s", section ? section : "", section ? "." : "", name);
    if (naming->only(path))
        buf_printf(naming->out, "%s%s", naming->out->len ? ", " : "", path);
}

static void name_section(const struct naming *naming, const struct key *key, const struct side *a,
                         const struct side *b)
{
    const struct side one = inside(a, key), other = inside(b, key);
    for (const struct key *below = key->section; below->name; below++) {
        bool same = is_plain_section(below) ? tree_same(json_member0(one.object, below->name),
                                                        json_member0(other.object, below->name))
                                            : key_same(below, &one, &other);
        if (!same)
            name_it(naming, key->name, below->name);
    }
}

void config_differences(const struct config *a, const struct config *b, compare_only only,
                        struct buf *out)
{
    const struct side one = {a, a->root}, other = {b, b->root};
    const struct naming naming = {only, out};
    for (const struct key *key = config_keys; key->name; key++) {
        if (strcmp(key->name, "sinks") == 0)
            continue;
        if (is_plain_section(key))
            name_section(&naming, key, &one, &other);
        else if (!key_same(key, &one, &other))
            name_it(&naming, NULL, key->name);
    }
}
