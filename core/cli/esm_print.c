#include "cli/esm_print.h"

#include "json/json.h"
#include "util/text.h"

#include <inttypes.h>

enum { DIGITS_SHOWN = 10, WHOLE_DIGITS_MAX = 14, ANSWER_SHOWN = 160 };

weir_str esm_short_shard(weir_str id)
{
    size_t at = id.len;
    while (at > 0 && id.ptr[at - 1] != '-')
        at--;
    return (weir_str){id.ptr + at, id.len - at};
}

void esm_put_sequence(struct buf *out, weir_str sequence)
{
    if (sequence.len <= WHOLE_DIGITS_MAX) {
        buf_put_str(out, sequence);
        return;
    }
    buf_puts(out, "..");
    buf_put(out, sequence.ptr + sequence.len - DIGITS_SHOWN, DIGITS_SHOWN);
}

static const char *kind_of(const struct esm_call *call)
{
    return call->end == ESM_NOT_RUN ? "not run" : call->kind ? call->kind : "response";
}

static bool plural(size_t count)
{
    return count != 1;
}

/* "Weir.ConfigInvalid: the reason" of an error; of a response what it reported, else all of it. */
static void put_answer(struct buf *out, const struct esm_call *call)
{
    struct arena arena;
    struct json_error error;
    weir_str body = call->body;
    arena_init(&arena, 4096);
    const struct json_value *root =
        call->end == ESM_NOT_RUN ? NULL : json_parse(&arena, body, JSON_KEEP_DUPLICATES, 0, &error);
    const struct json_value *list = json_member0(root, "batchItemFailures");
    weir_str type = json_text(root, "errorType"), message = json_text(root, "errorMessage");
    if (call->end == ESM_ERROR && type.len) {
        buf_put_visible(out, type, ANSWER_SHOWN);
        buf_puts(out, message.len ? ": " : "");
        body = message;
    } else if (call->end == ESM_ANSWERED && list) {
        buf_puts(out, "batchItemFailures ");
        body = list->raw;
    }
    while (body.len && memchr(" \r\n\t", body.ptr[body.len - 1], 4))
        body.len--;
    buf_put_visible(out, body, ANSWER_SHOWN);
    arena_done(&arena);
}

static void put_batch(struct buf *out, const struct esm_report *report,
                      const struct esm_options *options)
{
    weir_str shard = esm_short_shard(report->shard);
    buf_printf(out, "shard %.*s", STR_ARG(shard));
    if (options->lanes > 1)
        buf_printf(out, " lane %zu", report->lane + 1);
    buf_printf(out, ": %zu record%s ", report->count, plural(report->count) ? "s" : "");
    esm_put_sequence(out, report->first);
    if (plural(report->count)) {
        buf_puts(out, " to ");
        esm_put_sequence(out, report->last);
    }
    buf_printf(out, ", %s", kind_of(report->call));
    if (report->call->end != ESM_NOT_RUN)
        buf_printf(out, " in %.1f ms", (double)report->call->duration_us / 1000);
    if (report->call->init_us)
        buf_printf(out, " after %.1f ms of start", (double)report->call->init_us / 1000);
}

static void put_decision(struct buf *out, const struct esm_report *report,
                         const struct esm_options *options)
{
    size_t left = report->count - report->finished;
    const char *rest = report->finished ? "the rest" : "all";
    if (report->finished && report->decision != ESM_DONE)
        buf_printf(out, "%zu done, ", report->finished);
    switch (report->decision) {
    case ESM_DONE:
        buf_puts(out, "done");
        break;
    case ESM_RETRY:
        buf_printf(out, "%s again in %" PRId64 " ms, retry %" PRId64, rest, report->delay_ms,
                   report->retry);
        if (options->retries >= 0)
            buf_printf(out, " of %" PRId64, options->retries);
        break;
    case ESM_SPLIT:
        buf_printf(out, "%s again in two halves", rest);
        break;
    case ESM_CUT:
        buf_puts(out, "the rest again, cut there");
        break;
    case ESM_AGAIN:
        buf_printf(out, "all again in %" PRId64 " ms, not counted", report->delay_ms);
        break;
    case ESM_GIVEN_UP:
        buf_printf(out, "%zu given up: RetryAttemptsExhausted", left);
        break;
    }
}

