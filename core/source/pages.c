/* The pages of a reader: gathered into batches, given to the router, and taken out again in order.
 */
#include "source/poll_parts.h"
#include "record/match.h"
#include "util/alloc.h"

#include <errno.h>

enum {
    COARSE_US =
        60000000,      /* DynamoDB Local, which has no AT_TIMESTAMP, cuts creation times to this */
    FINE_US = 1000000, /* AWS rounds them down to the second */
    AGAIN_MS = 1000    /* memory ran out */
};

static void page_free(struct page *page)
{
    batch_unref(page->batch);
    mem_free(page);
}

/* A sink is still at what it read alone, which comes before these. */
static bool is_behind(const struct reader *reader)
{
    const struct reader *alone = reader->track->catch_up;
    return !reader->alone && alone && alone->met && !alone->closing && alone->first;
}

/* Finished ones leave from the front only: the fold needs all that are behind an unfinished one. */
static void leave(struct reader *reader)
{
    if (is_behind(reader))
        return;
    while (reader->first && reader->first->done &&
           (reader->first->sinks & ~reader->first->whole) == 0) {
        struct page *page = reader->first;
        reader->first = page->next;
        if (!reader->first)
            reader->last = NULL;
        page_free(page);
    }
}

/* ---- the router's callbacks ---- */

static void on_sink_done(void *arg, struct flow *flow, size_t sink)
{
    struct page *page = arg;
    (void)flow;
    page->whole |= UINT64_C(1) << sink;
    track_fold_sink(page->reader->track, sink);
    reader_again(page->reader);
    poll_pump(page->reader->track->poll);
}

/* The router gave a record back: it can't be decoded, or lacks an image, and nothing else may
 * become of it. */
static void hold(struct reader *reader, const struct batch_result *result)
{
    bool poison = result->lowest && result->lowest->poison;
    weir_str position = result->lowest ? record_position(result->lowest) : STR_NONE;
    poll_log(reader->track->poll, WEIR_LOG_ERROR, "W0812",
             "shard %.*s is held: record %.*s can't be finished%s%s: %s",
             STR_ARG(reader->track->shard->id), STR_ARG(position), result->sink ? " for sink " : "",
             result->sink ? result->sink : "",
             poison           ? "it can't be decoded, and on_poison is \"block\""
             : result->reason ? result->reason
                              : "it was given back");
    pages_drop(reader); /* nothing may pass it */
    reader_hold(reader, HELD_RECORD);
    if (reader->met) /* what the others read may not pass it */
        detach_track(reader->track, (size_t)__builtin_ctzll(reader->sinks));
}

static void on_done(void *arg, const struct batch_result *result)
{
    struct page *page = arg;
    struct reader *reader = page->reader;
    struct poll *poll = reader->track->poll;
    uint64_t over = result->complete ? page->sinks : page->sinks & ~poll->required;
    page->whole |= over & ~result->returned;
    track_fold(reader->track); /* while an unfinished one can still say how far it got */
    page->flow = NULL;
    page->done = true;
    poll->pages_open--;
    catch_up_count(reader, -1);
    if (!result->complete && poll_reading(poll) && !reader->closing)
        hold(reader, result);
    leave(reader);
    reader_again(reader);
    if (reader->alone) {
        if (reader->track->reader)
            leave(reader->track->reader);
        stream_turn(reader->track->stream);
    }
    poll_settle(poll);
}

/* ---- submitting ---- */

/* Records from before the start that a sink asked for, on servers that give them all the same, or
 * read since another sink needs them. What could have been made at the start is not too old. The
 * record alone decides, whatever is known of the server by then: the answer must be the same in the
 * next life, else an item's older record would come behind newer. */
static bool too_old(const struct record *record, int64_t start_us)
{
    int64_t grain_us = record->created_us % COARSE_US == 0 ? COARSE_US : FINE_US;
    int64_t made_us = record->created_us - record->created_us % grain_us;
    return !record->poison && record->created_us > 0 && made_us + grain_us <= start_us;
}

static void skip_old(struct page *page, size_t sink, weir_str *finished_to)
{
    struct track *track = page->reader->track;
    struct progress *progress = &track->sinks[sink];
    const struct batch *batch = page->batch;
    size_t old = 0;
    while (old < batch->record_count && too_old(batch->records[old], progress->start_us))
        old++;
    if (old < batch->record_count)
        progress->skipping = false;
    else if (old > 0)
        page->sinks &= ~(UINT64_C(1) << sink);
    weir_str last = old > 0 ? record_position(batch->records[old - 1]) : STR_NONE;
    if (last.len && (!finished_to->len || sequence_cmp(last, *finished_to) > 0))
        *finished_to = last; /* what is stored may be further already */
}

static bool is_finished(void *arg, size_t sink, weir_str position)
{
    const struct page *page = arg;
    return progress_knows(&page->reader->track->sinks[sink], position);
}

