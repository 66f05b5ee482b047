/* Waits for cancel(), and completes OK only `after` it. */
#include "sink.h"

struct late {
    struct sink base;
    const weir_timer *timer;
};

struct revoked {
    struct sink *sink;
    uint64_t token;
};

static int32_t late_open(const weir_host *host, weir_instance *instance, void **self)
{
    int32_t rc = sink_open(host, instance, sizeof(struct late), self);
    if (rc == 0)
        ((struct late *)*self)->timer = host->extension(instance, WEIR_EXT_TIMER);
    return rc;
}

static void late_deliver(void *self, weir_delivery *delivery)
{
    (void)self;
    (void)delivery;
}

static void on_timer(void *arg)
{
    struct revoked *revoked = arg;
    revoked->sink->host->complete_rest(revoked->sink->instance, revoked->token, WEIR_OK,
                                       WEIR_STR("late"));
    free(revoked);
}

static void late_cancel(void *self, uint64_t token)
{
    struct late *late = self;
    struct revoked *revoked = malloc(sizeof *revoked);
    if (!revoked)
        return;
    *revoked = (struct revoked){&late->base, token};
    if (!late->timer->start(late->base.instance, sink_number(&late->base, "after"), on_timer,
                            revoked))
        free(revoked);
}

static const weir_option options[] = {
    {"after", "\"100ms\"", WEIR_O_DURATION_MS, 0, NULL, "How long after cancel()."},
    {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("late", .options = options, .open = late_open, .deliver = late_deliver,
       .cancel = late_cancel)
