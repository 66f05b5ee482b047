/* The store on DynamoDB: calls, and what their answers mean. */
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

static void finish(void)
{
    fake_close(&fake);
    table_free(&table);
}

static size_t items_of(size_t call)
{
    struct table copy = {.count = 0};
    size_t items = table_apply(&copy, &fake.calls[call]);
    table_free(&copy);
    return items;
}

static void rows_of_all_deliveries_share_calls_of_25(void)
{
    char *changes = many_changes(60, 7);
    open_with("{\"concurrency\":1}");
    struct fake_delivery *one = fake_deliver(&fake, change("a", N("1"), N("2"), SECOND, "9"));
    struct fake_delivery *many = fake_deliver(&fake, changes);
    struct fake_delivery *last = fake_deliver(&fake, change("b", N("1"), N("2"), SECOND, "8"));
    CHECK_INT(fake.call_count, 1);
    for (size_t i = 0; i < 4; i++)
        fake_answer(&fake, i, WEIR_OK, 200, DONE);
    CHECK_INT(fake.call_count, 4);
    CHECK_INT(items_of(0), 1);
    CHECK_INT(items_of(1), 25);
    CHECK_INT(items_of(2), 25);
    CHECK_INT(items_of(3), 11);
    CHECK_INT(fake.calls[1].token, fake_token(many));
    CHECK_INT(fake.calls[3].token, 0); /* of two deliveries: neither's end may abort it */
    CHECK_INT(fake_outcome(one, 0), WEIR_OK);
    CHECK_INT(fake_outcomes(many, WEIR_OK), 60);
    CHECK_INT(fake_outcome(last, 0), WEIR_OK);
    CHECK_INT(fake.in_flight_most, 1);
    finish();
    mem_free(changes);
}

static void concurrency_bounds_the_calls_in_flight(void)
{
    char *changes = many_changes(200, 200);
    open_with("{\"batch\":1,\"concurrency\":64}");
    struct fake_delivery *delivery = fake_deliver(&fake, changes);
    CHECK_INT(fake.call_count, 64);
    CHECK_INT(fake.calls[0].concurrency, 64);
    fake_answer(&fake, 5, WEIR_OK, 200, "{}");
    CHECK_INT(fake.call_count, 65);
    while (fake.in_flight > 0)
        fake_answer_all(&fake, "{}");
    CHECK_INT(fake.in_flight_most, 64);
    CHECK_INT(fake_outcomes(delivery, WEIR_OK), 200);
    finish();
    mem_free(changes);
}

/* DynamoDB refuses a call that names a key twice. */
static void equal_keys_are_sent_once_and_share_the_outcome(void)
{
    const char *same = change("p", N("1"), N("2"), SECOND, "7");
    open_with("{\"concurrency\":1}");
    fake_deliver(&fake, change("x", N("1"), N("2"), SECOND, "1"));
    struct fake_delivery *first = fake_deliver(&fake, same), *second = fake_deliver(&fake, same);
    struct fake_delivery *other = fake_deliver(&fake, change("q", N("1"), N("2"), SECOND, "7"));
    fake_answer(&fake, 0, WEIR_OK, 200, DONE);
    CHECK_INT(items_of(1), 2);
    fake_answer(&fake, 1, WEIR_OK, 200,
                "{\"UnprocessedItems\":{\"PriceHistory\":[{\"PutRequest\":{\"Item\":{"
                "\"product_id\":{\"S\":\"p\"},\"timestamp\":{\"N\":\"1763850074."
                "0000000000000000000000000007\"}}}}]}}");
    CHECK_INT(fake_outcome(first, 0), WEIR_RETRY);
    CHECK_INT(fake_outcome(second, 0), WEIR_RETRY);
    CHECK_INT(fake_outcome(other, 0), WEIR_OK);
    finish();
}

