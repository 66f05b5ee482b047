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
};

/* What `const weir_record *` points at: the record as this sink sees it. */
struct weir_record {
    const struct record *rec;
    weir_delivery *delivery;
    uint64_t lane;
    const struct dead_info *dead; /* NULL but for dead letters */
    void *item;                   /* the router's */
    uint8_t done;                 /* completed; under the board's lock */
};

struct weir_delivery {
    weir_instance *instance;
    struct delivery_board *board;
    uint64_t token;
    struct weir_record *entries;
    size_t count, open;        /* open: not yet completed; under the board's lock */
    int64_t deadline_ms;       /* on the clock */
    bool revoked;              /* the router's: completions are late now */
    uint32_t slot;
    void *owner;               /* the router's sink */
    weir_delivery *next_free, *next, *prev; /* the router's */
    struct batch *batch;       /* a reference while open */
    size_t capacity;           /* of entries; kept for reuse */
};

struct completion {
    struct completion *next;
    weir_delivery *delivery;
    size_t index;
    int32_t outcome;
    char reason[256]; /* cut; NUL-terminated; control characters shown as '?' */
};

/* One board per router: token slots, and the queue of completions. */
struct delivery_board {
    pthread_mutex_t lock;
    struct clock *clock;
    weir_delivery **slots;      /* slot -> delivery, NULL when free */
    uint32_t *generations;
    uint32_t slot_count, free_hint;
    struct completion *head, *tail, *spare;
    struct post post;
    bool posted;
    uint64_t ignored;           /* completions of unknown, ended or already completed records */
    uint64_t bad_outcomes;      /* outcome values outside WEIR_OK..WEIR_DOWN, taken as WEIR_RETRY */
    /* Router thread, for each completion in order. When it is the delivery's last one, `last` is true and
     * the token has ended. */
    void (*on_completion)(void *ctx, weir_delivery *delivery, struct weir_record *entry, int32_t outcome,
                          const char *reason, bool last);
    void *ctx;
};

int board_init(struct delivery_board *board, struct clock *clock);
void board_done(struct delivery_board *board); /* every delivery must have ended */
/* Takes a delivery from the free list or makes one, with room for `capacity` entries, and gives it a token. */
weir_delivery *delivery_new(struct delivery_board *board, weir_instance *instance, size_t capacity);
void delivery_free(weir_delivery *delivery); /* after the last completion; its token is already dead */
/* Hands queued completions to on_completion now. [router] */
void board_drain(struct delivery_board *board);
uint64_t board_ignored(struct delivery_board *board); /* [any] */

/* What the host table calls. [any] */
void delivery_complete(struct delivery_board *board, uint64_t token, size_t index, int32_t outcome, weir_str reason);
void delivery_complete_rest(struct delivery_board *board, uint64_t token, int32_t outcome, weir_str reason);
#endif
