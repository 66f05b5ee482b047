/* Items of one table are alike: an image is read along one of an earlier record, its trail. Where
 * the text between two values stands again, there is no name to scan, no type to find out, and no
 * name to compare with the others: only the values are looked at. */
#include "record/along.h"

#include "util/alloc.h"

enum { TRAIL_NODES_FIRST = 256, TRAIL_NODES = 1024, TRAIL_CREDIT = 8, TRAIL_CREDIT_MAX = 32 };

struct opened { /* a container: its node in the trail, and its node here */
    uint32_t old, index;
};

struct walk {
    const char *p;    /* behind what was read here */
    const char *text; /* behind what that is in the trail */
    uint32_t at;      /* the trail's node that comes next */
    uint32_t top;
    struct opened opened[FRAMES_MAX];
};

/* The end of the value at p, of the same type as the trail's; NULL: none, or a closer look is
 * needed. */
static inline const char *value_end(struct decoder *d, const char *p, int type, uint32_t *escaped)
{
    const char *end;
    switch (type) {
    case WEIR_T_S:
        return scan_text(&d->scan, p, escaped);
    case WEIR_T_N:
        end = scan_plain(p);
        return number_valid(p, (size_t)(end - p)) ? end : NULL;
    case WEIR_T_B:
        end = scan_plain(p);
        return base64_valid(p, (size_t)(end - p)) ? end : NULL;
    case WEIR_T_BOOL:
    case WEIR_T_NULL:
        return memcmp(p, "true", 4) == 0 ? p + 4 : memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
    default:
        return p + 1; /* the bracket, part of the text that was compared */
    }
}

/* A set may hold more or less than the trail's. */
static bool read_set(struct decoder *d, struct walk *walk, const struct node *old)
{
    const struct name name = {old->key ? walk->p - (old->val - old->key) : NULL, old->key_bytes,
                              old->bits & NODE_KEY_ESCAPED};
    walk->p = set_node(d, walk->p, &name, old->bits & NODE_TYPE);
    walk->text = old->val + old->val_bytes;
    walk->at += old->next;
    return walk->p;
}

/* The node like `old`, whose text before the value stood here as well. */
static inline bool read_node(struct decoder *d, struct walk *walk, const struct node *old)
{
    int type = node_type(old);
    uint32_t index = d->node_count, escaped = 0;
    const char *p = walk->p;
    if (type >= WEIR_T_SS)
        return read_set(d, walk, old);
    const char *end = value_end(d, p, type, &escaped);
    if (unlikely(!end || (index >= d->node_cap && head_reserve(d, index + 1) < 0)))
        return false;
    *node_at(d, index) = (struct node){.key = old->key ? p - (old->val - old->key) : NULL,
                                       .val = p,
                                       .key_bytes = old->key_bytes,
                                       .val_bytes = (uint32_t)(end - p),
                                       .next = 1,
                                       .bits = index << NODE_INDEX_SHIFT |
                                               (old->bits & (NODE_TYPE | NODE_KEY_ESCAPED)) |
                                               (escaped ? NODE_VAL_ESCAPED : 0)};
    d->node_count = index + 1;
    if (type >= WEIR_T_M)
        walk->opened[walk->top++] = (struct opened){walk->at, index};
    walk->p = end;
    walk->text = type >= WEIR_T_M ? old->val + 1 : old->val + old->val_bytes;
    walk->at++;
    return true;
}

/* Containers that end behind the node that was read last: if their brackets don't stand here, the
 * text before the next value doesn't. */
static inline void close_opened(struct decoder *d, struct walk *walk, const struct node *nodes)
{
    while (walk->top > 0) {
        struct opened *opened = &walk->opened[walk->top - 1];
        const struct node *old = nodes + opened->old;
        if (opened->old + old->next != walk->at)
            return;
        struct node *node = node_at(d, opened->index);
        node->val_bytes =
            (uint32_t)(walk->p - node->val + (old->val + old->val_bytes - walk->text));
        node->next = d->node_count - opened->index;
        walk->top--;
    }
}

const char *trail_read(struct decoder *d, struct along *along, const char *p, struct taken *taken)
{
    const struct node *nodes = along->nodes;
    uint32_t node_count = d->node_count, escaped = 0;
    struct walk walk;
    walk.p = p;
    walk.text = nodes[along->at].key - 1;
    walk.at = along->at;
    walk.top = 0;
    for (;;) {
        const struct node *old = nodes + walk.at;
        bool outer = walk.top == 0;
        if (outer && walk.at > along->at) { /* a member was read: does it end as in the trail? */
            const char *next = walk.at < along->end ? old->key - 1 : along->close;
            size_t rest = (size_t)(next - walk.text);
            if (!scan_stands(walk.p, walk.text, rest))
                break;
            p = walk.p += rest;
            walk.text = next;
            along->at = walk.at;
            node_count = d->node_count;
            taken->members++;
            taken->escaped |= escaped;
        }
        if (walk.at == along->end)
            break;
        size_t bytes = (size_t)(old->val - walk.text);
        if (!scan_stands(walk.p, walk.text, bytes))
            break;
        walk.p += bytes;
        if (outer)
            escaped = old->bits & NODE_KEY_ESCAPED;
        if (!read_node(d, &walk, old))
            break;
        close_opened(d, &walk, nodes);
    }
    d->node_count = node_count;
    return p;
}

void trail_meet(const struct trail *trail, unsigned depth, struct along *along)
{
    const struct node *image = trail->nodes;
    if (trail->credit <= 0 || trail->depth != depth || image->next == 1)
        return;
    *along = (struct along){.nodes = image,
                            .at = 1,
                            .end = image->next,
                            .patience = image->next,
                            .close = image->val + image->val_bytes - 1,
                            .same_names = true};
}

static void judge(struct trail *trail, bool alike)
{
    if (alike)
        trail->credit += trail->credit < TRAIL_CREDIT_MAX;
    else
        trail->credit--;
}

const char *trail_skip(struct decoder *d, const char *p, unsigned depth)
{
    struct along along = {0};
    struct taken taken = {0, 0};
    uint32_t node_count = d->node_count;
    const char *first = scan_space(p + 1);
    trail_meet(&d->trail, depth, &along);
    if (!along.nodes || *first != '"')
        return NULL;
    const char *end = trail_read(d, &along, first, &taken);
    bool alike = along.at == along.end && *end == '}';
    d->node_count = node_count;
    judge(&d->trail, alike);
    return alike ? end + 1 : NULL;
}

void trail_leave(const struct decoder *d, struct trail *trail, const struct along *along,
                 uint32_t image, unsigned depth)
{
    const struct node *read = node_at(d, image);
    bool alike = along->nodes && along->same_names && along->at == along->end;
    if (along->nodes)
        judge(trail, alike);
    if (alike || (trail->nodes && trail->credit <= 0) || read->next > TRAIL_NODES)
        return;
    if (!trail->nodes || read->next > trail->cap) {
        uint32_t cap = read->next < TRAIL_NODES_FIRST ? TRAIL_NODES_FIRST : TRAIL_NODES;
        struct node *grown = mem_realloc(trail->nodes, cap * sizeof *grown);
        if (!grown)
            return; /* it goes without */
        trail->credit = trail->nodes ? trail->credit : TRAIL_CREDIT;
        trail->nodes = grown;
        trail->cap = cap;
    }
    memcpy(trail->nodes, read, read->next * sizeof *read);
    trail->depth = depth;
}
