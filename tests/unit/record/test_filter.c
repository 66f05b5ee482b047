#include "unit.h"

#include "record/filter.h"
#include "util/alloc.h"
#include "util/buf.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { NOTES = 8 };

static struct filter_note notes[NOTES];
static size_t note_count;

/* Compiles `pattern`, which stands as a value in `arena`'s text. */
static int compile(struct arena *arena, weir_str text, struct filter **out)
{
    struct json_error error;
    const struct json_value *value = json_parse(arena, text, JSON_KEEP_DUPLICATES, 0, &error);
    CHECK_FATAL(value != NULL);
    return filter_new(value, out, notes, NOTES, &note_count);
}

/* 1 match, 0 none, -1 refused */
static int evaluate(weir_str pattern, weir_str event)
{
    struct arena arena;
    struct filter *filter = NULL;
    arena_init(&arena, 4096);
    int rc = compile(&arena, pattern, &filter);
    arena_done(&arena); /* a filter keeps nothing of the text */
    int result = rc < 0 ? -1 : filter_matches(filter, event);
    filter_free(filter);
    return result;
}

/* ---- the table ---- */

static weir_str text_of(const struct json_value *value)
{
    return value->kind == JSON_STRING ? value->text : value->raw;
}

static void check_row(weir_str line, unsigned number)
{
    struct arena arena;
    struct json_error error;
    arena_init(&arena, 4096);
    const struct json_value *row = json_parse(&arena, line, 0, 0, &error);
    if (!row)
        printf("\n    line %u: %s", number, error.msg);
    CHECK_FATAL(row != NULL);
    weir_str expect = json_text(row, "expect"), name = json_text(row, "name");
    int expected = str_is(expect, "match") ? 1 : str_is(expect, "none") ? 0 : -1;
    CHECK(expected >= 0 || str_is(expect, "refused"));
    const struct json_value *pattern = json_member0(row, "pattern");
    const struct json_value *event = json_member0(row, "event");
    CHECK_FATAL(pattern != NULL && event != NULL);

    /* As a pattern of its own, and as AWS has it: text inside the criteria. */
    struct buf criteria;
    buf_init(&criteria, 1 << 20);
    struct json_error ignored;
    bool is_json = json_parse(&arena, text_of(pattern), JSON_KEEP_DUPLICATES, 0, &ignored) != NULL;
    int direct = is_json ? evaluate(text_of(pattern), text_of(event)) : -1;
    buf_puts(&criteria, "{\"Filters\":[{\"Pattern\":");
    buf_put_str(&criteria, pattern->raw);
    buf_puts(&criteria, "}]}");
    int inside = evaluate(buf_str(&criteria), text_of(event));
    if (direct != expected || inside != expected)
        printf("\n    line %u: %.*s: %.*s", number, STR_ARG(name), STR_ARG(text_of(pattern)));
    CHECK_INT(direct, expected);
    CHECK_INT(inside, expected);
    buf_done(&criteria);
    arena_done(&arena);
}

/* tests/data/filter-cases.jsonl; the answers were compared with event-ruler 2.1.0. */
static void the_table_of_cases(void)
{
    unsigned long len;
    char *text = unit_file(TEST_DATA "/filter-cases.jsonl", &len);
    unsigned rows = 0;
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n');
        CHECK_FATAL(end != NULL);
        check_row((weir_str){line, (size_t)(end - line)}, ++rows);
        line = end + 1;
    }
    CHECK(rows > 1000);
    mem_free(text);
}

/* ---- criteria ---- */

static void several_patterns_are_alternatives(void)
{
    weir_str two =
        STR("{\"Filters\":[{\"Pattern\":\"{\\\"a\\\":[1]}\"},{\"Pattern\":{\"b\":[2]}}]}");
    CHECK_INT(evaluate(two, STR("{\"a\":1}")), 1);
    CHECK_INT(evaluate(two, STR("{\"b\":2}")), 1);
    CHECK_INT(evaluate(two, STR("{\"a\":2,\"b\":1}")), 0);
    weir_str list = STR("[{\"a\":[1]},{\"b\":[2]}]");
    CHECK_INT(evaluate(list, STR("{\"b\":2}")), 1);
    CHECK_INT(evaluate(list, STR("{\"c\":2}")), 0);
    CHECK_INT(evaluate(STR("{\"Filters\":[]}"), STR("{}")), 1);
    CHECK_INT(evaluate(STR("{\"Filters\":[]}"), STR("{")), 0);
    CHECK_INT(evaluate(STR("[]"), STR("{}")), -1);
    CHECK_INT(evaluate(STR("{\"Filters\":[{}]}"), STR("{}")), -1);
    CHECK_INT(evaluate(STR("{\"Filters\":[{\"Pattern\":5}]}"), STR("{}")), -1);
    CHECK_INT(evaluate(STR("{\"Filters\":[{\"Pattern\":\"single-string\"}]}"), STR("{}")), -1);
    CHECK_INT(evaluate(STR("\"{\\\"a\\\":[1]}\""), STR("{\"a\":1}")), 1);
}

