/* Progress in the state file: one table row per stream, position and gap. */
#include "state/db_internal.h"

#include "util/text.h"

#include <errno.h>
#include <stdio.h>

static const char *const kinds[] = {
    [STATE_STREAM] = "stream", [STATE_POSITION] = "position", [STATE_GAP] = "gap"};
enum { KINDS = sizeof kinds / sizeof *kinds };

#define COLUMNS                                                                                    \
    "pipeline, kind, sink, stream, shard, parent, source_table, start, start_us, position,"        \
    " first_available, read_to_end, done, record_us, updated_us, checksum"

static const char write_sql[] =
    "INSERT INTO progress(" COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT(pipeline, kind, sink, stream, shard) DO UPDATE SET parent = excluded.parent,"
    " source_table = excluded.source_table, start = excluded.start, start_us = excluded.start_us,"
    " position = excluded.position, first_available = excluded.first_available,"
    " read_to_end = excluded.read_to_end, done = excluded.done, record_us = excluded.record_us,"
    " updated_us = excluded.updated_us, checksum = excluded.checksum"
    /* an open gap does not undo that it was accepted */
    " WHERE NOT (kind = 'gap' AND done AND NOT excluded.done AND start_us = excluded.start_us)";
static const char erase_sql[] = "DELETE FROM progress WHERE pipeline = ? AND kind = ? AND sink = ?"
                                " AND stream = ? AND shard = ?";
static const char read_sql[] = "SELECT " COLUMNS " FROM progress WHERE pipeline = ?"
                               " ORDER BY pipeline, kind, sink, stream, shard";
static const char read_all_sql[] = "SELECT " COLUMNS " FROM progress";

/* ---- checksum ---- */

uint64_t db_mix(uint64_t sum, weir_str text)
{
    uint64_t len = text.len;
    return hash_bytes(hash_bytes(sum, &len, sizeof len), text.ptr ? text.ptr : "", text.len);
}

/* SQLite keeps no checksum of what it stores: a flipped bit of a position would be believed. */
static int64_t checksum(weir_str pipeline, const struct state_row *row)
{
    const weir_str texts[] = {pipeline,      str_of(kinds[row->kind]),
                              row->sink,     row->stream,
                              row->shard,    row->parent,
                              row->table,    row->start,
                              row->position, row->first_available};
    const int64_t numbers[] = {row->start_us, row->read_to_end, row->done, row->record_us,
                               row->updated_us};
    uint64_t sum = HASH_SEED;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        sum = db_mix(sum, texts[i]);
    return (int64_t)(hash_bytes(sum, numbers, sizeof numbers) & INT64_MAX);
}

/* ---- writing ---- */

static void bind_key(sqlite3_stmt *statement, weir_str pipeline, const struct state_row *row)
{
    db_bind(statement, 1, pipeline);
    db_bind(statement, 2, str_of(kinds[row->kind]));
    db_bind(statement, 3, row->sink);
    db_bind(statement, 4, row->stream);
    db_bind(statement, 5, row->shard);
}

static void bind_row(sqlite3_stmt *statement, weir_str pipeline, const struct state_row *row)
{
    bind_key(statement, pipeline, row);
    db_bind(statement, 6, row->parent);
    db_bind(statement, 7, row->table);
    db_bind(statement, 8, row->start);
    sqlite3_bind_int64(statement, 9, row->start_us);
    db_bind(statement, 10, row->position);
    db_bind(statement, 11, row->first_available);
    sqlite3_bind_int(statement, 12, row->read_to_end);
    sqlite3_bind_int(statement, 13, row->done);
    sqlite3_bind_int64(statement, 14, row->record_us);
    sqlite3_bind_int64(statement, 15, row->updated_us);
    sqlite3_bind_int64(statement, 16, checksum(pipeline, row));
}

int db_write_rows(struct state_db *db, weir_str pipeline, const struct state_row *rows,
                  size_t count, struct err *err)
{
    sqlite3_stmt *write = NULL, *erase = NULL;
    int rc = db_prepare(db, write_sql, &write, err);
    if (rc == 0)
        rc = db_prepare(db, erase_sql, &erase, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        sqlite3_stmt *statement = rows[i].erase ? erase : write;
        if (rows[i].erase)
            bind_key(statement, pipeline, &rows[i]);
        else
            bind_row(statement, pipeline, &rows[i]);
        rc = db_run(db, statement, err);
    }
    sqlite3_finalize(write);
    sqlite3_finalize(erase);
    return rc;
}

