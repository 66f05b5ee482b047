#include "plugin/ext.h"

#include "plugin/instance.h"
#include "util/alloc.h"

#include <errno.h>

struct job {
    struct work work;
    struct ext_works *works;
    void (*run)(void *arg);
    void (*done)(void *arg);
    void *arg;
    struct job *next;
};

struct ext_works {
    struct worker *worker;
    struct job *head, *tail; /* the head is running, the rest wait */
    void (*drained)(void *arg);
    void *arg;
};

struct ext_works *ext_works_new(struct world *world, void (*drained)(void *arg), void *arg)
{
    struct ext_works *works = mem_zalloc(1, sizeof *works);
    if (works)
        *works = (struct ext_works){
            .worker = world ? &world->worker : NULL, .drained = drained, .arg = arg};
    return works;
}

bool ext_works_idle(const struct ext_works *works)
{
    return !works || !works->head;
}

void ext_works_free(struct ext_works *works)
{
    mem_free(works);
}

static void on_run(struct work *work)
{
    struct job *job = (struct job *)((char *)work - offsetof(struct job, work));
    job->run(job->arg);
}

/* Ends the head. The job leaves the queue after done(), so that what done() submits waits its turn.
 */
static void finish_head(struct ext_works *works)
{
    struct job *job = works->head;
    job->done(job->arg);
    works->head = job->next;
    if (!works->head)
        works->tail = NULL;
    mem_free(job);
}

static void on_done(struct work *work)
{
    struct job *job = (struct job *)((char *)work - offsetof(struct job, work));
    struct ext_works *works = job->works;
    finish_head(works);
    /* A queued job was promised to run: where no thread can be had, it runs here. */
    while (works->head && works->worker->submit(works->worker->ctx, &works->head->work) < 0) {
        works->head->run(works->head->arg);
        finish_head(works);
    }
    if (!works->head)
        works->drained(works->arg);
}

static int32_t work_submit(weir_instance *instance, void (*run)(void *arg), void (*done)(void *arg),
                           void *arg)
{
    struct ext_works *works = instance ? instance->works : NULL;
    if (!works || !run || !done)
        return -EINVAL;
    if (!works->worker || !works->worker->submit)
        return -ENOTSUP;
    struct job *job = mem_zalloc(1, sizeof *job);
    if (!job)
        return -ENOMEM;
    *job = (struct job){.work = {.run = on_run, .done = on_done},
                        .works = works,
                        .run = run,
                        .done = done,
                        .arg = arg};
    if (!works->head) {
        int rc = works->worker->submit(works->worker->ctx, &job->work);
        if (rc < 0) {
            mem_free(job);
            return rc;
        }
        works->head = job;
    } else {
        works->tail->next = job;
    }
    works->tail = job;
    return 0;
}

const weir_work ext_work_table = {
    .revision = 1,
    .struct_size = sizeof(weir_work),
    .submit = work_submit,
};
