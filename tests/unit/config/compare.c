/* What a reload takes for another configuration, and what for the same. */
#include "config/compare.h"
#include "config/load.h"
#include "unit.h"
#include "util/alloc.h"

static char *const environ_block[] = {(char *)"HOME=/nonexistent", NULL};

#define REST ",\"sinks\":{\"a\":{\"plugin\":\"stdout\"}}}"

static struct config *load(const char *text)
{
    struct diags diags;
    struct config *config = NULL;
    const struct config_request request = {
        .text = text, .environ_block = (char **)environ_block, .no_plugins = true};
    diags_init(&diags);
    if (config_load(&request, &config, &diags) < 0)
        printf("\n    %s: %s", text, diags.count ? diags.items[0]->message : "?");
    CHECK_FATAL(config != NULL);
    diags_done(&diags);
    return config;
}

static bool any(const char *path)
{
    (void)path;
    return true;
}

static bool only_log(const char *path)
{
    return strncmp(path, "log.", 4) == 0;
}

struct pair {
    const char *one, *other;
    const char *differs; /* what is named, in the order of the tables; "" = nothing */
};

static void differences_are_named_by_their_path(void)
{
    static const struct pair rows[] = {
        {"{\"name\":\"p\"" REST, "{ \"name\" : \"p\" " REST, ""},
        {"{\"name\":\"p\"" REST, "{\"name\":\"q\"" REST, "name"},
        /* what a function of its own reads is compared as it is written */
        {"{\"on_poison\":\"dead\"" REST, "{\"on_poison\":\"dead\"" REST, ""},
        {"{\"name\":\"p\"" REST, "{\"name\":\"p\",\"on_poison\":\"drop\"" REST, "on_poison"},
        {"{\"name\":\"p\"" REST, "{\"name\":\"p\",\"log\":{\"level\":\"info\"}" REST, ""},
        {"{\"name\":\"p\"" REST, "{\"name\":\"p\",\"log\":{\"level\":\"warn\"}" REST, "log.level"},
        {"{\"log\":{\"levels\":{\"a\":\"warn\"}}" REST,
         "{\"log\":{\"levels\":{\"a\":\"info\"}}" REST, "log.levels"},
        {"{\"log\":{\"redact\":[\"a\",\"b\"]}" REST, "{\"log\":{\"redact\":[\"a\",\"c\"]}" REST,
         "log.redact"},
        {"{\"log\":{\"redact\":[\"a\",\"b\"]}" REST, "{\"log\":{\"redact\":[\"a\"]}" REST,
         "log.redact"},
        {"{\"log\":{\"redact\":[\"a\"]}" REST, "{\"log\":{\"redact\":[\"a\"]}" REST, ""},
        {"{\"shutdown\":{\"grace\":\"60s\"}" REST, "{\"shutdown\":{\"grace\":\"1m\"}" REST, ""},
        {"{\"limits\":{\"in_flight\":\"16MiB\"}" REST, "{\"limits\":{\"in_flight\":\"17MiB\"}" REST,
         "limits.in_flight"},
        {"{\"name\":\"p\",\"aws\":{\"region\":\"eu-west-1\"}" REST,
         "{\"name\":\"q\",\"aws\":{\"region\":\"eu-west-2\"}" REST, "name, aws.region"},
        {"{\"aws\":{\"endpoints\":{\"sqs\":\"https://a\"}}" REST,
         "{\"aws\":{\"endpoints\":{\"sqs\":\"https://b\"}}" REST, "aws.endpoints"},
        {"{\"name\":\"p\"" REST,
         "{\"name\":\"p\",\"sinks\":{\"b\":{\"plugin\":\"sqs\"},\"c\":{\"plugin\":\"noop\"}}}", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int swapped = 0; swapped < 2; swapped++) {
            struct buf out;
            struct config *one = load(swapped ? rows[i].other : rows[i].one);
            struct config *other = load(swapped ? rows[i].one : rows[i].other);
            buf_init(&out, 4096);
            config_differences(one, other, any, &out);
            CHECK_STR(buf_cstr(&out), rows[i].differs);
            buf_reset(&out);
            config_differences(one, other, only_log, &out);
            CHECK_STR(buf_cstr(&out),
                      strncmp(rows[i].differs, "log.", 4) == 0 ? rows[i].differs : "");
            buf_done(&out);
            config_free(one);
            config_free(other);
        }
}

/* The members of a sink behind its plugin. */
static void sinks_are_compared_by_their_values(void)
{
    static const struct {
        const char *one, *other;
        bool same, filter_same;
    } rows[] = {
        {"", "", true, true},
        {"", ",\"required\":true", true, true},
        {"", ",\"required\":false", false, true},
        {",\"timeout\":\"60s\"", ",\"timeout\":\"1m\"", true, true},
        {",\"timeout\":\"60s\"", ",\"timeout\":\"61s\"", false, true},
        {",\"order\":\"item\"", ",\"order\":\"shard\"", false, true},
        {",\"retry\":{\"base\":\"1s\"}", ",\"retry\":{\"base\":\"1000ms\"}", true, true},
        {",\"retry\":{\"base\":\"1s\"}", ",\"retry\":{\"base\":\"2s\"}", false, true},
        {",\"on_exhausted\":\"dead\"", ",\"on_exhausted\":\"drop\"", false, true},
        {",\"config\":{\"x\":1}", ",\"config\":{ \"x\" : 1 }", true, true},
        {",\"config\":{\"x\":1}", ",\"config\":{\"x\":2}", false, true},
        {",\"config\":{\"x\":1}", ",\"config\":{\"x\":\"1\"}", false, true},
        {",\"config\":{\"x\":[1,2]}", ",\"config\":{\"x\":[1]}", false, true},
        {",\"config\":{\"x\":{\"y\":[]}}", ",\"config\":{\"x\":{\"y\":{}}}", false, true},
        {",\"config\":{}", "", false, true},
        {",\"match\":{\"events\":[\"MODIFY\"]}", ",\"match\":{\"events\":[\"REMOVE\"]}", false,
         true},
        {",\"match\":{\"filter\":{\"eventName\":[\"A\"]}}",
         ",\"match\":{\"filter\":{\"eventName\":[\"A\"]}}", true, true},
        {",\"match\":{\"filter\":{\"eventName\":[\"A\"]}}",
         ",\"match\":{\"filter\":{\"eventName\":[\"B\"]}}", false, false},
        {",\"match\":{\"filter\":{\"eventName\":[\"A\"]}}", "", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char texts[2][256];
        struct config *configs[2];
        for (int k = 0; k < 2; k++) {
            snprintf(texts[k], sizeof texts[k], "{\"sinks\":{\"a\":{\"plugin\":\"stdout\"%s}}}",
                     k ? rows[i].other : rows[i].one);
            configs[k] = load(texts[k]);
        }
        for (int k = 0; k < 2; k++) {
            const struct sink_config *a = &configs[k]->sinks[0], *b = &configs[1 - k]->sinks[0];
            if (sink_config_same(a, b) != rows[i].same)
                printf("\n    %s and %s", texts[0], texts[1]);
            CHECK_INT(sink_config_same(a, b), rows[i].same);
            CHECK_INT(sink_filter_same(a, b), rows[i].filter_same);
        }
        config_free(configs[0]);
        config_free(configs[1]);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"differences_are_named_by_their_path", differences_are_named_by_their_path},
        {"sinks_are_compared_by_their_values", sinks_are_compared_by_their_values},
        {NULL, NULL}};
    return unit_main(argc, argv, "config, compare", tests);
}
