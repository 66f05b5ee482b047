#include "unit.h"

#include "config/load.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of its own with one weir.json. */
struct place {
    char dir[64], path[96];
    struct diags diags;
    struct config *config;
    struct config_request request;
    int rc;
};

static char *no_environ[] = {NULL};

static void place_make(struct place *place, const char *text)
{
    *place = (struct place){0};
    snprintf(place->dir, sizeof place->dir, "/tmp/weir-config-XXXXXX");
    CHECK_FATAL(mkdtemp(place->dir) != NULL);
    snprintf(place->path, sizeof place->path, "%s/weir.json", place->dir);
    FILE *file = fopen(place->path, "wb");
    CHECK_FATAL(file != NULL);
    fputs(text, file);
    fclose(file);
    place->request = (struct config_request){
        .path = place->path, .environ_block = no_environ, .no_plugins = true};
    diags_init(&place->diags);
}

static void place_load(struct place *place)
{
    place->rc = config_load(&place->request, &place->config, &place->diags);
}

static void place_remove(struct place *place)
{
    config_free(place->config);
    diags_done(&place->diags);
    unlink(place->path);
    rmdir(place->dir);
}

static const char *first_code(const struct place *place)
{
    return place->diags.count ? place->diags.items[0]->code : "none";
}

static void the_example_of_the_manual_loads_with_its_values(void)
{
    struct place place;
    place_make(
        &place,
        "{ \"name\": \"prices\",\n"
        "  \"source\": { \"kind\": \"poll\", \"tables\": [\"Products\"], \"starting_position\": "
        "\"LATEST\",\n"
        "    \"batch_size\": 50, \"maximum_batching_window\": \"2s\", \"idle_poll\": \"500ms\", "
        "\"on_gap\": \"continue\",\n"
        "    \"maximum_retry_attempts\": 3, \"maximum_record_age\": \"1h\" },\n"
        "  \"lambda\": { \"report_batch_item_failures\": true, \"deadline_margin\": \"1s\" },\n"
        "  \"aws\": { \"region\": \"${AWS_REGION:-us-east-1}\", \"endpoint_url\": "
        "\"${AWS_ENDPOINT_URL:-}\",\n"
        "    \"endpoints\": { \"sqs\": \"http://127.0.0.1:9324\" } },\n"
        "  \"state\": { \"kind\": \"sqlite\", \"path\": \"${STATE_DIRECTORY:-state}/weir.db\", "
        "\"every\": \"5s\" },\n"
        "  \"plugin_dirs\": [\"plugins\", \"/abs\"],\n"
        "  \"sinks\": {\n"
        "    \"price\": { \"plugin\": \"pricehistory\", \"match\": { \"events\": [\"MODIFY\", "
        "\"REMOVE\"], \"changed\": [\"price\"],\n"
        "       \"ttl\": \"none\" }, \"retry\": { \"max_attempts\": 5, \"base\": \"100ms\", "
        "\"cap\": \"20s\", \"max_record_age\": \"24h\" },\n"
        "       \"timeout\": \"30s\", \"order\": \"shard\", \"on_exhausted\": { \"to\": \"dlq\", "
        "\"on_oversize\": \"pointer\" },\n"
        "       \"config\": { \"table\": \"PriceHistory\" } },\n"
        "    \"console\": { \"plugin\": \"stdout\", \"enabled\": false, \"required\": false },\n"
        "    \"dlq\": { \"plugin\": \"sqs\", \"only_from\": [\"price\"] } },\n"
        "  \"limits\": { \"in_flight\": \"32MiB\", \"queued_records\": 500 },\n"
        "  \"log\": { \"level\": \"debug\", \"format\": \"json\" }, \"shutdown\": { \"grace\": "
        "\"10s\" } }\n");

    place_load(&place);

    CHECK_INT(place.rc, 0);
    CHECK_FATAL(place.config != NULL);
    const struct config *config = place.config;
    char path[128];
    CHECK_STR(config->name, "prices");
    CHECK_INT(config->source, SOURCE_POLL);
    CHECK_STR(config->poll.tables[0], "Products");
    CHECK(config->poll.tables[1] == NULL);
    CHECK_STR(config->poll.starting_position, "LATEST");
    CHECK_INT(config->poll.batch_size, 50);
    CHECK_INT(config->poll.batching_window_ms, 2000);
    CHECK_INT(config->poll.parallelization_factor, 1);
    CHECK_INT(config->poll.idle_poll_ms, 500);
    CHECK(config->poll.on_gap_continue);
    CHECK(config->lambda.report_batch_item_failures);
    CHECK_INT(config->lambda.deadline_margin_ms, 1000);
    CHECK_STR(config->aws.region, "us-east-1");
    CHECK(config->aws.endpoint_url == NULL);
    CHECK_INT(config->aws.endpoint_count, 1);
    snprintf(path, sizeof path, "%s/state/weir.db", place.dir);
    CHECK_STR(config->state.path, path);
    snprintf(path, sizeof path, "%s/plugins", place.dir);
    CHECK_STR(config->plugin_dirs[0], path);
    CHECK_STR(config->plugin_dirs[1], "/abs");
    CHECK_INT(config->sink_count, 3);
    CHECK_INT(config->in_flight_bytes, 32 << 20);
    CHECK_INT(config->queued_records, 500);
    CHECK_INT(config->log.level, WEIR_LOG_DEBUG);
    CHECK_STR(config->log.format, "json");
    CHECK_INT(config->shutdown_grace_ms, 10000);
    CHECK_INT(config->on_poison, EXHAUSTED_DEAD);
    const struct sink_config *price = &config->sinks[0];
    CHECK_INT(price->events, WEIR_MODIFY | WEIR_REMOVE);
    CHECK_STR(price->changed[0], "price");
    CHECK_INT(price->ttl, -1);
    CHECK_INT(price->max_attempts, 5);
    CHECK_INT(price->max_record_age_ms, 86400000);
    CHECK_INT(price->timeout_ms, 30000);
    CHECK_INT(price->order, ORDER_SHARD);
    CHECK_INT(price->on_exhausted, EXHAUSTED_SINK);
    CHECK_STR(price->exhausted_sink, "dlq");
    CHECK(price->oversize_pointer);
    CHECK(json_member0(price->options, "table") != NULL);
    const struct sink_config *console = &config->sinks[1];
    CHECK(!console->enabled && !console->required);
    CHECK_INT(console->max_attempts, 4); /* the source's retries and the first attempt */
    CHECK_INT(console->max_record_age_ms, 3600000);
    CHECK_INT(console->on_exhausted, EXHAUSTED_DEAD);
    CHECK(config->sinks[2].dead_letters_only);
    place_remove(&place);
}

