/* Fetches on threads of their own (source.loops): HTTP, TLS and decoding there, whole batches
 * handed to the router's thread. */
#ifndef WEIR_SOURCE_FETCH_THREADS_H
#define WEIR_SOURCE_FETCH_THREADS_H
#include "loop/loop.h"
#include "source/fetch.h"

struct fetch_threads;

struct fetch_threads_config {  /* what it points at must outlive the threads */
    const struct world *world; /* the router's; its clock's post() is called from the threads */
    struct aws_client *aws;    /* on the router's thread: gets the keys, for all */
    /* What the threads' clients are made of, as `aws` was. They log nothing, and take their keys
     * from `aws`. */
    struct aws_config aws_config;
    struct loop_config loop_config;
    const struct match_plan *plan;
    size_t threads; /* 1 to 64 */
};

/* The threads run when this returns. 0, or -errno and `err`. */
int fetch_threads_new(const struct fetch_threads_config *config, struct fetch_threads **out,
                      struct err *err);
/* No fetch may be open. Waits for the threads' end; starting after it is an error of the caller. */
void fetch_threads_free(struct fetch_threads *all);
void fetch_threads_set_plan(struct fetch_threads *all,
                            const struct match_plan *plan); /* as inline */
/* start() and abort() on the router's thread. At most as many batches wait for it as fetches are
 * open. A fetch whose keys have just expired is made again with new ones, once. */
void fetch_threads_seam(struct fetch_threads *all, struct fetcher *out);
#endif
