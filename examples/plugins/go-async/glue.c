#include "glue.h"
#include "_cgo_export.h"

weir_str glue_option(const weir_host *host, weir_instance *instance, const char *name)
{
    weir_str value = WEIR_NONE;
    host->option_str(instance, name, &value);
    return value;
}

void glue_declare(const weir_host *host, weir_instance *instance, int32_t what, weir_str value)
{
    host->declare(instance, what, value);
}

uint64_t glue_token(const weir_host *host, const weir_delivery *delivery)
{
    return host->token(delivery);
}

size_t glue_count(const weir_host *host, const weir_delivery *delivery)
{
    return host->count(delivery);
}

weir_str glue_field(const weir_host *host, const weir_delivery *delivery, size_t i, int32_t which)
{
    return host->field(host->at(delivery, i), which);
}

void glue_complete_rest(const weir_host *host, weir_instance *instance, uint64_t token,
                        int32_t outcome, weir_str reason)
{
    host->complete_rest(instance, token, outcome, reason);
}

/* A sink is a number to C, and an object to Go. */
static int32_t sink_open(const weir_host *host, weir_instance *instance, void **self)
{
    uintptr_t sink = 0;
    int32_t rc = sinkOpen((weir_host *)(uintptr_t)host, instance, &sink);
    *self = (void *)sink;
    return rc;
}

static void sink_close(void *self)
{
    sinkClose((uintptr_t)self);
}

static void sink_deliver(void *self, weir_delivery *delivery)
{
    sinkDeliver((uintptr_t)self, delivery);
}

static const weir_option options[] = {
    {.name = "path",
     .fallback = "\"changes.jsonl\"",
     .type = WEIR_O_PATH,
     .help = "The file that gets one line a record; relative to the configuration."},
    {.name = NULL},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 0),
    .struct_size = sizeof plugin,
    .flags = WEIR_P_KEEPS_ORDER, /* a whole delivery succeeds or fails, in order */
    .name = "my_sink",
    .version = "0.1.0",
    .summary = "Appends every record to a file.",
    .options = options,
    .repeats = WEIR_R_NONE,
    .open = sink_open,
    .close = sink_close,
    .deliver = sink_deliver,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