/* Any subset comes back; a number may come back in another spelling. */
static void F32_unprocessed_items_are_retried_by_key(void)
{
    open_with("{\"concurrency\":1}");
    fake_deliver(&fake, change("x", N("1"), N("2"), SECOND, "1"));
    struct fake_delivery *deliveries[4];
    for (int i = 0; i < 4; i++) {
        char sequence[8];
        snprintf(sequence, sizeof sequence, "%d0", i + 1);
        deliveries[i] = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, sequence));
    }
    fake_answer(&fake, 0, WEIR_OK, 200, DONE);
    fake_answer(&fake, 1, WEIR_OK, 200,
                "{\"UnprocessedItems\":{\"PriceHistory\":["
                "{\"PutRequest\":{\"Item\":{\"timestamp\":{\"N\":\"1763850074."
                "000000000000000000000000002\"},\"product_id\":{\"S\":\"p\"}}}},"
                "{\"PutRequest\":{\"Item\":{\"product_id\":{\"S\":\"p\"},\"timestamp\":{\"N\":"
                "\"1763850074.0000000000000000000000000040\"}}}}]}}");
    CHECK_INT(fake_outcome(deliveries[0], 0), WEIR_OK);
    CHECK_INT(fake_outcome(deliveries[1], 0), WEIR_RETRY);
    CHECK_STR(fake_reason(deliveries[1], 0), "unprocessed: the table is throttled");
    CHECK_INT(fake_outcome(deliveries[2], 0), WEIR_OK);
    CHECK_INT(fake_outcome(deliveries[3], 0), WEIR_RETRY);
    finish();
}

/* What can't be understood acknowledges nothing. */
static void F49_an_odd_answer_acknowledges_nothing(void)
{
    static const char *const answers[] = {"",
                                          "[]",
                                          "{\"UnprocessedItems\":[]}",
                                          "{\"UnprocessedItems\":{\"PriceHistory\":{}}}",
                                          "{\"Unproc",
                                          ("{\"UnprocessedItems\":{\"PriceHistory\":[{"
                                           "\"PutRequest\":{\"Item\":{\"product_id\":{\"S\":"
                                           "\"other\"},\"timestamp\":{\"N\":\"1\"}}}}]}}"),
                                          "{\"UnprocessedItems\":{\"PriceHistory\":[7]}}"};
    open_with("{}");
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct fake_delivery *delivery =
            fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
        fake_answer(&fake, i, WEIR_OK, 200, answers[i]);
        CHECK_INT(fake_outcome(delivery, 0), WEIR_RETRY);
    }
    finish();
}

struct failure_row {
    int given;
    const char *type, *message;
    int outcome;
    const char *reason;
};

static void F31_F36_F37_failures_mean_what_the_design_says(void)
{
    static const struct failure_row rows[] = {
        {WEIR_DOWN, "ProvisionedThroughputExceededException", "slow down", WEIR_DOWN,
         "ProvisionedThroughputExceededException: slow down"},
        {WEIR_DOWN, "ThrottlingException", "", WEIR_DOWN, "ThrottlingException"},
        {WEIR_DOWN, "ResourceNotFoundException", "no table", WEIR_DOWN,
         "ResourceNotFoundException: no table"},
        {WEIR_DOWN, "AccessDeniedException", "no\033", WEIR_DOWN,
         "AccessDeniedException: no\\u001b"},
        {WEIR_RETRY, "TransactionConflictException", "x", WEIR_RETRY,
         "TransactionConflictException: x"},
        {WEIR_RETRY, "timeout", "no answer", WEIR_RETRY, "timeout: no answer"},
        {WEIR_FAIL, "ValidationException", "Item size has exceeded", WEIR_FAIL,
         "ValidationException: Item size has exceeded"},
        {WEIR_FAIL, "ItemCollectionSizeLimitExceededException", "x", WEIR_FAIL,
         "ItemCollectionSizeLimitExceededException: x"},
        {WEIR_FAIL, "ValidationException", "The provided key element does not match the schema",
         WEIR_DOWN, "ValidationException: The provided key element does not match the schema"},
        {WEIR_FAIL, "ValidationException",
         "One or more parameter values were invalid: Type mismatch for key timestamp expected: S "
         "actual: N",
         WEIR_DOWN,
         "ValidationException: One or more parameter values were invalid: Type mismatch for key "
         "timestamp "
         "expected: S actual: N"},
    };
    open_with("{}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_delivery *delivery =
            fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
        fake_answer_error(&fake, i, rows[i].given, 400, rows[i].type, rows[i].message, "{}");
        CHECK_INT(fake_outcome(delivery, 0), rows[i].outcome);
        CHECK_STR(fake_reason(delivery, 0), rows[i].reason);
    }
    finish();
}

