/* A delivery: some records of one batch given to one sink, and the token by which it is completed.
 * Completions may come from any thread; they are queued and handed to the router on its thread. */
#ifndef WEIR_PLUGIN_DELIVERY_H
#define WEIR_PLUGIN_DELIVERY_H
#include <weir/plugin.h>
#include "record/record.h"
#include "util/seam.h"
#include <pthread.h>

struct dead_info { /* what a dead-letter sink may ask of a record */
    weir_str sink, reason, attempts, json;
    bool pointer; /* json has not got the images */
};

/* What `const weir_record *` points at: the record as this sink sees it. */
struct weir_record {
    const struct record *rec;
    weir_delivery *delivery;
    uint64_t lane;
    const struct dead_info *dead; /* NULL but for dead letters */
    void *item;                   /* the router's */
    /* its completion; under the board's lock until the board hands it over */
    struct weir_record *next_completed;
    char *reason; /* from mem_alloc; NULL = none given */
    int32_t outcome;
    bool done, last;
};

struct weir_delivery {
    weir_instance *instance;
    struct delivery_board *board;
    uint64_t token;
    struct weir_record *entries;
    size_t count, capacity;
    size_t open;         /* not yet completed; under the board's lock */
    int64_t deadline_ms; /* on the clock; after it the delivery is revoked */
    uint32_t slot;
    struct timer timer;         /* the router's, and so are the rest */
    bool revoked, hung, stored; /* stored: some record of it is finished */
    void *sink;
    size_t outcomes[WEIR_DOWN + 1]; /* its records by what the plugin said */
    int64_t begun_ms;
    weir_delivery *next, *prev;
};

/* One board per router: token slots, and the queue of completions. */
struct delivery_board {
    pthread_mutex_t lock;
    struct clock *clock;
    weir_delivery **slots; /* slot -> delivery; NULL when free */
    uint32_t *generations;
    uint32_t slot_count, free_hint;
    struct weir_record *head, *tail; /* completed, not yet handed over */
    struct post post;
    bool posted;
    weir_delivery *spare;  /* [router] ended deliveries, kept for reuse */
    uint64_t ignored;      /* completions of unknown, ended or already completed records */
    uint64_t bad_outcomes; /* outcome values outside WEIR_OK..WEIR_DOWN, taken as WEIR_RETRY */
    /* Router thread, once for each record, in the order completed. `last`: it was the delivery's
     * last open one; its token has ended and delivery_free is due. `reason` may be NULL. */
    void (*on_completion)(void *ctx, struct weir_record *entry, int32_t outcome, const char *reason,
                          bool last);
    void *ctx;
};

int board_init(struct delivery_board *board, struct clock *clock); /* 0, -ENOMEM */
void board_done(struct delivery_board *board);                     /* no delivery may be open */
/* A delivery with room for `capacity` entries, a live token and no entries. The caller fills
 * entries, sets count, then calls delivery_open before it shows the delivery to a plugin. NULL when
 * out of memory. [router] */
weir_delivery *delivery_new(struct delivery_board *board, weir_instance *instance, size_t capacity);
void delivery_open(weir_delivery *delivery);
void delivery_free(
    weir_delivery *delivery); /* after its last completion, or when never opened. [router] */
void board_drain(struct delivery_board *board); /* hands queued completions over now. [router] */
uint64_t board_ignored(struct delivery_board *board); /* [any] */

/* What the host table calls. A token of another instance is ignored, and counted. [any] */
void delivery_complete(struct delivery_board *board, const weir_instance *instance, uint64_t token,
                       size_t index, int32_t outcome, weir_str reason);
void delivery_complete_rest(struct delivery_board *board, const weir_instance *instance,
                            uint64_t token, int32_t outcome, weir_str reason);
#endif
