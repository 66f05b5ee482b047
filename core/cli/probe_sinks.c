/* What each sink declared that it needs, asked for: tables, queues, streams, servers. */
#include "cli/probe.h"

#include "loop/loop.h"
#include "util/text.h"

enum { SERVER_TIMEOUT_MS = 5000 };

/* ---- of AWS ---- */

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
    {"kinesis",
     {.service = "kinesis", .target = "Kinesis_20131202.DescribeStreamSummary", .json = "1.1"},
     "StreamName",
     "stream"},
    {"events",
     {.service = "events", .target = "AWSEvents.DescribeEventBus", .json = "1.1"},
     "Name",
     "event bus"},
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

static void probe_thing(struct probe *probe, const struct sink_config *sink,
                        const struct thing *thing, weir_str region, weir_str name)
{
    struct question question = thing->question;
    question.region = region;
    question.endpoint = endpoint_of(sink);
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
        weir_str region, name;
        const struct thing *thing = thing_of(str_of(iam[k]), &region, &name);
        any = any || thing;
        if (thing && !told_before(iam, k, name) && !probe->hopeless)
            probe_thing(probe, sink->config, thing, region, name);
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
