#include "source/fetch_threads.h"

#include "aws/keys.h"
#include "util/alloc.h"
#include "util/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

/* A fetch on its way: the router's thread owns it but between the posts `go` and `back`, when the
 * thread owns `inner`; `cut` and `cut_back` go the same way once more for an abort. */
struct job {
    struct fetch inner;
    struct fetch *outer;
    struct fetch_thread *thread;
    struct job *next; /* waiting ones, spare ones */
    struct post go, back, cut, cut_back;
    bool open; /* the thread's: `inner` is started */
    /* the router's */
    bool waiting;  /* for keys: in the list */
    uint64_t keys; /* the generation of those it went with */
    bool ended, aborted, cutting, again;
};

struct fetch_thread {
    struct fetch_threads *all;
    pthread_t thread;
    struct loop *loop;
    struct world world;
    struct aws_client *aws;
    struct fetch_inline *in;
    struct fetcher fetcher;
    struct timer stay; /* keeps the loop running without a fetch */
    struct post stop;
    bool started; /* the others below are set; under all->lock */
    int status;
    struct err err;
};

struct fetch_threads {
    struct fetch_threads_config config;
    struct aws_keys *keys;
    struct fetch_thread *threads;
    size_t running;
    pthread_mutex_t lock; /* of what a new thread says */
    pthread_cond_t said;
    struct job *waiting, *spare;
    size_t open;
    struct timer stay; /* keeps the router's loop running while a fetch is open */
};

/* ---- on a thread ---- */

static void on_stay(struct timer *timer)
{
    (void)timer;
}

static int set_up(struct fetch_thread *thread, struct err *err)
{
    const struct fetch_threads_config *config = &thread->all->config;
    struct aws_config aws = config->aws_config;
    aws.keys = thread->all->keys;
    aws.log = NULL;
    int rc = loop_new(&config->loop_config, &thread->loop, err);
    if (rc < 0)
        return rc;
    loop_world(thread->loop, &thread->world);
    rc = aws_client_new(&thread->world, &aws, &thread->aws, err);
    if (rc == 0)
        rc = fetch_inline_new(thread->aws, config->plan, &thread->in);
    if (rc < 0)
        return rc;
    fetch_inline_seam(thread->in, &thread->fetcher);
    thread->stay.fire = on_stay;
    return thread->world.clock.arm(thread->world.clock.ctx, &thread->stay, INT64_MAX);
}

static void say(struct fetch_thread *thread, int status)
{
    struct fetch_threads *all = thread->all;
    pthread_mutex_lock(&all->lock);
    thread->started = true;
    thread->status = status;
    pthread_cond_signal(&all->said);
    pthread_mutex_unlock(&all->lock);
}

static void *thread_main(void *arg)
{
    struct fetch_thread *thread = arg;
    int rc = set_up(thread, &thread->err);
    say(thread, rc);
    if (rc == 0)
        loop_run(thread->loop);
    fetch_inline_free(thread->in);
    aws_client_free(thread->aws);
    loop_free(thread->loop);
    return NULL;
}

static void on_stop(struct post *post)
{
    struct fetch_thread *thread =
        (struct fetch_thread *)((char *)post - offsetof(struct fetch_thread, stop));
    loop_stop(thread->loop);
}

static void post_to_router(struct job *job, struct post *post)
{
    const struct clock *clock = &job->thread->all->config.world->clock;
    clock->post(clock->ctx, post);
}

static void on_fetched(struct fetch *inner)
{
    struct job *job = inner->arg;
    job->open = false;
    post_to_router(job, &job->back);
}

static void on_go(struct post *post)
{
    struct job *job = (struct job *)((char *)post - offsetof(struct job, go));
    const struct fetcher *fetcher = &job->thread->fetcher;
    int rc = fetcher->start(fetcher->ctx, &job->inner);
    job->open = rc == 0;
    if (rc == 0)
        return;
    job->inner.outcome = AWS_UNAVAILABLE;
    snprintf(job->inner.message, sizeof job->inner.message, "can't be sent: %s", strerror(-rc));
    post_to_router(job, &job->back);
}

static void on_cut(struct post *post)
{
    struct job *job = (struct job *)((char *)post - offsetof(struct job, cut));
    const struct fetcher *fetcher = &job->thread->fetcher;
    if (job->open)
        fetcher->abort(fetcher->ctx, &job->inner);
    post_to_router(job, &job->cut_back);
}

