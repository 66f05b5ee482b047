/* What an answer means for the messages of its call. */
#include "sqs.h"

#include <stdio.h>

struct verdict {
    int32_t outcome; /* 0: the answer doesn't name this entry */
    char reason[256];
};

static void describe(weir_str code, weir_str message, char *out, size_t out_bytes)
{
    weir_buf text = {0};
    put_visible(&text, code, 64);
    if (message.len > 0) {
        put_text(&text, text.len > 0 ? ": " : "");
        put_visible(&text, message, 160);
    }
    snprintf(out, out_bytes, "%.*s", (int)text.len, text.len ? text.ptr : "");
    weir_buf_free(&text);
}

/* Errors that say what to do by their name. 0: another one. The JSON protocol says
 * QueueDoesNotExist, the query names that some servers still send end alike. */
static int32_t known_code(weir_str code)
{
    static const char *const down[] = {
        "QueueDoesNotExist",    "NonExistentQueue",      "KmsAccessDenied", "KmsDisabled",
        "KmsInvalidKeyUsage",   "KmsInvalidState",       "KmsNotFound",     "KmsOptInRequired",
        "AccessDenied",         "AccessDeniedException", "InvalidAddress",  "InvalidSecurity",
        "UnsupportedOperation", "RequestThrottled",      "KmsThrottled",    "OverLimit"};
    for (size_t i = 0; i < sizeof down / sizeof down[0]; i++)
        if (str_ends_with(code, weir_cstr(down[i])))
            return WEIR_DOWN;
    return 0;
}

static bool is_throttled(weir_str code)
{
    return str_contains(code, "Throttl");
}

void call_finish(struct call *call, int32_t outcome, const char *reason)
{
    for (size_t i = 0; i < call->count; i++) {
        struct message *message = call->entries[i].message;
        call->entries[i].message = NULL;
        if (message)
            sender_finish(call->sqs, message, outcome, reason);
    }
}

/* ---- answers with a verdict per entry ---- */

/* The entry's verdict, by its Id. NULL: none of this call's. */
static struct verdict *find(const struct call *call, const weir_json_node *node,
                            struct verdict *verdicts, size_t *index)
{
    const weir_json *json = call->sqs->json;
    weir_str id = json->text(json->member(node, "Id"));
    for (size_t i = 0; i < call->count; i++) {
        char ours[48];
        snprintf(ours, sizeof ours, "%llu-%zu", (unsigned long long)call->number, i);
        if (weir_equal(id, weir_cstr(ours))) {
            *index = i;
            return &verdicts[i];
        }
    }
    return NULL;
}

/* An entry that is named twice has no verdict that could be trusted. */
static void give(struct verdict *verdict, int32_t outcome, const char *reason)
{
    if (verdict->outcome != 0) {
        outcome = WEIR_RETRY;
        reason = "the answer names this message twice";
    }
    verdict->outcome = outcome;
    snprintf(verdict->reason, sizeof verdict->reason, "%s", reason);
}

static void read_stored(const struct call *call, const weir_json_node *list,
                        struct verdict *verdicts)
{
    const weir_json *json = call->sqs->json;
    for (size_t i = 0; i < json->size(list); i++) {
        size_t index;
        const weir_json_node *node = json->entry(list, i, NULL);
        struct verdict *verdict = find(call, node, verdicts, &index);
        if (!verdict)
            continue;
        weir_str sum = json->text(json->member(node, "MD5OfMessageBody"));
        bool same = weir_equal(sum, weir_cstr(call->entries[index].md5));
        give(verdict, same ? WEIR_OK : WEIR_RETRY,
             same ? "" : "the MD5 of the stored body differs");
    }
}

static int32_t entry_outcome(const weir_json *json, const weir_json_node *node, weir_str code)
{
    int32_t outcome = is_throttled(code) ? WEIR_RETRY : known_code(code);
    if (outcome != 0)
        return outcome;
    bool sender_fault = weir_equal(json->text(json->member(node, "SenderFault")), WEIR_STR("true"));
    return sender_fault ? WEIR_FAIL : WEIR_RETRY;
}

static void read_failed(const struct call *call, const weir_json_node *list,
                        struct verdict *verdicts)
{
    const weir_json *json = call->sqs->json;
    for (size_t i = 0; i < json->size(list); i++) {
        char reason[256];
        size_t index;
        const weir_json_node *node = json->entry(list, i, NULL);
        struct verdict *verdict = find(call, node, verdicts, &index);
        weir_str code = json->text(json->member(node, "Code"));
        if (!verdict)
            continue;
        describe(code, json->text(json->member(node, "Message")), reason, sizeof reason);
        give(verdict, entry_outcome(json, node, code), reason);
    }
}

static void sent(struct call *call, weir_str body)
{
    struct verdict verdicts[ENTRIES_MAX] = {{0}};
    const weir_json *json = call->sqs->json;
    weir_json_doc *doc = json->parse(body);
    const weir_json_node *root = doc ? json->root(doc) : NULL;
    read_stored(call, json->member(root, "Successful"), verdicts);
    read_failed(call, json->member(root, "Failed"), verdicts);
    json->free(doc);
    for (size_t i = 0; i < call->count; i++) {
        struct message *message = call->entries[i].message;
        call->entries[i].message = NULL;
        if (!message)
            continue;
        if (verdicts[i].outcome == 0)
            give(&verdicts[i], WEIR_RETRY, "the answer does not name this message");
        sender_finish(call->sqs, message, verdicts[i].outcome,
                      verdicts[i].outcome == WEIR_OK ? NULL : verdicts[i].reason);
    }
}

/* ---- the call as a whole ---- */

void call_answered(struct call *call, const weir_aws_response *response)
{
    char reason[256];
    if (response->outcome == WEIR_OK) {
        sent(call, response->body);
        return;
    }
    int32_t outcome = known_code(response->error_type);
    if (outcome == 0)
        outcome = response->outcome;
    describe(response->error_type, response->error_message, reason, sizeof reason);
    if (outcome != WEIR_FAIL || call->count == 1) {
        call_finish(call, outcome, reason);
        return;
    }
    for (size_t i = call->count; i-- > 0;) { /* one bad message fails the whole call: find it */
        struct message *message = call->entries[i].message;
        call->entries[i].message = NULL;
        if (message)
            sender_put_back(call->sqs, message);
    }
}
