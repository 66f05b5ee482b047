#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

int input_open(struct input *input, const char *path)
{
    bool standard = !path || strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (pipe(input->wake) < 0) {
        int rc = -errno;
        if (!standard)
            close(fd);
        return rc;
    }
    for (int i = 0; i < 2; i++)
        fcntl(input->wake[i], F_SETFD, FD_CLOEXEC);
    input->fd = fd;
    input->open = true;
    return 0;
}

long input_read(void *arg, char *into, size_t len)
{
    const struct input *input = arg;
    for (;;) {
        struct pollfd both[] = {{.fd = input->fd, .events = POLLIN},
                                {.fd = input->wake[0], .events = POLLIN}};
        if (poll(both, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (both[1].revents)
            return -ECANCELED;
        ssize_t got = read(input->fd, into, len);
        if (got >= 0)
            return (long)got;
        if (errno != EINTR && errno != EAGAIN)
            return -errno;
    }
}

void input_call_off(struct input *input)
{
    if (!input->open)
        return;
    ssize_t ignored = write(input->wake[1], "", 1);
    (void)ignored;
}

void input_close(struct input *input)
{
    if (!input->open)
        return;
    if (input->fd != STDIN_FILENO)
        close(input->fd);
    close(input->wake[0]);
    close(input->wake[1]);
    input->open = false;
}
