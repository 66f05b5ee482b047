#include "cli/verbs.h"

#include "config/diag.h"
#include "config/schema.h"
#include "util/text.h"

#include <weir/version.h>

enum { PAGE_MAX_BYTES = 1 << 20, NAMES_MAX = 256, WIDTH = 28 };

static int done(const struct cli *cli, struct buf *text)
{
    bool written = cli_write(cli->out, text);
    buf_done(text);
    return written ? EXIT_DONE : EXIT_NO;
}

static struct buf page(void)
{
    struct buf text;
    buf_init(&text, PAGE_MAX_BYTES);
    return text;
}

int help_front(const struct cli *cli)
{
    struct buf text = page();
    buf_puts(&text,
             "weir " WEIR_VERSION
             " takes the change records of a DynamoDB table's stream and hands\n"
             "each one to the sinks that asked for it. Try:\n"
             "\n"
             "  weir demo                                     a shop's prices, live\n"
             "  weir config init > weir.json                  a configuration to begin with\n"
             "  weir check                                    is it right?\n"
             "\n"
             "The configuration is weir.json here, or the file named by -c.\n"
             "Plugins: weir plugin list, weir plugin info NAME.\n"
             "Help: weir help, weir help VERB, weir help W0101 (the code of a message).\n");
    return done(cli, &text);
}

/* ---- verbs ---- */

