/* Inside match: what match_plan_new compiles and match_record runs. */
#ifndef WEIR_RECORD_PLAN_H
#define WEIR_RECORD_PLAN_H
#include "record/match.h"

enum { PLAN_PATHS_MAX = 256, PLAN_WORDS = PLAN_PATHS_MAX / 64 };

/* One attribute that some condition asks about; many sinks asking for it share one lookup. */
struct plan_path {
    const char *text;
    weir_str name; /* a path of one step: the attribute's name; otherwise len 0 */
};

enum plan_test { TEST_CHANGED, TEST_PRESENT, TEST_FILTER };

/* One condition, shared by all sinks that have it word for word. */
struct plan_condition {
    enum plan_test test;
    uint32_t first, count;       /* CHANGED, PRESENT: places in plan->lists */
    const struct filter *filter; /* FILTER */
    uint64_t sinks;
};

/* What one sink asks of a record's head, all its rules together. */
struct plan_sink {
    uint32_t events; /* WEIR_* bits, and EVENT_OTHER */
    uint32_t images; /* all that its rules look at */
    uint32_t needed; /* those without which it can't be decided or served */
    bool ttl_only, ttl_never;
};

enum { EVENT_OTHER = 8, EVENT_ALL = WEIR_INSERT | WEIR_MODIFY | WEIR_REMOVE | EVENT_OTHER };

struct match_plan {
    struct plan_sink sinks[MATCH_SINKS_MAX];
    size_t sink_count;
    struct plan_path *paths;
    uint32_t *lists;                   /* places in paths, list behind list */
    struct plan_condition *conditions; /* filters, which cost most, are last */
    size_t path_count, list_count, condition_count;
    uint64_t wanted[EVENT_OTHER + 1]; /* by event: the sinks that want it */
    uint32_t images[EVENT_OTHER + 1]; /* by event: what match_images says */
    uint64_t ttl_only, ttl_never;
    uint64_t need_old, need_new; /* sinks that can't do without that image */
};

static inline uint32_t plan_event(int event)
{
    return event == WEIR_INSERT || event == WEIR_MODIFY || event == WEIR_REMOVE ? (uint32_t)event
                                                                                : EVENT_OTHER;
}

/* The images that a record of this event has by nature, on a stream of NEW_AND_OLD_IMAGES. */
static inline uint32_t plan_natural_images(uint32_t event)
{
    return event == WEIR_INSERT   ? WEIR_NEW
           : event == WEIR_MODIFY ? WEIR_OLD | WEIR_NEW
           : event == WEIR_REMOVE ? WEIR_OLD
                                  : 0;
}

const struct node *plan_find(const struct plan_path *path, const struct node *image);
bool plan_differs(const struct node *before, const struct node *after);
#endif
