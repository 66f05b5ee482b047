#include "cli/verbs.h"

#include "util/text.h"

#include <errno.h>
#include <stdlib.h>

/* The command line, taken word by word. */
struct parse {
    struct cli *cli;
    char **words;
    int count, at;
    bool ended; /* "--" was seen */
};

enum { NAMES_MAX = 64 };

static const struct cli_option *find_in(const struct cli_option *options, weir_str name)
{
    for (; options && options->name; options++)
        if (str_is(name, options->name))
            return options;
    return NULL;
}

static const struct cli_option *find_option(const struct cli *cli, weir_str name)
{
    const struct cli_option *option = find_in(global_options, name);
    return option || !cli->verb ? option : find_in(cli->verb->options, name);
}

static const struct cli_option *find_letter(char letter)
{
    for (const struct cli_option *option = global_options; option->name; option++)
        if (option->letter && option->letter == letter)
            return option;
    return NULL;
}

static void add_names(const struct cli_option *options, const char **names, size_t *count)
{
    for (; options && options->name && *count < NAMES_MAX; options++)
        names[(*count)++] = options->name;
}

static int unknown_option(const struct cli *cli, weir_str name, const char *shown)
{
    const char *names[NAMES_MAX + 1] = {0}, *near = NULL;
    size_t count = 0;
    char help[160];
    if (cli->verb)
        add_names(cli->verb->options, names, &count);
    add_names(global_options, names, &count);
    near = name.len ? nearest_name(name, names) : NULL;
    snprintf(help, sizeof help, "`weir help%s%s` shows them all.", cli->verb ? " " : "",
             cli->verb ? cli->verb->name : "");
    if (near)
        return cli_fail(cli, EXIT_USAGE, NULL, "unknown option \"%s\". Did you mean \"--%s\"?",
                        shown, near);
    return cli_fail(cli, EXIT_USAGE, help, "unknown option \"%s\"%s%s", shown,
                    cli->verb ? " of " : "", cli->verb ? cli->verb->name : "");
}

static int unknown_verb(const struct cli *cli, const char *word)
{
    const char *names[NAMES_MAX + 1] = {0};
    size_t count = 0;
    for (const struct verb *verb = verbs; verb->name && count < NAMES_MAX; verb++)
        names[count++] = verb->name;
    const char *near = nearest_name(str_of(word), names);
    if (near)
        return cli_fail(cli, EXIT_USAGE, NULL, "unknown verb \"%s\". Did you mean \"%s\"?", word,
                        near);
    return cli_fail(cli, EXIT_USAGE, "`weir help` shows the verbs.", "unknown verb \"%s\"", word);
}

/* ---- values ---- */

static bool in_choices(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (;;) {
        size_t span = strcspn(choices, "|");
        if (span == len && memcmp(choices, value, len) == 0)
            return true;
        if (choices[span] == '\0')
            return false;
        choices += span + 1;
    }
}

static int set_number(const struct cli *cli, const struct cli_option *option, const char *value,
                      const char *origin, int64_t *out)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (*value == '\0' || *end != '\0')
        return cli_fail(cli, EXIT_USAGE, NULL, "%s wants a whole number, not \"%s\"", origin,
                        value);
    if (errno || number < option->min || number > option->max)
        return cli_fail(cli, EXIT_USAGE, NULL, "%s must be %lld to %lld", origin,
                        (long long)option->min, (long long)option->max);
    *out = number;
    return 0;
}

static int add_to_list(struct cli *cli, const struct cli_option *option, const char *value)
{
    const char ***list = (const char ***)((char *)cli + option->offset);
    size_t *count = (size_t *)(list + 1);
    const char **grown = arena_alloc(&cli->arena, (*count + 2) * sizeof(char *), _Alignof(char *));
    if (!grown)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory");
    for (size_t i = 0; i < *count; i++)
        grown[i] = (*list)[i];
    grown[*count] = value;
    grown[++*count] = NULL;
    *list = grown;
    return 0;
}

static int set_flag(const struct cli *cli, const char *value, const char *origin, bool *out)
{
    if (!value || in_choices("1|true|yes|on", value))
        *out = true;
    else if (in_choices("0|false|no|off|", value))
        *out = false;
    else
        return cli_fail(cli, EXIT_USAGE, NULL, "%s is true or false, not \"%s\"", origin, value);
    return 0;
}

/* `origin` is what the person wrote: "--count" or "WEIR_COUNT". */
static int set_option(struct cli *cli, const struct cli_option *option, const char *value,
                      const char *origin)
{
    char *field = (char *)cli + option->offset;
    switch (option->kind) {
    case OPTION_FLAG:
        return set_flag(cli, value, origin, (bool *)field);
    case OPTION_NUMBER:
        return set_number(cli, option, value, origin, (int64_t *)field);
    case OPTION_LIST:
        return add_to_list(cli, option, value);
    case OPTION_CHOICE:
        if (!in_choices(option->value, value))
            return cli_fail(cli, EXIT_USAGE, NULL, "%s is one of %s, not \"%s\"", origin,
                            option->value, value);
        break;
    case OPTION_TEXT:
        if (!*value)
            return cli_fail(cli, EXIT_USAGE, NULL, "%s is empty", origin);
        break;
    }
    *(const char **)field = value;
    return 0;
}

/* ---- words ---- */

