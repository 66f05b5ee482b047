#include "router/letter_json.h"

#include "util/text.h"

void letter_put_members(struct buf *out, const struct dead_letter *letter)
{
    buf_put_member(out, "pipeline", letter->pipeline);
    buf_put_member(out, "sink", letter->sink);
    buf_put_member(out, "stream", letter->stream_arn);
    buf_put_member(out, "shard", letter->shard);
    buf_put_member(out, "sequence", letter->sequence);
    buf_put_member(out, "eventID", letter->event_id);
    buf_put_member(out, "reason", letter->reason);
    buf_put_member(out, "code", letter->code);
    buf_put_number_member(out, "attempts", letter->attempts);
    buf_put_time_member(out, "first", letter->first_us);
    buf_put_time_member(out, "last", letter->last_us);
}

void letter_put_record(struct buf *out, const struct dead_letter *letter, bool is_json)
{
    buf_put_key(out, is_json ? "record" : "raw");
    if (is_json)
        buf_put_json_ascii(out, letter->record);
    else
        buf_put_json_string(out, letter->record);
}
