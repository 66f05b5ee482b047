#include "esm/delivery_parts.h"

#include "record/event_json.h"
#include "util/alloc.h"

#include <errno.h>
#include <stddef.h>

enum { FULL_BATCHES = 2 };

int64_t delivery_now(const struct esm_delivery *delivery)
{
    return delivery->config.clock->now_ms(delivery->config.clock->ctx);
}

static void on_moved(struct post *post)
{
    struct esm_delivery *delivery =
        (struct esm_delivery *)((char *)post - offsetof(struct esm_delivery, post));
    delivery->posted = false;
    delivery->config.moved(delivery->config.arg);
}

void delivery_moved(struct esm_delivery *delivery)
{
    if (delivery->posted)
        return;
    delivery->posted = true;
    delivery->post.run = on_moved;
    delivery->config.clock->post(delivery->config.clock->ctx, &delivery->post);
}

/* ---- records in ---- */

static char *append(char *at, weir_str text, weir_str *kept)
{
    *kept = (weir_str){at, text.len};
    if (text.len)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static struct esm_record *keep(const struct record *record, weir_str json, weir_str before)
{
    weir_str sequence = record_position(record);
    struct esm_record *kept = mem_alloc(sizeof *kept + sequence.len + before.len + json.len);
    if (!kept)
        return NULL;
    *kept = (struct esm_record){.created_us = record->created_us};
    char *at = append((char *)(kept + 1), sequence, &kept->sequence);
    at = append(at, before, &kept->before);
    append(at, json, &kept->json);
    return kept;
}

static size_t lane_of(const struct esm_delivery *delivery, const struct record *record)
{
    return (size_t)(record->item_hash % delivery->lane_count);
}

struct intake { /* of one batch, taken as a whole or not at all */
    struct esm_record *first[ESM_LANES_MAX], **end[ESM_LANES_MAX];
    struct esm_counts counts;
    struct buf json;
    weir_str last;
};

static int take(struct esm_delivery *delivery, struct intake *intake, const struct record *record)
{
    const struct filter *filter = delivery->config.options->filter;
    weir_str before = intake->last;
    if (record_position(record).len)
        intake->last = record_position(record);
    if (record->poison) {
        intake->counts.poison++;
        return 0;
    }
    buf_reset(&intake->json);
    if (event_json_put(&intake->json, record) < 0)
        return -ENOMEM;
    intake->counts.records++;
    if (filter && !filter_matches(filter, buf_str(&intake->json))) {
        intake->counts.filtered++;
        return 0;
    }
    struct esm_record *kept = keep(record, buf_str(&intake->json), before);
    if (!kept)
        return -ENOMEM;
    size_t lane = lane_of(delivery, record);
    *intake->end[lane] = kept;
    intake->end[lane] = &kept->next;
    return 0;
}

static void deliver(struct esm_delivery *delivery, struct intake *intake)
{
    struct esm_counts *counts = delivery->config.counts;
    counts->records += intake->counts.records;
    counts->filtered += intake->counts.filtered;
    counts->poison += intake->counts.poison;
    delivery->last_len = intake->last.len < sizeof delivery->last ? intake->last.len : 0;
    if (delivery->last_len)
        memmove(delivery->last, intake->last.ptr, delivery->last_len);
    for (size_t i = 0; i < delivery->lane_count; i++)
        for (struct esm_record *record = intake->first[i], *next; record; record = next) {
            next = record->next;
            lane_add(&delivery->lanes[i], record);
        }
    for (size_t i = 0; i < delivery->lane_count; i++)
        lane_turn(&delivery->lanes[i]);
}

static void drop(struct intake *intake)
{
    for (size_t i = 0; i < ESM_LANES_MAX; i++)
        while (intake->first[i]) {
            struct esm_record *record = intake->first[i];
            intake->first[i] = record->next;
            mem_free(record);
        }
}

int esm_delivery_offer(struct esm_delivery *delivery, const struct batch *batch)
{
    struct intake intake = {.last = {delivery->last, delivery->last_len}};
    int rc = 0;
    buf_init(&intake.json, ESM_PAYLOAD_BYTES_MAX);
    for (size_t i = 0; i < ESM_LANES_MAX; i++)
        intake.end[i] = &intake.first[i];
    for (size_t i = 0; rc == 0 && i < batch->record_count; i++)
        rc = take(delivery, &intake, batch->records[i]);
    if (rc == 0)
        deliver(delivery, &intake);
    else
        drop(&intake);
    buf_done(&intake.json);
    return rc;
}

void esm_delivery_end(struct esm_delivery *delivery)
{
    delivery->ended = true;
    for (size_t i = 0; i < delivery->lane_count; i++)
        lane_turn(&delivery->lanes[i]);
}

void esm_delivery_stop(struct esm_delivery *delivery)
{
    const struct clock *clock = delivery->config.clock;
    delivery->stopped = true;
    for (size_t i = 0; i < delivery->lane_count; i++) {
        clock->disarm(clock->ctx, &delivery->lanes[i].timer);
        delivery->lanes[i].waiting = false;
    }
}

/* ---- how it stands ---- */

bool esm_delivery_full(const struct esm_delivery *delivery)
{
    size_t most = (size_t)delivery->config.options->batch_size * FULL_BATCHES, bytes = 0;
    for (size_t i = 0; i < delivery->lane_count; i++) {
        bytes += delivery->lanes[i].bytes;
        if (delivery->lanes[i].count >= most)
            return true;
    }
    return bytes >= (size_t)ESM_PAYLOAD_BYTES_MAX * FULL_BATCHES;
}

bool esm_delivery_open(const struct esm_delivery *delivery)
{
    for (size_t i = 0; i < delivery->lane_count; i++)
        if (delivery->lanes[i].open)
            return true;
    return delivery->posted;
}

bool esm_delivery_idle(const struct esm_delivery *delivery)
{
    for (size_t i = 0; i < delivery->lane_count; i++)
        if (delivery->lanes[i].count)
            return false;
    return !esm_delivery_open(delivery);
}

weir_str esm_delivery_checkpoint(const struct esm_delivery *delivery)
{
    const struct esm_record *lowest = NULL;
    for (size_t i = 0; i < delivery->lane_count; i++) {
        const struct esm_record *record = delivery->lanes[i].first;
        if (record && (!lowest || sequence_cmp(record->sequence, lowest->sequence) < 0))
            lowest = record;
    }
    return lowest ? lowest->before : (weir_str){delivery->last, delivery->last_len};
}

/* ---- life ---- */

int esm_delivery_new(const struct esm_delivery_config *config, struct esm_delivery **out)
{
    struct esm_delivery *delivery = mem_zalloc(1, sizeof *delivery);
    if (!delivery)
        return -ENOMEM;
    delivery->config = *config;
    delivery->lane_count = (size_t)config->options->lanes;
    delivery->shard = mem_dup0(config->shard.ptr, config->shard.len);
    bool whole = delivery->shard != NULL;
    for (size_t i = 0; i < delivery->lane_count; i++) {
        struct lane *lane = &delivery->lanes[i];
        lane->delivery = delivery;
        lane->number = i;
        buf_init(&lane->event, ESM_PAYLOAD_BYTES_MAX + (64 << 10));
        lane->sequences = mem_zalloc((size_t)config->options->batch_size, sizeof *lane->sequences);
        whole = whole && lane->sequences;
    }
    if (!whole) {
        esm_delivery_free(delivery);
        return -ENOMEM;
    }
    *out = delivery;
    return 0;
}

void esm_delivery_free(struct esm_delivery *delivery)
{
    if (!delivery)
        return;
    for (size_t i = 0; i < delivery->lane_count; i++)
        if (delivery->lanes[i].delivery)
            lane_done(&delivery->lanes[i]);
    mem_free(delivery->shard);
    mem_free(delivery);
}