/* One bad row fails a call of several: each is repeated alone, so that only the bad one fails. */
static void F35_only_the_bad_row_of_a_call_fails(void)
{
    char *changes = many_changes(25, 25);
    open_with("{\"concurrency\":4}");
    struct fake_delivery *delivery = fake_deliver(&fake, changes);
    CHECK_INT(fake.call_count, 1);
    fake_answer_error(&fake, 0, WEIR_FAIL, 400, "ValidationException", "bad", "{}");
    CHECK_INT(fake.call_count, 5);
    for (size_t i = 1; i < fake.call_count; i++) {
        CHECK_INT(items_of(i), 1);
        CHECK_STR(fake.calls[i].target,
                  "DynamoDB_20120810.BatchWriteItem"); /* no other right is needed */
        if (strstr(fake.calls[i].body, "\"p13\""))
            fake_answer_error(&fake, i, WEIR_FAIL, 400, "ValidationException", "bad", "{}");
        else
            fake_answer(&fake, i, WEIR_OK, 200, DONE);
    }
    CHECK_INT(fake.call_count, 26);
    CHECK_INT(fake_outcomes(delivery, WEIR_OK), 24);
    CHECK_INT(fake_outcome(delivery, 13), WEIR_FAIL);
    finish();
    mem_free(changes);
}

static void F34_whole_seconds_are_written_on_condition(void)
{
    open_with("{\"timestamp\":\"seconds\"}");
    CHECK_STR(fake.declared[WEIR_D_IAM],
              "dynamodb:PutItem arn:aws:dynamodb:*:*:table/PriceHistory");
    struct fake_delivery *delivery = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "5"));
    CHECK_STR(fake.calls[0].target, "DynamoDB_20120810.PutItem");
    CHECK_STR(
        fake.calls[0].body,
        "{\"TableName\":\"PriceHistory\",\"Item\":{\"product_id\":{\"S\":\"p\"},\"timestamp\":{"
        "\"N\":\"1763850074\"},"
        "\"old_price\":{\"N\":\"1\"},\"new_price\":{\"N\":\"2\"},\"event_id\":{\"S\":\"e5\"}},"
        "\"ConditionExpression\":\"attribute_not_exists(#t) OR #e = :e\","
        "\"ExpressionAttributeNames\":{\"#t\":\"timestamp\",\"#e\":\"event_id\"},"
        "\"ExpressionAttributeValues\":{\":e\":{\"S\":\"e5\"}},"
        "\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"}");
    fake_answer(&fake, 0, WEIR_OK, 200, "{}");
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    finish();
}

static void a_collision_of_whole_seconds_is_a_failure_that_names_both(void)
{
    open_with("{\"timestamp\":\"seconds\"}");
    struct fake_delivery *named = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "6"));
    struct fake_delivery *bare = fake_deliver(&fake, change("p", N("2"), N("3"), SECOND, "7"));
    fake_answer_error(&fake, 0, WEIR_FAIL, 400, "ConditionalCheckFailedException",
                      "The conditional request failed",
                      "{\"__type\":\"x\",\"Item\":{\"event_id\":{\"S\":\"e5\"}}}");
    fake_answer_error(&fake, 1, WEIR_RETRY, 400, "ConditionalCheckFailedException",
                      "The conditional request failed", "");
    CHECK_INT(fake_outcome(named, 0), WEIR_FAIL);
    CHECK_STR(fake_reason(named, 0), "collision: p at 1763850074 is the row of event e5, not e6");
    CHECK_INT(fake_outcome(bare, 0), WEIR_FAIL);
    CHECK_STR(fake_reason(bare, 0),
              "collision: p at 1763850074 is the row of event another one, not e7");
    finish();
}

/* 1 -> 2, deleted and made again at 1, 1 -> 2: two changes that look alike, and in whole seconds
 * have one key. Only a repeat of the same event may share the other's item and outcome. */
static void alike_changes_of_one_second_are_not_one_row(void)
{
    open_with("{\"timestamp\":\"seconds\",\"concurrency\":1}");
    struct fake_delivery *wall = fake_deliver(&fake, change("w", N("1"), N("2"), SECOND, "4"));
    struct fake_delivery *first = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "5"));
    struct fake_delivery *again = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "5"));
    struct fake_delivery *alike = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "6"));
    fake_answer(&fake, 0, WEIR_OK, 200, "{}");
    fake_answer(&fake, 1, WEIR_OK, 200, "{}");
    CHECK_INT(fake_outcome(wall, 0), WEIR_OK);
    CHECK_INT(fake_outcome(first, 0), WEIR_OK);
    CHECK_INT(fake_outcome(again, 0), WEIR_OK);
    CHECK_INT(fake_outcome(alike, 0), 0);
    CHECK_INT(fake.call_count, 3);
    if (fake.call_count == 3)
        fake_answer_error(&fake, 2, WEIR_FAIL, 400, "ConditionalCheckFailedException", "",
                          "{\"Item\":{\"event_id\":{\"S\":\"e5\"}}}");
    CHECK_INT(fake_outcome(alike, 0), WEIR_FAIL);
    finish();
}

