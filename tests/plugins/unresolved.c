/* Calls a function that no library has. */
#include "sink.h"

int32_t not_anywhere(void);

static int32_t unresolved_record(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    return not_anywhere();
}

PLUGIN("unresolved", .open = plain_open, .close = plain_close, .record = unresolved_record)
