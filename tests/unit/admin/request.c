/* Requests to the admin server: what is taken, what is refused and with what. */
#include "admin/request.h"
#include "unit.h"

#include <stdio.h>

static const char *status_of(const char *text)
{
    static char out[200];
    struct admin_request request;
    int rc = admin_request_parse(text, strlen(text), &request);
    if (rc <= 0)
        snprintf(out, sizeof out, "%d", rc);
    else
        snprintf(out, sizeof out, "%.*s|%.*s|%.*s|%zu|%d", STR_ARG(request.path),
                 STR_ARG(request.query), STR_ARG(request.host), request.body_bytes,
                 (int)strlen(text) - rc);
    return out;
}

#define HOST "Host: h\r\n"

static void requests_are_read_strictly(void)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", "/||h|0|0"},
        {"GET /a?b=c HTTP/1.0\r\nhOST:\t h \t\r\n\r\nmore", "/a|b=c|h|0|4"},
        {"POST /a? HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\n", "/a||h|12|0"},
        {"GET / HTTP/1.1\r\n" HOST, "0"},
        {"GET / HTTP/1.1\r\n" HOST "\r", "0"},
        {"", "0"},
        {"GET / HTTP/1.1\n" HOST "\n", "-400"},
        {"GET / HTTP/1.1\r\n" HOST "A\r\n\r\n", "-400"},
        {"GET / HTTP/1.1\r\n" HOST " A: b\r\n\r\n", "-400"},
        {"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", "-400"},
        {"GET / HTTP/1.1\r\n" HOST "A: \x7f\r\n\r\n", "-400"},
        {"GET / HTTP/1.1\r\n" HOST "A: b\nc\r\n\r\n", "-400"},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", "-400"},
        {"GET  / HTTP/1.1\r\n" HOST "\r\n", "-400"},
        {"GET / HTTP/1.1 \r\n" HOST "\r\n", "-400"},
        {"GET a HTTP/1.1\r\n" HOST "\r\n", "-400"},
        {"GET /#a HTTP/1.1\r\n" HOST "\r\n", "-400"},
        {"GET /\x80 HTTP/1.1\r\n" HOST "\r\n", "-400"},
        {"GET /\r\n\r\n", "-400"},
        {"\r\n", "-400"},
        {"G@T / HTTP/1.1\r\n\r\n", "-400"},
        {"DELETE / HTTP/1.1\r\n\r\n", "-405"},
        {"get / HTTP/1.1\r\n\r\n", "-405"},
        {"GET / HTTP/1.2\r\n\r\n", "-505"},
        {"GET / http/1.1\r\n\r\n", "-400"},
        {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "-400"},
        {"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", "-400"},
        {"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", "-400"},
        {"POST / HTTP/1.1\r\nContent-Length: 8193\r\n\r\n", "-413"},
        {"POST / HTTP/1.1\r\nContent-Length: 8190\r\n\r\n", "-413"},
        {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", "-413"},
        {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "-501"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_STR(status_of(rows[i].text), rows[i].wanted);
}

static void a_head_has_a_bound(void)
{
    static char text[ADMIN_REQUEST_BYTES + 1];
    struct admin_request request;
    size_t len = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nA: ");
    memset(text + len, 'a', ADMIN_REQUEST_BYTES - len);
    CHECK_INT(admin_request_parse(text, ADMIN_REQUEST_BYTES - 1, &request), 0);
    CHECK_INT(admin_request_parse(text, ADMIN_REQUEST_BYTES, &request), -431);
    memcpy(text + ADMIN_REQUEST_BYTES - 4, "\r\n\r\n", 4);
    CHECK_INT(admin_request_parse(text, ADMIN_REQUEST_BYTES, &request), ADMIN_REQUEST_BYTES);
    len = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n");
    for (int i = 0; i <= ADMIN_HEADERS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "A: b\r\n");
    snprintf(text + len, sizeof text - len, "\r\n");
    CHECK_INT(admin_request_parse(text, strlen(text), &request), -431);
}

static void S31_whose_name_is_ours(void)
{
    static const struct {
        const char *host;
        bool loopback, anywhere;
    } rows[] = {
        {"127.0.0.1", true, true},
        {"127.0.0.1:9630", true, true},
        {"127.9.9.9", true, true},
        {"localhost", true, true},
        {"LOCALHOST:1", true, true},
        {"[::1]:9630", true, true},
        {"[::1]", true, true},
        {"10.0.0.1:9630", false, true},
        {"[fe80::1]:1", false, true},
        {"example.com", false, false},
        {"localhost.example.com", false, false},
        {"127.0.0.1.example.com", false, false},
        {"", false, false},
        {":9630", false, false},
        {"[::1", false, false},
        {"0x7f.1", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct admin_request request = {.host = str_of(rows[i].host)};
        CHECK_INT(admin_host_ok(&request, true), rows[i].loopback);
        CHECK_INT(admin_host_ok(&request, false), rows[i].anywhere);
    }
}

static void S31_which_page_may_ask(void)
{
    static const struct {
        const char *origin, *site;
        bool ok;
    } rows[] = {
        {"", "", true},
        {"http://h:1", "", true},
        {"http://h:1", "same-origin", true},
        {"", "none", true},
        {"https://h:1", "", false},
        {"http://h", "", false},
        {"http://h:12", "", false},
        {"null", "", false},
        {"", "cross-site", false},
        {"", "same-site", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct admin_request request = {
            .host = STR("h:1"), .origin = str_of(rows[i].origin), .site = str_of(rows[i].site)};
        CHECK_INT(admin_origin_ok(&request), rows[i].ok);
    }
}

static void a_query_has_values(void)
{
    static const struct {
        const char *query, *sink;
    } rows[] = {{"", ""},
                {"sink=a", "a"},
                {"event=x&sink=a", "a"},
                {"sink=a&sink=b", "a"},
                {"sinks=a", ""},
                {"&&sink=a&", "a"},
                {"sink", ""},
                {"sink=", ""},
                {"xsink=a", ""},
                {"sink=a=b", "a=b"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct admin_request request = {.query = str_of(rows[i].query)};
        CHECK(str_is(admin_query(&request, "sink"), rows[i].sink));
    }
}

static const struct unit_test tests[] = {
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
    TEST(requests_are_read_strictly), TEST(a_head_has_a_bound), TEST(S31_whose_name_is_ours),
    TEST(S31_which_page_may_ask),     TEST(a_query_has_values), {0},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "admin_request", tests);
}
