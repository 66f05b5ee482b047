#include "dynamo.h"

#include <errno.h>

static struct call *call_take(struct dynamo *store)
{
    struct call *call = store->spare;
    if (call)
        store->spare = call->next;
    else
        call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->store = store;
    call->put =
        store->history->settings.mode == STAMP_SECONDS || store->history->settings.batch == 1;
    call->row_count = call->item_count = 0;
    call->next = store->open;
    store->open = call;
    store->in_flight++;
    return call;
}

static void call_release(struct call *call)
{
    struct dynamo *store = call->store;
    struct call **at = &store->open;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    store->in_flight--;
    if (call->body.cap > 1024 * 1024)
        weir_buf_free(&call->body);
    call->next = store->spare;
    store->spare = call;
}

static struct row *queue_pop(struct dynamo *store)
{
    struct row *row = store->head;
    store->head = row->next;
    if (!store->head)
        store->tail = &store->head;
    row->next = NULL;
    return row;
}

void dynamo_put_back(struct dynamo *store, struct row *row)
{
    row->alone = true;
    row->next = store->head;
    if (!store->head)
        store->tail = &row->next;
    store->head = row;
}

enum fit { FIT_NEW, FIT_SAME, FIT_NOT };

/* Whether `row` can go into `call`: as a new item, with an equal one (a repeat of the same record,
 * for which DynamoDB would refuse the call), or not. */
static enum fit fit(const struct call *call, const struct row *row)
{
    const struct history *history = call->store->history;
    const weir_host *host = history->host;
    for (size_t i = 0; i < call->row_count; i++) {
        const struct row *other = call->rows[i];
        if (other->stamp_len != row->stamp_len ||
            memcmp(other->stamp, row->stamp, row->stamp_len) != 0 ||
            !host->equal(other->id, row->id))
            continue;
        bool same = weir_equal(other->event_id, row->event_id) &&
                    weir_equal(host->json(other->old_price), host->json(row->old_price)) &&
                    weir_equal(host->json(other->new_price), host->json(row->new_price));
        return same && call->row_count < ROWS_MAX ? FIT_SAME : FIT_NOT;
    }
    size_t items_max = call->put ? 1 : (size_t)history->settings.batch;
    bool room = call->item_count < items_max && call->row_count < ROWS_MAX &&
                call->body.len + body_row_bytes(call->store, row) < BODY_MAX;
    return room || call->item_count == 0 ? FIT_NEW : FIT_NOT;
}

static void fill(struct call *call)
{
    struct dynamo *store = call->store;
    body_start(call);
    while (store->head) {
        struct row *row = store->head;
        if (row->alone && call->row_count > 0)
            break;
        enum fit how = fit(call, row);
        if (how == FIT_NOT)
            break;
        call->rows[call->row_count++] = queue_pop(store);
        if (how == FIT_NEW)
            body_put_row(call, row);
        if (row->alone)
            break;
    }
}

static void pump(struct dynamo *store);

static void answered(void *arg, const weir_aws_response *response)
{
    struct call *call = arg;
    struct dynamo *store = call->store;
    call_answered(call, response);
    call_release(call);
    pump(store);
}

/* The delivery that all rows of a call belong to, or 0. */
static uint64_t one_token(const struct call *call)
{
    for (size_t i = 1; i < call->row_count; i++)
        if (call->rows[i]->token != call->rows[0]->token)
            return 0;
    return call->rows[0]->token;
}

static int send(struct call *call)
{
    struct dynamo *store = call->store;
    const struct settings *s = &store->history->settings;
    const weir_aws_request request = {
        .struct_size = sizeof request,
        .concurrency = (int32_t)s->concurrency,
        .service = "dynamodb",
        .target = call->put ? "DynamoDB_20120810.PutItem" : "DynamoDB_20120810.BatchWriteItem",
        .json = "1.0",
        .body = weir_buf_view(&call->body),
        .endpoint = s->endpoint,
        .region = s->region,
        .token = one_token(call),
    };
    return store->aws->call(store->history->instance, &request, answered, call, &call->id);
}

static void pump(struct dynamo *store)
{
    while (store->head && store->in_flight < store->history->settings.concurrency) {
        struct call *call = call_take(store);
        if (!call)
            break; /* the next answer comes back here; without any, start() fails the queue */
        fill(call);
        int rc = body_end(call) ? send(call) : -ENOMEM;
        if (rc == 0)
            continue;
        if (rc == -ENOMEM || rc == -EAGAIN || rc == -EBUSY)
            call_finish(call, WEIR_RETRY, "no room for another call");
        else
            call_finish(call, WEIR_DOWN,
                        "the call to DynamoDB can't be made: see endpoint and region");
        call_release(call);
    }
}

static void fail_queue(struct dynamo *store, int32_t outcome, const char *reason)
{
    while (store->head)
        history_finish(store->history, queue_pop(store), outcome, reason);
}

static void dynamo_start(void *self)
{
    struct dynamo *store = self;
    if (!store->aws || !store->json) {
        fail_queue(store, WEIR_DOWN, "this host has no weir.aws/1 or weir.json/1");
        return;
    }
    pump(store);
    if (store->in_flight == 0)
        fail_queue(store, WEIR_RETRY, "out of memory");
}

static void dynamo_add(void *self, struct row *row)
{
    struct dynamo *store = self;
    *store->tail = row;
    store->tail = &row->next;
}

static void cancel_waiting(struct dynamo *store, uint64_t token)
{
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

/* A call may serve several deliveries: it is aborted only when nobody waits for it any more. */
static void dynamo_cancel(void *self, uint64_t token)
{
    struct dynamo *store = self;
    cancel_waiting(store, token);
    for (struct call *call = store->open; call; call = call->next) {
        size_t left = 0, dropped = 0;
        for (size_t i = 0; i < call->row_count; i++) {
            struct row *row = call->rows[i];
            if (row && row->token == token) {
                history_finish(store->history, row, WEIR_RETRY, "cancelled");
                call->rows[i] = NULL;
                dropped++;
            }
            left += call->rows[i] != NULL;
        }
        if (dropped > 0 && left == 0)
            store->aws->abort(store->history->instance, call->id);
    }
}

static void dynamo_close(void *self)
{
    struct dynamo *store = self;
    while (store->spare) {
        struct call *call = store->spare;
        store->spare = call->next;
        weir_buf_free(&call->body);
        free(call);
    }
    body_done(store);
    free(store);
}

static int dynamo_open(struct history *history, void **self)
{
    struct dynamo *store = calloc(1, sizeof *store);
    if (!store)
        return -ENOMEM;
    store->history = history;
    store->tail = &store->head;
    store->aws = history->host->extension(history->instance, WEIR_EXT_AWS);
    store->json = history->host->extension(history->instance, WEIR_EXT_JSON);
    if (body_prepare(store) < 0) {
        body_done(store);
        free(store);
        return -ENOMEM;
    }
    *self = store;
    return 0;
}

const struct store store_dynamodb = {dynamo_open, dynamo_add, dynamo_start, dynamo_cancel,
                                     dynamo_close};