static void put_option(struct buf *text, const struct cli_option *option)
{
    char left[64];
    snprintf(left, sizeof left, "%s%c%s--%s%s%s", option->letter ? "-" : " ",
             option->letter ? option->letter : ' ', option->letter ? ", " : "  ", option->name,
             option->value ? " " : "", option->value ? option->value : "");
    if (strlen(left) > WIDTH)
        buf_printf(text, "  %s\n  %*s  %s\n", left, WIDTH, "", option->help);
    else
        buf_printf(text, "  %-*s  %s\n", WIDTH, left, option->help);
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

/* "config" of "config show": the first of two words. */
static bool in_group(const struct verb *verb, const char *group)
{
    size_t len = strlen(group);
    return strncmp(verb->name, group, len) == 0 && verb->name[len] == ' ';
}

static bool is_group(const char *name)
{
    for (const struct verb *verb = verbs; verb->name; verb++)
        if (in_group(verb, name))
            return true;
    return false;
}

static void put_verbs(struct buf *text, const char *group)
{
    for (const struct verb *verb = verbs; verb->name; verb++)
        if (!group || in_group(verb, group))
            buf_printf(text, "  %-19s  %s\n", verb->name, verb->summary);
}

static int help_all(const struct cli *cli)
{
    struct buf text = page();
    buf_puts(&text, "weir VERB [OPTION...]\n\n");
    put_verbs(&text, NULL);
    put_options(&text, "Options:", global_options);
    buf_puts(&text, "\n`weir help VERB` says more about one of them, `weir help config` has the "
                    "configuration's keys.\n");
    return done(cli, &text);
}

/* ---- keys ---- */

struct key_page {
    struct buf text;
    const char *section; /* only what is below; NULL = all */
    bool json, any;
};

static bool is_below(const char *path, const char *section)
{
    size_t len = section ? strlen(section) : 0;
    return len == 0 ||
           (strncmp(path, section, len) == 0 && (path[len] == '\0' || strchr(".[", path[len])));
}

static int put_key(void *ctx, const char *path, const struct key *key)
{
    struct key_page *page = ctx;
    struct buf type;
    if (!is_below(path, page->section))
        return 0;
    buf_init(&type, 1024);
    key_type_text(key, &type);
    const char *holds = key->fallback ? key->fallback : key->otherwise;
    if (page->json) {
        buf_put_comma(&page->text);
        buf_putc(&page->text, '{');
        buf_put_text_member(&page->text, "path", path);
        buf_put_text_member(&page->text, "type", buf_cstr(&type));
        buf_put_text_member(&page->text, "default", holds);
        buf_put_flag_member(&page->text, "required", key->required);
        buf_put_flag_member(&page->text, "used", !key->later);
        buf_put_text_member(&page->text, "help", key->help);
        buf_putc(&page->text, '}');
    } else {
        buf_printf(&page->text, "%s (%s%s%s%s)\n    %s\n", path, buf_cstr(&type),
                   key->required ? ", required" : "", holds ? "; default: " : "",
                   holds ? holds : "", key->help);
    }
    page->any = true;
    buf_done(&type);
    return 0;
}

static int help_keys(const struct cli *cli, const char *section)
{
    struct key_page keys = {.text = page(), .section = section, .json = cli->json};
    if (cli->json)
        buf_puts(&keys.text, "{\"keys\":[");
    else if (!section) {
        buf_puts(&keys.text, "weir config VERB [OPTION...]\n\n");
        put_verbs(&keys.text, "config");
        buf_puts(&keys.text, "\nThe keys of a configuration; `weir help config sinks` shows some "
                             "of them:\n\n");
    }
    keys_each(put_key, &keys);
    buf_puts(&keys.text, cli->json ? "]}\n" : "");
    if (!keys.any) {
        buf_done(&keys.text);
        return cli_fail(cli, EXIT_USAGE, "`weir help config` shows them all.",
                        "the configuration has no key \"%s\"", section);
    }
    return done(cli, &keys.text);
}

/* ---- for programs ---- */

static void put_option_json(struct buf *out, const struct cli_option *option)
{
    static const char *const kinds[] = {"flag", "text", "list", "number", "choice"};
    char letter[2] = {option->letter, '\0'}, twin[64];
    cli_twin_name(option, twin);
    buf_put_comma(out);
    buf_putc(out, '{');
    buf_put_text_member(out, "name", option->name);
    buf_put_text_member(out, "letter", option->letter ? letter : NULL);
    buf_put_text_member(out, "kind", kinds[option->kind]);
    buf_put_text_member(out, "value", option->value);
    buf_put_text_member(out, "environment", option->no_twin ? NULL : twin);
    buf_put_text_member(out, "help", option->help);
    buf_putc(out, '}');
}

static void put_options_json(struct buf *out, const struct cli_option *options)
{
    buf_puts(out, "[");
    for (const struct cli_option *option = options; option && option->name; option++)
        put_option_json(out, option);
    buf_puts(out, "]");
}

static void put_code_json(struct buf *out, const struct diag_code *code)
{
    buf_putc(out, '{');
    buf_put_text_member(out, "code", code->code);
    buf_put_text_member(out, "meaning", code->meaning);
    buf_put_text_member(out, "remedy", code->remedy);
    buf_putc(out, '}');
}

static int help_json(const struct cli *cli)
{
    struct buf text = page();
    buf_puts(&text, "{\"version\":\"" WEIR_VERSION "\",\"verbs\":[");
    for (const struct verb *verb = verbs; verb->name; verb++) {
        buf_put_comma(&text);
        buf_putc(&text, '{');
        buf_put_text_member(&text, "name", verb->name);
        buf_put_text_member(&text, "arguments", verb->positional);
        buf_put_text_member(&text, "summary", verb->summary);
        buf_put_text_member(&text, "details", verb->details);
        buf_put_key(&text, "options");
        put_options_json(&text, verb->options);
        buf_putc(&text, '}');
    }
    buf_puts(&text, "],\"options\":");
    put_options_json(&text, global_options);
    buf_puts(&text, ",\"codes\":[");
    for (const struct diag_code *code = diag_codes; code->code; code++) {
        buf_put_comma(&text);
        put_code_json(&text, code);
    }
    buf_puts(&text, "]}\n");
    return done(cli, &text);
}

/* ---- help ---- */

static int help_code(const struct cli *cli, const struct diag_code *code)
{
    struct buf text = page();
    if (cli->json) {
        put_code_json(&text, code);
        buf_putc(&text, '\n');
    } else {
        buf_printf(&text, "%s: %s\nWhat to do: %s\n", code->code, code->meaning,
                   code->remedy ? code->remedy : "-");
    }
    return done(cli, &text);
}

static int help_group(const struct cli *cli, const char *name)
{
    struct buf text = page();
    buf_printf(&text, "weir %s VERB [OPTION...]\n\n", name);
    put_verbs(&text, name);
    return done(cli, &text);
}

static int no_help(const struct cli *cli, const char *name)
{
    const char *names[NAMES_MAX + 1] = {0};
    size_t count = 0;
    for (const struct verb *verb = verbs; verb->name && count < NAMES_MAX; verb++)
        names[count++] = verb->name;
    for (const struct diag_code *code = diag_codes; code->code && count < NAMES_MAX; code++)
        names[count++] = code->code;
    const char *near = nearest_name(str_of(name), names);
    if (near)
        return cli_fail(cli, EXIT_USAGE, NULL, "no help for \"%s\". Did you mean \"%s\"?", name,
                        near);
    return cli_fail(cli, EXIT_USAGE, "`weir help` shows the verbs.", "no help for \"%s\"", name);
}

int verb_help(struct cli *cli)
{
    char name[64];
    if (cli->arg_count == 0)
        return cli->json ? help_json(cli) : help_all(cli);
    snprintf(name, sizeof name, "%s%s%s", cli->args[0], cli->arg_count > 1 ? " " : "",
             cli->arg_count > 1 ? cli->args[1] : "");
    for (const struct diag_code *code = diag_codes; code->code; code++)
        if (strcmp(code->code, name) == 0)
            return help_code(cli, code);
    const struct verb *verb = verb_find(name);
    if (verb)
        return help_verb(cli, verb);
    if (strcmp(cli->args[0], "config") == 0)
        return help_keys(cli, cli->args[1]);
    if (is_group(name))
        return help_group(cli, name);
    return no_help(cli, name);
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
