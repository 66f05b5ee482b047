/* What each sink declared that it needs, asked for: tables, queues, streams, servers. */
#include "cli/probe.h"

#include "loop/loop.h"
#include "util/text.h"

enum { SERVER_TIMEOUT_MS = 5000 };

/* ---- of AWS ---- */

static const struct http_header dry_run = {{"X-Amz-Invocation-Type", 21}, {"DryRun", 6}};

/* By what a sink calls: the question after the thing itself. */
static const struct thing {
    const char *service; /* as in "sqs:SendMessage" */
    struct question question;
    const char *member; /* what is its name in the question */
    const char *kind;
} things[] = {
    {"dynamodb",
     {.service = "dynamodb", .target = "DynamoDB_20120810.DescribeTable", .json = "1.0"},
     "TableName",
     "table"},
    {"sqs",
     {.service = "sqs", .target = "AmazonSQS.GetQueueUrl", .json = "1.0"},
     "QueueName",
     "queue"},
    {"sns", {.service = "sns", .form = true}, "Action=GetTopicAttributes&TopicArn=", "topic"},
    {"kinesis",
     {.service = "kinesis", .target = "Kinesis_20131202.DescribeStreamSummary", .json = "1.1"},
     "StreamName",
     "stream"},
    {"events",
     {.service = "events", .target = "AWSEvents.DescribeEventBus", .json = "1.1"},
     "Name",
     "event bus"},
    {"lambda", {.service = "lambda", .header = &dry_run}, NULL, "function"},
};

struct named { /* views of what a sink declared */
    const struct thing *thing;
    weir_str arn, region, name; /* region len 0: not said */
    bool account;               /* the ARN says which */
};

static weir_str behind(weir_str text, char c)
{
    const char *at = text.len ? memchr(text.ptr, c, text.len) : NULL;
    return at ? (weir_str){at + 1, (size_t)(text.ptr + text.len - at - 1)} : text;
}

/* "sqs:SendMessage arn:aws:sqs:eu-west-1:*:orders": its parts, as far as they are said. */
static struct named named_by(weir_str iam)
{
    const char *end = iam.ptr + iam.len;
    struct named out = {.arn = behind(iam, ' ')};
    weir_str parts[6] = {{0}};
    size_t count = 0;
    for (const char *at = out.arn.ptr; at < end && count < 6; count++) {
        const char *colon = count < 5 ? memchr(at, ':', (size_t)(end - at)) : NULL;
        parts[count] = (weir_str){at, (size_t)((colon ? colon : end) - at)};
        at = colon ? colon + 1 : end;
    }
    out.region = str_is(parts[3], "*") ? STR_NONE : parts[3];
    out.account = !str_is(parts[4], "*");
    out.name =
        str_starts(parts[5], STR("function:")) ? behind(parts[5], ':') : behind(parts[5], '/');
    for (size_t i = 0; i < sizeof things / sizeof *things && out.name.len; i++)
        if (str_starts(iam, str_of(things[i].service)) &&
            iam.ptr[strlen(things[i].service)] == ':' && !memchr(out.name.ptr, '*', out.name.len))
            out.thing = &things[i];
    return out;
}

static bool told_before(char *const *iam, size_t index, weir_str name)
{
    for (size_t i = 0; i < index; i++) {
        struct named other = named_by(str_of(iam[i]));
        if (other.thing && str_eq(other.name, name))
            return true;
    }
    return false;
}

/* Invoking dry: Lambda looks whether it could be done, and that is all. */
static void put_invocation(struct buf *path, const struct named *named)
{
    buf_puts(path, "/2015-03-31/functions/");
    buf_put_percent(path, named->account ? named->arn : named->name);
    buf_puts(path, "/invocations");
}

static void put_body(struct buf *body, const struct named *named)
{
    buf_reset(body);
    if (named->thing->question.form) {
        buf_puts(body, named->thing->member);
        buf_put_percent(body, named->arn);
        buf_puts(body, "&Version=2010-03-31");
        return;
    }
    buf_putc(body, '{');
    if (named->thing->member)
        buf_printf(body, "\"%s\":", named->thing->member);
    if (named->thing->member)
        buf_put_json_string(body, named->name);
    buf_putc(body, '}');
}

/* Where the bundled sinks say that they call another server than the configured one. */
static weir_str endpoint_of(const struct sink_config *sink)
{
    weir_str url = json_text(sink->options, "endpoint");
    if (!url.len)
        url = json_text(sink->options, "queue_url");
    if (!url.len)
        return STR_NONE;
    size_t scheme = str_starts(url, STR("https://"))  ? strlen("https://")
                    : str_starts(url, STR("http://")) ? strlen("http://")
                                                      : url.len;
    const char *slash = memchr(url.ptr + scheme, '/', url.len - scheme);
    return (weir_str){url.ptr, slash ? (size_t)(slash - url.ptr) : url.len};
}

