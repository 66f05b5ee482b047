/* The status as one JSON object: what `weir status`, `weir top` and the page show. */
#include "observe/observed.h"
#include "util/text.h"

#include <inttypes.h>
#include <unistd.h>
#include <weir/version.h>

static void put_count(struct buf *out, const char *name, uint64_t value)
{
    buf_put_key(out, name);
    buf_printf(out, "%" PRIu64, value);
}

/* Unix time in text; 0 = null. */
static void put_time(struct buf *out, const char *name, int64_t us)
{
    if (us) {
        buf_put_time_member(out, name, us);
        return;
    }
    buf_put_key(out, name);
    buf_puts(out, "null");
}

/* Milliseconds; what is not known is null. */
static void put_ms(struct buf *out, const char *name, int64_t ms)
{
    if (ms >= 0) {
        buf_put_number_member(out, name, ms);
        return;
    }
    buf_put_key(out, name);
    buf_puts(out, "null");
}

static void open_entry(struct buf *out) /* of a list */
{
    buf_put_comma(out);
    buf_putc(out, '{');
}

/* ---- source ---- */

static void put_stream(void *ctx, const struct poll_stream *stream)
{
    struct buf *out = ctx;
    open_entry(out);
    buf_put_member(out, "stream", stream->arn);
    buf_put_member(out, "table", stream->table);
    buf_put_member(out, "state", str_of(stream->state));
    put_count(out, "gaps", stream->gaps);
    put_count(out, "waiting", stream->waiting);
    put_count(out, "reading", stream->reading);
    put_count(out, "held", stream->held);
    put_count(out, "ended", stream->ended);
    if (stream->trouble != STREAMS_OK)
        buf_put_member(out, "trouble", str_of(streams_fault_name(stream->trouble)));
    buf_putc(out, '}');
}

static void add_read(void *ctx, const struct poll_stream *stream)
{
    struct read_counts *read = ctx;
    for (size_t i = 0; i < READ_EVENTS; i++)
        read->events[i] += stream->read->events[i];
    read->bytes += stream->read->bytes;
}

static void put_read(struct buf *out, const struct read_counts *read)
{
    uint64_t records = 0;
    for (size_t i = 0; i < READ_EVENTS; i++)
        records += read->events[i];
    put_count(out, "records", records);
    put_count(out, "bytes", read->bytes);
    buf_put_key(out, "events");
    buf_putc(out, '{');
    for (size_t i = 0; i < READ_EVENTS; i++)
        put_count(out, read_event_name(i), read->events[i]);
    buf_putc(out, '}');
}

static void worst(void *ctx, const struct poll_shard *shard)
{
    int64_t *lag_ms = ctx;
    if (shard->lag_ms > *lag_ms)
        *lag_ms = shard->lag_ms;
}

int64_t observed_lag_ms(const struct observed *observed)
{
    int64_t lag_ms = -1;
    if (observed->poll)
        poll_each_shard(observed->poll, worst, &lag_ms);
    return lag_ms;
}

static void put_source(const struct observed *observed, struct buf *out)
{
    struct read_counts read = {0};
    if (observed->read)
        read = *observed->read;
    if (observed->poll)
        poll_each_stream(observed->poll, add_read, &read);
    buf_put_key(out, "source");
    buf_putc(out, '{');
    buf_put_member(out, "kind", str_of(observed->mode));
    put_read(out, &read);
    put_count(out, "poison", router_poison_count(observed->router));
    if (observed->poll) {
        const struct poll_health health = poll_health(observed->poll);
        const struct poll_counts counts = poll_counts(observed->poll);
        buf_put_member(out, "phase", str_of(health.phase));
        put_ms(out, "lag_ms", observed_lag_ms(observed));
        put_ms(out, "checkpoint_age_ms", health.unstored_ms);
        put_count(out, "calls", counts.fetches);
        put_count(out, "throttled", counts.throttled);
        put_count(out, "errors", counts.errors);
        put_count(out, "gaps", counts.gaps);
        buf_put_key(out, "streams");
        buf_putc(out, '[');
        poll_each_stream(observed->poll, put_stream, out);
        buf_putc(out, ']');
    }
    buf_putc(out, '}');
}

/* ---- shards ---- */

struct shards {
    struct buf *out;
    size_t shown, omitted;
};

static void put_shard(void *ctx, const struct poll_shard *shard)
{
    struct shards *shards = ctx;
    struct buf *out = shards->out;
    if (shards->shown == STATUS_SHARDS_MAX) {
        shards->omitted++;
        return;
    }
    shards->shown++;
    open_entry(out);
    buf_put_member(out, "id", shard->id);
    if (shard->parent.len)
        buf_put_member(out, "parent", shard->parent);
    buf_put_member(out, "table", shard->table);
    buf_put_member(out, "state", str_of(shard->state));
    if (shard->why)
        buf_put_member(out, "why", str_of(shard->why));
    put_ms(out, "lag_ms", shard->lag_ms);
    put_ms(out, "quiet_ms", shard->quiet_ms);
    if (shard->position.len)
        buf_put_member(out, "position", shard->position);
    if (shard->behind)
        buf_put_member(out, "behind", str_of(shard->behind));
    buf_putc(out, '}');
}

