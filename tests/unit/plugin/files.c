#define _XOPEN_SOURCE 700 /* nftw */
#include "support.h"

#include "util/alloc.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void folder_make(struct folder *folder)
{
    snprintf(folder->path, sizeof folder->path, "%s/plugin-test-XXXXXX", TEST_BUILD);
    CHECK_FATAL(mkdtemp(folder->path) != NULL);
    CHECK_FATAL(chmod(folder->path, 0755) == 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void folder_remove(struct folder *folder)
{
    CHECK(nftw(folder->path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

const char *folder_file(const struct folder *folder, const char *name, const void *bytes,
                        size_t len, char out[640])
{
    snprintf(out, 640, "%s/%s", folder->path, name);
    FILE *file = fopen(out, "wb");
    CHECK_FATAL(file != NULL);
    CHECK_FATAL(fwrite(bytes, 1, len, file) == len);
    CHECK_FATAL(fclose(file) == 0);
    CHECK_FATAL(chmod(out, 0644) == 0);
    return out;
}

const char *folder_plugin(const struct folder *folder, const char *plugin, const char *name,
                          char out[640])
{
    char from[640];
    unsigned long len;
    snprintf(from, sizeof from, "%s/%s.so", PLUGINS, plugin);
    char *bytes = unit_file(from, &len);
    folder_file(folder, name, bytes, len, out);
    mem_free(bytes);
    return out;
}

struct plugin *load_plugin(const char *name)
{
    static const char *const dirs[] = {PLUGINS, NULL};
    struct plugin_search search = {.dirs = dirs, .insecure = true};
    struct plugin *plugin = NULL;
    struct err err = {0};
    if (plugin_load(name, &search, &plugin, &err) < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(plugin != NULL);
    return plugin;
}
