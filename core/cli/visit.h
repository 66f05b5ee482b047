/* What the verbs that look into the stored state share: `weir dead`, `weir shards`. They work while
 * a daemon runs, and without one. */
#ifndef WEIR_CLI_VISIT_H
#define WEIR_CLI_VISIT_H
#include "cli/cli.h"
#include "config/load.h"
#include "state/db.h"

struct visit {
    struct cli *cli;
    struct config *config;
    struct diags diags;
    struct state_db *db; /* NULL: there is no state file yet */
    struct buf out;
};

/* Reads the configuration (plugins are not loaded). 0, or an exit code after its problems were
 * shown. */
int visit_begin(struct visit *visit, struct cli *cli);
/* Opens the state file. 0, also where there is none yet; else an exit code after a message. */
int visit_open(struct visit *visit);
int visit_fail(const struct visit *visit, const struct err *err); /* EXIT_CANTCREATE */
bool visit_flush(struct visit *visit); /* writes `out` to standard output, and empties it */
/* Frees all, writes what is left; the exit code, or EXIT_NO when it could not be written. */
int visit_end(struct visit *visit, int exit_code);

/* ---- ids of letters, of `weir dead` ---- */

struct id_list {
    int64_t *ids; /* mem_free */
    size_t count, room;
};
/* The arguments as ids, or, with --all, those of the pipeline's letters (of --sink). 0, or an exit
 * code after a message; which of the two it is has been checked by visit_check_which. */
int visit_choose(struct visit *visit, struct id_list *list);
int visit_id(const struct cli *cli, const char *word, int64_t *id); /* 0 or EXIT_USAGE */
void visit_put_none(struct visit *visit); /* there are none, or none of --sink */
/* Either ids or --all: 0, or EXIT_USAGE after a message. */
int visit_check_which(const struct cli *cli, const char *verb);
#endif
