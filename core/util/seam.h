/* The seams: the only ways in which the pipeline touches the world. The program implements them on
 * libuv, libcurl and SQLite (core/loop, core/state), the simulator on a virtual world. All
 * functions are called on the router thread, unless said. */
#ifndef WEIR_UTIL_SEAM_H
#define WEIR_UTIL_SEAM_H
#include "util/arena.h"
#include "util/buf.h"

/* ---- clock: time, timers, post ---- */

struct timer { /* owned by the caller; zeroed = not armed; must stay in place while armed */
    void (*fire)(struct timer *timer);
    int64_t at_ms;
    size_t heap_slot; /* the clock's: position + 1 in its heap; 0 = not armed */
    uint64_t order;   /* the clock's: timers due at the same ms fire in the order armed */
};

struct post { /* owned by the caller; must stay in place until run() begins */
    struct post *next;
    void (*run)(struct post *post);
};

struct clock {
    void *ctx;
    int64_t (*now_ms)(void *ctx);  /* monotonic; constant within one callback is fine */
    int64_t (*wall_us)(void *ctx); /* unix time */
    /* (Re)arms `timer` to call timer->fire once, at or after now + delay_ms, never from inside arm.
     * Returns 0 or -ENOMEM. */
    int (*arm)(void *ctx, struct timer *timer, int64_t delay_ms);
    void (*disarm)(void *ctx, struct timer *timer); /* not armed: nothing happens */
    /* Runs post->run on the router thread, soon, never from inside. [any thread] */
    void (*post)(void *ctx, struct post *post);
};

/* ---- random ---- */

struct random {
    void *ctx;
    uint64_t (*next)(void *ctx);
};

/* ---- transport: one HTTP exchange ---- */

enum http_result {
    HTTP_DONE,        /* a whole answer with a status came */
    HTTP_UNREACHABLE, /* no connection: name, connect, TLS; the request was not sent */
    HTTP_AMBIGUOUS,   /* sent at least in part, no whole answer: it may have been carried out */
    HTTP_TIMEOUT,     /* like AMBIGUOUS, a time limit was passed */
    HTTP_TOO_LARGE,   /* the answer passed max_answer_bytes */
    HTTP_ABORTED,     /* by transport->abort */
    HTTP_INVALID      /* the request can't be made: bad URL, unsupported scheme, no CA bundle */
};

struct http_header {
    weir_str name, value;
};

struct http_call { /* owned by the caller from start() until done() returns */
    /* request; what the views point at must live as long */
    const char *method; /* "GET", "POST", "PUT" */
    const char *url;    /* NUL-terminated, absolute */
    const struct http_header *headers;
    size_t header_count;
    weir_str body;
    int64_t connect_timeout_ms; /* 0 = 3 s */
    int64_t timeout_ms;         /* whole exchange; 0 = none: only for the Runtime API's next */
    size_t max_answer_bytes;    /* 0 = 1 MiB */
    bool fresh_connection;
    bool until_closed; /* an answer without a length is whole where the server closes (RFC 9112,
                          6.3); else it may have been cut and counts as lost */
    void (*done)(
        struct http_call *call); /* exactly once, later, never from inside start or abort */
    void *arg;                   /* the caller's */
    /* answer, valid in done() */
    enum http_result result;
    int status;
    struct buf answer;         /* the body; the caller inits and frees it; the transport appends.
                                  64 zero bytes of padding follow len */
    struct buf answer_headers; /* raw header lines of the final answer, "Name: value\r\n"...; caller
                                  inits, frees */
    char reason[160];          /* for people, when result != HTTP_DONE */
    void *impl;                /* the transport's */
};

struct transport {
    void *ctx;
    int (*start)(void *ctx, struct http_call *call);  /* 0 or -errno (then no done()) */
    void (*abort)(void *ctx, struct http_call *call); /* done() follows with HTTP_ABORTED */
    void (*forget_connections)(
        void *ctx); /* pooled connections are stale (after a thaw): use none again */
};

/* Value of a header of the answer, case-insensitive, without surrounding blanks; len 0 when absent.
 */
weir_str http_answer_header(const struct http_call *call, const char *name);

/* ---- work: blocking functions on pool threads ---- */

struct work {
    struct work *next;               /* the implementation's */
    void (*run)(struct work *work);  /* on a pool thread */
    void (*done)(struct work *work); /* on the router thread */
    void *impl;
};

struct worker {
    void *ctx;
    int (*submit)(void *ctx,
                  struct work *work); /* 0 or -errno; order between works is not promised */
};

/* ---- store: what must outlive the process ---- */

struct dead_letter {
    weir_str pipeline, sink, stream_arn, shard, sequence, event_id;
    weir_str record; /* EVENT_JSON; raw bytes for a poison record */
    weir_str reason, code;
    int64_t attempts;
    int64_t first_us, last_us; /* unix time of the first and the last attempt */
};

struct store_put { /* owned by the caller until done() */
    struct dead_letter letter;
    void (*done)(struct store_put *put,
                 int status); /* 0 = durable, or -errno; later, never from inside */
    void *arg, *impl;
};

/* ---- what sinks keep (weir.kv/1) ---- */

struct store_value {
    weir_str sink, plugin, key; /* of the pipeline, which the store adds */
    weir_str bytes;
};

