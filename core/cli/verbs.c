#include "cli/verbs.h"

#define AT(member) offsetof(struct cli, member)

const struct cli_option global_options[] = {
    {.name = "config",
     .letter = 'c',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .offset = AT(config_path),
     .no_twin = true, /* WEIR_CONFIG is a step of the search, which config_load knows */
     .help = "The configuration; else WEIR_CONFIG, ./weir.json and the usual folders."},
    {.name = "set",
     .kind = OPTION_LIST,
     .value = "PATH=VALUE",
     .offset = AT(sets),
     .no_twin = true,
     .help = "Overrides one value: source.batch_size=10; may be repeated."},
    {.name = "log-level",
     .kind = OPTION_CHOICE,
     .value = "error|warn|info|debug",
     .offset = AT(log_level),
     .help = "The least important level that is written."},
    {.name = "log-format",
     .kind = OPTION_CHOICE,
     .value = "auto|text|json",
     .offset = AT(log_format),
     .help = "Text on a terminal and JSON elsewhere, unless said."},
    {.name = "color",
     .kind = OPTION_CHOICE,
     .value = "auto|always|never",
     .offset = AT(color),
     .help = "Colour; auto: on terminals, honouring NO_COLOR."},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .offset = AT(quiet),
     .help = "Only errors."},
    {.name = "verbose",
     .letter = 'v',
     .kind = OPTION_FLAG,
     .offset = AT(verbose),
     .help = "Debug lines too."},
    {.name = "json",
     .kind = OPTION_FLAG,
     .offset = AT(json),
     .help = "The answer as JSON, where a verb has one."},
    {.name = "help",
     .letter = 'h',
     .kind = OPTION_FLAG,
     .offset = AT(help),
     .no_twin = true,
     .help = "Help about the verb."},
    {.name = "version",
     .kind = OPTION_FLAG,
     .offset = AT(version),
     .no_twin = true,
     .help = "The version."},
    {0},
};

#ifdef WEIR_HAVE_RUN
static const struct cli_option run_options[] = {
    {.name = "from",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .offset = AT(from),
     .help = "Reads records from a file, or - for standard input, whatever the source."},
    {.name = "once",
     .kind = OPTION_FLAG,
     .offset = AT(once),
     .help = "Reads to the end and stops; exit 1 when a record was not delivered."},
    {.name = "dry-run",
     .kind = OPTION_FLAG,
     .offset = AT(dry_run),
     .help = "Matches and prints, but delivers nothing."},
    {.name = "plugin",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .offset = AT(plugin),
     .help = "A sink of this plugin file; without -c the only one."},
    {0},
};
#endif

static const struct cli_option check_options[] = {
    {.name = "strict",
     .kind = OPTION_FLAG,
     .offset = AT(strict),
     .help = "Warnings count as errors."},
    {.name = "plugin",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .offset = AT(plugin),
     .help = "A sink of this plugin file; without -c the only one."},
    {0},
};

static const struct cli_option sample_options[] = {
    {.name = "count",
     .kind = OPTION_NUMBER,
     .value = "N",
     .offset = AT(count),
     .min = 1,
     .max = 10000000,
     .help = "Records to print."},
    {.name = "seed",
     .kind = OPTION_NUMBER,
     .value = "N",
     .offset = AT(seed),
     .min = 0,
     .max = INT64_MAX,
     .help = "The same seed prints the same records."},
    {.name = "price-walk",
     .kind = OPTION_FLAG,
     .offset = AT(price_walk),
     .help = "Prices of a few products that wander, each change from the last price."},
    {0},
};

const struct verb verbs[] = {
#ifdef WEIR_HAVE_RUN
    {.name = "run",
     .positional = "",
     .summary = "route records to the sinks",
     .details = "Inside AWS Lambda this is the runtime. Elsewhere the configuration's source, or "
                "--from, is read.",
     .options = run_options,
     .run = verb_run},
#endif
    {.name = "check",
     .positional = "[FILE...]",
     .max_args = 64,
     .summary = "show all problems of a configuration at once",
     .details = "Exit 0 when there is none, 78 otherwise. Plugins are loaded and opened; nothing "
                "is connected.",
     .options = check_options,
     .run = verb_check},
    {.name = "sample",
     .positional = "[insert,modify,remove|shop]",
     .max_args = 1,
     .summary = "print events as Lambda gets them",
     .details = "One event of records per line. `sample shop` prints a small shop's stream, one "
                "record per line,\n"
                "with a duplicate, a late record, a price written in two ways and hostile text.",
     .options = sample_options,
     .run = verb_sample},
    {.name = "plugin list",
     .positional = "",
     .summary = "show the plugins that can be loaded",
     .details =
         "The folders are the configuration's plugin_dirs, if there is one, then weir's own.",
     .run = verb_plugin_list},
    {.name = "plugin info",
     .positional = "NAME|FILE",
     .min_args = 1,
     .max_args = 1,
     .summary = "show a plugin's options and what it watches",
     .details =
         "The table is what the plugin declares and what its configuration is checked against.",
     .run = verb_plugin_info},
    {.name = "version",
     .positional = "",
     .summary = "show the version",
     .details = "With --json for programs.",
     .run = verb_version},
    {.name = "help",
     .positional = "[VERB|CODE]",
     .max_args = 2,
     .summary = "explain a verb, or a message's code",
     .details = "`weir help W0101` explains the code of a message.",
     .run = verb_help},
    {0},
};

const struct verb *verb_find(const char *name)
{
    for (const struct verb *verb = verbs; verb->name; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}
