/* The sort key. Two changes of one product within a second must not share a row, so the key is made
 * of what identifies the record: its sequence number. */
#include "row.h"

#include <stdio.h>

enum {
    NUMBER_DIGITS = 38,   /* DynamoDB's limit for N */
    SEQUENCE_DIGITS = 28, /* of them behind the point */
    TEXT_DIGITS = 40      /* the longest sequence number of DynamoDB Streams */
};

static weir_str significant(weir_str digits)
{
    while (digits.len > 1 && digits.ptr[0] == '0') {
        digits.ptr++;
        digits.len--;
    }
    return digits;
}

static bool all_digits(weir_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

static size_t put_padded(char *at, weir_str digits, size_t width)
{
    size_t zeros = digits.len < width ? width - digits.len : 0;
    memset(at, '0', zeros);
    memcpy(at + zeros, digits.ptr, digits.len);
    return zeros + digits.len;
}

static const char *stamp_sequence(int64_t seconds, weir_str sequence, char *out, size_t *out_len)
{
    if (sequence.len == 0)
        return "the record has no sequence number: use timestamp \"text\"";
    if (!all_digits(sequence))
        return "the sequence number is not decimal: use timestamp \"text\"";
    sequence = significant(sequence);
    if (sequence.len > SEQUENCE_DIGITS)
        return "the sequence number has more than 28 significant digits: use timestamp \"text\"";
    int len = snprintf(out, STAMP_MAX, "%lld.", (long long)seconds);
    if (len - 1 - (seconds < 0) > NUMBER_DIGITS - SEQUENCE_DIGITS)
        return "the creation time has more than 10 digits: use timestamp \"text\"";
    *out_len = (size_t)len + put_padded(out + len, sequence, SEQUENCE_DIGITS);
    return NULL;
}

/* Records with a sequence number get whole seconds, since one source tells the same record's time
 * more finely than another, and the key must be the same for every repeat. The others (Kinesis) are
 * told apart by their eventID alone; only their time can order them. */
static const char *stamp_text(int64_t created_us, weir_str sequence, weir_str event_id, char *out,
                              size_t *out_len)
{
    weir_str digits = significant(sequence);
    bool numbered = all_digits(sequence);
    weir_buf text = {.ptr = out, .cap = 64};
    if (!numbered && event_id.len == 0)
        return "the record has neither a sequence number nor an eventID";
    if ((numbered ? digits : event_id).len > STAMP_MAX - 64)
        return "the record's identity is too long for a sort key";
    put_iso_time(&text, created_us, numbered ? 0 : 6);
    put_char(&text, '#');
    if (numbered) {
        *out_len = text.len + put_padded(out + text.len, digits, TEXT_DIGITS);
    } else {
        memcpy(out + text.len, event_id.ptr, event_id.len);
        *out_len = text.len + event_id.len;
    }
    return NULL;
}

const char *stamp_make(enum stamp_mode mode, int64_t created_us, int32_t precision,
                       weir_str sequence, weir_str event_id, char out[STAMP_MAX], size_t *out_len)
{
    int64_t seconds = floor_seconds(created_us);
    if (precision == 0)
        return "the record has no creation time";
    if (mode == STAMP_SEQUENCE)
        return stamp_sequence(seconds, sequence, out, out_len);
    if (mode == STAMP_TEXT)
        return stamp_text(created_us, sequence, event_id, out, out_len);
    if (event_id.len == 0)
        return "the record has no eventID to tell a repeat from a collision";
    *out_len = (size_t)snprintf(out, STAMP_MAX, "%lld", (long long)seconds);
    return NULL;
}
