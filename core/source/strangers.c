/* Stored progress that is not in use: of sinks that the configuration does not name any more, and
 * of streams that nobody follows. It is kept for a week after its last use (D9); that of sinks that
 * are only disabled is kept. */
#include "source/poll_parts.h"

enum { SAID_MAX = 16 }; /* lines about them; the others are counted */
static const int64_t KEPT_US = 7 * 86400 * INT64_C(1000000);

static bool is_strange_sink(const struct poll *poll, weir_str sink)
{
    for (size_t i = 0; i < poll->sink_count; i++)
        if (poll->sinks >> i & 1 && str_is(sink, router_sink_name(poll->config.router, i)))
            return false;
    return poll->config.configured && !poll->config.configured(poll->config.configured_ctx, sink);
}

static struct stranger *find(const struct poll *poll, weir_str name, bool is_stream)
{
    struct stranger *stranger = poll->strangers;
    while (stranger && !(stranger->is_stream == is_stream && str_eq(stranger->name, name)))
        stranger = stranger->next;
    return stranger;
}

/* It was last used when the youngest of its rows was written. NULL: out of memory, it is kept. */
static void add(struct poll *poll, weir_str name, bool is_stream, int64_t used_us)
{
    struct stranger *stranger = find(poll, name, is_stream);
    if (!stranger) {
        stranger = arena_alloc(&poll->rows_arena, sizeof *stranger, _Alignof(struct stranger));
        if (!stranger)
            return;
        *stranger =
            (struct stranger){.name = name, .is_stream = is_stream, .next = poll->strangers};
        poll->strangers = stranger;
    }
    if (used_us > stranger->used_us)
        stranger->used_us = used_us;
}

/* Decides which of them go, and says what is new. */
static void judge(struct poll *poll, bool streams)
{
    int64_t now_us = poll->clock->wall_us(poll->clock->ctx);
    size_t said = 0;
    for (struct stranger *stranger = poll->strangers; stranger; stranger = stranger->next) {
        if (stranger->is_stream != streams)
            continue;
        stranger->goes = now_us - stranger->used_us >= KEPT_US;
        poll->erase_strangers = poll->erase_strangers || stranger->goes;
        if (++said > SAID_MAX)
            continue;
        poll_log(poll, streams ? WEIR_LOG_INFO : WEIR_LOG_WARN, "W0813",
                 "%s %.*s is not %s: its positions hold nothing and are %s",
                 streams ? "stream" : "sink", STR_ARG(stranger->name),
                 streams ? "followed any more" : "in the configuration any more (was it renamed?)",
                 stranger->goes ? "erased, a week after their last use" : "kept for a week");
    }
    if (said > SAID_MAX)
        poll_log(poll, WEIR_LOG_INFO, "W0813", "and %zu more %s", said - SAID_MAX,
                 streams ? "streams" : "sinks");
}

void strangers_find_sinks(struct poll *poll)
{
    for (size_t i = 0; i < poll->row_count; i++) {
        const struct state_row *row = &poll->rows[i];
        if (row->kind != STATE_STREAM &&
            (find(poll, row->sink, false) || is_strange_sink(poll, row->sink)))
            add(poll, row->sink, false, row->updated_us);
    }
    judge(poll, false);
}

void strangers_keep(struct poll *poll, weir_str sink)
{
    struct stranger *stranger = find(poll, sink, false);
    if (stranger)
        stranger->goes = false;
}

/* Not one that is read, nor the newest of a table that is followed: that one is known to be over.
 */
static bool is_strange_stream(const struct poll *poll, const struct state_row *row)
{
    for (const struct stream *stream = poll->streams; stream; stream = stream->next)
        if (str_is(row->stream, stream->arn))
            return false;
    for (const struct table *table = poll->tables; table; table = table->next)
        if (str_is(row->table, table->name) && !tables_left_behind(table, row->stream))
            return false;
    return true;
}

void strangers_find_streams(struct poll *poll)
{
    for (size_t i = 0; i < poll->row_count; i++)
        if (poll->rows[i].kind == STATE_STREAM && is_strange_stream(poll, &poll->rows[i]))
            add(poll, poll->rows[i].stream, true, poll->rows[i].updated_us);
    for (size_t i = 0; i < poll->row_count; i++)
        if (find(poll, poll->rows[i].stream, true))
            add(poll, poll->rows[i].stream, true, poll->rows[i].updated_us);
    judge(poll, true);
}

void strangers_erase(struct poll *poll)
{
    for (struct stranger *stranger = poll->strangers; stranger; stranger = stranger->next)
        stranger->erasing = stranger->goes;
}

bool stranger_goes(const struct poll *poll, const struct state_row *row)
{
    const struct stranger *sink = row->kind == STATE_STREAM ? NULL : find(poll, row->sink, false);
    const struct stranger *stream = find(poll, row->stream, true);
    return (sink && sink->erasing) || (stream && stream->erasing);
}

void strangers_erased(struct poll *poll)
{
    struct stranger **list = &poll->strangers;
    poll->erase_strangers = false;
    while (*list) {
        struct stranger *stranger = *list;
        if (stranger->erasing) {
            *list = stranger->next;
        } else {
            poll->erase_strangers = poll->erase_strangers || stranger->goes;
            list = &stranger->next;
        }
    }
}
