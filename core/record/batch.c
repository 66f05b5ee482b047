/* The life of a batch, and records copied out of one. */
#include "record/decode.h"

#include "record/item_key.h"
#include "record/lazy.h"
#include "record/match.h"
#include "record/pass.h"
#include "record/stencil.h"
#include "util/alloc.h"

#include <errno.h>

enum {
    BODY_BYTES_MAX = (6 << 20) + (64 << 10),
    BODY_BYTES_LIMIT = 1 << 30, /* offsets in nodes and messages are 32 bits wide */
    RECORDS_MAX = 10000,
    VALUES_MAX = 200000,
    CHUNK_MIN = 1 << 10,
    CHUNK_MAX = 256 << 10
};

static size_t chunk_bytes(size_t body_bytes)
{
    size_t want = body_bytes / 4;
    return want < CHUNK_MIN ? CHUNK_MIN : want > CHUNK_MAX ? CHUNK_MAX : want;
}

static int copy_text(struct batch *batch, weir_str text, weir_str *out)
{
    if (text.len == 0)
        return 0;
    char *copy = arena_alloc(&batch->arena, text.len, 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, text.ptr, text.len);
    *out = (weir_str){copy, text.len};
    return 0;
}

/* Takes bytes. NULL: freed, out of memory. */
static struct batch *batch_new(char *bytes, size_t len, weir_str source_arn, weir_str shard)
{
    struct batch *batch = mem_zalloc(1, sizeof *batch);
    if (!batch) {
        mem_free(bytes);
        return NULL;
    }
    atomic_init(&batch->refs, 1);
    batch->bytes = bytes;
    batch->bytes_len = len;
    memset(bytes + len, 0, SCAN_PADDING);
    arena_init(&batch->arena, chunk_bytes(len));
    if (copy_text(batch, source_arn, &batch->source_arn) < 0 ||
        copy_text(batch, shard, &batch->shard) < 0) {
        batch_unref(batch);
        return NULL;
    }
    return batch;
}

struct batch *batch_ref(struct batch *batch)
{
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
    return batch;
}

void batch_unref(struct batch *batch)
{
    if (!batch || atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < batch->record_count; i++)
        lazy_free(batch->records[i]);
    mem_free(batch->records);
    arena_done(&batch->arena);
    mem_free(batch->bytes);
    mem_free(batch);
}

const char *read_event_name(size_t index)
{
    static const char *const names[READ_EVENTS] = {"INSERT", "MODIFY", "REMOVE", "other", "poison"};
    return names[index];
}

void read_counts_add(struct read_counts *counts, const struct batch *batch)
{
    for (size_t i = 0; i < READ_EVENTS; i++)
        counts->events[i] += batch->event_counts[i];
    counts->bytes += batch->bytes_len;
}

size_t batch_pinned_bytes(const struct batch *batch)
{
    return sizeof *batch + batch->bytes_len + SCAN_PADDING + batch->arena.total_bytes +
           batch->record_count * sizeof *batch->records;
}

static int decoder_init(struct decoder *d, struct batch *batch, const struct match_plan *plan,
                        const struct decode_options *options)
{
    *d = (struct decoder){.batch = batch, .plan = plan, .end = batch->bytes + batch->bytes_len};
    d->max_records = options && options->max_records ? options->max_records : RECORDS_MAX;
    d->max_values = options && options->max_values ? options->max_values : VALUES_MAX;
    if (d->max_values > NODE_INDEX_MAX - 4)
        d->max_values = NODE_INDEX_MAX - 4;
    /* Where the batch lies differs from run to run: names can't be made up that collide. */
    pass_choose(d);
    d->hash_seed = (uintptr_t)batch * UINT64_C(0x9e3779b97f4a7c15);
    return head_reserve(d, 1);
}

static void decoder_done(struct decoder *d)
{
    mem_free(d->head);
    mem_free(d->slots);
    mem_free(d->trail.nodes);
    stencils_free(d->stencils);
}

static const char *skip_bom(const char *p)
{
    return memcmp(p, "\xef\xbb\xbf", 3) == 0 ? p + 3 : p;
}

