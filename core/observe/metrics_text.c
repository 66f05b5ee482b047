/* Prometheus' text format. */
#include "observe/metrics.h"

#include <inttypes.h>
#include <stdio.h>

static void put_escaped(struct buf *out, weir_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\\' || c == '"')
            buf_putc(out, '\\');
        if (c == '\n')
            buf_puts(out, "\\n");
        else
            buf_putc(out, c);
    }
}

static void put_labels(struct buf *out, const struct metric_sample *sample, const char *bound)
{
    if (sample->label_count == 0 && !bound)
        return;
    for (size_t i = 0; i < sample->label_count; i++) {
        buf_printf(out, "%s%s=\"", i ? "," : "{", sample->label_names[i]);
        put_escaped(out, sample->label_values[i]);
        buf_putc(out, '"');
    }
    if (bound)
        buf_printf(out, "%sle=\"%s\"", sample->label_count ? "," : "{", bound);
    buf_putc(out, '}');
}

static void put_number(struct buf *out, const char *name, const char *suffix,
                       const struct metric_sample *sample, const char *bound, double value)
{
    buf_printf(out, "%s%s", name, suffix);
    put_labels(out, sample, bound);
    buf_printf(out, " %.15g\n", value);
}

static void put_family(void *ctx, const struct metric *metric)
{
    static const char *const kinds[] = {
        [METRIC_GAUGE] = "gauge", [METRIC_COUNTER] = "counter", [METRIC_HISTOGRAM] = "histogram"};
    buf_printf(ctx, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name,
               kinds[metric->kind]);
}

static void put_histogram(struct buf *out, const struct metric *metric,
                          const struct metric_sample *sample)
{
    const struct histogram *histogram = sample->histogram;
    uint64_t below = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        char bound[32];
        below += histogram->buckets[i];
        snprintf(bound, sizeof bound, "%.15g", (double)histogram_bound_ms(i) / 1000);
        put_number(out, metric->name, "_bucket", sample, bound, (double)below);
    }
    put_number(out, metric->name, "_bucket", sample, "+Inf", (double)histogram->count);
    put_number(out, metric->name, "_sum", sample, NULL, (double)histogram->sum_ms / 1000);
    put_number(out, metric->name, "_count", sample, NULL, (double)histogram->count);
}

static void put_sample(void *ctx, const struct metric *metric, const struct metric_sample *sample)
{
    if (metric->kind == METRIC_HISTOGRAM)
        put_histogram(ctx, metric, sample);
    else
        put_number(ctx, metric->name, "", sample, NULL, sample->value);
}

void metrics_put_text(const struct observed *observed, struct buf *out)
{
    const struct metric_writer writer = {out, put_family, put_sample};
    metrics_walk(observed, &writer);
}
