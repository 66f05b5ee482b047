/* Random batches with gates, sinks that are released and read again, positions of an earlier life,
 * and permission that comes and goes, against the model of what each sink really stored. */
#include "course.h"

#include "router/exchange.h"

enum { FLOWS = 400 };

struct part { /* a batch: records [first, end), and the sinks that it was last submitted for */
    struct rig_flow flow;
    size_t first, end;
    uint64_t sinks;
    bool background;
    unsigned frontier[RIG_SINKS];
};

struct reading {
    struct course course; /* first: talked() gets it */
    struct part parts[FLOWS];
    size_t count;
    size_t cursor;   /* the next record that the shared reader reads */
    bool background; /* the source hears of sinks that are not required to their end */
    bool exchanges;  /* now and then sinks are exchanged */
    uint64_t exchanging;
    unsigned begun, exchanged, kept; /* kept: their plugins did not let go */
};

static struct reading *reading_of(struct course *course)
{
    return (struct reading *)course;
}

/* As far as its source can know, the sink is through with the part. */
static bool through(const struct part *part, size_t sink)
{
    if (part->flow.sinks_done >> sink & 1)
        return true;
    return part->flow.answer.came && !part->background;
}

static unsigned number_of(weir_str position)
{
    unsigned number = 0;
    for (size_t i = 0; i < position.len; i++)
        number = number * 10 + (unsigned)(position.ptr[i] - '0');
    return number;
}

/* ---- checks ---- */

static void check_frontier(struct reading *reading, struct part *part, size_t sink)
{
    struct course *course = &reading->course;
    bool whole = false;
    weir_str position = flow_frontier(part->flow.flow, sink, &whole);
    unsigned at = whole ? (unsigned)part->end - 1 : number_of(position);
    if (at < part->frontier[sink])
        complain(course, "the frontier went back", sink, at);
    part->frontier[sink] = at;
    for (unsigned record = (unsigned)part->first; record <= at; record++)
        if (course->rig.routes[sink].required && sink + 1 < course->rig.count &&
            !accounted(course, sink, record))
            complain(course, "the frontier is ahead of an unfinished record", sink, record);
}

static void check_frontiers(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++)
        for (size_t sink = 0; sink < reading->course.rig.count; sink++)
            if (reading->parts[i].flow.flow &&
                (reading->parts[i].sinks & ~reading->course.gone) >> sink & 1)
                check_frontier(reading, &reading->parts[i], sink);
}

/* ---- the source ---- */

static void open_gates(struct reading *reading)
{
    struct course *course = &reading->course;
    for (size_t sink = 0; sink < course->rig.count; sink++) {
        bool all = reading->cursor >= CHILD_FROM && !course->through_parent[sink];
        for (size_t i = 0; all && i < reading->count; i++) {
            const struct part *part = &reading->parts[i];
            all = part->first >= CHILD_FROM || !(part->sinks >> sink & 1) || through(part, sink);
        }
        if (!all)
            continue;
        course->through_parent[sink] = true;
        for (size_t i = 0; i < reading->count; i++)
            if (reading->parts[i].flow.flow)
                flow_open_gates(reading->parts[i].flow.flow, UINT64_C(1) << sink);
    }
}

static void on_sink_done(struct rig_flow *flow, size_t sink)
{
    (void)sink;
    open_gates((struct reading *)flow->rig); /* rig is the first member of course */
}

static void submit(struct reading *reading, size_t first, size_t end, uint64_t sinks)
{
    struct course *course = &reading->course;
    char text[1024], numbers[RIG_SINKS][16];
    weir_str finished_to[RIG_SINKS] = {STR_NONE};
    CHECK_FATAL(reading->count < FLOWS);
    struct part *part = &reading->parts[reading->count++];
    *part = (struct part){.first = first, .end = end, .sinks = sinks};
    part->background = reading->background;
    part->flow.on_sink_done = on_sink_done;
    struct flow_options options = {.finished_to = finished_to};
    for (size_t i = 0; i < course->rig.count; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%u", course->finished_to[i]);
        if (course->finished_to[i])
            finished_to[i] = str_of(numbers[i]);
        if (first >= CHILD_FROM && !course->through_parent[i])
            options.gated |= UINT64_C(1) << i;
    }
    records_text(course, first, end, text, sizeof text);
    rig_flow(&course->rig, &part->flow, text, sinks, &options, part->background);
}

