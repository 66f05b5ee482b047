/* The state file's tables: how they are made, and what may be found. */
#include "state/db_internal.h"

#include "util/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* All of it, each part only where it is missing: made new, or added to what an older weir left. A
 * letter of a record that is read again replaces its earlier one; poison without a position does
 * not. A sequence number alone is not enough: records read from a file may carry no stream. */
static const char tables[] =
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS dead_letter("
    " id INTEGER PRIMARY KEY, pipeline TEXT NOT NULL, sink TEXT NOT NULL, stream TEXT NOT NULL,"
    " shard TEXT NOT NULL, sequence TEXT NOT NULL, event_id TEXT NOT NULL, record BLOB NOT NULL,"
    " reason TEXT NOT NULL, code TEXT NOT NULL, attempts INTEGER NOT NULL,"
    " first_us INTEGER NOT NULL, last_us INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX IF NOT EXISTS dead_letter_record"
    " ON dead_letter(pipeline, sink, stream, sequence, event_id) WHERE sequence <> '';"
    "CREATE TABLE IF NOT EXISTS progress("
    " pipeline TEXT NOT NULL, kind TEXT NOT NULL, sink TEXT NOT NULL, stream TEXT NOT NULL,"
    " shard TEXT NOT NULL, parent TEXT NOT NULL, source_table TEXT NOT NULL, start TEXT NOT NULL,"
    " start_us INTEGER NOT NULL, position TEXT NOT NULL, first_available TEXT NOT NULL,"
    " read_to_end INTEGER NOT NULL, done INTEGER NOT NULL, record_us INTEGER NOT NULL,"
    " updated_us INTEGER NOT NULL, checksum INTEGER NOT NULL,"
    " PRIMARY KEY(pipeline, kind, sink, stream, shard)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS sink_value("
    " pipeline TEXT NOT NULL, sink TEXT NOT NULL, plugin TEXT NOT NULL, key TEXT NOT NULL,"
    " value BLOB NOT NULL, checksum INTEGER NOT NULL,"
    " PRIMARY KEY(pipeline, sink, plugin, key)) WITHOUT ROWID;"
    "INSERT INTO meta(key, value) VALUES('schema', '1.2')"
    " ON CONFLICT(key) DO UPDATE SET value = excluded.value;";

/* ---- a new file ---- */

static int fill(const char *path, struct err *err)
{
    struct state_db db = {0};
    int rc = 0;
    if (sqlite3_open_v2(path, &db.handle, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        rc = err_set(err, -EIO, "can't make %s: %s", path, sqlite3_errmsg(db.handle));
    } else {
        db.path = mem_dup0(path, strlen(path));
        rc = db.path ? db_exec(&db, "PRAGMA synchronous=FULL; BEGIN", err)
                     : err_set(err, -ENOMEM, "out of memory");
        if (rc == 0)
            rc = db_exec(&db, tables, err);
        if (rc == 0)
            rc = db_commit(&db, err);
    }
    sqlite3_close(db.handle);
    mem_free(db.path);
    return rc;
}

static int make_beside(const char *path, const char *beside, int folder, struct err *err)
{
    unlink(beside); /* of a process that was killed */
    int fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, -errno, "can't make %s: %s", beside, strerror(errno));
    close(fd);
    int rc = fill(beside, err);
    if (rc == 0 && (rename(beside, path) < 0 || fsync(folder) < 0))
        rc = err_set(err, -errno, "can't make %s: %s", path, strerror(errno));
    if (rc < 0)
        unlink(beside);
    return rc;
}

/* The folder's lock keeps two that begin at the same time from making it twice. */
int db_create(const char *path, struct err *err)
{
    size_t len = strlen(path);
    const char *slash = strrchr(path, '/');
    char *folder = mem_dup0(slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
    char *beside = mem_alloc(len + sizeof ".new");
    if (!folder || !beside) {
        mem_free(folder);
        mem_free(beside);
        return err_set(err, -ENOMEM, "out of memory");
    }
    snprintf(beside, len + sizeof ".new", "%s.new", path);
    int rc = 0, fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        rc = err_set(err, -errno, "can't use the folder %s: %s", folder, strerror(errno));
    else if (access(path, F_OK) < 0)
        rc = make_beside(path, beside, fd, err);
    if (fd >= 0)
        close(fd);
    mem_free(folder);
    mem_free(beside);
    return rc;
}

/* ---- a file that is there ---- */

/* "1" (before positions were kept in it) or "1.1". */
static bool parse_version(const char *text, long *major, long *minor)
{
    char *end;
    *minor = 0;
    *major = strtol(text, &end, 10);
    if (end == text || *major < 1)
        return false;
    if (*end == '.') {
        const char *begin = end + 1;
        *minor = strtol(begin, &end, 10);
        if (end == begin || *minor < 0)
            return false;
    }
    return *end == '\0';
}

static int refuse_version(const struct state_db *db, const char *version, struct err *err)
{
    return err_set(err, -EPROTO,
                   "%s was written by a newer weir (its format is %s, this one reads %d). Run that "
                   "weir, or give this one another state.path; nothing was changed",
                   db->path, version, SCHEMA_MAJOR);
}

static bool is_weirs(struct state_db *db)
{
    sqlite3_stmt *find = NULL;
    bool found =
        db_prepare(db, "SELECT 1 FROM sqlite_schema WHERE name = 'meta'", &find, NULL) == 0 &&
        sqlite3_step(find) == SQLITE_ROW;
    sqlite3_finalize(find);
    return found;
}

/* 0 with the file's minor version. */
static int read_version(struct state_db *db, struct err *err)
{
    sqlite3_stmt *ask = NULL;
    char version[32] = "1";
    long major, minor;
    int rc = db_prepare(db, "SELECT value FROM meta WHERE key = 'schema'", &ask, err);
    if (rc < 0) {
        if (rc == -EIO && !is_weirs(db))
            rc = err_set(err, -EUCLEAN,
                         "%s is an SQLite file, but not weir's; name another state.path", db->path);
        return rc;
    }
    int code = sqlite3_step(ask);
    if (code == SQLITE_ROW)
        snprintf(version, sizeof version, "%s", (const char *)sqlite3_column_text(ask, 0));
    else if (code != SQLITE_DONE)
        rc = db_error(db, err);
    sqlite3_finalize(ask);
    if (rc < 0)
        return rc;
    if (!parse_version(version, &major, &minor))
        return db_damaged(db->path, "its format is not a version", err);
    if (major > SCHEMA_MAJOR)
        return refuse_version(db, version, err);
    db->minor = (int)minor;
    return 0;
}

int db_upgrade(struct state_db *db, struct err *err)
{
    int rc = read_version(db, err);
    if (rc < 0 || db->minor >= SCHEMA_MINOR || db->read_only)
        return rc;
    rc = db_begin(db, err);
    if (rc == 0)
        rc = read_version(db, err); /* somebody else may have been faster */
    if (rc == 0 && db->minor < SCHEMA_MINOR)
        rc = db_exec(db, tables, err);
    if (rc == 0)
        rc = db_commit(db, err);
    if (rc < 0)
        db_rollback(db);
    else if (db->minor < SCHEMA_MINOR)
        db->minor = SCHEMA_MINOR;
    return rc;
}
