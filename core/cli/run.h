/* What the files behind `weir run` share. */
#ifndef WEIR_CLI_RUN_H
#define WEIR_CLI_RUN_H
#include "cli/input.h"
#include "cli/pipeline.h"
#include "cli/verbs.h"
#include "config/diag.h"
#include "record/match.h"

struct fetch_inline;
struct fetch_threads;
struct kcl_run;
struct lambda_run;
struct observed;
struct otlp;
struct poll;
struct reload;
struct replay;
struct run;
struct run_admin;
struct watchdog;

enum { RUN_DOWN_LIMIT_MS = 120000 }; /* of a run that is to end: a source or sink out of reach */

/* What the program asks of its source, whichever it is. */
struct run_source {
    /* Reads no more; what is under way is finished, then the loop ends. */
    void (*stop)(struct run *run);
    /* Ends now: what is under way is given back, positions are stored as they are. Also after
     * stop(), and again. */
    void (*hurry)(struct run *run);
    /* For a reload. Optional: whether the source lacks what sinks of `set` need, with the reason.
     */
    bool (*lacks)(const struct run *run, const struct sink_set *set, char *why, size_t bytes);
    /* Optional: finds what is to be known before those come that are new. 0: ready() follows,
     * later; 1: there is nothing to wait for; or -errno. */
    int (*look_up)(struct run *run, const struct sink_set *set,
                   void (*ready)(void *arg, int status), void *arg);
    /* The sinks of the pipeline are others now: their plan, and what the source knows of them. */
    void (*changed)(struct run *run);
    void (*say_status)(struct run *run); /* to the log; optional */
    bool gives_up;                       /* a required sink that stays down ends the run */
};

/* A file as it was seen. */
struct run_seen {
    bool found;
    uint64_t device, inode;
    int64_t bytes, seconds;
    long nanoseconds;
};

struct run {
    struct cli *cli;
    const struct run_source *source; /* since run_watch(); NULL under Lambda */
    struct pipeline pipeline;
    struct config *config;
    struct diags diags;
    struct err err;
    struct log *log;
    struct kcl_run *kcl;
    struct lambda_run *lambda;
    struct replay *replay;
    struct poll *poll;
    int64_t max_hold_ms[MATCH_SINKS_MAX]; /* by sink: what `poll` reads */
    struct fetch_inline *fetch;           /* with one loop */
    struct fetch_threads *fetch_threads;  /* with more */
    struct watchdog *watchdog;
    struct run_admin *admin; /* NULL: nothing listens */
    struct otlp *otlp;       /* NULL: nothing is exported */
    struct arena otlp_arena; /* of its headers */
    struct timer grace, watch, alive;
    int64_t alive_ms;      /* between two WATCHDOG=1 */
    uint64_t looks_told;   /* watchdog_looks() at the last of them */
    struct input input;    /* of the file source, and KCL's lines */
    int protocol_fd;       /* KCL: what was descriptor 1; 0 = another source */
    int signals;           /* that asked it to stop */
    struct reload *reload; /* since run_watch(); NULL under Lambda */
    struct timer looking;  /* at the configuration file: --watch-config */
    struct run_seen seen;
    int settling;
    int64_t started_ms, started_us; /* on the clock, and unix time */
    int exit_code;
};

int64_t run_now_ms(const struct run *run);
void run_log(void *run, int level, const char *component, const char *code, const char *msg);
/* From now on TERM and INT stop the source, and it ends where only an end helps. Before the loop
 * runs. `source` must outlive the run. */
void run_watch(struct run *run, const struct run_source *source);
void run_unwatch(struct run *run); /* the source has finished; signals are heard still */
/* source->hurry(), with the exit code that nobody has set yet. */
void run_hurry(struct run *run, int exit_code);
/* One state line to the service manager that started weir, if any. */
void run_notify(struct run *run, const char *state);
void run_notify_begin(struct run *run); /* READY=1 once the loop turns, then WATCHDOG=1 */
void run_notify_end(struct run *run);
void run_print_sinks(struct run *run, struct buf *out);
/* A record in the dead letters, or dropped, is finished, but not delivered. */
bool run_all_delivered(const struct run *run);

void run_observe(struct run *run, struct observed *out);
/* To an OpenTelemetry collector, where one is configured, in what is not Lambda: before the loop
 * runs, and, for what is left, when the source has finished, within the grace. */
void run_otlp_start(struct run *run);
void run_otlp_finish(struct run *run, int64_t within_ms);
void run_otlp_end(struct run *run); /* behind the end of the loop, before that of the log */

/* HUP, USR1, USR2 and --watch-config, from run_watch() to run_unwatch(). */
void run_signals_begin(struct run *run);
void run_signals_end(struct run *run);
void run_log_settings(struct run *run); /* those of run->config, as far as they can change */
void run_no_core_dump(const struct run *run);
void run_gain_nothing(void);
void run_warn_of_root(struct run *run);
void run_log_secrets(struct run *run, const struct diags *diags);

/* Every problem with the configuration, as one text. */
void run_problem_text(struct run *run, struct buf *out);

/* Asks after what the sinks write to: 0, or an exit code after the log says what is missing. */
int run_healthy(struct run *run);

int run_lambda(struct run *run); /* the exit code, as of the next ones */
/* What run_problem_text says, to Lambda: to whoever invokes, and to the log. */
int run_lambda_init_error(struct run *run, const char *type);
void run_lambda_end(struct run *run);

int run_poll(struct run *run); /* the exit code */
void run_poll_end(struct run *run);

/* Descriptor 1 is the protocol's: whatever else writes there reaches standard error from now on.
 * Before any plugin is loaded. 0 or -errno with run->err. */
int run_kcl_claim(struct run *run);
int run_kcl(struct run *run); /* the exit code */
void run_kcl_end(struct run *run);
/* What has been read so far; NULL: it has not begun. */
const struct read_counts *run_kcl_read(const struct run *run);
#endif
