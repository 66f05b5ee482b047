/* Records that were trimmed before they were read: found, written down, held or passed over (D10).
 */
#include "source/poll_parts.h"
#include "util/alloc.h"

#include <errno.h>

enum { FRESH_MS = 600000 /* found at the horizon: shards go while they are being listed */ };

bool gap_holds(const struct track *track, uint64_t sinks)
{
    const struct poll *poll = track->poll;
    if (!track->gaps || poll->config.on_gap_continue)
        return false;
    for (size_t i = 0; i < poll->sink_count; i++)
        if ((sinks & poll->required) >> i & 1 && track->gaps[i].state == GAP_OPEN)
            return true;
    return false;
}

void gap_begin(struct reader *reader)
{
    reader->peeking = true;
    reader->state = READER_IDLE;
    poll_due(reader);
}

/* The last record before the gap: what the reader has taken, or, where it has not read yet, what
 * the sink has finished. */
static weir_str before_gap(const struct reader *reader, const struct progress *progress)
{
    weir_str position = sequence_str(&progress->position);
    weir_str cursor = sequence_str(&reader->cursor);
    return reader->batch_number > 0 && cursor.len &&
                   (!position.len || sequence_cmp(cursor, position) > 0)
               ? cursor
               : position;
}

static bool wants(const struct reader *reader, size_t sink)
{
    return reader->sinks >> sink & 1 && !reader->track->sinks[sink].done;
}

/* It has no position, and what it is to read first may have been trimmed by now. */
static bool overdue(const struct reader *reader, size_t sink)
{
    const struct poll *poll = reader->track->poll;
    const struct progress *progress = &reader->track->sinks[sink];
    int64_t now_us = poll->clock->wall_us(poll->clock->ctx);
    return wants(reader, sink) && !progress->position.len && progress->record_us &&
           now_us - progress->record_us >= RETENTION_MS * INT64_C(1000);
}

bool gap_suspected(const struct reader *reader)
{
    for (size_t i = 0; i < reader->track->poll->sink_count; i++)
        if (overdue(reader, i))
            return true;
    return false;
}

void gap_none_before_now(struct reader *reader)
{
    const struct poll *poll = reader->track->poll;
    for (size_t i = 0; !reader->first && i < poll->sink_count; i++) { /* first: it has some yet */
        struct progress *progress = &reader->track->sinks[i];
        if (!wants(reader, i) || progress->position.len)
            continue;
        progress->record_us = poll->clock->wall_us(poll->clock->ctx);
        progress->mark.now++;
    }
}

/* Without a position nothing tells that records are missing but the time. */
static bool may_miss(const struct reader *reader, size_t sink)
{
    const struct track *track = reader->track;
    if (overdue(reader, sink))
        return true;
    return reader->gone && !(track->fresh && poll_now(track->poll) - track->opened_ms < FRESH_MS);
}

/* A number of more than a day ago counts as trimmed, also where nothing followed it. What was quiet
 * until less than a day ago has lost nothing. */
static bool was_quiet(const struct reader *reader, const struct progress *progress, weir_str after)
{
    const struct poll *poll = reader->track->poll;
    int64_t now_us = poll->clock->wall_us(poll->clock->ctx);
    return progress->quiet && after.len && str_eq(after, sequence_str(&progress->position)) &&
           now_us - progress->record_us < RETENTION_MS * INT64_C(1000) && !reader->gone;
}

/* The same one, and not one that came after it had been passed over. */
static bool was_accepted(const struct gap *gap, const struct progress *progress, weir_str after)
{
    return gap->state == GAP_ACCEPTED && str_eq(sequence_str(&gap->after), after) &&
           (after.len || gap->found_us >= progress->record_us);
}

static bool gap_of(struct reader *reader, size_t sink, weir_str first)
{
    struct track *track = reader->track;
    struct progress *progress = &track->sinks[sink];
    weir_str after = before_gap(reader, progress);
    bool only_suspected = reader->anew && !reader->gone;
    if (!wants(reader, sink) || (only_suspected && !overdue(reader, sink)))
        return false;
    if (after.len && first.len && sequence_cmp(after, first) >= 0)
        return false; /* it is past the gap */
    if ((!after.len && !may_miss(reader, sink)) || was_quiet(reader, progress, after))
        return false;
    struct gap *gap = track_gap(track, sink);
    if (!gap)
        return true;
    if (was_accepted(gap, progress, after))
        return false;
    gap->found_us = track->poll->clock->wall_us(track->poll->clock->ctx);
    sequence_set(&gap->after, after);
    sequence_set(&gap->first, first);
    gap->state = track->poll->config.on_gap_continue ? GAP_ACCEPTED : GAP_OPEN;
    gap->mark.now++;
    return true;
}

