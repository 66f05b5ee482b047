#define _GNU_SOURCE /* pipe2, dup3, syscall */
#include "exec/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REPORT_FD = 3, ASIDE_FD = 10, DESCRIPTORS_MAX = 65536, LOOK_AGAIN_MS = 5 };

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- between fork() and exec(): async-signal-safe calls alone ---- */

struct start {
    const char *program, *folder;
    char *const *argv, *const *environment;
    int fds[3], report_fd; /* the child's ends */
    pid_t parent;
};

static int close_others(void)
{
    struct rlimit limit;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, REPORT_FD + 1U, ~0U, 0U) == 0)
        return 0;
#endif
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -1;
    for (int fd = REPORT_FD + 1; fd < DESCRIPTORS_MAX && (rlim_t)fd < limit.rlim_cur; fd++)
        close(fd);
    return 0;
}

/* Aside first: one of them may stand where another one goes. */
static int place_descriptors(const struct start *start)
{
    int fds[3], report = fcntl(start->report_fd, F_DUPFD_CLOEXEC, ASIDE_FD);
    if (report < 0)
        return -1;
    for (int i = 0; i < 3; i++)
        if ((fds[i] = fcntl(start->fds[i], F_DUPFD_CLOEXEC, ASIDE_FD)) < 0)
            return -1;
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            return -1;
    return dup3(report, REPORT_FD, O_CLOEXEC) < 0 ? -1 : close_others();
}

/* Ignored signals would stay ignored. */
static void default_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void become(const struct start *start)
{
    int report_fd = start->report_fd;
    if (setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && getppid() == start->parent &&
        place_descriptors(start) == 0) {
        report_fd = REPORT_FD;
        default_signals();
        if (!start->folder || chdir(start->folder) == 0)
            execve(start->program, start->argv, start->environment);
    }
    int why = errno;
    ssize_t put = write(report_fd, &why, sizeof why);
    (void)put;
    _exit(127);
}

/* ---- starting ---- */

static void close_all(int (*pipes)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t end = 0; end < 2; end++)
            if (pipes[i][end] >= 0)
                close(pipes[i][end]);
}

static int open_all(int (*pipes)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        pipes[i][0] = pipes[i][1] = -1;
    for (size_t i = 0; i < count; i++)
        if (pipe2(pipes[i], O_CLOEXEC) < 0) {
            int rc = -errno;
            close_all(pipes, count);
            return rc;
        }
    return 0;
}

static int keep(int *end)
{
    int fd = *end;
    *end = -1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* 0 when the program was executed, else why it was not. */
static int read_report(int fd)
{
    int why = 0;
    ssize_t got;
    do
        got = read(fd, &why, sizeof why);
    while (got < 0 && errno == EINTR);
    return got == sizeof why ? (why ? -why : -ECHILD) : 0;
}

int child_start(struct child *child, const char *program, char *const *argv,
                char *const *environment, const char *folder)
{
    int pipes[4][2]; /* in, out, err, report */
    int rc = open_all(pipes, 4);
    if (rc < 0)
        return rc;
    const struct start start = {.program = program,
                                .folder = folder,
                                .argv = argv,
                                .environment = environment,
                                .fds = {pipes[0][0], pipes[1][1], pipes[2][1]},
                                .report_fd = pipes[3][1],
                                .parent = getpid()};
    pid_t pid = fork();
    if (pid == 0)
        become(&start);
    rc = pid < 0 ? -errno : 0;
    close(pipes[3][1]);
    pipes[3][1] = -1;
    if (rc == 0)
        rc = read_report(pipes[3][0]);
    if (pid > 0 && rc < 0)
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    if (rc == 0)
        *child = (struct child){.pid = pid,
                                .in_fd = keep(&pipes[0][1]),
                                .out_fd = keep(&pipes[1][0]),
                                .err_fd = keep(&pipes[2][0]),
                                .pid_fd = -1};
    close_all(pipes, 4);
#ifdef SYS_pidfd_open
    if (rc == 0) /* close-on-exec of itself */
        child->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0U);
#endif
    return rc;
}

/* ---- ending ---- */

static bool is_dead(const struct child *child)
{
    siginfo_t info = {0};
    int rc = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return (rc == 0 && info.si_pid == child->pid) || (rc < 0 && errno == ECHILD);
}

bool child_ended(const struct child *child, int64_t timeout_ms)
{
    int64_t until_ms = now_ms() + timeout_ms;
    struct pollfd ended = {child->pid_fd, POLLIN, 0};
    while (!is_dead(child)) {
        int64_t left_ms = until_ms - now_ms();
        if (left_ms <= 0)
            return false;
        if (child->pid_fd < 0 && left_ms > LOOK_AGAIN_MS)
            left_ms = LOOK_AGAIN_MS;
        poll(&ended, 1, (int)left_ms);
    }
    return true;
}

void child_signal(const struct child *child, int signal)
{
    kill(-child->pid, signal);
}

bool child_reap(struct child *child, int64_t timeout_ms, int *how)
{
    *how = 0;
    /* Until it is reaped, its number is nobody else's: neither is that of its group. */
    child_signal(child, SIGKILL);
    if (!child_ended(child, timeout_ms))
        return false;
    while (waitpid(child->pid, how, 0) < 0 && errno == EINTR)
        ;
    child->pid = 0;
    return true;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void child_close(struct child *child)
{
    close_one(&child->in_fd);
    close_one(&child->out_fd);
    close_one(&child->err_fd);
    close_one(&child->pid_fd);
}
