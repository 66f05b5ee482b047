/* FAULTS.md 2.1: what hostile JSON text does inside one record, as value and as name. */
#include "support.h"

struct text_row {
    const char *raw;     /* between the quotes */
    const char *meaning; /* what it decodes to, NULL: poison */
    size_t len;
    const char *reason;
};

static const struct text_row rows[] = {
    {"plain", "plain", 5, NULL},
    {"", "", 0, NULL},
    {"x\\u0000y", "x\0y", 3, NULL},
    {"\\u0000", "\0", 1, NULL},
    {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8, NULL},
    {"\\u00e9\\u20AC", "\xc3\xa9\xe2\x82\xac", 5, NULL},
    {"\\ud83d\\ude00", "\xf0\x9f\x98\x80", 4, NULL},
    {"\xf0\x9f\x98\x80 \xc3\xa9", "\xf0\x9f\x98\x80 \xc3\xa9", 7, NULL},
    {"\x7f", "\x7f", 1, NULL},
    {"\xe2\x80\xa8", "\xe2\x80\xa8", 3, NULL},
    {"a text of more than thirty-two bytes, so that blocks are crossed \\n twice",
     "a text of more than thirty-two bytes, so that blocks are crossed \n twice", 72, NULL},
    {"\\uGGGG", NULL, 0, "bad \\u escape"},
    {"\\u12", NULL, 0, "bad \\u escape"},
    {"\\x41", NULL, 0, "bad escape"},
    {"\\ud800", NULL, 0, "lone surrogate"},
    {"\\udc00", NULL, 0, "lone surrogate"},
    {"\\ud800\\u0041", NULL, 0, "lone surrogate"},
    {"\\ud800x\\udc00", NULL, 0, "lone surrogate"},
    {"\\ude00\\ud83d", NULL, 0, "lone surrogate"},
    {"\xff", NULL, 0, "invalid UTF-8"},
    {"\xc0\xaf", NULL, 0, "invalid UTF-8"},
    {"\xe0\x80\xaf", NULL, 0, "invalid UTF-8"},
    {"\xed\xa0\x80", NULL, 0, "invalid UTF-8"},
    {"\xf4\x90\x80\x80", NULL, 0, "invalid UTF-8"},
    {"\xf5\x80\x80\x80", NULL, 0, "invalid UTF-8"},
    {"caf\xc3", NULL, 0, "invalid UTF-8"},
    {"\x80", NULL, 0, "invalid UTF-8"},
    {"a\tb", NULL, 0, "control character or end inside a string"},
    {"a\nb", NULL, 0, "control character or end inside a string"},
    {"\x01", NULL, 0, "control character or end inside a string"},
    {"\x1f", NULL, 0, "control character or end inside a string"},
};

static void check_poison(const struct record *record, const char *reason)
{
    CHECK_FATAL(record->poison != NULL);
    if (reason)
        CHECK_STR(record->poison, reason);
    CHECK_STR(cstr(record_field(record, WEIR_F_SEQUENCE)), "200");
    CHECK_STR(cstr(record->event_id), "id-200");
    CHECK(record_image(record, WEIR_KEYS) == NULL && record_image(record, WEIR_NEW) == NULL);
    CHECK(record->poison_offset >= (size_t)(record->raw.ptr - record->batch->bytes));
    CHECK(record->raw.len > 0 && record->raw.ptr[record->raw.len - 1] == '}');
}

static void F80_every_text_row_as_value(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char image[512], middle[2048];
        snprintf(image, sizeof image, "{\"v\":{\"S\":\"%s\"}}", rows[i].raw);
        struct batch *batch = decode_between(record_of(middle, sizeof middle, "200", image));
        const struct record *record = batch->records[1];
        if (rows[i].meaning) {
            weir_str text = value_text(value_path(record_image(record, WEIR_NEW), "v"));
            CHECK(!record->poison);
            CHECK_INT(text.len, rows[i].len);
            CHECK(text.ptr && memcmp(text.ptr, rows[i].meaning, rows[i].len) == 0);
        } else {
            check_poison(record, rows[i].reason);
        }
        batch_unref(batch);
    }
}

