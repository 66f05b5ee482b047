/* What waits, and the calls on their way. Per lane and per message group at most one message is on
 * its way: SQS may take the second of a call and refuse the first, and then no order could be kept.
 */
#include "sqs.h"

#include <errno.h>
#include <stdio.h>

enum { SKIPPED_MAX = 64, SCAN_MAX = 2000 };

static struct message *unlink_message(struct sqs *sqs, struct message **at)
{
    struct message *message = *at;
    *at = message->next;
    if (!*at)
        sqs->tail = at;
    return message;
}

static void complete(struct sqs *sqs, struct message *message, int32_t outcome, const char *reason)
{
    sqs->host->complete(sqs->instance, message->token, message->index, outcome, weir_cstr(reason));
    message->next = sqs->spare_messages;
    sqs->spare_messages = message;
}

/* What waits behind a message that was not stored must not overtake it. */
static void hold_back(struct sqs *sqs, const struct message *failed, int32_t outcome)
{
    struct message **at = &sqs->head;
    while (*at) {
        struct message *message = *at;
        bool behind = message->token == failed->token && message->index > failed->index &&
                      (message->lane == failed->lane || message->group == failed->group);
        if (!behind) {
            at = &message->next;
            continue;
        }
        complete(sqs, unlink_message(sqs, at), outcome == WEIR_DOWN ? WEIR_DOWN : WEIR_RETRY,
                 "held back: the message before it was not sent");
    }
}

void sender_finish(struct sqs *sqs, struct message *message, int32_t outcome, const char *reason)
{
    if (outcome != WEIR_OK)
        hold_back(sqs, message, outcome);
    complete(sqs, message, outcome, reason);
}

void sender_fail(struct sqs *sqs, int32_t outcome, const char *reason)
{
    while (sqs->head)
        complete(sqs, unlink_message(sqs, &sqs->head), outcome, reason);
}

void sender_add(struct sqs *sqs, struct message *message)
{
    message->next = NULL;
    *sqs->tail = message;
    sqs->tail = &message->next;
}

void sender_put_back(struct sqs *sqs, struct message *message)
{
    message->alone = true;
    message->next = sqs->head;
    if (!sqs->head)
        sqs->tail = &message->next;
    sqs->head = message;
}

/* ---- which messages go into a call ---- */

struct skipped { /* lanes and groups of which an earlier message waits */
    uint64_t values[SKIPPED_MAX];
    size_t count;
};

static bool is_skipped(const struct skipped *skipped, const struct message *message)
{
    for (size_t i = 0; i < skipped->count; i++)
        if (skipped->values[i] == message->lane || skipped->values[i] == message->group)
            return true;
    return false;
}

static void skip(struct skipped *skipped, uint64_t value)
{
    for (size_t i = 0; i < skipped->count; i++)
        if (skipped->values[i] == value)
            return;
    skipped->values[skipped->count++] = value;
}

static bool on_its_way(const struct sqs *sqs, const struct message *message)
{
    for (const struct call *call = sqs->open; call; call = call->next)
        for (size_t i = 0; i < call->count; i++)
            if (call->entries[i].lane == message->lane || call->entries[i].group == message->group)
                return true;
    return false;
}

/* The next message that may go, from *at on; *at then points at it. NULL: none. */
static struct message *next_free(const struct sqs *sqs, struct message ***at,
                                 struct skipped *skipped)
{
    for (size_t seen = 0; **at && seen < SCAN_MAX; seen++) {
        struct message *message = **at;
        if (skipped->count + 2 > SKIPPED_MAX)
            return NULL;
        if (!is_skipped(skipped, message) && !on_its_way(sqs, message))
            return message;
        skip(skipped, message->lane);
        skip(skipped, message->group);
        *at = &message->next;
    }
    return NULL;
}

static void refuse(struct sqs *sqs, struct message *message, enum added why, size_t bytes)
{
    char reason[160];
    if (why == ADD_NO_MEMORY) {
        sender_finish(sqs, message, WEIR_RETRY, "out of memory");
    } else if (why == ADD_NO_FORM) {
        sender_finish(sqs, message, WEIR_FAIL, "this record has no such form");
    } else {
        snprintf(reason, sizeof reason,
                 "too large: the message has %zu bytes, max_message_bytes is %lld", bytes,
                 (long long)sqs->max_bytes);
        sender_finish(sqs, message, WEIR_FAIL, reason);
    }
}

