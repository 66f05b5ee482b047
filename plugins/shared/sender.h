/* What waits in one sink, and its calls on their way: for services that take many records in a
 * call, by weir.aws/1 or in the sink's own way. The sink says what an entry looks like and what an
 * answer means; order, limits, failures of whole calls, cancelling and memory are here. All [loop].
 */
#ifndef WEIR_PLUGINS_SHARED_SENDER_H
#define WEIR_PLUGINS_SHARED_SENDER_H
#include "shared/arn.h"

#include <weir/ext/aws.h>
#include <weir/ext/json.h>

enum { SENDER_CONCURRENCY_MAX = 64 };

struct message { /* one record that waits or is on its way */
    struct message *next;
    uint64_t token; /* of its delivery, and */
    size_t index;   /* its place there */
    const weir_record *record;
    uint64_t lane, group; /* ordered: at most one of each is on its way */
    bool alone;           /* send it in a call of its own */
};

struct entry {               /* a message in a call */
    struct message *message; /* NULL: cancelled */
    uint64_t lane, group;
    char sum[33];    /* the sink's: what the answer has to repeat */
    int32_t outcome; /* what the answer says of it; 0: nothing */
    enum again { AGAIN_NO, AGAIN, AGAIN_ALONE } again; /* or: it is sent once more, at once */
    char reason[168];
};

struct call {
    struct sender *sender;
    struct call *next;                 /* in sender.open or sender.spare */
    const char *target;                /* sender_kind.target unless the sink sets another one */
    uint64_t id;                       /* of weir.aws/1 or what else carries it */
    uint64_t number;                   /* of this sender: never the same twice */
    size_t count, bytes;               /* entries; as the service counts them */
    const weir_aws_response *response; /* in read(), of weir.aws/1 */
    weir_buf body;
    struct entry entries[]; /* sender_kind.entries_max */
};

struct sender_kind {                     /* static */
    const char *service, *target, *json; /* as in weir_aws_request, and */
    int32_t protocol;
    size_t entries_max;
    bool ordered;              /* of a lane, and of a group, at most one message is on its way */
    const char *body_end;      /* closes what begin() opened */
    const char *too_large_key; /* the option that bounds an entry */
    void (*begin)(void *sink, weir_buf *body);
    /* Appends the message to call->body as entry number call->count, and says how many bytes the
     * service counts for it. False: the record has no such form. */
    bool (*put)(void *sink, struct call *call, const struct message *message, struct entry *entry,
                size_t *bytes);
    /* Gives the entries of `call` their outcome, by entry_give(), or sets `again`: then some other
     * entry must have an outcome, or fewer be sent together. `answer` is NULL where there is no
     * JSON. NULL: status 200 stores all. */
    void (*read)(void *sink, struct call *call, const weir_json_node *answer);
    int32_t (*judge)(weir_str error_type); /* an outcome, or 0: the host's is right */
    uint64_t (*group)(void *sink, const weir_record *record); /* optional: its lane */
    /* Optional: carries the calls instead of weir.aws/1. send: 0, and call_answered() follows,
     * later; or -errno. may_send (optional): false while the sink wants to wait; sender_pump() goes
     * on. */
    int (*send)(void *sink, struct call *call);
    void (*abort)(void *sink, struct call *call);
    bool (*may_send)(void *sink);
};

struct sender { /* the first member of the sink's own struct, which malloc() gave */
    const struct sender_kind *kind;
    const weir_host *host;
    weir_instance *instance;
    const weir_aws *aws;
    const weir_json *json;
    const char *unable;                 /* why nothing can be sent on this host, or NULL */
    weir_str endpoint, region, account; /* account: where the sink knows it, for sender_declare() */
    /* as in weir_aws_request, for all calls */
    weir_buf path;
    const weir_aws_header *headers;
    uint32_t header_count;
    int64_t timeout_ms;
    size_t entries_max; /* in one call: the kind's, or fewer */
    int64_t concurrency, entry_bytes_max, call_bytes_max;

    struct message *head, **tail; /* waiting, in the order delivered */
    struct message *spare_messages;
    struct call *open, *spare;
    int64_t in_flight;
    uint64_t calls_made;
    weir_buf scratch; /* the sink's: what it is rendering */
};

/* The open() of a sink of `bytes`, zeroed: sender_open(), then its own read_options(), and *self. 0
 * or -errno, and then nothing is left of it. */
int32_t sender_new(const struct sender_kind *kind, size_t bytes, int (*read_options)(void *sink),
                   const weir_host *host, weir_instance *instance, void **self);
/* In open(). For weir.aws/1: asks the host for what is needed and reads the options `concurrency`
 * and `region`, which the plugin then has. 0, or -EINVAL after option_error. */
int sender_open(struct sender *sender, const struct sender_kind *kind, const weir_host *host,
                weir_instance *instance);
/* In open(): reads the option `concurrency`. 0, or -EINVAL after option_error. */
int sender_read_concurrency(struct sender *sender);
/* In open(): option_error, and -EINVAL. */
int sender_refuse(const struct sender *sender, const char *option, const char *why);
/* In open(): "WORD NAME" as the target, and `action` on it ("kinesis:PutRecords"), where a name
 * that is no ARN stands for `kind`NAME ("stream/"). `name` that is an ARN gives the region too. */
void sender_declare(const struct sender *sender, const char *word, const char *action,
                    const char *kind, weir_str name);

/* In open(): reads `option`, by default `most`, into *out, and refuses what is not between 1 KiB
 * and `most`, which `why` tells. 0, or -EINVAL after option_error. */
int sender_read_bytes(const struct sender *sender, const char *option, int64_t most,
                      const char *why, int64_t *out);

/* For a kind with a send() of its own. `code` and `message` are the error's, `body` the answer's.
 */
void call_answered(struct call *call, int32_t outcome, weir_str code, weir_str message,
                   weir_str body);
uint64_t call_token(const struct call *call); /* the delivery that it serves; 0: several */
void sender_pump(struct sender *sender);
/* Completes what of the delivery waits and is in no call. */
void sender_give_back(struct sender *sender, uint64_t token, int32_t outcome, const char *reason);

/* The plugin's functions. sender_close() frees the sink. */
void sender_deliver(void *sink, weir_delivery *delivery);
void sender_cancel(void *sink, uint64_t token);
void sender_close(void *sink);

/* Whether an error's code is, or ends in, one of `names`, which ends with NULL. */
bool code_is_one_of(weir_str code, const char *const *names);
/* An entry that is named twice has no outcome that could be trusted: it becomes WEIR_RETRY. */
void entry_give(struct entry *entry, int32_t outcome, const char *reason);
void entries_give_all(struct call *call, int32_t outcome, const char *reason);
void entries_again_alone(struct call *call); /* each in a call of its own: one of them is bad */
/* As entry_give(), with an error of the service as the reason. */
void entry_give_error(struct entry *entry, int32_t outcome, weir_str code, weir_str message);
/* For an answer that names the entries by their place in `list` alone: one of another length names
 * none. An element with ErrorCode has failed as `outcome_of` says, one with `stored_by` is stored.
 */
void entries_give_list(struct call *call, const weir_json_node *list, const char *stored_by,
                       int32_t (*outcome_of)(weir_str code));
#endif
