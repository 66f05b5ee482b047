#include "unit.h"

#include "util/alloc.h"
#include "util/text.h"

#include <stdio.h>

static void F14_sequence_numbers_compare_as_numbers(void)
{
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        {"100000000000000000001", "99999999999999999999", 1}, /* 21 digits against 20 */
        {"49590338271490256608559692538361571095921575989136588898", "4000000000000000000000000001",
         1},
        {"0000000000000000000000000000000000000005", "5", 0},
        {"0", "000", 0},
        {"18446744073709551616", "18446744073709551617", -1}, /* beyond 64 bits */
        {"9", "10", -1},
        {"09", "10", -1},
        {"123456789012345678901234567890123456789", "123456789012345678901234567890123456788", 1},
        {"7", "7", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int order = sequence_cmp(str_of(rows[i].a), str_of(rows[i].b));
        CHECK_INT((order > 0) - (order < 0), rows[i].order);
        order = sequence_cmp(str_of(rows[i].b), str_of(rows[i].a));
        CHECK_INT((order > 0) - (order < 0), -rows[i].order);
    }
}

static void sequence_numbers_are_digits_only(void)
{
    char long_one[SEQUENCE_DIGITS_MAX + 1];
    memset(long_one, '9', sizeof long_one);
    CHECK(sequence_valid((weir_str){long_one, SEQUENCE_DIGITS_MAX}));
    CHECK(!sequence_valid((weir_str){long_one, SEQUENCE_DIGITS_MAX + 1}));
    CHECK(sequence_valid(STR("0")));
    CHECK(!sequence_valid(STR_NONE));
    CHECK(!sequence_valid(STR("-1")));
    CHECK(!sequence_valid(STR("1e3")));
    CHECK(!sequence_valid(STR("12 ")));
    CHECK(!sequence_valid(STR("1\0")));
    CHECK(str_is(sequence_significant(STR("00120")), "120"));
    CHECK(str_is(sequence_significant(STR("000")), "0"));
    CHECK(str_is(sequence_significant(STR_NONE), "0"));
}

