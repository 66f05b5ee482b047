#include "unit.h"

#include "config/sinks.h"
#include "plugin/host.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PLUGINS "\"plugin_dirs\":[\"" TEST_BUILD "/tests/plugins\"]"

#ifdef WEIR_SQLITE
#define WEIR_HAS_SQLITE true
#else
#define WEIR_HAS_SQLITE false
#endif

struct opened {
    char path[64];
    struct diags diags;
    struct config *config;
    struct sink_set *set;
    int rc;
};

static char *no_environ[] = {(char *)"KEY=pass-me-not", (char *)"N=7", NULL};

static void no_log(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    (void)ctx;
    (void)sink;
    (void)level;
    (void)msg;
}

static void set_open(struct opened *opened, const char *text)
{
    *opened = (struct opened){0};
    snprintf(opened->path, sizeof opened->path, "/tmp/weir-sinks-XXXXXX");
    int fd = mkstemp(opened->path);
    CHECK_FATAL(fd >= 0);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    struct config_request request = {.path = opened->path, .environ_block = no_environ};
    struct instance_services services = {.log = no_log};
    diags_init(&opened->diags);
    opened->rc = config_load(&request, &opened->config, &opened->diags);
    if (opened->rc == 0)
        opened->rc = sink_set_open(opened->config, &services, &opened->diags, &opened->set);
    unlink(opened->path);
}

static void set_close(struct opened *opened)
{
    sink_set_close(opened->set);
    config_free(opened->config);
    diags_done(&opened->diags);
}

static bool has_code(const struct opened *opened, const char *code)
{
    for (size_t i = 0; i < opened->diags.count; i++)
        if (strcmp(opened->diags.items[i]->code, code) == 0)
            return true;
    return false;
}

static void enabled_sinks_are_opened_in_the_order_written(void)
{
    struct opened opened;

    set_open(&opened,
             "{" PLUGINS ",\"sinks\":{\"z\":{\"plugin\":\"good\"},"
             "\"off\":{\"plugin\":\"missing\",\"enabled\":false},"
             "\"a\":{\"plugin\":\"options\",\"config\":{\"table\":\"T\",\"count\":\"${N}\"},"
             "\"match\":{\"present\":[\"name\"],\"ttl\":\"none\"}},"
             "\"dlq\":{\"plugin\":\"good\",\"only_from\":[\"z\"]}}}");

    CHECK_INT(opened.rc, 0);
    CHECK_FATAL(opened.set != NULL);
    CHECK_INT(opened.set->count, 3);
    CHECK_STR(opened.set->sinks[0].config->name, "z");
    CHECK_STR(opened.set->sinks[1].config->name, "a");
    const struct built_sink *a = &opened.set->sinks[1];
    CHECK_INT(a->rule_count, 2);
    CHECK_INT(a->rules[0].events, WEIR_MODIFY);
    CHECK_STR(a->rules[0].changed[1], "stock.count");
    CHECK_INT(a->rules[0].images, WEIR_OLD | WEIR_NEW);
    CHECK_STR(a->rules[1].present[0], "name");
    CHECK_INT(a->rules[1].ttl, -1);
    CHECK_INT(opened.set->sinks[2].rule_count, 0);
    CHECK(opened.set->plan != NULL);
    CHECK(sink_writes_table(a, STR("T")));
    CHECK(!sink_writes_table(a, STR("U")));
    set_close(&opened);
}

