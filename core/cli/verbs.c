#include "cli/verbs.h"

#include "cli/options.h"

const struct verb verbs[] = {
    {.name = "run",
     .positional = "",
     .summary = "route records to the sinks",
     .details = "Inside AWS Lambda this is the runtime. Elsewhere the configuration's source, or "
                "--from, is read.",
     .options = run_options,
     .run = verb_run_or_demo},
    {.name = "demo",
     .positional = "",
     .summary = "play a shop's prices, with no configuration",
     .details = "A small stream that is built in, through a price history in memory and onto the "
                "terminal: at a\n"
                "readable pace on a terminal, at once elsewhere. No AWS, no network, no file.",
     .run = verb_demo},
    {.name = "check",
     .positional = "[FILE...]",
     .max_args = 64,
     .summary = "show all problems of a configuration at once",
     .details = "Exit 0 when there is none, 78 otherwise. Plugins are loaded and opened; nothing "
                "is connected, unless\n"
                "--probe says so.",
     .options = check_options,
     .run = verb_check},
    {.name = "test",
     .positional = "[FILE...]",
     .max_args = 64,
     .summary = "run the tests that a configuration holds",
     .details =
         "Each gives records and says how many of them each sink gets. Nothing is delivered. "
         "Exit 1 when one fails,\n"
         "or there is none.",
     .options = test_options,
     .run = verb_test},
    {.name = "explain",
     .positional = "",
     .summary = "say why each sink gets a record, or not",
     .details = "Per sink: MATCH, or the first condition that failed, with the values compared. "
                "With --json one object\n"
                "per record and line.",
     .options = explain_options,
     .run = verb_explain},
    {.name = "plan",
     .positional = "",
     .summary = "show what a configuration needs, promises and costs",
     .details =
         "Per sink what a repeat does and where records go that it gives up; calls and cost of "
         "a day, at most; the\n"
         "IAM policy. Nobody is asked: the numbers come from the configuration and the options. "
         "Calls are as full as the\n"
         "sinks make them, records small; Kinesis' shards and Lambda's time come on top.",
     .options = plan_options,
     .run = verb_plan},
    {.name = "doctor",
     .positional = "",
     .summary = "ask AWS whether all is there that a configuration needs",
     .details =
         "One line each, with the fix: region, where credentials come from, endpoint, clock, "
         "the streams and their\n"
         "view type, permissions, what the sinks write to, the state, and limits. With --function, "
         "or a source of kind\n"
         "lambda, the event source mapping beside the configuration. Nothing is changed: "
         "what exists is described,\n"
         "a record read, and the state's table written to on a condition that nothing meets. "
         "Whether a sink may\n"
         "write shows when it does. Exit 1 when something fails.",
     .options = doctor_options,
     .run = verb_doctor},
    {.name = "config init",
     .positional = "",
     .summary = "print a configuration to begin with",
     .details = "With comments, and with tests for `weir test`.",
     .options = config_init_options,
     .run = verb_config_init},
    {.name = "config show",
     .positional = "",
     .summary = "print every value that holds, and where it comes from",
     .details = "A configuration again, with the origins as comments, and all secrets as ***. With "
                "--json an object with\n"
                "the members config and origins.",
     .options = plugin_file_options,
     .run = verb_config_show},
    {.name = "config schema",
     .positional = "",
     .summary = "print a JSON Schema of the configuration",
     .details = "Draft 2020-12, with the options of every plugin that can be loaded. Name it in "
                "\"$schema\" and editors help.",
     .options = plugin_file_options,
     .run = verb_config_schema},
    {.name = "config graph",
     .positional = "",
     .summary = "print where records go as a graph",
     .details = "In DOT, for Graphviz: `weir config graph | dot -Tsvg`. With --json the nodes and "
                "edges.",
     .options = plugin_file_options,
     .run = verb_config_graph},
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
#ifdef WEIR_KIT
    {.name = "bench",
     .positional = "",
     .summary = "measure what a record costs in the sinks",
     .details = "Made-up records (key product_id), decoded beforehand, go through each sink of the "
                "configuration, one after the\n"
                "other, or through one of --plugin, in this process. Calls to AWS and to servers "
                "are answered at once with {}; nothing is\n"
                "sent. Of a configuration's sink the file \"path\" is one in a temporary folder; "
                "one that starts a program is left\n"
                "out. What a sink prints is dropped.",
     .options = bench_options,
     .run = verb_bench},
    {.name = "plugin new",
     .positional = "NAME",
     .min_args = 1,
     .max_args = 1,
     .summary = "start a plugin: code, tests, build",
     .details = "Makes the folder NAME. What is in it builds without a warning against the "
                "installed kit, its "
                "tests\n"
                "pass, and so does `weir plugin check`.",
     .options = plugin_new_options,
     .run = verb_plugin_new},
    {.name = "plugin check",
     .positional = "FILE",
     .min_args = 1,
     .max_args = 1,
     .summary = "try what can go wrong with a built plugin",
     .details =
         "Its file, ABI, exports and libraries; then, in a child process, pairs of its sinks under "
         "hostile\n"
         "records, errors, deadlines, flush and close, and what they leave behind. Nothing is sent "
         "to AWS.\n"
         "Exit 1 when something is wrong.",
     .options = plugin_check_options,
     .run = verb_plugin_check},
#endif
    {.name = "lambda invoke-local",
     .positional = "[EVENT]",
     .max_args = 1,
     .summary = "run a function here as Lambda would",
     .details =
         "EVENT is a file, or - for standard input: one event, or one a line. The configuration "
         "is the function's;\n"
         "the environment stands for its variables. Answers go to standard output; logs, "
         "times and peak memory to\n"
         "standard error. Exit 1 when an invocation failed, or in part.\n\n"
         "With --esm it plays an event source mapping: reads the stream from the start and invokes "
         "the function as\n"
         "the mapping would, with its batches, retries, bisecting and partial responses. "
         "Parameters "
         "are the keys of\n"
         "`source` (batch_size, maximum_batching_window, parallelization_factor, "
         "maximum_retry_attempts,\n"
         "maximum_record_age, bisect_batch_on_function_error, starting_position), and "
         "lambda.report_batch_item_failures\n"
         "stands for ReportBatchItemFailures; --set changes them for the mapping only. One line an "
         "invocation. Ends\n"
         "with Ctrl-C, or --once; exit 1 when records were given up. No checkpoint is kept.",
     .options = invoke_local_options,
     .run = verb_lambda_invoke_local},
    {.name = "lambda template",
     .positional = "",
     .summary = "print a CloudFormation template of the function",
     .details =
         "With its tables, layer, event source mapping, role, failure queue and alarms, from "
         "the enabled sinks.\n"
         "Environment variables that the configuration names become parameters.",
     .options = lambda_template_options,
     .run = verb_lambda_template},
    {.name = "lambda iam",
     .positional = "",
     .summary = "print the policy that the function's role needs",
     .details = "What reading the stream takes, and what the enabled sinks say they call.",
     .options = lambda_iam_options,
     .run = verb_lambda_iam},
    {.name = "lambda filter",
     .positional = "",
     .summary = "print the event source mapping's FilterCriteria",
     .details = "It lets pass all that some enabled sink can want, by event name. No filter when "
                "some sink wants every event.",
     .options = lambda_filter_options,
     .run = verb_lambda_filter},
#ifdef WEIR_SQLITE
    {.name = "shards",
     .positional = "",
     .summary = "show the streams' shards and how far each sink is",
     .details = "What is stored, with or without a running daemon: each shard under its parent, "
                "and per sink the\n"
                "position (the last record up to which all are finished), the age of that record, "
                "and the state:\n"
                "reading, held (read to its end, the sink has not finished), done, gap (records "
                "were trimmed before\n"
                "they were read: see `weir help shards accept-gap`).",
     .options = shards_options,
     .run = verb_shards},
    {.name = "shards accept-gap",
     .positional = "",
     .summary = "read on behind records that were lost",
     .details = "A shard whose records were trimmed before they were read is held. This says that "
                "they are given up:\n"
                "a running daemon reads on within seconds, another one when it starts.",
     .options = accept_gap_options,
     .run = verb_shards_accept_gap},
    {.name = "dead list",
     .positional = "",
     .summary = "show the records that sinks gave up on",
     .details = "Those of the configuration's pipeline in its state file, oldest first.",
     .options = dead_list_options,
     .run = verb_dead_list},
    {.name = "dead show",
     .positional = "ID",
     .min_args = 1,
     .max_args = 1,
     .summary = "show one dead letter with its record",
     .details = "Exit 1 when there is none of that number.",
     .run = verb_dead_show},
    {.name = "dead retry",
     .positional = "ID...|--all",
     .max_args = 10000,
     .summary = "deliver dead letters again",
     .details = "Each goes to the sink that gave up on it, and is forgotten only when that has "
                "taken it; exit 1 when\n"
                "some were not. They come outside the order of their items: behind what was "
                "delivered since.\n"
                "Works while a daemon runs.",
     .options = dead_some_options,
     .run = verb_dead_retry},
    {.name = "dead drop",
     .positional = "ID...|--all",
     .max_args = 10000,
     .summary = "forget dead letters",
     .details = "Their records are gone then. Exit 1 when some number was not there.",
     .options = dead_some_options,
     .run = verb_dead_drop},
#endif
    {.name = "status",
     .positional = "",
     .summary = "show how the running weir is",
     .details = "Source, sinks and the shards furthest behind; with --json the whole status. Exit "
                "69 when none runs.",
     .options = status_options,
     .run = verb_status},
    {.name = "reload",
     .positional = "",
     .summary = "have the running weir read its configuration again",
     .details =
         "All of it or nothing: on any problem the running configuration is kept. Exit 0 when "
         "it is in force, 78 when the file is wrong, 1 when it was refused otherwise (a "
         "restart is needed, or a plugin kept its records), 69 when no weir runs.",
     .options = status_options,
     .run = verb_reload},
    {.name = "pause",
     .positional = "SINK",
     .min_args = 1,
     .max_args = 1,
     .summary = "have the running weir give a sink nothing new",
     .details =
         "What its plugin has comes to its end; its positions stay, and the other sinks go on. "
         "While it is paused it is\n"
         "treated as one that is down: reading waits for it when its window is full, and after "
         "max_hold it is detached\n"
         "and catches up later. A reload leaves it paused, a restart does not. Exit 1 when there "
         "is no such sink, 69\n"
         "when no weir runs.",
     .options = status_options,
     .run = verb_pause},
    {.name = "resume",
     .positional = "SINK",
     .min_args = 1,
     .max_args = 1,
     .summary = "have a paused sink go on",
     .details = "From where it was: nothing is lost or given to it twice. Exit 1 when there is no "
                "such sink, 69 when no\n"
                "weir runs.",
     .options = status_options,
     .run = verb_resume},
    {.name = "top",
     .positional = "",
     .summary = "show the same again and again, with rates",
     .details = "Written in place on a terminal, one block behind the other elsewhere.",
     .options = top_options,
     .run = verb_top},
    {.name = "tap",
     .positional = "",
     .summary = "follow the records in the running weir, or of a stream or file",
     .details = "One line a record: what changed, and what became of it at each sink (\"-\": it "
                "did not want it).\n"
                "At most some hundred a second are shown. The weir that runs must allow it: "
                "\"admin\": { \"tap\": true }.\n"
                "With --stream or --from nothing is delivered and no position stored: each sink of "
                "the configuration,\n"
                "if there is one, is \"match\", \"-\" or \"fail\" (an image is missing that it "
                "needs), and the time is that\n"
                "of the change. With --json each record as an object. Attributes that log.redact "
                "names are ***.",
     .options = tap_options,
     .run = verb_tap},
    {.name = "completion",
     .positional = "bash|zsh|fish",
     .min_args = 1,
     .max_args = 1,
     .summary = "print a completion script for your shell",
     .details = "bash: source <(weir completion bash); fish: weir completion fish | source; zsh: "
                "weir completion zsh > _weir,\n"
                "in a folder of $fpath.",
     .run = verb_completion},
    {.name = "version",
     .positional = "",
     .summary = "show the version",
     .details = "With --json for programs.",
     .run = verb_version},
    {.name = "help",
     .positional = "[VERB|CODE|config [KEY]]",
     .max_args = 2,
     .summary = "explain a verb, a message's code, or the configuration's keys",
     .details = "`weir help W0101` explains the code of a message, `weir help config sinks` the "
                "keys of sinks. With --json\n"
                "`weir help` lists all verbs, options and codes, and `weir help config` all keys.",
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
