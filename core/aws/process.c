#include "aws/process.h"

#include "aws/document.h"
#include "util/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUTPUT_BYTES_MAX = 64 * 1024 };

extern char **environ;

/* ---- the document ---- */

static int check_version(const struct json_value *root, struct err *err)
{
    int64_t version = 0;
    if (json_i64(json_member0(root, "Version"), &version) < 0 || version != 1)
        return err_set(err, -EINVAL, "credential_process: \"Version\" is not 1");
    return 0;
}

int credential_process_parse(weir_str json, struct credentials *out, struct err *err)
{
    static const struct document_shape shape = {"credential_process", "SessionToken", false,
                                                check_version};
    return document_read(json, &shape, out, err);
}

/* ---- the program ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* In a process group of its own, so that what it starts ends with it. */
static int spawn(const char *command, char *const *env, int out_fd, pid_t *out)
{
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    int rc = posix_spawn(out, "/bin/sh", &actions, &attributes, argv, env ? env : environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -rc;
}

/* Length read until the end, or -errno. */
static long read_all(int fd, char *text, size_t max, int64_t deadline_ms)
{
    size_t len = 0;
    for (;;) {
        struct pollfd ready = {fd, POLLIN, 0};
        int64_t left_ms = deadline_ms - now_ms();
        if (left_ms <= 0)
            return -ETIMEDOUT;
        int rc = poll(&ready, 1, (int)left_ms);
        if (rc < 0 && errno != EINTR)
            return -errno;
        if (rc <= 0)
            continue;
        ssize_t got = read(fd, text + len, max - len);
        if (got == 0)
            return (long)len;
        if (got < 0 && errno != EINTR)
            return -errno;
        len += got > 0 ? (size_t)got : 0;
        if (len == max)
            return -EMSGSIZE;
    }
}

/* Its exit status; 128 when a signal ended it, ours too. It may have closed its output and go on.
 */
static int await(pid_t pid, bool kill_it, int64_t deadline_ms)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    int status;
    for (;;) {
        if (kill_it)
            kill(-pid, SIGKILL);
        pid_t ended = waitpid(pid, &status, kill_it ? 0 : WNOHANG);
        if (ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
        if (ended < 0 && errno != EINTR)
            return -errno;
        if (ended == 0)
            nanosleep(&pause, NULL);
        kill_it = kill_it || now_ms() >= deadline_ms;
    }
}

static int judge(long len, int status, int timeout_ms, struct err *err)
{
    if (len == -ETIMEDOUT)
        return err_set(err, -ETIMEDOUT, "credential_process has not ended after %d s",
                       timeout_ms / 1000);
    if (len == -EMSGSIZE)
        return err_set(err, -EINVAL, "credential_process printed more than 64 KiB");
    if (len < 0)
        return err_set(err, (int)len, "credential_process can't be read");
    if (status != 0)
        return err_set(err, -EINVAL, "credential_process ended with status %d", status);
    return 0;
}

int credential_process_run(const char *command, char *const *env, int timeout_ms,
                           struct credentials *out, struct err *err)
{
    int ends[2];
    pid_t pid;
    char *text = mem_alloc(OUTPUT_BYTES_MAX);
    if (!text)
        return err_set(err, -ENOMEM, "out of memory");
    if (pipe(ends) < 0) {
        mem_free(text);
        return err_set(err, -errno, "no pipe for credential_process: %s", strerror(errno));
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    int rc = spawn(command, env, ends[1], &pid);
    close(ends[1]);
    if (rc < 0) {
        err_set(err, rc, "credential_process can't be started: %s", strerror(-rc));
    } else {
        int64_t deadline_ms = now_ms() + timeout_ms;
        long len = read_all(ends[0], text, OUTPUT_BYTES_MAX, deadline_ms);
        int status = await(pid, len < 0, deadline_ms);
        if (len >= 0 && now_ms() >= deadline_ms)
            len = -ETIMEDOUT;
        rc = judge(len, status, timeout_ms, err);
        if (rc == 0)
            rc = credential_process_parse((weir_str){text, (size_t)len}, out, err);
    }
    close(ends[0]);
    wipe(text, OUTPUT_BYTES_MAX);
    mem_free(text);
    return rc;
}
