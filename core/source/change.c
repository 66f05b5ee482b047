/* What a reload changes of a poll that runs. */
#include "source/poll_parts.h"

/* What is with the router is waited for as it was asked for when it was given. */
void poll_set_optional(struct poll *poll, uint64_t optional, uint32_t images_needed,
                       const char *images_sink)
{
    poll->config.optional = optional;
    poll->config.images_needed = images_needed;
    poll->config.images_sink = images_sink;
    poll->required = poll->sinks & ~optional;
    if (!poll->required) /* then all are waited for */
        poll->required = poll->sinks;
    if (poll->phase == POLL_READING)
        poll_pump(poll);
}
