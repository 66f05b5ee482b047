#include "loop/loop.h"

#include "loop/timers.h"
#include "unit.h"
#include "util/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct fixture {
    struct loop *loop;
    struct world world;
};

static struct fixture begin(void)
{
    struct fixture f = {0};
    struct loop_config config = {0};
    CHECK_INT(loop_new(&config, &f.loop, NULL), 0);
    CHECK_FATAL(f.loop != NULL);
    loop_world(f.loop, &f.world);
    return f;
}

/* ---- the heap ---- */

static char fired[64];
struct named {
    struct timer timer;
    char name;
};

static void note(struct timer *timer)
{
    size_t len = strlen(fired);
    fired[len] = ((struct named *)timer)->name;
    fired[len + 1] = '\0';
}

static void timers_fire_in_order_of_time_then_of_arming(void)
{
    struct timers timers = {0};
    struct named all[5];
    int64_t at[5] = {30, 10, 20, 10, 40};
    fired[0] = '\0';
    for (int i = 0; i < 5; i++) {
        all[i] = (struct named){{.fire = note}, (char)('a' + i)};
        CHECK_INT(timers_arm(&timers, &all[i].timer, at[i]), 0);
    }

    timers_fire(&timers, 9);
    CHECK_STR(fired, "");
    timers_fire(&timers, 30);
    CHECK_STR(fired, "bdca");
    CHECK_INT(timers.count, 1);
    CHECK(all[4].timer.heap_slot == 1 && all[0].timer.heap_slot == 0);
    timers_done(&timers);
    CHECK_INT(all[4].timer.heap_slot, 0);
}

static void a_heap_of_a_thousand_timers_stays_sorted(void)
{
    enum { N = 1000 };
    static struct timer all[N];
    struct timers timers = {0};
    uint64_t seed = 1;
    memset(all, 0, sizeof all);
    for (int round = 0; round < 5000; round++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct timer *timer = &all[(seed >> 33) % N];
        if (seed & (1u << 20))
            CHECK_INT(timers_arm(&timers, timer, (int64_t)((seed >> 40) % 500)), 0);
        else
            timers_disarm(&timers, timer);
    }
    int64_t last = -1;
    uint64_t order = 0;
    while (timers.count) {
        struct timer *first = timers_first(&timers);
        CHECK(first->at_ms > last || (first->at_ms == last && first->order > order));
        last = first->at_ms;
        order = first->order;
        timers_disarm(&timers, first);
    }
    timers_done(&timers);
}

static struct timers *again_in;
static void arm_again(struct timer *timer)
{
    note(timer);
    timers_arm(again_in, timer, 0);
}

static void a_timer_armed_from_its_own_fire_waits_for_the_next_turn(void)
{
    struct timers timers = {0};
    struct named one = {{.fire = arm_again}, 'x'};
    again_in = &timers;
    fired[0] = '\0';
    timers_arm(&timers, &one.timer, 5);
    timers_fire(&timers, 5);
    CHECK_STR(fired, "x");
    timers_fire(&timers, 5);
    CHECK_STR(fired, "xx");
    timers_done(&timers);
}

static void arming_fails_cleanly_without_memory(void)
{
    struct timers timers = {0};
    struct timer timer = {.fire = note};
    mem_fail_at(1);
    CHECK_INT(timers_arm(&timers, &timer, 1), -ENOMEM);
    CHECK_INT(timer.heap_slot, 0);
    mem_fail_at(0);
    timers_done(&timers);
}

/* ---- the loop ---- */

static void loop_run_returns_when_nothing_is_left(void)
{
    struct fixture f = begin();
    loop_run(f.loop);
    CHECK_INT(loop_free(f.loop), 0);
}

static void timers_fire_on_the_loop_not_before_their_time(void)
{
    struct fixture f = begin();
    struct clock *clock = &f.world.clock;
    struct named a = {{.fire = note}, 'a'}, b = {{.fire = note}, 'b'}, c = {{.fire = note}, 'c'};
    int64_t start = clock->now_ms(clock->ctx);
    fired[0] = '\0';
    clock->arm(clock->ctx, &a.timer, 30);
    clock->arm(clock->ctx, &b.timer, 10);
    clock->arm(clock->ctx, &c.timer, 5);
    clock->disarm(clock->ctx, &c.timer);
    clock->arm(clock->ctx, &b.timer, 12);
    CHECK_STR(fired, "");

    loop_run(f.loop);
    CHECK_STR(fired, "ba");
    CHECK(clock->now_ms(clock->ctx) - start >= 30);
    CHECK_INT(loop_free(f.loop), 0);
}

