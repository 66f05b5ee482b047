/* The source's side of `weir doctor`: every call that reading takes, once. */
#include "cli/probe.h"
#include "source/streams_api.h"
#include "util/text.h"

static const char switch_on[] =
    "Switch the table's stream on with the view type NEW_AND_OLD_IMAGES.";
static const char allow_it[] = "Allow it to the role or user; `weir plan` prints the whole policy.";

/* A call that was not answered with what was asked for. */
static void tell_refusal(struct probe *probe, const char *operation, weir_str whose)
{
    bool denied = probe->outcome == AWS_DENIED;
    if (probe->hopeless)
        return;
    if (probe->outcome == AWS_MISSING)
        probe_say(probe, FINDING_FAIL, "source", "Check its name, the region and the account.",
                  "%.*s is not there (%s)", STR_ARG(whose), operation);
    else
        probe_say(probe, FINDING_FAIL, denied ? "permission" : "source",
                  denied ? allow_it : "Look at the message; it is the service's own.",
                  "%.*s: %s: %s", STR_ARG(whose), operation, probe->message);
}

/* ---- one stream ---- */

static const char *image_names(uint32_t images)
{
    return images == WEIR_OLD ? "OldImage" : images == WEIR_NEW ? "NewImage" : "both images";
}

static void check_view(struct probe *probe, const struct sink_set *set, weir_str view)
{
    bool enough = true;
    for (size_t i = 0; i < set->count; i++) {
        uint32_t missing = sink_images_needed(&set->sinks[i]) & ~streams_view_images(view);
        if (!missing)
            continue;
        enough = false;
        probe_say_of(probe, set->sinks[i].config, FINDING_FAIL,
                     "Switch the stream off and on again with NEW_AND_OLD_IMAGES.",
                     "%s: needs %s, but the stream's view type is %.*s", set->sinks[i].config->name,
                     image_names(missing), STR_ARG(view));
    }
    if (enough)
        probe_say(probe, FINDING_OK, "view", NULL, "%.*s, which is enough for every sink",
                  STR_ARG(view));
}

/* A page of it: what is read stays where it is. */
static bool ask_records(struct probe *probe, weir_str arn, weir_str iterator)
{
    const struct question question = {.service = "dynamodb_streams",
                                      .target = "DynamoDBStreams_20120810.GetRecords",
                                      .json = "1.0",
                                      .region = streams_region(arn)};
    buf_reset(&probe->body);
    streams_body_records(&probe->body, iterator, 1);
    return probe_ask(probe, &question);
}

static void try_reading(struct probe *probe, weir_str arn, weir_str shard)
{
    const struct question question = {.service = "dynamodb_streams",
                                      .target = "DynamoDBStreams_20120810.GetShardIterator",
                                      .json = "1.0",
                                      .region = streams_region(arn)};
    struct arena arena;
    struct err err = {0};
    weir_str iterator;
    arena_init(&arena, 4096);
    buf_reset(&probe->body);
    streams_body_iterator(&probe->body, arn, shard, "TRIM_HORIZON", STR_NONE, 0);
    if (!probe_ask(probe, &question))
        tell_refusal(probe, "dynamodb:GetShardIterator", arn);
    else if (streams_parse_iterator(buf_str(&probe->answer), &arena, &iterator, &err) < 0)
        probe_say(probe, FINDING_FAIL, "source", "Is this endpoint DynamoDB's?", "%.*s: %s",
                  STR_ARG(arn), err.msg);
    else if (!ask_records(probe, arn, iterator))
        tell_refusal(probe, "dynamodb:GetRecords", arn);
    else
        probe_say(probe, FINDING_OK, "permission", NULL,
                  "dynamodb:DescribeStream, dynamodb:GetShardIterator and dynamodb:GetRecords");
    arena_done(&arena);
}

