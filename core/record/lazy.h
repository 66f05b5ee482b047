/* Results made on first access, by any thread: carved from memory of the record that any thread may
 * carve from, and published once by compare-and-swap; what the loser of a race made is wasted. They
 * live as long as the record. */
#ifndef WEIR_RECORD_LAZY_H
#define WEIR_RECORD_LAZY_H
#include "record/node.h"
#include "util/buf.h"

struct lazy_bytes {
    size_t len;
    char bytes[]; /* aligned as a size_t */
};

enum lazy_field { LAZY_EVENT_JSON, LAZY_ITEM_KEY, LAZY_IDENTITY, LAZY_FIELDS };

typedef _Atomic(struct lazy_bytes *) lazy_slot;

/* The place of a result; NULL when out of memory. */
lazy_slot *lazy_field(const struct record *record, enum lazy_field which);
lazy_slot *
lazy_content(const struct node *node); /* unescaped text, decoded B, or the entries' places */
lazy_slot *lazy_other(const struct node *node); /* its unescaped name, or a set entry's JSON */

static inline struct lazy_bytes *lazy_get(lazy_slot *slot)
{
    return slot ? atomic_load_explicit(slot, memory_order_acquire) : NULL;
}

/* len bytes to fill in, and one more; NULL when out of memory. */
struct lazy_bytes *lazy_new(const struct record *record, size_t len);
/* Takes `made` (NULL: nothing was made). Returns what stands in the slot afterwards. */
struct lazy_bytes *lazy_publish(lazy_slot *slot, struct lazy_bytes *made);
static inline weir_str lazy_str(const struct lazy_bytes *bytes)
{
    return bytes ? (weir_str){bytes->bytes, bytes->len} : (weir_str){NULL, 0};
}
/* All results of a record that no other thread can see (any more). */
void lazy_free(struct record *record);
#endif
