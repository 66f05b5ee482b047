/* What the files of the router share. Nobody else includes this. */
#ifndef WEIR_ROUTER_PARTS_H
#define WEIR_ROUTER_PARTS_H
#include "router/memory.h"
#include "router/router.h"
#include "util/arena.h"

enum {
    PROBE_FIRST_MS = 1000, /* a sink that is down is probed after this, doubled up to ... */
    PROBE_LAST_MS = 30000,
    CANCEL_GRACE_MS = 2000, /* a revoked delivery has this long before its sink counts as hung */
    SEQUENCE_SHOWN = 128,
    HELD_LONG_MS = 1000, /* a batch that takes longer is copied down to what is left of it */
    LETTER_RESERVE_BYTES = 4 << 20,
    BLOCKED_MS = 30000, /* `block` that lasts for ever: pause between attempts, at least */
    NOTE_UNIT = 64
};

#define STUCK_BEHIND "an earlier record of the same item is stuck"

enum item_state {
    ITEM_GATED,    /* its sink may not have it yet: flow_open_gates */
    ITEM_QUEUED,   /* in its lane or in the sink's plain queue */
    ITEM_OPEN,     /* with the plugin */
    ITEM_BEHIND,   /* waits for a revoked delivery that still holds the same record */
    ITEM_LEAVING,  /* given up on; its dead letter is on the way */
    ITEM_STARVED,  /* memory is lacking for what comes next: item_starve */
    ITEM_STUCK,    /* nothing more can be done in this batch's life */
    ITEM_RETURNED, /* unfinished, given back to the source before the end: flow_release */
    ITEM_FINISHED
};

/* One record on its way to one sink. Lives in its flow's arena; there is one per record and sink,
 * so it is kept small. */
struct item {
    const struct record *record;
    struct flow *flow;
    struct sink *sink; /* NULL: it stands for a poison record, which belongs to no sink */
    union {
        struct lane *lane; /* NULL: in the plain queue of an unordered sink */
        uint64_t lane_key; /* of an orphan that closes its lane */
    };
    struct item *next, *prev; /* in the lane or queue; next: of an orphan, in sink->revoked */
    union {
        struct item *behind; /* ITEM_BEHIND: the orphan that holds the same record */
        struct item *waiter; /* of an orphan: who waits behind it */
    };
    int64_t first_us; /* unix time of the first attempt; 0 = none yet */
    const char *why;  /* last reason, in the flow's arena; NULL = none */
    uint32_t attempts;
    uint32_t down_epoch; /* sink->up_epoch when it last got `down`, + 1; 0 = never */
    uint32_t index;      /* its record's; that of a finished one may be gone */
    uint8_t state;
    uint8_t why_room;  /* of `why`, in units of NOTE_UNIT; 0 = static text */
    uint8_t together;  /* bisect: at most 1 << (together - 1) in its delivery; 0 = no bound */
    bool letter : 1;   /* the `item` of a struct letter */
    bool put_back : 1; /* was tried, and waits, or is leaving */
    bool orphan : 1;   /* given back to the source; only its completion is awaited */
    bool closes : 1;   /* an orphan that was in a lane */
    bool passed : 1;   /* a later one of its run is stored: to put this one back breaks order */
    bool blocked : 1;  /* `block` was said in the log */
    bool split : 1;    /* its delivery failed as a whole and is cut in two: no attempt of its own */
    bool bars : 1;     /* starved for want of its lane: counted in sink->bars */
};

struct letter { /* a dead letter on its way to another sink */
    struct item item;
    struct item *origin; /* the item that was given up on */
    struct letter *next; /* in flow->letters */
    const struct dead_info *dead;
};

static inline const struct letter *as_letter(const struct item *item)
{
    return item->letter ? (const struct letter *)item : NULL;
}

struct item_list {
    struct item *first, *last;
    size_t count;
};

/* What must stay in order at one sink: the records of one item key, or of one shard. Exists only
 * while it holds records. */
