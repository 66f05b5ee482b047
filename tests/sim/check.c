/* What must hold: after each step, whenever the store or a sink changes, and at the end. */
#include "sim.h"

#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECOND_MS = 1000 };

/* ---- finding ---- */

uint32_t sim_find(const struct sim *sim, uint64_t number)
{
    size_t low = 0, high = sim->truth_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (sim->truth[mid].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low < sim->truth_count && sim->truth[low].number == number ? (uint32_t)low
                                                                      : SIM_NO_TRUTH;
}

/* Also of texts that end with a sequence number, cut or padded: PriceHistory's timestamps. */
uint32_t sim_find_sequence(const struct sim *sim, weir_str text)
{
    if (text.len > 40)
        text = (weir_str){text.ptr + text.len - 40, 40};
    uint64_t number = text.len ? streams_model_number(text.ptr, text.len) : 0;
    return number ? sim_find(sim, number) : SIM_NO_TRUTH;
}

struct sim_sink *sim_sink_named(struct sim *sim, weir_str name)
{
    for (size_t i = 0; i < sim->sink_count; i++)
        if (str_is(name, sim->sinks[i].name))
            return &sim->sinks[i];
    return NULL;
}

static const struct model_shard *shard_of(const struct sim *sim, const struct sim_truth *truth)
{
    return &sim->model.streams[truth->stream].shards[truth->shard];
}

/* ---- room ---- */

static void *more(void *list, size_t *room, size_t wanted, size_t bytes)
{
    if (wanted < *room)
        return list;
    size_t old = *room;
    *room = wanted * 2 + 64;
    list = realloc(list, *room * bytes);
    CHECK_FATAL(list != NULL);
    memset((char *)list + old * bytes, 0, (*room - old) * bytes);
    return list;
}

static struct sim_progress *progress_of(struct sim_sink *sink, size_t stream, size_t shard)
{
    sink->progress[stream] =
        more(sink->progress[stream], &sink->progress_room[stream], shard, sizeof **sink->progress);
    return &sink->progress[stream][shard];
}

static void make_room(struct sim_sink *sink, const struct sim_truth *truth)
{
    sink->marks = more(sink->marks, &sink->mark_room, sink->sim->truth_count, 1);
    sink->last = more(sink->last, &sink->lane_room, truth->lane, sizeof *sink->last);
}

/* ---- what became of a record ---- */

bool sim_wanted(const struct sim_sink *sink, const struct sim_truth *truth)
{
    static const uint32_t bits[] = {['I'] = WEIR_INSERT, ['M'] = WEIR_MODIFY, ['R'] = WEIR_REMOVE};
    if (sink->letters_only)
        return false;
    return truth->poison || sink->events == 0 || sink->events & bits[truth->event];
}

/* From before the start that was stored; a table that was replaced before any could be stored
 * begins with the newer stream. All is to be read of one that came after the table was begun with.
 */
static bool before_start(const struct sim *sim, const struct sim_truth *truth)
{
    const struct model_stream *streams = sim->model.streams;
    for (size_t i = 0; i < truth->stream; i++)
        if (sim->begun[i] && strcmp(streams[i].table, streams[truth->stream].table) == 0)
            return false;
    return truth->at_ms < sim->began_ms[truth->stream];
}

static bool dealt_with(const struct sim_sink *sink, uint32_t index)
{
    uint8_t marks = index < sink->mark_room ? sink->marks[index] : 0;
    if (marks & (MARK_STORED | MARK_SKIPPED | MARK_LETTER))
        return true;
    if (sink->sim->truth[index].poison)
        return sink->sim->config.on_poison == ROUTE_DROP;
    return sink->route.on_exhausted == ROUTE_DROP && marks & MARK_REFUSED;
}

bool sim_finished(const struct sim_sink *sink, uint32_t index)
{
    const struct sim_truth *truth = &sink->sim->truth[index];
    return !sim_wanted(sink, truth) || dealt_with(sink, index) || before_start(sink->sim, truth) ||
           sink->missed[truth->stream];
}

/* What came before a start at LATEST, in its minute, may still be read for the first time. */
void sim_seal(struct sim *sim)
{
    for (size_t i = 0; i < sim->sink_count; i++) {
        struct sim_sink *sink = &sim->sinks[i];
        for (uint32_t k = 0; k < sim->truth_count && sink->route.required; k++)
            if (dealt_with(sink, k)) {
                make_room(sink, &sim->truth[k]);
                sink->marks[k] |= MARK_SEALED;
            }
    }
}

static void check_seal(const struct sim_sink *sink, uint32_t index)
{
    if (sink->marks[index] & MARK_SEALED)
        sim_complain(sink->sim, "after a clean end %s is given record %u again", sink->name, index);
}

static bool trimmed(const struct sim *sim, const struct sim_truth *truth)
{
    const struct model_shard *shard = shard_of(sim, truth);
    return shard->forgotten || truth->record < shard->first;
}

size_t sim_count_marks(const struct sim_sink *sink, unsigned mark)
{
    size_t count = 0;
    for (size_t i = 0; i < sink->sim->truth_count && i < sink->mark_room; i++)
        count += (sink->marks[i] & mark) != 0;
    return count;
}

/* The first record of the shard, from `from` to `to`, that the sink has not finished; `to` = none.
 */
static size_t unfinished_in(const struct sim_sink *sink, size_t stream, size_t shard, size_t from,
                            size_t to)
{
    const struct sim *sim = sink->sim;
    const struct model_shard *one = &sim->model.streams[stream].shards[shard];
    for (; from < to; from++) {
        uint32_t index = sim_find(sim, one->records[from].number);
        if (!sim_finished(sink, index) && !trimmed(sim, &sim->truth[index]))
            return from;
    }
    return to;
}

/* ---- records given, and stored ---- */

static void check_parents(struct sim_sink *sink, uint32_t index)
{
    struct sim *sim = sink->sim;
    const struct sim_truth *truth = &sim->truth[index];
    const struct model_stream *stream = &sim->model.streams[truth->stream];
    uint32_t above = shard_of(sim, truth)->parent;
    for (; above != MODEL_NONE; above = stream->shards[above].parent) {
        const struct model_shard *one = &stream->shards[above];
        struct sim_progress *progress = progress_of(sink, truth->stream, above);
        progress->verified =
            unfinished_in(sink, truth->stream, above, progress->verified, one->count);
        if (progress->verified < one->count)
            sim_complain(sim, "%s is given record %u of %s before it finished %s, which it follows",
                         sink->name, index, shard_of(sim, truth)->id, one->id);
    }
}

/* What a sink finished behind its position is forgotten when memory is lacking while it is
 * detached, or goes: `forgets`. It comes twice then. */
static void check_lane(struct sim_sink *sink, struct sim_lanes *lanes, uint32_t index, bool forgets)
{
    struct sim *sim = sink->sim;
    const struct sim_truth *truth = &sim->truth[index];
    size_t room = lanes->room;
    lanes->given = more(lanes->given, &room, truth->lane, sizeof *lanes->given);
    lanes->open = more(lanes->open, &lanes->room, truth->lane, 1);
    if (lanes->open[truth->lane]++ > 0)
        sim_complain(sim, "%s is given record %u while another of item p%u is open", sink->name,
                     index, truth->item);
    if (index + 1 < lanes->given[truth->lane] && !forgets)
        sim_complain(sim, "%s is given record %u of item p%u after record %u, in one life",
                     sink->name, index, truth->item, lanes->given[truth->lane] - 1);
    lanes->given[truth->lane] = index + 1;
}

void sim_given(struct sim_process *process, struct sim_sink *sink, struct sim_lanes *lanes,
               uint32_t index)
{
    struct sim *sim = sink->sim;
    const struct sim_truth *truth = &sim->truth[index];
    make_room(sink, truth);
    const struct sim_progress *progress = progress_of(sink, truth->stream, truth->shard);
    sink->given_count++;
    check_seal(sink, index);
    sink->marks[index] |= MARK_GIVEN;
    if (!sim->begun[truth->stream])
        sim_complain(sim, "%s is given record %u before the start is stored", sink->name, index);
    if (!process->store->owns)
        sim_complain(sim, "%s is given record %u by a process that is not the owner", sink->name,
                     index);
    if (!sim_wanted(sink, truth) || truth->poison)
        sim_complain(sim, "%s is given record %u, which it does not match", sink->name, index);
    if (progress->done || truth->number <= progress->number)
        sim_complain(sim, "%s is given record %u again, though its position is stored", sink->name,
                     index);
    if (sink->route.required) /* others don't hold anything back */
        check_parents(sink, index);
    if (index < lanes->said_room && lanes->said[index] && !process->starved)
        sim_complain(sim, "%s is given record %u again, of which it said ok in this life",
                     sink->name, index);
    if (sink->route.order == ROUTE_ITEM)
        check_lane(sink, lanes, index, process->starved && (sim->detached > 0 || sim->reloads));
}

void sim_said(struct sim_lanes *lanes, uint32_t index)
{
    lanes->said = more(lanes->said, &lanes->said_room, index, 1);
    lanes->said[index] = 1;
}

void sim_lanes_done(struct sim_lanes *lanes)
{
    free(lanes->given);
    free(lanes->open);
    free(lanes->said);
}

void sim_let_go(struct sim_sink *sink, struct sim_lanes *lanes, uint32_t index)
{
    if (sink->route.order == ROUTE_ITEM)
        lanes->open[sink->sim->truth[index].lane]--;
}

void sim_stored(struct sim_sink *sink, uint32_t index)
{
    struct sim *sim = sink->sim;
    const struct sim_truth *truth = &sim->truth[index];
    make_room(sink, truth);
    check_seal(sink, index);
    if (!sim_wanted(sink, truth))
        sim_complain(sim, "%s stores record %u, which it does not match", sink->name, index);
    if (sink->marks[index] & MARK_STORED) {
        sink->repeats++;
        return;
    }
    sink->stored_count++;
    /* Who is not waited for may miss a record, and get it after a crash. */
    bool given_up = sink->marks[index] & (MARK_LETTER | MARK_REFUSED) || !sink->route.required;
    if (sink->route.order == ROUTE_ITEM && index + 1 < sink->last[truth->lane] && !given_up)
        sim_complain(sim, "%s stores record %u of item p%u behind record %u", sink->name, index,
                     truth->item, sink->last[truth->lane] - 1);
    sink->marks[index] |= MARK_STORED;
    if (index + 1 > sink->last[truth->lane])
        sink->last[truth->lane] = index + 1;
}

/* ---- the store ---- */

static void check_position(struct sim *sim, struct sim_sink *sink, const struct state_row *row,
                           size_t stream, size_t shard)
{
    const struct model_shard *one = &sim->model.streams[stream].shards[shard];
    struct sim_progress *progress = progress_of(sink, stream, shard);
    uint64_t number =
        row->position.len ? streams_model_number(row->position.ptr, row->position.len) : 0;
    size_t end = row->done ? one->count : number ? streams_model_find_record(one, number + 1) : 0;
    if (row->erase)
        return;
    if (row->position.len && number < progress->number)
        sim_complain(sim, "the position of %s in %s steps back to %.*s", sink->name, one->id,
                     STR_ARG(row->position));
    if ((row->done || row->read_to_end) && !one->closed_ms)
        sim_complain(sim, "%s is read to its end, but open", one->id);
    if (row->read_to_end && !row->done && one->served < one->count && one->first <= one->served)
        sim_complain(sim, "%s is read to its end, but its last page was not given", one->id);
    progress->verified = unfinished_in(sink, stream, shard, progress->verified, end);
    if (progress->verified < end)
        sim_complain(sim, "%s has the position %.*s%s in %s without record %u", sink->name,
                     STR_ARG(row->position), row->done ? " (done)" : "", one->id,
                     sim_find(sim, one->records[progress->verified].number));
    progress->number = number;
    progress->done = row->done;
    progress->read_to_end = row->read_to_end;
}

void sim_row_written(void *ctx, const struct state_row *row)
{
    struct sim *sim = ctx;
    struct sim_sink *sink = sim_sink_named(sim, row->sink);
    size_t stream = streams_model_find_stream(&sim->model, row->stream.ptr, row->stream.len), shard;
    sim_trace(sim, "row %d %.*s %zu %.*s: %.*s %lld at %.*s%s%s%s%s%.*s", (int)row->kind,
              STR_ARG(row->sink), stream, STR_ARG(row->shard), STR_ARG(row->start),
              (long long)row->start_us / 1000 - SIM_START_MS, STR_ARG(row->position),
              row->read_to_end ? " read" : "", row->done ? " done" : "",
              row->erase ? " erased" : "", row->first_available.len ? " available from " : "",
              STR_ARG(row->first_available));
    if (stream == SIZE_MAX) {
        sim_complain(sim, "a row of an unknown stream is stored");
        return;
    }
    if (row->kind == STATE_STREAM) {
        for (size_t i = 0; sim->reloads && row->read_to_end && i < sim->sink_count; i++)
            sim->sinks[i].missed[stream] = !sim->sinks[i].known[stream];
        sim->begun[stream] = true;
        if (sim->began_ms[stream] == INT64_MAX && str_is(row->start, "LATEST"))
            sim->began_ms[stream] = row->start_us / 1000 + SECOND_MS; /* it names a second */
        else if (sim->began_ms[stream] == INT64_MAX)
            sim->began_ms[stream] = 0;
        return;
    }
    shard = streams_model_find_shard(&sim->model.streams[stream], row->shard.ptr, row->shard.len);
    if (!sink || shard == SIZE_MAX) {
        sim_complain(sim, "a row of an unknown sink or shard is stored");
        return;
    }
    sink->known[stream] = true;
    if (row->kind == STATE_POSITION && sink->route.required) /* others hold no position back */
        check_position(sim, sink, row, stream, shard);
    else
        sim->gaps_told += !row->erase;
}

void sim_lettered(struct sim *sim, struct sim_sink *about, uint32_t index)
{
    for (size_t i = 0; i < sim->sink_count; i++) {
        make_room(&sim->sinks[i], &sim->truth[index]);
        if (!about || about == &sim->sinks[i])
            sim->sinks[i].marks[index] |= MARK_LETTER;
    }
}

void sim_heed_letters(struct sim *sim)
{
    for (; sim->letters_heeded < sim->disk.letter_count; sim->letters_heeded++) {
        const struct dead_letter *letter = &sim->disk.letters[sim->letters_heeded].letter;
        uint32_t index = sim_find_sequence(sim, letter->sequence);
        struct sim_sink *about = sim_sink_named(sim, letter->sink);
        if (index == SIM_NO_TRUTH || (letter->sink.len && !about)) {
            sim_complain(sim, "a dead letter of no record or sink: %.*s",
                         STR_ARG(letter->sequence));
            continue;
        }
        sim_lettered(sim, about, index);
    }
}

/* ---- after each step of a process ---- */

static void check_counts(struct sim *sim, const struct router *router)
{
    for (size_t i = 0; i < router_sink_count(router); i++) {
        struct sink_counts c = router_counts(router, i);
        uint64_t sum = c.delivered + c.skipped + c.duplicate + c.filtered + c.dead + c.dropped +
                       c.returned + c.pending;
        if (c.read != sum)
            sim_complain(sim, "%s: %llu read, but %llu accounted for", router_sink_name(router, i),
                         (unsigned long long)c.read, (unsigned long long)sum);
    }
}

enum { PAGE_SLACK = 3 << 20 /* a page more than what fits may come in */ };

void sim_after_step(struct sim_process *process)
{
    struct sim *sim = process->sim;
    const struct router *router = process->router;
    sim_heed_letters(sim);
    if (!router)
        return;
    check_counts(sim, router);
    size_t pinned = router_pinned_bytes(router), queued = router_queued(router);
    if (pinned > sim->most_pinned)
        sim->most_pinned = pinned;
    if (queued > sim->most_queued)
        sim->most_queued = queued;
    if (sim->config.in_flight_bytes && pinned > sim->config.in_flight_bytes + PAGE_SLACK)
        sim_complain(sim, "%zu bytes are pinned", pinned);
}

/* ---- nothing spins ---- */

static uint64_t work(const struct sim *sim)
{
    uint64_t count = sim->truth_count + sim->served + sim->disk.letter_count + sim->disk.saves;
    for (size_t i = 0; i < sim->sink_count; i++)
        count += sim->sinks[i].given_count + sim->sinks[i].repeats + sim->sinks[i].letters;
    return count;
}

static uint64_t open_shards(const struct sim *sim)
{
    uint64_t count = 0;
    for (size_t i = 0; i < sim->model.count; i++)
        count += sim->model.streams[i].leaf_count;
    return count;
}

void sim_check_busy(struct sim *sim)
{
    enum { LOOK_S = 10, STEPS = 200, STEPS_A_SHARD = 100, STEPS_A_RECORD = 40 }; /* a second */
    if (sim->now_ms - sim->busy_ms < LOOK_S * SECOND_MS)
        return;
    uint64_t seconds = (uint64_t)(sim->now_ms - sim->busy_ms) / SECOND_MS;
    uint64_t steps = sim->steps - sim->busy_steps, done = work(sim);
    uint64_t most = seconds * (STEPS + STEPS_A_SHARD * open_shards(sim)) +
                    (done - sim->busy_work) * STEPS_A_RECORD;
    if (steps * 100 / most > sim->busiest)
        sim->busiest = steps * 100 / most;
    if (steps > most)
        sim_complain(sim, "busy: %llu steps in %llu s, in which %llu things were done",
                     (unsigned long long)steps, (unsigned long long)seconds,
                     (unsigned long long)(done - sim->busy_work));
    sim->busy_steps = sim->steps;
    sim->busy_work = done;
    sim->busy_ms = sim->now_ms;
}

/* ---- the end ---- */

/* In a gap that is in the store, of records that really are no more. */
static bool in_gap(const struct sim *sim, const struct sim_sink *sink, uint32_t index)
{
    const struct sim_truth *truth = &sim->truth[index];
    const struct model_stream *stream = &sim->model.streams[truth->stream];
    const struct state_row *row =
        vdisk_row(&sim->disk, STATE_GAP, sink->name, stream->arn, stream->shards[truth->shard].id);
    if (!row || !trimmed(sim, truth))
        return false;
    uint64_t after =
        row->position.len ? streams_model_number(row->position.ptr, row->position.len) : 0;
    uint64_t before = row->first_available.len
                          ? streams_model_number(row->first_available.ptr, row->first_available.len)
                          : UINT64_MAX;
    return truth->number > after && truth->number < before;
}

static uint32_t first_missing(const struct sim *sim, const struct sim_sink *sink, uint32_t from)
{
    for (uint32_t i = from; i < sim->truth_count; i++)
        if (!sim_finished(sink, i) && !in_gap(sim, sink, i))
            return i;
    return SIM_NO_TRUTH;
}

/* The start of some stream of each table is in the store. */
static bool all_begun(const struct sim *sim)
{
    const struct model_stream *streams = sim->model.streams;
    for (size_t i = 0; i < sim->model.count; i++) {
        bool begun = false;
        for (size_t k = 0; k < sim->model.count; k++)
            begun = begun || (sim->begun[k] && strcmp(streams[i].table, streams[k].table) == 0);
        if (!begun)
            return false;
    }
    return true;
}

bool sim_all_finished(struct sim *sim)
{
    if (!all_begun(sim))
        return false;
    for (size_t i = 0; i < sim->sink_count; i++) {
        struct sim_sink *sink = &sim->sinks[i];
        if (!sink->route.required || sink->letters_only)
            continue;
        uint32_t missing = first_missing(sim, sink, sink->all_before);
        sink->all_before = missing == SIM_NO_TRUTH ? (uint32_t)sim->truth_count : missing;
        if (missing != SIM_NO_TRUTH)
            return false;
    }
    return true;
}

void sim_check_end(struct sim *sim)
{
    if (!all_begun(sim))
        sim_complain(sim, "no start of a table is stored (last error: %s)", sim->last_error);
    for (size_t i = 0; i < sim->sink_count; i++) {
        struct sim_sink *sink = &sim->sinks[i];
        size_t missing = 0;
        uint32_t first = SIM_NO_TRUTH;
        if (!sink->route.required || sink->letters_only)
            continue;
        for (uint32_t k = 0; k < sim->truth_count; k++) {
            if (sim_finished(sink, k) || in_gap(sim, sink, k))
                continue;
            missing++;
            if (first == SIM_NO_TRUTH)
                first = k;
        }
        if (missing)
            sim_complain(sim, "%s lacks %zu of %zu records, the first is %u (%s, last error: %s)",
                         sink->name, missing, sim->truth_count, first,
                         shard_of(sim, &sim->truth[first])->id, sim->last_error);
    }
}
