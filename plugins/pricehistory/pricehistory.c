/* The pricehistory sink: one row in a history table for every change of a price. */
#include "history.h"

#include <errno.h>
#include <stdio.h>

enum { ID_SHOWN = 128, PRICE_SHOWN = 256 };

void row_name(const struct history *history, const struct row *row, char *out, size_t out_bytes)
{
    weir_buf text = {0};
    put_visible(&text, value_shown(history->host, row->id), ID_SHOWN);
    put_text(&text, " at ");
    put_visible(&text, (weir_str){row->stamp, row->stamp_len}, STAMP_MAX);
    snprintf(out, out_bytes, "%.*s", (int)text.len, text.len ? text.ptr : "");
    weir_buf_free(&text);
}

static void announce(struct history *history, const struct row *row)
{
    const weir_host *host = history->host;
    weir_buf *line = &history->line;
    weir_buf_clear(line);
    put_text(line, "Price updated for ");
    put_visible(line, value_shown(host, row->id), ID_SHOWN);
    put_text(line, ": ");
    put_visible(line, value_shown(host, row->old_price), PRICE_SHOWN);
    put_text(line, " -> ");
    put_visible(line, value_shown(host, row->new_price), PRICE_SHOWN);
    host->log(history->instance, WEIR_LOG_INFO, weir_buf_view(line));
}

void history_finish(struct history *history, struct row *row, int32_t outcome, const char *reason)
{
    if (outcome == WEIR_OK && history->settings.announce)
        announce(history, row);
    history->host->complete(history->instance, row->token, row->index, outcome, weir_cstr(reason));
    row->next = history->spare;
    history->spare = row;
}

static struct row *row_take(struct history *history)
{
    struct row *row = history->spare;
    if (!row)
        return malloc(sizeof *row);
    history->spare = row->next;
    return row;
}

static void add_record(struct history *history, uint64_t token, const weir_record *record,
                       size_t index)
{
    const weir_host *host = history->host;
    char reason[256];
    struct row *row = row_take(history);
    if (!row) {
        host->complete(history->instance, token, index, WEIR_RETRY, WEIR_STR("out of memory"));
        return;
    }
    row->next = NULL;
    row->token = token;
    row->index = index;
    row->alone = false;
    int32_t outcome = row_make(host, &history->settings, record, row, reason, sizeof reason);
    if (outcome == WEIR_OK)
        history->store->add(history->store_self, row);
    else
        history_finish(history, row, outcome, reason);
}

static void pricehistory_deliver(void *self, weir_delivery *delivery)
{
    struct history *history = self;
    const weir_host *host = history->host;
    uint64_t token = host->token(delivery);
    size_t count = host->count(delivery);
    for (size_t i = 0; i < count; i++)
        add_record(history, token, host->at(delivery, i), i);
    history->store->start(history->store_self);
}

static void pricehistory_cancel(void *self, uint64_t token)
{
    struct history *history = self;
    history->store->cancel(history->store_self, token);
}

static void history_free(struct history *history)
{
    while (history->spare) {
        struct row *row = history->spare;
        history->spare = row->next;
        free(row);
    }
    settings_done(&history->settings);
    weir_buf_free(&history->line);
    free(history);
}

static void pricehistory_close(void *self)
{
    struct history *history = self;
    history->store->close(history->store_self);
    history_free(history);
}

static int32_t pricehistory_open(const weir_host *host, weir_instance *instance, void **self)
{
    enum { STORE_DYNAMODB };
    struct history *history = calloc(1, sizeof *history);
    if (!history)
        return -ENOMEM;
    history->host = host;
    history->instance = instance;
    history->store = &store_dynamodb;
    int rc = settings_read(host, instance, &history->settings);
#ifdef WEIR_SQLITE
    if (history->settings.store != STORE_DYNAMODB)
        history->store = &store_sqlite;
#endif
    if (rc == 0)
        rc = history->store->open(history, &history->store_self);
    if (rc < 0) {
        history_free(history);
        return rc;
    }
    *self = history;
    return 0;
}

static const weir_option options[] = {
    {"store", "\"dynamodb\"", WEIR_O_ENUM, 0, "dynamodb|sqlite|memory",
     "Where the history is kept: a DynamoDB table, one SQLite file, or, to try things, memory."},
    {"table", "\"PriceHistory\"", WEIR_O_STRING, 0, NULL,
     "Name or ARN of the DynamoDB table that gets the rows."},
    {"path", NULL, WEIR_O_PATH, 0, NULL, "The SQLite file (store sqlite); made when absent."},
    {"timestamp", "\"sequence\"", WEIR_O_ENUM, 0, "sequence|seconds|text",
     "The sort key: seconds with the sequence number as fraction (N), whole seconds with "
     "collisions "
     "refused (N), or ISO time and sequence number (S)."},
    {"key_attribute", "\"product_id\"", WEIR_O_STRING, 0, NULL,
     "The key attribute of the source table that names the product."},
    {"price_attribute", "\"price\"", WEIR_O_STRING, 0, NULL,
     "The attribute that is watched; a path such as offers[0].price will do."},
    {"id_name", "\"product_id\"", WEIR_O_STRING, 0, NULL, "Name of the row's partition key."},
    {"timestamp_name", "\"timestamp\"", WEIR_O_STRING, 0, NULL, "Name of the row's sort key."},
    {"old_name", "\"old_price\"", WEIR_O_STRING, 0, NULL,
     "Name of the row's attribute for the old price."},
    {"new_name", "\"new_price\"", WEIR_O_STRING, 0, NULL,
     "Name of the row's attribute for the new price."},
    {"event_id_name", "\"event_id\"", WEIR_O_STRING, 0, NULL,
     "Name of the attribute that tells a repeat from a collision (timestamp seconds)."},
    {"other_keys", "true", WEIR_O_BOOL, 0, NULL,
     "Where the source's key has two attributes, write the second one too, under its own name."},
    {"events", "[\"MODIFY\"]", WEIR_O_JSON, 0, NULL,
     "Events that make rows: a list of INSERT (the first price), MODIFY, REMOVE (the last one)."},
    {"on_missing", "\"skip\"", WEIR_O_ENUM, 0, "skip|record",
     "A MODIFY in which the price appears or vanishes: no row, or a row with NULL for the absent "
     "side."},
    {"announce", "true", WEIR_O_BOOL, 0, NULL, "Log a line for every row that was stored."},
    {"concurrency", "16", WEIR_O_INT, 0, NULL, "Calls to DynamoDB in flight at once, 1 to 64."},
    {"batch", "25", WEIR_O_INT, 0, NULL,
     "Rows in one call, 1 to 25; 1 writes by PutItem. Timestamp seconds always writes by PutItem."},
    {"endpoint", NULL, WEIR_O_STRING, 0, NULL,
     "URL of the DynamoDB endpoint, instead of the configured one."},
    {"region", NULL, WEIR_O_STRING, 0, NULL, "Region of the table, instead of the configured one."},
    {0},
};

static const char *const watched[] = {"price",
                                      NULL}; /* open() puts the configured one in its place */

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .flags = WEIR_P_ORDER_NONE,
    .name = "pricehistory",
    .version = "1.0.0",
    .summary = "Keeps one row for every change of a price.",
    .options = options,
    .subscription = {sizeof(weir_subscription), WEIR_MODIFY, WEIR_OLD | WEIR_NEW, 1, watched},
    .repeats = WEIR_R_NATIVE,
    .open = pricehistory_open,
    .close = pricehistory_close,
    .deliver = pricehistory_deliver,
    .cancel = pricehistory_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
