#define _XOPEN_SOURCE 700 /* S_ISVTX */
#include "plugin/owned.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int owned_check(const char *path, const struct stat *st, const struct owned_rules *rules,
                struct err *err)
{
    bool folder = S_ISDIR(st->st_mode);
    if (rules->unchecked)
        return 0;
    if (!rules->any_owner && st->st_uid != 0 && st->st_uid != geteuid())
        return err_set(err, -EACCES,
                       "%s: belongs to user %u, neither root nor the running user %u; help: chown "
                       "it%s",
                       path, (unsigned)st->st_uid, (unsigned)geteuid(), rules->help);
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) && !(folder && (st->st_mode & S_ISVTX)))
        return err_set(err, -EACCES,
                       "%s: %s may be changed by others (mode %04o); help: chmod go-w %s%s", path,
                       folder ? "this folder" : "the file", (unsigned)(st->st_mode & 07777), path,
                       rules->help);
    return 0;
}

static int check_parents(char *dir, const struct owned_rules *rules, struct err *err)
{
    for (;;) {
        struct stat st;
        if (stat(dir, &st) < 0)
            return err_set(err, -errno, "%s: %s", dir, strerror(errno));
        int rc = owned_check(dir, &st, rules, err);
        if (rc < 0)
            return rc;
        char *slash = strrchr(dir, '/');
        if (strcmp(dir, "/") == 0 || !slash)
            return 0;
        slash[slash == dir ? 1 : 0] = '\0';
    }
}

int owned_open(const char *path, const struct owned_rules *rules, int *out, struct err *err)
{
    char dir[PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    if (len >= sizeof dir)
        return err_set(err, -EINVAL, "%.100s...: the path is too long; help: move the file", path);
    memcpy(dir, path, len);
    dir[len] = '\0';
    int rc = realpath(dir, real) ? 0 : -errno;
    if (rc == -ENOENT || rc == -ENOTDIR)
        return -ENOENT;
    if (rc < 0)
        return err_set(err, rc, "%s: %s", path, strerror(-rc));

    int folder = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd =
        folder < 0 ? -1 : openat(folder, slash + 1, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    rc = fd < 0 ? -errno : 0;
    if (folder >= 0)
        close(folder);
    if (rc == -ENOENT)
        return rc;
    if (rc == -ELOOP)
        return err_set(err, -EACCES,
                       "%s: is a symbolic link; help: name the file that it points to", path);
    if (rc < 0)
        return err_set(err, rc == -ENOMEM ? rc : -EACCES, "%s: %s", path, strerror(-rc));
    rc = check_parents(real, rules, err);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}
