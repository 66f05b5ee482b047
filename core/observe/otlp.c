#include "observe/otlp.h"

#include "util/text.h"

#include <weir/version.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { SPAN_CONSUMER = 5, STATUS_ERROR = 2, CUMULATIVE = 2 }; /* of the protocol's enums */

static void put_u64(struct buf *out, const char *name, uint64_t value)
{
    buf_put_key(out, name);
    buf_printf(out, "\"%" PRIu64 "\"", value);
}

static void put_time(struct buf *out, const char *name, int64_t unix_us)
{
    put_u64(out, name, (uint64_t)unix_us * 1000);
}

static void put_double(struct buf *out, const char *name, double value)
{
    buf_put_key(out, name);
    buf_printf(out, "%.15g", value);
}

/* ---- attributes ---- */

void otlp_put_text(struct buf *out, const char *name, weir_str value)
{
    if (value.len == 0)
        return;
    buf_put_comma(out);
    buf_putc(out, '{');
    buf_put_member(out, "key", str_of(name));
    buf_puts(out, ",\"value\":{");
    buf_put_member(out, "stringValue", value);
    buf_puts(out, "}}");
}

void otlp_put_count(struct buf *out, const char *name, uint64_t value)
{
    buf_put_comma(out);
    buf_putc(out, '{');
    buf_put_member(out, "key", str_of(name));
    buf_puts(out, ",\"value\":{");
    put_u64(out, "intValue", value);
    buf_puts(out, "}}");
}

/* {"resourceKind":[{"resource":{...},"scopeKind":[{"scope":{...},"LIST":[ */
static void open_request(struct buf *out, const char *kind, const char *list, weir_str resource)
{
    buf_printf(out, "{\"resource%s\":[{\"resource\":{\"attributes\":[", kind);
    buf_put_str(out, resource);
    buf_printf(out,
               "]},\"scope%s\":[{\"scope\":{\"name\":\"weir\",\"version\":\"" WEIR_VERSION
               "\"},\"%s\":[",
               kind, list);
}

static void close_request(struct buf *out)
{
    buf_puts(out, "]}]}]}");
}

/* ---- metrics ---- */

struct writing {
    struct buf *out;
    const struct metric *open; /* it has samples, and more may come; NULL = none */
    int64_t started_us, now_us;
};

static weir_str otlp_name(const struct metric *metric)
{
    static const char suffix[] = "_total";
    weir_str name = str_of(metric->name);
    size_t len = sizeof suffix - 1;
    if (metric->kind == METRIC_COUNTER && name.len > len &&
        memcmp(name.ptr + name.len - len, suffix, len) == 0)
        name.len -= len;
    return name;
}

static void close_metric(struct writing *writing)
{
    if (writing->open)
        buf_puts(writing->out, "]}}");
    writing->open = NULL;
}

