/* The eventbridge sink: what is sent, and what each answer means for the records. */
#include "fakehost.h"
#include "unit.h"

#include <stdio.h>

#define RECORD                                                                                     \
    "{\"eventID\":\"e\",\"eventName\":\"MODIFY\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}},"   \
    "\"ApproximateCreationDateTime\":1700000000,\"SequenceNumber\":\"5\"}}"

static struct fake fake;

static void open_with(const char *options)
{
    CHECK_INT(fake_open(&fake, fake_load("eventbridge"), options), 0);
}

static void an_event_carries_source_type_time_and_stream(void)
{
    fake.arn = "arn:aws:dynamodb:eu-west-1:1:table/Products/stream/1";
    open_with(
        "{\"bus\":\"shop\",\"event_source\":\"my.shop\",\"detail_type\":\"{table} {event}!\"}");
    fake_deliver(&fake, RECORD);
    CHECK_STR(fake.calls[0].service, "events");
    CHECK_STR(fake.calls[0].target, "AWSEvents.PutEvents");
    CHECK(strstr(fake.calls[0].body, "{\"Entries\":[{\"Detail\":\"{\\\"eventID\\\":\\\"e\\\"") !=
          NULL);
    CHECK(
        strstr(
            fake.calls[0].body,
            ",\"DetailType\":\"Products MODIFY!\",\"Source\":\"my.shop\",\"EventBusName\":\"shop\","
            "\"Resources\":[\"arn:aws:dynamodb:eu-west-1:1:table/Products/stream/1\"],"
            "\"Time\":1700000000}]}") != NULL);
    fake_answer(&fake, 0, WEIR_OK, 200,
                "{\"FailedEntryCount\":0,\"Entries\":[{\"EventId\":\"x\"}]}");
    fake_close(&fake);
    fake.arn = NULL;
}

static void calls_hold_ten_events(void)
{
    char records[25 * 128] = "[";
    size_t len = 1;
    for (int i = 0; i < 23; i++)
        len += (size_t)snprintf(
            records + len, sizeof records - len,
            "%s{\"eventID\":\"%d\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"same\"}}}}", i ? "," : "",
            i);
    snprintf(records + len, sizeof records - len, "]");
    fake.order_none = true; /* what the plugin asks for */
    open_with("{}");
    CHECK_INT(fake.plugin->flags & WEIR_P_ORDER_NONE, WEIR_P_ORDER_NONE);
    fake_deliver(&fake, records);
    CHECK_INT(fake.call_count, 3);
    fake_answer_all(&fake, "{}");
    fake_close(&fake);
    fake.order_none = false;
}

static void F40_F47_entries_are_judged_one_by_one(void)
{
    static const struct {
        const char *code;
        int outcome;
    } rows[] = {
        {"InternalFailure", WEIR_RETRY},      {"ThrottlingException", WEIR_RETRY},
        {"MalformedDetail", WEIR_FAIL},       {"InvalidArgument", WEIR_FAIL},
        {"AccessDeniedException", WEIR_DOWN}, {"NotAuthorizedForSourceException", WEIR_DOWN},
        {"NeverHeardOfThis", WEIR_RETRY},
    };
    open_with("{}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char answer[256];
        struct fake_delivery *delivery = fake_deliver(&fake, "[" RECORD "," RECORD "]");
        snprintf(
            answer, sizeof answer,
            "{\"Entries\":[{\"EventId\":\"x\"},{\"ErrorCode\":\"%s\",\"ErrorMessage\":\"m\"}]}",
            rows[i].code);
        fake_answer(&fake, i, WEIR_OK, 200, answer);
        CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
        CHECK_INT(fake_outcome(delivery, 1), rows[i].outcome);
    }
    fake_close(&fake);
}

