/* Completions from other threads, on the real loop: what TSan is for. */
#include "loop/loop.h"
#include "rig.h"

#include <pthread.h>

enum { WORKERS = 3, BATCHES = 60, SINKS = 2, JOBS = 4096 };

struct job {
    const weir_instance *instance;
    weir_delivery *delivery;
};

struct crew { /* plugin threads, shared by the sinks */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job jobs[JOBS];
    size_t head, tail;
    bool stop;
    struct delivery_board *board;
    struct vsink *sinks;
    pthread_t threads[WORKERS + 1];
    _Atomic uint64_t guess;
    _Atomic bool empty; /* a record had no fields; CUnit is for one thread */
};

struct scene {
    struct loop *loop;
    struct world world;
    struct delivery_board board;
    struct router *router;
    struct match_plan *plan;
    struct vworld unused; /* vsink notes its time */
    struct vsink sinks[SINKS];
    struct crew crew;
    unsigned submitted, answered;
};

static void on_deliver(struct vsink *sink, weir_delivery *delivery)
{
    struct crew *crew = sink->arg;
    atomic_store(&crew->guess, delivery->token);
    pthread_mutex_lock(&crew->lock);
    CHECK_FATAL(crew->tail - crew->head < JOBS);
    crew->jobs[crew->tail++ % JOBS] = (struct job){&sink->instance, delivery};
    pthread_cond_signal(&crew->wake);
    pthread_mutex_unlock(&crew->lock);
}

static bool next_job(struct crew *crew, struct job *out)
{
    pthread_mutex_lock(&crew->lock);
    while (crew->head == crew->tail && !crew->stop)
        pthread_cond_wait(&crew->wake, &crew->lock);
    bool got = crew->head != crew->tail;
    if (got)
        *out = crew->jobs[crew->head++ % JOBS];
    pthread_mutex_unlock(&crew->lock);
    return got;
}

/* Reads what a plugin may read, both sinks at once, then completes one by one or all together. */
static void *work(void *arg)
{
    struct crew *crew = arg;
    struct job job;
    unsigned turn = 0;
    while (next_job(crew, &job)) {
        uint64_t token = job.delivery->token;
        size_t count = job.delivery->count, bytes = 0;
        for (size_t i = 0; i < count; i++) {
            const struct record *record = job.delivery->entries[i].rec;
            bytes += record_field(record, WEIR_F_EVENT_JSON).len;
            bytes += record_field(record, WEIR_F_ITEM_KEY).len;
            bytes += record_field(record, WEIR_F_IDENTITY).len;
        }
        if (bytes <= count)
            atomic_store(&crew->empty, true);
        for (size_t i = count; turn % 2 && i-- > 0;)
            delivery_complete(crew->board, job.instance, token, i,
                              (turn + i) % 11 == 0 ? WEIR_RETRY : WEIR_OK, STR("from a thread"));
        if (turn++ % 2 == 0)
            delivery_complete_rest(crew->board, job.instance, token, WEIR_OK, STR_NONE);
        delivery_complete(crew->board, job.instance, token, 0, WEIR_FAIL, STR("late"));
    }
    return NULL;
}

static bool stopped(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    bool stop = crew->stop;
    pthread_mutex_unlock(&crew->lock);
    return stop;
}

/* Tokens that are not its own, all the time. */
static void *babble(void *arg)
{
    struct crew *crew = arg;
    for (uint64_t i = 1; !stopped(crew); i++) {
        uint64_t token = atomic_load(&crew->guess);
        delivery_complete(crew->board, &crew->sinks[0].instance, token + (i << 32), i % 4, WEIR_OK,
                          STR("guessed"));
        delivery_complete(crew->board, NULL, token, i % 4, WEIR_OK, STR_NONE);
        delivery_complete(crew->board, &crew->sinks[1].instance, i, i % 4, WEIR_OK, STR_NONE);
    }
    return NULL;
}

static void on_answer(void *arg, const struct batch_result *result);

