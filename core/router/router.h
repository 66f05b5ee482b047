/* The router: gives each record to the sinks that matched it, keeps each sink's order, retries,
 * gives up as configured, and says when a batch is finished. It touches the world through the seams
 * only and runs on one thread; plugins complete from any thread through the delivery board. */
#ifndef WEIR_ROUTER_ROUTER_H
#define WEIR_ROUTER_ROUTER_H
#include "plugin/instance.h"
#include "record/record.h"
#include "util/histogram.h"
#include "util/seam.h"

struct router;

enum route_order { ROUTE_ITEM, ROUTE_SHARD, ROUTE_NONE };
enum route_exhausted { ROUTE_BLOCK, ROUTE_DROP, ROUTE_DEAD, ROUTE_SINK };

struct route {               /* one enabled sink; bit i of record->matched is routes[i]. Copied */
    const char *name;        /* borrowed for the router's life */
    weir_instance *instance; /* borrowed */
    bool required;
    enum route_order order;
    enum route_exhausted on_exhausted;
    size_t exhausted_sink; /* ROUTE_SINK: index */
    bool oversize_pointer; /* a letter that this sink refuses goes once more, without the images */
    int64_t max_attempts, base_ms, cap_ms;
    int64_t max_record_age_ms; /* 0 = none */
    int64_t timeout_ms;
    size_t concurrency, batch_records;
    size_t queue_records; /* a sink that is not required drops what would exceed this */
    void (*revoke)(void *arg,
                   uint64_t token); /* optional: aborts what the host does for this delivery */
    void *revoke_arg;
};

struct router_config {
    const char *pipeline;
    struct world *world;
    const struct route *routes;
    size_t route_count;
    size_t places; /* for sinks, those that come later included (router_add); 0 = route_count */
    enum route_exhausted on_poison;
    size_t poison_sink;
    /* Lambda: a batch ends with an error once only sinks that are down hold it; outcomes of batches
     * that did not fully succeed are remembered for the redelivery; no timer stays armed between
     * batches. */
    bool invocations;
    /* Polling: with on_exhausted `block` a record is tried again for ever, at most every cap_ms (or
     * 30 s, where that is more), since no mapping stands behind that would deliver it again. */
    bool blocks_for_ever;
    /* A delivery of which every record came back with `retry` names no culprit: it is cut in two,
     * again and again, and that is no attempt of its records. */
    bool bisect;
    /* What may be in it: router_has_room(). 0 = no bound. */
    size_t in_flight_bytes, queued_records;
    /* Asked before each delivery; false holds all of them until router_resume() (a daemon whose
     * lease may be another's by now). NULL = always true. */
    bool (*may_dispatch)(void *ctx);
    void *may_dispatch_ctx;
    void (*log)(void *ctx, int level, const char *component, const char *code, const char *msg);
    void *log_ctx;
};

/* Per sink; at all times read = delivered + skipped + duplicate + filtered + dead + dropped +
 * returned + pending. */
struct sink_counts {
    uint64_t read, delivered, skipped, duplicate, filtered, dead, dropped;
    uint64_t returned; /* given back to the source unfinished: it will deliver them again */
    uint64_t pending;
    uint64_t retries, late, order_breaches;
    uint64_t pointers; /* dead letters that went without the images */
    bool up, required;
    int64_t down_since_ms; /* on the clock; 0 = up */
    int64_t
        hung_since_ms; /* its plugin holds records after cancel and its grace; 0 = it does not */
    int64_t paused_since_ms; /* router_pause; 0 = it is not */
};

/* What made an attempt one that is to be repeated. */
enum retry_reason { RETRY_ASKED, RETRY_TIMEOUT, RETRY_DOWN, RETRY_SPLIT, RETRY_REASONS };
const char *retry_reason_name(enum retry_reason reason);

/* Of one sink, beside its counts; for metrics and status, valid until the next turn. */
struct sink_view {
    uint64_t retries[RETRY_REASONS]; /* they add up to sink_counts.retries */
    size_t queued, in_flight;        /* records that wait, and that are with the plugin */
    size_t deliveries;               /* open ones */
    struct histogram seconds;        /* from handing a delivery over to its last completion */
    char last_error[160];            /* what a plugin said last; may quote a record */
    int64_t last_error_us;           /* unix time; 0 = it never said anything */
};

