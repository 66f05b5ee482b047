/* What the files behind kcl.h share. */
#ifndef WEIR_SOURCE_KCL_PARTS_H
#define WEIR_SOURCE_KCL_PARTS_H
#include "json/json.h"
#include "source/kcl.h"
#include "util/text.h"

enum {
    KCL_LOOK_MS = 10000, /* how long a batch takes before it is checkpointed as far as it got */
    KCL_NUMBER_BYTES = SEQUENCE_DIGITS_MAX + 1
};

/* A checkpoint: a number, or without one: up to the end of what was delivered, in the answer to a
 * closed shard the end of the shard. */
struct mark {
    bool set, end;
    char number[KCL_NUMBER_BYTES];
};

struct kcl {
    struct kcl_config config;
    struct buf text;    /* came, not yet a whole line */
    size_t searched;    /* of it: no newline in there */
    struct arena arena; /* of the line at work */
    struct buf line;    /* the one to write */
    char *shard;
    const char *action; /* of the daemon, without its `status` yet; NULL = none. Static text */
    struct flow *flow;  /* the batch of processRecords, while it is in the router */
    struct mark last;   /* its last record */
    struct mark goal;   /* to be checkpointed */
    struct mark asked;  /* the daemon has not said what became of it */
    struct mark stored;
    bool answer_next; /* `status` follows when the goal is reached */
    bool lost;        /* the lease is another's: nothing may be checkpointed */
    bool goodbye;     /* the daemon may close the pipe now */
    bool stopping, over, told;
    enum kcl_end end;
    int64_t again_ms;
    struct timer again, look;
    struct post finish;
    uint64_t records;
    struct read_counts read;
};

/* ---- kcl.c ---- */
void kcl_log(const struct kcl *kcl, int level, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void kcl_finish(struct kcl *kcl, enum kcl_end how); /* cancels; finished() comes when it can */
/* What the daemon sent can't be: no answer would be a true one. */
void kcl_broken(struct kcl *kcl, const char *reason);
void kcl_out_of_memory(struct kcl *kcl);

/* ---- kcl_checkpoint.c ---- */
void kcl_checkpoint_begin(struct kcl *kcl);
struct mark kcl_mark_of(weir_str number);
/* Goes on towards the goal, and answers the daemon when it is reached. */
void kcl_advance(struct kcl *kcl);
/* The frontier of an unfinished batch becomes the goal; false: it is no news. */
bool kcl_aim_at_frontier(struct kcl *kcl);
void kcl_send_checkpoint(struct kcl *kcl, const struct mark *mark);
void kcl_on_checkpoint(struct kcl *kcl, const struct json_value *message);
/* Another worker has the lease. The daemon still waits for its `status`, which acknowledges
 * nothing: only checkpoints do. */
void kcl_lose(struct kcl *kcl);
#endif
