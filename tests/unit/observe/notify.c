#include "unit.h"

#include "observe/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A manager's socket; `len` bytes of name, of which the first may be NUL. */
static int listen_at(const char *name, size_t len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, len);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, address_len) == 0);
    return fd;
}

static void check_hears(int fd, const char *wanted)
{
    char got[256] = "";
    ssize_t len = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
    CHECK(len == (ssize_t)strlen(wanted));
    CHECK_STR(got, wanted);
}

static void a_socket_in_a_folder_hears_it(void)
{
    char folder[] = "/tmp/weir-notify-XXXXXX", path[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/socket", folder);
    int fd = listen_at(path, strlen(path));
    CHECK(notify_send(path, "READY=1") == 0);
    check_hears(fd, "READY=1");
    CHECK(notify_send(path, "STOPPING=1") == 0);
    check_hears(fd, "STOPPING=1");
    close(fd);
    CHECK(notify_send(path, "READY=1") == -ECONNREFUSED);
    unlink(path);
    CHECK(notify_send(path, "READY=1") == -ENOENT);
    rmdir(folder);
}

static void an_abstract_socket_hears_it(void)
{
    char name[64];
    snprintf(name, sizeof name, "@weir-notify-%ld", (long)getpid());
    size_t len = strlen(name);
    char bound[64] = {0};
    memcpy(bound + 1, name + 1, len - 1);
    int fd = listen_at(bound, len);
    CHECK(notify_send(name, "WATCHDOG=1") == 0);
    check_hears(fd, "WATCHDOG=1");
    close(fd);
}

static void without_a_manager_nothing_is_sent(void)
{
    char longer[200];
    memset(longer, 'a', sizeof longer);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    CHECK(notify_send(NULL, "READY=1") == 0);
    CHECK(notify_send("", "READY=1") == 0);
    CHECK(notify_send("relative", "READY=1") == -EINVAL);
    CHECK(notify_send("@", "READY=1") == -EINVAL);
    CHECK(notify_send(longer, "READY=1") == -EINVAL);
}

/* A manager that does not read must not hold up the loop. */
static void a_full_socket_does_not_block(void)
{
    char name[64], bound[64] = {0};
    snprintf(name, sizeof name, "@weir-notify-full-%ld", (long)getpid());
    memcpy(bound + 1, name + 1, strlen(name) - 1);
    int fd = listen_at(bound, strlen(name)), rc = 0;
    for (int i = 0; i < 100000 && rc == 0; i++)
        rc = notify_send(name, "WATCHDOG=1");
    CHECK(rc == -EAGAIN);
    close(fd);
}

static void the_watchdog_is_answered_three_times_as_often(void)
{
    char own[32];
    snprintf(own, sizeof own, "%ld", (long)getpid());
    const struct {
        const char *usec, *pid;
        int64_t ms;
    } rows[] = {
        {NULL, NULL, 0},          {"90000000", NULL, 30000}, {"90000000", "", 30000},
        {"90000000", own, 30000}, {"90000000", "1", 0},      {"0", NULL, 0},
        {"-5", NULL, 0},          {"nonsense", NULL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(notify_watchdog_ms(rows[i].usec, rows[i].pid) == rows[i].ms);
}

int main(int argc, char **argv)
{
    const struct unit_test tests[] = {
        {"a_socket_in_a_folder_hears_it", a_socket_in_a_folder_hears_it},
        {"an_abstract_socket_hears_it", an_abstract_socket_hears_it},
        {"without_a_manager_nothing_is_sent", without_a_manager_nothing_is_sent},
        {"a_full_socket_does_not_block", a_full_socket_does_not_block},
        {"the_watchdog_is_answered_three_times_as_often",
         the_watchdog_is_answered_three_times_as_often},
        {NULL, NULL}};
    return unit_main(argc, argv, "observe, notify", tests);
}
