/* One record of a body. */
#include "record/decode.h"

#include "record/stencil.h"
#include "util/text.h"

#include <errno.h>

const char *decode_bad(struct decoder *d, const char *at, const char *reason)
{
    d->status = -EBADMSG;
    return scan_fail(&d->scan, at, reason);
}

static const char *line_end(const struct decoder *d, const char *p)
{
    const char *newline = memchr(p, '\n', (size_t)(d->end - p));
    return newline ? newline : d->end;
}

const char *decode_resume(struct decoder *d, const char *start, bool line)
{
    if (!line)
        return scan_lenient(start, d->end);
    const char *end = line_end(d, start), *balanced = NULL;
    if (d->scan.at > end && !d->unbalanced)
        balanced = scan_lenient(start, d->end);
    /* Never look at the whole rest of the body again: linear time. */
    d->unbalanced |= d->scan.at > end && !balanced;
    return balanced ? balanced : end;
}

/* What the envelope says of the record inside. */
struct envelope {
    weir_str sequence, id, arn, region;
    bool kinesis;
};

static struct envelope envelope_of(const struct decoder *d)
{
    return (struct envelope){d->envelope_sequence, d->head->event_id, d->origin.stream_arn,
                             d->origin.region, (d->seen & M_KINESIS) != 0};
}

static void envelope_apply(struct decoder *d, const struct envelope *outer)
{
    struct record *record = d->head;
    bool carried = !outer->kinesis && (d->seen & M_SEQUENCE); /* a stream record that came by KCL */
    if (d->origin.region.len == 0)
        d->origin.region = outer->region;
    if (carried)
        return;
    record->kinesis = true;
    d->envelope_sequence = outer->sequence;
    d->rare.envelope_id = outer->id;
    d->origin.stream_arn = outer->arn;
}

/* The base64 text becomes the JSON that it stands for, in its own place; NULL when it is none. */
static char *decode_data(struct decoder *d, size_t *len)
{
    weir_str text = plain_text(d, d->data, d->data_escaped);
    char *place = d->batch->bytes + (d->data.ptr - d->batch->bytes);
    if (text.len == 0 || !base64_valid(text.ptr, text.len)) {
        scan_fail(&d->scan, d->data.ptr, "Kinesis data is not base64");
        return NULL;
    }
    *len = (size_t)base64_decode(text, place);
    place[*len] = '\0'; /* shorter than its base64: stops every scan */
    return place;
}

/* The record inside a Kinesis envelope. False: poison, d->scan says why. */
static bool inner_record(struct decoder *d, weir_str *raw)
{
    struct envelope outer = envelope_of(d);
    size_t len;
    char *text = decode_data(d, &len);
    if (!text)
        return false;
    *raw = (weir_str){text, len};
    head_begin(d);
    const char *end = d->parse(d, scan_space(text), true);
    bool sound = end && (d->seen & M_DYNAMODB);
    if (end && !sound) {
        d->foreign_count++;
        scan_fail(&d->scan, text, "no dynamodb object in the Kinesis data");
    } else if (end && scan_space(end) != text + len) {
        scan_fail(&d->scan, end, "something behind the record");
        sound = false;
    }
    envelope_apply(d, &outer);
    return sound;
}

/* A record for which there is no stencil. */
static const char *long_way(struct decoder *d, const char *p, bool line)
{
    bool learn = d->learn;
    head_begin(d);
    const char *end = d->parse(d, p, false);
    bool sound = end && (d->seen & M_DYNAMODB);
    weir_str raw = {p, end ? (size_t)(end - p) : 0};
    if (end && !sound && d->data.ptr) {
        learn = false;
        sound = inner_record(d, &raw);
    } else if (end && !sound) {
        d->foreign_count++;
        scan_fail(&d->scan, p, "no dynamodb object");
    } else if (!end) {
        d->foreign_count += *p != '{';
        end = decode_resume(d, p, line);
        if (!end)
            return decode_bad(d, d->scan.at, d->scan.reason);
        raw.len = (size_t)(end - p);
    }
    if (sound) {
        head_finish(d, raw);
        if (learn)
            stencil_learn(d);
    } else {
        poison_fill(d, raw.ptr, raw.ptr + raw.len);
    }
    return end;
}

const char *record_one(struct decoder *d, const char *p, bool line)
{
    const char *end = d->apply(d, p);
    d->batch->stencil_count += end != NULL;
    if (!end)
        end = long_way(d, p, line);
    if (!end)
        return NULL;
    d->done_to = end;
    return head_keep(d) < 0 ? NULL : end;
}
