#include "loop/loop.h"

#include "child.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct child server;
    struct loop *loop;
    struct world world;
};

struct test_call {
    struct http_call http;
    char url[256];
    int done;
};

static struct fixture begin_with(const struct loop_config *config)
{
    struct fixture f = {
        .server = child_start((const char *[]){"python3", FAKES "/http_server.py", NULL})};
    CHECK_INT(loop_new(config, &f.loop, NULL), 0);
    loop_world(f.loop, &f.world);
    return f;
}

static struct fixture begin(void)
{
    struct loop_config config = {0};
    return begin_with(&config);
}

static void end(struct fixture *f)
{
    CHECK_INT(loop_free(f->loop), 0);
    child_stop(&f->server);
}

static void on_done(struct http_call *http)
{
    ((struct test_call *)http)->done++;
}

static void call_init(struct fixture *f, struct test_call *call, const char *method,
                      const char *path)
{
    *call = (struct test_call){
        .http = {
            .method = method, .connect_timeout_ms = 1000, .timeout_ms = 3000, .done = on_done}};
    snprintf(call->url, sizeof call->url, "http://127.0.0.1:%d%s", f->server.port, path);
    call->http.url = call->url;
    if (strcmp(method, "GET") != 0)
        call->http.body = STR("{\"some\":\"body\"}");
    buf_init(&call->http.answer, 0);
    buf_init(&call->http.answer_headers, 0);
}

static void call_done(struct test_call *call)
{
    buf_done(&call->http.answer);
    buf_done(&call->http.answer_headers);
}

static int start(struct fixture *f, struct test_call *call)
{
    return f->world.transport.start(f->world.transport.ctx, &call->http);
}

static void run(struct fixture *f, struct test_call *call)
{
    int before = call->done;
    CHECK_INT(start(f, call), 0);
    CHECK_INT(call->done, before); /* never from inside start */
    loop_run(f->loop);
    CHECK_INT(call->done, before + 1);
}

/* How often the server saw a request. */
static long count(struct fixture *f, const char *name)
{
    struct test_call call;
    char path[64];
    snprintf(path, sizeof path, "/count/%s", name);
    call_init(f, &call, "GET", path);
    call.http.fresh_connection = true; /* the last one may be about to be closed */
    run(f, &call);
    CHECK_INT(call.http.result, HTTP_DONE);
    long n = call.http.answer.len ? strtol(call.http.answer.ptr, NULL, 10) : -1;
    call_done(&call);
    return n;
}

static bool answer_is(struct test_call *call, const char *text)
{
    return call->http.result == HTTP_DONE && str_is(buf_str(&call->http.answer), text);
}

/* ---- what should work ---- */

static void an_answer_has_status_headers_body_and_padding(void)
{
    struct fixture f = begin();
    struct test_call call;
    call_init(&f, &call, "POST", "/ok");
    run(&f, &call);
    CHECK(answer_is(&call, "hello"));
    CHECK_INT(call.http.status, 200);
    CHECK(str_is(http_answer_header(&call.http, "x-test"), "some value"));
    CHECK_INT(http_answer_header(&call.http, "X-Tes").len, 0);
    for (int i = 0; i < 64; i++)
        CHECK_INT(call.http.answer.ptr[5 + i], 0);
    CHECK_INT(call.http.answer.cap, 5 + 64);
    call_done(&call);
    end(&f);
}

static void the_request_carries_what_was_asked_for_and_nothing_else(void)
{
    struct fixture f = begin();
    struct test_call call;
    char expected[512];
    struct http_header headers[] = {{STR("X-A"), STR("b")}, {STR("X-Empty"), STR("")}};
    call_init(&f, &call, "POST", "/echo?q=%20");
    call.http.headers = headers;
    call.http.header_count = 2;
    snprintf(expected, sizeof expected,
             "POST /echo?q=%%20 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-A: b\r\nX-Empty:\r\n"
             "Content-Length: 15\r\n\r\n{\"some\":\"body\"}",
             f.server.port);
    run(&f, &call);
    CHECK_FATAL(call.http.answer.ptr != NULL);
    CHECK_STR(call.http.answer.ptr, expected);
    call_done(&call);

    call_init(&f, &call, "PUT", "/echo");
    call.http.body = STR("");
    run(&f, &call);
    CHECK_FATAL(call.http.answer.ptr != NULL);
    CHECK(strncmp(call.http.answer.ptr, "PUT /echo HTTP/1.1\r\n", 20) == 0);
    CHECK(strstr(call.http.answer.ptr, "Content-Length: 0\r\n") != NULL);
    call_done(&call);
    end(&f);
}

