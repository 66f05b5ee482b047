/* weir status, weir top: how the running weir is. */
#include "cli/daemon.h"
#include "cli/status_text.h"
#include "cli/verbs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { SHARD_ROWS = 10, OTHER_ROWS = 16 };

struct snapshot { /* zeroed = none */
    struct arena arena;
    struct json_value *status;
};

/* The document as it came. 0 or an exit code. */
static int ask(struct cli *cli, struct daemon_link *link)
{
    int code = daemon_ask(cli, "GET", "/status", link);
    if (code == 0)
        code = daemon_whole(cli, link);
    if (code == 0 && link->status != 200)
        code = cli_fail(cli, EXIT_UNAVAILABLE, NULL, "weir answered with %d", link->status);
    return code;
}

static int take(struct cli *cli, struct snapshot *out)
{
    struct daemon_link link;
    struct json_error error;
    int code = ask(cli, &link);
    arena_init(&out->arena, 64 << 10);
    out->status = NULL;
    if (code == 0) { /* strings may point into the text */
        char *text = arena_alloc(&out->arena, link.answer.len + 1, 1);
        if (text) {
            memcpy(text, link.answer.ptr, link.answer.len);
            out->status = json_parse(&out->arena, (weir_str){text, link.answer.len}, 0, 0, &error);
        }
        if (!out->status)
            code = cli_fail(cli, EXIT_SOFTWARE, NULL, "the status can't be read");
    }
    daemon_close(&link);
    return code;
}

static void let_go(struct snapshot *snapshot)
{
    arena_done(&snapshot->arena);
    snapshot->status = NULL;
}

static int print_json(struct cli *cli)
{
    struct daemon_link link;
    int code = ask(cli, &link);
    if (code == 0 && !cli_write(cli->out, &link.answer))
        code = EXIT_NO;
    daemon_close(&link);
    return code;
}

static int print_text(struct cli *cli)
{
    struct snapshot now;
    struct buf out;
    const struct status_look look = {.color = cli_colors(cli), .shard_rows = SHARD_ROWS};
    int code = take(cli, &now);
    buf_init(&out, 4 << 20);
    if (code == 0)
        status_put_text(now.status, &look, &out);
    if (code == 0 && !cli_write(cli->out, &out))
        code = EXIT_NO;
    buf_done(&out);
    let_go(&now);
    return code;
}

int verb_status(struct cli *cli)
{
    return cli->json ? print_json(cli) : print_text(cli);
}

/* ---- top ---- */

static size_t shard_rows(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row <= OTHER_ROWS)
        return SHARD_ROWS;
    return (size_t)(size.ws_row - OTHER_ROWS);
}

/* On a terminal the screen is written anew in place; elsewhere one block follows the other. */
static bool show(struct cli *cli, const struct snapshot *now, const struct snapshot *earlier)
{
    struct buf out;
    bool terminal = isatty(STDOUT_FILENO);
    const struct status_look look = {
        .color = cli_colors(cli), .shard_rows = shard_rows(), .earlier = earlier->status};
    buf_init(&out, 4 << 20);
    buf_puts(&out, terminal ? "\033[H\033[J" : "");
    status_put_text(now->status, &look, &out);
    buf_puts(&out, terminal ? "" : "\n");
    bool written = cli_write(cli->out, &out);
    buf_done(&out);
    return written;
}

int verb_top(struct cli *cli)
{
    const struct timespec pause = {.tv_sec = (time_t)cli->interval_s};
    struct snapshot earlier = {0}, now;
    int code = 0;
    if (cli->json)
        return print_json(cli);
    for (int64_t shown = 0; code == 0 && (cli->count == 0 || shown < cli->count); shown++) {
        if (shown > 0)
            nanosleep(&pause, NULL);
        code = take(cli, &now);
        if (code == 0 && !show(cli, &now, &earlier))
            code = EXIT_NO;
        if (earlier.status)
            let_go(&earlier);
        earlier = now;
    }
    let_go(&earlier);
    return code;
}
