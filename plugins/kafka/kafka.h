/* One instance of the kafka sink. */
#ifndef WEIR_KAFKA_KAFKA_H
#define WEIR_KAFKA_KAFKA_H
#include "shared/body.h"
#include "shared/inbox.h"

#include <weir/ext/json.h>

#include <librdkafka/rdkafka.h>

struct kafka {
    struct inbox inbox;
    struct body body;
    rd_kafka_conf_t *conf; /* of each producer, a copy of this */
    const char *topic;     /* text of an option: until close() */

    /* the thread's */
    rd_kafka_t *producer;         /* NULL: none yet, or it broke */
    struct jobs waiting, refused; /* refused: in a batch of several, so each goes alone */
    weir_buf value;
    size_t sent;       /* without a report */
    unsigned failures; /* producers in a row that stored nothing */
    int64_t reopen_ms;
    bool broken;       /* no use any more: a fatal error */
    char trouble[168]; /* what the client last said of its connections */
};

/* ---- settings.c: 0, or -errno, after option_error for -EINVAL ---- */
int settings_read(struct kafka *kafka, const weir_json *json);

/* ---- producer.c ---- */
void *producer_run(void *kafka);
void producer_log(const rd_kafka_t *producer, int level, const char *part, const char *text);
void producer_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *kafka);
void producer_error(rd_kafka_t *producer, int code, const char *reason, void *kafka);

/* ---- outcome.c ---- */
int32_t outcome_of(rd_kafka_resp_err_t error, rd_kafka_msg_status_t status);
#endif
