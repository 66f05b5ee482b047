/* One decoded batch: the bytes that came in together, the records in them, and the arena that holds
 * what was derived. Immutable once decoded, reference-counted, readable from any thread. */
#ifndef WEIR_RECORD_RECORD_H
#define WEIR_RECORD_RECORD_H
#include "util/arena.h"
#include "util/err.h"
#include "util/str.h"
#include <stdatomic.h>
#include <stdint.h>

struct batch;
struct record;
struct lazy; /* results made on first access (unescaped text, EVENT_JSON, item key) */

/* One attribute value, or one entry of a list or set, or a whole image (an M without a wrapper).
 * 32 bytes, in the batch's arena, children directly behind their parent. This is what
 * `const weir_value *` points at. */
struct node {
    const char *key; /* attribute name as written (still escaped), NULL for list and set entries */
    const char *val; /* inner value: string content without quotes, or '{'/'[' or literal */
    uint32_t key_bytes, val_bytes;
    uint32_t next; /* distance to the node after this one's subtree; children are [1, next) */
    uint32_t bits; /* node.h: type, escape flags, place among the record's nodes */
};

enum batch_shape {
    SHAPE_LAMBDA = 1, /* {"Records":[...]} with Lambda records */
    SHAPE_ARRAY,      /* [...]: EventBridge Pipes */
    SHAPE_GETRECORDS, /* an answer of GetRecords (also holds NextShardIterator) */
    SHAPE_LINES,      /* records or documents one after the other */
    SHAPE_KINESIS     /* {"Records":[{"kinesis":{"data":...}}]} or the same as an array */
};

enum { READ_EVENTS = 5 };
const char *read_event_name(size_t index); /* INSERT, MODIFY, REMOVE, other, poison */

/* Records and bytes that a source has read. */
struct read_counts {
    uint64_t events[READ_EVENTS];
    uint64_t bytes;
};
void read_counts_add(struct read_counts *counts, const struct batch *batch);

/* Where a record comes from: one for all records of a batch for which it is the same. */
struct origin {
    weir_str stream_arn, table, region;
};

/* What few records have. */
struct rare {
    weir_str event_name;  /* of an event that is none of the three */
    weir_str envelope_id; /* Kinesis: the eventID around the record's own */
};

/* A batch has up to 10,000 of them, so it is kept small. */
struct record {
    _Alignas(16) struct batch *batch; /* its nodes, directly behind, stand on 32 bytes */
    weir_str raw;                     /* as received; Kinesis: the JSON inside `data` */
    weir_str event_id;
    weir_str position; /* by which its source orders and resumes: the sequence number; of Kinesis
                          records, which have none, the envelope's */
    const struct origin *origin; /* never NULL */
    const struct rare *rare;     /* NULL: nothing of it */
    int64_t created_us;
    uint64_t item_hash; /* of the canonical item key: the lane for order: item */
    uint64_t matched;   /* bit i: sink i wants it */
    uint64_t unmet;     /* bit i: sink i would have to see an image that the record has not got */
    _Atomic(struct lazy *) lazy; /* results made on first access; record/lazy.h */
    const char *poison;          /* why it could not be decoded; NULL = sound. Static text */
    uint32_t poison_offset;      /* byte in the batch */
    uint32_t index;              /* its place among all records of the batch, from 0 */
    uint32_t image_at[3];        /* keys, old, new: its node's index, + 1; 0 = none, or not built */
    uint32_t node_count;         /* nodes, directly behind this struct */
    uint8_t event;               /* WEIR_INSERT ..., 0 = another name */
    uint8_t precision;           /* 1 s, 2 ms, 3 us, 0 none */
    uint8_t images;              /* WEIR_KEYS|OLD|NEW that it has, built or not */
    uint8_t view;                /* images that the stream's view type promises; 0 = not said */
    bool ttl_delete, pipes, kinesis;
    bool lambda_form; /* `raw` is in the shape that Lambda gets */
};

struct batch {
    _Atomic uint32_t refs;
    enum batch_shape shape;
    char *bytes; /* owned; 64 zero bytes behind bytes_len */
    size_t bytes_len;
    struct arena arena; /* nodes, records, decoded Kinesis data */
    struct record *
        *records; /* owned. Kept: those that matched a sink, would have (unmet), or are poison */
    size_t record_count;
    size_t read_count;                  /* all records seen, kept or not */
    uint32_t event_counts[READ_EVENTS]; /* of them, by event: read_event_name() */
    size_t stencil_count;               /* of them, read by the stencil of an earlier one */
    weir_str last_sequence;             /* of the last record with a readable position */
    weir_str
        next_iterator; /* GetRecords: NextShardIterator, unescaped; ptr NULL = absent or null */
    weir_str source_arn,
        shard; /* given by the source, for shapes whose records do not carry them */
    uint64_t matched_count[64]; /* per sink: records with its bit in `matched` or `unmet`; poison
                                   not counted */
};

struct match_plan;

struct decode_options {
    size_t max_bytes;           /* 0 = 6 MiB + 64 KiB */
    uint32_t max_records;       /* 0 = 10,000 */
    uint32_t max_values;        /* per record; 0 = 200,000 */
    weir_str source_arn, shard; /* copied */
    bool lines; /* several documents, separated by white space; a malformed one that ends
                   at a line end is one poison record */
};

/* Takes `bytes` (from mem_alloc, with room for 64 bytes of padding behind `len`, which it writes),
 * also on failure. Decodes in one pass, matches each record against `plan` (NULL: keep all, build
 * all images) and keeps what matched. A malformed record is kept as poison, its neighbours are
 * sound. 0 and *out with one reference; -EBADMSG with a reason and byte offset when the body can't
 * be split into records; -EMSGSIZE, -ENOMEM. [any thread] */
int batch_decode(char *bytes, size_t len, const struct match_plan *plan,
                 const struct decode_options *options, struct batch **out, struct err *err);
struct batch *batch_ref(struct batch *batch); /* returns batch. [any] */
void batch_unref(struct batch *batch);        /* NULL is fine. [any] */
size_t batch_pinned_bytes(const struct batch *batch);

/* A batch of its own with only this record, re-decoded from its raw bytes (same view of it: shape,
 * ARN, shard, position, match bits), so that a record held for long pins only itself. */
int record_copy(const struct record *record, const struct match_plan *plan, struct batch **out);

/* WEIR_F_* except the DEAD ones; len 0 = none. Lives as long as the batch. [any] */
weir_str record_field(const struct record *record, int which);
/* The number by which its source orders and resumes: sequence, or the Kinesis envelope's. */
weir_str record_position(const struct record *record);
/* What names it in a batchItemFailures answer: position, for Pipes the eventID; len 0 = unreadable.
 */
weir_str record_identifier(const struct record *record);

/* ---- values: const struct node * is const weir_value * ---- all [any], NULL-safe */
int value_type(const struct node *value); /* WEIR_T_* */
size_t value_size(const struct node *value);
const struct node *value_entry(const struct node *value, size_t index, weir_str *name);
/* As weir_host.walk. */
size_t value_walk(const struct node *value, size_t from, struct weir_entry *out, size_t max);
weir_str value_text(const struct node *value);
weir_str value_json(const struct node *value);
bool value_equal(const struct node *a, const struct node *b);
const struct node *record_image(const struct record *record, int image); /* WEIR_KEYS, _OLD, _NEW */
const struct node *value_path(const struct node *map, const char *path);
const struct node *value_member(const struct node *map,
                                weir_str name); /* top-level, unescaped name */
#endif