static void defaults_are_those_of_the_manual(void)
{
    struct place place;
    place_make(&place, "{ \"sinks\": { \"a\": { \"plugin\": \"stdout\" } } }");

    place_load(&place);

    CHECK_INT(place.rc, 0);
    CHECK_FATAL(place.config != NULL);
    const struct sink_config *sink = &place.config->sinks[0];
    CHECK_STR(place.config->name, "weir");
    CHECK_INT(place.config->source, SOURCE_NONE);
    CHECK(!place.config->lambda.report_batch_item_failures);
    CHECK_INT(place.config->lambda.deadline_margin_ms, 500);
    CHECK_INT(place.config->in_flight_bytes, 64 << 20);
    CHECK_INT(place.config->queued_records, 10000);
    CHECK_INT(place.config->shutdown_grace_ms, 25000);
    CHECK_INT(place.config->log.level, WEIR_LOG_INFO);
    CHECK(sink->enabled && sink->required && !sink->allow_loop && !sink->insecure);
    CHECK_INT(sink->max_attempts, 8);
    CHECK_INT(sink->base_ms, 100);
    CHECK_INT(sink->cap_ms, 20000);
    CHECK_INT(sink->max_record_age_ms, 0);
    CHECK_INT(sink->timeout_ms, 60000);
    CHECK_INT(sink->order, ORDER_DEFAULT);
    CHECK(sink->options == NULL && sink->filter == NULL && sink->changed == NULL);
    place_remove(&place);
}