/* What becomes of a record at a sink. The last two are not the end of it. */
enum record_outcome {
    RECORD_DELIVERED,
    RECORD_SKIPPED,
    RECORD_DEAD,
    RECORD_DROPPED,
    RECORD_RETRIED,
    RECORD_SINK_DOWN
};

/* Told of each outcome, on the router thread; it may not call the router. */
struct router_observer {
    void *ctx;
    uint32_t wanted; /* bit n: told of outcome n; may change */
    /* `first_us`: unix time of the first attempt, 0 = there was none. `reason` may be NULL. */
    void (*outcome)(void *ctx, const struct record *record, size_t sink, enum record_outcome what,
                    uint32_t attempts, int64_t first_us, const char *reason);
};

struct batch_result {  /* valid inside the callback */
    bool complete;     /* every record is finished for every required sink, or was given back */
    uint64_t returned; /* the sinks to which that happened: flow_release, before all was finished */
    size_t unfinished; /* records that are not */
    const struct record *lowest; /* the unfinished record that comes first; NULL when complete */
    bool sink_down;              /* some are unfinished because their sink is down */
    bool lowest_unreadable;      /* an unfinished poison record has no readable position: no fold
                                    possible */
    const char *sink, *reason;   /* who holds the lowest one and why; may be NULL */
};
typedef void (*batch_done_cb)(void *arg, const struct batch_result *result);

/* -EINVAL or -ENOMEM with *err. Installs itself on `board` (see instance_services). */
int router_new(const struct router_config *config, struct delivery_board *board,
               struct router **out, struct err *err);
/* Nothing may be in it (router_idle), but deliveries that plugins never completed are forgotten:
 * call instance_close first, so that no completion can come any more. */
void router_free(struct router *router);

/* Hands a batch over: takes a reference of its own. `done` is called exactly once, later, never
 * from inside: when all is finished; or, as far as it got, at `deadline_ms` (on the clock, 0 =
 * none), on router_stop, or when nothing more can be done for the rest (on_exhausted: block;
 * Lambda: sink down). 0 or -ENOMEM. */
int router_submit(struct router *router, struct batch *batch, int64_t deadline_ms,
                  batch_done_cb done, void *arg);

/* ---- progress per sink, for a source that stores positions ---- */

/* A submitted batch; valid until its done() returns, or, with `ended`, until that returns. */
struct flow;

struct flow_options {
    uint64_t sinks; /* bit i: sink i takes part; for the others the batch does not exist */
    uint64_t gated; /* of them: get nothing of it before flow_open_gates (their parent shard is not
                       finished for them) */
    /* By sink, valid during the call: the sink finished all records up to this position before;
     * they count as duplicate. NULL, or an entry of len 0 = none. */
    const weir_str *finished_to;
    /* Asked of other records of the batch, during the call: whether `sink` finished the one at this
     * position before, behind one that it had not. It counts as duplicate. Optional. */
    bool (*is_finished)(void *arg, size_t sink, weir_str position);
    /* Sink `sink` has finished every record of the batch (it may never say so: see done). Called
     * once per sink of `sinks`, before done(), never from inside a call of the source. A sink that
     * is not required is told of as well, but never waited for: done() comes without it, and what
     * it still has of the batch goes on behind that. Without `ended` nothing more is heard of that,
     * and what is gated then is dropped. Optional. */
    void (*sink_done)(void *arg, struct flow *flow, size_t sink);
    batch_done_cb done;
    /* Once, after done(): no sink works on the batch any more. sink_done() may come in between.
     * Optional. */
    void (*ended)(void *arg, struct flow *flow);
    void *arg;
};

/* As router_submit, without a deadline. */
int router_submit_flow(struct router *router, struct batch *batch,
                       const struct flow_options *options, struct flow **out);
void flow_open_gates(struct flow *flow, uint64_t sinks);
/* How far a sink is in the batch: the highest position such that it and all earlier records of the
 * batch are finished for the sink; len 0 = not even the first. `whole`: the batch is finished for
 * it (then the position is the batch's last, len 0 where no record had one). The view lives as long
 * as the flow. `whole` may be NULL. */
