/* What SQS and SNS have in common: entries that answers name by their Id, attributes, and the
 * groups and deduplication ids of FIFO queues and topics. */
#ifndef WEIR_PLUGINS_SHARED_BATCH_ENTRY_H
#define WEIR_PLUGINS_SHARED_BATCH_ENTRY_H
#include "shared/digest.h"
#include "shared/sender.h"

/* ---- entries ---- */

enum { ENTRY_ID_BYTES = 48 };

/* The Id of entry `index`: no other call of this sender has it. */
void entry_id(const struct call *call, size_t index, char out[ENTRY_ID_BYTES]);
/* Reads {"Successful":[{"Id":...,STORED_BY:...}],"Failed":[{"Id","Code","Message","SenderFault"}]}.
 * `stored_by` must be what entry->sum holds, or anything where that is empty. A failed entry is
 * what sender_kind.judge says, else WEIR_FAIL by the sender's fault; throttled, it is WEIR_RETRY.
 */
void entries_give_named(struct call *call, const weir_json_node *result, const char *stored_by);

/* ---- attributes ---- */

enum { ATTRIBUTES_MAX = 4 };
struct attribute {
    const char *name;
    weir_str value; /* never empty: an attribute can't be */
};
/* Event id, event name, table and sequence number, those that the record has. Their number. */
size_t record_attributes(const weir_host *host, const weir_record *record,
                         struct attribute out[ATTRIBUTES_MAX]);
size_t attribute_bytes(const struct attribute *attribute); /* as the services count it */

/* ---- FIFO ---- */

enum { FIFO_GROUP_BYTES = 129 };                          /* 128, and NUL */
enum fifo_group { GROUP_KEYS, GROUP_TABLE, GROUP_SHARD }; /* as in the option's choices */
#define FIFO_OPTION                                                                                \
    {                                                                                              \
        "fifo_group", "\"keys\"", WEIR_O_ENUM, 0, "keys|table|shard",                              \
            "FIFO: what has an order of its own: each item, the whole table, or each shard."       \
    }

struct fifo {
    const weir_host *host;
    bool on;
    enum fifo_group group;
};
/* In open(): on where `name` ends in .fifo; reads the option and declares the order. */
void fifo_open(struct fifo *fifo, const struct sender *sender, weir_str name);
void fifo_message_group(const struct fifo *fifo, const weir_record *record,
                        char out[FIFO_GROUP_BYTES]);
uint64_t fifo_group_hash(const struct fifo *fifo, const weir_record *record); /* off: the lane */
void fifo_deduplication_id(const struct fifo *fifo, const weir_record *record, weir_buf *scratch,
                           char out[SHA256_HEX_BYTES]);
#endif
