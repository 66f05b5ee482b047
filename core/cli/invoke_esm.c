/* weir lambda invoke-local --esm: the function behind an event source mapping, here. */
#include "cli/environments.h"
#include "cli/esm_print.h"
#include "cli/invoke_local.h"
#include "cli/pipeline.h"
#include "config/file.h"
#include "config/load.h"
#include "esm/mapping.h"
#include "json/json.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEEP_MS = 500, DOCUMENT_BYTES_MAX = 8 << 20, PATH_BYTES = 4096, FILTER_BYTES_MAX = 1 << 20 };

struct play {
    struct local *local;
    struct cli *cli;
    struct diags diags;
    struct config *config;
    struct filter *filter;
    struct log *log;
    struct pipeline pipeline;
    bool begun;
    struct environments *environments;
    struct esm_config esm;
    struct esm_mapping *mapping;
    struct buf line;
    struct timer keep; /* the loop turns while a function runs */
    char id[37];       /* the mapping's */
    int destination;   /* of on-failure documents; -1 = standard error, or a folder */
    bool stopping, ended;
    int exit_code;
};

/* ---- what it says ---- */

static void flush(struct play *play, FILE *to)
{
    cli_write(to, &play->line);
    fflush(to);
    buf_reset(&play->line);
}

static void on_say(void *arg, const char *text)
{
    struct play *play = arg;
    if (play->cli->quiet)
        return;
    buf_put_visible(&play->line, str_of(text), 1000);
    buf_putc(&play->line, '\n');
    flush(play, play->cli->err);
}

static void on_told(void *arg, const struct esm_report *report)
{
    struct play *play = arg;
    if (play->cli->json)
        esm_print_report_json(&play->line, report);
    else
        esm_print_report(&play->line, report, &play->esm.options);
    flush(play, play->cli->out);
}

static void each_checkpoint(void *arg, weir_str shard, weir_str checkpoint)
{
    struct play *play = arg;
    buf_printf(&play->line, "shard %.*s: ", STR_ARG(shard));
    if (checkpoint.len)
        buf_printf(&play->line, "checkpoint %.*s\n", STR_ARG(checkpoint));
    else
        buf_puts(&play->line, "no checkpoint\n");
}

static void print_summary(struct play *play)
{
    struct esm_counts counts = esm_mapping_counts(play->mapping);
    size_t count = environments_count(play->environments);
    if (play->cli->quiet)
        return;
    esm_mapping_checkpoints(play->mapping, each_checkpoint, play);
    esm_print_counts(&play->line, &counts);
    if (count)
        buf_printf(&play->line, "%zu environment%s, peak memory %.1f MB\n", count,
                   count == 1 ? "" : "s", (double)environments_peak_kb(play->environments) / 1000);
    flush(play, play->cli->err);
}

/* ---- what is given up ---- */

