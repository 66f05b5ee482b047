/* One instance of the sqs sink. All [loop]. */
#ifndef WEIR_SQS_SQS_H
#define WEIR_SQS_SQS_H
#include "digest.h"
#include "shared/plain.h"

#include <weir/ext/aws.h>
#include <weir/ext/json.h>

enum {
    ENTRIES_MAX = 10, /* of a SendMessageBatch */
    GROUP_MAX = 128,  /* bytes of a MessageGroupId */
    CONCURRENCY_MAX = 64
};
enum body_form { BODY_AWS, BODY_PLAIN }; /* as in the option's choices */
enum fifo_group { GROUP_KEYS, GROUP_TABLE, GROUP_SHARD };

struct message { /* one record that waits or is on its way */
    struct message *next;
    uint64_t token; /* of its delivery, and */
    size_t index;   /* its place there */
    const weir_record *record;
    uint64_t lane, group; /* at most one of each is on its way */
    bool alone;           /* send it in a call of its own */
};

struct entry {               /* a message in a call */
    struct message *message; /* NULL: cancelled */
    uint64_t lane, group;
    char md5[2 * MD5_BYTES + 1];
};

struct call {
    struct sqs *sqs;
    struct call *next;   /* in sqs.open or sqs.spare */
    uint64_t id;         /* of weir.aws/1 */
    uint64_t number;     /* part of the entries' Ids, so that no other call's answer fits */
    size_t count, bytes; /* entries; as SQS counts message bytes */
    struct entry entries[ENTRIES_MAX];
    weir_buf body;
};

struct sqs {
    const weir_host *host;
    weir_instance *instance;
    const weir_aws *aws;
    const weir_json *json;
    /* options */
    weir_str queue_url, endpoint, region;
    enum body_form form;
    enum fifo_group fifo_group;
    bool raw, fifo;
    int64_t concurrency, max_bytes;

    struct message *head, **tail; /* waiting, in the order delivered */
    struct message *spare_messages;
    struct call *open, *spare;
    int64_t in_flight;
    uint64_t calls_made;
    weir_buf scratch; /* the body being rendered */
};

/* ---- queue_url.c ---- */
struct queue_url {          /* views into the URL */
    weir_str endpoint;      /* scheme and host */
    weir_str region;        /* len 0: the host doesn't tell */
    weir_str account, name; /* account: len 0 when the path has none */
};
/* NULL, or why it will not do. Static text. */
const char *queue_url_parse(weir_str url, struct queue_url *out);

/* ---- message.c ---- */
/* MessageGroupId of a record, NUL-terminated; its length. */
size_t message_group(const struct sqs *sqs, const weir_record *record, char out[GROUP_MAX + 1]);
uint64_t message_group_hash(const struct sqs *sqs, const weir_record *record);

enum added { ADDED, ADD_NO_ROOM /* in this call */, ADD_TOO_LARGE, ADD_NO_FORM, ADD_NO_MEMORY };
/* Appends the message to the call's body. For ADD_TOO_LARGE *bytes is its size. */
enum added message_add(struct call *call, struct message *message, size_t *bytes);

/* ---- sender.c ---- */
void sender_add(struct sqs *sqs, struct message *message);
void sender_pump(struct sqs *sqs);
/* Completes the record; unless stored, also holds back what waits behind it. Takes the message
 * back. */
void sender_finish(struct sqs *sqs, struct message *message, int32_t outcome, const char *reason);
void sender_put_back(struct sqs *sqs,
                     struct message *message); /* to be sent alone, before the others */
void sender_cancel(struct sqs *sqs, uint64_t token);
void sender_fail(struct sqs *sqs, int32_t outcome, const char *reason); /* everything that waits */
void sender_free(struct sqs *sqs);

/* ---- answer.c ---- */
/* Finishes the messages of `call`, or puts them back to be sent alone. */
void call_answered(struct call *call, const weir_aws_response *response);
void call_finish(struct call *call, int32_t outcome, const char *reason);
#endif
