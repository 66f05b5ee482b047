#include "observe/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_send(const char *socket_name, const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!socket_name || !*socket_name)
        return 0;
    size_t len = strlen(socket_name);
    if ((*socket_name != '/' && *socket_name != '@') || len < 2 || len >= sizeof address.sun_path)
        return -EINVAL;
    memcpy(address.sun_path, socket_name, len);
    if (*socket_name == '@')
        address.sun_path[0] = '\0'; /* abstract: its length counts, no NUL ends it */
    socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                          (struct sockaddr *)&address, address_len);
    int rc = sent < 0 ? -errno : 0;
    close(fd);
    return rc;
}

int64_t notify_watchdog_ms(const char *usec, const char *pid)
{
    if (!usec || (pid && *pid && strtoll(pid, NULL, 10) != (long long)getpid()))
        return 0;
    long long limit_us = strtoll(usec, NULL, 10);
    return limit_us < 3000 ? 0 : limit_us / 3000;
}
