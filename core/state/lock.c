#include "state/lock.h"

#include "util/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PID_BYTES = 32 };

static int held(const char *path, int fd, struct err *err)
{
    char text[PID_BYTES] = "", who[PID_BYTES + 16] = "another process";
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    long pid = len > 0 ? strtol(text, NULL, 10) : 0;
    if (pid > 0)
        snprintf(who, sizeof who, "process %ld", pid);
    return err_set(err, -EBUSY,
                   "%s is in use by %s; stop that weir, or give this one its own state.path", path,
                   who);
}

/* The id only informs: who locks is what counts. */
static void write_pid(int fd)
{
    char text[PID_BYTES];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) < 0)
        return;
}

static char *lock_path(const char *path)
{
    size_t size = strlen(path) + sizeof ".lock";
    char *name = mem_alloc(size);
    if (name)
        snprintf(name, size, "%s.lock", path);
    return name;
}

int state_lock(const char *path, int *out, struct err *err)
{
    char *name = lock_path(path);
    if (!name)
        return err_set(err, -ENOMEM, "out of memory");
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), rc = 0;
    if (fd < 0)
        rc = err_set(err, -errno, "can't make %s: %s", name, strerror(errno));
    else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        rc = errno == EWOULDBLOCK
                 ? held(path, fd, err)
                 : err_set(err, -errno, "can't lock %s: %s", name, strerror(errno));
    mem_free(name);
    if (rc < 0) {
        state_unlock(fd);
        return rc;
    }
    write_pid(fd);
    *out = fd;
    return 0;
}

void state_unlock(int fd)
{
    if (fd >= 0)
        close(fd); /* the file stays: removing it would let two processes lock two files */
}
