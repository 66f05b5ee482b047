/* A record as a whole: Kinesis, EVENT_JSON, item keys, copies, threads, memory running out. */
#include "support.h"

#include "util/text.h"

#include <pthread.h>

static const char KDS[] =
    "{\"awsRegion\":\"eu-west-1\",\"eventID\":\"kds-1\",\"eventName\":\"MODIFY\",\"userIdentity\":"
    "null,"
    "\"recordFormat\":\"application/json\",\"tableName\":\"Products\",\"dynamodb\":{"
    "\"ApproximateCreationDateTime\":1768471200123456,\"ApproximateCreationDateTimePrecision\":"
    "\"MICROSECOND\",\"Keys\":{\"id\":{\"S\":\"k\"}},\"NewImage\":{\"price\":{\"N\":\"2\"}},"
    "\"OldImage\":{\"price\":{\"N\":\"1\"}},\"SizeBytes\":12},\"eventSource\":\"aws:dynamodb\"}";

static char *kinesis_body(const char *inner, const char *head, const char *data_tail,
                          const char *tail)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    buf_puts(&body, head);
    buf_puts(&body, "\"data\":\"");
    buf_put_base64(&body, str_of(inner));
    buf_puts(&body, data_tail);
    buf_puts(&body, tail);
    char *text = mem_dup0(body.ptr, body.len);
    buf_done(&body);
    CHECK_FATAL(text != NULL);
    return text;
}

#define ENVELOPE_HEAD                                                                              \
    "{\"kinesis\":{\"kinesisSchemaVersion\":\"1.0\",\"sequenceNumber\":"                           \
    "\"4959033827149025660855969253\","
#define ENVELOPE_TAIL                                                                              \
    "},\"eventID\":\"shardId-0:4959\",\"eventSource\":\"aws:kinesis\",\"awsRegion\":\"us-east-"    \
    "1\","                                                                                         \
    "\"eventSourceARN\":\"arn:aws:kinesis:us-east-1:1:stream/changes\"}"

static void check_kds(const struct record *record)
{
    CHECK(record->poison == NULL && record->kinesis);
    CHECK_STR(cstr(record->origin->table), "Products");
    CHECK_STR(cstr(record->event_id), "kds-1");
    CHECK_INT(record_field(record, WEIR_F_SEQUENCE).len, 0);
    CHECK_STR(cstr(record_field(record, WEIR_F_IDENTITY)), "kds-1");
    CHECK_INT(record->created_us, 1768471200123456);
    CHECK_INT(record->precision, 3);
    CHECK_STR(cstr(value_text(value_path(record_image(record, WEIR_NEW), "price"))), "2");
    CHECK_STR(cstr(record->raw), KDS);
}

static void kinesis_records_in_every_wrapping(void)
{
    char *body = kinesis_body(KDS, "{\"Records\":[" ENVELOPE_HEAD, "\"", ENVELOPE_TAIL "]}");
    struct batch *batch = decode(body);
    const struct record *record = batch->records[0];
    check_kds(record);
    CHECK_INT(batch->shape, SHAPE_KINESIS);
    CHECK_STR(cstr(record_position(record)), "4959033827149025660855969253");
    CHECK_STR(cstr(record_identifier(record)), "4959033827149025660855969253");
    CHECK_STR(cstr(record->origin->stream_arn), "arn:aws:kinesis:us-east-1:1:stream/changes");
    CHECK_STR(cstr(batch->last_sequence), "4959033827149025660855969253");
    CHECK_STR(cstr(record->origin->region), "eu-west-1");
    batch_unref(batch);
    mem_free(body);

    body = kinesis_body(KDS, "[" ENVELOPE_HEAD, "\"", ENVELOPE_TAIL "]");
    batch = decode(body);
    check_kds(batch->records[0]);
    CHECK_STR(cstr(record_identifier(batch->records[0])), "shardId-0:4959");
    batch_unref(batch);
    mem_free(body);

    body = kinesis_body(KDS, "[{\"sequenceNumber\":\"77\",", "\"", ",\"eventID\":\"e\"}]");
    batch = decode(body);
    check_kds(batch->records[0]);
    CHECK_STR(cstr(record_position(batch->records[0])), "77");
    batch_unref(batch);
    mem_free(body);

    batch = decode(KDS);
    check_kds(batch->records[0]);
    CHECK_INT(record_position(batch->records[0]).len, 0);
    batch_unref(batch);
}

