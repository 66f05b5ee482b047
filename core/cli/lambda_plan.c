#include "cli/lambda_plan.h"

#include "config/file.h"
#include "config/tree.h"

#include <errno.h>

enum { EVENTS_ALL = WEIR_INSERT | WEIR_MODIFY | WEIR_REMOVE };

/* What a plugin says in open() belongs to a run. */
static void quiet_log(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    (void)ctx;
    (void)sink;
    (void)level;
    (void)msg;
}

static int refuse(struct lambda_plan *plan)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    diags_print(&plan->diags, "nothing was printed", &text);
    cli_write(plan->cli->err, &text);
    buf_done(&text);
    return EXIT_CONFIG;
}

int lambda_plan_open(struct lambda_plan *plan, struct cli *cli)
{
    struct instance_services services = {.log = quiet_log};
    struct config_request request;
    const char *found = NULL, *searched = NULL;
    *plan = (struct lambda_plan){.cli = cli};
    arena_init(&plan->arena, 16 << 10);
    diags_init(&plan->diags);
    cli_config_request(cli, &request);
    request.lambda = false; /* the file is looked for as on any machine, and read as in Lambda */
    if (config_find(&plan->arena, &request, &found, &searched) < 0)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory");
    if (!found)
        return cli_fail(cli, EXIT_CONFIG, "name one with -c FILE",
                        "no configuration; looked for: %s", searched);
    request.path = found;
    request.lambda = true;
    int rc = config_load(&request, &plan->config, &plan->diags);
    if (rc == 0) {
        int chosen = lambda_plan_choose(plan);
        if (chosen != 0)
            return chosen;
    }
    if (rc == 0)
        rc = sink_set_open(plan->config, &services, &plan->diags, &plan->set);
    if (rc < 0)
        return rc == -ENOMEM ? cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory") : refuse(plan);
    const char *const *tables = plan->config->poll.tables;
    plan->table = cli->table ? cli->table : tables && tables[0] ? tables[0] : "Products";
    return 0;
}

void lambda_plan_close(struct lambda_plan *plan)
{
    sink_set_close(plan->set);
    config_free(plan->config);
    diags_done(&plan->diags);
    arena_done(&plan->arena);
}

/* ---- grants ---- */

static bool granted(const struct lambda_grant *grants, size_t count, struct lambda_grant grant)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(grants[i].action, grant.action) && str_eq(grants[i].resource, grant.resource))
            return true;
    return false;
}

struct lambda_grant *lambda_plan_grants(struct lambda_plan *plan, size_t *count)
{
    size_t most = 1;
    for (size_t i = 0; i < plan->set->count; i++)
        for (char **iam = plan->set->sinks[i].instance->iam; iam && *iam; iam++)
            most++;
    struct lambda_grant *grants =
        arena_alloc(&plan->arena, most * sizeof *grants, _Alignof(struct lambda_grant));
    *count = 0;
    for (size_t i = 0; grants && i < plan->set->count; i++)
        for (char **iam = plan->set->sinks[i].instance->iam; iam && *iam; iam++) {
            size_t len = strcspn(*iam, " ");
            struct lambda_grant grant = {{*iam, len}, str_of(*iam + len + ((*iam)[len] == ' '))};
            if (grant.resource.len == 0)
                grant.resource = STR("*");
            if (!granted(grants, *count, grant))
                grants[(*count)++] = grant;
        }
    return grants;
}

/* ---- filter ---- */

/* Event names that a sink can want; a rule that says nothing wants every one. */
static uint32_t events_of(const struct built_sink *sink)
{
    uint32_t events = EVENTS_ALL;
    for (size_t i = 0; i < sink->rule_count; i++)
        if (sink->rules[i].events)
            events &= sink->rules[i].events;
    return sink->rule_count ? events : 0;
}

static bool ttl_only(const struct built_sink *sink)
{
    for (size_t i = 0; i < sink->rule_count; i++)
        if (sink->rules[i].ttl > 0)
            return true;
    return false;
}

static const char *event_pattern(struct arena *arena, uint32_t events)
{
    struct buf text;
    buf_init(&text, 256);
    buf_puts(&text, "{\"eventName\":[");
    const char *comma = "";
    const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{WEIR_INSERT, "INSERT"}, {WEIR_MODIFY, "MODIFY"}, {WEIR_REMOVE, "REMOVE"}};
    for (size_t i = 0; i < 3; i++)
        if (events & names[i].bit) {
            buf_printf(&text, "%s\"%s\"", comma, names[i].name);
            comma = ",";
        }
    buf_puts(&text, "]}");
    const char *kept = text.failed ? NULL : arena_text(arena, buf_str(&text));
    buf_done(&text);
    return kept;
}

const char *const *lambda_plan_patterns(struct arena *arena, const struct sink_set *set,
                                        size_t *count)
{
    uint32_t events = 0;
    bool ttl = false;
    for (size_t i = 0; i < set->count; i++) {
        const struct built_sink *sink = &set->sinks[i];
        if (ttl_only(sink))
            ttl = true;
        else
            events |= events_of(sink);
    }
    const char **patterns =
        arena_alloc(arena, LAMBDA_PATTERNS_MAX * sizeof(char *), _Alignof(char *));
    *count = 0;
    if (!patterns || events == EVENTS_ALL)
        return patterns;
    if (events && !(patterns[(*count)++] = event_pattern(arena, events)))
        return NULL;
    if (ttl && !(events & WEIR_REMOVE))
        patterns[(*count)++] =
            "{\"eventName\":[\"REMOVE\"],\"userIdentity\":{\"type\":[\"Service\"],"
            "\"principalId\":[\"dynamodb.amazonaws.com\"]}}";
    return patterns;
}
