#include "config/keys.h"

#include "aws/aws.h"
#include "config/endpoint.h"
#include "record/match.h"
#include "source/streams_api.h"
#include "util/text.h"

/* ---- where a problem is marked ---- */

static weir_str value_at(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_member0(object, name);
    if (value)
        return diag_value_of(value);
    return object && object->name_at ? diag_name_of(object) : STR_NONE;
}

static weir_str name_at(const struct json_value *member)
{
    return member && member->name_at ? diag_name_of(member) : STR_NONE;
}

/* ---- source and endpoints ---- */

static bool stands_before(const char *const *names, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(names[i], names[index]) == 0)
            return true;
    return false;
}

static void refuse_twice(struct apply *apply, weir_str at, const char *key, const char *name)
{
    struct diag *diag = diag_error(apply->diags, "W0405", at, "\"%s\" names %s twice", key, name);
    diag_help(apply->diags, diag, "name it once: each of its records would come twice.");
}

static void check_arn(struct apply *apply, weir_str at, const char *arn)
{
    weir_str region, table, label;
    if (streams_arn_parts(str_of(arn), &region, &table, &label))
        return;
    struct diag *diag =
        diag_error(apply->diags, "W0105", at, "\"streams\" wants ARNs of streams, not \"%s\"", arn);
    diag_help(apply->diags, diag,
              "write \"arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE/stream/LABEL\", or the "
              "table's name in \"tables\".");
}

static void check_followed(struct apply *apply, const char *key, const char *const *names,
                           bool are_arns)
{
    const struct json_value *list = json_member0(apply->config->source_at, key);
    const struct json_value *entry = list ? list->first : NULL;
    for (size_t i = 0; names && names[i]; i++, entry = entry ? entry->next : NULL) {
        weir_str at = entry ? diag_value_of(entry) : STR_NONE;
        if (stands_before(names, i))
            refuse_twice(apply, at, key, names[i]);
        if (are_arns)
            check_arn(apply, at, names[i]);
    }
}

static void check_source(struct apply *apply)
{
    const struct config *config = apply->config;
    const struct json_value *at = config->source_at;
    struct diag *diag;
    if (!at || at->kind != JSON_OBJECT || config->source == SOURCE_LAMBDA)
        return;
    if (config->source == SOURCE_NONE && !json_member0(at, "kind")) {
        diag = diag_error(apply->diags, "W0102", name_at(at), "\"kind\" is missing in source");
        diag_help(apply->diags, diag, "write \"kind\": \"poll\", \"lambda\", \"kcl\" or \"file\".");
    }
    if (config->source == SOURCE_FILE && (!config->file_path || !*config->file_path)) {
        diag = diag_error(apply->diags, "W0402", value_at(at, "kind"),
                          "a source of kind \"file\" needs a \"path\"");
        diag_help(apply->diags, diag,
                  "add \"path\": \"records.jsonl\", or \"-\" for standard input.");
    }
    bool none = !config->poll.tables && !config->poll.streams;
    if (config->source == SOURCE_POLL && none && !json_member0(at, "tables") &&
        !json_member0(at, "streams")) {
        diag = diag_error(apply->diags, "W0402", value_at(at, "kind"),
                          "a source of kind \"poll\" needs \"tables\" or \"streams\"");
        diag_help(apply->diags, diag, "add \"tables\": [\"Products\"].");
    }
    if (config->source == SOURCE_POLL) {
        check_followed(apply, "tables", config->poll.tables, false);
        check_followed(apply, "streams", config->poll.streams, true);
    }
    bool at_time = config->source == SOURCE_POLL && config->poll.starting_position &&
                   strcmp(config->poll.starting_position, "AT_TIMESTAMP") == 0;
    if (at_time && !json_member0(at, "starting_timestamp")) {
        diag = diag_error(apply->diags, "W0402", value_at(at, "starting_position"),
                          "AT_TIMESTAMP needs a \"starting_timestamp\"");
        diag_help(apply->diags, diag, "add \"starting_timestamp\": \"2026-01-15T10:00:00Z\".");
    }
}

