/* The event source mapping that reads a stream for a Lambda function, beside the configuration of
 * the function: `weir doctor`. */
#include "cli/lambda_plan.h"
#include "cli/probe.h"
#include "config/tree.h"
#include "plugin/options.h"
#include "util/text.h"

#include <inttypes.h>

enum { READERS_MAX = 2 }; /* of a shard at a time, before reads are throttled */

struct mapping {
    const struct json_value *json;
    const char *function; /* the name, for messages */
};

/* ---- one setting ---- */

static int64_t number(const struct mapping *mapping, const char *name, int64_t absent)
{
    int64_t value;
    return json_i64(json_member0(mapping->json, name), &value) == 0 ? value : absent;
}

static bool reports_items(const struct mapping *mapping)
{
    const struct json_value *types = json_member0(mapping->json, "FunctionResponseTypes");
    for (const struct json_value *type = json_at(types, 0); type; type = type->next)
        if (type->kind == JSON_STRING && str_is(type->text, "ReportBatchItemFailures"))
            return true;
    return false;
}

static void check_state(struct probe *probe, const struct mapping *mapping)
{
    weir_str state = json_text(mapping->json, "State");
    weir_str last = json_text(mapping->json, "LastProcessingResult");
    if (!str_is(state, "Enabled"))
        probe_say(probe, FINDING_WARN, "mapping", "Enable it; it reads nothing meanwhile.",
                  "%s: the event source mapping is %.*s", mapping->function, STR_ARG(state));
    else if (str_starts(last, STR("PROBLEM")))
        probe_say(probe, FINDING_WARN, "mapping", "Look at the function's log.",
                  "%s: the mapping's last result was: %.*s", mapping->function, STR_ARG(last));
    else
        probe_say(probe, FINDING_OK, "mapping", NULL, "%s reads the stream", mapping->function);
}

static void check_answer(struct probe *probe, const struct mapping *mapping)
{
    bool reads_it = reports_items(mapping);
    bool gives_it = probe->config->lambda.report_batch_item_failures;
    if (gives_it && !reads_it)
        probe_say(probe, FINDING_FAIL, "mapping",
                  "Add ReportBatchItemFailures to its FunctionResponseTypes, or leave "
                  "lambda.report_batch_item_failures away.",
                  "%s: weir answers with the records that failed, and the mapping does not look: "
                  "they would be lost",
                  mapping->function);
    else if (reads_it && !gives_it)
        probe_say(probe, FINDING_WARN, "mapping", "Set lambda.report_batch_item_failures to true.",
                  "%s: the mapping has ReportBatchItemFailures, but one failure fails the whole "
                  "batch",
                  mapping->function);
    else
        probe_say(probe, FINDING_OK, "mapping", NULL, "%s: %s, on both sides", mapping->function,
                  reads_it ? "failed records are reported one by one" : "a batch fails as a whole");
}

static void put_sizes(struct probe *probe, const struct mapping *mapping)
{
    const struct json_value *bisect = json_member0(mapping->json, "BisectBatchOnFunctionError");
    probe_say(probe, FINDING_OK, "mapping", NULL,
              "%s: batches of up to %" PRId64 ", gathered for %" PRId64 " s, %" PRId64
              " at a time per shard%s",
              mapping->function, number(mapping, "BatchSize", 100),
              number(mapping, "MaximumBatchingWindowInSeconds", 0),
              number(mapping, "ParallelizationFactor", 1),
              bisect && bisect->kind == JSON_TRUE ? ", halved when they fail" : "");
}

static void put_bound(struct buf *out, int64_t attempts, int64_t age_s)
{
    if (attempts >= 0)
        buf_printf(out, "after %" PRId64 " retries", attempts);
    if (age_s >= 0)
        buf_printf(out, "%s %" PRId64 " s", attempts >= 0 ? " or" : "after", age_s);
}

