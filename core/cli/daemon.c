#include "cli/daemon.h"

#include "config/load.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_BYTES_MAX = 64 << 20, READ_BYTES = 64 << 10, HEAD_BYTES_MAX = 16 << 10 };

/* ---- where ---- */

static int private_folder(const char *path, bool make, struct err *err)
{
    struct stat info;
    if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "can't make %s: %s", path, strerror(errno));
    if (lstat(path, &info) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode) || (info.st_mode & 022) ||
        (info.st_uid != geteuid() && info.st_uid != 0))
        return err_set(err, -EPERM, "%s is not a folder of this user alone", path);
    return 0;
}

int daemon_folder(char **environ_block, bool make, struct buf *out, struct err *err)
{
    const char *given = env_get(environ_block, "RUNTIME_DIRECTORY");
    const char *session = env_get(environ_block, "XDG_RUNTIME_DIR");
    buf_reset(out);
    if (given && *given) /* systemd's; the first of several */
        buf_put(out, given, strcspn(given, ":"));
    else if (session && *session)
        buf_printf(out, "%s/weir", session);
    else if (geteuid() == 0)
        buf_puts(out, "/run/weir");
    else
        buf_printf(out, "/tmp/weir-%u", (unsigned)geteuid());
    const char *path = buf_cstr(out);
    if (out->failed)
        return err_set(err, -ENOMEM, "out of memory");
    return private_folder(path, make && !(given && *given), err);
}

int daemon_socket(char **environ_block, const char *pipeline, bool make, struct buf *out,
                  struct err *err)
{
    int rc = daemon_folder(environ_block, make, out, err);
    if (rc < 0)
        return rc;
    buf_printf(out, "/%s.sock", pipeline);
    buf_cstr(out);
    return out->failed ? err_set(err, -ENOMEM, "out of memory") : 0;
}

/* ---- which ---- */

static int open_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int rc = -errno;
    close(fd);
    return rc;
}

static int no_daemon(struct cli *cli, const char *why)
{
    return cli_fail(cli, EXIT_UNAVAILABLE, "start one with weir run; --socket names another's",
                    "no weir is running%s%s", *why ? ": " : "", why);
}

static int refuse_config(const struct cli *cli, struct diags *diags)
{
    struct buf said;
    buf_init(&said, 1 << 20);
    diags_print(diags, "nothing was done", &said);
    cli_write(cli->err, &said);
    buf_done(&said);
    return EXIT_CONFIG;
}

/* The pipeline that the configuration names. 0; an exit code after a message where -c names the
 * configuration; -ENOENT where it does not. */
static int named_by_config(struct cli *cli, struct buf *out)
{
    struct config_request request;
    struct config *config = NULL;
    struct diags diags;
    int code = 0;
    diags_init(&diags);
    cli_config_request(cli, &request);
    request.no_plugins = true;
    if (config_load(&request, &config, &diags) < 0)
        code = cli->config_path ? refuse_config(cli, &diags) : -ENOENT;
    else
        buf_puts(out, config->name);
    config_free(config);
    diags_done(&diags);
    return code;
}

