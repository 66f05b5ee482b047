/* Changing and walking a parsed tree, without recursion. */
#ifndef WEIR_CONFIG_TREE_H
#define WEIR_CONFIG_TREE_H
#include "config/diag.h"

enum { TREE_SEGMENTS_MAX = 16, TREE_DEPTH_MAX = JSON_DEPTH_MAX + TREE_SEGMENTS_MAX + 2 };

struct tree_walk {
    struct json_value *parents[TREE_DEPTH_MAX];
    struct json_value *at;
    size_t depth; /* of the value last returned; the root's is 0 */
};

/* In the order written, parents before children. NULL behind the last. */
struct json_value *tree_first(struct tree_walk *walk, struct json_value *root);
struct json_value *tree_next(struct tree_walk *walk, bool skip_children);

/* Reports each member whose name its object already has, and takes it out. 0 or -ENOMEM. */
int tree_drop_duplicates(struct arena *arena, struct json_value *root, struct diags *diags);

/* Carries out one --set argument "path=value"; `text` is the argument, known to the diags. 0 (also
 * after a reported problem) or -ENOMEM. */
int tree_set(struct arena *arena, struct json_value *root, weir_str text, struct diags *diags);

struct json_value *tree_member(struct json_value *object, weir_str name); /* NULL when absent */
/* A new last member. NULL when out of memory. */
struct json_value *tree_add(struct arena *arena, struct json_value *object, weir_str name,
                            const char *name_at, int kind);
#endif
