/* The host behind weir/test.h: one sink of one plugin in a virtual world. `weir plugin check` uses
 * it through the same public functions, and what is here besides. */
#ifndef WEIR_KIT_KIT_H
#define WEIR_KIT_KIT_H
#include <weir/ext/aws.h>
#include <weir/test.h>
#include "plugin/instance.h"
#include "record/match.h"

enum { KIT_TIMEOUT_MS = 30000, KIT_BATCH_RECORDS = 100, KIT_TEXT_BYTES_MAX = 1 << 30 };

/* ---- world.c: time that stands still, posts, work ---- */

struct kit_world {
    struct world world; /* what the sink is given */
    int64_t now_ms;
    struct timer **timers; /* armed ones */
    size_t timer_count, timer_room;
    pthread_mutex_t lock; /* of the posts */
    pthread_cond_t posted;
    struct post *first_post, *last_post;
    struct work *first_work, *last_work;
};

void kit_world_init(struct kit_world *world);
void kit_world_done(struct kit_world *world);
bool kit_world_posts(struct kit_world *world); /* runs what was posted; false: nothing was */
bool kit_world_work(struct kit_world *world);  /* the oldest work from start to end; false: none */
/* Goes on to the next timer that is due by `until_ms` and fires it; false: there is none. */
bool kit_world_timer(struct kit_world *world, int64_t until_ms);
/* Waits in real time for a post, at most so long. */
void kit_world_wait(struct kit_world *world, int64_t timeout_ms);

/* ---- the sink ---- */

struct guard; /* guard.h */

struct kit_item { /* one record of a batch */
    weir_test_batch *batch;
    const struct record *rec;
    int32_t outcome; /* WEIR_*, WEIR_TEST_* or 0 */
    bool given;
    uint64_t token; /* of its delivery */
    char *reason;
    struct kit_item *before; /* the one before it in its lane */
};

struct weir_test_batch {
    weir_test *test;
    weir_test_batch *next;
    struct batch *batch; /* NULL once every record is finished: what a plugin still reads shows */
    struct kit_item *items;
    size_t count, open; /* open: given, not completed */
    size_t first_waiting;
    weir_delivery *delivery; /* the open one */
    struct guard *guard;     /* of its records, or NULL */
    uint64_t token;
    struct timer deadline;
    bool cancelled;
};

struct kit_call { /* of weir.aws/1, or (http not NULL) of weir.http/1 */
    struct http_call *http;
    weir_test_call shown; /* its texts are owned by the test's arena but for the body */
    char *body;
    weir_str live_body; /* the plugin's; must be unchanged until done() */
    uint64_t id, token;
    bool aborted;
    weir_aws_done done;
    void *arg;
    struct kit_call *next;
};

struct kit_answer {
    int32_t status;
    char *headers, *body;
    struct kit_answer *next;
};

struct kit_keeper { /* of weir.kv/1 */
    struct store store;
    struct kv *kv;
    const char *const *values; /* what was kept before the test */
    struct store_keep *first, *last;
    struct post post;
    bool posted;
    int fail; /* the status that the next one is told */
};

struct weir_test {
    struct kit_world world;
    struct kit_keeper keeper;
    struct delivery_board board;
    struct plugin plugin; /* desc zeroed when it was not loaded */
    weir_instance *instance;
    struct match_plan *plan;
    struct match_rule rule;
    struct match_sink wants;
    struct arena arena; /* lives as long as the test */
    const char *stream_arn;
    pthread_mutex_t log_lock;
    struct buf log, refused, declared;
    struct buf scratch; /* of a record being written */
    weir_test_batch *batches, *last_batch;
    uint64_t made_records;
    struct kit_call *calls, *last_call;
    struct kit_answer *answers, *last_answer;
    size_t call_count;
    uint64_t last_call_id;
    int32_t refuse_call;
    /* what `weir plugin check` wants to know */
    uint64_t order_breaches; /* OK after a non-OK of its lane in a delivery of WEIR_P_KEEPS_ORDER */
    uint64_t given;          /* records */
    int64_t longest_call_ms; /* of the plugin's functions, in real time */
    const char *longest_call;
    int64_t busy_ns; /* in weir_test_give, from the first delivery on */
    bool quiet;      /* the log is dropped */
    bool settling, whole_batches;
    bool guarded; /* records lie where guard.h says; set by the check */
};

/* Loads what is in the file, without the owner and mode checks of the program. 0 or -errno. */
int kit_load(const char *path, weir_plugin *out, struct err *err);
_Noreturn void kit_out_of_memory(void);
int64_t kit_real_ns(void);
int64_t kit_real_ms(void);
void kit_forget(weir_test *test); /* frees all batches and calls; none may be open */
void kit_called(weir_test *test, const char *function, int64_t since_ms);
const char *kit_text(weir_test *test, weir_str text); /* a copy in the arena */
uint64_t kit_bad_outcomes(const weir_test *test);
size_t kit_open_records(const weir_test *test);
size_t kit_open_calls(const weir_test *test);
/* As weir_test_close, but what is left open is nobody's failure. */
void kit_close(weir_test *test);

/* ---- aws.c ---- */

extern const weir_aws kit_aws_table;
bool kit_answer_call(weir_test *test); /* one call that can be answered; false: none */
void kit_abort_calls(weir_test *test, uint64_t token);
void kit_calls_free(weir_test *test);
struct kit_call *kit_call_new(weir_test *test, weir_str body);

/* ---- http.c: the transport under weir.http/1 ---- */

void kit_http_init(weir_test *test);
void kit_http_report(struct kit_call *call, const struct kit_answer *answer); /* NULL: aborted */

/* ---- kv.c ---- */

void kit_keeper_init(weir_test *test, const char *const *values);

/* ---- typed.c ---- */

/* An object of plain values (or already typed ones) as DynamoDB-typed members, without braces. */
void kit_put_typed(struct buf *out, const struct json_value *object);

/* ---- footprint.c: what a process holds ---- */

struct kit_footprint {
    size_t heap_bytes; /* 0 where libc can't say */
    unsigned files, threads;
};
struct kit_footprint kit_footprint(void);
#endif