struct store_keep { /* owned by the caller until done(), with what it points at */
    struct store_value value;
    bool erase; /* the key; whether or not it is there */
    /* 0 = durable; -errno = it is not known: the old one or the new one is there, whole. Later,
     * never from inside; in the order handed over. */
    void (*done)(struct store_keep *keep, int status);
    void *arg, *impl;
};

/* ---- stored progress: DESIGN.md section 6, D8 to D10 ---- */

enum state_kind {
    STATE_STREAM,   /* key: stream. When and how reading it began */
    STATE_POSITION, /* key: sink, stream, shard. How far a sink is */
    STATE_GAP       /* key: sink, stream, shard. A trimmed range that nobody has accepted yet */
};

/* One row. The pipeline's name is part of every key; the store adds it. Views of fields that the
 * kind does not have are empty. */
struct state_row {
    enum state_kind kind;
    weir_str sink, stream, shard;
    weir_str parent;   /* POSITION: the shard's parent; empty = none known */
    weir_str table;    /* STREAM: the table that it was found by; empty = named by ARN */
    weir_str start;    /* STREAM, POSITION: "TRIM_HORIZON", "AT_TIMESTAMP" (with start_us), "LATEST"
                          only in STREAM rows: there start_us is the resolved start */
    int64_t start_us;  /* GAP: when it was found, which tells it from an earlier one */
    weir_str position; /* POSITION: frontier, empty = none. GAP: last position before it */
    weir_str first_available; /* GAP: first sequence number read after it; empty = not known yet */
    bool
        read_to_end; /* POSITION: its last page was read. STREAM: drained, nothing comes any more */
    bool done;       /* POSITION: every record is finished for the sink. GAP: accepted */
    /* POSITION: about when the record at it was made; 0 = not known. Later where nothing that was
     * made earlier is still to be read; equal to updated_us where that was seen then. */
    int64_t record_us;
    int64_t updated_us; /* of a STREAM: it was followed then. Renewed every minute */
    bool erase;         /* save: remove the row */
};

/* Its texts become copies. 0 or -ENOMEM. */
int state_row_keep(struct arena *arena, struct state_row *row);
/* Copies of them all, never NULL. 0 or -ENOMEM. */
int state_rows_keep(struct arena *arena, const struct state_row *rows, size_t count,
                    struct state_row **out);

/* A daemon renews a STREAM row each minute, and a POSITION row when it moves, falls this far
 * behind, or has caught up: between, what the row said holds. */
#define STATE_BEHIND_US   (30 * INT64_C(1000000))
#define STATE_FOLLOWED_US (180 * INT64_C(1000000)) /* a STREAM row older than this: none runs */

struct store_load { /* owned by the caller until done() returns */
    void (*done)(struct store_load *load, int status); /* 0 or -errno; later, never from inside */
    struct state_row *rows; /* all rows of the pipeline; valid inside done() */
    size_t count;
    char reason[200]; /* for people, when status < 0 */
    void *arg, *impl;
};

struct store_save { /* owned by the caller until done() */
    /* Each key at most once; they and what they point at live until done(). An open GAP leaves a
     * stored one with the same start_us that is accepted as it is: that was done beside the owner.
     */
    const struct state_row *rows;
    size_t count;
    /* 0 = all durable; -errno = it is not known which are; -EOWNERDEAD = another process owns the
     * pipeline now: nothing was written, nothing may be. */
    void (*done)(struct store_save *save, int status);
    char reason[200];
    void *arg, *impl;
};

struct store_owner { /* owned by the caller; must stay in place until store->release() is done */
    /* true: this process owns the pipeline's state from now on (called once, later; a second
     * process waits here). false: it does no more, and will not again; stop dispatching at once. */
    void (*changed)(struct store_owner *owner, bool owned, const char *reason);
    void *arg;
};

struct store {
    void *ctx;
    int (*acquire)(void *ctx, struct store_owner *owner); /* 0 or -errno */
    /* Whether it surely is ours at this very moment, also after the process was stopped for a
     * while: asked before each dispatch. */
    bool (*owned)(void *ctx);
    void (*release)(void *ctx, void (*done)(void *arg), void *arg); /* done() later; once */
    int (*load)(void *ctx, struct store_load *load);
    int (*save)(void *ctx, struct store_save *save); /* one at a time */
    int (*dead_put)(void *ctx,
                    struct store_put *put); /* 0 or -errno (then no done()); copies nothing:
                                               what letter points at lives until done() */
    /* NULL where nothing is kept. 0 or -errno (then no done()); -EPERM = not the owner's. */
    int (*keep)(void *ctx, struct store_keep *keep);
    /* Calls each() with what was kept when the pipeline became this process's, until it returns
     * non-zero, which is returned. The texts are valid within the call. -EPERM as above. */
    int (*kept)(void *ctx, weir_str sink, weir_str plugin,
                int (*each)(void *arg, weir_str key, weir_str value), void *arg);
};

/* All of them together, as the pipeline is given them at start. The store's functions are NULL
 * where there is no state (Lambda, KCL), all but dead_put with the file source. */
struct world {
    struct clock clock;
    struct random random;
    struct transport transport;
    struct worker worker;
    struct store store;
    /* As clock.now_ms (with its ctx), but it also runs on while the machine sleeps; NULL = there is
     * only now_ms. */
    int64_t (*boot_ms)(void *ctx);
};
int64_t world_boot_ms(const struct world *world);
#endif
