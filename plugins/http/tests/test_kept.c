/* What is kept of a Retry-After while the machine's clock is set: the kit's never is. */
#include "http.h"

#include <weir/test.h>

static struct {
    int64_t now_ms, wall_us;
    char value[200];
    size_t len;
} world;

static int64_t now_ms(weir_instance *instance)
{
    (void)instance;
    return world.now_ms;
}

static int64_t wall_us(weir_instance *instance)
{
    (void)instance;
    return world.wall_us;
}

static int32_t get_value(weir_instance *instance, weir_str key, weir_str *value)
{
    (void)instance;
    (void)key;
    *value = weir_view(world.value, world.len);
    return world.len > 0;
}

static int32_t put_value(weir_instance *instance, weir_str key, weir_str value,
                         void (*done)(void *arg, int32_t status), void *arg)
{
    (void)instance;
    (void)key;
    memcpy(world.value, value.ptr, value.len);
    world.len = value.len;
    done(arg, 0);
    return 0;
}

static const weir_timer timer = {.now_ms = now_ms, .wall_us = wall_us};

static const void *extension(weir_instance *instance, const char *id)
{
    static const weir_kv kv = {.get = get_value, .put = put_value};
    (void)instance;
    (void)id;
    return &kv;
}

static void pass(int64_t s, int64_t set_by_s)
{
    world.now_ms += s * 1000;
    world.wall_us += (s + set_by_s) * 1000000;
}

/* The clock went two hours ahead until it was set: the server's next wish is what counts. */
static void a_clock_that_is_set_back_keeps_no_old_wish(void)
{
    const weir_host host = {.extension = extension};
    struct sender sender = {.host = &host};
    struct kept kept = {0}, next = {0};
    const weir_str url = WEIR_STR("https://example.com/");
    world.wall_us = 1800000000000000;
    WEIR_TEST_INT(kept_open(&kept, &sender, &timer, url), 0);
    kept_wait(&kept, 600000);
    pass(3600, -7200);
    kept_wait(&kept, 600000);
    WEIR_TEST_INT(kept_open(&next, &sender, &timer, url), 600000);
    pass(100, 0);
    kept_wait(&kept, 20000); /* of another request, and over sooner */
    WEIR_TEST_INT(kept_open(&next, &sender, &timer, url), 500000);
}

static const weir_test_case cases[] = {
    {"a_clock_that_is_set_back_keeps_no_old_wish", a_clock_that_is_set_back_keeps_no_old_wish},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return weir_test_main(argc, argv, cases);
}
