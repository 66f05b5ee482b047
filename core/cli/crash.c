#include "cli/crash.h"

#include "cli/cli.h"
#include "util/alloc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    ALT_STACK_BYTES = 64 * 1024,
    BLOCKED_LOG_MS = 10000,
    BLOCKED_EXIT_MS = 60000,
    LOOK_EVERY_S = 1
};

/* A signal handler can only be told through static memory. Written before the handlers are set. */
static const struct router_call *watched_call;
static int watched_fd;
static char alt_stack[ALT_STACK_BYTES];

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { FATAL_COUNT = sizeof fatal / sizeof *fatal };

/* Async-signal-safe: copies what is printable. */
static size_t add(char *line, size_t at, size_t cap, const char *text, size_t len)
{
    for (size_t i = 0; i < len && at < cap; i++)
        line[at++] = (char)(text[i] < ' ' || text[i] > '~' ? '?' : text[i]);
    return at;
}

static size_t add0(char *line, size_t at, size_t cap, const char *text)
{
    return add(line, at, cap, text, strlen(text));
}

static size_t describe(const struct router_call *call, const char *what, char *line, size_t cap)
{
    const char *sink = atomic_load(&call->sink);
    const char *sequence = atomic_load(&call->sequence);
    size_t at = add0(line, 0, cap, "weir: ");
    at = add0(line, at, cap, what);
    if (sink) {
        at = add0(line, at, cap, " in the plugin of sink ");
        at = add0(line, at, cap, sink);
        if (sequence) {
            at = add0(line, at, cap, " at record ");
            at = add(line, at, cap, sequence, atomic_load(&call->sequence_len));
        }
    }
    at = add0(line, at, cap, "; nothing unfinished was acknowledged");
    line[at++] = '\n';
    return at;
}

static void on_fatal(int signum)
{
    char line[512];
    const char *what = signum == SIGABRT ? "aborted" : "crashed";
    if (watched_call) {
        ssize_t ignored =
            write(watched_fd, line, describe(watched_call, what, line, sizeof line - 1));
        (void)ignored;
    }
    signal(signum, SIG_DFL);
    raise(signum);
}

void crash_watch(const struct router *router, int fd)
{
    watched_call = router_current_call(router);
    watched_fd = fd;
    stack_t stack = {.ss_sp = alt_stack, .ss_size = sizeof alt_stack};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = on_fatal,
                               .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND)};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FATAL_COUNT; i++)
        sigaction(fatal[i], &action, NULL);
}

void crash_forget(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FATAL_COUNT; i++)
        sigaction(fatal[i], &action, NULL);
    watched_call = NULL;
}

/* ---- watchdog ---- */

struct watchdog {
    const struct router_call *call;
    int fd;
    int64_t log_ms, exit_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    _Atomic uint64_t looks;
};

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void look(struct watchdog *watchdog, int64_t *logged_since_ms)
{
    char line[512], what[64];
    const struct router_call *call = watchdog->call;
    int64_t since_ms = atomic_load(&call->since_ms);
    if (!atomic_load(&call->sink))
        return;
    int64_t blocked_ms = monotonic_ms() - since_ms;
    bool leave = blocked_ms >= watchdog->exit_ms;
    if (!leave && (blocked_ms < watchdog->log_ms || *logged_since_ms == since_ms))
        return;
    *logged_since_ms = since_ms;
    snprintf(what, sizeof what, "blocked for %lld s%s",
             (long long)(leave ? watchdog->exit_ms : watchdog->log_ms) / 1000,
             leave ? ", gave up" : "");
    size_t len = describe(call, what, line, sizeof line - 1);
    ssize_t ignored = write(watchdog->fd, line, len);
    (void)ignored;
    if (leave)
        _exit(EXIT_SOFTWARE);
}

static void *watch(void *arg)
{
    struct watchdog *watchdog = arg;
    int64_t logged_since_ms = -1;
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += LOOK_EVERY_S;
        pthread_cond_timedwait(&watchdog->wake, &watchdog->lock, &until);
        look(watchdog, &logged_since_ms);
        atomic_fetch_add(&watchdog->looks, 1);
    }
    pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

struct watchdog *watchdog_over(const struct router_call *call, int fd, int64_t log_ms,
                               int64_t exit_ms)
{
    struct watchdog *watchdog = mem_zalloc(1, sizeof *watchdog);
    if (!watchdog)
        return NULL;
    watchdog->call = call;
    watchdog->fd = fd;
    watchdog->log_ms = log_ms;
    watchdog->exit_ms = exit_ms;
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_cond_init(&watchdog->wake, NULL);
    if (pthread_create(&watchdog->thread, NULL, watch, watchdog) == 0)
        return watchdog;
    pthread_cond_destroy(&watchdog->wake);
    pthread_mutex_destroy(&watchdog->lock);
    mem_free(watchdog);
    return NULL;
}

struct watchdog *watchdog_start(const struct router *router, int fd)
{
    return watchdog_over(router_current_call(router), fd, BLOCKED_LOG_MS, BLOCKED_EXIT_MS);
}

uint64_t watchdog_looks(const struct watchdog *watchdog)
{
    return watchdog ? atomic_load(&watchdog->looks) : 0;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (!watchdog)
        return;
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stopping = true;
    pthread_cond_signal(&watchdog->wake);
    pthread_mutex_unlock(&watchdog->lock);
    pthread_join(watchdog->thread, NULL);
    pthread_cond_destroy(&watchdog->wake);
    pthread_mutex_destroy(&watchdog->lock);
    mem_free(watchdog);
}
