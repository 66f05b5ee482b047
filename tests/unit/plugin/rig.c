#include "support.h"

#include "util/alloc.h"

#include <stdio.h>

static void on_completion(void *ctx, struct weir_record *entry, int32_t outcome, const char *reason,
                          bool last)
{
    struct rig *rig = ctx;
    weir_delivery *delivery = entry->delivery;
    buf_printf(&rig->notes.text, "%zu %d %s%s\n", (size_t)(entry - delivery->entries), outcome,
               reason ? reason : "-", last ? " last" : "");
    if (!last)
        return;
    batch_unref((struct batch *)delivery->entries[0].item);
    delivery_free(delivery);
    rig->ended++;
}

void rig_init(struct rig *rig, const char *plugin, const char *options)
{
    *rig = (struct rig){0};
    still_world_init(&rig->still);
    notes_init(&rig->notes);
    arena_init(&rig->arena, 1024);
    CHECK_FATAL(board_init(&rig->board, &rig->still.world.clock) == 0);
    rig->board.on_completion = on_completion;
    rig->board.ctx = rig;
    rig->plugin = load_plugin(plugin);
    struct instance_services services = {
        .ctx = &rig->notes, .log = notes_log, .world = &rig->still.world, .board = &rig->board};
    rig->instance =
        open_instance(rig->plugin, options ? json_of(&rig->arena, options) : NULL, &services);
}

void rig_done(struct rig *rig)
{
    instance_close(rig->instance);
    board_drain(&rig->board);
    still_posts(&rig->still);
    board_done(&rig->board);
    plugin_free(rig->plugin);
    notes_done(&rig->notes);
    arena_done(&rig->arena);
}

void rig_drain(struct rig *rig)
{
    still_posts(&rig->still);
}

uint64_t rig_deliver(struct rig *rig, const char *event)
{
    struct batch *batch = NULL;
    struct err err = {0};
    size_t len = strlen(event);
    char *bytes = mem_alloc(len + 64);
    CHECK_FATAL(bytes != NULL);
    memcpy(bytes, event, len);
    if (batch_decode(bytes, len, NULL, &(struct decode_options){0}, &batch, &err) < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(batch != NULL);
    weir_delivery *delivery = delivery_new(&rig->board, rig->instance, batch->record_count);
    CHECK_FATAL(delivery != NULL);
    delivery->count = batch->record_count;
    delivery->deadline_ms = rig->still.now_ms + 30000;
    for (size_t i = 0; i < delivery->count; i++)
        delivery->entries[i] = (struct weir_record){.rec = batch->records[i],
                                                    .lane = batch->records[i]->item_hash,
                                                    .dead = rig->dead.sink.ptr ? &rig->dead : NULL,
                                                    .item = batch};
    delivery_open(delivery);
    rig->delivery = delivery;
    uint64_t token = delivery->token;
    size_t count = delivery->count;
    const weir_instance *instance = rig->instance;
    const weir_plugin *desc = &rig->plugin->desc;
    if (desc->deliver) {
        desc->deliver(rig->instance->self, delivery);
        return token;
    }
    for (size_t i = 0; i < count; i++) {
        int32_t outcome = desc->record(rig->instance->self, &delivery->entries[i]);
        delivery_complete(&rig->board, instance, token, i, outcome, STR_NONE);
    }
    return token;
}

const char *rig_event(unsigned count, struct buf *out)
{
    buf_puts(out, "{\"Records\":[");
    for (unsigned i = 1; i <= count; i++)
        buf_printf(
            out,
            "%s{\"eventID\":\"e%u\",\"eventName\":\"MODIFY\",\"eventVersion\":\"1.1\","
            "\"eventSource\":\"aws:dynamodb\",\"awsRegion\":\"eu-west-1\",\"dynamodb\":{"
            "\"ApproximateCreationDateTime\":1700000000,\"Keys\":{\"product_id\":{\"S\":\"p%u\"}},"
            "\"OldImage\":{\"product_id\":{\"S\":\"p%u\"},\"price\":{\"N\":\"10\"}},"
            "\"NewImage\":{\"product_id\":{\"S\":\"p%u\"},\"price\":{\"N\":\"12.50\"}},"
            "\"SequenceNumber\":\"%u\",\"SizeBytes\":26,\"StreamViewType\":\"NEW_AND_OLD_IMAGES\"},"
            "\"eventSourceARN\":\"arn:aws:dynamodb:eu-west-1:123456789012:table/Products/stream/"
            "2026-01-01T00:00:00.000\"}",
            i > 1 ? "," : "", i, i, i, i, 100 + i);
    buf_puts(out, "]}");
    return buf_cstr(out);
}
