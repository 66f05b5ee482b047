/* weir shards, weir shards accept-gap: the stored progress. */
#include "cli/progress.h"
#include "cli/verbs.h"
#include "util/text.h"

#include <inttypes.h>
#include <time.h>

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- text ---- */

static void put_age(struct buf *out, int64_t us, int64_t now_us)
{
    char text[32] = "-";
    int64_t seconds = (now_us - us) / 1000000;
    if (us > 0 && seconds < 0)
        seconds = 0;
    if (us > 0 && seconds < 120)
        snprintf(text, sizeof text, "%" PRId64 "s", seconds);
    else if (us > 0 && seconds < 7200)
        snprintf(text, sizeof text, "%" PRId64 "m", seconds / 60);
    else if (us > 0)
        snprintf(text, sizeof text, "%" PRId64 "h", seconds / 3600);
    buf_printf(out, "  %5s", text);
}

static void put_padded(struct buf *out, weir_str text, size_t width)
{
    size_t before = out->len;
    buf_put_visible(out, text, 256);
    size_t len = out->len - before;
    buf_printf(out, "%*s", (int)(len < width ? width - len : 0), "");
}

static void put_position(struct buf *out, const struct state_row *row)
{
    struct buf text;
    buf_init(&text, 256);
    if (row->position.len) {
        buf_put_str(&text, row->position);
    } else if (str_is(row->start, "AT_TIMESTAMP")) {
        buf_puts(&text, "from ");
        buf_put_iso_time(&text, row->start_us, 0);
    } else {
        buf_puts(&text, "from the beginning");
    }
    put_padded(out, buf_str(&text), 25);
    buf_done(&text);
}

static void put_sink(struct buf *out, const struct progress_stream *stream,
                     const struct progress_sink *sink, weir_str shard, unsigned depth)
{
    int64_t now_us = wall_us();
    const struct state_row *row = sink->position;
    const char *state = progress_state(sink);
    bool reading = strcmp(state, "reading") == 0;
    bool caught_up = progress_caught_up(stream, sink, now_us);
    buf_printf(out, "  %*s", (int)(depth < 20 ? depth : 20) * 2, "");
    put_padded(out, shard, 41 - (depth < 20 ? depth : 20) * 2);
    buf_puts(out, "  ");
    put_padded(out, sink->name, 12);
    buf_puts(out, "  ");
    if (row)
        put_position(out, row);
    else
        put_padded(out, STR("-"), 25);
    put_age(out, row && reading && !caught_up && row->position.len ? row->record_us : 0, now_us);
    put_age(out, row ? row->updated_us : 0, now_us);
    buf_printf(out, "  %s\n", caught_up ? "caught up" : state);
    if (!sink->gap || sink->gap->done)
        return;
    weir_str after = sink->gap->position, first = sink->gap->first_available;
    buf_printf(out, "  %*slost: after ", 4, "");
    buf_put_visible(out, after.len ? after : STR("the beginning"), 128);
    buf_puts(out, first.len ? ", before " : ", to the end of the shard");
    buf_put_visible(out, first, 128);
    buf_putc(out, '\n');
}

static void put_stream(struct buf *out, const struct progress_stream *stream)
{
    const struct state_row *row = stream->row;
    buf_put_visible(out, row && row->table.len ? row->table : STR("stream"), 256);
    buf_puts(out, "  ");
    buf_put_visible(out, stream->arn, 1024);
    buf_printf(out, "%s\n  %-41s  %-12s  %-25s  %5s  %5s  %s\n",
               row && row->read_to_end ? "  (ended)" : "", "SHARD", "SINK", "POSITION", "LAG",
               "SAVED", "STATE");
    for (const struct progress_shard *shard = stream->first; shard; shard = shard->next)
        for (size_t i = 0; i < shard->sink_count; i++)
            put_sink(out, stream, &shard->sinks[i], i == 0 ? shard->id : STR(""), shard->depth);
}

static void put_text(struct visit *visit, const struct progress *progress)
{
    struct buf *out = &visit->out;
    size_t shards = 0;
    for (const struct progress_stream *stream = progress->first; stream; stream = stream->next) {
        put_stream(out, stream);
        shards += stream->shard_count;
        visit_flush(visit);
    }
    if (!progress->first && visit->cli->stream) {
        buf_puts(out, "no progress is stored of stream ");
        buf_put_visible(out, str_of(visit->cli->stream), 300);
        buf_putc(out, '\n');
    } else if (!progress->first) {
        buf_puts(out, "no progress is stored yet\n");
    } else {
        buf_printf(out, "%zu shard%s, %zu gap%s%s\n", shards, shards == 1 ? "" : "s",
                   progress->gaps, progress->gaps == 1 ? "" : "s",
                   progress->gaps ? "; `weir shards accept-gap --all` reads on behind what is lost"
                                  : "");
    }
}

