/* Shapes, samples, times, sequence numbers, limits. */
#include "support.h"

static struct batch *decode_sample(const char *name, const struct decode_options *options)
{
    char path[512];
    unsigned long len = 0;
    struct batch *batch = NULL;
    struct err err = {0};
    snprintf(path, sizeof path, TEST_DATA "/samples/%s", name);
    char *text = unit_file(path, &len);
    CHECK_INT(batch_decode(text, len, NULL, options, &batch, &err), 0);
    CHECK_STR(err.msg, "");
    CHECK_FATAL(batch != NULL);
    return batch;
}

static void every_sample_decodes(void)
{
    static const struct {
        const char *name;
        enum batch_shape shape;
        size_t records;
        bool iterator;
    } samples[] = {
        {"lambda-event-all-types.json", SHAPE_LAMBDA, 8, false},
        {"lambda-event-100-price-changes.json", SHAPE_LAMBDA, 100, false},
        {"getrecords-all-types.json", SHAPE_GETRECORDS, 4, true},
        {"getrecords-price-changes.json", SHAPE_GETRECORDS, 8, true},
        {"getrecords-keys-only.json", SHAPE_GETRECORDS, 2, true},
        {"getrecords-ttl-remove.json", SHAPE_GETRECORDS, 2, true},
        {"getrecords-empty.json", SHAPE_GETRECORDS, 0, true},
        {"getrecords-shard-end.json", SHAPE_LAMBDA, 0, false},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct batch *batch = decode_sample(samples[i].name, NULL);
        CHECK_INT(batch->shape, samples[i].shape);
        CHECK_INT(batch->record_count, samples[i].records);
        CHECK_INT(batch->read_count, samples[i].records);
        CHECK_INT(batch->next_iterator.ptr != NULL, samples[i].iterator);
        for (size_t k = 0; k < batch->record_count; k++) {
            const struct record *record = batch->records[k];
            CHECK(record->poison == NULL);
            CHECK(record->event != 0);
            CHECK_INT(record->index, k);
            CHECK_INT(record->precision, 1);
            CHECK(record_image(record, WEIR_KEYS) != NULL);
            CHECK(record->item_hash != 0);
        }
        batch_unref(batch);
    }
}

static void lambda_record_has_all_its_fields(void)
{
    struct batch *batch = decode_sample("lambda-event-all-types.json", NULL);
    const struct record *record = batch->records[0];
    CHECK_STR(cstr(record->event_id), "a1b2c3d4e5f60718293a4b5c6d7e8f01");
    CHECK_STR(cstr(record_field(record, WEIR_F_EVENT_NAME)), "INSERT");
    CHECK_INT(record->event, WEIR_INSERT);
    CHECK_STR(cstr(record_field(record, WEIR_F_SEQUENCE)), "111000000000000000000007");
    CHECK_STR(cstr(record->origin->table), "Products");
    CHECK_STR(cstr(record->origin->region), "us-east-1");
    CHECK_STR(cstr(record_field(record, WEIR_F_TABLE)), "Products");
    CHECK_STR(cstr(record_field(record, WEIR_F_IDENTITY)),
              "arn:aws:dynamodb:us-east-1:123456789012:table/Products/stream/"
              "2026-01-15T10:00:00.000/111000000000000000000007");
    CHECK_INT(record->created_us, 1768471200000000);
    CHECK_INT(record->images, WEIR_KEYS | WEIR_NEW);
    CHECK_INT(record->view, WEIR_KEYS | WEIR_NEW | WEIR_OLD);
    CHECK_STR(cstr(record_position(record)), "111000000000000000000007");
    CHECK_STR(cstr(record_identifier(record)), "111000000000000000000007");
    CHECK(record->raw.ptr[0] == '{' && record->raw.ptr[record->raw.len - 1] == '}');
    CHECK_STR(cstr(batch->last_sequence), cstr(record_field(batch->records[7], WEIR_F_SEQUENCE)));
    CHECK(!record->ttl_delete);
    CHECK(batch->records[7]->ttl_delete);
    CHECK_STR(cstr(record_field(batch->records[7], WEIR_F_TTL_DELETE)), "1");
    batch_unref(batch);
}

