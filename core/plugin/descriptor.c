#include "plugin/load.h"
#include "plugin/options.h"

#include <errno.h>
#include <stdio.h>

enum {
    /* cancel and flush may be missing: the shortest struct that is a plugin at all */
    DESC_BYTES_MIN = offsetof(weir_plugin, flush),
    DESC_BYTES_MAX = 1 << 16 /* beyond this it is no size but garbage */
};

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

int plugin_read_descriptor(plugin_entry_fn entry, const char *path, weir_plugin *out,
                           struct err *err)
{
    weir_plugin desc = {0};
    const weir_plugin *theirs = entry(WEIR_ABI_CURRENT);
    if (!theirs)
        return err_set(err, -ENOEXEC,
                       "%s: it offers nothing to a host of plugin ABI %u.%u; help: upgrade "
                       "weir or the plugin",
                       path, (unsigned)(WEIR_ABI_CURRENT >> 16),
                       (unsigned)(WEIR_ABI_CURRENT & 0xffff));
    int rc = check_abi(theirs, path, err);
    if (rc < 0)
        return rc;
    memcpy(&desc, theirs, theirs->struct_size < sizeof desc ? theirs->struct_size : sizeof desc);
    rc = check_descriptor(&desc, path, err);
    if (rc == 0)
        *out = desc;
    return rc;
}
