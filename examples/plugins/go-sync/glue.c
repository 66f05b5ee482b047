#include "glue.h"
#include "_cgo_export.h"

weir_str glue_option(const weir_host *host, weir_instance *instance, const char *name)
{
    weir_str value = WEIR_NONE;
    host->option_str(instance, name, &value);
    return value;
}

void glue_option_error(const weir_host *host, weir_instance *instance, const char *name,
                       weir_str msg)
{
    host->option_error(instance, name, msg);
}

/* Only records whose attribute differs between the two images come to record(). */
int32_t glue_watch(const weir_host *host, weir_instance *instance, const char *attribute)
{
    const char *const watched[] = {attribute, NULL};
    const weir_subscription wants = {
        .struct_size = sizeof wants,
        .events = WEIR_INSERT | WEIR_MODIFY | WEIR_REMOVE,
        .images = WEIR_OLD | WEIR_NEW,
        .changed_only = 1,
        .attributes = watched,
    };
    return host->subscribe(instance, &wants);
}

weir_str glue_json(const weir_host *host, const weir_record *record, int32_t image,
                   const char *path)
{
    const weir_value *value = host->attr(record, image, path);
    return value ? host->json(value) : WEIR_STR("nothing");
}

void glue_log(const weir_host *host, weir_instance *instance, int32_t level, weir_str msg)
{
    host->log(instance, level, msg);
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

static int32_t sink_record(void *self, const weir_record *record)
{
    return sinkRecord((uintptr_t)self, (weir_record *)(uintptr_t)record);
}

static const weir_option options[] = {
    {.name = "attribute",
     .fallback = "\"price\"",
     .type = WEIR_O_STRING,
     .help = "The attribute whose changes are logged."},
    {.name = NULL},
};

static const weir_plugin plugin = {
    .abi = WEIR_ABI_CURRENT,
    .abi_min = WEIR_ABI(1, 0),
    .struct_size = sizeof plugin,
    .name = "my_sink",
    .version = "0.1.0",
    .summary = "Logs every change of one attribute.",
    .options = options,
    .repeats = WEIR_R_NONE,
    .open = sink_open,
    .close = sink_close,
    .record = sink_record,
};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &plugin;
}
