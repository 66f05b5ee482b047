#include "unit.h"

#include "util/alloc.h"
#include "util/buf.h"

#include <errno.h>

static void appends_grow_the_content(void)
{
    struct buf buf;
    buf_init(&buf, 1 << 20);
    CHECK_INT(buf_str(&buf).len, 0);
    CHECK_INT(buf_puts(&buf, "one "), 0);
    CHECK_INT(buf_put(&buf, "t\0o", 3), 0);
    CHECK_INT(buf_put(&buf, NULL, 0), 0);
    CHECK_INT(buf_putc(&buf, ' '), 0);
    CHECK_INT(buf_put_str(&buf, STR("three ")), 0);
    CHECK_INT(buf_put_i64(&buf, INT64_MIN), 0);
    CHECK_INT(buf_printf(&buf, "%c%s%d", ' ', "x", 7), 0);
    CHECK(str_eq(buf_str(&buf), STR("one t\0o three -9223372036854775808 x7")));
    for (int i = 0; i < 10000; i++)
        CHECK(buf_puts(&buf, "0123456789") == 0);
    CHECK_INT(buf.len, 37 + 100000);
    CHECK(memcmp(buf.ptr + buf.len - 10, "0123456789", 10) == 0);
    buf_done(&buf);
    CHECK(buf.ptr == NULL && buf.len == 0);
}

static void the_ceiling_holds_and_the_failure_sticks(void)
{
    struct buf buf;
    buf_init(&buf, 10);
    CHECK_INT(buf_puts(&buf, "12345678"), 0);
    CHECK_INT(buf_puts(&buf, "abc"), -EMSGSIZE);
    CHECK(buf.failed);
    CHECK(buf_putc(&buf, 'x') < 0); /* room for it, but something is missing in front of it */
    CHECK_INT(buf.len, 8);
    buf_reset(&buf);
    CHECK(!buf.failed);
    CHECK_INT(buf_puts(&buf, "1234567890"), 0);
    CHECK_INT(buf_reserve(&buf, SIZE_MAX), -EMSGSIZE);
    buf_done(&buf);
}

static void out_of_memory_keeps_what_was_there(void)
{
    struct buf buf;
    buf_init(&buf, SIZE_MAX);
    CHECK_INT(buf_puts(&buf, "kept"), 0);
    mem_fail_at(1);
    CHECK_INT(buf_reserve(&buf, 1000), -ENOMEM);
    CHECK(buf.failed);
    CHECK(str_eq(buf_str(&buf), STR("kept")));
    buf_done(&buf);
}

static void cstr_ends_the_text(void)
{
    struct buf buf;
    buf_init(&buf, 4);
    CHECK_STR(buf_cstr(&buf), "");
    CHECK_INT(buf_puts(&buf, "abc"), 0);
    CHECK_STR(buf_cstr(&buf), "abc");
    CHECK_INT(buf.len, 3);
    CHECK_INT(buf_putc(&buf, 'd'), 0);
    CHECK_STR(buf_cstr(&buf), ""); /* no room for the NUL */
    buf_done(&buf);
}

static void views_compare_by_length_and_bytes(void)
{
    CHECK(str_eq(STR("a\0b"), (weir_str){"a\0b", 3}));
    CHECK(!str_eq(STR("a\0b"), STR("a\0c")));
    CHECK(!str_eq(STR("a"), STR("ab")));
    CHECK(str_eq(STR_NONE, STR("")));
    CHECK(str_is(STR("abc"), "abc") && !str_is(STR("abc"), "ab") && str_is(STR_NONE, NULL));
    CHECK(str_starts(STR("abc"), STR("ab")) && str_starts(STR("abc"), STR_NONE));
    CHECK(!str_starts(STR("ab"), STR("abc")) && !str_starts(STR("abc"), STR("b")));
    CHECK(str_ends(STR("abc"), STR("bc")) && str_ends(STR("abc"), STR_NONE));
    CHECK(!str_ends(STR("bc"), STR("abc")) && !str_ends(STR("abc"), STR("b")));
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"appends_grow_the_content", appends_grow_the_content},
        {"the_ceiling_holds_and_the_failure_sticks", the_ceiling_holds_and_the_failure_sticks},
        {"out_of_memory_keeps_what_was_there", out_of_memory_keeps_what_was_there},
        {"cstr_ends_the_text", cstr_ends_the_text},
        {"views_compare_by_length_and_bytes", views_compare_by_length_and_bytes},
        {NULL, NULL}};
    return unit_main(argc, argv, "buf", tests);
}
