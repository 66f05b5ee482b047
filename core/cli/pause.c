/* weir pause, weir resume: has the running weir give a sink nothing new, or go on. */
#include "cli/daemon.h"
#include "cli/verbs.h"
#include "json/json.h"

#include <stdio.h>

enum { VALUES_MAX = 16, NAME_BYTES_MAX = 64 };

/* As the configuration has them: it goes into a path. */
static bool is_name(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return strlen(name) <= NAME_BYTES_MAX && name[strspn(name, allowed)] == '\0';
}

static void put_text(struct buf *out, const char *name, bool paused, bool changed)
{
    if (!changed)
        buf_printf(out, "sink %s %s\n", name, paused ? "was paused already" : "was not paused");
    else if (paused)
        buf_printf(out,
                   "sink %s is paused: it gets nothing new until `weir resume %s`, or a restart\n",
                   name, name);
    else
        buf_printf(out, "sink %s goes on\n", name);
}

static int print(const struct cli *cli, const struct daemon_link *link, const char *name,
                 bool paused)
{
    struct arena arena;
    struct json_error error;
    struct buf out;
    arena_init(&arena, 4096);
    buf_init(&out, 64 << 10);
    const struct json_value *answer =
        json_parse(&arena, buf_str(&link->answer), 0, VALUES_MAX, &error);
    const struct json_value *changed = answer ? json_member0(answer, "changed") : NULL;
    if (cli->json)
        buf_put_str(&out, buf_str(&link->answer));
    else
        put_text(&out, name, paused, changed && changed->kind == JSON_TRUE);
    int code = cli_write(cli->out, &out) ? EXIT_DONE : EXIT_NO;
    buf_done(&out);
    arena_done(&arena);
    return code;
}

static int ask(struct cli *cli, bool paused)
{
    const char *name = cli->args[0];
    char target[NAME_BYTES_MAX + 32];
    struct daemon_link link;
    if (!is_name(name))
        return cli_fail(cli, EXIT_NO, "weir status lists the sinks", "no sink is named so");
    snprintf(target, sizeof target, "/sinks/%s/%s", name, paused ? "pause" : "resume");
    int code = daemon_ask(cli, "POST", target, &link);
    if (code != 0)
        return code;
    code = daemon_whole(cli, &link);
    if (code == 0 && link.status == 404)
        code = cli_fail(cli, EXIT_NO, "weir status lists the sinks", "no sink \"%s\" is running",
                        name);
    else if (code == 0 && link.status != 200)
        code = cli_fail(cli, EXIT_NO, NULL, "weir answered with %d", link.status);
    if (code == 0)
        code = print(cli, &link, name, paused);
    daemon_close(&link);
    return code;
}

int verb_pause(struct cli *cli)
{
    return ask(cli, true);
}

int verb_resume(struct cli *cli)
{
    return ask(cli, false);
}
