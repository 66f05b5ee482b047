#include "cli/status_text.h"

#include "util/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define RED   "\033[31m"
#define GREEN "\033[32m"
#define BOLD  "\033[1m"
#define PLAIN "\033[0m"

enum { SHARD_ROWS_MAX = 64, ERROR_SHOWN = 100 };

static int64_t number(const struct json_value *object, const char *name, int64_t none)
{
    int64_t value = none;
    const struct json_value *member = json_member0(object, name);
    if (member && member->kind == JSON_NUMBER && json_i64(member, &value) < 0)
        return none;
    return value;
}

static bool is_true(const struct json_value *object, const char *name)
{
    const struct json_value *member = json_member0(object, name);
    return member && member->kind == JSON_TRUE;
}

static void put_color(const struct status_look *look, struct buf *out, const char *color)
{
    if (look->color)
        buf_puts(out, color);
}

/* 950 ms, 12.3 s, 4 m, 3 h, 2 d; what is not known is "-". */
static void put_duration(struct buf *out, int64_t ms)
{
    if (ms < 0)
        buf_puts(out, "-");
    else if (ms < 1000)
        buf_printf(out, "%" PRId64 " ms", ms);
    else if (ms < 60000)
        buf_printf(out, "%" PRId64 ".%" PRId64 " s", ms / 1000, ms % 1000 / 100);
    else if (ms < 3600000)
        buf_printf(out, "%" PRId64 " m", ms / 60000);
    else if (ms < 48 * INT64_C(3600000))
        buf_printf(out, "%" PRId64 " h", ms / 3600000);
    else
        buf_printf(out, "%" PRId64 " d", ms / (24 * INT64_C(3600000)));
}

