#include "unit.h"

#include "json/json.h"
#include "util/alloc.h"
#include "util/buf.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static struct arena arena;
static struct json_error error;

static struct json_value *parse(weir_str text, unsigned flags)
{
    error = (struct json_error){0};
    return json_parse(&arena, text, flags, 0, &error);
}

static void a_document_becomes_a_tree(void)
{
    weir_str text = STR(" {\"a\": [1, -2.50e+1, \"x\\ny\", true, false, null, {}, []],\n"
                        "  \"b\\u0000\": {\"c\": \"\xc3\xa9\"}} ");
    arena_init(&arena, 1024);
    const struct json_value *root = parse(text, 0);
    CHECK_FATAL(root != NULL);

    CHECK_INT(root->kind, JSON_OBJECT);
    CHECK_INT(root->size, 2);
    CHECK_INT(root->raw.len, text.len - 2);
    const struct json_value *list = json_member0(root, "a");
    CHECK_FATAL(list != NULL);
    CHECK(list->name_at == text.ptr + 2);
    CHECK(str_is(list->raw, "[1, -2.50e+1, \"x\\ny\", true, false, null, {}, []]"));
    CHECK_INT(list->size, 8);
    static const enum json_kind kinds[] = {JSON_NUMBER, JSON_NUMBER, JSON_STRING, JSON_TRUE,
                                           JSON_FALSE,  JSON_NULL,   JSON_OBJECT, JSON_ARRAY};
    for (size_t i = 0; i < 8; i++)
        CHECK_INT(json_at(list, i)->kind, kinds[i]);
    CHECK(json_at(list, 8) == NULL);
    CHECK(str_is(json_at(list, 1)->text, "-2.50e+1"));
    CHECK(str_is(json_at(list, 2)->text, "x\ny"));
    CHECK(str_is(json_at(list, 2)->raw, "\"x\\ny\""));
    CHECK_INT(json_at(list, 2)->escaped, 1);
    CHECK(json_at(list, 2)->name_at == NULL);
    const struct json_value *inner = json_member(root, STR("b\0"));
    CHECK(str_eq(json_text(inner, "c"), STR("\xc3\xa9")));
    CHECK(json_member0(root, "A") == NULL);
    CHECK(json_member0(list, "a") == NULL);
    CHECK(json_member0(NULL, "a") == NULL);
    CHECK(json_at(NULL, 0) == NULL);
    CHECK_INT(json_text(root, "a").len, 0);
    CHECK(json_at(root, 1) == inner);
    arena_done(&arena);
}

struct sound_row {
    const char *text;
    enum json_kind kind;
};

static void single_values(void)
{
    static const struct sound_row rows[] = {
        {"0", JSON_NUMBER},
        {"-0", JSON_NUMBER},
        {"1e400", JSON_NUMBER},
        {"9007199254740993", JSON_NUMBER},
        {"0.5E-3", JSON_NUMBER},
        {"\"\"", JSON_STRING},
        {"\"\\ud83d\\ude00\"", JSON_STRING},
        {"\"\x7f\"", JSON_STRING},
        {"null", JSON_NULL},
        {"\t\r\n true ", JSON_TRUE},
        {"false", JSON_FALSE},
        {"[]", JSON_ARRAY},
        {"{}", JSON_OBJECT},
        {"[[[]]]", JSON_ARRAY},
        {"[ ]", JSON_ARRAY},
        {"{ }", JSON_OBJECT},
        {"\"\\u0000\"", JSON_STRING},
    };
    arena_init(&arena, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct json_value *root = parse(str_of(rows[i].text), 0);
        if (!root)
            printf("\n    %s: %s", rows[i].text, error.msg);
        CHECK_INT(root ? (int)root->kind : -1, rows[i].kind);
    }
    arena_done(&arena);
}

