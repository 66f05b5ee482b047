/* weir lambda template: a CloudFormation template of the function and all around it, as YAML. With
 * --sam the zip files are local ones, which `sam deploy` or `aws cloudformation package` uploads.
 */
#include "cli/lambda_plan.h"
#include "cli/verbs.h"
#include "config/tree.h"
#include "util/text.h"

enum { VARIABLES_MAX = 64 };

#define SWITCH "WEIR_REPORT_BATCH_ITEM_FAILURES"

struct variable { /* of the function's environment, named in the configuration */
    weir_str name;
    char parameter[80];
};

struct template
{
    struct lambda_plan *plan;
    struct buf *out;
    struct variable variables[VARIABLES_MAX];
    size_t variable_count;
    bool report; /* ReportBatchItemFailures, in the mapping and at weir */
    bool sam;
};

/* ---- the function's variables ---- */

static bool name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* QUEUE_URL becomes QueueUrl: parameters have letters and digits only. */
static void parameter_name(struct variable *variable)
{
    size_t len = 0;
    bool upper = true;
    for (size_t i = 0; i < variable->name.len && len + 1 < sizeof variable->parameter; i++) {
        char c = variable->name.ptr[i];
        if (c == '_') {
            upper = true;
            continue;
        }
        if (upper && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        else if (!upper && c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        variable->parameter[len++] = c;
        upper = false;
    }
    variable->parameter[len] = '\0';
}

static void add_variable(struct template *t, weir_str name)
{
    if (str_is(name, SWITCH))
        t->report = true; /* the switch is the template's to set */
    if (name.len == 0 || name.len > 64 || str_is(name, SWITCH) || str_starts(name, STR("AWS_")) ||
        str_starts(name, STR("LAMBDA_")) || t->variable_count == VARIABLES_MAX)
        return;
    for (size_t i = 0; i < t->variable_count; i++)
        if (str_eq(t->variables[i].name, name))
            return;
    struct variable *variable = &t->variables[t->variable_count++];
    variable->name = name;
    parameter_name(variable);
}

/* Every ${NAME} in the file; one in a comment costs an unused variable. */
static void find_variables(struct template *t)
{
    weir_str text = t->plan->config->text;
    for (size_t i = 0; i + 2 < text.len; i++) {
        if (text.ptr[i] == '$' && text.ptr[i + 1] == '$') {
            i++;
            continue;
        }
        if (text.ptr[i] != '$' || text.ptr[i + 1] != '{')
            continue;
        size_t end = i + 2;
        while (end < text.len && name_char(text.ptr[end]))
            end++;
        bool file = end < text.len && text.ptr[end] == ':' && text.ptr[end + 1] != '-';
        if (!file)
            add_variable(t, (weir_str){text.ptr + i + 2, end - i - 2});
    }
}

/* ---- pieces ---- */

static void put_quoted(struct template *t, weir_str text)
{
    buf_put_json_string(t->out, text); /* a JSON string is a YAML string */
}

/* An ARN whose region and account are "*": the function's own. */
static void put_arn(struct template *t, weir_str arn)
{
    const char *own[] = {NULL, "${AWS::Partition}", NULL, "${AWS::Region}", "${AWS::AccountId}"};
    struct buf text;
    buf_init(&text, 8192);
    size_t part = 0;
    for (const char *at = arn.ptr, *end = arn.ptr + arn.len; at < end; part++) {
        const char *colon = part < 5 ? memchr(at, ':', (size_t)(end - at)) : NULL;
        weir_str piece = {at, (size_t)((colon ? colon : end) - at)};
        bool ours =
            part < 5 && own[part] && (str_is(piece, "*") || (part == 1 && str_is(piece, "aws")));
        buf_put_str(&text, ours ? str_of(own[part]) : piece);
        if (colon)
            buf_putc(&text, ':');
        at = colon ? colon + 1 : end;
    }
    buf_puts(t->out, "!Sub ");
    put_quoted(t, buf_str(&text));
    buf_putc(t->out, '\n');
    buf_done(&text);
}

static void put_head(struct template *t)
{
    buf_puts(t->out, "AWSTemplateFormatVersion: \"2010-09-09\"\n");
    if (t->sam)
        buf_puts(t->out, "Transform: AWS::Serverless-2016-10-31\n");
    buf_puts(t->out, "Description: ");
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text, "weir: the stream of table %s to its sinks", t->plan->table);
    put_quoted(t, buf_str(&text));
    buf_done(&text);
    buf_puts(t->out, "\nParameters:\n"
                     "  Architecture:\n    Type: String\n    Default: x86_64\n"
                     "    AllowedValues: [x86_64, arm64]\n");
    if (!t->sam)
        buf_puts(t->out, "  CodeBucket:\n    Type: String\n"
                         "    Description: The S3 bucket that holds the two zip files\n"
                         "  LayerKey:\n    Type: String\n"
                         "    Default: weir-layer-x86_64.zip\n"
                         "  FunctionKey:\n    Type: String\n"
                         "    Default: weir-function.zip\n");
    for (size_t i = 0; i < t->variable_count; i++) {
        char name[80];
        snprintf(name, sizeof name, "%.*s", STR_ARG(t->variables[i].name));
        const char *value = env_get(t->plan->cli->environ_block, name);
        buf_printf(t->out, "  %s:\n    Type: String\n", t->variables[i].parameter);
        if (value && *value) {
            buf_puts(t->out, "    Default: ");
            put_quoted(t, str_of(value));
            buf_putc(t->out, '\n');
        }
    }
}

static void put_table(struct template *t, const char *resource, const char *name, const char *key,
                      const char *sort, const char *sort_type)
{
    buf_printf(t->out,
               "  %s:\n    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Retain\n"
               "    UpdateReplacePolicy: Retain\n    Properties:\n      TableName: ",
               resource);
    put_quoted(t, str_of(name));
    buf_puts(t->out, "\n      BillingMode: PAY_PER_REQUEST\n      AttributeDefinitions:\n"
                     "        - AttributeName: ");
    put_quoted(t, str_of(key));
    buf_puts(t->out, "\n          AttributeType: S\n");
    if (sort) {
        buf_puts(t->out, "        - AttributeName: ");
        put_quoted(t, str_of(sort));
        buf_printf(t->out, "\n          AttributeType: %s\n", sort_type);
    }
    buf_puts(t->out, "      KeySchema:\n        - AttributeName: ");
    put_quoted(t, str_of(key));
    buf_puts(t->out, "\n          KeyType: HASH\n");
    if (sort) {
        buf_puts(t->out, "        - AttributeName: ");
        put_quoted(t, str_of(sort));
        buf_puts(t->out, "\n          KeyType: RANGE\n");
    } else {
        buf_puts(t->out, "      StreamSpecification:\n"
                         "        StreamViewType: NEW_AND_OLD_IMAGES\n");
    }
}

static const char *option(struct template *t, const struct built_sink *sink, const char *name,
                          const char *otherwise)
{
    weir_str value = json_text(sink->config->options, name);
    const char *kept = value.len ? arena_text(&t->plan->arena, value) : NULL;
    return kept ? kept : otherwise;
}

/* The tables of pricehistory sinks, whose keys are known here. Another plugin's target is the
 * user's own. */
static void put_history_tables(struct template *t)
{
    size_t number = 0;
    for (size_t i = 0; i < t->plan->set->count; i++) {
        const struct built_sink *sink = &t->plan->set->sinks[i];
        const char *const table = sink->instance->tables ? sink->instance->tables[0] : NULL;
        if (!table || strcmp(sink->plugin->desc.name, "pricehistory") != 0 ||
            str_starts(str_of(table), STR("arn:")))
            continue;
        char resource[32] = "PriceHistoryTable";
        if (number++)
            snprintf(resource, sizeof resource, "PriceHistoryTable%zu", number);
        bool text = strcmp(option(t, sink, "timestamp", "sequence"), "text") == 0;
        put_table(t, resource, table, option(t, sink, "key_attribute", "product_id"),
                  option(t, sink, "timestamp_name", "timestamp"), text ? "S" : "N");
    }
}

static void put_statement(struct template *t, const char *actions)
{
    buf_printf(t->out,
               "              - Effect: Allow\n                Action: [%s]\n"
               "                Resource: ",
               actions);
}

static int put_role(struct template *t)
{
    size_t count = 0;
    const struct lambda_grant *grants = lambda_plan_grants(t->plan, &count);
    if (!grants)
        return cli_fail(t->plan->cli, EXIT_SOFTWARE, NULL, "out of memory");
    buf_puts(t->out, "  Role:\n    Type: AWS::IAM::Role\n    Properties:\n"
                     "      AssumeRolePolicyDocument:\n        Version: \"2012-10-17\"\n"
                     "        Statement:\n          - Effect: Allow\n"
                     "            Principal: {Service: lambda.amazonaws.com}\n"
                     "            Action: sts:AssumeRole\n"
                     "      Policies:\n        - PolicyName: weir\n          PolicyDocument:\n"
                     "            Version: \"2012-10-17\"\n            Statement:\n");
    put_statement(t, "dynamodb:ListStreams");
    buf_puts(t->out, "\"*\"\n");
    put_statement(t, "dynamodb:DescribeStream, dynamodb:GetRecords, dynamodb:GetShardIterator");
    buf_puts(t->out, "!GetAtt SourceTable.StreamArn\n");
    put_statement(t, "logs:CreateLogStream, logs:PutLogEvents");
    buf_puts(t->out, "!GetAtt Logs.Arn\n");
    put_statement(t, "sqs:SendMessage");
    buf_puts(t->out, "!GetAtt Failures.Arn\n");
    for (size_t i = 0; i < count; i++) {
        char action[128];
        snprintf(action, sizeof action, "%.*s", STR_ARG(grants[i].action));
        put_statement(t, action);
        put_arn(t, grants[i].resource);
    }
    return 0;
}

static void put_function(struct template *t)
{
    if (t->sam)
        buf_puts(t->out,
                 "  Layer:\n    Type: AWS::Serverless::LayerVersion\n    Properties:\n"
                 "      LayerName: weir\n"
                 "      ContentUri: weir-layer-x86_64.zip # or -arm64, as Architecture says\n"
                 "      CompatibleRuntimes: [provided.al2023]\n"
                 "      CompatibleArchitectures: [!Ref Architecture]\n"
                 "  Function:\n    Type: AWS::Serverless::Function\n    Properties:\n"
                 "      CodeUri: weir-function.zip\n");
    else
        buf_puts(t->out, "  Layer:\n    Type: AWS::Lambda::LayerVersion\n    Properties:\n"
                         "      LayerName: weir\n"
                         "      Content: {S3Bucket: !Ref CodeBucket, S3Key: !Ref LayerKey}\n"
                         "      CompatibleRuntimes: [provided.al2023]\n"
                         "      CompatibleArchitectures: [!Ref Architecture]\n"
                         "  Function:\n    Type: AWS::Lambda::Function\n    Properties:\n"
                         "      Code: {S3Bucket: !Ref CodeBucket, S3Key: !Ref FunctionKey}\n");
    buf_printf(t->out,
               "      Runtime: provided.al2023\n      Handler: weir.json\n"
               "      Architectures: [!Ref Architecture]\n"
               "      MemorySize: 128\n      Timeout: 30\n      Role: !GetAtt Role.Arn\n"
               "      Layers: [!Ref Layer]\n"
               "      LoggingConfig: {LogFormat: JSON, LogGroup: !Ref Logs}\n"
               "      Environment:\n        Variables:\n"
               "          # Together with the mapping's FunctionResponseTypes, or neither:\n"
               "          " SWITCH ": \"%s\"\n",
               t->report ? "true" : "false");
    for (size_t i = 0; i < t->variable_count; i++)
        buf_printf(t->out, "          %.*s: !Ref %s\n", STR_ARG(t->variables[i].name),
                   t->variables[i].parameter);
}

static int put_mapping(struct template *t)
{
    size_t count = 0;
    const char *const *patterns = lambda_plan_patterns(&t->plan->arena, t->plan->set, &count);
    if (!patterns)
        return cli_fail(t->plan->cli, EXIT_SOFTWARE, NULL, "out of memory");
    buf_printf(t->out,
               "  Mapping:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties:\n"
               "      FunctionName: !Ref Function\n"
               "      EventSourceArn: !GetAtt SourceTable.StreamArn\n"
               "      StartingPosition: TRIM_HORIZON\n      BatchSize: 100\n"
               "      MaximumBatchingWindowInSeconds: 0\n      ParallelizationFactor: 1\n"
               "      MaximumRetryAttempts: 10\n      MaximumRecordAgeInSeconds: 43200\n"
               "      BisectBatchOnFunctionError: true\n      FunctionResponseTypes: [%s]\n"
               "      DestinationConfig:\n        OnFailure: {Destination: !GetAtt Failures.Arn}\n",
               t->report ? "ReportBatchItemFailures" : "");
    if (count)
        buf_puts(t->out, "      FilterCriteria:\n        Filters:\n");
    for (size_t i = 0; i < count; i++) {
        buf_puts(t->out, "          - Pattern: ");
        put_quoted(t, str_of(patterns[i]));
        buf_putc(t->out, '\n');
    }
    return 0;
}

static void put_around(struct template *t)
{
    buf_puts(
        t->out,
        "  Logs:\n    Type: AWS::Logs::LogGroup\n    DeletionPolicy: Delete\n"
        "    UpdateReplacePolicy: Delete\n    Properties:\n      RetentionInDays: 30\n"
        "  Failures: # what the mapping gives up on: places in the stream, kept there for 24 "
        "hours\n"
        "    Type: AWS::SQS::Queue\n    DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain\n"
        "    Properties:\n      MessageRetentionPeriod: 1209600\n"
        "      SqsManagedSseEnabled: true\n"
        "  IteratorAgeAlarm:\n    Type: AWS::CloudWatch::Alarm\n    Properties:\n"
        "      AlarmDescription: Records wait for more than five minutes\n"
        "      Namespace: AWS/Lambda\n      MetricName: IteratorAge\n"
        "      Dimensions: [{Name: FunctionName, Value: !Ref Function}]\n"
        "      Statistic: Maximum\n      Period: 60\n      EvaluationPeriods: 5\n"
        "      Threshold: 300000\n      ComparisonOperator: GreaterThanThreshold\n"
        "      TreatMissingData: notBreaching\n"
        "  FailuresAlarm:\n    Type: AWS::CloudWatch::Alarm\n    Properties:\n"
        "      AlarmDescription: The mapping gave up on a batch\n"
        "      Namespace: AWS/SQS\n      MetricName: ApproximateNumberOfMessagesVisible\n"
        "      Dimensions: [{Name: QueueName, Value: !GetAtt Failures.QueueName}]\n"
        "      Statistic: Maximum\n      Period: 60\n      EvaluationPeriods: 1\n"
        "      Threshold: 0\n      ComparisonOperator: GreaterThanThreshold\n"
        "      TreatMissingData: notBreaching\n"
        "Outputs:\n  FunctionName: {Value: !Ref Function}\n"
        "  FailuresUrl: {Value: !Ref Failures}\n");
}

int lambda_template(struct lambda_plan *plan, struct buf *out)
{
    struct template t = {.plan = plan,
                         .out = out,
                         .sam = plan->cli->sam,
                         .report = plan->config->lambda.report_batch_item_failures};
    find_variables(&t);
    put_head(&t);
    buf_puts(out, "Resources:\n");
    put_table(&t, "SourceTable", plan->table, plan->cli->key ? plan->cli->key : "product_id", NULL,
              NULL);
    put_history_tables(&t);
    int rc = put_role(&t);
    put_function(&t);
    if (rc == 0)
        rc = put_mapping(&t);
    put_around(&t);
    if (rc == 0 && out->failed)
        rc = cli_fail(plan->cli, EXIT_SOFTWARE, NULL, "out of memory");
    return rc;
}
