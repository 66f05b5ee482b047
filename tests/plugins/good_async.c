/* Does as it should, later: a delivery is completed by a timer after `delay`. */
#include "sink.h"

struct open_delivery {
    struct async *sink;
    uint64_t token, timer_id;
    struct open_delivery *next;
};

struct async {
    struct sink base;
    const weir_timer *timer;
    struct open_delivery *open;
};

static void finish(struct open_delivery *open, int32_t outcome)
{
    struct async *sink = open->sink;
    struct open_delivery **link = &sink->open;
    while (*link != open)
        link = &(*link)->next;
    *link = open->next;
    sink->base.host->complete_rest(sink->base.instance, open->token, outcome, WEIR_NONE);
    free(open);
}

static void on_timer(void *arg)
{
    finish(arg, WEIR_OK);
}

static int32_t async_open(const weir_host *host, weir_instance *instance, void **self)
{
    int32_t rc = sink_open(host, instance, sizeof(struct async), self);
    if (rc == 0)
        ((struct async *)*self)->timer = host->extension(instance, WEIR_EXT_TIMER);
    return rc;
}

static void async_deliver(void *self, weir_delivery *delivery)
{
    struct async *sink = self;
    struct open_delivery *open = calloc(1, sizeof *open);
    uint64_t token = sink->base.host->token(delivery);
    if (!open) {
        sink->base.host->complete_rest(sink->base.instance, token, WEIR_RETRY, WEIR_NONE);
        return;
    }
    *open = (struct open_delivery){.sink = sink, .token = token, .next = sink->open};
    sink->open = open;
    open->timer_id =
        sink->timer->start(sink->base.instance, sink_number(&sink->base, "delay"), on_timer, open);
    if (open->timer_id == 0)
        finish(open, WEIR_RETRY);
}

static void async_cancel(void *self, uint64_t token)
{
    struct async *sink = self;
    for (struct open_delivery *open = sink->open; open; open = open->next) {
        if (open->token != token)
            continue;
        sink->timer->stop(sink->base.instance, open->timer_id);
        finish(open, WEIR_RETRY);
        return;
    }
}

static void async_close(void *self)
{
    struct async *sink = self;
    while (sink->open) /* revoked, and not even cancelled */
        finish(sink->open, WEIR_RETRY);
    free(sink);
}

static const weir_option options[] = {
    {"delay", "\"5ms\"", WEIR_O_DURATION_MS, 0, NULL, "How long a delivery takes."},
    {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("good_async", .options = options, .open = async_open, .close = async_close,
       .deliver = async_deliver, .cancel = async_cancel)
