#include "badfs.h"

#include "unit.h"

#include <sqlite3.h>
#include <string.h>

struct file { /* the real one lies behind it */
    sqlite3_file base;
    sqlite3_file *real;
};

static struct badfs badfs;
static sqlite3_vfs *real_vfs, shim;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((struct file *)(void *)file)->real;
}

static int change(void)
{
    badfs.changes++;
    if (badfs.fail_at == 0)
        return SQLITE_OK;
    if (badfs.fail_at > 1) {
        badfs.fail_at--;
        return SQLITE_OK;
    }
    badfs.fail_at = badfs.for_good ? 1 : 0;
    return badfs.code;
}

#define FORWARD(name, args, call)                                                                  \
    static int name args                                                                           \
    {                                                                                              \
        sqlite3_file *real = real_of(file);                                                        \
        return real->pMethods->call;                                                               \
    }
#define FORWARD_CHANGE(name, args, call)                                                           \
    static int name args                                                                           \
    {                                                                                              \
        sqlite3_file *real = real_of(file);                                                        \
        int code = change();                                                                       \
        return code != SQLITE_OK ? code : real->pMethods->call;                                    \
    }

FORWARD(on_close, (sqlite3_file * file), xClose(real))
FORWARD(on_read, (sqlite3_file * file, void *to, int len, sqlite3_int64 at),
        xRead(real, to, len, at))
FORWARD_CHANGE(on_write, (sqlite3_file * file, const void *from, int len, sqlite3_int64 at),
               xWrite(real, from, len, at))
FORWARD_CHANGE(on_truncate, (sqlite3_file * file, sqlite3_int64 len), xTruncate(real, len))
FORWARD(on_size, (sqlite3_file * file, sqlite3_int64 *len), xFileSize(real, len))
FORWARD(on_lock, (sqlite3_file * file, int kind), xLock(real, kind))
FORWARD(on_unlock, (sqlite3_file * file, int kind), xUnlock(real, kind))
FORWARD(on_reserved, (sqlite3_file * file, int *out), xCheckReservedLock(real, out))
FORWARD(on_control, (sqlite3_file * file, int op, void *arg), xFileControl(real, op, arg))
FORWARD(on_sector, (sqlite3_file * file), xSectorSize(real))
FORWARD(on_traits, (sqlite3_file * file), xDeviceCharacteristics(real))
FORWARD(on_shm_map, (sqlite3_file * file, int region, int size, int extend, void volatile **out),
        xShmMap(real, region, size, extend, out))
FORWARD(on_shm_lock, (sqlite3_file * file, int offset, int n, int flags),
        xShmLock(real, offset, n, flags))
FORWARD(on_shm_unmap, (sqlite3_file * file, int remove), xShmUnmap(real, remove))

static int on_sync(sqlite3_file *file, int flags)
{
    int code = change();
    badfs.syncs++;
    return code != SQLITE_OK ? code : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static void on_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_reserved,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_traits,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_barrier,
    .xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct file *mine = (struct file *)(void *)file;
    (void)vfs;
    if (badfs.read_only && flags & SQLITE_OPEN_MAIN_DB)
        flags = (flags & ~SQLITE_OPEN_READWRITE & ~SQLITE_OPEN_CREATE) | SQLITE_OPEN_READONLY;
    mine->real = (sqlite3_file *)(void *)(mine + 1);
    int code = real_vfs->xOpen(real_vfs, name, mine->real, flags, out);
    mine->base.pMethods = mine->real->pMethods ? &methods : NULL;
    return code;
}

struct badfs *badfs_install(void)
{
    badfs = (struct badfs){0};
    real_vfs = sqlite3_vfs_find("unix");
    CHECK_FATAL(real_vfs != NULL);
    shim = *real_vfs;
    shim.zName = "badfs";
    shim.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    shim.xOpen = on_open;
    CHECK_FATAL(sqlite3_vfs_register(&shim, 1) == SQLITE_OK);
    return &badfs;
}

void badfs_remove(void)
{
    sqlite3_vfs_unregister(&shim);
    sqlite3_vfs_register(real_vfs, 1);
}
