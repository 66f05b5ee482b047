/* Tests of a plugin: no daemon, no network, no clock that runs. A test opens a sink of the built
 * plugin file in a world of its own, gives it records and looks at what it did. The host behind it is
 * weir's own: the same decoder, matching, option checks and completion rules as in production.
 *
 *     static void a_price_is_sent(void)
 *     {
 *         weir_test *test = weir_test_open(PLUGIN, "{\"attribute\":\"price\"}");
 *         weir_test_batch *batch = weir_test_change(test, "{\"id\":\"p1\"}", "{\"price\":10}", "{\"price\":12}");
 *         WEIR_TEST_INT(weir_test_outcome(batch, 0), WEIR_OK);
 *         WEIR_TEST_HAS(weir_test_log(test), "10 -> 12");
 *         weir_test_close(test);
 *     }
 *     static const weir_test_case cases[] = {{"a_price_is_sent", a_price_is_sent}, {NULL, NULL}};
 *     int main(int argc, char **argv) { return weir_test_main(argc, argv, cases); }
 *
 * Link with the CMake target weir::test, or `pkg-config --libs weir-test`. Nothing here is part of the
 * plugin ABI. All functions are called by one thread; the plugin may complete records from any. Texts
 * given are NUL-terminated UTF-8; texts returned live until weir_test_close(). Out of memory ends the
 * program. */
#ifndef WEIR_TEST_H
#define WEIR_TEST_H
#include <weir/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_test weir_test;             /* one configured sink, in a world of its own */
typedef struct weir_test_batch weir_test_batch; /* records given together; lives as long as the sink */

/* ---- the sink ---- */

typedef struct weir_test_setup {
    uint32_t struct_size;
    const char *plugin;     /* the built file, NAME.so */
    const char *options;    /* what stands under "config": a JSON object; NULL = {} */
    const char *without;    /* ids of extensions that this host has not got, separated by blanks; or NULL */
    const char *stream_arn; /* of records that carry none; NULL = a table named Products */
    const char *const *values; /* of weir.kv/1, as an earlier process left them: key, value, key, value ...
                                  and NULL; or NULL */
} weir_test_setup;

/* Loads the plugin, checks the options against its table and calls open(). Never NULL: where that
 * failed, weir_test_refused() says why and the sink takes no records. */
weir_test *weir_test_open(const char *plugin, const char *options);
weir_test *weir_test_open_with(const weir_test_setup *setup);
/* Every problem with the options, one a line, then why open() failed; NULL when the sink is open. */
const char *weir_test_refused(const weir_test *test);
/* flush(), as at the end of a daemon; then settles. */
void weir_test_flush(weir_test *test, int64_t deadline_ms);
/* close() and the end of everything that was returned. A failure of the test when a record is not
 * completed or a call is not answered by then. NULL is fine. */
void weir_test_close(weir_test *test);

const weir_plugin *weir_test_plugin(const weir_test *test); /* its descriptor; zeroed when not loaded */
const char *weir_test_log(const weir_test *test); /* lines "info: text\n", in order; "" when none */
void weir_test_log_clear(weir_test *test);
const char *weir_test_declared(const weir_test *test, int32_t what); /* WEIR_D_*; several: by ','; "" */
/* Completions that were for nothing: second ones, unknown or ended deliveries; and outcomes outside
 * WEIR_OK to WEIR_DOWN. Those of a cancelled delivery count as any other: the first one is taken. */
uint64_t weir_test_ignored(const weir_test *test);
/* A figure of weir.metrics/1 by the name it was made with, and its label's value or NULL; of a
 * histogram how many durations were observed. -1: there is no such series. */
int64_t weir_test_metric(const weir_test *test, const char *name, const char *value);

/* What the sink keeps by weir.kv/1; NULL = there is no such key. */
const char *weir_test_value(const weir_test *test, const char *key);
/* The next put() or drop() is taken, and told this -errno. */
void weir_test_refuse_value(weir_test *test, int32_t error);

/* ---- records ---- */

/* What outcome() says beside WEIR_*: 0 is "not completed yet". */
enum {
    WEIR_TEST_UNWANTED = -1, /* the subscription does not match it: it was not given */
    WEIR_TEST_POISON = -2,   /* it can't be decoded: it was not given */
    WEIR_TEST_WAITS = -3     /* an earlier one of its lane did not succeed: it was not given */
};

/* Gives the records of `json`, in any shape that weir reads: {"Records":[...]}, an array, one record a
 * line, an answer of GetRecords. As in production, one delivery holds at most one record of a lane
 * unless the plugin keeps order, and at most batch_records; the rest follow as records are completed.
 * Settles before it returns. */
weir_test_batch *weir_test_give(weir_test *test, const char *json);
weir_test_batch *weir_test_give_bytes(weir_test *test, const char *json, size_t bytes);
weir_test_batch *weir_test_give_file(weir_test *test, const char *path);
/* One change of one item. `keys`, `old_image`, `new_image` are JSON objects of plain values
 * ({"price":12.50}; numbers keep their digits) or typed ones ({"price":{"N":"12.50"}}); the images need
 * not repeat the keys. No old image is an INSERT, no new one a REMOVE. */
