/* `weir plugin check`: the part that runs in a child process, next to the plugin. What it finds
 * goes to the parent as lines, so that nothing is lost when the plugin takes the process down. */
#ifndef WEIR_KIT_CHECK_H
#define WEIR_KIT_CHECK_H
#include <stdint.h>

struct check_request {
    const char *path;    /* absolute; the file was checked without being loaded */
    const char *options; /* a JSON object; NULL = the defaults, and made-up values for the rest */
    uint64_t seed;
    int out; /* what is found: one line each, fields separated by tabs */
};

/* Lines of the report: "@ WHAT" = it begins to do this (also a sign of life); "ok|note|FAIL NAME
 * TEXT HELP" = a finding; "end" = all was done. Runs in a folder of its own, which the caller has
 * made the current one. */
void check_run(const struct check_request *request);
#endif
