#include "unit.h"

#include "util/alloc.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

static int64_t live_before;

static void before_each(void)
{
    live_before = mem_live();
}

static void after_each(void)
{
    mem_fail_at(0);
    int64_t leaked = mem_live() - live_before;
    if (leaked != 0)
        printf("\n    %s leaks %lld blocks", CU_get_current_test()->pName, (long long)leaked);
    CU_assertImplementation(leaked == 0, 0, "no block leaked", "util/alloc", "", CU_FALSE);
}

void unit_int(const char *file, int line, const char *what, long long actual, long long expected)
{
    if (actual != expected)
        printf("\n    %s:%d: %s is %lld, expected %lld", file, line, what, actual, expected);
    CU_assertImplementation(actual == expected, (unsigned)line, what, file, "", CU_FALSE);
}

void unit_str(const char *file, int line, const char *what, const char *actual,
              const char *expected)
{
    int same = actual && expected && strcmp(actual, expected) == 0;
    if (!same)
        printf("\n    %s:%d: %s\n      is       \"%s\"\n      expected \"%s\"", file, line, what,
               actual ? actual : "(null)", expected ? expected : "(null)");
    CU_assertImplementation(same, (unsigned)line, what, file, "", CU_FALSE);
}

char *unit_file(const char *path, unsigned long *len)
{
    char *text = NULL;
    size_t got = 0;
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    text = mem_alloc((size_t)size + 65);
    if (text)
        got = fread(text, 1, (size_t)size, file);
    fclose(file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL_FATAL(got, (size_t)size);
    text[got] = '\0';
    if (len)
        *len = got;
    return text;
}

static int wanted(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return 1;
    return argc < 2;
}

int unit_main(int argc, char **argv, const char *suite_name, const struct unit_test *tests)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    CU_pSuite suite =
        CU_add_suite_with_setup_and_teardown(suite_name, NULL, NULL, before_each, after_each);
    unsigned added = 0;
    for (const struct unit_test *test = tests; suite && test->name; test++)
        if (wanted(argc, argv, test->name) && CU_add_test(suite, test->name, test->run))
            added++;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures > 0 || added == 0;
}
