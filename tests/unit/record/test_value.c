/* Reading values: text, entries, paths, JSON, equality. */
#include "support.h"

/* A batch of one record with these two images. */
static struct batch *two_images(const char *before, const char *after)
{
    char body[4096];
    snprintf(body, sizeof body, "[{\"dynamodb\":{\"OldImage\":%s,\"NewImage\":%s}}]", before,
             after);
    struct batch *batch = decode(body);
    if (batch->records[0]->poison)
        printf("\n    %s: %s", batch->records[0]->poison, body);
    CHECK_FATAL(batch->records[0]->poison == NULL);
    return batch;
}

static const char ITEM[] = "{\"s\":{\"S\":\"t\\u00e9xt\"},\"n\":{ \"N\" : \"12.50\" "
                           "},\"b\":{\"B\":\"AAEC/w==\"},\"t\":{\"BOOL\":true},"
                           "\"f\":{\"BOOL\":false},\"z\":{\"NULL\":true},\"m\":{\"M\":{\"x.y\":{"
                           "\"N\":\"1\"},\"q\":{\"M\":{\"d\":"
                           "{\"L\":[{\"S\":\"a\"},{\"M\":{\"e\":{\"N\":\"7\"}}},{\"L\":[]}]}}}}},"
                           "\"ss\":{\"SS\":[\"a\",\"b\\n\"]},"
                           "\"ns\":{\"NS\":[\"1\",\"2.5\"]},\"bs\":{\"BS\":[\"AQ==\",\"Ag\\u003d="
                           "\"]},\"e\":{\"S\":\"\"},\"o\":{\"M\":{}},"
                           "\"a[0]\":{\"S\":\"odd\"},\"es\\u0063\":{\"\\u0053\":\"x\"}}";

static void types_sizes_and_text(void)
{
    static const struct {
        const char *path;
        int type;
        size_t size;
        const char *text, *json;
    } rows[] = {
        {"s", WEIR_T_S, 0, "t\xc3\xa9xt", "{\"S\":\"t\\u00e9xt\"}"},
        {"n", WEIR_T_N, 0, "12.50", "{ \"N\" : \"12.50\" }"},
        {"t", WEIR_T_BOOL, 0, "true", "{\"BOOL\":true}"},
        {"f", WEIR_T_BOOL, 0, "false", "{\"BOOL\":false}"},
        {"z", WEIR_T_NULL, 0, "true", "{\"NULL\":true}"},
        {"m", WEIR_T_M, 2, "", NULL},
        {"m['x.y']", WEIR_T_N, 0, "1", "{\"N\":\"1\"}"},
        {"m.q.d", WEIR_T_L, 3, "", NULL},
        {"m.q.d[0]", WEIR_T_S, 0, "a", "{\"S\":\"a\"}"},
        {"m.q.d[1].e", WEIR_T_N, 0, "7", "{\"N\":\"7\"}"},
        {"m.q.d[2]", WEIR_T_L, 0, "", "{\"L\":[]}"},
        {"['m'].q['d'][1]['e']", WEIR_T_N, 0, "7", NULL},
        {"ss", WEIR_T_SS, 2, "", "{\"SS\":[\"a\",\"b\\n\"]}"},
        {"ns", WEIR_T_NS, 2, "", "{\"NS\":[\"1\",\"2.5\"]}"},
        {"bs", WEIR_T_BS, 2, "", NULL},
        {"e", WEIR_T_S, 0, "", "{\"S\":\"\"}"},
        {"o", WEIR_T_M, 0, "", "{\"M\":{}}"},
        {"['a[0]']", WEIR_T_S, 0, "odd", NULL},
        {"", WEIR_T_NONE, 0, "", ""},
        {"nope", WEIR_T_NONE, 0, "", ""},
        {"s.x", WEIR_T_NONE, 0, "", ""},
        {"m.q.d[3]", WEIR_T_NONE, 0, "", ""},
        {"m.q.d[9999999999]", WEIR_T_NONE, 0, "", ""},
        {"m.q.d[", WEIR_T_NONE, 0, "", ""},
        {"m.q.d[]", WEIR_T_NONE, 0, "", ""},
        {"m.q.d[x]", WEIR_T_NONE, 0, "", ""},
        {"m[0]", WEIR_T_NONE, 0, "", ""},
        {"m.", WEIR_T_NONE, 0, "", ""},
        {".m", WEIR_T_NONE, 0, "", ""},
        {"m..q", WEIR_T_NONE, 0, "", ""},
        {"m['q", WEIR_T_NONE, 0, "", ""},
        {"m['q']d", WEIR_T_NONE, 0, "", ""},
        {"ss[0]", WEIR_T_NONE, 0, "", ""},
    };
    char item[sizeof ITEM];
    snprintf(item, sizeof item, "%s", ITEM);
    char *escaped_type = strstr(item, ",\"es\\u0063\"");
    CHECK_FATAL(escaped_type != NULL);
    memcpy(escaped_type, "}", 2);
    struct batch *batch = two_images("{}", item);
    const struct node *image = record_image(batch->records[0], WEIR_NEW);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct node *value = value_path(image, rows[i].path);
        if (value_type(value) != rows[i].type)
            printf("\n    path %s", rows[i].path);
        CHECK_INT(value_type(value), rows[i].type);
        CHECK_INT(value_size(value), rows[i].size);
        CHECK_STR(cstr(value_text(value)), rows[i].text);
        if (rows[i].json)
            CHECK_STR(cstr(value_json(value)), rows[i].json);
    }
    CHECK_INT(value_size(image), 13);
    CHECK_STR(cstr(value_json(image)), item);
    CHECK(value_text(value_path(image, "e")).ptr != NULL);
    batch_unref(batch);
}