/* What is the daemon's to decide there, and the ARN, which its protocol does not carry. */
static void check_kcl(struct apply *apply)
{
    static const char *const theirs[] = {"tables",
                                         "starting_position",
                                         "starting_timestamp",
                                         "batch_size",
                                         "maximum_batching_window",
                                         "parallelization_factor",
                                         "idle_poll",
                                         "loops",
                                         "on_gap",
                                         "path",
                                         NULL};
    const struct config *config = apply->config;
    const struct json_value *at = config->source_at;
    const char *const *streams = config->poll.streams;
    struct diag *diag;
    if (config->source != SOURCE_KCL)
        return;
    for (const char *const *name = theirs; *name; name++)
        if (json_member0(at, *name))
            diag_warning(apply->diags, "W0403", name_at(json_member0(at, *name)),
                         "\"%s\" is not used by a source of kind \"kcl\"; KCL's properties decide",
                         *name);
    if (streams && streams[0] && streams[1])
        diag_error(apply->diags, "W0105", value_at(at, "streams"),
                   "a source of kind \"kcl\" has one stream");
    if (streams || json_member0(at, "streams"))
        return;
    diag = diag_warning(apply->diags, "W0402", value_at(at, "kind"),
                        "without \"streams\" records name no stream and no table, and a sink that "
                        "writes to that table is not noticed");
    diag_help(apply->diags, diag, "add \"streams\": [\"${STREAM_ARN}\"], as in KCL's properties.");
}

/* `section`: whose "allow_http" it is. */
static void check_url(struct apply *apply, const char *url, bool allow_http, const char *section,
                      weir_str at)
{
    const char *problem = endpoint_problem(str_of(url), allow_http);
    if (!problem)
        return;
    struct diag *diag = diag_error(apply->diags, "W0109", at, "this endpoint %s", problem);
    if (strstr(problem, "user information"))
        diag_hide_line(diag);
    else if (strstr(problem, "plain http"))
        diag_help(apply->diags, diag, "use https, or set \"allow_http\": true in %s.", section);
    else if (strstr(problem, "begin"))
        diag_help(apply->diags, diag, "write it as \"https://HOST\" or \"http://127.0.0.1:8000\".");
}

static void check_endpoints(struct apply *apply)
{
    struct config *config = apply->config;
    const struct json_value *aws = json_member0(config->root, "aws");
    if (config->aws.endpoint_url && !*config->aws.endpoint_url)
        config->aws.endpoint_url = NULL;
    if (config->aws.endpoint_url)
        check_url(apply, config->aws.endpoint_url, config->aws.allow_http, "aws",
                  value_at(aws, "endpoint_url"));
    const struct json_value *endpoints = json_member0(aws, "endpoints");
    for (size_t i = 0; i < config->aws.endpoint_count; i++)
        check_url(apply, config->aws.endpoints[i].url, config->aws.allow_http, "aws",
                  value_at(endpoints, config->aws.endpoints[i].service));
    if (config->aws.region && !*config->aws.region)
        config->aws.region = NULL;
    if (config->aws.profile && !*config->aws.profile)
        config->aws.profile = NULL;
    if (config->aws.profile && config->source == SOURCE_LAMBDA)
        diag_warning(
            apply->diags, "W0403", name_at(json_member0(aws, "profile")),
            "\"profile\" is not used in Lambda, which gives credentials by the environment");
}

static void check_otlp(struct apply *apply)
{
    struct config *config = apply->config;
    if (config->otlp.endpoint && !*config->otlp.endpoint)
        config->otlp.endpoint = NULL;
    if (config->otlp.endpoint)
        check_url(apply, config->otlp.endpoint, config->otlp.allow_http, "otlp",
                  value_at(json_member0(config->root, "otlp"), "endpoint"));
}

static void check_state(struct apply *apply)
{
    static const char *const only_there[] = {"table", "lease", NULL};
    const struct config *config = apply->config;
    const struct json_value *state = json_member0(config->root, "state");
    bool dynamodb = config->state.kind && strcmp(config->state.kind, "dynamodb") == 0;
    if (dynamodb && !config->state.table && !json_member0(state, "table")) {
        struct diag *diag = diag_error(apply->diags, "W0404", value_at(state, "kind"),
                                       "a state of kind \"dynamodb\" needs a \"table\"");
        diag_help(apply->diags, diag,
                  "add \"table\": \"weir-state\"; its key is pk (S) and sk (S).");
    }
    for (const char *const *name = only_there; *name && !dynamodb; name++)
        if (json_member0(state, *name))
            diag_warning(apply->diags, "W0403", name_at(json_member0(state, *name)),
                         "\"%s\" is only used by a state of kind \"dynamodb\"", *name);
}

/* ---- dead letters ---- */

static struct sink_config *find_sink(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (strcmp(config->sinks[i].name, name) == 0)
            return &config->sinks[i];
    return NULL;
}

static const char *const *names_but(struct apply *apply, const struct sink_config *sink)
{
    const char **names = apply_alloc(apply, apply->config->sink_count + 1, sizeof(char *));
    for (size_t i = 0, count = 0; names && i < apply->config->sink_count; i++)
        if (&apply->config->sinks[i] != sink)
            names[count++] = apply->config->sinks[i].name;
    return names;
}

