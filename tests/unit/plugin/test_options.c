#include "support.h"

#include "plugin/options.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

static const weir_option table[] = {
    {"table", NULL, WEIR_O_STRING, WEIR_O_REQUIRED, NULL, "The table that is written to."},
    {"key", NULL, WEIR_O_STRING, WEIR_O_SECRET, NULL, "A secret."},
    {"pin", NULL, WEIR_O_INT, WEIR_O_SECRET, NULL, "A secret number."},
    {"count", "25", WEIR_O_INT, 0, NULL, "A whole number."},
    {"loud", "true", WEIR_O_BOOL, 0, NULL, NULL},
    {"idle_poll", "\"5s\"", WEIR_O_DURATION_MS, 0, NULL, "A duration."},
    {"room", NULL, WEIR_O_SIZE_BYTES, 0, NULL, "A size."},
    {"mode", "\"sequence\"", WEIR_O_ENUM, 0, "sequence|seconds|text", "One of three."},
    {"level", NULL, WEIR_O_ENUM, WEIR_O_SECRET, "low|high", "A secret choice."},
    {"shape", NULL, WEIR_O_JSON, 0, NULL, "Any JSON."},
    {NULL, NULL, 0, 0, NULL, NULL}};

/* Reads `text` as the config of sink "price"; the problems' text. */
static struct option_set *read_options(const char *text, struct arena *arena, struct notes *notes)
{
    struct option_set *set = NULL;
    notes_init(notes);
    arena_init(arena, 1024);
    int rc = option_set_new(table, "price", text ? json_of(arena, text) : NULL, notes_problem,
                            notes, &set);
    CHECK((rc == 0) == (set != NULL));
    CHECK((rc == -EINVAL) == (notes->problems > 0));
    return set;
}

static void durations_and_sizes(void)
{
    static const struct {
        const char *text;
        int64_t value; /* -1: no duration, no size */
    } durations[] = {{"250ms", 250},
                     {"5s", 5000},
                     {"15m", 900000},
                     {"24h", 86400000},
                     {"0s", 0},
                     {"5", -1},
                     {"", -1},
                     {"s", -1},
                     {"5 s", -1},
                     {"5S", -1},
                     {"-5s", -1},
                     {"1.5s", -1},
                     {"1h30m", -1},
                     {"9223372036854775807ms", INT64_MAX},
                     {"9223372036854775808ms", -1},
                     {"9223372036854775807s", -1},
                     {"99999999999999999999999s", -1}},
      sizes[] = {{"512B", 512},        {"64KiB", 65536}, {"8MiB", 8388608},
                 {"1GiB", 1073741824}, {"64", -1},       {"64KB", -1},
                 {"64K", -1},          {"KiB", -1},      {"9007199254740992KiB", -1}};
    int64_t value;

    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++)
        CHECK_INT(duration_parse(str_of(durations[i].text), &value) ? value : -1,
                  durations[i].value);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        CHECK_INT(size_parse(str_of(sizes[i].text), &value) ? value : -1, sizes[i].value);
}

