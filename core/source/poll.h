/* The polling source: tables or streams in, positions kept per sink. Everything an event source
 * mapping offers, on one loop. */
#ifndef WEIR_SOURCE_POLL_H
#define WEIR_SOURCE_POLL_H
#include "router/router.h"
#include "source/fetch.h"

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
    size_t shards_behind; /* on so many shards */
    int64_t oldest_ms;    /* age of the oldest record that waits for it; 0 = none is known */
    bool may_lose;        /* at 80% of the retention: what it waits for will be trimmed */
};
struct poll_sink poll_sink(const struct poll *poll, size_t sink);
#endif
