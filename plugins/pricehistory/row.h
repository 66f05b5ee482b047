/* A row of the price history, made from one record. Rows hold views into their delivery, so a row
 * is never used after its record was completed. */
#ifndef WEIR_PRICEHISTORY_ROW_H
#define WEIR_PRICEHISTORY_ROW_H
#include "shared/text.h"

enum stamp_mode { STAMP_SEQUENCE, STAMP_SECONDS, STAMP_TEXT }; /* as in the option's choices */
enum { STAMP_MAX = 192 };

struct settings { /* of one instance; texts are NUL-terminated and live until close() */
    int64_t store, mode, concurrency, batch;
    bool on_missing_record, announce, other_keys;
    uint32_t events;
    weir_str table, path, endpoint, region;
    weir_str key_attribute, price_attribute;
    weir_str id_name, stamp_name, old_name, new_name, event_id_name; /* attributes of a row */
    char *price_path;                                                /* NUL-terminated copy */
};

struct row {
    struct row *next;
    uint64_t token;                                       /* of its delivery, and */
    size_t index;                                         /* its place there */
    const weir_value *id, *other, *old_price, *new_price; /* the prices: NULL = absent. other: the
                                                             second key attribute, or NULL */
    weir_str other_name, event_id;
    int64_t seconds;
    size_t json_bytes; /* of all values */
    size_t stamp_len;
    bool alone;            /* send it in a call of its own */
    char stamp[STAMP_MAX]; /* the sort key's value */
};

/* Fills `row` from `record`. WEIR_OK; WEIR_SKIP when there is no change to store; WEIR_FAIL with
 * *why (in `reason`, for people). */
int32_t row_make(const weir_host *host, const struct settings *settings, const weir_record *record,
                 struct row *row, char *reason, size_t reason_bytes);

/* Writes the sort key's value by settings->mode. NULL, or why that can't be. Static text. */
const char *stamp_make(enum stamp_mode mode, int64_t created_us, int32_t precision,
                       weir_str sequence, weir_str event_id, char out[STAMP_MAX], size_t *out_len);

/* The size of a value as DynamoDB counts it, or a little less. */
size_t value_bytes(const weir_host *host, const weir_value *value);

/* A value for people: S and N as they are, the rest as typed JSON. */
weir_str value_shown(const weir_host *host, const weir_value *value);
#endif
