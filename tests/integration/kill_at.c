/* kill_at STOP COUNT_FILE PROGRAM [ARGUMENT...]: runs the program and ends it by SIGKILL at its
 * STOPth stop, where each system call of each of its threads makes two: before it and behind it.
 * With STOP 0, or one that is never reached, the program runs to its end. COUNT_FILE gets the
 * number of stops. Exit status: the program's, 137 when it was killed. Linux only. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static const intptr_t options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                                PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

static int fail(const char *what)
{
    fprintf(stderr, "kill_at: %s: %s\n", what, strerror(errno));
    return 125;
}

/* The signal to hand on at this stop: none at the stops that are ptrace's own. */
static intptr_t signal_of(int status)
{
    int sig = WSTOPSIG(status);
    if (sig == (SIGTRAP | 0x80) || sig == SIGTRAP || sig == SIGSTOP)
        return 0;
    return sig;
}

/* Until the program is gone. Returns its wait status. */
static int follow(pid_t program, unsigned long at, unsigned long *stops)
{
    int status, last = 0;
    for (;;) {
        pid_t who = waitpid(-1, &status, __WALL);
        if (who < 0)
            return last;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (who == program)
                last = status;
            continue;
        }
        if (WSTOPSIG(status) == (SIGTRAP | 0x80) && ++*stops == at) {
            kill(program, SIGKILL);
            continue;
        }
        ptrace(PTRACE_SYSCALL, who, NULL, (void *)signal_of(status));
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: kill_at STOP COUNT_FILE PROGRAM [ARGUMENT...]\n");
        return 125;
    }
    pid_t program = fork();
    if (program < 0)
        return fail("fork");
    if (program == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(fail("ptrace"));
        raise(SIGSTOP);
        execv(argv[3], argv + 3);
        _exit(fail(argv[3]));
    }
    int status;
    if (waitpid(program, &status, 0) < 0 ||
        ptrace(PTRACE_SETOPTIONS, program, NULL, (void *)options) != 0 ||
        ptrace(PTRACE_SYSCALL, program, NULL, NULL) != 0)
        return fail("ptrace");
    unsigned long stops = 0;
    status = follow(program, strtoul(argv[1], NULL, 10), &stops);
    FILE *file = fopen(argv[2], "w");
    if (!file || fprintf(file, "%lu\n", stops) < 0 || fclose(file) != 0)
        return fail(argv[2]);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
