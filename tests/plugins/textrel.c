/* Sound C, but an address inside the code has to be relocated. */
#include "sink.h"

__asm__(".text\n.local relocated\nrelocated: .quad weir_plugin_entry\n");

static int32_t textrel_record(void *self, const weir_record *record)
{
    (void)self;
    (void)record;
    return WEIR_OK;
}

PLUGIN("textrel", .open = plain_open, .close = plain_close, .record = textrel_record)
