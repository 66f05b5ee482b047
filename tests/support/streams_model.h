/* A model of DynamoDB Streams: shard trees, records, iterators, trimming, paging, and the ways in
 * which AWS and its emulators are awkward. Pure: no sockets, no clock (the time is given, unix
 * milliseconds), no allocation through util/alloc, no static state. It answers API calls, and it
 * shows everything it holds to whoever checks what a reader made of it. Fields without a function
 * are switches: set them at any time. */
#ifndef WEIR_TESTS_STREAMS_MODEL_H
#define WEIR_TESTS_STREAMS_MODEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_STREAMS "DynamoDBStreams_20120810."
#define MODEL_TABLES  "DynamoDB_20120810."

enum model_kind {
    MODEL_DESCRIBE_TABLE,
    MODEL_LIST,
    MODEL_DESCRIBE,
    MODEL_ITERATOR,
    MODEL_RECORDS,
    MODEL_KINDS
};

struct model_text { /* a growing text on malloc */
    char *ptr;
    size_t len, cap;
};

struct model_record {
    uint64_t number; /* what its sequence number counts: grows over the whole model */
    int64_t at_ms;   /* written */
    uint32_t item, version;
    uint8_t digits;     /* of its sequence number */
    uint8_t event;      /* 'I', 'M', 'R' */
    bool poison;        /* can't be decoded */
    size_t offset, len; /* in the shard's text */
};

#define MODEL_NONE UINT32_MAX

struct model_shard {
    char id[48];
    uint32_t parent;                    /* index in the stream; MODEL_NONE: never had one */
    uint32_t low, high;                 /* hashes of items that it takes, both inclusive */
    int64_t opened_ms, closed_ms;       /* closed_ms 0: open */
    uint64_t first_number, last_number; /* its range of sequence numbers; last 0: open */
    uint8_t first_digits, last_digits;
    /* DescribeStream lags: shows the shard from listed_ms on, its end from end_listed_ms on. */
    int64_t listed_ms, end_listed_ms;
    bool hidden;    /* trimmed from the list (a parent may be, with the child still naming it) */
    bool forgotten; /* trimmed as a whole: ResourceNotFoundException */
    struct model_record *records;
    size_t count, room;
    size_t first;           /* records before it are trimmed */
    struct model_text text; /* the records as JSON, a comma between them */
    uint64_t calls;         /* GetRecords for it */
    int64_t served_ms;      /* the last of them; 0 = none */
    size_t served;          /* records before it were in some answer */
    uint64_t trimmed_told;  /* TrimmedDataAccessException for it */
};

enum model_stream_state { MODEL_ENABLED, MODEL_DISABLED, MODEL_DELETED };

struct model_stream {
    char arn[256], table[64], label[40];
    const char *view; /* StreamViewType */
    enum model_stream_state state;
    int64_t created_ms, disabled_ms;
    struct model_shard *shards;
    size_t count, room;
    uint32_t *leaves; /* open shards by their low hash */
    size_t leaf_count, leaf_room;
    uint32_t *versions; /* per item: its price now, 0 = no such item */
    size_t item_room;
    uint64_t describes;
};

enum model_end { MODEL_END_NULL, MODEL_END_ABSENT, MODEL_END_EMPTY };
enum model_filter {
    MODEL_FILTER_HONOURED,
    MODEL_FILTER_IGNORED, /* answers with the whole list */
    MODEL_FILTER_PARENT,  /* answers with the parent itself, as DynamoDB Local does */
    MODEL_FILTER_REFUSED  /* ValidationException */
};

struct model_call { /* what a fault may be decided by */
    enum model_kind kind;
    size_t stream, shard; /* SIZE_MAX: not known */
    int64_t now_ms;
};

struct streams_model {
    struct model_stream *streams;
    size_t count, room;
    uint64_t number; /* of the last sequence number given */
    char region[24], account[16];

