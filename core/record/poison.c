/* A record that could not be decoded: a second, lenient look for what names it. */
#include "record/decode.h"

#include "util/text.h"

/* The string at p if it is a sound one that ends before `end`. */
static weir_str sound_text(struct decoder *d, const char *p, const char *end)
{
    struct scan scan;
    uint32_t escaped = 0;
    if (p >= end || *p != '"')
        return STR_NONE;
    const char *close = scan_text(&scan, p + 1, &escaped);
    if (!close || close >= end)
        return STR_NONE;
    return plain_text(d, (weir_str){p + 1, (size_t)(close - p - 1)}, escaped);
}

static const char *skip_to(const char *p, const char *end, char wanted)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p < end && *p == wanted ? p + 1 : NULL;
}

static void take(weir_str *field, weir_str found)
{
    if (field->len == 0)
        *field = found;
}

static void take_sequence(weir_str *field, weir_str found)
{
    if (found.len > 0 && sequence_valid(found))
        take(field, found);
}

static void look_at(struct decoder *d, enum member member, const char *p, const char *end)
{
    struct record *record = d->head;
    switch (member) {
    case M_EVENT_ID:
        take(&record->event_id, sound_text(d, p, end));
        break;
    case M_EVENT_NAME:
        take(&d->rare.event_name, sound_text(d, p, end));
        break;
    case M_ARN:
        take(&d->origin.stream_arn, sound_text(d, p, end));
        break;
    case M_REGION:
        take(&d->origin.region, sound_text(d, p, end));
        break;
    case M_TABLE:
        take(&d->origin.table, sound_text(d, p, end));
        break;
    case M_SEQUENCE:
        take_sequence(&record->position, sound_text(d, p, end));
        break;
    case M_ENVELOPE_SEQUENCE:
        take_sequence(&d->envelope_sequence, sound_text(d, p, end));
        break;
    default:
        break;
    }
}

/* Members of the object at p, as far as they can be told apart. Returns the value of `inside`. */
static const char *look_into(struct decoder *d, const char *p, const char *end, uint32_t only,
                             uint32_t inside)
{
    const char *found = NULL;
    p = skip_to(p, end, '{');
    while (p) {
        while (p < end && (unsigned char)*p <= ' ')
            p++;
        const char *name = p, *name_end = p < end && *p == '"' ? scan_lenient(p, end) : NULL;
        const char *value = name_end ? skip_to(name_end, end, ':') : NULL;
        if (!value)
            return found;
        while (value < end && (unsigned char)*value <= ' ')
            value++;
        enum member member = member_named((weir_str){name + 1, (size_t)(name_end - name - 2)}, 0);
        if (member & only)
            look_at(d, member, value, end);
        if (member & inside)
            found = value;
        p = scan_lenient(value, end);
        p = p ? skip_to(p, end, ',') : NULL;
    }
    return found;
}

void poison_fill(struct decoder *d, const char *start, const char *end)
{
    struct record *record = d->head;
    const uint32_t outer =
        M_EVENT_ID | M_EVENT_NAME | M_ARN | M_REGION | M_TABLE | M_ENVELOPE_SEQUENCE;
    const char *reason = d->scan.reason, *at = d->scan.at;
    d->node_count = 0;
    memset(record->image_at, 0, sizeof record->image_at);
    if (!sequence_valid(record->position))
        record->position = STR_NONE;
    if (!sequence_valid(d->envelope_sequence))
        d->envelope_sequence = STR_NONE;
    const char *change = look_into(d, start, end, outer, M_DYNAMODB | M_KINESIS);
    if (change)
        look_into(d, change, end, M_SEQUENCE | M_ENVELOPE_SEQUENCE, 0);
    record->kinesis |= d->envelope_sequence.len > 0;
    if (record->kinesis)
        take(&d->rare.envelope_id, record->event_id);
    head_finish(d, (weir_str){start, (size_t)(end - start)});
    record->poison = reason;
    record->poison_offset = (uint32_t)(at - d->batch->bytes);
}
