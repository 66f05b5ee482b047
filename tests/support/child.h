/* A helper program (a fake server) that lives as long as its test. */
#ifndef WEIR_TESTS_CHILD_H
#define WEIR_TESTS_CHILD_H
#include <sys/types.h>

struct child {
    pid_t pid;
    int stdin_fd, stdout_fd;
    int port;
};

/* Starts argv (NULL-terminated, looked up in PATH) and reads the port number that it prints first.
 * The child is expected to end when its standard input closes, which also a crash of the test does.
 * Fails the test when it can't be started. */
struct child child_start(const char *const *argv);
void child_stop(struct child *child); /* closes its input, waits for its end */
#endif
