/* Blocks the router in record(): asleep or spinning, for `time` or (0s) for ever, from the record
 * with the event id `at` on. */
#include "sink.h"
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int32_t hang_record(void *self, const weir_record *record)
{
    const struct sink *sink = self;
    int64_t time_ms = sink_number(sink, "time"), end_ms = now_ms() + time_ms;
    weir_str at = {"", 0};
    sink->host->option_str(sink->instance, "at", &at);
    if (at.len > 0 && !weir_equal(sink->host->field(record, WEIR_F_EVENT_ID), at))
        return WEIR_OK;
    while (time_ms == 0 || now_ms() < end_ms) {
        struct timespec pause = {0, 1000000};
        if (!sink_number(sink, "spin"))
            nanosleep(&pause, NULL);
    }
    return WEIR_OK;
}

static const weir_option options[] = {
    {"time", "\"0s\"", WEIR_O_DURATION_MS, 0, NULL, "How long; 0s = for ever."},
    {"spin", "false", WEIR_O_BOOL, 0, NULL, "Busy instead of asleep."},
    {"at", NULL, WEIR_O_STRING, 0, NULL, "The event id; unset: every record."},
    {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("hang", .options = options, .open = plain_open, .close = plain_close, .record = hang_record)
