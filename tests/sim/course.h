/* One seed's run. */
#ifndef WEIR_TESTS_SIM_COURSE_H
#define WEIR_TESTS_SIM_COURSE_H
#include "sim.h"

struct course {
    struct sim sim;
    struct sim_actors actors;
    bool two; /* a second process stands by */
};

void course_pick(struct course *course); /* everything, from the seed */
void course_run(struct course *course);  /* and asks all that must hold */
#endif
