/* Changing the configuration of a running weir (D14): all or nothing. The file is read and checked,
 * the sinks that differ are built beside the old ones and take over between batches; on any problem
 * the running configuration is kept. HUP, `weir reload`, POST /reload and --watch-config all end
 * here. [router] */
#ifndef WEIR_CLI_RELOAD_H
#define WEIR_CLI_RELOAD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run;
struct reload;

enum reload_result {
    RELOAD_NONE,      /* there was none yet */
    RELOAD_DONE,      /* the new configuration is in force */
    RELOAD_UNCHANGED, /* nothing that is used differs */
    RELOAD_INVALID,   /* the file, or a sink that it describes, is wrong */
    RELOAD_RESTART,   /* it changes what only a restart can change */
    RELOAD_FAILED     /* an old sink did not let go of its records in time, or out of memory */
};

struct reload_outcome {
    enum reload_result result;
    int64_t wall_us; /* when */
    const char
        *text; /* for people: one line, or, where the file is wrong, all its problems and the
                  closing line. Never NULL; valid during the call, or until the next reload */
};

struct reload_counts { /* weir_config_reloads_total by result: done and unchanged are successes */
    uint64_t succeeded, refused;
    int64_t last_success_us; /* 0 = none */
};

typedef void (*reload_done_cb)(void *arg, const struct reload_outcome *outcome);

/* NULL when out of memory. The run has its configuration and its sinks. */
struct reload *reload_new(struct run *run);
bool reload_idle(const struct reload *reload); /* no work of what was replaced is left */
/* The run stops, and said so in run->signals: one under way ends now, since the drain needs its
 * sinks. NULL is fine. */
void reload_stop(struct reload *reload);
void reload_end(struct reload *reload);  /* closes; before the pipeline does. NULL is fine */
void reload_free(struct reload *reload); /* after it. NULL is fine */

/* Asks for a reload. `done` (may be NULL) is called exactly once, later, never from inside. Who
 * asks while one is under way is answered by one more behind it. 0, or -EBUSY: too many wait for
 * an answer already; never without `done`. */
int reload_request(struct reload *reload, const char *who, reload_done_cb done, void *arg);
/* Whoever asked is gone: its `done` is not called any more. */
void reload_forget(struct reload *reload, void *arg);
struct reload_outcome reload_last(const struct reload *reload);
struct reload_counts reload_counts(const struct reload *reload);
const char *reload_result_name(enum reload_result result); /* "done", "unchanged", ... */
#endif
