/* The Lambda source: weir as a custom runtime. One invocation is one batch: next, work, response.
 */
#ifndef WEIR_SOURCE_LAMBDA_H
#define WEIR_SOURCE_LAMBDA_H
#include "record/match.h"
#include "router/router.h"

struct lambda;

struct lambda_invocation { /* what the Runtime API said of the invocation; valid during the call */
    weir_str request_id, function_arn, trace_id;
};

struct lambda_outcome {         /* what an invocation came to */
    size_t records;             /* in the event */
    size_t batch_item_failures; /* identifiers in the answer */
    int64_t latency_ms;         /* from the event until now */
    int64_t oldest_us; /* creation time of the oldest record that a sink wanted; 0 = none */
    bool error, cold_start;
};

struct lambda_config {
    struct world *world;
    const char *api;       /* AWS_LAMBDA_RUNTIME_API: host:port */
    struct router *router; /* with config.invocations; NULL: only lambda_init_error may be used */
    const struct match_plan *plan;
    bool report_batch_item_failures;
    int64_t deadline_margin_ms;
    bool (*admit)(void *ctx, const struct batch *batch,
                  struct err *err); /* as replay's; may be NULL */
    void *admit_ctx;
    void (*began)(
        void *ctx,
        const struct lambda_invocation *invocation); /* log context, trace id; may be NULL */
    void *began_ctx;
    /* Right before the answer is posted: later the environment may be frozen. May be NULL. */
    void (*ending)(void *ctx, const struct lambda_outcome *outcome);
    void *ending_ctx;
    void (*log)(void *ctx, int level, const char *component, const char *code, const char *msg);
    void *log_ctx;
    /* Nothing more can be done; the process exits with this code. The reason was logged. */
    void (*finished)(void *arg, int exit_code);
    void *arg;
};

int lambda_new(const struct lambda_config *config, struct lambda **out, struct err *err);
void lambda_free(struct lambda *lambda);  /* no call may be open: after finished() */
void lambda_start(struct lambda *lambda); /* asks for the first invocation */
/* Reports that the function can't start: `type` like "Weir.ConfigInvalid". finished(arg, 1)
 * follows. */
void lambda_init_error(struct lambda *lambda, const char *type, weir_str message);
uint64_t lambda_invocation_count(const struct lambda *lambda);
#endif