static void flags_come_over_the_file(void)
{
    struct place place;
    static const char *const sets[] = {"sinks.a.timeout=5s", "source.kind=poll",
                                       "source.tables=[\"T\"]", "source.batch_size=7"};
    place_make(&place, "{ \"sinks\": { \"a\": { \"plugin\": \"stdout\", \"timeout\": \"1s\" } } }");
    place.request.sets = sets;
    place.request.set_count = 4;
    place.request.from = "-";

    place_load(&place);

    CHECK_INT(place.rc, 0);
    CHECK_FATAL(place.config != NULL);
    CHECK_INT(place.config->sinks[0].timeout_ms, 5000);
    CHECK_INT(place.config->poll.batch_size, 7);
    CHECK_INT(place.config->source, SOURCE_FILE);
    CHECK_STR(place.config->file_path, "-");
    place_remove(&place);
}

static void a_wrong_flag_is_named_by_its_place(void)
{
    struct place place;
    static const char *const sets[] = {"source.bacth_size=7"};
    place_make(&place, "{ \"sinks\": { \"a\": { \"plugin\": \"stdout\" } } }");
    place.request.sets = sets;
    place.request.set_count = 1;

    place_load(&place);

    CHECK_INT(place.rc, -EINVAL);
    CHECK_FATAL(place.diags.count >= 1);
    const struct diag *diag = NULL;
    for (size_t i = 0; i < place.diags.count; i++)
        if (strcmp(place.diags.items[i]->code, "W0101") == 0)
            diag = place.diags.items[i];
    CHECK_FATAL(diag != NULL);
    CHECK_STR(diag->file, "--set");
    CHECK_INT(diag->column, 8);
    CHECK_STR(diag->replacement, "\"batch_size\"");
    place_remove(&place);
}

static void interpolated_numbers_and_booleans_are_read(void)
{
    struct place place;
    char *block[] = {(char *)"BATCH=12", (char *)"ON=false", NULL};
    place_make(
        &place,
        "{ \"source\": { \"kind\": \"poll\", \"tables\": [\"T\"], \"batch_size\": \"${BATCH}\" },\n"
        "  \"sinks\": { \"a\": { \"plugin\": \"stdout\" }, \"b\": { \"plugin\": \"stdout\", "
        "\"enabled\": \"${ON}\" } } }");
    place.request.environ_block = block;

    place_load(&place);

    CHECK_INT(place.rc, 0);
    CHECK_FATAL(place.config != NULL);
    CHECK_INT(place.config->poll.batch_size, 12);
    CHECK(!place.config->sinks[1].enabled);
    place_remove(&place);
}

static void a_plugin_file_is_a_whole_configuration(void)
{
    struct place place;
    place_make(&place, "");
    place.request = (struct config_request){.plugin = "build/my_sink.so",
                                            .cwd = "/some/where",
                                            .from = "-",
                                            .environ_block = no_environ,
                                            .no_plugins = true};

    place_load(&place);

    CHECK_INT(place.rc, 0);
    CHECK_FATAL(place.config != NULL);
    CHECK_INT(place.config->sink_count, 1);
    CHECK_STR(place.config->sinks[0].name, "my_sink");
    CHECK_STR(place.config->sinks[0].plugin, "/some/where/build/my_sink.so");
    place_remove(&place);
}

