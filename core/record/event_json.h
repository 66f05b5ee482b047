/* A record in the shape that Lambda gets, whatever it came in. */
#ifndef WEIR_RECORD_EVENT_JSON_H
#define WEIR_RECORD_EVENT_JSON_H
#include "record/record.h"
#include "util/buf.h"

/* Appends it: members in their order and with their bytes; creation time in whole seconds,
 * userIdentity in lower case, eventVersion and eventSourceARN added where they are missing. For
 * sound records. */
int event_json_put(struct buf *out, const struct record *record);
/* The same without OldImage and NewImage: what points at a record that is too large. */
int event_json_put_pointer(struct buf *out, const struct record *record);
#endif
