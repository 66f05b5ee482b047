/* FIFO queues: groups, deduplication, and the order of an item's changes through failures. */
#include "queue.h"
#include "unit.h"

#include "util/alloc.h"

#include <stdio.h>
#include <stdlib.h>

#define FIFO "{\"queue_url\":\"http://127.0.0.1:9324/000000000000/orders.fifo\"}"

static struct fake fake;
static struct queue queue;

static void open_with(const char *options)
{
    CHECK_INT(fake_open(&fake, fake_load("sqs"), options), 0);
}

static void finish(void)
{
    fake_close(&fake);
    queue_free(&queue);
}

static void F44_ids_follow_from_the_record_alone(void)
{
    static const char record[] = "{\"eventID\":\"e\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":"
                                 "\"k\\u001b\"}},\"SequenceNumber\":\"5\"}}";
    open_with(FIFO);
    for (int i = 0; i < 2; i++) {
        fake_deliver(&fake, record);
        queue_answer_all(&queue, &fake);
    }
    queue.fifo = true;
    fake_deliver(&fake, record);
    queue_answer_all(&queue, &fake);
    CHECK_INT(queue.count, 2);
    CHECK_INT(queue.duplicates, 1);
    CHECK_STR(queue.messages[0].once, queue.messages[1].once);
    CHECK_INT(strlen(queue.messages[0].once), 64);
    CHECK_INT(strspn(queue.messages[0].group, "0123456789abcdef"), 64);
    CHECK_STR(queue.messages[0].group, queue.messages[1].group);
    finish();
}

static void groups_are_items_tables_or_shards(void)
{
    static const struct {
        const char *options, *shard, *group;
    } rows[] = {
        {"{\"queue_url\":\"http://h/q.fifo\",\"fifo_group\":\"table\"}", NULL, "Products"},
        {"{\"queue_url\":\"http://h/q.fifo\",\"fifo_group\":\"shard\"}", "shardId-1-a",
         "shardId-1-a"},
        {"{\"queue_url\":\"http://h/q.fifo\",\"fifo_group\":\"shard\"}", NULL, "Products"},
        {"{\"queue_url\":\"http://h/q.fifo\",\"fifo_group\":\"shard\"}", "a b",
         "c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake.shard = rows[i].shard;
        open_with(rows[i].options);
        fake_deliver(&fake, "{\"eventID\":\"e\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k\"}}}}");
        queue_answer_all(&queue, &fake);
        CHECK_STR(queue.messages[0].group, rows[i].group);
        CHECK_INT(strspn(queue.messages[0].group,
                         "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_."),
                  strlen(queue.messages[0].group));
        finish();
    }
}

static int fails_third(struct queue *self, const char *body, void *arg)
{
    (void)self;
    (void)arg;
    return strstr(body, "\"n3;") ? 1 : 0;
}

/* Ten changes of one item: the third fails, and none of the later ones is sent. */
static void F45_later_entries_of_a_failed_group_are_held_back(void)
{
    char *records = queue_records(1, 10, 1);
    queue.judge = fails_third;
    open_with(FIFO);
    struct fake_delivery *delivery = fake_deliver(&fake, records);
    while (fake.in_flight > 0)
        queue_answer_all(&queue, &fake);
    CHECK_INT(queue.count, 2);
    CHECK_INT(fake.call_count, 3);
    CHECK_INT(fake_outcomes(delivery, WEIR_OK), 2);
    for (size_t i = 2; i < 10; i++)
        CHECK_INT(fake_outcome(delivery, i), WEIR_RETRY);
    CHECK_STR(fake_reason(delivery, 3), "held back: the message before it was not sent");
    finish();
    mem_free(records);
}

static void other_groups_go_on(void)
{
    char *records = queue_records(0, 40, 4);
    queue.judge = fails_third;
    open_with(FIFO);
    struct fake_delivery *delivery = fake_deliver(&fake, records);
    CHECK_INT(fake.call_count, 1); /* one message of each of the four items */
    while (fake.in_flight > 0)
        queue_answer_all(&queue, &fake);
    CHECK_INT(fake_outcomes(delivery, WEIR_OK), 30);
    CHECK_INT(fake_outcomes(delivery, WEIR_RETRY), 10);
    finish();
    mem_free(records);
}

static void a_call_that_fails_as_a_whole_takes_those_behind_along(void)
{
    char *records = queue_records(0, 20, 2);
    open_with(FIFO);
    struct fake_delivery *delivery = fake_deliver(&fake, records);
    fake_answer_error(&fake, 0, WEIR_DOWN, 503, "ServiceUnavailable", "", "");
    CHECK_INT(fake.call_count, 1);
    CHECK_INT(fake_outcomes(delivery, WEIR_DOWN), 20);
    finish();
    mem_free(records);
}

static void F41_too_large_holds_back_its_group(void)
{
    size_t big = 1024 * 1024;
    char *records = mem_alloc(big + 2048), *fill = mem_alloc(big + 1);
    memset(fill, 'x', big);
    fill[big] = '\0';
    snprintf(records, big + 2048,
             "[{\"eventID\":\"1\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"a\"}}}},"
             "{\"eventID\":\"%s\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"a\"}}}},"
             "{\"eventID\":\"3\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"a\"}}}},"
             "{\"eventID\":\"4\",\"dynamodb\":{\"Keys\":{\"k\":{\"S\":\"b\"}}}}]",
             fill);
    open_with(FIFO);
    struct fake_delivery *delivery = fake_deliver(&fake, records);
    while (fake.in_flight > 0)
        queue_answer_all(&queue, &fake);
    CHECK_INT(fake_outcome(delivery, 0), WEIR_OK);
    CHECK_INT(fake_outcome(delivery, 1), WEIR_FAIL);
    CHECK_INT(fake_outcome(delivery, 2), WEIR_RETRY);
    CHECK_INT(fake_outcome(delivery, 3), WEIR_OK);
    finish();
    mem_free(records);
    mem_free(fill);
}

static void cancel_keeps_the_lane_closed_until_the_call_has_ended(void)
{
    char *records = queue_records(0, 5, 1);
    open_with(FIFO);
    struct fake_delivery *gone = fake_deliver(&fake, records);
    fake_cancel(&fake, gone);
    CHECK_INT(fake_outcomes(gone, WEIR_RETRY), 5);
    CHECK(fake.calls[0].aborted);
    struct fake_delivery *again = fake_deliver(&fake, records);
    CHECK_INT(fake.call_count, 1); /* the old call may still arrive */
    while (fake.in_flight > 0)
        queue_answer_all(&queue, &fake);
    CHECK_INT(fake_outcomes(again, WEIR_OK), 5);
    CHECK_INT(queue.count, 5);
    finish();
    mem_free(records);
}

static void cancel_of_one_delivery_leaves_the_other_in_the_call(void)
{
    open_with("{\"queue_url\":\"http://h/q.fifo\",\"concurrency\":1}");
    char *first = queue_records(0, 1, 9), *second = queue_records(1, 1, 9),
         *third = queue_records(2, 1, 9);
    fake_deliver(&fake, first);
    struct fake_delivery *gone = fake_deliver(&fake, second), *kept = fake_deliver(&fake, third);
    queue_answer(&queue, &fake, 0);
    CHECK_INT(fake.calls[1].token, 0);
    fake_cancel(&fake, gone);
    CHECK_INT(fake_outcome(gone, 0), WEIR_RETRY);
    CHECK(!fake.calls[1].aborted);
    queue_answer(&queue, &fake, 1);
    CHECK_INT(fake_outcome(kept, 0), WEIR_OK);
    finish();
    mem_free(first);
    mem_free(second);
    mem_free(third);
}

/* Any entry may fail at any time, in any of the ways; what was not stored is given again, from the
 * first of its item on, as the router does. However it goes, each item's messages arrive in order,
 * and the queue, which drops repeats, holds each once. */
static uint64_t seed;

static unsigned roll(unsigned sides)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % sides;
}

