#include "fakevalue.h"

#include "util/alloc.h"
#include "util/decimal.h"
#include "util/text.h"

#include <stdio.h>

/* A weir_value is the address of a JSON value with its kind in the low bits. */
enum tag { TAG_TYPED, TAG_IMAGE, TAG_S, TAG_N, TAG_B, TAG_MASK = 7 };

static const weir_value *tagged(const struct json_value *value, enum tag tag)
{
    return value ? (const weir_value *)((uintptr_t)value | (uintptr_t)tag) : NULL;
}

static enum tag tag_of(const weir_value *value)
{
    return (enum tag)((uintptr_t)value & TAG_MASK);
}

static const struct json_value *node_of(const weir_value *value)
{
    return (const struct json_value *)((uintptr_t)value & ~(uintptr_t)TAG_MASK);
}

static const struct json_value *inner_of(const weir_value *value)
{
    const struct json_value *node = node_of(value);
    return tag_of(value) == TAG_TYPED ? json_at(node, 0) : node;
}

int32_t fake_value_type(const weir_value *value)
{
    static const char *const names[] = {"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"};
    static const int32_t set_types[] = {
        [TAG_IMAGE] = WEIR_T_M, [TAG_S] = WEIR_T_S, [TAG_N] = WEIR_T_N, [TAG_B] = WEIR_T_B};
    if (!value)
        return WEIR_T_NONE;
    if (tag_of(value) != TAG_TYPED)
        return set_types[tag_of(value)];
    for (int32_t i = 0; i < 10; i++)
        if (str_is(json_at(node_of(value), 0)->name, names[i]))
            return i + 1;
    return WEIR_T_NONE;
}

size_t fake_value_size(const weir_value *value)
{
    int32_t type = fake_value_type(value);
    bool holds = type == WEIR_T_M || type == WEIR_T_L || type >= WEIR_T_SS;
    return holds ? inner_of(value)->size : 0;
}

const weir_value *fake_value_entry(const weir_value *value, size_t i, weir_str *name)
{
    static const enum tag tags[] = {[WEIR_T_M] = TAG_TYPED,
                                    [WEIR_T_L] = TAG_TYPED,
                                    [WEIR_T_SS] = TAG_S,
                                    [WEIR_T_NS] = TAG_N,
                                    [WEIR_T_BS] = TAG_B};
    const struct json_value *entry =
        i < fake_value_size(value) ? json_at(inner_of(value), i) : NULL;
    if (!entry)
        return NULL;
    if (name)
        *name = entry->name;
    return tagged(entry, tags[fake_value_type(value)]);
}

weir_str fake_value_text(const weir_value *value)
{
    static _Thread_local char ring[8][4096]; /* decoded binary: enough for a test */
    static _Thread_local unsigned next;
    int32_t type = fake_value_type(value);
    if (!value || fake_value_size(value) > 0 || type == WEIR_T_M || type == WEIR_T_L ||
        type == WEIR_T_NULL)
        return STR_NONE;
    weir_str text = inner_of(value)->text;
    if (type != WEIR_T_B || text.len > sizeof ring[0])
        return text;
    char *out = ring[next++ % 8];
    long len = base64_decode(text, out);
    return (weir_str){out, len > 0 ? (size_t)len : 0};
}

/* Passes over all below `value`; those from *skip on go to out[]. */
static size_t walk_below(const weir_value *value, size_t *skip, weir_entry **out, size_t *max)
{
    size_t passed = 0;
    for (size_t i = 0; i < fake_value_size(value); i++) {
        weir_str name = STR_NONE;
        weir_entry *mine = NULL;
        const weir_value *entry = fake_value_entry(value, i, &name);
        if (*skip > 0) {
            --*skip;
        } else if (*max > 0) {
            mine = (*out)++;
            --*max;
        }
        size_t below = walk_below(entry, skip, out, max);
        if (mine)
            *mine = (weir_entry){entry, name, fake_value_text(entry), fake_value_type(entry),
                                 (uint32_t)below};
        passed += 1 + below;
    }
    return passed;
}

size_t fake_value_walk(const weir_value *value, size_t from, weir_entry *out, size_t max)
{
    weir_entry *end = out;
    walk_below(value, &from, &end, &max);
    return (size_t)(end - out);
}

