/* weir.envelope/1: each form of each kind of record, templates, and what config may not say. */
#include "support.h"

#include "plugin/envelope.h"
#include "plugin/host.h"
#include "util/alloc.h"

#include <errno.h>

#define ARN   "arn:aws:dynamodb:eu-west-1:1:table/Shop/stream/2026-01-01T00:00:00.000"
#define EXACT "12345678901234567890123456789012345678"
#define OLD   "\"OldImage\":{\"id\":{\"S\":\"p1\"},\"price\":{\"N\":\"10.00\"}}"
#define NEW                                                                                        \
    "\"NewImage\":{\"id\":{\"S\":\"p1\"},\"price\":{\"N\":\"1E+2\"},\"big\":{\"N\":\"" EXACT "\"}" \
    "}"
#define KEYS   "\"Keys\":{\"id\":{\"S\":\"p1\"}}"
#define NEW_IS "{\"id\":\"p1\",\"price\":1E+2,\"big\":" EXACT "}"
#define OLD_IS "{\"id\":\"p1\",\"price\":10.00}"

/* A record of this event with these parts of "dynamodb". */
#define RECORD(event, parts)                                                                       \
    "{\"Records\":[{\"eventID\":\"e1\",\"eventName\":\"" event "\",\"eventVersion\":\"1.1\","      \
    "\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\",\"dynamodb\":{"                  \
    "\"ApproximateCreationDateTime\":1700000000,\"SequenceNumber\":\"7\","                         \
    "\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"," parts "},\"eventSourceARN\":\"" ARN "\"}]}"

struct bench {
    struct arena arena;
    struct envelope envelope;
    struct option_problem problem;
    const char *option;
    struct batch *batch;
    struct weir_record record;
};

/* No options: the form is given. */
static int open_bench(struct bench *bench, int32_t form, const char *template)
{
    *bench = (struct bench){0};
    arena_init(&bench->arena, 1024);
    const struct json_value *tree = template ? json_of(&bench->arena, template) : NULL;
    return envelope_open(&bench->envelope, &host_table, NULL, form, tree, &bench->option,
                         &bench->problem);
}

static void close_bench(struct bench *bench)
{
    envelope_close(&bench->envelope);
    batch_unref(bench->batch);
    arena_done(&bench->arena);
}