weir_test_batch *weir_test_change(weir_test *test, const char *keys, const char *old_image,
                                  const char *new_image);
/* The record of such a change as JSON, to be put together to a batch with others. */
const char *weir_test_record(weir_test *test, const char *keys, const char *old_image,
                             const char *new_image);
size_t weir_test_count(const weir_test_batch *batch);
int32_t weir_test_outcome(const weir_test_batch *batch, size_t i);
const char *weir_test_reason(const weir_test_batch *batch, size_t i); /* "" when none was given */
size_t weir_test_outcomes(const weir_test_batch *batch, int32_t outcome); /* how many have it */
/* Revokes what is open, as at the deadline: cancel(), then its AWS calls end as aborted. Settles. */
void weir_test_cancel(weir_test_batch *batch);
/* For plugins with threads of their own: settles until every record is completed, at most so long in
 * real time. 1, or 0. */
int weir_test_wait(weir_test_batch *batch, int64_t timeout_ms);

/* ---- time and threads ---- */

/* Time stands still but here: timers fire in order, deliveries of 30 s and more are revoked. Settles. */
void weir_test_advance(weir_test *test, int64_t ms);
int64_t weir_test_now_ms(const weir_test *test);
/* Does all that can happen without time or an answer: completions, work of weir.work/1 (each piece on
 * a thread of its own, one at a time), answers of calls. The other functions do it themselves. */
void weir_test_settle(weir_test *test);

/* ---- weir.aws/1 and weir.http/1 ---- */

enum { WEIR_TEST_CALL_OPEN, WEIR_TEST_CALL_ANSWERED, WEIR_TEST_CALL_ABORTED };
typedef struct weir_test_call {
    const char *service, *target, *json; /* as in weir_aws_request; "" for none */
    const char *endpoint, *region;
    const char *body; /* a copy, made when the call was made */
    size_t body_bytes;
    int32_t state; /* WEIR_TEST_CALL_* */
    const char *headers; /* lines "name: value\n". Of weir.http/1 the service is "http", the target the
                            method, the endpoint the URL */
    int32_t protocol;    /* and path: as in weir_aws_request */
    const char *path;
} weir_test_call;

size_t weir_test_calls(const weir_test *test);
const weir_test_call *weir_test_call_at(const weir_test *test, size_t i); /* in order made */

/* In place of an HTTP status. */
enum {
    WEIR_TEST_NO_CONNECTION = 0, /* the request was not sent */
    WEIR_TEST_LOST = -1          /* sent, but no answer came: it may have been carried out */
};
/* Answers the oldest call that has no answer, or the next one to come. With status 200 `body` is the
 * answer (XML of a query service); with another one an error document, {"__type":"ValidationException",
 * "message":"..."}. What
 * it means (weir_aws_response.outcome) is found as in production. Calls of weir.http/1 get the status
 * and the body as they are. Settles. */
void weir_test_answer(weir_test *test, int32_t status, const char *body);
/* The same, with headers: lines "Name: value". */
void weir_test_answer_with(weir_test *test, int32_t status, const char *headers, const char *body);
/* The next call() returns this -errno. */
void weir_test_refuse_call(weir_test *test, int32_t error);

/* ---- the program of a test ---- */

typedef struct weir_test_case {
    const char *name;
    void (*run)(void);
} weir_test_case;

/* Runs the cases (those named on the command line, or all), each at least three times, since the heap,
 * the open files and the threads that every round adds to are a leak: a failure, too. Prints "N
 * passed, N failed". 0 when all passed, else 1. `cases` ends with a NULL name. */
int weir_test_main(int argc, char **argv, const weir_test_case *cases);

/* What a failed check calls: the running case has failed, goes on, and says this. */
void weir_test_failed(const char *file, int32_t line, const char *what);
int weir_test_check_int(const char *file, int32_t line, const char *what, int64_t actual,
                        int64_t expected);
int weir_test_check_str(const char *file, int32_t line, const char *what, const char *actual,
                        const char *expected);
int weir_test_check_has(const char *file, int32_t line, const char *what, const char *text,
                        const char *part);
#define WEIR_TEST(condition)                                                                         \
    ((condition) ? (void)0 : weir_test_failed(__FILE__, __LINE__, #condition))
#define WEIR_TEST_INT(actual, expected)                                                              \
    ((void)weir_test_check_int(__FILE__, __LINE__, #actual, (int64_t)(actual), (int64_t)(expected)))
#define WEIR_TEST_STR(actual, expected)                                                              \
    ((void)weir_test_check_str(__FILE__, __LINE__, #actual, (actual), (expected)))
#define WEIR_TEST_HAS(text, part) /* `part` is somewhere in `text` */                                \
    ((void)weir_test_check_has(__FILE__, __LINE__, #text, (text), (part)))

#ifdef __cplusplus
}
#endif
#endif
