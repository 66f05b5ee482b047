/* Logs what _X_AMZN_TRACE_ID is in its environment while a record is delivered. */
#include "sink.h"
#include <stdlib.h>

static int32_t environ_record(void *self, const weir_record *record)
{
    const struct sink *sink = self;
    const char *trace = getenv("_X_AMZN_TRACE_ID");
    (void)record;
    weir_logf(sink->host, sink->instance, WEIR_LOG_INFO, "_X_AMZN_TRACE_ID=%s",
              trace ? trace : "(unset)");
    return WEIR_OK;
}

PLUGIN("environ", .open = plain_open, .close = plain_close, .record = environ_record)