static void F82_kinesis_poison_keeps_its_position(void)
{
    static const struct {
        const char *inner, *data_tail;
        const char *reason;
    } rows[] = {
        {"{\"dynamodb\":{\"NewImage\":{\"a\":{\"N\":\"x\"}}},\"eventID\":\"i\"}", "\"",
         "N is not a DynamoDB number"},
        {"{\"dynamodb\":{}", "\"", "expected ',' or '}'"},
        {"{\"dynamodb\":{}} x", "\"", "something behind the record"},
        {"plain text", "\"", "expected an object"},
        {"", "\"", "Kinesis data is not base64"},
        {"{}", "=\"", "Kinesis data is not base64"},
        {"{}", "\\n\"", "Kinesis data is not base64"},
        {"{}", "\"", "no dynamodb object in the Kinesis data"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *middle = kinesis_body(rows[i].inner, ENVELOPE_HEAD, rows[i].data_tail, ENVELOPE_TAIL);
        struct batch *batch = decode_between(middle);
        const struct record *record = batch->records[1];
        CHECK_FATAL(record->poison != NULL);
        CHECK_STR(record->poison, rows[i].reason);
        CHECK_STR(cstr(record_position(record)), "4959033827149025660855969253");
        if (strstr(rows[i].reason, "base64"))
            CHECK_STR(cstr(record->raw), middle);
        else
            CHECK_STR(cstr(record->raw), rows[i].inner);
        batch_unref(batch);
        mem_free(middle);
    }
}

/* "\u003d" for '=' and "\/" for '/' are what some JSON writers make of base64. */
static void kinesis_data_may_be_escaped(void)
{
    const char *inner = "{\"dynamodb\":{\"SequenceNumber\":\"5\"},\"x\":\"?\xc3\xbf?\"}";
    struct buf text, body;
    buf_init(&text, 4096);
    buf_init(&body, 4096);
    buf_put_base64(&text, str_of(inner));
    buf_puts(&body, "[{\"data\":\"");
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '=')
            buf_puts(&body, "\\u003d");
        else
            buf_putc(&body, text.ptr[i]);
    buf_puts(&body, "\",\"sequenceNumber\":\"9\"}]");
    struct batch *batch = decode(buf_cstr(&body));
    CHECK(batch->records[0]->poison == NULL);
    CHECK_STR(cstr(batch->records[0]->raw), inner);
    CHECK_STR(cstr(record_position(batch->records[0])), "5"); /* carried by KCL: its own number */
    CHECK(!batch->records[0]->kinesis);
    batch_unref(batch);
    buf_done(&body);
    buf_done(&text);
}

static void same_field(const struct record *a, const struct record *b, int which)
{
    CHECK(str_eq(record_field(a, which), record_field(b, which)));
}

/* Reads EVENT_JSON again and compares all that a record is. */
static void check_round_trip(const struct record *record)
{
    static const int fields[] = {WEIR_F_EVENT_ID,   WEIR_F_SEQUENCE, WEIR_F_IDENTITY,
                                 WEIR_F_STREAM_ARN, WEIR_F_TABLE,    WEIR_F_ITEM_KEY,
                                 WEIR_F_TTL_DELETE};
    weir_str json = record_field(record, WEIR_F_EVENT_JSON);
    struct batch *batch = NULL;
    struct err err = {0};
    CHECK_INT(try_decode(json.ptr, json.len, NULL, &batch, &err), 0);
    CHECK_FATAL(batch != NULL && batch->record_count == 1);
    const struct record *again = batch->records[0];
    CHECK(again->poison == NULL);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        same_field(record, again, fields[i]);
    CHECK(str_eq(record_field(record, WEIR_F_EVENT_NAME), record_field(again, WEIR_F_EVENT_NAME)));
    CHECK(str_eq(record->origin->region, again->origin->region));
    CHECK_INT(again->created_us, record->created_us / 1000000 * 1000000);
    CHECK_INT(again->view, record->view);
    CHECK_INT(again->images, record->images);
    CHECK_INT(again->kinesis, record->kinesis);
    CHECK(again->item_hash == record->item_hash);
    for (int i = 0; i < 3; i++) {
        CHECK(value_equal(record_image(record, 1 << i), record_image(again, 1 << i)));
        CHECK(str_eq(value_json(record_image(record, 1 << i)),
                     value_json(record_image(again, 1 << i))));
    }
    CHECK(str_eq(record_field(again, WEIR_F_EVENT_JSON), json));
    batch_unref(batch);
}