/* What the sink has read alone is under way, but not finished: of this page that is not noted for
 * it. */
static void begin_behind(struct page *page, size_t sink, weir_str read)
{
    const struct batch *batch = page->batch;
    size_t i = 0;
    while (i < batch->record_count) {
        weir_str at = record_position(batch->records[i]);
        if (at.len && sequence_cmp(at, read) > 0)
            break;
        i++;
    }
    page->met = UINT64_C(1) << sink;
    page->met_first.len = 0;
    if (i < batch->record_count)
        sequence_set(&page->met_first, record_position(batch->records[i]));
}

/* What the sink finished, or has under way, before this page. */
static weir_str finished_to(struct page *page, size_t sink)
{
    const struct track *track = page->reader->track;
    const struct reader *alone = track->catch_up;
    weir_str position = sequence_str(&track->sinks[sink].position);
    if (page->reader->alone || !alone || !alone->met || !(alone->sinks >> sink & 1))
        return position;
    weir_str read = sequence_str(&alone->cursor);
    if (position.len && sequence_cmp(position, read) > 0)
        return position;
    begin_behind(page, sink, read);
    return read;
}

static void note_waiting(const struct page *page)
{
    struct track *track = page->reader->track;
    for (uint64_t left = page->reader->alone ? 0 : track->apart; left; left &= left - 1) {
        struct progress *progress = &track->sinks[__builtin_ctzll(left)];
        if (!progress->waits_us)
            progress->waits_us = page->first_us;
    }
}

static int submit(struct page *page)
{
    struct reader *reader = page->reader;
    struct track *track = reader->track;
    struct poll *poll = track->poll;
    weir_str finished[MATCH_SINKS_MAX];
    page->sinks = reader->sinks & ~track->done;
    for (size_t i = 0; i < poll->sink_count; i++) {
        finished[i] = finished_to(page, i);
        if (page->sinks >> i & 1 && track->sinks[i].skipping)
            skip_old(page, i, &finished[i]);
    }
    page->whole = ~page->sinks;
    note_waiting(page);
    if (page->sinks) {
        const struct flow_options options = {.sinks = page->sinks,
                                             .gated = reader->gated & page->sinks,
                                             .finished_to = finished,
                                             .is_finished = is_finished,
                                             .sink_done = on_sink_done,
                                             .done = on_done,
                                             .arg = page};
        int rc = router_submit_flow(poll->config.router, page->batch, &options, &page->flow);
        if (rc < 0)
            return rc;
        poll->pages_open++;
        catch_up_count(reader, 1);
    } else {
        page->done = true;
    }
    batch_unref(page->batch);
    page->batch = NULL;
    return 0;
}

static void on_window(struct timer *timer)
{
    pages_flush((struct reader *)((char *)timer - offsetof(struct reader, window)));
}

void pages_flush(struct reader *reader)
{
    struct clock *clock = reader->track->poll->clock;
    clock->disarm(clock->ctx, &reader->window);
    reader->batch_number++;
    while (reader->gathered) {
        struct page *page = reader->gathered;
        page->number = reader->batch_number;
        if (submit(page) < 0) { /* its records wait, in order */
            reader->window.fire = on_window;
            clock->arm(clock->ctx, &reader->window, AGAIN_MS);
            return;
        }
        reader->gathered = page->next;
        reader->gathered_count--;
    }
    reader->gathered_records = reader->gathered_bytes = 0;
    leave(reader);
    track_fold(reader->track);
}

/* ---- gathering ---- */

static bool gathered_enough(const struct reader *reader)
{
    const struct poll_config *config = &reader->track->poll->config;
    return config->batching_window_ms == 0 || reader->alone ||
           reader->gathered_records >= (size_t)config->batch_size ||
           reader->gathered_bytes >= GATHER_BYTES_MAX || reader->gathered_count >= GATHER_PAGES_MAX;
}

int page_take(struct reader *reader, struct batch *batch)
{
    struct poll *poll = reader->track->poll;
    struct clock *clock = poll->clock;
    struct page *page = mem_zalloc(1, sizeof *page);
    if (!page) {
        batch_unref(batch);
        return -ENOMEM;
    }
    *page = (struct page){.reader = reader, .batch = batch};
    sequence_set(&page->last, batch->last_sequence);
    if (batch->record_count) {
        sequence_set(&page->first, record_position(batch->records[0]));
        page->first_us = batch->records[0]->created_us;
        page->last_us = batch->records[batch->record_count - 1]->created_us;
    }
    if (reader->last)
        reader->last->next = page;
    else
        reader->first = page;
    reader->last = page;
    if (!reader->gathered) {
        reader->gathered = page;
        reader->gathered_count = reader->gathered_records = reader->gathered_bytes = 0;
    }
    reader->gathered_count++;
    reader->gathered_records += batch->record_count; /* filtered ones fill no batch */
    reader->gathered_bytes += batch->bytes_len;
    reader->window.fire = on_window;
    if (gathered_enough(reader) || reader->gathered_records == 0 ||
        (reader->window.heap_slot == 0 &&
         clock->arm(clock->ctx, &reader->window, poll->config.batching_window_ms) < 0))
        pages_flush(reader);
    return 0;
}

