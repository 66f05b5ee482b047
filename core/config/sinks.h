/* The enabled sinks of a configuration: plugins loaded, instances opened, routes compiled. */
#ifndef WEIR_CONFIG_SINKS_H
#define WEIR_CONFIG_SINKS_H
#include "config/load.h"
#include "plugin/instance.h"
#include "record/match.h"

struct built_sink {
    struct sink_config *config;
    struct plugin *plugin;
    weir_instance *instance;
    struct match_rule rules[2]; /* the plugin's subscription, the config's match */
    size_t rule_count;          /* 0: dead letters only */
    bool borrowed;              /* plugin and instance are another set's */
    bool gone;                  /* a reload removed it: config has its name, there is no instance */
};

struct sink_set {
    struct built_sink *sinks; /* in the order written; sink i is bit i of the plan */
    size_t count;
    struct match_plan *plan;
};

/* Opens every enabled sink and compiles the plan. Problems (plugin not found, options, an empty
 * match, the loop guard ...) go to diags at their place in the file. 0 and *out, -EINVAL, -ENOMEM.
 * The set borrows `config` and what `services` points at. [before run] */
int sink_set_open(struct config *config, const struct instance_services *services,
                  struct diags *diags, struct sink_set **out);
/* Only reports what opening would find; nothing stays open. */
void sink_set_probe(struct config *config, struct diags *diags);
void sink_set_close(struct sink_set *set); /* closes the instances; NULL is fine */

/* For a reload: as sink_set_open, in the places of `old`. Those of sinks that `config` has not got
 * are empty, and stay theirs, should they come back; new sinks are behind them, sink_set_places()
 * in all, which must not be more than MATCH_SINKS_MAX. Those that are to be the same borrow its
 * instances. [router] */
int sink_set_open_beside(struct config *config, const struct instance_services *services,
                         struct diags *diags, const struct sink_set *old, struct sink_set **out);
size_t sink_set_places(const struct sink_set *old, const struct config *config);
/* Of such a set: the sink is new, or comes back. */
bool sink_is_added(const struct sink_set *set, const struct sink_set *old, size_t index);
/* `set` borrows no more: what it has of `old` is its own, and closing `old` closes the others. */
void sink_set_take_over(struct sink_set *set, struct sink_set *old);
/* Whether the same records are for both, with the same images. */
bool sink_matches_same(const struct built_sink *a, const struct built_sink *b);
/* The enabled sink of that name; NULL when there is none. */
struct sink_config *sink_config_named(const struct config *config, const char *name);

/* The images (WEIR_OLD, WEIR_NEW) without which a record can't be judged, or is of no use to the
 * plugin (F17). */
uint32_t sink_images_needed(const struct built_sink *sink);
/* What a repeat does to this sink: one short sentence for people. */
const char *sink_guarantee(const struct built_sink *sink);
/* The loop guard on a record's table: true when the sink declared that it writes to `table` (a
 * name). */
bool sink_writes_table(const struct built_sink *sink, weir_str table);

/* The folders in which plugins are looked for, in order: the config's (NULL: none), in Lambda the
 * function's and the layer's, those beside the executable, the installed one. NULL-terminated,
 * owned by `arena`; NULL when out of memory. */
const char *const *plugin_folders(struct arena *arena, const struct config *config,
                                  char **environ_block, bool lambda);
/* A search in them, for verbs that only look; dirs NULL when out of memory. */
struct plugin_search plugin_search_of(struct arena *arena, const struct config *config,
                                      char **environ_block, bool lambda);
#endif
