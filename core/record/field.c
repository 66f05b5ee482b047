/* The text fields of a record. */
#include "record/lazy.h"

#include "record/event_json.h"
#include "record/item_key.h"

enum { FIELD_BYTES_MAX = 64 << 20 };

weir_str record_position(const struct record *record)
{
    return record->position;
}

static weir_str envelope_id_of(const struct record *record)
{
    return record->rare ? record->rare->envelope_id : STR_NONE;
}

weir_str record_identifier(const struct record *record)
{
    if (record->pipes)
        return record->kinesis ? envelope_id_of(record) : record->event_id;
    return record->position;
}

static weir_str sequence_of(const struct record *record)
{
    return record->kinesis ? STR_NONE : record->position;
}

static weir_str event_name_of(const struct record *record)
{
    return record->event == WEIR_MODIFY   ? STR("MODIFY")
           : record->event == WEIR_INSERT ? STR("INSERT")
           : record->event == WEIR_REMOVE ? STR("REMOVE")
           : record->rare                 ? record->rare->event_name
                                          : STR_NONE;
}

const struct node *record_image(const struct record *record, int image)
{
    uint32_t at = image == WEIR_KEYS  ? record->image_at[0]
                  : image == WEIR_OLD ? record->image_at[1]
                  : image == WEIR_NEW ? record->image_at[2]
                                      : 0;
    return at ? record_nodes(record) + at - 1 : NULL;
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
        buf.failed = item_key_put(&buf, record_image(record, WEIR_KEYS)) < 0;
    } else {
        buf_put_str(&buf, record->origin->stream_arn);
        buf_putc(&buf, '/');
        buf_put_str(&buf, sequence_of(record));
    }
    struct lazy_bytes *bytes = buf.failed ? NULL : lazy_new(record, buf.len);
    if (bytes && buf.len > 0)
        memcpy(bytes->bytes, buf.ptr, buf.len);
    buf_done(&buf);
    return lazy_str(lazy_publish(slot, bytes));
}

static weir_str identity(const struct record *record)
{
    if (sequence_of(record).len == 0)
        return record->event_id;
    return made(record, LAZY_IDENTITY);
}

weir_str record_field(const struct record *record, int which)
{
    switch (which) {
    case WEIR_F_EVENT_ID:
        return record->event_id;
    case WEIR_F_EVENT_NAME:
        return event_name_of(record);
    case WEIR_F_SEQUENCE:
        return sequence_of(record);
    case WEIR_F_IDENTITY:
        return identity(record);
    case WEIR_F_STREAM_ARN:
        return record->origin->stream_arn;
    case WEIR_F_TABLE:
        return record->origin->table;
    case WEIR_F_SHARD:
        return record->batch->shard;
    case WEIR_F_ITEM_KEY:
        return record->image_at[0] ? made(record, LAZY_ITEM_KEY) : STR_NONE;
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
