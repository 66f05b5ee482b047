/* From the nested objects of a pattern to branches: flat sets of paths, more than one where "$or"
 * is. */
#include "record/filter_impl.h"

#include "util/alloc.h"

#include <stdalign.h>
#include <stdlib.h>

enum { LEVELS_MAX = 2 * JSON_DEPTH_MAX };

struct branches {
    struct branch *branch;
    size_t count;
};

/* An object or an "$or" array that is being read. */
struct level {
    bool is_or, inside_or;
    const struct json_value *next;
    int32_t node;
    struct branches before,
        done; /* is_or: the branches in front of it; those of its objects so far */
};

struct reader {
    struct compiler *compiler;
    bool with_or; /* false: "$or" is a name like any other */
    struct branches branches;
    size_t depth;
    struct level level[LEVELS_MAX];
};

/* ---- sets of branches, in scratch memory ---- */

static void *scratch(struct reader *reader, size_t count, size_t bytes)
{
    void *space = arena_alloc(&reader->compiler->scratch, count * bytes, alignof(max_align_t));
    if (!space)
        reader->compiler->out_of_memory = true;
    return space;
}

/* `a` and copies of `b`, in new memory. */
static bool join(struct reader *reader, const struct branches *a, const struct branches *b,
                 struct branches *out)
{
    size_t count = a->count + b->count;
    struct branch *joined = scratch(reader, count + 1, sizeof *joined);
    if (!joined)
        return false;
    for (size_t i = 0; i < count; i++) {
        joined[i] = i < a->count ? a->branch[i] : b->branch[i - a->count];
        if (i < a->count)
            continue;
        struct path *paths = scratch(reader, joined[i].count + 1, sizeof *paths);
        if (!paths)
            return false;
        if (joined[i].count > 0)
            memcpy(paths, joined[i].paths, joined[i].count * sizeof *paths);
        joined[i].paths = paths;
    }
    *out = (struct branches){joined, count};
    return true;
}

static bool start_first(struct reader *reader)
{
    static const struct branch empty;
    const struct branches one = {(struct branch *)(uintptr_t)&empty, 1};
    return reader->branches.count > 0 || join(reader, &reader->branches, &one, &reader->branches);
}

/* Of two arrays for one path the last wins. */
static bool put_path(struct reader *reader, const struct json_value *at, struct branch *branch,
                     struct path path)
{
    for (size_t i = 0; i < branch->count; i++)
        if (branch->paths[i].node == path.node) {
            branch->paths[i] = path;
            return true;
        }
    if (branch->count == FILTER_PATHS_MAX)
        return filter_refuse(reader->compiler, at, "more than %d fields", FILTER_PATHS_MAX);
    struct path *paths = scratch(reader, branch->count + 1, sizeof *paths);
    if (!paths)
        return false;
    if (branch->count > 0)
        memcpy(paths, branch->paths, branch->count * sizeof *paths);
    paths[branch->count++] = path;
    branch->paths = paths;
    return true;
}

/* ---- places ---- */

static int32_t add_node(struct compiler *compiler, int32_t parent, weir_str step)
{
    struct filter *filter = compiler->filter;
    if (filter->node_count == filter->node_cap) {
        int32_t cap = filter->node_cap * 2;
        struct name_node *grown = mem_realloc(filter->nodes, (size_t)cap * sizeof *grown);
        if (!grown) {
            compiler->out_of_memory = true;
            return FILTER_NO_NODE;
        }
        filter->nodes = grown;
        filter->node_cap = cap;
    }
    weir_str above = filter->nodes[parent].name;
    size_t dot = parent != 0;
    char *name = filter_alloc(compiler, above.len + dot + step.len + 1, 1);
    if (!name)
        return FILTER_NO_NODE;
    if (dot) {
        memcpy(name, above.ptr, above.len);
        name[above.len] = '.';
    }
    if (step.len > 0)
        memcpy(name + above.len + dot, step.ptr, step.len);
    int32_t node = filter->node_count++;
    filter->nodes[node] = (struct name_node){.step = {name + above.len + dot, step.len},
                                             .name = {name, above.len + dot + step.len},
                                             .parent = parent,
                                             .child = FILTER_NO_NODE,
                                             .sibling = filter->nodes[parent].child};
    filter->nodes[parent].child = node;
    return node;
}