struct lane {
    struct sink *sink;
    uint64_t key;
    struct item_list items;
    size_t open;                  /* of them with the plugin */
    size_t closed;                /* orphans of this lane: it opens when they are completed */
    bool ready, waiting, blocked; /* in sink->ready; timer armed; a stuck record bars the way */
    bool single; /* of an unordered sink: holds one retried record, not in the map */
    struct lane *next_ready, *prev_ready, *next_spare;
    struct timer timer;
};

struct lane_map { /* open addressing, key -> lane */
    struct lane **slots;
    size_t capacity, count;
};

struct sink {
    struct router *router;
    struct route route;
    size_t index;
    bool keeps_order;
    uint32_t completes;         /* images that earlier records may lack: exchange_complete */
    bool paused;                /* it is being exchanged: gets nothing */
    int64_t halted_since_ms;    /* router_pause; 0 = it is not */
    bool gone;                  /* it was removed: its place is empty, its instance closed */
    uint64_t forgiven_breaches; /* of order, by instances before this one */
    struct lane_map lanes;
    struct lane *ready_first, *ready_last, *spare_lanes;
    size_t bars; /* records without their lane, for want of memory: nothing new may pass them */
    struct item_list queue;    /* ROUTE_NONE: not yet tried */
    size_t queued;             /* items of this sink that are not finished */
    size_t letters;            /* of them dead letters of other sinks ... */
    size_t letter_bytes;       /* ... which have a reserve of their own */
    size_t pinned_bytes;       /* of the batches of which it has not finished all */
    weir_delivery *open_first; /* open deliveries */
    size_t in_flight;          /* records that a plugin has and did not complete */
    size_t open_count, hung;   /* hung: revoked and past the grace */
    bool down;
    int64_t down_since_ms, hung_since_ms;
    uint32_t up_epoch; /* rises with each record that it is done with */
    int64_t probe_delay_ms;
    struct timer probe_timer;
    struct item *revoked; /* orphaned items that a plugin still holds */
    struct memory memory;
    struct sink_counts counts;
    uint64_t retry_reasons[RETRY_REASONS];
    struct histogram seconds;
    int64_t entered_ms; /* record() of a plugin was called last, in this turn; 0 = not */
    char last_error[sizeof((struct sink_view *)0)->last_error];
    int64_t last_error_us;
};

/* A sink's part in a batch. A poison record belongs to the part of each sink that did not finish it
 * before. */
struct share {
    uint32_t holds;      /* its items and letters that are neither finished, stuck nor leaving */
    uint32_t live;       /* its records that are neither finished, stuck nor given back */
    uint32_t unfinished; /* its records that are not finished */
    uint32_t finished_below; /* those with a smaller index it had finished before */
    uint32_t looked;         /* flow_frontier: all items before this one are finished */
};

struct kept { /* what is known of a record after its page was given up */
    weir_str position;
    uint32_t index;
};

/* A batch on its way through the router. */
struct flow {
    struct router *router;
    struct batch *batch;
    struct arena arena;
    struct flow *next, *prev;                /* in router->flows or router->orphaned */
    struct flow *next_changed, **changed_at; /* in router->changed; NULL: it is not */
    int64_t deadline_ms;
    struct timer deadline_timer;
    struct flow_options options; /* without finished_to */
    uint64_t sinks, gated;       /* who takes part; of them, who must not have it yet */
    uint64_t released;           /* whose records were given back: flow_release */
    uint64_t awaited;            /* done() comes when these have finished; not of a plain batch */
    uint64_t told;               /* sink_done was called, or must not be any more */
    uint64_t pinning;            /* sinks to which its bytes are counted */
    struct item *items;          /* one block: by record, then by sink */
    size_t item_count;
    struct letter *letters;        /* dead letters on their way to a sink */
    struct stored_letter *delayed; /* those that the local store could not take yet */
    struct share *shares;          /* by sink, of those that there are by now */
    size_t pinned_bytes;           /* its part of router->pinned_bytes */
    size_t letter_bytes;           /* its part of router->letter_bytes */
    size_t open_deliveries;        /* whose plugin may read its records */
    uint32_t waiting;              /* items neither finished nor given back */
    uint32_t put_back;             /* of them: tried before, or leaving */
    uint32_t starved;              /* items in that state */
    uint32_t slim_below;           /* it is worth a look when fewer are waiting */
    int64_t begun_ms;
    weir_str last_sequence; /* the batch's */
    struct batch **copies;  /* of what is unfinished, instead of `batch`, which is NULL then */
    size_t copy_count;
    struct completion *completions; /* single records, for one sink each */
    struct kept *kept;              /* with copies: of each record of the batch */
    size_t kept_count;
    weir_str kept_stream_arn;
    size_t orphans; /* ended, but plugins (or the store) still hold this many of its items */
    size_t puts;    /* dead letters that the local store is writing */
    bool by_sink;   /* submitted by router_submit_flow */
    bool old;       /* older than HELD_LONG_MS */
    bool overdue, answered, ended;
    struct trace trace;
    size_t read_count; /* of what is traced: the batch's */
};

