/* A delivery in a virtual world: records by number, a function that does as scripted, and what came
 * of it as text. */
#ifndef WEIR_TESTS_ERIG_H
#define WEIR_TESTS_ERIG_H
#include "esm/delivery.h"
#include "unit.h"
#include "vworld.h"

enum { ERIG_OPEN = 16, ERIG_TEXT = 8192, ERIG_DOCUMENTS = 16 };

struct erig {
    struct vworld v;
    struct esm_options options;
    struct esm_function function;
    struct esm_counts counts;
    struct esm_delivery *delivery;
    /* What the function does, one for each invocation; the last one again and again. "ok": an empty
     * list; "error"; "busy": it does not run; "N": reports that number; else: the body. */
    const char *const *script;
    size_t played, invocations;
    int64_t takes_ms; /* each invocation */
    struct erig_open {
        struct timer timer; /* first: it is cast back */
        struct erig *rig;
        struct esm_call *call;
        size_t number, id;
    } open[ERIG_OPEN];
    size_t open_now, most_open, moved, most_bytes;
    int padding; /* bytes of ballast in each record */
    /* "1-4" for each invocation, "+1000:" before it where so many ms were waited since the last. */
    char invoked[ERIG_TEXT];
    int64_t invoked_ms;
    char decisions[ERIG_TEXT]; /* "done(4) retry1(2) split cut(2) given-up(1)" */
    char *documents[ERIG_DOCUMENTS];
    size_t document_count;
    bool payload; /* documents as S3 gets them */
    int refuse;   /* of the next give-ups */
};

#define ERIG_STREAM                                                                                \
    "arn:aws:dynamodb:eu-west-1:123456789012:table/Products/stream/2026-01-01T00:00:00.000"

void erig_init(struct erig *rig); /* then change the options, then erig_start */
void erig_start(struct erig *rig);
void erig_done(struct erig *rig);
/* Records first..last of item number % items, created `age_ms` ago. */
void erig_offer(struct erig *rig, int first, int last, int items, int64_t age_ms);
void erig_run(struct erig *rig, int64_t ms);
/* Forgets what was noted so far. */
void erig_clear(struct erig *rig);
#endif
