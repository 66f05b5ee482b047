/* One DescribeStream at a time: made within a budget of calls, its answer read and checked, what
 * fails told apart and paused for, with one line in the log per change. What the answers mean is
 * discovery's. */
#ifndef WEIR_SOURCE_DESCRIBE_H
#define WEIR_SOURCE_DESCRIBE_H
#include "source/streams_api.h"

struct describe_config { /* what it points at outlives it */
    const struct world *world;
    struct aws_client *aws;
    weir_str arn;
    /* The answer; `page` (STREAMS_OK) and `reason` (else) are valid meanwhile. Later, never from
     * inside. */
    void (*done)(void *arg, enum streams_fault fault, const struct stream_page *page,
                 weir_str reason);
    void *arg;
    void (*log)(void *ctx, int level, const char *component, const char *code, const char *msg);
    void *log_ctx;
};

struct describe {
    struct describe_config config;
    struct aws_call call;
    bool open;
    struct buf body;
    struct arena arena;              /* of the answer being read */
    uint64_t calls;                  /* so far */
    int64_t budget_ms;               /* when the budget is whole again */
    uint64_t faults[STREAMS_FAULTS]; /* calls that failed, so far */
    unsigned failures;               /* in a row */
    int64_t hold_until_ms;
    enum streams_fault trouble; /* STREAMS_OK = none */
    int64_t trouble_since_ms;
    enum streams_fault logged; /* the one that was told of */
};

void describe_init(struct describe *describe, const struct describe_config *config);
void describe_done(struct describe *describe); /* no call may be open */
/* When the next call may be made: the budget has room, and the pause after a failure is over. */
int64_t describe_free_at(const struct describe *describe);
/* A page behind `after`, or the children of `children_of`; empty = without. 0 or -errno; then it
 * was paused for like an answer that failed. */
int describe_send(struct describe *describe, weir_str after, weir_str children_of);
void describe_abort(struct describe *describe); /* done() follows with STREAMS_ABORTED */
/* The answer was a fault that a later call may not meet: pauses, and tells once. */
void describe_failed(struct describe *describe, enum streams_fault fault, weir_str reason);
void describe_in_trouble(struct describe *describe, enum streams_fault fault);

/* A line that names the stream. */
void describe_log(const struct describe *describe, int level, const char *code, const char *what,
                  weir_str detail);
int64_t describe_now(const struct describe *describe);
int64_t describe_random(const struct describe *describe, int64_t most); /* 0 to most */
/* Full jitter under a ceiling that doubles with each failure, 1 s to 30 s. */
int64_t describe_backoff(const struct describe *describe, unsigned failures);
#endif