struct flow_list {
    struct flow *first, *last;
};

struct router {
    struct router_config config;
    struct clock *clock;
    struct delivery_board *board;
    struct sink *sinks;
    size_t sink_count, room;             /* room: for so many in each batch's shares */
    uint64_t gone;                       /* sinks that were removed */
    struct flow_list flows;              /* in the order submitted */
    struct flow_list orphaned;           /* ended flows that plugins still hold */
    struct flow *changed, **changed_end; /* may be over, or a sink may have finished its part */
    size_t changed_count;
    struct flow *spare;
    struct flow *young; /* the first in `flows` that is not `old` */
    struct timer age_timer, starved_timer;
    size_t starved; /* items in that state */
    size_t flow_count, pinned_bytes, letter_bytes;
    size_t background_bytes; /* of them in batches that only sinks hold which are not required */
    uint64_t poison_count;
    bool stopping, kicked;
    bool sink_changed; /* went down, or lost a delivery while it was: a plain batch may be over */
    bool held;         /* may_dispatch said no */
    struct exchange *exchange; /* NULL: none is under way */
    struct post kick;
    struct router_call call;
    const struct router_observer *observer; /* NULL = none */
    const struct router_tracer *tracer;     /* NULL = none */
};

/* lane.c */
void list_append(struct item_list *list, struct item *item);
void list_push(struct item_list *list, struct item *item); /* in front */
void list_remove(struct item_list *list, struct item *item);
struct lane *lane_get(struct sink *sink,
                      uint64_t key); /* finds or makes; NULL when out of memory */
struct lane *lane_find(const struct sink *sink, uint64_t key); /* NULL: nothing is in it */
struct lane *lane_single(struct sink *sink);
void lane_settle(struct lane *lane); /* ready, waiting or gone, as its content says; may free it */
void lane_wait(struct lane *lane, int64_t delay_ms);
void lane_take_ready(struct lane *lane); /* out of sink->ready, to the plugin */
void lanes_done(struct sink *sink);

/* sink.c */
int sink_init(struct sink *sink, struct router *router, const struct route *route, size_t index);
void sink_done(struct sink *sink);
void sink_accept(struct sink *sink, struct item *item); /* queues a new item */
bool sink_take_starved(struct item *item); /* one that had no lane; false: it still has none */
void sink_pump(struct sink *sink);         /* starts deliveries as far as allowed */
/* Of an ordered sink; NULL when out of memory. */
struct lane *sink_lane_of(struct sink *sink, const struct item *item);
void sink_requeue(struct item *item,
                  int64_t delay_ms);       /* an item that was open goes on waiting; -1 = no wait */
void sink_stop_waiting(struct item *item); /* behind a revoked one */
void sink_detach(struct item *item);       /* takes an item out of its lane or queue */
void sink_down(struct sink *sink, const char *reason);
void sink_alive(struct sink *sink);
void sink_revoke(weir_delivery *delivery);
void sink_delivery_ended(weir_delivery *delivery);
void sink_rest(struct sink *sink); /* Lambda: no timer stays armed between batches */
void sink_wake(struct sink *sink); /* and at the next batch what was revoked has its grace again */

/* trace.c */
void trace_begin(struct flow *flow);
void trace_batch(const struct flow *flow, bool complete);
void trace_delivery(const struct flow *flow, const weir_delivery *delivery);
bool traced(const struct flow *flow);
/* One record that was given by record(). */
void trace_record(const struct flow *flow, const struct sink *sink, int64_t begun_ms,
                  int32_t outcome);