static int write_all(int fd, weir_str text)
{
    while (text.len > 0) {
        ssize_t put = write(fd, text.ptr, text.len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        text.ptr += put;
        text.len -= (size_t)put;
    }
    return 0;
}

/* Makes the folders that lead to a file. */
static int make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = mkdir(path, 0777) < 0 && errno != EEXIST ? -errno : 0;
        *slash = '/';
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int store_object(struct play *play, const struct esm_failure *failure, int64_t now_us,
                        weir_str document)
{
    char path[PATH_BYTES];
    struct buf text;
    buf_init(&text, sizeof path - 1);
    buf_puts(&text, play->cli->on_failure);
    int rc = esm_failure_put_key(&text, failure, play->id, now_us, &play->pipeline.world.random);
    snprintf(path, sizeof path, "%s", buf_cstr(&text));
    buf_done(&text);
    if (rc == 0)
        rc = make_folders(path);
    int fd = rc < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (rc == 0 && fd < 0)
        rc = -errno;
    if (rc == 0)
        rc = write_all(fd, document);
    if (fd >= 0 && close(fd) < 0 && rc == 0)
        rc = -errno;
    return rc;
}

static bool is_folder(const char *name)
{
    return name && str_ends(str_of(name), STR("/"));
}

static void say_given_up(struct play *play, const struct esm_failure *failure)
{
    weir_str shard = esm_short_shard(failure->shard);
    if (play->cli->json || failure->has_response) /* the invocation's line says it */
        return;
    buf_printf(&play->line, "shard %.*s: %zu record%s from ", STR_ARG(shard), failure->count,
               failure->count == 1 ? "" : "s");
    esm_put_sequence(&play->line, failure->first->sequence);
    buf_printf(&play->line, " given up: %s\n", failure->condition);
    flush(play, play->cli->out);
}

static int on_gave_up(void *arg, const struct esm_failure *failure)
{
    struct play *play = arg;
    const struct clock *clock = &play->pipeline.world.clock;
    int64_t now_us = clock->wall_us(clock->ctx);
    bool object = is_folder(play->cli->on_failure);
    struct buf document;
    buf_init(&document, DOCUMENT_BYTES_MAX);
    int rc = esm_failure_put(&document, failure, esm_mapping_stream(play->mapping), now_us, object);
    if (rc == 0)
        rc = buf_putc(&document, '\n');
    if (rc == 0 && object)
        rc = store_object(play, failure, now_us, buf_str(&document));
    else if (rc == 0)
        rc = write_all(play->destination < 0 ? STDERR_FILENO : play->destination,
                       buf_str(&document));
    buf_done(&document);
    if (rc == 0)
        say_given_up(play, failure);
    else
        play->exit_code = cli_fail(play->cli, EXIT_CANTCREATE, NULL, "%s: %s",
                                   play->cli->on_failure, strerror(-rc));
    return rc;
}

/* ---- the end ---- */

static void on_keep(struct timer *timer)
{
    struct play *play = (struct play *)((char *)timer - offsetof(struct play, keep));
    const struct clock *clock = &play->pipeline.world.clock;
    if (!play->ended)
        clock->arm(clock->ctx, timer, KEEP_MS);
}

static void on_finished(void *arg, int exit_code)
{
    struct play *play = arg;
    if (play->exit_code == 0)
        play->exit_code = exit_code;
    play->ended = true;
    loop_stop(play->pipeline.loop);
}

/* The first one lets the functions that run finish; the second does not. */
static void on_signal(void *arg, int signum)
{
    struct play *play = arg;
    if (play->stopping)
        _exit(128 + signum);
    play->stopping = true;
    esm_mapping_stop(play->mapping);
}

/* ---- start ---- */

static int load_config(struct play *play)
{
    struct config_request request;
    struct buf text;
    cli_config_request(play->cli, &request);
    request.path = play->local->config_path;
    request.lambda = request.no_plugins = true; /* plugins are the function's matter */
    int rc = config_load(&request, &play->config, &play->diags);
    if (rc == 0)
        return 0;
    if (rc == -ENOMEM)
        return cli_fail(play->cli, EXIT_SOFTWARE, NULL, "out of memory");
    buf_init(&text, 1 << 20);
    diags_print(&play->diags, "nothing was started", &text);
    cli_write(play->cli->err, &text);
    buf_done(&text);
    return EXIT_CONFIG;
}

static int parse_filter(struct play *play, struct arena *arena, weir_str text)
{
    struct filter_note notes[4];
    struct json_error error = {0};
    size_t count = 0;
    const char *path = play->cli->filter;
    const struct json_value *root = json_parse(arena, text, 0, 0, &error);
    if (!root)
        return cli_fail(play->cli, EXIT_CONFIG, NULL, "%s: %s", path, error.msg);
    const struct json_value *filters = json_member0(root, "Filters");
    if (filters && filters->kind == JSON_ARRAY && filters->size == 0)
        return 0; /* `weir lambda filter` says so where a sink wants everything */
    if (filter_new(root, &play->filter, notes, 4, &count) < 0)
        return cli_fail(play->cli, EXIT_CONFIG, NULL, "%s: Invalid filter pattern definition. %s",
                        path, count ? notes[0].msg : "");
    for (size_t i = 0; i < count; i++)
        on_say(play, notes[i].msg);
    return 0;
}

static int load_filter(struct play *play)
{
    struct arena arena;
    weir_str text;
    if (!play->cli->filter)
        return 0;
    arena_init(&arena, 4096);
    int rc = file_read(&arena, play->cli->filter, FILTER_BYTES_MAX, &text);
    rc = rc < 0 ? cli_fail(play->cli, EXIT_NO, NULL, "%s: %s", play->cli->filter, file_reason(rc))
                : parse_filter(play, &arena, text);
    arena_done(&arena);
    return rc;
}

static int open_destination(struct play *play)
{
    const char *path = play->cli->on_failure;
    if (!path || is_folder(path))
        return 0;
    play->destination = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return play->destination >= 0
               ? 0
               : cli_fail(play->cli, EXIT_CANTCREATE, NULL, "%s: %s", path, strerror(errno));
}

/* The mapping's parameters are the keys of `source`, of the same names. */
static int make_esm_config(struct play *play)
{
    const struct config *config = play->config;
    weir_str start = str_of(config->poll.starting_position);
    if (str_is(start, "AT_TIMESTAMP"))
        return cli_fail(play->cli, EXIT_CONFIG,
                        "add --set source.starting_position=TRIM_HORIZON, or LATEST",
                        "a mapping of a DynamoDB stream can't start at AT_TIMESTAMP");
    play->esm = (struct esm_config){
        .world = &play->pipeline.world,
        .aws = play->pipeline.aws,
        .source = str_of(play->cli->esm),
        .latest = str_is(start, "LATEST"),
        .once = play->cli->once,
        .options = {.batch_size = config->poll.batch_size,
                    .window_ms = config->poll.batching_window_ms,
                    .lanes = config->poll.parallelization_factor,
                    .retries = config->poll.maximum_retry_attempts,
                    .record_age_ms = config->poll.maximum_record_age_ms,
                    .filter = play->filter,
                    .bisect = config->poll.bisect,
                    .report_failures = config->lambda.report_batch_item_failures},
        .told = on_told,
        .gave_up = on_gave_up,
        .say = on_say,
        .finished = on_finished,
        .arg = play,
    };
    environments_function(play->environments, &play->esm.function);
    return 0;
}

static int open_pipeline(struct play *play)
{
    struct err err = {0};
    struct host_config host = local_host_config(play->local);
    play->log = cli_log_new(play->cli, cli_log_level(play->cli, WEIR_LOG_WARN),
                            play->config->log.format, NULL);
    if (!play->log || pipeline_begin(&play->pipeline, false, &err) < 0)
        return cli_fail(play->cli, EXIT_SOFTWARE, NULL, "%s",
                        err.msg[0] ? err.msg : "out of memory");
    play->begun = true;
    if (pipeline_open_aws(&play->pipeline, play->config, play->log, play->cli->environ_block,
                          &err) < 0)
        return cli_fail(play->cli, EXIT_CONFIG, NULL, "%s", err.msg);
    play->local->host_config = host;
    if (environments_new(&play->local->host_config, play->cli->timeout_s * 1000,
                         &play->pipeline.world.clock, &play->environments) < 0)
        return cli_fail(play->cli, EXIT_SOFTWARE, NULL, "out of memory");
    return 0;
}

static int play_mapping(struct play *play)
{
    const struct clock *clock = &play->pipeline.world.clock;
    if (esm_mapping_new(&play->esm, &play->mapping) < 0)
        return cli_fail(play->cli, EXIT_SOFTWARE, NULL, "out of memory");
    esm_uuid(&play->pipeline.world.random, play->id);
    if (!play->cli->quiet) {
        esm_print_options(&play->line, &play->esm.options);
        flush(play, play->cli->err);
    }
    loop_on_signal(play->pipeline.loop, SIGINT, on_signal, play);
    loop_on_signal(play->pipeline.loop, SIGTERM, on_signal, play);
    play->keep.fire = on_keep;
    clock->arm(clock->ctx, &play->keep, KEEP_MS);
    esm_mapping_start(play->mapping);
    while (!play->ended)
        loop_run(play->pipeline.loop);
    clock->disarm(clock->ctx, &play->keep);
    print_summary(play);
    if (play->exit_code == 0 && esm_mapping_counts(play->mapping).given_up > 0)
        return EXIT_NO;
    return play->exit_code;
}

static void close_all(struct play *play)
{
    environments_free(play->environments);
    esm_mapping_free(play->mapping);
    if (play->begun)
        pipeline_close(&play->pipeline);
    log_free(play->log);
    filter_free(play->filter);
    config_free(play->config);
    diags_done(&play->diags);
    buf_done(&play->line);
    if (play->destination >= 0)
        close(play->destination);
}

int local_play_esm(struct local *local)
{
    struct play play = {.local = local, .cli = local->cli, .destination = -1};
    diags_init(&play.diags);
    buf_init(&play.line, 1 << 20);
    int rc = load_config(&play);
    if (rc == 0)
        rc = load_filter(&play);
    if (rc == 0)
        rc = open_destination(&play);
    if (rc == 0)
        rc = open_pipeline(&play);
    if (rc == 0)
        rc = make_esm_config(&play);
    if (rc == 0)
        rc = play_mapping(&play);
    close_all(&play);
    return rc;
}
