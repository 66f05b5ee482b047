/* The KCL source: the protocol of the Kinesis Client Library's MultiLangDaemon, one line of JSON
 * each way, one process per shard. Leases, balancing, lineage and checkpoints are KCL's; this end
 * only says how far the sinks are. A state machine: lines are fed in, lines are given out. */
#ifndef WEIR_SOURCE_KCL_H
#define WEIR_SOURCE_KCL_H
#include "record/match.h"
#include "router/router.h"

struct kcl;

enum { KCL_LINE_BYTES_MAX = 16 << 20 };

enum kcl_end {
    KCL_ENDED,   /* the shard is this process's no more, as the daemon wished or as was asked */
    KCL_BROKEN,  /* a line that can't be understood, or out of turn */
    KCL_FAILED,  /* the daemon is gone, or a checkpoint was refused for good */
    KCL_REFUSED, /* the loop guard refused the records */
};

struct kcl_config {
    struct world *world;
    struct router *router;
    const struct match_plan *plan;
    weir_str stream_arn; /* the protocol does not name the stream; empty = records have none */
    bool (*admit)(void *ctx, const struct batch *batch, struct err *err); /* as replay's, or NULL */
    void *admit_ctx;
    /* Sends a line, newline included, whole. 0, or -errno: the daemon is gone. */
    int (*write)(void *ctx, const char *line, size_t len);
    void *write_ctx;
    void (*began)(void *ctx, weir_str shard); /* `initialize` came; may be NULL */
    void *began_ctx;
    void (*log)(void *ctx, int level, const char *component, const char *code, const char *msg);
    void *log_ctx;
    /* Once, later, when none of its batches is under way any more. The reason was logged. */
    void (*finished)(void *arg, enum kcl_end end);
    void *arg;
};

/* 0 or -ENOMEM. */
int kcl_new(const struct kcl_config *config, struct kcl **out);
/* For the batches that are decoded from now on. */
void kcl_set_plan(struct kcl *kcl, const struct match_plan *plan);
void kcl_free(struct kcl *kcl); /* only after finished(), or before the first kcl_feed */
/* What the daemon wrote, in pieces of any size. */
void kcl_feed(struct kcl *kcl, const char *bytes, size_t len);
/* The daemon writes no more: unless it said goodbye before, everything is cancelled and nothing
 * checkpointed. `error`: why reading ended, 0 = the pipe was closed. */
void kcl_eof(struct kcl *kcl, int error);
/* What is under way is brought to its end and answered, then finished(KCL_ENDED). */
void kcl_stop(struct kcl *kcl);
/* Cancels it; the frontier is sent as a checkpoint, without waiting for what becomes of it. */
void kcl_hurry(struct kcl *kcl);
/* Records that came, for the summary. */
uint64_t kcl_record_count(const struct kcl *kcl);
const struct read_counts *kcl_read(const struct kcl *kcl);
#endif
