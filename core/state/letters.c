/* Dead letters in the state file. */
#include "state/db_internal.h"

#include <errno.h>

static const char write_sql[] =
    "INSERT INTO dead_letter(pipeline, sink, stream, shard, sequence, event_id, record, reason,"
    " code, attempts, first_us, last_us) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)"
    " ON CONFLICT(pipeline, sink, stream, sequence, event_id) WHERE sequence <> ''"
    " DO UPDATE SET record = excluded.record, reason = excluded.reason, code = excluded.code,"
    " attempts = excluded.attempts, last_us = excluded.last_us";

int db_write_letter(struct state_db *db, const struct dead_letter *letter, struct err *err)
{
    const weir_str texts[] = {letter->pipeline, letter->sink,     letter->stream_arn,
                              letter->shard,    letter->sequence, letter->event_id};
    sqlite3_stmt *write = NULL;
    int rc = db_prepare(db, write_sql, &write, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 6; i++)
        db_bind(write, i + 1, texts[i]);
    sqlite3_bind_blob64(write, 7, letter->record.ptr ? letter->record.ptr : "", letter->record.len,
                        SQLITE_STATIC);
    db_bind(write, 8, letter->reason);
    db_bind(write, 9, letter->code);
    sqlite3_bind_int64(write, 10, letter->attempts);
    sqlite3_bind_int64(write, 11, letter->first_us);
    sqlite3_bind_int64(write, 12, letter->last_us);
    rc = db_run(db, write, err);
    sqlite3_finalize(write);
    return rc;
}

/* An empty text, and 0, stand for any. */
static const char read_sql[] =
    "SELECT id, pipeline, sink, stream, shard, sequence, event_id, record, reason, code, attempts,"
    " first_us, last_us FROM dead_letter WHERE id > ?1 AND (?2 = 0 OR id = ?2)"
    " AND (?3 = '' OR pipeline = ?3) AND (?4 = '' OR sink = ?4) ORDER BY id LIMIT ?5";

static struct dead_letter letter_of(sqlite3_stmt *read)
{
    return (struct dead_letter){.pipeline = db_column(read, 1),
                                .sink = db_column(read, 2),
                                .stream_arn = db_column(read, 3),
                                .shard = db_column(read, 4),
                                .sequence = db_column(read, 5),
                                .event_id = db_column(read, 6),
                                .record = db_column(read, 7),
                                .reason = db_column(read, 8),
                                .code = db_column(read, 9),
                                .attempts = sqlite3_column_int64(read, 10),
                                .first_us = sqlite3_column_int64(read, 11),
                                .last_us = sqlite3_column_int64(read, 12)};
}

int db_each_letter(struct state_db *db, const struct db_letters *which,
                   int (*each)(void *ctx, int64_t id, const struct dead_letter *letter), void *ctx,
                   struct err *err)
{
    sqlite3_stmt *read = NULL;
    int code = SQLITE_DONE, rc = db_prepare(db, read_sql, &read, err);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(read, 1, which->after_id);
    sqlite3_bind_int64(read, 2, which->id);
    db_bind(read, 3, which->pipeline);
    db_bind(read, 4, which->sink);
    sqlite3_bind_int64(read, 5, which->limit ? which->limit : -1);
    while (rc == 0 && (code = sqlite3_step(read)) == SQLITE_ROW) {
        struct dead_letter letter = letter_of(read);
        rc = each(ctx, sqlite3_column_int64(read, 0), &letter);
    }
    if (rc == 0 && code != SQLITE_DONE)
        rc = db_error(db, err);
    sqlite3_finalize(read);
    return rc;
}

int db_drop_letter(struct state_db *db, int64_t id, const struct dead_letter *same, struct err *err)
{
    sqlite3_stmt *drop = NULL;
    int rc = db_prepare(db,
                        same ? "DELETE FROM dead_letter WHERE id = ? AND pipeline = ? AND sink = ?"
                               " AND stream = ? AND sequence = ? AND event_id = ? AND first_us = ?"
                             : "DELETE FROM dead_letter WHERE id = ?",
                        &drop, err);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(drop, 1, id);
    if (same) {
        const weir_str texts[] = {same->pipeline, same->sink, same->stream_arn, same->sequence,
                                  same->event_id};
        for (int i = 0; i < 5; i++)
            db_bind(drop, i + 2, texts[i]);
        sqlite3_bind_int64(drop, 7, same->first_us);
    }
    rc = db_run(db, drop, err);
    sqlite3_finalize(drop);
    return rc < 0 ? rc : sqlite3_changes(db->handle);
}
