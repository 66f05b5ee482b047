#include "cli/verbs.h"

#include "kit/bench.h"
#include "util/text.h"

#include <errno.h>

static void put_text(struct buf *out, const struct bench_result *result)
{
    double each_ns = result->given ? (double)result->total_ns / (double)result->given : 0;
    buf_printf(
        out,
        "%s: %llu records, %llu given, %.0f ns a record (p50 %.0f, p99 %.0f), %.0f records/s\n",
        result->name, (unsigned long long)result->records, (unsigned long long)result->given,
        each_ns, result->p50_ns, result->p99_ns, each_ns > 0 ? 1e9 / each_ns : 0);
    if (result->calls)
        buf_printf(out, "  %llu calls to AWS, answered at once\n",
                   (unsigned long long)result->calls);
    if (result->not_ok)
        buf_printf(out, "  %llu records were not OK\n", (unsigned long long)result->not_ok);
}

static void put_json(struct buf *out, const struct bench_result *result)
{
    double each_ns = result->given ? (double)result->total_ns / (double)result->given : 0;
    buf_puts(out, "{\"plugin\":");
    buf_put_json_string(out, str_of(result->name));
    buf_printf(out,
               ",\"records\":%llu,\"given\":%llu,\"record_ns\":%.1f,\"p50_ns\":%.1f,"
               "\"p99_ns\":%.1f,\"not_ok\":%llu,\"calls\":%llu}\n",
               (unsigned long long)result->records, (unsigned long long)result->given, each_ns,
               result->p50_ns, result->p99_ns, (unsigned long long)result->not_ok,
               (unsigned long long)result->calls);
}

int verb_bench(struct cli *cli)
{
    struct bench_result result;
    struct err err = {0};
    struct buf out;
    if (!cli->plugin)
        return cli_fail(cli, EXIT_USAGE, "weir bench --plugin build/my_sink.so --records 100000",
                        "bench wants --plugin FILE");
    const struct bench_request request = {.plugin = cli->plugin,
                                          .options = cli->options,
                                          .records = (uint64_t)cli->records,
                                          .seed = (uint64_t)cli->seed};
    int rc = bench_run(&request, &result, &err);
    if (rc == -EINVAL)
        return cli_fail(cli, EXIT_CONFIG, "--options '{\"NAME\":VALUE}' is what its config holds.",
                        "%s", err.msg);
    if (rc < 0)
        return cli_fail(cli, EXIT_NO, NULL, "%s", err.msg);
    buf_init(&out, 4096);
    if (cli->json)
        put_json(&out, &result);
    else
        put_text(&out, &result);
    rc = cli_write(cli->out, &out) ? EXIT_DONE : EXIT_NO;
    buf_done(&out);
    return rc;
}
