#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int open_wake(struct input *input)
{
    if (pipe(input->wake) < 0)
        return -errno;
    for (int i = 0; i < 2; i++)
        fcntl(input->wake[i], F_SETFD, FD_CLOEXEC);
    input->open = true;
    return 0;
}

int input_open(struct input *input, const char *path)
{
    bool standard = !path || strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = open_wake(input);
    if (rc < 0 && !standard)
        close(fd);
    input->fd = fd;
    return rc;
}

int input_open_text(struct input *input, weir_str text, int pace_ms)
{
    input->fd = STDIN_FILENO; /* not read, and not closed */
    input->text = text;
    input->pace_ms = pace_ms;
    return open_wake(input);
}

static long read_text(struct input *input, char *into, size_t len)
{
    struct pollfd wake = {.fd = input->wake[0], .events = POLLIN};
    const char *end = memchr(input->text.ptr, '\n', input->text.len);
    size_t take = end ? (size_t)(end - input->text.ptr) + 1 : input->text.len;
    if (poll(&wake, 1, input->pace_ms) > 0)
        return -ECANCELED;
    take = take < len ? take : len;
    memcpy(into, input->text.ptr, take);
    input->text = (weir_str){input->text.ptr + take, input->text.len - take};
    return (long)take;
}

long input_read(void *arg, char *into, size_t len)
{
    struct input *input = arg;
    if (input->text.ptr)
        return read_text(input, into, len);
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
