#include "cli/verbs.h"

#include "config/load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

void cli_init(struct cli *cli, FILE *out, FILE *err, char **environ_block)
{
    *cli = (struct cli){
        .out = out, .err = err, .environ_block = environ_block ? environ_block : environ};
    cli->seed = 1;
    cli->limit = 100;
    cli->per_day = 100000;
    cli->shards = 4;
    cli->records = 100000;
    cli->timeout_s = 30;
    cli->interval_s = 1;
    arena_init(&cli->arena, 1024);
    const char *runtime = env_get(cli->environ_block, "AWS_LAMBDA_RUNTIME_API");
    cli->lambda = runtime && *runtime;
}

void cli_done(struct cli *cli)
{
    arena_done(&cli->arena);
}

int cli_fail(const struct cli *cli, int code, const char *help, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = '?';
    fprintf(cli->err, "weir: %s\n", text);
    if (help)
        fprintf(cli->err, "      help: %s\n", help);
    return code;
}

bool cli_write(FILE *file, struct buf *text)
{
    if (text->failed)
        return false;
    bool written = fwrite(text->ptr, 1, text->len, file) == text->len && fflush(file) == 0;
    if (!written && file == stdout && errno != EPIPE) /* who has closed its reading end knows */
        fprintf(stderr, "weir: can't write to standard output: %s\n", strerror(errno));
    return written;
}

/* The function's own logging settings: Lambda drops what is below its level anyhow. -1 = none. */
static int lambda_log_level(const struct cli *cli)
{
    static const struct {
        const char *name;
        int level;
    } names[] = {{"TRACE", WEIR_LOG_DEBUG}, {"DEBUG", WEIR_LOG_DEBUG}, {"INFO", WEIR_LOG_INFO},
                 {"WARN", WEIR_LOG_WARN},   {"ERROR", WEIR_LOG_ERROR}, {"FATAL", WEIR_LOG_ERROR}};
    const char *value = cli->lambda ? env_get(cli->environ_block, "AWS_LAMBDA_LOG_LEVEL") : NULL;
    for (size_t i = 0; value && i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i].name) == 0)
            return names[i].level;
    return -1;
}

int cli_log_level(const struct cli *cli, int fallback)
{
    int by_lambda = lambda_log_level(cli);
    if (by_lambda >= 0)
        return by_lambda;
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (int i = 0; cli->log_level && i < 4; i++)
        if (strcmp(cli->log_level, names[i]) == 0)
            return WEIR_LOG_ERROR + i;
    return cli->quiet ? WEIR_LOG_ERROR : cli->verbose ? WEIR_LOG_DEBUG : fallback;
}

int cli_color(const struct cli *cli)
{
    if (!cli->color || strcmp(cli->color, "auto") == 0)
        return COLOR_AUTO;
    return strcmp(cli->color, "always") == 0 ? COLOR_ALWAYS : COLOR_NEVER;
}

bool cli_colors(const struct cli *cli)
{
    const char *none = env_get(cli->environ_block, "NO_COLOR");
    const char *term = env_get(cli->environ_block, "TERM");
    int color = cli_color(cli);
    if (color != COLOR_AUTO)
        return color == COLOR_ALWAYS;
    return isatty(STDOUT_FILENO) && !(none && *none) && term && *term && strcmp(term, "dumb") != 0;
}

struct log *cli_log_new(const struct cli *cli, int level, const char *format, struct clock *clock)
{
    const char *wanted = cli->log_format ? cli->log_format : format;
    const char *by_lambda =
        cli->lambda ? env_get(cli->environ_block, "AWS_LAMBDA_LOG_FORMAT") : NULL;
    if (by_lambda && (!wanted || strcmp(wanted, "auto") == 0))
        wanted = strcmp(by_lambda, "Text") == 0 ? "text" : "json";
    struct log_config config = {.level = level, .color = cli_color(cli), .fd = cli->lambda ? 1 : 2};
    config.format = wanted && strcmp(wanted, "text") == 0   ? LOG_TEXT
                    : wanted && strcmp(wanted, "json") == 0 ? LOG_JSON
                                                            : LOG_AUTO;
    return log_new(&config, clock);
}

void cli_config_request(const struct cli *cli, struct config_request *request)
{
    *request = (struct config_request){
        .path = cli->config_path,
        .sets = cli->sets,
        .set_count = cli->set_count,
        .plugin = cli->plugin,
        .from = cli->from,
        .environ_block = cli->environ_block,
        .text = cli->demo ? cli->demo->config : NULL,
        .lambda = cli->lambda,
        .dry_run = cli->dry_run,
    };
}

int cli_main(struct cli *cli, int argc, char **argv)
{
    /* Lambda starts the bootstrap without arguments; container images and the emulator name the
     * handler. */
    const char *handler = env_get(cli->environ_block, "_HANDLER");
    if (cli->lambda && argc == 2 && handler && strcmp(argv[1], handler) == 0)
        argc = 1;
    int rc = cli_parse(cli, argc, argv);
    if (rc != 0)
        return rc;
    if (cli->color) /* its twin: plugins that print colours look there */
        setenv("WEIR_COLOR", cli->color, 1);
    if (cli->version)
        return verb_version(cli);
    if (cli->verb)
        return cli->help ? help_verb(cli, cli->verb) : cli->verb->run(cli);
    if (cli->help)
        return verb_help(cli);
    if (cli->lambda) { /* the layer's bootstrap is the program itself */
        cli->verb = verb_find("run");
        return cli->verb->run(cli);
    }
    return help_front(cli);
}