/* Checks what stands at `place` of the walk of `root` and on, one by one and all together, against
 * the entries of `value`; the place behind them. */
static size_t walked(const struct node *root, size_t place, const struct node *value)
{
    weir_entry all[64], one = {.below = 99};
    size_t count = value_walk(root, 0, all, 64);
    for (size_t i = 0; i < value_size(value); i++) {
        weir_str name = STR_NONE, text;
        const struct node *entry = value_entry(value, i, &name);
        text = value_text(entry);
        CHECK_INT(value_walk(root, place, &one, 1), 1);
        CHECK((const struct node *)one.value == entry && one.type == value_type(entry));
        CHECK(one.text.ptr == text.ptr && one.text.len == text.len);
        CHECK(one.name.ptr == name.ptr && one.name.len == name.len);
        CHECK_FATAL(place < count);
        CHECK(memcmp(&all[place], &one, sizeof one) == 0);
        size_t behind = walked(root, place + 1, entry);
        CHECK_INT(one.below, behind - place - 1);
        place = behind;
    }
    return place;
}

static void walk_passes_all_values(void)
{
    char item[sizeof ITEM];
    snprintf(item, sizeof item, "%s", ITEM);
    struct batch *batch = two_images("{\"k\\u0041\":{\"BS\":[\"AQ==\",\"Ag\\u003d=\"]}}", item);
    const struct node *image = record_image(batch->records[0], WEIR_NEW);
    const struct node *before = record_image(batch->records[0], WEIR_OLD);
    CHECK_INT(walked(image, 0, image), 27);
    CHECK_INT(walked(before, 0, before), 3);
    weir_entry at = {.type = 99};
    CHECK_INT(value_walk(image, 27, &at, 1), 0);
    CHECK_INT(value_walk(image, (size_t)-1, &at, 1), 0);
    CHECK_INT(value_walk(image, 0, &at, 0), 0);
    CHECK_INT(value_walk(value_path(image, "s"), 0, &at, 1), 0);
    CHECK_INT(value_walk(value_path(image, "o"), 0, &at, 1), 0);
    CHECK_INT(value_walk(NULL, 0, &at, 1), 0);
    CHECK(at.value == NULL && at.type == 99);
    batch_unref(batch);
}

