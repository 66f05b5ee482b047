/* The file source: records from a file or a pipe, in all shapes, once from the beginning to the
 * end. No position is stored. */
#ifndef WEIR_SOURCE_REPLAY_H
#define WEIR_SOURCE_REPLAY_H
#include "record/match.h"
#include "router/router.h"

struct replay;

enum { REPLAY_LINE_BYTES_MAX = 16 << 20 };

struct replay_config {
    struct world *world;
    struct router *router;
    const struct match_plan *plan;
    /* Reads up to len bytes; 0 = end, or -errno. Called on a pool thread, one call at a time. After
     * replay_stop its result does not matter, but it has to come. */
    long (*read)(void *ctx, char *into, size_t len);
    void *read_ctx;
    size_t in_flight_bytes, queued_records; /* reading pauses above these */
    /* Looks at each decoded batch before it is routed: false (with a reason) refuses it. May be
     * NULL. */
    bool (*admit)(void *ctx, const struct batch *batch, struct err *err);
    void *admit_ctx;
    void (*finished)(void *arg); /* once, when nothing is under way any more */
    void *arg;
};

struct replay_result {
    uint64_t bytes, records, batches;
    struct read_counts read;
    bool ended;       /* the whole input was read */
    bool complete;    /* and every record is finished for every required sink */
    char reason[400]; /* why not; empty = stopped on request */
};

/* 0 or -ENOMEM. Starts reading at once. */
int replay_new(const struct replay_config *config, struct replay **out);
/* For the batches that are decoded from now on. */
void replay_set_plan(struct replay *replay, const struct match_plan *plan);
void replay_free(struct replay *replay); /* only after finished() */
void replay_stop(struct replay *replay); /* reads no more; finished() follows when the batches under
                                            way are done */
const struct replay_result *replay_result(const struct replay *replay);
#endif
