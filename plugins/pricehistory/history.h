/* One instance of the sink: its settings, its rows, and the store that keeps them. All [loop]. */
#ifndef WEIR_PRICEHISTORY_HISTORY_H
#define WEIR_PRICEHISTORY_HISTORY_H
#include "row.h"

struct history;

/* Where rows go. A store owns a row from add() until it gives it back by history_finish(). */
struct store {
    int (*open)(struct history *history, void **self); /* no network, no file yet. 0 or -errno */
    void (*add)(void *self, struct row *row);
    void (*start)(void *self);                  /* rows were added: get going */
    void (*cancel)(void *self, uint64_t token); /* give that delivery's rows back, as WEIR_RETRY */
    void (*close)(void *self);                  /* nothing is open any more */
};

extern const struct store store_dynamodb, store_sqlite;

struct history {
    const weir_host *host;
    weir_instance *instance;
    struct settings settings;
    const struct store *store;
    void *store_self;
    struct row *spare; /* rows for reuse: none is allocated in steady state */
    weir_buf line;     /* scratch of announcements */
};

/* Reads and checks the options; declares target, table and actions; subscribes. 0, -EINVAL (said by
 * option_error), -ENOMEM. */
int settings_read(const weir_host *host, weir_instance *instance, struct settings *out);
void settings_done(struct settings *settings);

/* Completes the row's record, announces it when stored, and takes the row back. */
void history_finish(struct history *history, struct row *row, int32_t outcome, const char *reason);

/* The name of a stored row for messages: `<id> at <timestamp>`, escaped and cut, in `out`. */
void row_name(const struct history *history, const struct row *row, char *out, size_t out_bytes);
#endif
