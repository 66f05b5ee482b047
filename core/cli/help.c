#include "cli/verbs.h"

#include "config/diag.h"
#include "util/text.h"

#include <weir/version.h>

static int done(const struct cli *cli, struct buf *text)
{
    bool written = cli_write(cli->out, text);
    buf_done(text);
    return written ? EXIT_DONE : EXIT_NO;
}

static struct buf page(void)
{
    struct buf text;
    buf_init(&text, 1 << 18);
    return text;
}

int help_front(const struct cli *cli)
{
    struct buf text = page();
    buf_puts(&text, "weir " WEIR_VERSION
                    " takes the change records of a DynamoDB table's stream and hands\n"
                    "each one to the sinks that asked for it. Try:\n"
                    "\n"
                    "  weir sample shop                              a small stream of changes\n"
                    "  weir check                                    is my configuration right?\n"
                    "  weir run --from records.jsonl --once          route a file, then stop\n"
                    "\n"
                    "The configuration is weir.json here, or the file named by -c.\n"
                    "Plugins: weir plugin list, weir plugin info NAME.\n"
                    "Help: weir help, weir help VERB, weir help W0101 (the code of a message).\n");
    return done(cli, &text);
}

static void put_option(struct buf *text, const struct cli_option *option)
{
    char left[64];
    snprintf(left, sizeof left, "%s%c%s--%s%s%s", option->letter ? "-" : " ",
             option->letter ? option->letter : ' ', option->letter ? ", " : "  ", option->name,
             option->value ? " " : "", option->value ? option->value : "");
    if (strlen(left) > 28)
        buf_printf(text, "  %s\n  %28s  %s\n", left, "", option->help);
    else
        buf_printf(text, "  %-28s  %s\n", left, option->help);
}

static void put_options(struct buf *text, const char *title, const struct cli_option *options)
{
    if (!options || !options->name)
        return;
    buf_printf(text, "\n%s\n", title);
    for (; options->name; options++)
        put_option(text, options);
}

int help_verb(const struct cli *cli, const struct verb *verb)
{
    struct buf text = page();
    buf_printf(&text, "weir %s%s%s [OPTION...]\n\n%s\n", verb->name, *verb->positional ? " " : "",
               verb->positional, verb->details);
    put_options(&text, "Options:", verb->options);
    put_options(&text, "Everywhere:", global_options);
    buf_puts(
        &text,
        "\nEach option but -c, --set, --help and --version can also be given as WEIR_<NAME>.\n");
    return done(cli, &text);
}

static int help_all(const struct cli *cli)
{
    struct buf text = page();
    buf_puts(&text, "weir VERB [OPTION...]\n\n");
    for (const struct verb *verb = verbs; verb->name; verb++)
        buf_printf(&text, "  %-17s  %s\n", verb->name, verb->summary);
    put_options(&text, "Options:", global_options);
    buf_puts(&text, "\n`weir help VERB` says more about one of them.\n");
    return done(cli, &text);
}

static int help_code(const struct cli *cli, const struct diag_code *code)
{
    struct buf text = page();
    buf_printf(&text, "%s: %s\n", code->code, code->meaning);
    return done(cli, &text);
}

int verb_help(struct cli *cli)
{
    char name[64];
    if (cli->arg_count == 0)
        return help_all(cli);
    snprintf(name, sizeof name, "%s%s%s", cli->args[0], cli->arg_count > 1 ? " " : "",
             cli->arg_count > 1 ? cli->args[1] : "");
    for (const struct diag_code *code = diag_codes; code->code; code++)
        if (strcmp(code->code, name) == 0)
            return help_code(cli, code);
    const struct verb *verb = verb_find(name);
    if (verb)
        return help_verb(cli, verb);
    const char *names[64] = {0};
    for (size_t i = 0; verbs[i].name && i < 63; i++)
        names[i] = verbs[i].name;
    const char *near = nearest_name(str_of(name), names);
    if (near)
        return cli_fail(cli, EXIT_USAGE, NULL, "no help for \"%s\". Did you mean \"%s\"?", name,
                        near);
    return cli_fail(cli, EXIT_USAGE, "`weir help` shows the verbs.", "no help for \"%s\"", name);
}

int verb_version(struct cli *cli)
{
    struct buf text = page();
    unsigned major = WEIR_ABI_CURRENT >> 16, minor = WEIR_ABI_CURRENT & 0xffff;
    if (cli->json)
        buf_printf(&text, "{\"version\":\"" WEIR_VERSION "\",\"plugin_abi\":\"%u.%u\"}\n", major,
                   minor);
    else
        buf_printf(&text, "weir " WEIR_VERSION " (plugin ABI %u.%u)\n", major, minor);
    return done(cli, &text);
}
