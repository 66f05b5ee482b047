/* What the test plugins share: an instance that knows its host, and the descriptor's boilerplate.
 */
#ifndef WEIR_TESTS_SINK_H
#define WEIR_TESTS_SINK_H
#include <weir/ext/timer.h>
#include <weir/util.h>
#include <errno.h>

struct sink { /* first member of every test plugin's own struct */
    const weir_host *host;
    weir_instance *instance;
};

/* For open(): a zeroed struct of `bytes` that begins with a struct sink. */
static inline int32_t sink_open(const weir_host *host, weir_instance *instance, size_t bytes,
                                void **self)
{
    struct sink *sink = calloc(1, bytes);
    if (!sink)
        return -ENOMEM;
    sink->host = host;
    sink->instance = instance;
    *self = sink;
    return 0;
}

static inline int64_t sink_number(const struct sink *sink, const char *option)
{
    int64_t value = 0;
    sink->host->option_i64(sink->instance, option, &value);
    return value;
}

static inline int32_t plain_open(const weir_host *host, weir_instance *instance, void **self)
{
    return sink_open(host, instance, sizeof(struct sink), self);
}

static inline void plain_close(void *self)
{
    free(self);
}

/* PLUGIN("name", members of weir_plugin...) */
#define PLUGIN(plugin_name, ...)                                                                   \
    static const weir_plugin plugin = {.abi = WEIR_ABI_CURRENT,                                    \
                                       .abi_min = WEIR_ABI(1, 0),                                  \
                                       .struct_size = sizeof plugin,                               \
                                       .name = plugin_name,                                        \
                                       .version = "1.0.0",                                         \
                                       .summary = "For tests.",                                    \
                                       __VA_ARGS__};                                               \
    const weir_plugin *weir_plugin_entry(uint32_t host_abi)                                        \
    {                                                                                              \
        (void)host_abi;                                                                            \
        return &plugin;                                                                            \
    }
#endif