static void D12_event_json_of_every_sample_round_trips(void)
{
    static const char *const samples[] = {
        "lambda-event-all-types.json", "lambda-event-100-price-changes.json",
        "getrecords-all-types.json",   "getrecords-price-changes.json",
        "getrecords-keys-only.json",   "getrecords-ttl-remove.json"};
    struct decode_options options = {.source_arn = STR(ARN)};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char path[512];
        struct batch *batch = NULL;
        struct err err;
        unsigned long len = 0;
        snprintf(path, sizeof path, TEST_DATA "/samples/%s", samples[i]);
        char *text = unit_file(path, &len);
        CHECK_INT(batch_decode(text, len, NULL, &options, &batch, &err), 0);
        CHECK_FATAL(batch != NULL);
        for (size_t k = 0; k < batch->record_count; k++)
            check_round_trip(batch->records[k]);
        batch_unref(batch);
    }
}

static void D12_event_json_is_the_shape_of_lambda(void)
{
    struct decode_options options = {.source_arn = STR(ARN)};
    struct batch *batch = decode_with(
        "{\"Records\":[{\"eventID\":\"e\",\"eventName\":\"REMOVE\",\"eventVersion\":\"1.1\","
        "\"dynamodb\":{"
        "\"ApproximateCreationDateTime\":1795387980.999,\"Keys\":{ \"k\" : {\"N\":\"1.50\"}},"
        "\"OldImage\":{\"a\":{\"S\":\"\\u00e9\"}},\"SequenceNumber\":\"0022\",\"SizeBytes\":4},"
        "\"userIdentity\":{\"PrincipalId\":\"dynamodb.amazonaws.com\",\"Type\":\"Service\"},"
        "\"awsRegion\":\"ddblocal\"}]}",
        &options);
    CHECK_STR(
        cstr(record_field(batch->records[0], WEIR_F_EVENT_JSON)),
        "{\"eventID\":\"e\",\"eventName\":\"REMOVE\",\"eventVersion\":\"1.1\",\"dynamodb\":{"
        "\"ApproximateCreationDateTime\":1795387980,\"Keys\":{ \"k\" : {\"N\":\"1.50\"}},"
        "\"OldImage\":{\"a\":{\"S\":\"\\u00e9\"}},\"SequenceNumber\":\"0022\",\"SizeBytes\":4},"
        "\"userIdentity\":{\"principalId\":\"dynamodb.amazonaws.com\",\"type\":\"Service\"},"
        "\"awsRegion\":\"ddblocal\",\"eventSourceARN\":\"" ARN "\"}");
    check_round_trip(batch->records[0]);
    batch_unref(batch);

    char *body = kinesis_body(KDS, "{\"Records\":[" ENVELOPE_HEAD, "\"", ENVELOPE_TAIL "]}");
    batch = decode(body);
    weir_str json = record_field(batch->records[0], WEIR_F_EVENT_JSON);
    CHECK(strstr(cstr(json), "\"eventVersion\":\"1.1\"") != NULL);
    CHECK(strstr(cstr(json), "\"ApproximateCreationDateTime\":1768471200,") != NULL);
    CHECK(strstr(cstr(json), "userIdentity") == NULL);
    check_round_trip(batch->records[0]);
    batch_unref(batch);
    mem_free(body);

    char one[1024];
    batch = decode(record_of(one, sizeof one, "5", "{}"));
    CHECK_STR(cstr(record_field(batch->records[0], WEIR_F_EVENT_JSON)), one);
    CHECK(record_field(batch->records[0], WEIR_F_EVENT_JSON).ptr == batch->records[0]->raw.ptr);
    batch_unref(batch);
}

