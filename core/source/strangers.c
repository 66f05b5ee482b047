/* Stored progress of sinks that are not in use: kept of those that are only disabled, and for a
 * week of those that the configuration does not name any more (D9). */
#include "source/poll_parts.h"

static const int64_t KEPT_US = 7 * 86400 * INT64_C(1000000);

static bool in_use(const struct poll *poll, weir_str sink)
{
    for (size_t i = 0; i < poll->sink_count; i++)
        if (poll->sinks >> i & 1 && str_is(sink, router_sink_name(poll->config.router, i)))
            return true;
    return false;
}

static bool is_stranger(const struct poll *poll, const struct state_row *row)
{
    return row->kind != STATE_STREAM && !in_use(poll, row->sink) && poll->config.configured &&
           !poll->config.configured(poll->config.configured_ctx, row->sink);
}

static struct stranger *find(struct poll *poll, weir_str sink)
{
    for (size_t i = 0; i < poll->stranger_count; i++)
        if (str_eq(poll->strangers[i].sink, sink))
            return &poll->strangers[i];
    return NULL;
}

void strangers_find(struct poll *poll)
{
    int64_t now_us = poll->clock->wall_us(poll->clock->ctx);
    for (size_t i = 0; i < poll->row_count; i++) {
        const struct state_row *row = &poll->rows[i];
        struct stranger *stranger = find(poll, row->sink);
        if (!stranger && (poll->stranger_count == STRANGERS_MAX || !is_stranger(poll, row)))
            continue;
        if (!stranger) {
            stranger = &poll->strangers[poll->stranger_count++];
            *stranger = (struct stranger){.sink = row->sink};
        }
        if (row->updated_us > stranger->used_us)
            stranger->used_us = row->updated_us;
    }
    for (size_t i = 0; i < poll->stranger_count; i++) {
        struct stranger *stranger = &poll->strangers[i];
        stranger->goes = now_us - stranger->used_us >= KEPT_US;
        poll->erase_strangers = poll->erase_strangers || stranger->goes;
        poll_log(poll, WEIR_LOG_WARN, "W0813",
                 "sink %.*s is not in the configuration any more (was it renamed?): its positions "
                 "hold nothing and are %s",
                 STR_ARG(stranger->sink),
                 stranger->goes ? "erased, a week after their last use" : "kept for a week");
    }
}

bool stranger_goes(struct poll *poll, const struct state_row *row)
{
    const struct stranger *stranger = row->kind == STATE_STREAM ? NULL : find(poll, row->sink);
    return stranger && stranger->goes;
}
