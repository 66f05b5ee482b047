/* What must not stand in a log line: known secrets, and the values of attributes that `log.redact`
 * names. Both are replaced by "***". A safety net: nobody is to log them in the first place. */
#ifndef WEIR_OBSERVE_LOG_MASK_H
#define WEIR_OBSERVE_LOG_MASK_H
#include "util/buf.h"
#include "util/str.h"

enum { MASK_SECRETS_MAX = 256, MASK_SECRET_MIN_BYTES = 4 };

/* Paths of attribute names from the top of an image: "ssn", "customer.ssn"; a step `*` stands for
 * any number of names, also none: "*.ssn" is one of that name anywhere, "customer.*" all that
 * customer is and holds. */
bool redact_covers(const char *const *patterns, weir_str path); /* path: "customer.ssn" */

struct log_mask { /* zeroed: nothing is hidden */
    weir_str *secrets;
    size_t secret_count;
    char **names; /* the last names of the patterns; NULL-terminated or NULL */
};

/* Copies; what is shorter than 4 bytes, or known, is left out. 0, -ENOMEM, -ENOSPC. */
int mask_add_secret(struct log_mask *mask, weir_str secret);
int mask_set_redact(struct log_mask *mask, const char *const *patterns); /* replaces; NULL = none */
void mask_done(struct log_mask *mask);                                   /* wipes */
bool mask_needed(const struct log_mask *mask, weir_str text);
/* Appends `text` without what is hidden. */
void mask_put(const struct log_mask *mask, weir_str text, struct buf *out);
#endif
