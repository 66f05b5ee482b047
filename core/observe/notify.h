/* What a service manager is told, by systemd's sd_notify(3) protocol, without its library. */
#ifndef WEIR_OBSERVE_NOTIFY_H
#define WEIR_OBSERVE_NOTIFY_H
#include <stdint.h>

/* Sends `state`, lines such as "READY=1", as one datagram. `socket_name` is $NOTIFY_SOCKET: a path,
 * or "@name" in the abstract namespace; NULL = nobody listens, and nothing is done. Never blocks.
 * 0 or -errno. [any thread] */
int notify_send(const char *socket_name, const char *state);

/* How often the manager wants to hear WATCHDOG=1, from $WATCHDOG_USEC and $WATCHDOG_PID (NULL = not
 * set): a third of its limit, so that one may be late. 0 = not at all. */
int64_t notify_watchdog_ms(const char *usec, const char *pid);
#endif
