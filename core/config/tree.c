#include "config/tree.h"

#include <errno.h>
#include <stdlib.h>

struct json_value *tree_first(struct tree_walk *walk, struct json_value *root)
{
    walk->at = root;
    walk->depth = 0;
    return root;
}

struct json_value *tree_next(struct tree_walk *walk, bool skip_children)
{
    struct json_value *at = walk->at;
    if (at->first && !skip_children && walk->depth + 1 < TREE_DEPTH_MAX) {
        walk->parents[walk->depth++] = at;
        return walk->at = at->first;
    }
    while (walk->depth > 0 && !at->next)
        at = walk->parents[--walk->depth];
    return walk->at = walk->depth > 0 ? at->next : NULL;
}

/* ---- duplicates ---- */

static int by_name(const void *a, const void *b)
{
    const struct json_value *x = *(struct json_value *const *)a,
                            *y = *(struct json_value *const *)b;
    size_t shorter = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = shorter ? memcmp(x->name.ptr, y->name.ptr, shorter) : 0;
    if (order == 0 && x->name.len != y->name.len)
        order = x->name.len < y->name.len ? -1 : 1;
    if (order == 0)
        order = x->name_at < y->name_at ? -1 : 1;
    return order;
}

static void unlink_member(struct json_value *object, const struct json_value *member)
{
    struct json_value **link = &object->first;
    while (*link != member)
        link = &(*link)->next;
    *link = member->next;
    object->size--;
}

static int drop_in(struct arena *arena, struct json_value *object, bool is_sinks,
                   struct diags *diags)
{
    struct arena_mark mark = arena_mark(arena);
    struct json_value **members = arena_alloc(arena, object->size * sizeof(struct json_value *),
                                              _Alignof(struct json_value *));
    if (!members)
        return -ENOMEM;
    size_t count = 0;
    for (struct json_value *m = object->first; m; m = m->next)
        members[count++] = m;
    qsort(members, count, sizeof(struct json_value *), by_name);
    size_t original = 0;
    for (size_t i = 1; i < count; i++) {
        if (!str_eq(members[i]->name, members[original]->name)) {
            original = i;
            continue;
        }
        struct diag *diag =
            diag_error(diags, "W0103", diag_name_of(members[i]), "%s \"%.*s\" is defined twice",
                       is_sinks ? "sink" : "key", STR_ARG(members[i]->name));
        diag_note_at(diags, diag, "first defined", diag_name_of(members[original]));
        unlink_member(object, members[i]);
    }
    arena_rollback(arena, mark);
    return 0;
}

int tree_drop_duplicates(struct arena *arena, struct json_value *root, struct diags *diags)
{
    struct tree_walk walk;
    int rc = 0;
    for (struct json_value *v = tree_first(&walk, root); v && rc == 0; v = tree_next(&walk, false))
        if (v->kind == JSON_OBJECT && v->size > 1)
            rc = drop_in(arena, v, walk.depth == 1 && str_is(v->name, "sinks"), diags);
    return rc;
}

/* ---- --set ---- */

struct json_value *tree_member(struct json_value *object, weir_str name)
{
    struct json_value *member = object->first;
    while (member && !str_eq(member->name, name))
        member = member->next;
    return member;
}

struct json_value *tree_add(struct arena *arena, struct json_value *object, weir_str name,
                            const char *name_at, int kind)
{
    struct json_value *member = arena_alloc(arena, sizeof *member, _Alignof(struct json_value));
    if (!member)
        return NULL;
    *member =
        (struct json_value){.kind = (uint8_t)kind, .name = name, .name_at = name_at, .raw = name};
    struct json_value **link = &object->first;
    while (*link)
        link = &(*link)->next;
    *link = member;
    object->size++;
    return member;
}

static struct json_value *entry(struct json_value *array, weir_str index)
{
    size_t at = 0;
    for (size_t i = 0; i < index.len; i++) {
        if (index.ptr[i] < '0' || index.ptr[i] > '9' || at > array->size)
            return NULL;
        at = at * 10 + (size_t)(index.ptr[i] - '0');
    }
    struct json_value *found = array->first;
    while (found && at-- > 0)
        found = found->next;
    return found;
}

static void refuse(struct diags *diags, weir_str at, const char *why)
{
    struct diag *diag = diag_error(diags, "W0113", at, "%s", why);
    diag_help(diags, diag, "write --set path=value, as in --set source.batch_size=100");
}

/* The node named by a path, made where it is missing. 0 with *out NULL after a reported problem. */
static int descend(struct arena *arena, struct json_value *root, weir_str path, struct diags *diags,
                   struct json_value **out)
{
    struct json_value *at = root;
    size_t segments = 0;
    *out = NULL;
    while (at) {
        const char *dot = memchr(path.ptr, '.', path.len);
        weir_str name = {path.ptr, dot ? (size_t)(dot - path.ptr) : path.len};
        struct json_value *child = NULL;
        if (name.len == 0 || ++segments > TREE_SEGMENTS_MAX) {
            refuse(diags, name, name.len ? "the path is too long" : "the path has an empty part");
            return 0;
        }
        if (at->kind == JSON_OBJECT)
            child = tree_member(at, name);
        else if (at->kind == JSON_ARRAY)
            child = entry(at, name);
        if (!child && at->kind != JSON_OBJECT) {
            refuse(diags, name,
                   at->kind == JSON_ARRAY ? "the list has no such entry"
                                          : "what stands before this is not an object");
            return 0;
        }
        if (!child)
            child = tree_add(arena, at, name, name.ptr, dot ? JSON_OBJECT : JSON_NULL);
        if (!child)
            return -ENOMEM;
        if (!dot) {
            *out = child;
            return 0;
        }
        at = child;
        path = (weir_str){dot + 1, path.len - name.len - 1};
    }
    return 0;
}

int tree_set(struct arena *arena, struct json_value *root, weir_str text, struct diags *diags)
{
    const char *equals = memchr(text.ptr, '=', text.len);
    if (!equals) {
        refuse(diags, text, "there is no '='");
        return 0;
    }
    weir_str path = {text.ptr, (size_t)(equals - text.ptr)};
    weir_str value_text = {equals + 1, text.len - path.len - 1};
    struct json_error error;
    struct json_value *value = json_parse(arena, value_text, JSON_KEEP_DUPLICATES, 100000, &error);
    if (!value && value_text.len && strchr("{[\"", value_text.ptr[0])) {
        diag_error(diags, "W0001", (weir_str){value_text.ptr + error.offset, error.length}, "%s",
                   error.msg);
        return 0;
    }
    struct json_value *target;
    int rc = descend(arena, root, path, diags, &target);
    if (rc < 0 || !target)
        return rc;
    struct json_value bare = {.kind = JSON_STRING, .raw = value_text, .text = value_text};
    if (!value)
        value = &bare;
    target->kind = value->kind;
    target->escaped = value->escaped;
    target->size = value->size;
    target->raw = value->raw;
    target->text = value->text;
    target->first = value->first;
    return 0;
}