void esm_print_report(struct buf *out, const struct esm_report *report,
                      const struct esm_options *options)
{
    put_batch(out, report, options);
    buf_puts(out, ": ");
    put_decision(out, report, options);
    if (report->why)
        buf_printf(out, " (%s)", report->why);
    if (report->decision != ESM_DONE) {
        buf_puts(out, "; ");
        put_answer(out, report->call);
    }
    buf_putc(out, '\n');
}

/* ---- JSON ---- */

static void put_member(struct buf *out, const char *name, weir_str text)
{
    buf_printf(out, ",\"%s\":", name);
    buf_put_json_string(out, text);
}

void esm_print_report_json(struct buf *out, const struct esm_report *report)
{
    static const char *const names[] = {"done", "retry", "split", "cut", "again", "given-up"};
    const struct esm_call *call = report->call;
    buf_printf(out, "{\"decision\":\"%s\"", names[report->decision]);
    put_member(out, "shard", report->shard);
    put_member(out, "first", report->first);
    put_member(out, "last", report->last);
    buf_printf(out, ",\"lane\":%zu,\"records\":%zu,\"finished\":%zu", report->lane + 1,
               report->count, report->finished);
    if (report->decision == ESM_RETRY)
        buf_printf(out, ",\"retry\":%" PRId64, report->retry);
    buf_printf(out, ",\"delay_ms\":%" PRId64, report->delay_ms);
    if (report->why)
        put_member(out, "why", str_of(report->why));
    put_member(out, "kind", str_of(kind_of(call)));
    put_member(out, "request_id", call->request_id);
    buf_printf(out, ",\"duration_us\":%" PRId64 ",\"init_us\":%" PRId64 ",\"answer\":",
               call->duration_us, call->init_us);
    if (json_valid(call->body))
        buf_put_json_ascii(out, call->body);
    else
        buf_put_json_string(out, call->body);
    buf_puts(out, "}\n");
}

/* ---- the mapping ---- */

static void put_bound(struct buf *out, const struct esm_options *options)
{
    if (options->retries < 0 && !options->record_age_ms)
        buf_puts(out, "repeated until 24 h old");
    else if (options->retries < 0)
        buf_printf(out, "repeated until %" PRId64 " s old", options->record_age_ms / 1000);
    else
        buf_printf(out, "%" PRId64 " retr%s", options->retries,
                   options->retries == 1 ? "y" : "ies");
    if (options->retries >= 0 && options->record_age_ms)
        buf_printf(out, " up to %" PRId64 " s of age", options->record_age_ms / 1000);
}

void esm_print_options(struct buf *out, const struct esm_options *options)
{
    buf_printf(out, "batches of %" PRId64, options->batch_size);
    if (options->window_ms)
        buf_printf(out, " within %" PRId64 " ms", options->window_ms);
    if (options->lanes > 1)
        buf_printf(out, ", %" PRId64 " at a time", options->lanes);
    buf_puts(out, "; failures ");
    put_bound(out, options);
    buf_puts(out, options->bisect ? ", bisected" : "");
    buf_puts(out, options->report_failures ? "; ReportBatchItemFailures"
                                           : "; partial responses are ignored");
    buf_puts(out, options->filter ? "; filtered\n" : "\n");
}

void esm_print_counts(struct buf *out, const struct esm_counts *counts)
{
    buf_printf(out, "%" PRIu64 " record%s read: %" PRIu64 " delivered", counts->records,
               counts->records == 1 ? "" : "s", counts->delivered);
    if (counts->filtered)
        buf_printf(out, ", %" PRIu64 " filtered", counts->filtered);
    if (counts->given_up)
        buf_printf(out, ", %" PRIu64 " given up", counts->given_up);
    uint64_t over = counts->delivered + counts->filtered + counts->given_up;
    if (counts->records > over)
        buf_printf(out, ", %" PRIu64 " not finished", counts->records - over);
    if (counts->poison)
        buf_printf(out, "; %" PRIu64 " could not be read and were passed over", counts->poison);
    buf_printf(out, "; %" PRIu64 " invocation%s", counts->invocations,
               counts->invocations == 1 ? "" : "s");
    if (counts->failed)
        buf_printf(out, ", %" PRIu64 " of them failed or in part", counts->failed);
    buf_putc(out, '\n');
}
