#include "unit.h"

#include "observe/emf.h"

static const struct emf_invocation invocation = {
    .name_space = "Weir",
    .wall_ms = 1795386074031,
    .function_name = "prices",
    .request_id = {"r-1", 3},
    .received = 10,
    .delivered = 7,
    .failed = 3,
    .batch_item_failures = 1,
    .latency_ms = 12,
    .record_age_ms = 1500,
    .cold_start = true,
};

static void the_invocation_is_one_line(void)
{
    struct buf out;
    buf_init(&out, 4096);
    emf_put_invocation(&out, &invocation);
    CHECK_STR(
        buf_cstr(&out),
        "{\"_aws\":{\"Timestamp\":1795386074031,\"CloudWatchMetrics\":[{\"Namespace\":\"Weir\","
        "\"Dimensions\":[[\"service\"]],\"Metrics\":[{\"Name\":\"RecordsReceived\",\"Unit\":"
        "\"Count\"},{\"Name\":\"RecordsDelivered\",\"Unit\":\"Count\"},{\"Name\":\"RecordsFailed\","
        "\"Unit\":\"Count\"},{\"Name\":\"BatchItemFailures\",\"Unit\":\"Count\"},{\"Name\":"
        "\"SinkLatency\",\"Unit\":\"Milliseconds\"},{\"Name\":\"RecordAge\",\"Unit\":"
        "\"Milliseconds\"},{\"Name\":\"ColdStart\",\"Unit\":\"Count\"}]}]},\"service\":\"weir\","
        "\"function_name\":\"prices\",\"function_request_id\":\"r-1\",\"RecordsReceived\":10,"
        "\"RecordsDelivered\":7,\"RecordsFailed\":3,\"BatchItemFailures\":1,\"SinkLatency\":12,"
        "\"RecordAge\":1500,\"ColdStart\":1}\n");
    buf_done(&out);
}

static void what_is_not_known_is_left_out(void)
{
    struct emf_invocation bare = {.name_space = "A\n", .record_age_ms = -1};
    struct buf out;
    buf_init(&out, 4096);
    emf_put_invocation(&out, &bare);
    const char *text = buf_cstr(&out);
    CHECK(!strstr(text, "RecordAge"));
    CHECK(!strstr(text, "function_"));
    CHECK(strstr(text, "\"Namespace\":\"A\\n\"") || strstr(text, "\"Namespace\":\"A\\u000a\""));
    CHECK(strchr(text, '\n') == text + out.len - 1);
    buf_done(&out);
}

static void a_sink_has_a_dimension_of_its_own(void)
{
    struct emf_sink sink = {.name = "price", .delivered = 4, .failed = 3, .latency_ms = 12};
    struct emf_sink idle = {.name = "price", .latency_ms = -1};
    struct buf out;
    buf_init(&out, 4096);
    emf_put_sink(&out, &invocation, &sink);
    CHECK_STR(
        buf_cstr(&out),
        "{\"_aws\":{\"Timestamp\":1795386074031,\"CloudWatchMetrics\":[{\"Namespace\":\"Weir\","
        "\"Dimensions\":[[\"service\",\"sink\"]],\"Metrics\":[{\"Name\":\"RecordsDelivered\","
        "\"Unit\":\"Count\"},{\"Name\":\"RecordsFailed\",\"Unit\":\"Count\"},{\"Name\":"
        "\"SinkLatency\",\"Unit\":\"Milliseconds\"}]}]},\"service\":"
        "\"weir\",\"sink\":\"price\",\"function_name\":\"prices\",\"function_request_id\":\"r-1\","
        "\"RecordsDelivered\":4,\"RecordsFailed\":3,\"SinkLatency\":12}\n");
    buf_reset(&out);
    emf_put_sink(&out, &invocation, &idle);
    CHECK(!strstr(buf_cstr(&out), "SinkLatency"));
    buf_done(&out);
}

static void a_plugins_figures_stand_with_its_sink(void)
{
    struct emf_sink sink = {.name = "price",
                            .latency_ms = -1,
                            .figures = {{"drift", "None", -7},
                                        {"took_seconds", "Milliseconds", EMF_NONE},
                                        {"waits_total_rate", "Count", 7}},
                            .figure_count = 3};
    struct buf out;
    buf_init(&out, 4096);
    emf_put_sink(&out, &invocation, &sink);
    CHECK(strstr(buf_cstr(&out), "{\"Name\":\"waits_total_rate\",\"Unit\":\"Count\"}]") != NULL);
    CHECK(strstr(buf_cstr(&out), "\"waits_total_rate\":7}\n") != NULL);
    CHECK(strstr(buf_cstr(&out), "{\"Name\":\"drift\",\"Unit\":\"None\"}") != NULL);
    CHECK(strstr(buf_cstr(&out), "\"drift\":-7,") != NULL); /* a gauge may be below 0 */
    CHECK(!strstr(buf_cstr(&out), "took_seconds"));         /* nothing came */
    buf_done(&out);
}

static void the_longest_line_has_its_bound(void)
{
    char name[65];
    struct emf_sink sink = {.name = name,
                            .delivered = UINT64_MAX,
                            .failed = UINT64_MAX,
                            .latency_ms = INT64_MAX,
                            .figure_count = EMF_FIGURES_MAX};
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i < EMF_FIGURES_MAX; i++) {
        struct emf_figure *figure = &sink.figures[i];
        memset(figure->name, 'f', sizeof figure->name - 1);
        figure->unit = "Milliseconds";
        figure->value = INT64_MAX;
    }
    struct buf out;
    buf_init(&out, EMF_LINE_BYTES);
    emf_put_sink(&out, &invocation, &sink);
    CHECK(!out.failed);
    CHECK(out.len > EMF_LINE_BYTES / 2 && out.ptr[out.len - 1] == '\n');
    buf_done(&out);
}

int main(int argc, char **argv)
{
    const struct unit_test tests[] = {
        {"the_invocation_is_one_line", the_invocation_is_one_line},
        {"what_is_not_known_is_left_out", what_is_not_known_is_left_out},
        {"a_sink_has_a_dimension_of_its_own", a_sink_has_a_dimension_of_its_own},
        {"a_plugins_figures_stand_with_its_sink", a_plugins_figures_stand_with_its_sink},
        {"the_longest_line_has_its_bound", the_longest_line_has_its_bound},
        {NULL, NULL}};
    return unit_main(argc, argv, "observe, emf", tests);
}
