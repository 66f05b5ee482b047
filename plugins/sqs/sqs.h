/* One instance of the sqs sink. All [loop]. */
#ifndef WEIR_SQS_SQS_H
#define WEIR_SQS_SQS_H
#include "shared/body.h"
#include "shared/digest.h"
#include "shared/sender.h"

enum { GROUP_MAX = 128 };                                 /* bytes of a MessageGroupId */
enum fifo_group { GROUP_KEYS, GROUP_TABLE, GROUP_SHARD }; /* as in the option's choices */

struct sqs {
    struct sender sender;
    struct body body;
    weir_str queue_url;
    enum fifo_group fifo_group;
    bool fifo;
};

/* ---- queue_url.c ---- */
struct queue_url {          /* views into the URL */
    weir_str endpoint;      /* scheme and host */
    weir_str region;        /* len 0: the host doesn't tell */
    weir_str account, name; /* account: len 0 when the path has none */
};
/* NULL, or why it will not do. Static text. */
const char *queue_url_parse(weir_str url, struct queue_url *out);

/* ---- message.c: as of struct sender_kind ---- */
uint64_t message_group_hash(void *sink, const weir_record *record);
bool message_put(void *sink, struct call *call, const struct message *message, struct entry *entry,
                 size_t *bytes);

/* ---- answer.c: as of struct sender_kind ---- */
void answer_read(void *sink, struct call *call, const weir_json_node *answer);
int32_t answer_judge(weir_str error_type);
#endif