static void no_configuration_names_the_places(void)
{
    struct place place;
    char *lambda[] = {(char *)"LAMBDA_TASK_ROOT=/nowhere", (char *)"_HANDLER=prices.json", NULL};
    char *machine[] = {(char *)"XDG_CONFIG_HOME=/nowhere", NULL};
    place_make(&place, "");
    place.request = (struct config_request){.environ_block = lambda, .lambda = true};
    place_load(&place);
    CHECK_INT(place.rc, -ENOENT);
    CHECK_STR(first_code(&place), "W0003");
    CHECK(strstr(place.diags.items[0]->help,
                 "/nowhere/prices.json, /nowhere/weir.json, /opt/weir/weir.json") != NULL);

    place.request = (struct config_request){.environ_block = machine, .cwd = place.path};
    place_load(&place);
    CHECK_INT(place.rc, -ENOENT);
    CHECK_INT(place.diags.count, 2);
    CHECK(strstr(place.diags.items[1]->help, "/nowhere/weir/weir.json, ") != NULL);
    place_remove(&place);
}

static void in_lambda_the_function_s_file_is_found_and_the_source_is_lambda(void)
{
    struct place place;
    char root[96];
    char *block[] = {root, (char *)"_HANDLER=other.json", NULL};
    place_make(
        &place,
        "{ \"source\": { \"kind\": \"poll\" }, \"sinks\": { \"a\": { \"plugin\": \"stdout\" } } }");
    snprintf(root, sizeof root, "LAMBDA_TASK_ROOT=%s", place.dir);
    place.request =
        (struct config_request){.environ_block = block, .lambda = true, .no_plugins = true};

    place_load(&place);

    CHECK_INT(place.rc, 0);
    CHECK_FATAL(place.config != NULL);
    CHECK_STR(place.config->path, place.path);
    CHECK_INT(place.config->source, SOURCE_LAMBDA);
    CHECK_INT(place.config->sinks[0].on_exhausted, EXHAUSTED_BLOCK);
    CHECK_INT(place.config->on_poison, EXHAUSTED_BLOCK);
    CHECK_INT(config_runnable(place.config, &place.diags), 0);
    place_remove(&place);
}

static void sources_that_can_not_run_here_are_checked_all_the_same(void)
{
    static const char *const rows[][2] = {
        {"{\"source\":{\"kind\":\"lambda\"},\"sinks\":{\"a\":{\"plugin\":\"stdout\"}}}", "W0402"},
        {"{\"sinks\":{\"a\":{\"plugin\":\"stdout\"}}}", "W0402"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct place place;
        place_make(&place, rows[i][0]);
        place_load(&place);
        CHECK_INT(place.rc, 0);
        CHECK_FATAL(place.config != NULL);
        CHECK_INT(config_runnable(place.config, &place.diags), -ENOTSUP);
        CHECK_STR(first_code(&place), rows[i][1]);
        place_remove(&place);
    }
}

/* KCL's own properties decide what a poller would decide. */
static void a_source_of_kind_kcl_has_one_stream_and_no_store(void)
{
#define KCL "{\"source\":{\"kind\":\"kcl\""
    static const struct {
        const char *source, *rest, *code; /* NULL: no problem at all */
        bool refused;
    } rows[] = {
        {",\"streams\":[\"arn:a\"]", "", NULL, false},
        {"", "", "W0402", false},
        {",\"streams\":[\"arn:a\",\"arn:b\"]", "", "W0105", true},
        {",\"streams\":[\"arn:a\"],\"tables\":[\"T\"]", "", "W0403", false},
        {",\"streams\":[\"arn:a\"],\"batch_size\":10", "", "W0403", false},
        {",\"streams\":[\"arn:a\"],\"on_gap\":\"continue\"", "", "W0403", false},
        {",\"streams\":[\"arn:a\"]", ",\"on_poison\":\"dead\"", "W0306", true},
        {",\"streams\":[\"arn:a\"]", ",\"on_poison\":\"drop\"", NULL, false},
    };
    char text[512];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct place place;
        snprintf(text, sizeof text, KCL "%s}%s,\"sinks\":{\"a\":{\"plugin\":\"stdout\"}}}",
                 rows[i].source, rows[i].rest);
        place_make(&place, text);
        place_load(&place);
        CHECK((place.rc < 0) == rows[i].refused);
        if (rows[i].code)
            unit_str(__FILE__, __LINE__, text, first_code(&place), rows[i].code);
        CHECK_INT(place.diags.errors + place.diags.warnings, rows[i].code ? 1 : 0);
        if (place.rc == 0) {
            CHECK_INT(config_runnable(place.config, &place.diags), 0);
            CHECK_INT(place.config->sinks[0].on_exhausted, EXHAUSTED_BLOCK);
            CHECK_INT(place.config->on_poison,
                      strstr(rows[i].rest, "drop") ? EXHAUSTED_DROP : EXHAUSTED_BLOCK);
        }
        place_remove(&place);
    }
#undef KCL
}