weir_str flow_frontier(const struct flow *flow, size_t sink, bool *whole);
/* The records of these sinks are given back (counted as returned) and wait for nothing more: their
 * sink will read them again by itself. What a plugin holds is revoked. */
void flow_release(struct flow *flow, uint64_t sinks);
/* Whether every required sink has room for another batch: its queue, its half of the bytes in
 * flight, and the budget of all. When not, *sink (may be NULL) is the one that is full. */
bool router_has_room(const struct router *router, const char **sink);
/* The required sinks that have no room of their own; *all: the budget of all is used up, and
 * *fullest (SIZE_MAX: none) is the required sink that has most of it. */
uint64_t router_full(const struct router *router, bool *all, size_t *fullest);
void router_resume(struct router *router); /* may_dispatch may say otherwise now */

/* At any time, by an operator's word: the sink gets nothing new until it is resumed. What its
 * plugin has goes on to its end; what waits for it waits as for one that is down, and an exchange
 * of its instance changes nothing about that. False: it is so already, or the sink was removed. */
bool router_pause(struct router *router, size_t sink, bool paused);

/* Revokes everything open and ends every batch as it stands. Callbacks come later. */
void router_stop(struct router *router);
bool router_idle(const struct router *router); /* no batch is in it */
size_t router_pinned_bytes(const struct router *router);
/* Records queued at the fullest required sink: what a source paces itself by. */
size_t router_queued(const struct router *router);

/* Of the required sinks the one that is down, and the one that hangs, for the longest time, and for
 * how long. NULL: none. Nothing waits for the others. */
struct router_trouble {
    const char *down, *hung;
    int64_t down_ms, hung_ms;
};
struct router_trouble router_trouble(const struct router *router);

/* A plugin keeps records after cancel and its grace: its sink gets nothing more in this process. */
bool router_hung(const struct router *router);

/* All places; of some of them the sink may have been removed (router_remove): it has counts and a
 * name still, and takes part in nothing. */
size_t router_sink_count(const struct router *router);
bool router_sink_gone(const struct router *router, size_t sink);
const char *router_sink_name(const struct router *router, size_t sink);
weir_instance *router_sink_instance(const struct router *router, size_t sink); /* of now */
struct sink_counts router_counts(const struct router *router, size_t sink);
struct sink_view router_view(const struct router *router, size_t sink);
int64_t router_max_attempts(const struct router *router, size_t sink);
/* NULL: nobody looks. The observer must live until it is taken away. */
void router_observe(struct router *router, const struct router_observer *observer);

/* ---- traces: when batches and deliveries began and ended ---- */

struct trace { /* all zero: the batch is not traced */
    uint64_t id[2], span;
};

struct traced {                 /* a batch, or a delivery of it; valid during the call */
    weir_str stream_arn, shard; /* may be empty */
    size_t records;
    int64_t begun_ms, ended_ms;     /* on the clock */
    size_t sink;                    /* of a delivery */
    size_t outcomes[WEIR_DOWN + 1]; /* of a delivery: its records by what the plugin said */
    bool timeout;                   /* of a delivery: it was taken back before all had said it */
    bool complete;                  /* of a batch: as batch_result */
};

/* On the router thread; it may not call the router. */
struct router_tracer {
    void *ctx;
    /* A batch enters: fills *trace when it is to be traced. */
    void (*begin)(void *ctx, const struct batch *batch, struct trace *trace);
    /* Only of those that are. A delivery may end behind its batch. */
    void (*delivery)(void *ctx, const struct trace *trace, const struct traced *what);
    void (*batch)(void *ctx, const struct trace *trace, const struct traced *what);
};
/* NULL: nobody traces. It must live until it is taken away. */
void router_trace(struct router *router, const struct router_tracer *tracer);

uint64_t router_poison_count(const struct router *router);
/* What a plugin is being called for right now; for crash and watchdog messages. NULL sink = none.
 * The fields are plain and may be read from a signal handler or another thread. */
struct router_call {
    const char *_Atomic sink;
    const char *_Atomic sequence;
    _Atomic size_t sequence_len;
    _Atomic int64_t since_ms;
};
const struct router_call *router_current_call(const struct router *router);
#endif