static bool ask(struct probe *probe, const struct sink_config *sink, const struct named *named)
{
    struct question question = named->thing->question;
    struct buf path;
    buf_init(&path, 4096);
    if (question.header) {
        put_invocation(&path, named);
        question.post = buf_cstr(&path);
    }
    question.region = named->region;
    question.endpoint = endpoint_of(sink);
    put_body(&probe->body, named);
    bool there = !path.failed && probe_ask(probe, &question);
    buf_done(&path);
    return there;
}

static void probe_thing(struct probe *probe, const struct sink_config *sink,
                        const struct named *named)
{
    bool there = ask(probe, sink, named);
    if (probe->hopeless)
        return;
    if (there)
        probe_say_of(probe, sink, FINDING_OK, NULL, "%s: %s %.*s is there", sink->name,
                     named->thing->kind, STR_ARG(named->name));
    else if (probe->outcome == AWS_MISSING)
        probe_say_of(probe, sink, FINDING_FAIL,
                     "Make it, or correct its name, region or account in the configuration.",
                     "%s: there is no %s %.*s", sink->name, named->thing->kind,
                     STR_ARG(named->name));
    else if (probe->outcome == AWS_DENIED && str_starts(str_of(probe->type), STR("AccessDenied")))
        probe_say_of(
            probe, sink, FINDING_WARN,
            "The sink does not need this call itself; `weir plan` has the policy it needs.",
            "%s: %s %.*s may not be looked at: %s", sink->name, named->thing->kind,
            STR_ARG(named->name), probe->message);
    else
        probe_say_of(probe, sink, FINDING_FAIL, "Look at the message; it is the service's own.",
                     "%s: %s %.*s: %s", sink->name, named->thing->kind, STR_ARG(named->name),
                     probe->message);
}

bool probe_wants_aws(const struct probe *probe, const struct sink_set *set)
{
    const struct config *config = probe->config;
    bool wants = config->source == SOURCE_POLL || config->state.table || config->poll.tables ||
                 config->poll.streams || probe_for_lambda(probe);
    for (size_t i = 0; i < set->count && !wants; i++)
        wants = set->sinks[i].instance->iam && set->sinks[i].instance->iam[0];
    return wants;
}

/* ---- servers ---- */

static void on_server(struct http_call *call)
{
    loop_stop(call->arg);
}

/* Any answer will do, and so will none once the request is out: somebody listens there. */
static void probe_server(struct probe *probe, const struct sink_config *sink, const char *origin)
{
    char url[300];
    struct http_call call = {.method = "GET",
                             .url = url,
                             .timeout_ms = SERVER_TIMEOUT_MS,
                             .done = on_server,
                             .arg = probe->loop};
    snprintf(url, sizeof url, "%s/", origin);
    buf_init(&call.answer, 1 << 20);
    buf_init(&call.answer_headers, 64 << 10);
    int rc = probe->world.transport.start(probe->world.transport.ctx, &call);
    if (rc == 0)
        loop_run(probe->loop);
    bool there = rc == 0 && (call.result == HTTP_DONE || call.result == HTTP_AMBIGUOUS ||
                             call.result == HTTP_TOO_LARGE);
    if (there)
        probe_say_of(probe, sink, FINDING_OK, NULL, "%s: %s answers", sink->name, origin);
    else
        probe_say_of(probe, sink, FINDING_FAIL,
                     "Check the URL and the way there (DNS, firewall, certificate).", "%s: %s: %s",
                     sink->name, origin, call.reason[0] ? call.reason : strerror(-rc));
    buf_done(&call.answer);
    buf_done(&call.answer_headers);
}

/* false: it named nothing of AWS that can be asked after. */
static bool probe_aws_things(struct probe *probe, const struct built_sink *sink)
{
    char *const *iam = sink->instance->iam;
    bool any = false;
    for (size_t k = 0; iam && iam[k]; k++) {
        struct named named = named_by(str_of(iam[k]));
        any = any || named.thing;
        if (named.thing && !told_before(iam, k, named.name) && !probe->hopeless)
            probe_thing(probe, sink->config, &named);
    }
    return any;
}

void probe_sinks(struct probe *probe, const struct sink_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct built_sink *sink = &set->sinks[i];
        weir_str target = str_of(sink->instance->target);
        if (str_starts(target, STR("server http")))
            probe_server(probe, sink->config, target.ptr + strlen("server "));
        else if (!probe_aws_things(probe, sink))
            probe_say_of(probe, sink->config, FINDING_OK, NULL,
                         "%s: opened; it names nothing that can be asked", sink->config->name);
    }
}