static void numbers_of_every_type(void)
{
    static const struct {
        const char *config, *name;
        int64_t number;
    } rows[] = {
        {"{\"table\":\"t\"}", "count", 25},
        {"{\"table\":\"t\"}", "loud", 1},
        {"{\"table\":\"t\"}", "idle_poll", 5000},
        {"{\"table\":\"t\"}", "mode", 0},
        {"{\"table\":\"t\",\"count\":-7}", "count", -7},
        {"{\"table\":\"t\",\"count\":\"12\"}", "count", 12},
        {"{\"table\":\"t\",\"count\":\"-9\"}", "count", -9},
        {"{\"table\":\"t\",\"count\":9223372036854775807}", "count", INT64_MAX},
        {"{\"table\":\"t\",\"loud\":false}", "loud", 0},
        {"{\"table\":\"t\",\"loud\":\"true\"}", "loud", 1},
        {"{\"table\":\"t\",\"loud\":\"false\"}", "loud", 0},
        {"{\"table\":\"t\",\"idle_poll\":\"250ms\"}", "idle_poll", 250},
        {"{\"table\":\"t\",\"room\":\"8MiB\"}", "room", 8388608},
        {"{\"table\":\"t\",\"mode\":\"text\"}", "mode", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct notes notes;
        struct option_set *set = read_options(rows[i].config, &arena, &notes);
        const struct option_value *value = option_find(set, rows[i].name, NULL);
        CHECK_FATAL(value != NULL && value->set);
        CHECK_INT(value->number, rows[i].number);
        option_set_free(set);
        notes_done(&notes);
        arena_done(&arena);
    }
}

static void texts_of_every_type(void)
{
    static const struct {
        const char *config, *name, *text; /* text NULL: not set */
    } rows[] = {
        {"{\"table\":\"caf\\u00e9\"}", "table", "caf\xc3\xa9"},
        {"{\"table\":\"t\",\"key\":\"\"}", "key", ""},
        {"{\"table\":\"t\"}", "key", NULL},
        {"{\"table\":\"t\"}", "mode", "sequence"},
        {"{\"table\":\"t\",\"x-note\":1}", "mode", "sequence"},
        {"{\"table\":\"t\",\"shape\":null}", "shape", "null"},
        {"{\"table\":\"t\",\"shape\":1.50}", "shape", "1.50"},
        {"{\"table\":\"t\",\"shape\": { \"a\" : [ 1, {}, [ ], {\"b\":\"\\u00e9\\\"\"} ], \"c\": "
         "true } }",
         "shape", "{\"a\":[1,{},[],{\"b\":\"\\u00e9\\\"\"}],\"c\":true}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct notes notes;
        struct option_set *set = read_options(rows[i].config, &arena, &notes);
        const struct option_value *value = option_find(set, rows[i].name, NULL);
        CHECK_FATAL(value != NULL);
        if (rows[i].text)
            CHECK_STR(value->text, rows[i].text);
        else
            CHECK(!value->set && !value->text);
        option_set_free(set);
        notes_done(&notes);
        arena_done(&arena);
    }
}

static void every_problem_says_what_and_how(void)
{
    static const struct {
        const char *config, *says;
    } rows[] = {
        {"{\"table\":\"t\",\"idle_poll\":1}",
         "W0107 \"idle_poll\" wants a duration, got the number 1 | write \"1s\" or \"1ms\"\n"},
        {"{\"table\":\"t\",\"idle_poll\":\"soon\"}",
         "W0107 \"idle_poll\" wants a duration, got the string \"soon\" | write \"5s\" or "
         "\"5ms\"\n"},
        {"{\"table\":\"t\",\"room\":64}",
         "W0107 \"room\" wants a size, got the number 64 | write \"64KiB\" or \"64MiB\"\n"},
        {"{\"table\":\"t\",\"count\":1.5}",
         "W0107 \"count\" wants a whole number, got the number 1.5 | A whole number.\n"},
        {"{\"table\":\"t\",\"count\":\"1x\"}",
         "W0107 \"count\" wants a whole number, got the string \"1x\" | A whole number.\n"},
        {"{\"table\":\"t\",\"count\":99999999999999999999}",
         "W0107 \"count\" wants a whole number, got the number 99999999999999999999 | A whole "
         "number.\n"},
        {"{\"table\":\"t\",\"loud\":1}",
         "W0107 \"loud\" wants true or false, got the number 1 | \n"},
        {"{\"table\":\"t\",\"loud\":null}", "W0107 \"loud\" wants true or false, got null | \n"},
        {"{\"table\":[]}",
         "W0107 \"table\" wants a string, got an array | The table that is written to.\n"},
        {"{\"table\":{}}",
         "W0107 \"table\" wants a string, got an object | The table that is written to.\n"},
        {"{\"table\":true}",
         "W0107 \"table\" wants a string, got true | The table that is written to.\n"},
        {"{\"table\":\"a\\u0000b\"}", "W0105 \"table\" may not hold U+0000 | \n"},
        {"{\"table\":\"t\",\"mode\":\"secnods\"}",
         "W0105 \"mode\" can't be \"secnods\" | did you mean "
         "\"seconds\"? The choices are sequence|seconds|text\n"},
        {"{\"table\":\"t\",\"mode\":\"\"}",
         "W0105 \"mode\" can't be \"\" | the choices are sequence|seconds|text\n"},
        {"{\"table\":\"t\",\"mode\":3}", "W0107 \"mode\" wants one of its choices, got the number "
                                         "3 | write one of: sequence|seconds|text\n"},
        {"{}", "W0102 \"table\" is missing in the config of sink \"price\" | The table that is "
               "written to.\n"},
        {"{\"table\":\"\"}", "W0102 \"table\" is empty in the config of sink \"price\" | The table "
                             "that is written to.\n"},
        {"{\"table\":\"t\",\"conut\":1}",
         "W0101 unknown key \"conut\" in the config of sink \"price\" | did you mean \"count\"?\n"},
        {"{\"table\":\"t\",\"zzzzzzzz\":1}", "W0101 unknown key \"zzzzzzzz\" in the config of sink "
                                             "\"price\" | the keys are table, key, pin, count, "
                                             "loud, idle_poll, room, mode, level, shape\n"},
        {"[]", "W0107 the config of sink \"price\" must be an object | \n"},
        {"{\"tabel\":\"t\",\"count\":true}",
         "W0101 unknown key \"tabel\" in the config of sink \"price\" | did you mean \"table\"?\n"
         "W0107 \"count\" wants a whole number, got true | A whole number.\n"
         "W0102 \"table\" is missing in the config of sink \"price\" | The table that is written "
         "to.\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct notes notes;
        CHECK(read_options(rows[i].config, &arena, &notes) == NULL);
        CHECK_STR(notes_text(&notes), rows[i].says);
        notes_done(&notes);
        arena_done(&arena);
    }
}

static void problems_point_at_what_they_concern(void)
{
    struct arena arena;
    struct notes notes;
    CHECK(read_options("{\"table\":\"t\",\"count\":true}", &arena, &notes) == NULL);
    CHECK_INT(notes.last.at->kind, JSON_TRUE);
    CHECK(!notes.last.whole_name);
    notes_done(&notes);
    arena_done(&arena);
    CHECK(read_options("{\"table\":\"t\",\"what\":true}", &arena, &notes) == NULL);
    CHECK(notes.last.whole_name && str_is(notes.last.at->name, "what"));
    notes_done(&notes);
    arena_done(&arena);
    CHECK(read_options(NULL, &arena, &notes) == NULL);
    CHECK(notes.problems == 1 && notes.last.at == NULL);
    notes_done(&notes);
    arena_done(&arena);
}

static void S17_no_problem_shows_a_secret(void)
{
    static const char *const rows[] = {
        "{\"table\":\"t\",\"key\":[\"hunter2\"]}", "{\"table\":\"t\",\"pin\":\"hunter2\"}",
        "{\"table\":\"t\",\"pin\":7531.5}", "{\"table\":\"t\",\"level\":\"hunter2\"}",
        "{\"table\":\"t\",\"key\":\"hunter2\\u0000\"}"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct notes notes;
        CHECK(read_options(rows[i], &arena, &notes) == NULL);
        CHECK(notes.problems == 1);
        CHECK(!strstr(notes_text(&notes), "hunter2") && !strstr(notes_text(&notes), "7531"));
        notes_done(&notes);
        arena_done(&arena);
    }
}

static void S16_a_secret_is_never_written_out(void)
{
    static const char *const rows[] = {
        "{\"table\":\"t\",\"key\":\"hunter2\"}", "{\"table\":\"t\",\"pin\":7531}",
        "{\"table\":\"t\",\"pin\":\"7531\"}", "{\"table\":\"t\",\"level\":\"high\"}"};
    struct arena arena;
    struct notes notes;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK(read_options(rows[i], &arena, &notes) == NULL);
        CHECK(notes.problems == 1 && strcmp(notes.last.code, "W0108") == 0);
        CHECK(!strstr(notes_text(&notes), "hunter2") && !strstr(notes_text(&notes), "7531"));
        CHECK_STR(notes.last.help, "write \"${NAME}\" or \"${file:PATH}\"");
        notes_done(&notes);
        arena_done(&arena);
    }
    struct option_set *set = read_options(
        "{\"table\":\"t\",\"key\":\"${hunter2}\",\"pin\":\"${7531}\"}", &arena, &notes);
    CHECK_FATAL(set != NULL);
    CHECK_STR(option_find(set, "key", NULL)->text, "hunter2");
    CHECK_INT(option_find(set, "pin", NULL)->number, 7531);
    option_set_free(set);
    notes_done(&notes);
    arena_done(&arena);
}

static void S17_text_is_redacted(void)
{
    static const struct {
        const char *text, *shown;
    } rows[] = {{"nothing to hide", "nothing to hide"},
                {"", ""},
                {"s3cret", "***"},
                {"key=s3cret, again s3crets3cret.", "key=***, again ******."},
                {"s3cre", "s3cre"},
                {"t and high", "t and ***"}};
    struct arena arena;
    struct notes notes;
    struct option_set *set = read_options(
        "{\"table\":\"t\",\"key\":\"${s3cret}\",\"level\":\"${high}\"}", &arena, &notes);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, 1000);
        CHECK_INT(option_redact(set, str_of(rows[i].text), &out), 0);
        CHECK_STR(buf_cstr(&out), rows[i].shown);
        buf_done(&out);
    }
    option_set_free(set);
    notes_done(&notes);
    arena_done(&arena);
}