/* The oldest page that no sink is past. A sink that lags does not count: it is the router's window
 * that bounds how far the others may run ahead of it. */
static const struct page *front(const struct reader *reader)
{
    uint64_t ahead = reader->sinks & reader->track->poll->required;
    for (const struct page *page = reader->first; page; page = page->next) {
        ahead &= page->whole;
        if (!ahead)
            return page;
    }
    return NULL;
}

bool pages_full(const struct reader *reader)
{
    const struct poll_config *config = &reader->track->poll->config;
    if (reader->gathered && !gathered_enough(reader))
        return false;
    if (reader->gathered) /* it could not be submitted */
        return true;
    const struct page *oldest = front(reader);
    /* one batch more than are worked on, so that reading and writing overlap (D3) */
    return oldest &&
           reader->batch_number - oldest->number >= (uint64_t)config->parallelization_factor;
}

void pages_drop(struct reader *reader)
{
    struct clock *clock = reader->track->poll->clock;
    clock->disarm(clock->ctx, &reader->window);
    struct page **list = &reader->first;
    reader->last = NULL;
    while (*list && *list != reader->gathered) {
        reader->last = *list;
        list = &(*list)->next;
    }
    *list = NULL;
    while (reader->gathered) {
        struct page *page = reader->gathered;
        reader->gathered = page->next;
        page_free(page);
    }
    reader->gathered_count = reader->gathered_records = reader->gathered_bytes = 0;
}

/* A page up to `last`; `runs`: the last range ends with the page before it. False: not noted, which
 * costs a repeat. */
static bool note_finished(const struct page *page, size_t sink, weir_str last, bool runs)
{
    struct progress *progress = &page->reader->track->sinks[sink];
    const struct sequence *first = page->met >> sink & 1 ? &page->met_first : &page->first;
    weir_str position = sequence_str(&progress->position);
    struct range *ranges = progress->finished;
    if (!last.len || (position.len && sequence_cmp(last, position) <= 0))
        return false;
    if (!runs) {
        if (!first->len)
            return false;
        ranges = mem_realloc(ranges, (progress->finished_count + 1) * sizeof *ranges);
        if (!ranges)
            return false;
        progress->finished = ranges;
        ranges[progress->finished_count++].first = *first;
    }
    sequence_set(&ranges[progress->finished_count - 1].last, last);
    return true;
}

void pages_let_go(struct reader *reader, size_t sink)
{
    uint64_t bit = UINT64_C(1) << sink;
    bool runs = false;
    for (struct page *page = reader->first; page; page = page->next) {
        bool whole = page->whole & bit, noted = false;
        if (page->sinks & bit && (whole || page->flow)) {
            weir_str last =
                whole ? sequence_str(&page->last) : flow_frontier(page->flow, sink, NULL);
            noted = note_finished(page, sink, last, runs);
        }
        runs = noted && whole;
        if (!whole && page->flow)
            flow_release(page->flow, bit); /* behind its frontier the router remembers them */
        page->sinks &= ~bit;
        page->whole |= bit;
    }
    leave(reader);
}

int64_t pages_oldest_us(const struct reader *reader, size_t sink)
{
    for (const struct page *page = reader->first; page; page = page->next)
        if ((page->sinks & ~page->whole) >> sink & 1)
            return page->first_us;
    return 0;
}

bool pages_open(const struct reader *reader)
{
    for (const struct page *page = reader->first; page; page = page->next)
        if (page->flow)
            return true;
    return false;
}

void pages_clear(struct reader *reader)
{
    pages_drop(reader);
    while (reader->first) {
        struct page *page = reader->first;
        reader->first = page->next;
        page_free(page);
    }
    reader->last = NULL;
}

/* What the sinks still have to do of a page waits for gates alone. */
static bool waits_for_gates(const struct page *page)
{
    const struct reader *reader = page->reader;
    uint64_t open = page->sinks & ~page->whole & reader->track->poll->required;
    return open && (open & ~reader->gated) == 0;
}

bool pages_only_gated(const struct reader *reader)
{
    for (const struct page *page = reader->first; page; page = page->next)
        if (page->flow && !waits_for_gates(page))
            return false;
    return true;
}

void pages_release_gated(struct reader *reader)
{
    for (struct page *page = reader->first; page; page = page->next)
        if (page->flow)
            flow_release(page->flow, reader->gated & page->sinks);
}

void pages_open_gates(struct reader *reader, uint64_t sinks)
{
    for (struct page *page = reader->first; page; page = page->next)
        if (page->flow && (sinks & page->sinks))
            flow_open_gates(page->flow, sinks & page->sinks);
}
