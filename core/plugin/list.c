#include "plugin/load.h"

#include "util/alloc.h"
#include "util/buf.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

struct hit {
    char *name;
    const char *dir;
    size_t rank; /* of the folder: the lower one wins */
};

struct hits {
    struct hit *list;
    size_t count, room;
};

static int hits_add(struct hits *hits, weir_str name, const char *dir, size_t rank)
{
    if (hits->count == hits->room) {
        size_t room = hits->room ? hits->room * 2 : 16;
        struct hit *grown = mem_realloc(hits->list, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        hits->list = grown;
        hits->room = room;
    }
    char *copy = mem_dup0(name.ptr, name.len);
    if (!copy)
        return -ENOMEM;
    hits->list[hits->count++] = (struct hit){copy, dir, rank};
    return 0;
}

static int scan(struct hits *hits, const char *dir, size_t rank)
{
    int rc = 0;
    DIR *open_dir = opendir(dir);
    if (!open_dir)
        return 0; /* a folder that is not there offers nothing */
    for (struct dirent *entry; rc == 0 && (entry = readdir(open_dir)) != NULL;) {
        weir_str name = str_of(entry->d_name);
        if (name.len > 3 && name.ptr[0] != '.' && str_ends(name, STR(".so")))
            rc = hits_add(hits, (weir_str){name.ptr, name.len - 3}, dir, rank);
    }
    closedir(open_dir);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

static int report(const struct hit *hit, int (*found)(void *, const char *, const char *),
                  void *arg)
{
    struct buf path;
    buf_init(&path, PATH_MAX);
    int rc = buf_printf(&path, "%s/%s.so", hit->dir, hit->name);
    if (rc == 0)
        rc = found(arg, hit->name, buf_cstr(&path));
    buf_done(&path);
    return rc;
}

int plugin_each(const struct plugin_search *search,
                int (*found)(void *arg, const char *name, const char *path), void *arg)
{
    struct hits hits = {0};
    int rc = 0;
    for (size_t rank = 0; rc == 0 && search->dirs && search->dirs[rank]; rank++)
        rc = scan(&hits, search->dirs[rank], rank);
    if (hits.count > 1)
        qsort(hits.list, hits.count, sizeof *hits.list, by_name);
    for (size_t i = 0; rc == 0 && i < hits.count; i++)
        if (i == 0 || strcmp(hits.list[i - 1].name, hits.list[i].name) != 0)
            rc = report(&hits.list[i], found, arg);
    for (size_t i = 0; i < hits.count; i++)
        mem_free(hits.list[i].name);
    mem_free(hits.list);
    return rc;
}
