/* weir reload: asks the running weir for one, and says what became of it. */
#include "cli/daemon.h"
#include "cli/verbs.h"
#include "json/json.h"

enum { VALUES_MAX = 64 };

static int code_of(weir_str result)
{
    if (str_is(result, "done") || str_is(result, "unchanged"))
        return EXIT_DONE;
    return str_is(result, "invalid") ? EXIT_CONFIG : EXIT_NO;
}

static int print(const struct cli *cli, struct daemon_link *link)
{
    struct arena arena;
    struct json_error error;
    struct buf out;
    arena_init(&arena, 4096);
    buf_init(&out, 1 << 20);
    const struct json_value *answer =
        json_parse(&arena, buf_str(&link->answer), 0, VALUES_MAX, &error);
    weir_str text = answer ? json_text(answer, "text") : STR_NONE;
    weir_str why = answer ? json_text(answer, "error") : STR_NONE;
    int code = answer ? code_of(json_text(answer, "result")) : EXIT_SOFTWARE;
    if (cli->json)
        buf_put_str(&out, buf_str(&link->answer));
    else
        buf_put_str(&out, text.len ? text : why);
    if (out.len && out.ptr[out.len - 1] != '\n')
        buf_putc(&out, '\n');
    if (!cli_write(cli->json || code == EXIT_DONE ? cli->out : cli->err, &out) && code == EXIT_DONE)
        code = EXIT_NO;
    buf_done(&out);
    arena_done(&arena);
    return code;
}

int verb_reload(struct cli *cli)
{
    struct daemon_link link;
    int code = daemon_ask(cli, "POST", "/reload", &link);
    if (code != 0)
        return code;
    code = daemon_whole(cli, &link);
    if (code == 0)
        code = print(cli, &link);
    daemon_close(&link);
    return code;
}
