#include "cli/progress.h"

#include "cli/pipeline.h"
#include "cli/store.h"
#include "state/dynamo.h"

#include <errno.h>
#include <stdlib.h>

void progress_init(struct progress *progress)
{
    *progress = (struct progress){.row_count = 0};
    arena_init(&progress->arena, 64 << 10);
}

void progress_done(struct progress *progress)
{
    arena_done(&progress->arena);
}

/* ---- the DynamoDB table: a loop and a client for one question ---- */

struct table {
    struct progress *progress;
    struct pipeline pipeline;
    struct log *log;
    struct store store;
    struct store_load load;
    int status;
    char reason[400];
    size_t accepted;
};

static void keep_rows(struct table *table, const struct store_load *load)
{
    struct progress *progress = table->progress;
    table->status = state_rows_keep(&progress->arena, load->rows, load->count, &progress->rows);
    if (table->status == 0)
        progress->row_count = load->count;
    else
        snprintf(table->reason, sizeof table->reason, "out of memory");
}

static void on_loaded(struct store_load *load, int status)
{
    struct table *table = load->arg;
    table->status = status;
    snprintf(table->reason, sizeof table->reason, "%s", load->reason);
    if (status == 0)
        keep_rows(table, load);
    loop_stop(table->pipeline.loop);
}

static int table_open(struct table *table, struct progress *progress, const struct visit *visit,
                      struct err *err)
{
    const struct cli *cli = visit->cli;
    struct store none = {0};
    table->progress = progress;
    table->log = cli_log_new(cli, cli_log_level(cli, WEIR_LOG_ERROR), NULL, NULL);
    int rc = table->log ? pipeline_begin(&table->pipeline, false, err) : -ENOMEM;
    if (rc == 0)
        rc =
            pipeline_open_aws(&table->pipeline, visit->config, table->log, cli->environ_block, err);
    if (rc == 0)
        rc = store_open_dynamo(&table->pipeline, &none, err);
    if (rc == 0)
        dynamo_store_seam(table->pipeline.dynamo, &table->store);
    return rc;
}

static void table_close(struct table *table)
{
    pipeline_close(&table->pipeline);
    log_free(table->log);
}

static int table_load(struct table *table, struct err *err)
{
    table->load = (struct store_load){.done = on_loaded, .arg = table};
    table->status = table->store.load(table->store.ctx, &table->load);
    if (table->status == 0) {
        table->status = -ECANCELED;
        loop_run(table->pipeline.loop);
    }
    return table->status < 0 ? err_set(err, table->status, "%s", table->reason) : 0;
}

static void on_accepted(void *arg, int status, const char *reason)
{
    struct table *table = arg;
    table->status = status;
    snprintf(table->reason, sizeof table->reason, "%s", reason);
    loop_stop(table->pipeline.loop);
}

/* ---- which rows ---- */

static bool is_named(const struct progress *progress, weir_str arn, const char *wanted)
{
    if (!wanted || str_is(arn, wanted))
        return true;
    for (size_t i = 0; i < progress->row_count; i++)
        if (progress->rows[i].kind == STATE_STREAM && str_eq(progress->rows[i].stream, arn) &&
            str_is(progress->rows[i].table, wanted))
            return true;
    return false;
}

static bool is_asked_for(const struct progress *progress, const struct state_row *row,
                         const struct cli *cli)
{
    return is_named(progress, row->stream, cli->stream) &&
           (row->kind == STATE_STREAM || !cli->shard || str_is(row->shard, cli->shard)) &&
           (row->kind == STATE_STREAM || !cli->sink || str_is(row->sink, cli->sink));
}

/* Marked first: streams are found by rows that may go. */
static void keep_asked_for(struct progress *progress, const struct cli *cli)
{
    size_t kept_rows = 0;
    for (size_t i = 0; i < progress->row_count; i++)
        progress->rows[i].erase = !is_asked_for(progress, &progress->rows[i], cli);
    for (size_t i = 0; i < progress->row_count; i++)
        if (!progress->rows[i].erase)
            progress->rows[kept_rows++] = progress->rows[i];
    progress->row_count = kept_rows;
}

