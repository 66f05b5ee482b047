/* The sqs sink: each record as one message of a queue, standard or FIFO. */
#include "sqs.h"

#include "shared/batch_entry.h"
#include "shared/body.h"

#include <errno.h>

enum { MESSAGE_BYTES_MAX = 1024 * 1024 };

struct sqs {
    struct sender sender;
    struct body body;
    struct fifo fifo;
    weir_str queue_url;
};

/* ---- calls ---- */

static void begin(void *self, weir_buf *body)
{
    const struct sqs *sqs = self;
    put_text(body, "{\"QueueUrl\":");
    weir_buf_json_string(body, sqs->queue_url);
    put_text(body, ",\"Entries\":[");
}

static void put_attributes(const struct sqs *sqs, const weir_record *record, weir_buf *body,
                           size_t *bytes)
{
    struct attribute attributes[ATTRIBUTES_MAX];
    size_t count = record_attributes(sqs->sender.host, record, attributes);
    for (size_t i = 0; i < count; i++) {
        put_text(body, i == 0 ? ",\"MessageAttributes\":{\"" : ",\"");
        put_text(body, attributes[i].name);
        put_text(body, "\":{\"DataType\":\"String\",\"StringValue\":");
        weir_buf_json_string(body, attributes[i].value);
        put_char(body, '}');
        *bytes += attribute_bytes(&attributes[i]);
    }
    put_text(body, count > 0 ? "}" : "");
}

static void put_fifo(struct sqs *sqs, const weir_record *record, weir_buf *body)
{
    char group[FIFO_GROUP_BYTES], once[SHA256_HEX_BYTES];
    fifo_message_group(&sqs->fifo, record, group);
    fifo_deduplication_id(&sqs->fifo, record, &sqs->sender.scratch, once);
    put_text(body, ",\"MessageGroupId\":\"");
    put_text(body, group);
    put_text(body, "\",\"MessageDeduplicationId\":\"");
    put_text(body, once);
    put_char(body, '"');
}

static bool put_message(void *self, struct call *call, const struct message *message,
                        struct entry *entry, size_t *bytes)
{
    struct sqs *sqs = self;
    weir_buf *body = &call->body, *text = &sqs->sender.scratch;
    unsigned char digest[MD5_BYTES];
    char id[ENTRY_ID_BYTES];
    weir_buf_clear(text);
    if (!put_body(&sqs->body, message->record, text))
        return false;
    entry_id(call, call->count, id);
    put_text(body, call->count > 0 ? ",{\"Id\":\"" : "{\"Id\":\"");
    put_text(body, id);
    put_text(body, "\",\"MessageBody\":");
    weir_buf_json_string(body, weir_buf_view(text));
    *bytes = text->len;
    put_attributes(sqs, message->record, body, bytes);
    if (sqs->fifo.on)
        put_fifo(sqs, message->record, body);
    put_char(body, '}');
    body->failed |= text->failed;
    md5(weir_buf_view(text), digest);
    hex(digest, MD5_BYTES, entry->sum);
    return true;
}

static uint64_t group(void *self, const weir_record *record)
{
    return fifo_group_hash(&((const struct sqs *)self)->fifo, record);
}

static void read_answer(void *self, struct call *call, const weir_json_node *answer)
{
    (void)self;
    entries_give_named(call, answer, "MD5OfMessageBody");
}

/* The JSON protocol says QueueDoesNotExist; the query names that some servers still send end alike.
 */
static int32_t judge(weir_str code)
{
    static const char *const down[] = {"QueueDoesNotExist",
                                       "NonExistentQueue",
                                       "KmsAccessDenied",
                                       "KmsDisabled",
                                       "KmsInvalidKeyUsage",
                                       "KmsInvalidState",
                                       "KmsNotFound",
                                       "KmsOptInRequired",
                                       "AccessDenied",
                                       "AccessDeniedException",
                                       "InvalidAddress",
                                       "InvalidSecurity",
                                       "UnsupportedOperation",
                                       "RequestThrottled",
                                       "KmsThrottled",
                                       "OverLimit",
                                       NULL};
    return code_is_one_of(code, down) ? WEIR_DOWN : 0;
}

static const struct sender_kind send_message_batch = {
    .service = "sqs",
    .target = "AmazonSQS.SendMessageBatch",
    .json = "1.0",
    .entries_max = 10,
    .ordered = true,
    .body_end = "]}",
    .too_large_key = "max_message_bytes",
    .begin = begin,
    .put = put_message,
    .read = read_answer,
    .judge = judge,
    .group = group,
};

/* ---- the plugin ---- */

static int read_options(void *self)
{
    struct sqs *sqs = self;
    struct sender *sender = &sqs->sender;
    struct queue_url url = {0};
    sender->host->option_str(sender->instance, "queue_url", &sqs->queue_url);
    const char *why = queue_url_parse(sqs->queue_url, &url);
    if (why)
        return sender_refuse(sender, "queue_url", why);
    if (sender_read_bytes(sender, "max_message_bytes", MESSAGE_BYTES_MAX,
                          "must be 1KiB to 1MiB: SQS takes no more", &sender->call_bytes_max) < 0)
        return -EINVAL;
    sender->entry_bytes_max = sender->call_bytes_max;
    sender->endpoint = url.endpoint;
    sender->account = url.account;
    if (sender->region.len == 0)
        sender->region = url.region;
    fifo_open(&sqs->fifo, sender, url.name);
    sender_declare(sender, "queue", "sqs:SendMessage", "", url.name);
    return body_open(&sqs->body, sender->host, sender->instance);
}

static int32_t sqs_open(const weir_host *host, weir_instance *instance, void **self)
{
    return sender_new(&send_message_batch, sizeof(struct sqs), read_options, host, instance, self);
}

static const weir_option options[] = {
    {"queue_url", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL,
     "URL of the queue; a name that ends in .fifo is a FIFO queue."},
    BODY_OPTIONS,
    FIFO_OPTION,
    {"concurrency", "4", WEIR_O_INT, 0, NULL, "Calls to SQS in flight at once, 1 to 64."},
    {"max_message_bytes", "\"1MiB\"", WEIR_O_SIZE_BYTES, 0, NULL,
     "The queue's MaximumMessageSize; a larger record fails before it is sent."},
    {"region", NULL, WEIR_O_STRING, 0, NULL, "Region of the queue, where its URL doesn't tell."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .flags = WEIR_P_KEEPS_ORDER,
    .name = "sqs",
    .version = "1.0.0",
    .summary = "Sends each record as a message to an SQS queue.",
    .options = options,
    .repeats = WEIR_R_KEYED,
    .open = sqs_open,
    .close = sender_close,
    .deliver = sender_deliver,
    .cancel = sender_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
