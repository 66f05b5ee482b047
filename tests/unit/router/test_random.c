/* Random pipelines, records, outcomes and deadlines, redelivered as an event source mapping does,
 * against a model of what each sink really stored. One seed is one run. */
#include "course.h"

/* ---- the source ---- */

static void invoke(struct course *course, size_t end)
{
    char text[1024];
    struct rig *rig = &course->rig;
    int64_t deadline_ms = 10 + (int64_t)below(course, 600);
    records_text(course, course->next, end, text, sizeof text);
    rig->answer_count = 0;
    size_t number = rig_submit(rig, text, deadline_ms);
    int64_t began_ms = rig->world.now_ms;
    vworld_until(&rig->world, &rig->answers[number].came, 10000);
    const struct rig_answer *answer = &rig->answers[number];
    if (!answer->came || rig->world.now_ms > began_ms + deadline_ms + 5)
        complain(course, "answered too late", 0, (unsigned)course->next);
    if (answer->complete)
        acknowledge(course, end);
    else if (course->report && !answer->unreadable && !answer->sink_down)
        acknowledge(course, (size_t)strtol(answer->lowest, NULL, 10));
    vworld_run(&rig->world, (int64_t)below(course, 50)); /* late completions come in between */
}

/* Poison and records that fail with `block` come back until the mapping gives up on them. */
static void skip_what_is_blocked(struct course *course)
{
    course->next++;
}

static void run_course(uint64_t seed)
{
    static struct course course; /* large */
    course_init(&course, seed, COURSE_INVOCATIONS);
    struct talker talker = {.timer = {.fire = on_talk}, .course = &course};
    struct clock *clock = &course.rig.world.world.clock;
    clock->arm(clock->ctx, &talker.timer, 1);
    unsigned invocations = 0;
    size_t end = 1;
    while (course.next <= RECORDS && CU_get_number_of_failures() == 0) {
        if (end <= course.next)
            end = course.next + 1 + below(&course, BATCH_MOST);
        if (end > RECORDS + 1)
            end = RECORDS + 1;
        size_t before = course.next;
        invoke(&course, end);
        invocations = course.next > before ? 0 : invocations + 1;
        if (invocations == HEAL_AFTER)
            heal(&course);
        if (invocations > HEAL_AFTER + 10)
            skip_what_is_blocked(&course);
        if (course.next > before)
            course.healed = false;
    }
    finish(&course, &talker);
}

static void F21_F64_random_invocations(void)
{
    run_seeds(run_course, 2000);
}

/* The same without redelivery, as over a file: several batches under way, no deadline. */
static void run_stream(uint64_t seed)
{
    static struct course course;
    char text[1024];
    course_init(&course, seed, COURSE_STREAM);
    struct rig *rig = &course.rig;
    struct talker talker = {.timer = {.fire = on_talk}, .course = &course};
    struct clock *clock = &rig->world.world.clock;
    clock->arm(clock->ctx, &talker.timer, 1);
    for (size_t first = 1, end; first <= RECORDS; first = end) {
        end = first + 1 + below(&course, BATCH_MOST);
        end = end > RECORDS + 1 ? RECORDS + 1 : end;
        records_text(&course, first, end, text, sizeof text);
        rig_submit(rig, text, 0);
        vworld_run(&rig->world, (int64_t)below(&course, 30));
    }
    vworld_run(&rig->world, 4000);
    heal(&course);
    for (int i = 0; i < 350 && !router_idle(rig->router); i++)
        vworld_run(&rig->world, 200);
    bool all = true;
    for (size_t i = 0; i < rig->answer_count; i++) {
        if (!rig->answers[i].came)
            complain(&course, "a batch never ended", i, 0);
        all = all && rig->answers[i].complete;
    }
    if (all)
        acknowledge(&course, RECORDS + 1);
    finish(&course, &talker);
}

static void random_streams(void)
{
    run_seeds(run_stream, 600);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F21_F64_random_invocations", F21_F64_random_invocations},
        {"random_streams", random_streams},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, random", tests);
}
