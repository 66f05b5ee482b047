/* A map of attributes into nodes, in one pass, without recursion. */
#include "record/along.h"

#include "record/names.h"
#include "util/text.h"

enum { NAME_BYTES_MAX = 64 << 10 };

struct frame {
    uint32_t node, count;
    bool map, escaped; /* escaped: some of its names */
};

struct build {
    struct decoder *d;
    struct along along;
    unsigned depth; /* brackets open around the image */
    unsigned top;   /* frames in use */
    struct frame frame[FRAMES_MAX];
};

static const char *too_many(struct decoder *d, const char *p)
{
    if (d->out_of_memory)
        return scan_fail(&d->scan, p, "out of memory");
    return scan_fail(&d->scan, p, "too many values");
}

bool base64_valid(const char *p, size_t len)
{
    /* A-Z a-z 0-9 + / as bits of ASCII 0..63 and 64..127; no byte above */
    static const uint64_t allowed[4] = {UINT64_C(0x03ff880000000000), UINT64_C(0x07fffffe07fffffe)};
    uint64_t good = 1;
    size_t pads = 0;
    if (len % 4 != 0)
        return false;
    while (pads < 2 && pads < len && p[len - 1 - pads] == '=')
        pads++;
    for (size_t i = 0; i < len - pads; i++)
        good &= allowed[(unsigned char)p[i] >> 6] >> (p[i] & 63) & 1;
    if (!good || pads == 0)
        return good;
    /* What padding leaves over must be zero bits: one content, one spelling. */
    char last = p[len - 1 - pads];
    return strchr(pads == 1 ? "AEIMQUYcgkosw048" : "AQgw", last) != NULL;
}

static bool content_valid(int type, weir_str text)
{
    return type == WEIR_T_N ? number_valid(text.ptr, text.len) : base64_valid(text.ptr, text.len);
}

/* Escapes are allowed even here ("\u003d" for '='): then what they mean is judged. */
static bool escaped_content_valid(struct decoder *d, int type, weir_str raw)
{
    struct arena_mark mark = arena_mark(&d->batch->arena);
    char *clean = arena_alloc(&d->batch->arena, raw.len + SCAN_PADDING, 1);
    bool valid = false;
    if (clean) {
        size_t len = json_unescape(raw, clean);
        clean[len] = '\0';
        valid = content_valid(type, (weir_str){clean, len});
        arena_rollback(&d->batch->arena, mark);
    }
    d->out_of_memory |= !clean;
    return valid;
}

static inline bool content_ok(struct decoder *d, int type, const char *p, size_t len,
                              uint32_t escaped)
{
    if (type == WEIR_T_S)
        return true;
    weir_str raw = {p, len};
    if (escaped ? escaped_content_valid(d, type, raw) : content_valid(type, raw))
        return true;
    scan_fail(&d->scan, p, type == WEIR_T_N ? "N is not a DynamoDB number" : "B is not base64");
    return false;
}

/* `p` behind the opening quote of an S, N or B (also a set's entry): behind the closing quote. */
static inline const char *text_node(struct decoder *d, const char *p, const struct name *name,
                                    uint32_t type)
{
    uint32_t escaped = 0;
    const char *end = scan_text(&d->scan, p, &escaped);
    if (!end || !content_ok(d, (int)(type & NODE_TYPE), p, (size_t)(end - p), escaped))
        return NULL;
    struct node *node = node_new(d, name, type | (escaped ? NODE_VAL_ESCAPED : 0));
    if (unlikely(!node))
        return too_many(d, p);
    node->val = p;
    node->val_bytes = (uint32_t)(end - p);
    return end + 1;
}

