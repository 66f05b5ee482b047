#include "loop/loop.h"

#include "loop/internal.h"
#include "util/alloc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

/* ---- clock ---- */

/* Not uv_now(): that stands still while a callback works, and before loop_run. */
static int64_t now_ms(void *ctx)
{
    (void)ctx;
    return (int64_t)(uv_hrtime() / 1000000);
}

static int64_t boot_ms(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t wall_us(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void set_tick(struct loop *loop);

static void on_tick(uv_timer_t *tick)
{
    struct loop *loop = tick->data;
    loop->tick_at_ms = INT64_MAX;
    timers_fire(&loop->timers, now_ms(loop));
    set_tick(loop);
}

/* Only ever moves the tick forward: after a disarm it comes early, finds nothing due and is set
 * again, which costs less than setting it at every disarm. */
static void set_tick(struct loop *loop)
{
    struct timer *first = timers_first(&loop->timers);
    if (!first || loop->closing || first->at_ms >= loop->tick_at_ms)
        return;
    int64_t delay_ms = first->at_ms - now_ms(loop);
    loop->tick_at_ms = first->at_ms;
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->tick, on_tick, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

static int arm(void *ctx, struct timer *timer, int64_t delay_ms)
{
    struct loop *loop = ctx;
    if (loop->closing)
        return -ECANCELED;
    int64_t now = now_ms(loop);
    if (delay_ms < 0)
        delay_ms = 0;
    int rc =
        timers_arm(&loop->timers, timer, delay_ms > INT64_MAX - now ? INT64_MAX : now + delay_ms);
    if (rc == 0)
        set_tick(loop);
    return rc;
}

static void disarm(void *ctx, struct timer *timer)
{
    struct loop *loop = ctx;
    timers_disarm(&loop->timers, timer);
}

/* ---- post ---- */

void loop_post(struct loop *loop, struct post *post)
{
    post->next = NULL;
    uv_mutex_lock(&loop->lock);
    if (!loop->closing) {
        if (loop->posts)
            loop->last_post->next = post;
        else
            loop->posts = post;
        loop->last_post = post;
        uv_async_send(&loop->wake); /* sends coalesce; nothing is written when one is under way */
    }
    uv_mutex_unlock(&loop->lock);
}

static void post_cb(void *ctx, struct post *post)
{
    loop_post(ctx, post);
}

static void on_wake(uv_async_t *wake)
{
    struct loop *loop = wake->data;
    uv_mutex_lock(&loop->lock);
    struct post *post = loop->posts;
    loop->posts = NULL;
    uv_mutex_unlock(&loop->lock);
    while (post) {
        struct post *next = post->next;
        post->run(post);
        post = next;
    }
}

/* ---- random: xoshiro256**, for jitter and names, not for secrets ---- */

static uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static uint64_t next_random(void *ctx)
{
    uint64_t *s = ((struct loop *)ctx)->random;
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static int seed_random(struct loop *loop)
{
    int rc = uv_random(NULL, NULL, loop->random, sizeof loop->random, 0, NULL);
    loop->random[0] |= 1; /* all zero would stay zero */
    return rc;
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int signum)
{
    struct signal_watch *watch = handle->data;
    watch->on_signal(watch->arg, signum);
}

int loop_on_signal(struct loop *loop, int signum, void (*call)(void *arg, int signum), void *arg)
{
    if (loop->signal_count == SIGNALS_MAX)
        return -ENOSPC;
    struct signal_watch *watch = &loop->signals[loop->signal_count];
    int rc = uv_signal_init(&loop->uv, &watch->handle);
    if (rc < 0)
        return rc;
    loop->signal_count++;
    watch->on_signal = call;
    watch->arg = arg;
    watch->handle.data = watch;
    return uv_signal_start(&watch->handle, on_signal, signum);
}

/* ---- life ---- */

static void ignore_sigpipe(void)
{
    struct sigaction now;
    /* Whoever set a handler of their own keeps it. */
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        now.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &now, NULL);
    }
}

static int open_handles(struct loop *loop, const struct loop_config *config)
{
    loop->tick_at_ms = INT64_MAX;
    int rc = uv_timer_init(&loop->uv, &loop->tick);
    if (rc == 0)
        rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (rc == 0)
        rc = uv_prepare_init(&loop->uv, &loop->turn);
    if (rc == 0)
        rc = seed_random(loop);
    if (rc == 0)
        rc = http_init(&loop->http, loop, config);
    loop->tick.data = loop->wake.data = loop->turn.data = loop;
    return rc;
}

int loop_new(const struct loop_config *config, struct loop **out, struct err *err)
{
    struct loop *loop = mem_zalloc(1, sizeof *loop);
    if (!loop)
        return err_set(err, -ENOMEM, "out of memory");
    int rc = uv_loop_init(&loop->uv);
    if (rc < 0) {
        mem_free(loop);
        return err_set(err, rc, "can't make an event loop: %s", uv_strerror(rc));
    }
    rc = uv_mutex_init(&loop->lock);
    if (rc < 0) {
        uv_loop_close(&loop->uv);
        mem_free(loop);
        return err_set(err, rc, "can't make a lock: %s", uv_strerror(rc));
    }
    ignore_sigpipe();
    rc = open_handles(loop, config);
    if (rc < 0) {
        err_set(err, rc, "can't set up the event loop: %s", uv_strerror(rc));
        loop_free(loop);
        return rc;
    }
    *out = loop;
    return 0;
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

void loop_world(struct loop *loop, struct world *world)
{
    struct store store = world->store;
    *world = (struct world){
        .clock = {loop, now_ms, wall_us, arm, disarm, post_cb},
        .random = {loop, next_random},
        .worker = {loop, work_submit},
        .store = store,
        .boot_ms = boot_ms,
    };
    http_transport(&loop->http, &world->transport);
}

static bool pending(struct loop *loop)
{
    if (loop->timers.count || loop->works || loop->http.open_count)
        return true;
    uv_mutex_lock(&loop->lock);
    bool posted = loop->posts;
    uv_mutex_unlock(&loop->lock);
    return posted;
}

/* What keeps the loop running is counted and not left to libuv's references: a connection that
 * idles in libcurl's pool, or a signal handler, is no reason to stay. Asked before each wait, as a
 * timer may just have ended the last open thing. */
static void on_turn(uv_prepare_t *turn)
{
    struct loop *loop = turn->data;
    if (loop->timers.count == 0 && loop->tick_at_ms != INT64_MAX) {
        uv_timer_stop(&loop->tick); /* in Lambda it would be overdue after a freeze */
        loop->tick_at_ms = INT64_MAX;
    }
    if (loop->stopped || !pending(loop))
        uv_stop(&loop->uv);
}

void loop_run(struct loop *loop)
{
    uv_prepare_start(&loop->turn, on_turn);
    /* After uv_stop() the turn is still finished, which may bring new things to wait for. */
    while (!loop->stopped && pending(loop))
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_prepare_stop(&loop->turn);
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

static void close_handle(uv_handle_t *handle)
{
    if (uv_handle_get_type(handle) != UV_UNKNOWN_HANDLE) /* set up in part only */
        uv_close(handle, NULL);
}

#ifndef NDEBUG
static void print_leak(uv_handle_t *handle, void *arg)
{
    (void)arg;
    fprintf(stderr, "loop_free: a %s handle is left open\n",
            uv_handle_type_name(uv_handle_get_type(handle)));
}
#endif

int loop_free(struct loop *loop)
{
    if (!loop)
        return 0;
    uv_mutex_lock(&loop->lock);
    loop->closing = true;
    loop->posts = NULL;
    uv_mutex_unlock(&loop->lock);
    timers_done(&loop->timers);
    http_close(&loop->http);
    while (loop->works)
        uv_run(&loop->uv, UV_RUN_ONCE);
    /* Only handles of this file are left: those of libcurl's sockets went with it. */
    close_handle((uv_handle_t *)&loop->tick);
    close_handle((uv_handle_t *)&loop->wake);
    close_handle((uv_handle_t *)&loop->turn);
    for (int i = 0; i < loop->signal_count; i++)
        close_handle((uv_handle_t *)&loop->signals[i].handle);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&loop->uv);
#ifndef NDEBUG
    if (rc < 0)
        uv_walk(&loop->uv, print_leak, NULL);
#endif
    http_done(&loop->http);
    work_done(loop);
    uv_mutex_destroy(&loop->lock);
    mem_free(loop);
    return rc;
}