static void check_stream(struct probe *probe, const struct sink_set *set, weir_str arn)
{
    const struct question question = {.service = "dynamodb_streams",
                                      .target = "DynamoDBStreams_20120810.DescribeStream",
                                      .json = "1.0",
                                      .region = streams_region(arn)};
    struct stream_page page;
    struct arena arena;
    struct err err = {0};
    arena_init(&arena, 4096);
    buf_reset(&probe->body);
    streams_body_describe(&probe->body, arn, STR_NONE, STR_NONE);
    if (!probe_ask(probe, &question)) {
        tell_refusal(probe, "dynamodb:DescribeStream", arn);
    } else if (streams_parse_describe(buf_str(&probe->answer), &arena, &page, &err) < 0) {
        probe_say(probe, FINDING_FAIL, "source", "Is this endpoint DynamoDB's?", "%.*s: %s",
                  STR_ARG(arn), err.msg);
    } else {
        bool enabled = str_starts(page.status, STR("ENABL"));
        probe_say(probe, enabled ? FINDING_OK : FINDING_WARN, "stream", enabled ? NULL : switch_on,
                  "%.*s is %.*s", STR_ARG(arn), STR_ARG(page.status));
        check_view(probe, set, page.view_type);
        if (probe_for_lambda(probe))
            probe_mappings(probe, set, arn, NULL);
        else if (page.shard_count)
            try_reading(probe, arn, page.shards[0].id);
    }
    arena_done(&arena);
}

/* ---- tables ---- */

static bool describe_table(struct probe *probe, const char *table)
{
    static const struct question question = {
        .service = "dynamodb", .target = "DynamoDB_20120810.DescribeTable", .json = "1.0"};
    buf_reset(&probe->body);
    buf_puts(&probe->body, "{\"TableName\":");
    buf_put_json_string(&probe->body, str_of(table));
    buf_putc(&probe->body, '}');
    return probe_ask(probe, &question);
}

static void ask_list(struct probe *probe, const char *table)
{
    static const struct question question = {.service = "dynamodb_streams",
                                             .target = "DynamoDBStreams_20120810.ListStreams",
                                             .json = "1.0"};
    buf_reset(&probe->body);
    streams_body_list(&probe->body, str_of(table), STR_NONE);
    if (probe_ask(probe, &question))
        probe_say(probe, FINDING_OK, "permission", NULL,
                  "dynamodb:DescribeTable and dynamodb:ListStreams");
    else
        tell_refusal(probe, "dynamodb:ListStreams", str_of(table));
}

static void check_table(struct probe *probe, const struct sink_set *set, const char *table)
{
    struct arena arena;
    struct err err = {0};
    weir_str arn, view_type;
    bool enabled;
    arena_init(&arena, 4096);
    if (!describe_table(probe, table)) {
        tell_refusal(probe, "dynamodb:DescribeTable", str_of(table));
    } else if (streams_parse_table(buf_str(&probe->answer), &arena, &arn, &enabled, &view_type,
                                   &err) < 0) {
        probe_say(probe, FINDING_FAIL, "source", "Is this endpoint DynamoDB's?", "table %s: %s",
                  table, err.msg);
    } else {
        if (!probe_for_lambda(probe))
            ask_list(probe, table);
        if (arn.len)
            check_stream(probe, set, arn);
        else
            probe_say(probe, FINDING_FAIL, "stream", switch_on, "table %s has no stream", table);
    }
    arena_done(&arena);
}

bool probe_for_lambda(const struct probe *probe)
{
    return probe->function || probe->config->source == SOURCE_LAMBDA;
}

void probe_source(struct probe *probe, const struct sink_set *set)
{
    const struct config *config = probe->config;
    for (const char *const *table = config->poll.tables; table && *table; table++)
        if (!probe->hopeless)
            check_table(probe, set, *table);
    for (const char *const *arn = config->poll.streams; arn && *arn; arn++)
        if (!probe->hopeless)
            check_stream(probe, set, str_of(*arn));
    bool named = config->poll.tables || config->poll.streams;
    if (!probe_for_lambda(probe) || named || probe->hopeless)
        return;
    if (probe->function)
        probe_mappings(probe, set, STR_NONE, check_stream);
    else
        probe_say(probe, FINDING_WARN, "mapping",
                  "Name it: weir doctor --function NAME, or source.tables.",
                  "which stream the function reads is not known");
}
