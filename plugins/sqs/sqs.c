/* The sqs sink: each record as one message of a queue, standard or FIFO. */
#include "sqs.h"

#include <errno.h>

enum { MESSAGE_BYTES_MAX = 1024 * 1024 };

static void begin(void *self, weir_buf *body)
{
    const struct sqs *sqs = self;
    put_text(body, "{\"QueueUrl\":");
    weir_buf_json_string(body, sqs->queue_url);
    put_text(body, ",\"Entries\":[");
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
    .put = message_put,
    .read = answer_read,
    .judge = answer_judge,
    .group = message_group_hash,
};

static void declare(const struct sqs *sqs, const struct queue_url *url)
{
    weir_buf text = {0};
    put_text(&text, "queue ");
    put_visible(&text, url->name, 128);
    sqs->sender.host->declare(sqs->sender.instance, WEIR_D_TARGET, weir_buf_view(&text));
    weir_buf_clear(&text);
    put_text(&text, "sqs:SendMessage arn:aws:sqs:");
    put(&text, sqs->sender.region.len > 0 ? sqs->sender.region : WEIR_STR("*"));
    put_char(&text, ':');
    put(&text, url->account.len > 0 ? url->account : WEIR_STR("*"));
    put_char(&text, ':');
    put_visible(&text, url->name, 128);
    sqs->sender.host->declare(sqs->sender.instance, WEIR_D_IAM, weir_buf_view(&text));
    weir_buf_free(&text);
}

static int read_options(struct sqs *sqs, struct queue_url *url)
{
    const weir_host *host = sqs->sender.host;
    weir_instance *instance = sqs->sender.instance;
    int64_t group = GROUP_KEYS, max_bytes = MESSAGE_BYTES_MAX;
    host->option_str(instance, "queue_url", &sqs->queue_url);
    host->option_i64(instance, "fifo_group", &group);
    host->option_i64(instance, "max_message_bytes", &max_bytes);
    const char *why = queue_url_parse(sqs->queue_url, url);
    if (why)
        return sender_refuse(&sqs->sender, "queue_url", why);
    if (max_bytes < 1024 || max_bytes > MESSAGE_BYTES_MAX)
        return sender_refuse(&sqs->sender, "max_message_bytes",
                             "must be 1KiB to 1MiB: SQS takes no more");
    sqs->sender.endpoint = url->endpoint;
    if (sqs->sender.region.len == 0)
        sqs->sender.region = url->region;
    sqs->sender.entry_bytes_max = sqs->sender.call_bytes_max = max_bytes;
    sqs->fifo_group = (enum fifo_group)group;
    sqs->fifo = str_ends_with(url->name, WEIR_STR(".fifo"));
    return 0;
}

static int32_t sqs_open(const weir_host *host, weir_instance *instance, void **self)
{
    struct queue_url url = {0};
    struct sqs *sqs = calloc(1, sizeof *sqs);
    if (!sqs)
        return -ENOMEM;
    int rc = sender_open(&sqs->sender, &send_message_batch, host, instance);
    if (rc == 0)
        rc = read_options(sqs, &url);
    if (rc == 0)
        rc = body_open(&sqs->body, host, instance);
    if (rc < 0) {
        free(sqs);
        return rc;
    }
    /* a FIFO queue keeps the order of its groups, and a group of all items that of the shard */
    host->declare(instance, WEIR_D_ORDER,
                  !sqs->fifo                      ? WEIR_STR("none")
                  : sqs->fifo_group == GROUP_KEYS ? WEIR_STR("item")
                                                  : WEIR_STR("shard"));
    declare(sqs, &url);
    *self = sqs;
    return 0;
}

static const weir_option options[] = {
    {"queue_url", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL,
     "URL of the queue; a name that ends in .fifo is a FIFO queue."},
    BODY_OPTIONS,
    {"fifo_group", "\"keys\"", WEIR_O_ENUM, 0, "keys|table|shard",
     "FIFO: what has an order of its own: each item, the whole table, or each shard."},
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
