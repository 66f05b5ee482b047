#include "unit.h"

#include "util/alloc.h"
#include "util/decimal.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { MEGABYTE = 1 << 20 };

#define D38 "12345678901234567890123456789012345678"

static const struct {
    const char *text;
    int rc;
    const char *canonical;
} spellings[] = {
    {"0", 0, "0"},
    {"-0", 0, "0"},
    {"+0.000", 0, "0"},
    {"0e999999999999999999999", 0, "0"},
    {"-0.0E-9999999999", 0, "0"},
    {"1", 0, "1e0"},
    {"+1", 0, "1e0"},
    {"10", 0, "1e1"},
    {"10.0", 0, "1e1"},
    {"0010.00", 0, "1e1"},
    {"1E+1", 0, "1e1"},
    {"1e1", 0, "1e1"},
    {"100E-1", 0, "1e1"},
    {"-12.50", 0, "-1.25e1"},
    {"0.00125", 0, "1.25e-3"},
    {"1.5E-130", 0, "1.5e-130"},
    {"1e-130", 0, "1e-130"},
    {"9.9e-131", -ERANGE, NULL},
    {"1e125", 0, "1e125"},
    {"9.9999999999999999999999999999999999999E+125", 0,
     "9.9999999999999999999999999999999999999e125"},
    {"1e126", -ERANGE, NULL},
    {"1e400", -ERANGE, NULL},
    {"-1e400", -ERANGE, NULL},
    {"1e99999999999999999999999999", -ERANGE, NULL},
    {"1e-99999999999999999999999999", -ERANGE, NULL},
    {D38, 0, "1.2345678901234567890123456789012345678e37"},
    {"-" D38, 0, "-1.2345678901234567890123456789012345678e37"},
    {"0.000" D38, 0, "1.2345678901234567890123456789012345678e-4"},
    {D38 "00.000", 0, "1.2345678901234567890123456789012345678e39"},
    {D38 "9", -ERANGE, NULL},
    {D38 ".9", -ERANGE, NULL},
    {"1.00000000000000000000000000000000000001", -ERANGE, NULL},
    {"1.0000000000000000000000000000000000001", 0, "1.0000000000000000000000000000000000001e0"},
    {"9007199254740993", 0, "9.007199254740993e15"},
    {"0.30000000000000004", 0, "3.0000000000000004e-1"},
    {"", -EINVAL, NULL},
    {"-", -EINVAL, NULL},
    {"+", -EINVAL, NULL},
    {".", -EINVAL, NULL},
    {".5", -EINVAL, NULL},
    {"5.", -EINVAL, NULL},
    {"1e", -EINVAL, NULL},
    {"1e+", -EINVAL, NULL},
    {"1e1.0", -EINVAL, NULL},
    {"1e1e1", -EINVAL, NULL},
    {"1.2.3", -EINVAL, NULL},
    {"--1", -EINVAL, NULL},
    {"+-1", -EINVAL, NULL},
    {"1 ", -EINVAL, NULL},
    {" 1", -EINVAL, NULL},
    {"1,5", -EINVAL, NULL},
    {"0x10", -EINVAL, NULL},
    {"NaN", -EINVAL, NULL},
    {"Infinity", -EINVAL, NULL},
    {"garbage", -EINVAL, NULL},
    {"1e400x", -EINVAL, NULL},
    {D38 "9x", -EINVAL, NULL},
    {"\xd9\xa1", -EINVAL, NULL}, /* an Arabic digit */
};

static void parse_and_canonical(void)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        struct decimal value = {.digit_count = 99};
        char canonical[DECIMAL_CANONICAL_MAX + 1];

        int rc = decimal_parse(str_of(spellings[i].text), &value);

        if (rc != spellings[i].rc)
            printf("\n    row %s", spellings[i].text);
        CHECK_INT(rc, spellings[i].rc);
        if (rc < 0) {
            CHECK_INT(value.digit_count, 99); /* written only on success */
            continue;
        }
        size_t len = decimal_canonical(&value, canonical);
        CHECK(len <= DECIMAL_CANONICAL_MAX);
        canonical[len] = '\0';
        CHECK_STR(canonical, spellings[i].canonical ? spellings[i].canonical : "(an error)");
    }
}

static void an_embedded_zero_byte_is_no_number(void)
{
    struct decimal value;
    CHECK_INT(decimal_parse((weir_str){"1\0", 2}, &value), -EINVAL);
    CHECK_INT(decimal_parse(STR_NONE, &value), -EINVAL);
}