static const struct {
    const char *text;
    size_t offset, length;
    const char *msg;
} malformed[] = {
    {"{\"batch_size\": 100 \"start\": 1}", 19, 7, "expected ',' or '}' after 100"},
    {"[1 2]", 3, 1, "expected ',' or ']' after 1"},
    {"{\"a\" 1}", 5, 1, "expected ':' after \"a\""},
    {"{\"a\":}", 5, 1, "expected a value after :"},
    {"[1,]", 3, 1, "expected a value after ,"},
    {"[,]", 1, 1, "expected a value or ']' after ["},
    {"{\"a\":1,}", 7, 1, "expected a name in double quotes after ,"},
    {"{a:1}", 1, 1, "expected a name in double quotes or '}' after {"},
    {"{'price':1}", 1, 7, "expected a name in double quotes or '}' after {"},
    {"['x']", 1, 3, "strings need double quotes: 'x'"},
    {"[1] x", 4, 1, "expected the end of the text after ]"},
    {"{} {}", 3, 1, "expected the end of the text after }"},
    {"", 0, 1, "expected a value, but the text ends"},
    {"  ", 2, 1, "expected a value, but the text ends"},
    {"[1", 2, 1, "expected ',' or ']' after 1, but the text ends"},
    {"{\"a\"", 4, 1, "expected ':' after \"a\", but the text ends"},
    {"truex", 0, 5, "unknown word truex"},
    {"True", 0, 4, "unknown word True"},
    {"NaN", 0, 3, "unknown word NaN"},
    {"[Infinity]", 1, 8, "unknown word Infinity"},
    {"nul", 0, 3, "unknown word nul"},
    {"[01]", 1, 2, "a number can't begin with 0"},
    {"[-01]", 2, 2, "a number can't begin with 0"},
    {"[1.]", 3, 1, "a number needs a digit behind its point"},
    {"[.5]", 1, 2, "unknown word .5"},
    {"[+1]", 1, 2, "unknown word +1"},
    {"[-]", 2, 1, "a number needs a digit here"},
    {"[1e]", 3, 1, "a number needs a digit in its exponent"},
    {"[1e+]", 4, 1, "a number needs a digit in its exponent"},
    {"[1x]", 2, 1, "expected ',' or ']' after 1"},
    {"\"abc", 0, 4, "unfinished string"},
    {"\"abc\\", 4, 2, "unfinished string"},
    {"\"a\tb\"", 2, 1, "control character in a string, write it as \\u00XX"},
    {"\"a\nb\"", 2, 1, "control character in a string, write it as \\u00XX"},
    {"\"\\x\"", 1, 2, "unknown escape in a string"},
    {"\"\\uGGGG\"", 1, 6, "\\u needs four hex digits"},
    {"\"\\u12\"", 1, 4, "\\u needs four hex digits"},
    {"\"\\ud800\"", 1, 6, "half of a surrogate pair in a string"},
    {"\"\\udc00\"", 1, 6, "half of a surrogate pair in a string"},
    {"\"\\ud800\\u0041\"", 1, 6, "half of a surrogate pair in a string"},
    {"\"\xff\"", 1, 1, "invalid UTF-8 in a string"},
    {"\"\xc0\xaf\"", 1, 1, "invalid UTF-8 in a string"},
    {"\"\xed\xa0\x80\"", 1, 1, "invalid UTF-8 in a string"},
    {"\xef\xbb\xbf{}", 0, 1, "expected a value"},
    {"[1,\f2]", 3, 1, "expected a value after ,"},
    {"[1,\x01 2]", 3, 1, "expected a value after ,"},
    {"{\"a\":1,\"b\":2,\"a\":3}", 13, 3, "duplicate name \"a\""},
    {"{\"a\":1,\"\\u0061\":3}", 7, 8, "duplicate name \"\\u0061\""},
    {"{\"a\":{\"a\":1},\"a\":3}", 13, 3, "duplicate name \"a\""},
    {"{\"a\":1, // no\n}", 8, 2, "comments are not allowed here"},
    {"]", 0, 1, "expected a value"},
    {"[}", 1, 1, "expected a value or ']' after ["},
    {"[1}", 2, 1, "expected ',' or ']' after 1"},
    {"{\"a\":1]", 6, 1, "expected ',' or '}' after 1"},
};

