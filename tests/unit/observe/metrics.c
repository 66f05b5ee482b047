/* /metrics over a poll: the identity of promise 4 in its figures, and series that do not grow. */
#include "observe/metrics.h"
#include "prig.h"

static struct prig *prig_of(size_t sinks)
{
    struct prig *prig = calloc(1, sizeof *prig);
    CHECK_FATAL(prig != NULL);
    prig_init(prig, sinks);
    streams_model_create(&prig->model, "Products", 1, prig_unix_ms(prig));
    return prig;
}

static void done(struct prig *prig)
{
    prig_stop(prig, 0);
    prig_done(prig);
    free(prig);
}

static uint64_t no_calls(void *ctx, size_t sink)
{
    (void)ctx;
    return sink;
}

/* The poll is started by then. */
static struct observed observe(struct prig *prig)
{
    static const struct otlp_counts exports = {.done = {1}};
    return (struct observed){.pipeline = "prices",
                             .mode = "poll",
                             .world = &prig->rig.world.world,
                             .router = prig->rig.router,
                             .poll = prig->poll,
                             .started_us = 1700000000000000,
                             .otlp = &exports,
                             .ambiguous = no_calls};
}

static char *text_of(struct prig *prig)
{
    const struct observed observed = observe(prig);
    struct buf out;
    buf_init(&out, 64 << 20);
    metrics_put_text(&observed, &out);
    CHECK(!out.failed);
    char *text = strdup(buf_cstr(&out));
    buf_done(&out);
    return text;
}

/* The sum of all series whose line begins so. */
static double sum(const char *text, const char *begin)
{
    double total = 0;
    for (const char *at = text; (at = strstr(at, begin)); at++)
        if (at == text || at[-1] == '\n') {
            const char *end = strchr(at, '\n'), *value = end;
            while (value[-1] != ' ')
                value--;
            total += (double)strtoll(value, NULL, 10);
        }
    return total;
}

