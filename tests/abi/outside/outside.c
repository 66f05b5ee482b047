#include <weir/ext/timer.h>
#include <weir/util.h>
#include <errno.h>

struct outside {
    const weir_host *host;
    weir_instance *instance;
};

int not_exported(void);
int not_exported(void)
{
    return 1;
}

static int32_t outside_open(const weir_host *host, weir_instance *instance, void **self)
{
    struct outside *sink = calloc(1, sizeof *sink);
    if (!sink)
        return -ENOMEM;
    *sink = (struct outside){host, instance};
    *self = sink;
    return 0;
}

static int32_t outside_record(void *self, const weir_record *record)
{
    const struct outside *sink = self;
    weir_str id = sink->host->field(record, WEIR_F_EVENT_ID);
    weir_logf(sink->host, sink->instance, WEIR_LOG_INFO, "%.*s", WEIR_ARG(id));
    return not_exported() ? WEIR_OK : WEIR_RETRY;
}

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 0),
    .struct_size = sizeof plugin,
    .name = "outside",
    .version = "1.0.0",
    .summary = "Logs event ids.",
    .open = outside_open,
    .close = free,
    .record = outside_record,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
