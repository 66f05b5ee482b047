#include "cli/store.h"

#include "state/dynamo.h"
#include "state/memory.h"
#include "state/sqlite.h"

#include <errno.h>
#include <unistd.h>

static void log_of_state(void *ctx, int level, const char *component, const char *code,
                         const char *msg)
{
    const struct pipeline *pipeline = ctx;
    log_text(pipeline->log, level, component, code, str_of(msg));
}

static bool is_kind(const struct pipeline *pipeline, const char *kind)
{
    return str_is(str_of(pipeline->config->state.kind), kind);
}

/* Positions need an owner, and whoever can't be it should end before anything is read. */
static int open_sqlite(struct pipeline *pipeline, bool own, struct err *err)
{
#ifdef WEIR_SQLITE
    struct sqlite_store_config config = {.path = pipeline->config->state.path,
                                         .pipeline = pipeline->config->name,
                                         .world = &pipeline->world,
                                         .log = log_of_state,
                                         .log_ctx = pipeline};
    if (sqlite_store_new(&config, &pipeline->state) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    sqlite_store_seam(pipeline->state, &pipeline->world.store);
    return own ? sqlite_store_own(pipeline->state, err) : 0;
#else
    (void)pipeline;
    return own ? err_set(err, -ENOTSUP,
                         "this weir was built without SQLite; positions need state.kind "
                         "\"dynamodb\"")
               : 0;
#endif
}

static int open_memory(struct pipeline *pipeline, struct err *err)
{
    struct store letters = pipeline->world.store;
    if (memory_store_new(&pipeline->world, &letters, &pipeline->memory) < 0)
        return err_set(err, -ENOMEM, "out of memory");
    memory_store_seam(pipeline->memory, &pipeline->world.store);
    return 0;
}

int store_open_dynamo(struct pipeline *pipeline, const struct store *letters, struct err *err)
{
    const struct config *config = pipeline->config;
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    snprintf(pipeline->who, sizeof pipeline->who, "process %ld on %s", (long)getpid(), host);
    struct dynamo_config dynamo = {.world = &pipeline->world,
                                   .aws = pipeline->aws,
                                   .table = config->state.table,
                                   .pipeline = config->name,
                                   .who = pipeline->who,
                                   .lease_ms = config->state.lease_ms,
                                   .beat_ms = config->state.lease_ms * 3 / 10,
                                   .letters = *letters,
                                   .log = log_of_state,
                                   .log_ctx = pipeline};
    return dynamo_store_new(&dynamo, &pipeline->dynamo) < 0 ? err_set(err, -ENOMEM, "out of memory")
                                                            : 0;
}

int store_open(struct pipeline *pipeline, bool dry_run, struct err *err)
{
    bool polls = pipeline->config->source == SOURCE_POLL;
    bool local = is_kind(pipeline, "sqlite") && !dry_run;
    bool stateless = pipeline->lambda || pipeline->config->source == SOURCE_KCL;
    if (stateless || !pipeline->config->state.path)
        return 0;
    int rc = open_sqlite(pipeline, polls && local, err);
    if (rc == 0 && polls && is_kind(pipeline, "dynamodb") && !dry_run) {
        struct store letters = pipeline->world.store;
        rc = store_open_dynamo(pipeline, &letters, err);
        if (rc == 0)
            dynamo_store_seam(pipeline->dynamo, &pipeline->world.store);
    } else if (rc == 0 && polls && !local) {
        rc = open_memory(pipeline, err);
    }
    pipeline->state_failed = rc < 0;
    return rc;
}

void store_detach(struct pipeline *pipeline)
{
    dynamo_store_free(pipeline->dynamo);
    pipeline->dynamo = NULL;
}

void store_close(struct pipeline *pipeline)
{
    memory_store_free(pipeline->memory);
#ifdef WEIR_SQLITE
    sqlite_store_free(pipeline->state);
#endif
}