/* In ascending order; every pair is compared both ways. */
static void compare_orders_numbers(void)
{
    static const char *const ascending[] = {"-9e125",
                                            "-1000",
                                            "-100.1",
                                            "-100",
                                            "-99.99999999999999999999999999999999999",
                                            "-1.5",
                                            "-1",
                                            "-1e-130",
                                            "0",
                                            "1e-130",
                                            "1.5e-10",
                                            "0.1",
                                            "0.10001",
                                            "0.2",
                                            "1",
                                            "1.5",
                                            "9",
                                            "10",
                                            "10.01",
                                            "9007199254740992",
                                            "9007199254740993",
                                            "1e17",
                                            "1.1e17",
                                            "9.99e125"};
    size_t count = sizeof ascending / sizeof *ascending;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            struct decimal a, b;
            CHECK_INT(decimal_parse(str_of(ascending[i]), &a), 0);
            CHECK_INT(decimal_parse(str_of(ascending[j]), &b), 0);
            int order = decimal_cmp(&a, &b);
            CHECK_INT((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

static void F85_S24_equal_in_value_but_not_in_text(void)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"10", "10.0", true},
        {"10", "1E1", true},
        {"10", "0010.00", true},
        {"10", "1000e-2", true},
        {"0", "-0", true},
        {"0", "0.0e50", true},
        {D38, D38 ".000", true},
        {"9007199254740992", "9007199254740993", false},
        {"0.1", "0.10000000000000000000000000000000000001", false},
        {"1e125", "1e124", false},
        {"10", "-10", false},
        {"abc", "abc", true}, /* not numbers: by bytes */
        {"abc", "abd", false},
        {"1e400", "1e400", true},
        {"1e400", "10e399", false},
        {"", "", true},
        {"", "0", false},
        {"1", "1 ", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_INT(decimal_text_equal(str_of(rows[i].a), str_of(rows[i].b)), rows[i].equal);
        CHECK_INT(decimal_text_equal(str_of(rows[i].b), str_of(rows[i].a)), rows[i].equal);
    }
}

static void difference_is_exact_and_plain(void)
{
    static const struct {
        const char *a, *b, *expected;
    } rows[] = {
        {"12.5", "10", "+2.5"},
        {"10", "10.01", "-0.01"},
        {"10", "10.0", "0"},
        {"0", "0", "0"},
        {"0", "5", "-5"},
        {"-5", "0", "-5"},
        {"-5", "-7", "+2"},
        {"-5", "7", "-12"},
        {"1000", "1", "+999"},
        {"100", "0", "+100"},
        {"0.30000000000000004", "0.3", "+0.00000000000000004"},
        {"9007199254740993", "9007199254740992", "+1"},
        {D38, "0", "+" D38},
        {"1e38", "1", "+99999999999999999999999999999999999999"},
        {"1e38", "0", NULL}, /* 39 digits when written plainly */
        {D38, "0.1", NULL},
        {"1e125", "1e-130", NULL},
        {"9e125", "-9e125", NULL},
        {"-9e125", "9e125", NULL},
        {"1e125", "1e125", "0"},
        {"1e-37", "0", "+0.0000000000000000000000000000000000001"},
        {"1e-38", "0", NULL},
        {"0.5", "1e-37", "+0.4999999999999999999999999999999999999"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct decimal a, b;
        struct buf out;
        buf_init(&out, 256);
        CHECK_INT(decimal_parse(str_of(rows[i].a), &a), 0);
        CHECK_INT(decimal_parse(str_of(rows[i].b), &b), 0);

        bool written = decimal_difference(&a, &b, &out);

        CHECK_INT(written, rows[i].expected != NULL);
        CHECK_STR(buf_cstr(&out), rows[i].expected ? rows[i].expected : "");
        buf_done(&out);
    }
}

static int parse_filled(char *text, char fill, const char *head, const char *tail)
{
    struct decimal value;
    memset(text, fill, MEGABYTE);
    memcpy(text, head, strlen(head));
    memcpy(text + MEGABYTE - strlen(tail), tail, strlen(tail));
    return decimal_parse((weir_str){text, MEGABYTE}, &value);
}

static void F81_a_megabyte_of_digits_takes_linear_time(void)
{
    char *text = mem_alloc(MEGABYTE);
    CHECK_FATAL(text != NULL);
    clock_t begin = clock();

    CHECK_INT(parse_filled(text, '9', "", ""), -ERANGE);
    CHECK_INT(parse_filled(text, '0', "1", ""), -ERANGE);
    CHECK_INT(parse_filled(text, '0', "0", ""), 0);
    CHECK_INT(parse_filled(text, '0', "", "7"), 0);
    CHECK_INT(parse_filled(text, '0', "0.", "1"), -ERANGE);
    CHECK_INT(parse_filled(text, '0', "0.", "1e1048000"), -ERANGE);
    CHECK_INT(parse_filled(text, '0', "0.", "1e1048564"), 0);
    CHECK_INT(parse_filled(text, '0', "1e", "5"), 0);
    CHECK_INT(parse_filled(text, '9', "1e", ""), -ERANGE);
    CHECK_INT(parse_filled(text, '0', "1e-", "130"), 0);
    CHECK_INT(parse_filled(text, '0', "1.", "1"), -ERANGE);
    CHECK_INT(parse_filled(text, '0', "1.", "0"), 0);
    CHECK_INT(parse_filled(text, '1', "", "x"), -EINVAL);

    CHECK((double)(clock() - begin) / CLOCKS_PER_SEC < 5.0);
    mem_free(text);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"parse_and_canonical", parse_and_canonical},
        {"an_embedded_zero_byte_is_no_number", an_embedded_zero_byte_is_no_number},
        {"compare_orders_numbers", compare_orders_numbers},
        {"F85_S24_equal_in_value_but_not_in_text", F85_S24_equal_in_value_but_not_in_text},
        {"difference_is_exact_and_plain", difference_is_exact_and_plain},
        {"F81_a_megabyte_of_digits_takes_linear_time", F81_a_megabyte_of_digits_takes_linear_time},
        {NULL, NULL}};
    return unit_main(argc, argv, "decimal", tests);
}