static int render(struct bench *bench, const char *event, const struct dead_info *dead,
                  weir_str *out)
{
    struct err err = {0};
    size_t len = strlen(event);
    char *bytes = mem_alloc(len + 64);
    CHECK_FATAL(bytes != NULL);
    memcpy(bytes, event, len);
    batch_unref(bench->batch);
    bench->batch = NULL;
    if (batch_decode(bytes, len, NULL, &(struct decode_options){0}, &bench->batch, &err) < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(bench->batch && bench->batch->record_count == 1);
    CHECK_FATAL(!bench->batch->records[0]->poison);
    bench->record = (struct weir_record){.rec = bench->batch->records[0], .dead = dead};
    return envelope_record(&bench->envelope, &host_table, &bench->record, out);
}

/* ---- the forms ---- */

#define CE(type)                                                                                   \
    "{\"specversion\":\"1.0\",\"id\":\"e1\",\"source\":\"" ARN                                     \
    "\",\"type\":\"com.amazonaws.dynamodb." type "\",\"subject\":\"p1\","                          \
    "\"time\":\"2023-11-14T22:13:20Z\",\"sequence\":\"7\","                                        \
    "\"datacontenttype\":\"application/json\",\"data\":"
#define PLAIN(event)                                                                               \
    "{\"event\":\"" event "\",\"time\":\"2023-11-14T22:13:20Z\",\"event_id\":\"e1\","              \
    "\"table\":\"Shop\",\"sequence\":\"7\",\"keys\":{\"id\":\"p1\"}"
#define SOURCE                                                                                     \
    "\"source\":{\"connector\":\"dynamodb\",\"name\":\"" ARN "\",\"table\":\"Shop\","              \
    "\"sequence\":\"7\",\"event_id\":\"e1\",\"ts_ms\":1700000000000}"
#define TS ",\"ts_ms\":1700000000000}"

static const struct golden {
    int32_t form;
    const char *event, *text; /* text NULL: it has no such form */
} goldens[] = {
    {WEIR_B_PLAIN, RECORD("INSERT", KEYS "," NEW), PLAIN("INSERT") ",\"new\":" NEW_IS "}"},
    {WEIR_B_PLAIN, RECORD("MODIFY", KEYS "," OLD "," NEW),
     PLAIN("MODIFY") ",\"old\":" OLD_IS ",\"new\":" NEW_IS "}"},
    {WEIR_B_PLAIN, RECORD("REMOVE", KEYS "," OLD), PLAIN("REMOVE") ",\"old\":" OLD_IS "}"},
    {WEIR_B_PLAIN, RECORD("ODD", KEYS), PLAIN("OTHER") "}"},
    {WEIR_B_CLOUDEVENTS, RECORD("INSERT", KEYS "," NEW),
     CE("INSERT") PLAIN("INSERT") ",\"new\":" NEW_IS "}}"},
    {WEIR_B_CLOUDEVENTS, RECORD("MODIFY", KEYS "," OLD "," NEW),
     CE("MODIFY") PLAIN("MODIFY") ",\"old\":" OLD_IS ",\"new\":" NEW_IS "}}"},
    {WEIR_B_CLOUDEVENTS, RECORD("REMOVE", KEYS "," OLD),
     CE("REMOVE") PLAIN("REMOVE") ",\"old\":" OLD_IS "}}"},
    {WEIR_B_CLOUDEVENTS, RECORD("ODD", KEYS), CE("OTHER") PLAIN("OTHER") "}}"},
    {WEIR_B_DEBEZIUM, RECORD("INSERT", KEYS "," NEW),
     "{\"before\":null,\"after\":" NEW_IS "," SOURCE ",\"op\":\"c\"" TS},
    {WEIR_B_DEBEZIUM, RECORD("MODIFY", KEYS "," OLD "," NEW),
     "{\"before\":" OLD_IS ",\"after\":" NEW_IS "," SOURCE ",\"op\":\"u\"" TS},
    {WEIR_B_DEBEZIUM, RECORD("REMOVE", KEYS "," OLD),
     "{\"before\":" OLD_IS ",\"after\":null," SOURCE ",\"op\":\"d\"" TS},
    {WEIR_B_DEBEZIUM, RECORD("REMOVE", KEYS),
     "{\"before\":{\"id\":\"p1\"},\"after\":null," SOURCE ",\"op\":\"d\"" TS},
    {WEIR_B_DEBEZIUM, RECORD("ODD", KEYS "," NEW),
     "{\"before\":null,\"after\":" NEW_IS "," SOURCE ",\"op\":\"r\"" TS},
    {WEIR_B_DEBEZIUM, RECORD("MODIFY", KEYS "," NEW),
     "{\"before\":null,\"after\":" NEW_IS "," SOURCE ",\"op\":\"u\"" TS},
    {WEIR_B_DEBEZIUM, RECORD("MODIFY", KEYS "," OLD), NULL},
    {WEIR_B_DEBEZIUM, RECORD("INSERT", KEYS), NULL},
    {WEIR_B_DEBEZIUM, RECORD("ODD", KEYS), NULL},
};

static void each_form_of_each_event(void)
{
    for (size_t i = 0; i < sizeof goldens / sizeof goldens[0]; i++) {
        struct bench bench;
        weir_str text = STR_NONE;
        CHECK_INT(open_bench(&bench, goldens[i].form, NULL), 0);
        int rc = render(&bench, goldens[i].event, NULL, &text);
        CHECK_INT(rc, goldens[i].text ? 0 : -EBADMSG);
        if (goldens[i].text && !str_is(text, goldens[i].text))
            printf("\n    %zu: %.*s\n    not %s", i, STR_ARG(text), goldens[i].text);
        CHECK(!goldens[i].text || str_is(text, goldens[i].text));
        close_bench(&bench);
    }
}

static void aws_and_raw_are_one_ascii_line_of_the_record(void)
{
    static const char event[] = "[ {\"eventID\":\"\xc3\xa9\",\n\"eventName\":\"INSERT\","
                                "\"dynamodb\":{\"ApproximateCreationDateTime\":1700000000,"
                                "\"Keys\":{\"id\":{\"N\":\"1.50\"}},\"SequenceNumber\":\"7\"} } ]";
    struct bench bench;
    weir_str text;
    CHECK_INT(open_bench(&bench, WEIR_B_RAW, NULL), 0);
    CHECK_INT(render(&bench, event, NULL, &text), 0);
    CHECK(str_is(text, "{\"eventID\":\"\\u00e9\",\"eventName\":\"INSERT\",\"dynamodb\":{"
                       "\"ApproximateCreationDateTime\":1700000000,\"Keys\":{\"id\":{\"N\":"
                       "\"1.50\"}},\"SequenceNumber\":\"7\"}}"));
    close_bench(&bench);
    CHECK_INT(open_bench(&bench, WEIR_B_AWS, NULL), 0);
    CHECK_INT(render(&bench, event, NULL, &text), 0);
    CHECK(str_starts(text, STR("{\"eventID\":\"\\u00e9\"")));
    CHECK(memchr(text.ptr, '\n', text.len) == NULL);
    close_bench(&bench);
}

/* A dead letter holds the whole record and why, or says in its type what it is. */
static void a_dead_letter_is_no_change(void)
{
    const struct dead_info dead = {STR("hist\"ory"), STR("why"), STR("3"), STR("{\"dead\": 1}"),
                                   false};
    static const int32_t whole[] = {WEIR_B_AWS, WEIR_B_RAW, WEIR_B_DEBEZIUM};
    const char *event = RECORD("REMOVE", KEYS "," OLD);
    struct bench bench;
    weir_str text;
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(open_bench(&bench, whole[i], NULL), 0);
        CHECK_INT(render(&bench, event, &dead, &text), 0);
        CHECK(str_is(text, "{\"dead\":1}"));
        close_bench(&bench);
    }
    CHECK_INT(open_bench(&bench, WEIR_B_CLOUDEVENTS, NULL), 0);
    CHECK_INT(render(&bench, event, &dead, &text), 0);
    CHECK(str_starts(text, STR("{\"specversion\":\"1.0\",\"id\":\"e1/dead/hist\\\"ory\"")));
    CHECK(strstr(text.ptr, "\"type\":\"com.amazonaws.dynamodb.dead\"") != NULL);
    CHECK(strstr(text.ptr, "\"dead_reason\":\"why\"") != NULL);
    close_bench(&bench);
    CHECK_INT(open_bench(&bench, WEIR_B_TEMPLATE, "[\"$.dead_sink\",\"$.dead_attempts\"]"), 0);
    CHECK_INT(render(&bench, event, &dead, &text), 0);
    CHECK(str_is(text, "[\"hist\\\"ory\",\"3\"]"));
    close_bench(&bench);
}

