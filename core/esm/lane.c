/* One batch at a time of one lane: when it is due, what its answer means, what comes next. */
#include "esm/answer.h"
#include "esm/delivery_parts.h"
#include "util/alloc.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

enum { RETRY_FIRST_MS = 200, RETRY_MOST_MS = 10000 };

static int64_t backoff(int64_t times)
{
    int64_t delay_ms = RETRY_FIRST_MS;
    for (; times > 1 && delay_ms < RETRY_MOST_MS; times--)
        delay_ms *= 2;
    return delay_ms < RETRY_MOST_MS ? delay_ms : RETRY_MOST_MS;
}

static struct segment *front(struct lane *lane)
{
    return &lane->segments[lane->depth - 1];
}

static void on_timer(struct timer *timer)
{
    struct lane *lane = (struct lane *)((char *)timer - offsetof(struct lane, timer));
    lane->waiting = false;
    lane_turn(lane);
}

static void wait_for(struct lane *lane, int64_t delay_ms)
{
    const struct clock *clock = lane->delivery->config.clock;
    lane->timer.fire = on_timer;
    lane->waiting = !lane->delivery->stopped &&
                    clock->arm(clock->ctx, &lane->timer, delay_ms > 0 ? delay_ms : 0) == 0;
}

/* ---- records in and out ---- */

void lane_add(struct lane *lane, struct esm_record *record)
{
    record->next = NULL;
    if (lane->last)
        lane->last->next = record;
    else
        lane->first = record;
    lane->last = record;
    if (lane->count == lane->segmented && !lane->open) /* the first one of a batch */
        lane->window_from_ms = delivery_now(lane->delivery);
    lane->count++;
    lane->bytes += record->json.len;
}

static void remove_first(struct lane *lane, size_t count)
{
    struct segment *segment = front(lane);
    segment->count -= count;
    lane->segmented -= count;
    lane->count -= count;
    for (; count > 0; count--) {
        struct esm_record *record = lane->first;
        lane->first = record->next;
        lane->bytes -= record->json.len;
        mem_free(record);
    }
    if (!lane->first)
        lane->last = NULL;
    if (segment->count == 0)
        lane->depth--;
    if (lane->depth == 0)
        lane->window_from_ms = delivery_now(lane->delivery);
}

/* false: it could not be stored, and everything stops. */
static bool give_up(struct lane *lane, size_t count, const char *condition, bool function_error)
{
    struct esm_delivery *delivery = lane->delivery;
    bool aged = strcmp(condition, "RecordAgeExceeded") == 0;
    struct esm_failure failure = {.condition = condition,
                                  .invokes = aged ? front(lane)->invokes : front(lane)->retries + 1,
                                  .shard = str_of(delivery->shard),
                                  .request_id = str_of(lane->request_id),
                                  .has_response = !aged,
                                  .function_error = function_error,
                                  .first = lane->first,
                                  .count = count};
    if (delivery->config.gave_up(delivery->config.arg, &failure) < 0) {
        esm_delivery_stop(delivery);
        return false;
    }
    delivery->config.counts->given_up += count;
    remove_first(lane, count);
    return true;
}

/* ---- batches ---- */

/* How many records the next batch takes: so many, and no more bytes than a payload may have. */
static size_t batch_records(const struct lane *lane, bool *whole)
{
    size_t most = (size_t)lane->delivery->config.options->batch_size, bytes = 0, count = 0;
    const struct esm_record *record = lane->first;
    for (; record && count < most; record = record->next, count++) {
        bytes += record->json.len + 1;
        if (count > 0 && bytes > ESM_PAYLOAD_BYTES_MAX)
            break;
    }
    *whole = count == most || record;
    return count;
}

/* A new batch, where one is due. */
static bool begin_batch(struct lane *lane)
{
    const struct esm_delivery *delivery = lane->delivery;
    bool whole;
    size_t count = batch_records(lane, &whole);
    int64_t left_ms =
        lane->window_from_ms + delivery->config.options->window_ms - delivery_now(delivery);
    if (count == 0)
        return false;
    if (!whole && !delivery->ended && left_ms > 0) {
        wait_for(lane, left_ms);
        return false;
    }
    lane->segments[lane->depth++] = (struct segment){.count = count};
    lane->request_id[0] = '\0';
    lane->segmented = count;
    return true;
}

/* Those in front that are too old for the mapping, or not in the stream any more. */
static size_t aged_records(const struct lane *lane, size_t count)
{
    const struct esm_options *options = lane->delivery->config.options;
    const struct clock *clock = lane->delivery->config.clock;
    int64_t limit_ms = ESM_RETENTION_MS;
    if (options->record_age_ms > 0 && options->record_age_ms < limit_ms)
        limit_ms = options->record_age_ms;
    int64_t oldest_us = clock->wall_us(clock->ctx) - limit_ms * 1000;
    const struct esm_record *record = lane->first;
    size_t aged = 0;
    for (; aged < count && record->created_us && record->created_us < oldest_us; aged++)
        record = record->next;
    return aged;
}

static void on_answer(struct esm_call *call);

static int put_event(struct lane *lane, size_t count)
{
    const struct esm_record *record = lane->first;
    buf_reset(&lane->event);
    buf_puts(&lane->event, "{\"Records\":[");
    for (size_t i = 0; i < count; i++, record = record->next) {
        lane->sequences[i] = record->sequence;
        buf_puts(&lane->event, i ? "," : "");
        buf_put_str(&lane->event, record->json);
    }
    return buf_puts(&lane->event, "]}");
}