static size_t batch_end(struct course *course, size_t first, size_t limit)
{
    size_t end = first + 1 + below(course, BATCH_MOST);
    if (first < CHILD_FROM && end > CHILD_FROM)
        end = CHILD_FROM;
    return end < limit ? end : limit;
}

static void read_on(struct reading *reading)
{
    size_t end = batch_end(&reading->course, reading->cursor, RECORDS + 1);
    size_t first = reading->cursor;
    reading->cursor = end;
    submit(reading, first, end, (UINT64_C(1) << reading->course.rig.count) - 1);
}

/* The sink gives everything back and reads again by itself what it had not finished. */
static void detach(struct reading *reading, size_t sink)
{
    const uint64_t bit = UINT64_C(1) << sink;
    size_t count = reading->count; /* what is submitted here comes behind */
    size_t again[FLOWS];
    for (size_t i = 0; i < count; i++) { /* first all of them: what is read again comes behind */
        struct part *part = &reading->parts[i];
        bool whole = false;
        again[i] = part->end;
        if (!(part->sinks & bit) || through(part, sink) || !part->flow.flow)
            continue;
        weir_str position = flow_frontier(part->flow.flow, sink, &whole);
        if (whole)
            continue;
        again[i] = position.len ? number_of(position) + 1 : part->first;
        flow_release(part->flow.flow, bit);
        part->sinks &= ~bit;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t first = again[i], end, limit = reading->parts[i].end; first < limit;
             first = end) {
            end = batch_end(&reading->course, first, limit);
            submit(reading, first, end, bit);
        }
}

/* What is left of a batch behind its source's back can't be given back by it. */
static void detach_one(struct reading *reading, size_t sink)
{
    if (reading->course.gone >> sink & 1)
        return;
    if (reading->background || reading->course.rig.routes[sink].required)
        detach(reading, sink);
}

/* ---- exchanges ---- */

static void exchange_one(struct course *course, size_t sink)
{
    struct route *route = &course->rig.routes[sink];
    enum route_order before = route->order;
    for (unsigned record = 1; record <= RECORDS; record++)
        if (course->truth[sink][record].open)
            complain(course, "exchanged while its plugin holds it", sink, record);
    random_pace(course, route);
    CHECK_INT(router_replace(course->rig.router, sink, route), 0);
    if (before != route->order) /* what was stored in the order before says nothing of this one */
        memset(course->last_stored[sink], 0, sizeof course->last_stored[sink]);
}

/* Letters go to the store then, since they may have gone to one of these. */
static void remove_some(struct course *course, uint64_t sinks)
{
    struct rig *rig = &course->rig;
    if (sinks >> (rig->count - 1) & 1) {
        for (size_t i = 0; i < rig->count; i++)
            if (rig->routes[i].on_exhausted == ROUTE_SINK)
                rig->routes[i].on_exhausted = ROUTE_DEAD;
        for (size_t i = 0; i < rig->count; i++)
            if (!((course->gone | sinks) >> i & 1))
                CHECK_INT(router_replace(rig->router, i, &rig->routes[i]), 0);
        if (rig->config.on_poison == ROUTE_SINK)
            rig->config.on_poison = ROUTE_DEAD;
        router_set_poison(rig->router, rig->config.on_poison, 0);
    }
    router_remove(rig->router, sinks);
    course->gone |= sinks;
    for (size_t i = 0; i < rig->count; i++)
        if (sinks >> i & 1)
            rig->routes[i].required = false; /* nothing is owed to it */
}

/* The last one, which takes the letters, only where all others are exchanged too. */
static void maybe_remove(struct reading *reading)
{
    struct course *course = &reading->course;
    uint64_t all = (UINT64_C(1) << course->rig.count) - 1, last = (all + 1) / 2;
    uint64_t sinks = reading->exchanging & (1 + below(course, all)) & ~course->gone & ~1U;
    if (reading->exchanging != all)
        sinks &= ~last;
    if (below(course, 3) == 0 && sinks)
        remove_some(course, sinks);
}

