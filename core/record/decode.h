/* Inside the decoder: one pass over a body, record by record. The record at work stands with its
 * nodes in one growing block (`head`), which is copied to the batch's arena only when the record is
 * kept: what no sink wants costs no memory, and nodes refer to each other by distance, so that the
 * block can move. */
#ifndef WEIR_RECORD_DECODE_H
#define WEIR_RECORD_DECODE_H
#include "record/node.h"
#include "record/scan.h"
#include "util/decimal.h"

/* Bytes of an envelope that are the same in every record of one stream, remembered after their
 * first full parse: from behind eventName's value up to dynamodb's, and from behind SizeBytes'
 * value to the record's end. Where they stand again, what they say is known. */
struct run {
    const char *at;
    size_t len;
    uint32_t seen; /* members that it holds, enum member bits */
    uint8_t view;
    struct origin origin;
};

/* A name with its colon, as it stood in the last record at this place in its object. */
struct expected {
    const char *at;
    uint32_t mask; /* as many ones as it has bytes; 0 = none, or longer than 32 */
    uint32_t member;
};
enum { EXPECTED_MAX = 8 };

/* The names of a map that were found to be different, as they stand in the body. */
enum { PROVEN_NAMES = 64, PROVEN_MAPS = 8 };
struct proven {
    uint32_t count;
    uint32_t bytes[PROVEN_NAMES];
    const char *name[PROVEN_NAMES];
};

/* The nodes of an image of an earlier record: names and types stand again in the next ones. */
struct trail {
    struct node *nodes; /* owned; the image itself first */
    uint32_t cap;
    unsigned depth; /* brackets open around that image */
    int credit;     /* won and lost by how far images go along it; 0 = these are not alike */
};

/* Where a member's value of the dynamodb object at work stands. */
struct spot {
    const char *at, *end;
    uint32_t member;
};
enum { SPOTS_MAX = 12 };

struct decoder {
    struct batch *batch;
    const struct match_plan *plan;
    struct record *head; /* block of the record at work: the struct, then its nodes */
    uint32_t node_count, node_cap;
    uint32_t max_values, max_records;
    size_t record_cap;    /* of batch->records */
    size_t foreign_count; /* records that are no stream records at all */
    struct scan scan;
    const char *end;            /* of the body */
    const char *done_to;        /* end of the last record that was decoded, sound or not */
    uint32_t seen;              /* members that the record at work had so far */
    uint32_t wanted;            /* images to build for it, WEIR_* bits */
    struct origin origin;       /* of the record at work */
    struct rare rare;           /* and what few have; event_name is also that of a known event */
    weir_str envelope_sequence; /* of the Kinesis envelope at work */
    const struct origin *last_origin; /* of the record before; NULL = none yet */
    bool capital_user; /* its userIdentity is spelled as the API does, not as Lambda */
    int status;        /* why the body can't go on: -EBADMSG (see scan), -EMSGSIZE, -ENOMEM */
    bool out_of_memory;
    bool pipes;      /* the records stand in a bare array */
    bool unbalanced; /* the brackets of the rest of the body were found not to balance */
    weir_str data;   /* raw base64 of the Kinesis envelope at work */
    uint32_t data_escaped;
    uint64_t hash_seed;
    struct proven proven[PROVEN_MAPS]; /* by the number of names */
    struct trail trail;
    struct run lead, tail;
    const char *run_start;          /* a run that is being parsed in full; NULL = none */
    uint32_t run_seen;              /* d->seen where it began */
    struct stencils *stencils;      /* stencil.h; NULL = none yet */
    const struct stencil *standing; /* the one that `head` was last filled from */
    bool learn;                     /* the record at work could become a stencil */
    uint32_t spot_count;
    struct spot spot[SPOTS_MAX];
    bool tail_done;                            /* the record ended with its remembered tail */
    struct expected expected[2][EXPECTED_MAX]; /* of records, of their dynamodb objects */
    weir_str arn, arn_table;                   /* the last ARN that was taken apart */
    /* record_parse and stencil_apply, the fastest that this processor has */
    const char *(*parse)(struct decoder *d, const char *p, bool inner);
    const char *(*apply)(struct decoder *d, const char *p);
    uint32_t *slots; /* hash table for large maps */
    size_t slot_count;
};

