/* One page of a shard: GetRecords, decoded and matched. The hot part of polling, behind a small
 * seam of its own, so that it can run on the router's loop or on threads (source.loops). */
#ifndef WEIR_SOURCE_FETCH_H
#define WEIR_SOURCE_FETCH_H
#include "aws/aws.h"
#include "record/match.h"
#include "record/record.h"

struct fetch { /* owned by the caller from start() until done() returns */
    weir_str iterator, stream_arn, shard; /* alive until done() */
    weir_str region;                      /* of the stream; empty = the client's */
    int limit;                            /* records; 1 to 1000 */
    int64_t timeout_ms;
    void (*done)(struct fetch *fetch); /* exactly once, later, on the router thread */
    void *arg;
    /* answer, valid in done() */
    enum aws_outcome outcome; /* AWS_OK: `batch` holds the page; the caller's reference */
    struct batch *batch;      /* next_iterator.ptr NULL = the shard ends with this page */
    int decode_status;        /* -EBADMSG, -EMSGSIZE, -ENOMEM: the answer is no page (D7); then
                                 outcome is AWS_AMBIGUOUS and `message` says why */
    char error_type[64];      /* "ExpiredIteratorException", ... ; "" = none */
    char message[200];        /* for people */
    size_t answer_bytes;
    void *impl; /* the fetcher's */
};

struct fetcher {
    void *ctx;
    int (*start)(void *ctx, struct fetch *fetch);  /* 0 or -errno (then no done()) */
    void (*abort)(void *ctx, struct fetch *fetch); /* done() follows with AWS_ABORTED */
};

/* On the router's loop, through `client`. Both must outlive the fetcher. */
struct fetch_inline;
int fetch_inline_new(struct aws_client *client, const struct match_plan *plan,
                     struct fetch_inline **out);
/* For the pages that are decoded from now on; another may be in use for some moments more. [any] */
void fetch_inline_set_plan(struct fetch_inline *in, const struct match_plan *plan);
void fetch_inline_free(struct fetch_inline *in); /* no fetch may be open */
void fetch_inline_seam(struct fetch_inline *in, struct fetcher *out);
#endif
