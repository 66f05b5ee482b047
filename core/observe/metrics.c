#include "observe/metrics.h"

#include <weir/plugin.h>
#include <weir/version.h>

#include <stdio.h>

/* In the order of metric_table. */
enum metric_id {
    M_BUILD,
    M_START,
    M_RECORDS,
    M_BYTES,
    M_ERRORS,
    M_POISON,
    M_GAPS,
    M_SHARDS,
    M_SHARD_LAG,
    M_LAG,
    M_CHECKPOINT,
    M_SINK_RECORDS,
    M_RETRIES,
    M_AMBIGUOUS,
    M_LATE,
    M_QUEUE,
    M_IN_FLIGHT,
    M_SECONDS,
    M_UP,
    M_RELOADS,
    M_RELOADED,
    M_LOOP_LAG,
    M_TAP_DROPPED,
    M_LOG_DROPPED,
    M_EXPORTS,
    M_SPANS_DROPPED,
    M_CPU,
    M_RESIDENT,
    M_VIRTUAL,
    M_FDS,
    M_MAX_FDS,
    M_PROCESS_START,
    M_COUNT
};

const struct metric metric_table[M_COUNT + 1] = {
    [M_BUILD] = {"weir_build_info", METRIC_GAUGE, "1", "Always 1; what runs here."},
    [M_START] = {"weir_start_time_seconds", METRIC_GAUGE, "s", "When the run began, in unix time."},
    [M_RECORDS] = {"weir_source_records_total", METRIC_COUNTER, "{record}",
                   "Records read, by event; a sink that reads alone counts again what it reads."},
    [M_BYTES] = {"weir_source_bytes_total", METRIC_COUNTER, "By", "Bytes of the answers read."},
    [M_ERRORS] = {"weir_source_errors_total", METRIC_COUNTER, "{call}",
                  "Calls to the source that failed, by operation and kind of failure."},
    [M_POISON] = {"weir_source_poison_total", METRIC_COUNTER, "{record}",
                  "Records that could not be decoded."},
    [M_GAPS] = {"weir_source_gaps_total", METRIC_COUNTER, "{range}",
                "Ranges of records that were trimmed before a sink got them."},
    [M_SHARDS] = {"weir_shards", METRIC_GAUGE, "{shard}",
                  "Shards that are not finished, by state."},
    [M_SHARD_LAG] = {"weir_shard_lag_seconds", METRIC_GAUGE, "s",
                     "How far the required sinks are behind on a shard that is being read."},
    [M_LAG] = {"weir_source_lag_seconds", METRIC_GAUGE, "s", "The lag of the worst shard."},
    [M_CHECKPOINT] = {"weir_checkpoint_age_seconds", METRIC_GAUGE, "s",
                      "Time since all progress was known to be stored."},
    [M_SINK_RECORDS] = {"weir_sink_records_total", METRIC_COUNTER, "{record}",
                        "Records that a sink is done with, by what became of them."},
    [M_RETRIES] = {"weir_sink_retries_total", METRIC_COUNTER, "{attempt}",
                   "Attempts that have to be repeated, by reason."},
    [M_AMBIGUOUS] = {"weir_http_ambiguous_total", METRIC_COUNTER, "{call}",
                     "Calls of a sink that were sent and never answered: perhaps carried out."},
    [M_LATE] = {"weir_late_completions_total", METRIC_COUNTER, "{record}",
                "Records that a plugin completed after its delivery was cancelled."},
    [M_QUEUE] = {"weir_sink_queue_records", METRIC_GAUGE, "{record}",
                 "Records that wait for a sink."},
    [M_IN_FLIGHT] = {"weir_sink_inflight_records", METRIC_GAUGE, "{record}",
                     "Records that are with a sink's plugin."},
    [M_SECONDS] = {"weir_sink_delivery_seconds", METRIC_HISTOGRAM, "s",
                   "Time from handing a delivery to the plugin to its last completion."},
    [M_UP] = {"weir_sink_up", METRIC_GAUGE, "1",
              "0 while a sink is down and being probed, or paused by an operator."},
    [M_RELOADS] = {"weir_config_reloads_total", METRIC_COUNTER, "{reload}",
                   "Reloads of the configuration, by result."},
    [M_RELOADED] = {"weir_config_last_reload_success_timestamp_seconds", METRIC_GAUGE, "s",
                    "When the configuration in force was loaded, in unix time."},
    [M_LOOP_LAG] = {"weir_loop_lag_seconds", METRIC_GAUGE, "s",
                    "How late the event loop was at worst within the last seconds."},
    [M_TAP_DROPPED] = {"weir_tap_dropped_total", METRIC_COUNTER, "{line}",
                       "Lines of the tap that a slow reader did not get."},
    [M_LOG_DROPPED] = {"weir_log_dropped_total", METRIC_COUNTER, "{line}",
                       "Log lines that could not be written."},
    [M_EXPORTS] = {"weir_otlp_exports_total", METRIC_COUNTER, "{call}",
                   "Exports to the OpenTelemetry collector, by signal and result."},
    [M_SPANS_DROPPED] = {"weir_otlp_spans_dropped_total", METRIC_COUNTER, "{span}",
                         "Spans that the OpenTelemetry collector did not get."},
    [M_CPU] = {"process_cpu_seconds_total", METRIC_COUNTER, "s", "Processor time used."},
    [M_RESIDENT] = {"process_resident_memory_bytes", METRIC_GAUGE, "By", "Resident memory."},
    [M_VIRTUAL] = {"process_virtual_memory_bytes", METRIC_GAUGE, "By", "Virtual memory."},
    [M_FDS] = {"process_open_fds", METRIC_GAUGE, "{descriptor}", "Open file descriptors."},
    [M_MAX_FDS] = {"process_max_fds", METRIC_GAUGE, "{descriptor}",
                   "The most file descriptors that may be open."},
    [M_PROCESS_START] = {"process_start_time_seconds", METRIC_GAUGE, "s",
                         "When the process began, in unix time."},
};

