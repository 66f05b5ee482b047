/* The tokens of JSON text that have an inside: strings and numbers. Used by the DOM reader and by
 * whatever walks JSON without building one. */
#ifndef WEIR_JSON_SCAN_H
#define WEIR_JSON_SCAN_H
#include "util/str.h"

struct json_scan_error {
    const char *at;     /* the offending byte */
    const char *reason; /* static text */
};

/* `at` is behind an opening quote. Returns the closing quote, *escaped telling whether there were
 * escapes; or NULL with *error: control characters, bad escapes, lone surrogates, bad UTF-8, no
 * end. */
const char *json_scan_string(const char *at, const char *end, bool *escaped,
                             struct json_scan_error *error);
/* `at` is a digit or '-'. Returns what follows the number, or NULL with *error. */
const char *json_scan_number(const char *at, const char *end, struct json_scan_error *error);
#endif
