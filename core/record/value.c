/* Reading of values: types, text, entries, paths. Equality is in equal.c. */
#include "record/lazy.h"

#include "record/plain.h"
#include "util/text.h"

enum { WALK_MAX = 32 }; /* entries that are simply counted; above, their places are noted once */

int value_type(const struct node *value)
{
    return value ? node_type(value) : WEIR_T_NONE;
}

static bool is_set(const struct node *value)
{
    return node_type(value) >= WEIR_T_SS && node_type(value) <= WEIR_T_BS;
}

static bool is_container(const struct node *value)
{
    return value && node_type(value) >= WEIR_T_M;
}

static size_t count_entries(const struct node *value)
{
    size_t count = 0;
    for (const struct node *at = value + 1; at < value + value->next; at += at->next)
        count++;
    return count;
}

/* The distances of a large container's entries; NULL when out of memory. */
static const struct lazy_bytes *entry_places(const struct node *value)
{
    lazy_slot *slot = lazy_content(value);
    struct lazy_bytes *places = lazy_get(slot);
    if (places || !slot)
        return places;
    places = lazy_new(node_record(value), count_entries(value) * sizeof(uint32_t));
    size_t i = 0;
    for (const struct node *at = value + 1; places && at < value + value->next; at += at->next) {
        uint32_t distance = (uint32_t)(at - value);
        memcpy(places->bytes + i++ * sizeof distance, &distance, sizeof distance);
    }
    return lazy_publish(slot, places);
}

size_t value_size(const struct node *value)
{
    if (!is_container(value))
        return 0;
    if (is_set(value))
        return value->next - 1;
    const struct lazy_bytes *places = value->next > WALK_MAX ? entry_places(value) : NULL;
    return places ? places->len / sizeof(uint32_t) : count_entries(value);
}

static const struct node *entry_at(const struct node *value, size_t index)
{
    const struct node *end = value + value->next;
    if (is_set(value))
        return index < value->next - 1 ? value + 1 + index : NULL;
    const struct lazy_bytes *places = value->next > WALK_MAX ? entry_places(value) : NULL;
    if (places) {
        uint32_t distance;
        if (index >= places->len / sizeof distance)
            return NULL;
        memcpy(&distance, places->bytes + index * sizeof distance, sizeof distance);
        return value + distance;
    }
    const struct node *at = value + 1;
    while (at < end && index-- > 0)
        at += at->next;
    return at < end ? at : NULL;
}

/* Unescaped text of raw, which stands in `node`, made once. */
static weir_str unescaped(const struct node *node, lazy_slot *slot, weir_str raw)
{
    struct lazy_bytes *made = lazy_get(slot);
    if (!made && slot) {
        made = lazy_new(node_record(node), raw.len);
        if (made)
            made->len = json_unescape(raw, made->bytes);
        made = lazy_publish(slot, made);
    }
    return lazy_str(made);
}

static weir_str name_of(const struct node *entry)
{
    weir_str raw = {entry->key, entry->key_bytes};
    return entry->bits & NODE_KEY_ESCAPED ? unescaped(entry, lazy_other(entry), raw) : raw;
}

const struct node *value_entry(const struct node *value, size_t index, weir_str *name)
{
    const struct node *entry = is_container(value) ? entry_at(value, index) : NULL;
    if (entry && name)
        *name = name_of(entry);
    return entry;
}

/* B: escapes undone, then decoded. */
static weir_str binary(const struct node *value)
{
    lazy_slot *slot = lazy_content(value);
    struct lazy_bytes *made = lazy_get(slot);
    weir_str text = {value->val, value->val_bytes};
    bool escaped = value->bits & NODE_VAL_ESCAPED;
    if (made || !slot)
        return lazy_str(made);
    made = lazy_new(node_record(value), escaped ? text.len : text.len / 4 * 3);
    if (made) {
        if (escaped)
            text = (weir_str){made->bytes, json_unescape(text, made->bytes)};
        long len = base64_decode(text, made->bytes);
        made->len = len > 0 ? (size_t)len : 0;
    }
    return lazy_str(lazy_publish(slot, made));
}

weir_str value_text(const struct node *value)
{
    int type = value_type(value);
    if (type == WEIR_T_NONE || type > WEIR_T_NULL)
        return STR_NONE;
    weir_str raw = {value->val, value->val_bytes};
    if (type == WEIR_T_B)
        return binary(value);
    return value->bits & NODE_VAL_ESCAPED ? unescaped(value, lazy_content(value), raw) : raw;
}

/* Of an entry whose name or text does not stand in the body as it is. */
__attribute__((noinline)) static void make_texts(const struct node *entry, struct weir_entry *out)
{
    out->name = name_of(entry);
    out->text = value_text(entry);
}