static int take_value(struct parse *parse, const struct cli_option *option, const char *origin,
                      const char *attached)
{
    const char *value = attached;
    if (option->kind == OPTION_FLAG)
        return set_option(parse->cli, option, attached, origin);
    if (!value && parse->at + 1 < parse->count)
        value = parse->words[++parse->at];
    if (!value)
        return cli_fail(parse->cli, EXIT_USAGE, NULL, "%s wants a value: %s", origin,
                        option->value);
    return set_option(parse->cli, option, value, origin);
}

static int take_long(struct parse *parse, const char *word)
{
    const char *equals = strchr(word, '=');
    weir_str name = {word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2)};
    const struct cli_option *option = find_option(parse->cli, name);
    char origin[64];
    snprintf(origin, sizeof origin, "--%.*s", (int)(name.len > 60 ? 60 : name.len), name.ptr);
    if (!option)
        return unknown_option(parse->cli, name, origin);
    return take_value(parse, option, origin, equals ? equals + 1 : NULL);
}

static int take_word(struct parse *parse)
{
    const char *word = parse->words[parse->at];
    if (parse->ended || word[0] != '-' || word[1] == '\0')
        return 1;
    if (strcmp(word, "--") == 0) {
        parse->ended = true;
        return 0;
    }
    if (word[1] == '-')
        return take_long(parse, word);
    const struct cli_option *option = word[2] == '\0' ? find_letter(word[1]) : NULL;
    if (!option)
        return unknown_option(parse->cli, str_of(word + 1), word);
    return take_value(parse, option, word, NULL);
}

/* "shards" is a verb, and "shards accept-gap" another. */
static bool find_two_words(struct cli *cli, char **words, int count)
{
    char name[64];
    if (count < 2)
        return false;
    snprintf(name, sizeof name, "%s %s", words[0], words[1]);
    cli->verb = verb_find(name);
    return cli->verb != NULL;
}

/* A verb of two words is known by its first, so that "weir plugin lst" is told about the second. */
static int find_verb(struct cli *cli, char **words, int count, int *used)
{
    char name[64];
    size_t len = strlen(words[0]);
    bool is_group = false;
    *used = 2;
    if (find_two_words(cli, words, count))
        return 0;
    *used = 1;
    cli->verb = verb_find(words[0]);
    for (const struct verb *verb = verbs; verb->name && !cli->verb; verb++)
        is_group = is_group || (strncmp(verb->name, words[0], len) == 0 && verb->name[len] == ' ');
    if (cli->verb)
        return 0;
    if (!is_group)
        return unknown_verb(cli, words[0]);
    const char *second = count > 1 && words[1][0] != '-' ? words[1] : NULL;
    snprintf(name, sizeof name, "%s %s", words[0], second ? second : "");
    if (second)
        return unknown_verb(cli, name);
    return cli_fail(cli, EXIT_USAGE, "`weir help` shows the verbs.", "\"%s\" wants one more word",
                    words[0]);
}

void cli_twin_name(const struct cli_option *option, char out[64])
{
    size_t at = (size_t)snprintf(out, 64, "WEIR_");
    for (const char *c = option->name; *c && at + 1 < 64; c++)
        out[at++] = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    out[at] = '\0';
}

/* Read before the flags, which come over it. */
static int take_twin(struct cli *cli, const struct cli_option *option)
{
    char name[64];
    cli_twin_name(option, name);
    size_t at = strlen(name);
    for (char **entry = cli->environ_block; *entry && !option->no_twin; entry++)
        if (strncmp(*entry, name, at) == 0 && (*entry)[at] == '=' && (*entry)[at + 1] != '\0')
            return set_option(cli, option, *entry + at + 1, name);
    return 0;
}

static int take_twins(struct cli *cli, const struct cli_option *options)
{
    int rc = 0;
    for (; options && options->name && rc == 0; options++)
        rc = take_twin(cli, options);
    return rc;
}

static int check_count(const struct cli *cli)
{
    const struct verb *verb = cli->verb;
    if (cli->arg_count < verb->min_args)
        return cli_fail(cli, EXIT_USAGE, NULL, "%s wants %s", verb->name, verb->positional);
    if (cli->arg_count > verb->max_args)
        return cli_fail(cli, EXIT_USAGE, NULL, "%s does not take \"%s\"", verb->name,
                        cli->args[verb->max_args]);
    return 0;
}

/* Words before the verb may only be options. */
static int take_all(struct parse *parse)
{
    struct cli *cli = parse->cli;
    const char **args =
        arena_alloc(&cli->arena, ((size_t)parse->count + 1) * sizeof(char *), _Alignof(char *));
    if (!args)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "out of memory");
    cli->args = args;
    args[0] = NULL;
    for (; parse->at < parse->count; parse->at++) {
        int used = 0, rc = take_word(parse);
        if (rc == 1 && !cli->verb) {
            rc = find_verb(cli, parse->words + parse->at, parse->count - parse->at, &used);
            parse->at += used - 1;
            if (rc == 0)
                rc = take_twins(cli, cli->verb->options);
        } else if (rc == 1) {
            args[cli->arg_count++] = parse->words[parse->at];
            args[cli->arg_count] = NULL;
            rc = 0;
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

int cli_parse(struct cli *cli, int argc, char **argv)
{
    struct parse parse = {cli, argv, argc, 1, false};
    int rc = take_twins(cli, global_options);
    if (rc == 0)
        rc = take_all(&parse);
    if (rc == 0 && cli->verb && !cli->help && !cli->version)
        rc = check_count(cli);
    return rc;
}