/* Whoever sets a key must not believe that it does something. */
static void what_nothing_uses_yet_is_said(void)
{
    static const char *const rows[] = {
        "\"state\":{\"table\":\"weir\"}",
        "\"state\":{\"kind\":\"memory\",\"lease\":\"20s\"}",
        "\"source\":{\"kind\":\"lambda\"},\"aws\":{\"profile\":\"p\"}",
        "\"on_poison\":{\"to\":\"a\",\"on_oversize\":\"pointer\"}",
    };
    char text[512];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct place place;
        const char *sinks = strncmp(rows[i], "\"sinks\"", 7) == 0
                                ? ""
                                : ",\"sinks\":{\"a\":{\"plugin\":\"stdout\"}}";
        snprintf(text, sizeof text, "{%s%s}", rows[i], sinks);
        place_make(&place, text);
        place_load(&place);
        unit_int(__FILE__, __LINE__, rows[i], place.rc, 0);
        unit_str(__FILE__, __LINE__, rows[i], first_code(&place), "W0403");
        unit_int(__FILE__, __LINE__, rows[i], (long long)place.diags.warnings, 1);
        place_remove(&place);
    }
}

static void dead_letters_have_a_place_without_a_word(void)
{
    struct place place;
    char path[128];
    place_make(&place, "{\"source\":{\"kind\":\"file\",\"path\":\"-\"},\"sinks\":{\"a\":{"
                       "\"plugin\":\"stdout\"}}}");
    place_load(&place);
    CHECK_FATAL(place.config != NULL);
    snprintf(path, sizeof path, "%s/state/weir.db", place.dir);
    CHECK_INT(place.config->sinks[0].on_exhausted, EXHAUSTED_DEAD);
    CHECK_STR(place.config->state.path ? place.config->state.path : "none", path);
    place_remove(&place);
}

/* In Lambda `source` is checked, but not used. */
static void in_lambda_the_source_s_limits_are_not_the_sinks(void)
{
    for (int lambda = 0; lambda < 2; lambda++) {
        struct place place;
        place_make(&place, "{\"source\":{\"kind\":\"poll\",\"tables\":[\"T\"],"
                           "\"maximum_retry_attempts\":2,\"maximum_record_age\":\"1h\"},"
                           "\"sinks\":{\"a\":{\"plugin\":\"stdout\"}}}");
        place.request.lambda = lambda;
        place_load(&place);
        CHECK_FATAL(place.config != NULL);
        CHECK_INT(place.config->sinks[0].max_attempts, lambda ? 8 : 3);
        CHECK_INT(place.config->sinks[0].max_record_age_ms, lambda ? 0 : 3600000);
        place_remove(&place);
    }
}

static void S20_a_file_that_everybody_may_change_is_warned_about(void)
{
    struct place place;
    place_make(&place, "{ \"sinks\": { \"a\": { \"plugin\": \"stdout\" } } }");
    chmod(place.path, 0666);

    place_load(&place);

    CHECK_INT(place.rc, 0);
    CHECK_STR(first_code(&place), "W0004");
    CHECK_INT(place.diags.warnings, 1);
    place_remove(&place);
}

