#include "cli/scratch.h"

#include "config/load.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>

int scratch_make(const struct cli *cli, const char *word, char path[SCRATCH_BYTES])
{
    const char *base = env_get(cli->environ_block, "TMPDIR");
    snprintf(path, SCRATCH_BYTES, "%.440s/weir-%s-XXXXXX", base && *base ? base : "/tmp", word);
    return mkdtemp(path) ? 0 : -errno;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void scratch_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
