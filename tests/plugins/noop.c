/* Counts and answers OK: the least that a sink can cost. The count is logged at close. */
#include "sink.h"
#include <inttypes.h>

struct noop {
    struct sink base;
    uint64_t records, deliveries;
};

static int32_t noop_open(const weir_host *host, weir_instance *instance, void **self)
{
    return sink_open(host, instance, sizeof(struct noop), self);
}

static void noop_deliver(void *self, weir_delivery *delivery)
{
    struct noop *noop = self;
    noop->records += noop->base.host->count(delivery);
    noop->deliveries++;
    noop->base.host->complete_rest(noop->base.instance, noop->base.host->token(delivery), WEIR_OK,
                                   WEIR_NONE);
}

static void noop_close(void *self)
{
    struct noop *noop = self;
    weir_logf(noop->base.host, noop->base.instance, WEIR_LOG_INFO,
              "%" PRIu64 " records in %" PRIu64 " deliveries", noop->records, noop->deliveries);
    free(noop);
}

static const weir_plugin plugin = {.abi = WEIR_ABI_CURRENT,
                                   .abi_min = WEIR_ABI(1, 0),
                                   .struct_size = sizeof plugin,
                                   .flags = WEIR_P_ORDER_NONE,
                                   .name = "noop",
                                   .version = "1.0.0",
                                   .summary = "Counts records.",
                                   .repeats = WEIR_R_NATIVE,
                                   .open = noop_open,
                                   .close = noop_close,
                                   .deliver = noop_deliver};
const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
