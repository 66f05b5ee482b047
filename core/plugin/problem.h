/* What is wrong with an option. */
#ifndef WEIR_PLUGIN_PROBLEM_H
#define WEIR_PLUGIN_PROBLEM_H
#include "json/json.h"

/* A problem with an option. `at` is the offending value or (for a missing or unknown name) the
 * object or member it concerns; whole_name: mark the member's name instead of its value. */
struct option_problem {
    const struct json_value *at;
    bool whole_name;
    const char *code; /* W0101 unknown key, 2 missing, 5 bad value, 7 wrong type, 8 secret */
    char msg[200], help[200];
};
typedef void (*option_problem_cb)(void *arg, const struct option_problem *problem);
#endif