/* ---- on the router's thread ---- */

static void post_to_thread(struct job *job, struct post *post)
{
    const struct clock *clock = &job->thread->world.clock;
    clock->post(clock->ctx, post);
}

static void fail(struct job *job, enum aws_outcome outcome, const char *type, const char *message)
{
    struct fetch *inner = &job->inner;
    inner->outcome = outcome;
    inner->batch = NULL;
    snprintf(inner->error_type, sizeof inner->error_type, "%s", type);
    snprintf(inner->message, sizeof inner->message, "%.*s", (int)sizeof inner->message - 1,
             message);
    post_to_router(job, &job->back);
}

/* To its thread, once there are keys for it. */
static void submit(struct job *job)
{
    struct fetch_threads *all = job->thread->all;
    const char *reason = "";
    enum aws_keys_state state = aws_keys_fill(all->keys, all->config.aws, &reason);
    job->keys = aws_keys_generation(all->keys);
    switch (state) {
    case AWS_KEYS_READY:
        post_to_thread(job, &job->go);
        break;
    case AWS_KEYS_WAIT:
        job->waiting = true;
        job->next = all->waiting;
        all->waiting = job;
        break;
    case AWS_KEYS_NONE:
        fail(job, AWS_DENIED, "NoCredentials", reason);
        break;
    }
}

static void on_keys(void *arg)
{
    struct fetch_threads *all = arg;
    struct job *job = all->waiting;
    all->waiting = NULL;
    while (job) {
        struct job *next = job->next;
        job->waiting = false;
        submit(job);
        job = next;
    }
}

static int arm_stay(struct fetch_threads *all)
{
    const struct clock *clock = &all->config.world->clock;
    all->stay.fire = on_stay;
    return clock->arm(clock->ctx, &all->stay, INT64_MAX);
}

static void disarm_stay(struct fetch_threads *all)
{
    const struct clock *clock = &all->config.world->clock;
    clock->disarm(clock->ctx, &all->stay);
}

static void answer(struct job *job)
{
    struct fetch_threads *all = job->thread->all;
    struct fetch *outer = job->outer;
    const struct fetch *inner = &job->inner;
    outer->outcome = job->aborted ? AWS_ABORTED : inner->outcome;
    outer->batch = job->aborted ? NULL : inner->batch;
    outer->decode_status = inner->decode_status;
    outer->answer_bytes = inner->answer_bytes;
    memcpy(outer->error_type, inner->error_type, sizeof outer->error_type);
    memcpy(outer->message, inner->message, sizeof outer->message);
    if (job->aborted)
        batch_unref(inner->batch);
    outer->impl = NULL;
    job->next = all->spare;
    all->spare = job;
    if (--all->open == 0)
        disarm_stay(all);
    outer->done(outer);
}

static void on_back(struct post *post)
{
    struct job *job = (struct job *)((char *)post - offsetof(struct job, back));
    struct fetch_threads *all = job->thread->all;
    /* refused keys, also when there are new ones since: another job was back earlier */
    bool stale = aws_keys_refused(all->keys) || job->keys != aws_keys_generation(all->keys);
    if (job->inner.outcome == AWS_DENIED && stale && !job->again && !job->aborted) {
        job->again = true;
        submit(job);
        return;
    }
    job->ended = true;
    if (!job->cutting)
        answer(job);
}

static void on_cut_back(struct post *post)
{
    struct job *job = (struct job *)((char *)post - offsetof(struct job, cut_back));
    job->cutting = false;
    if (job->ended)
        answer(job);
}

static void abort_fetch(void *ctx, struct fetch *fetch)
{
    struct fetch_threads *all = ctx;
    struct job *job = fetch->impl;
    if (!job || job->aborted)
        return;
    job->aborted = true;
    if (!job->waiting) {
        job->cutting = true;
        post_to_thread(job, &job->cut);
        return;
    }
    struct job **at = &all->waiting;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    job->waiting = false;
    fail(job, AWS_ABORTED, "Aborted", "aborted");
}

/* A shard stays on its thread: its connection there is likely to be open. Children need not follow:
 * a thread keeps nothing of a shard, and the lineage of one hot shard would not spread. */