weir_str fake_value_json(const weir_value *value)
{
    return value ? node_of(value)->raw : STR_NONE;
}

static bool holds_equal(const weir_value *set, const weir_value *entry)
{
    for (size_t i = 0; i < fake_value_size(set); i++)
        if (fake_value_equal(fake_value_entry(set, i, NULL), entry))
            return true;
    return false;
}

static const weir_value *member(const weir_value *map, weir_str name)
{
    for (size_t i = 0; i < fake_value_size(map); i++) {
        weir_str other;
        const weir_value *value = fake_value_entry(map, i, &other);
        if (str_eq(name, other))
            return value;
    }
    return NULL;
}

int32_t fake_value_equal(const weir_value *a, const weir_value *b)
{
    int32_t type = fake_value_type(a);
    if (type != fake_value_type(b) || fake_value_size(a) != fake_value_size(b))
        return 0;
    for (size_t i = 0; i < fake_value_size(a); i++) {
        weir_str name = STR_NONE;
        const weir_value *entry = fake_value_entry(a, i, &name);
        bool same = type == WEIR_T_M   ? fake_value_equal(entry, member(b, name))
                    : type == WEIR_T_L ? fake_value_equal(entry, fake_value_entry(b, i, NULL))
                                       : holds_equal(b, entry);
        if (!same)
            return 0;
    }
    if (type == WEIR_T_N)
        return decimal_text_equal(fake_value_text(a), fake_value_text(b));
    return str_eq(fake_value_text(a), fake_value_text(b));
}

/* `a.b[0]`, without the quoted form. */
const weir_value *fake_value_path(const weir_value *image, const char *path)
{
    const weir_value *at = image;
    while (at && *path) {
        if (*path == '[') {
            size_t index = 0;
            for (path++; *path != ']'; path++)
                index = index * 10 + (size_t)(*path - '0');
            path++;
            at = fake_value_entry(at, index, NULL);
        } else {
            path += *path == '.';
            size_t len = strcspn(path, ".[");
            at = member(at, (weir_str){path, len});
            path += len;
        }
    }
    return at;
}

/* ---- records ---- */

void fake_record_init(struct fake_record *record, const struct json_value *root, const char *arn)
{
    *record = (struct fake_record){.root = root, .change = json_member0(root, "dynamodb")};
    weir_str own = json_text(root, "eventSourceARN"),
             sequence = json_text(record->change, "SequenceNumber");
    record->arn = own.len > 0 ? own.ptr : arn;
    int arn_len = own.len > 0 ? (int)own.len : (int)strlen(arn);
    if (sequence.len > 0)
        snprintf(record->identity, sizeof record->identity, "%.*s/%.*s", arn_len, record->arn,
                 (int)sequence.len, sequence.ptr);
    else
        snprintf(record->identity, sizeof record->identity, "%.*s",
                 (int)json_text(root, "eventID").len, json_text(root, "eventID").ptr);
}

int fake_record_event(const struct fake_record *record)
{
    weir_str name = json_text(record->root, "eventName");
    return str_is(name, "INSERT")   ? WEIR_INSERT
           : str_is(name, "MODIFY") ? WEIR_MODIFY
           : str_is(name, "REMOVE") ? WEIR_REMOVE
                                    : 0;
}

int64_t fake_record_created_us(const struct fake_record *record, int32_t *precision)
{
    const struct json_value *value = json_member0(record->change, "ApproximateCreationDateTime");
    int64_t number = 0;
    if (!value || json_i64(value, &number) < 0) {
        *precision = 0;
        return 0;
    }
    *precision = number >= 100000000000000 ? 3 : number >= 100000000000 ? 2 : 1;
    return number * (*precision == 1 ? 1000000 : *precision == 2 ? 1000 : 1);
}

static weir_str table_name(const char *arn)
{
    const char *at = strstr(arn, "table/");
    return at ? (weir_str){at + 6, strcspn(at + 6, "/\"")} : STR_NONE;
}