static void F80_every_text_row_as_name(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char image[512], middle[2048];
        weir_str name = STR_NONE;
        snprintf(image, sizeof image,
                 "{\"before\":{\"N\":\"1\"},\"%s\":{\"M\":{\"%s\":{\"L\":[]}}}}", rows[i].raw,
                 rows[i].raw);
        struct batch *batch = decode_between(record_of(middle, sizeof middle, "200", image));
        const struct record *record = batch->records[1];
        if (rows[i].meaning) {
            const struct node *value = value_entry(record_image(record, WEIR_NEW), 1, &name);
            CHECK_INT(name.len, rows[i].len);
            CHECK(name.ptr && memcmp(name.ptr, rows[i].meaning, rows[i].len) == 0);
            CHECK(value_member(record_image(record, WEIR_NEW), name) == value);
            CHECK_INT(value_type(value_member(value, name)), WEIR_T_L);
        } else {
            check_poison(record, rows[i].reason);
        }
        batch_unref(batch);
    }
}

/* The same rows where no sink looks: still validated. */
static void F80_every_text_row_in_skipped_parts(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char middle[2048];
        snprintf(middle, sizeof middle,
                 "{\"eventID\":\"id-200\",\"eventName\":\"INSERT\",\"extra\":[{\"%s\":[\"%s\"]}],"
                 "\"dynamodb\":{\"SequenceNumber\":\"200\"}}",
                 rows[i].raw, rows[i].raw);
        struct batch *batch = decode_between(middle);
        if (rows[i].meaning)
            CHECK_INT(batch->records[1]->poison == NULL, 1);
        else
            check_poison(batch->records[1], rows[i].reason);
        batch_unref(batch);
    }
}

