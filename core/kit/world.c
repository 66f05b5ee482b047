#include "kit/kit.h"

#include "util/alloc.h"

#include <errno.h>
#include <time.h>

static const int64_t BEGIN_US = 1767225600000000; /* 2026-01-01 */

static int64_t world_now_ms(void *ctx)
{
    return ((struct kit_world *)ctx)->now_ms;
}

static int64_t world_wall_us(void *ctx)
{
    return BEGIN_US + ((struct kit_world *)ctx)->now_ms * 1000;
}

static void world_disarm(void *ctx, struct timer *timer)
{
    struct kit_world *world = ctx;
    for (size_t i = 0; i < world->timer_count; i++)
        if (world->timers[i] == timer) {
            world->timer_count--;
            memmove(world->timers + i, world->timers + i + 1,
                    (world->timer_count - i) * sizeof(struct timer *));
            return;
        }
}

static int world_arm(void *ctx, struct timer *timer, int64_t delay_ms)
{
    struct kit_world *world = ctx;
    world_disarm(world, timer);
    if (world->timer_count == world->timer_room) {
        size_t room = world->timer_room ? world->timer_room * 2 : 16;
        struct timer **grown = mem_realloc(world->timers, room * sizeof(struct timer *));
        if (!grown)
            return -ENOMEM;
        world->timers = grown;
        world->timer_room = room;
    }
    timer->at_ms = world->now_ms + delay_ms;
    world->timers[world->timer_count++] = timer;
    return 0;
}

static void world_post(void *ctx, struct post *post)
{
    struct kit_world *world = ctx;
    post->next = NULL;
    pthread_mutex_lock(&world->lock);
    if (world->last_post)
        world->last_post->next = post;
    else
        world->first_post = post;
    world->last_post = post;
    pthread_cond_signal(&world->posted);
    pthread_mutex_unlock(&world->lock);
}

static int world_submit(void *ctx, struct work *work)
{
    struct kit_world *world = ctx;
    work->next = NULL;
    if (world->last_work)
        world->last_work->next = work;
    else
        world->first_work = work;
    world->last_work = work;
    return 0;
}

void kit_world_init(struct kit_world *world)
{
    pthread_condattr_t attr;
    *world = (struct kit_world){.now_ms = 1000};
    world->world.clock = (struct clock){.ctx = world,
                                        .now_ms = world_now_ms,
                                        .wall_us = world_wall_us,
                                        .arm = world_arm,
                                        .disarm = world_disarm,
                                        .post = world_post};
    world->world.worker = (struct worker){.ctx = world, .submit = world_submit};
    pthread_mutex_init(&world->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&world->posted, &attr);
    pthread_condattr_destroy(&attr);
}

void kit_world_done(struct kit_world *world)
{
    pthread_cond_destroy(&world->posted);
    pthread_mutex_destroy(&world->lock);
    mem_free(world->timers);
}

bool kit_world_posts(struct kit_world *world)
{
    pthread_mutex_lock(&world->lock);
    struct post *post = world->first_post;
    world->first_post = world->last_post = NULL;
    pthread_mutex_unlock(&world->lock);
    bool any = post != NULL;
    while (post) {
        struct post *next = post->next; /* run() may post it again */
        post->run(post);
        post = next;
    }
    return any;
}

static void *work_thread(void *arg)
{
    struct work *work = arg;
    work->run(work);
    return NULL;
}

/* On a thread, as in production, so that what minds its thread shows. */
bool kit_world_work(struct kit_world *world)
{
    pthread_t thread;
    struct work *work = world->first_work;
    if (!work)
        return false;
    world->first_work = work->next;
    if (!world->first_work)
        world->last_work = NULL;
    if (pthread_create(&thread, NULL, work_thread, work) != 0)
        kit_out_of_memory();
    pthread_join(thread, NULL);
    work->done(work);
    return true;
}

bool kit_world_timer(struct kit_world *world, int64_t until_ms)
{
    struct timer *due = NULL;
    for (size_t i = 0; i < world->timer_count; i++) {
        struct timer *timer = world->timers[i];
        if (timer->at_ms <= until_ms && (!due || timer->at_ms < due->at_ms))
            due = timer;
    }
    if (!due)
        return false;
    if (due->at_ms > world->now_ms)
        world->now_ms = due->at_ms;
    world_disarm(world, due);
    due->fire(due);
    return true;
}

void kit_world_wait(struct kit_world *world, int64_t timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&world->lock);
    while (!world->first_post &&
           pthread_cond_timedwait(&world->posted, &world->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&world->lock);
}
