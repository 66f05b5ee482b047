/* The sqs sink: each record as one message of a queue, standard or FIFO. */
#include "sqs.h"

#include <errno.h>

enum { MESSAGE_BYTES_MAX = 1024 * 1024 };

static struct message *message_take(struct sqs *sqs)
{
    struct message *message = sqs->spare_messages;
    if (!message)
        return malloc(sizeof *message);
    sqs->spare_messages = message->next;
    return message;
}

static void sqs_deliver(void *self, weir_delivery *delivery)
{
    struct sqs *sqs = self;
    const weir_host *host = sqs->host;
    uint64_t token = host->token(delivery);
    size_t count = host->count(delivery);
    if (!sqs->aws || !sqs->json) {
        host->complete_rest(sqs->instance, token, WEIR_DOWN,
                            WEIR_STR("this host has no weir.aws/1 or weir.json/1"));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const weir_record *record = host->at(delivery, i);
        struct message *message = message_take(sqs);
        if (!message) { /* the later ones of its lane wait as well: in doubt all do */
            for (; i < count; i++)
                host->complete(sqs->instance, token, i, WEIR_RETRY, WEIR_STR("out of memory"));
            break;
        }
        *message = (struct message){.token = token, .index = i, .record = record};
        message->lane = host->lane(record);
        message->group = sqs->fifo ? message_group_hash(sqs, record) : message->lane;
        sender_add(sqs, message);
    }
    sender_pump(sqs);
}

static void sqs_cancel(void *self, uint64_t token)
{
    sender_cancel(self, token);
}

static void sqs_close(void *self)
{
    struct sqs *sqs = self;
    sender_free(sqs);
    free(sqs);
}

static void declare(const struct sqs *sqs, const struct queue_url *url)
{
    weir_buf text = {0};
    put_text(&text, "queue ");
    put_visible(&text, url->name, 128);
    sqs->host->declare(sqs->instance, WEIR_D_TARGET, weir_buf_view(&text));
    weir_buf_clear(&text);
    put_text(&text, "sqs:SendMessage arn:aws:sqs:");
    put(&text, sqs->region.len > 0 ? sqs->region : WEIR_STR("*"));
    put_char(&text, ':');
    put(&text, url->account.len > 0 ? url->account : WEIR_STR("*"));
    put_char(&text, ':');
    put_visible(&text, url->name, 128);
    sqs->host->declare(sqs->instance, WEIR_D_IAM, weir_buf_view(&text));
    weir_buf_free(&text);
}

static int refuse(const struct sqs *sqs, const char *name, const char *why)
{
    sqs->host->option_error(sqs->instance, name, weir_cstr(why));
    return -EINVAL;
}

static int read_options(struct sqs *sqs, struct queue_url *url)
{
    const weir_host *host = sqs->host;
    int64_t form = BODY_AWS, group = GROUP_KEYS, raw = 0;
    host->option_str(sqs->instance, "queue_url", &sqs->queue_url);
    host->option_i64(sqs->instance, "body", &form);
    host->option_i64(sqs->instance, "raw", &raw);
    host->option_i64(sqs->instance, "fifo_group", &group);
    host->option_i64(sqs->instance, "concurrency", &sqs->concurrency);
    host->option_i64(sqs->instance, "max_message_bytes", &sqs->max_bytes);
    const char *why = queue_url_parse(sqs->queue_url, url);
    if (why)
        return refuse(sqs, "queue_url", why);
    if (raw && form != BODY_AWS)
        return refuse(sqs, "raw", "only body aws can be the bytes as received");
    if (sqs->concurrency < 1 || sqs->concurrency > CONCURRENCY_MAX)
        return refuse(sqs, "concurrency", "must be 1 to 64");
    if (sqs->max_bytes < 1024 || sqs->max_bytes > MESSAGE_BYTES_MAX)
        return refuse(sqs, "max_message_bytes", "must be 1KiB to 1MiB: SQS takes no more");
    sqs->endpoint = url->endpoint;
    sqs->region = url->region;
    host->option_str(sqs->instance, "region", &sqs->region);
    sqs->form = (enum body_form)form;
    sqs->fifo_group = (enum fifo_group)group;
    sqs->raw = raw != 0;
    sqs->fifo = str_ends_with(url->name, WEIR_STR(".fifo"));
    return 0;
}

static int32_t sqs_open(const weir_host *host, weir_instance *instance, void **self)
{
    struct queue_url url;
    struct sqs *sqs = calloc(1, sizeof *sqs);
    if (!sqs)
        return -ENOMEM;
    sqs->host = host;
    sqs->instance = instance;
    sqs->tail = &sqs->head;
    int rc = read_options(sqs, &url);
    if (rc < 0) {
        free(sqs);
        return rc;
    }
    /* a FIFO queue keeps the order of its groups, and a group of all items that of the shard */
    host->declare(instance, WEIR_D_ORDER,
                  !sqs->fifo                      ? WEIR_STR("none")
                  : sqs->fifo_group == GROUP_KEYS ? WEIR_STR("item")
                                                  : WEIR_STR("shard"));
    if (sqs->form == BODY_AWS) { /* the host need not take the images apart */
        const weir_subscription records_only = {.struct_size = sizeof records_only};
        rc = host->subscribe(instance, &records_only);
        if (rc < 0) {
            free(sqs);
            return rc;
        }
    }
    sqs->aws = host->extension(instance, WEIR_EXT_AWS);
    sqs->json = host->extension(instance, WEIR_EXT_JSON);
    declare(sqs, &url);
    *self = sqs;
    return 0;
}

static const weir_option options[] = {
    {"queue_url", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL,
     "URL of the queue; a name that ends in .fifo is a FIFO queue."},
    {"body", "\"aws\"", WEIR_O_ENUM, 0, "aws|plain",
     "aws: the record as Lambda gets it; plain: untyped JSON, numbers exact."},
    {"raw", "false", WEIR_O_BOOL, 0, NULL,
     "With body aws: the record's bytes as received from its source instead of the Lambda shape."},
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
    .close = sqs_close,
    .deliver = sqs_deliver,
    .cancel = sqs_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
