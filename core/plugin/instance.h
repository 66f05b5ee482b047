/* One configured sink of a plugin: its validated options, what it declared in open(), and the host
 * table it talks to. */
#ifndef WEIR_PLUGIN_INSTANCE_H
#define WEIR_PLUGIN_INSTANCE_H
#include "json/json.h"
#include "plugin/delivery.h"
#include "plugin/envelope.h"
#include "plugin/figures.h"
#include "plugin/kv.h"
#include "plugin/load.h"
#include "util/seam.h"

struct instance_services { /* what the host offers; all optional but log; lives longer than the
                              instance */
    void *ctx;
    void (*log)(void *ctx, const char *sink, int32_t level, weir_str msg); /* [any] */
    const char *dir;     /* what relative paths in options refer to; NULL: the working folder */
    struct world *world; /* NULL (check, explain): weir.timer/1 and weir.work/1 exist but refuse to
                            start anything */
    struct delivery_board *board; /* NULL in check: completions are ignored */
    const void *aws_table;        /* weir.aws/1's table, or NULL: the extension is absent */
    struct kv *kv;                /* NULL: weir.kv/1 is there, but has no values and stores none */
    const char *without;          /* ids of extensions that this host has not got, or NULL; tests */
    /* called once per instance that asks for weir.aws/1; the result is instance->aws */
    void *(*aws_attach)(void *ctx, weir_instance *instance);
    void (*aws_detach)(void *ctx, void *attached); /* before the instance is freed */
};

/* Validates `options` (an object, or NULL for none; values already interpolated) against the
 * plugin's table, then calls open(). Every problem is reported; 0 and *out only when there was
 * none. -EINVAL (reported), or what open() returned (err says so), -ENOMEM. [router, or before run]
 */
int instance_new(struct plugin *plugin, const char *name, const struct json_value *options,
                 const struct instance_services *services, option_problem_cb problem, void *arg,
                 weir_instance **out, struct err *err);
void instance_revoke(weir_instance *instance,
                     uint64_t token); /* aborts the delivery's requests of weir.http/1 */
void instance_flush(weir_instance *instance, int64_t deadline_ms);
/* close(), drops its timers, frees. NULL is fine. While weir.work/1 still has work of this
 * instance, all that happens after the last of it, so wait for instance_idle() before the world
 * ends. [router] */
void instance_close(weir_instance *instance);
bool instance_idle(const weir_instance *instance); /* no work is queued or running. [router] */

struct weir_instance {
    struct plugin *plugin; /* borrowed */
    char *name;
    void *self;                        /* the plugin's */
    struct instance_services services; /* a copy */
    weir_subscription subscription;    /* effective after open(); attributes are owned copies */
    char **tables;                     /* NULL-terminated: WEIR_D_WRITES_TABLE, in order declared */
    char **iam;                        /* NULL-terminated: WEIR_D_IAM */
    char *target;                      /* WEIR_D_TARGET or NULL */
    char *order;                       /* WEIR_D_ORDER or NULL */
    struct option_set *options;        /* see options.h */
    struct ext_timers *timers;
    struct ext_works *works;
    void *aws;                             /* what aws_attach returned */
    struct plugin_calls *http;             /* of weir.http/1, once asked for */
    struct figures *figures;               /* of weir.metrics/1, once one was made */
    struct kv_space *kv;                   /* of weir.kv/1, once asked for; its kv's */
    struct envelope envelope;              /* of weir.envelope/1 */
    bool opening;                          /* inside open() */
    bool out_of_memory;                    /* a declaration of open() was lost */
    bool self_open;                        /* open() returned 0, close() is due */
    bool closing;                          /* instance_close() was called, work is left */
    const struct json_value *options_json; /* only while opening */
    option_problem_cb problem;
    void *problem_arg;
    unsigned problem_count;
    weir_host host; /* the table given to open() */
};
#endif
