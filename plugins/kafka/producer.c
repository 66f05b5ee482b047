/* The thread of the sink: gives records to librdkafka, and takes its delivery reports. librdkafka
 * keeps the order within a partition and drops what it sent twice itself (enable.idempotence). When
 * that is no longer possible it says so, with an error that is fatal for the producer: then a new
 * one is made. */
#include "kafka/kafka.h"

#include "shared/digest.h"

#include <errno.h>
#include <poll.h>
#include <syslog.h>
#include <time.h>

enum {
    REOPEN_FIRST_MS = 100,
    REOPEN_MAX_MS = 10000,
    PURGE_ALL = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- what librdkafka says ---- */

/* [any of its threads] */
void producer_log(const rd_kafka_t *producer, int level, const char *part, const char *text)
{
    struct kafka *kafka = rd_kafka_opaque(producer);
    weir_buf line = {0};
    (void)part;
    put_text(&line, "librdkafka: ");
    put_visible(&line, weir_cstr(text), 600);
    kafka->inbox.host->log(kafka->inbox.instance,
                           level <= LOG_WARNING ? WEIR_LOG_WARN
                           : level <= LOG_INFO  ? WEIR_LOG_INFO
                                                : WEIR_LOG_DEBUG,
                           weir_buf_view(&line));
    weir_buf_free(&line);
}

void producer_error(rd_kafka_t *producer, int code, const char *reason, void *arg)
{
    struct kafka *kafka = arg;
    char text[256];
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_fatal_error(producer, text, sizeof text);
        kafka->broken = true;
        reason = text;
        weir_logf(kafka->inbox.host, kafka->inbox.instance, WEIR_LOG_WARN,
                  "the producer is at its end, and a new one is made: %s", text);
    }
    error_text(WEIR_NONE, weir_cstr(reason), kafka->trouble, sizeof kafka->trouble);
}

static void finish(struct kafka *kafka, struct job *job, rd_kafka_resp_err_t error,
                   rd_kafka_msg_status_t status)
{
    char reason[400] = "";
    int32_t outcome = outcome_of(error, status);
    bool connection = error == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && kafka->trouble[0];
    if (outcome != WEIR_OK)
        snprintf(reason, sizeof reason, "%s%s%s", rd_kafka_err2str(error), connection ? "; " : "",
                 connection ? kafka->trouble : "");
    if (outcome == WEIR_OK) {
        kafka->failures = 0;
        kafka->trouble[0] = '\0';
    }
    inbox_complete(&kafka->inbox, job, outcome, outcome == WEIR_OK ? NULL : reason);
}

void producer_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *arg)
{
    struct kafka *kafka = arg;
    struct job *job = message->_private;
    (void)producer;
    kafka->sent--;
    /* A server refuses a whole batch for one bad record, or since all of them are too large
     * together. */
    if (outcome_of(message->err, rd_kafka_message_status(message)) == WEIR_FAIL && !job->suspect) {
        job->suspect = true;
        jobs_push(&kafka->refused, job);
        return;
    }
    finish(kafka, job, message->err, rd_kafka_message_status(message));
}

/* ---- sending ---- */

enum { HEADERS = 4, VALUES = 5 + HEADERS };

static rd_kafka_resp_err_t produce(struct kafka *kafka, struct job *job)
{
    static const struct {
        const char *name;
        int32_t field;
    } headers[HEADERS] = {{"eventID", WEIR_F_EVENT_ID},
                          {"eventName", WEIR_F_EVENT_NAME},
                          {"table", WEIR_F_TABLE},
                          {"sequence", WEIR_F_SEQUENCE}};
    char key[SHA256_HEX_BYTES]; /* the item's own holds arbitrary bytes */
    sha256_hex(kafka->inbox.host->field(job->record, WEIR_F_ITEM_KEY), key);
    rd_kafka_vu_t values[VALUES] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = kafka->topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = job},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {kafka->value.ptr, kafka->value.len}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {key, sizeof key - 1}},
    };
    size_t count = 5;
    for (size_t i = 0; i < HEADERS; i++) {
        weir_str text = kafka->inbox.host->field(job->record, headers[i].field);
        if (text.len == 0)
            continue;
        values[count].vtype = RD_KAFKA_VTYPE_HEADER;
        values[count].u.header.name = headers[i].name;
        values[count].u.header.val = text.ptr;
        values[count++].u.header.size = (ssize_t)text.len;
    }
    rd_kafka_error_t *error = rd_kafka_produceva(kafka->producer, values, count);
    rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_error_destroy(error);
    return code;
}