static void getrecords_takes_the_arn_from_its_source(void)
{
    struct decode_options options = {.source_arn = STR(ARN), .shard = STR("shardId-1")};
    struct batch *batch = decode_sample("getrecords-ttl-remove.json", &options);
    const struct record *record = batch->records[1];
    CHECK_STR(cstr(record->origin->stream_arn), ARN);
    CHECK_STR(cstr(record->origin->table), "Products");
    CHECK_STR(cstr(record_field(record, WEIR_F_SHARD)), "shardId-1");
    CHECK(record->ttl_delete);
    CHECK_STR(cstr(record_field(record, WEIR_F_SEQUENCE)), "000000000000000022356");
    CHECK_INT(record->created_us, 1795387980000000);
    CHECK(str_starts(batch->next_iterator, STR("arn:aws:dynamodb:ddblocal:")));
    batch_unref(batch);
}

static void F19_views_and_missing_members(void)
{
    static const struct {
        const char *view;
        int images;
    } views[] = {{"KEYS_ONLY", WEIR_KEYS},
                 {"NEW_IMAGE", WEIR_KEYS | WEIR_NEW},
                 {"OLD_IMAGE", WEIR_KEYS | WEIR_OLD},
                 {"NEW_AND_OLD_IMAGES", WEIR_KEYS | WEIR_NEW | WEIR_OLD},
                 {"SOMETHING_NEW", 0}};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        char body[512];
        snprintf(body, sizeof body,
                 "[{\"dynamodb\":{\"StreamViewType\":\"%s\",\"new\":{\"a\":[]}},"
                 "\"eventName\":\"FUTURE\",\"more\":null}]",
                 views[i].view);
        struct batch *batch = decode(body);
        const struct record *record = batch->records[0];
        CHECK_INT(record->view, views[i].images);
        CHECK_INT(record->event, 0);
        CHECK_STR(cstr(record_field(record, WEIR_F_EVENT_NAME)), "FUTURE");
        CHECK(record->poison == NULL);
        CHECK_INT(record->precision, 0);
        CHECK_INT(record_field(record, WEIR_F_SEQUENCE).len, 0);
        CHECK_INT(record_field(record, WEIR_F_IDENTITY).len, 0);
        batch_unref(batch);
    }
}

static void names_may_come_in_any_order(void)
{
    struct batch *batch = decode("{\"NextShardIterator\":\"a\\/b\",\"Records\":[{\"dynamodb\":{"
                                 "\"NewImage\":{\"a\":{\"S\":\"1\"}},\"SequenceNumber\":\"5\"},"
                                 "\"awsRegion\":\"r\\u0031\",\"eventName\":\"INSERT\","
                                 "\"\\u0065ventID\":\"e\"}]}");
    const struct record *record = batch->records[0];
    CHECK_STR(cstr(batch->next_iterator), "a/b");
    CHECK_INT(record->event, WEIR_INSERT);
    CHECK_STR(cstr(record->origin->region), "r1");
    CHECK_STR(cstr(record->event_id), "e");
    CHECK_STR(cstr(value_text(value_path(record_image(record, WEIR_NEW), "a"))), "1");
    batch_unref(batch);
}

static void pipes_array(void)
{
    char one[1024], body[1200];
    snprintf(body, sizeof body, "[%s]", record_of(one, sizeof one, "7", "{}"));
    struct batch *batch = decode(body);
    CHECK_INT(batch->shape, SHAPE_ARRAY);
    CHECK(batch->records[0]->pipes);
    CHECK_STR(cstr(record_identifier(batch->records[0])), "id-7");
    CHECK_STR(cstr(record_position(batch->records[0])), "7");
    batch_unref(batch);
    batch = decode(" [ ] ");
    CHECK_INT(batch->read_count, 0);
    batch_unref(batch);
}

