/* One instance of the exec sink. */
#ifndef WEIR_EXEC_EXEC_H
#define WEIR_EXEC_EXEC_H
#include "exec/child.h"
#include "shared/body.h"
#include "shared/inbox.h"

#include <weir/ext/json.h>

struct settings {
    const char *program, *folder; /* text of options: until close() */
    char **argv, **environment;   /* ends with NULL; ours */
    int64_t window;               /* records that the program has at once */
    int64_t answer_ms, grace_ms, restart_max_ms;
    bool insecure;
};

struct complaints {            /* what the program writes to its standard error */
    char line[900], last[168]; /* `last`: made visible, NUL-terminated */
    size_t len;
    bool cut;         /* the rest of the line is passed over */
    int64_t since_ms; /* of the second that is counted */
    unsigned count, dropped;
};

struct talk { /* the thread's */
    struct child child;
    struct jobs waiting, sent, resting; /* resting: asked to be tried again later */
    size_t suspects;                    /* had by a child that died: each is sent alone */
    weir_buf line, out, in;             /* one line; what is to be written, from out_at on; read */
    size_t out_at;
    struct complaints complaints;
    char breach[256];          /* what the child said that is no answer; else "" */
    uint64_t last_id, answers; /* answers: of this child */
    unsigned silent,
        strikes; /* children in a row that died without an answer; since all was DOWN */
    int64_t restart_ms;
};

struct exec {
    struct inbox inbox;
    struct body body;
    const weir_json *json;
    struct settings settings;
    struct talk talk;
};

/* ---- settings.c: 0, or -errno, after option_error for -EINVAL ---- */
int settings_read(struct exec *exec, const weir_host *host, weir_instance *instance);
void settings_free(struct settings *settings);

/* ---- answer.c ---- */
struct answer {
    uint64_t id;
    int32_t outcome;
    int64_t after_ms;
    char why[168];
};
/* NULL, or what is wrong with it. */
const char *answer_read(const weir_json *json, weir_str line, struct answer *out);

/* ---- complaints.c ---- */
/* Logs what the child wrote to its standard error: bounded, on one line each. False: its end. */
bool complaints_read(struct exec *exec);
void complaints_flush(struct exec *exec); /* a line without an end, and how many were dropped */

/* ---- life.c: one child from its start to its end; the thread's ---- */
bool life_start(struct exec *exec); /* false: it can't be; what waits was told */
/* Reads answers. False: there will be no more, or talk.breach says why not. */
bool life_read(struct exec *exec);
/* Reads until the child ended, at most so long. True: it ended. */
bool life_listen(struct exec *exec, int64_t timeout_ms);
/* Ends the child, if it has not, and judges what it had. `why` NULL: it ended by itself, or should
 * within patience_ms. */
void life_end(struct exec *exec, const char *why, int64_t patience_ms);
void life_end_gently(struct exec *exec); /* at close: nothing is open */

/* ---- talk.c ---- */
void *talk_run(void *exec);
void talk_finish(struct exec *exec, struct job *job, int32_t outcome, const char *reason);
#endif