static void on_ready(void *arg, int status, size_t sink)
{
    struct reading *reading = arg;
    struct course *course = &reading->course;
    heed_cancel(course);
    if (status == -EBUSY && !(reading->exchanging >> sink & 1))
        complain(course, "a sink that takes no part keeps records", sink, 0);
    for (size_t i = 0; status == 0 && i < course->rig.count; i++)
        if ((reading->exchanging & ~course->gone) >> i & 1)
            exchange_one(course, i);
    if (status == 0)
        maybe_remove(reading);
    reading->exchanged += status == 0;
    reading->kept += status == -EBUSY;
    reading->exchanging = 0;
}

static void maybe_exchange(struct reading *reading)
{
    struct course *course = &reading->course;
    if (!reading->exchanges || reading->exchanging || below(course, 8) > 0)
        return;
    reading->exchanging = 1 + below(course, (UINT64_C(1) << course->rig.count) - 1);
    const struct exchange_config config = {.sinks = reading->exchanging,
                                           .wait_ms = (int64_t)below(course, 150),
                                           .ready = on_ready,
                                           .arg = reading};
    reading->begun++;
    CHECK_INT(router_exchange(course->rig.router, &config), 0);
}

/* What is paused when all is to end well has to be resumed: heal() knows nothing of it. */
static void maybe_pause(struct course *course)
{
    for (size_t i = 0; course->healed && i < course->rig.count; i++)
        router_pause(course->rig.router, i, false);
    if (!course->healed && below(course, 15) == 0)
        router_pause(course->rig.router, below(course, course->rig.count), below(course, 2));
}

static void talked(struct course *course)
{
    struct reading *reading = reading_of(course);
    struct router *router = course->rig.router;
    check_frontiers(reading);
    open_gates(reading);
    bool before = course->may_dispatch;
    course->may_dispatch = course->healed || (before ? below(course, 12) > 0 : !below(course, 3));
    if (course->may_dispatch && !before)
        router_resume(router);
    if (!course->healed && below(course, 25) == 0 && reading->count < FLOWS - 2 * RECORDS)
        detach_one(reading, below(course, course->rig.count));
    maybe_exchange(reading);
    maybe_pause(course);
}

static void check_all_answered(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++)
        if (!reading->parts[i].flow.answer.came || !reading->parts[i].flow.answer.complete)
            complain(&reading->course, "a batch did not become complete", i,
                     (unsigned)reading->parts[i].first);
}

static void run_reading(uint64_t seed, bool exchanges)
{
    static struct reading reading; /* large */
    struct course *course = &reading.course;
    reading.exchanges = exchanges;
    reading.exchanging = 0;
    course_init(course, seed, COURSE_FLOWS);
    reading.count = 0;
    reading.cursor = 1;
    reading.background = below(course, 2);
    course->talked = talked;
    struct rig *rig = &course->rig;
    struct talker talker = {.timer = {.fire = on_talk}, .course = course};
    struct clock *clock = &rig->world.world.clock;
    clock->arm(clock->ctx, &talker.timer, 1);
    while (reading.cursor <= RECORDS) {
        read_on(&reading);
        vworld_run(&rig->world, (int64_t)below(course, 300));
    }
    vworld_run(&rig->world, 3000);
    heal(course);
    for (int i = 0; i < 1500 && !router_idle(rig->router); i++)
        vworld_run(&rig->world, 200);
    check_all_answered(&reading);
    acknowledge(course, RECORDS + 1);
    finish(course, &talker);
}

static void run_flows(uint64_t seed)
{
    run_reading(seed, false);
}

static void run_exchanges(uint64_t seed)
{
    run_reading(seed, true);
}

static void random_flows(void)
{
    run_seeds(run_flows, 600);
}

/* Each run has some tens of exchanges. */
static void random_exchanges_and_removals(void)
{
    run_seeds(run_exchanges, 400);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F68_random_flows", random_flows},
        {"random_exchanges_and_removals", random_exchanges_and_removals},
        {NULL, NULL}};
    return unit_main(argc, argv, "router, random flows", tests);
}
