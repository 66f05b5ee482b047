/* The watchdog over a plugin that blocks, in a child process, since it ends the process. */
#include "cli/crash.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void sleep_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Runs a call that lasts `busy_ms` under the watchdog. Its exit code, or 0; what it wrote. */
static int watched(int64_t log_ms, int64_t exit_ms, long busy_ms, char *text, size_t size)
{
    int ends[2], status = 0;
    CHECK_FATAL(pipe(ends) == 0);
    pid_t child = fork();
    CHECK_FATAL(child >= 0);
    if (child == 0) {
        static struct router_call call;
        struct watchdog *watchdog = watchdog_over(&call, ends[1], log_ms, exit_ms);
        atomic_store(&call.since_ms, monotonic_ms());
        atomic_store(&call.sequence, "4711 and more");
        atomic_store(&call.sequence_len, 4);
        atomic_store(&call.sink, "orders");
        sleep_ms(busy_ms);
        atomic_store(&call.sink, NULL);
        watchdog_stop(watchdog);
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t got; (got = read(ends[0], text + len, size - 1 - len)) > 0;)
        len += (size_t)got;
    text[len] = '\0';
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void F62_a_plugin_that_blocks_is_named_then_the_process_ends_with_70(void)
{
    char text[2048];
    CHECK_INT(watched(1000, 3000, 20000, text, sizeof text), 70);
    const char *first =
        strstr(text, "blocked for 1 s in the plugin of sink orders at record 4711;");
    CHECK(first != NULL);
    CHECK(strstr(text, "blocked for 3 s, gave up in the plugin of sink orders") != NULL);
    CHECK(!first || strstr(first + 1, "blocked for 1 s") == NULL); /* said once */
}

static void F62_a_call_that_ends_in_time_is_left_alone(void)
{
    char text[2048];
    CHECK_INT(watched(60000, 90000, 1500, text, sizeof text), 0);
    CHECK_STR(text, "");
}

int main(int argc, char **argv)
{
    static const struct unit_test tests[] = {
        {"F62_a_plugin_that_blocks_is_named_then_the_process_ends_with_70",
         F62_a_plugin_that_blocks_is_named_then_the_process_ends_with_70},
        {"F62_a_call_that_ends_in_time_is_left_alone", F62_a_call_that_ends_in_time_is_left_alone},
        {NULL, NULL}};
    return unit_main(argc, argv, "cli, watchdog", tests);
}
