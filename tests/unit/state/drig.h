/* Two processes with a DynamoDB store each, and the table between them. */
#ifndef WEIR_TESTS_DRIG_H
#define WEIR_TESTS_DRIG_H
#include "state/dynamo.h"
#include "unit.h"
#include "vtable.h"

struct process {
    struct world world;
    struct vhost host;
    struct aws_config aws_config;
    struct aws_client *aws;
    struct dynamo_store *dynamo;
    struct store store;
    struct store_owner owner;
    int owned, lost, released, saved, loaded; /* times told */
    int64_t owned_ms;                         /* when */
    int status;
    char reason[512], logged[800];
    size_t lines;
    char rows[4096];
    struct store_save save;
    struct store_load load;
};

struct rig {
    struct vworld world;
    struct vtable table;
    struct process a, b;
};

void acquire(struct process *process);
bool owned(const struct process *process);
void release(struct rig *rig, struct process *process);
void begin(struct rig *rig);
void begin_pair(struct rig *rig);
void end(struct rig *rig);
struct state_row row_of(const char *shard, const char *position);
void start_save(struct process *process, const struct state_row *rows, size_t count);
int save(struct rig *rig, struct process *process, const struct state_row *rows, size_t count);
const char *load(struct rig *rig, struct process *process);
void on_loaded(struct store_load *load, int status);
#endif
