/* A scripted plugin inside the test program: what it says of each record at each attempt is asked
 * of a function; everything it is given is logged. */
#ifndef WEIR_TESTS_VSINK_H
#define WEIR_TESTS_VSINK_H
#include "plugin/instance.h"
#include "vworld.h"

enum { VSINK_HOLD = 100 /* says nothing: stays open */ };

struct vseen { /* one record given to the plugin */
    char sequence[48];
    unsigned attempt; /* 1 = the first time this plugin sees it */
    int64_t at_ms;
    uint64_t token;
    size_t index; /* in its delivery */
    uint64_t lane;
    int32_t outcome; /* what was said, VSINK_HOLD while nothing was */
    bool dead;       /* came as a dead letter */
    char dead_sink[16];
    bool revoked; /* cancel() was called for it */
};

struct vsink {
    struct plugin plugin;
    weir_instance instance;
    struct vworld *world;
    struct delivery_board *board;
    /* What to say; NULL: always WEIR_OK. [deliver, record] */
    int32_t (*script)(struct vsink *sink, const struct vseen *seen);
    int64_t delay_ms;   /* until it is said; 0: at once */
    int32_t on_cancel;  /* an outcome for what is open, or VSINK_HOLD to ignore cancel() */
    const char *reason; /* given with every outcome that is not WEIR_OK; NULL = none */
    struct vseen *log;
    size_t count, room;
    unsigned deliveries, cancels, flushes;
    void (*on_deliver)(struct vsink *sink, weir_delivery *delivery); /* instead of the script */
    void *arg;                                                       /* the test's */
    int64_t blocks_ms;                                               /* record() takes so long */
};

/* `flags`: WEIR_P_*. sync: a plugin with record(), else with deliver(). */
void vsink_init(struct vsink *sink, struct vworld *world, struct delivery_board *board, bool sync,
                uint32_t flags);
void vsink_done(struct vsink *sink);
/* Says of the i-th logged record what became of it (again, if it was said before). */
void vsink_say(struct vsink *sink, size_t i, int32_t outcome);
/* Says it of every record of which nothing was said yet. */
void vsink_say_all(struct vsink *sink, int32_t outcome);
/* How often it was given the record, dead letters not counted. */
unsigned vsink_times(const struct vsink *sink, const char *sequence);
/* What it was given, in order: "1 2 2 3"; dead letters as "d1". Static memory. */
const char *vsink_story(const struct vsink *sink);
#endif
