#include "config/sinks.h"

#include "config/file.h"
#include "config/tree.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef WEIR_LIBDIR
#define WEIR_LIBDIR "/usr/local/lib"
#endif

enum { OWN_MAX = 7, PATH_BYTES_MAX = 4096 };

struct folders {
    struct arena *arena;
    const char **list;
    size_t count;
    bool no_memory;
};

static void add(struct folders *folders, const char *path)
{
    folders->no_memory = folders->no_memory || !path;
    if (path)
        folders->list[folders->count++] = path;
}

static void add_under(struct folders *folders, const char *root, const char *rest)
{
    char path[PATH_BYTES_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", root, rest);
    if (len > 0 && (size_t)len < sizeof path)
        add(folders, arena_text(folders->arena, str_of(path)));
}

static bool is_folder(const char *root, const char *rest)
{
    char path[PATH_BYTES_MAX];
    struct stat info;
    int len = snprintf(path, sizeof path, "%s/%s", root, rest);
    return len > 0 && (size_t)len < sizeof path && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A build tree holds its plugins beside the program; a relocated installation two folders away. */
static void add_beside(struct folders *folders)
{
    char own[PATH_BYTES_MAX];
    ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
    if (len <= 0)
        return;
    own[len] = '\0';
    const char *dir = path_folder(folders->arena, own);
    if (dir && is_folder(dir, "plugins"))
        add_under(folders, dir, "plugins");
    if (dir && is_folder(dir, "weir/plugins")) /* an unpacked layer, wherever it is */
        add_under(folders, dir, "weir/plugins");
    const char *above = dir ? path_folder(folders->arena, dir) : NULL;
    char installed[PATH_BYTES_MAX];
    bool fits = above && snprintf(installed, sizeof installed, "%s/lib/weir/plugins", above) <
                             PATH_BYTES_MAX;
    if (fits && strcmp(installed, WEIR_LIBDIR "/weir/plugins") != 0 &&
        is_folder(above, "lib/weir/plugins"))
        add_under(folders, above, "lib/weir/plugins");
}

const char *const *plugin_folders(struct arena *arena, const struct config *config,
                                  char **environ_block, bool lambda)
{
    size_t named = 0;
    while (config && config->plugin_dirs && config->plugin_dirs[named])
        named++;
    struct folders folders = {.arena = arena};
    folders.list = arena_alloc(arena, (named + OWN_MAX + 1) * sizeof(char *), _Alignof(char *));
    if (!folders.list)
        return NULL;
    for (size_t i = 0; i < named; i++)
        add(&folders, config->plugin_dirs[i]);
    if (lambda) {
        const char *root = env_get(environ_block, "LAMBDA_TASK_ROOT");
        add_under(&folders, root ? root : "/var/task", "plugins");
        add(&folders, "/opt/weir/plugins");
    }
    add_beside(&folders);
    add(&folders, WEIR_LIBDIR "/weir/plugins");
    folders.list[folders.count] = NULL;
    return folders.no_memory ? NULL : folders.list;
}

struct plugin_search plugin_search_of(struct arena *arena, const struct config *config,
                                      char **environ_block, bool lambda)
{
    return (struct plugin_search){.dirs = plugin_folders(arena, config, environ_block, lambda),
                                  .allow_any_owner = lambda};
}
