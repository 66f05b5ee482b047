/* The figures about a run, each with its name, type and help in one table. Nothing is registered
 * and nothing is kept: whoever wants them walks over what there is at the moment. */
#ifndef WEIR_OBSERVE_METRICS_H
#define WEIR_OBSERVE_METRICS_H
#include "observe/observed.h"

enum metric_kind { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };
struct metric {
    const char *name; /* NULL ends the table */
    enum metric_kind kind;
    const char *unit; /* UCUM: "s", "By", "{record}" */
    const char *help;
};
extern const struct metric metric_table[];

enum { METRIC_LABELS_MAX = 4 };
struct metric_sample { /* of one series; valid during the call */
    const char *label_names[METRIC_LABELS_MAX];
    weir_str label_values[METRIC_LABELS_MAX];
    size_t label_count;
    double value;
    const struct histogram *histogram; /* METRIC_HISTOGRAM: instead of the value */
};
struct metric_writer {
    void *ctx;
    void (*family)(void *ctx, const struct metric *metric); /* before its samples, once */
    void (*sample)(void *ctx, const struct metric *metric, const struct metric_sample *sample);
};
void metrics_walk(const struct observed *observed, const struct metric_writer *writer);

/* Prometheus' text format, version 0.0.4. */
void metrics_put_text(const struct observed *observed, struct buf *out);

/* What the operating system says of this process; values below 0 are not known. */
struct process_figures {
    double cpu_s;
    int64_t resident_bytes, virtual_bytes, open_fds, max_fds;
};
struct process_figures process_figures(void);
#endif