static void cloudevents_names_the_item_whatever_its_key(void)
{
    static const struct {
        const char *event, *part;
    } rows[] = {
        {RECORD("INSERT", "\"Keys\":{\"b\":{\"S\":\"x\"},\"a\":{\"N\":\"1.0\"}}"),
         "\"subject\":\"a=1.0,b=x\""},
        {RECORD("INSERT", "\"Keys\":{\"b\":{\"B\":\"AP8=\"}}"), "\"subject\":\"AP8=\""},
        {RECORD("INSERT", "\"Keys\":{\"b\":{\"S\":\"\\u0000\\n\"}}"), "\"subject\":\"\\u0000\\n\""},
        {"[{\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"v\"}},"
         "\"SequenceNumber\":\"9\"},\"eventSourceARN\":\"" ARN "\"}]",
         "\"id\":\"" ARN "/9\""},
        {"[{\"eventID\":\"e\",\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"v\"}}"
         ","
         "\"SequenceNumber\":\"9\"},\"eventSourceARN\":\"a\\\" \\u00e9\"}]",
         "\"source\":\"a%22%20%C3%A9\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench bench;
        weir_str text = STR_NONE;
        CHECK_INT(open_bench(&bench, WEIR_B_CLOUDEVENTS, NULL), 0);
        CHECK_INT(render(&bench, rows[i].event, NULL, &text), 0);
        struct buf copy;
        buf_init(&copy, 1 << 20);
        buf_put_str(&copy, text);
        if (!strstr(buf_cstr(&copy), rows[i].part))
            printf("\n    %s\n    has no %s", buf_cstr(&copy), rows[i].part);
        CHECK(strstr(buf_cstr(&copy), rows[i].part) != NULL);
        buf_done(&copy);
        close_bench(&bench);
    }
}

static void values_alone(void)
{
    struct bench bench;
    weir_str text = STR_NONE;
    CHECK_INT(open_bench(&bench, WEIR_B_PLAIN, NULL), 0);
    CHECK_INT(render(&bench,
                     RECORD("INSERT", KEYS ",\"NewImage\":{\"v\":{\"M\":{\"s\":{\"NS\":[\"1\","
                                           "\"+02.50\"]},\"l\":{\"L\":[{\"NULL\":true},{\"BOOL\":"
                                           "false},{\"B\":\"AP8=\"}]}}}}"),
                     NULL, &text),
              0);
    const weir_value *value = host_table.attr(&bench.record, WEIR_NEW, "v");
    CHECK_INT(envelope_value(&bench.envelope, &host_table, value, &text), 0);
    CHECK(str_is(text, "{\"s\":[1,2.50],\"l\":[null,false,\"AP8=\"]}"));
    CHECK_INT(envelope_value(&bench.envelope, &host_table, NULL, &text), 0);
    CHECK(str_is(text, "null"));
    close_bench(&bench);
    bench.envelope = (struct envelope){0};
    CHECK_INT(envelope_value(&bench.envelope, &host_table, NULL, &text), -EINVAL); /* not opened */
}

/* ---- templates ---- */

static const struct {
    const char *template, *text; /* of MODIFY with both images */
} templates[] = {
    {"{\"id\":\"$.keys.id\",\"price\":\"$.new.price\",\"kind\":\"price_changed\"}",
     "{\"id\":\"p1\",\"price\":1E+2,\"kind\":\"price_changed\"}"},
    {"\"$.new\"", NEW_IS},
    {"\"$.new.none\"", "null"},
    {"{\"a\":\"$.new.none\",\"b\":[\"$.new.none\",\"$.new.big\"],\"c\":\"$.old['price']\"}",
     "{\"b\":[null," EXACT "],\"c\":10.00}"},
    {"{\"a\":\"$.new.none\"}", "{}"},
    {"{\"a\":{\"b\":{\"c\":\"$.shard\"}},\"d\":[]}", "{\"a\":{\"b\":{}},\"d\":[]}"},
    {"[1.00,1e400,-0,true,null,\"\",\"a$.b\",\"\\u00e9\\n\"]",
     "[1.00,1e400,-0,true,null,\"\",\"a$.b\",\"\\u00e9\\n\"]"},
    {"{\"t\":\"$.time\",\"m\":\"$.time_ms\",\"e\":\"$.event\",\"x\":\"$.ttl_delete\"}",
     "{\"t\":\"2023-11-14T22:13:20Z\",\"m\":1700000000000,\"e\":\"MODIFY\",\"x\":false}"},
    {"[\"$.event_id\",\"$.table\",\"$.sequence\",\"$.stream_arn\",\"$.identity\"]",
     "[\"e1\",\"Shop\",\"7\",\"" ARN "\",\"" ARN "/7\"]"},
    {"{\"whole\":\"$\"}", "{\"whole\":" PLAIN("MODIFY") ",\"old\":" OLD_IS ",\"new\":" NEW_IS "}}"},
    {"{\"\\u00e9\\\"\":1}", "{\"\\u00e9\\\"\":1}"},
};

static void templates_are_filled_in(void)
{
    for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
        struct bench bench;
        weir_str text = STR_NONE;
        CHECK_INT(open_bench(&bench, WEIR_B_TEMPLATE, templates[i].template), 0);
        CHECK_INT(render(&bench, RECORD("MODIFY", KEYS "," OLD "," NEW), NULL, &text), 0);
        if (!str_is(text, templates[i].text))
            printf("\n    %s: %.*s", templates[i].template, STR_ARG(text));
        CHECK(str_is(text, templates[i].text));
        close_bench(&bench);
    }
}