static void F67_S12_no_proxy_is_taken_from_the_environment(void)
{
    struct fixture f = begin();
    struct test_call call;
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    call_init(&f, &call, "GET", "/ok");
    run(&f, &call);
    CHECK(answer_is(&call, "hello"));
    call_done(&call);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    end(&f);
}

static void connections_are_kept_and_reused(void)
{
    struct fixture f = begin();
    struct test_call call;
    char first[64] = "";
    for (int i = 0; i < 3; i++) {
        call_init(&f, &call, "POST", "/connection");
        run(&f, &call);
        CHECK_INT(call.http.result, HTTP_DONE);
        unsigned served = 99;
        char port[16] = "";
        sscanf(call.http.answer.ptr, "%15s %u", port, &served);
        if (i == 0)
            snprintf(first, sizeof first, "%s", port);
        CHECK_STR(port, first);
        CHECK_INT(served, i);
        call_done(&call);
    }
    end(&f);
}

static void F24_forgotten_connections_are_not_used_again(void)
{
    struct fixture f = begin();
    struct test_call call;
    for (int i = 0; i < 2; i++) {
        call_init(&f, &call, "POST", "/connection");
        run(&f, &call);
        CHECK_INT(call.http.result, HTTP_DONE);
        CHECK(strstr(call.http.answer.ptr, " 0") != NULL);
        call_done(&call);
        f.world.transport.forget_connections(f.world.transport.ctx);
    }
    end(&f);
}

static void many_calls_run_side_by_side(void)
{
    enum { N = 100 };
    struct fixture f = begin();
    static struct test_call calls[N];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            call_init(&f, &calls[i], "POST", "/wait/20");
            CHECK_INT(start(&f, &calls[i]), 0);
        }
        loop_run(f.loop);
        for (int i = 0; i < N; i++) {
            CHECK_INT(calls[i].done, 1);
            CHECK(answer_is(&calls[i], "hello"));
            call_done(&calls[i]);
        }
    }
    end(&f);
}

static void F28_S15_a_declared_length_gets_exactly_its_memory(void)
{
    struct fixture f = begin();
    struct test_call call;
    call_init(&f, &call, "GET", "/sized/5000000");
    call.http.max_answer_bytes = 6 << 20;
    run(&f, &call);
    CHECK_INT(call.http.result, HTTP_DONE);
    CHECK_INT(call.http.answer.len, 5000000);
    CHECK_INT(call.http.answer.cap, 5000064);
    call_done(&call);
    end(&f);
}

/* ---- what must fail in the right way ---- */

static const struct failure {
    const char *name, *method, *path;
    enum http_result result;
    int status;
    const char *count_name;
    int count;
} failures[] = {
    {"plain status", "POST", "/status/500", HTTP_DONE, 500, "status", 1},
    {"no content", "POST", "/empty", HTTP_DONE, 204, NULL, 0},
    {"answer after 100", "POST", "/continue", HTTP_DONE, 200, NULL, 0},
    {"chunked", "POST", "/chunked/3", HTTP_DONE, 200, NULL, 0},
    {"F48 closed after the request", "POST", "/close", HTTP_AMBIGUOUS, 0, "close", 1},
    {"F49 cut in the body", "POST", "/cut_body", HTTP_AMBIGUOUS, 200, "cut_body", 1},
    {"F49 cut in the status line", "POST", "/cut_status", HTTP_AMBIGUOUS, 0, NULL, 0},
    {"F49 cut in a header", "POST", "/cut_header", HTTP_AMBIGUOUS, 200, NULL, 0},
    {"F49 status line only", "POST", "/status_only", HTTP_AMBIGUOUS, 200, NULL, 0},
    {"F49 no length, closed", "POST", "/no_length", HTTP_AMBIGUOUS, 200, NULL, 0},
    {"F49 two lengths", "POST", "/two_lengths", HTTP_AMBIGUOUS, 200, NULL, 0},
    {"F49 chunk cut", "POST", "/cut_chunk", HTTP_AMBIGUOUS, 200, NULL, 0},
    {"F49 last chunk missing", "POST", "/no_last_chunk", HTTP_AMBIGUOUS, 200, NULL, 0},
    {"F51 hang", "POST", "/hang", HTTP_TIMEOUT, 0, "hang", 1},
    {"F51 one byte at a time", "POST", "/drip", HTTP_TIMEOUT, 200, NULL, 0},
    {"F52 huge chunked", "POST", "/chunked/50000", HTTP_TOO_LARGE, 200, NULL, 0},
    {"F52 huge length", "POST", "/huge_length", HTTP_TOO_LARGE, 200, NULL, 0},
    {"F52 one huge header", "POST", "/big_header", HTTP_AMBIGUOUS, 200, NULL, 0},
    {"F52 many headers", "POST", "/many_headers", HTTP_TOO_LARGE, 200, NULL, 0},
    {"F57 redirect", "POST", "/redirect", HTTP_DONE, 307, "ok", 0},
};

