#include "shared/inbox.h"

#include <weir/util.h>

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct loaded { /* what one delivery takes of memory */
    struct load load;
    struct job jobs[];
};

void jobs_push(struct jobs *jobs, struct job *job)
{
    job->next = NULL;
    if (jobs->head)
        jobs->last->next = job;
    else
        jobs->head = job;
    jobs->last = job;
    jobs->count++;
}

struct job *jobs_pop(struct jobs *jobs)
{
    struct job *job = jobs->head;
    if (job) {
        jobs->head = job->next;
        jobs->count--;
    }
    return job;
}

void jobs_remove(struct jobs *jobs, const struct job *job)
{
    struct job **at = &jobs->head, *before = NULL;
    while (*at != job) {
        before = *at;
        at = &before->next;
    }
    *at = job->next;
    if (jobs->last == job)
        jobs->last = before;
    jobs->count--;
}

void jobs_move(struct jobs *to, struct jobs *from)
{
    if (!from->head)
        return;
    if (to->head)
        to->last->next = from->head;
    else
        to->head = from->head;
    to->last = from->last;
    to->count += from->count;
    *from = (struct jobs){0};
}

/* ---- the host's thread ---- */

int inbox_open(struct inbox *inbox, const weir_host *host, weir_instance *instance)
{
    *inbox = (struct inbox){.host = host, .instance = instance, .wake_fd = -1};
    return pthread_mutex_init(&inbox->lock, NULL) == 0 ? 0 : -ENOMEM;
}

static void wake(const struct inbox *inbox)
{
    const uint64_t one = 1;
    ssize_t put = write(inbox->wake_fd, &one, sizeof one);
    (void)put; /* fails only where the counter is full: it is awake */
}

static bool start(struct inbox *inbox, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    if (inbox->wake_fd >= 0)
        return true;
    inbox->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (inbox->wake_fd < 0)
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&inbox->thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        close(inbox->wake_fd);
        inbox->wake_fd = -1;
    }
    return rc == 0;
}

void inbox_deliver(struct inbox *inbox, weir_delivery *delivery, void *(*run)(void *), void *arg)
{
    const weir_host *host = inbox->host;
    size_t count = host->count(delivery);
    struct jobs jobs = {0};
    struct loaded *loaded = NULL;
    if (start(inbox, run, arg))
        loaded = (struct loaded *)calloc(1, sizeof *loaded + count * sizeof loaded->jobs[0]);
    if (!loaded) {
        host->complete_rest(inbox->instance, host->token(delivery), WEIR_RETRY,
                            WEIR_STR("no memory, or no thread"));
        return;
    }
    struct load *load = &loaded->load;
    load->token = host->token(delivery);
    load->left = count;
    for (size_t i = 0; i < count; i++) {
        struct job *job = &loaded->jobs[i];
        *job = (struct job){.load = load, .index = i, .record = host->at(delivery, i)};
        jobs_push(&jobs, job);
    }
    pthread_mutex_lock(&inbox->lock);
    load->next = inbox->loads;
    inbox->loads = load;
    jobs_move(&inbox->delivered, &jobs);
    pthread_mutex_unlock(&inbox->lock);
    wake(inbox);
}

void inbox_cancel(struct inbox *inbox, uint64_t token)
{
    pthread_mutex_lock(&inbox->lock);
    for (struct load *load = inbox->loads; load; load = load->next)
        if (load->token == token)
            atomic_store(&load->revoked, true);
    pthread_mutex_unlock(&inbox->lock);
    if (inbox->wake_fd >= 0)
        wake(inbox);
}

void inbox_close(struct inbox *inbox)
{
    if (inbox->wake_fd >= 0) {
        pthread_mutex_lock(&inbox->lock);
        inbox->stop = true;
        pthread_mutex_unlock(&inbox->lock);
        wake(inbox);
        pthread_join(inbox->thread, NULL);
        close(inbox->wake_fd);
    }
    for (struct load *load = inbox->loads, *next; load; load = next) { /* the host gave them up */
        next = load->next;
        free(load);
    }
    pthread_mutex_destroy(&inbox->lock);
}

/* ---- the sink's thread ---- */

bool inbox_take(struct inbox *inbox, struct jobs *out)
{
    uint64_t times;
    ssize_t got = read(inbox->wake_fd, &times, sizeof times);
    (void)got; /* nobody called */
    pthread_mutex_lock(&inbox->lock);
    jobs_move(out, &inbox->delivered);
    bool goes_on = !inbox->stop;
    pthread_mutex_unlock(&inbox->lock);
    return goes_on;
}

static void unlink_load(struct inbox *inbox, const struct load *load)
{
    pthread_mutex_lock(&inbox->lock);
    struct load **at = &inbox->loads;
    while (*at != load)
        at = &(*at)->next;
    *at = load->next;
    pthread_mutex_unlock(&inbox->lock);
}

void inbox_complete(struct inbox *inbox, struct job *job, int32_t outcome, const char *reason)
{
    struct load *load = job->load;
    uint64_t token = load->token;
    size_t index = job->index;
    if (--load->left == 0) {
        unlink_load(inbox, load);
        free(load); /* its jobs, too: the load is the first member */
    }
    inbox->host->complete(inbox->instance, token, index, outcome, weir_cstr(reason));
}
