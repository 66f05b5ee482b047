/* weir completion: for shells, from the table of verbs. */
#include "cli/verbs.h"

#include <stdio.h>

enum { SCRIPT_MAX_BYTES = 1 << 20 };

static bool takes_file(const struct cli_option *option)
{
    return option->value && strcmp(option->value, "FILE") == 0;
}

/* "a|b|c" with other text between. */
static void put_words(struct buf *out, const char *choices)
{
    for (; *choices; choices++)
        buf_putc(out, *choices == '|' ? ' ' : *choices);
}

static void put_names(struct buf *out, const struct cli_option *options)
{
    for (; options && options->name; options++)
        buf_printf(out, " --%s", options->name);
}

/* The first words of all verbs, each once. */
static void put_first_words(struct buf *out)
{
    const char *last = "";
    size_t last_len = 0;
    for (const struct verb *verb = verbs; verb->name; verb++) {
        size_t len = strcspn(verb->name, " ");
        if (len == last_len && strncmp(verb->name, last, len) == 0)
            continue;
        buf_printf(out, "%s%.*s", verb == verbs ? "" : " ", (int)len, verb->name);
        last = verb->name;
        last_len = len;
    }
}

/* ---- bash ---- */

static void put_bash_values(struct buf *out, const struct cli_option *options)
{
    for (; options && options->name; options++) {
        if (options->kind == OPTION_FLAG)
            continue;
        buf_printf(out, "    --%s) ", options->name);
        if (options->kind == OPTION_CHOICE) {
            buf_puts(out, "COMPREPLY=($(compgen -W \"");
            put_words(out, options->value);
            buf_puts(out, "\" -- \"$word\"))");
        } else {
            buf_puts(out, takes_file(options) ? "COMPREPLY=($(compgen -f -- \"$word\"))"
                                              : "COMPREPLY=()");
        }
        buf_puts(out, "; return ;;\n");
    }
}

static void put_bash_verb(struct buf *out, const struct verb *verb)
{
    buf_printf(out, "    \"%s\") options=\"", verb->name);
    put_names(out, verb->options);
    buf_puts(out, "\" ;;\n");
}

/* What may follow the first word of verbs of two words. */
static void put_bash_groups(struct buf *out)
{
    for (const struct verb *verb = verbs; verb->name; verb++) {
        const char *space = strchr(verb->name, ' ');
        if (space)
            buf_printf(out, "    \"%.*s\") seconds+=\" %s\" ;;&\n", (int)(space - verb->name),
                       verb->name, space + 1);
    }
}

static void put_bash(struct buf *out)
{
    buf_puts(out, "# bash completion of weir: source <(weir completion bash)\n"
                  "_weir() {\n"
                  "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
                  "    local first=${COMP_WORDS[1]} second=${COMP_WORDS[2]} options= seconds=\n"
                  "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                  "        COMPREPLY=($(compgen -W \"");
    put_first_words(out);
    put_names(out, global_options);
    buf_puts(out, "\" -- \"$word\"))\n        return\n    fi\n    case $before in\n");
    put_bash_values(out, global_options);
    buf_puts(out, "    -c) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n    esac\n"
                  "    case $first in\n");
    put_bash_groups(out);
    buf_puts(out, "    esac\n    case \"$first $second\" in\n");
    for (const struct verb *verb = verbs; verb->name; verb++)
        if (strchr(verb->name, ' '))
            put_bash_verb(out, verb);
    buf_puts(out, "    *) case $first in\n");
    for (const struct verb *verb = verbs; verb->name; verb++)
        if (!strchr(verb->name, ' '))
            put_bash_verb(out, verb);
    buf_puts(out, "        esac ;;\n    esac\n    options+=\"");
    put_names(out, global_options);
    buf_puts(out,
             "\"\n"
             "    if [ \"$COMP_CWORD\" -eq 2 ] && [ -n \"$seconds\" ] && [[ $word != -* ]]; then\n"
             "        COMPREPLY=($(compgen -W \"$seconds\" -- \"$word\"))\n"
             "    elif [[ $word == -* ]]; then\n"
             "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
             "    else\n"
             "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
             "    fi\n"
             "}\n"
             "complete -F _weir weir\n");
}

/* ---- zsh ---- */

/* In single quotes; brackets and colons have a meaning of their own there. */
static void put_zsh_text(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            buf_putc(out, '\\');
        buf_puts(out, *text == '\'' ? "'\\''" : (char[]){*text, '\0'});
    }
}

static void put_zsh_options(struct buf *out, const struct cli_option *options)
{
    for (; options && options->name; options++) {
        buf_printf(out, " \\\n                '--%s[", options->name);
        put_zsh_text(out, options->help);
        buf_puts(out, "]");
        if (options->kind == OPTION_CHOICE) {
            buf_puts(out, ":value:(");
            put_words(out, options->value);
            buf_puts(out, ")");
        } else if (options->kind != OPTION_FLAG) {
            buf_puts(out, takes_file(options) ? ":file:_files" : ":value:");
        }
        buf_puts(out, "'");
    }
}

static void put_zsh(struct buf *out)
{
    buf_puts(out, "#compdef weir\n# zsh completion of weir: weir completion zsh > _weir, in a "
                  "folder of $fpath\n"
                  "_weir() {\n    local -a verbs\n    verbs=(\n");
    for (const struct verb *verb = verbs; verb->name; verb++) {
        buf_puts(out, "        '");
        put_zsh_text(out, verb->name);
        buf_puts(out, ":");
        put_zsh_text(out, verb->summary);
        buf_puts(out, "'\n");
    }
    buf_puts(out, "    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n"
                  "        return\n    fi\n    local verb=$words[2]\n"
                  "    (( ${+verbs[(r)$words[2] $words[3]:*]} )) && verb=\"$words[2] $words[3]\"\n"
                  "    case $verb in\n");
    for (const struct verb *verb = verbs; verb->name; verb++) {
        buf_printf(out, "        '%s')\n            _arguments", verb->name);
        put_zsh_options(out, verb->options);
        put_zsh_options(out, global_options);
        buf_puts(out, " \\\n                '*:file:_files' ;;\n");
    }
    buf_puts(out, "    esac\n}\n_weir \"$@\"\n");
}

/* ---- fish ---- */

static void put_fish_text(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("'\\", *text))
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
}

