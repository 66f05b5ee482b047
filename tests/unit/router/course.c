#include "course.h"

static struct course *course_of(const struct vsink *sink)
{
    return sink->arg;
}

static size_t index_of(const struct course *course, const struct vsink *sink)
{
    return (size_t)(sink - course->rig.sinks);
}

void complain(const struct course *course, const char *what, size_t sink, unsigned record)
{
    printf("\n    seed %llu: %s: sink %zu, record %u", (unsigned long long)course->seed, what, sink,
           record);
    CU_FAIL("the model is broken");
}

uint64_t below(struct course *course, uint64_t limit)
{
    return vworld_random(&course->rig.world) % limit;
}

/* ---- the model of a sink ---- */

static void check_order(struct course *course, size_t sink, unsigned record)
{
    const struct route *route = &course->rig.routes[sink];
    unsigned lane = route->order == ROUTE_SHARD ? 0 : course->key[record];
    unsigned *last = &course->last_stored[sink][lane];
    if (route->order == ROUTE_NONE || course->truth[sink][record].stored)
        return;
    if (record < *last)
        complain(course, "stored behind a later one", sink, record);
    *last = record;
}

/* The plugin's own view: what it says while it holds the record is true. */
static void note_truth(struct course *course, size_t sink, const struct vseen *seen,
                       int32_t outcome)
{
    unsigned record = (unsigned)strtol(seen->sequence, NULL, 10);
    struct truth *truth = &course->truth[sink][record];
    if (seen->dead) {
        for (size_t i = 0; i < course->rig.count; i++)
            if (outcome == WEIR_OK && (strcmp(seen->dead_sink, course->rig.routes[i].name) == 0 ||
                                       seen->dead_sink[0] == '\0'))
                course->truth[i][record].lettered = true;
        return;
    }
    truth->open--;
    if (outcome == WEIR_OK)
        check_order(course, sink, record);
    truth->stored |= outcome == WEIR_OK;
    truth->skipped |= outcome == WEIR_SKIP;
}

static void note_given(struct course *course, size_t sink, const struct vseen *seen)
{
    unsigned record = (unsigned)strtol(seen->sequence, NULL, 10);
    struct truth *truth = &course->truth[sink][record];
    const struct route *route = &course->rig.routes[sink];
    if (!course->may_dispatch)
        complain(course, "given without permission", sink, record);
    if (course->gone >> sink & 1)
        complain(course, "given though it was removed", sink, record);
    if (seen->dead)
        return;
    if (record <= course->finished_to[sink])
        complain(course, "given though it was finished in an earlier life", sink, record);
    if (course->talked && record >= CHILD_FROM && !course->through_parent[sink])
        complain(course, "given before its parent was finished", sink, record);
    if (truth->stored || truth->skipped)
        complain(course, "given again though it was finished", sink, record);
    if (truth->open++ > 0)
        complain(course, "given twice at a time", sink, record);
    if (route->order == ROUTE_NONE ||
        course->rig.sinks[sink].plugin.desc.flags & WEIR_P_KEEPS_ORDER)
        return;
    for (unsigned other = 1; other <= RECORDS; other++)
        if (other != record && course->truth[sink][other].open &&
            (route->order == ROUTE_SHARD || course->key[other] == course->key[record]))
            complain(course, "given while another of its lane is open", sink, record);
}

static int32_t pick(struct course *course)
{
    uint64_t dice = vworld_random(&course->rig.world) % 100;
    if (course->healed || dice < 62)
        return WEIR_OK;
    return dice < 66   ? WEIR_SKIP
           : dice < 80 ? WEIR_RETRY
           : dice < 84 ? WEIR_FAIL
           : dice < 89 ? WEIR_DOWN
           : dice < 91 ? 99 /* taken as RETRY */
                       : VSINK_HOLD;
}

/* Says it, unless it was said before. */
static void say(struct course *course, size_t sink, size_t i, int32_t outcome)
{
    struct vsink *plugin = &course->rig.sinks[sink];
    if (plugin->log[i].outcome != VSINK_HOLD)
        return;
    note_truth(course, sink, &plugin->log[i], outcome);
    vsink_say(plugin, i, outcome);
}

/* A plugin that keeps order says nothing good of a record behind one of which it said otherwise,
 * or nothing yet. */
static bool behind_open(const struct vsink *plugin, size_t i)
{
    for (size_t k = i; k-- > 0 && plugin->log[k].token == plugin->log[i].token;)
        if (plugin->log[k].lane == plugin->log[i].lane && plugin->log[k].outcome != WEIR_OK &&
            plugin->log[k].outcome != WEIR_SKIP)
            return true;
    return false;
}

static void say_something(struct course *course, size_t sink, size_t i)
{
    struct vsink *plugin = &course->rig.sinks[sink];
    int32_t outcome = pick(course);
    if (outcome == VSINK_HOLD || plugin->log[i].outcome != VSINK_HOLD)
        return;
    if (plugin->plugin.desc.flags & WEIR_P_KEEPS_ORDER && behind_open(plugin, i))
        outcome = WEIR_RETRY;
    say(course, sink, i, outcome);
}

