/* weir lambda invoke-local: a function as Lambda would run it, here. */
#include "cli/invoke_local.h"

#include "cli/runtime_host.h"
#include "cli/verbs.h"
#include "config/file.h"
#include "config/tree.h"
#include "json/json.h"
#include "util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { EVENT_BYTES_MAX = 32 << 20 };

/* ---- where and with what ---- */

static int find_config(struct local *local)
{
    struct cli *cli = local->cli;
    struct config_request request;
    const char *searched = NULL, *found = NULL;
    char path[PATH_MAX];
    cli_config_request(cli, &request);
    request.lambda = false;
    if (config_find(&local->arena, &request, &found, &searched) < 0)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory");
    if (!found)
        return cli_fail(cli, EXIT_CONFIG, "name one with -c FILE",
                        "no configuration; looked for: %s", searched);
    if (!realpath(found, path))
        return cli_fail(cli, EXIT_CONFIG, NULL, "%s: %s", found, strerror(errno));
    if (!str_ends(str_of(path), STR(".json")))
        return cli_fail(cli, EXIT_CONFIG,
                        "Lambda finds the configuration by a handler of that name",
                        "%s: its name does not end in .json", found);
    local->config_path = arena_text(&local->arena, str_of(path));
    local->task_root = local->config_path ? path_folder(&local->arena, local->config_path) : NULL;
    if (!local->task_root)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory");
    local->handler = strrchr(local->config_path, '/') + 1;
    return 0;
}

static int find_bootstrap(struct local *local)
{
    char path[PATH_MAX];
    const char *named = local->cli->bootstrap ? local->cli->bootstrap : "/proc/self/exe";
    if (!realpath(named, path) || access(path, X_OK) < 0)
        return cli_fail(local->cli, EXIT_NO, NULL, "%s: %s", named, strerror(errno));
    local->bootstrap = arena_text(&local->arena, str_of(path));
    return local->bootstrap ? 0 : cli_fail(local->cli, EXIT_SOFTWARE, NULL, "out of memory");
}

static bool names(const char *entry, const char *assignment)
{
    size_t len = strcspn(assignment, "=") + 1;
    return strncmp(entry, assignment, len) == 0;
}

/* The caller's variables stand for the function's own; over them what Lambda itself sets. */
static int make_environment(struct local *local)
{
    char root[PATH_MAX + 32], handler[PATH_MAX];
    snprintf(root, sizeof root, "LAMBDA_TASK_ROOT=%s", local->task_root);
    snprintf(handler, sizeof handler, "_HANDLER=%s", local->handler);
    const char *const set[] = {
        arena_text(&local->arena, str_of(root)),
        arena_text(&local->arena, str_of(handler)),
        "LAMBDA_RUNTIME_DIR=/var/runtime",
        "AWS_LAMBDA_FUNCTION_NAME=local",
        "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
        "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/local",
        "AWS_LAMBDA_LOG_STREAM_NAME=local",
        "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
        "TZ=:UTC",
    };
    enum { SET = sizeof set / sizeof *set };
    size_t count = 0, kept = 0;
    while (local->cli->environ_block[count])
        count++;
    const char **block =
        arena_alloc(&local->arena, (count + SET + 1) * sizeof(char *), _Alignof(char *));
    if (!block || !set[0] || !set[1])
        return cli_fail(local->cli, EXIT_SOFTWARE, NULL, "out of memory");
    for (size_t i = 0; i < count; i++) {
        bool over = names(local->cli->environ_block[i], "AWS_LAMBDA_RUNTIME_API=");
        for (size_t k = 0; k < SET && !over; k++)
            over = names(local->cli->environ_block[i], set[k]);
        if (!over)
            block[kept++] = local->cli->environ_block[i];
    }
    for (size_t k = 0; k < SET; k++)
        block[kept++] = set[k];
    block[kept] = NULL;
    local->environ_block = block;
    return 0;
}

/* ---- events ---- */

static int read_events(struct local *local)
{
    const char *path = local->cli->args[0];
    const char *from = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
    int rc = file_read(&local->arena, from, EVENT_BYTES_MAX, &local->events);
    if (rc < 0)
        return cli_fail(local->cli, EXIT_NO, NULL, "%s: %s", path, file_reason(rc));
    return 0;
}

/* One event a line, where the first line is a whole document, as `weir sample` prints them; else
 * the file is one event. */
static weir_str next_event(weir_str *left)
{
    const char *end = left->len ? memchr(left->ptr, '\n', left->len) : NULL;
    weir_str line = {left->ptr, end ? (size_t)(end - left->ptr) : left->len};
    if (!end || !json_valid(line)) {
        line = *left;
        *left = STR_NONE;
        return line;
    }
    *left = (weir_str){end + 1, left->len - line.len - 1};
    return line;
}

