/* A router with scripted sinks in a virtual world. */
#ifndef WEIR_TESTS_ROUTER_RIG_H
#define WEIR_TESTS_ROUTER_RIG_H
#include "record/match.h"
#include "router/router.h"
#include "unit.h"
#include "util/alloc.h"
#include "util/text.h"
#include "vsink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RIG_ARN                                                                                    \
    "arn:aws:dynamodb:eu-west-1:123456789012:table/Products/stream/2026-01-15T10:00:00.000"

enum { RIG_SINKS = 8, RIG_ANSWERS = 64 };

struct rig_answer { /* what `done` was told; copies */
    bool came, complete, sink_down, unreadable;
    size_t unfinished;
    char lowest[160], sink[32], reason[256];
    int64_t at_ms;
};

/* A batch as the polling source submits it, and what was told of it. */
struct rig_flow {
    struct rig *rig;
    struct flow *flow; /* NULL once it is gone */
    struct rig_answer answer;
    uint64_t sinks_done, late_sinks_done; /* late: after done() */
    unsigned tellings;                    /* calls of sink_done */
    bool ended;
    void (*on_sink_done)(struct rig_flow *flow, size_t sink); /* the test's, optional */
};

struct rig {
    struct vworld world;
    struct delivery_board board;
    struct router *router;
    struct match_plan *plan;
    struct match_rule rules[RIG_SINKS];
    bool letters_only[RIG_SINKS]; /* nothing matches: a dead-letter sink */
    struct vsink sinks[RIG_SINKS];
    struct route routes[RIG_SINKS];
    size_t count;
    struct router_config config;
    struct rig_answer answers[RIG_ANSWERS];
    size_t answer_count;
    unsigned errors; /* lines logged as errors */
    char last_error[600];
};

/* `count` async sinks "a", "b", ... with required, order item, block, 3 attempts, base 100 ms, cap
 * 1 s, timeout 5 s, concurrency 4, batches of 10. Change routes, sinks and rules, then rig_start.
 */
void rig_init(struct rig *rig, size_t count, bool invocations);
void rig_sync(struct rig *rig, size_t sink);                  /* a plugin with record() */
void rig_flags(struct rig *rig, size_t sink, uint32_t flags); /* WEIR_P_* */
void rig_start(struct rig *rig);
void rig_done(struct rig *rig); /* frees; checks the counts and that nothing is left */
/* Records: "1:a 2:b 3:a" = sequence and item key; "!4" is poison with a position, "!" without. */
struct batch *rig_batch(struct rig *rig, const char *records);
/* Decodes and submits; the number of its answer. */
size_t rig_submit(struct rig *rig, const char *records, int64_t deadline_in_ms);
int rig_try(struct rig *rig, struct batch *batch, int64_t deadline_in_ms, size_t *number);
/* Submits and runs until the answer; fails the test when none comes in an hour. */
const struct rig_answer *rig_run(struct rig *rig, const char *records, int64_t deadline_in_ms);
const struct rig_answer *rig_wait(struct rig *rig, size_t answer);
/* As the polling source does: records for `sinks`. `options` may be NULL; its callbacks are set
 * here, `ended` only where `background`. */
void rig_flow(struct rig *rig, struct rig_flow *flow, const char *records, uint64_t sinks,
              const struct flow_options *options, bool background);
/* Its frontier, "-" when there is none, with "$" behind it when whole. Static memory. */
const char *rig_frontier(const struct rig_flow *flow, size_t sink);
struct sink_counts rig_counts(struct rig *rig, size_t sink);
/* The body of a batch, NUL-terminated, from mem_alloc. */
char *rig_body(const char *records);
#endif
