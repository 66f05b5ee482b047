/* A random pipeline, and a model of what each of its sinks really stored. One seed is one run. */
#ifndef WEIR_TESTS_ROUTER_COURSE_H
#define WEIR_TESTS_ROUTER_COURSE_H
#include "rig.h"

enum { RECORDS = 40, KEYS = 5, BATCH_MOST = 12, HEAL_AFTER = 25, CHILD_FROM = 21 };

enum course_kind { COURSE_INVOCATIONS, COURSE_STREAM, COURSE_FLOWS };

struct truth {                      /* what a plugin said of one record while it might */
    bool stored, skipped, lettered; /* lettered: a dead letter about it was stored, by any sink */
    uint8_t open;                   /* normal deliveries that hold it */
};

struct course {
    struct rig rig;
    uint64_t seed;
    bool healed, report;
    unsigned cancels; /* calls that the model has heard of */
    unsigned key[RECORDS + 1];
    bool poison[RECORDS + 1];
    struct truth truth[RIG_SINKS][RECORDS + 1];
    unsigned last_stored[RIG_SINKS][KEYS]; /* highest that was stored for the first time */
    size_t next;                           /* first record that is not acknowledged */
    /* as the polling source has it */
    bool may_dispatch;
    unsigned finished_to[RIG_SINKS];       /* finished in an earlier life */
    bool through_parent[RIG_SINKS];        /* may have records from CHILD_FROM on */
    uint64_t gone;                         /* sinks that were removed */
    void (*talked)(struct course *course); /* now and then; optional */
};

struct talker { /* now and then every plugin says something */
    struct timer timer;
    struct course *course;
};

void complain(const struct course *course, const char *what, size_t sink, unsigned record);
uint64_t below(struct course *course, uint64_t limit);
void course_init(struct course *course, uint64_t seed, enum course_kind kind);
/* cancel() of vsink says RETRY to what is open: the model has to hear of it. */
void heed_cancel(struct course *course);
void random_pace(struct course *course, struct route *route);
void on_talk(struct timer *timer);
/* "7:k1 !8:k0 ...", poison where the course has it. */
void records_text(const struct course *course, size_t first, size_t end, char *out, size_t size);
/* Whether the sink has the record, or a letter about it is stored, or it may be dropped. */
bool accounted(struct course *course, size_t sink, unsigned record);
/* Everything before `next` has been acknowledged: each required sink must have it. */
void acknowledge(struct course *course, size_t next);
void heal(struct course *course); /* all that is held is said, and from now on all is well */
void finish(struct course *course, struct talker *talker);
/* SEED: only this one; SEEDS: so many instead. */
void run_seeds(void (*run)(uint64_t seed), uint64_t most);
#endif
