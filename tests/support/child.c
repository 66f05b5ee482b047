#include "child.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_child(const char *const *argv, int in, int out)
{
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    execvp(argv[0], (char *const *)argv);
    _exit(127);
}

static int read_port(int fd)
{
    char line[16];
    size_t len = 0;
    while (len + 1 < sizeof line && read(fd, line + len, 1) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
    return (int)strtol(line, NULL, 10);
}

struct child child_start(const char *const *argv)
{
    int in[2], out[2];
    struct child child = {0};
    CHECK_FATAL(pipe(in) == 0 && pipe(out) == 0);
    /* Or the next child would hold this one's input open. */
    fcntl(in[1], F_SETFD, FD_CLOEXEC);
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    child.pid = fork();
    CHECK_FATAL(child.pid >= 0);
    if (child.pid == 0)
        run_child(argv, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    child.stdin_fd = in[1];
    child.stdout_fd = out[0];
    child.port = read_port(out[0]);
    CHECK_FATAL(child.port > 0);
    return child;
}

void child_stop(struct child *child)
{
    close(child->stdin_fd);
    close(child->stdout_fd);
    waitpid(child->pid, NULL, 0);
}
