/* Does as it should: every record is OK, at once. */
#include "sink.h"

static int32_t good_record(void *self, const weir_record *record)
{
    const struct sink *sink = self;
    return sink->host->field(record, WEIR_F_EVENT_ID).len > 0 ? WEIR_OK : WEIR_FAIL;
}

PLUGIN("good", .open = plain_open, .close = plain_close, .record = good_record)