/* Structure and types: each of these members makes its record poison, with a reason. */
static void F82_wrong_structure_is_poison(void)
{
    static const struct {
        const char *change, *reason;
    } wrong[] = {
        {"\"NewImage\":{\"v\":{\"N\":{}}}", "S, N and B take strings"},
        {"\"NewImage\":{\"v\":{\"N\":1}}", "S, N and B take strings"},
        {"\"NewImage\":{\"v\":{\"S\":null}}", "S, N and B take strings"},
        {"\"NewImage\":{\"v\":{\"N\":\"garbage\"}}", "N is not a DynamoDB number"},
        {"\"NewImage\":{\"v\":{\"N\":\"\"}}", "N is not a DynamoDB number"},
        {"\"NewImage\":{\"v\":{\"N\":\"NaN\"}}", "N is not a DynamoDB number"},
        {"\"NewImage\":{\"v\":{\"N\":\"1e400\"}}", "N is not a DynamoDB number"},
        {"\"NewImage\":{\"v\":{\"N\":\"123456789012345678901234567890123456789\"}}",
         "N is not a DynamoDB number"},
        {"\"NewImage\":{\"v\":{\"NS\":[\"1\",\"x\"]}}", "N is not a DynamoDB number"},
        {"\"NewImage\":{\"v\":{\"NS\":[1]}}", "a set's entry is not a string"},
        {"\"NewImage\":{\"v\":{\"SS\":\"a\"}}", "a set is not an array"},
        {"\"NewImage\":{\"v\":{\"B\":\"a\"}}", "B is not base64"},
        {"\"NewImage\":{\"v\":{\"B\":\"AB==\"}}", "B is not base64"},
        {"\"NewImage\":{\"v\":{\"B\":\"A===\"}}", "B is not base64"},
        {"\"NewImage\":{\"v\":{\"B\":\"AA-_\"}}", "B is not base64"},
        {"\"NewImage\":{\"v\":{\"B\":\"AA\xc8\xb6\"}}", "B is not base64"},
        {"\"NewImage\":{\"v\":{\"BOOL\":\"true\"}}", "BOOL and NULL take true or false"},
        {"\"NewImage\":{\"v\":{\"BOOL\":null}}", "BOOL and NULL take true or false"},
        {"\"NewImage\":{\"v\":{\"M\":[]}}", "a map is not an object"},
        {"\"NewImage\":{\"v\":{\"L\":{}}}", "a list is not an array"},
        {"\"NewImage\":{\"v\":{\"L\":[1]}}", "an attribute value is not an object"},
        {"\"NewImage\":{\"v\":{\"X\":\"1\"}}", "unknown attribute type"},
        {"\"NewImage\":{\"v\":{\"\xce\":\"1\"}}",
         NULL}, /* not UTF-8; 'N' but for its highest bit */
        {"\"NewImage\":{\"v\":{\"\xd3S\":[\"1\"]}}", NULL},
        {"\"NewImage\":{\"v\":{\"\xcd\":{}}}", NULL},
        {"\"NewImage\":{\"v\":{\"s\":\"1\"}}", "unknown attribute type"},
        {"\"NewImage\":{\"v\":{}}", "an attribute value has no type"},
        {"\"NewImage\":{\"v\":\"x\"}", "an attribute value is not an object"},
        {"\"NewImage\":{\"v\":{\"S\":\"1\",\"N\":\"1\"}}",
         "an attribute value has more than one type"},
        {"\"NewImage\":[]", "an image is not an object"},
        {"\"NewImage\":\"x\"", "an image is not an object"},
        {"\"Keys\":7", "an image is not an object"},
        {"\"NewImage\":{\"a\":{\"S\":\"1\"},\"a\":{\"S\":\"2\"}}", "one name twice in a map"},
        {"\"NewImage\":{\"a\":{\"S\":\"1\"},\"\\u0061\":{\"S\":\"2\"}}", "one name twice in a map"},
        {"\"NewImage\":{\"x\":{\"M\":{\"q\":{\"N\":\"1\"},\"r\":{\"N\":\"1\"},\"q\":{\"N\":\"1\"}}}"
         "}",
         "one name twice in a map"},
        {"\"NewImage\":{},\"NewImage\":{}", "one member twice"},
        {"\"ApproximateCreationDateTime\":\"now\"", "ApproximateCreationDateTime is not a time"},
        {"\"ApproximateCreationDateTime\":-1", "ApproximateCreationDateTime is not a time"},
        {"\"ApproximateCreationDateTime\":1e400", "ApproximateCreationDateTime is not a time"},
        {"\"StreamViewType\":7", "a member has the wrong type: expected text"},
        {"\"x\":01", NULL},
        {"\"x\":1.", NULL},
        {"\"x\":.5", NULL},
        {"\"x\":+1", NULL},
        {"\"x\":-", NULL},
        {"\"x\":1e", NULL},
        {"\"x\":NaN", NULL},
        {"\"x\":Infinity", NULL},
        {"\"x\":truex", NULL},
        {"\"x\":nul", NULL},
        {"\"x\":[1,]", NULL},
        {"\"x\":{\"a\":1,}", NULL},
        {"\"x\":{\"a\" 1}", NULL},
        {"\"x\":{a:1}", NULL},
        {"\"x\":[1 2]", NULL},
        {"\"x\":\f1", NULL},
        {"\"x\":", NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char middle[1024];
        snprintf(middle, sizeof middle,
                 "{\"eventID\":\"id-200\",\"eventName\":\"MODIFY\",\"dynamodb\":{%s,"
                 "\"SequenceNumber\":\"200\"},\"eventSourceARN\":\"" ARN "\"}",
                 wrong[i].change);
        struct batch *batch = decode_between(middle);
        if (!batch->records[1]->poison)
            printf("\n    accepted: %s", middle);
        check_poison(batch->records[1], wrong[i].reason);
        CHECK_STR(cstr(batch->records[1]->origin->table), "Products");
        batch_unref(batch);
    }
}

static void F82_S25_wrong_types_of_the_record_itself(void)
{
    static const char *const wrong[] = {
        "{\"eventID\":\"id-200\",\"dynamodb\":{\"SequenceNumber\":7}}",
        "{\"eventID\":\"id-200\",\"dynamodb\":{\"SequenceNumber\":\"12x\"}}",
        "{\"eventID\":\"id-200\",\"dynamodb\":{\"SequenceNumber\":\"\"}}",
        "{\"eventID\":\"id-200\",\"dynamodb\":{\"SequenceNumber\":{}}}",
        "{\"eventID\":\"id-200\",\"dynamodb\":7}",
        "{\"eventID\":\"id-200\",\"dynamodb\":null}",
        "{\"eventID\":\"id-200\"}",
        "{\"eventID\":7,\"dynamodb\":{}}",
        "{\"eventName\":[],\"dynamodb\":{}}",
        "{\"dynamodb\":{},\"userIdentity\":\"x\"}",
        "{\"dynamodb\":{},\"dynamodb\":{}}",
        "7",
        "\"text\"",
        "null",
        "[]",
        "{}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct batch *batch = decode_between(wrong[i]);
        const struct record *record = batch->records[1];
        CHECK(record->poison != NULL);
        CHECK_INT(record_field(record, WEIR_F_SEQUENCE).len, 0);
        CHECK_STR(cstr(record->raw), wrong[i]);
        CHECK_STR(cstr(record_field(record, WEIR_F_EVENT_JSON)), wrong[i]);
        if (strstr(wrong[i], "id-200"))
            CHECK_STR(cstr(record->event_id), "id-200");
        batch_unref(batch);
    }
}

/* `open` and `close` repeated so often around "1", as the value of a member of `dynamodb`. */
static char *nested(const char *member, const char *open, const char *middle, const char *close,
                    size_t levels)
{
    static const char head[] = "{\"eventID\":\"id-200\",\"dynamodb\":{\"SequenceNumber\":\"200\",";
    size_t size =
        sizeof head + strlen(member) + strlen(middle) + 8 + levels * (strlen(open) + strlen(close));
    char *text = mem_alloc(size), *at = text;
    CHECK_FATAL(text != NULL);
    at += snprintf(at, size, "%s%s", head, member);
    for (size_t i = 0; i < levels; i++, at += strlen(open))
        memcpy(at, open, strlen(open));
    at += snprintf(at, size - (size_t)(at - text), "%s", middle);
    for (size_t i = 0; i < levels; i++, at += strlen(close))
        memcpy(at, close, strlen(close));
    snprintf(at, size - (size_t)(at - text), "}}");
    return text;
}

static void S22_depth_has_a_cap_and_needs_no_stack(void)
{
    static const struct {
        const char *member, *open, *middle, *close;
        size_t levels;
        bool sound;
    } deep[] = {
        {"\"x\":", "[", "1", "]", 126, true},
        {"\"x\":", "[", "1", "]", 127, false},
        {"\"x\":", "[", "", "]", 100000, false},
        {"\"x\":", "{\"a\":", "1", "}", 126, true},
        {"\"x\":", "{\"a\":", "1", "}", 1000000, false},
        {"\"NewImage\":{\"a\":", "{\"L\":[", "{\"S\":\"\"}", "]}", 61, true},
        {"\"NewImage\":{\"a\":", "{\"L\":[", "", "]}", 100000, false},
        {"\"NewImage\":{\"a\":", "{\"M\":{\"b\":", "{\"S\":\"\"}", "}}", 62, true},
        {"\"NewImage\":{\"a\":", "{\"M\":{\"b\":", "{\"S\":\"\"}", "}}", 100000, false},
    };
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        bool image = strncmp(deep[i].member, "\"N", 2) == 0;
        char middle[64];
        snprintf(middle, sizeof middle, "%s", deep[i].middle);
        char *text = nested(deep[i].member, deep[i].open, middle, deep[i].close, deep[i].levels);
        size_t len = strlen(text);
        char *closed = mem_alloc(len + 2);
        CHECK_FATAL(closed != NULL);
        snprintf(closed, len + 2, "%s%s", text, image ? "}" : "");
        struct batch *batch = decode_between(closed);
        if (deep[i].sound)
            CHECK_INT(batch->records[1]->poison == NULL, 1);
        else
            check_poison(batch->records[1], "nested deeper than 128");
        batch_unref(batch);
        mem_free(closed);
        mem_free(text);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F80_every_text_row_as_value", F80_every_text_row_as_value},
        {"F80_every_text_row_as_name", F80_every_text_row_as_name},
        {"F80_every_text_row_in_skipped_parts", F80_every_text_row_in_skipped_parts},
        {"F82_wrong_structure_is_poison", F82_wrong_structure_is_poison},
        {"F82_S25_wrong_types_of_the_record_itself", F82_S25_wrong_types_of_the_record_itself},
        {"S22_depth_has_a_cap_and_needs_no_stack", S22_depth_has_a_cap_and_needs_no_stack},
        {NULL, NULL}};
    return unit_main(argc, argv, "record.decode_text", tests);
}
