#include "kit/kit.h"

#include <stdio.h>

enum { ROUNDS_LEAK = 12 }; /* what grows in every one of so many rounds grows for ever */

/* The running program of tests. Its checks are macros without a context, as people expect, so this
 * is the one place with a state of its own. */
static int failures;

void weir_test_failed(const char *file, int32_t line, const char *what)
{
    failures++;
    if (line > 0)
        printf("  %s:%d: %s\n", file, (int)line, what);
    else
        printf("  %s: %s\n", file, what);
}

int weir_test_check_int(const char *file, int32_t line, const char *what, int64_t actual,
                        int64_t expected)
{
    char text[300];
    if (actual == expected)
        return 1;
    snprintf(text, sizeof text, "%.200s is %lld, expected %lld", what, (long long)actual,
             (long long)expected);
    weir_test_failed(file, line, text);
    return 0;
}

int weir_test_check_str(const char *file, int32_t line, const char *what, const char *actual,
                        const char *expected)
{
    if (actual && expected && strcmp(actual, expected) == 0)
        return 1;
    weir_test_failed(file, line, what);
    printf("    is       %s\n    expected %s\n", actual ? actual : "NULL",
           expected ? expected : "NULL");
    return 0;
}

int weir_test_check_has(const char *file, int32_t line, const char *what, const char *text,
                        const char *part)
{
    if (text && part && strstr(text, part))
        return 1;
    weir_test_failed(file, line, what);
    printf("    is       %s\n    without  %s\n", text ? text : "NULL", part ? part : "NULL");
    return 0;
}

static bool grew(const struct kit_footprint *was, const struct kit_footprint *is)
{
    return is->heap_bytes > was->heap_bytes || is->files > was->files || is->threads > was->threads;
}

/* Two rounds to warm up (caches, the first use of a stream), then as many as it takes to see that
 * nothing is left behind by one. */
static void run_case(const weir_test_case *test_case)
{
    test_case->run();
    if (failures > 0)
        return;
    test_case->run();
    struct kit_footprint was = kit_footprint(), is = was;
    for (int round = 0; round < ROUNDS_LEAK && failures == 0; round++) {
        is = kit_footprint();
        test_case->run();
        was = is;
        is = kit_footprint();
        if (!grew(&was, &is))
            return;
    }
    if (failures > 0)
        return;
    char text[160];
    snprintf(text, sizeof text, "every round leaves behind %lld bytes, %d open files, %d threads",
             (long long)is.heap_bytes - (long long)was.heap_bytes, (int)is.files - (int)was.files,
             (int)is.threads - (int)was.threads);
    weir_test_failed(test_case->name, 0, text);
}

static bool is_wanted(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc < 2;
}

int weir_test_main(int argc, char **argv, const weir_test_case *cases)
{
    unsigned passed = 0, failed = 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    for (const weir_test_case *at = cases; at->name; at++) {
        if (!is_wanted(argc, argv, at->name))
            continue;
        failures = 0;
        run_case(at);
        printf("%s %s\n", failures > 0 ? "FAIL" : "ok  ", at->name);
        if (failures > 0)
            failed++;
        else
            passed++;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
