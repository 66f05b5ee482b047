/* The polling source: tables or streams in, positions kept per sink. Everything an event source
 * mapping offers, on one loop. */
#ifndef WEIR_SOURCE_POLL_H
#define WEIR_SOURCE_POLL_H
#include "router/router.h"
#include "source/fetch.h"
#include "source/streams_api.h"

struct poll;

enum poll_position { POLL_TRIM_HORIZON, POLL_LATEST, POLL_AT_TIMESTAMP };

struct poll_config {     /* what it points at must outlive the poll */
    struct world *world; /* with a store that has acquire, load and save */
    struct router *router;
    struct aws_client *aws;
    struct fetcher fetcher;
    const char *const *tables, *const *streams; /* NULL-terminated or NULL */
    enum poll_position start;
    int64_t start_us; /* AT_TIMESTAMP */
    /* batch_size: records of one GetRecords (1000 at most), and what a batch gathers within the
     * window. parallelization_factor: batches of one shard under way at a time, beside one read
     * ahead, counted for the sink that is ahead; a sink's own concurrency bounds its deliveries. */
    int64_t batch_size, batching_window_ms, parallelization_factor, idle_poll_ms;
    bool on_gap_continue;
    /* state.every. While positions can't be stored, records are delivered for a minute more; then
     * reading waits, so that what a crash would repeat stays bounded. */
    int64_t store_every_ms;
    int64_t down_limit_ms; /* source unreachable so long with `once`: gives up; 0 = never */
    /* Reads what is there, then finishes: each shard to its end, or until ten pages in a row were
     * empty. Exit code 65 when a gap is held, 75 when another shard is. */
    bool once;
    /* By sink: how old a record may become for which the sink holds up the reading of the others;
     * then it is detached: the others go on, and it reads alone from its position until it has
     * caught up. 0 or NULL = never; nor the only one, nor with `once`. */
    const int64_t *max_hold_ms;
    bool (*admit)(void *ctx, const struct batch *batch, struct err *err);
    void *admit_ctx;
    /* Images (WEIR_OLD, WEIR_NEW) that some required sink reads: a stream whose view type lacks
     * them is refused by name (F17). */
    uint32_t images_needed;
    const char *images_sink; /* one of those sinks, for people; NULL = not known */
    /* Whether a sink of that name is configured, be it enabled or not; NULL = nobody knows. */
    bool (*configured)(void *ctx, weir_str sink);
    void *configured_ctx;
    uint64_t optional;     /* bit i: sink i never holds a position */
    uint64_t letters_only; /* bit i: sink i takes dead letters only and has no positions */
    void (*log)(void *ctx, int level, const char *component, const char *code, const char *msg);
    void *log_ctx;
    /* Nothing is under way any more; positions are stored. `exit_code` as UX.md 3.3; the reason was
     * logged. */
    void (*finished)(void *arg, int exit_code);
    void *arg;
};

int poll_new(const struct poll_config *config, struct poll **out, struct err *err);
void poll_start(struct poll *poll); /* acquires the state, loads it, then reads */
/* Fetches no more, waits for what is under way, stores positions; finished() follows. */
void poll_stop(struct poll *poll);
/* As poll_stop, but waits for no sink: the router was stopped. Positions as they are are stored. */
void poll_hurry(struct poll *poll);
/* They were removed from the router (router_remove): nothing is read for them, and their positions,
 * which are stored once more, hold nothing. poll_set_optional() comes next. [router] */
void poll_remove_sinks(struct poll *poll, uint64_t sinks);
/* Whether a stream's view type lacks one of these images (WEIR_OLD, WEIR_NEW), which `sink` needs;
 * then *why says so. */
bool poll_lacks_images(const struct poll *poll, uint32_t images, const char *sink, char *why,
                       size_t bytes);
/* Before sinks are added, at most `places` in all with those that there are: once what the removed
 * ones finished is stored, all that is stored is read, and kept for poll_add_sinks(). `ready` is
 * called once, later: with 0, -ECANCELED when the poll is stopping, -ENOMEM, or why the state can't
 * be had. 0, -EBUSY (one is under way). [router] */
