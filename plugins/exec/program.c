/* Which programs may be run: as for plugin files, nobody but root and the running user may be able
 * to put another one in its place. */
#define _XOPEN_SOURCE 700 /* realpath, S_ISVTX */
#include "exec/child.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int refuse(char *why, size_t why_bytes, const char *path, const char *what)
{
    snprintf(why, why_bytes, "%.200s: %s", path, what);
    return -EACCES;
}

/* What lies on a file system mounted read-only (a Lambda layer) can't be changed, whoever owns it.
 */
static bool is_read_only(const char *path)
{
    struct statvfs fs;
    return statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0;
}

static int check_one(const char *path, char *why, size_t why_bytes)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        int rc = -errno;
        return refuse(why, why_bytes, path, "no such file"), rc;
    }
    bool folder = S_ISDIR(st.st_mode);
    if (st.st_uid != 0 && st.st_uid != geteuid() && !is_read_only(path))
        return refuse(why, why_bytes, path, "belongs neither to root nor to the running user");
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(folder && (st.st_mode & S_ISVTX)))
        return refuse(why, why_bytes, path, "may be changed by others; help: chmod go-w");
    return 0;
}

int program_check(const char *path, bool insecure, char *real, size_t real_bytes, char *why,
                  size_t why_bytes)
{
    char at[PATH_MAX];
    struct stat st;
    if (!realpath(path, at) || strlen(at) >= real_bytes) {
        refuse(why, why_bytes, path, "no such file");
        return -ENOENT;
    }
    snprintf(real, real_bytes, "%s", at);
    if (stat(real, &st) < 0 || !S_ISREG(st.st_mode) || access(real, X_OK) < 0)
        return refuse(why, why_bytes, path, "is no program (not a file, or not executable)");
    while (!insecure) {
        int rc = check_one(at, why, why_bytes);
        if (rc < 0 || strcmp(at, "/") == 0)
            return rc;
        char *slash = strrchr(at, '/');
        slash[slash == at ? 1 : 0] = '\0';
    }
    return 0;
}
