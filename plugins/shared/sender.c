/* The queue of a sender, and which of its messages go into a call. A service may take the second
 * message of a call and refuse the first; so where order matters at most one of a lane, and of a
 * group, is on its way. */
#include "shared/sender_call.h"

#include <errno.h>
#include <stdio.h>

enum { SKIPPED_MAX = 64, SCAN_MAX = 2000 };

int sender_open(struct sender *sender, const struct sender_kind *kind, const weir_host *host,
                weir_instance *instance)
{
    sender->kind = kind;
    sender->host = host;
    sender->instance = instance;
    sender->tail = &sender->head;
    sender->entries_max = kind->entries_max;
    sender->concurrency = 1;
    if (kind->send)
        return 0;
    host->option_str(instance, "region", &sender->region);
    sender->aws = host->extension(instance, WEIR_EXT_AWS);
    sender->json = host->extension(instance, WEIR_EXT_JSON);
    if (!sender->aws || !sender->json)
        sender->unable = "this host has no weir.aws/1 or weir.json/1";
    else if (kind->protocol != WEIR_AWS_JSON && sender->aws->revision < 2)
        sender->unable = "this host's weir.aws/1 is too old: it speaks JSON alone";
    return sender_read_concurrency(sender);
}

int32_t sender_new(const struct sender_kind *kind, size_t bytes, int (*read_options)(void *sink),
                   const weir_host *host, weir_instance *instance, void **self)
{
    struct sender *sender = calloc(1, bytes);
    if (!sender)
        return -ENOMEM;
    int rc = sender_open(sender, kind, host, instance);
    if (rc == 0)
        rc = read_options(sender);
    if (rc == 0 && sender->path.len > 0)
        weir_buf_put(&sender->path, weir_view("", 1)); /* NUL */
    if (rc == 0 && sender->path.failed)
        rc = -ENOMEM;
    if (rc < 0)
        sender_close(sender);
    else
        *self = sender;
    return rc;
}

int sender_read_bytes(const struct sender *sender, const char *option, int64_t most,
                      const char *why, int64_t *out)
{
    int64_t bytes = most;
    sender->host->option_i64(sender->instance, option, &bytes);
    if (bytes < 1024 || bytes > most)
        return sender_refuse(sender, option, why);
    *out = bytes;
    return 0;
}

int sender_read_concurrency(struct sender *sender)
{
    sender->host->option_i64(sender->instance, "concurrency", &sender->concurrency);
    if (sender->concurrency < 1 || sender->concurrency > SENDER_CONCURRENCY_MAX)
        return sender_refuse(sender, "concurrency", "must be 1 to 64");
    return 0;
}

int sender_refuse(const struct sender *sender, const char *option, const char *why)
{
    sender->host->option_error(sender->instance, option, weir_cstr(why));
    return -EINVAL;
}

void sender_declare(const struct sender *sender, const char *word, const char *action,
                    const char *kind, weir_str name)
{
    weir_buf text = {0};
    const char *colon = strchr(action, ':');
    put_text(&text, word);
    put_char(&text, ' ');
    put_visible(&text, name, 160);
    sender->host->declare(sender->instance, WEIR_D_TARGET, weir_buf_view(&text));
    weir_buf_clear(&text);
    put_text(&text, action);
    put_char(&text, ' ');
    put_resource(&text, weir_view(action, (size_t)(colon - action)), sender->region,
                 sender->account, kind, name);
    sender->host->declare(sender->instance, WEIR_D_IAM, weir_buf_view(&text));
    weir_buf_free(&text);
}

static struct message *unlink_message(struct sender *sender, struct message **at)
{
    struct message *message = *at;
    *at = message->next;
    if (!*at)
        sender->tail = at;
    return message;
}

static void complete(struct sender *sender, struct message *message, int32_t outcome,
                     const char *reason)
{
    sender->host->complete(sender->instance, message->token, message->index, outcome,
                           weir_cstr(reason));
    message->next = sender->spare_messages;
    sender->spare_messages = message;
}

/* What waits behind a message that was not stored must not overtake it. Where the target is down,
 * `reason` says why: the host tells of the first message that it hears of. */
static void hold_back(struct sender *sender, const struct message *failed, int32_t outcome,
                      const char *reason)
{
    bool down = outcome == WEIR_DOWN;
    struct message **at = &sender->head;
    while (*at) {
        struct message *message = *at;
        bool behind = message->token == failed->token && message->index > failed->index &&
                      (message->lane == failed->lane || message->group == failed->group);
        if (!behind) {
            at = &message->next;
            continue;
        }
        complete(sender, unlink_message(sender, at), down ? WEIR_DOWN : WEIR_RETRY,
                 down ? reason : "held back: the message before it was not sent");
    }
}

void sender_finish(struct sender *sender, struct message *message, int32_t outcome,
                   const char *reason)
{
    if (sender->kind->ordered && outcome != WEIR_OK)
        hold_back(sender, message, outcome, reason);
    complete(sender, message, outcome, reason);
}