static int explain(struct decoder *d, int code, struct err *err)
{
    size_t offset = d->scan.at ? (size_t)(d->scan.at - d->batch->bytes) : 0;
    if (code == -EBADMSG)
        return err_set(err, code, "%s (byte %zu)", d->scan.reason, offset);
    if (code == -EMSGSIZE)
        return err_set(err, code, "more than %u records in one batch", d->max_records);
    return err_set(err, code, "out of memory");
}

int batch_decode(char *bytes, size_t len, const struct match_plan *plan,
                 const struct decode_options *options, struct batch **out, struct err *err)
{
    size_t most = options && options->max_bytes ? options->max_bytes : BODY_BYTES_MAX;
    struct decoder d;
    if (len > most || len > BODY_BYTES_LIMIT) {
        mem_free(bytes);
        return err_set(err, -EMSGSIZE, "%zu bytes, at most %zu are allowed", len, most);
    }
    struct batch *batch = batch_new(bytes, len, options ? options->source_arn : STR_NONE,
                                    options ? options->shard : STR_NONE);
    if (!batch)
        return err_set(err, -ENOMEM, "out of memory");
    int rc = decoder_init(&d, batch, plan, options);
    if (rc == 0)
        rc = body_decode(&d, skip_bom(bytes), options && options->lines);
    if (rc < 0) {
        explain(&d, rc, err);
        batch_unref(batch);
    } else {
        *out = batch;
    }
    decoder_done(&d);
    return rc;
}

/* What the record knows from around its bytes. */
static int copy_surroundings(struct decoder *d, const struct record *from)
{
    struct batch *batch = d->batch;
    struct record *to = d->head;
    to->index = from->index;
    to->matched = from->matched;
    to->unmet = from->unmet;
    to->poison = from->poison;
    to->poison_offset = from->poison_offset;
    to->pipes = from->pipes;
    to->kinesis = from->kinesis;
    to->lambda_form = from->lambda_form;
    to->view = from->view;
    to->position = STR_NONE;
    d->rare = (struct rare){0};
    if ((from->rare && (copy_text(batch, from->rare->envelope_id, &d->rare.envelope_id) < 0 ||
                        copy_text(batch, from->rare->event_name, &d->rare.event_name) < 0)) ||
        copy_text(batch, from->origin->stream_arn, &d->origin.stream_arn) < 0 ||
        copy_text(batch, from->origin->table, &d->origin.table) < 0 ||
        copy_text(batch, from->origin->region, &d->origin.region) < 0)
        return -ENOMEM;
    return copy_text(batch, from->position, &to->position);
}

static int copy_poison(struct batch *batch, struct record *to, const struct record *from)
{
    to->event = from->event;
    to->images = 0;
    return copy_text(batch, from->event_id, &to->event_id);
}

static int copy_into(struct decoder *d, const struct record *record)
{
    struct batch *batch = d->batch;
    d->pipes = record->pipes;
    head_begin(d);
    if (!record->poison && !d->parse(d, scan_space(batch->bytes), record->kinesis))
        return d->out_of_memory ? -ENOMEM : -EBADMSG;
    head_finish(d, (weir_str){batch->bytes, batch->bytes_len});
    int rc = copy_surroundings(d, record);
    if (rc == 0 && record->poison)
        rc = copy_poison(batch, d->head, record);
    if (rc < 0)
        return rc;
    head_point_around(d);
    return d->out_of_memory ? -ENOMEM : head_store(d);
}

int record_copy(const struct record *record, const struct match_plan *plan, struct batch **out)
{
    struct decoder d;
    char *bytes = mem_alloc(record->raw.len + SCAN_PADDING);
    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, record->raw.ptr, record->raw.len);
    struct batch *batch =
        batch_new(bytes, record->raw.len, record->batch->source_arn, record->batch->shard);
    if (!batch)
        return -ENOMEM;
    batch->shape = record->batch->shape;
    int rc = decoder_init(&d, batch, plan, NULL);
    d.max_values = NODE_INDEX_MAX - 4; /* it was within its limits before */
    rc = rc < 0 ? rc : copy_into(&d, record);
    if (rc < 0)
        batch_unref(batch);
    else
        *out = batch;
    decoder_done(&d);
    return rc;
}
