/* The calls of the Streams API other than GetRecords: bodies out, small answers in (cJSON). */
#ifndef WEIR_SOURCE_STREAMS_API_H
#define WEIR_SOURCE_STREAMS_API_H
#include "aws/aws.h"
#include "util/arena.h"

/* What went wrong, as polling tells errors apart (SEMANTICS.md 2.6). */
enum streams_fault {
    STREAMS_OK,
    STREAMS_THROTTLED, /* LimitExceeded, Throttling*, ProvisionedThroughputExceeded */
    STREAMS_EXPIRED,   /* ExpiredIteratorException */
    STREAMS_TRIMMED,   /* TrimmedDataAccessException */
    STREAMS_NOT_FOUND, /* ResourceNotFoundException: stream or shard, to be told apart by asking */
    STREAMS_DENIED,    /* credentials or permission */
    STREAMS_INVALID,   /* ValidationException and other 4xx: our request is wrong */
    STREAMS_UNAVAILABLE, /* 5xx, no connection, half an answer: try again */
    STREAMS_ABORTED
};
enum { STREAMS_FAULTS = STREAMS_ABORTED + 1 }; /* how many there are */
const char *streams_fault_name(enum streams_fault fault);
enum streams_fault streams_fault_of(enum aws_outcome outcome, weir_str error_type);

struct shard_info { /* one shard as DescribeStream tells of it; views live in the answer's arena */
    weir_str id, parent;                    /* parent empty = none said */
    weir_str first_sequence, last_sequence; /* last empty = open */
};

struct stream_page {                        /* DescribeStream */
    weir_str arn, table, status, view_type; /* status: ENABLING ENABLED DISABLING DISABLED */
    struct shard_info *shards;
    size_t shard_count;
    weir_str last_shard; /* LastEvaluatedShardId: ask again from behind it; empty = the last page */
};

struct stream_name { /* ListStreams */
    weir_str arn, table, label;
};

/* Bodies: appended to `out`. 0 or -ENOMEM. */
int streams_body_list(struct buf *out, weir_str table, weir_str after_arn);
/* children_of: with ShardFilter CHILD_SHARDS; after_shard: ExclusiveStartShardId. Empty = without.
 */
int streams_body_describe(struct buf *out, weir_str arn, weir_str after_shard,
                          weir_str children_of);
/* type: "TRIM_HORIZON", "AFTER_SEQUENCE_NUMBER" (sequence), "AT_SEQUENCE_NUMBER" (sequence),
 * "LATEST", "AT_TIMESTAMP" (timestamp_us). */
int streams_body_iterator(struct buf *out, weir_str arn, weir_str shard, const char *type,
                          weir_str sequence, int64_t timestamp_us);
int streams_body_records(struct buf *out, weir_str iterator, int limit);
/* GetRecords takes {"ShardIterator", "Limit"}; iterators are opaque and escaped on the way. */

/* Answers: strict about types, blind to unknown members. 0, -EBADMSG (err), -ENOMEM. What they hold
 * is copied to the arena. */
int streams_parse_describe(weir_str answer, struct arena *arena, struct stream_page *out,
                           struct err *err);
int streams_parse_list(weir_str answer, struct arena *arena, struct stream_name **out,
                       size_t *count, weir_str *last_arn, struct err *err);
int streams_parse_iterator(weir_str answer, struct arena *arena, weir_str *iterator,
                           struct err *err);
/* DescribeTable's LatestStreamArn; *arn empty = the table has no stream. */
int streams_parse_table(weir_str answer, struct arena *arena, weir_str *arn, bool *enabled,
                        weir_str *view_type, struct err *err);
/* "arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL": views into it; false = not one. */
bool streams_arn_parts(weir_str arn, weir_str *region, weir_str *table, weir_str *label);
/* The region to ask for this stream: the ARN's; empty (the client's own) when the ARN is DynamoDB
 * Local's, which names no real one. */
weir_str streams_region(weir_str arn);
/* WEIR_OLD, WEIR_NEW: the images that records of this StreamViewType carry. */
uint32_t streams_view_images(weir_str view_type);
/* Milliseconds since the epoch in "shardId-<ms>-<hex>"; 0 = none there. */
int64_t streams_shard_ms(weir_str id);
#endif