static void invoke(struct lane *lane)
{
    struct esm_delivery *delivery = lane->delivery;
    const struct esm_function *function = delivery->config.function;
    int rc = put_event(lane, front(lane)->count);
    lane->call = (struct esm_call){.event = buf_str(&lane->event), .done = on_answer};
    lane->open = true;
    if (rc == 0)
        rc = function->invoke(function->ctx, &lane->call);
    if (rc == 0)
        return;
    lane->call.end = ESM_NOT_RUN;
    lane->call.body = str_of(strerror(-rc));
    on_answer(&lane->call);
}

void lane_turn(struct lane *lane)
{
    if (lane->open || lane->delivery->stopped)
        return;
    if (lane->waiting) { /* for a retry; or for the window, and that may be over by now */
        if (lane->depth > 0)
            return;
        lane->delivery->config.clock->disarm(lane->delivery->config.clock->ctx, &lane->timer);
        lane->waiting = false;
    }
    while (lane->depth > 0 || begin_batch(lane)) {
        size_t aged = aged_records(lane, front(lane)->count);
        if (aged == 0) {
            invoke(lane);
            return;
        }
        if (!give_up(lane, aged, "RecordAgeExceeded", false))
            return;
        delivery_moved(lane->delivery);
    }
}

/* ---- answers ---- */

/* In two, the first half in front. */
static void split(struct lane *lane)
{
    struct segment *segment = front(lane);
    struct segment half = *segment;
    half.count = segment->count / 2;
    segment->count -= half.count;
    lane->segments[lane->depth++] = half;
}

/* What is left of the batch failed. */
static void after_failure(struct lane *lane, struct esm_report *report, bool function_error)
{
    const struct esm_options *options = lane->delivery->config.options;
    struct segment *segment = front(lane);
    if (options->bisect && report->finished > 0) {
        report->decision = ESM_CUT;
    } else if (options->bisect && segment->count > 1 && lane->depth < SEGMENTS_MAX) {
        report->decision = ESM_SPLIT;
        split(lane);
    } else if (options->retries >= 0 && segment->retries >= options->retries) {
        report->decision = ESM_GIVEN_UP;
        give_up(lane, segment->count, "RetryAttemptsExhausted", function_error);
    } else {
        report->decision = ESM_RETRY;
        report->retry = ++segment->retries;
        segment->stuck = report->finished ? 1 : segment->stuck + 1;
        report->delay_ms = backoff(segment->stuck);
    }
}

static void decide(struct lane *lane, struct esm_report *report)
{
    const struct esm_call *call = &lane->call;
    const struct esm_options *options = lane->delivery->config.options;
    struct esm_counts *counts = lane->delivery->config.counts;
    struct segment *segment = front(lane);
    struct esm_judgement judged = {.verdict = ESM_FAILURE};
    if (call->end == ESM_NOT_RUN) {
        report->decision = ESM_AGAIN;
        report->delay_ms = backoff(++lane->not_run);
        return;
    }
    lane->not_run = 0;
    segment->invokes++;
    counts->invocations++;
    if (call->end == ESM_ANSWERED)
        judged = esm_judge(call->body, options->report_failures, lane->sequences, segment->count);
    report->why = judged.why;
    report->finished = judged.verdict == ESM_SUCCESS   ? segment->count
                       : judged.verdict == ESM_PARTIAL ? judged.from
                                                       : 0;
    counts->delivered += report->finished;
    if (report->finished < segment->count)
        counts->failed++;
    remove_first(lane, report->finished);
    if (judged.verdict == ESM_SUCCESS)
        report->decision = ESM_DONE;
    else
        after_failure(lane, report, call->end == ESM_ERROR);
}

static void on_answer(struct esm_call *call)
{
    struct lane *lane = (struct lane *)((char *)call - offsetof(struct lane, call));
    struct esm_delivery *delivery = lane->delivery;
    char first[SEQUENCE_DIGITS_MAX], last[SEQUENCE_DIGITS_MAX];
    size_t count = front(lane)->count;
    weir_str ends[2] = {lane->sequences[0], lane->sequences[count - 1]};
    struct esm_report report = {.shard = str_of(delivery->shard),
                                .lane = lane->number,
                                .call = call,
                                .first = {first, ends[0].len},
                                .last = {last, ends[1].len},
                                .count = count};
    memcpy(first, ends[0].ptr, ends[0].len); /* the records may be gone when it is told */
    memcpy(last, ends[1].ptr, ends[1].len);
    snprintf(lane->request_id, sizeof lane->request_id, "%.*s", STR_ARG(call->request_id));
    lane->open = false;
    decide(lane, &report);
    delivery->config.told(delivery->config.arg, &report);
    delivery_moved(delivery);
    if (report.delay_ms > 0)
        wait_for(lane, report.delay_ms);
    else
        lane_turn(lane);
}

void lane_done(struct lane *lane)
{
    const struct clock *clock = lane->delivery->config.clock;
    clock->disarm(clock->ctx, &lane->timer);
    while (lane->first) {
        struct esm_record *record = lane->first;
        lane->first = record->next;
        mem_free(record);
    }
    buf_done(&lane->event);
    mem_free(lane->sequences);
}
