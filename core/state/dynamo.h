/* The store seam on a DynamoDB table (state/dynamo_items.h), for a daemon whose place another
 * machine may take.
 *
 * Whoever owns a pipeline counts a beat up, every beat_ms. A standby takes over when it has seen
 * the same beat for lease_ms on its own clock, by a write that is conditional on what it saw and
 * raises the fence; no wall clock is compared. The owner trusts itself only until lease_ms less a
 * tenth after it SENT its last confirmed beat, on a clock that runs on while the process or the
 * machine is stopped: so a process that wakes up after its lease stops before its next dispatch.
 * Where nobody took over meanwhile, the next confirmed beat makes it the owner again.
 *
 * A save is written in transactions of up to 99 rows, each conditional on holder and fence and each
 * a beat. When one fails, those before it are durable and those behind it were not tried. Dead
 * letters go to another store. */
#ifndef WEIR_STATE_DYNAMO_H
#define WEIR_STATE_DYNAMO_H
#include "aws/aws.h"

struct dynamo_store;

enum { DYNAMO_LEASE_MS = 10000, DYNAMO_BEAT_MS = 3000 };

struct dynamo_config { /* texts and what is pointed at must outlive the store */
    const struct world *world;
    struct aws_client *aws;
    const char *table, *pipeline;
    const char *who;      /* for people: "process 4711 on host-a" */
    int64_t lease_ms;     /* 0 = DYNAMO_LEASE_MS */
    int64_t beat_ms;      /* 0 = DYNAMO_BEAT_MS; less than a third of the lease */
    struct store letters; /* dead_put goes there; its functions may be NULL */
    void (*log)(void *ctx, int level, const char *component, const char *code, const char *msg);
    void *log_ctx;
};

int dynamo_store_new(const struct dynamo_config *config, struct dynamo_store **out); /* -ENOMEM */
void dynamo_store_free(struct dynamo_store *store); /* nothing may be under way */
/* acquire(): waits as a standby; changed(false) at once where the table can't be used at all.
 * release(): gives the pipeline up, so that a standby takes over at once. load() also works without
 * ownership. */
void dynamo_store_seam(struct dynamo_store *store, struct store *out);
/* Marks a gap as accepted, whoever owns the pipeline (`weir shards accept-gap`). done(): 0, -ENOENT
 * when it is not there any more, -errno with a reason; later. One at a time, beside nothing else.
 * 0 or -errno. */
int dynamo_store_accept(struct dynamo_store *store, const struct state_row *gap,
                        void (*done)(void *arg, int status, const char *reason), void *arg);
#endif
