/* An event source mapping of one DynamoDB stream, played on this machine: it finds the stream,
 * reads its shards, parent before child, and delivers their records to a function. It keeps no
 * checkpoint: each one begins at its starting position. Tumbling windows are not played. */
#ifndef WEIR_ESM_MAPPING_H
#define WEIR_ESM_MAPPING_H
#include "aws/aws.h"
#include "esm/delivery.h"

enum { ESM_FINISHED = 0, ESM_UNAVAILABLE = 69, ESM_DENIED = 77, ESM_WRONG = 78 };

struct esm_config { /* what it points at outlives the mapping */
    const struct world *world;
    struct aws_client *aws;
    weir_str source; /* a table's name, or a stream's ARN */
    bool latest;     /* else TRIM_HORIZON */
    bool once;       /* ends when all that is there was read, and delivered or given up */
    struct esm_options options;
    struct esm_function function;
    void (*told)(void *arg, const struct esm_report *report);
    int (*gave_up)(void *arg, const struct esm_failure *failure); /* as of a delivery */
    void (*say)(void *arg, const char *text); /* a line for people, without its end */
    /* Nothing is under way any more. `exit_code` as above; the reason was said. */
    void (*finished)(void *arg, int exit_code);
    void *arg;
};

struct esm_mapping;
int esm_mapping_new(const struct esm_config *config, struct esm_mapping **out); /* 0, -ENOMEM */
void esm_mapping_start(struct esm_mapping *mapping);
/* Reads and invokes no more, waits for open invocations; finished() follows. */
void esm_mapping_stop(struct esm_mapping *mapping);
void esm_mapping_free(struct esm_mapping *mapping); /* after finished() */
struct esm_counts esm_mapping_counts(const struct esm_mapping *mapping);
weir_str esm_mapping_stream(const struct esm_mapping *mapping); /* its ARN; empty = not found yet */
/* Each shard that is open to reading, with its checkpoint. */
void esm_mapping_checkpoints(const struct esm_mapping *mapping,
                             void (*each)(void *arg, weir_str shard, weir_str checkpoint),
                             void *arg);
#endif
