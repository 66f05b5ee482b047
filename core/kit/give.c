/* Records: decoded, matched and delivered as the router does it, but once and in order. */
#include "kit/kit.h"

#include "kit/guard.h"
#include "util/alloc.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- records from literals ---- */

static const struct json_value *object_of(weir_test *test, const char *text)
{
    struct json_error error;
    const struct json_value *root =
        json_parse(&test->arena, str_of(kit_text(test, str_of(text))), 0, 0, &error);
    if (root && root->kind == JSON_OBJECT)
        return root;
    weir_test_failed("record", 0, text);
    return NULL;
}

/* An image is the item: the keys, where it does not repeat them, and the rest. */
static void put_image(struct buf *out, const char *name, const struct json_value *keys,
                      const struct json_value *image)
{
    if (!image)
        return;
    buf_printf(out, ",\"%s\":{", name);
    kit_put_typed(out, image);
    bool first = image->size == 0;
    for (const struct json_value *key = keys->first; key; key = key->next) {
        if (json_member(image, key->name))
            continue;
        struct json_value alone = *key;
        alone.next = NULL;
        if (!first)
            buf_putc(out, ',');
        first = false;
        kit_put_typed(out, &(struct json_value){.kind = JSON_OBJECT, .size = 1, .first = &alone});
    }
    buf_putc(out, '}');
}

const char *weir_test_record(weir_test *test, const char *keys, const char *old_image,
                             const char *new_image)
{
    struct buf *out = &test->scratch;
    const struct json_value *key = object_of(test, keys);
    const struct json_value *old = old_image ? object_of(test, old_image) : NULL;
    const struct json_value *new = new_image ? object_of(test, new_image) : NULL;
    if (!key || (old_image && !old) || (new_image && !new) || (!old && !new))
        return "null";
    unsigned long long number = ++test->made_records;
    buf_reset(out);
    buf_printf(out,
               "{\"eventID\":\"e%llu\",\"eventName\":\"%s\",\"eventVersion\":\"1.1\","
               "\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"us-east-1\",\"dynamodb\":{"
               "\"ApproximateCreationDateTime\":%lld,\"Keys\":{",
               number, old ? new ? "MODIFY" : "REMOVE" : "INSERT",
               (long long)(test->world.world.clock.wall_us(&test->world) / 1000000));
    kit_put_typed(out, key);
    buf_putc(out, '}');
    put_image(out, "NewImage", key, new);
    put_image(out, "OldImage", key, old);
    buf_printf(out,
               ",\"SequenceNumber\":\"1000000000%011llu\",\"SizeBytes\":64,"
               "\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"},\"eventSourceARN\":",
               number);
    buf_put_json_string(out, str_of(test->stream_arn));
    buf_putc(out, '}');
    if (out->failed)
        kit_out_of_memory();
    return kit_text(test, buf_str(out));
}

weir_test_batch *weir_test_change(weir_test *test, const char *keys, const char *old_image,
                                  const char *new_image)
{
    return weir_test_give(test, weir_test_record(test, keys, old_image, new_image));
}

/* ---- deliveries ---- */

static bool finished(const struct kit_item *item)
{
    return item->outcome == WEIR_OK || item->outcome == WEIR_SKIP || item->outcome == WEIR_FAIL;
}

static bool wanted(const struct kit_item *item)
{
    return !item->given && item->outcome == 0;
}

static void cancel(weir_test_batch *batch)
{
    weir_test *test = batch->test;
    uint64_t token = batch->token;
    if (!batch->delivery || batch->cancelled)
        return;
    batch->cancelled = true;
    int64_t since_ms = kit_real_ms();
    if (test->plugin.desc.cancel)
        test->plugin.desc.cancel(test->instance->self, token);
    kit_called(test, "cancel()", since_ms);
    kit_abort_calls(test, token);
}

static void on_deadline(struct timer *timer)
{
    cancel((weir_test_batch *)(void *)((char *)timer - offsetof(weir_test_batch, deadline)));
}

static void call_plugin(weir_test *test, weir_delivery *delivery)
{
    const weir_plugin *desc = &test->plugin.desc;
    uint64_t token = delivery->token;
    size_t count = delivery->count;
    int64_t since_ms = kit_real_ms();
    if (desc->deliver) {
        desc->deliver(test->instance->self, delivery);
        kit_called(test, "deliver()", since_ms);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        since_ms = kit_real_ms();
        int32_t outcome = desc->record(test->instance->self, &delivery->entries[i]);
        kit_called(test, "record()", since_ms);
        delivery_complete(&test->board, test->instance, token, i, outcome, STR_NONE);
    }
}

