/* The program that a sink runs: started, talked to, ended. One thread's; that thread has to live as
 * long as the child, which the kernel ends with it. */
#ifndef WEIR_EXEC_CHILD_H
#define WEIR_EXEC_CHILD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
    pid_t pid;                 /* 0: none */
    int in_fd, out_fd, err_fd; /* its standard descriptors, our ends, non-blocking; -1: closed */
    int pid_fd;                /* readable when it ended; -1 where the kernel has none */
};

#define CHILD_NONE                                                                                 \
    {                                                                                              \
        .in_fd = -1, .out_fd = -1, .err_fd = -1, .pid_fd = -1                                      \
    }

int64_t now_ms(void); /* monotonic */

/* The real path of a program that only root and we ourselves can replace. 0, or -errno with why. */
int program_check(const char *path, bool insecure, char *real, size_t real_bytes, char *why,
                  size_t why_bytes);

/* 0, or -errno when it could not be executed. `environment` and `argv` end with NULL. */
int child_start(struct child *child, const char *program, char *const *argv,
                char *const *environment, const char *folder);
/* Waits until it ended, at most so long; it stays to be reaped. */
bool child_ended(const struct child *child, int64_t timeout_ms);
void child_signal(const struct child *child, int signal); /* to its whole group */
/* Kills what is left of it and of its group, reaps it; its output can still be read. False: it is
 * not dead after `timeout_ms`. *how: as of waitpid(). */
bool child_reap(struct child *child, int64_t timeout_ms, int *how);
void child_close(struct child *child); /* the descriptors */
#endif
