/* The configuration's own tests: what `weir test` runs, and every check reads. */
#include "config/keys.h"

#include "util/text.h"

#define T(member) offsetof(struct test_config, member)

static const struct key input_keys[] = {
    {.name = "event",
     .kind = KEY_CHOICE,
     .choices = "INSERT|MODIFY|REMOVE",
     .offset = KEY_NOWHERE,
     .otherwise = "what the images make it",
     .help = "The event's name."},
    {.name = "keys",
     .kind = KEY_OBJECT,
     .offset = KEY_NOWHERE,
     .help = "The item's key: plain JSON, or DynamoDB's typed values where the type matters."},
    {.name = "old", .kind = KEY_OBJECT, .offset = KEY_NOWHERE, .help = "The old image, likewise."},
    {.name = "new", .kind = KEY_OBJECT, .offset = KEY_NOWHERE, .help = "The new image, likewise."},
    {.name = "ttl",
     .kind = KEY_BOOL,
     .fallback = "false",
     .offset = KEY_NOWHERE,
     .help = "The item was removed by DynamoDB's TTL."},
    {.name = "record",
     .kind = KEY_OBJECT,
     .offset = KEY_NOWHERE,
     .help = "Instead of all that: a whole record as Lambda gets it."},
    {0},
};

static const struct key expect_keys[] = {
    {.name = "sinks",
     .kind = KEY_COUNTS,
     .special = special_counts,
     .offset = T(counts),
     .required = true,
     .help = "Records that each sink gets; sinks that are not named are not looked at."},
    {0},
};

const struct key test_keys[] = {
    {.name = "name",
     .kind = KEY_STRING,
     .min = 1,
     .offset = T(name),
     .required = true,
     .help = "What it shows."},
    {.name = "input",
     .kind = KEY_INPUTS,
     .section = input_keys,
     .special = special_inputs,
     .offset = T(input),
     .required = true,
     .help = "The record, or a list of records."},
    {.name = "expect",
     .kind = KEY_SECTION,
     .section = expect_keys,
     .required = true,
     .help = "What the sinks get."},
    {0},
};

static void keep(const struct key *key, const struct json_value *value, void *base)
{
    *(const struct json_value **)((char *)base + key->offset) = value;
}

static void check_input(struct apply *apply, const struct key *key, const struct json_value *input)
{
    static const char *const others[] = {"event", "keys", "old", "new", "ttl", NULL};
    const struct json_value *record = json_member0(input, "record");
    apply_section(apply, key->section, input, "a test's input", NULL);
    if (input->kind != JSON_OBJECT)
        return;
    for (const char *const *name = others; *name && record; name++)
        if (json_member0(input, *name))
            diag_error(apply->diags, "W0105", diag_name_of(json_member0(input, *name)),
                       "\"%s\" can't stand beside \"record\", which is the whole of it", *name);
    if (record || json_member0(input, "event") || json_member0(input, "old") ||
        json_member0(input, "new"))
        return;
    struct diag *diag = diag_error(apply->diags, "W0102", diag_value_of(input),
                                   "a test's input wants an \"event\", \"old\" or \"new\"");
    diag_help(apply->diags, diag,
              "write { \"event\": \"MODIFY\", \"keys\": { \"id\": \"1\" }, \"old\": { ... }, "
              "\"new\": { ... } }.");
}

void special_inputs(struct apply *apply, const struct key *key, const struct json_value *value,
                    const char *where, void *base)
{
    (void)where;
    if (value->kind != JSON_ARRAY) {
        check_input(apply, key, value);
    } else if (value->size == 0) {
        diag_error(apply->diags, "W0105", diag_value_of(value), "\"%s\" is an empty list",
                   key->name);
    } else {
        for (const struct json_value *input = value->first; input; input = input->next)
            check_input(apply, key, input);
    }
    keep(key, value, base);
}

static bool has_sink(const struct config *config, weir_str name)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (str_is(name, config->sinks[i].name))
            return true;
    return false;
}

static void unknown_sink(struct apply *apply, const struct json_value *member)
{
    const struct config *config = apply->config;
    const char **names = apply_alloc(apply, config->sink_count + 1, sizeof(char *));
    for (size_t i = 0; names && i < config->sink_count; i++)
        names[i] = config->sinks[i].name;
    struct diag *diag = diag_error(apply->diags, "W0114", diag_name_of(member),
                                   "there is no sink \"%.*s\"", STR_ARG(member->name));
    const char *near = names ? nearest_name(member->name, names) : NULL;
    if (!near)
        return;
    diag_help(apply->diags, diag, "did you mean \"%s\"?", near);
    diag_replace(apply->diags, diag, apply_format(apply, "\"%s\"", near));
}

void special_counts(struct apply *apply, const struct key *key, const struct json_value *value,
                    const char *where, void *base)
{
    (void)where;
    if (value->kind != JSON_OBJECT) {
        apply_wrong_type(apply, value, "an object", "write { \"price\": 1 }.");
        return;
    }
    for (const struct json_value *m = value->first; m; m = m->next) {
        int64_t count;
        if (str_starts(m->name, STR("x-")))
            continue;
        if (!has_sink(apply->config, m->name))
            unknown_sink(apply, m);
        if (m->kind != JSON_NUMBER || json_i64(m, &count) < 0)
            apply_wrong_type(apply, m, "a whole number", NULL);
        else if (count < 0)
            diag_error(apply->diags, "W0105", diag_value_of(m), "a count can't be below 0");
    }
    keep(key, value, base);
}

void special_tests(struct apply *apply, const struct key *key, const struct json_value *value,
                   const char *where, void *base)
{
    struct config *config = base;
    (void)where;
    if (value->kind != JSON_ARRAY) {
        apply_wrong_type(apply, value, "a list", "write [ { \"name\": ... } ].");
        return;
    }
    config->tests = apply_alloc(apply, value->size, sizeof *config->tests);
    for (const struct json_value *m = value->first; m && config->tests; m = m->next) {
        struct test_config *test = &config->tests[config->test_count++];
        test->at = m;
        apply_section(apply, key->section, m, "a test", test);
    }
}
