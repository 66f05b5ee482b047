#include "record/event_json.h"

#include "record/fields.h"
#include "util/text.h"

/* Writes an object's members one by one. */
struct copier {
    struct buf *out;
    bool any, no_images;
};

static void put_member(struct copier *to, weir_str name, weir_str value)
{
    buf_puts(to->out, to->any ? ",\"" : "\"");
    buf_put_str(to->out, name);
    buf_puts(to->out, "\":");
    buf_put_str(to->out, value);
    to->any = true;
}

/* A member of an object that was validated before. */
struct part {
    enum member member;
    weir_str name, value;
};

/* Walks an object: *at starts on its '{' and then stands on the next name. */
static bool next_part(const char **at, struct part *part)
{
    struct scan scan;
    bool more;
    const char *p = **at == '{' ? object_open(&scan, *at, &more) : object_next(&scan, *at, &more);
    if (!p || !more)
        return false;
    uint32_t escaped = 0;
    const char *name_end = *p == '"' ? scan_text(&scan, p + 1, &escaped) : NULL;
    const char *value = member_begin(&scan, p, &part->member);
    const char *end = value ? scan_skip(&scan, value, 1) : NULL;
    if (!name_end || !end)
        return false;
    part->name = (weir_str){p + 1, (size_t)(name_end - p - 1)};
    part->value = (weir_str){value, (size_t)(end - value)};
    *at = end;
    return true;
}

static bool is_null(weir_str value)
{
    return str_is(value, "null");
}

static void put_change(struct buf *out, weir_str change, const struct record *record,
                       bool no_images)
{
    struct copier to = {.out = out};
    const char *at = change.ptr;
    struct part part;
    int64_t us = record->created_us;
    buf_putc(out, '{');
    while (next_part(&at, &part)) {
        if (no_images && (part.member == M_OLD || part.member == M_NEW))
            continue;
        if (part.member == M_CREATED && record->precision > 0) {
            put_member(&to, part.name, STR_NONE);
            buf_put_i64(out, us / 1000000 - (us % 1000000 < 0));
        } else if (!str_is(part.name, "ApproximateCreationDateTimePrecision")) {
            put_member(&to, part.name, part.value);
        }
    }
    buf_putc(out, '}');
}

static void put_user(struct buf *out, weir_str user)
{
    struct copier to = {.out = out};
    const char *at = user.ptr;
    struct part part;
    buf_putc(out, '{');
    while (next_part(&at, &part)) {
        if (part.member & M_TYPE)
            part.name = STR("type");
        else if (part.member & M_PRINCIPAL)
            part.name = STR("principalId");
        put_member(&to, part.name, part.value);
    }
    buf_putc(out, '}');
}

static void put_text_member(struct copier *to, const char *name, weir_str text)
{
    put_member(to, str_of(name), STR_NONE);
    buf_put_json_string(to->out, text);
}

static void put_part(struct copier *to, const struct part *part, const struct record *record)
{
    if (part->member == M_USER && is_null(part->value))
        return;
    if (part->member == M_USER && *part->value.ptr == '{') {
        put_member(to, part->name, STR_NONE);
        put_user(to->out, part->value);
    } else if (part->member == M_DYNAMODB) {
        put_member(to, part->name, STR_NONE);
        put_change(to->out, part->value, record, to->no_images);
    } else {
        put_member(to, part->name, part->value);
    }
}

static int put_record(struct buf *out, const struct record *record, bool no_images)
{
    struct copier to = {.out = out, .no_images = no_images};
    const char *at = scan_space(record->raw.ptr);
    bool version = false, arn = false, region = false;
    struct part part;
    buf_putc(out, '{');
    while (next_part(&at, &part)) {
        version |= str_is(part.name, "eventVersion");
        region |= part.member == M_REGION;
        if (part.member == M_ARN && is_null(part.value))
            continue;
        arn |= part.member == M_ARN;
        put_part(&to, &part, record);
    }
    if (!version)
        put_text_member(&to, "eventVersion", STR("1.1"));
    if (!region && record->origin->region.len > 0)
        put_text_member(&to, "awsRegion", record->origin->region);
    if (!arn && record->origin->stream_arn.len > 0)
        put_text_member(&to, "eventSourceARN", record->origin->stream_arn);
    return buf_putc(out, '}');
}

int event_json_put(struct buf *out, const struct record *record)
{
    return put_record(out, record, false);
}

int event_json_put_pointer(struct buf *out, const struct record *record)
{
    return put_record(out, record, true);
}
