/* The DynamoDB state table: one item per row of a pipeline, and one that says who owns them. Pure:
 * request bodies out, items in.
 *
 * Key: pk (S) = the pipeline's name; sk (S) = "owner", or kind#stream#shard#sink. The owner item
 * holds who has it (`holder`), a `fence` that grows with each owner and a `beat` that the owner
 * counts up. All writes of an owner are conditional on holder and fence. */
#ifndef WEIR_STATE_DYNAMO_ITEMS_H
#define WEIR_STATE_DYNAMO_ITEMS_H
#include "util/arena.h"
#include "util/err.h"
#include "util/seam.h"

enum { ITEMS_FORMAT = 1, ITEMS_PER_CALL = 100 };
#define ITEMS_FREE "free" /* the holder of a pipeline that was given up cleanly */

struct items_place {
    weir_str table, pipeline;
};

struct items_owner {
    bool found;
    weir_str holder, who; /* who: for people, "process 4711 on host-a" */
    int64_t fence, beat, format;
};

enum items_change {
    OWNER_FIRST, /* no such item yet: becomes `next` */
    OWNER_TAKE,  /* while it is still `seen`: becomes `next` */
    OWNER_BEAT,  /* while `next` has it and has not beaten later: the beat of `next` */
    OWNER_FREE   /* while `next` has it: nobody does */
};

/* Appended to `out`; 0 or -ENOMEM (out->failed). */
int items_put_get_owner(struct buf *out, const struct items_place *place);
int items_put_change(struct buf *out, const struct items_place *place, enum items_change change,
                     const struct items_owner *next, const struct items_owner *seen);
/* TransactWriteItems of a beat and up to ITEMS_PER_CALL - 1 rows, but those that were refused. An
 * open gap is written on the condition that nobody has accepted it. */
int items_put_save(struct buf *out, const struct items_place *place,
                   const struct items_owner *owner, const struct state_row *rows, size_t count,
                   const bool *refused);
/* One page of all items of the pipeline; `after`: the LastEvaluatedKey as it came, or empty. */
int items_put_query(struct buf *out, const struct items_place *place, weir_str after);
/* Marks a gap as accepted, whoever owns the pipeline, where it is still that one. */
int items_put_accept(struct buf *out, const struct items_place *place, const struct state_row *gap);

/* Answers; texts live in `arena`. 0, -EBADMSG (err), -ENOMEM. */
int items_read_owner(weir_str answer, struct arena *arena, struct items_owner *out,
                     struct err *err);
struct items_page {
    struct state_row *rows;
    size_t count;
    weir_str last_key; /* empty: the last page */
};
int items_read_page(weir_str answer, struct arena *arena, struct items_page *out, struct err *err);
/* Of a canceled transaction: the condition on the owner failed, so that somebody else is it. */
bool items_owner_refused(weir_str answer);
/* Of the same: marks the rows whose conditions failed, of those that were in it. true: some. */
bool items_rows_refused(weir_str answer, bool *refused, size_t count);
#endif