static size_t lines(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

/* records read = delivered + skipped + duplicate + filtered + dead + dropped + returned + pending,
 * at any moment and for each sink. */
static void check_identity(struct prig *prig)
{
    char *text = text_of(prig), begin[80];
    double read = sum(text, "weir_source_records_total{");
    for (char sink = 'a'; sink < 'a' + (char)prig->rig.count; sink++) {
        snprintf(begin, sizeof begin, "weir_sink_records_total{sink=\"%c\"", sink);
        double known = sum(text, begin);
        snprintf(begin, sizeof begin, "weir_sink_queue_records{sink=\"%c\"", sink);
        known += sum(text, begin);
        snprintf(begin, sizeof begin, "weir_sink_inflight_records{sink=\"%c\"", sink);
        known += sum(text, begin);
        CHECK_INT(known, read);
    }
    free(text);
}

static void P4_the_identity_holds_in_the_metrics(void)
{
    struct prig *prig = prig_of(2);
    prig_start(prig);
    for (int i = 0; i < 40; i++) {
        prig_write(prig, 0, 25, 7);
        prig_run(prig, 130);
        check_identity(prig);
    }
    prig_run(prig, 60000);
    check_identity(prig);
    char *text = text_of(prig);
    CHECK_INT(sum(text, "weir_source_records_total{"), 1000);
    CHECK_INT(sum(text, "weir_sink_records_total{sink=\"a\",outcome=\"delivered\""), 1000);
    CHECK_INT(sum(text, "weir_sink_up{"), 2);
    CHECK(sum(text, "weir_sink_delivery_seconds_count{sink=\"a\"") > 0);
    CHECK_INT(sum(text, "weir_shards{source=\"Products\",state=\"reading\""),
              sum(text, "weir_shards{"));
    CHECK(sum(text, "weir_source_lag_seconds{") < 2);
    free(text);
    done(prig);
}

/* Each has a help, a type and a name that Prometheus takes; none is told twice. */
static void every_metric_is_told_once(void)
{
    struct prig *prig = prig_of(1);
    prig_start(prig);
    prig_run(prig, 5000);
    char *text = text_of(prig), line[200];
    for (const struct metric *metric = metric_table; metric->name; metric++) {
        snprintf(line, sizeof line, "# TYPE %s ", metric->name);
        const char *at = strstr(text, line);
        CHECK(at != NULL);
        CHECK(at && !strstr(at + 1, line));
        CHECK(strlen(metric->help) > 0);
    }
    free(text);
    done(prig);
}

/* What two sinks of one plugin count is one family; another kind of the same name is left out. */
static void figures_of_plugins_are_families_of_their_own(void)
{
    struct prig *prig = prig_of(3);
    const weir_metrics *m = &ext_metrics_table;
    for (size_t i = 0; i < 3; i++) {
        weir_instance *instance = &prig->rig.sinks[i].instance;
        instance->opening = true;
        if (i < 2) {
            m->make(instance, WEIR_M_COUNTER, "waits_total", "why", "rate", "Waits.");
            m->make(instance, WEIR_M_COUNTER, "waits_total", "why", "retry_after", "Waits.");
            m->make(instance, WEIR_M_HISTOGRAM, "took_seconds", NULL, NULL, "Took.");
        }
        m->make(instance, i == 2 ? WEIR_M_HISTOGRAM : WEIR_M_GAUGE, "x_seconds", NULL, NULL, "X.");
        instance->opening = false;
        m->add(instance, 1, 1 + i);
        m->observe(instance, 3, 20);
    }
    prig_start(prig);
    prig_run(prig, 1000);
    char *text = text_of(prig), line[200];
    const char *plugin = prig->rig.sinks[0].plugin.desc.name;
    const char *at = strstr(text, "# HELP weir_plugin_");
    CHECK_FATAL(at != NULL);
    snprintf(line, sizeof line,
             "# HELP weir_plugin_%s_waits_total Waits.\n# TYPE weir_plugin_%s_waits_total counter\n"
             "weir_plugin_%s_waits_total{sink=\"a\",why=\"rate\"} 1\n",
             plugin, plugin, plugin);
    CHECK(strncmp(at, line, strlen(line)) == 0);
    CHECK(!strstr(at + strlen(line), "_waits_total Waits."));
    CHECK(strstr(at, "_waits_total{sink=\"b\",why=\"rate\"} 2\n") != NULL);
    CHECK(strstr(at, "_took_seconds_count{sink=\"b\"} 1\n") != NULL);
    CHECK(strstr(at, "_x_seconds{sink=\"a\"} 0\n") != NULL);
    CHECK(strstr(at, "_x_seconds_count{sink=\"c\"}") == NULL);
    for (size_t i = 0; i < 3; i++) {
        figures_free(prig->rig.sinks[i].instance.figures);
        prig->rig.sinks[i].instance.figures = NULL;
    }
    free(text);
    done(prig);
}

static void series_are_bounded_after_10000_rotations(void)
{
    enum { ROTATIONS = 10000, LISTED = 50 };
    struct prig *prig = prig_of(1);
    prig_start(prig);
    prig_run(prig, 10000);
    char *text = text_of(prig);
    size_t before = lines(text), most = 0;
    free(text);
    for (int i = 0; i < ROTATIONS; i++) {
        struct model_stream *stream = &prig->model.streams[0];
        size_t leaf = streams_model_leaf(&prig->model, 0, 0);
        streams_model_close(&prig->model, 0, leaf, 1, prig_unix_ms(prig));
        stream = &prig->model.streams[0];
        if (stream->count > LISTED)
            stream->shards[stream->count - LISTED].hidden = true;
        prig_run(prig, 3000);
        if (i % 500 != 499)
            continue;
        text = text_of(prig);
        most = lines(text) > most ? lines(text) : most;
        CHECK(strstr(text, "weir_shard_lag_seconds{source=\"Products\",shard=") != NULL);
        free(text);
    }
    CHECK(prig->model.streams[0].count > ROTATIONS);
    CHECK(most <= before + LISTED);
    done(prig);
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(P4_the_identity_holds_in_the_metrics),
    TEST(every_metric_is_told_once),
    TEST(figures_of_plugins_are_families_of_their_own),
    TEST(series_are_bounded_after_10000_rotations),
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "metrics", tests);
}
