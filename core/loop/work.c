#include "loop/internal.h"

#include "util/alloc.h"

#include <errno.h>

static void run_job(uv_work_t *request)
{
    struct job *job = request->data;
    job->work->run(job->work);
}

static void job_done(uv_work_t *request, int status)
{
    struct job *job = request->data;
    struct work *work = job->work;
    (void)status; /* nothing here cancels a job */
    job->next_free = job->loop->spare_jobs;
    job->loop->spare_jobs = job;
    job->loop->works--;
    work->done(work);
}

static struct job *take_job(struct loop *loop)
{
    struct job *job = loop->spare_jobs;
    if (job)
        loop->spare_jobs = job->next_free;
    else
        job = mem_zalloc(1, sizeof *job);
    return job;
}

int work_submit(void *ctx, struct work *work)
{
    struct loop *loop = ctx;
    if (loop->closing)
        return -ECANCELED;
    struct job *job = take_job(loop);
    if (!job)
        return -ENOMEM;
    job->loop = loop;
    job->work = work;
    job->request.data = job;
    int rc = uv_queue_work(&loop->uv, &job->request, run_job, job_done);
    if (rc < 0) {
        job->next_free = loop->spare_jobs;
        loop->spare_jobs = job;
        return rc;
    }
    loop->works++;
    return 0;
}

void work_done(struct loop *loop)
{
    while (loop->spare_jobs) {
        struct job *job = loop->spare_jobs;
        loop->spare_jobs = job->next_free;
        mem_free(job);
    }
}