void sender_put_back(struct sender *sender, struct message *message, bool alone)
{
    message->alone = alone;
    message->next = sender->head;
    if (!sender->head)
        sender->tail = &message->next;
    sender->head = message;
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

static bool on_its_way(const struct sender *sender, const struct message *message)
{
    for (const struct call *call = sender->open; call; call = call->next)
        for (size_t i = 0; i < call->count; i++)
            if (call->entries[i].lane == message->lane || call->entries[i].group == message->group)
                return true;
    return false;
}

/* The next message that may go, from *at on; *at then points at it. NULL: none. */
static struct message *next_free(const struct sender *sender, struct message ***at,
                                 struct skipped *skipped)
{
    if (!sender->kind->ordered)
        return **at;
    for (size_t seen = 0; **at && seen < SCAN_MAX; seen++) {
        struct message *message = **at;
        if (skipped->count + 2 > SKIPPED_MAX)
            return NULL;
        if (!is_skipped(skipped, message) && !on_its_way(sender, message))
            return message;
        skip(skipped, message->lane);
        skip(skipped, message->group);
        *at = &message->next;
    }
    return NULL;
}

static void refuse(struct sender *sender, struct message *message, enum added why, size_t bytes)
{
    char reason[160];
    if (why == ADD_NO_MEMORY) {
        sender_finish(sender, message, WEIR_RETRY, "out of memory");
    } else if (why == ADD_NO_FORM) {
        sender_finish(sender, message, WEIR_FAIL, "this record has no such form");
    } else {
        snprintf(reason, sizeof reason, "too large: the message has %zu bytes, %s is %lld", bytes,
                 sender->kind->too_large_key, (long long)sender->entry_bytes_max);
        sender_finish(sender, message, WEIR_FAIL, reason);
    }
}

static void fill(struct call *call)
{
    struct sender *sender = call->sender;
    struct skipped skipped = {.count = 0};
    struct message **at = &sender->head;
    while (call->count < sender->entries_max) {
        struct message *message = next_free(sender, &at, &skipped);
        size_t bytes = 0;
        if (!message || (message->alone && call->count > 0))
            break;
        enum added added = call_add(call, message, &bytes);
        if (added == ADD_NO_ROOM)
            break;
        unlink_message(sender, at);
        if (added != ADDED) {
            refuse(sender, message, added, bytes);
            at = &sender->head; /* what waited behind it may be gone */
            skipped.count = 0;
        }
        if (added == ADDED && message->alone)
            break;
    }
}

void sender_pump(struct sender *sender)
{
    while (sender->head && sender->in_flight < sender->concurrency) {
        if (sender->kind->may_send && !sender->kind->may_send(sender))
            return;
        struct call *call = call_take(sender);
        if (!call)
            break;
        fill(call);
        bool empty = call->count == 0;
        bool sent = !empty && call_send(call);
        if (!sent)
            call_release(call);
        if (empty)
            break; /* all that waits waits for an answer */
    }
    while (sender->in_flight == 0 && sender->head)
        complete(sender, unlink_message(sender, &sender->head), WEIR_RETRY, "out of memory");
}

/* ---- what the host asks ---- */

static struct message *message_take(struct sender *sender)
{
    struct message *message = sender->spare_messages;
    if (!message)
        return malloc(sizeof *message);
    sender->spare_messages = message->next;
    return message;
}

void sender_deliver(void *sink, weir_delivery *delivery)
{
    struct sender *sender = sink;
    const weir_host *host = sender->host;
    uint64_t token = host->token(delivery);
    size_t count = host->count(delivery);
    if (sender->unable) {
        host->complete_rest(sender->instance, token, WEIR_DOWN, weir_cstr(sender->unable));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const weir_record *record = host->at(delivery, i);
        struct message *message = message_take(sender);
        if (!message) { /* the later ones of its lane wait as well: in doubt all do */
            for (; i < count; i++)
                host->complete(sender->instance, token, i, WEIR_RETRY, WEIR_STR("out of memory"));
            break;
        }
        *message = (struct message){.token = token, .index = i, .record = record};
        message->lane = message->group = host->lane(record);
        if (sender->kind->group)
            message->group = sender->kind->group(sender, record);
        *sender->tail = message;
        sender->tail = &message->next;
    }
    sender_pump(sender);
}

void sender_give_back(struct sender *sender, uint64_t token, int32_t outcome, const char *reason)
{
    for (struct message **at = &sender->head; *at;) {
        if ((*at)->token == token)
            complete(sender, unlink_message(sender, at), outcome, reason);
        else
            at = &(*at)->next;
    }
}

/* Lane and group of a cancelled entry stay taken until its call has ended: a redelivery waits. */
void sender_cancel(void *sink, uint64_t token)
{
    struct sender *sender = sink;
    sender_give_back(sender, token, WEIR_RETRY, "cancelled");
    for (struct call *call = sender->open; call; call = call->next) {
        size_t left = 0, dropped = 0;
        for (size_t i = 0; i < call->count; i++) {
            struct message *message = call->entries[i].message;
            if (message && message->token == token) {
                complete(sender, message, WEIR_RETRY, "cancelled");
                call->entries[i].message = NULL;
                dropped++;
            }
            left += call->entries[i].message != NULL;
        }
        if (dropped > 0 && left == 0)
            call_abort(call);
    }
}

void sender_close(void *sink)
{
    struct sender *sender = sink;
    while (sender->spare) {
        struct call *call = sender->spare;
        sender->spare = call->next;
        weir_buf_free(&call->body);
        free(call);
    }
    while (sender->spare_messages) {
        struct message *message = sender->spare_messages;
        sender->spare_messages = message->next;
        free(message);
    }
    weir_buf_free(&sender->scratch);
    weir_buf_free(&sender->path);
    free(sink);
}