/* `from` (NULL: the pipeline) names it: another one is meant. */
static void unknown_sink(struct apply *apply, const char *code, const struct sink_config *from,
                         weir_str at, const char *name)
{
    const char *const *names = names_but(apply, from);
    struct diag *diag = diag_error(apply->diags, code, at, "there is no sink \"%s\"", name);
    const char *near = names ? nearest_name(str_of(name), names) : NULL;
    if (near) {
        diag_help(apply->diags, diag, "did you mean \"%s\"?", near);
        diag_replace(apply->diags, diag, apply_format(apply, "\"%s\"", near));
    }
}

static bool no_local_store(const struct config *config)
{
    return config->source == SOURCE_LAMBDA || config->source == SOURCE_KCL;
}

static void check_dead(struct apply *apply, weir_str at)
{
    if (!no_local_store(apply->config))
        return;
    struct diag *diag =
        diag_error(apply->diags, "W0306", at,
                   "\"dead\" stores records on this machine, which %s has no place for",
                   apply->config->source == SOURCE_KCL ? "kcl" : "Lambda");
    diag_help(apply->diags, diag,
              "write { \"to\": \"SINK\" } for a dead-letter sink, or \"block\".");
}

/* The target of a route: it exists, is enabled, and takes letters from `from` (NULL: the pipeline).
 */
static void check_target(struct apply *apply, const char *target, const struct sink_config *from,
                         weir_str at)
{
    const struct sink_config *sink = find_sink(apply->config, target);
    if (!sink) {
        unknown_sink(apply, "W0303", from, at, target);
        return;
    }
    if (!sink->enabled) {
        struct diag *diag = diag_error(apply->diags, "W0303", at,
                                       "the dead-letter sink \"%s\" is not enabled", target);
        diag_help(apply->diags, diag,
                  "set \"enabled\": true there, or send the records elsewhere.");
    }
    bool listed = !sink->only_from || !from;
    for (const char *const *name = sink->only_from; name && *name && from; name++)
        listed = listed || strcmp(*name, from->name) == 0;
    if (!listed) {
        struct diag *diag =
            diag_error(apply->diags, "W0307", at, "sink \"%s\" takes no dead letters from \"%s\"",
                       target, from->name);
        diag_help(apply->diags, diag, "add \"%s\" to \"only_from\" of \"%s\".", from->name, target);
    }
}

static weir_str target_at(const struct json_value *owner, const char *key)
{
    const struct json_value *route = json_member0(owner, key);
    return route && route->kind == JSON_OBJECT ? value_at(route, "to") : value_at(owner, key);
}

/* Follows the route from `start`; true when it comes back there. `first` is set when no sink on the
 * circle was written before `start`, so that each circle is reported once. */
static bool in_circle(const struct config *config, const struct sink_config *start, bool *first)
{
    const struct sink_config *at = start;
    *first = true;
    for (size_t steps = 0; steps <= config->sink_count; steps++) {
        if (at->on_exhausted != EXHAUSTED_SINK || !at->exhausted_sink)
            return false;
        at = find_sink(config, at->exhausted_sink);
        if (at == start)
            return true;
        if (!at)
            return false;
        *first = *first && at > start;
    }
    return false;
}

static bool is_target(const struct config *config, const struct sink_config *sink)
{
    bool found = config->poison_sink && strcmp(config->poison_sink, sink->name) == 0;
    for (size_t i = 0; i < config->sink_count && !found; i++)
        found = config->sinks[i].exhausted_sink &&
                strcmp(config->sinks[i].exhausted_sink, sink->name) == 0;
    return found;
}

static void check_route(struct apply *apply, struct sink_config *sink)
{
    bool first;
    weir_str at = target_at(sink->at, "on_exhausted");
    if (sink->on_exhausted == EXHAUSTED_DEAD)
        check_dead(apply, at);
    if (sink->on_exhausted == EXHAUSTED_SINK)
        check_target(apply, sink->exhausted_sink, sink, at);
    bool circle = in_circle(apply->config, sink, &first);
    if (circle && first)
        diag_error(apply->diags, "W0304", at, "dead letters of \"%s\" would come back to it",
                   sink->name);
    bool passes_on = sink->on_exhausted == EXHAUSTED_SINK || sink->on_exhausted == EXHAUSTED_DROP;
    if (passes_on && !circle && is_target(apply->config, sink)) {
        struct diag *diag = diag_error(apply->diags, "W0305", at,
                                       "sink \"%s\" takes dead letters, so it may only have "
                                       "\"dead\" or \"block\" itself",
                                       sink->name);
        diag_help(apply->diags, diag, "a record must come to rest after one dead-letter sink.");
    }
}