struct walk {
    const struct observed *observed;
    const struct metric_writer *writer;
    enum metric_id id;
};

static void begin(struct walk *walk, enum metric_id id)
{
    walk->id = id;
    walk->writer->family(walk->writer->ctx, &metric_table[id]);
}

static void put_sample(const struct walk *walk, const struct metric_sample *sample)
{
    walk->writer->sample(walk->writer->ctx, &metric_table[walk->id], sample);
}

static void put(const struct walk *walk, double value)
{
    put_sample(walk, &(struct metric_sample){.value = value});
}

static void put_with(const struct walk *walk, const char *label, weir_str value, double number)
{
    put_sample(walk, &(struct metric_sample){.label_names = {label},
                                             .label_values = {value},
                                             .label_count = 1,
                                             .value = number});
}

static void put_with2(const struct walk *walk, const char *label, weir_str value,
                      const char *label2, weir_str value2, double number)
{
    put_sample(walk, &(struct metric_sample){.label_names = {label, label2},
                                             .label_values = {value, value2},
                                             .label_count = 2,
                                             .value = number});
}

static void put_one(struct walk *walk, enum metric_id id, double value)
{
    begin(walk, id);
    put(walk, value);
}

static double seconds_of_ms(int64_t ms)
{
    return (double)ms / 1000;
}

static double seconds_of_us(int64_t us)
{
    return (double)us / 1e6;
}

/* ---- source ---- */

enum { SOURCES_MAX = 64 };

struct source { /* the streams of one table: the one of now and those before it */
    weir_str name;
    struct read_counts read;
    uint64_t gaps, faults[POLL_OPS][STREAMS_FAULTS];
    uint64_t waiting, reading, held, ended;
    int64_t lag_ms;
};

struct sources {
    struct source list[SOURCES_MAX];
    size_t count;
};

/* Beyond so many tables the rest is one source: a series more is worth less than a bound. */
static struct source *source_named(struct sources *sources, weir_str name)
{
    for (size_t i = 0; i < sources->count; i++)
        if (str_eq(sources->list[i].name, name))
            return &sources->list[i];
    if (sources->count == SOURCES_MAX)
        return &sources->list[SOURCES_MAX - 1];
    struct source *source = &sources->list[sources->count++];
    *source =
        (struct source){.name = sources->count == SOURCES_MAX ? STR("other") : name, .lag_ms = -1};
    return source;
}

static void add_stream(void *ctx, const struct poll_stream *stream)
{
    struct source *source = source_named(ctx, stream->table);
    for (size_t i = 0; i < READ_EVENTS; i++)
        source->read.events[i] += stream->read->events[i];
    source->read.bytes += stream->read->bytes;
    source->gaps += stream->gaps;
    for (size_t op = 0; op < POLL_OPS; op++)
        for (size_t fault = 0; fault < STREAMS_FAULTS; fault++)
            source->faults[op][fault] += stream->faults[op][fault];
    source->waiting += stream->waiting;
    source->reading += stream->reading;
    source->held += stream->held;
    source->ended += stream->ended;
}

