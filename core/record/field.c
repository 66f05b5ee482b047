/* The text fields of a record. */
#include "record/lazy.h"

#include "record/event_json.h"
#include "record/item_key.h"

enum { FIELD_BYTES_MAX = 64 << 20 };

weir_str record_position(const struct record *record)
{
    return record->kinesis ? record->envelope_sequence : record->sequence;
}

weir_str record_identifier(const struct record *record)
{
    if (record->pipes)
        return record->kinesis ? record->envelope_id : record->event_id;
    return record_position(record);
}

const struct node *record_image(const struct record *record, int image)
{
    return image == WEIR_KEYS  ? record->image[0]
           : image == WEIR_OLD ? record->image[1]
           : image == WEIR_NEW ? record->image[2]
                               : NULL;
}

static weir_str made(const struct record *record, enum lazy_field which)
{
    struct buf buf;
    lazy_slot *slot = lazy_field(record, which);
    struct lazy_bytes *there = lazy_get(slot);
    if (there || !slot)
        return lazy_str(there);
    buf_init(&buf, FIELD_BYTES_MAX);
    if (which == LAZY_EVENT_JSON) {
        event_json_put(&buf, record);
    } else if (which == LAZY_ITEM_KEY) {
        buf.failed = item_key_put(&buf, record->image[0]) < 0;
    } else {
        buf_put_str(&buf, record->stream_arn);
        buf_putc(&buf, '/');
        buf_put_str(&buf, record->sequence);
    }
    struct lazy_bytes *bytes = buf.failed ? NULL : lazy_new(record, buf.len);
    if (bytes && buf.len > 0)
        memcpy(bytes->bytes, buf.ptr, buf.len);
    buf_done(&buf);
    return lazy_str(lazy_publish(slot, bytes));
}

static weir_str identity(const struct record *record)
{
    if (record->sequence.len == 0)
        return record->event_id;
    return made(record, LAZY_IDENTITY);
}

weir_str record_field(const struct record *record, int which)
{
    switch (which) {
    case WEIR_F_EVENT_ID:
        return record->event_id;
    case WEIR_F_EVENT_NAME:
        return record->event_name;
    case WEIR_F_SEQUENCE:
        return record->sequence;
    case WEIR_F_IDENTITY:
        return identity(record);
    case WEIR_F_STREAM_ARN:
        return record->stream_arn;
    case WEIR_F_TABLE:
        return record->table;
    case WEIR_F_SHARD:
        return record->batch->shard;
    case WEIR_F_ITEM_KEY:
        return record->image[0] ? made(record, LAZY_ITEM_KEY) : STR_NONE;
    case WEIR_F_TTL_DELETE:
        return record->ttl_delete ? STR("1") : STR_NONE;
    case WEIR_F_RAW_JSON:
        return record->raw;
    case WEIR_F_EVENT_JSON:
        return record->lambda_form || record->poison ? record->raw : made(record, LAZY_EVENT_JSON);
    default:
        return STR_NONE;
    }
}
