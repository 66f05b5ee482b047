#include "state/dead_sqlite.h"

#include "util/alloc.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

struct dead_store {
    const struct world *world;
    char *path;
    sqlite3 *db; /* on the worker's thread while a put is under way */
    sqlite3_stmt *insert;
    struct store_put *first, *last; /* waiting; linked through impl */
    struct work work;               /* writes `first` */
    int status;
    bool writing;
    uint64_t stored;
};

/* A letter of a record that is read again replaces its earlier one; poison without a position does
 * not. A sequence number alone is not enough: records read from a file may carry no stream. */
static const char schema[] =
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);"
    "INSERT OR IGNORE INTO meta VALUES('schema','1');"
    "CREATE TABLE IF NOT EXISTS dead_letter("
    " id INTEGER PRIMARY KEY, pipeline TEXT NOT NULL, sink TEXT NOT NULL, stream TEXT NOT NULL, "
    "shard TEXT NOT NULL,"
    " sequence TEXT NOT NULL, event_id TEXT NOT NULL, record BLOB NOT NULL, reason TEXT NOT NULL, "
    "code TEXT NOT NULL,"
    " attempts INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX IF NOT EXISTS dead_letter_record ON dead_letter(pipeline, sink, stream, "
    "sequence, event_id)"
    " WHERE sequence <> '';";

static const char insert_sql[] = "INSERT INTO dead_letter(pipeline, sink, stream, shard, sequence, "
                                 "event_id, record, reason, code, attempts,"
                                 " first_us, last_us) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)"
                                 " ON CONFLICT(pipeline, sink, stream, sequence, event_id) WHERE "
                                 "sequence <> '' DO UPDATE SET record = excluded.record,"
                                 " reason = excluded.reason, code = excluded.code, attempts = "
                                 "excluded.attempts, last_us = excluded.last_us";

static int errno_of(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return -EACCES;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

static int make_folders(const char *path)
{
    char *copy = mem_dup0(path, strlen(path));
    int rc = copy ? 0 : -ENOMEM;
    for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash && rc == 0;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            rc = -errno;
        *slash = '/';
    }
    mem_free(copy);
    return rc;
}

static int open_db(struct dead_store *dead)
{
    int rc = make_folders(dead->path);
    if (rc < 0)
        return rc;
    int code =
        sqlite3_open_v2(dead->path, &dead->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (code == SQLITE_OK) {
        chmod(dead->path, 0600);
        sqlite3_busy_timeout(dead->db, 5000);
        code = sqlite3_exec(dead->db, schema, NULL, NULL, NULL);
    }
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(dead->db, insert_sql, -1, &dead->insert, NULL);
    if (code == SQLITE_OK)
        return 0;
    sqlite3_close(dead->db);
    dead->db = NULL;
    return errno_of(code);
}

static void bind_text(sqlite3_stmt *insert, int at, weir_str text)
{
    sqlite3_bind_text64(insert, at, text.ptr ? text.ptr : "", text.len, SQLITE_STATIC, SQLITE_UTF8);
}

static int write_letter(sqlite3_stmt *insert, const struct dead_letter *letter)
{
    const weir_str texts[] = {letter->pipeline, letter->sink,     letter->stream_arn,
                              letter->shard,    letter->sequence, letter->event_id};
    for (int i = 0; i < 6; i++)
        bind_text(insert, i + 1, texts[i]);
    sqlite3_bind_blob64(insert, 7, letter->record.ptr ? letter->record.ptr : "", letter->record.len,
                        SQLITE_STATIC);
    bind_text(insert, 8, letter->reason);
    bind_text(insert, 9, letter->code);
    sqlite3_bind_int64(insert, 10, letter->attempts);
    sqlite3_bind_int64(insert, 11, letter->first_us);
    sqlite3_bind_int64(insert, 12, letter->last_us);
    int code = sqlite3_step(insert);
    sqlite3_reset(insert);
    sqlite3_clear_bindings(insert);
    return code == SQLITE_DONE ? 0 : errno_of(code);
}

static void run_put(struct work *work)
{
    struct dead_store *dead = work->impl;
    dead->status = dead->db ? 0 : open_db(dead);
    if (dead->status == 0)
        dead->status = write_letter(dead->insert, &dead->first->letter);
}

static int write_next(struct dead_store *dead);

static void on_put(struct work *work)
{
    struct dead_store *dead = work->impl;
    struct store_put *put = dead->first;
    int status = dead->status;
    dead->first = put->impl;
    dead->writing = false;
    if (status == 0)
        dead->stored++;
    put->done(put, status);
    int rc = 0;
    while (dead->first && !dead->writing && (rc = write_next(dead)) < 0) { /* done() may put more */
        put = dead->first;
        dead->first = put->impl;
        put->done(put, rc);
    }
}

static int write_next(struct dead_store *dead)
{
    const struct worker *worker = &dead->world->worker;
    dead->work = (struct work){.run = run_put, .done = on_put, .impl = dead};
    int rc = worker->submit(worker->ctx, &dead->work);
    dead->writing = rc == 0;
    return rc;
}

static int dead_put(void *ctx, struct store_put *put)
{
    struct dead_store *dead = ctx;
    put->impl = NULL;
    if (dead->first)
        dead->last->impl = put;
    else
        dead->first = put;
    dead->last = put;
    if (dead->writing || dead->first != put)
        return 0; /* on_put() comes to it */
    int rc = write_next(dead);
    if (rc < 0)
        dead->first = NULL;
    return rc;
}

int dead_store_new(const char *path, const struct world *world, struct dead_store **out)
{
    struct dead_store *dead = mem_zalloc(1, sizeof *dead);
    char *copy = mem_dup0(path, strlen(path));
    if (!dead || !copy) {
        mem_free(dead);
        mem_free(copy);
        return -ENOMEM;
    }
    dead->world = world;
    dead->path = copy;
    *out = dead;
    return 0;
}

void dead_store_free(struct dead_store *dead)
{
    if (!dead)
        return;
    sqlite3_finalize(dead->insert);
    sqlite3_close(dead->db);
    mem_free(dead->path);
    mem_free(dead);
}

void dead_store_seam(struct dead_store *dead, struct store *out)
{
    *out = (struct store){.ctx = dead, .dead_put = dead_put};
}

uint64_t dead_store_count(const struct dead_store *dead)
{
    return dead->stored;
}

const char *dead_store_path(const struct dead_store *dead)
{
    return dead->path;
}
