/* Completes every record twice: first with `first`, then with the other one of ok and fail. */
#include "sink.h"

static void double_deliver(void *self, weir_delivery *delivery)
{
    const struct sink *sink = self;
    int32_t first = sink_number(sink, "first") == 0 ? WEIR_OK : WEIR_FAIL;
    int32_t second = first == WEIR_OK ? WEIR_FAIL : WEIR_OK;
    uint64_t token = sink->host->token(delivery);
    size_t count = sink->host->count(delivery);
    for (size_t i = 0; i < count; i++) {
        sink->host->complete(sink->instance, token, i, first, WEIR_STR("first"));
        sink->host->complete(sink->instance, token, i, second, WEIR_STR("second"));
    }
    sink->host->complete_rest(sink->instance, token, second, WEIR_STR("rest"));
}

static const weir_option options[] = {
    {"first", "\"ok\"", WEIR_O_ENUM, 0, "ok|fail", "The outcome given first."},
    {NULL, NULL, 0, 0, NULL, NULL}};
PLUGIN("double", .options = options, .open = plain_open, .close = plain_close,
       .deliver = double_deliver)