static void open_metric(struct writing *writing, const struct metric *metric)
{
    static const char *const kinds[] = {
        [METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "sum", [METRIC_HISTOGRAM] = "histogram"};
    struct buf *out = writing->out;
    buf_put_comma(out);
    buf_putc(out, '{');
    buf_put_member(out, "name", otlp_name(metric));
    buf_put_text_member(out, "description", metric->help);
    buf_put_text_member(out, "unit", metric->unit);
    buf_put_key(out, kinds[metric->kind]);
    buf_putc(out, '{');
    if (metric->kind != METRIC_GAUGE)
        buf_put_number_member(out, "aggregationTemporality", CUMULATIVE);
    if (metric->kind == METRIC_COUNTER)
        buf_put_flag_member(out, "isMonotonic", true);
    buf_put_key(out, "dataPoints");
    buf_putc(out, '[');
    writing->open = metric;
}

static void on_family(void *ctx, const struct metric *metric)
{
    (void)metric;
    close_metric(ctx);
}

static void put_histogram(struct buf *out, const struct histogram *histogram)
{
    put_u64(out, "count", histogram->count);
    put_double(out, "sum", (double)histogram->sum_ms / 1000);
    buf_put_key(out, "bucketCounts");
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
        buf_printf(out, "%s\"%" PRIu64 "\"", i ? "," : "[", histogram->buckets[i]);
    buf_putc(out, ']');
    buf_put_key(out, "explicitBounds");
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        buf_printf(out, "%s%.15g", i ? "," : "[", (double)histogram_bound_ms(i) / 1000);
    buf_putc(out, ']');
}

/* What is measured in seconds has fractions; everything else is counted. */
static void put_value(struct buf *out, const struct metric *metric, double value)
{
    if (strcmp(metric->unit, "s") == 0) {
        put_double(out, "asDouble", value);
        return;
    }
    buf_put_key(out, "asInt");
    buf_printf(out, "\"%.0f\"", value);
}

static void on_sample(void *ctx, const struct metric *metric, const struct metric_sample *sample)
{
    struct writing *writing = ctx;
    struct buf *out = writing->out;
    if (metric->kind != METRIC_HISTOGRAM && !isfinite(sample->value))
        return; /* JSON has no such number */
    if (writing->open != metric)
        open_metric(writing, metric);
    buf_put_comma(out);
    buf_putc(out, '{');
    if (sample->label_count > 0) {
        buf_puts(out, "\"attributes\":[");
        for (size_t i = 0; i < sample->label_count; i++)
            otlp_put_text(out, sample->label_names[i], sample->label_values[i]);
        buf_putc(out, ']');
    }
    if (metric->kind != METRIC_GAUGE)
        put_time(out, "startTimeUnixNano", writing->started_us);
    put_time(out, "timeUnixNano", writing->now_us);
    if (metric->kind == METRIC_HISTOGRAM)
        put_histogram(out, sample->histogram);
    else
        put_value(out, metric, sample->value);
    buf_putc(out, '}');
}

void otlp_put_metrics(const struct observed *observed, weir_str resource, struct buf *out)
{
    struct writing writing = {
        .out = out, .started_us = observed->started_us, .now_us = observed_wall_us(observed)};
    const struct metric_writer writer = {&writing, on_family, on_sample};
    open_request(out, "Metrics", "metrics", resource);
    metrics_walk(observed, &writer);
    close_metric(&writing);
    close_request(out);
}

/* ---- traces ---- */

static void put_id(struct buf *out, const char *name, const uint64_t *words, size_t count)
{
    buf_put_key(out, name);
    buf_putc(out, '"');
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%016" PRIx64, words[i]);
    buf_putc(out, '"');
}

void otlp_put_span(const struct otlp_span *span, struct buf *out)
{
    char name[320];
    int len = snprintf(name, sizeof name, "%s %.*s", span->verb, STR_ARG(span->object));
    size_t shown = (size_t)len < sizeof name ? (size_t)len : sizeof name - 1;
    buf_put_comma(out);
    buf_putc(out, '{');
    put_id(out, "traceId", span->trace, 2);
    put_id(out, "spanId", &span->id, 1);
    if (span->parent)
        put_id(out, "parentSpanId", &span->parent, 1);
    buf_put_member(out, "name", (weir_str){name, shown});
    buf_put_number_member(out, "kind", SPAN_CONSUMER);
    put_time(out, "startTimeUnixNano", span->begun_us);
    put_time(out, "endTimeUnixNano", span->ended_us);
    buf_puts(out, ",\"attributes\":[");
    buf_put_str(out, span->attributes);
    buf_puts(out, "],\"status\":{");
    if (span->failed)
        buf_put_number_member(out, "code", STATUS_ERROR);
    buf_puts(out, "}}");
}

void otlp_put_traces(weir_str spans, weir_str resource, struct buf *out)
{
    open_request(out, "Spans", "spans", resource);
    buf_put_str(out, spans);
    close_request(out);
}
