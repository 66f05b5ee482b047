/* Exchanging sinks while records are under way (D14): they get nothing more, what their plugins
 * hold is waited for, then cancelled, and what is not finished then goes to what stands in their
 * place. All of them or none. [router] */
#ifndef WEIR_ROUTER_EXCHANGE_H
#define WEIR_ROUTER_EXCHANGE_H
#include "router/router.h"

struct exchange_config {
    uint64_t sinks;  /* bit i: sink i is to be exchanged */
    int64_t wait_ms; /* for what is with their plugins; then it is cancelled, which is no attempt of
                        the records */
    /* Once, later, never from inside. 0: no plugin of these sinks holds a record and none gets one
     * before this returns: the place for router_replace() and router_remove(). -EBUSY: `sink` kept
     * records after cancel and its grace; -ECANCELED: the router was stopped. Then nothing may be
     * replaced. In any case the sinks are fed again afterwards. */
    void (*ready)(void *arg, int status, size_t sink);
    void *arg;
};

/* 0, -EBUSY (there is one already), -ENOMEM. */
int router_exchange(struct router *router, const struct exchange_config *config);
/* Its sinks are needed as they are: one under way ends with ready(-ECANCELED), from inside. What
 * was cancelled for it already is given to them again. */
void router_exchange_stop(struct router *router);
/* Inside ready(0): from now on sink `sink` is `route`, and starts as one that is up. Its records
 * keep their place, their attempts and their time of waiting; with another order they are put into
 * lanes anew. The old instance has nothing and gets nothing any more. `required` is heeded from the
 * next batch on. -EINVAL: the route is out of range; nothing has changed. */
int router_replace(struct router *router, size_t sink, const struct route *route);
/* Inside ready(0), for sinks that take part in the exchange, after what is replaced and after
 * router_set_poison(): they are no sinks any more. Their records are given back (counted as
 * returned, or dropped where the sink was not required), and no batch waits for them. Dead letters
 * of others that were on the way to them go to where those sinks' routes lead by now. Their places,
 * and what was counted, stay. What was removed before is no matter. */
void router_remove(struct router *router, uint64_t sinks);
/* Inside ready(0), before anything else: room for sinks up to this many in all, so that
 * router_add() can't fail for want of memory. -ENOMEM: nothing has changed; -E2BIG: more than
 * `places`. */
int router_make_room(struct router *router, size_t sinks);
/* Inside ready(0), after router_make_room() and before router_replace(), since others may give up
 * to it: one more sink. It has the next place (router_sink_count), or that of one that was removed,
 * whose counts go on. Records that were matched without it are not for it: a source that submits
 * such a batch leaves it out of flow_options.sinks. -EINVAL: the route is out of range, or the
 * place is taken; nothing has changed. */
int router_add(struct router *router, size_t sink, const struct route *route);
/* Inside ready(0), for sinks that take part in the exchange: what they have is given back, but for
 * dead letters of others, which they go on taking. */
void router_let_go(struct router *router, uint64_t sinks);
/* Records that were matched before it changed may have been decoded without images that it reads
 * (WEIR_OLD, WEIR_NEW): from now on they are completed before it gets them. */
void router_completes(struct router *router, size_t sink, uint32_t images);
/* At any time, for every sink: the same name, from memory that lives on. */
void router_rename(struct router *router, size_t sink, const char *name);
/* At any time: where poison goes. */
void router_set_poison(struct router *router, enum route_exhausted on_poison, size_t poison_sink);
#endif
