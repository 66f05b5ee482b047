#include "plugin/ext.h"

#include "json/json.h"
#include "util/alloc.h"

enum { ANSWER_VALUES_MAX = 1000000 };

/* Nodes in the order of their depth: the children of one are neighbours, so that entry() costs
 * nothing whatever the index. */
struct weir_json_node {
    const struct json_value *value;
    size_t first; /* distance to the first child */
};

struct weir_json_doc {
    struct arena arena;
    char *text;
    weir_json_node *nodes;
};

static void doc_free(weir_json_doc *doc)
{
    if (!doc)
        return;
    arena_done(&doc->arena);
    mem_free(doc->nodes);
    mem_free(doc->text);
    mem_free(doc);
}

static bool nodes_grow(weir_json_doc *doc, size_t *room, size_t wanted)
{
    if (wanted <= *room)
        return true;
    size_t bigger = *room * 2 > wanted ? *room * 2 : wanted;
    weir_json_node *grown = mem_realloc(doc->nodes, bigger * sizeof *grown);
    if (!grown)
        return false;
    doc->nodes = grown;
    *room = bigger;
    return true;
}

static bool nodes_lay_out(weir_json_doc *doc, const struct json_value *root)
{
    size_t count = 1, room = 0;
    if (!nodes_grow(doc, &room, 16))
        return false;
    doc->nodes[0] = (weir_json_node){root, 0};
    for (size_t at = 0; at < count; at++) {
        const struct json_value *child = doc->nodes[at].value->first;
        doc->nodes[at].first = count - at;
        if (!nodes_grow(doc, &room, count + doc->nodes[at].value->size))
            return false;
        for (; child; child = child->next)
            doc->nodes[count++] = (weir_json_node){child, 0};
    }
    return true;
}

static weir_json_doc *json_ext_parse(weir_str text)
{
    struct json_error error;
    weir_json_doc *doc = mem_zalloc(1, sizeof *doc);
    if (!doc)
        return NULL;
    arena_init(&doc->arena, text.len < 4096 ? 4096 : text.len);
    doc->text = mem_dup0(text.ptr, text.len);
    struct json_value *root = doc->text ? json_parse(&doc->arena, (weir_str){doc->text, text.len},
                                                     0, ANSWER_VALUES_MAX, &error)
                                        : NULL;
    if (root && nodes_lay_out(doc, root))
        return doc;
    doc_free(doc);
    return NULL;
}

static const weir_json_node *json_ext_root(const weir_json_doc *doc)
{
    return doc ? doc->nodes : NULL;
}

static int32_t json_ext_kind(const weir_json_node *node)
{
    static const int32_t kinds[] = {
        [JSON_NONE] = WEIR_J_NONE,   [JSON_NULL] = WEIR_J_NULL,     [JSON_FALSE] = WEIR_J_BOOL,
        [JSON_TRUE] = WEIR_J_BOOL,   [JSON_NUMBER] = WEIR_J_NUMBER, [JSON_STRING] = WEIR_J_STRING,
        [JSON_ARRAY] = WEIR_J_ARRAY, [JSON_OBJECT] = WEIR_J_OBJECT};
    return node ? kinds[node->value->kind] : WEIR_J_NONE;
}

static size_t json_ext_size(const weir_json_node *node)
{
    int32_t kind = json_ext_kind(node);
    return kind == WEIR_J_ARRAY || kind == WEIR_J_OBJECT ? node->value->size : 0;
}

static const weir_json_node *json_ext_entry(const weir_json_node *node, size_t i, weir_str *name)
{
    if (i >= json_ext_size(node))
        return NULL;
    const weir_json_node *entry = node + node->first + i;
    if (name)
        *name = node->value->kind == JSON_OBJECT ? entry->value->name : STR_NONE;
    return entry;
}

static const weir_json_node *json_ext_member(const weir_json_node *node, const char *name)
{
    size_t count = json_ext_kind(node) == WEIR_J_OBJECT && name ? node->value->size : 0;
    for (size_t i = 0; i < count; i++)
        if (str_is(node[node->first + i].value->name, name))
            return node + node->first + i;
    return NULL;
}

static weir_str json_ext_text(const weir_json_node *node)
{
    int32_t kind = json_ext_kind(node);
    if (kind == WEIR_J_NONE || kind == WEIR_J_ARRAY || kind == WEIR_J_OBJECT)
        return STR_NONE;
    return node->value->text;
}

static weir_str json_ext_raw(const weir_json_node *node)
{
    return node ? node->value->raw : STR_NONE;
}

const weir_json ext_json_table = {
    .revision = 1,
    .struct_size = sizeof(weir_json),
    .parse = json_ext_parse,
    .free = doc_free,
    .root = json_ext_root,
    .kind = json_ext_kind,
    .size = json_ext_size,
    .entry = json_ext_entry,
    .member = json_ext_member,
    .text = json_ext_text,
    .raw = json_ext_raw,
};
