/* include/weir/util.h, as a plugin uses it. */
#include "support.h"

#include <weir/util.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static weir_str logged;
static char logged_text[2000];

static void take_log(weir_instance *instance, int32_t level, weir_str msg)
{
    (void)instance;
    (void)level;
    memcpy(logged_text, msg.ptr, msg.len);
    logged_text[msg.len] = '\0';
    logged = weir_view(logged_text, msg.len);
}

static void headers_are_found_in_their_lines(void)
{
    static const struct {
        const char *lines, *name, *value;
    } rows[] = {
        {"A: 1\r\nX-Amz-Function-Error: Unhandled\r\n", "x-amz-function-error", "Unhandled"},
        {"X-Amz: 1\nx-amz-b:\t two words \r\n", "X-Amz-B", "two words"},
        {"a: 1", "a", "1"},
        {"a:", "a", ""},
        {"a", "a", ""},
        {"ab: 1\n", "a", ""},
        {"b: a: 1\n", "a", ""},
        {"", "a", ""},
        {"\n\na: 1\n", "a", "1"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        weir_str value = weir_header(weir_cstr(rows[i].lines), rows[i].name);
        CHECK(weir_equal(value, weir_cstr(rows[i].value)));
    }
}

static void strings_are_one_line_of_ascii(void)
{
    static const struct {
        weir_str text;
        const char *json;
    } rows[] = {
        {{"", 0}, "\"\""},
        {{NULL, 0}, "\"\""},
        {{"plain ~", 7}, "\"plain ~\""},
        {{"q\"b\\", 4}, "\"q\\\"b\\\\\""},
        {{"\n\t\0\x1b\x7f", 5}, "\"\\u000a\\u0009\\u0000\\u001b\\u007f\""},
        {{"\xc3\xa9", 2}, "\"\\u00e9\""},
        {{"\xe2\x80\xa8", 3}, "\"\\u2028\""},
        {{"\xf0\x9f\x98\x80", 4}, "\"\\ud83d\\ude00\""},
        {{"\xf4\x8f\xbf\xbf", 4}, "\"\\udbff\\udfff\""},
        /* not UTF-8: a lone byte, cut, overlong, a surrogate, beyond U+10FFFF */
        {{"\xff", 1}, "\"\\ufffd\""},
        {{"a\xc3", 2}, "\"a\\ufffd\""},
        {{"\xe2\x80", 2}, "\"\\ufffd\\ufffd\""},
        {{"\xc0\x80", 2}, "\"\\ufffd\\ufffd\""},
        {{"\xe0\x80\x80", 3}, "\"\\ufffd\\ufffd\\ufffd\""},
        {{"\xed\xa0\x80", 3}, "\"\\ufffd\\ufffd\\ufffd\""},
        {{"\xf4\x90\x80\x80", 4}, "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
        {{"\xc3(", 2}, "\"\\ufffd(\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        weir_buf buf = {0};
        weir_buf_json_string(&buf, rows[i].text);
        weir_buf_put(&buf, weir_view("", 1)); /* a NUL, to compare */
        CHECK(!buf.failed);
        CHECK_STR(buf.ptr, rows[i].json);
        weir_buf_free(&buf);
    }
}

static void buffers_grow(void)
{
    weir_buf buf = {0};
    for (int i = 0; i < 10000; i++)
        weir_buf_puts(&buf, "0123456789");
    CHECK(buf.len == 100000 && !buf.failed && memcmp(buf.ptr + 99990, "0123456789", 10) == 0);
    CHECK(weir_buf_view(&buf).len == 100000);
    weir_buf_clear(&buf);
    CHECK(buf.len == 0 && buf.cap >= 100000);
    CHECK(!weir_buf_room(&buf, (size_t)-1) && buf.failed);
    weir_buf_puts(&buf, "x");
    CHECK_INT(buf.len, 0); /* sticky */
    weir_buf_free(&buf);
    CHECK(buf.ptr == NULL && buf.cap == 0 && !buf.failed);
}

static void literals_and_comparison(void)
{
    CHECK(weir_equal(WEIR_STR("ab"), weir_cstr("ab")));
    CHECK(!weir_equal(WEIR_STR("ab"), WEIR_STR("ac")) &&
          !weir_equal(WEIR_STR("a"), WEIR_STR("ab")));
    CHECK(weir_equal(WEIR_NONE, weir_cstr(NULL)));
    CHECK_INT(WEIR_STR("a\0b").len, 3);
}

static void logging(void)
{
    weir_host host = {.log = take_log};
    weir_logf(&host, NULL, WEIR_LOG_INFO, "%s is %d, %.*s", "x", 5, WEIR_ARG(WEIR_STR("view")));
    CHECK_STR(logged.ptr, "x is 5, view");
    weir_logf(&host, NULL, WEIR_LOG_INFO, "%.*s", WEIR_ARG(((weir_str){NULL, 0})));
    CHECK_STR(logged.ptr, "");
    weir_logf(&host, NULL, WEIR_LOG_INFO, "%01500d", 7);
    CHECK_INT(logged.len, 1023);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"headers_are_found_in_their_lines", headers_are_found_in_their_lines},
        {"strings_are_one_line_of_ascii", strings_are_one_line_of_ascii},
        {"buffers_grow", buffers_grow},
        {"literals_and_comparison", literals_and_comparison},
        {"logging", logging},
        {NULL, NULL}};
    return unit_main(argc, argv, "plugin_util_h", tests);
}
