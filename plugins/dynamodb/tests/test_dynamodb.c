/* The dynamodb sink: which write a record becomes, and what guards it. */
#include "fakehost.h"
#include "unit.h"

#include <stdio.h>

#define GUARD                                                                                      \
    ",\"ConditionExpression\":\"attribute_not_exists(#s) OR #s <= :s\","                           \
    "\"ExpressionAttributeNames\":{\"#s\":\"weir_sequence\"},"                                     \
    "\"ExpressionAttributeValues\":{\":s\":{\"S\":\"0000000000000000000000000000000000000012\"}}}"

static struct fake fake;

static void open_with(const char *options)
{
    CHECK_INT(fake_open(&fake, fake_load("dynamodb"), options), 0);
}

static void each_event_becomes_a_guarded_write(void)
{
    static const struct {
        const char *options, *record, *target, *body;
    } rows[] = {
        {"{\"table\":\"Copy\"}",
         "{\"eventID\":\"e\",\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}}"
         ","
         "\"NewImage\":{\"id\":{\"S\":\"k\"},\"price\":{\"N\":\"1.10\"}},\"SequenceNumber\":"
         "\"0012\"}}",
         "DynamoDB_20120810.PutItem",
         "{\"TableName\":\"Copy\",\"Item\":{\"id\":{\"S\":\"k\"},\"price\":{\"N\":\"1.10\"},"
         "\"weir_sequence\":{\"S\":\"0000000000000000000000000000000000000012\"}}" GUARD},
        {"{\"table\":\"Copy\"}",
         "{\"eventID\":\"e\",\"eventName\":\"MODIFY\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}}"
         ","
         "\"NewImage\":{\"weir_sequence\":{\"S\":\"mine\"},\"id\":{\"S\":\"k\"}},"
         "\"SequenceNumber\":\"12\"}}",
         "DynamoDB_20120810.PutItem",
         "{\"TableName\":\"Copy\",\"Item\":{\"id\":{\"S\":\"k\"},"
         "\"weir_sequence\":{\"S\":\"0000000000000000000000000000000000000012\"}}" GUARD},
        {"{\"table\":\"Copy\"}",
         "{\"eventID\":\"e\",\"eventName\":\"REMOVE\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}}"
         ","
         "\"SequenceNumber\":\"12\"}}",
         "DynamoDB_20120810.DeleteItem",
         "{\"TableName\":\"Copy\",\"Key\":{\"id\":{\"S\":\"k\"}}" GUARD},
        {"{\"table\":\"Copy\",\"removes\":\"tombstone\"}",
         "{\"eventID\":\"e\",\"eventName\":\"REMOVE\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}}"
         ","
         "\"SequenceNumber\":\"12\"}}",
         "DynamoDB_20120810.PutItem",
         "{\"TableName\":\"Copy\",\"Item\":{\"id\":{\"S\":\"k\"},"
         "\"weir_sequence\":{\"S\":\"0000000000000000000000000000000000000012\"},"
         "\"weir_removed\":{\"BOOL\":true}}" GUARD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_with(rows[i].options);
        struct fake_delivery *delivery = fake_deliver(&fake, rows[i].record);
        CHECK_STR(fake.calls[0].target, rows[i].target);
        CHECK_STR(fake.calls[0].body, rows[i].body);
        fake_answer(&fake, 0, WEIR_OK, 200, "{}");
        CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
        fake_close(&fake);
    }
}

#define RECORD                                                                                     \
    "{\"eventID\":\"e\",\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}},"   \
    "\"NewImage\":{\"id\":{\"S\":\"k\"}},\"SequenceNumber\":\"12\"}}"

static void answers_mean_what_the_design_says(void)
{
    static const struct {
        const char *type;
        int given, outcome;
    } rows[] = {
        {"ConditionalCheckFailedException", WEIR_RETRY, WEIR_SKIP}, /* a newer one is stored */
        {"ValidationException", WEIR_FAIL, WEIR_FAIL},
        {"ResourceNotFoundException", WEIR_DOWN, WEIR_DOWN},
        {"ProvisionedThroughputExceededException", WEIR_DOWN, WEIR_DOWN},
        {"Timeout", WEIR_RETRY, WEIR_RETRY},
    };
    open_with("{\"table\":\"Copy\"}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake_delivery *delivery = fake_deliver(&fake, RECORD);
        fake_answer_error(&fake, i, rows[i].given, 400, rows[i].type, "", "");
        CHECK_INT(fake_outcome(delivery, 0), rows[i].outcome);
    }
    fake_close(&fake);
}

/* Without the number nothing guards the write, and without image or key there is nothing to write.
 */
static void a_record_that_can_not_be_guarded_fails(void)
{
    static const char *const records[] = {
        "{\"eventID\":\"e\",\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}},"
        "\"NewImage\":{\"id\":{\"S\":\"k\"}}}}",
        "{\"eventID\":\"e\",\"eventName\":\"INSERT\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}},"
        "\"NewImage\":{\"id\":{\"S\":\"k\"}},"
        "\"SequenceNumber\":\"12345678901234567890123456789012345678901\"}}",
        "{\"eventID\":\"e\",\"eventName\":\"MODIFY\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}},"
        "\"SequenceNumber\":\"12\"}}",
        "{\"eventID\":\"e\",\"eventName\":\"REMOVE\",\"dynamodb\":{\"SequenceNumber\":\"12\"}}",
    };
    open_with("{\"table\":\"Copy\"}");
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        struct fake_delivery *delivery = fake_deliver(&fake, records[i]);
        CHECK_INT(fake_outcome(delivery, 0), WEIR_FAIL);
    }
    CHECK_INT(fake.call_count, 0);
    fake_close(&fake);
}

static void the_table_is_declared_to_the_loop_guard(void)
{
    open_with("{\"table\":\"arn:aws:dynamodb:eu-west-1:1:table/Copy\",\"removes\":\"tombstone\"}");
    CHECK_STR(fake.declared[WEIR_D_WRITES_TABLE], "arn:aws:dynamodb:eu-west-1:1:table/Copy");
    CHECK_STR(fake.declared[WEIR_D_IAM],
              "dynamodb:PutItem arn:aws:dynamodb:eu-west-1:1:table/Copy");
    fake_close(&fake);
    open_with("{\"table\":\"Copy\"}");
    CHECK_STR(fake.declared[WEIR_D_IAM], "dynamodb:PutItem arn:aws:dynamodb:*:*:table/Copy,"
                                         "dynamodb:DeleteItem arn:aws:dynamodb:*:*:table/Copy");
    fake_close(&fake);
    CHECK_INT(fake_open(&fake, fake_load("dynamodb"), "{\"table\":\"\"}"), -22);
    CHECK_STR(fake.option_error, "table: must name a table");
    fake_close(&fake);
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(each_event_becomes_a_guarded_write),
        TEST(answers_mean_what_the_design_says),
        TEST(a_record_that_can_not_be_guarded_fails),
        TEST(the_table_is_declared_to_the_loop_guard),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_dynamodb", tests);
}