/* ---- JSON ---- */

static void json_sink(struct buf *out, const struct progress_stream *stream,
                      const struct progress_sink *sink)
{
    int64_t now_us = wall_us();
    const struct state_row *row = sink->position;
    const char *state = progress_state(sink);
    bool caught_up = progress_caught_up(stream, sink, now_us);
    buf_put_comma(out);
    buf_putc(out, '{');
    buf_put_member(out, "sink", sink->name);
    buf_put_member(out, "state", str_of(state));
    buf_put_member(out, "position", row ? row->position : STR_NONE);
    buf_put_member(out, "start", row ? row->start : STR_NONE);
    if (row && row->start_us)
        buf_put_time_member(out, "start_time", row->start_us);
    if (sink->gap && !sink->gap->done) {
        buf_put_key(out, "gap");
        buf_putc(out, '{');
        buf_put_member(out, "after", sink->gap->position);
        buf_put_member(out, "first_available", sink->gap->first_available);
        buf_putc(out, '}');
    }
    if (row)
        buf_put_time_member(out, "saved", row->updated_us);
    buf_put_flag_member(out, "caught_up", caught_up);
    if (row && row->position.len && row->record_us && strcmp(state, "reading") == 0)
        buf_put_number_member(
            out, "lag_seconds",
            !caught_up && now_us > row->record_us ? (now_us - row->record_us) / 1000000 : 0);
    else
        buf_puts(out, ",\"lag_seconds\":null");
    buf_putc(out, '}');
}

static void json_shard(struct buf *out, const struct progress_stream *stream,
                       const struct progress_shard *shard)
{
    buf_put_comma(out);
    buf_putc(out, '{');
    buf_put_member(out, "shard", shard->id);
    buf_put_member(out, "parent", shard->parent);
    buf_put_key(out, "sinks");
    buf_putc(out, '[');
    for (size_t i = 0; i < shard->sink_count; i++)
        json_sink(out, stream, &shard->sinks[i]);
    buf_puts(out, "]}");
}

static void json_stream(struct buf *out, const struct progress_stream *stream)
{
    const struct state_row *row = stream->row;
    buf_putc(out, '{');
    buf_put_member(out, "stream", stream->arn);
    buf_put_member(out, "table", row ? row->table : STR_NONE);
    buf_put_flag_member(out, "ended", row && row->read_to_end);
    buf_put_key(out, "shards");
    buf_putc(out, '[');
    for (const struct progress_shard *shard = stream->first; shard; shard = shard->next)
        json_shard(out, stream, shard);
    buf_puts(out, "]}");
}

static void put_json(struct visit *visit, const struct progress *progress)
{
    struct buf *out = &visit->out;
    buf_putc(out, '{');
    buf_put_member(out, "pipeline", str_of(visit->config->name));
    buf_put_number_member(out, "gaps", (int64_t)progress->gaps);
    buf_put_key(out, "streams");
    buf_putc(out, '[');
    for (const struct progress_stream *stream = progress->first; stream; stream = stream->next) {
        json_stream(out, stream);
        if (stream->next)
            buf_putc(out, ',');
        visit_flush(visit);
    }
    buf_puts(out, "]}\n");
}

int verb_shards(struct cli *cli)
{
    struct visit visit;
    struct progress progress;
    progress_init(&progress);
    int code = visit_begin(&visit, cli);
    if (code == 0)
        code = progress_read(&progress, &visit);
    if (code == 0) {
        if (cli->json)
            put_json(&visit, &progress);
        else
            put_text(&visit, &progress);
    }
    progress_done(&progress);
    return visit_end(&visit, code);
}

/* ---- accept-gap ---- */

int verb_shards_accept_gap(struct cli *cli)
{
    struct visit visit;
    struct progress progress;
    size_t accepted = 0;
    bool some = cli->stream || cli->shard || cli->sink;
    if (cli->all == some)
        return cli_fail(cli, EXIT_USAGE, "`weir shards` shows the gaps.",
                        "shards accept-gap wants --stream, --shard or --sink, or --all alone");
    progress_init(&progress);
    int code = visit_begin(&visit, cli);
    if (code == 0)
        code = progress_accept(&progress, &visit, wall_us(), &accepted);
    if (code == 0 && cli->json)
        buf_printf(&visit.out, "{\"accepted\":%zu}\n", accepted);
    else if (code == 0)
        buf_printf(&visit.out, "accepted %zu gap%s\n", accepted, accepted == 1 ? "" : "s");
    if (code == 0 && accepted == 0 && some)
        code = EXIT_NO;
    progress_done(&progress);
    return visit_end(&visit, code);
}