/* One of a weir that was killed stays, and answers nobody. */
static bool answers(const char *folder, const char *file)
{
    char path[512];
    int len = snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = len > 0 && (size_t)len < sizeof path ? open_socket(path) : -1;
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* How many sockets are there; the name of one of them. */
static size_t count_sockets(const char *folder, struct buf *name)
{
    size_t count = 0;
    const struct dirent *entry;
    DIR *dir = opendir(folder);
    while (dir && (entry = readdir(dir))) {
        weir_str file = str_of(entry->d_name);
        if (!str_ends(file, STR(".sock")) || !answers(folder, entry->d_name))
            continue;
        count++;
        buf_reset(name);
        buf_put(name, file.ptr, file.len - 5);
    }
    if (dir)
        closedir(dir);
    return count;
}

static int find_name(struct cli *cli, const char *folder, struct buf *name)
{
    size_t count = count_sockets(folder, name);
    if (count == 0)
        return no_daemon(cli, "");
    if (count == 1 && !cli->config_path)
        return 0;
    buf_reset(name);
    int code = named_by_config(cli, name);
    if (code != -ENOENT)
        return code;
    return cli_fail(cli, EXIT_USAGE, "name one with -c FILE or --socket",
                    "%zu are running, and no configuration says which is meant", count);
}

static int find_socket(struct cli *cli, struct buf *path)
{
    struct err err = {0};
    struct buf name;
    if (cli->socket) {
        buf_puts(path, cli->socket);
        return 0;
    }
    if (daemon_folder(cli->environ_block, false, path, &err) < 0)
        return no_daemon(cli, err.code == -EPERM ? err.msg : "");
    buf_init(&name, 256);
    int code = find_name(cli, buf_cstr(path), &name);
    if (code == 0 && daemon_socket(cli->environ_block, buf_cstr(&name), false, path, &err) < 0)
        code = no_daemon(cli, err.msg);
    buf_done(&name);
    return code;
}

/* ---- talking ---- */

static int send_all(int fd, weir_str bytes)
{
    while (bytes.len) {
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return -errno;
        if (sent > 0)
            bytes = (weir_str){bytes.ptr + sent, bytes.len - (size_t)sent};
    }
    return 0;
}

static long read_some(struct daemon_link *link)
{
    ssize_t got;
    if (buf_reserve(&link->answer, READ_BYTES) < 0)
        return -ENOMEM;
    do
        got = read(link->fd, link->answer.ptr + link->answer.len, READ_BYTES);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        link->answer.len += (size_t)got;
    return got < 0 ? -errno : (long)got;
}

/* "HTTP/1.1 200 OK", then lines up to an empty one. */
static bool take_head(struct daemon_link *link)
{
    struct buf *answer = &link->answer;
    for (size_t i = 0; i + 4 <= answer->len; i++) {
        if (memcmp(answer->ptr + i, "\r\n\r\n", 4) != 0)
            continue;
        link->status = answer->len > 12 ? (int)strtol(answer->ptr + 9, NULL, 10) : 0;
        answer->len -= i + 4;
        memmove(answer->ptr, answer->ptr + i + 4, answer->len);
        return true;
    }
    return false;
}

static int receive_head(struct daemon_link *link)
{
    while (!take_head(link)) {
        long got = link->answer.len > HEAD_BYTES_MAX ? -EBADMSG : read_some(link);
        if (got <= 0)
            return got ? (int)got : -EBADMSG;
    }
    return 0;
}

int daemon_ask(struct cli *cli, const char *method, const char *target, struct daemon_link *link)
{
    struct buf text;
    *link = (struct daemon_link){.fd = -1};
    buf_init(&link->answer, ANSWER_BYTES_MAX);
    buf_init(&text, 8192);
    int code = find_socket(cli, &text);
    if (code == 0) {
        link->fd = open_socket(buf_cstr(&text));
        if (link->fd < 0)
            code = no_daemon(cli, link->fd == -EACCES ? "its socket is another user's" : "");
    }
    if (code == 0) {
        buf_reset(&text);
        buf_printf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", method,
                   target);
        int rc = text.failed ? -ENOMEM : send_all(link->fd, buf_str(&text));
        if (rc == 0)
            rc = receive_head(link);
        if (rc < 0)
            code = cli_fail(cli, EXIT_UNAVAILABLE, NULL, "weir does not answer: %s", strerror(-rc));
    }
    buf_done(&text);
    return code;
}

int daemon_whole(struct cli *cli, struct daemon_link *link)
{
    long got;
    while ((got = read_some(link)) > 0)
        ;
    if (got < 0)
        return cli_fail(cli, EXIT_UNAVAILABLE, NULL, "weir broke off: %s", strerror((int)-got));
    return 0;
}

long daemon_more(struct cli *cli, struct daemon_link *link)
{
    long got = read_some(link);
    if (got < 0)
        cli_fail(cli, EXIT_UNAVAILABLE, NULL, "weir broke off: %s", strerror((int)-got));
    return got < 0 ? -1 : got;
}

void daemon_close(struct daemon_link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    buf_done(&link->answer);
}
