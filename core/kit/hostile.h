/* Stream records of a hostile world: the same seed gives the same bytes. */
#ifndef WEIR_KIT_HOSTILE_H
#define WEIR_KIT_HOSTILE_H
#include "util/buf.h"

struct hostile {
    uint64_t state; /* of the generator */
    uint64_t sequence;
    const char *const *names; /* attributes that the sink looks at; NULL-terminated, or NULL */
    const char *key;          /* of ordinary records; NULL = "id" */
};

uint64_t hostile_random(struct hostile *hostile, uint64_t below);
/* Appends one record in Lambda's shape. Valid JSON, but nothing else is promised: values of every
 * type and size, text that moves cursors, missing fields and images, unknown events. */
void hostile_record(struct hostile *hostile, struct buf *out);
/* Appends one that no one could object to, of one of `items` items. */
void hostile_ordinary(struct hostile *hostile, unsigned items, struct buf *out);
#endif
