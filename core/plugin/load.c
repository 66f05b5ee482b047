#include "plugin/load.h"
#include "plugin/file.h"

#include "util/alloc.h"

#include <dlfcn.h>
#include <errno.h>

enum { IDENTITY_BITS = 128 };

/* The dynamic linker takes a name that it has seen for the file that it has seen, and descriptor
 * numbers are used again. So the name also spells the file's device and inode, in ways that mean
 * nothing to the kernel: "/" for a 0, "./" for a 1. */
static void spell_name(const struct plugin_file *file, struct buf *out)
{
    buf_puts(out, "/proc/self/fd/");
    for (int i = 0; i < IDENTITY_BITS; i++) {
        uint64_t half = i < 64 ? file->device : file->inode;
        buf_puts(out, (half >> (i % 64)) & 1 ? "./" : "/");
    }
    buf_put_i64(out, file->fd);
}

/* What dlerror() says, without our spelling of the name and with a word on where to look. */
static int link_failed(const char *path, const char *spelt, struct err *err)
{
    const char *said = dlerror();
    size_t len = strlen(spelt);
    if (!said)
        said = "unknown reason";
    if (strncmp(said, spelt, len) == 0 && strncmp(said + len, ": ", 2) == 0)
        said += len + 2;
    return err_set(err, -ENOEXEC,
                   "%s: the dynamic linker refuses it: %.200s; help: `ldd %s` shows libraries that "
                   "are missing",
                   path, said, path);
}

static int find_entry(const char *path, const char *spelt, plugin_entry_fn *out, struct err *err)
{
    void *handle = dlopen(spelt, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle)
        return link_failed(path, spelt, err);
    void *symbol = dlsym(handle, "weir_plugin_entry");
    if (!symbol)
        return err_set(
            err, -ENOEXEC,
            "%s: no symbol weir_plugin_entry; help: it is not a weir plugin, or the function was "
            "not exported (WEIR_EXPORT)",
            path);
    memcpy(out, &symbol, sizeof *out); /* ISO C has no cast from an object to a function pointer */
    return 0;
}

static int link_file(const struct plugin_file *file, const char *path, plugin_entry_fn *out,
                     struct err *err)
{
    struct buf name;
    buf_init(&name, (size_t)4 * IDENTITY_BITS);
    spell_name(file, &name);
    const char *spelt = buf_cstr(&name);
    int rc = name.failed ? err_set(err, -ENOMEM, "%s: out of memory", path)
                         : find_entry(path, spelt, out, err);
    buf_done(&name);
    return rc;
}

/* A bare name is the config key, so the file found by it must be that plugin. */
static int check_name(const struct plugin *plugin, const char *name, struct err *err)
{
    if (name[0] == '/' || strcmp(plugin->desc.name, name) == 0)
        return 0;
    return err_set(err, -ENOEXEC,
                   "%s: calls itself \"%s\"; help: rename the file to %s.so, or give its "
                   "absolute path",
                   plugin->path, plugin->desc.name, plugin->desc.name);
}

/* Takes `file`'s path. */
static int load_checked(struct plugin *plugin, struct plugin_file *file, const char *name,
                        struct err *err)
{
    plugin_entry_fn entry = NULL;
    plugin->path = file->path;
    file->path = NULL;
    plugin->owner_uid = file->owner_uid;
    memcpy(plugin->sha256, file->sha256, sizeof plugin->sha256);
    int rc = link_file(file, plugin->path, &entry, err);
    if (rc == 0 && entry)
        rc = plugin_read_descriptor(entry, plugin->path, &plugin->desc, err);
    return rc < 0 ? rc : check_name(plugin, name, err);
}

int plugin_load(const char *name, const struct plugin_search *search, struct plugin **out,
                struct err *err)
{
    struct plugin_file file;
    int rc = plugin_file_open(name, search, &file, err);
    if (rc < 0)
        return rc;
    struct plugin *plugin = mem_zalloc(1, sizeof *plugin);
    if (plugin)
        rc = load_checked(plugin, &file, name, err);
    else
        rc = err_set(err, -ENOMEM, "%s: out of memory", file.path);
    plugin_file_done(&file);
    if (rc < 0)
        plugin_free(plugin);
    else
        *out = plugin;
    return rc;
}

void plugin_describe(const struct plugin *plugin, struct buf *out)
{
    buf_printf(out, "%s: %s %s, plugin ABI %u.%u, owner %u, sha256 %s", plugin->path,
               plugin->desc.name, plugin->desc.version, (unsigned)(plugin->desc.abi >> 16),
               (unsigned)(plugin->desc.abi & 0xffff), (unsigned)plugin->owner_uid, plugin->sha256);
}

void plugin_free(struct plugin *plugin)
{
    if (!plugin)
        return;
    mem_free(plugin->path);
    mem_free(plugin);
}
