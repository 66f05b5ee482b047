/* One child, from its start to its end. What it had when it died is judged so that nothing is lost
 * and nobody is blamed for another's fault: a record that was alone with it, or got no answer in
 * time, counts an attempt; the others are sent again, one at a time, which finds the bad one. */
#include "exec/exec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_BYTES = 65536,
    ANSWER_MAX = 65536,
    RESTART_FIRST_MS = 100,
    TERM_MS = 1000,
    KILL_MS = 5000,
    STRIKES = 2
};

static void say(struct exec *exec, int32_t level, const char *what, const char *more)
{
    weir_logf(exec->inbox.host, exec->inbox.instance, level, "%s %s%s%s", exec->settings.program,
              what, more[0] ? ": " : "", more);
}

/* ---- starting ---- */

/* Full jitter: children of many sinks that fail together don't start together. */
static int64_t restart_delay_ms(const struct exec *exec)
{
    uint32_t random = 0;
    int64_t most_ms = exec->settings.restart_max_ms;
    unsigned silent = exec->talk.silent < 20 ? exec->talk.silent : 20;
    if (((int64_t)RESTART_FIRST_MS << silent) < most_ms)
        most_ms = (int64_t)RESTART_FIRST_MS << silent;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint32_t)now_ms();
    return (int64_t)(random % (uint32_t)(most_ms + 1));
}

/* Nobody's fault among the records: the sink is held, and probed. */
static void all_down(struct exec *exec, const char *reason)
{
    struct job *job;
    exec->talk.strikes = 0;
    while ((job = jobs_pop(&exec->talk.waiting)))
        talk_finish(exec, job, WEIR_DOWN, reason);
}

bool life_start(struct exec *exec)
{
    struct talk *talk = &exec->talk;
    const struct settings *settings = &exec->settings;
    char real[4096], why[256] = "", text[64];
    int rc =
        program_check(settings->program, settings->insecure, real, sizeof real, why, sizeof why);
    if (rc == 0) {
        rc = child_start(&talk->child, real, settings->argv, settings->environment,
                         settings->folder);
        if (rc < 0 && strerror_r(-rc, text, sizeof text) == 0)
            snprintf(why, sizeof why, "%.160s can't be run: %s", settings->program, text);
    }
    talk->answers = 0;
    talk->breach[0] = talk->complaints.last[0] = '\0';
    talk->out_at = 0;
    weir_buf_clear(&talk->out);
    weir_buf_clear(&talk->in);
    if (rc < 0) {
        talk->silent++;
        talk->restart_ms = now_ms() + restart_delay_ms(exec);
        all_down(exec, why);
        return false;
    }
    snprintf(text, sizeof text, "runs as process %ld", (long)talk->child.pid);
    say(exec, WEIR_LOG_INFO, text, "");
    return true;
}

/* ---- its answers ---- */

static void breach(struct talk *talk, const char *what, weir_str line)
{
    weir_buf text = {0};
    put_text(&text, "wrote a line that ");
    put_text(&text, what);
    put_text(&text, ": ");
    put_visible(&text, line, 80);
    snprintf(talk->breach, sizeof talk->breach, "%.*s", WEIR_ARG(text));
    weir_buf_free(&text);
}

static void take_answer(struct exec *exec, weir_str line)
{
    struct talk *talk = &exec->talk;
    struct answer answer;
    const char *problem = answer_read(exec->json, line, &answer);
    struct job *job = talk->sent.head;
    while (!problem && job && job->id != answer.id)
        job = job->next;
    if (!problem && !job)
        problem = "answers no record that waits for an answer";
    if (problem) {
        breach(talk, problem, line);
        return;
    }
    talk->answers++;
    talk->silent = talk->strikes = 0;
    jobs_remove(&talk->sent, job);
    if (answer.outcome == WEIR_RETRY && answer.after_ms > 0) {
        job->due_ms = now_ms() + answer.after_ms;
        jobs_push(&talk->resting, job);
        return;
    }
    talk_finish(exec, job, answer.outcome, answer.why[0] ? answer.why : NULL);
}

static void take_lines(struct exec *exec)
{
    struct talk *talk = &exec->talk;
    weir_str rest = weir_buf_view(&talk->in);
    const char *end;
    while (!talk->breach[0] && rest.len > 0 && (end = memchr(rest.ptr, '\n', rest.len))) {
        weir_str line = weir_view(rest.ptr, (size_t)(end - rest.ptr));
        rest = weir_view(end + 1, rest.len - line.len - 1);
        take_answer(exec, line);
    }
    if (!talk->breach[0] && rest.len > ANSWER_MAX)
        breach(talk, "has more than 64 KiB", rest);
    if (rest.len > 0)
        memmove(talk->in.ptr, rest.ptr, rest.len);
    talk->in.len = rest.len;
}

