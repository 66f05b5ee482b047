/* Which endpoints a configuration may name (FAULTS S11, S13). */
#ifndef WEIR_CONFIG_ENDPOINT_H
#define WEIR_CONFIG_ENDPOINT_H
#include "util/str.h"

/* NULL when `url` is fine, else the reason, as the end of a sentence that begins with the url.
 * Plain http is for loopback, unless allow_http. */
const char *endpoint_problem(weir_str url, bool allow_http);
#endif
