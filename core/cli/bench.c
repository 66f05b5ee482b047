/* weir bench: what a record costs in a plugin, or in each sink of a configuration. */
#include "cli/opened.h"
#include "cli/scratch.h"
#include "cli/verbs.h"
#include "kit/bench.h"
#include "plugin/options.h"
#include "util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void put_text(struct buf *out, const char *sink, const struct bench_result *result)
{
    double each_ns = result->given ? (double)result->total_ns / (double)result->given : 0;
    if (sink)
        buf_printf(out, "%s: ", sink);
    buf_printf(
        out,
        "%s: %llu records, %llu given, %.0f ns a record (p50 %.0f, p99 %.0f), %.0f records/s\n",
        result->name, (unsigned long long)result->records, (unsigned long long)result->given,
        each_ns, result->p50_ns, result->p99_ns, each_ns > 0 ? 1e9 / each_ns : 0);
    if (result->calls)
        buf_printf(out, "  %llu calls, answered at once\n", (unsigned long long)result->calls);
    if (result->not_ok)
        buf_printf(out, "  %llu records were not OK\n", (unsigned long long)result->not_ok);
}

static void put_json(struct buf *out, const char *sink, const struct bench_result *result)
{
    double each_ns = result->given ? (double)result->total_ns / (double)result->given : 0;
    buf_putc(out, '{');
    if (sink)
        buf_put_text_member(out, "sink", sink);
    buf_put_text_member(out, "plugin", result->name);
    buf_printf(out,
               ",\"records\":%llu,\"given\":%llu,\"record_ns\":%.1f,\"p50_ns\":%.1f,"
               "\"p99_ns\":%.1f,\"not_ok\":%llu,\"calls\":%llu}\n",
               (unsigned long long)result->records, (unsigned long long)result->given, each_ns,
               result->p50_ns, result->p99_ns, (unsigned long long)result->not_ok,
               (unsigned long long)result->calls);
}

/* Standard output is the result's alone: a sink's lines would be measured on the terminal. */
static int run_quiet(const struct bench_request *request, struct bench_result *result,
                     struct err *err)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int before = nowhere < 0 ? -1 : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (before >= 0)
        dup2(nowhere, STDOUT_FILENO);
    int rc = bench_run(request, result, err);
    if (before >= 0) {
        dup2(before, STDOUT_FILENO);
        close(before);
    }
    if (nowhere >= 0)
        close(nowhere);
    return rc;
}

/* 0 or an exit code after a message. */
static int bench_one(const struct cli *cli, const char *sink, const char *plugin,
                     const char *options, struct buf *out)
{
    struct bench_result result;
    struct err err = {0};
    const struct bench_request request = {.plugin = plugin,
                                          .options = options,
                                          .records = (uint64_t)cli->records,
                                          .seed = (uint64_t)cli->seed};
    int rc = run_quiet(&request, &result, &err);
    if (rc == -EINVAL && !sink)
        return cli_fail(cli, EXIT_CONFIG, "--options '{\"NAME\":VALUE}' is what its config holds.",
                        "%s", err.msg);
    if (rc < 0)
        return cli_fail(cli, rc == -EINVAL ? EXIT_CONFIG : EXIT_NO, NULL, "%s%s%s",
                        sink ? sink : "", sink ? ": " : "", err.msg);
    if (cli->json)
        put_json(out, sink, &result);
    else
        put_text(out, sink, &result);
    return 0;
}

/* ---- the sinks of a configuration ---- */

static const weir_option *option_named(const weir_plugin *plugin, weir_str name)
{
    const weir_option *option = plugin->options;
    while (option && option->name && !str_is(name, option->name))
        option++;
    return option && option->name ? option : NULL;
}

/* Its options with what it writes to in `folder`. false: another file is named, which may be a
 * program that it starts. */
static bool put_options(const struct built_sink *sink, const char *folder, struct buf *out)
{
    const struct json_value *given = sink->config->options;
    buf_putc(out, '{');
    for (const struct json_value *one = json_at(given, 0); one; one = one->next) {
        const weir_option *option = option_named(&sink->plugin->desc, one->name);
        bool path = option && option->type == WEIR_O_PATH;
        if (path && strcmp(option->name, "path") != 0)
            return false;
        buf_put_comma(out);
        buf_put_json_string(out, one->name);
        buf_putc(out, ':');
        if (path) {
            char file[600];
            snprintf(file, sizeof file, "%s/%s", folder, sink->config->name);
            buf_put_json_string(out, str_of(file));
        } else if (option_json_write(one, out) < 0) {
            return false;
        }
    }
    buf_putc(out, '}');
    return true;
}

static int bench_sinks(struct opened *opened, const char *folder)
{
    struct buf options;
    int code = 0;
    buf_init(&options, 1 << 20);
    for (size_t i = 0; i < opened->set->count && code == 0; i++) {
        const struct built_sink *sink = &opened->set->sinks[i];
        buf_reset(&options);
        if (put_options(sink, folder, &options))
            code = bench_one(opened->cli, sink->config->name, sink->plugin->path,
                             buf_cstr(&options), &opened->out);
        else if (!opened->cli->quiet)
            fprintf(opened->cli->err, "weir: %s is left out: it would start or change something\n",
                    sink->config->name);
    }
    buf_done(&options);
    return code;
}

static int bench_config(struct cli *cli)
{
    struct opened opened;
    struct scratch scratch;
    int code = opened_begin(&opened, cli, true);
    if (code == 0) {
        int rc = scratch_make(cli, "bench", &scratch);
        code = rc < 0 ? cli_fail(cli, EXIT_CANTCREATE, NULL, "%s: %s", scratch.path, strerror(-rc))
                      : bench_sinks(&opened, scratch.path);
        if (rc == 0)
            scratch_remove(&scratch);
    }
    return opened_end(&opened, code);
}

int verb_bench(struct cli *cli)
{
    struct buf out;
    if (!cli->plugin && cli->options)
        return cli_fail(cli, EXIT_USAGE, "weir bench --plugin build/my_sink.so --options '{}'",
                        "--options goes with --plugin; a configuration has them");
    if (!cli->plugin)
        return bench_config(cli);
    if (access(cli->plugin, F_OK) < 0)
        return cli_fail(cli, EXIT_CONFIG, NULL, "%s: %s", cli->plugin, strerror(errno));
    buf_init(&out, 4096);
    int code = bench_one(cli, NULL, cli->plugin, cli->options, &out);
    if (code == 0)
        code = cli_write(cli->out, &out) ? EXIT_DONE : EXIT_NO;
    buf_done(&out);
    return code;
}
