/* weir.http/1, on a scripted transport. The queue below it is tested with weir.aws/1. */
#include "fake_world.h"
#include "plugin/calls.h"
#include "plugin/ext.h"
#include "plugin/instance.h"
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct fixture {
    struct fake_world fake;
    weir_instance instance;
};

static void begin(struct fixture *f, const struct scripted *script)
{
    memset(f, 0, sizeof *f);
    fake_init(&f->fake, script, 1);
    f->instance.services.world = &f->fake.world;
    f->instance.http = ext_http_new(&f->fake.world);
    CHECK_FATAL(f->instance.http != NULL);
}

static void end(struct fixture *f)
{
    plugin_calls_close(f->instance.http);
    fake_run(&f->fake, 1000);
    fake_done(&f->fake);
}

struct result {
    int done, outcome, status, sent;
    int64_t retry_after_ms;
    char reason[200], body[64];
};

static void on_done(void *arg, const weir_http_response *response)
{
    struct result *result = arg;
    result->done++;
    result->outcome = response->outcome;
    result->status = response->status;
    result->sent = response->sent;
    result->retry_after_ms = response->retry_after_ms;
    CHECK_INT(response->struct_size, sizeof *response);
    snprintf(result->reason, sizeof result->reason, "%.*s", STR_ARG(response->reason));
    snprintf(result->body, sizeof result->body, "%.*s", STR_ARG(response->body));
}

static int start(struct fixture *f, struct result *result, uint64_t token, uint64_t *id)
{
    /* Everything but the body is copied: these are gone when the request is sent. */
    char method[] = "POST", url[] = "https://hooks.example/in", name[] = "X-Key", value[] = "v 1";
    const weir_http_header header = {str_of(name), str_of(value)};
    weir_http_request request = {.struct_size = sizeof request,
                                 .method = method,
                                 .url = url,
                                 .headers = &header,
                                 .header_count = 1,
                                 .body = STR("{}"),
                                 .token = token};
    *result = (struct result){0};
    int rc = ext_http_table.call(&f->instance, &request, on_done, result, id);
    memset(url, 'x', sizeof url - 1);
    memset(value, 'x', sizeof value - 1);
    return rc;
}

