/* Metrics and traces on their way to an OpenTelemetry collector, by the transport. Nothing waits
 * for it: what the collector does not take in time is dropped and counted. All [router]. */
#ifndef WEIR_OBSERVE_OTLP_SEND_H
#define WEIR_OBSERVE_OTLP_SEND_H
#include "observe/otlp.h"

enum {
    OTLP_HEADERS_MAX = 16,
    OTLP_SPANS_MAX = 2048, /* that wait to be sent */
    OTLP_SPANS_AT_ONCE = 512
};

struct otlp_config { /* what it points at outlives it, `headers` but for what they point at */
    const struct world *world;
    struct router *router;
    const char *endpoint; /* "http://127.0.0.1:4318"; the signals' paths are put behind */
    const struct http_header *headers;
    size_t header_count;  /* at most OTLP_HEADERS_MAX */
    weir_str resource;    /* see otlp_put_metrics; copied */
    int64_t interval_ms;  /* between two exports of the metrics */
    int64_t timeout_ms;   /* of a call */
    int64_t trace_one_in; /* batches; 0 = no traces */
    void (*observe)(void *ctx, struct observed *out);
    void *ctx;
    void (*log)(void *ctx, int level, const char *component, const char *code, const char *msg);
    void *log_ctx;
};
struct otlp;

/* Begins at once. 0, -ENOMEM. */
int otlp_new(const struct otlp_config *config, struct otlp **out);
const struct otlp_counts *otlp_counts(const struct otlp *otlp);
/* Sends the last figures and spans, each once; what is not through after within_ms is dropped.
 * `done` is called once, later. Before what observe() looks at is freed. */
void otlp_finish(struct otlp *otlp, int64_t within_ms, void (*done)(void *arg), void *arg);
/* Behind done() of otlp_finish; or where its calls were aborted by the end of the loop. */
void otlp_free(struct otlp *otlp);

/* How long to wait after `attempts` >= 1 that failed: at least what the server asked for by
 * Retry-After (seconds or a date; empty = it did not), at most 5 minutes. */
int64_t otlp_pause_ms(const struct random *random, unsigned attempts, weir_str retry_after,
                      int64_t wall_us);
#endif
