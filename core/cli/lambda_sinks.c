/* --sinks of the verbs of `weir lambda`: the template, policy or filter for some of the enabled
 * sinks. */
#include "cli/lambda_plan.h"

#include <string.h>

static struct sink_config *enabled_named(struct config *config, weir_str name)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (config->sinks[i].enabled && str_is(name, config->sinks[i].name))
            return &config->sinks[i];
    return NULL;
}

static int unknown(const struct lambda_plan *plan, weir_str name)
{
    struct buf names;
    buf_init(&names, 8 << 10);
    for (size_t i = 0; i < plan->config->sink_count; i++)
        if (plan->config->sinks[i].enabled)
            buf_printf(&names, "%s%s",
                       names.len ? ", " : "Enabled here: ", plan->config->sinks[i].name);
    int len = name.len > 64 ? 64 : (int)name.len;
    int rc = cli_fail(plan->cli, EXIT_USAGE, buf_cstr(&names), "no enabled sink named \"%.*s\"",
                      len, name.ptr);
    buf_done(&names);
    return rc;
}

/* A sink is no use without the one that its dead letters go to, nor that one without the next. */
static void keep(struct config *config, bool *kept, const char *name)
{
    for (size_t links = 0; name && links <= config->sink_count; links++) {
        const struct sink_config *sink = enabled_named(config, str_of(name));
        if (!sink || kept[sink - config->sinks])
            return;
        kept[sink - config->sinks] = true;
        name = sink->exhausted_sink;
    }
}

int lambda_plan_choose(struct lambda_plan *plan)
{
    struct config *config = plan->config;
    const char *at = plan->cli->sinks;
    bool *kept = arena_alloc(&plan->arena, config->sink_count + 1, 1);
    if (!at)
        return 0;
    if (!kept)
        return cli_fail(plan->cli, EXIT_SOFTWARE, NULL, "out of memory");
    memset(kept, 0, config->sink_count + 1);
    for (;;) {
        weir_str name = {at, (uint32_t)strcspn(at, ",")};
        const struct sink_config *sink = enabled_named(config, name);
        if (!sink)
            return unknown(plan, name);
        keep(config, kept, sink->name);
        at += name.len;
        if (!*at)
            break;
        at++;
    }
    keep(config, kept, config->poison_sink);
    for (size_t i = 0; i < config->sink_count; i++)
        config->sinks[i].enabled = kept[i];
    return 0;
}
