/* A Kafka cluster for tests: librdkafka's own, on ports of this machine. Prints "ready
 * HOST:PORT,..." and then does what the lines of its standard input say, each answered by a line:
 *   down N | up N | slow N MS | errors API ERROR... | read TOPIC COUNT
 * read prints COUNT lines {"partition":..,"offset":..,"key":"..","headers":{..},"value":..} before
 * "done". */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BROKERS = 3, PARTITIONS = 4, ERRORS_MAX = 64, READ_MS = 20000, MORE_MS = 1000 };

static void say(const char *text)
{
    printf("%s\n", text);
    fflush(stdout);
}

static void die(const char *why)
{
    fprintf(stderr, "mock: %s\n", why);
    exit(1);
}

static void print_message(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name, *comma = "";
    const void *value;
    size_t bytes;
    printf("{\"partition\":%d,\"offset\":%lld,\"key\":\"%.*s\",\"headers\":{",
           (int)message->partition, (long long)message->offset, (int)message->key_len,
           (const char *)message->key);
    rd_kafka_message_headers(message, &headers);
    for (size_t i = 0; headers && rd_kafka_header_get_all(headers, i, &name, &value, &bytes) == 0;
         i++) {
        printf("%s\"%s\":\"%.*s\"", comma, name, (int)bytes, (const char *)value);
        comma = ",";
    }
    printf("},\"value\":%.*s}\n", (int)message->len, (const char *)message->payload);
}

/* From the beginning of every partition. */
static void read_topic(const char *brokers, const char *topic, long count)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why);
    rd_kafka_conf_set(conf, "group.id", "reader", why, sizeof why);
    rd_kafka_t *reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(PARTITIONS);
    if (!reader)
        die(why);
    rd_kafka_poll_set_consumer(reader);
    for (int i = 0; i < PARTITIONS; i++)
        rd_kafka_topic_partition_list_add(all, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(reader, all);
    for (;;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader, count > 0 ? READ_MS : MORE_MS);
        if (!message)
            break;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            print_message(message);
            count--;
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_topic_partition_list_destroy(all);
    rd_kafka_consumer_close(reader);
    rd_kafka_destroy(reader);
}

static void push_errors(rd_kafka_mock_cluster_t *cluster, char *rest)
{
    rd_kafka_resp_err_t errors[ERRORS_MAX];
    size_t count = 0;
    long api = strtol(rest, &rest, 10);
    for (char *end; count < ERRORS_MAX; rest = end) {
        long error = strtol(rest, &end, 10);
        if (end == rest)
            break;
        errors[count++] = (rd_kafka_resp_err_t)error;
    }
    rd_kafka_mock_push_request_errors_array(cluster, (int16_t)api, count, errors);
}

static void obey(rd_kafka_mock_cluster_t *cluster, char *line)
{
    char topic[128];
    int number = 0, ms = 0;
    long count = 0;
    if (sscanf(line, "down %d", &number) == 1)
        rd_kafka_mock_broker_set_down(cluster, number);
    else if (sscanf(line, "up %d", &number) == 1)
        rd_kafka_mock_broker_set_up(cluster, number);
    else if (sscanf(line, "slow %d %d", &number, &ms) == 2)
        rd_kafka_mock_broker_set_rtt(cluster, number, ms);
    else if (strncmp(line, "errors ", 7) == 0)
        push_errors(cluster, line + 7);
    else if (sscanf(line, "read %127s %ld", topic, &count) == 2)
        read_topic(rd_kafka_mock_cluster_bootstraps(cluster), topic, count);
    else
        die(line);
    say("done");
}

int main(int argc, char **argv)
{
    char why[256], *line = NULL;
    size_t size = 0;
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof why);
    if (!handle)
        die(why);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(handle, BROKERS);
    for (int i = 1; i < argc; i++)
        rd_kafka_mock_topic_create(cluster, argv[i], PARTITIONS, BROKERS);
    printf("ready %s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (getline(&line, &size, stdin) > 0)
        obey(cluster, line);
    free(line);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(handle);
    return 0;
}
