#include "cli/visit.h"

#include "cli/verbs.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>

int visit_begin(struct visit *visit, struct cli *cli)
{
    struct config_request request;
    *visit = (struct visit){.cli = cli};
    diags_init(&visit->diags);
    buf_init(&visit->out, 64 << 20);
    cli_config_request(cli, &request);
    request.no_plugins = true;
    if (config_load(&request, &visit->config, &visit->diags) < 0) {
        diags_print(&visit->diags, "nothing was done", &visit->out);
        cli_write(cli->err, &visit->out);
        buf_reset(&visit->out);
        return EXIT_CONFIG;
    }
    if (!visit->config->state.path)
        return cli_fail(cli, EXIT_CONFIG, NULL, "this configuration stores nothing here");
    return 0;
}

int visit_open(struct visit *visit)
{
    struct err err = {0};
    int rc = db_open(visit->config->state.path, DB_VISIT, &visit->db, &err);
    return rc < 0 && rc != -ENOENT ? visit_fail(visit, &err) : 0;
}

int visit_fail(const struct visit *visit, const struct err *err)
{
    return cli_fail(visit->cli, EXIT_CANTCREATE, NULL, "%s", err->msg);
}

bool visit_flush(struct visit *visit)
{
    bool written = cli_write(visit->cli->out, &visit->out);
    buf_reset(&visit->out);
    return written;
}

int visit_end(struct visit *visit, int exit_code)
{
    if (visit->out.len && !visit_flush(visit) && exit_code == EXIT_DONE)
        exit_code = EXIT_NO;
    buf_done(&visit->out);
    db_close(visit->db);
    config_free(visit->config);
    diags_done(&visit->diags);
    return exit_code;
}

int visit_id(const struct cli *cli, const char *word, int64_t *id)
{
    char *end;
    errno = 0;
    *id = strtoll(word, &end, 10);
    if (errno || *end != '\0' || end == word || *id <= 0)
        return cli_fail(cli, EXIT_USAGE, "`weir dead list` shows the numbers.",
                        "\"%s\" is not the number of a dead letter", word);
    return 0;
}

static int add_id(void *ctx, int64_t id, const struct dead_letter *letter)
{
    struct id_list *list = ctx;
    (void)letter;
    if (list->count == list->room) {
        size_t room = list->room * 2 + 64;
        int64_t *ids = mem_realloc(list->ids, room * sizeof *ids);
        if (!ids)
            return -ENOMEM;
        list->ids = ids;
        list->room = room;
    }
    list->ids[list->count++] = id;
    return 0;
}

static bool is_listed(const struct id_list *list, int64_t id)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->ids[i] == id)
            return true;
    return false;
}

int visit_choose(struct visit *visit, struct id_list *list)
{
    const struct cli *cli = visit->cli;
    struct err err = {.msg = "out of memory"};
    struct db_letters which = {.pipeline = str_of(visit->config->name), .sink = str_of(cli->sink)};
    int rc = 0;
    if (cli->all && visit->db)
        rc = db_each_letter(visit->db, &which, add_id, list, &err);
    for (size_t i = 0; i < cli->arg_count && rc == 0; i++) {
        int64_t id;
        int code = visit_id(cli, cli->args[i], &id);
        if (code != 0)
            return code;
        if (!is_listed(list, id))
            rc = add_id(list, id, NULL);
    }
    return rc < 0 ? visit_fail(visit, &err) : 0;
}

void visit_put_none(struct visit *visit)
{
    buf_puts(&visit->out, "no dead letters");
    if (visit->cli->sink) {
        buf_puts(&visit->out, " of sink ");
        buf_put_visible(&visit->out, str_of(visit->cli->sink), 100);
    }
    buf_putc(&visit->out, '\n');
}

int visit_check_which(const struct cli *cli, const char *verb)
{
    if (cli->all && cli->arg_count)
        return cli_fail(cli, EXIT_USAGE, NULL, "%s takes numbers or --all, not both", verb);
    if (!cli->all && !cli->arg_count)
        return cli_fail(cli, EXIT_USAGE, NULL, "%s wants ID... or --all", verb);
    if (!cli->all && cli->sink)
        return cli_fail(cli, EXIT_USAGE, NULL, "--sink goes with --all");
    return 0;
}
