/* Records to feed the sink, and a DynamoDB table that holds what it wrote. */
#ifndef WEIR_PRICEHISTORY_TESTS_TABLE_H
#define WEIR_PRICEHISTORY_TESTS_TABLE_H
#include "fakehost.h"

enum { TABLE_ROWS_MAX = 1024 };

struct table {
    char *keys[TABLE_ROWS_MAX];  /* raw JSON of partition and sort key */
    char *items[TABLE_ROWS_MAX]; /* raw JSON of the item */
    size_t count;
    unsigned repeats;        /* writes of a row that was there, with the same content */
    unsigned overwrites;     /* ... with another content */
    unsigned duplicate_keys; /* calls that DynamoDB would refuse for that */
};

/* Applies a BatchWriteItem or PutItem (its condition left aside); its key attributes are product_id
 * and timestamp. Returns the number of items. */
size_t table_apply(struct table *table, const struct fake_call *call);
void table_free(struct table *table);
/* The item whose key text contains `part`, or NULL. */
const char *table_find(const struct table *table, const char *part);

/* One MODIFY of product `id` from price `was` to `now`, which are typed JSON or NULL (absent), at
 * second `seconds`, with the sequence number given. In a static buffer of its own for each of 8
 * calls. */
const char *change(const char *id, const char *was, const char *now, const char *seconds,
                   const char *sequence);
/* `count` changes of `products` products within one second, as {"Records":[...]}. From mem_alloc.
 */
char *many_changes(size_t count, size_t products);
#endif
