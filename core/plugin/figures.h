/* The figures of one sink's plugin: weir.metrics/1, as the core reads them. */
#ifndef WEIR_PLUGIN_FIGURES_H
#define WEIR_PLUGIN_FIGURES_H
#include "util/histogram.h"
#include <weir/ext/metrics.h>
#include <stdbool.h>

struct figures; /* of an instance; NULL = none */

struct figure { /* one series; its texts live as long as the instance */
    int32_t kind;
    const char *name;         /* weir_plugin_PLUGIN_NAME */
    const char *own_name;     /* NAME */
    const char *label, *help; /* label NULL = none */
    const char *value;        /* of the label */
    int64_t number;           /* of a counter or gauge */
    struct histogram durations;
};

size_t figures_count(const struct figures *figures);                      /* fixed after open() */
void figures_read(struct figures *figures, size_t i, struct figure *out); /* [any] */
/* What came since the last call: of a counter the sum, of a histogram the mean in ms (-1 = nothing
 * came), of a gauge the value. [one thread] */
int64_t figures_since(struct figures *figures, size_t i);
void figures_free(struct figures *figures);

extern const weir_metrics ext_metrics_table;
#endif
