/* A record of the tap as people see it; see cli/tail.h. */
#include "cli/tail.h"

#include "json/json.h"
#include "util/text.h"

#include <inttypes.h>

enum { TIME_WIDTH = 12, KEYS_WIDTH = 16, CHANGE_WIDTH = 32, TEXT_SHOWN = 80 };

#define DIM   "\033[2m"
#define PLAIN "\033[0m"

void tail_begin(struct tail *tail, struct cli *cli)
{
    *tail = (struct tail){.cli = cli, .color = cli_colors(cli)};
    buf_init(&tail->line, 1 << 20);
    arena_init(&tail->arena, 16 << 10);
}

void tail_end(struct tail *tail)
{
    buf_done(&tail->line);
    arena_done(&tail->arena);
}

bool tail_is_full(const struct tail *tail)
{
    return tail->cli->count != 0 && tail->shown >= tail->cli->count;
}

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
    size_t from = out->len;
    buf_put_str(out, at.len == 24 ? (weir_str){at.ptr + 11, TIME_WIDTH} : at); /* of the day */
    pad(out, from, TIME_WIDTH);
    put_color(tail, out, PLAIN);
    buf_puts(out, "  ");
    put_color(tail, out, event_color(event));
    from = out->len;
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

bool tail_show(struct tail *tail, weir_str record_json)
{
    struct json_error error;
    struct buf *out = &tail->line;
    buf_reset(out);
    if (tail->cli->json) {
        buf_put_str(out, record_json);
        buf_putc(out, '\n');
    } else {
        arena_done(&tail->arena);
        arena_init(&tail->arena, 16 << 10);
        const struct json_value *record = json_parse(&tail->arena, record_json, 0, 0, &error);
        if (record)
            put_line(tail, record, out);
    }
    tail->shown++;
    return cli_write(tail->cli->out, out);
}
