#include "cli/verbs.h"

#include "config/file.h"
#include "config/sinks.h"
#include "util/text.h"

#include <errno.h>
#include <unistd.h>

/* What both verbs need: the folders, from the configuration where one can be read. */
struct lookup {
    struct cli *cli;
    struct config *config; /* NULL when there is none */
    struct arena arena;
    struct plugin_search search;
    struct buf text;
    size_t count;
};

static int lookup_init(struct lookup *lookup, struct cli *cli)
{
    struct config_request request;
    struct diags diags;
    *lookup = (struct lookup){.cli = cli};
    arena_init(&lookup->arena, 2048);
    buf_init(&lookup->text, 1 << 20);
    diags_init(&diags);
    cli_config_request(cli, &request);
    request.no_plugins = true;
    int rc = config_load(&request, &lookup->config, &diags);
    diags_done(&diags);
    if (rc < 0 && cli->config_path) /* one that was named must be right */
        return cli_fail(cli, EXIT_CONFIG, "`weir check` shows what is wrong.",
                        "can't use the configuration \"%s\"", cli->config_path);
    lookup->search =
        plugin_search_of(&lookup->arena, lookup->config, cli->environ_block, cli->lambda);
    return lookup->search.dirs ? 0 : cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory");
}

static void lookup_done(struct lookup *lookup)
{
    config_free(lookup->config);
    arena_done(&lookup->arena);
    buf_done(&lookup->text);
}

static int finish(struct lookup *lookup)
{
    return cli_write(lookup->cli->out, &lookup->text) ? EXIT_DONE : EXIT_NO;
}

static const char *type_name(int32_t type)
{
    static const char *const names[] = {"string", "whole number", "true or false", "duration",
                                        "choice", "JSON",         "size",          "path"};
    return type >= WEIR_O_STRING && type <= WEIR_O_PATH ? names[type] : "?";
}

/* A plugin's own words: they may hold anything. */
static void put_words(struct buf *out, const char *text)
{
    buf_put_visible(out, str_of(text ? text : ""), 400);
}

/* ---- list ---- */

static void list_text(struct buf *out, const char *name, const char *path,
                      const struct plugin *plugin, const char *reason)
{
    buf_printf(out, "%-14s  ", name);
    if (plugin) {
        buf_printf(out, "%-8s  ", plugin->desc.version);
        put_words(out, plugin->desc.summary);
        buf_puts(out, "\n                ");
        put_words(out, path);
    } else {
        buf_puts(out, "refused: ");
        put_words(out, reason);
    }
    buf_putc(out, '\n');
}

static int list_entry(void *arg, const char *name, const char *path)
{
    struct lookup *lookup = arg;
    struct plugin *plugin = NULL;
    struct err err = {0};
    int rc = plugin_load(path, &lookup->search, &plugin, &err);
    if (rc == -ENOMEM)
        return rc;
    if (lookup->cli->json) {
        buf_put_comma(&lookup->text);
        buf_putc(&lookup->text, '{');
        buf_put_text_member(&lookup->text, "name", name);
        buf_put_text_member(&lookup->text, "path", path);
        buf_put_text_member(&lookup->text, "version", plugin ? plugin->desc.version : NULL);
        buf_put_text_member(&lookup->text, "summary", plugin ? plugin->desc.summary : NULL);
        buf_put_text_member(&lookup->text, "refused", plugin ? NULL : err.msg);
        buf_putc(&lookup->text, '}');
    } else {
        list_text(&lookup->text, name, path, plugin, err.msg);
    }
    lookup->count++;
    plugin_free(plugin);
    return 0;
}

static int list(struct lookup *lookup)
{
    if (lookup->cli->json)
        buf_putc(&lookup->text, '[');
    if (plugin_each(&lookup->search, list_entry, lookup) < 0)
        return cli_fail(lookup->cli, EXIT_SOFTWARE, NULL, "out of memory");
    if (lookup->cli->json)
        buf_puts(&lookup->text, "]\n");
    else if (lookup->count == 0)
        buf_puts(&lookup->text, "no plugin in the folders searched:\n");
    for (const char *const *dir = lookup->search.dirs;
         *dir && lookup->count == 0 && !lookup->cli->json; dir++)
        buf_printf(&lookup->text, "  %s\n", *dir);
    return finish(lookup);
}

int verb_plugin_list(struct cli *cli)
{
    struct lookup lookup;
    int rc = lookup_init(&lookup, cli);
    if (rc == 0)
        rc = list(&lookup);
    lookup_done(&lookup);
    return rc;
}

/* ---- info ---- */

static void put_option(struct buf *out, const weir_option *option)
{
    buf_printf(out, "  %-22s  %-13s  ", option->name, type_name(option->type));
    if (option->flags & WEIR_O_REQUIRED)
        buf_printf(out, "%-16s", "(required)");
    else
        buf_printf(out, "%-16s", option->fallback ? option->fallback : "-");
    buf_puts(out, "  ");
    put_words(out, option->help);
    if (option->choices) {
        buf_puts(out, " One of ");
        put_words(out, option->choices);
        buf_putc(out, '.');
    }
    if (option->flags & WEIR_O_SECRET)
        buf_puts(out, " Secret: \"${file:PATH}\" or \"${NAME}\" only.");
    buf_putc(out, '\n');
}