    /* how it behaves */
    int64_t retention_ms, iterator_ms; /* 24 h, 15 min */
    size_t page_records, page_bytes;   /* 1000, 1 MiB */
    size_t describe_page;              /* 100 */
    uint8_t digits;                    /* of the next sequence numbers: 21 to 40, never fewer */
    char lead;                         /* their first digit: '1', or '0' as on DynamoDB Local */
    unsigned number_step;              /* sequence numbers grow by 1 to this; 0 = 1 */
    enum model_end end;                /* how "no next iterator" is written */
    bool end_late; /* a closed shard's last records come with an iterator, then an empty page */
    unsigned empty_pages; /* so many empty pages with moving iterators before each page */
    enum model_filter filter;
    bool no_timestamp;          /* AT_TIMESTAMP is refused */
    bool minute_times;          /* records carry the minute they were made in */
    unsigned describe_empty_at; /* the n-th page of a list is empty but has a cursor; 0 = none */
    unsigned repeat_cursor; /* so many DescribeStream answers repeat the cursor they were given */
    bool trailing_cursor;   /* the last page has a cursor too; an empty page follows */
    bool float_times;       /* creation times as "1767225600.0" */
    /* Answers with this error instead (its name without a namespace), NULL = none. */
    const char *(*fault)(void *ctx, const struct model_call *call);
    void *ctx;

    uint64_t calls[MODEL_KINDS];
    struct model_text head, scratch; /* of the answer under way */
};

struct model_answer {
    int status;
    const char *error; /* its name; NULL = 200 */
    struct model_piece {
        const char *ptr;
        size_t len;
    } pieces[3]; /* the body; valid until the next call of the model */
    size_t piece_count, bytes;
    struct model_call call;
    size_t record_count; /* GetRecords */
};

void streams_model_init(struct streams_model *model);
void streams_model_done(struct streams_model *model);

/* ---- what happens in the world ---- */

/* A new stream of `table` with `partitions` open shards; its index. An older stream of the same
 * table should have been disabled or deleted before. */
size_t streams_model_create(struct streams_model *model, const char *table, unsigned partitions,
                            int64_t now_ms);
void streams_model_disable(struct streams_model *model, size_t stream, int64_t now_ms);
void streams_model_delete(struct streams_model *model, size_t stream);
/* Closes an open shard; `children` (0, 1 = rotation, 2 = split) take over its items. 0: nobody
 * does, and streams_model_adopt() must follow before the next write to them. Returns the index of
 * the first child. The lists show all of it at once: change listed_ms and end_listed_ms. */
size_t streams_model_close(struct streams_model *model, size_t stream, size_t shard,
                           unsigned children, int64_t now_ms);
size_t streams_model_adopt(struct streams_model *model, size_t stream, size_t parent,
                           unsigned children, int64_t now_ms);
size_t streams_model_leaf(const struct streams_model *model, size_t stream, uint32_t item);

struct model_write {
    uint32_t item;
    bool remove;
    bool poison;
    const char *event;  /* another eventName; NULL = INSERT, MODIFY or REMOVE */
    const char *extra;  /* members added to the record, each followed by a comma; NULL = none */
    size_t padding;     /* bytes of ballast in the images */
    int64_t created_ms; /* ApproximateCreationDateTime; 0 = now */
};
/* The item's next version, in the open shard that takes it, whose index is returned; the record is
 * the shard's last. Item n has the key {"product_id":{"S":"p<n>"}}, its price is its version. */
size_t streams_model_write(struct streams_model *model, size_t stream,
                           const struct model_write *write, int64_t now_ms);
/* Trims a shard's records before the given one now. Trimming by age happens by itself. */
void streams_model_trim(struct streams_model *model, size_t stream, size_t shard, size_t first);
/* Trims by age: also called by every answer for the shard that it is about. */
void streams_model_age(struct streams_model *model, size_t stream, size_t shard, int64_t now_ms);

/* ---- what it says ---- */

/* `target`: the X-Amz-Target header. */
void streams_model_answer(struct streams_model *model, const char *target, const char *body,
                          size_t body_len, int64_t now_ms, struct model_answer *out);

/* ---- for checks ---- */

enum { MODEL_SEQUENCE_ROOM = 48 };
void streams_model_sequence(const struct streams_model *model, const struct model_record *record,
                            char out[MODEL_SEQUENCE_ROOM]);
/* The number that a sequence number counts; 0 = not one of a model's. */
uint64_t streams_model_number(const char *sequence, size_t len);
size_t streams_model_find_stream(const struct streams_model *model, const char *arn, size_t len);
size_t streams_model_find_shard(const struct model_stream *stream, const char *id, size_t len);
/* The first record of the shard with at least this number; `count` = none. */
size_t streams_model_find_record(const struct model_shard *shard, uint64_t number);

/* ---- between its two files ---- */
void model_text_put(struct model_text *text, const char *bytes, size_t len);
void model_text_printf(struct model_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void model_sequence_text(const struct streams_model *model, uint64_t number, unsigned digits,
                         char out[MODEL_SEQUENCE_ROOM]);
#endif