static void item_keys_are_equal_when_the_keys_are(void)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"{\"p\":{\"S\":\"x\"}}", "{ \"p\" : { \"S\" : \"x\" } }", true},
        {"{\"p\":{\"S\":\"x\"}}", "{\"\\u0070\":{\"S\":\"\\u0078\"}}", true},
        {"{\"p\":{\"S\":\"x\"},\"s\":{\"N\":\"1\"}}", "{\"s\":{\"N\":\"1.0\"},\"p\":{\"S\":\"x\"}}",
         true},
        {"{\"p\":{\"N\":\"10\"}}", "{\"p\":{\"N\":\"1E+1\"}}", true},
        {"{\"p\":{\"N\":\"10\"}}", "{\"p\":{\"N\":\"1\\u0030\"}}", true},
        {"{\"p\":{\"B\":\"AQ==\"}}", "{\"p\":{\"B\":\"AQ\\u003d=\"}}", true},
        {"{\"p\":{\"S\":\"10\"}}", "{\"p\":{\"N\":\"10\"}}", false},
        {"{\"p\":{\"S\":\"x\"}}", "{\"q\":{\"S\":\"x\"}}", false},
        {"{\"p\":{\"S\":\"x\"}}", "{\"p\":{\"S\":\"y\"}}", false},
        {"{\"p\":{\"S\":\"a\"},\"q\":{\"S\":\"b\"}}", "{\"p\":{\"S\":\"b\"},\"q\":{\"S\":\"a\"}}",
         false},
        {"{\"p\":{\"S\":\"ab\"},\"q\":{\"S\":\"c\"}}", "{\"p\":{\"S\":\"a\"},\"q\":{\"S\":\"bc\"}}",
         false},
        {"{\"p\":{\"N\":\"9007199254740993\"}}", "{\"p\":{\"N\":\"9007199254740992\"}}", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[512];
        snprintf(body, sizeof body, "[{\"dynamodb\":{\"Keys\":%s}},{\"dynamodb\":{\"Keys\":%s}}]",
                 rows[i].a, rows[i].b);
        struct batch *batch = decode(body);
        const struct record *a = batch->records[0], *b = batch->records[1];
        CHECK(!a->poison && !b->poison);
        CHECK_INT(a->item_hash == b->item_hash, rows[i].equal);
        CHECK_INT(str_eq(record_field(a, WEIR_F_ITEM_KEY), record_field(b, WEIR_F_ITEM_KEY)),
                  rows[i].equal);
        CHECK(record_field(a, WEIR_F_ITEM_KEY).len > 0);
        batch_unref(batch);
    }
}

static void D5_a_copy_pins_only_itself(void)
{
    char *body = kinesis_body(KDS, ENVELOPE_HEAD, "\"", ENVELOPE_TAIL);
    struct decode_options options = {.source_arn = STR(ARN), .shard = STR("shard-1")};
    char *all = between(body);
    struct batch *batch = decode_with(all, &options);
    struct record *second = batch->records[1];
    second->matched = 5;
    second->unmet = 2;
    struct batch *copies[3] = {NULL};
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(record_copy(batch->records[i], NULL, &copies[i]), 0);
    for (size_t i = 0; i < 3; i++) {
        CHECK_FATAL(copies[i] != NULL && copies[i]->record_count == 1);
        const struct record *from = batch->records[i], *copy = copies[i]->records[0];
        CHECK(str_eq(from->raw, copy->raw) && from->raw.ptr != copy->raw.ptr);
        CHECK(str_eq(record_position(from), record_position(copy)));
        CHECK(str_eq(record_identifier(from), record_identifier(copy)));
        CHECK(str_eq(from->origin->stream_arn, copy->origin->stream_arn));
        CHECK(str_eq(from->origin->table, copy->origin->table));
        CHECK(str_eq(from->event_id, copy->event_id));
        CHECK_STR(cstr(record_field(copy, WEIR_F_SHARD)), "shard-1");
        CHECK_INT(copy->index, i);
        CHECK(copy->matched == from->matched && copy->unmet == from->unmet);
        CHECK(copy->item_hash == from->item_hash);
        CHECK_INT(copy->created_us, from->created_us);
        CHECK_INT(copy->view, from->view);
        CHECK(value_equal(record_image(from, WEIR_NEW), record_image(copy, WEIR_NEW)));
        CHECK(str_eq(record_field(from, WEIR_F_EVENT_JSON), record_field(copy, WEIR_F_EVENT_JSON)));
        CHECK(batch_pinned_bytes(copies[i]) < 8192);
    }
    batch_unref(batch);
    check_kds(copies[1]->records[0]);
    for (size_t i = 0; i < 3; i++)
        batch_unref(copies[i]);
    mem_free(all);
    mem_free(body);
}

