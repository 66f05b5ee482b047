/* What sinks keep (weir.kv/1), in the state file. */
#include "state/db_internal.h"

#include "util/text.h"

#include <errno.h>
#include <stdio.h>

static const char write_sql[] =
    "INSERT INTO sink_value(pipeline, sink, plugin, key, value, checksum) VALUES(?,?,?,?,?,?)"
    " ON CONFLICT(pipeline, sink, plugin, key) DO UPDATE SET value = excluded.value,"
    " checksum = excluded.checksum";
static const char erase_sql[] =
    "DELETE FROM sink_value WHERE pipeline = ? AND sink = ? AND plugin = ? AND key = ?";
static const char read_sql[] = "SELECT sink, plugin, key, value, checksum FROM sink_value"
                               " WHERE pipeline = ? ORDER BY sink, plugin, key";

static int64_t checksum(weir_str pipeline, const struct store_value *value)
{
    const weir_str texts[] = {pipeline, value->sink, value->plugin, value->key, value->bytes};
    uint64_t sum = HASH_SEED;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        sum = db_mix(sum, texts[i]);
    return (int64_t)(sum & INT64_MAX);
}

int db_write_value(struct state_db *db, weir_str pipeline, const struct store_value *value,
                   bool erase, struct err *err)
{
    sqlite3_stmt *write = NULL;
    int rc = db_prepare(db, erase ? erase_sql : write_sql, &write, err);
    if (rc < 0)
        return rc;
    db_bind(write, 1, pipeline);
    db_bind(write, 2, value->sink);
    db_bind(write, 3, value->plugin);
    db_bind(write, 4, value->key);
    if (!erase) {
        sqlite3_bind_blob64(write, 5, value->bytes.ptr ? value->bytes.ptr : "", value->bytes.len,
                            SQLITE_STATIC);
        sqlite3_bind_int64(write, 6, checksum(pipeline, value));
    }
    rc = db_run(db, write, err);
    sqlite3_finalize(write);
    return rc;
}

/* ---- reading ---- */

static int damaged_value(const struct state_db *db, const struct store_value *value,
                         struct err *err)
{
    char how[256];
    snprintf(how, sizeof how, "a value of sink \"%.*s\" was changed by something",
             STR_ARG(value->sink));
    return db_damaged(db->path, how, err);
}

static struct kept *copy_of(const struct store_value *value, struct arena *arena)
{
    struct kept *copy = arena_alloc(arena, sizeof *copy, _Alignof(struct kept));
    if (!copy)
        return NULL;
    *copy = (struct kept){.value = *value};
    struct store_value *v = &copy->value;
    weir_str *const texts[] = {&v->sink, &v->plugin, &v->key, &v->bytes};
    return arena_keep(arena, texts, sizeof texts / sizeof *texts) == 0 ? copy : NULL;
}

int db_read_values(struct state_db *db, weir_str pipeline, struct arena *arena, struct kept **out,
                   struct err *err)
{
    struct kept *first = NULL, **link = &first;
    sqlite3_stmt *read = NULL;
    int code = SQLITE_DONE, rc = db_prepare(db, read_sql, &read, err);
    if (rc == 0)
        db_bind(read, 1, pipeline);
    while (rc == 0 && (code = sqlite3_step(read)) == SQLITE_ROW) {
        const struct store_value value = {.sink = db_column(read, 0),
                                          .plugin = db_column(read, 1),
                                          .key = db_column(read, 2),
                                          .bytes = db_column(read, 3)};
        if (sqlite3_column_int64(read, 4) != checksum(pipeline, &value))
            rc = damaged_value(db, &value, err);
        else if (!(*link = copy_of(&value, arena)))
            rc = err_set(err, -ENOMEM, "out of memory");
        else
            link = &(*link)->next;
    }
    if (rc == 0 && code != SQLITE_DONE)
        rc = db_error(db, err);
    sqlite3_finalize(read);
    if (rc == 0)
        *out = first;
    return rc;
}
