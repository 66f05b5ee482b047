#include "cli/cli.h"

#include <signal.h>

int main(int argc, char **argv)
{
    struct cli cli;
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of that write, not of the process */
    cli_init(&cli, stdout, stderr, NULL);
    int rc = cli_main(&cli, argc, argv);
    cli_done(&cli);
    return rc;
}