static void binary_is_decoded(void)
{
    struct batch *batch = two_images("{}", "{\"b\":{\"B\":\"AAEC\\/w==\"},\"e\":{\"B\":\"\"},"
                                           "\"bs\":{\"BS\":[\"AQ==\",\"Ag\\u003d=\"]}}");
    const struct node *image = record_image(batch->records[0], WEIR_NEW);
    weir_str bytes = value_text(value_path(image, "b"));
    CHECK_INT(bytes.len, 4);
    CHECK(memcmp(bytes.ptr, "\0\1\2\377", 4) == 0);
    CHECK(value_text(value_path(image, "b")).ptr == bytes.ptr);
    CHECK_INT(value_text(value_path(image, "e")).len, 0);
    const struct node *second = value_entry(value_path(image, "bs"), 1, NULL);
    CHECK_INT(value_type(second), WEIR_T_B);
    CHECK_STR(cstr(value_text(second)), "\2");
    CHECK_STR(cstr(value_json(second)), "{\"B\":\"Ag\\u003d=\"}");
    CHECK(value_entry(value_path(image, "bs"), 2, NULL) == NULL);
    batch_unref(batch);
}

static void null_is_safe_everywhere(void)
{
    weir_str name = STR("untouched");
    CHECK_INT(value_type(NULL), WEIR_T_NONE);
    CHECK_INT(value_size(NULL), 0);
    CHECK(value_entry(NULL, 0, &name) == NULL);
    CHECK_STR(cstr(name), "untouched");
    CHECK_INT(value_text(NULL).len, 0);
    CHECK_INT(value_json(NULL).len, 0);
    CHECK(value_equal(NULL, NULL));
    CHECK(value_path(NULL, "a") == NULL);
    CHECK(value_member(NULL, STR("a")) == NULL);
    struct batch *batch = two_images("{}", "{\"a\":{\"S\":\"x\"}}");
    const struct node *image = record_image(batch->records[0], WEIR_NEW);
    CHECK(!value_equal(image, NULL));
    CHECK(!value_equal(NULL, image));
    CHECK(value_path(image, NULL) == NULL);
    CHECK(record_image(batch->records[0], 3) == NULL);
    batch_unref(batch);
}

/* Lists of lists whose places are noted once: each entry by its index, in any order. */
static void F81_large_containers_are_indexed(void)
{
    enum { ENTRIES = 20000 };
    size_t size = ENTRIES * 40 + 200;
    char *body = mem_alloc(size), *at = body;
    CHECK_FATAL(body != NULL);
    at += snprintf(at, size, "[{\"dynamodb\":{\"NewImage\":{\"l\":{\"L\":[");
    for (int i = 0; i < ENTRIES; i++)
        at += snprintf(at, 40, "%s{\"L\":[{\"N\":\"%d\"}]}", i ? "," : "", i);
    snprintf(at, 40, "]}}}}]");
    struct batch *batch = decode(body);
    const struct node *list = value_path(record_image(batch->records[0], WEIR_NEW), "l");
    size_t good = 0;
    for (size_t i = 0; i < value_size(list); i++) {
        size_t place = (i * 7919) % ENTRIES;
        const struct node *entry = value_entry(value_entry(list, place, NULL), 0, NULL);
        good += (size_t)strtoul(cstr(value_text(entry)), NULL, 10) == place;
    }
    CHECK_INT(good, ENTRIES);
    CHECK(value_entry(list, ENTRIES, NULL) == NULL);
    batch_unref(batch);
    mem_free(body);
}