/* Nodes stand in the order of the walk, one behind the other. */
size_t value_walk(const struct node *value, size_t from, struct weir_entry *out, size_t max)
{
    size_t below = is_container(value) ? value->next - 1 : 0;
    if (from >= below)
        return 0;
    size_t count = below - from < max ? below - from : max;
    const struct node *at = value + 1 + from;
    for (size_t i = 0; i < count; i++, at++, out++) {
        int type = node_type(at);
        out->value = (const weir_value *)at;
        out->name = (weir_str){at->key, at->key_bytes};
        out->text = type > WEIR_T_NULL ? STR_NONE : (weir_str){at->val, at->val_bytes};
        out->type = type;
        out->below = at->next - 1;
        if (type == WEIR_T_B || at->bits & (NODE_KEY_ESCAPED | NODE_VAL_ESCAPED))
            make_texts(at, out);
    }
    return count;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The {"T": ...} around a value that was decoded from it: back over the colon and the type's name.
 */
static weir_str wrapper_of(const struct node *value)
{
    bool quoted = node_type(value) <= WEIR_T_B;
    const char *start = value->val - (quoted ? 2 : 1);
    const char *end = value->val + value->val_bytes + (quoted ? 1 : 0);
    while (*start != ':')
        start--;
    while (*start != '"')
        start--;
    for (start--; *start != '"';)
        start--;
    while (*start != '{')
        start--;
    while (is_space(*end))
        end++;
    return (weir_str){start, (size_t)(end + 1 - start)};
}

/* An entry of a set stands without a wrapper: one is made around it. */
static weir_str wrapped(const struct node *value)
{
    static const char letter[] = {[WEIR_T_S] = 'S', [WEIR_T_N] = 'N', [WEIR_T_B] = 'B'};
    lazy_slot *slot = lazy_other(value);
    struct lazy_bytes *made = lazy_get(slot);
    if (made || !slot)
        return lazy_str(made);
    made = lazy_new(node_record(value), value->val_bytes + sizeof "{\"S\":\"\"}" - 1);
    if (made) {
        char *out = made->bytes;
        memcpy(out, "{\"S\":\"", 6);
        out[2] = letter[node_type(value)];
        memcpy(out + 6, value->val, value->val_bytes);
        memcpy(out + 6 + value->val_bytes, "\"}", 2);
    }
    return lazy_str(lazy_publish(slot, made));
}

weir_str value_json(const struct node *value)
{
    if (!value)
        return STR_NONE;
    if (value->bits & NODE_IMAGE)
        return (weir_str){value->val, value->val_bytes};
    return value->bits & NODE_SET_ENTRY ? wrapped(value) : wrapper_of(value);
}

const struct node *value_member(const struct node *map, weir_str name)
{
    if (value_type(map) != WEIR_T_M)
        return NULL;
    const struct node *end = map + map->next;
    for (const struct node *at = map + 1; at < end; at += at->next) {
        if (at->bits & NODE_KEY_ESCAPED) {
            if (plain_equal((weir_str){at->key, at->key_bytes}, true, name, false))
                return at;
        } else if (at->key_bytes == name.len && memcmp(at->key, name.ptr, name.len) == 0) {
            return at;
        }
    }
    return NULL;
}

/* One step `[12]` at *path. */
static const struct node *index_step(const struct node *value, const char **path)
{
    const char *p = *path + 1;
    size_t index = 0, digits = 0;
    for (; *p >= '0' && *p <= '9' && digits < 9; p++, digits++)
        index = index * 10 + (size_t)(*p - '0');
    if (digits == 0 || *p != ']')
        return NULL;
    *path = p + 1;
    return value_type(value) == WEIR_T_L ? value_entry(value, index, NULL) : NULL;
}

/* One step `['x.y']` at *path. */
static const struct node *quoted_step(const struct node *value, const char **path)
{
    const char *name = *path + 2, *end = strstr(name, "']");
    if (!end)
        return NULL;
    *path = end + 2;
    return value_member(value, (weir_str){name, (size_t)(end - name)});
}

/* One step `name` at *path, behind its dot unless it is the first. */
static const struct node *name_step(const struct node *value, const char **path, bool first)
{
    if (!first && *(*path)++ != '.')
        return NULL;
    size_t len = 0;
    while ((*path)[len] && (*path)[len] != '.' && (*path)[len] != '[')
        len++;
    weir_str name = {*path, len};
    *path += len;
    return len > 0 ? value_member(value, name) : NULL;
}

const struct node *value_path(const struct node *map, const char *path)
{
    const struct node *value = path && *path ? map : NULL;
    const char *start = path;
    while (value && *path) {
        if (path[0] == '[' && path[1] == '\'')
            value = quoted_step(value, &path);
        else if (path[0] == '[')
            value = index_step(value, &path);
        else
            value = name_step(value, &path, path == start);
    }
    return value;
}
