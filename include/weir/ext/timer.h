/* weir.timer/1: one-shot timers on the host's monotonic clock (virtual in tests). All [loop]. */
#ifndef WEIR_EXT_TIMER_H
#define WEIR_EXT_TIMER_H
#include <weir/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_EXT_TIMER "weir.timer/1"

typedef struct weir_timer {
    uint32_t revision, struct_size; /* revision 1 */
    int64_t (*now_ms)(weir_instance *); /* monotonic; only differences mean something */
    int64_t (*wall_us)(weir_instance *); /* unix time */
    /* Calls fire(arg) once after delay_ms, from the loop, never from inside start(). Returns an id > 0,
     * or 0 when out of memory. Timers left at close() are dropped without a call. */
    uint64_t (*start)(weir_instance *, int64_t delay_ms, void (*fire)(void *arg), void *arg);
    void (*stop)(weir_instance *, uint64_t id); /* unknown or fired ids are ignored */
} weir_timer;

#ifdef __cplusplus
}
#endif
#endif
