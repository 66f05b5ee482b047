/* One set of AWS keys. Secrets never reach a log, and are wiped when they go. */
#ifndef WEIR_AWS_CREDENTIALS_H
#define WEIR_AWS_CREDENTIALS_H
#include "util/str.h"
#include <stdint.h>

struct credentials {
    char *access_key, *secret_key; /* NUL-terminated, owned */
    char *session_token;           /* or NULL */
    int64_t expires_us;            /* unix time; 0 = never */
    uint64_t generation;           /* differs between two sets: caches of derived keys compare it */
};

/* Copies; a token of length 0 is none. -EINVAL when a value is empty or holds a byte that can't
 * stand in a header, -ENOMEM. */
int credentials_set(struct credentials *out, weir_str access_key, weir_str secret_key,
                    weir_str session_token);
void credentials_done(struct credentials *credentials); /* wipes and frees; as zeroed after it */

void wipe(void *bytes, size_t len); /* not optimised away */
void wipe_free(char *text);         /* wipes a NUL-terminated text and frees it; NULL is fine */
#endif