/* False: it waits, since the client's queue is full or its producer broke. */
static bool send_one(struct kafka *kafka, struct job *job)
{
    weir_buf_clear(&kafka->value);
    bool made = put_body(&kafka->body, job->record, &kafka->value);
    if (!made || kafka->value.failed) {
        bool memory = kafka->value.failed;
        inbox_complete(&kafka->inbox, job, memory ? WEIR_RETRY : WEIR_FAIL,
                       memory ? "out of memory" : "the record can't be written in this form");
        return true;
    }
    rd_kafka_resp_err_t error = produce(kafka, job);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka->sent++;
        return true;
    }
    if (error == RD_KAFKA_RESP_ERR__FATAL ||
        (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && kafka->sent > 0))
        return false;
    finish(kafka, job, error, RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
    return true;
}

static void give_back_revoked(struct kafka *kafka, struct jobs *jobs)
{
    struct jobs all = *jobs;
    struct job *job;
    *jobs = (struct jobs){0};
    while ((job = jobs_pop(&all))) {
        if (atomic_load(&job->load->revoked))
            inbox_complete(&kafka->inbox, job, WEIR_RETRY, "revoked before it was sent");
        else
            jobs_push(jobs, job);
    }
}

/* What librdkafka has can't be taken back one by one: it is reported when its time is over. */
static void send_waiting(struct kafka *kafka)
{
    give_back_revoked(kafka, &kafka->waiting);
    give_back_revoked(kafka, &kafka->refused);
    while (kafka->producer && !kafka->broken) {
        struct jobs *from = kafka->refused.head ? &kafka->refused : &kafka->waiting;
        if (!from->head || (from == &kafka->refused && kafka->sent > 0))
            return;
        struct jobs rest = {0};
        struct job *job = jobs_pop(from);
        if (send_one(kafka, job))
            continue;
        jobs_push(&rest, job);
        jobs_move(&rest, from);
        *from = rest;
        return;
    }
}

/* ---- the producer ---- */

static void open_producer(struct kafka *kafka)
{
    char why[256] = "";
    const uint64_t one = 1;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(kafka->conf);
    struct job *job;
    int64_t delay_ms = (int64_t)REOPEN_FIRST_MS << (kafka->failures < 7 ? kafka->failures : 7);
    kafka->reopen_ms = now_ms() + (delay_ms < REOPEN_MAX_MS ? delay_ms : REOPEN_MAX_MS);
    kafka->failures++;
    kafka->broken = false;
    kafka->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (kafka->producer) { /* its reports wake the thread as a delivery does */
        rd_kafka_queue_t *queue = rd_kafka_queue_get_main(kafka->producer);
        rd_kafka_queue_io_event_enable(queue, kafka->inbox.wake_fd, &one, sizeof one);
        rd_kafka_queue_destroy(queue);
        return;
    }
    rd_kafka_conf_destroy(conf);
    error_text(WEIR_NONE, weir_cstr(why), kafka->trouble, sizeof kafka->trouble);
    jobs_move(&kafka->waiting, &kafka->refused);
    while ((job = jobs_pop(&kafka->waiting)))
        inbox_complete(&kafka->inbox, job, WEIR_DOWN, kafka->trouble);
}

static void close_producer(struct kafka *kafka)
{
    if (!kafka->producer)
        return;
    rd_kafka_purge(kafka->producer, PURGE_ALL);
    rd_kafka_destroy(kafka->producer);
    kafka->producer = NULL;
}

static bool has_work(const struct kafka *kafka)
{
    return kafka->waiting.head || kafka->refused.head;
}

static int wait_ms(const struct kafka *kafka)
{
    int64_t left_ms = kafka->reopen_ms - now_ms();
    if (kafka->broken && kafka->sent == 0)
        return 0;
    if (kafka->producer || !has_work(kafka))
        return -1;
    return left_ms > 0 ? (int)left_ms : 0;
}

void *producer_run(void *arg)
{
    struct kafka *kafka = arg;
    while (inbox_take(&kafka->inbox, &kafka->waiting)) {
        struct pollfd ready = {kafka->inbox.wake_fd, POLLIN, 0};
        if (kafka->broken && kafka->sent == 0)
            close_producer(kafka);
        else if (kafka->broken)
            rd_kafka_purge(kafka->producer, PURGE_ALL | RD_KAFKA_PURGE_F_NON_BLOCKING);
        if (!kafka->producer && has_work(kafka) && now_ms() >= kafka->reopen_ms)
            open_producer(kafka);
        /* after that: what a queue holds already when it is opened wakes nobody */
        while (kafka->producer && rd_kafka_poll(kafka->producer, 0) > 0)
            ;
        send_waiting(kafka);
        poll(&ready, 1, wait_ms(kafka));
    }
    close_producer(kafka);
    return NULL;
}
