/* A descriptor with one fault, named by the environment variable WEIR_TEST_FAULT; without it,
 * sound. */
#include "sink.h"

static int32_t any_record(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    return WEIR_OK;
}

static void any_deliver(void *self, weir_delivery *delivery)
{
    (void)self;
    (void)delivery;
}

#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, 0, 0, NULL, NULL                                                               \
    }
static const weir_option bad_name[] = {{"two words", NULL, WEIR_O_INT, 0, NULL, NULL}, END};
static const weir_option twice[] = {
    {"a", NULL, WEIR_O_INT, 0, NULL, NULL}, {"a", NULL, WEIR_O_INT, 0, NULL, NULL}, END};
static const weir_option bad_type[] = {{"a", NULL, 99, 0, NULL, NULL}, END};
static const weir_option no_choices[] = {{"a", NULL, WEIR_O_ENUM, 0, NULL, NULL}, END};
static const weir_option hole[] = {{"a", NULL, WEIR_O_ENUM, 0, "x||y", NULL}, END};
static const weir_option fallback[] = {{"a", "1", WEIR_O_DURATION_MS, 0, NULL, NULL}, END};
static const weir_option not_json[] = {{"a", "5s", WEIR_O_DURATION_MS, 0, NULL, NULL}, END};
static const weir_option both[] = {{"a", "1", WEIR_O_INT, WEIR_O_REQUIRED, NULL, NULL}, END};

static weir_plugin plugin;

static weir_plugin sound(void)
{
    return (weir_plugin){.abi = WEIR_ABI_CURRENT,
                         .abi_min = WEIR_ABI(1, 0),
                         .struct_size = sizeof plugin,
                         .name = "malformed",
                         .version = "1.0.0",
                         .summary = "For tests.",
                         .open = plain_open,
                         .close = plain_close,
                         .record = any_record};
}

#define FAULT(label, change)                                                                       \
    if (strcmp(fault, label) == 0) {                                                               \
        change;                                                                                    \
        return &plugin;                                                                            \
    }

static const weir_plugin *with_option_fault(const char *fault)
{
    FAULT("option name", plugin.options = bad_name)
    FAULT("option twice", plugin.options = twice)
    FAULT("option type", plugin.options = bad_type)
    FAULT("option choices", plugin.options = no_choices)
    FAULT("option hole", plugin.options = hole)
    FAULT("option fallback", plugin.options = fallback)
    FAULT("option not json", plugin.options = not_json)
    FAULT("option both", plugin.options = both)
    FAULT("subscription size", plugin.subscription.struct_size = 4)
    FAULT("subscription events",
          plugin.subscription = ((weir_subscription){sizeof(weir_subscription), 8, 0, 0, NULL}))
    FAULT("subscription images",
          plugin.subscription = ((weir_subscription){sizeof(weir_subscription), 0, 16, 0, NULL}))
    FAULT("subscription changed",
          plugin.subscription = ((weir_subscription){sizeof(weir_subscription), 0, 0, 1, NULL}))
    return &plugin;
}

const weir_plugin *weir_plugin_entry(uint32_t host_abi)
{
    const char *fault = getenv("WEIR_TEST_FAULT");
    (void)host_abi;
    plugin = sound();
    if (!fault)
        return &plugin;
    if (strcmp(fault, "nothing") == 0)
        return NULL;
    FAULT("abi major", plugin.abi = WEIR_ABI(2, 0))
    FAULT("abi old", plugin.abi = WEIR_ABI(0, 9))
    FAULT("abi_min", plugin.abi = plugin.abi_min = WEIR_ABI(1, 99))
    FAULT("size tiny", plugin.struct_size = 12)
    FAULT("size huge", plugin.struct_size = 0x10000000)
    FAULT("no name", plugin.name = NULL)
    FAULT("name", plugin.name = "../malformed")
    FAULT("empty name", plugin.name = "")
    FAULT("no version", plugin.version = NULL)
    FAULT("no summary", plugin.summary = NULL)
    FAULT("no open", plugin.open = NULL)
    FAULT("no close", plugin.close = NULL)
    FAULT("neither", plugin.record = NULL)
    FAULT("both", plugin.deliver = any_deliver)
    FAULT("repeats", plugin.repeats = 7)
    return with_option_fault(fault);
}