static void add_lag(void *ctx, const struct poll_shard *shard)
{
    struct source *source = source_named(ctx, shard->table);
    if (shard->lag_ms > source->lag_ms)
        source->lag_ms = shard->lag_ms;
}

static void find_sources(const struct observed *observed, struct sources *sources)
{
    sources->count = 0;
    if (observed->poll) {
        poll_each_stream(observed->poll, add_stream, sources);
        poll_each_shard(observed->poll, add_lag, sources);
    } else if (observed->read) {
        source_named(sources, str_of(observed->mode))->read = *observed->read;
    }
}

static void put_read(struct walk *walk, const struct sources *sources)
{
    begin(walk, M_RECORDS);
    for (size_t i = 0; i < sources->count; i++)
        for (size_t event = 0; event < READ_EVENTS; event++)
            put_with2(walk, "source", sources->list[i].name, "event",
                      str_of(read_event_name(event)), (double)sources->list[i].read.events[event]);
    begin(walk, M_BYTES);
    for (size_t i = 0; i < sources->count; i++)
        put_with(walk, "source", sources->list[i].name, (double)sources->list[i].read.bytes);
    begin(walk, M_POISON);
    for (size_t i = 0; i < sources->count; i++)
        put_with(walk, "source", sources->list[i].name,
                 (double)sources->list[i].read.events[READ_EVENTS - 1]);
}

static void put_faults(const struct walk *walk, const struct source *source)
{
    for (size_t op = 0; op < POLL_OPS; op++)
        for (int fault = STREAMS_OK + 1; fault < STREAMS_ABORTED; fault++)
            if (source->faults[op][fault] || fault == STREAMS_THROTTLED)
                put_sample(
                    walk,
                    &(struct metric_sample){
                        .label_names = {"source", "op", "kind"},
                        .label_values = {source->name, str_of(poll_op_name((enum poll_op)op)),
                                         str_of(streams_fault_name((enum streams_fault)fault))},
                        .label_count = 3,
                        .value = (double)source->faults[op][fault]});
}

static void put_states(const struct walk *walk, const struct source *source)
{
    const struct {
        const char *name;
        uint64_t count;
    } states[] = {{"waiting", source->waiting},
                  {"reading", source->reading},
                  {"held", source->held},
                  {"ended", source->ended}};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        put_with2(walk, "source", source->name, "state", str_of(states[i].name),
                  (double)states[i].count);
}

static void put_shard_lag(void *ctx, const struct poll_shard *shard)
{
    if (shard->lag_ms >= 0)
        put_with2(ctx, "source", shard->table, "shard", shard->id, seconds_of_ms(shard->lag_ms));
}

static void put_polled(struct walk *walk, const struct sources *sources)
{
    const struct poll *poll = walk->observed->poll;
    double unstored_s = seconds_of_ms(poll_health(poll).unstored_ms);
    begin(walk, M_ERRORS);
    for (size_t i = 0; i < sources->count; i++)
        put_faults(walk, &sources->list[i]);
    begin(walk, M_GAPS);
    for (size_t i = 0; i < sources->count; i++)
        put_with(walk, "source", sources->list[i].name, (double)sources->list[i].gaps);
    begin(walk, M_SHARDS);
    for (size_t i = 0; i < sources->count; i++)
        put_states(walk, &sources->list[i]);
    begin(walk, M_SHARD_LAG);
    poll_each_shard(poll, put_shard_lag, walk);
    begin(walk, M_LAG);
    for (size_t i = 0; i < sources->count; i++)
        if (sources->list[i].lag_ms >= 0)
            put_with(walk, "source", sources->list[i].name, seconds_of_ms(sources->list[i].lag_ms));
    begin(walk, M_CHECKPOINT);
    for (size_t i = 0; i < sources->count; i++)
        put_with(walk, "source", sources->list[i].name, unstored_s);
}

/* ---- sinks ---- */

static weir_str sink_name(const struct walk *walk, size_t sink)
{
    return str_of(router_sink_name(walk->observed->router, sink));
}

static void put_outcomes(const struct walk *walk, size_t sink)
{
    const struct sink_counts counts = router_counts(walk->observed->router, sink);
    const struct {
        const char *name;
        uint64_t count;
    } outcomes[] = {
        {"delivered", counts.delivered}, {"skipped", counts.skipped},
        {"duplicate", counts.duplicate}, {"filtered", counts.filtered},
        {"dead", counts.dead},           {"dropped", counts.dropped},
        {"returned", counts.returned},
    };
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        put_with2(walk, "sink", sink_name(walk, sink), "outcome", str_of(outcomes[i].name),
                  (double)outcomes[i].count);
}

