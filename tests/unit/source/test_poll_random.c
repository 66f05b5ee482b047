/* Random courses: splits, faults of the source and of the state, sinks that refuse, stops and
 * crashes. SEED=n runs one course, SEEDS=n so many. */
#include "prig.h"

#include <errno.h>

enum { SINKS = 3, ITEMS = 12, MINUTE_MS = 60000, COURSES = 60 };

struct course {
    struct prig prig;
    uint64_t random, pauses; /* pauses: of the operator's own will */
    bool calm;               /* nothing goes wrong any more */
    unsigned trouble;        /* of 1000 */
    int64_t max_hold_ms[SINKS], down_until_ms[SINKS];
    size_t begun_at[SINKS]; /* what the sinks had got when the process began */
    size_t detached;        /* sinks that were seen so */
};

static uint64_t drawn(uint64_t *random)
{
    uint64_t z = *random += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static uint64_t next(struct course *course)
{
    return drawn(&course->random);
}

static bool chance(struct course *course, unsigned of_1000)
{
    return !course->calm && next(course) % 1000 < of_1000;
}

static int32_t moody(struct vsink *sink, const struct vseen *seen)
{
    struct course *course = sink->arg;
    size_t which = (size_t)(sink - course->prig.rig.sinks);
    if (!course->calm && seen->at_ms < course->down_until_ms[which])
        return WEIR_DOWN;
    if (chance(course, course->trouble))
        return WEIR_RETRY;
    return chance(course, course->trouble / 10) ? WEIR_DOWN : WEIR_OK;
}

static const char *source_fault(void *ctx, const struct model_call *call)
{
    static const char *const errors[] = {"LimitExceededException", "InternalServerError",
                                         "ExpiredIteratorException", "ThrottlingException",
                                         "ResourceNotFoundException"};
    struct course *course = ctx;
    if (!chance(course, course->trouble))
        return NULL;
    size_t which = next(course) % (call->kind == MODEL_RECORDS ? 5 : 2);
    return errors[which];
}

static bool line_fault(struct prig *prig, enum model_kind kind, enum http_result *result,
                       int *status, const char **body)
{
    struct course *course = (struct course *)prig;
    (void)kind;
    (void)body;
    if (!chance(course, course->trouble))
        return false;
    *result = next(course) % 2 ? HTTP_AMBIGUOUS : HTTP_TIMEOUT;
    *status = 0;
    return true;
}

static void state_fault(void *ctx, enum vstore_op op, struct vfault *fault)
{
    struct course *course = ctx;
    if (op == VSTORE_SAVE && chance(course, course->trouble)) {
        fault->status = -EIO;
        fault->written = next(course) % 2 ? SIZE_MAX : next(course) % 5;
    }
    if (op == VSTORE_SAVE)
        fault->delay_ms = (int64_t)(next(course) % 50);
}

/* A pause ends with the process, which may end in it. */
static void maybe_pause(struct course *course)
{
    struct router *router = course->prig.rig.router;
    if (drawn(&course->pauses) % 6 == 0)
        router_pause(router, drawn(&course->pauses) % SINKS, true);
    if (drawn(&course->pauses) % 4 == 0)
        router_pause(router, drawn(&course->pauses) % SINKS, false);
}

static void something_happens(struct course *course)
{
    struct prig *prig = &course->prig;
    maybe_pause(course);
    for (size_t count = next(course) % 40; count > 0; count--) {
        struct model_write write = {.item = (uint32_t)(next(course) % ITEMS)};
        streams_model_write(&prig->model, 0, &write, prig_unix_ms(prig));
    }
    if (next(course) % 4 == 0) {
        size_t leaf = streams_model_leaf(&prig->model, 0, (uint32_t)(next(course) % ITEMS));
        unsigned children = 1 + (unsigned)(next(course) % 2);
        size_t child = streams_model_close(&prig->model, 0, leaf, children, prig_unix_ms(prig));
        for (unsigned i = 0; i < children; i++)
            prig->model.streams[0].shards[child + i].listed_ms =
                prig_unix_ms(prig) + (int64_t)(next(course) % 5000);
    }
    if (next(course) % 8 == 0)
        course->down_until_ms[next(course) % SINKS] =
            prig->rig.world.now_ms + (int64_t)(next(course) % (2 * MINUTE_MS));
    vworld_run(&prig->rig.world, (int64_t)(next(course) % (next(course) % 4 ? 4000 : 40000)));
    course->detached += poll_counts(prig->poll).sinks_detached;
}

static void begin_process(struct course *course)
{
    prig_start(&course->prig);
    course->prig.store.plan = state_fault;
    course->prig.store.ctx = course;
}

/* In one process a sink gets nothing again that it has stored, also when it is detached and reads
 * alone. */
static void check_process(struct course *course, size_t sink)
{
    const struct vsink *from = &course->prig.rig.sinks[sink];
    char newest[ITEMS * 4][48] = {{0}};
    uint64_t lanes[ITEMS * 4];
    size_t lane_count = 0;
    for (size_t i = course->begun_at[sink]; i < from->count; i++) {
        const struct vseen *seen = &from->log[i];
        size_t lane = 0;
        while (lane < lane_count && lanes[lane] != seen->lane)
            lane++;
        if (lane == lane_count) {
            CHECK_FATAL(lane_count < ITEMS * 4);
            lanes[lane_count++] = seen->lane;
        }
        CHECK(sequence_cmp(str_of(seen->sequence), str_of(newest[lane])) > 0);
        if (seen->outcome == WEIR_OK && !seen->revoked)
            snprintf(newest[lane], sizeof newest[lane], "%s", seen->sequence);
    }
    course->begun_at[sink] = from->count;
}

static void check_processes(struct course *course)
{
    for (size_t sink = 0; sink < SINKS; sink++)
        check_process(course, sink);
}

static void next_process(struct course *course)
{
    struct prig *prig = &course->prig;
    if (next(course) % 2) {
        prig_crash(prig);
    } else {
        bool was_calm = course->calm;
        course->calm = true;
        prig_stop(prig, 0);
        course->calm = was_calm;
        prig_end(prig);
    }
    check_processes(course);
    begin_process(course);
}

/* Of each item the first deliveries come in order: what is repeated after a crash comes again. */
static void check_order(struct prig *prig, size_t sink)
{
    const struct vsink *from = &prig->rig.sinks[sink];
    char newest[ITEMS * 4][48] = {{0}};
    uint64_t lanes[ITEMS * 4];
    size_t lane_count = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct vseen *seen = &from->log[i];
        size_t lane = 0;
        while (lane < lane_count && lanes[lane] != seen->lane)
            lane++;
        if (lane == lane_count) {
            CHECK_FATAL(lane_count < ITEMS * 4);
            lanes[lane_count++] = seen->lane;
        }
        if (seen->attempt == 1)
            CHECK(sequence_cmp(str_of(seen->sequence), str_of(newest[lane])) > 0);
        if (sequence_cmp(str_of(seen->sequence), str_of(newest[lane])) > 0)
            snprintf(newest[lane], sizeof newest[lane], "%s", seen->sequence);
    }
}

