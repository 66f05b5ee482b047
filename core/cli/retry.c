/* weir dead retry: delivers dead letters again, each to the sink that gave up on it. */
#include "cli/pipeline.h"
#include "cli/verbs.h"
#include "cli/visit.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <unistd.h>

enum { PADDING_BYTES = 64, LETTER_BYTES_MAX = 64 << 20 };

struct retry {
    struct visit visit;
    struct pipeline pipeline;
    struct log *log;
    struct id_list list; /* letters that come meanwhile wait for the next time */
    size_t delivered, failed;
    /* the letter at work */
    struct batch *batch;
    struct dead_letter letter; /* its key; texts in `texts` */
    struct buf texts;
    size_t sink;
    bool done, complete;
    char why[300];
};

/* ---- one letter ---- */

static int __attribute__((format(printf, 2, 3)))
refuse(struct retry *retry, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(retry->why, sizeof retry->why, format, args);
    va_end(args);
    return -EINVAL;
}

static int find_sink(struct retry *retry, weir_str name)
{
    const struct sink_set *sinks = retry->pipeline.sinks;
    char shown[64];
    for (size_t i = 0; i < sinks->count; i++)
        if (str_is(name, sinks->sinks[i].config->name)) {
            retry->sink = i;
            return 0;
        }
    snprintf(shown, sizeof shown, "%.*s", (int)(name.len > 60 ? 60 : name.len), name.ptr);
    return refuse(retry, "there is no enabled sink \"%s\" in the configuration", shown);
}

/* For the router the other sinks do not want it. */
static void keep_only(struct batch *batch, size_t sink)
{
    struct record *record = batch->records[0];
    record->matched &= UINT64_C(1) << sink;
    record->unmet &= UINT64_C(1) << sink;
    for (size_t i = 0; i < sizeof batch->matched_count / sizeof *batch->matched_count; i++)
        batch->matched_count[i] = i == sink;
}

static int decode(struct retry *retry, const struct dead_letter *letter)
{
    struct decode_options options = {.max_bytes = LETTER_BYTES_MAX,
                                     .source_arn = letter->stream_arn,
                                     .shard = letter->shard,
                                     .lines = true};
    struct err err = {0};
    char *bytes = mem_alloc(letter->record.len + PADDING_BYTES);
    if (!bytes)
        return refuse(retry, "%s", "out of memory");
    memcpy(bytes, letter->record.ptr, letter->record.len);
    if (batch_decode(bytes, letter->record.len, retry->pipeline.sinks->plan, &options,
                     &retry->batch, &err) < 0)
        return refuse(retry, "%s", err.msg);
    const struct record *record = retry->batch->record_count ? retry->batch->records[0] : NULL;
    if (record && record->poison)
        return refuse(retry, "it can't be decoded: %s", record->poison);
    if (!record || !((record->matched | record->unmet) >> retry->sink & 1))
        return refuse(retry, "sink %s does not take such records any more (match)",
                      retry->pipeline.sinks->sinks[retry->sink].config->name);
    keep_only(retry->batch, retry->sink);
    return pipeline_admit(&retry->pipeline, retry->batch, &err) ? 0 : refuse(retry, "%s", err.msg);
}

/* Its key, for as long as it is being delivered. */
static int keep_key(struct retry *retry, const struct dead_letter *letter)
{
    struct dead_letter *kept = &retry->letter;
    *kept = *letter;
    weir_str *const texts[] = {&kept->pipeline, &kept->sink, &kept->stream_arn, &kept->sequence,
                               &kept->event_id};
    size_t at[5];
    buf_reset(&retry->texts);
    for (size_t i = 0; i < 5; i++) {
        at[i] = retry->texts.len;
        buf_put_str(&retry->texts, *texts[i]);
    }
    for (size_t i = 0; i < 5; i++)
        texts[i]->ptr = retry->texts.ptr ? retry->texts.ptr + at[i] : "";
    return retry->texts.failed ? refuse(retry, "%s", "out of memory") : 0;
}

static int prepare(void *ctx, int64_t id, const struct dead_letter *letter)
{
    struct retry *retry = ctx;
    (void)id;
    int rc = keep_key(retry, letter);
    if (rc == 0 && !letter->sink.len)
        rc = refuse(retry, "%s", "it could not be decoded, so it belongs to no sink");
    if (rc == 0)
        rc = find_sink(retry, letter->sink);
    return rc == 0 ? decode(retry, letter) : rc;
}

static void on_done(void *arg, const struct batch_result *result)
{
    struct retry *retry = arg;
    retry->done = true;
    retry->complete = result->complete;
    snprintf(retry->why, sizeof retry->why, "%s", result->reason ? result->reason : "given up");
    loop_stop(retry->pipeline.loop);
}

/* One at a time, so that what the sink's counts say is said of this one: a record may also be
 * finished without having been delivered. */
static int deliver(struct retry *retry)
{
    struct router *router = retry->pipeline.router;
    struct sink_counts before = router_counts(router, retry->sink);
    retry->done = false;
    if (router_submit(router, retry->batch, 0, on_done, retry) < 0)
        return refuse(retry, "%s", "out of memory");
    while (!retry->done)
        loop_run(retry->pipeline.loop);
    struct sink_counts after = router_counts(router, retry->sink);
    if (retry->complete && after.delivered == before.delivered)
        return refuse(retry, "%s",
                      after.skipped > before.skipped ? "the sink skipped it"
                                                     : "the sink did not take it");
    return retry->complete ? 0 : -EIO;
}

