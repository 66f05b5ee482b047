/* The record at work: its block, what follows from its members, whether it stays. */
#include "record/decode.h"

#include "record/item_key.h"
#include "record/lazy.h"
#include "record/match.h"
#include "util/alloc.h"

#include <errno.h>

enum { FIRST_NODES = 256, FIRST_RECORDS = 128, RECORD_ALIGN = sizeof(struct node) };
_Static_assert(sizeof(struct record) % sizeof(struct node) == 0,
               "nodes don't straddle cache lines");

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
    d->origin = (struct origin){0};
    d->rare = (struct rare){0};
    d->envelope_sequence = STR_NONE;
}

/* arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL */
static weir_str arn_table(weir_str arn)
{
    const char *p = arn.ptr, *end = p ? p + arn.len : p;
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

static bool same_origin(const struct origin *a, const struct origin *b)
{
    return memcmp(a, b, sizeof *a) == 0 ||
           (str_eq(a->stream_arn, b->stream_arn) && str_eq(a->table, b->table) &&
            str_eq(a->region, b->region));
}

void head_point_around(struct decoder *d)
{
    struct record *record = d->head;
    bool named = record->event == 0 && d->rare.event_name.len > 0;
    record->rare = named || d->rare.envelope_id.len > 0 ? &d->rare : NULL;
    if (!d->last_origin || !same_origin(d->last_origin, &d->origin)) {
        struct origin *kept = arena_alloc(&d->batch->arena, sizeof *kept, _Alignof(struct origin));
        d->out_of_memory |= !kept;
        if (kept)
            *kept = d->origin;
        d->last_origin = kept;
    }
    record->origin = d->last_origin ? d->last_origin : &d->origin;
}

static void find_table(struct decoder *d)
{
    struct origin *origin = &d->origin;
    if (origin->stream_arn.len == 0)
        origin->stream_arn = d->batch->source_arn;
    if (origin->table.len > 0)
        return;
    if (origin->stream_arn.ptr != d->arn.ptr || origin->stream_arn.len != d->arn.len) {
        d->arn = origin->stream_arn;
        d->arn_table = arn_table(d->arn);
    }
    origin->table = d->arn_table;
}

void head_finish(struct decoder *d, weir_str raw)
{
    struct record *record = d->head;
    record->raw = raw;
    record->node_count = d->node_count;
    if (!record->kinesis && !(d->seen & M_SEQUENCE) && (d->seen & (M_FORMAT | M_TABLE)))
        record->kinesis = true;
    if (record->kinesis) {
        record->view = WEIR_KEYS | WEIR_OLD | WEIR_NEW; /* Kinesis always carries both */
        record->position = d->envelope_sequence;
    }
    record->lambda_form =
        (d->seen & M_ARN) && record->precision == 1 && !d->capital_user && !record->kinesis;
    find_table(d);
    head_point_around(d);
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
    size_t rare_bytes = d->head->rare ? sizeof *d->head->rare : 0;
    struct record *record = arena_alloc(&batch->arena, bytes + rare_bytes, RECORD_ALIGN);
    if (!record || records_reserve(d) < 0)
        return -ENOMEM;
    d->head->item_hash = item_key_hash(record_image(d->head, WEIR_KEYS));
    memcpy(record, d->head, bytes);
    if (rare_bytes)
        record->rare = memcpy((char *)record + bytes, d->head->rare, rare_bytes);
    atomic_store_explicit(&d->head->lazy, NULL, memory_order_relaxed);
    batch->records[batch->record_count++] = record;
    for (uint64_t bits = record->matched | record->unmet; bits; bits &= bits - 1)
        batch->matched_count[__builtin_ctzll(bits)]++;
    return 0;
}

static size_t read_event_of(const struct record *record)
{
    if (record->poison)
        return 4;
    return record->event == WEIR_INSERT   ? 0
           : record->event == WEIR_MODIFY ? 1
           : record->event == WEIR_REMOVE ? 2
                                          : 3;
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
    batch->event_counts[read_event_of(record)]++;
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
