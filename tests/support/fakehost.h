/* A host of one plugin instance, for plugin tests: the real .so behind the real ABI, a scripted
 * world. Independent of weir's own record code on purpose (it knows JSON and nothing else), so that
 * a plugin is tested against the header and not against one implementation of it. */
#ifndef WEIR_TESTS_FAKEHOST_H
#define WEIR_TESTS_FAKEHOST_H
#include "json/json.h"
#include "plugin/envelope.h"
#include <weir/ext/aws.h>
#include <weir/ext/work.h>
#include <pthread.h>

enum { FAKE_CALLS_MAX = 512, FAKE_WORKS_MAX = 64, FAKE_OPTIONS_MAX = 32, FAKE_DECLARED_MAX = 8 };

struct fake_call { /* one request of weir.aws/1 */
    char service[32], target[64], json[8];
    char endpoint[256], region[64];
    int32_t protocol;
    char path[512], headers[256]; /* lines "name: value\n" */
    char *body;                   /* a copy made at call(); NUL-terminated */
    weir_str live_body;           /* the plugin's; must be unchanged until done() */
    uint64_t id, token;
    int32_t concurrency;
    bool aborted, answered;
    weir_aws_done done;
    void *arg;
};

struct fake_delivery; /* the plugin's `weir_delivery` */

struct fake {
    const weir_plugin *plugin;
    weir_host host;
    void *self;
    /* The world. Set before fake_open(). */
    bool no_aws, no_work, no_json; /* the extension is absent */
    int refuse_calls;              /* the next n call()s return refuse_with */
    int refuse_with;
    bool old_aws;            /* weir.aws/1 is of revision 1 */
    const char *arn, *shard; /* stream ARN, shard id */
    bool order_none;         /* each record is a lane of its own */
    const char *dead_sink, *dead_reason, *dead_attempts,
        *dead_json; /* the deliveries are dead letters */
    /* What the plugin did. */
    char *log;                             /* lines "info: ...", NUL-terminated, or NULL */
    char option_error[256];                /* "name: message" */
    char declared[FAKE_DECLARED_MAX][256]; /* by WEIR_D_*: values joined by ',' */
    weir_subscription subscription;
    char watched[8][64];    /* its attributes */
    unsigned ignored;       /* completions that came twice or for ended deliveries */
    unsigned lane_breaches; /* OK after a non-OK of the same lane in one delivery */
    struct fake_call calls[FAKE_CALLS_MAX];
    size_t call_count;
    int in_flight, in_flight_most;
    /* private */
    struct arena arena;
    struct json_value *options;
    struct envelope envelope;
    char *texts[FAKE_OPTIONS_MAX];
    size_t text_count;
    struct {
        void (*run)(void *);
        void (*done)(void *);
        void *arg;
    } works[FAKE_WORKS_MAX];
    size_t work_count;
    pthread_t thread;
    bool thread_runs;
    struct fake_delivery *deliveries;
    uint64_t next_token;
};

extern const weir_work fake_work_table;
extern const weir_aws fake_aws_table, fake_aws_table_1;

static inline struct fake *fake_of(weir_instance *instance)
{
    return (struct fake *)(void *)instance;
}

/* Loads DIR/NAME.so (TEST_BUILD "/plugins"). Fails the test when that doesn't work. */
const weir_plugin *fake_load(const char *name);

/* Opens an instance with `options` (a JSON object). Returns what open() returned. `fake` was
 * zeroed, and its world set, by the caller. */
int fake_open(struct fake *fake, const weir_plugin *plugin, const char *options);
/* Runs and answers nothing: everything must be finished. Closes the instance when it is open. */
void fake_close(struct fake *fake);

/* Gives the records of `json` ({"Records":[...]}, an array, or one record) to the plugin. The
 * result lives until fake_close(); what the plugin may read of it ends with the last completion. */
struct fake_delivery *fake_deliver(struct fake *fake, const char *json);
struct fake_delivery *fake_deliver_text(struct fake *fake, weir_str json);
void fake_cancel(struct fake *fake, struct fake_delivery *delivery);
uint64_t fake_token(const struct fake_delivery *delivery);
size_t fake_count(const struct fake_delivery *delivery);
int fake_outcome(const struct fake_delivery *delivery, size_t index); /* 0: not completed yet */
const char *fake_reason(const struct fake_delivery *delivery, size_t index);
size_t fake_outcomes(const struct fake_delivery *delivery, int outcome); /* how many */

/* weir.work/1: each run() is on a thread of its own, done() here. */
bool fake_work(struct fake *fake); /* the oldest one from start to end; false: none */
void fake_work_all(struct fake *fake);
void fake_work_begin(struct fake *fake); /* starts the oldest one's run() and returns */
void fake_work_end(struct fake *fake);   /* waits for it, then done() */

/* weir.aws/1: answers a call. Checks that its body is still what it was. */
void fake_answer(struct fake *fake, size_t call, int outcome, int status, const char *body);
/* The same, with headers: lines "Name: value". */
void fake_answer_headers(struct fake *fake, size_t call, int outcome, int status,
                         const char *headers, const char *body);
void fake_answer_error(struct fake *fake, size_t call, int outcome, int status, const char *type,
                       const char *message, const char *body);
/* Answers every open call: aborted ones as the host does, others with OK and `body`. */
void fake_answer_all(struct fake *fake, const char *body);
#endif