static void put_watches(struct buf *out, const weir_subscription *wants)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } events[] = {{WEIR_INSERT, "INSERT"}, {WEIR_MODIFY, "MODIFY"}, {WEIR_REMOVE, "REMOVE"}};
    bool all = wants->struct_size == 0 || wants->events == 0;
    buf_puts(out, "watches: ");
    if (all)
        buf_puts(out, "every event");
    bool first = true;
    for (size_t i = 0; i < 3 && !all; i++)
        if (wants->events & events[i].bit) {
            buf_printf(out, "%s%s", first ? "" : ", ", events[i].name);
            first = false;
        }
    if (wants->struct_size && wants->attributes && wants->attributes[0]) {
        buf_puts(out, wants->changed_only ? " that changes " : " that has ");
        for (const char *const *path = wants->attributes; *path; path++) {
            buf_puts(out, path == wants->attributes ? "" : " or ");
            put_words(out, *path);
        }
    }
    if (wants->struct_size && wants->images & (WEIR_OLD | WEIR_NEW))
        buf_printf(out, "; needs %s%s%s", wants->images & WEIR_OLD ? "OldImage" : "",
                   (wants->images & (WEIR_OLD | WEIR_NEW)) == (WEIR_OLD | WEIR_NEW) ? " and " : "",
                   wants->images & WEIR_NEW ? "NewImage" : "");
    buf_puts(out, " (options may change it)\n");
}

static const char *repeats_text(int32_t repeats)
{
    return repeats == WEIR_R_NATIVE  ? "native: the same record is stored once"
           : repeats == WEIR_R_KEYED ? "keyed: a second copy carries the key to drop it by"
                                     : "none: a second copy";
}

static void info_text(struct buf *out, const struct plugin *plugin)
{
    const weir_plugin *desc = &plugin->desc;
    buf_printf(out, "%s %s: ", desc->name, desc->version);
    put_words(out, desc->summary);
    buf_printf(out, "\nfile:    %s\nsha256:  %s\nABI:     %u.%u\n", plugin->path, plugin->sha256,
               (unsigned)(desc->abi >> 16), (unsigned)(desc->abi & 0xffff));
    put_watches(out, &desc->subscription);
    buf_printf(out, "repeats: %s\n", repeats_text(desc->repeats));
    buf_printf(out, "order:   %s\n",
               desc->flags & WEIR_P_ORDER_NONE ? "does not matter" : "kept for each item");
    if (!desc->options || !desc->options->name) {
        buf_puts(out, "options: none\n");
        return;
    }
    buf_printf(out, "\noptions, for \"config\" of a sink:\n  %-22s  %-13s  %-16s  %s\n", "name",
               "type", "default", "what it does");
    for (const weir_option *option = desc->options; option->name; option++)
        put_option(out, option);
}

static void info_json(struct buf *out, const struct plugin *plugin)
{
    const weir_plugin *desc = &plugin->desc;
    buf_putc(out, '{');
    buf_put_text_member(out, "name", desc->name);
    buf_put_text_member(out, "version", desc->version);
    buf_put_text_member(out, "summary", desc->summary);
    buf_put_text_member(out, "path", plugin->path);
    buf_put_text_member(out, "sha256", plugin->sha256);
    buf_put_key(out, "options");
    buf_putc(out, '[');
    for (const weir_option *option = desc->options; option && option->name; option++) {
        buf_put_comma(out);
        buf_putc(out, '{');
        buf_put_text_member(out, "name", option->name);
        buf_put_text_member(out, "type", type_name(option->type));
        buf_put_text_member(out, "choices", option->choices);
        buf_put_flag_member(out, "required", option->flags & WEIR_O_REQUIRED);
        buf_put_flag_member(out, "secret", option->flags & WEIR_O_SECRET);
        buf_put_key(out, "default"); /* JSON already */
        buf_puts(out, option->fallback ? option->fallback : "null");
        buf_put_text_member(out, "help", option->help);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}\n");
}

/* NAME, or a file: what has a '/' or ends in ".so" is made absolute, as plugin_load wants it. */
static const char *plugin_named(struct lookup *lookup, const char *argument)
{
    char cwd[4096];
    bool is_file = strchr(argument, '/') || str_ends(str_of(argument), STR(".so"));
    if (!is_file || !getcwd(cwd, sizeof cwd))
        return argument;
    return path_in(&lookup->arena, cwd, str_of(argument));
}

static int info(struct lookup *lookup)
{
    struct plugin *plugin = NULL;
    struct err err = {0};
    const char *name = plugin_named(lookup, lookup->cli->args[0]);
    if (!name)
        return cli_fail(lookup->cli, EXIT_SOFTWARE, NULL, "out of memory");
    int rc = plugin_load(name, &lookup->search, &plugin, &err);
    if (rc < 0) {
        const char *help = strstr(err.msg, "; help: ");
        int len = help ? (int)(help - err.msg) : (int)strlen(err.msg);
        return cli_fail(lookup->cli, EXIT_CONFIG, help ? help + 8 : NULL, "%.*s", len, err.msg);
    }
    if (lookup->cli->json)
        info_json(&lookup->text, plugin);
    else
        info_text(&lookup->text, plugin);
    plugin_free(plugin);
    return finish(lookup);
}

int verb_plugin_info(struct cli *cli)
{
    struct lookup lookup;
    int rc = lookup_init(&lookup, cli);
    if (rc == 0)
        rc = info(&lookup);
    lookup_done(&lookup);
    return rc;
}
