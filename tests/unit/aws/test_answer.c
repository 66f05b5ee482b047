#include "aws/answer.h"
#include "aws/retry.h"
#include "aws/time.h"

#include "unit.h"

#include <errno.h>

static void checksums_are_those_of_zlib(void)
{
    static const struct {
        const char *text;
        uint32_t crc;
    } rows[] = {
        {"", 0},
        {"a", 0xe8b7be43},
        {"{}", 2745614147u},
        {"123456789", 0xcbf43926},
        {"The quick brown fox jumps over the lazy dog", 0x414fa339},
    };
    static struct crc32 crc;
    crc32_init(&crc);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(crc32_of(&crc, rows[i].text, strlen(rows[i].text)), rows[i].crc);
}

static void checksums_do_not_depend_on_the_processor(void)
{
    enum { BYTES = 4096 };
    static struct crc32 fast, plain;
    static char bytes[BYTES];
    uint32_t random = 1;
    crc32_init(&fast);
    crc32_init(&plain);
    plain.fold = NULL;
    for (size_t i = 0; i < BYTES; i++) {
        random = random * 1664525u + 1013904223u;
        bytes[i] = (char)(random >> 24);
    }
    for (size_t len = 0; len < 600; len++)
        for (size_t at = 0; at < 18; at += 1 + len % 3)
            CHECK_INT(crc32_of(&fast, bytes + at, len), crc32_of(&plain, bytes + at, len));
    CHECK_INT(crc32_of(&fast, bytes, BYTES), crc32_of(&plain, bytes, BYTES));
}

static const struct {
    const char *text;
    int64_t unix_s; /* -1: not a time */
} iso_times[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2026-11-22T22:21:14Z", 1795386074},
    {"2026-11-22T22:21:14.031Z", 1795386074},
    {"2026-11-22T22:21:14.031999+00:00", 1795386074},
    {"2026-11-23T00:21:14+02:00", 1795386074},
    {"2026-11-22T17:21:14-0500", 1795386074},
    {"2024-02-29T00:00:00Z", 1709164800},
    {"2000-03-01T00:00:00Z", 951868800},
    {"2026-11-22", -1},
    {"2026-11-22T22:21:14", -1},
    {"2026-13-22T22:21:14Z", -1},
    {"2026-11-22T25:21:14Z", -1},
    {"2026-11-22T22:21:14X", -1},
    {"2026-11-22T22:21:14Zjunk", -1},
    {"", -1},
};

static void iso_times_are_read(void)
{
    for (size_t i = 0; i < sizeof iso_times / sizeof *iso_times; i++) {
        int64_t out = -1;
        CHECK_INT(parse_iso_time(str_of(iso_times[i].text), &out),
                  iso_times[i].unix_s < 0 ? -EINVAL : 0);
        CHECK_INT(out, iso_times[i].unix_s);
    }
}

static void http_dates_are_read(void)
{
    int64_t out = -1;
    CHECK_INT(parse_http_date(STR("Sun, 22 Nov 2026 22:21:14 GMT"), &out), 0);
    CHECK_INT(out, 1795386074);
    CHECK_INT(parse_http_date(STR("Thu, 01 Jan 1970 00:00:00 GMT"), &out), 0);
    CHECK_INT(out, 0);
    CHECK_INT(parse_http_date(STR("Sun, 22 Foo 2026 22:21:14 GMT"), &out), -EINVAL);
    CHECK_INT(parse_http_date(STR("Sunday, 22-Nov-26 22:21:14 GMT"), &out), -EINVAL);
    CHECK_INT(parse_http_date(STR(""), &out), -EINVAL);
}

static uint64_t drawn;
static uint64_t draw(void *ctx)
{
    (void)ctx;
    return drawn;
}

static void F3_delays_have_full_jitter_and_a_ceiling(void)
{
    const struct random random = {NULL, draw};
    drawn = 0;
    CHECK_INT(retry_delay_ms(&random, 5, false, false, 0), 0);
    drawn = 25;
    CHECK_INT(retry_delay_ms(&random, 1, false, true, 0), 25);
    drawn = 26;
    CHECK_INT(retry_delay_ms(&random, 1, false, true, 0), 0);
    drawn = 50;
    CHECK_INT(retry_delay_ms(&random, 1, false, false, 0), 50);
    drawn = 4000;
    CHECK_INT(retry_delay_ms(&random, 3, true, true, 0), 4000);
    drawn = 20000;
    CHECK_INT(retry_delay_ms(&random, 1000000, true, false, 0), 20000);
    drawn = 10;
    CHECK_INT(retry_delay_ms(&random, 1, false, false, 700), 700);
    CHECK_INT(retry_delay_ms(&random, 1, false, false, 60000), 5010);
}

static void the_quota_is_spent_by_retries_and_filled_by_successes(void)
{
    struct retry_quota quota = {RETRY_TOKENS};
    int retries = 0, cost = 0, taken;
    while ((taken = retry_take(&quota, false))) {
        cost = taken;
        retries++;
    }
    CHECK_INT(retries, 500 / 14);
    retry_give(&quota, cost);
    CHECK(retry_take(&quota, false) > 0);
    for (int i = 0; i < 5; i++)
        retry_give(&quota, 0);
    CHECK(retry_take(&quota, true) > 0);
    for (int i = 0; i < 1000; i++)
        retry_give(&quota, 0);
    CHECK_INT(quota.tokens, RETRY_TOKENS);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(checksums_are_those_of_zlib),
    TEST(checksums_do_not_depend_on_the_processor),
    TEST(iso_times_are_read),
    TEST(http_dates_are_read),
    TEST(F3_delays_have_full_jitter_and_a_ceiling),
    TEST(the_quota_is_spent_by_retries_and_filled_by_successes),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "aws_answer", tests);
}
