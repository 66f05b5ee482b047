/* The rows in DynamoDB: a queue over all deliveries, and calls of up to 25 rows. */
#ifndef WEIR_PRICEHISTORY_DYNAMO_H
#define WEIR_PRICEHISTORY_DYNAMO_H
#include "history.h"

#include <weir/ext/aws.h>
#include <weir/ext/json.h>

enum {
    ITEMS_MAX = 25,             /* of a BatchWriteItem */
    ROWS_MAX = 2 * ITEMS_MAX,   /* of a call: equal rows share an item */
    BODY_MAX = 15 * 1024 * 1024 /* DynamoDB takes 16 MB */
};

struct call {
    struct dynamo *store;
    struct call *next; /* in dynamo.open or dynamo.spare */
    uint64_t id;       /* of weir.aws/1 */
    size_t row_count, item_count;
    bool put;                   /* PutItem */
    struct row *rows[ROWS_MAX]; /* NULL: was cancelled */
    weir_buf body;
};

struct dynamo {
    struct history *history;
    const weir_aws *aws; /* NULL in a check */
    const weir_json *json;
    struct row *head, **tail; /* rows waiting */
    struct call *open, *spare;
    int64_t in_flight;
    /* What stands between the values of an item: made once. */
    weir_buf request_start, item_start, before_stamp, after_stamp, before_new, item_end;
};

int body_prepare(struct dynamo *store); /* 0 or -ENOMEM */
void body_done(struct dynamo *store);
/* Appends to call->body; body_start() first. False: memory ran out. */
void body_start(struct call *call);
void body_put_row(struct call *call, const struct row *row);
bool body_end(struct call *call);
size_t body_row_bytes(const struct dynamo *store, const struct row *row); /* at most */

/* Tells the rows of `call` what its answer means for them: finishes them, or puts them back in the
 * queue to be sent alone. */
void call_answered(struct call *call, const weir_aws_response *response);
/* All rows left in `call` get one outcome. */
void call_finish(struct call *call, int32_t outcome, const char *reason);

void dynamo_put_back(struct dynamo *store,
                     struct row *row); /* to be sent alone, before the others */
#endif
