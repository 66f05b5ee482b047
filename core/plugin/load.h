/* Loading plugins: find the file, check it before any of its code runs, open exactly what was
 * checked. */
#ifndef WEIR_PLUGIN_LOAD_H
#define WEIR_PLUGIN_LOAD_H
#include <weir/plugin.h>
#include "util/buf.h"
#include "util/err.h"
#include "util/str.h"

struct plugin { /* never unloaded: threads and thread-local destructors may outlive any instance */
    weir_plugin desc; /* a copy: min(struct_size, sizeof) bytes, the rest zero */
    char *path;       /* absolute */
    char sha256[65];  /* of the checked bytes */
    uint32_t owner_uid;
};

struct plugin_search {
    const char *const *dirs; /* NULL-terminated, in order; looked up as DIR/NAME.so */
    const char *sha256;      /* optional pin */
    bool insecure;           /* skips owner and mode checks (S2) only */
    bool allow_any_owner;    /* set in Lambda, whose layer files belong to another user but are
                                read-only */
};

/* Loads `name`: an absolute path, or a bare name (no '/', no "..") found in search->dirs. Checks S1
 * to S9 (FAULTS): regular file, owner, modes of it and its parents, ELF class, machine, type,
 * segment ends, no executable stack, no text relocation, pin; then dlopen of that very descriptor,
 * RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE; then ABI and descriptor. 0 and *out (free with
 * plugin_free, which does not unload); -ENOENT not found (err names the folders), -EACCES refused
 * by a check, -ENOEXEC not a plugin of this ABI (err: built for, host speaks, file), -EINVAL bad
 * name, -ENOMEM. err->msg is "WHAT; help: REMEDY". [before run] */
int plugin_load(const char *name, const struct plugin_search *search, struct plugin **out,
                struct err *err);
void plugin_free(struct plugin *plugin);

/* Asks the code at `entry`, which is in this process already, what plugin it is: does its ABI fit,
 * is its descriptor sound? 0 and *out; -ENOEXEC with a reason ("PATH: WHAT; help: REMEDY"). */
typedef const weir_plugin *(*plugin_entry_fn)(uint32_t host_abi);
int plugin_read_descriptor(plugin_entry_fn entry, const char *path, weir_plugin *out,
                           struct err *err);

/* Appends what a list of loaded plugins shows of one: file, name, version, ABI, owner, SHA-256. */
void plugin_describe(const struct plugin *plugin, struct buf *out);

/* Calls `found` for every NAME.so in the folders (first hit of a name wins), in order of name.
 * Loads nothing. 0, -ENOMEM, or what `found` returned when not 0. */
int plugin_each(const struct plugin_search *search,
                int (*found)(void *arg, const char *name, const char *path), void *arg);
#endif
