/* weir lambda iam, weir lambda filter. */
#include "cli/lambda_plan.h"
#include "cli/verbs.h"
#include "util/text.h"

/* ---- the policy ---- */

static void put_statement(struct buf *out, const char *actions, weir_str resource)
{
    buf_printf(out,
               ",\n    {\"Effect\": \"Allow\", \"Action\": [%s],\n     \"Resource\": ", actions);
    buf_put_json_string(out, resource);
    buf_putc(out, '}');
}

static int put_policy(struct lambda_plan *plan, struct buf *out)
{
    struct buf line;
    size_t count = 0;
    const struct lambda_grant *grants = lambda_plan_grants(plan, &count);
    if (!grants)
        return cli_fail(plan->cli, EXIT_SOFTWARE, NULL, "out of memory");
    buf_init(&line, 8192);
    buf_printf(&line, "arn:aws:dynamodb:*:*:table/%s/stream/*", plan->table);
    /* ListStreams knows no resource. */
    buf_puts(out, "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n"
                  "    {\"Effect\": \"Allow\", \"Action\": [\"dynamodb:ListStreams\"],\n"
                  "     \"Resource\": \"*\"}");
    put_statement(out,
                  "\"dynamodb:DescribeStream\", \"dynamodb:GetRecords\", "
                  "\"dynamodb:GetShardIterator\"",
                  buf_str(&line));
    put_statement(out, "\"logs:CreateLogStream\", \"logs:PutLogEvents\"",
                  STR("arn:aws:logs:*:*:log-group:/aws/lambda/*"));
    for (size_t i = 0; i < count; i++) {
        buf_reset(&line);
        buf_put_json_string(&line, grants[i].action);
        put_statement(out, buf_cstr(&line), grants[i].resource);
    }
    buf_puts(out, "\n  ]\n}\n");
    bool whole = !line.failed;
    buf_done(&line);
    return whole ? 0 : cli_fail(plan->cli, EXIT_SOFTWARE, NULL, "out of memory");
}

/* ---- the filter ---- */

static int put_filter(struct lambda_plan *plan, struct buf *out)
{
    size_t count = 0;
    const char *const *patterns = lambda_plan_patterns(&plan->arena, plan->set, &count);
    if (!patterns)
        return cli_fail(plan->cli, EXIT_SOFTWARE, NULL, "out of memory");
    buf_puts(out, "{\"Filters\":[");
    for (size_t i = 0; i < count; i++) {
        buf_puts(out, i ? ",{\"Pattern\":" : "{\"Pattern\":");
        buf_put_json_string(out, str_of(patterns[i]));
        buf_putc(out, '}');
    }
    buf_puts(out, "]}\n");
    return 0;
}

static int print(struct cli *cli, int (*put)(struct lambda_plan *plan, struct buf *out))
{
    struct lambda_plan plan;
    struct buf out;
    buf_init(&out, 1 << 20);
    int rc = lambda_plan_open(&plan, cli);
    if (rc == 0)
        rc = put(&plan, &out);
    if (rc == 0 && !cli_write(cli->out, &out))
        rc = EXIT_NO;
    buf_done(&out);
    lambda_plan_close(&plan);
    return rc;
}

int verb_lambda_iam(struct cli *cli)
{
    return print(cli, put_policy);
}

int verb_lambda_filter(struct cli *cli)
{
    return print(cli, put_filter);
}

int verb_lambda_template(struct cli *cli)
{
    return print(cli, lambda_template);
}
