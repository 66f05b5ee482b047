/* The file: appended to by one process alone, rotated by size or age. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NAMES_MAX = 1000, TAIL_BYTES = 16 * 1024, PATH_SHOWN = 100 };

void writer_init(struct writer *writer)
{
    writer->fd = -1;
}

void writer_close(struct writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    writer->fd = -1;
}

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

/* Of a long path the end. */
static int refused(struct writer *writer, const char *what, const char *why)
{
    size_t len = strlen(writer->path), skipped = len > PATH_SHOWN ? len - PATH_SHOWN : 0;
    snprintf(writer->reason, sizeof writer->reason, "can't %s %s%s: %s", what,
             skipped > 0 ? "..." : "", writer->path + skipped, why);
    return -1;
}

static int failed(struct writer *writer, const char *what)
{
    int why = errno;
    char text[64];
    if (strerror_r(why, text, sizeof text) != 0)
        snprintf(text, sizeof text, "error %d", why);
    return refused(writer, what, text);
}

/* ---- opening ---- */

/* The length up to the last whole line, looking back over what a crash may have torn; -errno. */
static int64_t whole_lines(int fd, int64_t bytes)
{
    char tail[TAIL_BYTES];
    while (bytes > 0) {
        int64_t from = bytes > TAIL_BYTES ? bytes - TAIL_BYTES : 0;
        ssize_t got = pread(fd, tail, (size_t)(bytes - from), from);
        if (got <= 0)
            return got < 0 ? -errno : 0;
        for (ssize_t i = got; i-- > 0;)
            if (tail[i] == '\n')
                return from + i + 1;
        bytes = from;
    }
    return 0;
}

static int trim(struct writer *writer, const struct stat *at)
{
    int64_t whole = whole_lines(writer->fd, at->st_size);
    if (whole < 0 || (whole < at->st_size && ftruncate(writer->fd, whole) < 0))
        return failed(writer, "repair");
    writer->bytes = whole;
    return 0;
}

/* So that a crash doesn't lose the name of a new file. */
static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    weir_buf folder = {0};
    weir_buf_put(&folder, slash ? weir_view(path, (size_t)(slash - path) + 1) : WEIR_STR("."));
    weir_buf_put(&folder, weir_view("", 1));
    int fd = folder.failed ? -1 : open(folder.ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    weir_buf_free(&folder);
    return rc;
}

static int open_file(struct writer *writer)
{
    struct stat at;
    int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    writer->fd = open(writer->path, flags, 0640);
    if (writer->fd < 0)
        return failed(writer, "open");
    int rc = 0;
    if (fstat(writer->fd, &at) < 0 || !S_ISREG(at.st_mode))
        rc = refused(writer, "write", "it is no regular file");
    else if (flock(writer->fd, LOCK_EX | LOCK_NB) < 0)
        rc = errno == EWOULDBLOCK ? refused(writer, "lock", "another process writes it")
                                  : failed(writer, "lock");
    else
        rc = trim(writer, &at);
    if (rc == 0 && writer->sync != SYNC_NEVER && sync_folder(writer->path) < 0)
        rc = failed(writer, "make");
    if (rc < 0)
        writer_close(writer);
    writer->opened_s = now_s();
    return rc;
}

/* False: it was moved away (logrotate), so a new one is due. */
static bool is_current(const struct writer *writer)
{
    struct stat ours, named;
    return fstat(writer->fd, &ours) == 0 && stat(writer->path, &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* ---- rotating ---- */

static bool is_taken(const struct writer *writer, const char *name)
{
    char compressed[4200];
    snprintf(compressed, sizeof compressed, "%s.zst", name);
    return writer->compress && access(compressed, F_OK) == 0;
}

/* PATH.20261122T232114Z, or with -1, -2 ... where that is taken. Never replaces a file. */
static int move_away(struct writer *writer, char *name, size_t name_bytes)
{
    struct civil at = civil_of(now_s());
    for (int i = 0; i < NAMES_MAX; i++) {
        int len = snprintf(name, name_bytes, "%s.%04d%02d%02dT%02d%02d%02dZ", writer->path,
                           (int)at.year, at.month, at.day, at.hour, at.minute, at.second);
        if (len > 0 && i > 0)
            len += snprintf(name + len, name_bytes - (size_t)len, "-%d", i);
        if (len < 0 || (size_t)len >= name_bytes) {
            errno = ENAMETOOLONG;
            return -1;
        }
        if (is_taken(writer, name))
            continue;
        if (link(writer->path, name) == 0)
            return unlink(writer->path);
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

/* The records are stored already: what fails here is said, and tried again after the next ones. */
static void rotate(struct writer *writer)
{
    char name[4096];
    int64_t age_s = now_s() - writer->opened_s;
    bool large = writer->rotate_bytes > 0 && writer->bytes >= writer->rotate_bytes;
    bool old = writer->rotate_s > 0 && age_s >= writer->rotate_s;
    if (writer->bytes == 0 || (!large && !old))
        return;
    if (writer->sync != SYNC_NEVER && fdatasync(writer->fd) < 0)
        return;
    if (move_away(writer, name, sizeof name) < 0) {
        failed(writer, "rotate");
        snprintf(writer->warning, sizeof writer->warning, "%s", writer->reason);
        return;
    }
    writer_close(writer);
    if (writer->compress)
        compress_file(name, writer->warning, sizeof writer->warning);
}

/* ---- appending ---- */

static int write_all(int fd, weir_str text)
{
    while (text.len > 0) {
        ssize_t put = write(fd, text.ptr, text.len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        text = weir_view(text.ptr + put, text.len - (size_t)put);
    }
    return 0;
}

static int sync_file(struct writer *writer)
{
    int64_t now = now_s();
    bool due =
        writer->sync == SYNC_BATCH || (writer->sync == SYNC_SECOND && now != writer->synced_s);
    if (due && fdatasync(writer->fd) < 0)
        return -1;
    writer->synced_s = now;
    return 0;
}

int writer_append(struct writer *writer, weir_str lines)
{
    writer->warning[0] = '\0';
    if (writer->fd >= 0 && !is_current(writer))
        writer_close(writer);
    if (writer->fd < 0 && open_file(writer) < 0)
        return -1;
    if (write_all(writer->fd, lines) < 0 || sync_file(writer) < 0) {
        failed(writer, "write");
        /* after a failed sync nobody knows what is on the disk: look again with a fresh open */
        if (ftruncate(writer->fd, writer->bytes) < 0)
            failed(writer, "repair");
        writer_close(writer);
        return -1;
    }
    writer->bytes += (int64_t)lines.len;
    rotate(writer);
    return 0;
}
