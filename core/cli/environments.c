#include "cli/environments.h"

#include "util/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

struct environment {
    struct environments *all;
    pthread_t thread;
    pthread_mutex_t lock; /* of the two below */
    pthread_cond_t changed;
    struct esm_call *job; /* NULL = none to do */
    bool ends;
    struct host_config config;
    struct runtime_host *host; /* the thread's */
    /* the loop's; the thread's between job and post */
    struct esm_call *call; /* NULL = idle */
    struct esm_call *next; /* while `call` is being answered: what that led to */
    bool answering;
    struct host_result result;
    struct err err;
    int rc;
    struct post post;
};

struct environments {
    struct host_config config;
    int64_t timeout_ms, peak_kb;
    const struct clock *clock;
    struct environment *each[ENVIRONMENTS_MAX];
    size_t count;
    struct esm_call *waiting; /* the first; linked by impl */
};

/* ---- on its thread ---- */

static void play(struct environment *one, const struct esm_call *call)
{
    one->rc = one->host ? 0 : host_new(&one->config, &one->host, &one->err);
    if (one->rc == 0)
        one->rc =
            host_invoke(one->host, call->event, one->all->timeout_ms, &one->result, &one->err);
    one->all->clock->post(one->all->clock->ctx, &one->post);
}

static void *run(void *arg)
{
    struct environment *one = arg;
    pthread_mutex_lock(&one->lock);
    while (!one->ends) {
        struct esm_call *job = one->job;
        if (!job) {
            pthread_cond_wait(&one->changed, &one->lock);
            continue;
        }
        one->job = NULL;
        pthread_mutex_unlock(&one->lock);
        play(one, job);
        pthread_mutex_lock(&one->lock);
    }
    pthread_mutex_unlock(&one->lock);
    host_free(one->host);
    return NULL;
}

/* ---- on the loop's ---- */

static void give(struct environment *one, struct esm_call *call)
{
    one->call = call;
    pthread_mutex_lock(&one->lock);
    one->job = call;
    pthread_cond_signal(&one->changed);
    pthread_mutex_unlock(&one->lock);
}

static void take_next(struct environment *one)
{
    struct environments *all = one->all;
    struct esm_call *call = one->next ? one->next : all->waiting;
    if (!call)
        return;
    if (!one->next)
        all->waiting = call->impl;
    one->next = NULL;
    give(one, call);
}

static void on_played(struct post *post)
{
    struct environment *one =
        (struct environment *)((char *)post - offsetof(struct environment, post));
    struct esm_call *call = one->call;
    const struct host_result *result = &one->result;
    if (one->rc < 0) {
        call->end = ESM_NOT_RUN;
        call->body = str_of(one->err.msg);
    } else {
        call->end = result->end == HOST_RESPONSE ? ESM_ANSWERED : ESM_ERROR;
        call->kind = host_end_name(result->end);
        call->body = result->body;
        call->request_id = result->request_id;
        call->duration_us = result->duration_us;
        call->init_us = result->cold ? result->init_us : 0;
        if (result->peak_rss_kb > one->all->peak_kb)
            one->all->peak_kb = result->peak_rss_kb;
    }
    one->answering = true; /* what it says is in use until done() returns */
    call->done(call);
    one->answering = false;
    one->call = NULL;
    take_next(one);
}

static struct environment *start_one(struct environments *all)
{
    struct environment *one = mem_zalloc(1, sizeof *one);
    if (!one)
        return NULL;
    one->all = all;
    one->config = all->config;
    one->config.number = (uint32_t)all->count;
    one->post.run = on_played;
    pthread_mutex_init(&one->lock, NULL);
    pthread_cond_init(&one->changed, NULL);
    if (pthread_create(&one->thread, NULL, run, one) != 0) {
        pthread_cond_destroy(&one->changed);
        pthread_mutex_destroy(&one->lock);
        mem_free(one);
        return NULL;
    }
    all->each[all->count++] = one;
    return one;
}

static void wait_for_one(struct environments *all, struct esm_call *call)
{
    struct esm_call *last = all->waiting;
    call->impl = NULL;
    while (last && last->impl)
        last = last->impl;
    if (last)
        last->impl = call;
    else
        all->waiting = call;
}

static int invoke(void *ctx, struct esm_call *call)
{
    struct environments *all = ctx;
    struct environment *idle = NULL;
    for (size_t i = 0; i < all->count && !idle; i++) {
        struct environment *one = all->each[i];
        if (one->answering && !one->next) {
            one->next = call;
            return 0;
        }
        if (!one->call)
            idle = one;
    }
    if (!idle && all->count < ENVIRONMENTS_MAX)
        idle = start_one(all);
    if (idle)
        give(idle, call);
    else if (all->count > 0)
        wait_for_one(all, call);
    return all->count > 0 ? 0 : -EAGAIN;
}

void environments_function(struct environments *all, struct esm_function *out)
{
    *out = (struct esm_function){all, invoke};
}

size_t environments_count(const struct environments *all)
{
    return all->count;
}

int64_t environments_peak_kb(const struct environments *all)
{
    return all->peak_kb;
}

/* ---- life ---- */

int environments_new(const struct host_config *config, int64_t timeout_ms,
                     const struct clock *clock, struct environments **out)
{
    struct environments *all = mem_zalloc(1, sizeof *all);
    if (!all)
        return -ENOMEM;
    all->config = *config;
    all->timeout_ms = timeout_ms;
    all->clock = clock;
    *out = all;
    return 0;
}

static void end_one(struct environment *one)
{
    pthread_mutex_lock(&one->lock);
    one->ends = true;
    pthread_cond_signal(&one->changed);
    pthread_mutex_unlock(&one->lock);
    pthread_join(one->thread, NULL);
    pthread_cond_destroy(&one->changed);
    pthread_mutex_destroy(&one->lock);
    mem_free(one);
}

void environments_free(struct environments *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->count; i++)
        end_one(all->each[i]);
    mem_free(all);
}
