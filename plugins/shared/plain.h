/* Records and values as untyped JSON of printable ASCII: {"price":12.5}. Numbers are exact, binary
 * is base64, sets are lists. */
#ifndef WEIR_PLUGINS_SHARED_PLAIN_H
#define WEIR_PLUGINS_SHARED_PLAIN_H
#include "shared/text.h"

/* False: nested too deeply. */
bool put_plain_value(const weir_host *host, const weir_value *value, weir_buf *out);
bool put_plain_record(const weir_host *host, const weir_record *record, weir_buf *out);

/* As a JSON string, with its quotes. */
void put_base64(weir_buf *out, weir_str bytes);

/* "INSERT", "MODIFY", "REMOVE"; "OTHER" for an event of another name. */
const char *event_name(int32_t event);
#endif