/* Right-aligned: what put() appends. */
static void put_cell(struct buf *out, int width, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put_cell(struct buf *out, int width, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_printf(out, "  %*s", width, text);
}

static void put_ms_cell(struct buf *out, int width, int64_t ms)
{
    char text[32] = "";
    struct buf cell;
    buf_init(&cell, 64);
    put_duration(&cell, ms);
    snprintf(text, sizeof text, "%s", buf_cstr(&cell));
    buf_done(&cell);
    put_cell(out, width, "%s", text);
}

/* ---- the first lines ---- */

static void put_title(const struct json_value *status, const struct status_look *look,
                      struct buf *out)
{
    const struct json_value *readiness = json_member0(status, "readiness");
    bool ready = is_true(readiness, "ready");
    put_color(look, out, BOLD);
    buf_put_visible(out, json_text(status, "pipeline"), 64);
    put_color(look, out, PLAIN);
    buf_puts(out, "  up ");
    put_duration(out, number(status, "uptime_ms", -1));
    buf_printf(out, ", pid %" PRId64 ", weir %.*s  ", number(status, "pid", 0),
               STR_ARG(json_text(status, "version")));
    put_color(look, out, ready ? GREEN : RED);
    buf_puts(out, ready ? "ready" : "not ready");
    put_color(look, out, PLAIN);
    buf_putc(out, '\n');
    const struct json_value *reasons = json_member0(readiness, "reasons");
    for (const struct json_value *at = reasons ? reasons->first : NULL; at; at = at->next) {
        buf_puts(out, "  ");
        buf_put_visible(out, json_text(at, "what"), 32);
        buf_putc(out, ' ');
        buf_put_visible(out, json_text(at, "name"), 80);
        buf_puts(out, ": ");
        buf_put_visible(out, json_text(at, "why"), 320);
        buf_putc(out, '\n');
    }
}

static int64_t rate(const struct json_value *now, const struct json_value *before, const char *name,
                    int64_t ms)
{
    int64_t grown = number(now, name, 0) - number(before, name, 0);
    return !before || ms <= 0 || grown < 0 ? -1 : (grown * 1000 + ms / 2) / ms;
}

static int64_t between_ms(const struct json_value *status, const struct status_look *look)
{
    return number(status, "uptime_ms", 0) - number(look->earlier, "uptime_ms", 0);
}

static void put_source(const struct json_value *status, const struct status_look *look,
                       struct buf *out)
{
    const struct json_value *source = json_member0(status, "source");
    int64_t per_s =
        rate(source, json_member0(look->earlier, "source"), "records", between_ms(status, look));
    buf_puts(out, "\nsource  ");
    buf_put_visible(out, json_text(source, "kind"), 16);
    buf_printf(out, ": %" PRId64 " records", number(source, "records", 0));
    if (per_s >= 0)
        buf_printf(out, " (%" PRId64 "/s)", per_s);
    if (json_member0(source, "lag_ms")) {
        buf_puts(out, ", lag ");
        put_duration(out, number(source, "lag_ms", -1));
        buf_puts(out, ", checkpoint ");
        put_duration(out, number(source, "checkpoint_age_ms", -1));
        buf_puts(out, " old");
    }
    if (number(source, "gaps", 0))
        buf_printf(out, ", gaps %" PRId64, number(source, "gaps", 0));
    if (number(source, "poison", 0))
        buf_printf(out, ", poison %" PRId64, number(source, "poison", 0));
    buf_putc(out, '\n');
    const struct json_value *streams = json_member0(source, "streams");
    for (const struct json_value *at = streams ? streams->first : NULL; at; at = at->next) {
        buf_puts(out, "        ");
        buf_put_visible(out, json_text(at, "table"), 64);
        buf_printf(out,
                   ": %.*s; shards: %" PRId64 " reading, %" PRId64 " waiting, %" PRId64
                   " held, %" PRId64 " ended\n",
                   STR_ARG(json_text(at, "state")), number(at, "reading", 0),
                   number(at, "waiting", 0), number(at, "held", 0), number(at, "ended", 0));
    }
}

/* ---- sinks ---- */

static const struct json_value *sink_named(const struct json_value *status, weir_str name)
{
    const struct json_value *sinks = json_member0(status, "sinks");
    for (const struct json_value *at = sinks ? sinks->first : NULL; at; at = at->next)
        if (str_eq(json_text(at, "name"), name))
            return at;
    return NULL;
}

static void put_sink(const struct json_value *sink, const struct json_value *status,
                     const struct status_look *look, struct buf *out)
{
    weir_str name = json_text(sink, "name"), error = json_text(sink, "last_error");
    bool up = is_true(sink, "up"), paused = is_true(sink, "paused");
    int64_t deliveries = number(sink, "deliveries", 0),
            per_s = rate(sink, look->earlier ? sink_named(look->earlier, name) : NULL, "delivered",
                         between_ms(status, look));
    buf_printf(out, "%-16.*s  ", STR_ARG(name));
    put_color(look, out, paused || !up ? RED : GREEN);
    buf_puts(out, paused ? "paused" : up ? "up    " : "down  ");
    put_color(look, out, PLAIN);
    put_cell(out, 10, "%" PRId64, number(sink, "delivered", 0));
    if (look->earlier && per_s >= 0)
        put_cell(out, 8, "%" PRId64, per_s);
    else if (look->earlier)
        put_cell(out, 8, "-");
    put_cell(out, 8, "%" PRId64, number(sink, "retries", 0));
    put_cell(out, 7, "%" PRId64, number(sink, "dead", 0));
    put_cell(out, 7, "%" PRId64, number(sink, "dropped", 0));
    put_cell(out, 8, "%" PRId64, number(sink, "pending", 0));
    put_ms_cell(out, 8, deliveries ? number(sink, "delivery_ms_sum", 0) / deliveries : -1);
    if (error.len) {
        buf_puts(out, "  ");
        buf_put_visible(out, error, ERROR_SHOWN);
    }
    buf_putc(out, '\n');
}

static void put_sinks(const struct json_value *status, const struct status_look *look,
                      struct buf *out)
{
    const struct json_value *sinks = json_member0(status, "sinks");
    buf_printf(out, "\n%-16s  %-6s", "sink", "");
    put_cell(out, 10, "delivered");
    if (look->earlier)
        put_cell(out, 8, "/s");
    put_cell(out, 8, "retries");
    put_cell(out, 7, "dead");
    put_cell(out, 7, "dropped");
    put_cell(out, 8, "pending");
    put_cell(out, 8, "takes");
    buf_puts(out, "  last error\n");
    for (const struct json_value *at = sinks ? sinks->first : NULL; at; at = at->next)
        put_sink(at, status, look, out);
}

/* ---- shards ---- */

/* What needs a look comes first: held, then by lag. */
static int64_t weight(const struct json_value *shard)
{
    int64_t lag_ms = number(shard, "lag_ms", -1);
    return str_is(json_text(shard, "state"), "held") ? INT64_MAX : lag_ms;
}

static size_t worst(const struct json_value *shards, const struct json_value **out, size_t most)
{
    size_t count = 0;
    for (const struct json_value *at = shards ? shards->first : NULL; at; at = at->next) {
        size_t place = count < most ? count++ : most;
        while (place > 0 && weight(out[place - 1]) < weight(at)) {
            if (place < most)
                out[place] = out[place - 1];
            place--;
        }
        if (place < most)
            out[place] = at;
    }
    return count;
}

static void put_shards(const struct json_value *status, const struct status_look *look,
                       struct buf *out)
{
    const struct json_value *rows[SHARD_ROWS_MAX], *shards = json_member0(status, "shards");
    size_t most = look->shard_rows < SHARD_ROWS_MAX ? look->shard_rows : SHARD_ROWS_MAX;
    size_t count = worst(shards, rows, most);
    if (count == 0)
        return;
    buf_printf(out, "\n%-42s  %-8s  %8s  behind\n", "shard", "state", "lag");
    for (size_t i = 0; i < count; i++) {
        weir_str why = json_text(rows[i], "why");
        buf_printf(out, "%-42.*s  %-8.*s", STR_ARG(json_text(rows[i], "id")),
                   STR_ARG(json_text(rows[i], "state")));
        put_ms_cell(out, 8, number(rows[i], "lag_ms", -1));
        buf_puts(out, "  ");
        buf_put_visible(out, why.len ? why : json_text(rows[i], "behind"), ERROR_SHOWN);
        buf_putc(out, '\n');
    }
    size_t all = shards->size + (size_t)number(status, "shards_omitted", 0);
    if (all > count)
        buf_printf(out, "... and %zu more\n", all - count);
}

void status_put_text(const struct json_value *status, const struct status_look *look,
                     struct buf *out)
{
    put_title(status, look, out);
    put_source(status, look, out);
    put_sinks(status, look, out);
    put_shards(status, look, out);
}