struct post_test {
    struct post post;
    struct fixture *f;
    int runs, again;
};

static void on_post(struct post *post)
{
    struct post_test *test = (struct post_test *)post;
    test->runs++;
    if (test->again-- > 0)
        test->f->world.clock.post(test->f->world.clock.ctx, post);
}

static void *post_from_thread(void *arg)
{
    struct post_test *test = arg;
    test->f->world.clock.post(test->f->world.clock.ctx, &test->post);
    return NULL;
}

static void stop_on_timer(struct timer *timer);
struct stopper {
    struct timer timer;
    struct loop *loop;
};
static void stop_on_timer(struct timer *timer)
{
    loop_stop(((struct stopper *)timer)->loop);
}

static void posts_of_other_threads_run_on_the_loop(void)
{
    enum { N = 8 };
    struct fixture f = begin();
    struct post_test tests[N] = {0};
    pthread_t threads[N];
    struct stopper stopper = {{.fire = stop_on_timer}, f.loop};
    for (int i = 0; i < N; i++) {
        tests[i] = (struct post_test){{.run = on_post}, &f, 0, i};
        pthread_create(&threads[i], NULL, post_from_thread, &tests[i]);
    }
    f.world.clock.arm(f.world.clock.ctx, &stopper.timer, 100);
    loop_run(f.loop);
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
    loop_run(f.loop);
    for (int i = 0; i < N; i++)
        CHECK_INT(tests[i].runs, i + 1);
    CHECK_INT(loop_free(f.loop), 0);
}

static void a_post_is_never_run_from_inside(void)
{
    struct fixture f = begin();
    struct post_test test = {{.run = on_post}, &f, 0, 0};
    f.world.clock.post(f.world.clock.ctx, &test.post);
    CHECK_INT(test.runs, 0);
    loop_run(f.loop);
    CHECK_INT(test.runs, 1);
    CHECK_INT(loop_free(f.loop), 0);
}

struct work_test {
    struct work work;
    pthread_t ran_on;
    int ran, done;
};
static void run_work(struct work *work)
{
    struct work_test *test = (struct work_test *)work;
    test->ran_on = pthread_self();
    test->ran = 1;
}
static void work_is_done(struct work *work)
{
    struct work_test *test = (struct work_test *)work;
    test->done = test->ran;
}

static void work_runs_on_another_thread_and_ends_on_the_loop(void)
{
    enum { N = 20 };
    struct fixture f = begin();
    struct work_test tests[N] = {0};
    for (int i = 0; i < N; i++) {
        tests[i].work = (struct work){.run = run_work, .done = work_is_done};
        CHECK_INT(f.world.worker.submit(f.world.worker.ctx, &tests[i].work), 0);
    }
    loop_run(f.loop);
    for (int i = 0; i < N; i++) {
        CHECK_INT(tests[i].done, 1);
        CHECK(!pthread_equal(tests[i].ran_on, pthread_self()));
    }
    CHECK_INT(loop_free(f.loop), 0);
}

static void freeing_the_loop_waits_for_work_and_drops_timers_and_posts(void)
{
    struct fixture f = begin();
    struct work_test work = {{.run = run_work, .done = work_is_done}, 0, 0, 0};
    struct named timer = {{.fire = note}, 't'};
    struct post_test post = {{.run = on_post}, &f, 0, 0};
    fired[0] = '\0';
    f.world.worker.submit(f.world.worker.ctx, &work.work);
    f.world.clock.arm(f.world.clock.ctx, &timer.timer, 0);
    f.world.clock.post(f.world.clock.ctx, &post.post);
    CHECK_INT(loop_free(f.loop), 0);
    CHECK_INT(work.done, 1);
    CHECK_INT(post.runs, 0);
    CHECK_INT(timer.timer.heap_slot, 0);
    CHECK_STR(fired, "");
}

