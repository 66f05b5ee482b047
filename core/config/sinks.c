#include "config/sinks.h"

#include "aws/aws.h"
#include "config/compare.h"
#include "util/alloc.h"

#include <errno.h>
#include <stdio.h>

enum { EVENTS_ALL = WEIR_INSERT | WEIR_MODIFY | WEIR_REMOVE };

struct opening {
    struct config *config;
    const struct instance_services *services;
    struct diags *diags;
    const char *const *folders;
    struct arena arena;             /* of the folders' names */
    const struct sink_config *sink; /* the one being opened */
    size_t problems;                /* of its options */
    const struct sink_set *old;     /* of a reload; or NULL */
};

/* ---- places ---- */

static weir_str name_of_sink(const struct sink_config *sink)
{
    return sink->at && sink->at->name_at ? diag_name_of(sink->at) : STR_NONE;
}

static weir_str place_of(const struct sink_config *sink, const char *section, const char *key)
{
    const struct json_value *at = section ? json_member0(sink->at, section) : sink->at;
    const struct json_value *value = json_member0(at, key);
    if (value)
        return diag_value_of(value);
    return name_of_sink(sink);
}

/* Messages of lower layers are "what; help: what to do". */
static void report(struct diags *diags, const char *code, weir_str at, const char *text)
{
    const char *help = strstr(text, "; help: ");
    int len = help ? (int)(help - text) : (int)strlen(text);
    struct diag *diag = diag_error(diags, code, at, "%.*s", len, text);
    if (help)
        diag_help(diags, diag, "%s", help + 8);
}

/* ---- loading ---- */

static void plugin_problem(struct opening *opening, int rc, const struct err *err)
{
    weir_str at =
        place_of(opening->sink, NULL, rc == -EACCES && opening->sink->sha256 ? "sha256" : "plugin");
    const char *code = rc == -ENOENT   ? "W0201"
                       : rc == -EACCES ? "W0202"
                       : rc == -EINVAL ? "W0105"
                                       : "W0203";
    report(opening->diags, code, at, err->msg);
}

static int load_plugin(struct opening *opening, struct built_sink *built)
{
    struct err err = {0};
    const struct sink_config *sink = opening->sink;
    struct plugin_search search = {.dirs = opening->folders,
                                   .sha256 = sink->sha256,
                                   .insecure = sink->insecure,
                                   .allow_any_owner = opening->config->in_lambda};
    int rc = plugin_load(sink->plugin, &search, &built->plugin, &err);
    if (rc < 0 && rc != -ENOMEM)
        plugin_problem(opening, rc, &err);
    return rc;
}

static void on_option_problem(void *arg, const struct option_problem *problem)
{
    struct opening *opening = arg;
    const struct json_value *at = problem->at;
    weir_str place = name_of_sink(opening->sink);
    if (at && problem->whole_name && at->name_at)
        place = diag_name_of(at);
    else if (at && at->raw.ptr)
        place = diag_value_of(at);
    opening->problems++;
    struct diag *diag = diag_error(opening->diags, problem->code, place, "%s", problem->msg);
    if (strcmp(problem->code, "W0108") == 0) /* FAULTS S16: a secret stands in the file */
        diag_hide_line(diag);
    if (problem->help[0])
        diag_help(opening->diags, diag, "%s", problem->help);
}

/* Only in the state file of a daemon, which it alone writes. */
static bool keeps_values(const struct config *config)
{
#ifdef WEIR_SQLITE
    return config->source == SOURCE_POLL && config->state.kind &&
           strcmp(config->state.kind, "sqlite") == 0;
#else
    (void)config;
    return false;
#endif
}

static int open_instance(struct opening *opening, struct built_sink *built)
{
    struct err err = {0};
    opening->problems = 0;
    struct instance_services services = *opening->services;
    if (!services.aws_table) /* for checks and plans: there to be asked for, but nobody is called */
        services.aws_table = &aws_extension;
    if (!keeps_values(opening->config))
        services.without = WEIR_EXT_KV;
    services.dir = opening->config->dir;
    int rc = instance_new(built->plugin, opening->sink->name, opening->sink->options, &services,
                          on_option_problem, opening, &built->instance, &err);
    if (rc < 0 && rc != -ENOMEM && opening->problems == 0)
        report(opening->diags, "W0204", place_of(opening->sink, NULL, "plugin"), err.msg);
    return rc;
}

/* ---- what the sink matches ---- */