/* ---- plugins ---- */

static int32_t on_record(struct vsink *plugin, const struct vseen *seen)
{
    struct course *course = course_of(plugin);
    size_t sink = index_of(course, plugin);
    int32_t outcome = pick(course);
    note_given(course, sink, seen);
    if (outcome == VSINK_HOLD)
        outcome = WEIR_RETRY;
    plugin->world->now_ms += (int64_t)(vworld_random(plugin->world) % 3);
    note_truth(course, sink, seen, outcome);
    return outcome;
}

/* Notes that it was given; what it says comes from talk(), some of it at once. */
static int32_t on_deliver(struct vsink *plugin, const struct vseen *seen)
{
    struct course *course = course_of(plugin);
    note_given(course, index_of(course, plugin), seen);
    return VSINK_HOLD;
}

static void talk_of(struct course *course, size_t sink, uint64_t percent)
{
    struct vsink *plugin = &course->rig.sinks[sink];
    for (size_t i = plugin->count > 64 ? plugin->count - 64 : 0; i < plugin->count; i++)
        if (plugin->log[i].token && vworld_random(&course->rig.world) % 100 < percent)
            say_something(course, sink, i);
}

/* Nonsense that must change nothing: old tokens, wrong places, wrong sinks. */
static void babble(struct course *course)
{
    struct rig *rig = &course->rig;
    uint64_t dice = vworld_random(&rig->world);
    struct vsink *plugin = &rig->sinks[dice % rig->count];
    if (plugin->count == 0)
        return;
    const struct vseen *seen = &plugin->log[(dice >> 8) % plugin->count];
    const struct vsink *other = &rig->sinks[(dice >> 16) % rig->count];
    if (seen->outcome != VSINK_HOLD)
        delivery_complete(&rig->board, &plugin->instance, seen->token, seen->index, WEIR_OK,
                          STR_NONE);
    if (other != plugin)
        delivery_complete(&rig->board, &other->instance, seen->token, seen->index, WEIR_OK,
                          STR_NONE);
    delivery_complete(&rig->board, &plugin->instance, seen->token, 1000, WEIR_OK, STR_NONE);
    delivery_complete(&rig->board, &plugin->instance, dice, seen->index, WEIR_OK, STR_NONE);
}

void on_talk(struct timer *timer)
{
    struct talker *talker = (struct talker *)((char *)timer - offsetof(struct talker, timer));
    struct course *course = talker->course;
    struct clock *clock = &course->rig.world.world.clock;
    for (size_t i = 0; i < course->rig.count; i++)
        talk_of(course, i, course->healed ? 100 : 40);
    babble(course);
    if (course->talked)
        course->talked(course);
    course->rig.world.store_status = course->healed || below(course, 5) ? 0 : -ENOSPC;
    clock->arm(clock->ctx, timer, 1 + (int64_t)(vworld_random(&course->rig.world) % 20));
}

/* ---- a random pipeline ---- */

/* What an exchange may change as well. */
void random_pace(struct course *course, struct route *route)
{
    route->order = (enum route_order)below(course, 3);
    route->max_attempts = 1 + (int64_t)below(course, 4);
    route->base_ms = (int64_t)below(course, 20);
    route->cap_ms = 40;
    route->timeout_ms = 20 + (int64_t)below(course, 200);
    route->concurrency = 1 + below(course, 3);
    route->batch_records = 1 + below(course, 6);
}

static void random_sink(struct course *course, size_t i, bool letters)
{
    struct rig *rig = &course->rig;
    struct route *route = &rig->routes[i];
    size_t dead_sink = rig->count - 1;
    static const enum route_exhausted kinds[] = {ROUTE_BLOCK, ROUTE_DROP, ROUTE_DEAD, ROUTE_SINK};
    bool sync = below(course, 3) == 0;
    if (sync)
        rig_sync(rig, i);
    else if (below(course, 3) == 0)
        rig_flags(rig, i, WEIR_P_KEEPS_ORDER);
    route->on_exhausted = kinds[below(course, letters ? 1 : 4)];
    route->exhausted_sink = dead_sink;
    route->required = letters || i == 0 || below(course, 4) > 0;
    random_pace(course, route);
    rig->letters_only[i] = letters;
    rig->sinks[i].on_cancel = below(course, 2) ? VSINK_HOLD : WEIR_RETRY;
    rig->sinks[i].script = sync ? on_record : on_deliver;
    rig->sinks[i].arg = course;
}