static void F40_F50_an_odd_answer_acknowledges_nothing(void)
{
    static const char *const answers[] = {
        "{}",
        "{\"Entries\":[]}",
        "{\"Entries\":[{},{}]}",
        "{\"Entries\":[{\"EventId\":\"x\"}]}",
        "{\"Entries\":[{\"EventId\":\"x\"},{\"EventId\":\"x\"},{\"EventId\":\"x\"}]}",
        "{\"FailedEntryCount\":0}",
    };
    open_with("{}");
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct fake_delivery *delivery = fake_deliver(&fake, "[" RECORD "," RECORD "]");
        fake_answer(&fake, i, WEIR_OK, 200, answers[i]);
        CHECK_INT(fake_outcomes(delivery, WEIR_RETRY), 2);
    }
    fake_close(&fake);
}

/* As EventBridge counts: detail, source, detail-type, resources, and 14 for the time. */
static void F41_sizes_are_known_before_sending(void)
{
    static char record[8192];
    int head = snprintf(record, sizeof record, "{\"eventID\":\"");
    memset(record + head, 'x', 2000);
    snprintf(record + head + 2000, sizeof record - 2400,
             "\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}}}}");
    open_with("{\"max_request_bytes\":\"1KiB\"}");
    struct fake_delivery *delivery = fake_deliver(&fake, record);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_FAIL);
    CHECK_INT(fake.call_count, 0);
    fake_close(&fake);
    open_with("{\"max_request_bytes\":\"3KiB\"}");
    char two[2 * sizeof record + 8];
    snprintf(two, sizeof two, "[%s,%s]", record, record);
    fake_deliver(&fake, two);
    CHECK_INT(fake.call_count, 2);
    fake_answer_all(&fake, "{}");
    fake_close(&fake);
}

static void F42_hostile_text_stays_inside_its_strings(void)
{
    open_with("{\"detail_type\":\"{event}\"}");
    fake_deliver(&fake,
                 "{\"eventID\":\"e\\u0000\\\"}\",\"eventName\":\"A\\\"},{\\u001b\",\"dynamodb\":{"
                 "\"Keys\":{\"id\":{\"S\":\"k\"}}}}");
    CHECK(strstr(fake.calls[0].body, "\"DetailType\":\"A\\\"},{\\u001b\"") != NULL);
    for (const char *at = fake.calls[0].body; *at; at++)
        CHECK(*at >= 0x20 && *at < 0x7f);
    fake_answer_all(&fake, "{\"Entries\":[{\"EventId\":\"x\"}]}");
    fake_close(&fake);
}

static void bad_options_are_refused_by_name(void)
{
    static const struct {
        const char *options, *error;
    } rows[] = {
        {"{\"bus\":\"\"}", "bus: must name an event bus"},
        {"{\"event_source\":\"aws.mine\"}",
         "event_source: must not begin with \"aws.\": that is AWS's own"},
        {"{\"detail_type\":\"\"}", "detail_type: must have 1 to 128 characters"},
        {"{\"max_request_bytes\":\"2MiB\"}", "max_request_bytes: must be 1KiB to 1MiB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_INT(fake_open(&fake, fake_load("eventbridge"), rows[i].options), -22);
        CHECK_STR(fake.option_error, rows[i].error);
        fake_close(&fake);
    }
    open_with("{\"bus\":\"arn:aws:events:eu-west-1:1:event-bus/shop\"}");
    CHECK_STR(fake.declared[WEIR_D_IAM],
              "events:PutEvents arn:aws:events:eu-west-1:1:event-bus/shop");
    fake_close(&fake);
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(an_event_carries_source_type_time_and_stream),
        TEST(calls_hold_ten_events),
        TEST(F40_F47_entries_are_judged_one_by_one),
        TEST(F40_F50_an_odd_answer_acknowledges_nothing),
        TEST(F41_sizes_are_known_before_sending),
        TEST(F42_hostile_text_stays_inside_its_strings),
        TEST(bad_options_are_refused_by_name),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_eventbridge", tests);
}