static void lines_of_records_and_documents(void)
{
    char a[1024], b[1024], body[8192];
    struct decode_options options = {.lines = true};
    record_of(a, sizeof a, "1", "{}");
    record_of(b, sizeof b, "2", "{}");
    snprintf(body, sizeof body, "%s\n\n  %s %s\r\n{\"Records\":[%s,%s]}\n[%s]\n", a, b, a, b, a, b);
    struct batch *batch = decode_with(body, &options);
    CHECK_INT(batch->shape, SHAPE_LINES);
    CHECK_INT(batch->record_count, 6);
    for (size_t i = 0; i < batch->record_count; i++)
        CHECK(batch->records[i]->poison == NULL);
    CHECK(!batch->records[3]->pipes && batch->records[5]->pipes);
    batch_unref(batch);
    batch = decode_with("", &options);
    CHECK_INT(batch->read_count, 0);
    batch_unref(batch);
    batch = decode(a);
    CHECK_INT(batch->record_count, 1);
    batch_unref(batch);
}

static void D7_a_malformed_line_costs_one_record(void)
{
    static const char *const broken[] = {
        "{\"dynamodb\":{\"SequenceNumber\":\"9\"",
        "{{{{",
        "}",
        "]",
        "garbage",
        "{\"foo\":1}",
        "[1,2]",
        "{\"Records\":[",
        "{\"eventID\":\"a\\q\",\"dynamodb\":{\"SequenceNumber\":\"9\"}}",
        "{\"dynamodb\":{}} trailing",
        "\"",
        "{\"Records\":7}"};
    struct decode_options options = {.lines = true};
    char a[1024], body[8192];
    record_of(a, sizeof a, "1", "{}");
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        snprintf(body, sizeof body, "%s\n%s\n%s\n", a, broken[i], a);
        struct batch *batch = decode_with(body, &options);
        size_t sound = 0, poison = 0;
        for (size_t k = 0; k < batch->record_count; k++) {
            poison += batch->records[k]->poison != NULL;
            sound += !batch->records[k]->poison &&
                     str_is(record_field(batch->records[k], WEIR_F_SEQUENCE), "1");
        }
        CHECK_INT(sound, 2);
        CHECK_INT(poison, 1);
        batch_unref(batch);
    }
}

static void F28_what_is_no_stream_event(void)
{
    static const char *const wrong[] = {"",
                                        " ",
                                        "7",
                                        "\"x\"",
                                        "null",
                                        "{",
                                        "{}",
                                        "[",
                                        "[1]",
                                        "[[]]",
                                        "{\"key1\":\"value1\"}",
                                        "{\"Records\":{}}",
                                        "{\"Records\":null}",
                                        "{\"Records\":7}",
                                        "{\"Records\":[0,0,0]}",
                                        "{\"Records\":[],\"Records\":[]}",
                                        "{\"Records\":[]} x",
                                        "{\"Records\":[]}{\"Records\":[]}",
                                        "{\"Records\":[{\"eventSource\":\"aws:s3\",\"s3\":{}}]}",
                                        "{\"Records\":[}",
                                        "{\"Records\":[{\"dynamodb\":{}},]}",
                                        "{\"Records\":[{\"dynamodb\":{}}",
                                        "[{\"a\":1},{}]",
                                        "{\"Records\":[{\"dynamodb\":{}}}",
                                        "{\"Records\":[{\"dynamodb\":{\"a\":1]}",
                                        "{\"Records\":[,{\"dynamodb\":{}}]}",
                                        "{\"Records\":[{\"dynamodb\":{}} {\"dynamodb\":{}}]}",
                                        "{\"NextShardIterator\":7,\"Records\":[]}",
                                        "\xff",
                                        "{\"Records\":[],}",
                                        "{\"a\":\xff}",
                                        "{\"Records\":[{\"kinesis\":{\"data\":\"e30=\"}}]}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct batch *batch = NULL;
        struct err err = {0};
        int rc = try_decode(wrong[i], strlen(wrong[i]), NULL, &batch, &err);
        if (rc != -EBADMSG)
            printf("\n    accepted: %s", wrong[i]);
        CHECK_INT(rc, -EBADMSG);
        CHECK(strstr(err.msg, "byte ") != NULL);
        CHECK(batch == NULL);
    }
    struct batch *batch = decode("{\"Records\": []}");
    CHECK_INT(batch->read_count, 0);
    batch_unref(batch);
    batch = decode("\xef\xbb\xbf{\"Records\":[],\"window\":{\"start\":\"x\"},\"state\":{}}");
    CHECK_INT(batch->read_count, 0);
    batch_unref(batch);
}

