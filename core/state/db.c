#include "state/db_internal.h"

#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUSY_MS = 5000,              /* a verb may be writing */
    CHECK_ALL_BYTES = 256 << 20, /* a larger file is checked without its dead letters */
};

/* ---- errors ---- */

static int errno_of(int code, int system)
{
    switch (code & 0xff) {
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
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    default:
        return system == ENOSPC || system == EDQUOT ? -ENOSPC : -EIO;
    }
}

int db_damaged(const char *path, const char *how, struct err *err)
{
    return err_set(err, -EUCLEAN,
                   "%s is damaged (%s); nothing was changed. Put a good copy in its place, or move "
                   "it and its -wal file away to begin anew at source.starting_position",
                   path, how);
}

int db_error(const struct state_db *db, struct err *err)
{
    int code = sqlite3_extended_errcode(db->handle);
    int rc = errno_of(code, sqlite3_system_errno(db->handle));
    const char *path = db->path, *what = sqlite3_errmsg(db->handle);
    switch (rc) {
    case -EUCLEAN:
        return db_damaged(path, what, err);
    case -ENOSPC:
        return err_set(err, rc, "%s: the disk is full; what was stored before is valid. Make room",
                       path);
    case -EROFS:
        return err_set(err, rc,
                       "%s can't be written; what was stored before is valid. Make the file and "
                       "its folder writable",
                       path);
    case -EIO:
        return err_set(err, rc,
                       "%s: the disk failed (%s, error %d); what was stored before is valid, "
                       "nothing since counts as stored. Check the disk",
                       path, what, code);
    default:
        return err_set(err, rc, "%s: %s", path, what);
    }
}

/* ---- statements ---- */

int db_exec(struct state_db *db, const char *sql, struct err *err)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_error(db, err);
}

int db_prepare(struct state_db *db, const char *sql, sqlite3_stmt **out, struct err *err)
{
    return sqlite3_prepare_v2(db->handle, sql, -1, out, NULL) == SQLITE_OK ? 0 : db_error(db, err);
}

