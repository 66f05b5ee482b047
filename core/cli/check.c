#include "cli/verbs.h"

#include "cli/probe.h"
#include "config/sinks.h"
#include "util/text.h"

#include <errno.h>
#include <time.h>

/* `weir check` of one file. */
struct check {
    struct cli *cli;
    struct config_request request;
    struct diags diags;
    struct config *config;
    struct sink_set *set;
    struct buf text;
    int64_t took_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What a plugin says in open() belongs to a run. */
static void quiet_log(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    (void)ctx;
    (void)sink;
    (void)level;
    (void)msg;
}

static const char *exhausted_text(const struct check *check, const struct sink_config *sink)
{
    switch (sink->on_exhausted) {
    case EXHAUSTED_SINK:
        return sink->exhausted_sink;
    case EXHAUSTED_DROP:
        return "drop, counted";
    case EXHAUSTED_BLOCK:
        return check->config->source == SOURCE_LAMBDA
                   ? "block: the bound is the event source mapping's retries and record age"
               : check->config->source == SOURCE_FILE
                   ? "block: the record stays undelivered, and the run says so"
                   : "block: the shard waits";
    default:
        return "dead: the local store, state.path";
    }
}

static void put_sink(struct check *check, const struct built_sink *sink)
{
    struct buf *text = &check->text;
    const char *target = sink->instance->target;
    buf_printf(text, "  %s: %s", sink->config->name, sink->plugin->desc.name);
    if (target) {
        buf_puts(text, " to ");
        buf_put_visible(text, str_of(target), 200);
    }
    buf_printf(text, "; %s", sink_guarantee(sink));
    if (sink->config->dead_letters_only)
        buf_puts(text, "; dead letters only");
    buf_printf(text, "; given up: %s\n", exhausted_text(check, sink->config));
}

static void put_report(struct check *check)
{
    struct diags *diags = &check->diags;
    if (check->cli->json) {
        diags_print_json(diags, &check->text);
        return;
    }
    diags_print(diags, "nothing was started", &check->text);
    if (diags->errors)
        return;
    buf_printf(&check->text, "ok: %zu sink%s, %zu warning%s (%lld ms)\n", check->set->count,
               check->set->count == 1 ? "" : "s", diags->warnings, diags->warnings == 1 ? "" : "s",
               (long long)check->took_ms);
    for (size_t i = 0; i < check->set->count && !check->cli->quiet; i++)
        put_sink(check, &check->set->sinks[i]);
}

static void add_finding(void *arg, const struct finding *finding)
{
    struct check *check = arg;
    weir_str at = finding->about ? diag_name_of(finding->about->at) : STR_NONE;
    if (finding->state == FINDING_OK)
        return;
    struct diag *diag =
        diag_add(&check->diags, finding->state == FINDING_WARN, "W0314", at, "%s", finding->text);
    diag_help(&check->diags, diag, "%s", finding->help);
}

/* What it finds becomes problems of the configuration, at the sinks. 0 or an exit code. */
static int probe_targets(struct check *check)
{
    struct probe probe;
    int code = probe_open(&probe, check->cli, check->config, add_finding, check);
    if (code == 0) {
        probe_sinks(&probe, check->set);
        code = probe.fails ? EXIT_NO : EXIT_DONE;
    }
    probe_close(&probe);
    return code;
}

static int run_check(struct check *check)
{
    int probed = EXIT_DONE;
    struct instance_services services = {.log = quiet_log};
    int64_t start = now_ms();
    int rc = config_load(&check->request, &check->config, &check->diags);
    if (rc == 0)
        rc = sink_set_open(check->config, &services, &check->diags, &check->set);
    if (rc == 0 && check->cli->probe)
        probed = probe_targets(check);
    check->took_ms = now_ms() - start;
    if (rc == -ENOMEM)
        return cli_fail(check->cli, EXIT_SOFTWARE, NULL, "out of memory");
    put_report(check);
    /* The problems are what was asked for with --json; as text they are what went wrong. */
    FILE *to = check->diags.errors && !check->cli->json ? check->cli->err : check->cli->out;
    if (!cli_write(to, &check->text))
        return EXIT_NO;
    if (probed != EXIT_DONE)
        return probed;
    return check->diags.errors || (check->cli->strict && check->diags.warnings) ? EXIT_CONFIG
                                                                                : EXIT_DONE;
}

static int check_one(struct cli *cli, const char *path)
{
    struct check check = {.cli = cli};
    cli_config_request(cli, &check.request);
    if (path)
        check.request.path = path;
    diags_init(&check.diags);
    buf_init(&check.text, 1 << 20);
    int rc = run_check(&check);
    sink_set_close(check.set);
    config_free(check.config);
    diags_done(&check.diags);
    buf_done(&check.text);
    return rc;
}

int verb_check(struct cli *cli)
{
    int worst = EXIT_DONE;
    if (cli->arg_count == 0)
        return check_one(cli, NULL);
    for (size_t i = 0; i < cli->arg_count; i++) {
        int rc = check_one(cli, cli->args[i]);
        worst = rc > worst ? rc : worst;
    }
    return worst;
}