static void creation_times_by_magnitude(void)
{
    static const struct {
        const char *text;
        long long us;
        int precision;
    } times[] = {
        {"1768471200", 1768471200000000, 1},
        {"1768471200.000", 1768471200000000, 1},
        {"1768471200.5", 1768471200500000, 2},
        {"1768471200.123456", 1768471200123456, 3},
        {"1768471200.1234567", 1768471200123456, 3},
        {"1.7684712E9", 1768471200000000, 1},
        {"1.7684712E+9", 1768471200000000, 1},
        {"17684712e2", 1768471200000000, 1},
        {"17684712000e-1", 1768471200000000, 1},
        {"1768471200123", 1768471200123000, 2},
        {"1768471200000", 1768471200000000, 2},
        {"1768471200123.5", 1768471200123500, 3},
        {"1.768471200123E12", 1768471200123000, 2},
        {"1768471200123456", 1768471200123456, 3},
        {"1.768471200123456e15", 1768471200123456, 3},
        {"0", 0, 1},
        {"0.0", 0, 1},
        {"1", 1000000, 1},
        {"0.000001", 1, 3},
        {"0e99", 0, 1},
        {"99999999999", 99999999999000000, 1},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char body[256];
        snprintf(body, sizeof body, "[{\"dynamodb\":{\"ApproximateCreationDateTime\":%s}}]",
                 times[i].text);
        struct batch *batch = decode(body);
        CHECK_INT(batch->records[0]->created_us, times[i].us);
        CHECK_INT(batch->records[0]->precision, times[i].precision);
        batch_unref(batch);
    }
}

static void F14_sequence_numbers_of_any_length(void)
{
    char digits[130], body[512];
    for (size_t len = 1; len <= 129; len++) {
        memset(digits, '7', len);
        digits[len] = '\0';
        snprintf(body, sizeof body,
                 "[{\"dynamodb\":{}},{\"dynamodb\":{\"SequenceNumber\":\"%s\"}}]", digits);
        struct batch *batch = decode(body);
        CHECK_INT(batch->records[1]->poison == NULL, len <= 128);
        CHECK_INT(batch->last_sequence.len, len <= 128 ? len : 0);
        if (len <= 128)
            CHECK_STR(cstr(batch->last_sequence), digits);
        batch_unref(batch);
    }
}

static void S21_caps_of_bytes_records_and_values(void)
{
    struct decode_options few = {.max_records = 2}, small = {.max_bytes = 40},
                          bare = {.max_values = 4};
    struct batch *batch = NULL;
    struct err err = {0};
    const char *three = "[{\"dynamodb\":{}},{\"dynamodb\":{}},{\"dynamodb\":{}}]";
    CHECK_INT(try_decode(three, strlen(three), &few, &batch, &err), -EMSGSIZE);
    CHECK_STR(err.msg, "more than 2 records in one batch");
    CHECK_INT(try_decode(three, strlen(three), &small, &batch, &err), -EMSGSIZE);
    few.max_records = 3;
    batch = decode_with(three, &few);
    CHECK_INT(batch->record_count, 3);
    batch_unref(batch);
    batch =
        decode_with("[{\"dynamodb\":{\"NewImage\":{\"a\":{\"L\":[{\"N\":\"1\"},{\"N\":\"2\"},"
                    "{\"N\":\"3\"}]}}}},{\"dynamodb\":{\"NewImage\":{\"a\":{\"NS\":[\"1\",\"2\","
                    "\"3\",\"4\",\"5\",\"6\",\"7\"]}},\"SequenceNumber\":\"8\"}}]",
                    &bare);
    CHECK(batch->records[0]->poison == NULL);
    CHECK_STR(batch->records[1]->poison, "too many values");
    CHECK_STR(cstr(record_field(batch->records[1], WEIR_F_SEQUENCE)), "8");
    batch_unref(batch);
}

