/* OpenTelemetry's protocol in its JSON form: requests of OTLP/HTTP for metrics and traces. Proto3's
 * JSON with the protocol's own rules: 64-bit integers are strings, enums numbers, ids lowercase
 * hex.
 */
#ifndef WEIR_OBSERVE_OTLP_H
#define WEIR_OBSERVE_OTLP_H
#include "observe/metrics.h"

struct otlp_attribute {
    weir_str name, value;
};

/* The elements of a list of attributes, each behind a comma where one is needed. */
void otlp_put_text(struct buf *out, const char *name, weir_str value); /* an empty one: nothing */
void otlp_put_count(struct buf *out, const char *name, uint64_t value);

/* A whole request with every metric of the table that has a sample: its name without "_total",
 * which says what the type says, so that a Prometheus behind the collector has the names of
 * /metrics. `resource`: attributes as above. Sums and histograms count from started_us. */
void otlp_put_metrics(const struct observed *observed, weir_str resource, struct buf *out);

struct otlp_span {
    uint64_t trace[2], id, parent; /* parent 0: none */
    const char *verb;              /* the name is "VERB OBJECT" */
    weir_str object;
    int64_t begun_us, ended_us; /* unix time */
    weir_str attributes;        /* as above */
    bool failed;
};
/* One element of a list of spans. */
void otlp_put_span(const struct otlp_span *span, struct buf *out);
/* A whole request with these spans. */
void otlp_put_traces(weir_str spans, weir_str resource, struct buf *out);
#endif
