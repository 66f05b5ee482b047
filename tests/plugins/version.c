/* Descriptors of other ABI versions: BADABI another major, BADMIN wants a newer host, SMALLSTRUCT
 * an older and shorter struct, BIGSTRUCT a newer minor's longer one. */
#include "sink.h"

static int32_t version_record(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    return WEIR_OK;
}

#if defined(SMALLSTRUCT)
static void never_called(void *self, uint64_t token)
{
    (void)self;
    (void)token;
    abort();
}
#endif

static const struct {
    weir_plugin plugin;
    char grown[64];
} versioned = {.plugin = {.version = "1.0.0",
                          .summary = "For tests.",
                          .open = plain_open,
                          .close = plain_close,
                          .record = version_record,
#if defined(BADABI)
                          .abi = WEIR_ABI(2, 0),
                          .abi_min = WEIR_ABI(2, 0),
                          .struct_size = sizeof(weir_plugin),
                          .name = "badabi"
#elif defined(BADMIN)
                          .abi = WEIR_ABI(1, 99),
                          .abi_min = WEIR_ABI(1, 99),
                          .struct_size = sizeof(weir_plugin),
                          .name = "badmin"
#elif defined(SMALLSTRUCT)
                          .abi = WEIR_ABI(1, 0),
                          .abi_min = WEIR_ABI(1, 0),
                          .struct_size = offsetof(weir_plugin, cancel),
                          .cancel = never_called, /* what lies behind struct_size is not ours */
                          .name = "smallstruct"
#elif defined(BIGSTRUCT)
                          .abi = WEIR_ABI(1, 9),
                          .abi_min = WEIR_ABI(1, 0),
                          .struct_size = sizeof versioned,
                          .name = "bigstruct"
#endif
               },
               .grown = "what a later minor appended"};

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    (void)host_abi;
    return &versioned.plugin;
}
