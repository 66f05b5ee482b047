/* Which records become rows, and what the rows hold; DynamoDB answers every call with success. */
#include "table.h"
#include "unit.h"

#include "util/alloc.h"

#include <stdio.h>

#define DONE    "{\"UnprocessedItems\":{}}"
#define N(text) "{\"N\":\"" text "\"}"
#define SECOND  "1763850074"

static struct fake fake;
static struct table table;

static void open_with(const char *options)
{
    CHECK_INT(fake_open(&fake, fake_load("pricehistory"), options), 0);
}

static void write_all(void)
{
    for (size_t i = 0; i < fake.call_count; i++) {
        if (fake.calls[i].answered)
            continue;
        table_apply(&table, &fake.calls[i]);
        fake_answer(&fake, i, WEIR_OK, 200, DONE);
    }
}

static void finish(void)
{
    fake_close(&fake);
    table_free(&table);
}

static void row_is_exactly_the_four_attributes(void)
{
    open_with("{}");
    CHECK_STR(fake.declared[WEIR_D_WRITES_TABLE], "PriceHistory");
    CHECK_STR(fake.declared[WEIR_D_TARGET], "table PriceHistory");
    CHECK_STR(fake.declared[WEIR_D_IAM],
              "dynamodb:BatchWriteItem arn:aws:dynamodb:*:*:table/PriceHistory");
    CHECK_STR(fake.watched[0], "price");
    struct fake_delivery *delivery = fake_deliver(
        &fake, change("p1", N("19.99"), N("24.50"), SECOND, "111000000000000000000700"));
    CHECK_INT(fake.call_count, 1);
    CHECK_STR(fake.calls[0].service, "dynamodb");
    CHECK_STR(fake.calls[0].target, "DynamoDB_20120810.BatchWriteItem");
    CHECK_STR(fake.calls[0].json, "1.0");
    CHECK_INT(fake.calls[0].token, fake_token(delivery));
    CHECK_STR(fake.calls[0].body,
              "{\"RequestItems\":{\"PriceHistory\":[{\"PutRequest\":{\"Item\":{\"product_id\":{"
              "\"S\":\"p1\"},"
              "\"timestamp\":{\"N\":\"1763850074.0000111000000000000000000700\"},"
              "\"old_price\":{\"N\":\"19.99\"},\"new_price\":{\"N\":\"24.50\"}}}}]}}");
    CHECK_INT(fake_outcome(delivery, 0), 0);
    write_all();
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    CHECK_STR(fake.log, "info: Price updated for p1: 19.99 -> 24.50\n");
    finish();
}

static void names_endpoint_and_region_are_configured(void)
{
    open_with("{\"table\":\"Hist\",\"id_name\":\"p\",\"timestamp_name\":\"t\",\"old_name\":\"o\","
              "\"new_name\":\"n\","
              "\"key_attribute\":\"sku\",\"price_attribute\":\"offers[0].amount\",\"announce\":"
              "false,\"batch\":1,"
              "\"endpoint\":\"http://127.0.0.1:8000\",\"region\":\"eu-west-1\"}");
    CHECK_STR(fake.watched[0], "offers[0].amount");
    CHECK_STR(fake.declared[WEIR_D_IAM], "dynamodb:PutItem arn:aws:dynamodb:*:*:table/Hist");
    fake_deliver(&fake,
                 "{\"eventName\":\"MODIFY\",\"eventID\":\"e\",\"dynamodb\":{\"Keys\":{\"sku\":{"
                 "\"N\":\"7\"},\"t\":{\"B\":\"AA==\"}},"
                 "\"ApproximateCreationDateTime\":1763850074,\"SequenceNumber\":\"9\","
                 "\"OldImage\":{\"offers\":{\"L\":[{\"M\":{\"amount\":{\"N\":\"1\"}}}]}},"
                 "\"NewImage\":{\"offers\":{\"L\":[{\"M\":{\"amount\":{\"S\":\"free\"}}}]}}}}");
    CHECK_STR(fake.calls[0].target, "DynamoDB_20120810.PutItem");
    CHECK_STR(fake.calls[0].endpoint, "http://127.0.0.1:8000");
    CHECK_STR(fake.calls[0].region, "eu-west-1");
    CHECK_STR(fake.calls[0].body,
              "{\"TableName\":\"Hist\",\"Item\":{\"p\":{\"N\":\"7\"},\"t\":{\"N\":\"1763850074."
              "0000000000000000000000000009\"},"
              "\"o\":{\"N\":\"1\"},\"n\":{\"S\":\"free\"},\"source_t\":{\"B\":\"AA==\"}}}");
    fake_answer(&fake, 0, WEIR_OK, 200, "{}");
    CHECK(fake.log == NULL);
    finish();
}

