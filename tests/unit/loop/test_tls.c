#include "loop/loop.h"

#include "certificate.h"
#include "child.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct paths {
    char folder[32], certificate[64], key[64], other[64], other_key[64];
};

static struct paths make_paths(void)
{
    struct paths paths = {.folder = "/tmp/weir-tls-XXXXXX"};
    CHECK_FATAL(mkdtemp(paths.folder) != NULL);
    snprintf(paths.certificate, sizeof paths.certificate, "%s/cert.pem", paths.folder);
    snprintf(paths.key, sizeof paths.key, "%s/key.pem", paths.folder);
    snprintf(paths.other, sizeof paths.other, "%s/other.pem", paths.folder);
    snprintf(paths.other_key, sizeof paths.other_key, "%s/otherkey.pem", paths.folder);
    return paths;
}

static void remove_paths(const struct paths *paths)
{
    unlink(paths->certificate);
    unlink(paths->key);
    unlink(paths->other);
    unlink(paths->other_key);
    rmdir(paths->folder);
}

static int calls_done;
static void on_done(struct http_call *call)
{
    (void)call;
    calls_done++;
}

/* One call to path `what` of a server; the result of the last of `times` calls. */
static enum http_result ask(struct loop *loop, int port, const char *what, int times,
                            struct http_call *call)
{
    struct world world = {0};
    char url[128];
    loop_world(loop, &world);
    snprintf(url, sizeof url, "https://127.0.0.1:%d/%s", port, what);
    for (int i = 0; i < times; i++) {
        call->method = "POST";
        call->url = url;
        call->body = STR("{}");
        call->timeout_ms = 3000;
        call->done = on_done;
        calls_done = 0;
        CHECK_INT(world.transport.start(world.transport.ctx, call), 0);
        loop_run(loop);
        CHECK_INT(calls_done, 1);
    }
    return call->result;
}

static const struct {
    const char *what, *name;
    long valid_s;
    bool trusted;
    const char *newest;
    enum http_result result;
} rows[] = {
    {"trusted", "IP:127.0.0.1", 3600, true, "TLSv1_3", HTTP_DONE},
    {"trusted, TLS 1.2", "IP:127.0.0.1", 3600, true, "TLSv1_2", HTTP_DONE},
    {"self-signed by nobody we know", "IP:127.0.0.1", 3600, false, "TLSv1_3", HTTP_UNREACHABLE},
    {"expired", "IP:127.0.0.1", -60, true, "TLSv1_3", HTTP_UNREACHABLE},
    {"of another host", "DNS:example.com", 3600, true, "TLSv1_3", HTTP_UNREACHABLE},
    {"TLS 1.1 at most", "IP:127.0.0.1", 3600, true, "TLSv1_1", HTTP_UNREACHABLE},
    {"TLS 1.0 at most", "IP:127.0.0.1", 3600, true, "TLSv1", HTTP_UNREACHABLE},
};

static void F54_S11_only_a_verified_server_is_talked_to(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct paths paths = make_paths();
        struct http_call call = {0};
        struct loop *loop = NULL;
        certificate_write(paths.certificate, paths.key, rows[i].name, rows[i].valid_s);
        certificate_write(paths.other, paths.other_key, rows[i].name, 3600);
        struct child server =
            child_start((const char *[]){"python3", FAKES "/http_server.py", paths.certificate,
                                         paths.key, rows[i].newest, NULL});
        struct loop_config config = {.ca_bundle =
                                         rows[i].trusted ? paths.certificate : paths.other};
        CHECK_INT(loop_new(&config, &loop, NULL), 0);
        enum http_result result = ask(loop, server.port, "ok", 2, &call);
        if (result != rows[i].result)
            printf("\n    %s: %d, %s", rows[i].what, (int)result, call.reason);
        CHECK_INT(result, rows[i].result);
        CHECK(result == HTTP_DONE || call.reason[0]);
        buf_done(&call.answer);
        buf_done(&call.answer_headers);
        CHECK_INT(loop_free(loop), 0);
        child_stop(&server);
        remove_paths(&paths);
    }
}

static void connections_are_reused_and_resets_told_over_TLS_too(void)
{
    struct paths paths = make_paths();
    struct http_call call = {0};
    struct loop *loop = NULL;
    certificate_write(paths.certificate, paths.key, "IP:127.0.0.1", 3600);
    struct child server = child_start((const char *[]){
        "python3", FAKES "/http_server.py", paths.certificate, paths.key, "TLSv1_3", NULL});
    struct loop_config config = {.ca_bundle = paths.certificate};
    CHECK_INT(loop_new(&config, &loop, NULL), 0);
    CHECK_INT(ask(loop, server.port, "connection", 4, &call), HTTP_DONE);
    CHECK(call.answer.len > 2 && call.answer.ptr[call.answer.len - 1] == '3');
    CHECK_INT(ask(loop, server.port, "close_reused", 1, &call), HTTP_AMBIGUOUS);
    buf_done(&call.answer);
    buf_done(&call.answer_headers);
    CHECK_INT(loop_free(loop), 0);
    child_stop(&server);
    remove_paths(&paths);
}

static void a_bundle_that_holds_nothing_is_a_setting_to_repair(void)
{
    struct paths paths = make_paths();
    struct http_call call = {0};
    struct loop *loop = NULL;
    fclose(fopen(paths.certificate, "w"));
    struct loop_config config = {.ca_bundle = paths.certificate};
    CHECK_INT(loop_new(&config, &loop, NULL), 0);
    struct child server = child_start((const char *[]){"python3", FAKES "/http_server.py", NULL});
    CHECK_INT(ask(loop, server.port, "ok", 1, &call), HTTP_INVALID);
    child_stop(&server);
    CHECK_INT(loop_free(loop), 0);
    remove_paths(&paths);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }
static const struct unit_test tests[] = {
    TEST(F54_S11_only_a_verified_server_is_talked_to),
    TEST(connections_are_reused_and_resets_told_over_TLS_too),
    TEST(a_bundle_that_holds_nothing_is_a_setting_to_repair),
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return unit_main(argc, argv, "tls", tests);
}
