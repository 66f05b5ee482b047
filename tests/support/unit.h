/* One CUnit suite per program: every test fails when it leaks a block of util/alloc. */
#ifndef WEIR_TESTS_UNIT_H
#define WEIR_TESTS_UNIT_H
#include <CUnit/CUnit.h>

struct unit_test {
    const char *name;
    void (*run)(void);
};

/* Runs all tests (or those named on the command line); prints CUnit's summary; the exit code says
 * whether all passed. `tests` ends with a NULL name. */
int unit_main(int argc, char **argv, const char *suite, const struct unit_test *tests);

#define CHECK(condition)       CU_ASSERT(condition)
#define CHECK_FATAL(condition) CU_ASSERT_FATAL(condition)
#define CHECK_INT(actual, expected)                                                                \
    unit_int(__FILE__, __LINE__, #actual, (long long)(actual), (long long)(expected))
#define CHECK_STR(actual, expected) unit_str(__FILE__, __LINE__, #actual, (actual), (expected))
void unit_int(const char *file, int line, const char *what, long long actual, long long expected);
/* Compares NUL-terminated texts and prints both when they differ. */
void unit_str(const char *file, int line, const char *what, const char *actual,
              const char *expected);
/* A file's content, NUL behind it, from mem_alloc; fails the test when it can't be read. */
char *unit_file(const char *path, unsigned long *len);
#endif