static int32_t step_down(struct compiler *compiler, int32_t node, weir_str step)
{
    const struct filter *filter = compiler->filter;
    int32_t child = filter->nodes[node].child;
    while (child != FILTER_NO_NODE && !str_eq(filter->nodes[child].step, step))
        child = filter->nodes[child].sibling;
    return child != FILTER_NO_NODE ? child : add_node(compiler, node, step);
}

/* "a.b" is the same place as "b" inside "a". */
static int32_t place_of(struct compiler *compiler, int32_t node, weir_str name)
{
    while (node != FILTER_NO_NODE) {
        const char *dot = name.len > 0 ? memchr(name.ptr, '.', name.len) : NULL;
        size_t len = dot ? (size_t)(dot - name.ptr) : name.len;
        node = step_down(compiler, node, (weir_str){name.ptr, len});
        if (!dot)
            break;
        name = (weir_str){dot + 1, name.len - len - 1};
    }
    return node;
}

/* ---- reading ---- */

/* Names that event-ruler keeps for itself inside "$or" (Constants.java). */
static bool is_reserved(weir_str name)
{
    static const char *const reserved[] = {"exactly",
                                           "equals-ignore-case",
                                           "prefix",
                                           "suffix",
                                           "anything-but",
                                           "exists",
                                           "wildcard",
                                           "numeric",
                                           "cidr",
                                           "=",
                                           "<",
                                           "<=",
                                           ">",
                                           ">=",
                                           "regex",
                                           "not-wildcard",
                                           "date-after",
                                           "not-equals-ignore-case",
                                           "date-on-or-after",
                                           "date-before",
                                           "date-on-or-before",
                                           "in-date-range",
                                           "ip-address-in-range",
                                           "ip-address-not-in-range"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (str_is(name, reserved[i]))
            return true;
    return false;
}

static bool push_object(struct reader *reader, const struct json_value *object, int32_t node,
                        bool inside_or)
{
    if (object->size == 0)
        return filter_refuse(reader->compiler, object, "an empty object allows nothing");
    if (reader->depth == LEVELS_MAX)
        return filter_refuse(reader->compiler, object, "nested too deeply");
    reader->level[reader->depth++] =
        (struct level){.inside_or = inside_or, .next = object->first, .node = node};
    return true;
}

static bool push_or(struct reader *reader, const struct json_value *array, int32_t node)
{
    if (array->kind != JSON_ARRAY || array->size < 2)
        return filter_refuse(reader->compiler, array, "$or takes an array of two or more objects");
    for (const struct json_value *item = array->first; item; item = item->next)
        if (item->kind != JSON_OBJECT)
            return filter_refuse(reader->compiler, item, "$or takes objects only");
    if (reader->depth == LEVELS_MAX)
        return filter_refuse(reader->compiler, array, "nested too deeply");
    reader->level[reader->depth++] = (struct level){
        .is_or = true, .next = array->first, .node = node, .before = reader->branches};
    return true;
}

static bool put_values(struct reader *reader, const struct json_value *array, int32_t node)
{
    struct path path = {node, filter_compile_values(reader->compiler, array)};
    if (!path.tests || !start_first(reader))
        return false;
    reader->compiler->filter->nodes[node].ends = true;
    filter_advise(reader->compiler, node, array);
    for (size_t i = 0; i < reader->branches.count; i++)
        if (!put_path(reader, array, &reader->branches.branch[i], path))
            return false;
    return true;
}

static bool read_member(struct reader *reader, struct level *level)
{
    const struct json_value *member = level->next;
    level->next = member->next;
    if (reader->with_or && str_is(member->name, "$or"))
        return push_or(reader, member, level->node);
    if (level->inside_or && is_reserved(member->name))
        return filter_refuse(reader->compiler, member, "this name is reserved inside $or");
    if (member->kind != JSON_OBJECT && member->kind != JSON_ARRAY)
        return filter_refuse(reader->compiler, member, "\"%.*s\" must be an object or an array",
                             (int)(member->name.len > 60 ? 60 : member->name.len),
                             member->name.ptr);
    int32_t node = place_of(reader->compiler, level->node, member->name);
    if (node == FILTER_NO_NODE)
        return false;
    return member->kind == JSON_OBJECT ? push_object(reader, member, node, level->inside_or)
                                       : put_values(reader, member, node);
}

/* Every object of an "$or" goes on from copies of the branches in front of it. */
static bool read_choice(struct reader *reader, struct level *level)
{
    static const struct branches none;
    const struct json_value *object = level->next;
    level->next = object->next;
    return join(reader, &none, &level->before, &reader->branches) && start_first(reader) &&
           push_object(reader, object, level->node, true);
}

static bool leave(struct reader *reader, const struct json_value *pattern)
{
    struct level *level = &reader->level[--reader->depth];
    if (level->is_or)
        reader->branches = level->done;
    struct level *above = reader->depth > 0 ? &reader->level[reader->depth - 1] : NULL;
    if (!above || !above->is_or)
        return true;
    if (above->done.count + reader->branches.count > FILTER_BRANCHES_MAX)
        return filter_refuse(reader->compiler, pattern, "$or makes more than %d combinations",
                             FILTER_BRANCHES_MAX);
    return join(reader, &above->done, &reader->branches, &above->done);
}

static bool read_pattern(struct reader *reader, const struct json_value *pattern)
{
    if (!push_object(reader, pattern, 0, false))
        return false;
    while (reader->depth > 0) {
        struct level *level = &reader->level[reader->depth - 1];
        bool sound = !level->next   ? leave(reader, pattern)
                     : level->is_or ? read_choice(reader, level)
                                    : read_member(reader, level);
        if (!sound)
            return false;
    }
    return true;
}

/* ---- keeping ---- */

struct named_path { /* what qsort can see */
    weir_str name;
    struct path path;
};

static int by_name(const void *a, const void *b)
{
    weir_str x = ((const struct named_path *)a)->name, y = ((const struct named_path *)b)->name;
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

static bool keep_branch(struct reader *reader, const struct branch *branch)
{
    struct filter *filter = reader->compiler->filter;
    struct named_path *named = scratch(reader, branch->count, sizeof *named);
    struct path *paths = filter_alloc(reader->compiler, branch->count, sizeof *paths);
    if (!named || !paths)
        return false;
    for (size_t i = 0; i < branch->count; i++)
        named[i] = (struct named_path){filter->nodes[branch->paths[i].node].name, branch->paths[i]};
    qsort(named, branch->count, sizeof *named, by_name);
    for (size_t i = 0; i < branch->count; i++)
        paths[i] = named[i].path;
    filter->branches[filter->branch_count++] = (struct branch){paths, branch->count};
    return true;
}

static bool keep_branches(struct reader *reader)
{
    struct filter *filter = reader->compiler->filter;
    size_t count = filter->branch_count + reader->branches.count;
    struct branch *grown = mem_realloc(filter->branches, count * sizeof *grown);
    if (!grown) {
        reader->compiler->out_of_memory = true;
        return false;
    }
    filter->branches = grown;
    for (size_t i = 0; i < reader->branches.count; i++)
        if (!keep_branch(reader, &reader->branches.branch[i]))
            return false;
    return true;
}

/* As event-ruler does: a pattern whose "$or" is not a proper one is read again with "$or" as a
 * plain name; if that fails too, the first reason is the one to tell. */
bool filter_compile_pattern(struct compiler *compiler, const struct json_value *object)
{
    struct reader reader = {.compiler = compiler, .with_or = true};
    size_t notes_before = *compiler->note_count;
    bool sound = read_pattern(&reader, object);
    if (!sound && !compiler->out_of_memory) {
        struct compiler quiet = *compiler;
        size_t note_count = notes_before;
        quiet.note_count = &note_count;
        quiet.notes_max = 0;
        struct reader plain = {.compiler = &quiet, .with_or = false};
        sound = read_pattern(&plain, object);
        compiler->out_of_memory = quiet.out_of_memory;
        compiler->scratch = quiet.scratch;
        if (sound) {
            *compiler->note_count = notes_before;
            reader.branches = plain.branches;
        }
    }
    return sound && keep_branches(&reader);
}
