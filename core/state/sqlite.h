/* The store seam on a local SQLite file (state/db.h). One connection, used by one pool thread at a
 * time; what waits meanwhile is written together, in one transaction. */
#ifndef WEIR_STATE_SQLITE_H
#define WEIR_STATE_SQLITE_H
#include "util/err.h"
#include "util/seam.h"

struct sqlite_store;

struct sqlite_store_config { /* texts are copied */
    const char *path, *pipeline;
    const struct world *world; /* clock and worker are used */
    /* What a dead letter's status can't say; at most one line for a run of the same failure. */
    void (*log)(void *ctx, int level, const char *component, const char *code, const char *msg);
    void *log_ctx;
};

/* Touches no file: that is made at the first letter, or with its ownership. 0 or -ENOMEM. */
int sqlite_store_new(const struct sqlite_store_config *config, struct sqlite_store **out);
/* Blocks: takes the lock and opens the file, as acquire() does later on a pool thread; for a
 * program that wants to end with the reason before it starts anything. -EBUSY = another process has
 * it; -EUCLEAN, -EPROTO as db_open. */
int sqlite_store_own(struct sqlite_store *store, struct err *err);
void sqlite_store_free(
    struct sqlite_store *store); /* nothing may be under way; gives up the lock */
/* acquire() of a file that is in use, damaged or not writable ends with changed(false). */
void sqlite_store_seam(struct sqlite_store *store, struct store *out);
uint64_t sqlite_store_letters(const struct sqlite_store *store); /* stored by this process */
const char *sqlite_store_path(const struct sqlite_store *store);
#endif
