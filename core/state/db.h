/* The state file: one SQLite file with the streams, positions, gaps, dead letters and sinks' values
 * of pipelines.
 * Everything blocks; one thread at a time may use a state_db.
 *
 * Its version is MAJOR.MINOR. A minor one only adds tables, and columns with a default, so each
 * reads what the other wrote, and each statement names its columns. A newer major one is refused.
 * Nothing is ever repaired or begun anew by itself: a file that can't be trusted is an error. */
#ifndef WEIR_STATE_DB_H
#define WEIR_STATE_DB_H
#include "util/arena.h"
#include "util/err.h"
#include "util/seam.h"

struct state_db;

enum db_use {
    DB_OWN,  /* the daemon, under the lock: made when absent, checked from end to end */
    DB_ADD,  /* dead letters only, beside whoever owns it: made when absent */
    DB_VISIT /* a verb: must be there; read only where it can't be written */
};

/* 0; -ENOENT (DB_VISIT), -EUCLEAN damaged, -EPROTO made by a newer weir, -errno; err says what to
 * do. Missing folders are made (0700), the file is 0600. */
int db_open(const char *path, enum db_use use, struct state_db **out, struct err *err);
int db_make_folders(const char *path, struct err *err); /* all above `path`, 0700 */
void db_close(struct state_db *db); /* NULL is fine; what was not committed is not stored */

/* All writing is between begin and commit; only a commit of 0 made it durable. After any error:
 * rollback. */
int db_begin(struct state_db *db, struct err *err);
int db_commit(struct state_db *db, struct err *err);
void db_rollback(struct state_db *db);

int db_write_rows(struct state_db *db, weir_str pipeline, const struct state_row *rows,
                  size_t count, struct err *err);
/* All rows of a pipeline in key order; rows and texts in `arena`. */
int db_read_rows(struct state_db *db, weir_str pipeline, struct arena *arena,
                 struct state_row **rows, size_t *count, struct err *err);

/* A letter of a record that has one replaces it; poison without a sequence number never does. */
int db_write_letter(struct state_db *db, const struct dead_letter *letter, struct err *err);

int db_write_value(struct state_db *db, weir_str pipeline, const struct store_value *value,
                   bool erase, struct err *err);
struct kept {
    struct store_value value;
    struct kept *next;
};
/* All values of a pipeline by sink, plugin and key, in `arena`; NULL = none. */
int db_read_values(struct state_db *db, weir_str pipeline, struct arena *arena, struct kept **out,
                   struct err *err);

struct db_letters { /* which; zeroed = all */
    weir_str pipeline, sink;
    int64_t after_id;
    int64_t id;    /* only this one; 0 = any */
    int64_t limit; /* 0 = no limit */
};
/* Calls `each` by rising id, until it returns non-zero, which is returned. The texts are valid
 * within the call; `each` may not write. */
int db_each_letter(struct state_db *db, const struct db_letters *which,
                   int (*each)(void *ctx, int64_t id, const struct dead_letter *letter), void *ctx,
                   struct err *err);
/* Removes a letter. An id may be given again after its letter is gone: with `same`, only a letter
 * of that record is removed. 1 = removed, 0 = there is none, -errno. */
int db_drop_letter(struct state_db *db, int64_t id, const struct dead_letter *same,
                   struct err *err);
#endif
