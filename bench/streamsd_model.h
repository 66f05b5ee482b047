/* What the benchmark's Streams server holds: shards of records that are never stored, but written
 * into each answer from one page of text. A record's place in its shard says all about it. */
#ifndef WEIR_BENCH_STREAMSD_MODEL_H
#define WEIR_BENCH_STREAMSD_MODEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_RECORDS = 1000, PAGE_BYTES = 1000000, LIST_SHARDS = 100 };

/* A place in the text to write over: a run of '#' (21: the sequence number), '@' (16: when the
 * record became available, in us), '%' (10: the same in s) or '$' (5: the shard). */
struct mark {
    uint32_t at;
    char kind;
};

struct model {
    size_t shards;
    uint64_t records; /* of each shard */
    double rate;      /* records that become available a second in each shard; 0 = all are there */
    bool closed;      /* the shards end behind their last record */
    int64_t start_us;
    char *text; /* the page: one record a line */
    size_t lines;
    uint32_t line_at[PAGE_RECORDS + 1]; /* and behind the last */
    struct mark *marks;
    size_t mark_count;
    uint32_t first_mark[PAGE_RECORDS + 1];
};

struct answer { /* text that is overwritten by the next answer */
    char *text;
    size_t len, room;
    int status;
    uint64_t records;
};

int model_load(struct model *model, const char *page_path); /* 0, or -1 and a word on stderr */
int64_t model_now_us(void);
/* The answer to a call: `target` is the last part of X-Amz-Target, `body` is NUL-terminated. */
void model_answer(const struct model *model, const char *target, const char *body,
                  struct answer *answer);
#endif
