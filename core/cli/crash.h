/* When a plugin brings the process down or stands still: say which one, and at which record. */
#ifndef WEIR_CLI_CRASH_H
#define WEIR_CLI_CRASH_H
#include "router/router.h"

/* From now on a fatal signal prints one line that names the sink and record being worked on, then
 * takes its usual course. Nothing of an unfinished batch is ever acknowledged by it. */
void crash_watch(const struct router *router, int fd);
void crash_forget(void);

struct watchdog;
/* Logs a plugin that blocks the router thread for 10 s, and ends the process with 70 after 60 s: a
 * restart is the only way to free it. NULL when no thread could be started. */
struct watchdog *watchdog_start(const struct router *router, int fd);
/* The same over any call, with other times. */
struct watchdog *watchdog_over(const struct router_call *call, int fd, int64_t log_ms,
                               int64_t exit_ms);
/* How often it has looked: a count that stands still is a watchdog that does. NULL: 0. [any
 * thread] */
uint64_t watchdog_looks(const struct watchdog *watchdog);
void watchdog_stop(struct watchdog *watchdog); /* NULL is fine */
#endif