static struct fetch_thread *thread_of(const struct fetch_threads *all, weir_str shard)
{
    return &all->threads[hash_bytes(HASH_SEED, shard.ptr, shard.len) % all->config.threads];
}

static int start(void *ctx, struct fetch *fetch)
{
    struct fetch_threads *all = ctx;
    struct job *job = all->spare;
    if (job)
        all->spare = job->next;
    else
        job = mem_alloc(sizeof *job);
    if (!job)
        return -ENOMEM;
    int rc = all->open ? 0 : arm_stay(all);
    if (rc < 0) {
        job->next = all->spare;
        all->spare = job;
        return rc;
    }
    all->open++;
    *job = (struct job){.inner = *fetch,
                        .outer = fetch,
                        .thread = thread_of(all, fetch->shard),
                        .go.run = on_go,
                        .back.run = on_back,
                        .cut.run = on_cut,
                        .cut_back.run = on_cut_back};
    job->inner.done = on_fetched;
    job->inner.arg = job;
    job->inner.batch = NULL;
    fetch->impl = job;
    submit(job);
    return 0;
}

void fetch_threads_set_plan(struct fetch_threads *all, const struct match_plan *plan)
{
    for (size_t i = 0; i < all->config.threads; i++)
        fetch_inline_set_plan(all->threads[i].in, plan);
}

void fetch_threads_seam(struct fetch_threads *all, struct fetcher *out)
{
    *out = (struct fetcher){.ctx = all, .start = start, .abort = abort_fetch};
}

/* ---- life ---- */

static int start_thread(struct fetch_thread *thread, struct err *err)
{
    struct fetch_threads *all = thread->all;
    int rc = -pthread_create(&thread->thread, NULL, thread_main, thread);
    if (rc < 0)
        return err_set(err, rc, "can't start a thread: %s", strerror(-rc));
    pthread_mutex_lock(&all->lock);
    while (!thread->started)
        pthread_cond_wait(&all->said, &all->lock);
    pthread_mutex_unlock(&all->lock);
    if (thread->status == 0)
        return 0;
    pthread_join(thread->thread, NULL);
    return err_set(err, thread->status, "%s",
                   thread->err.msg[0] ? thread->err.msg : strerror(-thread->status));
}

static int prepare(struct fetch_threads *all, struct err *err)
{
    int rc = aws_keys_new(&all->keys);
    all->threads = mem_zalloc(all->config.threads, sizeof *all->threads);
    if (rc < 0 || !all->threads)
        return err_set(err, -ENOMEM, "out of memory");
    while (all->running < all->config.threads) {
        struct fetch_thread *thread = &all->threads[all->running];
        thread->all = all;
        thread->stop.run = on_stop;
        rc = start_thread(thread, err);
        if (rc < 0)
            return rc;
        all->running++;
    }
    aws_keys_watch(all->config.aws, on_keys, all);
    return 0;
}

int fetch_threads_new(const struct fetch_threads_config *config, struct fetch_threads **out,
                      struct err *err)
{
    struct fetch_threads *all = mem_zalloc(1, sizeof *all);
    if (!all)
        return err_set(err, -ENOMEM, "out of memory");
    if (!loop_on_threads()) {
        mem_free(all);
        return err_set(err, -ENOTSUP,
                       "source.loops: this build of libcurl can't be used by several threads");
    }
    all->config = *config;
    pthread_mutex_init(&all->lock, NULL); /* these two don't fail on Linux */
    pthread_cond_init(&all->said, NULL);
    int rc = prepare(all, err);
    if (rc < 0) {
        fetch_threads_free(all);
        return rc;
    }
    *out = all;
    return 0;
}

void fetch_threads_free(struct fetch_threads *all)
{
    if (!all)
        return;
    aws_keys_watch(all->config.aws, NULL, NULL);
    for (size_t i = 0; i < all->running; i++) {
        struct fetch_thread *thread = &all->threads[i];
        thread->world.clock.post(thread->world.clock.ctx, &thread->stop);
    }
    for (size_t i = 0; i < all->running; i++)
        pthread_join(all->threads[i].thread, NULL);
    while (all->spare) {
        struct job *job = all->spare;
        all->spare = job->next;
        mem_free(job);
    }
    aws_keys_free(all->keys);
    pthread_cond_destroy(&all->said);
    pthread_mutex_destroy(&all->lock);
    mem_free(all->threads);
    mem_free(all);
}