static void F80_malformed_text_is_refused_with_its_place(void)
{
    arena_init(&arena, 1024);
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        CHECK(parse(str_of(malformed[i].text), 0) == NULL);
        if (strcmp(error.msg, malformed[i].msg) != 0 || error.offset != malformed[i].offset)
            printf("\n    row %s", malformed[i].text);
        CHECK_STR(error.msg, malformed[i].msg);
        CHECK_INT(error.offset, malformed[i].offset);
        CHECK_INT(error.length, malformed[i].length);
    }
    CHECK(parse(STR("\"a\0b\""), 0) == NULL);
    CHECK_INT(error.offset, 2);
    CHECK(parse(STR("1\0"), 0) == NULL);
    CHECK_INT(error.offset, 1);
    CHECK(parse(STR_NONE, 0) == NULL);
    arena_done(&arena);
}

/* The scanner looks at eight bytes at a time. */
static void a_special_byte_is_seen_at_every_place(void)
{
    for (size_t len = 1; len < 40; len++)
        for (size_t place = 0; place < len; place++)
            for (int byte = 0; byte < 256; byte++) {
                char text[48];
                arena_init(&arena, 1024);
                memset(text, 'a', sizeof text);
                text[0] = text[len + 1] = '"';
                text[place + 1] = (char)byte;
                const struct json_value *root = parse((weir_str){text, len + 2}, 0);
                bool plain = byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\';
                CHECK((root != NULL) == plain);
                CHECK(!root || (root->text.len == len && !root->escaped));
                arena_done(&arena);
            }
}

static void a_message_never_carries_raw_bytes(void)
{
    char text[400] = "[\"";
    arena_init(&arena, 1024);
    memset(text + 2, 'x', 300);
    memcpy(text + 10, "\x7f\xc3\xa9", 3);
    memcpy(text + 302, "\" 1]", 5);
    CHECK(parse(str_of(text), 0) == NULL);
    CHECK_STR(error.msg, "expected ',' or ']' after \"xxxxxxxx???xxxxxxxxxxxxxxxxxxxxxxxxxxxx...");
    arena_done(&arena);
}

static void comments_and_trailing_commas_in_jsonc(void)
{
    static const char *const sound[] = {
        "// first\n{\"a\": 1, /* two */ \"b\": [1, 2,], // three\n}",
        "/**/ [] //",
        "[1 /* * / */ , // x\n 2 ]",
        "/* // */ 1 // /*",
        "{\"a\"/**/:/**/1/**/,/**/}",
        "//\n//\n0"};
    static const struct {
        const char *text;
        size_t offset;
        const char *msg;
    } wrong[] = {
        {"[1 /* x", 3, "unfinished comment"},
        {"/*/ 1", 0, "unfinished comment"},
        {"[1 / 2]", 3, "a comment begins with // or /*"},
        {"[,]", 1, "expected a value or ']' after ["},
        {"[1,,]", 3, "expected a value after ,"},
        {"{,}", 1, "expected a name in double quotes or '}' after {"},
        {"// only", 7, "expected a value, but the text ends"},
        {"/", 0, "a comment begins with // or /*"},
        {"# x\n1", 0, "expected a value"},
    };
    arena_init(&arena, 1024);
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        CHECK(parse(str_of(sound[i]), JSON_COMMENTS) != NULL);
        CHECK_STR(error.msg, "");
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(parse(str_of(wrong[i].text), JSON_COMMENTS) == NULL);
        CHECK_STR(error.msg, wrong[i].msg);
        CHECK_INT(error.offset, wrong[i].offset);
    }
    arena_done(&arena);
}

