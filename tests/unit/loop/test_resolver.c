/* A name look-up that hangs. This program's getaddrinfo() is the one that libcurl's thread calls.
 */
#include "loop/loop.h"

#include "unit.h"

#include <netdb.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool released;
static int inside;

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **out)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)out;
    pthread_mutex_lock(&lock);
    inside++;
    pthread_cond_broadcast(&changed);
    while (!released)
        pthread_cond_wait(&changed, &lock);
    inside--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return EAI_FAIL;
}

static void hang(void)
{
    pthread_mutex_lock(&lock);
    released = false;
    pthread_mutex_unlock(&lock);
}

/* Lets the look-ups go, and waits for their threads to be out. */
static void release(void)
{
    pthread_mutex_lock(&lock);
    released = true;
    pthread_cond_broadcast(&changed);
    while (inside > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static int done;
static void on_done(struct http_call *call)
{
    (void)call;
    done++;
}

struct ticker {
    struct timer timer;
    struct clock *clock;
    int ticks;
};

static void tick(struct timer *timer)
{
    struct ticker *ticker = (struct ticker *)timer;
    if (++ticker->ticks < 10)
        ticker->clock->arm(ticker->clock->ctx, timer, 10);
}

static struct http_call make_call(void)
{
    done = 0;
    return (struct http_call){.method = "POST",
                              .url = "http://slow.example/",
                              .body = STR("{}"),
                              .connect_timeout_ms = 300,
                              .timeout_ms = 5000,
                              .done = on_done};
}

static void F53_a_resolver_that_hangs_stops_neither_timers_nor_the_time_limit(void)
{
    struct loop_config config = {0};
    struct loop *loop = NULL;
    struct world world = {0};
    struct http_call call = make_call();
    hang();
    CHECK_INT(loop_new(&config, &loop, NULL), 0);
    loop_world(loop, &world);
    struct ticker ticker = {{.fire = tick}, &world.clock, 0};
    int64_t begun_ms = world.clock.now_ms(world.clock.ctx);
    CHECK_INT(world.transport.start(world.transport.ctx, &call), 0);
    CHECK_INT(world.clock.arm(world.clock.ctx, &ticker.timer, 10), 0);
    loop_run(loop);
    CHECK_INT(done, 1);
    CHECK_INT(ticker.ticks, 10);
    CHECK_INT(call.result, HTTP_UNREACHABLE);
    CHECK(world.clock.now_ms(world.clock.ctx) - begun_ms < 3000);
    CHECK_INT(loop_free(loop), 0);
    release();
    buf_done(&call.answer);
    buf_done(&call.answer_headers);
}

static void F53_a_call_that_waits_for_the_resolver_can_be_aborted(void)
{
    struct loop_config config = {0};
    struct loop *loop = NULL;
    struct world world = {0};
    struct http_call call = make_call();
    call.connect_timeout_ms = 60000;
    call.timeout_ms = 60000;
    hang();
    CHECK_INT(loop_new(&config, &loop, NULL), 0);
    loop_world(loop, &world);
    CHECK_INT(world.transport.start(world.transport.ctx, &call), 0);
    struct ticker ticker = {{.fire = tick}, &world.clock, 0};
    CHECK_INT(world.clock.arm(world.clock.ctx, &ticker.timer, 10), 0);
    CHECK_INT(loop_free(loop), 0);
    CHECK_INT(done, 1);
    CHECK_INT(call.result, HTTP_ABORTED);
    release();
    buf_done(&call.answer);
    buf_done(&call.answer_headers);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(F53_a_resolver_that_hangs_stops_neither_timers_nor_the_time_limit),
    TEST(F53_a_call_that_waits_for_the_resolver_can_be_aborted),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "resolver", tests);
}