/* As it is told apart; but one that only lacks its length is whole where `until_closed` says so. */
static void broken_answers(bool until_closed)
{
    struct fixture f = begin();
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        const struct failure *row = &failures[i];
        bool whole = until_closed && strcmp(row->path, "/no_length") == 0;
        enum http_result result = whole ? HTTP_DONE : row->result;
        struct test_call call;
        call_init(&f, &call, row->method, row->path);
        call.http.timeout_ms = 700;
        call.http.until_closed = until_closed;
        run(&f, &call);
        if (call.http.result != result || call.http.status != row->status)
            printf("\n    %s: result %d, status %d, %s", row->name, (int)call.http.result,
                   call.http.status, call.http.reason);
        CHECK_INT(call.http.result, result);
        CHECK_INT(call.http.status, row->status);
        CHECK(result == HTTP_DONE || call.http.reason[0]);
        CHECK(!whole || answer_is(&call, "{\"part\":1}"));
        call_done(&call);
        if (row->count_name)
            CHECK_INT(count(&f, row->count_name), row->count);
    }
    end(&f);
}

static void F49_F51_F52_F57_S15_every_broken_answer_is_told_apart(void)
{
    broken_answers(false);
    broken_answers(true);
}

static void a_header_of_an_interim_answer_is_not_the_answers(void)
{
    struct fixture f = begin();
    struct test_call call;
    call_init(&f, &call, "POST", "/continue");
    run(&f, &call);
    CHECK(answer_is(&call, "late"));
    CHECK_INT(http_answer_header(&call.http, "X-Early").len, 0);
    CHECK(str_is(http_answer_header(&call.http, "X-Late"), "1"));
    call_done(&call);
    end(&f);
}

static void F48_a_reused_connection_that_dies_sends_nothing_twice(void)
{
    static const char *const names[] = {"reset_reused", "close_reused"};
    for (int i = 0; i < 2; i++) {
        struct fixture f = begin();
        struct test_call call;
        char path[32];
        snprintf(path, sizeof path, "/%s", names[i]);
        call_init(&f, &call, "POST", path);
        run(&f, &call);
        CHECK(answer_is(&call, "hello"));
        run(&f, &call);
        CHECK_INT(call.http.result, HTTP_AMBIGUOUS);
        call_done(&call);
        CHECK_INT(count(&f, names[i]), 2);
        end(&f);
    }
}

static void nothing(struct timer *timer)
{
    (void)timer;
}
static void wait_ms(struct fixture *f, int64_t ms)
{
    struct timer timer = {.fire = nothing};
    f->world.clock.arm(f->world.clock.ctx, &timer, ms);
    loop_run(f->loop);
}

static void F48_a_connection_closed_while_idle_is_no_failure(void)
{
    struct fixture f = begin();
    struct test_call call;
    call_init(&f, &call, "POST", "/idle_close");
    run(&f, &call);
    CHECK(answer_is(&call, "hello"));
    wait_ms(&f, 50);
    run(&f, &call);
    CHECK(answer_is(&call, "hello"));
    call_done(&call);
    CHECK_INT(count(&f, "idle_close"), 2);
    end(&f);
}

/* Lambda: 25 s; what a router on the way has forgotten is not tried. */
static void F24_connections_that_idled_too_long_are_not_used_again(void)
{
    struct loop_config config = {.max_idle_ms = 1000};
    struct fixture f = begin_with(&config);
    struct test_call call;
    const char *served[] = {" 0", " 1", " 0"};
    for (int i = 0; i < 3; i++) {
        call_init(&f, &call, "POST", "/connection");
        if (i == 2)
            wait_ms(&f, 2200); /* libcurl counts whole seconds */
        run(&f, &call);
        CHECK_INT(call.http.result, HTTP_DONE);
        CHECK(strstr(call.http.answer.ptr, served[i]) != NULL);
        call_done(&call);
    }
    end(&f);
}

