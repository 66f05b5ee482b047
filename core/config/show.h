/* The effective configuration, for people and programs: every value with its origin, no secret. */
#ifndef WEIR_CONFIG_SHOW_H
#define WEIR_CONFIG_SHOW_H
#include "config/config.h"
#include "plugin/load.h"

enum show_form {
    SHOW_COMMENTED, /* a configuration again, the origins as comments */
    SHOW_JSON       /* {"config":{...},"origins":{"source.kind":"weir.json:3:13",...}} */
};

/* Appends it. Values that came from ${file:...}, that an option declares as secret or whose
 * variable is named as one are "***". `plugins` are folders to find the sinks' plugins in; where
 * one can't be loaded, whatever was interpolated in its options is "***". 0 or -ENOMEM. */
int config_show(const struct config *config, const struct plugin_search *plugins,
                enum show_form form, struct buf *out);
#endif
