#include "cli/opened.h"

#include "util/alloc.h"

#include <errno.h>

enum { OUT_MAX_BYTES = 64 << 20 };

/* What a plugin says in open() belongs to a run. */
static void quiet_log(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    (void)ctx;
    (void)sink;
    (void)level;
    (void)msg;
}

static int refuse(struct opened *opened)
{
    diags_print(&opened->diags, "nothing was done", &opened->out);
    cli_write(opened->cli->err, &opened->out);
    buf_reset(&opened->out);
    return EXIT_CONFIG;
}

static int begin(struct opened *opened, struct cli *cli, bool sinks, bool if_any)
{
    struct instance_services services = {.log = quiet_log};
    struct config_request request;
    *opened = (struct opened){.cli = cli};
    arena_init(&opened->arena, 2048);
    buf_init(&opened->out, OUT_MAX_BYTES);
    diags_init(&opened->diags);
    cli_config_request(cli, &request);
    request.no_plugins = !sinks;
    int rc = config_load(&request, &opened->config, &opened->diags);
    if (rc == -ENOENT && if_any)
        return 0;
    if (rc == 0 && sinks)
        rc = sink_set_open(opened->config, &services, &opened->diags, &opened->set);
    if (rc == 0) {
        opened->search =
            plugin_search_of(&opened->arena, opened->config, cli->environ_block, cli->lambda);
        rc = opened->search.dirs ? 0 : -ENOMEM;
    }
    if (rc == -ENOMEM)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory");
    return rc < 0 ? refuse(opened) : 0;
}

int opened_begin(struct opened *opened, struct cli *cli, bool sinks)
{
    return begin(opened, cli, sinks, false);
}

int opened_begin_if_any(struct opened *opened, struct cli *cli)
{
    return begin(opened, cli, true, true);
}

int opened_end(struct opened *opened, int exit_code)
{
    if (opened->out.failed)
        exit_code = cli_fail(opened->cli, EXIT_SOFTWARE, NULL, "out of memory");
    else if (opened->out.len && !cli_write(opened->cli->out, &opened->out) &&
             exit_code == EXIT_DONE)
        exit_code = EXIT_NO;
    buf_done(&opened->out);
    sink_set_close(opened->set);
    config_free(opened->config);
    diags_done(&opened->diags);
    arena_done(&opened->arena);
    return exit_code;
}

/* ---- plugins ---- */

struct filling {
    struct plugin_list *list;
    const struct plugin_search *search;
};

static int add(void *ctx, const char *name, const char *path)
{
    struct filling *filling = ctx;
    struct plugin_list *list = filling->list;
    struct plugin *plugin = NULL;
    struct err err = {0};
    (void)name;
    int rc = plugin_load(path, filling->search, &plugin, &err);
    if (rc < 0) /* refused ones are `weir plugin list`'s to tell */
        return rc == -ENOMEM ? rc : 0;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->plugins[i]->desc.name, plugin->desc.name) == 0) {
            plugin_free(plugin);
            return 0;
        }
    if (list->count == list->room) {
        size_t room = list->room * 2 + 16;
        struct plugin **grown = mem_realloc(list->plugins, room * sizeof(struct plugin *));
        if (!grown) {
            plugin_free(plugin);
            return -ENOMEM;
        }
        list->plugins = grown;
        list->room = room;
    }
    list->plugins[list->count++] = plugin;
    return 0;
}

int plugin_list_fill(struct plugin_list *list, const struct plugin_search *search, const char *also)
{
    struct filling filling = {list, search};
    int rc = also ? add(&filling, NULL, also) : 0;
    return rc == 0 ? plugin_each(search, add, &filling) : rc;
}

void plugin_list_done(struct plugin_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        plugin_free(list->plugins[i]);
    mem_free(list->plugins);
    *list = (struct plugin_list){0};
}