static void F50_an_unsolicited_answer_is_never_taken(void)
{
    struct fixture f = begin();
    struct test_call call;
    call_init(&f, &call, "POST", "/unsolicited");
    run(&f, &call);
    CHECK(answer_is(&call, "hello"));
    call_done(&call);
    for (int i = 0; i < 2; i++) {
        wait_ms(&f, 120);
        call_init(&f, &call, "POST", "/echo");
        run(&f, &call);
        CHECK_INT(call.http.result, HTTP_DONE);
        CHECK(call.http.answer.len > 4);
        CHECK_STR(call.http.reason, "");
        call_done(&call);
    }
    CHECK_INT(count(&f, "echo"), 2);
    end(&f);
}

static void F53_nothing_listens_or_no_such_name(void)
{
    static const char *const urls[] = {"http://127.0.0.1:9/", "http://no-such-name.invalid/",
                                       "https://127.0.0.1:9/"};
    struct fixture f = begin();
    for (int i = 0; i < 3; i++) {
        struct test_call call;
        call_init(&f, &call, "POST", "/");
        call.http.url = urls[i];
        run(&f, &call);
        CHECK_INT(call.http.result, HTTP_UNREACHABLE);
        CHECK(call.http.reason[0]);
        call_done(&call);
    }
    end(&f);
}

static void F84_S12_requests_that_can_not_be_made_are_refused(void)
{
    const struct {
        const char *url;
        weir_str name, value;
    } rows[] = {
        {"file:///etc/passwd", STR("X-A"), STR("b")},
        {"gopher://127.0.0.1/", STR("X-A"), STR("b")},
        {"127.0.0.1", STR("X-A"), STR("b")},
        {"http://127.0.0.1/a b", STR("X-A"), STR("b")},
        {"http://127.0.0.1/a\r\nX-B: c", STR("X-A"), STR("b")},
        {"http://127.0.0.1/\xc3\xa4", STR("X-A"), STR("b")},
        {"http://127.0.0.1/", STR("X-A"), STR("b\r\nX-Evil: 1")},
        {"http://127.0.0.1/", STR("X-A"), STR("b\nc")},
        {"http://127.0.0.1/", STR("X-A"), {"b\0c", 3}},
        {"http://127.0.0.1/", STR("X-A: c\r\nX"), STR("b")},
        {"http://127.0.0.1/", STR(""), STR("b")},
    };
    struct fixture f = begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct test_call call;
        struct http_header header = {rows[i].name, rows[i].value};
        call_init(&f, &call, "POST", "/");
        call.http.url = rows[i].url;
        call.http.headers = &header;
        call.http.header_count = 1;
        run(&f, &call);
        CHECK_INT(call.http.result, HTTP_INVALID);
        CHECK(call.http.reason[0]);
        call_done(&call);
    }
    end(&f);
}

static void a_missing_ca_bundle_is_named_and_only_https_needs_it(void)
{
    struct fixture f = begin();
    struct test_call call;
    setenv("AWS_CA_BUNDLE", "/no/such/bundle.pem", 1);
    call_init(&f, &call, "POST", "/");
    call.http.url = "https://127.0.0.1:9/";
    run(&f, &call);
    CHECK_INT(call.http.result, HTTP_INVALID);
    CHECK(strstr(call.http.reason, "/no/such/bundle.pem (AWS_CA_BUNDLE)") != NULL);
    call_done(&call);
    call_init(&f, &call, "POST", "/ok");
    run(&f, &call);
    CHECK(answer_is(&call, "hello"));
    call_done(&call);
    unsetenv("AWS_CA_BUNDLE");
    end(&f);
}

/* ---- ending ---- */

struct aborter {
    struct timer timer;
    struct fixture *f;
    struct test_call *call;
};
static void abort_it(struct timer *timer)
{
    struct aborter *aborter = (struct aborter *)timer;
    int before = aborter->call->done;
    aborter->f->world.transport.abort(aborter->f->world.transport.ctx, &aborter->call->http);
    CHECK_INT(aborter->call->done, before); /* never from inside abort */
}

