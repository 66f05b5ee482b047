#include "cli/cli.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Large blocks, such as bodies, stand alone: they grow without being copied, and go back to the
 * system when they are freed. Left to itself, glibc learns from the first one to put them among
 * the small blocks, where one that finds no gap costs its size once more. What small blocks leave
 * free is kept up to a batch's worth, so that the next batch does not fault it in again. */
static void settle_memory(void)
{
#ifdef __GLIBC__
    enum { LARGE_BYTES = 1 << 20, KEPT_BYTES = 4 << 20 };
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
#endif
}

/* The number of a standard file that is closed would go to the next file that is opened, the state
 * perhaps, and what is meant for standard output into that. Opened the wrong way round it fails,
 * as a closed one does. */
static void hold_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(EXIT_SOFTWARE);
}

int main(int argc, char **argv)
{
    struct cli cli;
    hold_standard_files();
    settle_memory();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of that write, not of the process */
    cli_init(&cli, stdout, stderr, NULL);
    int rc = cli_main(&cli, argc, argv);
    cli_done(&cli);
    return rc;
}
