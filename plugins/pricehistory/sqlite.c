/* The store on a SQLite file: commits run on a pool thread, one at a time; what arrives meanwhile
 * goes into the next transaction. */
#include "sqlite_file.h"

#include <weir/ext/work.h>

#include <errno.h>

enum { ROWS_MAX = 500 }; /* of a transaction: none holds the file for long */

struct sqlite {
    struct history *history;
    const weir_work *work;
    struct row *head, **tail; /* rows waiting */
    struct file *file;        /* the pool thread's while busy */
    bool busy;
    size_t count;
    struct row *rows[ROWS_MAX]; /* of the transaction under way */
    struct result results[ROWS_MAX];
};

static struct row *queue_pop(struct sqlite *store)
{
    struct row *row = store->head;
    store->head = row->next;
    if (!store->head)
        store->tail = &store->head;
    return row;
}

static void fail_queue(struct sqlite *store, int32_t outcome, const char *reason)
{
    while (store->head)
        history_finish(store->history, queue_pop(store), outcome, reason);
}

static void commit(void *arg) /* pool thread */
{
    struct sqlite *store = arg;
    file_write(store->file, store->rows, store->results, store->count);
}

static void pump(struct sqlite *store);

static void committed(void *arg)
{
    struct sqlite *store = arg;
    store->busy = false;
    for (size_t i = 0; i < store->count; i++) {
        const struct result *result = &store->results[i];
        history_finish(store->history, store->rows[i], result->outcome,
                       result->reason[0] ? result->reason : NULL);
    }
    pump(store);
}

static void pump(struct sqlite *store)
{
    if (store->busy || !store->head)
        return;
    store->count = 0;
    while (store->head && store->count < ROWS_MAX)
        store->rows[store->count++] = queue_pop(store);
    store->busy = true;
    if (store->work->submit(store->history->instance, commit, committed, store) == 0)
        return;
    store->busy = false;
    for (size_t i = 0; i < store->count; i++)
        history_finish(store->history, store->rows[i], WEIR_RETRY, "no thread for the commit");
    fail_queue(store, WEIR_RETRY, "no thread for the commit");
}

static void sqlite_start(void *self)
{
    struct sqlite *store = self;
    if (!store->work)
        store->work = store->history->host->extension(store->history->instance, WEIR_EXT_WORK);
    if (store->work)
        pump(store);
    else
        fail_queue(store, WEIR_DOWN, "this host has no weir.work/1");
}

static void sqlite_add(void *self, struct row *row)
{
    struct sqlite *store = self;
    *store->tail = row;
    store->tail = &row->next;
}

/* Rows of the transaction under way are told as it ends: they may well be stored. */
static void sqlite_cancel(void *self, uint64_t token)
{
    struct sqlite *store = self;
    struct row **at = &store->head;
    while (*at) {
        struct row *row = *at;
        if (row->token == token) {
            *at = row->next;
            history_finish(store->history, row, WEIR_RETRY, "cancelled");
        } else {
            at = &row->next;
        }
    }
    store->tail = at;
}

static void sqlite_close(void *self)
{
    struct sqlite *store = self;
    file_free(store->file);
    free(store);
}

static int sqlite_open(struct history *history, void **self)
{
    struct sqlite *store = calloc(1, sizeof *store);
    if (!store)
        return -ENOMEM;
    store->history = history;
    store->tail = &store->head;
    store->file = file_new(history);
    if (!store->file) {
        free(store);
        return -ENOMEM;
    }
    *self = store;
    return 0;
}

const struct store store_sqlite = {sqlite_open, sqlite_add, sqlite_start, sqlite_cancel,
                                   sqlite_close};
