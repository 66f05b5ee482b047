/* What the files of the state file share. */
#ifndef WEIR_STATE_DB_INTERNAL_H
#define WEIR_STATE_DB_INTERNAL_H
#include "state/db.h"

#include <sqlite3.h>

struct state_db {
    sqlite3 *handle;
    char *path;
    int minor; /* of the file's version, after an upgrade */
    bool read_only;
};

enum { SCHEMA_MAJOR = 1, SCHEMA_MINOR = 2 };

/* The last error of the handle as -errno with a reason that says what to do. */
int db_error(const struct state_db *db, struct err *err);
int db_damaged(const char *path, const char *how, struct err *err);
int db_exec(struct state_db *db, const char *sql, struct err *err);
int db_prepare(struct state_db *db, const char *sql, sqlite3_stmt **out, struct err *err);
/* Mixes a text into a checksum, so that no byte can move from one field to the next. */
uint64_t db_mix(uint64_t sum, weir_str text);
void db_bind(sqlite3_stmt *statement, int at, weir_str text);
weir_str db_column(sqlite3_stmt *statement, int at);
/* Steps a statement that returns nothing, and makes it ready for the next. */
int db_run(struct state_db *db, sqlite3_stmt *statement, struct err *err);

/* Makes the file whole beside its place and moves it there: a crash leaves it whole or absent. */
int db_create(const char *path, struct err *err);
int db_upgrade(struct state_db *db, struct err *err);
/* Every stored row against its checksum, whatever its pipeline. */
int db_verify_rows(struct state_db *db, struct err *err);
#endif