int poll_look_up(struct poll *poll, size_t places, void (*ready)(void *arg, int status), void *arg);
/* They were added to the router (router_add), behind poll_look_up(). They begin where a start would
 * let them begin: behind what is stored of them, else as configured (LATEST: now). They hold up
 * nobody: each reads what it lacks alone, and with the others from there on. Those that have
 * progress already are no matter. poll_set_optional() comes next. [router] */
void poll_add_sinks(struct poll *poll, uint64_t sinks);
/* The sinks that never hold a position are these now; the images that the others read. [router] */
void poll_set_optional(struct poll *poll, uint64_t optional, uint32_t images_needed,
                       const char *images_sink);
void poll_free(struct poll *poll); /* after finished() */

/* For `weir shards`, metrics and health: valid until the next callback. */
struct poll_counts {
    uint64_t fetches, records, bytes, throttled, errors, gaps, expired, describe_calls;
    size_t shards_reading, shards_waiting, shards_held;
    size_t sinks_detached; /* read alone, or can't yet: see poll_sink() */
    int64_t stored_ms;     /* the last successful save, on the clock */
    bool stored;           /* it has ended, and the positions of all that is finished are stored */
};
struct poll_counts poll_counts(const struct poll *poll);
/* Of one sink, looked at once a minute at least. */
struct poll_sink {
    bool detached;        /* the others have gone on without it; it reads alone, or can't yet */
    bool coming;          /* that is since it is new here: it was added and catches up */
    size_t shards_behind; /* on so many shards */
    int64_t oldest_ms;    /* age of the oldest record that waits for it; 0 = none is known */
    bool may_lose;        /* at 80% of the retention: what it waits for will be trimmed */
};
struct poll_sink poll_sink(const struct poll *poll, size_t sink);

/* ---- what it shows of itself: metrics, status, readiness ---- */

enum poll_op { POLL_GET_RECORDS, POLL_GET_ITERATOR, POLL_DESCRIBE, POLL_OPS };
const char *poll_op_name(enum poll_op op);

struct poll_stream { /* valid during the call */
    weir_str arn, table;
    const char *state; /* "finding shards", "running", "missing", "refused", "ended" */
    const struct read_counts *read;
    uint64_t gaps;
    uint64_t faults[POLL_OPS][STREAMS_FAULTS];
    size_t waiting, reading, held, ended; /* shards */
    enum streams_fault trouble;           /* why it can't be described; STREAMS_OK = it can */
    int64_t trouble_ms;                   /* for so long */
};
void poll_each_stream(const struct poll *poll,
                      void (*each)(void *ctx, const struct poll_stream *stream), void *ctx);

struct poll_shard { /* one that is read, or waits to be; valid during the call */
    weir_str stream, table, id, parent;
    const char *state; /* "waiting", "reading", "held", "ended" (read, not finished) */
    const char *why;   /* held: by what; else NULL */
    /* How far the required sinks are behind what was written: about 0 for what has caught up. -1 =
     * not known yet. */
    int64_t lag_ms;
    int64_t quiet_ms;   /* since a page of it came last; -1 = not being read */
    weir_str position;  /* of the sink that is furthest behind; empty = none */
    const char *behind; /* that sink; NULL = there is none */
};
void poll_each_shard(const struct poll *poll,
                     void (*each)(void *ctx, const struct poll_shard *shard), void *ctx);

struct poll_health {   /* times: for how long; 0 = it is not so */
    const char *phase; /* "waiting for the state", "loading the state", "reading", "stopping" */
    bool reading;
    bool swept;          /* the shards of every stream are known */
    int64_t unstored_ms; /* the oldest progress that may not be stored */
    int64_t failing_ms;  /* positions can't be stored */
    int64_t trouble_ms;  /* the source does not answer, or refuses */
    int64_t dead_ms;     /* the poller itself has done nothing */
    int64_t full_ms;     /* reading waits for a sink */
    const char *full_of; /* that sink; NULL = the budget of all is used up */
    int64_t stalled_ms;  /* no page came of a shard that should be read: the longest */
    weir_str stalled;    /* that shard; valid until the next callback */
};
struct poll_health poll_health(const struct poll *poll);
#endif