static int forget(struct retry *retry, int64_t id)
{
    struct state_db *db = retry->visit.db;
    struct err err = {0};
    int rc = db_begin(db, &err);
    if (rc == 0)
        rc = db_drop_letter(db, id, &retry->letter, &err);
    if (rc >= 0)
        rc = db_commit(db, &err);
    if (rc < 0) {
        db_rollback(db);
        snprintf(retry->why, sizeof retry->why, "delivered, but still stored: %.250s", err.msg);
    }
    return rc;
}

static void report(struct retry *retry, int64_t id, bool ok)
{
    struct buf *out = &retry->visit.out;
    if (retry->visit.cli->json) {
        buf_printf(out, "%s{\"id\":%" PRId64 ",\"delivered\":%s,\"reason\":",
                   retry->delivered + retry->failed ? "," : "", id, ok ? "true" : "false");
        buf_put_json_string(out, str_of(ok ? "" : retry->why));
        buf_putc(out, '}');
    } else {
        buf_printf(out, "%6" PRId64 "  ", id);
        buf_puts(out, ok ? "delivered" : "kept: ");
        buf_put_visible(out, str_of(ok ? "" : retry->why), sizeof retry->why);
        buf_putc(out, '\n');
    }
    retry->delivered += ok;
    retry->failed += !ok;
    visit_flush(&retry->visit);
}

static void retry_one(struct retry *retry, int64_t id)
{
    struct db_letters which = {.id = id};
    struct err err = {0};
    int rc = 0;
    retry->letter = (struct dead_letter){0};
    retry->why[0] = '\0';
    if (retry->visit.db)
        rc = db_each_letter(retry->visit.db, &which, prepare, retry, &err);
    if (rc == 0 && !retry->batch)
        rc = refuse(retry, "%s", "there is no such dead letter");
    else if (rc < 0 && !retry->why[0])
        refuse(retry, "%s", err.msg);
    if (rc == 0)
        rc = deliver(retry);
    if (rc == 0)
        rc = forget(retry, id);
    report(retry, id, rc >= 0);
    batch_unref(retry->batch);
    retry->batch = NULL;
}

/* ---- all of them ---- */

static int open_pipeline(struct retry *retry)
{
    struct visit *visit = &retry->visit;
    struct cli *cli = visit->cli;
    struct err err = {.msg = "out of memory"};
    retry->log =
        cli_log_new(cli, cli_log_level(cli, WEIR_LOG_WARN), visit->config->log.format, NULL);
    if (!retry->log || pipeline_begin(&retry->pipeline, false, &err) < 0)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "%s", err.msg);
    retry->pipeline.by_hand = true;
    if (pipeline_open(&retry->pipeline, visit->config, retry->log, false, cli->environ_block,
                      &visit->diags, &err) == 0)
        return 0;
    if (visit->diags.errors == 0)
        return cli_fail(cli, EXIT_CONFIG, NULL, "%s", err.msg);
    diags_print(&visit->diags, "nothing was done", &visit->out);
    cli_write(cli->err, &visit->out);
    buf_reset(&visit->out);
    return EXIT_CONFIG;
}

static void summary(struct retry *retry)
{
    struct buf *out = &retry->visit.out;
    if (retry->visit.cli->json)
        buf_printf(out, "],\"delivered\":%zu,\"kept\":%zu}\n", retry->delivered, retry->failed);
    else if (retry->list.count == 0)
        visit_put_none(&retry->visit);
    else
        buf_printf(out, "%zu delivered, %zu kept\n", retry->delivered, retry->failed);
}

static int run(struct retry *retry)
{
    struct cli *cli = retry->visit.cli;
    int code = retry->list.count ? open_pipeline(retry) : 0;
    if (code != 0)
        return code;
    if (retry->list.count && !cli->quiet)
        fputs("weir: delivering outside the order of their items: where later changes of the same "
              "item were delivered, these come behind them\n",
              cli->err);
    if (cli->json)
        buf_puts(&retry->visit.out, "{\"letters\":[");
    for (size_t i = 0; i < retry->list.count; i++)
        retry_one(retry, retry->list.ids[i]);
    summary(retry);
    return retry->failed ? EXIT_NO : EXIT_DONE;
}

int verb_dead_retry(struct cli *cli)
{
    struct retry retry = {.delivered = 0};
    int code = visit_check_which(cli, "dead retry");
    if (code != 0)
        return code;
    buf_init(&retry.texts, 64 << 10);
    code = visit_begin(&retry.visit, cli);
    if (code == 0)
        code = visit_open(&retry.visit);
    if (code == 0)
        code = visit_choose(&retry.visit, &retry.list);
    if (code == 0)
        code = run(&retry);
    if (!pipeline_settle(&retry.pipeline)) { /* a plugin hangs on a pool thread */
        visit_flush(&retry.visit);
        _exit(code ? code : EXIT_SOFTWARE);
    }
    if (pipeline_close(&retry.pipeline) < 0 && code == 0)
        code = cli_fail(cli, EXIT_SOFTWARE, NULL, "a handle of the event loop was left open");
    buf_done(&retry.texts);
    mem_free(retry.list.ids);
    code = visit_end(&retry.visit, code);
    log_free(retry.log);
    return code;
}