bool life_read(struct exec *exec)
{
    struct talk *talk = &exec->talk;
    while (!talk->breach[0] && weir_buf_room(&talk->in, READ_BYTES)) {
        ssize_t got = read(talk->child.out_fd, talk->in.ptr + talk->in.len, READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 && errno == EAGAIN;
        talk->in.len += (size_t)got;
        take_lines(exec);
    }
    return false;
}

bool life_listen(struct exec *exec, int64_t timeout_ms)
{
    struct talk *talk = &exec->talk;
    int64_t until_ms = now_ms() + timeout_ms;
    bool speaks = !talk->breach[0], complains = true;
    while (!child_ended(&talk->child, 0)) {
        int64_t left_ms = until_ms - now_ms();
        struct pollfd ready[] = {{speaks ? talk->child.out_fd : -1, POLLIN, 0},
                                 {complains ? talk->child.err_fd : -1, POLLIN, 0},
                                 {talk->child.pid_fd, POLLIN, 0}};
        if (left_ms <= 0)
            return false;
        poll(ready, 3, (int)(talk->child.pid_fd < 0 && left_ms > 5 ? 5 : left_ms));
        if (ready[0].revents)
            speaks = life_read(exec);
        if (ready[1].revents)
            complains = complaints_read(exec);
    }
    return true;
}

/* ---- its end ---- */

static void describe_end(const struct exec *exec, const char *why, bool by_itself, int how,
                         char *out, size_t out_bytes)
{
    const struct talk *talk = &exec->talk;
    char text[96];
    if (!why && talk->breach[0])
        why = talk->breach;
    if (!why && !by_itself)
        why = "closed its output or its input";
    if (!why && WIFSIGNALED(how))
        snprintf(text, sizeof text, "was ended by signal %d", WTERMSIG(how));
    else if (!why)
        snprintf(text, sizeof text, "ended with status %d", WEXITSTATUS(how));
    snprintf(out, out_bytes, "the program %s%s%s", why ? why : text,
             talk->complaints.last[0] ? ", after it said: " : "", talk->complaints.last);
}

/* What it had and did not answer. Those to be sent again go before what waits, in their order. */
static void judge_sent(struct exec *exec, const char *reason, bool silent)
{
    struct talk *talk = &exec->talk;
    struct jobs sent = talk->sent, again = {0};
    bool alone = sent.count == 1;
    int64_t now = now_ms();
    struct job *job;
    talk->sent = (struct jobs){0};
    while ((job = jobs_pop(&sent))) {
        bool blamed = alone || job->due_ms <= now || atomic_load(&job->load->revoked);
        if (blamed) {
            talk_finish(exec, job, silent && talk->silent >= STRIKES ? WEIR_DOWN : WEIR_RETRY,
                        reason);
            continue;
        }
        talk->suspects += !job->suspect;
        job->suspect = true;
        jobs_push(&again, job);
    }
    jobs_move(&again, &talk->waiting);
    talk->waiting = again;
}

static void reap(struct exec *exec, int *how)
{
    while (!child_reap(&exec->talk.child, KILL_MS, how))
        say(exec, WEIR_LOG_ERROR, "was killed, and is not dead", "");
}

void life_end(struct exec *exec, const char *why, int64_t patience_ms)
{
    struct talk *talk = &exec->talk;
    char reason[400];
    int how = 0;
    bool by_itself = life_listen(exec, patience_ms);
    reap(exec, &how);
    life_read(exec); /* what it said before is true, also when it was killed */
    for (int i = 0; i < 64 && complaints_read(exec); i++)
        ;
    complaints_flush(exec);
    child_close(&talk->child);
    bool silent = talk->answers == 0 && talk->sent.count > 0;
    talk->silent += silent;
    talk->strikes += silent;
    describe_end(exec, why, by_itself, how, reason, sizeof reason);
    weir_logf(exec->inbox.host, exec->inbox.instance, WEIR_LOG_WARN,
              "%s; records that had no answer and come again: %zu", reason, talk->sent.count);
    judge_sent(exec, reason, silent);
    if (talk->strikes >= STRIKES)
        all_down(exec, reason);
    talk->restart_ms = now_ms() + restart_delay_ms(exec);
}

static void close_input(struct child *child)
{
    close(child->in_fd);
    child->in_fd = -1;
}

void life_end_gently(struct exec *exec)
{
    struct talk *talk = &exec->talk;
    int how = 0;
    if (talk->child.pid == 0)
        return;
    close_input(&talk->child);
    /* what it has yet was given up */
    bool ended = talk->sent.count > 0 || life_listen(exec, exec->settings.grace_ms);
    if (!ended) {
        say(exec, WEIR_LOG_WARN, "goes on without input, and is ended", "");
        child_signal(&talk->child, SIGTERM);
        life_listen(exec, TERM_MS);
    }
    if (!child_reap(&talk->child, KILL_MS, &how))
        say(exec, WEIR_LOG_ERROR, "was killed, and is not dead", "");
    for (int i = 0; i < 64 && complaints_read(exec); i++)
        ;
    complaints_flush(exec);
    child_close(&talk->child);
}