struct price_row {
    const char *was, *now;
    int skip, record; /* outcome with on_missing skip and record */
};

/* Missing, other type, set, 38 digits, equal in value but not in text. */
static void F85_what_is_a_change_of_price(void)
{
    static const struct price_row rows[] = {
        {N("10"), N("12.5"), WEIR_OK, WEIR_OK},
        {N("10"), N("10"), WEIR_SKIP, WEIR_SKIP},
        {N("10"), N("10.0"), WEIR_SKIP, WEIR_SKIP},
        {N("10"), N("1e1"), WEIR_SKIP, WEIR_SKIP},
        {N("0010.00"), N("10"), WEIR_SKIP, WEIR_SKIP},
        {N("12345678901234567890123456789012345678"), N("12345678901234567890123456789012345679"),
         WEIR_OK, WEIR_OK},
        {N("10"), "{\"S\":\"10\"}", WEIR_OK, WEIR_OK},
        {N("10"), "{\"NULL\":true}", WEIR_OK, WEIR_OK},
        {"{\"NS\":[\"1\",\"2\"]}", "{\"NS\":[\"2\",\"1.0\"]}", WEIR_SKIP, WEIR_SKIP},
        {"{\"NS\":[\"1\",\"2\"]}", "{\"NS\":[\"2\",\"3\"]}", WEIR_OK, WEIR_OK},
        {"{\"M\":{\"eur\":{\"N\":\"1\"}}}", "{\"M\":{\"eur\":{\"N\":\"2\"}}}", WEIR_OK, WEIR_OK},
        {NULL, N("10"), WEIR_SKIP, WEIR_OK},
        {N("10"), NULL, WEIR_SKIP, WEIR_OK},
        {NULL, NULL, WEIR_SKIP, WEIR_SKIP},
    };
    for (int mode = 0; mode < 2; mode++) {
        open_with(mode ? "{\"on_missing\":\"record\"}" : "{}");
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct fake_delivery *delivery =
                fake_deliver(&fake, change("p", rows[i].was, rows[i].now, SECOND, "1"));
            write_all();
            int want = mode ? rows[i].record : rows[i].skip;
            if (fake_outcome(delivery, 0) != want)
                printf("\n    row %zu, mode %d", i, mode);
            CHECK_INT(fake_outcome(delivery, 0), want);
        }
        finish();
    }
}

static void an_absent_side_is_written_as_null(void)
{
    open_with("{\"on_missing\":\"record\"}");
    fake_deliver(&fake, change("p", NULL, N("1"), SECOND, "1"));
    fake_deliver(&fake, change("p", N("1"), NULL, SECOND, "2"));
    CHECK(strstr(fake.calls[0].body, "\"old_price\":{\"NULL\":true},\"new_price\":{\"N\":\"1\"}") !=
          NULL);
    CHECK(strstr(fake.calls[1].body, "\"old_price\":{\"N\":\"1\"},\"new_price\":{\"NULL\":true}") !=
          NULL);
    write_all();
    CHECK_STR(fake.log,
              "info: Price updated for p: (none) -> 1\ninfo: Price updated for p: 1 -> (none)\n");
    finish();
}

