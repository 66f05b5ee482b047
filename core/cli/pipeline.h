/* The running program: loop, sinks, router and what they log, built from a configuration. */
#ifndef WEIR_CLI_PIPELINE_H
#define WEIR_CLI_PIPELINE_H
#include "aws/aws.h"
#include "config/sinks.h"
#include "loop/loop.h"
#include "observe/log.h"
#include "router/router.h"

struct dynamo_store;
struct kv;
struct memory_store;
struct sqlite_store;

struct pipeline {
    struct config *config;
    struct log *log;
    struct loop *loop;
    struct world world;
    struct delivery_board board;
    struct aws_client *aws;
    struct aws_config aws_config; /* what it was made of */
    struct sink_set *sinks;
    struct router *router;
    struct sqlite_store *state;  /* also of dead letters only; NULL = nothing is stored here */
    struct dynamo_store *dynamo; /* instead of it for positions, like memory; or NULL */
    struct memory_store *memory;
    struct kv *kv; /* what sinks keep; NULL: nothing */
    char who[128]; /* this process, for people */
    bool lambda, board_ready;
    bool by_hand; /* set before pipeline_open: `weir dead retry`. Nothing is stored, no record is
                     too old, and a batch that can't be delivered now comes back */
    bool state_failed; /* pipeline_open failed for the state: it can't be had, or not be trusted */
    weir_instance *recorders; /* --dry-run: one stand-in per sink */
    struct plugin stand_in;   /* what they are instances of */
    weir_str admitted_table;  /* the table of the last record that the loop guard let pass */
    char admitted[256];
};

/* Loop and world only: enough for a source that reports why nothing else could be built. 0 or
 * -errno. */
int pipeline_begin(struct pipeline *pipeline, bool lambda, struct err *err);
/* The rest. Takes nothing: `config` and `log` stay the caller's. dry_run: records go to stand-ins
 * that say ok. 0, or -errno with problems in diags or, where they have no place in the file, in
 * err. */
int pipeline_open(struct pipeline *pipeline, struct config *config, struct log *log, bool dry_run,
                  char **environ_block, struct diags *diags, struct err *err);
/* Instead of it: the AWS client only. 0 or -errno. */
int pipeline_open_aws(struct pipeline *pipeline, struct config *config, struct log *log,
                      char **environ_block, struct err *err);
/* For a reload: the sinks of `config` in the places of those that run, with which they share the
 * instances that stay. 0, or -errno with problems in diags. */
int pipeline_open_beside(struct pipeline *pipeline, struct config *config, struct diags *diags,
                         struct sink_set **out);
/* Inside ready() of an exchange of all sinks of `set` that are not borrowed: they take over. Takes
 * `set`; the old one is the caller's to close. -EINVAL: a bug; a route was out of range. */
int pipeline_change(struct pipeline *pipeline, struct config *config, struct sink_set *set);
/* The loop guard, for sources: false when a sink writes to the table that the records come from. */
bool pipeline_admit(void *pipeline, const struct batch *batch, struct err *err);
/* After the last batch: waits up to 5 s for work that plugins have on pool threads. false: a plugin
 * hangs there, and nothing may be freed under it: the process should end by _exit. */
bool pipeline_settle(struct pipeline *pipeline);
/* Closes sinks, then everything else; 0, or -EBUSY when a handle of the loop was left open (a bug).
 */
int pipeline_close(struct pipeline *pipeline);
#endif
