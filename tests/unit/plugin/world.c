#include "support.h"

#include <errno.h>
#include <stdio.h>

/* ---- a world that stands still ---- */

static int64_t still_now_ms(void *ctx)
{
    return ((struct still_world *)ctx)->now_ms;
}

static int64_t still_wall_us(void *ctx)
{
    return ((struct still_world *)ctx)->wall_us;
}

static void still_disarm(void *ctx, struct timer *timer)
{
    struct still_world *still = ctx;
    for (size_t i = 0; i < still->timer_count; i++)
        if (still->timers[i] == timer)
            still->timers[i] = still->timers[--still->timer_count];
}

static int still_arm(void *ctx, struct timer *timer, int64_t delay_ms)
{
    struct still_world *still = ctx;
    still_disarm(still, timer);
    if (still->refuse_timer || still->timer_count == 64)
        return -ENOMEM;
    timer->at_ms = still->now_ms + delay_ms;
    still->timers[still->timer_count++] = timer;
    return 0;
}

static void still_post(void *ctx, struct post *post)
{
    struct still_world *still = ctx;
    post->next = still->posts;
    still->posts = post;
}

static int still_submit(void *ctx, struct work *work)
{
    struct still_world *still = ctx;
    if (still->refuse_work || still->work_count == 64)
        return -EAGAIN;
    still->works[still->work_count++] = work;
    return 0;
}

void still_world_init(struct still_world *still)
{
    *still = (struct still_world){.now_ms = 1000, .wall_us = 1700000000000000};
    still->world.clock = (struct clock){.ctx = still,
                                        .now_ms = still_now_ms,
                                        .wall_us = still_wall_us,
                                        .arm = still_arm,
                                        .disarm = still_disarm,
                                        .post = still_post};
    still->world.worker = (struct worker){.ctx = still, .submit = still_submit};
}

void still_advance(struct still_world *still, int64_t ms)
{
    int64_t end_ms = still->now_ms + ms;
    for (;;) {
        struct timer *due = NULL;
        for (size_t i = 0; i < still->timer_count; i++)
            if (still->timers[i]->at_ms <= end_ms && (!due || still->timers[i]->at_ms < due->at_ms))
                due = still->timers[i];
        if (!due)
            break;
        still->now_ms = due->at_ms;
        still_disarm(still, due);
        due->fire(due);
    }
    still->now_ms = end_ms;
}

void still_posts(struct still_world *still)
{
    while (still->posts) {
        struct post *post = still->posts;
        still->posts = post->next;
        post->run(post);
    }
}

bool still_work(struct still_world *still)
{
    if (still->work_count == 0)
        return false;
    struct work *work = still->works[0];
    still->work_count--;
    memmove(still->works, still->works + 1, still->work_count * sizeof still->works[0]);
    work->run(work);
    work->done(work);
    return true;
}

/* ---- instances ---- */

weir_instance *open_instance(struct plugin *plugin, const struct json_value *options,
                             const struct instance_services *services)
{
    weir_instance *instance = NULL;
    struct err err = {0};
    if (instance_new(plugin, "test", options, services, NULL, NULL, &instance, &err) < 0)
        printf("\n    %s", err.msg);
    CHECK_FATAL(instance != NULL);
    return instance;
}
