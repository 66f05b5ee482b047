/* The tables of keys and of plugins' options, told to programs. */
#ifndef WEIR_CONFIG_SCHEMA_H
#define WEIR_CONFIG_SCHEMA_H
#include "config/keys.h"

/* Appends a JSON Schema (draft 2020-12) of the configuration as it may be written: interpolations
 * where they may stand, names that begin with "x-", and of each plugin its options. Where a plugin
 * is not among `plugins`, its options are any object. 0 or -ENOMEM. */
int schema_write(const weir_plugin *const *plugins, size_t count, struct buf *out);

/* Calls `visit` for every key, parents first, in the order of the tables. `path` is as in
 * "sinks.NAME.match.events", "tests[].input.keys"; of a section that is a list, its entries' keys
 * follow. Ends early with what is not 0. */
typedef int (*key_visit)(void *ctx, const char *path, const struct key *key);
int keys_each(key_visit visit, void *ctx);

/* What may be written there, for people: "duration, up to 5m". Appends. */
void key_type_text(const struct key *key, struct buf *out);
const char *option_type_text(const weir_option *option);
#endif