static void check_giving_up(struct probe *probe, const struct mapping *mapping)
{
    const struct json_value *config = json_member0(mapping->json, "DestinationConfig");
    weir_str to = json_text(json_member0(config, "OnFailure"), "Destination");
    int64_t attempts = number(mapping, "MaximumRetryAttempts", -1);
    int64_t age_s = number(mapping, "MaximumRecordAgeInSeconds", -1);
    struct buf bound;
    buf_init(&bound, 128);
    put_bound(&bound, attempts, age_s);
    if (attempts < 0 && age_s < 0)
        probe_say(probe, FINDING_WARN, "mapping",
                  "Set MaximumRetryAttempts or MaximumRecordAgeInSeconds, and an on-failure "
                  "destination; `weir lambda template` has them.",
                  "%s: a batch is repeated until its records are 24 h old and lost; its shard "
                  "waits",
                  mapping->function);
    else if (!to.len)
        probe_say(probe, FINDING_WARN, "mapping", "Give it an on-failure destination.",
                  "%s: what is given up %s is lost: there is no on-failure destination",
                  mapping->function, buf_cstr(&bound));
    else
        probe_say(probe, FINDING_OK, "mapping", NULL, "%s: gives up %s, to %.*s", mapping->function,
                  buf_cstr(&bound), STR_ARG(to));
    buf_done(&bound);
}

/* ---- the filter ---- */

/* The same text for the same pattern; as it came where it is none. */
static const char *compact(struct arena *arena, weir_str text)
{
    struct json_error error;
    struct buf out;
    const struct json_value *tree = json_parse(arena, text, JSON_LAST_WINS, 0, &error);
    buf_init(&out, 64 << 10);
    const char *kept = tree && option_json_write(tree, &out) == 0 ? arena_text(arena, buf_str(&out))
                                                                  : arena_text(arena, text);
    buf_done(&out);
    return kept ? kept : "";
}

/* Whether the mapping's patterns are ours, in any order. */
static bool same_filter(struct arena *arena, const struct json_value *filters,
                        const char *const *patterns, size_t count)
{
    if ((filters ? filters->size : 0) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct json_value *one = json_at(filters, 0);
        const char *ours = compact(arena, str_of(patterns[i]));
        while (one && strcmp(compact(arena, json_text(one, "Pattern")), ours) != 0)
            one = one->next;
        if (!one)
            return false;
    }
    return true;
}

static void check_filter(struct probe *probe, const struct sink_set *set,
                         const struct mapping *mapping)
{
    struct arena arena;
    size_t count = 0;
    arena_init(&arena, 4096);
    const struct json_value *filters =
        json_member0(json_member0(mapping->json, "FilterCriteria"), "Filters");
    const char *const *patterns = lambda_plan_patterns(&arena, set, &count);
    bool any = filters && filters->size > 0;
    if (patterns && same_filter(&arena, filters, patterns, count))
        probe_say(probe, FINDING_OK, "mapping", NULL, "%s: %s", mapping->function,
                  count ? "its filter is what `weir lambda filter` prints"
                        : "no filter, and the sinks want every event");
    else if (any)
        probe_say(probe, FINDING_WARN, "mapping",
                  "Compare it with `weir lambda filter`: what it stops no sink ever gets.",
                  "%s: its filter is not what the sinks want", mapping->function);
    else
        probe_say(probe, FINDING_WARN, "mapping",
                  "Give it what `weir lambda filter` prints: each invocation costs.",
                  "%s: no filter: it is invoked for records that no sink wants", mapping->function);
    arena_done(&arena);
}

/* ---- which mappings ---- */

/* "NAME", "NAME:ALIAS" or the whole ARN, as --function takes it. */
static bool is_function(weir_str arn, const char *wanted)
{
    weir_str name = str_of(wanted);
    const char *at = arn.len > name.len ? arn.ptr + arn.len - name.len : NULL;
    return str_eq(arn, name) || (at && at[-1] == ':' && memcmp(at, name.ptr, name.len) == 0);
}

