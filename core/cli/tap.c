/* weir tap: records as they go by in the running weir. */
#include "cli/daemon.h"
#include "cli/verbs.h"
#include "json/json.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEYS_WIDTH = 16, CHANGE_WIDTH = 32, TEXT_SHOWN = 80 };

#define DIM   "\033[2m"
#define PLAIN "\033[0m"

struct tail {
    struct cli *cli;
    bool color;
    struct buf line;
    struct arena arena;
    int64_t shown;
};

static void put_color(const struct tail *tail, struct buf *out, const char *color)
{
    if (tail->color)
        buf_puts(out, color);
}

static const char *event_color(weir_str event)
{
    return str_is(event, "INSERT")   ? "\033[32m"
           : str_is(event, "MODIFY") ? "\033[33m"
           : str_is(event, "REMOVE") ? "\033[31m"
                                     : "\033[35m";
}

static void pad(struct buf *out, size_t from, size_t width)
{
    while (out->len - from < width && !out->failed)
        buf_putc(out, ' ');
}

static void put_keys(const struct json_value *keys, struct buf *out)
{
    size_t from = out->len;
    for (const struct json_value *at = keys ? keys->first : NULL; at; at = at->next) {
        buf_puts(out, at == keys->first ? "" : " ");
        buf_put_visible(out, at->name, TEXT_SHOWN);
        buf_putc(out, '=');
        buf_put_visible(out, at->text, TEXT_SHOWN);
    }
    pad(out, from, KEYS_WIDTH);
}

static void put_changes(const struct json_value *changes, bool inserted, struct buf *out)
{
    size_t from = out->len;
    for (const struct json_value *at = changes ? changes->first : NULL; at; at = at->next) {
        const struct json_value *old = json_member0(at, "old"), *now = json_member0(at, "new");
        buf_puts(out, at == changes->first ? "" : "  ");
        buf_put_visible(out, json_text(at, "name"), TEXT_SHOWN);
        buf_putc(out, ' ');
        if (!inserted) {
            buf_put_visible(out, old ? old->text : STR("(absent)"), TEXT_SHOWN);
            buf_puts(out, " -> ");
        }
        buf_put_visible(out, now ? now->text : STR("(absent)"), TEXT_SHOWN);
        if (json_member0(at, "delta")) {
            buf_puts(out, "   ");
            buf_put_visible(out, json_text(at, "delta"), TEXT_SHOWN);
        }
    }
    pad(out, from, CHANGE_WIDTH);
}

static int64_t number(const struct json_value *object, const char *name)
{
    int64_t value = -1;
    const struct json_value *member = json_member0(object, name);
    return member && json_i64(member, &value) == 0 ? value : -1;
}

/* price OK 38ms   orders retry 2/8 throttled   audit - */
static void put_sink(const struct json_value *sink, struct buf *out)
{
    weir_str outcome = json_text(sink, "outcome"), reason = json_text(sink, "reason");
    int64_t ms = number(sink, "ms"), attempt = number(sink, "attempt");
    bool again = str_is(outcome, "retry") || str_is(outcome, "down");
    buf_puts(out, "  ");
    buf_put_visible(out, json_text(sink, "sink"), TEXT_SHOWN);
    buf_putc(out, ' ');
    buf_put_str(out, str_is(outcome, "ok") ? STR("OK") : outcome);
    if (again && attempt > 0)
        buf_printf(out, " %" PRId64 "/%" PRId64, attempt, number(sink, "of"));
    else if (!again && ms >= 0)
        buf_printf(out, " %" PRId64 "ms", ms);
    if (reason.len) {
        buf_putc(out, ' ');
        buf_put_visible(out, reason, TEXT_SHOWN);
    }
    buf_putc(out, ' ');
}

static void put_line(const struct tail *tail, const struct json_value *record, struct buf *out)
{
    weir_str at = json_text(record, "at"), event = json_text(record, "event");
    const struct json_value *sinks = json_member0(record, "sinks");
    put_color(tail, out, DIM);
    buf_put_str(out, at.len == 24 ? (weir_str){at.ptr + 11, 12} : at); /* the time of day */
    put_color(tail, out, PLAIN);
    buf_puts(out, "  ");
    put_color(tail, out, event_color(event));
    size_t from = out->len;
    buf_put_visible(out, event, 16);
    put_color(tail, out, PLAIN);
    pad(out, from + (tail->color ? sizeof PLAIN - 1 : 0), 8);
    put_keys(json_member0(record, "keys"), out);
    buf_puts(out, "  ");
    put_changes(json_member0(record, "changes"), str_is(event, "INSERT"), out);
    for (const struct json_value *sink = sinks ? sinks->first : NULL; sink; sink = sink->next)
        put_sink(sink, out);
    while (out->len && out->ptr[out->len - 1] == ' ')
        out->len--;
    buf_putc(out, '\n');
}

/* ---- server-sent events ---- */

static bool show(struct tail *tail, weir_str data)
{
    struct json_error error;
    struct buf *out = &tail->line;
    buf_reset(out);
    if (tail->cli->json) {
        buf_put_str(out, data);
        buf_putc(out, '\n');
    } else {
        arena_done(&tail->arena);
        arena_init(&tail->arena, 16 << 10);
        const struct json_value *record = json_parse(&tail->arena, data, 0, 0, &error);
        if (record)
            put_line(tail, record, out);
    }
    tail->shown++;
    return cli_write(tail->cli->out, out);
}

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
    return show(tail, (weir_str){event.ptr + 6, event.len - 6});
}

static bool take_events(struct tail *tail, struct buf *text)
{
    size_t from = 0;
    bool goes_on = true;
    for (size_t i = 0; goes_on && i + 1 < text->len; i++)
        if (text->ptr[i] == '\n' && text->ptr[i + 1] == '\n') {
            goes_on = take_event(tail, (weir_str){text->ptr + from, i - from});
            from = i + 2;
            goes_on = goes_on && (tail->cli->count == 0 || tail->shown < tail->cli->count);
        }
    text->len -= from;
    memmove(text->ptr, text->ptr + from, text->len);
    return goes_on;
}

static int follow(struct cli *cli, struct daemon_link *link)
{
    struct tail tail = {.cli = cli, .color = cli_colors(cli)};
    long got = 1;
    buf_init(&tail.line, 1 << 20);
    arena_init(&tail.arena, 16 << 10);
    while (take_events(&tail, &link->answer) && (got = daemon_more(cli, link)) > 0)
        ;
    buf_done(&tail.line);
    arena_done(&tail.arena);
    return got < 0 ? EXIT_UNAVAILABLE : EXIT_DONE;
}

int verb_tap(struct cli *cli)
{
    char target[256];
    struct daemon_link link;
    snprintf(target, sizeof target, "/tap?sink=%s&event=%s", cli->sink ? cli->sink : "",
             cli->event ? cli->event : "");
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
