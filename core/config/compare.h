/* What differs between two configurations, as values and not as text: whitespace, comments, and a
 * default that is written out differ in nothing. */
#ifndef WEIR_CONFIG_COMPARE_H
#define WEIR_CONFIG_COMPARE_H
#include "config/config.h"

/* Appends the names of what differs among all but the sinks ("source, log.level"), those that
 * `only` wants; "" when there is none. */
typedef bool (*compare_only)(const char *path);
void config_differences(const struct config *a, const struct config *b, compare_only only,
                        struct buf *out);
/* Whether two sinks of the same name are to be the same instance. */
bool sink_config_same(const struct sink_config *a, const struct sink_config *b);
bool sink_filter_same(const struct sink_config *a, const struct sink_config *b); /* match.filter */
#endif
