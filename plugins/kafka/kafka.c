/* The kafka sink: one record, one message, whose key is that of the item. */
#include "kafka/kafka.h"

#include <errno.h>

static void kafka_close(void *self)
{
    struct kafka *kafka = self;
    inbox_close(&kafka->inbox);
    if (kafka->conf)
        rd_kafka_conf_destroy(kafka->conf);
    weir_buf_free(&kafka->value);
    free(kafka);
}

static void kafka_deliver(void *self, weir_delivery *delivery)
{
    struct kafka *kafka = self;
    inbox_deliver(&kafka->inbox, delivery, producer_run, kafka);
}

static void kafka_cancel(void *self, uint64_t token)
{
    struct kafka *kafka = self;
    inbox_cancel(&kafka->inbox, token);
}

static int32_t kafka_open(const weir_host *host, weir_instance *instance, void **self)
{
    struct kafka *kafka = calloc(1, sizeof *kafka);
    weir_buf target = {0};
    if (!kafka)
        return -ENOMEM;
    int rc = inbox_open(&kafka->inbox, host, instance);
    if (rc < 0) {
        free(kafka);
        return rc;
    }
    const weir_json *json = host->extension(instance, WEIR_EXT_JSON);
    if (!json) {
        host->log(instance, WEIR_LOG_ERROR, WEIR_STR("this host has no weir.json/1"));
        rc = -ENOTSUP;
    }
    if (rc == 0)
        rc = settings_read(kafka, json);
    if (rc == 0)
        rc = body_open(&kafka->body, host, instance);
    if (rc < 0) {
        kafka_close(kafka);
        return rc;
    }
    put_text(&target, "topic ");
    put_visible(&target, weir_cstr(kafka->topic), 160);
    host->declare(instance, WEIR_D_TARGET, weir_buf_view(&target));
    weir_buf_free(&target);
    *self = kafka;
    return 0;
}

static const weir_option options[] = {
    {"brokers", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL,
     "HOST:PORT of some servers of the cluster, separated by commas."},
    {"topic", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL, "Where the messages go."},
    BODY_OPTIONS,
    {"delivery_timeout", "\"30s\"", WEIR_O_DURATION_MS, 0, NULL,
     "How long the client tries to deliver a message, repeats included; less than the sink's "
     "timeout."},
    {"properties", "{}", WEIR_O_JSON, 0, NULL,
     "An object of librdkafka's own properties, for instance security.protocol."},
    {"secrets", "{}", WEIR_O_JSON, WEIR_O_SECRET, NULL,
     "Properties that are secret, for instance sasl.password."},
    {0},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 1),
    .struct_size = sizeof plugin,
    .name = "kafka",
    .version = "1.0.0",
    .summary = "Sends records to a topic of Apache Kafka.",
    .options = options,
    .repeats = WEIR_R_KEYED,
    .batch_records = 500,
    .open = kafka_open,
    .close = kafka_close,
    .deliver = kafka_deliver,
    .cancel = kafka_cancel,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