void heed_cancel(struct course *course)
{
    unsigned cancels = 0;
    for (size_t i = 0; i < course->rig.count; i++)
        cancels += course->rig.sinks[i].cancels;
    if (cancels == course->cancels)
        return;
    course->cancels = cancels;
    for (size_t i = 0; i < course->rig.count; i++)
        for (size_t k = 0; k < course->rig.sinks[i].count; k++) {
            struct vseen *seen = &course->rig.sinks[i].log[k];
            if (seen->revoked && seen->outcome == VSINK_HOLD &&
                course->rig.sinks[i].on_cancel != VSINK_HOLD) {
                note_truth(course, i, seen, WEIR_RETRY);
                seen->outcome = WEIR_RETRY;
            }
        }
}

static void after_step(void *ctx)
{
    struct course *course = ctx;
    for (size_t i = 0; i < course->rig.count; i++)
        router_counts(course->rig.router, i); /* asserts the identity */
    heed_cancel(course);
}

static bool may_dispatch(void *ctx)
{
    return ((struct course *)ctx)->may_dispatch;
}

static void random_polling(struct course *course)
{
    struct router_config *config = &course->rig.config;
    config->blocks_for_ever = true;
    config->may_dispatch = may_dispatch;
    config->may_dispatch_ctx = course;
    if (config->on_poison == ROUTE_BLOCK)
        config->on_poison = ROUTE_DEAD; /* its shard would be held for ever */
    for (size_t i = 0; i < course->rig.count; i++) {
        course->finished_to[i] = below(course, 2) ? 0 : (unsigned)below(course, RECORDS / 2);
        course->through_parent[i] = false;
    }
}

void course_init(struct course *course, uint64_t seed, enum course_kind kind)
{
    *course = (struct course){.seed = seed, .next = 1, .may_dispatch = true};
    size_t count = 2 + seed % 4;
    rig_init(&course->rig, count, kind == COURSE_INVOCATIONS);
    course->rig.world.random = seed * 7919;
    for (size_t i = 0; i < count; i++)
        random_sink(course, i, i == count - 1);
    course->rig.config.on_poison = (enum route_exhausted)below(course, 4);
    course->rig.config.poison_sink = count - 1;
    if (kind == COURSE_FLOWS)
        random_polling(course);
    course->report = below(course, 2) == 0;
    for (unsigned i = 1; i <= RECORDS; i++) {
        course->key[i] = (unsigned)below(course, KEYS);
        course->poison[i] = below(course, 25) == 0;
    }
    rig_start(&course->rig);
    course->rig.world.after_step = after_step;
    course->rig.world.ctx = course;
}

/* ---- for the source ---- */

void records_text(const struct course *course, size_t first, size_t end, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = first; i < end; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s%zu:k%u", i > first ? " " : "",
                                course->poison[i] ? "!" : "", i, course->key[i]);
}

bool accounted(struct course *course, size_t sink, unsigned record)
{
    const struct rig *rig = &course->rig;
    const struct route *route = &rig->routes[sink];
    const struct truth *truth = &course->truth[sink][record];
    char sequence[16];
    snprintf(sequence, sizeof sequence, "%u", record);
    enum route_exhausted end = course->poison[record] ? rig->config.on_poison : route->on_exhausted;
    return record <= course->finished_to[sink] || truth->stored || truth->skipped ||
           truth->lettered || end == ROUTE_DROP ||
           vworld_stored(&rig->world, course->poison[record] ? "" : route->name, sequence);
}

void acknowledge(struct course *course, size_t next)
{
    heed_cancel(course);
    for (size_t i = course->next; i < next; i++)
        for (size_t k = 0; k + 1 < course->rig.count; k++)
            if (course->rig.routes[k].required && !accounted(course, k, (unsigned)i))
                complain(course, "acknowledged falsely", k, (unsigned)i);
    course->next = next;
}

void heal(struct course *course)
{
    course->healed = true;
    for (size_t i = 0; i < course->rig.count; i++)
        for (size_t k = 0; k < course->rig.sinks[i].count; k++)
            if (course->rig.sinks[i].log[k].token)
                say(course, i, k,
                    course->rig.sinks[i].plugin.desc.flags & WEIR_P_KEEPS_ORDER &&
                            behind_open(&course->rig.sinks[i], k)
                        ? WEIR_RETRY
                        : WEIR_OK);
}

void finish(struct course *course, struct talker *talker)
{
    struct rig *rig = &course->rig;
    struct clock *clock = &rig->world.world.clock;
    vworld_settle(&rig->world);
    clock->disarm(clock->ctx, &talker->timer);
    router_stop(rig->router);
    vworld_run(&rig->world, 3000);
    heal(course);
    vworld_run(&rig->world, 100);
    rig_done(rig);
}

void run_seeds(void (*run)(uint64_t seed), uint64_t most)
{
    const char *only = getenv("SEED"), *many = getenv("SEEDS");
    uint64_t from = only ? strtoull(only, NULL, 10) : 1;
    uint64_t to = only ? from : many ? strtoull(many, NULL, 10) : most;
    for (uint64_t seed = from; seed <= to && CU_get_number_of_failures() == 0; seed++)
        run(seed);
}
