/* Records of one stream and one event are alike but for a few values. A stencil is one such record,
 * read in full before, as fixed text with holes: where the text stands again and each hole holds a
 * value of its kind, the whole record is known without looking at any name. What does not fit is
 * read the long way (fields.c), so that a stencil never decides that a record is bad. */
#ifndef WEIR_RECORD_STENCIL_H
#define WEIR_RECORD_STENCIL_H
#include "record/decode.h"

enum { STENCIL_HOLES = 96, STENCIL_BOXES = 16, STENCIL_EVENTS = 3 };

enum hole_kind {
    HOLE_TEXT, /* of an S, or any string in an image that nobody wants */
    HOLE_NUMBER,
    HOLE_BINARY,
    HOLE_TRUTH,
    HOLE_SECONDS,
    HOLE_DIGITS, /* the sequence number */
    HOLE_SIZE
};

struct hole {
    const char *text; /* what stands before it, in the record that the stencil was made of */
    uint32_t text_bytes;
    uint8_t kind;
    uint16_t node;                      /* index + 1 of the node that takes the value; 0 = none */
    uint32_t key_back, key_bytes, bits; /* of that node; its name begins key_back before the hole,
                                           0 = it has none */
};

/* A node that is no hole: it begins behind hole `from` - 1 and ends behind hole `to` - 1. */
struct box {
    struct node node;
    uint32_t index, from, to;
    uint32_t from_bytes, to_bytes; /* further on from there */
    uint32_t key_back;
};

struct stencil {
    struct record record; /* all but the holes */
    uint32_t hole_count, box_count;
    uint32_t seconds, sequence; /* holes, + 1; 0 = not a hole, hence as in `record` */
    const char *tail;           /* behind the last hole */
    uint32_t tail_bytes;
    uint32_t misses; /* one after the other */
    struct hole hole[STENCIL_HOLES];
    struct box box[STENCIL_BOXES];
};

struct stencils {
    int credit;       /* won by hits, lost by misses; 0 = these records are not alike */
    const char *head; /* what stands before the eventID; NULL until there is a stencil */
    uint32_t head_bytes;
    uint32_t name_at; /* from the eventID's end to the eventName; the same in all stencils */
    struct stencil *of_event[STENCIL_EVENTS]; /* places in `room`, or NULL */
    struct stencil room[STENCIL_EVENTS];
};

/* Reads the record at p by its stencil into d->head, finished: behind it. NULL: read it the long
 * way; then d->learn says whether to call stencil_learn() afterwards. */
const char *stencil_apply(struct decoder *d, const char *p);
/* The record at work, finished and sound, becomes the stencil of its event, if it can be one. */
void stencil_learn(struct decoder *d);
void stencils_free(struct stencils *stencils); /* NULL is fine */

/* Which stencil a record is for, by its eventName's first bytes; -1 = none. Reads eight. */
static inline int stencil_place(const char *name)
{
    static const char relevant[8] = {'\xff', '\xff', '\xff', '\xff', '\xff', '\xff', '\xff', 0};
    uint64_t word = scan_load64(name) & scan_load64(relevant);
    if (word == scan_load64("MODIFY\""))
        return 0;
    if (word == scan_load64("INSERT\""))
        return 1;
    return word == scan_load64("REMOVE\"") ? 2 : -1;
}
#endif