static void events_can_be_widened_and_bad_ones_are_refused(void)
{
    static const char *const bad[] = {"{\"events\":[]}", "{\"events\":[\"UPSERT\"]}",
                                      "{\"events\":\"MODIFY\"}", "{\"events\":[1]}"};
    open_with("{\"events\":[\"INSERT\",\"MODIFY\",\"REMOVE\"]}");
    CHECK_INT(fake.subscription.events, WEIR_INSERT | WEIR_MODIFY | WEIR_REMOVE);
    struct fake_delivery *delivery = fake_deliver(
        &fake,
        "[{\"eventName\":\"INSERT\",\"eventID\":\"a\",\"dynamodb\":{\"Keys\":{\"product_id\":{"
        "\"S\":\"p\"}},\"SequenceNumber\":\"1\","
        "\"ApproximateCreationDateTime\":1763850074,\"NewImage\":{\"price\":{\"N\":\"1\"}}}},"
        "{\"eventName\":\"REMOVE\",\"eventID\":\"b\",\"dynamodb\":{\"Keys\":{\"product_id\":{\"S\":"
        "\"p\"}},\"SequenceNumber\":\"2\","
        "\"ApproximateCreationDateTime\":1763850074,\"OldImage\":{\"price\":{\"N\":\"1\"}}}},"
        "{\"eventName\":\"INSERT\",\"eventID\":\"c\",\"dynamodb\":{\"Keys\":{\"product_id\":{\"S\":"
        "\"p\"}},\"SequenceNumber\":\"3\","
        "\"ApproximateCreationDateTime\":1763850074,\"NewImage\":{}}}]");
    write_all();
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    CHECK_INT(fake_outcome(delivery, 1), WEIR_OK);
    CHECK_INT(fake_outcome(delivery, 2), WEIR_SKIP);
    CHECK_INT(table.count, 2);
    finish();
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(fake_open(&fake, fake_load("pricehistory"), bad[i]), -22);
        CHECK_STR(fake.option_error, "events: must be a list of INSERT, MODIFY and REMOVE");
        fake_close(&fake);
    }
}

static void other_events_are_skipped(void)
{
    open_with("{}");
    struct fake_delivery *delivery =
        fake_deliver(&fake, "[{\"eventName\":\"INSERT\",\"dynamodb\":{}},{\"eventName\":\"X\"}]");
    CHECK_INT(fake_outcomes(delivery, WEIR_SKIP), 2);
    finish();
}

/* Each view type: a record without the images it ought to have is never skipped in silence. */
static void missing_images_are_a_failure_not_a_skip(void)
{
    static const char *const images[] = {"", "\"OldImage\":{\"price\":{\"N\":\"1\"}},",
                                         "\"NewImage\":{\"price\":{\"N\":\"1\"}},"};
    static const char *const reasons[] = {
        "the record has no old image: the stream's view type must be NEW_AND_OLD_IMAGES",
        "the record has no new image: the stream's view type must be NEW_AND_OLD_IMAGES",
        "the record has no old image: the stream's view type must be NEW_AND_OLD_IMAGES"};
    open_with("{}");
    for (size_t i = 0; i < 3; i++) {
        char record[512];
        snprintf(
            record, sizeof record,
            "{\"eventName\":\"MODIFY\",\"dynamodb\":{%s\"Keys\":{\"product_id\":{\"S\":\"p\"}}}}",
            images[i]);
        struct fake_delivery *delivery = fake_deliver(&fake, record);
        CHECK_INT(fake_outcome(delivery, 0), WEIR_FAIL);
        CHECK_STR(fake_reason(delivery, 0), reasons[i]);
    }
    finish();
}

static void key_without_the_attribute_is_a_failure(void)
{
    open_with("{\"key_attribute\":\"sku\"}");
    struct fake_delivery *delivery = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    CHECK_INT(fake_outcome(delivery, 0), WEIR_FAIL);
    CHECK_STR(fake_reason(delivery, 0),
              "the record's keys have no attribute \"sku\" (key_attribute)");
    finish();
}

/* ---- the sort key ---- */

struct stamp_row {
    const char *options, *seconds, *sequence;
    const char *stamp; /* NULL: a failure with */
    const char *reason;
};

#define SEQ  "{\"timestamp\":\"sequence\"}"
#define SECS "{\"timestamp\":\"seconds\"}"
#define TXT  "{\"timestamp\":\"text\"}"

