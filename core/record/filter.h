/* FilterCriteria of event source mappings: EventBridge patterns as AWS evaluates them, that is, as
 * its library event-ruler 2.1 does. Known differences, none of which a DynamoDB record can well
 * meet: IPv4 and IPv6 never match each other's blocks; case is ignored for single characters (not
 * sharp s against SS); numbers compare exactly up to 17 digits (there, while their double prints
 * the same) and DynamoDB's exponents; and nothing may follow a pattern's closing brace. */
#ifndef WEIR_RECORD_FILTER_H
#define WEIR_RECORD_FILTER_H
#include "json/json.h"
#include "util/buf.h"
#include "util/err.h"

struct filter;

/* What is wrong with a pattern, or suspicious in it. `at` points into the pattern's text (raw of
 * the offending value), so that config can show it. */
struct filter_note {
    weir_str at;
    char msg[200];
    char help[160];
    bool fatal;
};

/* Compiles {"Filters":[{"Pattern": "<json text>" or object}...]}, or one pattern object directly,
 * or an array of pattern objects (any of them matches). Notes (up to notes_max, *note_count of
 * them) hold the reason of a refusal and the warnings: `numeric` below an N, `exists` on an
 * attribute name instead of its type leaf. 0, -EINVAL, -ENOMEM. */
int filter_new(const struct json_value *pattern, struct filter **out, struct filter_note *notes,
               size_t notes_max, size_t *note_count);
void filter_free(struct filter *filter);
/* Evaluates over one JSON object as text (a record's EVENT_JSON). Malformed text: false. No
 * allocation in the usual case. [any thread] */
bool filter_matches(const struct filter *filter, weir_str json);
/* For people, about an object that does not match: the first place of the pattern (of several
 * patterns, of the one that comes nearest) at which no value is allowed. `path` is the filter's;
 * len 0 = each place has an allowed value, but not all in one element of an array. Appends the
 * values that stand there as a JSON list, empty where nothing does; strings are cut to
 * `value_bytes`. */
void filter_why(const struct filter *filter, weir_str json, size_t value_bytes, weir_str *path,
                struct buf *values);
#endif