static void tell(const struct reader *reader, size_t sink, weir_str first)
{
    const struct poll *poll = reader->track->poll;
    weir_str after = before_gap(reader, &reader->track->sinks[sink]);
    const char *then = poll->config.on_gap_continue
                           ? "reading goes on (on_gap)"
                           : "the shard is held until `weir shards accept-gap`, or on_gap "
                             "\"continue\"";
    if (!after.len && !reader->gone) {
        poll_log(poll, WEIR_LOG_ERROR, "W0803",
                 "shard %.*s of %s was not read by sink %s for a day: what was there before "
                 "%.*s%s may be lost; %s",
                 STR_ARG(reader->track->shard->id), reader->track->stream->arn,
                 router_sink_name(poll->config.router, sink), STR_ARG(first),
                 first.len ? "" : "now", then);
        return;
    }
    poll_log(poll, WEIR_LOG_ERROR, "W0803",
             "shard %.*s of %s was trimmed after %.*s%s%.*s: what was there is lost for sink %s; "
             "%s",
             STR_ARG(reader->track->shard->id), reader->track->stream->arn,
             STR_ARG(after.len ? after : STR("its beginning")),
             first.len      ? " and before "
             : reader->gone ? " up to its end"
                            : "",
             STR_ARG(first), router_sink_name(poll->config.router, sink), then);
}

void gap_found(struct reader *reader, weir_str first)
{
    struct track *track = reader->track;
    struct poll *poll = track->poll;
    bool any = false;
    reader->peeking = false;
    for (size_t i = 0; i < poll->sink_count; i++)
        if (gap_of(reader, i, first)) {
            tell(reader, i, first);
            any = true;
        }
    if (any) {
        poll->counts.gaps++;
        track->stream->gaps++;
        saver_want(poll);
    }
    if (any && !poll->config.on_gap_continue)
        reader_hold(reader, HELD_GAP);
    else
        reader_resume(reader);
    poll_settle(poll);
}

/* ---- has somebody accepted one? ---- */

static struct track *track_of(const struct poll *poll, const struct state_row *row)
{
    for (const struct stream *stream = poll->streams; stream; stream = stream->next) {
        if (!str_is(row->stream, stream->arn))
            continue;
        const struct shard *shard = lineage_find(stream->lineage, row->shard);
        return shard ? shard->reader : NULL;
    }
    return NULL;
}

static void accept_row(const struct poll *poll, const struct state_row *row)
{
    struct track *track = track_of(poll, row);
    if (!track || !track->gaps)
        return;
    for (size_t i = 0; i < poll->sink_count; i++)
        if (track->gaps[i].state == GAP_OPEN && row->start_us == track->gaps[i].found_us &&
            str_is(row->sink, router_sink_name(poll->config.router, i)))
            track->gaps[i].state = GAP_ACCEPTED;
}

static void go_on_if_accepted(struct reader *reader)
{
    if (!reader || reader->held != HELD_GAP || reader->closing ||
        gap_holds(reader->track, reader->sinks))
        return;
    poll_log(reader->track->poll, WEIR_LOG_INFO, "W0829",
             "the gap in shard %.*s was accepted; reading on", STR_ARG(reader->track->shard->id));
    reader_resume(reader);
}

static void on_reloaded(struct store_load *load, int status)
{
    struct poll *poll = load->arg;
    poll->loading = false;
    for (size_t i = 0; status == 0 && i < load->count; i++)
        if (load->rows[i].kind == STATE_GAP && load->rows[i].done)
            accept_row(poll, &load->rows[i]);
    if (!poll_reading(poll)) {
        poll_settle(poll);
        return;
    }
    look_up_go_on(poll);
    for (struct stream *stream = poll->streams; stream; stream = stream->next)
        for (struct track *track = stream->tracks; track; track = track->next) {
            go_on_if_accepted(track->reader);
            go_on_if_accepted(track->catch_up);
        }
}

void gaps_reload(struct poll *poll)
{
    struct store *store = &poll->config.world->store;
    if (poll->loading || poll->saver.busy || poll->saver.wanted)
        return;
    poll->load = (struct store_load){.done = on_reloaded, .arg = poll};
    poll->loading = store->load(store->ctx, &poll->load) == 0;
}