const char *set_node(struct decoder *d, const char *p, const struct name *name, uint32_t type)
{
    static const uint8_t entry_type[] = {WEIR_T_S, WEIR_T_N, WEIR_T_B};
    static const struct name nameless;
    struct node *set = node_new(d, name, type);
    uint32_t index = d->node_count - 1;
    const char *start = p;
    if (!set)
        return too_many(d, p);
    if (*p != '[')
        return scan_fail(&d->scan, p, "a set is not an array");
    p = scan_space(p + 1);
    bool more = *p != ']';
    while (more) {
        if (*p != '"')
            return scan_fail(&d->scan, p, "a set's entry is not a string");
        p = text_node(d, p + 1, &nameless, entry_type[type - WEIR_T_SS] | NODE_SET_ENTRY);
        if (!p)
            return NULL;
        p = scan_space(p);
        if (*p != ',' && *p != ']')
            return scan_fail(&d->scan, p, "expected ',' or ']'");
        more = *p == ',';
        if (more)
            p = scan_space(p + 1);
    }
    set = node_at(d, index);
    set->val = start;
    set->val_bytes = (uint32_t)(p + 1 - start);
    set->next = d->node_count - index;
    return p + 1;
}

static const char *literal_node(struct decoder *d, const char *p, const struct name *name,
                                uint32_t type)
{
    const char *end = *p == 't' || *p == 'f' ? scan_literal(&d->scan, p) : NULL;
    if (!end)
        return scan_fail(&d->scan, p, "BOOL and NULL take true or false");
    struct node *node = node_new(d, name, type);
    if (!node)
        return too_many(d, p);
    node->val = p;
    node->val_bytes = (uint32_t)(end - p);
    return end;
}

/* Behind the last byte of the container on top of the stack. */
static const char *leave(struct build *b, const char *p)
{
    const struct frame *frame = &b->frame[--b->top];
    struct node *node = node_at(b->d, frame->node);
    node->val_bytes = (uint32_t)(p - node->val);
    node->next = b->d->node_count - frame->node;
    bool known_unique = b->top == 0 && b->along.same_names && b->along.at == b->along.end;
    if (frame->map && frame->count > 1 && !known_unique &&
        !names_unique(b->d, node, frame->count, frame->escaped))
        return scan_fail(&b->d->scan, node->val,
                         b->d->out_of_memory ? "out of memory" : "one name twice in a map");
    return p;
}

/* `p` at an M's or L's bracket. *opened: its first entry follows; otherwise it was empty. */
static const char *enter(struct build *b, const char *p, const struct name *name, uint32_t bits,
                         bool *opened)
{
    bool map = (bits & NODE_TYPE) == WEIR_T_M;
    if (*p != (map ? '{' : '['))
        return scan_fail(&b->d->scan, p, map ? "a map is not an object" : "a list is not an array");
    if (b->depth + 2 * b->top >= SCAN_DEPTH_MAX || b->top == FRAMES_MAX)
        return scan_fail(&b->d->scan, p, "nested deeper than 128");
    struct node *node = node_new(b->d, name, bits);
    if (!node)
        return too_many(b->d, p);
    node->val = p;
    b->frame[b->top++] = (struct frame){b->d->node_count - 1, 0, map, false};
    p = scan_space(p + 1);
    *opened = *p != (map ? '}' : ']');
    return *opened ? p : leave(b, p + 1);
}

static uint32_t type_named(weir_str name, uint32_t escaped)
{
    static const char names[][5] = {"", "S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"};
    char clean[4 * 6]; /* the longest name, all of it written as \uXXXX */
    if (name.len > (escaped ? sizeof clean : 4))
        return WEIR_T_NONE;
    if (escaped)
        name = (weir_str){clean, json_unescape(name, clean)};
    for (uint32_t type = WEIR_T_S; type <= WEIR_T_BS; type++)
        if (strlen(names[type]) == name.len && memcmp(names[type], name.ptr, name.len) == 0)
            return type;
    return WEIR_T_NONE;
}