static void put_shards(const struct observed *observed, struct buf *out)
{
    struct shards shards = {out, 0, 0};
    buf_put_key(out, "shards");
    buf_putc(out, '[');
    if (observed->poll)
        poll_each_shard(observed->poll, put_shard, &shards);
    buf_putc(out, ']');
    put_count(out, "shards_omitted", shards.omitted);
}

/* ---- sinks ---- */

static void put_sink_counts(struct buf *out, const struct sink_counts *counts)
{
    put_count(out, "read", counts->read);
    put_count(out, "delivered", counts->delivered);
    put_count(out, "skipped", counts->skipped);
    put_count(out, "duplicate", counts->duplicate);
    put_count(out, "filtered", counts->filtered);
    put_count(out, "dead", counts->dead);
    put_count(out, "dropped", counts->dropped);
    put_count(out, "returned", counts->returned);
    put_count(out, "pending", counts->pending);
    put_count(out, "retries", counts->retries);
    put_count(out, "late", counts->late);
}

static void put_sink(const struct observed *observed, size_t sink, struct buf *out)
{
    const struct clock *clock = &observed->world->clock;
    const struct sink_counts counts = router_counts(observed->router, sink);
    const struct sink_view view = router_view(observed->router, sink);
    open_entry(out);
    buf_put_member(out, "name", str_of(router_sink_name(observed->router, sink)));
    buf_put_flag_member(out, "required", counts.required);
    buf_put_flag_member(out, "up", counts.up);
    put_ms(out, "down_ms",
           counts.down_since_ms ? clock->now_ms(clock->ctx) - counts.down_since_ms : 0);
    buf_put_flag_member(out, "paused", counts.paused_since_ms != 0);
    put_ms(out, "paused_ms",
           counts.paused_since_ms ? clock->now_ms(clock->ctx) - counts.paused_since_ms : 0);
    put_sink_counts(out, &counts);
    put_count(out, "queued", view.queued);
    put_count(out, "in_flight", view.in_flight);
    put_count(out, "deliveries", view.seconds.count);
    buf_put_number_member(out, "delivery_ms_sum", view.seconds.sum_ms);
    if (view.last_error_us) {
        buf_put_member(out, "last_error", str_of(view.last_error));
        put_time(out, "last_error_at", view.last_error_us);
    }
    if (observed->poll) {
        const struct poll_sink polled = poll_sink(observed->poll, sink);
        buf_put_flag_member(out, "detached", polled.detached);
        put_ms(out, "oldest_ms", polled.oldest_ms);
    }
    buf_putc(out, '}');
}

/* ---- all ---- */

static void put_reload(const struct observed *observed, struct buf *out)
{
    const struct observed_reload *reload = &observed->reload;
    buf_put_key(out, "reload");
    buf_putc(out, '{');
    put_count(out, "succeeded", reload->succeeded);
    put_count(out, "refused", reload->refused);
    put_time(out, "in_force_since", reload->last_success_us);
    put_time(out, "last_at", reload->last_us);
    if (reload->last_result)
        buf_put_member(out, "last_result", str_of(reload->last_result));
    if (reload->last_text)
        buf_put_member(out, "last_text", str_of(reload->last_text));
    buf_putc(out, '}');
}

void status_put_json(const struct observed *observed, struct buf *out)
{
    int64_t now_us = observed_wall_us(observed);
    buf_putc(out, '{');
    buf_put_member(out, "pipeline", str_of(observed->pipeline));
    buf_put_member(out, "version", STR(WEIR_VERSION));
    buf_put_number_member(out, "pid", getpid());
    put_time(out, "now", now_us);
    put_time(out, "started", observed->started_us);
    put_ms(out, "uptime_ms", (now_us - observed->started_us) / 1000);
    buf_put_flag_member(out, "stopping", observed->stopping);
    put_ms(out, "loop_lag_ms", observed->loop_lag_ms);
    put_count(out, "pinned_bytes", router_pinned_bytes(observed->router));
    buf_put_key(out, "readiness");
    ready_put_json(observed, out);
    put_source(observed, out);
    buf_put_key(out, "sinks");
    buf_putc(out, '[');
    for (size_t i = 0; i < router_sink_count(observed->router); i++)
        if (!router_sink_gone(observed->router, i))
            put_sink(observed, i, out);
    buf_putc(out, ']');
    put_shards(observed, out);
    put_reload(observed, out);
    put_count(out, "tap_dropped", observed->tap_dropped);
    put_count(out, "log_dropped", observed->log_dropped);
    buf_puts(out, "}\n");
}
