/* A world without a network: virtual time, a transport that answers by script, works that run when
 * the test says so. */
#ifndef WEIR_TESTS_FAKE_WORLD_H
#define WEIR_TESTS_FAKE_WORLD_H
#include "loop/timers.h"
#include "util/seam.h"

struct scripted { /* one answer of the transport */
    enum http_result result;
    int status;
    const char *headers; /* "Name: value\r\n"... or NULL */
    const char *body;
    int64_t takes_ms; /* until the answer comes; -1: never */
};

enum { FAKE_OPEN_MAX = 128 };

struct fake_world {
    struct world world;
    int64_t now_ms;
    int64_t wall_offset_us; /* wall = 2026-01-01T00:00:00Z + now + this */
    struct timers timers;
    struct post *posts, *last_post;
    struct work *works;            /* submitted, not run */
    bool hold_works;               /* the pool is slow: works wait for fake_run_works */
    const struct scripted *script; /* taken in order; the last one repeats */
    size_t script_count, script_at;
    struct http_call *open[FAKE_OPEN_MAX];
    struct timer answers[FAKE_OPEN_MAX]; /* the time at which open[i] is answered */
    const struct scripted *answer_of[FAKE_OPEN_MAX];
    bool aborted[FAKE_OPEN_MAX];
    size_t open_count, most_open, started, works_run;
    char last_request[4096]; /* its headers, one a line */
    char last_url[256];
    char requests[16384]; /* all: a line "METHOD URL", the headers, the body */
    size_t requests_len;
    uint64_t random;
    bool fail_start;
};

void fake_init(struct fake_world *fake, const struct scripted *script, size_t count);
void fake_done(struct fake_world *fake);
/* Runs posts, works and timers, jumping over time, until nothing is left or `ms` have passed. */
void fake_run(struct fake_world *fake, int64_t ms);
void fake_run_works(struct fake_world *fake);
/* The value of a header of the last request, NUL-terminated, or "". Static memory. */
const char *fake_header(const struct fake_world *fake, const char *name);
#endif
