/* What is told of batches and deliveries to whoever traces them. */
#include "router/parts.h"

void router_trace(struct router *router, const struct router_tracer *tracer)
{
    router->tracer = tracer;
}

bool traced(const struct flow *flow)
{
    return flow->trace.span != 0 && flow->router->tracer;
}

/* Begun at begun_ms, ended now. Of records of which the page was given up only the stream is known.
 */
static struct traced seen(const struct flow *flow, size_t records, int64_t begun_ms)
{
    const struct clock *clock = flow->router->clock;
    const struct batch *batch = flow->batch;
    struct traced what = {.stream_arn = flow->kept_stream_arn,
                          .records = records,
                          .begun_ms = begun_ms,
                          .ended_ms = clock->now_ms(clock->ctx)};
    if (!batch)
        return what;
    what.shard = batch->shard;
    what.stream_arn = batch->source_arn.len == 0 && batch->record_count > 0
                          ? batch->records[0]->origin->stream_arn
                          : batch->source_arn;
    return what;
}

void trace_begin(struct flow *flow)
{
    const struct router_tracer *tracer = flow->router->tracer;
    if (!tracer)
        return;
    flow->read_count = flow->batch->read_count;
    tracer->begin(tracer->ctx, flow->batch, &flow->trace);
}

void trace_batch(const struct flow *flow, bool complete)
{
    const struct router_tracer *tracer = flow->router->tracer;
    if (!traced(flow))
        return;
    struct traced what = seen(flow, flow->read_count, flow->begun_ms);
    what.complete = complete;
    tracer->batch(tracer->ctx, &flow->trace, &what);
}

void trace_delivery(const struct flow *flow, const weir_delivery *delivery)
{
    const struct router_tracer *tracer = flow->router->tracer;
    const struct sink *sink = delivery->sink;
    if (!traced(flow))
        return;
    struct traced what = seen(flow, delivery->count, delivery->begun_ms);
    what.sink = sink->index;
    what.timeout = delivery->revoked;
    memcpy(what.outcomes, delivery->outcomes, sizeof what.outcomes);
    tracer->delivery(tracer->ctx, &flow->trace, &what);
}

void trace_record(const struct flow *flow, const struct sink *sink, int64_t begun_ms,
                  int32_t outcome)
{
    const struct router_tracer *tracer = flow->router->tracer;
    struct traced what = seen(flow, 1, begun_ms);
    what.sink = sink->index;
    what.outcomes[outcome] = 1;
    tracer->delivery(tracer->ctx, &flow->trace, &what);
}
