/* A virtual world behind the seams: one thread, time that moves only when told, seeded random, work
 * that runs inline or waits, a store and a transport that do as scripted. One seed, one course of
 * events. */
#ifndef WEIR_TESTS_VWORLD_H
#define WEIR_TESTS_VWORLD_H
#include "loop/timers.h"
#include "util/seam.h"

struct vletter { /* what the store holds; copies */
    char *sequence, *sink, *reason, *record;
    int64_t attempts;
};

struct vworld {
    struct world world;
    struct timers timers;
    int64_t now_ms;
    int64_t wall_us; /* at now_ms 0 */
    uint64_t random;
    struct post *posts, *last_post;
    struct work *works, *last_work;
    bool hold_works;                   /* works wait for vworld_work */
    int refuse_work;                   /* -errno of the next submits; 0 = take them */
    struct store_put *puts, *last_put; /* not yet answered */
    bool hold_puts;                    /* puts wait for vworld_store */
    int refuse_put;                    /* -errno of dead_put itself */
    int store_status;                  /* what done() is told */
    struct vletter *letters;
    size_t letter_count, letter_room;
    struct http_call *call; /* the open exchange; one at a time is enough for a source */
    int refuse_call;
    unsigned forgotten; /* calls of forget_connections */
    struct post store_post;
    bool store_posted;
    void (*after_step)(void *ctx); /* optional: looks at the pipeline after each callback */
    void *ctx;
};

void vworld_init(struct vworld *world, uint64_t seed);
void vworld_done(struct vworld *world); /* fails the test when something is left over */
uint64_t vworld_random(struct vworld *world);
/* Runs what is due now: posts, works, and timers of this millisecond. */
void vworld_settle(struct vworld *world);
/* The same for `ms` of virtual time, jumping from timer to timer. */
void vworld_run(struct vworld *world, int64_t ms);
/* Runs until `*flag` or until nothing is left to happen, at most `ms`. Returns *flag. */
bool vworld_until(struct vworld *world, const bool *flag, int64_t ms);
bool vworld_work(struct vworld *world);              /* runs one held work; false: there is none */
void vworld_store(struct vworld *world, int status); /* answers all held puts */
/* Answers the open exchange. */
void vworld_answer(struct vworld *world, enum http_result result, int status, const char *headers,
                   const char *body);
bool vworld_stored(const struct vworld *world, const char *sink, const char *sequence);
#endif
