/* ${NAME}, ${NAME:-default}, ${file:PATH} and $$ in the string values of a tree. */
#ifndef WEIR_CONFIG_INTERPOLATE_H
#define WEIR_CONFIG_INTERPOLATE_H
#include "config/diag.h"

struct interpolation {
    struct arena *arena; /* of the results */
    struct diags *diags; /* problems; texts that came from files become its secrets */
    char **environ_block;
    const char *dir; /* what relative PATHs refer to */
};

/* Replaces `text` of every string value that holds a '$', but not below "x-...", "$schema" and the
 * top-level "tests". `raw` stays as written. 0 or -ENOMEM. */
int interpolate(const struct interpolation *in, struct json_value *root);

/* The value was written as exactly one interpolation, "${...}". */
bool interpolated_whole(const struct json_value *value);
/* `value`, or, where it is exactly one interpolation whose result reads as a number or boolean,
 * that (in the arena). */
const struct json_value *interpolated_scalar(struct arena *arena, const struct json_value *value);
#endif
