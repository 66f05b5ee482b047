#include "config/keys.h"

#include "aws/aws.h"
#include "config/interpolate.h"
#include "config/tree.h"
#include "util/text.h"

#include <errno.h>

enum { FILTER_NOTES_MAX = 16 };

void special_name(struct apply *apply, const struct key *key, const struct json_value *value,
                  const char *where, void *base)
{
    (void)key;
    (void)where;
    (void)base;
    const char *name = apply_string(apply, value);
    if (!name)
        return;
    if (!name_ok(str_of(name)))
        diag_error(apply->diags, "W0106", diag_value_of(value),
                   "\"name\" wants 1 to 64 letters, digits, '.', '_' or '-'");
    apply->config->name = name;
}

void special_endpoints(struct apply *apply, const struct key *key, const struct json_value *value,
                       const char *where, void *base)
{
    (void)where;
    (void)base;
    if (value->kind != JSON_OBJECT) {
        apply_wrong_type(apply, value, "an object",
                         "write { \"sqs\": \"http://127.0.0.1:9324\" }.");
        return;
    }
    const char *const *services = split_choices(apply, key->choices);
    struct aws_endpoint *list = apply_alloc(apply, value->size, sizeof *list);
    size_t count = 0;
    for (const struct json_value *m = value->first; m && list && services; m = m->next) {
        size_t i = 0;
        while (services[i] && !str_is(m->name, services[i]))
            i++;
        if (str_starts(m->name, STR("x-")))
            continue;
        if (!services[i]) {
            apply_unknown(apply, m, "endpoints of aws", services);
            continue;
        }
        const char *url = apply_string(apply, m);
        if (url && *url)
            list[count++] = (struct aws_endpoint){services[i], url};
    }
    apply->config->aws.endpoints = list;
    apply->config->aws.endpoint_count = count;
}

void special_emf(struct apply *apply, const struct key *key, const struct json_value *value,
                 const char *where, void *base)
{
    struct config *config = base;
    (void)key;
    (void)where;
    value = interpolated_scalar(&apply->config->arena, value);
    config->metrics.emf_off = value->kind == JSON_FALSE;
    if (value->kind != JSON_TRUE && value->kind != JSON_FALSE &&
        !(value->kind == JSON_STRING && str_is(value->text, "auto")))
        apply_wrong_type(apply, value, "true, false or \"auto\"", NULL);
}

/* ---- what happens to a record that can't be delivered ---- */

struct route {
    enum exhausted_kind kind;
    const char *sink;
    bool pointer;
};

const struct key route_keys[] = {
    {.name = "to",
     .kind = KEY_STRING,
     .min = 1,
     .offset = offsetof(struct route, sink),
     .required = true,
     .help = "The sink that gets the dead letters."},
    {.name = "on_oversize",
     .kind = KEY_SWITCH,
     .fallback = "block",
     .choices = "block|pointer",
     .offset = offsetof(struct route, pointer),
     .help = "For a letter that its sink refuses as too large: \"pointer\" sends it once more "
             "without the images, marked \"pointer\": true."},
    {0},
};

