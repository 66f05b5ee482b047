/* What the files of the DynamoDB store share. */
#ifndef WEIR_STATE_DYNAMO_INTERNAL_H
#define WEIR_STATE_DYNAMO_INTERNAL_H
#include "state/dynamo.h"
#include "state/dynamo_items.h"

enum {
    DYNAMO_ID_BYTES = 40,
    DYNAMO_WHO_BYTES = 128,
    DYNAMO_BODY_BYTES = 8 << 20,  /* 99 rows, with room */
    DYNAMO_ANSWER_BYTES = 8 << 20 /* a page of 1 MB of items, as JSON */
};

enum lease_phase {
    LEASE_NONE,    /* not asked for */
    LEASE_LOOKING, /* a standby */
    LEASE_HELD,    /* ours by the table, whether or not confirmed lately */
    LEASE_OVER     /* lost, refused or given up: nothing more is written */
};

enum lease_call { CALL_NONE, CALL_LOOK, CALL_TAKE, CALL_BEAT, CALL_SAVE, CALL_FREE };

struct dynamo_seen { /* the owner as a standby saw it last */
    struct items_owner owner;
    char holder[DYNAMO_ID_BYTES], who[DYNAMO_WHO_BYTES];
    int64_t since_ms; /* of the answer that told it first; on boot_ms */
    bool any;
};

struct dynamo_store {
    struct dynamo_config config;
    struct items_place place;
    /* the lease */
    enum lease_phase phase;
    struct store_owner *owner;
    char id[DYNAMO_ID_BYTES];
    struct items_owner self; /* holder, who, fence, beat */
    struct dynamo_seen seen;
    enum lease_call open; /* the call under way that looks at or writes the owner; one at a time */
    struct aws_call call;
    struct buf body;
    int64_t sent_ms, confirmed_ms; /* on boot_ms: of the open or last call; of the last good one */
    int64_t trouble_ms;            /* since then no call succeeds; 0 = fine */
    int64_t due_ms;                /* on now_ms: the next look or beat */
    struct timer timer;
    struct post step_post;
    bool posted;
    bool told, said_trouble, said_standby;
    /* a save */
    struct store_save *save;
    size_t saved, chunk;          /* rows that are durable; in the open call */
    bool refused[ITEMS_PER_CALL]; /* of the chunk: gaps that were accepted meanwhile */
    /* a release */
    void (*released)(void *arg);
    void *released_arg;
    struct post release_post;
    bool releasing;
    /* a load */
    struct store_load *load;
    struct aws_call load_call;
    struct buf load_body;
    struct arena load_arena;
    struct state_row *rows;
    size_t row_count, row_room;
    /* an accepted gap */
    struct aws_call accept_call;
    struct buf accept_body;
    void (*accepted)(void *arg, int status, const char *reason);
    void *accept_arg;
};

/* ---- dynamo_lease.c ---- */
void lease_acquire(struct dynamo_store *store);
bool lease_valid(const struct dynamo_store *store);
void lease_step(struct dynamo_store *store);      /* does what is due, when no call is open */
void lease_step_soon(struct dynamo_store *store); /* the same, later */

/* ---- dynamo.c ---- */
/* Starts `call` with the body that was written: 0 or -errno. */
int dynamo_start(struct dynamo_store *store, struct aws_call *call, const char *target,
                 const struct buf *body, void (*done)(struct aws_call *call));
/* "the state table T can't be used: ..."; what to do about it where that is known. */
void dynamo_reason(const struct dynamo_store *store, const struct aws_call *call, char *out,
                   size_t room);
void dynamo_log(const struct dynamo_store *store, int level, const char *code, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
int save_put_next(struct dynamo_store *store); /* the body of the next rows: 0 or -ENOMEM */
/* 0: those rows are durable. Goes on to the next, or calls done(). */
void save_answered(struct dynamo_store *store, int status, const char *reason);
void save_fail(struct dynamo_store *store, int status, const char *reason); /* where there is one */
#endif
