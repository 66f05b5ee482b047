/* The store seam on a virtual world: what is durable lives in a vdisk, which outlives the processes
 * (vstores) that use it. Each operation can be scripted: refused, slow, failed, half done, or done
 * with the answer lost. Everything goes by timers of the world, so one script is one course of
 * events. */
#ifndef WEIR_TESTS_VSTORE_H
#define WEIR_TESTS_VSTORE_H
#include "vworld.h"

struct vstore;
struct vrow { /* a stored row and its memory */
    struct state_row row;
    char *text;
};
struct vdead { /* a stored letter and its memory */
    struct dead_letter letter;
    char *text;
};

struct vdisk { /* zeroed = empty; one pipeline's */
    struct vrow *rows;
    size_t row_count, row_room;
    struct vdead *letters;
    size_t letter_count, letter_room;
    int64_t lease_ms;      /* a crashed owner is one for so long; 0 = not at all, as a lock */
    struct vstore *owner;  /* NULL = nobody, or nobody that lives */
    int64_t free_at_ms;    /* with no owner: nobody can be one before */
    struct vstore *first;  /* all processes */
    uint64_t fence;        /* grows with each owner */
    uint64_t saves, loads; /* carried out */
    void (*changed)(void *ctx, const struct state_row *row); /* optional: a row was written */
    void *ctx;
};
void vdisk_done(struct vdisk *disk); /* frees the content */
/* NULL when there is no such row. Texts are NUL-terminated here, NULL is "". */
const struct state_row *vdisk_row(const struct vdisk *disk, enum state_kind kind, const char *sink,
                                  const char *stream, const char *shard);
bool vdisk_stored(const struct vdisk *disk, const char *sink, const char *sequence); /* a letter */

enum vstore_op { VSTORE_ACQUIRE, VSTORE_LOAD, VSTORE_SAVE, VSTORE_PUT, VSTORE_OPS };

struct vfault {        /* what happens to one operation; zeroed = it succeeds at once */
    int refuse;        /* -errno of the call itself: nothing else happens */
    int64_t delay_ms;  /* until it is carried out */
    int64_t answer_ms; /* from there until it is told; a crash between leaves it durable */
    int status;        /* what done() is told instead of 0 */
    size_t written;    /* with a status: so many rows or letters are written all the same, SIZE_MAX
                          = all: the answer was lost */
};

struct vstore_job { /* the vstore's own */
    struct timer timer;
    struct vstore *store;
    struct vstore_job *next;
    enum vstore_op op;
    struct vfault fault;
    bool carried_out;
    int status;
    struct store_load *load;
    struct store_save *save;
    struct store_put *put;
};

struct vstore { /* one process; must stay in place until vstore_crash or vstore_done */
    struct vdisk *disk;
    struct vworld *world;
    struct vstore *next;
    struct store_owner *owner;
    struct timer take, tell;
    bool owns, lost;
    const char *reason;
    struct vstore_job *jobs;
    bool saving;
    struct vfault script[VSTORE_OPS]; /* of the next operation of the kind; then zeroed */
    /* optional, asked before each operation; *fault comes with what `script` says */
    void (*plan)(void *ctx, enum vstore_op op, struct vfault *fault);
    void *ctx;
    void (*released)(void *arg);
    void *released_arg;
};

void vstore_init(struct vstore *store, struct vdisk *disk, struct vworld *world);
void vstore_seam(struct vstore *store, struct store *out);
/* The process dies: what has not been carried out never is, nothing is told any more. */
void vstore_crash(struct vstore *store);
/* The ownership is taken away, as when a lease ran out unnoticed: to the first that waits, if there
 * is one. owned() is false at once, changed(false) follows after `tell_ms`. */
void vstore_lose(struct vstore *store, int64_t tell_ms);
void vstore_done(struct vstore *store); /* fails the test when something is under way */
#endif
