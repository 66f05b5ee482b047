/* Inside image.c and trail.c: nodes, and another image that the one being read is held against. */
#ifndef WEIR_RECORD_ALONG_H
#define WEIR_RECORD_ALONG_H
#include "record/decode.h"

enum { FRAMES_MAX = SCAN_DEPTH_MAX / 2 };

/* The other image of the record (its twin), or one of an earlier record (the trail), while its
 * members go along with those being read. */
struct along {
    const struct node *nodes; /* the trail's; NULL: the twin, among those of the record at work */
    uint32_t at, end;         /* nodes: its next member; behind its last one */
    uint32_t patience;        /* members that may still be looked at in vain */
    const char *close;        /* its closing bracket */
    bool same_names;          /* so far: then no name stands twice here either */
};

struct taken { /* members that went along */
    uint32_t members, escaped;
};

/* An image at this depth starts along the trail; leaves *along alone where there is none to go by.
 */
void trail_meet(const struct trail *trail, unsigned depth, struct along *along);
/* `p` on the quote of a member of the image: reads all members from here on whose names and types,
 * at all levels, stand as in the trail; returns behind them: on the next member's quote or, behind
 * the trail's last one, where its comma would be. p itself when there are none; then, and behind
 * them, the long way tells whether something is wrong. */
const char *trail_read(struct decoder *d, struct along *along, const char *p, struct taken *taken);
/* The image at node `image` was read, as far along the trail as `along` says: it becomes the trail
 * unless it was alike. */
void trail_leave(const struct decoder *d, struct trail *trail, const struct along *along,
                 uint32_t image, unsigned depth);

struct name {
    const char *at;
    uint32_t bytes, escaped;
};

/* `p` behind the colon of an SS, NS or BS: behind its closing bracket. */
const char *set_node(struct decoder *d, const char *p, const struct name *name, uint32_t type);

static inline struct node *node_at(const struct decoder *d, uint32_t index)
{
    return record_nodes(d->head) + index;
}

/* The next node; NULL when there is none to be had. Moves the block: pointers to nodes die. */
static inline struct node *node_new(struct decoder *d, const struct name *name, uint32_t bits)
{
    uint32_t index = d->node_count;
    if (unlikely(index >= d->node_cap) && head_reserve(d, index + 1) < 0)
        return NULL;
    struct node *node = node_at(d, index);
    node->key = name->at;
    node->key_bytes = name->bytes;
    node->next = 1;
    node->bits = index << NODE_INDEX_SHIFT | bits | (name->escaped ? NODE_KEY_ESCAPED : 0);
    d->node_count = index + 1;
    return node;
}
#endif
