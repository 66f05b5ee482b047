/* Takes deliveries and never completes one, also not when cancelled. */
#include "sink.h"

static void never_deliver(void *self, weir_delivery *delivery)
{
    (void)self;
    (void)delivery;
}

static void never_cancel(void *self, uint64_t token)
{
    (void)self;
    (void)token;
}

PLUGIN("never", .open = plain_open, .close = plain_close, .deliver = never_deliver,
       .cancel = never_cancel)