static void each_problem_has_its_code(void)
{
    static const struct {
        const char *text, *code;
    } rows[] = {
        {"{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"goood\"}}}", "W0201"},
        {"{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"badabi\"}}}", "W0203"},
        {"{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"noentry\"}}}", "W0203"},
        {"{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"execstack\"}}}", "W0202"},
        {"{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"openfails\",\"config\":{\"code\":-5}}}}",
         "W0204"},
        {"{" PLUGINS
         ",\"sinks\":{\"a\":{\"plugin\":\"openfails\",\"config\":{\"target\":\"bad\"}}}}",
         "W0105"},
        {"{" PLUGINS
         ",\"sinks\":{\"a\":{\"plugin\":\"good\",\"sha256\":\"0000000000000000000000000000000000"
         "000000000000000000000000000000\"}}}",
         "W0202"},
        {"{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"options\"}}}", "W0102"},
        {"{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"options\",\"config\":{\"tabel\":\"T\"}}}}",
         "W0101"},
        {"{" PLUGINS
         ",\"sinks\":{\"a\":{\"plugin\":\"options\",\"config\":{\"table\":\"T\",\"every\":5}}}}",
         "W0107"},
        {"{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"options\",\"config\":{\"table\":\"T\"},"
         "\"match\":{\"events\":[\"INSERT\"]}}}}",
         "W0302"},
        {"{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"options\",\"config\":{\"table\":\"T\"},"
         "\"match\":{\"ttl\":\"only\"}}}}",
         "W0302"},
        {"{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"good\",\"match\":{\"present\":[\"a[\"]}}}}",
         "W0313"},
        {"{" PLUGINS ",\"source\":{\"kind\":\"poll\",\"tables\":[\"T\"]},"
         "\"sinks\":{\"a\":{\"plugin\":\"options\",\"config\":{\"table\":\"T\"}}}}",
         "W0310"},
        {"{" PLUGINS ",\"source\":{\"kind\":\"poll\",\"streams\":[\"arn:aws:dynamodb:eu-west-1:1:"
         "table/T/stream/x\"]},"
         "\"sinks\":{\"a\":{\"plugin\":\"options\",\"config\":{\"table\":\"arn:aws:dynamodb:eu-"
         "west-1:1:table/T\"}}}}",
         "W0310"},
        /* a wrong key does not hide what is wrong with a plugin */
        {"{" PLUGINS ",\"wrong\":1,\"sinks\":{\"a\":{\"plugin\":\"goood\"}}}", "W0201"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct opened opened;
        set_open(&opened, rows[i].text);
        CHECK_INT(opened.rc, -EINVAL);
        CHECK(opened.set == NULL);
        if (!has_code(&opened, rows[i].code))
            CHECK_STR(opened.diags.count ? opened.diags.items[0]->message : "nothing",
                      rows[i].text);
        set_close(&opened);
    }
}

static void S16_a_secret_may_be_named_but_not_written(void)
{
    struct opened opened;
    struct buf text;
    buf_init(&text, 65536);

    set_open(&opened,
             "{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"options\",\"config\":{\"table\":\"T\","
             "\"key\":\"pass-me-not\"}}}}");
    CHECK_INT(opened.rc, -EINVAL);
    CHECK(has_code(&opened, "W0108"));
    diags_print(&opened.diags, "nothing was started", &text);
    CHECK(strstr(buf_cstr(&text), "pass-me-not") == NULL);
    set_close(&opened);

    set_open(&opened,
             "{" PLUGINS ",\"sinks\":{\"a\":{\"plugin\":\"options\",\"config\":{\"table\":\"T\","
             "\"key\":\"${KEY}\"}}}}");
    CHECK_INT(opened.rc, 0);
    set_close(&opened);
    buf_done(&text);
}

static void S1_plugins_are_looked_for_in_a_fixed_order(void)
{
    struct arena arena;
    static const char *const own[] = {"/first", "/second", NULL};
    struct config config = {.plugin_dirs = own};
    char *block[] = {(char *)"LAMBDA_TASK_ROOT=/var/fn", (char *)"LD_LIBRARY_PATH=/evil", NULL};
    arena_init(&arena, 1024);

    const char *const *folders = plugin_folders(&arena, &config, block, true);

    CHECK_FATAL(folders != NULL);
    CHECK_STR(folders[0], "/first");
    CHECK_STR(folders[1], "/second");
    CHECK_STR(folders[2], "/var/fn/plugins");
    CHECK_STR(folders[3], "/opt/weir/plugins");
    for (; *folders; folders++)
        CHECK(folders[0][0] == '/' && strcmp(*folders, "/evil") != 0);
    arena_done(&arena);
}

/* Where no state file is, the extension is not there, in a check either. */
static void values_are_kept_by_a_daemon_with_a_state_file_only(void)
{
    static const struct {
        const char *config;
        bool kept;
    } rows[] = {
        {"\"source\":{\"kind\":\"poll\",\"tables\":[\"T\"]}", WEIR_HAS_SQLITE},
        {"\"source\":{\"kind\":\"poll\",\"tables\":[\"T\"]},"
         "\"state\":{\"kind\":\"dynamodb\",\"table\":\"S\"}",
         false},
        {"\"source\":{\"kind\":\"poll\",\"tables\":[\"T\"]},\"state\":{\"kind\":\"memory\"}",
         false},
        {"\"source\":{\"kind\":\"lambda\"}", false},
        {"\"source\":{\"kind\":\"kcl\"}", false},
        {"\"source\":{\"kind\":\"file\",\"path\":\"-\"}", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct opened opened;
        char text[512];
        snprintf(text, sizeof text, "{" PLUGINS ",%s,\"sinks\":{\"a\":{\"plugin\":\"good\"}}}",
                 rows[i].config);
        set_open(&opened, text);
        CHECK_INT(opened.rc, 0);
        CHECK_FATAL(opened.set != NULL);
        weir_instance *instance = opened.set->sinks[0].instance;
        unit_int(__FILE__, __LINE__, rows[i].config,
                 host_table.extension(instance, WEIR_EXT_KV) != NULL, rows[i].kept);
        set_close(&opened);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"enabled_sinks_are_opened_in_the_order_written",
         enabled_sinks_are_opened_in_the_order_written},
        {"each_problem_has_its_code", each_problem_has_its_code},
        {"S16_a_secret_may_be_named_but_not_written", S16_a_secret_may_be_named_but_not_written},
        {"S1_plugins_are_looked_for_in_a_fixed_order", S1_plugins_are_looked_for_in_a_fixed_order},
        {"values_are_kept_by_a_daemon_with_a_state_file_only",
         values_are_kept_by_a_daemon_with_a_state_file_only},
        {0},
    };
    return unit_main(argc, argv, "config_sinks", tests);
}
