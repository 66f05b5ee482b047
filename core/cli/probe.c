#include "cli/probe.h"

#include "loop/loop.h"
#include "util/text.h"

#include <stdarg.h>

enum { TIMEOUT_MS = 5000, ATTEMPTS = 2, BODY_BYTES_MAX = 16 << 10, SKEW_WARN_US = 60 * 1000000 };

int probe_open(struct probe *probe, const struct cli *cli, const struct config *config,
               void (*say)(void *arg, const struct finding *finding), void *arg)
{
    struct loop_config loop_config = {0};
    struct err err = {0};
    *probe = (struct probe){.config = config, .say = say, .arg = arg};
    buf_init(&probe->body, BODY_BYTES_MAX);
    buf_init(&probe->answer, 2 << 20);
    if (loop_new(&loop_config, &probe->loop, &err) < 0)
        return cli_fail(cli, EXIT_SOFTWARE, NULL, "%s", err.msg);
    loop_world(probe->loop, &probe->world);
    struct aws_config aws = {.region = config->aws.region,
                             .endpoint_url = config->aws.endpoint_url,
                             .profile = config->aws.profile,
                             .endpoints = config->aws.endpoints,
                             .endpoint_count = config->aws.endpoint_count,
                             .allow_http = config->aws.allow_http,
                             .environ_block = cli->environ_block};
    if (aws_client_new(&probe->world, &aws, &probe->aws, &err) < 0) {
        probe->aws = NULL;
        probe->hopeless = true;
        probe_say(probe, FINDING_FAIL, "aws", "Look at \"aws\", AWS_PROFILE and ~/.aws/config.",
                  "%s", err.msg);
    }
    return 0;
}

void probe_close(struct probe *probe)
{
    aws_client_free(probe->aws);
    if (probe->loop)
        loop_free(probe->loop);
    buf_done(&probe->body);
    buf_done(&probe->answer);
}

/* ---- what was found ---- */

static void __attribute__((format(printf, 3, 0)))
say(struct probe *probe, struct finding *finding, const char *format, va_list args)
{
    char text[800];
    vsnprintf(text, sizeof text, format, args);
    finding->text = text;
    probe->fails += finding->state == FINDING_FAIL;
    probe->say(probe->arg, finding);
}

void probe_say(struct probe *probe, enum finding_state state, const char *what, const char *help,
               const char *format, ...)
{
    struct finding finding = {.state = state, .what = what, .help = help};
    va_list args;
    va_start(args, format);
    say(probe, &finding, format, args);
    va_end(args);
}

void probe_say_of(struct probe *probe, const struct sink_config *sink, enum finding_state state,
                  const char *help, const char *format, ...)
{
    struct finding finding = {.state = state, .what = "sink", .about = sink, .help = help};
    va_list args;
    va_start(args, format);
    say(probe, &finding, format, args);
    va_end(args);
}

static void tell_clock(struct probe *probe, int64_t skew_us)
{
    bool ahead = skew_us < 0;
    int64_t off_s = (ahead ? -skew_us : skew_us) / 1000000;
    if (off_s * 1000000 < SKEW_WARN_US)
        probe_say(probe, FINDING_OK, "clock", NULL, "agrees with AWS's");
    else
        probe_say(
            probe, FINDING_WARN, "clock",
            "Let NTP set it (chronyc tracking, timedatectl): ages and lags are measured by it.",
            "this machine is %lld s %s; requests are signed by AWS's time", (long long)off_s,
            ahead ? "ahead of AWS" : "behind AWS");
}

/* Once, by the first answer, or by there being none. */
static void tell_surroundings(struct probe *probe, const char *service)
{
    struct aws_view view = aws_client_view(probe->aws, service);
    bool answered = probe->outcome != AWS_UNAVAILABLE && probe->outcome != AWS_AMBIGUOUS;
    probe->surroundings_told = true;
    if (!view.credentials) {
        probe->hopeless = true;
        probe_say(probe, FINDING_FAIL, "credentials",
                  "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the machine "
                  "a role.",
                  "%s", probe->message);
        return;
    }
    probe_say(probe, FINDING_OK, "credentials", NULL, "by the provider \"%s\"", view.credentials);
    if (!answered) {
        probe->hopeless = true;
        probe_say(probe, FINDING_FAIL, "endpoint",
                  "Check aws.endpoint_url, the region, and the way there (DNS, proxy, firewall).",
                  "%s: %s", view.url ? view.url : service, probe->message);
        return;
    }
    probe_say(probe, FINDING_OK, "endpoint", NULL, "%s answers", view.url ? view.url : service);
    tell_clock(probe, view.skew_us);
}

/* ---- questions ---- */

static void copy(char *out, size_t size, weir_str text)
{
    snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size - 1), text.ptr);
}

static void on_answer(struct aws_call *call)
{
    struct probe *probe = call->arg;
    probe->open = false;
    probe->outcome = call->outcome;
    copy(probe->type, sizeof probe->type, call->error_type);
    struct buf shown;
    buf_init(&shown, sizeof probe->message * 4);
    buf_put_visible(&shown, call->error_message.len ? call->error_message : call->error_type,
                    sizeof probe->message - 1);
    copy(probe->message, sizeof probe->message, buf_str(&shown));
    buf_done(&shown);
    buf_put_str(&probe->answer, call->answer);
    loop_stop(probe->loop);
}

