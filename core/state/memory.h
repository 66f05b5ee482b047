/* The store seam without a store: nothing is kept, so that every start begins at the configured
 * place. For trying things out; dead letters go to another store. */
#ifndef WEIR_STATE_MEMORY_H
#define WEIR_STATE_MEMORY_H
#include "util/seam.h"

struct memory_store;

/* `letters`: where dead_put goes; its functions may be NULL. `world` must outlive it. -ENOMEM. */
int memory_store_new(const struct world *world, const struct store *letters,
                     struct memory_store **out);
void memory_store_free(struct memory_store *memory); /* nothing may be under way */
void memory_store_seam(struct memory_store *memory, struct store *out);
#endif
