/* weir tap: records as they go by in the running weir. */
#include "cli/daemon.h"
#include "cli/tail.h"
#include "cli/verbs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- server-sent events ---- */

/* One event, its lines as they came. False: nobody reads the output any more. */
static bool take_event(struct tail *tail, weir_str event)
{
    if (str_starts(event, STR("event: unseen"))) {
        if (!tail->cli->quiet && !tail->cli->json) {
            const char *number_at = memchr(event.ptr + 20, ':', event.len - 20);
            int64_t count = number_at ? strtoll(number_at + 11, NULL, 10) : 0;
            fprintf(tail->cli->err, "weir: %" PRId64 " more records went by\n", count);
        }
        return true;
    }
    if (!str_starts(event, STR("data: ")))
        return true;
    return tail_show(tail, (weir_str){event.ptr + 6, event.len - 6});
}

static bool take_events(struct tail *tail, struct buf *text)
{
    size_t from = 0;
    bool goes_on = true;
    for (size_t i = 0; goes_on && i + 1 < text->len; i++)
        if (text->ptr[i] == '\n' && text->ptr[i + 1] == '\n') {
            goes_on = take_event(tail, (weir_str){text->ptr + from, i - from});
            from = i + 2;
            goes_on = goes_on && !tail_is_full(tail);
        }
    text->len -= from;
    memmove(text->ptr, text->ptr + from, text->len);
    return goes_on;
}

static int follow(struct cli *cli, struct daemon_link *link)
{
    struct tail tail;
    long got = 1;
    tail_begin(&tail, cli);
    while (take_events(&tail, &link->answer) && (got = daemon_more(cli, link)) > 0)
        ;
    tail_end(&tail);
    return got < 0 ? EXIT_UNAVAILABLE : EXIT_DONE;
}

static int tap_daemon(struct cli *cli)
{
    char target[256];
    struct daemon_link link;
    snprintf(target, sizeof target, "/tap?sink=%s&event=%s%s", cli->sink ? cli->sink : "",
             cli->event ? cli->event : "", cli->json ? "&record=1" : "");
    int code = daemon_ask(cli, "GET", target, &link);
    if (code == 0 && link.status == 403)
        code = cli_fail(cli, EXIT_NO, "set \"tap\": true in \"admin\" and reload",
                        "this weir does not show its records");
    else if (code == 0 && link.status != 200)
        code =
            cli_fail(cli, EXIT_NO, "weir status lists the sinks",
                     link.status == 400 ? "no such sink is running" : "refused (%d)", link.status);
    if (code == 0)
        code = follow(cli, &link);
    daemon_close(&link);
    return code;
}

int verb_tap(struct cli *cli)
{
    if (cli->from && cli->stream)
        return cli_fail(cli, EXIT_USAGE, NULL, "--from and --stream are two ways; give one");
    return cli->from ? tap_file(cli) : cli->stream ? tap_stream(cli) : tap_daemon(cli);
}
