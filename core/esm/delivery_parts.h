/* What delivery.c and lane.c share. Nobody else includes this. */
#ifndef WEIR_ESM_DELIVERY_PARTS_H
#define WEIR_ESM_DELIVERY_PARTS_H
#include "esm/delivery.h"
#include "util/text.h"

enum {
    SEGMENTS_MAX = 20 /* halving 10,000 records leaves one a level, on 14 levels */
};

struct segment { /* records that are invoked together */
    size_t count;
    int64_t retries, invokes;
    int64_t stuck; /* retries since a record of it was done: what the pause grows with */
};

struct lane {
    struct esm_delivery *delivery;
    size_t number;
    /* All that is not finished, in order. The segments are its front, the uppermost first; what is
     * behind them gathers for the next batch. */
    struct esm_record *first, *last;
    size_t count, bytes;
    struct segment segments[SEGMENTS_MAX];
    size_t depth, segmented; /* segmented: records in segments */
    int64_t window_from_ms;
    unsigned not_run; /* in a row */
    bool open, waiting;
    struct timer timer;
    struct esm_call call;
    struct buf event;
    weir_str *sequences; /* of the open invocation */
    char request_id[64]; /* of the batch's last one */
};

struct esm_delivery {
    struct esm_delivery_config config;
    char *shard;
    struct lane lanes[ESM_LANES_MAX];
    size_t lane_count;
    char last[SEQUENCE_DIGITS_MAX]; /* the last record offered */
    size_t last_len;
    bool ended, stopped;
    struct post post;
    bool posted;
};

void lane_add(struct lane *lane, struct esm_record *record);
void lane_turn(struct lane *lane);
void lane_done(struct lane *lane);
void delivery_moved(struct esm_delivery *delivery);
int64_t delivery_now(const struct esm_delivery *delivery);
#endif