static void duplicates_as_the_flags_say(void)
{
    weir_str text = STR("{\"a\":[1],\"b\":2,\"a\":{\"x\":3},\"c\":4}");
    arena_init(&arena, 1024);
    const struct json_value *last = parse(text, JSON_LAST_WINS);
    const struct json_value *all = parse(text, JSON_KEEP_DUPLICATES);
    CHECK_FATAL(last != NULL && all != NULL);
    CHECK_INT(last->size, 3);
    CHECK_INT(json_member0(last, "a")->kind, JSON_OBJECT);
    CHECK_INT(json_member0(last, "a")->size, 1);
    CHECK(str_is(json_at(last, 1)->name, "b"));
    CHECK(str_is(json_at(last, 2)->name, "c"));
    CHECK(json_at(last, 3) == NULL);
    CHECK_INT(all->size, 4);
    CHECK_INT(json_at(all, 0)->kind, JSON_ARRAY);
    CHECK_INT(json_at(all, 2)->kind, JSON_OBJECT);
    arena_done(&arena);
}

static void put_names(struct buf *buf, int count, int repeated)
{
    buf_putc(buf, '{');
    for (int i = 0; i < count; i++)
        buf_printf(buf, "%s\"name %d\":%d", i ? "," : "", i, i);
    if (repeated >= 0)
        buf_printf(buf, ",\"name %d\":-1", repeated);
    buf_putc(buf, '}');
}

static void F81_many_names_are_checked_in_linear_time(void)
{
    static const int counts[] = {15, 16, 17, 31, 32, 33, 100, 100000};
    clock_t begin = clock();
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        static const int places[] = {0, 1, 2};
        for (size_t k = 0; k < 3; k++) {
            int repeated = places[k] == 0 ? 0 : counts[i] * places[k] / 2 - 1;
            struct buf buf;
            buf_init(&buf, 1 << 24);
            put_names(&buf, counts[i], repeated);
            arena_init(&arena, 1 << 16);
            CHECK(parse(buf_str(&buf), 0) == NULL);
            CHECK(strncmp(error.msg, "duplicate name", 14) == 0);
            const struct json_value *root = parse(buf_str(&buf), JSON_LAST_WINS);
            CHECK_FATAL(root != NULL);
            CHECK_INT(root->size, counts[i]);
            CHECK(str_is(json_at(root, (size_t)repeated)->text, "-1"));
            buf_reset(&buf);
            put_names(&buf, counts[i], -1);
            CHECK(parse(buf_str(&buf), 0) != NULL);
            arena_done(&arena);
            buf_done(&buf);
        }
    }
    CHECK((double)(clock() - begin) / CLOCKS_PER_SEC < 20.0);
}

static void F81_depth_and_values_are_capped(void)
{
    char text[2 * (JSON_DEPTH_MAX + 1)];
    arena_init(&arena, 1024);
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    CHECK(parse((weir_str){text, sizeof text - 2}, 0) != NULL);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    CHECK(parse((weir_str){text, sizeof text}, 0) == NULL);
    CHECK_STR(error.msg, "nested deeper than 128 levels");
    CHECK_INT(error.offset, JSON_DEPTH_MAX);

    CHECK(json_parse(&arena, STR("[1,2,3]"), 0, 4, &error) != NULL);
    CHECK(json_parse(&arena, STR("[1,2,3]"), 0, 3, &error) == NULL);
    CHECK_STR(error.msg, "too many values");
    CHECK_INT(error.offset, 5);
    arena_done(&arena);
}

static void F81_a_million_brackets_end_at_once(void)
{
    enum { COUNT = 1 << 20 };
    char *text = mem_alloc(COUNT);
    CHECK_FATAL(text != NULL);
    memset(text, '[', COUNT);
    arena_init(&arena, 1024);
    CHECK(parse((weir_str){text, COUNT}, 0) == NULL);
    CHECK_INT(error.offset, JSON_DEPTH_MAX);
    arena_done(&arena);
    mem_free(text);
}