static void F85_equality(void)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"{\"S\":\"x\"}", "{\"S\":\"x\"}", true},
        {"{\"S\":\"x\"}", "{\"S\":\"\\u0078\"}", true},
        {"{\"S\":\"\\u00e9\"}", "{\"S\":\"\xc3\xa9\"}", true},
        {"{\"S\":\"\\ud83d\\ude00\"}", "{\"S\":\"\xf0\x9f\x98\x80\"}", true},
        {"{\"S\":\"x\"}", "{\"S\":\"y\"}", false},
        {"{\"S\":\"x\"}", "{\"S\":\"x \"}", false},
        {"{\"S\":\"x\\u0000\"}", "{\"S\":\"x\"}", false},
        {"{\"S\":\"1\"}", "{\"N\":\"1\"}", false},
        {"{\"S\":\"true\"}", "{\"BOOL\":true}", false},
        {"{\"N\":\"10\"}", "{\"N\":\"10.00\"}", true},
        {"{\"N\":\"10\"}", "{\"N\":\"1E1\"}", true},
        {"{\"N\":\"10\"}", "{\"N\":\"0010\"}", true},
        {"{\"N\":\"-0\"}", "{\"N\":\"0\"}", true},
        {"{\"N\":\"9007199254740993\"}", "{\"N\":\"9007199254740992\"}", false},
        {"{\"N\":\"0.1\"}", "{\"N\":\"0.10000000000000001\"}", false},
        {"{\"N\":\"1\\u0030\"}", "{\"N\":\"10.0\"}", true},
        {"{\"BOOL\":true}", "{\"BOOL\":false}", false},
        {"{\"NULL\":true}", "{\"NULL\":true}", true},
        {"{\"B\":\"AQ==\"}", "{\"B\":\"AQ\\u003d\\u003d\"}", true},
        {"{\"SS\":[\"a\",\"b\"]}", "{\"SS\":[\"b\",\"a\"]}", true},
        {"{\"SS\":[\"a\",\"b\"]}", "{\"SS\":[\"a\",\"c\"]}", false},
        {"{\"SS\":[\"a\",\"a\",\"b\"]}", "{\"SS\":[\"a\",\"b\",\"b\"]}", true},
        {"{\"SS\":[\"a\",\"a\",\"b\"]}", "{\"SS\":[\"a\",\"b\",\"c\"]}", false},
        {"{\"SS\":[\"a\"]}", "{\"SS\":[\"a\",\"b\"]}", false},
        {"{\"NS\":[\"1\",\"2\"]}", "{\"NS\":[\"2.0\",\"1e0\"]}", true},
        {"{\"NS\":[\"1\"]}", "{\"SS\":[\"1\"]}", false},
        {"{\"L\":[{\"S\":\"a\"},{\"S\":\"b\"}]}", "{\"L\":[{\"S\":\"b\"},{\"S\":\"a\"}]}", false},
        {"{\"L\":[{\"N\":\"1\"}]}", "{\"L\":[{\"N\":\"1.0\"}]}", true},
        {"{\"L\":[]}", "{\"L\":[{\"N\":\"1.0\"}]}", false},
        {"{\"L\":[]}", "{\"L\":[]}", true},
        {"{\"M\":{\"a\":{\"N\":\"1\"},\"b\":{\"S\":\"x\"}}}",
         "{\"M\":{\"b\":{\"S\":\"x\"},\"\\u0061\":{\"N\":\"1.0\"}}}", true},
        {"{\"M\":{\"a\":{\"N\":\"1\"}}}", "{\"M\":{\"b\":{\"N\":\"1\"}}}", false},
        {"{\"M\":{\"a\":{\"N\":\"1\"}}}", "{\"M\":{\"a\":{\"N\":\"1\"},\"b\":{\"N\":\"1\"}}}",
         false},
        {"{\"M\":{\"a\":{\"M\":{\"x\":{\"L\":[{\"N\":\"1\"},{\"M\":{}}]}}},\"b\":{\"SS\":[\"q\"]}}"
         "}",
         "{\"M\":{\"b\":{\"SS\":[\"q\"]},\"a\":{\"M\":{\"x\":{\"L\":[{\"N\":\"1.\\u0030\"},{\"M\":{"
         "}}]}}}}}",
         true},
        {"{\"M\":{\"a\":{\"M\":{\"x\":{\"L\":[{\"N\":\"1\"},{\"M\":{}}]}}},\"b\":{\"SS\":[\"q\"]}}"
         "}",
         "{\"M\":{\"b\":{\"SS\":[\"q\"]},\"a\":{\"M\":{\"x\":{\"L\":[{\"N\":\"1\"},{\"L\":[]}]}}}}"
         "}",
         false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char a[1024], b[1024];
        snprintf(a, sizeof a, "{\"v\":%s}", rows[i].a);
        snprintf(b, sizeof b, "{\"v\":%s}", rows[i].b);
        struct batch *batch = two_images(a, b);
        const struct node *before = value_path(record_image(batch->records[0], WEIR_OLD), "v");
        const struct node *after = value_path(record_image(batch->records[0], WEIR_NEW), "v");
        if (value_equal(before, after) != rows[i].equal)
            printf("\n    %s and %s", a, b);
        CHECK_INT(value_equal(before, after), rows[i].equal);
        CHECK_INT(value_equal(after, before), rows[i].equal);
        CHECK(value_equal(before, before));
        batch_unref(batch);
    }
}