static const struct {
    const char *template, *at, *why;
} bad_templates[] = {
    {"{\"a\":1,\"b\":\"$.nwe.x\"}", "\"$.nwe.x\"",
     "`$.nwe.x`: a record has no such part; did you mean $.new?"},
    {"{\"b\":\"$.zzzzzzzz\"}", "\"$.zzzzzzzz\"", "a record has no such part: $.keys, $.old"},
    {"[\"$price\"]", "\"$price\"", "a path begins with \"$.\""},
    {"\"$.event.x\"", "\"$.event.x\"", "only $.keys, $.old and $.new have parts"},
    {"\"$.new.\"", "\"$.new.\"", "write names behind dots"},
    {"\"$.new..a\"", "\"$.new..a\"", "write names behind dots"},
    {"\"$.new.a[x]\"", "\"$.new.a[x]\"", "write names behind dots"},
    {"\"$.new['a\"", "\"$.new['a\"", "write names behind dots"},
    {"\"$.new[0]b\"", "\"$.new[0]b\"", "write names behind dots"},
    {"\"$.new.a\\u0000b\"", "\"$.new.a\\u0000b\"", "no zero byte"},
};

static void what_is_wrong_with_a_template_is_told_at_its_place(void)
{
    for (size_t i = 0; i < sizeof bad_templates / sizeof bad_templates[0]; i++) {
        struct bench bench;
        CHECK_INT(open_bench(&bench, WEIR_B_TEMPLATE, bad_templates[i].template), -EINVAL);
        CHECK_STR(bench.option, "template");
        CHECK_FATAL(bench.problem.at != NULL);
        CHECK(str_is(bench.problem.at->raw, bad_templates[i].at));
        if (!strstr(bench.problem.msg, bad_templates[i].why))
            printf("\n    %s", bench.problem.msg);
        CHECK(strstr(bench.problem.msg, bad_templates[i].why) != NULL);
        close_bench(&bench);
    }
}