static struct route read_route(struct apply *apply, const struct key *key,
                               const struct json_value *value)
{
    static const enum exhausted_kind kinds[] = {EXHAUSTED_DEAD, EXHAUSTED_BLOCK, EXHAUSTED_DROP};
    struct route route = {0};
    if (value->kind == JSON_OBJECT) {
        apply_section(apply, key->section, value, key->name, &route);
        route.kind = route.sink ? EXHAUSTED_SINK : EXHAUSTED_DEFAULT;
        return route;
    }
    if (value->kind == JSON_STRING && apply->config->root) {
        const struct json_value *sinks = json_member0(apply->config->root, "sinks");
        bool is_sink = sinks && sinks->kind == JSON_OBJECT && json_member(sinks, value->text);
        if (is_sink) {
            struct diag *diag = diag_error(apply->diags, "W0105", diag_value_of(value),
                                           "\"%.*s\" names the sink \"%.*s\" as plain text",
                                           STR_ARG(value->name), STR_ARG(value->text));
            const char *fixed = apply_format(apply, "{ \"to\": \"%.*s\" }", STR_ARG(value->text));
            diag_help(apply->diags, diag, "write %s.", fixed);
            diag_replace(apply->diags, diag, fixed);
            return route;
        }
    }
    if (value->kind != JSON_STRING) {
        apply_wrong_type(apply, value, "\"dead\", \"block\", \"drop\" or an object",
                         "write { \"to\": \"SINK\" } for a dead-letter sink.");
        return route;
    }
    int choice = apply_choice(apply, value, key->choices);
    if (choice >= 0)
        route.kind = kinds[choice];
    return route;
}

void special_on_poison(struct apply *apply, const struct key *key, const struct json_value *value,
                       const char *where, void *base)
{
    (void)where;
    (void)base;
    struct route route = read_route(apply, key, value);
    if (route.pointer)
        apply_later(apply, json_member0(value, "on_oversize"),
                    "a record that can't be decoded has no images to leave out: it blocks.");
    apply->config->on_poison = route.kind;
    apply->config->poison_sink = route.sink;
}

void special_on_exhausted(struct apply *apply, const struct key *key,
                          const struct json_value *value, const char *where, void *base)
{
    struct sink_config *sink = base;
    (void)where;
    struct route route = read_route(apply, key, value);
    sink->on_exhausted = route.kind;
    sink->exhausted_sink = route.sink;
    sink->oversize_pointer = route.pointer;
}

/* ---- match ---- */

