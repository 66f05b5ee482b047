/* CloudWatch's embedded metric format: metrics in log lines, for which Lambda needs no call and no
 * permission. A document has one value per dimension, so the invocation has a line (dimension
 * service) and each sink that had something to do another (service and sink). */
#ifndef WEIR_OBSERVE_EMF_H
#define WEIR_OBSERVE_EMF_H
#include "util/buf.h"

struct emf_invocation {
    const char *name_space;
    int64_t wall_ms;              /* unix time */
    const char *function_name;    /* properties, for queries; NULL = not known */
    weir_str request_id;          /* len 0 = not known */
    uint64_t received;            /* records in the event */
    uint64_t delivered, failed;   /* over all sinks */
    uint64_t batch_item_failures; /* identifiers in the answer */
    int64_t latency_ms;           /* until the last sink was finished */
    int64_t record_age_ms;        /* of the oldest record that a sink wanted; -1 = none */
    bool cold_start;
};

#define EMF_NONE INT64_MIN
enum { EMF_FIGURES_MAX = 32, EMF_LINE_BYTES = 16 << 10 /* of any line, at most */ };
struct emf_figure { /* of a plugin's own */
    char name[100];
    const char *unit; /* "Count", "Milliseconds", "None" */
    int64_t value;    /* EMF_NONE: left out */
};

struct emf_sink {
    const char *name;
    uint64_t delivered;
    uint64_t failed;    /* not delivered: given back to the mapping, dead or dropped */
    int64_t latency_ms; /* of a delivery, from handing it over to its last completion, on average;
                           -1 = there was none */
    struct emf_figure figures[EMF_FIGURES_MAX];
    size_t figure_count;
};

/* Each appends one line with its end. */
void emf_put_invocation(struct buf *out, const struct emf_invocation *invocation);
void emf_put_sink(struct buf *out, const struct emf_invocation *invocation,
                  const struct emf_sink *sink);
#endif