static void any_bytes_are_an_error_not_a_crash(void)
{
    static const char sound[] =
        "{\"source\":{\"kind\":\"file\",\"path\":\"${P:-x}\"},\"sinks\":{\"a\":{\"plugin\":"
        "\"stdout\",\"match\":{\"events\":[\"MODIFY\"]},\"on_exhausted\":{\"to\":\"b\"}},"
        "\"b\":{\"plugin\":\"x\",\"only_from\":[\"a\"]}}}";
    static const char replacements[] = "{}[]\",:\\$9x";
    char text[sizeof sound];
    for (size_t at = 0; at + 1 < sizeof sound; at += 3) {
        struct place place;
        memcpy(text, sound, sizeof sound);
        text[at] = replacements[at % (sizeof replacements - 1)];
        place_make(&place, text);
        place_load(&place);
        CHECK(place.rc == 0 || place.rc == -EINVAL);
        CHECK((place.rc == 0) == (place.diags.errors == 0));
        place_remove(&place);
    }
}

static void running_out_of_memory_is_reported_and_leaks_nothing(void)
{
    struct place place;
    place_make(&place, "{ \"source\": { \"kind\": \"file\", \"path\": \"x\" }, \"sinks\": { \"a\": "
                       "{ \"plugin\": \"stdout\", "
                       "\"match\": { \"changed\": [\"price\"], \"filter\": { \"eventName\": "
                       "[\"MODIFY\"] } } } } }");
    for (unsigned n = 1; n < 60; n++) {
        mem_fail_at(n);
        place_load(&place);
        mem_fail_at(0);
        CHECK(place.rc == 0 || place.rc == -ENOMEM || place.rc == -EINVAL);
        config_free(place.config);
        place.config = NULL;
        diags_done(&place.diags);
        diags_init(&place.diags);
    }
    place_load(&place);
    CHECK_INT(place.rc, 0);
    place_remove(&place);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"the_example_of_the_manual_loads_with_its_values",
         the_example_of_the_manual_loads_with_its_values},
        {"defaults_are_those_of_the_manual", defaults_are_those_of_the_manual},
        {"flags_come_over_the_file", flags_come_over_the_file},
        {"a_wrong_flag_is_named_by_its_place", a_wrong_flag_is_named_by_its_place},
        {"interpolated_numbers_and_booleans_are_read", interpolated_numbers_and_booleans_are_read},
        {"a_plugin_file_is_a_whole_configuration", a_plugin_file_is_a_whole_configuration},
        {"no_configuration_names_the_places", no_configuration_names_the_places},
        {"in_lambda_the_function_s_file_is_found_and_the_source_is_lambda",
         in_lambda_the_function_s_file_is_found_and_the_source_is_lambda},
        {"a_source_of_kind_kcl_has_one_stream_and_no_store",
         a_source_of_kind_kcl_has_one_stream_and_no_store},
        {"sources_that_can_not_run_here_are_checked_all_the_same",
         sources_that_can_not_run_here_are_checked_all_the_same},
        {"what_nothing_uses_yet_is_said", what_nothing_uses_yet_is_said},
        {"dead_letters_have_a_place_without_a_word", dead_letters_have_a_place_without_a_word},
        {"in_lambda_the_source_s_limits_are_not_the_sinks",
         in_lambda_the_source_s_limits_are_not_the_sinks},
        {"S20_a_file_that_everybody_may_change_is_warned_about",
         S20_a_file_that_everybody_may_change_is_warned_about},
        {"any_bytes_are_an_error_not_a_crash", any_bytes_are_an_error_not_a_crash},
        {"running_out_of_memory_is_reported_and_leaks_nothing",
         running_out_of_memory_is_reported_and_leaks_nothing},
        {0},
    };
    return unit_main(argc, argv, "config_load", tests);
}
