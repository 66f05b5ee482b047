#include "shared/batch_entry.h"

#include "shared/body.h"

#include <stdio.h>

enum { GROUP_MAX = FIFO_GROUP_BYTES - 1 };

/* ---- entries ---- */

void entry_id(const struct call *call, size_t index, char out[ENTRY_ID_BYTES])
{
    snprintf(out, ENTRY_ID_BYTES, "%llu-%zu", (unsigned long long)call->number, index);
}

/* The entry that a part of the answer names by its Id. NULL: none of this call's. */
static struct entry *find(struct call *call, const weir_json_node *node)
{
    const weir_json *json = call->sender->json;
    weir_str id = json->text(json->member(node, "Id"));
    for (size_t i = 0; i < call->count; i++) {
        char ours[ENTRY_ID_BYTES];
        entry_id(call, i, ours);
        if (weir_equal(id, weir_cstr(ours)))
            return &call->entries[i];
    }
    return NULL;
}

static void give_stored(struct call *call, const weir_json_node *list, const char *stored_by)
{
    const weir_json *json = call->sender->json;
    for (size_t i = 0; i < json->size(list); i++) {
        const weir_json_node *node = json->entry(list, i, NULL);
        struct entry *entry = find(call, node);
        weir_str proof = json->text(json->member(node, stored_by));
        if (!entry)
            continue;
        bool same = entry->sum[0] ? weir_equal(proof, weir_cstr(entry->sum)) : proof.len > 0;
        entry_give(entry, same ? WEIR_OK : WEIR_RETRY,
                   same            ? ""
                   : entry->sum[0] ? "the MD5 of the stored body differs"
                                   : "the answer does not say that it is stored");
    }
}

static int32_t failed_outcome(const struct call *call, const weir_json_node *node, weir_str code)
{
    const weir_json *json = call->sender->json;
    if (str_contains(code, "Throttl"))
        return WEIR_RETRY;
    int32_t judged = call->sender->kind->judge(code);
    if (judged != 0)
        return judged;
    bool sender_fault = weir_equal(json->text(json->member(node, "SenderFault")), WEIR_STR("true"));
    return sender_fault ? WEIR_FAIL : WEIR_RETRY;
}

static void give_failed(struct call *call, const weir_json_node *list)
{
    const weir_json *json = call->sender->json;
    for (size_t i = 0; i < json->size(list); i++) {
        const weir_json_node *node = json->entry(list, i, NULL);
        struct entry *entry = find(call, node);
        weir_str code = json->text(json->member(node, "Code"));
        if (entry)
            entry_give_error(entry, failed_outcome(call, node, code), code,
                             json->text(json->member(node, "Message")));
    }
}

void entries_give_named(struct call *call, const weir_json_node *result, const char *stored_by)
{
    const weir_json *json = call->sender->json;
    give_stored(call, json->member(result, "Successful"), stored_by);
    give_failed(call, json->member(result, "Failed"));
}

/* ---- attributes ---- */

size_t record_attributes(const weir_host *host, const weir_record *record,
                         struct attribute out[ATTRIBUTES_MAX])
{
    int32_t event = host->event(record);
    const struct attribute all[ATTRIBUTES_MAX] = {
        {"eventID", host->field(record, WEIR_F_EVENT_ID)},
        {"eventName", weir_cstr(event != 0 ? event_name(event) : "")},
        {"table", host->field(record, WEIR_F_TABLE)},
        {"sequence", host->field(record, WEIR_F_SEQUENCE)},
    };
    size_t count = 0;
    for (size_t i = 0; i < ATTRIBUTES_MAX; i++)
        if (all[i].value.len > 0)
            out[count++] = all[i];
    return count;
}

size_t attribute_bytes(const struct attribute *attribute)
{
    return strlen(attribute->name) + strlen("String") + attribute->value.len;
}

/* ---- FIFO: some characters only are allowed in its ids, so hostile text is hashed ---- */

void fifo_open(struct fifo *fifo, const struct sender *sender, weir_str name)
{
    int64_t group = GROUP_KEYS;
    sender->host->option_i64(sender->instance, "fifo_group", &group);
    *fifo =
        (struct fifo){sender->host, str_ends_with(name, WEIR_STR(".fifo")), (enum fifo_group)group};
    /* a FIFO queue keeps the order of its groups, and a group of all items that of the shard */
    sender->host->declare(sender->instance, WEIR_D_ORDER,
                          !fifo->on                   ? WEIR_STR("none")
                          : fifo->group == GROUP_KEYS ? WEIR_STR("item")
                                                      : WEIR_STR("shard"));
}

static bool is_safe_id(weir_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool safe = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    c == '-' || c == '_' || c == '.';
        if (!safe)
            return false;
    }
    return text.len > 0 && text.len <= GROUP_MAX;
}

void fifo_message_group(const struct fifo *fifo, const weir_record *record,
                        char out[FIFO_GROUP_BYTES])
{
    weir_str text = WEIR_NONE;
    if (fifo->group == GROUP_KEYS) {
        sha256_hex(fifo->host->field(record, WEIR_F_ITEM_KEY), out);
        return;
    }
    if (fifo->group == GROUP_SHARD)
        text = fifo->host->field(record, WEIR_F_SHARD);
    if (text.len == 0) /* Lambda doesn't say which shard */
        text = fifo->host->field(record, WEIR_F_TABLE);
    if (!is_safe_id(text)) {
        sha256_hex(text, out);
        return;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

uint64_t fifo_group_hash(const struct fifo *fifo, const weir_record *record)
{
    if (!fifo->on)
        return fifo->host->lane(record);
    unsigned char digest[SHA256_BYTES];
    char group[FIFO_GROUP_BYTES];
    uint64_t hash = 0;
    fifo_message_group(fifo, record, group);
    sha256(weir_cstr(group), digest);
    for (size_t i = 0; i < 8; i++)
        hash = hash << 8 | digest[i];
    return hash;
}

/* Stream and sequence number; a dead letter is another message than its record, and each sink's is
 * another one. */
void fifo_deduplication_id(const struct fifo *fifo, const weir_record *record, weir_buf *scratch,
                           char out[SHA256_HEX_BYTES])
{
    weir_str dead = fifo->host->field(record, WEIR_F_DEAD_SINK);
    weir_str identity = fifo->host->field(record, WEIR_F_IDENTITY);
    size_t before = scratch->len;
    put(scratch, identity);
    if (dead.len > 0) {
        put_text(scratch, "\ndead\n");
        put(scratch, dead);
    }
    if (identity.len == 0) /* then the content is all that names it */
        put(scratch, fifo->host->field(record, WEIR_F_EVENT_JSON));
    sha256_hex(weir_view(scratch->ptr + before, scratch->len - before), out);
    scratch->len = before;
}
