/* What keeps the volume of the log bounded: repeats are folded, and errors have a rate. No thread
 * of its own: the log calls it under its lock. */
#ifndef WEIR_OBSERVE_LOG_FOLD_H
#define WEIR_OBSERVE_LOG_FOLD_H
#include "util/str.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    FOLD_KINDS_MAX = 64, /* of lines that are remembered at a time */
    FOLD_SHOWN = 10,     /* lines of a kind that are written in a window; the rest is counted */
    FOLD_WINDOW_MS = 10000,
    FOLD_RATE_MAX = 200, /* warnings and errors of all kinds in a second; more is dropped */
    FOLD_COMPONENT_MAX = 80,
    FOLD_CODE_MAX = 8
};

/* A kind of line: those of one component with one code and level. */
struct fold_kind {
    char component[FOLD_COMPONENT_MAX], code[FOLD_CODE_MAX]; /* code "": none */
    int level;                                               /* 0: the place is free */
    int64_t since_ms;
    uint32_t shown, more;
};

struct log_fold { /* zeroed: empty */
    struct fold_kind kinds[FOLD_KINDS_MAX];
    int64_t due_ms; /* some window with folded lines is over then; 0 = none */
    int64_t second_ms;
    uint32_t in_second;
    uint64_t dropped, dropped_unsaid;
};

/* Whether this line is to be written; else it was counted. */
bool fold_admit(struct log_fold *fold, int level, const char *component, const char *code,
                int64_t now_ms);
/* A kind whose window is over and of which lines were folded: its count is taken, for one line that
 * says so. `all`: also of windows that are not over. NULL when there is none (left). */
const struct fold_kind *fold_next_due(struct log_fold *fold, int64_t now_ms, bool all,
                                      uint32_t *more, int64_t *for_ms);
/* Lines that were dropped since the last call. */
uint64_t fold_take_dropped(struct log_fold *fold);
#endif
