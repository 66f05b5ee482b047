/* One record's object, and the small steps that the walk over a body's outer objects shares with
 * it. */
#ifndef WEIR_RECORD_FIELDS_H
#define WEIR_RECORD_FIELDS_H
#include "record/decode.h"

enum {
    M_OF_CHANGE = M_KEYS | M_NEW | M_OLD | M_CREATED | M_SEQUENCE | M_SIZE | M_VIEW,
    M_OF_RECORD = M_EVENT_ID | M_EVENT_NAME | M_REGION | M_DYNAMODB | M_ARN | M_USER | M_TABLE |
                  M_FORMAT | M_KINESIS | M_DATA | M_ENVELOPE_SEQUENCE
};

/* A member's name and colon: returns its value's first byte. */
const char *member_begin(struct scan *scan, const char *p, enum member *member);
/* `p` on what must be '{': on the first name (*more), or behind the '}' of an empty object. */
const char *object_open(struct scan *scan, const char *p, bool *more);
/* Behind a value: on the next name (*more), or behind the '}'. */
const char *object_next(struct scan *scan, const char *p, bool *more);
#endif