/* At or behind this place: one that was not removed. */
static size_t next_sink(const struct walk *walk, size_t sink)
{
    const struct router *router = walk->observed->router;
    while (sink < router_sink_count(router) && router_sink_gone(router, sink))
        sink++;
    return sink;
}

static void put_sink_counters(struct walk *walk, size_t count)
{
    const struct observed *observed = walk->observed;
    begin(walk, M_SINK_RECORDS);
    for (size_t i = next_sink(walk, 0); i < count; i = next_sink(walk, i + 1))
        put_outcomes(walk, i);
    begin(walk, M_RETRIES);
    for (size_t i = next_sink(walk, 0); i < count; i = next_sink(walk, i + 1)) {
        const struct sink_view view = router_view(observed->router, i);
        for (int reason = 0; reason < RETRY_REASONS; reason++)
            put_with2(walk, "sink", sink_name(walk, i), "reason",
                      str_of(retry_reason_name((enum retry_reason)reason)),
                      (double)view.retries[reason]);
    }
    begin(walk, M_AMBIGUOUS);
    for (size_t i = next_sink(walk, 0); i < count && observed->ambiguous;
         i = next_sink(walk, i + 1))
        put_with(walk, "sink", sink_name(walk, i), (double)observed->ambiguous(observed->ctx, i));
    begin(walk, M_LATE);
    for (size_t i = next_sink(walk, 0); i < count; i = next_sink(walk, i + 1))
        put_with(walk, "sink", sink_name(walk, i), (double)router_counts(observed->router, i).late);
}

static void put_sink_gauges(struct walk *walk, size_t count)
{
    const struct router *router = walk->observed->router;
    begin(walk, M_QUEUE);
    for (size_t i = next_sink(walk, 0); i < count; i = next_sink(walk, i + 1))
        put_with(walk, "sink", sink_name(walk, i), (double)router_view(router, i).queued);
    begin(walk, M_IN_FLIGHT);
    for (size_t i = next_sink(walk, 0); i < count; i = next_sink(walk, i + 1))
        put_with(walk, "sink", sink_name(walk, i), (double)router_view(router, i).in_flight);
    begin(walk, M_SECONDS);
    for (size_t i = next_sink(walk, 0); i < count; i = next_sink(walk, i + 1)) {
        const struct sink_view view = router_view(router, i);
        put_sample(walk, &(struct metric_sample){.label_names = {"sink"},
                                                 .label_values = {sink_name(walk, i)},
                                                 .label_count = 1,
                                                 .histogram = &view.seconds});
    }
    begin(walk, M_UP);
    for (size_t i = next_sink(walk, 0); i < count; i = next_sink(walk, i + 1)) {
        const struct sink_counts counts = router_counts(router, i);
        put_with(walk, "sink", sink_name(walk, i), counts.up && !counts.paused_since_ms ? 1 : 0);
    }
}

/* ---- the program ---- */

static void put_program(struct walk *walk)
{
    const struct observed *observed = walk->observed;
    char abi[24];
    snprintf(abi, sizeof abi, "%u.%u", WEIR_ABI_CURRENT >> 16, WEIR_ABI_CURRENT & 0xffff);
    begin(walk, M_BUILD);
    put_sample(walk, &(struct metric_sample){
                         .label_names = {"version", "abi", "mode"},
                         .label_values = {STR(WEIR_VERSION), str_of(abi), str_of(observed->mode)},
                         .label_count = 3,
                         .value = 1});
    put_one(walk, M_START, seconds_of_us(observed->started_us));
}

static void put_rest(struct walk *walk)
{
    const struct observed *observed = walk->observed;
    begin(walk, M_RELOADS);
    put_with(walk, "result", STR("success"), (double)observed->reload.succeeded);
    put_with(walk, "result", STR("refused"), (double)observed->reload.refused);
    put_one(walk, M_RELOADED, seconds_of_us(observed->reload.last_success_us));
    if (observed->loop_lag_ms >= 0)
        put_one(walk, M_LOOP_LAG, seconds_of_ms(observed->loop_lag_ms));
    put_one(walk, M_TAP_DROPPED, (double)observed->tap_dropped);
    put_one(walk, M_LOG_DROPPED, (double)observed->log_dropped);
}

