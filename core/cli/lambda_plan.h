/* What the enabled sinks of a configuration mean for the Lambda function around it: the base of
 * `weir lambda iam`, `filter` and `template`. */
#ifndef WEIR_CLI_LAMBDA_PLAN_H
#define WEIR_CLI_LAMBDA_PLAN_H
#include "cli/cli.h"
#include "config/sinks.h"

struct lambda_plan {
    struct cli *cli;
    struct arena arena;
    struct diags diags;
    struct config *config;
    struct sink_set *set;
    const char *table; /* the source's */
};

/* 0, or the exit code after the problems were printed. lambda_plan_close in any case. */
int lambda_plan_open(struct lambda_plan *plan, struct cli *cli);
void lambda_plan_close(struct lambda_plan *plan);

/* Leaves of the enabled sinks those that --sinks names, and where their dead letters go. 0 or an
 * exit code. Before the sinks are opened. */
int lambda_plan_choose(struct lambda_plan *plan);

/* An action that the function's role must allow. In `resource`, "*" for region and account of an
 * ARN means the function's own. */
struct lambda_grant {
    weir_str action, resource;
};
/* What the sinks declared, each pair once, in order; count 0 = none. NULL = out of memory. */
struct lambda_grant *lambda_plan_grants(struct lambda_plan *plan, size_t *count);

/* Patterns of the mapping's FilterCriteria that let pass all that some sink wants; *count 0 = no
 * filter is possible, some sink wants everything. NULL = out of memory. */
enum { LAMBDA_PATTERNS_MAX = 2 };
const char *const *lambda_plan_patterns(struct arena *arena, const struct sink_set *set,
                                        size_t *count);

/* The whole template (lambda_template.c). 0 or an exit code. */
int lambda_template(struct lambda_plan *plan, struct buf *out);
#endif
