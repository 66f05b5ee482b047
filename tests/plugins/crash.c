/* Ends the process in its record(), as `how` says, at the record with the event id `at`. */
#include "sink.h"
#include <signal.h>

static int32_t overflow(volatile char *above, int32_t depth)
{
    volatile char frame[4096];
    frame[0] = above ? above[0] : (char)depth;
    return depth < 0 ? frame[0] : overflow(frame, depth + 1) + frame[0];
}

static int32_t crash_record(void *self, const weir_record *record)
{
    const struct sink *sink = self;
    weir_str at = {"", 0};
    sink->host->option_str(sink->instance, "at", &at);
    if (at.len > 0 && !weir_equal(sink->host->field(record, WEIR_F_EVENT_ID), at))
        return WEIR_OK;
    switch (sink_number(sink, "how")) {
    case 0: {
        volatile int *nowhere = NULL;
        *nowhere = 1;
        return WEIR_OK;
    }
    case 1:
        abort();
    case 2:
        raise(SIGFPE);
        return WEIR_OK;
    case 3:
        return overflow(NULL, 0);
    default:
        exit(0);
    }
}

static const weir_option options[] = {
    {"at", NULL, WEIR_O_STRING, 0, NULL, "The event id; unset: the first record."},
    {"how", "\"segv\"", WEIR_O_ENUM, 0, "segv|abort|fpe|overflow|exit", "The way to end."},
    {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("crash", .options = options, .open = plain_open, .close = plain_close,
       .record = crash_record)