static void fill(struct call *call)
{
    struct sqs *sqs = call->sqs;
    struct skipped skipped = {.count = 0};
    struct message **at = &sqs->head;
    while (call->count < ENTRIES_MAX) {
        struct message *message = next_free(sqs, &at, &skipped);
        size_t bytes = 0;
        if (!message || (message->alone && call->count > 0))
            break;
        enum added added = message_add(call, message, &bytes);
        if (added == ADD_NO_ROOM)
            break;
        unlink_message(sqs, at);
        if (added != ADDED) {
            refuse(sqs, message, added, bytes);
            at = &sqs->head; /* what waited behind it may be gone */
            skipped.count = 0;
        }
        if (added == ADDED && message->alone)
            break;
    }
}

/* ---- calls ---- */

static struct call *call_take(struct sqs *sqs)
{
    struct call *call = sqs->spare;
    if (call)
        sqs->spare = call->next;
    else
        call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->sqs = sqs;
    call->count = call->bytes = 0;
    call->number = ++sqs->calls_made;
    call->next = sqs->open;
    sqs->open = call;
    sqs->in_flight++;
    weir_buf_clear(&call->body);
    put_text(&call->body, "{\"QueueUrl\":");
    weir_buf_json_string(&call->body, sqs->queue_url);
    put_text(&call->body, ",\"Entries\":[");
    return call;
}

static void call_release(struct call *call)
{
    struct sqs *sqs = call->sqs;
    struct call **at = &sqs->open;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    sqs->in_flight--;
    call->next = sqs->spare;
    sqs->spare = call;
}

static void answered(void *arg, const weir_aws_response *response)
{
    struct call *call = arg;
    struct sqs *sqs = call->sqs;
    call_answered(call, response);
    call_release(call);
    sender_pump(sqs);
}

static uint64_t one_token(const struct call *call)
{
    for (size_t i = 1; i < call->count; i++)
        if (call->entries[i].message->token != call->entries[0].message->token)
            return 0;
    return call->entries[0].message->token;
}

static int send(struct call *call)
{
    struct sqs *sqs = call->sqs;
    put_text(&call->body, "]}");
    if (call->body.failed)
        return -ENOMEM;
    const weir_aws_request request = {
        .struct_size = sizeof request,
        .concurrency = (int32_t)sqs->concurrency,
        .service = "sqs",
        .target = "AmazonSQS.SendMessageBatch",
        .json = "1.0",
        .body = weir_buf_view(&call->body),
        .endpoint = sqs->endpoint,
        .region = sqs->region,
        .token = one_token(call),
    };
    return sqs->aws->call(sqs->instance, &request, answered, call, &call->id);
}

void sender_pump(struct sqs *sqs)
{
    while (sqs->head && sqs->in_flight < sqs->concurrency) {
        struct call *call = call_take(sqs);
        if (!call)
            break;
        fill(call);
        bool empty = call->count == 0;
        int rc = empty ? 0 : send(call);
        if (rc == -ENOMEM || rc == -EAGAIN || rc == -EBUSY)
            call_finish(call, WEIR_RETRY, "no room for another call");
        else if (rc < 0)
            call_finish(call, WEIR_DOWN, "the call to SQS can't be made: see queue_url and region");
        if (empty || rc < 0)
            call_release(call);
        if (empty)
            break; /* all that waits waits for an answer */
    }
    if (sqs->in_flight == 0)
        sender_fail(sqs, WEIR_RETRY, "out of memory");
}

static void cancel_waiting(struct sqs *sqs, uint64_t token)
{
    struct message **at = &sqs->head;
    while (*at) {
        if ((*at)->token == token)
            complete(sqs, unlink_message(sqs, at), WEIR_RETRY, "cancelled");
        else
            at = &(*at)->next;
    }
}

/* Lane and group of a cancelled entry stay taken until its call has ended: a redelivery waits. */
void sender_cancel(struct sqs *sqs, uint64_t token)
{
    cancel_waiting(sqs, token);
    for (struct call *call = sqs->open; call; call = call->next) {
        size_t left = 0, dropped = 0;
        for (size_t i = 0; i < call->count; i++) {
            struct message *message = call->entries[i].message;
            if (message && message->token == token) {
                complete(sqs, message, WEIR_RETRY, "cancelled");
                call->entries[i].message = NULL;
                dropped++;
            }
            left += call->entries[i].message != NULL;
        }
        if (dropped > 0 && left == 0)
            sqs->aws->abort(sqs->instance, call->id);
    }
}

void sender_free(struct sqs *sqs)
{
    while (sqs->spare) {
        struct call *call = sqs->spare;
        sqs->spare = call->next;
        weir_buf_free(&call->body);
        free(call);
    }
    while (sqs->spare_messages) {
        struct message *message = sqs->spare_messages;
        sqs->spare_messages = message->next;
        free(message);
    }
    weir_buf_free(&sqs->scratch);
}