/* The type in {"T": where there is no white space and no escape; WEIR_T_NONE otherwise. */
static inline uint32_t compact_type(const char *p, const char **content)
{
    static const uint8_t single[256] = {
        ['S'] = WEIR_T_S, ['N'] = WEIR_T_N, ['B'] = WEIR_T_B, ['M'] = WEIR_T_M, ['L'] = WEIR_T_L};
    static const uint8_t set[256] = {['S'] = WEIR_T_SS, ['N'] = WEIR_T_NS, ['B'] = WEIR_T_BS};
    if (p[0] != '{' || p[1] != '"')
        return WEIR_T_NONE;
    if (p[3] == '"' && p[4] == ':') {
        *content = p + 5;
        return single[(unsigned char)p[2]];
    }
    if (p[3] == 'S' && p[4] == '"' && p[5] == ':') {
        *content = p + 6;
        return set[(unsigned char)p[2]];
    }
    *content = p + 8;
    if (memcmp(p + 2, "BOOL\":", 6) == 0)
        return WEIR_T_BOOL;
    return memcmp(p + 2, "NULL\":", 6) == 0 ? WEIR_T_NULL : WEIR_T_NONE;
}

/* `p` on the '{' of {"T": ...}: on the first byte of its content. */
static const char *wrapper(struct decoder *d, const char *p, uint32_t *type)
{
    uint32_t escaped = 0;
    if (*p != '{')
        return scan_fail(&d->scan, p, "an attribute value is not an object");
    p = scan_space(p + 1);
    const char *end = *p == '"' ? scan_text(&d->scan, p + 1, &escaped) : NULL;
    if (!end)
        return scan_fail(&d->scan, p, "an attribute value has no type");
    *type = type_named((weir_str){p + 1, (size_t)(end - p - 1)}, escaped);
    if (*type == WEIR_T_NONE)
        return scan_fail(&d->scan, p, "unknown attribute type");
    return scan_colon(&d->scan, end + 1);
}

static inline const char *unwrap(struct decoder *d, const char *p)
{
    p = scan_space(p);
    return likely(*p == '}') ? p + 1
                             : scan_fail(&d->scan, p, "an attribute value has more than one type");
}

static const char *value(struct build *b, const char *p, const struct name *name, bool *opened)
{
    struct decoder *d = b->d;
    uint32_t type = WEIR_T_NONE;
    const char *content;
    type = compact_type(p, &content);
    p = type != WEIR_T_NONE ? scan_space(content) : wrapper(d, p, &type);
    if (!p)
        return NULL;
    if (type == WEIR_T_M || type == WEIR_T_L)
        p = enter(b, p, name, type, opened);
    else if (type >= WEIR_T_SS)
        p = set_node(d, p, name, type);
    else if (type >= WEIR_T_BOOL)
        p = literal_node(d, p, name, type);
    else if (*p == '"')
        p = text_node(d, p + 1, name, type);
    else
        p = scan_fail(&d->scan, p, "S, N and B take strings");
    return p && !*opened ? unwrap(d, p) : p;
}

static inline uint32_t scalar_type(char c)
{
    return c == 'S' ? WEIR_T_S : c == 'N' ? WEIR_T_N : c == 'B' ? WEIR_T_B : WEIR_T_NONE;
}

/* A member of a map: nearly always "name":{"S":"text"}, which has a path of its own. */
static inline const char *member(struct build *b, const char *p, bool *opened)
{
    struct decoder *d = b->d;
    struct name name = {.at = p + 1};
    if (unlikely(*p != '"'))
        return scan_fail(&d->scan, p, "expected a name");
    p = scan_text(&d->scan, p + 1, &name.escaped);
    if (unlikely(!p))
        return NULL;
    if (unlikely((size_t)(p - name.at) > NAME_BYTES_MAX))
        return scan_fail(&d->scan, name.at, "attribute name longer than 64 KiB");
    name.bytes = (uint32_t)(p - name.at);
    b->frame[b->top - 1].escaped |= name.escaped;
    uint32_t type = scan_is_scalar(p) ? scalar_type(p[4]) : WEIR_T_NONE;
    if (likely(type != WEIR_T_NONE)) {
        p = text_node(d, p + 8, &name, type);
        return p ? unwrap(d, p) : NULL;
    }
    p = scan_colon(&d->scan, p + 1);
    return p ? value(b, p, &name, opened) : NULL;
}