static void an_unknown_key_where_there_are_no_options(void)
{
    struct arena arena;
    struct notes notes;
    struct option_set *set = NULL;
    notes_init(&notes);
    arena_init(&arena, 512);

    CHECK_INT(
        option_set_new(NULL, "price", json_of(&arena, "{\"a\":1}"), notes_problem, &notes, &set),
        -EINVAL);
    CHECK_STR(
        notes_text(&notes),
        "W0101 unknown key \"a\" in the config of sink \"price\" | this plugin has no options\n");
    CHECK_INT(option_set_new(NULL, "price", json_of(&arena, "{}"), NULL, NULL, &set), 0);
    option_set_free(set);
    notes_done(&notes);
    arena_done(&arena);
}

static void F72_memory_that_fails_anywhere_leaks_nothing(void)
{
    struct arena arena;
    arena_init(&arena, 1024);
    const struct json_value *json = json_of(
        &arena, "{\"table\":\"t\",\"mode\":\"text\",\"shape\":{\"a\":[1,2]},\"key\":\"${k}\"}");
    int rc = -1;
    uint64_t n = 1;
    for (; rc < 0 && n < 1000; n++) {
        struct option_set *set = NULL;
        mem_fail_at(n);
        rc = option_set_new(table, "price", json, NULL, NULL, &set);
        mem_fail_at(0);
        CHECK(rc == 0 || rc == -ENOMEM);
        option_set_free(set);
    }
    CHECK(n > 5 && rc == 0);
    arena_done(&arena);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"durations_and_sizes", durations_and_sizes},
        {"numbers_of_every_type", numbers_of_every_type},
        {"texts_of_every_type", texts_of_every_type},
        {"every_problem_says_what_and_how", every_problem_says_what_and_how},
        {"problems_point_at_what_they_concern", problems_point_at_what_they_concern},
        {"S17_no_problem_shows_a_secret", S17_no_problem_shows_a_secret},
        {"S16_a_secret_is_never_written_out", S16_a_secret_is_never_written_out},
        {"S17_text_is_redacted", S17_text_is_redacted},
        {"an_unknown_key_where_there_are_no_options", an_unknown_key_where_there_are_no_options},
        {"F72_memory_that_fails_anywhere_leaks_nothing",
         F72_memory_that_fails_anywhere_leaks_nothing},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin_options", tests);
}
