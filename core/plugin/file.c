#include "plugin/file.h"
#include "plugin/elf.h"
#include "plugin/owned.h"

#include "util/alloc.h"
#include "util/buf.h"
#include "util/text.h"

#define OPENSSL_SUPPRESS_DEPRECATED /* see hash_hex */
#include <openssl/sha.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 256 << 20, NAMES_MAX = 256 };

/* Replaces err->msg by "PATH: msg". */
static int at_path(const char *path, int rc, struct err *err)
{
    struct err inner;
    if (!err)
        return rc;
    inner = *err;
    return err_set(err, rc, "%.255s: %.250s", path, inner.msg);
}

static struct owned_rules rules_of(const struct plugin_search *search)
{
    return (struct owned_rules){search->insecure, search->allow_any_owner,
                                ", or set \"insecure\": true for this sink"};
}

static int read_whole(int fd, size_t bytes, char **out)
{
    char *text = mem_alloc(bytes);
    size_t got = 0;
    while (text && got < bytes) {
        ssize_t n = pread(fd, text + got, bytes - got, (off_t)got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int rc = n < 0 ? -errno : -EIO; /* shrunk under our hands */
            mem_free(text);
            return rc;
        }
        got += (size_t)n;
    }
    if (!text)
        return -ENOMEM;
    *out = text;
    return 0;
}

static int hash_hex(const void *bytes, size_t len, char out[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256_CTX context;
    /* Not EVP: that would set up all of libcrypto, at every cold start in Lambda. */
    if (SHA256_Init(&context) != 1 || SHA256_Update(&context, bytes, len) != 1 ||
        SHA256_Final(hash, &context) != 1)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof hash; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[64] = '\0';
    return 0;
}

static bool same_hash(const char *pin, const char *hash)
{
    size_t i = 0;
    for (; hash[i] && pin[i]; i++) {
        char c = pin[i] >= 'A' && pin[i] <= 'F' ? (char)(pin[i] - 'A' + 'a') : pin[i];
        if (c != hash[i])
            return false;
    }
    return !hash[i] && !pin[i];
}

static int check_content(struct plugin_file *file, size_t len, const char *pin, struct err *err)
{
    char *bytes = NULL;
    int rc = read_whole(file->fd, len, &bytes);
    if (rc < 0)
        return err_set(err, rc, "%s: %s", file->path, strerror(-rc));
    rc = hash_hex(bytes, len, file->sha256);
    if (rc < 0)
        err_set(err, rc, "%s: its SHA-256 could not be computed", file->path);
    else if (pin && !same_hash(pin, file->sha256))
        rc = err_set(err, -EACCES,
                     "%s: its SHA-256 is %s, but \"sha256\" pins another; help: if the "
                     "new file is what you want, pin this value",
                     file->path, file->sha256);
    else if ((rc = elf_check(bytes, len, err)) < 0)
        rc = at_path(file->path, rc, err);
    mem_free(bytes);
    return rc;
}

static int check_file(struct plugin_file *file, const struct plugin_search *search, struct err *err)
{
    struct stat st;
    if (fstat(file->fd, &st) < 0)
        return err_set(err, -errno, "%s: %s", file->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EACCES, "%s: not a regular file; help: name the .so file itself",
                       file->path);
    const struct owned_rules rules = rules_of(search);
    int rc = owned_check(file->path, &st, &rules, err);
    if (rc < 0)
        return rc;
    if (st.st_size > FILE_BYTES_MAX)
        return err_set(err, -EACCES, "%s: larger than 256 MiB; help: strip it", file->path);
    file->device = (uint64_t)st.st_dev;
    file->inode = (uint64_t)st.st_ino;
    file->owner_uid = (uint32_t)st.st_uid;
    return check_content(file, (size_t)st.st_size, search->sha256, err);
}

/* ---- finding ---- */

struct names {
    char *list[NAMES_MAX + 1];
    size_t count;
};

static int add_name(void *arg, const char *name, const char *path)
{
    struct names *names = arg;
    (void)path;
    if (names->count == NAMES_MAX)
        return 0;
    char *copy = mem_dup0(name, strlen(name));
    if (!copy)
        return -ENOMEM;
    names->list[names->count++] = copy;
    return 0;
}

static int not_found(const char *name, const struct plugin_search *search, struct err *err)
{
    struct buf dirs;
    struct names *names = mem_zalloc(1, sizeof *names);
    const char *nearest = NULL;
    buf_init(&dirs, 200);
    for (const char *const *dir = search->dirs; dir && *dir; dir++) {
        buf_puts(&dirs, dir == search->dirs ? "" : ", ");
        buf_puts(&dirs, *dir);
    }
    if (names && plugin_each(search, add_name, names) == 0)
        nearest = nearest_name(str_of(name), (const char *const *)names->list);
    if (nearest)
        err_set(err, -ENOENT,
                "no plugin named \"%.64s\" (looked in: %s); help: did you mean \"%s\"?", name,
                dirs.len ? buf_cstr(&dirs) : "no folder", nearest);
    else
        err_set(err, -ENOENT,
                "no plugin named \"%.64s\" (looked in: %s); help: `weir plugin list` shows "
                "all that are found",
                name, dirs.len ? buf_cstr(&dirs) : "no folder");
    for (size_t i = 0; names && i < names->count; i++)
        mem_free(names->list[i]);
    mem_free(names);
    buf_done(&dirs);
    return -ENOENT;
}

/* `path` in hand, opened; its copy is the file's. */
static int found(const char *path, const struct plugin_search *search, struct plugin_file *file,
                 struct err *err)
{
    const struct owned_rules rules = rules_of(search);
    int rc = owned_open(path, &rules, &file->fd, err);
    if (rc < 0)
        return rc;
    file->path = mem_dup0(path, strlen(path));
    return file->path ? 0 : err_set(err, -ENOMEM, "%s: out of memory", path);
}

static int find_bare(const char *name, const struct plugin_search *search, struct plugin_file *file,
                     struct err *err)
{
    char path[PATH_MAX];
    for (const char *const *dir = search->dirs; dir && *dir; dir++) {
        int len = snprintf(path, sizeof path, "%s/%s.so", *dir, name);
        if (len < 0 || (size_t)len >= sizeof path)
            continue; /* no file can have such a path */
        int rc = found(path, search, file, err);
        if (rc != -ENOENT)
            return rc;
    }
    return not_found(name, search, err);
}

static int find_absolute(const char *path, const struct plugin_search *search,
                         struct plugin_file *file, struct err *err)
{
    int rc = found(path, search, file, err);
    if (rc == -ENOENT)
        return err_set(err, rc,
                       "%s: no such file; help: build it, or name the plugin alone to have it "
                       "looked up",
                       path);
    return rc;
}

static bool bare_name(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/') && !strstr(name, "..") && strlen(name) <= 64;
}

int plugin_file_open(const char *name, const struct plugin_search *search, struct plugin_file *out,
                     struct err *err)
{
    struct plugin_file file = {.fd = -1};
    int rc;
    if (name[0] == '/')
        rc = find_absolute(name, search, &file, err);
    else if (bare_name(name))
        rc = find_bare(name, search, &file, err);
    else
        rc = err_set(err, -EINVAL,
                     "\"%.100s\" names no plugin; help: give an absolute path, or a bare "
                     "name without '/' and \"..\"",
                     name);
    if (rc == 0)
        rc = check_file(&file, search, err);
    if (rc < 0) {
        plugin_file_done(&file);
        return rc;
    }
    *out = file;
    return 0;
}

void plugin_file_done(struct plugin_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    mem_free(file->path);
    *file = (struct plugin_file){.fd = -1};
}
