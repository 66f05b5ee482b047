/* One call: its body, and what its answer means for the messages in it. */
#include "shared/sender_call.h"

#include <errno.h>
#include <stdio.h>

struct call *call_take(struct sender *sender)
{
    const struct sender_kind *kind = sender->kind;
    struct call *call = sender->spare;
    if (call)
        sender->spare = call->next;
    else
        call = calloc(1, sizeof *call + kind->entries_max * sizeof call->entries[0]);
    if (!call)
        return NULL;
    call->sender = sender;
    call->target = kind->target;
    call->count = call->bytes = 0;
    call->number = ++sender->calls_made;
    call->next = sender->open;
    sender->open = call;
    sender->in_flight++;
    weir_buf_clear(&call->body);
    kind->begin(sender, &call->body);
    return call;
}

void call_release(struct call *call)
{
    struct sender *sender = call->sender;
    struct call **at = &sender->open;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    sender->in_flight--;
    call->next = sender->spare;
    sender->spare = call;
}

enum added call_add(struct call *call, struct message *message, size_t *bytes)
{
    struct sender *sender = call->sender;
    struct entry *entry = &call->entries[call->count];
    size_t before = call->body.len;
    *entry = (struct entry){.message = message, .lane = message->lane, .group = message->group};
    if (!sender->kind->put(sender, call, message, entry, bytes)) {
        bool lacking = call->body.failed || sender->scratch.failed;
        call->body.len = before;
        call->body.failed = 0;
        return lacking ? ADD_NO_MEMORY : ADD_NO_FORM;
    }
    bool failed = call->body.failed;
    bool too_large = *bytes > (size_t)sender->entry_bytes_max;
    if (!failed && !too_large && call->bytes + *bytes <= (size_t)sender->call_bytes_max) {
        call->count++;
        call->bytes += *bytes;
        return ADDED;
    }
    call->body.len = before;
    call->body.failed = 0;
    return failed ? ADD_NO_MEMORY : too_large || call->count == 0 ? ADD_TOO_LARGE : ADD_NO_ROOM;
}

/* ---- answers ---- */

bool code_is_one_of(weir_str code, const char *const *names)
{
    for (; *names; names++)
        if (str_ends_with(code, weir_cstr(*names)))
            return true;
    return false;
}

void entry_give(struct entry *entry, int32_t outcome, const char *reason)
{
    if (entry->outcome != 0) {
        outcome = WEIR_RETRY;
        reason = "the answer names this message twice";
    }
    entry->outcome = outcome;
    snprintf(entry->reason, sizeof entry->reason, "%s", reason);
}

void entry_give_error(struct entry *entry, int32_t outcome, weir_str code, weir_str message)
{
    char reason[sizeof entry->reason];
    error_text(code, message, reason, sizeof reason);
    entry_give(entry, outcome, reason);
}

void entries_give_all(struct call *call, int32_t outcome, const char *reason)
{
    for (size_t i = 0; i < call->count; i++)
        entry_give(&call->entries[i], outcome, reason);
}

void entries_again_alone(struct call *call)
{
    for (size_t i = 0; i < call->count; i++)
        call->entries[i].again = AGAIN_ALONE;
}

void entries_give_list(struct call *call, const weir_json_node *list, const char *stored_by,
                       int32_t (*outcome_of)(weir_str code))
{
    const weir_json *json = call->sender->json;
    if (json->size(list) != call->count)
        return;
    for (size_t i = 0; i < call->count; i++) {
        const weir_json_node *node = json->entry(list, i, NULL);
        weir_str code = json->text(json->member(node, "ErrorCode"));
        if (code.len > 0)
            entry_give_error(&call->entries[i], outcome_of(code), code,
                             json->text(json->member(node, "ErrorMessage")));
        else if (json->text(json->member(node, stored_by)).len > 0)
            entry_give(&call->entries[i], WEIR_OK, "");
    }
}

static struct message *take(struct entry *entry)
{
    struct message *message = entry->message;
    entry->message = NULL;
    return message;
}