static void make_rules(struct built_sink *built)
{
    const weir_subscription *wants = &built->instance->subscription;
    const struct sink_config *sink = built->config;
    struct match_rule *plugin = &built->rules[0], *config = &built->rules[1];
    built->rule_count = sink->dead_letters_only ? 0 : 2;
    plugin->events = wants->events;
    plugin->images = wants->images;
    if (wants->struct_size == 0)
        plugin->optional_images = WEIR_OLD | WEIR_NEW;
    if (wants->changed_only)
        plugin->changed = wants->attributes;
    else
        plugin->present = wants->attributes;
    config->events = sink->events;
    config->changed = sink->changed;
    config->present = sink->present;
    config->ttl = sink->ttl;
    config->filter = sink->filter;
}

static void events_text(uint32_t events, char out[32])
{
    snprintf(out, 32, "%s%s%s%s%s", events & WEIR_INSERT ? "INSERT" : "",
             events & WEIR_INSERT && events & (WEIR_MODIFY | WEIR_REMOVE) ? ", " : "",
             events & WEIR_MODIFY ? "MODIFY" : "",
             events & WEIR_MODIFY && events & WEIR_REMOVE ? ", " : "",
             events & WEIR_REMOVE ? "REMOVE" : "");
}

static void check_match(struct opening *opening, const struct built_sink *built)
{
    char watched[32], asked[32];
    const struct sink_config *sink = built->config;
    uint32_t plugin = built->rules[0].events ? built->rules[0].events : EVENTS_ALL;
    uint32_t config = sink->events ? sink->events : EVENTS_ALL;
    struct diag *diag = NULL;
    events_text(plugin, watched);
    events_text(config, asked);
    if (built->rule_count == 0)
        return;
    if ((plugin & config) == 0) {
        diag = diag_error(
            opening->diags, "W0302", place_of(sink, "match", "events"),
            "sink \"%s\" can never match: its plugin \"%s\" watches %s, \"events\" asks for %s",
            sink->name, built->plugin->desc.name, watched, asked);
        diag_help(opening->diags, diag, "config can only narrow what the plugin watches.");
    } else if (sink->ttl > 0 && (plugin & config & WEIR_REMOVE) == 0) {
        diag_error(opening->diags, "W0302", place_of(sink, "match", "ttl"),
                   "sink \"%s\" can never match: TTL deletes are REMOVE events, it gets %s",
                   sink->name, (plugin & config) == plugin ? watched : asked);
    }
}

/* ---- the loop guard ---- */

/* The table's name in a name, a table's ARN or a stream's:
 * arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL. */
static weir_str table_name(weir_str text)
{
    static const char mark[] = ":table/";
    if (!str_starts(text, STR("arn:")))
        return text;
    for (size_t i = 0; i + sizeof mark - 1 <= text.len; i++)
        if (memcmp(text.ptr + i, mark, sizeof mark - 1) == 0) {
            weir_str rest = {text.ptr + i + sizeof mark - 1, text.len - i - (sizeof mark - 1)};
            const char *slash = memchr(rest.ptr, '/', rest.len);
            return slash ? (weir_str){rest.ptr, (size_t)(slash - rest.ptr)} : rest;
        }
    return text;
}

bool sink_writes_table(const struct built_sink *sink, weir_str table)
{
    for (char *const *own = sink->gone ? NULL : sink->instance->tables; own && *own; own++)
        if (table.len && str_eq(table_name(str_of(*own)), table_name(table)))
            return true;
    return false;
}

static void check_loop(struct opening *opening, const struct built_sink *built)
{
    const char *const *sources[] = {opening->config->poll.tables, opening->config->poll.streams};
    for (size_t i = 0; i < 2 && !built->config->allow_loop; i++)
        for (const char *const *source = sources[i]; source && *source; source++) {
            if (!sink_writes_table(built, str_of(*source)))
                continue;
            weir_str table = table_name(str_of(*source));
            struct diag *diag =
                diag_error(opening->diags, "W0310", name_of_sink(built->config),
                           "sink \"%s\" writes to the table %.*s, whose stream it reads",
                           built->config->name, STR_ARG(table));
            diag_help(opening->diags, diag,
                      "every change would make another one; \"allow_loop\": true allows it.");
            return;
        }
}

/* ---- all of them ---- */

/* The one in its place, if it would be no other. */
static bool borrow(const struct opening *opening, struct built_sink *built)
{
    for (size_t i = 0; opening->old && i < opening->old->count; i++) {
        const struct built_sink *old = &opening->old->sinks[i];
        if (old->gone || strcmp(old->config->name, built->config->name) != 0 ||
            !sink_config_same(old->config, built->config))
            continue;
        built->plugin = old->plugin;
        built->instance = old->instance;
        built->borrowed = true;
    }
    return built->borrowed;
}

