/* The options of each verb, as core/cli/options.c lists them; ends with a NULL name. */
#ifndef WEIR_CLI_OPTIONS_H
#define WEIR_CLI_OPTIONS_H
#include "cli/verbs.h"

extern const struct cli_option run_options[];
extern const struct cli_option check_options[];
extern const struct cli_option sample_options[];
extern const struct cli_option bench_options[];
extern const struct cli_option plugin_new_options[];
extern const struct cli_option plugin_check_options[];
extern const struct cli_option invoke_local_options[];
extern const struct cli_option lambda_filter_options[];
extern const struct cli_option lambda_iam_options[];
extern const struct cli_option lambda_template_options[];
extern const struct cli_option dead_list_options[];
extern const struct cli_option dead_some_options[];
extern const struct cli_option shards_options[];
extern const struct cli_option status_options[];
extern const struct cli_option top_options[];
extern const struct cli_option tap_options[];
extern const struct cli_option accept_gap_options[];
extern const struct cli_option config_init_options[];
extern const struct cli_option plugin_file_options[];
extern const struct cli_option doctor_options[], explain_options[];
extern const struct cli_option plan_options[];
extern const struct cli_option test_options[];
#endif
