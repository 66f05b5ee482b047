/* For a sink with a thread of its own: the records that the host's thread hands over to it, and
 * their way back. The thread alone touches a job between inbox_take() and inbox_complete(). */
#ifndef WEIR_PLUGINS_SHARED_INBOX_H
#define WEIR_PLUGINS_SHARED_INBOX_H
#include <weir/plugin.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct load { /* one delivery */
    struct load *next;
    uint64_t token;
    size_t left; /* jobs that are not completed: the thread's */
    atomic_bool revoked;
};

struct job { /* one record of a load */
    struct job *next;
    struct load *load;
    size_t index;
    const weir_record *record;
    uint64_t id; /* the sink's, as is the rest; 0 at first */
    int64_t due_ms;
    bool suspect;
};

struct jobs { /* a queue; zeroed it is empty */
    struct job *head, *last;
    size_t count;
};

void jobs_push(struct jobs *jobs, struct job *job);
struct job *jobs_pop(struct jobs *jobs);                    /* or NULL */
void jobs_remove(struct jobs *jobs, const struct job *job); /* it is in there */
void jobs_move(struct jobs *to, struct jobs *from);         /* behind those that `to` has */

struct inbox {
    const weir_host *host;
    weir_instance *instance;
    int wake_fd; /* -1 until the thread runs */
    pthread_t thread;
    pthread_mutex_t lock; /* for what follows */
    struct load *loads;
    struct jobs delivered;
    bool stop;
};

/* [loop] from here on. */
int inbox_open(struct inbox *inbox, const weir_host *host,
               weir_instance *instance); /* 0, -ENOMEM */
/* Hands the delivery to the thread, which is started by the first one, with all signals blocked:
 * they are the host's. */
void inbox_deliver(struct inbox *inbox, weir_delivery *delivery, void *(*run)(void *), void *arg);
void inbox_cancel(struct inbox *inbox, uint64_t token); /* the thread sees job->load->revoked */
void inbox_close(struct inbox *inbox);                  /* stops the thread and waits for its end */

/* The thread's. It polls wake_fd, and then takes; false: it is to end. */
bool inbox_take(struct inbox *inbox, struct jobs *out);
void inbox_complete(struct inbox *inbox, struct job *job, int32_t outcome, const char *reason);
#endif