static void D5_a_copy_of_poison_is_the_same_poison(void)
{
    struct batch *copy = NULL;
    struct batch *batch =
        decode_between("{\"eventID\":\"id-2\",\"eventName\":\"MODIFY\",\"dynamodb\":{"
                       "\"SequenceNumber\":\"200\",\"Keys\":7}}");
    const struct record *from = batch->records[1];
    CHECK_INT(record_copy(from, NULL, &copy), 0);
    CHECK_FATAL(copy != NULL);
    const struct record *to = copy->records[0];
    CHECK_STR(to->poison, from->poison);
    CHECK_INT(to->poison_offset, from->poison_offset);
    CHECK(str_eq(to->raw, from->raw));
    CHECK_STR(cstr(record_field(to, WEIR_F_SEQUENCE)), "200");
    CHECK_STR(cstr(to->event_id), "id-2");
    CHECK_INT(to->event, WEIR_MODIFY);
    batch_unref(batch);
    batch_unref(copy);
}

enum { READERS = 4, READER_ROUNDS = 200 };

struct reader {
    pthread_t thread;
    struct batch *batch;
    uint64_t sum;
};

static uint64_t read_all(const struct node *value, uint64_t sum)
{
    for (size_t i = 0; i < value_size(value); i++) {
        weir_str name = STR_NONE;
        const struct node *entry = value_entry(value, i, &name);
        weir_str text = value_text(entry), json = value_json(entry);
        sum = hash_bytes(sum, name.ptr, name.len);
        sum = hash_bytes(sum, text.ptr, text.len);
        sum = hash_bytes(sum, json.ptr, json.len);
        for (size_t k = 0; k < value_size(entry); k++)
            sum += value_text(value_entry(entry, k, NULL)).len;
    }
    return sum;
}

static void *reader_run(void *arg)
{
    struct reader *reader = arg;
    for (size_t i = 0; i < reader->batch->record_count; i++) {
        const struct record *record = reader->batch->records[i];
        for (int which = WEIR_F_EVENT_ID; which <= WEIR_F_EVENT_JSON; which++) {
            weir_str field = record_field(record, which);
            reader->sum = hash_bytes(reader->sum, field.ptr, field.len);
        }
        reader->sum = read_all(record_image(record, WEIR_NEW), reader->sum);
        reader->sum = read_all(record_image(record, WEIR_OLD), reader->sum);
    }
    batch_unref(reader->batch);
    return NULL;
}

/* Under TSan this is the proof; elsewhere all must still read the same. */
static void F69_lazy_results_from_many_threads(void)
{
    for (int round = 0; round < READER_ROUNDS / 10; round++) {
        struct reader readers[READERS];
        struct decode_options options = {.source_arn = STR(ARN)};
        unsigned long len = 0;
        struct batch *batch = NULL;
        struct err err;
        char *text = unit_file(TEST_DATA "/samples/getrecords-all-types.json", &len);
        CHECK_INT(batch_decode(text, len, NULL, &options, &batch, &err), 0);
        CHECK_FATAL(batch != NULL);
        for (int i = 0; i < READERS; i++) {
            readers[i] = (struct reader){.batch = batch_ref(batch), .sum = HASH_SEED};
            CHECK_INT(pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]), 0);
        }
        batch_unref(batch);
        for (int i = 0; i < READERS; i++)
            pthread_join(readers[i].thread, NULL);
        for (int i = 1; i < READERS; i++)
            CHECK(readers[i].sum == readers[0].sum);
        CHECK(readers[0].sum != HASH_SEED);
    }
}

