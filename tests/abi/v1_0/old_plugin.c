/* A plugin as it was built against the headers of ABI 1.0: logs the price of every record. */
#include <weir/plugin.h>

#include <stdlib.h>

struct old {
    const weir_host *host;
    weir_instance *instance;
};

static int32_t old_open(const weir_host *host, weir_instance *instance, void **self)
{
    struct old *old = calloc(1, sizeof *old);
    if (!old)
        return -12;
    old->host = host;
    old->instance = instance;
    *self = old;
    return 0;
}

static int32_t old_record(void *self, const weir_record *record)
{
    const struct old *old = self;
    old->host->log(old->instance, WEIR_LOG_INFO,
                   old->host->text(old->host->attr(record, WEIR_NEW, "price")));
    return WEIR_OK;
}

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 0),
    .struct_size = sizeof plugin,
    .name = "old_plugin",
    .version = "1.0.0",
    .summary = "Logs prices.",
    .subscription = {sizeof(weir_subscription), WEIR_MODIFY, WEIR_NEW, 0, NULL},
    .open = old_open,
    .close = free,
    .record = old_record,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
