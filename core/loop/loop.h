/* The seams on libuv and libcurl: one loop, its clock, its transport, its workers. */
#ifndef WEIR_LOOP_LOOP_H
#define WEIR_LOOP_LOOP_H
#include "util/err.h"
#include "util/seam.h"

struct loop;
struct loop_config {
    int max_host_connections;  /* 0 = 64 */
    int64_t max_idle_ms;       /* pooled connections older than this are not reused; 0 = 60 s; Lambda 25 s */
    const char *ca_bundle;     /* NULL = probe AWS_CA_BUNDLE, SSL_CERT_FILE, CURL_CA_BUNDLE, known paths */
};

/* libcurl and TLS are set up at the first transfer, not here. 0, -errno. */
int loop_new(const struct loop_config *config, struct loop **out, struct err *err);
/* Fills all seams but store. The world must not outlive the loop. */
void loop_world(struct loop *loop, struct world *world);
void loop_run(struct loop *loop);   /* until loop_stop() or nothing is left to wait for */
void loop_stop(struct loop *loop);  /* loop_run returns after the current callback. [router] */
/* Signals: calls on_signal(arg, signum) on the loop. Up to 4 signals. */
int loop_on_signal(struct loop *loop, int signum, void (*on_signal)(void *arg, int signum), void *arg);
/* Closes every handle, runs the loop dry, checks that uv_loop_close() returns 0. Returns that
 * (0, or -EBUSY: a leaked handle, a bug). Frees the loop. */
int loop_free(struct loop *loop);
#endif
