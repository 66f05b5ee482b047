/* What the running program shows of itself: metrics, status and readiness look at the same things.
 * Nothing here changes anything; all of it is called on the router thread. */
#ifndef WEIR_OBSERVE_OBSERVED_H
#define WEIR_OBSERVE_OBSERVED_H
#include "router/router.h"
#include "source/poll.h"

struct observed_reload {
    uint64_t succeeded, refused;
    int64_t last_success_us; /* unix time; at first that of the start */
    int64_t last_us;         /* of the last one at all; 0 = there was none */
    const char *last_result; /* "done", "refused" ...; NULL = there was none */
    const char *last_text;   /* for people; NULL = none */
};

/* What became of the exports to an OpenTelemetry collector. */
enum otlp_signal { OTLP_METRICS, OTLP_TRACES, OTLP_SIGNALS };
struct otlp_counts {
    uint64_t done[OTLP_SIGNALS], failed[OTLP_SIGNALS];
    uint64_t spans_dropped;
};

struct observed { /* what it points at outlives it */
    const char *pipeline;
    const char *mode; /* "poll", "file" */
    const struct world *world;
    const struct router *router;
    const struct poll *poll;        /* NULL: another source */
    const struct read_counts *read; /* of another source; may be NULL */
    int64_t started_us;             /* unix time */
    bool stopping;
    int64_t loop_lag_ms; /* worst of the last seconds: what was due, and was late by so much; -1:
                            nobody measures it */
    struct observed_reload reload;
    uint64_t tap_dropped;           /* lines that slow readers of the tap did not get */
    uint64_t log_dropped;           /* log lines that could not be written */
    const struct otlp_counts *otlp; /* NULL: nothing is exported */
    /* Calls of a sink of which nobody knows whether they were carried out. */
    uint64_t (*ambiguous)(void *ctx, size_t sink);
    void *ctx;
};

int64_t observed_wall_us(const struct observed *observed);

/* How far the source is behind: the worst shard that is read; -1 = not known. */
int64_t observed_lag_ms(const struct observed *observed);

/* ---- readiness ---- */

struct unready {      /* valid during the call */
    const char *what; /* "source", "shard", "sink", "state", "loop", "run" */
    weir_str name;    /* of the sink or shard; may be empty */
    const char *why;
};
/* Tells every reason for which the pipeline makes no progress, or would lose some; returns how many
 * there are. 0 = ready. */
size_t observed_unready(const struct observed *observed,
                        void (*each)(void *ctx, const struct unready *unready), void *ctx);
/* {"ready":false,"reasons":[{"what":"sink","name":"price","why":"..."}]}; returns whether it is. */
bool ready_put_json(const struct observed *observed, struct buf *out);

/* ---- status ---- */

enum { STATUS_SHARDS_MAX = 5000 };
/* One JSON object: source, shards (at most so many; "shards_omitted" tells of more), sinks, last
 * reload. Field names are stable: docs/operating.md. */
void status_put_json(const struct observed *observed, struct buf *out);
#endif
