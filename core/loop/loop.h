/* The seams on libuv and libcurl: one loop, its clock, its transport, its workers. */
#ifndef WEIR_LOOP_LOOP_H
#define WEIR_LOOP_LOOP_H
#include "util/err.h"
#include "util/seam.h"

/* Whether loops may run on several threads at once: libcurl sets itself up in each. */
bool loop_on_threads(void);

struct loop;
struct loop_config {
    int max_host_connections; /* 0 = 64 */
    int64_t max_idle_ms;      /* pooled connections older than this are not reused; 0 = 60 s;
                                 Lambda 25 s */
    const char *ca_bundle;    /* NULL = probe AWS_CA_BUNDLE, SSL_CERT_FILE, CURL_CA_BUNDLE, known
                                 paths. Copied */
};

/* libcurl and TLS are set up at the first transfer, not here. SIGPIPE is ignored from here on, for
 * the whole process. One thread makes, runs and frees a loop. 0, -errno. */
int loop_new(const struct loop_config *config, struct loop **out, struct err *err);
/* Fills all seams but store. The world must not outlive the loop. */
void loop_world(struct loop *loop, struct world *world);
/* For handles of one's own, which keep nothing running; all must be closed, or closing, when
 * loop_free() is called. */
struct uv_loop_s *loop_uv(struct loop *loop);
/* Runs until loop_stop(), or until no timer is armed and no transfer, work or post is open; a
 * signal handler alone does not keep it running. May be called again. */
void loop_run(struct loop *loop);
/* loop_run returns after the callbacks of the current turn; called outside of it, the next loop_run
 * returns at once. [router] */
void loop_stop(struct loop *loop);
/* Signals: calls on_signal(arg, signum) on the loop. Up to 8 signals. 0, -ENOSPC, -errno. */
int loop_on_signal(struct loop *loop, int signum, void (*on_signal)(void *arg, int signum),
                   void *arg);
/* Ends everything: open transfers get done() with HTTP_ABORTED, running works are waited for and
 * get done(), armed timers and posts that have not run are dropped without a call. Starting
 * anything from such a done() fails with -ECANCELED. Then closes every handle, runs the loop dry,
 * checks that uv_loop_close() returns 0. Returns that (0, or -EBUSY: a leaked handle, a bug). Frees
 * the loop. */
int loop_free(struct loop *loop);
#endif
