/* What one sink knows of records that the source may deliver again: finished ones are not given to
 * it a second time, attempts are counted on. Bounded: the oldest entry goes first, which costs a
 * repeat, never a loss. Keys are kept whole: a hash alone could be made to collide. */
#ifndef WEIR_ROUTER_MEMORY_H
#define WEIR_ROUTER_MEMORY_H
#include "util/str.h"
#include <stdint.h>

enum { MEMORY_ENTRIES_MAX = 20000 };
struct memory_entry;

struct memory {
    struct memory_entry **buckets;
    size_t bucket_count, count;
    struct memory_entry *oldest, *newest;
};

struct memory_fact { /* all zero: nothing is known */
    bool finished;
    uint32_t attempts;
    uint32_t down_epoch; /* as the item's */
};

void memory_done(struct memory *memory);
struct memory_fact memory_find(const struct memory *memory, weir_str stream, weir_str position);
/* Adds or replaces. Out of memory: forgets, which costs a repeat. */
void memory_put(struct memory *memory, weir_str stream, weir_str position, struct memory_fact fact);
void memory_drop(struct memory *memory, weir_str stream, weir_str position);
#endif