/* Fails each allocation in turn: -ENOMEM or a whole result, no leak. */
static void F72_every_allocation_may_fail(void)
{
    char *kinesis = kinesis_body(KDS, ENVELOPE_HEAD, "\"", ENVELOPE_TAIL);
    char *body = between(kinesis);
    struct decode_options options = {.source_arn = STR(ARN)};
    int rc = -ENOMEM;
    for (uint64_t nth = 1; rc == -ENOMEM; nth++) {
        struct batch *batch = NULL, *copy = NULL;
        struct err err;
        char *bytes = padded(body, strlen(body));
        mem_fail_at(nth);
        rc = batch_decode(bytes, strlen(body), NULL, &options, &batch, &err);
        if (rc == 0)
            rc = record_copy(batch->records[1], NULL, &copy);
        if (rc == 0)
            rc = record_field(batch->records[1], WEIR_F_EVENT_JSON).len > 0 ? 0 : -ENOMEM;
        if (rc == 0)
            rc = record_field(batch->records[0], WEIR_F_ITEM_KEY).len > 0 ? 0 : -ENOMEM;
        mem_fail_at(0);
        batch_unref(copy);
        batch_unref(batch);
        CHECK(nth < 100);
        if (nth >= 100)
            break;
    }
    CHECK_INT(rc, 0);
    mem_free(body);
    mem_free(kinesis);
}

/* What no sink wants costs nothing; what is kept costs the arena, not a block each. */
static void T1i_no_allocation_per_record(void)
{
    static const char *const price[] = {"price", NULL};
    static const struct match_rule rule = {
        .events = WEIR_MODIFY, .images = WEIR_OLD | WEIR_NEW, .changed = price};
    static const struct match_sink sink = {&rule, 1};
    struct match_plan *plan = NULL;
    struct err err;
    enum { COPIES = 50 };
    unsigned long len = 0;
    CHECK_INT(match_plan_new(&sink, 1, &plan, &err), 0);
    char *one = unit_file(TEST_DATA "/samples/lambda-event-100-price-changes.json", &len);
    char *array = strchr(one, '['), *close = strrchr(one, ']');
    CHECK_FATAL(array && close);
    size_t part = (size_t)(close - array - 1);
    char *body = mem_alloc(COPIES * (part + 1) + 66), *at = body;
    CHECK_FATAL(body != NULL);
    for (int i = 0; i < COPIES; i++) {
        *at++ = i ? ',' : '[';
        memcpy(at, array + 1, part);
        at += part;
    }
    *at++ = ']';
    struct batch *batch = NULL;
    uint64_t calls = mem_calls();
    CHECK_INT(batch_decode(body, (size_t)(at - body), plan, NULL, &batch, &err), 0);
    calls = mem_calls() - calls;
    CHECK_FATAL(batch != NULL);
    CHECK_INT(batch->read_count, 100 * COPIES);
    CHECK_INT(batch->matched_count[0], batch->record_count);
    CHECK(batch->record_count > 0);
    if (calls > 40)
        printf("\n    %llu allocations", (unsigned long long)calls);
    CHECK(calls <= 40);
    batch_unref(batch);
    match_plan_free(plan);
    mem_free(one);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"kinesis_records_in_every_wrapping", kinesis_records_in_every_wrapping},
        {"F82_kinesis_poison_keeps_its_position", F82_kinesis_poison_keeps_its_position},
        {"kinesis_data_may_be_escaped", kinesis_data_may_be_escaped},
        {"D12_event_json_of_every_sample_round_trips", D12_event_json_of_every_sample_round_trips},
        {"D12_event_json_is_the_shape_of_lambda", D12_event_json_is_the_shape_of_lambda},
        {"item_keys_are_equal_when_the_keys_are", item_keys_are_equal_when_the_keys_are},
        {"D5_a_copy_pins_only_itself", D5_a_copy_pins_only_itself},
        {"D5_a_copy_of_poison_is_the_same_poison", D5_a_copy_of_poison_is_the_same_poison},
        {"F69_lazy_results_from_many_threads", F69_lazy_results_from_many_threads},
        {"F72_every_allocation_may_fail", F72_every_allocation_may_fail},
        {"T1i_no_allocation_per_record", T1i_no_allocation_per_record},
        {NULL, NULL}};
    return unit_main(argc, argv, "record.record", tests);
}
