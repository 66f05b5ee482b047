/* weir tap --stream ARN: a stream's records from now on, read beside whoever else reads it. It is
 * read as an event source mapping would read it (esm/), whose function shows the records: no
 * position is stored, nothing is delivered. */
#include "cli/pipeline.h"
#include "cli/records.h"
#include "cli/showing.h"
#include "config/load.h"
#include "esm/mapping.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum { BATCH_RECORDS = 100, LINE_BYTES_MAX = 4096 };

struct follow {
    struct cli *cli;
    struct showing showing;
    struct config *config; /* NULL: it is that of `showing` */
    struct log *log;
    struct pipeline pipeline;
    struct esm_config esm;
    struct esm_mapping *mapping;
    struct esm_call *calls; /* to be answered, by `impl`; of one shard or of another */
    struct post answer;
    bool begun, posted, stopping, ended;
    int exit_code;
};

/* ---- the function ---- */

static void stop(struct follow *follow, int exit_code)
{
    if (follow->exit_code == 0)
        follow->exit_code = exit_code;
    if (!follow->stopping)
        esm_mapping_stop(follow->mapping);
    follow->stopping = true;
}

static void show(struct follow *follow, weir_str event)
{
    struct err err = {0};
    struct batch *batch = NULL;
    struct buf bytes;
    buf_init(&bytes, event.len + LINE_BYTES_MAX);
    buf_put_str(&bytes, event);
    int rc = bytes.failed ? -ENOMEM : records_decode(&bytes, &batch, &err);
    if (bytes.failed)
        buf_done(&bytes);
    int code = rc == 0 ? showing_batch(&follow->showing, batch)
                       : cli_fail(follow->cli, EXIT_SOFTWARE, NULL, "%s",
                                  err.msg[0] ? err.msg : "out of memory");
    batch_unref(batch);
    if (code != 0 || tail_is_full(&follow->showing.tail))
        stop(follow, code);
}

static void on_answer(struct post *post)
{
    struct follow *follow = (struct follow *)((char *)post - offsetof(struct follow, answer));
    struct esm_call *call = follow->calls;
    follow->posted = false;
    follow->calls = NULL;
    for (struct esm_call *next; call; call = next) {
        next = call->impl;
        if (!follow->stopping)
            show(follow, call->event);
        call->end = ESM_ANSWERED;
        call->body = STR("null");
        call->done(call);
    }
}

static int invoke(void *ctx, struct esm_call *call)
{
    struct follow *follow = ctx;
    const struct clock *clock = &follow->pipeline.world.clock;
    struct esm_call **end = &follow->calls;
    while (*end)
        end = (struct esm_call **)(void *)&(*end)->impl;
    call->impl = NULL;
    *end = call;
    follow->answer.run = on_answer;
    if (!follow->posted)
        clock->post(clock->ctx, &follow->answer);
    follow->posted = true;
    return 0;
}

/* ---- what the mapping tells ---- */

static void on_told(void *arg, const struct esm_report *report)
{
    (void)arg;
    (void)report;
}

static int on_gave_up(void *arg, const struct esm_failure *failure)
{
    (void)arg;
    (void)failure;
    return 0;
}

static void on_say(void *arg, const char *text)
{
    const struct follow *follow = arg;
    struct buf line;
    if (follow->cli->quiet)
        return;
    buf_init(&line, LINE_BYTES_MAX);
    buf_puts(&line, "weir: ");
    buf_put_visible(&line, str_of(text), 1000);
    buf_putc(&line, '\n');
    cli_write(follow->cli->err, &line);
    buf_done(&line);
}

static void on_finished(void *arg, int exit_code)
{
    struct follow *follow = arg;
    if (follow->exit_code == 0)
        follow->exit_code = exit_code;
    follow->ended = true;
    loop_stop(follow->pipeline.loop);
}

static void on_signal(void *arg, int signum)
{
    struct follow *follow = arg;
    if (follow->stopping)
        _exit(128 + signum);
    stop(follow, 0);
}

/* ---- life ---- */

/* Where there is no configuration, of `aws` the flags say all. */
static int load_config(struct follow *follow)
{
    static const char text[] = "{\"source\":{\"kind\":\"poll\",\"tables\":[\"any\"]},"
                               "\"sinks\":{\"none\":{\"plugin\":\"stdout\"}}}";
    struct config_request request;
    struct diags diags;
    if (follow->showing.opened.config)
        return 0;
    cli_config_request(follow->cli, &request);
    request.text = text;
    request.no_plugins = true;
    diags_init(&diags);
    int code = 0;
    if (config_load(&request, &follow->config, &diags) < 0) {
        struct buf out;
        buf_init(&out, 1 << 20);
        diags_print(&diags, "nothing was started", &out);
        cli_write(follow->cli->err, &out);
        buf_done(&out);
        code = EXIT_CONFIG;
    }
    diags_done(&diags);
    return code;
}

static int open_aws(struct follow *follow)
{
    struct err err = {0};
    struct config *config = follow->config ? follow->config : follow->showing.opened.config;
    follow->log = cli_log_new(follow->cli, cli_log_level(follow->cli, WEIR_LOG_WARN),
                              config->log.format, NULL);
    if (!follow->log || pipeline_begin(&follow->pipeline, false, &err) < 0)
        return cli_fail(follow->cli, EXIT_SOFTWARE, NULL, "%s",
                        err.msg[0] ? err.msg : "out of memory");
    follow->begun = true;
    if (pipeline_open_aws(&follow->pipeline, config, follow->log, follow->cli->environ_block,
                          &err) < 0)
        return cli_fail(follow->cli, EXIT_CONFIG, NULL, "%s", err.msg);
    return 0;
}

static int play(struct follow *follow)
{
    struct loop *loop = follow->pipeline.loop;
    follow->esm = (struct esm_config){.world = &follow->pipeline.world,
                                      .aws = follow->pipeline.aws,
                                      .source = str_of(follow->cli->stream),
                                      .latest = true,
                                      .options = {.batch_size = BATCH_RECORDS, .lanes = 1},
                                      .function = {follow, invoke},
                                      .told = on_told,
                                      .gave_up = on_gave_up,
                                      .say = on_say,
                                      .finished = on_finished,
                                      .arg = follow};
    if (esm_mapping_new(&follow->esm, &follow->mapping) < 0)
        return cli_fail(follow->cli, EXIT_SOFTWARE, NULL, "out of memory");
    loop_on_signal(loop, SIGINT, on_signal, follow);
    loop_on_signal(loop, SIGTERM, on_signal, follow);
    esm_mapping_start(follow->mapping);
    while (!follow->ended)
        loop_run(loop);
    return follow->exit_code;
}

int tap_stream(struct cli *cli)
{
    struct follow follow = {.cli = cli};
    int code = showing_begin(&follow.showing, cli);
    if (code == 0)
        code = load_config(&follow);
    if (code == 0)
        code = open_aws(&follow);
    if (code == 0)
        code = play(&follow);
    esm_mapping_free(follow.mapping);
    if (follow.begun)
        pipeline_close(&follow.pipeline);
    log_free(follow.log);
    config_free(follow.config);
    return showing_end(&follow.showing, code);
}