/* Writes a set, or a map, of `count` entries; the last ones first when `turned`. */
static void put_many(char **at, int count, bool map, bool turned, int last)
{
    *at += snprintf(*at, 40, map ? "{\"M\":{" : "{\"NS\":[");
    for (int i = 0; i < count; i++) {
        int n = turned ? count - 1 - i : i;
        int value = n == count - 1 ? last : n;
        if (map)
            *at += snprintf(*at, 60, "%s\"k%d\":{\"N\":\"%d\"}", i ? "," : "", n, value);
        else
            *at += snprintf(*at, 60, "%s\"%d%s\"", i ? "," : "", value, turned ? ".0" : "");
    }
    *at += snprintf(*at, 40, map ? "}}" : "]}");
}

static void F81_large_sets_and_maps_compare_in_any_order(void)
{
    enum { COUNT = 20000 };
    for (int variant = 0; variant < 4; variant++) {
        bool map = variant & 1, equal = variant & 2;
        char *body = mem_alloc(COUNT * 120), *at = body;
        CHECK_FATAL(body != NULL);
        at += snprintf(at, 60, "[{\"dynamodb\":{\"OldImage\":{\"v\":");
        put_many(&at, COUNT, map, false, COUNT);
        at += snprintf(at, 60, "},\"NewImage\":{\"v\":");
        put_many(&at, COUNT, map, true, equal ? COUNT : COUNT + 1);
        snprintf(at, 60, "}}}]");
        struct batch *batch = decode(body);
        const struct record *record = batch->records[0];
        CHECK_FATAL(record->poison == NULL);
        const struct node *before = value_path(record_image(record, WEIR_OLD), "v");
        const struct node *after = value_path(record_image(record, WEIR_NEW), "v");
        CHECK_INT(value_equal(before, after), equal);
        batch_unref(batch);
        mem_free(body);
    }
}

static void escaped_type_names_are_read(void)
{
    struct batch *batch = decode("[{\"dynamodb\":{\"NewImage\":{\"a\":{\"\\u0053\":\"x\"}}}}]");
    const struct record *record = batch->records[0];
    CHECK(record->poison == NULL);
    const struct node *value = value_path(record_image(record, WEIR_NEW), "a");
    CHECK_STR(cstr(value_text(value)), "x");
    CHECK_STR(cstr(value_json(value)), "{\"\\u0053\":\"x\"}");
    batch_unref(batch);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"types_sizes_and_text", types_sizes_and_text},
        {"walk_passes_all_values", walk_passes_all_values},
        {"binary_is_decoded", binary_is_decoded},
        {"null_is_safe_everywhere", null_is_safe_everywhere},
        {"F81_large_containers_are_indexed", F81_large_containers_are_indexed},
        {"F85_equality", F85_equality},
        {"F81_large_sets_and_maps_compare_in_any_order",
         F81_large_sets_and_maps_compare_in_any_order},
        {"escaped_type_names_are_read", escaped_type_names_are_read},
        {NULL, NULL}};
    return unit_main(argc, argv, "record.value", tests);
}
