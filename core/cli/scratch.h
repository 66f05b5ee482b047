/* A folder of a verb's own, for what plugins write while they are tried. */
#ifndef WEIR_CLI_SCRATCH_H
#define WEIR_CLI_SCRATCH_H
#include "cli/cli.h"

#include <sys/types.h>

enum { SCRATCH_BYTES = 512 };

struct scratch {
    char path[SCRATCH_BYTES];
    int alive;    /* the keeper sees it closed */
    pid_t keeper; /* a process that removes the folder when this one ends, however it does */
};

/* Makes TMPDIR/weir-WORD-XXXXXX. 0 or -errno; `path` is set in any case. */
int scratch_make(const struct cli *cli, const char *word, struct scratch *scratch);
void scratch_remove(struct scratch *scratch); /* with all that is in it */
/* Any folder, with all that is in it. */
void remove_folder(const char *path);
#endif
