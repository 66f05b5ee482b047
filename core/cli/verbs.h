/* The one table of verbs: parsing, help, usage errors and environment twins all read it. */
#ifndef WEIR_CLI_VERBS_H
#define WEIR_CLI_VERBS_H
#include "cli/cli.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_LIST, OPTION_NUMBER, OPTION_CHOICE };

struct cli_option {
    const char *name; /* without "--"; NULL ends a list */
    char letter;      /* 0 = none */
    bool no_twin;     /* has no WEIR_<NAME> */
    enum option_kind kind;
    const char *value; /* what stands for its value in help: "FILE"; choices "a|b|c" for CHOICE */
    const char *help;
    size_t offset;    /* in struct cli; a LIST's count follows it */
    int64_t min, max; /* of a NUMBER */
};

struct verb {
    const char *name;       /* "plugin list": two words are one verb; NULL ends the table */
    const char *positional; /* "[FILE...]", or "" for none */
    size_t min_args, max_args;
    const char *summary;              /* one line */
    const char *details;              /* some lines for `weir help VERB` */
    const struct cli_option *options; /* its own, beside the global ones; may be NULL */
    int (*run)(struct cli *cli);      /* the exit code */
};

extern const struct verb verbs[];
extern const struct cli_option global_options[];
void cli_twin_name(const struct cli_option *option,
                   char out[64]);               /* WEIR_LOG_LEVEL for --log-level */
const struct verb *verb_find(const char *name); /* NULL when there is none */

int verb_run(struct cli *cli);
int verb_run_or_demo(struct cli *cli); /* nothing configured, on a terminal: the demo */
int verb_demo(struct cli *cli);
int verb_check(struct cli *cli);
int verb_sample(struct cli *cli);
int verb_explain(struct cli *cli);
int verb_test(struct cli *cli);
int verb_doctor(struct cli *cli);
int verb_plan(struct cli *cli);
int verb_config_init(struct cli *cli);
int verb_config_show(struct cli *cli);
int verb_config_schema(struct cli *cli);
int verb_config_graph(struct cli *cli);
int verb_plugin_list(struct cli *cli);
int verb_plugin_info(struct cli *cli);
int verb_bench(struct cli *cli);
int verb_plugin_new(struct cli *cli);
int verb_plugin_check(struct cli *cli);
int verb_lambda_invoke_local(struct cli *cli);
int verb_lambda_template(struct cli *cli);
int verb_lambda_iam(struct cli *cli);
int verb_lambda_filter(struct cli *cli);
int verb_dead_list(struct cli *cli);
int verb_dead_show(struct cli *cli);
int verb_dead_retry(struct cli *cli);
int verb_dead_drop(struct cli *cli);
int verb_shards(struct cli *cli);
int verb_shards_accept_gap(struct cli *cli);
int verb_reload(struct cli *cli);
int verb_pause(struct cli *cli);
int verb_resume(struct cli *cli);
int verb_status(struct cli *cli);
int verb_top(struct cli *cli);
int verb_tap(struct cli *cli);
int verb_completion(struct cli *cli);
int verb_version(struct cli *cli);
int verb_help(struct cli *cli);

int help_front(const struct cli *cli);                         /* `weir` alone */
int help_verb(const struct cli *cli, const struct verb *verb); /* `weir VERB --help` */
#endif