/* outcome.c */
/* `revoked`: its delivery was taken back before the plugin answered. */
void outcome_apply(struct item *item, int32_t outcome, const char *reason, bool revoked);
void outcome_on_completion(void *ctx, struct weir_record *entry, int32_t outcome,
                           const char *reason, bool last);
void item_finish(struct item *item, uint64_t *counter); /* one of its sink's counts */
void item_stick(struct item *item, const char *reason);
void item_exhaust(struct item *item, const char *reason);

/* view.c */
void sink_note_error(struct sink *sink, const char *reason); /* NULL: nothing was said */
void item_observe(const struct item *item, enum record_outcome what, const char *reason);

/* starve.c */
/* Memory is lacking for its lane or its letter. Where nobody would deliver it again it waits in its
 * place, else it is stuck; `reason` is why it was given up, NULL where it was not. */
void item_starve(struct item *item, const char *reason);
void item_unstarve(struct item *item);          /* whatever else becomes of it */
void starved_look_again(struct router *router); /* later, if there are any */

/* dead.c */
void dead_begin(struct item *item, const char *reason); /* to where its sink's config says */
void poison_begin(struct item *item);                   /* to where on_poison says */
void poison_again(struct item *item);                   /* one that was starved */
/* Its letter goes nowhere any more: to where its config says by now. */
void dead_begin_again(struct item *item, const char *reason);
void origin_stuck(struct item *item, const char *reason); /* its letter can't be had */
void dead_letter_finished(struct item *letter);
void dead_letter_stuck(struct item *letter, const char *reason);
void dead_forget_delayed(struct flow *flow); /* no letter of it is put again */
/* Makes the refused letter smaller, once; the caller queues it again. False: it can not be. */
bool dead_letter_shrink(struct item *letter, const char *reason);

/* flow.c */
void flow_end(struct flow *flow);
/* Before done() of a batch of which sinks that are not required still have some: drops what would
 * wait for ever, or would pin too much. */
void flow_trim(struct flow *flow);
void flow_answer(struct flow *flow); /* done(), while those sinks go on */
void flow_orphan_gone(struct flow *flow);
void flow_forget(struct flow *flow);                          /* frees it and what it holds */
const char *flow_note(struct flow *flow, const char *reason); /* a copy in its arena, or NULL */
void item_note(struct item *item, const char *reason);        /* its `why` */
void item_start(struct item *item);                           /* to its sink */
void item_release(struct item *item);                         /* unfinished, back to the source */
void flow_revoke(struct flow *flow, uint64_t sinks);          /* what plugins hold of it and them */

/* share.c */
void shares_begin(struct flow *flow, const weir_str *finished_to);
/* Whether a poison record is the sink's to finish as well. */
bool share_has(const struct flow *flow, size_t sink, uint32_t index);
void share_add(struct item *item);      /* live and unfinished */
void share_stuck(struct item *item);    /* live no more; unfinished */
void share_finished(struct item *item); /* neither */
void share_hold(struct item *item);
void share_unhold(struct item *item);
void share_unpin(struct flow *flow, size_t sink);

/* slim.c */
void flow_put_back(struct item *item); /* it waits after an attempt, or leaves */
void flow_try_slim(
    struct flow *flow);             /* copies what is left of an old batch, lets go of the rest */
void slim_begin(struct flow *flow); /* it has been put behind the others */
void slim_end(struct flow *flow);   /* it is about to be taken out */

/* exchange.c */
/* Decodes the record again where it lacks an image that its sink reads by now. False: out of
 * memory. */
bool exchange_complete(struct item *item);
void exchange_drop_copies(struct flow *flow);
void exchange_look(struct router *router); /* has everything been let go? */
void exchange_forget(struct router *router);

/* turn.c */
void flow_changed(struct flow *flow); /* the router looks at it at its next turn */
void flow_unchanged(struct flow *flow);
bool flow_cut_short(const struct flow *flow);
void router_kick(struct router *router); /* soon: start what can be started, end what has ended */
void router_log(const struct router *router, int level, const struct sink *sink, const char *code,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
#endif