/* As many members "name":{"T":"text"} without white space as follow one another: on the last name
 * that is not such a one or not followed by another. NULL: a fault. */
static inline const char *fast_members(struct decoder *d, const char *p, uint32_t *count)
{
    static const char next_member[4] = {'"', '}', ',', '"'};
    for (;;) {
        struct name name = {.at = p + 1};
        uint32_t escaped = 0;
        const char *q = scan_plain(p + 1);
        uint32_t type = scan_is_scalar(q) ? scalar_type(q[4]) : WEIR_T_NONE;
        if (type == WEIR_T_NONE || q - name.at > NAME_BYTES_MAX)
            return p;
        const char *end = scan_plain(q + 8);
        if (*end != '"')
            end = scan_text(&d->scan, end, &escaped);
        if (unlikely(!end))
            return NULL;
        if (scan_load32(end) != scan_load32(next_member))
            return p;
        size_t len = (size_t)(end - q - 8);
        if (unlikely(!content_ok(d, (int)type, q + 8, len, escaped)))
            return NULL;
        name.bytes = (uint32_t)(q - name.at);
        struct node *node = node_new(d, &name, type | (escaped ? NODE_VAL_ESCAPED : 0));
        if (unlikely(!node))
            return too_many(d, p);
        node->val = q + 8;
        node->val_bytes = (uint32_t)len;
        ++*count;
        p = end + 3;
    }
}

static const char *close_container(struct build *b, const char *p)
{
    if (*p != (b->frame[b->top - 1].map ? '}' : ']'))
        return scan_fail(&b->d->scan, p, "expected ',' or a closing bracket");
    p = leave(b, p + 1);
    return p && b->top > 0 ? unwrap(b->d, p) : p;
}

/* ---- along another image ---- */

static inline const struct node *along_at(const struct build *b, uint32_t index)
{
    return b->along.nodes ? b->along.nodes + index : node_at(b->d, index);
}

/* The byte behind a member of the twin, its comma included: where the next one begins, or the '}'.
 */
static inline const char *twin_stop(const struct build *b, uint32_t next)
{
    return next < b->along.end ? node_at(b->d, next)->key - 1 : b->along.close;
}

/* Nodes [from, to) once more, for the same text `shift` bytes further on. */
static void copy_nodes(struct decoder *d, uint32_t from, uint32_t to, ptrdiff_t shift)
{
    uint32_t ahead = (d->node_count - from) << NODE_INDEX_SHIFT;
    const struct node *old = node_at(d, from);
    struct node *copy = node_at(d, d->node_count);
    for (uint32_t i = 0; i < to - from; i++) {
        copy[i] = old[i];
        copy[i].key = old[i].key ? old[i].key + shift : NULL;
        copy[i].val += shift;
        copy[i].bits += ahead;
    }
    d->node_count += to - from;
}

/* As trail_read(), along the twin: members whose values stand alike too. */
static const char *echo(struct build *b, const char *p, struct taken *taken)
{
    struct decoder *d = b->d;
    const char *from = node_at(d, b->along.at)->key - 1;
    size_t same = scan_common(p, from, (size_t)(b->along.close - from));
    uint32_t next = b->along.at, members = 0, escaped = 0;
    const char *stop = from;
    while (next < b->along.end) {
        const struct node *node = node_at(d, next);
        const char *end = twin_stop(b, next + node->next);
        if (end > from + same)
            break;
        escaped |= node->bits & NODE_KEY_ESCAPED;
        next += node->next;
        stop = end;
        members++;
    }
    uint32_t count = d->node_count + (next - b->along.at);
    if (members == 0 || (count > d->node_cap && head_reserve(d, count) < 0))
        return p; /* one by one, to the end of what is allowed */
    copy_nodes(d, b->along.at, next, p - from);
    *taken = (struct taken){members, escaped};
    b->along.at = next;
    return p + (stop - from);
}