void db_bind(sqlite3_stmt *statement, int at, weir_str text)
{
    sqlite3_bind_text64(statement, at, text.ptr ? text.ptr : "", text.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

weir_str db_column(sqlite3_stmt *statement, int at)
{
    const void *bytes = sqlite3_column_blob(statement, at); /* exact, whatever the bytes */
    return (weir_str){bytes, bytes ? (size_t)sqlite3_column_bytes(statement, at) : 0};
}

int db_run(struct state_db *db, sqlite3_stmt *statement, struct err *err)
{
    int rc = sqlite3_step(statement) == SQLITE_DONE ? 0 : db_error(db, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return rc;
}

int db_begin(struct state_db *db, struct err *err)
{
    return db_exec(db, "BEGIN IMMEDIATE", err);
}

int db_commit(struct state_db *db, struct err *err)
{
    return db_exec(db, "COMMIT", err);
}

/* The connection stays: after a failed fsync SQLite writes the same pages again at the next commit,
 * while one that is opened anew would take what is only in the kernel's memory for stored. */
void db_rollback(struct state_db *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- opening ---- */

int db_make_folders(const char *path, struct err *err)
{
    char *copy = mem_dup0(path, strlen(path));
    int rc = copy ? 0 : err_set(err, -ENOMEM, "out of memory");
    for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash && rc == 0;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            rc = err_set(err, -errno, "can't make the folder %s: %s", copy, strerror(errno));
        *slash = '/';
    }
    mem_free(copy);
    return rc;
}

/* A log without its file: whoever took the file away may not have meant to begin anew. */
static int check_no_orphan(const char *path, struct err *err)
{
    struct stat info;
    char name[4096];
    snprintf(name, sizeof name, "%s-wal", path);
    if (stat(name, &info) < 0 || info.st_size == 0)
        return 0;
    return err_set(err, -EUCLEAN,
                   "%s is gone, but its log %s-wal is there. Put the file back, or remove the log "
                   "to begin anew at source.starting_position",
                   path, path);
}

static int make_ready(const char *path, enum db_use use, struct err *err)
{
    struct stat info;
    bool there = stat(path, &info) == 0;
    if (there && S_ISDIR(info.st_mode))
        return err_set(err, -EISDIR, "%s is a folder; state.path names a file", path);
    if (there)
        return info.st_size ? 0 : db_damaged(path, "it is empty", err);
    if (errno != ENOENT && errno != ENOTDIR)
        return err_set(err, -errno, "can't open %s: %s", path, strerror(errno));
    if (use == DB_VISIT)
        return err_set(err, -ENOENT, "there is no state file %s yet", path);
    int rc = db_make_folders(path, err);
    if (rc == 0)
        rc = check_no_orphan(path, err);
    return rc == 0 ? db_create(path, err) : rc;
}

static int check_by(struct state_db *db, const char *sql, struct err *err)
{
    sqlite3_stmt *check = NULL;
    int rc = db_prepare(db, sql, &check, err);
    if (rc < 0)
        return rc;
    if (sqlite3_step(check) != SQLITE_ROW) {
        rc = db_error(db, err);
    } else {
        const char *answer = (const char *)sqlite3_column_text(check, 0);
        if (!answer || strcmp(answer, "ok") != 0)
            rc = db_damaged(db->path, answer ? answer : "check failed", err);
    }
    sqlite3_finalize(check);
    return rc;
}

static int quick_check(struct state_db *db, struct err *err)
{
    struct stat info;
    if (stat(db->path, &info) == 0 && info.st_size <= CHECK_ALL_BYTES)
        return check_by(db, "PRAGMA quick_check(1)", err);
    int rc = check_by(db, "PRAGMA quick_check('progress')", err);
    return rc == 0 ? check_by(db, "PRAGMA quick_check('sink_value')", err) : rc;
}

/* The log that the last process left is folded into the file before anything is built on it: what
 * it wrote may be in the kernel's memory only, where its fsync had failed. A verb that reads just
 * now only puts this off. */
static int fold_log(struct state_db *db, struct err *err)
{
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return code == SQLITE_OK || code == SQLITE_BUSY ? 0 : db_error(db, err);
}

static int connect(struct state_db *db, enum db_use use, struct err *err)
{
    int code = sqlite3_open_v2(db->path, &db->handle, SQLITE_OPEN_READWRITE, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(db->handle, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_extended_result_codes(db->handle, 1);
    if (code != SQLITE_OK)
        return db_error(db, err);
    db->read_only = sqlite3_db_readonly(db->handle, "main") == 1;
    if (db->read_only)
        return use == DB_VISIT ? 0
                               : err_set(err, -EROFS,
                                         "%s can't be written. Make the file and its folder "
                                         "writable",
                                         db->path);
    return db_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", err);
}

static int prepare(struct state_db *db, enum db_use use, struct err *err)
{
    int rc = connect(db, use, err);
    if (rc == 0)
        rc = db_upgrade(db, err);
    if (rc < 0 || use != DB_OWN)
        return rc;
    rc = fold_log(db, err);
    if (rc == 0)
        rc = quick_check(db, err);
    return rc == 0 ? db_verify_rows(db, err) : rc;
}

int db_open(const char *path, enum db_use use, struct state_db **out, struct err *err)
{
    int rc = make_ready(path, use, err);
    if (rc < 0)
        return rc;
    struct state_db *db = mem_zalloc(1, sizeof *db);
    char *copy = mem_dup0(path, strlen(path));
    if (!db || !copy) {
        mem_free(db);
        mem_free(copy);
        return err_set(err, -ENOMEM, "out of memory");
    }
    db->path = copy;
    rc = prepare(db, use, err);
    if (rc < 0)
        db_close(db);
    else
        *out = db;
    return rc;
}

void db_close(struct state_db *db)
{
    if (!db)
        return;
    sqlite3_close(db->handle);
    mem_free(db->path);
    mem_free(db);
}