static void submit(struct scene *scene)
{
    char records[512];
    size_t len = 0;
    struct batch *batch = NULL;
    struct err err;
    for (unsigned i = 0; i < 20; i++)
        len += (size_t)snprintf(records + len, sizeof records - len, "%u:k%u ",
                                scene->submitted * 20 + i + 1, i % 6);
    char *body = rig_body(records);
    CHECK_FATAL(batch_decode(body, strlen(body), scene->plan, NULL, &batch, &err) == 0);
    scene->submitted++;
    CHECK_INT(router_submit(scene->router, batch, 0, on_answer, scene), 0);
    batch_unref(batch);
}

static void on_answer(void *arg, const struct batch_result *result)
{
    struct scene *scene = arg;
    CHECK(result->complete);
    scene->answered++;
    if (scene->submitted < BATCHES)
        submit(scene);
    else if (scene->answered == BATCHES)
        loop_stop(scene->loop);
}

static void open_router(struct scene *scene)
{
    struct route routes[SINKS];
    struct match_rule any = {0};
    struct match_sink sinks[SINKS];
    struct err err;
    for (size_t i = 0; i < SINKS; i++) {
        vsink_init(&scene->sinks[i], &scene->unused, &scene->board, false, 0);
        scene->sinks[i].on_deliver = on_deliver;
        scene->sinks[i].arg = &scene->crew;
        sinks[i] = (struct match_sink){&any, 1};
        routes[i] = (struct route){.name = i ? "b" : "a",
                                   .instance = &scene->sinks[i].instance,
                                   .required = true,
                                   .order = i ? ROUTE_NONE : ROUTE_ITEM,
                                   .on_exhausted = ROUTE_BLOCK,
                                   .max_attempts = 1000,
                                   .timeout_ms = 60000,
                                   .concurrency = 4,
                                   .batch_records = 5,
                                   .queue_records = 10000};
    }
    struct router_config config = {
        .world = &scene->world, .routes = routes, .route_count = SINKS, .on_poison = ROUTE_BLOCK};
    CHECK_FATAL(match_plan_new(sinks, SINKS, &scene->plan, &err) == 0);
    CHECK_FATAL(router_new(&config, &scene->board, &scene->router, &err) == 0);
}

static void start_crew(struct scene *scene)
{
    struct crew *crew = &scene->crew;
    crew->board = &scene->board;
    crew->sinks = scene->sinks;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->wake, NULL);
    for (size_t i = 0; i <= WORKERS; i++)
        CHECK_FATAL(pthread_create(&crew->threads[i], NULL, i < WORKERS ? work : babble, crew) ==
                    0);
}

static void stop_crew(struct scene *scene)
{
    struct crew *crew = &scene->crew;
    pthread_mutex_lock(&crew->lock);
    crew->stop = true;
    pthread_cond_broadcast(&crew->wake);
    pthread_mutex_unlock(&crew->lock);
    for (size_t i = 0; i <= WORKERS; i++)
        pthread_join(crew->threads[i], NULL);
    pthread_cond_destroy(&crew->wake);
    pthread_mutex_destroy(&crew->lock);
}

static void F69_completions_from_threads(void)
{
    static struct scene scene;
    struct loop_config config = {0};
    struct err err;
    scene = (struct scene){0};
    CHECK_FATAL(loop_new(&config, &scene.loop, &err) == 0);
    loop_world(scene.loop, &scene.world);
    CHECK_FATAL(board_init(&scene.board, &scene.world.clock) == 0);
    open_router(&scene);
    start_crew(&scene);
    for (int i = 0; i < 4; i++)
        submit(&scene);
    loop_run(scene.loop);
    stop_crew(&scene);
    CHECK(!atomic_load(&scene.crew.empty));
    CHECK_INT(scene.answered, BATCHES);
    for (size_t i = 0; i < SINKS; i++)
        CHECK_INT(router_counts(scene.router, i).delivered, BATCHES * 20);
    CHECK(board_ignored(&scene.board) > 0);
    CHECK(router_idle(scene.router));
    router_free(scene.router);
    match_plan_free(scene.plan);
    CHECK_INT(loop_free(scene.loop), 0);
    board_done(&scene.board);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F69_completions_from_threads", F69_completions_from_threads}, {NULL, NULL}};
    return unit_main(argc, argv, "router, threads", tests);
}