static void F14_sort_keys_of_every_mode(void)
{
    static const struct stamp_row rows[] = {
        {SEQ, SECOND, "1", "{\"N\":\"1763850074.0000000000000000000000000001\"}", NULL},
        {SEQ, SECOND, "000000000000000022343",
         "{\"N\":\"1763850074.0000000000000000000000022343\"}", NULL},
        {SEQ, SECOND, "1234567890123456789012345678",
         "{\"N\":\"1763850074.1234567890123456789012345678\"}", NULL},
        {SEQ, SECOND, "0000000000001234567890123456789012345678",
         "{\"N\":\"1763850074.1234567890123456789012345678\"}", NULL},
        {SEQ, SECOND, "12345678901234567890123456789", NULL,
         "the sequence number has more than 28 significant digits: use timestamp \"text\""},
        {SEQ, SECOND, "", NULL, "the record has no sequence number: use timestamp \"text\""},
        {SEQ, SECOND, "12x", NULL, "the sequence number is not decimal: use timestamp \"text\""},
        {SEQ, "0", "5", "{\"N\":\"0.0000000000000000000000000005\"}", NULL},
        {SEQ, "-1", "5", "{\"N\":\"-1.0000000000000000000000000005\"}", NULL},
        {SEQ, "1763850074999", "5", "{\"N\":\"1763850074.0000000000000000000000000005\"}", NULL},
        {SEQ, "1763850074999999", "5", "{\"N\":\"1763850074.0000000000000000000000000005\"}", NULL},
        {SEQ, "11111111111", "5", NULL,
         "the creation time has more than 10 digits: use timestamp \"text\""},
        {SEQ, "null", "5", NULL, "the record has no creation time"},
        {SECS, SECOND, "", "{\"N\":\"1763850074\"}", NULL},
        {SECS, "1763850074999", "1", "{\"N\":\"1763850074\"}", NULL},
        {SECS, "-1", "1", "{\"N\":\"-1\"}", NULL},
        {SECS, "null", "1", NULL, "the record has no creation time"},
        {TXT, SECOND, "111000000000000000000700",
         "{\"S\":\"2025-11-22T22:21:14Z#0000000000000000111000000000000000000700\"}", NULL},
        {TXT, "1763850074031", "1234567890123456789012345678901234567890",
         "{\"S\":\"2025-11-22T22:21:14Z#1234567890123456789012345678901234567890\"}", NULL},
        {TXT, "1763850074031205", "", "{\"S\":\"2025-11-22T22:21:14.031205Z#e\"}", NULL},
        {TXT, "-1", "1",
         "{\"S\":\"1969-12-31T23:59:59Z#0000000000000000000000000000000000000001\"}", NULL},
        {TXT, "951782400", "1",
         "{\"S\":\"2000-02-29T00:00:00Z#0000000000000000000000000000000000000001\"}", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char want[256];
        open_with(rows[i].options);
        struct fake_delivery *delivery =
            fake_deliver(&fake, change("p", N("1"), N("2"), rows[i].seconds, rows[i].sequence));
        CHECK_INT(fake_outcome(delivery, 0), rows[i].stamp ? 0 : WEIR_FAIL);
        CHECK_INT(fake.call_count, rows[i].stamp != NULL);
        if (rows[i].stamp && fake.call_count == 1) {
            snprintf(want, sizeof want, "\"timestamp\":%s,", rows[i].stamp);
            if (!strstr(fake.calls[0].body, want))
                printf("\n    row %zu: %s", i, fake.calls[0].body);
            CHECK(strstr(fake.calls[0].body, want) != NULL);
        } else {
            CHECK_STR(fake_reason(delivery, 0), rows[i].reason);
        }
        write_all();
        finish();
    }
}

static void two_hundred_changes_in_a_second_are_two_hundred_rows(void)
{
    static const char *const options[] = {SEQ, TXT, "{\"batch\":1}"};
    char *changes = many_changes(200, 1);
    for (size_t i = 0; i < 3; i++) {
        open_with(options[i]);
        struct fake_delivery *delivery = fake_deliver(&fake, changes);
        while (fake.in_flight > 0)
            write_all();
        CHECK_INT(fake_outcomes(delivery, WEIR_OK), 200);
        CHECK_INT(table.count, 200);
        CHECK_INT(table.duplicate_keys, 0);
        fake_deliver(&fake, changes); /* the same batch twice: the same table */
        while (fake.in_flight > 0)
            write_all();
        CHECK_INT(table.count, 200);
        CHECK_INT(table.repeats, 200);
        CHECK_INT(table.overwrites, 0);
        finish();
    }
    mem_free(changes);
}

/* A random part of each call is not carried out; what is put back comes again in any order. */
static void shuffled_retries_make_the_same_table(void)
{
    uint64_t seed = 42;
    open_with("{\"announce\":false}");
    bool done[60] = {false};
    for (size_t left = 60; left > 0;) {
        struct fake_delivery *deliveries[60] = {NULL};
        for (size_t i = 60; i-- > 0;) {
            char sequence[32];
            snprintf(sequence, sizeof sequence, "11100%zu", i);
            if (!done[i])
                deliveries[i] = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, sequence));
        }
        for (size_t c = 0; c < fake.call_count; c++) {
            if (fake.calls[c].answered)
                continue;
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            table_apply(&table, &fake.calls[c]); /* written, but the answer may be lost */
            fake_answer(&fake, c, seed >> 62 ? WEIR_OK : WEIR_RETRY, 200, DONE);
        }
        for (size_t i = 0; i < 60; i++) {
            if (deliveries[i] && fake_outcome(deliveries[i], 0) == WEIR_OK) {
                done[i] = true;
                left--;
            }
        }
    }
    CHECK_INT(table.count, 60);
    CHECK_INT(table.overwrites, 0);
    finish();
}

