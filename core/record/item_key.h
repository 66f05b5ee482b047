/* What makes two records belong to the same item: the content of Keys, whatever its order and
 * spelling. */
#ifndef WEIR_RECORD_ITEM_KEY_H
#define WEIR_RECORD_ITEM_KEY_H
#include "record/node.h"
#include "util/buf.h"

/* Equal keys, equal hash. `keys` NULL: 0. No allocation. */
uint64_t item_key_hash(const struct node *keys);
/* Appends the canonical bytes: per attribute, by name: length and name, type, length and value;
 * lengths are four bytes, big end first; N in its one spelling, S and B as the bytes they stand
 * for. */
int item_key_put(struct buf *out, const struct node *keys);
#endif
