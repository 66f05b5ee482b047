/* weir config schema, show. */
#include "cli/opened.h"
#include "cli/verbs.h"
#include "config/file.h"
#include "config/schema.h"
#include "config/show.h"
#include "util/alloc.h"

#include <errno.h>
#include <unistd.h>

int verb_config_show(struct cli *cli)
{
    struct opened opened;
    int code = opened_begin(&opened, cli, false);
    if (code == 0)
        config_show(opened.config, &opened.search, cli->json ? SHOW_JSON : SHOW_COMMENTED,
                    &opened.out);
    return opened_end(&opened, code);
}

/* ---- schema ---- */

static int put_schema(const struct plugin_list *list, struct buf *out)
{
    const weir_plugin **plugins = mem_zalloc(list->count + 1, sizeof *plugins);
    if (!plugins)
        return -ENOMEM;
    for (size_t i = 0; i < list->count; i++)
        plugins[i] = &list->plugins[i]->desc;
    int rc = schema_write(plugins, list->count, out);
    mem_free(plugins);
    return rc;
}

/* The configuration, where there is one, only says where plugins are: it may be wrong. */
static int schema(struct cli *cli, struct arena *arena, const struct config *config)
{
    struct plugin_search search = plugin_search_of(arena, config, cli->environ_block, cli->lambda);
    struct plugin_list list = {0};
    struct buf out;
    char cwd[4096];
    const char *also = NULL;
    buf_init(&out, 16 << 20);
    if (cli->plugin && getcwd(cwd, sizeof cwd))
        also = path_in(arena, cwd, str_of(cli->plugin));
    int rc = search.dirs ? plugin_list_fill(&list, &search, also) : -ENOMEM;
    if (rc == 0)
        rc = put_schema(&list, &out);
    int code = rc < 0                      ? cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory")
               : cli_write(cli->out, &out) ? EXIT_DONE
                                           : EXIT_NO;
    plugin_list_done(&list);
    buf_done(&out);
    return code;
}

int verb_config_schema(struct cli *cli)
{
    struct config_request request;
    struct config *config = NULL;
    struct diags diags;
    struct arena arena;
    arena_init(&arena, 4096);
    diags_init(&diags);
    cli_config_request(cli, &request);
    request.no_plugins = true;
    if (cli->plugin && !cli->config_path)
        request.plugin = NULL;
    config_load(&request, &config, &diags);
    diags_done(&diags);
    int code = schema(cli, &arena, config);
    config_free(config);
    arena_done(&arena);
    return code;
}