static void check_only_from(struct apply *apply, struct sink_config *sink)
{
    if (!sink->only_from)
        return;
    const struct json_value *entry = json_member0(sink->at, "only_from")->first;
    for (const char *const *name = sink->only_from; *name;
         name++, entry = entry ? entry->next : NULL) {
        weir_str at = entry ? diag_value_of(entry) : STR_NONE;
        if (!find_sink(apply->config, *name))
            unknown_sink(apply, "W0307", sink, at, *name);
        else if (strcmp(*name, sink->name) == 0)
            diag_error(apply->diags, "W0307", at, "sink \"%s\" can't take its own dead letters",
                       sink->name);
    }
    sink->dead_letters_only = true;
    if (sink->enabled && !is_target(apply->config, sink)) {
        struct diag *diag = diag_warning(
            apply->diags, "W0307", name_at(json_member0(sink->at, "only_from")),
            "no sink sends its dead letters to \"%s\", so it gets nothing", sink->name);
        diag_help(apply->diags, diag, "write \"on_exhausted\": { \"to\": \"%s\" } in a sink.",
                  sink->name);
    }
}

/* ---- sinks ---- */

/* The retry limits of the source are the defaults of its sinks; Lambda has its mapping's instead.
 */
static void inherit_limits(const struct config *config, struct sink_config *sink)
{
    const struct json_value *retry = json_member0(sink->at, "retry");
    if (config->in_lambda)
        return;
    if (json_member0(config->source_at, "maximum_retry_attempts") &&
        !json_member0(retry, "max_attempts"))
        sink->max_attempts = config->poll.maximum_retry_attempts < 0
                                 ? INT64_MAX
                                 : config->poll.maximum_retry_attempts + 1;
    if (!json_member0(retry, "max_record_age"))
        sink->max_record_age_ms = config->poll.maximum_record_age_ms;
}

static void check_retry(struct apply *apply, const struct sink_config *sink)
{
    const struct json_value *retry = json_member0(sink->at, "retry");
    if (sink->cap_ms < sink->base_ms)
        diag_error(apply->diags, "W0105",
                   value_at(retry, json_member0(retry, "cap") ? "cap" : "base"),
                   "\"cap\" of sink \"%s\" is shorter than its \"base\"", sink->name);
}

static void check_sink(struct apply *apply, struct sink_config *sink)
{
    inherit_limits(apply->config, sink);
    check_retry(apply, sink);
    check_only_from(apply, sink);
    check_route(apply, sink);
}

static void count_sinks(struct apply *apply)
{
    const struct config *config = apply->config;
    const struct json_value *sinks = json_member0(config->root, "sinks");
    size_t enabled = 0;
    for (size_t i = 0; i < config->sink_count; i++)
        if (config->sinks[i].enabled && ++enabled == MATCH_SINKS_MAX + 1)
            diag_error(apply->diags, "W0308", name_at(config->sinks[i].at),
                       "more than %d enabled sinks", MATCH_SINKS_MAX);
    if (enabled == 0 && sinks && sinks->kind == JSON_OBJECT && apply->diags->errors == 0) {
        struct diag *diag = diag_error(apply->diags, "W0309", name_at(sinks), "no sink is enabled");
        diag_help(apply->diags, diag, "records would be read and thrown away.");
    }
}

void config_rules(struct apply *apply)
{
    struct config *config = apply->config;
    enum exhausted_kind fallback = no_local_store(config) ? EXHAUSTED_BLOCK : EXHAUSTED_DEAD;
    check_source(apply);
    check_kcl(apply);
    check_endpoints(apply);
    check_otlp(apply);
    check_state(apply);
    rules_listen(apply);
    weir_str poison_at = target_at(config->root, "on_poison");
    if (config->on_poison == EXHAUSTED_DEAD)
        check_dead(apply, poison_at);
    if (config->on_poison == EXHAUSTED_SINK)
        check_target(apply, config->poison_sink, NULL, poison_at);
    for (size_t i = 0; i < config->sink_count; i++)
        check_sink(apply, &config->sinks[i]);
    count_sinks(apply);
    if (config->on_poison == EXHAUSTED_DEFAULT)
        config->on_poison = fallback;
    for (size_t i = 0; i < config->sink_count; i++)
        if (config->sinks[i].on_exhausted == EXHAUSTED_DEFAULT)
            config->sinks[i].on_exhausted = fallback;
}