static int by_chance(struct queue *self, const char *body, void *arg)
{
    (void)self;
    (void)body;
    (void)arg;
    unsigned chance = roll(20);
    return chance == 0 ? 1 : chance == 1 ? 3 : chance == 2 ? 4 : 0;
}

enum { RECORDS = 60, ITEMS = 7 };

static char *undone(const bool done[RECORDS])
{
    char *out = mem_alloc(RECORDS * 256 + 64);
    size_t len = (size_t)snprintf(out, 16, "[");
    for (size_t i = 0; i < RECORDS; i++)
        if (!done[i])
            len += (size_t)snprintf(
                out + len, 256,
                "%s{\"eventID\":\"n%zu;\",\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"k%zu\"}},"
                "\"SequenceNumber\":\"%zu\"}}",
                len > 1 ? "," : "", i, i % ITEMS, 1000 + i);
    snprintf(out + len, 4, "]");
    return out;
}

static bool queue_is_in_order(void)
{
    size_t last[ITEMS] = {0};
    for (size_t m = 0; m < queue.count; m++) {
        size_t n = strtoul(strstr(queue.messages[m].body, "\"n") + 2, NULL, 10);
        if (last[n % ITEMS] > n + 1)
            return false;
        last[n % ITEMS] = n + 1;
    }
    return true;
}

static void F45_property_items_stay_in_order_through_any_failures(void)
{
    for (uint64_t run = 0; run < 60; run++) {
        bool done[RECORDS] = {false};
        seed = run * 7919 + 1;
        queue.fifo = true;
        queue.judge = by_chance;
        open_with(FIFO);
        for (size_t left = RECORDS; left > 0;) {
            char *records = undone(done);
            size_t places[RECORDS], count = 0;
            for (size_t i = 0; i < RECORDS; i++)
                if (!done[i])
                    places[count++] = i;
            struct fake_delivery *delivery = fake_deliver(&fake, records);
            while (fake.in_flight > 0)
                queue_answer_all(&queue, &fake);
            for (size_t i = 0; i < count; i++) {
                done[places[i]] = fake_outcome(delivery, i) == WEIR_OK;
                left -= done[places[i]];
            }
            mem_free(records);
        }
        CHECK_INT(queue.count, RECORDS);
        CHECK(queue_is_in_order());
        finish();
    }
}

int main(int argc, char **argv)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    static const struct unit_test tests[] = {
        TEST(F44_ids_follow_from_the_record_alone),
        TEST(groups_are_items_tables_or_shards),
        TEST(F45_later_entries_of_a_failed_group_are_held_back),
        TEST(other_groups_go_on),
        TEST(a_call_that_fails_as_a_whole_takes_those_behind_along),
        TEST(F41_too_large_holds_back_its_group),
        TEST(cancel_keeps_the_lane_closed_until_the_call_has_ended),
        TEST(cancel_of_one_delivery_leaves_the_other_in_the_call),
        TEST(F45_property_items_stay_in_order_through_any_failures),
        {NULL, NULL},
    };
    return unit_main(argc, argv, "plugin_sqs_order", tests);
}