/* Where we differ from event-ruler on purpose; filter.h says so. */
static void known_differences(void)
{
    /* There a v4 block of no bits is a prefix of every address, also of v6. */
    CHECK_INT(evaluate(STR("{\"a\":[{\"cidr\":\"0.0.0.0/0\"}]}"), STR("{\"a\":\"2001:db8::\"}")),
              0);
    CHECK_INT(evaluate(STR("{\"a\":[{\"cidr\":\"::/0\"}]}"), STR("{\"a\":\"10.0.0.1\"}")), 0);
    /* There a character beyond 16 bits never equals itself in equals-ignore-case. */
    weir_str face = STR("{\"a\":[{\"equals-ignore-case\":\"x\xf0\x9f\x98\x80\"}]}");
    CHECK_INT(evaluate(face, STR("{\"a\":\"X\xf0\x9f\x98\x80\"}")), 1);
    /* There the other case may be several characters. */
    CHECK_INT(
        evaluate(STR("{\"a\":[{\"equals-ignore-case\":\"\xc3\x9f\"}]}"), STR("{\"a\":\"SS\"}")), 0);
    /* There numbers of 16 and 17 digits depend on their double; here they are exact. */
    weir_str pattern = STR("{\"a\":[{\"numeric\":[\">\",9007199254740992]}]}");
    CHECK_INT(evaluate(pattern, STR("{\"a\":9007199254740993}")), 1);
    CHECK_INT(evaluate(pattern, STR("{\"a\":9007199254740992}")), 0);
}

static void malformed_events_never_match(void)
{
    static const char *const events[] = {"",
                                         " ",
                                         "{",
                                         "{\"a\":1",
                                         "{\"a\":1}}",
                                         "{\"a\":1} x",
                                         "[{\"a\":1}]",
                                         "{\"a\":1,}",
                                         "{\"a\"}",
                                         "{\"a\":1,\"b\":\"\xff\"}",
                                         "{\"a\":1,\"b\":\"\\ud800\"}",
                                         "{\"a\":1,\"b\":01}",
                                         "{\"a\":1 \"b\":2}",
                                         "{\"a\":1,\"b\":tru}",
                                         "{\"a\":1,\"b\":\"x\ny\"}",
                                         "{\"a\":1,\"b\":[1}",
                                         "{\"a\":1,\"b\":{]}",
                                         "1"};
    weir_str pattern = STR("{\"a\":[1]}");
    CHECK_INT(evaluate(pattern, STR(" {\"a\" : 1 , \"b\" : [ ] , \"c\" : { } } ")), 1);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        CHECK_INT(evaluate(pattern, str_of(events[i])), 0);
    CHECK_INT(evaluate(pattern, STR("{\"a\":1,\"b\":\"\0\"}")), 0);
    CHECK_INT(evaluate(pattern, STR_NONE), 0);
}

static void limits_of_a_mapping(void)
{
    struct buf buf;
    buf_init(&buf, 1 << 16);
    buf_puts(&buf, "{\"a\":[\"");
    for (int i = 0; i < 4080; i++)
        buf_putc(&buf, 'x');
    buf_puts(&buf, "\"]}");
    CHECK_INT(evaluate(buf_str(&buf), STR("{}")), 0);
    buf.len -= 3;
    buf_puts(&buf, "yyyyyyy\"]}");
    CHECK_INT(evaluate(buf_str(&buf), STR("{}")), -1);
    CHECK_STR(notes[0].msg, "Invalid filter pattern definition: longer than 4096 bytes");

    static const int counts[] = {1, 5, 6, 10, 11};
    for (size_t i = 0; i < 5; i++) {
        buf_reset(&buf);
        for (int k = 0; k < counts[i]; k++)
            buf_printf(&buf, "%s{\"Pattern\":{\"a\":[%d]}}", k ? "," : "{\"Filters\":[", k);
        buf_puts(&buf, "]}");
        CHECK_INT(evaluate(buf_str(&buf), STR("{\"a\":0}")), counts[i] > 10 ? -1 : 1);
        CHECK_INT(note_count, counts[i] > 5);
    }
    buf_done(&buf);
}

