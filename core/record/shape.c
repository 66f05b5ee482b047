/* What came in: recognised by looking, never guessed. */
#include "record/fields.h"

#include <errno.h>

static const char *records_array(struct decoder *d, const char *p)
{
    p = scan_space(p + 1);
    if (*p == ']')
        return p + 1;
    if (*p != '{')
        return decode_bad(d, p, "not stream records: the array does not hold objects");
    for (;;) {
        p = record_one(d, p, false);
        if (!p)
            return NULL;
        p = scan_space(p);
        if (*p == ']')
            return p + 1;
        if (*p != ',')
            return decode_bad(d, p, "expected ',' or ']' behind a record");
        p = scan_space(p + 1);
        if (likely(*p == '{'))
            continue;
        if (*p == '\0' || strchr(",:]}", *p))
            return decode_bad(d, p, "expected a record");
    }
}

static const char *bad_here(struct decoder *d)
{
    return decode_bad(d, d->scan.at, d->scan.reason);
}

static const char *next_iterator(struct decoder *d, const char *p)
{
    uint32_t escaped = 0;
    d->batch->shape = SHAPE_GETRECORDS;
    if (*p != '"') {
        p = memcmp(p, "null", 4) == 0 ? p + 4
                                      : scan_fail(&d->scan, p, "NextShardIterator is not text");
        return p ? p : bad_here(d);
    }
    const char *end = scan_text(&d->scan, p + 1, &escaped);
    if (!end)
        return bad_here(d);
    d->batch->next_iterator = plain_text(d, (weir_str){p + 1, (size_t)(end - p - 1)}, escaped);
    if (!d->out_of_memory)
        return end + 1;
    d->status = -ENOMEM;
    return NULL;
}

static const char *outer_member(struct decoder *d, const char *p, enum member member)
{
    if (member & M_RECORDS) {
        if (*p != '[')
            return decode_bad(d, p, "Records is not an array");
        return records_array(d, p);
    }
    if (member & M_NEXT)
        return next_iterator(d, p);
    p = scan_skip(&d->scan, p, 1);
    return p ? p : bad_here(d);
}

/* {"Records": [...], ...}, or a record by itself. */
static const char *object_document(struct decoder *d, const char *p, bool lines)
{
    const enum member of_record = M_DYNAMODB | M_KINESIS | M_EVENT_ID | M_EVENT_NAME | M_DATA;
    const char *start = p;
    uint32_t seen = 0;
    enum member member;
    bool more;
    const char *name = object_open(&d->scan, p, &more);
    while (name && more) {
        p = member_begin(&d->scan, name, &member);
        if (!p)
            return bad_here(d);
        if (!(seen & M_RECORDS) && (member & of_record)) {
            d->batch->shape = SHAPE_LINES;
            return record_one(d, start, lines);
        }
        if (seen & member & (M_RECORDS | M_NEXT))
            return decode_bad(d, name, "one member twice");
        seen |= (uint32_t)member;
        p = outer_member(d, p, member);
        if (!p)
            return NULL;
        name = object_next(&d->scan, p, &more);
    }
    if (!name)
        return bad_here(d);
    return seen & M_RECORDS ? name
                            : decode_bad(d, name, "neither a stream event nor a stream record");
}

static const char *document(struct decoder *d, const char *p, bool lines)
{
    d->pipes = *p == '[';
    d->done_to = p;
    if (d->pipes) {
        d->batch->shape = SHAPE_ARRAY;
        return records_array(d, p);
    }
    if (*p == '{')
        return object_document(d, p, lines);
    return decode_bad(d, p, "not a JSON object or array");
}

/* A document that fell apart is one poison record; what it delivered before stays delivered. */
static const char *poison_document(struct decoder *d, const char *start)
{
    const char *end = decode_resume(d, start, true);
    struct scan fault = d->scan;
    head_begin(d);
    d->scan = fault;
    d->status = 0;
    d->foreign_count++;
    poison_fill(d, start, end);
    if (head_keep(d) < 0)
        return NULL;
    return end > d->done_to ? end : d->done_to;
}

static int lines_decode(struct decoder *d, const char *p)
{
    for (p = scan_space(p); p != d->end; p = scan_space(p)) {
        const char *next = document(d, p, true);
        if (!next && d->status == -EBADMSG)
            next = poison_document(d, p);
        if (!next)
            return d->status;
        p = next;
    }
    d->batch->shape = SHAPE_LINES;
    return 0;
}

static void settle_shape(struct decoder *d)
{
    struct batch *batch = d->batch;
    const struct record *first = batch->record_count > 0 ? batch->records[0] : NULL;
    if (first && first->kinesis && batch->shape != SHAPE_LINES)
        batch->shape = SHAPE_KINESIS;
    else if (batch->shape == SHAPE_LAMBDA && (d->batch->source_arn.len > 0))
        batch->shape = SHAPE_GETRECORDS;
}

int body_decode(struct decoder *d, const char *p, bool lines)
{
    d->batch->shape = SHAPE_LAMBDA;
    if (lines) {
        if (lines_decode(d, p) < 0)
            return d->status;
    } else {
        p = document(d, scan_space(p), false);
        if (!p)
            return d->status;
        p = scan_space(p);
        if (p != d->end) {
            decode_bad(d, p, "something behind the document");
            return d->status;
        }
    }
    if (d->foreign_count > 0 && d->foreign_count == d->batch->read_count) {
        decode_bad(d, d->scan.at, "not records of a DynamoDB stream");
        return d->status;
    }
    settle_shape(d);
    return 0;
}
