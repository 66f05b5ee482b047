/* The bits of a node, and the way from a node back to its record: a record and its nodes are one
 * block. */
#ifndef WEIR_RECORD_NODE_H
#define WEIR_RECORD_NODE_H
#include "record/record.h"

enum {
    NODE_TYPE = 0x0f, /* WEIR_T_* */
    NODE_KEY_ESCAPED = 0x10,
    NODE_VAL_ESCAPED = 0x20,
    NODE_IMAGE = 0x40,     /* the root of an image: an M without a wrapper */
    NODE_SET_ENTRY = 0x80, /* no wrapper either */
    NODE_INDEX_SHIFT = 8,
    NODE_INDEX_MAX = 0xffffff
};

static inline struct node *record_nodes(const struct record *record)
{
    return (struct node *)((uintptr_t)record + sizeof *record);
}

static inline uint32_t node_index(const struct node *node)
{
    return node->bits >> NODE_INDEX_SHIFT;
}

static inline struct record *node_record(const struct node *node)
{
    return (struct record *)((uintptr_t)(node - node_index(node)) - sizeof(struct record));
}

static inline int node_type(const struct node *node)
{
    return (int)(node->bits & NODE_TYPE);
}
#endif
