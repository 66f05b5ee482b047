/* What the two files of a reload share. */
#ifndef WEIR_CLI_RELOAD_PARTS_H
#define WEIR_CLI_RELOAD_PARTS_H
#include "cli/reload.h"
#include "cli/run.h"

enum { RELOAD_ASKERS_MAX = 16 };

struct reload_asker {
    reload_done_cb done; /* NULL: it is gone */
    void *arg;
};

/* What was replaced lives a while longer: a store may be writing a row with the old name of a sink,
 * a thread decoding with the old plan, a plugin's work running. */
struct reload_retired {
    struct reload_retired *next;
    struct config *config;
    struct sink_set *sinks; /* those that were exchanged, and the old plan; NULL: closed */
    int64_t since_ms;
};

struct reload {
    struct run *run;
    struct post begin;
    bool wanted; /* by somebody since the last one read the file */
    bool posted, busy;
    struct reload_asker askers[RELOAD_ASKERS_MAX];
    size_t asker_count, serving; /* serving: those that the one under way answers */
    /* the one under way */
    struct config *config;
    struct diags diags;
    struct sink_set *set;
    struct buf others; /* names of what changes beside the sinks */
    /* the last one */
    struct buf text;
    char line[700]; /* for the log where the text has several; "": the text */
    struct reload_outcome outcome;
    struct reload_counts counts;
    struct reload_retired *retired, *spare;
    struct config *first; /* what the process was started with */
    struct timer tick;
};

#define RELOAD_STOPPING "weir is stopping; the running configuration was kept"

void reload_look(struct reload *reload);   /* begins the next one when it may */
int reload_prepare(struct reload *reload); /* so that retiring can't fail; -1: out of memory */
/* Takes both; after reload_prepare(). */
void reload_retire(struct reload *reload, struct config *config, struct sink_set *sinks);
#endif
