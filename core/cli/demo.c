/* weir demo: the built-in stream through a price history in memory and onto the terminal. */
#include "cli/sample.h"
#include "cli/verbs.h"
#include "config/file.h"
#include "config/load.h"

#include <unistd.h>

/* Up to the traps that people look for: a repeat, two changes in a second, a late record, and a
 * price written in two ways. What is hostile comes behind. */
enum { RECORDS = 40, PACE_MS = 450 };

static const char config_text[] =
    "{ \"name\": \"demo\", \"state\": { \"kind\": \"memory\" },"
    "  \"sinks\": {"
    "    \"price\": { \"plugin\": \"pricehistory\", \"on_exhausted\": \"drop\","
    "               \"config\": { \"store\": \"memory\", \"announce\": false } },"
    "    \"console\": { \"plugin\": \"stdout\", \"order\": \"shard\", \"on_exhausted\": \"drop\" } "
    "} }";

static void put_intro(const struct cli *cli)
{
    fputs("A shop's stream, made up and built in: each line is a change, and each changed price\n"
          "becomes a row of a price history (in memory; once, however often a record comes).\n\n",
          cli->out);
    fflush(cli->out);
}

static void put_next(const struct cli *cli)
{
    fputs(
        "\nTry next:\n"
        "  weir config init > weir.json                      a configuration to begin with\n"
        "  weir sample shop | weir run --from - --once       the same through that configuration\n"
        "  weir sample modify | weir explain                 why a sink gets a record, or not\n"
        "  weir test                                         run the configuration's own tests\n",
        cli->out);
    fflush(cli->out);
}

int verb_demo(struct cli *cli)
{
    struct sample sample;
    struct demo demo = {.config = config_text, .pace_ms = isatty(STDOUT_FILENO) ? PACE_MS : 0};
    sample_init(&sample, 1);
    sample_shop(&sample, RECORDS);
    demo.records = buf_str(&sample.out);
    cli->demo = &demo;
    cli->from = "-"; /* a source of kind file, which the demo stands for */
    cli->once = true;
    if (!cli->log_format)
        cli->log_format = "text";
    if (!cli->quiet)
        put_intro(cli);
    int code =
        sample.out.failed ? cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory") : verb_run(cli);
    if (code == EXIT_DONE && !cli->quiet)
        put_next(cli);
    cli->demo = NULL;
    sample_done(&sample);
    return code;
}

/* Nothing on the command line, no file anywhere, and somebody to look. */
static bool nothing_configured(const struct cli *cli)
{
    struct config_request request;
    struct arena arena;
    const char *found = NULL, *searched;
    bool asked = cli->lambda || cli->config_path || cli->plugin || cli->from || cli->set_count;
    if (asked || cli->dry_run || !isatty(STDOUT_FILENO))
        return false;
    cli_config_request(cli, &request);
    arena_init(&arena, 4096);
    bool none = config_find(&arena, &request, &found, &searched) == 0 && !found;
    arena_done(&arena);
    return none;
}

int verb_run_or_demo(struct cli *cli)
{
    return nothing_configured(cli) ? verb_demo(cli) : verb_run(cli);
}