static void put_or(struct buf *buf, int choices)
{
    buf_putc(buf, '{');
    for (int i = 0; i < choices; i++)
        buf_printf(buf, "%s\"n%d\":{\"$or\":[{\"a\":[1]},{\"b\":[1]}]}", i ? "," : "", i);
    buf_putc(buf, '}');
}

static void combinations_of_or_are_capped(void)
{
    struct buf buf;
    buf_init(&buf, 1 << 16);
    put_or(&buf, 9);
    CHECK_INT(evaluate(buf_str(&buf), STR("{\"n0\":{\"a\":1}}")), 0);
    buf_reset(&buf);
    put_or(&buf, 10);
    CHECK_INT(evaluate(buf_str(&buf), STR("{}")), -1);
    CHECK_STR(notes[0].msg,
              "Invalid filter pattern definition: $or makes more than 1000 combinations");
    buf_reset(&buf);
    put_or(&buf, 90);
    CHECK_INT(evaluate(buf_str(&buf), STR("{}")), -1);
    buf_done(&buf);
}

/* ---- notes ---- */

struct note_row {
    const char *pattern, *msg, *at;
};

static void warnings_say_what_can_never_match(void)
{
    static const struct note_row rows[] = {
        {"{\"dynamodb\":{\"NewImage\":{\"price\":{\"N\":[{\"numeric\":[\">\",100]}]}}}}",
         "numeric never matches dynamodb.NewImage.price.N: an N is a JSON string",
         "{\"numeric\":[\">\",100]}"},
        {"{\"dynamodb\":{\"OldImage\":{\"price\":{\"N\":[100]}}}}",
         "a number never matches dynamodb.OldImage.price.N: an N is a JSON string", "100"},
        {"{\"dynamodb\":{\"Keys\":{\"id\":{\"N\":[{\"anything-but\":[1,2]}]}}}}",
         "anything-but a number always matches dynamodb.Keys.id.N: an N is a JSON string",
         "{\"anything-but\":[1,2]}"},
        {"{\"dynamodb\":{\"NewImage\":{\"m\":{\"M\":{\"x\":{\"L\":{\"NS\":[5]}}}}}}}",
         "a number never matches dynamodb.NewImage.m.M.x.L.NS: an N is a JSON string", "5"},
        {"{\"dynamodb\":{\"NewImage\":{\"presentKey\":[{\"exists\":false}]}}}",
         "exists sees leaves only, and dynamodb.NewImage.presentKey is an object: false always "
         "matches",
         "{\"exists\":false}"},
        {"{\"dynamodb\":{\"NewImage\":{\"presentKey\":[{\"exists\":true}]}}}",
         "exists sees leaves only, and dynamodb.NewImage.presentKey is an object: true never "
         "matches",
         "{\"exists\":true}"},
        {"{\"dynamodb\":{\"NewImage\":[{\"exists\":true}]}}",
         "exists sees leaves only, and dynamodb.NewImage is an object: true never matches",
         "{\"exists\":true}"},
        {"{\"dynamodb\":{\"NewImage\":{\"status\":[\"new\"]}}}",
         "this never matches: dynamodb.NewImage.status is an object", "\"new\""},
        {"{\"dynamodb\":{\"NewImage\":{\"status\":{\"s\":[\"new\"]}}}}",
         "this never matches: dynamodb.NewImage.status.s is no way through DynamoDB's types",
         "[\"new\"]"},
        {"{\"dynamodb\":{\"NewImage\":{\"status\":{\"S\":{\"x\":[\"new\"]}}}}}",
         "this never matches: dynamodb.NewImage.status.S.x is no way through DynamoDB's types",
         "[\"new\"]"},
        {"{\"dynamodb\":{\"NewImage\":{\"status\":{\"S\":[\"new\"]}}}}", NULL, NULL},
        {"{\"dynamodb\":{\"NewImage\":{\"n\":{\"N\":[\"100\",{\"exists\":false}]}}}}", NULL, NULL},
        {"{\"dynamodb\":{\"SizeBytes\":[{\"numeric\":[\">\",100]}]}}", NULL, NULL},
        {"{\"eventName\":[\"MODIFY\"]}", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct filter *filter = NULL;
        weir_str text = str_of(rows[i].pattern);
        arena_init(&arena, 4096);
        CHECK_INT(compile(&arena, text, &filter), 0);
        CHECK_INT(note_count, rows[i].msg != NULL);
        if (rows[i].msg && note_count == 1) {
            CHECK_STR(notes[0].msg, rows[i].msg);
            CHECK(!notes[0].fatal);
            CHECK(notes[0].help[0] != '\0');
            CHECK(str_is(notes[0].at, rows[i].at));
            CHECK(notes[0].at.ptr >= text.ptr && notes[0].at.ptr < text.ptr + text.len);
        }
        filter_free(filter);
        arena_done(&arena);
    }
}

static void a_refusal_names_its_place(void)
{
    static const struct note_row rows[] = {
        {"{\"a\":\"x\"}", "\"a\" must be an object or an array", "\"x\""},
        {"{\"a\":{\"b\":[{\"numeric\":[\"<>\",1]}]}}",
         "numeric operators are = < <= > >=", "\"<>\""},
        {"{\"a\":[{\"wildcard\":\"a**\"}]}", "consecutive wildcard characters", "\"a**\""},
        {"{\"a\":[{\"cidr\":\"10.0.0.0/32\"}]}", "cidr \"10.0.0.0/32\" needs fewer than 32 bits",
         "\"10.0.0.0/32\""},
        {"{\"Filters\":[{\"Pattern\":\"{\\\"a\\\":[}\"}]}",
         "expected a value or ']' after [ at byte 6", "\"{\\\"a\\\":[}\""},
        {"{\"Filters\":[{\"Pattern\":\"{\\\"a\\\":[[1]]}\"}]}",
         "an allowed value must be a string, number, true, false, null or object",
         "\"{\\\"a\\\":[[1]]}\""},
        {"{}", "an empty object allows nothing", "{}"},
        {"[5]", "a pattern must be an object", "5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        struct filter *filter = NULL;
        arena_init(&arena, 4096);
        CHECK_INT(compile(&arena, str_of(rows[i].pattern), &filter), -EINVAL);
        CHECK_INT(note_count, 1);
        CHECK(notes[0].fatal);
        char expected[256];
        snprintf(expected, sizeof expected, "Invalid filter pattern definition: %s", rows[i].msg);
        CHECK_STR(notes[0].msg, expected);
        CHECK(str_is(notes[0].at, rows[i].at));
        arena_done(&arena);
    }
}

static void notes_are_optional_and_bounded(void)
{
    struct arena arena;
    struct json_error error;
    struct filter *filter = NULL;
    weir_str text =
        STR("{\"dynamodb\":{\"NewImage\":{\"a\":[1],\"b\":[2],\"c\":[3],\"d\":\"x\"}}}");
    arena_init(&arena, 4096);
    const struct json_value *value = json_parse(&arena, text, 0, 0, &error);
    CHECK_INT(filter_new(value, &filter, NULL, 0, &note_count), -EINVAL);
    CHECK_INT(note_count, 0);
    CHECK_INT(filter_new(value, &filter, notes, 2, &note_count), -EINVAL);
    CHECK_INT(note_count, 2);
    CHECK(!notes[0].fatal);
    CHECK(notes[1].fatal); /* the reason comes through */
    arena_done(&arena);
}

/* ---- hostile ---- */

static void out_of_memory_is_reported(void)
{
    weir_str text =
        STR("{\"a\":[{\"wildcard\":\"x*y\"},{\"anything-but\":[\"q\"]}],"
            "\"$or\":[{\"b\":[1]},{\"c\":[{\"prefix\":{\"equals-ignore-case\":\"z\"}}]}]}");
    struct arena arena;
    struct json_error error;
    arena_init(&arena, 4096);
    const struct json_value *value = json_parse(&arena, text, 0, 0, &error);
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        struct filter *filter = NULL;
        mem_fail_at(n);
        int rc = filter_new(value, &filter, notes, NOTES, &note_count);
        mem_fail_at(0);
        filter_free(filter);
        if (rc == 0)
            break;
        CHECK_INT(rc, -ENOMEM);
        failures++;
    }
    CHECK(failures > 2);
    arena_done(&arena);
}

static void no_allocation_in_the_usual_case(void)
{
    weir_str event =
        STR("{\"eventName\":\"MODIFY\",\"dynamodb\":{\"NewImage\":{\"status\":{\"S\":\"a\\nb\"},"
            "\"tags\":{\"SS\":[\"x\",\"y\"]}}}}");
    struct arena arena;
    struct filter *filter = NULL;
    arena_init(&arena, 4096);
    CHECK_INT(
        compile(&arena,
                STR("{\"eventName\":[\"MODIFY\"],\"dynamodb\":{\"NewImage\":{\"status\":{\"S\":"
                    "[{\"suffix\":\"b\"}]},\"tags\":{\"SS\":[\"y\"]}}}}"),
                &filter),
        0);
    uint64_t calls = mem_calls();
    CHECK(filter_matches(filter, event));
    CHECK_INT(mem_calls(), calls);
    filter_free(filter);
    arena_done(&arena);
}

/* Many stars against many nearly fitting bytes; an array whose every element nearly fits. */
static void F81_hostile_events_take_linear_time(void)
{
    struct buf event, pattern;
    buf_init(&event, 1 << 24);
    buf_init(&pattern, 4096);
    clock_t begin = clock();

    buf_puts(&event, "{\"a\":\"");
    for (int i = 0; i < 1 << 20; i++)
        buf_putc(&event, 'a');
    buf_puts(&event, "\"}");
    buf_puts(&pattern, "{\"a\":[{\"wildcard\":\"");
    for (int i = 0; i < 150; i++)
        buf_puts(&pattern, "*aaaaaaaaaaaaaaaaab");
    buf_puts(&pattern, "*\"}]}");
    CHECK_INT(evaluate(buf_str(&pattern), buf_str(&event)), 0);

    buf_reset(&event);
    buf_reset(&pattern);
    for (int k = 0; k < 6; k++) {
        buf_printf(&event, "%s\"k%d\":[", k ? "," : "{", k);
        for (int i = 0; i < 5000; i++)
            buf_printf(&event, "%s{\"a\":1},{\"b\":2}", i ? "," : "");
        buf_puts(&event, k < 5 ? ",{\"a\":1,\"b\":2}]" : "]");
        buf_printf(&pattern, "%s\"k%d\":{\"a\":[1],\"b\":[2]}", k ? "," : "{", k);
    }
    buf_putc(&event, '}');
    buf_putc(&pattern, '}');
    CHECK_INT(evaluate(buf_str(&pattern), buf_str(&event)), 0);
    event.len -= 2;
    buf_puts(&event, ",{\"b\":2,\"a\":1}]}");
    CHECK_INT(evaluate(buf_str(&pattern), buf_str(&event)), 1);

    CHECK((double)(clock() - begin) / CLOCKS_PER_SEC < 10.0);
    buf_done(&event);
    buf_done(&pattern);
}

static void F81_depth_is_capped(void)
{
    struct buf event;
    buf_init(&event, 4096);
    for (int depth = 126; depth <= 129; depth++) {
        buf_reset(&event);
        buf_puts(&event, "{\"a\":");
        for (int i = 0; i < depth; i++)
            buf_putc(&event, '[');
        buf_putc(&event, '1');
        for (int i = 0; i < depth; i++)
            buf_putc(&event, ']');
        buf_putc(&event, '}');
        CHECK_INT(evaluate(STR("{\"a\":[1]}"), buf_str(&event)), depth < 128);
    }
    buf_done(&event);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"the_table_of_cases", the_table_of_cases},
        {"several_patterns_are_alternatives", several_patterns_are_alternatives},
        {"known_differences", known_differences},
        {"malformed_events_never_match", malformed_events_never_match},
        {"limits_of_a_mapping", limits_of_a_mapping},
        {"combinations_of_or_are_capped", combinations_of_or_are_capped},
        {"warnings_say_what_can_never_match", warnings_say_what_can_never_match},
        {"a_refusal_names_its_place", a_refusal_names_its_place},
        {"notes_are_optional_and_bounded", notes_are_optional_and_bounded},
        {"out_of_memory_is_reported", out_of_memory_is_reported},
        {"no_allocation_in_the_usual_case", no_allocation_in_the_usual_case},
        {"F81_hostile_events_take_linear_time", F81_hostile_events_take_linear_time},
        {"F81_depth_is_capped", F81_depth_is_capped},
        {NULL, NULL}};
    return unit_main(argc, argv, "filter", tests);
}