static void F83_hostile_ids_and_prices_are_escaped_in_the_log(void)
{
    open_with("{}");
    fake_deliver(&fake, change("a\\u001b[2J\\nb\\u2028\\u009b", "{\"S\":\"\\\"\\\\\"}",
                               "{\"M\":{\"x\":{\"S\":\"\\n\"}}}", SECOND, "1"));
    write_all();
    CHECK_STR(fake.log, "info: Price updated for a\\u001b[2J\\u000ab\\u2028\\u009b: \"\\ -> "
                        "{\"M\":{\"x\":{\"S\":\"\\n\"}}}\n");
    finish();
}

/* Names and values are data: quotes in them can't leave their place in the request. */
static void F84_values_stay_values(void)
{
    open_with("{\"old_name\":\"o\\\"\"}");
    fake_deliver(&fake, change("x\\\"},\\\"y\\\":{\\\"S\\\":\\\"z", N("1"), N("2"), SECOND, "1"));
    table_apply(&table, &fake.calls[0]);
    CHECK_STR(
        table.items[0],
        "{\"product_id\":{\"S\":\"x\\\"},\\\"y\\\":{\\\"S\\\":\\\"z\"},\"timestamp\":{\"N\":"
        "\"1763850074."
        "0000000000000000000000000001\"},\"o\\\"\":{\"N\":\"1\"},\"new_price\":{\"N\":\"2\"}}");
    fake_answer_all(&fake, DONE);
    finish();
}

static void F35_item_too_large_fails_before_it_is_sent(void)
{
    size_t big = 410 * 1024;
    char *price = mem_alloc(big + 32), *record = mem_alloc(big + 512);
    memset(price, 'x', big);
    price[big] = '\0';
    snprintf(record, big + 512,
             "{\"eventName\":\"MODIFY\",\"eventID\":\"e\",\"dynamodb\":{"
             "\"ApproximateCreationDateTime\":1763850074,"
             "\"SequenceNumber\":\"1\",\"Keys\":{\"product_id\":{\"S\":\"p\"}},\"OldImage\":{"
             "\"price\":{\"N\":\"1\"}},"
             "\"NewImage\":{\"price\":{\"S\":\"%s\"}}}}",
             price);
    open_with("{}");
    struct fake_delivery *delivery = fake_deliver(&fake, record);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_FAIL);
    CHECK(strstr(fake_reason(delivery, 0), "an item may have 409600") != NULL);
    CHECK_INT(fake.call_count, 0);
    finish();
    mem_free(price);
    mem_free(record);
}