weir_str fake_record_field(const struct fake_record *record, int which)
{
    const struct json_value *keys = json_member0(record->change, "Keys");
    switch (which) {
    case WEIR_F_EVENT_ID:
        return json_text(record->root, "eventID");
    case WEIR_F_EVENT_NAME:
        return json_text(record->root, "eventName");
    case WEIR_F_SEQUENCE:
        return json_text(record->change, "SequenceNumber");
    case WEIR_F_IDENTITY:
        return str_of(record->identity);
    case WEIR_F_STREAM_ARN:
        return (weir_str){record->arn, strcspn(record->arn, "\"")};
    case WEIR_F_TABLE:
        return table_name(record->arn);
    case WEIR_F_ITEM_KEY:
        return keys ? keys->raw : STR_NONE;
    case WEIR_F_TTL_DELETE:
        return json_member0(record->root, "userIdentity") ? STR("1") : STR_NONE;
    case WEIR_F_RAW_JSON:
    case WEIR_F_EVENT_JSON:
        return record->root->raw;
    default:
        return STR_NONE;
    }
}

const weir_value *fake_record_image(const struct fake_record *record, int image)
{
    const char *name = image == WEIR_KEYS ? "Keys" : image == WEIR_OLD ? "OldImage" : "NewImage";
    return tagged(json_member0(record->change, name), TAG_IMAGE);
}

uint64_t fake_record_key_hash(const struct fake_record *record)
{
    weir_str key = fake_record_field(record, WEIR_F_ITEM_KEY);
    return hash_bytes(HASH_SEED, key.ptr ? key.ptr : "", key.len);
}

/* ---- weir.json/1 ---- */

struct weir_json_doc {
    struct arena arena;
    struct json_value *root;
};

static weir_json_doc *doc_parse(weir_str text)
{
    struct json_error error;
    weir_json_doc *doc = mem_zalloc(1, sizeof *doc);
    char *copy = NULL;
    if (!doc)
        return NULL;
    arena_init(&doc->arena, 1024);
    copy = arena_alloc(&doc->arena, text.len + 1, 1);
    if (copy && text.len > 0) {
        memcpy(copy, text.ptr, text.len);
        doc->root = json_parse(&doc->arena, (weir_str){copy, text.len}, 0, 0, &error);
    }
    if (doc->root)
        return doc;
    arena_done(&doc->arena);
    mem_free(doc);
    return NULL;
}

static void doc_free(weir_json_doc *doc)
{
    if (!doc)
        return;
    arena_done(&doc->arena);
    mem_free(doc);
}

static const struct json_value *tree(const weir_json_node *node)
{
    return (const struct json_value *)node;
}

static const weir_json_node *doc_root(const weir_json_doc *doc)
{
    return (const weir_json_node *)doc->root;
}

static int32_t node_kind(const weir_json_node *node)
{
    static const int32_t kinds[] = {
        [JSON_NULL] = WEIR_J_NULL,     [JSON_FALSE] = WEIR_J_BOOL,    [JSON_TRUE] = WEIR_J_BOOL,
        [JSON_NUMBER] = WEIR_J_NUMBER, [JSON_STRING] = WEIR_J_STRING, [JSON_ARRAY] = WEIR_J_ARRAY,
        [JSON_OBJECT] = WEIR_J_OBJECT};
    return node ? kinds[tree(node)->kind] : WEIR_J_NONE;
}

static size_t node_size(const weir_json_node *node)
{
    return node ? tree(node)->size : 0;
}

static const weir_json_node *node_entry(const weir_json_node *node, size_t i, weir_str *name)
{
    const struct json_value *entry = json_at(tree(node), i);
    if (entry && name)
        *name = entry->name;
    return (const weir_json_node *)entry;
}

static const weir_json_node *node_member(const weir_json_node *node, const char *name)
{
    return (const weir_json_node *)json_member0(tree(node), name);
}

static weir_str node_text(const weir_json_node *node)
{
    return node ? tree(node)->text : STR_NONE;
}

static weir_str node_raw(const weir_json_node *node)
{
    return node ? tree(node)->raw : STR_NONE;
}

const weir_json fake_json_table = {1,           sizeof fake_json_table,
                                   doc_parse,   doc_free,
                                   doc_root,    node_kind,
                                   node_size,   node_entry,
                                   node_member, node_text,
                                   node_raw};
