#include <weir/test.h>

#include <cstddef>

static void a_change_is_logged_with_exact_numbers(void)
{
    weir_test *test = weir_test_open(PLUGIN, nullptr);

    weir_test_batch *batch =
        weir_test_change(test, "{\"id\":\"p1\"}", "{\"price\":10}", "{\"price\":12.50}");

    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_OK);
    WEIR_TEST_STR(weir_test_log(test), "info: price: {\"N\":\"10\"} -> {\"N\":\"12.50\"}\n");
    weir_test_close(test);
}

static void other_changes_do_not_come(void)
{
    weir_test *test = weir_test_open(PLUGIN, "{\"attribute\":\"stock\"}");

    weir_test_batch *batch =
        weir_test_change(test, "{\"id\":\"p1\"}", "{\"price\":10}", "{\"price\":12}");

    WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_TEST_UNWANTED);
    WEIR_TEST_STR(weir_test_log(test), "");
    weir_test_close(test);
}

static void an_empty_attribute_is_refused(void)
{
    weir_test *test = weir_test_open(PLUGIN, "{\"attribute\":\"\"}");

    WEIR_TEST_HAS(weir_test_refused(test), "it is empty");
    weir_test_close(test);
}

static const weir_test_case cases[] = {
    {"a_change_is_logged_with_exact_numbers", a_change_is_logged_with_exact_numbers},
    {"other_changes_do_not_come", other_changes_do_not_come},
    {"an_empty_attribute_is_refused", an_empty_attribute_is_refused},
    {nullptr, nullptr},
};

int main(int argc, char **argv)
{
    return weir_test_main(argc, argv, cases);
}
