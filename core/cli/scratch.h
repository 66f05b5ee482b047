/* A folder of a verb's own, for what plugins write while they are tried. */
#ifndef WEIR_CLI_SCRATCH_H
#define WEIR_CLI_SCRATCH_H
#include "cli/cli.h"

enum { SCRATCH_BYTES = 512 };

/* Makes TMPDIR/weir-WORD-XXXXXX. 0 or -errno. */
int scratch_make(const struct cli *cli, const char *word, char path[SCRATCH_BYTES]);
void scratch_remove(const char *path); /* with all that is in it */
#endif