/* `names` in the order of the bits. */
static uint32_t event_bit(struct apply *apply, const struct json_value *value,
                          const char *const *names, const char *sink)
{
    if (value->kind != JSON_STRING) {
        apply_wrong_type(apply, value, "an event name",
                         "stream events are INSERT, MODIFY, REMOVE.");
        return 0;
    }
    for (uint32_t i = 0; names[i]; i++)
        if (str_is(value->text, names[i]))
            return 1u << i;
    struct diag *diag =
        diag_error(apply->diags, "W0104", diag_value_of(value),
                   "unknown event \"%.*s\" in sink \"%s\"", STR_ARG(value->text), sink);
    char upper[16];
    size_t len = value->text.len < sizeof upper ? value->text.len : sizeof upper;
    for (size_t i = 0; i < len; i++) {
        char c = value->text.ptr[i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    const char *near = nearest_name((weir_str){upper, len}, names);
    if (near) {
        diag_help(apply->diags, diag,
                  "did you mean \"%s\"? Stream events are INSERT, MODIFY, REMOVE.", near);
        diag_replace(apply->diags, diag, apply_format(apply, "\"%s\"", near));
    } else {
        diag_help(apply->diags, diag, "stream events are INSERT, MODIFY, REMOVE.");
    }
    return 0;
}

void special_events(struct apply *apply, const struct key *key, const struct json_value *value,
                    const char *where, void *base)
{
    struct sink_config *sink = base;
    (void)where;
    if (value->kind != JSON_ARRAY) {
        bool text = value->kind == JSON_STRING && value->raw.len && value->raw.ptr[0] == '"';
        apply_wrong_type(apply, value, "a list",
                         text ? apply_format(apply, "write [%.*s].", STR_ARG(value->raw)) : NULL);
        return;
    }
    if (value->size == 0)
        diag_error(apply->diags, "W0105", diag_value_of(value), "\"events\" is an empty list");
    const char *const *names = split_choices(apply, key->choices);
    for (const struct json_value *event = value->first; event && names; event = event->next)
        sink->events |= event_bit(apply, event, names, sink->name);
}

void special_ttl(struct apply *apply, const struct key *key, const struct json_value *value,
                 const char *where, void *base)
{
    struct sink_config *sink = base;
    (void)where;
    int choice = apply_choice(apply, value, key->choices);
    sink->ttl = choice == 1 ? 1 : choice == 2 ? -1 : 0;
}

/* Notes stand in the file, also those about a pattern that is JSON text: there at the whole text.
 */
static weir_str note_place(const struct json_value *filter, weir_str at)
{
    const char *from = filter->raw.ptr;
    bool inside = at.ptr && at.ptr >= from && at.ptr < from + filter->raw.len;
    return inside ? at : diag_value_of(filter);
}

void special_filter(struct apply *apply, const struct key *key, const struct json_value *value,
                    const char *where, void *base)
{
    struct sink_config *sink = base;
    struct filter_note notes[FILTER_NOTES_MAX];
    size_t count = 0;
    (void)key;
    (void)where;
    if (value->kind == JSON_STRING) {
        apply_wrong_type(apply, value, "an object",
                         "write the pattern as JSON: { \"eventName\": [\"MODIFY\"] }.");
        return;
    }
    int rc = filter_new(value, &sink->filter, notes, FILTER_NOTES_MAX, &count);
    if (rc == -ENOMEM)
        apply->no_memory = true;
    for (size_t i = 0; i < count && i < FILTER_NOTES_MAX; i++) {
        struct diag *diag =
            diag_add(apply->diags, !notes[i].fatal, notes[i].fatal ? "W0311" : "W0312",
                     note_place(value, notes[i].at), "%s", notes[i].msg);
        if (notes[i].help[0])
            diag_help(apply->diags, diag, "%s", notes[i].help);
    }
    if (rc == -EINVAL && count == 0)
        diag_error(apply->diags, "W0311", diag_value_of(value), "not a filter pattern");
}

/* ---- sinks ---- */

void special_sinks(struct apply *apply, const struct key *key, const struct json_value *value,
                   const char *where, void *base)
{
    struct config *config = apply->config;
    (void)where;
    (void)base;
    if (value->kind != JSON_OBJECT) {
        apply_wrong_type(apply, value, "an object",
                         "write { \"price\": { \"plugin\": \"pricehistory\" } }.");
        return;
    }
    config->sinks = apply_alloc(apply, value->size, sizeof(struct sink_config));
    for (const struct json_value *m = value->first; m && config->sinks; m = m->next) {
        if (str_starts(m->name, STR("x-")))
            continue;
        if (!name_ok(m->name)) {
            diag_error(apply->diags, "W0106", diag_name_of(m),
                       "a sink's name wants 1 to 64 letters, digits, '.', '_' or '-'");
            continue;
        }
        struct sink_config *sink = &config->sinks[config->sink_count++];
        sink->at = m;
        sink->name = apply_format(apply, "%.*s", STR_ARG(m->name));
        apply_section(apply, key->section, m, apply_format(apply, "sink \"%s\"", sink->name), sink);
    }
}

void special_levels(struct apply *apply, const struct key *key, const struct json_value *value,
                    const char *where, void *base)
{
    struct config *config = apply->config;
    (void)where;
    (void)base;
    if (value->kind != JSON_OBJECT) {
        apply_wrong_type(apply, value, "an object", "write { \"source\": \"debug\" }.");
        return;
    }
    struct config_log_level *levels = apply_alloc(apply, value->size, sizeof *levels);
    size_t count = 0;
    for (const struct json_value *m = value->first; m && levels; m = m->next) {
        if (str_starts(m->name, STR("x-")))
            continue;
        int place = apply_choice(apply, m, key->choices);
        const char *component = apply_format(apply, "%.*s", STR_ARG(m->name));
        if (place >= 0)
            levels[count++] =
                (struct config_log_level){.component = component, .level = WEIR_LOG_ERROR + place};
    }
    config->log.levels = levels;
    config->log.level_count = count;
}