/* DynamoDB always says what is left, be it nothing: an answer that doesn't is not DynamoDB's. */
static void an_answer_without_unprocessed_items_acknowledges_nothing(void)
{
    static const char *const answers[] = {"{}", "{\"UnprocessedItems\":null}",
                                          "{\"UnprocessedItems\":[]}", "{\"message\":\"hello\"}"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        open_with("{}");
        struct fake_delivery *one = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "5"));
        fake_answer(&fake, 0, WEIR_OK, 200, answers[i]);
        unit_int(__FILE__, __LINE__, answers[i], fake_outcome(one, 0), WEIR_RETRY);
        finish();
    }
}

/* The write was carried out and the answer lost: the repeat is the same row. */
static void F39_a_lost_answer_is_repeated_as_the_same_row(void)
{
    open_with("{}");
    const char *record = change("p", N("1"), N("2"), SECOND, "5");
    struct fake_delivery *delivery = fake_deliver(&fake, record);
    table_apply(&table, &fake.calls[0]);
    fake_answer_error(&fake, 0, WEIR_RETRY, 0, "timeout", "no answer", "");
    CHECK_INT(fake_outcome(delivery, 0), WEIR_RETRY);
    delivery = fake_deliver(&fake, record);
    table_apply(&table, &fake.calls[1]);
    fake_answer(&fake, 1, WEIR_OK, 200, DONE);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    CHECK_INT(table.count, 1);
    CHECK_INT(table.repeats, 1);
    finish();
}

static void cancel_drops_what_waits_and_aborts_what_is_in_flight(void)
{
    char *changes = many_changes(60, 60);
    open_with("{\"concurrency\":2}");
    struct fake_delivery *gone = fake_deliver(&fake, changes);
    struct fake_delivery *kept = fake_deliver(&fake, change("z", N("1"), N("2"), SECOND, "1"));
    fake_cancel(&fake, gone);
    CHECK_INT(fake_outcomes(gone, WEIR_RETRY), 60);
    CHECK(fake.calls[0].aborted && fake.calls[1].aborted);
    CHECK_INT(fake_outcome(kept, 0), 0);
    fake_answer_all(&fake, DONE);
    CHECK_INT(fake_outcome(kept, 0), WEIR_OK);
    CHECK_INT(fake.call_count, 3);
    finish();
    mem_free(changes);
}

/* A call that serves two deliveries goes on for the other one. An unprocessed item that fits no row
 * any more may be the cancelled one's, or not: in doubt the other is written again. */
static void cancel_of_one_delivery_leaves_the_other_in_the_call(void)
{
    open_with("{\"concurrency\":1}");
    fake_deliver(&fake, change("x", N("1"), N("2"), SECOND, "1"));
    struct fake_delivery *gone = fake_deliver(&fake, change("a", N("1"), N("2"), SECOND, "2"));
    struct fake_delivery *kept = fake_deliver(&fake, change("b", N("1"), N("2"), SECOND, "3"));
    fake_answer(&fake, 0, WEIR_OK, 200, DONE);
    CHECK_INT(items_of(1), 2);
    fake_cancel(&fake, gone);
    CHECK_INT(fake_outcome(gone, 0), WEIR_RETRY);
    CHECK(!fake.calls[1].aborted);
    fake_answer(&fake, 1, WEIR_OK, 200,
                "{\"UnprocessedItems\":{\"PriceHistory\":[{\"PutRequest\":{\"Item\":{"
                "\"product_id\":{\"S\":\"a\"},\"timestamp\":{\"N\":\"1763850074."
                "0000000000000000000000000002\"}}}}]}}");
    CHECK_INT(fake_outcome(kept, 0), WEIR_RETRY);
    gone = fake_deliver(&fake, change("c", N("1"), N("2"), SECOND, "4"));
    CHECK_INT(fake_outcome(gone, 0), 0);
    fake_answer(&fake, 2, WEIR_OK, 200, DONE);
    CHECK_INT(fake_outcome(gone, 0), WEIR_OK);
    finish();
}

