/* Reads the configuration: find, parse, override, interpolate, check. Every problem goes to the
 * diags. */
#ifndef WEIR_CONFIG_LOAD_H
#define WEIR_CONFIG_LOAD_H
#include "config/config.h"
#include "config/diag.h"

enum { CONFIG_MAX_BYTES = 1 << 20 };

struct config_request {
    const char *path;        /* NULL: the search order; "-" is not special */
    const char *const *sets; /* "path=value", a JSON value or a bare string; may be NULL */
    size_t set_count;
    const char *plugin; /* --plugin FILE: a sink of this plugin; NULL = none. Without `path` it is
                           the whole config */
    const char *from;   /* --from FILE or "-": the source is this file, whatever the config says */
    char **environ_block; /* NULL = the process's; read for interpolation and the search */
    const char *cwd;      /* relative paths of the command line; NULL = the process's */
    const char *text;     /* instead of a file: a configuration that is built in. NUL-terminated */
    bool lambda;          /* search as the Lambda runtime does, source is lambda */
    bool dry_run;    /* a source that runs only elsewhere (or none) is standard input instead */
    bool no_plugins; /* report only what the file itself does wrong, load no plugin */
};

/* When the keys are wrong, the sinks are opened and closed all the same (see sink_set_open), so
 * that their problems are shown in the same run. 0 and *out (config_free), warnings in diags;
 * -EINVAL with errors in diags; -ENOENT: no configuration file was found (an error in diags names
 * the paths); -ENOMEM. [before run] */
int config_load(const struct config_request *request, struct config **out, struct diags *diags);
void config_free(struct config *config); /* NULL is fine */

/* What this release can check but not run: an error in diags at the key that asks for it, and
 * -ENOTSUP; else 0. */
int config_runnable(const struct config *config, struct diags *diags);

const char *env_get(char **environ_block,
                    const char *name); /* NULL when unset; block NULL = the process's */
#endif
