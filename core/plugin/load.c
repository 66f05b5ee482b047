#include "plugin/load.h"
#include "plugin/file.h"
#include "plugin/options.h"

#include "util/alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

enum {
    /* cancel and flush may be missing: the shortest struct that is a plugin at all */
    DESC_BYTES_MIN = offsetof(weir_plugin, flush),
    DESC_BYTES_MAX = 1 << 16, /* beyond this it is no size but garbage */
    IDENTITY_BITS = 128
};

typedef const weir_plugin *(*entry_fn)(uint32_t host_abi);

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

static int find_entry(const char *path, const char *spelt, entry_fn *out, struct err *err)
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

static int link_file(const struct plugin_file *file, const char *path, entry_fn *out,
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

static int check_abi(const weir_plugin *theirs, const char *path, struct err *err)
{
    unsigned major = theirs->abi >> 16, minor = theirs->abi & 0xffff;
    unsigned host_major = WEIR_ABI_CURRENT >> 16, host_minor = WEIR_ABI_CURRENT & 0xffff;
    if (major != host_major)
        return err_set(err, -ENOEXEC,
                       "%s: built for plugin ABI %u, this weir speaks %u; help: rebuild "
                       "against weir/plugin.h of this weir, or %s",
                       path, major, host_major,
                       major > host_major ? "upgrade weir" : "use an older weir");
    if (theirs->abi_min > WEIR_ABI_CURRENT)
        return err_set(err, -ENOEXEC,
                       "%s: built for plugin ABI %u.%u and needs %u.%u or newer, this weir "
                       "speaks %u.%u; help: upgrade weir, or rebuild with a lower abi_min",
                       path, major, minor, (unsigned)(theirs->abi_min >> 16),
                       (unsigned)(theirs->abi_min & 0xffff), host_major, host_minor);
    if (theirs->struct_size < DESC_BYTES_MIN || theirs->struct_size > DESC_BYTES_MAX)
        return err_set(err, -ENOEXEC,
                       "%s: its weir_plugin has struct_size %u, ABI %u.%u has %zu; help: "
                       "set struct_size to sizeof(weir_plugin)",
                       path, (unsigned)theirs->struct_size, major, minor, sizeof *theirs);
    return 0;
}

/* Names of plugins and options: they stand in configs, file names, metrics and messages. */
static bool clean_identifier(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool other = (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!letter && !(other && i > 0))
            return false;
    }
    return len > 0 && len <= 64;
}

static const char *descriptor_fault(const weir_plugin *desc)
{
    if (!desc->name)
        return "it has no name";
    if (!clean_identifier(desc->name))
        return "its name is not a clean identifier (letters, digits, '_', '-')";
    if (!desc->version)
        return "it has no version";
    if (!desc->summary)
        return "it has no summary";
    if (!desc->open)
        return "it has no open()";
    if (!desc->close)
        return "it has no close()";
    if (!desc->record && !desc->deliver)
        return "it has neither record() nor deliver()";
    if (desc->record && desc->deliver)
        return "it has both record() and deliver()";
    if (desc->repeats < WEIR_R_NONE || desc->repeats > WEIR_R_NATIVE)
        return "its `repeats` is none of WEIR_R_*";
    return subscription_fault(&desc->subscription);
}

static int check_descriptor(const weir_plugin *desc, const char *path, struct err *err)
{
    char where[120];
    const char *fault = descriptor_fault(desc);
    if (fault)
        return err_set(err, -ENOEXEC,
                       "%s: malformed plugin: %s; help: see weir_plugin in weir/plugin.h", path,
                       fault);
    for (const weir_option *option = desc->options; option && option->name; option++) {
        if (!clean_identifier(option->name))
            fault = "the name is not a clean identifier";
        else
            fault = option_fault(desc->options, option);
        if (fault) {
            snprintf(where, sizeof where, "option \"%.64s\"", option->name);
            return err_set(err, -ENOEXEC,
                           "%s: malformed plugin: %s: %s; help: see weir_option in "
                           "weir/plugin.h",
                           path, where, fault);
        }
    }
    return 0;
}

static int describe(struct plugin *plugin, entry_fn entry, struct err *err)
{
    const weir_plugin *theirs = entry(WEIR_ABI_CURRENT);
    if (!theirs)
        return err_set(err, -ENOEXEC,
                       "%s: it offers nothing to a host of plugin ABI %u.%u; help: upgrade "
                       "weir or the plugin",
                       plugin->path, (unsigned)(WEIR_ABI_CURRENT >> 16),
                       (unsigned)(WEIR_ABI_CURRENT & 0xffff));
    int rc = check_abi(theirs, plugin->path, err);
    if (rc < 0)
        return rc;
    size_t known =
        theirs->struct_size < sizeof plugin->desc ? theirs->struct_size : sizeof plugin->desc;
    memcpy(&plugin->desc, theirs, known);
    return check_descriptor(&plugin->desc, plugin->path, err);
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
    entry_fn entry = NULL;
    plugin->path = file->path;
    file->path = NULL;
    plugin->owner_uid = file->owner_uid;
    memcpy(plugin->sha256, file->sha256, sizeof plugin->sha256);
    int rc = link_file(file, plugin->path, &entry, err);
    if (rc == 0 && entry)
        rc = describe(plugin, entry, err);
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