static void an_aborted_call_ends_once_and_later(void)
{
    static const char *const paths[] = {"/hang", "/drip"};
    for (int i = 0; i < 2; i++) {
        struct fixture f = begin();
        struct test_call call;
        struct aborter aborter = {{.fire = abort_it}, &f, &call};
        call_init(&f, &call, "POST", paths[i]);
        f.world.clock.arm(f.world.clock.ctx, &aborter.timer, 50);
        run(&f, &call);
        CHECK_INT(call.http.result, HTTP_ABORTED);
        call_done(&call);
        end(&f);
    }
}

static void a_refused_call_can_be_aborted_before_it_is_reported(void)
{
    struct fixture f = begin();
    struct test_call call;
    call_init(&f, &call, "POST", "/");
    call.http.url = "file:///etc/passwd";
    CHECK_INT(start(&f, &call), 0);
    f.world.transport.abort(f.world.transport.ctx, &call.http);
    loop_run(f.loop);
    CHECK_INT(call.done, 1);
    CHECK_INT(call.http.result, HTTP_ABORTED);
    call_done(&call);
    end(&f);
}

static void freeing_the_loop_ends_open_calls(void)
{
    struct fixture f = begin();
    struct test_call calls[3];
    static const char *const paths[] = {"/hang", "/wait/1000", "/hang"};
    for (int i = 0; i < 3; i++) {
        call_init(&f, &calls[i], "POST", paths[i]);
        CHECK_INT(start(&f, &calls[i]), 0);
    }
    f.world.transport.abort(f.world.transport.ctx, &calls[2].http);
    end(&f);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(calls[i].done, 1);
        CHECK_INT(calls[i].http.result, HTTP_ABORTED);
        call_done(&calls[i]);
    }
}

static struct fixture *chain_in;
static int chain_left;
static void chain(struct http_call *http)
{
    on_done(http);
    if (chain_left-- > 0)
        CHECK_INT(start(chain_in, (struct test_call *)http), 0);
}

static void a_call_can_start_the_next_from_its_done(void)
{
    struct fixture f = begin();
    struct test_call call;
    chain_in = &f;
    chain_left = 20;
    call_init(&f, &call, "POST", "/ok");
    call.http.done = chain;
    CHECK_INT(start(&f, &call), 0);
    loop_run(f.loop);
    CHECK_INT(call.done, 21);
    CHECK(answer_is(&call, "hello"));
    call_done(&call);
    end(&f);
}

static void headers_are_found_in_any_case_and_without_blanks(void)
{
    static char raw[] = "A: 1\r\nLong-Name:\t two words \t\r\nEmpty:\r\nNo-End: x";
    struct http_call call = {.answer_headers = {.ptr = raw, .len = sizeof raw - 1}};
    CHECK(str_is(http_answer_header(&call, "a"), "1"));
    CHECK(str_is(http_answer_header(&call, "LONG-NAME"), "two words"));
    CHECK_INT(http_answer_header(&call, "Long").len, 0);
    CHECK_INT(http_answer_header(&call, "Empty").len, 0);
    CHECK(str_is(http_answer_header(&call, "no-end"), "x"));
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(an_answer_has_status_headers_body_and_padding),
    TEST(the_request_carries_what_was_asked_for_and_nothing_else),
    TEST(F67_S12_no_proxy_is_taken_from_the_environment),
    TEST(connections_are_kept_and_reused),
    TEST(F24_forgotten_connections_are_not_used_again),
    TEST(many_calls_run_side_by_side),
    TEST(F28_S15_a_declared_length_gets_exactly_its_memory),
    TEST(F49_F51_F52_F57_S15_every_broken_answer_is_told_apart),
    TEST(a_header_of_an_interim_answer_is_not_the_answers),
    TEST(F48_a_reused_connection_that_dies_sends_nothing_twice),
    TEST(F48_a_connection_closed_while_idle_is_no_failure),
    TEST(F24_connections_that_idled_too_long_are_not_used_again),
    TEST(F50_an_unsolicited_answer_is_never_taken),
    TEST(F53_nothing_listens_or_no_such_name),
    TEST(F84_S12_requests_that_can_not_be_made_are_refused),
    TEST(a_missing_ca_bundle_is_named_and_only_https_needs_it),
    TEST(an_aborted_call_ends_once_and_later),
    TEST(a_refused_call_can_be_aborted_before_it_is_reported),
    TEST(freeing_the_loop_ends_open_calls),
    TEST(a_call_can_start_the_next_from_its_done),
    TEST(headers_are_found_in_any_case_and_without_blanks),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "http", tests);
}
