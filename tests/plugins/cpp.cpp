// A plugin in C++11: the same header, no third-party anything.
#include <weir/util.h>
#include <cerrno>
#include <new>

namespace
{
struct Cpp {
    const weir_host *host;
    weir_instance *instance;
    uint64_t records;
};

int32_t open(const weir_host *host, weir_instance *instance, void **self)
{
    Cpp *sink = new (std::nothrow) Cpp();
    if (!sink)
        return -ENOMEM;
    sink->host = host;
    sink->instance = instance;
    *self = sink;
    return 0;
}

void close(void *self)
{
    delete static_cast<Cpp *>(self);
}

int32_t record(void *self, const weir_record *record)
{
    Cpp *sink = static_cast<Cpp *>(self);
    weir_str id = sink->host->field(record, WEIR_F_EVENT_ID);
    weir_logf(sink->host, sink->instance, WEIR_LOG_INFO, "%.*s from C++", WEIR_ARG(id));
    return weir_equal(id, WEIR_STR("e1")) ? WEIR_OK : WEIR_SKIP;
}

weir_plugin describe()
{
    weir_plugin plugin = weir_plugin();
    plugin.abi = WEIR_ABI_CURRENT;
    plugin.abi_min = WEIR_ABI(1, 0);
    plugin.struct_size = sizeof plugin;
    plugin.name = "cpp";
    plugin.version = "1.0.0";
    plugin.summary = "A plugin in C++.";
    plugin.open = open;
    plugin.close = close;
    plugin.record = record;
    return plugin;
}

const weir_plugin plugin = describe();
} // namespace

extern "C" const weir_plugin *weir_plugin_entry(uint32_t)
{
    return &plugin;
}