static void every_answer_is_told_in_the_words_of_records_and_tried_once(void)
{
    static const struct {
        struct scripted script;
        int outcome, status, sent;
        int64_t retry_after_ms;
        const char *reason;
    } rows[] = {
        {{HTTP_DONE, 200, NULL, "hi", 0},
         WEIR_OK,
         200,
         1,
         -1,
         "the server answered with status 200"},
        {{HTTP_DONE, 204, NULL, "", 0}, WEIR_OK, 204, 1, -1, "the server answered with status 204"},
        {{HTTP_DONE, 302, NULL, "", 0},
         WEIR_DOWN,
         302,
         1,
         -1,
         "the server answered with status 302"},
        {{HTTP_DONE, 400, NULL, "", 0},
         WEIR_FAIL,
         400,
         1,
         -1,
         "the server answered with status 400"},
        {{HTTP_DONE, 401, NULL, "", 0},
         WEIR_DOWN,
         401,
         1,
         -1,
         "the server answered with status 401"},
        {{HTTP_DONE, 404, NULL, "", 0},
         WEIR_DOWN,
         404,
         1,
         -1,
         "the server answered with status 404"},
        {{HTTP_DONE, 408, NULL, "", 0},
         WEIR_RETRY,
         408,
         1,
         -1,
         "the server answered with status 408"},
        {{HTTP_DONE, 422, NULL, "", 0},
         WEIR_FAIL,
         422,
         1,
         -1,
         "the server answered with status 422"},
        {{HTTP_DONE, 429, "Retry-After: 7\r\n", "", 0},
         WEIR_DOWN,
         429,
         1,
         7000,
         "the server answered with status 429"},
        {{HTTP_DONE, 503, "retry-after: 999999999\r\n", "", 0},
         WEIR_DOWN,
         503,
         1,
         86400000,
         "the server answered with status 503"},
        {{HTTP_DONE, 503, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", "", 0},
         WEIR_DOWN,
         503,
         1,
         -1,
         "the server answered with status 503"},
        {{HTTP_AMBIGUOUS, 0, NULL, NULL, 0}, WEIR_RETRY, 0, 1, -1, NULL},
        {{HTTP_TIMEOUT, 0, NULL, NULL, 0}, WEIR_RETRY, 0, 1, -1, NULL},
        {{HTTP_TOO_LARGE, 0, NULL, NULL, 0}, WEIR_RETRY, 0, 1, -1, NULL},
        {{HTTP_UNREACHABLE, 0, NULL, NULL, 0}, WEIR_DOWN, 0, 0, -1, NULL},
        {{HTTP_INVALID, 0, NULL, NULL, 0}, WEIR_DOWN, 0, 0, -1, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture f;
        struct result result;
        begin(&f, &rows[i].script);
        CHECK_INT(start(&f, &result, 0, NULL), 0);
        CHECK_INT(result.done, 0); /* never from inside call() */
        fake_run(&f.fake, 100000);
        CHECK_INT(result.done, 1);
        CHECK_INT(result.outcome, rows[i].outcome);
        CHECK_INT(result.status, rows[i].status);
        CHECK_INT(result.sent, rows[i].sent);
        CHECK_INT(result.retry_after_ms, rows[i].retry_after_ms);
        if (rows[i].reason)
            CHECK_STR(result.reason, rows[i].reason);
        CHECK_INT(f.fake.started, 1);
        CHECK_STR(f.fake.last_url, "https://hooks.example/in");
        CHECK_STR(fake_header(&f.fake, "X-Key"), "v 1");
        end(&f);
    }
}

static void a_line_break_never_reaches_the_request(void)
{
    static const struct {
        const char *method, *url, *name, *value;
    } rows[] = {
        {"POST", "https://h/\r\nX: y", "A", "b"},
        {"PO ST", "https://h/", "A", "b"},
        {"POST", "https://h/", "A", "b\r\nX: y"},
        {"POST", "https://h/", "A: x", "b"},
        {"POST", "https://h/", "", "b"},
        {"POST", "https://h/\xc3\xa4", "A", "b"},
        {"", "https://h/", "A", "b"},
    };
    static const struct scripted fine = {HTTP_DONE, 200, NULL, "", 0};
    struct result result = {0};
    struct fixture f;
    begin(&f, &fine);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const weir_http_header header = {str_of(rows[i].name), str_of(rows[i].value)};
        const weir_http_request request = {.struct_size = sizeof request,
                                           .method = rows[i].method,
                                           .url = rows[i].url,
                                           .headers = &header,
                                           .header_count = 1};
        CHECK_INT(ext_http_table.call(&f.instance, &request, on_done, &result, NULL), -EINVAL);
    }
    CHECK_INT(ext_http_table.call(&f.instance, NULL, on_done, &result, NULL), -EINVAL);
    fake_run(&f.fake, 1000);
    CHECK_INT(f.fake.started, 0);
    CHECK_INT(result.done, 0);
    end(&f);
}

static void F64_aborting_and_revoking_end_the_right_ones(void)
{
    static const struct scripted never = {HTTP_DONE, 200, NULL, "", -1};
    static struct result results[20];
    struct fixture f;
    uint64_t ids[20];
    begin(&f, &never);
    for (int i = 0; i < 20; i++)
        CHECK_INT(start(&f, &results[i], i % 2 ? 7 : 8, &ids[i]), 0);
    CHECK_INT(f.fake.open_count, 16);
    instance_revoke(&f.instance, 7);
    ext_http_table.abort(&f.instance, ids[0]);
    fake_run(&f.fake, 1000);
    for (int i = 0; i < 20; i++)
        CHECK_INT(results[i].done, i % 2 || i == 0);
    CHECK_INT(results[1].outcome, WEIR_RETRY);
    CHECK_INT(results[19].sent, 0);
    end(&f); /* those left call nobody back */
    for (int i = 2; i < 20; i += 2)
        CHECK_INT(results[i].done, 0);
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"every_answer_is_told_in_the_words_of_records_and_tried_once",
         every_answer_is_told_in_the_words_of_records_and_tried_once},
        {"a_line_break_never_reaches_the_request", a_line_break_never_reaches_the_request},
        {"F64_aborting_and_revoking_end_the_right_ones",
         F64_aborting_and_revoking_end_the_right_ones},
        {NULL, NULL},
    };
    return unit_main(argc, argv, "http_extension", tests);
}
