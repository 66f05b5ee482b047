/* Decodes anything, then reads all of what came out: every field and value, equality, EVENT_JSON
 * read again, copies. */
#include "record/match.h"
#include "util/alloc.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sink;

static void touch(weir_str text)
{
    size_t sum = 0;
    for (size_t i = 0; i < text.len; i++)
        sum += (unsigned char)text.ptr[i];
    sink += sum;
}

/* Depth is capped by the decoder. */
static void walk(const struct node *value)
{
    touch(value_text(value));
    touch(value_json(value));
    if (!value_equal(value, value))
        abort();
    for (size_t i = 0; i < value_size(value); i++) {
        weir_str name = STR_NONE;
        const struct node *entry = value_entry(value, i, &name);
        if (!entry)
            abort();
        touch(name);
        walk(entry);
    }
}

static struct batch *decode(const char *bytes, size_t len, const struct decode_options *options)
{
    struct batch *batch = NULL;
    struct err err;
    char *own = mem_alloc(len + 64);
    if (!own)
        abort();
    if (len > 0)
        memcpy(own, bytes, len);
    batch_decode(own, len, NULL, options, &batch, &err);
    return batch;
}

static void check_record(const struct record *record)
{
    for (int which = WEIR_F_EVENT_ID; which <= WEIR_F_EVENT_JSON; which++)
        touch(record_field(record, which));
    touch(record_identifier(record));
    for (int i = 0; i < 3; i++)
        if (record_image(record, 1 << i))
            walk(record_image(record, 1 << i));
    struct batch *copy = NULL;
    if (record_copy(record, NULL, &copy) != 0 || copy->record_count != 1)
        abort();
    const struct record *other = copy->records[0];
    if (!record->poison != !other->poison || !str_eq(record->raw, other->raw) ||
        !value_equal(record_image(record, WEIR_NEW), record_image(other, WEIR_NEW)) ||
        record->item_hash != other->item_hash)
        abort();
    batch_unref(copy);
}

/* EVENT_JSON of a sound record is a sound record with the same images. */
static void check_round_trip(const struct record *record)
{
    struct decode_options options = {.max_bytes = 1 << 24};
    weir_str json = record_field(record, WEIR_F_EVENT_JSON);
    struct batch *batch = decode(json.ptr, json.len, &options);
    if (!batch || batch->record_count != 1 || batch->records[0]->poison)
        abort();
    for (int i = 0; i < 3; i++)
        if (!value_equal(record_image(record, 1 << i), record_image(batch->records[0], 1 << i)))
            abort();
    batch_unref(batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decode_options options = {.source_arn = STR("arn:aws:dynamodb:r:1:table/T/stream/L")};
    int64_t live = mem_live();
    for (int lines = 0; lines < 2; lines++) {
        options.lines = lines;
        struct batch *batch = decode((const char *)data, size, &options);
        for (size_t i = 0; batch && i < batch->record_count; i++) {
            check_record(batch->records[i]);
            if (!batch->records[i]->poison)
                check_round_trip(batch->records[i]);
        }
        batch_unref(batch);
    }
    if (mem_live() != live)
        abort();
    return 0;
}
