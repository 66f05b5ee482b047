/* Its constructor ends the process before anybody asked it anything. */
#include "sink.h"

__attribute__((constructor)) static void leave(void)
{
    exit(0);
}

static int32_t exit_record(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    return WEIR_OK;
}

PLUGIN("ctor_exit", .open = plain_open, .close = plain_close, .record = exit_record)
