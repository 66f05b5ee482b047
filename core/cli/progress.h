/* The stored progress of a pipeline as a tree: from the state file or the DynamoDB table, with or
 * without a running daemon. */
#ifndef WEIR_CLI_PROGRESS_H
#define WEIR_CLI_PROGRESS_H
#include "cli/visit.h"

struct progress_sink { /* of one shard */
    weir_str name;
    const struct state_row *position, *gap; /* NULL = no such row */
};

struct progress_shard {
    weir_str id, parent;
    unsigned depth; /* 0: its parent is not known */
    struct progress_sink *sinks;
    size_t sink_count;
    struct progress_shard *next; /* a parent comes before its children, and they directly behind */
    struct progress_shard *parent_shard, *child, *sibling; /* while the tree is built */
    bool placed;
};

struct progress_stream {
    weir_str arn;
    const struct state_row *row; /* NULL = none */
    struct progress_shard *first;
    size_t shard_count;
    struct progress_stream *next;
};

struct progress {
    struct arena arena;
    struct state_row *rows;
    size_t row_count;
    struct progress_stream *first;
    size_t gaps; /* open ones */
};

void progress_init(struct progress *progress);
void progress_done(struct progress *progress);
/* Reads what --stream and --sink leave of it. 0, or an exit code after a message. */
int progress_read(struct progress *progress, struct visit *visit);
/* Accepts the open gaps that --stream, --shard and --sink name. 0, or an exit code after a message.
 */
int progress_accept(struct progress *progress, struct visit *visit, int64_t now_us,
                    size_t *accepted);
const char *progress_state(const struct progress_sink *sink); /* "reading", "held", "done", "gap" */
/* A daemon runs, and there was nothing behind the sink's position when it looked last. */
bool progress_caught_up(const struct progress_stream *stream, const struct progress_sink *sink,
                        int64_t now_us);

/* ---- progress_tree.c ---- rows to tree: 0 or -ENOMEM */
int progress_build(struct progress *progress);
#endif