/* "$$" as it is written, and what a variable brought, are text. */
static void only_what_is_written_as_a_path_is_one(void)
{
    struct json_value dollar = {
        .kind = JSON_STRING, .raw = STR("\"$$.new\""), .text = STR("$.new")};
    struct json_value brought = {.kind = JSON_STRING, .raw = STR("\"${X}\""), .text = STR("$.new")};
    struct option_problem problem;
    const struct json_value *trees[] = {&dollar, &brought};
    for (size_t i = 0; i < 2; i++) {
        struct template *template = NULL;
        struct buf out;
        buf_init(&out, 100);
        CHECK_FATAL(template_new(trees[i], &template, &problem) == 0);
        CHECK_INT(template_put(template, &host_table, NULL, &out), 0);
        CHECK(str_is(buf_str(&out), "\"$.new\""));
        buf_done(&out);
        template_free(template);
    }
}

static void put_many(struct buf *text, const char *what, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_puts(text, what);
}

static void templates_are_bounded(void)
{
    static const struct {
        const char *before, *after;
        size_t count;
        int rc;
    } rows[] = {{"[", "]", TEMPLATE_DEPTH_MAX, 0},
                {"[", "]", TEMPLATE_DEPTH_MAX + 1, -EINVAL},
                {"0,", "", TEMPLATE_VALUES_MAX - 2, 0},
                {"0,", "", 3 * TEMPLATE_VALUES_MAX, -EINVAL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench bench;
        struct buf text;
        buf_init(&text, 1 << 20);
        buf_puts(&text, rows[i].after[0] ? "" : "[");
        put_many(&text, rows[i].before, rows[i].count);
        put_many(&text, rows[i].after, rows[i].count);
        buf_puts(&text, rows[i].after[0] ? "" : "0]");
        CHECK_INT(open_bench(&bench, WEIR_B_TEMPLATE, buf_cstr(&text)), rows[i].rc);
        close_bench(&bench);
        buf_done(&text);
    }
}

/* 900 times a record of 64 KB is more than a body may be: an error, and the next one is well. */
static void what_a_template_makes_is_bounded(void)
{
    struct bench bench;
    struct buf template, event;
    weir_str text = STR_NONE;
    buf_init(&template, 1 << 20);
    buf_init(&event, 1 << 20);
    buf_puts(&template, "[");
    put_many(&template, "\"$.new\",", 900);
    buf_puts(&template, "0]");
    buf_puts(&event, "[{\"eventID\":\"e\",\"eventName\":\"INSERT\",\"dynamodb\":{" KEYS ","
                     "\"NewImage\":{\"a\":{\"S\":\"");
    put_many(&event, "0123456789abcdef", 4096);
    buf_puts(&event, "\"}},\"SequenceNumber\":\"9\"}}]");
    CHECK_INT(open_bench(&bench, WEIR_B_TEMPLATE, buf_cstr(&template)), 0);
    CHECK_INT(render(&bench, buf_cstr(&event), NULL, &text), -EMSGSIZE);
    CHECK_INT(render(&bench, RECORD("REMOVE", KEYS), NULL, &text), 0);
    CHECK(str_starts(text, STR("[null,null,")));
    close_bench(&bench);
    buf_done(&template);
    buf_done(&event);
}

/* ---- the images that the host reads ---- */

static void each_form_asks_for_the_images_that_it_needs(void)
{
    enum { ALL = WEIR_KEYS | WEIR_OLD | WEIR_NEW };
    static const struct {
        int32_t form;
        const char *template;
        bool own; /* the plugin has a subscription of its own, to the old image */
        uint32_t struct_size, images;
    } rows[] = {
        {WEIR_B_AWS, NULL, false, sizeof(weir_subscription), 0},
        {WEIR_B_AWS, NULL, true, sizeof(weir_subscription), WEIR_OLD},
        {WEIR_B_PLAIN, NULL, false, 0, 0},
        {WEIR_B_CLOUDEVENTS, NULL, true, sizeof(weir_subscription), WEIR_OLD},
        {WEIR_B_DEBEZIUM, NULL, false, sizeof(weir_subscription), ALL},
        {WEIR_B_TEMPLATE, "\"$.new.x\"", false, sizeof(weir_subscription), WEIR_NEW},
        {WEIR_B_TEMPLATE, "\"$.new.x\"", true, sizeof(weir_subscription), WEIR_NEW | WEIR_OLD},
        {WEIR_B_TEMPLATE, "\"$.event\"", false, sizeof(weir_subscription), 0},
        {WEIR_B_TEMPLATE, "[\"$.new.x\",\"$\"]", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench bench;
        weir_subscription wants = {0};
        if (rows[i].own)
            wants = (weir_subscription){.struct_size = sizeof wants, .images = WEIR_OLD};
        CHECK_INT(open_bench(&bench, rows[i].form, rows[i].template), 0);
        weir_subscription got = envelope_subscription(&bench.envelope, wants);
        CHECK_INT(got.struct_size, rows[i].struct_size);
        CHECK_INT(got.images, rows[i].images);
        close_bench(&bench);
    }
}

/* ---- through the host's table ---- */

static void F72_an_envelope_under_failing_memory(void)
{
    for (uint64_t n = 1; n < 12; n++) {
        struct arena arena;
        struct envelope envelope = {0};
        struct option_problem problem;
        const char *option = NULL;
        arena_init(&arena, 1024);
        const struct json_value *tree =
            json_of(&arena, "{\"a\":\"$.new.x\",\"b\":[1,\"$.old.y\"]}");
        mem_fail_at(n);
        int rc =
            envelope_open(&envelope, &host_table, NULL, WEIR_B_TEMPLATE, tree, &option, &problem);
        mem_fail_at(0);
        CHECK(rc == 0 || rc == -ENOMEM);
        envelope_close(&envelope);
        arena_done(&arena);
    }
}

static void the_table_is_for_open_and_opened_instances(void)
{
    struct rig rig;
    weir_str text = STR_NONE;
    rig_init(&rig, "good", NULL);
    const weir_envelope *table = host_table.extension(rig.instance, WEIR_EXT_ENVELOPE);
    CHECK_FATAL(table != NULL);
    CHECK_INT(table->revision, 1);
    CHECK_INT(table->struct_size, sizeof *table);
    CHECK_INT(table->open(rig.instance, WEIR_B_AWS), -EINVAL); /* open() is over */
    CHECK_INT(table->open(NULL, WEIR_B_AWS), -EINVAL);
    CHECK_INT(table->value(rig.instance, NULL, &text), -EINVAL);
    CHECK_INT(table->record(rig.instance, NULL, &text), -EINVAL);
    CHECK_INT(table->record(NULL, NULL, &text), -EINVAL);
    CHECK_INT(rig.instance->problem_count, 0);
    rig_done(&rig);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"each_form_of_each_event", each_form_of_each_event},
        {"aws_and_raw_are_one_ascii_line_of_the_record",
         aws_and_raw_are_one_ascii_line_of_the_record},
        {"a_dead_letter_is_no_change", a_dead_letter_is_no_change},
        {"cloudevents_names_the_item_whatever_its_key",
         cloudevents_names_the_item_whatever_its_key},
        {"values_alone", values_alone},
        {"templates_are_filled_in", templates_are_filled_in},
        {"what_is_wrong_with_a_template_is_told_at_its_place",
         what_is_wrong_with_a_template_is_told_at_its_place},
        {"only_what_is_written_as_a_path_is_one", only_what_is_written_as_a_path_is_one},
        {"templates_are_bounded", templates_are_bounded},
        {"what_a_template_makes_is_bounded", what_a_template_makes_is_bounded},
        {"each_form_asks_for_the_images_that_it_needs",
         each_form_asks_for_the_images_that_it_needs},
        {"F72_an_envelope_under_failing_memory", F72_an_envelope_under_failing_memory},
        {"the_table_is_for_open_and_opened_instances", the_table_is_for_open_and_opened_instances},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin_envelope", tests);
}
