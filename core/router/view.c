/* What the router shows of itself. */
#include "router/parts.h"

#include <stdio.h>

const char *retry_reason_name(enum retry_reason reason)
{
    static const char *const names[RETRY_REASONS] = {[RETRY_ASKED] = "asked",
                                                     [RETRY_TIMEOUT] = "timeout",
                                                     [RETRY_DOWN] = "down",
                                                     [RETRY_SPLIT] = "split"};
    return names[reason];
}

void sink_note_error(struct sink *sink, const char *reason)
{
    struct clock *clock = sink->router->clock;
    if (!reason)
        return;
    snprintf(sink->last_error, sizeof sink->last_error, "%s", reason);
    sink->last_error_us = clock->wall_us(clock->ctx);
}

void item_observe(const struct item *item, enum record_outcome what, const char *reason)
{
    const struct router_observer *observer = item->sink->router->observer;
    if (observer && observer->wanted >> what & 1 && !item->letter && !item->record->poison)
        observer->outcome(observer->ctx, item->record, item->sink->index, what, item->attempts,
                          item->first_us, reason);
}

void router_observe(struct router *router, const struct router_observer *observer)
{
    router->observer = observer;
}

int64_t router_max_attempts(const struct router *router, size_t sink)
{
    return router->sinks[sink].route.max_attempts;
}

struct sink_view router_view(const struct router *router, size_t sink)
{
    const struct sink *one = &router->sinks[sink];
    struct sink_view view = {.deliveries = one->open_count,
                             .seconds = one->seconds,
                             .last_error_us = one->last_error_us};
    memcpy(view.retries, one->retry_reasons, sizeof view.retries);
    memcpy(view.last_error, one->last_error, sizeof view.last_error);
    view.in_flight = one->in_flight;
    view.queued = one->queued > view.in_flight ? one->queued - view.in_flight : 0;
    return view;
}