static int open_sink(struct opening *opening, struct sink_config *sink, struct built_sink *built)
{
    built->config = sink;
    opening->sink = sink;
    if (!sink->plugin)
        return 0; /* probing: reported as missing */
    int rc = borrow(opening, built) ? 0 : load_plugin(opening, built);
    if (rc == 0 && !built->borrowed)
        rc = open_instance(opening, built);
    if (rc == -ENOMEM)
        return rc;
    if (rc < 0)
        return 0; /* reported; the others may have problems too */
    make_rules(built);
    check_match(opening, built);
    check_loop(opening, built);
    return 0;
}

/* Which of two paths is bad is said by compiling one sink at a time. */
static int compile_one(struct opening *opening, const struct built_sink *built)
{
    struct match_sink one = {built->rules, built->rule_count};
    struct match_plan *plan = NULL;
    struct err err = {0};
    int rc = match_plan_new(&one, 1, &plan, &err);
    match_plan_free(plan);
    if (rc == -EINVAL) {
        const struct json_value *match = json_member0(built->config->at, "match");
        report(opening->diags, "W0313", match ? diag_name_of(match) : name_of_sink(built->config),
               err.msg);
    }
    return rc == -ENOMEM ? rc : 0;
}

static int compile(struct opening *opening, struct sink_set *set)
{
    struct match_sink wants[MATCH_SINKS_MAX];
    struct err err = {0};
    for (size_t i = 0; i < set->count; i++) {
        if (set->sinks[i].instance && compile_one(opening, &set->sinks[i]) < 0)
            return -ENOMEM;
        wants[i] = (struct match_sink){set->sinks[i].rules, set->sinks[i].rule_count};
    }
    if (opening->diags->errors)
        return -EINVAL;
    int rc = match_plan_new(wants, set->count, &set->plan, &err);
    if (rc == -EINVAL)
        report(opening->diags, "W0313", STR_NONE, err.msg);
    return rc;
}

static int open_all(struct opening *opening, struct sink_set *set)
{
    struct config *config = opening->config;
    int rc = 0;
    for (size_t i = 0; i < config->sink_count && rc == 0; i++)
        if (config->sinks[i].enabled && set->count < MATCH_SINKS_MAX)
            rc = open_sink(opening, &config->sinks[i], &set->sinks[set->count++]);
    return rc == 0 ? compile(opening, set) : rc;
}

struct sink_config *sink_config_named(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (config->sinks[i].enabled && strcmp(config->sinks[i].name, name) == 0)
            return &config->sinks[i];
    return NULL;
}

/* An empty place matches nothing. Its name lives as long as the new configuration. */
static int leave_empty(struct opening *opening, const struct built_sink *old,
                       struct built_sink *built)
{
    struct arena *arena = &opening->config->arena;
    size_t size = strlen(old->config->name) + 1;
    struct sink_config *config = arena_alloc(arena, sizeof *config, _Alignof(struct sink_config));
    char *name = arena_alloc(arena, size, 1);
    if (!config || !name)
        return -ENOMEM;
    memcpy(name, old->config->name, size);
    *config = (struct sink_config){.name = name, .required = old->config->required};
    *built = (struct built_sink){.config = config, .gone = true, .borrowed = old->gone};
    return 0;
}

static bool has_place(const struct sink_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->sinks[i].config->name, name) == 0)
            return true;
    return false;
}

size_t sink_set_places(const struct sink_set *set, const struct config *config)
{
    size_t places = set->count;
    for (size_t i = 0; i < config->sink_count; i++)
        places += config->sinks[i].enabled && !has_place(set, config->sinks[i].name);
    return places;
}

/* Behind those that have one. */
static int open_new(struct opening *opening, struct sink_set *set)
{
    struct config *config = opening->config;
    int rc = 0;
    for (size_t i = 0; i < config->sink_count && rc == 0; i++)
        if (config->sinks[i].enabled && !has_place(opening->old, config->sinks[i].name))
            rc = open_sink(opening, &config->sinks[i], &set->sinks[set->count++]);
    return rc;
}

static int open_in_places(struct opening *opening, struct sink_set *set)
{
    int rc = 0;
    for (size_t i = 0; i < opening->old->count && rc == 0; i++) {
        const struct built_sink *old = &opening->old->sinks[i];
        struct sink_config *sink = sink_config_named(opening->config, old->config->name);
        struct built_sink *built = &set->sinks[set->count++];
        rc = sink ? open_sink(opening, sink, built) : leave_empty(opening, old, built);
    }
    if (rc == 0)
        rc = open_new(opening, set);
    return rc == 0 ? compile(opening, set) : rc;
}

