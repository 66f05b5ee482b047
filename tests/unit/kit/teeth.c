/* Cases that must fail, each for the reason in its name. teeth.sh looks whether they do. */
#include <weir/test.h>

#include <fcntl.h>
#include <stdlib.h>

#define PLUGINS TEST_BUILD "/tests/plugins/"

static void a_condition(void)
{
    WEIR_TEST(1 + 1 == 3);
}

static void a_number(void)
{
    WEIR_TEST_INT(7, 8);
}

static void a_text(void)
{
    WEIR_TEST_STR("is", "should be");
    WEIR_TEST_HAS("text", "part");
}

static void a_heap_leak(void)
{
    volatile char *block = malloc(1000);
    if (block)
        block[0] = 1;
}

static void an_open_file(void)
{
    WEIR_TEST(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

static void a_record_never_completed(void)
{
    weir_test *test = weir_test_open(PLUGINS "never.so", NULL);
    weir_test_change(test, "{\"id\":1}", NULL, "{}");
    weir_test_close(test);
}

static void no_json(void)
{
    weir_test *test = weir_test_open(PLUGINS "good.so", NULL);
    weir_test_give(test, "{\"Records\":");
    weir_test_close(test);
}

static void a_sink_that_is_not_open(void)
{
    weir_test *test = weir_test_open(PLUGINS "openfails.so", "{\"code\":-5}");
    weir_test_change(test, "{\"id\":1}", NULL, "{}");
    weir_test_close(test);
}

static const weir_test_case cases[] = {
    {"a_condition", a_condition},
    {"a_number", a_number},
    {"a_text", a_text},
    {"a_heap_leak", a_heap_leak},
    {"an_open_file", an_open_file},
    {"a_record_never_completed", a_record_never_completed},
    {"no_json", no_json},
    {"a_sink_that_is_not_open", a_sink_that_is_not_open},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return weir_test_main(argc, argv, cases);
}
