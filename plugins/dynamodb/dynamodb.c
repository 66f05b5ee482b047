/* The dynamodb sink: a replica. The new image is written under the item's key, a removed item is
 * removed, and neither ever replaces what a later record wrote. */
#include "shared/sender.h"

#include <errno.h>

/* Sequence numbers have 21 to 40 digits, more than an N holds; as text of one length they compare
 * as numbers do. */
enum { SEQUENCE_DIGITS = 40, ITEM_BYTES_MAX = 400 * 1024 };
#define REVISION "weir_sequence"

struct replica {
    struct sender sender;
    weir_str table;
    bool tombstones;
};

/* ---- calls: one item each, since a batch has no conditions ---- */

static void begin(void *self, weir_buf *out)
{
    const struct replica *replica = self;
    put_text(out, "{\"TableName\":");
    weir_buf_json_string(out, replica->table);
}

static bool put_sequence(const weir_host *host, const weir_record *record, weir_buf *out)
{
    weir_str digits = host->field(record, WEIR_F_SEQUENCE);
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = weir_view(digits.ptr + 1, digits.len - 1);
    if (digits.len == 0 || digits.len > SEQUENCE_DIGITS)
        return false;
    put_text(out, "{\"S\":\"");
    for (size_t i = digits.len; i < SEQUENCE_DIGITS; i++)
        put_char(out, '0');
    put(out, digits);
    put_text(out, "\"}");
    return true;
}

/* The attributes of `image`, as received, without one of our own name. False: there are none. */
static bool put_attributes(const weir_host *host, const weir_value *image, weir_buf *out)
{
    bool first = true;
    for (size_t i = 0; i < host->size(image); i++) {
        weir_str name;
        const weir_value *value = host->entry(image, i, &name);
        if (weir_equal(name, WEIR_STR(REVISION)))
            continue;
        put_text(out, first ? "" : ",");
        weir_buf_json_string(out, name);
        put_char(out, ':');
        put(out, host->json(value));
        first = false;
    }
    return !first;
}

/* PutItem of the new image; of the key alone for a tombstone. */
static bool put_item(const struct replica *replica, const weir_record *record,
                     const weir_value *image, weir_buf *out)
{
    const weir_host *host = replica->sender.host;
    put_text(out, ",\"Item\":{");
    if (!put_attributes(host, image, out))
        return false;
    put_text(out, ",\"" REVISION "\":");
    if (!put_sequence(host, record, out))
        return false;
    if (host->event(record) == WEIR_REMOVE)
        put_text(out, ",\"weir_removed\":{\"BOOL\":true}");
    put_char(out, '}');
    return true;
}

static bool put_write(void *self, struct call *call, const struct message *message,
                      struct entry *entry, size_t *bytes)
{
    const struct replica *replica = self;
    const weir_host *host = replica->sender.host;
    const weir_record *record = message->record;
    weir_buf *out = &call->body;
    size_t before = out->len;
    (void)entry;
    bool removed = host->event(record) == WEIR_REMOVE, made;
    call->target = "DynamoDB_20120810.PutItem";
    if (removed && !replica->tombstones) {
        call->target = "DynamoDB_20120810.DeleteItem";
        put_text(out, ",\"Key\":{");
        made = put_attributes(host, host->image(record, WEIR_KEYS), out);
        put_char(out, '}');
    } else {
        made = put_item(replica, record, host->image(record, removed ? WEIR_KEYS : WEIR_NEW), out);
    }
    *bytes = out->len - before;
    put_text(out, ",\"ConditionExpression\":\"attribute_not_exists(#s) OR #s <= :s\","
                  "\"ExpressionAttributeNames\":{\"#s\":\"" REVISION "\"},"
                  "\"ExpressionAttributeValues\":{\":s\":");
    made = made && put_sequence(host, record, out);
    put_text(out, "}}");
    return made;
}

/* A newer record is stored already: nothing is left to do for this one. */
static int32_t judge(weir_str code)
{
    return weir_equal(code, WEIR_STR("ConditionalCheckFailedException")) ? WEIR_SKIP : 0;
}

static const struct sender_kind guarded_write = {
    .service = "dynamodb",
    .target = "DynamoDB_20120810.PutItem",
    .json = "1.0",
    .entries_max = 1,
    .body_end = "",
    .too_large_key = "the limit of an item",
    .begin = begin,
    .put = put_write,
    .judge = judge,
};

/* ---- the plugin ---- */

static void declare(const struct replica *replica)
{
    const struct sender *sender = &replica->sender;
    sender->host->declare(sender->instance, WEIR_D_WRITES_TABLE, replica->table);
    sender_declare(sender, "table", "dynamodb:PutItem", "table/", replica->table);
    if (!replica->tombstones)
        sender_declare(sender, "table", "dynamodb:DeleteItem", "table/", replica->table);
}

static int read_options(void *self)
{
    struct replica *replica = self;
    struct sender *sender = &replica->sender;
    int64_t removes = 0;
    sender->host->option_str(sender->instance, "table", &replica->table);
    sender->host->option_i64(sender->instance, "removes", &removes);
    sender->host->option_str(sender->instance, "endpoint", &sender->endpoint);
    replica->tombstones = removes == 1;
    /* the typed JSON is longer than what DynamoDB counts: it says itself what is too large */
    sender->entry_bytes_max = sender->call_bytes_max = 16 * ITEM_BYTES_MAX;
    if (sender->region.len == 0)
        sender->region = arn_part(replica->table, 3);
    if (replica->table.len == 0)
        return sender_refuse(sender, "table", "must name a table");
    declare(replica);
    return 0;
}

static int32_t replica_open(const weir_host *host, weir_instance *instance, void **self)
{
    return sender_new(&guarded_write, sizeof(struct replica), read_options, host, instance, self);
}

static const weir_option options[] = {
    {"table", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL,
     "Name or ARN of the replica, a table with the same key."},
    {"removes", "\"delete\"", WEIR_O_ENUM, 0, "delete|tombstone",
     "What a removed item leaves: nothing, or its key marked weir_removed, so that not even a "
     "repeat can bring it back."},
    {"concurrency", "16", WEIR_O_INT, 0, NULL, "Calls to DynamoDB in flight at once, 1 to 64."},
    {"endpoint", NULL, WEIR_O_STRING, 0, NULL, "URL of the replica's DynamoDB, if another one."},
    {"region", NULL, WEIR_O_STRING, 0, NULL, "Region of the replica, if another one."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .name = "dynamodb",
    .version = "1.0.0",
    .summary = "Keeps a replica of the table, guarded by sequence numbers.",
    .options = options,
    .subscription = {.struct_size = sizeof plugin.subscription,
                     .events = WEIR_INSERT | WEIR_MODIFY | WEIR_REMOVE,
                     .images = WEIR_KEYS | WEIR_NEW},
    .repeats = WEIR_R_NATIVE,
    .open = replica_open,
    .close = sender_close,
    .deliver = sender_deliver,
    .cancel = sender_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
