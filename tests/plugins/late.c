/* Waits for cancel(), and completes OK only `after` it. */
#include "sink.h"

struct late {
    struct sink base;
    const weir_timer *timer;
    struct revoked *waiting;
};

struct revoked {
    struct late *late;
    struct revoked *next;
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

static void forget(struct revoked *revoked)
{
    struct revoked **link = &revoked->late->waiting;
    while (*link != revoked)
        link = &(*link)->next;
    *link = revoked->next;
    free(revoked);
}

static void on_timer(void *arg)
{
    struct revoked *revoked = arg;
    const struct sink *sink = &revoked->late->base;
    sink->host->complete_rest(sink->instance, revoked->token, WEIR_OK, WEIR_STR("late"));
    forget(revoked);
}

static void late_cancel(void *self, uint64_t token)
{
    struct late *late = self;
    struct revoked *revoked = malloc(sizeof *revoked);
    if (!revoked)
        return;
    *revoked = (struct revoked){late, late->waiting, token};
    late->waiting = revoked;
    if (!late->timer->start(late->base.instance, sink_number(&late->base, "after"), on_timer,
                            revoked))
        forget(revoked);
}

static void late_close(void *self)
{
    struct late *late = self;
    while (late->waiting)
        forget(late->waiting);
    free(late);
}

static const weir_option options[] = {
    {"after", "\"100ms\"", WEIR_O_DURATION_MS, 0, NULL, "How long after cancel()."},
    {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("late", .options = options, .open = late_open, .close = late_close, .deliver = late_deliver,
       .cancel = late_cancel)