/* ---- reading ---- */

static int damaged_row(const struct state_db *db, const struct state_row *row, struct err *err)
{
    char how[256];
    snprintf(how, sizeof how, "the row of sink \"%.*s\", shard \"%.*s\" was changed by something",
             STR_ARG(row->sink), STR_ARG(row->shard));
    return db_damaged(db->path, how, err);
}

/* The texts are SQLite's, valid until the next step. */
static int get_row(struct state_db *db, sqlite3_stmt *read, struct state_row *row, struct err *err)
{
    size_t kind = 0;
    while (kind < KINDS && !str_is(db_column(read, 1), kinds[kind]))
        kind++;
    *row = (struct state_row){.kind = (enum state_kind)(kind < KINDS ? kind : 0),
                              .sink = db_column(read, 2),
                              .stream = db_column(read, 3),
                              .shard = db_column(read, 4),
                              .parent = db_column(read, 5),
                              .table = db_column(read, 6),
                              .start = db_column(read, 7),
                              .start_us = sqlite3_column_int64(read, 8),
                              .position = db_column(read, 9),
                              .first_available = db_column(read, 10),
                              .read_to_end = sqlite3_column_int(read, 11) != 0,
                              .done = sqlite3_column_int(read, 12) != 0,
                              .record_us = sqlite3_column_int64(read, 13),
                              .updated_us = sqlite3_column_int64(read, 14)};
    if (kind == KINDS && db->minor > SCHEMA_MINOR)
        return 1; /* a kind that a newer weir added */
    if (kind == KINDS || sqlite3_column_int64(read, 15) != checksum(db_column(read, 0), row))
        return damaged_row(db, row, err);
    return 0;
}

struct row_list {
    struct arena *arena;
    struct state_row *rows;
    size_t count, room;
};

static int append(struct row_list *list, const struct state_row *row)
{
    if (list->count == list->room) {
        size_t room = list->room * 2 + 64;
        struct state_row *rows =
            arena_alloc(list->arena, room * sizeof *rows, _Alignof(struct state_row));
        if (!rows)
            return -ENOMEM;
        if (list->count)
            memcpy(rows, list->rows, list->count * sizeof *rows);
        list->rows = rows;
        list->room = room;
    }
    list->rows[list->count] = *row;
    return state_row_keep(list->arena, &list->rows[list->count++]);
}

static bool has_progress(const struct state_db *db)
{
    return db->minor >= 1;
}

int db_read_rows(struct state_db *db, weir_str pipeline, struct arena *arena,
                 struct state_row **rows, size_t *count, struct err *err)
{
    struct row_list list = {.arena = arena};
    struct state_row row;
    sqlite3_stmt *read = NULL;
    int code = SQLITE_DONE, rc = has_progress(db) ? db_prepare(db, read_sql, &read, err) : 0;
    if (rc == 0 && read)
        db_bind(read, 1, pipeline);
    while (rc == 0 && read && (code = sqlite3_step(read)) == SQLITE_ROW) {
        rc = get_row(db, read, &row, err);
        if (rc == 0 && append(&list, &row) < 0)
            rc = err_set(err, -ENOMEM, "out of memory");
        rc = rc > 0 ? 0 : rc;
    }
    if (rc == 0 && code != SQLITE_DONE)
        rc = db_error(db, err);
    sqlite3_finalize(read);
    if (rc == 0) {
        *rows = list.rows;
        *count = list.count;
    }
    return rc;
}

int db_verify_rows(struct state_db *db, struct err *err)
{
    struct state_row row;
    sqlite3_stmt *read = NULL;
    int code = SQLITE_DONE, rc = db_prepare(db, read_all_sql, &read, err);
    while (rc >= 0 && (code = sqlite3_step(read)) == SQLITE_ROW)
        rc = get_row(db, read, &row, err);
    if (rc >= 0)
        rc = code == SQLITE_DONE ? 0 : db_error(db, err);
    sqlite3_finalize(read);
    return rc;
}