static void utf8_is_checked_strictly(void)
{
    static const struct {
        const char *bytes;
        bool valid;
    } rows[] = {
        {"", true},
        {"plain ascii, longer than eight bytes", true},
        {"\x7f", true},
        {"\xc2\x80", true},
        {"\xdf\xbf", true},
        {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf", true},
        {"\xee\x80\x80", true},
        {"\xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"12345678\xc3\xa9"
         "12345678",
         true},
        {"\x80", false},
        {"\xbf", false},
        {"\xc0\xaf", false}, /* overlong '/' */
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false}, /* overlong */
        {"\xed\xa0\x80", false}, /* surrogate */
        {"\xed\xbf\xbf", false},
        {"\xf0\x8f\xbf\xbf", false}, /* overlong */
        {"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"\xfe", false},
        {"\xc3", false},
        {"\xe2\x82", false},
        {"\xf0\x9f\x98", false},
        {"\xc3\x28", false},
        {"\xe2\x28\xa1", false},
        {"\xe2\x82\x28", false},
        {"\xf0\x9f\x98\x28", false},
        {"1234567\xff", false},
        {"12345678\xff", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(utf8_valid(rows[i].bytes, strlen(rows[i].bytes)), rows[i].valid);
    CHECK(utf8_valid("a\0b", 3));
    CHECK(utf8_valid(NULL, 0));
}

static void utf8_encode_and_decode_are_inverse(void)
{
    for (uint32_t code = 0; code <= 0x10ffff; code += code < 0x3000 ? 1 : 97) {
        char bytes[4];
        uint32_t back = 0;
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        size_t len = utf8_encode(code, bytes);
        CHECK(utf8_decode(bytes, len, &back) == len);
        CHECK(back == code);
        CHECK(len == 1 || utf8_decode(bytes, len - 1, &back) == 0);
    }
}

static void base64_both_ways(void)
{
    static const struct {
        const char *text;
        long len;
        const char *bytes;
    } rows[] = {
        {"", 0, ""},
        {"Zg==", 1, "f"},
        {"Zm8=", 2, "fo"},
        {"Zm9v", 3, "foo"},
        {"Zm9vYmFy", 6, "foobar"},
        {"AAEC/f7/", 6, "\0\1\2\xfd\xfe\xff"},
        {"+/+/", 3, "\xfb\xff\xbf"},
        {"Zg=", -1, NULL},
        {"Zg", -1, NULL},
        {"Zg===", -1, NULL},
        {"Z===", -1, NULL},
        {"====", -1, NULL},
        {"Zg==Zg==", -1, NULL},
        {"Zm9v\n", -1, NULL},
        {"Zm9-", -1, NULL}, /* the URL alphabet */
        {"Zm9_", -1, NULL},
        {"Zh==", -1, NULL}, /* left-over bits */
        {"Zm9=", -1, NULL},
        {"Zm\xc3\xa9", -1, NULL},
        {"=Zm9", -1, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[16];
        struct buf buf;
        buf_init(&buf, 100);
        CHECK_INT(base64_decode(str_of(rows[i].text), out), rows[i].len);
        if (rows[i].len >= 0) {
            CHECK(memcmp(out, rows[i].bytes, (size_t)rows[i].len) == 0);
            CHECK_INT(buf_put_base64(&buf, (weir_str){rows[i].bytes, (size_t)rows[i].len}), 0);
            CHECK_STR(buf_cstr(&buf), rows[i].text);
        }
        buf_done(&buf);
    }
    char same[] = "Zm9vYmFy";
    CHECK_INT(base64_decode(str_of(same), same), 6);
    CHECK(memcmp(same, "foobar", 6) == 0);
}

static void unescape_gives_the_bytes(void)
{
    static const struct {
        const char *raw, *plain;
        size_t len;
    } rows[] = {
        {"", "", 0},
        {"plain", "plain", 5},
        {"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8},
        {"x\\u0000y", "x\0y", 3},
        {"\\u00e9\\u20AC", "\xc3\xa9\xe2\x82\xac", 5},
        {"\\ud83d\\uDE00!", "\xf0\x9f\x98\x80!", 5},
        {"\xc3\xa9\\n\xc3\xa9", "\xc3\xa9\n\xc3\xa9", 5},
        {"\\ud83dx", "\xef\xbf\xbdx", 4}, /* not from validated text, still UTF-8 */
        {"\\udc00", "\xef\xbf\xbd", 3},
        {"\\ud83d\\u0041",
         "\xef\xbf\xbd"
         "A",
         4},
        {"a\\", "a\\", 2},
        {"\\u12", "\\u12", 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[32], same[32];
        size_t raw_len = strlen(rows[i].raw);
        CHECK_INT(json_unescape(str_of(rows[i].raw), out), rows[i].len);
        CHECK(memcmp(out, rows[i].plain, rows[i].len) == 0);
        memcpy(same, rows[i].raw, raw_len);
        CHECK_INT(json_unescape((weir_str){same, raw_len}, same), rows[i].len);
        CHECK(memcmp(same, rows[i].plain, rows[i].len) == 0);
    }
}

static void F83_json_strings_are_ascii(void)
{
    static const struct {
        const char *text;
        size_t len;
        const char *expected;
    } rows[] = {
        {"", 0, "\"\""},
        {"plain /'<", 9, "\"plain /'<\""},
        {"\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
        {"\0\x1b\x7f", 3, "\"\\u0000\\u001b\\u007f\""},
        {"\xc2\x9b", 2, "\"\\u009b\""},     /* C1: one byte to a terminal */
        {"\xe2\x80\xa8", 3, "\"\\u2028\""}, /* a line end to JavaScript */
        {"\xf0\x9f\x98\x80", 4, "\"\\ud83d\\ude00\""},
        {"a\xff"
         "b",
         3, "\"a\\ufffdb\""},
        {"\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\""},
        {"\xe2\x82", 2, "\"\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf buf;
        buf_init(&buf, 200);
        CHECK_INT(buf_put_json_string(&buf, (weir_str){rows[i].text, rows[i].len}), 0);
        CHECK_STR(buf_cstr(&buf), rows[i].expected);
        buf_done(&buf);
    }
}

static void F83_json_becomes_one_ascii_line(void)
{
    static const struct {
        const char *json, *expected;
    } rows[] = {
        {"{ \"a\" : [ 1.50 , true ,\n null ] }\r\n", "{\"a\":[1.50,true,null]}"},
        {"\"a b\"", "\"a b\""},
        {"\"\xc3\xa9\\u00e9\\n\\\"\\\\\"", "\"\\u00e9\\u00e9\\n\\\"\\\\\""},
        {"{\"k\x7f\":\"\xf0\x9f\x98\x80 x\"}", "{\"k\\u007f\":\"\\ud83d\\ude00 x\"}"},
        {"\"\\/ \\ud83d\\ude00\"", "\"\\/ \\ud83d\\ude00\""},
        {"\"cut \\", "\"cut \\\\\""}, /* not valid: still one closed line, nothing read behind it */
        {"\"esc\x1b[2J\"", "\"esc\\u001b[2J\""},
        {"1\x1b\xff"
         "2",
         "12"},
        {"\"\\\xc3\xa9\"", "\"\\\\\\u00e9\""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf buf;
        buf_init(&buf, 200);
        CHECK_INT(buf_put_json_ascii(&buf, str_of(rows[i].json)), 0);
        CHECK_STR(buf_cstr(&buf), rows[i].expected);
        buf_done(&buf);
    }
}

static void F83_visible_text_cannot_move_a_cursor(void)
{
    struct buf buf;
    buf_init(&buf, 200);
    CHECK_INT(buf_put_visible(&buf, STR("a\"b\\\n\t\r\x1b\xc2\x9b\0~"), 100), 0);
    CHECK_STR(buf_cstr(&buf), "a\"b\\\\\\n\\t\\x0d\\x1b\\xc2\\x9b\\x00~");
    buf_reset(&buf);
    CHECK_INT(buf_put_visible(&buf, STR("abcdef"), 3), 0);
    CHECK_STR(buf_cstr(&buf), "abc...");
    buf_reset(&buf);
    CHECK_INT(buf_put_visible(&buf, STR("abc"), 3), 0);
    CHECK_STR(buf_cstr(&buf), "abc");
    buf_done(&buf);
}

static void writers_report_a_full_buffer(void)
{
    struct buf buf;
    buf_init(&buf, 4);
    CHECK(buf_put_json_string(&buf, STR("\n\n\n")) < 0);
    buf_reset(&buf);
    CHECK(buf_put_json_string(&buf, STR("abcdef")) < 0);
    buf_reset(&buf);
    CHECK(buf_put_json_ascii(&buf, STR("\"abcdef\"")) < 0);
    buf_reset(&buf);
    CHECK(buf_put_json_ascii(&buf, STR("123456")) < 0);
    buf_reset(&buf);
    CHECK(buf_put_visible(&buf, STR("\x01\x01"), 9) < 0);
    buf_reset(&buf);
    CHECK(buf_put_base64(&buf, STR("abcd")) < 0);
    buf_reset(&buf);
    CHECK(buf_put_iso_time(&buf, 0, 0) < 0);
    buf_reset(&buf);
    CHECK(buf_put_member(&buf, "a", STR("")) < 0);
    CHECK(buf_put_time_member(&buf, "a", 0) < 0); /* behind what did not fit */
    buf_done(&buf);
}

static void iso_times(void)
{
    static const struct {
        int64_t us;
        int digits;
        const char *expected;
    } rows[] = {
        {0, 0, "1970-01-01T00:00:00Z"},
        {1795386074031000, 3, "2026-11-22T22:21:14.031Z"},
        {1795386074031999, 3, "2026-11-22T22:21:14.031Z"},
        {1795386074031999, 6, "2026-11-22T22:21:14.031999Z"},
        {951782400000000, 0, "2000-02-29T00:00:00Z"},
        {951868799999999, 6, "2000-02-29T23:59:59.999999Z"},
        {4107542400000000, 0, "2100-03-01T00:00:00Z"},
        {4107542399000000, 0, "2100-02-28T23:59:59Z"},
        {-1, 6, "1969-12-31T23:59:59.999999Z"},
        {-1000000, 0, "1969-12-31T23:59:59Z"},
        {-62167219200000000, 0, "0000-01-01T00:00:00Z"},
        {-62167219200000001, 0, "0000-01-01T00:00:00Z"},
        {-62162035200000000, 3, "0000-03-01T00:00:00.000Z"},
        {INT64_MIN, 0, "0000-01-01T00:00:00Z"},
        {253402300799999999, 6, "9999-12-31T23:59:59.999999Z"},
        {INT64_MAX, 6, "9999-12-31T23:59:59.999999Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf buf;
        buf_init(&buf, 100);
        CHECK_INT(buf_put_iso_time(&buf, rows[i].us, rows[i].digits), 0);
        CHECK_STR(buf_cstr(&buf), rows[i].expected);
        buf_done(&buf);
    }
}

static void members_set_their_commas(void)
{
    struct buf buf;
    buf_init(&buf, 200);
    buf_putc(&buf, '{');
    CHECK_INT(buf_put_member(&buf, "a", STR("{\n[")), 0);
    CHECK_INT(buf_put_number_member(&buf, "b", INT64_MIN), 0);
    CHECK_INT(buf_put_key(&buf, "c"), 0);
    buf_putc(&buf, '[');
    for (int i = 0; i < 2; i++) {
        CHECK_INT(buf_put_comma(&buf), 0);
        buf_putc(&buf, '{');
        CHECK_INT(buf_put_flag_member(&buf, "d", i == 1), 0);
        buf_putc(&buf, '}');
    }
    buf_putc(&buf, ']');
    CHECK_INT(buf_put_time_member(&buf, "e", 1), 0);
    CHECK_INT(buf_put_text_member(&buf, "f", NULL), 0);
    CHECK_INT(buf_put_text_member(&buf, "g", "null"), 0);
    buf_putc(&buf, '}');
    CHECK_STR(buf_cstr(&buf),
              "{\"a\":\"{\\n[\",\"b\":-9223372036854775808,\"c\":[{\"d\":false},{\"d\":true}],"
              "\"e\":\"1970-01-01T00:00:00.000Z\",\"f\":null,\"g\":\"null\"}");
    buf_reset(&buf);
    CHECK_INT(buf_put_member(&buf, "first", STR("")), 0);
    CHECK_STR(buf_cstr(&buf), "\"first\":\"\"");
    buf_done(&buf);
}

static void hash_is_fnv1a(void)
{
    CHECK(hash_bytes(HASH_SEED, "", 0) == 0xcbf29ce484222325ull);
    CHECK(hash_bytes(HASH_SEED, "a", 1) == 0xaf63dc4c8601ec8cull);
    CHECK(hash_bytes(HASH_SEED, "foobar", 6) == 0x85944171f73967e8ull);
    CHECK(hash_bytes(hash_bytes(HASH_SEED, "foo", 3), "bar", 3) == 0x85944171f73967e8ull);
}

static void distances(void)
{
    static const struct {
        const char *a, *b;
        size_t limit, expected;
    } rows[] = {
        {"", "", 3, 0},
        {"table", "table", 0, 0},
        {"tabel", "table", 3, 1}, /* a swap is one step */
        {"chekc", "check", 3, 1},
        {"kitten", "sitting", 5, 3},
        {"kitten", "sitting", 2, 3}, /* limit + 1 */
        {"kitten", "sitting", 1, 2},
        {"", "abc", 5, 3},
        {"abc", "", 2, 3},
        {"ca", "abc", 5, 3}, /* optimal string alignment, not full Damerau */
        {"a", "b", SIZE_MAX, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(edit_distance(str_of(rows[i].a), str_of(rows[i].b), rows[i].limit),
                  rows[i].expected);
    char word[1000], other[1000];
    memset(word, 'x', sizeof word);
    memset(other, 'x', sizeof other);
    other[0] = 'y';
    CHECK_INT(edit_distance((weir_str){word, 1000}, (weir_str){word, 1000}, 4), 0);
    CHECK_INT(edit_distance((weir_str){word, 1000}, (weir_str){other, 1000}, 4), 5);
    CHECK_INT(edit_distance((weir_str){word, 128}, (weir_str){other, 128}, 4), 1);
}

static void nearest_names(void)
{
    static const char *const names[] = {"table", "stream", "store", "timeout", NULL};
    CHECK_STR(nearest_name(STR("tabel"), names), "table");
    CHECK_STR(nearest_name(STR("table"), names), "table");
    CHECK_STR(nearest_name(STR("stroe"), names), "store");
    CHECK_STR(nearest_name(STR("timeouts"), names), "timeout");
    CHECK(nearest_name(STR("xyz"), names) == NULL);
    CHECK(nearest_name(STR_NONE, names) == NULL);
    CHECK(nearest_name(STR("table"), NULL) == NULL);
}

static void texts_compare_by_bytes(void)
{
    CHECK_INT(str_cmp(STR("a"), STR("a")), 0);
    CHECK_INT(str_cmp(STR_NONE, STR("")), 0);
    CHECK(str_cmp(STR_NONE, STR("a")) < 0);
    CHECK(str_cmp(STR("ab"), STR("a")) > 0);
    CHECK(str_cmp(STR("ab"), STR("b")) < 0);
    CHECK(str_cmp(STR("\xff"), STR("z")) > 0);
}

static void spaces_and_tabs_are_trimmed_at_the_ends(void)
{
    CHECK(str_is(str_trim(STR(" \ta b\t ")), "a b"));
    CHECK(str_is(str_trim(STR("a\n")), "a\n"));
    CHECK_INT(str_trim(STR(" \t ")).len, 0);
    CHECK_INT(str_trim(STR_NONE).len, 0);
}

static void what_is_no_escape_stands_for_itself(void)
{
    static const char *const rows[][2] = {{"a%20b", "a b"}, {"%41%4a%4A", "AJJ"}, {"%", "%"},
                                          {"%4", "%4"},     {"%4g", "%4g"},       {"%g4", "%g4"},
                                          {"%%41", "%A"},   {"%2541", "%41"},     {"+", "+"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        weir_str left = str_of(rows[i][0]);
        char out[16] = "";
        for (size_t len = 0; left.len > 0; len++)
            out[len] = (char)percent_next(&left);
        CHECK_STR(out, rows[i][1]);
    }
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F14_sequence_numbers_compare_as_numbers", F14_sequence_numbers_compare_as_numbers},
        {"sequence_numbers_are_digits_only", sequence_numbers_are_digits_only},
        {"utf8_is_checked_strictly", utf8_is_checked_strictly},
        {"utf8_encode_and_decode_are_inverse", utf8_encode_and_decode_are_inverse},
        {"base64_both_ways", base64_both_ways},
        {"unescape_gives_the_bytes", unescape_gives_the_bytes},
        {"F83_json_strings_are_ascii", F83_json_strings_are_ascii},
        {"F83_json_becomes_one_ascii_line", F83_json_becomes_one_ascii_line},
        {"F83_visible_text_cannot_move_a_cursor", F83_visible_text_cannot_move_a_cursor},
        {"writers_report_a_full_buffer", writers_report_a_full_buffer},
        {"iso_times", iso_times},
        {"members_set_their_commas", members_set_their_commas},
        {"hash_is_fnv1a", hash_is_fnv1a},
        {"distances", distances},
        {"nearest_names", nearest_names},
        {"texts_compare_by_bytes", texts_compare_by_bytes},
        {"spaces_and_tabs_are_trimmed_at_the_ends", spaces_and_tabs_are_trimmed_at_the_ends},
        {"what_is_no_escape_stands_for_itself", what_is_no_escape_stands_for_itself},
        {NULL, NULL}};
    return unit_main(argc, argv, "text", tests);
}