static void finish_all(struct call *call, int32_t outcome, const char *reason)
{
    for (size_t i = 0; i < call->count; i++) {
        struct message *message = take(&call->entries[i]);
        if (message)
            sender_finish(call->sender, message, outcome, reason);
    }
}

/* What is to be sent once more, in its order. */
static void put_back(struct call *call)
{
    for (size_t i = call->count; i-- > 0;) {
        enum again again = call->entries[i].again;
        struct message *message = again == AGAIN_NO ? NULL : take(&call->entries[i]);
        if (message)
            sender_put_back(call->sender, message, again == AGAIN_ALONE);
    }
}

static void stored(struct call *call, weir_str body)
{
    struct sender *sender = call->sender;
    weir_json_doc *doc = sender->json->parse(body);
    sender->kind->read(sender, call, doc ? sender->json->root(doc) : NULL);
    sender->json->free(doc);
    for (size_t i = 0; i < call->count; i++) {
        struct entry *entry = &call->entries[i];
        struct message *message = entry->again == AGAIN_NO ? take(entry) : NULL;
        if (!message)
            continue;
        if (entry->outcome == 0)
            entry_give(entry, WEIR_RETRY, "the answer does not name this message");
        sender_finish(call->sender, message, entry->outcome,
                      entry->outcome == WEIR_OK ? NULL : entry->reason);
    }
    put_back(call);
}

static void refused(struct call *call, int32_t outcome, weir_str code, weir_str text)
{
    char reason[256];
    int32_t judged = call->sender->kind->judge ? call->sender->kind->judge(code) : 0;
    if (judged != 0)
        outcome = judged;
    error_text(code, text, reason, sizeof reason);
    if (outcome != WEIR_FAIL || call->count == 1) {
        finish_all(call, outcome, reason);
        return;
    }
    entries_again_alone(call); /* one bad message fails the whole call: find it */
    put_back(call);
}

void call_answered(struct call *call, int32_t outcome, weir_str code, weir_str message,
                   weir_str body)
{
    struct sender *sender = call->sender;
    if (outcome != WEIR_OK)
        refused(call, outcome, code, message);
    else if (sender->kind->read)
        stored(call, body);
    else
        finish_all(call, WEIR_OK, NULL);
    call_release(call);
    sender_pump(sender);
}

uint64_t call_token(const struct call *call)
{
    for (size_t i = 1; i < call->count; i++)
        if (call->entries[i].message->token != call->entries[0].message->token)
            return 0;
    return call->entries[0].message->token;
}

static void answered(void *arg, const weir_aws_response *response)
{
    ((struct call *)arg)->response = response;
    call_answered(arg, response->outcome, response->error_type, response->error_message,
                  response->body);
}

static int start(struct call *call)
{
    struct sender *sender = call->sender;
    put_text(&call->body, sender->kind->body_end);
    if (call->body.failed)
        return -ENOMEM;
    if (sender->kind->send)
        return sender->kind->send(sender, call);
    const weir_aws_request request = {
        .struct_size = sizeof request,
        .concurrency = (int32_t)sender->concurrency,
        .service = sender->kind->service,
        .target = call->target,
        .json = sender->kind->json,
        .body = weir_buf_view(&call->body),
        .endpoint = sender->endpoint,
        .region = sender->region,
        .timeout_ms = sender->timeout_ms,
        .token = call_token(call),
        .protocol = sender->kind->protocol,
        .header_count = sender->header_count,
        .path = sender->path.ptr,
        .headers = sender->headers,
    };
    return sender->aws->call(sender->instance, &request, answered, call, &call->id);
}

void call_abort(struct call *call)
{
    struct sender *sender = call->sender;
    if (sender->kind->abort)
        sender->kind->abort(sender, call);
    else
        sender->aws->abort(sender->instance, call->id);
}

bool call_send(struct call *call)
{
    int rc = start(call);
    if (rc == -ENOMEM || rc == -EAGAIN || rc == -EBUSY)
        finish_all(call, WEIR_RETRY, "no room for another call");
    else if (rc < 0)
        finish_all(call, WEIR_DOWN, "the call can't be made: see endpoint and region");
    return rc >= 0;
}
