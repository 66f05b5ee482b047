/* What an answer means for the messages of its call. */
#include "sqs.h"

#include <stdio.h>

/* Errors that say what to do by their name. 0: another one. The JSON protocol says
 * QueueDoesNotExist, the query names that some servers still send end alike. */
int32_t answer_judge(weir_str code)
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

/* The entry that a part of the answer names by its Id. NULL: none of this call's. */
static struct entry *find(struct call *call, const weir_json_node *node)
{
    const weir_json *json = call->sender->json;
    weir_str id = json->text(json->member(node, "Id"));
    for (size_t i = 0; i < call->count; i++) {
        char ours[48];
        snprintf(ours, sizeof ours, "%llu-%zu", (unsigned long long)call->number, i);
        if (weir_equal(id, weir_cstr(ours)))
            return &call->entries[i];
    }
    return NULL;
}

static void read_stored(struct call *call, const weir_json_node *list)
{
    const weir_json *json = call->sender->json;
    for (size_t i = 0; i < json->size(list); i++) {
        const weir_json_node *node = json->entry(list, i, NULL);
        struct entry *entry = find(call, node);
        if (!entry)
            continue;
        weir_str sum = json->text(json->member(node, "MD5OfMessageBody"));
        bool same = weir_equal(sum, weir_cstr(entry->sum));
        entry_give(entry, same ? WEIR_OK : WEIR_RETRY,
                   same ? "" : "the MD5 of the stored body differs");
    }
}

static int32_t entry_outcome(const weir_json *json, const weir_json_node *node, weir_str code)
{
    int32_t outcome = is_throttled(code) ? WEIR_RETRY : answer_judge(code);
    if (outcome != 0)
        return outcome;
    bool sender_fault = weir_equal(json->text(json->member(node, "SenderFault")), WEIR_STR("true"));
    return sender_fault ? WEIR_FAIL : WEIR_RETRY;
}

static void read_failed(struct call *call, const weir_json_node *list)
{
    const weir_json *json = call->sender->json;
    for (size_t i = 0; i < json->size(list); i++) {
        const weir_json_node *node = json->entry(list, i, NULL);
        struct entry *entry = find(call, node);
        weir_str code = json->text(json->member(node, "Code"));
        if (entry)
            entry_give_error(entry, entry_outcome(json, node, code), code,
                             json->text(json->member(node, "Message")));
    }
}

void answer_read(void *self, struct call *call, const weir_json_node *answer)
{
    const weir_json *json = call->sender->json;
    (void)self;
    read_stored(call, json->member(answer, "Successful"));
    read_failed(call, json->member(answer, "Failed"));
}
