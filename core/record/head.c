/* The record at work: its block, what follows from its members, whether it stays. */
#include "record/decode.h"

#include "record/item_key.h"
#include "record/lazy.h"
#include "record/match.h"
#include "util/alloc.h"

#include <errno.h>

enum { FIRST_NODES = 256, FIRST_RECORDS = 128 };

int head_reserve(struct decoder *d, uint32_t nodes)
{
    uint32_t most = d->max_values + 3; /* the images themselves are not counted */
    if (nodes > most)
        return -E2BIG;
    uint32_t cap = d->node_cap ? d->node_cap : FIRST_NODES;
    while (cap < nodes)
        cap *= 2;
    if (cap > most)
        cap = most;
    struct record *grown = mem_realloc(d->head, sizeof *d->head + cap * sizeof(struct node));
    if (!grown) {
        d->out_of_memory = true;
        return -ENOMEM;
    }
    d->head = grown;
    d->node_cap = cap;
    return 0;
}

void head_begin(struct decoder *d)
{
    memset(d->head, 0, sizeof *d->head);
    d->head->batch = d->batch;
    d->head->pipes = d->pipes;
    d->node_count = 0;
    d->seen = 0;
    d->capital_user = false;
    d->data = STR_NONE;
    d->data_escaped = 0;
    d->spot_count = 0;
    d->standing = NULL;
    memset(d->image_at, 0, sizeof d->image_at);
}

/* arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL */
static weir_str arn_table(weir_str arn)
{
    const char *p = arn.ptr, *end = arn.ptr + arn.len;
    for (int colons = 0; p && colons < 5; colons++) {
        p = memchr(p, ':', (size_t)(end - p));
        if (p)
            p++;
    }
    if (!p || end - p < 6 || memcmp(p, "table/", 6) != 0)
        return STR_NONE;
    p += 6;
    const char *slash = memchr(p, '/', (size_t)(end - p));
    return (weir_str){p, (size_t)((slash ? slash : end) - p)};
}

void head_finish(struct decoder *d, weir_str raw)
{
    struct record *record = d->head;
    record->raw = raw;
    record->node_count = d->node_count;
    head_point_images(d, record);
    if (!record->kinesis && !(d->seen & M_SEQUENCE) && (d->seen & (M_FORMAT | M_TABLE)))
        record->kinesis = true;
    if (record->kinesis)
        record->view = WEIR_KEYS | WEIR_OLD | WEIR_NEW; /* Kinesis always carries both */
    record->lambda_form =
        (d->seen & M_ARN) && record->precision == 1 && !d->capital_user && !record->kinesis;
    if (record->stream_arn.len == 0)
        record->stream_arn = d->batch->source_arn;
    if (record->table.len > 0)
        return;
    if (record->stream_arn.ptr != d->arn.ptr || record->stream_arn.len != d->arn.len) {
        d->arn = record->stream_arn;
        d->arn_table = arn_table(d->arn);
    }
    record->table = d->arn_table;
}

static int records_reserve(struct decoder *d)
{
    struct batch *batch = d->batch;
    if (batch->record_count < d->record_cap)
        return 0;
    size_t cap = d->record_cap ? d->record_cap * 2 : FIRST_RECORDS;
    struct record **grown = mem_realloc(batch->records, cap * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    batch->records = grown;
    d->record_cap = cap;
    return 0;
}

int head_store(struct decoder *d)
{
    struct batch *batch = d->batch;
    size_t bytes = sizeof *d->head + d->head->node_count * sizeof(struct node);
    struct record *record = arena_alloc(&batch->arena, bytes, 8);
    if (!record || records_reserve(d) < 0)
        return -ENOMEM;
    d->head->item_hash = item_key_hash(d->head->image[0]);
    memcpy(record, d->head, bytes);
    head_point_images(d, record);
    atomic_store_explicit(&d->head->lazy, NULL, memory_order_relaxed);
    batch->records[batch->record_count++] = record;
    for (uint64_t bits = record->matched | record->unmet; bits; bits &= bits - 1)
        batch->matched_count[__builtin_ctzll(bits)]++;
    return 0;
}

int head_keep(struct decoder *d)
{
    struct batch *batch = d->batch;
    struct record *record = d->head;
    if (d->out_of_memory)
        d->status = -ENOMEM;
    else if (batch->read_count >= d->max_records)
        d->status = -EMSGSIZE;
    if (d->status < 0)
        return d->status;
    record->index = (uint32_t)batch->read_count++;
    weir_str position = record_position(record);
    if (position.len > 0)
        batch->last_sequence = position;
    if (d->plan && !record->poison)
        match_record(d->plan, record);
    if (!d->plan || record->poison || record->matched || record->unmet)
        d->status = head_store(d);
    lazy_free(record);
    return d->status;
}