static bool ask(struct probe *probe, weir_str stream_arn)
{
    struct buf path;
    buf_init(&path, 4096);
    buf_puts(&path, "/2015-03-31/event-source-mappings/?");
    buf_puts(&path, stream_arn.len ? "EventSourceArn=" : "FunctionName=");
    buf_put_percent(&path, stream_arn.len ? stream_arn : str_of(probe->function));
    buf_reset(&probe->body);
    const struct question question = {.service = "lambda", .get = buf_cstr(&path)};
    bool answered = probe_ask(probe, &question);
    buf_done(&path);
    if (!answered && !probe->hopeless)
        probe_say(probe, FINDING_WARN, "mapping",
                  "Allow it to whoever runs `weir doctor`; weir itself does not need it.",
                  "lambda:ListEventSourceMappings: %s", probe->message);
    return answered;
}

static const char *name_in(struct arena *arena, weir_str arn)
{
    size_t at = 0, colons = 0;
    while (at < arn.len && colons < 6) /* arn:aws:lambda:REGION:ACCOUNT:function:NAME */
        colons += arn.ptr[at++] == ':';
    const char *name = arena_text(arena, (weir_str){arn.ptr + at, arn.len - at});
    return name && *name ? name : "the function";
}

/* How many of them are of the function, and were looked at. */
static size_t check_all(struct probe *probe, const struct sink_set *set, struct arena *arena,
                        const struct json_value *list)
{
    size_t count = 0;
    for (const struct json_value *one = json_at(list, 0); one; one = one->next) {
        weir_str arn = json_text(one, "FunctionArn");
        if (probe->function && !is_function(arn, probe->function))
            continue;
        const struct mapping mapping = {one, name_in(arena, arn)};
        check_state(probe, &mapping);
        check_answer(probe, &mapping);
        put_sizes(probe, &mapping);
        check_giving_up(probe, &mapping);
        check_filter(probe, set, &mapping);
        count++;
    }
    return count;
}

static void check_readers(struct probe *probe, size_t count)
{
    if (count > READERS_MAX)
        probe_say(probe, FINDING_WARN, "limits",
                  "Let one weir serve more sinks, or fan out behind it (Kinesis, SNS).",
                  "%zu event source mappings read this stream; more than %d readers of a shard are "
                  "throttled",
                  count, READERS_MAX);
}

/* The streams of DynamoDB that the function reads. */
static void find_streams(struct probe *probe, const struct sink_set *set, struct arena *arena,
                         const struct json_value *list,
                         void (*found)(struct probe *probe, const struct sink_set *set,
                                       weir_str arn))
{
    for (const struct json_value *one = json_at(list, 0); one; one = one->next) {
        const char *arn = arena_text(arena, json_text(one, "EventSourceArn"));
        if (arn && strstr(arn, ":dynamodb:") && strstr(arn, "/stream/"))
            found(probe, set, str_of(arn));
    }
}

void probe_mappings(struct probe *probe, const struct sink_set *set, weir_str stream_arn,
                    void (*found)(struct probe *probe, const struct sink_set *set, weir_str arn))
{
    struct arena arena;
    struct json_error error;
    arena_init(&arena, 16 << 10);
    if (ask(probe, stream_arn)) {
        weir_str answer = buf_str(&probe->answer);
        const char *kept = arena_text(&arena, answer); /* what is asked next is answered in it */
        const struct json_value *root =
            kept ? json_parse(&arena, str_of(kept), JSON_LAST_WINS, 0, &error) : NULL;
        const struct json_value *list = json_member0(root, "EventSourceMappings");
        if (list && list->kind == JSON_ARRAY && list->size > 0 && found)
            find_streams(probe, set, &arena, list, found);
        else if (!list || list->kind != JSON_ARRAY || found ||
                 check_all(probe, set, &arena, list) == 0)
            probe_say(probe, FINDING_FAIL, "mapping",
                      "Make one; `weir lambda template` has it. Check the region and the account.",
                      "%s%s has no event source mapping%s",
                      probe->function ? "the function " : "this stream",
                      probe->function ? probe->function : "",
                      probe->function && stream_arn.len ? " for this stream" : "");
        else
            check_readers(probe, list->size);
    }
    arena_done(&arena);
}
