/* weir.metrics/1: figures of a sink's own. The daemon shows them at /metrics as
 * weir_plugin_PLUGIN_NAME{sink="SINK"}, Lambda in the log line of the sink (CloudWatch's embedded
 * metric format). A series is made in open(), so what there is at most is known from the start. */
#ifndef WEIR_EXT_METRICS_H
#define WEIR_EXT_METRICS_H
#include <weir/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_EXT_METRICS "weir.metrics/1"

enum {
    WEIR_M_COUNTER = 1, /* only grows; its name ends in _total */
    WEIR_M_GAUGE,       /* any value; its name does not end in _total, nor is it "sink", "service",
                            "function_name" or "function_request_id" */
    WEIR_M_HISTOGRAM    /* durations; its name ends in _seconds */
};
enum { WEIR_METRICS_MAX = 32 }; /* series of one sink */

typedef struct weir_metrics {
    uint32_t revision, struct_size; /* revision 1 */
    /* Makes a series, at 0. `name` is [a-z][a-z0-9_]*, at most 48 bytes, and `label` (optional, not
     * "sink" or "le") too, with `value` of 1 to 48 bytes of [A-Za-z0-9_.-]; several series may have
     * one name, if kind and label are the same and the value is another. `help` is one sentence, 1
     * to 200 bytes of printable ASCII without a backslash. All are copied.
     * Returns an id above 0; -EINVAL (also outside open()), -EEXIST, -ENOSPC, -ENOMEM. [open] */
    int32_t (*make)(weir_instance *, int32_t kind, const char *name, const char *label,
                    const char *value, const char *help);
    /* Each for its kind; ids that are none, or of another kind, are ignored. [any] */
    void (*add)(weir_instance *, int32_t counter, uint64_t count);
    void (*set)(weir_instance *, int32_t gauge, int64_t value);
    void (*observe)(weir_instance *, int32_t histogram, int64_t ms); /* below 0 counts as 0 */
} weir_metrics;

#ifdef __cplusplus
}
#endif
#endif
