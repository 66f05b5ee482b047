/* FilterCriteria of event source mappings: EventBridge patterns, exactly as AWS evaluates them. */
#ifndef WEIR_RECORD_FILTER_H
#define WEIR_RECORD_FILTER_H
#include "json/json.h"
#include "util/err.h"

struct filter;

/* What is wrong with a pattern, or suspicious in it. `at` points into the pattern's text (raw of the
 * offending value), so that config can show it. */
struct filter_note {
    weir_str at;
    char msg[200];
    char help[160];
    bool fatal;
};

/* Compiles {"Filters":[{"Pattern": "<json text>" or object}...]}, or one pattern object directly, or an array of
 * pattern objects (any of them matches). Notes (up to notes_max, *note_count of them) hold the
 * reason of a refusal and the warnings: `numeric` below an N, `exists` on an attribute name instead of
 * its type leaf. 0, -EINVAL, -ENOMEM. */
int filter_new(const struct json_value *pattern, struct filter **out, struct filter_note *notes,
               size_t notes_max, size_t *note_count);
void filter_free(struct filter *filter);
/* Evaluates over one JSON object as text (a record's EVENT_JSON). Malformed text: false. No allocation
 * in the usual case. [any thread] */
bool filter_matches(const struct filter *filter, weir_str json);
#endif