/* Those that may go now: at most one of a lane, unless the plugin minds the order itself. */
static bool deliver(weir_test_batch *batch)
{
    weir_test *test = batch->test;
    uint32_t wish = test->plugin.desc.batch_records;
    size_t most = wish ? wish : KIT_BATCH_RECORDS, number = 0;
    weir_delivery *delivery = delivery_new(&test->board, test->instance, most);
    if (!delivery)
        kit_out_of_memory();
    for (size_t i = batch->first_waiting; i < batch->count && number < most; i++) {
        struct kit_item *item = &batch->items[i];
        bool behind = item->before && !test->whole_batches;
        if (!wanted(item) || (behind && !finished(item->before)))
            continue;
        item->given = true;
        item->token = delivery->token;
        delivery->entries[number++] = (struct weir_record){
            .rec = item->rec, .item = item, .lane = test->whole_batches ? i : item->rec->item_hash};
        if (test->plugin.desc.flags & WEIR_P_KEEPS_ORDER)
            delivery->entries[number - 1].lane = item->rec->item_hash;
    }
    if (number == 0) {
        delivery_free(delivery);
        return false;
    }
    delivery->count = number;
    batch->guard = test->guarded ? guard_take(delivery) : NULL;
    delivery->deadline_ms = test->world.now_ms + KIT_TIMEOUT_MS;
    batch->delivery = delivery;
    batch->token = delivery->token;
    batch->open += number;
    test->given += number;
    batch->cancelled = false;
    batch->deadline.fire = on_deadline;
    test->world.world.clock.arm(&test->world, &batch->deadline, KIT_TIMEOUT_MS);
    delivery_open(delivery);
    call_plugin(test, delivery);
    return true;
}

/* The next part of a batch that has none open. False: there was nothing to do. */
static bool go_on(weir_test_batch *batch)
{
    if (batch->delivery || !batch->batch)
        return false;
    while (batch->first_waiting < batch->count && !wanted(&batch->items[batch->first_waiting]))
        batch->first_waiting++;
    if (batch->first_waiting < batch->count && deliver(batch))
        return true;
    for (size_t i = batch->first_waiting; i < batch->count; i++)
        if (wanted(&batch->items[i]))
            batch->items[i].outcome = WEIR_TEST_WAITS;
    batch_unref(batch->batch); /* the plugin has completed all that it was given */
    batch->batch = NULL;
    return false;
}

void weir_test_settle(weir_test *test)
{
    if (test->settling) /* a callback of the test's own */
        return;
    test->settling = true;
    for (bool busy = true; busy;) {
        busy =
            kit_world_posts(&test->world) || kit_answer_call(test) || kit_world_work(&test->world);
        for (weir_test_batch *batch = test->batches; batch && !busy; batch = batch->next)
            busy = go_on(batch);
    }
    test->settling = false;
}

/* ---- batches ---- */

static int by_lane(const void *a, const void *b)
{
    const struct kit_item *x = *(struct kit_item *const *)a, *y = *(struct kit_item *const *)b;
    uint64_t p = x->rec->item_hash, q = y->rec->item_hash;
    return p != q ? (p > q) - (p < q) : (x > y) - (x < y);
}

static void link_lanes(weir_test_batch *batch)
{
    struct kit_item **sorted = mem_zalloc(batch->count + 1, sizeof(struct kit_item *));
    size_t count = 0;
    if (!sorted)
        kit_out_of_memory();
    for (size_t i = 0; i < batch->count; i++)
        if (wanted(&batch->items[i]))
            sorted[count++] = &batch->items[i];
    qsort(sorted, count, sizeof *sorted, by_lane);
    for (size_t i = 1; i < count; i++)
        if (sorted[i]->rec->item_hash == sorted[i - 1]->rec->item_hash)
            sorted[i]->before = sorted[i - 1];
    mem_free(sorted);
}

