/* The options, as a configuration of librdkafka: each value is checked here, in open(), where
 * nothing is connected yet. */
#include "kafka/kafka.h"

#include <errno.h>

/* What this sink's promises rest on, what has an option of its own, and what would load code. */
static const char *const ours[] = {"bootstrap.servers",     "metadata.broker.list",
                                   "enable.idempotence",    "acks",
                                   "request.required.acks", "request.timeout.ms",
                                   "message.timeout.ms",    "delivery.timeout.ms",
                                   "transactional.id",      "delivery.report.only.error",
                                   "plugin.library.paths",  NULL};
static const char *const secrets[] = {"sasl.password",
                                      "ssl.key.password",
                                      "ssl.key.pem",
                                      "ssl.keystore.password",
                                      "sasl.oauthbearer.client.secret",
                                      "sasl.oauthbearer.config",
                                      NULL};

static bool is_in(const char *const *list, const char *name)
{
    while (*list && strcmp(*list, name) != 0)
        list++;
    return *list != NULL;
}

static int refuse(const struct kafka *kafka, const char *option, const char *name, const char *why)
{
    weir_buf text = {0};
    put_visible(&text, weir_cstr(name), 80);
    put_text(&text, name[0] ? ": " : "");
    put_visible(&text, weir_cstr(why), 200);
    kafka->inbox.host->option_error(kafka->inbox.instance, option, weir_buf_view(&text));
    weir_buf_free(&text);
    return -EINVAL;
}

/* What librdkafka says holds the value: of a secret only the name is shown. */
static int set(const struct kafka *kafka, const char *option, const char *name, const char *value)
{
    char why[256] = "";
    if (rd_kafka_conf_set(kafka->conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return 0;
    return refuse(kafka, option, name,
                  strcmp(option, "secrets") == 0
                      ? "is no property of librdkafka, or its value won't do"
                      : why);
}

static int set_one(const struct kafka *kafka, const weir_json *json, const char *option,
                   weir_str name, const weir_json_node *node)
{
    char key[128];
    weir_buf value = {0};
    int32_t kind = json->kind(node);
    snprintf(key, sizeof key, "%.*s", WEIR_ARG(name));
    if (is_in(ours, key))
        return refuse(kafka, option, key, "is weir's own to set");
    if (strcmp(option, "properties") == 0 && is_in(secrets, key))
        return refuse(kafka, option, key, "belongs under \"secrets\"");
    if (kind != WEIR_J_STRING && kind != WEIR_J_NUMBER && kind != WEIR_J_BOOL)
        return refuse(kafka, option, key, "must be a text, a number, true or false");
    put(&value, json->text(node));
    put_char(&value, '\0');
    int rc = value.failed ? -ENOMEM : set(kafka, option, key, value.ptr);
    weir_buf_free(&value);
    return rc;
}

static int set_all(const struct kafka *kafka, const weir_json *json, const char *option)
{
    weir_str text = WEIR_NONE;
    kafka->inbox.host->option_str(kafka->inbox.instance, option, &text);
    weir_json_doc *doc = text.len > 0 ? json->parse(text) : NULL;
    const weir_json_node *root = json->root(doc);
    int rc = 0;
    if (doc && json->kind(root) != WEIR_J_OBJECT)
        rc = refuse(kafka, option, "", "must be an object of properties and values");
    for (size_t i = 0; rc == 0 && i < json->size(root); i++) {
        weir_str name;
        const weir_json_node *value = json->entry(root, i, &name);
        rc = set_one(kafka, json, option, name, value);
    }
    json->free(doc);
    return rc;
}

static int set_fixed(const struct kafka *kafka, const char *brokers, int64_t timeout_ms)
{
    char timeout[24], request[24];
    snprintf(timeout, sizeof timeout, "%lld", (long long)timeout_ms);
    /* A broker that says nothing is asked again, or another one is, before the record's time is
     * over. */
    snprintf(request, sizeof request, "%lld", (long long)(timeout_ms / 3));
    const char *const fixed[][3] = {
        {"brokers", "bootstrap.servers", brokers},
        {"brokers", "client.id", "weir"},
        {"brokers", "enable.idempotence", "true"},
        {"brokers", "acks", "all"},
        {"brokers", "linger.ms", "1"},                /* an item's next change waits for it */
        {"brokers", "partitioner", "murmur2_random"}, /* as producers in Java do */
        {"delivery_timeout", "message.timeout.ms", timeout},
        {"delivery_timeout", "request.timeout.ms", request},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof fixed / sizeof fixed[0]; i++)
        rc = set(kafka, fixed[i][0], fixed[i][1], fixed[i][2]);
    return rc;
}

int settings_read(struct kafka *kafka, const weir_json *json)
{
    const weir_host *host = kafka->inbox.host;
    weir_instance *instance = kafka->inbox.instance;
    weir_str brokers = WEIR_NONE, topic = WEIR_NONE;
    int64_t timeout_ms = 0;
    host->option_str(instance, "brokers", &brokers);
    host->option_str(instance, "topic", &topic);
    host->option_i64(instance, "delivery_timeout", &timeout_ms);
    kafka->topic = topic.ptr;
    if (brokers.len == 0)
        return refuse(kafka, "brokers", "", "must name a server");
    if (topic.len == 0 || topic.len > 249)
        return refuse(kafka, "topic", "", "must be a name of 1 to 249 characters");
    if (timeout_ms < 1000 || timeout_ms > 600000)
        return refuse(kafka, "delivery_timeout", "", "must be 1s to 10m");
    kafka->conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(kafka->conf, kafka);
    rd_kafka_conf_set_log_cb(kafka->conf, producer_log);
    rd_kafka_conf_set_error_cb(kafka->conf, producer_error);
    rd_kafka_conf_set_dr_msg_cb(kafka->conf, producer_report);
    int rc = set_fixed(kafka, brokers.ptr, timeout_ms);
    if (rc == 0)
        rc = set_all(kafka, json, "properties");
    return rc < 0 ? rc : set_all(kafka, json, "secrets");
}
