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
    SEQUENCE_SHOWN = 128
};

#define STUCK_BEHIND "an earlier record of the same item is stuck"

enum item_state {
    ITEM_QUEUED,  /* in its lane or in the sink's plain queue */
    ITEM_OPEN,    /* with the plugin */
    ITEM_BEHIND,  /* waits for a revoked delivery that still holds the same record */
    ITEM_LEAVING, /* given up on; its dead letter is on the way */
    ITEM_STUCK,   /* nothing more can be done in this batch's life */
    ITEM_FINISHED
};

/* One record on its way to one sink. Lives in its flow's arena. */
struct item {
    const struct record *record;
    struct flow *flow;
    struct sink *sink;        /* NULL: it stands for a poison record, which belongs to no sink */
    struct lane *lane;        /* NULL: in the plain queue of an unordered sink */
    struct item *next, *prev; /* in the lane or queue */
    struct item *behind; /* the revoked item that holds the same record / who waits for this one */
    struct item *waiter;
    struct item *origin;       /* a dead letter: the item that was given up on */
    struct item *revoked_next; /* in sink->revoked */
    struct item *letter_next;  /* in flow->letters */
    struct dead_info *dead;    /* a dead letter: what its sink may ask */
    int64_t first_us;          /* unix time of the first attempt; 0 = none yet */
    uint32_t attempts;
    uint32_t down_epoch; /* sink->up_epoch when it last got `down`, + 1; 0 = never */
    uint8_t state;
    uint64_t lane_key; /* of an orphan that closes its lane */
    bool orphan;       /* its flow has ended; only its completion is awaited */
    bool closes;       /* an orphan that was in a lane */
    bool passed;       /* a later one of its run is stored: to put this one back breaks order */
    const char *why;   /* last reason, in the flow's arena; NULL = none */
};

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
    struct lane_map lanes;
    struct lane *ready_first, *ready_last, *spare_lanes;
    struct item_list queue;    /* ROUTE_NONE: not yet tried */
    size_t queued;             /* items of this sink that are not finished */
    weir_delivery *open_first; /* open deliveries */
    size_t open_count, hung;   /* hung: revoked and past the grace */
    bool down;
    uint32_t up_epoch; /* rises with each sign of life */
    int64_t probe_delay_ms;
    struct timer probe_timer;
    struct item *revoked; /* orphaned items that a plugin still holds */
    struct memory memory;
    struct sink_counts counts;
};

/* A batch on its way through the router. */
struct flow {
    struct router *router;
    struct batch *batch;
    struct arena arena;
    struct flow *next, *prev;
    int64_t deadline_ms;
    struct timer deadline_timer;
    struct post post;
    batch_done_cb done;
    void *arg;
    struct item *items; /* one block: by sink, then by record */
    size_t item_count;
    struct item *letters; /* dead letters on their way to a sink */
    size_t *holds; /* by sink: items that are neither finished nor stuck nor leaving; the last one
                      counts records on their way into the local store */
    size_t poison_items;
    size_t pinned_bytes; /* its part of router->pinned_bytes */
    size_t orphans;      /* ended, but plugins (or the store) still hold this many of its items */
    size_t puts;         /* dead letters that the local store is writing */
    bool overdue, ended;
};

struct router {
    struct router_config config;
    struct clock *clock;
    struct delivery_board *board;
    struct sink *sinks;
    size_t sink_count;
    struct flow *first, *spare;
    struct flow *orphaned; /* ended flows that plugins still hold */
    size_t flow_count, pinned_bytes;
    uint64_t poison_count;
    bool stopping, kicked;
    struct post kick;
    struct router_call call;
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
void sink_pump(struct sink *sink);                      /* starts deliveries as far as allowed */
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

/* outcome.c */
void outcome_apply(struct item *item, int32_t outcome, const char *reason);
void outcome_on_completion(void *ctx, struct weir_record *entry, int32_t outcome,
                           const char *reason, bool last);
void item_finish(struct item *item, uint64_t *counter); /* one of its sink's counts */
void item_stick(struct item *item, const char *reason);
void item_exhaust(struct item *item, const char *reason);

/* dead.c */
void dead_begin(struct item *item, const char *reason); /* to where its sink's config says */
void poison_begin(struct item *item);                   /* to where on_poison says */
void dead_letter_finished(struct item *letter);
void dead_letter_stuck(struct item *letter, const char *reason);
/* Makes the refused letter smaller, once; the caller queues it again. False: it can not be. */
bool dead_letter_shrink(struct item *letter, const char *reason);

/* flow.c */
void flow_orphan_gone(struct flow *flow);
void flow_forget(struct flow *flow);     /* frees it and what it holds */
void router_kick(struct router *router); /* soon: start what can be started, end what has ended */
const char *flow_note(struct flow *flow, const char *reason); /* a copy in its arena, or NULL */
void router_log(const struct router *router, int level, const struct sink *sink, const char *code,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
#endif
