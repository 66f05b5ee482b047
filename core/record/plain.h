/* JSON strings compared and hashed by what they mean, without memory: escapes are undone on the
 * way. */
#ifndef WEIR_RECORD_PLAIN_H
#define WEIR_RECORD_PLAIN_H
#include "util/str.h"
#include <stdint.h>

/* Walks the unescaped bytes of a valid JSON string's content; `escaped` false: no byte is special.
 */
struct plain {
    const char *at, *end;
    bool escaped;
    char piece[8]; /* one escape's bytes */
    uint8_t have, used;
};
struct plain plain_of(weir_str raw, bool escaped);
int plain_next(struct plain *plain); /* a byte 0..255, or -1 at the end */

bool plain_equal(weir_str a, bool a_escaped, weir_str b, bool b_escaped);
uint64_t plain_hash(uint64_t seed, weir_str raw, bool escaped); /* as hash_bytes of the unescaped */
#endif