static int open_set(struct opening *opening, struct sink_set **out)
{
    struct config *config = opening->config;
    arena_init(&opening->arena, 2048);
    opening->folders = plugin_folders(&opening->arena, config, NULL, config->in_lambda);
    struct sink_set *set = opening->folders ? mem_zalloc(1, sizeof *set) : NULL;
    int rc = -ENOMEM;
    if (set)
        set->sinks =
            mem_zalloc(opening->old ? sink_set_places(opening->old, config) : config->sink_count,
                       sizeof *set->sinks);
    if (set && set->sinks)
        rc = opening->old ? open_in_places(opening, set) : open_all(opening, set);
    arena_done(&opening->arena);
    if (rc == 0)
        *out = set;
    else
        sink_set_close(set);
    return rc;
}

int sink_set_open(struct config *config, const struct instance_services *services,
                  struct diags *diags, struct sink_set **out)
{
    struct opening opening = {.config = config, .services = services, .diags = diags};
    return open_set(&opening, out);
}

int sink_set_open_beside(struct config *config, const struct instance_services *services,
                         struct diags *diags, const struct sink_set *old, struct sink_set **out)
{
    struct opening opening = {.config = config, .services = services, .diags = diags, .old = old};
    return open_set(&opening, out);
}

void sink_set_take_over(struct sink_set *set, struct sink_set *old)
{
    for (size_t i = 0; i < old->count; i++) {
        old->sinks[i].borrowed = set->sinks[i].borrowed || old->sinks[i].gone;
        set->sinks[i].borrowed = false;
    }
}

bool sink_is_added(const struct sink_set *set, const struct sink_set *old, size_t index)
{
    return !set->sinks[index].gone && (index >= old->count || old->sinks[index].gone);
}

static void no_log(void *ctx, const char *sink, int32_t level, weir_str msg)
{
    (void)ctx;
    (void)sink;
    (void)level;
    (void)msg;
}

void sink_set_probe(struct config *config, struct diags *diags)
{
    struct instance_services services = {.log = no_log};
    struct sink_set *set = NULL;
    if (sink_set_open(config, &services, diags, &set) == 0)
        sink_set_close(set);
}

void sink_set_close(struct sink_set *set)
{
    if (!set)
        return;
    match_plan_free(set->plan);
    for (size_t i = 0; set->sinks && i < set->count; i++) {
        if (set->sinks[i].borrowed)
            continue;
        instance_close(set->sinks[i].instance);
        plugin_free(set->sinks[i].plugin);
    }
    mem_free(set->sinks);
    mem_free(set);
}

static bool paths_same(const char *const *a, const char *const *b)
{
    for (; a && b && *a && *b; a++, b++)
        if (strcmp(*a, *b) != 0)
            return false;
    return (!a || !*a) && (!b || !*b);
}

static bool rules_same(const struct match_rule *a, const struct match_rule *b)
{
    return a->events == b->events && a->images == b->images &&
           a->optional_images == b->optional_images && a->ttl == b->ttl &&
           paths_same(a->changed, b->changed) && paths_same(a->present, b->present) &&
           !a->filter == !b->filter;
}

bool sink_matches_same(const struct built_sink *a, const struct built_sink *b)
{
    bool same = a->rule_count == b->rule_count;
    for (size_t i = 0; same && i < a->rule_count; i++)
        same = rules_same(&a->rules[i], &b->rules[i]);
    return same && sink_filter_same(a->config, b->config);
}

const char *sink_guarantee(const struct built_sink *sink)
{
    if (!sink->config->required)
        return "best effort: records are dropped, counted, when its queue is full";
    switch (sink->plugin->desc.repeats) {
    case WEIR_R_NATIVE:
        return "effectively once: a repeated record changes nothing";
    case WEIR_R_KEYED:
        return "at least once: a repeat carries the key to drop it by";
    default:
        return "at least once: a repeat is a second copy";
    }
}

uint32_t sink_images_needed(const struct built_sink *sink)
{
    uint32_t images = 0;
    for (size_t i = 0; i < sink->rule_count; i++)
        images |= sink->rules[i].changed ? WEIR_OLD | WEIR_NEW : sink->rules[i].images;
    return images & (WEIR_OLD | WEIR_NEW);
}