static void put_fish_option(struct buf *out, const struct cli_option *option, const char *when)
{
    buf_printf(out, "complete -c weir%s -l %s", when, option->name);
    if (option->letter)
        buf_printf(out, " -s %c", option->letter);
    if (option->kind == OPTION_CHOICE) {
        buf_puts(out, " -x -a '");
        put_words(out, option->value);
        buf_puts(out, "'");
    } else if (option->kind != OPTION_FLAG) {
        buf_puts(out, takes_file(option) ? " -r" : " -x");
    }
    buf_puts(out, " -d '");
    put_fish_text(out, option->help);
    buf_puts(out, "'\n");
}

static void put_fish_verb(struct buf *out, const struct verb *verb)
{
    char when[160];
    const char *space = strchr(verb->name, ' ');
    int len = space ? (int)(space - verb->name) : (int)strlen(verb->name);
    if (space)
        buf_printf(out, "complete -c weir -n '__fish_seen_subcommand_from %.*s' -f -a %s -d '", len,
                   verb->name, space + 1);
    else
        buf_printf(out, "complete -c weir -n __fish_use_subcommand -f -a %s -d '", verb->name);
    put_fish_text(out, verb->summary);
    buf_puts(out, "'\n");
    if (space)
        snprintf(when, sizeof when,
                 " -n '__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s'", len,
                 verb->name, space + 1);
    else
        snprintf(when, sizeof when, " -n '__fish_seen_subcommand_from %s'", verb->name);
    for (const struct cli_option *o = verb->options; o && o->name; o++)
        put_fish_option(out, o, when);
}

static void put_fish(struct buf *out)
{
    buf_puts(out, "# fish completion of weir: weir completion fish | source\n");
    for (const struct cli_option *option = global_options; option->name; option++)
        put_fish_option(out, option, "");
    for (const struct verb *verb = verbs; verb->name; verb++)
        put_fish_verb(out, verb);
}

int verb_completion(struct cli *cli)
{
    struct buf out;
    const char *shell = cli->args[0];
    buf_init(&out, SCRIPT_MAX_BYTES);
    if (strcmp(shell, "bash") == 0)
        put_bash(&out);
    else if (strcmp(shell, "zsh") == 0)
        put_zsh(&out);
    else if (strcmp(shell, "fish") == 0)
        put_fish(&out);
    else
        return cli_fail(cli, EXIT_USAGE, NULL, "no completion for \"%s\": it is bash, zsh or fish",
                        shell);
    int code = cli_write(cli->out, &out) ? EXIT_DONE : EXIT_NO;
    buf_done(&out);
    return code;
}
