/* The local dead-letter store: one SQLite file, opened at the first letter, written by one worker
 * thread at a time, durable before `done`. */
#ifndef WEIR_STATE_DEAD_SQLITE_H
#define WEIR_STATE_DEAD_SQLITE_H
#include "util/seam.h"

struct dead_store;

/* `path` is copied; its folder is made (0700) with the file (0600) at the first letter. 0 or
 * -ENOMEM. */
int dead_store_new(const char *path, const struct world *world, struct dead_store **out);
void dead_store_free(struct dead_store *dead); /* no put may be under way */
void dead_store_seam(struct dead_store *dead, struct store *out);
uint64_t dead_store_count(const struct dead_store *dead); /* letters stored by this process */
const char *dead_store_path(const struct dead_store *dead);
#endif