bool probe_ask(struct probe *probe, const struct question *question)
{
    buf_reset(&probe->answer);
    probe->outcome = AWS_ERROR;
    snprintf(probe->message, sizeof probe->message, "out of memory");
    if (probe->hopeless || probe->body.failed)
        return false;
    probe->call = (struct aws_call){.service = question->service,
                                    .target = question->target,
                                    .json = question->json,
                                    .body = buf_str(&probe->body),
                                    .region = question->region,
                                    .timeout_ms = TIMEOUT_MS,
                                    .max_attempts = ATTEMPTS,
                                    .done = on_answer,
                                    .arg = probe};
    probe->open = aws_call_start(probe->aws, &probe->call) == 0;
    while (probe->open)
        loop_run(probe->loop);
    if (!probe->surroundings_told)
        tell_surroundings(probe, question->service);
    return probe->outcome == AWS_OK && !probe->answer.failed;
}

/* ---- what sinks declared ---- */

/* By what a sink calls: the question after the thing itself. */
static const struct thing {
    const char *service; /* as in "sqs:SendMessage" */
    struct question question;
    const char *member; /* what is its name in the question */
    const char *kind;
} things[] = {
    {"dynamodb", {"dynamodb", "DynamoDB_20120810.DescribeTable", "1.0", {0}}, "TableName", "table"},
    {"sqs", {"sqs", "AmazonSQS.GetQueueUrl", "1.0", {0}}, "QueueName", "queue"},
    {"kinesis",
     {"kinesis", "Kinesis_20131202.DescribeStreamSummary", "1.1", {0}},
     "StreamName",
     "stream"},
    {"events", {"events", "AWSEvents.DescribeEventBus", "1.1", {0}}, "Name", "event bus"},
};

/* "sqs:SendMessage arn:aws:sqs:eu-west-1:*:orders": its parts, as far as they are said. */
static const struct thing *thing_of(weir_str iam, weir_str *region, weir_str *name)
{
    const char *end = iam.ptr + iam.len, *arn = memchr(iam.ptr, ' ', iam.len);
    weir_str parts[6] = {{0}};
    size_t count = 0;
    for (const char *at = arn ? arn + 1 : end; at < end && count < 6; count++) {
        const char *colon = count < 5 ? memchr(at, ':', (size_t)(end - at)) : NULL;
        parts[count] = (weir_str){at, (size_t)((colon ? colon : end) - at)};
        at = colon ? colon + 1 : end;
    }
    *region = str_is(parts[3], "*") ? STR_NONE : parts[3];
    const char *slash = parts[5].len ? memchr(parts[5].ptr, '/', parts[5].len) : NULL;
    *name =
        slash ? (weir_str){slash + 1, (size_t)(parts[5].ptr + parts[5].len - slash - 1)} : parts[5];
    for (size_t i = 0; i < sizeof things / sizeof *things && name->len; i++)
        if (str_starts(iam, str_of(things[i].service)) && iam.ptr[strlen(things[i].service)] == ':')
            return memchr(name->ptr, '*', name->len) ? NULL : &things[i];
    return NULL;
}

static bool told_before(char *const *iam, size_t index, weir_str name)
{
    for (size_t i = 0; i < index; i++) {
        weir_str region, other;
        if (thing_of(str_of(iam[i]), &region, &other) && str_eq(other, name))
            return true;
    }
    return false;
}

static void probe_thing(struct probe *probe, const struct sink_config *sink,
                        const struct thing *thing, weir_str region, weir_str name)
{
    struct question question = thing->question;
    question.region = region;
    buf_reset(&probe->body);
    buf_printf(&probe->body, "{\"%s\":", thing->member);
    buf_put_json_string(&probe->body, name);
    buf_putc(&probe->body, '}');
    bool there = probe_ask(probe, &question);
    if (probe->hopeless)
        return;
    if (there)
        probe_say_of(probe, sink, FINDING_OK, NULL, "%s: %s %.*s is there", sink->name, thing->kind,
                     STR_ARG(name));
    else if (probe->outcome == AWS_MISSING)
        probe_say_of(probe, sink, FINDING_FAIL,
                     "Make it, or correct its name, region or account in the configuration.",
                     "%s: there is no %s %.*s", sink->name, thing->kind, STR_ARG(name));
    else if (probe->outcome == AWS_DENIED && str_starts(str_of(probe->type), STR("AccessDenied")))
        probe_say_of(
            probe, sink, FINDING_WARN,
            "The sink does not need this call itself; `weir plan` has the policy it needs.",
            "%s: %s %.*s may not be looked at: %s", sink->name, thing->kind, STR_ARG(name),
            probe->message);
    else
        probe_say_of(probe, sink, FINDING_FAIL, "Look at the message; it is the service's own.",
                     "%s: %s %.*s: %s", sink->name, thing->kind, STR_ARG(name), probe->message);
}

bool probe_wants_aws(const struct probe *probe, const struct sink_set *set)
{
    const struct config *config = probe->config;
    bool wants = config->source == SOURCE_POLL || config->state.table || config->poll.tables ||
                 config->poll.streams;
    for (size_t i = 0; i < set->count && !wants; i++)
        wants = set->sinks[i].instance->iam && set->sinks[i].instance->iam[0];
    return wants;
}

void probe_sinks(struct probe *probe, const struct sink_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        char *const *iam = set->sinks[i].instance->iam;
        bool any = false;
        for (size_t k = 0; iam && iam[k]; k++) {
            weir_str region, name;
            const struct thing *thing = thing_of(str_of(iam[k]), &region, &name);
            any = any || thing;
            if (thing && !told_before(iam, k, name) && !probe->hopeless)
                probe_thing(probe, set->sinks[i].config, thing, region, name);
        }
        if (!any)
            probe_say_of(probe, set->sinks[i].config, FINDING_OK, NULL,
                         "%s: opened; it names nothing that can be asked",
                         set->sinks[i].config->name);
    }
}