static void cancel_between_a_refused_call_and_its_repeats(void)
{
    char *changes = many_changes(3, 3);
    open_with("{\"concurrency\":1}");
    struct fake_delivery *gone = fake_deliver(&fake, changes);
    fake_answer_error(&fake, 0, WEIR_FAIL, 400, "ValidationException", "bad", "{}");
    fake_cancel(&fake, gone);
    CHECK_INT(fake_outcomes(gone, WEIR_RETRY), 3);
    fake_answer_all(&fake, DONE);
    CHECK_INT(fake.call_count, 2);
    finish();
    mem_free(changes);
}

static void a_call_that_can_not_be_made_loses_nothing(void)
{
    open_with("{}");
    fake.refuse_calls = 1;
    fake.refuse_with = -12; /* ENOMEM */
    struct fake_delivery *delivery = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    CHECK_INT(fake_outcome(delivery, 0), WEIR_RETRY);
    fake.refuse_calls = 1;
    fake.refuse_with = -22; /* EINVAL */
    delivery = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    CHECK_INT(fake_outcome(delivery, 0), WEIR_DOWN);
    finish();
}

static void a_host_without_the_client_is_down(void)
{
    fake.no_aws = true;
    open_with("{}");
    struct fake_delivery *delivery = fake_deliver(&fake, change("p", N("1"), N("2"), SECOND, "1"));
    CHECK_INT(fake_outcome(delivery, 0), WEIR_DOWN);
    CHECK_STR(fake_reason(delivery, 0), "this host has no weir.aws/1 or weir.json/1");
    finish();
}

static void F35_a_call_stays_below_the_limit_of_a_request(void)
{
    enum { ROWS = 40, PRICE = 380 * 1024 };
    char *record = mem_alloc(PRICE + 1024);
    char *price = mem_alloc(PRICE + 1);
    memset(price, 'x', PRICE);
    price[PRICE] = '\0';
    open_with("{\"concurrency\":1,\"batch\":25,\"announce\":false}");
    fake_deliver(&fake, change("x", N("1"), N("2"), SECOND, "1"));
    struct fake_delivery *deliveries[ROWS];
    for (int i = 0; i < ROWS; i++) {
        snprintf(record, PRICE + 1024,
                 "{\"eventName\":\"MODIFY\",\"eventID\":\"e\",\"dynamodb\":{"
                 "\"ApproximateCreationDateTime\":1763850074,"
                 "\"SequenceNumber\":\"%d\",\"Keys\":{\"product_id\":{\"S\":\"p\"}},\"OldImage\":{"
                 "\"price\":{\"S\":\"%s\"}},"
                 "\"NewImage\":{\"price\":{\"S\":\"y\"}}}}",
                 i, price);
        deliveries[i] = fake_deliver(&fake, record);
    }
    while (fake.in_flight > 0)
        fake_answer_all(&fake, DONE);
    for (size_t i = 0; i < fake.call_count; i++)
        CHECK(strlen(fake.calls[i].body) < 16u * 1000 * 1000);
    for (int i = 0; i < ROWS; i++)
        CHECK_INT(fake_outcome(deliveries[i], 0), WEIR_OK);
    finish();
    mem_free(price);
    mem_free(record);
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(rows_of_all_deliveries_share_calls_of_25),
        TEST(concurrency_bounds_the_calls_in_flight),
        TEST(equal_keys_are_sent_once_and_share_the_outcome),
        TEST(F32_unprocessed_items_are_retried_by_key),
        TEST(F49_an_odd_answer_acknowledges_nothing),
        TEST(F31_F36_F37_failures_mean_what_the_design_says),
        TEST(F35_only_the_bad_row_of_a_call_fails),
        TEST(F34_whole_seconds_are_written_on_condition),
        TEST(a_collision_of_whole_seconds_is_a_failure_that_names_both),
        TEST(alike_changes_of_one_second_are_not_one_row),
        TEST(an_answer_without_unprocessed_items_acknowledges_nothing),
        TEST(F39_a_lost_answer_is_repeated_as_the_same_row),
        TEST(cancel_drops_what_waits_and_aborts_what_is_in_flight),
        TEST(cancel_of_one_delivery_leaves_the_other_in_the_call),
        TEST(cancel_between_a_refused_call_and_its_repeats),
        TEST(a_call_that_can_not_be_made_loses_nothing),
        TEST(a_host_without_the_client_is_down),
        TEST(F35_a_call_stays_below_the_limit_of_a_request),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_pricehistory_dynamodb", tests);
}
