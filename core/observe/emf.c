/* Format: AWS's "Specification: Embedded metric format", version 0. */
#include "observe/emf.h"

#include "util/text.h"

#include <inttypes.h>

struct metric {
    const char *name, *unit;
    int64_t value;
};

static int64_t count_of(uint64_t count)
{
    return count > INT64_MAX ? INT64_MAX : (int64_t)count;
}

static int64_t time_of(int64_t ms)
{
    return ms < 0 ? EMF_NONE : ms;
}

static void put_text(struct buf *out, const char *name, weir_str value)
{
    if (value.len == 0)
        return;
    buf_printf(out, ",\"%s\":", name);
    buf_put_json_string(out, value);
}

/* What has no value is left out of the document. */
static void put_line(struct buf *out, const struct emf_invocation *invocation, weir_str sink,
                     const struct metric *metrics, size_t count)
{
    buf_printf(out, "{\"_aws\":{\"Timestamp\":%" PRId64 ",\"CloudWatchMetrics\":[{\"Namespace\":",
               invocation->wall_ms);
    buf_put_json_string(out, str_of(invocation->name_space));
    buf_printf(out, ",\"Dimensions\":[[\"service\"%s]],\"Metrics\":[", sink.len ? ",\"sink\"" : "");
    const char *comma = "";
    for (size_t i = 0; i < count; i++) {
        if (metrics[i].value == EMF_NONE)
            continue;
        buf_printf(out, "%s{\"Name\":\"%s\",\"Unit\":\"%s\"}", comma, metrics[i].name,
                   metrics[i].unit);
        comma = ",";
    }
    buf_puts(out, "]}]},\"service\":\"weir\"");
    put_text(out, "sink", sink);
    put_text(out, "function_name",
             invocation->function_name ? str_of(invocation->function_name) : STR_NONE);
    put_text(out, "function_request_id", invocation->request_id);
    for (size_t i = 0; i < count; i++)
        if (metrics[i].value != EMF_NONE)
            buf_printf(out, ",\"%s\":%" PRId64, metrics[i].name, metrics[i].value);
    buf_puts(out, "}\n");
}

void emf_put_invocation(struct buf *out, const struct emf_invocation *invocation)
{
    const struct metric metrics[] = {
        {"RecordsReceived", "Count", count_of(invocation->received)},
        {"RecordsDelivered", "Count", count_of(invocation->delivered)},
        {"RecordsFailed", "Count", count_of(invocation->failed)},
        {"BatchItemFailures", "Count", count_of(invocation->batch_item_failures)},
        {"SinkLatency", "Milliseconds", time_of(invocation->latency_ms)},
        {"RecordAge", "Milliseconds", time_of(invocation->record_age_ms)},
        {"ColdStart", "Count", invocation->cold_start},
    };
    put_line(out, invocation, STR_NONE, metrics, sizeof metrics / sizeof *metrics);
}

void emf_put_sink(struct buf *out, const struct emf_invocation *invocation,
                  const struct emf_sink *sink)
{
    enum { OWN = 3 };
    struct metric metrics[OWN + EMF_FIGURES_MAX] = {
        {"RecordsDelivered", "Count", count_of(sink->delivered)},
        {"RecordsFailed", "Count", count_of(sink->failed)},
        {"SinkLatency", "Milliseconds", time_of(sink->latency_ms)},
    };
    for (size_t i = 0; i < sink->figure_count; i++)
        metrics[OWN + i] =
            (struct metric){sink->figures[i].name, sink->figures[i].unit, sink->figures[i].value};
    put_line(out, invocation, str_of(sink->name), metrics, OWN + sink->figure_count);
}
