#include "drig.h"

#include <stdio.h>

static char *environment[] = {(char *)"AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
                              (char *)"AWS_SECRET_ACCESS_KEY=secret",
                              (char *)"AWS_REGION=eu-west-1", (char *)"HOME=/nonexistent", NULL};

static void on_owner(struct store_owner *owner, bool owned, const char *reason)
{
    struct process *process = owner->arg;
    *(owned ? &process->owned : &process->lost) += 1;
    if (owned)
        process->owned_ms = process->world.clock.now_ms(process->world.clock.ctx);
    snprintf(process->reason, sizeof process->reason, "%s", reason);
}

static void on_saved(struct store_save *save, int status)
{
    struct process *process = save->arg;
    process->saved++;
    process->status = status;
    snprintf(process->reason, sizeof process->reason, "%s", save->reason);
}

void on_loaded(struct store_load *load, int status)
{
    struct process *process = load->arg;
    size_t len = 0;
    process->loaded++;
    process->status = status;
    process->rows[0] = '\0';
    snprintf(process->reason, sizeof process->reason, "%s", load->reason);
    for (size_t i = 0; i < load->count && len < sizeof process->rows; i++)
        len += (size_t)snprintf(process->rows + len, sizeof process->rows - len, "%d %.*s %.*s|",
                                load->rows[i].kind, STR_ARG(load->rows[i].shard),
                                STR_ARG(load->rows[i].position));
}

static void on_released(void *arg)
{
    ((struct process *)arg)->released++;
}

static void on_log(void *ctx, int level, const char *component, const char *code, const char *msg)
{
    struct process *process = ctx;
    (void)level;
    (void)component;
    process->lines++;
    snprintf(process->logged, sizeof process->logged, "%s %s", code ? code : "-", msg);
}

static void boot(struct rig *rig, struct process *process, const char *who)
{
    *process = (struct process){.world = rig->world.world,
                                .host = {.table = &rig->table},
                                .aws_config = {.environ_block = environment},
                                .owner = {on_owner, process}};
    vhost_transport(&process->host, &process->world.transport);
    CHECK_FATAL(aws_client_new(&process->world, &process->aws_config, &process->aws, NULL) == 0);
    struct dynamo_config config = {.world = &process->world,
                                   .aws = process->aws,
                                   .table = "State",
                                   .pipeline = "prices",
                                   .who = who,
                                   .log = on_log,
                                   .log_ctx = process};
    CHECK_FATAL(dynamo_store_new(&config, &process->dynamo) == 0);
    dynamo_store_seam(process->dynamo, &process->store);
}

void acquire(struct process *process)
{
    CHECK_INT(process->store.acquire(process->store.ctx, &process->owner), 0);
    CHECK_INT(process->owned + process->lost, 0);
}

bool owned(const struct process *process)
{
    return process->store.owned(process->store.ctx);
}

void release(struct rig *rig, struct process *process)
{
    process->store.release(process->store.ctx, on_released, process);
    CHECK_INT(process->released, 0);
    vworld_run(&rig->world, 5000);
    CHECK_INT(process->released, 1);
    CHECK(!owned(process));
}

static void halt(struct process *process)
{
    dynamo_store_free(process->dynamo);
    aws_client_free(process->aws);
}

void begin(struct rig *rig)
{
    *rig = (struct rig){0};
    vworld_init(&rig->world, 7);
    vtable_init(&rig->table, &rig->world, "State");
    boot(rig, &rig->a, "process 1 on a");
    boot(rig, &rig->b, "process 2 on b");
}

/* The first owns it, the second waits. */
void begin_pair(struct rig *rig)
{
    begin(rig);
    acquire(&rig->a);
    vworld_run(&rig->world, 1000);
    CHECK_FATAL(rig->a.owned == 1);
    acquire(&rig->b);
    vworld_run(&rig->world, 20000);
    CHECK_FATAL(rig->b.owned == 0 && owned(&rig->a));
}

void end(struct rig *rig)
{
    if (!rig->a.released)
        release(rig, &rig->a);
    if (!rig->b.released)
        release(rig, &rig->b);
    halt(&rig->a);
    halt(&rig->b);
    vtable_done(&rig->table);
    vworld_done(&rig->world);
}

struct state_row row_of(const char *shard, const char *position)
{
    return (struct state_row){.kind = STATE_POSITION,
                              .sink = STR("s"),
                              .stream = STR("arn"),
                              .shard = str_of(shard),
                              .position = str_of(position)};
}

void start_save(struct process *process, const struct state_row *rows, size_t count)
{
    process->save =
        (struct store_save){.rows = rows, .count = count, .done = on_saved, .arg = process};
    process->saved = 0;
    CHECK_INT(process->store.save(process->store.ctx, &process->save), 0);
    CHECK_INT(process->saved, 0);
}

int save(struct rig *rig, struct process *process, const struct state_row *rows, size_t count)
{
    start_save(process, rows, count);
    vworld_run(&rig->world, 200);
    CHECK_INT(process->saved, 1);
    return process->status;
}

const char *load(struct rig *rig, struct process *process)
{
    process->load = (struct store_load){.done = on_loaded, .arg = process};
    process->loaded = 0;
    CHECK_INT(process->store.load(process->store.ctx, &process->load), 0);
    vworld_run(&rig->world, 500);
    CHECK_INT(process->loaded, 1);
    CHECK_INT(process->status, 0);
    return process->rows;
}
