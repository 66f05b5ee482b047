/* One record as an entry of SendMessageBatch. */
#include "sqs.h"

#include <stdio.h>

/* ---- ids: SQS allows some characters only, so hostile text is hashed ---- */

static size_t put_hash(weir_str text, char *out)
{
    sha256_hex(text, out);
    return SHA256_HEX_BYTES - 1;
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

static size_t message_group(const struct sqs *sqs, const weir_record *record,
                            char out[GROUP_MAX + 1])
{
    const weir_host *host = sqs->sender.host;
    weir_str text = WEIR_NONE;
    if (sqs->fifo_group == GROUP_KEYS)
        return put_hash(host->field(record, WEIR_F_ITEM_KEY), out);
    if (sqs->fifo_group == GROUP_SHARD)
        text = host->field(record, WEIR_F_SHARD);
    if (text.len == 0) /* Lambda doesn't say which shard */
        text = host->field(record, WEIR_F_TABLE);
    if (!is_safe_id(text))
        return put_hash(text, out);
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return text.len;
}

uint64_t message_group_hash(void *self, const weir_record *record)
{
    const struct sqs *sqs = self;
    if (!sqs->fifo)
        return sqs->sender.host->lane(record);
    unsigned char digest[SHA256_BYTES];
    char group[GROUP_MAX + 1];
    uint64_t hash = 0;
    sha256(weir_view(group, message_group(sqs, record, group)), digest);
    for (size_t i = 0; i < 8; i++)
        hash = hash << 8 | digest[i];
    return hash;
}

/* Stream and sequence number; a dead letter is another message than its record, and each sink's is
 * another one. */
static void put_deduplication_id(const struct sqs *sqs, const weir_record *record,
                                 weir_buf *scratch, char out[SHA256_HEX_BYTES])
{
    weir_str dead = sqs->sender.host->field(record, WEIR_F_DEAD_SINK);
    weir_str identity = sqs->sender.host->field(record, WEIR_F_IDENTITY);
    size_t before = scratch->len;
    put(scratch, identity);
    if (dead.len > 0) {
        put_text(scratch, "\ndead\n");
        put(scratch, dead);
    }
    if (identity.len == 0) /* then the content is all that names it */
        put(scratch, sqs->sender.host->field(record, WEIR_F_EVENT_JSON));
    sha256_hex(weir_view(scratch->ptr + before, scratch->len - before), out);
    scratch->len = before;
}

/* ---- attributes, and the entry ---- */

/* Returns what SQS counts for it. An attribute can't be empty. */
static size_t put_attribute(weir_buf *body, const char *name, weir_str value, bool *first)
{
    if (value.len == 0)
        return 0;
    put_text(body, *first ? ",\"MessageAttributes\":{\"" : ",\"");
    put_text(body, name);
    put_text(body, "\":{\"DataType\":\"String\",\"StringValue\":");
    weir_buf_json_string(body, value);
    put_char(body, '}');
    *first = false;
    return strlen(name) + strlen("String") + value.len;
}

static size_t put_attributes(const struct sqs *sqs, const weir_record *record, weir_buf *body)
{
    const weir_host *host = sqs->sender.host;
    bool first = true;
    int32_t event = host->event(record);
    size_t bytes = put_attribute(body, "eventID", host->field(record, WEIR_F_EVENT_ID), &first);
    if (event != 0)
        bytes += put_attribute(body, "eventName", weir_cstr(event_name(event)), &first);
    bytes += put_attribute(body, "table", host->field(record, WEIR_F_TABLE), &first);
    bytes += put_attribute(body, "sequence", host->field(record, WEIR_F_SEQUENCE), &first);
    if (!first)
        put_char(body, '}');
    return bytes;
}

/* Appends the entry whose body is in `scratch`; returns what SQS counts. */
static size_t put_entry(struct sqs *sqs, struct call *call, const struct message *message)
{
    char id[48], group[GROUP_MAX + 1], once[SHA256_HEX_BYTES];
    weir_buf *body = &call->body, *scratch = &sqs->sender.scratch;
    snprintf(id, sizeof id, "%s{\"Id\":\"%llu-%zu\",\"MessageBody\":", call->count > 0 ? "," : "",
             (unsigned long long)call->number, call->count);
    put_text(body, id);
    weir_buf_json_string(body, weir_buf_view(scratch));
    size_t bytes = scratch->len + put_attributes(sqs, message->record, body);
    if (sqs->fifo) {
        message_group(sqs, message->record, group);
        put_deduplication_id(sqs, message->record, scratch, once);
        put_text(body, ",\"MessageGroupId\":\"");
        put_text(body, group);
        put_text(body, "\",\"MessageDeduplicationId\":\"");
        put_text(body, once);
        put_char(body, '"');
    }
    put_char(body, '}');
    return bytes;
}

bool message_put(void *self, struct call *call, const struct message *message, struct entry *entry,
                 size_t *bytes)
{
    struct sqs *sqs = self;
    unsigned char digest[MD5_BYTES];
    weir_buf_clear(&sqs->sender.scratch);
    if (!put_body(&sqs->body, message->record, &sqs->sender.scratch))
        return false;
    *bytes = put_entry(sqs, call, message);
    call->body.failed |= sqs->sender.scratch.failed;
    md5(weir_buf_view(&sqs->sender.scratch), digest);
    hex(digest, MD5_BYTES, entry->sum);
    return true;
}