#define TABLE_RULE "table: must have 3 to 255 of a-z, A-Z, 0-9, '_', '-' and '.', or be an ARN"

static void bad_options_are_refused_by_name(void)
{
    static const struct {
        const char *options, *error;
    } rows[] = {
        {"{\"batch\":26}", "batch: must be 1 to 25: DynamoDB takes no more in a call"},
        {"{\"batch\":0}", "batch: must be 1 to 25: DynamoDB takes no more in a call"},
        {"{\"concurrency\":0}", "concurrency: must be 1 to 64: so many connections there are"},
        {"{\"concurrency\":65}", "concurrency: must be 1 to 64: so many connections there are"},
        {"{\"table\":\"\"}", TABLE_RULE},
        {"{\"table\":\"Price History\"}", TABLE_RULE},
        {"{\"table\":\"ab\"}", TABLE_RULE},
        {"{\"table\":\"a/b\"}", TABLE_RULE},
        {"{\"key_attribute\":\"\"}", "key_attribute: must not be empty"},
        {"{\"price_attribute\":\"\"}", "price_attribute: must not be empty"},
        {"{\"old_name\":\"new_price\"}", "new_name: two attributes of the row have this name"},
        {"{\"timestamp_name\":\"\"}", "timestamp_name: must have 1 to 255 bytes"},
#ifdef WEIR_SQLITE
        {"{\"store\":\"sqlite\"}", "path: is needed by store \"sqlite\": the file for the history"},
#else
        {"{\"store\":\"sqlite\",\"path\":\"x\"}",
         "store: this build has no SQLite: use store \"dynamodb\""},
#endif
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_INT(fake_open(&fake, fake_load("pricehistory"), rows[i].options), -22);
        CHECK_STR(fake.option_error, rows[i].error);
        fake_close(&fake);
    }
}

static void two_instances_share_nothing(void)
{
    static struct fake one, two;
    const weir_plugin *plugin = fake_load("pricehistory");
    CHECK_INT(fake_open(&one, plugin, "{\"table\":\"TableA\"}"), 0);
    CHECK_INT(fake_open(&two, plugin, "{\"table\":\"TableB\",\"timestamp\":\"text\"}"), 0);
    struct fake_delivery *first = fake_deliver(&one, change("p", N("1"), N("2"), SECOND, "1"));
    struct fake_delivery *second = fake_deliver(&two, change("p", N("1"), N("2"), SECOND, "1"));
    CHECK(strstr(one.calls[0].body, "{\"TableA\":[") != NULL);
    CHECK(strstr(two.calls[0].body, "{\"TableB\":[") != NULL);
    fake_answer_all(&two, DONE);
    CHECK_INT(fake_outcome(first, 0), 0);
    CHECK_INT(fake_outcome(second, 0), WEIR_OK);
    fake_answer_all(&one, DONE);
    fake_close(&one);
    fake_close(&two);
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(row_is_exactly_the_four_attributes),
        TEST(names_endpoint_and_region_are_configured),
        TEST(F85_what_is_a_change_of_price),
        TEST(an_absent_side_is_written_as_null),
        TEST(events_can_be_widened_and_bad_ones_are_refused),
        TEST(other_events_are_skipped),
        TEST(missing_images_are_a_failure_not_a_skip),
        TEST(key_without_the_attribute_is_a_failure),
        TEST(F14_sort_keys_of_every_mode),
        TEST(two_hundred_changes_in_a_second_are_two_hundred_rows),
        TEST(shuffled_retries_make_the_same_table),
        TEST(F83_hostile_ids_and_prices_are_escaped_in_the_log),
        TEST(F84_values_stay_values),
        TEST(F35_item_too_large_fails_before_it_is_sent),
        TEST(bad_options_are_refused_by_name),
        TEST(two_instances_share_nothing),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_pricehistory", tests);
}
