/* Is it ready? Readiness is progress: what was asked for is being done, for every sink and shard.
 */
#include "observe/observed.h"
#include "util/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    DEAD_MS = 10000,    /* the poller looks around once a second */
    STALLED_MS = 60000, /* a call takes 15 s at most, a pause 30 s */
    TROUBLE_MS = 30000,
    FULL_MS = 300000, /* a slow sink is no fault yet */
    LOOP_LAG_MS = 5000
};

int64_t observed_wall_us(const struct observed *observed)
{
    const struct clock *clock = &observed->world->clock;
    return clock->wall_us(clock->ctx);
}

struct reasons {
    const struct observed *observed;
    void (*each)(void *ctx, const struct unready *unready);
    void *ctx;
    size_t count;
};

static void tell(struct reasons *reasons, const char *what, weir_str name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void tell(struct reasons *reasons, const char *what, weir_str name, const char *format, ...)
{
    char why[320];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    reasons->count++;
    if (reasons->each)
        reasons->each(reasons->ctx, &(struct unready){what, name, why});
}

static void look_at_sink(struct reasons *reasons, size_t sink)
{
    const struct observed *observed = reasons->observed;
    const struct clock *clock = &observed->world->clock;
    const struct sink_counts counts = router_counts(observed->router, sink);
    const struct sink_view view = router_view(observed->router, sink);
    weir_str name = str_of(router_sink_name(observed->router, sink));
    int64_t now_ms = clock->now_ms(clock->ctx);
    const char *colon = view.last_error[0] ? ": " : "";
    if (!counts.required)
        return;
    if (counts.hung_since_ms)
        tell(reasons, "sink", name, "its plugin has kept records for %" PRId64 " s after cancel",
             (now_ms - counts.hung_since_ms) / 1000);
    else if (!counts.up)
        tell(reasons, "sink", name, "down for %" PRId64 " s%s%s",
             (now_ms - counts.down_since_ms) / 1000, colon, view.last_error);
    if (counts.paused_since_ms)
        tell(reasons, "sink", name, "paused by an operator for %" PRId64 " s",
             (now_ms - counts.paused_since_ms) / 1000);
    if (!observed->poll)
        return;
    const struct poll_sink polled = poll_sink(observed->poll, sink);
    if (polled.detached && (!polled.coming || polled.may_lose))
        tell(reasons, "sink", name,
             "the others have gone on without it; it is behind on %zu shards%s",
             polled.shards_behind, polled.may_lose ? ", and will soon lose what it waits for" : "");
}

static void look_at_shard(void *ctx, const struct poll_shard *shard)
{
    if (shard->why)
        tell(ctx, "shard", shard->id, "held: %s", shard->why);
}

static void look_at_stream(void *ctx, const struct poll_stream *stream)
{
    if (str_is(str_of(stream->state), "missing"))
        tell(ctx, "source", stream->table, "its stream was not found");
    else if (stream->trouble_ms >= TROUBLE_MS)
        tell(ctx, "source", stream->table, "DescribeStream has failed for %" PRId64 " s: %s",
             stream->trouble_ms / 1000, streams_fault_name(stream->trouble));
}

static void look_at_poll(struct reasons *reasons)
{
    const struct poll *poll = reasons->observed->poll;
    const struct poll_health health = poll_health(poll);
    if (!health.reading) {
        tell(reasons, "source", STR_NONE, "%s", health.phase);
        return;
    }
    if (!health.swept)
        tell(reasons, "source", STR_NONE, "its shards are not known yet");
    if (health.dead_ms >= DEAD_MS)
        tell(reasons, "source", STR_NONE, "the poller has done nothing for %" PRId64 " s",
             health.dead_ms / 1000);
    if (health.trouble_ms >= TROUBLE_MS)
        tell(reasons, "source", STR_NONE, "it has not answered for %" PRId64 " s",
             health.trouble_ms / 1000);
    if (health.stalled_ms >= STALLED_MS)
        tell(reasons, "shard", health.stalled, "no page came for %" PRId64 " s",
             health.stalled_ms / 1000);
    if (health.full_ms >= FULL_MS)
        tell(reasons, "sink", str_of(health.full_of),
             "reading has waited for it for %" PRId64 " s: its window is full",
             health.full_ms / 1000);
    if (health.failing_ms)
        tell(reasons, "state", STR_NONE, "positions can't be stored for %" PRId64 " s",
             health.failing_ms / 1000);
    poll_each_shard(poll, look_at_shard, reasons);
    poll_each_stream(poll, look_at_stream, reasons);
}

size_t observed_unready(const struct observed *observed,
                        void (*each)(void *ctx, const struct unready *unready), void *ctx)
{
    struct reasons reasons = {observed, each, ctx, 0};
    if (observed->stopping)
        tell(&reasons, "run", STR_NONE, "stopping");
    if (observed->loop_lag_ms >= LOOP_LAG_MS)
        tell(&reasons, "loop", STR_NONE, "the event loop was late by %" PRId64 " ms",
             observed->loop_lag_ms);
    for (size_t i = 0; i < router_sink_count(observed->router); i++)
        if (!router_sink_gone(observed->router, i))
            look_at_sink(&reasons, i);
    if (observed->poll && !observed->stopping)
        look_at_poll(&reasons);
    return reasons.count;
}

struct listing {
    struct buf *out;
    size_t count;
};

enum { REASONS_SHOWN = 100 };

static void put_reason(void *ctx, const struct unready *unready)
{
    struct listing *listing = ctx;
    if (listing->count++ >= REASONS_SHOWN)
        return;
    buf_put_comma(listing->out);
    buf_putc(listing->out, '{');
    buf_put_text_member(listing->out, "what", unready->what);
    if (unready->name.len)
        buf_put_member(listing->out, "name", unready->name);
    buf_put_text_member(listing->out, "why", unready->why);
    buf_putc(listing->out, '}');
}

bool ready_put_json(const struct observed *observed, struct buf *out)
{
    struct buf reasons;
    buf_init(&reasons, 1 << 20);
    struct listing listing = {&reasons, 0};
    bool ready = observed_unready(observed, put_reason, &listing) == 0;
    buf_printf(out, "{\"ready\":%s,\"reasons\":[", ready ? "true" : "false");
    buf_put_str(out, buf_str(&reasons));
    buf_puts(out, "]}");
    buf_done(&reasons);
    return ready;
}
