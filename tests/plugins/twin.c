/* Two plugins, TWIN_NAME, with a global of the same name: each must see its own. */
#include "sink.h"

extern const char *twin_says(void);
const char *twin_says(void)
{
    return TWIN_NAME;
}

static int32_t twin_open(const weir_host *host, weir_instance *instance, void **self)
{
    host->log(instance, WEIR_LOG_INFO, weir_cstr(twin_says()));
    return plain_open(host, instance, self);
}

static int32_t twin_record(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    return WEIR_OK;
}

PLUGIN(TWIN_NAME, .open = twin_open, .close = plain_close, .record = twin_record)