static void out_of_memory_is_an_error(void)
{
    weir_str text = STR("{\"a\":[1,2,{\"b\":\"x\\ny\"}],\"c\":4}");
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        arena_init(&arena, 0);
        mem_fail_at(n);
        const struct json_value *root = parse(text, 0);
        mem_fail_at(0);
        arena_done(&arena);
        if (root)
            break;
        CHECK_STR(error.msg, "out of memory");
        failures++;
    }
    CHECK(failures > 0);
}

static void whole_numbers(void)
{
    static const struct {
        const char *text;
        int rc;
        int64_t value;
    } rows[] = {
        {"12", 0, 12},
        {"-3", 0, -3},
        {"0", 0, 0},
        {"-0.0", 0, 0},
        {"1e3", 0, 1000},
        {"5.0", 0, 5},
        {"1.5e1", 0, 15},
        {"1200e-2", 0, 12},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", -ERANGE, 0},
        {"-9223372036854775809", -ERANGE, 0},
        {"9999999999999999999", -ERANGE, 0},
        {"1e19", -ERANGE, 0},
        {"1e100", -ERANGE, 0},
        {"1e400", -ERANGE, 0},
        {"1.5", -EINVAL, 0},
        {"1e-3", -EINVAL, 0},
        {"\"12\"", -EINVAL, 0},
        {"true", -EINVAL, 0},
        {"[1]", -EINVAL, 0},
    };
    arena_init(&arena, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t value = -77;
        int rc = json_i64(parse(str_of(rows[i].text), 0), &value);
        CHECK_INT(rc, rows[i].rc);
        CHECK_INT(value, rc == 0 ? rows[i].value : -77);
    }
    CHECK_INT(json_i64(NULL, NULL), -EINVAL);
    arena_done(&arena);
}

static void whole_documents_are_told_from_the_rest(void)
{
    CHECK(json_valid(STR("{\"a\":1,\"a\":[2]}")));
    CHECK(json_valid(STR(" null ")));
    CHECK(!json_valid(STR("")));
    CHECK(!json_valid(STR("{} {}")));
    CHECK(!json_valid(STR("{\"a\":")));
}

static void places(void)
{
    weir_str text = STR("first\nsecond\r\n\nlast");
    static const struct {
        size_t offset;
        unsigned line, column;
        const char *text;
    } rows[] = {
        {0, 1, 1, "first"},  {4, 1, 5, "first"},   {5, 1, 6, "first"},
        {6, 2, 1, "second"}, {11, 2, 6, "second"}, {14, 3, 1, ""},
        {15, 4, 1, "last"},  {19, 4, 5, "last"},   {500, 4, 5, "last"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_place place = json_place(text, rows[i].offset);
        CHECK_INT(place.line, rows[i].line);
        CHECK_INT(place.column, rows[i].column);
        CHECK(str_is(place.line_text, rows[i].text));
    }
    CHECK_INT(json_place(STR_NONE, 3).line, 1);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"a_document_becomes_a_tree", a_document_becomes_a_tree},
        {"single_values", single_values},
        {"F80_malformed_text_is_refused_with_its_place",
         F80_malformed_text_is_refused_with_its_place},
        {"a_special_byte_is_seen_at_every_place", a_special_byte_is_seen_at_every_place},
        {"a_message_never_carries_raw_bytes", a_message_never_carries_raw_bytes},
        {"comments_and_trailing_commas_in_jsonc", comments_and_trailing_commas_in_jsonc},
        {"duplicates_as_the_flags_say", duplicates_as_the_flags_say},
        {"F81_many_names_are_checked_in_linear_time", F81_many_names_are_checked_in_linear_time},
        {"F81_depth_and_values_are_capped", F81_depth_and_values_are_capped},
        {"F81_a_million_brackets_end_at_once", F81_a_million_brackets_end_at_once},
        {"out_of_memory_is_an_error", out_of_memory_is_an_error},
        {"whole_numbers", whole_numbers},
        {"whole_documents_are_told_from_the_rest", whole_documents_are_told_from_the_rest},
        {"places", places},
        {NULL, NULL}};
    return unit_main(argc, argv, "json", tests);
}