/* ---- reading ---- */

static bool in_table(const struct visit *visit)
{
    return str_is(str_of(visit->config->state.kind), "dynamodb");
}

static int read_table(struct progress *progress, const struct visit *visit, struct err *err)
{
    struct table table = {.status = 0};
    int rc = table_open(&table, progress, visit, err);
    if (rc == 0)
        rc = table_load(&table, err);
    table_close(&table);
    return rc;
}

static int read_rows(struct progress *progress, struct visit *visit)
{
    struct err err = {.msg = "out of memory"};
    int rc = 0;
    if (in_table(visit)) {
        rc = read_table(progress, visit, &err);
    } else {
        int code = visit_open(visit);
        if (code != 0)
            return code;
        if (visit->db)
            rc = db_read_rows(visit->db, str_of(visit->config->name), &progress->arena,
                              &progress->rows, &progress->row_count, &err);
    }
    return rc < 0 ? visit_fail(visit, &err) : 0;
}

int progress_read(struct progress *progress, struct visit *visit)
{
    struct err err = {.msg = "out of memory"};
    int code = read_rows(progress, visit);
    if (code != 0)
        return code;
    keep_asked_for(progress, visit->cli);
    return progress_build(progress) < 0 ? visit_fail(visit, &err) : 0;
}

/* ---- accepting ---- */

static bool to_accept(const struct progress *progress, const struct state_row *row,
                      const struct cli *cli)
{
    return row->kind == STATE_GAP && !row->done && is_asked_for(progress, row, cli);
}

/* Read and written in one transaction: a daemon may be writing. */
static int accept_in_file(struct progress *progress, struct visit *visit, int64_t now_us,
                          size_t *accepted, struct err *err)
{
    weir_str pipeline = str_of(visit->config->name);
    int rc = db_begin(visit->db, err);
    if (rc == 0)
        rc = db_read_rows(visit->db, pipeline, &progress->arena, &progress->rows,
                          &progress->row_count, err);
    for (size_t i = 0; i < progress->row_count && rc == 0; i++) {
        struct state_row *row = &progress->rows[i];
        if (!to_accept(progress, row, visit->cli))
            continue;
        row->done = true;
        row->updated_us = now_us;
        rc = db_write_rows(visit->db, pipeline, row, 1, err);
        ++*accepted;
    }
    if (rc == 0)
        rc = db_commit(visit->db, err);
    if (rc < 0)
        db_rollback(visit->db);
    return rc;
}

static int accept_in_table(struct progress *progress, const struct visit *visit, size_t *accepted,
                           struct err *err)
{
    struct table table = {.status = 0};
    int rc = table_open(&table, progress, visit, err);
    if (rc == 0)
        rc = table_load(&table, err);
    for (size_t i = 0; i < progress->row_count && rc == 0; i++) {
        const struct state_row *row = &progress->rows[i];
        if (!to_accept(progress, row, visit->cli))
            continue;
        table.status = dynamo_store_accept(table.pipeline.dynamo, row, on_accepted, &table);
        if (table.status == 0) {
            table.status = -ECANCELED;
            loop_run(table.pipeline.loop);
        }
        if (table.status < 0 && table.status != -ENOENT) /* it may be gone by now */
            rc = err_set(err, table.status, "%s", table.reason);
        *accepted += table.status == 0;
    }
    table_close(&table);
    return rc;
}

int progress_accept(struct progress *progress, struct visit *visit, int64_t now_us,
                    size_t *accepted)
{
    struct err err = {.msg = "out of memory"};
    int code = in_table(visit) ? 0 : visit_open(visit), rc = 0;
    if (code != 0)
        return code;
    if (in_table(visit))
        rc = accept_in_table(progress, visit, accepted, &err);
    else if (visit->db)
        rc = accept_in_file(progress, visit, now_us, accepted, &err);
    return rc < 0 ? visit_fail(visit, &err) : 0;
}