/* `p` on the quote of a member of the image: takes over all members from here on that go along, and
 * returns behind them: on the next member's quote or, *ended, behind the last one's comma. */
static inline const char *go_along(struct build *b, const char *p, bool *ended)
{
    struct taken taken = {0, 0};
    p = b->along.nodes ? trail_read(b->d, &b->along, p, &taken) : echo(b, p, &taken);
    b->frame[0].count += taken.members;
    b->frame[0].escaped |= taken.escaped != 0;
    *ended = b->along.at == b->along.end;
    return p;
}

/* After a member that was read the long way, its node at `index`: the other image goes on behind
 * its member of the same name. Only so many are looked at in vain: images that are not alike
 * must not cost the square of their size. */
static void follow(struct build *b, uint32_t index)
{
    const struct node *read = node_at(b->d, index);
    for (uint32_t at = b->along.at; at < b->along.end; at += along_at(b, at)->next) {
        const struct node *node = along_at(b, at);
        if (node->key_bytes == read->key_bytes &&
            memcmp(node->key, read->key, read->key_bytes) == 0) {
            b->along.same_names &= at == b->along.at;
            b->along.at = at + node->next;
            return;
        }
        if (b->along.patience == 0)
            break;
        b->along.patience--;
    }
    b->along.same_names = false;
    if (b->along.patience == 0)
        b->along.at = b->along.end;
}

static void meet(struct build *b, uint32_t twin, const struct trail *trail)
{
    enum { PATIENCE = 16 };
    b->along = (struct along){0};
    if (twin > 0) {
        const struct node *image = node_at(b->d, twin - 1);
        b->along = (struct along){.at = twin,
                                  .end = twin - 1 + image->next,
                                  .patience = PATIENCE * image->next,
                                  .close = image->val + image->val_bytes - 1,
                                  .same_names = true};
    } else if (trail) {
        trail_meet(trail, b->depth, &b->along);
    }
}

static const char *build(struct build *b, const char *p)
{
    static const struct name nameless;
    struct decoder *d = b->d;
    bool opened = false;
    p = enter(b, p, &nameless, WEIR_T_M | NODE_IMAGE, &opened);
    while (p && b->top > 0) {
        struct frame *frame = &b->frame[b->top - 1];
        bool outer = b->top == 1, along = outer && b->along.at < b->along.end, ended = false;
        opened = false;
        if (along && *p == '"')
            p = go_along(b, p, &ended);
        else if (frame->map && *p == '"')
            p = fast_members(d, p, &frame->count);
        if (!p)
            return NULL;
        if (!ended) {
            uint32_t index = d->node_count;
            frame->count++;
            p = frame->map ? member(b, p, &opened) : value(b, p, &nameless, &opened);
            if (p && along)
                follow(b, index);
            else if (outer)
                b->along.same_names = false;
        }
        while (p && !opened && b->top > 0) {
            p = scan_space(p);
            if (likely(*p == ',')) {
                p = scan_space(p + 1);
                break;
            }
            p = close_container(b, p);
        }
    }
    return p;
}

const char *image_build(struct decoder *d, const char *p, unsigned depth, uint32_t twin,
                        struct trail *trail)
{
    struct build b;
    uint32_t image = d->node_count;
    b.d = d;
    b.depth = depth;
    b.top = 0;
    meet(&b, twin, trail);
    p = build(&b, p);
    if (p && twin == 0 && trail)
        trail_leave(d, trail, &b.along, image, depth);
    return p;
}
