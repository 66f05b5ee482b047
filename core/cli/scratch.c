#include "cli/scratch.h"

#include "config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void remove_folder(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The keeper, out of reach of the terminal's Ctrl-C. Nothing is written to the pipe: it ends with
 * the last process that has its other end. */
static _Noreturn void keep(const char *path, int gone)
{
    char byte;
    setsid();
    while (read(gone, &byte, 1) < 0 && errno == EINTR)
        ;
    remove_folder(path);
    _exit(0);
}

static int start_keeper(struct scratch *scratch)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -errno;
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    scratch->keeper = fork();
    if (scratch->keeper == 0) {
        close(ends[1]);
        keep(scratch->path, ends[0]);
    }
    int rc = scratch->keeper < 0 ? -errno : 0;
    close(ends[0]);
    scratch->alive = ends[1];
    if (rc < 0)
        close(ends[1]);
    return rc;
}

int scratch_make(const struct cli *cli, const char *word, struct scratch *scratch)
{
    const char *base = env_get(cli->environ_block, "TMPDIR");
    snprintf(scratch->path, SCRATCH_BYTES, "%.440s/weir-%s-XXXXXX", base && *base ? base : "/tmp",
             word);
    if (!mkdtemp(scratch->path))
        return -errno;
    int rc = start_keeper(scratch);
    if (rc < 0)
        rmdir(scratch->path);
    return rc;
}

void scratch_remove(struct scratch *scratch)
{
    remove_folder(scratch->path);
    kill(scratch->keeper, SIGKILL); /* a process that a plugin left behind may have the pipe, too */
    close(scratch->alive);
    while (waitpid(scratch->keeper, NULL, 0) < 0 && errno == EINTR)
        ;
}
