/* The thread of the sink: takes records, keeps a child running, and talks to it. */
#include "exec/exec.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { OUT_BYTES_MAX = 65536, REVOKED_MS = 200, PATIENCE_MS = 500, LOOK_AGAIN_MS = 1000 };

void talk_finish(struct exec *exec, struct job *job, int32_t outcome, const char *reason)
{
    exec->talk.suspects -= job->suspect;
    inbox_complete(&exec->inbox, job, outcome, reason);
}

/* ---- what waits ---- */

static void give_back_revoked(struct exec *exec, struct jobs *jobs)
{
    struct jobs all = *jobs;
    struct job *job;
    *jobs = (struct jobs){0};
    while ((job = jobs_pop(&all))) {
        if (atomic_load(&job->load->revoked))
            talk_finish(exec, job, WEIR_RETRY, "revoked before the program had it");
        else
            jobs_push(jobs, job);
    }
}

/* A record that the program has can't be taken back: it would come a second time while the first
 * is still at work. So its time becomes short, and then the program ends. */
static void hurry_revoked(struct talk *talk, int64_t now)
{
    for (struct job *job = talk->sent.head; job; job = job->next)
        if (atomic_load(&job->load->revoked) && job->due_ms > now + REVOKED_MS)
            job->due_ms = now + REVOKED_MS;
}

static void wake_resting(struct exec *exec, int64_t now)
{
    struct jobs all = exec->talk.resting;
    struct job *job;
    exec->talk.resting = (struct jobs){0};
    while ((job = jobs_pop(&all))) {
        if (job->due_ms <= now || atomic_load(&job->load->revoked))
            talk_finish(exec, job, WEIR_RETRY, "the program wants it again");
        else
            jobs_push(&exec->talk.resting, job);
    }
}

static int64_t first_due_ms(const struct jobs *jobs, int64_t first_ms)
{
    for (const struct job *job = jobs->head; job; job = job->next)
        if (job->due_ms < first_ms)
            first_ms = job->due_ms;
    return first_ms;
}

/* ---- lines to the child ---- */

static bool put_line(struct exec *exec, struct job *job)
{
    struct talk *talk = &exec->talk;
    weir_buf_clear(&talk->line);
    put_text(&talk->line, "{\"id\":");
    put_int(&talk->line, (int64_t)++talk->last_id, 1);
    put_text(&talk->line, ",\"record\":");
    bool made = put_body(&exec->body, job->record, &talk->line);
    put_text(&talk->line, "}\n");
    if (!made && !talk->line.failed) {
        talk_finish(exec, job, WEIR_FAIL, "the record can't be written in this form");
        return true;
    }
    if (talk->line.failed || !weir_buf_room(&talk->out, talk->line.len)) {
        talk->out.failed = 0;
        talk_finish(exec, job, WEIR_RETRY, "out of memory");
        return false;
    }
    put(&talk->out, weir_buf_view(&talk->line));
    job->id = talk->last_id;
    job->due_ms = now_ms() + exec->settings.answer_ms;
    jobs_push(&talk->sent, job);
    return true;
}

/* A new child gets one record until it has answered; what died with a child goes alone. */
static void fill(struct exec *exec)
{
    struct talk *talk = &exec->talk;
    struct job *job;
    for (;;) {
        bool careful = talk->answers == 0 || talk->suspects > 0;
        size_t window = careful ? 1 : (size_t)exec->settings.window;
        if (talk->sent.count >= window || talk->out.len - talk->out_at >= OUT_BYTES_MAX)
            return;
        job = jobs_pop(&talk->waiting);
        if (!job || !put_line(exec, job))
            return;
    }
}

static bool write_lines(struct talk *talk)
{
    while (talk->out_at < talk->out.len) {
        ssize_t put =
            write(talk->child.in_fd, talk->out.ptr + talk->out_at, talk->out.len - talk->out_at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno == EAGAIN;
        talk->out_at += (size_t)put;
    }
    talk->out_at = 0;
    weir_buf_clear(&talk->out);
    return true;
}

/* ---- the loop ---- */

static int wait_ms(const struct talk *talk, int64_t now)
{
    int64_t until_ms = INT64_MAX;
    if (talk->child.pid == 0 && talk->waiting.head)
        until_ms = talk->restart_ms;
    until_ms = first_due_ms(&talk->resting, first_due_ms(&talk->sent, until_ms));
    if (talk->child.pid != 0 && talk->child.pid_fd < 0 && until_ms > now + LOOK_AGAIN_MS)
        until_ms = now + LOOK_AGAIN_MS;
    if (until_ms == INT64_MAX)
        return -1;
    int64_t left_ms = until_ms - now;
    return left_ms < 0 ? 0 : left_ms > LOOK_AGAIN_MS * 60 ? LOOK_AGAIN_MS * 60 : (int)left_ms;
}

static void wait_and_serve(struct exec *exec)
{
    struct talk *talk = &exec->talk;
    struct child *child = &talk->child;
    bool writes = talk->out_at < talk->out.len;
    struct pollfd ready[] = {{exec->inbox.wake_fd, POLLIN, 0},
                             {writes ? child->in_fd : -1, POLLOUT, 0},
                             {child->out_fd, POLLIN, 0},
                             {child->err_fd, POLLIN, 0},
                             {child->pid_fd, POLLIN, 0}};
    if (poll(ready, 5, wait_ms(talk, now_ms())) < 0 || child->pid == 0)
        return;
    if (ready[3].revents && !complaints_read(exec)) {
        close(child->err_fd);
        child->err_fd = -1;
    }
    bool goes_on = !ready[2].revents || life_read(exec);
    if (goes_on && ready[1].revents)
        goes_on = write_lines(talk);
    if (!goes_on)
        life_end(exec, NULL, talk->breach[0] ? 0 : PATIENCE_MS);
    else if (ready[4].revents || (child->pid_fd < 0 && child_ended(child, 0)))
        life_end(exec, NULL, 0);
}

static void end_when_late(struct exec *exec, int64_t now)
{
    char why[64];
    if (first_due_ms(&exec->talk.sent, INT64_MAX) > now)
        return;
    snprintf(why, sizeof why, "gave no answer within %lld ms", (long long)exec->settings.answer_ms);
    life_end(exec, why, 0);
}

void *talk_run(void *arg)
{
    struct exec *exec = arg;
    struct talk *talk = &exec->talk;
    while (inbox_take(&exec->inbox, &talk->waiting)) {
        int64_t now = now_ms();
        give_back_revoked(exec, &talk->waiting);
        hurry_revoked(talk, now);
        wake_resting(exec, now);
        end_when_late(exec, now);
        if (talk->child.pid == 0 && talk->waiting.head && now >= talk->restart_ms)
            life_start(exec);
        if (talk->child.pid != 0) {
            fill(exec);
            if (!write_lines(talk)) {
                life_end(exec, NULL, PATIENCE_MS);
                continue;
            }
        }
        wait_and_serve(exec);
    }
    life_end_gently(exec);
    return NULL;
}
