#include "config/file.h"

#include "config/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef WEIR_SYSCONFDIR
#define WEIR_SYSCONFDIR "/etc"
#endif

enum { PATH_BYTES_MAX = 4096 };
extern char **environ;

const char *env_get(char **environ_block, const char *name)
{
    size_t len = strlen(name);
    for (char **entry = environ_block ? environ_block : environ; entry && *entry; entry++)
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
            return *entry + len + 1;
    return NULL;
}

static int read_all(int fd, struct buf *content)
{
    for (;;) {
        int rc = buf_reserve(content, 4096);
        if (rc < 0)
            return rc == -EMSGSIZE ? -EFBIG : rc;
        ssize_t got = read(fd, content->ptr + content->len, 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        content->len += (size_t)got;
    }
}

int file_read(struct arena *arena, const char *path, size_t max_bytes, weir_str *out)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    struct buf content;
    buf_init(&content, max_bytes + 4096);
    int rc = fstat(fd, &info) < 0    ? -errno
             : S_ISDIR(info.st_mode) ? -EISDIR
                                     : read_all(fd, &content);
    close(fd);
    if (rc == 0 && content.len > max_bytes)
        rc = -EFBIG;
    const char *kept = rc == 0 ? arena_text(arena, buf_str(&content)) : NULL;
    if (rc == 0 && !kept)
        rc = -ENOMEM;
    if (rc == 0)
        *out = (weir_str){kept, content.len};
    buf_done(&content);
    return rc;
}

const char *file_reason(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
        return "no such file";
    case -EACCES:
    case -EPERM:
        return "permission denied";
    case -EISDIR:
        return "it is a folder";
    case -EFBIG:
        return "it is too large";
    case -EILSEQ:
        return "it is not UTF-8 text";
    case -ENOMEM:
        return "out of memory";
    default:
        return "reading failed";
    }
}

static const char *join(struct arena *arena, const char *first, const char *second)
{
    char path[PATH_BYTES_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", first, second);
    return len > 0 && (size_t)len < sizeof path ? arena_text(arena, str_of(path)) : NULL;
}

const char *path_in(struct arena *arena, const char *dir, weir_str path)
{
    const char *copy = arena_text(arena, path);
    if (!copy || *copy == '/' || !dir || strcmp(dir, ".") == 0)
        return copy;
    return join(arena, dir, copy);
}

const char *path_folder(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return arena_text(arena, STR("."));
    return arena_text(arena, (weir_str){path, slash == path ? 1 : (size_t)(slash - path)});
}

/* ---- the search ---- */

static bool is_file(const char *path)
{
    struct stat info;
    return path && stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

struct search {
    struct arena *arena;
    const char *found;
    char places[1024];
};

static void try_place(struct search *search, const char *path)
{
    if (search->found || !path)
        return;
    if (is_file(path))
        search->found = path;
    size_t len = strlen(search->places);
    snprintf(search->places + len, sizeof search->places - len, "%s%s", len ? ", " : "", path);
}

/* Lambda: what the handler setting names, the function's weir.json, the layer's. */
static void search_lambda(struct search *search, char **environ_block)
{
    const char *root = env_get(environ_block, "LAMBDA_TASK_ROOT");
    const char *handler = env_get(environ_block, "_HANDLER");
    if (!root)
        root = "/var/task";
    if (handler && str_ends(str_of(handler), STR(".json")))
        try_place(search, join(search->arena, root, handler));
    try_place(search, join(search->arena, root, "weir.json"));
    try_place(search, "/opt/weir/weir.json");
}

static void search_machine(struct search *search, const struct config_request *request)
{
    const char *xdg = env_get(request->environ_block, "XDG_CONFIG_HOME");
    const char *home = env_get(request->environ_block, "HOME");
    const char *here = request->cwd ? join(search->arena, request->cwd, "weir.json") : "weir.json";
    try_place(search, here);
    if (xdg && *xdg == '/')
        try_place(search, join(search->arena, xdg, "weir/weir.json"));
    else if (home && *home == '/')
        try_place(search, join(search->arena, home, ".config/weir/weir.json"));
    try_place(search, WEIR_SYSCONFDIR "/weir/weir.json");
}

int config_find(struct arena *arena, const struct config_request *request, const char **out,
                const char **searched)
{
    struct search search = {.arena = arena};
    const char *named = request->path;
    if (!named || !*named)
        named = env_get(request->environ_block, "WEIR_CONFIG");
    *searched = NULL;
    if (named && *named) {
        /* A file that was named is read, or its absence reported: no other is taken in its place.
         */
        *out = path_in(arena, request->cwd, str_of(named));
        return *out ? 0 : -ENOMEM;
    }
    if (request->lambda)
        search_lambda(&search, request->environ_block);
    else
        search_machine(&search, request);
    *out = search.found;
    *searched = arena_text(arena, str_of(search.places));
    return *searched ? 0 : -ENOMEM;
}

void config_mode_check(const char *path, struct diags *diags)
{
    struct stat info;
    if (stat(path, &info) < 0 || !S_ISREG(info.st_mode))
        return;
    bool foreign = info.st_uid != 0 && info.st_uid != geteuid();
    if (!foreign && !(info.st_mode & S_IWOTH))
        return;
    struct diag *diag = diag_warning(diags, "W0004", STR_NONE,
                                     foreign ? "the file belongs to another user (uid %u)"
                                             : "everybody may write to the file (mode %o)",
                                     foreign ? info.st_uid : info.st_mode & 07777);
    diag_help(diags, diag, "who can change it decides which plugins weir loads; %s.",
              foreign ? "make it yours or root's" : "chmod o-w removes that right");
}