static bool blank(weir_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!memchr(" \t\r\n", text.ptr[i], 4))
            return false;
    return true;
}

/* ---- answers ---- */

/* A batch that the mapping would not repeat. */
static bool is_success(const struct host_result *result)
{
    struct arena arena;
    struct json_error error;
    if (result->end != HOST_RESPONSE)
        return false;
    arena_init(&arena, 4096);
    const struct json_value *root =
        json_parse(&arena, result->body, JSON_KEEP_DUPLICATES, 0, &error);
    const struct json_value *failures = json_member0(root, "batchItemFailures");
    bool well = !failures || failures->size == 0;
    arena_done(&arena);
    return well;
}

static void put_json(struct buf *out, const struct host_result *result)
{
    buf_printf(out, "{\"kind\":\"%s\",\"answer\":", host_end_name(result->end));
    if (json_valid(result->body))
        buf_put_str(out, result->body);
    else
        buf_put_json_string(out, result->body);
    buf_printf(out,
               ",\"duration_us\":%" PRId64 ",\"init_us\":%" PRId64 ",\"peak_rss_kb\":%" PRId64
               ",\"rss_kb\":%" PRId64 "}\n",
               result->duration_us, result->init_us, result->peak_rss_kb, result->rss_kb);
}

static void put_report(struct buf *out, const struct host_result *result, int64_t number)
{
    buf_printf(out, "invocation %" PRId64 ": %s in %.1f ms", number, host_end_name(result->end),
               (double)result->duration_us / 1000);
    if (result->cold)
        buf_printf(out, ", after %.1f ms of start", (double)result->init_us / 1000);
    if (result->peak_rss_kb)
        buf_printf(out, "; peak memory %.1f MB", (double)result->peak_rss_kb / 1000);
    buf_putc(out, '\n');
}

static int show(struct local *local, const struct host_result *result)
{
    struct buf out, report;
    buf_init(&out, EVENT_BYTES_MAX);
    buf_init(&report, 4096);
    if (local->cli->json) {
        put_json(&out, result);
    } else {
        buf_put_str(&out, result->body);
        buf_putc(&out, '\n');
        put_report(&report, result, local->invocations);
    }
    bool written = cli_write(local->cli->out, &out);
    if (!local->cli->json && !local->cli->quiet)
        cli_write(local->cli->err, &report);
    buf_done(&out);
    buf_done(&report);
    return written ? 0 : EXIT_NO;
}

static int invoke(struct local *local, weir_str event)
{
    struct host_result result;
    struct err err = {0};
    local->invocations++;
    if (host_invoke(local->host, event, local->cli->timeout_s * 1000, &result, &err) < 0)
        return cli_fail(local->cli, EXIT_SOFTWARE, NULL, "%s", err.msg);
    local->all_well = local->all_well && is_success(&result);
    return show(local, &result);
}

struct host_config local_host_config(const struct local *local)
{
    return (struct host_config){.bootstrap = local->bootstrap,
                                .task_root = local->task_root,
                                .environ_block = local->environ_block,
                                .log_fd = STDERR_FILENO};
}

static int play(struct local *local)
{
    struct err err = {0};
    struct host_config config = local_host_config(local);
    weir_str left = local->events;
    int rc = 0;
    if (host_new(&config, &local->host, &err) < 0)
        return cli_fail(local->cli, EXIT_SOFTWARE, NULL, "%s", err.msg);
    local->all_well = true;
    do {
        rc = invoke(local, next_event(&left));
    } while (rc == 0 && !blank(left));
    return rc ? rc : local->all_well ? EXIT_DONE : EXIT_NO;
}

static int play_events(struct local *local)
{
    int rc = read_events(local);
    return rc ? rc : play(local);
}

/* Exactly one of EVENT and --esm; what belongs to the other is refused. */
static int check_usage(const struct cli *cli)
{
    if (cli->esm && cli->arg_count)
        return cli_fail(cli, EXIT_USAGE, NULL, "--esm reads a stream; there is no EVENT with it");
    if (!cli->esm && !cli->arg_count)
        return cli_fail(cli, EXIT_USAGE, "name a file, or --esm TABLE", "EVENT is missing");
    if (!cli->esm && (cli->once || cli->filter || cli->on_failure))
        return cli_fail(cli, EXIT_USAGE, NULL, "--once, --filter and --on-failure go with --esm");
    return 0;
}

int verb_lambda_invoke_local(struct cli *cli)
{
    struct local local = {.cli = cli};
    arena_init(&local.arena, 64 << 10);
    int rc = check_usage(cli);
    if (rc == 0)
        rc = find_config(&local);
    if (rc == 0)
        rc = find_bootstrap(&local);
    if (rc == 0)
        rc = make_environment(&local);
    if (rc == 0)
        rc = cli->esm ? local_play_esm(&local) : play_events(&local);
    host_free(local.host);
    arena_done(&local.arena);
    return rc;
}
