/* A configuration with its sinks, for verbs that look at it and run nothing. */
#ifndef WEIR_CLI_OPENED_H
#define WEIR_CLI_OPENED_H
#include "cli/cli.h"
#include "config/sinks.h"

struct opened {
    struct cli *cli;
    struct config *config;
    struct diags diags;
    struct sink_set *set;        /* NULL unless asked for */
    struct arena arena;          /* of `plugins` */
    struct plugin_search search; /* the folders in which its plugins are */
    struct buf out;              /* of the verb; opened_end writes it */
};

/* Reads the configuration that the flags name; with `sinks` its sinks are open as in `weir check`.
 * 0, or an exit code after the problems were printed. opened_end in any case. */
int opened_begin(struct opened *opened, struct cli *cli, bool sinks);
/* The same with its sinks; where no configuration is found, 0 with `config` and `set` NULL. */
int opened_begin_if_any(struct opened *opened, struct cli *cli);
/* Writes what is in `out`, frees all: the exit code, or EXIT_NO when it could not be written. */
int opened_end(struct opened *opened, int exit_code);

/* Every plugin in the folders that can be loaded, in order of name, and the one of --plugin. */
struct plugin_list {
    struct plugin **plugins; /* mem_free, each by plugin_free: plugin_list_done */
    size_t count, room;
};
int plugin_list_fill(struct plugin_list *list, const struct plugin_search *search,
                     const char *also); /* 0 or -ENOMEM */
void plugin_list_done(struct plugin_list *list);
#endif
