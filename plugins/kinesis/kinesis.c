/* The kinesis sink: each record as one record of a Kinesis data stream. */
#include "shared/body.h"
#include "shared/digest.h"
#include "shared/sender.h"

#include <errno.h>

enum { MIB = 1024 * 1024, RECORD_BYTES_MAX = 10 * MIB, CALL_BYTES = 5 * MIB };

struct kinesis {
    struct sender sender;
    struct body body;
    weir_str stream; /* name or ARN */
    bool arn;
};

/* ---- calls ---- */

static void begin(void *self, weir_buf *out)
{
    const struct kinesis *kinesis = self;
    put_text(out, kinesis->arn ? "{\"StreamARN\":" : "{\"StreamName\":");
    weir_buf_json_string(out, kinesis->stream);
    put_text(out, ",\"Records\":[");
}

/* An item's records share a partition key, so they are in one shard, in order. The key is a hash:
 * what may stand in it, and how long it is, is not the item's to say. */
static void partition_key(const struct kinesis *kinesis, const weir_record *record,
                          char out[SHA256_HEX_BYTES])
{
    const weir_host *host = kinesis->sender.host;
    weir_str key = host->field(record, WEIR_F_ITEM_KEY);
    sha256_hex(key.len > 0 ? key : host->field(record, WEIR_F_IDENTITY), out);
}

static bool put_record(void *self, struct call *call, const struct message *message,
                       struct entry *entry, size_t *bytes)
{
    struct kinesis *kinesis = self;
    char key[SHA256_HEX_BYTES];
    (void)entry;
    weir_buf *data = &kinesis->sender.scratch;
    weir_buf_clear(data);
    if (!put_body(&kinesis->body, message->record, data))
        return false;
    partition_key(kinesis, message->record, key);
    put_text(&call->body, call->count > 0 ? ",{\"Data\":" : "{\"Data\":");
    put_base64(&call->body, weir_buf_view(data));
    put_text(&call->body, ",\"PartitionKey\":\"");
    put_text(&call->body, key);
    put_text(&call->body, "\"}");
    call->body.failed |= data->failed;
    *bytes = data->len + strlen(key);
    return true;
}

static int32_t judge(weir_str code)
{
    static const char *const down[] = {"ResourceNotFoundException", "ResourceInUseException",
                                       "LimitExceededException", "ThroughputExceededException",
                                       NULL};
    bool held = str_contains(code, "Throttl") || str_contains(code, "KMS");
    return held || code_is_one_of(code, down) ? WEIR_DOWN : 0;
}

/* Every error of a record (ProvisionedThroughputExceededException, InternalFailure) is worth
 * another try. */
static int32_t record_outcome(weir_str code)
{
    (void)code;
    return WEIR_RETRY;
}

static void read_answer(void *self, struct call *call, const weir_json_node *answer)
{
    (void)self;
    entries_give_list(call, call->sender->json->member(answer, "Records"), "SequenceNumber",
                      record_outcome);
}

static const struct sender_kind put_records = {
    .service = "kinesis",
    .target = "Kinesis_20131202.PutRecords",
    .json = "1.1",
    .entries_max = 500,
    .body_end = "]}",
    .too_large_key = "max_record_bytes",
    .begin = begin,
    .put = put_record,
    .read = read_answer,
    .judge = judge,
};

/* ---- the plugin ---- */

static int read_options(void *self)
{
    struct kinesis *kinesis = self;
    struct sender *sender = &kinesis->sender;
    sender->host->option_str(sender->instance, "stream", &kinesis->stream);
    if (kinesis->stream.len == 0)
        return sender_refuse(sender, "stream", "must name a stream");
    if (sender_read_bytes(sender, "max_record_bytes", RECORD_BYTES_MAX,
                          "must be 1KiB to 10MiB: Kinesis takes no more",
                          &sender->entry_bytes_max) < 0)
        return -EINVAL;
    sender->call_bytes_max = sender->entry_bytes_max > CALL_BYTES ? RECORD_BYTES_MAX : CALL_BYTES;
    kinesis->arn = arn_part(kinesis->stream, 2).len > 0;
    if (sender->region.len == 0)
        sender->region = arn_part(kinesis->stream, 3);
    sender_declare(sender, "stream", "kinesis:PutRecords", "stream/", kinesis->stream);
    return body_open(&kinesis->body, sender->host, sender->instance);
}

static int32_t kinesis_open(const weir_host *host, weir_instance *instance, void **self)
{
    return sender_new(&put_records, sizeof(struct kinesis), read_options, host, instance, self);
}

static const weir_option options[] = {
    {"stream", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL,
     "Name or ARN of the Kinesis data stream."},
    BODY_OPTIONS,
    {"concurrency", "4", WEIR_O_INT, 0, NULL, "Calls to Kinesis in flight at once, 1 to 64."},
    {"max_record_bytes", "\"1MiB\"", WEIR_O_SIZE_BYTES, 0, NULL,
     "The stream's limit for data and partition key; a larger record fails before it is sent."},
    {"region", NULL, WEIR_O_STRING, 0, NULL, "Region of the stream, where no ARN tells."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .name = "kinesis",
    .version = "1.0.0",
    .summary = "Puts each record into a Kinesis data stream.",
    .options = options,
    .repeats = WEIR_R_KEYED,
    .batch_records = 500,
    .open = kinesis_open,
    .close = sender_close,
    .deliver = sender_deliver,
    .cancel = sender_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
