/* What the two halves of `weir lambda invoke-local` share: the function, ready to be started. */
#ifndef WEIR_CLI_INVOKE_LOCAL_H
#define WEIR_CLI_INVOKE_LOCAL_H
#include "cli/cli.h"
#include "cli/runtime_host.h"

struct local {
    struct cli *cli;
    struct arena arena;
    const char *config_path, *task_root, *handler, *bootstrap;
    const char **environ_block;
    weir_str events;                /* the file */
    struct host_config host_config; /* with --esm */
    struct runtime_host *host;
    int64_t invocations;
    bool all_well;
};

struct host_config local_host_config(const struct local *local);
int local_play_esm(struct local *local); /* invoke_esm.c; the exit code */
#endif