static void take_records(weir_test_batch *batch, struct batch *decoded)
{
    batch->batch = decoded;
    batch->count = decoded->record_count;
    batch->items = mem_zalloc(batch->count + 1, sizeof *batch->items);
    if (!batch->items)
        kit_out_of_memory();
    for (size_t i = 0; i < batch->count; i++) {
        struct kit_item *item = &batch->items[i];
        struct record *rec = decoded->records[i];
        *item = (struct kit_item){.batch = batch, .rec = rec};
        if (rec->poison)
            item->outcome = WEIR_TEST_POISON;
        else if (!(rec->matched & 1))
            item->outcome = rec->unmet & 1 ? WEIR_FAIL : WEIR_TEST_UNWANTED;
    }
    link_lanes(batch);
}

/* Without a plan every record is kept, so that indices are those of the input; then each is
 * matched. */
static struct batch *decode(weir_test *test, const char *json, size_t bytes, struct err *err)
{
    struct batch *batch = NULL;
    struct decode_options options = {
        .source_arn = str_of(test->stream_arn), .shard = STR("shardId-test"), .lines = true};
    char *copy = mem_alloc(bytes + 64);
    if (!copy)
        kit_out_of_memory();
    memcpy(copy, json, bytes);
    if (batch_decode(copy, bytes, NULL, &options, &batch, err) < 0)
        return NULL;
    for (size_t i = 0; i < batch->record_count; i++)
        if (!batch->records[i]->poison)
            match_record(test->plan, batch->records[i]);
    return batch;
}

weir_test_batch *weir_test_give_bytes(weir_test *test, const char *json, size_t bytes)
{
    struct err err = {0};
    weir_test_batch *batch = mem_zalloc(1, sizeof *batch);
    if (!batch)
        kit_out_of_memory();
    batch->test = test;
    if (test->last_batch)
        test->last_batch->next = batch;
    else
        test->batches = batch;
    test->last_batch = batch;
    struct batch *decoded = test->instance ? decode(test, json, bytes, &err) : NULL;
    if (decoded)
        take_records(batch, decoded);
    else
        weir_test_failed("weir_test_give", 0,
                         test->instance ? err.msg : "the sink is not open: see weir_test_refused");
    int64_t since_ns = kit_real_ns();
    weir_test_settle(test);
    test->busy_ns += kit_real_ns() - since_ns;
    return batch;
}

weir_test_batch *weir_test_give(weir_test *test, const char *json)
{
    return weir_test_give_bytes(test, json, strlen(json));
}

weir_test_batch *weir_test_give_file(weir_test *test, const char *path)
{
    struct buf text;
    char part[4096];
    size_t got;
    buf_init(&text, KIT_TEXT_BYTES_MAX);
    FILE *file = fopen(path, "rb");
    if (!file)
        weir_test_failed(path, 0, "the file can't be read");
    while (file && (got = fread(part, 1, sizeof part, file)) > 0)
        buf_put(&text, part, got);
    if (file)
        fclose(file);
    weir_test_batch *batch = weir_test_give_bytes(test, text.ptr ? text.ptr : "", text.len);
    buf_done(&text);
    return batch;
}

/* ---- what became of them ---- */

size_t weir_test_count(const weir_test_batch *batch)
{
    return batch->count;
}

int32_t weir_test_outcome(const weir_test_batch *batch, size_t i)
{
    return i < batch->count ? batch->items[i].outcome : 0;
}

const char *weir_test_reason(const weir_test_batch *batch, size_t i)
{
    return i < batch->count && batch->items[i].reason ? batch->items[i].reason : "";
}

size_t weir_test_outcomes(const weir_test_batch *batch, int32_t outcome)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        count += batch->items[i].outcome == outcome;
    return count;
}

size_t kit_open_records(const weir_test *test)
{
    size_t open = 0;
    for (const weir_test_batch *batch = test->batches; batch; batch = batch->next)
        open += batch->open;
    return open;
}

void weir_test_cancel(weir_test_batch *batch)
{
    cancel(batch);
    weir_test_settle(batch->test);
}

int weir_test_wait(weir_test_batch *batch, int64_t timeout_ms)
{
    for (int64_t waited_ms = 0; batch->batch && waited_ms < timeout_ms; waited_ms += 10) {
        kit_world_wait(&batch->test->world, 10);
        weir_test_settle(batch->test);
    }
    return batch->batch == NULL;
}

void weir_test_advance(weir_test *test, int64_t ms)
{
    int64_t until_ms = test->world.now_ms + ms;
    do {
        weir_test_settle(test);
    } while (kit_world_timer(&test->world, until_ms));
    test->world.now_ms = until_ms;
    weir_test_settle(test);
}
