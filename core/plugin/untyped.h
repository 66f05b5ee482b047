/* Records and values as untyped JSON of printable ASCII: {"price":12.5}. Numbers are exact, binary
 * is base64, sets are lists. By the host's table alone, so that any host has the same. */
#ifndef WEIR_PLUGIN_UNTYPED_H
#define WEIR_PLUGIN_UNTYPED_H
#include "util/buf.h"

/* 0; -EBADMSG when nested too deeply; or as the appends of a buffer. */
int untyped_put_value(const weir_host *host, const weir_value *value, struct buf *out);
int untyped_put_record(const weir_host *host, const weir_record *record, struct buf *out);
/* The time with the digits that its source gave: "2026-11-22T22:21:14.031Z", with quotes; null when
 * there is none. */
void untyped_put_time(const weir_host *host, const weir_record *record, struct buf *out);
/* "INSERT", "MODIFY", "REMOVE"; "OTHER" for an event of another name. */
const char *untyped_event(int32_t event);
#endif
