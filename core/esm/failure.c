/* The document of an on-failure destination, in the order of members that AWS shows. */
#include "esm/delivery.h"

#include "util/text.h"

#include <inttypes.h>
#include <stdio.h>

static const struct esm_record *last_of(const struct esm_failure *failure)
{
    const struct esm_record *last = failure->first;
    for (size_t i = 1; i < failure->count; i++)
        last = last->next;
    return last;
}

static void put_seconds(struct buf *out, const char *name, int64_t unix_us)
{
    buf_put_key(out, name);
    buf_putc(out, '"');
    buf_put_iso_time(out, unix_us, 0);
    buf_putc(out, '"');
}

static void put_contexts(struct buf *out, const struct esm_failure *failure)
{
    buf_puts(out, "{\"requestContext\":{");
    buf_put_member(out, "requestId", failure->request_id);
    buf_printf(out,
               ",\"functionArn\":\"" ESM_FUNCTION_ARN "\",\"condition\":\"%s\","
               "\"approximateInvokeCount\":%" PRId64 "}",
               failure->condition, failure->invokes);
    if (failure->has_response)
        buf_printf(out,
                   ",\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"$LATEST\","
                   "\"functionError\":%s}",
                   failure->function_error ? "\"Unhandled\"" : "null");
}

static void put_batch_info(struct buf *out, const struct esm_failure *failure, weir_str stream_arn)
{
    const struct esm_record *last = last_of(failure);
    buf_puts(out, ",\"DDBStreamBatchInfo\":{");
    buf_put_member(out, "shardId", failure->shard);
    buf_put_member(out, "startSequenceNumber", failure->first->sequence);
    buf_put_member(out, "endSequenceNumber", last->sequence);
    put_seconds(out, "approximateArrivalOfFirstRecord", failure->first->created_us);
    put_seconds(out, "approximateArrivalOfLastRecord", last->created_us);
    buf_put_number_member(out, "batchSize", (int64_t)failure->count);
    buf_put_member(out, "streamArn", stream_arn);
    buf_putc(out, '}');
}

int esm_failure_put(struct buf *out, const struct esm_failure *failure, weir_str stream_arn,
                    int64_t now_us, bool payload)
{
    put_contexts(out, failure);
    buf_put_member(out, "version", STR("1.0"));
    buf_put_time_member(out, "timestamp", now_us);
    put_batch_info(out, failure, stream_arn);
    if (payload) {
        const struct esm_record *record = failure->first;
        buf_puts(out, ",\"payload\":{\"Records\":[");
        for (size_t i = 0; i < failure->count; i++, record = record->next) {
            buf_puts(out, i ? "," : "");
            buf_put_str(out, record->json);
        }
        buf_puts(out, "]}");
    }
    return buf_putc(out, '}');
}

void esm_uuid(const struct random *random, char out[37])
{
    uint64_t a = random->next(random->ctx), b = random->next(random->ctx);
    snprintf(out, 37, "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
             a >> 32, a >> 16 & 0xffff, a & 0xfff, (b >> 48 & 0x3fff) | 0x8000, b & 0xffffffffffff);
}

int esm_failure_put_key(struct buf *out, const struct esm_failure *failure, const char *mapping,
                        int64_t now_us, const struct random *random)
{
    struct buf time;
    char text[24] = "", uuid[37];
    buf_init(&time, 64);
    buf_put_iso_time(&time, now_us, 0); /* 2026-11-22T22:21:14Z */
    snprintf(text, sizeof text, "%s", buf_cstr(&time));
    buf_done(&time);
    esm_uuid(random, uuid);
    return buf_printf(out, "aws/lambda/%s/%.*s/%.4s/%.2s/%.2s/%.10sT%.2s.%.2s.%.2s-%s", mapping,
                      STR_ARG(failure->shard), text, text + 5, text + 8, text, text + 11, text + 14,
                      text + 17, uuid);
}
