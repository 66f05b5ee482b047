/* One seed's run. */
#ifndef WEIR_TESTS_SIM_COURSE_H
#define WEIR_TESTS_SIM_COURSE_H
#include "sim.h"

struct course {
    struct sim sim;
    struct sim_actors actors;
    bool two;                   /* a second process stands by */
    struct sim_reloads reloads; /* see course_reload */
};

void course_pick(struct course *course); /* everything, from the seed */
/* After it, and before course_run(): sinks come, go and are exchanged. The course is the same
 * otherwise, until that happens. */
void course_reload(struct course *course);
void course_run(struct course *course); /* and asks all that must hold */
#endif