static void put_exports(struct walk *walk)
{
    static const char *const signals[OTLP_SIGNALS] = {"metrics", "traces"};
    const struct otlp_counts *counts = walk->observed->otlp;
    if (!counts)
        return;
    begin(walk, M_EXPORTS);
    for (size_t i = 0; i < OTLP_SIGNALS; i++) {
        put_with2(walk, "signal", str_of(signals[i]), "result", STR("done"),
                  (double)counts->done[i]);
        put_with2(walk, "signal", str_of(signals[i]), "result", STR("failed"),
                  (double)counts->failed[i]);
    }
    put_one(walk, M_SPANS_DROPPED, (double)counts->spans_dropped);
}

/* ---- what the plugins count ---- */

static struct figures *figures_of(const struct walk *walk, size_t sink)
{
    const weir_instance *instance = router_sink_instance(walk->observed->router, sink);
    return instance ? instance->figures : NULL;
}

static struct metric family_of(const struct figure *figure)
{
    static const enum metric_kind kinds[] = {[WEIR_M_COUNTER] = METRIC_COUNTER,
                                             [WEIR_M_GAUGE] = METRIC_GAUGE,
                                             [WEIR_M_HISTOGRAM] = METRIC_HISTOGRAM};
    return (struct metric){.name = figure->name,
                           .kind = kinds[figure->kind],
                           .unit = figure->kind == WEIR_M_HISTOGRAM ? "s" : "1",
                           .help = figure->help};
}

/* Whether the family was told with an earlier sink, or an earlier series of this one. */
static bool is_told(const struct walk *walk, size_t sink, size_t series, const char *name)
{
    struct figure other;
    for (size_t i = next_sink(walk, 0); i <= sink; i = next_sink(walk, i + 1)) {
        struct figures *figures = figures_of(walk, i);
        size_t count = i == sink ? series : figures_count(figures);
        for (size_t k = 0; k < count; k++) {
            figures_read(figures, k, &other);
            if (strcmp(other.name, name) == 0)
                return true;
        }
    }
    return false;
}

/* All series of a family: the sinks of one plugin, which may have their options make different
 * ones. */
static void put_family(const struct walk *walk, size_t first, const struct metric *metric)
{
    const struct metric_writer *writer = walk->writer;
    size_t count = router_sink_count(walk->observed->router);
    struct figure figure;
    writer->family(writer->ctx, metric);
    for (size_t i = first; i < count; i = next_sink(walk, i + 1)) {
        struct figures *figures = figures_of(walk, i);
        for (size_t k = 0; k < figures_count(figures); k++) {
            figures_read(figures, k, &figure);
            if (strcmp(figure.name, metric->name) != 0 || family_of(&figure).kind != metric->kind)
                continue;
            writer->sample(
                writer->ctx, metric,
                &(struct metric_sample){.label_names = {"sink", figure.label},
                                        .label_values = {sink_name(walk, i), str_of(figure.value)},
                                        .label_count = figure.label ? 2 : 1,
                                        .value = (double)figure.number,
                                        .histogram = &figure.durations});
        }
    }
}

static void put_plugins(const struct walk *walk)
{
    size_t count = router_sink_count(walk->observed->router);
    struct figure figure;
    for (size_t i = next_sink(walk, 0); i < count; i = next_sink(walk, i + 1)) {
        struct figures *figures = figures_of(walk, i);
        for (size_t k = 0; k < figures_count(figures); k++) {
            figures_read(figures, k, &figure);
            const struct metric metric = family_of(&figure);
            if (!is_told(walk, i, k, figure.name))
                put_family(walk, i, &metric);
        }
    }
}

static void put_process(struct walk *walk)
{
    const struct process_figures figures = process_figures();
    put_one(walk, M_CPU, figures.cpu_s);
    const struct {
        enum metric_id id;
        int64_t value;
    } known[] = {{M_RESIDENT, figures.resident_bytes},
                 {M_VIRTUAL, figures.virtual_bytes},
                 {M_FDS, figures.open_fds},
                 {M_MAX_FDS, figures.max_fds}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].value >= 0)
            put_one(walk, known[i].id, (double)known[i].value);
    put_one(walk, M_PROCESS_START, seconds_of_us(walk->observed->started_us));
}

void metrics_walk(const struct observed *observed, const struct metric_writer *writer)
{
    struct walk walk = {.observed = observed, .writer = writer};
    struct sources sources;
    find_sources(observed, &sources);
    put_program(&walk);
    put_read(&walk, &sources);
    if (observed->poll)
        put_polled(&walk, &sources);
    size_t count = router_sink_count(observed->router);
    put_sink_counters(&walk, count);
    put_sink_gauges(&walk, count);
    put_plugins(&walk);
    put_rest(&walk);
    put_exports(&walk);
    put_process(&walk);
}