enum member {
    M_UNKNOWN = 0,
    M_EVENT_ID = 1 << 0,
    M_EVENT_NAME = 1 << 1,
    M_REGION = 1 << 2,
    M_DYNAMODB = 1 << 3,
    M_ARN = 1 << 4,
    M_USER = 1 << 5,
    M_TABLE = 1 << 6,
    M_FORMAT = 1 << 7,
    M_KINESIS = 1 << 8,
    M_CREATED = 1 << 9,
    M_KEYS = 1 << 10,
    M_NEW = 1 << 11,
    M_OLD = 1 << 12,
    M_SEQUENCE = 1 << 13,
    M_SIZE = 1 << 14,
    M_VIEW = 1 << 15,
    M_DATA = 1 << 16,
    M_ENVELOPE_SEQUENCE = 1 << 17,
    M_TYPE = 1 << 18,
    M_PRINCIPAL = 1 << 19,
    M_RECORDS = 1 << 20,
    M_NEXT = 1 << 21,
    M_CAPITAL = 1 << 22, /* of userIdentity: spelled as the API does */
    M_EVENT_SOURCE = 1 << 23
};
/* The member that a name means, whatever object it stands in. `name` as written. */
enum member member_named(weir_str name, uint32_t escaped);

/* ---- image.c ---- `p` on the '{' of a map of attributes; its node is the next one. Validates
 * everything, N by DynamoDB's grammar, B as base64, no name twice. `twin`: index + 1 of the node of
 * another image of the same record, 0 = none: old and new images share most of their attributes,
 * and bytes that stand alike there need no second look. Without a twin it is read along `trail`,
 * unless that is NULL, and leaves its own. */
const char *image_build(struct decoder *d, const char *p, unsigned depth, uint32_t twin,
                        struct trail *trail);
/* ---- trail.c ---- `p` on the '{' of an image that nobody wants: behind it, when it goes along the
 * trail; else NULL, which says nothing about it. */
const char *trail_skip(struct decoder *d, const char *p, unsigned depth);
bool base64_valid(const char *p, size_t len); /* a NUL or any byte may follow */
/* Nearly all are seen at a glance; the rest is decimal_parse's. */
static inline bool number_valid(const char *p, size_t len)
{
    struct decimal parsed;
    return likely(scan_plain_number(p, len)) || decimal_parse((weir_str){p, len}, &parsed) == 0;
}

/* ---- fields.c ---- one record's object, `p` on its '{', into d->head. `inner`: it is what a
 * Kinesis envelope held. */
const char *record_parse(struct decoder *d, const char *p, bool inner);
/* pass.h: the same pass for this processor. */
/* A string without its escapes; arena memory where it has some. */
weir_str plain_text(struct decoder *d, weir_str raw, uint32_t escaped);

/* ---- head.c ---- the record at work */
int head_reserve(struct decoder *d, uint32_t nodes); /* room for so many nodes; -ENOMEM, -E2BIG */
void head_begin(struct decoder *d);
/* All members were read: what follows from them. */
void head_finish(struct decoder *d, weir_str raw);
/* d->origin and d->rare are what they are to be: the record points to them. */
void head_point_around(struct decoder *d);
/* Matches, then keeps or drops. 0, or d->status. */
int head_keep(struct decoder *d);
int head_store(
    struct decoder *d); /* keeps it: into the arena, among the batch's records. 0, -ENOMEM */

/* ---- poison.c ---- makes the record at work a poison record of the bytes [start, end) for the
 * fault in d->scan, and reads of it what can be read. */
void poison_fill(struct decoder *d, const char *start, const char *end);

/* ---- one.c ---- one record of a body: sound, poison, kept or not. Returns behind it; NULL with
 * d->status when the body can't go on. `line`: it is a document of its own in a body of lines. */
const char *record_one(struct decoder *d, const char *p, bool line);
/* Behind what is not valid JSON and began at `start`, the fault being in d->scan. In a body of
 * lines the line's end is the surest place to go on from, unless the fault is on a later line and
 * the brackets balance. Otherwise NULL when they don't. */
const char *decode_resume(struct decoder *d, const char *start, bool line);
const char *decode_bad(struct decoder *d, const char *at,
                       const char *reason); /* NULL, status -EBADMSG */

/* ---- shape.c ---- the whole body. 0 or d->status. */
int body_decode(struct decoder *d, const char *p, bool lines);
#endif