static void F81_attribute_names_of_64_kib(void)
{
    enum { NAME = 64 << 10 };
    char *body = mem_alloc(NAME + 400);
    CHECK_FATAL(body != NULL);
    for (size_t len = NAME; len <= NAME + 1; len++) {
        char *at = body + snprintf(body, 100, "[{\"dynamodb\":{\"NewImage\":{\"");
        memset(at, 'n', len);
        snprintf(at + len, 200, "\":{\"S\":\"x\"}}}},{\"dynamodb\":{}}]");
        struct batch *batch = decode(body);
        CHECK_INT(batch->records[0]->poison == NULL, len == NAME);
        batch_unref(batch);
    }
    mem_free(body);
}

static void F81_large_maps_find_a_name_twice(void)
{
    for (int count = 2; count <= 300; count += 7) {
        for (int twice = 0; twice < 2; twice++) {
            char *body = mem_alloc((size_t)count * 40 + 200);
            CHECK_FATAL(body != NULL);
            char *at = body + snprintf(body, 100, "[{\"dynamodb\":{\"NewImage\":{");
            for (int i = 0; i < count; i++)
                at += snprintf(at, 40, "%s\"attribute-%03d\":{\"N\":\"%d\"}", i ? "," : "",
                               twice && i == count - 1 ? count / 2 : i, i);
            snprintf(at, 40, "}}},{\"dynamodb\":{}}]");
            struct batch *batch = decode(body);
            CHECK_INT(batch->records[0]->poison != NULL, twice && count / 2 != count - 1);
            if (!twice)
                CHECK_INT(value_size(record_image(batch->records[0], WEIR_NEW)), count);
            batch_unref(batch);
            mem_free(body);
        }
    }
}

static void F28_a_hostile_body_of_zeros_takes_no_memory(void)
{
    static const char *const heads[] = {"0,", "[0,", "{\"Records\":[0,", "{\"Records\":0,",
                                        "[{\"dynamodb\":{}} ,"};
    enum { BYTES = 6 << 20 };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct batch *batch = NULL;
        struct err err = {0};
        char *body = mem_alloc(BYTES + 64);
        CHECK_FATAL(body != NULL);
        for (size_t k = 0; k < BYTES; k += 2)
            memcpy(body + k, "0,", 2);
        memcpy(body, heads[i], strlen(heads[i]));
        uint64_t calls = mem_calls();
        int rc = batch_decode(body, BYTES, NULL, NULL, &batch, &err);
        CHECK_INT(rc, i == 4 ? -EMSGSIZE : -EBADMSG);
        CHECK(mem_calls() - calls < 40);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"every_sample_decodes", every_sample_decodes},
        {"lambda_record_has_all_its_fields", lambda_record_has_all_its_fields},
        {"getrecords_takes_the_arn_from_its_source", getrecords_takes_the_arn_from_its_source},
        {"F19_views_and_missing_members", F19_views_and_missing_members},
        {"names_may_come_in_any_order", names_may_come_in_any_order},
        {"pipes_array", pipes_array},
        {"lines_of_records_and_documents", lines_of_records_and_documents},
        {"D7_a_malformed_line_costs_one_record", D7_a_malformed_line_costs_one_record},
        {"F28_what_is_no_stream_event", F28_what_is_no_stream_event},
        {"creation_times_by_magnitude", creation_times_by_magnitude},
        {"F14_sequence_numbers_of_any_length", F14_sequence_numbers_of_any_length},
        {"S21_caps_of_bytes_records_and_values", S21_caps_of_bytes_records_and_values},
        {"F81_attribute_names_of_64_kib", F81_attribute_names_of_64_kib},
        {"F81_large_maps_find_a_name_twice", F81_large_maps_find_a_name_twice},
        {"F28_a_hostile_body_of_zeros_takes_no_memory",
         F28_a_hostile_body_of_zeros_takes_no_memory},
        {NULL, NULL}};
    return unit_main(argc, argv, "record.decode", tests);
}
