/* The records of one shard on their way to a function, as an event source mapping delivers them:
 * filtered, gathered into batches, invoked with one batch a lane at a time, and on a failure
 * repeated, cut, or given up. Pure: it reads nothing and starts nothing itself. One thread.
 *
 * What AWS documents or shows: a split does not count as a retry, nor does a throttle or a service
 * error before the function runs; the retries of a batch go on counting over partial progress.
 * Where AWS is silent: a split goes on at once; a counted retry waits 200 ms, doubled up to 10 s;
 * with bisect on, a batch whose first record is reported is cut in the middle, as on an error. */
#ifndef WEIR_ESM_DELIVERY_H
#define WEIR_ESM_DELIVERY_H
#include "record/filter.h"
#include "record/record.h"
#include "util/seam.h"

enum {
    ESM_PAYLOAD_BYTES_MAX = 6 << 20, /* of one invocation */
    ESM_LANES_MAX = 10,
    ESM_RETENTION_MS = 24 * 3600000 /* then a record is no longer in the stream */
};

/* ---- the function ---- */

enum esm_end {
    ESM_ANSWERED, /* `body` */
    ESM_ERROR,    /* it failed, timed out or ended: functionError "Unhandled" */
    ESM_NOT_RUN   /* it could not be started: `body` says why, in words */
};

struct esm_call {                        /* the delivery's from invoke() until done() returns */
    weir_str event;                      /* alive until done() */
    void (*done)(struct esm_call *call); /* once, later, on the loop's thread */
    /* answer, valid in done() */
    enum esm_end end;
    weir_str body, request_id;
    int64_t duration_us, init_us; /* init_us: 0 = it was warm */
    const char *kind;             /* for people: "response", "timeout", ...; NULL = by `end` */
    void *impl;                   /* the function's */
};

struct esm_function {
    void *ctx;
    int (*invoke)(void *ctx, struct esm_call *call); /* 0, or -errno: as ESM_NOT_RUN */
};

/* ---- what it tells ---- */

struct esm_record {
    struct esm_record *next;
    weir_str sequence, json; /* json: as the function gets it */
    weir_str before;         /* the shard's record before it; empty = it is the first one read */
    int64_t created_us;      /* 0 = not known */
};

enum esm_decision {
    ESM_DONE,    /* all records */
    ESM_RETRY,   /* what is left comes again: counted */
    ESM_SPLIT,   /* in two halves: not counted */
    ESM_CUT,     /* at the reported record: not counted */
    ESM_AGAIN,   /* the function did not run: not counted */
    ESM_GIVEN_UP /* its retries are used up */
};

struct esm_report { /* one invocation; all views are valid meanwhile only */
    weir_str shard;
    size_t lane;
    const struct esm_call *call;
    weir_str first, last; /* sequence numbers */
    size_t count;
    enum esm_decision decision;
    size_t finished; /* records from the front */
    int64_t retry;   /* ESM_RETRY: the number of the one that comes */
    int64_t delay_ms;
    const char *why; /* NULL = nothing to say */
};

struct esm_failure {       /* records that are given up */
    const char *condition; /* "RetryAttemptsExhausted", "RecordAgeExceeded" */
    int64_t invokes;
    weir_str shard, request_id;
    bool has_response;   /* responseContext: not for RecordAgeExceeded */
    bool function_error; /* else its answer was the failure */
    const struct esm_record *first;
    size_t count; /* from `first` on */
};

struct esm_options {
    int64_t batch_size, window_ms, lanes;
    int64_t retries;             /* -1 = until the records expire */
    int64_t record_age_ms;       /* 0 = until they expire */
    const struct filter *filter; /* NULL = none */
    bool bisect, report_failures;
};

struct esm_counts {
    uint64_t records, filtered, poison, invocations, failed, delivered, given_up;
};

struct esm_delivery_config { /* what it points at outlives the delivery */
    const struct clock *clock;
    const struct esm_options *options;
    const struct esm_function *function;
    weir_str shard; /* copied */
    void (*told)(void *arg, const struct esm_report *report);
    /* Stores the failure. Negative: it can't be, and the caller is to stop; the records stay. */
    int (*gave_up)(void *arg, const struct esm_failure *failure);
    void (*moved)(
        void *arg); /* there is room again, or nothing is left; later, never from inside */
    void *arg;
    struct esm_counts *counts; /* added to */
};

struct esm_delivery;
int esm_delivery_new(const struct esm_delivery_config *config, struct esm_delivery **out);
/* No invocation may be open. */
void esm_delivery_free(struct esm_delivery *delivery);
/* Takes copies of the batch's records. 0, or -ENOMEM: nothing of it was taken. */
int esm_delivery_offer(struct esm_delivery *delivery, const struct batch *batch);
void esm_delivery_end(
    struct esm_delivery *delivery); /* no more will come: no window is waited for */
void esm_delivery_stop(struct esm_delivery *delivery); /* nothing is invoked any more */
bool esm_delivery_full(const struct esm_delivery *delivery);
bool esm_delivery_idle(const struct esm_delivery *delivery); /* nothing waits, nothing is open */
bool esm_delivery_open(const struct esm_delivery *delivery); /* an invocation is */
/* This record of the shard and all before it are done, filtered or given up; empty = none. */
weir_str esm_delivery_checkpoint(const struct esm_delivery *delivery);

/* ---- failure.c: what is sent to the on-failure destination ---- */

#define ESM_FUNCTION_ARN "arn:aws:lambda:us-east-1:000000000000:function:local"
/* Appends the document, without a line end. `payload`: with the records, as S3 gets it. */
int esm_failure_put(struct buf *out, const struct esm_failure *failure, weir_str stream_arn,
                    int64_t now_us, bool payload);
/* "aws/lambda/<mapping>/<shard>/YYYY/MM/DD/<time>-<uuid>", the object's key in S3. */
int esm_failure_put_key(struct buf *out, const struct esm_failure *failure, const char *mapping,
                        int64_t now_us, const struct random *random);
/* A version 4 UUID. */
void esm_uuid(const struct random *random, char out[37]);
#endif