static void check_course(struct course *course)
{
    struct prig *prig = &course->prig;
    const struct model_stream *stream = &prig->model.streams[0];
    size_t total = 0;
    for (size_t i = 0; i < stream->count; i++)
        total += stream->shards[i].count;
    for (size_t sink = 0; sink < SINKS; sink++) {
        CHECK_INT(prig_got(prig, sink, NULL), total);
        check_order(prig, sink);
        for (size_t i = 0; i < stream->count; i++) {
            const struct state_row *row = prig_row(prig, sink, 0, i);
            const struct model_shard *shard = &stream->shards[i];
            CHECK_FATAL(row != NULL);
            CHECK_INT(row->done, shard->closed_ms != 0);
            if (shard->count)
                CHECK_INT(streams_model_number(row->position.ptr, row->position.len),
                          shard->records[shard->count - 1].number);
        }
    }
}

static void run_course(uint64_t seed, size_t *detached)
{
    struct course course = {.random = seed, .pauses = ~seed};
    struct prig *prig = &course.prig;
    unsigned failed = CU_get_number_of_failures();
    prig_init(prig, SINKS);
    for (size_t i = 0; i < SINKS; i++) {
        prig->rig.sinks[i].script = moody;
        prig->rig.sinks[i].arg = &course;
        prig->rig.sinks[i].delay_ms = (int64_t)(next(&course) % 200);
        prig->rig.routes[i].max_attempts = 1000000;
    }
    course.trouble = (unsigned)(next(&course) % 150);
    prig->model.fault = source_fault;
    prig->model.ctx = &course;
    prig->cut = line_fault;
    prig->latency_ms = (int64_t)(next(&course) % 50);
    prig->config.batch_size = 1 + (int64_t)(next(&course) % 100);
    prig->config.parallelization_factor = 1 + (int64_t)(next(&course) % 3);
    prig->config.batching_window_ms = next(&course) % 3 ? 0 : 500;
    prig->config.store_every_ms = 100 + (int64_t)(next(&course) % 5000);
    streams_model_create(&prig->model, "Products", 1 + (unsigned)(next(&course) % 3),
                         prig_unix_ms(prig));
    prig->rig.config.queued_records = next(&course) % 2 ? 10000 : 20 + next(&course) % 100;
    for (size_t i = 0; i < SINKS; i++)
        course.max_hold_ms[i] = 1 + (int64_t)(next(&course) % 20000);
    prig->config.max_hold_ms = course.max_hold_ms;
    begin_process(&course);
    for (size_t steps = 5 + next(&course) % 25; steps > 0; steps--) {
        something_happens(&course);
        if (next(&course) % 6 == 0)
            next_process(&course);
    }
    course.calm = true;
    for (size_t i = 0; i < SINKS; i++)
        router_pause(prig->rig.router, i, false);
    prig_run(prig, 10 * MINUTE_MS);
    CHECK(!prig->finished);
    CHECK_INT(poll_counts(prig->poll).sinks_detached, 0);
    prig_stop(prig, 0);
    check_processes(&course);
    check_course(&course);
    *detached += course.detached;
    prig_done(prig);
    if (CU_get_number_of_failures() > failed)
        fprintf(stderr, "\n    again by: SEED=%llu test_source_poll_random\n",
                (unsigned long long)seed);
}

static void random_courses_lose_nothing_and_keep_the_order(void)
{
    size_t detached = 0;                                 /* moments at which a sink was */
    static const uint64_t found[] = {78, 613, 670, 719}; /* these have found something */
    const char *one = getenv("SEED"), *many = getenv("SEEDS");
    if (one) {
        run_course(strtoull(one, NULL, 10), &detached);
        return;
    }
    for (size_t i = 0; i < sizeof found / sizeof *found && !many; i++)
        run_course(found[i], &detached);
    uint64_t count = many ? strtoull(many, NULL, 10) : COURSES;
    for (uint64_t seed = 1; seed <= count; seed++)
        run_course(seed, &detached);
    CHECK(detached > 0);
}

static const struct unit_test tests[] = {
    {"random_courses_lose_nothing_and_keep_the_order",
     random_courses_lose_nothing_and_keep_the_order},
    {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "poll_random", tests);
}