static void loop_stop_ends_a_run_and_the_next_run_goes_on(void)
{
    struct fixture f = begin();
    struct stopper stopper = {{.fire = stop_on_timer}, f.loop};
    struct named later = {{.fire = note}, 'l'};
    fired[0] = '\0';
    f.world.clock.arm(f.world.clock.ctx, &stopper.timer, 5);
    f.world.clock.arm(f.world.clock.ctx, &later.timer, 60);
    loop_run(f.loop);
    CHECK_STR(fired, "");
    loop_run(f.loop);
    CHECK_STR(fired, "l");
    loop_stop(f.loop);
    f.world.clock.arm(f.world.clock.ctx, &later.timer, 0);
    loop_run(f.loop);
    CHECK_STR(fired, "l");
    CHECK_INT(loop_free(f.loop), 0);
}

static int signals_seen;
static void on_signal(void *arg, int signum)
{
    signals_seen += signum;
    loop_stop(arg);
}

static void F71_signals_arrive_on_the_loop_and_do_not_keep_it_alive(void)
{
    struct fixture f = begin();
    struct named timer = {{.fire = note}, 't'};
    signals_seen = 0;
    CHECK_INT(loop_on_signal(f.loop, SIGUSR1, on_signal, f.loop), 0);
    loop_run(f.loop); /* returns at once */
    f.world.clock.arm(f.world.clock.ctx, &timer.timer, 10000);
    raise(SIGUSR1);
    loop_run(f.loop);
    CHECK_INT(signals_seen, SIGUSR1);
    for (int i = 1; i < 8; i++)
        CHECK_INT(loop_on_signal(f.loop, SIGUSR2, on_signal, f.loop), 0);
    CHECK_INT(loop_on_signal(f.loop, SIGUSR2, on_signal, f.loop), -ENOSPC);
    CHECK_INT(loop_free(f.loop), 0);
}

static void random_numbers_differ_between_loops(void)
{
    struct fixture a = begin(), b = begin();
    uint64_t first = a.world.random.next(a.world.random.ctx);
    CHECK(first != a.world.random.next(a.world.random.ctx));
    CHECK(first != b.world.random.next(b.world.random.ctx));
    CHECK(a.world.clock.wall_us(a.world.clock.ctx) > 1700000000000000);
    CHECK_INT(loop_free(a.loop), 0);
    CHECK_INT(loop_free(b.loop), 0);
}

static void F72_loop_new_fails_cleanly_without_memory(void)
{
    struct loop_config config = {.ca_bundle = "x"};
    for (uint64_t n = 1; n < 3; n++) {
        struct loop *loop = NULL;
        struct err err;
        mem_fail_at(n);
        CHECK_INT(loop_new(&config, &loop, &err), -ENOMEM);
        CHECK(!loop);
        mem_fail_at(0);
    }
}

static const struct unit_test tests[] = {
    {"timers_fire_in_order_of_time_then_of_arming", timers_fire_in_order_of_time_then_of_arming},
    {"a_heap_of_a_thousand_timers_stays_sorted", a_heap_of_a_thousand_timers_stays_sorted},
    {"a_timer_armed_from_its_own_fire_waits_for_the_next_turn",
     a_timer_armed_from_its_own_fire_waits_for_the_next_turn},
    {"arming_fails_cleanly_without_memory", arming_fails_cleanly_without_memory},
    {"loop_run_returns_when_nothing_is_left", loop_run_returns_when_nothing_is_left},
    {"timers_fire_on_the_loop_not_before_their_time",
     timers_fire_on_the_loop_not_before_their_time},
    {"posts_of_other_threads_run_on_the_loop", posts_of_other_threads_run_on_the_loop},
    {"a_post_is_never_run_from_inside", a_post_is_never_run_from_inside},
    {"work_runs_on_another_thread_and_ends_on_the_loop",
     work_runs_on_another_thread_and_ends_on_the_loop},
    {"freeing_the_loop_waits_for_work_and_drops_timers_and_posts",
     freeing_the_loop_waits_for_work_and_drops_timers_and_posts},
    {"loop_stop_ends_a_run_and_the_next_run_goes_on",
     loop_stop_ends_a_run_and_the_next_run_goes_on},
    {"F71_signals_arrive_on_the_loop_and_do_not_keep_it_alive",
     F71_signals_arrive_on_the_loop_and_do_not_keep_it_alive},
    {"random_numbers_differ_between_loops", random_numbers_differ_between_loops},
    {"F72_loop_new_fails_cleanly_without_memory", F72_loop_new_fails_cleanly_without_memory},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "loop", tests);
}
